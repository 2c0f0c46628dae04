//! What /proc tells of processes, threads and descriptors. Specification: proc_pid(5), proc_pid_limits(5), proc_pid_fdinfo(5),
//! proc_pid_auxv(5), proc_pid_stat(5), proc_pid_statm(5), proc_pid_task(5).

use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno, failed, needs_root};
use crate::sys::memory::{self, PAGE, Request};
use crate::sys::thread::{End, Thread};
use crate::sys::{fd, path, process, ready, signal, timer};
use std::collections::BTreeMap;
use std::fs::read_to_string;

crate::tests! {
    limits_are_told_in_a_table,
    limits_of_another_process_follow_what_it_sets,
    fdinfo_tells_position_and_flags,
    fdinfo_of_a_duplicate_has_the_position_and_its_own_close_on_exec,
    fdinfo_tells_which_mount_and_inode,
    fdinfo_of_an_eventfd_tells_its_count,
    fdinfo_of_a_signalfd_tells_its_signals,
    fdinfo_of_a_timerfd_tells_its_setting,
    fdinfo_of_an_epoll_instance_tells_what_it_watches,
    fdinfo_of_an_epoll_instance_tells_no_file_that_is_closed,
    fdinfo_of_itself_can_be_read,
    fdinfo_lists_the_open_descriptors,
    fdinfo_of_another_users_process_is_not_to_be_opened,
    fdinfo_of_another_users_process_is_not_to_be_listed,
    a_threads_number_opens_a_directory_that_is_not_listed,
    the_directory_of_a_thread_tells_of_that_thread,
    the_auxiliary_vector_is_told_as_it_is_on_the_stack,
    statm_and_stat_agree_about_memory,
    status_tells_threads_and_signals,
    exe_cwd_and_root_lead_where_the_process_is,
    a_zombie_has_a_stat_and_no_memory,
}

/// Rows of limits: name to soft and hard.
fn limits_of(pid: i32) -> Result<BTreeMap<String, (String, String)>, Failure> {
    let table = read_to_string(format!("/proc/{pid}/limits"))?;
    let mut lines = table.lines();
    let head = "Limit                     Soft Limit           Hard Limit           Units     ";
    expect_eq(lines.next(), Some(head), "the heading")?;
    // The columns are 25, 20 and 20 wide, and a blank apart.
    let row = |line: &str| {
        let cell = |from: usize, to: usize| line.get(from..to).map(|text| text.trim_end().to_string());
        Some((cell(0, 25)?, (cell(26, 46)?, cell(47, 67)?)))
    };
    lines.map(|line| row(line).ok_or_else(|| failed(format!("a row is too short: {line}")))).collect()
}

fn limits_are_told_in_a_table() -> Outcome {
    process::set_soft_limit(libc::RLIMIT_NOFILE, 333)?;
    let told = limits_of(process::getpid())?;
    let hard = process::getrlimit(libc::RLIMIT_NOFILE)?.rlim_max.to_string();
    expect_eq(told.len(), 16, "how many there are")?;
    expect_eq(told.get("Max open files"), Some(&("333".to_string(), hard)), "that of open files")?;
    process::set_soft_limit(libc::RLIMIT_CORE, 0)?;
    expect_eq(limits_of(process::getpid())?["Max core file size"].0.as_str(), "0", "that of core files")?;
    let address_space = process::getrlimit(libc::RLIMIT_AS)?;
    if address_space.rlim_cur == libc::RLIM_INFINITY {
        expect_eq(told["Max address space"].0.as_str(), "unlimited", "that of the address space")?;
    }
    Ok(())
}

fn limits_of_another_process_follow_what_it_sets() -> Outcome {
    let child = process::spawn(|| {
        process::set_soft_limit(libc::RLIMIT_STACK, 1 << 20)?;
        process::pause();
        Ok(())
    })?;
    child.wait_until_asleep()?;
    expect_eq(limits_of(child.pid)?["Max stack size"].0.as_str(), "1048576", "its stack")?;
    child.kill_and_wait()
}

/// The lines of a descriptor's file, by their first words.
fn info(descriptor: i32) -> Result<BTreeMap<String, String>, Failure> {
    let text = read_to_string(format!("/proc/self/fdinfo/{descriptor}"))?;
    let line = |line: &str| line.split_once(':').map(|(name, value)| (name.to_string(), value.trim().to_string()));
    text.lines().map(|text| line(text).ok_or_else(|| failed(format!("no colon in: {text}")))).collect()
}

fn flags_in(info: &BTreeMap<String, String>) -> Result<i32, Failure> {
    let octal = info.get("flags").and_then(|flags| i32::from_str_radix(flags, 8).ok());
    octal.ok_or_else(|| failed("there are no octal flags"))
}

fn fdinfo_tells_position_and_flags() -> Outcome {
    crate::scratch::enter()?;
    let file = path::open("file", libc::O_CREAT | libc::O_RDWR | libc::O_APPEND, 0o600)?;
    fd::write(file, b"0123456789")?;
    fd::lseek(file, 4, libc::SEEK_SET)?;
    let told = info(file)?;
    expect_eq(told["pos"].as_str(), "4", "its position")?;
    expect_eq(flags_in(&told)?, fd::fcntl(file, libc::F_GETFL, 0)?, "its flags, which F_GETFL tells")?;
    fd::read_up_to(file, 3)?;
    expect_eq(info(file)?["pos"].as_str(), "7", "its position after reading")?;
    let pipe = fd::Pipe::anonymous(libc::O_NONBLOCK)?;
    let told = info(pipe.write)?;
    expect_eq(told["pos"].as_str(), "0", "the position of a pipe, which has none")?;
    expect_eq(flags_in(&told)?, fd::fcntl(pipe.write, libc::F_GETFL, 0)?, "a pipe's flags")
}

fn fdinfo_of_a_duplicate_has_the_position_and_its_own_close_on_exec() -> Outcome {
    crate::scratch::enter()?;
    let file = path::create("file")?;
    let other = fd::fcntl(file, libc::F_DUPFD_CLOEXEC, 0)?;
    fd::write(file, b"abc")?;
    let (one, two) = (info(file)?, info(other)?);
    expect_eq((one["pos"].as_str(), two["pos"].as_str()), ("3", "3"), "the positions")?;
    expect_eq(flags_in(&one)? & libc::O_CLOEXEC, 0, "the first one's close-on-exec")?;
    expect_eq(flags_in(&two)? & libc::O_CLOEXEC, libc::O_CLOEXEC, "the other's")
}

fn fdinfo_tells_which_mount_and_inode() -> Outcome {
    let directory = path::open("/proc", libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
    let told = info(directory)?;
    let mounts = read_to_string("/proc/self/mountinfo")?;
    let line = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/proc"));
    let id = line.and_then(|line| line.split(' ').next());
    expect_eq(Some(told["mnt_id"].as_str()), id, "the mount's number, which mountinfo has")?;
    expect_eq(told["ino"].as_str(), path::fstat(directory)?.st_ino.to_string().as_str(), "the inode's number")
}

fn fdinfo_of_an_eventfd_tells_its_count() -> Outcome {
    let (counter, semaphore) = (fd::eventfd(0x2a, 0)?, fd::eventfd(0, libc::EFD_SEMAPHORE)?);
    let (one, two) = (info(counter)?, info(semaphore)?);
    expect_eq(one["eventfd-count"].as_str(), "2a", "the count, in hexadecimal")?;
    expect_eq((one["eventfd-semaphore"].as_str(), two["eventfd-semaphore"].as_str()), ("0", "1"), "whether by ones")?;
    expect(one["eventfd-id"] != two["eventfd-id"], "their numbers differ")?;
    let same = info(fd::dup(counter)?)?;
    expect_eq(&same["eventfd-id"], &one["eventfd-id"], "the number of a duplicate")
}

fn fdinfo_of_a_signalfd_tells_its_signals() -> Outcome {
    let signals = signal::signalfd(-1, &[libc::SIGHUP, libc::SIGTERM, 34], 0)?;
    expect_eq(info(signals)?["sigmask"].as_str(), "0000000200004001", "bit n-1 for signal n")
}

fn fdinfo_of_an_epoll_instance_tells_what_it_watches() -> Outcome {
    let (epoll, pipe) = (ready::epoll_create()?, fd::Pipe::anonymous(0)?);
    ready::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, pipe.read, libc::EPOLLIN | libc::EPOLLET, 0xabc)?;
    let text = read_to_string(format!("/proc/self/fdinfo/{epoll}"))?;
    let line =
        text.lines().find(|line| line.starts_with("tfd:")).ok_or_else(|| failed("there is no line with tfd:"))?;
    let words: Vec<&str> = line.split_whitespace().collect();
    // EPOLLERR and EPOLLHUP are always wanted.
    let wanted = ["tfd:", &pipe.read.to_string(), "events:", "80000019", "data:", "abc"];
    expect_eq(words.get(..6), Some(&wanted[..]), "descriptor, events and data")?;
    let file = path::fstat(pipe.read)?;
    let device = u64::from(libc::major(file.st_dev)) << 20 | u64::from(libc::minor(file.st_dev));
    let place = ["pos:0".to_owned(), format!("ino:{:x}", file.st_ino), format!("sdev:{device:x}")];
    expect_eq(words.get(6..), Some(&place.each_ref().map(String::as_str)[..]), "position, inode and device")
}

fn fdinfo_of_an_epoll_instance_tells_no_file_that_is_closed() -> Outcome {
    let (epoll, pipe) = (ready::epoll_create()?, fd::Pipe::anonymous(0)?);
    for (at, end) in [pipe.read, pipe.write].into_iter().enumerate() {
        ready::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, end, libc::EPOLLIN, at as u64)?;
    }
    let watched = || -> Result<usize, Failure> {
        Ok(read_to_string(format!("/proc/self/fdinfo/{epoll}"))?.matches("tfd:").count())
    };
    expect_eq(watched()?, 2, "the files it tells of")?;
    fd::close(pipe.read)?;
    expect_eq(watched()?, 1, "the files it tells of once one is closed")
}

fn fdinfo_of_a_timerfd_tells_its_setting() -> Outcome {
    let timer = timer::timerfd_create(libc::CLOCK_BOOTTIME, 0)?;
    let told = info(timer)?;
    expect_eq(told["clockid"].as_str(), libc::CLOCK_BOOTTIME.to_string().as_str(), "the clock")?;
    let names = ["ticks", "settime flags", "it_value", "it_interval"];
    expect_eq(names.map(|name| told[name].as_str()), ["0", "00", "(0, 0)", "(0, 0)"], "a timer that is not set")?;
    let hour = std::time::Duration::from_hours(1);
    let interval = std::time::Duration::from_millis(1500);
    timer::timerfd_settime(timer, 0, timer::Setting { value: hour, interval })?;
    let told = info(timer)?;
    expect_eq(told["it_interval"].as_str(), "(1, 500000000)", "the interval")?;
    expect(told["it_value"].starts_with("(3599, "), &format!("{} is nearly an hour", told["it_value"]))?;
    // Of the past: it has expired, and the next is not counted before this is read.
    let second = std::time::Duration::from_secs(1);
    timer::timerfd_settime(
        timer,
        libc::TFD_TIMER_ABSTIME,
        timer::Setting { value: second / 1000, interval: hour * 1000 },
    )?;
    ready::poll(&mut [ready::wanting(timer, libc::POLLIN)], 5000)?;
    let told = info(timer)?;
    expect_eq(
        (told["ticks"].as_str(), told["settime flags"].as_str()),
        ("1", "01"),
        "what it has counted, and how it was set",
    )
}

fn fdinfo_of_itself_can_be_read() -> Outcome {
    let directory = path::open("/proc/self/fdinfo", libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
    // The lowest that is free is the one that is opened.
    let next = fd::dup(directory)?;
    fd::close(next)?;
    let itself = path::openat(directory, &next.to_string(), libc::O_RDONLY, 0);
    expect_errno(itself, libc::ENOENT)?;
    let kept = path::open("/dev/null", libc::O_RDONLY, 0)?;
    let of_kept = path::openat(directory, &kept.to_string(), libc::O_RDONLY, 0)?;
    fd::dup2(of_kept, kept)?;
    // Both descriptors now stand for the file which tells of the first.
    let text = fd::read_up_to(of_kept, 4096)?;
    expect(text.starts_with(b"pos:\t0\n"), "it tells of its own position")
}

fn fdinfo_lists_the_open_descriptors() -> Outcome {
    let pipe = fd::Pipe::anonymous(0)?;
    let names = |directory: &str| -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    };
    let told = names("/proc/self/fdinfo")?;
    expect(told.contains(&pipe.read.to_string()), "an open one is there")?;
    expect_eq(told, names("/proc/self/fd")?, "the same names as in fd")?;
    fd::close(pipe.write)?;
    expect_errno(path::open(&format!("/proc/self/fdinfo/{}", pipe.write), libc::O_RDONLY, 0), libc::ENOENT)
}

fn fdinfo_of_another_users_process_is_not_to_be_listed() -> Outcome {
    needs_root()?;
    let own = format!("/proc/{}/fdinfo", process::getpid());
    let open = || path::open(&own, libc::O_RDONLY | libc::O_DIRECTORY, 0);
    expect(!path::getdents(open()?, 4096)?.is_empty(), "its owner may list it")?;
    process::spawn(|| {
        process::become_user(12_345)?;
        expect_eq(path::stat(&own)?.st_mode & 0o7777, 0o555, "permissions")?;
        expect_errno(open(), libc::EACCES)?;
        expect_errno(path::access(&own, libc::R_OK), libc::EACCES)?;
        expect_errno(path::stat(&format!("{own}/1")), libc::EACCES)
    })?
    .expect_success()
}

fn fdinfo_of_another_users_process_is_not_to_be_opened() -> Outcome {
    needs_root()?;
    let own = format!("/proc/{}/fdinfo/1", process::getpid());
    expect(path::open(&own, libc::O_RDONLY, 0).is_ok(), "its owner may open it")?;
    process::spawn(|| {
        process::become_user(12_345)?;
        expect_errno(path::open(&own, libc::O_RDONLY, 0), libc::EACCES)
    })?
    .expect_success()
}

/// A thread that sleeps until its pipe has a byte.
fn sleeping_thread() -> Result<(Thread, &'static fd::Pipe), Failure> {
    let pipe: &fd::Pipe = Box::leak(Box::new(fd::Pipe::with_flags(0)?));
    let read = |pipe: &fd::Pipe| fd::read_up_to(pipe.read, 1).map_or(0, |bytes| bytes.len());
    let thread = Thread::start(read, pipe)?;
    thread.wait_until_asleep()?;
    Ok((thread, pipe))
}

fn end((thread, pipe): (Thread, &fd::Pipe)) -> Outcome {
    fd::write(pipe.write, b"x")?;
    expect_eq(thread.join()?, End::Returned(1), "what the thread read")
}

/// The value of a line of status.
fn status_line(place: &str, name: &str) -> Result<String, Failure> {
    let text = read_to_string(format!("/proc/{place}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
    line.map(str::to_string).ok_or_else(|| failed(format!("status has no {name}")))
}

fn a_threads_number_opens_a_directory_that_is_not_listed() -> Outcome {
    let sleeper = sleeping_thread()?;
    let number = sleeper.0.id.to_string();
    expect_eq(status_line(&number, "Tgid")?, process::getpid().to_string(), "the process of the directory /proc/TID")?;
    let mut listed = std::fs::read_dir("/proc")?.filter_map(Result::ok).map(|entry| entry.file_name());
    expect(!listed.any(|name| *name == *number), "it is not listed in /proc")?;
    let mut tasks = std::fs::read_dir(format!("/proc/{number}/task"))?.filter_map(Result::ok);
    expect(tasks.any(|entry| *entry.file_name() == *number), "it is listed in the process's task")?;
    end(sleeper)?;
    sleeper.0.wait_until_gone()?;
    expect_errno(path::stat(&format!("/proc/{number}")).map(drop), libc::ENOENT)
}

fn the_directory_of_a_thread_tells_of_that_thread() -> Outcome {
    let sleeper = sleeping_thread()?;
    let number = sleeper.0.id.to_string();
    expect_eq(&status_line(&number, "Pid")?, &number, "the number in status")?;
    let stat = read_to_string(format!("/proc/{number}/stat"))?;
    expect_eq(stat.split(' ').next(), Some(number.as_str()), "the number in stat")?;
    expect_eq(stat.rsplit_once(") ").map(|(_, rest)| &rest[..1]), Some("S"), "its state")?;
    end(sleeper)
}

fn the_auxiliary_vector_is_told_as_it_is_on_the_stack() -> Outcome {
    let bytes = std::fs::read("/proc/self/auxv")?;
    let words: Vec<u64> =
        bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap_or_default())).collect();
    expect_eq(words.len() % 2, 0, "words without a partner")?;
    expect_eq(words.chunks(2).next_back(), Some(&[0, 0][..]), "the last entry, AT_NULL")?;
    let told = |key: u64| words.chunks(2).find(|entry| entry[0] == key).map_or(0, |entry| entry[1]);
    for key in [libc::AT_PAGESZ, libc::AT_PHDR, libc::AT_ENTRY, libc::AT_RANDOM, libc::AT_EXECFN, libc::AT_SYSINFO_EHDR]
    {
        // SAFETY: reads the vector that the kernel put on the stack.
        let own = unsafe { libc::getauxval(key) };
        expect_eq(told(key), own, "the value of an entry")?;
    }
    Ok(())
}

fn statm_and_stat_agree_about_memory() -> Outcome {
    let child = process::spawn(|| {
        let mapping = memory::map(Request::private(64 * PAGE))?;
        (0..32).for_each(|page| mapping.store(page * PAGE, 1));
        process::pause();
        Ok(())
    })?;
    child.wait_until_asleep()?;
    let statm = read_to_string(format!("/proc/{}/statm", child.pid))?;
    let sizes: Vec<u64> = statm.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    expect_eq(sizes.len(), 7, "the numbers in statm")?;
    expect(sizes[1] >= 32 && sizes[0] >= sizes[1] && sizes[0] >= 64, "what is touched is resident")?;
    let stat = read_to_string(format!("/proc/{}/stat", child.pid))?;
    let fields: Vec<&str> = stat.rsplit_once(") ").map_or(Vec::new(), |(_, rest)| rest.split_whitespace().collect());
    expect_eq(fields.len(), 50, "the fields of stat behind the name")?;
    // Fields 23 and 24: bytes, and pages that are there, which Linux counts for each processor and sums up roughly.
    expect_eq(fields[20], (sizes[0] * 4096).to_string().as_str(), "its size")?;
    let resident: u64 = fields[21].parse().map_err(|_| failed("no number of pages"))?;
    expect(resident.abs_diff(sizes[1]) <= 256, "its pages")?;
    child.kill_and_wait()
}

fn status_tells_threads_and_signals() -> Outcome {
    signal::block(&[libc::SIGUSR1])?;
    signal::raise(libc::SIGUSR1)?;
    signal::ignore(libc::SIGUSR2)?;
    let sleeper = sleeping_thread()?;
    expect_eq(status_line("self", "Threads")?.as_str(), "2", "its threads")?;
    expect_eq(status_line("self", "ShdPnd")?.as_str(), "0000000000000200", "pending for the process")?;
    expect_eq(status_line("self", "SigPnd")?.as_str(), "0000000000000000", "pending for the thread")?;
    expect_eq(status_line("self", "SigBlk")?.as_str(), "0000000000000200", "blocked")?;
    let ignored = u64::from_str_radix(&status_line("self", "SigIgn")?, 16).unwrap_or(0);
    expect(ignored & 1 << (libc::SIGUSR2 - 1) != 0, "an ignored one is among those ignored")?;
    end(sleeper)
}

fn exe_cwd_and_root_lead_where_the_process_is() -> Outcome {
    let directory = crate::scratch::enter()?;
    let own = format!("/proc/{}", process::getpid());
    expect_eq(std::fs::read_link(format!("{own}/cwd"))?, directory, "its working directory")?;
    expect_eq(std::fs::read_link(format!("{own}/root"))?.to_string_lossy().as_ref(), "/", "its root")?;
    expect_eq(std::fs::read_link(format!("{own}/exe"))?, std::env::current_exe()?, "its program")?;
    let program = std::fs::metadata(format!("{own}/exe"))?;
    expect(program.len() > 1000, "the link leads to the program's file")
}

fn a_zombie_has_a_stat_and_no_memory() -> Outcome {
    let child = process::spawn_exit(3)?;
    process::wait_for_state(child.pid, 'Z')?;
    expect_eq(read_to_string(format!("/proc/{}/cmdline", child.pid))?.as_str(), "", "its command line")?;
    expect_eq(read_to_string(format!("/proc/{}/statm", child.pid))?.as_str(), "0 0 0 0 0 0 0\n", "its memory")?;
    expect_errno(path::readlink(&format!("/proc/{}/exe", child.pid), 100), libc::ENOENT)?;
    child.wait().map(drop)
}
