//! The system calls that wait for readiness: arguments to typed calls of `crate::fs`, results to user memory. No policy.
//!
//! | file | calls |
//! |---|---|
//! | `poll` | ppoll |
//! | `select` | pselect6 |
//! | `epoll` | epoll_create1, epoll_ctl, epoll_pwait, epoll_pwait2 |
//!
//! Specification: poll(2), select(2), select_tut(2), epoll(7) and the pages of its calls.

mod epoll;
mod select;

pub use epoll::{epoll_create1, epoll_ctl, epoll_pwait, epoll_pwait2};
pub use select::pselect6;

use super::ipc::descriptor_limit;
use super::time::Timespec;
use crate::arch::timer::now_ns;
use crate::fs::file::Readiness;
use crate::fs::poll::{Patience, Watched, wait};
use crate::mm::heap;
use crate::mm::user::UserPtr;
use crate::process::{self, CurrentThread, signal};
use alloc::vec::Vec;
use arrayvec::ArrayVec;
use linux_raw_sys::general::pollfd;
use postern_core::errno::{Errno, Result};
use postern_core::signal_set::SignalSet;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Files that are waited for without an allocation.
const FEW: usize = 8;

/// `struct pollfd`
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
pub struct PollFd {
    fd: i32,
    events: u16,
    revents: u16,
}

const _: () = assert!(size_of::<PollFd>() == size_of::<pollfd>());

/// The files of one call, on the stack if they are few.
enum WatchedList {
    Few(ArrayVec<Watched, FEW>),
    Many(Vec<Watched>),
}

impl WatchedList {
    /// Room for `count` files. ENOMEM.
    fn with_capacity(count: usize) -> Result<Self> {
        if count <= FEW {
            return Ok(Self::Few(ArrayVec::new()));
        }
        Ok(Self::Many(heap::vec_with_room(count)?))
    }

    fn push(&mut self, entry: Watched) {
        match self {
            Self::Few(few) => few.push(entry),
            Self::Many(many) => many.push(entry),
        }
    }

    fn entries(&self) -> &[Watched] {
        match self {
            Self::Few(few) => few,
            Self::Many(many) => many,
        }
    }
}

/// A signal mask argument with its size: `None` leaves the mask alone. EINVAL, EFAULT.
fn mask(address: usize, size: usize) -> Result<Option<SignalSet>> {
    if address == 0 {
        return Ok(None);
    }
    if size != size_of::<u64>() {
        return Err(Errno::EINVAL);
    }
    Ok(Some(SignalSet::from_bits(UserPtr::<u64>::new(address).read()?)))
}

/// Runs `body` with the signal mask `mask` in force, if there is one. After an interruption it stays so until the signal has
/// been delivered.
fn with_mask(mask: Option<SignalSet>, body: impl FnOnce() -> Result<usize>) -> Result<usize> {
    match mask {
        Some(mask) => signal::with_temporary_mask(mask, body),
        None => body(),
    }
}

/// How long a call may wait, counted from now.
fn patience_of(timeout_ns: Option<u64>) -> Patience {
    match timeout_ns {
        None => Patience::Forever,
        Some(0) => Patience::None,
        Some(timeout_ns) => Patience::Until(now_ns().saturating_add(timeout_ns)),
    }
}

/// A timeout as ppoll and pselect6 have it: what is left of it is stored in its place. EINVAL, EFAULT.
struct Timeout {
    place: UserPtr<Timespec>,
    patience: Patience,
}

impl Timeout {
    fn new(address: usize) -> Result<Self> {
        let place = UserPtr::<Timespec>::new(address);
        let timeout_ns = if place.is_null() { None } else { Some(place.read()?.ns()?) };
        Ok(Self { place, patience: patience_of(timeout_ns) })
    }

    /// Stores what is left. A program may keep its timeout where it cannot be written: then the call succeeds all the same,
    /// but cannot be restarted, as on Linux.
    fn finish(&self, result: Result<usize>) -> Result<usize> {
        let Patience::Until(deadline_ns) = self.patience else { return result };
        let left = Timespec::from_ns(deadline_ns.saturating_sub(now_ns()));
        match (self.place.write(&left), result) {
            (Err(_), Err(Errno::ERESTARTNOHAND)) => Err(Errno::EINTR),
            (_, result) => result,
        }
    }
}

/// ppoll(2)
pub fn ppoll(fds: UserPtr<PollFd>, count: usize, timeout: usize, mask: usize, mask_size: usize) -> Result<usize> {
    let timeout = Timeout::new(timeout)?;
    let mask = self::mask(mask, mask_size)?;
    let current = process::current();
    if count > descriptor_limit(&current) as usize {
        return Err(Errno::EINVAL);
    }
    let mut watched = WatchedList::with_capacity(count)?;
    gather(&current, fds, count, &mut watched)?;
    let found = with_mask(mask, || wait(watched.entries(), timeout.patience));
    timeout.finish(found.and_then(|found| report(fds, watched.entries()).map(|()| found)))
}

/// The files behind an array of `struct pollfd`. EFAULT.
fn gather(current: &CurrentThread, fds: UserPtr<PollFd>, count: usize, to: &mut WatchedList) -> Result<()> {
    let files = current.files();
    for index in 0..count {
        let PollFd { fd, events, .. } = fds.element(index).read()?;
        to.push(match files.get_usable(fd) {
            _ if fd < 0 => Watched::nothing(),
            Ok(file) => Watched::new(file, Readiness::from_bits_truncate(events.into())),
            Err(_) => Watched::invalid(),
        });
    }
    Ok(())
}

/// Stores `revents`. EFAULT.
fn report(fds: UserPtr<PollFd>, watched: &[Watched]) -> Result<()> {
    for (index, entry) in watched.iter().enumerate() {
        let place = fds.element(index).address() + core::mem::offset_of!(PollFd, revents);
        // The bits of poll are 16.
        let found = u16::try_from(entry.found().bits()).unwrap_or(u16::MAX);
        UserPtr::new(place).write(&found)?;
    }
    Ok(())
}
