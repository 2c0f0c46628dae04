//! The system calls on sockets: arguments to typed calls of `crate::ipc::unix_socket`, results to user memory. No policy.
//! `naming` is about names and connections, `address` about what a name looks like, `transfer` and `message` send and receive,
//! `control` does what comes with a message, `options` is for getsockopt and setsockopt.
//! Specification: socket(2), socketpair(2), shutdown(2).

mod address;
mod control;
mod message;
mod naming;
mod options;
mod transfer;

pub use message::{recvmmsg, recvmsg, sendmmsg, sendmsg};
pub use naming::{accept, accept4, bind, connect, getpeername, getsockname, listen};
pub use options::{getsockopt, setsockopt};
pub use transfer::{recvfrom, sendto};

use super::ipc::{descriptor_limit, install, on_exec};
use crate::fs::flags::OpenFlags;
use crate::ipc::unix_socket::{self, Socket, SocketType, Way};
use crate::mm::user::UserPtr;
use crate::process;
use alloc::sync::Arc;
use linux_raw_sys::general as abi;
use linux_raw_sys::net;
use postern_core::errno::{Errno, Result};
use postern_core::fd_table::RawFd;

/// SOCK_CLOEXEC and SOCK_NONBLOCK are O_CLOEXEC and O_NONBLOCK by other names.
const FLAGS: u32 = abi::O_CLOEXEC | abi::O_NONBLOCK;
/// What of a socket's type is not flags.
const TYPE_MASK: u32 = 0xf;
/// No type has a higher number (SOCK_PACKET).
const MAX_TYPE: u32 = 10;

/// The socket behind a descriptor. EBADF, ENOTSOCK.
fn socket_behind(fd: i32) -> Result<Arc<Socket>> {
    let file = process::current().file(fd)?;
    Socket::behind(&file)
}

/// The type and the flags that `family`, `kind` and `protocol` ask for.
fn decode(family: u32, kind: u32, protocol: u32) -> Result<(SocketType, u32)> {
    let flags = kind & FLAGS;
    if kind & !(FLAGS | TYPE_MASK) != 0 {
        return Err(Errno::EINVAL);
    }
    if family != net::AF_UNIX {
        return Err(Errno::EAFNOSUPPORT);
    }
    if kind & TYPE_MASK > MAX_TYPE {
        return Err(Errno::EINVAL);
    }
    if protocol != 0 && protocol != net::AF_UNIX {
        return Err(Errno::EPROTONOSUPPORT);
    }
    let kind = match kind & TYPE_MASK {
        net::SOCK_STREAM => SocketType::Stream,
        // As Linux has it.
        net::SOCK_DGRAM | net::SOCK_RAW => SocketType::Datagram,
        net::SOCK_SEQPACKET => SocketType::SeqPacket,
        _ => return Err(Errno::ESOCKTNOSUPPORT),
    };
    Ok((kind, flags))
}

/// socket(2)
pub fn socket(family: u32, kind: u32, protocol: u32) -> Result<usize> {
    let (kind, flags) = decode(family, kind, protocol)?;
    let current = process::current();
    let status = OpenFlags::from_bits_truncate(flags & abi::O_NONBLOCK);
    let file = unix_socket::single(kind, status, &current.credentials())?;
    install(&current, file, on_exec(flags))
}

/// socketpair(2)
pub fn socketpair(family: u32, kind: u32, protocol: u32, address: usize) -> Result<usize> {
    let (kind, flags) = decode(family, kind, protocol)?;
    let current = process::current();
    let status = OpenFlags::from_bits_truncate(flags & abi::O_NONBLOCK);
    let pair = unix_socket::pair(kind, status, &current.credentials())?;
    let tell = |fds: [RawFd; 2]| UserPtr::new(address).write(&fds);
    current.files().insert_pair(pair, on_exec(flags), descriptor_limit(&current), tell)?;
    Ok(0)
}

/// shutdown(2)
pub fn shutdown(fd: i32, how: u32) -> Result<usize> {
    let socket = socket_behind(fd)?;
    socket.shut(match how {
        net::SHUT_RD => &[Way::Receive],
        net::SHUT_WR => &[Way::Send],
        net::SHUT_RDWR => &[Way::Receive, Way::Send],
        _ => return Err(Errno::EINVAL),
    });
    Ok(0)
}
