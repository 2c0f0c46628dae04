//! The kernel's command line (`-append`): its own parameters, and what it hands to init.
//!
//! No locks, never sleeps. As Linux's kernel/params.c and init/main.c, quirks included: words are separated by blanks unless
//! in double quotes; `--` ends the kernel's part; what the kernel does not know goes to init, `key=value` as environment and
//! single words as arguments, unless there is a dot in the key; words before `rdinit=` (or `init=`) are not handed on.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// The program that is started from an initramfs unless `rdinit=` names another.
pub const DEFAULT_INIT: &str = "/init";

/// Parameters of Linux that mean something to Postern or that boot lines written for Linux commonly carry. They are the
/// kernel's own: init does not get to see them. (Linux's modules' parameters have a dot and need not be listed.)
const KERNEL_PARAMETERS: &[&str] = &[
    "acpi",
    "audit",
    "cma",
    "console",
    "debug",
    "earlycon",
    "earlyprintk",
    "hugepages",
    "ignore_loglevel",
    "init",
    "initrd",
    "irqaffinity",
    "isolcpus",
    "keepinitrd",
    "kpti",
    "lockdown",
    "loglevel",
    "maxcpus",
    "mem",
    "mitigations",
    "module_blacklist",
    "nokaslr",
    "noinitrd",
    "norandmaps",
    "nosmp",
    "nr_cpus",
    "oops",
    "panic",
    "panic_on_warn",
    "pci",
    "printk_time",
    "quiet",
    "randomize_kstack_offset",
    "rdinit",
    "reboot",
    "retain_initrd",
    "ro",
    "root",
    "rootdelay",
    "rootflags",
    "rootfstype",
    "rootwait",
    "rw",
    "selinux",
    "swiotlb",
    "transparent_hugepage",
];

/// One word of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter<'line> {
    /// What stands before the first `=`, or the whole word.
    pub key: &'line str,
    /// What stands after it, without the quotes around it.
    pub value: Option<&'line str>,
}

impl Parameter<'_> {
    /// The word as init sees it, its outer quotes gone.
    fn joined(&self) -> String {
        match self.value {
            Some(value) => format!("{}={value}", self.key),
            None => String::from(self.key),
        }
    }

    fn is_known(&self) -> bool {
        KERNEL_PARAMETERS.iter().any(|name| same_key(name, self.key))
    }

    fn names_init(&self) -> bool {
        self.value.is_some() && (self.key == "rdinit" || self.key == "init")
    }
}

/// How init is to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitCommand {
    /// Path of the program; also the first of the arguments.
    pub program: String,
    /// The arguments.
    pub arguments: Vec<String>,
    /// The environment, each `KEY=value`; `HOME` and `TERM` are always there.
    pub environment: Vec<String>,
}

/// A command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandLine<'line> {
    text: &'line str,
}

impl<'line> CommandLine<'line> {
    /// The command line with this text.
    #[must_use]
    pub const fn new(text: &'line str) -> Self {
        Self { text }
    }

    /// The text, as /proc/cmdline shows it.
    #[must_use]
    pub const fn text(&self) -> &'line str {
        self.text
    }

    /// The words before `--`, in order, those for init included.
    pub fn parameters(&self) -> impl Iterator<Item = Parameter<'line>> + use<'line> {
        Words { rest: self.text }
    }

    /// The value of `key`; of several the last. A dash in a key is an underscore.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'line str> {
        let values = self.parameters().filter(|parameter| same_key(parameter.key, key));
        values.filter_map(|parameter| parameter.value).last()
    }

    /// Whether the word `key` is there, without a value.
    #[must_use]
    pub fn flag(&self, key: &str) -> bool {
        let is_flag = |parameter: Parameter<'_>| parameter.value.is_none() && same_key(parameter.key, key);
        self.parameters().any(is_flag)
    }

    /// How init is to be started.
    #[must_use]
    pub fn init(&self) -> InitCommand {
        let program = String::from(self.get("rdinit").unwrap_or(DEFAULT_INIT));
        let mut arguments = vec![program.clone()];
        let mut environment = vec![String::from("HOME=/"), String::from("TERM=linux")];
        let mut words = Words { rest: self.text };
        for parameter in &mut words {
            if parameter.names_init() {
                arguments.truncate(1);
            } else if parameter.is_known() || parameter.key.contains('.') {
                // For the kernel, or for a module it does not have.
            } else if parameter.value.is_some() {
                set_variable(&mut environment, &parameter);
            } else {
                arguments.push(parameter.joined());
            }
        }
        // As on Linux, a second `--` ends init's arguments.
        arguments.extend(words.after_dashes().map(|parameter| parameter.joined()));
        InitCommand { program, arguments, environment }
    }
}

/// Puts `KEY=value` in the place of the variable of that name, or at the end.
fn set_variable(environment: &mut Vec<String>, parameter: &Parameter<'_>) {
    let joined = parameter.joined();
    let name = &joined[..=parameter.key.len()];
    match environment.iter_mut().find(|variable| variable.starts_with(name)) {
        Some(variable) => *variable = joined,
        None => environment.push(joined),
    }
}

/// Keys are equal if they differ in nothing but dashes for underscores.
pub(crate) fn same_key(one: &str, other: &str) -> bool {
    let plain = |byte: u8| if byte == b'-' { b'_' } else { byte };
    one.bytes().map(plain).eq(other.bytes().map(plain))
}

/// The words up to a `--`.
struct Words<'line> {
    rest: &'line str,
}

impl<'line> Words<'line> {
    /// The words after the `--` at which this iterator stopped, up to the next.
    fn after_dashes(self) -> Self {
        Self { rest: self.rest.trim_start_matches(is_blank).strip_prefix("--").unwrap_or("") }
    }
}

impl<'line> Iterator for Words<'line> {
    type Item = Parameter<'line>;

    fn next(&mut self) -> Option<Parameter<'line>> {
        let text = self.rest.trim_start_matches(is_blank);
        if text.is_empty() {
            return None;
        }
        let mut in_quotes = false;
        let ends = |c: char| {
            in_quotes ^= c == '"';
            is_blank(c) && !in_quotes
        };
        let (word, rest) = text.split_at(text.find(ends).unwrap_or(text.len()));
        if unquoted(word) == "--" {
            // Stay in front of it, so that there is no next word.
            self.rest = text;
            return None;
        }
        self.rest = rest;
        Some(parameter_of(word))
    }
}

/// Takes a word apart. Quotes count at its ends and at those of the value only.
fn parameter_of(word: &str) -> Parameter<'_> {
    let word = unquoted(word);
    match word.char_indices().skip(1).find(|&(_, c)| c == '=') {
        Some((at, _)) => Parameter { key: &word[..at], value: Some(unquoted(&word[at + 1..])) },
        None => Parameter { key: word, value: None },
    }
}

/// The text without a quote at its start, and then without the one at its end.
fn unquoted(text: &str) -> &str {
    match text.strip_prefix('"') {
        Some(inside) => inside.strip_suffix('"').unwrap_or(inside),
        None => text,
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn init(text: &str) -> (Vec<String>, Vec<String>) {
        let init = CommandLine::new(text).init();
        assert_eq!(init.program, init.arguments[0]);
        (init.arguments, init.environment)
    }

    const BARE: [&str; 2] = ["HOME=/", "TERM=linux"];

    #[test]
    fn an_empty_line_starts_the_default_init() {
        for text in ["", "   ", "\n", "--", " -- "] {
            let (arguments, environment) = init(text);
            assert_eq!(arguments, ["/init"]);
            assert_eq!(environment, BARE);
        }
    }

    #[test]
    fn words_after_the_dashes_are_the_arguments_of_init() {
        let (arguments, environment) =
            init("console=ttyAMA0 rdinit=/bin/ipcbench quiet -- --quick size=64 \"two words\"");
        assert_eq!(arguments, ["/bin/ipcbench", "--quick", "size=64", "two words"]);
        assert_eq!(environment, BARE);
    }

    #[test]
    fn a_second_pair_of_dashes_ends_them_as_on_linux() {
        assert_eq!(init("-- one -- two").0, ["/init", "one"]);
    }

    #[test]
    fn unknown_parameters_go_to_init_unless_they_have_a_dot() {
        let (arguments, environment) = init("single usbcore.quirks=1 my.word TERM=vt100 MODE=fast MODE=slow PATH=a.b");
        assert_eq!(arguments, ["/init", "single"]);
        assert_eq!(environment, ["HOME=/", "TERM=vt100", "MODE=slow", "PATH=a.b"]);
    }

    #[test]
    fn words_before_rdinit_are_dropped() {
        let (arguments, environment) = init("auto KEPT=1 rdinit=/sbin/init single -- more");
        assert_eq!(arguments, ["/sbin/init", "single", "more"]);
        assert_eq!(environment, ["HOME=/", "TERM=linux", "KEPT=1"]);
    }

    #[test]
    fn quotes_hold_blanks_and_vanish_at_the_ends_only() {
        let line = CommandLine::new(r#"a="b c" "d=e f" g"h i"j "k"#);
        let found: Vec<_> = line.parameters().map(|parameter| (parameter.key, parameter.value)).collect();
        assert_eq!(found, [("a", Some("b c")), ("d", Some("e f")), (r#"g"h i"j"#, None), ("k", None)]);
    }

    #[test]
    fn lookups_take_the_last_value_and_ignore_dashes() {
        let line = CommandLine::new("loglevel=3 quiet loglevel=7 a-b=1 empty= -- loglevel=9 late");
        assert_eq!(line.get("loglevel"), Some("7"));
        assert_eq!(line.get("a_b"), Some("1"));
        assert_eq!(line.get("empty"), Some(""));
        assert_eq!(line.get("quiet"), None);
        assert!(line.flag("quiet") && !line.flag("loglevel") && !line.flag("late"));
    }

    #[test]
    fn a_word_that_starts_with_an_equals_sign_has_no_empty_key() {
        let first = CommandLine::new("=x=y").parameters().next();
        assert_eq!(first, Some(Parameter { key: "=x", value: Some("y") }));
    }

    proptest! {
        #[test]
        fn plain_words_come_back_one_by_one(words in prop::collection::vec("[a-z]{1,5}(=[a-z ]{0,5})?", 0..9)) {
            let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            let line = quoted.join(" \t");
            let found: Vec<String> = CommandLine::new(&line).parameters().map(|parameter| parameter.joined()).collect();
            prop_assert_eq!(found, words);
        }

        #[test]
        fn any_text_is_a_command_line(text in "[ \"=\\-.a-cé\n]{0,30}") {
            let init = CommandLine::new(&text).init();
            prop_assert!(!init.arguments.is_empty() && init.environment.len() >= 2);
        }
    }
}
