//! Resource limits. Values only. Specification: getrlimit(2).

use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};

/// No limit.
pub const INFINITY: u64 = u64::MAX;
/// The highest RLIMIT_NOFILE (`/proc/sys/fs/nr_open`).
pub const NR_OPEN: u64 = 1 << 20;
const COUNT: usize = 16;

/// A soft and a hard limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is enforced.
    pub soft: u64,
    /// How far an unprivileged process may raise the soft one.
    pub hard: u64,
}

/// A limited resource, by Linux's RLIMIT_ number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource(usize);

impl Resource {
    /// Seconds of CPU time.
    pub const CPU: Self = Self(abi::RLIMIT_CPU as usize);
    /// Bytes of a file that is written.
    pub const FSIZE: Self = Self(abi::RLIMIT_FSIZE as usize);
    /// Bytes of heap.
    pub const DATA: Self = Self(abi::RLIMIT_DATA as usize);
    /// Bytes of stack.
    pub const STACK: Self = Self(abi::RLIMIT_STACK as usize);
    /// Processes and threads of a user.
    pub const NPROC: Self = Self(abi::RLIMIT_NPROC as usize);
    /// One more than the highest descriptor.
    pub const NOFILE: Self = Self(abi::RLIMIT_NOFILE as usize);
    /// Bytes of address space.
    pub const AS: Self = Self(abi::RLIMIT_AS as usize);
    /// Queued signals of a user.
    pub const SIGPENDING: Self = Self(abi::RLIMIT_SIGPENDING as usize);
    /// Core file bytes.
    const CORE: Self = Self(abi::RLIMIT_CORE as usize);
    /// Bytes that may be locked in memory.
    pub const MEMLOCK: Self = Self(abi::RLIMIT_MEMLOCK as usize);
    /// Bytes in message queues.
    const MSGQUEUE: Self = Self(abi::RLIMIT_MSGQUEUE as usize);
    /// Nice ceiling.
    const NICE: Self = Self(abi::RLIMIT_NICE as usize);
    /// Real-time priority ceiling.
    const RTPRIO: Self = Self(abi::RLIMIT_RTPRIO as usize);

    /// The resource with this number. EINVAL.
    pub fn from_number(number: u32) -> Result<Self> {
        let index = number as usize;
        if index < COUNT { Ok(Self(index)) } else { Err(Errno::EINVAL) }
    }
}

/// The limits of a process.
#[derive(Clone, Debug)]
pub struct Limits([Limit; COUNT]);

impl Limits {
    /// Those of the first process, where a user may have `processes` tasks.
    pub fn initial(processes: u64) -> Self {
        let mut limits = Self([Limit { soft: INFINITY, hard: INFINITY }; COUNT]);
        let both = |value| Limit { soft: value, hard: value };
        limits.set(Resource::STACK, Limit { soft: 8 << 20, hard: INFINITY });
        limits.set(Resource::CORE, Limit { soft: 0, hard: INFINITY });
        limits.set(Resource::NPROC, both(processes));
        limits.set(Resource::NOFILE, Limit { soft: 1024, hard: 4096 });
        limits.set(Resource::MEMLOCK, both(8 << 20));
        limits.set(Resource::SIGPENDING, both(processes));
        limits.set(Resource::MSGQUEUE, both(819_200));
        limits.set(Resource::NICE, both(0));
        limits.set(Resource::RTPRIO, both(0));
        limits
    }

    /// All of them, by their numbers.
    pub fn in_order(&self) -> [Limit; COUNT] {
        self.0
    }

    /// A limit.
    pub fn get(&self, resource: Resource) -> Limit {
        self.0[resource.0]
    }

    fn set(&mut self, resource: Resource, limit: Limit) {
        self.0[resource.0] = limit;
    }

    /// The soft limit of CPU time was reached when it was `seen`, and is `raised` then.
    pub fn raise_cpu(&mut self, seen: u64, raised: u64) {
        let Limit { soft, hard } = self.get(Resource::CPU);
        if soft == seen {
            self.set(Resource::CPU, Limit { soft: raised, hard });
        }
    }

    /// setrlimit(2). EINVAL if soft exceeds hard; EPERM.
    pub fn change(&mut self, resource: Resource, limit: Limit, privileged: bool) -> Result<()> {
        if limit.soft > limit.hard {
            return Err(Errno::EINVAL);
        }
        if resource == Resource::NOFILE && limit.hard > NR_OPEN {
            return Err(Errno::EPERM);
        }
        if limit.hard > self.get(resource).hard && !privileged {
            return Err(Errno::EPERM);
        }
        self.set(resource, limit);
        Ok(())
    }
}
