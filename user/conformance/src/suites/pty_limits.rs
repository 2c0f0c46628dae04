//! The file system of pseudo-terminals, how many there may be, and what they leave behind.
//! Specification: pts(4), Documentation/filesystems/devpts.rst of Linux.

use super::leaks::leaves_nothing;
use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno, needs_root, skip};
use crate::scratch;
use crate::sys::terminal::{self, Pair};
use crate::sys::{fd, mount, path, process};
use libc::{EACCES, EINVAL, ENOSPC, EPERM, O_CREAT, O_NOCTTY, O_RDWR};
use std::fs;

crate::tests! {
    devpts_lists_its_terminals,
    devpts_can_be_changed_by_the_kernel_alone,
    devpts_has_a_ptmx_of_its_own,
    devpts_gives_terminals_the_mode_and_group_of_its_mount,
    devpts_refuses_unknown_options,
    no_more_terminals_than_the_mount_allows,
    terminals_have_numbers_below_the_limit,
    pairs_leave_nothing,
    sessions_on_terminals_leave_nothing,
}

/// A mount of devpts, taken away when it is dropped. There may be one devpts for all: the usual options come back then.
struct Mounted(String);

impl Mounted {
    fn with(options: &str) -> Result<Self, Failure> {
        needs_root()?;
        Pair::open()?;
        let place = scratch::enter()?.join("pts").to_string_lossy().into_owned();
        path::mkdir(&place, 0o755)?;
        match mount::mount_new("devpts", &place, options) {
            Err(error) if error.errno == EPERM => skip("needs the right to mount"),
            other => Ok(other.map(|()| Self(place))?),
        }
    }

    fn open_ptmx(&self) -> crate::sys::Sys<i32> {
        path::open(&format!("{}/ptmx", self.0), O_RDWR | O_NOCTTY, 0)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // On Linux this is one more instance, which goes at once.
        let again = mount::mount_new("devpts", &self.0, "gid=5,mode=620,ptmxmode=666");
        for _ in 0..1 + usize::from(again.is_ok()) {
            if let Err(error) = mount::unmount(&self.0, libc::MNT_DETACH) {
                eprintln!("{error}");
            }
        }
    }
}

fn devpts_lists_its_terminals() -> Outcome {
    let pair = Pair::open()?;
    let number = terminal::number(pair.master)?.to_string();
    let names: Vec<_> =
        fs::read_dir("/dev/pts")?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    expect(names.contains(&number), "the terminal is listed")?;
    expect(names.iter().any(|name| name == "ptmx"), "ptmx is listed")
}

fn devpts_can_be_changed_by_the_kernel_alone() -> Outcome {
    let pair = Pair::open()?;
    let path = pair.path()?;
    expect_errno(path::mkdir("/dev/pts/directory", 0o755), if process::geteuid() == 0 { EPERM } else { EACCES })?;
    expect_errno(path::open("/dev/pts/file", O_RDWR | O_CREAT, 0o600), EACCES)?;
    needs_root()?;
    expect_errno(path::unlink(&path), EPERM)?;
    path::chmod(&path, 0o640)?;
    expect_eq(path::stat(&path)?.st_mode & 0o777, 0o640, "the mode that was set")
}

fn devpts_has_a_ptmx_of_its_own() -> Outcome {
    let mounted = Mounted::with("ptmxmode=666")?;
    let node = path::stat(&format!("{}/ptmx", mounted.0))?;
    expect_eq((libc::major(node.st_rdev), libc::minor(node.st_rdev)), (5, 2), "the device")?;
    expect_eq(node.st_mode & 0o7777, 0o666, "the mode")?;
    let master = mounted.open_ptmx()?;
    path::stat(&format!("{}/{}", mounted.0, terminal::number(master)?)).map(drop)?;
    Ok(())
}

fn devpts_gives_terminals_the_mode_and_group_of_its_mount() -> Outcome {
    let mounted = Mounted::with("mode=640,gid=77,ptmxmode=600")?;
    let master = mounted.open_ptmx()?;
    let node = path::stat(&format!("{}/{}", mounted.0, terminal::number(master)?))?;
    expect_eq((node.st_mode & 0o7777, node.st_gid), (0o640, 77), "mode and group")
}

fn devpts_refuses_unknown_options() -> Outcome {
    let mounted = Mounted::with("newinstance")?;
    expect_errno(mount::mount_new("devpts", &mounted.0, "colour=red"), EINVAL)
}

fn no_more_terminals_than_the_mount_allows() -> Outcome {
    const MORE: usize = 64;
    let mounted = Mounted::with("max=8,ptmxmode=600")?;
    let mut masters = Vec::new();
    let refused = loop {
        match mounted.open_ptmx() {
            Ok(master) if masters.len() < MORE => masters.push(master),
            other => break other,
        }
    };
    expect_errno(refused, ENOSPC)?;
    expect((1..=8).contains(&masters.len()), "at most eight terminals")?;
    let freed = masters[0];
    let number = terminal::number(freed)?;
    fd::close(freed)?;
    expect_eq(terminal::number(mounted.open_ptmx()?)?, number, "the number that is free again")
}

fn terminals_have_numbers_below_the_limit() -> Outcome {
    let pair = Pair::open()?;
    let number = |name: &str| -> Result<i32, Failure> {
        let text = fs::read_to_string(format!("/proc/sys/kernel/pty/{name}"))?;
        text.trim().parse().map_err(|_| crate::check::failed("a number"))
    };
    expect(terminal::number(pair.master)? < number("max")?, "the number is below the limit")?;
    expect(number("nr")? >= 1, "this terminal is counted")
}

fn pairs_leave_nothing() -> Outcome {
    leaves_nothing(100, || {
        let pair = Pair::open()?;
        pair.type_in("typed\nand not finished")?;
        fd::write(pair.terminal, b"not read")?;
        fd::close(pair.master)?;
        let other = Pair::open()?;
        fd::close(other.terminal)?;
        fd::close(other.master)?;
        fd::close(pair.terminal).map_err(Failure::from)
    })
}

fn sessions_on_terminals_leave_nothing() -> Outcome {
    leaves_nothing(60, || {
        let pair = Pair::open()?;
        let leader = process::spawn(|| {
            process::setsid()?;
            terminal::ioctl(pair.terminal, 0x540e, 0)?;
            let reader = process::spawn(|| {
                fd::read(pair.terminal, &mut [0; 8])?;
                Ok(())
            })?;
            reader.wait_until_asleep()?;
            fd::close(pair.terminal)?;
            loop {
                process::pause();
            }
        })?;
        fd::close(pair.terminal)?;
        leader.wait_until_asleep()?;
        leader.kill_and_wait()?;
        fd::close(pair.master).map_err(Failure::from)
    })
}
