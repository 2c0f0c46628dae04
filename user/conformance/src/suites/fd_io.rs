//! Reading and writing files through descriptors. Specification: read(2), write(2), readv(2), pread(2), lseek(2), sendfile(2),
//! open(2) O_APPEND.

use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno, failed};
use crate::scratch;
use crate::sys::fd::{self, Pipe, lseek, pread, pwrite, read, readv, write, writev};
use crate::sys::{Sys, checked, path, process, ready, socket};
use libc::{EBADF, EINVAL, SEEK_CUR, SEEK_END, SEEK_SET};

crate::tests! {
    write_moves_the_offset_and_read_starts_there,
    read_at_end_of_file_returns_zero,
    read_returns_short_at_end_of_file,
    write_beyond_the_end_leaves_a_hole_of_zeroes,
    append_writes_at_the_end_wherever_the_offset_is,
    appends_of_several_processes_do_not_overwrite_each_other,
    lseek_from_current_and_end,
    lseek_beyond_the_end_is_allowed_and_adds_nothing,
    lseek_to_a_negative_offset_gives_einval_and_stays,
    lseek_with_an_unknown_whence_gives_einval,
    pread_and_pwrite_leave_the_offset,
    pread_with_a_negative_offset_gives_einval,
    readv_fills_the_buffers_in_order,
    writev_gathers_the_buffers_in_order,
    writev_of_no_bytes_writes_nothing_where_write_would_send_or_fail,
    vectors_of_length_zero_are_skipped,
    vector_count_of_zero_returns_zero,
    too_many_vectors_give_einval,
    negative_vector_count_gives_einval,
    vector_lengths_beyond_the_signed_range_give_einval,
    unknown_rwf_flag_gives_eopnotsupp,
    what_else_is_wrong_is_told_before_an_unknown_rwf_flag,
    who_asks_for_no_bytes_may_have_any_rwf_flag,
    read_of_a_directory_gives_eisdir,
    write_to_a_read_only_descriptor_gives_ebadf,
    read_from_a_write_only_descriptor_gives_ebadf,
    sendfile_copies_from_a_file_to_a_pipe_and_moves_the_offset,
    sendfile_with_an_offset_leaves_the_files_own,
    dev_null_swallows_and_is_empty,
    dev_zero_gives_zeroes,
    dev_full_gives_enospc,
    write_of_length_zero_to_a_file_changes_nothing,
    large_file_keeps_its_content,
    write_is_seen_by_other_descriptors_at_once,
    unknown_ioctl_gives_enotty,
}

fn file_of(content: &[u8]) -> Result<i32, Failure> {
    scratch::enter()?;
    let file = path::create("file")?;
    write(file, content)?;
    lseek(file, 0, SEEK_SET)?;
    Ok(file)
}

fn write_moves_the_offset_and_read_starts_there() -> Outcome {
    let file = file_of(b"0123456789")?;
    expect_eq(write(file, b"abc")?, 3, "bytes written")?;
    expect_eq(fd::read_up_to(file, 4)?, b"3456", "what a read finds next")?;
    expect_eq(lseek(file, 0, SEEK_CUR)?, 7, "the offset")
}

fn read_at_end_of_file_returns_zero() -> Outcome {
    let file = file_of(b"x")?;
    lseek(file, 0, SEEK_END)?;
    expect_eq(read(file, &mut [0; 8])?, 0, "bytes read at the end")?;
    lseek(file, 1000, SEEK_SET)?;
    expect_eq(read(file, &mut [0; 8])?, 0, "bytes read beyond the end")
}

fn read_returns_short_at_end_of_file() -> Outcome {
    let file = file_of(b"short")?;
    let mut buffer = [b'.'; 8];
    expect_eq(read(file, &mut buffer)?, 5, "bytes read")?;
    expect_eq(&buffer, b"short...", "the buffer")
}

fn write_beyond_the_end_leaves_a_hole_of_zeroes() -> Outcome {
    let file = file_of(b"start")?;
    pwrite(file, b"end", 20_000)?;
    let mut buffer = vec![1; 30_000];
    expect_eq(pread(file, &mut buffer, 0)?, 20_003, "the size")?;
    expect_eq(&buffer[..5], b"start", "the start")?;
    expect(buffer[5..20_000].iter().all(|byte| *byte == 0), "the hole reads as zeroes")?;
    expect_eq(&buffer[20_000..20_003], b"end", "the end")
}

fn append_writes_at_the_end_wherever_the_offset_is() -> Outcome {
    file_of(b"first")?;
    let file = path::open("file", libc::O_RDWR | libc::O_APPEND, 0)?;
    lseek(file, 0, SEEK_SET)?;
    write(file, b"last")?;
    expect_eq(lseek(file, 0, SEEK_CUR)?, 9, "the offset after the write")?;
    lseek(file, 0, SEEK_SET)?;
    expect_eq(fd::read_up_to(file, 100)?, b"firstlast", "the content")
}

fn appends_of_several_processes_do_not_overwrite_each_other() -> Outcome {
    scratch::enter()?;
    path::create("file")?;
    let mut children = Vec::new();
    for letter in b"abcd" {
        children.push(process::spawn(|| {
            let file = path::open("file", libc::O_WRONLY | libc::O_APPEND, 0)?;
            (0..50).try_for_each(|_| expect_eq(write(file, &[*letter; 13])?, 13, "bytes written"))
        })?);
    }
    children.into_iter().try_for_each(process::Child::expect_success)?;
    let content = std::fs::read("file")?;
    expect_eq(content.len(), 4 * 50 * 13, "the size")?;
    expect(content.chunks(13).all(|record| record.iter().all(|byte| *byte == record[0])), "no record is torn")
}

fn lseek_from_current_and_end() -> Outcome {
    let file = file_of(b"0123456789")?;
    expect_eq(lseek(file, 4, SEEK_SET)?, 4, "the offset set")?;
    expect_eq(lseek(file, 3, SEEK_CUR)?, 7, "the offset moved forwards")?;
    expect_eq(lseek(file, -2, SEEK_CUR)?, 5, "the offset moved backwards")?;
    expect_eq(lseek(file, -1, SEEK_END)?, 9, "the offset from the end")
}

fn lseek_beyond_the_end_is_allowed_and_adds_nothing() -> Outcome {
    let file = file_of(b"x")?;
    expect_eq(lseek(file, 1 << 33, SEEK_SET)?, 1 << 33, "the offset")?;
    expect_eq(path::fstat(file)?.st_size, 1, "the size")
}

fn lseek_to_a_negative_offset_gives_einval_and_stays() -> Outcome {
    let file = file_of(b"0123")?;
    lseek(file, 2, SEEK_SET)?;
    expect_errno(lseek(file, -3, SEEK_CUR), EINVAL)?;
    expect_errno(lseek(file, -1, SEEK_SET), EINVAL)?;
    expect_eq(lseek(file, 0, SEEK_CUR)?, 2, "the offset")
}

fn lseek_with_an_unknown_whence_gives_einval() -> Outcome {
    expect_errno(lseek(file_of(b"x")?, 0, 99), EINVAL)
}

fn pread_and_pwrite_leave_the_offset() -> Outcome {
    let file = file_of(b"0123456789")?;
    lseek(file, 5, SEEK_SET)?;
    let mut buffer = [0; 3];
    expect_eq(pread(file, &mut buffer, 7)?, 3, "bytes read")?;
    expect_eq(&buffer, b"789", "the bytes")?;
    expect_eq(pwrite(file, b"ab", 0)?, 2, "bytes written")?;
    expect_eq(lseek(file, 0, SEEK_CUR)?, 5, "the offset")
}

fn pread_with_a_negative_offset_gives_einval() -> Outcome {
    let file = file_of(b"x")?;
    expect_errno(pread(file, &mut [0; 1], -1), EINVAL)?;
    expect_errno(pwrite(file, b"y", -1), EINVAL)
}

fn readv_fills_the_buffers_in_order() -> Outcome {
    let file = file_of(b"0123456789")?;
    let (mut one, mut two, mut three) = ([b'.'; 3], [b'.'; 4], [b'.'; 8]);
    expect_eq(readv(file, &mut [&mut one, &mut two, &mut three])?, 10, "bytes read")?;
    expect_eq((&one, &two, &three), (b"012", b"3456", b"789....."), "the buffers")
}

fn writev_gathers_the_buffers_in_order() -> Outcome {
    let file = file_of(b"")?;
    expect_eq(writev(file, &[b"one,", b"two,", b"three"])?, 13, "bytes written")?;
    lseek(file, 0, SEEK_SET)?;
    expect_eq(fd::read_up_to(file, 100)?, b"one,two,three", "the content")
}

fn vectors_of_length_zero_are_skipped() -> Outcome {
    let pipe = Pipe::new()?;
    expect_eq(writev(pipe.write, &[b"", b"a", b"", b"b"])?, 2, "bytes written")?;
    let (mut one, mut two) = ([0; 1], [0; 4]);
    expect_eq(readv(pipe.read, &mut [&mut [], &mut one, &mut [], &mut two])?, 2, "bytes read")?;
    expect_eq((one[0], two[0]), (b'a', b'b'), "the bytes")
}

fn writev_of_no_bytes_writes_nothing_where_write_would_send_or_fail() -> Outcome {
    for none in [&[][..], &[&b""[..]]] {
        for kind in [libc::SOCK_DGRAM, libc::SOCK_SEQPACKET] {
            let [here, there] = socket::pair(kind | libc::SOCK_NONBLOCK)?;
            expect_eq(writev(here, none)?, 0, "bytes sent")?;
            expect_errno(socket::recv(there, &mut [0], 0), libc::EAGAIN)?;
        }
        let [here, there] = socket::pair(libc::SOCK_STREAM)?;
        fd::close(there)?;
        expect_eq(writev(here, none)?, 0, "bytes sent to nobody")?;
        expect_eq(writev(fd::eventfd(0, 0)?, none)?, 0, "bytes written to an eventfd")?;
        expect_errno(writev(ready::epoll_create()?, none), EINVAL)?;
        expect_errno(writev(Pipe::new()?.read, none), EBADF)?;
    }
    Ok(())
}

/// The raw `readv` or `writev` with a count of the test's choice over vectors without memory.
fn vectors(number: libc::c_long, file: i32, count: isize, length: usize) -> Sys<usize> {
    let vector = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: length };
    let vectors = [vector; 1025];
    // SAFETY: the vectors hold null pointers: the kernel can read and write nothing through them.
    let value = unsafe { libc::syscall(number, file, vectors.as_ptr(), count) };
    crate::sys::counted("readv or writev", value)
}

fn vector_count_of_zero_returns_zero() -> Outcome {
    let file = file_of(b"x")?;
    expect_eq(vectors(libc::SYS_readv, file, 0, 1)?, 0, "what readv returns")?;
    expect_eq(vectors(libc::SYS_writev, file, 0, 1)?, 0, "what writev returns")
}

fn too_many_vectors_give_einval() -> Outcome {
    let file = file_of(b"x")?;
    expect_errno(vectors(libc::SYS_readv, file, 1025, 0), EINVAL)?;
    expect_eq(vectors(libc::SYS_readv, file, 1024, 0)?, 0, "what readv of IOV_MAX empty vectors returns")
}

fn negative_vector_count_gives_einval() -> Outcome {
    let file = file_of(b"x")?;
    expect_errno(vectors(libc::SYS_readv, file, -1, 0), EINVAL)?;
    expect_errno(vectors(libc::SYS_writev, file, -1, 0), EINVAL)
}

fn vector_lengths_beyond_the_signed_range_give_einval() -> Outcome {
    let file = file_of(b"x")?;
    expect_errno(vectors(libc::SYS_readv, file, 1, usize::MAX), EINVAL)?;
    expect_errno(vectors(libc::SYS_writev, file, 1, 1 << 63), EINVAL)
}

/// A flag of preadv2 that no kernel has.
const UNKNOWN_RWF: u32 = 1 << 30;

/// preadv2 or pwritev2 of `count` bytes with an unknown flag, at an offset or (-1) the position; a length of -1 is none.
fn with_unknown_flag(call: libc::c_long, file: i32, at: i64, count: usize) -> Sys<usize> {
    let mut buffer = [0_u8; 8];
    let vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: count };
    // SAFETY: the kernel takes no length below 0, nor do the tests pass one between 8 and that.
    let value = unsafe { libc::syscall(call, file, &raw const vector, 1, at, 0, UNKNOWN_RWF) };
    checked("preadv2 or pwritev2", value)
        .map(i64::unsigned_abs)
        .map(|count| usize::try_from(count).unwrap_or(usize::MAX))
}

const BOTH: [libc::c_long; 2] = [libc::SYS_preadv2, libc::SYS_pwritev2];

fn unknown_rwf_flag_gives_eopnotsupp() -> Outcome {
    let file = file_of(b"x")?;
    for call in BOTH {
        for at in [-1, 0] {
            expect_errno(with_unknown_flag(call, file, at, 1), libc::EOPNOTSUPP)?;
        }
    }
    expect_eq(lseek(file, 0, SEEK_CUR)?, 0, "the position")
}

fn what_else_is_wrong_is_told_before_an_unknown_rwf_flag() -> Outcome {
    let file = file_of(b"x")?;
    let pipe = Pipe::new()?;
    let [only_write, only_read] = [libc::O_WRONLY, libc::O_RDONLY].map(|mode| path::open("file", mode, 0));
    for (call, unfit) in BOTH.into_iter().zip([only_write?, only_read?]) {
        expect_errno(with_unknown_flag(call, file, -2, 1), EINVAL)?;
        expect_errno(with_unknown_flag(call, -1, 0, 1), EBADF)?;
        expect_errno(with_unknown_flag(call, unfit, 0, 1), EBADF)?;
        expect_errno(with_unknown_flag(call, pipe.read, 0, 1), libc::ESPIPE)?;
        expect_errno(with_unknown_flag(call, file, 0, usize::MAX), EINVAL)?;
    }
    Ok(())
}

fn who_asks_for_no_bytes_may_have_any_rwf_flag() -> Outcome {
    let file = file_of(b"x")?;
    for call in BOTH {
        expect_eq(with_unknown_flag(call, file, 0, 0)?, 0, "bytes moved")?;
    }
    Ok(())
}

fn read_of_a_directory_gives_eisdir() -> Outcome {
    scratch::enter()?;
    expect_errno(read(path::open(".", libc::O_RDONLY, 0)?, &mut [0; 8]), libc::EISDIR)
}

fn write_to_a_read_only_descriptor_gives_ebadf() -> Outcome {
    file_of(b"x")?;
    let file = path::open("file", libc::O_RDONLY, 0)?;
    expect_errno(write(file, b"y"), EBADF)?;
    expect_errno(pwrite(file, b"y", 0), EBADF)?;
    expect_errno(path::ftruncate(file, 0), EINVAL)
}

fn read_from_a_write_only_descriptor_gives_ebadf() -> Outcome {
    file_of(b"x")?;
    let file = path::open("file", libc::O_WRONLY, 0)?;
    expect_errno(read(file, &mut [0; 1]), EBADF)
}

fn sendfile_copies_from_a_file_to_a_pipe_and_moves_the_offset() -> Outcome {
    let file = file_of(b"0123456789")?;
    let pipe = Pipe::new()?;
    expect_eq(fd::sendfile(pipe.write, file, 4)?, 4, "bytes sent first")?;
    expect_eq(fd::sendfile(pipe.write, file, 100)?, 6, "bytes sent next")?;
    expect_eq(fd::sendfile(pipe.write, file, 100)?, 0, "bytes sent at the end")?;
    expect_eq(fd::read_up_to(pipe.read, 10)?, b"0123456789", "what came")
}

fn sendfile_with_an_offset_leaves_the_files_own() -> Outcome {
    let file = file_of(b"0123456789")?;
    let pipe = Pipe::new()?;
    let mut offset = 6;
    // SAFETY: the kernel reads and writes one offset.
    let count = unsafe { libc::sendfile(pipe.write, file, &raw mut offset, 3) };
    expect_eq(checked("sendfile", count)?, 3, "bytes sent")?;
    expect_eq(offset, 9, "the offset given")?;
    expect_eq(lseek(file, 0, SEEK_CUR)?, 0, "the file's own offset")?;
    expect_eq(fd::read_up_to(pipe.read, 3)?, b"678", "what came")
}

fn dev_null_swallows_and_is_empty() -> Outcome {
    let null = path::open("/dev/null", libc::O_RDWR, 0)?;
    expect_eq(write(null, b"anything")?, 8, "bytes written")?;
    expect_eq(read(null, &mut [0; 8])?, 0, "bytes read")?;
    expect_eq(path::fstat(null)?.st_mode & libc::S_IFMT, libc::S_IFCHR, "file type")
}

fn dev_zero_gives_zeroes() -> Outcome {
    let zero = path::open("/dev/zero", libc::O_RDWR, 0)?;
    let mut buffer = [1; 5000];
    expect_eq(read(zero, &mut buffer)?, 5000, "bytes read")?;
    expect(buffer.iter().all(|byte| *byte == 0), "all are zero")
}

fn dev_full_gives_enospc() -> Outcome {
    let full = path::open("/dev/full", libc::O_RDWR, 0)?;
    expect_errno(write(full, b"x"), libc::ENOSPC)
}

fn write_of_length_zero_to_a_file_changes_nothing() -> Outcome {
    let file = file_of(b"abc")?;
    lseek(file, 100, SEEK_SET)?;
    expect_eq(write(file, &[])?, 0, "bytes written")?;
    expect_eq(path::fstat(file)?.st_size, 3, "the size")
}

fn large_file_keeps_its_content() -> Outcome {
    const BLOCK: usize = 65_536;
    let file = file_of(b"")?;
    for mark in 0..32 {
        expect_eq(write(file, &[mark; BLOCK])?, BLOCK, "bytes written")?;
    }
    for mark in (0..32).rev() {
        let mut block = vec![0xff; BLOCK];
        pread(file, &mut block, i64::from(mark) * 65_536)?;
        if block.iter().any(|byte| *byte != mark) {
            return Err(failed(format!("block {mark} has changed")));
        }
    }
    Ok(())
}

fn write_is_seen_by_other_descriptors_at_once() -> Outcome {
    let file = file_of(b"old")?;
    let other = path::open("file", libc::O_RDONLY, 0)?;
    write(file, b"new")?;
    expect_eq(fd::read_up_to(other, 10)?, b"new", "what the other descriptor reads")
}

fn unknown_ioctl_gives_enotty() -> Outcome {
    let file = file_of(b"x")?;
    // SAFETY: no such command; there is nothing to read or write.
    let value = unsafe { libc::ioctl(file, 0x1234, 0) };
    expect_errno(checked("ioctl", value), libc::ENOTTY)?;
    // SAFETY: as above; a file is no terminal.
    let value = unsafe { libc::isatty(file) };
    expect_eq(value, 0, "whether a file is a terminal")
}
