//! `/proc/postern/unknown_syscalls`: what programs asked for and did not get. A line a number.

use super::unknown::unknown_calls;
use crate::fs::procfs::{self, text::put};
use postern_core::errno::Result;

/// Enters the report in procfs. Once, at boot.
///
/// # Errors
/// EEXIST.
pub fn init() -> Result<()> {
    procfs::add_text("postern/unknown_syscalls", |text| {
        for (number, count) in unknown_calls() {
            put!(text, "{number} {count}\n");
        }
        Ok(())
    })
}
