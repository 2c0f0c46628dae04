//! `/proc/postern/unknown_syscalls`: what programs asked for and did not get, a line a number; `/proc/postern/objects`
//! and `/proc/postern/waits`.

use super::unknown::unknown_calls;
use super::{objects, waits};
use crate::fs::procfs;
use crate::fs::procfs::text::{Functions, put};
use alloc::sync::Arc;
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
    procfs::add_text("postern/objects", objects::show)?;
    // For root: addresses of programs, and who shares what with whom.
    let waits = Functions { show: waits::show, store: None };
    procfs::add_source("postern/waits", 0o400, Arc::new(waits))
}
