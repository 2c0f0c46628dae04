//! The table of outcomes, `expected.txt`, as values; the errors' names; and what the table must hold.
//!
//! A paragraph for each call: its name, then a line for each outcome, `error: kind kind …`. A kind may be a group's name, and
//! `others` are those that no line names. Where Linuxes differ, or files of a
//! kind, an outcome is `error/error`, under a line with `#` that says why. Pure, and never sleeps.

use super::super::arguments;
use crate::check::{Failure, Outcome, expect, failed};
use std::collections::{BTreeMap, BTreeSet};

const TABLE: &str = include_str!("expected.txt");

/// The calls with a descriptor among their arguments that the table need not have, and why.
const ELSEWHERE: [(&str, &str); 2] =
    [("close_range", "takes numbers whether open or not"), ("finit_module", "the suite `modules`")];

/// Kinds that mostly go together.
const GROUPS: [(&str, &[&str]); 7] = [
    ("not_open", &["closed", "minus_one", "lowest", "huge"]),
    ("paths", &["path_of_file", "path_of_directory"]),
    ("directories", &["directory", "proc_directory"]),
    ("pipes", &["pipe_to_read", "pipe_to_write", "fifo_to_read", "fifo_to_write", "fifo_for_both"]),
    ("sockets", &["stream", "datagrams", "packets", "unconnected", "listener"]),
    ("terminals", &["terminal", "master"]),
    ("events", &["epoll", "eventfd", "timerfd", "signalfd"]),
];
const OTHERS: &str = "others";

macro_rules! errors {
    ($($name:ident)+) => { &[$((libc::$name, stringify!($name))),+] };
}

/// The errors that the table may name.
pub(super) const ERRORS: &[(i32, &str)] = errors![
    EPERM ENOENT EINTR EIO ENXIO ENOEXEC EBADF EAGAIN ENOMEM EACCES EFAULT EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL
    ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE ERANGE ELOOP ENOSYS ENOTSOCK EDESTADDRREQ EMSGSIZE
    EOPNOTSUPP EADDRINUSE ENOTCONN EISCONN ECONNREFUSED EOVERFLOW EPROTOTYPE ENOPROTOOPT ECONNRESET
];

/// What each kind of descriptor gives with one call.
pub(super) struct Outcomes(BTreeMap<&'static str, &'static str>);

impl Outcomes {
    /// What this kind gives, as the table has it.
    pub fn with(&self, kind: &str) -> &'static str {
        self.0.get(kind).or(self.0.get(OTHERS)).copied().unwrap_or("nothing")
    }
}

/// The paragraph of a call.
pub(super) fn of(call: &str) -> Result<Outcomes, Failure> {
    let lines = TABLE.lines().skip_while(|line| *line != call).skip(1);
    let mut outcomes = BTreeMap::new();
    for line in lines.map_while(|line| line.strip_prefix("    ")).filter(|line| !line.starts_with('#')) {
        let (outcome, kinds) = line.split_once(": ").ok_or_else(|| failed(format!("no outcome: {line}")))?;
        for word in kinds.split(' ') {
            let group = GROUPS.iter().find(|(name, _)| *name == word).map(|(_, kinds)| *kinds);
            for kind in group.unwrap_or(&[word]) {
                expect(outcomes.insert(*kind, outcome).is_none(), &format!("{kind} is there once for {call}"))?;
            }
        }
    }
    expect(!outcomes.is_empty(), "the call is in the table")?;
    Ok(Outcomes(outcomes))
}

/// A paragraph of these outcomes by kind, the most frequent one standing for others.
pub(super) fn paragraph(call: &str, outcomes: &[(&str, &str)]) -> String {
    let mut by_outcome: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (kind, outcome) in outcomes {
        by_outcome.entry(outcome).or_default().push(kind);
    }
    let most = by_outcome.iter().max_by_key(|(_, kinds)| kinds.len()).map_or("", |(outcome, _)| *outcome);
    let mut text = format!("{call}\n");
    for (outcome, mut kinds) in by_outcome {
        if outcome == most {
            kinds = vec![OTHERS];
        }
        for (name, members) in GROUPS {
            if members.iter().all(|member| kinds.contains(member)) {
                let at = kinds.iter().position(|kind| *kind == members[0]).unwrap_or(0);
                kinds[at] = name;
                kinds.retain(|kind| !members.contains(kind));
            }
        }
        text += &format!("    {outcome}: {}\n", kinds.join(" "));
    }
    text
}

/// Every call of Postern's that takes a descriptor is tried, and nothing is expected of one that is not.
pub(super) fn is_complete(rows: impl Iterator<Item = &'static str>) -> Outcome {
    let rows: BTreeSet<&str> = rows.collect();
    let names: BTreeSet<&str> = TABLE.lines().filter(|line| !line.starts_with(' ')).collect();
    let unused: Vec<_> = names.difference(&rows).collect();
    expect(unused.is_empty(), &format!("the table has calls that are made: {unused:?}"))?;
    let tried: BTreeSet<&str> = rows.iter().filter_map(|row| row.split(' ').next()).collect();
    let taken = arguments::of(arguments::Kind::Descriptor)?;
    let is_known = |call: &str| tried.contains(call) || ELSEWHERE.iter().any(|(name, _)| *name == call);
    let missing: BTreeSet<_> = taken.iter().map(|argument| argument.call).filter(|call| !is_known(call)).collect();
    expect(missing.is_empty(), &format!("every call with a descriptor is tried, but for {missing:?}"))
}
