//! What a file of `/dev/hello` does with an instance to which it is bound for good: one that reads is not asked about its
//! binding again at each look.
//!
//! Owns nothing. Lock: DRIVER, through `instance`. Sleeps in it, and in user copies. Specification: read(2).

use super::instance::Instance;
use crate::arch::trace_point;
use crate::fs::file::{Direction, FileOps, Io};
use crate::mm::user::Sink;
use crate::sync::WaitQueue;
use postern_core::errno::Result;

/// The path of transfers once the binding is fixed.
pub(super) struct Fixed;

impl FileOps for Instance {
    #[inline(always)]
    fn has_nothing(&self, sink: &Sink<'_>) -> bool {
        let nothing = self.lets_readers_wait() && sink.remaining() != 0;
        if nothing {
            trace_point::hello_empty(self.word());
        }
        nothing
    }

    #[inline(always)]
    fn try_read(&self, _: &Io, sink: &mut Sink<'_>) -> Result<usize> {
        Self::try_read::<Fixed>(self, sink)
    }

    fn wait_queue(&self, direction: Direction) -> Option<&WaitQueue> {
        Some(Self::wait_queue(self, direction))
    }

    fn pass_on(&self, direction: Direction, _: &WaitQueue) {
        Self::pass_on(self, direction);
    }

    fn hold_back(&self, direction: Direction) {
        Self::hold_back(self, direction);
    }
}
