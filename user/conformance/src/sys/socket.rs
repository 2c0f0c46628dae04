//! Calls on sockets. See `sys` for the rules.

use super::memory::Mapping;
use super::{Sys, checked, counted};
use std::os::fd::RawFd;

/// Bytes of a `struct cmsghdr`.
const HEADER: usize = 16;
/// Room for control messages of the calls here that do not say how much.
pub const CONTROL_ROOM: usize = 256;

/// `socketpair(AF_UNIX)`; `kind` may hold SOCK_NONBLOCK and SOCK_CLOEXEC.
pub fn pair(kind: i32) -> Sys<[RawFd; 2]> {
    family_pair(libc::AF_UNIX, kind)
}

/// `socketpair`.
pub fn family_pair(family: i32, kind: i32) -> Sys<[RawFd; 2]> {
    let mut fds = [-1; 2];
    // SAFETY: the array has room for the two numbers.
    checked("socketpair", unsafe { libc::socketpair(family, kind, 0, fds.as_mut_ptr()) })?;
    Ok(fds)
}

/// `send`.
pub fn send(fd: RawFd, bytes: &[u8], flags: i32) -> Sys<usize> {
    // SAFETY: the kernel reads at most the length of the slice.
    let count = unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), flags) };
    counted("send", count)
}

/// `recv`.
pub fn recv(fd: RawFd, buffer: &mut [u8], flags: i32) -> Sys<usize> {
    // SAFETY: the kernel writes at most the length of the slice.
    let count = unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), flags) };
    counted("recv", count)
}

/// `recv` into a mapping, of which parts may be missing.
pub fn recv_into(fd: RawFd, mapping: &Mapping, offset: usize, length: usize) -> Sys<usize> {
    let address = mapping.pointer(offset, length);
    // SAFETY: the range lies in the mapping's reservation, which holds nothing of Rust's.
    let count = unsafe { libc::recv(fd, address.cast(), length, 0) };
    counted("recv", count)
}

/// `recv` of at most `room` bytes.
pub fn recv_up_to(fd: RawFd, room: usize, flags: i32) -> Sys<Vec<u8>> {
    let mut buffer = vec![0; room];
    let count = recv(fd, &mut buffer, flags)?;
    buffer.truncate(count);
    Ok(buffer)
}

/// `shutdown`.
pub fn shutdown(fd: RawFd, how: i32) -> Sys<()> {
    // SAFETY: takes no pointers.
    checked("shutdown", unsafe { libc::shutdown(fd, how) }).map(drop)
}

/// What `recvmsg` returned.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// `msg_flags`.
    pub flags: i32,
    /// Descriptors that came along.
    pub fds: Vec<RawFd>,
    /// Process, user and group of the sender, if they came along.
    pub sender: Option<[i32; 3]>,
}

/// A `struct cmsghdr` with data, as 64-bit words.
pub fn control(kind: i32, data: &[i32]) -> Vec<u64> {
    let length = (HEADER + size_of_val(data)) as u64;
    let mut halves: Vec<u32> = data.iter().map(|value| value.cast_unsigned()).collect();
    if !halves.len().is_multiple_of(2) {
        halves.push(0);
    }
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    let header = pair(libc::SOL_SOCKET.cast_unsigned(), kind.cast_unsigned());
    let words = halves.chunks(2).map(|half| pair(half[0], half[1]));
    [length, header].into_iter().chain(words).collect()
}

/// A length as another C library has it: `msg_controllen` is a size in glibc, a `socklen_t` in musl.
fn converted<A, B: TryFrom<A> + Default>(length: A) -> B {
    B::try_from(length).unwrap_or_default()
}

/// A `struct msghdr` of one vector, which the pointers must outlive.
fn header(vector: &mut libc::iovec, control: &mut [u64], control_length: usize) -> libc::msghdr {
    // SAFETY: a structure of integers and pointers, of which zero is a value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = vector;
    message.msg_iovlen = 1;
    if control_length > 0 {
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = converted(control_length);
    }
    message
}

/// `sendmsg` with these control messages.
pub fn sendmsg(fd: RawFd, bytes: &[u8], control: &[u64]) -> Sys<usize> {
    let mut vector = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut control = control.to_vec();
    let length = size_of_val(control.as_slice());
    let message = header(&mut vector, &mut control, length);
    // SAFETY: the header describes live slices, which the kernel only reads.
    counted("sendmsg", unsafe { libc::sendmsg(fd, &raw const message, libc::MSG_NOSIGNAL) })
}

/// `sendmsg` with descriptors.
pub fn send_fds(fd: RawFd, bytes: &[u8], fds: &[RawFd]) -> Sys<usize> {
    sendmsg(fd, bytes, &control(libc::SCM_RIGHTS, fds))
}

/// `recvmsg` with room for control messages.
pub fn recvmsg(fd: RawFd, room: usize, flags: i32) -> Sys<Message> {
    recvmsg_within(fd, room, CONTROL_ROOM, flags)
}

/// `recvmsg` with room for so many bytes of control messages.
pub fn recvmsg_within(fd: RawFd, room: usize, control_room: usize, flags: i32) -> Sys<Message> {
    let mut bytes = vec![0_u8; room];
    let mut vector = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: room };
    let mut words = vec![0_u64; control_room.div_ceil(8)];
    let mut message = header(&mut vector, &mut words, control_room);
    // SAFETY: the header describes live slices, into which the kernel writes no more than it says.
    let count = counted("recvmsg", unsafe { libc::recvmsg(fd, &raw mut message, flags) })?;
    bytes.truncate(count);
    let used: usize = converted(message.msg_controllen);
    let control: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut received = Message { bytes, flags: message.msg_flags, fds: Vec::new(), sender: None };
    take_control(&control[..used.min(control.len())], &mut received);
    Ok(received)
}

fn take_control(mut rest: &[u8], received: &mut Message) {
    let int = |bytes: &[u8]| i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    while rest.len() >= HEADER {
        let length = usize::try_from(int(rest)).unwrap_or(0).clamp(HEADER, rest.len());
        let values: Vec<i32> = rest[HEADER..length].chunks_exact(4).map(int).collect();
        match int(&rest[12..]) {
            libc::SCM_RIGHTS => received.fds = values,
            libc::SCM_CREDENTIALS => received.sender = values.try_into().ok(),
            _ => {}
        }
        rest = &rest[length.next_multiple_of(8).min(rest.len())..];
    }
}

/// `getsockopt(SOL_SOCKET)` of an option that is so many ints.
pub fn option<const INTS: usize>(fd: RawFd, name: i32) -> Sys<[i32; INTS]> {
    let mut values = [0; INTS];
    let mut length = libc::socklen_t::try_from(size_of_val(&values)).unwrap_or(0);
    // SAFETY: the kernel writes at most `length` bytes.
    checked("getsockopt", unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, name, values.as_mut_ptr().cast(), &raw mut length)
    })?;
    Ok(values)
}

/// `setsockopt(SOL_SOCKET)` of an option that is an int.
pub fn set_option(fd: RawFd, name: i32, value: i32) -> Sys<()> {
    // SAFETY: the kernel reads four bytes.
    checked("setsockopt", unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, name, (&raw const value).cast(), 4) })
        .map(drop)
}

/// `setsockopt` of SO_RCVTIMEO or SO_SNDTIMEO.
pub fn set_timeout(fd: RawFd, name: i32, milliseconds: i64) -> Sys<()> {
    let time = [milliseconds / 1000, milliseconds % 1000 * 1000];
    // SAFETY: the kernel reads a `struct timeval`, which is two 64-bit numbers.
    checked("setsockopt", unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, name, (&raw const time).cast(), 16) })
        .map(drop)
}

/// What getsockname and getpeername are.
type NameCall = unsafe extern "C" fn(i32, *mut libc::sockaddr, *mut libc::socklen_t) -> i32;

/// `getsockname`: the family, and the length of the address.
pub fn name(fd: RawFd) -> Sys<(u16, usize)> {
    address("getsockname", libc::getsockname, fd)
}

/// `getpeername`: the family, and the length of the address.
pub fn peer_name(fd: RawFd) -> Sys<(u16, usize)> {
    address("getpeername", libc::getpeername, fd)
}

fn address(call_name: &'static str, call: NameCall, fd: RawFd) -> Sys<(u16, usize)> {
    let mut bytes = [0xff_u8; 110];
    let mut length = 110;
    // SAFETY: the kernel writes at most as many bytes as there are.
    checked(call_name, unsafe { call(fd, bytes.as_mut_ptr().cast(), &raw mut length) })?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    Ok((u16::from_ne_bytes([bytes[0], bytes[1]]), length))
}
