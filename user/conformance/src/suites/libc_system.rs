//! Terminals, accounts, locks and figures as the C library offers them, each out of several calls. Specification: openpty(3),
//! forkpty(3), ttyname(3), getpwnam(3), getgrnam(3), lockf(3), sysconf(3), get_nprocs(3), telldir(3), gethostname(2).

use crate::check::{Outcome, expect, expect_eq, expect_errno, skip};
use crate::sys::thread::done;
use crate::sys::{Sys, checked, fd, path, process, terminal, zeroed};
use std::ffi::{CStr, c_char, c_int};

crate::tests! {
    openpty_opens_a_pair,
    forkpty_gives_the_child_a_controlling_terminal,
    ttyname_names_a_terminal_and_gives_enotty_for_others,
    lockf_locks_a_section_against_other_processes,
    users_are_found_by_name_and_number,
    groups_are_found_by_name,
    sysconf_counts_the_processors_that_proc_and_sys_show,
    sysconf_tells_of_memory_and_limits,
    load_averages_are_told,
    the_hosts_name_is_that_of_uname_and_of_proc,
    a_directory_stream_goes_back_to_where_it_was,
}

/// The string that libc left in `pointer`.
fn text(pointer: *const c_char) -> String {
    // SAFETY: the callers pass C strings that stay until this returns.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

fn openpty_opens_a_pair() -> Outcome {
    let (mut master, mut peer) = (-1, -1);
    let window = libc::winsize { ws_row: 30, ws_col: 90, ws_xpixel: 0, ws_ypixel: 0 };
    let (no_name, no_settings) = (std::ptr::null_mut(), std::ptr::null_mut());
    let window = (&raw const window).cast_mut();
    // SAFETY: room for two numbers, and one struct is read.
    let value = unsafe { libc::openpty(&raw mut master, &raw mut peer, no_name, no_settings, window) };
    checked("openpty", value)?;
    expect_eq(terminal::window(peer)?, (30, 90), "its window")?;
    expect_eq(terminal::ttyname(peer)?, terminal::ptsname(master)?, "its name by either end")?;
    fd::write(master, b"typed\n")?;
    terminal::expect_read(peer, b"typed\n")
}

fn forkpty_gives_the_child_a_controlling_terminal() -> Outcome {
    let mut master = -1;
    let (no_name, no_settings, no_window) = (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: room for a number; this process has one thread.
    let pid = checked("forkpty", unsafe { libc::forkpty(&raw mut master, no_name, no_settings, no_window) })?;
    if pid == 0 {
        let leads = process::getsid(0) == Ok(process::getpid());
        let controlled =
            path::open("/dev/tty", libc::O_RDWR, 0).is_ok_and(|tty| fd::write(tty, b"from the child\n").is_ok());
        process::exit(i32::from(!(leads && controlled)));
    }
    terminal::expect_read(master, b"from the child\r\n")?;
    process::Child { pid }.expect_success()
}

fn ttyname_names_a_terminal_and_gives_enotty_for_others() -> Outcome {
    let pair = terminal::Pair::open()?;
    expect(pair.path()?.starts_with("/dev/pts/"), "a pseudo-terminal's name is in /dev/pts")?;
    expect_errno(terminal::ttyname(fd::Pipe::new()?.read), libc::ENOTTY)?;
    expect_errno(terminal::ttyname(path::open("/dev/null", libc::O_RDWR, 0)?), libc::ENOTTY)?;
    expect_errno(terminal::ttyname(400), libc::EBADF)
}

fn lockf(file: c_int, command: c_int, length: i64) -> Sys<()> {
    // SAFETY: takes no pointers.
    checked("lockf", unsafe { libc::lockf(file, command, length) }).map(drop)
}

fn lockf_locks_a_section_against_other_processes() -> Outcome {
    crate::scratch::enter()?;
    let file = path::create("file")?;
    fd::lseek(file, 10, libc::SEEK_SET)?;
    lockf(file, libc::F_LOCK, 10)?;
    process::spawn(|| {
        let own = path::open("file", libc::O_RDWR, 0)?;
        lockf(own, libc::F_TLOCK, 10)?;
        fd::lseek(own, 15, libc::SEEK_SET)?;
        // POSIX leaves the choice of EACCES and EAGAIN: glibc and musl pass on what fcntl says for F_TLOCK.
        expect_errno(lockf(own, libc::F_TLOCK, 1), libc::EAGAIN)?;
        expect_errno(lockf(own, libc::F_TEST, 1), libc::EACCES)
    })?
    .expect_success()?;
    lockf(file, libc::F_ULOCK, 10)?;
    process::spawn(|| Ok(lockf(path::open("file", libc::O_RDWR, 0)?, libc::F_TLOCK, 0)?))?.expect_success()
}

fn users_are_found_by_name_and_number() -> Outcome {
    // SAFETY: a C string.
    let entry = unsafe { libc::getpwnam(c"root".as_ptr()) };
    // SAFETY: null, or an entry that stays until the next call.
    let entry = unsafe { entry.as_ref() };
    let told = entry.map(|entry| (entry.pw_uid, text(entry.pw_dir)));
    expect_eq(told, Some((0, "/root".to_string())), "number and home of root")?;
    // SAFETY: takes a number.
    let entry = unsafe { libc::getpwuid(0) };
    // SAFETY: as above.
    let entry = unsafe { entry.as_ref() };
    expect_eq(entry.map(|entry| text(entry.pw_name)), Some("root".to_string()), "the name of user 0")?;
    // SAFETY: a C string.
    expect(unsafe { libc::getpwnam(c"nobody at all".as_ptr()) }.is_null(), "nobody else is found")
}

fn groups_are_found_by_name() -> Outcome {
    // SAFETY: a C string.
    let entry = unsafe { libc::getgrnam(c"root".as_ptr()) };
    // SAFETY: null, or an entry that stays until the next call.
    let entry = unsafe { entry.as_ref() };
    expect_eq(entry.map(|entry| entry.gr_gid), Some(0), "the number of the group root")
}

fn sysconf(name: c_int) -> i64 {
    // SAFETY: takes a number.
    unsafe { libc::sysconf(name) }
}

/// How many processors a list such as `0-3,5` names.
fn length_of_list(list: &str) -> Option<i64> {
    let ranges = list.trim().split(',').map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(last.parse::<i64>().ok()? - first.parse::<i64>().ok()? + 1)
    });
    ranges.sum()
}

fn sysconf_counts_the_processors_that_proc_and_sys_show() -> Outcome {
    if std::fs::read_dir("/sys")?.next().is_none() {
        return skip("needs a mounted sysfs");
    }
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online")?;
    let stat = std::fs::read_to_string("/proc/stat")?;
    let rows = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
    expect_eq(length_of_list(&online), i64::try_from(rows).ok(), "the list in /sys, against the rows of /proc/stat")?;
    expect_eq(sysconf(libc::_SC_NPROCESSORS_ONLN), i64::try_from(rows).unwrap_or(0), "_SC_NPROCESSORS_ONLN")?;
    expect(sysconf(libc::_SC_NPROCESSORS_CONF) >= sysconf(libc::_SC_NPROCESSORS_ONLN), "as many are configured")?;
    for list in ["present", "possible"] {
        let named = length_of_list(&std::fs::read_to_string(format!("/sys/devices/system/cpu/{list}"))?);
        expect(named >= length_of_list(&online), "as many are present and possible")?;
    }
    Ok(())
}

fn sysconf_tells_of_memory_and_limits() -> Outcome {
    expect_eq(sysconf(libc::_SC_PAGESIZE), 4096, "_SC_PAGESIZE")?;
    expect_eq(sysconf(libc::_SC_CLK_TCK), 100, "_SC_CLK_TCK")?;
    let pages = sysconf(libc::_SC_PHYS_PAGES);
    expect(pages > 1000 && sysconf(libc::_SC_AVPHYS_PAGES) < pages, "less memory is free than there is")?;
    process::set_soft_limit(libc::RLIMIT_NOFILE, 123)?;
    expect_eq(sysconf(libc::_SC_OPEN_MAX), 123, "_SC_OPEN_MAX")?;
    expect(sysconf(libc::_SC_ARG_MAX) >= 131_072, "_SC_ARG_MAX")
}

fn load_averages_are_told() -> Outcome {
    let mut loads = [-1.0_f64; 3];
    // SAFETY: room for three.
    expect_eq(unsafe { libc::getloadavg(loads.as_mut_ptr(), 3) }, 3, "how many are told")?;
    expect(loads.iter().all(|load| *load >= 0.0), "none is negative")?;
    let text = std::fs::read_to_string("/proc/loadavg")?;
    expect_eq(text.split_whitespace().count(), 5, "the fields of /proc/loadavg")
}

fn the_hosts_name_is_that_of_uname_and_of_proc() -> Outcome {
    let mut name = [0_u8; 65];
    // SAFETY: room for the name.
    checked("gethostname", unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) })?;
    let mut names: libc::utsname = zeroed();
    // SAFETY: room for the struct.
    checked("uname", unsafe { libc::uname(&raw mut names) })?;
    let host = text(name.as_ptr().cast());
    expect_eq(host.as_str(), text(names.nodename.as_ptr()).as_str(), "the name by uname")?;
    for (file, wanted) in [
        ("hostname", host.as_str()),
        ("ostype", &text(names.sysname.as_ptr())),
        ("osrelease", &text(names.release.as_ptr())),
        ("version", &text(names.version.as_ptr())),
    ] {
        let shown = std::fs::read_to_string(format!("/proc/sys/kernel/{file}"))?;
        expect_eq(shown.trim_end(), wanted, file)?;
    }
    Ok(())
}

unsafe extern "C" {
    fn telldir(stream: *mut libc::DIR) -> libc::c_long;
    fn seekdir(stream: *mut libc::DIR, place: libc::c_long);
}

/// The next name, or `None` at the end.
fn next(stream: *mut libc::DIR) -> Option<String> {
    // SAFETY: an open stream.
    let entry = unsafe { libc::readdir(stream) };
    // SAFETY: null, or an entry that stays until the next call.
    unsafe { entry.as_ref() }.map(|entry| text(entry.d_name.as_ptr()))
}

fn a_directory_stream_goes_back_to_where_it_was() -> Outcome {
    crate::scratch::enter()?;
    for number in 0..40 {
        std::fs::write(number.to_string(), "")?;
    }
    // SAFETY: a C string.
    let stream = unsafe { libc::opendir(c".".as_ptr()) };
    expect(!stream.is_null(), "the directory opens")?;
    (0..17).try_for_each(|_| expect(next(stream).is_some(), "there are more names"))?;
    // SAFETY: an open stream.
    let place = unsafe { telldir(stream) };
    let rest: Vec<String> = std::iter::from_fn(|| next(stream)).collect();
    expect_eq(rest.len(), 25, "the names that are left, . and .. among them")?;
    // SAFETY: an open stream, and a place in it.
    unsafe { seekdir(stream, place) };
    let again: Vec<String> = std::iter::from_fn(|| next(stream)).collect();
    expect_eq(again, rest, "the names from there on")?;
    // SAFETY: an open stream, which is not used any more.
    Ok(done("closedir", unsafe { libc::closedir(stream) })?)
}
