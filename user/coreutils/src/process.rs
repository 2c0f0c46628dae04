//! Applets about processes: ps, kill, sleep, nproc, pidof. Reads /proc, and bears with a /proc that
//! has fewer fields than Linux's.

use crate::identity::user_name;
use crate::invocation::{At, Failure, Invocation, Outcome, finish, output};
use nix::sys::signal::{Signal, kill as send};
use nix::unistd::Pid;
use std::fs;
use std::io::Write;
use std::time::Duration;

/// What /proc says about a process; `None` for what it does not say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Process {
    pid: u32,
    parent: Option<u32>,
    uid: Option<u32>,
    state: Option<char>,
    virtual_kib: Option<u64>,
    resident_kib: Option<u64>,
    ticks: Option<u64>,
    /// The program's, as the kernel cuts it.
    name: String,
    command: String,
}

impl Process {
    /// Reads a process, if it is still there.
    fn read(pid: u32) -> Option<Self> {
        let text = |file: &str| {
            fs::read(format!("/proc/{pid}/{file}")).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        let status = text("status");
        let stat = text("stat");
        if status.is_none() && stat.is_none() {
            return None;
        }
        let mut process = Self { pid, ..Self::default() };
        process.take_status(status.as_deref().unwrap_or_default());
        process.take_stat(stat.as_deref().unwrap_or_default());
        let line = text("cmdline").unwrap_or_default();
        let line = line.trim_end_matches('\0').replace('\0', " ");
        process.command = if line.is_empty() { format!("[{}]", process.name) } else { line };
        Some(process)
    }

    fn take_status(&mut self, text: &str) {
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else {
                continue;
            };
            let first = value.split_whitespace().next().unwrap_or_default();
            match key {
                "Name" => first.clone_into(&mut self.name),
                "State" => self.state = first.chars().next(),
                "PPid" => self.parent = first.parse().ok(),
                "Uid" => self.uid = value.split_whitespace().nth(1).unwrap_or(first).parse().ok(),
                "VmSize" => self.virtual_kib = first.parse().ok(),
                "VmRSS" => self.resident_kib = first.parse().ok(),
                _ => {}
            }
        }
    }

    /// The name may hold blanks and parentheses, so the fields count from the last `)`.
    fn take_stat(&mut self, text: &str) {
        let Some((head, tail)) = text.rsplit_once(')') else {
            return;
        };
        let fields: Vec<_> = tail.split_whitespace().collect();
        let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
        if self.name.is_empty() {
            head.split_once('(').map_or(head, |(_, name)| name).clone_into(&mut self.name);
        }
        self.state = self.state.or_else(|| fields.first()?.chars().next());
        self.parent = self.parent.or_else(|| number(1)?.try_into().ok());
        self.ticks = number(11).zip(number(12)).map(|(user, system)| user + system);
    }
}

/// All processes by number.
fn processes() -> Result<Vec<Process>, Failure> {
    let mut pids: Vec<u32> = Vec::new();
    for entry in fs::read_dir("/proc").at("/proc")? {
        pids.extend(entry.at("/proc")?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    pids.sort_unstable();
    Ok(pids.into_iter().filter_map(Process::read).collect())
}

fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// `ps [-Aef] [aux]`: all processes, which is what these ask for.
pub fn ps(invocation: &Invocation) -> Outcome {
    const TICKS_PER_SECOND: u64 = 100;
    let options = invocation.options("Aef")?;
    if let Some(word) = options.operands.iter().find(|word| *word != "aux" && *word != "ax") {
        return Err(Failure::usage(format!("unknown option {}", word.display())));
    }
    let mut output = output()?;
    writeln!(output, "{:>5} {:>5} {:8} S {:>8} {:>8} {:>6} COMMAND", "PID", "PPID", "USER", "VSZ", "RSS", "TIME")?;
    for process in processes()? {
        let time = process.ticks.map(|ticks| {
            let seconds = ticks / TICKS_PER_SECOND;
            format!("{}:{:02}", seconds / 60, seconds % 60)
        });
        writeln!(
            output,
            "{:>5} {:>5} {:8} {} {:>8} {:>8} {:>6} {}",
            process.pid,
            or_dash(process.parent),
            or_dash(process.uid.map(user_name)),
            process.state.unwrap_or('-'),
            or_dash(process.virtual_kib),
            or_dash(process.resident_kib),
            or_dash(time),
            process.command
        )?;
    }
    finish(invocation, output)
}

/// `pidof name…`
pub fn pidof(invocation: &Invocation) -> Outcome {
    let options = invocation.options("")?;
    let names = options.required()?;
    let all = processes()?;
    let found = all.iter().filter(|process| {
        let program = process.command.split(' ').next().unwrap_or_default();
        let program = program.rsplit('/').next().unwrap_or_default();
        names.iter().any(|name| *name == program || *name == process.name.as_str())
    });
    let pids: Vec<_> = found.map(|process| process.pid.to_string()).collect();
    if pids.is_empty() {
        return Ok(1);
    }
    let mut output = output()?;
    writeln!(output, "{}", pids.join(" "))?;
    finish(invocation, output)
}

/// A signal by name or number, with or without `SIG`.
pub fn signal_number(text: &str) -> Result<i32, Failure> {
    if let Ok(number) = text.parse::<i32>()
        && (0..=64).contains(&number)
    {
        return Ok(number);
    }
    let name = text.to_ascii_uppercase();
    let signal = format!("SIG{}", name.strip_prefix("SIG").unwrap_or(&name)).parse::<Signal>();
    signal.map(|signal| signal as i32).map_err(|_| Failure::usage(format!("unknown signal '{text}'")))
}

/// `kill [-s signal|-signal] pid…`, `kill -l`
pub fn kill(invocation: &Invocation) -> Outcome {
    let words: Vec<_> = invocation.arguments.iter().filter_map(|word| word.to_str()).collect();
    let (signal, targets) = match words.as_slice() {
        ["-l", ..] => {
            let names: Vec<_> = Signal::iterator().map(|signal| signal.as_str().trim_start_matches("SIG")).collect();
            let mut output = output()?;
            writeln!(output, "{}", names.join(" "))?;
            return finish(invocation, output);
        }
        ["-s", name, targets @ ..] => (signal_number(name)?, targets),
        ["--", targets @ ..] => (Signal::SIGTERM as i32, targets),
        [option, targets @ ..] if option.starts_with('-') => (signal_number(&option[1..])?, targets),
        targets => (Signal::SIGTERM as i32, targets),
    };
    let targets = targets.strip_prefix(&["--"]).unwrap_or(targets);
    if targets.is_empty() {
        return Err(Failure::usage("usage: kill [-s signal | -signal] pid..."));
    }
    let signal = if signal == 0 { None } else { Some(Signal::try_from(signal).at(signal.to_string())?) };
    for target in targets {
        let pid = target.parse().map_err(|_| Failure::usage(format!("invalid process number '{target}'")))?;
        if let Err(error) = send(Pid::from_raw(pid), signal) {
            invocation.report(target, error);
        }
    }
    Ok(invocation.status())
}

/// A time in seconds with an optional unit (`s`, `m`, `h`, `d`).
pub fn duration(text: &str) -> Result<Duration, Failure> {
    let digits = text.trim_end_matches(['s', 'm', 'h', 'd']);
    let factor = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => -1.0,
    };
    let seconds = digits.parse::<f64>().ok().map(|seconds| seconds * factor);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| Failure::usage(format!("invalid time interval '{text}'")))
}

/// `sleep time…`: the sum of the times.
pub fn sleep(invocation: &Invocation) -> Outcome {
    let options = invocation.options("")?;
    let mut total = Duration::ZERO;
    for operand in options.required()? {
        total += duration(&operand.to_string_lossy())?;
    }
    std::thread::sleep(total);
    Ok(0)
}

/// `nproc`: the CPUs this process may run on.
pub fn nproc(invocation: &Invocation) -> Outcome {
    let count = std::thread::available_parallelism().at("sched_getaffinity")?;
    let mut output = output()?;
    writeln!(output, "{count}")?;
    finish(invocation, output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let mut process = Process::default();
        process.take_stat("7 (a) b) c) S 3 7 7 0 -1 0 1 2 3 4 50 60 0");
        assert_eq!(
            (process.name.as_str(), process.state, process.parent, process.ticks),
            ("a) b) c", Some('S'), Some(3), Some(110))
        );
    }

    #[test]
    fn missing_fields_stay_unknown() {
        let mut process = Process::default();
        process.take_status("Name:\tx\nState:\tR (running)\ngarbage\nUid:\n");
        process.take_stat("7 (x) R");
        assert_eq!((process.state, process.parent, process.uid, process.ticks), (Some('R'), None, None, None));
    }

    #[test]
    fn intervals_have_units() {
        assert_eq!(duration("1.5").ok(), Some(Duration::from_millis(1500)));
        assert_eq!(duration("2m").ok(), Some(Duration::from_secs(120)));
        for text in ["", "x", "-1", "1x", "1e400", "1ms"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
