//! The initramfs: makes files of a cpio archive's entries, in the root file system.
//!
//! Owns nothing; the archive is the caller's, who may free it afterwards. Parsing is `postern_core::newc`'s. Runs once, at boot.
//! Specification: Linux's buffer-format.rst and init/initramfs.c: a later entry replaces an earlier one of the same name.

use crate::fs::attributes::{DeviceNumber, FileType, Timestamp};
use crate::fs::change::Removal;
use crate::fs::context::Caller;
use crate::fs::dentry::Location;
use crate::fs::file::{FileOps, Io};
use crate::fs::walk::Follow;
use crate::mm::user::Source;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use postern_core::errno::{Errno, Result};
use postern_core::gzip::{self, GzipFault};
use postern_core::newc::{self, Compression, Entries, Entry, FaultKind, HardLinks};

/// What is wrong with an initramfs; what came before it is unpacked.
#[derive(Debug)]
pub enum UnpackError {
    /// The archive is malformed.
    Archive(newc::Fault),
    /// A compressed archive is malformed.
    Compressed {
        /// Where it begins in the image.
        offset: usize,
        /// How.
        fault: GzipFault,
    },
    /// An entry could not be made.
    Entry {
        /// Its name.
        name: String,
        /// Why.
        error: Errno,
    },
}

impl fmt::Display for UnpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive(fault) => fault.fmt(f),
            Self::Compressed { offset, fault } => write!(f, "initramfs, at offset {offset:#x}: {fault}"),
            Self::Entry { name, error } => write!(f, "initramfs: {name}: {error}"),
        }
    }
}

/// Unpacks `image` below the caller's root: plain and gzip-compressed archives in any order. How many entries were made.
///
/// # Errors
/// The first thing that is wrong.
pub fn unpack(caller: &Caller<'_>, image: &[u8]) -> core::result::Result<usize, UnpackError> {
    let mut rest = image;
    let mut made = 0;
    loop {
        match unpack_plain(caller, rest, &mut made) {
            Err(UnpackError::Archive(fault)) if fault.kind == FaultKind::Compressed(Compression::Gzip) => {
                let compressed = &rest[fault.offset..];
                let offset = image.len() - compressed.len();
                let inflated = inflate(compressed).map_err(|fault| UnpackError::Compressed { offset, fault });
                let (archive, consumed) = inflated?;
                // An archive compressed twice is refused here, as by Linux.
                unpack_plain(caller, &archive, &mut made)?;
                rest = &compressed[consumed..];
            }
            Err(error) => return Err(error),
            Ok(()) => return Ok(made),
        }
    }
}

/// The gzip file at the start of `image`, inflated, and how long it was.
fn inflate(image: &[u8]) -> core::result::Result<(Vec<u8>, usize), GzipFault> {
    /// Bytes that one byte of deflate can become (the format's limit is 1032).
    const EXPANSION_MAX: usize = 1032;
    /// What archives usually come to at most.
    const EXPANSION_USUAL: usize = 16;
    let most = image.len().saturating_mul(EXPANSION_MAX);
    // What the image ends with is this file's size if nothing stands behind it; otherwise it is any number.
    let stated = gzip::stated_size(image).ok_or(GzipFault::Truncated)? as usize;
    let mut size = stated.clamp(image.len(), image.len().saturating_mul(EXPANSION_USUAL));
    loop {
        let mut archive = Vec::new();
        archive.try_reserve_exact(size).map_err(|_| GzipFault::OutputFull)?;
        archive.resize(size, 0);
        match gzip::inflate(image, &mut archive) {
            Err(GzipFault::OutputFull) if size < most => size = size.saturating_mul(2).min(most),
            inflated => {
                let inflated = inflated?;
                archive.truncate(inflated.produced);
                return Ok((archive, inflated.consumed));
            }
        }
    }
}

fn unpack_plain(caller: &Caller<'_>, image: &[u8], made: &mut usize) -> core::result::Result<(), UnpackError> {
    let mut links = HardLinks::new();
    for entry in Entries::new(image) {
        let entry = entry.map_err(UnpackError::Archive)?;
        make(caller, &mut links, &entry)
            .map_err(|error| UnpackError::Entry { name: String::from_utf8_lossy(entry.name).into_owned(), error })?;
        *made += 1;
    }
    Ok(())
}

fn make<'image>(caller: &Caller<'_>, links: &mut HardLinks<'image>, entry: &Entry<'image>) -> Result<()> {
    let root = &caller.root;
    let path = trimmed(entry.name);
    let file_type = FileType::from_mode(entry.mode).ok_or(Errno::EINVAL)?;
    if path.is_empty() {
        // The root itself, as `find . | cpio` has it: its attributes count.
        return set_attributes(root, entry);
    }
    if let Some(earlier) = links.earlier_name(entry) {
        let existing = caller.existing(root, trimmed(earlier), Follow::NotLast)?;
        remove_old(caller, path, FileType::Regular)?;
        caller.link(&existing, root, path)?;
        return fill(&existing, entry);
    }
    remove_old(caller, path, file_type)?;
    match file_type {
        FileType::Directory => match caller.make_directory(root, path, 0o755) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(error),
        },
        FileType::Symlink => caller.make_symlink(entry.data, root, path)?,
        _ => {
            let device = DeviceNumber::new(entry.special_device.major, entry.special_device.minor);
            caller.make_node(root, path, entry.mode, device)?;
        }
    }
    let place = caller.existing(root, path, Follow::NotLast)?;
    if file_type == FileType::Regular {
        fill(&place, entry)?;
    }
    set_attributes(&place, entry)
}

/// Archives name files with and without a leading slash or `./`.
fn trimmed(name: &[u8]) -> &[u8] {
    let mut name = name;
    loop {
        name = match name {
            [b'/', rest @ ..] | [b'.', b'/', rest @ ..] => rest,
            b"." => b"",
            _ => return name,
        };
    }
}

/// Makes way for an entry: what has its name goes, but a directory stays for a directory.
fn remove_old(caller: &Caller<'_>, path: &[u8], file_type: FileType) -> Result<()> {
    let Ok(old) = caller.existing(&caller.root, path, Follow::NotLast) else {
        return Ok(());
    };
    match (old.inode().is_directory(), file_type) {
        (true, FileType::Directory) => Ok(()),
        (true, _) => caller.remove(&caller.root, path, Removal::Directory),
        (false, _) => caller.remove(&caller.root, path, Removal::File),
    }
}

/// Writes an entry's data, if it has any, over what the file holds.
fn fill(place: &Location, entry: &Entry<'_>) -> Result<()> {
    if entry.data.is_empty() {
        return Ok(());
    }
    place.inode().resize(0)?;
    let mut source = Source::from_slice(entry.data);
    let mut offset = 0;
    while source.remaining() > 0 {
        let io = Io { offset: Some(offset), ..Io::default() };
        offset += place.inode().try_write(&io, &mut source)? as u64;
    }
    Ok(())
}

fn set_attributes(place: &Location, entry: &Entry<'_>) -> Result<()> {
    place.inode().update(|attributes| {
        attributes.uid = entry.uid;
        attributes.gid = entry.gid;
        if place.inode().file_type() != FileType::Symlink {
            attributes.permissions = entry.permissions();
        }
        attributes.modified = Timestamp { seconds: i64::from(entry.mtime_s), nanoseconds: 0 };
    });
    Ok(())
}
