//! Who a thread acts for. Values only. Specification: credentials(7).

use alloc::sync::Arc;
use alloc::vec::Vec;

/// User and group identities; root's (user 0) override permissions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Real user.
    pub uid: u32,
    /// Effective user.
    pub euid: u32,
    /// Saved user.
    pub suid: u32,
    /// User for file access.
    pub fsuid: u32,
    /// Real group.
    pub gid: u32,
    /// Effective group.
    pub egid: u32,
    /// Saved group.
    pub sgid: u32,
    /// Group for file access.
    pub fsgid: u32,
    /// Supplementary groups; shared, since there may be many and every change of another identity copies the rest.
    pub groups: Arc<Vec<u32>>,
}

impl Credentials {
    /// Root's.
    pub fn root() -> Self {
        Self { uid: 0, euid: 0, suid: 0, fsuid: 0, gid: 0, egid: 0, sgid: 0, fsgid: 0, groups: Arc::new(Vec::new()) }
    }

    /// Whether privileged operations are allowed.
    pub fn is_privileged(&self) -> bool {
        self.euid == 0
    }

    /// Whether a process with these may signal one with `target`'s: kill(2).
    pub fn may_signal(&self, target: &Self) -> bool {
        self.is_privileged() || [self.euid, self.uid].iter().any(|id| *id == target.uid || *id == target.suid)
    }
}
