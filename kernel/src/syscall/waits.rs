//! `/proc/postern/waits`: which threads sleep, what for, since when, and who could wake them: for a system that hangs.
//!
//! Owns what the last look saw of each sleeper, which is how the next can say for how long it has slept at least: nobody who goes
//! to sleep pays for that. Locks: OBJECT (spin) around it; those of whoever is asked, one after the other, so that what is told is
//! of about one moment. Sleeps where those do. docs/tracing.md says what each column means.

mod gather;

use crate::arch::timer::now_ns;
use crate::fs::procfs::text::{Text, put};
use crate::sched::{Activity, Task};
use crate::sync::{SpinLock, rank};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use gather::{Look, Reason};
use postern_core::errno::Result;
use postern_core::tid_allocator::Tid;
use postern_core::waits::{self, Thread, Wait};

const NS_PER_MS: u64 = 1_000_000;

/// What was seen of a sleeper.
#[derive(Clone, Copy)]
struct Seen {
    /// The CPU time it had used: as long as that stays, it has not run.
    run_ns: u64,
    /// When it was seen so first.
    since_ns: u64,
}

static SEEN: SpinLock<BTreeMap<Tid, Seen>> = SpinLock::new(rank::OBJECT, BTreeMap::new());

/// Since when each of the sleepers has slept at least: now, for those not seen before.
fn since(look: &Look, now_ns: u64) -> BTreeMap<Tid, Seen> {
    let mut now = BTreeMap::new();
    let before = core::mem::take(&mut *SEEN.lock());
    for task in look.tasks.iter().filter(|task| is_asleep(task)) {
        let (tid, run_ns) = (task.thread().tid(), task.run_ns());
        let same = before.get(&tid).filter(|seen| seen.run_ns == run_ns);
        now.insert(tid, same.copied().unwrap_or(Seen { run_ns, since_ns: now_ns }));
    }
    let kept = now.clone();
    let replaced = core::mem::replace(&mut *SEEN.lock(), kept);
    drop(replaced);
    now
}

fn is_asleep(task: &Arc<Task>) -> bool {
    task.activity() != Activity::Running
}

/// The file's text.
///
/// # Errors
/// ENOMEM.
pub fn show(text: &mut Text) -> Result<()> {
    let now_ns = now_ns();
    let look = Look::take()?;
    let since = since(&look, now_ns);
    let helpers: Vec<Vec<Tid>> = (0..look.tasks.len()).map(|place| look.helpers(place)).collect();
    let mut threads = Vec::new();
    for ((task, reason), helpers) in look.tasks.iter().zip(&look.reasons).zip(&helpers) {
        let wait = if look.is_open(reason) { Wait::Open } else { Wait::For(helpers) };
        let wait = is_asleep(task).then_some(wait);
        threads.push(Thread { tid: task.thread().tid(), pid: task.thread().process().pid(), wait });
    }
    put!(text, "tid pid state asleep_ms left_ms helpers name: waits for\n");
    for (place, thread) in threads.iter().enumerate().filter(|(_, thread)| thread.wait.is_some()) {
        let asleep_ns = since.get(&thread.tid).map_or(0, |seen| now_ns.saturating_sub(seen.since_ns));
        show_sleeper(text, &look, place, [asleep_ns, now_ns], &helpers[place]);
    }
    let stuck = waits::stuck(&threads);
    let tids = |places: &[usize]| places.iter().map(|place| threads[*place].tid).collect::<Vec<_>>();
    for circle in waits::circles(&threads, &stuck) {
        put!(text, "circle:");
        show_numbers(text, &tids(&circle), b" ");
    }
    if !stuck.is_empty() {
        put!(text, "stuck:");
        show_numbers(text, &tids(&stuck), b" ");
    }
    Ok(())
}

/// Numbers, each behind `before`, and the line's end.
fn show_numbers(text: &mut Text, numbers: &[Tid], before: &[u8]) {
    for number in numbers {
        text.push(before);
        put!(text, "{number}");
    }
    text.push(b"\n");
}

fn show_sleeper(text: &mut Text, look: &Look, place: usize, [asleep_ns, now_ns]: [u64; 2], helpers: &[Tid]) {
    let (task, reason) = (&look.tasks[place], &look.reasons[place]);
    let process = task.thread().process();
    let state = match task.activity() {
        _ if process.is_stopped() => 'T',
        Activity::Waiting => 'D',
        Activity::Running | Activity::Sleeping => 'S',
    };
    put!(text, "{} {} {state} {} ", task.thread().tid(), process.pid(), asleep_ns / NS_PER_MS);
    match reason.until_ns {
        Some(until_ns) => put!(text, "{} ", until_ns.saturating_sub(now_ns) / NS_PER_MS),
        None => put!(text, "- "),
    }
    match helpers.split_first() {
        None => put!(text, "-"),
        Some((first, others)) => {
            put!(text, "{first}");
            others.iter().for_each(|helper| put!(text, ",{helper}"));
        }
    }
    text.push(b" ");
    let name = task.thread().name();
    text.push_name(name.split(|byte| *byte == 0).next().unwrap_or_default());
    text.push(b": ");
    show_reason(text, look, reason);
    text.push(b"\n");
}

fn show_reason(text: &mut Text, look: &Look, reason: &Reason) {
    match (reason.objects.as_slice(), reason.until_ns) {
        ([], Some(_)) => text.push(b"a time"),
        ([], None) => text.push(b"something else"),
        ([first, others @ ..], _) => {
            text.push(&look.objects[*first].name);
            for other in others {
                text.push(b", ");
                text.push(&look.objects[*other].name);
            }
        }
    }
}
