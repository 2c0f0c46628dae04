//! The arguments of Linux's system calls that are addresses or descriptors, `arguments.txt`, for the tables that try bad ones.
//!
//! A line for each call, as AArch64 has it: its name, its descriptors with `#`, its pointers with `*`, in order. Which they are
//! was taken from Linux itself (the formats of tracefs's events `sys_enter_…`); the words are those of these tests. Addresses
//! that stand for ranges of the address space, as munmap's, are not pointers. Pure.

use super::system_calls;
use crate::check::{Failure, expect};

const LINES: &str = include_str!("arguments.txt");

/// What an argument is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Descriptor,
    Pointer,
}

/// An argument of a call that is whole or partial here.
pub(super) struct Argument {
    pub call: &'static str,
    pub name: &'static str,
}

/// The arguments of this kind of all calls that docs/system-calls.md has as whole or partial.
///
/// # Errors
/// A failure if one of these has no line.
pub(super) fn of(kind: Kind) -> Result<Vec<Argument>, Failure> {
    let mark = if kind == Kind::Descriptor { '#' } else { '*' };
    let mut arguments = Vec::new();
    for call in system_calls::listed().into_iter().filter(|call| call.state != "absent").map(|call| call.name) {
        let line = LINES.lines().find(|line| line.split(' ').next() == Some(call));
        expect(line.is_some(), &format!("arguments.txt has a line for {call}"))?;
        let names = line.unwrap_or("").split(' ').filter_map(|word| word.strip_suffix(mark));
        arguments.extend(names.map(|name| Argument { call, name }));
    }
    Ok(arguments)
}
