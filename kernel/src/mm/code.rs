//! Changes of the kernel's own code: trace points are switched on and off.
//!
//! Owns nothing: the kernel's code stays read-only where it is executed and where RAM is mapped. A page of it is written through
//! an alias that is mapped for that and cannot be executed. Lock: KERNEL_SPACE, around each page's change. Never sleeps.
//! Specification: Arm ARM B2.2.5, concurrent modification and execution of instructions: NOP and B are among those that one CPU
//! may exchange for each other while another executes them. That one then takes the old or the new, and for certain the new after
//! it has been through an exception; who needs to know goes there (`sched::on_every_cpu`).

use super::kernel_space;
use super::layout::page_down;
use crate::arch::mmu::{self, PAGE_SIZE};
use crate::arch::trace_point::{self, Points, Site};
use core::sync::atomic::Ordering;

/// Switches every trace point. Callers take turns.
pub fn switch_trace_points(points: Points) {
    let sites = trace_point::sites();
    // They lie in the order in which the linker found them, so those of a page come together, more or less.
    for sites in sites.chunk_by(|one, next| page_down(one.address()) == page_down(next.address())) {
        let page = page_down(sites[0].address());
        kernel_space::with_writable_alias(page, |alias| write(sites, points, page, alias));
    }
    for site in sites {
        mmu::synchronise_code(site.address(), size_of::<u32>());
    }
}

/// Writes the instructions of `sites`, all in the page of code at `page`, through the one at `alias`.
fn write(sites: &[Site], points: Points, page: usize, alias: usize) {
    for site in sites {
        let offset = site.address() - page;
        debug_assert!(offset < PAGE_SIZE);
        // SAFETY: the alias is mapped, writable, while this runs; instructions are aligned.
        let instruction = unsafe { trace_point::instruction_at(alias + offset) };
        // Relaxed: other CPUs get it by fetching, which `synchronise_code` sees to.
        instruction.store(site.instruction(points), Ordering::Relaxed);
    }
}
