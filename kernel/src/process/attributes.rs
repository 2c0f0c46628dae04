//! What a thread or a process says about itself, by prctl(2) and sched_setscheduler(2), and what is kept for it.
//! Values in atomics, without a lock. Specification: prctl(2), sched(7).

use super::process::Process;
use super::signal::{self, SignalInfo};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::signal_set::Signal;

/// What timers of ordinary threads may be late by: reported only.
const TIMER_SLACK_NS: u64 = 50_000;
/// The highest priority of SCHED_FIFO and SCHED_RR; the lowest is 1.
const REAL_TIME_PRIORITY_MAX: u32 = 99;

/// A scheduling policy as programs name it. It is kept and reported; every task runs by its nice value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// SCHED_OTHER and its kin.
    pub number: u32,
    /// 0, or 1 to 99 for SCHED_FIFO and SCHED_RR.
    pub priority: u32,
    /// Children begin as SCHED_OTHER (SCHED_RESET_ON_FORK).
    pub reset_on_fork: bool,
}

/// The priorities that a policy allows, both ends included.
///
/// # Errors
/// EINVAL for a policy that does not exist here.
pub fn priority_range(policy: u32) -> Result<(u32, u32)> {
    match policy {
        abi::SCHED_FIFO | abi::SCHED_RR => Ok((1, REAL_TIME_PRIORITY_MAX)),
        abi::SCHED_NORMAL | abi::SCHED_BATCH | abi::SCHED_IDLE | abi::SCHED_DEADLINE => Ok((0, 0)),
        _ => Err(Errno::EINVAL),
    }
}

impl Policy {
    /// A policy from sched_setscheduler(2)'s arguments.
    ///
    /// # Errors
    /// EINVAL. SCHED_DEADLINE too: it needs more than a priority.
    pub fn new(number: u32, priority: i32) -> Result<Self> {
        let reset_on_fork = number & abi::SCHED_RESET_ON_FORK != 0;
        let number = number & !abi::SCHED_RESET_ON_FORK;
        let (lowest, highest) = priority_range(number)?;
        let priority = u32::try_from(priority).map_err(|_| Errno::EINVAL)?;
        if number == abi::SCHED_DEADLINE || !(lowest..=highest).contains(&priority) {
            return Err(Errno::EINVAL);
        }
        Ok(Self { number, priority, reset_on_fork })
    }

    /// Whether it is for privileged programs only.
    pub fn is_real_time(self) -> bool {
        self.priority != 0
    }

    fn to_bits(self) -> u64 {
        u64::from(self.number) | u64::from(self.priority) << 16 | u64::from(self.reset_on_fork) << 32
    }

    fn from_bits(bits: u64) -> Self {
        let [number, _, priority, _, reset, ..] = bits.to_le_bytes();
        Self { number: number.into(), priority: priority.into(), reset_on_fork: reset != 0 }
    }
}

/// What a thread says of itself. Values that stand for themselves: Relaxed.
pub struct ThreadAttributes {
    /// The signal it gets when its parent ends; 0 for none (PR_SET_PDEATHSIG).
    pub parent_death_signal: AtomicU32,
    /// Programs it executes do not become set-user-ID (PR_SET_NO_NEW_PRIVS).
    pub no_new_privileges: AtomicBool,
    /// How late its timers may be (PR_SET_TIMERSLACK): no effect.
    pub timer_slack_ns: AtomicU64,
    policy: AtomicU64,
}

impl ThreadAttributes {
    /// Those of the first thread.
    pub const fn new() -> Self {
        Self {
            parent_death_signal: AtomicU32::new(0),
            no_new_privileges: AtomicBool::new(false),
            timer_slack_ns: AtomicU64::new(TIMER_SLACK_NS),
            policy: AtomicU64::new(0),
        }
    }

    /// The default of PR_SET_TIMERSLACK.
    pub const fn default_timer_slack_ns() -> u64 {
        TIMER_SLACK_NS
    }

    /// Takes over what a new thread inherits.
    pub fn inherit(&self, parent: &Self) {
        // Relaxed throughout: nobody else knows the new thread, and the values stand for themselves.
        self.no_new_privileges.store(parent.no_new_privileges.load(Ordering::Relaxed), Ordering::Relaxed);
        self.timer_slack_ns.store(parent.timer_slack_ns.load(Ordering::Relaxed), Ordering::Relaxed);
        let policy = parent.policy();
        self.set_policy(if policy.reset_on_fork { Policy::default() } else { policy });
    }

    /// Its scheduling policy.
    pub fn policy(&self) -> Policy {
        Policy::from_bits(self.policy.load(Ordering::Relaxed))
    }

    /// Changes it.
    pub fn set_policy(&self, policy: Policy) {
        self.policy.store(policy.to_bits(), Ordering::Relaxed);
    }
}

/// What a process says of itself. Values that stand for themselves: Relaxed.
pub struct ProcessAttributes {
    /// PR_SET_DUMPABLE: kept only, there are no core dumps.
    pub dumpable: AtomicBool,
    /// It has announced that it will ask for barriers of its own threads (membarrier).
    pub wants_private_barriers: AtomicBool,
    /// The orphans among its descendants become its children (PR_SET_CHILD_SUBREAPER).
    pub adopts_orphans: AtomicBool,
}

impl ProcessAttributes {
    /// Those of a new process.
    pub const fn new() -> Self {
        Self {
            dumpable: AtomicBool::new(true),
            wants_private_barriers: AtomicBool::new(false),
            adopts_orphans: AtomicBool::new(false),
        }
    }
}

/// The parent of `child`, the current process, is about to end: each thread of the child gets the signal it asked for.
pub(super) fn on_parent_ending(child: &Arc<Process>) {
    child.for_each_task(|task| {
        let wanted = task.thread().attributes.parent_death_signal.load(Ordering::Relaxed);
        if let Ok(signal) = Signal::from_number(wanted.cast_signed()) {
            signal::send_to_process(child, SignalInfo::from_current(signal, abi::SI_USER.cast_signed()));
        }
    });
}
