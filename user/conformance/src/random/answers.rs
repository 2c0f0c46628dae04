//! What an operation came to, in words that are the same on every machine.

use crate::sys::socket::Message;
use crate::sys::{Sys, SysError};
use std::fmt::Display;

/// The words, or the error.
pub type Answer = Sys<String>;

/// Bytes longer than this are told by their number and a sum.
const SHOWN: usize = 12;

const ERRORS: &[(i32, &str)] = &[
    (libc::EPERM, "EPERM"),
    (libc::ENOENT, "ENOENT"),
    (libc::ESRCH, "ESRCH"),
    (libc::EINTR, "EINTR"),
    (libc::ENXIO, "ENXIO"),
    (libc::EBADF, "EBADF"),
    (libc::ECHILD, "ECHILD"),
    (libc::EAGAIN, "EAGAIN"),
    (libc::ENOMEM, "ENOMEM"),
    (libc::EACCES, "EACCES"),
    (libc::EFAULT, "EFAULT"),
    (libc::EBUSY, "EBUSY"),
    (libc::EEXIST, "EEXIST"),
    (libc::ENODEV, "ENODEV"),
    (libc::EINVAL, "EINVAL"),
    (libc::ENOTTY, "ENOTTY"),
    (libc::EFBIG, "EFBIG"),
    (libc::ESPIPE, "ESPIPE"),
    (libc::EPIPE, "EPIPE"),
    (libc::EDEADLK, "EDEADLK"),
    (libc::ENOSYS, "ENOSYS"),
    (libc::ELOOP, "ELOOP"),
    (libc::EOVERFLOW, "EOVERFLOW"),
    (libc::ENOTSOCK, "ENOTSOCK"),
    (libc::EMSGSIZE, "EMSGSIZE"),
    (libc::EOPNOTSUPP, "EOPNOTSUPP"),
    (libc::ECONNRESET, "ECONNRESET"),
    (libc::ENOBUFS, "ENOBUFS"),
    (libc::EISCONN, "EISCONN"),
    (libc::ENOTCONN, "ENOTCONN"),
    (libc::ECONNREFUSED, "ECONNREFUSED"),
    (libc::ETOOMANYREFS, "ETOOMANYREFS"),
];

const EVENTS: &[(i32, &str)] = &[
    (libc::EPOLLIN, "IN"),
    (libc::EPOLLPRI, "PRI"),
    (libc::EPOLLOUT, "OUT"),
    (libc::EPOLLERR, "ERR"),
    (libc::EPOLLHUP, "HUP"),
    (libc::POLLNVAL as i32, "NVAL"),
    (libc::EPOLLRDHUP, "RDHUP"),
];

/// The name of an error.
pub fn error(error: SysError) -> String {
    let known = ERRORS.iter().find(|(errno, _)| *errno == error.errno);
    known.map_or_else(|| format!("error {}", error.errno), |(_, name)| (*name).to_owned())
}

/// Nothing to tell.
pub fn none<T>(_: T) -> String {
    "done".to_owned()
}

/// A number, as it is.
pub fn number(value: impl Display) -> String {
    value.to_string()
}

/// How many bytes, and which.
pub fn bytes(bytes: &[u8]) -> String {
    let count = bytes.len();
    if count == 0 {
        return number(0);
    }
    if count <= SHOWN {
        return format!("{count} {}", bytes.escape_ascii());
    }
    format!("{count} {}… {:08x}", bytes[..4].escape_ascii(), digest(bytes) >> 32)
}

/// A mask of poll's or epoll's.
pub fn events(mask: i32) -> String {
    let mut names: Vec<String> =
        EVENTS.iter().filter(|(bit, _)| mask & bit != 0).map(|(_, name)| (*name).to_owned()).collect();
    let rest = EVENTS.iter().fold(mask, |rest, (bit, _)| rest & !bit);
    if rest != 0 {
        names.push(format!("{rest:x}"));
    }
    if names.is_empty() { "none".to_owned() } else { names.join("+") }
}

/// Numbers of signals, but for the one that ends sleeps.
pub fn signals(numbers: &[i32]) -> String {
    let told: Vec<String> =
        numbers.iter().filter(|signal| **signal != libc::SIGALRM).map(ToString::to_string).collect();
    format!("[{}]", told.join(" "))
}

/// A message with what came along.
pub fn received(message: &Message) -> String {
    let flags = [(libc::MSG_TRUNC, "TRUNC"), (libc::MSG_CTRUNC, "CTRUNC"), (libc::MSG_EOR, "EOR")];
    let flags: String =
        flags.iter().filter(|(bit, _)| message.flags & bit != 0).map(|(_, name)| format!(" {name}")).collect();
    let fds: String = message.fds.iter().map(|fd| format!(" descriptor {fd}")).collect();
    format!("{}{flags}{fds}", bytes(&message.bytes))
}

/// FNV-1a, of 64 bits.
pub fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
