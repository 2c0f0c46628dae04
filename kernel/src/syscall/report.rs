//! `/proc/postern/unknown_syscalls`: what programs asked for and did not get, a line a number; `/proc/postern/objects`.

use super::objects;
use super::unknown::unknown_calls;
use crate::fs::procfs::{self, text::put};
use postern_core::errno::Result;

/// Enters the reports in procfs. Once, at boot.
///
/// # Errors
/// EEXIST.
pub fn init() -> Result<()> {
    procfs::add_text("postern/unknown_syscalls", |text| {
        for (number, count) in unknown_calls() {
            put!(text, "{number} {count}\n");
        }
        Ok(())
    })?;
    procfs::add_text("postern/objects", objects::show)
}
