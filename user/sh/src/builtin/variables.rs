//! Built-ins about variables, positional parameters and options.

use super::{number, shown};
use crate::shell::{Options, Run, Shell};
use crate::word::is_name;

/// `export [name[=value]…]`
pub fn export(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    mark(shell, arguments, "export", |shell, name| shell.variables.export(name), |variable| variable.exported)
}

/// `readonly [name[=value]…]`
pub fn readonly(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    mark(shell, arguments, "readonly", |shell, name| shell.variables.protect(name), |variable| variable.read_only)
}

fn mark(
    shell: &mut Shell,
    arguments: &[Vec<u8>],
    verb: &str,
    set_mark: fn(&mut Shell, &[u8]),
    has_mark: fn(&crate::variables::Variable) -> bool,
) -> Run<i32> {
    let names: Vec<_> = arguments[1..].iter().filter(|argument| *argument != b"-p").collect();
    if names.is_empty() {
        let mut text = Vec::new();
        for (name, variable) in shell.variables.iter().filter(|(_, variable)| has_mark(variable)) {
            text.extend_from_slice(format!("{verb} {}", shown(name)).as_bytes());
            if let Some(value) = &variable.value {
                text.push(b'=');
                text.extend(quote(value));
            }
            text.push(b'\n');
        }
        return Ok(shell.print(&text));
    }
    for argument in names {
        let (name, value) = split_assignment(argument);
        if !is_name(name) {
            return shell.fatal(&format!("{verb}: {}: bad variable name", shown(argument)));
        }
        if let Some(value) = value {
            shell.assign(name, value)?;
        }
        set_mark(shell, name);
    }
    Ok(0)
}

fn split_assignment(argument: &[u8]) -> (&[u8], Option<&[u8]>) {
    match argument.iter().position(|byte| *byte == b'=') {
        Some(at) => (&argument[..at], Some(&argument[at + 1..])),
        None => (argument, None),
    }
}

/// A value in single quotes, so that the shell can read it back.
fn quote(value: &[u8]) -> Vec<u8> {
    let mut text = vec![b'\''];
    for byte in value {
        if *byte == b'\'' {
            text.extend_from_slice(b"'\\''");
        } else {
            text.push(*byte);
        }
    }
    text.push(b'\'');
    text
}

/// `local name[=value]…`: as in dash, the value at the end of the function is put back.
pub fn local(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    if shell.locals.is_empty() {
        return shell.fatal("local: not in a function");
    }
    for argument in &arguments[1..] {
        let (name, value) = split_assignment(argument);
        if !is_name(name) {
            return shell.fatal(&format!("local: {}: bad variable name", shown(argument)));
        }
        let saved = shell.variables.save(name);
        if let Some(scope) = shell.locals.last_mut() {
            scope.push((name.to_vec(), saved));
        }
        if let Some(value) = value {
            shell.assign(name, value)?;
        }
    }
    Ok(0)
}

/// `unset [-v|-f] name…`
pub fn unset(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    let functions = arguments.get(1).is_some_and(|argument| argument == b"-f");
    for name in arguments[1..].iter().filter(|argument| !argument.starts_with(b"-")) {
        if !is_name(name) {
            return shell.fatal(&format!("unset: {}: bad variable name", shown(name)));
        }
        if functions {
            shell.functions.remove(name);
        } else if let Err(message) = shell.variables.unset(name) {
            return shell.fatal(&format!("unset: {message}"));
        }
    }
    Ok(0)
}

/// `shift [n]`
pub fn shift(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    let Some(count) = arguments.get(1).map_or(Some(1), |text| number(text)) else {
        return shell.fatal(&format!("shift: Illegal number: {}", shown(&arguments[1])));
    };
    if count > shell.positional.len() {
        return shell.fatal("shift: can't shift that many");
    }
    shell.positional.drain(..count);
    Ok(0)
}

/// `set [-Caefmnux] [+Caefmnux] [-o name] [--] [arguments]`
pub fn set(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    if arguments.len() == 1 {
        let mut text = Vec::new();
        for (name, variable) in shell.variables.iter().filter(|(name, _)| is_name(name)) {
            if let Some(value) = &variable.value {
                text.extend([name.as_slice(), b"=", &quote(value), b"\n"].concat());
            }
        }
        return Ok(shell.print(&text));
    }
    let mut rest = arguments[1..].iter();
    let mut operands: Option<Vec<Vec<u8>>> = None;
    while let Some(argument) = rest.next() {
        match argument.as_slice() {
            b"--" => {
                operands = Some(rest.by_ref().cloned().collect());
            }
            b"-o" | b"+o" => {
                let Some(name) = rest.next() else {
                    let list = list_options(shell.options);
                    return Ok(shell.print(&list));
                };
                let Some((_, letter)) = LONG_OPTIONS.iter().find(|(long, _)| long.as_bytes() == name) else {
                    return shell.fatal(&format!("set: Illegal option -o {}", shown(name)));
                };
                shell.set_option(*letter, argument[0] == b'-');
            }
            [sign @ (b'-' | b'+'), letters @ ..] if !letters.is_empty() => {
                for letter in letters {
                    if !shell.set_option(*letter, *sign == b'-') {
                        return shell.fatal(&format!("set: Illegal option -{}", letter.escape_ascii()));
                    }
                }
            }
            _ => {
                operands = Some(std::iter::once(argument).chain(rest.by_ref()).cloned().collect());
            }
        }
    }
    if let Some(operands) = operands {
        shell.positional = operands;
    }
    Ok(0)
}

/// The names of `set -o`.
const LONG_OPTIONS: &[(&str, u8)] = &[
    ("allexport", b'a'),
    ("errexit", b'e'),
    ("monitor", b'm'),
    ("noclobber", b'C'),
    ("noexec", b'n'),
    ("noglob", b'f'),
    ("nounset", b'u'),
    ("xtrace", b'x'),
];

/// The options with a name, and which are on.
fn list_options(mut options: Options) -> Vec<u8> {
    let mut text = String::from("Current option settings\n");
    for (name, letter) in LONG_OPTIONS {
        let on = option_switches(&mut options).into_iter().any(|(own, switch)| own == *letter && *switch);
        text.push_str(&format!("{name:<15} {}\n", if on { "on" } else { "off" }));
    }
    text.into_bytes()
}

fn option_switches(options: &mut Options) -> [(u8, &mut bool); 9] {
    [
        (b'C', &mut options.no_clobber),
        (b'a', &mut options.export_all),
        (b'e', &mut options.exit_on_error),
        (b'f', &mut options.no_glob),
        (b'i', &mut options.interactive),
        (b'm', &mut options.job_control),
        (b'n', &mut options.no_execution),
        (b'u', &mut options.refuse_unset),
        (b'x', &mut options.trace),
    ]
}

impl Shell {
    /// Switches an option; `false` if there is none of that letter.
    pub fn set_option(&mut self, letter: u8, value: bool) -> bool {
        let found = option_switches(&mut self.options).into_iter().find(|(own, _)| *own == letter);
        found.map(|(_, switch)| *switch = value).is_some()
    }

    /// The letters of the options that are on: `$-`.
    pub fn option_letters(&self) -> Vec<u8> {
        let mut options = self.options;
        option_switches(&mut options).into_iter().filter(|(_, switch)| **switch).map(|(letter, _)| letter).collect()
    }
}
