//! Who waits in a queue, for reports: takes its lock, and wakes nobody.

use super::WakeCallback;
use super::node::Target;
use super::queue::WaitQueue;
use crate::platform::Platform;

impl<P: Platform> WaitQueue<P> {
    /// Calls `see` with each task that waits here, by itself or by a [`Poller`](super::Poller), and may just have been woken
    /// otherwise or be about to sleep. The queue is locked meanwhile, so that none of them finishes.
    pub fn for_each_waiter(&self, mut see: impl FnMut(P::Task)) {
        if self.waiters() == 0 {
            return;
        }
        let line = self.line.lock();
        let mut next = line.list.first();
        while let Some(node) = next {
            let task = match node.target {
                Target::Sleeper(task) => Some(task),
                Target::Callback(callback) => {
                    // SAFETY: a callback lives as long as its node is linked, which it is as long as the queue is locked.
                    let callback: &dyn WakeCallback = unsafe { callback.as_ref() };
                    callback.sleeper().and_then(|task| task.downcast_ref().copied())
                }
            };
            task.into_iter().for_each(&mut see);
            next = line.list.after(node);
        }
    }
}
