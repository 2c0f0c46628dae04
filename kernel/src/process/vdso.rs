//! The pages of kernel code and data in every program: vDSO and signal trampoline.
//!
//! The code (arch/aarch64/vdso.s) is copied once into frames, and what it reads lies in the page before it. Both are mapped at
//! one fixed address, above everything that mmap(2) chooses, so nothing need be remembered of them. No locks; mapping sleeps.
//! Specification: vdso(7).

use crate::arch::mmu::PAGE_SIZE;
use crate::arch::{timer, vdso};
use crate::mm::address_space::{PageBacking, Placement};
use crate::mm::layout::MMAP_TOP;
use crate::mm::shared::FixedPages;
use crate::mm::{AddressSpace, Frame};
use crate::time;
use alloc::sync::Arc;
use alloc::vec::Vec;
use postern_core::areas::{AreaFlags, Protection};
use postern_core::errno::Result;
use spin::Once;

/// Where the data page is in every program.
const DATA: usize = MMAP_TOP;
/// Where the shared object begins: what AT_SYSINFO_EHDR says.
const CODE: usize = DATA + PAGE_SIZE;

/// Offsets in the data page; vdso.s knows them too.
const FACTOR: usize = 0;
const REALTIME_OFFSET: usize = 8;

struct Pages {
    data_frame: Frame,
    data: Arc<FixedPages>,
    code: Arc<FixedPages>,
}

static PAGES: Once<Pages> = Once::new();

fn make_pages() -> Result<Pages> {
    let data_frame = Frame::alloc_zeroed()?;
    data_frame.store_u64(FACTOR, timer::ns_per_tick_32_32());
    data_frame.store_u64(REALTIME_OFFSET, time::realtime_offset_ns());
    let mut code = Vec::new();
    for page in vdso::image().chunks(PAGE_SIZE) {
        let frame = Frame::alloc()?;
        frame.write(0, page);
        code.push(frame);
    }
    let data = FixedPages::new(alloc::vec![data_frame.clone()], "[vvar]");
    let code = FixedPages::new(code, "[vdso]");
    Ok(Pages { data_frame, data: Arc::new(data), code: Arc::new(code) })
}

/// Maps the pages into a program's address space; the address of the ELF header.
///
/// # Errors
/// ENOMEM; EEXIST if the program has put something there already.
pub fn map_into(space: &AddressSpace) -> Result<usize> {
    let pages = PAGES.try_call_once(make_pages)?;
    let read = Protection::READ;
    for (address, pages, protection) in [(DATA, &pages.data, read), (CODE, &pages.code, read | Protection::EXEC)] {
        let length = pages.pages.len() * PAGE_SIZE;
        let backing = PageBacking::Object(pages.clone());
        space.map(Placement::Exact(address), length, protection, AreaFlags::empty(), backing, 0)?;
    }
    Ok(CODE)
}

/// Where signal handlers return to, in every program.
pub fn sigreturn_address() -> usize {
    CODE + vdso::sigreturn_offset()
}

/// The real-time clock has been set: tells the programs.
pub(super) fn on_clock_set() {
    if let Some(pages) = PAGES.get() {
        pages.data_frame.store_u64(REALTIME_OFFSET, time::realtime_offset_ns());
    }
}
