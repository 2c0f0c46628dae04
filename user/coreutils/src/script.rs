//! `script`: a command on a terminal of its own, and everything it shows in a file.
//!
//! Owns both ends of the pseudo-terminal while it runs. Sleeps in `ppoll` alone, where the end of the command and a new window size
//! interrupt it. Specification: script(1), pty(7).

use crate::invocation::{At, Failure, Invocation, Options, Outcome};
use crate::run::{cannot_run, status_of};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::termios::{SetArg, SpecialCharacterIndices, Termios, cfmakeraw, tcgetattr, tcsetattr};
use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};

/// What is passed on at once.
const CHUNK: usize = 4096;

/// Interrupts `ppoll`; who is woken looks around.
extern "C" fn on_signal(_signal: libc::c_int) {}

/// `script [-aeq] [-c command] [file]`: status 0, or with `-e` that of the command.
pub fn script(invocation: &Invocation) -> Outcome {
    let options = invocation.options("aeqc:")?;
    let file = match options.operands.as_slice() {
        [] => "typescript".into(),
        [file] => file.clone(),
        _ => return Err(Failure::usage("usage: script [-aeq] [-c command] [file]")),
    };
    let mut opening = OpenOptions::new();
    opening.write(true).create(true).append(options.has('a')).truncate(!options.has('a'));
    let record = opening.open(&file).at(&file)?;
    let (master, terminal) = open_pair().at("/dev/ptmx")?;
    let signals = SigSet::from_iter([Signal::SIGCHLD, Signal::SIGWINCH]);
    signals.thread_block().at("signals")?;
    for signal in &signals {
        let action = SigAction::new(SigHandler::Handler(on_signal), SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler does nothing.
        unsafe { sigaction(signal, &action) }.at("signals")?;
    }
    let user = User::at(&terminal);
    let child = start(&options, terminal, &signals)?;
    let mut session = Session { master, record, child, input: Input::Open, quiet: options.has('q') };
    session.note("started");
    let outcome = session.run();
    user.restore();
    let status = outcome.at("script")?;
    session.note("done");
    Ok(if options.has('e') { status_of(status) } else { 0 })
}

/// Both sides of a new pseudo-terminal, master first.
fn open_pair() -> io::Result<(File, File)> {
    let pair = nix::pty::openpty(None, None)?;
    Ok((pair.master.into(), pair.slave.into()))
}

/// The command, or a shell, as leader of a session of its own with `terminal` as controlling terminal.
fn start(options: &Options, terminal: File, blocked: &SigSet) -> Result<Child, Failure> {
    let shell = env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    let mut command = Command::new(&shell);
    if let Some(text) = options.value('c') {
        command.arg("-c").arg(text);
    }
    let stream = || terminal.try_clone().map(Stdio::from).at("/dev/ptmx");
    command.stdin(stream()?).stdout(stream()?).stderr(stream()?);
    let blocked = *blocked;
    let prepare = move || {
        nix::unistd::setsid()?;
        // SAFETY: TIOCSCTTY takes a number.
        Errno::result(unsafe { libc::ioctl(libc::STDIN_FILENO, libc::TIOCSCTTY, 0) })?;
        blocked.thread_unblock()?;
        Ok(())
    };
    // SAFETY: three system calls, which are safe after fork.
    unsafe { command.pre_exec(prepare) };
    command.spawn().map_err(|error| cannot_run(&shell, &error))
}

/// The user's own terminal, if there is one: every key goes through while the command runs.
struct User(Option<Termios>);

impl User {
    /// Settings and window size of the user's terminal become those of the new one.
    fn at(terminal: &File) -> Self {
        let settings = io::stdin().is_terminal().then(|| tcgetattr(io::stdin()).ok()).flatten();
        if let Some(settings) = &settings {
            let mut raw = settings.clone();
            cfmakeraw(&mut raw);
            // A terminal that refuses is used as it is.
            let _ = tcsetattr(terminal, SetArg::TCSANOW, settings);
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &raw);
            copy_window(terminal);
        }
        Self(settings)
    }

    fn restore(&self) {
        if let Some(settings) = &self.0 {
            // There is nobody left to tell.
            let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, settings);
        }
    }
}

/// Gives `terminal` the window size of the user's, if that has one.
fn copy_window(terminal: &File) {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: room for the struct.
    if unsafe { libc::ioctl(libc::STDIN_FILENO, libc::TIOCGWINSZ, &raw mut size) } == 0 {
        // SAFETY: the kernel reads one struct.
        unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    }
}

/// Whether there is more to type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Input {
    Open,
    Ended,
}

/// A running command between its user and the record.
struct Session {
    master: File,
    record: File,
    child: Child,
    input: Input,
    quiet: bool,
}

impl Session {
    /// A line about the script itself.
    fn note(&mut self, what: &str) {
        if !self.quiet {
            // What cannot be recorded is noticed with the first output.
            let _ = writeln!(self.record, "Script {what}.");
        }
    }

    /// Passes everything on until the command has ended, and then what it has left.
    fn run(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                nix::fcntl::fcntl(&self.master, nix::fcntl::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))?;
                while self.show()? {}
                return Ok(status);
            }
            let stdin = io::stdin();
            let mut wanted = vec![PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
            if self.input == Input::Open {
                wanted.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
            }
            match ppoll(&mut wanted, None, Some(SigSet::empty())) {
                Err(Errno::EINTR) => {
                    copy_window(&self.master);
                    continue;
                }
                polled => drop(polled?),
            }
            let ready: Vec<bool> = wanted.iter().map(|entry| entry.any().unwrap_or(true)).collect();
            if ready[0] && !self.show()? {
                // Nobody has the terminal any more; the command may go on without.
                return self.child.wait();
            }
            if ready.get(1) == Some(&true) {
                self.type_in()?;
            }
        }
    }

    /// Shows and records what the command has written; whether there may be more.
    fn show(&mut self) -> io::Result<bool> {
        let mut bytes = [0; CHUNK];
        let count = match self.master.read(&mut bytes) {
            Ok(count) => count,
            // EIO: the last of those that had the terminal is gone. EAGAIN: so is the command, and that was all.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EIO | libc::EAGAIN)) => 0,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(error) => return Err(error),
        };
        self.record.write_all(&bytes[..count])?;
        let mut shown = io::stdout().lock();
        shown.write_all(&bytes[..count])?;
        shown.flush()?;
        Ok(count != 0)
    }

    /// Types what the user does; at the end of the input its key.
    fn type_in(&mut self) -> io::Result<()> {
        let mut bytes = [0; CHUNK];
        // SAFETY: standard input stays open; the file is not closed, since it is never dropped.
        let mut stdin = std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(libc::STDIN_FILENO) });
        let count = stdin.read(&mut bytes)?;
        if count != 0 {
            return self.master.write_all(&bytes[..count]);
        }
        self.input = Input::Ended;
        let key = tcgetattr(&self.master)?.control_chars[SpecialCharacterIndices::VEOF as usize];
        self.master.write_all(&[key])
    }
}
