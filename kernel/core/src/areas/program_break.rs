//! The program break: the end of the heap which brk(2) moves.
//!
//! No locks, never sleeps. As mm/mmap.c's `brk`: what cannot be done leaves the break where it is.

use core::ops::Range;

use super::{AreaFlags, Areas, Backing, PAGE_SIZE};

/// Where the heap begins and where it ends now, in bytes; neither need be a multiple of the page size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramBreak {
    /// The lowest value the break may have.
    pub start: usize,
    /// The break.
    pub current: usize,
}

/// What a new program break asks of the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BreakChange {
    /// The break cannot or need not move: brk(2) returns the current one.
    Refused,
    /// The break moves within its last page.
    SamePages,
    /// These pages, which are free, are to be mapped first.
    Grow(Range<usize>),
    /// These pages are to be removed.
    Shrink(Range<usize>),
}

impl<B: Backing> Areas<B> {
    /// The program break.
    #[must_use]
    pub fn program_break(&self) -> &ProgramBreak {
        &self.program_break
    }

    /// Sets where the heap begins (exec), empty.
    pub fn set_program_break(&mut self, start: usize) {
        self.program_break = ProgramBreak { start, current: start };
    }

    /// What it takes to move the break to `requested`. Changes nothing: the caller does what is asked, then calls
    /// [`Areas::move_program_break`]; if a limit or want of memory stops it, it leaves the break alone.
    #[must_use]
    pub fn plan_break(&self, requested: usize) -> BreakChange {
        let ProgramBreak { start, current } = self.program_break;
        let rounded = requested.checked_next_multiple_of(PAGE_SIZE);
        let Some(new_end) = rounded.filter(|&end| requested >= start && end <= self.layout.limit) else {
            return BreakChange::Refused;
        };
        let old_end = current.next_multiple_of(PAGE_SIZE);
        if new_end == old_end {
            return BreakChange::SamePages;
        }
        if requested <= current {
            return BreakChange::Shrink(new_end..old_end);
        }
        if self.may_grow_heap(old_end..new_end) { BreakChange::Grow(old_end..new_end) } else { BreakChange::Refused }
    }

    /// Notes that the break is now at `requested`, what [`Areas::plan_break`] asked for being done.
    pub fn move_program_break(&mut self, requested: usize) {
        self.program_break.current = requested;
    }

    /// One page is kept free between the heap and what follows it, and the whole guard gap before a stack.
    fn may_grow_heap(&self, gained: Range<usize>) -> bool {
        let next = self.overlapping(gained.start..self.layout.limit).next();
        next.is_none_or(|area| {
            let gap = if area.flags.contains(AreaFlags::GROWS_DOWN) { super::STACK_GUARD_GAP } else { 0 };
            gained.end + PAGE_SIZE <= area.start.saturating_sub(gap)
        })
    }
}
