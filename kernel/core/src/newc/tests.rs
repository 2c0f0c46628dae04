//! Tests of the archive reader: well-formed archives, broken ones, and random ones against the list they were made from.

use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// A file to be archived.
#[derive(Clone, Debug, PartialEq, Eq)]
struct File {
    ino: u32,
    mode: u32,
    nlink: u32,
    name: Vec<u8>,
    data: Vec<u8>,
}

fn file(name: &str, mode: u32, data: &[u8]) -> File {
    File { ino: 7, mode, nlink: 1, name: name.as_bytes().to_vec(), data: data.to_vec() }
}

fn pad(image: &mut Vec<u8>) {
    image.resize(image.len().next_multiple_of(4), 0);
}

fn append(image: &mut Vec<u8>, magic: &str, file: &File) {
    let sum: u32 = file.data.iter().map(|&byte| u32::from(byte)).sum();
    let sizes = [file.data.len(), file.name.len() + 1].map(|size| u32::try_from(size).unwrap());
    let numbers = [file.ino, file.mode, 1000, 100, file.nlink, 0x6000_0000, sizes[0], 8, 1, 5, 2, sizes[1], sum];
    let digits: String = numbers.iter().map(|number| format!("{number:08x}")).collect();
    image.extend(magic.bytes().chain(digits.bytes()));
    image.extend(file.name.iter().copied().chain([0]));
    pad(image);
    image.extend(&file.data);
    pad(image);
}

fn archive(files: &[File]) -> Vec<u8> {
    let mut image = Vec::new();
    for file in files {
        append(&mut image, "070701", file);
    }
    append(&mut image, "070701", &file("TRAILER!!!", 0, b""));
    image
}

/// The names of the entries, and the fault that ended them.
fn read(image: &[u8]) -> (Vec<String>, Option<Fault>) {
    let mut names = Vec::new();
    let mut entries = Entries::new(image);
    for entry in &mut entries {
        match entry {
            Ok(entry) => names.push(String::from_utf8(entry.name.to_vec()).unwrap()),
            Err(fault) => {
                assert!(entries.next().is_none());
                return (names, Some(fault));
            }
        }
    }
    assert!(entries.next().is_none());
    (names, None)
}

fn fault(image: &[u8]) -> (usize, FaultKind) {
    let fault = read(image).1.expect("the image is broken");
    (fault.offset, fault.kind)
}

fn two_files() -> Vec<u8> {
    archive(&[file("init", 0o100_755, b"#!x"), file("etc", 0o040_755, b"")])
}

#[test]
fn every_field_comes_out() {
    let image = archive(&[file("dev/console", 0o020_600, b"")]);
    let entry = Entries::new(&image).next().unwrap().unwrap();
    assert_eq!(
        (entry.offset, entry.archive, entry.ino, entry.kind(), entry.permissions()),
        (0, 0, 7, 0o020_000, 0o600)
    );
    assert_eq!((entry.uid, entry.gid, entry.nlink, entry.mtime_s), (1000, 100, 1, 0x6000_0000));
    assert_eq!(entry.device, DeviceNumber { major: 8, minor: 1 });
    assert_eq!(entry.special_device, DeviceNumber { major: 5, minor: 2 });
    assert_eq!((entry.name, entry.data), (&b"dev/console"[..], &b""[..]));
}

#[test]
fn an_image_may_be_empty_or_hold_several_archives_among_zeroes() {
    assert_eq!(read(b""), (vec![], None));
    assert_eq!(read(&[0; 512]), (vec![], None));
    let mut image = two_files();
    image.resize(image.len() + 508, 0);
    image.extend(archive(&[file("late", 0o100_644, b"data")]));
    image.extend([0; 3]);
    assert_eq!(read(&image), (vec!["init".to_string(), "etc".to_string(), "late".to_string()], None));
    assert_eq!(Entries::new(&image).last().unwrap().unwrap().archive, 1);
}

#[test]
fn hard_links_are_found_and_the_last_carries_the_data() {
    let link = |name: &str, data: &[u8]| File { nlink: 3, ..file(name, 0o100_644, data) };
    let mut image = archive(&[link("a", b""), link("b", b""), file("other", 0o100_644, b""), link("c", b"data")]);
    // Another archive numbers its inodes anew.
    image.extend(archive(&[link("d", b"")]));
    let mut links = HardLinks::new();
    let found: Vec<_> = Entries::new(&image)
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.name, links.earlier_name(&entry), entry.data.len())
        })
        .collect();
    let a = Some(&b"a"[..]);
    assert_eq!(found, [(&b"a"[..], None, 0), (b"b", a, 0), (b"other", None, 0), (b"c", a, 4), (b"d", None, 0)]);
}

#[test]
fn a_checksum_is_verified() {
    let mut image = Vec::new();
    append(&mut image, "070702", &file("good", 0o100_644, b"data"));
    append(&mut image, "070702", &file("bad", 0o100_644, b"data"));
    let second = 110 + 6 + 4;
    image[second + 110 + 6] ^= 1;
    let (names, found) = read(&image);
    assert_eq!(
        (names, found),
        (vec!["good".to_string()], Some(Fault { offset: second, kind: FaultKind::BadChecksum }))
    );
}

#[test]
fn every_truncation_is_an_error() {
    let image = two_files();
    let trailer = image.len() - 124;
    for len in 1..image.len() {
        let (_, found) = read(&image[..len]);
        // Only padding may be missing: the two bytes behind "TRAILER!!!\0".
        assert_eq!(found.is_none(), len >= trailer + 121, "{len}");
    }
    assert_eq!(fault(&image[..trailer]), (trailer, FaultKind::NoTrailer));
    assert_eq!(fault(&image[..trailer + 3]), (trailer, FaultKind::Truncated));
}

#[test]
fn every_broken_header_is_named_with_its_offset() {
    let broken = |at: usize, bytes: &[u8]| {
        let mut image = two_files();
        image[at..at + bytes.len()].copy_from_slice(bytes);
        fault(&image)
    };
    let second = 120;
    assert_eq!(broken(0, b"x"), (0, FaultKind::BadMagic));
    assert_eq!(broken(second, &[0; 8]), (second, FaultKind::BadMagic), "zeroes belong between archives");
    assert_eq!(broken(second, b"070707"), (second, FaultKind::OldFormat));
    assert_eq!(broken(second + 6, b"0000000g"), (second, FaultKind::BadNumber));
    assert_eq!(broken(second + 6, b"+0000001"), (second, FaultKind::BadNumber));
    assert_eq!(broken(94, b"00000000"), (0, FaultKind::BadName));
    assert_eq!(broken(94, b"00001001"), (0, FaultKind::BadName));
    assert_eq!(broken(114, b"x"), (0, FaultKind::BadName));
    assert_eq!(broken(54, b"ffffffff"), (0, FaultKind::Truncated));
    assert_eq!(fault(&[&[0; 2][..], &two_files()].concat()), (2, FaultKind::Unaligned));
}

#[test]
fn a_compressed_image_is_named() {
    assert_eq!(fault(b"\x1f\x8b\x08rest"), (0, FaultKind::Compressed(Compression::Gzip)));
    let image = [&two_files()[..], &[0; 8], &[0x28, 0xb5, 0x2f, 0xfd, 9]].concat();
    let found = read(&image).1.unwrap();
    assert_eq!(found.to_string(), format!("initramfs, at offset {:#x}: compressed with zstd", image.len() - 5));
}

fn files() -> impl Strategy<Value = Vec<File>> {
    let one = (any::<u32>(), any::<u32>(), any::<u32>(), "[a-z/.]{1,20}", prop::collection::vec(any::<u8>(), 0..40));
    let one = one.prop_map(|(ino, mode, nlink, name, data)| File { ino, mode, nlink, name: name.into_bytes(), data });
    prop::collection::vec(one, 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_was_archived_comes_out(lists in prop::collection::vec(files(), 0..4), zeroes in 0..40usize) {
        let images = lists.iter().map(|files| [archive(files), vec![0; zeroes * 4]].concat());
        let image = images.collect::<Vec<_>>().concat();
        let found = Entries::new(&image).map(|entry| {
            let Entry { archive, ino, mode, nlink, name, data, .. } = entry.unwrap();
            (archive, File { ino, mode, nlink, name: name.to_vec(), data: data.to_vec() })
        });
        let numbered = lists.into_iter().enumerate();
        let expected = numbered.flat_map(|(index, files)| files.into_iter().map(move |file| (index, file)));
        prop_assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }

    #[test]
    fn mutated_images_never_panic(files in files(), mutations in prop::collection::vec((0..600usize, any::<u8>()), 1..5)) {
        let mut image = archive(&files);
        for (at, value) in mutations {
            if let Some(byte) = image.get_mut(at) {
                *byte = value;
            }
        }
        let mut reached = 0;
        for entry in Entries::new(&image) {
            let offset = entry.map_or_else(|fault| fault.offset, |entry| entry.offset);
            prop_assert!(reached <= offset && offset <= image.len());
            reached = offset;
        }
    }
}
