//! The saved state of an interrupted context, and the Rust side of the vectors: decode the
//! syndrome, call `trap`. Takes no lock.

use super::{cpu, trace_point};
use crate::trap;
use aarch64_cpu::registers::ESR_EL1;
use core::arch::{asm, global_asm};
use tock_registers::interfaces::Readable;

global_asm!(include_str!("exception.s"), options(raw));

/// What exception.s saves; the layout is known there. `x[30]` is the link register. During the fast
/// part of a system call x19 to x29 are not in it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct TrapFrame {
    /// General registers x0 to x30.
    pub x: [u64; 31],
    /// Stack pointer of the interrupted context.
    pub sp: u64,
    /// Where to resume.
    pub pc: u64,
    /// PSTATE to resume with.
    pub pstate: u64,
    /// x0 as it was at entry, once a system call has failed: a restarted one needs its first argument back.
    pub original_x0: u64,
    /// Whether the system call just made returned a wish to be restarted (1) or not (0): what signal delivery asks.
    pub restart: u64,
}

const _: () = assert!(size_of::<TrapFrame>() == 288);

/// PSTATE bits a user context may have: condition flags.
pub const PSTATE_USER_MASK: u64 = 0xf000_0000;

/// A register as an address.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both are 64 bits here")]
pub const fn address(register: u64) -> usize {
    register as usize
}

/// The kind of access that faulted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Execute,
}

/// A synchronous exception, decoded.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Translation, permission or access-flag fault at an address.
    Memory {
        /// The faulting virtual address.
        address: usize,
        /// What was tried.
        access: Access,
    },
    /// Misaligned data access, PC or SP.
    Alignment {
        /// The address concerned.
        address: usize,
    },
    /// First use of FP/SIMD registers since they were taken away.
    FloatingPoint,
    /// Undefined or privileged instruction.
    IllegalInstruction,
    /// BRK or single step.
    Breakpoint,
    /// A trapped floating-point exception.
    FloatingPointException,
    /// Anything else.
    Other {
        /// FAR_EL1.
        address: usize,
    },
}

impl Fault {
    fn decode(esr: u64, far: u64) -> Self {
        let class = esr >> 26 & 0x3f;
        let address = address(far);
        match class {
            0x07 => Self::FloatingPoint,
            0x00 | 0x0e | 0x18 => Self::IllegalInstruction,
            // A misaligned PC goes before an instruction abort, but not in QEMU where nothing is mapped there.
            0x20 | 0x21 if !address.is_multiple_of(4) => Self::Alignment { address },
            0x20 | 0x21 | 0x24 | 0x25 => Self::decode_abort(esr, address),
            0x22 | 0x26 => Self::Alignment { address },
            0x2c => Self::FloatingPointException,
            0x30..=0x35 | 0x3c => Self::Breakpoint,
            _ => Self::Other { address },
        }
    }

    fn decode_abort(esr: u64, address: usize) -> Self {
        let access = match (esr >> 26 & 0x3f, esr >> 6 & 1) {
            (0x20 | 0x21, _) => Access::Execute,
            // A cache maintenance operation (CM, bit 8) reports as a write but needs only a read.
            (_, 1) if esr >> 8 & 1 == 0 => Access::Write,
            _ => Access::Read,
        };
        match esr & 0x3c {
            // Levels 0 to 3 of: address size, translation, access flag, permission.
            0x00 | 0x04 | 0x08 | 0x0c => Self::Memory { address, access },
            0x20 if esr & 0x3f == 0x21 => Self::Alignment { address },
            _ => Self::Other { address },
        }
    }
}

/// Points VBAR_EL1 at the vectors. Once on each CPU.
pub fn init() {
    // SAFETY: the vectors are aligned to 2 KiB by the linker script and stay mapped.
    unsafe {
        asm!("adrp {t}, exception_vectors", "add {t}, {t}, :lo12:exception_vectors",
             "msr vbar_el1, {t}", "isb", t = out(reg) _, options(nomem, nostack));
    }
}

unsafe extern "C" {
    fn enter_user(frame: *const TrapFrame) -> !;
}

/// Leaves the kernel for user mode for the first time with the state in `frame`, once `trap` has done with it.
///
/// # Safety
/// `frame` lies at the very top of the current task's kernel stack, is used by nobody else, and nothing above
/// the current stack pointer is needed again.
pub unsafe fn first_return_to_user(frame: *mut TrapFrame) -> ! {
    // SAFETY: the caller's promise.
    trap::on_first_run(unsafe { &mut *frame });
    // SAFETY: the caller's promise.
    unsafe { enter_user(frame) }
}

/// What is left to do after the fast part of a system call, as exception.s passes it on: nothing (0),
/// the call itself, to tell of an error, or what the task's work bits say.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining(u32);

impl Remaining {
    /// The call itself: it needs a whole frame.
    pub const CALL: Self = Self(u32::MAX);
    /// To tell the program of an error.
    pub const ERROR: Self = Self(u32::MAX - 1);

    /// Only what has been asked of the task meanwhile: its work bits, 0 for nothing.
    #[inline]
    pub const fn work(bits: u32) -> Self {
        Self(bits)
    }
}

/// What a system call leaves with, in the two registers in which exception.s looks for it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Leaving {
    /// The result, or the error's number.
    pub value: u64,
    /// What is left to do.
    pub remaining: Remaining,
}

/// What exception.s calls by a system call's number; it knows how many they are.
#[unsafe(no_mangle)]
static SYSTEM_CALLS: [trap::SystemCall; 512] = trap::SYSTEM_CALLS;

#[unsafe(no_mangle)]
extern "C" fn failed_syscall_entry(frame: &mut TrapFrame, leaving: Leaving) -> Remaining {
    trap::on_failed_syscall(frame, leaving)
}

#[unsafe(no_mangle)]
extern "C" fn finish_syscall_entry(frame: &mut TrapFrame, remaining: Remaining) {
    trap::on_unfinished_syscall(frame, remaining);
    trace_point::call_leaves(frame.x[0]);
}

/// Whether the exception that this CPU took last from a program is a system call. What ESR_EL1 says stands until the next.
pub fn is_system_call() -> bool {
    const SVC: u64 = 0x15;
    ESR_EL1.read(ESR_EL1::EC) == SVC
}

/// An address without the byte that accesses below the kernel's half ignore (TCR_EL1.TBI0); bit 55 tells the halves apart.
fn without_tag(far: u64) -> u64 {
    if far >> 55 & 1 == 0 { far & (u64::MAX >> 8) } else { far }
}

#[unsafe(no_mangle)]
extern "C" fn user_fault_entry(frame: &mut TrapFrame, esr: u64, far: u64) {
    trace_point::fault(far, esr);
    trap::on_user_fault(frame, Fault::decode(esr, without_tag(far)), esr);
}

#[unsafe(no_mangle)]
extern "C" fn user_irq_entry(frame: &mut TrapFrame) {
    cpu::in_interrupt(trap::on_irq);
    trap::on_return_to_user(frame);
}

#[unsafe(no_mangle)]
extern "C" fn kernel_irq_entry(_frame: &mut TrapFrame) {
    cpu::in_interrupt(trap::on_irq);
}

#[unsafe(no_mangle)]
extern "C" fn kernel_fault_entry(frame: &mut TrapFrame, esr: u64, far: u64) {
    trace_point::fault(far, esr);
    trap::on_kernel_fault(frame, Fault::decode(esr, far), esr);
}

#[unsafe(no_mangle)]
extern "C" fn unexpected_entry(frame: &mut TrapFrame, esr: u64, far: u64) {
    panic!("unexpected exception: ESR {esr:#x} FAR {far:#x} PC {:#x}", frame.pc);
}

#[unsafe(no_mangle)]
extern "C" fn stack_overflow_entry(sp: u64, pc: u64, far: u64) {
    panic!("kernel stack overflow: SP {sp:#x} PC {pc:#x} FAR {far:#x}");
}
