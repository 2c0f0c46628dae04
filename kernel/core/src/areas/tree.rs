//! The areas in order, and how often they have been changed.
//!
//! Owns the tree, together with its clones until one of them is changed; the only way to change it counts. No locks, never sleeps.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::ops::Deref;

use super::Area;

/// Areas, keyed by the start of each. Reading is done through [`Deref`], changing through [`Tree::change`].
#[derive(Clone, Debug)]
pub(super) struct Tree<B> {
    map: Arc<BTreeMap<usize, Area<B>>>,
    changes: u64,
}

impl<B: Clone> Tree<B> {
    /// No areas.
    pub(super) fn new() -> Self {
        Self { map: Arc::new(BTreeMap::new()), changes: 0 }
    }

    /// Whether [`Tree::change`] would have to copy all areas first.
    pub(super) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.map) > 1
    }

    /// Copies all areas if [`Tree::change`] would have to.
    pub(super) fn unshare(&mut self) {
        Arc::make_mut(&mut self.map);
    }

    /// The tree, to be changed.
    pub(super) fn change(&mut self) -> &mut BTreeMap<usize, Area<B>> {
        self.changes += 1;
        Arc::make_mut(&mut self.map)
    }

    /// How often [`Tree::change`] was called.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }
}

impl<B> Deref for Tree<B> {
    type Target = BTreeMap<usize, Area<B>>;

    fn deref(&self) -> &Self::Target {
        &self.map
    }
}
