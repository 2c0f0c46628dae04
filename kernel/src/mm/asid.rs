//! Address space identifiers: which translations in the TLB are whose, so that a switch flushes
//! nothing. Numbers run out: then a new generation begins, everything is flushed once, and numbers
//! in use on a CPU at that moment stay reserved for their owners.
//!
//! Lock: ASIDS on the slow path only. The fast path is a store, a fence and a load; see [`activate`].

use crate::arch::cpu::{self, MAX_CPUS};
use crate::arch::mmu;
use crate::sync::{SpinLock, rank};
use core::sync::atomic::{AtomicU64, Ordering, fence};

const ASID_BITS: u32 = 16;
const ASID_MASK: u64 = (1 << ASID_BITS) - 1;
const FIRST_GENERATION: u64 = 1 << ASID_BITS;

static GENERATION: AtomicU64 = AtomicU64::new(FIRST_GENERATION);
/// The context (generation and ASID) each CPU runs with.
static ACTIVE: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];
static ALLOCATOR: SpinLock<Allocator> = SpinLock::new(rank::ASIDS, Allocator { next: 1, reserved: [0; MAX_CPUS] });

struct Allocator {
    next: u64,
    /// Contexts that were active when the generation began; their numbers stay theirs. With their
    /// generation: an older space may once have had the same number.
    reserved: [u64; MAX_CPUS],
}

/// An address space's identifier: the generation it belongs to and the number; 0 = none yet.
#[derive(Debug)]
pub struct Context(AtomicU64);

impl Context {
    /// No number yet.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// The ASID under which this CPU or others may hold translations of the space.
    pub fn asid(&self) -> u16 {
        (self.0.load(Ordering::Relaxed) & ASID_MASK) as u16
    }

    /// Whether the space has ever been active, and so may be in a TLB.
    pub fn is_used(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }
}

/// Makes `context` this CPU's and returns its ASID, to be put in TTBR0.
pub fn activate(context: &Context) -> u16 {
    let cpu = cpu::index();
    // Relaxed: made visible by the fence, like the load of GENERATION after it.
    let value = context.0.load(Ordering::Relaxed);
    ACTIVE[cpu].store(value, Ordering::Relaxed);
    // Pairs with the fence in `begin_generation`: either this CPU sees the new generation and takes
    // the slow path, or the other CPU sees what is active here and reserves it.
    fence(Ordering::SeqCst);
    if value & !ASID_MASK == GENERATION.load(Ordering::Relaxed) {
        return (value & ASID_MASK) as u16;
    }
    activate_slowly(context, cpu)
}

#[cold]
fn activate_slowly(context: &Context, cpu: usize) -> u16 {
    let mut allocator = ALLOCATOR.lock();
    let generation = GENERATION.load(Ordering::Relaxed);
    let mut value = context.0.load(Ordering::Relaxed);
    if value & !ASID_MASK != generation {
        value = allocator.keep(value, generation).unwrap_or_else(|| allocator.allocate());
        context.0.store(value, Ordering::Relaxed);
    }
    ACTIVE[cpu].store(value, Ordering::Relaxed);
    (value & ASID_MASK) as u16
}

impl Allocator {
    /// The context of this generation for one that was active when it began.
    fn keep(&mut self, old: u64, generation: u64) -> Option<u64> {
        let new = generation | (old & ASID_MASK);
        let mut kept = false;
        // On every CPU it was active on: the next generation looks for the new value.
        for reserved in self.reserved.iter_mut().filter(|reserved| old != 0 && **reserved == old) {
            *reserved = new;
            kept = true;
        }
        kept.then_some(new)
    }

    fn allocate(&mut self) -> u64 {
        loop {
            if self.next >= u64::from(mmu::asid_count()) {
                self.begin_generation();
            }
            let asid = self.next;
            self.next += 1;
            if !self.reserved.iter().any(|reserved| reserved & ASID_MASK == asid) {
                return GENERATION.load(Ordering::Relaxed) | asid;
            }
        }
    }

    fn begin_generation(&mut self) {
        GENERATION.fetch_add(FIRST_GENERATION, Ordering::Relaxed);
        // Pairs with the fence in `activate`.
        fence(Ordering::SeqCst);
        for (reserved, active) in self.reserved.iter_mut().zip(&ACTIVE) {
            *reserved = active.load(Ordering::Relaxed);
        }
        self.next = 1;
        mmu::flush_all();
    }
}

/// This CPU runs no program's address space any more.
pub fn deactivate() {
    ACTIVE[cpu::index()].store(0, Ordering::Relaxed);
}
