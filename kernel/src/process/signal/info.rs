//! What comes with a signal, and how programs see it: Linux's `siginfo_t`.
//! Owns nothing. No locks, never sleeps. Specification: sigaction(2), "The siginfo_t argument".

use crate::process::current;
use linux_raw_sys::general as abi;
use postern_core::signal_set::Signal;

/// Bytes of a `siginfo_t`.
pub const INFO_SIZE: usize = abi::SI_MAX_SIZE as usize;
/// Bytes of it that can mean anything (Linux's `struct kernel_siginfo`) behind the three numbers at its start.
const FIELDS_SIZE: usize = 32;
/// Where those begin, after si_signo, si_errno, si_code and padding.
const FIELDS: usize = 16;

/// A signal with what is to be told about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalInfo {
    /// Which.
    pub signal: Signal,
    /// si_errno.
    pub error: i32,
    /// si_code: why.
    pub code: i32,
    /// The rest.
    pub details: Details,
}

/// The part of a `siginfo_t` that depends on si_code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Details {
    /// Nothing.
    None,
    /// Who sent it.
    Sender {
        /// si_pid.
        pid: u32,
        /// si_uid, the real user.
        uid: u32,
    },
    /// Where a program failed.
    Fault {
        /// si_addr.
        address: usize,
    },
    /// What a child did.
    Child {
        /// si_pid.
        pid: u32,
        /// si_uid, the real user.
        uid: u32,
        /// si_status: an exit code or a signal number.
        status: i32,
    },
    /// Which POSIX timer expired.
    Timer {
        /// si_timerid.
        id: i32,
        /// si_overrun.
        overruns: i32,
        /// si_value.
        value: u64,
    },
    /// What a program wrote there itself (sigqueue).
    Program([u8; FIELDS_SIZE]),
}

impl SignalInfo {
    /// From the kernel, for no reason it could give.
    pub const fn kernel(signal: Signal) -> Self {
        Self { signal, error: 0, code: abi::SI_KERNEL.cast_signed(), details: Details::None }
    }

    /// For a signal whose information found no place.
    pub const fn bare(signal: Signal) -> Self {
        Self { signal, error: 0, code: abi::SI_USER.cast_signed(), details: Details::Sender { pid: 0, uid: 0 } }
    }

    /// From the current process, by kill(2) (SI_USER) or tgkill(2) (SI_TKILL).
    pub fn from_current(signal: Signal, code: i32) -> Self {
        let thread = current();
        let details = Details::Sender { pid: thread.process().pid(), uid: thread.credentials().uid };
        Self { signal, error: 0, code, details }
    }

    /// A fault of the current program.
    pub const fn fault(signal: Signal, code: i32, address: usize) -> Self {
        Self { signal, error: 0, code, details: Details::Fault { address } }
    }

    /// A child changed its state; `code` is a CLD_ one.
    pub const fn child(signal: Signal, code: u32, pid: u32, uid: u32, status: i32) -> Self {
        Self { signal, error: 0, code: code.cast_signed(), details: Details::Child { pid, uid, status } }
    }

    /// What a program passed to be sent as it is, as `signal`.
    pub fn from_program(signal: Signal, bytes: &[u8; INFO_SIZE]) -> Self {
        let mut fields = [0; FIELDS_SIZE];
        fields.copy_from_slice(&bytes[FIELDS..FIELDS + FIELDS_SIZE]);
        Self { signal, error: number_at(bytes, 4), code: number_at(bytes, 8), details: Details::Program(fields) }
    }

    /// Whether a fault of the program raised it.
    pub fn is_fault(&self) -> bool {
        matches!(self.details, Details::Fault { .. })
    }

    /// The address that a fault was about; 0 for what is none.
    pub fn fault_address(&self) -> usize {
        match self.details {
            Details::Fault { address } => address,
            _ => 0,
        }
    }

    /// The `siginfo_t`, zeroes where nothing is said.
    pub fn to_bytes(self) -> [u8; INFO_SIZE] {
        let mut bytes = [0; INFO_SIZE];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &self.signal.number().to_le_bytes());
        put(4, &self.error.to_le_bytes());
        put(8, &self.code.to_le_bytes());
        match self.details {
            Details::None => {}
            Details::Sender { pid, uid } => {
                put(FIELDS, &pid.to_le_bytes());
                put(FIELDS + 4, &uid.to_le_bytes());
            }
            Details::Fault { address } => put(FIELDS, &address.to_le_bytes()),
            Details::Child { pid, uid, status } => {
                put(FIELDS, &pid.to_le_bytes());
                put(FIELDS + 4, &uid.to_le_bytes());
                put(FIELDS + 8, &status.to_le_bytes());
            }
            Details::Timer { id, overruns, value } => {
                put(FIELDS, &id.to_le_bytes());
                put(FIELDS + 4, &overruns.to_le_bytes());
                put(FIELDS + 8, &value.to_le_bytes());
            }
            Details::Program(fields) => put(FIELDS, &fields),
        }
        bytes
    }
}

/// si_code of what a program passed.
fn number_at(bytes: &[u8; INFO_SIZE], at: usize) -> i32 {
    i32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
