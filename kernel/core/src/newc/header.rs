//! The 110 bytes before each entry: a magic number and thirteen numbers of eight hexadecimal digits.
//!
//! No locks, never sleeps.

use super::{DeviceNumber, FaultKind, S_IFMT};

/// Bytes of a header.
pub(super) const HEADER_SIZE: usize = 110;
const MAGIC_SIZE: usize = 6;
const NUMBER_SIZE: usize = 8;
/// The longest name, its NUL included (PATH_MAX).
const NAME_SIZE_MAX: usize = 4096;
/// A regular file, the only kind with a checksum.
const S_IFREG: u32 = 0o100_000;

/// A header, its numbers checked one by one.
pub(super) struct Header {
    pub(super) ino: u32,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) nlink: u32,
    pub(super) mtime_s: u32,
    pub(super) file_size: usize,
    pub(super) device: DeviceNumber,
    pub(super) special_device: DeviceNumber,
    /// Bytes of the name, its NUL included; 1 to 4096.
    pub(super) name_size: usize,
    /// The sum of the data's bytes, where the format has one.
    pub(super) checksum: Option<u32>,
}

impl Header {
    /// Reads the header at the start of `bytes`.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, FaultKind> {
        let has_checksum = match bytes.get(..MAGIC_SIZE) {
            Some(b"070701") => false,
            Some(b"070702") => true,
            Some(b"070707") => return Err(FaultKind::OldFormat),
            Some(_) => return Err(FaultKind::BadMagic),
            None => return Err(FaultKind::Truncated),
        };
        let numbers = bytes.get(MAGIC_SIZE..HEADER_SIZE).ok_or(FaultKind::Truncated)?;
        let number = |index: usize| hexadecimal(&numbers[index * NUMBER_SIZE..][..NUMBER_SIZE]);
        let size = |index: usize| usize::try_from(number(index)?).map_err(|_| FaultKind::Truncated);
        let device = |index: usize| Ok(DeviceNumber { major: number(index)?, minor: number(index + 1)? });
        let mode = number(1)?;
        let name_size = size(11)?;
        if !(1..=NAME_SIZE_MAX).contains(&name_size) {
            return Err(FaultKind::BadName);
        }
        let is_regular = mode & S_IFMT == S_IFREG;
        Ok(Self {
            ino: number(0)?,
            mode,
            uid: number(2)?,
            gid: number(3)?,
            nlink: number(4)?,
            mtime_s: number(5)?,
            file_size: size(6)?,
            device: device(7)?,
            special_device: device(9)?,
            name_size,
            checksum: if has_checksum && is_regular { Some(number(12)?) } else { None },
        })
    }
}

/// Eight digits, without sign or blank.
fn hexadecimal(digits: &[u8]) -> Result<u32, FaultKind> {
    digits.iter().try_fold(0, |value: u32, &digit| {
        let digit = char::from(digit).to_digit(16).ok_or(FaultKind::BadNumber)?;
        Ok(value << 4 | digit)
    })
}
