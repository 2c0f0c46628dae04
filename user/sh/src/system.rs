//! The system calls that need `unsafe` or that no crate offers as plainly: fork, descriptors by
//! number, signal dispositions. All of the shell's unsafe code is here.

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{ForkResult, Pid};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// Descriptors the shell keeps for itself start here, out of the way of scripts.
const PRIVATE_DESCRIPTOR_MIN: i32 = 10;

/// Signals that came in and were not looked at yet: bit n for signal n.
static PENDING: AtomicU64 = AtomicU64::new(0);

extern "C" fn note_signal(number: libc::c_int) {
    // Relaxed: the bit is the whole message, no other data goes with it.
    PENDING.fetch_or(1 << (number & 63), Ordering::Relaxed);
}

/// What a process does about a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// As the system presets.
    Default,
    /// Nothing.
    Ignore,
    /// Remember it for [`take_pending`].
    Note,
}

/// Sets the disposition of `signal`. Signals that cannot be caught are left alone.
pub fn set_disposition(signal: Signal, disposition: Disposition) {
    let handler = match disposition {
        Disposition::Default => SigHandler::SigDfl,
        Disposition::Ignore => SigHandler::SigIgn,
        Disposition::Note => SigHandler::Handler(note_signal),
    };
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler only sets a bit in an atomic, which is safe at any moment.
    let result = unsafe { sigaction(signal, &action) };
    // EINVAL for SIGKILL and SIGSTOP: POSIX leaves the attempt undefined, here it has no effect.
    debug_assert!(matches!(result, Ok(_) | Err(Errno::EINVAL)));
}

/// Takes one pending signal, the lowest first.
pub fn take_pending() -> Option<Signal> {
    let pending = PENDING.load(Ordering::Relaxed);
    if pending == 0 {
        return None;
    }
    let number = pending.trailing_zeros();
    PENDING.fetch_and(!(1 << number), Ordering::Relaxed);
    Signal::try_from(number.cast_signed()).ok()
}

/// Forks. `None` in the child.
///
/// # Errors
/// EAGAIN or ENOMEM.
pub fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: the shell has one thread, so the child may go on with anything the parent could do.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Some(child)),
        ForkResult::Child => Ok(None),
    }
}

/// Makes descriptor `to` a copy of `from`, without close-on-exec.
///
/// # Errors
/// EBADF.
pub fn duplicate(from: i32, to: i32) -> io::Result<()> {
    // SAFETY: dup2 takes plain numbers. Descriptors below ten belong to the script, not to any
    // owner in this process.
    let result = unsafe { libc::dup2(from, to) };
    Errno::result(result)?;
    Ok(())
}

/// Copies `descriptor` to a private number, closed on exec. `None` if it is not open.
///
/// # Errors
/// EMFILE.
pub fn save_descriptor(descriptor: i32) -> io::Result<Option<i32>> {
    // SAFETY: fcntl with F_DUPFD_CLOEXEC takes plain numbers.
    let result = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, PRIVATE_DESCRIPTOR_MIN) };
    match Errno::result(result) {
        Ok(copy) => Ok(Some(copy)),
        Err(Errno::EBADF) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Closes a descriptor by number; one that is not open is no error.
pub fn close(descriptor: i32) {
    // SAFETY: close takes a plain number; the callers pass descriptors they opened or that belong
    // to the script.
    unsafe { libc::close(descriptor) };
}

/// A pipe: the reading and the writing end, both closed on exec and out of the script's way.
///
/// # Errors
/// EMFILE or ENFILE.
pub fn pipe() -> io::Result<(i32, i32)> {
    let mut ends = [0; 2];
    // SAFETY: pipe2 writes two integers into an array of two.
    let result = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    Errno::result(result)?;
    let mut private = [0; 2];
    for (end, copy) in ends.iter().zip(&mut private) {
        *copy = save_descriptor(*end)?.ok_or(Errno::EBADF)?;
        close(*end);
    }
    Ok((private[0], private[1]))
}

/// Reads into `buffer`; goes on after a signal.
///
/// # Errors
/// Those of read(2) but EINTR.
pub fn read(descriptor: i32, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match read_interruptibly(descriptor, buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Reads into `buffer`.
///
/// # Errors
/// Those of read(2), EINTR too.
pub fn read_interruptibly(descriptor: i32, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the kernel writes at most `len` bytes into the buffer.
    let result = unsafe { libc::read(descriptor, buffer.as_mut_ptr().cast(), buffer.len()) };
    Ok(Errno::result(result)?.cast_unsigned())
}

/// Writes all of `bytes`.
///
/// # Errors
/// Those of write(2) but EINTR.
pub fn write_all(descriptor: i32, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        // SAFETY: the kernel reads at most `len` bytes of the slice.
        let result = unsafe { libc::write(descriptor, bytes.as_ptr().cast(), bytes.len()) };
        match Errno::result(result) {
            Ok(count) => bytes = &bytes[count.cast_unsigned()..],
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Whether the descriptor is a terminal.
pub fn is_terminal(descriptor: i32) -> bool {
    // SAFETY: isatty takes a plain number.
    unsafe { libc::isatty(descriptor) == 1 }
}

/// The foreground process group of the terminal on standard input.
///
/// # Errors
/// ENOTTY when there is no controlling terminal.
pub fn terminal_group() -> io::Result<Pid> {
    // SAFETY: tcgetpgrp takes a plain number.
    let result = unsafe { libc::tcgetpgrp(libc::STDIN_FILENO) };
    Ok(Pid::from_raw(Errno::result(result)?))
}

/// Gives the terminal on standard input to a process group.
///
/// # Errors
/// ENOTTY, or EPERM when the group is of another session.
pub fn set_terminal_group(group: Pid) -> io::Result<()> {
    // SAFETY: tcsetpgrp takes plain numbers.
    let result = unsafe { libc::tcsetpgrp(libc::STDIN_FILENO, group.as_raw()) };
    Errno::result(result)?;
    Ok(())
}

/// The home directory of a user, from the user database.
pub fn home_of(user: &[u8]) -> Option<Vec<u8>> {
    let name = str::from_utf8(user).ok()?;
    let entry = nix::unistd::User::from_name(name).ok()??;
    Some(std::os::unix::ffi::OsStringExt::into_vec(entry.dir.into_os_string()))
}

/// A system error as the usual text.
pub fn describe(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}

/// The number of the next pending signal, which stays pending.
pub fn peek_pending() -> Option<i32> {
    let pending = PENDING.load(Ordering::Relaxed);
    (pending != 0).then(|| pending.trailing_zeros().cast_signed())
}
