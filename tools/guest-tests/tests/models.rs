//! The locks and wait queues under loom, which needs a build of its own: `cargo test` at the root runs that too.
//!
//! The verdict is the exit status of the inner cargo. It builds beside the outer one's artefacts, under other names.

use std::path::Path;
use std::process::Command;

#[test]
fn every_interleaving_that_loom_explores_passes() {
    let status = Command::new("cargo")
        .args(["test", "--quiet", "--release", "--package", "postern-sync", "--test", "models"])
        .env("RUSTFLAGS", "--cfg loom")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .status()
        .expect("cargo starts");
    assert!(status.success(), "{status}");
}
