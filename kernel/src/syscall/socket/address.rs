//! Addresses of Unix sockets: `struct sockaddr_un` from and to user memory, and the socket behind one.
//! Owns nothing. Specification: unix(7), bind(2), connect(2), accept(2); net/socket.c and net/unix/af_unix.c of Linux 6.12.

use crate::fs::inode::Node;
use crate::fs::permission::Access;
use crate::fs::walk::Follow;
use crate::ipc::unix_socket::{self, Name, Socket, SocketType};
use crate::mm::user::{UserPtr, read_bytes, write_bytes};
use crate::process;
use crate::syscall::fs::place::as_caller;
use alloc::sync::Arc;
use alloc::vec::Vec;
use linux_raw_sys::net;
use postern_core::errno::{Errno, Result};

/// Bytes of the family, which comes first.
const FAMILY_BYTES: usize = 2;
/// Bytes of a `struct sockaddr_un`.
const MAX_BYTES: usize = 110;
/// Bytes of a `struct sockaddr_storage`.
const STORAGE_BYTES: usize = 128;

/// What a program says where an address is expected.
pub(super) enum Address {
    /// AF_UNSPEC, for some calls.
    Unspecified,
    /// AF_UNIX and nothing more.
    Automatic,
    /// A path, with the NUL behind it.
    Path(Name),
    /// An abstract name, with the NUL before it.
    Abstract(Name),
}

impl Address {
    /// Fetches one.
    ///
    /// # Errors
    /// EINVAL for a length that none has, or a family that Unix sockets do not have; EFAULT.
    pub(super) fn read(address: usize, length: u32) -> Result<Self> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > STORAGE_BYTES {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; STORAGE_BYTES];
        let bytes = &mut bytes[..length];
        read_bytes(address, bytes)?;
        let Some((family, rest)) = bytes.split_first_chunk::<FAMILY_BYTES>() else {
            return Err(Errno::EINVAL);
        };
        match u32::from(u16::from_ne_bytes(*family)) {
            net::AF_UNSPEC => Ok(Self::Unspecified),
            net::AF_UNIX if length > MAX_BYTES => Err(Errno::EINVAL),
            net::AF_UNIX => Ok(match rest {
                [] => Self::Automatic,
                [0, ..] => Self::Abstract(rest.into()),
                path => {
                    let mut path: Vec<u8> = path.iter().copied().take_while(|byte| *byte != 0).collect();
                    path.push(0);
                    Self::Path(path.into())
                }
            }),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The socket of this type that has it for a name.
    ///
    /// # Errors
    /// EINVAL: it is none; ECONNREFUSED, EPROTOTYPE, EACCES, and those of the walk.
    pub(super) fn find(&self, kind: SocketType) -> Result<Arc<Socket>> {
        match self {
            Self::Unspecified | Self::Automatic => Err(Errno::EINVAL),
            Self::Abstract(name) => unix_socket::find_abstract(name.clone(), kind),
            Self::Path(name) => {
                let place = as_caller(|caller| caller.existing(&caller.cwd, without_nul(name), Follow::Always))?;
                let inode = place.inode();
                inode.check(&process::current().credentials(), Access::WRITE)?;
                let Node::Socket(attachment) = inode.node() else { return Err(Errno::ECONNREFUSED) };
                unix_socket::behind(attachment, kind)
            }
        }
    }
}

/// A path as the file system wants it.
pub(super) fn without_nul(name: &[u8]) -> &[u8] {
    name.strip_suffix(&[0]).unwrap_or(name)
}

/// What is stored for a name: the family, then that.
pub(super) fn bytes_of(name: Option<&Name>) -> Vec<u8> {
    let mut bytes = Vec::from([net::AF_UNIX.to_ne_bytes()[0], 0]);
    bytes.extend_from_slice(name.map_or(&[], |name| name));
    bytes
}

/// Stores an address as far as there is room, and its length.
///
/// # Errors
/// EINVAL: the room is negative; EFAULT.
pub(super) fn write(bytes: &[u8], address: usize, length: usize) -> Result<()> {
    let length = UserPtr::<i32>::new(length);
    let room = usize::try_from(length.read()?).map_err(|_| Errno::EINVAL)?;
    write_bytes(address, &bytes[..room.min(bytes.len())])?;
    length.write(&i32::try_from(bytes.len()).unwrap_or(i32::MAX))
}
