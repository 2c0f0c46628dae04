//! Threads as the C library signals and ends them. Specification: pthreads(7), pthread_create(3), pthread_kill(3),
//! pthread_exit(3), pthread_detach(3), pthread_key_create(3p), sigwait(3).

use crate::check::{Failure, Outcome, expect, expect_eq, failed};
use crate::sys::thread::{End, EndKey, Thread, done};
use crate::sys::{Sys, fd, memory, process, signal, time};
use std::ffi::c_void;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

crate::tests! {
    pthread_kill_reaches_the_thread_alone,
    pthread_kill_interrupts_the_call_of_that_thread_alone,
    raise_in_a_thread_signals_that_thread,
    sigwait_in_a_thread_takes_the_signal_of_the_process,
    a_fault_is_handled_by_the_thread_that_made_it,
    the_main_thread_ends_and_the_others_go_on,
    the_process_waits_for_its_last_thread,
    a_signal_to_the_process_finds_a_thread_after_the_main_one_ended,
    join_waits_for_a_thread_that_ends_later,
    a_detached_thread_ends_by_itself,
    a_hundred_threads_in_turn_leave_nothing,
    destructors_of_thread_data_run_at_the_end,
}

/// Which thread ran the handler last.
static HANDLED_BY: AtomicI32 = AtomicI32::new(0);

extern "C" fn tell_thread(_signal: i32, _info: *mut libc::siginfo_t, _context: *mut c_void) {
    HANDLED_BY.store(process::gettid(), Ordering::SeqCst);
}

/// A pipe for the whole life of the test.
fn pipe() -> Result<&'static fd::Pipe, Failure> {
    Ok(Box::leak(Box::new(fd::Pipe::with_flags(0)?)))
}

/// Reads a byte, and returns it; 1000 and the error number if it cannot.
fn read_byte(pipe: &'static fd::Pipe) -> usize {
    let mut byte = [0];
    match fd::read(pipe.read, &mut byte) {
        Ok(_) => usize::from(byte[0]),
        Err(error) => 1000 + usize::try_from(error.errno).unwrap_or(0),
    }
}

/// Waits until the handler has run in some thread, and says in which.
fn handled_by() -> i32 {
    while HANDLED_BY.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    HANDLED_BY.load(Ordering::SeqCst)
}

fn pthread_kill_reaches_the_thread_alone() -> Outcome {
    signal::handle(libc::SIGUSR1, tell_thread, libc::SA_RESTART, &[])?;
    let pipe = pipe()?;
    let threads = [Thread::start(read_byte, pipe)?, Thread::start(read_byte, pipe)?, Thread::start(read_byte, pipe)?];
    for thread in threads {
        HANDLED_BY.store(0, Ordering::SeqCst);
        thread.kill(libc::SIGUSR1)?;
        expect_eq(handled_by(), thread.id, "the thread that ran the handler")?;
    }
    fd::write(pipe.write, b"xxx")?;
    threads.iter().try_for_each(|thread| expect_eq(thread.join()?, End::Returned(usize::from(b'x')), "what it read"))
}

fn pthread_kill_interrupts_the_call_of_that_thread_alone() -> Outcome {
    signal::handle(libc::SIGUSR1, tell_thread, 0, &[])?;
    let pipe = pipe()?;
    let (one, other) = (Thread::start(read_byte, pipe)?, Thread::start(read_byte, pipe)?);
    one.wait_until_asleep()?;
    other.wait_until_asleep()?;
    other.kill(libc::SIGUSR1)?;
    expect_eq(other.join()?, End::Returned(1000 + 4), "that of the thread that was signalled ends with EINTR")?;
    fd::write(pipe.write, b"x")?;
    expect_eq(one.join()?, End::Returned(usize::from(b'x')), "what the other one read")
}

fn raise_in_a_thread_signals_that_thread() -> Outcome {
    signal::handle(libc::SIGUSR1, tell_thread, 0, &[])?;
    let thread = Thread::start(
        |handled_by: &AtomicI32| {
            // SAFETY: takes no pointers.
            let value = unsafe { libc::raise(libc::SIGUSR1) };
            usize::from(value == 0 && handled_by.load(Ordering::SeqCst) == process::gettid())
        },
        &HANDLED_BY,
    )?;
    expect_eq(thread.join()?, End::Returned(1), "the handler ran in the thread before raise returned")
}

fn sigwait_in_a_thread_takes_the_signal_of_the_process() -> Outcome {
    signal::block(&[libc::SIGUSR1, libc::SIGUSR2])?;
    let thread = Thread::start(
        |_: &()| {
            let set = signal::set_of(&[libc::SIGUSR1, libc::SIGUSR2]);
            let mut taken = 0;
            // SAFETY: one set is read, and there is room for the number.
            let value = unsafe { libc::sigwait(&raw const set, &raw mut taken) };
            usize::try_from(value + taken).unwrap_or(0)
        },
        &(),
    )?;
    thread.wait_until_asleep()?;
    process::kill(process::getpid(), libc::SIGUSR2)?;
    expect_eq(thread.join()?, End::Returned(12), "the signal that sigwait took, SIGUSR2")
}

/// Loads from the page that a handler makes readable: the thread goes on behind its fault.
fn a_fault_is_handled_by_the_thread_that_made_it() -> Outcome {
    static PAGE: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn mend(_signal: i32, _info: *mut libc::siginfo_t, _context: *mut c_void) {
        let page = std::ptr::with_exposed_provenance_mut(PAGE.load(Ordering::SeqCst));
        // SAFETY: a page of the test's own.
        unsafe { libc::mprotect(page, memory::PAGE, libc::PROT_READ) };
        HANDLED_BY.store(process::gettid(), Ordering::SeqCst);
    }
    signal::handle(libc::SIGSEGV, mend, 0, &[])?;
    let mapping = Box::leak(Box::new(memory::private(1)?));
    mapping.protect(0, memory::PAGE, libc::PROT_NONE)?;
    PAGE.store(mapping.pointer(0, 1).expose_provenance(), Ordering::SeqCst);
    let thread = Thread::start(|mapping: &memory::Mapping| usize::from(mapping.load(0)), mapping)?;
    expect_eq(thread.join()?, End::Returned(0), "what the thread loaded")?;
    expect_eq(HANDLED_BY.load(Ordering::SeqCst), thread.id, "the thread that ran the handler")
}

/// Ends the calling thread and no other, as `pthread_exit` does in the end.
fn exit_thread() {
    // SAFETY: the thread's stack stays; what it held is not needed any more.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
}

/// A child whose main thread ends at once, while another one runs `body`.
fn child_without_main_thread<T: Sync>(body: fn(&'static T) -> usize, argument: &'static T) -> Sys<process::Child> {
    process::spawn(|| {
        Thread::start(body, argument)?;
        exit_thread();
        Err(failed("exit returned"))
    })
}

fn the_main_thread_ends_and_the_others_go_on() -> Outcome {
    let (pipe, answer) = (pipe()?, pipe()?);
    let child = child_without_main_thread(
        |(pipe, answer): &(&fd::Pipe, &fd::Pipe)| {
            let byte = read_byte(pipe);
            usize::from(byte != 0 && fd::write(answer.write, b"y").is_err())
        },
        Box::leak(Box::new((pipe, answer))),
    )?;
    // The process is a zombie by its main thread's state, and yet lives.
    process::wait_for_state(child.pid, 'Z')?;
    expect(process::wait4(child.pid, libc::WNOHANG)?.is_none(), "there is nothing to wait for yet")?;
    fd::write(pipe.write, b"x")?;
    expect_eq(read_byte(answer), usize::from(b'y'), "the answer")?;
    child.expect_success()
}

fn the_process_waits_for_its_last_thread() -> Outcome {
    let before = time::clock_gettime(libc::CLOCK_MONOTONIC)?;
    const LENGTH: Duration = Duration::from_millis(30);
    let child = child_without_main_thread(
        |length: &Duration| {
            std::thread::sleep(*length);
            0
        },
        &LENGTH,
    )?;
    expect_eq(child.wait()?.exited(), Some(0), "the exit status, which is the main thread's")?;
    expect(time::clock_gettime(libc::CLOCK_MONOTONIC)? - before >= LENGTH, "the wait ends no earlier")
}

fn a_signal_to_the_process_finds_a_thread_after_the_main_one_ended() -> Outcome {
    let child = child_without_main_thread(read_byte, pipe()?)?;
    process::wait_for_state(child.pid, 'Z')?;
    child.kill(libc::SIGTERM)?;
    expect_eq(child.wait()?.signalled(), Some(libc::SIGTERM), "what ended the child")
}

fn join_waits_for_a_thread_that_ends_later() -> Outcome {
    let pipe = pipe()?;
    let reader = Thread::start(read_byte, pipe)?;
    let joiner = Thread::start(
        |reader: &Thread| match reader.join() {
            Ok(End::Returned(value)) => value,
            _ => 0,
        },
        Box::leak(Box::new(reader)),
    )?;
    joiner.wait_until_asleep()?;
    fd::write(pipe.write, b"j")?;
    expect_eq(joiner.join()?, End::Returned(usize::from(b'j')), "what was handed on")
}

fn a_detached_thread_ends_by_itself() -> Outcome {
    let pipe = pipe()?;
    let thread = Thread::start(read_byte, pipe)?;
    // SAFETY: a thread that is not joined.
    done("pthread_detach", unsafe { libc::pthread_detach(thread.handle) })?;
    fd::write(pipe.write, b"x")?;
    thread.wait_until_gone()
}

fn a_hundred_threads_in_turn_leave_nothing() -> Outcome {
    for number in 0..100 {
        let thread = Thread::start(|number: &usize| *number, Box::leak(Box::new(number)))?;
        expect_eq(thread.join()?, End::Returned(number), "the thread's value")?;
        // Who joins hears of the thread's end a moment before it is one.
        thread.wait_until_gone()?;
    }
    expect_eq(std::fs::read_dir("/proc/self/task")?.count(), 1, "the threads there are")
}

fn destructors_of_thread_data_run_at_the_end() -> Outcome {
    static ENDED: AtomicU32 = AtomicU32::new(0);
    let set_and_end = |key: &EndKey| usize::from(key.set(&ENDED).is_ok());
    let key = Box::leak(Box::new(EndKey::new()?));
    for turn in 1..=10 {
        expect_eq(Thread::start(set_and_end, key)?.join()?, End::Returned(1), "the thread's value")?;
        expect_eq(ENDED.load(Ordering::SeqCst), turn, "how often the destructor ran")?;
    }
    Ok(())
}
