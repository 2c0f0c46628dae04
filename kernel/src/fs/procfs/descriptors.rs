//! /proc/PID/fd: the descriptors of a process, as links to what they stand for. /proc/PID/fdinfo: the same as text.
//!
//! Owns nothing. Locks: FD_TABLE, through `Files`; for text also what the file itself locks to tell of itself, which may sleep.
//! Specification: proc_pid_fd(5), proc_pid_fdinfo(5).

use crate::fs::attributes::FileType;
use crate::fs::dentry::Name;
use crate::fs::directory::{Computed, ComputedEntry};
use crate::fs::file::Readiness;
use crate::fs::flags::AccessMode;
use crate::fs::inode::{Inode, Node, Owner};
use crate::fs::open_file::OpenFile;
use crate::fs::procfs::links::{ProcessLink, Target, check_inspect};
use crate::fs::procfs::process_view;
use crate::fs::procfs::text::{Text, TextNode, TextSource, put};
use crate::process::Credentials;
use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use linux_raw_sys::general::O_CLOEXEC;
use postern_core::errno::{Errno, Result};
use postern_core::fd_table::OnExec;

/// The slots of descriptors in inode numbers.
const FILE_SLOT: u8 = 255;
const TEXT_SLOT: u8 = 254;

/// Which of the two directories.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leads {
    /// fd
    ToFiles,
    /// fdinfo
    ToText,
}

/// The entries of /proc/PID/fd or fdinfo.
pub struct Descriptors {
    /// Whose.
    pub pid: u32,
    /// The owner of the entries.
    pub owner: Owner,
    /// What the entries are.
    pub leads: Leads,
}

impl Descriptors {
    fn inode_number(&self, fd: u32) -> u64 {
        super::inode_number(self.pid, if self.leads == Leads::ToFiles { FILE_SLOT } else { TEXT_SLOT }, fd)
    }
}

impl Computed for Descriptors {
    fn lookup(&self, name: &[u8]) -> Result<Arc<Inode>> {
        let number = if name == b"0" { 0 } else { super::parse_id(name)? };
        let fd = i32::try_from(number).map_err(|_| Errno::ENOENT)?;
        let files = process_view::find(self.pid)?.files().ok_or(Errno::ENOENT)?;
        let file = files.get(fd).map_err(|_| Errno::ENOENT)?;
        if self.leads == Leads::ToText {
            let source = Arc::new(DescriptorText { pid: self.pid, fd });
            let node = Node::Generated(Arc::new(TextNode(source)));
            return Ok(super::computed_file(self.inode_number(number), node, self.owner, 0o444));
        }
        let mut permissions = 0o100;
        if file.access().contains(AccessMode::READ) {
            permissions |= 0o400;
        }
        if file.access().contains(AccessMode::WRITE) {
            permissions |= 0o200;
        }
        let link = ProcessLink { pid: self.pid, target: Target::Descriptor(fd) };
        Ok(super::computed_file(self.inode_number(number), Node::MagicLink(Box::new(link)), self.owner, permissions))
    }

    fn list(&self, from: u64, limit: usize) -> Vec<ComputedEntry> {
        let files = process_view::find(self.pid).ok().and_then(|view| view.files());
        let Some(files) = files else {
            return Vec::new();
        };
        let Ok(from) = i32::try_from(from) else {
            return Vec::new();
        };
        let entry = |fd: i32| ComputedEntry {
            key: u64::from(fd.unsigned_abs()),
            number: self.inode_number(fd.unsigned_abs()),
            file_type: if self.leads == Leads::ToFiles { FileType::Symlink } else { FileType::Regular },
            name: Name::from(format!("{fd}").into_bytes()),
        };
        files.descriptors(from, limit).into_iter().map(entry).collect()
    }

    /// As Linux, whose /proc/PID/fdinfo anybody could list by its permissions.
    fn check(&self, credentials: &Credentials) -> Result<()> {
        match self.leads {
            Leads::ToFiles => Ok(()),
            Leads::ToText => check_inspect(&*process_view::find(self.pid).map_err(|_| Errno::ESRCH)?, credentials),
        }
    }
}

/// What stands in /proc/PID/fdinfo/N.
struct DescriptorText {
    pid: u32,
    fd: i32,
}

impl TextSource for DescriptorText {
    fn show(&self, text: &mut Text) -> Result<()> {
        let files = process_view::find(self.pid).ok().and_then(|view| view.files()).ok_or(Errno::ENOENT)?;
        let file = files.get(self.fd).map_err(|_| Errno::ENOENT)?;
        let on_exec = files.on_exec(self.fd).map_err(|_| Errno::ENOENT)?;
        show_file(&file, on_exec, text);
        Ok(())
    }

    fn check_open(&self, credentials: &Credentials) -> Result<()> {
        check_inspect(&*process_view::find(self.pid)?, credentials)
    }

    /// As in Linux.
    fn readiness(&self) -> Option<Readiness> {
        None
    }
}

fn show_file(file: &OpenFile, on_exec: OnExec, text: &mut Text) {
    let close_on_exec = if on_exec == OnExec::Close { O_CLOEXEC } else { 0 };
    let flags = file.access().bits_for_getfl() | file.flags().bits() | close_on_exec;
    let place = file.location();
    put!(text, "pos:\t{}\nflags:\t0{flags:o}\n", file.shown_position());
    put!(text, "mnt_id:\t{}\nino:\t{}\n", place.mount.id(), place.inode().number());
    file.ops().describe(text);
}
