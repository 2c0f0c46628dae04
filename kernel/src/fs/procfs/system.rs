//! The files of /proc that speak of the machine: meminfo, uptime, stat and their kin; /proc/postern.
//!
//! Owns nothing. Locks: those of whoever is asked. Specification: proc_meminfo(5), proc_stat(5), proc_uptime(5) ….

use crate::arch::mmu::PAGE_SIZE;
use crate::fs::procfs::process_text::NS_PER_TICK;
use crate::fs::procfs::process_view::system;
use crate::fs::procfs::text::{Functions, Show, Text, parse_number, put};
use crate::fs::procfs::{add_source, add_text, interrupts, tunables};
use crate::fs::types;
use crate::mm::{frame, heap};
use crate::power;
use crate::sched::run_queue;
use alloc::sync::Arc;
use postern_core::errno::{Errno, Result};

const NS_PER_SECOND: u64 = 1_000_000_000;
const NS_PER_HUNDREDTH: u64 = 10_000_000;

/// Enters them.
///
/// # Errors
/// EEXIST.
pub fn init() -> Result<()> {
    let files: [(&str, Show); 12] = [
        ("cmdline", command_line),
        ("cpuinfo", cpu_info),
        ("filesystems", file_systems),
        ("loadavg", load_average),
        ("meminfo", memory),
        // There are no disks, and Linux then does not print the heading either.
        ("partitions", |_| Ok(())),
        ("stat", statistics),
        ("swaps", swaps),
        ("uptime", uptime),
        ("version", version),
        ("postern/memory", memory_counters),
        ("vmstat", vm_statistics),
    ];
    for (path, show) in files {
        add_text(path, show)?;
    }
    let exit_status = Functions { show: show_exit_status, store: Some(store_exit_status) };
    add_source("postern/exit_status", 0o644, Arc::new(exit_status))?;
    let page_cache = Functions { show: show_page_cache, store: Some(store_page_cache) };
    add_source("postern/page_cache", 0o644, Arc::new(page_cache))?;
    let hand_off = Functions { show: show_hand_off, store: Some(store_hand_off) };
    add_source("postern/hand_off", 0o644, Arc::new(hand_off))
}

fn command_line(text: &mut Text) -> Result<()> {
    text.push(&system().command_line);
    text.push(b"\n");
    Ok(())
}

fn cpu_info(text: &mut Text) -> Result<()> {
    for cpu in 0..system().cpu_times_ns.len() {
        put!(text, "processor\t: {cpu}\nFeatures\t: fp asimd\nCPU architecture: 8\n\n");
    }
    Ok(())
}

fn file_systems(text: &mut Text) -> Result<()> {
    for known in types::list() {
        put!(text, "nodev\t{}\n", known.name);
    }
    Ok(())
}

/// The averages are not kept: zeroes. The rest is right.
fn load_average(text: &mut Text) -> Result<()> {
    let system = system();
    put!(text, "0.00 0.00 0.00 {}/{} {}\n", system.running, system.threads, system.last_pid);
    Ok(())
}

fn memory(text: &mut Text) -> Result<()> {
    let frames = frame::statistics();
    let kib = |pages: usize| pages * (PAGE_SIZE / 1024);
    // What users may still have; nothing is cached that could be given up besides.
    let available = frames.free.saturating_sub(frames.reserve);
    let heap_kib = heap::size_bytes() / 1024;
    let used = frames.total.saturating_sub(frames.free);
    let lines = [
        ("MemTotal", kib(frames.total)),
        ("MemFree", kib(frames.free)),
        ("MemAvailable", kib(available)),
        ("Buffers", 0),
        ("Cached", 0),
        ("SwapCached", 0),
        ("Active", kib(used)),
        ("Inactive", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Dirty", 0),
        ("Writeback", 0),
        ("Shmem", 0),
        ("Slab", heap_kib),
        ("SReclaimable", 0),
        ("SUnreclaim", heap_kib),
        ("CommitLimit", kib(frames.total)),
        ("Committed_AS", kib(used)),
    ];
    for (name, value) in lines {
        put!(text, "{:<16}{value:8} kB\n", Colon(name));
    }
    put!(text, "HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 kB\n");
    Ok(())
}

/// A heading padded with its colon.
struct Colon(&'static str);

impl core::fmt::Display for Colon {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let width = f.width().unwrap_or(0).saturating_sub(self.0.len() + 1);
        write!(f, "{}:{:width$}", self.0, "")
    }
}

fn statistics(text: &mut Text) -> Result<()> {
    let system = system();
    let ticks = |times: [u64; 3]| times.map(|ns| ns / NS_PER_TICK);
    let sum = system
        .cpu_times_ns
        .iter()
        .fold([0; 3], |sum: [u64; 3], times| [sum[0] + times[0], sum[1] + times[1], sum[2] + times[2]]);
    let [user, kernel, idle] = ticks(sum);
    put!(text, "cpu  {user} 0 {kernel} {idle} 0 0 0 0 0 0\n");
    for (cpu, times) in system.cpu_times_ns.iter().enumerate() {
        let [user, kernel, idle] = ticks(*times);
        put!(text, "cpu{cpu} {user} 0 {kernel} {idle} 0 0 0 0 0 0\n");
    }
    put!(text, "intr {}\nctxt {}\n", interrupts::total(), system.context_switches);
    put!(text, "btime {}\nprocesses {}\n", system.boot_time_s, system.forks);
    put!(text, "procs_running {}\nprocs_blocked 0\n", system.running);
    Ok(())
}

fn swaps(text: &mut Text) -> Result<()> {
    text.push(b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
    Ok(())
}

fn uptime(text: &mut Text) -> Result<()> {
    let system = system();
    let idle_ns: u64 = system.cpu_times_ns.iter().map(|times| times[2]).sum();
    for (ns, end) in [(system.uptime_ns, ' '), (idle_ns, '\n')] {
        put!(text, "{}.{:02}{end}", ns / NS_PER_SECOND, ns % NS_PER_SECOND / NS_PER_HUNDREDTH);
    }
    Ok(())
}

fn version(text: &mut Text) -> Result<()> {
    put!(text, "{} version {} (Postern) {}\n", tunables::OS_TYPE, tunables::OS_RELEASE, tunables::OS_VERSION);
    Ok(())
}

fn vm_statistics(text: &mut Text) -> Result<()> {
    put!(text, "nr_free_pages {}\n", frame::statistics().free);
    Ok(())
}

fn memory_counters(text: &mut Text) -> Result<()> {
    let frames = frame::statistics();
    put!(text, "frames_total {}\nframes_free {}\n", frames.total, frames.free);
    put!(text, "frames_reserve {}\nframes_in_use {}\n", frames.reserve, frame::in_use());
    put!(text, "frame_allocations {}\nframe_frees {}\n", frames.allocated, frames.freed);
    put!(text, "cache_refills {}\ncache_drains {}\n", frames.refills, frames.drains);
    put!(text, "heap_bytes {}\nheap_in_use_bytes {}\n", heap::size_bytes(), heap::in_use_bytes());
    Ok(())
}

fn show_exit_status(text: &mut Text) -> Result<()> {
    put!(text, "{}\n", power::exit_status());
    Ok(())
}

fn store_exit_status(bytes: &[u8]) -> Result<()> {
    power::set_exit_status(parse_number(bytes)?);
    Ok(())
}

fn show_page_cache(text: &mut Text) -> Result<()> {
    show_switch(text, frame::is_cache_enabled())
}

fn store_page_cache(bytes: &[u8]) -> Result<()> {
    frame::set_cache_enabled(parse_switch(bytes)?);
    Ok(())
}

fn show_hand_off(text: &mut Text) -> Result<()> {
    show_switch(text, run_queue::hands_off())
}

fn store_hand_off(bytes: &[u8]) -> Result<()> {
    run_queue::set_hands_off(parse_switch(bytes)?);
    Ok(())
}

fn show_switch(text: &mut Text, on: bool) -> Result<()> {
    put!(text, "{}\n", u8::from(on));
    Ok(())
}

/// 0 or 1. EINVAL for anything else.
fn parse_switch(bytes: &[u8]) -> Result<bool> {
    match parse_number::<u8>(bytes)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Errno::EINVAL),
    }
}
