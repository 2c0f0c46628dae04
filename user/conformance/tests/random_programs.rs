//! How random programs are made up, read and named; that they do the same every time is what the suite of the name tries.

use conformance::random::{Step, program, smaller};
use std::process::{Command, Output};

fn texts(seed: u64, index: u64) -> Vec<String> {
    program(seed, index).iter().map(ToString::to_string).collect()
}

fn random(words: &[&str]) -> Output {
    let command = env!("CARGO_BIN_EXE_conformance");
    Command::new(command).arg("--random").args(words).output().expect("the program under test runs")
}

#[test]
fn a_program_is_the_same_every_time_and_another_for_each_number() {
    assert_eq!(texts(1, 2), texts(1, 2));
    assert_ne!(texts(1, 2), texts(1, 3));
    assert_ne!(texts(1, 2), texts(2, 2));
}

#[test]
fn every_step_is_read_as_it_was_written() {
    for line in (0..500).flat_map(|index| texts(7, index)) {
        assert_eq!(Step::parse(&line).map(|step| step.to_string()), Ok(line));
    }
}

#[test]
fn a_line_that_is_no_step_is_refused() {
    for line in ["", "0", "9 pipe none", "0 nothing", "0 pipe", "0 pipe none more", "0 close x", "0 pipe packet"] {
        assert!(Step::parse(line).is_err(), "{line}");
    }
}

#[test]
fn parts_of_a_program_are_left_out() {
    assert_eq!(smaller(0b11_0110), [0b11_0000, 0b00_0110, 0b11_0100, 0b11_0010, 0b10_0110, 0b01_0110]);
    assert_eq!(smaller(1), [0; 0]);
}

#[test]
fn a_word_names_programs_and_their_parts() {
    let output = random(&["7:3-4", "7:5:3", "7:5:3:smaller"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names: Vec<_> = text.lines().filter_map(|line| line.split_once(' ')).map(|(name, _)| name).collect();
    let all = |index| format!("7:{index}:{:x}", (1_u64 << program(7, index).len()) - 1);
    assert_eq!(names, [all(3).as_str(), &all(4), "7:5:3", "7:5:2", "7:5:1"]);
    for word in ["7", "7:", "7:x", "7:3:1f:larger", "7:3:x"] {
        assert_eq!(random(&[word]).status.code(), Some(3), "{word}");
    }
}
