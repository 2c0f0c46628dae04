//! AArch64 as QEMU's `virt` machine has it: EL1, GICv3, virtual timer, PSCI.

pub mod boot;
pub mod context;
pub mod cpu;
pub mod exception;
pub mod gic;
pub mod memory;
pub mod mmu;
pub mod pmu;
pub mod probe;
pub mod psci;
pub mod semihosting;
pub mod timer;
pub mod trace_point;
pub mod user_access;
pub mod vdso;
