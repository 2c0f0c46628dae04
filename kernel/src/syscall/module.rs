//! The system calls on modules: arguments to typed calls of `drivers::module`. No policy.
//! Specification: init_module(2), delete_module(2).

use crate::drivers::module;
use crate::fs::flags::AccessMode;
use crate::mm::user::{self, UserPtr};
use crate::process;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::module_image;

/// The longest parameter text.
const LONGEST_PARAMETERS: usize = 4096;
/// The longest name, NUL included (Linux's MODULE_NAME_LEN).
const NAME_SIZE: usize = 56;
/// Flags of finit_module(2); the bindings lack linux/module.h.
const IGNORE_MODVERSIONS: u32 = 1;
const IGNORE_VERMAGIC: u32 = 2;
const COMPRESSED_FILE: u32 = 4;

/// EPERM for those without CAP_SYS_MODULE.
fn check_privileged() -> Result<()> {
    if process::current().credentials().is_privileged() { Ok(()) } else { Err(Errno::EPERM) }
}

fn read_parameters(from: UserPtr<u8>) -> Result<String> {
    let bytes = match user::read_c_string(from.address(), LONGEST_PARAMETERS) {
        Err(Errno::ENAMETOOLONG) => return Err(Errno::EINVAL),
        result => result?,
    };
    String::from_utf8(bytes).map_err(|_| Errno::EINVAL)
}

/// init_module(2)
pub fn init_module(image: UserPtr<u8>, length: usize, parameters: UserPtr<u8>) -> Result<usize> {
    check_privileged()?;
    // An image is text of some hundred bytes: what is longer is none, whatever it says.
    if length == 0 || length > module_image::LONGEST {
        user::check_range(image.address(), length)?;
        return Err(Errno::ENOEXEC);
    }
    let mut bytes = vec![0; length];
    user::read_bytes(image.address(), &mut bytes)?;
    let parameters = read_parameters(parameters)?;
    module::load_image(&bytes, &parameters)?;
    Ok(0)
}

/// finit_module(2). An image has neither symbol versions nor another release to be ignored, so those flags change nothing.
pub fn finit_module(descriptor: i32, parameters: UserPtr<u8>, flags: u32) -> Result<usize> {
    check_privileged()?;
    if flags & !(IGNORE_MODVERSIONS | IGNORE_VERMAGIC | COMPRESSED_FILE) != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & COMPRESSED_FILE != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let file = process::current().file(descriptor)?;
    file.check_access(AccessMode::READ)?;
    if file.location().inode().file_type() != crate::fs::attributes::FileType::Regular {
        return Err(Errno::EINVAL);
    }
    let bytes = read_whole(&file)?;
    let parameters = read_parameters(parameters)?;
    module::load_image(&bytes, &parameters)?;
    Ok(0)
}

/// A file that may be an image. ENOEXEC if it is longer than any.
fn read_whole(file: &crate::fs::open_file::OpenFile) -> Result<Vec<u8>> {
    let mut bytes = vec![0; module_image::LONGEST + 1];
    let mut length = 0;
    loop {
        let read = file.read_at(length as u64, &mut bytes[length..])?;
        length += read;
        if length > module_image::LONGEST {
            return Err(Errno::ENOEXEC);
        }
        if read == 0 {
            bytes.truncate(length);
            return Ok(bytes);
        }
    }
}

/// delete_module(2). A module in use: EWOULDBLOCK with O_NONBLOCK, as Linux says, EBUSY without, since there is no waiting (Linux
/// gave that up in 3.13), nor any force (O_TRUNC), as on a Linux configured without it.
pub fn delete_module(name: UserPtr<u8>, flags: u32) -> Result<usize> {
    check_privileged()?;
    let name = match user::read_c_string(name.address(), NAME_SIZE - 1) {
        Err(Errno::ENAMETOOLONG) => return Err(Errno::ENOENT),
        result => result?,
    };
    let name = core::str::from_utf8(&name).map_err(|_| Errno::ENOENT)?;
    match module::unload(name) {
        Err(Errno::EBUSY) if flags & abi::O_NONBLOCK != 0 => Err(Errno::EWOULDBLOCK),
        result => result.map(|()| 0),
    }
}
