//! The system calls under test, as thin safe functions: one call each, no retry, no interpretation but errno.
//!
//! Owns the error type. Takes no locks; sleeps where the call does. Where libc's wrapper would hide behaviour the raw call is
//! used instead. Descriptors are plain numbers on purpose: many tests are about numbers that are not open.

pub mod affinity;
pub mod attack;
pub mod bare;
pub mod cgroup;
pub mod fd;
pub mod hello;
pub mod memory;
pub mod module;
pub mod mount;
pub mod path;
pub mod process;
pub mod ready;
pub mod registers;
pub mod shared;
pub mod signal;
pub mod socket;
pub mod splice;
pub mod terminal;
pub mod thread;
pub mod time;
pub mod timer;

use std::ffi::CString;
use std::fmt;

/// A call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SysError {
    /// The call's name.
    pub call: &'static str,
    /// What errno said, positive.
    pub errno: i32,
}

/// What a call returns.
pub type Sys<T> = Result<T, SysError>;

impl fmt::Display for SysError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.call, std::io::Error::from_raw_os_error(self.errno))
    }
}

/// Turns libc's -1 into an error holding errno.
pub fn checked<T: PartialEq + From<i8>>(call: &'static str, value: T) -> Sys<T> {
    if value == T::from(-1) { Err(last_error(call)) } else { Ok(value) }
}

/// The error that errno describes right now.
pub fn last_error(call: &'static str) -> SysError {
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
    SysError { call, errno }
}

/// The system call `number` with six argument registers.
///
/// # Safety
/// The arguments must not make the kernel write to memory that Rust code relies on, nor unmap it.
///
/// # Errors
/// What the kernel says.
pub unsafe fn raw(call: &'static str, number: libc::c_long, arguments: [usize; 6]) -> Sys<usize> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: passed on to the caller.
    let value = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    counted(call, value)
}

/// As `checked`, for calls that return a count or an address.
pub fn counted<T>(call: &'static str, value: T) -> Sys<usize>
where
    T: PartialEq + From<i8> + TryInto<usize>,
{
    let overflow = SysError { call, errno: libc::EOVERFLOW };
    checked(call, value)?.try_into().map_err(|_| overflow)
}

/// `text` as a C string; a NUL inside cannot be said to the kernel and is a mistake of the test.
fn c_string(text: &str) -> CString {
    CString::new(text).expect("a test passed a path or argument with a NUL in it")
}

/// Types for which all bits zero is a value: libc's plain structs.
///
/// # Safety
/// Implement it only for such types.
pub unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($name:ty),+) => { $(
        // SAFETY: a C struct of integers, arrays of integers and nullable pointers.
        unsafe impl Plain for $name {}
    )+ };
}

plain!(
    libc::stat,
    libc::statfs,
    libc::statvfs,
    libc::timespec,
    libc::timeval,
    libc::itimerval,
    libc::itimerspec,
    libc::rlimit,
    libc::rusage,
    libc::siginfo_t,
    libc::sigset_t,
    libc::sigaction,
    libc::utsname,
    libc::sysinfo,
    libc::flock,
    libc::epoll_event,
    libc::cpu_set_t,
    libc::fd_set,
    libc::tms,
    libc::pthread_mutexattr_t,
    libc::pthread_condattr_t,
    libc::pthread_rwlockattr_t,
    libc::pthread_barrierattr_t,
    libc::pthread_attr_t,
    libc::sched_param,
    libc::glob_t,
    libc::posix_spawn_file_actions_t,
    libc::posix_spawnattr_t,
    libc::stack_t,
    libc::termios,
    libc::winsize
);

/// A struct for the kernel to fill.
pub fn zeroed<T: Plain>() -> T {
    // SAFETY: `Plain` says that all bits zero is a value.
    unsafe { std::mem::zeroed() }
}
