//! What files are like: sizes, times, modes, ownership, permissions. Specification: inode(7), stat(2), truncate(2), chmod(2),
//! umask(2), utimensat(2), access(2), path_resolution(7) "Permissions".

use crate::check::{Outcome, expect, expect_eq, expect_errno, needs_root};
use crate::scratch;
use crate::sys::{fd, path, process, time};
use libc::{EACCES, EINVAL, EISDIR, EPERM, O_CREAT, O_RDONLY, O_RDWR, O_WRONLY, R_OK, W_OK, X_OK};

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
    owner_is_bound_by_the_owners_bits,
    others_are_bound_by_the_others_bits,
    group_is_bound_by_the_groups_bits,
    directory_without_execute_permission_hides_what_is_in_it,
    directory_without_write_permission_takes_no_entries,
    directory_without_read_permission_is_not_listed,
    sticky_directory_protects_others_files,
    only_the_owner_may_chmod,
    access_tells_what_is_permitted,
    root_may_read_and_write_everything,
    new_file_belongs_to_its_creator,
    descriptor_opened_before_losing_permission_works_on,
}

/// An unprivileged user and group.
const SOMEBODY: u32 = 12_345;

fn truncate_cuts_and_extends_with_zeroes() -> Outcome {
    scratch::enter()?;
    fd::write(path::create("file")?, b"0123456789")?;
    path::truncate("file", 4)?;
    expect_eq(std::fs::read("file")?, b"0123", "the content when cut")?;
    path::truncate("file", 6)?;
    expect_eq(
        std::fs::read("file")?,
        b"0123\0\0",
        "the content when extended",
    )
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
    expect_eq(
        std::fs::read("file")?,
        b"01\0\0\0\0\0\0\0\0x",
        "the content",
    )
}

fn truncated_bytes_do_not_come_back() -> Outcome {
    scratch::enter()?;
    let file = path::create("file")?;
    fd::write(file, &[b'x'; 10_000])?;
    path::ftruncate(file, 5000)?;
    path::ftruncate(file, 10_000)?;
    let content = std::fs::read("file")?;
    expect(
        content[..5000].iter().all(|byte| *byte == b'x'),
        "the first bytes are kept",
    )?;
    expect(
        content[5000..].iter().all(|byte| *byte == 0),
        "the last bytes are zero",
    )
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
    expect_eq(
        path::stat("directory")?.st_mode,
        libc::S_IFDIR | 0o750,
        "type and mode of a directory",
    )
}

fn stat_and_fstat_agree() -> Outcome {
    scratch::enter()?;
    let (one, two) = (path::fstat(path::create("file")?)?, path::stat("file")?);
    expect_eq(
        (one.st_dev, one.st_ino, one.st_mode),
        (two.st_dev, two.st_ino, two.st_mode),
        "device, inode, mode",
    )
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
    expect_eq(
        path::stat("file")?.st_mode & 0o7777,
        0o640,
        "the file's mode",
    )?;
    expect_eq(
        path::stat("directory")?.st_mode & 0o7777,
        0o750,
        "the directory's mode",
    )?;
    expect_eq(path::umask(0o7777), 0o027, "the mask before")?;
    expect_eq(path::umask(0), 0o777, "the mask keeps nine bits")
}

fn chmod_sets_the_mode_and_the_set_id_bits() -> Outcome {
    scratch::enter()?;
    path::create("file")?;
    for mode in [0, 0o777, 0o4755, 0o6711, 0o1644] {
        path::chmod("file", mode)?;
        expect_eq(
            path::stat("file")?.st_mode,
            libc::S_IFREG | mode,
            "type and mode",
        )?;
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
    expect_eq(
        (status.st_atime, status.st_atime_nsec),
        (1_000_000_000, 123_456_789),
        "access time",
    )?;
    expect_eq(
        (status.st_mtime, status.st_mtime_nsec),
        (2_000_000_000, 5),
        "modification time",
    )?;
    path::utimens("file", (0, libc::UTIME_OMIT), (0, libc::UTIME_NOW))?;
    let status = path::stat("file")?;
    expect_eq(status.st_atime, 1_000_000_000, "access time as before")?;
    expect(
        status.st_mtime != 2_000_000_000,
        "the modification time is now",
    )?;
    expect_errno(path::utimens("file", (0, 1_000_000_000), (0, 0)), EINVAL)
}

fn writing_moves_the_modification_time() -> Outcome {
    scratch::enter()?;
    let file = path::create("file")?;
    path::utimens("file", (1, 0), (1, 0))?;
    fd::write(file, b"x")?;
    let now = i64::try_from(time::clock_gettime(libc::CLOCK_REALTIME)?.as_secs()).unwrap_or(0);
    let age = now - path::fstat(file)?.st_mtime;
    expect(
        (0..60).contains(&age),
        &format!("the modification time is now; it is {age} seconds old"),
    )
}

fn adding_an_entry_moves_the_directorys_modification_time() -> Outcome {
    scratch::enter()?;
    path::mkdir("directory", 0o755)?;
    path::utimens("directory", (1, 0), (1, 0))?;
    path::create("directory/file")?;
    expect(
        path::stat("directory")?.st_mtime > 1,
        "the modification time moves when a file is added",
    )?;
    path::utimens("directory", (1, 0), (1, 0))?;
    path::unlink("directory/file")?;
    expect(
        path::stat("directory")?.st_mtime > 1,
        "the modification time moves when a file is removed",
    )
}

/// Becomes an unprivileged user in a directory of root's that everybody may use.
fn as_somebody(prepare: impl FnOnce() -> Outcome) -> Outcome {
    needs_root()?;
    scratch::enter()?;
    prepare()?;
    Ok(process::become_user(SOMEBODY)?)
}

fn file_with_mode(name: &str, owner: u32, group: u32, mode: u32) -> Outcome {
    fd::close(path::create(name)?)?;
    path::chown(name, owner, group)?;
    Ok(path::chmod(name, mode)?)
}

fn owner_is_bound_by_the_owners_bits() -> Outcome {
    as_somebody(|| file_with_mode("file", SOMEBODY, 0, 0o077))?;
    expect_errno(path::open("file", O_RDONLY, 0), EACCES)?;
    path::chmod("file", 0o400)?;
    fd::close(path::open("file", O_RDONLY, 0)?)?;
    expect_errno(path::open("file", O_WRONLY, 0), EACCES)
}

fn others_are_bound_by_the_others_bits() -> Outcome {
    as_somebody(|| {
        file_with_mode("closed", 0, 0, 0o770)?;
        file_with_mode("readable", 0, 0, 0o604)?;
        file_with_mode("writable", 0, 0, 0o602)
    })?;
    expect_errno(path::open("closed", O_RDONLY, 0), EACCES)?;
    path::open("readable", O_RDONLY, 0)?;
    expect_errno(path::open("readable", O_RDWR, 0), EACCES)?;
    path::open("writable", O_WRONLY, 0)?;
    expect_errno(path::open("writable", O_RDONLY, 0), EACCES)?;
    expect_errno(path::truncate("readable", 0), EACCES)
}

fn group_is_bound_by_the_groups_bits() -> Outcome {
    as_somebody(|| {
        file_with_mode("file", 0, SOMEBODY, 0o640)?;
        file_with_mode("worse", 0, SOMEBODY, 0o606)
    })?;
    path::open("file", O_RDONLY, 0)?;
    expect_errno(path::open("file", O_WRONLY, 0), EACCES)?;
    // A member of the group is not one of the others, even if they may more.
    expect_errno(path::open("worse", O_RDONLY, 0), EACCES)
}

fn directory_without_execute_permission_hides_what_is_in_it() -> Outcome {
    as_somebody(|| {
        path::mkdir("directory", 0o755)?;
        path::create("directory/file")?;
        Ok(path::chmod("directory", 0o744)?)
    })?;
    expect_errno(path::stat("directory/file"), EACCES)?;
    expect_errno(path::open("directory/file", O_RDONLY, 0), EACCES)?;
    expect_errno(path::chdir("directory"), EACCES)?;
    path::open("directory", O_RDONLY, 0)?;
    Ok(())
}

fn directory_without_write_permission_takes_no_entries() -> Outcome {
    as_somebody(|| {
        path::mkdir("directory", 0o755)?;
        file_with_mode("directory/file", SOMEBODY, SOMEBODY, 0o666)
    })?;
    expect_errno(path::create("directory/new"), EACCES)?;
    expect_errno(path::mkdir("directory/new", 0o755), EACCES)?;
    expect_errno(path::unlink("directory/file"), EACCES)?;
    expect_errno(path::rename("directory/file", "directory/new", 0), EACCES)?;
    expect_errno(path::symlink("x", "directory/new"), EACCES)?;
    path::open("directory/file", O_RDWR, 0)?;
    Ok(())
}

fn directory_without_read_permission_is_not_listed() -> Outcome {
    as_somebody(|| {
        path::mkdir("directory", 0o755)?;
        path::create("directory/file")?;
        Ok(path::chmod("directory", 0o711)?)
    })?;
    expect_errno(path::open("directory", O_RDONLY, 0), EACCES)?;
    path::stat("directory/file")?;
    Ok(path::chdir("directory")?)
}

fn sticky_directory_protects_others_files() -> Outcome {
    as_somebody(|| {
        path::mkdir("directory", 0o755)?;
        path::chmod("directory", 0o1777)?;
        file_with_mode("directory/roots", 0, 0, 0o666)
    })?;
    path::create("directory/mine")?;
    expect_errno(path::unlink("directory/roots"), EPERM)?;
    expect_errno(path::rename("directory/mine", "directory/roots", 0), EPERM)?;
    Ok(path::unlink("directory/mine")?)
}

fn only_the_owner_may_chmod() -> Outcome {
    as_somebody(|| {
        file_with_mode("roots", 0, 0, 0o666)?;
        file_with_mode("mine", SOMEBODY, SOMEBODY, 0o666)
    })?;
    expect_errno(path::chmod("roots", 0o777), EPERM)?;
    path::chmod("mine", 0o600)?;
    expect_errno(path::chown("mine", 0, SOMEBODY), EPERM)
}

fn access_tells_what_is_permitted() -> Outcome {
    as_somebody(|| file_with_mode("file", 0, 0, 0o604))?;
    path::access("file", libc::F_OK)?;
    path::access("file", R_OK)?;
    expect_errno(path::access("file", W_OK), EACCES)?;
    expect_errno(path::access("file", R_OK | X_OK), EACCES)?;
    expect_errno(path::access("missing", libc::F_OK), libc::ENOENT)
}

fn root_may_read_and_write_everything() -> Outcome {
    needs_root()?;
    scratch::enter()?;
    file_with_mode("file", SOMEBODY, SOMEBODY, 0)?;
    path::open("file", O_RDWR, 0)?;
    path::access("file", R_OK | W_OK)?;
    expect_errno(path::access("file", X_OK), EACCES)
}

fn new_file_belongs_to_its_creator() -> Outcome {
    as_somebody(|| Ok(()))?;
    let status = path::fstat(path::create("file")?)?;
    expect_eq(
        (status.st_uid, status.st_gid),
        (SOMEBODY, SOMEBODY),
        "owner and group",
    )
}

fn descriptor_opened_before_losing_permission_works_on() -> Outcome {
    needs_root()?;
    scratch::enter()?;
    let file = path::open("file", O_CREAT | O_RDWR, 0o600)?;
    process::become_user(SOMEBODY)?;
    expect_eq(fd::write(file, b"x")?, 1, "bytes written")?;
    expect_errno(path::open("file", O_RDONLY, 0), EACCES)
}
