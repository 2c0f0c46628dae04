//! Built-ins about what the process may do and has used: umask, times.

use super::{shown, usage};
use crate::shell::{Run, Shell};
use nix::sys::stat::{Mode, umask as set_umask};

/// `umask [-S] [mode]`: the mode in octal, or as symbols that say what is let through.
pub fn umask(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    let Some(text) = arguments.get(1) else {
        let current = set_umask(Mode::empty());
        set_umask(current);
        return Ok(shell.print(format!("{:04o}\n", current.bits()).as_bytes()));
    };
    let current = set_umask(Mode::empty());
    set_umask(current);
    let allowed = !current.bits() & 0o777;
    if text == b"-S" {
        return Ok(shell.print(format!("{}\n", symbolic(allowed)).as_bytes()));
    }
    let octal = text.first().is_some_and(u8::is_ascii_digit);
    let bits = str::from_utf8(text).ok().and_then(|text| coreutils::mode::changed(text, allowed, false));
    let bits = if octal { bits } else { bits.map(|allowed| !allowed & 0o777) };
    match bits.filter(|bits| *bits <= 0o777) {
        Some(bits) => {
            set_umask(Mode::from_bits_truncate(bits));
            Ok(0)
        }
        None => usage(shell, &format!("umask: Illegal mode: {}", shown(text))),
    }
}

/// What the mode lets through, for each class.
fn symbolic(allowed: u32) -> String {
    let class = |(letter, shift): (char, u32)| {
        let rights = "rwx".chars().zip([4, 2, 1]).filter(|(_, bit)| (allowed >> shift) & bit != 0);
        format!("{letter}={}", rights.map(|(right, _)| right).collect::<String>())
    };
    [('u', 6), ('g', 3), ('o', 0)].map(class).join(",")
}

/// `times`: user and system time of the shell and of its children.
pub fn times(shell: &mut Shell, _arguments: &[Vec<u8>]) -> Run<i32> {
    use nix::sys::resource::{UsageWho, getrusage};
    let mut text = String::new();
    for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
        let usage = match getrusage(who) {
            Ok(usage) => usage,
            Err(error) => return self::usage(shell, &format!("times: {}", error.desc())),
        };
        let show = |time: nix::sys::time::TimeVal| {
            format!("{}m{}.{:06}s", time.tv_sec() / 60, time.tv_sec() % 60, time.tv_usec())
        };
        text.push_str(&format!("{} {}\n", show(usage.user_time()), show(usage.system_time())));
    }
    Ok(shell.print(text.as_bytes()))
}
