//! Calls on sockets. See `sys` for the rules.

use super::memory::Mapping;
use super::{Sys, checked, counted};
use std::os::fd::RawFd;
use std::sync::OnceLock;

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

/// A `struct sockaddr_un` as in memory, as long as it is used.
pub type Address = Vec<u8>;

/// More than a `struct sockaddr_un` has.
const ADDRESS_ROOM: usize = 128;

/// The address with nothing behind the family.
pub fn nameless() -> Address {
    u16::try_from(libc::AF_UNIX).unwrap_or(0).to_ne_bytes().to_vec()
}

/// The address of a path, with the NUL behind it.
pub fn at_path(path: &str) -> Address {
    [nameless(), path.as_bytes().to_vec(), vec![0]].concat()
}

/// An abstract address of this test's, for itself and the children that it starts afterwards.
pub fn abstract_address(name: &str) -> Address {
    static TEST: OnceLock<u32> = OnceLock::new();
    let test = TEST.get_or_init(std::process::id);
    [nameless(), format!("\0conformance-{test}-{name}").into_bytes()].concat()
}

/// The address of no family (AF_UNSPEC).
pub fn unspecified() -> Address {
    vec![0; 16]
}

fn length_of(address: &[u8]) -> libc::socklen_t {
    libc::socklen_t::try_from(address.len()).unwrap_or(libc::socklen_t::MAX)
}

/// `socket(AF_UNIX)`; `kind` may hold SOCK_NONBLOCK and SOCK_CLOEXEC.
pub fn open(kind: i32) -> Sys<RawFd> {
    open_family(libc::AF_UNIX, kind, 0)
}

/// `socket`.
pub fn open_family(family: i32, kind: i32, protocol: i32) -> Sys<RawFd> {
    // SAFETY: takes no pointers.
    checked("socket", unsafe { libc::socket(family, kind, protocol) })
}

/// `bind`.
pub fn bind(fd: RawFd, address: &[u8]) -> Sys<()> {
    // SAFETY: the kernel reads at most the length of the slice.
    checked("bind", unsafe { libc::bind(fd, address.as_ptr().cast(), length_of(address)) }).map(drop)
}

/// `listen`.
pub fn listen(fd: RawFd, backlog: i32) -> Sys<()> {
    // SAFETY: takes no pointers.
    checked("listen", unsafe { libc::listen(fd, backlog) }).map(drop)
}

/// `connect`.
pub fn connect(fd: RawFd, address: &[u8]) -> Sys<()> {
    // SAFETY: the kernel reads at most the length of the slice.
    checked("connect", unsafe { libc::connect(fd, address.as_ptr().cast(), length_of(address)) }).map(drop)
}

/// `accept` without an address.
pub fn accept(fd: RawFd) -> Sys<RawFd> {
    // SAFETY: null pointers say that no address is wanted.
    checked("accept", unsafe { libc::accept(fd, std::ptr::null_mut(), std::ptr::null_mut()) })
}

/// `accept4`: the socket, and the address of its peer.
pub fn accept4(fd: RawFd, flags: i32) -> Sys<(RawFd, Address)> {
    let mut bytes = vec![0xff_u8; ADDRESS_ROOM];
    let mut length = length_of(&bytes);
    // SAFETY: the kernel writes at most as many bytes as there are.
    let accepted = checked("accept4", unsafe { libc::accept4(fd, bytes.as_mut_ptr().cast(), &raw mut length, flags) })?;
    bytes.truncate(usize::try_from(length).unwrap_or(0));
    Ok((accepted, bytes))
}

/// A socket of this kind that listens at `address`.
pub fn listener(kind: i32, address: &[u8], backlog: i32) -> Sys<RawFd> {
    let fd = open(kind)?;
    bind(fd, address)?;
    listen(fd, backlog)?;
    Ok(fd)
}

/// A socket of this kind that is connected to `address`.
pub fn connected(kind: i32, address: &[u8]) -> Sys<RawFd> {
    let fd = open(kind)?;
    connect(fd, address)?;
    Ok(fd)
}

/// A socket of this kind with the name `address`.
pub fn bound(kind: i32, address: &[u8]) -> Sys<RawFd> {
    let fd = open(kind)?;
    bind(fd, address)?;
    Ok(fd)
}

/// A socket of this kind that can be connected to at `address`: one that listens, or one for datagrams.
pub fn listener_or_bound(kind: i32, address: &[u8]) -> Sys<RawFd> {
    if kind == libc::SOCK_DGRAM { bound(kind, address) } else { listener(kind, address, 5) }
}

/// Two connected sockets of this kind, the second by accept, at `address`; and the listener.
pub fn connection(kind: i32, address: &[u8]) -> Sys<(RawFd, RawFd, RawFd)> {
    let listener = listener(kind, address, 5)?;
    let client = connected(kind, address)?;
    Ok((client, accept(listener)?, listener))
}

/// `sendto`.
pub fn sendto(fd: RawFd, bytes: &[u8], flags: i32, address: &[u8]) -> Sys<usize> {
    let to = address.as_ptr().cast();
    // SAFETY: the kernel reads at most the lengths of the slices.
    let count = unsafe { libc::sendto(fd, bytes.as_ptr().cast(), bytes.len(), flags, to, length_of(address)) };
    counted("sendto", count)
}

/// `sendmmsg` of messages with an address each: how many were sent.
pub fn sendmmsg(fd: RawFd, messages: &[(&[u8], Address)]) -> Sys<usize> {
    let vector_of = |(bytes, _): &(&[u8], Address)| libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let mut vectors: Vec<libc::iovec> = messages.iter().map(vector_of).collect();
    let entry_of = |(vector, (_, address)): (&mut libc::iovec, &(&[u8], Address))| {
        let mut header = header(vector, &mut [], 0);
        header.msg_name = address.as_ptr().cast_mut().cast();
        header.msg_namelen = length_of(address);
        libc::mmsghdr { msg_hdr: header, msg_len: 0 }
    };
    let mut entries: Vec<libc::mmsghdr> = vectors.iter_mut().zip(messages).map(entry_of).collect();
    let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    // SAFETY: the entries describe live slices, which the kernel only reads; it stores lengths in the entries.
    counted("sendmmsg", unsafe { libc::sendmmsg(fd, entries.as_mut_ptr(), count, 0) })
}

/// `ioctl(SIOCOUTQ)`, whose other name is TIOCOUTQ.
pub fn outq(fd: RawFd) -> Sys<usize> {
    let mut bytes = 0_i32;
    // SAFETY: the kernel writes an int.
    checked("ioctl", unsafe { libc::ioctl(fd, libc::TIOCOUTQ, &raw mut bytes) })?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// `recvfrom` with room for so many bytes: these, and the address they came from.
pub fn recvfrom(fd: RawFd, room: usize, flags: i32) -> Sys<(Vec<u8>, Address)> {
    let (mut bytes, mut from) = (vec![0; room], vec![0xff_u8; ADDRESS_ROOM]);
    let mut length = length_of(&from);
    // SAFETY: the kernel writes at most as many bytes as there are, to either.
    let count = counted("recvfrom", unsafe {
        libc::recvfrom(fd, bytes.as_mut_ptr().cast(), room, flags, from.as_mut_ptr().cast(), &raw mut length)
    })?;
    bytes.truncate(count);
    from.truncate(usize::try_from(length).unwrap_or(0));
    Ok((bytes, from))
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
    address("getsockname", libc::getsockname, fd).map(family_and_length)
}

/// `getpeername`: the family, and the length of the address.
pub fn peer_name(fd: RawFd) -> Sys<(u16, usize)> {
    address("getpeername", libc::getpeername, fd).map(family_and_length)
}

/// `getsockname`: the address, as in memory.
pub fn own_address(fd: RawFd) -> Sys<Address> {
    address("getsockname", libc::getsockname, fd)
}

/// `getpeername`: the address, as in memory.
pub fn peer_address(fd: RawFd) -> Sys<Address> {
    address("getpeername", libc::getpeername, fd)
}

/// `getsockname` with so much room: what is in memory then, and the length that was told.
pub fn own_address_within(fd: RawFd, room: i32) -> Sys<(Address, usize)> {
    let mut bytes = vec![0xff_u8; ADDRESS_ROOM];
    let mut length = room.cast_unsigned();
    // SAFETY: the kernel writes at most as many bytes as there are, for no test says more.
    checked("getsockname", unsafe { libc::getsockname(fd, bytes.as_mut_ptr().cast(), &raw mut length) })?;
    Ok((bytes, usize::try_from(length).unwrap_or(usize::MAX)))
}

fn family_and_length(address: Address) -> (u16, usize) {
    (u16::from_ne_bytes([address[0], address[1]]), address.len())
}

fn address(call_name: &'static str, call: NameCall, fd: RawFd) -> Sys<Address> {
    let mut bytes = vec![0xff_u8; ADDRESS_ROOM];
    let mut length = length_of(&bytes);
    // SAFETY: the kernel writes at most as many bytes as there are.
    checked(call_name, unsafe { call(fd, bytes.as_mut_ptr().cast(), &raw mut length) })?;
    bytes.truncate(usize::try_from(length).unwrap_or(0));
    Ok(bytes)
}
