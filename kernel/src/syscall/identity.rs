//! The system calls on users and groups: arguments to the rules of `postern_core::identity`, results to user memory. No policy.
//!
//! Specification: credentials(7), setuid(2) and its kin, getgroups(2).

mod capabilities;

pub use capabilities::{capget, capset};

use crate::mm::heap;
use crate::mm::user::UserPtr;
use crate::process::{self, Credentials};
use alloc::sync::Arc;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::identity::{Ids, Privilege};

fn credentials() -> Arc<Credentials> {
    process::current().credentials()
}

fn number(id: u32) -> Result<usize> {
    Ok(id as usize)
}

fn privilege_of(credentials: &Credentials) -> Privilege {
    if credentials.is_privileged() { Privilege::Any } else { Privilege::Own }
}

fn users_of(credentials: &Credentials) -> Ids {
    Ids { real: credentials.uid, effective: credentials.euid, saved: credentials.suid, file_system: credentials.fsuid }
}

fn groups_of(credentials: &Credentials) -> Ids {
    Ids { real: credentials.gid, effective: credentials.egid, saved: credentials.sgid, file_system: credentials.fsgid }
}

/// Changes the caller's users by a rule.
fn change_users(rule: impl FnOnce(Ids, Privilege) -> Result<Ids>) -> Result<usize> {
    let mut new = (*credentials()).clone();
    let users = rule(users_of(&new), privilege_of(&new))?;
    new.uid = users.real;
    new.euid = users.effective;
    new.suid = users.saved;
    new.fsuid = users.file_system;
    process::current().set_credentials(new);
    Ok(0)
}

/// Changes the caller's groups by a rule.
fn change_groups(rule: impl FnOnce(Ids, Privilege) -> Result<Ids>) -> Result<usize> {
    let mut new = (*credentials()).clone();
    let groups = rule(groups_of(&new), privilege_of(&new))?;
    new.gid = groups.real;
    new.egid = groups.effective;
    new.sgid = groups.saved;
    new.fsgid = groups.file_system;
    process::current().set_credentials(new);
    Ok(0)
}

/// getuid(2)
pub fn getuid() -> Result<usize> {
    number(credentials().uid)
}

/// geteuid(2)
pub fn geteuid() -> Result<usize> {
    number(credentials().euid)
}

/// getgid(2)
pub fn getgid() -> Result<usize> {
    number(credentials().gid)
}

/// getegid(2)
pub fn getegid() -> Result<usize> {
    number(credentials().egid)
}

/// setuid(2)
pub fn setuid(uid: u32) -> Result<usize> {
    change_users(|ids, privilege| ids.set(uid, privilege))
}

/// setgid(2)
pub fn setgid(gid: u32) -> Result<usize> {
    change_groups(|ids, privilege| ids.set(gid, privilege))
}

/// setreuid(2)
pub fn setreuid(real: u32, effective: u32) -> Result<usize> {
    change_users(|ids, privilege| ids.set_real_and_effective(real, effective, privilege))
}

/// setregid(2)
pub fn setregid(real: u32, effective: u32) -> Result<usize> {
    change_groups(|ids, privilege| ids.set_real_and_effective(real, effective, privilege))
}

/// setresuid(2)
pub fn setresuid(real: u32, effective: u32, saved: u32) -> Result<usize> {
    change_users(|ids, privilege| ids.set_all(real, effective, saved, privilege))
}

/// setresgid(2)
pub fn setresgid(real: u32, effective: u32, saved: u32) -> Result<usize> {
    change_groups(|ids, privilege| ids.set_all(real, effective, saved, privilege))
}

/// setfsuid(2): the old one, always.
pub fn setfsuid(uid: u32) -> Result<usize> {
    let old = credentials().fsuid;
    change_users(|ids, privilege| Ok(ids.set_file_system(uid, privilege)))?;
    number(old)
}

/// setfsgid(2): the old one, always.
pub fn setfsgid(gid: u32) -> Result<usize> {
    let old = credentials().fsgid;
    change_groups(|ids, privilege| Ok(ids.set_file_system(gid, privilege)))?;
    number(old)
}

fn write_three(ids: Ids, to: [UserPtr<u32>; 3]) -> Result<usize> {
    for (id, to) in [ids.real, ids.effective, ids.saved].iter().zip(to) {
        to.write(id)?;
    }
    Ok(0)
}

/// getresuid(2)
pub fn getresuid(real: UserPtr<u32>, effective: UserPtr<u32>, saved: UserPtr<u32>) -> Result<usize> {
    write_three(users_of(&credentials()), [real, effective, saved])
}

/// getresgid(2)
pub fn getresgid(real: UserPtr<u32>, effective: UserPtr<u32>, saved: UserPtr<u32>) -> Result<usize> {
    write_three(groups_of(&credentials()), [real, effective, saved])
}

/// getgroups(2): how many there are; with room for 0, nothing is written.
pub fn getgroups(room: i32, to: UserPtr<u32>) -> Result<usize> {
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    let credentials = credentials();
    let groups = &credentials.groups;
    if room != 0 {
        if room < groups.len() {
            return Err(Errno::EINVAL);
        }
        for (index, group) in groups.iter().enumerate() {
            to.element(index).write(group)?;
        }
    }
    Ok(groups.len())
}

/// setgroups(2)
pub fn setgroups(count: usize, from: UserPtr<u32>) -> Result<usize> {
    let mut new = (*credentials()).clone();
    if !new.is_privileged() {
        return Err(Errno::EPERM);
    }
    if count > abi::NGROUPS_MAX as usize {
        return Err(Errno::EINVAL);
    }
    let mut groups = heap::vec_with_room(count)?;
    for index in 0..count {
        groups.push(from.element(index).read()?);
    }
    // In order, as Linux keeps and shows them.
    groups.sort_unstable();
    new.groups = Arc::new(groups);
    process::current().set_credentials(new);
    Ok(0)
}
