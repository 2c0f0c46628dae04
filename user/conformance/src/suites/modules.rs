//! Modules: loading, unloading, parameters, and what is seen of it. Postern's modules are built in and named by small image files,
//! so all but the system calls' errors is Postern's own; elsewhere the suite is skipped. Specification: init_module(2),
//! delete_module(2), proc_modules(5), sysfs(5).

use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno, failed, needs_postern, needs_root};
use crate::sys::module::{bare, delete_module, finit_module, init_module};
use crate::sys::{Sys, fd, path, process};
use libc::{
    EACCES, EBADF, EBUSY, EEXIST, EFAULT, EINVAL, ENODEV, ENOENT, ENOEXEC, EOPNOTSUPP, EPERM, EWOULDBLOCK, O_NONBLOCK,
    O_RDONLY, O_RDWR, O_WRONLY,
};
use std::fs;

crate::tests! {
    finit_module_loads_what_the_image_names_and_delete_module_unloads_it,
    init_module_takes_the_image_from_memory,
    a_module_that_is_loaded_gives_eexist,
    a_module_that_there_is_not_gives_enoent,
    what_is_no_image_gives_enoexec,
    an_image_of_another_release_gives_enoexec,
    an_unknown_parameter_gives_einval_and_the_log_says_which,
    a_bad_value_gives_einval_and_the_log_says_what_it_must_be,
    a_refused_load_leaves_nothing_behind,
    parameters_reach_the_module_and_sysfs_shows_them,
    a_parameter_for_loading_only_cannot_be_written,
    deleting_what_is_not_loaded_gives_enoent,
    deleting_an_open_module_gives_ebusy_and_ewouldblock_with_o_nonblock,
    a_killed_process_no_longer_keeps_the_module,
    only_root_may_load_and_unload,
    bad_pointers_give_efault,
    bad_descriptors_and_flags_are_refused,
    proc_modules_has_linux_s_six_columns,
    dmesg_shows_the_major_number_of_a_loaded_module,
    a_file_of_sysfs_kept_open_says_enodev_once_the_module_is_gone,
    sysfs_has_a_place_for_control_groups_and_takes_no_files,
    the_tools_load_list_explain_and_unload,
    insmod_says_why_in_the_kernel_s_words,
    a_thousand_loads_leave_memory_as_it_was,
    load_unload_and_open_race_without_harm,
}

const EXAMPLE: &str = "mailbox";
const NODE: &str = "/dev/mailbox";

/// The image of a module.
fn image(name: &str) -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("/lib/modules/{}/{name}.ko", release.trim_end())
}

/// Skips the test where there is no Postern, or no root.
pub(super) fn needs_root_on_postern() -> Outcome {
    needs_postern("looks at what is Postern's own")?;
    needs_root()
}

/// Loads a module with parameters, after taking it out if somebody left it in.
pub(super) fn reload(name: &str, parameters: &str) -> Outcome {
    needs_root_on_postern()?;
    unloaded(name)?;
    Ok(load(name, parameters)?)
}

/// Takes a module out if it is loaded.
pub(super) fn unloaded(name: &str) -> Outcome {
    needs_root_on_postern()?;
    match delete_module(name, 0) {
        Ok(()) => Ok(()),
        Err(error) if error.errno == ENOENT => Ok(()),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn load(name: &str, parameters: &str) -> Sys<()> {
    let file = path::open(&image(name), O_RDONLY, 0)?;
    let loaded = finit_module(file, parameters, 0);
    fd::close(file)?;
    loaded
}

pub(super) fn log() -> Result<String, Failure> {
    Ok(fs::read_to_string("/dev/kmsg")?)
}

fn is_loaded(name: &str) -> Result<bool, Failure> {
    Ok(fs::read_to_string("/proc/modules")?.lines().any(|line| line.split(' ').next() == Some(name)))
}

fn traces() -> Result<[bool; 3], Failure> {
    Ok([fs::exists(NODE)?, fs::exists("/sys/module/mailbox")?, is_loaded(EXAMPLE)?])
}

fn finit_module_loads_what_the_image_names_and_delete_module_unloads_it() -> Outcome {
    unloaded(EXAMPLE)?;
    expect_eq(traces()?, [false; 3], "node, directory of sysfs and line of /proc/modules before")?;
    load(EXAMPLE, "")?;
    expect_eq(traces()?, [true; 3], "the same of the loaded module")?;
    delete_module(EXAMPLE, 0)?;
    expect_eq(traces()?, [false; 3], "the same afterwards")
}

fn init_module_takes_the_image_from_memory() -> Outcome {
    unloaded(EXAMPLE)?;
    init_module(&fs::read(image(EXAMPLE))?, "letter=88")?;
    let file = path::open(NODE, O_RDONLY, 0)?;
    expect_eq(fd::read_up_to(file, 1)?, b"X".to_vec(), "what is in the box")?;
    fd::close(file)?;
    Ok(delete_module(EXAMPLE, 0)?)
}

fn a_module_that_is_loaded_gives_eexist() -> Outcome {
    reload(EXAMPLE, "")?;
    expect_errno(load(EXAMPLE, ""), EEXIST)?;
    Ok(delete_module(EXAMPLE, 0)?)
}

fn a_module_that_there_is_not_gives_enoent() -> Outcome {
    needs_root_on_postern()?;
    let other = fs::read_to_string(image(EXAMPLE))?.replace("name=mailbox", "name=nonesuch");
    expect_errno(init_module(other.as_bytes(), ""), ENOENT)
}

fn what_is_no_image_gives_enoexec() -> Outcome {
    unloaded(EXAMPLE)?;
    for bytes in [b"".as_slice(), b"\x7fELF", b"Postern module\n", &[b'x'; 100_000]] {
        expect_errno(init_module(bytes, ""), ENOEXEC)?;
    }
    expect_errno(finit_module(path::open("/proc/self/exe", O_RDONLY, 0)?, "", 0), ENOEXEC)
}

fn an_image_of_another_release_gives_enoexec() -> Outcome {
    unloaded(EXAMPLE)?;
    let other = fs::read_to_string(image(EXAMPLE))?.replace("vermagic=", "vermagic=9");
    expect_errno(init_module(other.as_bytes(), ""), ENOEXEC)
}

/// Expects a refused load, and that the newest line of the log is this.
fn expect_refusal(parameters: &str, sentence: &str) -> Outcome {
    unloaded(EXAMPLE)?;
    expect_errno(load(EXAMPLE, parameters), EINVAL)?;
    let log = log()?;
    let newest = log.lines().next_back().and_then(|line| line.split_once("] ")).map(|(_, text)| text);
    expect_eq(newest, Some(sentence), "the newest line of the log")
}

fn an_unknown_parameter_gives_einval_and_the_log_says_which() -> Outcome {
    expect_refusal("latter=1", "mailbox: unknown parameter latter")
}

fn a_bad_value_gives_einval_and_the_log_says_what_it_must_be() -> Outcome {
    expect_refusal("letter=256", "mailbox: parameter letter=256: must be a number from 0 to 255")?;
    expect_refusal("letter", "mailbox: parameter letter without a value: must be a number from 0 to 255")
}

fn a_refused_load_leaves_nothing_behind() -> Outcome {
    expect_refusal("letter=x", "mailbox: parameter letter=x: must be a number from 0 to 255")?;
    expect_eq(traces()?, [false; 3], "node, directory of sysfs and line of /proc/modules")
}

fn parameters_reach_the_module_and_sysfs_shows_them() -> Outcome {
    reload(EXAMPLE, "letter=0x41")?;
    let shown = |name: &str| fs::read_to_string(format!("/sys/module/mailbox/{name}"));
    expect_eq(shown("parameters/letter")?, "65\n", "the parameter")?;
    let file = path::open(NODE, O_RDONLY, 0)?;
    expect_eq(fd::read_up_to(file, 1)?, b"A".to_vec(), "what is in the box")?;
    expect_eq((shown("refcnt")?, shown("initstate")?), ("1\n".into(), "live\n".into()), "users and state")
}

fn a_parameter_for_loading_only_cannot_be_written() -> Outcome {
    reload(EXAMPLE, "letter=65")?;
    let name = "/sys/module/mailbox/parameters/letter";
    expect_eq(path::stat(name)?.st_mode & 0o777, 0o444, "its mode")?;
    let written = path::open(name, O_WRONLY, 0).and_then(|file| fd::write(file, b"66\n"));
    expect_errno(written, EACCES)?;
    expect_eq(fs::read_to_string(name)?, "65\n", "its value")
}

fn deleting_what_is_not_loaded_gives_enoent() -> Outcome {
    unloaded(EXAMPLE)?;
    expect_errno(delete_module(EXAMPLE, 0), ENOENT)?;
    expect_errno(delete_module("", 0), ENOENT)?;
    expect_errno(delete_module(&"x".repeat(5000), 0), ENOENT)
}

fn deleting_an_open_module_gives_ebusy_and_ewouldblock_with_o_nonblock() -> Outcome {
    reload(EXAMPLE, "letter=66")?;
    let file = path::open(NODE, O_RDWR, 0)?;
    expect_errno(delete_module(EXAMPLE, 0), EBUSY)?;
    expect_errno(delete_module(EXAMPLE, O_NONBLOCK), EWOULDBLOCK)?;
    expect_eq(fd::read_up_to(file, 1)?, b"B".to_vec(), "what is in the box, which goes on working")?;
    let copy = fd::dup(file)?;
    fd::close(file)?;
    expect_errno(delete_module(EXAMPLE, 0), EBUSY)?;
    fd::close(copy)?;
    Ok(delete_module(EXAMPLE, O_NONBLOCK)?)
}

fn a_killed_process_no_longer_keeps_the_module() -> Outcome {
    reload(EXAMPLE, "")?;
    let reader = process::spawn(|| {
        let file = path::open(NODE, O_RDONLY, 0)?;
        expect_eq(fd::read_up_to(file, 1)?.len(), 1, "bytes of a box that stays empty")
    })?;
    reader.wait_until_asleep()?;
    expect_errno(delete_module(EXAMPLE, 0), EBUSY)?;
    reader.kill_and_wait()?;
    Ok(delete_module(EXAMPLE, 0)?)
}

fn only_root_may_load_and_unload() -> Outcome {
    reload(EXAMPLE, "")?;
    let file = path::open(&image(EXAMPLE), O_RDONLY, 0)?;
    process::spawn(|| {
        process::become_user(1000)?;
        expect_errno(delete_module(EXAMPLE, 0), EPERM)?;
        expect_errno(finit_module(file, "", 0), EPERM)?;
        expect_errno(init_module(b"", ""), EPERM)
    })?
    .expect_success()
}

fn bad_pointers_give_efault() -> Outcome {
    unloaded(EXAMPLE)?;
    let text = fs::read(image(EXAMPLE))?;
    let good = text.as_ptr().expose_provenance();
    let file = path::open(&image(EXAMPLE), O_RDONLY, 0)?;
    let number = usize::try_from(file).map_err(|_| failed("a negative descriptor"))?;
    for bad in [8, usize::MAX - 4096, 0xffff_0000_0000_0000] {
        expect_errno(bare(libc::SYS_init_module, [bad, 100, good]), EFAULT)?;
        expect_errno(bare(libc::SYS_init_module, [good, text.len(), bad]), EFAULT)?;
        expect_errno(bare(libc::SYS_finit_module, [number, bad, 0]), EFAULT)?;
        expect_errno(bare(libc::SYS_delete_module, [bad, 0, 0]), EFAULT)?;
    }
    expect_eq(traces()?, [false; 3], "node, directory of sysfs and line of /proc/modules")
}

fn bad_descriptors_and_flags_are_refused() -> Outcome {
    unloaded(EXAMPLE)?;
    expect_errno(finit_module(-1, "", 0), EBADF)?;
    expect_errno(finit_module(path::open(&image(EXAMPLE), O_WRONLY, 0)?, "", 0), EBADF)?;
    expect_errno(finit_module(path::open("/dev/null", O_RDONLY, 0)?, "", 0), EINVAL)?;
    let file = path::open(&image(EXAMPLE), O_RDONLY, 0)?;
    expect_errno(finit_module(file, "", 1 << 9), EINVAL)?;
    expect_errno(finit_module(file, "", 4), EOPNOTSUPP)?;
    expect_errno(finit_module(file, &"x".repeat(5000), 0), EINVAL)
}

fn proc_modules_has_linux_s_six_columns() -> Outcome {
    reload(EXAMPLE, "")?;
    let text = fs::read_to_string("/proc/modules")?;
    let line = text.lines().find(|line| line.starts_with("mailbox ")).ok_or_else(|| failed("no line"))?;
    expect_eq(line, "mailbox 0 0 - Live 0x0000000000000000", "the line")
}

fn dmesg_shows_the_major_number_of_a_loaded_module() -> Outcome {
    reload(EXAMPLE, "")?;
    let major = libc::major(path::stat(NODE)?.st_rdev);
    let wanted = format!("mailbox_driver_init: major {major}");
    expect(log()?.lines().next_back().is_some_and(|line| line.ends_with(&wanted)), "the log's newest line says it")
}

fn a_file_of_sysfs_kept_open_says_enodev_once_the_module_is_gone() -> Outcome {
    reload(EXAMPLE, "letter=65")?;
    let file = path::open("/sys/module/mailbox/parameters/letter", O_RDONLY, 0)?;
    delete_module(EXAMPLE, 0)?;
    expect_errno(fd::read(file, &mut [0; 8]), ENODEV)?;
    // The next one is another module, though it has the same name.
    load(EXAMPLE, "")?;
    expect_errno(fd::read(file, &mut [0; 8]), ENODEV)
}

fn sysfs_has_a_place_for_control_groups_and_takes_no_files() -> Outcome {
    needs_root_on_postern()?;
    expect_eq(path::stat("/sys/fs/cgroup")?.st_mode & libc::S_IFMT, libc::S_IFDIR, "the type of /sys/fs/cgroup")?;
    expect_errno(path::create("/sys/module/mine"), EACCES)?;
    expect_errno(path::mkdir("/sys/module/mine", 0o755), EPERM)
}

/// Runs a tool of the guest; its status and what it printed, on both outputs.
fn tool(words: &[&str]) -> Result<(Option<i32>, String, String), Failure> {
    let output = std::process::Command::new(format!("/bin/{}", words[0])).args(&words[1..]).output()?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((output.status.code(), text(output.stdout), text(output.stderr)))
}

fn the_tools_load_list_explain_and_unload() -> Outcome {
    unloaded(EXAMPLE)?;
    expect_eq(tool(&["insmod", "mailbox", "letter=7"])?, (Some(0), String::new(), String::new()), "insmod")?;
    expect(tool(&["lsmod"])?.1.lines().any(|line| line.starts_with("mailbox ")), "lsmod lists it")?;
    let (_, facts, _) = tool(&["modinfo", "mailbox"])?;
    expect(facts.contains("parm:           letter:the byte in the box at first"), "modinfo explains the parameter")?;
    expect(facts.contains("value:          letter=7\n"), "modinfo shows the present value")?;
    expect_eq(tool(&["modprobe", "mailbox"])?.0, Some(0), "status of modprobe of what is loaded")?;
    let open = path::open(NODE, O_RDONLY, 0)?;
    let busy = (Some(1), String::new(), "rmmod: mailbox: Device or resource busy\n".to_owned());
    expect_eq(tool(&["rmmod", "mailbox"])?, busy, "rmmod of an open module")?;
    fd::close(open)?;
    expect_eq(tool(&["modprobe", "-r", "mailbox"])?.0, Some(0), "status of modprobe -r")?;
    expect_eq(tool(&["modprobe", "-r", "mailbox"])?.0, Some(0), "status of the second modprobe -r")?;
    expect_eq(tool(&["rmmod", "mailbox"])?.0, Some(1), "status of rmmod of what is not loaded")
}

fn insmod_says_why_in_the_kernel_s_words() -> Outcome {
    unloaded(EXAMPLE)?;
    let why = "insmod: mailbox: parameter letter=300: must be a number from 0 to 255\n";
    expect_eq(tool(&["insmod", "mailbox", "letter=300"])?, (Some(1), String::new(), why.into()), "insmod")?;
    let why = "insmod: nonesuch: No such file or directory\n";
    expect_eq(tool(&["insmod", "nonesuch"])?, (Some(1), String::new(), why.into()), "insmod of nothing")
}

/// Free frames and bytes of the heap in use.
fn memory() -> Result<(u64, u64), Failure> {
    let text = fs::read_to_string("/proc/postern/memory")?;
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim().parse().ok()).ok_or_else(|| failed(format!("no {name}")))
    };
    Ok((number("frames_free ")?, number("heap_in_use_bytes ")?))
}

fn a_thousand_loads_leave_memory_as_it_was() -> Outcome {
    unloaded(EXAMPLE)?;
    let file = path::open(&image(EXAMPLE), O_RDONLY, 0)?;
    let turn = || -> Outcome {
        finit_module(file, "letter=1", 0)?;
        Ok(delete_module(EXAMPLE, 0)?)
    };
    // What directories and caches take the first time is there from then on.
    turn()?;
    memory()?;
    let before = memory()?;
    for _ in 0..1000 {
        turn()?;
    }
    let after = memory()?;
    expect_eq(after.1, before.1, "heap bytes")?;
    // Each CPU has a few pages at hand for small objects: a test that changes its CPU leaves some there.
    const AT_HAND: u64 = 50;
    expect(after.0.abs_diff(before.0) < AT_HAND, &format!("free frames: {} before, {} after", before.0, after.0))
}

fn load_unload_and_open_race_without_harm() -> Outcome {
    const TURNS: usize = 200;
    unloaded(EXAMPLE)?;
    let among = |result: Sys<()>, allowed: &[i32]| match result {
        Err(error) if !allowed.contains(&error.errno) => Err(Failure::from(error)),
        _ => Ok(()),
    };
    let mut children = Vec::new();
    for _ in 0..2 {
        children.push(process::spawn(|| (0..TURNS).try_for_each(|_| among(load(EXAMPLE, "letter=1"), &[EEXIST])))?);
        children
            .push(process::spawn(|| (0..TURNS).try_for_each(|_| among(delete_module(EXAMPLE, 0), &[ENOENT, EBUSY])))?);
        children.push(process::spawn(|| {
            (0..TURNS).try_for_each(|_| {
                let opened = path::open(NODE, O_RDWR | O_NONBLOCK, 0);
                among(
                    opened.and_then(|file| fd::write(file, b"x").and(fd::close(file))).map(drop),
                    &[ENOENT, libc::ENXIO, libc::EAGAIN],
                )
            })
        })?);
    }
    for child in children {
        child.expect_success()?;
    }
    unloaded(EXAMPLE)?;
    expect_eq(traces()?, [false; 3], "node, directory of sysfs and line of /proc/modules")
}
