//! The laboratory: one initramfs, one static program, two kernels, one emulated machine.
//!
//! `machine` boots a system and returns what its program printed; `figure` is one figure and the file of them; `campaign` runs
//! every mechanism on the systems, as many boots at a time as asked for, and each twice; `table` sets systems side by side;
//! `change` tells two files of figures apart. Nothing here knows QEMU's options: `qemu.sh` is called.

pub mod campaign;
pub mod change;
pub mod figure;
pub mod machine;
pub mod table;
