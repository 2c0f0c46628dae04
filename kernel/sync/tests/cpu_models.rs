//! Model checks of the protocols between CPUs: address space identifiers, handing a CPU on, idling, requests to tasks, the time
//! that those have used. As `models.rs`:
//! `RUSTFLAGS="--cfg loom" cargo test -p postern-sync --profile models --test cpu_models`
//!
//! A lost interrupt shows as loom's report of a deadlock.
#![cfg(loom)]
#![allow(missing_docs, reason = "tests document themselves by their names")]
#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

#[path = "platforms/machine.rs"]
mod machine;
#[path = "platforms/model.rs"]
mod model;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use loom::thread;
use machine::{Interrupt, Machine, System};
use model::{Scheduled, Unprotected, explore};
use postern_sync::{HandOff, IdleCpus, Platform, ReadyCount, Requests, RunTime, Sleep};

/// Spaces by number, and the generations of a machine with three identifiers: 1, 2, 3.
const X: usize = 0;
const Y: usize = 1;
const Z: usize = 2;
const V: usize = 3;

/// A system, and its CPU 0, which runs X and has run Y: identifiers 1 and 2 are theirs.
fn running_x() -> (Arc<System>, Machine) {
    let system = System::new();
    let machine = Machine::new(&system, 0);
    for space in [X, Y, X] {
        machine.switch_to(space);
    }
    (system, machine)
}

/// Runs `spaces` one after the other on CPU 1.
fn other_cpu(system: &Arc<System>, spaces: &'static [usize]) -> thread::JoinHandle<Machine> {
    let system = system.clone();
    thread::spawn(move || {
        let machine = Machine::new(&system, 1);
        for &space in spaces {
            machine.switch_to(space);
        }
        machine
    })
}

#[test]
fn a_cpu_flushes_before_it_runs_a_new_owner_of_an_identifier() {
    explore(3, || {
        let (system, machine) = running_x();
        // V is the first of a new generation, and may get what X had.
        let other = other_cpu(&system, &[Z, V]);
        machine.switch_to(Y);
        machine.switch_to(V);
        other.join().unwrap();
    });
}

#[test]
fn an_identifier_in_use_is_reserved_for_its_owner() {
    explore(3, || {
        let (system, machine) = running_x();
        let other = other_cpu(&system, &[Z, V, Y]);
        machine.switch_to(Y);
        let other = other.join().unwrap();
        // A flush of Y's translations by its number reaches both.
        assert_eq!(machine.current(), other.current());
        assert_eq!(machine.current(), Some((Y, system.contexts[Y].asid().unwrap())));
    });
}

#[test]
fn two_spaces_that_run_have_two_identifiers() {
    explore(3, || {
        let (system, machine) = running_x();
        let other = other_cpu(&system, &[Z, V]);
        machine.switch_to(Y);
        let other = other.join().unwrap();
        assert_ne!(machine.current().unwrap().1, other.current().unwrap().1);
    });
}

#[test]
fn a_space_that_goes_on_running_keeps_its_identifier_for_generations() {
    explore(2, || {
        let system = System::new();
        let runs_on = Machine::new(&system, 0);
        runs_on.switch_to(X);
        let other = other_cpu(&system, &[Y, Z, V, X, Y, Z, V, X, Y, Z, V, X]).join().unwrap();
        assert_eq!(runs_on.current(), other.current());
    });
}

#[test]
fn tables_changed_before_a_space_was_ever_active_are_walked_as_changed() {
    explore(3, || {
        let system = System::new();
        let mapped = Arc::new(AtomicU32::new(1));
        let other = thread::spawn({
            let (system, mapped) = (system.clone(), mapped.clone());
            move || {
                let machine = Machine::new(&system, 1);
                machine.switch_to(X);
                // The walk.
                mapped.load(Ordering::Relaxed) == 1
            }
        });
        mapped.store(0, Ordering::Relaxed);
        // What the kernel does with a DSB.
        fence(Ordering::SeqCst);
        let flushed = system.contexts[X].asid().is_some();
        assert!(!other.join().unwrap() || flushed);
    });
}

/// One CPU that may run out of work, and the tasks in a queue.
struct Cpu {
    idle: IdleCpus,
    ready: ReadyCount,
    interrupt: Interrupt,
}

impl Cpu {
    fn new() -> Arc<Self> {
        Arc::new(Self { idle: IdleCpus::new(), ready: ReadyCount::new(), interrupt: Interrupt::new() })
    }

    /// The idle loop, until there is something in the queue.
    fn idle(&self) {
        loop {
            self.idle.begin(0);
            let found = self.ready.get() != 0;
            if !found {
                self.interrupt.wait();
            }
            self.idle.end(0);
            if found {
                return;
            }
        }
    }
}

#[test]
fn a_task_queued_elsewhere_is_seen_by_a_cpu_about_to_wait_or_interrupts_it() {
    explore(4, || {
        let cpu = Cpu::new();
        let idle = thread::spawn({
            let cpu = cpu.clone();
            move || cpu.idle()
        });
        cpu.ready.add_one();
        if cpu.idle.after_queueing() != 0 {
            cpu.interrupt.raise();
        }
        idle.join().unwrap();
    });
}

#[test]
fn a_cpu_that_is_interrupted_for_nothing_can_be_interrupted_again() {
    explore(3, || {
        let cpu = Cpu::new();
        let idle = thread::spawn({
            let cpu = cpu.clone();
            move || cpu.idle()
        });
        // Another's interrupt, about something else.
        cpu.interrupt.raise();
        cpu.ready.add_one();
        if cpu.idle.after_queueing() != 0 {
            cpu.interrupt.raise();
        }
        idle.join().unwrap();
    });
}

#[test]
fn a_task_on_its_own_queue_ends_the_wait_of_a_cpu() {
    explore(4, || {
        let cpu = Cpu::new();
        let idle = thread::spawn({
            let cpu = cpu.clone();
            move || cpu.idle()
        });
        cpu.ready.add_one();
        cpu.interrupt.raise();
        idle.join().unwrap();
    });
}

#[test]
fn a_request_reaches_a_task_that_moves() {
    explore(4, || {
        let (_, machine) = running_x();
        let requests = Arc::new(Requests::new());
        let interrupts = Arc::new([Interrupt::new(), Interrupt::new()]);
        requests.move_to(1);
        // CPU 0 switches to the task and goes to user mode.
        let target = thread::spawn({
            let (requests, interrupts) = (requests.clone(), interrupts.clone());
            move || {
                requests.move_to(0);
                machine.switch_to(Y);
                if requests.bits() == 0 {
                    interrupts[0].wait();
                }
                assert!(requests.contains(1));
            }
        });
        interrupts[requests.ask(1)].raise();
        target.join().unwrap();
    });
}

#[test]
fn what_a_request_is_about_is_visible_to_the_task() {
    explore(4, || {
        let shared = Arc::new((Requests::new(), Unprotected::zero()));
        let asker = thread::spawn({
            let shared = shared.clone();
            move || {
                shared.1.add(7);
                shared.0.ask(1)
            }
        });
        if shared.0.contains(1) {
            assert_eq!(shared.1.get(), 7);
        }
        asker.join().unwrap();
    });
}

#[test]
fn a_request_taken_back_shows_what_it_was_about() {
    explore(4, || {
        let shared = Arc::new((Requests::new(), Unprotected::zero()));
        let asker = thread::spawn({
            let shared = shared.clone();
            move || {
                shared.1.add(7);
                shared.0.ask(1)
            }
        });
        if shared.0.bits() & 1 != 0 {
            shared.0.take_back(1);
            assert_eq!(shared.1.get(), 7);
        }
        asker.join().unwrap();
    });
}

#[test]
fn a_request_that_is_taken_back_is_seen_or_stays() {
    explore(4, || {
        let shared = Arc::new((Requests::new(), AtomicU32::new(0)));
        let asker = thread::spawn({
            let shared = shared.clone();
            move || {
                for _ in 0..2 {
                    shared.1.fetch_add(1, Ordering::Relaxed);
                    let _ = shared.0.ask(1);
                }
            }
        });
        let mut seen = 0;
        if shared.0.bits() != 0 {
            shared.0.take_back(1);
            seen = shared.1.load(Ordering::Relaxed);
        }
        asker.join().unwrap();
        assert!(seen == 2 || shared.0.contains(1));
    });
}

#[test]
fn a_request_ends_a_sleep() {
    explore(4, || {
        let requests = Arc::new(Requests::new());
        let sleeper = Scheduled::current();
        let asker = thread::spawn({
            let requests = requests.clone();
            move || {
                let _ = requests.ask(1);
                Scheduled::unpark(sleeper);
            }
        });
        while !requests.contains(1) {
            Scheduled::park(Sleep::Interruptible, None);
        }
        asker.join().unwrap();
    });
}

#[test]
fn what_is_handed_off_is_taken_once_and_as_it_was_put() {
    explore(4, || {
        let place = Arc::new(HandOff::new());
        let thief = thread::spawn({
            let place = place.clone();
            move || place.take().map(|item: std::sync::Arc<Unprotected>| item.get())
        });
        let mut taken = Vec::new();
        for number in [1, 2] {
            let item = std::sync::Arc::new(Unprotected::zero());
            item.add(number);
            // One that finds the place taken waits elsewhere.
            taken.extend(place.put(item).err().map(|item| item.get()));
        }
        taken.extend(place.take().map(|item| item.get()));
        taken.extend(thief.join().unwrap());
        taken.sort_unstable();
        assert_eq!(taken, [1, 2]);
    });
}

/// A task, and the clock that all CPUs share: a tick whenever somebody looks.
struct Timed {
    time: RunTime,
    clock: AtomicU64,
}

impl Timed {
    fn new() -> Arc<Self> {
        Arc::new(Self { time: RunTime::new(), clock: AtomicU64::new(1) })
    }

    fn now(&self) -> u64 {
        // AcqRel: who looks at the clock later sees what came before an earlier look.
        self.clock.fetch_add(1, Ordering::AcqRel)
    }

    fn used(&self) -> u64 {
        self.time.used(|| self.now())
    }

    /// Runs, as one CPU has it: the clocks of its beginning, and of after its end.
    fn run(&self) -> (u64, u64) {
        let began = self.now();
        self.time.begin(began);
        self.time.end(self.now());
        (began, self.now())
    }
}

#[test]
fn the_time_of_a_task_goes_back_for_nobody_who_asks() {
    explore(3, || {
        let task = Timed::new();
        let heard = Arc::new(AtomicU64::new(0));
        let asker = thread::spawn({
            let (task, heard) = (task.clone(), heard.clone());
            move || heard.store(task.used(), Ordering::Release)
        });
        let runner = thread::spawn({
            let task = task.clone();
            move || {
                task.run();
                task.run();
            }
        });
        let heard = heard.load(Ordering::Acquire);
        let first = task.used();
        assert!(first >= heard);
        runner.join().unwrap();
        asker.join().unwrap();
        assert!(task.used() >= first);
    });
}

#[test]
fn no_more_than_a_run_and_its_end_took_is_told() {
    explore(4, || {
        let task = Timed::new();
        let asker = thread::spawn({
            let task = task.clone();
            move || task.used()
        });
        let (began, over) = task.run();
        let told = asker.join().unwrap();
        assert!(told <= over - began, "{told} of {}", over - began);
    });
}

#[test]
fn a_task_that_runs_is_told_to_have_run_until_now() {
    explore(4, || {
        let task = Timed::new();
        let began = task.now();
        task.time.begin(began);
        let asker = thread::spawn({
            let task = task.clone();
            move || {
                let before = task.now();
                (before, task.used())
            }
        });
        let (before, told) = asker.join().unwrap();
        assert!(told > before - began);
        task.time.end(task.now());
    });
}
