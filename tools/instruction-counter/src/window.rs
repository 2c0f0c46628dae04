//! What is counted, and when: the counters of all instructions seen so far, and the file that they are written to.
//!
//! Counters are never freed: QEMU's translated code points to them. Under `-icount` one thread executes all processors in turn, so
//! a counter loses nothing by a load and a store; elsewhere processors that execute the same instruction at once may.

use std::collections::HashMap;
use std::ffi::c_uint;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// One instruction at one address. Programs at the same address are told apart by their instructions only.
#[repr(C)]
pub struct Counter {
    address: u64,
    word: u32,
    executed: AtomicU64,
}

/// What the command line said.
struct Settings {
    out: PathBuf,
    begin: u32,
    end: u32,
}

static SETTINGS: OnceLock<Settings> = OnceLock::new();
static COUNTERS: Mutex<Option<HashMap<(u64, u32), &'static Counter>>> = Mutex::new(None);
// Relaxed, here and below: a processor sees what it did itself, and nothing else is known by these.
static IS_COUNTING: AtomicBool = AtomicBool::new(false);
static WINDOWS: AtomicU64 = AtomicU64::new(0);
/// Of the instruction that was counted last.
static LAST: AtomicPtr<Counter> = AtomicPtr::new(ptr::null_mut());

/// Takes the plugin's arguments, each `name=value`.
///
/// # Errors
/// What is wrong with them.
pub fn configure(arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let (mut out, mut begin, mut end) = (None, None, None);
    for argument in arguments {
        let word = |value: &str| u32::from_str_radix(value, 16).map_err(|error| format!("'{argument}': {error}"));
        match argument.split_once('=') {
            Some(("out", path)) => out = Some(path.into()),
            Some(("begin", value)) => begin = Some(word(value)?),
            Some(("end", value)) => end = Some(word(value)?),
            _ => return Err(format!("'{argument}' is none of out=FILE, begin=WORD, end=WORD")),
        }
    }
    let (Some(out), Some(begin), Some(end)) = (out, begin, end) else {
        return Err("out=FILE, begin=WORD and end=WORD are needed".into());
    };
    SETTINGS.get_or_init(|| Settings { out, begin, end });
    Ok(())
}

/// The counter of the instruction `word` at `address`.
pub fn counter(address: u64, word: u32) -> &'static Counter {
    let mut counters = COUNTERS.lock().unwrap_or_else(PoisonError::into_inner);
    counters
        .get_or_insert_default()
        .entry((address, word))
        .or_insert_with(|| Box::leak(Box::new(Counter { address, word, executed: AtomicU64::new(0) })))
}

/// What is to be called before each execution of the counter's instruction.
pub fn action(counter: &Counter) -> extern "C" fn(c_uint, *const Counter) {
    match SETTINGS.get() {
        Some(settings) if settings.begin == counter.word => begin,
        Some(settings) if settings.end == counter.word => end,
        _ => count,
    }
}

extern "C" fn count(_processor: c_uint, counter: *const Counter) {
    if !IS_COUNTING.load(Ordering::Relaxed) {
        return;
    }
    // SAFETY: it was registered with a counter, and those stay for ever.
    let this = unsafe { &*counter };
    let last = LAST.swap(counter.cast_mut(), Ordering::Relaxed);
    // SAFETY: the same: none, or one that was registered.
    if let Some(last) = unsafe { last.as_ref() }
        && last.has_faulted_before(this.address)
    {
        last.add(-1);
    }
    this.add(1);
}

impl Counter {
    fn add(&self, change: i64) {
        self.executed.store(self.executed.load(Ordering::Relaxed).wrapping_add_signed(change), Ordering::Relaxed);
    }

    /// Whether this instruction did not come to its end when the one at `next` came after it: an access to memory after which a
    /// handler of synchronous exceptions runs. It is executed again when the fault is settled; QEMU's clock counts it then,
    /// and so is it counted here.
    fn has_faulted_before(&self, next: u64) -> bool {
        /// Arm ARM D1.3.1: offsets of the vectors for exceptions from the same and from a lower level.
        const SYNCHRONOUS: [u64; 2] = [0x200, 0x400];
        /// The bits of an address below VBAR_EL1's.
        const VECTOR: u64 = 0x7ff;
        // Arm ARM C4.1: loads and stores; and DC ZVA, which clears a line of memory.
        let is_access = self.word & 0x0a00_0000 == 0x0800_0000 || self.word & !31 == 0xd50b_7420;
        is_access && next != self.address + 4 && SYNCHRONOUS.contains(&(next & VECTOR))
    }
}

extern "C" fn begin(_processor: c_uint, _counter: *const Counter) {
    LAST.store(ptr::null_mut(), Ordering::Relaxed);
    WINDOWS.fetch_add(1, Ordering::Relaxed);
    IS_COUNTING.store(true, Ordering::Relaxed);
}

extern "C" fn end(_processor: c_uint, _counter: *const Counter) {
    IS_COUNTING.store(false, Ordering::Relaxed);
    let Some(settings) = SETTINGS.get() else { return };
    // Who wants the file finds none, or one without its last window, and QEMU's user reads why.
    if let Err(error) = fs::write(&settings.out, report()) {
        eprintln!("instruction-counter: cannot write {}: {error}", settings.out.display());
    }
}

/// The file's contents.
fn report() -> String {
    let counters = COUNTERS.lock().unwrap_or_else(PoisonError::into_inner);
    let executed = |counter: &Counter| counter.executed.load(Ordering::Relaxed);
    let mut seen: Vec<&Counter> = counters.iter().flat_map(HashMap::values).copied().collect();
    seen.retain(|counter| executed(counter) > 0);
    seen.sort_unstable_by_key(|counter| (counter.address, counter.word));
    let mut text = format!("windows {}\n", WINDOWS.load(Ordering::Relaxed));
    for counter in seen {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{:x} {:x} {}", counter.address, counter.word, executed(counter));
    }
    text
}
