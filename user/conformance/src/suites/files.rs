//! What files are like: sizes, times, modes, ownership. Specification: inode(7), stat(2), truncate(2), chmod(2), umask(2),
//! utimensat(2).

use crate::check::{Outcome, expect, expect_eq, expect_errno, needs_root};
use crate::scratch;
use crate::sys::{fd, path, process, time};
use libc::{EINVAL, EISDIR, O_CREAT, O_RDWR};

crate::tests! {
    truncate_cuts_and_extends_with_zeroes,
    truncate_to_a_negative_length_gives_einval,
    truncate_of_a_directory_gives_eisdir,
    ftruncate_leaves_the_offset,
    truncated_bytes_do_not_come_back,
    stat_tells_type_mode_links_owner_and_size,
    stat_and_fstat_agree,
    inodes_of_different_files_differ,
    sparse_file_uses_few_blocks,
    umask_takes_bits_from_new_files_and_directories,
    chmod_sets_the_mode_and_the_set_id_bits,
    chmod_changes_no_open_descriptor,
    chown_changes_the_owner,
    utimensat_sets_the_times,
    writing_moves_the_modification_time,
    adding_an_entry_moves_the_directorys_modification_time,
}

fn truncate_cuts_and_extends_with_zeroes() -> Outcome {
    scratch::enter()?;
    fd::write(path::create("file")?, b"0123456789")?;
    path::truncate("file", 4)?;
    expect_eq(std::fs::read("file")?, b"0123", "the content when cut")?;
    path::truncate("file", 6)?;
    expect_eq(std::fs::read("file")?, b"0123\0\0", "the content when extended")
}

fn truncate_to_a_negative_length_gives_einval() -> Outcome {
    scratch::enter()?;
    let file = path::create("file")?;
    expect_errno(path::truncate("file", -1), EINVAL)?;
    expect_errno(path::ftruncate(file, -1), EINVAL)
}

fn truncate_of_a_directory_gives_eisdir() -> Outcome {
    scratch::enter()?;
    expect_errno(path::truncate(".", 0), EISDIR)
}

fn ftruncate_leaves_the_offset() -> Outcome {
    scratch::enter()?;
    let file = path::create("file")?;
    fd::write(file, b"0123456789")?;
    path::ftruncate(file, 2)?;
    expect_eq(fd::lseek(file, 0, libc::SEEK_CUR)?, 10, "the offset")?;
    fd::write(file, b"x")?;
    expect_eq(std::fs::read("file")?, b"01\0\0\0\0\0\0\0\0x", "the content")
}

fn truncated_bytes_do_not_come_back() -> Outcome {
    scratch::enter()?;
    let file = path::create("file")?;
    fd::write(file, &[b'x'; 10_000])?;
    path::ftruncate(file, 5000)?;
    path::ftruncate(file, 10_000)?;
    let content = std::fs::read("file")?;
    expect(content[..5000].iter().all(|byte| *byte == b'x'), "the first bytes are kept")?;
    expect(content[5000..].iter().all(|byte| *byte == 0), "the last bytes are zero")
}

fn stat_tells_type_mode_links_owner_and_size() -> Outcome {
    scratch::enter()?;
    path::umask(0);
    let file = path::open("file", O_CREAT | O_RDWR, 0o640)?;
    fd::write(file, b"12345")?;
    let status = path::stat("file")?;
    expect_eq(status.st_mode, libc::S_IFREG | 0o640, "type and mode")?;
    expect_eq((status.st_nlink, status.st_size), (1, 5), "links and size")?;
    expect_eq(status.st_uid, process::geteuid(), "owner")?;
    path::mkdir("directory", 0o750)?;
    expect_eq(path::stat("directory")?.st_mode, libc::S_IFDIR | 0o750, "type and mode of a directory")
}

fn stat_and_fstat_agree() -> Outcome {
    scratch::enter()?;
    let (one, two) = (path::fstat(path::create("file")?)?, path::stat("file")?);
    expect_eq((one.st_dev, one.st_ino, one.st_mode), (two.st_dev, two.st_ino, two.st_mode), "device, inode, mode")
}

fn inodes_of_different_files_differ() -> Outcome {
    scratch::enter()?;
    let mut inodes = Vec::new();
    for number in 0..50 {
        let file = path::create(&number.to_string())?;
        inodes.push(path::fstat(file)?.st_ino);
        fd::close(file)?;
    }
    inodes.sort_unstable();
    inodes.dedup();
    expect_eq(inodes.len(), 50, "different inodes")
}

fn sparse_file_uses_few_blocks() -> Outcome {
    scratch::enter()?;
    let file = path::create("file")?;
    path::ftruncate(file, 1 << 30)?;
    let status = path::fstat(file)?;
    expect_eq(status.st_size, 1 << 30, "the size")?;
    expect(status.st_blocks < 1000, "it uses less than half a mebibyte")
}

fn umask_takes_bits_from_new_files_and_directories() -> Outcome {
    scratch::enter()?;
    path::umask(0o027);
    path::open("file", O_CREAT | O_RDWR, 0o666)?;
    path::mkdir("directory", 0o777)?;
    expect_eq(path::stat("file")?.st_mode & 0o7777, 0o640, "the file's mode")?;
    expect_eq(path::stat("directory")?.st_mode & 0o7777, 0o750, "the directory's mode")?;
    expect_eq(path::umask(0o7777), 0o027, "the mask before")?;
    expect_eq(path::umask(0), 0o777, "the mask keeps nine bits")
}

fn chmod_sets_the_mode_and_the_set_id_bits() -> Outcome {
    scratch::enter()?;
    path::create("file")?;
    for mode in [0, 0o777, 0o4755, 0o6711, 0o1644] {
        path::chmod("file", mode)?;
        expect_eq(path::stat("file")?.st_mode, libc::S_IFREG | mode, "type and mode")?;
    }
    Ok(())
}

fn chmod_changes_no_open_descriptor() -> Outcome {
    scratch::enter()?;
    let file = path::create("file")?;
    path::chmod("file", 0)?;
    expect_eq(fd::write(file, b"x")?, 1, "bytes written")
}

fn chown_changes_the_owner() -> Outcome {
    needs_root()?;
    scratch::enter()?;
    path::create("file")?;
    path::chown("file", 5, 6)?;
    path::chown("file", u32::MAX, 7)?;
    let status = path::stat("file")?;
    expect_eq((status.st_uid, status.st_gid), (5, 7), "owner and group")
}

fn utimensat_sets_the_times() -> Outcome {
    scratch::enter()?;
    path::create("file")?;
    path::utimens("file", (1_000_000_000, 123_456_789), (2_000_000_000, 5))?;
    let status = path::stat("file")?;
    expect_eq((status.st_atime, status.st_atime_nsec), (1_000_000_000, 123_456_789), "access time")?;
    expect_eq((status.st_mtime, status.st_mtime_nsec), (2_000_000_000, 5), "modification time")?;
    path::utimens("file", (0, libc::UTIME_OMIT), (0, libc::UTIME_NOW))?;
    let status = path::stat("file")?;
    expect_eq(status.st_atime, 1_000_000_000, "access time as before")?;
    expect(status.st_mtime != 2_000_000_000, "the modification time is now")?;
    expect_errno(path::utimens("file", (0, 1_000_000_000), (0, 0)), EINVAL)
}

fn writing_moves_the_modification_time() -> Outcome {
    scratch::enter()?;
    let file = path::create("file")?;
    path::utimens("file", (1, 0), (1, 0))?;
    fd::write(file, b"x")?;
    let now = i64::try_from(time::clock_gettime(libc::CLOCK_REALTIME)?.as_secs()).unwrap_or(0);
    let age = now - path::fstat(file)?.st_mtime;
    expect((0..60).contains(&age), &format!("the modification time is now; it is {age} seconds old"))
}

fn adding_an_entry_moves_the_directorys_modification_time() -> Outcome {
    scratch::enter()?;
    path::mkdir("directory", 0o755)?;
    path::utimens("directory", (1, 0), (1, 0))?;
    path::create("directory/file")?;
    expect(path::stat("directory")?.st_mtime > 1, "the modification time moves when a file is added")?;
    path::utimens("directory", (1, 0), (1, 0))?;
    path::unlink("directory/file")?;
    expect(path::stat("directory")?.st_mtime > 1, "the modification time moves when a file is removed")
}
