//! capget(2) and capset(2). Root (effective user 0) has every capability, nobody else has any; a program cannot give
//! single ones up. Specification: capabilities(7), capget(2).

use crate::mm::user::UserPtr;
use crate::process::{self, Credentials, tree};
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `struct __user_cap_header_struct`
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
pub struct CapabilityHeader {
    version: u32,
    pid: i32,
}

/// `struct __user_cap_data_struct`: 32 of the capabilities.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
pub struct CapabilityData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const _: () = assert!(size_of::<CapabilityHeader>() == size_of::<abi::__user_cap_header_struct>());
const _: () = assert!(size_of::<CapabilityData>() == size_of::<abi::__user_cap_data_struct>());

/// All that a thread may do.
fn capabilities_of(credentials: &Credentials) -> [CapabilityData; 2] {
    let all: u64 = if credentials.is_privileged() { (1 << (abi::CAP_LAST_CAP + 1)) - 1 } else { 0 };
    [all & 0xffff_ffff, all >> 32].map(|half| {
        // A half has 32 bits.
        let half = u32::try_from(half).unwrap_or(u32::MAX);
        CapabilityData { effective: half, permitted: half, inheritable: 0 }
    })
}

/// How many [`CapabilityData`] a version has; `None` for one that does not exist, after telling which does.
fn read_header(pointer: UserPtr<CapabilityHeader>) -> Result<(CapabilityHeader, Option<usize>)> {
    let header = pointer.read()?;
    let count = match header.version {
        abi::_LINUX_CAPABILITY_VERSION_1 => Some(1),
        abi::_LINUX_CAPABILITY_VERSION_2 | abi::_LINUX_CAPABILITY_VERSION_3 => Some(2),
        _ => {
            pointer.write(&CapabilityHeader { version: abi::_LINUX_CAPABILITY_VERSION_3, ..header })?;
            None
        }
    };
    Ok((header, count))
}

/// capget(2)
pub fn capget(header: UserPtr<CapabilityHeader>, data: UserPtr<CapabilityData>) -> Result<usize> {
    let (header, count) = read_header(header)?;
    let Some(count) = count else {
        // Without data it was only a question for the version.
        return if data.is_null() { Ok(0) } else { Err(Errno::EINVAL) };
    };
    let tid = u32::try_from(header.pid).map_err(|_| Errno::EINVAL)?;
    let credentials = match tid {
        0 => process::current().credentials(),
        tid => tree::find_thread(tid).ok_or(Errno::ESRCH)?.thread().credentials(),
    };
    if data.is_null() {
        return Ok(0);
    }
    for (index, part) in capabilities_of(&credentials).iter().take(count).enumerate() {
        data.element(index).write(part)?;
    }
    Ok(0)
}

/// capset(2): succeeds if nothing is to change. EPERM also for what Linux would allow: giving up single capabilities.
pub fn capset(header: UserPtr<CapabilityHeader>, data: UserPtr<CapabilityData>) -> Result<usize> {
    let (header, count) = read_header(header)?;
    let count = count.ok_or(Errno::EINVAL)?;
    let current = process::current();
    if !u32::try_from(header.pid).is_ok_and(|tid| tid == 0 || tid == current.tid()) {
        return Err(Errno::EPERM);
    }
    let mut wanted = [CapabilityData::default(); 2];
    for (index, part) in wanted.iter_mut().take(count).enumerate() {
        *part = data.element(index).read()?;
    }
    for (wanted, have) in wanted.iter().zip(&capabilities_of(&current.credentials())).take(count) {
        if (wanted.effective, wanted.permitted) != (have.effective, have.permitted) {
            return Err(Errno::EPERM);
        }
    }
    Ok(0)
}
