//! What a recording is drawn as; and, with the kernel itself, that it counts to the instruction what the kernel executes untraced.

use guest_tests::machine::Built;
use lab::machine::{Boot, Clock, System};
use lab::trace::Recording;
use postern_abi::trace::{Counter, Header, Kind, Record, bytes_of};
use serde_json::Value;

/// A recording of CPU 0 with one event a microsecond.
fn recording(events: &[(u32, Kind, [u64; 3])]) -> Vec<u8> {
    let header = Header { counter: Counter::Instructions, cpus: 1, ticks_hz: 62_500_000 };
    let record = |(at, &(tid, kind, arguments)): (u64, &(u32, Kind, [u64; 3]))| {
        Record { ticks: at * 62, count: at * 1000, tid, cpu: 0, kind, arguments }.to_words()
    };
    let records = (1..).zip(events).map(record);
    [header.to_words()].into_iter().chain(records).flat_map(bytes_of).collect()
}

/// Thread 7 waits for a byte of thread 8.
fn a_blocking_read() -> Vec<u8> {
    recording(&[
        (7, Kind::SyscallEnter, [63, 0, 0]),
        (7, Kind::PipeEmpty, [0x10, 0, 0]),
        (7, Kind::Enqueue, [0x20, 0, 0]),
        (7, Kind::Sleep, [0; 3]),
        (7, Kind::Switch, [8, 0, 0]),
        (8, Kind::Run, [0; 3]),
        (8, Kind::SyscallEnter, [64, 0, 0]),
        (8, Kind::PipeWrite, [0x10, 1, 5 | 4 << 32]),
        (8, Kind::Wake, [7, 0, 0]),
        (8, Kind::SyscallExit, [1, 0, 0]),
        (8, Kind::Switch, [7, 0, 0]),
        (7, Kind::Run, [0; 3]),
        (7, Kind::PipeRead, [0x10, 1, 5 | 5 << 32]),
        (7, Kind::SyscallExit, [1, 0, 0]),
    ])
}

fn events(bytes: &[u8]) -> Vec<Value> {
    let drawing = Recording::read(bytes).expect("a recording").to_chrome();
    drawing["traceEvents"].as_array().expect("a list").clone()
}

/// Those of a phase and a name: process and time.
fn found(events: &[Value], phase: &str, name: &str) -> Vec<(u64, f64)> {
    let of = |event: &&Value| event["ph"] == phase && event["name"] == name;
    let place = |event: &Value| (event["pid"].as_u64().unwrap_or(99), event["ts"].as_f64().unwrap_or(-1.0));
    events.iter().filter(of).map(place).collect()
}

#[test]
fn both_threads_have_their_calls_and_the_sleep_between() {
    let events = events(&a_blocking_read());
    assert_eq!(found(&events, "X", "read"), [(7, 1.0)]);
    assert_eq!(found(&events, "X", "write"), [(8, 7.0)]);
    assert_eq!(found(&events, "X", "asleep"), [(7, 4.0)]);
    let read = events.iter().find(|event| event["name"] == "read").expect("there is one");
    assert_eq!(read["dur"], 13.0);
    assert_eq!(found(&events, "X", "thread 8"), [(0, 6.0)], "what the CPU did");
}

#[test]
fn a_wake_up_is_an_arrow_from_the_waker_to_the_woken() {
    let events = events(&a_blocking_read());
    assert_eq!((found(&events, "s", "wake"), found(&events, "f", "wake")), (vec![(8, 9.0)], vec![(7, 12.0)]));
    let ids: Vec<_> = events.iter().filter(|event| event["cat"] == "wake").map(|event| &event["id"]).collect();
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn queues_and_pipes_have_their_lengths() {
    let events = events(&a_blocking_read());
    let values = |name: &str, what: &str| -> Vec<_> {
        let of = events.iter().filter(|event| event["ph"] == "C" && event["name"] == name);
        of.map(|event| event["args"][what].as_i64()).collect()
    };
    assert_eq!(values("queue 0x20", "waiting"), [Some(1), Some(0)]);
    assert_eq!(values("pipe 0x10", "slots"), [Some(1), Some(0)]);
}

#[test]
fn lines_of_a_console_are_the_same_recording() {
    let bytes = a_blocking_read();
    let line = |record: &[u8]| record.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let lines: String = bytes.chunks(48).map(|record| format!("trace:{}\r\n", line(record))).collect();
    let text = format!("what the program printed\n{lines}and more\n");
    assert_eq!(Recording::read(text.as_bytes()).ok(), Recording::read(&bytes).ok());
}

#[test]
fn what_is_no_recording_is_refused() {
    let bytes = a_blocking_read();
    for wrong in [&b""[..], b"nothing", &bytes[1..], &bytes[..100], b"trace:00\n", &bytes[48..]] {
        assert!(Recording::read(wrong).is_err());
    }
}

#[test]
fn what_was_open_where_events_were_lost_is_not_drawn() {
    let mut events_seen = vec![(7, Kind::SyscallEnter, [63, 0, 0]), (7, Kind::Sleep, [0; 3])];
    events_seen.extend([(0, Kind::Lost, [5, 0, 0]), (7, Kind::Run, [0; 3]), (7, Kind::SyscallExit, [1, 0, 0])]);
    let bytes = recording(&events_seen);
    assert!(events(&bytes).iter().all(|event| event["ph"] != "X"));
    assert_eq!(Recording::read(&bytes).expect("a recording").lost(), 5);
}

/// How far apart the thread's returns from reads are, of which every one has slept.
fn round_trips(recording: &Recording, tid: u32) -> Vec<u64> {
    let (mut reads, mut returns) = (false, Vec::new());
    for record in recording.records.iter().filter(|record| record.tid == tid) {
        match record.kind {
            Kind::PipeRead => reads = true,
            Kind::SyscallExit if std::mem::take(&mut reads) => returns.push(record.count),
            _ => {}
        }
    }
    returns.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// What the benchmark measures with the points off is what the recording says with the points on.
#[test]
fn a_recording_counts_a_round_trip_as_the_benchmark_does_untraced() {
    Built::Image.ensure();
    let benchmark = "ipcbench --quick --json --only pipe/latency/1";
    let command = format!("{benchmark}; trace -x {benchmark}");
    let boot = Boot { system: System::Postern, clock: Clock::Instructions, cpus: None, command, timeout_s: 120 };
    let printed = boot.run().expect("a boot");
    let untraced = printed.lines().find_map(|line| serde_json::from_str::<Value>(line).ok()?["per_operation"].as_f64());
    let untraced = untraced.expect("a figure");
    let recording = Recording::read(printed.as_bytes()).expect("a recording");
    assert_eq!(recording.header.counter, Counter::Instructions);
    let writers = recording.records.iter().filter(|record| record.kind == Kind::PipeWrite);
    let tid = writers.map(|record| record.tid).next_back().expect("somebody writes");
    let mut trips = round_trips(&recording, tid);
    trips.sort_unstable();
    let median = trips[trips.len() / 2];
    // The benchmark has the ends of its loop in it, which are few instructions for each of a thousand turns.
    let difference = untraced - f64::from(u32::try_from(median).expect("a few thousand"));
    assert!((0.0..2.0).contains(&difference), "{untraced} a round trip untraced, {median} by the recording");
    let same = trips.iter().filter(|trip| trip.abs_diff(median) <= 1).count();
    assert!(same * 10 > trips.len() * 9, "{same} of {} round trips are alike", trips.len());
}
