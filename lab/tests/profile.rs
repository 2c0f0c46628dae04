//! A profile holds every instruction that the benchmark measures, with the kernel itself.

use clap::Parser;
use guest_tests::machine::Built;
use lab::profile::{By, Request};

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    request: Request,
}

/// fork-exit-wait sleeps, wakes, switches, and has page faults in it, whose instructions are begun twice.
#[test]
fn the_rows_add_up_to_what_the_benchmark_measures() {
    Built::Image.ensure();
    // So many that one instruction too many for each fault could not hide in what the clock leaves open.
    let request = Arguments::parse_from(["profile", "process/fork-exit-wait", "--count", "200"]).request;
    let profile = request.count().expect("a profile");
    assert_eq!((profile.operations(), profile.window.passes), (200, 1));
    // Between the clock's readings are the second half of one and the first half of the other, some 50 instructions; and the
    // clock ticks once in 16.
    let measured = profile.figure.elapsed.expect("a figure");
    let missing = measured.checked_signed_diff(profile.window.total()).expect("small");
    assert!((20..80).contains(&missing), "{measured} measured, {missing} more than counted");

    let rows = profile.rows(By::Function, None).expect("symbols");
    assert_eq!(rows.iter().map(|row| row.instructions).sum::<u64>(), profile.window.total());
    // An operation is three calls of the kernel: clone, exit_group, wait4; and it may fault.
    let entry = rows.iter().find(|row| row.name == "user_sync").expect("the way into the kernel");
    assert!(entry.calls >= Some(600), "{entry:?}");
    assert!(rows.iter().all(|row| row.name != "(no symbol)"), "{rows:?}");

    let lines = profile.rows(By::Line, None).expect("debug information");
    assert_eq!(lines.iter().map(|row| row.instructions).sum::<u64>(), profile.window.total());
    let own = lines.iter().filter(|row| row.name.starts_with("kernel/src/process/"));
    assert!(own.map(|row| row.instructions).sum::<u64>() > 0, "{lines:?}");
}
