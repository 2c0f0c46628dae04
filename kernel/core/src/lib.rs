//! The rules of Postern as plain values.
//!
//! Every module states what may happen to one kernel object (a pipe, a descriptor table, a terminal line …) and returns what
//! did happen. Nothing in here takes a lock, sleeps, touches a device or sees an address: the kernel wraps each value in a
//! lock and wait queues, and moves the bytes. So all of it is tested on the host, against plain models.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod areas;
pub mod bitmap;
pub mod byte_ring;
pub mod cgroup_tree;
pub mod channel;
pub mod clock;
pub mod command_line;
pub mod cpu_limit;
pub mod cpu_list;
pub mod effects;
pub mod errno;
pub mod exec_plan;
pub mod fd_table;
pub mod gzip;
pub mod identity;
pub mod in_flight;
pub mod interval_timer;
pub mod line_discipline;
pub mod machine;
pub mod module_image;
pub mod module_parameter;
pub mod newc;
pub mod number;
pub mod page_ring;
pub mod path;
pub mod pending_signals;
pub mod pipe;
pub mod posix_timer;
pub mod readiness;
pub mod run_queue;
pub mod siblings;
pub mod signal_action;
pub mod signal_record;
pub mod signal_set;
pub mod socket_queue;
pub mod start_stack;
pub mod table_parts;
pub mod task_census;
pub mod termios;
pub mod tid_allocator;
pub mod waits;
pub mod wake_paths;
