//! futex(2): decoding only.

use crate::arch::timer::now_ns;
use crate::ipc::futex::{self, ANY_BITS, Sharing};
use crate::mm::user::UserPtr;
use crate::process::signal;
use crate::time::realtime_offset_ns;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};

const NS_PER_S: u64 = 1_000_000_000;

/// futex(2). PI operations are ENOSYS: C libraries then say so to their callers.
pub fn futex(address: usize, operation: u32, value: u32, timeout: usize, target: usize, value3: u32) -> Result<usize> {
    let sharing = if operation & abi::FUTEX_PRIVATE_FLAG != 0 { Sharing::Private } else { Sharing::Shared };
    let realtime = operation & abi::FUTEX_CLOCK_REALTIME != 0;
    // The second count of the operations with two travels in the place of the timeout.
    let second = (timeout as u64 & 0xffff_ffff) as u32;
    match operation & !(abi::FUTEX_PRIVATE_FLAG | abi::FUTEX_CLOCK_REALTIME) {
        abi::FUTEX_WAIT if !realtime => {
            let until = |ns| signal::resume_deadline().unwrap_or_else(|| now_ns().saturating_add(ns));
            let deadline = read_timeout(timeout)?.map(until);
            wait(address, sharing, value, ANY_BITS, deadline)
        }
        abi::FUTEX_WAIT_BITSET => {
            let offset = if realtime { realtime_offset_ns() } else { 0 };
            let deadline = read_timeout(timeout)?.map(|ns| ns.saturating_sub(offset));
            wait(address, sharing, value, value3, deadline)
        }
        _ if realtime => Err(Errno::ENOSYS),
        abi::FUTEX_WAKE => futex::wake(address, sharing, count(value), ANY_BITS),
        abi::FUTEX_WAKE_BITSET => futex::wake(address, sharing, count(value), value3),
        abi::FUTEX_REQUEUE => futex::requeue(address, target, sharing, counts(value, second)?, None),
        abi::FUTEX_CMP_REQUEUE => futex::requeue(address, target, sharing, counts(value, second)?, Some(value3)),
        abi::FUTEX_WAKE_OP => futex::wake_operation(address, target, sharing, (count(value), count(second)), value3),
        _ => Err(Errno::ENOSYS),
    }
}

/// Waits. With a deadline a handler ends the wait whatever its SA_RESTART says, and a wait that a signal without a handler
/// interrupted goes on to the same deadline: signal(7).
fn wait(address: usize, sharing: Sharing, value: u32, bits: u32, deadline_ns: Option<u64>) -> Result<usize> {
    let result = futex::wait(address, sharing, value, bits, deadline_ns).map(|()| 0);
    match (result, deadline_ns) {
        (Err(Errno::ERESTARTSYS), Some(deadline_ns)) => {
            signal::set_resume_deadline(deadline_ns);
            Err(Errno::ERESTARTNOHAND)
        }
        (result, _) => result,
    }
}

/// Linux wakes one waiter even when asked for none, or for a negative number.
fn count(value: u32) -> u32 {
    if value.cast_signed() < 1 { 1 } else { value }
}

fn counts(wake: u32, requeue: u32) -> Result<(u32, u32)> {
    if wake.cast_signed() < 0 || requeue.cast_signed() < 0 { Err(Errno::EINVAL) } else { Ok((wake, requeue)) }
}

/// A `struct timespec` as nanoseconds; `None` for a null pointer. EFAULT, EINVAL.
fn read_timeout(address: usize) -> Result<Option<u64>> {
    let pointer = UserPtr::<[i64; 2]>::new(address);
    if pointer.is_null() {
        return Ok(None);
    }
    let [seconds, nanoseconds] = pointer.read()?;
    let seconds = u64::try_from(seconds).map_err(|_| Errno::EINVAL)?;
    let nanoseconds = u64::try_from(nanoseconds).ok().filter(|ns| *ns < NS_PER_S).ok_or(Errno::EINVAL)?;
    Ok(Some(seconds.saturating_mul(NS_PER_S).saturating_add(nanoseconds)))
}
