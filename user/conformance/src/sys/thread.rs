//! POSIX threads as the C library has them, where the standard library hides behaviour: cancellation, ids, priorities of
//! signals. See `sys` for the rules.
//!
//! A cancelled thread leaves its frames without running what Rust would run at their end, or is unwound by force, whichever
//! the C library does. So what such a thread runs owns nothing, and is declared as able to unwind.

use super::{Sys, SysError, fd, process};
use crate::check::{Failure, Outcome, failed};
use crate::patience::expect_soon;
use std::ffi::{c_int, c_void};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// PTHREAD_CANCEL_ENABLE and its kin, which the bindings lack; both C libraries number them so.
pub const CANCEL_ENABLE: c_int = 0;
/// See above.
pub const CANCEL_DISABLE: c_int = 1;
/// PTHREAD_CANCEL_ASYNCHRONOUS.
pub const CANCEL_ASYNCHRONOUS: c_int = 1;

unsafe extern "C-unwind" {
    fn pthread_create(
        thread: *mut libc::pthread_t,
        attributes: *const libc::pthread_attr_t,
        start: extern "C-unwind" fn(*mut c_void) -> *mut c_void,
        argument: *mut c_void,
    ) -> c_int;
    fn pthread_cancel(thread: libc::pthread_t) -> c_int;
    fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
    fn pthread_setcanceltype(kind: c_int, old: *mut c_int) -> c_int;
    fn pthread_testcancel();
}

/// The result of a call that returns an error number instead of setting errno.
///
/// # Errors
/// That number, unless it is 0.
pub fn done(call: &'static str, value: c_int) -> Sys<()> {
    if value == 0 { Ok(()) } else { Err(SysError { call, errno: value }) }
}

/// How a thread ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With this value.
    Returned(usize),
    /// By `pthread_cancel`.
    Cancelled,
}

/// A thread that has not been joined.
#[derive(Clone, Copy, Debug)]
pub struct Thread {
    /// The C library's name for it.
    pub handle: libc::pthread_t,
    /// The kernel's.
    pub id: i32,
}

// SAFETY: the handle is a name, which any thread may use.
unsafe impl Sync for Thread {}

struct Start<T: 'static> {
    body: fn(&'static T) -> usize,
    argument: &'static T,
    told: i32,
}

extern "C-unwind" fn run<T: 'static>(start: *mut c_void) -> *mut c_void {
    // SAFETY: `Thread::start` passes a leaked record of this type.
    let Start { body, argument, told } = unsafe { start.cast::<Start<T>>().read() };
    let _ = fd::write(told, &process::gettid().to_ne_bytes());
    std::ptr::without_provenance_mut(body(argument))
}

impl Thread {
    /// Starts a thread that runs `body`, which owns nothing that must be dropped, and waits until it has told its id.
    pub fn start<T: Sync>(body: fn(&'static T) -> usize, argument: &'static T) -> Result<Self, Failure> {
        let pipe = fd::Pipe::anonymous(libc::O_CLOEXEC)?;
        let start = Box::into_raw(Box::new(Start { body, argument, told: pipe.write })).cast();
        let mut handle = 0;
        // SAFETY: the record stays for ever; default attributes.
        let value = unsafe { pthread_create((&raw mut handle).cast(), std::ptr::null(), run::<T>, start) };
        done("pthread_create", value)?;
        let id = fd::read_up_to(pipe.read, 4)?;
        fd::close(pipe.read)?;
        fd::close(pipe.write)?;
        let id = i32::from_ne_bytes(id.try_into().map_err(|_| failed("the thread told no id"))?);
        Ok(Self { handle: handle_of(handle), id })
    }

    /// `pthread_cancel`.
    pub fn cancel(self) -> Sys<()> {
        // SAFETY: a thread that has not been joined.
        done("pthread_cancel", unsafe { pthread_cancel(self.handle) })
    }

    /// `pthread_kill`.
    pub fn kill(self, signal: i32) -> Sys<()> {
        // SAFETY: a thread that has not been joined.
        done("pthread_kill", unsafe { libc::pthread_kill(self.handle, signal) })
    }

    /// `pthread_join`.
    pub fn join(self) -> Sys<End> {
        let mut value = std::ptr::null_mut();
        // SAFETY: a thread that has not been joined, and room for its value.
        done("pthread_join", unsafe { libc::pthread_join(self.handle, &raw mut value) })?;
        // PTHREAD_CANCELED is the pointer -1.
        Ok(if value.addr() == usize::MAX { End::Cancelled } else { End::Returned(value.addr()) })
    }

    /// Waits, at most ten seconds, until /proc shows the thread asleep.
    #[track_caller]
    pub fn wait_until_asleep(self) -> Outcome {
        expect_soon(|| Ok(process::state_in(&format!("self/task/{}", self.id))? == 'S'), "the thread sleeps")
    }

    /// Waits, at most ten seconds, until the kernel knows the thread no more, of which nobody else is told.
    #[track_caller]
    pub fn wait_until_gone(self) -> Outcome {
        expect_soon(|| Ok(!Path::new(&format!("/proc/self/task/{}", self.id)).exists()), "the thread has gone")
    }
}

/// A key of data that each thread has for itself, and whose destructor counts.
#[derive(Clone, Copy, Debug)]
pub struct EndKey(libc::pthread_key_t);

impl EndKey {
    /// `pthread_key_create`.
    pub fn new() -> Sys<Self> {
        let mut key = 0;
        // SAFETY: room for the key.
        done("pthread_key_create", unsafe { libc::pthread_key_create(&raw mut key, Some(count_up)) })?;
        Ok(Self(key))
    }

    /// `pthread_setspecific` in the calling thread: its end will be counted in `counter`.
    pub fn set(self, counter: &'static AtomicU32) -> Sys<()> {
        // SAFETY: a key that was created.
        done("pthread_setspecific", unsafe { libc::pthread_setspecific(self.0, (&raw const *counter).cast()) })
    }
}

extern "C" fn count_up(counter: *mut c_void) {
    // SAFETY: what `EndKey::set` took stays for ever.
    let counter = unsafe { &*counter.cast::<AtomicU32>() };
    counter.fetch_add(1, Ordering::SeqCst);
}

/// A handle as the bindings have it: a number in one C library, a pointer in the other.
fn handle_of(handle: usize) -> libc::pthread_t {
    #[cfg(target_env = "gnu")]
    return handle as libc::pthread_t;
    #[cfg(not(target_env = "gnu"))]
    return std::ptr::with_exposed_provenance_mut(handle);
}

/// The calling thread's handle.
pub fn own() -> libc::pthread_t {
    // SAFETY: cannot fail.
    unsafe { libc::pthread_self() }
}

/// `pthread_setcancelstate` of the calling thread.
pub fn set_cancel_state(state: c_int) -> Sys<()> {
    let mut old = 0;
    // SAFETY: room for the old state.
    done("pthread_setcancelstate", unsafe { pthread_setcancelstate(state, &raw mut old) })
}

/// `pthread_setcanceltype` of the calling thread.
pub fn set_cancel_type(kind: c_int) -> Sys<()> {
    let mut old = 0;
    // SAFETY: room for the old type.
    done("pthread_setcanceltype", unsafe { pthread_setcanceltype(kind, &raw mut old) })
}

/// `pthread_testcancel`: does not return if the thread has been cancelled.
pub fn test_cancel() {
    // SAFETY: the callers, up to the thread's start, own nothing.
    unsafe { pthread_testcancel() }
}
