//! The areas in order, and how often they have been changed.
//!
//! Owns the tree; the only way to change it counts. No locks, never sleeps.

use alloc::collections::BTreeMap;
use core::ops::Deref;

use super::Area;

/// Areas, keyed by the start of each. Reading is done through [`Deref`], changing through [`Tree::change`].
#[derive(Clone, Debug)]
pub(super) struct Tree<B> {
    map: BTreeMap<usize, Area<B>>,
    changes: u64,
}

impl<B> Tree<B> {
    /// No areas.
    pub(super) const fn new() -> Self {
        Self { map: BTreeMap::new(), changes: 0 }
    }

    /// The tree, to be changed.
    pub(super) fn change(&mut self) -> &mut BTreeMap<usize, Area<B>> {
        self.changes += 1;
        &mut self.map
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
