//! Arguments of calls about users, groups and capabilities.

use super::{Access, Case, Fixture, ROOM, call};
use crate::sys::Sys;
use Access::{Reads, ReadsWord, Writes};

/// Which of the three numbers the address is for; the others go to good memory.
fn three(fixture: &Fixture, number: libc::c_long, which: usize, address: usize) -> Sys<usize> {
    let mut addresses = [fixture.good(ROOM); 3];
    addresses[which] = address;
    call(number, addresses)
}

/// The list of two groups, which the caller is made a member of first.
fn getgroups(fixture: &Fixture, list: usize) -> Sys<usize> {
    fixture.good.store_all(ROOM, &[1, 0, 0, 0, 2, 0, 0, 0]);
    call(libc::SYS_setgroups, [2, fixture.good(ROOM)])?;
    call(libc::SYS_getgroups, [2, list])
}

/// A header of the version that has 64 capabilities, about the caller.
fn header(fixture: &Fixture) -> usize {
    const VERSION_3: u32 = 0x2008_0522;
    fixture.good.store_all(ROOM, &VERSION_3.to_ne_bytes());
    fixture.good.store_all(ROOM + 4, &[0; 4]);
    fixture.good(ROOM)
}

/// Bytes of two `struct __user_cap_data_struct`.
const DATA: usize = 24;

pub(super) const CASES: &[Case] = &[
    Case::new("getresuid_real", Writes(4), |f, at| three(f, libc::SYS_getresuid, 0, at)),
    Case::new("getresuid_effective", Writes(4), |f, at| three(f, libc::SYS_getresuid, 1, at)),
    Case::new("getresuid_saved", Writes(4), |f, at| three(f, libc::SYS_getresuid, 2, at)),
    Case::new("getresgid_real", Writes(4), |f, at| three(f, libc::SYS_getresgid, 0, at)),
    Case::new("getresgid_effective", Writes(4), |f, at| three(f, libc::SYS_getresgid, 1, at)),
    Case::new("getresgid_saved", Writes(4), |f, at| three(f, libc::SYS_getresgid, 2, at)),
    Case::new("getgroups_list", Writes(8), getgroups).for_root(),
    Case::new("setgroups_list", Reads(8), |_, at| call(libc::SYS_setgroups, [2, at])).for_root(),
    // Linux looks at the version first, and answers then.
    Case::new("capget_header", ReadsWord, |f, at| call(libc::SYS_capget, [at, f.good(ROOM + 64)])),
    // Without room for them, only the version is asked for.
    Case::new("capget_data", Writes(DATA), |f, at| call(libc::SYS_capget, [header(f), at])).optional(),
    Case::new("capset_header", ReadsWord, |f, at| call(libc::SYS_capset, [at, f.good(ROOM + 64)])),
    Case::new("capset_data", Reads(DATA), |f, at| call(libc::SYS_capset, [header(f), at])),
];
