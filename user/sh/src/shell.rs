//! The state of a shell, and how it ends. One value, one thread, no locks.

use crate::ast::Command;
use crate::jobs::Jobs;
use crate::system::{self, Disposition};
use crate::variables::Variables;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Why a list stopped before its end. The status is in [`Shell::status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// `break n`
    Break(usize),
    /// `continue n`
    Continue(usize),
    /// `return`
    Return,
    /// `exit`
    Exit,
    /// An error that ends a script, or the command line of an interactive shell.
    Abort,
}

/// The result of running something.
pub type Run<T = ()> = Result<T, Flow>;

/// The options of `set`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// `-e`: end at the first failure nobody looks at.
    pub exit_on_error: bool,
    /// `-x`: show what runs.
    pub trace: bool,
    /// `-u`: an unset parameter is an error.
    pub refuse_unset: bool,
    /// `-a`: every variable that is set is exported.
    pub export_all: bool,
    /// `-C`: `>` does not overwrite a file.
    pub no_clobber: bool,
    /// `-n`: commands are read and not run; at a terminal it has no effect.
    pub no_execution: bool,
    /// `-f`: no pathname expansion.
    pub no_glob: bool,
    /// `-i`, or found at start-up: prompts and messages about jobs.
    pub interactive: bool,
    /// `-m`, or found at start-up: jobs are process groups and own the terminal in turn.
    pub job_control: bool,
}

/// A shell.
pub struct Shell {
    /// `$name`
    pub variables: Variables,
    /// `$1`, `$2`, …
    pub positional: Vec<Vec<u8>>,
    /// `$0`
    pub name: Vec<u8>,
    /// Functions by name.
    pub functions: BTreeMap<Vec<u8>, Rc<Command>>,
    /// `$?`
    pub status: i32,
    /// Status of the last command substitution in the command that is being expanded.
    pub substituted: Option<i32>,
    /// `$!`
    pub last_background: Option<i32>,
    /// `$$`
    pub process_id: u32,
    /// Where `getopts` is.
    pub option_cursor: crate::builtin::Cursor,
    /// The options of `set`.
    pub options: Options,
    /// Background and stopped jobs.
    pub jobs: Jobs,
    /// `trap` actions by signal number; 0 is EXIT.
    pub traps: BTreeMap<i32, Vec<u8>>,
    /// Above zero where a failure is a condition and not an error (for `-e`).
    pub tested: usize,
    /// How many loops are around the command running.
    pub loop_depth: usize,
    /// How many texts are being run inside each other (`eval`, `.`, traps).
    pub text_depth: usize,
    /// How many functions and sourced files are around it.
    pub call_depth: usize,
    /// Variables to put back at the end of each function that is running.
    pub locals: Vec<Vec<(Vec<u8>, Option<crate::variables::Variable>)>>,
}

impl Shell {
    /// A shell with the environment's variables.
    pub fn new(name: Vec<u8>) -> Self {
        let mut variables = Variables::from_environment();
        let preset: [(&[u8], &[u8]); 4] = [(b"IFS", b" \t\n"), (b"PS2", b"> "), (b"PS4", b"+ "), (b"OPTIND", b"1")];
        for (name, value) in preset {
            // Only a read-only variable refuses, and none is read-only yet.
            let _ = variables.set(name, value);
        }
        let parent = nix::unistd::getppid().to_string();
        let _ = variables.set(b"PPID", parent.as_bytes());
        if let Ok(directory) = std::env::current_dir() {
            let _ = variables.set(b"PWD", directory.as_os_str().as_encoded_bytes());
        }
        Self {
            variables,
            positional: Vec::new(),
            name,
            functions: BTreeMap::new(),
            status: 0,
            substituted: None,
            last_background: None,
            process_id: std::process::id(),
            option_cursor: crate::builtin::Cursor::default(),
            options: Options::default(),
            jobs: Jobs::default(),
            traps: BTreeMap::new(),
            tested: 0,
            loop_depth: 0,
            call_depth: 0,
            text_depth: 0,
            locals: Vec::new(),
        }
    }

    /// Prints a message on standard error as `sh: …`.
    pub fn complain(&self, message: &str) {
        let name = String::from_utf8_lossy(&self.name).into_owned();
        let name = name.rsplit('/').next().unwrap_or(&name).trim_start_matches('-').to_owned();
        // Nobody is left to tell when standard error is closed.
        let _ = system::write_all(2, format!("{name}: {message}\n").as_bytes());
    }

    /// Reports an error that a script does not survive.
    pub fn fatal<T>(&mut self, message: &str) -> Run<T> {
        self.complain(message);
        self.status = 2;
        Err(Flow::Abort)
    }

    /// Writes to standard output for a built-in command; its status says whether that worked.
    pub fn print(&self, bytes: &[u8]) -> i32 {
        match system::write_all(1, bytes) {
            Ok(()) => 0,
            Err(error) => {
                self.complain(&format!("write error: {}", system::describe(&error)));
                1
            }
        }
    }

    /// Runs the traps of signals that came in. A keyboard interrupt without a trap ends the command
    /// line of an interactive shell.
    pub fn check_signals(&mut self) -> Run {
        while let Some(signal) = system::take_pending() {
            if let Some(action) = self.traps.get(&(signal as i32)).cloned() {
                let status = self.status;
                self.run_text(&action)?;
                self.status = status;
            } else if signal == Signal::SIGINT && self.options.interactive {
                self.status = 128 + Signal::SIGINT as i32;
                return Err(Flow::Abort);
            }
        }
        Ok(())
    }

    /// Turns a forked copy of the shell into a subshell: it has no jobs, no terminal, no traps.
    pub fn enter_subshell(&mut self) {
        self.jobs = Jobs::default();
        self.options.interactive = false;
        self.options.job_control = false;
        for (number, action) in std::mem::take(&mut self.traps) {
            if let Ok(signal) = Signal::try_from(number) {
                // A signal the script ignores stays ignored.
                if action.is_empty() {
                    self.traps.insert(number, action);
                } else {
                    system::set_disposition(signal, Disposition::Default);
                }
            }
        }
    }

    /// Ends this process with the status of what ran, after the EXIT trap.
    pub fn leave(&mut self, result: Run) -> ! {
        if let Some(action) = self.traps.remove(&0) {
            let status = self.status;
            // `exit` inside the trap has set the status it wants.
            if self.run_text(&action) != Err(Flow::Exit) {
                self.status = status;
            }
        }
        if result == Err(Flow::Abort) && self.status == 0 {
            self.status = 2;
        }
        std::process::exit(self.status & 0xff)
    }
}
