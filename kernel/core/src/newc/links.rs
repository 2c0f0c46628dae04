//! Hard links within an archive: entries with the same inode are one file.
//!
//! No locks, never sleeps.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map;

use super::{DeviceNumber, Entry};

const S_IFDIR: u32 = 0o040_000;
const S_IFLNK: u32 = 0o120_000;

/// What the hard links of one file have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkKey {
    archive: usize,
    device: DeviceNumber,
    ino: u32,
    kind: u32,
}

impl Entry<'_> {
    /// The file this entry is a link to, or `None` if it has no other links. Directories and symbolic links have none.
    #[must_use]
    pub fn link_key(&self) -> Option<LinkKey> {
        let linkable = self.nlink > 1 && self.kind() != S_IFDIR && self.kind() != S_IFLNK;
        linkable.then_some(LinkKey { archive: self.archive, device: self.device, ino: self.ino, kind: self.kind() })
    }
}

/// The first name of every file with several links.
#[derive(Clone, Debug, Default)]
pub struct HardLinks<'image> {
    first_names: BTreeMap<LinkKey, &'image [u8]>,
}

impl<'image> HardLinks<'image> {
    /// No links yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { first_names: BTreeMap::new() }
    }

    /// The path of the entry to which this one, which came later, is a link; `None` if it is a file of its own or the first
    /// of its links. A link whose `data` is not empty carries the contents of the file.
    pub fn earlier_name(&mut self, entry: &Entry<'image>) -> Option<&'image [u8]> {
        match self.first_names.entry(entry.link_key()?) {
            btree_map::Entry::Occupied(first) => Some(*first.get()),
            btree_map::Entry::Vacant(free) => {
                free.insert(entry.name);
                None
            }
        }
    }
}
