//! What a task is to the scheduler. Owns no policy; fields that only the CPU running the task
//! touches are in `switch::Private`.

use super::switch::Private;
use crate::arch::context::FpState;
use crate::arch::cpu::{self, MAX_CPUS};
use crate::arch::exception::TrapFrame;
use crate::arch::gic;
use crate::arch::mmu::PAGE_SIZE;
use crate::arch::timer;
use crate::mm::AddressSpace;
use crate::mm::kernel_space::KernelStack;
use crate::mm::layout::STACK_SIZE;
use crate::process::Thread;
use crate::sync::{SpinLock, rank};
use alloc::sync::Arc;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicU8, AtomicU16, AtomicU64, Ordering};
use intrusive_collections::{LinkedListAtomicLink, intrusive_adapter};
use postern_core::errno::Result;
use postern_sync::{ParkState, Requests, RunTime};

bitflags::bitflags! {
    /// What a task must look at before it returns to user mode.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Work: u32 {
        /// Its time is up, or someone more urgent is ready.
        const RESCHEDULE = 1 << 0;
        /// A signal may be deliverable, or the task is being killed.
        const SIGNAL = 1 << 1;
    }
}

/// A thread of control with a kernel stack. The scheduler owns one reference from [`super::start`] to exit.
pub struct Task {
    pub(super) link: LinkedListAtomicLink,
    pub(super) private: Private,
    park_state: ParkState,
    requests: Requests,
    assigned: SpinLock<Assigned>,
    // Relaxed, these four: values that stand for themselves. A new affinity is followed by a request, which carries it.
    activity: AtomicU8,
    /// What the scheduler goes by.
    affinity: AtomicU64,
    nice: AtomicI32,
    pub(super) run_time: RunTime,
    credit: AtomicU16,
    pub(super) user_half: bool,
    address_space: SpinLock<Option<Arc<AddressSpace>>>,
    /// The same, for the switch: null if there is none. Relaxed: the task itself changes it, and who switches to the task has
    /// what it did.
    pub(super) space_pointer: AtomicPtr<AddressSpace>,
    thread: Option<Thread>,
    // Last: unmapped after everything else has been dropped.
    stack: KernelStack,
}

/// Where a task may run by its own choice, which is not where it runs while it visits CPUs on the kernel's business.
struct Assigned {
    cpus: u64,
    is_visiting: bool,
}

intrusive_adapter!(pub(super) TaskLink = Arc<Task>: Task { link => LinkedListAtomicLink });

/// A pointer to a task that has not finished: what wait queues and timers hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskHandle(pub(super) NonNull<Task>);

impl TaskHandle {
    /// As trace points pass it on: `sched::tid_at` understands it.
    #[inline(always)]
    pub(super) fn word(self) -> u64 {
        self.0.as_ptr().expose_provenance() as u64
    }
}

/// What a task does, as `/proc` reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Activity {
    /// It runs or is ready to.
    Running = 0,
    /// It sleeps until an event or a signal.
    Sleeping = 1,
    /// It sleeps until an event; signals wait.
    Waiting = 2,
}

/// All CPUs.
pub const EVERY_CPU: u64 = (1 << MAX_CPUS) - 1;

fn pointer_of(space: Option<&Arc<AddressSpace>>) -> *mut AddressSpace {
    space.map_or(core::ptr::null_mut(), |space| Arc::as_ptr(space).cast_mut())
}

/// ENOMEM unless there is memory for a stack and for what surrounds a task.
fn admit() -> Result<()> {
    crate::mm::heap::admit(STACK_SIZE + 4 * PAGE_SIZE)
}

impl Task {
    /// A task that will begin with `entry(argument)`; it does not run before [`super::start`]. ENOMEM.
    pub fn new(
        thread: Option<Thread>,
        address_space: Option<Arc<AddressSpace>>,
        entry: extern "C" fn(usize) -> !,
        argument: usize,
    ) -> Result<Arc<Self>> {
        admit()?;
        let stack = KernelStack::new()?;
        let private = Private::new(&stack, entry, argument);
        Self::with(thread, address_space, stack, private)
    }

    /// A task that will begin in user mode with the state in `frame`. ENOMEM.
    pub fn new_user(
        thread: Thread,
        address_space: Arc<AddressSpace>,
        frame: &TrapFrame,
        thread_pointer: usize,
        fp: &FpState,
    ) -> Result<Arc<Self>> {
        admit()?;
        let stack = KernelStack::new()?;
        let private = Private::new_user(&stack, frame, thread_pointer, fp);
        let task = Self::with(Some(thread), Some(address_space), stack, private)?;
        if let Some(parent) = super::switch::current_if_any() {
            task.assign(parent.assigned_affinity());
            task.nice.store(parent.nice(), Ordering::Relaxed);
        }
        Ok(task)
    }

    fn with(
        thread: Option<Thread>,
        address_space: Option<Arc<AddressSpace>>,
        stack: KernelStack,
        private: Private,
    ) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            link: LinkedListAtomicLink::new(),
            private,
            park_state: ParkState::new(),
            requests: Requests::new(),
            assigned: SpinLock::new(rank::OBJECT, Assigned { cpus: EVERY_CPU, is_visiting: false }),
            activity: AtomicU8::new(Activity::Running as u8),
            affinity: AtomicU64::new(EVERY_CPU),
            nice: AtomicI32::new(0),
            run_time: RunTime::new(),
            credit: AtomicU16::new(0),
            user_half: thread.is_some(),
            space_pointer: AtomicPtr::new(pointer_of(address_space.as_ref())),
            address_space: SpinLock::new(rank::PROCESS, address_space),
            thread,
            stack,
        }))
    }

    /// The pointer that wait queues keep.
    pub fn handle(self: &Arc<Self>) -> TaskHandle {
        TaskHandle(NonNull::from(&**self))
    }

    /// The wake-up token.
    pub fn park_state(&self) -> &ParkState {
        &self.park_state
    }

    /// [`Work`] bits. To ask from elsewhere, see [`Task::ask`].
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// Sets work bits and makes the task notice soon, wherever it runs.
    pub fn ask(&self, work: Work) {
        let target = self.requests.ask(work.bits());
        if target != cpu::index() {
            gic::send_reschedule(target);
        }
    }

    /// Whether an interruptible sleep must end.
    pub fn is_interrupted(&self) -> bool {
        self.requests.contains(Work::SIGNAL.bits())
    }

    /// What it does, for reports.
    pub fn activity(&self) -> Activity {
        match self.activity.load(Ordering::Relaxed) {
            1 => Activity::Sleeping,
            2 => Activity::Waiting,
            _ => Activity::Running,
        }
    }

    pub(super) fn set_activity(&self, activity: Activity) {
        self.activity.store(activity as u8, Ordering::Relaxed);
    }

    /// The CPU it runs on, or last ran on.
    pub fn last_cpu(&self) -> usize {
        self.requests.cpu()
    }

    pub(super) fn set_last_cpu(&self, index: usize) {
        self.requests.move_to(index);
    }

    /// CPUs it may run on now, a bit each.
    pub fn affinity(&self) -> u64 {
        self.affinity.load(Ordering::Relaxed)
    }

    /// CPUs it may run on when it is not [sent](Task::visit) elsewhere.
    pub fn assigned_affinity(&self) -> u64 {
        self.assigned.lock().cpus
    }

    /// Restricts it to CPUs; takes effect when it next leaves a CPU, which is asked for at once.
    pub fn set_affinity(&self, cpus: u64) {
        self.assign(cpus);
        self.ask(Work::RESCHEDULE);
    }

    fn assign(&self, cpus: u64) {
        let mut assigned = self.assigned.lock();
        assigned.cpus = cpus;
        if !assigned.is_visiting {
            self.affinity.store(cpus, Ordering::Relaxed);
        }
    }

    /// Sends it to `cpus` for a while, whatever is assigned to it.
    pub(super) fn visit(&self, cpus: u64) {
        let mut assigned = self.assigned.lock();
        assigned.is_visiting = true;
        self.affinity.store(cpus, Ordering::Relaxed);
        drop(assigned);
        self.ask(Work::RESCHEDULE);
    }

    /// Ends that.
    pub(super) fn end_visit(&self) {
        let mut assigned = self.assigned.lock();
        assigned.is_visiting = false;
        self.affinity.store(assigned.cpus, Ordering::Relaxed);
        drop(assigned);
        self.ask(Work::RESCHEDULE);
    }

    /// -20 (most favoured) to 19.
    pub fn nice(&self) -> i32 {
        self.nice.load(Ordering::Relaxed)
    }

    /// Sets it, clamped.
    pub fn set_nice(&self, nice: i32) {
        self.nice.store(nice.clamp(-20, 19), Ordering::Relaxed);
    }

    /// It slept, and may use `slices` beside others that did before it waits behind those that compute.
    pub(super) fn set_credit(&self, slices: u16) {
        self.credit.store(slices, Ordering::Relaxed);
    }

    /// How many slices it has left.
    pub(super) fn credit(&self) -> u16 {
        self.credit.load(Ordering::Relaxed)
    }

    /// Whether it had a slice left, which it has not any more.
    pub(super) fn spend_credit(&self) -> bool {
        let left = self.credit.load(Ordering::Relaxed);
        self.credit.store(left.saturating_sub(1), Ordering::Relaxed);
        left != 0
    }

    /// Gives half of its slices to a task that it makes, if those are `least` or more. Whether they are.
    pub(super) fn share_credit(&self, child: &Self, least: u16) -> bool {
        let left = self.credit();
        let half = left / 2;
        if half < least {
            return false;
        }
        self.set_credit(left - half);
        child.set_credit(half);
        true
    }

    /// CPU time used, up to now if it runs, wherever that is. Never less than was said before.
    pub fn run_ns(&self) -> u64 {
        timer::ns_of_ticks(self.run_time.used(timer::ticks_in_order))
    }

    /// The thread of a process that this task is. Panics for a kernel task.
    pub fn thread(&self) -> &Thread {
        match &self.thread {
            Some(thread) => thread,
            None => panic!("a kernel task has no thread"),
        }
    }

    /// As [`Task::thread`], for code that kernel tasks run too.
    pub fn thread_if_any(&self) -> Option<&Thread> {
        self.thread.as_ref()
    }

    /// Its address space, if it is a program's.
    pub fn address_space(&self) -> Option<Arc<AddressSpace>> {
        self.address_space.lock().clone()
    }

    pub(super) fn replace_address_space(&self, new: Option<Arc<AddressSpace>>) -> Option<Arc<AddressSpace>> {
        self.space_pointer.store(pointer_of(new.as_ref()), Ordering::Relaxed);
        core::mem::replace(&mut *self.address_space.lock(), new)
    }

    /// Top of its kernel stack.
    pub fn stack_top(&self) -> usize {
        self.stack.top()
    }
}
