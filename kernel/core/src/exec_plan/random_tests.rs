//! Hostile files by the thousand: none may panic, and whatever is accepted must hold what the plan promises.

use std::vec::Vec;

use proptest::prelude::*;

use super::tests::{FILE_SIZE, P, Phdr, bounds, head_of, load, table_of};
use super::*;
use crate::areas::PAGE_SIZE;

/// Numbers at the edges, where overflow lives, and ordinary ones.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => (0..64u64, 0..3 * P).prop_map(|(page, extra)| 0x40_0000 + page * P + extra % P * (extra / P)),
        1 => any::<u64>(),
        1 => (0..64u32, -2..3i64).prop_map(|(bit, delta)| (1u64 << bit).wrapping_add_signed(delta)),
    ]
}

fn phdr() -> impl Strategy<Value = Phdr> {
    let kind = prop_oneof![20 => Just(1u32), 2 => Just(0x6474_e551), 1 => Just(3), 1 => any::<u32>()];
    let size = prop_oneof![8 => 0..4 * P, 1 => number()];
    let growth = prop_oneof![3 => Just(0u64), 3 => 0..3 * P, 1 => number()];
    (kind, 0..8u32, number(), 0..16u64, size, growth, number(), 0..12u8).prop_map(
        |(kind, flags, vaddr, page, filesz, growth, odd, twist)| {
            // Mostly congruent with the address, so that many headers pass.
            let offset = if twist == 0 { odd } else { page * P + vaddr % P };
            let align = if twist == 1 { odd } else { P << (twist % 5) };
            Phdr { kind, align, ..load(flags, offset, vaddr, filesz, filesz.wrapping_add(growth)) }
        },
    )
}

fn check_plan(plan: &ExecPlan) {
    let mut reached = bounds().lowest;
    for segment in &plan.segments {
        let pages = segment.pages();
        assert!(pages.start >= reached && pages.start < pages.end && pages.end <= bounds().limit);
        reached = pages.end;
        assert!(segment.mem_size > 0 && segment.file_size <= segment.mem_size);
        assert_eq!(segment.file_pages().start, pages.start);
        assert_eq!((segment.file_pages().end, pages.end), (segment.zero_pages().start, segment.zero_pages().end));
        assert!([pages.start, pages.end, segment.zero_pages().start].iter().all(|address| address % PAGE_SIZE == 0));
        if segment.file_size > 0 {
            let file_end = segment.file_offset + segment.file_size as u64;
            assert!(segment.file_page_offset() % P == 0 && file_end <= FILE_SIZE);
            // Every byte of memory after those of the file is zeroed in one way or the other.
            let file_end = segment.vaddr + segment.file_size;
            let zeroed_from = if segment.zero_tail().is_empty() { segment.zero_pages().start } else { file_end };
            assert!(segment.zero_tail().end <= segment.file_pages().end);
            assert!(zeroed_from == file_end || segment.file_size == segment.mem_size);
        }
    }
    let entered = plan.segments.iter().any(|segment| segment.pages().contains(&plan.entry));
    assert!(entered && plan.brk_start == reached);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn random_bytes_never_panic(head in prop::collection::vec(any::<u8>(), 0..300), magic in 0..3u8) {
        let mut head = head;
        let start: &[u8] = [&b""[..], b"\x7fELF\x02\x01\x01", b"#!"][usize::from(magic)];
        for (byte, wanted) in head.iter_mut().zip(start) {
            *byte = *wanted;
        }
        if let Ok(Format::Script(script)) = recognise(&head) {
            prop_assert!(!script.interpreter.is_empty());
            prop_assert!(!script.interpreter.iter().any(|byte| b" \t\n\0".contains(byte)));
            prop_assert!(script.argument.is_none_or(|argument| !argument.is_empty()));
        }
    }

    #[test]
    fn mutated_headers_never_panic_and_plans_keep_their_promises(
        mut headers in prop::collection::vec(phdr(), 1..5),
        pie in any::<bool>(),
        in_first in any::<bool>(),
        entry in number(),
        mutations in prop::collection::vec((0..500usize, any::<u8>()), 0..3),
    ) {
        let mut entry = entry;
        if in_first {
            // Half of the programs have an entry point that may be good.
            entry = headers[0].vaddr;
            headers[0].flags |= 1;
        }
        let count = u16::try_from(headers.len()).unwrap();
        let mut head = head_of(if pie { 3 } else { 2 }, entry, count);
        let mut table = table_of(&headers);
        for (at, value) in mutations {
            let (bytes, at): (&mut Vec<u8>, usize) =
                if at < 64 { (&mut head, at) } else { (&mut table, at - 64) };
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        if let Ok(Format::Elf(header)) = recognise(&head)
            && let Ok(plan) = header.plan(&table, FILE_SIZE, &bounds())
        {
            check_plan(&plan);
        }
    }
}
