//! The life of a blocking read: what of a recording belongs to which of its steps. Pure.
//!
//! The steps are those of docs/waiting.md. Between its call and its return a CPU executes something at every moment, for the
//! reader or for others; each instruction is in one step, so the steps add up to the whole.

use postern_abi::trace::{Kind, Record};
use std::collections::HashMap;

/// read(2), readv(2): what may wait for bytes.
const CALLS: [u64; 2] = [63, 65];

/// What a reader goes through, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// From the call to the look that finds nothing.
    Check,
    /// Into the wait queue.
    Enqueue,
    /// To the second look, which finds nothing either.
    CheckAgain,
    /// Up to the decision to sleep.
    Prepare,
    /// Off the CPU, and until it is somebody's turn to wake it: here the CPU works for others.
    Sleep,
    /// From the wake-up to the return of the call.
    Wake,
}

impl Step {
    /// All, in order.
    pub const ALL: [Self; 6] = [Self::Check, Self::Enqueue, Self::CheckAgain, Self::Prepare, Self::Sleep, Self::Wake];

    /// Its name and what it is.
    pub fn text(self) -> &'static str {
        match self {
            Self::Check => "1 check: nothing is there",
            Self::Enqueue => "2 enqueue: into the wait queue",
            Self::CheckAgain => "3 check again: still nothing",
            Self::Prepare => "4 prepare: it will sleep",
            Self::Sleep => "5 yield and sleep",
            Self::Wake => "6 wake: run, copy, return",
        }
    }

    /// The step that follows upon an event of the reader, if one does.
    fn after(self, event: Kind) -> Option<Self> {
        match (self, event) {
            (Self::Check, Kind::PipeEmpty | Kind::HelloEmpty) => Some(Self::Enqueue),
            (Self::Enqueue, Kind::Enqueue) => Some(Self::CheckAgain),
            (Self::CheckAgain, Kind::PipeEmpty | Kind::HelloEmpty) => Some(Self::Prepare),
            (Self::Prepare, Kind::Sleep) => Some(Self::Sleep),
            _ => None,
        }
    }
}

/// What was executed in a step: for the reader, and for others on its CPU meanwhile.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Cost {
    /// In the reader's name.
    pub reader: u64,
    /// In others'.
    pub others: u64,
}

/// A read that slept, from call to return.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Life {
    /// Whose.
    pub tid: u32,
    /// Of each step, in their order.
    pub costs: [Cost; 6],
    /// From its call to its return.
    pub total: u64,
}

/// A read under way.
struct Begun {
    from: u64,
    step: Step,
    costs: [Cost; 6],
}

/// The lives of all reads that slept once and were woken, call and return on one CPU. `records` are those of one CPU.
pub fn lives<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<Life> {
    let mut lives = Vec::new();
    let mut begun: HashMap<u32, Begun> = HashMap::new();
    let mut last: Option<&Record> = None;
    for record in records {
        if record.kind == Kind::Lost {
            // What is missing may be anything of anybody's.
            begun.clear();
            last = None;
            continue;
        }
        if let Some(last) = last {
            let passed = record.count.wrapping_sub(last.count);
            // Who is on the CPU after the last event: it stands in the event, but for a switch.
            let runs = if last.kind == Kind::Switch { u64::from(last.tid) } else { u64::from(record.tid) };
            for (&tid, read) in &mut begun {
                let cost = &mut read.costs[read.step as usize];
                *if runs == u64::from(tid) { &mut cost.reader } else { &mut cost.others } += passed;
            }
        }
        step_on(&mut begun, &mut lives, record);
        last = Some(record);
    }
    lives
}

fn step_on(begun: &mut HashMap<u32, Begun>, lives: &mut Vec<Life>, record: &Record) {
    match record.kind {
        Kind::SyscallEnter if CALLS.contains(&record.arguments[0]) => {
            begun.insert(record.tid, Begun { from: record.count, step: Step::Check, costs: Default::default() });
        }
        Kind::SyscallExit => {
            let Some(read) = begun.remove(&record.tid) else { return };
            if read.step == Step::Wake {
                let total = record.count - read.from;
                lives.push(Life { tid: record.tid, costs: read.costs, total });
            }
        }
        Kind::Wake => {
            let woken = u32::try_from(record.arguments[0]).unwrap_or(0);
            if let Some(read) = begun.get_mut(&woken).filter(|read| read.step == Step::Sleep) {
                read.step = Step::Wake;
            }
        }
        event => {
            if let Some(read) = begun.get_mut(&record.tid)
                && let Some(next) = read.step.after(event)
            {
                read.step = next;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events of CPU 0: count, thread, kind, first argument.
    fn records(events: &[(u64, u32, Kind, u64)]) -> Vec<Record> {
        let record = |&(count, tid, kind, first): &(u64, u32, Kind, u64)| Record {
            ticks: count,
            count,
            tid,
            cpu: 0,
            kind,
            arguments: [first, 0, 0],
        };
        events.iter().map(record).collect()
    }

    fn a_blocking_read() -> Vec<(u64, u32, Kind, u64)> {
        vec![
            (100, 7, Kind::SyscallEnter, 63),
            (150, 7, Kind::PipeEmpty, 1),
            (190, 7, Kind::Enqueue, 2),
            (220, 7, Kind::PipeEmpty, 1),
            (260, 7, Kind::Sleep, 0),
            (300, 7, Kind::Switch, 8),
            (310, 8, Kind::Run, 0),
            (340, 8, Kind::SyscallExit, 0),
            (500, 8, Kind::SyscallEnter, 64),
            (520, 8, Kind::CopyIn, 1),
            (560, 8, Kind::PipeWrite, 1),
            (580, 8, Kind::Wake, 7),
            (600, 8, Kind::SyscallExit, 1),
            (640, 8, Kind::Switch, 7),
            (650, 7, Kind::Run, 0),
            (700, 7, Kind::CopyOut, 1),
            (720, 7, Kind::PipeRead, 1),
            (800, 7, Kind::SyscallExit, 1),
        ]
    }

    #[test]
    fn the_steps_of_a_read_add_up_to_its_total() {
        let lives = lives(&records(&a_blocking_read()));
        let [life] = &lives[..] else { panic!("one read slept: {lives:?}") };
        assert_eq!((life.tid, life.total), (7, 700));
        let cost = |reader, others| Cost { reader, others };
        let expected = [cost(50, 0), cost(40, 0), cost(30, 0), cost(40, 0), cost(50, 270), cost(150, 70)];
        assert_eq!(life.costs, expected);
        assert_eq!(life.costs.iter().map(|cost| cost.reader + cost.others).sum::<u64>(), life.total);
    }

    #[test]
    fn a_read_that_finds_something_has_no_such_life() {
        let events = [(1, 7, Kind::SyscallEnter, 63), (5, 7, Kind::PipeRead, 1), (9, 7, Kind::SyscallExit, 1)];
        assert_eq!(lives(&records(&events)), []);
    }

    #[test]
    fn where_events_are_lost_nothing_is_said() {
        for lost_at in 1..18 {
            let mut events = a_blocking_read();
            events.insert(lost_at, (events[lost_at].0, 0, Kind::Lost, 3));
            assert_eq!(lives(&records(&events)), [], "lost before event {lost_at}");
        }
    }
}
