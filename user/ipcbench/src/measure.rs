//! How anything is measured: a warm-up that also checks everything, one bulk loop timed as a whole (the
//! exact figure), and a separate pass timed operation by operation (the spread). Nothing is subtracted:
//! `calibration/clock` says what one reading of the clock adds to each sample. Sleeps only where the
//! measured operation does.

use std::io;
use std::ops::Range;

use postern_abi::window;
use serde::{Deserialize, Serialize};

use crate::clock::now_ns;
use crate::histogram::{Bucket, histogram};
use crate::statistics::Summary;

/// How many operations each pass has. Operations are numbered through all three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    warm_up: u64,
    bulk: u64,
    samples: u64,
}

/// Most operations a pass other than the bulk one needs.
const SIDE_PASS_OPERATIONS: u64 = 10_000;

impl Schedule {
    /// A schedule whose bulk loop has `operations`, and whose warm-up has at least `least_warm_up`.
    pub fn new(operations: u64, least_warm_up: u64) -> Self {
        Self {
            warm_up: (operations / 10).min(SIDE_PASS_OPERATIONS).max(least_warm_up),
            bulk: operations,
            samples: operations.min(SIDE_PASS_OPERATIONS),
        }
    }

    /// The numbers of the warm-up's operations.
    pub fn warm_up(self) -> Range<u64> {
        0..self.warm_up
    }

    /// The numbers of the operations timed as a whole.
    pub fn bulk(self) -> Range<u64> {
        self.warm_up..self.warm_up + self.bulk
    }

    /// The numbers of the operations timed one by one.
    pub fn samples(self) -> Range<u64> {
        let start = self.warm_up + self.bulk;
        start..start + self.samples
    }

    /// The numbers of all timed operations.
    pub fn timed(self) -> Range<u64> {
        self.bulk().start..self.samples().end
    }
}

/// Something that can be done again and again.
pub trait Subject {
    /// Does operation `sequence` once, as lean as it can be.
    fn operate(&mut self, sequence: u64) -> io::Result<()>;

    /// Does operation `sequence` once and checks all of its result: the warm-up.
    fn check(&mut self, sequence: u64) -> io::Result<()> {
        self.operate(sequence)
    }

    /// Ends a pass, within its time: returns when everything begun in it is done.
    fn settle(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measurement {
    /// Operations of the bulk loop.
    pub operations: u64,
    /// What the bulk loop took.
    pub elapsed_ns: u64,
    /// Single operations, from their own pass.
    pub spread: Option<Summary>,
    /// The same, in buckets.
    pub histogram: Vec<Bucket>,
}

/// Tells a profiler of the emulated machine that the processor is here. One instruction; nothing elsewhere.
#[inline(always)]
fn mark<const INSTRUCTION: u32>() {
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the two instructions that there are do nothing (`postern_abi::window`). It is told to the compiler as touching
    // memory, so that what is measured stays between them.
    unsafe {
        core::arch::asm!(".inst {}", const INSTRUCTION, options(nostack, preserves_flags));
    }
}

/// Runs `subject` through all of `schedule`.
///
/// # Errors
/// The subject's first.
pub fn measure<S: Subject>(schedule: Schedule, subject: &mut S) -> io::Result<Measurement> {
    // Filled with ones, not zeroes, so that its pages are there before anything is timed.
    let mut samples = vec![1; usize::try_from(schedule.samples).unwrap_or(0)];

    for sequence in schedule.warm_up() {
        subject.check(sequence)?;
    }
    subject.settle()?;

    let started_ns = now_ns();
    mark::<{ window::BEGIN }>();
    for sequence in schedule.bulk() {
        subject.operate(sequence)?;
    }
    subject.settle()?;
    mark::<{ window::END }>();
    let elapsed_ns = now_ns() - started_ns;

    for (sequence, sample) in schedule.samples().zip(&mut samples) {
        let started_ns = now_ns();
        subject.operate(sequence)?;
        *sample = now_ns() - started_ns;
    }
    subject.settle()?;

    // Sorted by the summary.
    let spread = Summary::of(&mut samples);
    Ok(Measurement { operations: schedule.bulk, elapsed_ns, spread, histogram: histogram(&samples) })
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{Schedule, Subject, measure};

    #[derive(Default)]
    struct Recorder {
        checked: Vec<u64>,
        operated: Vec<u64>,
        settled_at: Vec<usize>,
    }

    impl Subject for Recorder {
        fn operate(&mut self, sequence: u64) -> io::Result<()> {
            self.operated.push(sequence);
            Ok(())
        }
        fn check(&mut self, sequence: u64) -> io::Result<()> {
            self.checked.push(sequence);
            Ok(())
        }
        fn settle(&mut self) -> io::Result<()> {
            self.settled_at.push(self.checked.len() + self.operated.len());
            Ok(())
        }
    }

    #[test]
    fn passes_follow_each_other_without_a_gap() {
        let schedule = Schedule::new(100, 7);
        let mut recorder = Recorder::default();
        let measurement = measure(schedule, &mut recorder).expect("never fails");
        assert_eq!(recorder.checked, (0..10).collect::<Vec<_>>());
        assert_eq!(recorder.operated, (10..210).collect::<Vec<_>>());
        assert_eq!(recorder.settled_at, [10, 110, 210]);
        assert_eq!(measurement.operations, 100);
        assert_eq!(measurement.spread.map(|spread| spread.samples), Some(100));
    }

    #[test]
    fn side_passes_stay_short_and_the_warm_up_long_enough() {
        let long = Schedule::new(1_000_000, 50);
        assert_eq!((long.warm_up, long.samples), (10_000, 10_000));
        let short = Schedule::new(10, 1024);
        assert_eq!((short.warm_up, short.samples), (1024, 10));
    }

    #[test]
    fn an_error_ends_the_measurement() {
        struct Broken;
        impl Subject for Broken {
            fn operate(&mut self, sequence: u64) -> io::Result<()> {
                if sequence == 30 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
            }
        }
        let error = measure(Schedule::new(100, 1), &mut Broken).expect_err("breaks at 30");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
