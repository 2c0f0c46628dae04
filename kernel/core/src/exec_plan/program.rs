//! From an ELF header and its program headers to a plan.
//!
//! No locks, never sleeps. The fields are read by the `elf` crate; every judgement is made here.

use alloc::vec::Vec;
use core::ops::Range;

use elf::abi::{EM_AARCH64, ET_DYN, ET_EXEC, PF_X, PT_GNU_STACK, PT_INTERP, PT_LOAD};
use elf::endian::LittleEndian;
use elf::file::{Class, FileHeader, parse_ident};
use elf::segment::{ProgramHeader, SegmentTable};

use super::segment::page_floor;
use super::{ExecFault, Segment};
use crate::areas::{PAGE_SIZE, Protection};

/// Bytes of a 64-bit ELF header.
const ELF_HEADER_SIZE: usize = 64;
/// Bytes of `e_ident`.
const IDENT_SIZE: usize = 16;
/// Bytes of a 64-bit program header.
const PROGRAM_HEADER_SIZE: u16 = 56;
/// The most program headers. Linux takes 1,170 (64 KiB of them), but real programs have a dozen, and a bound this low keeps what
/// a hostile file makes the kernel allocate below two pages.
const PROGRAM_HEADERS_MAX: u16 = 128;

/// Where programs may lie; all are multiples of the page size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecBounds {
    /// No segment may lie below (Linux's `mmap_min_addr`).
    pub lowest: usize,
    /// One past the last address a segment may have.
    pub limit: usize,
    /// Where the lowest page of a position-independent program goes, rounded up to the alignment it asks for.
    pub pie_base: usize,
}

impl ExecBounds {
    pub(super) fn hold(&self, segment: &Segment) -> bool {
        let pages = segment.pages();
        pages.start >= self.lowest && pages.end <= self.limit
    }
}

/// What is to be mapped for a program, and what its start-up stack must say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecPlan {
    /// Address of the first instruction.
    pub entry: usize,
    /// The segments, by rising address; their [`Segment::pages`] do not overlap.
    pub segments: Vec<Segment>,
    /// Address of the program headers in memory (AT_PHDR); zero if no segment holds them, as on Linux.
    pub phdr_vaddr: usize,
    /// Number of program headers (AT_PHNUM).
    pub phdr_count: usize,
    /// Bytes of each (AT_PHENT).
    pub phdr_size: usize,
    /// What was added to the addresses in the file; zero unless `is_pie`.
    pub load_bias: usize,
    /// Whether the program is position-independent (ET_DYN).
    pub is_pie: bool,
    /// What the program may do with its stack: executing it too only if PT_GNU_STACK asks for that.
    pub stack_protection: Protection,
    /// Where the program break starts: the page after the last segment.
    pub brk_start: usize,
}

/// An ELF header that can be that of a program for this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElfHeader {
    is_pie: bool,
    entry: u64,
    table_offset: u64,
    table_count: u16,
}

impl ElfHeader {
    pub(super) fn parse(head: &[u8]) -> Result<Self, ExecFault> {
        if !head.starts_with(b"\x7fELF") {
            return Err(ExecFault::UnknownFormat);
        }
        let header = head.get(..ELF_HEADER_SIZE).ok_or(ExecFault::Truncated)?;
        let ident = parse_ident::<LittleEndian>(header).map_err(|_| ExecFault::WrongClass)?;
        if ident.1 != Class::ELF64 {
            return Err(ExecFault::WrongClass);
        }
        let header = FileHeader::parse_tail(ident, &header[IDENT_SIZE..]).map_err(|_| ExecFault::Truncated)?;
        if header.e_machine != EM_AARCH64 {
            return Err(ExecFault::WrongMachine(header.e_machine));
        }
        if header.e_type != ET_EXEC && header.e_type != ET_DYN {
            return Err(ExecFault::WrongType(header.e_type));
        }
        let parsed = Self {
            is_pie: header.e_type == ET_DYN,
            entry: header.e_entry,
            table_offset: header.e_phoff,
            table_count: header.e_phnum,
        };
        let fits = parsed.table_offset.checked_add(parsed.table_size()).is_some();
        let counted = (1..=PROGRAM_HEADERS_MAX).contains(&parsed.table_count);
        if fits && counted && header.e_phentsize == PROGRAM_HEADER_SIZE {
            Ok(parsed)
        } else {
            Err(ExecFault::BadProgramHeaders)
        }
    }

    /// Where in the file the program headers lie: the bytes that [`ElfHeader::plan`] needs; 7 KiB at most.
    #[must_use]
    pub fn table_range(&self) -> Range<u64> {
        self.table_offset..self.table_offset + self.table_size()
    }

    /// Judges the program, whose program headers are `table` (the bytes at [`ElfHeader::table_range`], or fewer if the file
    /// ends before) and whose file has `file_size` bytes.
    ///
    /// # Errors
    /// An [`ExecFault`] that names what is wrong.
    pub fn plan(&self, table: &[u8], file_size: u64, bounds: &ExecBounds) -> Result<ExecPlan, ExecFault> {
        let headers = self.program_headers(table)?;
        if let Some(loader) = headers.iter().find(|header| header.p_type == PT_INTERP) {
            let end = loader.p_offset.saturating_add(loader.p_filesz);
            return Err(ExecFault::NeedsLoader(loader.p_offset..end));
        }
        let load_bias = if self.is_pie { load_bias(&headers, bounds)? } else { 0 };
        let segments = segments(&headers, load_bias, file_size, bounds)?;
        let brk_start = segments.last().map_or(0, |last| last.pages().end);
        Ok(ExecPlan {
            entry: self.entry_in(&segments, load_bias)?,
            segments,
            phdr_vaddr: self.table_address(&headers, load_bias),
            phdr_count: usize::from(self.table_count),
            phdr_size: usize::from(PROGRAM_HEADER_SIZE),
            load_bias,
            is_pie: self.is_pie,
            stack_protection: stack_protection(&headers),
            brk_start,
        })
    }

    fn table_size(&self) -> u64 {
        u64::from(self.table_count) * u64::from(PROGRAM_HEADER_SIZE)
    }

    fn program_headers(&self, table: &[u8]) -> Result<Vec<ProgramHeader>, ExecFault> {
        let size = usize::try_from(self.table_size()).map_err(|_| ExecFault::BadProgramHeaders)?;
        let table = table.get(..size).ok_or(ExecFault::Truncated)?;
        Ok(SegmentTable::new(LittleEndian, Class::ELF64, table).iter().collect())
    }

    /// The entry point, which must lie in an executable segment.
    fn entry_in(&self, segments: &[Segment], bias: usize) -> Result<usize, ExecFault> {
        let entry =
            usize::try_from(self.entry).ok().and_then(|entry| entry.checked_add(bias)).ok_or(ExecFault::BadEntry)?;
        let holds =
            |segment: &Segment| segment.protection.contains(Protection::EXEC) && segment.pages().contains(&entry);
        segments.iter().any(holds).then_some(entry).ok_or(ExecFault::BadEntry)
    }

    /// Where the program headers come to lie in memory; zero if no segment holds their first byte.
    fn table_address(&self, headers: &[ProgramHeader], bias: usize) -> usize {
        let holder = headers.iter().filter(|header| header.p_type == PT_LOAD).find_map(|header| {
            let distance = self.table_offset.checked_sub(header.p_offset)?;
            let address = header.p_vaddr.checked_add(distance)?;
            (distance < header.p_filesz).then_some(address)
        });
        holder.and_then(|address| usize::try_from(address).ok()?.checked_add(bias)).unwrap_or(0)
    }
}

/// What to add to the addresses of a position-independent program.
fn load_bias(headers: &[ProgramHeader], bounds: &ExecBounds) -> Result<usize, ExecFault> {
    let loads = || {
        let indexed = headers.iter().enumerate();
        indexed.filter(|(_, header)| header.p_type == PT_LOAD && header.p_memsz != 0)
    };
    let (index, lowest) = loads().min_by_key(|(_, header)| header.p_vaddr).ok_or(ExecFault::NothingToLoad)?;
    let out_of_bounds = ExecFault::OutOfBounds(index);
    // As on Linux, an alignment that is no power of two is no alignment.
    let alignments = loads().filter_map(|(_, header)| usize::try_from(header.p_align).ok());
    let alignment = alignments.filter(|align| align.is_power_of_two()).fold(PAGE_SIZE, usize::max);
    let base = bounds.pie_base.checked_next_multiple_of(alignment);
    let base = base.filter(|&base| base < bounds.limit).ok_or(out_of_bounds.clone())?;
    let lowest = usize::try_from(lowest.p_vaddr).map_err(|_| out_of_bounds.clone())?;
    // Addresses that start above zero keep their place within the alignment.
    base.checked_sub(lowest - lowest % alignment).ok_or(out_of_bounds)
}

/// The segments to load, sorted and checked against each other.
fn segments(
    headers: &[ProgramHeader],
    bias: usize,
    file_size: u64,
    bounds: &ExecBounds,
) -> Result<Vec<Segment>, ExecFault> {
    let mut indexed = Vec::with_capacity(headers.len());
    for (index, header) in headers.iter().enumerate() {
        if header.p_type == PT_LOAD {
            let segment = Segment::checked(index, header, bias, file_size, bounds)?;
            indexed.extend(segment.map(|segment| (index, segment)));
        }
    }
    // The specification wants them sorted; Linux does not insist.
    indexed.sort_by_key(|(_, segment)| segment.vaddr);
    let mut sorted: Vec<Segment> = Vec::with_capacity(indexed.len());
    for (index, segment) in indexed {
        if sorted.last().is_some_and(|below| below.end() > segment.vaddr) {
            return Err(ExecFault::Overlap(index));
        }
        // Two segments may meet within a page. As on Linux, the upper one's page of the file is mapped there.
        let first_page = page_floor(segment.vaddr);
        while sorted.last_mut().is_some_and(|below| !below.clip_to(first_page)) {
            sorted.pop();
        }
        sorted.push(segment);
    }
    if sorted.is_empty() {
        return Err(ExecFault::NothingToLoad);
    }
    Ok(sorted)
}

/// The stack can be executed only if the program says so.
fn stack_protection(headers: &[ProgramHeader]) -> Protection {
    let data = Protection::READ | Protection::WRITE;
    let asks = headers.iter().any(|header| header.p_type == PT_GNU_STACK && header.p_flags & PF_X != 0);
    if asks { data | Protection::EXEC } else { data }
}
