//! What a signalfd tells of a signal: `struct signalfd_siginfo`, made from the `siginfo_t` that a handler would get.
//!
//! Which fields there are follows from the signal and its code, as in Linux. Owns nothing; no locks, never sleeps.
//! Specification: signalfd(2), sigaction(2); `siginfo_layout` and `signalfd_copyinfo` of Linux 6.12.

use linux_raw_sys::general as abi;

/// Bytes of a record, and of a `siginfo_t`.
pub const RECORD_SIZE: usize = 128;

/// Where the fields of a `siginfo_t` lie; they overlap.
mod source {
    pub const SIGNO: usize = 0;
    pub const ERRNO: usize = 4;
    pub const CODE: usize = 8;
    pub const PID_OR_TIMER: usize = 16;
    pub const UID_OR_OVERRUN: usize = 20;
    pub const ADDRESS_OR_BAND: usize = 16;
    pub const VALUE_OR_STATUS: usize = 24;
    pub const FD_OR_SYSCALL: usize = 24;
    pub const ARCH: usize = 28;
    pub const USER_TIME: usize = 32;
    pub const SYSTEM_TIME: usize = 40;
}

/// Where the fields of a record lie.
mod target {
    pub const SIGNO: usize = 0;
    pub const ERRNO: usize = 4;
    pub const CODE: usize = 8;
    pub const PID: usize = 12;
    pub const UID: usize = 16;
    pub const FD: usize = 20;
    pub const TIMER: usize = 24;
    pub const BAND: usize = 28;
    pub const OVERRUN: usize = 32;
    pub const STATUS: usize = 40;
    pub const INT: usize = 44;
    pub const POINTER: usize = 48;
    pub const USER_TIME: usize = 56;
    pub const SYSTEM_TIME: usize = 64;
    pub const ADDRESS: usize = 72;
    pub const ADDRESS_LSB: usize = 80;
    pub const SYSCALL: usize = 84;
    pub const CALL_ADDRESS: usize = 88;
    pub const ARCH: usize = 96;
}

/// Which fields a `siginfo_t` has beside the three at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// Who sent it.
    Sender,
    /// Who sent it, and a value.
    Value,
    /// A POSIX timer's number, its overruns and value.
    Timer,
    /// What a child did.
    Child,
    /// Where a program failed.
    Fault,
    /// Where memory did, and how much of it.
    MemoryFailure,
    /// What a descriptor is ready for.
    Poll,
    /// Which system call was refused.
    Call,
}

impl Layout {
    fn of(signal: u32, code: i32) -> Self {
        match code {
            abi::SI_TIMER => return Self::Timer,
            abi::SI_SIGIO => return Self::Poll,
            ..0 => return Self::Value,
            _ => {}
        }
        let code = code.cast_unsigned();
        if code == abi::SI_USER || code >= abi::SI_KERNEL {
            return Self::Sender;
        }
        match signal {
            abi::SIGBUS if (abi::BUS_MCEERR_AR..=abi::BUS_MCEERR_AO).contains(&code) => Self::MemoryFailure,
            abi::SIGILL if code <= abi::NSIGILL => Self::Fault,
            abi::SIGFPE if code <= abi::NSIGFPE => Self::Fault,
            abi::SIGSEGV if code <= abi::NSIGSEGV => Self::Fault,
            abi::SIGBUS if code <= abi::NSIGBUS => Self::Fault,
            abi::SIGTRAP if code <= abi::NSIGTRAP => Self::Fault,
            abi::SIGCHLD if code <= abi::NSIGCHLD => Self::Child,
            abi::SIGSYS if code <= abi::NSIGSYS => Self::Call,
            _ if code <= abi::NSIGPOLL => Self::Poll,
            _ => Self::Sender,
        }
    }

    /// From where in the `siginfo_t` to where in the record, and how many bytes.
    fn moves(self) -> &'static [(usize, usize, usize)] {
        use source as from;
        use target as to;
        const SENDER: [(usize, usize, usize); 2] =
            [(from::PID_OR_TIMER, to::PID, 4), (from::UID_OR_OVERRUN, to::UID, 4)];
        const VALUE: [(usize, usize, usize); 2] =
            [(from::VALUE_OR_STATUS, to::INT, 4), (from::VALUE_OR_STATUS, to::POINTER, 8)];
        const ADDRESS: (usize, usize, usize) = (from::ADDRESS_OR_BAND, to::ADDRESS, 8);
        match self {
            Self::Sender => &SENDER,
            Self::Value => &[SENDER[0], SENDER[1], VALUE[0], VALUE[1]],
            Self::Timer => {
                &[(from::PID_OR_TIMER, to::TIMER, 4), (from::UID_OR_OVERRUN, to::OVERRUN, 4), VALUE[0], VALUE[1]]
            }
            Self::Child => &[
                SENDER[0],
                SENDER[1],
                (from::VALUE_OR_STATUS, to::STATUS, 4),
                (from::USER_TIME, to::USER_TIME, 8),
                (from::SYSTEM_TIME, to::SYSTEM_TIME, 8),
            ],
            Self::Fault => &[ADDRESS],
            Self::MemoryFailure => &[ADDRESS, (from::VALUE_OR_STATUS, to::ADDRESS_LSB, 2)],
            Self::Poll => &[(from::ADDRESS_OR_BAND, to::BAND, 4), (from::FD_OR_SYSCALL, to::FD, 4)],
            Self::Call => &[
                (from::ADDRESS_OR_BAND, to::CALL_ADDRESS, 8),
                (from::FD_OR_SYSCALL, to::SYSCALL, 4),
                (from::ARCH, to::ARCH, 4),
            ],
        }
    }
}

/// The record of a signal; zeroes where nothing is said.
#[must_use]
pub fn record_of(info: &[u8; RECORD_SIZE]) -> [u8; RECORD_SIZE] {
    let word = |at: usize| [info[at], info[at + 1], info[at + 2], info[at + 3]];
    let signal = u32::from_le_bytes(word(source::SIGNO));
    let code = i32::from_le_bytes(word(source::CODE));
    let always =
        [(source::SIGNO, target::SIGNO, 4), (source::ERRNO, target::ERRNO, 4), (source::CODE, target::CODE, 4)];
    let mut record = [0; RECORD_SIZE];
    for &(from, to, length) in always.iter().chain(Layout::of(signal, code).moves()) {
        record[to..to + length].copy_from_slice(&info[from..from + length]);
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// A `siginfo_t` whose every byte behind the code tells its place.
    fn info(signal: u32, code: i32) -> [u8; RECORD_SIZE] {
        let mut info: [u8; RECORD_SIZE] = core::array::from_fn(|at| at.to_le_bytes()[0]);
        info[0..4].copy_from_slice(&signal.to_le_bytes());
        info[8..12].copy_from_slice(&code.to_le_bytes());
        info
    }

    /// The places in the record that say something, beside the three at its start.
    fn said(signal: u32, code: i32) -> Vec<usize> {
        let record = record_of(&info(signal, code));
        assert_eq!((&record[0..4], &record[8..12]), (&signal.to_le_bytes()[..], &code.to_le_bytes()[..]));
        assert_eq!(record[4..8], [4, 5, 6, 7]);
        (12..RECORD_SIZE).step_by(2).filter(|at| record[*at] != 0).collect()
    }

    #[test]
    fn fields_lie_where_linux_has_them() {
        let of = |fields: &[(usize, usize)]| -> Vec<usize> {
            let mut places: Vec<_> = fields.iter().flat_map(|(at, size)| (*at..at + size).step_by(2)).collect();
            places.sort_unstable();
            places
        };
        let sender = of(&[(12, 8)]);
        assert_eq!(said(abi::SIGTERM, abi::SI_USER.cast_signed()), sender);
        assert_eq!(said(abi::SIGTERM, abi::SI_KERNEL.cast_signed()), sender);
        let value = of(&[(12, 8), (44, 12)]);
        assert_eq!(said(40, abi::SI_QUEUE), value);
        assert_eq!(said(40, abi::SI_TKILL), value);
        assert_eq!(said(40, abi::SI_TIMER), of(&[(24, 4), (32, 4), (44, 12)]));
        assert_eq!(said(abi::SIGCHLD, abi::CLD_EXITED.cast_signed()), of(&[(12, 8), (40, 4), (56, 16)]));
        assert_eq!(said(abi::SIGSEGV, abi::SEGV_MAPERR.cast_signed()), of(&[(72, 8)]));
        assert_eq!(said(abi::SIGBUS, abi::BUS_MCEERR_AO.cast_signed()), of(&[(72, 10)]));
        assert_eq!(said(abi::SIGIO, abi::POLL_IN.cast_signed()), of(&[(20, 4), (28, 4)]));
        assert_eq!(said(abi::SIGSYS, abi::SYS_SECCOMP.cast_signed()), of(&[(84, 16)]));
    }

    #[test]
    fn a_value_is_told_as_a_number_and_as_a_pointer() {
        let record = record_of(&info(40, abi::SI_QUEUE));
        assert_eq!((&record[44..48], &record[48..56]), (&[24, 25, 26, 27][..], &[24, 25, 26, 27, 28, 29, 30, 31][..]));
    }

    #[test]
    fn a_code_that_means_nothing_tells_of_a_sender() {
        assert_eq!(said(abi::SIGUSR1, 7), [12, 14, 16, 18]);
    }
}
