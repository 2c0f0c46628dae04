//! Directories: mkdir, rmdir, getdents64, working directory. Specification: mkdir(2), rmdir(2), getdents(2), getcwd(2), chdir(2).

use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno};
use crate::scratch;
use crate::sys::path::{self, Entry};
use crate::sys::{fd, process};
use libc::{EINVAL, ENOENT, ENOTDIR, ENOTEMPTY, ERANGE, O_DIRECTORY, O_RDONLY};

crate::tests! {
    new_directory_holds_dot_and_dot_dot,
    getdents_lists_every_entry_once_even_in_small_pieces,
    getdents_tells_types_and_inodes,
    getdents_starts_again_after_rewinding,
    getdents_with_too_small_a_buffer_gives_einval,
    getdents_of_a_file_gives_enotdir,
    getdents_while_entries_are_removed_skips_none_of_the_others,
    link_count_of_a_directory_counts_its_subdirectories,
    rmdir_of_a_full_directory_gives_enotempty,
    rmdir_of_a_file_gives_enotdir,
    rmdir_of_dot_gives_einval,
    rmdir_of_dot_dot_gives_enotempty,
    removed_directory_that_is_open_is_empty,
    nothing_can_be_created_in_a_removed_directory,
    getcwd_returns_the_absolute_path,
    getcwd_with_too_small_a_buffer_gives_erange,
    getcwd_of_a_removed_directory_gives_enoent,
    getcwd_follows_a_renamed_directory,
    getcwd_resolves_symlinks,
    chdir_to_a_file_gives_enotdir,
    fchdir_goes_to_the_open_directory,
    fchdir_to_a_file_gives_enotdir,
}

fn names(directory: i32, room: usize) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    loop {
        let piece = path::getdents(directory, room)?;
        if piece.is_empty() {
            names.sort();
            return Ok(names);
        }
        names.extend(piece.into_iter().map(|entry| entry.name));
    }
}

fn opened(name: &str) -> Result<i32, Failure> {
    Ok(path::open(name, O_RDONLY | O_DIRECTORY, 0)?)
}

fn new_directory_holds_dot_and_dot_dot() -> Outcome {
    scratch::enter()?;
    path::mkdir("directory", 0o755)?;
    expect_eq(names(opened("directory")?, 4096)?, [".", ".."], "the entries")
}

fn getdents_lists_every_entry_once_even_in_small_pieces() -> Outcome {
    scratch::enter()?;
    let mut expected: Vec<String> = (0..100).map(|number| format!("entry-{number:03}")).collect();
    for name in &expected {
        fd::close(path::create(name)?)?;
    }
    expected.extend([".".to_string(), "..".to_string()]);
    expected.sort();
    for room in [64, 300, 65_536] {
        expect_eq(&names(opened(".")?, room)?, &expected, "the entries")?;
    }
    Ok(())
}

fn getdents_tells_types_and_inodes() -> Outcome {
    scratch::enter()?;
    path::create("file")?;
    path::mkdir("directory", 0o755)?;
    path::symlink("x", "link")?;
    let entries = path::getdents(opened(".")?, 4096)?;
    for (name, kind) in
        [("file", libc::DT_REG), ("directory", libc::DT_DIR), ("link", libc::DT_LNK), (".", libc::DT_DIR)]
    {
        let inode = path::lstat(name)?.st_ino;
        let expected = Entry { name: name.to_string(), inode, kind };
        expect(entries.contains(&expected), &format!("{expected:?} is among {entries:?}"))?;
    }
    Ok(())
}

fn getdents_starts_again_after_rewinding() -> Outcome {
    scratch::enter()?;
    path::create("first")?;
    let directory = opened(".")?;
    expect_eq(names(directory, 4096)?, [".", "..", "first"], "the entries")?;
    expect_eq(path::getdents(directory, 4096)?, [], "the entries at the end")?;
    path::create("second")?;
    fd::lseek(directory, 0, libc::SEEK_SET)?;
    expect_eq(names(directory, 4096)?, [".", "..", "first", "second"], "the entries after rewinding")
}

fn getdents_with_too_small_a_buffer_gives_einval() -> Outcome {
    scratch::enter()?;
    expect_errno(path::getdents(opened(".")?, 8), EINVAL)
}

fn getdents_of_a_file_gives_enotdir() -> Outcome {
    scratch::enter()?;
    expect_errno(path::getdents(path::create("file")?, 4096), ENOTDIR)
}

fn getdents_while_entries_are_removed_skips_none_of_the_others() -> Outcome {
    scratch::enter()?;
    for number in 0..60 {
        fd::close(path::create(&format!("entry-{number}"))?)?;
    }
    // Remove each entry as soon as it is listed, as `rm -r` does: in the end none may be left.
    let directory = opened(".")?;
    loop {
        let piece = path::getdents(directory, 200)?;
        if piece.is_empty() {
            break;
        }
        for entry in piece.iter().filter(|entry| entry.name.starts_with("entry")) {
            path::unlink(&entry.name)?;
        }
    }
    fd::lseek(directory, 0, libc::SEEK_SET)?;
    expect_eq(names(directory, 4096)?, [".", ".."], "what is left")
}

fn link_count_of_a_directory_counts_its_subdirectories() -> Outcome {
    scratch::enter()?;
    path::mkdir("a", 0o755)?;
    expect_eq(path::stat("a")?.st_nlink, 2, "the links of an empty directory")?;
    path::mkdir("a/b", 0o755)?;
    path::create("a/file")?;
    expect_eq(path::stat("a")?.st_nlink, 3, "the links with a subdirectory")?;
    path::rmdir("a/b")?;
    expect_eq(path::stat("a")?.st_nlink, 2, "the links when it is gone")
}

fn rmdir_of_a_full_directory_gives_enotempty() -> Outcome {
    scratch::enter()?;
    path::mkdir("directory", 0o755)?;
    path::create("directory/file")?;
    expect_errno(path::rmdir("directory"), ENOTEMPTY)?;
    path::unlink("directory/file")?;
    Ok(path::rmdir("directory")?)
}

fn rmdir_of_a_file_gives_enotdir() -> Outcome {
    scratch::enter()?;
    path::create("file")?;
    expect_errno(path::rmdir("file"), ENOTDIR)?;
    path::mkdir("directory", 0o755)?;
    path::symlink("directory", "link")?;
    expect_errno(path::rmdir("link"), ENOTDIR)
}

fn rmdir_of_dot_gives_einval() -> Outcome {
    scratch::enter()?;
    path::mkdir("directory", 0o755)?;
    expect_errno(path::rmdir("directory/."), EINVAL)
}

fn rmdir_of_dot_dot_gives_enotempty() -> Outcome {
    scratch::enter()?;
    path::mkdir("directory", 0o755)?;
    expect_errno(path::rmdir("directory/.."), ENOTEMPTY)
}

fn removed_directory_that_is_open_is_empty() -> Outcome {
    scratch::enter()?;
    path::mkdir("directory", 0o755)?;
    let directory = opened("directory")?;
    path::rmdir("directory")?;
    expect_eq(path::fstat(directory)?.st_nlink, 0, "the links")?;
    expect_errno(path::getdents(directory, 4096), ENOENT)
}

fn nothing_can_be_created_in_a_removed_directory() -> Outcome {
    scratch::enter()?;
    path::mkdir("directory", 0o755)?;
    path::chdir("directory")?;
    path::rmdir("../directory")?;
    expect_errno(path::create("file"), ENOENT)?;
    expect_errno(path::mkdir("directory", 0o755), ENOENT)
}

fn getcwd_returns_the_absolute_path() -> Outcome {
    let directory = scratch::enter()?;
    expect_eq(path::getcwd(4096)?, directory.to_string_lossy(), "the working directory")?;
    path::chdir("/")?;
    expect_eq(path::getcwd(4096)?, "/", "the working directory at the root")
}

fn getcwd_with_too_small_a_buffer_gives_erange() -> Outcome {
    let directory = scratch::enter()?;
    let length = directory.as_os_str().len();
    expect_errno(path::getcwd(length), ERANGE)?;
    expect_eq(path::getcwd(length + 1)?.len(), length, "the length in a buffer that just fits")
}

fn getcwd_of_a_removed_directory_gives_enoent() -> Outcome {
    scratch::enter()?;
    path::mkdir("directory", 0o755)?;
    path::chdir("directory")?;
    path::rmdir("../directory")?;
    expect_errno(path::getcwd(4096), ENOENT)
}

fn getcwd_follows_a_renamed_directory() -> Outcome {
    let directory = scratch::enter()?;
    path::mkdir("old", 0o755)?;
    path::chdir("old")?;
    path::rename("../old", "../new", 0)?;
    expect_eq(path::getcwd(4096)?, directory.join("new").to_string_lossy(), "the working directory")
}

fn getcwd_resolves_symlinks() -> Outcome {
    let directory = scratch::enter()?;
    path::mkdir("real", 0o755)?;
    path::symlink("real", "link")?;
    path::chdir("link")?;
    expect_eq(path::getcwd(4096)?, directory.join("real").to_string_lossy(), "the working directory")
}

fn chdir_to_a_file_gives_enotdir() -> Outcome {
    scratch::enter()?;
    path::create("file")?;
    expect_errno(path::chdir("file"), ENOTDIR)?;
    expect_errno(path::chdir("missing"), ENOENT)
}

fn fchdir_goes_to_the_open_directory() -> Outcome {
    let directory = scratch::enter()?;
    let here = opened(".")?;
    path::chdir("/")?;
    path::fchdir(here)?;
    expect_eq(path::getcwd(4096)?, directory.to_string_lossy(), "the working directory")?;
    process::spawn(|| Ok(path::stat(".").map(drop)?))?.expect_success()
}

fn fchdir_to_a_file_gives_enotdir() -> Outcome {
    scratch::enter()?;
    expect_errno(path::fchdir(path::create("file")?), ENOTDIR)
}
