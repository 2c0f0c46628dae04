//! Where the bytes of pages come from and go to. The ring moves none itself.
//!
//! Traits, and not just closures, so that who moves them (`mm::user` in the kernel) can have it done in place. No locks; a copy may
//! sleep.

use core::ops::Range;

/// What bytes are written from.
pub trait Source<P> {
    /// Fills a range of a page, as far as it can; how many bytes it got.
    fn fill(&mut self, page: &mut P, range: Range<usize>) -> usize;
}

/// What bytes are read into.
pub trait Sink<P> {
    /// Takes a range of a page, as far as it can; how many bytes arrived.
    fn drain(&mut self, page: &P, range: Range<usize>) -> usize;
}

impl<P, F: FnMut(&mut P, Range<usize>) -> usize> Source<P> for F {
    #[inline(always)]
    fn fill(&mut self, page: &mut P, range: Range<usize>) -> usize {
        self(page, range)
    }
}

impl<P, F: FnMut(&P, Range<usize>) -> usize> Sink<P> for F {
    #[inline(always)]
    fn drain(&mut self, page: &P, range: Range<usize>) -> usize {
        self(page, range)
    }
}
