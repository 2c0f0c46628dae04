//! The tour on this machine's own Linux.

use std::process::Command;

#[test]
fn ends_well_here() {
    let output = Command::new(env!("CARGO_BIN_EXE_tokio-tour")).output().expect("the built program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
