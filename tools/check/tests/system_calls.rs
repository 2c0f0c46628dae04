//! `docs/system-calls.md` says what the kernel's table of calls does, and so do the pages that speak of it.

use std::path::Path;
use std::process::Command;

#[test]
fn the_list_of_system_calls_is_what_the_table_gives() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(env!("CARGO_BIN_EXE_check")).arg(&root).output().expect("the check runs");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(!complaints.contains("system-calls.md"), "{complaints}");
    assert!(output.status.success(), "{complaints}");
}

#[test]
fn a_list_that_says_something_else_is_refused_with_the_command_that_renews_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the tree is there");
    // A tree that is this one but for the page.
    let tree = tempfile::tempdir().expect("there is room for a folder");
    for name in ["Cargo.toml", "Cargo.lock", "abi", "kernel", "lab", "user", "tools"] {
        std::os::unix::fs::symlink(root.join(name), tree.path().join(name)).expect("a link can be made");
    }
    std::fs::create_dir(tree.path().join("docs")).expect("a folder can be made");
    let page = tree.path().join("docs/system-calls.md");
    let check = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_check")).args(words).arg(tree.path()).output();
        let output = output.expect("the check runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(check(&["--renew"]), (Some(0), String::new()));
    let right = std::fs::read_to_string(&page).expect("the page has been written");
    std::fs::write(&page, right.replacen("| absent |", "| whole |", 1)).expect("the page can be written");
    let (status, complaints) = check(&[]);
    assert_eq!(status, Some(1));
    assert!(complaints.contains("docs/system-calls.md:") && complaints.contains("--renew"), "{complaints}");
}
