//! sendmsg, recvmsg, and several at once. Specification: send(2), recv(2), sendmmsg(2), recvmmsg(2).

use super::address::bytes_of;
use super::control::{Area, Writer};
use super::transfer::{Target, destination};
use crate::ipc::unix_socket::{Delivery, Parcel, Sender};
use crate::mm::user::{MAX_SEGMENTS, Sink, Source, UserPtr, write_bytes};
use crate::process;
use crate::sync::{Kernel, Platform};
use alloc::vec::Vec;
use linux_raw_sys::net;
use postern_core::errno::{Errno, Result};
use postern_core::fd_table::OnExec;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// The most messages of one call (UIO_MAXIOV).
const MAX_MESSAGES: u32 = 1024;
/// Wait for the first message only (bits/socket.h).
const MSG_WAITFORONE: u32 = 0x1_0000;
const NS_PER_SECOND: i64 = 1_000_000_000;

/// `struct msghdr`
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Header {
    name: usize,
    name_length: u32,
    _padding: u32,
    vector: usize,
    vector_length: usize,
    control: usize,
    control_length: usize,
    flags: u32,
    _padding_behind: u32,
}

/// `struct mmsghdr`
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Entry {
    header: Header,
    length: u32,
    _padding: u32,
}

impl Header {
    fn control(&self) -> Area {
        Area { address: self.control, length: self.control_length }
    }

    fn check(&self) -> Result<()> {
        if self.vector_length > MAX_SEGMENTS {
            return Err(Errno::EMSGSIZE);
        }
        if self.name != 0 && self.name_length.cast_signed() < 0 { Err(Errno::EINVAL) } else { Ok(()) }
    }
}

/// One field of a `struct msghdr` in user memory.
fn field<T>(header: usize, offset: usize) -> UserPtr<T> {
    UserPtr::new(header.wrapping_add(offset))
}

fn send_one(target: &Target, address: usize, flags: u32) -> Result<usize> {
    let header = UserPtr::<Header>::new(address).read()?;
    header.check()?;
    let mut source = Source::user_iovecs(header.vector, header.vector_length)?;
    let to = destination(target, header.name, header.name_length)?;
    let mut outgoing = header.control().read()?;
    outgoing.to = to;
    target.send(&mut source, outgoing, flags)
}

/// Stores what a program learns of a message besides its bytes.
fn store(
    target: &Target,
    address: usize,
    header: &Header,
    flags: u32,
    delivery: &Delivery<'_, Sender, Parcel>,
) -> Result<()> {
    let table;
    let mut writer = Writer::new(header.control());
    if let Some(sender) = delivery.sender.filter(|_| target.wants_credentials()) {
        writer.put_sender(sender);
    }
    if let Some(files) = delivery.files.and_then(Parcel::files) {
        let on_exec = if flags & net::MSG_CMSG_CLOEXEC == 0 { OnExec::Keep } else { OnExec::Close };
        table = process::current().files();
        writer.put_files(&table, files, on_exec);
    }
    writer.finish(|stored| {
        let mut found = flags & net::MSG_CMSG_CLOEXEC;
        if delivery.length > delivery.bytes {
            found |= net::MSG_TRUNC;
        }
        if stored.truncated {
            found |= net::MSG_CTRUNC;
        }
        if header.name != 0 {
            let name = target.origin(delivery).map_or_else(Vec::new, |name| bytes_of(Some(&name)));
            let room = usize::try_from(header.name_length).unwrap_or(0);
            write_bytes(header.name, &name[..room.min(name.len())])?;
            let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
            field(address, core::mem::offset_of!(Header, name_length)).write(&length)?;
        }
        field(address, core::mem::offset_of!(Header, flags)).write(&found)?;
        field(address, core::mem::offset_of!(Header, control_length)).write(&stored.bytes)
    })
}

fn receive_one(target: &Target, address: usize, flags: u32) -> Result<usize> {
    let header = UserPtr::<Header>::new(address).read()?;
    header.check()?;
    let mut sink = Sink::user_iovecs(header.vector, header.vector_length)?;
    target.receive(&mut sink, flags, &mut |delivery| store(target, address, &header, flags, &delivery))
}

/// sendmsg(2)
pub fn sendmsg(fd: i32, address: usize, flags: u32) -> Result<usize> {
    send_one(&Target::new(fd)?, address, flags)
}

/// recvmsg(2)
pub fn recvmsg(fd: i32, address: usize, flags: u32) -> Result<usize> {
    receive_one(&Target::new(fd)?, address, flags)
}

/// Does `one` for message after message and stores its result there; how many. An error after the first ends it only.
fn several(address: usize, count: u32, mut one: impl FnMut(usize) -> Result<Option<usize>>) -> Result<usize> {
    let mut done = 0;
    for index in 0..count.min(MAX_MESSAGES) as usize {
        let entry = UserPtr::<Entry>::new(address).element(index).address();
        let length = UserPtr::<u32>::new(entry.wrapping_add(core::mem::offset_of!(Entry, length)));
        match one(entry).and_then(|bytes| match bytes {
            Some(bytes) => length.write(&u32::try_from(bytes).unwrap_or(u32::MAX)).map(|()| true),
            None => Ok(false),
        }) {
            Ok(true) => done += 1,
            Ok(false) => break,
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(done)
}

/// sendmmsg(2)
pub fn sendmmsg(fd: i32, address: usize, count: u32, flags: u32) -> Result<usize> {
    let target = Target::new(fd)?;
    several(address, count, |entry| send_one(&target, entry, flags).map(Some))
}

/// recvmmsg(2). As Linux has it, the time limit is looked at after each message only, and what is left of it is stored.
pub fn recvmmsg(fd: i32, address: usize, count: u32, flags: u32, timeout: usize) -> Result<usize> {
    let target = Target::new(fd)?;
    let limit = UserPtr::<[i64; 2]>::new(timeout);
    let deadline_ns = if limit.is_null() { None } else { Some(deadline_ns(limit.read()?)?) };
    let mut flags_now = flags & !MSG_WAITFORONE;
    let mut is_over = false;
    let received = several(address, count, |entry| {
        if is_over {
            return Ok(None);
        }
        let bytes = receive_one(&target, entry, flags_now)?;
        if flags & MSG_WAITFORONE != 0 {
            flags_now |= net::MSG_DONTWAIT;
        }
        is_over = deadline_ns.is_some_and(|deadline_ns| Kernel::now_ns() >= deadline_ns);
        Ok(Some(bytes))
    })?;
    if let Some(deadline_ns) = deadline_ns {
        let left = i64::try_from(deadline_ns.saturating_sub(Kernel::now_ns())).unwrap_or(i64::MAX);
        limit.write(&[left / NS_PER_SECOND, left % NS_PER_SECOND])?;
    }
    Ok(received)
}

fn deadline_ns([seconds, nanoseconds]: [i64; 2]) -> Result<u64> {
    if seconds < 0 || !(0..NS_PER_SECOND).contains(&nanoseconds) {
        return Err(Errno::EINVAL);
    }
    let span_ns = seconds.saturating_mul(NS_PER_SECOND).saturating_add(nanoseconds);
    Ok(Kernel::now_ns().saturating_add(span_ns.cast_unsigned()))
}
