//! System calls by number, without libc in between.
//!
//! libc's variadic `syscall()` spends about as many instructions on its argument list as a good kernel
//! spends on the call; where it is the call that is measured, that would be noise. One `svc`/`syscall`
//! instruction instead; results are the kernel's: a negated errno below zero. The called kernel may sleep.

use core::arch::asm;
use std::ffi::c_long;
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::AtomicU32;

/// The call `number` without arguments.
///
/// # Safety
/// The call must not change memory or control flow in ways Rust does not know of.
#[inline]
pub unsafe fn call0(number: c_long) -> isize {
    let result: isize;
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the kernel preserves every register but x0; the effects are the caller's promise.
    unsafe {
        asm!("svc 0", in("x8") number, lateout("x0") result, options(nostack));
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the kernel preserves every register but rax, rcx and r11; the effects are the caller's promise.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// The call `number` with three arguments.
///
/// # Safety
/// As for [`call5`].
#[inline]
pub unsafe fn call3(number: c_long, [a, b, c]: [usize; 3]) -> isize {
    let result: isize;
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the kernel preserves every register but x0; the effects are the caller's promise.
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a => result, in("x1") b, in("x2") c, options(nostack));
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the kernel preserves every register but rax, rcx and r11; the effects are the caller's promise.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b, in("rdx") c,
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// The call `number` with up to five arguments; unused ones are zero.
///
/// # Safety
/// As for [`call0`], and the arguments must be what the call expects: pointers valid for as long as it takes.
#[inline]
pub unsafe fn call5(number: c_long, arguments: [usize; 5]) -> isize {
    let result: isize;
    let [a, b, c, d, e] = arguments;
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the kernel preserves every register but x0; the effects are the caller's promise.
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a => result, in("x1") b, in("x2") c, in("x3") d, in("x4") e,
            options(nostack));
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the kernel preserves every register but rax, rcx and r11; the effects are the caller's promise.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// The call `number` with six arguments.
///
/// # Safety
/// As for [`call5`].
#[inline]
pub unsafe fn call6(number: c_long, arguments: [usize; 6]) -> isize {
    let result: isize;
    let [a, b, c, d, e, f] = arguments;
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the kernel preserves every register but x0; the effects are the caller's promise.
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a => result, in("x1") b, in("x2") c, in("x3") d, in("x4") e,
            in("x5") f, options(nostack));
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the kernel preserves every register but rax, rcx and r11; the effects are the caller's promise.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
            in("r8") e, in("r9") f, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// `ioctl(2)`: what the device answers, or -errno.
///
/// # Safety
/// `argument` must be what `command` expects: a pointer valid for as long as the call takes, or a number.
#[inline]
pub unsafe fn ioctl(descriptor: RawFd, command: u32, argument: usize) -> isize {
    // SAFETY: the argument is the caller's promise.
    unsafe { call3(libc::SYS_ioctl, [descriptor.unsigned_abs() as usize, command as usize, argument]) }
}

/// `splice(2)` between two descriptors that have no offsets: how many bytes moved, or -errno.
#[inline]
pub fn splice(from: RawFd, to: RawFd, bytes: usize) -> isize {
    let [from, to] = [from, to].map(|descriptor| descriptor.unsigned_abs() as usize);
    // SAFETY: no memory of ours takes part; null offsets mean none.
    unsafe { call6(libc::SYS_splice, [from, 0, to, 0, bytes, 0]) }
}

/// A call's result as Rust has it.
///
/// # Errors
/// The errno.
#[inline]
pub fn checked(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| {
        let errno = i32::try_from(result.unsigned_abs()).unwrap_or(libc::EIO);
        io::Error::from_raw_os_error(errno)
    })
}

/// `getppid(2)`, the call that does least.
#[inline]
pub fn parent_process_id() -> isize {
    // SAFETY: getppid takes nothing and changes nothing.
    unsafe { call0(libc::SYS_getppid) }
}

/// `write(2)`: how many bytes went, or -errno. Not libc's, which is a cancellation point: on musl that costs about 50
/// instructions a call, which are the same on every kernel and hide what is measured.
#[inline]
pub fn write(descriptor: RawFd, bytes: &[u8]) -> isize {
    let descriptor = descriptor.unsigned_abs() as usize;
    // SAFETY: the bytes are readable for the call, which changes nothing of ours.
    unsafe { call3(libc::SYS_write, [descriptor, bytes.as_ptr().addr(), bytes.len()]) }
}

/// `read(2)`: how many bytes came, or -errno. As [`write`].
#[inline]
pub fn read(descriptor: RawFd, buffer: &mut [u8]) -> isize {
    let descriptor = descriptor.unsigned_abs() as usize;
    // The address is exposed: the kernel writes through it.
    let address = buffer.as_mut_ptr().expose_provenance();
    // SAFETY: the buffer is ours alone and writable for the call.
    unsafe { call3(libc::SYS_read, [descriptor, address, buffer.len()]) }
}

/// Sleeps while `word` holds `value`, until woken: `FUTEX_WAIT`, shared between processes, without timeout.
/// Returns for other reasons too (the value had changed, a signal): look at the word again.
#[inline]
pub fn futex_wait(word: &AtomicU32, value: u32) {
    let operation = libc::FUTEX_WAIT.unsigned_abs() as usize;
    // SAFETY: the word outlives the call, which only reads it; a null timeout means none.
    unsafe { call5(libc::SYS_futex, [word.as_ptr().addr(), operation, value as usize, 0, 0]) };
}

/// Wakes one sleeper on `word`: `FUTEX_WAKE`, shared between processes. Returns how many woke, or -errno.
#[inline]
pub fn futex_wake_one(word: &AtomicU32) -> isize {
    let operation = libc::FUTEX_WAKE.unsigned_abs() as usize;
    // SAFETY: the word's address is only a name here.
    unsafe { call5(libc::SYS_futex, [word.as_ptr().addr(), operation, 1, 0, 0]) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::{futex_wait, futex_wake_one, parent_process_id};

    #[test]
    fn the_parent_is_the_one_libc_names() {
        assert_eq!(u32::try_from(parent_process_id()), Ok(std::os::unix::process::parent_id()));
    }

    #[test]
    fn waiting_on_a_changed_word_returns_and_waking_nobody_counts_zero() {
        let word = AtomicU32::new(1);
        futex_wait(&word, 0);
        assert_eq!(futex_wake_one(&word), 0);
    }
}
