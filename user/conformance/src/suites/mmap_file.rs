//! Mappings of files. Specification: mmap(2), memfd_create(2), POSIX mmap() and shm_open().

use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno};
use crate::scratch;
use crate::sys::memory::{self, Mapping, PAGE, Request, memfd};
use crate::sys::{fd, path, process};
use libc::{EACCES, EINVAL, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE};
use std::sync::atomic::Ordering;

crate::tests! {
    shared_mapping_shows_what_is_written_to_the_file,
    store_into_a_shared_mapping_changes_the_file,
    store_into_a_private_mapping_leaves_the_file,
    private_mapping_shows_the_files_content,
    two_mappings_of_one_file_are_the_same_memory,
    mapping_survives_close_and_unlink,
    mapping_keeps_the_open_file_and_its_lock_until_munmap,
    offset_must_be_page_aligned,
    offset_maps_the_file_from_there,
    shared_writable_mapping_of_a_read_only_file_gives_eacces,
    private_writable_mapping_of_a_read_only_file_is_allowed,
    mapping_of_a_write_only_file_gives_eacces,
    mapping_of_a_closed_descriptor_gives_ebadf,
    mapping_of_a_pipe_gives_enodev,
    mprotect_cannot_make_a_read_only_files_shared_mapping_writable,
    bytes_of_the_last_page_beyond_end_of_file_are_zero,
    shared_mapping_is_shared_across_fork,
    memfd_is_a_file_without_a_name,
    memfd_grows_and_shows_in_the_mapping,
    msync_of_unmapped_memory_gives_enomem,
    truncated_and_extended_file_reads_zero_in_the_mapping,
    write_from_a_mapping_of_the_same_file,
    read_into_a_mapping_of_the_same_file,
}

/// A file in the test's directory, with content.
fn file_of(content: &[u8]) -> Result<i32, Failure> {
    scratch::enter()?;
    let file = path::create("file")?;
    fd::write(file, content)?;
    Ok(file)
}

fn mapped(file: i32, pages: usize, flags: i32) -> Result<Mapping, Failure> {
    Ok(memory::map(Request::file(file, pages * PAGE, flags))?)
}

fn shared_mapping_shows_what_is_written_to_the_file() -> Outcome {
    let file = file_of(b"old content")?;
    let mapping = mapped(file, 1, MAP_SHARED)?;
    expect_eq(mapping.load_all(0, 11), b"old content", "the bytes")?;
    fd::pwrite(file, b"new", 0)?;
    expect_eq(mapping.load_all(0, 11), b"new content", "the bytes after a write")
}

fn store_into_a_shared_mapping_changes_the_file() -> Outcome {
    let file = file_of(&[b'.'; 2 * PAGE])?;
    let mapping = mapped(file, 2, MAP_SHARED)?;
    mapping.store_all(PAGE - 2, b"over");
    let mut buffer = [0; 4];
    fd::pread(file, &mut buffer, 4094)?;
    expect_eq(&buffer, b"over", "the file's bytes")
}

fn store_into_a_private_mapping_leaves_the_file() -> Outcome {
    let file = file_of(b"original")?;
    let mapping = mapped(file, 1, MAP_PRIVATE)?;
    mapping.store_all(0, b"changed!");
    let mut buffer = [0; 8];
    fd::pread(file, &mut buffer, 0)?;
    expect_eq(&buffer, b"original", "the file's bytes")?;
    expect_eq(mapping.load_all(0, 8), b"changed!", "the mapping's bytes")
}

fn private_mapping_shows_the_files_content() -> Outcome {
    let content: Vec<u8> = (0..=250).cycle().take(3 * PAGE).collect();
    let mapping = mapped(file_of(&content)?, 3, MAP_PRIVATE)?;
    expect(mapping.load_all(0, 3 * PAGE) == content, "the mapping shows the file")
}

fn two_mappings_of_one_file_are_the_same_memory() -> Outcome {
    let file = file_of(&[0; PAGE])?;
    let (one, two) = (mapped(file, 1, MAP_SHARED)?, mapped(file, 1, MAP_SHARED)?);
    one.store(100, 1);
    expect_eq(two.load(100), 1, "the byte through the other mapping")
}

fn mapping_survives_close_and_unlink() -> Outcome {
    let file = file_of(b"still here")?;
    let mapping = mapped(file, 1, MAP_SHARED)?;
    fd::close(file)?;
    path::unlink("file")?;
    expect_eq(mapping.load_all(0, 10), b"still here", "the bytes")?;
    mapping.store(0, b'S');
    expect_eq(mapping.load(0), b'S', "a byte stored afterwards")
}

fn mapping_keeps_the_open_file_and_its_lock_until_munmap() -> Outcome {
    const TRY: i32 = libc::LOCK_EX | libc::LOCK_NB;
    let file = file_of(b"locked")?;
    fd::flock(file, TRY)?;
    let mapping = mapped(file, 2, MAP_SHARED)?;
    fd::close(file)?;
    let other = path::open("file", libc::O_RDWR, 0)?;
    expect_errno(fd::flock(other, TRY), libc::EWOULDBLOCK)?;
    mapping.unmap(0, PAGE)?;
    expect_errno(fd::flock(other, TRY), libc::EWOULDBLOCK)?;
    mapping.unmap(PAGE, PAGE)?;
    Ok(fd::flock(other, TRY)?)
}

fn offset_must_be_page_aligned() -> Outcome {
    let file = file_of(&[0; 2 * PAGE])?;
    let request = Request { offset: 100, ..Request::file(file, PAGE, MAP_SHARED) };
    expect_errno(memory::map(request), EINVAL)
}

fn offset_maps_the_file_from_there() -> Outcome {
    let file = file_of(&[[b'0'; PAGE], [b'1'; PAGE], [b'2'; PAGE]].concat())?;
    let mapping = memory::map(Request { offset: 4096, ..Request::file(file, 2 * PAGE, MAP_SHARED) })?;
    expect_eq((mapping.load(0), mapping.load(PAGE)), (b'1', b'2'), "the first bytes of the pages")
}

fn shared_writable_mapping_of_a_read_only_file_gives_eacces() -> Outcome {
    file_of(&[0; PAGE])?;
    let file = path::open("file", libc::O_RDONLY, 0)?;
    expect_errno(memory::map(Request::file(file, PAGE, MAP_SHARED)), EACCES)
}

fn private_writable_mapping_of_a_read_only_file_is_allowed() -> Outcome {
    file_of(&[0; PAGE])?;
    let mapping = mapped(path::open("file", libc::O_RDONLY, 0)?, 1, MAP_PRIVATE)?;
    mapping.store(0, 1);
    expect_eq(mapping.load(0), 1, "the byte")
}

fn mapping_of_a_write_only_file_gives_eacces() -> Outcome {
    file_of(&[0; PAGE])?;
    let file = path::open("file", libc::O_WRONLY, 0)?;
    let request = Request { protection: PROT_WRITE, ..Request::file(file, PAGE, MAP_SHARED) };
    expect_errno(memory::map(request), EACCES)?;
    expect_errno(memory::map(Request { flags: MAP_PRIVATE, ..request }), EACCES)
}

fn mapping_of_a_closed_descriptor_gives_ebadf() -> Outcome {
    let file = file_of(&[0; PAGE])?;
    fd::close(file)?;
    expect_errno(memory::map(Request::file(file, PAGE, MAP_SHARED)), libc::EBADF)
}

fn mapping_of_a_pipe_gives_enodev() -> Outcome {
    let pipe = fd::Pipe::new()?;
    let request = Request { protection: PROT_READ, ..Request::file(pipe.read, PAGE, MAP_PRIVATE) };
    expect_errno(memory::map(request), libc::ENODEV)
}

fn mprotect_cannot_make_a_read_only_files_shared_mapping_writable() -> Outcome {
    file_of(&[0; PAGE])?;
    let file = path::open("file", libc::O_RDONLY, 0)?;
    let mapping = memory::map(Request { protection: PROT_READ, ..Request::file(file, PAGE, MAP_SHARED) })?;
    expect_errno(mapping.protect(0, PAGE, PROT_READ | PROT_WRITE), EACCES)
}

fn bytes_of_the_last_page_beyond_end_of_file_are_zero() -> Outcome {
    let mapping = mapped(file_of(b"12345")?, 1, MAP_SHARED)?;
    expect_eq(mapping.load_all(3, 4), b"45\0\0", "the bytes around the end")?;
    expect_eq(mapping.load(PAGE - 1), 0, "the last byte of the page")
}

fn shared_mapping_is_shared_across_fork() -> Outcome {
    let mapping = mapped(file_of(&[0; PAGE])?, 1, MAP_SHARED)?;
    process::spawn(|| {
        mapping.word(64).store(1234, Ordering::SeqCst);
        Ok(())
    })?
    .expect_success()?;
    expect_eq(mapping.word(64).load(Ordering::SeqCst), 1234, "the word that the child stored")
}

fn memfd_is_a_file_without_a_name() -> Outcome {
    let file = memfd(0)?;
    let status = path::fstat(file)?;
    expect_eq(status.st_mode & libc::S_IFMT, libc::S_IFREG, "file type")?;
    expect_eq(status.st_nlink, 0, "links")?;
    fd::write(file, b"abc")?;
    expect_eq(fd::lseek(file, 0, libc::SEEK_SET)?, 0, "position")?;
    expect_eq(fd::read_up_to(file, 10)?, b"abc", "the bytes")
}

fn memfd_grows_and_shows_in_the_mapping() -> Outcome {
    let file = memfd(4096)?;
    let mapping = mapped(file, 2, MAP_SHARED)?;
    mapping.store(0, 1);
    path::ftruncate(file, 8192)?;
    mapping.store(PAGE, 2);
    let mut buffer = [0; 1];
    fd::pread(file, &mut buffer, 4096)?;
    expect_eq(buffer, [2], "the byte of the second page")
}

fn msync_of_unmapped_memory_gives_enomem() -> Outcome {
    let mapping = mapped(file_of(&[0; 2 * PAGE])?, 2, MAP_SHARED)?;
    let msync = |flags| {
        let start = mapping.pointer(0, 2 * PAGE);
        // SAFETY: takes a range only to look at.
        crate::sys::checked("msync", unsafe { libc::msync(start.cast(), 2 * PAGE, flags) })
    };
    expect_eq(msync(libc::MS_SYNC)?, 0, "what msync returns")?;
    expect_errno(msync(libc::MS_SYNC | libc::MS_ASYNC), EINVAL)?;
    mapping.unmap(PAGE, PAGE)?;
    expect_errno(msync(libc::MS_SYNC), libc::ENOMEM)
}

fn truncated_and_extended_file_reads_zero_in_the_mapping() -> Outcome {
    let file = file_of(&[b'x'; 2 * PAGE])?;
    let mapping = mapped(file, 2, MAP_SHARED)?;
    expect_eq(mapping.load(PAGE + 1), b'x', "a byte before")?;
    path::ftruncate(file, 10)?;
    path::ftruncate(file, 8192)?;
    expect_eq([9, 10, PAGE + 1].map(|place| mapping.load(place)), [b'x', 0, 0], "bytes afterwards")
}

fn write_from_a_mapping_of_the_same_file() -> Outcome {
    let file = file_of(&[[b'a'; PAGE], [b'b'; PAGE]].concat())?;
    let mapping = mapped(file, 2, MAP_SHARED)?;
    fd::lseek(file, 4096, libc::SEEK_SET)?;
    expect_eq(fd::write_from(file, &mapping, 0, PAGE)?, PAGE, "bytes written")?;
    expect_eq(mapping.load(PAGE), b'a', "the byte in the second page")
}

fn read_into_a_mapping_of_the_same_file() -> Outcome {
    let file = file_of(&[[b'a'; PAGE], [b'b'; PAGE]].concat())?;
    let mapping = mapped(file, 2, MAP_SHARED)?;
    fd::lseek(file, 4096, libc::SEEK_SET)?;
    expect_eq(fd::read_into(file, &mapping, 0, PAGE)?, PAGE, "bytes read")?;
    expect_eq(mapping.load(0), b'b', "the byte in the first page")
}
