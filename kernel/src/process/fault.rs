//! What a program's fault means to its process: a page brought in, a signal, or its end.
//! Takes ADDRESS_SPACE; may sleep. Specification: sigaction(2), the si_code table.

use super::signal::{self, LastFault};
use crate::arch::exception::{Access, Fault, TrapFrame, address};
use crate::mm::fault::Failure;
use crate::sched;
use linux_raw_sys::general as abi;
use postern_core::signal_set::Signal;

fn resolve(address: usize, access: Access) -> Result<(), Failure> {
    if address >= crate::arch::user_access::USER_END {
        return Err(Failure::NotMapped);
    }
    let resolved = sched::current().with_address_space(|space| space.resolve(address, access));
    resolved.unwrap_or(Err(Failure::NotMapped))
}

/// The kernel touched user memory for the current thread. True if the access can be tried again.
pub fn resolve_for_kernel(address: usize, access: Access) -> bool {
    match resolve(address, access) {
        Ok(()) => true,
        Err(Failure::OutOfMemory) => {
            kill_for_want_of_memory();
            false
        }
        Err(_) => false,
    }
}

/// A program did something that the machine refuses; `syndrome` is its ESR_EL1.
pub fn on_fault(frame: &TrapFrame, fault: Fault, syndrome: u64) {
    let failure = match fault {
        Fault::Memory { address, access } => match resolve(address, access) {
            Ok(()) => return,
            Err(failure) => Some((address, failure)),
        },
        _ => None,
    };
    if let Some(told) = LastFault::of(fault, syndrome) {
        super::current().signals.set_last_fault(told);
    }
    match failure {
        Some((address, failure)) => on_memory_fault(address, failure),
        None => on_other_fault(frame, fault, syndrome),
    }
}

/// A program touched memory that was not there, or not for that.
fn on_memory_fault(address: usize, failure: Failure) {
    match failure {
        Failure::NotMapped => signal::force_fault(Signal::SEGV, abi::SEGV_MAPERR.cast_signed(), address),
        Failure::NotAllowed => signal::force_fault(Signal::SEGV, abi::SEGV_ACCERR.cast_signed(), address),
        Failure::BeyondEnd => signal::force_fault(Signal::BUS, abi::BUS_ADRERR.cast_signed(), address),
        Failure::OutOfMemory => kill_for_want_of_memory(),
    }
}

fn on_other_fault(frame: &TrapFrame, fault: Fault, syndrome: u64) {
    let pc = address(frame.pc);
    match fault {
        Fault::Alignment { address } => signal::force_fault(Signal::BUS, abi::BUS_ADRALN.cast_signed(), address),
        Fault::IllegalInstruction => signal::force_fault(Signal::ILL, abi::ILL_ILLOPC.cast_signed(), pc),
        Fault::Breakpoint => signal::force_fault(Signal::TRAP, abi::TRAP_BRKPT.cast_signed(), pc),
        Fault::FloatingPointException => signal::force_fault(Signal::FPE, 0, pc),
        Fault::Other { address } => {
            log::warn!("process {}: fault with syndrome {syndrome:#x}", super::current().process().pid());
            signal::force_fault(Signal::BUS, abi::BUS_OBJERR.cast_signed(), address);
        }
        Fault::Memory { .. } | Fault::FloatingPoint => {}
    }
}

/// No page for a fault: the process must go, and the log says so, once however many of its threads find none.
fn kill_for_want_of_memory() {
    let thread = super::current();
    if !super::exit::end_threads(thread.process(), super::exit::status_of_signal(Signal::KILL)) {
        return;
    }
    let name = thread.name();
    let length = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    let name = core::str::from_utf8(&name[..length]).unwrap_or("?");
    log::error!("out of memory: killed process {} ({name})", thread.process().pid());
}
