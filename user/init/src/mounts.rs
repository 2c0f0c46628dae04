//! The mounts a program may expect, and what control groups begin with. Owns the table; a mount that fails is reported, never
//! fatal.

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use std::fs;

/// Whether the system is usable without the mount.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Its absence is reported.
    Expected,
    /// ENODEV ("this kernel has no such file system") is passed over in silence.
    Optional,
}

/// (type, target, data, need), in the order of mounting: a target may lie inside an earlier one.
const MOUNTS: &[(&str, &str, Option<&str>, Need)] = &[
    ("devtmpfs", "/dev", None, Need::Expected),
    ("tmpfs", "/dev/shm", Some("mode=1777"), Need::Expected),
    ("devpts", "/dev/pts", Some("gid=5,mode=620,ptmxmode=666"), Need::Optional),
    ("proc", "/proc", None, Need::Expected),
    ("tmpfs", "/tmp", Some("mode=1777"), Need::Expected),
    ("sysfs", "/sys", None, Need::Optional),
    ("cgroup2", "/sys/fs/cgroup", None, Need::Optional),
];

/// Mounts everything in the table that is not mounted yet.
pub fn mount_all() {
    for &(kind, target, data, need) in MOUNTS {
        if let Err(message) = mount_one(kind, target, data, need) {
            eprintln!("init: {message}");
        }
    }
    enable_controllers();
}

/// Hands the controllers that there are to groups below the root, so that a group which is made has its files.
fn enable_controllers() {
    const CONTROLS: &str = "/sys/fs/cgroup/cgroup.subtree_control";
    // Written only where the file is; a kernel without the controller says EINVAL, and nothing here needs it.
    if fs::exists(CONTROLS).unwrap_or(false)
        && let Err(error) = fs::write(CONTROLS, "+pids")
        && error.kind() != std::io::ErrorKind::InvalidInput
    {
        eprintln!("init: {CONTROLS}: {error}");
    }
}

fn mount_one(kind: &str, target: &str, data: Option<&str>, need: Need) -> Result<(), String> {
    // The directory may be missing from the initramfs, or from a file system mounted just now. When
    // it cannot be made either, mount(2) names the reason.
    let made = fs::create_dir_all(target);
    let flags = MsFlags::MS_NOSUID;
    match mount(Some(kind), target, Some(kind), flags, data) {
        // EBUSY: the kernel or an earlier stage mounted it already.
        Ok(()) | Err(Errno::EBUSY) => Ok(()),
        Err(Errno::ENODEV) if need == Need::Optional => Ok(()),
        // An optional mount inside an absent optional one (cgroup2 without sysfs) has no place to go.
        Err(Errno::ENOENT) if need == Need::Optional && made.is_err() => Ok(()),
        Err(error) => Err(format!("mount {kind} on {target}: {}", error.desc())),
    }
}
