//! Applets that turn into another program or wait for one: env, nice, nohup, time, taskset; and which.

use crate::invocation::{At, Failure, Invocation, Outcome, finish, output, reason};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::Pid;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

/// Turns into `words`; returns only when that fails: 127 if there is no such program, else 126.
pub fn become_program(mut command: Command, program: &OsStr) -> Outcome {
    Err(cannot_run(program, &command.exec()))
}

pub fn cannot_run(program: &OsStr, error: &io::Error) -> Failure {
    let status = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
    Failure { status, message: format!("{}: {}", program.display(), reason(error)) }
}

/// The command of the first word, with the default action for SIGPIPE that std would set anyway.
pub fn command_of(words: &[OsString]) -> Result<(Command, &OsStr), Failure> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(Failure::usage("missing command"));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    Ok((command, program))
}

/// What the shell would have as `$?`.
pub fn status_of(status: ExitStatus) -> u8 {
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    number.unwrap_or(1).to_le_bytes()[0]
}

/// `env [-i] [-u name] [name=value…] [command]`
pub fn env_applet(invocation: &Invocation) -> Outcome {
    let options = invocation.options("+iu:")?;
    let is_assignment = |word: &&OsString| word.as_encoded_bytes().iter().skip(1).any(|byte| *byte == b'=');
    let count = options.operands.iter().take_while(is_assignment).count();
    let (assignments, words) = options.operands.split_at(count);
    let mut variables: Vec<(OsString, OsString)> = if options.has('i') { Vec::new() } else { env::vars_os().collect() };
    for assignment in assignments {
        let text = assignment.to_string_lossy();
        let (name, value) = text.split_once('=').unwrap_or((&text, ""));
        variables.retain(|(own, _)| own != name);
        variables.push((name.into(), value.into()));
    }
    for name in options.values('u') {
        variables.retain(|(own, _)| own != name);
    }
    if words.is_empty() {
        let mut output = output()?;
        for (name, value) in &variables {
            output.write_all(&[name.as_encoded_bytes(), b"=", value.as_encoded_bytes(), b"\n"].concat())?;
        }
        return finish(invocation, output);
    }
    let (mut command, program) = command_of(words)?;
    command.env_clear().envs(variables);
    become_program(command, program)
}

/// `printenv [name…]`
pub fn printenv(invocation: &Invocation) -> Outcome {
    let options = invocation.options("")?;
    let mut output = output()?;
    let mut missing = false;
    if options.operands.is_empty() {
        for (name, value) in env::vars_os() {
            output.write_all(&[name.as_encoded_bytes(), b"=", value.as_encoded_bytes(), b"\n"].concat())?;
        }
    }
    for name in &options.operands {
        match env::var_os(name) {
            Some(value) => output.write_all(&[value.as_encoded_bytes(), b"\n"].concat())?,
            None => missing = true,
        }
    }
    finish(invocation, output)?;
    Ok(u8::from(missing))
}

/// `nice [-n adjustment] command…`
pub fn nice(invocation: &Invocation) -> Outcome {
    let options = invocation.options("+n:")?;
    let adjustment: i32 = options.parsed('n')?.unwrap_or(10);
    let (command, program) = command_of(&options.operands)?;
    Errno::clear();
    // SAFETY: nice takes a plain number.
    let result = unsafe { libc::nice(adjustment) };
    // -1 is a valid niceness, so only errno tells.
    if result == -1 && Errno::last() != Errno::UnknownErrno {
        invocation.report("cannot set niceness", Errno::last());
    }
    become_program(command, program)
}

/// `nohup command…`
pub fn nohup(invocation: &Invocation) -> Outcome {
    let options = invocation.options("+")?;
    let (mut command, program) = command_of(&options.operands)?;
    if io::stdout().is_terminal() {
        let file = OpenOptions::new().append(true).create(true).open("nohup.out").at("nohup.out")?;
        if io::stderr().is_terminal() {
            command.stderr(file.try_clone()?);
        }
        command.stdout(file);
    } else if io::stderr().is_terminal() {
        command.stderr(Stdio::from(io::stdout().as_fd().try_clone_to_owned()?));
    }
    // SAFETY: no handler is installed; the signal is ignored from here on, also by the program.
    let ignored = unsafe { nix::sys::signal::signal(nix::sys::signal::SIGHUP, nix::sys::signal::SigHandler::SigIgn) };
    ignored.at("SIGHUP")?;
    become_program(command, program)
}

/// `time command…`: real, user and system time on standard error.
pub fn time(invocation: &Invocation) -> Outcome {
    let options = invocation.options("+p")?;
    let (mut command, program) = command_of(&options.operands)?;
    let started = Instant::now();
    let status = command.status().map_err(|error| cannot_run(program, &error))?;
    let real = started.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).at("getrusage")?;
    let show = |time: nix::sys::time::TimeVal| format!("{}.{:06}", time.tv_sec(), time.tv_usec());
    eprintln!("real {real:.6}\nuser {}\nsys {}", show(usage.user_time()), show(usage.system_time()));
    Ok(status_of(status))
}

/// `taskset mask command…`, `taskset -c list command…`, `taskset -p [mask] pid`
pub fn taskset(invocation: &Invocation) -> Outcome {
    let options = invocation.options("+cp")?;
    let operands = &options.operands;
    let cpus = |text: &OsString| {
        let text = text.to_string_lossy().into_owned();
        let set = if options.has('c') { cpu_list(&text) } else { cpu_mask(&text) };
        set.ok_or_else(|| Failure::usage(format!("invalid CPUs '{text}'")))
    };
    if options.has('p') {
        let pid = operands.last().and_then(|text| text.to_str()).and_then(|text| text.parse().ok());
        let pid = Pid::from_raw(pid.ok_or_else(|| Failure::usage("usage: taskset -p [mask] pid"))?);
        if let [set, _] = operands.as_slice() {
            sched_setaffinity(pid, &cpus(set)?).at("sched_setaffinity")?;
        }
        let set = sched_getaffinity(pid).at("sched_getaffinity")?;
        let bits = (0..64).filter(|cpu| set.is_set(*cpu) == Ok(true)).fold(0_u64, |mask, cpu| mask | 1 << cpu);
        let mut output = output()?;
        writeln!(output, "pid {pid}'s affinity mask: {bits:x}")?;
        return finish(invocation, output);
    }
    let Some((set, words)) = operands.split_first() else {
        return Err(Failure::usage("usage: taskset mask|-c list command..."));
    };
    sched_setaffinity(Pid::from_raw(0), &cpus(set)?).at("sched_setaffinity")?;
    let (command, program) = command_of(words)?;
    become_program(command, program)
}

fn cpu_mask(text: &str) -> Option<CpuSet> {
    let mask = u64::from_str_radix(text.trim_start_matches("0x"), 16).ok()?;
    let mut set = CpuSet::new();
    for cpu in (0..64).filter(|cpu| mask >> cpu & 1 == 1) {
        set.set(cpu).ok()?;
    }
    Some(set)
}

fn cpu_list(text: &str) -> Option<CpuSet> {
    let mut set = CpuSet::new();
    for part in text.split(',') {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        for cpu in low.parse::<usize>().ok()?..=high.parse::<usize>().ok()?.min(CpuSet::count()) {
            set.set(cpu).ok()?;
        }
    }
    Some(set)
}

/// `which [-a] name…`
pub fn which(invocation: &Invocation) -> Outcome {
    let options = invocation.options("a")?;
    let path = env::var_os("PATH").unwrap_or_else(|| "/bin:/sbin:/usr/bin:/usr/sbin".into());
    let mut output = output()?;
    let mut missing = false;
    for name in options.required()? {
        let directories: Vec<PathBuf> = if name.as_encoded_bytes().contains(&b'/') {
            vec![PathBuf::new()]
        } else {
            env::split_paths(&path).collect()
        };
        let found = directories
            .iter()
            .map(|directory| directory.join(name))
            .filter(|path| path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0));
        let found: Vec<_> = found.take(if options.has('a') { usize::MAX } else { 1 }).collect();
        missing |= found.is_empty();
        for path in found {
            writeln!(output, "{}", path.display())?;
        }
    }
    finish(invocation, output)?;
    Ok(u8::from(missing))
}
