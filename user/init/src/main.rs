//! `init`: PID 1 of the guest. Owns the order of start-up and the one way out of the machine.
//!
//! `init` starts an interactive login shell on the console and starts it again whenever it ends.
//! `init -c STRING` runs `/bin/sh -c STRING`, waits, and leaves the machine with its status.
//! `init --leave STATUS` does that at once, for another process 1 that ends by executing it.
//! As PID 1 it never returns from `main`: the kernel would panic. It sleeps only in `wait4`.

mod mounts;
mod power;
mod supervise;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

/// What the boot command line asks for.
enum Purpose {
    /// A login shell on the console, for ever.
    Interactive,
    /// One command, then power off with its status.
    Command(OsString),
    /// Power off with this status; the process before it has mounted what there is.
    Leave(u8),
}

/// Status of a usage error, and of `init` started by mistake on a running system.
const USAGE_STATUS: u8 = 2;

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("init: must be process 1; the kernel starts it (this is process {})", std::process::id());
        return ExitCode::from(USAGE_STATUS);
    }
    let purpose = purpose(env::args_os().skip(1));
    if !matches!(purpose, Ok(Purpose::Leave(_))) {
        mounts::mount_all();
        set_host_name();
    }
    match purpose {
        Ok(Purpose::Leave(status)) => power::leave(status),
        Ok(Purpose::Interactive) => supervise::respawn_shell(),
        Ok(Purpose::Command(command)) => power::leave(supervise::run_command(&command)),
        Err(message) => {
            eprintln!("init: {message}");
            power::leave(USAGE_STATUS)
        }
    }
}

/// Reads init's arguments. Linux hands unknown boot parameters to init as well, so a bare word that
/// is no option is reported and ignored; an option that is not understood is an error.
fn purpose(arguments: impl Iterator<Item = OsString>) -> Result<Purpose, String> {
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("-c") => {
                return arguments.next().map(Purpose::Command).ok_or_else(|| "-c needs a command".to_owned());
            }
            Some("--leave") => {
                let status = arguments.next().and_then(|word| word.to_str()?.parse().ok());
                return status.map(Purpose::Leave).ok_or_else(|| "--leave needs a status from 0 to 255".to_owned());
            }
            Some(option) if option.starts_with('-') => {
                return Err(format!("unknown option {option}; usage: init [-c COMMAND | --leave STATUS]"));
            }
            _ => eprintln!("init: ignoring argument {}", argument.display()),
        }
    }
    Ok(Purpose::Interactive)
}

fn set_host_name() {
    // A kernel without host names is no reason to stop; nothing below depends on it.
    if let Err(error) = nix::unistd::sethostname("postern")
        && error != nix::errno::Errno::ENOSYS
    {
        eprintln!("init: sethostname: {}", error.desc());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Purpose, String> {
        purpose(words.iter().map(OsString::from))
    }

    #[test]
    fn no_arguments_mean_an_interactive_shell() {
        assert!(matches!(parse(&[]), Ok(Purpose::Interactive)));
    }

    #[test]
    fn stray_boot_parameters_are_ignored() {
        assert!(matches!(parse(&["quietly"]), Ok(Purpose::Interactive)));
    }

    #[test]
    fn minus_c_takes_the_next_word_whole() {
        let Ok(Purpose::Command(command)) = parse(&["splash", "-c", "echo a b; exit 3"]) else {
            panic!("not a command");
        };
        assert_eq!(command, "echo a b; exit 3");
    }

    #[test]
    fn minus_c_without_a_command_is_an_error() {
        assert!(parse(&["-c"]).is_err());
    }

    #[test]
    fn leave_takes_a_status() {
        assert!(matches!(parse(&["--leave", "255"]), Ok(Purpose::Leave(255))));
        assert!(parse(&["--leave", "256"]).is_err());
        assert!(parse(&["--leave"]).is_err());
    }

    #[test]
    fn an_unknown_option_is_an_error() {
        assert!(parse(&["-x"]).is_err());
    }
}
