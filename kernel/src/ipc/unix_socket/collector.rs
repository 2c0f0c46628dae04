//! Sockets under way in sockets: which of them nobody can ever receive, and letting go of those.
//!
//! Owns the register of all sockets in messages that wait (`postern_core::in_flight`), by weak references: how many references a
//! file has besides shows whether anybody else can reach it. Entering a message and taking it out happen with its queue locked,
//! the collector looks with the register locked, and who receives without taking out (MSG_PEEK) passes through that lock before
//! it returns: so nothing can be received from what is being looked at and be used before the look is over.
//!
//! Asks about a socket whenever a reference to it goes while sockets are under way: a descriptor of it is closed, or a message with
//! it in it is dropped; and now and then about all. Locks: OBJECT (spin) around the register, and around who collects; then SOCKET
//! (sleeping) of what is let go. Sleeps for that. Specification: unix(7) SCM_RIGHTS; net/unix/garbage.c of Linux 6.12.

use super::Socket;
use super::channel::Channel;
use super::parcel::{InFlight, Parcel};
use crate::fs::open_file::OpenFile;
use crate::mm::heap;
use crate::sync::{SpinLock, rank};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use postern_core::errno::Result;
use postern_core::in_flight::{Held, Register};

static REGISTER: SpinLock<Register<Weak<OpenFile>>> = SpinLock::new(rank::OBJECT, Register::new());

/// Messages in the register: a look at this saves the lock as long as no socket is under way. Changed with it held.
static POSTS: AtomicUsize = AtomicUsize::new(0);

/// Whether somebody collects, and has to look once more.
struct Work {
    running: bool,
    again: bool,
}

static WORK: SpinLock<Work> = SpinLock::new(rank::OBJECT, Work { running: false, again: false });

/// Enters what is about to be queued in `holder`, whose queue is locked.
///
/// # Errors
/// ENOMEM.
pub(super) fn post(holder: u64, parcel: &mut Parcel) -> Result<()> {
    let Some(files) = parcel.files.as_mut() else { return Ok(()) };
    let count = files.files().iter().filter(|file| Socket::behind(file).is_ok()).count();
    if count == 0 {
        return Ok(());
    }
    let mut sockets = heap::vec_with_room(count)?;
    for file in files.files() {
        if let Ok(socket) = Socket::behind(file) {
            sockets.push(Held { socket: socket.incoming.id, handle: Arc::downgrade(file) });
        }
    }
    let mut register = REGISTER.lock();
    files.post = Some(register.post(holder, sockets));
    // Relaxed: who has dropped a reference before sees this, or is seen by whoever drops the next.
    POSTS.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Takes out what was not queued after all.
pub(super) fn withdraw(parcel: &mut Parcel) {
    if let Some(files) = parcel.files.as_mut() {
        withdraw_files(files);
    }
}

/// Takes out what is in no queue any more.
pub(super) fn withdraw_files(files: &mut InFlight) {
    let Some(post) = files.post.take() else { return };
    let mut register = REGISTER.lock();
    let withdrawn = register.withdraw(post);
    POSTS.fetch_sub(1, Ordering::Relaxed);
    drop(register);
    drop(withdrawn);
}

/// Which of `files`, that are about to be dropped, are sockets that others refer to as well, by the numbers of their queues.
pub(super) fn survivors(files: &[Arc<OpenFile>]) -> Vec<u64> {
    if POSTS.load(Ordering::Relaxed) == 0 {
        return Vec::new();
    }
    let survivors = files.iter().filter(|file| Arc::strong_count(file) > 1);
    survivors.filter_map(|file| Some(Socket::behind(file).ok()?.incoming.id)).collect()
}

/// Waits until a look that is under way is over: whoever has received something and left it where it was must do so.
pub(super) fn pass() {
    drop(REGISTER.lock());
}

/// A connection that receives through `channel` waits to be accepted by the socket that receives through `listener`.
pub(super) fn add_pending(channel: &Channel, listener: &Channel) {
    REGISTER.lock().add_pending(channel.id, listener.id);
}

/// It no longer does.
pub(super) fn remove_pending(channel: &Channel) {
    REGISTER.lock().remove_pending(channel.id);
}

/// A reference to each of these sockets is gone, by the number of its queue: lets go of all that can never be received, if one of
/// them cannot. To be called without locks.
pub(super) fn collect(suspects: &[u64]) {
    if suspects.is_empty() || POSTS.load(Ordering::Relaxed) == 0 {
        return;
    }
    let are_lost = {
        let register = REGISTER.lock();
        suspects.iter().any(|suspect| register.is_lost(*suspect, Weak::strong_count))
    };
    if are_lost {
        collect_all();
    }
}

/// A socket was closed. Now and then that is a reason to look at all that is under way: a call that had been asleep on a socket
/// may have had the last reference that anybody could use, and says nothing when it gives that up. As often as not to cost more
/// than a look at one message for each socket.
pub(super) fn note_close() {
    static CLOSED: AtomicUsize = AtomicUsize::new(0);
    let posts = POSTS.load(Ordering::Relaxed);
    // Relaxed: it matters little which close it is.
    if posts != 0 && CLOSED.fetch_add(1, Ordering::Relaxed) >= posts {
        CLOSED.store(0, Ordering::Relaxed);
        collect_all();
    }
}

/// Lets go of all that can never be received.
fn collect_all() {
    {
        let mut work = WORK.lock();
        if work.running {
            // What is let go may hold the last reference to something: whoever is at it, further up on this stack maybe.
            work.again = true;
            return;
        }
        work.running = true;
    }
    loop {
        while let_go_of_unreachable() {}
        let mut work = WORK.lock();
        if !core::mem::take(&mut work.again) {
            work.running = false;
            return;
        }
    }
}

/// Lets go of all that can never be received; whether there was something.
fn let_go_of_unreachable() -> bool {
    let lost = unreachable();
    for socket in lost.iter().filter_map(|file| Socket::behind(file).ok()) {
        socket.discard();
    }
    !lost.is_empty()
}

/// The files of all that can never be received.
fn unreachable() -> Vec<Arc<OpenFile>> {
    let register = REGISTER.lock();
    register.unreachable(Weak::strong_count).into_iter().filter_map(Weak::upgrade).collect()
}

impl Socket {
    /// Lets go of all that was sent to it, and to the connections that wait to be accepted by it.
    fn discard(&self) {
        for pending in self.connection.pending() {
            drop(pending.incoming.set(|queue| queue.discard()));
        }
        drop(self.incoming.set(|queue| queue.discard()));
    }
}
