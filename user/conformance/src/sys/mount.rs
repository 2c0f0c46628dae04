//! Calls that change the tree of mounts, and whose root is where. See `sys` for the rules.

use super::{Sys, c_string, checked};
use std::ptr;

/// `mount` of a new tmpfs.
pub fn mount_tmpfs(target: &str) -> Sys<()> {
    mount_new("tmpfs", target, "")
}

/// `mount` of a file system of a type, with options.
pub fn mount_new(kind: &str, target: &str, options: &str) -> Sys<()> {
    let (kind, target, options) = (c_string(kind), c_string(target), c_string(options));
    let data = options.as_ptr().cast();
    // SAFETY: C strings.
    checked("mount", unsafe { libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, data) }).map(drop)
}

/// `mount` with flags that say what to do with what is there.
pub fn change(source: &str, target: &str, flags: libc::c_ulong) -> Sys<()> {
    let (source, target) = (c_string(source), c_string(target));
    // SAFETY: C strings, no type and no data.
    checked("mount", unsafe { libc::mount(source.as_ptr(), target.as_ptr(), ptr::null(), flags, ptr::null()) })
        .map(drop)
}

/// `mount` with MS_MOVE.
pub fn relocate(source: &str, target: &str) -> Sys<()> {
    change(source, target, libc::MS_MOVE)
}

/// `umount2`.
pub fn unmount(target: &str, flags: i32) -> Sys<()> {
    let target = c_string(target);
    // SAFETY: a C string.
    checked("umount2", unsafe { libc::umount2(target.as_ptr(), flags) }).map(drop)
}

/// `pivot_root`.
pub fn pivot_root(new_root: &str, put_old: &str) -> Sys<()> {
    let (new_root, put_old) = (c_string(new_root), c_string(put_old));
    // SAFETY: two C strings.
    checked("pivot_root", unsafe { libc::syscall(libc::SYS_pivot_root, new_root.as_ptr(), put_old.as_ptr()) }).map(drop)
}

/// `chroot`.
pub fn chroot(path: &str) -> Sys<()> {
    let path = c_string(path);
    // SAFETY: a C string.
    checked("chroot", unsafe { libc::chroot(path.as_ptr()) }).map(drop)
}
