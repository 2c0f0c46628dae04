//! Two hundred threads in a process: created, signalled, stopped, ended, with the kernel's counts the same before and after
//! where it tells them. Specification: pthreads(7), signal(7), tgkill(2), sigqueue(3), sigwaitinfo(2), execve(2), exit_group(2).

use crate::check::{Failure, Outcome, expect, expect_eq, failed};
use crate::counts::Rounds;
use crate::probe;
use crate::sys::fd::{self, Pipe};
use crate::sys::process::{self, Child};
use crate::sys::signal::{self, sigsuspend};
use crate::sys::timer;
use libc::{SIGCONT, SIGSTOP, SIGUSR1, WCONTINUED, WUNTRACED};
use std::cell::Cell;
use std::sync::Barrier;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

crate::tests! {
    two_hundred_threads_each_handle_the_signal_that_is_sent_to_them,
    one_thread_among_two_hundred_handles_what_the_others_block_in_order,
    two_hundred_threads_that_wait_take_each_queued_signal_once,
    signals_queued_by_many_senders_come_in_each_senders_order,
    two_hundred_threads_are_made_and_joined_again_and_again,
    two_hundred_threads_are_stopped_and_continued,
    two_hundred_threads_are_killed_with_their_process,
    two_hundred_threads_end_when_one_of_them_ends_the_process,
    two_hundred_threads_end_when_one_of_them_executes_a_program,
}

const THREADS: usize = 200;

/// Starts a thread that needs little memory.
fn start<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>, Failure> {
    let started = std::thread::Builder::new().stack_size(64 << 10).spawn(body);
    started.map_err(|error| failed(format!("a thread cannot be made: {error}")))
}

fn joined<T>(thread: JoinHandle<T>) -> Result<T, Failure> {
    thread.join().map_err(|_| failed("a thread panicked"))
}

/// `round` in a process that has no threads yet, whose counts are the same before and after.
fn counted(round: impl Fn() -> Outcome) -> Outcome {
    Rounds::of_tasks(THREADS).leave_nothing_that_is_counted(|| process::spawn(&round)?.expect_success())
}

thread_local! {
    /// The thread's place among the others.
    static PLACE: Cell<usize> = const { Cell::new(0) };
}

/// Signals handled by the thread in each place.
static HANDLED: [AtomicU32; THREADS] = [const { AtomicU32::new(0) }; THREADS];

extern "C" fn note_place(_signal: i32, _info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    HANDLED[PLACE.get()].fetch_add(1, Ordering::SeqCst);
}

fn two_hundred_threads_each_handle_the_signal_that_is_sent_to_them() -> Outcome {
    counted(|| {
        signal::handle(SIGUSR1, note_place, 0, &[])?;
        // The threads inherit it, so that none handles the signal before it waits.
        signal::block(&[SIGUSR1])?;
        let threads: Vec<_> = (0..THREADS)
            .map(|place| {
                let (send, number) = std::sync::mpsc::channel();
                let thread = start(move || {
                    PLACE.set(place);
                    let _ = send.send(process::gettid());
                    while HANDLED[place].load(Ordering::SeqCst) == 0 {
                        // Always an error: that of the signal.
                        let _ = sigsuspend(&[]);
                    }
                })?;
                Ok((thread, number.recv().map_err(|_| failed("a thread does not tell its number"))?))
            })
            .collect::<Result<_, Failure>>()?;
        for (_, number) in threads.iter().rev() {
            process::tgkill(process::getpid(), *number, SIGUSR1)?;
        }
        threads.into_iter().try_for_each(|(thread, _)| joined(thread))?;
        let counts: Vec<u32> = HANDLED.iter().map(|count| count.load(Ordering::SeqCst)).collect();
        expect(counts.iter().all(|count| *count == 1), &format!("each handles one: {counts:?}"))
    })
}

/// Values of queued signals in the order in which they were handled, and the threads that did that.
static VALUES: [AtomicI32; THREADS] = [const { AtomicI32::new(-1) }; THREADS];
static HANDLERS: [AtomicI32; THREADS] = [const { AtomicI32::new(-1) }; THREADS];
static NEXT: AtomicUsize = AtomicUsize::new(0);

extern "C" fn note_value(_signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a filled siginfo.
    let info = unsafe { &*info };
    // SAFETY: it is of a queued signal, which has a value.
    let value = unsafe { info.si_value() }.sival_ptr.addr();
    let at = NEXT.fetch_add(1, Ordering::SeqCst);
    if let (Some(place), Some(handler)) = (VALUES.get(at), HANDLERS.get(at)) {
        place.store(i32::try_from(value).unwrap_or(-2), Ordering::SeqCst);
        handler.store(process::gettid(), Ordering::SeqCst);
    }
}

fn one_thread_among_two_hundred_handles_what_the_others_block_in_order() -> Outcome {
    counted(|| {
        static GATE: Barrier = Barrier::new(THREADS);
        let real_time = libc::SIGRTMIN();
        signal::handle(real_time, note_value, 0, &[])?;
        signal::block(&[real_time])?;
        for _ in 0..THREADS - 1 {
            start(|| GATE.wait())?;
        }
        let taker = start(move || {
            while NEXT.load(Ordering::SeqCst) < THREADS {
                // Always an error: that of the signal.
                let _ = sigsuspend(&[]);
            }
            process::gettid()
        })?;
        for value in 0..THREADS {
            signal::sigqueue(process::getpid(), real_time, value)?;
        }
        let taker = joined(taker)?;
        GATE.wait();
        for (value, (got, handler)) in VALUES.iter().zip(&HANDLERS).enumerate() {
            expect_eq(got.load(Ordering::SeqCst), i32::try_from(value).unwrap_or(-3), "the value")?;
            expect_eq(handler.load(Ordering::SeqCst), taker, "the thread that handled it")?;
        }
        Ok(())
    })
}

fn two_hundred_threads_that_wait_take_each_queued_signal_once() -> Outcome {
    const VALUES_EACH: usize = 3;
    counted(|| {
        static TAKEN: [AtomicU32; THREADS * VALUES_EACH] = [const { AtomicU32::new(0) }; THREADS * VALUES_EACH];
        let real_time = libc::SIGRTMIN();
        signal::block(&[real_time])?;
        let take = move || -> Outcome {
            loop {
                let told = match timer::wait_for_timer(&[real_time], Duration::from_secs(15)) {
                    // Linux says this as well when another thread has taken what woke this one.
                    Err(error) if error.errno == libc::EINTR => continue,
                    told => told?,
                };
                match TAKEN.get(told.value) {
                    Some(count) => count.fetch_add(1, Ordering::SeqCst),
                    None => return Ok(()),
                };
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|_| start(take)).collect::<Result<_, _>>()?;
        for value in 0..THREADS * VALUES_EACH {
            signal::sigqueue(process::getpid(), real_time, value)?;
        }
        // One more each, behind the others, which ends the thread.
        for _ in 0..THREADS {
            signal::sigqueue(process::getpid(), real_time, usize::from(u16::MAX))?;
        }
        threads.into_iter().try_for_each(|thread| joined(thread)?)?;
        expect(TAKEN.iter().all(|count| count.load(Ordering::SeqCst) == 1), "each value is taken once")
    })
}

fn signals_queued_by_many_senders_come_in_each_senders_order() -> Outcome {
    const SENDERS: usize = 20;
    const EACH: usize = 40;
    let (low, high) = (libc::SIGRTMIN(), libc::SIGRTMIN() + 1);
    signal::block(&[low, high])?;
    let file = signal::signalfd(-1, &[low, high], 0)?;
    let receiver = process::getpid();
    let senders: Vec<Child> = (0..SENDERS)
        .map(|sender| {
            process::spawn(|| {
                for number in 0..EACH {
                    let signal = if number % 2 == 0 { high } else { low };
                    signal::sigqueue(receiver, signal, sender << 8 | number)?;
                }
                Ok(())
            })
        })
        .collect::<Result<_, _>>()?;
    senders.into_iter().try_for_each(Child::expect_success)?;
    let mut records = Vec::new();
    while records.len() < SENDERS * EACH {
        records.extend(signal::read_records(file, 16)?);
    }
    let signals: Vec<u32> = records.iter().map(|record| record.ssi_signo).collect();
    expect(signals.is_sorted(), "the lower signal comes before the higher")?;
    expect_eq(signals.partition_point(|signal| *signal == low.unsigned_abs()), SENDERS * EACH / 2, "lower signals")?;
    for sender in 0..SENDERS {
        let values = records.iter().map(|record| record.ssi_int.unsigned_abs() as usize);
        let numbers: Vec<usize> = values.filter(|value| value >> 8 == sender).map(|value| value & 0xff).collect();
        let in_order: Vec<usize> = (1..EACH).step_by(2).chain((0..EACH).step_by(2)).collect();
        expect_eq(numbers, in_order, "what one sender has sent")?;
    }
    Ok(())
}

fn two_hundred_threads_are_made_and_joined_again_and_again() -> Outcome {
    counted(|| {
        for round in 0..3 {
            let threads: Vec<_> = (0..THREADS).map(|place| start(move || place + round)).collect::<Result<_, _>>()?;
            for (place, thread) in threads.into_iter().enumerate() {
                expect_eq(joined(thread)?, place + round, "what a thread returns")?;
            }
        }
        Ok(())
    })
}

/// Starts a process of many threads, a few of them at work and the others asleep, of which one runs `last` when a byte comes
/// through `go`; they have begun when this returns.
fn with_threads(go: Pipe, last: fn()) -> Result<Child, Failure> {
    let begun = Pipe::anonymous(0)?;
    let child = process::spawn(|| {
        for place in 0..THREADS - 1 {
            start(move || {
                let _ = fd::write(begun.write, b"!");
                loop {
                    if place % 50 != 0 {
                        process::pause();
                    }
                    std::thread::yield_now();
                }
            })?;
        }
        start(move || {
            let _ = fd::write(begun.write, b"!");
            let _ = fd::read(go.read, &mut [0; 1]);
            last();
        })?;
        loop {
            process::pause();
        }
    })?;
    expect_eq(fd::read_up_to(begun.read, THREADS)?.len(), THREADS, "threads that have begun")?;
    fd::close(begun.read)?;
    fd::close(begun.write)?;
    Ok(child)
}

fn expect_event(child: Child, options: i32, what: extern "C" fn(i32) -> bool) -> Outcome {
    let (_, status) = process::wait4(child.pid, options)?.ok_or_else(|| failed("wait4 found nobody"))?;
    expect(what(status.0), &format!("the child's wait status (it is {:#x})", status.0))
}

fn two_hundred_threads_are_stopped_and_continued() -> Outcome {
    counted(|| {
        let child = with_threads(Pipe::anonymous(0)?, || {})?;
        for _ in 0..3 {
            child.kill(SIGSTOP)?;
            expect_event(child, WUNTRACED, libc::WIFSTOPPED)?;
            child.kill(SIGCONT)?;
            expect_event(child, WCONTINUED, libc::WIFCONTINUED)?;
        }
        child.kill(SIGSTOP)?;
        child.kill_and_wait()
    })
}

fn two_hundred_threads_are_killed_with_their_process() -> Outcome {
    counted(|| {
        let child = with_threads(Pipe::anonymous(0)?, || {})?;
        child.kill_and_wait()
    })
}

fn two_hundred_threads_end_when_one_of_them_ends_the_process() -> Outcome {
    counted(|| {
        let go = Pipe::anonymous(0)?;
        let child = with_threads(go, || process::exit(9))?;
        fd::write(go.write, b"!")?;
        expect_eq(child.wait()?.exited(), Some(9), "the exit status")
    })
}

fn two_hundred_threads_end_when_one_of_them_executes_a_program() -> Outcome {
    counted(|| {
        let go = Pipe::anonymous(0)?;
        let child = with_threads(go, || {
            if let Ok(program) = probe::program() {
                let _ = process::execve(&program, &["conformance", probe::FLAG, "exit", "11"], &[]);
            }
        })?;
        fd::write(go.write, b"!")?;
        expect_eq(child.wait()?.exited(), Some(11), "the exit status of the program, in the process's place")
    })
}
