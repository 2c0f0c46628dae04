//! Which of those who wait gets how much, and in what order. Eight readers of a place into which one byte at a time is written;
//! and eight writers of blocks to a full place from which one block at a time is read. All came one after another, so it is known
//! whose turn it is: who waits longest. Seed 001, section 4.5: "the chained wake-up preserves FIFO fairness".

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::crowd::{self, Member, PLACES, Place, gather};
use super::figures::Figures;
use super::{Print, amount};
use crate::failure::Failure;
use crate::mechanism::Mechanism;
use crate::mechanism::descriptor::{read_some, write_some};
use crate::mechanism::hello::Hello;
use crate::mechanism::myipc::MyIpc;
use crate::options::Options;

/// How many wait.
const CROWD: usize = 8;
/// What a writer writes: as much as is atomic.
const BLOCK_BYTES: usize = 4096;
/// The beginning of the order that is shown.
const SHOWN: usize = 24;

/// The probe.
pub fn probe(options: &Options, print: &mut Print<'_>) -> Result<(), Failure> {
    Hello.availability()?;
    let deadline = options.plan().deadline;
    let events = amount(options, 800, 80);
    let readers = |place: Place| readers(place, events, deadline);
    print.table(&table(format!("{events} bytes for {CROWD} readers: how many each got"), 0, readers)?)?;
    let blocks = amount(options, 100, 20);
    let writers = |place: Place| writers(place, blocks, deadline);
    let title = format!("{CROWD} writers of {blocks} blocks: how many of the first half were each one's");
    print.table(&table(title, 1, writers)?)
}

/// The table of what `order` finds at each of the places that are here.
fn table(title: String, first: u64, order: impl Fn(Place) -> Result<Vec<u64>, Failure>) -> Result<Figures, Failure> {
    let mut figures = Figures { title, rows_are: "waiter", columns: Vec::new(), rows: Vec::new(), notes: Vec::new() };
    figures.rows = (0..CROWD).map(|waiter| (waiter.to_string(), Vec::new())).collect();
    for (name, place) in PLACES {
        if name == "myipc" && MyIpc.availability().is_err() {
            continue;
        }
        let order = order(place()?)?;
        figures.columns.push(name.to_owned());
        for (waiter, (_, row)) in figures.rows.iter_mut().enumerate() {
            row.push(Some(order.iter().filter(|who| **who == waiter as u64).count() as f64));
        }
        let mut turns = order;
        // What one gets in a row is one turn, for he did not wait in between.
        turns.dedup();
        let shown: Vec<_> = turns.iter().take(SHOWN).map(ToString::to_string).collect();
        let (kept, all) = (turns_kept(&turns, first), turns.len());
        figures
            .notes
            .push(format!("{name}: {kept} of {all} turns were his who waited longest; {} ...", shown.join(" ")));
    }
    Ok(figures)
}

/// How many turns in `order` were theirs who had waited longest: `first` in the beginning, then who was served least recently.
fn turns_kept(order: &[u64], first: u64) -> usize {
    let mut queue: VecDeque<u64> = (first..CROWD as u64).chain(0..first).collect();
    let mut kept = 0;
    for who in order {
        kept += usize::from(queue.front() == Some(who));
        queue.retain(|waiter| waiter != who);
        queue.push_back(*who);
    }
    kept
}

/// Which readers got the bytes.
fn readers(place: Place, count: u64, deadline: Duration) -> Result<Vec<u64>, Failure> {
    let (members, events) = crowd::waiters(place, CROWD)?;
    gather(members, deadline, move |arrivals| {
        arrivals.admit()?;
        let order: io::Result<Vec<u64>> = (0..count).map(|_| events.event().map(u64::from)).collect();
        events.end()?;
        Ok(order?)
    })
}

/// Whose blocks came, until half of all had.
fn writers((reader, writer): Place, blocks: u64, deadline: Duration) -> Result<Vec<u64>, Failure> {
    let mut members = Vec::<Member>::with_capacity(CROWD);
    for own in 0..CROWD {
        let writer = writer.try_clone()?;
        let block = vec![u8::try_from(own).unwrap_or(u8::MAX); BLOCK_BYTES];
        members.push(Box::new(move || {
            (0..blocks).try_for_each(|_| write_block(&writer, &block))?;
            Ok(())
        }));
    }
    drop(writer);
    gather(members, deadline, move |arrivals| {
        arrivals.admit()?;
        let all = (0..blocks * CROWD as u64).map(|_| read_block(&reader)).collect::<Result<Vec<_>, _>>()?;
        // The place was full of the first comer's blocks, whose next then had its turn: from there on counts.
        let first = all.iter().position(|who| *who != 0).unwrap_or(0);
        let half = first + (all.len() - first) / 2;
        Ok(all[first..half].to_vec())
    })
}

fn write_block(writer: &OwnedFd, block: &[u8]) -> io::Result<()> {
    let mut rest = block;
    while !rest.is_empty() {
        rest = &rest[write_some(writer, rest)?..];
    }
    Ok(())
}

/// Whose block the next is. It came whole, or several writers' bytes are mixed.
fn read_block(reader: &OwnedFd) -> Result<u64, Failure> {
    let mut block = [0; BLOCK_BYTES];
    let mut filled = 0;
    while filled < block.len() {
        filled += read_some(reader, &mut block[filled..])?;
    }
    Ok(u64::from(block[0]))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{CROWD, readers, turns_kept, writers};
    use crate::probe::crowd::pipe;
    use crate::system::process::alone;

    #[test]
    fn a_round_keeps_every_turn_and_a_favourite_keeps_one() {
        let round: Vec<u64> = (0..CROWD as u64).cycle().take(40).collect();
        assert_eq!(turns_kept(&round, 0), 40);
        assert_eq!(turns_kept(&[0; 40], 0), 1);
        assert_eq!(turns_kept(&[1, 2, 3], 1), 3);
        assert_eq!(turns_kept(&[1, 2, 3], 0), 0);
    }

    #[test]
    fn all_that_was_sent_is_somebodys() {
        let _turn = alone();
        let order = readers(pipe().expect("a pipe"), 80, Duration::from_secs(30)).expect("runs");
        assert!(order.len() == 80 && order.iter().all(|who| *who < CROWD as u64));
        let order = writers(pipe().expect("a pipe"), 20, Duration::from_secs(30)).expect("runs");
        assert!(order.iter().all(|who| *who < CROWD as u64));
    }
}
