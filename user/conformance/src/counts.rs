//! What the kernel says there is of each kind of object (`/proc/postern/objects`), for tests that compare before and after.
//!
//! Owns no state, takes no locks. Only Postern has the file; on other kernels such tests are skipped.

use crate::check::{Failure, Outcome, failed, skip};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The one count that is not of objects.
const HEAP: &str = "heap_bytes";
const FILE: &str = "/proc/postern/objects";
/// Tasks that have ended are freed by the processor they ran on, soon after their parent was told.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// A number of each kind of object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts(BTreeMap<String, i64>);

impl Counts {
    fn now() -> Result<Self, Failure> {
        let text = match std::fs::read_to_string(FILE) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return skip(format!("needs {FILE}")),
            // No memory: what has it is on its way out, and the counts have not come to rest.
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => return Ok(Self(BTreeMap::new())),
            Err(error) => return Err(error.into()),
        };
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        Ok(Self(lines.filter_map(|(name, number)| Some((name.to_string(), number.parse().ok()?))).collect()))
    }

    /// The counts, once two looks at them say the same.
    ///
    /// # Errors
    /// A skip where there are none; a failure if they do not come to rest.
    pub fn at_rest() -> Result<Self, Failure> {
        let deadline = Instant::now() + PATIENCE;
        let mut last = Self::now()?;
        while Instant::now() < deadline {
            // Nothing announces that a task is freed; the pause only keeps the bounded wait from burning the processor.
            std::thread::sleep(PAUSE);
            let now = Self::now()?;
            if now == last && !now.0.is_empty() {
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
        while !self.equals(&now, spare_heap_bytes) && Instant::now() < deadline {
            std::thread::sleep(PAUSE);
            now = Self::now()?;
        }
        if self.equals(&now, spare_heap_bytes) {
            Ok(())
        } else {
            Err(failed(format!("left behind: {}", self.difference(&now))))
        }
    }

    fn equals(&self, now: &Self, spare_heap_bytes: i64) -> bool {
        self.0.iter().all(|(name, count)| {
            let spare = if name == HEAP { spare_heap_bytes } else { 0 };
            now.0.get(name).is_some_and(|now| *now <= count + spare && (name == HEAP || now == count))
        })
    }

    fn difference(&self, now: &Self) -> String {
        let more = |name: &str| now.0.get(name).copied().unwrap_or(0) - self.0.get(name).copied().unwrap_or(0);
        let changed = self.0.keys().map(|name| (name, more(name))).filter(|(_, more)| *more != 0);
        changed.map(|(name, more)| format!("{name} {more:+}")).collect::<Vec<_>>().join(", ")
    }
}
