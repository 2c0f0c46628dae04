//! The suites, one file each, and the order in which they run.

use crate::harness::Suite;

mod alarms;
mod alternate_stack;
mod arguments;
pub mod bad_descriptors;
mod bad_pointers;
mod cancellation;
mod cgroup;
mod cgroup_pids;
mod cpu_time;
mod cpu_time_of_others;
mod crowds_of_processes;
mod crowds_of_threads;
mod directories;
mod epoll;
mod eventfd;
mod exec;
mod exec_refused;
mod exhaustion;
mod fd_io;
mod fds;
mod file_size_limit;
mod files;
mod fork;
mod futex;
mod futex_wake_op;
mod futex_words;
mod hello_as_pipe;
mod hello_cgroup;
mod hello_data;
mod hello_ioctl;
mod hello_killed;
mod hello_mapped;
mod hello_module;
mod hello_open;
mod hello_ring;
mod hello_splice;
mod hello_tools;
mod hello_waking;
mod identity;
mod job_control;
mod killed_asleep;
mod killed_in_a_copy;
mod leaks;
mod libc_files;
mod libc_processes;
mod libc_system;
mod links;
mod mailbox;
mod misc;
mod mmap;
mod mmap_fault;
mod mmap_file;
mod modules;
mod mounts;
mod myipc;
mod orphaned_groups;
mod orphans;
mod out_of_memory;
mod padding;
mod paths;
mod permissions;
mod pid_max;
mod pipe;
mod pipe_atomicity;
mod pipe_capacity;
mod poll;
pub mod poll_masks;
mod posix_timers;
mod proc_process;
mod proc_system;
mod pty;
mod pty_limits;
mod random_programs;
mod registers;
mod robust_list;
mod sched;
mod sending;
mod shared_mutexes;
mod shared_objects;
mod shared_waiting;
mod signal_actions;
mod signal_frame;
mod signalfd;
mod signals;
mod splice;
mod splice_memory;
mod symlinks;
mod system_calls;
mod tagged_addresses;
mod terminal_jobs;
mod terminal_shell;
mod termios;
mod thread_life;
mod thread_services;
mod threads;
mod time;
mod timerfd;
mod tracing;
mod unix_collector;
mod unix_connections;
mod unix_datagrams;
mod unix_names;
mod unix_sockets;
mod unix_sockets_passing;
mod wait;
mod wait_options;
mod waits;

/// All suites.
pub static ALL: &[Suite] = &[
    Suite { name: "pipe", tests: pipe::tests },
    Suite { name: "pipe_atomicity", tests: pipe_atomicity::tests },
    Suite { name: "pipe_capacity", tests: pipe_capacity::tests },
    Suite { name: "splice", tests: splice::tests },
    Suite { name: "splice_memory", tests: splice_memory::tests },
    Suite { name: "poll", tests: poll::tests },
    Suite { name: "epoll", tests: epoll::tests },
    Suite { name: "poll_masks", tests: poll_masks::tests },
    Suite { name: "hello_open", tests: hello_open::tests },
    Suite { name: "hello_ring", tests: hello_ring::tests },
    Suite { name: "hello_data", tests: hello_data::tests },
    Suite { name: "hello_ioctl", tests: hello_ioctl::tests },
    Suite { name: "hello_splice", tests: hello_splice::tests },
    Suite { name: "hello_cgroup", tests: hello_cgroup::tests },
    Suite { name: "hello_mapped", tests: hello_mapped::tests },
    Suite { name: "hello_as_pipe", tests: hello_as_pipe::tests },
    Suite { name: "hello_module", tests: hello_module::tests },
    Suite { name: "hello_tools", tests: hello_tools::tests },
    Suite { name: "hello_waking", tests: hello_waking::tests },
    Suite { name: "hello_killed", tests: hello_killed::tests },
    Suite { name: "eventfd", tests: eventfd::tests },
    Suite { name: "unix_sockets", tests: unix_sockets::tests },
    Suite { name: "unix_sockets_passing", tests: unix_sockets_passing::tests },
    Suite { name: "pty", tests: pty::tests },
    Suite { name: "pty_limits", tests: pty_limits::tests },
    Suite { name: "terminal_jobs", tests: terminal_jobs::tests },
    Suite { name: "terminal_shell", tests: terminal_shell::tests },
    Suite { name: "termios", tests: termios::tests },
    Suite { name: "unix_names", tests: unix_names::tests },
    Suite { name: "unix_connections", tests: unix_connections::tests },
    Suite { name: "unix_datagrams", tests: unix_datagrams::tests },
    Suite { name: "unix_collector", tests: unix_collector::tests },
    Suite { name: "fork", tests: fork::tests },
    Suite { name: "wait", tests: wait::tests },
    Suite { name: "wait_options", tests: wait_options::tests },
    Suite { name: "orphans", tests: orphans::tests },
    Suite { name: "orphaned_groups", tests: orphaned_groups::tests },
    Suite { name: "exec", tests: exec::tests },
    Suite { name: "exec_refused", tests: exec_refused::tests },
    Suite { name: "mmap", tests: mmap::tests },
    Suite { name: "mmap_file", tests: mmap_file::tests },
    Suite { name: "mmap_fault", tests: mmap_fault::tests },
    Suite { name: "tagged_addresses", tests: tagged_addresses::tests },
    Suite { name: "futex", tests: futex::tests },
    Suite { name: "futex_words", tests: futex_words::tests },
    Suite { name: "futex_wake_op", tests: futex_wake_op::tests },
    Suite { name: "fds", tests: fds::tests },
    Suite { name: "fd_io", tests: fd_io::tests },
    Suite { name: "mounts", tests: mounts::tests },
    Suite { name: "paths", tests: paths::tests },
    Suite { name: "symlinks", tests: symlinks::tests },
    Suite { name: "links", tests: links::tests },
    Suite { name: "directories", tests: directories::tests },
    Suite { name: "files", tests: files::tests },
    Suite { name: "file_size_limit", tests: file_size_limit::tests },
    Suite { name: "permissions", tests: permissions::tests },
    Suite { name: "pid_max", tests: pid_max::tests },
    Suite { name: "signals", tests: signals::tests },
    Suite { name: "signal_actions", tests: signal_actions::tests },
    Suite { name: "signalfd", tests: signalfd::tests },
    Suite { name: "sending", tests: sending::tests },
    Suite { name: "alarms", tests: alarms::tests },
    Suite { name: "alternate_stack", tests: alternate_stack::tests },
    Suite { name: "signal_frame", tests: signal_frame::tests },
    Suite { name: "random_programs", tests: random_programs::tests },
    Suite { name: "registers", tests: registers::tests },
    Suite { name: "threads", tests: threads::tests },
    Suite { name: "thread_life", tests: thread_life::tests },
    Suite { name: "thread_services", tests: thread_services::tests },
    Suite { name: "cancellation", tests: cancellation::tests },
    Suite { name: "shared_objects", tests: shared_objects::tests },
    Suite { name: "shared_mutexes", tests: shared_mutexes::tests },
    Suite { name: "robust_list", tests: robust_list::tests },
    Suite { name: "shared_waiting", tests: shared_waiting::tests },
    Suite { name: "libc_processes", tests: libc_processes::tests },
    Suite { name: "libc_files", tests: libc_files::tests },
    Suite { name: "libc_system", tests: libc_system::tests },
    Suite { name: "proc_process", tests: proc_process::tests },
    Suite { name: "proc_system", tests: proc_system::tests },
    Suite { name: "time", tests: time::tests },
    Suite { name: "posix_timers", tests: posix_timers::tests },
    Suite { name: "cpu_time", tests: cpu_time::tests },
    Suite { name: "cpu_time_of_others", tests: cpu_time_of_others::tests },
    Suite { name: "timerfd", tests: timerfd::tests },
    Suite { name: "sched", tests: sched::tests },
    Suite { name: "identity", tests: identity::tests },
    Suite { name: "job_control", tests: job_control::tests },
    Suite { name: "misc", tests: misc::tests },
    Suite { name: "cgroup", tests: cgroup::tests },
    Suite { name: "cgroup_pids", tests: cgroup_pids::tests },
    Suite { name: "modules", tests: modules::tests },
    Suite { name: "mailbox", tests: mailbox::tests },
    Suite { name: "myipc", tests: myipc::tests },
    Suite { name: "tracing", tests: tracing::tests },
    Suite { name: "waits", tests: waits::tests },
    Suite { name: "system_calls", tests: system_calls::tests },
    Suite { name: "bad_pointers", tests: bad_pointers::tests },
    Suite { name: "padding", tests: padding::tests },
    Suite { name: "bad_descriptors", tests: bad_descriptors::tests },
    Suite { name: "exhaustion", tests: exhaustion::tests },
    Suite { name: "leaks", tests: leaks::tests },
    Suite { name: "crowds_of_processes", tests: crowds_of_processes::tests },
    Suite { name: "crowds_of_threads", tests: crowds_of_threads::tests },
    Suite { name: "killed_asleep", tests: killed_asleep::tests },
    Suite { name: "killed_in_a_copy", tests: killed_in_a_copy::tests },
    Suite { name: "out_of_memory", tests: out_of_memory::tests },
];
