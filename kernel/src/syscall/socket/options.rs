//! getsockopt and setsockopt. Specification: getsockopt(2), socket(7), unix(7).

use super::socket_behind;
use crate::ipc::unix_socket::{Limit, Sender, Socket, SocketType, Way};
use crate::mm::user::{UserPtr, write_bytes};
use crate::process;
use linux_raw_sys::net;
use postern_core::errno::{Errno, Result};
use zerocopy::IntoBytes;

const NS_PER_SECOND: u64 = 1_000_000_000;
const NS_PER_MICROSECOND: u64 = 1_000;
const MICROSECONDS_PER_SECOND: i64 = 1_000_000;

/// A socket's type as programs know it.
fn type_number(kind: SocketType) -> u32 {
    match kind {
        SocketType::Stream => net::SOCK_STREAM,
        SocketType::Datagram => net::SOCK_DGRAM,
        SocketType::SeqPacket => net::SOCK_SEQPACKET,
    }
}

/// getsockopt(2)
pub fn getsockopt(fd: i32, level: u32, name: u32, value: usize, length: usize) -> Result<usize> {
    let socket = socket_behind(fd)?;
    if level != net::SOL_SOCKET {
        return Err(Errno::EOPNOTSUPP);
    }
    let length = UserPtr::<i32>::new(length);
    let room = usize::try_from(length.read()?).map_err(|_| Errno::EINVAL)?;
    let store = |bytes: &[u8]| -> Result<usize> {
        let part = &bytes[..room.min(bytes.len())];
        write_bytes(value, part)?;
        length.write(&i32::try_from(part.len()).unwrap_or(i32::MAX))?;
        Ok(0)
    };
    let timeout = |way| {
        let timeout_ns = socket.timeout_ns(way).unwrap_or(0);
        [timeout_ns / NS_PER_SECOND, timeout_ns % NS_PER_SECOND / NS_PER_MICROSECOND]
    };
    match name {
        net::SO_PEERCRED => {
            let Sender { pid, uid, gid } = socket.peer();
            store([pid, uid, gid].as_bytes())
        }
        net::SO_RCVTIMEO_OLD | net::SO_RCVTIMEO_NEW => store(timeout(Way::Receive).as_bytes()),
        net::SO_SNDTIMEO_OLD | net::SO_SNDTIMEO_NEW => store(timeout(Way::Send).as_bytes()),
        _ => store(number(&socket, name)?.as_bytes()),
    }
}

/// The options that are one int.
fn number(socket: &Socket, name: u32) -> Result<u32> {
    let bytes = |way| u32::try_from(socket.buffer_bytes(way)).unwrap_or(u32::MAX);
    Ok(match name {
        net::SO_TYPE => type_number(socket.kind()),
        net::SO_DOMAIN => net::AF_UNIX,
        net::SO_PROTOCOL => 0,
        net::SO_ACCEPTCONN => socket.is_listening().into(),
        net::SO_RCVLOWAT | net::SO_SNDLOWAT => 1,
        net::SO_ERROR => socket.take_error().map_or(0, Errno::raw),
        net::SO_SNDBUF => bytes(Way::Send),
        net::SO_RCVBUF => bytes(Way::Receive),
        net::SO_PASSCRED => socket.wants_credentials().into(),
        _ => return Err(Errno::ENOPROTOOPT),
    })
}

/// setsockopt(2)
pub fn setsockopt(fd: i32, level: u32, name: u32, value: usize, length: i32) -> Result<usize> {
    let socket = socket_behind(fd)?;
    if level != net::SOL_SOCKET {
        return Err(Errno::EOPNOTSUPP);
    }
    let length = usize::try_from(length).map_err(|_| Errno::EINVAL)?;
    let number = || {
        if length < size_of::<u32>() { Err(Errno::EINVAL) } else { UserPtr::<u32>::new(value).read() }
    };
    let first = number()?;
    let set_buffer = |way, limit| {
        // As on Linux a negative size is much where there is a limit, and nothing where there is none.
        let bytes = if limit == Limit::Waived && first.cast_signed() < 0 { 0 } else { first };
        socket.set_buffer_bytes(way, usize::try_from(bytes).unwrap_or(usize::MAX), limit);
    };
    let set_timeout = |way| -> Result<()> {
        socket.set_timeout_ns(way, timeout_ns(value, length)?);
        Ok(())
    };
    match name {
        net::SO_SNDBUF => set_buffer(Way::Send, Limit::Enforced),
        net::SO_RCVBUF => set_buffer(Way::Receive, Limit::Enforced),
        net::SO_SNDBUFFORCE | net::SO_RCVBUFFORCE => {
            if !process::current().credentials().is_privileged() {
                return Err(Errno::EPERM);
            }
            set_buffer(if name == net::SO_SNDBUFFORCE { Way::Send } else { Way::Receive }, Limit::Waived);
        }
        net::SO_PASSCRED => socket.want_credentials(first != 0),
        net::SO_RCVTIMEO_OLD | net::SO_RCVTIMEO_NEW => set_timeout(Way::Receive)?,
        net::SO_SNDTIMEO_OLD | net::SO_SNDTIMEO_NEW => set_timeout(Way::Send)?,
        _ => return Err(Errno::ENOPROTOOPT),
    }
    Ok(0)
}

/// A `struct timeval` that limits waiting; zero is no limit, and a negative time none at all.
fn timeout_ns(value: usize, length: usize) -> Result<Option<u64>> {
    if length < size_of::<[i64; 2]>() {
        return Err(Errno::EINVAL);
    }
    let [seconds, microseconds] = UserPtr::<[i64; 2]>::new(value).read()?;
    if !(0..MICROSECONDS_PER_SECOND).contains(&microseconds) {
        return Err(Errno::EDOM);
    }
    let Ok(seconds) = u64::try_from(seconds) else {
        return Ok(Some(0));
    };
    let ns = seconds.saturating_mul(NS_PER_SECOND).saturating_add(microseconds.cast_unsigned() * NS_PER_MICROSECOND);
    Ok((ns != 0).then_some(ns))
}
