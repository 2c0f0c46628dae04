//! What splice and its kin have moved, for `/proc/postern/splice`. Atomic counters; no locks, never sleeps.

use crate::fs::procfs::{self, text::put};
use core::sync::atomic::{AtomicU64, Ordering};
use postern_core::errno::Result;

/// One of the calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    /// splice(2)
    Splice,
    /// tee(2)
    Tee,
    /// vmsplice(2)
    Vmsplice,
    /// sendfile(2)
    Sendfile,
}

/// How the bytes of a page went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Passage {
    /// With their page.
    ByReference,
    /// One by one.
    Copied,
}

struct Counters {
    pages_by_reference: AtomicU64,
    pages_copied: AtomicU64,
    bytes: AtomicU64,
}

static COUNTERS: [Counters; 4] = [const {
    Counters { pages_by_reference: AtomicU64::new(0), pages_copied: AtomicU64::new(0), bytes: AtomicU64::new(0) }
}; 4];

const NAMES: [(Call, &str); 4] =
    [(Call::Splice, "splice"), (Call::Tee, "tee"), (Call::Vmsplice, "vmsplice"), (Call::Sendfile, "sendfile")];

/// Counts pieces of pages that went in `call`.
pub fn count(call: Call, passage: Passage, pieces: usize, bytes: usize) {
    let counters = &COUNTERS[call as usize];
    let pages = match passage {
        Passage::ByReference => &counters.pages_by_reference,
        Passage::Copied => &counters.pages_copied,
    };
    // Relaxed: statistics.
    pages.fetch_add(pieces as u64, Ordering::Relaxed);
    counters.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
}

/// Pages of `call` so far that went by reference, and that were copied.
pub fn pages(call: Call) -> [u64; 2] {
    let counters = &COUNTERS[call as usize];
    [&counters.pages_by_reference, &counters.pages_copied].map(|counter| counter.load(Ordering::Relaxed))
}

/// Enters the report in procfs. Once, at boot.
///
/// # Errors
/// EEXIST.
pub fn init() -> Result<()> {
    procfs::add_text("postern/splice", |text| {
        put!(text, "{:<10}{:>20}{:>16}{:>16}\n", "call", "pages_by_reference", "pages_copied", "bytes");
        for (call, name) in NAMES {
            let [by_reference, copied] = pages(call);
            let bytes = COUNTERS[call as usize].bytes.load(Ordering::Relaxed);
            put!(text, "{name:<10}{by_reference:>20}{copied:>16}{bytes:>16}\n");
        }
        Ok(())
    })
}
