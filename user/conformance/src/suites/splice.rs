//! splice and sendfile: contents, offsets, errors. Specification: splice(2), sendfile(2).

use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::scratch;
use crate::sys::fd::{self, Pipe};
use crate::sys::memory::{self, PAGE, pattern};
use crate::sys::splice::{sendfile_at, splice, splice_at};
use crate::sys::{path, process, ready, signal, socket};
use libc::{EAGAIN, EBADF, EINVAL, EPIPE, ESPIPE, SPLICE_F_NONBLOCK};

crate::tests! {
    splice_of_zero_bytes_returns_zero_whatever_the_descriptors,
    splice_between_two_files_gives_einval,
    splice_from_a_pipe_to_itself_gives_einval,
    splice_with_an_unknown_flag_gives_einval,
    splice_with_an_offset_for_a_pipe_gives_espipe,
    splice_at_a_negative_offset_gives_einval,
    splice_of_a_descriptor_that_is_not_open_gives_ebadf,
    splice_from_what_is_not_open_for_reading_gives_ebadf,
    splice_to_what_is_not_open_for_writing_gives_ebadf,
    splice_to_a_file_opened_for_appending_gives_einval,
    splice_from_a_directory_gives_einval,
    splice_from_a_file_moves_its_position,
    splice_from_a_file_with_an_offset_moves_the_offset_only,
    splice_to_a_file_moves_its_position,
    splice_to_a_file_with_an_offset_moves_the_offset_only,
    splice_from_the_end_of_a_file_returns_zero,
    splice_from_a_hole_gives_zeroes,
    splice_from_a_file_takes_no_more_than_the_pipe_has_room_for,
    splice_from_pipe_to_pipe_moves_the_bytes,
    splice_of_part_of_a_page_leaves_the_rest,
    splice_from_an_empty_pipe_without_writers_returns_zero,
    splice_from_an_empty_pipe_waits_for_bytes,
    splice_into_a_full_pipe_waits_for_room,
    splice_nonblock_from_an_empty_pipe_gives_eagain,
    splice_nonblock_into_a_full_pipe_gives_eagain,
    splice_between_pipes_heeds_o_nonblock_of_either,
    splice_into_a_pipe_without_readers_gives_epipe_and_sigpipe,
    splice_that_waits_is_interrupted_by_a_signal,
    splice_that_waits_is_restarted_with_sa_restart,
    splice_killed_while_it_waits_leaves_the_pipe_usable,
    splice_to_a_socket_and_from_it_carries_the_bytes,
    splice_to_what_has_no_place_for_bytes_gives_einval_before_it_looks_at_the_pipe,
    splice_from_a_stream_socket_heeds_the_flag_and_o_nonblock_of_the_pipe,
    splice_from_a_datagram_socket_heeds_its_own_o_nonblock_only,
    splice_to_dev_null_takes_everything,
    splice_keeps_packets_apart,
    splice_a_to_b_and_b_to_a_at_once_do_not_lock_up,
    file_changed_after_a_splice_shows_in_the_pipe,
    file_cut_after_a_splice_leaves_the_bytes_in_the_pipe,
    write_behind_a_spliced_page_does_not_change_the_file,
    bytes_spliced_into_a_file_do_not_change_with_their_source,
    pages_spliced_into_a_file_can_be_read_mapped_and_written,
    sendfile_from_a_pipe_gives_einval,
    sendfile_from_a_pipe_to_one_without_readers_gives_epipe_and_sigpipe,
    sendfile_from_a_pipe_to_a_full_one_that_does_not_wait_gives_eagain,
    sendfile_of_no_bytes_to_a_pipe_succeeds_if_it_has_room_whatever_the_input,
    sendfile_from_what_has_no_bytes_gives_einval_unless_none_are_wanted,
    sendfile_to_a_file_opened_for_appending_gives_einval,
    sendfile_between_files_copies_and_moves_both_positions,
    sendfile_from_a_file_to_itself_moves_its_position_once,
    sendfile_to_a_pipe_sends_what_there_is_room_for,
    sendfile_to_a_socket_sends_everything,
    sendfile_with_a_negative_offset_gives_einval,
    sendfile_without_readers_gives_epipe_and_sigpipe,
}

fn file(content: &[u8]) -> Result<i32, crate::check::Failure> {
    let file = memory::memfd(0)?;
    fd::pwrite(file, content, 0)?;
    Ok(file)
}

fn position(file: i32) -> crate::sys::Sys<i64> {
    fd::lseek(file, 0, libc::SEEK_CUR)
}

fn splice_of_zero_bytes_returns_zero_whatever_the_descriptors() -> Outcome {
    expect_eq(splice(-1, -1, 0, !0)?, 0, "bytes moved")
}

fn splice_between_two_files_gives_einval() -> Outcome {
    expect_errno(splice(file(b"x")?, file(b"")?, 1, 0), EINVAL)
}

fn splice_from_a_pipe_to_itself_gives_einval() -> Outcome {
    let pipe = Pipe::new()?;
    fd::write(pipe.write, b"x")?;
    expect_errno(splice(pipe.read, pipe.write, 1, 0), EINVAL)?;
    expect_eq(fd::fionread(pipe.read)?, 1, "bytes that are still there")
}

fn splice_with_an_unknown_flag_gives_einval() -> Outcome {
    let pipe = Pipe::new()?;
    expect_errno(splice(file(b"x")?, pipe.write, 1, 16), EINVAL)
}

fn splice_with_an_offset_for_a_pipe_gives_espipe() -> Outcome {
    let (pipe, file) = (Pipe::new()?, file(b"x")?);
    fd::write(pipe.write, b"y")?;
    expect_errno(splice_at(file, None, pipe.write, Some(&mut 0), 1, 0), ESPIPE)?;
    expect_errno(splice_at(pipe.read, Some(&mut 0), file, None, 1, 0), ESPIPE)
}

fn splice_at_a_negative_offset_gives_einval() -> Outcome {
    let (pipe, file) = (Pipe::new()?, file(b"x")?);
    expect_errno(splice_at(file, Some(&mut -1), pipe.write, None, 1, 0), EINVAL)?;
    fd::write(pipe.write, b"y")?;
    expect_errno(splice_at(pipe.read, None, file, Some(&mut -1), 1, 0), EINVAL)
}

fn splice_of_a_descriptor_that_is_not_open_gives_ebadf() -> Outcome {
    let pipe = Pipe::new()?;
    let gone = fd::dup(pipe.read)?;
    fd::close(gone)?;
    expect_errno(splice(gone, pipe.write, 1, 0), EBADF)?;
    expect_errno(splice(pipe.read, gone, 1, 0), EBADF)
}

fn splice_from_what_is_not_open_for_reading_gives_ebadf() -> Outcome {
    scratch::enter()?;
    let (pipe, other) = (Pipe::new()?, Pipe::new()?);
    let unreadable = path::open("f", libc::O_WRONLY | libc::O_CREAT, 0o600)?;
    expect_errno(splice(unreadable, pipe.write, 1, 0), EBADF)?;
    expect_errno(splice(other.write, pipe.write, 1, 0), EBADF)
}

fn splice_to_what_is_not_open_for_writing_gives_ebadf() -> Outcome {
    scratch::enter()?;
    let (pipe, other) = (Pipe::new()?, Pipe::new()?);
    fd::write(pipe.write, b"x")?;
    let unwritable = path::open("f", libc::O_RDONLY | libc::O_CREAT, 0o600)?;
    expect_errno(splice(pipe.read, unwritable, 1, 0), EBADF)?;
    expect_errno(splice(pipe.read, other.read, 1, 0), EBADF)
}

fn splice_to_a_file_opened_for_appending_gives_einval() -> Outcome {
    scratch::enter()?;
    let pipe = Pipe::new()?;
    fd::write(pipe.write, b"x")?;
    let file = path::open("f", libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND, 0o600)?;
    expect_errno(splice(pipe.read, file, 1, 0), EINVAL)?;
    expect_eq(fd::fionread(pipe.read)?, 1, "bytes that are still there")
}

fn splice_from_a_directory_gives_einval() -> Outcome {
    let pipe = Pipe::new()?;
    let directory = path::open("/", libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
    expect_errno(splice(directory, pipe.write, 1, 0), EINVAL)
}

fn splice_from_a_file_moves_its_position() -> Outcome {
    let sent = pattern(2 * PAGE + 100);
    let (pipe, file) = (Pipe::new()?, file(&sent)?);
    fd::lseek(file, 50, libc::SEEK_SET)?;
    expect_eq(splice(file, pipe.write, PAGE, 0)?, PAGE, "bytes moved")?;
    expect_eq(position(file)?, 50 + 4096, "position")?;
    expect_eq(splice(file, pipe.write, 1 << 20, 0)?, PAGE + 50, "bytes moved up to the end")?;
    expect(fd::read_up_to(pipe.read, sent.len() - 50)? == sent[50..], "the bytes are those of the file")
}

fn splice_from_a_file_with_an_offset_moves_the_offset_only() -> Outcome {
    let (pipe, file) = (Pipe::new()?, file(b"0123456789")?);
    let mut offset = 3;
    expect_eq(splice_at(file, Some(&mut offset), pipe.write, None, 4, 0)?, 4, "bytes moved")?;
    expect_eq((offset, position(file)?), (7, 0), "offset and position")?;
    expect_eq(fd::read_up_to(pipe.read, 4)?, b"3456", "bytes in the pipe")
}

fn splice_to_a_file_moves_its_position() -> Outcome {
    let (pipe, file) = (Pipe::new()?, file(b"..........")?);
    fd::write(pipe.write, b"abcdef")?;
    fd::lseek(file, 2, libc::SEEK_SET)?;
    expect_eq(splice(pipe.read, file, 4, 0)?, 4, "bytes moved")?;
    expect_eq(position(file)?, 6, "position")?;
    let mut content = [0; 10];
    fd::pread(file, &mut content, 0)?;
    expect_eq(&content, b"..abcd....", "content of the file")?;
    expect_eq(fd::read_up_to(pipe.read, 2)?, b"ef", "the rest in the pipe")
}

fn splice_to_a_file_with_an_offset_moves_the_offset_only() -> Outcome {
    let (pipe, file) = (Pipe::new()?, file(b"")?);
    let sent = pattern(3 * PAGE);
    fd::write(pipe.write, &sent)?;
    let mut offset = 4096;
    expect_eq(splice_at(pipe.read, None, file, Some(&mut offset), 3 * PAGE, 0)?, 3 * PAGE, "bytes moved")?;
    expect_eq((offset, position(file)?), (4 * 4096, 0), "offset and position")?;
    expect(fd::read_up_to(file, 5 * PAGE)? == [vec![0; PAGE], sent].concat(), "a hole, then the bytes")
}

fn splice_from_the_end_of_a_file_returns_zero() -> Outcome {
    let (pipe, file) = (Pipe::new()?, file(b"x")?);
    expect_eq(splice_at(file, Some(&mut 1), pipe.write, None, 10, 0)?, 0, "bytes moved at the end")?;
    expect_eq(splice_at(file, Some(&mut 5000), pipe.write, None, 10, 0)?, 0, "bytes moved beyond the end")
}

fn splice_from_a_hole_gives_zeroes() -> Outcome {
    let (pipe, file) = (Pipe::new()?, file(b"")?);
    path::ftruncate(file, 10_000)?;
    expect_eq(splice(file, pipe.write, 10_000, 0)?, 10_000, "bytes moved")?;
    expect(fd::read_up_to(pipe.read, 10_000)? == vec![0; 10_000], "all of them are zero")?;
    // And the zeroes are still zeroes for the next.
    fd::write(pipe.write, b"x")?;
    fd::read_up_to(pipe.read, 1)?;
    splice_at(file, Some(&mut 0), pipe.write, None, 100, 0)?;
    fd::write(pipe.write, b"after")?;
    expect(fd::read_up_to(pipe.read, 105)? == [vec![0; 100], b"after".to_vec()].concat(), "zeroes, then the write")
}

fn splice_from_a_file_takes_no_more_than_the_pipe_has_room_for() -> Outcome {
    let (pipe, file) = (Pipe::new()?, file(&pattern(200_000))?);
    expect_eq(splice(file, pipe.write, 200_000, 0)?, 65536, "bytes moved")?;
    expect_eq(position(file)?, 65536, "position")?;
    expect_eq(fd::fionread(pipe.read)?, 65536, "bytes in the pipe")
}

fn splice_from_pipe_to_pipe_moves_the_bytes() -> Outcome {
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    let sent = pattern(3 * PAGE + 10);
    fd::write(one.write, &sent)?;
    fd::write(other.write, b"first")?;
    expect_eq(splice(one.read, other.write, 1 << 20, 0)?, sent.len(), "bytes moved")?;
    expect_eq(fd::fionread(one.read)?, 0, "bytes left")?;
    // The last page takes bytes as before, whosever it is now.
    fd::write(other.write, b"last")?;
    let expected = [b"first".as_slice(), &sent, b"last"].concat();
    expect(fd::read_up_to(other.read, expected.len())? == expected, "the bytes arrive in order")
}

fn splice_of_part_of_a_page_leaves_the_rest() -> Outcome {
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    fd::write(one.write, b"abcdef")?;
    expect_eq(splice(one.read, other.write, 2, 0)?, 2, "bytes moved")?;
    fd::write(one.write, b"gh")?;
    fd::write(other.write, b"XY")?;
    expect_eq(fd::read_up_to(one.read, 6)?, b"cdefgh", "what stayed, and what was written behind it")?;
    expect_eq(fd::read_up_to(other.read, 4)?, b"abXY", "what moved, and what was written behind it")
}

fn splice_from_an_empty_pipe_without_writers_returns_zero() -> Outcome {
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    fd::close(one.write)?;
    expect_eq(splice(one.read, other.write, 1, 0)?, 0, "bytes moved to a pipe")?;
    expect_eq(splice(one.read, file(b"")?, 1, 0)?, 0, "bytes moved to a file")
}

fn splice_from_an_empty_pipe_waits_for_bytes() -> Outcome {
    let (one, other, file) = (Pipe::new()?, Pipe::new()?, file(b"")?);
    for output in [other.write, file] {
        let child = process::spawn(|| expect_eq(splice(one.read, output, 100, 0)?, 4, "bytes moved"))?;
        child.wait_until_asleep()?;
        fd::write(one.write, b"late")?;
        child.expect_success()?;
    }
    expect_eq(fd::read_up_to(other.read, 4)?, b"late", "bytes that arrive")
}

fn splice_into_a_full_pipe_waits_for_room() -> Outcome {
    let (one, other, file) = (Pipe::new()?, Pipe::new()?, file(b"late")?);
    fd::write(one.write, b"late")?;
    fd::fill(other.write)?;
    fd::fcntl(other.write, libc::F_SETFL, 0)?;
    for input in [one.read, file] {
        let child = process::spawn(|| expect_eq(splice(input, other.write, 100, 0)?, 4, "bytes moved"))?;
        child.wait_until_asleep()?;
        fd::read_up_to(other.read, PAGE)?;
        child.expect_success()?;
    }
    let rest = fd::fionread(other.read)?;
    expect(fd::read_up_to(other.read, rest)?.ends_with(b"latelate"), "the bytes come last")
}

fn splice_nonblock_from_an_empty_pipe_gives_eagain() -> Outcome {
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    expect_errno(splice(one.read, other.write, 1, SPLICE_F_NONBLOCK), EAGAIN)?;
    expect_errno(splice(one.read, file(b"")?, 1, SPLICE_F_NONBLOCK), EAGAIN)
}

fn splice_nonblock_into_a_full_pipe_gives_eagain() -> Outcome {
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    fd::write(one.write, b"x")?;
    fd::fill(other.write)?;
    fd::fcntl(other.write, libc::F_SETFL, 0)?;
    expect_errno(splice(one.read, other.write, 1, SPLICE_F_NONBLOCK), EAGAIN)?;
    expect_errno(splice(file(b"x")?, other.write, 1, SPLICE_F_NONBLOCK), EAGAIN)?;
    expect_eq(fd::fionread(one.read)?, 1, "bytes that are still there")
}

fn splice_between_pipes_heeds_o_nonblock_of_either() -> Outcome {
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    fd::set_status_flag(other.write, libc::O_NONBLOCK)?;
    expect_errno(splice(one.read, other.write, 1, 0), EAGAIN)?;
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    fd::set_status_flag(one.read, libc::O_NONBLOCK)?;
    expect_errno(splice(one.read, other.write, 1, 0), EAGAIN)
}

fn splice_into_a_pipe_without_readers_gives_epipe_and_sigpipe() -> Outcome {
    signal::count(libc::SIGPIPE, 0)?;
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    fd::write(one.write, b"x")?;
    fd::close(other.read)?;
    expect_errno(splice(one.read, other.write, 1, 0), EPIPE)?;
    expect_errno(splice(file(b"x")?, other.write, 1, 0), EPIPE)?;
    expect_eq(signal::caught(libc::SIGPIPE), 2, "SIGPIPE handlers run")?;
    expect_eq(fd::fionread(one.read)?, 1, "bytes that are still there")
}

fn splice_that_waits_is_interrupted_by_a_signal() -> Outcome {
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    let child = process::spawn(|| {
        signal::count(libc::SIGUSR1, 0)?;
        expect_errno(splice(one.read, other.write, 1, 0), libc::EINTR)
    })?;
    child.wait_until_asleep()?;
    child.kill(libc::SIGUSR1)?;
    child.expect_success()
}

fn splice_that_waits_is_restarted_with_sa_restart() -> Outcome {
    let (one, file) = (Pipe::new()?, file(b"")?);
    let child = process::spawn(|| {
        signal::count(libc::SIGUSR1, libc::SA_RESTART)?;
        expect_eq(splice(one.read, file, 9, 0)?, 1, "bytes moved")?;
        expect_eq(signal::caught(libc::SIGUSR1), 1, "handlers run")
    })?;
    child.wait_until_asleep()?;
    child.kill(libc::SIGUSR1)?;
    // One that waits for its turn to run the handler is not asleep.
    process::wait_for_state(child.pid, 'S')?;
    fd::write(one.write, b"x")?;
    child.expect_success()
}

fn splice_killed_while_it_waits_leaves_the_pipe_usable() -> Outcome {
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    for _ in 0..3 {
        let child = process::spawn(|| splice(one.read, other.write, 1, 0).map(drop).map_err(Into::into))?;
        child.wait_until_asleep()?;
        child.kill_and_wait()?;
    }
    fd::write(one.write, b"x")?;
    expect_eq(splice(one.read, other.write, 9, 0)?, 1, "bytes moved afterwards")?;
    expect_eq(fd::read_up_to(other.read, 1)?, b"x", "bytes that arrive")
}

fn splice_to_a_socket_and_from_it_carries_the_bytes() -> Outcome {
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    let [here, there] = socket::pair(libc::SOCK_STREAM)?;
    let sent = pattern(2 * PAGE + 7);
    fd::write(one.write, &sent)?;
    expect_eq(splice(one.read, here, 1 << 20, 0)?, sent.len(), "bytes moved to the socket")?;
    let mut moved = 0;
    while moved < sent.len() {
        moved += splice(there, other.write, 1 << 20, 0)?;
    }
    expect(fd::read_up_to(other.read, sent.len())? == sent, "the bytes arrive")?;
    expect_errno(splice(there, other.write, 1, SPLICE_F_NONBLOCK), EAGAIN)?;
    expect_errno(splice_at(there, Some(&mut 0), other.write, None, 1, 0), EINVAL)
}

fn splice_to_what_has_no_place_for_bytes_gives_einval_before_it_looks_at_the_pipe() -> Outcome {
    let (waiting, ended) = (Pipe::anonymous(libc::O_NONBLOCK)?, Pipe::anonymous(0)?);
    fd::close(ended.write)?;
    for place in [fd::eventfd(0, 0)?, ready::epoll_create()?] {
        expect_errno(splice(waiting.read, place, 8, 0), EINVAL)?;
        expect_errno(splice(ended.read, place, 8, 0), EINVAL)?;
    }
    Ok(())
}

fn splice_from_a_stream_socket_heeds_the_flag_and_o_nonblock_of_the_pipe() -> Outcome {
    let [socket, _mate] = socket::pair(libc::SOCK_STREAM)?;
    let (pipe, nonblocking) = (Pipe::anonymous(0)?, Pipe::anonymous(libc::O_NONBLOCK)?);
    expect_errno(splice(socket, pipe.write, 1, SPLICE_F_NONBLOCK), EAGAIN)?;
    expect_errno(splice(socket, nonblocking.write, 1, 0), EAGAIN)?;
    expect_errno(fd::sendfile(nonblocking.write, socket, 1), EAGAIN)
}

fn splice_from_a_datagram_socket_heeds_its_own_o_nonblock_only() -> Outcome {
    let [socket, mate] = socket::pair(libc::SOCK_DGRAM)?;
    let pipe = Pipe::anonymous(libc::O_NONBLOCK)?;
    let waiter = process::spawn(|| expect_eq(splice(socket, pipe.write, 5, SPLICE_F_NONBLOCK)?, 5, "bytes moved"))?;
    waiter.wait_until_asleep()?;
    socket::send(mate, b"bytes", 0)?;
    waiter.expect_success()?;
    fd::set_status_flag(socket, libc::O_NONBLOCK)?;
    expect_errno(splice(socket, pipe.write, 1, 0), EAGAIN)
}

fn splice_to_dev_null_takes_everything() -> Outcome {
    let pipe = Pipe::new()?;
    let null = path::open("/dev/null", libc::O_WRONLY, 0)?;
    fd::write(pipe.write, &pattern(50_000))?;
    expect_eq(splice(pipe.read, null, 10, 0)?, 10, "bytes moved first")?;
    expect_eq(splice(pipe.read, null, 1 << 20, 0)?, 49_990, "bytes moved then")?;
    expect_eq(fd::fionread(pipe.read)?, 0, "bytes left")
}

fn splice_keeps_packets_apart() -> Outcome {
    let (one, other) = (Pipe::with_flags(libc::O_DIRECT)?, Pipe::with_flags(libc::O_DIRECT)?);
    fd::write(one.write, b"one")?;
    fd::write(one.write, b"three")?;
    expect_eq(splice(one.read, other.write, 100, 0)?, 8, "bytes moved")?;
    let mut buffer = [0; 100];
    expect_eq(fd::read(other.read, &mut buffer)?, 3, "length of the first packet")?;
    expect_eq(fd::read(other.read, &mut buffer)?, 5, "length of the second packet")
}

fn splice_a_to_b_and_b_to_a_at_once_do_not_lock_up() -> Outcome {
    exchange_pages(&Pipe::new()?, &Pipe::new()?)
}

/// Two processes each way splice pages between two rings, which must not lock up.
pub fn exchange_pages(one: &Pipe, other: &Pipe) -> Outcome {
    const ROUNDS: usize = 2000;
    fd::write(one.write, &pattern(3 * PAGE))?;
    fd::write(other.write, &pattern(3 * PAGE))?;
    let mut children = Vec::new();
    for turn in 0..4 {
        let (from, to) = if turn % 2 == 0 { (one.read, other.write) } else { (other.read, one.write) };
        // Each direction moves as many pages as the other: whoever waits for one will get it.
        children.push(process::spawn(|| {
            (0..ROUNDS).try_for_each(|_| expect_eq(splice(from, to, PAGE, 0)?, PAGE, "bytes moved"))
        })?);
    }
    children.into_iter().try_for_each(process::Child::expect_success)?;
    expect_eq(fd::fionread(one.read)? + fd::fionread(other.read)?, 6 * PAGE, "bytes in both")
}

fn file_changed_after_a_splice_shows_in_the_pipe() -> Outcome {
    let (pipe, file) = (Pipe::new()?, file(&pattern(PAGE))?);
    splice(file, pipe.write, PAGE, 0)?;
    fd::pwrite(file, b"new", 10)?;
    expect_eq(&fd::read_up_to(pipe.read, PAGE)?[9..14], [9, b'n', b'e', b'w', 13], "bytes around the change")
}

fn file_cut_after_a_splice_leaves_the_bytes_in_the_pipe() -> Outcome {
    let sent = pattern(2 * PAGE);
    let (pipe, file) = (Pipe::new()?, file(&sent)?);
    splice(file, pipe.write, 2 * PAGE, 0)?;
    path::ftruncate(file, 0)?;
    path::ftruncate(file, 8192)?;
    expect(fd::read_up_to(pipe.read, 2 * PAGE)? == sent, "the bytes are still those that were spliced")
}

fn write_behind_a_spliced_page_does_not_change_the_file() -> Outcome {
    let sent = pattern(PAGE);
    let (pipe, file) = (Pipe::new()?, file(&sent)?);
    // Slots that have been used: what marked them for merging must not last.
    for _ in 0..16 {
        fd::write(pipe.write, &[1; PAGE])?;
    }
    fd::read_up_to(pipe.read, 16 * PAGE)?;
    splice(file, pipe.write, 1, 0)?;
    fd::write(pipe.write, b"overwritten?")?;
    let mut content = vec![0; PAGE];
    fd::pread(file, &mut content, 0)?;
    expect(content == sent, "the file is as it was")?;
    expect_eq(fd::read_up_to(pipe.read, 13)?, b"\0overwritten?", "bytes in the pipe")
}

fn bytes_spliced_into_a_file_do_not_change_with_their_source() -> Outcome {
    let sent = pattern(PAGE);
    let (pipe, one, other) = (Pipe::new()?, file(&sent)?, file(b"")?);
    splice(one, pipe.write, PAGE, 0)?;
    expect_eq(splice(pipe.read, other, PAGE, 0)?, PAGE, "bytes moved")?;
    fd::pwrite(one, b"changed", 0)?;
    let mut content = vec![0; PAGE];
    fd::pread(other, &mut content, 0)?;
    expect(content == sent, "the second file keeps what it got")
}

fn pages_spliced_into_a_file_can_be_read_mapped_and_written() -> Outcome {
    let sent = pattern(2 * PAGE);
    let (pipe, file) = (Pipe::new()?, file(b"")?);
    fd::write(pipe.write, &sent)?;
    splice(pipe.read, file, 2 * PAGE, 0)?;
    let mapping = memory::map(memory::Request::file(file, 2 * PAGE, libc::MAP_SHARED))?;
    expect(mapping.load_all(0, 2 * PAGE) == sent, "the mapping shows the bytes")?;
    mapping.store(5, 99);
    // Once more over a page that is mapped.
    fd::write(pipe.write, &[7; PAGE])?;
    splice_at(pipe.read, None, file, Some(&mut 4096), PAGE, 0)?;
    let content = fd::read_up_to(pipe_end(file)?, 2 * PAGE)?;
    expect_eq((content[5], content[PAGE], mapping.load(PAGE)), (99, 7, 7), "store, splice, and what the mapping shows")
}

/// The file from its start.
fn pipe_end(file: i32) -> crate::sys::Sys<i32> {
    fd::lseek(file, 0, libc::SEEK_SET).map(|_| file)
}

fn sendfile_from_a_pipe_gives_einval() -> Outcome {
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    fd::write(one.write, b"x")?;
    expect_errno(fd::sendfile(other.write, one.read, 1), EINVAL)?;
    expect_errno(fd::sendfile(file(b"")?, one.read, 1), EINVAL)
}

fn sendfile_from_a_pipe_to_one_without_readers_gives_epipe_and_sigpipe() -> Outcome {
    signal::count(libc::SIGPIPE, 0)?;
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    fd::close(other.read)?;
    expect_errno(fd::sendfile(other.write, one.read, 1), EPIPE)?;
    expect_errno(fd::sendfile(other.write, one.read, 0), EPIPE)?;
    expect_eq(signal::caught(libc::SIGPIPE), 2, "SIGPIPE handlers run")
}

fn sendfile_from_a_pipe_to_a_full_one_that_does_not_wait_gives_eagain() -> Outcome {
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    fd::write(one.write, b"x")?;
    fd::fill(other.write)?;
    expect_errno(fd::sendfile(other.write, one.read, 1), EAGAIN)?;
    expect_errno(fd::sendfile(other.write, one.read, 0), EAGAIN)
}

fn sendfile_of_no_bytes_to_a_pipe_succeeds_if_it_has_room_whatever_the_input() -> Outcome {
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    let [stream, _mate] = socket::pair(libc::SOCK_STREAM)?;
    for input in [one.read, other.read, stream, fd::eventfd(0, 0)?, file(b"x")?] {
        expect_eq(fd::sendfile(other.write, input, 0)?, 0, "bytes sent")?;
    }
    Ok(())
}

fn sendfile_from_what_has_no_bytes_gives_einval_unless_none_are_wanted() -> Outcome {
    let (event, target) = (fd::eventfd(1, 0)?, file(b"")?);
    expect_eq(fd::sendfile(target, event, 0)?, 0, "bytes sent")?;
    expect_errno(fd::sendfile(target, event, 8), EINVAL)?;
    let [stream, _mate] = socket::pair(libc::SOCK_STREAM)?;
    expect_errno(fd::sendfile(target, stream, 0), EINVAL)
}

fn sendfile_to_a_file_opened_for_appending_gives_einval() -> Outcome {
    scratch::enter()?;
    let output = path::open("f", libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND, 0o600)?;
    expect_errno(fd::sendfile(output, file(b"x")?, 1), EINVAL)
}

fn sendfile_between_files_copies_and_moves_both_positions() -> Outcome {
    let sent = pattern(300_000);
    let (one, other) = (file(&sent)?, file(b"")?);
    fd::lseek(one, 1000, libc::SEEK_SET)?;
    fd::lseek(other, 10, libc::SEEK_SET)?;
    expect_eq(fd::sendfile(other, one, 250_000)?, 250_000, "bytes sent")?;
    expect_eq((position(one)?, position(other)?), (251_000, 250_010), "positions")?;
    fd::pwrite(one, &[255; 1000], 1000)?;
    let content = fd::read_up_to(pipe_end(other)?, 300_000)?;
    expect(content[..10] == [0; 10] && content[10..] == sent[1000..251_000], "a copy of its own")
}

fn sendfile_from_a_file_to_itself_moves_its_position_once() -> Outcome {
    let content = pattern(300_000);
    let file = file(&content)?;
    let same = fd::dup(file)?;
    expect_eq(fd::sendfile(same, file, 1)?, 1, "bytes sent")?;
    expect_eq(position(file)?, 1, "position")?;
    expect_eq(fd::sendfile(file, file, 250_000)?, 250_000, "bytes sent then")?;
    expect_eq(position(file)?, 250_001, "position then")?;
    expect(fd::read_up_to(pipe_end(file)?, 400_000)? == content, "the content stays")
}

fn sendfile_to_a_pipe_sends_what_there_is_room_for() -> Outcome {
    let (pipe, file) = (Pipe::new()?, file(&pattern(200_000))?);
    let mut offset = 5;
    expect_eq(sendfile_at(pipe.write, file, &mut offset, 60_000)?, 60_000, "bytes sent first")?;
    expect_eq(offset, 60_005, "offset")?;
    let more = sendfile_at(pipe.write, file, &mut offset, 200_000)?;
    expect(more < 10_000, "only what there is room for")?;
    expect_eq(usize::try_from(offset).unwrap_or(0), 60_005 + more, "offset")
}

fn sendfile_to_a_socket_sends_everything() -> Outcome {
    const TOTAL: usize = 1_000_000;
    let [here, there] = socket::pair(libc::SOCK_STREAM)?;
    let sent = pattern(TOTAL);
    let file = file(&sent)?;
    let child = process::spawn(|| {
        fd::close(there)?;
        expect_eq(fd::sendfile(here, file, TOTAL)?, TOTAL, "bytes sent")
    })?;
    fd::close(here)?;
    expect(fd::read_up_to(there, TOTAL + 1)? == sent, "the bytes arrive")?;
    child.expect_success()
}

fn sendfile_with_a_negative_offset_gives_einval() -> Outcome {
    let pipe = Pipe::new()?;
    expect_errno(sendfile_at(pipe.write, file(b"x")?, &mut -1, 1), EINVAL)
}

fn sendfile_without_readers_gives_epipe_and_sigpipe() -> Outcome {
    signal::count(libc::SIGPIPE, 0)?;
    let (pipe, file) = (Pipe::new()?, file(b"x")?);
    fd::close(pipe.read)?;
    expect_errno(fd::sendfile(pipe.write, file, 1), EPIPE)?;
    expect_eq(signal::caught(libc::SIGPIPE), 1, "SIGPIPE handlers run")?;
    expect_eq(position(file)?, 0, "position")
}
