//! What the kernel says there is of each kind of object (`/proc/postern/objects`), for tests that compare before and after.
//!
//! Only Postern has the file; on other kernels such tests are skipped, or made without counting.
//! Counting must not change what is counted, and the memory of the process that counts is counted as well. So nothing here
//! allocates, and what is to leave nothing is done by a child: whether a C library's heap has one page more or less at some
//! moment depends on no more than the length of a number (musl gives pages back at once, and takes them again at once).

use crate::check::{Failure, Outcome, failed, skip};
use crate::sys::affinity::visit_each_processor;
use crate::sys::{fd, path, process};
use std::time::{Duration, Instant};

/// The one count that is not of objects.
const HEAP: &str = "heap_bytes";
/// Tasks that have ended are freed by the processor they ran on, soon after their parent was told.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);
/// Room for the file: more is an error.
const ROOM: usize = 512;

/// A number of each kind of object: the file as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    text: [u8; ROOM],
    length: usize,
}

impl Counts {
    const NONE: Self = Self { text: [0; ROOM], length: 0 };

    fn now() -> Result<Self, Failure> {
        let mut counts = Self::NONE;
        let read = path::open_c_string(c"/proc/postern/objects", libc::O_RDONLY).and_then(|file| {
            let count = fd::read(file, &mut counts.text);
            fd::close(file)?;
            count
        });
        match read {
            Ok(ROOM) => Err(failed("the counts of objects are longer than the room for them")),
            Ok(length) => {
                counts.length = length;
                Ok(counts)
            }
            Err(error) if error.errno == libc::ENOENT => skip("needs /proc/postern/objects"),
            // No memory: what has it is on its way out, and the counts have not come to rest.
            Err(error) if error.errno == libc::ENOMEM => Ok(Self::NONE),
            Err(error) => Err(error.into()),
        }
    }

    /// Names and numbers.
    fn each(&self) -> impl Iterator<Item = (&str, i64)> {
        let text = std::str::from_utf8(&self.text[..self.length]).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.filter_map(|(name, number)| Some((name, number.parse().ok()?)))
    }

    fn number(&self, wanted: &str) -> Option<i64> {
        self.each().find(|(name, _)| *name == wanted).map(|(_, number)| number)
    }

    /// The counts, once two looks at them say the same, and every processor has left what ended there: such a task is freed
    /// by the next one. The caller's parent, who has begun to wait for it, sleeps by then, with the pages and the timer that it
    /// needs for that.
    ///
    /// # Errors
    /// A skip where there are none; a failure if they do not come to rest.
    pub fn at_rest() -> Result<Self, Failure> {
        process::wait_for_state(process::getppid(), 'S')?;
        let deadline = Instant::now() + PATIENCE;
        let mut last = Self::now()?;
        while Instant::now() < deadline {
            visit_each_processor()?;
            // Nothing announces that nothing is under way; the pause only keeps the bounded wait from burning the processor.
            std::thread::sleep(PAUSE);
            let now = Self::now()?;
            if now.length != 0 && last.is_again(&now, 0) && now.is_again(&last, 0) {
                return Ok(now);
            }
            last = now;
        }
        Err(failed("the counts of objects do not come to rest"))
    }

    /// Waits until the counts are these again; of the heap, up to `spare_heap_bytes` more may be in use, since the kernel's
    /// tables keep their size when they get emptier.
    ///
    /// # Errors
    /// A failure that names what there is too much or too little of.
    #[track_caller]
    pub fn expect_again(&self, spare_heap_bytes: i64) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        let mut now = Self::now()?;
        while !self.is_again(&now, spare_heap_bytes) && Instant::now() < deadline {
            std::thread::sleep(PAUSE);
            now = Self::now()?;
        }
        if self.is_again(&now, spare_heap_bytes) {
            Ok(())
        } else {
            Err(failed(format!("left behind: {}", self.difference(&now))))
        }
    }

    /// Whether `now` says the same, but for some more bytes of the heap, or any fewer.
    pub fn is_again(&self, now: &Self, spare_heap_bytes: i64) -> bool {
        now.length != 0
            && self.each().all(|(name, count)| {
                let spare = if name == HEAP { spare_heap_bytes } else { 0 };
                now.number(name).is_some_and(|now| now <= count + spare && (name == HEAP || now == count))
            })
    }

    /// Whether there is less of something, and more of nothing, than `before` says.
    fn is_less_than(&self, before: &Self) -> bool {
        let number = |name| self.number(name).unwrap_or(i64::MAX);
        self.length != 0
            && before.each().all(|(name, count)| number(name) <= count)
            && before.each().any(|(name, count)| number(name) < count && name != HEAP)
    }

    fn difference(&self, now: &Self) -> String {
        let changed = self.each().map(|(name, count)| (name, now.number(name).unwrap_or(0) - count));
        let changed = changed.filter(|(_, more)| *more != 0).map(|(name, more)| format!("{name} {more:+}"));
        changed.collect::<Vec<_>>().join(", ")
    }
}

/// How often something is done before and between two counts.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    /// Before the first count: what these leave is kept for the next who asks.
    pub warm_up: usize,
    /// After it.
    pub counted: usize,
    /// How much of the heap may stay after those.
    pub spare_heap_bytes: i64,
}

impl Rounds {
    /// Of the heap less than the smallest block a round may stay: a leak in every round is seen.
    pub fn new(warm_up: usize, counted: usize) -> Self {
        Self { warm_up, counted, spare_heap_bytes: 15 * i64::try_from(counted).unwrap_or(0) }
    }

    /// One and one, which make so many tasks each: a leak with every task is seen.
    pub fn of_tasks(tasks: usize) -> Self {
        Self { counted: 1, ..Self::new(1, tasks) }
    }

    /// Expects that `round` leaves nothing. Each part is the work of a child of its own.
    ///
    /// # Errors
    /// A skip where there are no counts; the failure of a round; what is left behind.
    #[track_caller]
    pub fn leave_nothing(self, round: impl Fn() -> Outcome) -> Outcome {
        // The first look at everything, which takes this process's own pages.
        Counts::at_rest()?.expect_again(i64::MAX / 2)?;
        in_a_child(self.warm_up, &round)?;
        let mut before = Counts::at_rest()?;
        in_a_child(self.counted, &round)?;
        let after = Counts::at_rest()?;
        // What had ended before the first count may have been freed after it: that count is not what there was at rest.
        if after.is_less_than(&before) {
            before = after;
            in_a_child(self.counted, &round)?;
        }
        before.expect_again(self.spare_heap_bytes)
    }

    /// The same; where there are no counts, a single round is done without.
    ///
    /// # Errors
    /// The failure of a round; what is left behind.
    #[track_caller]
    pub fn leave_nothing_that_is_counted(self, round: impl Fn() -> Outcome) -> Outcome {
        match Counts::now() {
            Err(Failure::Skipped(_)) => in_a_child(1, &round),
            _ => self.leave_nothing(round),
        }
    }
}

#[track_caller]
fn in_a_child(rounds: usize, round: &impl Fn() -> Outcome) -> Outcome {
    process::spawn(|| (0..rounds).try_for_each(|_| round()))?.wait()?.expect_success_or_skip()
}
