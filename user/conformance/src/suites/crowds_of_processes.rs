//! A thousand processes: created, signalled, stopped, reaped, with the kernel's counts the same before and after where it
//! tells them. Specification: kill(2), sigaction(2), sigqueue(3), wait(2), signal(7).

use crate::check::{Failure, Outcome, expect, expect_eq, failed};
use crate::counts::Rounds;
use crate::sys::fd::{self, Pipe};
use crate::sys::process::{self, Child, Status, kill, wait4};
use crate::sys::signal::{self, caught, sigsuspend};
use libc::{SIGCHLD, SIGCONT, SIGKILL, SIGSTOP, SIGTERM, SIGUSR1, SIGUSR2, WCONTINUED, WNOHANG, WUNTRACED};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

crate::tests! {
    thousand_processes_handle_a_signal_to_their_group,
    hundreds_of_processes_take_what_they_had_blocked_when_they_unblock_it,
    hundreds_of_processes_are_stopped_continued_and_killed_as_a_group,
    thousand_processes_are_made_and_reaped_in_waves_by_four_parents,
    sigchld_of_many_at_once_tells_of_every_one,
    processes_signalled_while_they_exit_end_in_one_of_both_ways,
}

/// Processes that are alive at the same time, in a group of their own.
struct Crowd {
    members: Vec<Child>,
    group: i32,
}

impl Crowd {
    /// Makes so many, each of which runs `body` with its place among them.
    fn of(count: usize, body: impl Fn(usize) -> Outcome) -> Result<Self, Failure> {
        let mut crowd = Self { members: Vec::with_capacity(count), group: 0 };
        for place in 0..count {
            let member = process::spawn(|| body(place))?;
            if place == 0 {
                crowd.group = member.pid;
            }
            process::setpgid(member.pid, crowd.group)?;
            crowd.members.push(member);
        }
        Ok(crowd)
    }

    /// Signals all of them.
    fn kill(&self, signal: i32) -> Outcome {
        Ok(kill(-self.group, signal)?)
    }

    /// Waits for as many events as there are members; each has one, which `is_right` says is the right one.
    fn expect_each(&self, options: i32, is_right: impl Fn(Status) -> bool) -> Outcome {
        let mut left: BTreeMap<i32, ()> = self.members.iter().map(|member| (member.pid, ())).collect();
        while !left.is_empty() {
            let (pid, status) = wait4(-self.group, options)?.ok_or_else(|| failed("wait4 found nobody"))?;
            expect(left.remove(&pid).is_some(), "each member is told of once")?;
            expect(is_right(status), &format!("a member's wait status (it is {:#x})", status.0))?;
        }
        Ok(())
    }

    fn expect_success_of_each(&self) -> Outcome {
        self.expect_each(0, |status| status.exited() == Some(0))?;
        expect_eq(kill(-self.group, 0).map_err(|error| error.errno), Err(libc::ESRCH), "the group of those")
    }
}

/// Waits until so many have written a byte.
fn hear(told: Pipe, count: usize) -> Outcome {
    expect_eq(fd::read_up_to(told.read, count)?.len(), count, "members that have told something")
}

fn thousand_processes_handle_a_signal_to_their_group() -> Outcome {
    const COUNT: usize = 1000;
    Rounds::of_tasks(COUNT).leave_nothing_that_is_counted(|| {
        let told = Pipe::anonymous(0)?;
        signal::count(SIGUSR1, 0)?;
        signal::block(&[SIGUSR1])?;
        let crowd = Crowd::of(COUNT, |_| {
            fd::write(told.write, b"1")?;
            while caught(SIGUSR1) == 0 {
                // Always an error: that of the signal.
                let _ = sigsuspend(&[]);
            }
            fd::write(told.write, b"2")?;
            expect_eq(caught(SIGUSR1), 1, "signals handled")
        })?;
        hear(told, COUNT)?;
        crowd.kill(SIGUSR1)?;
        hear(told, COUNT)?;
        crowd.expect_success_of_each()
    })
}

/// What a queued signal brought.
static VALUE: AtomicI32 = AtomicI32::new(-1);

extern "C" fn keep_value(_signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a filled siginfo.
    let info = unsafe { &*info };
    // SAFETY: it is of a queued signal, which has a value.
    let value = unsafe { info.si_value() }.sival_ptr.addr();
    VALUE.store(i32::try_from(value).unwrap_or(-2), Ordering::SeqCst);
}

fn hundreds_of_processes_take_what_they_had_blocked_when_they_unblock_it() -> Outcome {
    const COUNT: usize = 400;
    let real_time = libc::SIGRTMIN();
    let told = Pipe::anonymous(0)?;
    signal::count(SIGUSR1, 0)?;
    signal::count(SIGUSR2, 0)?;
    signal::handle(real_time, keep_value, 0, &[])?;
    signal::block(&[SIGUSR1, SIGUSR2, real_time])?;
    let crowd = Crowd::of(COUNT, |place| {
        fd::write(told.write, b"1")?;
        while caught(SIGUSR2) == 0 {
            let _ = sigsuspend(&[SIGUSR1, real_time]);
        }
        expect_eq((caught(SIGUSR1), VALUE.load(Ordering::SeqCst)), (0, -1), "what came while it was blocked")?;
        signal::unblock(&[SIGUSR1, real_time])?;
        expect_eq(caught(SIGUSR1), 1, "signals of the kind that was sent twice")?;
        expect_eq(VALUE.load(Ordering::SeqCst), i32::try_from(place).unwrap_or(-3), "the value that was sent")
    })?;
    hear(told, COUNT)?;
    for (place, member) in crowd.members.iter().enumerate() {
        signal::sigqueue(member.pid, real_time, place)?;
    }
    crowd.kill(SIGUSR1)?;
    crowd.kill(SIGUSR1)?;
    crowd.kill(SIGUSR2)?;
    crowd.expect_success_of_each()
}

fn hundreds_of_processes_are_stopped_continued_and_killed_as_a_group() -> Outcome {
    const COUNT: usize = 300;
    Rounds::of_tasks(COUNT).leave_nothing_that_is_counted(|| {
        // A few of them are at work, the others asleep.
        let crowd = Crowd::of(COUNT, |place| {
            loop {
                if place % 100 != 0 {
                    process::pause();
                }
                std::hint::spin_loop();
            }
        })?;
        crowd.kill(SIGSTOP)?;
        crowd.expect_each(WUNTRACED, |status| libc::WIFSTOPPED(status.0) && libc::WSTOPSIG(status.0) == SIGSTOP)?;
        crowd.kill(SIGCONT)?;
        crowd.expect_each(WCONTINUED, |status| libc::WIFCONTINUED(status.0))?;
        // Those that are stopped end as well as those that are not.
        for member in crowd.members.iter().step_by(3) {
            member.kill(SIGSTOP)?;
        }
        crowd.kill(SIGKILL)?;
        crowd.expect_each(0, |status| status.signalled() == Some(SIGKILL))
    })
}

fn thousand_processes_are_made_and_reaped_in_waves_by_four_parents() -> Outcome {
    const PARENTS: usize = 4;
    const WAVES: usize = 5;
    const WAVE: usize = 50;
    Rounds::of_tasks(PARENTS * WAVES * WAVE).leave_nothing_that_is_counted(|| {
        let parent = || -> Outcome {
            for _ in 0..WAVES {
                let mut codes = BTreeMap::new();
                for code in 0..WAVE {
                    let code = i32::try_from(code).unwrap_or(0);
                    codes.insert(process::spawn_exit(code)?.pid, code);
                }
                while let Some((pid, code)) = codes.pop_last() {
                    // Half by their number, half as they come.
                    let wanted = if code % 2 == 0 { pid } else { -1 };
                    let (ended, status) = wait4(wanted, 0)?.ok_or_else(|| failed("wait4 found nobody"))?;
                    if ended == pid {
                        expect_eq(status.exited(), Some(code), "the exit code")?;
                    } else {
                        let other = codes.remove(&ended);
                        expect_eq(status.exited(), other, "the exit code of the one that came first")?;
                        codes.insert(pid, code);
                    }
                }
            }
            expect_eq(wait4(-1, 0).map_err(|error| error.errno), Err(libc::ECHILD), "children that are left")
        };
        let parents: Vec<Child> = (0..PARENTS).map(|_| process::spawn(parent)).collect::<Result<_, _>>()?;
        parents.into_iter().try_for_each(Child::expect_success)
    })
}

/// Children that the handler of SIGCHLD has waited for, and those that had not ended as they should.
static REAPED: AtomicUsize = AtomicUsize::new(0);
static WRONG: AtomicUsize = AtomicUsize::new(0);

extern "C" fn reap(_signal: i32, _info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    while let Ok(Some((_, status))) = wait4(-1, WNOHANG) {
        REAPED.fetch_add(1, Ordering::SeqCst);
        WRONG.fetch_add(usize::from(status.exited() != Some(5)), Ordering::SeqCst);
    }
}

/// However many signals become one, a handler that waits until there is nobody left misses nobody.
fn sigchld_of_many_at_once_tells_of_every_one() -> Outcome {
    const COUNT: usize = 300;
    Rounds::of_tasks(COUNT).leave_nothing_that_is_counted(|| {
        REAPED.store(0, Ordering::SeqCst);
        let gate = Pipe::anonymous(0)?;
        signal::block(&[SIGCHLD])?;
        signal::handle(SIGCHLD, reap, 0, &[])?;
        for _ in 0..COUNT {
            process::fork_then(|| {
                let _ = fd::close(gate.write);
                // The end of file is what lets all of them go.
                if fd::read(gate.read, &mut [0; 1]) == Ok(0) { 5 } else { 6 }
            })?;
        }
        fd::close(gate.write)?;
        while REAPED.load(Ordering::SeqCst) < COUNT {
            // Always an error: that of the signal.
            let _ = sigsuspend(&[]);
        }
        signal::default(SIGCHLD)?;
        fd::close(gate.read)?;
        expect_eq(WRONG.load(Ordering::SeqCst), 0, "children that ended otherwise")?;
        expect_eq(wait4(-1, 0).map_err(|error| error.errno), Err(libc::ECHILD), "children that are left")
    })
}

fn processes_signalled_while_they_exit_end_in_one_of_both_ways() -> Outcome {
    const COUNT: usize = 300;
    Rounds::of_tasks(COUNT).leave_nothing_that_is_counted(|| {
        let gate = Pipe::anonymous(0)?;
        let crowd = Crowd::of(COUNT, |_| {
            fd::close(gate.write)?;
            fd::read(gate.read, &mut [0; 1])?;
            Ok(())
        })?;
        fd::close(gate.write)?;
        fd::close(gate.read)?;
        // Nobody has been waited for, so each is there to be sent it, ended or not.
        for member in crowd.members.iter().rev() {
            member.kill(SIGTERM)?;
        }
        crowd.expect_each(0, |status| status.exited() == Some(0) || status.signalled() == Some(SIGTERM))
    })
}
