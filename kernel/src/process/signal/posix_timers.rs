//! POSIX timers: those that a process has made, and the signals that they send.
//!
//! Owns the process's table. Locks: POSIX_TIMERS around it, OBJECT (spin) around each timer, never both; no signal is sent with
//! either held. Expires in interrupt context. Never sleeps. Not inherited by fork, gone after exec.
//! Specification: timer_create(2), timer_settime(2), timer_getoverrun(2), timer_delete(2).

use super::send::{Fate, To, post_telling};
use super::{SignalInfo, info::Details};
use crate::process::limits::Resource;
use crate::process::{Process, current};
use crate::sched::Task;
use crate::sched::alarm::{self, Alarm, Follower, Following, Owner, Timebase};
use crate::sched::cpu_clock::{self, Watcher, Watching};
use crate::sync::{SpinGuard, SpinLock, rank};
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::interval_timer::{Setting, Start};
use postern_core::posix_timer::{Expiry, Notice, PosixTimer};
use postern_core::signal_set::Signal;

/// Whom a timer's signal goes to.
pub enum Receiver {
    /// Any thread of the process.
    Process,
    /// This one (SIGEV_THREAD_ID).
    Thread(Weak<Task>),
}

/// What an expiry does.
pub struct Event {
    /// The signal, and to whom; `None`: nothing (SIGEV_NONE).
    pub signal: Option<(Signal, Receiver)>,
    /// si_value; `None`: the timer's number.
    pub value: Option<u64>,
}

/// Whose CPU time a timer goes by.
pub enum CpuClock {
    /// A process's.
    Process(Weak<Process>),
    /// A thread's.
    Thread(Weak<Task>),
}

impl CpuClock {
    /// What it says; that of somebody who has ended has stopped, and no expiry comes any more.
    fn now_ns(&self) -> u64 {
        match self {
            Self::Process(process) => process.upgrade().map_or(0, |process| process.run_ns()),
            Self::Thread(task) => task.upgrade().map_or(0, |task| task.run_ns()),
        }
    }
}

/// What a timer goes by.
pub enum TimerClock {
    /// Time.
    Time(Timebase),
    /// CPU time, looked at when a tick passes.
    Cpu(CpuClock),
}

struct OwnedTimer {
    me: Weak<Self>,
    process: Weak<Process>,
    id: i32,
    clock: TimerClock,
    event: Event,
    state: SpinLock<State>,
}

struct State {
    timer: PosixTimer,
    /// What the timer goes by unless that is CPU time: only absolute times are of a clock that can be set.
    base: Timebase,
    alarm: Alarm,
    following: Option<Following>,
    watching: Option<Watching>,
}

/// The timers of a process, by number.
pub struct Timers {
    table: BTreeMap<i32, Arc<OwnedTimer>>,
    next_id: i32,
}

impl Timers {
    /// None.
    pub const fn new() -> Self {
        Self { table: BTreeMap::new(), next_id: 0 }
    }

    fn free_id(&mut self) -> i32 {
        loop {
            let id = self.next_id;
            self.next_id = id.checked_add(1).unwrap_or(0);
            if !self.table.contains_key(&id) {
                return id;
            }
        }
    }
}

impl OwnedTimer {
    /// The state, and what the clock says.
    fn lock(&self) -> (SpinGuard<'_, State>, u64) {
        // Before the lock: a process's threads come before its timers.
        let used_ns = match &self.clock {
            TimerClock::Cpu(clock) => Some(clock.now_ns()),
            TimerClock::Time(_) => None,
        };
        let state = self.state.lock();
        let now_ns = used_ns.unwrap_or_else(|| state.base.now_ns());
        (state, now_ns)
    }

    /// Waits for the next expiry, if that is awaited.
    fn go_on(&self, state: &mut State) {
        match (state.timer.awaited_ns(), &self.clock) {
            (Some(ns), TimerClock::Time(_)) => state.alarm.set(&self.me, state.base, ns),
            (Some(_), TimerClock::Cpu(_)) => {
                let watcher: Weak<Self> = self.me.clone();
                state.watching.get_or_insert_with(|| cpu_clock::watch(watcher));
            }
            (None, _) => {
                state.alarm.cancel();
                state.watching = None;
            }
        }
    }

    fn set(&self, start: Option<Start>, interval_ns: u64) -> Setting {
        let base = match (&self.clock, start) {
            (TimerClock::Time(clock), Some(Start::At(_))) => *clock,
            _ => Timebase::Monotonic,
        };
        let following = (base == Timebase::Realtime).then(|| alarm::follow(self.me.clone()));
        let (mut state, now_ns) = self.lock();
        let old = state.timer.setting(now_ns);
        state.base = base;
        let now_ns = match self.clock {
            TimerClock::Time(_) => base.now_ns(),
            TimerClock::Cpu(_) => now_ns,
        };
        state.timer.set(start, interval_ns, now_ns);
        self.go_on(&mut state);
        let unfollowed = core::mem::replace(&mut state.following, following);
        drop(state);
        drop(unfollowed);
        old
    }

    fn setting(&self) -> Setting {
        let (state, now_ns) = self.lock();
        state.timer.setting(now_ns)
    }

    /// The awaited time may have come: sends the signal if it has.
    fn on_time(&self, mut state: SpinGuard<'_, State>, now_ns: u64) {
        match state.timer.expire(now_ns) {
            Expiry::NotYet => self.go_on(&mut state),
            Expiry::Merged => {}
            Expiry::Send => {
                drop(state);
                self.send();
            }
        }
    }

    fn send(&self) {
        let Some((signal, receiver)) = &self.event.signal else { return };
        let value = self.event.value.unwrap_or(u64::from(self.id.unsigned_abs()));
        let details = Details::Timer { id: self.id, overruns: 0, value };
        let info = SignalInfo { signal: *signal, error: 0, code: abi::SI_TIMER, details };
        let Some(process) = self.process.upgrade() else { return };
        let fate = match receiver {
            Receiver::Process => post_telling(&process, To::Process, info),
            Receiver::Thread(task) => match task.upgrade() {
                Some(task) => post_telling(&process, To::Thread(&task), info),
                // Its thread has ended, and the timer with it.
                None => return,
            },
        };
        if !matches!(fate, Ok(Fate::Pending)) {
            let (mut state, now_ns) = self.lock();
            state.timer.on_ignored(now_ns);
            self.go_on(&mut state);
        }
    }

    /// Its signal was taken: how many overruns that tells of.
    fn on_taken(&self) -> i32 {
        let (mut state, now_ns) = self.lock();
        let overruns = state.timer.on_taken(now_ns);
        self.go_on(&mut state);
        overruns
    }

    fn stop(&self) {
        let mut state = self.state.lock();
        state.alarm.cancel();
        let unneeded = (state.following.take(), state.watching.take());
        drop(state);
        drop(unneeded);
    }
}

impl Owner for OwnedTimer {
    fn on_alarm(self: Arc<Self>, setting: u64) {
        let (mut state, now_ns) = self.lock();
        if state.alarm.goes_off(setting) {
            self.on_time(state, now_ns);
        }
    }
}

impl Watcher for OwnedTimer {
    fn on_tick(self: Arc<Self>) {
        let (state, now_ns) = self.lock();
        if state.timer.awaited_ns().is_some_and(|ns| ns <= now_ns) {
            self.on_time(state, now_ns);
        }
    }
}

impl Follower for OwnedTimer {
    fn on_clock_set(self: Arc<Self>) {
        let (state, now_ns) = self.lock();
        if state.alarm.is_set() {
            self.on_time(state, now_ns);
        }
    }
}

/// A timer of the current process. EINVAL.
fn find(id: i32) -> Result<Arc<OwnedTimer>> {
    current().process().timers.lock().table.get(&id).cloned().ok_or(Errno::EINVAL)
}

/// timer_create(2): its number. EAGAIN: the process has as many as RLIMIT_SIGPENDING lets it.
pub fn timer_create(clock: TimerClock, event: Event) -> Result<i32> {
    let thread = current();
    let process = thread.process();
    let limit = process.limit(Resource::SIGPENDING).soft;
    let notice = if event.signal.is_some() { Notice::Signal } else { Notice::None };
    let mut timers = process.timers.lock();
    if timers.table.len() as u64 >= limit {
        return Err(Errno::EAGAIN);
    }
    let id = timers.free_id();
    let timer = Arc::new_cyclic(|me| OwnedTimer {
        me: Weak::clone(me),
        process: Arc::downgrade(process),
        id,
        clock,
        event,
        state: SpinLock::new(
            rank::OBJECT,
            State {
                timer: PosixTimer::new(notice),
                base: Timebase::Monotonic,
                alarm: Alarm::new(),
                following: None,
                watching: None,
            },
        ),
    });
    timers.table.insert(id, timer);
    Ok(id)
}

/// timer_settime(2): what it was set to. `start` is `None` for a timer that is to stop. EINVAL.
pub fn timer_settime(id: i32, start: Option<Start>, interval_ns: u64) -> Result<Setting> {
    Ok(find(id)?.set(start, interval_ns))
}

/// timer_gettime(2). EINVAL.
pub fn timer_gettime(id: i32) -> Result<Setting> {
    Ok(find(id)?.setting())
}

/// timer_getoverrun(2). EINVAL.
pub fn timer_getoverrun(id: i32) -> Result<i32> {
    Ok(find(id)?.state.lock().timer.overruns())
}

/// timer_delete(2): a signal that is pending stays so, as on Linux before 6.13. EINVAL.
pub fn timer_delete(id: i32) -> Result<()> {
    let timer = current().process().timers.lock().table.remove(&id).ok_or(Errno::EINVAL)?;
    timer.stop();
    Ok(())
}

/// The current thread took the signal of its process's timer `id`, if that still exists: the overruns that it tells of.
pub(super) fn on_signal_taken(id: i32) -> i32 {
    find(id).map_or(0, |timer| timer.on_taken())
}

/// Deletes all timers of `process`, which executes a program or has ended. The numbers go on.
pub(in crate::process) fn delete_all(process: &Process) {
    let table = core::mem::take(&mut process.timers.lock().table);
    table.values().for_each(|timer| timer.stop());
}
