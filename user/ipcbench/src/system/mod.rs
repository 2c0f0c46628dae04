//! The system calls std has no safe name for. With `mechanism/` this is where unsafe code lives.

pub mod affinity;
pub mod device;
pub mod interruption;
pub mod mapping;
pub mod parameters;
pub mod process;
pub mod raw;
