//! The laboratory: one initramfs, one static program, two kernels, one emulated machine.
//!
//! `machine` boots a system and returns what its program printed; `figure` is one figure and the file of them; `campaign` runs
//! every mechanism on the systems, as many boots at a time as asked for, and each twice; `table` sets systems side by side;
//! `survey` is all that a report needs, `report` draws it; `change` tells two files of figures apart. `ktap` reads what a
//! test program said, `difference` sets two such reports beside each other, `conformance` asks both systems. `trace` draws a
//! recording of the kernel's trace points; `profile` says which functions a benchmark's instructions are in. `room` looks for
//! space on the disk before any of them writes. Nothing here knows QEMU's options: `qemu.sh` is called.

pub mod campaign;
pub mod change;
pub mod conformance;
pub mod difference;
pub mod figure;
pub mod fuzz;
pub mod ktap;
pub mod machine;
pub mod profile;
pub mod report;
pub mod room;
pub mod survey;
pub mod table;
pub mod trace;
