//! Files whose opening is somebody else's business: devices, FIFOs, generated files.
//!
//! Owns the two openers that drivers and pipes register at boot, so that this layer names neither. Lock: OBJECT (spin) in
//! attachments. Openers may sleep (a FIFO waits for its peer); nothing is locked around them. Specification: open(2), fifo(7).

use crate::fs::dentry::Location;
use crate::fs::file::FileOps;
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::process::Credentials;
use crate::sync::{SpinLock, rank};
use alloc::sync::Arc;
use core::any::Any;
use postern_core::errno::{Errno, Result};
use spin::Once;

/// Who opens what, and how.
pub struct OpenRequest<'a> {
    /// The file.
    pub location: &'a Location,
    /// For reading, for writing.
    pub access: AccessMode,
    /// The other flags.
    pub flags: OpenFlags,
    /// Who.
    pub credentials: &'a Credentials,
    /// The control group of who.
    pub cgroup: u64,
}

/// Something that is held as long as an open file description or a mapping of it lives.
pub type Hold = Arc<dyn Any + Send + Sync>;

/// What opening made.
pub struct Opened {
    /// The object behind the descriptor.
    pub ops: Arc<dyn FileOps>,
    /// Held as long as the open file description lives: counts a driver's openings.
    pub hold: Option<Hold>,
}

impl Opened {
    /// An object with nothing to hold.
    pub fn plain(ops: Arc<dyn FileOps>) -> Self {
        Self { ops, hold: None }
    }
}

/// Something that can be opened.
pub trait Openable: Send + Sync {
    /// Opens it.
    ///
    /// # Errors
    /// Whatever open(2) should say.
    fn open(&self, request: &OpenRequest<'_>) -> Result<Opened>;
}

static CHAR_DEVICES: Once<&'static dyn Openable> = Once::new();
static FIFOS: Once<&'static dyn Openable> = Once::new();

/// Whoever opens character devices registers here, once.
pub fn set_char_device_opener(opener: &'static dyn Openable) {
    CHAR_DEVICES.call_once(|| opener);
}

/// Whoever opens FIFOs registers here, once.
pub fn set_fifo_opener(opener: &'static dyn Openable) {
    FIFOS.call_once(|| opener);
}

/// Opens a character device.
///
/// # Errors
/// ENXIO if nobody drives it.
pub fn open_char_device(request: &OpenRequest<'_>) -> Result<Opened> {
    CHAR_DEVICES.get().ok_or(Errno::ENXIO)?.open(request)
}

/// Opens a FIFO, or a pipe through /proc/PID/fd. May wait for the other side.
///
/// # Errors
/// ENXIO, EINTR …
pub fn open_fifo(request: &OpenRequest<'_>) -> Result<Opened> {
    FIFOS.get().ok_or(Errno::ENXIO)?.open(request)
}

/// What another part of the kernel keeps with an inode: a FIFO's pipe, a socket's address.
pub struct Attachment {
    object: SpinLock<Option<Arc<dyn Any + Send + Sync>>>,
}

impl Attachment {
    /// Nothing attached.
    pub const fn new() -> Self {
        Self { object: SpinLock::new(rank::OBJECT, None) }
    }

    /// With `object` attached.
    pub fn with(object: Arc<dyn Any + Send + Sync>) -> Self {
        Self { object: SpinLock::new(rank::OBJECT, Some(object)) }
    }

    /// What is attached, if it is a `T`.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.object.lock().clone()?.downcast().ok()
    }

    /// Attaches `object`, unless something is attached; what is attached then, if it is a `T`.
    pub fn get_or_attach<T: Any + Send + Sync>(&self, object: Arc<T>) -> Option<Arc<T>> {
        let attached = self.object.lock().get_or_insert(object).clone();
        attached.downcast().ok()
    }
}

impl Default for Attachment {
    fn default() -> Self {
        Self::new()
    }
}
