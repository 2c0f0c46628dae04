//! Why a file cannot be executed.
//!
//! No locks, never sleeps.

use core::fmt;
use core::ops::Range;

use crate::errno::Errno;

/// Why a file cannot be executed. Programs see an errno ([`ExecFault::errno`]); the console, for init, sees the sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecFault {
    /// The file begins with neither the ELF magic nor `#!`.
    UnknownFormat,
    /// The file ends within its headers or within a segment.
    Truncated,
    /// Not a 64-bit little-endian ELF file.
    WrongClass,
    /// For another machine; the number is `e_machine`.
    WrongMachine(u16),
    /// Neither an executable nor a position-independent one; the number is `e_type`.
    WrongType(u16),
    /// Program headers of another size than 56 bytes, or none, or more than 128.
    BadProgramHeaders,
    /// No segment to load.
    NothingToLoad,
    /// The segment with this index in the table has more bytes in the file than in memory.
    FileLargerThanMemory(usize),
    /// The addresses of this segment are not all user addresses.
    OutOfBounds(usize),
    /// Address and file offset of this segment differ within the page, so that no page can be mapped.
    Misaligned(usize),
    /// This segment overlaps another in memory.
    Overlap(usize),
    /// The entry point lies in no executable segment.
    BadEntry,
    /// The program asks for a dynamic loader, which the kernel cannot start; the path lies at these offsets of the file.
    NeedsLoader(Range<u64>),
    /// The `#!` line names no interpreter, or is too long to tell.
    BadScriptLine,
}

impl ExecFault {
    /// What execve(2) returns. ENOENT for a program that needs a loader, as on a Linux that has none installed; ENOEXEC for
    /// everything else.
    #[must_use]
    pub fn errno(&self) -> Errno {
        match self {
            Self::NeedsLoader(_) => Errno::ENOENT,
            _ => Errno::ENOEXEC,
        }
    }
}

impl From<ExecFault> for Errno {
    fn from(fault: ExecFault) -> Self {
        fault.errno()
    }
}

impl fmt::Display for ExecFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFormat => f.write_str("neither an ELF file nor a script"),
            Self::Truncated => f.write_str("the file is truncated"),
            Self::WrongClass => f.write_str("not a 64-bit little-endian ELF file"),
            Self::WrongMachine(machine) => {
                write!(f, "built for another machine (e_machine {machine})")
            }
            Self::WrongType(kind) => write!(f, "not an executable (e_type {kind})"),
            Self::BadProgramHeaders => f.write_str("malformed program header table"),
            Self::NothingToLoad => f.write_str("no segment to load"),
            Self::FileLargerThanMemory(index) => {
                write!(f, "program header {index}: p_filesz exceeds p_memsz")
            }
            Self::OutOfBounds(index) => {
                write!(f, "program header {index}: outside the user's addresses")
            }
            Self::Misaligned(index) => write!(f, "program header {index}: address and offset disagree within the page"),
            Self::Overlap(index) => write!(f, "program header {index}: overlaps another segment"),
            Self::BadEntry => f.write_str("the entry point is not in an executable segment"),
            Self::NeedsLoader(_) => f.write_str("dynamically linked, and there is no dynamic loader"),
            Self::BadScriptLine => f.write_str("malformed #! line"),
        }
    }
}

impl core::error::Error for ExecFault {}
