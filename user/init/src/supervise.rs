//! The child that init looks after, and the orphans it reaps on the way. Sleeps in `wait4` only.

use crate::power;
use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const SHELL: &str = "/bin/sh";

/// A shell that lives shorter than this was not used by anybody.
const SHORT_LIFE: Duration = Duration::from_secs(1);

/// After so many short lives in a row, starting it again would only burn the CPU.
const SHORT_LIVES_MAX: u32 = 5;

/// Runs `/bin/sh -c command` on the console and returns its exit status (128 + n for signal n).
pub fn run_command(command: &OsStr) -> u8 {
    let mut shell = console_command();
    shell.arg("-c").arg(command);
    start_and_wait(&mut shell)
}

/// Starts the login shell again whenever it ends. Powers off when it cannot be started, or when it
/// keeps ending at once.
pub fn respawn_shell() -> ! {
    let mut short_lives = 0;
    loop {
        let mut shell = console_command();
        shell.arg0("-sh").current_dir(home_directory());
        let started = Instant::now();
        let status = start_and_wait(&mut shell);
        short_lives = if started.elapsed() < SHORT_LIFE { short_lives + 1 } else { 0 };
        if short_lives == SHORT_LIVES_MAX {
            eprintln!("init: the shell ended {SHORT_LIVES_MAX} times at once; powering off");
            power::leave(status);
        }
        eprintln!("init: shell ended with status {status}; starting it again (`poweroff` ends the machine)");
    }
}

/// The shell as leader of a session of its own, with the console as controlling terminal.
fn console_command() -> Command {
    let mut command = Command::new(SHELL);
    command.env("PATH", "/bin:/sbin:/usr/bin:/usr/sbin").env("TERM", terminal_type());
    command.env("HOME", home_directory());
    // SAFETY: the closure runs between fork and exec; it makes two system calls, and neither
    // allocates nor takes a lock.
    unsafe { command.pre_exec(take_console) };
    command
}

/// Root's home, if the image has one.
fn home_directory() -> &'static str {
    if Path::new("/root").is_dir() { "/root" } else { "/" }
}

/// Linux presets `linux`, the type of its virtual consoles; a serial line shows what the user's own
/// terminal emulator understands.
fn terminal_type() -> String {
    match env::var("TERM") {
        Ok(kind) if kind != "linux" && !kind.is_empty() => kind,
        _ => "xterm".to_owned(),
    }
}

fn take_console() -> io::Result<()> {
    nix::unistd::setsid()?;
    // SAFETY: TIOCSCTTY takes a plain integer and touches no memory of ours.
    let result = unsafe { libc::ioctl(libc::STDIN_FILENO, libc::TIOCSCTTY, 0) };
    // A console that is no terminal (a pipe in a test, say) still serves for reading and writing.
    match Errno::result(result) {
        Ok(_) | Err(Errno::ENOTTY | Errno::EINVAL | Errno::EPERM) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Starts `command` and reaps everything that ends until it does. A command that cannot be started
/// takes the machine down, since init has no other purpose: 127 if absent, 126 otherwise.
fn start_and_wait(command: &mut Command) -> u8 {
    match command.spawn() {
        Ok(child) => wait_for(Pid::from_raw(child.id().cast_signed())),
        Err(error) => {
            eprintln!("init: {SHELL}: {error}");
            power::leave(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
        }
    }
}

fn wait_for(child: Pid) -> u8 {
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, status)) if pid == child => return status.to_le_bytes()[0],
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                // Signal numbers are at most 64, so the sum fits.
                return 128 + (signal as i32).to_le_bytes()[0];
            }
            // An orphan was reaped, or a signal came in between.
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => {
                eprintln!("init: wait: {}", error.desc());
                power::leave(1)
            }
        }
    }
}
