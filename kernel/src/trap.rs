//! The only way up from `arch`: system calls, interrupts, faults. Decides who deals with each; owns nothing.

use crate::arch::exception::{self, Fault, Leaving, Remaining, TrapFrame};
use crate::arch::gic::{self, Interrupt};
use crate::arch::{probe, trace_point, user_access};
use crate::sched;
use crate::{drivers, process, syscall, trace};

/// What a program calls that executes SVC, by number. The frame lacks x19 to x29: calls that need them are left to
/// [`on_unfinished_syscall`].
pub use crate::syscall::{ENTRIES as SYSTEM_CALLS, Entry as SystemCall};

/// The end of a system call that failed, or does not exist but as one that needs a whole frame.
pub fn on_failed_syscall(frame: &mut TrapFrame, leaving: Leaving) -> Remaining {
    if leaving.remaining == Remaining::CALL {
        return Remaining::CALL;
    }
    syscall::fail(frame, leaving.value);
    Remaining::work(sched::current().requests().bits())
}

/// The rest of a system call, with a whole frame.
pub fn on_unfinished_syscall(frame: &mut TrapFrame, remaining: Remaining) {
    if remaining == Remaining::CALL {
        syscall::dispatch_whole(frame);
    }
    on_return_to_user(frame);
}

/// A trace point was passed that is switched on. Anywhere, with any lock held.
pub fn on_trace_point(kind: u64, arguments: [u64; 3]) {
    trace::record(kind, arguments);
}

/// An interrupt is pending. In interrupt context.
pub fn on_irq() {
    trace_point::interrupt();
    while let Some((interrupt, intid)) = gic::acknowledge() {
        match interrupt {
            Interrupt::Timer => sched::timer::on_interrupt(),
            Interrupt::Reschedule => sched::run_queue::on_reschedule_request(),
            Interrupt::Stop => crate::arch::cpu::halt(),
            Interrupt::Device(number) => drivers::on_interrupt(number),
        }
        gic::end(intid);
    }
}

/// On the way back to a program: whatever was asked of the task meanwhile.
#[inline]
pub fn on_return_to_user(frame: &mut TrapFrame) {
    // A bit set from now on is seen at the next entry, which the asker's interrupt causes.
    while sched::current().requests().bits() != 0 {
        do_work(frame);
    }
}

#[cold]
fn do_work(frame: &mut TrapFrame) {
    sched::reschedule_if_asked();
    if sched::current().is_interrupted() {
        process::signal::deliver(frame);
    }
}

/// A new user task is about to enter user mode for the first time.
pub fn on_first_run(frame: &mut TrapFrame) {
    if process::init::is_beginning() {
        process::init::begin(frame);
    } else {
        process::clone::on_first_run();
    }
    on_return_to_user(frame);
}

/// A program faulted, with this ESR_EL1.
pub fn on_user_fault(frame: &mut TrapFrame, fault: Fault, syndrome: u64) {
    match fault {
        Fault::FloatingPoint => sched::fp::on_first_use(),
        other => process::fault::on_fault(frame, other, syndrome),
    }
    on_return_to_user(frame);
}

/// The kernel faulted: on behalf of a user copy, or by mistake.
pub fn on_kernel_fault(frame: &mut TrapFrame, fault: Fault, syndrome: u64) {
    let pc = exception::address(frame.pc);
    if let Fault::Memory { address, access, .. } = fault
        && user_access::has_fixup(pc)
        && address < user_access::USER_END
    {
        if !process::fault::resolve_for_kernel(address, access) {
            // The routine keeps the address of its fix-up in x9.
            frame.pc = frame.x[9];
        }
        return;
    }
    if matches!(fault, Fault::Alignment { .. }) && user_access::has_fixup(pc) {
        frame.pc = frame.x[9];
        return;
    }
    if let Some(fixup) = probe::fixup(pc) {
        frame.pc = fixup;
        return;
    }
    panic!("kernel fault: {fault:x?} at {pc:#x}, ESR {syndrome:#x}, LR {:#x}", frame.x[30]);
}
