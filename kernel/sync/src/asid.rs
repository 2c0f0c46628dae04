//! [`Asids`]: address space identifiers, under which a TLB keeps the translations of different spaces apart so that a switch
//! flushes nothing. Numbers run out: then a new *generation* begins, and numbers in use on a CPU stay with their owners.
//!
//! Lock: one spin lock, on the slow path only. The fast path is a store, a fence and a load. Never sleeps.
//!
//! # The protocol
//! A context is a generation and a number in one word. Each CPU has two words: `active`, the context it runs with, and
//! `generation`, the one whose contexts it may take without asking.
//! ```text
//!   a CPU that switches                  a CPU that begins a generation (lock held)
//!   active := the context                of every CPU: generation := NONE
//!   fence(SeqCst)                        fence(SeqCst)
//!   context's generation = own?          of every CPU: what is active is reserved
//!     yes: done    no: slow path
//! ```
//! Of the two fences one is first. If the switching CPU's, its context is seen and reserved; if the other's, the switching CPU
//! sees NONE and takes the slow path, which waits for the lock.
//!
//! # Translations of earlier owners
//! A CPU may cache a translation of the table in its base register at any time, without any access by a program. So a number
//! may reach a new owner on a CPU only after that CPU has flushed, and has done so when the earlier owner's table was in its
//! base register no more. The slow path does both, in that order, once a generation.

use crate::atomic::{AtomicU64, Ordering, fence};
use crate::platform::Platform;
use crate::rank::Rank;
use crate::spin_lock::SpinLock;
use core::fmt;

const ASID_BITS: u32 = 16;
const ASID_MASK: u64 = (1 << ASID_BITS) - 1;
const FIRST_GENERATION: u64 = 1 << ASID_BITS;
/// The generation of a CPU that must flush first. No context has it: its lower bits are not zero.
const NONE: u64 = 1;

/// What the slow path does to the executing CPU.
pub trait TranslationControl {
    /// How many numbers the CPU tells apart; more than twice as many as there are CPUs. Number 0 is never given away.
    fn asid_count(&self) -> u64;

    /// Puts an empty table in the place of the current one. No translation of that is cached from here on.
    fn leave(&self);

    /// Forgets all translations that this CPU has cached.
    fn flush(&self);

    /// A full barrier, for the walks of translation tables too.
    fn fence_walks(&self);
}

/// An address space's identifier: a generation and a number; 0 = none yet. Written with the lock held.
pub struct AsidContext(AtomicU64);

impl AsidContext {
    const_unless_loom! {
        /// No number yet.
        pub fn new() -> Self {
            Self(AtomicU64::new(0))
        }
    }

    /// The number under which CPUs may have cached translations of the space, `None` if it never had one. To be asked
    /// after a change of the tables and a full barrier: then "none" means that whoever comes later walks the new tables.
    pub fn asid(&self) -> Option<u16> {
        // Relaxed: ordered by the caller's barrier here and `fence_walks` there.
        let value = self.0.load(Ordering::Relaxed);
        (value != 0).then_some(number_of(value))
    }
}

impl Default for AsidContext {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for AsidContext {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "AsidContext({:#x})", self.0.load(Ordering::Relaxed))
    }
}

/// The low bits.
#[inline(always)]
fn number_of(context: u64) -> u16 {
    #[expect(clippy::cast_possible_truncation, reason = "these are the bits that are wanted")]
    let number = context as u16;
    number
}

/// The numbers of a system of `CPUS` CPUs.
pub struct Asids<P: Platform, const CPUS: usize> {
    cpus: [Cpu; CPUS],
    allocator: SpinLock<Allocator<CPUS>, P>,
}

/// What the fast path touches, in a cache line of its own.
#[repr(align(64))]
struct Cpu {
    /// The context it runs with; 0: none, or none since the generation began. Stored by itself without the lock.
    active: AtomicU64,
    /// The generation for which it has flushed. Written with the lock held.
    generation: AtomicU64,
}

impl Cpu {
    const_unless_loom! {
        fn new() -> Self {
            Self { active: AtomicU64::new(0), generation: AtomicU64::new(NONE) }
        }
    }
}

struct Allocator<const CPUS: usize> {
    generation: u64,
    next: u64,
    /// Contexts that were active when a generation began: their numbers stay theirs for as long as they are here. With
    /// their generation, since an older space may once have had the same number.
    reserved: [u64; CPUS],
}

impl<P: Platform, const CPUS: usize> Asids<P, CPUS> {
    const_unless_loom! {
        /// All numbers free; `rank` is that of the slow path's lock.
        pub fn new(rank: Rank) -> Self {
            #[cfg(not(loom))]
            let cpus = [const { Cpu::new() }; CPUS];
            #[cfg(loom)]
            let cpus = core::array::from_fn(|_| Cpu::new());
            let allocator = Allocator { generation: FIRST_GENERATION, next: 1, reserved: [0; CPUS] };
            Self { cpus, allocator: SpinLock::new(rank, allocator) }
        }
    }

    /// Makes `context` that of the executing CPU, which is number `cpu`, and returns the number to run with. Contains a
    /// SeqCst fence, on which [`Requests::move_to`](crate::Requests::move_to) relies.
    #[inline]
    pub fn activate(&self, context: &AsidContext, cpu: usize, control: &impl TranslationControl) -> u16 {
        let own = &self.cpus[cpu];
        // Relaxed: who has the space has what made it; an outdated value leads to the slow path, or is still good.
        let value = context.0.load(Ordering::Relaxed);
        // Relaxed, like the load below: the fences order them.
        own.active.store(value, Ordering::Relaxed);
        // SeqCst: the switching CPU's half of the protocol above.
        fence(Ordering::SeqCst);
        if value & !ASID_MASK == own.generation.load(Ordering::Relaxed) {
            return number_of(value);
        }
        self.activate_slowly(context, own, control)
    }

    #[cold]
    #[inline(never)]
    fn activate_slowly(&self, context: &AsidContext, own: &Cpu, control: &impl TranslationControl) -> u16 {
        // Before the flush: the number of the table that was in use may not be reserved any more.
        control.leave();
        let value = {
            let mut allocator = self.allocator.lock();
            // Relaxed throughout: written with the lock held, which orders it; `active`, see `activate`.
            let mut value = context.0.load(Ordering::Relaxed);
            if value & !ASID_MASK != allocator.generation {
                value = allocator.keep(value).unwrap_or_else(|| self.allocate(&mut allocator, control));
                context.0.store(value, Ordering::Relaxed);
            }
            if own.generation.load(Ordering::Relaxed) != allocator.generation {
                control.flush();
                own.generation.store(allocator.generation, Ordering::Relaxed);
            }
            own.active.store(value, Ordering::Relaxed);
            value
        };
        // Pairs with the barrier before `asid`: who found no number there has changed the tables before this CPU walks them.
        control.fence_walks();
        number_of(value)
    }

    fn allocate(&self, allocator: &mut Allocator<CPUS>, control: &impl TranslationControl) -> u64 {
        loop {
            if allocator.next >= control.asid_count() {
                self.begin_generation(allocator);
            }
            let number = allocator.next;
            allocator.next += 1;
            if !allocator.reserved.iter().any(|reserved| reserved & ASID_MASK == number) {
                return allocator.generation | number;
            }
        }
    }

    fn begin_generation(&self, allocator: &mut Allocator<CPUS>) {
        allocator.generation += FIRST_GENERATION;
        allocator.next = 1;
        for cpu in &self.cpus {
            // Relaxed: the fence publishes it.
            cpu.generation.store(NONE, Ordering::Relaxed);
        }
        // SeqCst: the other half of the protocol above.
        fence(Ordering::SeqCst);
        for (reserved, cpu) in allocator.reserved.iter_mut().zip(&self.cpus) {
            // Relaxed: ordered by the fence. Taken away, so that a CPU which has not switched by the next generation is
            // seen not to have: what is reserved for it may have been renewed meanwhile (`keep`), and must stay so.
            let active = cpu.active.swap(0, Ordering::Relaxed);
            if active != 0 {
                *reserved = active;
            }
        }
    }

    /// CPU number `cpu`, which executes this, has no program's table in its base register any more.
    pub fn deactivate(&self, cpu: usize) {
        // Relaxed: seen late it reserves a number for nothing.
        self.cpus[cpu].active.store(0, Ordering::Relaxed);
    }
}

impl<const CPUS: usize> Allocator<CPUS> {
    /// The context of this generation for one whose number is reserved.
    fn keep(&mut self, old: u64) -> Option<u64> {
        let new = self.generation | (old & ASID_MASK);
        let mut kept = false;
        // On every CPU it was active on: the next generation looks for the new value.
        for reserved in self.reserved.iter_mut().filter(|reserved| old != 0 && **reserved == old) {
            *reserved = new;
            kept = true;
        }
        kept.then_some(new)
    }
}

impl<P: Platform, const CPUS: usize> fmt::Debug for Asids<P, CPUS> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Asids").finish_non_exhaustive()
    }
}
