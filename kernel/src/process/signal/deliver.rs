//! What a thread does about signals on its way to user mode, one step at a time, and what becomes of the system call that
//! they interrupted. Takes SIGNALS; sleeps while the process is stopped, and in copies to the program's stack.
//! Specification: signal(7), "Interruption of system calls and library functions by signal handlers".

use super::state::Own;
use super::taking::Taken;
use super::{SignalInfo, frame, mask, refresh, send, stop};
use crate::arch::exception::TrapFrame;
use crate::process::{current, exit, orphaned_groups, tree};
use linux_raw_sys::general as abi;
use postern_core::errno::Errno;
use postern_core::signal_action::{ActionFlags, Delivery, SignalAction};
use postern_core::signal_set::{Signal, SignalSet};

/// Bytes of the SVC instruction that a restarted call executes again.
const SVC_SIZE: u64 = 4;

enum Step {
    /// The process is being stopped.
    Stop,
    /// This signal, taken when SIGCONT had been sent so many times.
    Take { info: SignalInfo, continues: u32 },
    /// Nothing is left.
    Finish,
}

/// Does one thing that `Work::SIGNAL` stands for; the bit stays set until nothing is left. May not return.
pub fn deliver(frame: &mut TrapFrame) {
    if let Some(status) = exit::must_end() {
        exit::exit_thread(status);
    }
    match next_step() {
        Step::Stop => stop::stop_here(),
        Step::Take { info, continues } => {
            if let Some(status) = act(frame, &info, continues) {
                exit::exit_process(status);
            }
        }
        Step::Finish => {
            settle_call(frame, None);
            mask::restore_saved_mask();
            refresh();
        }
    }
}

fn next_step() -> Step {
    let (taken, continues) = {
        let thread = current();
        let mut shared = thread.process().signals.lock();
        if shared.stop.is_asked() {
            return Step::Stop;
        }
        let mut own = thread.signals.lock();
        let blocked = own.blocked();
        (Taken::from(&mut shared, &mut own, blocked), shared.stop.continues())
    };
    match taken {
        Some(taken) => Step::Take { info: taken.settle(), continues },
        None => Step::Finish,
    }
}

/// Deals with a signal that was taken. The wait status, if it ends the process.
fn act(frame: &mut TrapFrame, info: &SignalInfo, continues: u32) -> Option<i32> {
    let thread = current();
    let process = thread.process();
    let is_init = process.pid() == tree::INIT;
    let blocked = thread.signals.lock().mask;
    let delivery = process.actions().lock().deliver(info.signal, blocked);
    match delivery {
        Delivery::Ignore | Delivery::Continue => None,
        // Init is immune to what it does not handle, but not to its own faults.
        Delivery::Terminate | Delivery::Core if is_init && !info.is_fault() => None,
        Delivery::Terminate | Delivery::Core => {
            log_fault(frame, info);
            Some(exit::status_of_signal(info.signal))
        }
        Delivery::Stop => {
            // A terminal must not stop what nobody could let go on.
            let has_no_effect = info.signal != Signal::STOP && orphaned_groups::is_orphaned(process.group());
            if !is_init && !has_no_effect {
                stop::begin(info.signal, continues);
            }
            None
        }
        Delivery::Handler { action, mask } => {
            call_handler(frame, info, &action, mask);
            None
        }
    }
}

fn log_fault(frame: &TrapFrame, info: &SignalInfo) {
    if info.is_fault() {
        let pid = current().process().pid();
        let (signal, address, pc) = (info.signal, info.fault_address(), frame.pc);
        log::debug!("process {pid} ends by {signal}, code {}, address {address:#x}, pc {pc:#x}", info.code);
    }
}

fn call_handler(frame: &mut TrapFrame, info: &SignalInfo, action: &SignalAction, mask: SignalSet) {
    settle_call(frame, Some(action.flags));
    if frame::push(frame, info, action).is_ok() {
        current().signals.lock().saved_mask = None;
        mask::set_mask(mask);
    } else {
        // No stack to run on. A handler of SIGSEGV itself would have none either.
        let thread = current();
        if info.signal == Signal::SEGV {
            let default = SignalAction::default();
            // SIGSEGV may be set.
            let _ = thread.process().actions().set(Signal::SEGV, default);
        }
        send::force(SignalInfo::fault(Signal::SEGV, abi::SI_KERNEL.cast_signed(), 0));
    }
}

/// Decides whether an interrupted call is to be restarted, given the flags of the handler that runs first, if one does.
fn settle_call(frame: &mut TrapFrame, handler: Option<ActionFlags>) {
    if handler.is_some() {
        with_own(|own| own.resume_deadline_ns = None);
    }
    if core::mem::replace(&mut frame.restart, 0) == 0 {
        return;
    }
    let wanted = |error: Errno| frame.x[0].wrapping_neg() == u64::from(error.raw());
    let again = match handler {
        None => true,
        Some(flags) => {
            wanted(Errno::ERESTARTNOINTR) || wanted(Errno::ERESTARTSYS) && flags.contains(ActionFlags::RESTART)
        }
    };
    if again {
        frame.pc = frame.pc.wrapping_sub(SVC_SIZE);
        frame.x[0] = frame.original_x0;
    } else {
        frame.x[0] = u64::from(Errno::EINTR.raw()).wrapping_neg();
    }
}

fn with_own<R>(f: impl FnOnce(&mut Own) -> R) -> R {
    f(&mut current().signals.lock())
}

/// A sleep that was to end at `deadline_ns` fails with ERESTARTNOHAND: if it is restarted, which it is only when no
/// handler ran, it finds that deadline in [`resume_deadline`] (what Linux does with restart_syscall).
pub fn set_resume_deadline(deadline_ns: u64) {
    with_own(|own| own.resume_deadline_ns = Some(deadline_ns));
}

/// The deadline of the sleep that this call is the restart of. To be asked once, first, by calls that set it.
pub fn resume_deadline() -> Option<u64> {
    with_own(|own| own.resume_deadline_ns.take())
}
