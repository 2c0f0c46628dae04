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
/// Those that are remembered when they come.
static NOTED: AtomicU64 = AtomicU64::new(0);

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
    let bit = 1 << (signal as i32 & 63);
    // Relaxed, here and below: the shell has one thread, and the handler looks at the other word only.
    match disposition {
        Disposition::Note => NOTED.fetch_or(bit, Ordering::Relaxed),
        _ => NOTED.fetch_and(!bit, Ordering::Relaxed),
    };
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler only sets a bit in an atomic, which is safe at any moment.
    let result = unsafe { sigaction(signal, &action) };
    // EINVAL for SIGKILL and SIGSTOP: POSIX leaves the attempt undefined, here it has no effect.
    debug_assert!(matches!(result, Ok(_) | Err(Errno::EINVAL)));
}

/// Whether `signal` is ignored.
pub fn is_ignored(signal: Signal) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: the kernel writes one struct.
    let result = unsafe { libc::sigaction(signal as i32, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: all zeroes is one, and so is what the kernel writes.
    result == 0 && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
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
        match read_once(descriptor, buffer) {
            Err(Errno::EINTR) => {}
            result => return Ok(result?),
        }
    }
}

fn read_once(descriptor: i32, buffer: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the kernel writes at most `len` bytes into the buffer.
    let result = unsafe { libc::read(descriptor, buffer.as_mut_ptr().cast(), buffer.len()) };
    Ok(Errno::result(result)?.cast_unsigned())
}

/// Reads into `buffer`, unless a signal is pending or comes before there is anything to read.
///
/// # Errors
/// Those of read(2), EINTR too.
pub fn read_interruptibly(descriptor: i32, buffer: &mut [u8]) -> io::Result<usize> {
    {
        let held = HeldSignals::hold(false)?;
        if is_any_pending() {
            return Err(Errno::EINTR.into());
        }
        let mut watched = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
        // SAFETY: the kernel writes into one pollfd, and reads one mask.
        let result = unsafe { libc::ppoll(&raw mut watched, 1, std::ptr::null(), held.before.as_ref()) };
        Errno::result(result)?;
    }
    Ok(read_once(descriptor, buffer)?)
}

/// Signals that wait meanwhile, so that none comes between a look for one and the sleep that it should end.
struct HeldSignals {
    held: SigSet,
    before: SigSet,
}

impl HeldSignals {
    /// Holds all that are remembered when they come, and SIGCHLD as well if `with_children`.
    fn hold(with_children: bool) -> Result<Self, Errno> {
        let noted = NOTED.load(Ordering::Relaxed);
        let is_held =
            |signal: &Signal| noted & 1 << (*signal as i32 & 63) != 0 || with_children && *signal == Signal::SIGCHLD;
        let held: SigSet = Signal::iterator().filter(is_held).collect();
        let before = held.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK)?;
        Ok(Self { held, before })
    }
}

impl Drop for HeldSignals {
    fn drop(&mut self) {
        // It cannot fail: the mask is one that was there.
        let _ = self.before.thread_set_mask();
    }
}

/// Sleeps until `look` finds something; it is asked again after each change of a child's state.
///
/// # Errors
/// EINTR when a signal is pending or comes first; those of `look`.
pub fn wait_for_children<T>(mut look: impl FnMut() -> Result<Option<T>, Errno>) -> Result<T, Errno> {
    let signals = HeldSignals::hold(true)?;
    loop {
        if is_any_pending() {
            return Err(Errno::EINTR);
        }
        if let Some(found) = look()? {
            return Ok(found);
        }
        let signal = signals.held.wait()?;
        if NOTED.load(Ordering::Relaxed) & 1 << (signal as i32 & 63) != 0 {
            note_signal(signal as i32);
        }
    }
}

fn is_any_pending() -> bool {
    PENDING.load(Ordering::Relaxed) != 0
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
