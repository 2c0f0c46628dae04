//! Applets that pass bytes on: cat, tee, head, tail, wc, yes.

use crate::invocation::{At, Failure, Invocation, Outcome, finish, open, output};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};

/// Large enough to make the system calls cheap, small enough for a small machine.
const CHUNK_BYTES: usize = 65536;

/// `cat [-n] [-u] [file…]`
pub fn cat(invocation: &Invocation) -> Outcome {
    let options = invocation.options("nu")?;
    let mut output = output()?;
    let mut line_number = 0;
    for path in options.files() {
        let result = open(&path).at(&path).and_then(|file| {
            if options.has('n') {
                number_lines(file, &path, &mut output, &mut line_number)
            } else {
                output.flush()?;
                copy(file, &path, output.get_mut())
            }
        });
        match result {
            Err(failure) if failure.message.starts_with("write error") => return Err(failure),
            Err(failure) => invocation.complain(failure.message),
            Ok(()) => {}
        }
    }
    finish(invocation, output)
}

/// Copies all there is, as it comes.
fn copy(mut file: File, path: &OsStr, output: &mut File) -> Result<(), Failure> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => output.write_all(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).at(path),
        }
    }
}

fn number_lines(file: File, path: &OsStr, output: &mut impl Write, number: &mut u64) -> Result<(), Failure> {
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).at(path)? > 0 {
        *number += 1;
        write!(output, "{number:6}\t")?;
        output.write_all(&line)?;
        line.clear();
    }
    Ok(())
}

/// `tee [-a] [file…]`
pub fn tee(invocation: &Invocation) -> Outcome {
    let options = invocation.options("ai")?;
    let mut outputs: Vec<(File, &OsStr)> = Vec::new();
    for path in &options.operands {
        let append = options.has('a');
        match OpenOptions::new().write(true).create(true).append(append).truncate(!append).open(path) {
            Ok(file) => outputs.push((file, path)),
            Err(error) => invocation.report(path, error),
        }
    }
    let mut standard = output()?;
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let count = match io::stdin().read(&mut buffer) {
            Ok(0) => return Ok(invocation.status()),
            Ok(count) => count,
            Err(error) => return Err(error).at("standard input"),
        };
        standard.get_mut().write_all(&buffer[..count])?;
        outputs.retain_mut(|(file, path)| {
            let written = file.write_all(&buffer[..count]);
            written.map_err(|error| invocation.report(*path, error)).is_ok()
        });
    }
}

/// `head [-n lines] [-c bytes] [file…]`
pub fn head(invocation: &Invocation) -> Outcome {
    let options = invocation.options("#n:c:q")?;
    let lines = options.number().map(str::parse).transpose().map_err(|_| Failure::usage("invalid number"))?;
    let lines: u64 = options.parsed('n')?.or(lines).unwrap_or(10);
    let bytes: Option<u64> = options.parsed('c')?;
    let mut output = output()?;
    let files = options.files();
    for (index, path) in files.iter().enumerate() {
        let file = match open(path) {
            Ok(file) => file,
            Err(error) => {
                invocation.report(path, error);
                continue;
            }
        };
        if files.len() > 1 && !options.has('q') {
            let separator = if index > 0 { "\n" } else { "" };
            writeln!(output, "{separator}==> {} <==", path.display())?;
        }
        let result = match bytes {
            Some(count) => io::copy(&mut file.take(count), &mut output).map(|_| ()),
            None => first_lines(file, lines, &mut output),
        };
        if let Err(error) = result {
            invocation.report(path, error);
        }
    }
    finish(invocation, output)
}

fn first_lines(file: File, count: u64, output: &mut impl Write) -> io::Result<()> {
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    for _ in 0..count {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        output.write_all(&line)?;
    }
    Ok(())
}

/// `tail [-n [+]lines] [-c [+]bytes] [file…]`
pub fn tail(invocation: &Invocation) -> Outcome {
    let options = invocation.options("#n:c:q")?;
    let bytes = options.text('c')?;
    let text = bytes.or(options.text('n')?).or(options.number()).unwrap_or("10");
    let from_start = text.starts_with('+');
    let digits = text.trim_start_matches(['+', '-']);
    let count: usize = digits.parse().map_err(|_| Failure::usage(format!("invalid number '{text}'")))?;
    let mut output = output()?;
    let files = options.files();
    for (index, path) in files.iter().enumerate() {
        let content = match open(path).and_then(|file| last_content(file, bytes.filter(|_| !from_start).map(|_| count)))
        {
            Ok(content) => content,
            Err(error) => {
                invocation.report(path, error);
                continue;
            }
        };
        if files.len() > 1 && !options.has('q') {
            let separator = if index > 0 { "\n" } else { "" };
            writeln!(output, "{separator}==> {} <==", path.display())?;
        }
        let start = match (bytes.is_some(), from_start) {
            (true, true) => count.saturating_sub(1).min(content.len()),
            (true, false) => content.len().saturating_sub(count),
            (false, true) => after_lines(&content, count.saturating_sub(1)),
            (false, false) => before_last_lines(&content, count),
        };
        output.write_all(&content[start..])?;
    }
    finish(invocation, output)
}

/// The file's content; when only the last bytes matter and it can seek, no more than those.
fn last_content(mut file: File, bytes: Option<usize>) -> io::Result<Vec<u8>> {
    if let Some(count) = bytes
        && let Ok(length) = file.seek(SeekFrom::End(0))
    {
        file.seek(SeekFrom::Start(length.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX))))?;
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    Ok(content)
}

/// Where line number `skip` (from zero) starts.
fn after_lines(content: &[u8], skip: usize) -> usize {
    let ends = content.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(ends).nth(skip).unwrap_or(content.len())
}

/// Where the last `count` lines start.
fn before_last_lines(content: &[u8], count: usize) -> usize {
    if count == 0 {
        return content.len();
    }
    let body = content.strip_suffix(b"\n").unwrap_or(content);
    let ends = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    ends.take(count).nth(count - 1).unwrap_or(0)
}

/// `wc [-lwcm] [file…]`
pub fn wc(invocation: &Invocation) -> Outcome {
    let options = invocation.options("lwcm")?;
    let all = options.last_of("lwcm").is_none();
    let mut total = [0; 3];
    let mut output = output()?;
    let files = options.files();
    let show = |counts: [u64; 3], name: &OsStr, output: &mut dyn Write| {
        let wanted = [options.has('l'), options.has('w'), options.has('c') || options.has('m')];
        let columns: Vec<_> =
            counts.iter().zip(wanted).filter(|(_, wanted)| all || *wanted).map(|(count, _)| *count).collect();
        let single = columns.len() == 1;
        let text: Vec<_> =
            columns.iter().map(|count| if single { count.to_string() } else { format!("{count:7}") }).collect();
        let name = if name == "-" { String::new() } else { format!(" {}", name.display()) };
        writeln!(output, "{}{name}", text.join(" "))
    };
    for path in &files {
        match open(path).and_then(|file| count(file, options.has('m'))) {
            Ok(counts) => {
                show(counts, path, &mut output)?;
                total.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            }
            Err(error) => invocation.report(path, error),
        }
    }
    if files.len() > 1 {
        show(total, OsStr::new("total"), &mut output)?;
    }
    finish(invocation, output)
}

/// Lines, words and bytes (or characters).
fn count(mut file: File, characters: bool) -> io::Result<[u64; 3]> {
    let mut counts = [0; 3];
    let mut in_word = false;
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let length = match file.read(&mut buffer) {
            Ok(0) => return Ok(counts),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for byte in &buffer[..length] {
            counts[0] += u64::from(*byte == b'\n');
            let blank = byte.is_ascii_whitespace() || *byte == 0x0b;
            counts[1] += u64::from(!blank && !in_word);
            in_word = !blank;
            // In UTF-8 every byte but a continuation starts a character.
            counts[2] += u64::from(!characters || byte & 0xc0 != 0x80);
        }
    }
}

/// `yes [words]`: until nobody reads any more.
pub fn yes(invocation: &Invocation) -> Outcome {
    let words: Vec<_> = invocation.arguments.iter().map(|word| word.as_encoded_bytes()).collect();
    let mut line = if words.is_empty() { b"y".to_vec() } else { words.join(&b' ') };
    line.push(b'\n');
    let chunk = line.repeat((8192 / line.len()).max(1));
    let mut output = output()?;
    loop {
        output.get_mut().write_all(&chunk)?;
    }
}
