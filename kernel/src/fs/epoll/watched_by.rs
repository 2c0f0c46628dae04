//! The back references of an open file description: a watched file that is closed leaves the sets it is in.
//!
//! Owns them. Lock: OBJECT (spin) around the list; EPOLL (sleeping) of the instances when the description goes. Sleeps then.

use super::{Epoll, Key};
use crate::sync::{SpinLock, rank};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use postern_core::errno::{Errno, Result};

/// The epoll instances that watch an open file description.
pub struct WatchedBy(SpinLock<Vec<(Weak<Epoll>, Key)>>);

impl WatchedBy {
    /// None.
    pub const fn nobody() -> Self {
        Self(SpinLock::new(rank::OBJECT, Vec::new()))
    }

    pub(super) fn add(&self, epoll: Weak<Epoll>, key: Key) -> Result<()> {
        let mut list = self.0.lock();
        // Instances that have gone meanwhile leave their entries behind.
        list.retain(|(epoll, _)| epoll.strong_count() != 0);
        list.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        list.push((epoll, key));
        Ok(())
    }

    /// Those instances, one as often as it watches.
    pub(super) fn instances(&self) -> Vec<Arc<Epoll>> {
        self.0.lock().iter().filter_map(|(epoll, _)| epoll.upgrade()).collect()
    }

    pub(super) fn remove(&self, epoll: &Epoll, key: Key) {
        self.0.lock().retain(|(other, other_key)| !(other.ptr_eq(&epoll.me) && *other_key == key));
    }
}

impl Drop for WatchedBy {
    fn drop(&mut self) {
        for (epoll, key) in self.0.get_mut().drain(..) {
            if let Some(epoll) = epoll.upgrade() {
                let watch = epoll.forget(key);
                drop(watch);
            }
        }
    }
}
