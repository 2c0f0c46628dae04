//! The processors that a thread may run on. See `sys` for the rules; nothing here allocates.

use super::{Sys, checked, counted};

/// Room for the bits of as many processors as any kernel here has.
const BYTES: usize = 128;

/// A set of processors, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Affinity([u8; BYTES]);

impl Affinity {
    /// These processors.
    pub fn of_processors(cpus: &[usize]) -> Self {
        let mut bits = [0; BYTES];
        for cpu in cpus {
            bits[cpu / 8] |= 1 << (cpu % 8);
        }
        Self(bits)
    }

    /// What thread `pid` may run on, or the caller if that is 0; as the raw call tells it.
    pub fn of_thread(pid: i32) -> Sys<Self> {
        let mut bits = [0; BYTES];
        // SAFETY: room for the bits.
        let value = unsafe { libc::syscall(libc::SYS_sched_getaffinity, pid, bits.len(), bits.as_mut_ptr()) };
        counted("sched_getaffinity", value)?;
        Ok(Self(bits))
    }

    /// Bounds thread `pid`, or the caller if that is 0.
    pub fn set(self, pid: i32) -> Sys<()> {
        // SAFETY: the kernel reads the bits.
        let value = unsafe { libc::syscall(libc::SYS_sched_setaffinity, pid, self.0.len(), self.0.as_ptr()) };
        checked("sched_setaffinity", value).map(drop)
    }

    /// Its processors, in order.
    pub fn processors(&self) -> impl Iterator<Item = usize> {
        (0..BYTES * 8).filter(|cpu| self.0[cpu / 8] >> (cpu % 8) & 1 == 1)
    }
}

/// Runs on each of the processors that the caller may run on, in turn: each has left what ran there before.
pub fn visit_each_processor() -> Sys<()> {
    let all = Affinity::of_thread(0)?;
    all.processors().try_for_each(|cpu| Affinity::of_processors(&[cpu]).set(0))?;
    all.set(0)
}
