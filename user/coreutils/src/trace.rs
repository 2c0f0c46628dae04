//! `trace`: runs a program while the kernel's trace points are on, and shows what a blocking read of it consisted of; or writes
//! the recording down, for `lab trace` on the host.
//!
//! docs/tracing.md says what is recorded, and what the numbers mean.

use crate::invocation::{At, Failure, Invocation, Outcome, Output, finish, output};
use crate::process::duration;
use crate::run::{cannot_run, command_of, status_of};
use crate::trace_life::{Life, Step, lives};
use crate::trace_waits::waits;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use postern_abi::trace::{Counter, Header, Kind, RECORD_BYTES, Record, START, STOP, words_of};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const DEVICE: &str = "/dev/trace";
/// The status after the time has run out.
const TIMED_OUT_STATUS: u8 = 124;
const WAITS: &str = "/proc/postern/waits";

/// A recording that has been read.
struct Recording {
    header: Header,
    records: Vec<Record>,
}

/// `trace [-x] [-o file] [-t seconds] command [argument...]`: the status is the command's. A command that runs for longer than `-t`
/// allows is ended with its group, after it was said who waits for whom; the status is 124, as of `timeout`.
pub fn trace(invocation: &Invocation) -> Outcome {
    let options = invocation.options("+xo:t:")?;
    if options.operands.is_empty() {
        return Err(Failure::usage("usage: trace [-x] [-o file] [-t seconds] command [argument...]"));
    }
    let (mut command, program) = command_of(&options.operands)?;
    let mut device = OpenOptions::new().read(true).write(true).open(DEVICE).at(DEVICE)?;
    device.write_all(&[START]).at(DEVICE)?;
    let limit = options.text('t')?.map(duration).transpose()?;
    let mut bytes = Vec::new();
    let ended = match limit {
        None => Run::Ended(command.status().map_err(|error| cannot_run(program, &error))?),
        Some(limit) => {
            let child = command.process_group(0).spawn().map_err(|error| cannot_run(program, &error))?;
            run_for(limit, child, &mut device, &mut bytes)?
        }
    };
    device.write_all(&[STOP]).at(DEVICE)?;
    read_all(&mut device, &mut bytes).at(DEVICE)?;
    if let Some(path) = options.value('o') {
        File::create(path).and_then(|mut file| file.write_all(&bytes)).at(path)?;
    }
    let mut output = output()?;
    if options.has('x') {
        write_lines(&mut output, &bytes)?;
    } else if let Run::Late(now) = &ended {
        let mut records = understand(&bytes)?.records;
        records.sort_by_key(|record| record.ticks);
        write!(output, "{now}\n{}", waits(&records))?;
    } else if options.value('o').is_none() {
        show(&mut output, &understand(&bytes)?)?;
    }
    finish(invocation, output)?;
    Ok(match ended {
        Run::Ended(status) => status_of(status),
        Run::Late(_) => TIMED_OUT_STATUS,
    })
}

/// What has come of the command.
enum Run {
    Ended(ExitStatus),
    /// It was killed, for its time was over; what the kernel said of who sleeps before that.
    Late(String),
}

/// Waits for the command for so long, and takes out meanwhile what has been recorded. If it has not ended then, it is killed when
/// recording has stopped.
fn run_for(limit: Duration, child: Child, device: &mut File, bytes: &mut Vec<u8>) -> Result<Run, Failure> {
    const EVERY: Duration = Duration::from_millis(50);
    let group = Pid::from_raw(child.id().cast_signed());
    let (tell, ended) = mpsc::channel();
    thread::spawn(move || {
        let mut child = child;
        // Nobody listens any more when this program ends first.
        let _ = tell.send(child.wait());
    });
    let until = Instant::now() + limit;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        match ended.recv_timeout(left.min(EVERY)) {
            Ok(status) => return Ok(Run::Ended(status.at("wait")?)),
            Err(_) => read_some(device, bytes).at(DEVICE)?,
        }
    }
    device.write_all(&[STOP]).at(DEVICE)?;
    let waits = fs::read_to_string(WAITS).at(WAITS)?;
    killpg(group, Signal::SIGKILL).at("kill")?;
    Ok(Run::Late(waits))
}

/// All records, after recording has stopped.
fn read_all(device: &mut File, bytes: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let before = bytes.len();
        read_some(device, bytes)?;
        if bytes.len() == before {
            return Ok(());
        }
    }
}

/// The records that are there; while recording goes on, reading makes some more. A read gives whole ones.
fn read_some(device: &mut File, bytes: &mut Vec<u8>) -> io::Result<()> {
    const AT_ONCE: usize = 256 * RECORD_BYTES;
    let mut part = vec![0; AT_ONCE];
    loop {
        let length = device.read(&mut part)?;
        bytes.extend_from_slice(&part[..length]);
        if length < part.len() {
            return Ok(());
        }
    }
}

/// A line of hexadecimal digits for each record, which passes through a console unharmed.
fn write_lines(output: &mut Output, bytes: &[u8]) -> io::Result<()> {
    for record in bytes.chunks(RECORD_BYTES) {
        output.write_all(b"trace:")?;
        for byte in record {
            write!(output, "{byte:02x}")?;
        }
        output.write_all(b"\n")?;
    }
    Ok(())
}

fn understand(bytes: &[u8]) -> Result<Recording, Failure> {
    let malformed = |error| Failure::new(format!("{DEVICE}: {error}"));
    let (records, _) = bytes.as_chunks::<RECORD_BYTES>();
    let mut words = records.iter().map(words_of);
    let header = Header::from_words(words.next().unwrap_or_default()).map_err(malformed)?;
    let records = words.map(Record::from_words).collect::<Result<_, _>>().map_err(malformed)?;
    Ok(Recording { header, records })
}

fn show(output: &mut Output, recording: &Recording) -> io::Result<()> {
    let unit = match recording.header.counter {
        Counter::Instructions => "instructions",
        Counter::Ticks => "ticks, and tracing among them: this machine counts no instructions",
    };
    show_counts(output, recording)?;
    let mut all = Vec::new();
    for cpu in 0..=u16::MAX {
        if u32::from(cpu) >= recording.header.cpus {
            break;
        }
        all.extend(lives(recording.records.iter().filter(|record| record.cpu == cpu)));
    }
    all.sort_by_key(|life| life.total);
    let Some(life) = all.get(all.len() / 2) else {
        return writeln!(output, "No read of a pipe or of /dev/hello slept and was woken on one CPU.");
    };
    writeln!(output, "\nThe life of a blocking read: thread {}, the median of {} ({unit})", life.tid, all.len())?;
    show_life(output, life)
}

fn show_counts(output: &mut Output, recording: &Recording) -> io::Result<()> {
    let mut counts: BTreeMap<Kind, u64> = BTreeMap::new();
    for record in &recording.records {
        let weight = if record.kind == Kind::Lost { record.arguments[0] } else { 1 };
        *counts.entry(record.kind).or_default() += weight;
    }
    writeln!(output, "{:<16}{:>10}", "event", "count")?;
    for (kind, count) in counts {
        writeln!(output, "{:<16}{count:>10}", kind.name())?;
    }
    Ok(())
}

fn show_life(output: &mut Output, life: &Life) -> io::Result<()> {
    writeln!(output, "{:<34}{:>10}{:>10}", "step", "reader", "others")?;
    let mut sums = [0, 0];
    for (step, cost) in Step::ALL.iter().zip(life.costs) {
        writeln!(output, "{:<34}{:>10}{:>10}", step.text(), cost.reader, cost.others)?;
        sums = [sums[0] + cost.reader, sums[1] + cost.others];
    }
    writeln!(output, "{:<34}{:>10}{:>10}", "sum", sums[0], sums[1])?;
    writeln!(output, "{:<34}{:>10}", "from call to return", life.total)
}
