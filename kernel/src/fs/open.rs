//! open(2): from a path and flags to an open file description.
//!
//! Owns nothing. Locks: through `walk` and `change`; none while a device or FIFO is opened, which may sleep.
//! Specification: open(2), execve(2) for what may be executed.

use crate::fs::attributes::FileType;
use crate::fs::context::Caller;
use crate::fs::dentry::Location;
use crate::fs::file_system::Change;
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::inode::Node;
use crate::fs::mount::MountFlags;
use crate::fs::open_file::{OpenFile, PathOnly};
use crate::fs::page_file::PageFile;
use crate::fs::permission::{self, Access};
use crate::fs::special::{self, OpenRequest, Opened};
use crate::fs::walk::{Follow, LastName, Resolved};
use alloc::sync::Arc;
use postern_core::errno::{Errno, Result};

/// How a file is to be opened.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// For reading, for writing.
    pub access: AccessMode,
    /// The other flags.
    pub flags: OpenFlags,
    /// Permissions of a file that is created, subject to the umask.
    pub permissions: u32,
}

impl How {
    /// For reading only.
    pub const READ: Self = Self { access: AccessMode::READ, flags: OpenFlags::empty(), permissions: 0 };

    /// From the words of openat(2).
    ///
    /// # Errors
    /// EINVAL for O_CREAT with O_DIRECTORY; EOPNOTSUPP for O_TMPFILE.
    pub fn from_raw(flags: u32, permissions: u32) -> Result<Self> {
        let access = AccessMode::from_open(flags);
        let mut flags = OpenFlags::from_bits_truncate(flags);
        if flags.contains(OpenFlags::PATH) {
            flags &= OpenFlags::PATH | OpenFlags::DIRECTORY | OpenFlags::NO_FOLLOW | OpenFlags::CLOSE_ON_EXEC;
            return Ok(Self { access: AccessMode::empty(), flags, permissions: 0 });
        }
        if flags.contains(OpenFlags::TEMPORARY) {
            return Err(Errno::EOPNOTSUPP);
        }
        if flags.contains(OpenFlags::CREATE | OpenFlags::DIRECTORY) {
            return Err(Errno::EINVAL);
        }
        Ok(Self { access, flags, permissions })
    }
}

/// Whether the file was there before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Existed,
    /// Its creator may open it whatever its permissions say.
    Created,
}

impl Caller<'_> {
    /// open(2).
    ///
    /// # Errors
    /// ENOENT, EEXIST, EACCES, EISDIR, ENOTDIR, ELOOP, EROFS, ENXIO, EPERM, ENOSPC, and what a device or FIFO says.
    pub fn open(&self, start: &Location, path: &[u8], how: How) -> Result<Arc<OpenFile>> {
        let exclusive = how.flags.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE);
        let follow =
            if exclusive || how.flags.contains(OpenFlags::NO_FOLLOW) { Follow::NotLast } else { Follow::Always };
        let resolved = self.resolve(start, path, follow)?;
        let (place, origin) = if how.flags.contains(OpenFlags::CREATE) {
            self.find_or_create(resolved, how)?
        } else {
            (resolved.existing()?, Origin::Existed)
        };
        self.open_place(place, how, origin)
    }

    /// Opens the file at `place`, of which the caller has only the place (`open` of it by O_PATH, `execve`).
    ///
    /// # Errors
    /// As [`Caller::open`].
    pub fn open_existing(&self, place: Location, how: How) -> Result<Arc<OpenFile>> {
        self.open_place(place, how, Origin::Existed)
    }

    /// Opens a file in order to execute it.
    ///
    /// # Errors
    /// EACCES if it is not a regular file, or may not be executed by mode or mount; ETXTBSY while it is open for
    /// writing; ELOOP; those of the walk.
    pub fn open_executable(&self, start: &Location, path: &[u8], follow: Follow) -> Result<Arc<OpenFile>> {
        let place = self.existing(start, path, follow)?;
        self.open_executable_at(place)
    }

    /// The same, by place (execveat(2) with AT_EMPTY_PATH).
    ///
    /// # Errors
    /// As [`Caller::open_executable`].
    pub fn open_executable_at(&self, place: Location) -> Result<Arc<OpenFile>> {
        match place.inode().file_type() {
            FileType::Regular => self.check_access(&place, Access::EXECUTE)?,
            FileType::Symlink => return Err(Errno::ELOOP),
            _ => return Err(Errno::EACCES),
        }
        // Execution needs no permission to read, and keeps others from writing.
        let denial = place.inode().deny_write()?;
        let request = self.request(&place, How::READ);
        let mut opened = open_node(&request)?;
        opened.hold = Some(Arc::new(denial));
        Ok(OpenFile::new(opened, place, AccessMode::READ, OpenFlags::empty()))
    }

    fn find_or_create(&self, resolved: Resolved, how: How) -> Result<(Location, Origin)> {
        if let Some(found) = resolved.found {
            return if how.flags.contains(OpenFlags::EXCLUSIVE) {
                Err(Errno::EEXIST)
            } else if found.inode().is_directory() {
                Err(Errno::EISDIR)
            } else if resolved.must_be_directory {
                Err(Errno::ENOTDIR)
            } else {
                Ok((found, Origin::Existed))
            };
        }
        let LastName::Name(name) = &resolved.last else {
            return Err(Errno::EISDIR);
        };
        if resolved.must_be_directory {
            return Err(Errno::EISDIR);
        }
        let directory = &resolved.directory;
        directory.mount.file_system().check_new_name()?;
        directory.mount.check_writable()?;
        directory.inode().check(self.credentials, Access::WRITE | Access::EXECUTE)?;
        // Linux says EACCES here, where mkdir(2) says EPERM.
        directory.mount.file_system().check_changes(Change::Other).map_err(|_| Errno::EACCES)?;
        let node = Node::File(PageFile::new(directory.mount.file_system().budget().clone()));
        match self.enter(directory, name, node, how.permissions) {
            Ok(place) => Ok((place, Origin::Created)),
            // Somebody else was quicker; that is no error for whoever does not insist.
            Err(Errno::EEXIST) if !how.flags.contains(OpenFlags::EXCLUSIVE) => {
                let dentry = directory.inode().directory()?.lookup(&directory.dentry, name)?;
                Ok((directory.with_dentry(dentry), Origin::Existed))
            }
            Err(error) => Err(error),
        }
    }

    fn open_place(&self, place: Location, how: How, origin: Origin) -> Result<Arc<OpenFile>> {
        let file_type = place.inode().file_type();
        if how.flags.contains(OpenFlags::DIRECTORY) && file_type != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        if how.flags.contains(OpenFlags::PATH) {
            return Ok(OpenFile::new(Opened::plain(Arc::new(PathOnly)), place, how.access, how.flags));
        }
        let truncates = how.flags.contains(OpenFlags::TRUNCATE);
        if origin == Origin::Existed {
            self.check_open(&place, file_type, how)?;
        }
        let mut opened = open_node(&self.request(&place, how))?;
        let is_file = matches!(place.inode().node(), Node::File(_));
        let writes = how.access.contains(AccessMode::WRITE);
        if is_file && (writes || truncates) {
            let writing = place.inode().allow_write()?;
            if truncates {
                place.inode().resize(0)?;
            }
            if writes {
                opened.hold = Some(Arc::new(writing));
            }
        }
        Ok(OpenFile::new(opened, place, how.access, how.flags))
    }

    fn request<'a>(&'a self, place: &'a Location, how: How) -> OpenRequest<'a> {
        OpenRequest {
            location: place,
            access: how.access,
            flags: how.flags,
            credentials: self.credentials,
            cgroup: self.cgroup,
        }
    }

    fn check_open(&self, place: &Location, file_type: FileType, how: How) -> Result<()> {
        let mut wanted = Access::empty();
        let needed = how.access.permissions_needed();
        wanted.set(Access::READ, needed.contains(AccessMode::READ));
        wanted.set(Access::WRITE, needed.contains(AccessMode::WRITE) || how.flags.contains(OpenFlags::TRUNCATE));
        let writes = wanted.contains(Access::WRITE);
        match file_type {
            FileType::Symlink => return Err(Errno::ELOOP),
            FileType::Directory if writes => return Err(Errno::EISDIR),
            FileType::Regular if writes => place.mount.check_writable()?,
            FileType::CharDevice | FileType::BlockDevice if place.mount.flags().contains(MountFlags::NO_DEVICES) => {
                return Err(Errno::EACCES);
            }
            _ => {}
        }
        place.inode().check(self.credentials, wanted)?;
        if how.flags.contains(OpenFlags::NO_ACCESS_TIME) {
            permission::check_owner(self.credentials, &place.inode().attributes())?;
        }
        Ok(())
    }
}

fn open_node(request: &OpenRequest<'_>) -> Result<Opened> {
    let inode = request.location.inode();
    match inode.node() {
        Node::File(_) | Node::Directory(_) => Ok(Opened::plain(inode.clone())),
        Node::Generated(openable) => openable.open(request),
        Node::CharDevice(_) => special::open_char_device(request),
        Node::Fifo(_) => special::open_fifo(request),
        Node::Symlink(_) | Node::MagicLink(_) => Err(Errno::ELOOP),
        Node::BlockDevice(_) | Node::Socket(_) | Node::Anonymous(_) => Err(Errno::ENXIO),
    }
}
