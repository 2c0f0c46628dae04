//! What the harness says of tests that end in every way, and that it leaves none of their processes behind.

use conformance::check::{Failure, Outcome, expect, failed, skip};
use conformance::harness::{Test, Verdict, prepare, run};
use conformance::sys::ready::{poll, wanting};
use conformance::sys::{fd, memory, process};
use std::time::Duration;

/// What the harness says of a test with this body, as a word and the report's text.
fn judged(body: fn() -> Outcome) -> Result<(String, String), Failure> {
    let test = Test { name: "example".to_string(), body: Box::new(body) };
    let (verdict, text) = run(&test, Duration::from_millis(500))?;
    let word = match verdict {
        Verdict::Passed => "passed".to_string(),
        Verdict::Failed(reason) => format!("failed {reason}"),
        Verdict::Skipped(reason) => format!("skipped {reason}"),
    };
    Ok((word, text))
}

fn leaves_a_descendant() -> Outcome {
    process::spawn_sleeper().map(drop)?;
    Ok(())
}

/// Goes on for ever with a descendant that is in no group of its own, and whose parent is gone.
fn hangs_with_a_session_left_behind() -> Outcome {
    process::spawn(|| {
        process::setsid()?;
        process::spawn_sleeper().map(drop)?;
        Ok(())
    })?
    .expect_success()?;
    loop {
        process::pause();
    }
}

fn verdicts_tell_how_a_test_ended() -> Outcome {
    prepare()?;
    let (word, text) = judged(|| Err(failed("the reason")))?;
    expect(word.starts_with("failed") && text.contains("the reason"), "a failure is told with its reason")?;
    expect(judged(|| Ok(()))?.0 == "passed", "a test that returns Ok has passed")?;
    expect(judged(|| skip("no such thing"))?.0 == "skipped no such thing", "a skip is told")?;
    expect(judged(|| std::process::exit(9))?.0 == "failed exited with 9", "an exit is a failure")?;
    expect(judged(|| std::process::abort())?.0 == "failed killed by signal 6", "a crash is a failure")?;
    let crashed = judged(|| expect(memory::before_hole(1)?.load(memory::PAGE) == 0, "no fault"))?.0;
    expect(crashed == "failed killed by signal 11", "a fault is a failure")?;
    let hung = judged(|| {
        loop {
            process::pause()
        }
    })?
    .0;
    expect(hung == "failed timed out", "a test that hangs is ended")?;
    expect(judged(leaves_a_descendant)?.0 == "passed", "what a test leaves behind does not hold the harness up")?;
    // Every process of the test has the write end: when it reads as ended, all of them have.
    let held = fd::Pipe::anonymous(0)?;
    let hung = judged(hangs_with_a_session_left_behind)?.0;
    expect(hung == "failed timed out", "a test that hangs with a session left behind is ended")?;
    fd::close(held.write)?;
    let mut ended = [wanting(held.read, libc::POLLIN)];
    poll(&mut ended, 0)?;
    expect(ended[0].revents == libc::POLLHUP, "no process of the test is left")
}

#[test]
fn harness_tells_how_tests_end() {
    // In a process of its own: the test runner has threads, of which any could take the harness's SIGCHLD.
    let child = process::spawn(verdicts_tell_how_a_test_ended).unwrap();
    assert_eq!(child.wait().unwrap().exited(), Some(0));
}
