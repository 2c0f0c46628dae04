//! pselect6: poll in sets of bits.
//!
//! Owns nothing; sleeps in `fs::poll`. Specification: select(2), of Linux: descriptors beyond RLIMIT_NOFILE are not looked at.

use super::{Timeout, WatchedList, mask, with_mask};
use crate::fs::file::Readiness;
use crate::fs::poll::{Watched, wait};
use crate::mm::heap;
use crate::mm::user::{self, UserPtr};
use crate::process::{self, CurrentThread};
use crate::syscall::ipc::descriptor_limit;
use alloc::vec::Vec;
use linux_raw_sys::general::__FD_SETSIZE;
use postern_core::errno::{Errno, Result};
use postern_core::fd_table::RawFd;
use zerocopy::IntoBytes;

const WORD_BITS: usize = u64::BITS as usize;
/// Words of a set that are kept without an allocation: the usual FD_SETSIZE.
const FEW_WORDS: usize = __FD_SETSIZE as usize / WORD_BITS;

/// What makes a descriptor ready for each of the three sets.
const READS: Readiness = Readiness::READABLE.union(Readiness::RDBAND).union(Readiness::HUP).union(FAULTS);
const WRITES: Readiness = Readiness::WRITABLE.union(Readiness::WRBAND).union(FAULTS);
const EXCEPTIONS: Readiness = Readiness::PRI.union(Readiness::NVAL);
/// What no call would wait for; the second of a descriptor that has but a path.
const FAULTS: Readiness = Readiness::ERR.union(Readiness::NVAL);

/// One of the sets, in the program's memory and here.
struct Set {
    address: usize,
    words: Words,
    events: Readiness,
}

/// A set's words.
enum Words {
    Few([u64; FEW_WORDS]),
    Many(Vec<u64>),
}

impl Words {
    fn slice(&self) -> &[u64] {
        match self {
            Self::Few(words) => words,
            Self::Many(words) => words,
        }
    }

    fn slice_mut(&mut self) -> &mut [u64] {
        match self {
            Self::Few(words) => words,
            Self::Many(words) => words,
        }
    }
}

impl Set {
    /// The set of `count` descriptors at `address`; without one it is empty. EFAULT, ENOMEM.
    fn read(address: usize, count: usize, events: Readiness) -> Result<Self> {
        let length = count.div_ceil(WORD_BITS);
        let mut words = if length <= FEW_WORDS {
            Words::Few([0; FEW_WORDS])
        } else {
            let mut words = heap::vec_with_room(length)?;
            words.resize(length, 0);
            Words::Many(words)
        };
        if address != 0 {
            user::read_bytes(address, words.slice_mut()[..length].as_mut_bytes())?;
        }
        Ok(Self { address, words, events })
    }

    fn contains(&self, fd: usize) -> bool {
        self.words.slice()[fd / WORD_BITS] >> (fd % WORD_BITS) & 1 != 0
    }

    /// Keeps `fd` if it was found ready for this; whether it was.
    fn keep(&mut self, fd: usize, found: Readiness) -> bool {
        let ready = self.contains(fd) && found.intersects(self.events);
        if !ready {
            self.words.slice_mut()[fd / WORD_BITS] &= !(1 << (fd % WORD_BITS));
        }
        ready
    }

    /// Stores the words that `count` descriptors take. EFAULT.
    fn write(&self, count: usize) -> Result<()> {
        if self.address == 0 {
            return Ok(());
        }
        user::write_bytes(self.address, self.words.slice()[..count.div_ceil(WORD_BITS)].as_bytes())
    }
}

/// pselect6(2). The last argument points to a pointer to the signal mask, and its size.
pub fn pselect6(
    count: i32,
    reads: usize,
    writes: usize,
    exceptions: usize,
    timeout: usize,
    mask_and_size: UserPtr<[usize; 2]>,
) -> Result<usize> {
    let mask = if mask_and_size.is_null() {
        None
    } else {
        let [address, size] = mask_and_size.read()?;
        mask(address, size)?
    };
    let timeout = Timeout::new(timeout)?;
    let current = process::current();
    let limit = (descriptor_limit(&current) as usize).max(__FD_SETSIZE as usize);
    let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?.min(limit);
    let mut sets =
        [Set::read(reads, count, READS)?, Set::read(writes, count, WRITES)?, Set::read(exceptions, count, EXCEPTIONS)?];
    let asked = (0..count).filter(|&fd| sets.iter().any(|set| set.contains(fd))).count();
    let mut watched = WatchedList::with_capacity(asked)?;
    gather(&current, &sets, count, &mut watched)?;
    let found = with_mask(mask, || wait(watched.entries(), timeout.patience));
    timeout.finish(found.and_then(|_| keep(&mut sets, count, watched.entries())))
}

/// The files behind them. EBADF.
fn gather(current: &CurrentThread, sets: &[Set; 3], count: usize, to: &mut WatchedList) -> Result<()> {
    let files = current.files();
    for fd in 0..count {
        let asking = sets.iter().filter(|set| set.contains(fd)).map(|set| set.events);
        let events = asking.fold(Readiness::empty(), Readiness::union);
        if !events.is_empty() {
            let fd = RawFd::try_from(fd).map_err(|_| Errno::EBADF)?;
            to.push(Watched::new(files.get(fd)?, events));
        }
    }
    Ok(())
}

/// Leaves in the sets, and stores, what was found; how many bits that is. EFAULT.
fn keep(sets: &mut [Set; 3], count: usize, watched: &[Watched]) -> Result<usize> {
    let mut found = watched.iter().map(Watched::found);
    let mut bits = 0;
    for fd in 0..count {
        if sets.iter().any(|set| set.contains(fd)) {
            let found = found.next().unwrap_or_default();
            bits += sets.iter_mut().map(|set| usize::from(set.keep(fd, found))).sum::<usize>();
        }
    }
    sets.iter().try_for_each(|set| set.write(count))?;
    Ok(bits)
}
