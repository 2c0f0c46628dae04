//! chmod, chown, utimensat, truncate, access: changes and questions that concern one file.
//!
//! Owns nothing. Locks: INODE, and FILE_WRITE to truncate. Sleeps for the latter.
//! Specification: chmod(2), chown(2), utimensat(2), truncate(2), access(2).

use crate::fs::attributes::{FileType, Timestamp};
use crate::fs::context::Caller;
use crate::fs::dentry::Location;
use crate::fs::mount::MountFlags;
use crate::fs::permission::{self, Access};
use postern_core::errno::{Errno, Result};

/// A new time of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewTime {
    /// The present (UTIME_NOW).
    Now,
    /// As it is (UTIME_OMIT).
    Keep,
    /// This one.
    At(Timestamp),
}

impl NewTime {
    fn apply(self, time: &mut Timestamp, now: Timestamp) {
        match self {
            Self::Now => *time = now,
            Self::Keep => {}
            Self::At(at) => *time = at,
        }
    }
}

impl Caller<'_> {
    /// chmod(2).
    ///
    /// # Errors
    /// EPERM unless owner; EROFS; EOPNOTSUPP for symbolic links.
    pub fn set_permissions(&self, place: &Location, permissions: u32) -> Result<()> {
        place.mount.check_writable()?;
        let inode = place.inode();
        let file_type = inode.file_type();
        if file_type == FileType::Symlink {
            return Err(Errno::EOPNOTSUPP);
        }
        inode.check_changeable()?;
        inode.try_update(|attributes| {
            permission::check_owner(self.credentials, attributes)?;
            attributes.permissions =
                permission::settable_permissions(self.credentials, file_type, attributes.gid, permissions);
            Ok(())
        })
    }

    /// chown(2); `None` leaves as is.
    ///
    /// # Errors
    /// EPERM; EROFS.
    pub fn set_owner(&self, place: &Location, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        place.mount.check_writable()?;
        let is_directory = place.inode().is_directory();
        place.inode().try_update(|attributes| {
            permission::check_chown(self.credentials, attributes, uid, gid)?;
            if !is_directory && (uid.is_some() || gid.is_some()) {
                attributes.permissions = permission::without_set_id(self.credentials, attributes);
            }
            attributes.uid = uid.unwrap_or(attributes.uid);
            attributes.gid = gid.unwrap_or(attributes.gid);
            Ok(())
        })
    }

    /// utimensat(2).
    ///
    /// # Errors
    /// EACCES or EPERM: who is not the owner may set both to the present, if writing is allowed; EROFS.
    pub fn set_times(&self, place: &Location, accessed: NewTime, modified: NewTime) -> Result<()> {
        if (accessed, modified) == (NewTime::Keep, NewTime::Keep) {
            return Ok(());
        }
        place.mount.check_writable()?;
        let inode = place.inode();
        inode.check_changeable()?;
        let attributes = inode.attributes();
        if permission::check_owner(self.credentials, &attributes).is_err() {
            if (accessed, modified) != (NewTime::Now, NewTime::Now) {
                return Err(Errno::EPERM);
            }
            inode.check(self.credentials, Access::WRITE)?;
        }
        let now = Timestamp::now();
        inode.update(|attributes| {
            accessed.apply(&mut attributes.accessed, now);
            modified.apply(&mut attributes.modified, now);
        });
        Ok(())
    }

    /// truncate(2).
    ///
    /// # Errors
    /// EACCES, EISDIR, EINVAL, EROFS, EFBIG; ETXTBSY while it is executed.
    pub fn truncate(&self, place: &Location, size: u64) -> Result<()> {
        if place.inode().is_directory() {
            return Err(Errno::EISDIR);
        }
        place.mount.check_writable()?;
        place.inode().check(self.credentials, Access::WRITE)?;
        let _writing = place.inode().allow_write()?;
        place.inode().resize(size)
    }

    /// access(2), for the credentials given: the caller chooses real or effective ones.
    ///
    /// # Errors
    /// EACCES; EROFS for writing to files of a read-only mount.
    pub fn check_access(&self, place: &Location, wanted: Access) -> Result<()> {
        let inode = place.inode();
        let file_type = inode.file_type();
        let stores = matches!(file_type, FileType::Regular | FileType::Directory | FileType::Symlink);
        if wanted.contains(Access::WRITE) && stores {
            place.mount.check_writable()?;
        }
        if wanted.contains(Access::EXECUTE)
            && file_type == FileType::Regular
            && place.mount.flags().contains(MountFlags::NO_EXEC)
        {
            return Err(Errno::EACCES);
        }
        inode.check(self.credentials, wanted)
    }
}
