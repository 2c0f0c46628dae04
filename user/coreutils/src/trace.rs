//! `trace`: runs a program while the kernel's trace points are on, and shows what a blocking read of it consisted of; or writes
//! the recording down, for `lab trace` on the host.
//!
//! docs/tracing.md says what is recorded, and what the numbers mean.

use crate::invocation::{At, Failure, Invocation, Outcome, Output, finish, output};
use crate::run::{cannot_run, command_of, status_of};
use crate::trace_life::{Life, Step, lives};
use postern_abi::trace::{Counter, Header, Kind, RECORD_BYTES, Record, START, STOP, words_of};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

const DEVICE: &str = "/dev/trace";

/// A recording that has been read.
struct Recording {
    header: Header,
    records: Vec<Record>,
}

/// `trace [-x] [-o file] command [argument...]`: the status is the command's.
pub fn trace(invocation: &Invocation) -> Outcome {
    let options = invocation.options("+xo:")?;
    if options.operands.is_empty() {
        return Err(Failure::usage("usage: trace [-x] [-o file] command [argument...]"));
    }
    let (mut command, program) = command_of(&options.operands)?;
    let mut device = OpenOptions::new().read(true).write(true).open(DEVICE).at(DEVICE)?;
    device.write_all(&[START]).at(DEVICE)?;
    let status = command.status().map_err(|error| cannot_run(program, &error))?;
    device.write_all(&[STOP]).at(DEVICE)?;
    let bytes = read_all(&mut device).at(DEVICE)?;
    if let Some(path) = options.value('o') {
        File::create(path).and_then(|mut file| file.write_all(&bytes)).at(path)?;
    }
    let mut output = output()?;
    if options.has('x') {
        write_lines(&mut output, &bytes)?;
    } else if options.value('o').is_none() {
        show(&mut output, &understand(&bytes)?)?;
    }
    finish(invocation, output)?;
    Ok(status_of(status))
}

/// All records; a read gives whole ones.
fn read_all(device: &mut File) -> io::Result<Vec<u8>> {
    const AT_ONCE: usize = 256 * RECORD_BYTES;
    let mut bytes = Vec::new();
    let mut part = vec![0; AT_ONCE];
    loop {
        match device.read(&mut part)? {
            0 => return Ok(bytes),
            length => bytes.extend_from_slice(&part[..length]),
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
