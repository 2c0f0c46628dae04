//! Applets that make, move and remove names: mkdir, rmdir, rm, mv, ln, readlink, touch, mkfifo,
//! basename, dirname.

use crate::copy::{Attributes, copy_tree};
use crate::invocation::{At, Failure, Invocation, Outcome, confirmed, finish, inside, output};
use nix::sys::stat::Mode;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

fn octal(text: Option<&str>, preset: u32) -> Result<u32, Failure> {
    let Some(text) = text else { return Ok(preset) };
    u32::from_str_radix(text, 8).map_err(|_| Failure::usage(format!("invalid mode '{text}'")))
}

/// `mkdir [-p] [-m mode] directory…`
pub fn mkdir(invocation: &Invocation) -> Outcome {
    let options = invocation.options("pm:")?;
    let mode = octal(options.text('m')?, 0o777)?;
    for path in options.required()? {
        if let Err(error) = DirBuilder::new().recursive(options.has('p')).mode(mode).create(path) {
            invocation.report(path, error);
        }
    }
    Ok(invocation.status())
}

/// `rmdir [-p] directory…`
pub fn rmdir(invocation: &Invocation) -> Outcome {
    let options = invocation.options("p")?;
    for path in options.required()? {
        let parents = if options.has('p') { usize::MAX } else { 1 };
        let chain = Path::new(path).ancestors().take(parents).filter(|path| !path.as_os_str().is_empty());
        for directory in chain {
            if let Err(error) = fs::remove_dir(directory) {
                invocation.report(directory, error);
                break;
            }
        }
    }
    Ok(invocation.status())
}

/// Whether `path` is the root, `.` or `..`, by its last name: what nobody means to remove.
fn is_protected(path: &OsStr) -> bool {
    let trimmed = path.as_bytes().trim_ascii_end();
    let length = trimmed.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
    let name = trimmed[..length].rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    matches!(name, b"." | b"..") || name.is_empty() && !path.is_empty()
}

/// `rm [-rfi] file…`: with `-i` it asks once for each operand.
pub fn rm(invocation: &Invocation) -> Outcome {
    let options = invocation.options("rRfi")?;
    let recursive = options.last_of("rR").is_some();
    let (force, ask) = (options.has('f'), options.last_of("fi") == Some('i'));
    if options.operands.is_empty() && force {
        return Ok(0);
    }
    for path in options.required()? {
        if is_protected(path) {
            invocation.complain(format_args!("refusing to remove '{}'", path.display()));
            continue;
        }
        let there = fs::symlink_metadata(path);
        if ask && there.is_ok() && !confirmed(invocation, "remove", path)? {
            continue;
        }
        let result = there.and_then(|data| match (data.is_dir(), recursive) {
            (false, _) => fs::remove_file(path),
            (true, true) => fs::remove_dir_all(path),
            (true, false) => Err(io::Error::from_raw_os_error(libc::EISDIR)),
        });
        match result {
            Err(error) if force && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => invocation.report(path, error),
            Ok(()) => {}
        }
    }
    Ok(invocation.status())
}

/// `mv [-fin] source… target`
pub fn mv(invocation: &Invocation) -> Outcome {
    let options = invocation.options("fin")?;
    let Some((target, sources @ [_, ..])) = options.operands.split_last() else {
        return Err(Failure::usage("usage: mv source... target"));
    };
    if sources.len() > 1 && !Path::new(target).is_dir() {
        return Err(io::Error::from_raw_os_error(libc::ENOTDIR)).at(target);
    }
    for source in sources {
        let target = inside(target, source);
        let there = fs::symlink_metadata(&target).is_ok();
        let goes_on = match options.last_of("fin") {
            Some('n') => !there,
            Some('i') => !there || confirmed(invocation, "overwrite", target.as_os_str())?,
            _ => true,
        };
        if !goes_on {
            continue;
        }
        match fs::rename(source, &target) {
            Err(error) if error.raw_os_error() == Some(libc::EXDEV) => {
                move_across(invocation, Path::new(source), &target)
            }
            Err(error) => invocation.report(source, error),
            Ok(()) => {}
        }
    }
    Ok(invocation.status())
}

/// Another file system: copy, and remove the source once the copy is complete.
fn move_across(invocation: &Invocation, source: &Path, target: &Path) {
    let before = invocation.status();
    copy_tree(invocation, source, target, Attributes::Kept);
    if invocation.status() != before {
        return;
    }
    let is_directory = fs::symlink_metadata(source).is_ok_and(|data| data.is_dir());
    let result = if is_directory { fs::remove_dir_all(source) } else { fs::remove_file(source) };
    if let Err(error) = result {
        invocation.report(source, error);
    }
}

/// `ln [-sfn] target… name`
pub fn ln(invocation: &Invocation) -> Outcome {
    let options = invocation.options("sfn")?;
    let operands = options.required()?;
    let (name, targets) = match operands {
        [target] => (OsStr::new("."), std::slice::from_ref(target)),
        [targets @ .., name] => (name.as_os_str(), targets),
        [] => return Err(Failure::usage("missing operand")),
    };
    for target in targets {
        let name = if options.has('n') { Path::new(name).to_path_buf() } else { inside(name, target) };
        let make = || {
            if options.has('s') { symlink(target, &name) } else { fs::hard_link(target, &name) }
        };
        let result = match make() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && options.has('f') => {
                fs::remove_file(&name).and_then(|()| make())
            }
            result => result,
        };
        if let Err(error) = result {
            invocation.report(&name, error);
        }
    }
    Ok(invocation.status())
}

/// `readlink [-f] file…`
pub fn readlink(invocation: &Invocation) -> Outcome {
    let options = invocation.options("fn")?;
    let mut output = output()?;
    for path in options.required()? {
        let result = if options.has('f') { fs::canonicalize(path) } else { fs::read_link(path) };
        match result {
            Ok(target) => {
                output.write_all(target.as_os_str().as_bytes())?;
                output.write_all(if options.has('n') { b"" } else { b"\n" })?;
            }
            Err(error) => invocation.report(path, error),
        }
    }
    finish(invocation, output)
}

/// `touch [-c] [-r reference] [-d @seconds] file…`
pub fn touch(invocation: &Invocation) -> Outcome {
    let options = invocation.options("cr:d:am")?;
    let time = match (options.value('r'), options.text('d')?) {
        (Some(reference), _) => fs::metadata(reference).and_then(|data| data.modified()).at(reference)?,
        (None, Some(text)) => {
            let seconds = text.strip_prefix('@').and_then(|digits| digits.parse().ok());
            let seconds = seconds.ok_or_else(|| Failure::usage(format!("invalid date '{text}' (use @seconds)")))?;
            SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
        }
        (None, None) => SystemTime::now(),
    };
    let times = fs::FileTimes::new().set_accessed(time).set_modified(time);
    for path in options.required()? {
        let create = !options.has('c');
        let file = OpenOptions::new().write(true).create(create).truncate(false).open(path);
        // A directory cannot be opened for writing, but its times can be set all the same.
        let file =
            file.or_else(
                |error| {
                    if error.raw_os_error() == Some(libc::EISDIR) { fs::File::open(path) } else { Err(error) }
                },
            );
        match file.and_then(|file| file.set_times(times)) {
            Err(error) if !create && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => invocation.report(path, error),
            Ok(()) => {}
        }
    }
    Ok(invocation.status())
}

/// `mkfifo [-m mode] file…`
pub fn mkfifo(invocation: &Invocation) -> Outcome {
    let options = invocation.options("m:")?;
    let mode = Mode::from_bits_truncate(octal(options.text('m')?, 0o666)?);
    for path in options.required()? {
        if let Err(error) = nix::unistd::mkfifo(path.as_os_str(), mode) {
            invocation.report(path, error);
        }
    }
    Ok(invocation.status())
}

/// `basename path [suffix]`
pub fn basename(invocation: &Invocation) -> Outcome {
    let options = invocation.options("")?;
    let path = options.required()?[0].as_bytes();
    let trimmed = path.iter().rposition(|byte| *byte != b'/').map_or(&path[..path.len().min(1)], |last| &path[..=last]);
    let name = trimmed.rsplit(|byte| *byte == b'/').next().filter(|name| !name.is_empty()).unwrap_or(trimmed);
    let suffix = options.operands.get(1).map_or(b"".as_slice(), |suffix| suffix.as_bytes());
    let name = name.strip_suffix(suffix).filter(|name| !name.is_empty()).unwrap_or(name);
    let mut output = output()?;
    output.write_all(&[name, b"\n"].concat())?;
    finish(invocation, output)
}

/// `dirname path…`
pub fn dirname(invocation: &Invocation) -> Outcome {
    let options = invocation.options("")?;
    let mut output = output()?;
    for path in options.required()? {
        let parent = match Path::new(path).parent() {
            Some(parent) if parent.as_os_str().is_empty() => OsStr::new("."),
            Some(parent) => parent.as_os_str(),
            None if path.is_empty() => OsStr::new("."),
            None => OsStr::new("/"),
        };
        output.write_all(&[parent.as_bytes(), b"\n"].concat())?;
    }
    finish(invocation, output)
}
