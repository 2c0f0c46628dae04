//! Path resolution: from bytes to a place in the tree.
//!
//! Owns nothing: a walk is a value on the stack, a symbolic link replaces the rest of the path, so the depth of links costs no
//! stack. Locks: those of directories and mounts, one at a time. Sleeps for DIRECTORY. Specification: path_resolution(7).

use crate::fs::context::Caller;
use crate::fs::dentry::Location;
use crate::fs::inode::{Destination, Node};
use crate::fs::permission::Access;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use postern_core::errno::{Errno, Result};
use postern_core::path::{Component, MAX_SYMLINKS, Path};

/// What becomes of a symbolic link that is the last component.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Follow {
    /// It is followed.
    Always,
    /// It is meant itself, unless a slash follows (O_NOFOLLOW, lstat).
    NotLast,
    /// It is meant itself, whatever follows: the name is to be made, removed or renamed.
    Never,
}

/// The last component of a path.
#[derive(Debug, PartialEq, Eq)]
pub enum LastName {
    /// A name.
    Name(Vec<u8>),
    /// `.`
    Current,
    /// `..`
    Parent,
    /// The path was the root.
    Root,
}

/// Where a path leads.
pub struct Resolved {
    /// The directory the last component is looked up in.
    pub directory: Location,
    /// The last component.
    pub last: LastName,
    /// What it stands for; `None` if there is no such name in the directory.
    pub found: Option<Location>,
    /// Whether the path ends in a slash.
    pub must_be_directory: bool,
}

impl Resolved {
    /// The file, which must exist.
    ///
    /// # Errors
    /// ENOENT; ENOTDIR if a slash follows and it is none.
    pub fn existing(self) -> Result<Location> {
        let found = self.found.ok_or(Errno::ENOENT)?;
        if self.must_be_directory && !found.inode().is_directory() { Err(Errno::ENOTDIR) } else { Ok(found) }
    }
}

enum Step {
    Done(Resolved),
    /// A symbolic link: this is the path now.
    Continue(Vec<u8>),
}

/// What a missing entry is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// The last component: the caller may want to create it.
    Allowed,
    /// A component on the way.
    Error,
}

struct Walk<'a> {
    caller: &'a Caller<'a>,
    at: Location,
    follow: Follow,
    links_left: usize,
    must_be_directory: bool,
}

impl Caller<'_> {
    /// Resolves `path`, which starts at `start` if it is relative.
    ///
    /// # Errors
    /// ENOENT if it is empty or a directory on the way is missing; ENOTDIR; EACCES; ELOOP; ENAMETOOLONG.
    pub fn resolve(&self, start: &Location, path: &[u8], follow: Follow) -> Result<Resolved> {
        let mut walk =
            Walk { caller: self, at: start.clone(), follow, links_left: MAX_SYMLINKS, must_be_directory: false };
        let mut text = Cow::Borrowed(path);
        loop {
            match walk.go(&text)? {
                Step::Done(resolved) => return Ok(resolved),
                Step::Continue(next) => text = Cow::Owned(next),
            }
        }
    }

    /// The file that `path` names.
    ///
    /// # Errors
    /// As [`Caller::resolve`]; ENOENT if there is none.
    pub fn existing(&self, start: &Location, path: &[u8], follow: Follow) -> Result<Location> {
        self.resolve(start, path, follow)?.existing()
    }
}

impl Walk<'_> {
    /// Walks `text` to its end or to the first symbolic link.
    fn go(&mut self, text: &[u8]) -> Result<Step> {
        let path = Path::new(text)?;
        if path.is_absolute() {
            self.at = self.caller.root.clone();
        }
        self.must_be_directory |= path.must_be_directory();
        let mut components = path.components();
        while let Some(component) = components.next() {
            let is_last = components.is_empty();
            let name = match component? {
                Component::Name(name) => name,
                Component::Current => {
                    self.check_search()?;
                    if is_last {
                        return Ok(self.arrived(LastName::Current));
                    }
                    continue;
                }
                Component::Parent => {
                    self.check_search()?;
                    self.at = self.at.parent_below(&self.caller.root);
                    if is_last {
                        return Ok(self.arrived(LastName::Parent));
                    }
                    continue;
                }
            };
            let Some(child) = self.look_up(name, if is_last { Missing::Allowed } else { Missing::Error })? else {
                return Ok(self.done(name, None));
            };
            let follows = match self.follow {
                _ if !is_last => true,
                Follow::Always => true,
                Follow::NotLast => self.must_be_directory,
                Follow::Never => false,
            };
            match child.inode().node() {
                Node::Symlink(target) if follows => return self.expand(target, components.rest()),
                Node::MagicLink(link) if follows => match link.follow(self.caller.credentials)? {
                    Destination::Path(target) => return self.expand(&target, components.rest()),
                    Destination::Place(target) => {
                        self.count_link()?;
                        if is_last {
                            return Ok(self.done(name, Some(target)));
                        }
                        self.at = target;
                    }
                },
                _ if is_last => return Ok(self.done(name, Some(child))),
                _ => self.at = child,
            }
        }
        Ok(self.arrived(LastName::Root))
    }

    fn check_search(&self) -> Result<()> {
        self.at.inode().directory()?;
        self.at.inode().check(self.caller.credentials, Access::EXECUTE)
    }

    /// The entry `name` of the directory; `None` if it is missing and that is no error yet.
    fn look_up(&self, name: &[u8], missing: Missing) -> Result<Option<Location>> {
        self.check_search()?;
        match self.at.inode().directory()?.lookup(&self.at.dentry, name) {
            Ok(dentry) => Ok(Some(self.at.with_dentry(dentry).uncovered())),
            Err(Errno::ENOENT) if missing == Missing::Allowed => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn count_link(&mut self) -> Result<()> {
        self.links_left = self.links_left.checked_sub(1).ok_or(Errno::ELOOP)?;
        Ok(())
    }

    fn expand(&mut self, target: &[u8], rest: &[u8]) -> Result<Step> {
        self.count_link()?;
        let mut text = target.to_vec();
        if !rest.is_empty() {
            text.push(b'/');
            text.extend_from_slice(rest);
        }
        Ok(Step::Continue(text))
    }

    fn done(&self, name: &[u8], found: Option<Location>) -> Step {
        Step::Done(Resolved {
            directory: self.at.clone(),
            last: LastName::Name(name.to_vec()),
            found,
            must_be_directory: self.must_be_directory,
        })
    }

    fn arrived(&self, last: LastName) -> Step {
        Step::Done(Resolved {
            directory: self.at.clone(),
            last,
            found: Some(self.at.clone()),
            must_be_directory: self.must_be_directory,
        })
    }
}
