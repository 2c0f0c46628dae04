//! `ls`.

use crate::identity::{group_name, user_name};
use crate::invocation::{Invocation, Options, Outcome, Output, finish, output};
use crate::mode::mode_text;
use crate::moment::short_date;
use crate::size::human_readable;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A file to be shown.
struct Entry {
    name: OsString,
    path: PathBuf,
    data: Metadata,
}

/// `ls [-aAdhilrRStF1] [file…]`
pub fn ls(invocation: &Invocation) -> Outcome {
    let options = invocation.options("aAdhilrRStF1C")?;
    let mut output = output()?;
    let operands = if options.operands.is_empty() { vec![".".into()] } else { options.operands.clone() };
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    for operand in &operands {
        let path = PathBuf::from(operand);
        // A link given by name is followed, unless its own data is asked for.
        let followed =
            if options.has('l') || options.has('d') { fs::symlink_metadata(&path) } else { fs::metadata(&path) };
        match followed.or_else(|_| fs::symlink_metadata(&path)) {
            Ok(data) if data.is_dir() && !options.has('d') => directories.push(path),
            Ok(data) => files.push(Entry { name: operand.clone(), path, data }),
            Err(error) => invocation.report(operand, error),
        }
    }
    sort(&mut files, &options);
    show(&files, &options, &mut output)?;
    let headed = operands.len() > 1 || options.has('R');
    let mut first = files.is_empty();
    for directory in directories {
        list_directory(invocation, &directory, &options, headed, &mut first, &mut output)?;
    }
    finish(invocation, output)
}

fn list_directory(
    invocation: &Invocation,
    path: &Path,
    options: &Options,
    headed: bool,
    first: &mut bool,
    output: &mut Output,
) -> io::Result<()> {
    let mut entries = match entries(invocation, path, options) {
        Ok(entries) => entries,
        Err(error) => {
            invocation.report(path, error);
            return Ok(());
        }
    };
    sort(&mut entries, options);
    if headed {
        writeln!(output, "{}{}:", if *first { "" } else { "\n" }, path.display())?;
    }
    *first = false;
    if options.has('l') {
        writeln!(output, "total {}", entries.iter().map(|entry| entry.data.blocks()).sum::<u64>() / 2)?;
    }
    show(&entries, options, output)?;
    if options.has('R') {
        for entry in entries.iter().filter(|entry| entry.data.is_dir() && entry.name != "." && entry.name != "..") {
            list_directory(invocation, &entry.path, options, headed, first, output)?;
        }
    }
    Ok(())
}

fn entries(invocation: &Invocation, path: &Path, options: &Options) -> io::Result<Vec<Entry>> {
    let mut names: Vec<OsString> = Vec::new();
    for entry in fs::read_dir(path)? {
        names.push(entry?.file_name());
    }
    if options.has('a') {
        names.extend([".".into(), "..".into()]);
    } else if !options.has('A') {
        names.retain(|name| !name.as_bytes().starts_with(b"."));
    }
    let mut entries = Vec::new();
    for name in names {
        let path = path.join(&name);
        match fs::symlink_metadata(&path) {
            Ok(data) => entries.push(Entry { name, path, data }),
            // Removed since the directory was read: no error. Anything else is.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => invocation.report(&path, error),
        }
    }
    Ok(entries)
}

fn sort(entries: &mut [Entry], options: &Options) {
    entries.sort_by(|left, right| left.name.cmp(&right.name));
    match options.last_of("tS") {
        Some('t') => entries.sort_by_key(|entry| std::cmp::Reverse((entry.data.mtime(), entry.data.mtime_nsec()))),
        Some(_) => entries.sort_by_key(|entry| std::cmp::Reverse(entry.data.size())),
        None => {}
    }
    if options.has('r') {
        entries.reverse();
    }
}

fn show(entries: &[Entry], options: &Options, output: &mut Output) -> io::Result<()> {
    if options.has('l') {
        return show_long(entries, options, output);
    }
    let terminal = io::stdout().is_terminal();
    let mut names = Vec::new();
    for entry in entries {
        let number = if options.has('i') { format!("{:>8} ", entry.data.ino()) } else { String::new() };
        names.push([number.as_bytes(), entry.name.as_bytes(), mark(entry, options).as_bytes()].concat());
    }
    if options.has('1') || !(terminal || options.has('C')) {
        return names.iter().try_for_each(|name| output.write_all(&[name.as_slice(), b"\n"].concat()));
    }
    show_columns(&names, output)
}

/// Columns of equal width, filled downwards, for a line of 80 characters.
fn show_columns(names: &[Vec<u8>], output: &mut Output) -> io::Result<()> {
    let Some(longest) = names.iter().map(Vec::len).max() else {
        return Ok(());
    };
    let columns = (80 / (longest + 2)).max(1);
    let rows = names.len().div_ceil(columns);
    for row in 0..rows {
        let mut line = Vec::new();
        for name in names.iter().skip(row).step_by(rows) {
            line.extend_from_slice(name);
            line.resize(line.len() + longest + 2 - name.len(), b' ');
        }
        output.write_all(&[line.trim_ascii_end(), b"\n"].concat())?;
    }
    Ok(())
}

fn mark(entry: &Entry, options: &Options) -> &'static str {
    let kind = entry.data.file_type();
    if !options.has('F') {
        ""
    } else if kind.is_dir() {
        "/"
    } else if kind.is_symlink() {
        "@"
    } else if kind.is_fifo() {
        "|"
    } else if kind.is_socket() {
        "="
    } else if kind.is_file() && entry.data.mode() & 0o111 != 0 {
        "*"
    } else {
        ""
    }
}

fn show_long(entries: &[Entry], options: &Options, output: &mut Output) -> io::Result<()> {
    let mut rows = Vec::new();
    for entry in entries {
        let data = &entry.data;
        let kind = data.file_type();
        let size = if kind.is_char_device() || kind.is_block_device() {
            format!("{}, {}", libc::major(data.rdev()), libc::minor(data.rdev()))
        } else if options.has('h') {
            human_readable(data.size())
        } else {
            data.size().to_string()
        };
        rows.push([
            if options.has('i') { format!("{} ", data.ino()) } else { String::new() },
            mode_text(data.mode()),
            data.nlink().to_string(),
            user_name(data.uid()),
            group_name(data.gid()),
            size,
            short_date(data.mtime()),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2), width(3), width(4), width(5)];
    for (row, entry) in rows.iter().zip(entries) {
        let [number, mode, links, user, group, size, date] = row;
        write!(
            output,
            "{number:>0$}{mode} {links:>1$} {user:<2$} {group:<3$} {size:>4$} {date} ",
            widths[0], widths[2], widths[3], widths[4], widths[5]
        )?;
        output.write_all(entry.name.as_bytes())?;
        output.write_all(mark(entry, options).as_bytes())?;
        if entry.data.is_symlink() {
            let target = fs::read_link(&entry.path).unwrap_or_default();
            output.write_all(&[b" -> ", OsStr::as_bytes(target.as_os_str())].concat())?;
        }
        output.write_all(b"\n")?;
    }
    Ok(())
}
