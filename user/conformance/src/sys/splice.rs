//! splice, tee, vmsplice, sendfile with an offset. See `sys` for the rules.

use super::memory::Mapping;
use super::{Sys, counted};
use std::os::fd::RawFd;

/// `splice` at the files' own positions.
pub fn splice(input: RawFd, output: RawFd, length: usize, flags: u32) -> Sys<usize> {
    splice_at(input, None, output, None, length, flags)
}

/// `splice` with offsets, which follow along.
pub fn splice_at(
    input: RawFd,
    input_offset: Option<&mut i64>,
    output: RawFd,
    output_offset: Option<&mut i64>,
    length: usize,
    flags: u32,
) -> Sys<usize> {
    let pointer = |offset: Option<&mut i64>| offset.map_or(std::ptr::null_mut(), |offset| &raw mut *offset);
    let (from, to) = (pointer(input_offset), pointer(output_offset));
    // SAFETY: each offset is a null pointer or an exclusive reference.
    counted("splice", unsafe { libc::splice(input, from, output, to, length, flags) })
}

/// `tee`.
pub fn tee(input: RawFd, output: RawFd, length: usize, flags: u32) -> Sys<usize> {
    // SAFETY: takes no pointers.
    counted("tee", unsafe { libc::tee(input, output, length, flags) })
}

/// `vmsplice` of one part of a mapping, which the kernel reads or writes.
pub fn vmsplice(pipe: RawFd, mapping: &Mapping, offset: usize, length: usize, flags: u32) -> Sys<usize> {
    let vector = libc::iovec { iov_base: mapping.pointer(offset, length).cast(), iov_len: length };
    // SAFETY: one vector, over memory that holds nothing of Rust's.
    counted("vmsplice", unsafe { libc::vmsplice(pipe, &raw const vector, 1, flags) })
}

/// `sendfile` with an offset, which follows along.
pub fn sendfile_at(output: RawFd, input: RawFd, offset: &mut i64, count: usize) -> Sys<usize> {
    // SAFETY: an exclusive reference.
    counted("sendfile", unsafe { libc::sendfile(output, input, &raw mut *offset, count) })
}
