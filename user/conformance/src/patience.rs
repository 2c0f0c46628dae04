//! Waiting for what offers nothing to wait on, for a time.
//!
//! Owns nothing, takes no locks. Sleeps between two looks, which only keeps the wait from burning the processor.

use crate::check::{Failure, Outcome, failed};
use std::time::{Duration, Instant};

/// How long anything may take: less than the time limit of a test, so that a failure can be told.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(1);

/// Looks until `holds` says yes, ten seconds at most; returns whether it did.
///
/// # Errors
/// Those of looking.
pub fn comes_true(mut holds: impl FnMut() -> Result<bool, Failure>) -> Result<bool, Failure> {
    let deadline = Instant::now() + PATIENCE;
    while !holds()? {
        if Instant::now() > deadline {
            return Ok(false);
        }
        std::thread::sleep(PAUSE);
    }
    Ok(true)
}

/// Expects that within ten seconds `holds` says yes; `sentence` says what should be true then.
///
/// # Errors
/// A failure naming the sentence; those of looking.
#[track_caller]
pub fn expect_soon(holds: impl FnMut() -> Result<bool, Failure>, sentence: &str) -> Outcome {
    if comes_true(holds)? { Ok(()) } else { Err(failed(format!("expected within ten seconds: {sentence}"))) }
}
