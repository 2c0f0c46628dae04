//! Trace points: they are switched on every CPU, in code that stays read-only, and what they tell can be read once.

use crate::arch::mmu::PAGE_SIZE;
use crate::arch::trace_point::{self, Points, sites};
use crate::mm::kernel_space::translate;
use crate::mm::layout::{CODE_ALIAS, page_down};
use crate::sched;
use crate::trace::Recording;
use alloc::vec::Vec;
use postern_abi::trace::{Header, Kind, RECORD_BYTES, Record, words_of};
use postern_core::errno::Errno;

/// The table.
pub const TESTS: &[(&str, fn())] = &[
    ("points_are_nops_but_while_something_is_recorded", instructions),
    ("code_cannot_be_written_after_its_points_were_switched", read_only),
    ("every_cpu_tells_while_recording_and_none_afterwards", every_cpu),
    ("what_finds_no_room_is_counted_to_the_last_event", overflow),
    ("one_records_at_a_time", one_at_a_time),
    ("a_record_that_was_not_taken_comes_again", taken_later),
    ("a_count_has_nothing_of_what_tracing_takes", exact),
];

/// All that can be read now, the header apart.
fn rest_of(recording: &Recording) -> Vec<Record> {
    let mut records = Vec::new();
    let taken = |bytes: &[u8; RECORD_BYTES]| {
        let words = words_of(bytes);
        if Header::from_words(words).is_err() {
            records.push(Record::from_words(words).unwrap());
        }
        Ok(())
    };
    recording.read(usize::MAX, taken).unwrap();
    records
}

/// What is recorded of `f`.
fn record(f: impl FnOnce()) -> Vec<Record> {
    let recording = Recording::take().unwrap();
    recording.start().unwrap();
    f();
    recording.stop();
    rest_of(&recording)
}

fn all_are(points: Points) -> bool {
    sites().iter().all(|site| site.stands() == site.instruction(points))
}

fn instructions() {
    assert!(!sites().is_empty() && all_are(Points::Off));
    record(|| assert!(all_are(Points::On)));
    assert!(all_are(Points::Off));
    // The end of who records ends it too.
    Recording::take().unwrap().start().unwrap();
    assert!(all_are(Points::Off));
}

fn read_only() {
    record(|| {});
    assert_eq!(translate(CODE_ALIAS), Err(Errno::EFAULT), "the alias is gone");
    for site in sites() {
        let page = page_down(site.address());
        assert!(page.is_multiple_of(PAGE_SIZE) && !crate::mm::kernel_space::is_writable(page));
    }
}

/// How many `Sleep` events, of which this test makes more than tasks do, were told of each CPU.
fn sleeps(records: &[Record], cpu: u16) -> usize {
    records.iter().filter(|record| record.kind == Kind::Sleep && record.cpu == cpu).count()
}

fn every_cpu() {
    const EACH: usize = 100;
    let tell = || sched::on_every_cpu(|| (0..EACH).for_each(|_| trace_point::sleep()));
    let recording = Recording::take().unwrap();
    recording.start().unwrap();
    tell();
    recording.stop();
    // Not recorded: nobody writes into the rings any more.
    tell();
    let records = rest_of(&recording);
    for cpu in (0..16).filter(|cpu| sched::run_queue::online() >> cpu & 1 != 0) {
        let told = sleeps(&records, cpu);
        assert!((EACH..2 * EACH).contains(&told), "CPU {cpu} tells of {told}");
        let own = || records.iter().filter(|record| record.cpu == cpu);
        assert!(own().is_sorted_by_key(|record| (record.ticks, record.count)));
    }
}

fn overflow() {
    const MADE: u64 = 100_000;
    let records = record(|| (0..MADE).for_each(trace_point::enqueue));
    let told = || records.iter().filter(|record| record.kind == Kind::Enqueue);
    let of_others = |record: &&Record| record.arguments[0] >= MADE;
    let last = told().filter(|record| !of_others(record)).count() as u64 - 1;
    // The oldest, in order.
    assert!(told().filter(|record| !of_others(record)).map(|record| record.arguments[0]).eq(0..=last));
    let lost: u64 = records.iter().filter(|record| record.kind == Kind::Lost).map(|record| record.arguments[0]).sum();
    let after = lost - (MADE - 1 - last);
    assert!(last < MADE - 1 && after < 1000, "{last} told, {lost} lost");
}

fn one_at_a_time() {
    let first = Recording::take().unwrap();
    assert_eq!(Recording::take().err(), Some(Errno::EBUSY));
    drop(first);
    Recording::take().unwrap();
}

fn taken_later() {
    let recording = Recording::take().unwrap();
    recording.start().unwrap();
    (0..3).for_each(|_| trace_point::sleep());
    recording.stop();
    assert_eq!(recording.read(RECORD_BYTES - 1, |_| Ok(())), Err(Errno::EINVAL));
    let mut first = None;
    let refuse = |bytes: &[u8; RECORD_BYTES]| {
        first = Some(*bytes);
        Err(Errno::EFAULT)
    };
    // The header, then the first record of all.
    assert_eq!(recording.read(RECORD_BYTES, |_| Ok(())), Ok(RECORD_BYTES));
    assert_eq!(recording.read(usize::MAX, refuse), Err(Errno::EFAULT));
    let mut again = None;
    recording
        .read(RECORD_BYTES, |bytes| {
            again = Some(*bytes);
            Ok(())
        })
        .unwrap();
    assert_eq!(again, first);
    assert!(first.is_some());
}

/// Where instructions are counted, that is under `-icount`; with several CPUs those of others may come between.
fn exact() {
    let records = record(|| (0..64).for_each(|_| trace_point::sleep()));
    let counts: Vec<u64> =
        records.iter().filter(|record| record.kind == Kind::Sleep).map(|record| record.count).collect();
    if crate::arch::pmu::counts_instructions() && crate::arch::cpu::count() == 1 {
        // A turn of the loop is a few instructions; a point that is on takes a hundred and more.
        let turns: Vec<u64> = counts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(turns[..60].iter().all(|turn| *turn == turns[0] && (1..20).contains(turn)), "{turns:?}");
    }
}
