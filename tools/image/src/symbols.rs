//! The table of function names that a panicking kernel looks its return addresses up in.
//!
//! Little-endian: u32 magic, u32 count, then `count` times (u32 offset from `__kernel_start`, u32 offset of the
//! name from the table's start) in ascending order of the first, then the names, each NUL-terminated. Equal
//! names are stored once. The kernel's reader is the other half of this format.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};
use rustc_demangle::demangle;

/// "SYMB".
pub const MAGIC: u32 = 0x5359_4d42;
/// Names of generic instances can be thousands of bytes long; a line of a backtrace cannot.
pub const MAX_NAME_BYTES: usize = 120;

const HEADER_BYTES: usize = 8;
const ENTRY_BYTES: usize = 8;

/// A function of the kernel.
pub struct Function<'name> {
    /// From `__kernel_start`, in bytes.
    pub offset: u32,
    /// As the linker knows it.
    pub mangled_name: &'name str,
}

/// The table of `functions`. Of several names for one place the alphabetically first one stays.
pub fn table(functions: Vec<Function<'_>>) -> Result<Vec<u8>> {
    let mut name_of = BTreeMap::new();
    for Function { offset, mangled_name } in functions {
        let name = readable(mangled_name);
        name_of
            .entry(offset)
            .and_modify(|kept: &mut String| {
                if name < *kept {
                    kept.clone_from(&name);
                }
            })
            .or_insert(name);
    }

    let names_start = HEADER_BYTES + name_of.len() * ENTRY_BYTES;
    let mut entries = Vec::with_capacity(names_start);
    entries.extend(MAGIC.to_le_bytes());
    entries.extend(u32::try_from(name_of.len())?.to_le_bytes());
    let mut names = Vec::new();
    let mut place_of: HashMap<&str, u32> = HashMap::new();
    for (offset, name) in &name_of {
        let place = match place_of.get(name.as_str()) {
            Some(place) => *place,
            None => {
                let place = u32::try_from(names_start + names.len()).context("more than 4 GiB of names")?;
                names.extend(name.as_bytes());
                names.push(0);
                place_of.insert(name, place);
                place
            }
        };
        entries.extend(offset.to_le_bytes());
        entries.extend(place.to_le_bytes());
    }
    entries.extend(names);
    Ok(entries)
}

/// The name as the source has it, without the hash, of at most [`MAX_NAME_BYTES`].
fn readable(mangled_name: &str) -> String {
    // `{:#}` leaves the hash out. A NUL cannot be in an ELF name.
    let mut name = format!("{:#}", demangle(mangled_name));
    name.truncate(name.floor_char_boundary(MAX_NAME_BYTES));
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(offset: u32, mangled_name: &str) -> Function<'_> {
        Function { offset, mangled_name }
    }

    fn word(table: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(table[at..at + 4].try_into().unwrap())
    }

    /// Reads the table as the kernel does.
    fn read(table: &[u8]) -> Vec<(u32, String)> {
        assert_eq!(word(table, 0), MAGIC);
        (0..word(table, 4) as usize)
            .map(|index| {
                let entry = HEADER_BYTES + index * ENTRY_BYTES;
                let name = &table[word(table, entry + 4) as usize..];
                let len = name.iter().position(|byte| *byte == 0).unwrap();
                (word(table, entry), String::from_utf8(name[..len].to_vec()).unwrap())
            })
            .collect()
    }

    #[test]
    fn entries_ascend_whatever_the_order_given() {
        let table = table(vec![function(30, "c"), function(10, "a"), function(20, "b")]).unwrap();
        assert_eq!(read(&table), [(10, "a".into()), (20, "b".into()), (30, "c".into())]);
    }

    #[test]
    fn names_are_demangled_without_their_hash() {
        let table = table(vec![
            function(0, "_ZN7postern5sched6switch17h0123456789abcdefE"),
            function(4, "_RNvNtCs1234_7postern4trap6on_irq"),
        ])
        .unwrap();
        assert_eq!(read(&table), [(0, "postern::sched::switch".into()), (4, "postern::trap::on_irq".into())]);
    }

    #[test]
    fn one_place_has_one_name_and_one_name_is_stored_once() {
        let one = table(vec![function(0, "same")]).unwrap();
        let two = table(vec![function(0, "zeta"), function(0, "same"), function(8, "same")]).unwrap();
        assert_eq!(read(&two), [(0, "same".into()), (8, "same".into())]);
        assert_eq!(two.len(), one.len() + ENTRY_BYTES);
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let name = format!("{}ä", "x".repeat(MAX_NAME_BYTES - 1));
        let table = table(vec![function(0, &name)]).unwrap();
        assert_eq!(read(&table)[0].1, "x".repeat(MAX_NAME_BYTES - 1));
    }

    #[test]
    fn no_function_gives_an_empty_table() {
        assert_eq!(read(&table(Vec::new()).unwrap()), []);
    }
}
