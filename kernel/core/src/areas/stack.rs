//! Stacks that grow when they are touched below their end.
//!
//! No locks, never sleeps. As Linux's `expand_downwards`.

use core::ops::Range;

use super::{AreaFlags, Areas, Backing, PAGE_SIZE, Protection};
use crate::errno::{Errno, Result};

/// Bytes kept free below an area that grows down, so that a stack cannot run into its neighbour unnoticed: 256 pages.
pub const STACK_GUARD_GAP: usize = 256 * PAGE_SIZE;

impl<B: Backing> Areas<B> {
    /// The pages that a stack would have to gain for `address`, which is not mapped, to become valid. `stack_limit` is
    /// RLIMIT_STACK in bytes. Changes nothing: the caller compares the size with RLIMIT_AS, then calls [`Areas::grow_down`].
    ///
    /// # Errors
    /// EFAULT if the area above `address` is no stack (or `address` is mapped); EPERM below the lowest address; ENOMEM if the
    /// stack would exceed its limit, come within [`STACK_GUARD_GAP`] of an accessible neighbour, or is of a file and would begin
    /// before it.
    pub fn stack_growth(&self, address: usize, stack_limit: usize) -> Result<Range<usize>> {
        let start = address - address % PAGE_SIZE;
        let below = self.at_or_below(address);
        if below.is_some_and(|area| address < area.end) {
            return Err(Errno::EFAULT);
        }
        let (_, stack) = self.map.range(address..).next().ok_or(Errno::EFAULT)?;
        if !stack.flags.contains(AreaFlags::GROWS_DOWN) {
            return Err(Errno::EFAULT);
        }
        if start < self.layout.lowest {
            return Err(Errno::EPERM);
        }
        let too_near = below.is_some_and(|area| {
            let harmless = area.flags.contains(AreaFlags::GROWS_DOWN) || area.protection == Protection::empty();
            !harmless && start - area.end < STACK_GUARD_GAP
        });
        let is_before_the_file = stack.backing.has_offsets() && stack.offset < (stack.start - start) as u64;
        if too_near || is_before_the_file || stack.end - start > stack_limit {
            return Err(Errno::ENOMEM);
        }
        Ok(start..stack.start)
    }

    /// Lets the stack above `address` grow down to it and returns the pages it gained.
    ///
    /// # Errors
    /// As [`Areas::stack_growth`]; nothing is changed then.
    pub fn grow_down(&mut self, address: usize, stack_limit: usize) -> Result<Range<usize>> {
        let gained = self.stack_growth(address, stack_limit)?;
        if let Some(mut stack) = self.map.change().remove(&gained.end) {
            stack.start = gained.start;
            // Saturating: of anonymous memory the offset has no meaning.
            stack.offset = stack.offset.saturating_sub(gained.len() as u64);
            self.total_pages += gained.len() / PAGE_SIZE;
            self.map.change().insert(gained.start, stack);
            self.merge_at(gained.start);
        }
        Ok(gained)
    }
}
