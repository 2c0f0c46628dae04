//! The initramfs: a tree of guest paths, written as a newc cpio archive.
//!
//! The tree is ordered by path, so directories come before what they hold, inode numbers ascend, and equal
//! trees give equal bytes; everything belongs to root and is of 1970.
//! Specification: Linux's Documentation/driver-api/early-userspace/buffer-format.rst.

mod rule;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use cpio::newc::{Builder, ModeFileType, trailer};

pub use rule::{DirectoryRule, FileRule, NodeRule, SymlinkRule};

const DEFAULT_DIRECTORY_MODE: u32 = 0o755;

/// What is at a guest path.
enum Entry {
    Directory { mode: u32 },
    File { host: PathBuf, mode: u32 },
    Symlink { target: String },
    CharacterDevice { major: u32, minor: u32, mode: u32 },
}

/// Guest paths without their leading slash, and what is there.
#[derive(Default)]
pub struct Tree {
    entries: BTreeMap<String, Entry>,
}

impl Tree {
    /// Adds all that is below the host folder `dir`, with the guest's root in its place.
    pub fn add_host_folder(&mut self, dir: &Path) -> Result<()> {
        self.add_children(dir, "")
    }

    fn add_children(&mut self, folder: &Path, guest_prefix: &str) -> Result<()> {
        let failed = || format!("cannot read {}", folder.display());
        for child in fs::read_dir(folder).with_context(failed)? {
            let child = child.with_context(failed)?;
            let host = child.path();
            let name = child.file_name();
            let name = name.to_str().with_context(|| format!("{} is not UTF-8", host.display()))?;
            let guest_path = format!("{guest_prefix}{name}");
            let kind = child.file_type().with_context(failed)?;
            if kind.is_dir() {
                self.insert(&guest_path, Entry::Directory { mode: DEFAULT_DIRECTORY_MODE })?;
                self.add_children(&host, &format!("{guest_path}/"))?;
            } else if kind.is_symlink() {
                let target = fs::read_link(&host).with_context(failed)?;
                let target = target.to_str().with_context(|| format!("{} is not UTF-8", target.display()))?;
                self.insert(&guest_path, Entry::Symlink { target: target.to_owned() })?;
            } else if kind.is_file() {
                let mode = default_file_mode(&host)?;
                self.insert(&guest_path, Entry::File { host, mode })?;
            } else {
                bail!("{} is neither file, directory nor symbolic link", host.display());
            }
        }
        Ok(())
    }

    /// Adds a directory, or sets the mode of one that is there.
    pub fn add_directory(&mut self, rule: &DirectoryRule) -> Result<()> {
        let mode = rule.mode.unwrap_or(DEFAULT_DIRECTORY_MODE);
        self.insert(&rule.guest_path, Entry::Directory { mode })
    }

    /// Adds a file of the host.
    pub fn add_file(&mut self, rule: &FileRule) -> Result<()> {
        let mode = match rule.mode {
            Some(mode) => mode,
            None => default_file_mode(&rule.host_path)?,
        };
        self.insert(&rule.guest_path, Entry::File { host: rule.host_path.clone(), mode })
    }

    /// Adds a symbolic link.
    pub fn add_symlink(&mut self, rule: &SymlinkRule) -> Result<()> {
        self.insert(&rule.guest_path, Entry::Symlink { target: rule.target.clone() })
    }

    /// Adds a character device.
    pub fn add_node(&mut self, rule: &NodeRule) -> Result<()> {
        let NodeRule { major, minor, mode, .. } = *rule;
        self.insert(&rule.guest_path, Entry::CharacterDevice { major, minor, mode })
    }

    /// One entry a path, save that a directory may be named again; its parents come by themselves.
    fn insert(&mut self, guest_path: &str, entry: Entry) -> Result<()> {
        for (slash, _) in guest_path.match_indices('/') {
            let parent = self
                .entries
                .entry(guest_path[..slash].to_owned())
                .or_insert(Entry::Directory { mode: DEFAULT_DIRECTORY_MODE });
            ensure!(matches!(parent, Entry::Directory { .. }), "/{} is no directory", &guest_path[..slash]);
        }
        match self.entries.insert(guest_path.to_owned(), entry) {
            Some(Entry::Directory { .. }) if matches!(self.entries[guest_path], Entry::Directory { .. }) => Ok(()),
            Some(_) => bail!("/{guest_path} is given twice"),
            None => Ok(()),
        }
    }

    /// The archive.
    pub fn to_newc(&self) -> Result<Vec<u8>> {
        let mut archive = Vec::new();
        for (index, (guest_path, entry)) in self.entries.iter().enumerate() {
            let inode = u32::try_from(index + 1)?;
            archive = append(archive, guest_path, inode, entry).with_context(|| format!("/{guest_path}"))?;
        }
        Ok(trailer(archive)?)
    }
}

fn append(archive: Vec<u8>, guest_path: &str, inode: u32, entry: &Entry) -> Result<Vec<u8>> {
    let header = Builder::new(guest_path).ino(inode).mtime(0);
    let (header, contents) = match entry {
        Entry::Directory { mode } => {
            (header.nlink(2).mode(*mode).set_mode_file_type(ModeFileType::Directory), Vec::new())
        }
        Entry::File { host, mode } => {
            let contents = fs::read(host).with_context(|| format!("cannot read {}", host.display()))?;
            (header.mode(*mode).set_mode_file_type(ModeFileType::Regular), contents)
        }
        Entry::Symlink { target } => {
            (header.mode(0o777).set_mode_file_type(ModeFileType::Symlink), target.clone().into_bytes())
        }
        Entry::CharacterDevice { major, minor, mode } => {
            let header = header.mode(*mode).set_mode_file_type(ModeFileType::Char);
            (header.rdev_major(*major).rdev_minor(*minor), Vec::new())
        }
    };
    let len = u32::try_from(contents.len()).context("larger than 4 GiB, which newc cannot hold")?;
    let mut writer = header.write(archive, len);
    writer.write_all(&contents)?;
    Ok(writer.finish()?)
}

/// 0755 or 0644: only whether it can be executed comes from the host, not its umask.
fn default_file_mode(host: &Path) -> Result<u32> {
    let metadata = fs::metadata(host).with_context(|| format!("cannot read {}", host.display()))?;
    ensure!(metadata.is_file(), "{} is no file", host.display());
    Ok(if metadata.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 })
}

#[cfg(test)]
mod tests;
