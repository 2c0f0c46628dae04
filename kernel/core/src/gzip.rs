//! Gzip files: what a compressed initramfs is.
//!
//! Owns the header and the checks of RFC 1952; `miniz_oxide` inflates. No locks, never sleeps. No input makes it panic.

use alloc::boxed::Box;
use core::fmt;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// The fixed part of the header.
const HEADER_SIZE: usize = 10;
/// Checksum and size behind the compressed data.
const TRAILER_SIZE: usize = 8;
/// The only compression method there is.
const METHOD_DEFLATE: u8 = 8;

const FLAG_HEADER_CHECKSUM: u8 = 1 << 1;
const FLAG_EXTRA: u8 = 1 << 2;
const FLAG_NAME: u8 = 1 << 3;
const FLAG_COMMENT: u8 = 1 << 4;
const FLAGS_RESERVED: u8 = 0b1110_0000;

/// What is wrong with a gzip file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GzipFault {
    /// No gzip header, or one with flags nobody has defined.
    BadHeader,
    /// The data cannot be inflated.
    Corrupt,
    /// The inflated data have another checksum or size than the file says.
    BadChecksum,
    /// The file ends too early.
    Truncated,
    /// There is no room for all the inflated data.
    OutputFull,
}

/// How far [`inflate`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inflated {
    /// Bytes of input that make up the file.
    pub consumed: usize,
    /// Bytes of output.
    pub produced: usize,
}

/// The number of bytes, modulo 4 GiB, that the gzip file which `input` ends with says it inflates to. A hint only: the file may
/// lie or have something behind it, and [`inflate`] says [`GzipFault::OutputFull`] if the hint was too small.
#[must_use]
pub fn stated_size(input: &[u8]) -> Option<u32> {
    input.last_chunk().map(|&size| u32::from_le_bytes(size))
}

/// Inflates the gzip file at the start of `input` into `output`.
///
/// # Errors
/// A [`GzipFault`]; what is in `output` then is of no use.
pub fn inflate(input: &[u8], output: &mut [u8]) -> Result<Inflated, GzipFault> {
    let body = header_size(input)?;
    let mut state = Box::<DecompressorOxide>::default();
    let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let (status, used, produced) = decompress(&mut state, &input[body..], output, 0, flags);
    match status {
        TINFLStatus::Done => {}
        TINFLStatus::HasMoreOutput => return Err(GzipFault::OutputFull),
        TINFLStatus::NeedsMoreInput | TINFLStatus::FailedCannotMakeProgress => {
            return Err(GzipFault::Truncated);
        }
        _ => return Err(GzipFault::Corrupt),
    }
    let trailer = &input[body + used..];
    let (checksum, trailer) = split_word(trailer)?;
    let (size, _) = split_word(trailer)?;
    // The size is stated modulo 4 GiB.
    let same_size = produced as u64 & u64::from(u32::MAX) == u64::from(size);
    if !same_size || checksum != crc32fast::hash(&output[..produced]) {
        return Err(GzipFault::BadChecksum);
    }
    Ok(Inflated { consumed: body + used + TRAILER_SIZE, produced })
}

/// The size of the header: where the compressed data start.
fn header_size(input: &[u8]) -> Result<usize, GzipFault> {
    let header = input.get(..HEADER_SIZE).ok_or(GzipFault::Truncated)?;
    let flags = header[3];
    if !header.starts_with(&[0x1f, 0x8b, METHOD_DEFLATE]) || flags & FLAGS_RESERVED != 0 {
        return Err(GzipFault::BadHeader);
    }
    let mut rest = &input[HEADER_SIZE..];
    if flags & FLAG_EXTRA != 0 {
        let (size, behind) = rest.split_first_chunk().ok_or(GzipFault::Truncated)?;
        rest = behind.get(usize::from(u16::from_le_bytes(*size))..).ok_or(GzipFault::Truncated)?;
    }
    for text in [FLAG_NAME, FLAG_COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|&byte| byte == 0).ok_or(GzipFault::Truncated)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & FLAG_HEADER_CHECKSUM != 0 {
        rest = rest.get(2..).ok_or(GzipFault::Truncated)?;
    }
    Ok(input.len() - rest.len())
}

fn split_word(bytes: &[u8]) -> Result<(u32, &[u8]), GzipFault> {
    let (word, rest) = bytes.split_first_chunk().ok_or(GzipFault::Truncated)?;
    Ok((u32::from_le_bytes(*word), rest))
}

impl fmt::Display for GzipFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadHeader => "malformed gzip header",
            Self::Corrupt => "corrupt gzip data",
            Self::BadChecksum => "gzip checksum or size is wrong",
            Self::Truncated => "gzip file is truncated",
            Self::OutputFull => "gzip data inflate to more than there is room for",
        })
    }
}

impl core::error::Error for GzipFault {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    /// A gzip file with all optional parts of the header.
    fn gzipped(data: &[u8], flags: u8) -> Vec<u8> {
        let mut file = vec![0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 3];
        if flags & FLAG_EXTRA != 0 {
            file.extend([3, 0, b'x', b'y', b'z']);
        }
        for (flag, text) in [(FLAG_NAME, &b"name\0"[..]), (FLAG_COMMENT, b"comment\0")] {
            if flags & flag != 0 {
                file.extend(text);
            }
        }
        if flags & FLAG_HEADER_CHECKSUM != 0 {
            file.extend([9, 9]);
        }
        file.extend(miniz_oxide::deflate::compress_to_vec(data, 6));
        file.extend(crc32fast::hash(data).to_le_bytes());
        file.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        file
    }

    #[test]
    fn a_file_made_by_gzip_inflates() {
        // printf 'hello hello hello\n' | gzip -n9
        let file = [
            31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 203, 72, 205, 201, 201, 87, 200, 64, 144, 92, 0, 59, 124, 138, 223, 18, 0,
            0, 0,
        ];
        let mut output = [0; 32];
        assert_eq!(stated_size(&file), Some(18));
        assert_eq!(inflate(&file, &mut output), Ok(Inflated { consumed: file.len(), produced: 18 }));
        assert_eq!(&output[..18], b"hello hello hello\n");
        assert_eq!(inflate(&file, &mut output[..17]), Err(GzipFault::OutputFull));
        assert_eq!(inflate(&file, &mut output[..18]).map(|inflated| inflated.produced), Ok(18));
    }

    #[test]
    fn every_truncation_and_every_changed_checksum_is_an_error() {
        let file = gzipped(b"some data, some data", 0b1_1110);
        let mut output = [0; 64];
        for len in 0..file.len() {
            assert_eq!(inflate(&file[..len], &mut output), Err(GzipFault::Truncated), "{len}");
        }
        for at in file.len() - 8..file.len() {
            let mut file = file.clone();
            file[at] ^= 0x40;
            assert_eq!(inflate(&file, &mut output), Err(GzipFault::BadChecksum));
        }
        for at in 0..3 {
            let mut file = file.clone();
            file[at] ^= 0x40;
            assert_eq!(inflate(&file, &mut output), Err(GzipFault::BadHeader));
        }
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_out(
            data in prop::collection::vec(0..4u8, 0..5_000),
            flags in (0..16u8).prop_map(|flags| flags << 1),
            behind in prop::collection::vec(any::<u8>(), 0..9),
        ) {
            let file = gzipped(&data, flags);
            let mut output = vec![0xff; data.len()];
            let inflated = inflate(&[file.clone(), behind].concat(), &mut output);
            prop_assert_eq!(inflated, Ok(Inflated { consumed: file.len(), produced: data.len() }));
            prop_assert_eq!(output, data);
        }

        #[test]
        fn mutated_files_never_panic_nor_pass(
            data in prop::collection::vec(0..4u8, 0..500),
            at in 10..200usize,
            value in 1..=255u8,
        ) {
            let mut file = gzipped(&data, 0);
            let mut output = vec![0; 2 * data.len()];
            if let Some(byte) = file.get_mut(at) {
                *byte ^= value;
                if let Ok(inflated) = inflate(&file, &mut output) {
                    prop_assert_eq!(&output[..inflated.produced], &data);
                }
            }
        }
    }
}
