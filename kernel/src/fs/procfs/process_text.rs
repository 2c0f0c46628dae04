//! What stands in the files of /proc/PID.
//!
//! Owns nothing. Locks: those of whoever is asked. Specification: proc_pid_stat(5), proc_pid_status(5), proc_pid_mounts(5) ….

use crate::arch::mmu::PAGE_SIZE;
use crate::fs::mount;
use crate::fs::procfs::process::{Scope, Subject};
use crate::fs::procfs::process_view::{ProcessSnapshot, Show, ThreadSnapshot};
use crate::fs::procfs::text::{Text, put};
use postern_core::cpu_list::CpuList;
use postern_core::errno::{Errno, Result};

/// Nanoseconds in a tick of USER_HZ, the unit of times in stat.
pub const NS_PER_TICK: u64 = 10_000_000;

fn thread(subject: &Subject) -> Result<ThreadSnapshot> {
    subject.process.thread(subject.tid).ok_or(Errno::ESRCH)
}

/// `cmdline`
pub fn arguments(subject: &Subject, text: &mut Text) -> Result<()> {
    subject.process.show(Show::Arguments, text)
}

/// `environ`
pub fn environment(subject: &Subject, text: &mut Text) -> Result<()> {
    subject.process.show(Show::Environment, text)
}

/// `auxv`
pub fn auxiliary_vector(subject: &Subject, text: &mut Text) -> Result<()> {
    subject.process.show(Show::Auxiliary, text)
}

/// `limits`: a table in Linux's columns.
pub fn limits(subject: &Subject, text: &mut Text) -> Result<()> {
    const ROWS: [(&str, &str); 16] = [
        ("Max cpu time", "seconds"),
        ("Max file size", "bytes"),
        ("Max data size", "bytes"),
        ("Max stack size", "bytes"),
        ("Max core file size", "bytes"),
        ("Max resident set", "bytes"),
        ("Max processes", "processes"),
        ("Max open files", "files"),
        ("Max locked memory", "bytes"),
        ("Max address space", "bytes"),
        ("Max file locks", "locks"),
        ("Max pending signals", "signals"),
        ("Max msgqueue size", "bytes"),
        ("Max nice priority", ""),
        ("Max realtime priority", ""),
        ("Max realtime timeout", "us"),
    ];
    put!(text, "{:<25} {:<20} {:<20} {:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for ((name, unit), limits) in ROWS.iter().zip(subject.process.limits()) {
        put!(text, "{name:<25} ");
        for limit in limits {
            match limit {
                u64::MAX => put!(text, "{:<20} ", "unlimited"),
                _ => put!(text, "{limit:<20} "),
            }
        }
        if !unit.is_empty() {
            put!(text, "{unit:<10}");
        }
        text.push(b"\n");
    }
    Ok(())
}

/// `maps`
pub fn maps(subject: &Subject, text: &mut Text) -> Result<()> {
    subject.process.show(Show::Maps, text)
}

/// `cgroup`: hierarchy 0 is cgroup2's, see cgroups(7).
pub fn control_group(subject: &Subject, text: &mut Text) -> Result<()> {
    text.push(b"0::");
    text.push(&subject.process.cgroup());
    text.push(b"\n");
    Ok(())
}

/// `comm`
pub fn name(subject: &Subject, text: &mut Text) -> Result<()> {
    text.push(&thread(subject)?.name);
    text.push(b"\n");
    Ok(())
}

/// Writing to `comm`.
pub fn set_name(subject: &Subject, bytes: &[u8]) -> Result<()> {
    const LONGEST: usize = 15;
    let name = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    subject.process.set_name(subject.tid, &name[..name.len().min(LONGEST)])
}

/// `oom_score`
pub fn oom_score(_: &Subject, text: &mut Text) -> Result<()> {
    text.push(b"0\n");
    Ok(())
}

/// `mounts`
pub fn mounts(subject: &Subject, text: &mut Text) -> Result<()> {
    let root = subject.process.fs().ok_or(Errno::EINVAL)?.root();
    for line in mount::list(&root) {
        text.push_path(&line.source);
        text.push(b" ");
        text.push_path(&line.target);
        put!(text, " {} ", line.type_name);
        text.push(&line.options);
        text.push(b" 0 0\n");
    }
    Ok(())
}

/// `mountinfo`
pub fn mount_info(subject: &Subject, text: &mut Text) -> Result<()> {
    let root = subject.process.fs().ok_or(Errno::EINVAL)?.root();
    for line in mount::list(&root) {
        put!(text, "{} {} {}:{} / ", line.id, line.parent_id, line.device.major, line.device.minor);
        text.push_path(&line.target);
        text.push(b" ");
        text.push(&line.options);
        put!(text, " - {} ", line.type_name);
        text.push_path(&line.source);
        text.push(b" rw\n");
    }
    Ok(())
}

/// `statm`: sizes in pages.
pub fn statm(subject: &Subject, text: &mut Text) -> Result<()> {
    let memory = subject.process.snapshot().memory;
    let [size, resident, shared, code, data] =
        [memory.virtual_bytes, memory.resident_bytes, memory.shared_bytes, memory.code_bytes, memory.data_bytes]
            .map(|bytes| bytes / PAGE_SIZE);
    put!(text, "{size} {resident} {shared} {code} 0 {data} 0\n");
    Ok(())
}

/// `stat`: one line of 52 fields.
pub fn stat(subject: &Subject, text: &mut Text) -> Result<()> {
    let process = subject.process.snapshot();
    let thread = thread(subject)?;
    let (terminal, foreground) = match process.terminal {
        // The group's id is positive: it fits.
        Some((device, group)) => (device.encode(), i64::from(group)),
        None => (0, -1),
    };
    let [user, system] = match subject.scope {
        Scope::Process => process.times_ns,
        Scope::Thread => [thread.user_ns, thread.system_ns],
    }
    .map(|ns| ns / NS_PER_TICK);
    let [children_user, children_system] = process.children_times_ns.map(|ns| ns / NS_PER_TICK);
    put!(text, "{} (", thread.tid);
    text.push(&thread.name);
    put!(text, ") {} {} {} {} ", char::from(thread.state), process.ppid, process.pgid, process.sid);
    put!(text, "{terminal} {foreground} 0 {} 0 {} 0 ", process.faults[0], process.faults[1]);
    put!(text, "{user} {system} {children_user} {children_system} ");
    put!(text, "{} {} {} 0 {} ", 20 + thread.nice, thread.nice, process.threads, thread.start_ns / NS_PER_TICK);
    let memory = process.memory;
    put!(text, "{} {} {} ", memory.virtual_bytes, memory.resident_bytes / PAGE_SIZE, u64::MAX);
    // Addresses of code, stack, and what the thread waits for: not shown to anybody.
    text.push(b"0 0 0 0 0 ");
    // Linux has signals 1 to 31 here only.
    let masks = thread.signals;
    let old = |mask: u64| mask & 0x7fff_ffff;
    let (pending, blocked) = (old(masks.pending | masks.shared_pending), old(masks.blocked));
    put!(text, "{pending} {blocked} {} {} ", old(masks.ignored), old(masks.caught));
    put!(text, "0 0 0 17 {} 0 0 0 0 0 0 0 0 0 0 0 0 {}\n", thread.cpu, process.exit_status);
    Ok(())
}

/// `status`: the same for people, and more.
pub fn status(subject: &Subject, text: &mut Text) -> Result<()> {
    let process = subject.process.snapshot();
    let thread = thread(subject)?;
    text.push(b"Name:\t");
    text.push_name(&thread.name);
    if let Some(fs) = subject.process.fs() {
        put!(text, "\nUmask:\t{:04o}", fs.umask());
    }
    let state = state_name(thread.state);
    put!(text, "\nState:\t{} ({state})\nTgid:\t{}\nNgid:\t0\n", char::from(thread.state), process.pid);
    put!(text, "Pid:\t{}\nPPid:\t{}\nTracerPid:\t0\n", thread.tid, process.ppid);
    let [real, effective, saved, file_system] = process.uids;
    put!(text, "Uid:\t{real}\t{effective}\t{saved}\t{file_system}\n");
    let [real, effective, saved, file_system] = process.gids;
    put!(text, "Gid:\t{real}\t{effective}\t{saved}\t{file_system}\n");
    let descriptors = subject.process.files().map_or(0, |files| files.count());
    put!(text, "FDSize:\t{}\nGroups:\t", descriptors.next_multiple_of(64));
    for group in process.groups.iter() {
        put!(text, "{group} ");
    }
    text.push(b"\n");
    memory_lines(&process, text);
    thread_lines(&process, &thread, text);
    Ok(())
}

fn memory_lines(process: &ProcessSnapshot, text: &mut Text) {
    const KIB: usize = 1024;
    let memory = process.memory;
    if memory.virtual_bytes == 0 {
        // A zombie has no memory, and no lines about it.
        return;
    }
    let private = memory.resident_bytes.saturating_sub(memory.shared_bytes);
    let lines = [
        ("VmPeak", memory.virtual_bytes),
        ("VmSize", memory.virtual_bytes),
        ("VmLck", 0),
        ("VmPin", 0),
        ("VmHWM", memory.resident_bytes),
        ("VmRSS", memory.resident_bytes),
        ("RssAnon", private),
        ("RssFile", memory.shared_bytes),
        ("RssShmem", 0),
        ("VmData", memory.data_bytes),
        ("VmStk", memory.stack_bytes),
        ("VmExe", memory.code_bytes),
        ("VmLib", 0),
        ("VmSwap", 0),
    ];
    for (name, bytes) in lines {
        put!(text, "{name}:\t{:8} kB\n", bytes / KIB);
    }
}

fn thread_lines(process: &ProcessSnapshot, thread: &ThreadSnapshot, text: &mut Text) {
    let masks = thread.signals;
    put!(text, "Threads:\t{}\n", process.threads);
    put!(text, "SigPnd:\t{:016x}\nShdPnd:\t{:016x}\n", masks.pending, masks.shared_pending);
    put!(text, "SigBlk:\t{:016x}\nSigIgn:\t{:016x}\nSigCgt:\t{:016x}\n", masks.blocked, masks.ignored, masks.caught);
    let allowed = thread.affinity;
    put!(text, "NoNewPrivs:\t0\nSeccomp:\t0\n");
    put!(text, "Cpus_allowed:\t{allowed:x}\nCpus_allowed_list:\t{}\n", CpuList(allowed));
}

fn state_name(state: u8) -> &'static str {
    match state {
        b'R' => "running",
        b'S' => "sleeping",
        b'D' => "disk sleep",
        b'T' => "stopped",
        b't' => "tracing stop",
        b'Z' => "zombie",
        b'I' => "idle",
        _ => "dead",
    }
}
