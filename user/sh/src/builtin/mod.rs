//! The commands the shell runs itself. Owns the table; one file per family.

mod control;
mod getopts;
mod limits;
mod output;
mod process;
mod read;
mod ulimit;
mod variables;

use crate::shell::{Run, Shell};

pub use getopts::Cursor;

/// What a built-in is to the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// POSIX's special built-ins: found before functions, their assignments stay.
    Special,
    /// All others.
    Ordinary,
}

/// A command the shell runs itself.
pub struct Builtin {
    /// The word that calls it.
    pub name: &'static str,
    /// How it is found.
    pub kind: Kind,
    /// Runs it with its name and arguments; returns the status.
    pub run: fn(&mut Shell, &[Vec<u8>]) -> Run<i32>,
}

const fn special(name: &'static str, run: fn(&mut Shell, &[Vec<u8>]) -> Run<i32>) -> Builtin {
    Builtin { name, kind: Kind::Special, run }
}

const fn ordinary(name: &'static str, run: fn(&mut Shell, &[Vec<u8>]) -> Run<i32>) -> Builtin {
    Builtin { name, kind: Kind::Ordinary, run }
}

/// All built-ins, in the order `help` shows them.
pub const TABLE: &[Builtin] = &[
    special(".", control::source),
    special(":", |_, _| Ok(0)),
    ordinary("[", output::bracket),
    ordinary("bg", process::bg),
    special("break", control::break_loop),
    ordinary("cd", output::cd),
    ordinary("command", control::command),
    special("continue", control::continue_loop),
    ordinary("echo", output::echo),
    special("eval", control::eval),
    special("exec", control::exec),
    special("exit", control::exit),
    special("export", variables::export),
    ordinary("false", |_, _| Ok(1)),
    ordinary("fg", process::fg),
    ordinary("getopts", getopts::getopts),
    ordinary("help", output::help),
    ordinary("jobs", process::jobs),
    ordinary("kill", process::kill),
    ordinary("local", variables::local),
    ordinary("printf", output::printf),
    ordinary("pwd", output::pwd),
    ordinary("read", read::read),
    special("readonly", variables::readonly),
    special("return", control::return_from),
    special("set", variables::set),
    special("shift", variables::shift),
    ordinary("test", output::test),
    special("times", limits::times),
    special("trap", process::trap),
    ordinary("true", |_, _| Ok(0)),
    ordinary("type", output::describe_command),
    ordinary("ulimit", ulimit::ulimit),
    ordinary("umask", limits::umask),
    special("unset", variables::unset),
    ordinary("wait", process::wait),
];

/// The built-in of that name.
pub fn find(name: &[u8]) -> Option<&'static Builtin> {
    TABLE.iter().find(|builtin| builtin.name.as_bytes() == name)
}

/// Bytes for a message.
fn shown(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Reports wrong use of a built-in; the status of a usage error.
fn usage(shell: &Shell, message: &str) -> Run<i32> {
    shell.complain(message);
    Ok(2)
}

/// A non-negative number.
fn number(text: &[u8]) -> Option<usize> {
    str::from_utf8(text).ok()?.parse().ok()
}
