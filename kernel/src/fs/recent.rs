//! The files that a thread has used last, found without its table of descriptors: no lock, and no further reference.
//!
//! Owns references to open file descriptions, each of which stands in the thread's table too: only a thread that shares its table
//! with no other keeps any, and it lets all of them go before anything leaves that table, or the table gets another owner. So a
//! file ends with its last descriptor as if these did not exist. While a call uses a file, its reference is the call's.
//! No locks; never sleeps, but to drop a file.

use crate::fs::open_file::OpenFile;
use alloc::sync::Arc;
use core::cell::Cell;
use postern_core::fd_table::RawFd;

/// A power of two.
const PLACES: usize = 8;

/// A place's descriptor while it has none: it is never open.
const NONE: RawFd = RawFd::MAX;

/// The files that a thread has used last.
pub struct Recent([Place; PLACES]);

struct Place {
    descriptor: Cell<RawFd>,
    file: Cell<Option<Arc<OpenFile>>>,
}

impl Recent {
    /// None.
    pub const fn new() -> Self {
        Self([const { Place { descriptor: Cell::new(NONE), file: Cell::new(None) } }; PLACES])
    }

    #[inline(always)]
    fn place(&self, fd: RawFd) -> &Place {
        &self.0[fd.cast_unsigned() as usize % PLACES]
    }

    /// The file behind `fd`, if it is kept. To be given back by [`give_back`](Self::give_back).
    #[inline(always)]
    pub fn take(&self, fd: RawFd) -> Option<Arc<OpenFile>> {
        let place = self.place(fd);
        if place.descriptor.get() == fd { place.file.take() } else { None }
    }

    /// The file of `fd` that is looked up now may be kept, and whichever was kept in its place is not any more.
    pub fn expect(&self, fd: RawFd) {
        let place = self.place(fd);
        place.descriptor.set(fd);
        drop(place.file.take());
    }

    /// Keeps the file behind `fd`, which the caller has used, unless it is not expected to be any more.
    #[inline(always)]
    pub fn give_back(&self, fd: RawFd, file: Arc<OpenFile>) {
        let place = self.place(fd);
        let other = if place.descriptor.get() == fd { place.file.replace(Some(file)) } else { Some(file) };
        if let Some(other) = other {
            let_go(other);
        }
    }

    /// Lets all of them go.
    pub fn forget(&self) {
        for place in &self.0 {
            place.descriptor.set(NONE);
            drop(place.file.take());
        }
    }
}

/// Out of line, since it is rare.
#[cold]
#[inline(never)]
fn let_go(file: Arc<OpenFile>) {
    drop(file);
}
