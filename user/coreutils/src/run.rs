//! Applets that run another program: env, nice, nohup, time, timeout, taskset, xargs; and which.

use crate::invocation::{At, Failure, Invocation, Outcome, finish, output, reason};
use crate::process::{duration, signal_number};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::Pid;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Instant;

/// Turns into `words`; returns only when that fails: 127 if there is no such program, else 126.
fn become_program(mut command: Command, program: &OsStr) -> Outcome {
    Err(cannot_run(program, &command.exec()))
}

fn cannot_run(program: &OsStr, error: &io::Error) -> Failure {
    let status = if error.kind() == io::ErrorKind::NotFound {
        127
    } else {
        126
    };
    Failure {
        status,
        message: format!("{}: {}", program.display(), reason(error)),
    }
}

/// The command of the first word, with the default action for SIGPIPE that std would set anyway.
fn command_of(words: &[OsString]) -> Result<(Command, &OsStr), Failure> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(Failure::usage("missing command"));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    Ok((command, program))
}

/// What the shell would have as `$?`.
fn status_of(status: ExitStatus) -> u8 {
    let number = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    number.unwrap_or(1).to_le_bytes()[0]
}

/// `env [-i] [-u name] [name=value…] [command]`
pub fn env_applet(invocation: &Invocation) -> Outcome {
    let options = invocation.options("+iu:")?;
    let is_assignment = |word: &&OsString| {
        word.as_encoded_bytes()
            .iter()
            .skip(1)
            .any(|byte| *byte == b'=')
    };
    let count = options.operands.iter().take_while(is_assignment).count();
    let (assignments, words) = options.operands.split_at(count);
    let mut variables: Vec<(OsString, OsString)> = if options.has('i') {
        Vec::new()
    } else {
        env::vars_os().collect()
    };
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
            output.write_all(
                &[
                    name.as_encoded_bytes(),
                    b"=",
                    value.as_encoded_bytes(),
                    b"\n",
                ]
                .concat(),
            )?;
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
            output.write_all(
                &[
                    name.as_encoded_bytes(),
                    b"=",
                    value.as_encoded_bytes(),
                    b"\n",
                ]
                .concat(),
            )?;
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
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open("nohup.out")
            .at("nohup.out")?;
        if io::stderr().is_terminal() {
            command.stderr(file.try_clone()?);
        }
        command.stdout(file);
    } else if io::stderr().is_terminal() {
        command.stderr(Stdio::from(io::stdout().as_fd().try_clone_to_owned()?));
    }
    // SAFETY: no handler is installed; the signal is ignored from here on, also by the program.
    let ignored = unsafe {
        nix::sys::signal::signal(
            nix::sys::signal::SIGHUP,
            nix::sys::signal::SigHandler::SigIgn,
        )
    };
    ignored.at("SIGHUP")?;
    become_program(command, program)
}

/// `time command…`: real, user and system time on standard error.
pub fn time(invocation: &Invocation) -> Outcome {
    let options = invocation.options("+p")?;
    let (mut command, program) = command_of(&options.operands)?;
    let started = Instant::now();
    let status = command
        .status()
        .map_err(|error| cannot_run(program, &error))?;
    let real = started.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).at("getrusage")?;
    let show = |time: nix::sys::time::TimeVal| format!("{}.{:06}", time.tv_sec(), time.tv_usec());
    eprintln!(
        "real {real:.6}\nuser {}\nsys {}",
        show(usage.user_time()),
        show(usage.system_time())
    );
    Ok(status_of(status))
}

/// The process that the alarm ends, and how. Zero: none.
static TIMED_PROCESS: AtomicI32 = AtomicI32::new(0);
static TIMED_SIGNAL: AtomicI32 = AtomicI32::new(0);
static TIMED_OUT: AtomicI32 = AtomicI32::new(0);

extern "C" fn on_alarm(_signal: libc::c_int) {
    let process = TIMED_PROCESS.load(Ordering::Relaxed);
    if process > 0 {
        TIMED_OUT.store(1, Ordering::Relaxed);
        // SAFETY: kill is async-signal-safe and takes plain numbers. The process is our child and
        // not waited for yet, so the number is still its own.
        unsafe { libc::kill(process, TIMED_SIGNAL.load(Ordering::Relaxed)) };
    }
}

/// `timeout [-s signal] time command…`: status 124 when the time ran out.
pub fn timeout(invocation: &Invocation) -> Outcome {
    const TIMED_OUT_STATUS: u8 = 124;
    let options = invocation.options("+s:k:")?;
    let signal = signal_number(options.text('s')?.unwrap_or("TERM"))?;
    let Some((limit, words)) = options.operands.split_first() else {
        return Err(Failure::usage("usage: timeout [-s signal] time command..."));
    };
    let limit = duration(&limit.to_string_lossy())?;
    let (mut command, program) = command_of(words)?;
    let child = command
        .spawn()
        .map_err(|error| cannot_run(program, &error))?;
    TIMED_SIGNAL.store(signal, Ordering::Relaxed);
    TIMED_PROCESS.store(child.id().cast_signed(), Ordering::Relaxed);
    if !limit.is_zero() {
        let action = nix::sys::signal::SigAction::new(
            nix::sys::signal::SigHandler::Handler(on_alarm),
            nix::sys::signal::SaFlags::SA_RESTART,
            nix::sys::signal::SigSet::empty(),
        );
        // SAFETY: the handler makes one async-signal-safe call and touches atomics only.
        unsafe { nix::sys::signal::sigaction(nix::sys::signal::SIGALRM, &action) }.at("SIGALRM")?;
        start_timer(limit).at("setitimer")?;
    }
    let status = wait(child);
    TIMED_PROCESS.store(0, Ordering::Relaxed);
    let timed_out = TIMED_OUT.load(Ordering::Relaxed) != 0;
    status
        .map(|status| {
            if timed_out {
                TIMED_OUT_STATUS
            } else {
                status_of(status)
            }
        })
        .at("wait")
}

/// Waits without reaping first, so that the alarm never meets a number that was given away.
fn wait(mut child: std::process::Child) -> io::Result<ExitStatus> {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    let pid = Pid::from_raw(child.id().cast_signed());
    loop {
        match waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
            Err(Errno::EINTR) => {}
            result => {
                result?;
                TIMED_PROCESS.store(0, Ordering::Relaxed);
                return child.wait();
            }
        }
    }
}

fn start_timer(limit: std::time::Duration) -> Result<(), Errno> {
    let mut timer: libc::itimerval = libc::itimerval {
        it_interval: libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
        },
        it_value: libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
        },
    };
    timer.it_value.tv_sec = limit.as_secs().try_into().unwrap_or(libc::time_t::MAX);
    timer.it_value.tv_usec = limit
        .subsec_micros()
        .max(u32::from(limit.as_secs() == 0))
        .into();
    // SAFETY: the timer is read during the call only; the old value is not asked for.
    let result =
        unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
    Errno::result(result).map(drop)
}

/// `taskset mask command…`, `taskset -c list command…`, `taskset -p [mask] pid`
pub fn taskset(invocation: &Invocation) -> Outcome {
    let options = invocation.options("+cp")?;
    let operands = &options.operands;
    let cpus = |text: &OsString| {
        let text = text.to_string_lossy().into_owned();
        let set = if options.has('c') {
            cpu_list(&text)
        } else {
            cpu_mask(&text)
        };
        set.ok_or_else(|| Failure::usage(format!("invalid CPUs '{text}'")))
    };
    if options.has('p') {
        let pid = operands
            .last()
            .and_then(|text| text.to_str())
            .and_then(|text| text.parse().ok());
        let pid = Pid::from_raw(pid.ok_or_else(|| Failure::usage("usage: taskset -p [mask] pid"))?);
        if let [set, _] = operands.as_slice() {
            sched_setaffinity(pid, &cpus(set)?).at("sched_setaffinity")?;
        }
        let set = sched_getaffinity(pid).at("sched_getaffinity")?;
        let bits = (0..64)
            .filter(|cpu| set.is_set(*cpu) == Ok(true))
            .fold(0_u64, |mask, cpu| mask | 1 << cpu);
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

/// `xargs [-0r] [-n count] [-I text] [command…]`
pub fn xargs(invocation: &Invocation) -> Outcome {
    let options = invocation.options("+0rtn:I:")?;
    let replace = options.value('I');
    let count: usize = options
        .parsed('n')?
        .unwrap_or(if replace.is_some() { 1 } else { 1000 });
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input).at("standard input")?;
    let words = if options.has('0') {
        input
            .split(|byte| *byte == 0)
            .filter(|word| !word.is_empty())
            .map(os_string)
            .collect()
    } else if replace.is_some() {
        input
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii)
            .filter(|line| !line.is_empty())
            .map(os_string)
            .collect()
    } else {
        split_words(&input)?
    };
    let echo = [OsString::from("echo")];
    let command = if options.operands.is_empty() {
        &echo[..]
    } else {
        &options.operands
    };
    let empty = [Vec::new()];
    let chunks: Vec<Vec<OsString>> = words.chunks(count.max(1)).map(<[_]>::to_vec).collect();
    let chunks = if chunks.is_empty() && !options.has('r') && replace.is_none() {
        &empty[..]
    } else {
        &chunks
    };
    let mut status = 0;
    for chunk in chunks {
        let words: Vec<OsString> = match replace {
            Some(text) => command
                .iter()
                .map(|word| replaced(word, text, &chunk[0]))
                .collect(),
            None => command.iter().chain(chunk).cloned().collect(),
        };
        let (mut command, program) = command_of(&words)?;
        let ended = command
            .stdin(Stdio::null())
            .status()
            .map_err(|error| cannot_run(program, &error))?;
        match ended.code() {
            Some(0) => {}
            Some(255) => {
                return Err(Failure {
                    status: 124,
                    message: format!("{}: exited with status 255", program.display()),
                });
            }
            Some(_) => status = 123,
            None => {
                return Err(Failure {
                    status: 125,
                    message: format!("{}: ended by a signal", program.display()),
                });
            }
        }
    }
    Ok(status)
}

fn os_string(bytes: &[u8]) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
}

fn replaced(word: &OsString, text: &OsStr, value: &OsStr) -> OsString {
    match (word.to_str(), text.to_str(), value.to_str()) {
        (Some(word), Some(text), Some(value)) => word.replace(text, value).into(),
        _ if word == text => value.to_owned(),
        _ => word.clone(),
    }
}

/// Words between blanks, with the quotes of `xargs`.
fn split_words(input: &[u8]) -> Result<Vec<OsString>, Failure> {
    let mut words = Vec::new();
    let mut current: Option<Vec<u8>> = None;
    let mut bytes = input.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            quote @ (b'"' | b'\'') => {
                let word = current.get_or_insert_default();
                loop {
                    match bytes.next() {
                        Some(byte) if byte == quote => break,
                        Some(b'\n') | None => return Err(Failure::new("unmatched quote")),
                        Some(byte) => word.push(*byte),
                    }
                }
            }
            b'\\' => current.get_or_insert_default().extend(bytes.next()),
            blank if blank.is_ascii_whitespace() => {
                words.extend(current.take().as_deref().map(os_string))
            }
            byte => current.get_or_insert_default().push(*byte),
        }
    }
    words.extend(current.as_deref().map(os_string));
    Ok(words)
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
            .filter(|path| {
                path.metadata()
                    .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
            });
        let found: Vec<_> = found
            .take(if options.has('a') { usize::MAX } else { 1 })
            .collect();
        missing |= found.is_empty();
        for path in found {
            writeln!(output, "{}", path.display())?;
        }
    }
    finish(invocation, output)?;
    Ok(u8::from(missing))
}
