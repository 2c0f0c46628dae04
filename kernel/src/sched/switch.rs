//! Changing from one task's stack to another's, and the parts of a task that only the CPU running
//! it touches. Interrupts are masked throughout.
//!
//! The rule that makes it safe: a task's context is saved before anybody else may run it. So a task
//! that leaves is put on a queue (or declared parked, or freed) by the *next* task on the CPU, in
//! [`finish_switch`], once its stack is no longer in use.

use super::task::{Task, TaskHandle};
use super::{fp, run_queue};
use crate::arch::context::{self, FpState};
use crate::arch::cpu::{self, MAX_CPUS};
use crate::arch::exception::{self, TrapFrame};
use crate::arch::trace_point;
use crate::mm::address_space::{self, AddressSpace};
use crate::mm::kernel_space::KernelStack;
use crate::sync::PerCpu;
use alloc::sync::Arc;
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use postern_sync::{HeldLocks, SwitchOut};

/// What only the CPU that runs a task (or is switching to or from it) touches.
pub struct Private(UnsafeCell<State>);

struct State {
    stack_pointer: usize,
    /// How it leaves, for whoever comes after it.
    leaving: Leaving,
    user_thread_pointer: usize,
    fp: FpState,
    held_mutexes: HeldLocks,
}

// SAFETY: the scheduler lets one CPU at a time run a task, and hands it over through a lock
// (RUN_QUEUE) or the park token's release/acquire pair.
unsafe impl Sync for Private {}

impl Private {
    /// The private part of a task that begins with `entry(argument)` on `stack`.
    pub fn new(stack: &KernelStack, entry: extern "C" fn(usize) -> !, argument: usize) -> Self {
        // SAFETY: the stack is new: mapped and unused.
        let stack_pointer = unsafe { context::prepare_stack(stack.top(), entry, argument) };
        Self(UnsafeCell::new(State {
            stack_pointer,
            leaving: Leaving::Parking,
            user_thread_pointer: 0,
            fp: FpState::new(),
            held_mutexes: HeldLocks::new(),
        }))
    }

    /// The private part of a task that begins in user mode with the state in `frame`.
    pub fn new_user(stack: &KernelStack, frame: &TrapFrame, thread_pointer: usize, fp: &FpState) -> Self {
        // The frame lies where the vectors will put every later one: at the top of the stack.
        let address = stack.top() - size_of::<TrapFrame>();
        // SAFETY: the top of a new stack: mapped, aligned and unused.
        unsafe { core::ptr::with_exposed_provenance_mut::<TrapFrame>(address).write(*frame) };
        // SAFETY: what is below the frame is unused.
        let stack_pointer = unsafe { context::prepare_stack(address, user_task_entry, address) };
        Self(UnsafeCell::new(State {
            stack_pointer,
            leaving: Leaving::Parking,
            user_thread_pointer: thread_pointer,
            fp: fp.clone(),
            held_mutexes: HeldLocks::new(),
        }))
    }

    /// The saved FP registers. Only for the current task, or one that has not started.
    pub fn with_fp<R>(&self, f: impl FnOnce(&mut FpState) -> R) -> R {
        // SAFETY: the caller runs on the only CPU that may touch this; `f` does not re-enter.
        f(unsafe { &mut (*self.0.get()).fp })
    }
}

// SAFETY: a handle gives access to a task's shared part only, which is Sync.
unsafe impl Send for TaskHandle {}
// SAFETY: as above.
unsafe impl Sync for TaskHandle {}

/// The first thing a user task does in its own context.
extern "C" fn user_task_entry(frame: usize) -> ! {
    let frame = core::ptr::with_exposed_provenance_mut::<TrapFrame>(frame);
    // SAFETY: written by `new_user` at the very top of this stack; nobody else uses it, and this function's
    // frame is not needed again.
    unsafe { exception::first_return_to_user(frame) }
}

/// How the current task leaves its CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// It sleeps.
    Parking,
    /// It stays ready.
    Yielding,
    /// It stays ready, but its slice is over.
    OutOfTime,
    /// It is the idle task.
    Idling,
    /// It is finished.
    Exiting,
}

/// A task, wherever it is known by its address.
struct Known(NonNull<Task>);

// SAFETY: tasks may be referred to by any CPU.
unsafe impl Send for Known {}

/// Each CPU's idle task.
static IDLE: PerCpu<Option<Known>> = PerCpu::new([const { None }; MAX_CPUS]);

/// How often each CPU has gone from one task to another. Written by that CPU alone: Relaxed.
static SWITCHES: PerCpu<AtomicU64> = PerCpu::new([const { AtomicU64::new(0) }; MAX_CPUS]);

/// How often CPUs have gone from one task to another.
pub fn count() -> u64 {
    let mut sum = 0;
    SWITCHES.for_each(|_, switches| sum += switches.load(Ordering::Relaxed));
    sum
}

/// The current task, for as long as it is: not to be sent elsewhere.
pub struct Current {
    task: NonNull<Task>,
    not_send: PhantomData<*const ()>,
}

impl Current {
    /// Runs `f` with its address space, if it has one. `f` does not exchange it.
    #[inline(always)]
    pub fn with_address_space<R>(&self, f: impl FnOnce(&AddressSpace) -> R) -> Option<R> {
        // SAFETY: the task has a reference to what the pointer leads to, until it exchanges both itself, on its way into
        // another program or out of this one.
        let space = unsafe { self.space_pointer.load(Ordering::Relaxed).as_ref() };
        space.map(f)
    }
}

impl Deref for Current {
    type Target = Task;

    fn deref(&self) -> &Task {
        // SAFETY: the current task is referenced by the scheduler, and cannot finish while it runs this.
        unsafe { self.task.as_ref() }
    }
}

/// The task that runs this.
#[inline]
pub fn current() -> Current {
    let pointer = cpu::current().cast::<Task>();
    debug_assert!(!pointer.is_null(), "no task yet");
    // SAFETY: set by `switch_away` and `become_idle`, before which nobody asks.
    Current { task: unsafe { NonNull::new_unchecked(pointer) }, not_send: PhantomData }
}

/// The task that runs this, unless the first one has not begun.
pub fn current_if_any() -> Option<Current> {
    NonNull::new(cpu::current().cast::<Task>()).map(|task| Current { task, not_send: PhantomData })
}

/// Its handle.
#[inline]
pub fn current_handle() -> TaskHandle {
    TaskHandle(current().task)
}

/// The thread number of the task that a word of [`TaskHandle::word`] leads to; 0: it is the kernel's own.
///
/// # Safety
/// Such a word, of a task that has not finished.
pub unsafe fn tid_at(word: u64) -> u32 {
    let task = core::ptr::with_exposed_provenance::<Task>(exception::address(word));
    // SAFETY: the caller's promise.
    let task = unsafe { &*task };
    task.thread_if_any().map_or(0, |thread| thread.tid())
}

/// A further reference to the current task.
pub fn current_arc() -> Arc<Task> {
    let pointer = current().task.as_ptr().cast_const();
    // SAFETY: the scheduler's own reference exists while the task runs.
    unsafe { Arc::increment_strong_count(pointer) };
    // SAFETY: the reference just added.
    unsafe { Arc::from_raw(pointer) }
}

/// The task of a handle.
pub(super) fn task_of(handle: &TaskHandle) -> &Task {
    // SAFETY: a handle is only kept while its task has not finished (wait queues and timers drop
    // theirs before the task goes on).
    unsafe { handle.0.as_ref() }
}

/// Takes back the scheduler's reference to a task that was parked: the caller has just made it ready.
pub(super) fn reclaim(handle: TaskHandle) -> Arc<Task> {
    // SAFETY: parking left the reference behind (`switch_away` forgets it); the park token gives it
    // to one waker.
    unsafe { Arc::from_raw(handle.0.as_ptr().cast_const()) }
}

/// Makes a new task ready for the first time.
pub fn start(task: Arc<Task>) {
    run_queue::enqueue_new(task);
}

/// Turns the boot context of this CPU into its idle task, on the task's own stack.
pub fn become_idle(idle: Arc<Task>, then: extern "C" fn(usize) -> !) -> ! {
    let top = idle.stack_top();
    adopt_idle(idle);
    // SAFETY: the idle task's stack is mapped and unused, and boot's is not needed again.
    unsafe { context::continue_on(top, then, 0) }
}

/// Makes `idle`, on whose stack this runs or will go on, the idle and current task of this CPU, for ever.
pub fn adopt_idle(idle: Arc<Task>) {
    idle.set_last_cpu(cpu::index());
    let pointer = Arc::into_raw(idle).cast_mut();
    IDLE.with(|idle| *idle = NonNull::new(pointer).map(Known));
    cpu::set_current(pointer.cast());
}

/// Gives this CPU to the next ready task, or to the idle task. Returns when the caller is switched
/// to again; at once if it only yields, nobody else is ready and it may stay here.
pub fn switch_away(how: Leaving) {
    debug_assert!(!cpu::is_in_interrupt(), "an interrupt handler may not sleep");
    let me = cpu::index();
    let previous = current().task;
    let next = match run_queue::take_next(me) {
        Some(task) => {
            // SAFETY: into_raw is never null. The reference stays with "being current".
            unsafe { NonNull::new_unchecked(Arc::into_raw(task).cast_mut()) }
        }
        None if how == Leaving::Idling => return,
        None if matches!(how, Leaving::Yielding | Leaving::OutOfTime) && run_queue::is_allowed_here(&current()) => {
            return;
        }
        None => IDLE.with(|idle| idle.as_ref().map_or(previous, |idle| idle.0)),
    };
    debug_assert_ne!(previous, next, "a running task was on a run queue");
    // SAFETY: `previous` is current: its reference stays until finish_switch.
    let from = unsafe { previous.as_ref() };
    // SAFETY: `next` was handed to this CPU by the run queue, with a reference.
    let to = unsafe { next.as_ref() };
    // Before the address space is activated, whose fence this needs (`Requests`).
    to.set_last_cpu(me);
    exchange_user_state(from, to, me);
    account(from, to, me);
    trace_point::switch(TaskHandle(next).word());
    cpu::set_current(next.as_ptr().cast());
    let private = from.private.0.get();
    // SAFETY: this CPU owns `from`'s private part until finish_switch.
    unsafe { (*private).leaving = how };
    // SAFETY: as above.
    let save = unsafe { &raw mut (*private).stack_pointer };
    // SAFETY: this CPU owns `to`'s private part since the run queue gave it the task.
    let stack_pointer = unsafe { (*to.private.0.get()).stack_pointer };
    // SAFETY: `to` is not running anywhere, and its stack pointer was saved when it left.
    let leaver = unsafe { context::switch(save, stack_pointer, previous.as_ptr().cast()) };
    finish_switch(leaver);
}

/// The registers of CPU `me`, the executing one, that belong to a program and that the trap frame does not hold.
#[inline(always)]
fn exchange_user_state(from: &Task, to: &Task, me: usize) {
    if from.user_half {
        // SAFETY: this CPU owns the private part of its current task.
        unsafe { (*from.private.0.get()).user_thread_pointer = cpu::user_thread_pointer() };
        fp::on_switch_out(from, me);
    }
    if to.user_half {
        // SAFETY: as above, for the task about to run here.
        cpu::set_user_thread_pointer(unsafe { (*to.private.0.get()).user_thread_pointer });
    }
    // A task without a program leaves none in TTBR0 either: its table may go away meanwhile.
    to.activate_address_space(me);
}

#[inline(always)]
fn account(from: &Task, to: &Task, me: usize) {
    let switches = SWITCHES.of(me);
    switches.store(switches.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    let now = crate::arch::timer::ticks_unordered();
    from.run_time.end(now);
    to.run_time.begin(now);
}

/// Does for the task that left what could not be done while its stack was in use.
#[inline(always)]
fn finish_switch(leaver: *mut ()) {
    trace_point::run();
    // SAFETY: what `switch_away` passed on.
    let previous = unsafe { NonNull::new_unchecked(leaver.cast::<Task>()) };
    // SAFETY: the scheduler's reference to `previous` still exists: it is dealt with below, once.
    let task = unsafe { previous.as_ref() };
    // SAFETY: nobody else runs it before it is dealt with.
    let how = unsafe { (*task.private.0.get()).leaving };
    let reclaim = || reclaim(TaskHandle(previous));
    match how {
        Leaving::Parking => {
            if task.park_state().finish_switch_out() == SwitchOut::WakeNow {
                run_queue::enqueue_woken(reclaim());
            }
        }
        Leaving::Yielding => run_queue::enqueue_yielded(reclaim()),
        Leaving::OutOfTime => run_queue::enqueue_out_of_time(reclaim()),
        Leaving::Idling => {}
        Leaving::Exiting => drop(reclaim()),
    }
}

/// The first thing a new task does (context.s).
#[unsafe(no_mangle)]
extern "C" fn task_started(leaver: *mut ()) {
    finish_switch(leaver);
}

pub(super) fn with_held_mutexes(f: impl FnOnce(&mut HeldLocks)) {
    if cpu::current().is_null() {
        return; // boot, before the first task: one CPU, nothing to wait for
    }
    let task = current();
    // SAFETY: the current task's private part is this CPU's; `f` does not re-enter.
    f(unsafe { &mut (*task.private.0.get()).held_mutexes });
}

impl Task {
    /// Puts the address space of this task, which is about to run on CPU `me`, the executing one, into TTBR0.
    #[inline(always)]
    fn activate_address_space(&self, me: usize) {
        // Relaxed: see the field.
        match NonNull::new(self.space_pointer.load(Ordering::Relaxed)) {
            // SAFETY: the task keeps its address space alive, and only the task itself replaces it.
            Some(space) => unsafe { space.as_ref() }.activate(me),
            None => address_space::leave(),
        }
    }

    /// Replaces the current task's address space and returns the old one, no longer in use on this CPU.
    pub fn change_address_space(new: Option<Arc<AddressSpace>>) -> Option<Arc<AddressSpace>> {
        let task = current();
        let old = task.replace_address_space(new);
        task.activate_address_space(cpu::index());
        old
    }
}
