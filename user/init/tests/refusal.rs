//! `init` outside its place: it must refuse, name the reason and touch nothing.

use std::process::Command;

#[test]
fn refuses_to_run_as_an_ordinary_process() {
    let output = Command::new(env!("CARGO_BIN_EXE_init")).output().expect("the built program runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("must be process 1"));
}
