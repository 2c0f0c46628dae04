//! Cancellation of threads at each call that can block. Specification: pthreads(7), "Cancellation points"; pthread_cancel(3),
//! pthread_setcancelstate(3). What the kernel gives to it: a signal to one thread, whose handler tells by the program counter
//! whether the call has had an effect.

mod points;

use crate::check::{Outcome, expect, expect_eq};
use crate::harness::Test;
use crate::sys::thread::{self, End, EndKey, Thread};
use crate::sys::{fd, signal};
use points::{Block, POINTS, Place, place, read_one};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

mod others {
    use super::{
        asynchronous_cancellation_ends_a_loop, cancelled_read_takes_no_byte,
        cancelled_thread_runs_destructors_of_its_data, disabled_cancellation_does_not_interrupt_a_call,
        fifty_threads_in_one_pipe_are_cancelled, handler_runs_in_a_thread_that_is_cancelled_later,
        pending_cancellation_acts_at_the_next_point, thread_that_has_ended_can_be_cancelled,
    };

    crate::tests! {
        cancelled_read_takes_no_byte,
        pending_cancellation_acts_at_the_next_point,
        disabled_cancellation_does_not_interrupt_a_call,
        asynchronous_cancellation_ends_a_loop,
        cancelled_thread_runs_destructors_of_its_data,
        thread_that_has_ended_can_be_cancelled,
        handler_runs_in_a_thread_that_is_cancelled_later,
        fifty_threads_in_one_pipe_are_cancelled,
    }
}

/// The tests of this suite: one for each point, and the others.
pub fn tests() -> Vec<Test> {
    let point = |&(name, block): &(&str, Block)| Test {
        name: format!("a_thread_is_cancelled_in_{name}"),
        body: Box::new(move || is_cancelled_in(block)),
    };
    POINTS.iter().map(point).chain(others::tests()).collect()
}

/// A thread's work: to block somewhere.
struct Job {
    place: &'static Place,
    block: Block,
}

const CAME_BACK: usize = 7;

fn is_cancelled_in(block: Block) -> Outcome {
    let job: &Job = Box::leak(Box::new(Job { place: place()?, block }));
    let thread = Thread::start(
        |job: &Job| {
            (job.block)(job.place);
            CAME_BACK
        },
        job,
    )?;
    thread.wait_until_asleep()?;
    thread.cancel()?;
    expect_eq(thread.join()?, End::Cancelled, "how the thread ended")
}

/// An empty pipe for the whole life of the test.
fn pipe() -> Result<&'static fd::Pipe, crate::check::Failure> {
    Ok(Box::leak(Box::new(fd::Pipe::new()?)))
}

fn cancelled_read_takes_no_byte() -> Outcome {
    let pipe = pipe()?;
    let thread = Thread::start(read_one, pipe)?;
    thread.wait_until_asleep()?;
    thread.cancel()?;
    expect_eq(thread.join()?, End::Cancelled, "how the thread ended")?;
    fd::write(pipe.write, b"x")?;
    expect_eq(read_one(pipe), usize::from(b'x'), "the byte that the next one reads")
}

/// The thread sets this when it is past what it was to pass.
static IS_PAST: AtomicBool = AtomicBool::new(false);

fn pending_cancellation_acts_at_the_next_point() -> Outcome {
    let pipe = pipe()?;
    let thread = Thread::start(
        |pipe: &fd::Pipe| {
            // A wait that is no cancellation point.
            let state = thread::set_cancel_state(thread::CANCEL_DISABLE);
            let byte = read_one(pipe);
            let enabled = thread::set_cancel_state(thread::CANCEL_ENABLE);
            IS_PAST.store(state.is_ok() && enabled.is_ok() && byte == usize::from(b'x'), Ordering::SeqCst);
            thread::test_cancel();
            CAME_BACK
        },
        pipe,
    )?;
    thread.wait_until_asleep()?;
    thread.cancel()?;
    fd::write(pipe.write, b"x")?;
    expect_eq(thread.join()?, End::Cancelled, "how the thread ended")?;
    expect(IS_PAST.load(Ordering::SeqCst), "it came to the point, and read its byte before")
}

fn disabled_cancellation_does_not_interrupt_a_call() -> Outcome {
    let pipe = pipe()?;
    let thread = Thread::start(
        |pipe: &fd::Pipe| {
            let state = thread::set_cancel_state(thread::CANCEL_DISABLE);
            read_one(pipe) + usize::from(state.is_err())
        },
        pipe,
    )?;
    thread.wait_until_asleep()?;
    thread.cancel()?;
    thread.wait_until_asleep()?;
    fd::write(pipe.write, b"x")?;
    expect_eq(thread.join()?, End::Returned(usize::from(b'x')), "how the thread ended")
}

fn asynchronous_cancellation_ends_a_loop() -> Outcome {
    static TURNS: AtomicU32 = AtomicU32::new(0);
    let thread = Thread::start(
        |turns: &AtomicU32| {
            if thread::set_cancel_type(thread::CANCEL_ASYNCHRONOUS).is_err() {
                return CAME_BACK;
            }
            loop {
                turns.fetch_add(1, Ordering::SeqCst);
            }
        },
        &TURNS,
    )?;
    while TURNS.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    thread.cancel()?;
    expect_eq(thread.join()?, End::Cancelled, "how the thread ended")
}

fn cancelled_thread_runs_destructors_of_its_data() -> Outcome {
    static DESTROYED: AtomicU32 = AtomicU32::new(0);
    /// A key, and a pipe to block in.
    struct Data(EndKey, &'static fd::Pipe);
    let thread = Thread::start(
        |data: &Data| if data.0.set(&DESTROYED).is_ok() { read_one(data.1) } else { CAME_BACK },
        Box::leak(Box::new(Data(EndKey::new()?, pipe()?))),
    )?;
    thread.wait_until_asleep()?;
    thread.cancel()?;
    expect_eq(thread.join()?, End::Cancelled, "how the thread ended")?;
    expect_eq(DESTROYED.load(Ordering::SeqCst), 1, "how often the destructor ran")
}

fn thread_that_has_ended_can_be_cancelled() -> Outcome {
    let thread = Thread::start(|value: &usize| *value, &5)?;
    thread.wait_until_gone()?;
    thread.cancel()?;
    expect_eq(thread.join()?, End::Returned(5), "how the thread ended")
}

fn handler_runs_in_a_thread_that_is_cancelled_later() -> Outcome {
    signal::count(libc::SIGUSR1, libc::SA_RESTART)?;
    let thread = Thread::start(read_one, pipe()?)?;
    thread.wait_until_asleep()?;
    thread.kill(libc::SIGUSR1)?;
    while signal::caught(libc::SIGUSR1) == 0 {
        std::thread::yield_now();
    }
    thread.cancel()?;
    expect_eq(thread.join()?, End::Cancelled, "how the thread ended")
}

fn fifty_threads_in_one_pipe_are_cancelled() -> Outcome {
    let pipe = pipe()?;
    let threads: Vec<Thread> = (0..50).map(|_| Thread::start(read_one, pipe)).collect::<Result<_, _>>()?;
    threads.iter().try_for_each(|thread| thread.wait_until_asleep())?;
    threads.iter().try_for_each(|thread| thread.cancel())?;
    for thread in threads {
        expect_eq(thread.join()?, End::Cancelled, "how a thread ended")?;
    }
    Ok(())
}
