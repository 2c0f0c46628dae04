//! Built-ins about jobs and signals.

use super::{number, shown, usage};
use crate::jobs::State;
use crate::launch::job_line;
use crate::shell::{Run, Shell};
use crate::system::{self, Disposition};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill as send, killpg};
use nix::unistd::Pid;

/// `jobs`
pub fn jobs(shell: &mut Shell, _arguments: &[Vec<u8>]) -> Run<i32> {
    shell.jobs.collect();
    let all: Vec<_> = shell.jobs.iter().cloned().collect();
    for job in all {
        shell.print(format!("{}\n", job_line(&job)).as_bytes());
        if matches!(job.state(), State::Exited(_) | State::Killed(_)) {
            shell.jobs.remove(job.number);
        }
    }
    Ok(0)
}

/// The number of the job an argument names; without one, that of the current job.
fn job_argument(shell: &Shell, arguments: &[Vec<u8>]) -> Option<usize> {
    let name = arguments.get(1).map_or(b"%%".as_slice(), Vec::as_slice);
    shell.jobs.named(name).map(|job| job.number)
}

/// `fg [%n]`
pub fn fg(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    let Some(job) = job_argument(shell, arguments).and_then(|number| shell.jobs.get(number)).cloned() else {
        return usage(shell, "fg: no such job");
    };
    shell.print(&[job.text.as_slice(), b"\n"].concat());
    if let Some(group) = job.group {
        // A group that has ended already needs neither.
        let _ = system::set_terminal_group(group);
        let _ = killpg(group, Signal::SIGCONT);
    }
    shell.jobs.resume(job.number);
    shell.wait_foreground(job.number)?;
    Ok(shell.status)
}

/// `bg [%n]`
pub fn bg(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    let Some(job) = job_argument(shell, arguments).and_then(|number| shell.jobs.get(number)).cloned() else {
        return usage(shell, "bg: no such job");
    };
    if let Some(group) = job.group {
        // A group that has ended already is reported at the next prompt.
        let _ = killpg(group, Signal::SIGCONT);
    }
    shell.jobs.resume(job.number);
    Ok(shell.print(format!("[{}] {} &\n", job.number, shown(&job.text)).as_bytes()))
}

/// `wait [pid|%n…]`
pub fn wait(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    if arguments.len() == 1 {
        // A stopped job would keep the shell for ever.
        let waited = |job: &&crate::jobs::Job| !matches!(job.state(), State::Stopped(_));
        let numbers: Vec<_> = shell.jobs.iter().filter(waited).map(|job| job.number).collect();
        for number in numbers {
            if let Some(status) = wait_interruptibly(shell, number)? {
                return Ok(status);
            }
            shell.jobs.remove(number);
        }
        return Ok(0);
    }
    let mut status = 0;
    for argument in &arguments[1..] {
        let pid = str::from_utf8(argument).ok().and_then(|text| text.parse().ok()).map(Pid::from_raw);
        let job = pid.map_or_else(|| shell.jobs.named(argument), |pid| shell.jobs.with_process(pid));
        let Some(number) = job.map(|job| job.number) else {
            if pid.is_none() {
                return usage(shell, &format!("wait: {}: no such job", shown(argument)));
            }
            status = 127;
            continue;
        };
        if let Some(status) = wait_interruptibly(shell, number)? {
            return Ok(status);
        }
        status = shell.jobs.get(number).map_or(127, |job| job.state().status());
        shell.jobs.remove(number);
    }
    Ok(status)
}

/// Waits for a job; a signal with a trap ends the waiting, with that signal's status.
fn wait_interruptibly(shell: &mut Shell, number: usize) -> Run<Option<i32>> {
    while shell.jobs.get(number).is_some_and(|job| job.state() == State::Running) {
        match shell.jobs.wait_any_interruptibly() {
            Ok(()) => {}
            Err(Errno::EINTR) => {
                let pending = system::peek_pending();
                shell.check_signals()?;
                if let Some(signal) = pending {
                    return Ok(Some(128 + signal));
                }
            }
            Err(_) => break,
        }
    }
    Ok(None)
}

/// The name without `SIG`.
fn short_name(signal: Signal) -> &'static str {
    signal.as_str().trim_start_matches("SIG")
}

/// A signal by name or number, with or without `SIG`.
fn signal_number(text: &[u8]) -> Option<i32> {
    let text = str::from_utf8(text).ok()?;
    if text == "EXIT" {
        return Some(0);
    }
    if let Ok(number) = text.parse::<i32>() {
        return (0..=64).contains(&number).then_some(number);
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    format!("SIG{name}").parse::<Signal>().ok().map(|signal| signal as i32)
}

/// `kill [-s signal|-signal] pid|%n…`, `kill -l [number|name]`
pub fn kill(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    let mut rest = &arguments[1..];
    let mut signal = Signal::SIGTERM as i32;
    match rest {
        [option, name, ..] if option == b"-l" => {
            // A number may be a status of `$?`.
            let by_number = number(name).and_then(|number| i32::try_from(number % 128).ok());
            let signal = by_number.or_else(|| signal_number(name)).and_then(|number| Signal::try_from(number).ok());
            let Some(signal) = signal else {
                return usage(shell, &format!("kill: {}: invalid signal", shown(name)));
            };
            let text = if by_number.is_some() { short_name(signal).to_owned() } else { (signal as i32).to_string() };
            return Ok(shell.print(format!("{text}\n").as_bytes()));
        }
        [option] if option == b"-l" => {
            let names: Vec<_> = Signal::iterator().map(short_name).collect();
            return Ok(shell.print(format!("{}\n", names.join(" ")).as_bytes()));
        }
        [option, name, after @ ..] if option == b"-s" => {
            let Some(number) = signal_number(name) else {
                return usage(shell, "kill: unknown signal");
            };
            (signal, rest) = (number, after);
        }
        [option, after @ ..] if option.len() > 1 && option[0] == b'-' && option != b"--" => {
            let Some(number) = signal_number(&option[1..]) else {
                return usage(shell, "kill: unknown signal");
            };
            (signal, rest) = (number, after);
        }
        _ => {}
    }
    if rest.first().is_some_and(|argument| argument == b"--") {
        rest = &rest[1..];
    }
    if rest.is_empty() {
        return usage(shell, "usage: kill [-s signal | -signal] pid...");
    }
    let mut status = 0;
    for target in rest {
        if let Err(message) = signal_one(shell, target, signal) {
            shell.complain(&format!("kill: {}: {message}", shown(target)));
            status = 1;
        }
    }
    Ok(status)
}

fn signal_one(shell: &mut Shell, target: &[u8], number: i32) -> Result<(), String> {
    let pid = match shell.jobs.named(target) {
        Some(job) => match job.group {
            Some(group) => -group.as_raw(),
            None => job.processes.first().map_or(0, |(pid, _)| pid.as_raw()),
        },
        None => str::from_utf8(target).ok().and_then(|text| text.parse().ok()).ok_or("no such process or job")?,
    };
    let signal =
        if number == 0 { None } else { Some(Signal::try_from(number).map_err(|error| error.desc().to_owned())?) };
    send(Pid::from_raw(pid), signal).map_err(|error| error.desc().to_owned())?;
    // A stopped job would not notice before somebody lets it go on.
    let stopped = shell.jobs.named(target).filter(|job| matches!(job.state(), State::Stopped(_)));
    if let (Some(number), Some(Signal::SIGTERM | Signal::SIGHUP)) = (stopped.map(|job| job.number), signal) {
        send(Pid::from_raw(pid), Signal::SIGCONT).map_err(|error| error.desc().to_owned())?;
        shell.jobs.resume(number);
    }
    Ok(())
}

/// `trap [action signal…]`
pub fn trap(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    let Some((action, signals)) = arguments[1..].split_first() else {
        let mut text = String::new();
        for (number, action) in &shell.traps {
            let name = Signal::try_from(*number).map_or("EXIT", short_name);
            text.push_str(&format!("trap -- '{}' {name}\n", shown(action).replace('\'', "'\\''")));
        }
        return Ok(shell.print(text.as_bytes()));
    };
    // With a lone signal, or `-`, the traps are taken away.
    let (reset, signals) = match signals {
        [] => (true, &arguments[1..]),
        signals => (action == b"-", signals),
    };
    let mut status = 0;
    for name in signals {
        let Some(number) = signal_number(name) else {
            shell.complain(&format!("trap: {}: bad trap", shown(name)));
            status = 1;
            continue;
        };
        let disposition = match (reset, action.is_empty()) {
            (true, _) => Disposition::Default,
            (false, true) => Disposition::Ignore,
            (false, false) => Disposition::Note,
        };
        if reset {
            shell.traps.remove(&number);
        } else {
            shell.traps.insert(number, action.clone());
        }
        if let Ok(signal) = Signal::try_from(number) {
            let keeps_interrupt = reset && shell.options.interactive && signal == Signal::SIGINT;
            system::set_disposition(signal, if keeps_interrupt { Disposition::Note } else { disposition });
        }
    }
    Ok(status)
}
