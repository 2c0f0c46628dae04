//! The initramfs: cpio archives in the "newc" format, several of them one after the other if need be.
//!
//! Owns the parsing and nothing else: entries borrow the image, and the kernel makes files of them. No input makes this code
//! panic; what is wrong is an error with its offset in the image, never a silent end. No locks, never sleeps. Specification:
//! Linux's Documentation/driver-api/early-userspace/buffer-format.rst and init/initramfs.c.

mod fault;
mod header;
mod links;

use core::ops::Range;

pub use fault::{Compression, Fault, FaultKind};
pub use links::{HardLinks, LinkKey};

use header::{HEADER_SIZE, Header};

/// Name of the entry that ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";
/// Headers and data start at multiples of this, counted from the start of the image.
const ALIGNMENT: usize = 4;
/// Bits of `mode` that hold the kind of file.
const S_IFMT: u32 = 0o170_000;

/// The numbers of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceNumber {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

/// One file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'image> {
    /// Where in the image its header lies.
    pub offset: usize,
    /// Which of the archives in the image it belongs to, from zero.
    pub archive: usize,
    /// Inode number, of meaning among the hard links of one archive only.
    pub ino: u32,
    /// Kind and permissions, as `st_mode`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of hard links.
    pub nlink: u32,
    /// Modification time, in seconds since 1970.
    pub mtime_s: u32,
    /// The device the file lay on when it was archived.
    pub device: DeviceNumber,
    /// The device it is, if it is a device.
    pub special_device: DeviceNumber,
    /// Path, without a NUL; may be absolute or start with `./`.
    pub name: &'image [u8],
    /// Contents of a file, target of a symbolic link; empty in all but the last of several hard links.
    pub data: &'image [u8],
}

impl Entry<'_> {
    /// The kind of file: the `S_IFMT` bits of `mode`.
    #[must_use]
    pub fn kind(&self) -> u32 {
        self.mode & S_IFMT
    }

    /// The permissions, set-ID and sticky bits included.
    #[must_use]
    pub fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }
}

/// The entries of an image, in order. After an error there are no more.
#[derive(Clone, Debug)]
pub struct Entries<'image> {
    image: &'image [u8],
    next: usize,
    archive: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first archive or after a trailer, where zeroes may be.
    Between,
    /// Within an archive.
    Within,
    /// After the end or an error.
    Ended,
}

impl<'image> Entries<'image> {
    /// The entries of `image`.
    #[must_use]
    pub const fn new(image: &'image [u8]) -> Self {
        Self { image, next: 0, archive: 0, state: State::Between }
    }

    fn advance(&mut self) -> Result<Option<Entry<'image>>, Fault> {
        loop {
            if self.state == State::Between {
                self.next += leading_zeroes(self.rest());
                if self.rest().is_empty() {
                    return Ok(None);
                }
                if !self.next.is_multiple_of(ALIGNMENT) && self.rest().starts_with(b"0707") {
                    return Err(self.fault(FaultKind::Unaligned));
                }
            }
            let entry = self.parse_next()?;
            if entry.name != TRAILER {
                self.state = State::Within;
                return Ok(Some(entry));
            }
            self.state = State::Between;
            self.archive += 1;
        }
    }

    /// Parses the entry at `next` and moves on behind it.
    fn parse_next(&mut self) -> Result<Entry<'image>, Fault> {
        let rest = self.rest();
        let header = self.header(rest)?;
        let name_range = HEADER_SIZE..HEADER_SIZE + header.name_size;
        let name = self.part(rest, name_range.clone())?;
        let Some(name_len) = name.iter().position(|&byte| byte == 0) else {
            return Err(self.fault(FaultKind::BadName));
        };
        let data_start = name_range.end.next_multiple_of(ALIGNMENT);
        let data_end = data_start.saturating_add(header.file_size);
        // The padding behind the very last entry may be missing, before its data too if it has none.
        let data = match header.file_size {
            0 => &[],
            _ => self.part(rest, data_start..data_end)?,
        };
        if header.checksum.is_some_and(|sum| sum != checksum(data)) {
            return Err(self.fault(FaultKind::BadChecksum));
        }
        let entry = Entry {
            offset: self.next,
            archive: self.archive,
            ino: header.ino,
            mode: header.mode,
            uid: header.uid,
            gid: header.gid,
            nlink: header.nlink,
            mtime_s: header.mtime_s,
            device: header.device,
            special_device: header.special_device,
            name: &name[..name_len],
            data,
        };
        self.next += data_end.next_multiple_of(ALIGNMENT).min(rest.len());
        Ok(entry)
    }

    fn header(&self, rest: &[u8]) -> Result<Header, Fault> {
        if rest.is_empty() {
            return Err(self.fault(FaultKind::NoTrailer));
        }
        let compressed = Compression::of(rest).filter(|_| self.state == State::Between);
        if let Some(compression) = compressed {
            return Err(self.fault(FaultKind::Compressed(compression)));
        }
        Header::parse(rest).map_err(|kind| self.fault(kind))
    }

    fn part(&self, rest: &'image [u8], range: Range<usize>) -> Result<&'image [u8], Fault> {
        rest.get(range).ok_or(self.fault(FaultKind::Truncated))
    }

    fn rest(&self) -> &'image [u8] {
        &self.image[self.next..]
    }

    fn fault(&self, kind: FaultKind) -> Fault {
        Fault { offset: self.next, kind }
    }
}

impl<'image> Iterator for Entries<'image> {
    type Item = Result<Entry<'image>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Ended {
            return None;
        }
        let next = self.advance().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.state = State::Ended;
        }
        next
    }
}

fn leading_zeroes(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len())
}

/// The sum of all bytes: what the format calls a CRC.
fn checksum(data: &[u8]) -> u32 {
    data.iter().fold(0, |sum: u32, &byte| sum.wrapping_add(u32::from(byte)))
}

#[cfg(test)]
mod tests;
