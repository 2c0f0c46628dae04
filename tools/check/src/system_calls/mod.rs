//! docs/system-calls.md: every system call of Linux for AArch64 and its state here, made of the kernel's table.
//!
//! Owns the page's text and the finding of its sources; `table` reads the kernel's, `absent` has a word on what is not there.
//! The numbers are those of linux-raw-sys, the crate that the kernel takes them from, read from its source, since a host of
//! another kind does not get AArch64's from it by name. Specification: Linux's include/uapi/asm-generic/unistd.h.

mod absent;
mod table;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use table::Call;

/// The page, from the repository's root.
pub const PAGE: &str = "docs/system-calls.md";
const TABLE: &str = "kernel/src/syscall/mod.rs";
const BINDINGS: &str = "linux-raw-sys";

/// Names of calls by their numbers.
type Numbers = BTreeMap<u32, String>;

/// What the page should say, for the kernel below `root`.
pub fn page(root: &Path) -> Result<String> {
    let text = fs::read_to_string(root.join(TABLE)).context(TABLE)?;
    let bindings = bindings(root)?;
    let general = fs::read_to_string(&bindings).with_context(|| bindings.display().to_string())?;
    render(&table::parse(&text)?, &numbers(&general), absent::WORDS)
}

/// Where linux-raw-sys keeps AArch64's numbers.
fn bindings(root: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let words =
        ["metadata", "--format-version", "1", "--locked", "--filter-platform", "aarch64-unknown-none-softfloat"];
    let output = Command::new(cargo).args(words).current_dir(root).output().context("cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let package = packages.iter().find(|package| package["name"] == BINDINGS).context(BINDINGS)?;
    let manifest = package["manifest_path"].as_str().context("a package has a manifest")?;
    Ok(Path::new(manifest).with_file_name("src").join("aarch64/general.rs"))
}

/// The lines `pub const __NR_name: u32 = number;` of the bindings.
fn numbers(general: &str) -> Numbers {
    let of_line = |line: &str| {
        let (name, number) = line.trim().strip_prefix("pub const __NR_")?.strip_suffix(';')?.split_once(": u32 = ")?;
        Some((number.parse().ok()?, name.to_owned()))
    };
    general.lines().filter_map(of_line).collect()
}

/// The page. An error for a table or words that do not fit Linux's numbers.
fn render(calls: &[Call], numbers: &Numbers, words: &[(&str, &[&str])]) -> Result<String> {
    let mut states: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    for call in calls {
        if !numbers.values().any(|name| *name == call.name) {
            bail!("{TABLE}: Linux has no call {}", call.name);
        }
        if states.insert(&call.name, call.lacks.as_deref()).is_some() {
            bail!("{TABLE}: {} is there twice", call.name);
        }
    }
    for name in words.iter().flat_map(|(_, names)| names.iter()) {
        if states.contains_key(name) || !numbers.values().any(|known| known == name) {
            bail!("{name} has a word for absent calls, and is not one");
        }
    }
    let partial = states.values().flatten().count();
    let whole = states.len() - partial;
    let mut page = format!(
        "{HEAD}\nOf {} calls {whole} are whole, {partial} are partial, {} are absent.\n\n\
         | number | call | state | what is missing |\n|---|---|---|---|\n",
        numbers.len(),
        numbers.len() - states.len(),
    );
    for (number, name) in numbers {
        let word = || words.iter().find(|(_, names)| names.contains(&name.as_str())).map_or("", |(word, _)| word);
        let (state, lacks) = match states.get(name.as_str()) {
            Some(None) => ("whole", ""),
            Some(Some(lacks)) => ("partial", *lacks),
            None => ("absent", word()),
        };
        writeln!(page, "| {number} | `{name}` | {state} | {lacks} |")?;
    }
    Ok(page)
}

const HEAD: &str = "\
# The system calls

Every call that Linux has for AArch64, as far as `linux-raw-sys` knows, and what Postern does with it. This page is made of the
kernel's table (`kernel/src/syscall/mod.rs`) by `cargo run -p check -- --renew`; `make check` and the tests refuse one that says
anything else, and the conformance suite `system_calls` asks the running kernel for each line.

- **whole**: does what its man page says, as far as there are things here that it could do it to.
- **partial**: the last column says what is missing, and what a program gets that asks for it.
- **absent**: ENOSYS, counted in `/proc/postern/unknown_syscalls`. So is every number that is not here.
";

#[cfg(test)]
mod tests {
    use super::*;

    const GENERAL: &str = "pub const SEEK: u32 = 1;\npub const __NR_read: u32 = 63;\npub const __NR_clone: u32 = 220;\n\
                           pub const __NR_rseq: u32 = 293;\n";
    const TABLE: &str = "table! { plain { __NR_read => fs::read, }\n\
                         whole_frame { #[lacks = \"tracing\"] __NR_clone => process::clone, } }";

    fn lines(table: &str, words: &[(&str, &[&str])]) -> Result<Vec<String>> {
        let page = render(&table::parse(table)?, &numbers(GENERAL), words)?;
        Ok(page.lines().filter(|line| line.contains('`') && line.starts_with('|')).map(str::to_owned).collect())
    }

    #[test]
    fn each_number_of_linux_has_a_line_with_its_state() {
        let expected = [
            "| 63 | `read` | whole |  |",
            "| 220 | `clone` | partial | tracing |",
            "| 293 | `rseq` | absent | C libraries do without |",
        ];
        assert_eq!(lines(TABLE, &[("C libraries do without", &["rseq"])]).unwrap(), expected);
    }

    #[test]
    fn the_counts_are_those_of_the_lines() {
        let page = render(&table::parse(TABLE).unwrap(), &numbers(GENERAL), &[]).unwrap();
        assert!(page.contains("Of 3 calls 1 are whole, 1 are partial, 1 are absent."));
    }

    #[test]
    fn a_call_twice_or_unknown_to_linux_is_refused() {
        assert!(lines("table! { plain { __NR_read => a, __NR_read => b, } }", &[]).is_err());
        assert!(lines("table! { plain { __NR_frobnicate => a, } }", &[]).is_err());
    }

    #[test]
    fn a_word_for_what_is_not_absent_is_refused() {
        assert!(lines(TABLE, &[("?", &["read"])]).is_err());
        assert!(lines(TABLE, &[("?", &["frobnicate"])]).is_err());
    }
}
