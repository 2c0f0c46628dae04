//! Arguments that are right one by one and cannot be had together, or not here: each is refused with one line. Nothing is ignored
//! in silence, for a figure that was not asked for looks like one that was. Never sleeps.

use clap::ValueEnum;

use crate::benchmark::Id;
use crate::catalogue;
use crate::options::{Options, Suite, Unit};
use crate::selection;
use crate::system::affinity;

/// What of `options` has no meaning beside --suite.
pub fn beside_suite(options: &Options) -> Option<String> {
    let suite = options.suite?;
    let is_list = matches!(suite, Suite::Seed000 | Suite::Seed001 | Suite::Seed002 | Suite::Sweep);
    let meaningless = [
        ("--size", options.size.is_some()),
        ("--only", !options.only.is_empty() && !is_list),
        ("--pin", options.pin.is_some() && !is_list && !matches!(suite, Suite::Ablate | Suite::Model)),
        // Under -icount the CPUs take turns: there is no work at the same time.
        ("--unit instructions", options.unit == Unit::Instructions && suite == Suite::Cpus),
    ];
    let (option, _) = meaningless.into_iter().find(|(_, is_given)| *is_given)?;
    let name = suite.to_possible_value()?;
    Some(format!("{option} has no meaning for --suite {}", name.get_name()))
}

/// What to say of a pattern of --only that means nothing, perhaps only because of --size.
pub fn nothing_called(pattern: &str, options: &Options) -> String {
    if pattern.is_empty() {
        return "--only: a name is empty".to_owned();
    }
    let usual: Vec<String> = catalogue::catalogue(None).iter().map(|benchmark| benchmark.id().to_string()).collect();
    match options.size {
        Some(size) if selection::select(&[pattern.to_owned()], &usual).is_ok() => {
            format!("'{pattern}' has no size {size}; with --size, leave the size out of the name")
        }
        _ => format!("no benchmark is called '{pattern}'"),
    }
}

/// What to say where --size is given and nothing that was `chosen` can have that size.
pub fn size_of_nothing(chosen: &[Id], options: &Options) -> Option<String> {
    let size = options.size?;
    let has_it = chosen.iter().any(|id| id.size_bytes == Some(size));
    (!has_it).then(|| format!("--size {size}: nothing that --only names leaves a choice of size"))
}

/// What to say of a CPU that --pin names and that this process may not run on. Where the system does not tell which it may, the
/// attempt will.
pub fn missing_cpu(options: &Options) -> Option<String> {
    let pin = options.pin?;
    let allowed: Vec<usize> = affinity::allowed().ok()?.collect();
    let missing = pin.cpus().into_iter().find(|cpu| !allowed.contains(cpu))?;
    Some(format!("--pin: there is no CPU {missing} for this process"))
}

#[cfg(test)]
mod tests {
    use super::{beside_suite, missing_cpu, nothing_called, size_of_nothing};
    use crate::benchmark::Id;
    use crate::options::Options;
    use crate::system::affinity::first_allowed;

    fn read(arguments: &str) -> Options {
        let arguments = arguments.split_whitespace().map(Into::into);
        Options::read(std::iter::once("ipcbench".into()).chain(arguments)).expect("right one by one")
    }

    #[test]
    fn what_a_suite_would_ignore_is_refused() {
        for (arguments, option) in [
            ("--suite herd --only pipe", "--only"),
            ("--suite fair --size 64", "--size"),
            ("--suite cgroups --pin 0", "--pin"),
            ("--suite seed-000 --size 64", "--size"),
            ("--suite cpus --unit instructions", "--unit instructions"),
            ("--suite ablate --only hello", "--only"),
        ] {
            let line = beside_suite(&read(arguments)).unwrap_or_default();
            assert!(line.starts_with(&format!("{option} has no meaning for ")), "{arguments}: {line}");
        }
    }

    #[test]
    fn what_a_suite_understands_is_not() {
        for arguments in [
            "--suite seed-000 --only pipe --pin 0 --count 9",
            "--suite ablate --pin 0 --quick",
            "--only pipe --size 64 --pin 0",
            "--suite herd --quick --json --timeout 9",
        ] {
            assert_eq!(beside_suite(&read(arguments)), None, "{arguments}");
        }
    }

    #[test]
    fn a_size_that_a_name_excludes_is_told_from_a_name_that_is_unknown() {
        let said = |pattern, arguments| nothing_called(pattern, &read(arguments));
        assert!(said("pipe/latency/1", "--size 4K").starts_with("'pipe/latency/1' has no size 4096;"));
        assert!(said("pipe/write-read", "--size 16M").starts_with("'pipe/write-read' has no size 16777216;"));
        assert_eq!(said("tube", "--size 4K"), "no benchmark is called 'tube'");
        assert_eq!(said("pipe/latency/77", ""), "no benchmark is called 'pipe/latency/77'");
        assert_eq!(said("", ""), "--only: a name is empty");
    }

    #[test]
    fn a_size_must_concern_something() {
        let id = |size_bytes| Id { mechanism: "futex", load: "latency", size_bytes };
        let line = size_of_nothing(&[id(Some(1)), id(None)], &read("--size 64"));
        assert!(line.is_some_and(|line| line.starts_with("--size 64: nothing ")));
        assert_eq!(size_of_nothing(&[id(Some(1)), id(Some(64))], &read("--size 64")), None);
        assert_eq!(size_of_nothing(&[id(None)], &read("")), None);
    }

    #[test]
    fn a_cpu_that_is_not_here_is_named() {
        let first = first_allowed().expect("this process runs");
        let line = missing_cpu(&read(&format!("--pin {first},1023")));
        assert_eq!(line.as_deref(), Some("--pin: there is no CPU 1023 for this process"));
        assert_eq!(missing_cpu(&read(&format!("--pin {first}"))), None);
        assert_eq!(missing_cpu(&read("")), None);
    }
}
