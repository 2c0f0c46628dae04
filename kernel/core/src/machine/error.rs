//! What can be wrong with a device tree, in words for a boot message.

use core::fmt::{self, Display, Formatter};
use core::ops::Range;
use dtoolkit::error::FdtParseError;

/// What is wrong with a device tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// It is not well-formed.
    Malformed(FdtParseError),
    /// Its nodes are nested deeper than any real one's.
    TooDeep,
    /// It lacks what is named here.
    Missing(&'static str),
    /// What it says about a CPU cannot be.
    Cpu {
        /// The CPU's `reg`.
        affinity: u64,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A region of memory or registers cannot be where or as long as it says.
    Region {
        /// Whose region.
        what: &'static str,
        /// The region.
        region: Range<usize>,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Display for Error {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "it is malformed: {error}"),
            Self::TooDeep => f.write_str("its nodes are nested too deep"),
            Self::Missing(what) => write!(f, "it lacks {what}"),
            Self::Cpu { affinity, why } => write!(f, "CPU {affinity:#x} {why}"),
            Self::Region { what, region, why } => {
                write!(f, "{what} at {:#x}..{:#x} {why}", region.start, region.end)
            }
        }
    }
}
