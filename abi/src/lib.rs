//! What Postern's own devices and the programs that use them agree on, beyond Linux's ABI.
//!
//! The kernel and the programs are built against this one crate, so they cannot differ; C programs have the same in
//! `include/postern/`. No system calls in here: the numbers, the layouts, and the protocols on shared memory.
#![no_std]

pub mod hello;
pub mod ioctl;
pub mod ring;
pub mod trace;
pub mod window;
