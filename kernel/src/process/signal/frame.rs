//! The stack frame of a signal handler, exactly Linux's `struct rt_sigframe` for arm64, and the way back.
//! No locks held over the copies, which may sleep. Specification: sigreturn(2); Linux's
//! arch/arm64/include/uapi/asm/sigcontext.h and `asm/ucontext.h` for the layout.

use super::alternate_stack::StackSettings;
use super::{INFO_SIZE, LastFault, SignalInfo, force_fault, mask};
use crate::arch::context::FpState;
use crate::arch::exception::{PSTATE_USER_MASK, TrapFrame, address};
use crate::mm::user::UserPtr;
use crate::process::{current, vdso};
use crate::sched::fp;
use core::mem::offset_of;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::signal_action::{ActionFlags, Disposition, SignalAction};
use postern_core::signal_set::{Signal, SignalSet};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `siginfo_t`, and `ucontext_t` up to the records.
#[derive(Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Head {
    info: [u8; INFO_SIZE],
    flags: u64,
    link: u64,
    stack: StackSettings,
    mask: u64,
    /// The rest of a 1024-bit mask, and padding to 16.
    unused: [u64; 16],
    fault_address: u64,
    registers: [u64; 31],
    stack_pointer: u64,
    pc: u64,
    pstate: u64,
    padding: u64,
}

/// `struct fpsimd_context`
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Fpsimd {
    magic: u32,
    size: u32,
    status: u32,
    control: u32,
    registers: [u128; 32],
}

/// `struct esr_context`; all zeroes, the end of the records.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Syndrome {
    magic: u32,
    size: u32,
    syndrome: u64,
}

/// What is written of a frame; the rest of the records' room stays as it is.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Written {
    head: Head,
    fpsimd: Fpsimd,
    syndrome: Syndrome,
    /// A record without kind or size.
    end: [u64; 2],
}

/// Room for records: `__reserved` of `struct sigcontext`.
const RECORDS_SIZE: usize = 4096;
/// `struct rt_sigframe`.
const FRAME_SIZE: usize = size_of::<Head>() + RECORDS_SIZE;
/// From the frame's start to its `ucontext_t`.
const CONTEXT: usize = INFO_SIZE;
const FPSIMD_MAGIC: u32 = 0x4650_8001;
const FPSIMD_SIZE: u32 = 528;
const ESR_MAGIC: u32 = 0x4553_5201;
const ESR_SIZE: u32 = 16;
/// PSTATE bits that no program has: a mode other than EL0, masked interrupts.
const PSTATE_FORBIDDEN: u64 = 0x3df;

const _: () = {
    assert!(offset_of!(Head, mask) == CONTEXT + 40);
    assert!(offset_of!(Head, fault_address) == CONTEXT + 176);
    assert!(offset_of!(Written, fpsimd) == CONTEXT + 464);
    assert!(size_of::<Fpsimd>() == FPSIMD_SIZE as usize);
    assert!(size_of::<Syndrome>() == ESR_SIZE as usize);
    assert!(FRAME_SIZE == 4688);
};

/// Makes `frame` enter the handler of `action`: all that is needed to come back is on the program's stack. EFAULT: nothing
/// has changed.
pub(super) fn push(frame: &mut TrapFrame, info: &SignalInfo, action: &SignalAction) -> Result<()> {
    let Disposition::Handler { entry } = action.disposition else { return Err(Errno::EINVAL) };
    let (stack, mask, fault) = {
        let thread = current();
        let own = thread.signals.lock();
        (own.alternate_stack, own.saved_mask.unwrap_or(own.mask), own.last_fault)
    };
    // A frame record on top, so that a debugger's backtrace goes on into the interrupted function.
    let record = stack.top_for(action.flags, frame.sp).wrapping_sub(16) & !15;
    let base = record.wrapping_sub(FRAME_SIZE as u64) & !15;
    UserPtr::new(address(record)).write(&[frame.x[29], frame.x[30]])?;
    UserPtr::new(address(base)).write(&written(frame, info, stack.saved(), mask, fault))?;
    current().signals.lock().alternate_stack.on_handler();
    frame.x[0] = u64::from(info.signal.number().cast_unsigned());
    frame.x[1] = base;
    frame.x[2] = base.wrapping_add(CONTEXT as u64);
    frame.x[29] = record;
    frame.x[30] = return_address(action);
    frame.sp = base;
    frame.pc = entry;
    Ok(())
}

fn return_address(action: &SignalAction) -> u64 {
    if action.flags.contains(ActionFlags::RESTORER) { action.restorer } else { vdso::sigreturn_address() as u64 }
}

fn written(frame: &TrapFrame, info: &SignalInfo, stack: StackSettings, mask: SignalSet, fault: LastFault) -> Written {
    let fp = fp::current_state();
    Written {
        head: Head {
            info: info.to_bytes(),
            flags: 0,
            link: 0,
            stack,
            mask: mask.bits(),
            unused: [0; 16],
            fault_address: fault.address as u64,
            registers: frame.x,
            stack_pointer: frame.sp,
            pc: frame.pc,
            pstate: frame.pstate,
            padding: 0,
        },
        fpsimd: Fpsimd { magic: FPSIMD_MAGIC, size: FPSIMD_SIZE, status: fp.fpsr, control: fp.fpcr, registers: fp.q },
        syndrome: match fault.syndrome {
            0 => Syndrome { magic: 0, size: 0, syndrome: 0 },
            syndrome => Syndrome { magic: ESR_MAGIC, size: ESR_SIZE, syndrome },
        },
        end: [0; 2],
    }
}

/// rt_sigreturn(2): goes on as the frame at the stack pointer says. A frame that cannot be is SIGSEGV. Sets every register:
/// the caller must not store a result.
pub fn rt_sigreturn(frame: &mut TrapFrame) {
    if restore(frame).is_err() {
        current().signals.set_last_fault(LastFault::NONE);
        force_fault(Signal::SEGV, abi::SEGV_MAPERR.cast_signed(), address(frame.sp));
    }
}

fn restore(frame: &mut TrapFrame) -> Result<()> {
    if !frame.sp.is_multiple_of(16) {
        return Err(Errno::EFAULT);
    }
    let base = address(frame.sp);
    let head = UserPtr::<Head>::new(base).read()?;
    let fpsimd = find_fpsimd(base + size_of::<Head>())?;
    if head.pstate & PSTATE_FORBIDDEN != 0 {
        return Err(Errno::EINVAL);
    }
    frame.x = head.registers;
    frame.sp = head.stack_pointer;
    frame.pc = head.pc;
    frame.pstate = head.pstate & PSTATE_USER_MASK;
    // What is restored is not the result of this call: nothing to restart.
    frame.restart = 0;
    fp::set_current_state(&FpState { q: fpsimd.registers, fpsr: fpsimd.status, fpcr: fpsimd.control });
    // Settings that are refused leave the old ones, as on Linux.
    let _ = current().signals.lock().alternate_stack.set(&head.stack, frame.sp);
    mask::set_mask(SignalSet::from_bits(head.mask));
    Ok(())
}

/// The FP registers among the records from `records` on. EFAULT; EINVAL for records that are wrong or unknown.
fn find_fpsimd(records: usize) -> Result<Fpsimd> {
    let mut found = None;
    let mut offset = 0;
    while offset < RECORDS_SIZE {
        let at = records + offset;
        let [magic, size] = UserPtr::<[u32; 2]>::new(at).read()?;
        match (magic, size) {
            (0, 0) => return found.ok_or(Errno::EINVAL),
            (FPSIMD_MAGIC, FPSIMD_SIZE) if found.is_none() => found = Some(UserPtr::<Fpsimd>::new(at).read()?),
            (ESR_MAGIC, ESR_SIZE) => {}
            _ => return Err(Errno::EINVAL),
        }
        offset += size as usize;
    }
    Err(Errno::EINVAL)
}
