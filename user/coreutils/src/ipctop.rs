//! `ipctop`: the counters of /proc/postern, again and again, those that move first.
//!
//! On a terminal the screen is refreshed until it is interrupted; elsewhere it is plain text, once unless `-n` says more.

use crate::invocation::{At, Failure, Invocation, Outcome, finish, output};
use crate::process::duration;
use std::fs;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant};

const COUNTERS: &str = "/proc/postern";
/// To the top left corner, and erase from there (ECMA-48 CUP, ED).
const CLEAR: &str = "\x1b[H\x1b[J";
/// Rows of a terminal that does not say how many it has.
const USUAL_ROWS: usize = 24;

/// A counter: its name with that of its file, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Counter {
    name: String,
    value: u64,
}

/// `ipctop [-d seconds] [-n count]`
pub fn ipctop(invocation: &Invocation) -> Outcome {
    let options = invocation.options("d:n:")?;
    if !options.operands.is_empty() {
        return Err(Failure::usage("usage: ipctop [-d seconds] [-n count]"));
    }
    let pause = options.text('d')?.map_or(Ok(Duration::from_secs(1)), duration)?;
    let on_terminal = std::io::stdout().is_terminal();
    let times: u64 = options.parsed('n')?.unwrap_or(if on_terminal { u64::MAX } else { 1 });
    let mut output = output()?;
    let mut earlier: Option<(Instant, Vec<Counter>)> = None;
    for turn in 0..times {
        if turn > 0 {
            thread::sleep(pause);
        }
        let (now, counters) = (Instant::now(), read_all()?);
        let since = earlier.as_ref().map(|(then, _)| now.duration_since(*then));
        let before = earlier.as_ref().map_or(&[][..], |(_, counters)| counters);
        let mut lines = lines(&counters, before, since);
        if on_terminal && times > 1 {
            lines.truncate(screen_rows().saturating_sub(1).max(2));
            write!(output, "{CLEAR}")?;
        }
        for line in lines {
            writeln!(output, "{line}")?;
        }
        output.flush()?;
        earlier = Some((now, counters));
    }
    finish(invocation, output)
}

/// All counters of all files.
fn read_all() -> Result<Vec<Counter>, Failure> {
    let entries = fs::read_dir(COUNTERS).at(COUNTERS)?;
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().at(COUNTERS)?;
    paths.sort();
    let mut counters = Vec::new();
    for path in paths {
        // What can be written is a setting.
        if fs::metadata(&path).at(&path)?.permissions().mode() & 0o222 != 0 {
            continue;
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        counters.extend(parse(&name, &fs::read_to_string(&path).at(&path)?));
    }
    Ok(counters)
}

/// The counters in the text of the file `file`: lines of words that end with a number. Whatever has other lines is no list of
/// counters.
fn parse(file: &str, text: &str) -> Vec<Counter> {
    let counter = |line: &str| {
        let mut words: Vec<&str> = line.split([' ', '\t', ':']).filter(|word| !word.is_empty()).collect();
        let value = words.pop()?.parse().ok()?;
        words.insert(0, file);
        Some(Counter { name: words.join(" "), value })
    };
    text.lines().map(counter).collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// A head, and a line for each counter; those that have moved since `before`, `since` ago, are first.
fn lines(counters: &[Counter], before: &[Counter], since: Option<Duration>) -> Vec<String> {
    let width = counters.iter().map(|counter| counter.name.len()).chain(["counter".len()]).max().unwrap_or(0);
    let moved = |counter: &Counter| {
        let earlier = before.iter().find(|earlier| earlier.name == counter.name)?;
        Some(i128::from(counter.value) - i128::from(earlier.value))
    };
    let mut rows: Vec<_> = counters.iter().map(|counter| (counter, moved(counter))).collect();
    rows.sort_by_key(|(_, moved)| matches!(moved, None | Some(0)));
    let head = format!("{:<width$} {:>16} {:>14} {:>14}", "counter", "now", "change", "a second");
    let row = |(counter, moved): &(&Counter, Option<i128>)| {
        let Some(moved) = moved else {
            return format!("{:<width$} {:>16} {:>14} {:>14}", counter.name, counter.value, "-", "-");
        };
        let rate = since.map_or(0, |since| rate(*moved, since));
        format!("{:<width$} {:>16} {moved:>+14} {rate:>+14}", counter.name, counter.value)
    };
    std::iter::once(head).chain(rows.iter().map(row)).collect()
}

/// A change that took `since`, in a second.
fn rate(change: i128, since: Duration) -> i128 {
    let nanoseconds = i128::try_from(since.as_nanos()).unwrap_or(i128::MAX).max(1);
    change.saturating_mul(1_000_000_000) / nanoseconds
}

fn screen_rows() -> usize {
    // SAFETY: a struct of plain numbers.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: the size is live and writable, and what TIOCGWINSZ fills.
    let asked = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    if asked == 0 && size.ws_row > 0 { usize::from(size.ws_row) } else { USUAL_ROWS }
}

#[cfg(test)]
mod tests {
    use super::{Counter, lines, parse, rate};
    use std::time::Duration;

    fn counter(name: &str, value: u64) -> Counter {
        Counter { name: name.to_owned(), value }
    }

    #[test]
    fn counters_are_lines_that_end_with_a_number() {
        assert_eq!(parse("hello", "opens 3\nbytes 40\n"), [counter("hello opens", 3), counter("hello bytes", 40)]);
        assert_eq!(parse("myipc", "myipc0 wakes 5\n"), [counter("myipc myipc0 wakes", 5)]);
        assert_eq!(parse("page_cache", "1\n"), [counter("page_cache", 1)]);
        assert_eq!(parse("hello_instances", "cgroup name slots\n1 - 16\n"), []);
    }

    #[test]
    fn what_moves_comes_first_with_its_rate() {
        let now = [counter("a", 7), counter("b", 110)];
        let lines = lines(&now, &[counter("a", 7), counter("b", 10)], Some(Duration::from_millis(500)));
        assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["b", "110", "+100", "+200"]);
        assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["a", "7", "+0", "+0"]);
        assert!(lines.iter().all(|line| line.len() == lines[0].len()));
    }

    #[test]
    fn a_first_look_knows_no_change_and_a_counter_may_fall() {
        assert!(lines(&[counter("a", 7)], &[], None)[1].ends_with('-'));
        assert_eq!(rate(-10, Duration::from_secs(2)), -5);
        assert_eq!(rate(10, Duration::ZERO), 10_000_000_000);
    }
}
