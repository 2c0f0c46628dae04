//! execve(2) and execveat(2): decoding only.

use crate::arch::exception::{TrapFrame, address};
use crate::fs::walk::Follow;
use crate::mm::user::{self, UserPtr};
use crate::process::exec::{self, Request};
use crate::syscall::fs::place;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::path::PATH_MAX;

/// execve(2).
pub fn execve(frame: &mut TrapFrame) -> Result<usize> {
    let [path, arguments, environment, ..] = frame.x.map(address);
    let request = Request {
        path: user::read_c_string(path, PATH_MAX - 1)?,
        arguments: exec::read_strings(UserPtr::new(arguments))?,
        environment: exec::read_strings(UserPtr::new(environment))?,
    };
    exec::exec(frame, None, None, Follow::Always, request).map(|()| 0)
}

/// execveat(2).
pub fn execveat(frame: &mut TrapFrame) -> Result<usize> {
    let [_, path, arguments, environment, flags, ..] = frame.x.map(address);
    let dirfd = (frame.x[0] & 0xffff_ffff) as u32;
    let flags = u32::try_from(flags).map_err(|_| Errno::EINVAL)?;
    place::check_flags(flags, abi::AT_EMPTY_PATH | abi::AT_SYMLINK_NOFOLLOW)?;
    let request = Request {
        path: user::read_c_string(path, PATH_MAX - 1)?,
        arguments: exec::read_strings(UserPtr::new(arguments))?,
        environment: exec::read_strings(UserPtr::new(environment))?,
    };
    let path = request.path.clone();
    let dirfd = dirfd.cast_signed();
    if path.is_empty() && flags & abi::AT_EMPTY_PATH != 0 {
        let place = place::as_caller(|caller| place::existing(caller, dirfd, &path, flags, Follow::Always))?;
        return exec::exec(frame, None, Some(place), Follow::Always, request).map(|()| 0);
    }
    let start = place::as_caller(|caller| place::start(caller, dirfd, &path))?;
    exec::exec(frame, Some(start), None, place::follow(flags), request).map(|()| 0)
}
