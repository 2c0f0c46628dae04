//! [`Requests`]: what a task is asked to do before it goes on in user mode, and the CPU to interrupt so that it notices.
//! Lock free; never sleeps.
//!
//! # The protocol
//! ```text
//!   who asks                           a CPU that switches to the task
//!   set the bits                       the task's CPU := this one
//!   fence(SeqCst)                      fence(SeqCst)
//!   interrupt the task's CPU           look at the bits on the way to user mode, interrupts masked
//! ```
//! Of the two fences one is first. If the asker's, the CPU that switches sees the bits; if the other's, the asker interrupts
//! the right CPU. An interrupt that comes after the look is taken at once in user mode, and its handler looks again.
//!
//! A task that sleeps is woken besides, after the bits were set: the wake-up token carries them (see [`ParkState`]).
//!
//! [`ParkState`]: crate::ParkState

use crate::atomic::{AtomicU32, AtomicUsize, Ordering, fence};

/// The requests to one task, as bits, and its place.
#[derive(Debug)]
pub struct Requests {
    bits: AtomicU32,
    cpu: AtomicUsize,
}

impl Requests {
    const_unless_loom! {
        /// Nothing asked, of a task that has not run.
        pub fn new() -> Self {
            Self { bits: AtomicU32::new(0), cpu: AtomicUsize::new(0) }
        }
    }

    /// Asks for `bits`. Returns the CPU that must be interrupted, unless it is the executing one.
    #[must_use = "the task does not notice before its CPU enters the kernel"]
    pub fn ask(&self, bits: u32) -> usize {
        // Release: what the request is about is visible to the task that sees it.
        self.bits.fetch_or(bits, Ordering::Release);
        // SeqCst: the asker's half of the protocol above.
        fence(Ordering::SeqCst);
        self.cpu()
    }

    /// The task asks itself, or its CPU's interrupt handler does: it will look before it leaves the kernel.
    #[inline]
    pub fn ask_here(&self, bits: u32) {
        // Relaxed: the same CPU looks.
        self.bits.fetch_or(bits, Ordering::Relaxed);
    }

    /// The bits, for the test on the way to user mode whether there are any.
    #[inline(always)]
    pub fn bits(&self) -> u32 {
        // Relaxed: `contains` and `take_back` order what follows.
        self.bits.load(Ordering::Relaxed)
    }

    /// Is one of `bits` asked for?
    #[inline]
    pub fn contains(&self, bits: u32) -> bool {
        // Acquire: pairs with `ask`.
        self.bits.load(Ordering::Acquire) & bits != 0
    }

    /// The task forgets `bits`, then looks whether there is something to do: whoever asked before is seen by that look, and
    /// who asks later sets the bits again.
    #[inline]
    pub fn take_back(&self, bits: u32) {
        // Acquire: pairs with `ask`, also of requests that came since the bits were seen. No Release: a bit that stays was
        // set by an `ask` whose release sequence this continues.
        self.bits.fetch_and(!bits, Ordering::Acquire);
    }

    /// The CPU on which the task runs, ran last, or is to run.
    #[inline]
    pub fn cpu(&self) -> usize {
        // Relaxed: ordered by the fence in `ask`, or a guess.
        self.cpu.load(Ordering::Relaxed)
    }

    /// The task is to run on CPU number `cpu`. On the executing one, the caller goes on to
    /// [`Asids::activate`](crate::Asids::activate) before the task looks at its bits: that has the fence of the protocol.
    #[inline]
    pub fn move_to(&self, cpu: usize) {
        // Relaxed: that fence orders it.
        self.cpu.store(cpu, Ordering::Relaxed);
    }
}

impl Default for Requests {
    fn default() -> Self {
        Self::new()
    }
}
