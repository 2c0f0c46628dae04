//! `dd`: copies blocks, one `read` and one `write` each, so that it shows what the kernel does.
//! Specification: POSIX.1-2024, utility `dd`, without conversions of text.

use crate::invocation::{At, Failure, Invocation, Outcome};
use crate::size::{human_readable, with_suffix};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Instant;

#[derive(Default)]
struct Plan {
    input: Option<OsString>,
    output: Option<OsString>,
    block_bytes: usize,
    count: Option<u64>,
    skip: u64,
    seek: u64,
    keep_length: bool,
    pad: bool,
    full_blocks: bool,
    quiet: bool,
}

/// `dd [if=file] [of=file] [bs=n] [count=n] [skip=n] [seek=n] [conv=notrunc,sync] [iflag=fullblock] [status=none]`
pub fn dd(invocation: &Invocation) -> Outcome {
    let plan = plan(&invocation.arguments)?;
    let mut input = match &plan.input {
        Some(path) => File::open(path).at(path)?,
        None => File::from(io::stdin().as_fd().try_clone_to_owned()?),
    };
    let mut output = match &plan.output {
        Some(path) => {
            let truncate = !plan.keep_length && plan.seek == 0;
            let file = OpenOptions::new().write(true).create(true).truncate(truncate).open(path).at(path)?;
            if !plan.keep_length && plan.seek > 0 {
                // Only what lies behind the starting point is cut off. Devices have no length to set.
                let _ = file.set_len(offset(&plan, plan.seek));
            }
            file
        }
        None => File::from(io::stdout().as_fd().try_clone_to_owned()?),
    };
    skip_input(&mut input, &plan).at(plan.input.as_deref().unwrap_or(OsStr::new("standard input")))?;
    if plan.seek > 0 {
        let result = output.seek(SeekFrom::Start(offset(&plan, plan.seek)));
        result.at(plan.output.as_deref().unwrap_or(OsStr::new("standard output")))?;
    }
    copy(&plan, &mut input, &mut output)
}

fn plan(arguments: &[OsString]) -> Result<Plan, Failure> {
    let mut plan = Plan { block_bytes: 512, ..Plan::default() };
    for argument in arguments {
        let text = argument.to_string_lossy();
        let (key, value) = text.split_once('=').ok_or_else(|| Failure::usage(format!("unknown operand '{text}'")))?;
        let file = || OsString::from_vec(argument.as_bytes()[key.len() + 1..].to_vec());
        let number = || with_suffix(value).ok_or_else(|| Failure::usage(format!("{key}: invalid number '{value}'")));
        match key {
            "if" => plan.input = Some(file()),
            "of" => plan.output = Some(file()),
            "bs" | "ibs" | "obs" => plan.block_bytes = usize::try_from(number()?).unwrap_or(0),
            "count" => plan.count = Some(number()?),
            "skip" => plan.skip = number()?,
            "seek" => plan.seek = number()?,
            "status" => plan.quiet = value == "none",
            "conv" | "iflag" | "oflag" => {
                for word in value.split(',') {
                    match word {
                        "notrunc" => plan.keep_length = true,
                        "sync" if key == "conv" => plan.pad = true,
                        "fullblock" => plan.full_blocks = true,
                        "fsync" | "fdatasync" => {}
                        _ => return Err(Failure::usage(format!("{key}: unknown word '{word}'"))),
                    }
                }
            }
            _ => return Err(Failure::usage(format!("unknown operand '{text}'"))),
        }
    }
    const BLOCK_BYTES_MAX: usize = 1 << 30;
    if !(1..=BLOCK_BYTES_MAX).contains(&plan.block_bytes) {
        return Err(Failure::usage("bs: must be between 1 and 1G"));
    }
    Ok(plan)
}

fn offset(plan: &Plan, blocks: u64) -> u64 {
    u64::try_from(plan.block_bytes).unwrap_or(u64::MAX).saturating_mul(blocks)
}

fn skip_input(input: &mut File, plan: &Plan) -> io::Result<()> {
    if plan.skip == 0 {
        return Ok(());
    }
    let bytes = offset(plan, plan.skip);
    if input.seek(SeekFrom::Start(bytes)).is_ok() {
        return Ok(());
    }
    io::copy(&mut Read::take(&mut *input, bytes), &mut io::sink()).map(|_| ())
}

/// Reads one block: with one call, or with as many as it takes to fill it.
fn read_block(input: &mut File, buffer: &mut [u8], full: bool) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match input.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if !full {
            break;
        }
    }
    Ok(length)
}

fn copy(plan: &Plan, input: &mut File, output: &mut File) -> Outcome {
    let started = Instant::now();
    let mut buffer = vec![0; plan.block_bytes];
    let (mut full, mut partial, mut bytes) = (0_u64, 0_u64, 0_u64);
    let mut result = Ok(0);
    while plan.count.is_none_or(|count| full + partial < count) {
        let length = match read_block(input, &mut buffer, plan.full_blocks) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) => {
                result = Err(error).at("read error");
                break;
            }
        };
        if length == plan.block_bytes {
            full += 1
        } else {
            partial += 1
        }
        let written = if plan.pad {
            buffer[length..].fill(0);
            plan.block_bytes
        } else {
            length
        };
        if let Err(error) = output.write_all(&buffer[..written]) {
            result = Err(error).at("write error");
            break;
        }
        bytes += u64::try_from(written).unwrap_or(0);
    }
    if !plan.quiet {
        let seconds = started.elapsed().as_secs_f64();
        eprintln!("{full}+{partial} records in\n{full}+{partial} records out");
        eprintln!("{bytes} bytes ({}) copied, {seconds:.6} s", human_readable(bytes));
    }
    result
}
