//! signalfd. Specification: signalfd(2).

use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::sys::signal::{self, RECORD_SIZE, Record, read_records, signalfd};
use crate::sys::{Sys, fd, memory, process, ready, time};
use libc::{
    EAGAIN, EBADF, EINTR, EINVAL, EPOLLET, EPOLLIN, POLLIN, POLLOUT, SFD_CLOEXEC, SFD_NONBLOCK, SIGALRM, SIGCHLD,
    SIGKILL, SIGSTOP, SIGUSR1, SIGUSR2,
};
use std::time::Duration;

crate::tests! {
    read_takes_a_pending_signal,
    read_waits_for_a_signal_to_its_process,
    read_waits_for_a_signal_to_its_thread,
    a_signal_to_another_thread_is_not_read,
    nonblocking_read_without_a_signal_gives_eagain,
    a_signal_outside_the_set_is_left_alone,
    one_read_takes_several_signals,
    real_time_signals_are_read_in_order_and_each,
    a_standard_signal_sent_twice_is_read_once,
    what_was_read_is_not_delivered,
    what_is_not_blocked_is_delivered_and_not_read,
    a_signal_that_is_not_in_the_set_interrupts_a_read,
    kill_is_told_with_its_sender,
    sigqueue_is_told_with_its_value,
    the_end_of_a_child_is_told_with_its_status,
    an_alarm_is_told_as_the_kernels,
    a_fault_is_told_with_its_address,
    poll_says_readable_while_a_signal_is_pending,
    poll_waits_for_a_signal,
    epoll_waits_for_a_signal,
    edge_triggered_epoll_tells_of_each_signal,
    another_set_takes_the_place_of_the_first,
    a_reader_hears_of_a_set_that_was_replaced,
    sigkill_and_sigstop_are_left_out_of_the_set,
    a_child_reads_its_own_signals,
    a_buffer_below_one_record_gives_einval,
    what_exceeds_whole_records_is_left_alone,
    a_read_that_faults_gives_efault,
    write_gives_einval,
    unknown_flags_and_other_set_sizes_give_einval,
    other_descriptors_give_einval_and_closed_ones_ebadf,
    cloexec_and_nonblock_are_taken_at_creation,
    its_link_in_proc_says_what_it_is,
}

/// The first real-time signal that C libraries leave to programs on every machine.
const REAL_TIME: i32 = 40;

/// A descriptor for signals that are blocked.
fn blocking(signals: &[i32], flags: i32) -> Sys<i32> {
    signal::block(signals)?;
    signalfd(-1, signals, flags)
}

fn numbers(records: &[Record]) -> Vec<i32> {
    records.iter().map(|record| record.ssi_signo.cast_signed()).collect()
}

fn take(fd: i32) -> Sys<Vec<i32>> {
    read_records(fd, 1).map(|records| numbers(&records))
}

fn read_takes_a_pending_signal() -> Outcome {
    let signals = blocking(&[SIGUSR1], SFD_NONBLOCK)?;
    signal::raise(SIGUSR1)?;
    expect_eq(take(signals)?, [SIGUSR1], "the signals")?;
    expect_eq(signal::pending()?, [], "what is pending afterwards")?;
    expect_errno(take(signals), EAGAIN)
}

fn read_waits_for_a_signal_to_its_process() -> Outcome {
    let signals = blocking(&[SIGUSR1], 0)?;
    let reader = process::spawn(|| expect_eq(take(signals)?, [SIGUSR1], "the signals"))?;
    reader.wait_until_asleep()?;
    reader.kill(SIGUSR1)?;
    reader.expect_success()
}

fn read_waits_for_a_signal_to_its_thread() -> Outcome {
    let signals = blocking(&[SIGUSR1], 0)?;
    let reader = process::spawn(|| expect_eq(take(signals)?, [SIGUSR1], "the signals"))?;
    reader.wait_until_asleep()?;
    process::tgkill(reader.pid, reader.pid, SIGUSR1)?;
    reader.expect_success()
}

fn a_signal_to_another_thread_is_not_read() -> Outcome {
    let signals = blocking(&[SIGUSR1], SFD_NONBLOCK)?;
    process::tgkill(process::getpid(), process::gettid(), SIGUSR1)?;
    let other =
        std::thread::spawn(move || (take(signals).map_err(|error| error.errno), ready::revents(signals, POLLIN)));
    let (read, polled) = other.join().map_err(|_| crate::check::failed("the thread panicked"))?;
    expect_eq(read, Err(EAGAIN), "what another thread reads")?;
    expect_eq(polled, Ok(0), "what another thread polls")?;
    expect_eq(take(signals)?, [SIGUSR1], "what the thread itself reads")
}

fn nonblocking_read_without_a_signal_gives_eagain() -> Outcome {
    expect_errno(take(blocking(&[SIGUSR1], SFD_NONBLOCK)?), EAGAIN)
}

fn a_signal_outside_the_set_is_left_alone() -> Outcome {
    let signals = blocking(&[SIGUSR1], SFD_NONBLOCK)?;
    signal::block(&[SIGUSR2])?;
    signal::raise(SIGUSR2)?;
    expect_errno(take(signals), EAGAIN)?;
    expect_eq(signal::pending()?, [SIGUSR2], "what is pending")
}

fn one_read_takes_several_signals() -> Outcome {
    let signals = blocking(&[SIGUSR1, SIGUSR2, REAL_TIME], SFD_NONBLOCK)?;
    for number in [REAL_TIME, SIGUSR2, SIGUSR1] {
        signal::raise(number)?;
    }
    // In the order in which they would be delivered.
    expect_eq(numbers(&read_records(signals, 2)?), [SIGUSR1, SIGUSR2], "as many as there is room for")?;
    signal::raise(SIGUSR1)?;
    expect_eq(numbers(&read_records(signals, 10)?), [SIGUSR1, REAL_TIME], "as many as there are")
}

fn real_time_signals_are_read_in_order_and_each() -> Outcome {
    let signals = blocking(&[REAL_TIME], SFD_NONBLOCK)?;
    for value in 0..5 {
        signal::sigqueue(process::getpid(), REAL_TIME, value)?;
    }
    let values: Vec<_> = read_records(signals, 8)?.iter().map(|record| record.ssi_int).collect();
    expect_eq(values, [0, 1, 2, 3, 4], "the values")
}

fn a_standard_signal_sent_twice_is_read_once() -> Outcome {
    let signals = blocking(&[SIGUSR1], SFD_NONBLOCK)?;
    signal::raise(SIGUSR1)?;
    signal::raise(SIGUSR1)?;
    expect_eq(numbers(&read_records(signals, 4)?), [SIGUSR1], "the signals")
}

fn what_was_read_is_not_delivered() -> Outcome {
    signal::count(SIGUSR1, 0)?;
    let signals = blocking(&[SIGUSR1], 0)?;
    signal::raise(SIGUSR1)?;
    take(signals)?;
    signal::unblock(&[SIGUSR1])?;
    expect_eq(signal::caught(SIGUSR1), 0, "how often the handler ran")
}

fn what_is_not_blocked_is_delivered_and_not_read() -> Outcome {
    signal::count(SIGUSR1, 0)?;
    let signals = signalfd(-1, &[SIGUSR1], SFD_NONBLOCK)?;
    signal::raise(SIGUSR1)?;
    expect_eq(signal::caught(SIGUSR1), 1, "how often the handler ran")?;
    expect_errno(take(signals), EAGAIN)
}

fn a_signal_that_is_not_in_the_set_interrupts_a_read() -> Outcome {
    let signals = blocking(&[SIGUSR1], 0)?;
    let reader = process::spawn(|| {
        signal::count(SIGUSR2, 0)?;
        expect_errno(take(signals), EINTR)
    })?;
    reader.wait_until_asleep()?;
    reader.kill(SIGUSR2)?;
    reader.expect_success()
}

fn the_record(fd: i32) -> Result<Record, crate::check::Failure> {
    let records = read_records(fd, 2)?;
    let [record] = records[..] else { return Err(crate::check::failed(format!("{} records", records.len()))) };
    Ok(record)
}

fn kill_is_told_with_its_sender() -> Outcome {
    let signals = blocking(&[SIGUSR1], 0)?;
    let parent = process::getpid();
    let sender = process::spawn(|| Ok(process::kill(parent, SIGUSR1)?))?;
    sender.expect_success()?;
    let record = the_record(signals)?;
    let told = (record.ssi_signo.cast_signed(), record.ssi_errno, record.ssi_code);
    expect_eq(told, (SIGUSR1, 0, libc::SI_USER), "signal, error and code")?;
    expect_eq(record.ssi_pid.cast_signed(), sender.pid, "the sender")?;
    expect_eq(record.ssi_uid, process::geteuid(), "the sender's user")?;
    process::tgkill(parent, process::gettid(), SIGUSR1)?;
    let record = the_record(signals)?;
    expect_eq((record.ssi_code, record.ssi_pid.cast_signed()), (libc::SI_TKILL, parent), "tgkill's code and sender")
}

fn sigqueue_is_told_with_its_value() -> Outcome {
    const VALUE: usize = 0x1234_5678_9abc_def0;
    let signals = blocking(&[REAL_TIME], 0)?;
    signal::sigqueue(process::getpid(), REAL_TIME, VALUE)?;
    let record = the_record(signals)?;
    expect_eq(record.ssi_code, libc::SI_QUEUE, "the code")?;
    expect_eq(record.ssi_pid.cast_signed(), process::getpid(), "the sender")?;
    expect_eq((record.ssi_ptr, record.ssi_int), (VALUE as u64, 0x9abc_def0_u32.cast_signed()), "the value")
}

fn the_end_of_a_child_is_told_with_its_status() -> Outcome {
    let signals = blocking(&[SIGCHLD], 0)?;
    let child = process::spawn_exit(7)?;
    let record = the_record(signals)?;
    expect_eq((record.ssi_signo.cast_signed(), record.ssi_code), (SIGCHLD, libc::CLD_EXITED), "signal and code")?;
    expect_eq((record.ssi_pid.cast_signed(), record.ssi_status), (child.pid, 7), "the child and its status")?;
    child.wait().map(drop)
}

fn an_alarm_is_told_as_the_kernels() -> Outcome {
    let signals = blocking(&[SIGALRM], 0)?;
    for _ in 0..3 {
        // Not one that repeats: it may come again while the first is read.
        time::alarm_after(Duration::from_millis(1), Duration::ZERO)?;
        let record = the_record(signals)?;
        let told = (record.ssi_signo.cast_signed(), record.ssi_code, record.ssi_pid);
        expect_eq(told, (SIGALRM, libc::SI_KERNEL, 0), "signal, code and sender")?;
    }
    Ok(())
}

fn a_fault_is_told_with_its_address() -> Outcome {
    let signals = blocking(&[libc::SIGSEGV], 0)?;
    // One that is sent like a fault: a real one cannot wait.
    let mut info = [0_u8; size_of::<libc::siginfo_t>()];
    info[8..12].copy_from_slice(&1_i32.to_ne_bytes());
    info[16..24].copy_from_slice(&0x1000_usize.to_ne_bytes());
    let (pid, thread) = (process::getpid(), process::gettid());
    // SAFETY: the kernel reads one struct.
    let sent = unsafe { libc::syscall(libc::SYS_rt_tgsigqueueinfo, pid, thread, libc::SIGSEGV, info.as_ptr()) };
    crate::sys::checked("rt_tgsigqueueinfo", sent)?;
    let record = the_record(signals)?;
    expect_eq((record.ssi_code, record.ssi_addr, record.ssi_pid), (1, 0x1000, 0), "code, address and sender")
}

fn poll_says_readable_while_a_signal_is_pending() -> Outcome {
    let signals = blocking(&[SIGUSR1], 0)?;
    let both = POLLIN | POLLOUT;
    expect_eq(ready::revents(signals, both)?, 0, "revents before")?;
    signal::raise(SIGUSR1)?;
    expect_eq(ready::revents(signals, both)?, POLLIN, "revents with a signal")?;
    take(signals)?;
    expect_eq(ready::revents(signals, both)?, 0, "revents after")
}

fn poll_waits_for_a_signal() -> Outcome {
    let signals = blocking(&[SIGUSR1], 0)?;
    let poller = process::spawn(|| {
        let mut entry = [ready::wanting(signals, POLLIN)];
        expect_eq(ready::poll(&mut entry, 10_000)?, 1, "ready descriptors")?;
        expect_eq(take(signals)?, [SIGUSR1], "the signals")
    })?;
    poller.wait_until_asleep()?;
    poller.kill(SIGUSR1)?;
    poller.expect_success()
}

fn epoll_waits_for_a_signal() -> Outcome {
    let signals = blocking(&[SIGUSR1], 0)?;
    let waiter = process::spawn(|| {
        let epoll = ready::epoll_create()?;
        ready::epoll_add(epoll, signals, EPOLLIN)?;
        expect_eq(ready::epoll_pwait(epoll, 1, 10_000, None)?.len(), 1, "events")?;
        expect_eq(take(signals)?, [SIGUSR1], "the signals")?;
        expect_eq(ready::epoll_ready(epoll)?, [], "events afterwards")
    })?;
    waiter.wait_until_asleep()?;
    process::tgkill(waiter.pid, waiter.pid, SIGUSR1)?;
    waiter.expect_success()
}

fn edge_triggered_epoll_tells_of_each_signal() -> Outcome {
    let signals = blocking(&[SIGUSR1, SIGUSR2], SFD_NONBLOCK)?;
    let epoll = ready::epoll_create()?;
    ready::epoll_add(epoll, signals, EPOLLIN | EPOLLET)?;
    for number in [SIGUSR1, SIGUSR2] {
        expect_eq(ready::epoll_ready(epoll)?, [], "events before")?;
        signal::raise(number)?;
        expect_eq(ready::epoll_ready(epoll)?.len(), 1, "events of a signal")?;
    }
    Ok(())
}

fn another_set_takes_the_place_of_the_first() -> Outcome {
    let signals = blocking(&[SIGUSR1, SIGUSR2], SFD_NONBLOCK)?;
    signal::raise(SIGUSR1)?;
    signal::raise(SIGUSR2)?;
    expect_eq(signalfd(signals, &[SIGUSR2], 0)?, signals, "what it returns")?;
    expect_eq(numbers(&read_records(signals, 4)?), [SIGUSR2], "the signals")?;
    // The flags are for new ones.
    expect_errno(take(signals), EAGAIN)
}

fn a_reader_hears_of_a_set_that_was_replaced() -> Outcome {
    process::spawn(|| {
        signal::block(&[SIGUSR1, SIGUSR2])?;
        signal::raise(SIGUSR2)?;
        let signals = signalfd(-1, &[SIGUSR1], 0)?;
        let reader = process::getpid();
        let replacer = std::thread::spawn(move || {
            process::wait_for_state(reader, 'S')?;
            signalfd(signals, &[SIGUSR2], 0).map_err(Into::into)
        });
        expect_eq(take(signals)?, [SIGUSR2], "the signals")?;
        replacer.join().map_err(|_| crate::check::failed("the thread panicked"))?.map(drop)
    })?
    .expect_success()
}

fn sigkill_and_sigstop_are_left_out_of_the_set() -> Outcome {
    signal::block(&[SIGUSR1])?;
    let signals = signalfd(-1, &[SIGKILL, SIGSTOP, SIGUSR1], 0)?;
    let reader = process::spawn(|| take(signals).map(drop).map_err(Into::into))?;
    reader.wait_until_asleep()?;
    reader.kill_and_wait()
}

fn a_child_reads_its_own_signals() -> Outcome {
    let signals = blocking(&[SIGUSR1], SFD_NONBLOCK)?;
    signal::raise(SIGUSR1)?;
    process::spawn(|| {
        expect_errno(take(signals), EAGAIN)?;
        expect_eq(ready::revents(signals, POLLIN)?, 0, "the child's revents")
    })?
    .expect_success()?;
    expect_eq(take(signals)?, [SIGUSR1], "the parent's signals")
}

fn a_buffer_below_one_record_gives_einval() -> Outcome {
    let signals = blocking(&[SIGUSR1], SFD_NONBLOCK)?;
    expect_errno(fd::read(signals, &mut [0; RECORD_SIZE - 1]), EINVAL)
}

fn what_exceeds_whole_records_is_left_alone() -> Outcome {
    let signals = blocking(&[SIGUSR1, SIGUSR2], SFD_NONBLOCK)?;
    signal::raise(SIGUSR1)?;
    signal::raise(SIGUSR2)?;
    let mut bytes = [0xff; RECORD_SIZE + 100];
    expect_eq(fd::read(signals, &mut bytes)?, RECORD_SIZE, "bytes read")?;
    expect(bytes[RECORD_SIZE..].iter().all(|byte| *byte == 0xff), "nothing is written behind them")?;
    expect(bytes[100..RECORD_SIZE].iter().all(|byte| *byte == 0), "what is for later is zero")?;
    expect_eq(take(signals)?, [SIGUSR2], "the other signal")
}

fn a_read_that_faults_gives_efault() -> Outcome {
    let hole = memory::before_hole(1)?;
    let signals = blocking(&[SIGUSR1], SFD_NONBLOCK)?;
    signal::raise(SIGUSR1)?;
    expect_errno(fd::read_into(signals, &hole, memory::PAGE, RECORD_SIZE), libc::EFAULT)
}

fn write_gives_einval() -> Outcome {
    expect_errno(fd::write(blocking(&[SIGUSR1], 0)?, &[1; RECORD_SIZE]), EINVAL)
}

fn unknown_flags_and_other_set_sizes_give_einval() -> Outcome {
    expect_errno(signalfd(-1, &[SIGUSR1], 1 << 20), EINVAL)?;
    expect_errno(signal::signalfd_with_set_size(-1, &[SIGUSR1], 4, 0), EINVAL)?;
    expect_errno(signal::signalfd_with_set_size(-1, &[SIGUSR1], 128, 0), EINVAL)
}

fn other_descriptors_give_einval_and_closed_ones_ebadf() -> Outcome {
    expect_errno(signalfd(fd::eventfd(0, 0)?, &[SIGUSR1], 0), EINVAL)?;
    expect_errno(signalfd(1000, &[SIGUSR1], 0), EBADF)?;
    expect_errno(signalfd(-2, &[SIGUSR1], 0), EBADF)
}

fn cloexec_and_nonblock_are_taken_at_creation() -> Outcome {
    let signals = signalfd(-1, &[SIGUSR1], SFD_CLOEXEC | SFD_NONBLOCK)?;
    expect_eq(fd::fcntl(signals, libc::F_GETFD, 0)?, libc::FD_CLOEXEC, "the descriptor's flags")?;
    expect(fd::fcntl(signals, libc::F_GETFL, 0)? & libc::O_NONBLOCK != 0, "it is non-blocking")
}

fn its_link_in_proc_says_what_it_is() -> Outcome {
    let signals = signalfd(-1, &[SIGUSR1], 0)?;
    let link = std::fs::read_link(format!("/proc/self/fd/{signals}"))?;
    expect_eq(link.to_str(), Some("anon_inode:[signalfd]"), "the link's text")
}
