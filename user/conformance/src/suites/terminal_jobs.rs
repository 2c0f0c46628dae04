//! Controlling terminals and job control, over pseudo-terminals.
//! Specification: POSIX.1-2024 chapter 11.1, ioctl_tty(2), credentials(7), setsid(2), tcsetpgrp(3); tty_jobctrl.c of Linux.

use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno, needs_postern, needs_root};
use crate::sys::fd::{self, Pipe};
use crate::sys::process::{self, Child, Status, getpgid, kill, setpgid};
use crate::sys::terminal::{self, Pair};
use crate::sys::thread::{End, Thread};
use crate::sys::{Sys, path, signal};
use libc::{
    EINTR, EINVAL, EIO, ENOTTY, ENXIO, EPERM, ESRCH, O_NOCTTY, O_RDWR, O_WRONLY, SIGCONT, SIGHUP, SIGINT, SIGQUIT,
    SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH,
};

use std::sync::atomic::{AtomicU32, Ordering};

crate::tests! {
    leader_gets_the_terminal_it_opens,
    leader_does_not_get_a_terminal_it_opens_with_o_noctty,
    leader_does_not_get_a_terminal_it_may_only_write_to,
    leader_keeps_its_first_terminal,
    member_does_not_get_a_terminal_by_opening_it,
    master_is_never_a_controlling_terminal,
    tiocsctty_takes_a_leader_without_a_terminal,
    two_threads_of_a_leader_take_one_terminal,
    terminal_of_another_session_is_not_taken,
    terminal_of_another_session_is_taken_by_force,
    dev_tty_is_the_controlling_terminal,
    leader_gives_the_terminal_up_for_its_session,
    member_gives_the_terminal_up_for_itself,
    member_from_before_the_terminal_has_none,
    member_of_an_earlier_terminal_has_not_the_next,
    group_and_session_are_told_to_the_session_and_the_master,
    proc_stat_names_the_terminal_and_its_foreground_group,
    foreground_is_a_group_of_the_session,
    keys_signal_the_foreground_group_only,
    stop_key_stops_the_foreground_group,
    reader_in_the_background_is_stopped,
    reader_in_the_background_that_ignores_sigttin_reads_eio,
    reader_in_an_orphaned_group_reads_eio,
    background_writes_unless_tostop_is_set,
    writer_in_the_background_is_stopped_with_tostop,
    settings_are_changed_in_the_foreground_only,
    who_blocks_sigttou_changes_settings_in_the_background,
    foreground_is_changed_in_the_foreground_only,
    foreground_is_not_changed_by_an_orphaned_group_behind_it,
    stopped_reader_reads_once_it_is_in_the_foreground,
    new_window_size_is_told_to_the_foreground_group,
    same_window_size_is_told_to_nobody,
    closed_master_hangs_the_leader_up,
    end_of_a_leader_without_its_terminal_hangs_the_foreground_up,
    end_of_the_leader_hangs_the_foreground_up,
    end_of_the_leader_leaves_a_pseudo_terminal_usable,
    end_of_the_leader_frees_the_terminal,
    interrupted_read_ends_with_eintr,
    tiocsig_sends_as_a_key_does,
}

const TIOCSCTTY: u32 = 0x540e;
const TIOCNOTTY: u32 = 0x5422;
const TIOCSIG: u32 = 0x4004_5436;

/// Runs `body` as the leader of a new session without a terminal.
fn leader(body: impl FnOnce() -> Outcome) -> Sys<Child> {
    process::spawn(|| {
        process::setsid()?;
        body()
    })
}

/// The same with the terminal of `pair` as controlling terminal.
fn shell(pair: Pair, body: impl FnOnce() -> Outcome) -> Sys<Child> {
    leader(|| {
        terminal::ioctl(pair.terminal, TIOCSCTTY, 0)?;
        body()
    })
}

/// A child in a group of its own, which the parent has put it into before it begins.
fn job(body: impl FnOnce() -> Outcome) -> Result<Child, Failure> {
    let gate = Pipe::new()?;
    let child = process::spawn(|| {
        fd::read(gate.read, &mut [0; 1])?;
        body()
    })?;
    setpgid(child.pid, child.pid)?;
    fd::write(gate.write, b"x")?;
    Ok(child)
}

/// A job that waits for signals.
fn sleeping_job() -> Result<Child, Failure> {
    job(|| {
        loop {
            process::pause();
        }
    })
}

/// Puts a group into the foreground, from wherever the caller is.
fn put(terminal: i32, group: i32) -> Outcome {
    let before = signal::block(&[SIGTTOU])?;
    terminal::set_foreground(terminal, group)?;
    signal::set_mask(&before)?;
    Ok(())
}

/// The signal that has stopped a child.
fn stopped_by(child: Child) -> Result<Option<i32>, Failure> {
    let status = process::wait4(child.pid, libc::WUNTRACED)?.map(|(_, Status(status))| status);
    Ok(status.filter(|status| libc::WIFSTOPPED(*status)).map(|status| libc::WSTOPSIG(status)))
}

/// Whether a child neither has ended nor is stopped.
fn is_running(child: Child) -> Result<bool, Failure> {
    Ok(matches!(process::state_of(child.pid)?, 'R' | 'S'))
}

fn has_terminal() -> bool {
    path::open("/dev/tty", O_RDWR, 0).is_ok_and(|fd| fd::close(fd).is_ok())
}

fn leader_gets_the_terminal_it_opens() -> Outcome {
    let pair = Pair::open()?;
    let path = pair.path()?;
    let child = leader(|| {
        expect_errno(path::open("/dev/tty", O_RDWR, 0), ENXIO)?;
        let opened = path::open(&path, O_RDWR, 0)?;
        expect(has_terminal(), "/dev/tty can be opened")?;
        expect_eq(terminal::session(opened)?, process::getpid(), "the terminal's session")?;
        expect_eq(terminal::foreground(opened)?, getpgid(0)?, "the group in the foreground")
    })?;
    child.expect_success()
}

fn leader_does_not_get_a_terminal_it_opens_with_o_noctty() -> Outcome {
    let pair = Pair::open()?;
    let path = pair.path()?;
    leader(|| {
        let opened = path::open(&path, O_RDWR | O_NOCTTY, 0)?;
        expect(!has_terminal(), "/dev/tty cannot be opened")?;
        expect_errno(terminal::session(opened), ENOTTY)
    })?
    .expect_success()
}

fn leader_does_not_get_a_terminal_it_may_only_write_to() -> Outcome {
    let pair = Pair::open()?;
    let path = pair.path()?;
    leader(|| {
        path::open(&path, O_WRONLY, 0)?;
        expect(!has_terminal(), "/dev/tty cannot be opened")
    })?
    .expect_success()
}

fn leader_keeps_its_first_terminal() -> Outcome {
    let (first, second) = (Pair::open()?, Pair::open()?);
    let path = second.path()?;
    shell(first, || {
        let opened = path::open(&path, O_RDWR, 0)?;
        expect_errno(terminal::session(opened), ENOTTY)?;
        expect_errno(terminal::ioctl(opened, TIOCSCTTY, 0), EPERM)?;
        expect_eq(terminal::session(first.terminal)?, process::getpid(), "the first terminal's session")?;
        // Once more is no error.
        terminal::ioctl(first.terminal, TIOCSCTTY, 0).map(drop)?;
        Ok(())
    })?
    .expect_success()
}

fn member_does_not_get_a_terminal_by_opening_it() -> Outcome {
    let pair = Pair::open()?;
    let path = pair.path()?;
    leader(|| {
        process::spawn(|| {
            let opened = path::open(&path, O_RDWR, 0)?;
            expect(!has_terminal(), "/dev/tty cannot be opened")?;
            expect_errno(terminal::ioctl(opened, TIOCSCTTY, 0), EPERM)
        })?
        .expect_success()
    })?
    .expect_success()
}

fn master_is_never_a_controlling_terminal() -> Outcome {
    Pair::open()?;
    leader(|| {
        path::open("/dev/ptmx", O_RDWR, 0)?;
        expect(!has_terminal(), "/dev/tty cannot be opened")
    })?
    .expect_success()
}

fn tiocsctty_takes_a_leader_without_a_terminal() -> Outcome {
    let pair = Pair::open()?;
    shell(pair, || {
        expect(has_terminal(), "/dev/tty can be opened")?;
        expect_eq(terminal::session(pair.terminal)?, process::getpid(), "the terminal's session")
    })?
    .expect_success()
}

/// A terminal that a thread shall take once `start` is set to how many there are.
struct Taker {
    terminal: i32,
    start: &'static AtomicU32,
}

/// Takes the terminal; 1 if that succeeded.
fn take(taker: &'static Taker) -> usize {
    taker.start.fetch_sub(1, Ordering::AcqRel);
    while taker.start.load(Ordering::Acquire) != 0 {
        std::hint::spin_loop();
    }
    usize::from(terminal::ioctl(taker.terminal, TIOCSCTTY, 0).is_ok())
}

fn two_threads_of_a_leader_take_one_terminal() -> Outcome {
    const ROUNDS: u32 = 40;
    needs_postern("Linux asks under the new terminal's lock alone whether there is one already: both may be taken")?;
    let pairs = [Pair::open()?, Pair::open()?];
    for _ in 0..ROUNDS {
        leader(|| {
            let start: &'static AtomicU32 = Box::leak(Box::new(AtomicU32::new(2)));
            let [first, second] = pairs.map(|pair| &*Box::leak(Box::new(Taker { terminal: pair.terminal, start })));
            let other = Thread::start(take, second)?;
            let taken = [End::Returned(take(first)), other.join()?];
            let taken = taken.iter().filter(|end| **end == End::Returned(1)).count();
            expect_eq(taken, 1, "how many terminals were taken")
        })?
        .expect_success()?;
    }
    Ok(())
}

fn terminal_of_another_session_is_not_taken() -> Outcome {
    let pair = Pair::open()?;
    shell(pair, || {
        leader(|| {
            expect_errno(terminal::ioctl(pair.terminal, TIOCSCTTY, 0), EPERM)?;
            path::open(&pair.path()?, O_RDWR, 0)?;
            expect(!has_terminal(), "/dev/tty cannot be opened")
        })?
        .expect_success()
    })?
    .expect_success()
}

fn terminal_of_another_session_is_taken_by_force() -> Outcome {
    needs_root()?;
    let pair = Pair::open()?;
    shell(pair, || {
        leader(|| {
            terminal::ioctl(pair.terminal, TIOCSCTTY, 1)?;
            expect_eq(terminal::session(pair.terminal)?, process::getpid(), "the terminal's session")
        })?
        .expect_success()?;
        expect(!has_terminal(), "the first session has lost it")
    })?
    .expect_success()
}

fn dev_tty_is_the_controlling_terminal() -> Outcome {
    let pair = Pair::open()?;
    shell(pair, || {
        let tty = path::open("/dev/tty", O_RDWR, 0)?;
        fd::write(tty, b"to the user")?;
        expect_eq(terminal::foreground(tty)?, getpgid(0)?, "the group in the foreground")
    })?
    .expect_success()?;
    pair.expect_shown("to the user")
}

fn leader_gives_the_terminal_up_for_its_session() -> Outcome {
    let pair = Pair::open()?;
    shell(pair, || {
        let child = sleeping_job()?;
        put(pair.terminal, child.pid)?;
        terminal::ioctl(pair.terminal, TIOCNOTTY, 0)?;
        expect(!has_terminal(), "/dev/tty cannot be opened")?;
        expect_eq(child.wait()?.signalled(), Some(SIGHUP), "what ends the foreground job")?;
        // It is open, and works as before.
        fd::write(pair.terminal, b"x")?;
        expect_errno(terminal::ioctl(pair.terminal, TIOCNOTTY, 0), ENOTTY)
    })?
    .expect_success()
}

fn member_gives_the_terminal_up_for_itself() -> Outcome {
    let pair = Pair::open()?;
    shell(pair, || {
        process::spawn(|| {
            terminal::ioctl(pair.terminal, TIOCNOTTY, 0)?;
            expect(!has_terminal(), "/dev/tty cannot be opened")?;
            process::spawn(|| expect(!has_terminal(), "its child has none"))?.expect_success()
        })?
        .expect_success()?;
        expect(has_terminal(), "the leader has it still")
    })?
    .expect_success()
}

/// A child that begins `body` once something is written to the descriptor returned.
fn waiting_child(body: impl FnOnce() -> Outcome) -> Result<(Child, i32), Failure> {
    let gate = Pipe::new()?;
    let child = process::spawn(|| {
        fd::read(gate.read, &mut [0; 1])?;
        body()
    })?;
    Ok((child, gate.write))
}

fn member_from_before_the_terminal_has_none() -> Outcome {
    let pair = Pair::silent()?;
    leader(|| {
        let (early, go) = waiting_child(|| {
            expect(!has_terminal(), "/dev/tty cannot be opened")?;
            expect_eq(terminal_in_proc()?.0, 0, "its terminal in /proc/PID/stat")?;
            expect_errno(terminal::foreground(pair.terminal), ENOTTY)?;
            // Whom it does not belong to it does not stop either.
            setpgid(0, 0)?;
            terminal::expect_read(pair.terminal, b"typed\n")?;
            process::spawn(|| expect(!has_terminal(), "nor has its child a terminal"))?.expect_success()
        })?;
        terminal::ioctl(pair.terminal, TIOCSCTTY, 0)?;
        process::spawn(|| expect(has_terminal(), "a child from now on has it"))?.expect_success()?;
        pair.type_in(b"typed\n")?;
        fd::write(go, b"x")?;
        early.expect_success()
    })?
    .expect_success()
}

fn member_of_an_earlier_terminal_has_not_the_next() -> Outcome {
    let pair = Pair::open()?;
    let next = Pair::open()?;
    shell(pair, || {
        signal::ignore(SIGHUP)?;
        let (member, go) = waiting_child(|| expect(!has_terminal(), "it has no terminal"))?;
        terminal::ioctl(pair.terminal, TIOCNOTTY, 0)?;
        terminal::ioctl(next.terminal, TIOCSCTTY, 0)?;
        expect(has_terminal(), "the leader has the next")?;
        fd::write(go, b"x")?;
        member.expect_success()
    })?
    .expect_success()
}

fn group_and_session_are_told_to_the_session_and_the_master() -> Outcome {
    let pair = Pair::open()?;
    expect_eq(terminal::foreground(pair.master)?, 0, "the group in the foreground of nobody's terminal")?;
    expect_errno(terminal::session(pair.master), ENOTTY)?;
    expect_errno(terminal::foreground(pair.terminal), ENOTTY)?;
    let gate = Pipe::new()?;
    let child = shell(pair, || {
        fd::write(gate.write, b"x")?;
        loop {
            process::pause();
        }
    })?;
    fd::read(gate.read, &mut [0; 1])?;
    expect_eq(terminal::foreground(pair.master)?, child.pid, "the group in the foreground")?;
    expect_eq(terminal::session(pair.master)?, child.pid, "the session")?;
    expect_errno(terminal::foreground(pair.terminal), ENOTTY)?;
    child.kill_and_wait()
}

/// `tty_nr` and `tpgid` of the calling process.
fn terminal_in_proc() -> Result<(i64, i64), Failure> {
    let line = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = line.rsplit_once(") ").map(|(_, fields)| fields).unwrap_or_default();
    let fields: Vec<i64> = after_name.split(' ').skip(1).filter_map(|field| field.trim().parse().ok()).collect();
    Ok((fields[3], fields[4]))
}

fn proc_stat_names_the_terminal_and_its_foreground_group() -> Outcome {
    let pair = Pair::silent()?;
    let number = terminal::number(pair.master)?;
    leader(|| {
        expect_eq(terminal_in_proc()?, (0, -1), "terminal and foreground group of a leader without")?;
        terminal::ioctl(pair.terminal, TIOCSCTTY, 0)?;
        let device = i64::from(136 << 8 | number & 0xff | (number & !0xff) << 12);
        expect_eq(terminal_in_proc()?, (device, i64::from(process::getpid())), "terminal and foreground group")
    })?
    .expect_success()
}

fn foreground_is_a_group_of_the_session() -> Outcome {
    let pair = Pair::open()?;
    let outside = getpgid(0)?;
    shell(pair, || {
        expect_errno(terminal::set_foreground(pair.terminal, outside), EPERM)?;
        expect_errno(terminal::set_foreground(pair.terminal, -1), EINVAL)?;
        let gone = process::spawn_exit(0)?;
        gone.wait()?;
        expect_errno(terminal::set_foreground(pair.terminal, gone.pid), ESRCH)?;
        let child = sleeping_job()?;
        terminal::set_foreground(pair.terminal, child.pid)?;
        expect_eq(terminal::foreground(pair.terminal)?, child.pid, "the group in the foreground")?;
        child.kill_and_wait()
    })?
    .expect_success()?;
    expect_errno(terminal::set_foreground(pair.terminal, outside), ENOTTY)
}

fn keys_signal_the_foreground_group_only() -> Outcome {
    let pair = Pair::silent()?;
    shell(pair, || {
        for (key, sent) in [(b"\x03", SIGINT), (b"\x1c", SIGQUIT)] {
            let (front, back) = (sleeping_job()?, sleeping_job()?);
            put(pair.terminal, front.pid)?;
            pair.type_in(key)?;
            expect_eq(front.wait()?.signalled(), Some(sent), "what ends the job in the foreground")?;
            expect(is_running(back)?, "the job in the background lives")?;
            back.kill_and_wait()?;
        }
        Ok(())
    })?
    .expect_success()
}

fn stop_key_stops_the_foreground_group() -> Outcome {
    let pair = Pair::silent()?;
    shell(pair, || {
        let child = sleeping_job()?;
        put(pair.terminal, child.pid)?;
        pair.type_in(b"\x1a")?;
        expect_eq(stopped_by(child)?, Some(SIGTSTP), "what stops the job")?;
        child.kill(SIGCONT)?;
        child.wait_until_asleep()?;
        child.kill_and_wait()
    })?
    .expect_success()
}

fn reader_in_the_background_is_stopped() -> Outcome {
    let pair = Pair::silent()?;
    shell(pair, || {
        let child = job(|| {
            fd::read(pair.terminal, &mut [0; 8])?;
            Ok(())
        })?;
        expect_eq(stopped_by(child)?, Some(SIGTTIN), "what stops the job")?;
        child.kill_and_wait()
    })?
    .expect_success()
}

fn reader_in_the_background_that_ignores_sigttin_reads_eio() -> Outcome {
    let pair = Pair::silent()?;
    shell(pair, || {
        job(|| {
            signal::ignore(SIGTTIN)?;
            expect_errno(fd::read(pair.terminal, &mut [0; 8]), EIO)?;
            signal::default(SIGTTIN)?;
            signal::block(&[SIGTTIN])?;
            expect_errno(fd::read(pair.terminal, &mut [0; 8]), EIO)
        })?
        .expect_success()
    })?
    .expect_success()
}

fn reader_in_an_orphaned_group_reads_eio() -> Outcome {
    let pair = Pair::silent()?;
    shell(pair, || {
        let child = sleeping_job()?;
        terminal::set_foreground(pair.terminal, child.pid)?;
        // The leader's parent is in another session.
        expect_errno(fd::read(pair.terminal, &mut [0; 8]), EIO)?;
        child.kill_and_wait()
    })?
    .expect_success()
}

fn background_writes_unless_tostop_is_set() -> Outcome {
    let pair = Pair::silent()?;
    shell(pair, || {
        job(|| {
            fd::write(pair.terminal, b"from behind")?;
            Ok(())
        })?
        .expect_success()
    })?
    .expect_success()?;
    pair.expect_shown("from behind")
}

fn writer_in_the_background_is_stopped_with_tostop() -> Outcome {
    let pair = Pair::with(|settings| settings.c_lflag |= libc::TOSTOP)?;
    shell(pair, || {
        let child = job(|| {
            fd::write(pair.terminal, b"x")?;
            Ok(())
        })?;
        expect_eq(stopped_by(child)?, Some(SIGTTOU), "what stops the job")?;
        child.kill_and_wait()?;
        // Who ignores the signal writes.
        job(|| {
            signal::ignore(SIGTTOU)?;
            fd::write(pair.terminal, b"y")?;
            Ok(())
        })?
        .expect_success()
    })?
    .expect_success()?;
    pair.expect_shown("y")
}

fn settings_are_changed_in_the_foreground_only() -> Outcome {
    let pair = Pair::silent()?;
    shell(pair, || {
        let changes: [fn(i32) -> Outcome; 3] = [
            |terminal| Ok(terminal::change(terminal, |settings| settings.c_cc[libc::VINTR] = 7)?),
            |terminal| Ok(terminal::flush(terminal, libc::TCIFLUSH)?),
            |terminal| Ok(terminal::flow(terminal, libc::TCOON)?),
        ];
        for change in changes {
            let child = job(|| change(pair.terminal))?;
            expect_eq(stopped_by(child)?, Some(SIGTTOU), "what stops the job")?;
            child.kill_and_wait()?;
        }
        expect_eq(terminal::settings(pair.terminal)?.c_cc[libc::VINTR], 3, "the key")
    })?
    .expect_success()
}

fn who_blocks_sigttou_changes_settings_in_the_background() -> Outcome {
    let pair = Pair::silent()?;
    shell(pair, || {
        job(|| {
            signal::block(&[SIGTTOU])?;
            Ok(terminal::change(pair.terminal, |settings| settings.c_cc[libc::VINTR] = 7)?)
        })?
        .expect_success()?;
        expect_eq(terminal::settings(pair.terminal)?.c_cc[libc::VINTR], 7, "the key")
    })?
    .expect_success()
}

fn foreground_is_changed_in_the_foreground_only() -> Outcome {
    let pair = Pair::silent()?;
    shell(pair, || {
        let child = job(|| Ok(terminal::set_foreground(pair.terminal, getpgid(0)?)?))?;
        expect_eq(stopped_by(child)?, Some(SIGTTOU), "what stops the job")?;
        child.kill_and_wait()
    })?
    .expect_success()
}

fn foreground_is_not_changed_by_an_orphaned_group_behind_it() -> Outcome {
    let pair = Pair::silent()?;
    shell(pair, || {
        let child = sleeping_job()?;
        terminal::set_foreground(pair.terminal, child.pid)?;
        // The leader's parent is in another session.
        expect_errno(terminal::set_foreground(pair.terminal, getpgid(0)?), ENOTTY)?;
        child.kill_and_wait()
    })?
    .expect_success()
}

fn stopped_reader_reads_once_it_is_in_the_foreground() -> Outcome {
    let pair = Pair::silent()?;
    shell(pair, || {
        let child = job(|| {
            let mut line = [0; 8];
            let count = fd::read(pair.terminal, &mut line)?;
            expect_eq(&line[..count], b"line\n", "what the job reads")
        })?;
        expect_eq(stopped_by(child)?, Some(SIGTTIN), "what stops the job")?;
        put(pair.terminal, child.pid)?;
        kill(-child.pid, SIGCONT)?;
        pair.type_in("line\n")?;
        child.expect_success()
    })?
    .expect_success()
}

fn new_window_size_is_told_to_the_foreground_group() -> Outcome {
    let pair = Pair::silent()?;
    shell(pair, || {
        signal::block(&[SIGWINCH])?;
        terminal::set_window(pair.master, 30, 100)?;
        expect(signal::pending()?.contains(&SIGWINCH), "SIGWINCH is pending")
    })?
    .expect_success()
}

fn same_window_size_is_told_to_nobody() -> Outcome {
    let pair = Pair::silent()?;
    terminal::set_window(pair.master, 30, 100)?;
    shell(pair, || {
        signal::block(&[SIGWINCH])?;
        terminal::set_window(pair.master, 30, 100)?;
        expect(!signal::pending()?.contains(&SIGWINCH), "SIGWINCH is not pending")
    })?
    .expect_success()
}

fn closed_master_hangs_the_leader_up() -> Outcome {
    let pair = Pair::silent()?;
    let (ready, heard) = (Pipe::new()?, Pipe::new()?);
    let child = shell(pair, || {
        fd::close(pair.master)?;
        signal::block(&[SIGHUP, SIGCONT])?;
        let front = job(|| {
            signal::unblock(&[SIGHUP, SIGCONT])?;
            loop {
                process::pause();
            }
        })?;
        put(pair.terminal, front.pid)?;
        fd::write(ready.write, b"x")?;
        fd::read(heard.read, &mut [0; 1])?;
        let pending = signal::pending()?;
        expect(pending.contains(&SIGHUP) && pending.contains(&SIGCONT), "SIGHUP and SIGCONT are pending")?;
        expect(!has_terminal(), "/dev/tty cannot be opened")?;
        // The rest of the session hears only when its leader ends.
        expect(is_running(front)?, "the foreground job lives")?;
        front.kill_and_wait()
    })?;
    fd::read(ready.read, &mut [0; 1])?;
    fd::close(pair.master)?;
    fd::write(heard.write, b"x")?;
    child.expect_success()
}

/// A leader of a session with a job in the foreground, of which it tells, and which is no child of the leader's parent; it holds
/// the end of a pipe as long as it lives.
fn session_with_job(pair: Pair, alive: Pipe) -> Result<Child, Failure> {
    let ready = Pipe::new()?;
    let child = shell(pair, || {
        fd::close(pair.master)?;
        fd::close(alive.read)?;
        signal::ignore(SIGHUP)?;
        let front = job(|| {
            signal::default(SIGHUP)?;
            fd::write(ready.write, b"x")?;
            loop {
                process::pause();
            }
        })?;
        fd::close(alive.write)?;
        put(pair.terminal, front.pid)?;
        fd::write(ready.write, b"x")?;
        loop {
            process::pause();
        }
    })?;
    fd::close(alive.write)?;
    fd::read(ready.read, &mut [0; 1])?;
    fd::read(ready.read, &mut [0; 1])?;
    Ok(child)
}

fn end_of_a_leader_without_its_terminal_hangs_the_foreground_up() -> Outcome {
    let pair = Pair::silent()?;
    let alive = Pipe::new()?;
    let child = session_with_job(pair, alive)?;
    fd::close(pair.master)?;
    terminal::until_ready(pair.terminal, libc::POLLHUP)?;
    expect_eq(crate::sys::ready::revents(alive.read, libc::POLLIN)?, 0, "the foreground job lives")?;
    child.kill_and_wait()?;
    expect_eq(fd::read(alive.read, &mut [0; 1])?, 0, "bytes from the foreground job, which is gone")
}

fn end_of_the_leader_hangs_the_foreground_up() -> Outcome {
    let pair = Pair::silent()?;
    let alive = Pipe::new()?;
    let child = session_with_job(pair, alive)?;
    child.kill_and_wait()?;
    expect_eq(fd::read(alive.read, &mut [0; 1])?, 0, "bytes from the foreground job, which is gone")
}

fn end_of_the_leader_leaves_a_pseudo_terminal_usable() -> Outcome {
    let pair = Pair::silent()?;
    shell(pair, || Ok(()))?.expect_success()?;
    expect_errno(terminal::session(pair.master), ENOTTY)?;
    fd::write(pair.terminal, b"there")?;
    pair.expect_shown("there")?;
    pair.type_in("line\n")?;
    pair.expect_line("line\n")
}

fn end_of_the_leader_frees_the_terminal() -> Outcome {
    let pair = Pair::silent()?;
    shell(pair, || Ok(()))?.expect_success()?;
    let path = pair.path()?;
    leader(|| {
        let opened = path::open(&path, O_RDWR, 0)?;
        expect_eq(terminal::session(opened)?, process::getpid(), "the terminal's session")
    })?
    .expect_success()
}

fn interrupted_read_ends_with_eintr() -> Outcome {
    let pair = Pair::silent()?;
    let child = shell(pair, || {
        signal::count(SIGINT, 0)?;
        expect_errno(fd::read(pair.terminal, &mut [0; 8]), EINTR)?;
        expect_eq(signal::caught(SIGINT), 1, "signals caught")
    })?;
    child.wait_until_asleep()?;
    pair.type_in(b"\x03")?;
    child.expect_success()
}

fn tiocsig_sends_as_a_key_does() -> Outcome {
    let pair = Pair::silent()?;
    shell(pair, || {
        let child = sleeping_job()?;
        put(pair.terminal, child.pid)?;
        expect_errno(terminal::ioctl(pair.master, TIOCSIG, 0), EINVAL)?;
        terminal::ioctl(pair.master, TIOCSIG, SIGINT)?;
        expect_eq(child.wait()?.signalled(), Some(SIGINT), "what ends the job")
    })?
    .expect_success()
}
