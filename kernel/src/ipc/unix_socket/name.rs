//! The names of sockets: who has which, and who is found by one.
//!
//! Owns the abstract names and the list of all sockets. A name in the file system hangs on its inode instead. A socket gets a
//! name once and keeps it; whoever it talks to knows it by its [`Identity`], which outlives it. Locks: OBJECT (spin) around each
//! of the two tables. Never sleeps. Specification: unix(7).

use super::{Socket, SocketType};
use crate::fs::special::Attachment;
use crate::sync::{SpinLock, rank};
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::format;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use postern_core::errno::{Errno, Result};
use spin::Once;

/// What stands in `sun_path`: a path with the NUL behind it, or an abstract name with the NUL before it.
pub type Name = Arc<[u8]>;

/// What others know of a socket.
pub struct Identity {
    /// Its number, in the order in which sockets are made.
    pub(super) id: u64,
    name: Once<Name>,
}

impl Identity {
    /// Of a socket without a name.
    pub(super) fn nameless() -> Arc<Self> {
        Self::with(Once::new())
    }

    /// Of a socket that was accepted by the one called `name`, as which it is known too.
    pub(super) fn called(name: Option<Name>) -> Arc<Self> {
        Self::with(name.map_or_else(Once::new, Once::initialized))
    }

    fn with(name: Once<Name>) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: nothing but different numbers is wanted.
        Arc::new(Self { id: NEXT.fetch_add(1, Ordering::Relaxed), name })
    }

    /// Its name, if it has one.
    pub fn name(&self) -> Option<Name> {
        self.name.get().cloned()
    }

    /// Gives it this name.
    ///
    /// # Errors
    /// EINVAL if it has one.
    fn set(&self, name: &Name) -> Result<()> {
        let mut is_ours = false;
        self.name.call_once(|| {
            is_ours = true;
            name.clone()
        });
        if is_ours { Ok(()) } else { Err(Errno::EINVAL) }
    }
}

/// Sockets of different types may have the same abstract name.
type Abstract = BTreeMap<(SocketType, Name), Weak<Socket>>;

static ABSTRACT: SpinLock<Abstract> = SpinLock::new(rank::OBJECT, BTreeMap::new());
static ALL: SpinLock<BTreeMap<u64, Weak<Socket>>> = SpinLock::new(rank::OBJECT, BTreeMap::new());

/// Enters a new socket.
pub(super) fn enter(socket: &Arc<Socket>) {
    ALL.lock().insert(socket.identity.id, Arc::downgrade(socket));
}

/// Removes one that is gone.
pub(super) fn leave(identity: &Identity) {
    let gone = ALL.lock().remove(&identity.id);
    drop(gone);
}

/// All sockets, in the order in which they were made.
pub(super) fn all() -> Vec<Arc<Socket>> {
    ALL.lock().values().filter_map(Weak::upgrade).collect()
}

/// What hangs on the inode of a socket's name.
struct Bound(Weak<Socket>);

/// The attachment of an inode that is going to be the name of `socket`.
pub fn attachment(socket: &Arc<Socket>) -> Attachment {
    Attachment::with(Arc::new(Bound(Arc::downgrade(socket))))
}

/// The socket of this type whose name an inode is.
///
/// # Errors
/// ECONNREFUSED: nobody's any more; EPROTOTYPE: that of a socket of another type.
pub fn behind(attachment: &Attachment, kind: SocketType) -> Result<Arc<Socket>> {
    let bound = attachment.get::<Bound>().ok_or(Errno::ECONNREFUSED)?;
    let socket = bound.0.upgrade().filter(|socket| !socket.is_closed()).ok_or(Errno::ECONNREFUSED)?;
    if socket.kind == kind { Ok(socket) } else { Err(Errno::EPROTOTYPE) }
}

/// The socket of this type with an abstract name.
///
/// # Errors
/// ECONNREFUSED.
pub fn find_abstract(name: Name, kind: SocketType) -> Result<Arc<Socket>> {
    ABSTRACT.lock().get(&(kind, name)).and_then(Weak::upgrade).ok_or(Errno::ECONNREFUSED)
}

impl Socket {
    /// Its name, if it has one.
    pub fn name(&self) -> Option<Name> {
        self.identity.name()
    }

    /// Notes the path it was bound to.
    ///
    /// # Errors
    /// EINVAL if it has a name.
    pub fn bind_path(&self, name: &Name) -> Result<()> {
        self.identity.set(name)
    }

    /// Binds it to an abstract name.
    ///
    /// # Errors
    /// EADDRINUSE; EINVAL if it has a name.
    pub fn bind_abstract(self: &Arc<Self>, name: Name) -> Result<()> {
        let mut names = ABSTRACT.lock();
        if self.identity.name.is_completed() {
            return Err(Errno::EINVAL);
        }
        match names.entry((self.kind, name.clone())) {
            Entry::Occupied(_) => Err(Errno::EADDRINUSE),
            Entry::Vacant(free) => {
                self.identity.set(&name)?;
                free.insert(Arc::downgrade(self));
                Ok(())
            }
        }
    }

    /// Binds it to an abstract name that is free: five hexadecimal digits. Nothing, if it has a name.
    ///
    /// # Errors
    /// ENOSPC: none is free.
    pub fn bind_automatically(self: &Arc<Self>) -> Result<()> {
        const NAMES: u32 = 1 << 20;
        static NEXT: AtomicU32 = AtomicU32::new(0);
        for _ in 0..NAMES {
            // Relaxed: whether the number is free is seen in the table.
            let number = NEXT.fetch_add(1, Ordering::Relaxed) % NAMES;
            match self.bind_abstract(format!("\0{number:05x}").into_bytes().into()) {
                Err(Errno::EADDRINUSE) => {}
                // It has a name, maybe since a moment ago.
                Ok(()) | Err(_) => return Ok(()),
            }
        }
        Err(Errno::ENOSPC)
    }

    /// Binds it automatically if it wants to know who sends (SO_PASSCRED): then it also says who it is.
    ///
    /// # Errors
    /// ENOSPC.
    pub fn bind_if_asked_who_sends(self: &Arc<Self>) -> Result<()> {
        if self.wants_credentials() && self.name().is_none() { self.bind_automatically() } else { Ok(()) }
    }

    /// Gives its abstract name, if it has one, to whoever wants it.
    pub(super) fn give_up_name(&self) {
        let Some(name) = self.name().filter(|name| name.first() == Some(&0)) else { return };
        let mut names = ABSTRACT.lock();
        if let Entry::Occupied(entry) = names.entry((self.kind, name))
            && core::ptr::eq(entry.get().as_ptr(), self)
        {
            let (_, weak) = entry.remove_entry();
            drop(names);
            drop(weak);
        }
    }
}
