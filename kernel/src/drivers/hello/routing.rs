//! Which opener gets which ring: a tree keyed by control group and channel name.
//!
//! Owns the tree, which keeps every instance until its control group goes, or the module. Lock: ROUTES (sleeping), not held
//! while an instance is opened, used, or asked what it has counted. Specification: seed 001 §3.3 and 4.1; its §6.1 (instances
//! that outlive their group) as corrected in seed-notes.

use super::instance::{ByKey, Instance};
use super::switches::Switches;
use crate::mm::heap;
use crate::process::cgroup::{self, CgroupId, Listener};
use crate::sync::{Mutex, rank};
use alloc::sync::Arc;
use alloc::vec::Vec;
use intrusive_collections::{Bound, KeyAdapter, RBTree};
use postern_core::channel::{ChannelKey, ChannelName};
use postern_core::errno::{Errno, Result};

/// The most channels that have a name, in one control group.
const NAMES_MAX: usize = 1024;

impl<'a> KeyAdapter<'a> for ByKey {
    type Key = &'a ChannelKey;

    fn get_key(&self, instance: &'a Instance) -> &'a ChannelKey {
        instance.key()
    }
}

static ROUTES: Mutex<RBTree<ByKey>> = Mutex::new(rank::ROUTES, RBTree::new(ByKey::NEW));

/// The instance of `key`, made now if there is none yet.
///
/// # Errors
/// ENODEV: the control group is gone. ENOMEM; ENOSPC if it has too many channels in use.
pub fn find_or_make(key: ChannelKey) -> Result<Arc<Instance>> {
    let mut routes = ROUTES.lock();
    // With the tree locked: if the group exists now, whoever forgets it has yet to come for the instance.
    if !cgroup::exists(key.cgroup) {
        return Err(Errno::ENODEV);
    }
    if let Some(found) = routes.find(&key).clone_pointer() {
        return Ok(found);
    }
    let instance = Instance::try_new(key)?;
    let is_full = key.name != ChannelName::NONE && count_of_group(&routes, key.cgroup) > NAMES_MAX;
    let replaced = if is_full { Some(take_unused(&mut routes, key.cgroup).ok_or(Errno::ENOSPC)?) } else { None };
    routes.insert(instance.clone());
    drop(routes);
    // With its pages: without the lock.
    drop(replaced);
    Ok(instance)
}

/// Takes a channel out that has a name, which nobody has open or is about to.
fn take_unused(routes: &mut RBTree<ByKey>, cgroup: u64) -> Option<Arc<Instance>> {
    const IN_THE_TREE_AND_HERE: usize = 2;
    let mut cursor = routes.lower_bound_mut(Bound::Excluded(&ChannelKey::own(cgroup)));
    while let Some(instance) = cursor.as_cursor().clone_pointer().filter(|instance| instance.key().cgroup == cgroup) {
        // Exact: who has no reference gets one from the tree only, which is locked.
        if Arc::strong_count(&instance) == IN_THE_TREE_AND_HERE {
            instance.leave_tree();
            return cursor.remove();
        }
        cursor.move_next();
    }
    None
}

/// How many rings a control group has.
fn count_of_group(routes: &RBTree<ByKey>, cgroup: u64) -> usize {
    let mut cursor = routes.lower_bound(Bound::Included(&ChannelKey::own(cgroup)));
    let mut count = 0;
    while cursor.get().is_some_and(|instance| instance.key().cgroup == cgroup) {
        count += 1;
        cursor.move_next();
    }
    count
}

/// Hears of control groups that go.
pub struct GroupWatcher;

impl Listener for GroupWatcher {
    fn on_cgroup_gone(&self, id: CgroupId) {
        forget_group(id);
    }
}

/// A control group is gone: nobody will open its instances any more. Those that are open live until they are closed.
fn forget_group(cgroup: CgroupId) {
    let mut gone = RBTree::new(ByKey::NEW);
    let mut routes = ROUTES.lock();
    let mut cursor = routes.lower_bound_mut(Bound::Included(&ChannelKey::own(cgroup)));
    while cursor.get().is_some_and(|instance| instance.key().cgroup == cgroup) {
        if let Some(instance) = cursor.remove() {
            instance.leave_tree();
            gone.insert(instance);
        }
    }
    drop(routes);
    // Here the last references may go, and with them pages: without the lock.
    drop(gone);
}

/// Forgets all: the module goes, and nothing is open. Who looks at one of them meanwhile has the last reference.
pub fn forget_all() {
    let mut routes = ROUTES.lock();
    let gone = routes.take();
    gone.iter().for_each(Instance::leave_tree);
    drop(routes);
    drop(gone);
}

/// Every instance that can be opened, in the order of their keys; with what `look` says at the moment at which these were all.
/// Nothing is locked any more when the caller asks them.
///
/// # Errors
/// ENOMEM.
pub fn all_with<T>(look: impl FnOnce() -> T) -> Result<(Vec<Arc<Instance>>, T)> {
    let routes = ROUTES.lock();
    let mut all = heap::vec_with_room(routes.iter().count())?;
    let mut cursor = routes.front();
    while let Some(instance) = cursor.clone_pointer() {
        all.push(instance);
        cursor.move_next();
    }
    Ok((all, look()))
}

/// Every instance that can be opened, in the order of their keys.
///
/// # Errors
/// ENOMEM.
pub fn all() -> Result<Vec<Arc<Instance>>> {
    all_with(|| ()).map(|(all, ())| all)
}

/// Calls `f` while nobody opens anything, since the tree is locked.
#[cfg(test)]
pub fn with_tree_locked(f: impl FnOnce()) {
    let _routes = ROUTES.lock();
    f();
}

/// Puts `switches` in force for every instance that can be opened, and for those to come. One whose group is gone keeps the rules
/// it has.
pub fn put_in_force(switches: Switches) {
    // With the tree locked: nobody makes an instance by the old ones meanwhile.
    let routes = ROUTES.lock();
    switches.put_in_force();
    routes.iter().for_each(|instance| instance.follow(switches));
}
