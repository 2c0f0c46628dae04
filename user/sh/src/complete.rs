//! Completion of names at the prompt: commands in the first place, files elsewhere.

use crate::builtin;
use crate::shell::Shell;
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};
use std::collections::BTreeSet;
use std::fs;

/// The helper of the line editor.
#[derive(Default)]
pub struct Completion {
    path: String,
    functions: Vec<String>,
}

impl Completion {
    /// Takes what completion needs from the shell, before each line.
    pub fn refresh(&mut self, shell: &Shell) {
        self.path = String::from_utf8_lossy(shell.variables.get(b"PATH").unwrap_or_default()).into_owned();
        self.functions = shell.functions.keys().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    }

    fn commands(&self, prefix: &str) -> BTreeSet<String> {
        let built_in = builtin::TABLE.iter().map(|builtin| builtin.name.to_owned());
        let programs = self.path.split(':').filter_map(|directory| fs::read_dir(directory).ok()).flatten().flatten();
        let programs = programs.filter_map(|entry| entry.file_name().into_string().ok());
        built_in.chain(self.functions.iter().cloned()).chain(programs).filter(|name| name.starts_with(prefix)).collect()
    }
}

/// Names of files that continue `word`, each from the start of the word; directories end in `/`.
fn files(word: &str) -> BTreeSet<String> {
    let (directory, prefix) =
        word.rsplit_once('/').map_or(("", word), |(_, prefix)| word.split_at(word.len() - prefix.len()));
    let listed = fs::read_dir(if directory.is_empty() { "." } else { directory });
    let mut names = BTreeSet::new();
    for entry in listed.into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if name.starts_with(prefix) && (!name.starts_with('.') || prefix.starts_with('.')) {
            let slash = if entry.path().is_dir() { "/" } else { "" };
            names.insert(format!("{directory}{name}{slash}"));
        }
    }
    names
}

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(&self, line: &str, position: usize, _context: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = &line[..position];
        let start = before.rfind([' ', '\t', ';', '|', '&', '(', '<', '>', '=']).map_or(0, |at| at + 1);
        let word = &before[start..];
        let lead = before[..start].trim_end();
        let is_command = !word.contains('/') && (lead.is_empty() || lead.ends_with([';', '|', '&', '(']));
        let names = if is_command { self.commands(word) } else { files(word) };
        let only = names.len() == 1;
        let pairs = names.into_iter().map(|name| {
            let space = if only && !name.ends_with('/') { " " } else { "" };
            Pair { replacement: format!("{name}{space}"), display: name }
        });
        Ok((start, pairs.collect()))
    }
}

impl Hinter for Completion {
    type Hint = String;
}

impl Highlighter for Completion {}
impl Validator for Completion {}
impl Helper for Completion {}
