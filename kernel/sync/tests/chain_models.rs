//! Model checks of the chain of wake-ups as a whole: a ring with a lock and a published word, waiters that are woken one at a
//! time, and pass on what they leave; one who was passed over, for whom newcomers stand back; and some who give up.
//! `RUSTFLAGS="--cfg loom" cargo test -p postern-sync --profile models --test chain_models`
//!
//! Somebody who sleeps although there is something for him shows as loom's report of a deadlock.
#![cfg(loom)]
#![allow(missing_docs, reason = "tests document themselves by their names")]
#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

#[path = "platforms/model.rs"]
mod model;

use loom::sync::{Arc, Mutex};
use loom::thread;
use model::{Model, ModelTask, explore, let_time_pass};
use postern_sync::{ANY_EVENT, Glimpse, Platform, Sleep, Unserved, WaitError, WaitQueue};

/// What the kernel has of a pipe for its readers, with a unit in the place of a byte.
struct Ring {
    state: Mutex<State>,
    /// The units.
    glimpse: Glimpse,
    readers: WaitQueue<Model>,
}

struct State {
    units: u64,
    /// Newcomers stand back.
    holds_back: bool,
}

impl Ring {
    fn empty() -> Arc<Self> {
        let state = Mutex::new(State { units: 0, holds_back: false });
        Arc::new(Self { state, glimpse: Glimpse::new(0, 0), readers: WaitQueue::new() })
    }

    /// A write: wakes one, and only if there was nothing.
    fn put(&self, units: u64) {
        let mut state = self.state.lock().unwrap();
        let was_empty = state.units == 0;
        state.units += units;
        self.glimpse.publish_moving(state.units);
        drop(state);
        if was_empty {
            self.readers.wake_one(ANY_EVENT);
        }
    }

    /// A read that does not wait.
    fn try_take(&self) -> Option<()> {
        if self.glimpse.moving() == 0 {
            return None;
        }
        let mut state = self.state.lock().unwrap();
        if state.units != 0 && state.holds_back {
            if !self.readers.is_turn_of_current() {
                return None;
            }
            state.holds_back = false;
        }
        state.units = state.units.checked_sub(1)?;
        self.glimpse.publish_moving(state.units);
        Some(())
    }

    /// A read that waits, as `fs/blocking.rs` has it.
    fn take(&self, sleep: Sleep, deadline_ns: Option<u64>) -> Result<(), WaitError> {
        if self.try_take().is_some() {
            return Ok(());
        }
        match self.readers.wait_in_turn(sleep, deadline_ns, || self.try_take()) {
            Ok(()) => {}
            Err(Unserved::Ended(error)) => return Err(error),
            Err(Unserved::PassedOver(place)) => self.readers.wait_passed_over(place, sleep, deadline_ns, || {
                self.state.lock().unwrap().holds_back = true;
                self.try_take()
            })?,
        }
        if !self.readers.is_empty() && self.glimpse.moving() != 0 {
            self.readers.wake_one(ANY_EVENT);
        }
        Ok(())
    }

    fn spawn_reader(ring: &Arc<Self>) -> thread::JoinHandle<()> {
        let ring = ring.clone();
        thread::spawn(move || ring.take(Sleep::Uninterruptible, None).unwrap())
    }

    fn assert_at_rest(&self) {
        assert_eq!(self.state.lock().unwrap().units, 0);
        assert!(self.readers.is_empty());
        assert!(self.readers.is_turn_of_current());
    }
}

#[test]
fn one_event_serves_all_for_whom_there_is_something() {
    explore(2, || {
        let ring = Ring::empty();
        let readers = [(); 2].map(|()| Ring::spawn_reader(&ring));
        ring.put(2);
        for reader in readers {
            reader.join().unwrap();
        }
        ring.assert_at_rest();
    });
}

#[test]
fn two_events_serve_two_though_a_newcomer_may_be_quicker_than_the_woken() {
    explore(2, || {
        let ring = Ring::empty();
        let reader = Ring::spawn_reader(&ring);
        let writer = thread::spawn({
            let ring = ring.clone();
            move || {
                ring.put(1);
                ring.put(1);
            }
        });
        ring.take(Sleep::Uninterruptible, None).unwrap();
        writer.join().unwrap();
        reader.join().unwrap();
        ring.assert_at_rest();
    });
}

/// Two readers, of whom one may give up, and a writer whose one event is for both: whoever stays is served.
fn one_gives_up(sleep: Sleep, deadline_ns: Option<u64>, error: WaitError, give_up: fn(&'static ModelTask)) {
    let ring = Ring::empty();
    let stayer = Ring::spawn_reader(&ring);
    let task = Arc::new(Mutex::new(None));
    let quitter = thread::spawn({
        let (ring, task) = (ring.clone(), task.clone());
        move || {
            *task.lock().unwrap() = Some(Model::current());
            let result = ring.take(sleep, deadline_ns);
            assert!(result == Ok(()) || result == Err(error));
        }
    });
    ring.put(2);
    let quitter_task = *task.lock().unwrap();
    if let Some(task) = quitter_task {
        give_up(task);
    }
    stayer.join().unwrap();
    quitter.join().unwrap();
    assert!(ring.readers.is_empty() && ring.readers.is_turn_of_current());
}

#[test]
fn a_chain_survives_a_waiter_that_is_interrupted() {
    explore(2, || one_gives_up(Sleep::Interruptible, None, WaitError::Interrupted, |task| task.interrupt()));
}

#[test]
fn a_chain_survives_a_waiter_that_times_out() {
    explore(2, || {
        one_gives_up(Sleep::Uninterruptible, Some(1), WaitError::TimedOut, |task| {
            let_time_pass();
            Model::unpark(task);
        });
    });
}

/// A waiter that may be passed over, by a task that does not wait, and then be interrupted; and one who may stand back for it
/// meanwhile: that one is served, whatever becomes of the other.
#[test]
fn who_stood_back_goes_on_when_the_passed_over_gives_up() {
    explore(2, || {
        let ring = Ring::empty();
        let task = Arc::new(Mutex::new(None));
        let quitter = thread::spawn({
            let (ring, task) = (ring.clone(), task.clone());
            move || {
                *task.lock().unwrap() = Some(Model::current());
                if ring.take(Sleep::Interruptible, None).is_ok() {
                    // The other one needs a unit, too.
                    ring.put(1);
                }
            }
        });
        let other = Ring::spawn_reader(&ring);
        ring.put(1);
        if ring.try_take().is_some() {
            ring.put(1);
        }
        let quitter_task = *task.lock().unwrap();
        match quitter_task {
            Some(task) => task.interrupt(),
            None => ring.put(1),
        }
        other.join().unwrap();
        quitter.join().unwrap();
        assert!(ring.readers.is_empty() && ring.readers.is_turn_of_current());
    });
}
