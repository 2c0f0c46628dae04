//! Signals that would end the program while it has changed something that must be put back: a module's parameter, control groups.
//! They are noted, wake the supervisor from its sleep, and take their course afterwards. Owns what happens to three signals and
//! the number of the one that came; takes no lock, never sleeps. Specification: sigaction(2).

use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

/// What a terminal or a shell ends programs with.
const SIGNALS: [libc::c_int; 3] = [libc::SIGHUP, libc::SIGINT, libc::SIGTERM];

/// The signal that came; 0 for none.
static CAME: AtomicI32 = AtomicI32::new(0);

extern "C" fn note(signal: libc::c_int) {
    // Relaxed: a number that orders nothing.
    CAME.store(signal, Ordering::Relaxed);
}

/// Whether a signal has come that waits for the end of a [`Deferral`].
pub fn is_pending() -> bool {
    CAME.load(Ordering::Relaxed) != 0
}

/// While it lives, the signals wait. One at a time; dropped, it lets the signal that came do what it would have done.
pub struct Deferral(());

impl Deferral {
    /// From now on.
    pub fn begin() -> Self {
        let handler: extern "C" fn(libc::c_int) = note;
        for signal in SIGNALS {
            // Who started the program with a signal ignored wants it so.
            if handling(signal) != libc::SIG_IGN {
                handle(signal, handler as libc::sighandler_t);
            }
        }
        Self(())
    }
}

impl Drop for Deferral {
    fn drop(&mut self) {
        obey();
        let came = CAME.swap(0, Ordering::Relaxed);
        if came != 0 {
            // SAFETY: raise takes a number.
            unsafe { libc::raise(came) };
        }
    }
}

/// The signals do what they usually do: for a worker, which has nothing to put back.
pub fn obey() {
    for signal in SIGNALS {
        if handling(signal) != libc::SIG_IGN {
            handle(signal, libc::SIG_DFL);
        }
    }
}

/// What happens to `signal` now.
fn handling(signal: libc::c_int) -> libc::sighandler_t {
    // SAFETY: all zeroes is an action.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: no new action is given, and there is room for the old one.
    unsafe { libc::sigaction(signal, ptr::null(), &raw mut action) };
    action.sa_sigaction
}

/// Has `handler` happen to `signal`. Without SA_RESTART: a sleep is to end.
fn handle(signal: libc::c_int, handler: libc::sighandler_t) {
    // SAFETY: all zeroes is an action, with no flags and an empty mask.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    // SAFETY: the action is live; its handler, if it is one, is a function that does nothing but store a number.
    unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::{Deferral, is_pending};
    use crate::system::mapping::SharedMapping;
    use crate::system::process::{Forked, alone, exit_now, fork, reap};
    use std::sync::atomic::Ordering;

    #[test]
    fn a_signal_waits_for_the_end_of_a_deferral_and_then_ends_the_process() {
        let _turn = alone();
        let seen = SharedMapping::anonymous(4096).expect("maps");
        // SAFETY: the child calls nothing that needs another thread.
        match unsafe { fork() }.expect("forks") {
            Forked::Child => {
                let deferral = Deferral::begin();
                // SAFETY: raise takes a number.
                unsafe { libc::raise(libc::SIGTERM) };
                seen.word(0).store(1 + u32::from(is_pending()), Ordering::Relaxed);
                drop(deferral);
                exit_now(0);
            }
            Forked::Parent(child) => {
                assert_eq!(reap(child).expect("our child").signal(), Some(libc::SIGTERM));
                assert_eq!(seen.word(0).load(Ordering::Relaxed), 2, "it went on, and knew");
            }
        }
    }
}
