//! Files without a place in the tree: pipes, sockets, eventfd and its kin, memfd.
//!
//! Owns the two file systems they count as part of. Locks: none of its own. Never sleeps.
//! Specification: pipe(7), memfd_create(2), proc_pid_fd(5).

use crate::fs::dentry::{Dentry, Location, Name};
use crate::fs::file::FileOps;
use crate::fs::file_system::{Changes, FileSystem, Options};
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::inode::{Node, Owner};
use crate::fs::mount::Mount;
use crate::fs::open_file::OpenFile;
use crate::fs::page_file::PageFile;
use crate::fs::special::{Attachment, Opened};
use crate::process::Credentials;
use alloc::sync::Arc;
use linux_raw_sys::general::{ANON_INODE_FS_MAGIC, F_SEAL_EXEC, F_SEAL_SEAL, TMPFS_MAGIC};
use postern_core::errno::Result;
use spin::Once;

static OBJECTS: Once<Arc<Mount>> = Once::new();
static MEMORY: Once<Arc<Mount>> = Once::new();

fn outside(type_name: &'static str, magic: u32) -> Arc<Mount> {
    Mount::outside(FileSystem::new(Options {
        type_name,
        magic,
        limit_pages: usize::MAX,
        limit_inodes: usize::MAX,
        changes: Changes::ByKernel,
        owner: Owner::ROOT,
        permissions: 0o755,
        computed: None,
    }))
}

fn objects() -> &'static Arc<Mount> {
    OBJECTS.call_once(|| outside("anon_inodefs", ANON_INODE_FS_MAGIC))
}

fn memory() -> &'static Arc<Mount> {
    MEMORY.call_once(|| outside("tmpfs", TMPFS_MAGIC))
}

/// What kind of object a file without a name is.
pub enum Kind {
    /// A pipe; the attachment lets /proc/PID/fd open it again.
    Pipe(Attachment),
    /// A socket.
    Socket,
    /// Something else, with its name in `anon_inode:[…]`.
    Other(&'static str),
}

/// A new place outside the tree, owned by the caller, for one object: both ends of a pipe share it.
///
/// # Errors
/// ENOSPC.
pub fn place(kind: Kind, credentials: &Credentials) -> Result<Location> {
    let (node, permissions) = match kind {
        Kind::Pipe(attachment) => (Node::Fifo(attachment), 0o600),
        Kind::Socket => (Node::Socket(Attachment::new()), 0o777),
        Kind::Other(name) => (Node::Anonymous(name), 0o600),
    };
    let mount = objects();
    let inode = mount.file_system().new_inode(node, owner(credentials), permissions)?;
    Ok(Location { mount: mount.clone(), dentry: Dentry::root(inode) })
}

fn owner(credentials: &Credentials) -> Owner {
    Owner { uid: credentials.fsuid, gid: credentials.fsgid }
}

/// An open file description of an object at `place`.
pub fn open(ops: Arc<dyn FileOps>, place: Location, access: AccessMode, flags: OpenFlags) -> Arc<OpenFile> {
    OpenFile::new(Opened::plain(ops), place, access, flags)
}

/// Whether seals can be added to a memfd.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sealing {
    /// They can (MFD_ALLOW_SEALING).
    Allowed,
    /// They cannot.
    Refused,
    /// They can, and it can never be executed (MFD_NOEXEC_SEAL).
    WithoutExecution,
}

/// memfd_create(2): an empty file called `name` in /proc.
///
/// # Errors
/// ENOSPC.
pub fn memfd(name: &[u8], sealing: Sealing, credentials: &Credentials) -> Result<Arc<OpenFile>> {
    let (seals, permissions) = match sealing {
        Sealing::Allowed => (0, 0o777),
        Sealing::Refused => (F_SEAL_SEAL, 0o777),
        Sealing::WithoutExecution => (F_SEAL_EXEC, 0o666),
    };
    let mount = memory();
    let node = Node::File(PageFile::with_seals(mount.file_system().budget().clone(), seals));
    let inode = mount.file_system().new_inode(node, owner(credentials), permissions)?;
    let text: Name = [b"/memfd:".as_slice(), name].concat().into();
    let dentry = Dentry::outside(inode.clone(), text);
    // As Linux has it: the name was never in a directory, and is shown as deleted.
    dentry.mark_removed();
    let location = Location { mount: mount.clone(), dentry };
    Ok(OpenFile::new(Opened::plain(inode), location, AccessMode::READ_WRITE, OpenFlags::LARGE_FILE))
}
