//! Inter-process communication: the rules of `postern-core` wrapped in locks and wait queues.
//!
//! | file | owns | locks |
//! |---|---|---|
//! | `pipe` | pipes and their ends, pipe2(2) | PIPE, held over user copies |
//! | `fifo` | opening of named pipes | PIPE |
//! | `rendezvous` | how the openers of a FIFO, and of `/dev/hello`, meet | the object's |
//! | `turns` | who goes first at a ring, of pipes and of `/dev/hello` | the object's |
//! | `eventfd` | event counters, eventfd2(2) | EVENTFD, held over user copies |
//! | `timerfd` | timers that are read, timerfd_create(2) | EVENTFD, held over user copies; OBJECT |
//! | `unix_socket` | Unix sockets, with names and without | SOCKET, held over user copies |
//! | `futex` | waiters on words of user memory | FUTEX |
//!
//! Every state change settles its wake-ups after the lock is dropped. No raw user pointers: bytes cross in `Source` and `Sink`.

pub mod eventfd;
pub mod fifo;
pub mod futex;
pub mod pipe;
pub mod rendezvous;
pub mod timerfd;
pub mod turns;
pub mod unix_socket;

use postern_core::errno::Result;

/// Lets open(2) and /proc find what lives here. Once, at boot, after `fs::init`.
///
/// # Errors
/// EEXIST.
pub fn init() -> Result<()> {
    crate::fs::special::set_fifo_opener(&fifo::FifoOpener);
    unix_socket::init()
}
