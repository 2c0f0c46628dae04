//! FP/SIMD registers of user programs. A program that does not use them pays nothing: their first
//! use after a switch traps and loads them; only then does leaving the CPU save them.
//! No lock: everything here concerns the current task on its own CPU.

use super::switch::current;
use super::task::Task;
use crate::arch::context::{self, FpState, UserFp};
use crate::arch::cpu::MAX_CPUS;
use crate::sync::PerCpu;

/// Whether the current task's registers are in this CPU.
static LOADED: PerCpu<bool> = PerCpu::new([false; MAX_CPUS]);

/// The current task touched the registers while they were not its own: load them.
pub fn on_first_use() {
    let task = current();
    context::set_user_fp(UserFp::Enabled);
    task.private.with_fp(|state| context::restore_fp(state));
    LOADED.with(|loaded| *loaded = true);
}

/// The current task leaves this CPU.
pub(super) fn on_switch_out(task: &Task) {
    if LOADED.with(|loaded| core::mem::replace(loaded, false)) {
        task.private.with_fp(context::save_fp);
        context::set_user_fp(UserFp::Trapped);
    }
}

/// The current task's registers, taken out of the CPU if they were there.
pub fn current_state() -> FpState {
    let task = current();
    on_switch_out(&task);
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
    if LOADED.with(|loaded| core::mem::replace(loaded, false)) {
        context::set_user_fp(UserFp::Trapped);
    }
}

/// Once on each CPU.
pub fn init() {
    context::set_user_fp(UserFp::Trapped);
}
