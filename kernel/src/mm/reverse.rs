//! From an object to the address spaces that map it, for the rare calls that take pages away from
//! an object: truncate(2). There is no index: all address spaces are asked, and only when a page
//! that goes was in use elsewhere.
//!
//! Lock: ADDRESS_SPACES (spin) around the register; ADDRESS_SPACE of each in turn, without it.

use super::SourceId;
use super::address_space::AddressSpace;
use super::frame::Frame;
use crate::sync::{SpinLock, rank};
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use arrayvec::ArrayVec;
use core::ops::Bound;

/// Address spaces that are held at once.
const SPACES_AT_A_TIME: usize = 16;

static SPACES: SpinLock<BTreeMap<usize, Weak<AddressSpace>>> = SpinLock::new(rank::ADDRESS_SPACES, BTreeMap::new());

/// Announces an address space.
pub(super) fn register(space: &Arc<AddressSpace>) {
    let old = SPACES.lock().insert(Arc::as_ptr(space).addr(), Arc::downgrade(space));
    debug_assert!(old.is_none_or(|old| old.strong_count() == 0), "registered twice");
}

/// Forgets an address space that is going.
pub(super) fn unregister(space: &AddressSpace) {
    let gone = SPACES.lock().remove(&core::ptr::from_ref(space).addr());
    drop(gone);
}

/// Takes the pages of an object (by its `PageSource::identity`) from page number `first` on out of
/// every address space. `removed` are the pages the object has just let go of. May sleep; the
/// caller holds no address space and no PAGES lock.
pub fn forget_pages<'a>(identity: SourceId, first: usize, mut removed: impl Iterator<Item = &'a Frame>) {
    if removed.all(|frame| frame.share_count() == 1) {
        return;
    }
    let mut after = Bound::Unbounded;
    loop {
        let batch = spaces_after(after);
        let Some(last) = batch.last() else { return };
        after = Bound::Excluded(Arc::as_ptr(last).addr());
        for space in batch {
            space.forget_object_pages(identity, first);
        }
    }
}

/// The next few address spaces, in order of their addresses. No memory is asked for: it may be what truncate(2) is to free.
fn spaces_after(after: Bound<usize>) -> ArrayVec<Arc<AddressSpace>, SPACES_AT_A_TIME> {
    let spaces = SPACES.lock();
    spaces.range((after, Bound::Unbounded)).filter_map(|(_, space)| space.upgrade()).take(SPACES_AT_A_TIME).collect()
}
