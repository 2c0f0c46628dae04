//! Recordings of the kernel's trace points: taken from a file or from what a console printed, and drawn as the JSON that Perfetto
//! (ui.perfetto.dev) and Chrome (chrome://tracing) show.
//!
//! Owns no file. What the records say: `postern_abi::trace`, docs/tracing.md; the format: "Trace Event Format" of Chromium.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, ensure};
use postern_abi::trace::{Counter, Header, Kind, RECORD_BYTES, Record, used_slots, words_of};
use serde_json::{Value, json};

/// What begins a record's line on a console.
const LINE: &str = "trace:";
/// The track of CPUs; threads of programs are numbered from 1.
const CPUS: u32 = 0;

/// A recording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recording {
    /// How it came about.
    pub header: Header,
    /// All events, those of one CPU after those of the other, each in its order.
    pub records: Vec<Record>,
}

impl Recording {
    /// From the bytes of /dev/trace, or from a console's output with such lines as `trace -x` prints.
    ///
    /// # Errors
    /// If it is neither, or of another version.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let from_lines = bytes_of_lines(&String::from_utf8_lossy(bytes))?;
        let bytes = if from_lines.is_empty() { bytes } else { &from_lines };
        let (records, rest) = bytes.as_chunks::<RECORD_BYTES>();
        ensure!(rest.is_empty() && !records.is_empty(), "not a recording: {} bytes are no whole records", bytes.len());
        let mut words = records.iter().map(words_of);
        let header = Header::from_words(words.next().unwrap_or_default())?;
        let records = words.map(Record::from_words).collect::<Result<_, _>>()?;
        Ok(Self { header, records })
    }

    /// The events in order of time. Of one CPU they stay as they are.
    fn in_order(&self) -> Vec<Record> {
        let mut records = self.records.clone();
        records.sort_by_key(|record| record.ticks);
        records
    }

    /// Microseconds, as the format wants them; an instruction counts as a nanosecond.
    fn time(&self, record: &Record) -> f64 {
        let (value, a_second) = match self.header.counter {
            Counter::Instructions if self.header.cpus == 1 && record.kind != Kind::Lost => {
                (record.count, 1_000_000_000)
            }
            _ => (record.ticks, self.header.ticks_hz.max(1)),
        };
        precise(value) * 1e6 / precise(a_second)
    }

    /// Events that found no room.
    pub fn lost(&self) -> u64 {
        self.records.iter().filter(|record| record.kind == Kind::Lost).map(|record| record.arguments[0]).sum()
    }

    /// The drawing.
    pub fn to_chrome(&self) -> Value {
        let mut drawing = Drawing::default();
        for record in self.in_order() {
            if record.kind == Kind::Lost {
                // What was open may have ended among the lost ones.
                drawing.forget();
            } else {
                drawing.draw(&record, self.time(&record));
            }
        }
        drawing.name_tracks();
        json!({ "displayTimeUnit": "ns", "traceEvents": drawing.events,
            "otherData": { "lost": self.lost(), "counter": format!("{:?}", self.header.counter) } })
    }
}

/// Exact up to 2⁵³, which is 104 days of nanoseconds.
#[expect(clippy::cast_precision_loss, reason = "times of a recording are short")]
const fn precise(value: u64) -> f64 {
    value as f64
}

/// The bytes of the lines that hold records; none if there are no such lines.
fn bytes_of_lines(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for digits in text.lines().filter_map(|line| line.trim_end().strip_prefix(LINE)) {
        ensure!(digits.len() == 2 * RECORD_BYTES && digits.is_ascii(), "a torn line: {LINE}{digits}");
        for at in (0..digits.len()).step_by(2) {
            let byte = u8::from_str_radix(&digits[at..at + 2], 16);
            bytes.push(byte.with_context(|| format!("a torn line: {LINE}{digits}"))?);
        }
    }
    Ok(bytes)
}

/// What has been drawn, and what is under way.
#[derive(Default)]
struct Drawing {
    events: Vec<Value>,
    /// The call that each thread is in, and since when.
    calls: HashMap<u32, (u64, f64)>,
    /// Since when each thread sleeps.
    sleeps: HashMap<u32, f64>,
    /// Who runs on each CPU, since when.
    running: HashMap<u16, (u32, f64)>,
    /// Wake-ups on the way to each thread, by their numbers.
    wakes: HashMap<u32, usize>,
    arrows: usize,
    /// Where each thread queues, and how many do in each queue.
    queued: HashMap<u32, u64>,
    lengths: BTreeMap<u64, i64>,
    threads: BTreeMap<u32, ()>,
}

impl Drawing {
    fn draw(&mut self, record: &Record, now: f64) {
        let (tid, [first, second, third]) = (record.tid, record.arguments);
        self.threads.insert(tid, ());
        match record.kind {
            Kind::SyscallEnter => drop(self.calls.insert(tid, (first, now))),
            Kind::SyscallExit => {
                self.leave_queue(tid, now);
                if let Some((number, since)) = self.calls.remove(&tid) {
                    let result = first.cast_signed();
                    self.slice(tid, tid, &call_name(number), since, now, &json!({ "result": result }));
                }
            }
            Kind::Sleep => drop(self.sleeps.insert(tid, now)),
            Kind::Switch => self.end_run(record.cpu, now),
            Kind::Run => self.begin_run(record, now),
            Kind::Enqueue => {
                self.instant(record, now);
                self.leave_queue(tid, now);
                self.queued.insert(tid, first);
                self.count_queue(first, 1, now);
            }
            Kind::Wake => {
                let woken = u32::try_from(first).unwrap_or(0);
                self.arrows += 1;
                self.wakes.insert(woken, self.arrows);
                self.arrow("s", self.arrows, tid, now);
                self.leave_queue(woken, now);
            }
            Kind::PipeRead | Kind::PipeWrite | Kind::HelloRead | Kind::HelloWrite => {
                self.instant(record, now);
                let name = format!("{} {first:#x}", if record.kind < Kind::HelloEmpty { "pipe" } else { "hello" });
                self.counter(&name, "slots", used_slots(third).into(), now);
                let _ = second;
            }
            _ => self.instant(record, now),
        }
    }

    /// Ends what a CPU did, and shows it on the CPU's track.
    fn end_run(&mut self, cpu: u16, now: f64) {
        if let Some((tid, since)) = self.running.remove(&cpu) {
            self.slice(CPUS, cpu.into(), &thread_name(tid), since, now, &json!({}));
        }
    }

    fn begin_run(&mut self, record: &Record, now: f64) {
        let tid = record.tid;
        self.end_run(record.cpu, now);
        self.running.insert(record.cpu, (tid, now));
        if let Some(since) = self.sleeps.remove(&tid) {
            self.slice(tid, tid, "asleep", since, now, &json!({}));
        }
        if let Some(arrow) = self.wakes.remove(&tid) {
            self.arrow("f", arrow, tid, now);
        }
    }

    fn leave_queue(&mut self, tid: u32, now: f64) {
        if let Some(queue) = self.queued.remove(&tid) {
            self.count_queue(queue, -1, now);
        }
    }

    fn count_queue(&mut self, queue: u64, change: i64, now: f64) {
        let length = self.lengths.entry(queue).or_default();
        *length += change;
        let length = *length;
        self.counter(&format!("queue {queue:#x}"), "waiting", length, now);
    }

    fn forget(&mut self) {
        let events = std::mem::take(&mut self.events);
        let (threads, arrows) = (std::mem::take(&mut self.threads), self.arrows);
        *self = Self { events, threads, arrows, ..Self::default() };
    }

    fn slice(&mut self, process: u32, thread: u32, name: &str, since: f64, until: f64, arguments: &Value) {
        self.events.push(json!({ "ph": "X", "name": name, "pid": process, "tid": thread, "ts": since,
            "dur": until - since, "args": arguments }));
    }

    fn instant(&mut self, record: &Record, now: f64) {
        let arguments = record.kind.arguments().iter().zip(record.arguments);
        let arguments: serde_json::Map<_, _> =
            arguments.map(|(name, value)| ((*name).to_owned(), format!("{value:#x}").into())).collect();
        self.events
            .push(json!({ "ph": "i", "s": "t", "name": record.kind.name(), "pid": record.tid, "tid": record.tid,
            "ts": now, "args": arguments }));
    }

    fn arrow(&mut self, phase: &str, number: usize, tid: u32, now: f64) {
        self.events.push(json!({ "ph": phase, "bp": "e", "cat": "wake", "name": "wake", "id": number, "pid": tid,
            "tid": tid, "ts": now }));
    }

    fn counter(&mut self, name: &str, what: &str, value: i64, now: f64) {
        self.events.push(json!({ "ph": "C", "name": name, "pid": CPUS, "ts": now, "args": { what: value } }));
    }

    fn name_tracks(&mut self) {
        let named =
            |pid: u32, name: String| json!({ "ph": "M", "name": "process_name", "pid": pid, "args": { "name": name } });
        self.events.push(named(CPUS, "CPUs and queues".to_owned()));
        let threads = self.threads.keys().filter(|tid| **tid != 0);
        let names: Vec<Value> = threads.map(|&tid| named(tid, thread_name(tid))).collect();
        self.events.extend(names);
    }
}

fn thread_name(tid: u32) -> String {
    if tid == 0 { "kernel".to_owned() } else { format!("thread {tid}") }
}

/// The calls that matter here; others go by their numbers (include/uapi/asm-generic/unistd.h).
fn call_name(number: u64) -> String {
    let name = match number {
        22 => "epoll_pwait",
        29 => "ioctl",
        56 => "openat",
        57 => "close",
        59 => "pipe2",
        63 => "read",
        64 => "write",
        65 => "readv",
        66 => "writev",
        72 => "pselect6",
        73 => "ppoll",
        76 => "splice",
        93 => "exit",
        94 => "exit_group",
        98 => "futex",
        101 => "nanosleep",
        115 => "clock_nanosleep",
        124 => "sched_yield",
        173 => "getppid",
        220 => "clone",
        221 => "execve",
        222 => "mmap",
        260 => "wait4",
        other => return format!("call {other}"),
    };
    name.to_owned()
}
