//! Address space identifiers: which translations in the TLB are whose, so that a switch flushes nothing.
//!
//! The rule, with its lock and its orderings, is [`postern_sync::Asids`], where loom checks it; here it meets the machine.
//! Lock: ASIDS, on the slow path only.

use super::address_space;
use crate::arch::cpu::{self, MAX_CPUS};
use crate::arch::mmu;
use crate::sync::{Kernel, rank};
use postern_sync::{AsidContext, Asids, TranslationControl};

static ASIDS: Asids<Kernel, MAX_CPUS> = Asids::new(rank::ASIDS);

/// The executing CPU.
struct Machine;

impl TranslationControl for Machine {
    fn asid_count(&self) -> u64 {
        mmu::asid_count().into()
    }

    fn leave(&self) {
        address_space::install_empty_table();
    }

    fn flush(&self) {
        mmu::flush_this_cpu();
    }

    fn fence_walks(&self) {
        mmu::fence_walks();
    }
}

/// Makes `context` that of CPU `me`, the executing one, and returns its ASID, to be put in TTBR0. Contains a SeqCst fence.
#[inline]
pub fn activate(context: &AsidContext, me: usize) -> u16 {
    ASIDS.activate(context, me, &Machine)
}

/// This CPU runs no program's address space any more.
pub fn deactivate() {
    ASIDS.deactivate(cpu::index());
}
