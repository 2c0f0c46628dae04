//! The masks of poll(2) and epoll_wait(2) for each kind of file in each of its states, as docs/poll-masks.md has them.
//!
//! Owns the mechanism: a file is made afresh, brought into its state and asked; the other files of this folder know kinds and
//! states. The table is what `conformance --probe poll-masks` prints on Postern; the tests make it once more, on either system, and
//! compare. Nothing sleeps but to wait, ten seconds at most, for what Linux does in its own time. Specification: poll(2), epoll(7),
//! and Linux itself.

mod events;
mod files;
mod pipes;
mod sockets;
mod terminals;

use crate::check::{Failure, Outcome, expect_eq, failed, is_postern, needs_postern};
use crate::harness::Test;
use crate::scratch;
use crate::sys::bare::{call, word};
use crate::sys::{Sys, SysError, fd, ready};

const DOCUMENT: &str = include_str!("../../../../../docs/poll-masks.md");

/// A cell that says no more than the one before it, or than the row's first column.
const SAME: &str = "the same";
/// Descriptors beyond it belong to the harness.
const HIGHEST: usize = 400;

/// How the bits of both calls are called here.
const BITS: [(i16, &str); 12] = [
    (libc::POLLIN, "IN"),
    (libc::POLLRDNORM, "RDNORM"),
    (libc::POLLRDBAND, "RDBAND"),
    (libc::POLLPRI, "PRI"),
    (libc::POLLOUT, "OUT"),
    (libc::POLLWRNORM, "WRNORM"),
    (libc::POLLWRBAND, "WRBAND"),
    (MSG, "MSG"),
    (libc::POLLERR, "ERR"),
    (libc::POLLHUP, "HUP"),
    (libc::POLLRDHUP, "RDHUP"),
    (libc::POLLNVAL, "NVAL"),
];
/// POLLMSG, which nothing sets.
const MSG: i16 = 0x400;
/// What is asked for: all that can be.
const ALL: i16 = libc::POLLIN
    | libc::POLLRDNORM
    | libc::POLLRDBAND
    | libc::POLLPRI
    | libc::POLLOUT
    | libc::POLLWRNORM
    | libc::POLLWRBAND
    | MSG
    | libc::POLLRDHUP;

/// The file that is asked, and what is at its other end; -1 if nothing is.
#[derive(Clone, Copy)]
struct Ends {
    watched: i32,
    mate: i32,
}

type Step = fn(Ends) -> Outcome;

/// A state of a kind of file.
struct State {
    name: &'static str,
    /// Makes the file, where the kind's column does not.
    make: Option<Make>,
    /// Brings a fresh file there; `None` if it is there already.
    enter: Option<Step>,
    /// Then: the same thing once more, or the next of its sort.
    again: Option<Step>,
}

impl State {
    const fn fresh(name: &'static str) -> Self {
        Self { name, make: None, enter: None, again: None }
    }

    const fn after(name: &'static str, enter: Step) -> Self {
        Self { enter: Some(enter), ..Self::fresh(name) }
    }

    const fn then(name: &'static str, enter: Step, again: Step) -> Self {
        Self { again: Some(again), ..Self::after(name, enter) }
    }

    const fn of(name: &'static str, make: Make) -> Self {
        Self { make: Some(make), ..Self::fresh(name) }
    }
}

type Make = fn() -> Result<Ends, Failure>;

/// What can be in the states of a kind.
struct Column {
    name: &'static str,
    make: Make,
    whose: Whose,
}

/// Which systems have it.
#[derive(Clone, Copy, PartialEq)]
enum Whose {
    /// Both.
    Linux,
    /// It is a device of Postern's own.
    Postern,
}

/// Whether edges are told of.
#[derive(Clone, Copy, PartialEq)]
enum Edges {
    Told,
    /// Linux tells them in its own time.
    InTime,
}

/// A kind of file: a table of the document.
struct Kind {
    title: &'static str,
    /// The first is what the title says; of the others the document has one column each.
    columns: &'static [Column],
    states: &'static [State],
    edges: Edges,
}

fn kinds() -> impl Iterator<Item = &'static Kind> {
    let all = [pipes::KINDS, sockets::KINDS, events::KINDS, terminals::KINDS, files::KINDS];
    all.into_iter().flatten()
}

/// The tests: one for each kind, one more where Postern has devices of its own, and one of the whole table.
pub fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for kind in kinds() {
        let slug = kind.title.to_lowercase().replace(' ', "_");
        let name = format!("{slug}_has_the_masks_of_the_table");
        tests.push(Test { name, body: Box::new(|| agrees(kind, Whose::Linux)) });
        if kind.columns.iter().any(|column| column.whose == Whose::Postern) {
            let name = format!("{slug}_has_the_masks_of_the_table_among_postern_s_own");
            tests.push(Test { name, body: Box::new(|| agrees(kind, Whose::Postern)) });
        }
    }
    let name = "the_table_has_each_kind_and_state_and_no_other".to_string();
    tests.push(Test { name, body: Box::new(is_complete) });
    tests
}

/// A mask in words.
fn words(mask: i16) -> String {
    let names: Vec<_> = BITS.iter().filter(|(bit, _)| mask & bit != 0).map(|(_, name)| *name).collect();
    if names.is_empty() { "0".to_string() } else { names.join(" ") }
}

/// The events of an epoll that watches one file; "no" if it is told of none.
fn told(epoll: i32) -> Sys<String> {
    let events = ready::epoll_ready(epoll)?;
    Ok(events.first().map_or_else(|| "no".to_string(), |(_, mask)| words(i16::try_from(*mask).unwrap_or(-1))))
}

/// An epoll that watches this file; the error in words if it cannot.
fn watch(file: i32, mode: i32) -> Result<Result<i32, String>, Failure> {
    let epoll = ready::epoll_create()?;
    match ready::epoll_add(epoll, file, i32::from(ALL) | mode) {
        Ok(()) => Ok(Ok(epoll)),
        Err(SysError { errno: libc::EPERM, .. }) => Ok(Err("EPERM".to_string())),
        Err(error) => Err(error.into()),
    }
}

/// The masks of poll and of a fresh epoll for a file that has come into its state.
fn levels(column: &Column, state: &State) -> Result<[String; 2], Failure> {
    let ends = state.make.unwrap_or(column.make)()?;
    state.enter.map_or(Ok(()), |enter| enter(ends))?;
    let polled = words(ready::revents(ends.watched, ALL)?);
    let waited = match watch(ends.watched, 0)? {
        Ok(epoll) => told(epoll)?,
        Err(refused) => refused,
    };
    let is_same = waited == polled || (waited == "no" && polled == "0");
    Ok([polled, if is_same { SAME.to_string() } else { waited }])
}

/// What an edge-triggered epoll that watched the file before is told of when the state comes about, and when that comes once more.
fn edges(column: &Column, state: &State) -> Result<[String; 2], Failure> {
    let none = || "–".to_string();
    let ends = state.make.unwrap_or(column.make)()?;
    let epoll = match watch(ends.watched, libc::EPOLLET)? {
        Ok(epoll) => epoll,
        Err(refused) => return Ok([refused.clone(), refused]),
    };
    told(epoll)?;
    let after = |step: Option<Step>| -> Result<String, Failure> {
        let Some(step) = step else { return Ok(none()) };
        step(ends)?;
        let first = told(epoll)?;
        expect_eq(told(epoll)?, "no", "what is told without anything new")?;
        Ok(first)
    };
    Ok([after(state.enter)?, after(state.again)?])
}

/// All four for one column of one state.
fn cells(kind: &Kind, column: &Column, state: &State) -> Result<[String; 4], Failure> {
    let first = fd::dup(0)?;
    fd::close(first)?;
    let [polled, waited] = levels(column, state)?;
    call(libc::SYS_close_range, [word(first), HIGHEST, 0])?;
    let [comes, more] = match kind.edges {
        Edges::Told => edges(column, state)?,
        Edges::InTime => ["–".to_string(), "–".to_string()],
    };
    call(libc::SYS_close_range, [word(first), HIGHEST, 0])?;
    let short = |told: String| if told == polled { "told".to_string() } else { told };
    Ok([polled.clone(), waited, short(comes), short(more)])
}

/// The cells of a row behind its name: four of the first column, then one for each other, "?" for those this system lacks.
fn row(kind: &Kind, state: &State) -> Result<Vec<String>, Failure> {
    let named = |failure| match failure {
        Failure::Failed(reason) => Failure::Failed(format!("{}, {}: {reason}", kind.title, state.name)),
        skipped => skipped,
    };
    let (first, others) = kind.columns.split_first().ok_or_else(|| failed("a kind has a column"))?;
    let usual = cells(kind, first, state).map_err(named)?;
    let mut row = usual.to_vec();
    for column in others {
        let is_here = column.whose == Whose::Linux || is_postern();
        let there = if is_here { Some(cells(kind, column, state).map_err(named)?) } else { None };
        row.push(match there {
            None => "?".to_string(),
            Some(there) if there == usual => SAME.to_string(),
            Some(there) => there.join(" / "),
        });
    }
    Ok(row)
}

fn heading(kind: &Kind) -> Vec<&'static str> {
    let others = kind.columns.iter().skip(1).map(|column| column.name);
    ["state", "poll", "epoll", "comes about", "once more"].into_iter().chain(others).collect()
}

/// The rows of the document's table with this title: the first cell, and the others.
fn documented(title: &str) -> Vec<Vec<&'static str>> {
    let lines = DOCUMENT.lines().skip_while(|line| line.strip_prefix("## ") != Some(title)).skip(1);
    let rows = lines.take_while(|line| !line.starts_with("## ")).filter(|line| line.starts_with('|')).skip(2);
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// Makes the rows of this kind, and compares the columns of which this is about with the document's.
fn agrees(kind: &Kind, whose: Whose) -> Outcome {
    if whose == Whose::Postern {
        needs_postern("has devices of Postern's own")?;
    }
    scratch::enter()?;
    let documented = documented(kind.title);
    let mut differences = Vec::new();
    for (state, there) in kind.states.iter().zip(&documented) {
        let here = row(kind, state)?;
        let columns = heading(kind);
        for (at, cell) in here.iter().enumerate() {
            let of = at.checked_sub(4).map_or(Whose::Linux, |other| kind.columns[other + 1].whose);
            let expected = there.get(at + 1).copied().unwrap_or("nothing");
            if of == whose && cell != expected {
                differences.push(format!("{}, {}: expected {expected}, got {cell}", state.name, columns[at + 1]));
            }
        }
    }
    if differences.is_empty() { Ok(()) } else { Err(failed(differences.join("\n"))) }
}

fn is_complete() -> Outcome {
    let titles: Vec<_> = DOCUMENT.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    expect_eq(titles, kinds().map(|kind| kind.title).collect::<Vec<_>>(), "the tables")?;
    for kind in kinds() {
        let names: Vec<_> = documented(kind.title).iter().filter_map(|row| row.first().copied()).collect();
        expect_eq(names, kind.states.iter().map(|state| state.name).collect::<Vec<_>>(), kind.title)?;
    }
    Ok(())
}

/// Prints the document, with what this system does: `conformance --probe poll-masks`.
///
/// # Errors
/// What could not be tried.
pub fn print_table() -> Outcome {
    scratch::enter()?;
    let head = DOCUMENT.split("## ").next().unwrap_or_default();
    print!("{head}");
    for (number, kind) in kinds().enumerate() {
        if number > 0 {
            println!();
        }
        let heading = heading(kind);
        println!("## {}\n| {} |\n|{}", kind.title, heading.join(" | "), "---|".repeat(heading.len()));
        for state in kind.states {
            println!("| {} | {} |", state.name, row(kind, state)?.join(" | "));
        }
    }
    Ok(())
}
