//! Everything that is tested inside QEMU, and what loom explores: one test program, so that as many of them run at a time as
//! this machine has CPUs. A guest with one CPU leaves the others idle, and so does a link.
//!
//! They start in the order of their names. The first ones build what all the others boot.

mod busybox;
mod device_tree;
mod models;
mod suites;
