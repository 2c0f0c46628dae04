//! Symbolic links. Specification: symlink(7), symlink(2), readlink(2), path_resolution(7).

use crate::check::{Outcome, expect_eq, expect_errno};
use crate::scratch;
use crate::sys::{fd, path};
use libc::{EEXIST, ELOOP, ENOENT, ENOTDIR, O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_RDWR};

crate::tests! {
    dot_dot_after_a_symlink_is_the_targets_parent,
    symlink_is_followed,
    relative_symlink_starts_at_its_own_directory,
    chain_of_forty_symlinks_is_followed_and_forty_one_give_eloop,
    symlink_to_itself_gives_eloop,
    dangling_symlink_gives_enoent_and_create_makes_the_target,
    creating_exclusively_over_a_symlink_gives_eexist,
    nofollow_on_a_symlink_gives_eloop,
    nofollow_follows_symlinks_in_the_middle,
    readlink_returns_the_target_cut_to_the_buffer,
    readlink_of_a_file_gives_einval,
    symlink_over_what_exists_gives_eexist,
    empty_symlink_target_gives_enoent,
}

fn dot_dot_after_a_symlink_is_the_targets_parent() -> Outcome {
    scratch::enter()?;
    path::mkdir("far", 0o755)?;
    path::mkdir("far/inner", 0o755)?;
    path::symlink("far/inner", "link")?;
    expect_eq(path::stat("link/..")?.st_ino, path::stat("far")?.st_ino, "the inode of link/..")
}

fn symlink_is_followed() -> Outcome {
    scratch::enter()?;
    fd::write(path::create("target")?, b"through")?;
    path::symlink("target", "link")?;
    expect_eq(fd::read_up_to(path::open("link", O_RDONLY, 0)?, 10)?, b"through", "the content")?;
    expect_eq(path::stat("link")?.st_mode & libc::S_IFMT, libc::S_IFREG, "what stat says")?;
    let link = path::lstat("link")?;
    expect_eq(link.st_mode & libc::S_IFMT, libc::S_IFLNK, "what lstat says")?;
    expect_eq(link.st_size, 6, "the length of the target's name")
}

fn relative_symlink_starts_at_its_own_directory() -> Outcome {
    let directory = scratch::enter()?;
    path::mkdir("inner", 0o755)?;
    path::create("file")?;
    path::symlink("../file", "inner/link")?;
    path::symlink(&format!("{}/file", directory.to_string_lossy()), "absolute")?;
    let inode = path::stat("file")?.st_ino;
    expect_eq(path::stat("inner/link")?.st_ino, inode, "the inode through the relative link")?;
    expect_eq(path::stat("absolute")?.st_ino, inode, "the inode through the absolute link")
}

fn chain_of_forty_symlinks_is_followed_and_forty_one_give_eloop() -> Outcome {
    scratch::enter()?;
    path::create("0")?;
    for number in 1..=41 {
        path::symlink(&(number - 1).to_string(), &number.to_string())?;
    }
    expect_eq(path::stat("40")?.st_ino, path::stat("0")?.st_ino, "the inode through forty links")?;
    expect_errno(path::stat("41"), ELOOP)
}

fn symlink_to_itself_gives_eloop() -> Outcome {
    scratch::enter()?;
    path::symlink("loop", "loop")?;
    path::symlink("pong", "ping")?;
    path::symlink("ping", "pong")?;
    for name in ["loop", "ping", "loop/inner"] {
        expect_errno(path::stat(name), ELOOP)?;
        expect_errno(path::open(name, O_RDWR | O_CREAT, 0o644), ELOOP)?;
    }
    Ok(())
}

fn dangling_symlink_gives_enoent_and_create_makes_the_target() -> Outcome {
    scratch::enter()?;
    path::symlink("target", "link")?;
    expect_errno(path::open("link", O_RDONLY, 0), ENOENT)?;
    path::open("link", O_RDWR | O_CREAT, 0o644)?;
    expect_eq(path::lstat("target")?.st_mode & libc::S_IFMT, libc::S_IFREG, "the target's type")
}

fn creating_exclusively_over_a_symlink_gives_eexist() -> Outcome {
    scratch::enter()?;
    path::symlink("target", "link")?;
    expect_errno(path::create("link"), EEXIST)?;
    expect_errno(path::mkdir("link", 0o755), EEXIST)?;
    expect_errno(path::stat("target"), ENOENT)
}

fn nofollow_on_a_symlink_gives_eloop() -> Outcome {
    scratch::enter()?;
    path::create("target")?;
    path::symlink("target", "link")?;
    expect_errno(path::open("link", O_RDONLY | O_NOFOLLOW, 0), ELOOP)?;
    fd::close(path::open("target", O_RDONLY | O_NOFOLLOW, 0)?)?;
    expect_errno(path::open("link", O_RDONLY | O_NOFOLLOW | O_DIRECTORY, 0), ENOTDIR)
}

fn nofollow_follows_symlinks_in_the_middle() -> Outcome {
    scratch::enter()?;
    path::mkdir("directory", 0o755)?;
    path::create("directory/file")?;
    path::symlink("directory", "link")?;
    path::open("link/file", O_RDONLY | O_NOFOLLOW, 0)?;
    expect_eq(path::lstat("link/")?.st_mode & libc::S_IFMT, libc::S_IFDIR, "lstat of a link with a trailing slash")
}

fn readlink_returns_the_target_cut_to_the_buffer() -> Outcome {
    scratch::enter()?;
    path::symlink("any/target at all", "link")?;
    expect_eq(path::readlink("link", 100)?, b"any/target at all", "the target")?;
    expect_eq(path::readlink("link", 5)?, b"any/t", "the target in a small buffer")
}

fn readlink_of_a_file_gives_einval() -> Outcome {
    scratch::enter()?;
    path::create("file")?;
    expect_errno(path::readlink("file", 10), libc::EINVAL)?;
    path::symlink("x", "link")?;
    expect_errno(path::readlink("link", 0), libc::EINVAL)
}

fn symlink_over_what_exists_gives_eexist() -> Outcome {
    scratch::enter()?;
    path::create("file")?;
    expect_errno(path::symlink("x", "file"), EEXIST)?;
    expect_errno(path::symlink("x", "."), EEXIST)
}

fn empty_symlink_target_gives_enoent() -> Outcome {
    scratch::enter()?;
    expect_errno(path::symlink("", "link"), ENOENT)
}
