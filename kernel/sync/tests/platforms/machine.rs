//! What the protocols between CPUs deal with: a CPU's TLB at its worst, and interrupts.

use crate::model::Model;
use loom::sync::atomic::{AtomicU32, Ordering, fence};
use loom::sync::{Arc, Condvar, Mutex};
use postern_sync::{AsidContext, Asids, Rank, TranslationControl};
use std::cell::Cell;

/// Address spaces, and who numbers them.
pub struct System {
    asids: Asids<Model, 2>,
    pub contexts: [AsidContext; 4],
    turns: AtomicU32,
}

impl System {
    pub fn new() -> Arc<Self> {
        let contexts = std::array::from_fn(|_| AsidContext::new());
        Arc::new(Self { asids: Asids::new(Rank::spinning(0, "asids")), contexts, turns: AtomicU32::new(0) })
    }

    /// Lets loom try which CPU gets here first. By itself it tries orders of accesses to the same word, but does not count
    /// fences among them.
    fn take_turn(&self) {
        // Relaxed: orders nothing that is checked here.
        self.turns.fetch_add(1, Ordering::Relaxed);
    }
}

/// A CPU with three identifiers (1, 2, 3) that caches a translation of its current table whenever it may.
pub struct Machine {
    system: Arc<System>,
    index: usize,
    table: Cell<Option<(usize, u16)>>,
    /// Of which spaces there are translations, a bit each, for each identifier.
    cached: [Cell<u32>; 4],
}

impl Machine {
    pub fn new(system: &Arc<System>, index: usize) -> Self {
        Self { system: system.clone(), index, table: Cell::new(None), cached: Default::default() }
    }

    /// The space it runs, and under what number.
    pub fn current(&self) -> Option<(usize, u16)> {
        self.table.get()
    }

    pub fn switch_to(&self, space: usize) {
        let number = self.system.asids.activate(&self.system.contexts[space], self.index, self);
        self.system.take_turn();
        // The old table is still there.
        self.walk();
        self.table.set(Some((space, number)));
        self.walk();
        let cached = self.cached[usize::from(number)].get();
        assert_eq!(cached, 1 << space, "translations of another space under number {number}");
    }

    fn walk(&self) {
        if let Some((space, number)) = self.table.get() {
            let cached = &self.cached[usize::from(number)];
            cached.set(cached.get() | 1 << space);
        }
    }
}

impl TranslationControl for Machine {
    fn asid_count(&self) -> u64 {
        4
    }

    fn leave(&self) {
        self.walk();
        self.table.set(None);
    }

    fn flush(&self) {
        self.system.take_turn();
        self.cached.iter().for_each(|cached| cached.set(0));
        self.walk();
    }

    fn fence_walks(&self) {
        fence(Ordering::SeqCst);
    }
}

/// An interrupt of one CPU: stays pending until it is taken.
pub struct Interrupt {
    pending: Mutex<bool>,
    came: Condvar,
}

impl Interrupt {
    pub fn new() -> Self {
        Self { pending: Mutex::new(false), came: Condvar::new() }
    }

    pub fn raise(&self) {
        *self.pending.lock().unwrap() = true;
        self.came.notify_one();
    }

    /// WFI, and the handler.
    pub fn wait(&self) {
        let mut pending = self.pending.lock().unwrap();
        while !*pending {
            pending = self.came.wait(pending).unwrap();
        }
        *pending = false;
    }
}
