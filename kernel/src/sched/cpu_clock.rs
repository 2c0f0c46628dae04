//! Watching CPU time: while somebody does, a tick tells who watches to look. Without watchers there is no tick.
//!
//! Owns who watches. Lock: CPU_WATCHERS; watchers are called in interrupt context, without a lock. Never sleeps.
//! Specification: setitimer(2), clock_nanosleep(2), getrlimit(2), RLIMIT_CPU; run_posix_cpu_timers of Linux.

use super::audience::{Audience, Membership};
use super::timer::{self, Expire};
use crate::arch::timer::now_ns;
use crate::sync::rank;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicBool, Ordering};

/// From one tick to the next, in nanoseconds: that of Linux with 250 Hz.
pub const TICK_NS: u64 = 4_000_000;

/// Who wants to look at CPU time as it passes.
pub trait Watcher: Send + Sync + 'static {
    /// A tick has passed. Must not sleep.
    fn on_tick(self: Arc<Self>);
}

/// As long as there is this, its maker is told of ticks.
pub type Watching = Membership<dyn Watcher>;

static WATCHERS: Audience<dyn Watcher> = Audience::new(rank::CPU_WATCHERS);
/// The tick's timer runs. SeqCst: whoever joins and the tick that finds nobody must not both leave it to the other.
static TICKING: AtomicBool = AtomicBool::new(false);

/// Begins to watch. Asks for memory, which the caller has seen to be there.
pub fn watch(watcher: Weak<dyn Watcher>) -> Watching {
    let watching = WATCHERS.join(watcher);
    if !TICKING.swap(true, Ordering::SeqCst) {
        timer::call_at(now_ns() + TICK_NS, Arc::new(Tick));
    }
    watching
}

struct Tick;

impl Expire for Tick {
    fn on_expiry(&self, _: u64) -> Option<u64> {
        WATCHERS.tell(Watcher::on_tick);
        if WATCHERS.is_empty() {
            TICKING.store(false, Ordering::SeqCst);
            if WATCHERS.is_empty() || TICKING.swap(true, Ordering::SeqCst) {
                return None;
            }
        }
        Some(now_ns() + TICK_NS)
    }
}
