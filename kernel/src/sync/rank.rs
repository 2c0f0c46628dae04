//! The lock order of the whole kernel, in one place. A lock may be taken only when every held one
//! has a lower rank; debug builds check it. Sleeping locks come before all spinning ones.

use postern_sync::Rank;

// Sleeping: may be held over a user copy, whose fault takes ADDRESS_SPACE and then PAGES.
/// Loading and unloading of modules: one at a time, over all that they do.
pub const LOADING: Rank = Rank::sleeping(5, "loading");
/// Rename, mount and unmount: one at a time.
pub const NAMESPACE: Rank = Rank::sleeping(10, "namespace");
/// `exec` and `fork` of one process exclude each other.
pub const PROCESS_IMAGE: Rank = Rank::sleeping(30, "process image");
/// Who hears that a control group has gone: held while they are told.
pub const CGROUP_LISTENERS: Rank = Rank::sleeping(32, "cgroup listeners");
/// Which epoll instance waits for which: changes of that.
pub const EPOLL_NESTING: Rank = Rank::sleeping(33, "epoll nesting");
/// An open file's position.
pub const FILE_POSITION: Rank = Rank::sleeping(35, "file position");
/// The writers of a regular file, one after the other.
pub const FILE_WRITE: Rank = Rank::sleeping(36, "file write");
/// A directory's entries: read with the position of the open directory held.
pub const DIRECTORY: Rank = Rank::sleeping(37, "directory");
/// An epoll instance.
pub const EPOLL: Rank = Rank::sleeping(38, "epoll");
/// Moving processes between control groups, making and removing these.
pub const CGROUP_CHANGES: Rank = Rank::sleeping(39, "cgroup changes");
/// The parameters of a module: set with the position of their file held.
pub const MODULE_PARAMETERS: Rank = Rank::sleeping(39, "module parameters");
/// A pipe's ring. Splicing holds it, or a driver's, over PAGES, ADDRESS_SPACE and another ring's lock only: docs/splice.md.
pub const PIPE: Rank = Rank::sleeping(40, "pipe");
/// Which instance of a driver an open file works on: held over transfers while that may change.
pub const BINDING: Rank = Rank::sleeping(43, "driver binding");
/// A driver's register of its instances.
pub const ROUTES: Rank = Rank::sleeping(44, "driver routes");
/// A driver's instance.
pub const DRIVER: Rank = Rank::sleeping(45, "driver");
/// An eventfd's counter.
pub const EVENTFD: Rank = Rank::sleeping(46, "eventfd");
/// One direction of a connection of sockets, or of a socket for datagrams.
pub const SOCKET: Rank = Rank::sleeping(47, "socket");
/// A terminal.
pub const TTY: Rank = Rank::sleeping(48, "tty");
/// The kernel's sides of a driver's ring in shared memory: taken over by programs with the instance locked.
pub const MAPPED_RING: Rank = Rank::sleeping(49, "mapped ring");
/// A recording of trace points: read into a program's memory.
pub const TRACE: Rank = Rank::sleeping(50, "trace");
/// An address space's areas and tables.
pub const ADDRESS_SPACE: Rank = Rank::sleeping(60, "address space");
/// The pages of a file or shared object.
pub const PAGES: Rank = Rank::sleeping(70, "pages");

// Spinning, outermost first.
/// The mount table.
pub const MOUNTS: Rank = Rank::spinning(5, "mounts");
/// What a mount covers.
pub const MOUNT_PLACE: Rank = Rank::spinning(6, "mount place");
/// A dentry's parent and name.
pub const DENTRY: Rank = Rank::spinning(7, "dentry");
/// An inode's attributes.
pub const INODE: Rank = Rank::spinning(10, "inode");
/// The character-device table.
pub const CHAR_TABLE: Rank = Rank::spinning(15, "char-device table");
/// The register of pseudo-terminals.
pub const PTYS: Rank = Rank::spinning(16, "pseudo-terminals");
/// A process's root, working directory and umask.
pub const FS_CONTEXT: Rank = Rank::spinning(20, "fs context");
/// The process tree: parents, children, groups, sessions.
pub const PROCESS_TREE: Rank = Rank::spinning(30, "process tree");
/// The state of one process.
pub const PROCESS: Rank = Rank::spinning(35, "process");
/// Control groups: counts and memberships.
pub const CGROUPS: Rank = Rank::spinning(36, "cgroups");
/// A table of file descriptors: looked into with the thread's reference to it locked.
pub const FD_TABLE: Rank = Rank::spinning(37, "fd table");
/// Pending signals and dispositions.
pub const SIGNALS: Rank = Rank::spinning(40, "signals");
/// The timers of a process.
pub const POSIX_TIMERS: Rank = Rank::spinning(42, "posix timers");
/// Waiters move between futex buckets.
pub const FUTEX_MOVE: Rank = Rank::spinning(44, "futex move");
/// A futex bucket.
pub const FUTEX: Rank = Rank::spinning(45, "futex");
/// A terminal's line, as its interrupt handler sees it.
pub const TTY_LINE: Rank = Rank::spinning(50, "tty line");
/// Some other leaf-like state of a driver or IPC object.
pub const OBJECT: Rank = Rank::spinning(60, "object");
/// Who is told that the real-time clock was set: changed with a timer's owner locked.
pub const CLOCK_FOLLOWERS: Rank = Rank::spinning(65, "clock followers");
/// Who watches CPU time: changed with a process's timers locked.
pub const CPU_WATCHERS: Rank = Rank::spinning(66, "cpu watchers");
// Rank::WAIT_QUEUE is spinning(128).
/// What an epoll instance's wake-up callback takes.
pub const READY_LIST: Rank = Rank::spinning(140, "ready list");
/// A CPU's timers.
pub const TIMERS: Rank = Rank::spinning(160, "timers");
/// A CPU's run queue.
pub const RUN_QUEUE: Rank = Rank::spinning(170, "run queue");
/// The register of address spaces.
pub const ADDRESS_SPACES: Rank = Rank::spinning(178, "address spaces");
/// ASID generations.
pub const ASIDS: Rank = Rank::spinning(180, "asids");
/// The interrupt controller.
pub const GIC: Rank = Rank::spinning(190, "gic");
/// Free kernel stacks.
pub const STACKS: Rank = Rank::spinning(200, "stacks");
/// Where the heap's large blocks lie.
pub const LARGE_BLOCKS: Rank = Rank::spinning(205, "large blocks");
/// The kernel's own translation tables.
pub const KERNEL_SPACE: Rank = Rank::spinning(210, "kernel space");
/// The frame allocator.
pub const FRAMES: Rank = Rank::spinning(220, "frames");
/// The memory of the frame allocator's nodes.
pub const FRAME_NODES: Rank = Rank::spinning(225, "frame nodes");
/// The heap: everything may allocate.
pub const HEAP: Rank = Rank::spinning(230, "heap");
/// The log: everything may log.
pub const LOG: Rank = Rank::spinning(240, "log");
/// The console's output.
pub const CONSOLE: Rank = Rank::spinning(250, "console");
