//! Who runs next on each CPU, and on which CPU a task that became ready waits.
//!
//! Each CPU has two first-in-first-out lists: `woken` (tasks that slept) and `expired` (tasks that
//! used up their time, or yielded). Woken tasks go first, so that a task that waits for others is
//! answered soon; when a slice ends, the list that did not have the last slice goes first, so that
//! neither starves the other. A task that slept stays among the woken for `CREDIT` slices, of which it
//! gives half to a child: what a shell starts need not wait behind thousands that compute, and what a
//! fork bomb starts, which never slept, does. A slice belongs to the CPU, not to a task: tasks that wake each other
//! and sleep share it, and no timer is touched while they do.
//!
//! A task that is woken where it will run, while nobody waits there, is *handed* the CPU: it goes next, and no list
//! and no lock is touched. Whoever is woken after it goes to the list, so the order is that of the wake-ups. A task that
//! yields while nobody else waits is kept in the same place, and goes to its list as soon as somebody does.
//!
//! Lock: RUN_QUEUE, one a CPU. Called with interrupts masked, also from interrupt handlers.

use super::switch::current;
use super::task::{Task, TaskLink, Work};
use super::timer;
use crate::arch::cpu::{self, MAX_CPUS};
use crate::arch::gic;
use crate::sync::{SpinLock, rank};
use alloc::sync::Arc;
use core::cmp::Reverse;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use intrusive_collections::LinkedList;
use postern_core::run_queue::slice_ns;
use postern_sync::{HandOff, IdleCpus, ReadyCount};

/// How long a task that has woken waits for one that has had a slice already, or for an idle CPU to take it.
const SHORT_SLICE_NS: u64 = 1_000_000;

/// Slices that a task which has slept, and those that it makes, may use together before they count as computing.
/// All but the first are short.
const CREDIT: u16 = 500;
/// No child gets less than this, but nothing: else a bomb's credit would soon be in the hands of hundreds.
const LEAST_CREDIT: u16 = 16;

struct RunQueue {
    woken: LinkedList<TaskLink>,
    expired: LinkedList<TaskLink>,
    /// The list that goes first at the next choice.
    expired_first: bool,
}

/// What there is for each CPU, on cache lines of its own.
#[repr(align(128))]
struct Slot {
    /// Goes before both lists, which were empty when it came.
    next: HandOff<Task>,
    /// On which CPUs that one may run; a guess elsewhere, for it may be that of the one before. Relaxed.
    next_affinity: AtomicU64,
    // These three concern the CPU itself alone: Relaxed.
    /// That one yielded, and does not go before the lists if somebody has come there since.
    next_yielded: AtomicBool,
    /// When the current slice ends; 0 while nobody else is ready.
    slice_end_ns: AtomicU64,
    /// The slice's owner came from the `expired` list.
    running_expired: AtomicBool,
    queue: SpinLock<RunQueue>,
    /// Tasks in both lists, readable without the lock.
    listed: ReadyCount,
}

impl Slot {
    /// Tasks that are ready, beside the one that runs.
    fn ready(&self) -> usize {
        self.listed.get() + usize::from(!self.next.is_empty())
    }

    /// The list to which whoever goes next would belong.
    fn next_list(&self) -> List {
        if self.next_yielded.load(Ordering::Relaxed) { List::Expired } else { List::Woken }
    }

    /// Starts the slice clock, since somebody waits, if it does not run yet. For the executing CPU, whose task is `running`.
    ///
    /// An idle task needs no slice: whoever it switches to gets one in [`take_next`].
    #[inline(always)]
    fn begin_slice(&self, running: &Task) {
        if self.slice_end_ns.load(Ordering::Relaxed) == 0 && running.user_half {
            start_slice(self, running);
        }
    }

    /// Puts a task that was to go next at the head of its list: it came before all that are there.
    #[cold]
    fn list_first(&self, task: Arc<Task>, list: List) {
        let mut queue = self.queue.lock();
        match list {
            List::Woken => queue.woken.push_front(task),
            List::Expired => queue.expired.push_front(task),
        }
        self.listed.add_one();
    }
}

static QUEUES: [Slot; MAX_CPUS] = [const {
    Slot {
        next: HandOff::new(),
        next_affinity: AtomicU64::new(0),
        next_yielded: AtomicBool::new(false),
        slice_end_ns: AtomicU64::new(0),
        running_expired: AtomicBool::new(false),
        queue: SpinLock::new(
            rank::RUN_QUEUE,
            RunQueue {
                woken: LinkedList::new(TaskLink::NEW),
                expired: LinkedList::new(TaskLink::NEW),
                expired_first: false,
            },
        ),
        listed: ReadyCount::new(),
    }
}; MAX_CPUS];

/// CPUs that run the kernel, a bit each.
static ONLINE: AtomicU64 = AtomicU64::new(0);
/// CPUs that wait for work.
static IDLE: IdleCpus = IdleCpus::new();
/// Whether woken tasks are handed the CPU. Relaxed: a value that stands for itself.
static HANDS_OFF: AtomicBool = AtomicBool::new(true);

/// This CPU's.
#[inline]
fn here() -> &'static Slot {
    &QUEUES[cpu::index()]
}

/// Announces this CPU.
pub fn set_online() {
    // Release: whoever sends this CPU an interrupt finds it ready for that. (Readers only choose by the bit: Relaxed.)
    ONLINE.fetch_or(1 << cpu::index(), Ordering::Release);
}

/// CPUs that run the kernel, a bit each.
pub fn online() -> u64 {
    ONLINE.load(Ordering::Relaxed)
}

/// Tasks ready on this CPU beside the current one.
pub fn has_ready() -> bool {
    here().ready() != 0
}

/// Whether `task` may run on this CPU.
pub(super) fn is_allowed_here(task: &Task) -> bool {
    task.affinity() & 1 << cpu::index() != 0
}

/// Tasks ready on all CPUs, the running ones not counted.
pub fn ready_count() -> usize {
    QUEUES.iter().map(Slot::ready).sum()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    Woken,
    Expired,
}

fn push(index: usize, task: Arc<Task>, list: List) {
    let slot = &QUEUES[index];
    let mut queue = slot.queue.lock();
    match list {
        List::Woken => queue.woken.push_back(task),
        List::Expired => queue.expired.push_back(task),
    }
    slot.listed.add_one();
}

/// Takes the next task that CPU `me`, the executing one, may run. Tasks that may not run here any more are passed on.
#[inline]
pub fn take_next(me: usize) -> Option<Arc<Task>> {
    let slot = &QUEUES[me];
    if let Some(task) = slot.next.take() {
        let (list, others) = (slot.next_list(), slot.listed.get() != 0);
        if others && list == List::Expired {
            slot.list_first(task, list);
        } else if task.affinity() & 1 << me != 0 {
            return Some(begin(slot, task, list, others));
        } else {
            send_away(task, list);
        }
    }
    // Who is being queued by another CPU just now, and not counted yet, is followed by an interrupt.
    if slot.listed.get() == 0 { None } else { take_listed(me) }
}

#[inline(never)]
fn take_listed(me: usize) -> Option<Arc<Task>> {
    let slot = &QUEUES[me];
    loop {
        let (task, list, others) = take_from(slot)?;
        if task.affinity() & 1 << me != 0 {
            return Some(begin(slot, task, list, others));
        }
        send_away(task, list);
    }
}

/// Passes on a task of this CPU that may not run here any more.
#[cold]
fn send_away(task: Arc<Task>, list: List) {
    enqueue_on(choose_cpu(&task, cpu::index()), task, list);
}

/// `task` goes next on the CPU of `slot`, the executing one, from `list`; `others` wait.
#[inline(always)]
fn begin(slot: &Slot, task: Arc<Task>, list: List, others: bool) -> Arc<Task> {
    slot.running_expired.store(list == List::Expired, Ordering::Relaxed);
    if others {
        slot.begin_slice(&task);
    }
    task
}

/// The next task of a CPU, its list, and whether others are left.
fn take_from(slot: &Slot) -> Option<(Arc<Task>, List, bool)> {
    let mut queue = slot.queue.lock();
    let order = if core::mem::replace(&mut queue.expired_first, false) {
        [List::Expired, List::Woken]
    } else {
        [List::Woken, List::Expired]
    };
    for list in order {
        let taken = match list {
            List::Woken => queue.woken.pop_front(),
            List::Expired => queue.expired.pop_front(),
        };
        if let Some(task) = taken {
            let left = slot.listed.take_one();
            return Some((task, list, left != 0));
        }
    }
    None
}

/// Queues a task that was parked.
pub(super) fn enqueue_woken(task: Arc<Task>) {
    task.set_credit(CREDIT);
    let me = cpu::index();
    let target = choose_cpu(&task, me);
    let kept = if target == me { hand_off(task, List::Woken, me) } else { Err(task) };
    if let Err(task) = kept {
        enqueue_on(target, task, List::Woken);
    }
}

/// Lets `task`, which belongs to `list`, be the next on CPU `me`, the executing one, if nobody waits.
#[inline(always)]
fn hand_off(task: Arc<Task>, list: List, me: usize) -> Result<(), Arc<Task>> {
    let slot = &QUEUES[me];
    if slot.listed.get() != 0 || !HANDS_OFF.load(Ordering::Relaxed) {
        return Err(task);
    }
    slot.next_affinity.store(task.affinity(), Ordering::Relaxed);
    slot.next.put(task)?;
    slot.next_yielded.store(list == List::Expired, Ordering::Relaxed);
    slot.begin_slice(&current());
    Ok(())
}

/// Whether a woken task goes next on its CPU without the detour through a list, if it can.
pub fn hands_off() -> bool {
    HANDS_OFF.load(Ordering::Relaxed)
}

/// Sets that.
pub fn set_hands_off(on: bool) {
    HANDS_OFF.store(on, Ordering::Relaxed);
}

/// Queues a task that gave up this CPU while ready: behind all that wait.
pub(super) fn enqueue_yielded(task: Arc<Task>) {
    let me = cpu::index();
    let kept = if task.affinity() & 1 << me != 0 { hand_off(task, List::Expired, me) } else { Err(task) };
    if let Err(task) = kept {
        enqueue_ready(task, List::Expired);
    }
}

/// Queues a task whose slice is over.
pub(super) fn enqueue_out_of_time(task: Arc<Task>) {
    let list = if task.spend_credit() { List::Woken } else { List::Expired };
    enqueue_ready(task, list);
}

fn enqueue_ready(task: Arc<Task>, list: List) {
    let me = cpu::index();
    let target = if task.affinity() & 1 << me != 0 { me } else { choose_cpu(&task, me) };
    enqueue_on(target, task, list);
}

/// Queues a new task, on an idle CPU if there is one.
pub(super) fn enqueue_new(task: Arc<Task>) {
    let me = cpu::index();
    task.set_last_cpu(least_loaded(task.affinity() & online()).unwrap_or(me));
    let list = if current().share_credit(&task, LEAST_CREDIT) { List::Woken } else { List::Expired };
    enqueue_on(task.last_cpu(), task, list);
}

fn enqueue_on(target: usize, task: Arc<Task>, list: List) {
    if target == cpu::index() {
        push(target, task, list);
        // The current task goes on, for at most its slice: not to the first wake-up, or a sender and its
        // receiver would take turns at every message. An idle CPU is told when the slice ends.
        here().begin_slice(&current());
    } else {
        let allowed = task.affinity();
        push(target, task, list);
        let idle = IDLE.after_queueing();
        // A busy CPU is told too: it must start a slice.
        gic::send_reschedule(target);
        // Whoever has gone idle since the CPU was chosen takes the task from that one.
        if idle & 1 << target == 0
            && let Some(helper) = first_of(idle & allowed)
        {
            gic::send_reschedule(helper);
        }
    }
}

/// The CPU on which a task should wait that is woken on CPU `me`: where it ran last, unless that one is busy with
/// something unrelated and another is idle.
#[inline(always)]
fn choose_cpu(task: &Task, me: usize) -> usize {
    // On the waker's own CPU it waits: wakers usually sleep next, and then it runs without a
    // journey. If not, it is looked after when the slice ends.
    if task.last_cpu() == me && task.affinity() & 1 << me != 0 { me } else { choose_other_cpu(task, me) }
}

fn choose_other_cpu(task: &Task, me: usize) -> usize {
    let last = task.last_cpu();
    let allowed = task.affinity() & online();
    if allowed & 1 << last != 0 {
        if IDLE.guess() & 1 << last != 0 {
            return last;
        }
        return first_of(IDLE.guess() & allowed).unwrap_or(last);
    }
    first_of(IDLE.guess() & allowed).or_else(|| first_of(allowed)).unwrap_or(me)
}

fn least_loaded(allowed: u64) -> Option<usize> {
    let idle = IDLE.guess();
    let load = |index: usize| {
        let running = usize::from(idle & 1 << index == 0);
        QUEUES[index].ready() + running
    };
    let me = cpu::index();
    // This CPU on a tie: what the new task needs is in its cache.
    (0..MAX_CPUS).filter(|index| allowed & 1 << index != 0).min_by_key(|index| (load(*index), *index != me))
}

fn first_of(mask: u64) -> Option<usize> {
    (mask != 0).then(|| mask.trailing_zeros() as usize)
}

/// Starts the slice clock of the executing CPU, whose task is `running`.
#[inline(never)]
fn start_slice(slot: &Slot, running: &Task) {
    let has_run = slot.running_expired.load(Ordering::Relaxed) || running.credit() < CREDIT;
    let short = has_run || IDLE.guess() != 0;
    let slice = if short { SHORT_SLICE_NS } else { slice_ns(running.nice()) };
    let end = crate::arch::timer::now_ns() + slice;
    slot.slice_end_ns.store(end, Ordering::Relaxed);
    timer::on_slice_changed();
}

/// When this CPU's slice ends, if somebody waits for it.
pub(super) fn slice_end_ns() -> Option<u64> {
    let end = here().slice_end_ns.load(Ordering::Relaxed);
    (end != 0).then_some(end)
}

/// The slice is over (timer interrupt): give waiting tasks their turn, or an idle CPU the chance to take them.
pub(super) fn on_slice_end() {
    let slot = here();
    slot.slice_end_ns.store(0, Ordering::Relaxed);
    if slot.ready() == 0 {
        return;
    }
    // What waits here was left to this moment (`enqueue_on`).
    let idle = IDLE.after_queueing() & !(1 << cpu::index());
    if idle != 0
        && let Some(target) = first_of(idle & waiting_for(slot, idle))
    {
        gic::send_reschedule(target);
    }
    current().requests().ask_here(Work::RESCHEDULE.bits());
}

/// Where a task that waits in `slot` may run, if that is on one of `cpus`.
fn waiting_for(slot: &Slot, cpus: u64) -> u64 {
    let queue = slot.queue.lock();
    let listed = queue.woken.iter().chain(queue.expired.iter()).map(Task::affinity);
    let next = (!slot.next.is_empty()).then(|| slot.next_affinity.load(Ordering::Relaxed));
    next.into_iter().chain(listed).find(|affinity| affinity & cpus != 0).unwrap_or(0)
}

/// The current task gives up the CPU because its time is over.
pub(super) fn on_time_given_up() {
    let slot = here();
    if let Some(task) = slot.next.take() {
        slot.list_first(task, slot.next_list());
    }
    slot.queue.lock().expired_first = !slot.running_expired.load(Ordering::Relaxed);
}

/// Another CPU sent a task or asked to look at the current one's work (interprocessor interrupt).
pub fn on_reschedule_request() {
    if has_ready() {
        here().begin_slice(&current());
    }
}

/// This CPU is about to wait for work: it has to look for some after this.
pub(super) fn begin_idle() {
    IDLE.begin(cpu::index());
}

/// This CPU has work, or looks for it.
pub(super) fn end_idle() {
    IDLE.end(cpu::index());
}

/// Takes one waiting task that may run here, from the CPU with the most to do that has one. True if there is one now.
pub(super) fn steal() -> bool {
    let me = cpu::index();
    let mut victims: [usize; MAX_CPUS] = core::array::from_fn(|index| index);
    victims.sort_unstable_by_key(|index| Reverse(QUEUES[*index].ready()));
    let stolen = victims.into_iter().filter(|index| *index != me).find_map(|index| steal_from(&QUEUES[index], me));
    let Some(task) = stolen else { return false };
    push(me, task, List::Woken);
    true
}

fn steal_from(slot: &Slot, me: usize) -> Option<Arc<Task>> {
    if slot.ready() == 0 {
        return None;
    }
    let task = steal_listed(slot, me).or_else(|| steal_next(slot, me))?;
    if task.affinity() & 1 << me != 0 {
        return Some(task);
    }
    // It may not run here after all, and finds its way back.
    send_away(task, List::Woken);
    None
}

/// Takes a task that may run on CPU `me` from another's lists.
fn steal_listed(slot: &Slot, me: usize) -> Option<Arc<Task>> {
    let mut queue = slot.queue.lock();
    let task = remove_first_allowed(&mut queue.expired, me).or_else(|| remove_first_allowed(&mut queue.woken, me))?;
    slot.listed.take_one();
    Some(task)
}

/// Takes the task that was to go next on another CPU, if it seems that it may run on CPU `me`.
fn steal_next(slot: &Slot, me: usize) -> Option<Arc<Task>> {
    if slot.next_affinity.load(Ordering::Relaxed) & 1 << me == 0 {
        return None;
    }
    slot.next.take()
}

fn remove_first_allowed(list: &mut LinkedList<TaskLink>, index: usize) -> Option<Arc<Task>> {
    let mut cursor = list.front_mut();
    while let Some(task) = cursor.get() {
        if task.affinity() & 1 << index != 0 {
            return cursor.remove();
        }
        cursor.move_next();
    }
    None
}
