//! Signals: dispositions, masks, waiting, and what the last handler saw. See `sys` for the rules.
//!
//! Owns the process-wide record that handlers write to: atomics only, so a handler may run anywhere.

use super::{Sys, checked, zeroed};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::time::Duration;

const SIGNALS: usize = 65;

static CAUGHT: [AtomicU32; SIGNALS] = [const { AtomicU32::new(0) }; SIGNALS];
static LAST_CODE: AtomicI32 = AtomicI32::new(0);
static LAST_SENDER: AtomicI32 = AtomicI32::new(0);

/// A handler that gets siginfo and the context.
pub type InfoHandler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

extern "C" fn counting_handler(signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a filled siginfo.
    let info = unsafe { &*info };
    LAST_CODE.store(info.si_code, Ordering::SeqCst);
    // SAFETY: reading a member of the union: any bits are an integer; only the fitting one is looked at by tests.
    LAST_SENDER.store(unsafe { info.si_pid() }, Ordering::SeqCst);
    if let Some(counter) = CAUGHT.get(signal.unsigned_abs() as usize) {
        counter.fetch_add(1, Ordering::SeqCst);
    }
}

/// How often the counting handler ran for `signal`.
pub fn caught(signal: i32) -> u32 {
    CAUGHT.get(signal.unsigned_abs() as usize).map_or(0, |counter| counter.load(Ordering::SeqCst))
}

/// `si_code` of the last signal that the counting handler saw.
pub fn last_code() -> i32 {
    LAST_CODE.load(Ordering::SeqCst)
}

/// `si_pid` of the last signal that the counting handler saw.
pub fn last_sender() -> i32 {
    LAST_SENDER.load(Ordering::SeqCst)
}

/// Installs the counting handler; `flags` in addition to `SA_SIGINFO`.
pub fn count(signal: i32, flags: i32) -> Sys<()> {
    handle(signal, counting_handler, flags, &[])
}

/// Installs a handler with more signals blocked while it runs.
pub fn handle(signal: i32, handler: InfoHandler, flags: i32, blocked: &[i32]) -> Sys<()> {
    sigaction(signal, handler as usize, flags | libc::SA_SIGINFO, blocked)
}

/// Ignores a signal.
pub fn ignore(signal: i32) -> Sys<()> {
    sigaction(signal, libc::SIG_IGN, 0, &[])
}

/// Restores the default action.
pub fn default(signal: i32) -> Sys<()> {
    sigaction(signal, libc::SIG_DFL, 0, &[])
}

/// `sigaction` with a handler address, `SIG_IGN` or `SIG_DFL`.
pub fn sigaction(signal: i32, handler: usize, flags: i32, blocked: &[i32]) -> Sys<()> {
    let mut action: libc::sigaction = zeroed();
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    action.sa_mask = set_of(blocked);
    // SAFETY: the handlers of this program use atomics and async-signal-safe calls only.
    checked("sigaction", unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) }).map(drop)
}

/// The disposition in force: handler address (or `SIG_DFL`, `SIG_IGN`) and flags.
pub fn disposition(signal: i32) -> Sys<(usize, i32)> {
    let mut action: libc::sigaction = zeroed();
    // SAFETY: room for the struct.
    checked("sigaction", unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) })?;
    Ok((action.sa_sigaction, action.sa_flags))
}

/// A signal set.
pub fn set_of(signals: &[i32]) -> libc::sigset_t {
    let mut set = zeroed();
    for signal in signals {
        // SAFETY: a set of our own; a bad number leaves it as it was.
        unsafe { libc::sigaddset(&raw mut set, *signal) };
    }
    set
}

/// The members of a set, of the 31 classic signals.
fn members(set: &libc::sigset_t) -> Vec<i32> {
    // SAFETY: a set that libc or the kernel filled.
    (1..32).filter(|signal| unsafe { libc::sigismember(set, *signal) } == 1).collect()
}

/// `sigprocmask`; returns the mask before.
pub fn sigprocmask(how: i32, signals: &[i32]) -> Sys<Vec<i32>> {
    let set = set_of(signals);
    let mut before = zeroed();
    // SAFETY: room for both sets.
    checked("sigprocmask", unsafe { libc::sigprocmask(how, &raw const set, &raw mut before) })?;
    Ok(members(&before))
}

/// Blocks signals.
pub fn block(signals: &[i32]) -> Sys<Vec<i32>> {
    sigprocmask(libc::SIG_BLOCK, signals)
}

/// Unblocks signals.
pub fn unblock(signals: &[i32]) -> Sys<Vec<i32>> {
    sigprocmask(libc::SIG_UNBLOCK, signals)
}

/// Sets the whole mask.
pub fn set_mask(signals: &[i32]) -> Sys<Vec<i32>> {
    sigprocmask(libc::SIG_SETMASK, signals)
}

/// The mask in force.
pub fn mask() -> Sys<Vec<i32>> {
    block(&[])
}

/// `sigpending`.
pub fn pending() -> Sys<Vec<i32>> {
    let mut set = zeroed();
    // SAFETY: room for the set.
    checked("sigpending", unsafe { libc::sigpending(&raw mut set) })?;
    Ok(members(&set))
}

/// `sigsuspend` with `blocked` as the mask; the error it always returns.
pub fn sigsuspend(blocked: &[i32]) -> Sys<()> {
    let set = set_of(blocked);
    // SAFETY: the kernel reads one set.
    checked("sigsuspend", unsafe { libc::sigsuspend(&raw const set) }).map(drop)
}

/// The raw `rt_sigtimedwait`, for musl's wrapper hides EINTR; returns the signal and who sent it.
pub fn sigtimedwait(signals: &[i32], timeout: Duration) -> Sys<(i32, i32)> {
    const KERNEL_SET_SIZE: usize = 8;
    let set = set_of(signals);
    let timeout = super::time::timespec(timeout);
    let mut info: libc::siginfo_t = zeroed();
    let (set, filled, timeout) = (&raw const set, &raw mut info, &raw const timeout);
    // SAFETY: the kernel reads the first word of the set and the time, and fills the struct.
    let value = unsafe { libc::syscall(libc::SYS_rt_sigtimedwait, set, filled, timeout, KERNEL_SET_SIZE) };
    checked("rt_sigtimedwait", value)?;
    // SAFETY: the signals waited for come from kill or a child: both fill si_pid.
    Ok((info.si_signo, unsafe { info.si_pid() }))
}

/// Sends a signal to the calling process.
pub fn raise(signal: i32) -> Sys<()> {
    super::process::kill(super::process::getpid(), signal)
}

/// The kernel's set of signals has one bit for each.
fn bits_of(signals: &[i32]) -> u64 {
    signals.iter().fold(0, |bits, signal| bits | 1 << (signal - 1))
}

/// The raw `signalfd4`: a new descriptor for -1, else another set for the one given.
pub fn signalfd(fd: i32, signals: &[i32], flags: i32) -> Sys<i32> {
    signalfd_with_set_size(fd, signals, 8, flags)
}

/// The same with any size of the set.
pub fn signalfd_with_set_size(fd: i32, signals: &[i32], set_size: usize, flags: i32) -> Sys<i32> {
    let set = bits_of(signals);
    // SAFETY: the kernel reads the set, if anything.
    let value = unsafe { libc::syscall(libc::SYS_signalfd4, fd, &raw const set, set_size, flags) };
    checked("signalfd4", value).map(|fd| i32::try_from(fd).unwrap_or(-1))
}

/// What a signalfd tells of a signal.
pub type Record = libc::signalfd_siginfo;

/// Bytes of a record.
pub const RECORD_SIZE: usize = size_of::<Record>();

/// Reads at most `most` records.
pub fn read_records(fd: i32, most: usize) -> Sys<Vec<Record>> {
    let mut bytes = vec![0_u8; most * RECORD_SIZE];
    let count = super::fd::read(fd, &mut bytes)?;
    let record = |bytes: &[u8]| {
        // SAFETY: as many bytes as the struct has, all of which may have any value.
        unsafe { bytes.as_ptr().cast::<Record>().read_unaligned() }
    };
    Ok(bytes[..count].chunks_exact(RECORD_SIZE).map(record).collect())
}

/// The raw `rt_sigqueueinfo`: a signal with a value.
pub fn sigqueue(pid: i32, signal: i32, value: usize) -> Sys<()> {
    let mut info = [0_u8; size_of::<libc::siginfo_t>()];
    let mut put = |at: usize, bytes: &[u8]| info[at..at + bytes.len()].copy_from_slice(bytes);
    put(8, &libc::SI_QUEUE.to_ne_bytes());
    put(16, &super::process::getpid().to_ne_bytes());
    put(20, &super::process::geteuid().to_ne_bytes());
    put(24, &value.to_ne_bytes());
    // SAFETY: the kernel reads one struct.
    let value = unsafe { libc::syscall(libc::SYS_rt_sigqueueinfo, pid, signal, info.as_ptr()) };
    checked("rt_sigqueueinfo", value).map(drop)
}
