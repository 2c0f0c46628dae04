//! [`RunTime`]: for how long a task has run, by a clock that all CPUs share, for whoever asks while it runs elsewhere.
//! Lock free; never sleeps.
//!
//! # The word
//! Of a task that does not run, the time that it has used. Of one that runs, that time less the moment at which it began to,
//! which is negative: the time now, added to it, is what the task has used. So one store begins a run, one ends it, and one
//! load tells whether there is one, and since when.
//!
//! # The order
//! ```text
//!   the CPU that runs the task         who asks
//!   begin: word := used - now          look at the word
//!   ...                                look at the clock, if the word is negative
//!   look at the clock                  look at the word again: once more from the start unless it is the same
//!   end: word := word + now
//! ```
//! The same word on both sides of the clock means that the run's end had not been seen: at most a run of the same length
//! after a pause of no length came in between. But the clock that ends a run is looked at before its end can be seen, so who
//! asks between the two may be told more than the run will have lasted. What is told is therefore kept, and nobody is told
//! less: the clock of a task does not go back, whoever looks.

use crate::atomic::{AtomicU64, Ordering};

/// The time that one task has used, in whatever the clock counts in.
#[derive(Debug)]
pub struct RunTime {
    word: AtomicU64,
    /// The most that anybody was told.
    told: AtomicU64,
}

impl RunTime {
    const_unless_loom! {
        /// Of a task that has not run.
        pub fn new() -> Self {
            Self { word: AtomicU64::new(0), told: AtomicU64::new(0) }
        }
    }

    /// The task begins to run on the executing CPU, `now`.
    #[inline(always)]
    pub fn begin(&self, now: u64) {
        self.advance(now.wrapping_neg());
    }

    /// The task, which runs on the executing CPU, does so until `now`.
    #[inline(always)]
    pub fn end(&self, now: u64) {
        self.advance(now);
    }

    #[inline(always)]
    fn advance(&self, by: u64) {
        // Relaxed, both: one CPU at a time writes this, and hands the task over with more than this. What readers need is above.
        self.word.store(self.word.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }

    /// What it has used, up to now if it runs. `now` looks at the clock: after what was done before it is called, and before
    /// what is done after it has returned.
    pub fn used(&self, now: impl Fn() -> u64) -> u64 {
        let used = self.seen(now);
        // Relaxed: who has heard of an answer asks for his own after it, so that his comes later in this word's order.
        self.told.fetch_max(used, Ordering::Relaxed).max(used)
    }

    fn seen(&self, now: impl Fn() -> u64) -> u64 {
        // Relaxed, both: `now` keeps them on its two sides.
        let mut word = self.word.load(Ordering::Relaxed);
        while word.cast_signed() < 0 {
            // Never negative where all CPUs' clocks agree; where they do not quite, a run has just begun.
            let used = word.wrapping_add(now()).cast_signed().max(0).cast_unsigned();
            let again = self.word.load(Ordering::Relaxed);
            if again == word {
                return used;
            }
            word = again;
        }
        word
    }
}

impl Default for RunTime {
    fn default() -> Self {
        Self::new()
    }
}
