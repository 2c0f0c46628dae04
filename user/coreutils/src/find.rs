//! `find`: the names in a tree that fit an expression. Specification: POSIX.1-2024, utility `find`.

use crate::find_expression::{Plan, Test, parse};
use crate::invocation::{Failure, Invocation, Outcome, Output, finish, output};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// `find [path…] [expression]`
pub fn find(invocation: &Invocation) -> Outcome {
    let words = &invocation.arguments;
    let starts_expression =
        |word: &OsString| word == "!" || word == "(" || word.as_bytes().starts_with(b"-") && word.len() > 1;
    let count = words.iter().position(starts_expression).unwrap_or(words.len());
    let plan = parse(&words[count..])?;
    let mut walk = Walk { invocation, plan, output: output()? };
    let here = [OsString::from(".")];
    for path in if count == 0 { &here } else { &words[..count] } {
        walk.visit(&PathBuf::from(path), 0)?;
    }
    finish(invocation, walk.output)
}

struct Walk<'a> {
    invocation: &'a Invocation,
    plan: Plan,
    output: Output,
}

impl Walk<'_> {
    fn visit(&mut self, path: &Path, depth: usize) -> Result<(), Failure> {
        let data = match fs::symlink_metadata(path) {
            Ok(data) => data,
            Err(error) => {
                self.invocation.report(path, error);
                return Ok(());
            }
        };
        let mut pruned = false;
        let counts = depth >= self.plan.depth_min;
        if counts && !self.plan.contents_first {
            self.apply(path, &data, &mut pruned)?;
        }
        if data.is_dir() && depth < self.plan.depth_max && !pruned {
            match fs::read_dir(path) {
                Ok(entries) => {
                    let mut names: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
                    names.sort();
                    for name in names {
                        self.visit(&name, depth + 1)?;
                    }
                }
                Err(error) => self.invocation.report(path, error),
            }
        }
        if counts && self.plan.contents_first {
            self.apply(path, &data, &mut pruned)?;
        }
        Ok(())
    }

    fn apply(&mut self, path: &Path, data: &Metadata, pruned: &mut bool) -> Result<bool, Failure> {
        evaluate(&self.plan.test, path, data, pruned, self.invocation, &mut self.output)
    }
}

fn evaluate(
    test: &Test,
    path: &Path,
    data: &Metadata,
    pruned: &mut bool,
    invocation: &Invocation,
    output: &mut Output,
) -> Result<bool, Failure> {
    Ok(match test {
        Test::Name(pattern) => {
            let name = path.file_name().unwrap_or(path.as_os_str());
            pattern.is_match(&name.to_string_lossy())
        }
        Test::Path(pattern) => pattern.is_match(&path.to_string_lossy()),
        Test::Kind(kind) => data.mode() & libc::S_IFMT == *kind,
        Test::Empty if data.is_dir() => fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none()),
        Test::Empty => data.is_file() && data.size() == 0,
        Test::Newer(seconds, nanoseconds) => (data.mtime(), data.mtime_nsec()) > (*seconds, *nanoseconds),
        Test::Size('+', bytes) => data.size() > *bytes,
        Test::Size('-', bytes) => data.size() < *bytes,
        Test::Size(_, bytes) => data.size() == *bytes,
        Test::Permissions(mode) => data.permissions().mode() & 0o7777 == *mode,
        Test::Print(end) => {
            output.write_all(path.as_os_str().as_bytes())?;
            output.write_all(&[*end])?;
            true
        }
        Test::Delete => {
            let result = if data.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
            result.map_err(|error| invocation.report(path, error)).is_ok()
        }
        Test::Prune => {
            *pruned = true;
            true
        }
        Test::Execute(command) => {
            // What was found so far comes before what the command prints.
            output.flush()?;
            execute(command, path).map_err(|error| invocation.report(&command[0], error)).unwrap_or(false)
        }
        Test::Not(inner) => !evaluate(inner, path, data, pruned, invocation, output)?,
        Test::And(left, right) => {
            evaluate(left, path, data, pruned, invocation, output)?
                && evaluate(right, path, data, pruned, invocation, output)?
        }
        Test::Or(left, right) => {
            evaluate(left, path, data, pruned, invocation, output)?
                || evaluate(right, path, data, pruned, invocation, output)?
        }
        Test::True => true,
    })
}

/// Runs a command with the path in place of every `{}`.
fn execute(command: &[OsString], path: &Path) -> std::io::Result<bool> {
    let words = command.iter().map(|word| if word == "{}" { path.as_os_str() } else { word });
    let mut words = words;
    let program = words.next().unwrap_or_default();
    Ok(Command::new(program).args(words).status()?.success())
}
