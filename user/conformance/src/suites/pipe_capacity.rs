//! Pipes: capacity and poll masks. Specification: fcntl(2) F_SETPIPE_SZ, F_GETPIPE_SZ; poll(2); pipe(7) "Pipe capacity".

use crate::check::{Outcome, expect, expect_eq, expect_errno, needs_root, skip};
use crate::sys::fd::{self, Pipe};
use crate::sys::memory::PAGE;
use crate::sys::{Sys, process, ready};
use libc::{POLLERR, POLLHUP, POLLIN, POLLOUT};

crate::tests! {
    new_pipe_holds_sixty_four_kibibytes,
    capacity_is_filled_to_the_last_byte,
    setting_the_size_rounds_up_to_a_power_of_two_pages,
    setting_a_size_of_less_than_a_page_gives_one_page,
    setting_a_size_below_what_is_used_gives_ebusy,
    growing_and_shrinking_keep_the_bytes_in_order,
    growing_lets_a_blocked_writer_go_on,
    exceeding_pipe_max_size_gives_eperm_without_privilege,
    setting_a_negative_size_gives_einval,
    setting_more_than_can_be_had_gives_enomem_to_root,
    size_of_something_else_than_a_pipe_gives_ebadf,
    poll_of_an_empty_pipe_says_only_writable,
    poll_of_a_pipe_with_bytes_says_readable_and_writable,
    poll_of_a_full_pipe_says_not_writable,
    poll_of_the_read_end_without_writers_says_hang_up,
    poll_of_the_read_end_with_bytes_and_no_writers_says_both,
    poll_of_the_write_end_without_readers_says_error,
    pipe_becomes_writable_again_when_a_page_is_free,
}

fn capacity(end: i32) -> Sys<usize> {
    fd::fcntl(end, libc::F_GETPIPE_SZ, 0).map(|size| size.unsigned_abs() as usize)
}

fn new_pipe_holds_sixty_four_kibibytes() -> Outcome {
    let pipe = Pipe::new()?;
    expect_eq(capacity(pipe.read)?, 65536, "F_GETPIPE_SZ of the read end")?;
    expect_eq(capacity(pipe.write)?, 65536, "F_GETPIPE_SZ of the write end")
}

fn capacity_is_filled_to_the_last_byte() -> Outcome {
    let pipe = Pipe::new()?;
    expect_eq(fd::fill(pipe.write)?, 65536, "bytes that went in")?;
    expect_eq(fd::fionread(pipe.read)?, 65536, "bytes that wait")
}

fn setting_the_size_rounds_up_to_a_power_of_two_pages() -> Outcome {
    let pipe = Pipe::new()?;
    for (asked, given) in [(PAGE + 1, 2 * PAGE), (3 * PAGE, 4 * PAGE), (5 * PAGE, 8 * PAGE), (131_072, 131_072)] {
        let asked = i32::try_from(asked).unwrap_or(0);
        let size = fd::fcntl(pipe.write, libc::F_SETPIPE_SZ, asked)?;
        expect_eq(size.unsigned_abs() as usize, given, "what F_SETPIPE_SZ returns")?;
        expect_eq(capacity(pipe.read)?, given, "what F_GETPIPE_SZ returns")?;
    }
    Ok(())
}

fn setting_a_size_of_less_than_a_page_gives_one_page() -> Outcome {
    let pipe = Pipe::new()?;
    expect_eq(fd::fcntl(pipe.write, libc::F_SETPIPE_SZ, 1)?, 4096, "what F_SETPIPE_SZ returns")?;
    expect_eq(fd::fill(pipe.write)?, PAGE, "bytes that went in")
}

fn setting_a_size_below_what_is_used_gives_ebusy() -> Outcome {
    let pipe = Pipe::new()?;
    fd::write(pipe.write, &[1; 3 * PAGE])?;
    expect_errno(fd::fcntl(pipe.write, libc::F_SETPIPE_SZ, 4096), libc::EBUSY)?;
    expect_eq(capacity(pipe.write)?, 65536, "the size as before")?;
    expect_eq(fd::fionread(pipe.read)?, 3 * PAGE, "bytes in the pipe")
}

fn growing_and_shrinking_keep_the_bytes_in_order() -> Outcome {
    let pipe = Pipe::new()?;
    let sent: Vec<u8> = (0..=250).cycle().take(14 * PAGE).collect();
    // Move the ring's head first, so that the bytes wrap around its end.
    fd::write(pipe.write, &[0; 10 * PAGE])?;
    fd::read_up_to(pipe.read, 10 * PAGE)?;
    fd::write(pipe.write, &sent)?;
    fd::fcntl(pipe.write, libc::F_SETPIPE_SZ, 1 << 18)?;
    expect(fd::read_up_to(pipe.read, 12 * PAGE)? == sent[..12 * PAGE], "the first bytes are as sent")?;
    fd::fcntl(pipe.write, libc::F_SETPIPE_SZ, 2 * 4096)?;
    expect(fd::read_up_to(pipe.read, 2 * PAGE)? == sent[12 * PAGE..], "the last bytes are as sent")
}

fn growing_lets_a_blocked_writer_go_on() -> Outcome {
    let pipe = Pipe::new()?;
    fd::fill(pipe.write)?;
    fd::fcntl(pipe.write, libc::F_SETFL, 0)?;
    let writer = process::spawn(|| expect_eq(fd::write(pipe.write, b"more")?, 4, "bytes written"))?;
    writer.wait_until_asleep()?;
    fd::fcntl(pipe.write, libc::F_SETPIPE_SZ, 1 << 17)?;
    writer.expect_success()
}

fn exceeding_pipe_max_size_gives_eperm_without_privilege() -> Outcome {
    needs_root()?;
    let limit = std::fs::read_to_string("/proc/sys/fs/pipe-max-size")?;
    let limit: i32 = limit.trim().parse().unwrap_or(1 << 20);
    process::become_user(12345)?;
    let pipe = Pipe::new()?;
    expect_errno(fd::fcntl(pipe.write, libc::F_SETPIPE_SZ, limit + 1), libc::EPERM)?;
    expect_eq(capacity(pipe.write)?, 65536, "the size as before")
}

fn setting_a_negative_size_gives_einval() -> Outcome {
    let pipe = Pipe::new()?;
    expect_errno(fd::fcntl(pipe.write, libc::F_SETPIPE_SZ, -1), libc::EINVAL)
}

fn setting_more_than_can_be_had_gives_enomem_to_root() -> Outcome {
    needs_root()?;
    let pipe = Pipe::new()?;
    if fd::fcntl(pipe.write, libc::F_SETPIPE_SZ, i32::MAX).is_err_and(|error| error.errno == libc::EPERM) {
        return skip("this root lacks CAP_SYS_RESOURCE");
    }
    for size in [i32::MAX, 1 << 30, 1 << 29] {
        expect_errno(fd::fcntl(pipe.write, libc::F_SETPIPE_SZ, size), libc::ENOMEM)?;
    }
    expect_eq(capacity(pipe.write)?, 65536, "the size as before")
}

fn size_of_something_else_than_a_pipe_gives_ebadf() -> Outcome {
    let event = fd::eventfd(0, 0)?;
    expect_errno(fd::fcntl(event, libc::F_GETPIPE_SZ, 0), libc::EBADF)
}

fn poll_of_an_empty_pipe_says_only_writable() -> Outcome {
    let pipe = Pipe::new()?;
    expect_eq(ready::revents(pipe.read, POLLIN | POLLOUT)?, 0, "revents of the read end")?;
    expect_eq(ready::revents(pipe.write, POLLIN | POLLOUT)?, POLLOUT, "revents of the write end")
}

fn poll_of_a_pipe_with_bytes_says_readable_and_writable() -> Outcome {
    let pipe = Pipe::new()?;
    fd::write(pipe.write, b"x")?;
    expect_eq(ready::revents(pipe.read, POLLIN | POLLOUT)?, POLLIN, "revents of the read end")?;
    expect_eq(ready::revents(pipe.write, POLLIN | POLLOUT)?, POLLOUT, "revents of the write end")
}

fn poll_of_a_full_pipe_says_not_writable() -> Outcome {
    let pipe = Pipe::new()?;
    fd::fill(pipe.write)?;
    expect_eq(ready::revents(pipe.write, POLLOUT)?, 0, "revents of the write end")
}

fn poll_of_the_read_end_without_writers_says_hang_up() -> Outcome {
    let pipe = Pipe::new()?;
    fd::close(pipe.write)?;
    expect_eq(ready::revents(pipe.read, POLLIN)?, POLLHUP, "revents")?;
    expect_eq(ready::revents(pipe.read, 0)?, POLLHUP, "revents when nothing is asked for")
}

fn poll_of_the_read_end_with_bytes_and_no_writers_says_both() -> Outcome {
    let pipe = Pipe::new()?;
    fd::write(pipe.write, b"x")?;
    fd::close(pipe.write)?;
    expect_eq(ready::revents(pipe.read, POLLIN)?, POLLIN | POLLHUP, "revents")
}

fn poll_of_the_write_end_without_readers_says_error() -> Outcome {
    let pipe = Pipe::new()?;
    fd::close(pipe.read)?;
    expect_eq(ready::revents(pipe.write, POLLOUT)?, POLLOUT | POLLERR, "revents")?;
    fd::close(pipe.write)?;
    let full = Pipe::new()?;
    fd::fill(full.write)?;
    fd::close(full.read)?;
    expect_eq(ready::revents(full.write, 0)?, POLLERR, "revents when nothing is asked for")
}

fn pipe_becomes_writable_again_when_a_page_is_free() -> Outcome {
    let pipe = Pipe::new()?;
    fd::fill(pipe.write)?;
    // poll(2): a write of PIPE_BUF bytes must not block on a pipe that is writable, so a few bytes do not suffice.
    fd::read_up_to(pipe.read, 100)?;
    expect_eq(ready::revents(pipe.write, POLLOUT)?, 0, "revents after reading 100 bytes")?;
    fd::read_up_to(pipe.read, PAGE - 100)?;
    expect_eq(ready::revents(pipe.write, POLLOUT)?, POLLOUT, "revents after reading a page")
}
