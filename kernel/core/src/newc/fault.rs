//! What can be wrong with an initramfs, and where.
//!
//! No locks, never sleeps.

use core::fmt;

/// What is wrong, and where. The console shows the sentence; the entries before it are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Offset in the image of the header (or what should be one) at which reading stopped.
    pub offset: usize,
    /// What is wrong there.
    pub kind: FaultKind,
}

/// What is wrong with an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// There is no cpio header.
    BadMagic,
    /// The header is of the older portable format ("odc"), which Linux refuses too.
    OldFormat,
    /// A header does not start at a multiple of four bytes.
    Unaligned,
    /// A number has something else than eight hexadecimal digits.
    BadNumber,
    /// The name is empty, longer than 4096 bytes, or lacks its NUL.
    BadName,
    /// The sum of the data's bytes is not what the header says.
    BadChecksum,
    /// The image ends within this entry.
    Truncated,
    /// The image ends where an entry or the trailer should be.
    NoTrailer,
    /// The archive that starts here is compressed.
    Compressed(Compression),
}

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip(1), which [`crate::gzip`] undoes.
    Gzip,
    /// bzip2(1).
    Bzip2,
    /// The older lzma(1).
    Lzma,
    /// xz(1).
    Xz,
    /// lzop(1).
    Lzo,
    /// lz4(1), the format Linux uses.
    Lz4,
    /// zstd(1).
    Zstd,
}

impl Compression {
    const MAGICS: [(&'static [u8], Self); 7] = [
        (&[0x1f, 0x8b], Self::Gzip),
        (b"BZh", Self::Bzip2),
        (&[0x5d, 0, 0], Self::Lzma),
        (&[0xfd, b'7', b'z', b'X', b'Z', 0], Self::Xz),
        (&[0x89, b'L', b'Z', b'O'], Self::Lzo),
        (&[0x02, 0x21, 0x4c, 0x18], Self::Lz4),
        (&[0x28, 0xb5, 0x2f, 0xfd], Self::Zstd),
    ];

    /// How the archive at the start of `bytes` is compressed, by its magic number.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let magics = Self::MAGICS.iter();
        let mut known = magics.filter(|(magic, _)| bytes.starts_with(magic));
        known.next().map(|&(_, compression)| compression)
    }

    /// The usual name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Lzma => "lzma",
            Self::Xz => "xz",
            Self::Lzo => "lzo",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "initramfs, at offset {:#x}: {}", self.offset, self.kind)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = match self {
            Self::BadMagic => "no cpio header",
            Self::OldFormat => "not the newc format (make it with cpio -H newc)",
            Self::Unaligned => "the header is not at a multiple of four bytes",
            Self::BadNumber => "a header field is not a hexadecimal number",
            Self::BadName => "the name is malformed",
            Self::BadChecksum => "the checksum is wrong",
            Self::Truncated => "the entry is cut off by the end of the image",
            Self::NoTrailer => "the image ends without a trailer",
            Self::Compressed(compression) => {
                return write!(f, "compressed with {}", compression.name());
            }
        };
        f.write_str(sentence)
    }
}

impl core::error::Error for Fault {}
