//! Path resolution and open. Specification: path_resolution(7), open(2), POSIX "Pathname Resolution".

use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::scratch;
use crate::sys::{fd, path};
use libc::{
    AT_FDCWD, EEXIST, EISDIR, ENAMETOOLONG, ENOENT, ENOTDIR, O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC,
    O_WRONLY,
};

crate::tests! {
    empty_path_gives_enoent,
    missing_file_gives_enoent,
    missing_directory_in_the_middle_gives_enoent,
    file_in_the_middle_gives_enotdir,
    file_with_a_trailing_slash_gives_enotdir,
    creating_with_a_trailing_slash_gives_eisdir,
    directory_with_trailing_slashes_is_the_directory,
    repeated_slashes_count_as_one,
    dot_is_the_directory_and_dot_dot_its_parent,
    dot_dot_of_the_root_is_the_root,
    name_of_255_bytes_is_allowed_and_256_give_enametoolong,
    path_of_4095_bytes_is_allowed_and_4096_give_enametoolong,
    names_are_bytes_and_case_matters,
    exclusive_create_of_what_exists_gives_eexist,
    create_of_what_exists_opens_it,
    truncate_flag_empties_the_file,
    directory_opened_for_writing_gives_eisdir,
    directory_flag_on_a_file_gives_enotdir,
    openat_starts_at_its_directory,
    openat_with_an_absolute_path_ignores_the_descriptor,
    openat_with_a_file_as_directory_gives_enotdir,
    stat_of_an_empty_path_with_at_empty_path_is_the_descriptor,
}

fn empty_path_gives_enoent() -> Outcome {
    expect_errno(path::open("", O_RDONLY, 0), ENOENT)?;
    expect_errno(path::stat(""), ENOENT)?;
    expect_errno(path::mkdir("", 0o755), ENOENT)?;
    expect_errno(path::chdir(""), ENOENT)
}

fn missing_file_gives_enoent() -> Outcome {
    scratch::enter()?;
    expect_errno(path::open("missing", O_RDWR, 0), ENOENT)?;
    expect_errno(path::stat("missing"), ENOENT)?;
    expect_errno(path::unlink("missing"), ENOENT)?;
    expect_errno(path::rmdir("missing"), ENOENT)
}

fn missing_directory_in_the_middle_gives_enoent() -> Outcome {
    scratch::enter()?;
    expect_errno(path::open("missing/file", O_RDWR | O_CREAT, 0o644), ENOENT)?;
    expect_errno(path::mkdir("missing/directory", 0o755), ENOENT)
}

fn file_in_the_middle_gives_enotdir() -> Outcome {
    scratch::enter()?;
    path::create("file")?;
    expect_errno(path::open("file/inner", O_RDWR | O_CREAT, 0o644), ENOTDIR)?;
    expect_errno(path::stat("file/."), ENOTDIR)?;
    expect_errno(path::stat("file/.."), ENOTDIR)
}

fn file_with_a_trailing_slash_gives_enotdir() -> Outcome {
    scratch::enter()?;
    path::create("file")?;
    expect_errno(path::open("file/", O_RDONLY, 0), ENOTDIR)?;
    expect_errno(path::stat("file/"), ENOTDIR)?;
    expect_errno(path::unlink("file/"), ENOTDIR)
}

fn creating_with_a_trailing_slash_gives_eisdir() -> Outcome {
    scratch::enter()?;
    expect_errno(path::open("new/", O_RDWR | O_CREAT, 0o644), EISDIR)?;
    expect_errno(path::stat("new"), ENOENT)
}

fn directory_with_trailing_slashes_is_the_directory() -> Outcome {
    scratch::enter()?;
    path::mkdir("directory//", 0o755)?;
    expect_eq(path::stat("directory///")?.st_ino, path::stat("directory")?.st_ino, "the inode")?;
    Ok(path::rmdir("directory/")?)
}

fn repeated_slashes_count_as_one() -> Outcome {
    let directory = scratch::enter()?;
    path::create("file")?;
    let path = format!("//{}///.//file", directory.to_string_lossy());
    expect_eq(path::stat(&path)?.st_ino, path::stat("file")?.st_ino, "the inode")
}

fn dot_is_the_directory_and_dot_dot_its_parent() -> Outcome {
    scratch::enter()?;
    path::mkdir("a", 0o755)?;
    path::mkdir("a/b", 0o755)?;
    expect_eq(path::stat("a/b/..")?.st_ino, path::stat("a")?.st_ino, "the inode of a/b/..")?;
    expect_eq(path::stat("a/./b/../../a")?.st_ino, path::stat("a")?.st_ino, "the inode of a/./b/../../a")
}

fn dot_dot_of_the_root_is_the_root() -> Outcome {
    expect_eq(path::stat("/..")?.st_ino, path::stat("/")?.st_ino, "the inode of /..")?;
    expect_eq(path::stat("/../../..")?.st_ino, path::stat("/")?.st_ino, "the inode of /../../..")
}

fn name_of_255_bytes_is_allowed_and_256_give_enametoolong() -> Outcome {
    scratch::enter()?;
    let longest = "n".repeat(255);
    fd::close(path::create(&longest)?)?;
    expect_eq(path::stat(&longest)?.st_size, 0, "the size of the file with the longest name")?;
    let too_long = "n".repeat(256);
    expect_errno(path::create(&too_long), ENAMETOOLONG)?;
    expect_errno(path::stat(&too_long), ENAMETOOLONG)?;
    expect_errno(path::mkdir(&too_long, 0o755), ENAMETOOLONG)?;
    expect_errno(path::rename(&longest, &too_long, 0), ENAMETOOLONG)
}

fn path_of_4095_bytes_is_allowed_and_4096_give_enametoolong() -> Outcome {
    scratch::enter()?;
    path::create("x")?;
    let longest = "./".repeat(2047) + "x";
    expect_eq(longest.len(), 4095, "the length")?;
    expect_eq(path::stat(&longest)?.st_ino, path::stat("x")?.st_ino, "the inode")?;
    let too_long = "./".repeat(2047) + "./";
    expect_errno(path::stat(&too_long), ENAMETOOLONG)?;
    expect_errno(path::open(&"/".repeat(5000), O_RDONLY, 0), ENAMETOOLONG)
}

fn names_are_bytes_and_case_matters() -> Outcome {
    scratch::enter()?;
    for name in ["name", "Name", "nämé", " ", "a\nb", "-", "..."] {
        path::create(name)?;
    }
    expect(path::stat("name")?.st_ino != path::stat("Name")?.st_ino, "name and Name are two files")?;
    expect_errno(path::stat("NAME"), ENOENT)
}

fn exclusive_create_of_what_exists_gives_eexist() -> Outcome {
    scratch::enter()?;
    fd::write(path::create("file")?, b"kept")?;
    expect_errno(path::open("file", O_RDWR | O_CREAT | O_EXCL | O_TRUNC, 0o644), EEXIST)?;
    expect_eq(path::stat("file")?.st_size, 4, "the size")?;
    path::mkdir("directory", 0o755)?;
    expect_errno(path::create("directory"), EEXIST)?;
    expect_errno(path::mkdir("directory", 0o755), EEXIST)?;
    expect_errno(path::mkdir("file", 0o755), EEXIST)
}

fn create_of_what_exists_opens_it() -> Outcome {
    scratch::enter()?;
    fd::write(path::create("file")?, b"kept")?;
    let file = path::open("file", O_RDWR | O_CREAT, 0o600)?;
    expect_eq(fd::read_up_to(file, 10)?, b"kept", "the content")?;
    expect_eq(path::stat("file")?.st_mode & 0o777, 0o644, "the mode of its creation")
}

fn truncate_flag_empties_the_file() -> Outcome {
    scratch::enter()?;
    let first = path::create("file")?;
    fd::write(first, b"content")?;
    path::open("file", O_WRONLY | O_TRUNC, 0)?;
    expect_eq(path::fstat(first)?.st_size, 0, "the size")
}

fn directory_opened_for_writing_gives_eisdir() -> Outcome {
    scratch::enter()?;
    path::mkdir("directory", 0o755)?;
    expect_errno(path::open("directory", O_WRONLY, 0), EISDIR)?;
    expect_errno(path::open("directory", O_RDWR, 0), EISDIR)?;
    expect_errno(path::open("directory", O_RDONLY | O_CREAT, 0o644), EISDIR)
}

fn directory_flag_on_a_file_gives_enotdir() -> Outcome {
    scratch::enter()?;
    path::create("file")?;
    expect_errno(path::open("file", O_RDONLY | O_DIRECTORY, 0), ENOTDIR)?;
    path::open(".", O_RDONLY | O_DIRECTORY, 0).map(drop)?;
    Ok(())
}

fn openat_starts_at_its_directory() -> Outcome {
    scratch::enter()?;
    path::mkdir("directory", 0o755)?;
    let directory = path::open("directory", O_RDONLY | O_DIRECTORY, 0)?;
    path::openat(directory, "file", O_RDWR | O_CREAT, 0o644)?;
    expect_eq(path::stat("directory/file")?.st_size, 0, "the size of the new file")?;
    // The descriptor follows its directory when that is renamed.
    path::rename("directory", "moved", 0)?;
    path::openat(directory, "file", O_RDONLY, 0)?;
    path::openat(directory, "../moved/file", O_RDONLY, 0)?;
    path::openat(AT_FDCWD, "moved/file", O_RDONLY, 0)?;
    Ok(())
}

fn openat_with_an_absolute_path_ignores_the_descriptor() -> Outcome {
    path::openat(-1, "/", O_RDONLY | O_DIRECTORY, 0)?;
    expect_errno(path::openat(-1, "relative", O_RDONLY, 0), libc::EBADF)
}

fn openat_with_a_file_as_directory_gives_enotdir() -> Outcome {
    scratch::enter()?;
    let file = path::create("file")?;
    expect_errno(path::openat(file, "x", O_RDONLY, 0), ENOTDIR)
}

fn stat_of_an_empty_path_with_at_empty_path_is_the_descriptor() -> Outcome {
    scratch::enter()?;
    let file = path::create("file")?;
    expect_eq(path::statat(file, "", libc::AT_EMPTY_PATH)?.st_ino, path::stat("file")?.st_ino, "the inode")
}
