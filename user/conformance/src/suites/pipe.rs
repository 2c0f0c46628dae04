//! Pipes: transfer, blocking, end of file, EPIPE. Specification: pipe(2), pipe(7), POSIX read() and write().

use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::sys::fd::{self, Pipe};
use crate::sys::{memory, path, process, signal};
use std::sync::atomic::Ordering;

crate::tests! {
    bytes_come_out_in_the_order_in_which_they_went_in,
    read_returns_what_is_there_without_waiting_for_more,
    read_of_zero_bytes_returns_zero_at_once,
    write_of_zero_bytes_returns_zero_and_adds_nothing,
    read_returns_zero_when_all_writers_have_closed,
    read_drains_the_rest_before_it_returns_end_of_file,
    end_of_file_needs_every_duplicate_of_the_write_end_closed,
    read_blocks_until_a_writer_writes,
    read_that_blocks_returns_zero_when_the_last_writer_closes,
    read_of_an_empty_nonblocking_pipe_gives_eagain,
    read_of_an_empty_nonblocking_pipe_without_writers_returns_zero,
    write_to_a_full_nonblocking_pipe_gives_eagain,
    write_blocks_while_the_pipe_is_full,
    blocking_write_larger_than_the_pipe_delivers_every_byte,
    write_without_readers_gives_epipe_and_raises_sigpipe,
    write_without_readers_kills_a_process_with_default_sigpipe,
    write_that_blocks_gets_epipe_when_the_last_reader_closes,
    write_that_delivered_a_part_before_the_last_reader_closed_returns_the_part,
    write_interrupted_after_a_part_returns_the_part,
    write_interrupted_before_any_byte_gives_eintr,
    read_interrupted_before_any_byte_gives_eintr,
    fionread_counts_the_bytes_that_wait,
    lseek_and_pread_give_espipe,
    read_of_the_write_end_and_write_of_the_read_end_give_ebadf,
    pipe2_refuses_unknown_flags_with_einval,
    pipe2_sets_close_on_exec_and_nonblock_on_both_ends,
    fstat_says_fifo,
    nonblock_belongs_to_the_open_file_and_not_to_the_pipe,
    several_blocked_readers_each_get_a_share,
}

fn bytes_come_out_in_the_order_in_which_they_went_in() -> Outcome {
    let pipe = Pipe::new()?;
    let sent: Vec<u8> = (0..=255).cycle().take(3000).collect();
    for piece in sent.chunks(7) {
        expect_eq(fd::write(pipe.write, piece)?, piece.len(), "bytes written")?;
    }
    let mut received = Vec::new();
    for length in (1..).take_while(|length| length * (length - 1) / 2 < sent.len()) {
        received.extend(fd::read_up_to(pipe.read, length.min(sent.len() - received.len()))?);
    }
    expect(received == sent, "the bytes that arrive are those sent")
}

fn read_returns_what_is_there_without_waiting_for_more() -> Outcome {
    let pipe = Pipe::new()?;
    fd::write(pipe.write, b"abc")?;
    let mut buffer = [0; 100];
    expect_eq(fd::read(pipe.read, &mut buffer)?, 3, "bytes read")?;
    expect_eq(&buffer[..4], b"abc\0", "the buffer")
}

fn read_of_zero_bytes_returns_zero_at_once() -> Outcome {
    let pipe = Pipe::new()?;
    expect_eq(fd::read(pipe.read, &mut [])?, 0, "bytes read")
}

fn write_of_zero_bytes_returns_zero_and_adds_nothing() -> Outcome {
    let pipe = Pipe::with_flags(libc::O_NONBLOCK)?;
    expect_eq(fd::write(pipe.write, &[])?, 0, "bytes written")?;
    expect_errno(fd::read(pipe.read, &mut [0; 1]), libc::EAGAIN)
}

fn read_returns_zero_when_all_writers_have_closed() -> Outcome {
    let pipe = Pipe::new()?;
    fd::close(pipe.write)?;
    expect_eq(fd::read(pipe.read, &mut [0; 8])?, 0, "bytes read")?;
    expect_eq(fd::read(pipe.read, &mut [0; 8])?, 0, "bytes read the second time")
}

fn read_drains_the_rest_before_it_returns_end_of_file() -> Outcome {
    let pipe = Pipe::new()?;
    fd::write(pipe.write, b"rest")?;
    fd::close(pipe.write)?;
    expect_eq(fd::read_up_to(pipe.read, 100)?, b"rest", "the rest")
}

fn end_of_file_needs_every_duplicate_of_the_write_end_closed() -> Outcome {
    let pipe = Pipe::with_flags(libc::O_NONBLOCK)?;
    let duplicate = fd::dup(pipe.write)?;
    fd::close(pipe.write)?;
    expect_errno(fd::read(pipe.read, &mut [0; 1]), libc::EAGAIN)?;
    fd::close(duplicate)?;
    expect_eq(fd::read(pipe.read, &mut [0; 1])?, 0, "bytes read")
}

fn read_blocks_until_a_writer_writes() -> Outcome {
    let pipe = Pipe::new()?;
    let reader = process::spawn(|| expect_eq(fd::read_up_to(pipe.read, 1)?, b"x", "the byte"))?;
    reader.wait_until_asleep()?;
    fd::write(pipe.write, b"x")?;
    reader.expect_success()
}

fn read_that_blocks_returns_zero_when_the_last_writer_closes() -> Outcome {
    let pipe = Pipe::new()?;
    let reader = process::spawn(|| {
        fd::close(pipe.write)?;
        expect_eq(fd::read(pipe.read, &mut [0; 1])?, 0, "bytes read")
    })?;
    reader.wait_until_asleep()?;
    fd::close(pipe.write)?;
    reader.expect_success()
}

fn read_of_an_empty_nonblocking_pipe_gives_eagain() -> Outcome {
    let pipe = Pipe::with_flags(libc::O_NONBLOCK)?;
    expect_errno(fd::read(pipe.read, &mut [0; 1]), libc::EAGAIN)
}

fn read_of_an_empty_nonblocking_pipe_without_writers_returns_zero() -> Outcome {
    let pipe = Pipe::with_flags(libc::O_NONBLOCK)?;
    fd::close(pipe.write)?;
    expect_eq(fd::read(pipe.read, &mut [0; 1])?, 0, "bytes read")
}

fn write_to_a_full_nonblocking_pipe_gives_eagain() -> Outcome {
    let pipe = Pipe::new()?;
    fd::fill(pipe.write)?;
    expect_errno(fd::write(pipe.write, b"x"), libc::EAGAIN)
}

fn write_blocks_while_the_pipe_is_full() -> Outcome {
    let pipe = Pipe::new()?;
    let room = fd::fill(pipe.write)?;
    fd::fcntl(pipe.write, libc::F_SETFL, 0)?;
    let writer = process::spawn(|| expect_eq(fd::write(pipe.write, b"last")?, 4, "bytes written"))?;
    writer.wait_until_asleep()?;
    expect_eq(fd::read_up_to(pipe.read, room)?.len(), room, "bytes read")?;
    writer.expect_success()?;
    expect_eq(fd::read_up_to(pipe.read, 4)?, b"last", "the blocked bytes")
}

fn blocking_write_larger_than_the_pipe_delivers_every_byte() -> Outcome {
    const TOTAL: usize = 300_001;
    let pipe = Pipe::new()?;
    let sent: Vec<u8> = (0..=250).cycle().take(TOTAL).collect();
    let writer = process::spawn(|| {
        fd::close(pipe.read)?;
        expect_eq(fd::write(pipe.write, &sent)?, TOTAL, "the count that one write returns")
    })?;
    fd::close(pipe.write)?;
    expect(fd::read_up_to(pipe.read, TOTAL + 1)? == sent, "the bytes that arrive are those sent")?;
    writer.expect_success()
}

fn write_without_readers_gives_epipe_and_raises_sigpipe() -> Outcome {
    signal::count(libc::SIGPIPE, 0)?;
    let pipe = Pipe::new()?;
    fd::close(pipe.read)?;
    expect_errno(fd::write(pipe.write, b"x"), libc::EPIPE)?;
    expect_eq(signal::caught(libc::SIGPIPE), 1, "SIGPIPE handlers run")?;
    signal::ignore(libc::SIGPIPE)?;
    expect_errno(fd::write(pipe.write, b"x"), libc::EPIPE)
}

fn write_without_readers_kills_a_process_with_default_sigpipe() -> Outcome {
    let pipe = Pipe::new()?;
    fd::close(pipe.read)?;
    let writer = process::spawn(|| {
        signal::default(libc::SIGPIPE)?;
        fd::write(pipe.write, b"x")?;
        Ok(())
    })?;
    expect_eq(writer.wait()?.signalled(), Some(libc::SIGPIPE), "the signal that killed the writer")
}

fn write_that_blocks_gets_epipe_when_the_last_reader_closes() -> Outcome {
    let pipe = Pipe::new()?;
    fd::fill(pipe.write)?;
    fd::fcntl(pipe.write, libc::F_SETFL, 0)?;
    let writer = process::spawn(|| {
        signal::ignore(libc::SIGPIPE)?;
        fd::close(pipe.read)?;
        expect_errno(fd::write(pipe.write, b"x"), libc::EPIPE)
    })?;
    writer.wait_until_asleep()?;
    fd::close(pipe.read)?;
    writer.expect_success()
}

fn write_that_delivered_a_part_before_the_last_reader_closed_returns_the_part() -> Outcome {
    let pipe = Pipe::new()?;
    let room = fd::fcntl(pipe.write, libc::F_GETPIPE_SZ, 0)?.unsigned_abs() as usize;
    let writer = process::spawn(|| {
        signal::count(libc::SIGPIPE, 0)?;
        fd::close(pipe.read)?;
        expect_eq(fd::write(pipe.write, &vec![b'x'; room + 1])?, room, "bytes written")?;
        // Linux raises SIGPIPE for the broken pipe although the write reports its part.
        expect_eq(signal::caught(libc::SIGPIPE), 1, "SIGPIPE handlers run")
    })?;
    writer.wait_until_asleep()?;
    fd::close(pipe.read)?;
    writer.expect_success()
}

fn write_interrupted_after_a_part_returns_the_part() -> Outcome {
    let pipe = Pipe::new()?;
    let room = fd::fcntl(pipe.write, libc::F_GETPIPE_SZ, 0)?.unsigned_abs() as usize;
    let writer = process::spawn(|| {
        // Even with SA_RESTART: what has been written is reported, not written twice.
        signal::count(libc::SIGUSR1, libc::SA_RESTART)?;
        let sent: Vec<u8> = (0..=250).cycle().take(3 * room).collect();
        expect_eq(fd::write(pipe.write, &sent)?, room, "bytes written")
    })?;
    writer.wait_until_asleep()?;
    writer.kill(libc::SIGUSR1)?;
    writer.expect_success()?;
    fd::close(pipe.write)?;
    let expected: Vec<u8> = (0..=250).cycle().take(room).collect();
    expect(fd::read_up_to(pipe.read, 3 * room)? == expected, "exactly the part that was reported arrives")
}

fn write_interrupted_before_any_byte_gives_eintr() -> Outcome {
    let pipe = Pipe::new()?;
    let room = fd::fill(pipe.write)?;
    fd::fcntl(pipe.write, libc::F_SETFL, 0)?;
    let writer = process::spawn(|| {
        signal::count(libc::SIGUSR1, 0)?;
        expect_errno(fd::write(pipe.write, b"lost?"), libc::EINTR)
    })?;
    writer.wait_until_asleep()?;
    writer.kill(libc::SIGUSR1)?;
    writer.expect_success()?;
    expect_eq(fd::fionread(pipe.read)?, room, "bytes in the pipe")
}

fn read_interrupted_before_any_byte_gives_eintr() -> Outcome {
    let pipe = Pipe::new()?;
    let reader = process::spawn(|| {
        signal::count(libc::SIGUSR1, 0)?;
        expect_errno(fd::read(pipe.read, &mut [0; 4]), libc::EINTR)
    })?;
    reader.wait_until_asleep()?;
    reader.kill(libc::SIGUSR1)?;
    reader.expect_success()
}

fn fionread_counts_the_bytes_that_wait() -> Outcome {
    let pipe = Pipe::new()?;
    expect_eq(fd::fionread(pipe.read)?, 0, "bytes in a new pipe")?;
    fd::write(pipe.write, &[1; 5000])?;
    fd::write(pipe.write, &[2; 3])?;
    expect_eq(fd::fionread(pipe.read)?, 5003, "bytes after two writes")?;
    fd::read_up_to(pipe.read, 4999)?;
    expect_eq(fd::fionread(pipe.read)?, 4, "bytes after a read")?;
    expect_eq(fd::fionread(pipe.write)?, 4, "bytes as the write end tells")
}

fn lseek_and_pread_give_espipe() -> Outcome {
    let pipe = Pipe::new()?;
    fd::write(pipe.write, b"x")?;
    expect_errno(fd::lseek(pipe.read, 0, libc::SEEK_CUR), libc::ESPIPE)?;
    expect_errno(fd::pread(pipe.read, &mut [0; 1], 0), libc::ESPIPE)?;
    expect_errno(fd::pwrite(pipe.write, b"x", 0), libc::ESPIPE)
}

fn read_of_the_write_end_and_write_of_the_read_end_give_ebadf() -> Outcome {
    let pipe = Pipe::new()?;
    expect_errno(fd::read(pipe.write, &mut [0; 1]), libc::EBADF)?;
    expect_errno(fd::write(pipe.read, b"x"), libc::EBADF)
}

fn pipe2_refuses_unknown_flags_with_einval() -> Outcome {
    expect_errno(Pipe::with_flags(libc::O_CREAT), libc::EINVAL)
}

fn pipe2_sets_close_on_exec_and_nonblock_on_both_ends() -> Outcome {
    let pipe = Pipe::with_flags(libc::O_CLOEXEC | libc::O_NONBLOCK)?;
    for end in [pipe.read, pipe.write] {
        expect_eq(fd::fcntl(end, libc::F_GETFD, 0)?, libc::FD_CLOEXEC, "descriptor flags")?;
        let status = fd::fcntl(end, libc::F_GETFL, 0)?;
        expect_eq(status & libc::O_NONBLOCK, libc::O_NONBLOCK, "O_NONBLOCK in the status flags")?;
    }
    let mode = |end| fd::fcntl(end, libc::F_GETFL, 0).map(|flags| flags & libc::O_ACCMODE);
    expect_eq(mode(pipe.read)?, libc::O_RDONLY, "access mode of the read end")?;
    expect_eq(mode(pipe.write)?, libc::O_WRONLY, "access mode of the write end")
}

fn fstat_says_fifo() -> Outcome {
    let pipe = Pipe::new()?;
    for end in [pipe.read, pipe.write] {
        expect_eq(path::fstat(end)?.st_mode & libc::S_IFMT, libc::S_IFIFO, "file type")?;
    }
    expect_eq(path::fstat(pipe.read)?.st_ino, path::fstat(pipe.write)?.st_ino, "inode of both ends")
}

fn nonblock_belongs_to_the_open_file_and_not_to_the_pipe() -> Outcome {
    let pipe = Pipe::new()?;
    let duplicate = fd::dup(pipe.read)?;
    fd::set_status_flag(duplicate, libc::O_NONBLOCK)?;
    expect_errno(fd::read(pipe.read, &mut [0; 1]), libc::EAGAIN)?;
    let writer = fd::fcntl(pipe.write, libc::F_GETFL, 0)?;
    expect_eq(writer & libc::O_NONBLOCK, 0, "O_NONBLOCK of the write end")
}

fn several_blocked_readers_each_get_a_share() -> Outcome {
    const READERS: usize = 8;
    let pipe = Pipe::new()?;
    let shared = memory::shared(1)?;
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(process::spawn(|| {
            let count = fd::read(pipe.read, &mut [0; 1])?;
            shared.word(0).fetch_add(u32::try_from(count).unwrap_or(0), Ordering::SeqCst);
            Ok(())
        })?);
    }
    for reader in &readers {
        reader.wait_until_asleep()?;
    }
    // One write for all: whoever is woken must pass the wake-up on while bytes remain.
    fd::write(pipe.write, &[7; READERS])?;
    for reader in readers {
        reader.expect_success()?;
    }
    expect_eq(shared.word(0).load(Ordering::SeqCst), 8, "bytes that the readers got")
}
