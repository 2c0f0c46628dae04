//! /proc/net/unix: all sockets, a line each. Owns nothing. Locks: those of the tables of names. Specification: unix(7), proc(5).

use super::connection::Phase;
use super::{Socket, SocketType, name};
use crate::fs::procfs;
use crate::fs::procfs::text::{Text, put};
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use linux_raw_sys::net;
use postern_core::errno::Result;

/// A flag of a socket that listens (__SO_ACCEPTCON).
const ACCEPTS_CONNECTIONS: u32 = 1 << 16;

/// Enters the file. Once, at boot.
///
/// # Errors
/// EEXIST.
pub fn init() -> Result<()> {
    procfs::add_text("net/unix", show)
}

fn show(text: &mut Text) -> Result<()> {
    put!(text, "Num       RefCount Protocol Flags    Type St Inode Path\n");
    for socket in name::all() {
        show_one(text, &socket);
    }
    Ok(())
}

fn show_one(text: &mut Text, socket: &Arc<Socket>) {
    let phase = socket.connection.phase();
    let inode = socket.inode_number.load(Ordering::Relaxed);
    let flags = if phase == Phase::Listening { ACCEPTS_CONNECTIONS } else { 0 };
    let is_connected = phase == Phase::Connected || socket.correspondent().is_some();
    // SS_DISCONNECTING, SS_CONNECTING: no file is there, no more or not yet.
    let state = match (inode != 0 && phase != Phase::Closed, is_connected) {
        (true, true) => 3,
        (true, false) => 1,
        (false, true) => 2,
        (false, false) => 4,
    };
    // One is the list's own, for the moment.
    let references = Arc::strong_count(socket) - 1;
    let kind = match socket.kind {
        SocketType::Stream => net::SOCK_STREAM,
        SocketType::Datagram => net::SOCK_DGRAM,
        SocketType::SeqPacket => net::SOCK_SEQPACKET,
    };
    // As to everybody without privilege, addresses in the kernel are not shown.
    put!(text, "{:016x}: {references:08X} {:08X} {flags:08X} {kind:04X} {state:02X} {inode:5}", 0, 0);
    if let Some(name) = socket.name() {
        text.push(b" ");
        match &*name {
            [0, rest @ ..] => {
                text.push(b"@");
                // A NUL within is shown as `@`, too.
                for byte in rest {
                    text.push(&[if *byte == 0 { b'@' } else { *byte }]);
                }
            }
            [path @ .., 0] => text.push(path),
            path => text.push(path),
        }
    }
    text.push(b"\n");
}
