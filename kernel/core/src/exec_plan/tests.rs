//! Tests of the judgement of programs: well-formed ones, and one for each fault.

use std::string::ToString;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::areas::{PAGE_SIZE, Protection};
use crate::errno::Errno;

pub(super) const P: u64 = PAGE_SIZE as u64;
pub(super) const FILE_SIZE: u64 = 0x40_0000;
const RX: Protection = Protection::READ.union(Protection::EXEC);
const RW: Protection = Protection::READ.union(Protection::WRITE);

pub(super) fn bounds() -> ExecBounds {
    ExecBounds { lowest: 0x1_0000, limit: 1 << 47, pie_base: 0x2aaa_aaaa_a000 }
}

/// A program header, field by field.
#[derive(Clone, Debug)]
pub(super) struct Phdr {
    pub(super) kind: u32,
    pub(super) flags: u32,
    pub(super) offset: u64,
    pub(super) vaddr: u64,
    pub(super) filesz: u64,
    pub(super) memsz: u64,
    pub(super) align: u64,
}

/// A PT_LOAD; flags are 4 read, 2 write, 1 execute.
pub(super) fn load(flags: u32, offset: u64, vaddr: u64, filesz: u64, memsz: u64) -> Phdr {
    Phdr { kind: 1, flags, offset, vaddr, filesz, memsz, align: P }
}

pub(super) fn table_of(headers: &[Phdr]) -> Vec<u8> {
    let mut table = Vec::new();
    for header in headers {
        table.extend(header.kind.to_le_bytes());
        table.extend(header.flags.to_le_bytes());
        for field in [header.offset, header.vaddr, header.vaddr, header.filesz, header.memsz, header.align] {
            table.extend(field.to_le_bytes());
        }
    }
    table
}

/// An ELF header with its program headers behind it.
pub(super) fn head_of(kind: u16, entry: u64, count: u16) -> Vec<u8> {
    let mut head = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    head.extend(kind.to_le_bytes());
    head.extend(183u16.to_le_bytes());
    head.extend(1u32.to_le_bytes());
    head.extend(entry.to_le_bytes());
    head.extend(64u64.to_le_bytes());
    head.extend(0u64.to_le_bytes());
    head.extend(0u32.to_le_bytes());
    for field in [64u16, 56, count, 64, 0, 0] {
        head.extend(field.to_le_bytes());
    }
    head
}

fn elf_of(head: &[u8]) -> Result<ElfHeader, ExecFault> {
    match recognise(head)? {
        Format::Elf(header) => Ok(header),
        Format::Script(script) => panic!("taken for a script: {script:?}"),
    }
}

fn plan_of(kind: u16, entry: u64, headers: &[Phdr]) -> Result<ExecPlan, ExecFault> {
    let head = head_of(kind, entry, u16::try_from(headers.len()).unwrap());
    elf_of(&head)?.plan(&table_of(headers), FILE_SIZE, &bounds())
}

fn text_and_data() -> [Phdr; 2] {
    [load(5, 0, 0x40_0000, 0x1234, 0x1234), load(6, 0x1240, 0x40_2240, 0x100, 0x3000)]
}

#[test]
fn a_static_program_comes_out_page_by_page() {
    let plan = plan_of(2, 0x40_0100, &text_and_data()).unwrap();
    assert_eq!((plan.entry, plan.load_bias, plan.is_pie), (0x40_0100, 0, false));
    assert_eq!((plan.phdr_vaddr, plan.phdr_count, plan.phdr_size), (0x40_0040, 2, 56));
    assert_eq!(plan.stack_protection, RW);
    assert_eq!(plan.brk_start, 0x40_6000);
    let [text, data] = &plan.segments[..] else { panic!("{plan:?}") };
    assert_eq!((text.protection, text.pages()), (RX, 0x40_0000..0x40_2000));
    assert_eq!((text.file_pages(), text.zero_pages()), (0x40_0000..0x40_2000, 0x40_2000..0x40_2000));
    assert!(text.zero_tail().is_empty());
    assert_eq!((data.protection, data.pages()), (RW, 0x40_2000..0x40_6000));
    assert_eq!((data.file_pages(), data.file_page_offset()), (0x40_2000..0x40_3000, 0x1000));
    assert_eq!(data.zero_tail(), 0x40_2340..0x40_3000);
    assert_eq!(data.zero_pages(), 0x40_3000..0x40_6000);
}

#[test]
fn a_position_independent_program_is_moved_as_a_whole() {
    let mut headers = text_and_data();
    for header in &mut headers {
        header.vaddr -= 0x40_0000;
        header.align = 0x1_0000;
    }
    let plan = plan_of(3, 0x100, &headers).unwrap();
    assert!(plan.is_pie);
    assert_eq!(plan.load_bias, 0x2aaa_aaab_0000, "aligned to 64 KiB");
    assert_eq!(plan.entry, plan.load_bias + 0x100);
    assert_eq!(plan.phdr_vaddr, plan.load_bias + 0x40);
    assert_eq!(plan.segments[1].zero_tail(), plan.load_bias + 0x2340..plan.load_bias + 0x3000);
    // One that is linked to a high address lands in the same place.
    let plan = plan_of(3, 0x40_0100, &text_and_data()).unwrap();
    assert_eq!(plan.segments[0].vaddr, 0x2aaa_aaaa_a000);
}

#[test]
fn a_segment_without_file_bytes_is_all_zeroes() {
    let headers = [load(5, 0, 0x40_0000, 0x100, 0x100), load(6, 0x777, 0x40_1010, 0, 0x20)];
    let plan = plan_of(2, 0x40_0000, &headers).unwrap();
    let bss = &plan.segments[1];
    assert!(bss.file_pages().is_empty() && bss.zero_tail().is_empty());
    assert_eq!(bss.zero_pages(), 0x40_1000..0x40_2000);
}

#[test]
fn segments_that_meet_in_a_page_share_it_as_on_linux() {
    let headers = [load(5, 0, 0x40_0000, 0x1800, 0x1800), load(6, 0x1800, 0x40_1800, 0x100, 0x100)];
    let plan = plan_of(2, 0x40_0000, &headers).unwrap();
    assert_eq!(plan.segments[0].pages(), 0x40_0000..0x40_1000);
    assert_eq!(plan.segments[1].pages(), 0x40_1000..0x40_2000);
    // A segment that lies wholly in the shared page disappears.
    let headers = [load(4, 0, 0x40_0000, 0x100, 0x100), load(5, 0x100, 0x40_0100, 0x100, 0x100)];
    let plan = plan_of(2, 0x40_0100, &headers).unwrap();
    assert_eq!(plan.segments.len(), 1);
    assert_eq!(plan.phdr_vaddr, 0x40_0040);
}

#[test]
fn only_pt_gnu_stack_makes_the_stack_executable() {
    let stack = |flags| Phdr { kind: 0x6474_e551, ..load(flags, 0, 0, 0, 0) };
    let [text, data] = text_and_data();
    for (flags, protection) in [(6, RW), (7, RW | Protection::EXEC)] {
        let plan = plan_of(2, 0x40_0100, &[text.clone(), data.clone(), stack(flags)]).unwrap();
        assert_eq!(plan.stack_protection, protection);
    }
}

#[test]
fn a_program_that_needs_a_loader_says_so() {
    let [text, data] = text_and_data();
    let loader = Phdr { kind: 3, ..load(4, 0x238, 0x40_0238, 27, 27) };
    let fault = plan_of(3, 0x40_0100, &[text, data, loader]).unwrap_err();
    assert_eq!(fault, ExecFault::NeedsLoader(0x238..0x253));
    assert_eq!(Errno::from(fault), Errno::ENOENT);
}

#[test]
fn every_broken_segment_is_named() {
    let text = load(5, 0, 0x40_0000, 0x1000, 0x1000);
    let cases = [
        (load(6, 0, 0x50_0000, 0x20, 0x10), ExecFault::FileLargerThanMemory(1)),
        (load(6, 0, 0, 0x10, 0x10), ExecFault::OutOfBounds(1)),
        (load(6, 0, 0x50_0000, 0, u64::MAX), ExecFault::OutOfBounds(1)),
        (load(6, 0, u64::MAX - 0x100, 0, 0x100), ExecFault::OutOfBounds(1)),
        (load(6, 0, (1 << 47) - P, 0, P + 1), ExecFault::OutOfBounds(1)),
        (load(6, 1, 0x50_0000, 0x10, 0x10), ExecFault::Misaligned(1)),
        (load(6, FILE_SIZE - P, 0x50_0000, P + 1, P + 1), ExecFault::Truncated),
        (load(6, 0u64.wrapping_sub(P), 0x50_0000, P, P), ExecFault::Truncated),
        (load(6, 0, 0x40_0000, 0x10, 0x10), ExecFault::Overlap(1)),
    ];
    for (broken, fault) in cases {
        assert_eq!(plan_of(2, 0x40_0000, &[text.clone(), broken]), Err(fault.clone()));
        assert_eq!(fault.errno(), Errno::ENOEXEC);
    }
    let in_last_page = load(6, 0, (1 << 47) - P, 0, P);
    assert!(plan_of(2, 0x40_0000, &[text, in_last_page]).is_ok());
}

#[test]
fn a_program_needs_text_and_an_entry_in_it() {
    let empty = load(5, 0, 0x40_0000, 0, 0);
    assert_eq!(plan_of(2, 0x40_0000, std::slice::from_ref(&empty)), Err(ExecFault::NothingToLoad));
    assert_eq!(plan_of(3, 0x40_0000, &[empty]), Err(ExecFault::NothingToLoad));
    for entry in [0, 0x40_2300, u64::MAX] {
        assert_eq!(plan_of(2, entry, &text_and_data()), Err(ExecFault::BadEntry));
        assert_eq!(plan_of(3, entry, &text_and_data()), Err(ExecFault::BadEntry));
    }
}

#[test]
fn every_broken_header_is_named() {
    let good = head_of(2, 0x40_0000, 2);
    let broken = |at: usize, value: u8| {
        let mut head = good.clone();
        head[at] = value;
        elf_of(&head)
    };
    assert_eq!(elf_of(&good).unwrap().table_range(), 64..64 + 112);
    assert_eq!(broken(0, 0), Err(ExecFault::UnknownFormat));
    assert_eq!(broken(4, 1), Err(ExecFault::WrongClass));
    assert_eq!(broken(5, 2), Err(ExecFault::WrongClass));
    assert_eq!(broken(16, 1), Err(ExecFault::WrongType(1)));
    assert_eq!(broken(18, 62), Err(ExecFault::WrongMachine(62)));
    assert_eq!(broken(54, 57), Err(ExecFault::BadProgramHeaders));
    assert_eq!(broken(56, 0), Err(ExecFault::BadProgramHeaders));
    assert_eq!(broken(56, 129), Err(ExecFault::BadProgramHeaders));
    assert_eq!(elf_of(&good[..63]), Err(ExecFault::Truncated));
    assert_eq!(elf_of(b""), Err(ExecFault::UnknownFormat));
    let mut head = good.clone();
    head[32..40].fill(0xff);
    assert_eq!(elf_of(&head), Err(ExecFault::BadProgramHeaders));
    let table = table_of(&text_and_data());
    let header = elf_of(&good).unwrap();
    assert_eq!(header.plan(&table[..111], FILE_SIZE, &bounds()), Err(ExecFault::Truncated));
    let wrong = broken(18, 62).unwrap_err();
    assert_eq!(wrong.to_string(), "built for another machine (e_machine 62)");
}

fn script(head: &[u8]) -> Result<(&str, Option<&str>), ExecFault> {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    match recognise(head)? {
        Format::Script(script) => Ok((text(script.interpreter), script.argument.map(text))),
        Format::Elf(_) => panic!("taken for ELF"),
    }
}

#[test]
fn a_script_names_its_interpreter_and_one_argument() {
    assert_eq!(script(b"#!/bin/sh\necho"), Ok(("/bin/sh", None)));
    assert_eq!(script(b"#! \t/bin/sh  -e -x \t\necho"), Ok(("/bin/sh", Some("-e -x"))));
    assert_eq!(script(b"#!/bin/sh"), Ok(("/bin/sh", None)), "the line ends with the file");
    assert_eq!(script(b"#!/bin/sh -e\0junk\n"), Ok(("/bin/sh", Some("-e"))));
    for bad in [&b"#!"[..], b"#!\n/bin/sh", b"#!   \n", b"#!\0/bin/sh\n", b"#! \t "] {
        assert_eq!(script(bad), Err(ExecFault::BadScriptLine), "{bad:?}");
    }
}

#[test]
fn a_script_line_may_lose_its_argument_but_not_its_interpreter() {
    let mut head = b"#!/bin/sh ".to_vec();
    head.resize(HEAD_SIZE, b'a');
    let (interpreter, argument) = script(&head).unwrap();
    assert_eq!((interpreter, argument.unwrap().len()), ("/bin/sh", SCRIPT_LINE_MAX - 10));
    let mut head = b"#!  /".to_vec();
    head.resize(HEAD_SIZE, b'a');
    assert_eq!(script(&head), Err(ExecFault::BadScriptLine));
    head[HEAD_SIZE - 1] = b'\n';
    assert_eq!(script(&head).unwrap().0.len(), SCRIPT_LINE_MAX - 4);
    assert_eq!(script(&[b"#!".to_vec(), vec![b' '; 300]].concat()), Err(ExecFault::BadScriptLine));
}
