//! A process's life: fork, exit, wait. By number, so that the figure is the kernel's and not that of the C
//! library's fork handlers. Sleeps in `wait4`.

use std::io;
use std::os::unix::process::ExitStatusExt;

use super::Solo;
use crate::benchmark::Amount;
use crate::measure::Subject;
use crate::system::process::reap;
use crate::system::raw::call5;

/// The benchmark.
pub const FORK_EXIT_WAIT: Solo<ForkExitWait> = Solo {
    name: ("process", "fork-exit-wait"),
    summary: "clone(SIGCHLD), exit_group in the child, wait4 in the parent",
    amount: Amount::Operations(2_000, 100),
    subject: || Ok(ForkExitWait),
};

/// Its subject.
pub struct ForkExitWait;

impl Subject for ForkExitWait {
    fn operate(&mut self, sequence: u64) -> io::Result<()> {
        // The lowest bits of the number go through the exit status: it must be this child that is reaped.
        let expected = i32::from(sequence.to_le_bytes()[0]);
        let signal = libc::SIGCHLD.unsigned_abs() as usize;
        // SAFETY: without CLONE_VM the child has copies of everything, as after fork(2). The process has one
        // thread, and the child does nothing but exit.
        let child = unsafe { call5(libc::SYS_clone, [signal, 0, 0, 0, 0]) };
        if child == 0 {
            // SAFETY: exit_group does not return.
            unsafe { call5(libc::SYS_exit_group, [expected.unsigned_abs() as usize, 0, 0, 0, 0]) };
        }
        let child = libc::pid_t::try_from(child).map_err(|_| io::ErrorKind::InvalidData)?;
        if child < 0 {
            return Err(io::Error::from_raw_os_error(-child));
        }
        let status = reap(child)?;
        if status.code() == Some(expected) && status.signal().is_none() {
            return Ok(());
        }
        Err(io::Error::other(format!("a child ended with {status} and not with {expected}")))
    }
}
