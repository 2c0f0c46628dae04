//! Who sent a message, as the receiver is told. A value. Specification: unix(7) SCM_CREDENTIALS, SO_PEERCRED.

use crate::process;

/// Who sent a message (`struct ucred`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sender {
    /// Process, 0 if it was not recorded.
    pub pid: u32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Sender {
    /// A sender that was not recorded, since neither side had asked for it (SO_PASSCRED) when the message was sent.
    pub const UNKNOWN: Self = Self { pid: 0, uid: 65534, gid: 65534 };

    /// Nobody: the peer of a socket that never had one.
    pub const NOBODY: Self = Self { pid: 0, uid: u32::MAX, gid: u32::MAX };

    /// The calling process with its real user and group: what a message says.
    pub fn current() -> Self {
        let current = process::current();
        let credentials = current.credentials();
        Self { pid: current.process().pid(), uid: credentials.uid, gid: credentials.gid }
    }

    /// The calling process with its effective user and group: what a connection says (SO_PEERCRED).
    pub fn current_effective() -> Self {
        let current = process::current();
        let credentials = current.credentials();
        Self { pid: current.process().pid(), uid: credentials.euid, gid: credentials.egid }
    }
}
