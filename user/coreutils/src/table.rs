//! The table of applets and the way in. Owns the names: `applets.txt` must hold the same ones.

use crate::invocation::{Applet, Failure, Invocation, Outcome, finish, output};
use crate::{
    copy, dd, identity, list, machine, mode, moment, names, process, shared, stat, stream,
};
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

/// All applets, sorted by name.
pub const APPLETS: &[(&str, Applet)] = &[
    ("[", shared::bracket),
    ("basename", names::basename),
    ("cat", stream::cat),
    ("chmod", mode::chmod),
    ("chown", identity::chown),
    ("clear", machine::clear),
    ("cp", copy::cp),
    ("date", moment::date),
    ("dd", dd::dd),
    ("df", stat::df),
    ("dirname", names::dirname),
    ("dmesg", machine::dmesg),
    ("du", stat::du),
    ("echo", shared::echo),
    ("false", |_| Ok(1)),
    ("free", machine::free),
    ("head", stream::head),
    ("hostname", identity::hostname),
    ("id", identity::id),
    ("kill", process::kill),
    ("ln", names::ln),
    ("ls", list::ls),
    ("mkdir", names::mkdir),
    ("mkfifo", names::mkfifo),
    ("mv", names::mv),
    ("nproc", process::nproc),
    ("pidof", process::pidof),
    ("poweroff", machine::poweroff),
    ("printf", shared::printf),
    ("ps", process::ps),
    ("readlink", names::readlink),
    ("reboot", machine::reboot),
    ("rm", names::rm),
    ("rmdir", names::rmdir),
    ("sleep", process::sleep),
    ("stat", stat::stat),
    ("strings", machine::strings),
    ("sync", machine::sync),
    ("tail", stream::tail),
    ("tee", stream::tee),
    ("test", shared::test),
    ("touch", names::touch),
    ("true", |_| Ok(0)),
    ("tty", machine::tty),
    ("uname", machine::uname),
    ("uptime", machine::uptime),
    ("wc", stream::wc),
    ("yes", stream::yes),
];

/// Runs the applet that the first word names: by its base name, or after `coreutils`.
pub fn dispatch(words: Vec<OsString>) -> u8 {
    let mut words = words.into_iter();
    let program = words.next().unwrap_or_default();
    let name = Path::new(&program)
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    if name != "coreutils" {
        return run(&name, words.collect());
    }
    match words.next().as_ref().and_then(|word| word.to_str()) {
        Some("--list") => report("coreutils", list_names()),
        Some(name) => run(name, words.collect()),
        None => report(
            "coreutils",
            Err(Failure::usage(
                "usage: coreutils applet [argument...], coreutils --list",
            )),
        ),
    }
}

fn run(name: &str, arguments: Vec<OsString>) -> u8 {
    match APPLETS.binary_search_by_key(&name, |(own, _)| own) {
        Ok(index) => {
            let (name, applet) = APPLETS[index];
            report(name, applet(&Invocation::new(name, arguments)))
        }
        Err(_) => report(
            "coreutils",
            Err(Failure::usage(format!("{name}: no such applet"))),
        ),
    }
}

fn report(name: &str, outcome: Outcome) -> u8 {
    match outcome {
        Ok(status) => status,
        Err(failure) => {
            if !failure.message.is_empty() {
                eprintln!("{name}: {}", failure.message);
            }
            failure.status
        }
    }
}

fn list_names() -> Outcome {
    let mut output = output()?;
    for (name, _) in APPLETS {
        writeln!(output, "{name}")?;
    }
    finish(&Invocation::new("coreutils", Vec::new()), output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_unique() {
        assert!(APPLETS.is_sorted_by(|left, right| left.0 < right.0));
    }

    #[test]
    fn the_list_for_the_image_names_every_applet() {
        let listed: Vec<_> = include_str!("../applets.txt").lines().collect();
        let known: Vec<_> = APPLETS.iter().map(|(name, _)| *name).collect();
        assert_eq!(listed, known);
    }
}
