//! Signals: who may send which to whom, what is pending, and what a thread does about it.
//!
//! | file | owns | locks |
//! |---|---|---|
//! | `state` | what is pending, masks, dispositions; the bit that says so | SIGNALS |
//! | `info` | what comes with a signal: `siginfo_t` | – |
//! | `send` | making signals pending and waking who must see them | PROCESS, SIGNALS |
//! | `kill` | the calls that send, and their permissions | PROCESS_TREE |
//! | `mask` | sigprocmask, sigsuspend, and masks for the time of a call | SIGNALS |
//! | `signalfd` | signals that are read | – |
//! | `taking` | taking what is pending, by whatever way | SIGNALS |
//! | `wait` | sigtimedwait | SIGNALS |
//! | `arrivals` | who waits for signals by signalfd | the queues' |
//! | `action` | sigaction | PROCESS, SIGNALS |
//! | `posix_timers` | timer_create and its kin | POSIX_TIMERS, OBJECT |
//! | `deliver` | what happens on the way to user mode; restarted calls | – |
//! | `frame` | the handler's stack frame and rt_sigreturn | – |
//! | `last_fault` | what frames tell of faults | – |
//! | `alternate_stack` | sigaltstack | SIGNALS |
//! | `stop` | job control: stopping and going on | PROCESS, SIGNALS |
//! | `timers` | setitimer | SIGNALS |
//! | `cpu_timers` | setitimer on CPU time, RLIMIT_CPU | SIGNALS |
//!
//! Lock order: PROCESS around the thread list, then the process's SIGNALS lock, then, nested, either that of one thread
//! or that of the dispositions. None is held over a user copy or a sleep. Sending works in interrupt context.
//!
//! `Work::SIGNAL` of a task is set if, and soon only if, there is something for [`deliver`] to do: the sender sets it under
//! the process's lock, and [`refresh`] clears it under the same. Specification: signal(7), POSIX.1-2024 XSH 2.4.

mod action;
mod alternate_stack;
mod arrivals;
pub mod cpu_timers;
mod deliver;
mod frame;
mod info;
mod kill;
mod last_fault;
mod mask;
pub mod posix_timers;
mod send;
mod signalfd;
mod state;
mod stop;
mod taking;
#[cfg(test)]
pub mod testing;
mod timers;
mod wait;

pub use action::sigaction;
pub use alternate_stack::{StackSettings, sigaltstack};
pub use arrivals::for_each_arrival_queue;
pub use deliver::{deliver, resume_deadline, set_resume_deadline};
pub use frame::rt_sigreturn;
pub use info::{INFO_SIZE, SignalInfo};
pub use kill::{kill, queue_to_process, queue_to_thread, tgkill, tkill};
pub use last_fault::LastFault;
pub use mask::{is_blocked_or_ignored, pending, sigprocmask, sigsuspend, with_temporary_mask};
pub use send::{
    force_fault, give_child, hang_up_group, send_child_ended, send_to_current, send_to_each, send_to_group,
    send_to_process, tell_continued,
};
pub use signalfd::SignalFd;
pub use state::{ProcessSignals, SharedActions, ThreadSignals, ask_current, masks, on_thread_exit, refresh};
pub use stop::StateChange;
pub use timers::{getitimer, setitimer};
pub use wait::sigtimedwait;
