//! The search of the kernel's source for places where tasks sleep, and which tests are about each: see the head of the suite
//! `killed_asleep`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// What a line that puts a task to sleep has in it; and what says that a file's queues are slept on by the loop in blocking.rs.
const MARKS: [&str; 8] = [
    "sched::park(",
    ".wait(postern_sync::Mode",
    ".wait_interruptible(",
    ".wait_until(",
    ".wait_in_turn(",
    ".queue.wait_passed_over(",
    "blocking::wait(",
    "fn wait_queue(&self, direction: Direction) -> Option<&WaitQueue>",
];

/// The suites that kill tasks where they sleep.
const SUITES: [&str; 2] = ["killed_asleep", "hello_killed"];

/// A file of the kernel, how many such lines it has, and the tests for them.
const TABLE: &[(&str, usize, &[&str])] = &[
    // The declaration; and the queues of which only poll makes use, as of any other.
    ("fs/file.rs", 1, &["ppoll_of_many_files"]),
    ("fs/cgroupfs/open_file.rs", 1, &["ppoll_of_many_files"]),
    ("fs/blocking.rs", 2, &["read_of_an_empty_pipe", "writers_that_take_turns_at_a_full_pipe"]),
    ("fs/splice/waiting.rs", 1, &["splice_from_an_empty_pipe", "splice_to_a_full_pipe", "tee_of_an_empty_pipe"]),
    ("fs/poll.rs", 1, &["poll_of_nothing", "ppoll_of_many_files", "pselect_with_a_time_limit"]),
    ("fs/epoll.rs", 2, &["epoll_wait_of_many_files", "epoll_wait_of_an_instance_in_an_instance"]),
    ("fs/flock.rs", 1, &["flock_of_a_locked_file"]),
    ("fs/record_lock.rs", 1, &["fcntl_lock_of_a_locked_file", "fcntl_lock_of_an_open_file_description"]),
    ("ipc/pipe.rs", 2, &["opening_of_a_fifo_for_reading", "opening_of_a_fifo_for_writing", "read_of_an_empty_fifo"]),
    ("ipc/eventfd.rs", 1, &["read_of_an_eventfd_at_zero", "write_to_an_eventfd_at_its_most"]),
    ("ipc/timerfd.rs", 1, &["read_of_a_timerfd"]),
    ("ipc/futex.rs", 1, &["futex_wait", "futex_waiter_that_was_requeued"]),
    ("ipc/unix_socket/mod.rs", 1, &["read_of_a_socket", "write_to_a_full_socket", "splice_to_a_full_socket"]),
    ("ipc/unix_socket/transfer.rs", 1, &["accept_without_a_client", "connect_to_a_full_backlog", "recv_of_a_stream"]),
    ("process/signal/signalfd.rs", 1, &["read_of_a_signalfd"]),
    ("process/signal/wait.rs", 1, &["sigtimedwait_for_a_signal"]),
    ("process/signal/mask.rs", 1, &["sigsuspend_with_another_mask"]),
    ("process/signal/stop.rs", 1, &["stopped_process", "read_that_stops_a_background_job"]),
    (
        "process/clock.rs",
        3,
        &["nanosleep_of_long", "clock_nanosleep_until_a_point_of_real_time", "clock_nanosleep_by_cpu_time"],
    ),
    ("process/wait.rs", 1, &["wait4_for_a_child", "waitid_for_any_child"]),
    ("process/thread.rs", 1, &["vfork_for_its_child"]),
    ("process/exit.rs", 1, &["process_that_executes_a_program_among_busy_threads"]),
    ("drivers/hello/instance.rs", 1, &["killed_in_open_leaves_nothing"]),
    (
        "drivers/hello/sharing.rs",
        1,
        &["killed_in_a_wait_at_the_mapped_ring_gives_the_producer_an_error_and_leaves_nothing"],
    ),
    ("drivers/hello/file.rs", 1, &["killed_in_write_gives_the_reader_end_of_file_and_leaves_nothing"]),
    ("drivers/hello/fixed.rs", 1, &["killed_in_read_gives_the_writer_epipe_and_leaves_nothing"]),
    ("drivers/myipc/device.rs", 1, &["read_of_an_empty_myipc", "write_to_a_full_myipc"]),
    ("drivers/mailbox.rs", 1, &["read_of_an_empty_mailbox"]),
    ("drivers/tty/file.rs", 1, &["read_of_a_terminal", "write_to_a_terminal_that_nobody_reads"]),
    ("drivers/tty/pty/master.rs", 1, &["read_of_a_master", "write_to_a_master_that_nobody_reads"]),
    // What all of the others end in.
    ("sync/mod.rs", 1, &["read_of_an_empty_pipe"]),
];

/// How many lines with a mark each file below `folder` has.
fn search(folder: &Path, root: &Path, found: &mut BTreeMap<String, usize>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            search(&path, root, found)?;
        } else {
            let text = std::fs::read_to_string(&path)?;
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let count = code.filter(|line| MARKS.iter().any(|mark| line.contains(mark))).count();
            if count > 0 {
                let name = path.strip_prefix(root).map_err(std::io::Error::other)?;
                found.insert(name.to_string_lossy().into_owned(), count);
            }
        }
    }
    Ok(())
}

#[test]
fn every_line_of_the_kernel_that_sleeps_has_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../kernel/src");
    let mut found = BTreeMap::new();
    search(&root, &root, &mut found).expect("the kernel's source can be read");
    found.retain(|name, _| !name.starts_with("ktest"));
    let table: BTreeMap<String, usize> = TABLE.iter().map(|(name, count, _)| ((*name).to_string(), *count)).collect();
    assert_eq!(found, table, "where the kernel sleeps, and where the table says it does");
    let tests = names_of_tests();
    for name in TABLE.iter().flat_map(|(_, _, names)| names.iter()) {
        let full = SUITES.map(|suite| format!("{suite}.{name}"));
        assert!(tests.lines().any(|test| full.iter().any(|full| full == test)), "{name} is a test");
    }
}

/// All tests of the program, a line each.
fn names_of_tests() -> String {
    let list = Command::new(env!("CARGO_BIN_EXE_conformance")).arg("--list").output().expect("the program runs");
    String::from_utf8(list.stdout).expect("names of Rust")
}
