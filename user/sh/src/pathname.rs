//! Pathname expansion: a pattern with slashes against the file system. Reads directories.
//! Specification: POSIX.1-2024, Shell Command Language, section 2.6.6 and 2.14.3.

use crate::pattern::{Field, Pattern, Quoting};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The names that match `field`, sorted; empty when it is no pattern or nothing matches.
pub fn matching_names(field: &Field) -> Vec<Vec<u8>> {
    if !Pattern::new(field).is_wild() {
        return Vec::new();
    }
    let mut found = vec![Vec::new()];
    let segments = segments(field);
    for (index, segment) in segments.iter().enumerate() {
        let is_last = index + 1 == segments.len();
        found = found.iter().flat_map(|prefix| step(prefix, segment, is_last)).collect();
    }
    found.sort();
    found
}

/// A part of the path with the slashes behind it.
struct Segment {
    text: Field,
    slashes: usize,
}

fn segments(field: &Field) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut current = Segment { text: Field::default(), slashes: 0 };
    for (byte, quoted) in field.marked() {
        if byte == b'/' {
            current.slashes += 1;
            continue;
        }
        if current.slashes > 0 {
            segments.push(std::mem::replace(&mut current, Segment { text: Field::default(), slashes: 0 }));
        }
        current.text.push(&[byte], if quoted { Quoting::Quoted } else { Quoting::Unquoted });
    }
    segments.push(current);
    segments
}

/// The continuations of `prefix` by one segment.
fn step(prefix: &[u8], segment: &Segment, is_last: bool) -> Vec<Vec<u8>> {
    let pattern = Pattern::new(&segment.text);
    let extend = |name: &[u8]| {
        let mut path = prefix.to_vec();
        path.extend_from_slice(name);
        path.resize(path.len() + segment.slashes, b'/');
        path
    };
    if !pattern.is_wild() {
        let path = extend(&segment.text.bytes);
        // Links that lead nowhere are names all the same.
        let exists = !is_last || fs::symlink_metadata(OsStr::from_bytes(&path)).is_ok();
        return if exists { vec![path] } else { Vec::new() };
    }
    let directory = if prefix.is_empty() { OsStr::new(".") } else { OsStr::from_bytes(prefix) };
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let names = entries.flatten().map(|entry| entry.file_name().into_vec());
    names
        .filter(|name| (name.first() != Some(&b'.') || pattern.starts_with(b'.')) && pattern.matches(name))
        .map(|name| extend(&name))
        .filter(|path| segment.slashes == 0 || fs::metadata(OsStr::from_bytes(path)).is_ok_and(|data| data.is_dir()))
        .collect()
}
