//! Model checks of what is counted or set once: references, uses, presence, changes. As `models.rs`:
//! `RUSTFLAGS="--cfg loom" cargo test -p postern-sync --profile models --test count_models`
//!
//! A thing freed too early, or read before it was written, shows as loom's report of a race.
#![cfg(loom)]
#![allow(missing_docs, reason = "tests document themselves by their names")]
#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

#[path = "platforms/model.rs"]
mod model;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use model::{Model, Unprotected, explore};
use postern_sync::{
    ANY_EVENT, Changes, EventRing, Mode, Presence, Rank, References, SetOnce, SpinLock, Uses, WaitQueue,
};

const RANK: Rank = Rank::spinning(1, "test");
const INNER: Rank = Rank::spinning(0, "inner");

/// A frame: its handles, its bytes, and how often it was freed.
struct Thing {
    references: References,
    content: Unprotected,
    freed: AtomicU32,
}

impl Thing {
    /// One with a handle, the caller's.
    fn new() -> Arc<Self> {
        let thing =
            Arc::new(Self { references: References::none(), content: Unprotected::zero(), freed: AtomicU32::new(0) });
        thing.references.begin();
        thing
    }

    /// A handle that another thread gets.
    fn shared(thing: &Arc<Self>) -> Arc<Self> {
        thing.references.share();
        thing.clone()
    }

    fn let_go(&self) {
        if self.references.let_go() {
            // The next owner zeroes it.
            self.content.add(1);
            self.freed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn freed(&self) -> u32 {
        self.freed.load(Ordering::Relaxed)
    }
}

#[test]
fn the_last_of_three_handles_frees_and_it_alone() {
    explore(4, || {
        let thing = Thing::new();
        let others = [Thing::shared(&thing), Thing::shared(&thing)].map(|thing| {
            thread::spawn(move || {
                thing.content.get();
                thing.let_go();
            })
        });
        thing.content.get();
        thing.let_go();
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(thing.freed(), 1);
    });
}

#[test]
fn a_handle_made_while_others_go_keeps_the_thing() {
    explore(4, || {
        let thing = Thing::new();
        let other = thread::spawn({
            let thing = Thing::shared(&thing);
            move || {
                thing.references.share();
                thing.let_go();
                assert_eq!(thing.freed(), 0);
                thing.content.get();
                thing.let_go();
            }
        });
        thing.let_go();
        other.join().unwrap();
        assert_eq!(thing.freed(), 1);
    });
}

#[test]
fn who_finds_itself_alone_comes_after_what_the_others_did() {
    explore(4, || {
        let thing = Thing::new();
        let others = [Thing::shared(&thing), Thing::shared(&thing)].map(|thing| {
            thread::spawn(move || {
                thing.content.get();
                thing.let_go();
            })
        });
        // Write to it in place, or to a copy.
        if thing.references.count() == 1 {
            thing.content.add(7);
        }
        thing.let_go();
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

#[test]
fn who_is_alone_under_the_lock_of_the_table_stays_alone() {
    explore(4, || {
        // The one handle is the table's.
        let table = Arc::new((SpinLock::<(), Model>::new(RANK, ()), Thing::new()));
        let forker = thread::spawn({
            let table = table.clone();
            move || {
                let locked = table.0.lock();
                table.1.references.share();
                drop(locked);
                table.1.content.get();
                table.1.let_go();
            }
        });
        let locked = table.0.lock();
        // As the fault handler looks: with a handle of its own besides the table's.
        table.1.references.share();
        if table.1.references.count() == 2 {
            table.1.content.add(7);
        }
        table.1.let_go();
        drop(locked);
        forker.join().unwrap();
        assert_eq!((table.1.references.count(), table.1.freed()), (1, 0));
    });
}

#[test]
fn a_thing_that_is_used_again_begins_with_one_handle() {
    explore(3, || {
        let thing = Thing::new();
        let free = Arc::new(SpinLock::<_, Model>::new(RANK, None));
        let give = |thing: Arc<Thing>, free: Arc<SpinLock<Option<Arc<Thing>>, Model>>| {
            move || {
                thing.content.get();
                if thing.references.let_go() {
                    *free.lock() = Some(thing);
                }
            }
        };
        let other = thread::spawn(give(Thing::shared(&thing), free.clone()));
        let taker = thread::spawn({
            let free = free.clone();
            move || {
                let Some(thing) = free.lock().take() else { return false };
                thing.references.begin();
                thing.content.add(1);
                assert_eq!(thing.references.count(), 1);
                thing.references.let_go()
            }
        });
        give(thing, free.clone())();
        other.join().unwrap();
        assert!(taker.join().unwrap() != free.lock().is_some());
    });
}

#[test]
fn what_is_taken_away_is_in_nobodys_use() {
    explore(4, || {
        struct Registry {
            present: SpinLock<bool, Model>,
            uses: Uses,
            driver: Unprotected,
        }
        let registry =
            Arc::new(Registry { present: SpinLock::new(RANK, true), uses: Uses::none(), driver: Unprotected::zero() });
        let users = [(), ()].map(|()| {
            let registry = registry.clone();
            thread::spawn(move || {
                let present = registry.present.lock();
                if !*present {
                    return;
                }
                registry.uses.begin();
                drop(present);
                registry.driver.get();
                registry.uses.end();
            })
        });
        let mut present = registry.present.lock();
        if registry.uses.count() == 0 {
            *present = false;
            registry.driver.add(1);
        }
        drop(present);
        users.into_iter().for_each(|user| user.join().unwrap());
        assert_eq!(registry.uses.count(), 0);
    });
}

/// Two places for one entry each, with a lock for each, and a count of those that began in the first and are in the second.
struct Places {
    first: SpinLock<Option<u32>, Model>,
    second: SpinLock<Option<u32>, Model>,
    moved: Presence,
}

#[test]
fn an_entry_that_is_not_in_its_place_is_counted_until_it_is_taken_out() {
    explore(4, || {
        let places = Arc::new(Places {
            first: SpinLock::new(RANK, Some(1)),
            second: SpinLock::new(INNER, None),
            moved: Presence::none(),
        });
        let taken = Arc::new(AtomicU32::new(0));
        let mover = thread::spawn({
            let places = places.clone();
            move || {
                let mut first = places.first.lock();
                let mut second = places.second.lock();
                places.moved.add();
                *second = first.take();
            }
        });
        let waker = thread::spawn({
            let (places, taken) = (places.clone(), taken.clone());
            move || {
                let mut second = places.second.lock();
                if second.take().is_some() {
                    taken.store(1, Ordering::Relaxed);
                    places.moved.remove();
                }
            }
        });
        let missing = places.first.lock().is_none();
        if missing && !places.moved.any() {
            // It was moved, as the lock has shown, so it must have been taken out.
            assert_eq!(places.second.lock().or(Some(taken.load(Ordering::Relaxed))), Some(1));
            assert_eq!(taken.load(Ordering::Relaxed), 1);
        }
        mover.join().unwrap();
        waker.join().unwrap();
        assert_eq!(places.moved.any(), places.second.lock().is_some());
    });
}

#[test]
fn who_has_entered_something_finds_it_counted_whatever_others_do() {
    explore(4, || {
        let table = Arc::new((SpinLock::<u32, Model>::new(RANK, 0), Presence::none()));
        let enter_and_leave = |table: &(SpinLock<u32, Model>, Presence)| {
            let mut entries = table.0.lock();
            *entries += 1;
            table.1.set(*entries as usize);
            drop(entries);
            assert!(table.1.any());
            let mut entries = table.0.lock();
            *entries -= 1;
            table.1.set(*entries as usize);
        };
        let other = thread::spawn({
            let table = table.clone();
            move || enter_and_leave(&table)
        });
        enter_and_leave(&table);
        other.join().unwrap();
        assert!(!table.1.any());
    });
}

#[test]
fn entries_of_several_places_are_counted_together() {
    explore(4, || {
        let moved = Arc::new(Presence::none());
        let others = [(), ()].map(|()| {
            let moved = moved.clone();
            thread::spawn(move || {
                moved.add();
                assert!(moved.any());
                moved.remove();
            })
        });
        others.into_iter().for_each(|other| other.join().unwrap());
        assert!(!moved.any());
    });
}

#[test]
fn what_is_seen_after_a_number_is_the_change_it_stands_for() {
    explore(4, || {
        let shared = Arc::new((Changes::new(), [AtomicU32::new(0), AtomicU32::new(0)]));
        let changers = [0, 1].map(|which| {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.1[which].store(1, Ordering::Relaxed);
                shared.0.tell();
            })
        });
        let seen = shared.0.now();
        let looked = [0, 1].map(|which| shared.1[which].load(Ordering::Relaxed));
        changers.into_iter().for_each(|changer| changer.join().unwrap());
        assert!(shared.0.is_news(seen) || looked == [1, 1]);
        assert!(shared.0.is_news(Changes::UNSEEN));
    });
}

#[test]
fn a_change_at_the_same_time_as_ones_own_is_seen_or_is_news() {
    explore(4, || {
        let shared = Arc::new((Changes::new(), AtomicU32::new(0)));
        let changer = thread::spawn({
            let shared = shared.clone();
            move || {
                shared.1.store(1, Ordering::Relaxed);
                shared.0.tell();
            }
        });
        shared.0.tell();
        let seen = shared.0.now();
        let looked = shared.1.load(Ordering::Relaxed);
        changer.join().unwrap();
        assert!(shared.0.is_news(seen) || looked == 1);
    });
}

#[test]
fn who_has_looked_is_woken_by_the_next_change() {
    explore(4, || {
        struct Clock {
            set: Changes,
            time: AtomicU32,
            sleepers: WaitQueue<Model>,
        }
        let clock = Arc::new(Clock { set: Changes::new(), time: AtomicU32::new(0), sleepers: WaitQueue::new() });
        let setter = thread::spawn({
            let clock = clock.clone();
            move || {
                clock.time.store(1, Ordering::Relaxed);
                clock.set.tell();
                clock.sleepers.wake_all(ANY_EVENT);
            }
        });
        loop {
            let seen = clock.set.now();
            if clock.time.load(Ordering::Relaxed) == 1 {
                break;
            }
            clock.sleepers.wait(Mode::Shared, || clock.set.is_news(seen).then_some(()));
        }
        setter.join().unwrap();
    });
}

#[test]
fn a_value_that_is_seen_is_whole() {
    explore(4, || {
        let cell = Arc::new(SetOnce::new());
        let setter = thread::spawn({
            let cell = cell.clone();
            move || {
                let set = cell.set_with(|| {
                    let value = Unprotected::zero();
                    value.add(7);
                    Ok::<_, ()>(value)
                });
                assert_eq!(set.unwrap().unwrap().get(), 7);
            }
        });
        assert!(cell.get().is_none_or(|value| value.get() == 7));
        setter.join().unwrap();
        assert_eq!(cell.get().unwrap().get(), 7);
    });
}

#[test]
fn of_two_who_set_a_value_one_does() {
    explore(4, || {
        let cell = Arc::new(SetOnce::new());
        let other = thread::spawn({
            let cell = cell.clone();
            move || cell.set_with(|| Ok::<u32, ()>(1)).is_some()
        });
        let here = cell.set_with(|| Ok::<u32, ()>(2)).is_some();
        let other = other.join().unwrap();
        assert!(here != other);
        assert_eq!(cell.get(), Some(if here { &2 } else { &1 }));
    });
}

#[test]
fn who_tries_after_one_that_failed_comes_after_that() {
    explore(4, || {
        let shared = Arc::new((SetOnce::new(), Unprotected::zero()));
        let attempt = |shared: &(SetOnce<u32>, Unprotected)| {
            let set = shared.0.set_with(|| {
                shared.1.add(1);
                Err(())
            });
            set.is_some()
        };
        let other = thread::spawn({
            let shared = shared.clone();
            move || attempt(&shared)
        });
        let here = attempt(&shared);
        assert!(other.join().unwrap() || here);
        assert!(shared.0.get().is_none());
        assert!(shared.0.set_with(|| Ok::<_, ()>(3)).is_some());
    });
}

#[test]
fn a_value_that_was_set_goes_with_its_cell() {
    explore(2, || {
        let value = std::sync::Arc::new(());
        let cell = Arc::new(SetOnce::new());
        let setter = thread::spawn({
            let (cell, value) = (cell.clone(), value.clone());
            move || assert!(cell.get_or_set(|| value).is_some())
        });
        setter.join().unwrap();
        assert!(cell.get_or_set(|| unreachable!()).is_some());
        drop(cell);
        assert_eq!(std::sync::Arc::strong_count(&value), 1);
    });
}

#[test]
fn a_ring_of_events_tells_them_in_order_and_counts_what_it_lost() {
    explore(4, || {
        let ring = Arc::new(EventRing::<2>::try_new(2).unwrap());
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || (1..=4).for_each(|number| ring.push([number, number * 10])))
        };
        let mut told = Vec::new();
        let mut lost = ring.take_lost();
        for _ in 0..3 {
            told.extend(ring.pop());
        }
        writer.join().unwrap();
        told.extend(core::iter::from_fn(|| ring.pop()));
        lost += ring.take_lost();
        assert!(told.iter().all(|[number, content]| *content == number * 10), "torn: {told:?}");
        assert!(told.is_sorted_by(|one, next| one < next), "out of order: {told:?}");
        assert_eq!(told.len() as u64 + lost, 4);
        assert_eq!(told[0][0], 1, "the oldest are told");
    });
}
