//! Who goes first at a ring whose newcomers stand back for those who were passed over: the rule of pipes and of `/dev/hello`.
//!
//! Owns nothing. The caller holds the ring's (sleeping) lock; the question whose turn it is takes the queue's; never sleeps.
//! See docs/waiting.md.

use crate::fs::file::Direction;
use postern_core::pipe::{End, PipeState};

/// The end at which bytes go this way.
pub fn end_of(direction: Direction) -> End {
    match direction {
        Direction::Read => End::Read,
        Direction::Write => End::Write,
    }
}

/// Before an attempt at `end`: if those who come there are held back, but `is_its_turn`, they are not any more. Whether it
/// was so, and an attempt that has just failed may succeed.
pub fn let_in<P>(state: &mut PipeState<P>, end: End, is_its_turn: impl FnOnce() -> bool) -> bool {
    let may_go = state.holds_back(end) && is_its_turn();
    if may_go {
        state.let_in(end);
    }
    may_go
}
