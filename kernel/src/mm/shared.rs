//! Shared anonymous memory: pages that exist for as long as somebody maps them.
//! Lock: PAGES around the map of pages.

use super::{Frame, PageIntent, PageSource, SourceId};
use crate::sync::{Mutex, rank};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use postern_core::errno::{Errno, Result};

/// The object behind `mmap(MAP_SHARED | MAP_ANONYMOUS)`.
pub struct SharedPages {
    id: SourceId,
    size_pages: usize,
    pages: Mutex<BTreeMap<usize, Frame>>,
}

impl SharedPages {
    /// An object of zeroes.
    pub fn new(size_pages: usize) -> Arc<Self> {
        Arc::new(Self { id: SourceId::next(), size_pages, pages: Mutex::new(rank::PAGES, BTreeMap::new()) })
    }
}

impl PageSource for SharedPages {
    fn page(&self, index: usize, _intent: PageIntent) -> Result<Frame> {
        if index >= self.size_pages {
            return Err(Errno::EFAULT);
        }
        let mut pages = self.pages.lock();
        if let Some(frame) = pages.get(&index) {
            return Ok(frame.clone());
        }
        let frame = Frame::alloc_zeroed()?;
        pages.insert(index, frame.clone());
        Ok(frame)
    }

    fn identity(&self) -> SourceId {
        self.id
    }
}

/// Pages fixed at creation, such as the vDSO's.
pub struct FixedPages {
    id: SourceId,
    /// The pages in order.
    pub pages: alloc::vec::Vec<Frame>,
    name: &'static str,
}

impl FixedPages {
    /// `pages` in order, called `name` in `/proc/PID/maps`.
    pub fn new(pages: alloc::vec::Vec<Frame>, name: &'static str) -> Self {
        Self { id: SourceId::next(), pages, name }
    }
}

impl PageSource for FixedPages {
    fn page(&self, index: usize, _intent: PageIntent) -> Result<Frame> {
        self.pages.get(index).cloned().ok_or(Errno::EFAULT)
    }

    fn identity(&self) -> SourceId {
        self.id
    }

    fn description(&self) -> Option<(u64, u64, alloc::vec::Vec<u8>)> {
        Some((0, 0, self.name.into()))
    }
}
