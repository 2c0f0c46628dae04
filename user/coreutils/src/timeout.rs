//! `timeout`: a program with an alarm beside it. The alarm's handler sends the signal itself, so that
//! there is no moment at which the time runs out unseen.

use crate::invocation::{At, Failure, Invocation, Outcome};
use crate::process::{duration, signal_number};
use crate::run::{cannot_run, command_of, status_of};
use nix::errno::Errno;
use nix::sys::signal::{SIGALRM, SaFlags, SigAction, SigHandler, SigSet, sigaction};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use std::io;
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicI32, Ordering};

/// The process that the alarm ends, and how. Zero: none.
static TIMED_PROCESS: AtomicI32 = AtomicI32::new(0);
static TIMED_SIGNAL: AtomicI32 = AtomicI32::new(0);
static TIMED_OUT: AtomicI32 = AtomicI32::new(0);

extern "C" fn on_alarm(_signal: libc::c_int) {
    let process = TIMED_PROCESS.load(Ordering::Relaxed);
    if process > 0 {
        TIMED_OUT.store(1, Ordering::Relaxed);
        // SAFETY: kill is async-signal-safe and takes plain numbers. The process is our child and
        // not waited for yet, so the number is still its own.
        unsafe { libc::kill(process, TIMED_SIGNAL.load(Ordering::Relaxed)) };
    }
}

/// `timeout [-s signal] time command…`: status 124 when the time ran out.
pub fn timeout(invocation: &Invocation) -> Outcome {
    const TIMED_OUT_STATUS: u8 = 124;
    let options = invocation.options("+s:k:")?;
    let signal = signal_number(options.text('s')?.unwrap_or("TERM"))?;
    let Some((limit, words)) = options.operands.split_first() else {
        return Err(Failure::usage("usage: timeout [-s signal] time command..."));
    };
    let limit = duration(&limit.to_string_lossy())?;
    let (mut command, program) = command_of(words)?;
    let child = command.spawn().map_err(|error| cannot_run(program, &error))?;
    TIMED_SIGNAL.store(signal, Ordering::Relaxed);
    TIMED_PROCESS.store(child.id().cast_signed(), Ordering::Relaxed);
    if !limit.is_zero() {
        let action = SigAction::new(SigHandler::Handler(on_alarm), SaFlags::SA_RESTART, SigSet::empty());
        // SAFETY: the handler makes one async-signal-safe call and touches atomics only.
        unsafe { sigaction(SIGALRM, &action) }.at("SIGALRM")?;
        start_timer(limit).at("setitimer")?;
    }
    let status = wait(child);
    TIMED_PROCESS.store(0, Ordering::Relaxed);
    let timed_out = TIMED_OUT.load(Ordering::Relaxed) != 0;
    // Nothing survives SIGKILL to look at the 124, so that signal shows in the status, as everywhere else.
    let own = timed_out && signal != libc::SIGKILL;
    status.map(|status| if own { TIMED_OUT_STATUS } else { status_of(status) }).at("wait")
}

/// Waits without reaping first, so that the alarm never meets a number that was given away.
fn wait(mut child: Child) -> io::Result<ExitStatus> {
    let pid = Pid::from_raw(child.id().cast_signed());
    loop {
        match waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
            Err(Errno::EINTR) => {}
            result => {
                result?;
                TIMED_PROCESS.store(0, Ordering::Relaxed);
                return child.wait();
            }
        }
    }
}

fn start_timer(limit: std::time::Duration) -> Result<(), Errno> {
    let mut timer: libc::itimerval = libc::itimerval {
        it_interval: libc::timeval { tv_sec: 0, tv_usec: 0 },
        it_value: libc::timeval { tv_sec: 0, tv_usec: 0 },
    };
    timer.it_value.tv_sec = limit.as_secs().try_into().unwrap_or(i64::MAX);
    timer.it_value.tv_usec = limit.subsec_micros().max(u32::from(limit.as_secs() == 0)).into();
    // SAFETY: the timer is read during the call only; the old value is not asked for.
    let result = unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
    Errno::result(result).map(drop)
}
