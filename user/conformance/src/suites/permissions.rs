//! Who may do what with files. Specification: path_resolution(7) "Permissions", access(2), chmod(2), open(2).

use crate::check::{Outcome, expect_eq, expect_errno, needs_root};
use crate::scratch;
use crate::sys::{fd, path, process, splice};
use libc::{EACCES, EPERM, O_CREAT, O_RDONLY, O_RDWR, O_WRONLY, R_OK, W_OK, X_OK};

crate::tests! {
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
    insides_of_anothers_process_are_not_shown,
    changing_a_file_takes_its_set_id_bits,
    set_group_id_without_group_execution_stays_for_members,
    root_changes_a_file_and_keeps_its_set_id_bits,
}

/// An unprivileged user and group.
const SOMEBODY: u32 = 12_345;

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
    expect_eq((status.st_uid, status.st_gid), (SOMEBODY, SOMEBODY), "owner and group")
}

fn descriptor_opened_before_losing_permission_works_on() -> Outcome {
    needs_root()?;
    scratch::enter()?;
    let file = path::open("file", O_CREAT | O_RDWR, 0o600)?;
    process::become_user(SOMEBODY)?;
    expect_eq(fd::write(file, b"x")?, 1, "bytes written")?;
    expect_errno(path::open("file", O_RDONLY, 0), EACCES)
}

/// proc(5): the layout of a process's memory is governed by a ptrace access check, whatever the permissions say.
fn insides_of_anothers_process_are_not_shown() -> Outcome {
    needs_root()?;
    let other = process::spawn_sleeper()?;
    let pid = other.pid;
    let looker = process::spawn(|| {
        process::become_user(SOMEBODY)?;
        for name in ["maps".to_string(), format!("task/{pid}/maps"), "environ".to_string()] {
            expect_errno(path::open(&format!("/proc/{pid}/{name}"), O_RDONLY, 0), EACCES)?;
        }
        fd::close(path::open(&format!("/proc/{pid}/stat"), O_RDONLY, 0)?)?;
        Ok(fd::close(path::open("/proc/self/maps", O_RDONLY, 0)?)?)
    })?;
    looker.expect_success()?;
    fd::close(path::open(&format!("/proc/{pid}/maps"), O_RDONLY, 0)?)?;
    other.kill_and_wait()
}

/// Changes the contents of "file", of which this is a descriptor.
type Change = fn(i32) -> Outcome;

/// The ways to do that.
const CHANGES: [(&str, Change); 6] = [
    ("write", |file| expect_eq(fd::write(file, b"x")?, 1, "bytes written")),
    ("pwrite", |file| expect_eq(fd::pwrite(file, b"x", 9)?, 1, "bytes written")),
    ("ftruncate", |file| Ok(path::ftruncate(file, 5)?)),
    ("truncate", |_| Ok(path::truncate("file", 5)?)),
    ("open with O_TRUNC", |_| Ok(path::open("file", O_WRONLY | libc::O_TRUNC, 0).map(drop)?)),
    ("splice", |file| {
        let pipe = fd::Pipe::new()?;
        fd::write(pipe.write, b"x")?;
        expect_eq(splice::splice(pipe.read, file, 1, 0)?, 1, "bytes moved")
    }),
];

/// The permissions of `file`, which has been opened already, once each of the changes was made to it with `before`.
fn expect_after_each_change(before: u32, after: u32) -> Outcome {
    let file = path::open("file", O_RDWR, 0)?;
    for (name, change) in CHANGES {
        path::chmod("file", before)?;
        change(file)?;
        expect_eq(path::stat("file")?.st_mode & 0o7777, after, &format!("the permissions after {name}"))?;
    }
    path::chmod("file", before)?;
    fd::write(file, b"")?;
    expect_eq(path::stat("file")?.st_mode & 0o7777, before, "the permissions after a write of nothing")
}

fn changing_a_file_takes_its_set_id_bits() -> Outcome {
    as_somebody(|| file_with_mode("file", SOMEBODY, SOMEBODY, 0o755))?;
    expect_after_each_change(0o6755, 0o755)
}

fn set_group_id_without_group_execution_stays_for_members() -> Outcome {
    as_somebody(|| file_with_mode("file", SOMEBODY, SOMEBODY, 0o755))?;
    expect_after_each_change(0o6745, 0o2745)
}

fn root_changes_a_file_and_keeps_its_set_id_bits() -> Outcome {
    needs_root()?;
    scratch::enter()?;
    file_with_mode("file", SOMEBODY, SOMEBODY, 0o755)?;
    expect_after_each_change(0o6755, 0o6755)
}
