//! The CPU time of a thread, seen by others while it runs, on a CPU of its own where there are two.
//! Specification: clock_gettime(2), getrusage(2), times(2), proc_pid_stat(5), timer_create(2), setitimer(2).

use crate::check::{Failure, Outcome, expect, failed};
use crate::sys::process::getpid;
use crate::sys::thread::{End, Thread};
use crate::sys::time::{clock_gettime, nanosleep, timespec};
use crate::sys::timer::{Event, Setting, setitimer, timer_create, timer_settime};
use crate::sys::{checked, process, signal, zeroed};
use libc::{CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, ITIMER_PROF, SIGPROF, SIGUSR1};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

crate::tests! {
    the_clock_of_a_thread_that_runs_goes_on,
    the_clock_of_a_process_goes_on_while_another_thread_runs,
    another_process_sees_the_clock_go_on,
    getrusage_counts_a_thread_that_runs,
    times_counts_a_thread_that_runs,
    proc_stat_counts_a_thread_that_runs,
    no_clock_of_cpu_time_goes_back,
    a_posix_timer_does_not_count_what_was_used_before_it_was_set,
    itimer_prof_does_not_count_what_was_used_before_it_was_set,
}

/// A thread that runs until it is told to stop.
struct Worker {
    thread: Thread,
    stop: &'static AtomicBool,
}

impl Worker {
    fn start() -> Result<Self, Failure> {
        let stop: &AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
        let thread = Thread::start(
            |stop: &AtomicBool| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
                0
            },
            stop,
        )?;
        Ok(Self { thread, stop })
    }

    fn stop(self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        expect(self.thread.join()? == End::Returned(0), "the worker returned")
    }
}

/// The clock of a thread of this process, as pthread_getcpuclockid makes it.
fn clock_of_thread(id: i32) -> i32 {
    (!id << 3) | 6
}

/// The clock of a process, as clock_getcpuclockid makes it.
fn clock_of_process(pid: i32) -> i32 {
    (!pid << 3) | 2
}

/// Sleeps, again and again, until `used` says 40 ms more than at first; at most five seconds.
#[track_caller]
fn expect_it_goes_on(used: impl Fn() -> Result<Duration, Failure>) -> Outcome {
    const MORE: Duration = Duration::from_millis(40);
    let first = used()?;
    let deadline = clock_gettime(CLOCK_MONOTONIC)? + Duration::from_secs(5);
    while used()? < first + MORE {
        if clock_gettime(CLOCK_MONOTONIC)? > deadline {
            return Err(failed(format!("from {first:?} it went to {:?} in five seconds", used()?)));
        }
        nanosleep(timespec(Duration::from_millis(1))).0?;
    }
    Ok(())
}

fn the_clock_of_a_thread_that_runs_goes_on() -> Outcome {
    let worker = Worker::start()?;
    expect_it_goes_on(|| Ok(clock_gettime(clock_of_thread(worker.thread.id))?))?;
    worker.stop()
}

fn the_clock_of_a_process_goes_on_while_another_thread_runs() -> Outcome {
    let worker = Worker::start()?;
    expect_it_goes_on(|| Ok(clock_gettime(CLOCK_PROCESS_CPUTIME_ID)?))?;
    worker.stop()
}

fn another_process_sees_the_clock_go_on() -> Outcome {
    let worker = Worker::start()?;
    let watched = clock_of_process(getpid());
    process::spawn(|| expect_it_goes_on(|| Ok(clock_gettime(watched)?)))?.expect_success()?;
    worker.stop()
}

/// User and system time of this process, of getrusage.
fn resource_usage() -> Result<Duration, Failure> {
    let mut usage: libc::rusage = zeroed();
    // SAFETY: room for the struct.
    checked("getrusage", unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) })?;
    let duration = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    Ok(duration(usage.ru_utime) + duration(usage.ru_stime))
}

/// Ticks of USER_HZ.
fn ticks(count: u64) -> Duration {
    Duration::from_millis(10) * u32::try_from(count).unwrap_or(u32::MAX)
}

fn getrusage_counts_a_thread_that_runs() -> Outcome {
    let worker = Worker::start()?;
    expect_it_goes_on(resource_usage)?;
    worker.stop()
}

fn times_counts_a_thread_that_runs() -> Outcome {
    let worker = Worker::start()?;
    expect_it_goes_on(|| {
        let mut times: libc::tms = zeroed();
        // SAFETY: room for the struct.
        checked("times", unsafe { libc::times(&raw mut times) })?;
        Ok(ticks(times.tms_utime.unsigned_abs() + times.tms_stime.unsigned_abs()))
    })?;
    worker.stop()
}

fn proc_stat_counts_a_thread_that_runs() -> Outcome {
    let worker = Worker::start()?;
    for path in ["/proc/self/stat".to_owned(), format!("/proc/self/task/{}/stat", worker.thread.id)] {
        expect_it_goes_on(|| {
            let line = std::fs::read_to_string(&path)?;
            let (_, fields) = line.rsplit_once(") ").ok_or_else(|| failed("stat has a name"))?;
            // utime and stime are the fields 14 and 15; the first of these is 3.
            let times = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
            Ok(ticks(times.sum::<Result<u64, _>>().map_err(|_| failed("times are numbers"))?))
        })?;
    }
    worker.stop()
}

fn no_clock_of_cpu_time_goes_back() -> Outcome {
    let worker = Worker::start()?;
    let other = Worker::start()?;
    let clocks = [clock_of_thread(worker.thread.id), clock_of_thread(other.thread.id), CLOCK_PROCESS_CPUTIME_ID];
    let mut last = [Duration::ZERO; 3];
    for _ in 0..1000 {
        for (last, clock) in last.iter_mut().zip(clocks) {
            let now = clock_gettime(clock)?;
            expect(now >= *last, &format!("{now:?} is not before {last:?}"))?;
            *last = now;
        }
    }
    let id = worker.thread.id;
    worker.stop()?;
    other.stop()?;
    let now = clock_gettime(CLOCK_PROCESS_CPUTIME_ID)?;
    expect(now >= last[2], &format!("with threads {id} and another gone, {now:?} is not before {:?}", last[2]))
}

const WORK: Duration = Duration::from_millis(100);

/// A timer set for the process to use so much, in which one thread runs and one sleeps, does not expire sooner: `set` sets it,
/// to send `signal`. That thread has run so long before, and nobody has looked.
fn expect_not_early(signal: i32, set: impl Fn() -> Outcome) -> Outcome {
    signal::block(&[signal])?;
    let worker = Worker::start()?;
    nanosleep(timespec(WORK * 2)).0?;
    let start = clock_gettime(CLOCK_MONOTONIC)?;
    set()?;
    signal::sigtimedwait(&[signal], Duration::from_secs(20))?;
    let passed = clock_gettime(CLOCK_MONOTONIC)? - start;
    worker.stop()?;
    // Linux counts in ticks for these timers.
    expect(passed >= WORK * 8 / 10, &format!("{passed:?} passed until one thread had used {WORK:?}"))
}

fn a_posix_timer_does_not_count_what_was_used_before_it_was_set() -> Outcome {
    expect_not_early(SIGUSR1, || {
        let timer = timer_create(CLOCK_PROCESS_CPUTIME_ID, Some(Event::signal(SIGUSR1, 0)))?;
        timer_settime(timer, 0, Setting::once(WORK))?;
        Ok(())
    })
}

fn itimer_prof_does_not_count_what_was_used_before_it_was_set() -> Outcome {
    expect_not_early(SIGPROF, || {
        setitimer(ITIMER_PROF, Setting::once(WORK))?;
        Ok(())
    })
}
