//! Processes: fork, exec, wait, credentials, limits. See `sys` for the rules.

use super::{Sys, c_string, checked, zeroed};
use crate::check::{Failure, Outcome, expect_eq, failed, skip};
use crate::harness;
use crate::patience::{comes_true, expect_soon};
use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What wait4 says of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub i32);

impl Status {
    /// The exit code of a child that exited.
    pub fn exited(self) -> Option<i32> {
        libc::WIFEXITED(self.0).then(|| libc::WEXITSTATUS(self.0))
    }

    /// The signal that killed a child.
    pub fn signalled(self) -> Option<i32> {
        libc::WIFSIGNALED(self.0).then(|| libc::WTERMSIG(self.0))
    }
}

impl Status {
    /// Expects the end of a child whose body returned `Ok`; if the body left its test as skipped, so does this.
    ///
    /// # Errors
    /// The skip, whose reason is in the report; a failure.
    #[track_caller]
    pub fn expect_success_or_skip(self) -> Outcome {
        if self.exited() == Some(harness::EXIT_SKIPPED) {
            return skip("");
        }
        self.expect_success()
    }

    /// Expects the end of a child whose body returned `Ok`. Allocates nothing unless that fails (see `counts`).
    ///
    /// # Errors
    /// A failure that shows the status.
    #[track_caller]
    fn expect_success(self) -> Outcome {
        if self.exited() == Some(0) {
            return Ok(());
        }
        Err(failed(format!("expected: the child's part succeeds (its wait status is {:#x})", self.0)))
    }
}

/// A child started by a test.
#[derive(Clone, Copy, Debug)]
pub struct Child {
    /// Its process id.
    pub pid: i32,
}

/// Forks; the child runs `body` and ends with the status that it returns, without running any of the parent's clean-up.
pub fn fork_then(body: impl FnOnce() -> i32) -> Sys<i32> {
    // SAFETY: the calling process has one thread, or the child uses only what fork leaves usable.
    match checked("fork", unsafe { libc::fork() })? {
        0 => exit(body()),
        pid => Ok(pid),
    }
}

/// The same by clone(2) with `flags`, without memory or anything else shared; the signal among them tells of the child's end.
pub fn fork_with_flags(flags: i32, body: impl FnOnce() -> i32) -> Sys<Child> {
    // SAFETY: as for fork; without CLONE_VM it is one.
    match checked("clone", unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })? {
        0 => exit(body()),
        pid => Ok(Child { pid: i32::try_from(pid).unwrap_or(-1) }),
    }
}

/// Starts a child that runs `body`; its failure shows in its exit status and in the test's report.
pub fn spawn(body: impl FnOnce() -> Outcome) -> Sys<Child> {
    let pid = fork_then(|| harness::verdict_to_status(&catch_unwind(AssertUnwindSafe(body))))?;
    Ok(Child { pid })
}

/// Starts a child that ends at once with `code`.
pub fn spawn_exit(code: i32) -> Sys<Child> {
    Ok(Child { pid: fork_then(|| code)? })
}

/// Starts a child that sleeps until a signal ends it.
pub fn spawn_sleeper() -> Sys<Child> {
    let pid = fork_then(|| {
        loop {
            pause();
        }
    })?;
    Ok(Child { pid })
}

impl Child {
    /// Waits for the end.
    pub fn wait(self) -> Result<Status, Failure> {
        wait4(self.pid, 0)?.map(|(_, status)| status).ok_or_else(|| failed("wait4 returned 0 without WNOHANG"))
    }

    /// Waits for the end and expects that the child's body returned `Ok`.
    #[track_caller]
    pub fn expect_success(self) -> Outcome {
        self.wait()?.expect_success()
    }

    /// Sends a signal.
    pub fn kill(self, signal: i32) -> Sys<()> {
        kill(self.pid, signal)
    }

    /// Kills it, waits for its end, and expects that nothing else ended it.
    #[track_caller]
    pub fn kill_and_wait(self) -> Outcome {
        self.kill(libc::SIGKILL)?;
        expect_eq(self.wait()?.signalled(), Some(libc::SIGKILL), "the signal that ended the child")
    }

    /// Waits, at most ten seconds, until /proc shows the child asleep.
    pub fn wait_until_asleep(self) -> Outcome {
        wait_for_state(self.pid, 'S')
    }
}

/// Waits, at most ten seconds, until `/proc/PID/stat` shows `state`.
#[track_caller]
pub fn wait_for_state(pid: i32, state: char) -> Outcome {
    let mut now = None;
    let is_there = comes_true(|| {
        let now = now.insert(state_of(pid)?);
        Ok(*now == state)
    })?;
    if is_there {
        Ok(())
    } else {
        Err(failed(format!("process {pid} is in state {now:?}, and not {state}, for too long")))
    }
}

/// Waits, at most ten seconds, until `count` threads of `pid`, which are all of them, are asleep.
#[track_caller]
pub fn wait_until_threads_are_asleep(pid: i32, count: usize) -> Outcome {
    let mut states = String::new();
    let are_asleep = comes_true(|| {
        states.clear();
        for entry in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            // One that has ended since is not asleep.
            let line = std::fs::read_to_string(entry?.path().join("stat")).unwrap_or_default();
            states.extend(after_name(&line).and_then(|text| text.chars().next()));
        }
        Ok(states.len() == count && states.chars().all(|state| "SD".contains(state)))
    })?;
    if are_asleep { Ok(()) } else { Err(failed(format!("of {count} threads to be asleep, the states are {states}"))) }
}

/// Waits, at most ten seconds, until somebody has waited for `pid`, of whom this process is not the parent.
#[track_caller]
pub fn wait_until_gone(pid: i32) -> Outcome {
    expect_soon(|| Ok(kill(pid, 0).is_err()), "the process is gone")
}

/// The caller gets `signal` when its parent ends.
pub fn set_parent_death_signal(signal: i32) -> Sys<()> {
    // SAFETY: the call takes numbers only.
    checked("prctl", unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) }).map(drop)
}

/// Makes the caller the one to whom orphans among its descendants go, or ends that.
pub fn set_child_subreaper(adopts: bool) -> Sys<()> {
    // SAFETY: the call takes numbers only.
    checked("prctl", unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, libc::c_ulong::from(adopts)) }).map(drop)
}

/// Whether orphans go to the caller.
pub fn is_child_subreaper() -> Sys<bool> {
    let mut adopts = -1;
    // SAFETY: room for the number.
    checked("prctl", unsafe { libc::prctl(libc::PR_GET_CHILD_SUBREAPER, &raw mut adopts) })?;
    Ok(adopts == 1)
}

/// The state letter in `/proc/PID/stat`.
pub fn state_of(pid: i32) -> Result<char, Failure> {
    state_in(&pid.to_string())
}

/// The state letter in the `stat` of a process or a thread, whose directory below /proc is `place`.
pub fn state_in(place: &str) -> Result<char, Failure> {
    let line = std::fs::read_to_string(format!("/proc/{place}/stat"))?;
    after_name(&line)
        .and_then(|text| text.chars().next())
        .ok_or_else(|| failed(format!("{place}/stat has no state letter")))
}

/// What follows the second field of `/proc/PID/stat`, which is the name in parentheses and may itself hold parentheses.
fn after_name(line: &str) -> Option<&str> {
    line.rsplit_once(") ").map(|(_, after)| after)
}

/// The processes whose parent is `parent`, those that have ended among them, by looking at every process there is.
///
/// # Errors
/// Those of listing /proc.
pub fn children_of(parent: i32) -> Result<Vec<i32>, Failure> {
    let parent = parent.to_string();
    let mut children = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse() else { continue };
        // Who has gone since is nobody's child.
        let Ok(line) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        if after_name(&line).and_then(|text| text.split(' ').nth(1)) == Some(&parent) {
            children.push(pid);
        }
    }
    Ok(children)
}

/// `wait4` without usage; `None` if WNOHANG found nobody.
pub fn wait4(pid: i32, options: i32) -> Sys<Option<(i32, Status)>> {
    let mut status = 0;
    // SAFETY: room for the status; no usage is asked for.
    let found = checked("wait4", unsafe { libc::wait4(pid, &raw mut status, options, std::ptr::null_mut()) })?;
    Ok((found != 0).then_some((found, Status(status))))
}

/// What waitid says of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildInfo {
    /// `si_signo`: SIGCHLD, or 0 if WNOHANG found nobody.
    pub signal: i32,
    /// `si_code`: `CLD_*`.
    pub code: i32,
    /// `si_pid`.
    pub pid: i32,
    /// `si_uid`.
    pub uid: u32,
    /// `si_status`: the exit code or the signal.
    pub status: i32,
}

/// `waitid`.
pub fn waitid(kind: libc::idtype_t, id: i32, options: i32) -> Sys<ChildInfo> {
    let mut info: libc::siginfo_t = zeroed();
    // SAFETY: room for the struct.
    checked("waitid", unsafe { libc::waitid(kind, id.cast_unsigned(), &raw mut info, options) })?;
    // SAFETY: waitid filled the SIGCHLD member or left it zero.
    let pid = unsafe { info.si_pid() };
    // SAFETY: as above.
    let uid = unsafe { info.si_uid() };
    // SAFETY: as above.
    let status = unsafe { info.si_status() };
    Ok(ChildInfo { signal: info.si_signo, code: info.si_code, pid, uid, status })
}

/// `kill`.
pub fn kill(pid: i32, signal: i32) -> Sys<()> {
    // SAFETY: takes no pointers.
    checked("kill", unsafe { libc::kill(pid, signal) }).map(drop)
}

/// `tgkill`.
pub fn tgkill(group: i32, thread: i32, signal: i32) -> Sys<()> {
    // SAFETY: takes no pointers.
    checked("tgkill", unsafe { libc::syscall(libc::SYS_tgkill, group, thread, signal) }).map(drop)
}

/// `tkill`.
pub fn tkill(thread: i32, signal: i32) -> Sys<()> {
    // SAFETY: takes no pointers.
    checked("tkill", unsafe { libc::syscall(libc::SYS_tkill, thread, signal) }).map(drop)
}

/// `getpid`.
pub fn getpid() -> i32 {
    // SAFETY: cannot fail.
    unsafe { libc::getpid() }
}

/// `getppid`.
pub fn getppid() -> i32 {
    // SAFETY: cannot fail.
    unsafe { libc::getppid() }
}

/// `gettid`, by the raw call.
pub fn gettid() -> i32 {
    // SAFETY: cannot fail.
    let id = unsafe { libc::syscall(libc::SYS_gettid) };
    i32::try_from(id).unwrap_or(-1)
}

/// `geteuid`.
pub fn geteuid() -> u32 {
    // SAFETY: cannot fail.
    unsafe { libc::geteuid() }
}

/// `setpgid`.
pub fn setpgid(pid: i32, group: i32) -> Sys<()> {
    // SAFETY: takes no pointers.
    checked("setpgid", unsafe { libc::setpgid(pid, group) }).map(drop)
}

/// `getpgid`.
pub fn getpgid(pid: i32) -> Sys<i32> {
    // SAFETY: takes no pointers.
    checked("getpgid", unsafe { libc::getpgid(pid) })
}

/// `setsid`.
pub fn setsid() -> Sys<i32> {
    // SAFETY: takes no pointers.
    checked("setsid", unsafe { libc::setsid() })
}

/// `getsid`.
pub fn getsid(pid: i32) -> Sys<i32> {
    // SAFETY: takes no pointers.
    checked("getsid", unsafe { libc::getsid(pid) })
}

/// `pause`: sleeps until a signal has been handled.
pub fn pause() {
    // SAFETY: takes no pointers; it always returns -1 with EINTR.
    unsafe { libc::pause() };
}

/// `_exit`: ends the process without clean-up.
pub fn exit(code: i32) -> ! {
    // SAFETY: never returns.
    unsafe { libc::_exit(code) }
}

/// Becomes the user and group `id` for good, with no supplementary groups, as only root can.
pub fn become_user(id: u32) -> Sys<()> {
    // SAFETY: no groups, so no pointer is looked at.
    checked("setgroups", unsafe { libc::setgroups(0, std::ptr::null()) })?;
    // SAFETY: takes no pointers.
    checked("setresgid", unsafe { libc::setresgid(id, id, id) })?;
    // SAFETY: takes no pointers.
    checked("setresuid", unsafe { libc::setresuid(id, id, id) }).map(drop)
}

/// `execve`; returns only if it failed.
pub fn execve(path: &str, arguments: &[&str], environment: &[&str]) -> Sys<()> {
    let path = c_string(path);
    let arguments: Vec<CString> = arguments.iter().map(|text| c_string(text)).collect();
    let environment: Vec<CString> = environment.iter().map(|text| c_string(text)).collect();
    let pointers =
        |strings: &[CString]| strings.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>();
    let (argv, envp) = (pointers(&arguments), pointers(&environment));
    // SAFETY: C strings and arrays that end with a null pointer.
    checked("execve", unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) }).map(drop)
}

/// A resource of `getrlimit`, whose type differs between C libraries.
#[cfg(target_env = "gnu")]
pub type Resource = libc::__rlimit_resource_t;
/// A resource of `getrlimit`, whose type differs between C libraries.
#[cfg(not(target_env = "gnu"))]
pub type Resource = libc::c_int;

/// `getrlimit`.
pub fn getrlimit(resource: Resource) -> Sys<libc::rlimit> {
    let mut limit = zeroed();
    // SAFETY: room for the struct.
    checked("getrlimit", unsafe { libc::getrlimit(resource, &raw mut limit) })?;
    Ok(limit)
}

/// `setrlimit` of both limits.
pub fn set_both_limits(resource: Resource, limit: u64) -> Sys<()> {
    let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
    // SAFETY: the kernel reads one struct.
    checked("setrlimit", unsafe { libc::setrlimit(resource, &raw const limit) }).map(drop)
}

/// `setrlimit` of the soft limit alone.
pub fn set_soft_limit(resource: Resource, soft: u64) -> Sys<()> {
    let limit = libc::rlimit { rlim_cur: soft, ..getrlimit(resource)? };
    // SAFETY: the kernel reads one struct.
    checked("setrlimit", unsafe { libc::setrlimit(resource, &raw const limit) }).map(drop)
}
