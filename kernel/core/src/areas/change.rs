//! Changes to the attributes of pages that are mapped already: mprotect(2), madvise(2), mlock(2).
//!
//! No locks, never sleeps.

use core::ops::Range;

use super::{Area, AreaFlags, Areas, Backing, Protection};
use crate::errno::{Errno, Result};

impl<B: Backing> Areas<B> {
    /// Gives every page of `range` this protection, from the lowest up.
    ///
    /// `changing` is called for each piece that is about to change, clipped to the range and still with its old protection;
    /// there the kernel changes the page tables. Pieces that have the protection already are passed over.
    ///
    /// # Errors
    /// EINVAL if `range` is not whole pages; ENOMEM at the first page that is not mapped, or when there would be too many
    /// areas; EACCES at an area that may not become writable; or what `changing` returned. As on Linux, everything below the
    /// point of failure stays changed.
    pub fn protect(
        &mut self,
        range: Range<usize>,
        protection: Protection,
        changing: impl FnMut(&Area<B>) -> Result<()>,
    ) -> Result<()> {
        let target = |area: &Area<B>| {
            let added = protection - area.protection;
            if added.contains(Protection::WRITE) && area.flags.contains(AreaFlags::NEVER_WRITABLE) {
                return Err(Errno::EACCES);
            }
            Ok((protection, area.flags))
        };
        self.change(range, target, changing)
    }

    /// Adds `set` to and takes `clear` from the flags of every page of `range`. Otherwise as [`Areas::protect`].
    ///
    /// # Errors
    /// As [`Areas::protect`], without EACCES.
    pub fn change_flags(
        &mut self,
        range: Range<usize>,
        set: AreaFlags,
        clear: AreaFlags,
        changing: impl FnMut(&Area<B>) -> Result<()>,
    ) -> Result<()> {
        let target = |area: &Area<B>| Ok((area.protection, (area.flags - clear) | set));
        self.change(range, target, changing)
    }

    /// Changes each piece of `range` to what `target` says of its area, then joins what became equal.
    fn change(
        &mut self,
        range: Range<usize>,
        target: impl Fn(&Area<B>) -> Result<(Protection, AreaFlags)>,
        mut changing: impl FnMut(&Area<B>) -> Result<()>,
    ) -> Result<()> {
        self.check_range(range.clone())?;
        let mut reached = range.start;
        let mut result = Ok(());
        while reached < range.end && result.is_ok() {
            match self.change_piece(reached..range.end, &target, &mut changing) {
                Ok(end) => reached = end,
                Err(errno) => result = Err(errno),
            }
        }
        self.merge_within(range.start..reached);
        result
    }

    /// Changes the first piece of `range` and returns where it ends.
    fn change_piece(
        &mut self,
        range: Range<usize>,
        target: &impl Fn(&Area<B>) -> Result<(Protection, AreaFlags)>,
        changing: &mut impl FnMut(&Area<B>) -> Result<()>,
    ) -> Result<usize> {
        let area = self.find(range.start).ok_or(Errno::ENOMEM)?;
        let end = area.end.min(range.end);
        let (protection, flags) = target(area)?;
        if (protection, flags) == (area.protection, area.flags) {
            return Ok(end);
        }
        self.check_room(usize::from(area.start < range.start) + usize::from(area.end > end))?;
        changing(&area.clipped(range.clone()))?;
        self.split_at(range.start);
        self.split_at(end);
        if let Some(piece) = self.map.change().get_mut(&range.start) {
            piece.protection = protection;
            piece.flags = flags;
        }
        Ok(end)
    }
}
