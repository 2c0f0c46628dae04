//! `make check`'s own half: the direction of the kernel's imports, the places of its unsafe code, the length of comments, the
//! page of system calls.
//!
//! Owns the walk over the files and the report; `source` reads one file, `rules` holds what is allowed, `comments` measures,
//! `system_calls` makes the page. Arguments: `--renew` writes that page where it would be refused; the repository's root, if it
//! is another one. Exit status 1 when anything is broken, with one `file:line: what` a line. Specification: docs/design.

mod comments;
mod rules;
mod source;
mod system_calls;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use walkdir::WalkDir;

use source::Source;

/// How many unsafe blocks, functions, impls and attributes each room of the kernel has.
type Ledger = BTreeMap<String, usize>;

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("check: {error:#}");
        ExitCode::FAILURE
    })
}

fn run() -> Result<ExitCode> {
    let mut words = std::env::args_os().skip(1).peekable();
    let outdated = if words.next_if(|word| word == "--renew").is_some() { Outdated::Renew } else { Outdated::Refuse };
    let root = match words.next() {
        Some(root) => PathBuf::from(root),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?,
    };
    let mut ledger = Ledger::new();
    let in_kernel =
        check(&root.join("kernel"), &mut ledger)?.into_iter().map(|complaint| format!("kernel/{complaint}"));
    let complaints: Vec<String> = in_kernel.chain(check_comments(&root)?).chain(check_page(&root, outdated)?).collect();
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    let entries: Vec<String> = ledger.iter().map(|(room, count)| format!("{room} {count}")).collect();
    println!("unsafe ledger: {}", entries.join(", "));
    println!("check: {} broken rules", complaints.len());
    Ok(if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The complaints about comments that are too long, in all that is written in Rust and assembly.
fn check_comments(root: &Path) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for folder in ["abi", "kernel", "lab", "tools", "user"] {
        for entry in WalkDir::new(root.join(folder)).sort_by_file_name() {
            let entry = entry?;
            if entry.path().extension().is_none_or(|extension| extension != "rs" && extension != "s") {
                continue;
            }
            let file = entry.path().strip_prefix(root)?.display();
            let text = fs::read_to_string(entry.path()).with_context(|| file.to_string())?;
            complaints.extend(comments::too_long(&text).map(|line| format!("{file}:{line}: the comment is too long")));
        }
    }
    Ok(complaints)
}

/// What to do about a page that does not say what the table does.
#[derive(Clone, Copy, PartialEq)]
enum Outdated {
    Refuse,
    Renew,
}

/// The complaint about the page of system calls, if there is one.
fn check_page(root: &Path, outdated: Outdated) -> Result<Option<String>> {
    let (path, expected) = (root.join(system_calls::PAGE), system_calls::page(root)?);
    // A page that is not there yet has no lines.
    let found = fs::read_to_string(&path).unwrap_or_default();
    if found == expected {
        return Ok(None);
    }
    if outdated == Outdated::Renew {
        fs::write(&path, expected)?;
        return Ok(None);
    }
    let line = 1 + expected.lines().zip(found.lines()).take_while(|(expected, found)| expected == found).count();
    let page = system_calls::PAGE;
    Ok(Some(format!("{page}:{line}: is not what the table gives; `cargo run -p check -- --renew` writes it anew")))
}

/// Every broken rule below the folder `kernel`, as `file:line: what`; counts unsafe code in `ledger`.
fn check(kernel: &Path, ledger: &mut Ledger) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for entry in WalkDir::new(kernel).sort_by_file_name() {
        let entry = entry?;
        let file = entry.path().strip_prefix(kernel)?;
        if entry.path().extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(entry.path()).with_context(|| file.display().to_string())?;
        let source = match Source::parse(file, &text) {
            Ok(source) => source,
            Err(error) => {
                complaints.push(format!("{}:{}: {error}", file.display(), error.span().start().line));
                continue;
            }
        };
        complaints.extend(rules::broken_by(&source));
        if !source.unsafe_code.is_empty() {
            *ledger.entry(rules::room_of(file)).or_default() += source.unsafe_code.len();
        }
    }
    Ok(complaints)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The complaints about a kernel of these files.
    fn complaints(files: &[(&str, &str)]) -> Vec<String> {
        let kernel = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = kernel.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        check(kernel.path(), &mut Ledger::new()).unwrap()
    }

    #[test]
    fn a_clean_kernel_has_no_complaint() {
        let files = [
            ("src/main.rs", "//! Boots.\nmod fs; fn main() { crate::fs::start() }"),
            ("src/fs/mod.rs", "//! Files.\nuse crate::sched::wait::WaitQueue; use crate::{mm, sync::Mutex};"),
            ("src/arch/mod.rs", "//! CPU.\nuse crate::trap; fn halt() { unsafe { wfi() } }"),
            ("core/src/lib.rs", "//! Rules.\n#![no_std]\n#![forbid(unsafe_code)]"),
        ];
        assert_eq!(complaints(&files), [""; 0]);
    }

    #[test]
    fn an_upward_import_is_named_with_its_line() {
        let files = [("src/sched/mod.rs", "//! Tasks.\n\nuse crate::fs::file::OpenFile;")];
        assert_eq!(complaints(&files), ["src/sched/mod.rs:3: sched may not name fs::file::OpenFile"]);
    }

    #[test]
    fn unsafe_code_outside_its_rooms_is_named_with_its_line() {
        let files = [("src/fs/pipe.rs", "//! Pipe.\nfn f() {\n    // unsafe in a comment\n    unsafe { g() }\n}")];
        assert_eq!(complaints(&files), ["src/fs/pipe.rs:4: unsafe code is not allowed here"]);
    }

    #[test]
    fn entry_points_may_have_unsafe_attributes_but_no_unsafe_blocks() {
        let text = "//! Boots.\n#[unsafe(no_mangle)]\nfn start() { unsafe { f() } }";
        assert_eq!(complaints(&[("src/main.rs", text)]), ["src/main.rs:3: unsafe code is not allowed here"]);
        assert_eq!(complaints(&[("src/fs/mod.rs", text)]).len(), 2);
    }

    #[test]
    fn a_room_outside_the_table_is_named_once() {
        let files = [("src/gadgets.rs", "//! ?\nuse crate::{arch, mm};")];
        assert_eq!(complaints(&files).len(), 1);
    }

    #[test]
    fn core_must_forbid_unsafe_code_itself() {
        let files = [("core/src/lib.rs", "//! Rules.\n#![no_std]")];
        assert_eq!(complaints(&files), ["core/src/lib.rs:1: lacks #![forbid(unsafe_code)]"]);
    }

    #[test]
    fn a_long_comment_is_named_wherever_it_is() {
        let root = tempfile::tempdir().unwrap();
        let files = [
            "abi/src/lib.rs",
            "kernel/src/boot.s",
            "lab/src/lib.rs",
            "tools/check/src/main.rs",
            "user/init/src/main.rs",
        ];
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("\n// {:x<132}", "")).unwrap();
        }
        let expected = files.map(|file| format!("{file}:2: the comment is too long"));
        assert_eq!(check_comments(root.path()).unwrap(), expected);
    }

    #[test]
    fn a_file_that_does_not_parse_or_explain_itself_is_named() {
        assert_eq!(complaints(&[("src/mm/heap.rs", "fn f() {}")]), ["src/mm/heap.rs:1: does not open with //!"]);
        assert_eq!(complaints(&[("src/mm/heap.rs", "//! Heap.\nfn f( {}")]).len(), 1);
    }
}
