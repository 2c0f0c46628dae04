//! Processes as the supervisor needs them: fork, die with the parent, kill, reap. `reap` sleeps.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// A process's number.
pub type Pid = libc::pid_t;

/// Which of the two a returned `fork` is in.
pub enum Forked {
    /// The new process.
    Child,
    /// The old one, which knows the child.
    Parent(Pid),
}

/// `fork(2)`.
///
/// # Errors
/// EAGAIN or ENOMEM.
///
/// # Safety
/// The calling program has one thread, or the child does only what is allowed then.
pub unsafe fn fork() -> io::Result<Forked> {
    // SAFETY: what remains to be promised is the caller's promise.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        pid => Ok(Forked::Parent(pid)),
    }
}

/// Ends the process at once: no destructors, no flushing of buffers inherited from the parent.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: `_exit` does not return and touches no memory.
    unsafe { libc::_exit(status) }
}

/// Has the kernel kill the calling process when its parent `parent` dies.
///
/// # Errors
/// What `prctl(2)` says; ESRCH when the parent is dead already.
pub fn die_with_parent(parent: u32) -> io::Result<()> {
    // SAFETY: PR_SET_PDEATHSIG takes a signal number and no pointer.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // It may have died before the kernel was told.
    if std::os::unix::process::parent_id() != parent {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    Ok(())
}

/// Kills `child`, an unreaped child: its number cannot have been given to anyone else.
pub fn kill_child(child: Pid) {
    // SAFETY: kill takes two numbers.
    unsafe { libc::kill(child, libc::SIGKILL) };
}

/// Waits for `child` to end.
///
/// # Errors
/// ECHILD when it is not an unreaped child.
pub fn reap(child: Pid) -> io::Result<ExitStatus> {
    let mut status = 0;
    loop {
        // SAFETY: `status` is live and writable.
        if unsafe { libc::waitpid(child, &raw mut status, 0) } == child {
            return Ok(ExitStatus::from_raw(status));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Held by every test that forks or that counts on a descriptor's last close: a child forked by another
/// test thread in between would keep copies of its descriptors open.
#[cfg(test)]
pub fn alone() -> std::sync::MutexGuard<'static, ()> {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    // A test that failed while holding it broke nothing the next one needs.
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
