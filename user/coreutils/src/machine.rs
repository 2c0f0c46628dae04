//! Applets about the machine: poweroff, reboot, sync, uname, uptime, free, dmesg, tty, clear.

use crate::invocation::{At, Failure, Invocation, Outcome, finish, output};
use crate::size::human_readable;
use nix::errno::Errno;
use nix::sys::reboot::{RebootMode, reboot as restart};
use std::fs;
use std::io::{self, Read, Write};

/// `poweroff [-f]`: writes everything back and switches the machine off, at once.
pub fn poweroff(invocation: &Invocation) -> Outcome {
    end(invocation, RebootMode::RB_POWER_OFF)
}

/// `reboot [-f]`
pub fn reboot(invocation: &Invocation) -> Outcome {
    end(invocation, RebootMode::RB_AUTOBOOT)
}

fn end(invocation: &Invocation, mode: RebootMode) -> Outcome {
    invocation.options("f")?;
    nix::unistd::sync();
    let Err(error) = restart(mode);
    Err(Failure::new(error.desc()))
}

/// `sync`
pub fn sync(invocation: &Invocation) -> Outcome {
    invocation.options("")?;
    nix::unistd::sync();
    Ok(0)
}

/// `uname [-asnrvm]`
pub fn uname(invocation: &Invocation) -> Outcome {
    let options = invocation.options("asnrvm")?;
    let names = nix::sys::utsname::uname().at("uname")?;
    let fields = [
        ('s', names.sysname()),
        ('n', names.nodename()),
        ('r', names.release()),
        ('v', names.version()),
        ('m', names.machine()),
    ];
    let none = options.last_of("asnrvm").is_none();
    let wanted = fields.iter().filter(|(letter, _)| options.has('a') || options.has(*letter) || none && *letter == 's');
    let texts: Vec<_> = wanted.map(|(_, text)| text.to_string_lossy()).collect();
    let mut output = output()?;
    writeln!(output, "{}", texts.join(" "))?;
    finish(invocation, output)
}

/// `uptime`
pub fn uptime(invocation: &Invocation) -> Outcome {
    invocation.options("")?;
    let text = fs::read_to_string("/proc/uptime").at("/proc/uptime")?;
    let seconds = text.split(['.', ' ', '\n']).next().and_then(|digits| digits.parse::<u64>().ok());
    let seconds = seconds.ok_or_else(|| Failure::new("/proc/uptime: not understood"))?;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let days = if days > 0 { format!("{days} days, ") } else { String::new() };
    // Kernels without load averages have the file missing; the rest is of use all the same.
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<_> = load.split(' ').take(3).map(str::trim).filter(|text| !text.is_empty()).collect();
    let load = if load.is_empty() { String::new() } else { format!(", load average: {}", load.join(", ")) };
    let mut output = output()?;
    writeln!(output, "up {days}{hours:02}:{minutes:02}:{:02}{load}", seconds % 60)?;
    finish(invocation, output)
}

/// `free [-bkmh]`
pub fn free(invocation: &Invocation) -> Outcome {
    let options = invocation.options("bkmh")?;
    let text = fs::read_to_string("/proc/meminfo").at("/proc/meminfo")?;
    let bytes = |name: &str| {
        let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()?.checked_mul(1024)
    };
    let show = |bytes: Option<u64>| match (bytes, options.last_of("bkmh")) {
        (None, _) => "-".to_owned(),
        (Some(bytes), Some('b')) => bytes.to_string(),
        (Some(bytes), Some('m')) => (bytes >> 20).to_string(),
        (Some(bytes), Some('h')) => human_readable(bytes),
        (Some(bytes), _) => (bytes >> 10).to_string(),
    };
    let (total, free) = (bytes("MemTotal"), bytes("MemFree"));
    let cached = bytes("Cached").zip(bytes("Buffers")).map(|(cached, buffers)| cached + buffers).or(bytes("Cached"));
    let available = bytes("MemAvailable").or(free);
    let used = total.zip(available).map(|(total, available)| total.saturating_sub(available));
    let mut output = output()?;
    writeln!(output, "{:6} {:>12} {:>12} {:>12} {:>12} {:>12}", "", "total", "used", "free", "cached", "available")?;
    let columns = [total, used, free, cached, available].map(show);
    writeln!(output, "Mem:   {}", columns.map(|column| format!("{column:>12}")).join(" "))?;
    finish(invocation, output)
}

/// `dmesg [-c]`: the kernel's messages.
pub fn dmesg(invocation: &Invocation) -> Outcome {
    let options = invocation.options("c")?;
    let log = read_kernel_log(if options.has('c') { READ_AND_CLEAR } else { READ_ALL }).at("kernel log")?;
    let mut output = output()?;
    for line in log.split_inclusive(|byte| *byte == b'\n') {
        output.write_all(without_priority(line))?;
    }
    finish(invocation, output)
}

/// Actions of syslog(2).
const READ_ALL: i32 = 3;
const READ_AND_CLEAR: i32 = 4;

fn read_kernel_log(action: i32) -> Result<Vec<u8>, Errno> {
    const SIZE_OF_BUFFER: i32 = 10;
    let size = kernel_log(SIZE_OF_BUFFER, &mut [])?;
    let mut buffer = vec![0; size.max(4096)];
    let length = kernel_log(action, &mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

/// The kernel's messages as text.
///
/// # Errors
/// EPERM where they are not for everybody.
pub fn kernel_log_text() -> Result<String, Errno> {
    read_kernel_log(READ_ALL).map(|log| String::from_utf8_lossy(&log).into_owned())
}

/// A line of the log without the `<6>` in front.
fn without_priority(line: &[u8]) -> &[u8] {
    match line.iter().position(|byte| *byte == b'>') {
        Some(end) if line[0] == b'<' && line[1..end].iter().all(u8::is_ascii_digit) => &line[end + 1..],
        _ => line,
    }
}

fn kernel_log(action: i32, buffer: &mut [u8]) -> Result<usize, Errno> {
    let length = i32::try_from(buffer.len()).unwrap_or(i32::MAX);
    // SAFETY: the kernel writes at most `length` bytes into the buffer.
    let result = unsafe { libc::klogctl(action, buffer.as_mut_ptr().cast(), length) };
    Errno::result(result).map(|length| usize::try_from(length).unwrap_or(0))
}

/// `tty [-s]`
pub fn tty(invocation: &Invocation) -> Outcome {
    let options = invocation.options("s")?;
    let name = nix::unistd::ttyname(io::stdin());
    if !options.has('s') {
        let mut output = output()?;
        match &name {
            Ok(path) => writeln!(output, "{}", path.display())?,
            Err(_) => writeln!(output, "not a tty")?,
        }
        output.flush()?;
    }
    Ok(u8::from(name.is_err()))
}

/// `clear`: empties the screen of any terminal that knows ECMA-48.
pub fn clear(invocation: &Invocation) -> Outcome {
    invocation.options("x")?;
    let mut output = output()?;
    output.write_all(b"\x1b[H\x1b[2J\x1b[3J")?;
    finish(invocation, output)
}

/// `strings [-n length] [file…]`: runs of printable characters.
pub fn strings(invocation: &Invocation) -> Outcome {
    let options = invocation.options("an:")?;
    let length_min: usize = options.parsed('n')?.unwrap_or(4).max(1);
    let mut output = output()?;
    for path in options.files() {
        let mut content = Vec::new();
        if let Err(error) = crate::invocation::open(&path).and_then(|mut file| file.read_to_end(&mut content)) {
            invocation.report(&path, error);
            continue;
        }
        for run in content.split(|byte| !(byte.is_ascii_graphic() || *byte == b' ' || *byte == b'\t')) {
            if run.len() >= length_min {
                output.write_all(&[run, b"\n"].concat())?;
            }
        }
    }
    finish(invocation, output)
}
