//! What becomes of stopped jobs when those go who could continue them.
//! Specification: `_exit`(2) of POSIX.1-2024, "Consequences of Process Termination"; setpgid(2).

use crate::check::{Failure, Outcome, expect_eq};
use crate::sys::fd::{self, Pipe};
use crate::sys::process::{self, Child, kill, setpgid, wait_for_state};
use crate::sys::signal::{self, caught};
use libc::{SIGCONT, SIGHUP, SIGSTOP, WUNTRACED};

crate::tests! {
    stopped_job_is_hung_up_and_goes_on_when_its_shell_ends,
    stopped_member_goes_on_when_the_member_with_the_shell_ends,
    job_that_runs_is_not_hung_up_when_its_shell_ends,
    stopped_job_stays_stopped_while_another_shell_has_a_member,
    stopped_job_of_an_adopter_in_its_session_stays_stopped,
    unhandled_hang_up_ends_a_stopped_orphan,
}

/// Runs `body` in a session of its own, whose leader adopts nobody.
fn session(body: impl FnOnce() -> Outcome) -> Outcome {
    process::set_child_subreaper(true)?;
    process::spawn(|| {
        process::setsid()?;
        body()
    })?
    .expect_success()
}

/// A child in a group of its own or `group`, which counts SIGHUP and SIGCONT, stops if it `stops`, and tells what it counted once
/// it has had both or a byte has come.
fn job(group: i32, gate: Pipe, report: Pipe, then: impl FnOnce() -> Outcome) -> Result<Child, Failure> {
    let child = process::spawn(|| {
        signal::count(SIGHUP, libc::SA_RESTART)?;
        signal::count(SIGCONT, libc::SA_RESTART)?;
        fd::read(gate.read, &mut [0; 1])?;
        then()?;
        fd::write(report.write, &counted())?;
        Ok(())
    })?;
    setpgid(child.pid, group)?;
    Ok(child)
}

fn counted() -> [u8; 2] {
    [SIGHUP, SIGCONT].map(|number| u8::try_from(caught(number)).unwrap_or(u8::MAX))
}

fn stop() -> Outcome {
    Ok(signal::raise(SIGSTOP)?)
}

fn let_stop(child: Child, gate: Pipe) -> Outcome {
    fd::write(gate.write, b"x")?;
    let (_, status) = process::wait4(child.pid, WUNTRACED)?.unzip();
    expect_eq(status.map(|status| libc::WIFSTOPPED(status.0)), Some(true), "whether it stopped")
}

fn expect_counted(report: Pipe, wanted: [u8; 2]) -> Outcome {
    let mut counted = [u8::MAX; 2];
    fd::read(report.read, &mut counted)?;
    expect_eq(counted, wanted, "how often SIGHUP and SIGCONT came")
}

fn stopped_job_is_hung_up_and_goes_on_when_its_shell_ends() -> Outcome {
    let (gate, report) = (Pipe::new()?, Pipe::new()?);
    session(|| {
        process::spawn(|| let_stop(job(0, gate, report, stop)?, gate))?.expect_success()?;
        expect_counted(report, [1, 1])
    })
}

fn stopped_member_goes_on_when_the_member_with_the_shell_ends() -> Outcome {
    let (gate, report) = (Pipe::new()?, Pipe::new()?);
    session(|| {
        let first = process::spawn(|| {
            setpgid(0, 0)?;
            // Its own group's: only its own parent is outside.
            let member = job(process::getpid(), gate, report, stop)?;
            let_stop(member, gate)
        })?;
        first.expect_success()?;
        expect_counted(report, [1, 1])
    })
}

fn job_that_runs_is_not_hung_up_when_its_shell_ends() -> Outcome {
    let (gate, report) = (Pipe::new()?, Pipe::new()?);
    session(|| {
        process::spawn(|| job(0, gate, report, || Ok(())).map(drop))?.expect_success()?;
        fd::write(gate.write, b"x")?;
        expect_counted(report, [0, 0])
    })
}

fn stopped_job_stays_stopped_while_another_shell_has_a_member() -> Outcome {
    let (gate, report) = (Pipe::new()?, Pipe::new()?);
    session(|| {
        let mine = process::spawn_sleeper()?;
        setpgid(mine.pid, mine.pid)?;
        stopped_job_whose_parent_has_ended(mine.pid, gate, report)?;
        // The last who could continue it.
        mine.kill_and_wait()?;
        expect_counted(report, [1, 1])
    })
}

/// The number of a job in `group`, stopped, that a child of the caller has left.
fn stopped_job_whose_parent_has_ended(group: i32, gate: Pipe, report: Pipe) -> Result<i32, Failure> {
    let numbers = Pipe::new()?;
    process::spawn(|| {
        let stopped = job(group, gate, report, stop)?;
        fd::write(numbers.write, &stopped.pid.to_ne_bytes())?;
        let_stop(stopped, gate)
    })?
    .expect_success()?;
    let stopped = number(numbers)?;
    wait_for_state(stopped, 'T')?;
    Ok(stopped)
}

fn number(numbers: Pipe) -> Result<i32, Failure> {
    let mut bytes = [0; 4];
    fd::read(numbers.read, &mut bytes)?;
    Ok(i32::from_ne_bytes(bytes))
}

fn stopped_job_of_an_adopter_in_its_session_stays_stopped() -> Outcome {
    let (gate, report) = (Pipe::new()?, Pipe::new()?);
    session(|| {
        process::set_child_subreaper(true)?;
        let stopped = stopped_job_whose_parent_has_ended(0, gate, report)?;
        kill(stopped, SIGCONT)?;
        expect_counted(report, [0, 1])
    })
}

fn unhandled_hang_up_ends_a_stopped_orphan() -> Outcome {
    let (gate, numbers) = (Pipe::new()?, Pipe::new()?);
    process::set_child_subreaper(true)?;
    session(|| {
        process::spawn(|| {
            let stopped = process::spawn(|| {
                fd::read(gate.read, &mut [0; 1])?;
                stop()
            })?;
            setpgid(stopped.pid, stopped.pid)?;
            fd::write(numbers.write, &stopped.pid.to_ne_bytes())?;
            let_stop(stopped, gate)
        })?
        .expect_success()
    })?;
    let orphan = Child { pid: number(numbers)? };
    expect_eq(orphan.wait()?.signalled(), Some(SIGHUP), "the signal that ended the orphan")
}
