//! What procfs wants to know of processes and of the machine. The process code implements the traits and registers once, so
//! that this layer need not name it. Values and traits only.

use crate::fs::attributes::DeviceNumber;
use crate::fs::context::FsContext;
use crate::fs::dentry::Location;
use crate::fs::files::Files;
use crate::fs::procfs::text::Text;
use alloc::sync::Arc;
use alloc::vec::Vec;
use postern_core::errno::{Errno, Result};
use spin::Once;

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryUse {
    /// All areas.
    pub virtual_bytes: usize,
    /// Pages that are there.
    pub resident_bytes: usize,
    /// Of those, pages of files and shared objects.
    pub shared_bytes: usize,
    /// Executable areas.
    pub code_bytes: usize,
    /// Private writable areas.
    pub data_bytes: usize,
    /// The stack.
    pub stack_bytes: usize,
}

/// Signals of a thread and its process: bit n-1 is signal n.
#[derive(Clone, Copy, Debug, Default)]
pub struct SignalMasks {
    /// Pending for the thread.
    pub pending: u64,
    /// Pending for the process.
    pub shared_pending: u64,
    /// Blocked by the thread.
    pub blocked: u64,
    /// Ignored.
    pub ignored: u64,
    /// Handled.
    pub caught: u64,
}

/// One thread at one moment.
#[derive(Clone, Debug, Default)]
pub struct ThreadSnapshot {
    /// Its id.
    pub tid: u32,
    /// R, S, D, T, t, Z or X.
    pub state: u8,
    /// `comm`, at most 15 bytes.
    pub name: Vec<u8>,
    /// Time in user mode.
    pub user_ns: u64,
    /// Time in the kernel.
    pub system_ns: u64,
    /// Start, since boot.
    pub start_ns: u64,
    /// -20 to 19.
    pub nice: i32,
    /// The CPU it ran on last.
    pub cpu: u32,
    /// The CPUs it may run on, bit n for CPU n.
    pub affinity: u64,
    /// Signals.
    pub signals: SignalMasks,
}

/// One process at one moment.
#[derive(Clone, Debug, Default)]
pub struct ProcessSnapshot {
    /// Its id.
    pub pid: u32,
    /// Its parent's.
    pub ppid: u32,
    /// Its group's.
    pub pgid: u32,
    /// Its session's.
    pub sid: u32,
    /// Its controlling terminal, and the group in its foreground.
    pub terminal: Option<(DeviceNumber, u32)>,
    /// Real, effective, saved, file-system user.
    pub uids: [u32; 4],
    /// Real, effective, saved, file-system group.
    pub gids: [u32; 4],
    /// Supplementary groups.
    pub groups: Arc<Vec<u32>>,
    /// Threads.
    pub threads: usize,
    /// Memory; zeroes for a zombie.
    pub memory: MemoryUse,
    /// User and kernel time of all threads, ended ones too.
    pub times_ns: [u64; 2],
    /// The same of children waited for.
    pub children_times_ns: [u64; 2],
    /// Page faults without and with reading.
    pub faults: [u64; 2],
    /// Wait status of a zombie.
    pub exit_status: i32,
}

/// A process, as procfs sees it.
pub trait ProcessView: Send + Sync {
    /// What it is now.
    fn snapshot(&self) -> ProcessSnapshot;
    /// The lowest id of its threads that is at least `from`, the first thread's included even if it has ended.
    fn next_tid(&self, from: u32) -> Option<u32>;
    /// One of its threads.
    fn thread(&self, tid: u32) -> Option<ThreadSnapshot>;
    /// Its descriptors; `None` for a zombie.
    fn files(&self) -> Option<Arc<Files>>;
    /// Its root, working directory, umask; `None` for a zombie.
    fn fs(&self) -> Option<Arc<FsContext>>;
    /// The path of its control group, with ` (deleted)` if that was removed.
    fn cgroup(&self) -> Vec<u8>;
    /// The file it executes.
    fn executable(&self) -> Option<Location>;
    /// Some of its memory as text. Empty for a zombie.
    ///
    /// # Errors
    /// ENOMEM, EFAULT.
    fn show(&self, what: Show, text: &mut Text) -> Result<()>;
    /// Soft and hard limits, in the order of Linux's RLIMIT_ numbers.
    fn limits(&self) -> [[u64; 2]; 16];
    /// Sets a thread's name.
    ///
    /// # Errors
    /// ESRCH.
    fn set_name(&self, tid: u32, name: &[u8]) -> Result<()>;
}

/// What [`ProcessView::show`] shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Show {
    /// The argument strings, each with its NUL.
    Arguments,
    /// The environment strings, each with its NUL.
    Environment,
    /// The auxiliary vector, as it lies on the stack.
    Auxiliary,
    /// The lines of /proc/PID/maps.
    Maps,
}

/// All processes.
pub trait ProcessTable: Send + Sync {
    /// The lowest id that is at least `from`.
    fn next_pid(&self, from: u32) -> Option<u32>;
    /// The process of which this is the id of a thread.
    fn process_of(&self, tid: u32) -> Option<u32>;
    /// A process by its id, zombies included.
    fn find(&self, pid: u32) -> Option<Arc<dyn ProcessView>>;
    /// The ids of the calling process and thread.
    fn current(&self) -> (u32, u32);
}

/// The machine, and the system as a whole.
#[derive(Clone, Debug, Default)]
pub struct SystemSnapshot {
    /// Since boot.
    pub uptime_ns: u64,
    /// Boot, in seconds since 1970.
    pub boot_time_s: u64,
    /// For each CPU: user, kernel, idle time.
    pub cpu_times_ns: Vec<[u64; 3]>,
    /// Switches since boot.
    pub context_switches: u64,
    /// Processes and threads made since boot.
    pub forks: u64,
    /// The id given out last.
    pub last_pid: u32,
    /// Threads that run or could.
    pub running: usize,
    /// All threads.
    pub threads: usize,
    /// The kernel's command line.
    pub command_line: Vec<u8>,
}

/// Whoever knows the system as a whole.
pub trait SystemView: Send + Sync {
    /// What it is now.
    fn snapshot(&self) -> SystemSnapshot;
}

static PROCESSES: Once<&'static dyn ProcessTable> = Once::new();
static SYSTEM: Once<&'static dyn SystemView> = Once::new();

/// The process code registers here, once.
pub fn set_process_table(table: &'static dyn ProcessTable) {
    PROCESSES.call_once(|| table);
}

/// Whoever knows the system registers here, once.
pub fn set_system_view(view: &'static dyn SystemView) {
    SYSTEM.call_once(|| view);
}

/// All processes.
///
/// # Errors
/// ENOENT before the process code has registered.
pub fn processes() -> Result<&'static dyn ProcessTable> {
    PROCESSES.get().copied().ok_or(Errno::ENOENT)
}

/// A process by its id.
///
/// # Errors
/// ENOENT.
pub fn find(pid: u32) -> Result<Arc<dyn ProcessView>> {
    processes()?.find(pid).ok_or(Errno::ENOENT)
}

/// The system as a whole; zeroes before anybody has registered.
pub fn system() -> SystemSnapshot {
    SYSTEM.get().map(|view| view.snapshot()).unwrap_or_default()
}
