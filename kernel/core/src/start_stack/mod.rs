//! The stack a new program starts with: argument count, arguments, environment, auxiliary vector, strings.
//!
//! Owns the layout and its limits; writes to no memory: the kernel copies the pieces of a [`StartStack`] to where they say.
//! No locks, never sleeps. Specification: AArch64 System V psABI ("process initialization"), execve(2), getauxval(3), and
//! fs/binfmt_elf.c for the order, so that /proc and C libraries find what they find on Linux.
//!
//! From the stack's top downwards: eight zero bytes, the path of the program, the strings of the environment, the strings of
//! the arguments, the platform's name, the 16 random bytes, padding, then the vectors, at the lowest of which `sp` points.

mod auxv;
mod strings;

use alloc::vec::Vec;
use core::ops::Range;

use crate::errno::{Errno, Result};

pub use auxv::AuxiliaryValues;
use auxv::{AUXV_MAX, Pointers};
pub use strings::{ARGUMENT_SIZE_MAX, StringList, argument_limit};

/// What AT_PLATFORM points at.
const PLATFORM: &[u8] = b"aarch64\0";
/// Bytes that AT_RANDOM points at.
const RANDOM_SIZE: usize = 16;
/// Zero bytes at the very top.
const TOP_PADDING: usize = 8;
/// What the stack pointer is a multiple of at the first instruction.
const STACK_ALIGNMENT: usize = 16;
/// Bytes of a pointer.
pub(crate) const WORD: usize = 8;

/// What a new program is started with.
#[derive(Clone, Debug)]
pub struct StartInput<'strings> {
    /// The arguments; none at all become one empty argument, as on Linux.
    pub arguments: &'strings StringList,
    /// The environment.
    pub environment: &'strings StringList,
    /// The path that was executed (AT_EXECFN), without a NUL.
    pub exec_path: &'strings [u8],
    /// What the auxiliary vector says, but for what lies on the stack itself.
    pub auxiliary: AuxiliaryValues,
    /// Sixteen random bytes, from which C libraries make their stack canaries.
    pub random: [u8; RANDOM_SIZE],
    /// One past the highest byte of the stack; a multiple of 16.
    pub stack_top: usize,
    /// RLIMIT_STACK, in bytes.
    pub stack_limit: usize,
}

/// A laid-out start-up stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartStack<'strings> {
    /// The stack pointer at the first instruction.
    pub sp: usize,
    /// Addresses of the arguments' strings (/proc/PID/cmdline).
    pub argument_range: Range<usize>,
    /// Addresses of the environment's strings (/proc/PID/environ).
    pub environment_range: Range<usize>,
    /// Addresses of the auxiliary vector, its end included (/proc/PID/auxv).
    pub auxiliary_range: Range<usize>,
    /// From `sp` to the strings.
    head: Vec<u8>,
    arguments: &'strings [u8],
    environment: &'strings [u8],
    /// From the path to the top.
    tail: Vec<u8>,
}

impl<'strings> StartStack<'strings> {
    /// Lays out the stack.
    ///
    /// # Errors
    /// E2BIG if strings and pointers exceed [`argument_limit`] or the stack has no such addresses; ENOMEM if the kernel has no
    /// memory for the vectors.
    pub fn build(input: &StartInput<'strings>) -> Result<Self> {
        let arguments = input.arguments.bytes_or_empty_string();
        let environment = input.environment.bytes();
        let path_size = input.exec_path.len() + 1;
        let pointers = (input.arguments.len().max(1) + input.environment.len()) * WORD;
        let strings_size = arguments.len() + environment.len() + path_size;
        if strings_size + pointers > argument_limit(input.stack_limit) {
            return Err(Errno::E2BIG);
        }
        let place = |end: usize, size: usize| end.checked_sub(size).ok_or(Errno::E2BIG);
        let exec_path = place(input.stack_top, TOP_PADDING + path_size)?;
        let environment_start = place(exec_path, environment.len())?;
        let arguments_start = place(environment_start, arguments.len())?;
        let platform = place(arguments_start, PLATFORM.len())?;
        let random = place(platform, RANDOM_SIZE)?;
        // The count, a null after each of the two lists, and the auxiliary vector.
        let vectors = pointers + 3 * WORD + AUXV_MAX * 2 * WORD;
        let lowest = place(random, vectors)?;
        let sp = lowest - lowest % STACK_ALIGNMENT;

        let mut head = reserved(arguments_start - sp)?;
        push_word(&mut head, input.arguments.len().max(1));
        push_pointers(&mut head, arguments_start, arguments);
        push_pointers(&mut head, environment_start, environment);
        let pointers = Pointers { random, exec_path, platform };
        let auxiliary = sp + head.len();
        for (key, value) in input.auxiliary.entries(&pointers) {
            push_word(&mut head, key);
            push_word(&mut head, value);
        }
        let auxiliary_range = auxiliary..sp + head.len();
        head.resize(random - sp, 0);
        head.extend_from_slice(&input.random);
        head.extend_from_slice(PLATFORM);

        let mut tail = reserved(path_size + TOP_PADDING)?;
        tail.extend_from_slice(input.exec_path);
        tail.resize(path_size + TOP_PADDING, 0);
        Ok(Self {
            sp,
            argument_range: arguments_start..environment_start,
            environment_range: environment_start..exec_path,
            auxiliary_range,
            head,
            arguments,
            environment,
            tail,
        })
    }

    /// The bytes to write, each with its address; together they fill the stack from `sp` to its top.
    pub fn pieces(&self) -> impl Iterator<Item = (usize, &[u8])> {
        [
            (self.sp, &self.head[..]),
            (self.argument_range.start, self.arguments),
            (self.environment_range.start, self.environment),
            (self.environment_range.end, &self.tail[..]),
        ]
        .into_iter()
    }
}

/// An empty vector with room for `size` bytes.
fn reserved(size: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
    Ok(bytes)
}

fn push_word(bytes: &mut Vec<u8>, value: usize) {
    bytes.extend_from_slice(&(value as u64).to_le_bytes());
}

/// The addresses of the NUL-terminated strings in `strings`, which lie at `start`, and a null.
fn push_pointers(bytes: &mut Vec<u8>, start: usize, strings: &[u8]) {
    let mut address = start;
    for string in strings.split_inclusive(|&byte| byte == 0) {
        push_word(bytes, address);
        address += string.len();
    }
    push_word(bytes, 0);
}

#[cfg(test)]
mod tests;
