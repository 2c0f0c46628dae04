//! What a handler is told of its thread's last fault besides the signal: `fault_address` and the syndrome, as Linux keeps them in
//! `struct thread_struct`. They stay until the next fault that says something, and so does any signal's frame that shows them.
//!
//! Values only; no locks, never sleeps. Specification: `set_thread_esr`, `arm64_notify_die` and `force_signal_inject` of Linux
//! 6.12.

use crate::arch::exception::{Fault, address};
use crate::arch::user_access::USER_END;

/// The last fault of a thread; zeroes for none.
#[derive(Clone, Copy, Default)]
pub struct LastFault {
    /// Where, if it was about memory.
    pub address: usize,
    /// ESR_EL1, if there is anything in it for the program.
    pub syndrome: u64,
}

impl LastFault {
    /// None, or one with nothing to tell.
    pub const NONE: Self = Self { address: 0, syndrome: 0 };

    /// What is to be told of `fault`; `None`: what was told before stands.
    pub fn of(fault: Fault, syndrome: u64) -> Option<Self> {
        match fault {
            Fault::Memory { address, .. } => Some(Self { address, syndrome: visible(address, syndrome) }),
            Fault::Alignment { address } if is_data_abort(syndrome) => {
                Some(Self { address, syndrome: visible(address, syndrome) })
            }
            Fault::Alignment { .. } | Fault::Other { .. } => Some(Self { address: 0, syndrome }),
            Fault::IllegalInstruction if is_illegal_state(syndrome) => Some(Self { address: 0, syndrome }),
            Fault::IllegalInstruction => Some(Self::NONE),
            Fault::Breakpoint | Fault::FloatingPointException | Fault::FloatingPoint => None,
        }
    }
}

/// Bits 26 to 31: the class of the exception.
fn class(syndrome: u64) -> usize {
    address(syndrome >> 26 & 0x3f)
}

fn is_data_abort(syndrome: u64) -> bool {
    class(syndrome) == 0x24
}

fn is_illegal_state(syndrome: u64) -> bool {
    class(syndrome) == 0x0e
}

/// What a program may know: at the kernel's addresses every fault looks as if nothing were mapped there.
fn visible(address: usize, syndrome: u64) -> u64 {
    const CLASS: u64 = 0x3f << 26;
    const LENGTH: u64 = 1 << 25;
    const CACHE_MAINTENANCE: u64 = 1 << 8;
    const WRITE: u64 = 1 << 6;
    const TRANSLATION_LEVEL_0: u64 = 0x04;
    if address < USER_END {
        syndrome
    } else if is_data_abort(syndrome) {
        syndrome & (CLASS | LENGTH | CACHE_MAINTENANCE | WRITE) | TRANSLATION_LEVEL_0
    } else {
        syndrome & (CLASS | LENGTH) | TRANSLATION_LEVEL_0
    }
}
