//! `docs/seeds.md` names a test for each sentence of the seeds: every test named there exists.
//!
//! Tests are known by how they are written down: in the `tests!` list of a conformance suite, in the `TESTS` table of a file of
//! in-kernel tests, or as a function under `#[test]` in a crate.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// Names of tests by the suite, or crate, that they are in.
type Tests = BTreeMap<String, BTreeSet<String>>;

/// The suites of a pipe that run on `/dev/hello` too.
const AS_PIPE: [&str; 7] = ["pipe", "pipe_atomicity", "pipe_capacity", "poll", "epoll", "splice", "splice_memory"];
/// The crates with tests of the host, and what the document calls them.
const CRATES: [(&str, &str); 5] = [
    ("core", "kernel/core"),
    ("sync", "kernel/sync"),
    ("abi", "abi"),
    ("ipcbench", "user/ipcbench"),
    ("coreutils", "user/coreutils"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn rust_files(folder: &Path) -> impl Iterator<Item = (PathBuf, String)> + use<> {
    WalkDir::new(folder).into_iter().filter_map(|entry| {
        let path = entry.expect("the sources can be listed").into_path();
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        is_rust.then(|| (path.clone(), fs::read_to_string(&path).expect("a source is text")))
    })
}

/// The names in the list `crate::tests! { … }`.
fn of_a_conformance_suite(text: &str) -> BTreeSet<String> {
    let list = text.split_once("\ncrate::tests! {").and_then(|(_, rest)| rest.split_once('}'));
    let names = list.map_or("", |(list, _)| list).split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The first words of the pairs `("name", function)`.
fn of_a_kernel_table(text: &str) -> impl Iterator<Item = String> {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("(\"")?.split_once('"'));
    lines.map(|(name, _)| name.to_owned())
}

/// The functions under `#[test]`, with or without other lines between.
fn of_a_crate(text: &str) -> impl Iterator<Item = String> {
    let functions = text.split("#[test]").skip(1).filter_map(|rest| rest.split_once("fn ")?.1.split_once('('));
    functions.map(|(name, _)| name.to_owned())
}

fn all_tests() -> Tests {
    let mut tests = Tests::new();
    for (path, text) in rust_files(&root().join("user/conformance/src/suites")) {
        let suite = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        tests.insert(suite, of_a_conformance_suite(&text));
    }
    let on_hello = AS_PIPE.iter().flat_map(|suite| tests[*suite].clone()).collect();
    tests.insert("hello_as_pipe".to_owned(), on_hello);
    let in_kernel = rust_files(&root().join("kernel/src/ktest"));
    tests.insert(
        "kernel".to_owned(),
        in_kernel.flat_map(|(_, text)| of_a_kernel_table(&text).collect::<Vec<_>>()).collect(),
    );
    for (name, folder) in CRATES {
        let files = rust_files(&root().join(folder));
        tests.insert(name.to_owned(), files.flat_map(|(_, text)| of_a_crate(&text).collect::<Vec<_>>()).collect());
    }
    tests
}

/// The rows of the document's tables, as cells.
fn rows(document: &str) -> Vec<Vec<&str>> {
    let rows = document.lines().filter(|line| line.starts_with("| ") && !line.ends_with("| tests |"));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// What stands between backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_that_the_document_names_exists() {
    let document = fs::read_to_string(root().join("docs/seeds.md")).expect("the document is there");
    let tests = all_tests();
    let rows = rows(&document);
    assert!(rows.len() > 80, "only {} rows were understood", rows.len());
    let mut missing = Vec::new();
    for name in rows.iter().flat_map(|row| quoted(row.last().expect("a row has cells"))) {
        let known = match name.split_once('.') {
            Some((suite, test)) => tests.get(suite).is_some_and(|tests| tests.contains(test)),
            // A whole suite.
            None => tests.get(name).is_some_and(|tests| !tests.is_empty()),
        };
        if !known {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}

#[test]
fn every_row_names_a_test_or_says_why_there_is_none() {
    let document = fs::read_to_string(root().join("docs/seeds.md")).expect("the document is there");
    let refers = |cell: &str| cell.starts_with("none: ") || cell.starts_with("seed 001, §");
    for row in rows(&document) {
        let cell = row.last().expect("a row has cells");
        assert!(quoted(cell).next().is_some() || refers(cell), "no test: {row:?}");
    }
}
