//! `sh`: a POSIX shell. Owns the reading of its own command line.
//!
//! Stages, one file each: [`lexer`] and [`word`] → [`parser`] and [`compound`] → [`ast`] →
//! [`expand`] and [`parameter`] → [`execute`], [`simple`], [`launch`], [`redirect`], [`builtin`].
//! One thread; sleeps in `wait4`, and in `read` at the prompt.

mod arithmetic;
mod ast;
mod builtin;
mod complete;
mod compound;
mod execute;
mod expand;
mod input;
mod jobs;
mod launch;
mod lexer;
mod parameter;
mod parser;
mod pathname;
mod pattern;
mod redirect;
mod shell;
mod simple;
mod system;
mod variables;
mod word;

use nix::sys::signal::Signal;
use shell::{Run, Shell};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use system::Disposition;

/// Where the commands are.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    /// `-c string`
    Text(Vec<u8>),
    /// A script.
    File(Vec<u8>),
    /// Standard input.
    Standard,
}

/// The command line.
#[derive(Debug, PartialEq, Eq)]
struct Invocation {
    source: Source,
    /// `$0`
    name: Vec<u8>,
    /// `$1`, `$2`, …
    positional: Vec<Vec<u8>>,
    /// Letters of `set`, each with its sign.
    options: Vec<(u8, bool)>,
    /// Whether `/etc/profile` and `~/.profile` are read first.
    login: bool,
}

fn main() {
    // std ignores SIGPIPE, and programs would inherit that.
    system::set_disposition(Signal::SIGPIPE, Disposition::Default);
    // std's handlers for a stack overflow would swallow the first of these that another process sends.
    for signal in [Signal::SIGSEGV, Signal::SIGBUS] {
        system::set_disposition(signal, Disposition::Default);
    }
    let arguments: Vec<_> = std::env::args_os().map(OsString::into_vec).collect();
    match parse(&arguments) {
        Ok(invocation) => run(invocation),
        Err(message) => {
            eprintln!("sh: {message}");
            std::process::exit(2);
        }
    }
}

fn parse(arguments: &[Vec<u8>]) -> Result<Invocation, String> {
    let own_name = arguments.first().cloned().unwrap_or_else(|| b"sh".to_vec());
    let mut login = own_name.starts_with(b"-");
    let mut options = Vec::new();
    let mut rest = arguments.get(1..).unwrap_or_default();
    let (mut is_text, mut is_standard) = (false, false);
    while let [argument, after @ ..] = rest {
        let (sign, letters) = match argument.as_slice() {
            b"--" | b"-" => {
                rest = after;
                break;
            }
            [sign @ (b'-' | b'+'), letters @ ..] if !letters.is_empty() => (*sign == b'-', letters),
            _ => break,
        };
        rest = after;
        for letter in letters {
            match letter {
                b'c' => is_text = true,
                b'l' => login = true,
                b's' => is_standard = true,
                b'C' | b'a' | b'e' | b'f' | b'i' | b'm' | b'n' | b'u' | b'x' => options.push((*letter, sign)),
                other => return Err(format!("Illegal option -{}", other.escape_ascii())),
            }
        }
    }
    let mut operands = rest.iter().cloned();
    let (source, name) = if is_text {
        let text = operands.next().ok_or("-c requires an argument")?;
        (Source::Text(text), operands.next().unwrap_or(own_name))
    } else if let (false, Some(file)) = (is_standard, operands.next()) {
        (Source::File(file.clone()), file)
    } else {
        operands = rest.iter().cloned();
        (Source::Standard, own_name)
    };
    Ok(Invocation { source, name, positional: operands.collect(), options, login })
}

fn run(invocation: Invocation) -> ! {
    let mut shell = Shell::new(invocation.name);
    shell.positional = invocation.positional;
    let asked = invocation.options.contains(&(b'i', true));
    for (letter, value) in invocation.options.into_iter().filter(|(letter, _)| *letter != b'i') {
        shell.set_option(letter, value);
    }
    let at_terminal = system::is_terminal(0) && system::is_terminal(2);
    if asked || invocation.source == Source::Standard && at_terminal {
        shell.become_interactive();
    }
    if invocation.login {
        read_profiles(&mut shell);
    }
    let result = match invocation.source {
        Source::Text(text) => shell.run_text(&text),
        Source::File(path) => run_file(&mut shell, &path),
        Source::Standard => shell.run_standard_input(),
    };
    shell.leave(result)
}

/// Runs the start-up files of a login shell, if there are any. An error in them is reported there
/// and does not keep anybody from logging in.
fn read_profiles(shell: &mut Shell) {
    let home = shell.variables.get(b"HOME").unwrap_or_default();
    for path in [b"/etc/profile".to_vec(), [home, b"/.profile"].concat()] {
        if let Ok(text) = std::fs::read(OsStr::from_bytes(&path)) {
            let _ = shell.run_text(&text);
        }
    }
}

fn run_file(shell: &mut Shell, path: &[u8]) -> Run {
    match std::fs::read(OsStr::from_bytes(path)) {
        Ok(text) => shell.run_text(&text),
        Err(error) => {
            shell.complain(&format!("{}: {}", String::from_utf8_lossy(path), system::describe(&error)));
            shell.status = 127;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
