//! What is model-checked with loom, which needs a build of its own: `cargo test` at the root runs that too.
//!
//! The verdict is the exit status of the inner cargo. It builds beside the outer one's artefacts, under other names.

use guest_tests::machine::root;
use std::process::Command;

fn every_interleaving_passes(package: &str, tests: &str) {
    let status = Command::new("cargo")
        .args(["test", "--quiet", "--profile", "models", "--package", package, "--test", tests])
        .env("RUSTFLAGS", "--cfg loom")
        .current_dir(root())
        .status()
        .expect("cargo starts");
    assert!(status.success(), "{status}");
}

#[test]
fn every_interleaving_of_locks_and_wait_queues_that_loom_explores_passes() {
    every_interleaving_passes("postern-sync", "models");
}

#[test]
fn every_interleaving_of_the_protocols_between_cpus_that_loom_explores_passes() {
    every_interleaving_passes("postern-sync", "cpu_models");
}

#[test]
fn every_interleaving_of_what_is_counted_or_set_once_that_loom_explores_passes() {
    every_interleaving_passes("postern-sync", "count_models");
}

#[test]
fn the_chain_of_wake_ups_as_a_whole() {
    every_interleaving_passes("postern-sync", "chain_models");
}

#[test]
fn every_interleaving_of_the_mapped_ring_that_loom_explores_passes() {
    every_interleaving_passes("postern-abi", "models");
}
