//! Links, unlink and rename. Specification: link(2), unlink(2), rename(2), POSIX rename().

use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::scratch;
use crate::sys::{fd, path};
use libc::{EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, RENAME_EXCHANGE, RENAME_NOREPLACE};

crate::tests! {
    hard_links_share_inode_and_content,
    link_count_goes_up_and_down,
    link_counts_in_proc_are_those_of_names_and_directories,
    link_over_what_exists_gives_eexist,
    link_of_a_directory_gives_eperm,
    link_of_a_symlink_links_the_symlink,
    unlinked_file_lives_while_it_is_open,
    name_of_an_unlinked_open_file_can_be_taken_again,
    unlink_of_a_directory_gives_eisdir,
    unlink_removes_a_symlink_and_not_its_target,
    rename_keeps_the_inode,
    rename_replaces_an_existing_file,
    rename_keeps_the_replaced_file_alive_while_it_is_open,
    rename_onto_a_hard_link_of_itself_does_nothing,
    rename_of_a_directory_over_an_empty_one_replaces_it,
    rename_of_a_directory_over_a_full_one_gives_enotempty,
    rename_of_a_directory_over_a_file_gives_enotdir,
    rename_of_a_file_over_a_directory_gives_eisdir,
    rename_of_a_directory_into_itself_gives_einval,
    rename_of_a_missing_file_gives_enoent,
    rename_of_a_directory_changes_its_dot_dot,
    rename_moves_a_symlink_and_not_its_target,
    rename_noreplace_gives_eexist,
    rename_exchange_swaps,
    rename_with_contradicting_flags_gives_einval,
    rename_of_dot_gives_ebusy,
}

fn content(name: &str) -> std::io::Result<String> {
    std::fs::read_to_string(name)
}

/// A file whose content is its first name.
fn named(name: &str) -> Outcome {
    let file = path::create(name)?;
    fd::write(file, name.as_bytes())?;
    Ok(fd::close(file)?)
}

fn hard_links_share_inode_and_content() -> Outcome {
    scratch::enter()?;
    named("one")?;
    path::link("one", "two")?;
    expect_eq(path::stat("two")?.st_ino, path::stat("one")?.st_ino, "the inode")?;
    std::fs::write("two", "changed")?;
    expect_eq(content("one")?, "changed", "the content through the first name")
}

fn link_counts_in_proc_are_those_of_names_and_directories() -> Outcome {
    for name in ["/proc/self/fd/0", "/proc/self/exe", "/proc/self/cwd"] {
        expect_eq(path::lstat(name)?.st_nlink, 1, name)?;
    }
    expect_eq(path::stat("/proc/self/stat")?.st_nlink, 1, "links of a file")?;
    expect_eq(path::stat("/proc/self/fd")?.st_nlink, 2, "links of a directory of links")?;
    // The test's own thread is the only one of its process.
    expect_eq(path::stat("/proc/self/task")?.st_nlink, 3, "links of a directory with one below")
}

fn link_count_goes_up_and_down() -> Outcome {
    scratch::enter()?;
    let file = path::create("one")?;
    let mut counts = vec![path::fstat(file)?.st_nlink];
    path::link("one", "two")?;
    counts.push(path::fstat(file)?.st_nlink);
    path::unlink("one")?;
    counts.push(path::fstat(file)?.st_nlink);
    path::unlink("two")?;
    counts.push(path::fstat(file)?.st_nlink);
    expect_eq(counts, [1, 2, 1, 0], "the link counts")
}

fn link_over_what_exists_gives_eexist() -> Outcome {
    scratch::enter()?;
    named("one")?;
    named("two")?;
    expect_errno(path::link("one", "two"), EEXIST)?;
    expect_errno(path::link("one", "one"), EEXIST)?;
    expect_errno(path::link("missing", "new"), ENOENT)
}

fn link_of_a_directory_gives_eperm() -> Outcome {
    scratch::enter()?;
    path::mkdir("directory", 0o755)?;
    expect_errno(path::link("directory", "link"), EPERM)
}

fn link_of_a_symlink_links_the_symlink() -> Outcome {
    scratch::enter()?;
    named("target")?;
    path::symlink("target", "symlink")?;
    path::link("symlink", "link")?;
    expect_eq(path::lstat("link")?.st_ino, path::lstat("symlink")?.st_ino, "the inode")
}

fn unlinked_file_lives_while_it_is_open() -> Outcome {
    scratch::enter()?;
    let file = path::create("file")?;
    fd::write(file, b"before ")?;
    path::unlink("file")?;
    expect_errno(path::stat("file"), ENOENT)?;
    fd::write(file, b"after")?;
    fd::lseek(file, 0, libc::SEEK_SET)?;
    expect_eq(fd::read_up_to(file, 100)?, b"before after", "the content")
}

fn name_of_an_unlinked_open_file_can_be_taken_again() -> Outcome {
    scratch::enter()?;
    let old = path::create("file")?;
    path::unlink("file")?;
    let new = path::create("file")?;
    expect(path::fstat(old)?.st_ino != path::fstat(new)?.st_ino, "the new file is another file")
}

fn unlink_of_a_directory_gives_eisdir() -> Outcome {
    scratch::enter()?;
    path::mkdir("directory", 0o755)?;
    expect_errno(path::unlink("directory"), EISDIR)
}

fn unlink_removes_a_symlink_and_not_its_target() -> Outcome {
    scratch::enter()?;
    named("target")?;
    path::symlink("target", "link")?;
    path::unlink("link")?;
    expect_errno(path::lstat("link"), ENOENT)?;
    expect_eq(content("target")?, "target", "the target's content")
}

fn rename_keeps_the_inode() -> Outcome {
    scratch::enter()?;
    named("old")?;
    let inode = path::stat("old")?.st_ino;
    path::rename("old", "new", 0)?;
    expect_eq(path::stat("new")?.st_ino, inode, "the inode")?;
    expect_errno(path::stat("old"), ENOENT)
}

fn rename_replaces_an_existing_file() -> Outcome {
    scratch::enter()?;
    named("old")?;
    named("new")?;
    path::rename("old", "new", 0)?;
    expect_eq(content("new")?, "old", "the content")?;
    expect_errno(path::stat("old"), ENOENT)
}

fn rename_keeps_the_replaced_file_alive_while_it_is_open() -> Outcome {
    scratch::enter()?;
    named("old")?;
    named("new")?;
    let replaced = path::open("new", libc::O_RDONLY, 0)?;
    path::rename("old", "new", 0)?;
    expect_eq(fd::read_up_to(replaced, 10)?, b"new", "the replaced file's content")?;
    expect_eq(path::fstat(replaced)?.st_nlink, 0, "the replaced file's links")
}

fn rename_onto_a_hard_link_of_itself_does_nothing() -> Outcome {
    scratch::enter()?;
    named("one")?;
    path::link("one", "two")?;
    path::rename("one", "two", 0)?;
    expect_eq(path::stat("one")?.st_nlink, 2, "the links: both names stay")?;
    path::rename("one", "one", 0)?;
    expect_eq(content("one")?, "one", "the content")
}

fn rename_of_a_directory_over_an_empty_one_replaces_it() -> Outcome {
    scratch::enter()?;
    path::mkdir("old", 0o755)?;
    named("old/file")?;
    path::mkdir("new", 0o755)?;
    path::rename("old", "new", 0)?;
    expect_eq(content("new/file")?, "old/file", "the content of what is in it")?;
    expect_errno(path::stat("old"), ENOENT)
}

fn rename_of_a_directory_over_a_full_one_gives_enotempty() -> Outcome {
    scratch::enter()?;
    path::mkdir("old", 0o755)?;
    path::mkdir("new", 0o755)?;
    named("new/file")?;
    expect_errno(path::rename("old", "new", 0), ENOTEMPTY)?;
    expect_eq(content("new/file")?, "new/file", "the content of what is in it")
}

fn rename_of_a_directory_over_a_file_gives_enotdir() -> Outcome {
    scratch::enter()?;
    path::mkdir("directory", 0o755)?;
    named("file")?;
    expect_errno(path::rename("directory", "file", 0), ENOTDIR)
}

fn rename_of_a_file_over_a_directory_gives_eisdir() -> Outcome {
    scratch::enter()?;
    path::mkdir("directory", 0o755)?;
    named("file")?;
    expect_errno(path::rename("file", "directory", 0), EISDIR)?;
    expect_errno(path::rename("file", "new/", 0), ENOTDIR)
}

fn rename_of_a_directory_into_itself_gives_einval() -> Outcome {
    scratch::enter()?;
    path::mkdir("a", 0o755)?;
    path::mkdir("a/b", 0o755)?;
    expect_errno(path::rename("a", "a/b/c", 0), EINVAL)?;
    expect_errno(path::rename("a", "a/c", 0), EINVAL)?;
    // Over its own ancestor: that one is not empty.
    expect_errno(path::rename("a/b", "a", 0), ENOTEMPTY)
}

fn rename_of_a_missing_file_gives_enoent() -> Outcome {
    scratch::enter()?;
    named("file")?;
    expect_errno(path::rename("missing", "new", 0), ENOENT)?;
    expect_errno(path::rename("file", "missing/new", 0), ENOENT)?;
    expect_errno(path::rename("file", "", 0), ENOENT)
}

fn rename_of_a_directory_changes_its_dot_dot() -> Outcome {
    scratch::enter()?;
    path::mkdir("a", 0o755)?;
    path::mkdir("b", 0o755)?;
    path::mkdir("a/inner", 0o755)?;
    path::rename("a/inner", "b/inner", 0)?;
    expect_eq(path::stat("b/inner/..")?.st_ino, path::stat("b")?.st_ino, "the inode of dot-dot")?;
    let links = ["a", "b"].map(|name| path::stat(name).map(|status| status.st_nlink));
    expect_eq(links, [Ok(2), Ok(3)], "the links of the two parents")
}

fn rename_moves_a_symlink_and_not_its_target() -> Outcome {
    scratch::enter()?;
    named("target")?;
    path::symlink("target", "link")?;
    path::rename("link", "moved", 0)?;
    expect_eq(path::readlink("moved", 100)?, b"target", "where the link leads")?;
    // Onto a symlink: the link itself is replaced.
    named("file")?;
    path::rename("file", "moved", 0)?;
    expect_eq(content("target")?, "target", "the target's content")
}

fn rename_noreplace_gives_eexist() -> Outcome {
    scratch::enter()?;
    named("old")?;
    named("new")?;
    expect_errno(path::rename("old", "new", RENAME_NOREPLACE), EEXIST)?;
    path::rename("old", "free", RENAME_NOREPLACE)?;
    expect_eq(content("free")?, "old", "the content")
}

fn rename_exchange_swaps() -> Outcome {
    scratch::enter()?;
    named("file")?;
    path::mkdir("directory", 0o755)?;
    expect_errno(path::rename("file", "missing", RENAME_EXCHANGE), ENOENT)?;
    path::rename("file", "directory", RENAME_EXCHANGE)?;
    expect_eq(content("directory")?, "file", "the content")?;
    expect_eq(path::stat("file")?.st_mode & libc::S_IFMT, libc::S_IFDIR, "the other's type")
}

fn rename_with_contradicting_flags_gives_einval() -> Outcome {
    scratch::enter()?;
    named("file")?;
    expect_errno(path::rename("file", "new", RENAME_NOREPLACE | RENAME_EXCHANGE), EINVAL)?;
    expect_errno(path::rename("file", "new", 1 << 20), EINVAL)
}

fn rename_of_dot_gives_ebusy() -> Outcome {
    scratch::enter()?;
    path::mkdir("directory", 0o755)?;
    expect_errno(path::rename("directory/.", "new", 0), libc::EBUSY)?;
    expect_errno(path::rename("directory", "directory/..", 0), libc::EBUSY)
}
