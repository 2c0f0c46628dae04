//! The table of applets and the way in. Owns the names: `applets.txt` must hold the same ones.

use crate::invocation::{Applet, Failure, Invocation, Outcome, finish, output};
use crate::{
    cgrun, columns, copy, dd, dump, exercises, find, gate, grep, identity, ipctop, list, machine, mode, module, moment,
    mounting, names, number, process, run, script, shared, sort, stat, stream, timeout, trace, xargs,
};
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

/// All applets, sorted by name.
pub const APPLETS: &[(&str, Applet)] = &[
    ("[", shared::bracket),
    ("basename", names::basename),
    ("cat", stream::cat),
    ("cgrun", cgrun::cgrun),
    ("chmod", mode::chmod),
    ("chown", identity::chown),
    ("clear", machine::clear),
    ("cmp", dump::cmp),
    ("cp", copy::cp),
    ("cut", columns::cut),
    ("date", moment::date),
    ("dd", dd::dd),
    ("df", stat::df),
    ("dirname", names::dirname),
    ("dmesg", machine::dmesg),
    ("du", stat::du),
    ("echo", shared::echo),
    ("env", run::env_applet),
    ("expr", number::expr),
    ("false", |_| Ok(1)),
    ("find", find::find),
    ("free", machine::free),
    ("grep", grep::grep),
    ("head", stream::head),
    ("hello", gate::hello),
    ("hexdump", dump::hexdump),
    ("hostname", identity::hostname),
    ("id", identity::id),
    ("insmod", module::insmod),
    ("ipctop", ipctop::ipctop),
    ("kill", process::kill),
    ("ln", names::ln),
    ("ls", list::ls),
    ("lsmod", module::lsmod),
    ("mkdir", names::mkdir),
    ("mkfifo", names::mkfifo),
    ("mknod", mounting::mknod),
    ("modinfo", module::modinfo),
    ("modprobe", module::modprobe),
    ("mount", mounting::mount),
    ("mv", names::mv),
    ("nice", run::nice),
    ("nohup", run::nohup),
    ("nproc", process::nproc),
    ("od", dump::od),
    ("pidof", process::pidof),
    ("pipe-echo", exercises::pipe_echo),
    ("poweroff", machine::poweroff),
    ("printenv", run::printenv),
    ("printf", shared::printf),
    ("ps", process::ps),
    ("readlink", names::readlink),
    ("reboot", machine::reboot),
    ("rm", names::rm),
    ("rmdir", names::rmdir),
    ("rmmod", module::rmmod),
    ("script", script::script),
    ("seq", number::seq),
    ("shm-counter", exercises::shm_counter),
    ("sleep", process::sleep),
    ("sort", sort::sort),
    ("stat", stat::stat),
    ("strings", machine::strings),
    ("sync", machine::sync),
    ("tail", stream::tail),
    ("taskset", run::taskset),
    ("tee", stream::tee),
    ("test", shared::test),
    ("time", run::time),
    ("timeout", timeout::timeout),
    ("touch", names::touch),
    ("tr", columns::tr),
    ("trace", trace::trace),
    ("true", |_| Ok(0)),
    ("tty", machine::tty),
    ("umount", mounting::umount),
    ("uname", machine::uname),
    ("uniq", sort::uniq),
    ("uptime", machine::uptime),
    ("wc", stream::wc),
    ("which", run::which),
    ("xargs", xargs::xargs),
    ("yes", stream::yes),
];

/// Runs the applet that the first word names: by its base name, or after `coreutils`.
pub fn dispatch(words: Vec<OsString>) -> u8 {
    let mut words = words.into_iter();
    let program = words.next().unwrap_or_default();
    let name = Path::new(&program).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if name != "coreutils" {
        return run(&name, words.collect());
    }
    match words.next().as_ref().and_then(|word| word.to_str()) {
        Some("--list") => report("coreutils", list_names()),
        Some(name) => run(name, words.collect()),
        None => report("coreutils", Err(Failure::usage("usage: coreutils applet [argument...], coreutils --list"))),
    }
}

fn run(name: &str, arguments: Vec<OsString>) -> u8 {
    if arguments.as_slice() == ["--help"]
        && let Some(usage) = usage(name)
    {
        return report(name, print(&usage));
    }
    match APPLETS.binary_search_by_key(&name, |(own, _)| own) {
        Ok(index) => {
            let (name, applet) = APPLETS[index];
            report(name, applet(&Invocation::new(name, arguments)))
        }
        Err(_) => report("coreutils", Err(Failure::usage(format!("{name}: no such applet")))),
    }
}

/// The forms of an applet's command line, one a line; none for those whose every argument is an operand.
fn usage(name: &str) -> Option<String> {
    let own = |form: &&str| form.split(' ').next() == Some(name);
    let forms: Vec<_> = include_str!("../usage.txt").lines().filter(own).collect();
    (!forms.is_empty()).then(|| format!("usage: {}\n", forms.join("\n       ")))
}

fn print(text: &str) -> Outcome {
    let mut output = output()?;
    output.write_all(text.as_bytes())?;
    output.flush()?;
    Ok(0)
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
    #[test]
    fn every_applet_has_a_usage_unless_help_is_an_operand_of_it() {
        let without = APPLETS.iter().map(|(name, _)| *name).filter(|name| usage(name).is_none());
        assert_eq!(without.collect::<Vec<_>>(), ["[", "echo", "expr", "false", "printf", "test", "true"]);
        let known = |form: &str| APPLETS.iter().any(|(name, _)| form.split(' ').next() == Some(*name));
        assert!(include_str!("../usage.txt").lines().all(known));
    }
}
