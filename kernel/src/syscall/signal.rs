//! The system calls on signals: arguments to typed calls of `crate::process::signal`, results to user memory. No policy.
//! Specification: the man-page of each call; sets of signals are 8 bytes, anything else is EINVAL.

use super::Register;
use crate::arch::exception::TrapFrame;
use crate::arch::timer;
use crate::fs::flags::OpenFlags;
use crate::mm::user::UserPtr;
use crate::process;
use crate::process::signal::cpu_timers::{self, CpuTimer};
use crate::process::signal::{self, INFO_SIZE, SignalFd, StackSettings};
use crate::syscall::ipc::{install, on_exec};
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::interval_timer::Setting;
use postern_core::signal_action::{ActionFlags, Disposition, SignalAction};
use postern_core::signal_set::{MaskChange, Signal, SignalSet};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

const NS_PER_SECOND: u64 = 1_000_000_000;
const NS_PER_MICROSECOND: u64 = 1_000;
const MICROSECONDS_PER_SECOND: u64 = 1_000_000;

/// EINVAL unless a set has the size of this ABI's.
pub(super) fn check_set_size(size: usize) -> Result<()> {
    if size == size_of::<abi::kernel_sigset_t>() { Ok(()) } else { Err(Errno::EINVAL) }
}

/// A program's set of signals.
pub(super) fn read_set(address: usize, size: usize) -> Result<SignalSet> {
    check_set_size(size)?;
    UserPtr::<u64>::new(address).read().map(SignalSet::from_bits)
}

fn write_set(address: usize, set: SignalSet) -> Result<()> {
    UserPtr::new(address).write_if_some(&set.bits())
}

/// kill(2)
pub fn kill(pid: i32, signal: i32) -> Result<usize> {
    signal::kill(pid, signal).map(|()| 0)
}

/// tkill(2)
pub fn tkill(tid: i32, signal: i32) -> Result<usize> {
    signal::tkill(tid, signal).map(|()| 0)
}

/// tgkill(2)
pub fn tgkill(pid: i32, tid: i32, signal: i32) -> Result<usize> {
    signal::tgkill(pid, tid, signal).map(|()| 0)
}

/// rt_sigqueueinfo(2)
pub fn rt_sigqueueinfo(pid: i32, signal: i32, info: usize) -> Result<usize> {
    let bytes = UserPtr::<[u8; INFO_SIZE]>::new(info).read()?;
    signal::queue_to_process(pid, signal, &bytes).map(|()| 0)
}

/// rt_tgsigqueueinfo(2)
pub fn rt_tgsigqueueinfo(pid: i32, tid: i32, signal: i32, info: usize) -> Result<usize> {
    let bytes = UserPtr::<[u8; INFO_SIZE]>::new(info).read()?;
    signal::queue_to_thread(pid, tid, signal, &bytes).map(|()| 0)
}

/// `struct kernel_sigaction`
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RawAction {
    handler: u64,
    flags: u64,
    restorer: u64,
    mask: u64,
}

const _: () = assert!(size_of::<RawAction>() == size_of::<abi::kernel_sigaction>());

/// SIG_DFL and SIG_IGN, which the bindings have as pointers only.
const DEFAULT: u64 = 0;
const IGNORE: u64 = 1;

/// The flags that mean something: a program asks with SA_UNSUPPORTED whether others are kept, and sees that they are not.
const KNOWN_FLAGS: ActionFlags = ActionFlags::NOCLDSTOP
    .union(ActionFlags::NOCLDWAIT)
    .union(ActionFlags::SIGINFO)
    .union(ActionFlags::ONSTACK)
    .union(ActionFlags::RESTART)
    .union(ActionFlags::NODEFER)
    .union(ActionFlags::RESETHAND)
    .union(ActionFlags::RESTORER)
    .union(ActionFlags::from_bits_retain(abi::SA_EXPOSE_TAGBITS));

impl RawAction {
    fn decode(&self) -> SignalAction {
        let disposition = match self.handler {
            DEFAULT => Disposition::Default,
            IGNORE => Disposition::Ignore,
            entry => Disposition::Handler { entry },
        };
        let [low, _] = zerocopy::transmute!(self.flags);
        let flags = ActionFlags::from_bits_retain(low) & KNOWN_FLAGS;
        SignalAction { disposition, flags, mask: SignalSet::from_bits(self.mask), restorer: self.restorer }
    }

    fn encode(action: &SignalAction) -> Self {
        let handler = match action.disposition {
            Disposition::Default => DEFAULT,
            Disposition::Ignore => IGNORE,
            Disposition::Handler { entry } => entry,
        };
        Self { handler, flags: action.flags.bits().into(), restorer: action.restorer, mask: action.mask.bits() }
    }
}

/// rt_sigaction(2)
pub fn rt_sigaction(signal: i32, new: usize, old: usize, set_size: usize) -> Result<usize> {
    check_set_size(set_size)?;
    let new = match UserPtr::<RawAction>::new(new) {
        pointer if pointer.is_null() => None,
        pointer => Some(pointer.read()?.decode()),
    };
    let before = signal::sigaction(Signal::from_number(signal)?, new)?;
    UserPtr::new(old).write_if_some(&RawAction::encode(&before))?;
    Ok(0)
}

/// rt_sigprocmask(2). `how` matters only with a new set.
pub fn rt_sigprocmask(how: u32, new: usize, old: usize, set_size: usize) -> Result<usize> {
    check_set_size(set_size)?;
    let change = if new == 0 {
        None
    } else {
        let set = read_set(new, set_size)?;
        let how = match how {
            abi::SIG_BLOCK => MaskChange::Block,
            abi::SIG_UNBLOCK => MaskChange::Unblock,
            abi::SIG_SETMASK => MaskChange::Set,
            _ => return Err(Errno::EINVAL),
        };
        Some((how, set))
    };
    write_set(old, signal::sigprocmask(change))?;
    Ok(0)
}

/// rt_sigpending(2), for which a smaller set will do.
pub fn rt_sigpending(set: usize, set_size: usize) -> Result<usize> {
    let bytes = signal::pending().bits().to_le_bytes();
    let part = bytes.get(..set_size).ok_or(Errno::EINVAL)?;
    crate::mm::user::write_bytes(set, part)?;
    Ok(0)
}

/// rt_sigsuspend(2)
pub fn rt_sigsuspend(mask: usize, set_size: usize) -> Result<usize> {
    signal::sigsuspend(read_set(mask, set_size)?)
}

/// rt_sigtimedwait(2): the number of the signal.
pub fn rt_sigtimedwait(set: usize, info: usize, timeout: usize, set_size: usize) -> Result<usize> {
    let wanted = read_set(set, set_size)?;
    let deadline_ns = if timeout == 0 { None } else { Some(deadline_after(timeout)?) };
    let taken = signal::sigtimedwait(wanted, deadline_ns)?;
    UserPtr::new(info).write_if_some(&taken.to_bytes())?;
    Ok(taken.signal.index() + 1)
}

/// signalfd4(2). With -1 for a descriptor a new one, to which alone the flags apply.
pub fn signalfd4(fd: i32, set: usize, set_size: usize, flags: u32) -> Result<usize> {
    let set = read_set(set, set_size)?;
    if flags & !(abi::O_CLOEXEC | abi::O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let current = process::current();
    if fd == -1 {
        let status = OpenFlags::from_bits_truncate(flags & abi::O_NONBLOCK);
        let file = SignalFd::open(set, status, &current.credentials())?;
        return install(&current, file, on_exec(flags));
    }
    SignalFd::behind(&*current.file(fd)?)?.set(set);
    usize::try_from(fd).map_err(|_| Errno::EBADF)
}

/// When a program's relative `struct timespec` will have passed. EFAULT, EINVAL.
fn deadline_after(timeout: usize) -> Result<u64> {
    let [seconds, nanoseconds] = UserPtr::<[i64; 2]>::new(timeout).read()?;
    let seconds = u64::try_from(seconds).map_err(|_| Errno::EINVAL)?;
    let nanoseconds = u64::try_from(nanoseconds).ok().filter(|part| *part < NS_PER_SECOND).ok_or(Errno::EINVAL)?;
    let timeout_ns = seconds.saturating_mul(NS_PER_SECOND).saturating_add(nanoseconds);
    Ok(timer::now_ns().saturating_add(timeout_ns))
}

/// sigaltstack(2), which asks for the whole frame to know the stack in use.
pub fn sigaltstack(frame: &mut TrapFrame) -> Result<usize> {
    let [new, old] = [frame.x[0], frame.x[1]].map(usize::from_register);
    let new = match UserPtr::<StackSettings>::new(new) {
        pointer if pointer.is_null() => None,
        pointer => Some(pointer.read()?),
    };
    let before = signal::sigaltstack(new.as_ref(), frame.sp)?;
    UserPtr::new(old).write_if_some(&before)?;
    Ok(0)
}

/// rt_sigreturn(2): every register is what it was, the one for results too.
pub fn rt_sigreturn(frame: &mut TrapFrame) -> Result<usize> {
    signal::rt_sigreturn(frame);
    Ok(usize::from_register(frame.x[0]))
}

/// `struct itimerval`
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RawTimer {
    interval: [i64; 2],
    value: [i64; 2],
}

const _: () = assert!(size_of::<RawTimer>() == size_of::<abi::itimerval>());

fn ns_of_timeval([seconds, microseconds]: [i64; 2]) -> Result<u64> {
    let seconds = u64::try_from(seconds).map_err(|_| Errno::EINVAL)?;
    let microseconds =
        u64::try_from(microseconds).ok().filter(|part| *part < MICROSECONDS_PER_SECOND).ok_or(Errno::EINVAL)?;
    Ok(seconds.saturating_mul(NS_PER_SECOND).saturating_add(microseconds * NS_PER_MICROSECOND))
}

fn timeval_of_ns(ns: u64) -> [i64; 2] {
    let microseconds = ns % NS_PER_SECOND / NS_PER_MICROSECOND;
    [(ns / NS_PER_SECOND).cast_signed(), microseconds.cast_signed()]
}

fn raw_timer(timer: Setting) -> RawTimer {
    RawTimer { interval: timeval_of_ns(timer.interval_ns), value: timeval_of_ns(timer.value_ns) }
}

/// What one of the three timers does with `on_real` or `on_cpu`. EINVAL.
fn on_timer<T>(which: u32, on_real: impl FnOnce() -> T, on_cpu: impl FnOnce(CpuTimer) -> T) -> Result<T> {
    match which {
        abi::ITIMER_REAL => Ok(on_real()),
        abi::ITIMER_VIRTUAL => Ok(on_cpu(CpuTimer::Virtual)),
        abi::ITIMER_PROF => Ok(on_cpu(CpuTimer::Profiling)),
        _ => Err(Errno::EINVAL),
    }
}

/// getitimer(2)
pub fn getitimer(which: u32, value: usize) -> Result<usize> {
    let now = on_timer(which, signal::getitimer, cpu_timers::get)?;
    UserPtr::new(value).write(&raw_timer(now))?;
    Ok(0)
}

/// setitimer(2). No new value stops the timer, as on Linux.
pub fn setitimer(which: u32, new: usize, old: usize) -> Result<usize> {
    let new = match UserPtr::<RawTimer>::new(new) {
        pointer if pointer.is_null() => Setting::default(),
        pointer => {
            let raw = pointer.read()?;
            Setting { interval_ns: ns_of_timeval(raw.interval)?, value_ns: ns_of_timeval(raw.value)? }
        }
    };
    let before = on_timer(which, || signal::setitimer(new), |timer| cpu_timers::set(timer, new))?;
    UserPtr::new(old).write_if_some(&raw_timer(before))?;
    Ok(0)
}
