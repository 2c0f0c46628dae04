//! `hello`: sends to /dev/hello, receives from it, and tells what its rings have counted.
//!
//! Specification: docs/hello.md. Opening an end waits for the other, as with a FIFO.

use crate::invocation::{At, Failure, Invocation, Options, Outcome, finish, open, output};
use nix::errno::Errno;
use postern_abi::hello::HELLO_IOC_CHANNEL;
use std::ffi::{CString, OsStr};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;

const NODE: &str = "/dev/hello";
/// What every ring has counted, one a line.
const INSTANCES: &str = "/proc/postern/hello_instances";
/// What a channel may be called.
const NAMES: &str = "a channel's name has 1 to 63 printable characters, no space and no '/'";
const USAGE: &str = "usage: hello send|receive|follow|stat [-c channel] [-n bytes] [text...]";

/// `hello send [-c channel] [text…]`, `hello receive|follow [-c channel] [-n bytes]`, `hello stat [-c channel]`
pub fn hello(invocation: &Invocation) -> Outcome {
    let options = invocation.options("c:n:")?;
    let Some((verb, words)) = options.operands.split_first() else {
        return Err(Failure::usage(USAGE));
    };
    match verb.to_str() {
        Some("send") => send(invocation, &options, words),
        Some("receive") if words.is_empty() => receive(invocation, &options, Ends::Read),
        // With both ends open there is never an end of file: whoever comes next is heard as well.
        Some("follow") if words.is_empty() => receive(invocation, &options, Ends::Both),
        Some("stat") if words.is_empty() => stat(invocation, options.value('c').map(|name| name.as_os_str())),
        _ => Err(Failure::usage(USAGE)),
    }
}

/// Which ends a file has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Read,
    Write,
    Both,
}

/// The node with these ends, of the own control group's ring or of the channel that `-c` names. Waits for the other side.
fn open_gate(options: &Options, ends: Ends) -> Result<File, Failure> {
    let open_ends = |ends: Ends| {
        let mut how = OpenOptions::new();
        how.read(ends != Ends::Write).write(ends != Ends::Read).open(NODE).at(NODE)
    };
    let Some(channel) = options.value('c') else {
        return open_ends(ends);
    };
    // Both ends of the group's ring are open meanwhile: nobody is waited for there, only at the channel.
    let keeper = open_ends(Ends::Both)?;
    let file = open_ends(ends)?;
    drop(keeper);
    let name = CString::new(channel.as_bytes()).map_err(|_| Failure::usage(format!("-c: {NAMES}")))?;
    loop {
        // SAFETY: the name is a string with its NUL that outlives the call.
        let bound = unsafe { libc::ioctl(file.as_raw_fd(), HELLO_IOC_CHANNEL as libc::Ioctl, name.as_ptr()) };
        match Errno::result(bound) {
            Err(Errno::EINTR) => {}
            Err(Errno::EINVAL) => return Err(Failure::usage(format!("-c '{}': {NAMES}", channel.display()))),
            result => return result.at(channel).map(|_| file),
        }
    }
}

fn send(invocation: &Invocation, options: &Options, words: &[std::ffi::OsString]) -> Outcome {
    let mut gate = open_gate(options, Ends::Write)?;
    if words.is_empty() {
        io::copy(&mut open(OsStr::new("-")).at("standard input")?, &mut gate).at(NODE)?;
    } else {
        let mut line = words.join(OsStr::new(" ")).as_bytes().to_vec();
        line.push(b'\n');
        gate.write_all(&line).at(NODE)?;
    }
    Ok(invocation.status())
}

/// Prints what comes, as it comes; no more than `-n` bytes of it.
fn receive(invocation: &Invocation, options: &Options, ends: Ends) -> Outcome {
    let mut left: u64 = options.parsed('n')?.unwrap_or(u64::MAX);
    let mut gate = open_gate(options, ends)?;
    let mut output = output()?;
    let mut buffer = vec![0; 64 << 10];
    while left > 0 {
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        match gate.read(&mut buffer[..wanted]) {
            Ok(0) => break,
            Ok(count) => {
                output.write_all(&buffer[..count])?;
                output.flush()?;
                left -= count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).at(NODE),
        }
    }
    finish(invocation, output)
}

/// What the rings have counted: all of them, or those that have this name.
fn stat(invocation: &Invocation, channel: Option<&OsStr>) -> Outcome {
    let text = fs::read_to_string(INSTANCES).at(INSTANCES)?;
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    let wanted = chosen(rows, channel.map(OsStr::to_string_lossy).as_deref());
    let mut output = output()?;
    for line in aligned(&wanted) {
        writeln!(output, "{line}")?;
    }
    if wanted.len() < 2 {
        invocation.fail();
    }
    finish(invocation, output)
}

/// The head, and the rows whose second field is `channel`.
fn chosen<'a>(rows: Vec<Vec<&'a str>>, channel: Option<&str>) -> Vec<Vec<&'a str>> {
    let is_wanted =
        |(number, row): &(usize, Vec<&str>)| *number == 0 || channel.is_none_or(|channel| row.get(1) == Some(&channel));
    rows.into_iter().enumerate().filter(is_wanted).map(|(_, row)| row).collect()
}

/// The rows with each column as wide as its widest field.
fn aligned(rows: &[Vec<&str>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|field| field.len()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<&str>| {
        let fields = row.iter().zip(&widths).map(|(field, width)| format!("{field:>width$}"));
        fields.collect::<Vec<_>>().join(" ")
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::{aligned, chosen};

    #[test]
    fn rings_are_chosen_by_name_and_stand_in_columns() {
        let rows = vec![vec!["cgroup", "name", "opens"], vec!["1", "-", "7"], vec!["12", "jobs", "1234567"]];
        assert_eq!(chosen(rows.clone(), None).len(), 3);
        let chosen = chosen(rows, Some("jobs"));
        assert_eq!(aligned(&chosen), ["cgroup name   opens", "    12 jobs 1234567"]);
    }
}
