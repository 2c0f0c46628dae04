//! Paths as bytes: cut into components, without knowing any file.
//!
//! Owns nothing; every value borrows the bytes of the path. No locks, never sleeps. Specification: path_resolution(7); the limits
//! are Linux's (limits.h), PATH_MAX counting the final NUL that is not part of the bytes here.

use linux_raw_sys::general as limit;

use crate::errno::{Errno, Result};

/// The longest name of a directory entry, in bytes.
pub const NAME_MAX: usize = limit::NAME_MAX as usize;
/// The longest path a system call takes, in bytes, its final NUL included.
pub const PATH_MAX: usize = limit::PATH_MAX as usize;
/// Symbolic links followed in one resolution before `ELOOP`.
pub const MAX_SYMLINKS: usize = 40;

/// One step of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Component<'a> {
    /// `.`: where one is.
    Current,
    /// `..`: one up.
    Parent,
    /// An entry of the directory where one is, 1 to [`NAME_MAX`] bytes without `/`.
    Name(&'a [u8]),
}

/// What a path ends in, seen from the directory that its other components lead to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Last<'a> {
    /// Nothing but slashes: the root itself.
    Root,
    /// `.`, which names nothing that could be made or removed.
    Current,
    /// `..`, likewise.
    Parent,
    /// An entry.
    Name(&'a [u8]),
}

/// A path that is neither empty nor too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Path<'a> {
    bytes: &'a [u8],
}

/// The components of a path that are still to be walked.
#[derive(Clone, Copy, Debug)]
pub struct Components<'a> {
    /// Starts and ends at a component, or is empty.
    rest: &'a [u8],
}

impl<'a> Path<'a> {
    /// A path from the bytes a program passed, without their NUL.
    ///
    /// # Errors
    /// `ENOENT` if there are none, `ENAMETOOLONG` if there are [`PATH_MAX`] or more.
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        match bytes.len() {
            0 => Err(Errno::ENOENT),
            PATH_MAX.. => Err(Errno::ENAMETOOLONG),
            _ => Ok(Self { bytes }),
        }
    }

    /// The bytes as they were passed.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether the walk begins at the root.
    #[must_use]
    pub fn is_absolute(&self) -> bool {
        self.bytes.starts_with(b"/")
    }

    /// Whether a slash at the end demands a directory.
    #[must_use]
    pub fn must_be_directory(&self) -> bool {
        self.bytes.ends_with(b"/")
    }

    /// All components in order.
    #[must_use]
    pub fn components(&self) -> Components<'a> {
        Components { rest: trim_slashes(self.bytes) }
    }

    /// The way to the last component, and that component.
    ///
    /// # Errors
    /// `ENAMETOOLONG` if the last one is longer than [`NAME_MAX`]. A walk to its directory may fail before and then counts first.
    pub fn split_last(&self) -> (Components<'a>, Result<Last<'a>>) {
        let rest = trim_slashes(self.bytes);
        let start = rest.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        let (parent, last) = rest.split_at(start);
        let last = match last {
            [] => Ok(Last::Root),
            name => component(name).map(|component| match component {
                Component::Current => Last::Current,
                Component::Parent => Last::Parent,
                Component::Name(name) => Last::Name(name),
            }),
        };
        (Components { rest: trim_slashes(parent) }, last)
    }
}

impl<'a> Components<'a> {
    /// What is still to be walked, as a relative path; empty at the end. It follows the target of a symbolic link.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

/// A name that is too long is `ENAMETOOLONG`, but only once the walk has come to it.
impl<'a> Iterator for Components<'a> {
    type Item = Result<Component<'a>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|&byte| byte == b'/').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = trim_start_slashes(rest);
        Some(component(name))
    }
}

fn component(name: &[u8]) -> Result<Component<'_>> {
    match name {
        b"." => Ok(Component::Current),
        b".." => Ok(Component::Parent),
        _ if name.len() > NAME_MAX => Err(Errno::ENAMETOOLONG),
        _ => Ok(Component::Name(name)),
    }
}

fn trim_start_slashes(mut bytes: &[u8]) -> &[u8] {
    while let [b'/', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

fn trim_slashes(bytes: &[u8]) -> &[u8] {
    let mut bytes = trim_start_slashes(bytes);
    while let [rest @ .., b'/'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests;
