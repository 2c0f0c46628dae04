//! Built-ins that change where execution goes on.

use super::{find, number, shown, usage};
use crate::parser::Parser;
use crate::shell::{Flow, Run, Shell};
use crate::system;

/// `break [n]`
pub fn break_loop(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    leave_loop(shell, arguments, Flow::Break)
}

/// `continue [n]`
pub fn continue_loop(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    leave_loop(shell, arguments, Flow::Continue)
}

fn leave_loop(shell: &mut Shell, arguments: &[Vec<u8>], flow: fn(usize) -> Flow) -> Run<i32> {
    let levels = match arguments.get(1) {
        None => 1,
        Some(text) => match number(text) {
            Some(levels @ 1..) => levels,
            _ => {
                return shell.fatal(&format!("{}: Illegal number: {}", shown(&arguments[0]), shown(text)));
            }
        },
    };
    if shell.loop_depth == 0 {
        return Ok(0);
    }
    shell.status = 0;
    Err(flow(levels.min(shell.loop_depth)))
}

/// The status given as argument of `exit` and `return`; without one, `$?`.
fn status_argument(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    let Some(text) = arguments.get(1) else {
        return Ok(shell.status);
    };
    match number(text).and_then(|status| i32::try_from(status).ok()) {
        Some(status) => Ok(status),
        None => shell.fatal(&format!("{}: Illegal number: {}", shown(&arguments[0]), shown(text))),
    }
}

/// `exit [status]`
pub fn exit(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    shell.status = status_argument(shell, arguments)?;
    Err(Flow::Exit)
}

/// `return [status]`
pub fn return_from(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    shell.status = status_argument(shell, arguments)?;
    Err(if shell.call_depth > 0 { Flow::Return } else { Flow::Exit })
}

/// `eval words`
pub fn eval(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    let text = arguments[1..].join(&b' ');
    shell.status = 0;
    shell.run_text(&text)?;
    Ok(shell.status)
}

/// `. file`: runs a file in this shell.
pub fn source(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    let Some(name) = arguments.get(1) else {
        return usage(shell, ".: filename argument required");
    };
    let path = shell.find_program(name);
    let text = path.ok_or_else(|| std::io::Error::from_raw_os_error(libc::ENOENT)).and_then(std::fs::read);
    let text = match text {
        Ok(text) => text,
        Err(error) => {
            return shell.fatal(&format!(".: {}: {}", shown(name), system::describe(&error)));
        }
    };
    shell.call_depth += 1;
    shell.status = 0;
    let result = shell.run_text(&text);
    shell.call_depth -= 1;
    match result {
        Ok(()) | Err(Flow::Return) => Ok(shell.status),
        Err(flow) => Err(flow),
    }
}

/// `exec [command]`: turns the shell into a program. Without one, the redirections stay: the
/// caller sees to that.
pub fn exec(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    if arguments.len() < 2 {
        return Ok(0);
    }
    shell.status = shell.replace_process(&arguments[1..]);
    Err(if shell.options.interactive { Flow::Abort } else { Flow::Exit })
}

/// `command [-v] name …`: a command, but no function of that name.
pub fn command(shell: &mut Shell, arguments: &[Vec<u8>]) -> Run<i32> {
    match arguments.get(1).map(Vec::as_slice) {
        None => Ok(0),
        Some(b"-V") => super::output::describe_command(shell, &arguments[1..]),
        Some(b"-v") => {
            let mut status = 127;
            for name in &arguments[2..] {
                let text = if shell.functions.contains_key(name) || find(name).is_some() || Parser::is_reserved(name) {
                    Some(name.clone())
                } else {
                    let path = shell.find_program(name).filter(|path| path.exists());
                    path.map(|path| path.as_os_str().as_encoded_bytes().to_vec())
                };
                if let Some(text) = text {
                    status = shell.print(&[text.as_slice(), b"\n"].concat());
                }
            }
            Ok(status)
        }
        Some(name) => match find(name) {
            Some(builtin) => (builtin.run)(shell, &arguments[1..]),
            None => {
                let function = shell.functions.remove(name);
                let words =
                    arguments[1..].iter().map(|word| crate::ast::Word(vec![crate::ast::Part::Quoted(word.clone())]));
                let simple = crate::ast::Simple { words: words.collect(), ..Default::default() };
                let result = shell.run_simple(&simple, crate::execute::Place::Shell, name);
                if let Some(body) = function {
                    shell.functions.insert(name.to_vec(), body);
                }
                result.map(|()| shell.status)
            }
        },
    }
}
