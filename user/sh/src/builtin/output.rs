//! Built-ins that print or test: `echo`, `printf`, `test` and `[` share their rules with the
//! programs of the same names. Also the working directory and `type`.

use super::{TABLE, find, shown, usage};
use crate::parser::Parser;
use crate::shell::{Run, Shell};
use crate::system;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// `echo [-n] words`
pub fn echo(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    Ok(shell.print(&coreutils::echo::text(&arguments[1..])))
}

/// `printf format arguments`
pub fn printf(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    let Some(format) = arguments.get(1) else {
        return usage(shell, "usage: printf format [arg ...]");
    };
    let output = coreutils::printf::format(format, &arguments[2..]);
    let status = shell.print(&output.text);
    for message in &output.complaints {
        shell.complain(&format!("printf: {message}"));
    }
    Ok(if output.complaints.is_empty() { status } else { 1 })
}

/// `test expression`
pub fn test(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    match coreutils::expression::test(&arguments[1..]) {
        Ok(value) => Ok(i32::from(!value)),
        Err(message) => usage(shell, &format!("{}: {message}", shown(&arguments[0]))),
    }
}

/// `[ expression ]`
pub fn bracket(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    match arguments.split_last() {
        Some((last, rest)) if last == b"]" && !rest.is_empty() => test(shell, rest),
        _ => usage(shell, "[: missing ]"),
    }
}

/// `cd [-L|-P] [directory|-]`
pub fn cd(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    let operands: Vec<_> =
        arguments[1..].iter().filter(|argument| !matches!(argument.as_slice(), b"-L" | b"-P" | b"--")).collect();
    let physical = arguments[1..].iter().any(|argument| argument == b"-P");
    let variable = |name: &[u8]| shell.variables.get(name).map(<[u8]>::to_vec);
    let (target, announce) = match operands.first().map(|operand| operand.as_slice()) {
        None => (variable(b"HOME"), false),
        Some(b"-") => (variable(b"OLDPWD"), true),
        Some(operand) => (Some(operand.to_vec()), false),
    };
    let Some(target) = target else {
        return usage(shell, "cd: HOME or OLDPWD not set");
    };
    let current = PathBuf::from(OsStr::from_bytes(&variable(b"PWD").unwrap_or_default()));
    let path = if physical {
        PathBuf::from(OsStr::from_bytes(&target))
    } else {
        logical_path(&current, Path::new(OsStr::from_bytes(&target)))
    };
    if let Err(error) = std::env::set_current_dir(&path) {
        shell.complain(&format!("cd: {}: {}", shown(&target), system::describe(&error)));
        return Ok(2);
    }
    let now = if physical { std::env::current_dir().unwrap_or(path) } else { path };
    shell.assign(b"OLDPWD", current.as_os_str().as_bytes())?;
    shell.assign(b"PWD", now.as_os_str().as_bytes())?;
    if announce { Ok(shell.print(&[now.as_os_str().as_bytes(), b"\n"].concat())) } else { Ok(0) }
}

/// The path with `.` and `..` taken out by the names alone, as POSIX wants for `cd -L`.
fn logical_path(current: &Path, target: &Path) -> PathBuf {
    let mut path = PathBuf::new();
    for component in current.join(target).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                path.pop();
            }
            component => path.push(component),
        }
    }
    path
}

/// `pwd [-L|-P]`
pub fn pwd(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    let logical = shell.variables.get(b"PWD").filter(|_| arguments.get(1).is_none_or(|argument| argument != b"-P"));
    let path = match logical {
        Some(path) if is_here(path) => path.to_vec(),
        _ => match std::env::current_dir() {
            Ok(path) => path.into_os_string().into_encoded_bytes(),
            Err(error) => return usage(shell, &format!("pwd: {}", system::describe(&error))),
        },
    };
    Ok(shell.print(&[path.as_slice(), b"\n"].concat()))
}

/// Whether `path` still leads to the working directory.
fn is_here(path: &[u8]) -> bool {
    use std::os::unix::fs::MetadataExt;
    let there = std::fs::metadata(OsStr::from_bytes(path));
    let here = std::fs::metadata(".");
    matches!((there, here), (Ok(there), Ok(here)) if (there.dev(), there.ino()) == (here.dev(), here.ino()))
}

/// `type name…`
pub fn describe_command(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    let mut status = 0;
    for name in &arguments[1..] {
        let kind = if Parser::is_reserved(name) {
            "is a shell keyword".to_owned()
        } else if shell.functions.contains_key(name) {
            "is a shell function".to_owned()
        } else if find(name).is_some() {
            "is a shell builtin".to_owned()
        } else if let Some(path) = shell.find_program(name).filter(|path| path.exists()) {
            format!("is {}", path.display())
        } else {
            status = 127;
            shell.complain(&format!("type: {}: not found", shown(name)));
            continue;
        };
        shell.print(format!("{} {kind}\n", shown(name)).as_bytes());
    }
    Ok(status)
}

/// `help`: what the shell itself can do.
pub fn help(shell: &mut Shell, _arguments: &[Vec<u8>]) -> Run<i32> {
    let names: Vec<_> = TABLE.iter().map(|builtin| builtin.name).collect();
    let mut text = String::from("Built-in commands:");
    for line in names.chunks(12) {
        text.push_str("\n  ");
        text.push_str(&line.join(" "));
    }
    text.push_str("\nControl: if while until for case { } ( ) ! && || | & ; name() { ... }\n");
    text.push_str("Programs: `coreutils --list` and `ls /bin`. Power off: `poweroff`.\n");
    Ok(shell.print(text.as_bytes()))
}
