//! One area: a run of pages with one protection, one set of flags and one backing.
//!
//! No locks, never sleeps. The bits of [`Protection`] are those of mmap(2).

use core::fmt;
use core::ops::Range;

use bitflags::bitflags;
use linux_raw_sys::general::{PROT_EXEC, PROT_READ, PROT_WRITE};

use super::PAGE_SIZE;

bitflags! {
    /// What a program may do with a page: the `PROT_*` bits of mmap(2). Empty is PROT_NONE.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Protection: u32 {
        /// Loads are allowed.
        const READ = PROT_READ;
        /// Stores are allowed.
        const WRITE = PROT_WRITE;
        /// Instructions may be fetched.
        const EXEC = PROT_EXEC;
    }
}

bitflags! {
    /// What else is true of an area. The numbers are Postern's own.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct AreaFlags: u32 {
        /// Stores are seen by every mapping of the same backing (MAP_SHARED); without it they are copied on write.
        const SHARED = 1 << 0;
        /// A fault just below makes the area larger, downwards (MAP_GROWSDOWN, and every process's first stack).
        const GROWS_DOWN = 1 << 1;
        /// The pages are to stay in memory (mlock(2)).
        const LOCKED = 1 << 2;
        /// A forked child does not get the area (MADV_DONTFORK).
        const DONT_FORK = 1 << 3;
        /// A forked child gets zeroes in its place (MADV_WIPEONFORK).
        const WIPE_ON_FORK = 1 << 4;
        /// mprotect(2) may never add WRITE: a shared mapping of a file that was opened for reading only.
        const NEVER_WRITABLE = 1 << 5;
        /// No charge for memory was made at mmap(2) (MAP_NORESERVE).
        const NO_RESERVE = 1 << 6;
        /// Part of the heap that brk(2) moves; shown as `[heap]`.
        const HEAP = 1 << 7;
        /// The process's first stack; shown as `[stack]`.
        const STACK = 1 << 8;
    }
}

/// Where the first contents of an area's pages come from.
///
/// The offset of an area within its backing is kept by the [`Area`] and advances by itself when an area is cut.
pub trait Backing: Clone {
    /// The backing of the upper part of an area cut `bytes` above its start. Most backings are the same throughout.
    #[must_use]
    fn split_at(&self, _bytes: usize) -> Self {
        self.clone()
    }

    /// Whether an area of `next` that starts at `next_offset` simply goes on where one of `self` ends, at `end_offset`. For
    /// a file: the same file and equal offsets; for private anonymous memory: always.
    fn can_merge(&self, end_offset: u64, next: &Self, next_offset: u64) -> bool;

    /// Whether pages have their contents by their offset, as those of a file have.
    fn has_offsets(&self) -> bool;
}

/// A run of pages of an address space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area<B> {
    /// Address of the first byte; a multiple of the page size.
    pub start: usize,
    /// Address one past the last byte; a multiple of the page size, above `start`.
    pub end: usize,
    /// What the program may do with the pages.
    pub protection: Protection,
    /// What else is true of them.
    pub flags: AreaFlags,
    /// Where their first contents come from.
    pub backing: B,
    /// Offset of `start` in the backing, in bytes; without meaning for private anonymous memory.
    pub offset: u64,
}

impl<B> Area<B> {
    /// The addresses of the area.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Bytes in the area.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an area is never empty")]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Pages in the area.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.len() / PAGE_SIZE
    }

    /// The offset in the backing of the byte at `address`, which must lie in the area or at its end.
    #[must_use]
    pub fn offset_of(&self, address: usize) -> u64 {
        // A file's offsets reach no further than i64::MAX, but a hostile mmap may ask for more: wrapping names no byte that exists.
        self.offset.wrapping_add((address - self.start) as u64)
    }
}

impl<B: Backing> Area<B> {
    /// The part of the area that lies in `range`, which must overlap it.
    #[must_use]
    pub fn clipped(&self, range: Range<usize>) -> Self {
        let start = range.start.max(self.start);
        Self {
            start,
            end: range.end.min(self.end),
            protection: self.protection,
            flags: self.flags,
            backing: if start == self.start { self.backing.clone() } else { self.backing.split_at(start - self.start) },
            offset: self.offset_of(start),
        }
    }

    /// Whether `next` begins where this area ends and differs from it in nothing else.
    #[must_use]
    pub fn continues_into(&self, next: &Self) -> bool {
        self.end == next.start
            && self.protection == next.protection
            && self.flags == next.flags
            && self.backing.can_merge(self.offset_of(self.end), &next.backing, next.offset)
    }
}

impl fmt::Display for Protection {
    /// The first three letters of a line of /proc/PID/maps, such as `r-x`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [(Self::READ, "r"), (Self::WRITE, "w"), (Self::EXEC, "x")];
        for (bit, letter) in letters {
            f.write_str(if self.contains(bit) { letter } else { "-" })?;
        }
        Ok(())
    }
}
