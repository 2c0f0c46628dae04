//! sysfs: the kernel's objects as directories, their attributes as files of text. One instance, whether mounted or not.
//!
//! Owns the instance and its first directories; other parts of the kernel add and remove theirs. Locks and sleeps: those of
//! `change`. Specification: sysfs(5).

use crate::arch::cpu;
use crate::fs::file_system::{Changes, FileSystem, Options};
use crate::fs::inode::{Node, Owner};
use crate::fs::kernel_tree;
use crate::fs::procfs::text::{Functions, Show, Text, TextNode, TextSource, put};
use crate::sched::run_queue;
use alloc::format;
use alloc::sync::Arc;
use linux_raw_sys::general::SYSFS_MAGIC;
use postern_core::cpu_list::CpuList;
use postern_core::errno::Result;
use spin::Once;

static INSTANCE: Once<Arc<FileSystem>> = Once::new();

/// The one sysfs.
pub fn instance() -> &'static Arc<FileSystem> {
    INSTANCE.call_once(|| {
        FileSystem::new(Options {
            type_name: "sysfs",
            magic: SYSFS_MAGIC,
            limit_pages: 0,
            limit_inodes: usize::MAX,
            changes: Changes::ByKernel,
            owner: Owner::ROOT,
            permissions: 0o555,
            computed: None,
        })
    })
}

/// Enters the directories which programs expect, fs/cgroup as a place to mount on among them. Once, at boot.
///
/// # Errors
/// ENOSPC.
pub fn init() -> Result<()> {
    ["devices", "fs/cgroup", "kernel", "module"].into_iter().try_for_each(add_directory)?;
    // C libraries count processors here: the newer ones by the lists, older ones by the directories.
    let lists: [(&str, Show); 4] = [
        ("online", |text| show_list(text, run_queue::online())),
        ("possible", |text| show_list(text, present_cpus())),
        ("present", |text| show_list(text, present_cpus())),
        ("offline", |text| show_list(text, present_cpus() & !run_queue::online())),
    ];
    for (name, show) in lists {
        add_source(&format!("devices/system/cpu/{name}"), 0o444, Arc::new(Functions { show, store: None }))?;
    }
    (0..cpu::count()).try_for_each(|cpu| add_directory(&format!("devices/system/cpu/cpu{cpu}")))
}

/// CPUs that the machine has, a bit each.
fn present_cpus() -> u64 {
    (1 << cpu::count()) - 1
}

fn show_list(text: &mut Text, cpus: u64) -> Result<()> {
    put!(text, "{}\n", CpuList(cpus));
    Ok(())
}

/// Enters a directory, and those on the way, unless they are there.
///
/// # Errors
/// ENOTDIR, ENOSPC.
pub fn add_directory(path: &str) -> Result<()> {
    kernel_tree::make_directories(instance(), path).map(drop)
}

/// Enters a file of text at `path` below /sys, and the directories on the way.
///
/// # Errors
/// EEXIST, ENOTDIR, ENOSPC.
pub fn add_source(path: &str, permissions: u32, source: Arc<dyn TextSource>) -> Result<()> {
    kernel_tree::add(instance(), path, Node::Generated(Arc::new(TextNode(source))), permissions)
}

/// Takes a directory away with all that is in it.
///
/// # Errors
/// ENOENT; EBUSY if something is mounted in it.
pub fn remove_tree(path: &str) -> Result<()> {
    kernel_tree::remove_tree(instance(), path)
}
