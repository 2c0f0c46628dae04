//! `cp`: files and trees, with links, pipes and devices kept as what they are.

use crate::invocation::{At, Failure, Invocation, Outcome, inside};
use nix::sys::stat::{Mode, SFlag, mknod};
use std::fs::{self, File, FileTimes, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

/// What a copy has besides its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attributes {
    /// The mode, and the times and the owner of a file made now.
    New,
    /// Mode, owner and times of the source: `-p`.
    Kept,
}

/// `cp [-r|-R|-a] [-fpn] source… target`
pub fn cp(invocation: &Invocation) -> Outcome {
    let options = invocation.options("rRafpnd")?;
    let Some((target, sources @ [_, ..])) = options.operands.split_last() else {
        return Err(Failure::usage("usage: cp [-r] source... target"));
    };
    if sources.len() > 1 && !Path::new(target).is_dir() {
        return Err(io::Error::from_raw_os_error(libc::ENOTDIR)).at(target);
    }
    let recursive = options.last_of("rRa").is_some();
    let attributes = if options.last_of("pa").is_some() { Attributes::Kept } else { Attributes::New };
    for source in sources {
        let target = inside(target, source);
        if options.has('n') && fs::symlink_metadata(&target).is_ok() {
            continue;
        }
        // Without -r a link stands for the file it leads to.
        let metadata = if recursive { fs::symlink_metadata(source) } else { fs::metadata(source) };
        match metadata {
            Ok(data) if data.is_dir() && !recursive => {
                invocation.complain(format_args!("{}: is a directory (use -r)", source.display()))
            }
            Ok(_) if recursive => copy_tree(invocation, Path::new(source), &target, attributes),
            Ok(data) => {
                if let Err(error) = copy_file(Path::new(source), &target, &data, attributes) {
                    invocation.report(source, error);
                }
            }
            Err(error) => invocation.report(source, error),
        }
    }
    Ok(invocation.status())
}

/// Copies a file of any type, a directory with all it holds. Reports what could not be copied.
pub fn copy_tree(invocation: &Invocation, source: &Path, target: &Path, attributes: Attributes) {
    if let Err(error) = copy_one(invocation, source, target, attributes) {
        invocation.report(source, error);
    }
}

fn copy_one(invocation: &Invocation, source: &Path, target: &Path, attributes: Attributes) -> io::Result<()> {
    let data = fs::symlink_metadata(source)?;
    let kind = data.file_type();
    if kind.is_symlink() {
        return symlink(fs::read_link(source)?, target);
    }
    if kind.is_fifo() || kind.is_char_device() || kind.is_block_device() {
        let mode = Mode::from_bits_truncate(data.mode());
        let kind = SFlag::from_bits_truncate(data.mode() & libc::S_IFMT);
        return Ok(mknod(target, kind, mode, data.rdev())?);
    }
    if !kind.is_dir() {
        return copy_file(source, target, &data, attributes);
    }
    let real = fs::canonicalize(source)?;
    let parent = target.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
    if parent.and_then(|parent| fs::canonicalize(parent).ok()).is_some_and(|parent| parent.starts_with(&real)) {
        invocation.complain(format_args!("cannot copy '{}' into itself", source.display()));
        return Ok(());
    }
    match fs::create_dir(target) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && target.is_dir() => {}
        result => result?,
    }
    for entry in fs::read_dir(source)? {
        let name = entry?.file_name();
        copy_tree(invocation, &source.join(&name), &target.join(&name), attributes);
    }
    fs::set_permissions(target, fs::Permissions::from_mode(data.mode() & 0o7777))?;
    if attributes == Attributes::Kept { keep_attributes(target, &data) } else { Ok(()) }
}

fn keep_attributes(target: &Path, data: &Metadata) -> io::Result<()> {
    // Only root may give files away; for others a copy is their own, as POSIX allows.
    let owner_kept = chown(target, Some(data.uid()), Some(data.gid())).is_ok();
    let mode = if owner_kept { data.mode() & 0o7777 } else { data.mode() & 0o777 };
    fs::set_permissions(target, fs::Permissions::from_mode(mode))?;
    let times = FileTimes::new().set_accessed(data.accessed()?).set_modified(data.modified()?);
    File::open(target)?.set_times(times)
}

fn copy_file(source: &Path, target: &Path, data: &Metadata, attributes: Attributes) -> io::Result<()> {
    if let Ok(there) = fs::metadata(target)
        && (there.dev(), there.ino()) == (data.dev(), data.ino())
    {
        return Err(io::Error::other("source and target are the same file"));
    }
    fs::copy(source, target)?;
    if attributes == Attributes::Kept { keep_attributes(target, data) } else { Ok(()) }
}
