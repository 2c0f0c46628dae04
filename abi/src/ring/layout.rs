//! Where everything of a mapped ring lies. Version 1; one `mmap(2)` from offset 0 covers it all.
//!
//! ```text
//! page 0                header      written by the kernel, before it can be mapped
//! page 1                consumer    written by the consumer: Words
//! page 2 …              producer    written by the producer: Words, then from SLOT_TABLE_OFFSET one descriptor a slot
//! page header.data …    data        written by the producer: slot n's bytes lie in page data + n
//! ```
//! All numbers are little-endian, as AArch64 Linux is.

use super::Corrupt;
use core::ops::Range;

/// In [`Header::magic`]: "PRNG".
pub const MAGIC: u32 = 0x474e_5250;
/// In [`Header::version`]. A program that finds another does not know the layout.
pub const VERSION: u32 = 1;
/// Bytes in a page, and so in the largest record.
pub const PAGE_SIZE: usize = 4096;
/// The most slots a ring has; the number is a power of two.
pub const SLOTS_MAX: u32 = 1024;
/// The page with the consumer's words.
pub const CONSUMER_PAGE: u32 = 1;
/// The first page of the producer's: its words and the descriptors.
pub const PRODUCER_PAGE: u32 = 2;
/// Where the descriptors begin, in bytes from the start of the producer's pages: behind its words' cache line.
pub const SLOT_TABLE_OFFSET: usize = 64;
/// Bytes of a descriptor.
pub const DESCRIPTOR_SIZE: usize = 4;

/// The first bytes of page 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: u32,
    /// [`VERSION`].
    pub version: u32,
    /// How many slots: a power of two of at most [`SLOTS_MAX`].
    pub slots: u32,
    /// The first page of the data.
    pub data_page: u32,
    /// Pages in all.
    pub pages: u32,
}

impl Header {
    /// The header as a program finds it in memory.
    #[must_use]
    pub fn to_words(self) -> [u32; 5] {
        [self.magic, self.version, self.slots, self.data_page, self.pages]
    }
}

/// The sizes of a ring that follow from its number of slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    slots: u32,
}

impl Geometry {
    /// Of a ring of `slots` slots; `None` unless they are a power of two of at most [`SLOTS_MAX`].
    #[must_use]
    pub const fn new(slots: u32) -> Option<Self> {
        if slots.is_power_of_two() && slots <= SLOTS_MAX { Some(Self { slots }) } else { None }
    }

    /// What a header describes; `None` if it is not one of this version's.
    #[must_use]
    pub fn of_header(words: [u32; 5]) -> Option<Self> {
        let geometry = Self::new(words[2])?;
        (geometry.header().to_words() == words).then_some(geometry)
    }

    /// Slots.
    #[must_use]
    pub const fn slots(self) -> u32 {
        self.slots
    }

    /// Pages of the producer's words and descriptors.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "one or two")]
    pub const fn producer_pages(self) -> u32 {
        self.descriptor_offset(self.slots as usize).div_ceil(PAGE_SIZE) as u32
    }

    /// The first page of the data.
    #[must_use]
    pub const fn data_page(self) -> u32 {
        PRODUCER_PAGE + self.producer_pages()
    }

    /// Pages in all.
    #[must_use]
    pub const fn pages(self) -> u32 {
        self.data_page() + self.slots
    }

    /// Bytes in all: what is to be mapped.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.pages() as usize * PAGE_SIZE
    }

    /// The header of such a ring.
    #[must_use]
    pub fn header(self) -> Header {
        let (data_page, pages) = (self.data_page(), self.pages());
        Header { magic: MAGIC, version: VERSION, slots: self.slots, data_page, pages }
    }

    /// The slot that an index stands for.
    #[must_use]
    pub const fn slot_of(self, index: u32) -> usize {
        (index & (self.slots - 1)) as usize
    }

    /// Where the descriptor of a slot lies, in bytes from the start of the producer's pages.
    #[must_use]
    pub const fn descriptor_offset(self, slot: usize) -> usize {
        SLOT_TABLE_OFFSET + slot * DESCRIPTOR_SIZE
    }
}

/// Which bytes of a slot's page are its record: the offset in the lower half of a word, the length in the upper.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Descriptor(u32);

impl Descriptor {
    /// Of a record of `len` bytes from the page's start; `None` unless it has 1 to [`PAGE_SIZE`] of them.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "at most a page")]
    pub const fn new(len: usize) -> Option<Self> {
        if len == 0 || len > PAGE_SIZE { None } else { Some(Self((len as u32) << 16)) }
    }

    /// As it stands in memory.
    #[must_use]
    pub const fn word(self) -> u32 {
        self.0
    }

    /// The bytes that a word found in memory names.
    ///
    /// # Errors
    /// [`Corrupt`] if they are none, or do not lie in a page.
    pub const fn range_of(word: u32) -> Result<Range<usize>, Corrupt> {
        let (start, len) = ((word & 0xffff) as usize, (word >> 16) as usize);
        if len == 0 || start + len > PAGE_SIZE { Err(Corrupt) } else { Ok(start..start + len) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_parts_follow_one_another_without_a_gap() {
        for slots in (0..=10).map(|power| 1 << power) {
            let geometry = Geometry::new(slots).unwrap_or_else(|| panic!("{slots} slots"));
            let table_end = geometry.descriptor_offset(slots as usize);
            assert!(table_end <= geometry.producer_pages() as usize * PAGE_SIZE);
            assert_eq!(geometry.data_page(), PRODUCER_PAGE + geometry.producer_pages());
            assert_eq!(geometry.pages(), geometry.data_page() + slots);
            assert_eq!(Geometry::of_header(geometry.header().to_words()), Some(geometry));
        }
    }

    #[test]
    fn other_numbers_of_slots_are_refused() {
        for slots in [0, 3, 1023, 2048, u32::MAX] {
            assert_eq!(Geometry::new(slots), None);
        }
    }

    #[test]
    fn a_header_of_another_version_or_with_other_sizes_is_refused() {
        let words = Geometry::new(16).map(|geometry| geometry.header().to_words());
        let words = words.unwrap_or_else(|| panic!("16 slots"));
        for at in 0..words.len() {
            let mut other = words;
            other[at] += 1;
            assert_eq!(Geometry::of_header(other), None, "word {at}");
        }
    }

    #[test]
    fn a_descriptor_names_its_bytes() {
        let word = Descriptor::new(64).map(Descriptor::word);
        assert_eq!(word.map(Descriptor::range_of), Some(Ok(0..64)));
        assert_eq!(Descriptor::new(0), None);
        assert_eq!(Descriptor::new(PAGE_SIZE + 1), None);
        assert_eq!(Descriptor::new(PAGE_SIZE).map(|it| Descriptor::range_of(it.word())), Some(Ok(0..PAGE_SIZE)));
    }

    #[test]
    fn a_hostile_descriptor_is_refused() {
        for word in [0, 1, 4096, 0x1001_0000, 0x0001_1000, 0xffff_ffff, 0x1000_0001] {
            assert_eq!(Descriptor::range_of(word), Err(Corrupt), "{word:#x}");
        }
    }
}
