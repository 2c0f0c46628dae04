//! Waiting for children. Specification: wait4(2), waitid(2), vfork(2).

use super::{killed_in, places};
use crate::check::{Failure, Outcome, expect};
use crate::sys::fd::{self, Pipe};
use crate::sys::process::{self, Child};
use libc::{P_ALL, WEXITED};

places! {
    wait4_for_a_child,
    waitid_for_any_child,
    vfork_for_its_child,
    stop_of_a_vfork_child,
}

/// Kills one that waits for a child of its own by `wait`. That child is then this process's, and lives.
fn parent_killed(wait: impl FnOnce(Child) -> crate::sys::Sys<()>) -> Outcome {
    let told = Pipe::anonymous(0)?;
    killed_in(&[], || {
        let child = process::spawn_sleeper()?;
        fd::write(told.write, &child.pid.to_ne_bytes())?;
        wait(child)
    })?;
    end(adopted(told)?)
}

/// The one that has told its number, which is, or soon will be, this process's child.
pub(super) fn adopted(told: Pipe) -> Result<Child, Failure> {
    let mut bytes = [0; 4];
    fd::read(told.read, &mut bytes)?;
    Ok(Child { pid: i32::from_ne_bytes(bytes) })
}

/// Ends what its parent has left.
pub(super) fn end(child: Child) -> Outcome {
    expect(process::state_of(child.pid)? != 'Z', "the child outlives its parent")?;
    child.kill_and_wait()
}

fn wait4_for_a_child() -> Outcome {
    parent_killed(|child| process::wait4(child.pid, 0).map(drop))
}

fn waitid_for_any_child() -> Outcome {
    parent_killed(|_| process::waitid(P_ALL, 0, WEXITED).map(drop))
}

/// Waits in vfork for a child that tells its number and sleeps.
pub(super) fn vfork_and_tell(told: Pipe) -> crate::sys::Sys<Child> {
    // Without CLONE_VM: the parent waits all the same, and the child has memory of its own.
    process::fork_with_flags(libc::CLONE_VFORK | libc::SIGCHLD, || {
        let _ = fd::write(told.write, &process::getpid().to_ne_bytes());
        loop {
            process::pause();
        }
    })
}

/// Starts one that waits in vfork for a child, which sleeps.
fn vfork_parent(told: Pipe) -> Result<Child, Failure> {
    let parent = process::spawn(|| {
        vfork_and_tell(told)?;
        expect(false, "the parent sleeps as long as the child")
    })?;
    // A sleep that only the end of the process can end is shown as this.
    process::wait_for_state(parent.pid, 'D')?;
    Ok(parent)
}

fn vfork_for_its_child() -> Outcome {
    let told = Pipe::anonymous(0)?;
    let parent = vfork_parent(told)?;
    parent.kill_and_wait()?;
    end(adopted(told)?)
}

fn stop_of_a_vfork_child() -> Outcome {
    let told = Pipe::anonymous(0)?;
    let parent = vfork_parent(told)?;
    let child = adopted(told)?;
    child.kill(libc::SIGSTOP)?;
    process::wait_for_state(child.pid, 'T')?;
    parent.kill_and_wait()?;
    end(child)
}
