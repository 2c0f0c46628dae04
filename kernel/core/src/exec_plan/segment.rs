//! One loadable segment, and which pages it is made of.
//!
//! No locks, never sleeps.

use core::ops::Range;

use elf::abi::{PF_R, PF_W, PF_X};
use elf::segment::ProgramHeader;

use super::{ExecBounds, ExecFault};
use crate::areas::{PAGE_SIZE, Protection};

/// One loadable segment, at its final address. Its pages are, from the lowest up: [`Segment::file_pages`] from the file, of
/// which the bytes in [`Segment::zero_tail`] are to be zeroed, then [`Segment::zero_pages`] of zeroes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Address of the first byte.
    pub vaddr: usize,
    /// Bytes in memory; never zero.
    pub mem_size: usize,
    /// Offset in the file of the first byte; equal to `vaddr` within the page unless `file_size` is zero.
    pub file_offset: u64,
    /// Bytes that come from the file, at most `mem_size`.
    pub file_size: usize,
    /// What the program may do with the pages.
    pub protection: Protection,
}

impl Segment {
    /// One past the last byte.
    #[must_use]
    pub fn end(&self) -> usize {
        self.vaddr + self.mem_size
    }

    /// Every page of the segment.
    #[must_use]
    pub fn pages(&self) -> Range<usize> {
        page_floor(self.vaddr)..self.end().next_multiple_of(PAGE_SIZE)
    }

    /// The pages that are mapped from the file, from [`Segment::file_page_offset`] on; may be empty.
    #[must_use]
    pub fn file_pages(&self) -> Range<usize> {
        let start = page_floor(self.vaddr);
        if self.file_size == 0 {
            return start..start;
        }
        start..self.file_end().next_multiple_of(PAGE_SIZE)
    }

    /// The offset in the file of the first of [`Segment::file_pages`].
    #[must_use]
    pub fn file_page_offset(&self) -> u64 {
        self.file_offset - (self.vaddr % PAGE_SIZE) as u64
    }

    /// The bytes after the file's in the last of [`Segment::file_pages`], which must read as zero; empty if the segment ends
    /// with the file's bytes or those fill the page.
    #[must_use]
    pub fn zero_tail(&self) -> Range<usize> {
        let end = self.file_end();
        if self.file_size == 0 || self.file_size == self.mem_size {
            return end..end;
        }
        end..end.next_multiple_of(PAGE_SIZE)
    }

    /// The pages of zeroes after [`Segment::file_pages`]; may be empty.
    #[must_use]
    pub fn zero_pages(&self) -> Range<usize> {
        self.file_pages().end..self.pages().end
    }

    fn file_end(&self) -> usize {
        self.vaddr + self.file_size
    }

    /// The segment of the program header with this index in the table, checked, or `None` if it is empty.
    pub(super) fn checked(
        index: usize,
        header: &ProgramHeader,
        bias: usize,
        file_size: u64,
        bounds: &ExecBounds,
    ) -> Result<Option<Self>, ExecFault> {
        if header.p_filesz > header.p_memsz {
            return Err(ExecFault::FileLargerThanMemory(index));
        }
        if header.p_memsz == 0 {
            return Ok(None);
        }
        let segment = Self::placed(header, bias).filter(|segment| bounds.hold(segment));
        let segment = segment.ok_or(ExecFault::OutOfBounds(index))?;
        if segment.file_size != 0 {
            let file_end = header.p_offset.checked_add(header.p_filesz);
            if file_end.is_none_or(|end| end > file_size) {
                return Err(ExecFault::Truncated);
            }
            let page = PAGE_SIZE as u64;
            if header.p_offset % page != header.p_vaddr % page {
                return Err(ExecFault::Misaligned(index));
            }
        }
        Ok(Some(segment))
    }

    /// The segment at its final address; `None` if a number does not fit.
    fn placed(header: &ProgramHeader, bias: usize) -> Option<Self> {
        let vaddr = usize::try_from(header.p_vaddr).ok()?.checked_add(bias)?;
        let mem_size = usize::try_from(header.p_memsz).ok()?;
        vaddr.checked_add(mem_size)?.checked_next_multiple_of(PAGE_SIZE)?;
        Some(Self {
            vaddr,
            mem_size,
            file_offset: header.p_offset,
            file_size: usize::try_from(header.p_filesz).ok()?,
            protection: protection_of(header.p_flags),
        })
    }

    /// Gives up the pages from `end` on, which the next segment maps over them. Returns false if nothing is left.
    pub(super) fn clip_to(&mut self, end: usize) -> bool {
        self.mem_size = self.mem_size.min(end.saturating_sub(self.vaddr));
        self.file_size = self.file_size.min(self.mem_size);
        self.mem_size != 0
    }
}

/// The `PROT_*` bits for `PF_*` bits.
fn protection_of(flags: u32) -> Protection {
    let bits = [(PF_R, Protection::READ), (PF_W, Protection::WRITE), (PF_X, Protection::EXEC)];
    let set = bits.iter().filter(|(bit, _)| flags & bit != 0);
    set.map(|&(_, protection)| protection).collect()
}

/// The start of the page that holds `address`.
pub(super) fn page_floor(address: usize) -> usize {
    address - address % PAGE_SIZE
}
