//! timerfd: a timer whose expiries are counted until they are read.
//!
//! Owns the timer and the count. Locks: EVENTFD (sleeping) among readers, held over the user copy, so that a fault loses nothing;
//! OBJECT (spin) around timer and count, which the timer's interrupt takes. Sleeps in the former only.
//! Specification: timerfd_create(2); fs/timerfd.c of Linux 6.12.

use crate::fs::anonymous::{self, Kind};
use crate::fs::file::{Direction, FileOps, Io, Readiness};
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::open_file::OpenFile;
use crate::fs::procfs::text::{Text, put};
use crate::fs::splice::Batch;
use crate::mm::heap;
use crate::mm::user::Sink;
use crate::process::Credentials;
use crate::sched::alarm::{self, Alarm, Follower, Following, Owner, Timebase};
use crate::sync::{Mutex, SpinGuard, SpinLock, WaitQueue, rank};
use alloc::sync::{Arc, Weak};
use core::any::Any;
use linux_raw_sys::general as abi;
use postern_core::clock::NS_PER_SECOND;
use postern_core::errno::{Errno, Result};
use postern_core::interval_timer::{IntervalTimer, Setting, Start};

const WORD: usize = size_of::<u64>();

/// What a read says once the clock was set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OnClockSet {
    /// Nothing.
    GoOn,
    /// ECANCELED, once (TFD_TIMER_CANCEL_ON_SET).
    Cancel,
}

bitflags::bitflags! {
    /// How timerfd_settime(2) sets.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct SetFlags: u32 {
        /// To a point in time.
        const ABSOLUTE = abi::TFD_TIMER_ABSTIME;
        /// With it: a read fails once the real-time clock was set.
        const CANCEL_ON_SET = abi::TFD_TIMER_CANCEL_ON_SET;
    }
}

/// A timer behind a descriptor.
pub struct TimerFd {
    me: Weak<Self>,
    clock: Timebase,
    /// The clock's number: several stand for the same.
    clock_number: u32,
    reading: Mutex<()>,
    state: SpinLock<State>,
    readers: WaitQueue,
}

struct State {
    timer: IntervalTimer,
    /// What the timer goes by: only absolute times are of a clock that can be set.
    base: Timebase,
    /// Expiries that nobody has read. With any, the next is not waited for: it is counted when they are read.
    count: u64,
    alarm: Alarm,
    on_clock_set: OnClockSet,
    /// How it was set last.
    flags: SetFlags,
    /// The clock was set, and no call has said so yet.
    is_cancelled: bool,
    following: Option<Following>,
}

impl State {
    /// Counts what has expired. With nothing to read, waits for the next expiry.
    fn advance(&mut self, timer: &Weak<TimerFd>) {
        self.count += self.timer.expire(self.base.now_ns());
        match self.timer.next_ns() {
            Some(next_ns) if self.count == 0 => self.alarm.set(timer, self.base, next_ns),
            _ => self.alarm.cancel(),
        }
    }

    fn is_readable(&self) -> bool {
        self.count != 0 || self.is_cancelled
    }

    fn setting(&self) -> Setting {
        let value_ns = self.timer.left_ns(self.base.now_ns()).unwrap_or(0);
        Setting { interval_ns: self.timer.interval_ns(), value_ns }
    }
}

impl TimerFd {
    /// timerfd_create(2) for the clock of this number. `flags` may hold NONBLOCK.
    ///
    /// # Errors
    /// ENOMEM, ENOSPC.
    pub fn open(
        (clock_number, clock): (u32, Timebase),
        flags: OpenFlags,
        credentials: &Credentials,
    ) -> Result<Arc<OpenFile>> {
        heap::admit(size_of::<Self>())?;
        let place = anonymous::place(Kind::Other("timerfd"), credentials)?;
        let ops = Arc::new_cyclic(|me: &Weak<Self>| {
            let state = State {
                timer: IntervalTimer::STOPPED,
                base: Timebase::Monotonic,
                count: 0,
                alarm: Alarm::new(),
                on_clock_set: OnClockSet::GoOn,
                flags: SetFlags::empty(),
                is_cancelled: false,
                following: None,
            };
            Self {
                me: me.clone(),
                clock,
                clock_number,
                reading: Mutex::new(rank::EVENTFD, ()),
                state: SpinLock::new(rank::OBJECT, state),
                readers: WaitQueue::new(),
            }
        });
        Ok(anonymous::open(ops, place, AccessMode::READ_WRITE, flags))
    }

    /// The timer behind a file.
    ///
    /// # Errors
    /// EINVAL: there is none.
    pub fn behind(file: &OpenFile) -> Result<Arc<Self>> {
        let ops: Arc<dyn Any + Send + Sync> = file.ops().clone();
        ops.downcast().map_err(|_| file.unfit(Errno::EINVAL))
    }

    /// timerfd_settime(2): what it was set to. `first` is `None` for a timer that is to stop. What was not read is forgotten.
    ///
    /// # Errors
    /// ECANCELED: the clock was set since, and no read has said so; the timer is set all the same.
    pub fn set(&self, first: Option<Start>, interval_ns: u64, flags: SetFlags) -> Result<Setting> {
        let base = match first {
            Some(Start::After(_)) => Timebase::Monotonic,
            _ => self.clock,
        };
        // Before the lock: a map that grows may have to look for memory.
        let following = (base == Timebase::Realtime).then(|| alarm::follow(self.me.clone()));
        let reading = self.reading.lock();
        let mut state = self.state.lock();
        let old = state.setting();
        state.count = 0;
        state.base = base;
        let cancels = base == Timebase::Realtime && flags.contains(SetFlags::ABSOLUTE | SetFlags::CANCEL_ON_SET);
        state.on_clock_set = if cancels { OnClockSet::Cancel } else { OnClockSet::GoOn };
        state.flags = flags;
        let unfollowed = core::mem::replace(&mut state.following, following);
        state.timer = match first {
            Some(start) => IntervalTimer::started(start, interval_ns, base.now_ns()),
            None => IntervalTimer::STOPPED,
        };
        state.advance(&self.me);
        let was_cancelled = core::mem::take(&mut state.is_cancelled);
        let tells = state.on_clock_set == OnClockSet::Cancel && first.is_some();
        self.tell(state);
        drop(reading);
        drop(unfollowed);
        if was_cancelled && tells { Err(Errno::ECANCELED) } else { Ok(old) }
    }

    /// timerfd_gettime(2).
    pub fn setting(&self) -> Setting {
        self.state.lock().setting()
    }

    /// Wakes a reader if there is something to read.
    fn tell(&self, state: SpinGuard<'_, State>) {
        let is_readable = state.is_readable();
        drop(state);
        if is_readable {
            self.readers.wake_one(Readiness::IN.bits());
        }
    }
}

impl Owner for TimerFd {
    fn on_alarm(self: Arc<Self>, setting: u64) {
        let mut state = self.state.lock();
        if state.alarm.goes_off(setting) {
            state.advance(&self.me);
            self.tell(state);
        }
    }
}

impl Follower for TimerFd {
    fn on_clock_set(self: Arc<Self>) {
        let mut state = self.state.lock();
        if state.on_clock_set == OnClockSet::Cancel {
            state.is_cancelled = true;
        }
        state.advance(&self.me);
        self.tell(state);
    }
}

impl FileOps for TimerFd {
    fn describe(&self, text: &mut Text) {
        let state = self.state.lock();
        let (count, flags) = (state.count, state.flags.bits());
        let Setting { value_ns, interval_ns } = state.setting();
        drop(state);
        put!(text, "clockid: {}\nticks: {count}\nsettime flags: 0{flags:o}\n", self.clock_number);
        for (name, ns) in [("it_value", value_ns), ("it_interval", interval_ns)] {
            put!(text, "{name}: ({}, {})\n", ns / NS_PER_SECOND, ns % NS_PER_SECOND);
        }
    }

    /// What it says is read, not moved by pages: as on Linux.
    fn takes_splices(&self) -> bool {
        false
    }

    fn try_splice_out(&self, _: &Io, _: usize, _: &mut Batch) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    fn try_read(&self, _: &Io, sink: &mut Sink<'_>) -> Result<usize> {
        if sink.remaining() < WORD {
            return Err(Errno::EINVAL);
        }
        let _reading = self.reading.lock();
        let count = {
            let mut state = self.state.lock();
            if core::mem::take(&mut state.is_cancelled) {
                state.count = 0;
                state.advance(&self.me);
                return Err(Errno::ECANCELED);
            }
            if state.count == 0 {
                return Err(Errno::EAGAIN);
            }
            // Those since the alarm went off too.
            state.advance(&self.me);
            state.count
        };
        if sink.copy_from_slice(&count.to_ne_bytes())? < WORD {
            return Err(Errno::EFAULT);
        }
        let mut state = self.state.lock();
        // Nobody else takes any meanwhile.
        state.count -= count;
        state.advance(&self.me);
        self.tell(state);
        Ok(WORD)
    }

    fn readiness(&self) -> Readiness {
        if self.state.lock().is_readable() { Readiness::IN } else { Readiness::empty() }
    }

    fn wait_queue(&self, direction: Direction) -> Option<&WaitQueue> {
        match direction {
            Direction::Read => Some(&self.readers),
            Direction::Write => None,
        }
    }
}
