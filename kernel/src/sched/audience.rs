//! Those who are to be told of something, whenever it happens: members come and go, and nothing keeps them alive.
//!
//! Owns the list. One lock, of the rank that its maker says; none is held while a member is told. Never sleeps.

use crate::sync::SpinLock;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::ops::Bound;
use postern_sync::Rank;

struct Members<T: ?Sized> {
    by_number: BTreeMap<u64, Weak<T>>,
    next: u64,
}

/// A list of members.
pub struct Audience<T: ?Sized>(SpinLock<Members<T>>);

/// As long as there is this, its maker is a member.
pub struct Membership<T: ?Sized + 'static> {
    audience: &'static Audience<T>,
    number: u64,
}

impl<T: ?Sized> Audience<T> {
    /// Nobody.
    pub const fn new(rank: Rank) -> Self {
        Self(SpinLock::new(rank, Members { by_number: BTreeMap::new(), next: 0 }))
    }

    /// Adds a member. Asks for memory, which the caller has seen to be there.
    pub fn join(&'static self, member: Weak<T>) -> Membership<T> {
        let mut members = self.0.lock();
        let number = members.next;
        members.next += 1;
        members.by_number.insert(number, member);
        Membership { audience: self, number }
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.0.lock().by_number.is_empty()
    }

    /// Tells all who are members throughout, and perhaps some who come or go meanwhile.
    pub fn tell(&self, tell: impl Fn(Arc<T>)) {
        let mut after = Bound::Unbounded;
        loop {
            let next = {
                let members = self.0.lock();
                members
                    .by_number
                    .range((after, Bound::Unbounded))
                    .next()
                    .map(|(number, member)| (*number, member.upgrade()))
            };
            let Some((number, member)) = next else { return };
            after = Bound::Excluded(number);
            if let Some(member) = member {
                tell(member);
            }
        }
    }
}

impl<T: ?Sized> Drop for Membership<T> {
    fn drop(&mut self) {
        let mut members = self.audience.0.lock();
        members.by_number.remove(&self.number);
        if members.by_number.is_empty() {
            // An empty map keeps memory that leak counts would show.
            members.by_number = BTreeMap::new();
        }
    }
}
