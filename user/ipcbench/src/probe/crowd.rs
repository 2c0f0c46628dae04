//! A crowd: processes that come to the same place one after another, each when the one before has gone to sleep there, and a
//! director who then does something to them. So the order of arrival is known, and the same in every run.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::failure::Failure;
use crate::mechanism::descriptor::{read_some, write_some};
use crate::mechanism::{hello, myipc};
use crate::supervise::{Body, Report, Role, supervise};
use crate::system::mapping::SharedMapping;
use crate::system::raw::{checked, futex_wait, futex_wake_one};

/// The most members.
pub const LARGEST: usize = 64;
/// Where the words begin that let the members come, one for each; the words before are the members' process numbers.
const GATES: usize = LARGEST;
/// In such a word: the member may come.
const OPEN: u32 = 1;

/// What a member does once it may come.
pub type Member = Box<dyn FnOnce() -> Result<(), Failure>>;

/// Where members sleep: both ends of one direction.
pub type Place = (OwnedFd, OwnedFd);

/// How a place is made.
pub type MakePlace = fn() -> io::Result<Place>;

/// The places that can be compared, by name.
pub const PLACES: [(&str, MakePlace); 3] = [("hello", hello::one_way), ("pipe", pipe), ("myipc", myipc::one_way)];

/// A pipe as a place.
///
/// # Errors
/// What pipe(2) says.
pub fn pipe() -> io::Result<Place> {
    io::pipe().map(|(reader, writer)| (reader.into(), writer.into()))
}

/// Who has come.
pub struct Arrivals {
    board: Rc<SharedMapping>,
    members: usize,
}

impl Arrivals {
    /// Lets the members come, and returns when the last is asleep.
    ///
    /// # Errors
    /// What reading /proc says.
    pub fn admit(&self) -> io::Result<()> {
        for member in 0..self.members {
            let gate = self.board.word(GATES + member);
            gate.store(OPEN, Ordering::Release);
            checked(futex_wake_one(gate))?;
            while !self.is_asleep(member)? {
                std::thread::yield_now();
            }
        }
        Ok(())
    }

    fn is_asleep(&self, member: usize) -> io::Result<bool> {
        match self.board.word(member).load(Ordering::Acquire) {
            0 => Ok(false),
            process => Ok(is_sleeping(&fs::read_to_string(format!("/proc/{process}/stat"))?)),
        }
    }
}

/// Whether this text of /proc/PID/stat is that of a process that sleeps.
fn is_sleeping(stat: &str) -> bool {
    // The name before it may hold anything, parentheses too.
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('S'))
}

/// Runs `members`, at most [`LARGEST`], under `direct`; what that counted.
///
/// # Errors
/// The failures of all; or that `deadline` passed.
pub fn gather(
    members: Vec<Member>,
    deadline: Duration,
    direct: impl FnOnce(&Arrivals) -> Result<Vec<u64>, Failure> + 'static,
) -> Result<Vec<u64>, Failure> {
    let board = Rc::new(SharedMapping::anonymous(4096)?);
    let arrivals = Arrivals { board: Rc::clone(&board), members: members.len() };
    let director: Body = Box::new(move || Ok(Report { counts: direct(&arrivals)?, ..Report::default() }));
    // First, so that those forked after it do not hold its end of the place.
    let mut roles = vec![Role { name: "director", cpu: None, body: director }];
    for (own, member) in members.into_iter().enumerate() {
        let board = Rc::clone(&board);
        let body: Body = Box::new(move || {
            come(&board, own);
            member().map(|()| Report::default())
        });
        roles.push(Role { name: "member", cpu: None, body });
    }
    let reports = supervise(roles, deadline)?;
    Ok(reports.into_iter().next().map(|director| director.counts).unwrap_or_default())
}

/// Sleeps until the member `own` may come, and says that it is there.
fn come(board: &SharedMapping, own: usize) {
    let gate = board.word(GATES + own);
    while gate.load(Ordering::Acquire) != OPEN {
        futex_wait(gate, 0);
    }
    board.word(own).store(std::process::id(), Ordering::Release);
}

/// The byte that sends a waiter home.
const GO_HOME: u8 = 0;
/// The byte that is an event.
const EVENT: u8 = 1;

/// The director's means: one byte is an event, and who gets it says so.
pub struct Events {
    writer: OwnedFd,
    answers: OwnedFd,
    waiters: usize,
}

impl Events {
    /// One event; the number of the waiter who got it.
    ///
    /// # Errors
    /// What the calls say.
    #[inline]
    pub fn event(&self) -> io::Result<u8> {
        let mut who = [0];
        while write_some(&self.writer, &[EVENT])? == 0 {}
        while read_some(&self.answers, &mut who)? == 0 {}
        Ok(who[0])
    }

    /// Sends everybody home.
    ///
    /// # Errors
    /// What write(2) says.
    pub fn end(&self) -> io::Result<()> {
        for _ in 0..self.waiters {
            while write_some(&self.writer, &[GO_HOME])? == 0 {}
        }
        Ok(())
    }
}

/// So many waiters for events at `place`, and the director's means.
///
/// # Errors
/// What making pipes and copies of descriptors says.
pub fn waiters(place: Place, count: usize) -> io::Result<(Vec<Member>, Events)> {
    let (reader, writer) = place;
    let (answers, answer) = io::pipe()?;
    let answer = OwnedFd::from(answer);
    let mut members = Vec::<Member>::with_capacity(count);
    for own in 0..count {
        let (reader, answer) = (reader.try_clone()?, answer.try_clone()?);
        let own = u8::try_from(own).map_err(|_| io::ErrorKind::InvalidInput)?;
        members.push(Box::new(move || Ok(wait_for_events(&reader, &answer, own)?)));
    }
    Ok((members, Events { writer, answers: answers.into(), waiters: count }))
}

fn wait_for_events(reader: &OwnedFd, answer: &OwnedFd, own: u8) -> io::Result<()> {
    loop {
        let mut byte = [GO_HOME];
        while read_some(reader, &mut byte)? == 0 {}
        if byte == [GO_HOME] {
            return Ok(());
        }
        while write_some(answer, &[own])? == 0 {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{gather, is_sleeping, pipe, waiters};
    use crate::system::process::alone;

    #[test]
    fn a_sleeper_is_known_by_its_state_whatever_its_name() {
        assert!(is_sleeping("12 (a) R (b) S 1 12 12"));
        assert!(!is_sleeping("12 (S) R 1 12 12"));
        assert!(!is_sleeping(""));
    }

    #[test]
    fn every_event_is_answered_by_one_waiter_and_all_go_home() {
        let _turn = alone();
        let (members, events) = waiters(pipe().expect("a pipe"), 5).expect("descriptors");
        let direct = move |arrivals: &super::Arrivals| {
            arrivals.admit()?;
            let mut counts = vec![0; 5];
            for _ in 0..100 {
                counts[usize::from(events.event()?)] += 1;
            }
            events.end()?;
            Ok(counts)
        };
        let counts = gather(members, Duration::from_secs(30), direct).expect("all go home");
        assert_eq!(counts.iter().sum::<u64>(), 100);
    }
}
