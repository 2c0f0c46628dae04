//! Which CPU a process runs on: `sched_setaffinity(2)`. Never sleeps.

use std::io;
use std::mem;

/// CPUs a mask can name (`CPU_SETSIZE`).
pub const CPU_LIMIT: usize = 1024;

/// Keeps the calling process on `cpu` alone, which is below [`CPU_LIMIT`].
///
/// # Errors
/// EINVAL when there is no such CPU, or it is not for this process.
pub fn pin_to(cpu: usize) -> io::Result<()> {
    // SAFETY: all zeroes is the empty mask.
    let mut mask: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: CPU_SET checks the index against the mask's size.
    unsafe { libc::CPU_SET(cpu, &mut mask) };
    // SAFETY: the mask is live and its size is given.
    match unsafe { libc::sched_setaffinity(0, size_of_val(&mask), &raw const mask) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The lowest CPU the calling process may run on.
///
/// # Errors
/// What `sched_getaffinity(2)` says; ENOENT for an empty mask.
pub fn first_allowed() -> io::Result<usize> {
    allowed()?.next().ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// The CPUs the calling process may run on, from the lowest up.
///
/// # Errors
/// What `sched_getaffinity(2)` says.
pub fn allowed() -> io::Result<impl Iterator<Item = usize>> {
    // SAFETY: all zeroes is the empty mask.
    let mut mask: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the mask is live and writable and its size is given.
    if unsafe { libc::sched_getaffinity(0, size_of_val(&mask), &raw mut mask) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: CPU_ISSET checks the index against the mask's size.
    let is_allowed = move |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &mask) };
    Ok((0..CPU_LIMIT).filter(is_allowed))
}
