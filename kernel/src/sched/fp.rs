//! FP/SIMD registers of user programs. A program that does not use them pays nothing: their first
//! use after a switch traps and loads them; only then does leaving the CPU save them.
//! No lock: everything here concerns the current task on its own CPU.

use super::switch::current;
use super::task::Task;
use crate::arch::context::{self, FpState, UserFp};
use crate::arch::cpu::{self, MAX_CPUS};
use crate::sync::PerCpu;
use core::sync::atomic::{AtomicBool, Ordering};

/// Whether the current task's registers are in this CPU. Nobody else asks or tells: Relaxed.
static LOADED: PerCpu<AtomicBool> = PerCpu::new([const { AtomicBool::new(false) }; MAX_CPUS]);

/// Whether they were in CPU `me`, the executing one. They count as void from here on.
fn unload(me: usize) -> bool {
    let loaded = LOADED.of(me);
    let was_loaded = loaded.load(Ordering::Relaxed);
    if was_loaded {
        loaded.store(false, Ordering::Relaxed);
    }
    was_loaded
}

/// The current task touched the registers while they were not its own: load them.
pub fn on_first_use() {
    let task = current();
    context::set_user_fp(UserFp::Enabled);
    task.private.with_fp(|state| context::restore_fp(state));
    LOADED.of(cpu::index()).store(true, Ordering::Relaxed);
}

/// The current task leaves CPU `me`, the executing one.
#[inline]
pub(super) fn on_switch_out(task: &Task, me: usize) {
    if unload(me) {
        task.private.with_fp(context::save_fp);
        context::set_user_fp(UserFp::Trapped);
    }
}

/// The current task's registers, taken out of the CPU if they were there.
pub fn current_state() -> FpState {
    let task = current();
    on_switch_out(&task, cpu::index());
    task.private.with_fp(|state| state.clone())
}

/// Replaces the current task's registers.
pub fn set_current_state(new: &FpState) {
    let task = current();
    forget(&task);
    task.private.with_fp(|state| *state = new.clone());
}

/// Whatever registers the CPU holds for the current task are void.
pub(super) fn forget(_task: &Task) {
    if unload(cpu::index()) {
        context::set_user_fp(UserFp::Trapped);
    }
}

/// Once on each CPU.
pub fn init() {
    context::set_user_fp(UserFp::Trapped);
}
