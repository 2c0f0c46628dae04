//! What an event costs when many wait for it. One byte is written, one of the waiters gets it and answers: how many were woken,
//! how many of them for nothing, how many switches it took, and what it cost altogether. On /dev/hello, with exclusive wake-ups
//! on and off, where it is; on a pipe, which says nothing of its wakes. Seed 001, section 4.5.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::crowd::{self, LARGEST, MakePlace, Place, gather};
use super::figures::Figures;
use super::{Print, amount};
use crate::clock::now_ns;
use crate::failure::Failure;
use crate::mechanism::Mechanism;
use crate::mechanism::hello::{self, Hello};
use crate::options::Options;
use crate::statistics::ratio;
use crate::system::parameters::Claim;

/// Sizes of the herd.
const SIZES: [usize; 7] = [1, 2, 4, 8, 16, 32, LARGEST];

/// What is known of a place's own counters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Counters {
    /// `HELLO_IOC_STAT` tells them.
    Hello,
    /// It has none.
    None,
}

/// The probe.
pub fn probe(options: &Options, print: &mut Print<'_>) -> Result<(), Failure> {
    let events = amount(options, 1_000, 50);
    let table = |title: &str, place: MakePlace, counters| {
        let mut rows = Vec::new();
        for size in SIZES {
            let figures = figures(place()?, size, events, counters, options.plan().deadline)?;
            rows.push((size.to_string(), figures));
        }
        let columns = [&format!("{}/event", options.unit.short_name()), "wakes", "for nothing", "switches"];
        let columns = columns.map(ToString::to_string).to_vec();
        Ok::<_, Failure>(Figures { title: title.to_owned(), rows_are: "waiters", columns, rows, notes: Vec::new() })
    };
    if Hello.availability().is_ok() {
        let claim = Claim::to("hello")?;
        print.table(&table("hello, exclusive on", hello::one_way, Counters::Hello)?)?;
        let broadcast = claim.change("exclusive", "N").map_err(|error| Failure::during("exclusive off", &error))?;
        let everybody = table("hello, exclusive off", hello::one_way, Counters::Hello);
        drop(broadcast);
        print.table(&everybody?)?;
    }
    print.table(&table("pipe", crowd::pipe, Counters::None)?)
}

/// For `waiters` at `place`, per event: the cost, wakes, wakes for nothing, switches.
pub fn figures(
    place: Place,
    waiters: usize,
    count: u64,
    counters: Counters,
    deadline: Duration,
) -> Result<Vec<Option<f64>>, Failure> {
    let observer = place.1.try_clone()?;
    let (members, events) = crowd::waiters(place, waiters)?;
    let counts = gather(members, deadline, move |arrivals| {
        arrivals.admit()?;
        let before = wakes_and_switches(&observer, counters)?;
        let started_ns = now_ns();
        for _ in 0..count {
            events.event()?;
        }
        let elapsed_ns = now_ns() - started_ns;
        let after = wakes_and_switches(&observer, counters)?;
        events.end()?;
        let mut counts = vec![elapsed_ns];
        counts.extend(after.iter().zip(before).map(|(after, before)| after.saturating_sub(before)));
        Ok(counts)
    })?;
    let known = [true, counters == Counters::Hello, counters == Counters::Hello, true];
    Ok(counts.iter().zip(known).map(|(sum, known)| if known { ratio(*sum, count) } else { None }).collect())
}

fn wakes_and_switches(file: &OwnedFd, counters: Counters) -> io::Result<[u64; 3]> {
    let (wakes, for_nothing) = match counters {
        Counters::Hello => hello::stat(file).map(|stat| (stat.counters.wakes, stat.counters.spurious_wakes))?,
        Counters::None => (0, 0),
    };
    Ok([wakes, for_nothing, switches_of(&fs::read_to_string("/proc/stat")?)])
}

/// The context switches in this text of /proc/stat.
fn switches_of(stat: &str) -> u64 {
    let counts = stat.lines().filter_map(|line| line.strip_prefix("ctxt "));
    counts.filter_map(|count| count.trim().parse().ok()).next().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Counters, figures, switches_of};
    use crate::probe::crowd;
    use crate::system::process::alone;

    #[test]
    fn switches_are_read_from_their_line() {
        assert_eq!(switches_of("cpu 1 2\nintr 7\nctxt 4711\nbtime 1\n"), 4711);
        assert_eq!(switches_of("nothing"), 0);
    }

    #[test]
    fn a_pipe_has_costs_and_switches_but_no_wakes() {
        let _turn = alone();
        let place = crowd::pipe().expect("a pipe");
        let figures = figures(place, 3, 50, Counters::None, Duration::from_secs(30)).expect("runs");
        assert!(figures[0].is_some_and(|cost| cost > 0.0));
        assert_eq!((figures[1], figures[2]), (None, None));
        assert!(figures[3].is_some_and(|switches| switches >= 1.0), "{figures:?}");
    }
}
