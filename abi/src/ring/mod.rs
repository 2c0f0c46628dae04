//! The ring of `/dev/hello` as programs map it: one producer and one consumer exchange records by loads and stores.
//!
//! | file | has |
//! |---|---|
//! | [`layout`] | where everything lies, versioned; the descriptor of a slot |
//! | [`protocol`] | who stores what, in which order; when a doorbell must be rung. Model-checked |
//! | [`mapped`] | both sides over memory that is mapped, for programs |
//!
//! Each side writes its own part only, and the kernel sees to that: a store anywhere else is SIGBUS. What the *other* side
//! writes is never trusted: it is loaded once, checked, and refused with [`Corrupt`] if it makes no sense.

pub mod layout;
#[cfg(not(loom))]
pub mod mapped;
pub mod protocol;

/// The other side has written something that no ring holds: indices too far apart, or running backwards, or a slot that does
/// not lie in its page. Nothing has been changed; the ring is of no more use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Corrupt;
