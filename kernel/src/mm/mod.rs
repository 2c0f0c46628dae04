//! Memory: page frames, the kernel heap, translation tables, address spaces of programs, and the
//! only ways to reach user memory.
//!
//! | file | owns | locks |
//! |---|---|---|
//! | `layout` | where things lie | – |
//! | `frame` | page frames, per-CPU page caches | FRAMES |
//! | `frame_nodes` | memory of the frame allocator's own nodes | FRAME_NODES |
//! | `code` | changes of the kernel's own code | KERNEL_SPACE |
//! | `contiguous` | buffers in one piece | – |
//! | `heap` | the kernel heap | HEAP |
//! | `large_blocks` | blocks of the heap that are pages of their own | LARGE_BLOCKS |
//! | `kernel_space` | the kernel's tables, stacks, device mappings | KERNEL_SPACE, STACKS |
//! | `page_table` | the format of tables | caller's |
//! | `asid` | address space identifiers | ASIDS |
//! | `address_space` | a program's areas and tables | ADDRESS_SPACE |
//! | `fault` | what a page fault means | ADDRESS_SPACE |
//! | `fork` | the address space of a forked child | ADDRESS_SPACE |
//! | `place` | what lies at an address, whoever asks | ADDRESS_SPACE |
//! | `reverse` | who maps an object | ADDRESS_SPACES |
//! | `user` | copies to and from programs | may fault, may sleep |
//!
//! Out of memory is an error value (ENOMEM) on every path a user can drive; a page fault that finds
//! no memory kills the program. `docs/memory.md` tells the whole story.

pub mod address_space;
pub mod asid;
pub mod boot;
pub mod code;
pub mod contiguous;
pub mod fault;
mod fork;
pub mod frame;
mod frame_nodes;
pub mod heap;
pub mod kernel_space;
mod large_blocks;
pub mod layout;
pub mod page_table;
pub mod place;
pub mod residency;
pub mod reverse;
pub mod shared;
pub mod user;

pub use address_space::AddressSpace;
use core::num::NonZeroU64;
use core::sync::atomic::{AtomicU64, Ordering};
pub use frame::Frame;
use postern_core::errno::Result;

/// What a page of a [`PageSource`] is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageIntent {
    /// Loads and instruction fetches, or a private copy.
    Read,
    /// Stores that others will see.
    Write,
}

/// Tells sources of pages apart, for ever: no number is given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceId(NonZeroU64);

impl SourceId {
    /// One that nobody has.
    pub fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // Relaxed: each gets another number, which is all that matters. 64 bits do not run out.
        Self(NonZeroU64::MIN.saturating_add(LAST.fetch_add(1, Ordering::Relaxed)))
    }

    /// The number.
    pub fn number(self) -> u64 {
        self.0.get()
    }
}

/// Something with pages that can be mapped: a file, a memfd, shared anonymous memory, a driver's ring.
pub trait PageSource: Send + Sync {
    /// The page at `index`, allocated if it was a hole. EFAULT beyond the end (the program gets SIGBUS), ENOMEM.
    /// May sleep; called with an address space locked.
    fn page(&self, index: usize, intent: PageIntent) -> Result<Frame>;
    /// The same for two sources exactly if their pages are: what futexes and reverse lookups go by.
    fn identity(&self) -> SourceId;
    /// A number that two sources share, while both exist, exactly if adjacent mappings of them may become one: nobody could
    /// tell. The default suits a source that exists once.
    fn merge_identity(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }
    /// What `/proc/PID/maps` shows: device, inode number, path.
    fn description(&self) -> Option<(u64, u64, alloc::vec::Vec<u8>)> {
        None
    }
}
