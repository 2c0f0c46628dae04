//! The machine: everything that names an AArch64 register, instruction or table format.
//! Calls up only through [`crate::trap`].

pub mod aarch64;
pub use aarch64::{
    boot, context, cpu, exception, gic, memory, mmu, pmu, probe, psci, semihosting, timer, trace_point, user_access,
    vdso,
};
