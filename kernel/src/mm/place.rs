//! What lies at an address, by a name that is the same in every address space which has it there: what futexes go by.
//!
//! Programs ask about the same few words again and again, so each address space remembers the area of the last question until
//! one of its areas changes. Lock: ADDRESS_SPACE (sleeping) around that.

use super::SourceId;
use super::address_space::{AddressSpace, Map, PageBacking};
use core::ops::Range;
use postern_core::areas::{Area, AreaFlags, Protection};
use postern_core::errno::{Errno, Result};

const READ_OR_WRITE: Protection = Protection::READ.union(Protection::WRITE);

/// A byte of a source of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The object that is mapped, or the address space for what is private to it.
    pub source: SourceId,
    /// Where in the object, or the address.
    pub offset: u64,
}

/// What the addresses of one area are.
#[derive(Debug)]
pub(super) struct KnownArea {
    range: Range<usize>,
    source: SourceId,
    /// From an address to its offset, modulo 2^64.
    difference: u64,
    /// The state of the areas, [`postern_core::areas::Areas::changes`], in which that was found.
    changes: u64,
}

impl KnownArea {
    fn place(&self, address: usize) -> Place {
        Place { source: self.source, offset: (address as u64).wrapping_add(self.difference) }
    }
}

impl AddressSpace {
    /// What lies at `address`: EFAULT where nothing is mapped, or nothing that Linux would find the page of. May sleep.
    #[inline(always)]
    pub fn place_of(&self, address: usize) -> Result<Place> {
        let mut map = self.lock();
        match &map.known {
            Some(known) if known.range.contains(&address) && known.changes == map.areas.changes() => {
                Ok(known.place(address))
            }
            _ => self.find_place(&mut map, address),
        }
    }

    /// The same for what is private to the address space by the caller's word, whether something is mapped there or not.
    pub fn private_place_of(&self, address: usize) -> Place {
        Place { source: self.id(), offset: address as u64 }
    }

    #[cold]
    fn find_place(&self, map: &mut Map, address: usize) -> Result<Place> {
        let area = map.areas.find(address).ok_or(Errno::EFAULT)?;
        let known = self.know(area, map.areas.changes())?;
        let place = known.place(address);
        map.known = Some(known);
        Ok(place)
    }

    fn know(&self, area: &Area<PageBacking>, changes: u64) -> Result<KnownArea> {
        // Linux finds what a word is by its page, which takes a right to it; an anonymous page that nobody may write to makes no
        // sense to it.
        let (needed, shared) = match &area.backing {
            PageBacking::Object(source) if area.flags.contains(AreaFlags::SHARED) => (READ_OR_WRITE, Some(source)),
            PageBacking::Object(_) => (READ_OR_WRITE, None),
            PageBacking::Anonymous => (Protection::WRITE, None),
        };
        if !area.protection.intersects(needed) {
            return Err(Errno::EFAULT);
        }
        let (source, difference) = match shared {
            Some(source) => (source.identity(), area.offset.wrapping_sub(area.start as u64)),
            None => (self.id(), 0),
        };
        Ok(KnownArea { range: area.range(), source, difference, changes })
    }
}
