//! Who hears that a control group has gone: drivers that keep something for each.
//!
//! Owns the list. Lock: CGROUP_LISTENERS (sleeping), held while listeners run, so that one whose registration is gone runs no more.
//! A listener may take locks from DRIVER on, and sleep.

use super::CgroupId;
use crate::sync::{Mutex, rank};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Somebody who wants to know that a group has gone.
pub trait Listener: Send + Sync {
    /// The group is gone: removed, without processes, nobody can enter it. Called once for each, in process context, without any
    /// spin lock held. May sleep.
    fn on_cgroup_gone(&self, id: CgroupId);
}

static LISTENERS: Mutex<Vec<Arc<dyn Listener>>> = Mutex::new(rank::CGROUP_LISTENERS, Vec::new());

/// Keeps a listener registered. Dropping it sleeps until no call of the listener is under way: none comes after that. So it must
/// not be dropped with a lock held that the listener takes, nor by the listener.
pub struct Registration {
    listener: Arc<dyn Listener>,
}

/// From now on `listener` hears of every group that goes. Sleeps.
#[must_use = "the listener is forgotten when the registration is dropped"]
pub fn add_listener(listener: Arc<dyn Listener>) -> Registration {
    LISTENERS.lock().push(listener.clone());
    Registration { listener }
}

impl Drop for Registration {
    fn drop(&mut self) {
        LISTENERS.lock().retain(|known| !Arc::ptr_eq(known, &self.listener));
    }
}

pub(super) fn call_all(id: CgroupId) {
    for listener in &*LISTENERS.lock() {
        listener.on_cgroup_gone(id);
    }
}
