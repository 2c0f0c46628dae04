//! Threads, and objects that threads and processes share. Specification: pthreads(7), POSIX threads, sem_overview(7),
//! shm_overview(7).

use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno, failed};
use crate::sys::memory::{self, Mapping, PAGE, Request};
use crate::sys::{checked, fd, path, process, signal, zeroed};
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
    signal_to_the_process_goes_to_a_thread_that_does_not_block_it,
    fork_in_a_thread_leaves_only_that_thread,
    working_directory_is_shared_by_threads,
    process_shared_mutex_excludes_processes,
    process_shared_condition_variable_wakes_processes,
    robust_mutex_tells_that_its_owner_died,
    unnamed_semaphore_is_shared_by_processes,
    named_semaphore_is_found_by_name,
    semaphore_trywait_at_zero_gives_eagain,
    semaphore_timedwait_times_out,
    semaphore_wait_is_interrupted_by_a_handler,
    shared_memory_object_is_found_by_name,
    shared_memory_object_lives_until_unmapped,
    shared_memory_object_created_exclusively_twice_gives_eexist,
    missing_shared_memory_object_gives_enoent,
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
    expect_eq(
        counter.load(Ordering::SeqCst),
        50,
        "what the threads counted",
    )
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
        expect_eq(
            joined(thread)?,
            (7, true),
            "the first value, and whether the own one stays",
        )?;
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
    expect_eq(
        fd::read_up_to(pipe.read, 1)?,
        b"x",
        "what comes through a pipe that a thread made",
    )
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
                    let mut pair = shared
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
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
    let pair = *shared
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    expect_eq(pair, (4000, 4000), "the pair in the end")
}

fn condition_variable_hands_over() -> Outcome {
    const ROUNDS: u32 = 200;
    let shared = Arc::new((Mutex::new(0_u32), Condvar::new()));
    let turn = |shared: &(Mutex<u32>, Condvar), parity: u32| {
        for _ in 0..ROUNDS {
            let guard = shared
                .0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
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
    let count = *shared
        .0
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    expect_eq(count, 2 * ROUNDS, "the turns taken")
}

fn condition_variable_times_out() -> Outcome {
    let (mutex, condition) = (Mutex::new(()), Condvar::new());
    let guard = mutex
        .lock()
        .map_err(|_| failed("a new mutex is poisoned"))?;
    let waited = condition.wait_timeout_while(guard, Duration::from_millis(20), |()| true);
    expect(
        waited.is_ok_and(|(_, result)| result.timed_out()),
        "the wait times out",
    )
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
    expect_eq(
        inherited,
        [libc::SIGUSR1],
        "the mask that a thread inherits",
    )?;
    expect_eq(own, [libc::SIGUSR2], "the mask that it sets")?;
    expect_eq(signal::mask()?, [libc::SIGUSR1], "the main thread's mask")
}

static HANDLING_THREAD: AtomicUsize = AtomicUsize::new(0);

extern "C" fn thread_handler(
    _signal: i32,
    _info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    HANDLING_THREAD.store(
        usize::try_from(process::gettid()).unwrap_or(0),
        Ordering::SeqCst,
    );
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
    expect_eq(
        HANDLING_THREAD.load(Ordering::SeqCst),
        thread,
        "the thread that ran the handler",
    )
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
    expect_eq(
        counter.load(Ordering::SeqCst),
        1,
        "how often the code after the fork ran",
    )
}

fn working_directory_is_shared_by_threads() -> Outcome {
    let directory = crate::scratch::enter()?;
    joined(std::thread::spawn(|| path::chdir("/")))??;
    expect_eq(
        path::getcwd(4096)?,
        "/",
        "the main thread's working directory",
    )?;
    Ok(path::chdir(&directory.to_string_lossy())?)
}

/// What pthread functions return: an error number, not errno.
fn thread_call(call: &'static str, value: i32) -> Result<(), Failure> {
    if value == 0 {
        Ok(())
    } else {
        Err(failed(format!(
            "{call}: {}",
            std::io::Error::from_raw_os_error(value)
        )))
    }
}

/// A process-shared mutex at the start of shared memory; `robust` is `PTHREAD_MUTEX_STALLED` or `_ROBUST`.
fn shared_mutex(mapping: &Mapping, robust: i32) -> Result<*mut libc::pthread_mutex_t, Failure> {
    let mutex = mapping
        .pointer(0, size_of::<libc::pthread_mutex_t>())
        .cast::<libc::pthread_mutex_t>();
    let mut attributes: libc::pthread_mutexattr_t = zeroed();
    // SAFETY: attributes of our own.
    thread_call("init", unsafe {
        libc::pthread_mutexattr_init(&raw mut attributes)
    })?;
    // SAFETY: initialised above.
    thread_call("setpshared", unsafe {
        libc::pthread_mutexattr_setpshared(&raw mut attributes, libc::PTHREAD_PROCESS_SHARED)
    })?;
    // SAFETY: initialised above.
    thread_call("setrobust", unsafe {
        libc::pthread_mutexattr_setrobust(&raw mut attributes, robust)
    })?;
    // SAFETY: aligned zeroed memory that stays mapped.
    thread_call("mutex_init", unsafe {
        libc::pthread_mutex_init(mutex, &raw const attributes)
    })?;
    Ok(mutex)
}

fn lock(mutex: *mut libc::pthread_mutex_t) -> i32 {
    // SAFETY: only called with an initialised mutex.
    unsafe { libc::pthread_mutex_lock(mutex) }
}

fn unlock(mutex: *mut libc::pthread_mutex_t) -> Result<(), Failure> {
    // SAFETY: only called with a mutex that the caller has locked.
    thread_call("pthread_mutex_unlock", unsafe {
        libc::pthread_mutex_unlock(mutex)
    })
}

fn process_shared_mutex_excludes_processes() -> Outcome {
    const ROUNDS: u32 = 300;
    let mapping = memory::shared(1)?;
    let mutex = shared_mutex(&mapping, libc::PTHREAD_MUTEX_STALLED)?;
    let counter = mapping.word(1024);
    let mut children = Vec::new();
    for _ in 0..4 {
        children.push(process::spawn(|| {
            for _ in 0..ROUNDS {
                thread_call("pthread_mutex_lock", lock(mutex))?;
                // Not an atomic addition: the mutex alone makes it right.
                let value = counter.load(Ordering::Relaxed);
                std::thread::yield_now();
                counter.store(value + 1, Ordering::Relaxed);
                unlock(mutex)?;
            }
            Ok(())
        })?);
    }
    children
        .into_iter()
        .try_for_each(process::Child::expect_success)?;
    expect_eq(counter.load(Ordering::SeqCst), 4 * ROUNDS, "the counter")
}

fn process_shared_condition_variable_wakes_processes() -> Outcome {
    let mapping = memory::shared(1)?;
    let mutex = shared_mutex(&mapping, libc::PTHREAD_MUTEX_STALLED)?;
    let condition = mapping
        .pointer(512, size_of::<libc::pthread_cond_t>())
        .cast::<libc::pthread_cond_t>();
    let mut attributes: libc::pthread_condattr_t = zeroed();
    // SAFETY: attributes of our own.
    thread_call("init", unsafe {
        libc::pthread_condattr_init(&raw mut attributes)
    })?;
    // SAFETY: initialised above.
    thread_call("setpshared", unsafe {
        libc::pthread_condattr_setpshared(&raw mut attributes, libc::PTHREAD_PROCESS_SHARED)
    })?;
    // SAFETY: aligned zeroed memory that stays mapped.
    thread_call("cond_init", unsafe {
        libc::pthread_cond_init(condition, &raw const attributes)
    })?;
    let ready = mapping.word(1024);
    let mut children = Vec::new();
    for _ in 0..3 {
        children.push(process::spawn(|| {
            thread_call("pthread_mutex_lock", lock(mutex))?;
            while ready.load(Ordering::SeqCst) == 0 {
                // SAFETY: both are initialised, and the mutex is locked by this thread.
                thread_call("pthread_cond_wait", unsafe {
                    libc::pthread_cond_wait(condition, mutex)
                })?;
            }
            unlock(mutex)
        })?);
    }
    children
        .iter()
        .try_for_each(|child| child.wait_until_asleep())?;
    thread_call("pthread_mutex_lock", lock(mutex))?;
    ready.store(1, Ordering::SeqCst);
    // SAFETY: initialised.
    thread_call("pthread_cond_broadcast", unsafe {
        libc::pthread_cond_broadcast(condition)
    })?;
    unlock(mutex)?;
    children
        .into_iter()
        .try_for_each(process::Child::expect_success)
}

fn robust_mutex_tells_that_its_owner_died() -> Outcome {
    let mapping = memory::shared(1)?;
    let mutex = shared_mutex(&mapping, libc::PTHREAD_MUTEX_ROBUST)?;
    process::spawn(|| thread_call("pthread_mutex_lock", lock(mutex)))?.expect_success()?;
    expect_eq(lock(mutex), libc::EOWNERDEAD, "what the lock returns")?;
    // SAFETY: locked by this thread in the state EOWNERDEAD.
    thread_call("pthread_mutex_consistent", unsafe {
        libc::pthread_mutex_consistent(mutex)
    })?;
    unlock(mutex)?;
    thread_call("pthread_mutex_lock", lock(mutex))
}

/// A semaphore in memory that is shared or of a name.
#[derive(Clone, Copy)]
struct Semaphore(*mut libc::sem_t);

impl Semaphore {
    fn shared(value: u32) -> Result<Self, Failure> {
        let semaphore = memory::shared(1)?
            .pointer(0, size_of::<libc::sem_t>())
            .cast();
        // SAFETY: aligned zeroed memory that stays mapped.
        checked("sem_init", unsafe { libc::sem_init(semaphore, 1, value) })?;
        Ok(Self(semaphore))
    }

    fn post(self) -> Result<(), Failure> {
        // SAFETY: initialised.
        checked("sem_post", unsafe { libc::sem_post(self.0) })?;
        Ok(())
    }

    fn wait(self) -> crate::sys::Sys<i32> {
        // SAFETY: initialised.
        checked("sem_wait", unsafe { libc::sem_wait(self.0) })
    }

    fn try_wait(self) -> crate::sys::Sys<i32> {
        // SAFETY: initialised.
        checked("sem_trywait", unsafe { libc::sem_trywait(self.0) })
    }
}

fn unnamed_semaphore_is_shared_by_processes() -> Outcome {
    let semaphore = Semaphore::shared(0)?;
    let mut children = Vec::new();
    for _ in 0..3 {
        children.push(process::spawn(|| Ok(semaphore.wait().map(drop)?))?);
    }
    children
        .iter()
        .try_for_each(|child| child.wait_until_asleep())?;
    for _ in 0..3 {
        semaphore.post()?;
    }
    children
        .into_iter()
        .try_for_each(process::Child::expect_success)?;
    expect_errno(semaphore.try_wait(), libc::EAGAIN)
}

/// A name for a shared object that no other run uses.
fn object_name() -> std::ffi::CString {
    std::ffi::CString::new(format!("/conformance-{}", process::getpid())).unwrap_or_default()
}

fn open_semaphore(name: &std::ffi::CStr, flags: i32, value: u32) -> Result<Semaphore, Failure> {
    // SAFETY: a C string; with O_CREAT mode and value follow.
    let semaphore = unsafe { libc::sem_open(name.as_ptr(), flags, 0o600, value) };
    if semaphore == libc::SEM_FAILED {
        return Err(crate::sys::last_error("sem_open").into());
    }
    Ok(Semaphore(semaphore))
}

fn named_semaphore_is_found_by_name() -> Outcome {
    let name = object_name();
    let semaphore = open_semaphore(&name, libc::O_CREAT | libc::O_EXCL, 1)?;
    let child = process::spawn(|| {
        let same = open_semaphore(&name, 0, 0)?;
        same.wait()?;
        expect_errno(same.try_wait(), libc::EAGAIN)
    });
    let result = child
        .map_err(Failure::from)
        .and_then(process::Child::expect_success);
    // SAFETY: a C string.
    checked("sem_unlink", unsafe { libc::sem_unlink(name.as_ptr()) })?;
    result?;
    expect_errno(semaphore.try_wait(), libc::EAGAIN)?;
    expect(open_semaphore(&name, 0, 0).is_err(), "the name is gone")
}

fn semaphore_trywait_at_zero_gives_eagain() -> Outcome {
    let semaphore = Semaphore::shared(2)?;
    semaphore.try_wait()?;
    semaphore.try_wait()?;
    expect_errno(semaphore.try_wait(), libc::EAGAIN)
}

fn semaphore_timedwait_times_out() -> Outcome {
    let semaphore = Semaphore::shared(0)?;
    let clock = crate::sys::time::clock_gettime(libc::CLOCK_REALTIME)?;
    let deadline = crate::sys::time::timespec(clock + Duration::from_millis(20));
    // SAFETY: initialised, and the kernel reads one struct.
    let value = unsafe { libc::sem_timedwait(semaphore.0, &raw const deadline) };
    expect_errno(checked("sem_timedwait", value), libc::ETIMEDOUT)
}

fn semaphore_wait_is_interrupted_by_a_handler() -> Outcome {
    let semaphore = Semaphore::shared(0)?;
    let child = process::spawn(|| {
        signal::count(libc::SIGUSR1, 0)?;
        expect_errno(semaphore.wait(), libc::EINTR)
    })?;
    child.wait_until_asleep()?;
    child.kill(libc::SIGUSR1)?;
    child.expect_success()
}

fn shm_open(name: &std::ffi::CStr, flags: i32) -> crate::sys::Sys<i32> {
    // SAFETY: a C string.
    checked("shm_open", unsafe {
        libc::shm_open(name.as_ptr(), flags, 0o600)
    })
}

fn shm_unlink(name: &std::ffi::CStr) -> crate::sys::Sys<i32> {
    // SAFETY: a C string.
    checked("shm_unlink", unsafe { libc::shm_unlink(name.as_ptr()) })
}

fn shared_memory_object_is_found_by_name() -> Outcome {
    let name = object_name();
    let object = shm_open(&name, libc::O_CREAT | libc::O_EXCL | libc::O_RDWR)?;
    path::ftruncate(object, 8192)?;
    let mapping = memory::map(Request::file(object, 2 * PAGE, libc::MAP_SHARED))?;
    let result = process::spawn(|| {
        let same = shm_open(&name, libc::O_RDWR)?;
        let mapping = memory::map(Request::file(same, 2 * PAGE, libc::MAP_SHARED))?;
        mapping.word(PAGE).store(31, Ordering::SeqCst);
        Ok(())
    })
    .map_err(Failure::from)
    .and_then(process::Child::expect_success);
    shm_unlink(&name)?;
    result?;
    expect_eq(
        mapping.word(PAGE).load(Ordering::SeqCst),
        31,
        "the word that the child stored",
    )
}

fn shared_memory_object_lives_until_unmapped() -> Outcome {
    let name = object_name();
    let object = shm_open(&name, libc::O_CREAT | libc::O_EXCL | libc::O_RDWR)?;
    path::ftruncate(object, 4096)?;
    let mapping = memory::map(Request::file(object, PAGE, libc::MAP_SHARED))?;
    shm_unlink(&name)?;
    fd::close(object)?;
    expect_errno(shm_open(&name, libc::O_RDWR), libc::ENOENT)?;
    process::spawn(|| {
        mapping.store(5, 6);
        Ok(())
    })?
    .expect_success()?;
    expect_eq(mapping.load(5), 6, "the byte that the child stored")
}

fn shared_memory_object_created_exclusively_twice_gives_eexist() -> Outcome {
    let name = object_name();
    shm_open(&name, libc::O_CREAT | libc::O_EXCL | libc::O_RDWR)?;
    let second = shm_open(&name, libc::O_CREAT | libc::O_EXCL | libc::O_RDWR);
    shm_unlink(&name)?;
    expect_errno(second, libc::EEXIST)
}

fn missing_shared_memory_object_gives_enoent() -> Outcome {
    expect_errno(shm_open(&object_name(), libc::O_RDWR), libc::ENOENT)?;
    expect_errno(shm_unlink(&object_name()), libc::ENOENT)
}
