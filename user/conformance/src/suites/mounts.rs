//! Moving mounts and changing the root, as the init of an initramfs does. Specification: MS_MOVE of mount(2), pivot_root(2),
//! switch_root(8).
//!
//! Every test has a file system of its own for ground, whose mounts tell no other of what happens to them: so it passes on
//! machines whose root is shared too.

use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno, needs_root, skip};
use crate::scratch;
use crate::sys::mount::{self, mount_tmpfs, pivot_root, relocate};
use crate::sys::{fd, path, process};
use libc::{EBUSY, EINVAL, ELOOP, ENOENT, ENOTDIR, EPERM, MNT_DETACH, MS_PRIVATE};
use std::fs;

crate::tests! {
    moved_mount_is_seen_at_its_new_place_only,
    moved_mount_takes_along_who_is_in_it,
    moved_mount_takes_along_what_is_mounted_below,
    moved_mount_covers_what_is_mounted_there,
    what_is_no_mount_is_not_moved,
    mount_is_not_moved_below_itself,
    directory_is_not_moved_onto_a_file,
    moving_takes_two_places_that_exist,
    moving_takes_privilege,
    root_is_switched_by_moving_onto_it,
    pivot_root_exchanges_two_mounts,
    pivot_root_moves_who_is_at_the_old_root,
    pivot_root_onto_itself_leaves_the_old_root_on_top,
    pivot_root_takes_a_mount_other_than_the_root,
    pivot_root_takes_a_place_below_the_new_root,
    pivot_root_takes_a_root_that_is_a_mount,
}

/// A file system with the directories `a`, `b` and `c`, which is the working directory.
struct Ground(String);

impl Ground {
    fn new() -> Result<Self, Failure> {
        needs_root()?;
        let ground = scratch::enter()?.join("ground").to_string_lossy().into_owned();
        path::mkdir(&ground, 0o755)?;
        match mount_tmpfs(&ground) {
            Err(error) if error.errno == EPERM => return skip("needs the right to mount"),
            other => other?,
        }
        let ground = Self(ground);
        mount::change("none", &ground.0, MS_PRIVATE)?;
        path::chdir(&ground.0)?;
        ["a", "b", "c"].into_iter().try_for_each(|name| path::mkdir(name, 0o755))?;
        Ok(ground)
    }

    /// With a file system on `a` that has the file `inside`.
    fn with_a_mounted() -> Result<Self, Failure> {
        let ground = Self::new()?;
        mount_with_file("a", "inside")?;
        Ok(ground)
    }

    fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.0)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // Whatever has been put on top of it goes first. What cannot be unmounted shows when the directory is removed.
        while mount::unmount(&self.0, MNT_DETACH).is_ok() {}
    }
}

fn mount_with_file(directory: &str, file: &str) -> Outcome {
    mount_tmpfs(directory)?;
    fd::close(path::create(&format!("{directory}/{file}"))?)?;
    Ok(())
}

fn exists(path: &str) -> bool {
    path::stat(path).is_ok()
}

/// Whether /proc says that something is mounted there.
fn is_listed(path: &str) -> Result<bool, Failure> {
    let text = fs::read_to_string("/proc/self/mounts")?;
    Ok(text.lines().any(|line| line.split(' ').nth(1) == Some(path)))
}

fn moved_mount_is_seen_at_its_new_place_only() -> Outcome {
    let ground = Ground::with_a_mounted()?;
    relocate("a", "b")?;
    expect(exists("b/inside") && !exists("a/inside"), "the file is at the new place")?;
    expect(
        is_listed(&ground.path_of("b"))? && !is_listed(&ground.path_of("a"))?,
        "/proc/self/mounts has the new place",
    )?;
    expect_errno(mount::unmount("a", 0), EINVAL)?;
    mount::unmount("b", 0)?;
    path::rmdir("a")?;
    Ok(path::rmdir("b")?)
}

fn moved_mount_takes_along_who_is_in_it() -> Outcome {
    let ground = Ground::with_a_mounted()?;
    let file = path::open("a/inside", libc::O_RDWR, 0)?;
    fd::write(file, b"kept")?;
    path::chdir("a")?;
    relocate(".", "../b")?;
    expect_eq(path::getcwd(4096)?, ground.path_of("b"), "the working directory")?;
    expect(exists("../b/inside"), "the directory above is the one of the new place")?;
    expect_eq(fs::read("inside")?, b"kept", "what was written before")?;
    fd::write(file, b"!")?;
    expect_eq(fs::read("inside")?, b"kept!", "what was written by the open file after")?;
    path::chdir("..")?;
    Ok(())
}

fn moved_mount_takes_along_what_is_mounted_below() -> Outcome {
    let ground = Ground::with_a_mounted()?;
    path::mkdir("a/below", 0o755)?;
    mount_with_file("a/below", "deep")?;
    relocate("a", "b")?;
    expect(exists("b/below/deep") && !exists("a/below"), "the mount below is at the new place too")?;
    expect(is_listed(&ground.path_of("b/below"))?, "/proc/self/mounts has its new place")?;
    expect_errno(mount::unmount("b", 0), EBUSY)
}

fn moved_mount_covers_what_is_mounted_there() -> Outcome {
    let _ground = Ground::with_a_mounted()?;
    mount_with_file("b", "covered")?;
    relocate("a", "b")?;
    expect(exists("b/inside") && !exists("b/covered"), "the one that came last is seen")?;
    relocate("b", "c")?;
    expect(exists("b/covered") && exists("c/inside"), "the one below is seen when that has gone on")
}

fn what_is_no_mount_is_not_moved() -> Outcome {
    let _ground = Ground::with_a_mounted()?;
    path::mkdir("a/directory", 0o755)?;
    expect_errno(relocate("c", "b"), EINVAL)?;
    expect_errno(relocate("a/directory", "b"), EINVAL)?;
    expect_errno(relocate("a/inside", "b"), EINVAL)
}

fn mount_is_not_moved_below_itself() -> Outcome {
    let _ground = Ground::with_a_mounted()?;
    path::mkdir("a/below", 0o755)?;
    expect_errno(relocate("a", "a"), ELOOP)?;
    expect_errno(relocate("a", "a/below"), ELOOP)?;
    mount_tmpfs("a/below")?;
    path::mkdir("a/below/deep", 0o755)?;
    expect_errno(relocate("a", "a/below/deep"), ELOOP)?;
    expect(exists("a/inside"), "it is where it was")
}

fn directory_is_not_moved_onto_a_file() -> Outcome {
    let _ground = Ground::with_a_mounted()?;
    fd::close(path::create("file")?)?;
    expect_errno(relocate("a", "file"), EINVAL)
}

fn moving_takes_two_places_that_exist() -> Outcome {
    let _ground = Ground::with_a_mounted()?;
    expect_errno(relocate("missing", "b"), ENOENT)?;
    expect_errno(relocate("a", "missing"), ENOENT)?;
    expect_errno(relocate("", "b"), EINVAL)
}

fn moving_takes_privilege() -> Outcome {
    let _ground = Ground::with_a_mounted()?;
    process::spawn(|| {
        process::become_user(23_456)?;
        expect_errno(relocate("a", "b"), EPERM)?;
        expect_errno(pivot_root("a", "a"), EPERM)
    })?
    .expect_success()
}

/// Runs `body` in a child whose root is `a`, a mount, with `/new` mounted in it, which has `inside` and `old`.
fn below_a(body: impl FnOnce() -> Outcome) -> Outcome {
    let _ground = Ground::new()?;
    mount_with_file("a", "outside")?;
    path::mkdir("a/new", 0o755)?;
    mount_with_file("a/new", "inside")?;
    path::mkdir("a/new/old", 0o755)?;
    process::spawn(|| {
        mount::chroot("a")?;
        path::chdir("/")?;
        body()
    })?
    .expect_success()
}

fn root_is_switched_by_moving_onto_it() -> Outcome {
    below_a(|| {
        path::mkdir("/proc", 0o755)?;
        mount_with_file("/proc", "moved")?;
        path::mkdir("/new/proc", 0o755)?;
        // What switch_root(8) does.
        relocate("/proc", "/new/proc")?;
        path::chdir("/new")?;
        relocate(".", "/")?;
        mount::chroot(".")?;
        path::chdir("/")?;
        expect(exists("/inside") && exists("/proc/moved") && !exists("/outside"), "the new root is the root")?;
        expect(exists("/../inside"), "nothing is above it")?;
        expect_eq(path::getcwd(4096)?, "/", "the working directory")
    })
}

fn pivot_root_exchanges_two_mounts() -> Outcome {
    below_a(|| {
        pivot_root("/new", "/new/old")?;
        expect(exists("/inside") && exists("/old/outside"), "the old root is below the new one")?;
        expect(!exists("/old/new/inside"), "the place of the new root is empty")?;
        mount::unmount("/old", MNT_DETACH)?;
        expect(!exists("/old/outside"), "the old root can be unmounted")?;
        Ok(path::rmdir("/old")?)
    })
}

fn pivot_root_moves_who_is_at_the_old_root() -> Outcome {
    below_a(|| {
        let (asked, told) = (fd::Pipe::new()?, fd::Pipe::new()?);
        let other = process::spawn(|| {
            fd::write(told.write, b"r")?;
            fd::read(asked.read, &mut [0])?;
            expect(exists("/inside") && exists("inside"), "root and working directory of another process")
        })?;
        fd::read(told.read, &mut [0])?;
        pivot_root("/new", "/new/old")?;
        expect(exists("inside"), "the working directory of the caller")?;
        fd::write(asked.write, b"g")?;
        other.expect_success()
    })
}

fn pivot_root_onto_itself_leaves_the_old_root_on_top() -> Outcome {
    below_a(|| {
        path::chdir("/new")?;
        pivot_root(".", ".")?;
        mount::unmount(".", MNT_DETACH)?;
        expect(exists("/inside") && !exists("/outside"), "the new root is left")?;
        expect_errno(path::stat("/new"), ENOENT)
    })
}

fn pivot_root_takes_a_mount_other_than_the_root() -> Outcome {
    below_a(|| {
        path::mkdir("/plain", 0o755)?;
        path::mkdir("/new/plain", 0o755)?;
        expect_errno(pivot_root("/plain", "/plain"), EBUSY)?;
        expect_errno(pivot_root("/", "/new"), EBUSY)?;
        expect_errno(pivot_root("/new/plain", "/new/old"), EINVAL)?;
        expect_errno(pivot_root("/new/inside", "/new/old"), ENOTDIR)?;
        expect_errno(pivot_root("/missing", "/new/old"), ENOENT)
    })
}

fn pivot_root_takes_a_place_below_the_new_root() -> Outcome {
    below_a(|| {
        path::mkdir("/other", 0o755)?;
        expect_errno(pivot_root("/new", "/other"), EBUSY)?;
        mount_tmpfs("/other")?;
        expect_errno(pivot_root("/new", "/other"), EINVAL)?;
        expect_errno(pivot_root("/new", "/new/inside"), ENOTDIR)
    })
}

fn pivot_root_takes_a_root_that_is_a_mount() -> Outcome {
    below_a(|| {
        path::mkdir("/plain", 0o755)?;
        path::mkdir("/plain/new", 0o755)?;
        mount_tmpfs("/plain/new")?;
        path::mkdir("/plain/new/old", 0o755)?;
        mount::chroot("/plain")?;
        expect_errno(pivot_root("/new", "/new/old"), EINVAL)
    })
}
