//! The applets whose rules the shell has built in as well: echo, printf, test.

use crate::invocation::{Failure, Invocation, Outcome, finish, output};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;

fn bytes(invocation: &Invocation) -> Vec<Vec<u8>> {
    invocation.arguments.iter().cloned().map(OsStringExt::into_vec).collect()
}

/// `echo [-ne] words`
pub fn echo(invocation: &Invocation) -> Outcome {
    let mut output = output()?;
    output.write_all(&crate::echo::text(&bytes(invocation)))?;
    finish(invocation, output)
}

/// `printf format [argument…]`
pub fn printf(invocation: &Invocation) -> Outcome {
    let words = bytes(invocation);
    let Some((format, arguments)) = words.split_first() else {
        return Err(Failure::usage("usage: printf format [argument...]"));
    };
    let formatted = crate::printf::format(format, arguments);
    let mut output = output()?;
    output.write_all(&formatted.text)?;
    output.flush()?;
    for complaint in formatted.complaints {
        invocation.complain(complaint);
    }
    Ok(invocation.status())
}

/// `test expression`
pub fn test(invocation: &Invocation) -> Outcome {
    evaluate(&bytes(invocation))
}

/// `[ expression ]`
pub fn bracket(invocation: &Invocation) -> Outcome {
    match bytes(invocation).split_last() {
        Some((last, words)) if last == b"]" => evaluate(words),
        _ => Err(Failure::usage("missing ]")),
    }
}

fn evaluate(words: &[Vec<u8>]) -> Outcome {
    crate::expression::test(words).map(|value| u8::from(!value)).map_err(Failure::usage)
}
