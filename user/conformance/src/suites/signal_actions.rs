//! Handlers: how they are installed, what they are told, and what they do to calls and registers. Specification: sigaction(2),
//! signal(7) "Interruption of system calls", sigreturn(2).

use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::sys::fd::{self, Pipe};
use crate::sys::{process, signal};
use libc::{
    EINTR, EINVAL, SA_NODEFER, SA_RESETHAND, SA_RESTART, SIG_DFL, SIG_IGN, SIGCHLD, SIGKILL, SIGSTOP, SIGUSR1, SIGUSR2,
};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

crate::tests! {
    handler_runs_with_the_signals_number_and_returns,
    handler_is_told_who_sent_the_signal,
    sigchld_handler_is_told_which_child_ended,
    kill_and_stop_cannot_be_caught_or_ignored,
    sigaction_with_a_bad_signal_gives_einval,
    sigaction_returns_what_was_installed,
    reset_hand_restores_the_default_after_one_signal,
    signal_is_blocked_while_its_handler_runs,
    no_defer_lets_the_signal_nest,
    mask_of_the_action_is_blocked_while_the_handler_runs,
    mask_is_restored_when_the_handler_returns,
    read_is_restarted_after_a_handler_with_sa_restart,
    read_gives_eintr_after_a_handler_without_sa_restart,
    ignored_signal_does_not_interrupt_a_read,
    handler_may_call_fork,
    context_tells_the_mask_to_restore,
}

fn handler_runs_with_the_signals_number_and_returns() -> Outcome {
    for number in [SIGUSR1, SIGUSR2, libc::SIGTERM, libc::SIGINT] {
        signal::count(number, 0)?;
        signal::raise(number)?;
        expect_eq(signal::caught(number), 1, "handlers run for that number")?;
    }
    Ok(())
}

fn handler_is_told_who_sent_the_signal() -> Outcome {
    signal::count(SIGUSR1, 0)?;
    signal::raise(SIGUSR1)?;
    let told = (signal::last_code(), signal::last_sender());
    expect_eq(told, (libc::SI_USER, process::getpid()), "si_code and si_pid of kill")?;
    process::tgkill(process::getpid(), process::gettid(), SIGUSR1)?;
    let told = (signal::last_code(), signal::last_sender());
    expect_eq(told, (libc::SI_TKILL, process::getpid()), "si_code and si_pid of tgkill")
}

fn sigchld_handler_is_told_which_child_ended() -> Outcome {
    signal::count(SIGCHLD, 0)?;
    signal::block(&[SIGCHLD])?;
    let child = process::spawn_exit(3)?;
    expect_errno(signal::sigsuspend(&[]), EINTR)?;
    let told = (signal::last_code(), signal::last_sender());
    expect_eq(told, (libc::CLD_EXITED, child.pid), "si_code and si_pid")?;
    expect_eq(child.wait()?.exited(), Some(3), "the exit code")
}

fn kill_and_stop_cannot_be_caught_or_ignored() -> Outcome {
    for number in [SIGKILL, SIGSTOP] {
        expect_errno(signal::count(number, 0), EINVAL)?;
        expect_errno(signal::ignore(number), EINVAL)?;
        expect_errno(signal::default(number), EINVAL)?;
    }
    Ok(())
}

fn sigaction_with_a_bad_signal_gives_einval() -> Outcome {
    for number in [0, -1, 65, 1000] {
        expect_errno(signal::ignore(number), EINVAL)?;
    }
    Ok(())
}

fn sigaction_returns_what_was_installed() -> Outcome {
    expect_eq(signal::disposition(SIGUSR1)?.0, SIG_DFL, "the first handler")?;
    signal::ignore(SIGUSR1)?;
    expect_eq(signal::disposition(SIGUSR1)?.0, SIG_IGN, "the handler when ignored")?;
    signal::count(SIGUSR1, SA_RESTART | SA_NODEFER)?;
    let (handler, flags) = signal::disposition(SIGUSR1)?;
    expect(handler != SIG_DFL && handler != SIG_IGN, "a handler is installed")?;
    let visible = libc::SA_SIGINFO | SA_RESTART | SA_NODEFER | SA_RESETHAND;
    expect_eq(flags & visible, libc::SA_SIGINFO | SA_RESTART | SA_NODEFER, "the flags")
}

fn reset_hand_restores_the_default_after_one_signal() -> Outcome {
    signal::count(SIGUSR1, SA_RESETHAND)?;
    signal::raise(SIGUSR1)?;
    expect_eq(signal::caught(SIGUSR1), 1, "handlers run")?;
    expect_eq(signal::disposition(SIGUSR1)?.0, SIG_DFL, "the handler afterwards")
}

static DEPTH: AtomicU32 = AtomicU32::new(0);
static DEEPEST: AtomicU32 = AtomicU32::new(0);

/// Raises its own signal while it runs, down to the third level, and notes how deep handlers nest.
extern "C" fn nesting_handler(number: i32, _info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    let depth = DEPTH.fetch_add(1, Ordering::SeqCst) + 1;
    DEEPEST.fetch_max(depth, Ordering::SeqCst);
    if depth < 3 {
        // A refusal shows as a nesting that is not deep enough.
        let _ = signal::raise(number);
    }
    DEPTH.fetch_sub(1, Ordering::SeqCst);
}

fn signal_is_blocked_while_its_handler_runs() -> Outcome {
    signal::handle(SIGUSR1, once_again_handler, 0, &[])?;
    signal::raise(SIGUSR1)?;
    expect_eq(DEEPEST.load(Ordering::SeqCst), 1, "how deep handlers nest")?;
    expect_eq(RUNS.load(Ordering::SeqCst), 2, "how often the handler ran")
}

static RUNS: AtomicU32 = AtomicU32::new(0);

/// Raises its signal once from inside; it must run after, not in, the first one.
extern "C" fn once_again_handler(number: i32, _info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    DEEPEST.fetch_max(DEPTH.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    if RUNS.fetch_add(1, Ordering::SeqCst) == 0 {
        // A refusal shows as a handler that ran only once.
        let _ = signal::raise(number);
    }
    DEPTH.fetch_sub(1, Ordering::SeqCst);
}

fn no_defer_lets_the_signal_nest() -> Outcome {
    signal::handle(SIGUSR1, nesting_handler, SA_NODEFER, &[])?;
    signal::raise(SIGUSR1)?;
    expect_eq(DEEPEST.load(Ordering::SeqCst), 3, "how deep handlers nest")
}

/// Bits of the mask as the handler finds it.
static MASK_SEEN: AtomicUsize = AtomicUsize::new(0);

extern "C" fn mask_handler(_signal: i32, _info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    let bits = signal::mask().map(|mask| mask.into_iter().fold(0, |bits, number| bits | 1_usize << number));
    MASK_SEEN.store(bits.unwrap_or(usize::MAX), Ordering::SeqCst);
}

fn mask_of_the_action_is_blocked_while_the_handler_runs() -> Outcome {
    signal::block(&[SIGCHLD])?;
    signal::handle(SIGUSR1, mask_handler, 0, &[SIGUSR2])?;
    signal::raise(SIGUSR1)?;
    let expected = 1 << SIGCHLD | 1 << SIGUSR1 | 1 << SIGUSR2;
    expect_eq(MASK_SEEN.load(Ordering::SeqCst), expected, "the mask in the handler, as bits")
}

fn mask_is_restored_when_the_handler_returns() -> Outcome {
    signal::block(&[SIGCHLD])?;
    signal::handle(SIGUSR1, mask_handler, 0, &[SIGUSR2])?;
    signal::raise(SIGUSR1)?;
    expect_eq(signal::mask()?, [SIGCHLD], "the mask afterwards")
}

fn read_is_restarted_after_a_handler_with_sa_restart() -> Outcome {
    let (pipe, handled) = (Pipe::new()?, Pipe::new()?);
    HANDLED_FD.store(handled.write.unsigned_abs() as usize, Ordering::SeqCst);
    let reader = process::spawn(|| {
        signal::handle(SIGUSR1, telling_handler, SA_RESTART, &[])?;
        expect_eq(fd::read_up_to(pipe.read, 4)?, b"data", "what the read returns in the end")
    })?;
    reader.wait_until_asleep()?;
    reader.kill(SIGUSR1)?;
    expect_eq(fd::read_up_to(handled.read, 1)?, b"h", "what the handler says")?;
    reader.wait_until_asleep()?;
    fd::write(pipe.write, b"data")?;
    reader.expect_success()
}

/// Where `telling_handler` writes.
static HANDLED_FD: AtomicUsize = AtomicUsize::new(0);

extern "C" fn telling_handler(_signal: i32, _info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // A failure shows at the other end of the pipe.
    let _ = fd::write(i32::try_from(HANDLED_FD.load(Ordering::SeqCst)).unwrap_or(-1), b"h");
}

fn read_gives_eintr_after_a_handler_without_sa_restart() -> Outcome {
    let pipe = Pipe::new()?;
    let reader = process::spawn(|| {
        signal::count(SIGUSR1, 0)?;
        expect_errno(fd::read(pipe.read, &mut [0; 4]), EINTR)?;
        expect_eq(signal::caught(SIGUSR1), 1, "handlers run")
    })?;
    reader.wait_until_asleep()?;
    reader.kill(SIGUSR1)?;
    reader.expect_success()
}

fn ignored_signal_does_not_interrupt_a_read() -> Outcome {
    let pipe = Pipe::new()?;
    let reader = process::spawn(|| {
        signal::ignore(SIGUSR1)?;
        expect_eq(fd::read_up_to(pipe.read, 1)?, b"x", "what the read returns")
    })?;
    reader.wait_until_asleep()?;
    reader.kill(SIGUSR1)?;
    reader.kill(SIGCHLD)?;
    reader.wait_until_asleep()?;
    fd::write(pipe.write, b"x")?;
    reader.expect_success()
}

static FORKED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn forking_handler(_signal: i32, _info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    let pid = process::fork_then(|| 21).unwrap_or(0);
    FORKED.store(usize::try_from(pid).unwrap_or(0), Ordering::SeqCst);
}

fn handler_may_call_fork() -> Outcome {
    signal::handle(SIGUSR1, forking_handler, 0, &[])?;
    signal::raise(SIGUSR1)?;
    let child = process::Child { pid: i32::try_from(FORKED.load(Ordering::SeqCst)).unwrap_or(0) };
    expect_eq(child.wait()?.exited(), Some(21), "the exit code of the handler's child")
}

extern "C" fn unmasking_handler(_signal: i32, _info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the third argument is the ucontext that sigreturn restores.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    context.uc_sigmask = signal::set_of(&[SIGUSR2]);
}

fn context_tells_the_mask_to_restore() -> Outcome {
    signal::handle(SIGUSR1, unmasking_handler, 0, &[])?;
    signal::raise(SIGUSR1)?;
    expect_eq(signal::mask()?, [SIGUSR2], "the mask that the handler put into its context")
}
