//! Tests of the start-up stack: it is read back the way a C library's start-up code reads it.

use std::collections::BTreeMap;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const TOP: usize = 0x7fff_ffff_f000;

/// The memory of a new process, as far as its start-up code looks.
struct Memory {
    start: usize,
    bytes: Vec<u8>,
}

impl Memory {
    fn of(stack: &StartStack<'_>) -> Self {
        let mut bytes = Vec::new();
        for (address, piece) in stack.pieces() {
            assert_eq!(address, stack.sp + bytes.len(), "the pieces are not contiguous");
            bytes.extend_from_slice(piece);
        }
        assert_eq!(stack.sp + bytes.len(), TOP);
        Self { start: stack.sp, bytes }
    }

    fn word(&self, address: usize) -> usize {
        let at = address - self.start;
        usize::try_from(u64::from_le_bytes(self.bytes[at..at + 8].try_into().unwrap())).unwrap()
    }

    fn string(&self, address: usize) -> Vec<u8> {
        let text = &self.bytes[address - self.start..];
        text[..text.iter().position(|&byte| byte == 0).unwrap()].to_vec()
    }

    /// Follows pointers from `address` to the null; returns the strings and the address after the null.
    fn strings(&self, mut address: usize) -> (Vec<Vec<u8>>, usize) {
        let mut found = Vec::new();
        while self.word(address) != 0 {
            found.push(self.string(self.word(address)));
            address += 8;
        }
        (found, address + 8)
    }

    fn auxv(&self, mut address: usize) -> BTreeMap<usize, usize> {
        let mut found = BTreeMap::new();
        while self.word(address) != 0 {
            assert_eq!(found.insert(self.word(address), self.word(address + 8)), None);
            address += 16;
        }
        found
    }
}

fn list(strings: &[&[u8]]) -> StringList {
    let mut list = StringList::new();
    for string in strings {
        list.push(string).unwrap();
    }
    list
}

fn input<'a>(arguments: &'a StringList, environment: &'a StringList) -> StartInput<'a> {
    StartInput {
        arguments,
        environment,
        exec_path: b"/bin/program",
        auxiliary: AuxiliaryValues {
            phdr_vaddr: 0x40_0040,
            phdr_size: 56,
            phdr_count: 6,
            entry: 0x40_0100,
            uid: 1000,
            hwcap: 0xfb,
            minimum_signal_stack: 5000,
            vdso: Some(0x7fff_0000),
            ..AuxiliaryValues::default()
        },
        random: *b"0123456789abcdef",
        stack_top: TOP,
        stack_limit: 8 << 20,
    }
}

#[test]
fn a_c_library_finds_everything() {
    let (arguments, environment) = (list(&[b"program", b"", b"-x"]), list(&[b"HOME=/", b"TERM=linux"]));
    let stack = StartStack::build(&input(&arguments, &environment)).unwrap();
    let memory = Memory::of(&stack);
    assert_eq!(stack.sp % 16, 0);
    assert_eq!(memory.word(stack.sp), 3);
    let (argv, next) = memory.strings(stack.sp + 8);
    assert_eq!(argv, [&b"program"[..], b"", b"-x"]);
    let (envp, next) = memory.strings(next);
    assert_eq!(envp, [&b"HOME=/"[..], b"TERM=linux"]);
    assert_eq!(stack.auxiliary_range, next..next + AUXV_MAX * 16);
    let auxv = memory.auxv(next);
    // The numbers are spelled out here: they are the ABI.
    let expected =
        [(3, 0x40_0040), (4, 56), (5, 6), (6, 4096), (7, 0), (8, 0), (9, 0x40_0100), (11, 1000), (12, 0), (13, 0)];
    for (key, value) in
        expected.into_iter().chain([(14, 0), (16, 0xfb), (17, 100), (23, 0), (26, 0), (33, 0x7fff_0000), (51, 5000)])
    {
        assert_eq!(auxv.get(&key), Some(&value), "auxv {key}");
    }
    assert_eq!(memory.string(auxv[&15]), b"aarch64");
    assert_eq!(memory.string(auxv[&31]), b"/bin/program");
    let random = auxv[&25] - stack.sp;
    assert_eq!(&memory.bytes[random..random + 16], b"0123456789abcdef");
    assert_eq!(auxv.len(), AUXV_MAX - 1);
    assert_eq!(memory.word(TOP - 8), 0);
    let command_line = &memory.bytes[stack.argument_range.start - stack.sp..stack.argument_range.end - stack.sp];
    assert_eq!(command_line, b"program\0\0-x\0");
}

#[test]
fn a_program_always_has_an_argument_and_may_lack_a_vdso() {
    let empty = StringList::new();
    let mut input = input(&empty, &empty);
    input.auxiliary.vdso = None;
    let stack = StartStack::build(&input).unwrap();
    let memory = Memory::of(&stack);
    assert_eq!(memory.word(stack.sp), 1);
    let (argv, next) = memory.strings(stack.sp + 8);
    assert_eq!(argv, [b""]);
    assert_eq!(memory.word(next), 0);
    assert!(!memory.auxv(next + 8).contains_key(&33));
}

#[test]
fn one_string_may_have_128_kib_with_its_nul() {
    let mut list = StringList::new();
    assert_eq!(list.push(&vec![b'a'; ARGUMENT_SIZE_MAX]), Err(Errno::E2BIG));
    assert_eq!(list.push(b"a\0b"), Err(Errno::EINVAL));
    assert!(list.is_empty());
    assert_eq!(list.push(&vec![b'a'; ARGUMENT_SIZE_MAX - 1]), Ok(()));
    assert_eq!(list.cost(), ARGUMENT_SIZE_MAX + 8);
}

#[test]
fn strings_and_pointers_share_a_quarter_of_the_stack() {
    assert_eq!(argument_limit(8 << 20), 2 << 20);
    assert_eq!(argument_limit(0), 128 << 10);
    assert_eq!(argument_limit(usize::MAX), 6 << 20);
    let environment = StringList::new();
    let path_size = "/bin/program".to_string().len() + 1;
    let room = (256 << 10) - path_size - 8 - ARGUMENT_SIZE_MAX - 8;
    for (size, fits) in [(room, true), (room + 1, false)] {
        let long = vec![b'a'; ARGUMENT_SIZE_MAX - 1];
        let arguments = list(&[&long, &vec![b'b'; size - 1]]);
        let input = StartInput { stack_limit: 1 << 20, ..input(&arguments, &environment) };
        assert_eq!(StartStack::build(&input).err(), (!fits).then_some(Errno::E2BIG));
    }
}

#[test]
fn a_stack_at_the_bottom_of_memory_is_an_error() {
    let empty = StringList::new();
    for stack_top in (0..480).step_by(16) {
        let input = StartInput { stack_top, ..input(&empty, &empty) };
        assert_eq!(StartStack::build(&input).err(), (stack_top < 416).then_some(Errno::E2BIG), "{stack_top}");
    }
}

#[test]
fn a_script_replaces_its_first_argument() {
    let arguments = list(&[b"./script", b"one"]);
    let replaced = arguments.with_first_replaced(&[b"/bin/sh", b"-e", b"./script"]).unwrap();
    assert_eq!(replaced, list(&[b"/bin/sh", b"-e", b"./script", b"one"]));
    let replaced = StringList::new().with_first_replaced(&[b"/bin/sh"]).unwrap();
    assert_eq!(replaced, list(&[b"/bin/sh"]));
}

fn strings() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(1..=255u8, 0..40), 0..20)
}

proptest! {
    #[test]
    fn whatever_goes_in_comes_out(argv in strings(), envp in strings(), path in prop::collection::vec(1..=255u8, 0..60)) {
        let lists = [&argv, &envp].map(|strings| list(&strings.iter().map(Vec::as_slice).collect::<Vec<_>>()));
        let input = StartInput { exec_path: &path, ..input(&lists[0], &lists[1]) };
        let stack = StartStack::build(&input).unwrap();
        let memory = Memory::of(&stack);
        prop_assert_eq!(stack.sp % 16, 0);
        let (found, next) = memory.strings(stack.sp + 8);
        prop_assert_eq!(found.len(), memory.word(stack.sp));
        prop_assert_eq!(found, if argv.is_empty() { vec![Vec::new()] } else { argv });
        let (found, next) = memory.strings(next);
        prop_assert_eq!(found, envp);
        prop_assert_eq!(memory.string(memory.auxv(next)[&31]), path);
    }
}
