//! Control messages: what comes with the bytes of a message, as `struct cmsghdr` after `struct cmsghdr` in user memory.
//! Owns nothing. Specification: cmsg(3), unix(7) SCM_RIGHTS and SCM_CREDENTIALS; net/core/scm.c of Linux 6.12.

use crate::fs::files::{Files, Reserved};
use crate::fs::open_file::OpenFile;
use crate::ipc::unix_socket::{InFlight, Outgoing, Sender};
use crate::mm::heap;
use crate::mm::user::{read_bytes, write_bytes};
use crate::process::limits::Resource;
use crate::process::{self, tree};
use crate::syscall::ipc::descriptor_limit;
use alloc::sync::Arc;
use alloc::vec::Vec;
use linux_raw_sys::net;
use postern_core::errno::{Errno, Result};
use postern_core::fd_table::{OnExec, RawFd};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The longest control area that a message is sent with (net.core.optmem_max, about).
const MAX_BYTES: usize = 64 * 1024;
/// The most files in a message (SCM_MAX_FD).
const MAX_FILES: usize = 253;
/// What control messages are aligned to.
const ALIGNMENT: usize = size_of::<usize>();

/// `struct cmsghdr`
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Header {
    length: usize,
    level: u32,
    kind: u32,
}

const HEADER: usize = size_of::<Header>();

/// A control area in user memory.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// Where it begins; 0: there is none.
    pub address: usize,
    /// Bytes.
    pub length: usize,
}

impl Area {
    /// What the program sends along.
    ///
    /// # Errors
    /// EINVAL, EBADF, EPERM, ENOBUFS, ETOOMANYREFS, ENOMEM, EFAULT.
    pub fn read(self) -> Result<Outgoing> {
        let mut outgoing = Outgoing::default();
        if self.length == 0 {
            return Ok(outgoing);
        }
        if self.length > MAX_BYTES {
            return Err(Errno::ENOBUFS);
        }
        let mut bytes = heap::vec_with_room(self.length)?;
        bytes.resize(self.length, 0);
        read_bytes(self.address, &mut bytes)?;
        let mut files = Vec::new();
        let mut rest = bytes.as_slice();
        while let Ok((header, _)) = Header::read_from_prefix(rest) {
            if header.length < HEADER || header.length > rest.len() {
                return Err(Errno::EINVAL);
            }
            let data = &rest[HEADER..header.length];
            match (header.level, header.kind) {
                (net::SOL_SOCKET, net::SCM_RIGHTS) => add_files(&mut files, data)?,
                (net::SOL_SOCKET, net::SCM_CREDENTIALS) => outgoing.sender = Some(claimed_sender(data)?),
                (net::SOL_SOCKET, _) => return Err(Errno::EINVAL),
                _ => {}
            }
            rest = &rest[header.length.next_multiple_of(ALIGNMENT).min(rest.len())..];
        }
        if !files.is_empty() {
            let current = process::current();
            let limit = usize::try_from(current.process().limit(Resource::NOFILE).soft).unwrap_or(usize::MAX);
            outgoing.files = Some(InFlight::new(files, &current.credentials(), limit)?);
        }
        Ok(outgoing)
    }
}

/// Adds the files behind the descriptors in `data`. O_PATH files may be passed as well.
fn add_files(files: &mut Vec<Arc<OpenFile>>, data: &[u8]) -> Result<()> {
    let current = process::current();
    let (fds, _) = data.as_chunks::<{ size_of::<RawFd>() }>();
    if files.len() + fds.len() > MAX_FILES {
        return Err(Errno::EINVAL);
    }
    files.try_reserve(fds.len()).map_err(|_| Errno::ENOMEM)?;
    for fd in fds {
        files.push(current.files().get(RawFd::from_ne_bytes(*fd))?);
    }
    Ok(())
}

/// Who the program says it is, if it may say so. EINVAL, EPERM; ESRCH for a number that nobody has.
fn claimed_sender(data: &[u8]) -> Result<Sender> {
    let [pid, uid, gid] = <[u32; 3]>::read_from_bytes(data).map_err(|_| Errno::EINVAL)?;
    if uid == u32::MAX || gid == u32::MAX {
        return Err(Errno::EINVAL);
    }
    let current = process::current();
    let own = current.credentials();
    let is_own = pid == current.process().pid()
        && [own.uid, own.euid, own.suid].contains(&uid)
        && [own.gid, own.egid, own.sgid].contains(&gid);
    if !is_own && !own.is_privileged() {
        return Err(Errno::EPERM);
    }
    let is_used = || tree::find(pid).is_some() || tree::find_thread(pid).is_some();
    if is_own || is_used() || tree::session_of_group(pid).is_some() {
        Ok(Sender { pid, uid, gid })
    } else {
        Err(Errno::ESRCH)
    }
}

/// What was stored of what came along.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Bytes of the control area that are used.
    pub bytes: usize,
    /// Not everything had room (MSG_CTRUNC).
    pub truncated: bool,
}

/// Control messages on their way to the program.
pub struct Writer<'a> {
    area: Area,
    bytes: Vec<u8>,
    truncated: bool,
    /// Descriptors to be opened for the program, and what for.
    reserved: Vec<(Reserved<'a>, Arc<OpenFile>)>,
}

impl<'a> Writer<'a> {
    /// For this area.
    pub fn new(area: Area) -> Self {
        let area = if area.address == 0 { Area { address: 0, length: 0 } } else { area };
        Self { area, bytes: Vec::new(), truncated: false, reserved: Vec::new() }
    }

    fn room(&self) -> usize {
        self.area.length.saturating_sub(self.bytes.len())
    }

    /// Adds a message, or as much of it as has room.
    fn put(&mut self, kind: u32, data: &[u8]) {
        let room = self.room();
        if room < HEADER {
            self.truncated = true;
            return;
        }
        let length = (HEADER + data.len()).min(room);
        self.truncated |= length < HEADER + data.len();
        let header = Header { length, level: net::SOL_SOCKET, kind };
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(&data[..length - HEADER]);
        let end = self.bytes.len().next_multiple_of(ALIGNMENT).min(self.area.length);
        self.bytes.resize(end, 0);
    }

    /// Adds who sent the message.
    pub fn put_sender(&mut self, sender: Sender) {
        self.put(net::SCM_CREDENTIALS, [sender.pid, sender.uid, sender.gid].as_bytes());
    }

    /// Reserves descriptors of `table` for as many of `files` as there is room for, and adds their numbers.
    pub fn put_files(&mut self, table: &'a Files, files: &InFlight, on_exec: OnExec) {
        let room = self.room().saturating_sub(HEADER) / size_of::<RawFd>();
        let limit = descriptor_limit(&process::current());
        let mut numbers = Vec::new();
        for file in files.files().iter().take(room) {
            // EMFILE, ENOMEM: the rest is lost, as Linux has it.
            let Ok(reserved) = table.reserve(on_exec, limit) else {
                break;
            };
            numbers.push(reserved.number());
            self.reserved.push((reserved, file.clone()));
        }
        self.truncated |= numbers.len() < files.files().len();
        if !numbers.is_empty() {
            self.put(net::SCM_RIGHTS, numbers.as_bytes());
        }
    }

    /// Stores it all with `store_rest`, which stores what belongs to it elsewhere; unless either fails, the descriptors are open
    /// then. Not before: another thread could close them, and open something else by their numbers.
    ///
    /// # Errors
    /// EFAULT.
    pub fn finish(self, store_rest: impl FnOnce(Stored) -> Result<()>) -> Result<()> {
        let stored = Stored { bytes: self.bytes.len(), truncated: self.truncated };
        write_bytes(self.area.address, &self.bytes).and_then(|()| store_rest(stored))?;
        for (reserved, file) in self.reserved {
            reserved.install(file);
        }
        Ok(())
    }
}
