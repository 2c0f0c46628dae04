//! Objects that processes share through libc: mutexes, condition variables, semaphores, shared memory. Specification:
//! pthread_mutexattr_setpshared(3), sem_overview(7), shm_overview(7).

use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno, failed};
use crate::probe;
use crate::sys::memory::{self, Mapping, PAGE, Request};
use crate::sys::{checked, fd, path, process, signal, zeroed};
use std::sync::atomic::Ordering;
use std::time::Duration;

crate::tests! {
    process_shared_mutex_excludes_processes,
    process_shared_condition_variable_wakes_processes,
    robust_mutex_tells_that_its_owner_died,
    robust_mutex_tells_that_its_owner_executed,
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

/// What pthread functions return: an error number, not errno.
fn thread_call(call: &'static str, value: i32) -> Result<(), Failure> {
    if value == 0 { Ok(()) } else { Err(failed(format!("{call}: {}", std::io::Error::from_raw_os_error(value)))) }
}

/// A process-shared mutex at the start of shared memory; `robust` is `PTHREAD_MUTEX_STALLED` or `_ROBUST`.
fn shared_mutex(mapping: &Mapping, robust: i32) -> Result<*mut libc::pthread_mutex_t, Failure> {
    let mutex = mapping.pointer(0, size_of::<libc::pthread_mutex_t>()).cast::<libc::pthread_mutex_t>();
    let mut attributes: libc::pthread_mutexattr_t = zeroed();
    // SAFETY: attributes of our own.
    thread_call("init", unsafe { libc::pthread_mutexattr_init(&raw mut attributes) })?;
    // SAFETY: initialised above.
    thread_call("setpshared", unsafe {
        libc::pthread_mutexattr_setpshared(&raw mut attributes, libc::PTHREAD_PROCESS_SHARED)
    })?;
    // SAFETY: initialised above.
    thread_call("setrobust", unsafe { libc::pthread_mutexattr_setrobust(&raw mut attributes, robust) })?;
    // SAFETY: aligned zeroed memory that stays mapped.
    thread_call("mutex_init", unsafe { libc::pthread_mutex_init(mutex, &raw const attributes) })?;
    Ok(mutex)
}

fn lock(mutex: *mut libc::pthread_mutex_t) -> i32 {
    // SAFETY: only called with an initialised mutex.
    unsafe { libc::pthread_mutex_lock(mutex) }
}

fn unlock(mutex: *mut libc::pthread_mutex_t) -> Result<(), Failure> {
    // SAFETY: only called with a mutex that the caller has locked.
    thread_call("pthread_mutex_unlock", unsafe { libc::pthread_mutex_unlock(mutex) })
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
    children.into_iter().try_for_each(process::Child::expect_success)?;
    expect_eq(counter.load(Ordering::SeqCst), 4 * ROUNDS, "the counter")
}

fn process_shared_condition_variable_wakes_processes() -> Outcome {
    let mapping = memory::shared(1)?;
    let mutex = shared_mutex(&mapping, libc::PTHREAD_MUTEX_STALLED)?;
    let condition = mapping.pointer(512, size_of::<libc::pthread_cond_t>()).cast::<libc::pthread_cond_t>();
    let mut attributes: libc::pthread_condattr_t = zeroed();
    // SAFETY: attributes of our own.
    thread_call("init", unsafe { libc::pthread_condattr_init(&raw mut attributes) })?;
    // SAFETY: initialised above.
    thread_call("setpshared", unsafe {
        libc::pthread_condattr_setpshared(&raw mut attributes, libc::PTHREAD_PROCESS_SHARED)
    })?;
    // SAFETY: aligned zeroed memory that stays mapped.
    thread_call("cond_init", unsafe { libc::pthread_cond_init(condition, &raw const attributes) })?;
    let ready = mapping.word(1024);
    let mut children = Vec::new();
    for _ in 0..3 {
        children.push(process::spawn(|| {
            thread_call("pthread_mutex_lock", lock(mutex))?;
            while ready.load(Ordering::SeqCst) == 0 {
                // SAFETY: both are initialised, and the mutex is locked by this thread.
                thread_call("pthread_cond_wait", unsafe { libc::pthread_cond_wait(condition, mutex) })?;
            }
            unlock(mutex)
        })?);
    }
    children.iter().try_for_each(|child| child.wait_until_asleep())?;
    thread_call("pthread_mutex_lock", lock(mutex))?;
    ready.store(1, Ordering::SeqCst);
    // SAFETY: initialised.
    thread_call("pthread_cond_broadcast", unsafe { libc::pthread_cond_broadcast(condition) })?;
    unlock(mutex)?;
    children.into_iter().try_for_each(process::Child::expect_success)
}

fn robust_mutex_tells_that_its_owner_died() -> Outcome {
    let mapping = memory::shared(1)?;
    let mutex = shared_mutex(&mapping, libc::PTHREAD_MUTEX_ROBUST)?;
    process::spawn(|| thread_call("pthread_mutex_lock", lock(mutex)))?.expect_success()?;
    expect_eq(lock(mutex), libc::EOWNERDEAD, "what the lock returns")?;
    // SAFETY: locked by this thread in the state EOWNERDEAD.
    thread_call("pthread_mutex_consistent", unsafe { libc::pthread_mutex_consistent(mutex) })?;
    unlock(mutex)?;
    thread_call("pthread_mutex_lock", lock(mutex))
}

fn robust_mutex_tells_that_its_owner_executed() -> Outcome {
    let mapping = memory::shared(1)?;
    let mutex = shared_mutex(&mapping, libc::PTHREAD_MUTEX_ROBUST)?;
    let program = probe::program()?;
    let child = process::spawn(|| {
        thread_call("pthread_mutex_lock", lock(mutex))?;
        let number = libc::SIGTERM.to_string();
        let words = [&program, probe::FLAG, "await", &number];
        Ok(process::execve(&program, &words, &[])?)
    })?;
    // The exec has happened when the image sleeps in its wait: alive, it holds the mutex no more.
    child.wait_until_asleep()?;
    expect_eq(lock(mutex), libc::EOWNERDEAD, "what the lock returns")?;
    child.kill_and_wait()
}

/// A semaphore in memory that is shared or of a name.
#[derive(Clone, Copy)]
struct Semaphore(*mut libc::sem_t);

impl Semaphore {
    fn shared(value: u32) -> Result<Self, Failure> {
        let semaphore = memory::shared(1)?.pointer(0, size_of::<libc::sem_t>()).cast();
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
    children.iter().try_for_each(|child| child.wait_until_asleep())?;
    for _ in 0..3 {
        semaphore.post()?;
    }
    children.into_iter().try_for_each(process::Child::expect_success)?;
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
    let result = child.map_err(Failure::from).and_then(process::Child::expect_success);
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
    checked("shm_open", unsafe { libc::shm_open(name.as_ptr(), flags, 0o600) })
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
    expect_eq(mapping.word(PAGE).load(Ordering::SeqCst), 31, "the word that the child stored")
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
