//! Applets about the data of files and file systems: stat, df, du.

use crate::identity::{group_name, user_name};
use crate::invocation::{At, Invocation, Outcome, Output, finish, output};
use crate::mode::mode_text;
use crate::moment::long_date;
use crate::size::human_readable;
use nix::sys::statvfs::statvfs;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// `stat [-L] [-c format] file…`
pub fn stat(invocation: &Invocation) -> Outcome {
    let options = invocation.options("Lc:")?;
    let format = options.text('c')?;
    let mut output = output()?;
    for path in options.required()? {
        match if options.has('L') { fs::metadata(path) } else { fs::symlink_metadata(path) } {
            Ok(data) => match format {
                Some(format) => writeln!(output, "{}", formatted(format, path, &data))?,
                None => describe(path, &data, &mut output)?,
            },
            Err(error) => invocation.report(path, error),
        }
    }
    finish(invocation, output)
}

fn kind_text(data: &Metadata) -> &'static str {
    match data.mode() & libc::S_IFMT {
        libc::S_IFDIR => "directory",
        libc::S_IFLNK => "symbolic link",
        libc::S_IFCHR => "character special file",
        libc::S_IFBLK => "block special file",
        libc::S_IFIFO => "fifo",
        libc::S_IFSOCK => "socket",
        _ if data.size() == 0 => "regular empty file",
        _ => "regular file",
    }
}

fn describe(path: &OsStr, data: &Metadata, output: &mut Output) -> io::Result<()> {
    let target = fs::read_link(path).map(|target| format!(" -> {}", target.display())).unwrap_or_default();
    writeln!(output, "  File: {}{target}", path.display())?;
    writeln!(
        output,
        "  Size: {:<10}\tBlocks: {:<10} IO Block: {:<6} {}",
        data.size(),
        data.blocks(),
        data.blksize(),
        kind_text(data)
    )?;
    write!(
        output,
        "Device: {},{}\tInode: {:<10}  Links: {}",
        libc::major(data.dev()),
        libc::minor(data.dev()),
        data.ino(),
        data.nlink()
    )?;
    if matches!(data.mode() & libc::S_IFMT, libc::S_IFCHR | libc::S_IFBLK) {
        write!(output, "     Device type: {},{}", libc::major(data.rdev()), libc::minor(data.rdev()))?;
    }
    writeln!(
        output,
        "\nAccess: ({:04o}/{})  Uid: ({:5}/{:>8})   Gid: ({:5}/{:>8})",
        data.mode() & 0o7777,
        mode_text(data.mode()),
        data.uid(),
        user_name(data.uid()),
        data.gid(),
        group_name(data.gid())
    )?;
    for (label, seconds, nanoseconds) in [
        ("Access", data.atime(), data.atime_nsec()),
        ("Modify", data.mtime(), data.mtime_nsec()),
        ("Change", data.ctime(), data.ctime_nsec()),
    ] {
        writeln!(output, "{label}: {}.{nanoseconds:09} +0000", long_date(seconds))?;
    }
    Ok(())
}

fn formatted(format: &str, path: &OsStr, data: &Metadata) -> String {
    let mut text = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        match letters.next() {
            Some('a') => text.push_str(&format!("{:o}", data.mode() & 0o7777)),
            Some('A') => text.push_str(&mode_text(data.mode())),
            Some('b') => text.push_str(&data.blocks().to_string()),
            Some('F') => text.push_str(kind_text(data)),
            Some('g') => text.push_str(&data.gid().to_string()),
            Some('G') => text.push_str(&group_name(data.gid())),
            Some('h') => text.push_str(&data.nlink().to_string()),
            Some('i') => text.push_str(&data.ino().to_string()),
            Some('n') => text.push_str(&path.to_string_lossy()),
            Some('s') => text.push_str(&data.size().to_string()),
            Some('t') => text.push_str(&format!("{:x}", libc::major(data.rdev()))),
            Some('T') => text.push_str(&format!("{:x}", libc::minor(data.rdev()))),
            Some('u') => text.push_str(&data.uid().to_string()),
            Some('U') => text.push_str(&user_name(data.uid())),
            Some('Y') => text.push_str(&data.mtime().to_string()),
            Some('%') => text.push('%'),
            Some(other) => text.extend(['%', other]),
            None => text.push('%'),
        }
    }
    text
}

/// `df [-h] [file…]`
pub fn df(invocation: &Invocation) -> Outcome {
    let options = invocation.options("hk")?;
    let mounts = fs::read_to_string("/proc/mounts").at("/proc/mounts")?;
    let table: Vec<(&str, &str)> = mounts
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(source, rest)| Some((source, rest.split(' ').next()?)))
        .collect();
    let mut output = output()?;
    writeln!(
        output,
        "{:<12} {:>10} {:>10} {:>10} {:>4} Mounted on",
        "Filesystem",
        if options.has('h') { "Size" } else { "1K-blocks" },
        "Used",
        "Available",
        "Use%"
    )?;
    let show = |source: &str, point: &OsStr, output: &mut Output| -> io::Result<()> {
        let data = match statvfs(Path::new(point)) {
            Ok(data) => data,
            Err(error) => {
                invocation.report(point, error);
                return Ok(());
            }
        };
        let bytes = |blocks: u64| blocks.saturating_mul(data.fragment_size());
        let size = |bytes: u64| {
            if options.has('h') { human_readable(bytes) } else { (bytes >> 10).to_string() }
        };
        let (total, available) = (bytes(data.blocks()), bytes(data.blocks_available()));
        let used = total.saturating_sub(bytes(data.blocks_free()));
        if total == 0 && options.operands.is_empty() {
            return Ok(());
        }
        let share =
            (used * 100).checked_div(used + available).map_or_else(|| "-".to_owned(), |share| format!("{share}%"));
        writeln!(
            output,
            "{source:<12} {:>10} {:>10} {:>10} {share:>4} {}",
            size(total),
            size(used),
            size(available),
            point.display()
        )
    };
    if options.operands.is_empty() {
        for (source, point) in &table {
            show(source, OsStr::new(point), &mut output)?;
        }
    }
    for path in &options.operands {
        match fs::canonicalize(path) {
            Ok(real) => {
                let holder =
                    table.iter().filter(|(_, point)| real.starts_with(point)).max_by_key(|(_, point)| point.len());
                let (source, point) = holder.copied().unwrap_or(("-", "/"));
                show(source, OsStr::new(point), &mut output)?;
            }
            Err(error) => invocation.report(path, error),
        }
    }
    finish(invocation, output)
}

/// `du [-ash] [file…]`
pub fn du(invocation: &Invocation) -> Outcome {
    let options = invocation.options("ashk")?;
    let mut output = output()?;
    let operands = if options.operands.is_empty() { vec![".".into()] } else { options.operands.clone() };
    let mut walk = Walk {
        invocation,
        all: options.has('a'),
        summary: options.has('s'),
        human: options.has('h'),
        seen: BTreeSet::new(),
    };
    for path in &operands {
        walk.visit(Path::new(path), 0, &mut output)?;
    }
    finish(invocation, output)
}

struct Walk<'a> {
    invocation: &'a Invocation,
    all: bool,
    summary: bool,
    human: bool,
    /// Files with several names count once.
    seen: BTreeSet<(u64, u64)>,
}

impl Walk<'_> {
    /// The bytes below `path`, which are printed as the options say.
    fn visit(&mut self, path: &Path, depth: usize, output: &mut Output) -> io::Result<u64> {
        let data = match fs::symlink_metadata(path) {
            Ok(data) => data,
            Err(error) => {
                self.invocation.report(path, error);
                return Ok(0);
            }
        };
        if !data.is_dir() && data.nlink() > 1 && !self.seen.insert((data.dev(), data.ino())) {
            return Ok(0);
        }
        let mut bytes = data.blocks() * 512;
        if data.is_dir() {
            match fs::read_dir(path) {
                Ok(entries) => {
                    for entry in entries {
                        bytes += self.visit(&entry?.path(), depth + 1, output)?;
                    }
                }
                Err(error) => self.invocation.report(path, error),
            }
        }
        let shown = depth == 0 || !self.summary && (data.is_dir() || self.all);
        if shown {
            let size = if self.human { human_readable(bytes) } else { bytes.div_ceil(1024).to_string() };
            writeln!(output, "{size}\t{}", path.display())?;
        }
        Ok(bytes)
    }
}
