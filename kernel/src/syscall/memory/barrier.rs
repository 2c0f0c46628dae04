//! membarrier(2): a barrier on every CPU. No policy but which commands there are.

use crate::process;
use crate::sched;
use core::sync::atomic::Ordering;
use linux_raw_sys::general::membarrier_cmd as abi;
use postern_core::errno::{Errno, Result};

const QUERY: u32 = abi::MEMBARRIER_CMD_QUERY as u32;
const GLOBAL: u32 = abi::MEMBARRIER_CMD_GLOBAL as u32;
const PRIVATE: u32 = abi::MEMBARRIER_CMD_PRIVATE_EXPEDITED as u32;
const REGISTER_PRIVATE: u32 = abi::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED as u32;

/// membarrier(2). The private barrier is the global one: no faster.
pub fn membarrier(command: u32, flags: u32) -> Result<usize> {
    let thread = process::current();
    // Relaxed below: it permits, and orders nothing.
    let registered = &thread.process().attributes.wants_private_barriers;
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    match command {
        // The commands are bits, so few that their sum is a usize.
        QUERY => return Ok((GLOBAL | PRIVATE | REGISTER_PRIVATE) as usize),
        GLOBAL => sched::barrier_on_every_cpu(),
        PRIVATE if registered.load(Ordering::Relaxed) => sched::barrier_on_every_cpu(),
        PRIVATE => return Err(Errno::EPERM),
        REGISTER_PRIVATE => registered.store(true, Ordering::Relaxed),
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}
