//! What the C library builds for threads out of several calls: fork handlers, stacks with guards, names, clocks, timers that
//! start threads. Specification: pthread_atfork(3), pthread_attr_setguardsize(3), pthread_getattr_np(3), pthread_setname_np(3),
//! pthread_getcpuclockid(3), pthread_setaffinity_np(3), pthread_setschedparam(3), sigevent(3type).

use crate::check::{Outcome, expect, expect_eq, expect_errno, failed};
use crate::sys::thread::{self, End, Thread, done};
use crate::sys::{checked, fd, process, signal, time, zeroed};
use std::ffi::{c_int, c_void};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::time::Duration;

crate::tests! {
    fork_handlers_run_around_a_fork,
    fork_while_other_threads_allocate_leaves_a_usable_child,
    forks_in_several_threads_all_come_off,
    the_stack_of_a_thread_ends_in_a_guard,
    the_stack_of_the_main_thread_is_told,
    a_thread_is_named_and_its_name_is_shown,
    the_cpu_clock_of_a_thread_runs_with_it,
    the_affinity_of_a_thread_is_its_own,
    the_policy_of_a_thread_is_its_own,
    a_timer_starts_a_thread,
    exit_in_one_of_many_threads_ends_all,
}

/// What the fork handlers wrote, in order.
static CALLS: Mutex<String> = Mutex::new(String::new());

fn note(call: char) {
    CALLS.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(call);
}

extern "C" fn prepare_first() {
    note('1');
}

extern "C" fn prepare_second() {
    note('2');
}

extern "C" fn parent_first() {
    note('p');
}

extern "C" fn parent_second() {
    note('q');
}

extern "C" fn child_first() {
    note('c');
}

extern "C" fn child_second() {
    note('d');
}

fn noted() -> String {
    CALLS.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
}

fn fork_handlers_run_around_a_fork() -> Outcome {
    // SAFETY: functions that may run around any fork of this process.
    let value = unsafe { libc::pthread_atfork(Some(prepare_first), Some(parent_first), Some(child_first)) };
    done("pthread_atfork", value)?;
    // SAFETY: as above.
    let value = unsafe { libc::pthread_atfork(Some(prepare_second), Some(parent_second), Some(child_second)) };
    done("pthread_atfork", value)?;
    process::spawn(|| expect_eq(noted(), "21cd", "the calls in the child"))?.expect_success()?;
    expect_eq(noted(), "21pq", "the calls in the parent")
}

static IS_OVER: AtomicBool = AtomicBool::new(false);

fn allocate_until_over(_: &()) -> usize {
    let mut kept = 0;
    while !IS_OVER.load(Ordering::Relaxed) {
        kept = std::hint::black_box(vec![1_u8; 100 + kept % 1000]).len();
    }
    0
}

fn fork_while_other_threads_allocate_leaves_a_usable_child() -> Outcome {
    let threads = [Thread::start(allocate_until_over, &())?, Thread::start(allocate_until_over, &())?];
    for _ in 0..20 {
        process::spawn(|| {
            let pieces: Vec<Vec<u8>> = (0..100).map(|length| vec![7; length]).collect();
            expect_eq(pieces.iter().map(Vec::len).sum::<usize>(), 4950, "the bytes that the child allocated")
        })?
        .expect_success()?;
    }
    IS_OVER.store(true, Ordering::Relaxed);
    threads.iter().try_for_each(|thread| Ok(thread.join().map(drop)?))
}

fn forks_in_several_threads_all_come_off() -> Outcome {
    let fork_ten = |_: &()| {
        let ends = |code| {
            process::spawn_exit(code).is_ok_and(|child| child.wait().is_ok_and(|end| end.exited() == Some(code)))
        };
        (0..10).filter(|&code| ends(code)).count()
    };
    let threads = [Thread::start(fork_ten, &())?, Thread::start(fork_ten, &())?, Thread::start(fork_ten, &())?];
    threads.iter().try_for_each(|thread| expect_eq(thread.join()?, End::Returned(10), "children that ended as told"))
}

/// Lowest address and length of the calling thread's stack, as the C library tells it.
fn own_stack() -> crate::sys::Sys<(usize, usize)> {
    let mut attributes: libc::pthread_attr_t = zeroed();
    // SAFETY: the calling thread, and room for its attributes.
    let value = unsafe { libc::pthread_getattr_np(thread::own(), &raw mut attributes) };
    done("pthread_getattr_np", value)?;
    let (mut address, mut length) = (std::ptr::null_mut(), 0);
    // SAFETY: initialised attributes, and room for both.
    let value = unsafe { libc::pthread_attr_getstack(&raw const attributes, &raw mut address, &raw mut length) };
    done("pthread_attr_getstack", value)?;
    Ok((address.addr(), length))
}

/// Uses up the stack, a page a turn.
fn dig(depth: u32) -> u64 {
    let page = std::hint::black_box([u64::from(depth); 512]);
    if depth == u32::MAX { page[0] } else { dig(depth + 1) + page[1] }
}

fn the_stack_of_a_thread_ends_in_a_guard() -> Outcome {
    let child = process::spawn(|| {
        // The standard library's own handler would print and abort.
        signal::default(libc::SIGSEGV)?;
        Thread::start(|_: &()| usize::from(dig(0) == 0), &())?.join()?;
        Ok(())
    })?;
    expect_eq(child.wait()?.signalled(), Some(libc::SIGSEGV), "what ended the process")
}

fn the_stack_of_the_main_thread_is_told() -> Outcome {
    let variable = 0_u8;
    let here = (&raw const variable).addr();
    let (lowest, length) = own_stack()?;
    expect((lowest..lowest + length).contains(&here), "a variable lies within the stack that is told")?;
    expect(length > 64 << 10, "the stack is as long as its limit says")
}

fn a_thread_is_named_and_its_name_is_shown() -> Outcome {
    let pipe: &fd::Pipe = Box::leak(Box::new(fd::Pipe::with_flags(0)?));
    let thread = Thread::start(|pipe: &fd::Pipe| fd::read_up_to(pipe.read, 1).map_or(0, |bytes| bytes.len()), pipe)?;
    // SAFETY: a thread that is not joined, and a C string.
    let value = unsafe { libc::pthread_setname_np(thread.handle, c"gatekeeper".as_ptr()) };
    done("pthread_setname_np", value)?;
    let shown = std::fs::read_to_string(format!("/proc/self/task/{}/comm", thread.id))?;
    expect_eq(shown.as_str(), "gatekeeper\n", "the name in /proc")?;
    // SAFETY: as above.
    let value = unsafe { libc::pthread_setname_np(thread.handle, c"a name of 16 byt".as_ptr()) };
    expect_errno(done("pthread_setname_np", value), libc::ERANGE)?;
    let own = std::fs::read_to_string("/proc/self/comm")?;
    expect(own != shown, "the process keeps its own name")?;
    fd::write(pipe.write, b"x")?;
    expect_eq(thread.join()?, End::Returned(1), "what the thread read")
}

/// How long a thread works before it sleeps.
const WORK: Duration = Duration::from_millis(5);

fn the_cpu_clock_of_a_thread_runs_with_it() -> Outcome {
    let pipe: &fd::Pipe = Box::leak(Box::new(fd::Pipe::with_flags(0)?));
    let work_and_sleep = |pipe: &fd::Pipe| {
        while time::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID).is_ok_and(|used| used < WORK) {}
        fd::read_up_to(pipe.read, 1).map_or(0, |bytes| bytes.len())
    };
    let thread = Thread::start(work_and_sleep, pipe)?;
    let mut clock = 0;
    // SAFETY: a thread that is not joined, and room for the clock.
    let value = unsafe { libc::pthread_getcpuclockid(thread.handle, &raw mut clock) };
    done("pthread_getcpuclockid", value)?;
    thread.wait_until_asleep()?;
    let used = time::clock_gettime(clock)?;
    expect(used >= WORK, "it tells what the thread has used")?;
    expect_eq(time::clock_gettime(clock)?, used, "what it says of a thread that sleeps")?;
    fd::write(pipe.write, b"x")?;
    thread.wait_until_gone()?;
    expect_errno(time::clock_gettime(clock), libc::EINVAL)?;
    expect_eq(thread.join()?, End::Returned(1), "what the thread read")
}

fn the_affinity_of_a_thread_is_its_own() -> Outcome {
    let pin = |_: &()| {
        let mut cpus: libc::cpu_set_t = zeroed();
        let length = size_of::<libc::cpu_set_t>();
        // SAFETY: room for the set.
        if unsafe { libc::sched_getaffinity(0, length, &raw mut cpus) } != 0 {
            return 0;
        }
        // SAFETY: reads a set.
        let first = (0..1024).find(|&cpu| unsafe { libc::CPU_ISSET(cpu, &cpus) }).unwrap_or(0);
        let mut one: libc::cpu_set_t = zeroed();
        // SAFETY: a CPU within the set.
        unsafe { libc::CPU_SET(first, &mut one) };
        // SAFETY: one set is read.
        if unsafe { libc::pthread_setaffinity_np(thread::own(), length, &raw const one) } != 0 {
            return 0;
        }
        // SAFETY: takes no pointers.
        let here = unsafe { libc::sched_getcpu() };
        usize::from(usize::try_from(here) == Ok(first))
    };
    let count = |cpus: &libc::cpu_set_t| {
        // SAFETY: reads a set.
        unsafe { libc::CPU_COUNT(cpus) }
    };
    let own = || {
        let mut cpus: libc::cpu_set_t = zeroed();
        // SAFETY: room for the set.
        checked("sched_getaffinity", unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut cpus) })
            .map(|_| cpus)
    };
    let before = own()?;
    expect_eq(Thread::start(pin, &())?.join()?, End::Returned(1), "the thread is on the CPU it asked for")?;
    expect_eq(count(&own()?), count(&before), "the CPUs of the main thread")
}

fn the_policy_of_a_thread_is_its_own() -> Outcome {
    let thread = Thread::start(
        |_: &()| {
            let (mut policy, parameters): (c_int, libc::sched_param) = (0, zeroed());
            // SAFETY: one struct is read.
            let set = unsafe { libc::pthread_setschedparam(thread::own(), libc::SCHED_BATCH, &raw const parameters) };
            let mut told: libc::sched_param = zeroed();
            // SAFETY: room for both.
            let got = unsafe { libc::pthread_getschedparam(thread::own(), &raw mut policy, &raw mut told) };
            usize::from(set == 0 && got == 0 && policy == libc::SCHED_BATCH)
        },
        &(),
    )?;
    expect_eq(thread.join()?, End::Returned(1), "the thread's own policy")?;
    // The raw call: musl's function fails, on the grounds that POSIX asks of processes what Linux tells of threads.
    // SAFETY: takes no pointers.
    let policy = unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) };
    expect_eq(policy, libc::c_long::from(libc::SCHED_OTHER), "that of the main thread")
}

/// The thread that the timer started, and with what.
static STARTED: (AtomicI32, AtomicU32) = (AtomicI32::new(0), AtomicU32::new(0));

extern "C" fn on_expiry(value: usize) {
    STARTED.1.store(u32::try_from(value).unwrap_or(0), Ordering::SeqCst);
    STARTED.0.store(process::gettid(), Ordering::SeqCst);
}

/// `struct sigevent` with a function, which the bindings leave out; both C libraries have it so.
#[repr(C)]
struct ThreadEvent {
    value: usize,
    signal: c_int,
    notify: c_int,
    function: extern "C" fn(usize),
    attributes: *mut c_void,
    rest: [usize; 4],
}

const SIGEV_THREAD: c_int = 2;

fn a_timer_starts_a_thread() -> Outcome {
    let attributes = std::ptr::null_mut();
    let event =
        ThreadEvent { value: 41, signal: 0, notify: SIGEV_THREAD, function: on_expiry, attributes, rest: [0; 4] };
    let mut timer = std::ptr::null_mut();
    // SAFETY: one struct is read, and there is room for the timer.
    let value =
        unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, (&raw const event).cast_mut().cast(), &raw mut timer) };
    checked("timer_create", value)?;
    let soon = crate::sys::timer::Setting::once(Duration::from_millis(5)).raw();
    // SAFETY: one struct is read.
    checked("timer_settime", unsafe { libc::timer_settime(timer, 0, &raw const soon, std::ptr::null_mut()) })?;
    while STARTED.0.load(Ordering::SeqCst) == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    expect(STARTED.0.load(Ordering::SeqCst) != process::gettid(), "another thread than the main one ran the function")?;
    expect_eq(STARTED.1.load(Ordering::SeqCst), 41, "the value that it was given")?;
    // SAFETY: a timer that was created.
    checked("timer_delete", unsafe { libc::timer_delete(timer) }).map(drop).map_err(|error| failed(error.to_string()))
}

fn exit_in_one_of_many_threads_ends_all() -> Outcome {
    let child = process::spawn(|| {
        let pause = |_: &()| {
            process::pause();
            0
        };
        for _ in 0..20 {
            Thread::start(pause, &())?;
        }
        Thread::start(|_: &()| process::exit(9), &())?.join()?;
        Ok(())
    })?;
    expect_eq(child.wait()?.exited(), Some(9), "the exit status")
}
