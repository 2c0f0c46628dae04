//! Who waits for whom, by a recording of the kernel's trace points: the threads that slept at its end, what for, and what happened
//! to that pipe last. Pure.
//!
//! A thread that waits at a pipe waits for those who have used its other side; whoever has not done so while it was recorded is not
//! known. `docs/tracing.md` has an example.

use postern_abi::trace::{Kind, Record};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::{self, Display, Formatter};

/// Events kept of each pipe.
const LAST: usize = 6;

/// What a thread waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// Bytes in the pipe, or in the ring of /dev/hello, with this address.
    Bytes(u64),
    /// Room there.
    Room(u64),
    /// Something that no event told of.
    Unknown,
}

/// A thread that sleeps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sleeper {
    /// Its number.
    pub tid: u32,
    /// The system call, and its first argument.
    pub call: Option<[u64; 2]>,
    /// What for.
    pub need: Need,
    /// Those who could give it.
    pub by: BTreeSet<u32>,
}

/// How things stood at the end of a recording.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Waits {
    /// Who slept, by number.
    pub sleepers: Vec<Sleeper>,
    /// Threads each of which waits for the next, and the last for the first.
    pub circle: Vec<u32>,
    /// The last events of the pipes that somebody waits at, by address.
    pub pipes: BTreeMap<u64, Vec<Record>>,
}

/// A thread while the recording is gone through.
#[derive(Default)]
struct Thread {
    call: Option<[u64; 2]>,
    need: Option<Need>,
    is_asleep: bool,
}

/// A pipe, likewise.
#[derive(Default)]
struct Pipe {
    readers: BTreeSet<u32>,
    writers: BTreeSet<u32>,
    last: VecDeque<Record>,
}

/// How things stood after `records`, those of all CPUs in order of time.
pub fn waits(records: &[Record]) -> Waits {
    let mut threads: BTreeMap<u32, Thread> = BTreeMap::new();
    let mut pipes: HashMap<u64, Pipe> = HashMap::new();
    for record in records {
        note_pipe(&mut pipes, record);
        let thread = threads.entry(record.tid).or_default();
        match record.kind {
            Kind::SyscallEnter => {
                *thread = Thread { call: Some([record.arguments[0], record.arguments[1]]), ..Thread::default() };
            }
            Kind::SyscallExit => *thread = Thread::default(),
            Kind::PipeEmpty | Kind::HelloEmpty => thread.need = Some(Need::Bytes(record.arguments[0])),
            Kind::PipeFull | Kind::HelloFull => thread.need = Some(Need::Room(record.arguments[0])),
            Kind::Sleep => thread.is_asleep = true,
            Kind::Run => thread.is_asleep = false,
            // Among what is missing anybody may have gone on.
            Kind::Lost => threads.clear(),
            _ => {}
        }
    }
    let asleep = threads.iter().filter(|(tid, thread)| **tid != 0 && thread.is_asleep);
    let sleepers: Vec<_> = asleep.map(|(&tid, thread)| sleeper(tid, thread, &pipes)).collect();
    let waited_at: HashSet<u64> = sleepers.iter().filter_map(|sleeper| sleeper.need.pipe()).collect();
    let pipes = pipes.into_iter().filter(|(pipe, _)| waited_at.contains(pipe));
    let pipes = pipes.map(|(pipe, seen)| (pipe, seen.last.into())).collect();
    Waits { circle: circle(&sleepers), sleepers, pipes }
}

fn note_pipe(pipes: &mut HashMap<u64, Pipe>, record: &Record) {
    let is_reader = match record.kind {
        Kind::PipeRead | Kind::PipeEmpty | Kind::HelloRead | Kind::HelloEmpty => true,
        Kind::PipeWrite | Kind::PipeFull | Kind::HelloWrite | Kind::HelloFull => false,
        _ => return,
    };
    let pipe = pipes.entry(record.arguments[0]).or_default();
    if is_reader { &mut pipe.readers } else { &mut pipe.writers }.insert(record.tid);
    if pipe.last.len() == LAST {
        pipe.last.pop_front();
    }
    pipe.last.push_back(*record);
}

fn sleeper(tid: u32, thread: &Thread, pipes: &HashMap<u64, Pipe>) -> Sleeper {
    let need = thread.need.unwrap_or(Need::Unknown);
    let seen = need.pipe().and_then(|pipe| pipes.get(&pipe));
    let mut by = match (need, seen) {
        (Need::Bytes(_), Some(pipe)) => pipe.writers.clone(),
        (Need::Room(_), Some(pipe)) => pipe.readers.clone(),
        _ => BTreeSet::new(),
    };
    by.remove(&tid);
    Sleeper { tid, call: thread.call, need, by }
}

/// A circle among those that wait for nobody who is awake, if there is one.
fn circle(sleepers: &[Sleeper]) -> Vec<u32> {
    let mut stuck: BTreeMap<u32, &BTreeSet<u32>> =
        sleepers.iter().filter(|sleeper| !sleeper.by.is_empty()).map(|sleeper| (sleeper.tid, &sleeper.by)).collect();
    // Whoever can be helped by somebody that is not stuck is not stuck either.
    loop {
        let helped = stuck.iter().find(|(_, by)| by.iter().any(|other| !stuck.contains_key(other)));
        let Some((&tid, _)) = helped else { break };
        stuck.remove(&tid);
    }
    let Some((&first, _)) = stuck.first_key_value() else { return Vec::new() };
    let mut way = vec![first];
    loop {
        let next = way.last().and_then(|tid| stuck.get(tid)?.first().copied()).unwrap_or(first);
        if let Some(start) = way.iter().position(|tid| *tid == next) {
            return way.split_off(start);
        }
        way.push(next);
    }
}

impl Need {
    fn pipe(self) -> Option<u64> {
        match self {
            Self::Bytes(pipe) | Self::Room(pipe) => Some(pipe),
            Self::Unknown => None,
        }
    }
}

impl Display for Sleeper {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "thread {} sleeps", self.tid)?;
        if let Some([number, first]) = self.call {
            write!(out, " in call {number} (first argument {first:#x})")?;
        }
        match self.need {
            Need::Bytes(pipe) => write!(out, ", for bytes in {pipe:#x}")?,
            Need::Room(pipe) => write!(out, ", for room in {pipe:#x}")?,
            Need::Unknown => return Ok(()),
        }
        if self.by.is_empty() {
            return out.write_str(", of nobody who was seen there");
        }
        let by: Vec<String> = self.by.iter().map(|tid| format!("thread {tid}")).collect();
        write!(out, ", of {}", by.join(" or "))
    }
}

impl Display for Waits {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for sleeper in &self.sleepers {
            writeln!(out, "{sleeper}")?;
        }
        if !self.circle.is_empty() {
            let names: Vec<String> = self.circle.iter().map(u32::to_string).collect();
            writeln!(out, "a circle, each waits for the next: {} -> {}", names.join(" -> "), names[0])?;
        }
        for (pipe, last) in &self.pipes {
            writeln!(out, "the last events of {pipe:#x}:")?;
            for record in last {
                let bytes = match record.kind {
                    Kind::PipeRead | Kind::PipeWrite | Kind::HelloRead | Kind::HelloWrite => record.arguments[1],
                    _ => 0,
                };
                writeln!(out, "  thread {:<6} {:<12} {bytes} bytes", record.tid, record.kind.name())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(events: &[(u32, Kind, u64)]) -> Vec<Record> {
        let record = |(ticks, &(tid, kind, first)): (u64, &(u32, Kind, u64))| Record {
            ticks,
            count: ticks,
            tid,
            cpu: 0,
            kind,
            arguments: [first, 1, 0],
        };
        (1..).zip(events).map(record).collect()
    }

    /// A thread that sleeps for bytes in a pipe.
    fn sleeps(tid: u32, pipe: u64) -> [(u32, Kind, u64); 3] {
        [(tid, Kind::SyscallEnter, 63), (tid, Kind::PipeEmpty, pipe), (tid, Kind::Sleep, 0)]
    }

    #[test]
    fn two_that_wait_for_each_other_are_a_circle() {
        let mut events = vec![(5, Kind::PipeWrite, 0x10), (6, Kind::PipeWrite, 0x20)];
        events.extend(sleeps(5, 0x20));
        events.extend(sleeps(6, 0x10));
        let waits = waits(&records(&events));
        assert_eq!(waits.circle, [5, 6]);
        let by: Vec<_> = waits.sleepers.iter().map(|sleeper| (sleeper.tid, sleeper.need, sleeper.by.len())).collect();
        assert_eq!(by, [(5, Need::Bytes(0x20), 1), (6, Need::Bytes(0x10), 1)]);
        assert_eq!(waits.pipes[&0x10].last().map(|record| (record.tid, record.kind)), Some((6, Kind::PipeEmpty)));
    }

    #[test]
    fn who_waits_for_one_that_runs_is_in_no_circle() {
        let mut events = vec![(5, Kind::PipeWrite, 0x10), (6, Kind::PipeWrite, 0x20)];
        events.extend(sleeps(5, 0x20));
        let waits = waits(&records(&events));
        assert_eq!((waits.circle.len(), waits.sleepers.len()), (0, 1));
        assert!(waits.to_string().contains("thread 5 sleeps in call 63"), "{waits}");
    }

    #[test]
    fn a_writer_at_a_full_pipe_waits_for_its_readers() {
        let events =
            [(8, Kind::PipeRead, 0x10), (7, Kind::SyscallEnter, 64), (7, Kind::PipeFull, 0x10), (7, Kind::Sleep, 0)];
        let waits = waits(&records(&events));
        assert_eq!(waits.sleepers[0].need, Need::Room(0x10));
        assert_eq!(waits.sleepers[0].by, BTreeSet::from([8]));
    }

    #[test]
    fn who_went_on_or_is_lost_sight_of_does_not_wait() {
        for end in [(5, Kind::Run, 0), (5, Kind::SyscallExit, 0), (0, Kind::Lost, 1)] {
            let mut events = sleeps(5, 0x20).to_vec();
            events.push(end);
            assert_eq!(waits(&records(&events)), Waits::default(), "after {end:?}");
        }
    }

    #[test]
    fn only_the_last_events_of_a_pipe_are_kept() {
        let mut events = vec![(6, Kind::PipeWrite, 0x20); 100];
        events.extend(sleeps(5, 0x20));
        assert_eq!(waits(&records(&events)).pipes[&0x20].len(), LAST);
    }
}
