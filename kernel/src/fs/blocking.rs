//! The one loop that turns attempts into blocking calls: O_NONBLOCK, signals, timeouts, full delivery, chained wake-ups.
//!
//! Owns nothing; no locks. Sleeps, interruptibly, on the file's wait queue. Specification: read(2), write(2), signal(7); the
//! waiting in fs/pipe.c of Linux.

use crate::fs::file::{Direction, FileOps, Io, Readiness};
use crate::fs::flags::OpenFlags;
use crate::fs::open_file::OpenFile;
use crate::mm::user::{Sink, Source};
use crate::process::signal;
use crate::sched;
use crate::sync::{Kernel, Platform, WaitError, WaitQueue};
use postern_core::errno::{Errno, Result};
use postern_core::signal_set::Signal;
use postern_sync::{Mode, Sleep};

/// Reads from a stream: waits until there is something, or the end.
///
/// # Errors
/// EAGAIN (O_NONBLOCK), ERESTARTSYS (a signal), and what the file says.
#[inline]
pub fn read(file: &OpenFile, sink: &mut Sink<'_>) -> Result<usize> {
    let io = Io { offset: None, flags: file.flags() };
    match file.ops().try_read(&io, sink) {
        Err(Errno::EAGAIN) if !io.flags.contains(OpenFlags::NONBLOCK) => wait_to_read(&**file.ops(), &io, sink),
        result => result,
    }
}

/// Writes to a stream: waits until all of `source` is delivered.
///
/// # Errors
/// EAGAIN (O_NONBLOCK), ERESTARTSYS (a signal), and what the file says, if nothing was delivered; what was delivered counts more.
#[inline]
pub fn write(file: &OpenFile, source: &mut Source<'_>) -> Result<usize> {
    let io = Io { offset: None, flags: file.flags() };
    let wanted = source.remaining();
    match file.ops().try_write(&io, source) {
        Ok(delivered) if delivered >= wanted => Ok(delivered),
        first if io.flags.contains(OpenFlags::NONBLOCK) => first,
        Ok(delivered) => write_rest(&**file.ops(), &io, source, wanted, delivered),
        Err(Errno::EAGAIN) => write_rest(&**file.ops(), &io, source, wanted, 0),
        Err(error) => Err(error),
    }
}

#[inline(never)]
fn wait_to_read(ops: &dyn FileOps, io: &Io, sink: &mut Sink<'_>) -> Result<usize> {
    let Some(queue) = ops.wait_queue(Direction::Read) else { return Err(Errno::EAGAIN) };
    let limit_ns = ops.time_limit_ns(Direction::Read);
    let deadline_ns = ops.read_timeout_ns().or(limit_ns).map(|timeout_ns| Kernel::now_ns().saturating_add(timeout_ns));
    let waited =
        queue.wait_until(Mode::Exclusive, Sleep::Interruptible, deadline_ns, || settled(ops.try_read(io, sink)));
    match waited {
        Ok(result) => {
            pass_on(ops, queue, Direction::Read);
            result
        }
        Err(WaitError::TimedOut) if limit_ns.is_none() => Ok(0),
        Err(error) => Err(failed(error, limit_ns)),
    }
}

/// The rest of a write that did not go in at once.
#[inline(never)]
fn write_rest(ops: &dyn FileOps, io: &Io, source: &mut Source<'_>, wanted: usize, first: usize) -> Result<usize> {
    let mut delivered = first;
    loop {
        if delivered >= wanted || source.remaining() + delivered != wanted {
            return Ok(delivered);
        }
        if delivered != 0 {
            // Nobody else runs on this CPU while a long write goes on, and no interrupt comes, but for here.
            sched::preemption_point();
            if Kernel::interrupted() {
                return Ok(delivered);
            }
        }
        match attempt_or_wait(ops, io, source) {
            Ok(0) => return Ok(delivered),
            Ok(bytes) => delivered += bytes,
            Err(error) if delivered == 0 => return Err(error),
            Err(error) => {
                // The program will not hear of the error, but of the signal.
                if error == Errno::EPIPE && ops.raises_sigpipe(delivered) && sched::current().thread_if_any().is_some()
                {
                    signal::send_to_current(Signal::PIPE);
                }
                return Ok(delivered);
            }
        }
    }
}

fn attempt_or_wait(ops: &dyn FileOps, io: &Io, source: &mut Source<'_>) -> Result<usize> {
    if let Some(result) = settled(ops.try_write(io, source)) {
        return result;
    }
    let Some(queue) = ops.wait_queue(Direction::Write) else { return Err(Errno::EAGAIN) };
    let limit_ns = ops.time_limit_ns(Direction::Write);
    let deadline_ns = limit_ns.map(|limit_ns| Kernel::now_ns().saturating_add(limit_ns));
    let waited =
        queue.wait_until(Mode::Exclusive, Sleep::Interruptible, deadline_ns, || settled(ops.try_write(io, source)));
    let result = waited.map_err(|error| failed(error, limit_ns))?;
    pass_on(ops, queue, Direction::Write);
    result
}

/// What a wait says that ended without success. As signal(7) has it, a call with a time limit is never restarted.
fn failed(error: WaitError, limit_ns: Option<u64>) -> Errno {
    match error {
        WaitError::TimedOut => Errno::EAGAIN,
        WaitError::Interrupted if limit_ns.is_some() => Errno::EINTR,
        WaitError::Interrupted => Errno::ERESTARTSYS,
    }
}

/// What an attempt said, unless that is "not now".
#[inline]
fn settled(attempt: Result<usize>) -> Option<Result<usize>> {
    if attempt == Err(Errno::EAGAIN) { None } else { Some(attempt) }
}

/// Wakes the next waiter if this one, which may have been woken for both, left something for it: the chain of wake-ups.
#[inline]
fn pass_on(ops: &dyn FileOps, queue: &WaitQueue, direction: Direction) {
    if queue.is_empty() {
        return;
    }
    let concerns = Readiness::ALWAYS
        | match direction {
            Direction::Read => Readiness::READABLE | Readiness::RDHUP,
            Direction::Write => Readiness::WRITABLE,
        };
    let ready = ops.readiness() & concerns;
    if !ready.is_empty() {
        queue.wake_one(ready.bits());
    }
}
