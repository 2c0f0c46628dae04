//! Kernel stacks switched, and the FP/SIMD registers of user programs.

use aarch64_cpu::registers::CPACR_EL1;
use core::arch::global_asm;
use tock_registers::interfaces::Writeable;

global_asm!(include_str!("context.s"), options(raw));

unsafe extern "C" {
    fn context_switch(save_sp: *mut usize, next_sp: usize, leaver: *mut ()) -> *mut ();
    fn task_trampoline();
    fn call_on_stack(stack_top: usize, function: extern "C" fn(usize) -> !, argument: usize) -> !;
    fn fp_save(state: *mut FpState);
    fn fp_restore(state: *const FpState);
}

/// Registers q0 to q31, FPSR and FPCR of a user program.
#[repr(C, align(16))]
#[derive(Clone, Debug)]
pub struct FpState {
    /// q0 to q31.
    pub q: [u128; 32],
    /// Status.
    pub fpsr: u32,
    /// Control.
    pub fpcr: u32,
}

impl FpState {
    /// What a program starts with.
    pub const fn new() -> Self {
        Self { q: [0; 32], fpsr: 0, fpcr: 0 }
    }
}

/// Writes the frame that the first [`switch`] to a new stack pops, and returns its address.
///
/// # Safety
/// `stack_top` is the 16-byte aligned end of a mapped stack that nobody uses.
pub unsafe fn prepare_stack(stack_top: usize, entry: extern "C" fn(usize) -> !, argument: usize) -> usize {
    let sp = stack_top - 96;
    let frame = core::ptr::with_exposed_provenance_mut::<[usize; 12]>(sp);
    let mut words = [0; 12];
    words[1] = (task_trampoline as *const ()).addr(); // x30
    words[10] = (entry as *const ()).addr(); // x19
    words[11] = argument; // x20
    // SAFETY: the frame lies inside the unused stack.
    unsafe { frame.write(words) };
    sp
}

/// Saves the caller's stack pointer to `*save_sp` and goes on where `next_sp` was saved. What goes on there is told `leaver`: by
/// the return of its own `switch`, or as the argument of `task_started`.
///
/// # Safety
/// `next_sp` was stored by a former `switch` or [`prepare_stack`], is used once, and its stack is
/// mapped; the scheduler guarantees that no other CPU runs on it.
#[inline(always)]
pub unsafe fn switch(save_sp: *mut usize, next_sp: usize, leaver: *mut ()) -> *mut () {
    // SAFETY: the caller's promise.
    unsafe { context_switch(save_sp, next_sp, leaver) }
}

/// Abandons the current stack.
///
/// # Safety
/// `stack_top` is the end of a mapped stack that nobody uses; the current one is not needed again.
pub unsafe fn continue_on(stack_top: usize, function: extern "C" fn(usize) -> !, argument: usize) -> ! {
    // SAFETY: the caller's promise.
    unsafe { call_on_stack(stack_top, function, argument) }
}

/// Lets EL0 use FP/SIMD registers, or makes its first use trap.
pub fn set_user_fp(access: UserFp) {
    // EL1 keeps access in both (it needs it to save and restore). The return to EL0 synchronises.
    CPACR_EL1.write(match access {
        UserFp::Enabled => CPACR_EL1::FPEN::TrapNothing,
        UserFp::Trapped => CPACR_EL1::FPEN::TrapEl0,
    });
}

/// Whether EL0 may touch FP/SIMD registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserFp {
    /// It may.
    Enabled,
    /// The first use traps.
    Trapped,
}

/// Stores the registers.
pub fn save_fp(state: &mut FpState) {
    // SAFETY: the reference covers what the routine writes; the kernel itself is soft-float.
    unsafe { fp_save(state) }
}

/// Loads the registers.
pub fn restore_fp(state: &FpState) {
    // SAFETY: the reference covers what the routine reads; the kernel itself is soft-float.
    unsafe { fp_restore(state) }
}
