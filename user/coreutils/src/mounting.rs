//! `mount`, `umount`, `mknod`.

use crate::invocation::{At, Failure, Invocation, Outcome, finish, output};
use nix::mount::{MntFlags, MsFlags, mount as mount_call, umount2};
use nix::sys::stat::{Mode, SFlag, makedev, mknod as make_node};
use std::fs;
use std::io::Write;

/// Words of `-o` that are flags; all others go to the file system.
const FLAGS: &[(&str, MsFlags)] = &[
    ("ro", MsFlags::MS_RDONLY),
    ("nosuid", MsFlags::MS_NOSUID),
    ("nodev", MsFlags::MS_NODEV),
    ("noexec", MsFlags::MS_NOEXEC),
    ("noatime", MsFlags::MS_NOATIME),
    ("relatime", MsFlags::MS_RELATIME),
    ("sync", MsFlags::MS_SYNCHRONOUS),
    ("remount", MsFlags::MS_REMOUNT),
    ("bind", MsFlags::MS_BIND),
    ("rbind", MsFlags::MS_BIND.union(MsFlags::MS_REC)),
];

/// `mount`, `mount [-r] [-t type] [-o options] source directory`
pub fn mount(invocation: &Invocation) -> Outcome {
    let options = invocation.options("rwt:o:")?;
    let (source, target) = match options.operands.as_slice() {
        [] => return show(invocation),
        [source, target] => (source, target),
        _ => {
            return Err(Failure::usage("usage: mount [-t type] [-o options] source directory"));
        }
    };
    let mut flags = if options.has('r') { MsFlags::MS_RDONLY } else { MsFlags::empty() };
    let mut data = Vec::new();
    for list in options.values('o') {
        for word in list.to_string_lossy().split(',') {
            match FLAGS.iter().find(|(name, _)| *name == word) {
                Some((_, flag)) => flags |= *flag,
                None if word == "rw" || word == "defaults" || word.is_empty() => {}
                None => data.push(word.to_owned()),
            }
        }
    }
    let data = if data.is_empty() { None } else { Some(data.join(",")) };
    mount_call(
        Some(source.as_os_str()),
        target.as_os_str(),
        options.value('t').map(|kind| kind.as_os_str()),
        flags,
        data.as_deref(),
    )
    .at(target)?;
    Ok(0)
}

fn show(invocation: &Invocation) -> Outcome {
    let text = fs::read_to_string("/proc/mounts").at("/proc/mounts")?;
    let mut output = output()?;
    for line in text.lines() {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            [source, target, kind, options, ..] => writeln!(output, "{source} on {target} type {kind} ({options})")?,
            _ => writeln!(output, "{line}")?,
        }
    }
    finish(invocation, output)
}

/// `umount [-l] directory…`
pub fn umount(invocation: &Invocation) -> Outcome {
    let options = invocation.options("lf")?;
    let mut flags = MntFlags::empty();
    flags.set(MntFlags::MNT_DETACH, options.has('l'));
    flags.set(MntFlags::MNT_FORCE, options.has('f'));
    for path in options.required()? {
        if let Err(error) = umount2(path.as_os_str(), flags) {
            invocation.report(path, error);
        }
    }
    Ok(invocation.status())
}

/// `mknod [-m mode] name b|c major minor`, `mknod name p`
pub fn mknod(invocation: &Invocation) -> Outcome {
    let options = invocation.options("m:")?;
    let usage = || Failure::usage("usage: mknod [-m mode] name b|c major minor | name p");
    let words: Vec<_> = options.operands.iter().map(|word| word.to_string_lossy()).collect();
    let words: Vec<_> = words.iter().map(AsRef::as_ref).collect();
    let number = |text: &str| text.parse::<u64>().map_err(|_| usage());
    let (kind, device) = match words.as_slice() {
        [_, "p"] => (SFlag::S_IFIFO, 0),
        [_, "c" | "u", major, minor] => (SFlag::S_IFCHR, makedev(number(major)?, number(minor)?)),
        [_, "b", major, minor] => (SFlag::S_IFBLK, makedev(number(major)?, number(minor)?)),
        _ => return Err(usage()),
    };
    let mode = options.text('m')?.map(|text| u32::from_str_radix(text, 8)).transpose().map_err(|_| usage())?;
    let name = &options.operands[0];
    make_node(name.as_os_str(), kind, Mode::from_bits_truncate(mode.unwrap_or(0o666)), device).at(name)?;
    Ok(0)
}
