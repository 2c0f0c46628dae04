//! The C headers say what the Rust crate says: a C program made of them prints its numbers, and they are compared. Needs `cc`,
//! which links Rust programs too, and Linux's own headers.
#![cfg(not(loom))]

use postern_abi::hello::{self, HelloStat};
use postern_abi::ring::layout;
use std::mem::offset_of;
use std::path::Path;
use std::process::{Command, Output};

/// `expression` in C, and the number that it must be.
fn pairs() -> Vec<(&'static str, usize)> {
    let small = |number: u32| number as usize;
    vec![
        ("HELLO_NAME_SIZE", hello::HELLO_NAME_SIZE),
        ("HELLO_SLOTS_MAX", small(hello::HELLO_SLOTS_MAX)),
        ("HELLO_SLOTS_MAX", small(layout::SLOTS_MAX)),
        ("HELLO_IOC_CHANNEL", small(hello::HELLO_IOC_CHANNEL)),
        ("HELLO_IOC_SET_SLOTS", small(hello::HELLO_IOC_SET_SLOTS)),
        ("HELLO_IOC_GET_SLOTS", small(hello::HELLO_IOC_GET_SLOTS)),
        ("HELLO_IOC_STAT", small(hello::HELLO_IOC_STAT)),
        ("HELLO_IOC_RING", small(hello::HELLO_IOC_RING)),
        ("HELLO_IOC_DOORBELL", small(hello::HELLO_IOC_DOORBELL)),
        ("HELLO_IOC_WAIT", small(hello::HELLO_IOC_WAIT)),
        ("HELLO_ROLE_PRODUCER", small(hello::HELLO_ROLE_PRODUCER)),
        ("HELLO_ROLE_CONSUMER", small(hello::HELLO_ROLE_CONSUMER)),
        ("sizeof(struct hello_stat)", size_of::<HelloStat>()),
        ("offsetof(struct hello_stat, opens)", offset_of!(HelloStat, counters.opens)),
        ("offsetof(struct hello_stat, bytes)", offset_of!(HelloStat, counters.bytes)),
        ("offsetof(struct hello_stat, allocations)", offset_of!(HelloStat, counters.allocations)),
        ("offsetof(struct hello_stat, recycles)", offset_of!(HelloStat, counters.recycles)),
        ("offsetof(struct hello_stat, merges)", offset_of!(HelloStat, counters.merges)),
        ("offsetof(struct hello_stat, wakes)", offset_of!(HelloStat, counters.wakes)),
        ("offsetof(struct hello_stat, spurious_wakes)", offset_of!(HelloStat, counters.spurious_wakes)),
        ("offsetof(struct hello_stat, sleeps)", offset_of!(HelloStat, counters.sleeps)),
        ("offsetof(struct hello_stat, waiting_bytes)", offset_of!(HelloStat, waiting_bytes)),
        ("offsetof(struct hello_stat, slots)", offset_of!(HelloStat, slots)),
        ("offsetof(struct hello_stat, used_slots)", offset_of!(HelloStat, used_slots)),
        ("offsetof(struct hello_stat, readers)", offset_of!(HelloStat, readers)),
        ("offsetof(struct hello_stat, writers)", offset_of!(HelloStat, writers)),
        ("offsetof(struct hello_stat, name)", offset_of!(HelloStat, name)),
        ("HELLO_RING_MAGIC", small(layout::MAGIC)),
        ("HELLO_RING_VERSION", small(layout::VERSION)),
        ("HELLO_RING_PAGE_SIZE", layout::PAGE_SIZE),
        ("HELLO_RING_CONSUMER_PAGE", small(layout::CONSUMER_PAGE)),
        ("HELLO_RING_PRODUCER_PAGE", small(layout::PRODUCER_PAGE)),
        ("HELLO_RING_SLOT_TABLE", layout::SLOT_TABLE_OFFSET),
        ("sizeof(struct hello_ring_header)", size_of::<layout::Header>()),
        ("offsetof(struct hello_ring_header, slots)", offset_of!(layout::Header, slots)),
        ("offsetof(struct hello_ring_header, data_page)", offset_of!(layout::Header, data_page)),
        ("offsetof(struct hello_ring_header, pages)", offset_of!(layout::Header, pages)),
        // The crate names the words by their order only: first and second.
        ("offsetof(struct hello_ring_words, index)", 0),
        ("offsetof(struct hello_ring_words, waiting)", 4),
        ("sizeof(__u32)", layout::DESCRIPTOR_SIZE),
    ]
}

/// The output of a C program that was made of `source` with the headers at hand.
fn output_of(source: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (file, program) = (folder.join("c_headers.c"), folder.join("c_headers"));
    std::fs::write(&file, source).expect("the build folder takes files");
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let mut compiler = Command::new("cc");
    compiler.args(["-std=gnu11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"]).arg(include).arg("-o");
    expect_success(&compiler.arg(&program).arg(&file).output().expect("cc runs"));
    let output = Command::new(&program).output().expect("the program runs");
    expect_success(&output);
    String::from_utf8(output.stdout).expect("it prints numbers")
}

fn expect_success(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_c_headers_have_the_numbers_of_the_crate() {
    let mut source =
        "#include <postern/hello.h>\n#include <postern/hello_ring.h>\n#include <stddef.h>\n#include <stdio.h>\n\
         int main(void)\n{\n"
            .to_owned();
    for (expression, _) in pairs() {
        source += &format!("\tprintf(\"%zu\\n\", (size_t)({expression}));\n");
    }
    source += "\treturn 0;\n}\n";
    let printed = output_of(&source);
    let numbers: Vec<usize> = printed.lines().map(|line| line.parse().expect("a number")).collect();
    assert_eq!(numbers.len(), pairs().len());
    for ((expression, expected), number) in pairs().into_iter().zip(numbers) {
        assert_eq!(number, expected, "{expression}");
    }
}
