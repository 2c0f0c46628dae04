//! Arguments of calls that wait, and of signals, clocks and timers.

use super::{Access, Case, Fixture, ROOM, ZERO_TIME, call, word};
use crate::sys::timer::{Event, timer_create, timer_delete, timerfd_create};
use crate::sys::{Sys, fd, process, signal};
use Access::{Reads, ReadsWord, Writes};
use std::time::Duration;

/// The kernel's signal set is eight bytes long.
const SET: usize = 8;
/// The kernel's struct sigaction: handler, flags, restorer, mask.
const ACTION: usize = 32;
const USR1: usize = word(libc::SIGUSR1);
const MONOTONIC: usize = word(libc::CLOCK_MONOTONIC);

/// A pollfd in good memory that asks for the pipe's bytes.
fn pollfd(fixture: &Fixture) -> usize {
    fixture.good.store_all(ROOM, &fixture.pipe.read.to_ne_bytes());
    fixture.good.store_all(ROOM + 4, &[1, 0, 0, 0]);
    fixture.good(ROOM)
}

fn pselect6(fixture: &Fixture, sets: [usize; 3], timeout: Option<usize>, mask: usize) -> Sys<usize> {
    let timeout = timeout.unwrap_or(fixture.good(ZERO_TIME));
    call(libc::SYS_pselect6, [64, sets[0], sets[1], sets[2], timeout, mask])
}

/// The sixth argument of pselect6, in good memory: where the set lies, and its size.
fn mask_argument(fixture: &Fixture, set: usize) -> usize {
    fixture.good.store_all(ROOM, &set.to_ne_bytes());
    fixture.good.store_all(ROOM + 8, &SET.to_ne_bytes());
    fixture.good(ROOM)
}

fn epoll_ctl(fixture: &Fixture, event: usize) -> Sys<usize> {
    let arguments = [word(fixture.epoll), word(libc::EPOLL_CTL_ADD), word(fixture.pipe.write), event];
    call(libc::SYS_epoll_ctl, arguments)
}

fn futex(operation: i32, address: usize, timeout: usize) -> Sys<usize> {
    call(libc::SYS_futex, [address, word(operation), 0, timeout])
}

/// A new timer that is read, and the call on it.
fn on_timerfd(body: impl FnOnce(usize) -> Sys<usize>) -> Sys<usize> {
    let timer = timerfd_create(libc::CLOCK_MONOTONIC, 0)?;
    let result = body(word(timer));
    fd::close(timer)?;
    result
}

/// A new POSIX timer, and the call on it.
fn on_timer(body: impl FnOnce(usize) -> Sys<usize>) -> Sys<usize> {
    let timer = timer_create(libc::CLOCK_MONOTONIC, Some(Event::NONE))?;
    let result = body(word(timer));
    timer_delete(timer)?;
    result
}

/// Takes a signal that is pending, which is not pending afterwards whatever comes of it.
fn with_pending_signal(fixture: &Fixture, information: usize) -> Sys<usize> {
    let before = signal::block(&[libc::SIGUSR2])?;
    signal::raise(libc::SIGUSR2)?;
    let set = 1_usize << (libc::SIGUSR2 - 1);
    fixture.good.store_all(ROOM, &set.to_ne_bytes());
    let result = call(libc::SYS_rt_sigtimedwait, [fixture.good(ROOM), information, fixture.good(ZERO_TIME), SET]);
    // Linux has taken it when it finds out about the address; another kernel may leave it.
    let _ = signal::sigtimedwait(&[libc::SIGUSR2], Duration::ZERO);
    signal::set_mask(&before)?;
    result
}

pub(super) const CASES: &[Case] = &[
    Case::new("ppoll_entries", Writes(8), |f, at| call(libc::SYS_ppoll, [at, 1, f.good(ZERO_TIME), 0, 0])),
    Case::new("ppoll_timeout", Reads(16), |f, at| call(libc::SYS_ppoll, [pollfd(f), 1, at, 0, 0])).optional(),
    Case::new("ppoll_mask", Reads(SET), |f, at| call(libc::SYS_ppoll, [pollfd(f), 1, f.good(ZERO_TIME), at, SET]))
        .optional(),
    Case::new("pselect6_readers", Writes(8), |f, at| pselect6(f, [at, 0, 0], None, 0)).optional(),
    Case::new("pselect6_writers", Writes(8), |f, at| pselect6(f, [0, at, 0], None, 0)).optional(),
    Case::new("pselect6_exceptions", Writes(8), |f, at| pselect6(f, [0, 0, at], None, 0)).optional(),
    Case::new("pselect6_timeout", Reads(16), |f, at| pselect6(f, [0; 3], Some(at), 0)).optional(),
    Case::new("pselect6_mask_argument", Reads(16), |f, at| pselect6(f, [0; 3], None, at)).optional(),
    Case::new("pselect6_mask", Reads(SET), |f, at| pselect6(f, [0; 3], None, mask_argument(f, at))).optional(),
    Case::new("epoll_ctl_event", Reads(size_of::<libc::epoll_event>()), epoll_ctl),
    Case::new("epoll_pwait_events", Writes(size_of::<libc::epoll_event>()), |f, at| {
        call(libc::SYS_epoll_pwait, [word(f.epoll), at, 1, 0, 0, SET])
    }),
    Case::new("epoll_pwait_mask", Reads(SET), |f, at| {
        call(libc::SYS_epoll_pwait, [word(f.epoll), f.good(ROOM), 1, 0, at, SET])
    })
    .optional(),
    Case::new("epoll_pwait2_events", Writes(size_of::<libc::epoll_event>()), |f, at| {
        call(libc::SYS_epoll_pwait2, [word(f.epoll), at, 1, f.good(ZERO_TIME), 0, SET])
    }),
    Case::new("epoll_pwait2_timeout", Reads(16), |f, at| {
        call(libc::SYS_epoll_pwait2, [word(f.epoll), f.good(ROOM), 1, at, 0, SET])
    })
    .optional(),
    Case::new("epoll_pwait2_mask", Reads(SET), |f, at| {
        call(libc::SYS_epoll_pwait2, [word(f.epoll), f.good(ROOM), 1, f.good(ZERO_TIME), at, SET])
    })
    .optional(),
    Case::new("rt_sigaction_new_action", Reads(ACTION), |_, at| call(libc::SYS_rt_sigaction, [USR1, at, 0, SET]))
        .optional(),
    Case::new("rt_sigaction_old_action", Writes(ACTION), |_, at| call(libc::SYS_rt_sigaction, [USR1, 0, at, SET]))
        .optional(),
    Case::new("rt_sigprocmask_new_set", Reads(SET), |_, at| {
        call(libc::SYS_rt_sigprocmask, [word(libc::SIG_BLOCK), at, 0, SET])
    })
    .optional(),
    Case::new("rt_sigprocmask_old_set", Writes(SET), |_, at| {
        call(libc::SYS_rt_sigprocmask, [word(libc::SIG_BLOCK), 0, at, SET])
    })
    .optional(),
    Case::new("rt_sigpending_set", Writes(SET), |_, at| call(libc::SYS_rt_sigpending, [at, SET])),
    Case::new("rt_sigsuspend_set", Reads(SET), |_, at| call(libc::SYS_rt_sigsuspend, [at, SET])),
    Case::new("rt_sigtimedwait_set", Reads(SET), |f, at| {
        call(libc::SYS_rt_sigtimedwait, [at, 0, f.good(ZERO_TIME), SET])
    }),
    Case::new("rt_sigtimedwait_information", Writes(128), with_pending_signal).optional(),
    Case::new("rt_sigtimedwait_timeout", Reads(16), |f, at| {
        call(libc::SYS_rt_sigtimedwait, [f.good(ZERO_TIME), 0, at, SET])
    })
    .optional(),
    // Linux looks at more than this only where it must.
    Case::new("rt_sigqueueinfo_information", Reads(48), |_, at| {
        call(libc::SYS_rt_sigqueueinfo, [word(process::getpid()), 0, at])
    }),
    Case::new("rt_tgsigqueueinfo_information", Reads(48), |_, at| {
        call(libc::SYS_rt_tgsigqueueinfo, [word(process::getpid()), word(process::getpid()), 0, at])
    }),
    Case::new("signalfd4_set", Reads(SET), |_, at| call(libc::SYS_signalfd4, [word(-1), at, SET, 0])),
    Case::new("sigaltstack_new_stack", Reads(size_of::<libc::stack_t>()), |_, at| call(libc::SYS_sigaltstack, [at, 0]))
        .optional(),
    Case::new("sigaltstack_old_stack", Writes(size_of::<libc::stack_t>()), |_, at| {
        call(libc::SYS_sigaltstack, [0, at])
    })
    .optional(),
    Case::new("nanosleep_time", Reads(16), |_, at| call(libc::SYS_nanosleep, [at, 0])),
    Case::new("clock_nanosleep_time", Reads(16), |_, at| call(libc::SYS_clock_nanosleep, [MONOTONIC, 0, at, 0])),
    Case::new("clock_gettime_time", Writes(16), |_, at| call(libc::SYS_clock_gettime, [MONOTONIC, at])),
    Case::new("clock_getres_time", Writes(16), |_, at| call(libc::SYS_clock_getres, [MONOTONIC, at])).optional(),
    Case::new("gettimeofday_time", Writes(16), |_, at| call(libc::SYS_gettimeofday, [at, 0])).optional(),
    Case::new("gettimeofday_zone", Writes(8), |_, at| call(libc::SYS_gettimeofday, [0, at])).optional(),
    Case::new("settimeofday_time", Reads(16), |_, at| call(libc::SYS_settimeofday, [at, 0])).optional(),
    Case::new("settimeofday_zone", Reads(8), |_, at| call(libc::SYS_settimeofday, [0, at])).optional(),
    Case::new("setitimer_old_timer", Writes(32), |f, at| call(libc::SYS_setitimer, [0, f.good(ZERO_TIME), at]))
        .optional(),
    Case::new("getitimer_timer", Writes(32), |_, at| call(libc::SYS_getitimer, [0, at])),
    // A null new value stops the timer on Linux.
    Case::new("setitimer_new_timer", Reads(32), |_, at| call(libc::SYS_setitimer, [0, at, 0])).optional(),
    Case::new("clock_settime_time", Reads(16), |_, at| call(libc::SYS_clock_settime, [0, at])),
    Case::new("timerfd_settime_new_time", Reads(32), |_, at| {
        on_timerfd(|timer| call(libc::SYS_timerfd_settime, [timer, 0, at, 0]))
    }),
    Case::new("timerfd_settime_old_time", Writes(32), |f, at| {
        on_timerfd(|timer| call(libc::SYS_timerfd_settime, [timer, 0, f.good(ROOM), at]))
    })
    .optional(),
    Case::new("timerfd_gettime_time", Writes(32), |_, at| {
        on_timerfd(|timer| call(libc::SYS_timerfd_gettime, [timer, at]))
    }),
    Case::new("timer_create_event", Reads(64), |f, at| call(libc::SYS_timer_create, [MONOTONIC, at, f.good(ROOM)]))
        .optional(),
    Case::new("timer_create_number", Writes(4), |_, at| call(libc::SYS_timer_create, [MONOTONIC, 0, at])),
    Case::new("timer_settime_new_time", Reads(32), |_, at| {
        on_timer(|timer| call(libc::SYS_timer_settime, [timer, 0, at, 0]))
    })
    .optional(),
    Case::new("timer_settime_old_time", Writes(32), |f, at| {
        on_timer(|timer| call(libc::SYS_timer_settime, [timer, 0, f.good(ROOM), at]))
    })
    .optional(),
    Case::new("timer_gettime_time", Writes(32), |_, at| on_timer(|timer| call(libc::SYS_timer_gettime, [timer, at]))),
    Case::new("futex_word_to_wait", ReadsWord, |f, at| futex(libc::FUTEX_WAIT, at, f.good(ZERO_TIME))),
    Case::new("futex_word_to_wait_privately", ReadsWord, |f, at| {
        futex(libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG, at, f.good(ZERO_TIME))
    }),
    Case::new("futex_target_to_requeue", ReadsWord, |f, at| {
        call(libc::SYS_futex, [f.good(ROOM), word(libc::FUTEX_REQUEUE), 1, 1, at])
    }),
    Case::new("futex_target_to_wake_with_an_operation", ReadsWord, |f, at| {
        call(libc::SYS_futex, [f.good(ROOM), word(libc::FUTEX_WAKE_OP), 1, 1, at])
    }),
    Case::new("get_robust_list_list", Writes(8), |f, at| call(libc::SYS_get_robust_list, [0, at, f.good(ROOM)])),
    Case::new("get_robust_list_length", Writes(8), |f, at| call(libc::SYS_get_robust_list, [0, f.good(ROOM), at])),
    Case::new("futex_timeout", Reads(16), |f, at| futex(libc::FUTEX_WAIT, f.good(ROOM), at)).optional(),
];
