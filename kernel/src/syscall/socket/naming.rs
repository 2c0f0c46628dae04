//! bind, listen, accept, connect, getsockname, getpeername. Specification: their pages in section 2 of the manual, unix(7).

use super::address::{self, Address, bytes_of, without_nul};
use super::{FLAGS, socket_behind};
use crate::fs::change::Removal;
use crate::fs::flags::OpenFlags;
use crate::fs::poll::Patience;
use crate::ipc::unix_socket::{self, Name, Socket, SocketType, Way};
use crate::process;
use crate::syscall::fs::place::as_caller;
use crate::syscall::ipc::{descriptor_limit, on_exec};
use alloc::sync::Arc;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};

/// A socket behind a descriptor, and how long a call that goes this way may wait.
fn patient(fd: i32, way: Way) -> Result<(Arc<Socket>, Patience)> {
    let file = process::current().file(fd)?;
    let socket = Socket::behind(&file)?;
    let patience = if file.flags().contains(OpenFlags::NONBLOCK) { Patience::None } else { socket.patience(way) };
    Ok((socket, patience))
}

/// bind(2)
pub fn bind(fd: i32, address: usize, length: u32) -> Result<usize> {
    let file = process::current().file(fd)?;
    let socket = Socket::behind(&file)?;
    match Address::read(address, length)? {
        Address::Unspecified => return Err(Errno::EINVAL),
        Address::Automatic => socket.bind_automatically()?,
        Address::Abstract(name) => socket.bind_abstract(name)?,
        Address::Path(name) => {
            let permissions = file.location().inode().attributes().permissions;
            bind_path(&socket, &name, permissions)?;
        }
    }
    Ok(0)
}

/// Makes the node first, as Linux does, so that its errors come first.
fn bind_path(socket: &Arc<Socket>, name: &Name, permissions: u32) -> Result<()> {
    let path = without_nul(name);
    as_caller(|caller| {
        caller.make_socket(path, permissions, unix_socket::attachment(socket)).map_err(|error| match error {
            Errno::EEXIST => Errno::EADDRINUSE,
            error => error,
        })?;
        socket.bind_path(name).inspect_err(|_| {
            // Somebody else may have removed it already.
            let _ = caller.remove(&caller.cwd, path, Removal::File);
        })
    })
}

/// listen(2). A negative backlog is a very large one.
pub fn listen(fd: i32, backlog: u32) -> Result<usize> {
    socket_behind(fd)?.listen(backlog)?;
    Ok(0)
}

/// connect(2)
pub fn connect(fd: i32, address: usize, length: u32) -> Result<usize> {
    let (socket, patience) = patient(fd, Way::Send)?;
    let address = Address::read(address, length)?;
    let is_datagram = socket.kind() == SocketType::Datagram;
    if is_datagram && matches!(address, Address::Unspecified) {
        socket.correspond(None)?;
        return Ok(0);
    }
    if matches!(address, Address::Unspecified | Address::Automatic) {
        return Err(Errno::EINVAL);
    }
    socket.bind_if_asked_who_sends()?;
    let other = address.find(socket.kind())?;
    if is_datagram { socket.correspond(Some(other)) } else { socket.connect_to(&other, patience) }.map(|()| 0)
}

/// accept(2)
pub fn accept(fd: i32, address: usize, length: usize) -> Result<usize> {
    accept4(fd, address, length, 0)
}

/// accept4(2)
pub fn accept4(fd: i32, address: usize, length: usize, flags: u32) -> Result<usize> {
    if flags & !FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let current = process::current();
    let (listener, patience) = patient(fd, Way::Receive)?;
    // Before the connection is taken, which would be lost.
    let files = current.files();
    let reserved = files.reserve(on_exec(flags), descriptor_limit(&current))?;
    let place = unix_socket::place(&current.credentials())?;
    let accepted = listener.accept(patience)?;
    let status = OpenFlags::from_bits_truncate(flags & abi::O_NONBLOCK);
    let file = accepted.open(place, status);
    if address != 0 {
        let peer = accepted.peer_identity()?.name();
        address::write(&bytes_of(peer.as_ref()), address, length)?;
    }
    usize::try_from(reserved.install(file)).map_err(|_| Errno::EMFILE)
}

/// getsockname(2)
pub fn getsockname(fd: i32, address: usize, length: usize) -> Result<usize> {
    let name = socket_behind(fd)?.name();
    address::write(&bytes_of(name.as_ref()), address, length).map(|()| 0)
}

/// getpeername(2)
pub fn getpeername(fd: i32, address: usize, length: usize) -> Result<usize> {
    let name = socket_behind(fd)?.peer_identity()?.name();
    address::write(&bytes_of(name.as_ref()), address, length).map(|()| 0)
}
