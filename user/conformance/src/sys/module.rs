//! Calls on modules. See `sys` for the rules.

use super::{Sys, c_string, raw};
use std::os::fd::RawFd;

/// `finit_module`.
pub fn finit_module(fd: RawFd, parameters: &str, flags: u32) -> Sys<()> {
    let text = c_string(parameters);
    let fd = usize::from_ne_bytes(i64::from(fd).to_ne_bytes());
    let arguments = [fd, text.as_ptr().expose_provenance(), flags as usize, 0, 0, 0];
    // SAFETY: the kernel reads the text.
    unsafe { raw("finit_module", libc::SYS_finit_module, arguments) }.map(drop)
}

/// `init_module`.
pub fn init_module(image: &[u8], parameters: &str) -> Sys<()> {
    let text = c_string(parameters);
    let arguments = [image.as_ptr().expose_provenance(), image.len(), text.as_ptr().expose_provenance(), 0, 0, 0];
    // SAFETY: the kernel reads the image and the text.
    unsafe { raw("init_module", libc::SYS_init_module, arguments) }.map(drop)
}

/// `delete_module`.
pub fn delete_module(name: &str, flags: i32) -> Sys<()> {
    let name = c_string(name);
    let flags = usize::try_from(flags).unwrap_or(0);
    // SAFETY: the kernel reads the name.
    unsafe { raw("delete_module", libc::SYS_delete_module, [name.as_ptr().expose_provenance(), flags, 0, 0, 0, 0]) }
        .map(drop)
}

/// One of these calls with bare numbers, for bad pointers.
pub fn bare(number: libc::c_long, arguments: [usize; 3]) -> Sys<()> {
    let [a, b, c] = arguments;
    // SAFETY: none of the calls writes to the caller's memory.
    unsafe { raw("a call on modules", number, [a, b, c, 0, 0, 0]) }.map(drop)
}
