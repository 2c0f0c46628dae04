//! `cp`: files and trees, with links, pipes and devices kept as what they are.

use crate::invocation::{At, Failure, Invocation, Outcome, inside};
use nix::sys::stat::{Mode, SFlag, mknod};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

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
            Ok(_) if recursive => copy_tree(invocation, Path::new(source), &target),
            Ok(data) => {
                if let Err(error) = copy_file(Path::new(source), &target, &data) {
                    invocation.report(source, error);
                }
            }
            Err(error) => invocation.report(source, error),
        }
    }
    Ok(invocation.status())
}

/// Copies a file of any type, a directory with all it holds. Reports what could not be copied.
pub fn copy_tree(invocation: &Invocation, source: &Path, target: &Path) {
    if let Err(error) = copy_one(invocation, source, target) {
        invocation.report(source, error);
    }
}

fn copy_one(invocation: &Invocation, source: &Path, target: &Path) -> io::Result<()> {
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
        return copy_file(source, target, &data);
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
        copy_tree(invocation, &source.join(&name), &target.join(&name));
    }
    fs::set_permissions(target, fs::Permissions::from_mode(data.mode() & 0o7777))
}

fn copy_file(source: &Path, target: &Path, data: &Metadata) -> io::Result<()> {
    if let Ok(there) = fs::metadata(target)
        && (there.dev(), there.ino()) == (data.dev(), data.ino())
    {
        return Err(io::Error::other("source and target are the same file"));
    }
    fs::copy(source, target).map(|_| ())
}
