//! Scheduling: tasks, run queues of each CPU, switching, sleeping until woken or until a time.
//!
//! | file | owns | locks |
//! |---|---|---|
//! | `task` | what a task is to the scheduler | – |
//! | `run_queue` | who runs next on a CPU, where a woken task goes | RUN_QUEUE |
//! | `switch` | changing stacks and what follows a switch; the only unsafe code here | RUN_QUEUE |
//! | `timer` | deadlines of each CPU | TIMERS |
//! | `cpu_clock` | who watches CPU time; the tick for them | CPU_WATCHERS |
//! | `audience` | lists of those who are to be told of something | its maker's |
//! | `alarm` | who follows the real-time clock; timers on clocks that may be set | CLOCK_FOLLOWERS |
//! | `fp` | whose FP/SIMD registers a CPU holds | – |
//!
//! The kernel is not preempted: a task leaves its CPU in [`park`], [`yield_now`], [`exit`] and on
//! the way back to user mode. Knows nothing of files or signals; a task carries its
//! [`Thread`](crate::process::Thread) for those who do. `docs/scheduling.md` explains the policy.

pub mod alarm;
pub mod audience;
pub mod cpu_clock;
pub mod fp;
pub mod run_queue;
pub mod switch;
pub mod task;
pub mod timer;

use crate::arch::{cpu, trace_point};
use crate::sync::per_cpu::assert_no_spin_lock;
use core::sync::atomic::{Ordering, fence};
use postern_sync::{HeldLocks, Notify};
use switch::{Leaving, switch_away};

pub use switch::{count as switch_count, current, current_handle, start, tid_at};
pub use task::{Activity, Task, TaskHandle, Work};

/// Sleeps until [`unpark`]; a wake-up that came before is consumed at once. Also returns when
/// `deadline_ns` has passed, and may return for no reason: callers check what they wait for, and
/// whether a signal wants them.
pub fn park(deadline_ns: Option<u64>) {
    park_as(Activity::Sleeping, deadline_ns);
}

/// The same for a sleep that no signal ends; reports show it as such.
pub fn park_uninterruptibly(deadline_ns: Option<u64>) {
    park_as(Activity::Waiting, deadline_ns);
}

fn park_as(activity: Activity, deadline_ns: Option<u64>) {
    assert_no_spin_lock("sleeping");
    let task = current();
    let timer = deadline_ns.map(|deadline| timer::wake_at(deadline, current_handle()));
    if task.park_state().begin_park() {
        trace_point::sleep();
        task.set_activity(activity);
        switch_away(Leaving::Parking);
        task.set_activity(Activity::Running);
    }
    if let Some(timer) = timer {
        timer.cancel();
    }
}

/// The number of the thread that runs here; 0: none, but the kernel's own.
pub fn current_tid() -> u32 {
    let tid = |task: switch::Current| task.thread_if_any().map(|thread| thread.tid());
    switch::current_if_any().and_then(tid).unwrap_or(0)
}

/// Ends the current or next [`park`] of `task`.
pub fn unpark(task: TaskHandle) {
    trace_point::wake(task.word());
    if switch::task_of(&task).park_state().notify() == Notify::MustEnqueue {
        run_queue::enqueue_woken(switch::reclaim(task));
    }
}

/// Lets others run that are ready; the caller stays ready.
pub fn yield_now() {
    assert_no_spin_lock("yielding");
    switch_away(Leaving::Yielding);
}

/// Ends the current task. Its memory goes when the CPU has left its stack and the last handle is dropped.
pub fn exit() -> ! {
    assert_no_spin_lock("exiting");
    fp::forget(&current());
    switch_away(Leaving::Exiting);
    unreachable!("an exited task ran again");
}

/// Does what an interrupt asked of the current task: give up the CPU. Called on the way to user mode.
pub fn reschedule_if_asked() {
    let task = current();
    if task.requests().bits() & Work::RESCHEDULE.bits() != 0 {
        task.requests().take_back(Work::RESCHEDULE.bits());
        run_queue::on_time_given_up();
        if run_queue::has_ready() || !run_queue::is_allowed_here(&task) {
            switch_away(Leaving::OutOfTime);
        }
    }
}

/// For long loops in the kernel, with no lock held: takes pending interrupts and gives up the CPU if asked.
pub fn preemption_point() {
    assert_no_spin_lock("a preemption point");
    cpu::interrupt_window();
    reschedule_if_asked();
}

/// Lets every CPU execute a full barrier, between two instructions of whatever program runs there, by going
/// there. Waits for the slices of those who run.
pub fn barrier_on_every_cpu() {
    // SeqCst: the barrier of this CPU, in the name of whatever program ran here before. What the caller did earlier and
    // does later is ordered by the run queues' locks, through which it travels.
    on_every_cpu(|| fence(Ordering::SeqCst));
}

/// Runs `visit` on each CPU in turn, which must not sleep, by going there: each has then been through an exception, and has left
/// all that it did in the kernel. Waits for the slices of those who run.
pub fn on_every_cpu(mut visit: impl FnMut()) {
    let task = current();
    let mut left = run_queue::online();
    while left != 0 {
        visit();
        left &= !(1 << cpu::index());
        if left != 0 {
            task.visit(left);
            reschedule_if_asked();
        }
    }
    task.end_visit();
}

/// The sleeping locks that the current task holds, for the order check of debug builds.
pub fn with_held_mutexes(f: impl FnOnce(&mut HeldLocks)) {
    switch::with_held_mutexes(f);
}

/// The idle loop of a CPU: what its first task becomes.
pub fn idle() -> ! {
    loop {
        run_queue::begin_idle();
        if run_queue::has_ready() || run_queue::steal() {
            run_queue::end_idle();
            switch_away(Leaving::Idling);
        } else {
            cpu::wait_for_interrupt();
            run_queue::end_idle();
        }
    }
}
