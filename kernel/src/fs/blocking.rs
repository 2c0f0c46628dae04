//! The one loop that turns attempts into blocking calls: O_NONBLOCK, signals, timeouts, full delivery, chained wake-ups.
//!
//! Each kind of file has the loop that waits to read for itself, by [`FileOps::read`], so that its attempts are called directly.
//! Owns nothing; no locks. Sleeps, interruptibly, on the file's wait queue. Specification: read(2), write(2), signal(7); the
//! waiting in fs/pipe.c of Linux.

use crate::fs::file::{Direction, FileOps, Io, Readiness};
use crate::fs::flags::OpenFlags;
use crate::mm::user::{Sink, Source};
use crate::process::signal;
use crate::sched;
use crate::sync::{Kernel, Platform, WaitError, WaitQueue};
use postern_core::errno::{Errno, Result};
use postern_core::signal_set::Signal;
use postern_sync::{Place, Sleep, Unserved};

/// Reads from a stream: waits until there is something, or the end. No bytes are there always.
///
/// # Errors
/// EAGAIN (O_NONBLOCK), ERESTARTSYS (a signal), and what the file says.
#[inline(always)]
pub fn read<F: FileOps + ?Sized>(ops: &F, io: &Io, sink: &mut Sink<'_>) -> Result<usize> {
    if ops.has_nothing(sink) { wait_to_read(ops, io, sink) } else { read_or_wait(ops, io, sink) }
}

/// A read that may find something. Out of line, so that one that finds nothing waits after a few instructions.
#[inline(never)]
fn read_or_wait<F: FileOps + ?Sized>(ops: &F, io: &Io, sink: &mut Sink<'_>) -> Result<usize> {
    match ops.try_read(io, sink) {
        Err(Errno::EAGAIN) => wait_to_read(ops, io, sink),
        result => result,
    }
}

/// One attempt, unless a look says that it would be in vain.
#[inline(always)]
fn look_and_read<F: FileOps + ?Sized>(ops: &F, io: &Io, sink: &mut Sink<'_>) -> Result<usize> {
    if ops.has_nothing(sink) { Err(Errno::EAGAIN) } else { read_once(ops, io, sink) }
}

/// One attempt. Out of line, for the loop that waits.
#[inline(never)]
fn read_once<F: FileOps + ?Sized>(ops: &F, io: &Io, sink: &mut Sink<'_>) -> Result<usize> {
    ops.try_read(io, sink)
}

/// Writes to a stream: waits until all of `source` is delivered. For no bytes there is always room, unless they are a message.
///
/// # Errors
/// EAGAIN (O_NONBLOCK), ERESTARTSYS (a signal), and what the file says, if nothing was delivered; what was delivered counts more.
#[inline(always)]
pub fn write(ops: &dyn FileOps, io: &Io, source: &mut Source<'_>) -> Result<usize> {
    let wanted = source.remaining();
    match ops.try_write(io, source) {
        Ok(delivered) if delivered >= wanted => Ok(delivered),
        first => go_on_writing(ops, io, source, wanted, first),
    }
}

/// What becomes of a write after a first attempt that did not take all.
#[inline(never)]
fn go_on_writing(
    ops: &dyn FileOps,
    io: &Io,
    source: &mut Source<'_>,
    wanted: usize,
    first: Result<usize>,
) -> Result<usize> {
    match first {
        Err(Errno::EAGAIN) if wanted == 0 && !ops.takes_empty_messages() => Ok(0),
        first if io.flags.contains(OpenFlags::NONBLOCK) => first,
        Ok(delivered) => write_rest(ops, io, source, wanted, delivered),
        Err(Errno::EAGAIN) => write_rest(ops, io, source, wanted, 0),
        Err(error) => Err(error),
    }
}

/// What a wait that has become too long ends with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TooLong {
    /// EAGAIN (a socket's SO_RCVTIMEO and SO_SNDTIMEO).
    Fail,
    /// No bytes (a terminal's VTIME).
    NoBytes,
}

/// Where and how long to wait for `ops`.
struct Line<'a, F: ?Sized> {
    ops: &'a F,
    direction: Direction,
    queue: &'a WaitQueue,
    deadline_ns: Option<u64>,
}

impl<'a, F: FileOps + ?Sized> Line<'a, F> {
    #[inline(always)]
    fn of(ops: &'a F, direction: Direction) -> Result<Self> {
        let queue = ops.wait_queue(direction).ok_or(Errno::EAGAIN)?;
        let limit_ns = ops.time_limit_ns(direction);
        let deadline_ns = limit_ns.map(|limit_ns| Kernel::now_ns().saturating_add(limit_ns));
        Ok(Self { ops, direction, queue, deadline_ns })
    }

    /// Sleeps until `attempt` says something else than "not now".
    ///
    /// # Errors
    /// The place of one that was woken for nothing.
    #[inline(always)]
    fn wait_for(&self, mut attempt: impl FnMut() -> Result<usize>) -> core::result::Result<Result<usize>, Place> {
        match self.queue.wait_in_turn(Sleep::Interruptible, self.deadline_ns, || settled(attempt())) {
            Ok(result) => Ok(self.served(result)),
            Err(Unserved::Ended(error)) => Ok(failed(self.ops, error, self.deadline_ns)),
            Err(Unserved::PassedOver(place)) => Err(place),
        }
    }

    /// The same of one that was woken for nothing: others stand back until it is served.
    fn wait_passed_over(&self, place: Place, mut attempt: impl FnMut() -> Result<usize>) -> Result<usize> {
        let waited = self.queue.wait_passed_over(place, Sleep::Interruptible, self.deadline_ns, || {
            self.ops.hold_back(self.direction);
            settled(attempt())
        });
        match waited {
            Ok(result) => self.served(result),
            Err(error) => failed(self.ops, error, self.deadline_ns),
        }
    }

    #[inline(always)]
    fn served(&self, result: Result<usize>) -> Result<usize> {
        pass_on(self.ops, self.queue, self.direction);
        result
    }
}

/// After an attempt that said "not now".
#[inline(never)]
fn wait_to_read<F: FileOps + ?Sized>(ops: &F, io: &Io, sink: &mut Sink<'_>) -> Result<usize> {
    if sink.remaining() == 0 {
        return Ok(0);
    }
    if io.flags.contains(OpenFlags::NONBLOCK) {
        return Err(Errno::EAGAIN);
    }
    let line = Line::of(ops, Direction::Read)?;
    match line.wait_for(|| look_and_read(ops, io, sink)) {
        Ok(result) => result,
        Err(place) => read_passed_over(&line, place, io, sink),
    }
}

#[cold]
#[inline(never)]
fn read_passed_over<F: FileOps + ?Sized>(
    line: &Line<'_, F>,
    place: Place,
    io: &Io,
    sink: &mut Sink<'_>,
) -> Result<usize> {
    line.wait_passed_over(place, || line.ops.try_read(io, sink))
}

/// The rest of a write that did not go in at once.
#[inline(never)]
fn write_rest(ops: &dyn FileOps, io: &Io, source: &mut Source<'_>, wanted: usize, first: usize) -> Result<usize> {
    let mut delivered = first;
    loop {
        // An empty message, of which nothing is left from the beginning, is delivered by the attempt.
        if wanted != 0 && delivered >= wanted || source.remaining() + delivered != wanted {
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
                if error == Errno::EPIPE {
                    tell_broken_pipe(ops, delivered);
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
    let line = Line::of(ops, Direction::Write)?;
    match line.wait_for(|| ops.try_write(io, source)) {
        Ok(result) => result,
        Err(place) => write_passed_over(&line, place, io, source),
    }
}

#[cold]
#[inline(never)]
fn write_passed_over(line: &Line<'_, dyn FileOps>, place: Place, io: &Io, source: &mut Source<'_>) -> Result<usize> {
    line.wait_passed_over(place, || line.ops.try_write(io, source))
}

/// Sleeps until `attempt` has an answer, on the queue of `ops` for `direction`. If that answer is about something else, whoever
/// else waits there is woken in its place. `None`: it took too long, and the file has no bytes.
///
/// # Errors
/// ERESTARTSYS or EINTR (a signal); EAGAIN: the file's time limit is over, or it never changes.
pub(super) fn wait<T>(
    ops: &dyn FileOps,
    direction: Direction,
    mut attempt: impl FnMut() -> Option<T>,
) -> Result<Option<T>> {
    let mut answer = None;
    let mut attempt = || {
        answer = attempt();
        if answer.is_some() { Ok(0) } else { Err(Errno::EAGAIN) }
    };
    let line = Line::of(ops, direction)?;
    match line.wait_for(&mut attempt) {
        Ok(result) => result,
        Err(place) => line.wait_passed_over(place, attempt),
    }?;
    Ok(answer)
}

/// Tells the current thread by SIGPIPE that nobody reads `ops` any more, if that is how it learns of it.
pub(super) fn tell_broken_pipe(ops: &dyn FileOps, delivered: usize) {
    if ops.raises_sigpipe(delivered) && sched::current().thread_if_any().is_some() {
        signal::send_to_current(Signal::PIPE);
    }
}

/// What a wait comes to that ended without success. As signal(7) has it, a call with a time limit is never restarted.
#[cold]
fn failed<F: FileOps + ?Sized>(ops: &F, error: WaitError, deadline_ns: Option<u64>) -> Result<usize> {
    let limit_fails = deadline_ns.is_some() && ops.at_time_limit() == TooLong::Fail;
    match error {
        WaitError::TimedOut if !limit_fails => Ok(0),
        WaitError::TimedOut => Err(Errno::EAGAIN),
        WaitError::Interrupted if limit_fails => Err(Errno::EINTR),
        WaitError::Interrupted => Err(Errno::ERESTARTSYS),
    }
}

/// What an attempt said, unless that is "not now".
#[inline]
fn settled(attempt: Result<usize>) -> Option<Result<usize>> {
    if attempt == Err(Errno::EAGAIN) { None } else { Some(attempt) }
}

/// Lets the next waiter be woken if this one, which may have been woken for both, left something for it: the chain of
/// wake-ups.
#[inline]
fn pass_on<F: FileOps + ?Sized>(ops: &F, queue: &WaitQueue, direction: Direction) {
    if !queue.is_empty() {
        wake_next(ops, queue, direction);
    }
}

/// Out of line, to keep the path of one who waits alone short.
#[cold]
#[inline(never)]
fn wake_next<F: FileOps + ?Sized>(ops: &F, queue: &WaitQueue, direction: Direction) {
    ops.pass_on(direction, queue);
}

/// What those who wait in this direction want to hear of.
pub fn concerns(direction: Direction) -> Readiness {
    Readiness::ALWAYS
        | match direction {
            Direction::Read => Readiness::READABLE | Readiness::RDHUP,
            Direction::Write => Readiness::WRITABLE,
        }
}
