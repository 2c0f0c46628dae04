//! Threads, through the standard library. Specification: pthreads(7), POSIX threads, signal(7).

use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno, failed};
use crate::probe;
use crate::sys::memory::{self};
use crate::sys::{fd, path, process, signal};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, mpsc};
use std::time::Duration;

crate::tests! {
    fifty_threads_run_and_are_joined,
    join_returns_the_threads_value,
    thread_local_variables_are_each_threads_own,
    threads_share_memory_descriptors_and_pid,
    threads_have_ids_of_their_own,
    mutex_excludes,
    condition_variable_hands_over,
    condition_variable_times_out,
    channel_delivers_in_order,
    barrier_releases_all_at_once,
    each_thread_has_its_own_signal_mask,
    many_threads_end_with_their_process,
    many_threads_end_when_one_executes_a_program,
    signal_to_the_process_goes_to_a_thread_that_does_not_block_it,
    fork_in_a_thread_leaves_only_that_thread,
    working_directory_is_shared_by_threads,
}

fn fifty_threads_run_and_are_joined() -> Outcome {
    let counter = Arc::new(AtomicU32::new(0));
    let start = Arc::new(Barrier::new(50));
    let threads: Vec<_> = (0..50)
        .map(|_| {
            let (counter, start) = (counter.clone(), start.clone());
            std::thread::spawn(move || {
                // All fifty are alive at the same time.
                start.wait();
                counter.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    for thread in threads {
        joined(thread)?;
    }
    expect_eq(counter.load(Ordering::SeqCst), 50, "what the threads counted")
}

fn joined<T>(thread: std::thread::JoinHandle<T>) -> Result<T, Failure> {
    thread.join().map_err(|_| failed("a thread panicked"))
}

fn join_returns_the_threads_value() -> Outcome {
    let thread = std::thread::spawn(|| vec![1, 2, 3]);
    expect_eq(joined(thread)?, [1, 2, 3], "the value")
}

thread_local! {
    static LOCAL: Cell<usize> = const { Cell::new(7) };
}

fn thread_local_variables_are_each_threads_own() -> Outcome {
    LOCAL.set(1);
    let threads: Vec<_> = (10..20)
        .map(|value| {
            std::thread::spawn(move || {
                let before = LOCAL.replace(value);
                std::thread::yield_now();
                (before, LOCAL.get() == value)
            })
        })
        .collect();
    for thread in threads {
        expect_eq(joined(thread)?, (7, true), "the first value, and whether the own one stays")?;
    }
    expect_eq(LOCAL.get(), 1, "the main thread's value")
}

fn threads_share_memory_descriptors_and_pid() -> Outcome {
    let pid = process::getpid();
    let thread = std::thread::spawn(move || (process::getpid() == pid, fd::Pipe::new()));
    let (same, pipe) = joined(thread)?;
    expect(same, "a thread has the process's pid")?;
    let pipe = pipe?;
    fd::write(pipe.write, b"x")?;
    expect_eq(fd::read_up_to(pipe.read, 1)?, b"x", "what comes through a pipe that a thread made")
}

fn threads_have_ids_of_their_own() -> Outcome {
    let mut ids = vec![process::gettid()];
    let gate = Arc::new(Barrier::new(5));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let gate = gate.clone();
            std::thread::spawn(move || {
                gate.wait();
                process::gettid()
            })
        })
        .collect();
    gate.wait();
    for thread in threads {
        ids.push(joined(thread)?);
    }
    ids.sort_unstable();
    ids.dedup();
    expect_eq(ids.len(), 5, "different ids")
}

fn mutex_excludes() -> Outcome {
    let shared = Arc::new(Mutex::new((0_u32, 0_u32)));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let shared = shared.clone();
            std::thread::spawn(move || {
                let mut torn = false;
                for _ in 0..1000 {
                    let mut pair = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    torn |= pair.0 != pair.1;
                    pair.0 += 1;
                    std::hint::black_box(&mut pair);
                    pair.1 += 1;
                }
                torn
            })
        })
        .collect();
    for thread in threads {
        expect(!joined(thread)?, "nobody sees a pair half changed")?;
    }
    let pair = *shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    expect_eq(pair, (4000, 4000), "the pair in the end")
}

fn condition_variable_hands_over() -> Outcome {
    const ROUNDS: u32 = 200;
    let shared = Arc::new((Mutex::new(0_u32), Condvar::new()));
    let turn = |shared: &(Mutex<u32>, Condvar), parity: u32| {
        for _ in 0..ROUNDS {
            let guard = shared.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let mut guard = shared
                .1
                .wait_while(guard, |count| *count % 2 != parity)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            *guard += 1;
            shared.1.notify_all();
        }
    };
    let other = shared.clone();
    let thread = std::thread::spawn(move || turn(&other, 1));
    turn(&shared, 0);
    joined(thread)?;
    let count = *shared.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    expect_eq(count, 2 * ROUNDS, "the turns taken")
}

fn condition_variable_times_out() -> Outcome {
    let (mutex, condition) = (Mutex::new(()), Condvar::new());
    let guard = mutex.lock().map_err(|_| failed("a new mutex is poisoned"))?;
    let waited = condition.wait_timeout_while(guard, Duration::from_millis(20), |()| true);
    expect(waited.is_ok_and(|(_, result)| result.timed_out()), "the wait times out")
}

fn channel_delivers_in_order() -> Outcome {
    let (sender, receiver) = mpsc::sync_channel(3);
    let thread = std::thread::spawn(move || (0..500).all(|number| sender.send(number).is_ok()));
    expect(receiver.iter().eq(0..500), "the numbers come in order")?;
    expect(joined(thread)?, "every send succeeds")
}

fn barrier_releases_all_at_once() -> Outcome {
    let barrier = Arc::new(Barrier::new(4));
    let arrived = Arc::new(AtomicU32::new(0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (barrier, arrived) = (barrier.clone(), arrived.clone());
            std::thread::spawn(move || {
                arrived.fetch_add(1, Ordering::SeqCst);
                let leads = barrier.wait().is_leader();
                (arrived.load(Ordering::SeqCst), leads)
            })
        })
        .collect();
    let mut leaders = 0;
    for thread in threads {
        let (seen, leads) = joined(thread)?;
        expect_eq(seen, 4, "arrivals seen behind the barrier")?;
        leaders += u32::from(leads);
    }
    expect_eq(leaders, 1, "leaders")
}

fn each_thread_has_its_own_signal_mask() -> Outcome {
    signal::block(&[libc::SIGUSR1])?;
    let thread = std::thread::spawn(|| -> Result<(Vec<i32>, Vec<i32>), Failure> {
        let inherited = signal::mask()?;
        signal::set_mask(&[libc::SIGUSR2])?;
        Ok((inherited, signal::mask()?))
    });
    let (inherited, own) = joined(thread)??;
    expect_eq(inherited, [libc::SIGUSR1], "the mask that a thread inherits")?;
    expect_eq(own, [libc::SIGUSR2], "the mask that it sets")?;
    expect_eq(signal::mask()?, [libc::SIGUSR1], "the main thread's mask")
}

static HANDLING_THREAD: AtomicUsize = AtomicUsize::new(0);

extern "C" fn thread_handler(_signal: i32, _info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    HANDLING_THREAD.store(usize::try_from(process::gettid()).unwrap_or(0), Ordering::SeqCst);
}

fn signal_to_the_process_goes_to_a_thread_that_does_not_block_it() -> Outcome {
    signal::handle(libc::SIGUSR1, thread_handler, 0, &[])?;
    signal::block(&[libc::SIGUSR1])?;
    let thread = std::thread::spawn(|| -> Result<usize, Failure> {
        // Unblocks only in sigsuspend, so that it runs the handler there.
        expect_errno(signal::sigsuspend(&[]), libc::EINTR)?;
        Ok(usize::try_from(process::gettid()).unwrap_or(0))
    });
    signal::raise(libc::SIGUSR1)?;
    let thread = joined(thread)??;
    expect_eq(HANDLING_THREAD.load(Ordering::SeqCst), thread, "the thread that ran the handler")
}

fn fork_in_a_thread_leaves_only_that_thread() -> Outcome {
    let counter = memory::shared(1)?.word(0);
    let thread = std::thread::spawn(move || -> Outcome {
        let child = process::spawn_exit(4)?;
        expect_eq(child.wait()?.exited(), Some(4), "the exit code")?;
        counter.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    joined(thread)??;
    expect_eq(counter.load(Ordering::SeqCst), 1, "how often the code after the fork ran")
}

fn working_directory_is_shared_by_threads() -> Outcome {
    let directory = crate::scratch::enter()?;
    joined(std::thread::spawn(|| path::chdir("/")))??;
    expect_eq(path::getcwd(4096)?, "/", "the main thread's working directory")?;
    Ok(path::chdir(&directory.to_string_lossy())?)
}

/// Makes more threads than the kernel tells anything to at once; all sleep.
fn start_sleepers() -> Outcome {
    const THREADS: usize = 50;
    for _ in 0..THREADS {
        let sleep = || {
            loop {
                process::pause();
            }
        };
        let sleeper = std::thread::Builder::new().stack_size(16 << 10).spawn(sleep);
        sleeper.map_err(|error| failed(format!("a thread cannot be made: {error}")))?;
    }
    Ok(())
}

fn many_threads_end_with_their_process() -> Outcome {
    process::spawn(start_sleepers)?.expect_success()
}

fn many_threads_end_when_one_executes_a_program() -> Outcome {
    let program = probe::program()?;
    let child = process::spawn(|| {
        start_sleepers()?;
        process::execve(&program, &["conformance", probe::FLAG, "exit", "3"], &[]).map_err(Failure::from)
    })?;
    expect_eq(child.wait()?.exited(), Some(3), "the program's exit status")
}
