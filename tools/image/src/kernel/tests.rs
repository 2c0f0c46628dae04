//! Images of small ELF files that are put together here, and what is refused.

use object::elf;

use super::*;

const BASE: u64 = 0xffff_8000_0000_0000;
const HEADER_BYTES: usize = 64;
const SEGMENT_BYTES: usize = 56;
const SECTION_BYTES: usize = 64;
const ROOM_OFFSET: usize = 0x100;
const IMAGE_BYTES: usize = 0x400;

/// A kernel in small: one segment with header, room for the table, and two functions.
struct Sample {
    machine: u16,
    magic: &'static [u8],
    room_bytes: usize,
    room_kind: u32,
    room_address: u64,
    segment_address: u64,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            machine: elf::EM_AARCH64.0,
            magic: MAGIC,
            room_bytes: 0x80,
            room_kind: elf::SHT_PROGBITS.0,
            room_address: BASE + ROOM_OFFSET as u64,
            segment_address: BASE,
        }
    }
}

fn words(fields: &[(usize, u64)]) -> Vec<u8> {
    fields.iter().flat_map(|(size, value)| value.to_le_bytes()[..*size].to_vec()).collect()
}

fn section(name: u64, kind: u32, address: u64, offset: usize, size: usize, link: u64, entry: u64) -> Vec<u8> {
    let kind = u64::from(kind);
    words(&[
        (4, name),
        (4, kind),
        (8, 2),
        (8, address),
        (8, offset as u64),
        (8, size as u64),
        (4, link),
        (4, 0),
        (8, 8),
        (8, entry),
    ])
}

fn symbol(name: u64, info: u64, address: u64) -> Vec<u8> {
    words(&[(4, name), (1, info), (1, 0), (2, 1), (8, address), (8, 4)])
}

impl Sample {
    /// Header, program header, contents, names, symbols, section headers.
    fn elf(&self) -> Vec<u8> {
        let names = b"\0.symbols\0.symtab\0.strtab\0__kernel_start\0early\0late\0".to_vec();
        let name = |wanted: &[u8]| names.windows(wanted.len()).position(|part| part == wanted).unwrap() as u64;
        let contents_at = HEADER_BYTES + SEGMENT_BYTES;
        let names_at = contents_at + IMAGE_BYTES;
        let symbols_at = names_at + names.len();
        let (function, plain) = (0x12, 0x10);
        let symbols = [
            symbol(0, 0, 0),
            symbol(name(b"__kernel_start\0"), plain, BASE),
            symbol(name(b"late\0"), function, BASE + 0x300),
            symbol(name(b"early\0"), function, BASE + 0x200),
        ]
        .concat();
        let sections_at = symbols_at + symbols.len();
        let ident = [&b"\x7fELF\x02\x01\x01"[..], &[0; 9]].concat();
        let header = words(&[
            (2, 2),
            (2, u64::from(self.machine)),
            (4, 1),
            (8, BASE),
            (8, HEADER_BYTES as u64),
            (8, sections_at as u64),
            (4, 0),
            (2, HEADER_BYTES as u64),
            (2, SEGMENT_BYTES as u64),
            (2, 1),
            (2, SECTION_BYTES as u64),
            (2, 4),
            (2, 3),
        ]);
        let size = IMAGE_BYTES as u64;
        let segment = words(&[
            (4, 1),
            (4, 5),
            (8, contents_at as u64),
            (8, self.segment_address),
            (8, 0),
            (8, size),
            (8, size * 2),
            (8, 16),
        ]);
        let mut contents = vec![0xaa; IMAGE_BYTES];
        contents[MAGIC_OFFSET..MAGIC_OFFSET + MAGIC.len()].copy_from_slice(self.magic);
        let sections = [
            section(0, 0, 0, 0, 0, 0, 0),
            section(
                name(b".symbols\0"),
                self.room_kind,
                self.room_address,
                contents_at + ROOM_OFFSET,
                self.room_bytes,
                0,
                0,
            ),
            section(name(b".symtab\0"), elf::SHT_SYMTAB.0, 0, symbols_at, symbols.len(), 3, 24),
            section(name(b".strtab\0"), elf::SHT_STRTAB.0, 0, names_at, names.len(), 0, 0),
        ]
        .concat();
        [ident, header, segment, contents, names, symbols, sections].concat()
    }
}

fn refusal(sample: &Sample) -> String {
    format!("{:#}", image(&sample.elf()).unwrap_err())
}

#[test]
fn image_is_the_segment_with_the_table_in_its_room() {
    let sample = Sample::default();
    let image = image(&sample.elf()).unwrap();
    assert_eq!(image.len(), IMAGE_BYTES);
    let expected = table(vec![
        Function { offset: 0x200, mangled_name: "early" },
        Function { offset: 0x300, mangled_name: "late" },
    ])
    .unwrap();
    let (room, after) = image[ROOM_OFFSET..].split_at(sample.room_bytes);
    assert_eq!(&room[..expected.len()], expected);
    assert!(room[expected.len()..].iter().all(|byte| *byte == 0));
    assert!(after.iter().all(|byte| *byte == 0xaa));
}

#[test]
fn room_too_small_is_refused_with_the_size_needed() {
    // Magic and count, two entries, "early" and "late" with their NULs.
    let refusal = refusal(&Sample { room_bytes: 34, ..Sample::default() });
    assert!(refusal.contains("34 bytes") && refusal.contains("need 35"), "{refusal}");
    assert!(image(&Sample { room_bytes: 35, ..Sample::default() }.elf()).is_ok());
}

#[test]
fn room_outside_the_image_is_refused() {
    for room_address in [BASE - 0x100, BASE + IMAGE_BYTES as u64 - 1, u64::MAX] {
        let refusal = refusal(&Sample { room_address, ..Sample::default() });
        assert!(refusal.contains("outside"), "{refusal}");
    }
    let refusal = refusal(&Sample { room_kind: elf::SHT_NOBITS.0, ..Sample::default() });
    assert!(refusal.contains("NOBITS"), "{refusal}");
}

#[test]
fn other_machines_and_headerless_files_are_refused() {
    assert!(refusal(&Sample { machine: elf::EM_X86_64.0, ..Sample::default() }).contains("AArch64"));
    assert!(refusal(&Sample { magic: b"MZ\0\0", ..Sample::default() }).contains("boot header"));
}

#[test]
fn truncated_files_are_refused_and_never_panic() {
    let whole = Sample::default().elf();
    for len in 0..whole.len() {
        assert!(image(&whole[..len]).is_err(), "{len}");
    }
}
