//! Pipes: PIPE_BUF, packets and faults half-way. Specification: pipe(7) "PIPE_BUF", pipe2(2) "O_DIRECT", POSIX write().

use crate::check::{Outcome, expect, expect_eq, expect_errno, failed};
use crate::sys::fd::{self, Pipe};
use crate::sys::memory::{self, PAGE};
use crate::sys::process;

crate::tests! {
    write_of_at_most_pipe_buf_bytes_is_atomic_among_writers,
    write_of_exactly_pipe_buf_bytes_is_atomic_among_writers,
    write_of_more_than_pipe_buf_bytes_keeps_each_writers_order,
    nonblocking_write_of_at_most_pipe_buf_bytes_is_all_or_nothing,
    nonblocking_write_of_more_than_pipe_buf_bytes_may_be_partial,
    blocking_write_of_pipe_buf_bytes_waits_until_all_of_it_fits,
    writev_of_at_most_pipe_buf_bytes_is_atomic,
    packet_mode_reads_one_packet_at_a_time,
    packet_mode_discards_what_does_not_fit_the_reader,
    packet_mode_splits_a_write_of_more_than_pipe_buf_bytes,
    packet_mode_never_merges_small_writes,
    fault_in_the_readers_buffer_gives_efault_and_loses_no_byte,
    fault_half_way_in_the_readers_buffer_loses_and_doubles_no_byte,
    fault_in_the_writers_buffer_gives_efault_and_adds_no_byte,
    fault_half_way_in_the_writers_buffer_adds_exactly_what_is_reported,
    fault_half_way_in_a_merging_write_leaves_the_earlier_bytes_alone,
}

/// Several writers send records filled with their own letter; the reader checks that none is torn.
fn records_arrive_whole(record: usize) -> Outcome {
    const WRITERS: u8 = 4;
    const RECORDS: usize = 40;
    let pipe = Pipe::new()?;
    let mut writers = Vec::new();
    for letter in (b'a'..).take(usize::from(WRITERS)) {
        writers.push(process::spawn(|| {
            let bytes = vec![letter; record];
            (0..RECORDS).try_for_each(|_| expect_eq(fd::write(pipe.write, &bytes)?, record, "bytes written"))
        })?);
    }
    fd::close(pipe.write)?;
    for number in 0..RECORDS * usize::from(WRITERS) {
        let bytes = fd::read_up_to(pipe.read, record)?;
        expect_eq(bytes.len(), record, "length of a record")?;
        if bytes.iter().any(|byte| *byte != bytes[0]) {
            return Err(failed(format!("record {number} holds bytes of several writers")));
        }
    }
    expect_eq(fd::read(pipe.read, &mut [0; 1])?, 0, "bytes after the last record")?;
    writers.into_iter().try_for_each(process::Child::expect_success)
}

fn write_of_at_most_pipe_buf_bytes_is_atomic_among_writers() -> Outcome {
    // A size that divides neither the page nor the pipe, so that records straddle pages.
    records_arrive_whole(1000)?;
    records_arrive_whole(libc::PIPE_BUF - 1)
}

fn write_of_exactly_pipe_buf_bytes_is_atomic_among_writers() -> Outcome {
    records_arrive_whole(libc::PIPE_BUF)
}

fn write_of_more_than_pipe_buf_bytes_keeps_each_writers_order() -> Outcome {
    const RECORD: usize = libc::PIPE_BUF + 1;
    const RECORDS: usize = 40;
    let pipe = Pipe::new()?;
    let mut writers = Vec::new();
    for top in [0_u8, 64, 128, 192] {
        writers.push(process::spawn(|| {
            // The two high bits name the writer, the six low ones count its bytes.
            let bytes: Vec<u8> = (0..64).cycle().map(|low| top | low).take(RECORD * RECORDS).collect();
            bytes.chunks(RECORD).try_for_each(|piece| expect_eq(fd::write(pipe.write, piece)?, RECORD, "written"))
        })?);
    }
    fd::close(pipe.write)?;
    let received = fd::read_up_to(pipe.read, 4 * RECORD * RECORDS + 1)?;
    expect_eq(received.len(), 4 * RECORD * RECORDS, "bytes that arrive")?;
    for top in [0_u8, 64, 128, 192] {
        let mut own = received.iter().filter(|byte| *byte & 192 == top).zip((0..64_u8).cycle());
        expect(own.all(|(byte, low)| byte & 63 == low), "the bytes of one writer arrive once and in order")?;
    }
    writers.into_iter().try_for_each(process::Child::expect_success)
}

fn nonblocking_write_of_at_most_pipe_buf_bytes_is_all_or_nothing() -> Outcome {
    let pipe = Pipe::new()?;
    fd::fill(pipe.write)?;
    fd::read_up_to(pipe.read, PAGE)?;
    fd::write(pipe.write, b"x")?;
    let before = fd::fionread(pipe.read)?;
    expect_errno(fd::write(pipe.write, &[b'y'; libc::PIPE_BUF]), libc::EAGAIN)?;
    expect_eq(fd::fionread(pipe.read)?, before, "bytes in the pipe")
}

fn nonblocking_write_of_more_than_pipe_buf_bytes_may_be_partial() -> Outcome {
    let pipe = Pipe::with_flags(libc::O_NONBLOCK)?;
    let room = fd::fcntl(pipe.write, libc::F_GETPIPE_SZ, 0)?.unsigned_abs() as usize;
    expect_eq(fd::write(pipe.write, &vec![b'y'; room + PAGE])?, room, "bytes written")?;
    expect_eq(fd::fionread(pipe.read)?, room, "bytes in the pipe")
}

fn blocking_write_of_pipe_buf_bytes_waits_until_all_of_it_fits() -> Outcome {
    let pipe = Pipe::new()?;
    fd::fill(pipe.write)?;
    fd::fcntl(pipe.write, libc::F_SETFL, 0)?;
    fd::read_up_to(pipe.read, PAGE)?;
    fd::write(pipe.write, b"x")?;
    let before = fd::fionread(pipe.read)?;
    let bytes = [b'y'; libc::PIPE_BUF];
    let writer = process::spawn(|| expect_eq(fd::write(pipe.write, &bytes)?, bytes.len(), "bytes written"))?;
    writer.wait_until_asleep()?;
    // What had room may already be in; the writer must not be done.
    expect(process::wait4(writer.pid, libc::WNOHANG)?.is_none(), "the writer still waits")?;
    let drained = fd::read_up_to(pipe.read, before)?;
    writer.expect_success()?;
    expect_eq(drained.last(), Some(&b'x'), "the byte before the record")?;
    expect(fd::read_up_to(pipe.read, libc::PIPE_BUF)? == bytes, "the record follows whole")
}

fn writev_of_at_most_pipe_buf_bytes_is_atomic() -> Outcome {
    const RECORDS: usize = 100;
    let pipe = Pipe::new()?;
    let mut writers = Vec::new();
    for letter in b'a'..b'd' {
        writers.push(process::spawn(|| {
            let (head, tail) = ([letter; 10], [letter; 991]);
            (0..RECORDS).try_for_each(|_| expect_eq(fd::writev(pipe.write, &[&head, &[], &tail])?, 1001, "written"))
        })?);
    }
    fd::close(pipe.write)?;
    for _ in 0..3 * RECORDS {
        let bytes = fd::read_up_to(pipe.read, 1001)?;
        expect(bytes.len() == 1001 && bytes.iter().all(|byte| *byte == bytes[0]), "a record arrives whole")?;
    }
    writers.into_iter().try_for_each(process::Child::expect_success)
}

fn packet_mode_reads_one_packet_at_a_time() -> Outcome {
    let pipe = Pipe::with_flags(libc::O_DIRECT)?;
    fd::write(pipe.write, b"one")?;
    fd::write(pipe.write, b"three")?;
    let mut buffer = [0; 100];
    expect_eq(fd::read(pipe.read, &mut buffer)?, 3, "length of the first packet")?;
    expect_eq(fd::read(pipe.read, &mut buffer)?, 5, "length of the second packet")?;
    expect_eq(&buffer[..5], b"three", "the second packet")
}

fn packet_mode_discards_what_does_not_fit_the_reader() -> Outcome {
    let pipe = Pipe::with_flags(libc::O_DIRECT)?;
    fd::write(pipe.write, b"long packet")?;
    fd::write(pipe.write, b"next")?;
    expect_eq(fd::read(pipe.read, &mut [0; 4])?, 4, "bytes of the first packet")?;
    let mut buffer = [0; 100];
    let count = fd::read(pipe.read, &mut buffer)?;
    expect_eq(&buffer[..count], b"next", "the second packet")
}

fn packet_mode_splits_a_write_of_more_than_pipe_buf_bytes() -> Outcome {
    let pipe = Pipe::with_flags(libc::O_DIRECT)?;
    fd::write(pipe.write, &[b'x'; libc::PIPE_BUF + 10])?;
    let mut buffer = [0; 2 * libc::PIPE_BUF];
    expect_eq(fd::read(pipe.read, &mut buffer)?, libc::PIPE_BUF, "length of the first packet")?;
    expect_eq(fd::read(pipe.read, &mut buffer)?, 10, "length of the second packet")
}

fn packet_mode_never_merges_small_writes() -> Outcome {
    let pipe = Pipe::with_flags(libc::O_DIRECT | libc::O_NONBLOCK)?;
    let slots = fd::fcntl(pipe.write, libc::F_GETPIPE_SZ, 0)?.unsigned_abs() as usize / PAGE;
    for _ in 0..slots {
        expect_eq(fd::write(pipe.write, b"p")?, 1, "bytes written")?;
    }
    expect_errno(fd::write(pipe.write, b"p"), libc::EAGAIN)
}

fn fault_in_the_readers_buffer_gives_efault_and_loses_no_byte() -> Outcome {
    let pipe = Pipe::new()?;
    let hole = memory::before_hole(1)?;
    fd::write(pipe.write, b"precious")?;
    expect_errno(fd::read_into(pipe.read, &hole, PAGE, 8), libc::EFAULT)?;
    expect_eq(fd::fionread(pipe.read)?, 8, "bytes in the pipe")?;
    expect_eq(fd::read_up_to(pipe.read, 8)?, b"precious", "the bytes")
}

fn fault_half_way_in_the_readers_buffer_loses_and_doubles_no_byte() -> Outcome {
    let pipe = Pipe::new()?;
    let hole = memory::before_hole(2)?;
    let sent: Vec<u8> = (0..=250).cycle().take(3 * PAGE).collect();
    fd::write(pipe.write, &sent)?;
    // Two pages lie before the hole: what is reported as read must be there, the rest must come again.
    let reported = match fd::read_into(pipe.read, &hole, 100, 2 * PAGE) {
        Ok(count) => count,
        Err(error) => {
            expect_eq(error.errno, libc::EFAULT, "errno")?;
            0
        }
    };
    let mut received = hole.load_all(100, reported);
    received.extend(fd::read_up_to(pipe.read, sent.len() - reported)?);
    expect(received == sent, "every byte arrives once and in order")
}

fn fault_in_the_writers_buffer_gives_efault_and_adds_no_byte() -> Outcome {
    let pipe = Pipe::new()?;
    let hole = memory::before_hole(1)?;
    fd::write(pipe.write, b"ab")?;
    expect_errno(fd::write_from(pipe.write, &hole, PAGE, 8), libc::EFAULT)?;
    expect_eq(fd::fionread(pipe.read)?, 2, "bytes in the pipe")?;
    fd::write(pipe.write, b"cd")?;
    expect_eq(fd::read_up_to(pipe.read, 4)?, b"abcd", "the bytes")
}

fn fault_half_way_in_the_writers_buffer_adds_exactly_what_is_reported() -> Outcome {
    let pipe = Pipe::new()?;
    let hole = memory::before_hole(2)?;
    let bytes: Vec<u8> = (0..=250).cycle().take(2 * PAGE).collect();
    hole.store_all(0, &bytes);
    let reported = match fd::write_from(pipe.write, &hole, 100, 3 * PAGE - 100) {
        Ok(count) => count,
        Err(error) => {
            expect_eq(error.errno, libc::EFAULT, "errno")?;
            0
        }
    };
    fd::close(pipe.write)?;
    let received = fd::read_up_to(pipe.read, 4 * PAGE)?;
    expect_eq(received.len(), reported, "bytes that arrive")?;
    expect(received == bytes[100..100 + reported], "the bytes that arrive are those sent")
}

fn fault_half_way_in_a_merging_write_leaves_the_earlier_bytes_alone() -> Outcome {
    let pipe = Pipe::new()?;
    let hole = memory::before_hole(1)?;
    hole.store_all(PAGE - 3, b"bad");
    fd::write(pipe.write, b"good")?;
    expect_errno(fd::write_from(pipe.write, &hole, PAGE - 3, 6), libc::EFAULT)?;
    fd::write(pipe.write, b"also good")?;
    fd::close(pipe.write)?;
    expect_eq(fd::read_up_to(pipe.read, 100)?, b"goodalso good", "the bytes")
}
