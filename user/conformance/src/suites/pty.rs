//! Pseudo-terminals: /dev/ptmx, and what passes between the two sides.
//! Specification: pty(7), pts(4), ptmx(4), grantpt(3), ioctl_tty(2); pty.c of Linux.

use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno, failed, needs_root};
use crate::sys::terminal::{self, Pair, expect_read, expect_silence, read_bytes, read_some};
use crate::sys::{fd, path, process, ready};
use libc::{
    EAGAIN, EBUSY, EIO, ENOENT, ENOTTY, O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDWR, POLLERR, POLLHUP, POLLIN, POLLOUT,
    POLLPRI,
};

crate::tests! {
    closed_master_frees_its_number_for_the_next,
    number_is_not_given_again_while_the_terminal_is_open,
    terminal_is_locked_at_first,
    terminal_can_be_locked_again,
    peer_opens_without_a_path,
    names_of_libc_lead_to_the_terminal,
    terminal_belongs_to_who_opened_the_master,
    name_goes_with_the_master,
    master_is_a_terminal_and_a_number_only_it_has,
    what_is_written_to_the_master_is_typed,
    what_a_program_writes_comes_to_the_master,
    what_is_typed_before_the_terminal_is_opened_is_kept,
    master_waits_until_the_terminal_is_opened_first,
    master_reads_the_rest_and_then_eio_once_nobody_has_the_terminal,
    opening_the_terminal_again_ends_the_hang_up,
    blocked_master_hears_of_the_last_close,
    closed_master_hangs_the_terminal_up,
    blocked_reader_hears_of_the_closed_master,
    full_terminal_holds_the_master_back,
    full_master_holds_programs_back,
    much_output_arrives_whole_and_in_order,
    much_input_arrives_whole_and_in_order,
    epoll_sees_both_sides,
    both_sides_have_the_same_settings,
    settings_outlive_the_last_close,
    exclusive_terminal_is_opened_by_the_privileged_only,
    exclusive_mode_outlives_the_last_close,
    exclusive_mode_of_the_master_keeps_nobody_out,
    window_size_is_the_same_on_both_sides,
    fionread_counts_what_each_side_may_read,
    flushed_input_is_not_read,
    master_flushes_what_it_has_not_read,
    packet_mode_puts_a_zero_before_data,
    packet_mode_tells_of_flushes,
    packet_mode_tells_of_stopped_output,
    packet_mode_tells_of_flow_control,
}

const TIOCPKT: u32 = 0x5420;
const TIOCEXCL: u32 = 0x540c;
const TIOCNXCL: u32 = 0x540d;
const TIOCGEXCL: u32 = 0x8004_5440;

fn is_gone(pair: Pair) -> Outcome {
    fd::close(pair.terminal)?;
    Ok(fd::close(pair.master)?)
}

fn closed_master_frees_its_number_for_the_next() -> Outcome {
    let (first, second) = (Pair::open()?, Pair::open()?);
    let (low, high) = (terminal::number(first.master)?, terminal::number(second.master)?);
    expect(low < high, "the lower number is given first")?;
    is_gone(first)?;
    expect_eq(terminal::number(Pair::open()?.master)?, low, "the next number")
}

fn number_is_not_given_again_while_the_terminal_is_open() -> Outcome {
    let first = Pair::open()?;
    let number = terminal::number(first.master)?;
    fd::close(first.master)?;
    expect(terminal::number(Pair::open()?.master)? != number, "the number is another one")?;
    fd::close(first.terminal)?;
    expect_eq(terminal::number(Pair::open()?.master)?, number, "the next number")
}

fn terminal_is_locked_at_first() -> Outcome {
    Pair::open()?;
    let master = terminal::open_master()?;
    expect_eq(terminal::lock(master)?, 1, "the lock")?;
    let name = terminal::ptsname(master)?;
    expect_errno(path::open(&name, O_RDWR | O_NOCTTY, 0), EIO)?;
    expect_errno(terminal::open_peer(master, O_RDWR | O_NOCTTY), EIO)?;
    terminal::set_lock(master, 0)?;
    expect_eq(terminal::lock(master)?, 0, "the lock")?;
    path::open(&name, O_RDWR | O_NOCTTY, 0)?;
    Ok(())
}

fn terminal_can_be_locked_again() -> Outcome {
    let pair = Pair::open()?;
    terminal::set_lock(pair.master, 1)?;
    expect_errno(path::open(&pair.path()?, O_RDWR | O_NOCTTY, 0), EIO)?;
    terminal::set_lock(pair.master, 0)?;
    path::open(&pair.path()?, O_RDWR | O_NOCTTY, 0)?;
    Ok(())
}

fn peer_opens_without_a_path() -> Outcome {
    let pair = Pair::open()?;
    let peer = terminal::open_peer(pair.master, O_RDWR | O_NOCTTY | O_CLOEXEC)?;
    expect_eq(fd::fcntl(peer, libc::F_GETFD, 0)?, libc::FD_CLOEXEC, "the descriptor's flags")?;
    expect_eq(path::fstat(peer)?.st_rdev, path::fstat(pair.terminal)?.st_rdev, "the device")?;
    expect_errno(terminal::open_peer(pair.terminal, O_RDWR | O_NOCTTY), EIO)
}

fn names_of_libc_lead_to_the_terminal() -> Outcome {
    let pair = Pair::open()?;
    let master = terminal::open_master()?;
    terminal::grant_and_unlock(master)?;
    let name = terminal::ptsname(master)?;
    expect_eq(&name, &format!("/dev/pts/{}", terminal::number(master)?), "the name")?;
    let opened = path::open(&name, O_RDWR | O_NOCTTY, 0)?;
    expect_eq(terminal::ttyname(opened)?, name, "the name of the open terminal")?;
    expect_eq(terminal::ttyname(pair.terminal)?, pair.path()?, "the name of the peer")
}

fn terminal_belongs_to_who_opened_the_master() -> Outcome {
    let pair = Pair::open()?;
    let node = path::stat(&pair.path()?)?;
    expect_eq(node.st_mode & libc::S_IFMT, libc::S_IFCHR, "the type of the node")?;
    expect_eq(libc::major(node.st_rdev), 136, "the major number")?;
    expect_eq(libc::minor(node.st_rdev).cast_signed(), terminal::number(pair.master)?, "the minor number")?;
    expect_eq(node.st_uid, process::geteuid(), "the owner")?;
    expect_eq(node.st_mode & 0o707, 0o600, "the permissions of owner and others")
}

fn name_goes_with_the_master() -> Outcome {
    let pair = Pair::open()?;
    let name = pair.path()?;
    path::stat(&name)?;
    fd::close(pair.master)?;
    expect_errno(path::stat(&name).map(drop), ENOENT)
}

fn master_is_a_terminal_and_a_number_only_it_has() -> Outcome {
    let pair = Pair::open()?;
    let device = path::fstat(pair.master)?.st_rdev;
    expect_eq((libc::major(device), libc::minor(device)), (5, 2), "the master's device")?;
    terminal::settings(pair.master)?;
    expect_errno(terminal::number(pair.terminal), ENOTTY)
}

fn what_is_written_to_the_master_is_typed() -> Outcome {
    let pair = Pair::open()?;
    pair.type_in("hello\r")?;
    pair.expect_line("hello\n")?;
    pair.expect_shown("hello\r\n")
}

fn what_a_program_writes_comes_to_the_master() -> Outcome {
    let pair = Pair::open()?;
    fd::write(pair.terminal, b"one\ntwo")?;
    pair.expect_shown("one\r\ntwo")?;
    expect_silence(pair.master)?;
    expect_silence(pair.terminal)
}

fn what_is_typed_before_the_terminal_is_opened_is_kept() -> Outcome {
    Pair::open()?;
    let master = terminal::open_master()?;
    fd::write(master, b"early\n")?;
    terminal::set_lock(master, 0)?;
    let pair = Pair { master, terminal: terminal::open_peer(master, O_RDWR | O_NOCTTY)? };
    pair.expect_line("early\n")
}

fn master_waits_until_the_terminal_is_opened_first() -> Outcome {
    Pair::open()?;
    let master = terminal::open_master()?;
    fd::set_status_flag(master, O_NONBLOCK)?;
    expect_errno(fd::read(master, &mut [0; 8]), EAGAIN)?;
    expect_eq(ready::revents(master, POLLIN | POLLOUT)?, POLLOUT, "what poll reports")
}

fn master_reads_the_rest_and_then_eio_once_nobody_has_the_terminal() -> Outcome {
    let pair = Pair::open()?;
    let other = fd::dup(pair.terminal)?;
    fd::write(pair.terminal, b"bye")?;
    fd::close(pair.terminal)?;
    expect_eq(ready::revents(pair.master, POLLIN | POLLHUP)? & POLLHUP, 0, "POLLHUP while a descriptor is left")?;
    fd::close(other)?;
    pair.expect_shown("bye")?;
    expect_errno(fd::read(pair.master, &mut [0; 8]), EIO)?;
    expect_eq(ready::revents(pair.master, POLLIN | POLLOUT)?, POLLHUP | POLLOUT, "what poll reports")
}

fn opening_the_terminal_again_ends_the_hang_up() -> Outcome {
    let pair = Pair::open()?;
    fd::close(pair.terminal)?;
    terminal::until_ready(pair.master, 0)?;
    let again = path::open(&pair.path()?, O_RDWR | O_NOCTTY, 0)?;
    expect_eq(ready::revents(pair.master, POLLIN | POLLOUT)?, POLLOUT, "what poll reports")?;
    fd::write(again, b"back")?;
    pair.expect_shown("back")
}

fn blocked_master_hears_of_the_last_close() -> Outcome {
    let pair = Pair::open()?;
    let reader = process::spawn(|| {
        fd::close(pair.terminal)?;
        expect_errno(fd::read(pair.master, &mut [0; 8]), EIO)
    })?;
    reader.wait_until_asleep()?;
    fd::close(pair.terminal)?;
    reader.expect_success()
}

fn closed_master_hangs_the_terminal_up() -> Outcome {
    let pair = Pair::open()?;
    fd::close(pair.master)?;
    expect_eq(fd::read(pair.terminal, &mut [0; 8])?, 0, "bytes read")?;
    expect_errno(fd::write(pair.terminal, b"x"), EIO)?;
    expect_eq(
        ready::revents(pair.terminal, POLLIN | POLLOUT)?,
        POLLIN | POLLOUT | POLLERR | POLLHUP,
        "what poll reports",
    )?;
    expect_errno(terminal::window(pair.terminal), EIO)?;
    expect_errno(terminal::set_foreground(pair.terminal, process::getpgid(0)?), ENOTTY)
}

fn blocked_reader_hears_of_the_closed_master() -> Outcome {
    let pair = Pair::open()?;
    let reader = process::spawn(|| {
        fd::close(pair.master)?;
        // POSIX has it read the end of file; Linux says EIO to those that wait already.
        let read = fd::read(pair.terminal, &mut [0; 8]);
        if read == Ok(0) { Ok(()) } else { expect_errno(read, EIO) }
    })?;
    reader.wait_until_asleep()?;
    fd::close(pair.master)?;
    reader.expect_success()
}

/// No terminal holds so many bytes.
const ENDLESS: usize = 1 << 20;

/// Writes, without waiting, until nothing more goes in for a while; how much did.
fn fill(side: i32) -> Result<usize, Failure> {
    fd::set_status_flag(side, O_NONBLOCK)?;
    let mut total = 0;
    while total < ENDLESS {
        match fd::write(side, &[b'x'; 1000]) {
            // What is on its way makes room again, until nothing is.
            Err(error) if error.errno == EAGAIN => {
                if ready::poll(&mut [ready::wanting(side, POLLOUT)], 200)? == 0 {
                    return Ok(total);
                }
            }
            written => total += written?,
        }
    }
    Err(failed("there is always room"))
}

fn full_terminal_holds_the_master_back() -> Outcome {
    let pair = Pair::raw()?;
    let total = fill(pair.master)?;
    expect_eq(ready::revents(pair.master, POLLOUT)?, 0, "what poll reports")?;
    expect(read_bytes(pair.terminal, total)?.iter().all(|byte| *byte == b'x'), "all of it comes")?;
    terminal::until_ready(pair.master, POLLOUT)
}

fn full_master_holds_programs_back() -> Outcome {
    let pair = Pair::raw()?;
    let total = fill(terminal::open_peer(pair.master, O_RDWR | O_NOCTTY)?)?;
    // More than there can be room for, though Linux may still have made some.
    let writer = process::spawn(|| expect_eq(fd::write(pair.terminal, &[b'y'; ENDLESS])?, ENDLESS, "bytes written"))?;
    writer.wait_until_asleep()?;
    let got = read_bytes(pair.master, total + ENDLESS)?;
    expect(got[total..].iter().all(|byte| *byte == b'y'), "what waited comes last")?;
    writer.expect_success()
}

/// Bytes that show where they belong.
fn pattern(length: usize) -> Vec<u8> {
    (0_u32..).flat_map(u32::to_le_bytes).take(length).collect()
}

fn much_output_arrives_whole_and_in_order() -> Outcome {
    const LENGTH: usize = 300_000;
    let pair = Pair::raw()?;
    let writer = process::spawn(|| expect_eq(fd::write(pair.terminal, &pattern(LENGTH))?, LENGTH, "bytes written"))?;
    let got = read_bytes(pair.master, LENGTH)?;
    expect(got == pattern(LENGTH), "what was written comes")?;
    writer.expect_success()
}

fn much_input_arrives_whole_and_in_order() -> Outcome {
    const LENGTH: usize = 300_000;
    let pair = Pair::raw()?;
    let writer = process::spawn(|| expect_eq(fd::write(pair.master, &pattern(LENGTH))?, LENGTH, "bytes written"))?;
    let got = read_bytes(pair.terminal, LENGTH)?;
    expect(got == pattern(LENGTH), "what was typed comes")?;
    writer.expect_success()
}

fn epoll_sees_both_sides() -> Outcome {
    let pair = Pair::open()?;
    let epoll = ready::epoll_create()?;
    ready::epoll_add(epoll, pair.master, libc::EPOLLIN)?;
    ready::epoll_add(epoll, pair.terminal, libc::EPOLLIN)?;
    expect_eq(ready::epoll_ready(epoll)?.len(), 0, "sides that are ready")?;
    terminal::change(pair.terminal, |settings| settings.c_lflag &= !libc::ECHO)?;
    let ready_side = |fd: i32| vec![(u64::from(fd.cast_unsigned()), libc::EPOLLIN)];
    pair.type_in("x\n")?;
    expect_eq(ready::epoll_pwait(epoll, 2, 5000, None)?, ready_side(pair.terminal), "what is ready")?;
    pair.expect_line("x\n")?;
    fd::write(pair.terminal, b"y")?;
    expect_eq(ready::epoll_pwait(epoll, 2, 5000, None)?, ready_side(pair.master), "what is ready")
}

fn both_sides_have_the_same_settings() -> Outcome {
    let pair = Pair::open()?;
    terminal::change(pair.master, |settings| settings.c_cc[libc::VINTR] = 7)?;
    expect_eq(terminal::settings(pair.terminal)?.c_cc[libc::VINTR], 7, "the key set by the master")?;
    make_raw_and_compare(pair)
}

fn make_raw_and_compare(pair: Pair) -> Outcome {
    terminal::make_raw(pair.terminal)?;
    let raw = terminal::settings(pair.master)?;
    expect_eq(raw.c_lflag & (libc::ICANON | libc::ECHO | libc::ISIG), 0, "flags that the program has cleared")
}

fn settings_outlive_the_last_close() -> Outcome {
    let pair = Pair::raw()?;
    fd::close(pair.terminal)?;
    let again = terminal::open_peer(pair.master, O_RDWR | O_NOCTTY)?;
    expect_eq(terminal::settings(again)?.c_lflag & libc::ICANON, 0, "ICANON")
}

/// What comes of another user's opening of a terminal that everybody may open.
fn opened_by_somebody(pair: Pair, test: impl FnOnce(crate::sys::Sys<i32>) -> Outcome) -> Outcome {
    let path = pair.path()?;
    path::chmod(&path, 0o666)?;
    process::spawn(|| {
        process::become_user(1000)?;
        test(path::open(&path, O_RDWR | O_NOCTTY, 0))
    })?
    .expect_success()
}

fn exclusive_terminal_is_opened_by_the_privileged_only() -> Outcome {
    needs_root()?;
    let pair = Pair::open()?;
    expect_eq(terminal::ioctl_get(pair.terminal, TIOCGEXCL)?, 0, "the mode at first")?;
    terminal::ioctl(pair.terminal, TIOCEXCL, 0)?;
    expect_eq(terminal::ioctl_get(pair.terminal, TIOCGEXCL)?, 1, "the mode")?;
    opened_by_somebody(pair, |opened| expect_errno(opened, EBUSY))?;
    path::open(&pair.path()?, O_RDWR | O_NOCTTY, 0)?;
    terminal::ioctl(pair.terminal, TIOCNXCL, 0)?;
    opened_by_somebody(pair, |opened| Ok(opened.map(drop)?))
}

fn exclusive_mode_outlives_the_last_close() -> Outcome {
    needs_root()?;
    let pair = Pair::open()?;
    terminal::ioctl(pair.terminal, TIOCEXCL, 0)?;
    fd::close(pair.terminal)?;
    opened_by_somebody(pair, |opened| expect_errno(opened, EBUSY))?;
    let again = path::open(&pair.path()?, O_RDWR | O_NOCTTY, 0)?;
    expect_eq(terminal::ioctl_get(again, TIOCGEXCL)?, 1, "the mode")
}

fn exclusive_mode_of_the_master_keeps_nobody_out() -> Outcome {
    needs_root()?;
    let pair = Pair::open()?;
    terminal::ioctl(pair.master, TIOCEXCL, 0)?;
    expect_eq(terminal::ioctl_get(pair.master, TIOCGEXCL)?, 1, "the master's mode")?;
    expect_eq(terminal::ioctl_get(pair.terminal, TIOCGEXCL)?, 0, "the terminal's mode")?;
    opened_by_somebody(pair, |opened| Ok(opened.map(drop)?))
}

fn window_size_is_the_same_on_both_sides() -> Outcome {
    let pair = Pair::open()?;
    expect_eq(terminal::window(pair.terminal)?, (0, 0), "the size at first")?;
    terminal::set_window(pair.master, 24, 80)?;
    expect_eq(terminal::window(pair.terminal)?, (24, 80), "the size set by the master")?;
    terminal::set_window(pair.terminal, 50, 132)?;
    expect_eq(terminal::window(pair.master)?, (50, 132), "the size set by a program")
}

fn fionread_counts_what_each_side_may_read() -> Outcome {
    let pair = Pair::silent()?;
    fd::write(pair.terminal, b"12345")?;
    terminal::until_ready(pair.master, POLLIN)?;
    expect_eq(fd::fionread(pair.master)?, 5, "bytes for the master")?;
    pair.type_in("abc\nde")?;
    terminal::until_ready(pair.terminal, POLLIN)?;
    expect_eq(fd::fionread(pair.terminal)?, 4, "bytes of complete lines")?;
    expect_eq(terminal::ioctl_get(pair.terminal, 0x5411)?, 0, "bytes on their way (TIOCOUTQ)")
}

fn flushed_input_is_not_read() -> Outcome {
    let pair = Pair::silent()?;
    pair.type_in("gone\n")?;
    terminal::until_ready(pair.terminal, POLLIN)?;
    terminal::flush(pair.terminal, libc::TCIFLUSH)?;
    expect_silence(pair.terminal)?;
    pair.type_in("there\n")?;
    pair.expect_line("there\n")
}

fn master_flushes_what_it_has_not_read() -> Outcome {
    let pair = Pair::open()?;
    fd::write(pair.terminal, b"gone")?;
    terminal::until_ready(pair.master, POLLIN)?;
    terminal::flush(pair.master, libc::TCIFLUSH)?;
    expect_silence(pair.master)?;
    fd::write(pair.terminal, b"there")?;
    pair.expect_shown("there")
}

fn packets() -> Result<Pair, Failure> {
    let pair = Pair::silent()?;
    terminal::ioctl_set(pair.master, TIOCPKT, 1)?;
    Ok(pair)
}

fn packet_mode_puts_a_zero_before_data() -> Outcome {
    let pair = packets()?;
    fd::write(pair.terminal, b"data")?;
    expect_eq(read_some(pair.master)?, b"\0data", "what the master reads")?;
    terminal::ioctl_set(pair.master, TIOCPKT, 0)?;
    fd::write(pair.terminal, b"plain")?;
    expect_read(pair.master, b"plain")
}

fn packet_mode_tells_of_flushes() -> Outcome {
    let pair = packets()?;
    terminal::flush(pair.terminal, libc::TCIFLUSH)?;
    expect_eq(ready::revents(pair.master, POLLIN | POLLPRI)?, POLLIN | POLLPRI, "what poll reports")?;
    expect_eq(read_some(pair.master)?, [1], "the packet of TCIFLUSH")?;
    terminal::flush(pair.terminal, libc::TCOFLUSH)?;
    expect_eq(read_some(pair.master)?, [2], "the packet of TCOFLUSH")
}

fn packet_mode_tells_of_stopped_output() -> Outcome {
    let pair = packets()?;
    pair.type_in("\x13")?;
    expect_eq(read_some(pair.master)?, [4], "the packet of ^S")?;
    pair.type_in("\x11")?;
    expect_eq(read_some(pair.master)?, [8], "the packet of ^Q")
}

fn packet_mode_tells_of_flow_control() -> Outcome {
    let pair = packets()?;
    terminal::change(pair.terminal, |settings| settings.c_iflag &= !libc::IXON)?;
    expect_eq(read_some(pair.master)?, [16], "the packet without IXON")?;
    terminal::change(pair.terminal, |settings| settings.c_iflag |= libc::IXON)?;
    expect_eq(read_some(pair.master)?, [32], "the packet with IXON")
}
