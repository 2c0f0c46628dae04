//! Handlers: how they are installed, what they are told, and what they do to calls and registers. Specification: sigaction(2),
//! signal(7) "Interruption of system calls", sigreturn(2).

use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::sys::fd::{self, Pipe};
use crate::sys::memory::{self, PAGE};
use crate::sys::{process, signal, zeroed};
use libc::{
    EINTR, EINVAL, SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART, SIG_DFL, SIG_IGN, SIGCHLD,
    SIGKILL, SIGSTOP, SIGUSR1, SIGUSR2,
};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

crate::tests! {
    handler_runs_with_the_signals_number_and_returns,
    handler_is_told_who_sent_the_signal,
    sigchld_handler_is_told_which_child_ended,
    kill_and_stop_cannot_be_caught_or_ignored,
    sigaction_with_a_bad_signal_gives_einval,
    sigaction_returns_what_was_installed,
    reset_hand_restores_the_default_after_one_signal,
    signal_is_blocked_while_its_handler_runs,
    no_defer_lets_the_signal_nest,
    mask_of_the_action_is_blocked_while_the_handler_runs,
    mask_is_restored_when_the_handler_returns,
    read_is_restarted_after_a_handler_with_sa_restart,
    read_gives_eintr_after_a_handler_without_sa_restart,
    ignored_signal_does_not_interrupt_a_read,
    alternate_stack_is_used_with_sa_onstack,
    alternate_stack_that_is_too_small_gives_enomem,
    alternate_stack_cannot_be_changed_from_itself,
    general_registers_survive_a_handler,
    vector_registers_survive_a_handler,
    vector_registers_survive_a_switch_to_another_process,
    handler_may_call_fork,
    context_tells_the_mask_to_restore,
}

fn handler_runs_with_the_signals_number_and_returns() -> Outcome {
    for number in [SIGUSR1, SIGUSR2, libc::SIGTERM, libc::SIGINT] {
        signal::count(number, 0)?;
        signal::raise(number)?;
        expect_eq(signal::caught(number), 1, "handlers run for that number")?;
    }
    Ok(())
}

fn handler_is_told_who_sent_the_signal() -> Outcome {
    signal::count(SIGUSR1, 0)?;
    signal::raise(SIGUSR1)?;
    let told = (signal::last_code(), signal::last_sender());
    expect_eq(
        told,
        (libc::SI_USER, process::getpid()),
        "si_code and si_pid of kill",
    )?;
    process::tgkill(process::getpid(), process::gettid(), SIGUSR1)?;
    let told = (signal::last_code(), signal::last_sender());
    expect_eq(
        told,
        (libc::SI_TKILL, process::getpid()),
        "si_code and si_pid of tgkill",
    )
}

fn sigchld_handler_is_told_which_child_ended() -> Outcome {
    signal::count(SIGCHLD, 0)?;
    signal::block(&[SIGCHLD])?;
    let child = process::spawn_exit(3)?;
    expect_errno(signal::sigsuspend(&[]), EINTR)?;
    let told = (signal::last_code(), signal::last_sender());
    expect_eq(told, (libc::CLD_EXITED, child.pid), "si_code and si_pid")?;
    expect_eq(child.wait()?.exited(), Some(3), "the exit code")
}

fn kill_and_stop_cannot_be_caught_or_ignored() -> Outcome {
    for number in [SIGKILL, SIGSTOP] {
        expect_errno(signal::count(number, 0), EINVAL)?;
        expect_errno(signal::ignore(number), EINVAL)?;
        expect_errno(signal::default(number), EINVAL)?;
    }
    Ok(())
}

fn sigaction_with_a_bad_signal_gives_einval() -> Outcome {
    for number in [0, -1, 65, 1000] {
        expect_errno(signal::ignore(number), EINVAL)?;
    }
    Ok(())
}

fn sigaction_returns_what_was_installed() -> Outcome {
    expect_eq(
        signal::disposition(SIGUSR1)?.0,
        SIG_DFL,
        "the first handler",
    )?;
    signal::ignore(SIGUSR1)?;
    expect_eq(
        signal::disposition(SIGUSR1)?.0,
        SIG_IGN,
        "the handler when ignored",
    )?;
    signal::count(SIGUSR1, SA_RESTART | SA_NODEFER)?;
    let (handler, flags) = signal::disposition(SIGUSR1)?;
    expect(
        handler != SIG_DFL && handler != SIG_IGN,
        "a handler is installed",
    )?;
    let visible = libc::SA_SIGINFO | SA_RESTART | SA_NODEFER | SA_RESETHAND;
    expect_eq(
        flags & visible,
        libc::SA_SIGINFO | SA_RESTART | SA_NODEFER,
        "the flags",
    )
}

fn reset_hand_restores_the_default_after_one_signal() -> Outcome {
    signal::count(SIGUSR1, SA_RESETHAND)?;
    signal::raise(SIGUSR1)?;
    expect_eq(signal::caught(SIGUSR1), 1, "handlers run")?;
    expect_eq(
        signal::disposition(SIGUSR1)?.0,
        SIG_DFL,
        "the handler afterwards",
    )
}

static DEPTH: AtomicU32 = AtomicU32::new(0);
static DEEPEST: AtomicU32 = AtomicU32::new(0);

/// Raises its own signal twice while it runs, once per level, and notes how deep handlers nest.
extern "C" fn nesting_handler(
    number: i32,
    _info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    let depth = DEPTH.fetch_add(1, Ordering::SeqCst) + 1;
    let deepest = DEEPEST.fetch_max(depth, Ordering::SeqCst);
    if deepest.max(depth) < 3 && signal::caught(SIGUSR2) == 0 {
        // A refusal shows as a nesting that is not deep enough.
        let _ = signal::raise(number);
    }
    DEPTH.fetch_sub(1, Ordering::SeqCst);
}

fn signal_is_blocked_while_its_handler_runs() -> Outcome {
    signal::handle(SIGUSR1, once_again_handler, 0, &[])?;
    signal::raise(SIGUSR1)?;
    expect_eq(DEEPEST.load(Ordering::SeqCst), 1, "how deep handlers nest")?;
    expect_eq(RUNS.load(Ordering::SeqCst), 2, "how often the handler ran")
}

static RUNS: AtomicU32 = AtomicU32::new(0);

/// Raises its signal once from inside; it must run after, not in, the first one.
extern "C" fn once_again_handler(
    number: i32,
    _info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    DEEPEST.fetch_max(DEPTH.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    if RUNS.fetch_add(1, Ordering::SeqCst) == 0 {
        // A refusal shows as a handler that ran only once.
        let _ = signal::raise(number);
    }
    DEPTH.fetch_sub(1, Ordering::SeqCst);
}

fn no_defer_lets_the_signal_nest() -> Outcome {
    signal::handle(SIGUSR1, nesting_handler, SA_NODEFER, &[])?;
    signal::raise(SIGUSR1)?;
    expect_eq(DEEPEST.load(Ordering::SeqCst), 3, "how deep handlers nest")
}

/// Bits of the mask as the handler finds it.
static MASK_SEEN: AtomicUsize = AtomicUsize::new(0);

extern "C" fn mask_handler(_signal: i32, _info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    let bits = signal::mask().map(|mask| {
        mask.into_iter()
            .fold(0, |bits, number| bits | 1_usize << number)
    });
    MASK_SEEN.store(bits.unwrap_or(usize::MAX), Ordering::SeqCst);
}

fn mask_of_the_action_is_blocked_while_the_handler_runs() -> Outcome {
    signal::block(&[SIGCHLD])?;
    signal::handle(SIGUSR1, mask_handler, 0, &[SIGUSR2])?;
    signal::raise(SIGUSR1)?;
    let expected = 1 << SIGCHLD | 1 << SIGUSR1 | 1 << SIGUSR2;
    expect_eq(
        MASK_SEEN.load(Ordering::SeqCst),
        expected,
        "the mask in the handler, as bits",
    )
}

fn mask_is_restored_when_the_handler_returns() -> Outcome {
    signal::block(&[SIGCHLD])?;
    signal::handle(SIGUSR1, mask_handler, 0, &[SIGUSR2])?;
    signal::raise(SIGUSR1)?;
    expect_eq(signal::mask()?, [SIGCHLD], "the mask afterwards")
}

fn read_is_restarted_after_a_handler_with_sa_restart() -> Outcome {
    let (pipe, handled) = (Pipe::new()?, Pipe::new()?);
    HANDLED_FD.store(handled.write.unsigned_abs() as usize, Ordering::SeqCst);
    let reader = process::spawn(|| {
        signal::handle(SIGUSR1, telling_handler, SA_RESTART, &[])?;
        expect_eq(
            fd::read_up_to(pipe.read, 4)?,
            b"data",
            "what the read returns in the end",
        )
    })?;
    reader.wait_until_asleep()?;
    reader.kill(SIGUSR1)?;
    expect_eq(
        fd::read_up_to(handled.read, 1)?,
        b"h",
        "what the handler says",
    )?;
    reader.wait_until_asleep()?;
    fd::write(pipe.write, b"data")?;
    reader.expect_success()
}

/// Where `telling_handler` writes.
static HANDLED_FD: AtomicUsize = AtomicUsize::new(0);

extern "C" fn telling_handler(
    _signal: i32,
    _info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    // A failure shows at the other end of the pipe.
    let _ = fd::write(
        i32::try_from(HANDLED_FD.load(Ordering::SeqCst)).unwrap_or(-1),
        b"h",
    );
}

fn read_gives_eintr_after_a_handler_without_sa_restart() -> Outcome {
    let pipe = Pipe::new()?;
    let reader = process::spawn(|| {
        signal::count(SIGUSR1, 0)?;
        expect_errno(fd::read(pipe.read, &mut [0; 4]), EINTR)?;
        expect_eq(signal::caught(SIGUSR1), 1, "handlers run")
    })?;
    reader.wait_until_asleep()?;
    reader.kill(SIGUSR1)?;
    reader.expect_success()
}

fn ignored_signal_does_not_interrupt_a_read() -> Outcome {
    let pipe = Pipe::new()?;
    let reader = process::spawn(|| {
        signal::ignore(SIGUSR1)?;
        expect_eq(fd::read_up_to(pipe.read, 1)?, b"x", "what the read returns")
    })?;
    reader.wait_until_asleep()?;
    reader.kill(SIGUSR1)?;
    reader.kill(SIGCHLD)?;
    reader.wait_until_asleep()?;
    fd::write(pipe.write, b"x")?;
    reader.expect_success()
}

/// An address on the stack of the handler.
static STACK_SEEN: AtomicUsize = AtomicUsize::new(0);
static CHANGE_ERRNO: AtomicUsize = AtomicUsize::new(0);

extern "C" fn stack_handler(
    _signal: i32,
    _info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    let local = 0_u8;
    STACK_SEEN.store((&raw const local).expose_provenance(), Ordering::SeqCst);
    let errno = sigaltstack(std::ptr::with_exposed_provenance_mut(PAGE), 64 * PAGE)
        .err()
        .map_or(0, |error| error.errno);
    CHANGE_ERRNO.store(errno.unsigned_abs() as usize, Ordering::SeqCst);
}

fn sigaltstack(start: *mut u8, length: usize) -> crate::sys::Sys<()> {
    let mut stack: libc::stack_t = zeroed();
    stack.ss_sp = start.cast();
    stack.ss_size = length;
    // SAFETY: the kernel only notes the range; tests that use it keep it mapped.
    let value = unsafe { libc::syscall(libc::SYS_sigaltstack, &raw const stack, 0_usize) };
    crate::sys::checked("sigaltstack", value).map(drop)
}

fn alternate_stack_is_used_with_sa_onstack() -> Outcome {
    let stack = memory::private(32)?;
    sigaltstack(stack.pointer(0, stack.length), stack.length)?;
    let on_it = || {
        (stack.address..stack.address + stack.length).contains(&STACK_SEEN.load(Ordering::SeqCst))
    };
    signal::handle(SIGUSR1, stack_handler, 0, &[])?;
    signal::raise(SIGUSR1)?;
    expect(
        !on_it(),
        "without SA_ONSTACK the handler runs on the ordinary stack",
    )?;
    signal::handle(SIGUSR1, stack_handler, SA_ONSTACK, &[])?;
    signal::raise(SIGUSR1)?;
    expect(
        on_it(),
        "with SA_ONSTACK the handler runs on the alternate stack",
    )
}

fn alternate_stack_that_is_too_small_gives_enomem() -> Outcome {
    let stack = memory::private(1)?;
    expect_errno(sigaltstack(stack.pointer(0, PAGE), 1024), libc::ENOMEM)
}

fn alternate_stack_cannot_be_changed_from_itself() -> Outcome {
    let stack = memory::private(32)?;
    sigaltstack(stack.pointer(0, stack.length), stack.length)?;
    signal::handle(SIGUSR1, stack_handler, SA_ONSTACK, &[])?;
    signal::raise(SIGUSR1)?;
    let errno = i32::try_from(CHANGE_ERRNO.load(Ordering::SeqCst)).unwrap_or(0);
    expect_eq(errno, libc::EPERM, "errno of sigaltstack in the handler")
}

fn general_registers_survive_a_handler() -> Outcome {
    signal::handle(SIGUSR1, clobbering_handler, 0, &[])?;
    let before: [u64; registers::GENERAL] = std::array::from_fn(registers::pattern);
    expect_eq(
        registers::general_across_tgkill(before, SIGUSR1),
        before,
        "the registers",
    )?;
    expect_eq(RUNS.load(Ordering::SeqCst), 1, "handlers run")
}

fn vector_registers_survive_a_handler() -> Outcome {
    signal::handle(SIGUSR1, clobbering_handler, 0, &[])?;
    let before: [u64; registers::VECTOR_WORDS] = std::array::from_fn(registers::pattern);
    expect_eq(
        registers::vectors_across_tgkill(before, SIGUSR1),
        before,
        "the registers",
    )?;
    expect_eq(RUNS.load(Ordering::SeqCst), 1, "handlers run")
}

extern "C" fn clobbering_handler(
    _signal: i32,
    _info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    RUNS.fetch_add(1, Ordering::SeqCst);
    registers::clobber();
}

fn vector_registers_survive_a_switch_to_another_process() -> Outcome {
    // Two processes hold different patterns in their registers and yield to each other.
    let mut children = Vec::new();
    for salt in 1..=3 {
        children.push(process::spawn(|| {
            let before: [u64; registers::VECTOR_WORDS] =
                std::array::from_fn(|index| registers::pattern(index * salt + salt));
            (0..100).try_for_each(|_| {
                expect_eq(
                    registers::vectors_across_yield(before),
                    before,
                    "the registers",
                )
            })
        })?);
    }
    children
        .into_iter()
        .try_for_each(process::Child::expect_success)
}

static FORKED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn forking_handler(
    _signal: i32,
    _info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    let pid = process::fork_then(|| 21).unwrap_or(0);
    FORKED.store(usize::try_from(pid).unwrap_or(0), Ordering::SeqCst);
}

fn handler_may_call_fork() -> Outcome {
    signal::handle(SIGUSR1, forking_handler, 0, &[])?;
    signal::raise(SIGUSR1)?;
    let child = process::Child {
        pid: i32::try_from(FORKED.load(Ordering::SeqCst)).unwrap_or(0),
    };
    expect_eq(
        child.wait()?.exited(),
        Some(21),
        "the exit code of the handler's child",
    )
}

extern "C" fn unmasking_handler(
    _signal: i32,
    _info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: with SA_SIGINFO the third argument is the ucontext that sigreturn restores.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    context.uc_sigmask = signal::set_of(&[SIGUSR2]);
}

fn context_tells_the_mask_to_restore() -> Outcome {
    signal::handle(SIGUSR1, unmasking_handler, 0, &[])?;
    signal::raise(SIGUSR1)?;
    expect_eq(
        signal::mask()?,
        [SIGUSR2],
        "the mask that the handler put into its context",
    )
}

/// Register contents across a system call that delivers a signal or switches away. The one place with assembly.
mod registers {
    /// A number that depends on every bit of its index.
    pub fn pattern(index: usize) -> u64 {
        (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[cfg(target_arch = "aarch64")]
    pub use aarch64::*;
    #[cfg(target_arch = "x86_64")]
    pub use x86_64::*;

    #[cfg(target_arch = "aarch64")]
    mod aarch64 {
        use crate::sys::process;
        use std::arch::asm;

        /// x9 to x15 and x20 to x28: all but the call's own, x18, x19, x29 and x30.
        pub const GENERAL: usize = 16;
        /// v0 to v31, two words each.
        pub const VECTOR_WORDS: usize = 64;

        /// Loads the registers, sends the signal to the calling thread, and stores them.
        pub fn general_across_tgkill(mut words: [u64; GENERAL], signal: i32) -> [u64; GENERAL] {
            let pointer = words.as_mut_ptr();
            // SAFETY: touches the words and registers that are declared; the call takes numbers only.
            unsafe {
                asm!(
                    "stp x19, x30, [sp, #-32]!", "str x3, [sp, #16]",
                    "ldp x9, x10, [x3]", "ldp x11, x12, [x3, #16]", "ldp x13, x14, [x3, #32]",
                    "ldp x15, x20, [x3, #48]", "ldp x21, x22, [x3, #64]", "ldp x23, x24, [x3, #80]",
                    "ldp x25, x26, [x3, #96]", "ldp x27, x28, [x3, #112]",
                    "svc #0",
                    "ldr x3, [sp, #16]",
                    "stp x9, x10, [x3]", "stp x11, x12, [x3, #16]", "stp x13, x14, [x3, #32]",
                    "stp x15, x20, [x3, #48]", "stp x21, x22, [x3, #64]", "stp x23, x24, [x3, #80]",
                    "stp x25, x26, [x3, #96]", "stp x27, x28, [x3, #112]",
                    "ldp x19, x30, [sp], #32",
                    inout("x0") u64::from(process::getpid().cast_unsigned()) => _,
                    in("x1") u64::from(process::gettid().cast_unsigned()),
                    in("x2") u64::from(signal.cast_unsigned()),
                    inout("x3") pointer => _,
                    in("x8") libc::SYS_tgkill,
                    out("x9") _, out("x10") _, out("x11") _, out("x12") _, out("x13") _, out("x14") _, out("x15") _,
                    out("x20") _, out("x21") _, out("x22") _, out("x23") _, out("x24") _, out("x25") _, out("x26") _,
                    out("x27") _, out("x28") _,
                );
            }
            words
        }

        fn vectors_across(
            mut words: [u64; VECTOR_WORDS],
            call: libc::c_long,
            arguments: [u64; 3],
        ) -> [u64; VECTOR_WORDS] {
            // SAFETY: touches the words and registers that are declared; the call takes numbers only.
            unsafe {
                asm!(
                    "ld1 {{v0.2d-v3.2d}}, [x3], #64", "ld1 {{v4.2d-v7.2d}}, [x3], #64",
                    "ld1 {{v8.2d-v11.2d}}, [x3], #64", "ld1 {{v12.2d-v15.2d}}, [x3], #64",
                    "ld1 {{v16.2d-v19.2d}}, [x3], #64", "ld1 {{v20.2d-v23.2d}}, [x3], #64",
                    "ld1 {{v24.2d-v27.2d}}, [x3], #64", "ld1 {{v28.2d-v31.2d}}, [x3], #64",
                    "svc #0",
                    "st1 {{v0.2d-v3.2d}}, [x4], #64", "st1 {{v4.2d-v7.2d}}, [x4], #64",
                    "st1 {{v8.2d-v11.2d}}, [x4], #64", "st1 {{v12.2d-v15.2d}}, [x4], #64",
                    "st1 {{v16.2d-v19.2d}}, [x4], #64", "st1 {{v20.2d-v23.2d}}, [x4], #64",
                    "st1 {{v24.2d-v27.2d}}, [x4], #64", "st1 {{v28.2d-v31.2d}}, [x4], #64",
                    inout("x0") arguments[0] => _, in("x1") arguments[1], in("x2") arguments[2],
                    inout("x3") words.as_ptr() => _, inout("x4") words.as_mut_ptr() => _, in("x8") call,
                    out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
                    out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _,
                    out("v14") _, out("v15") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _,
                    out("v21") _, out("v22") _, out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _,
                    out("v28") _, out("v29") _, out("v30") _, out("v31") _,
                );
            }
            words
        }

        /// As `general_across_tgkill`, for v0 to v31.
        pub fn vectors_across_tgkill(
            words: [u64; VECTOR_WORDS],
            signal: i32,
        ) -> [u64; VECTOR_WORDS] {
            let [pid, thread, signal] = [process::getpid(), process::gettid(), signal]
                .map(i32::cast_unsigned)
                .map(u64::from);
            vectors_across(words, libc::SYS_tgkill, [pid, thread, signal])
        }

        /// v0 to v31 across a `sched_yield`.
        pub fn vectors_across_yield(words: [u64; VECTOR_WORDS]) -> [u64; VECTOR_WORDS] {
            vectors_across(words, libc::SYS_sched_yield, [0; 3])
        }

        /// Overwrites all vector registers and the general ones that a function may overwrite.
        pub fn clobber() {
            // SAFETY: every register written is declared.
            unsafe {
                asm!(
                    "movi v0.2d, #0", "movi v1.2d, #0", "movi v7.2d, #0", "movi v8.2d, #0", "movi v15.2d, #0",
                    "movi v16.2d, #0", "movi v23.2d, #0", "movi v31.2d, #0", "mov x9, #0", "mov x10, #0", "mov x15, #0",
                    "mov x20, #0", "mov x28, #0",
                    out("v0") _, out("v1") _, out("v7") _, out("v8") _, out("v15") _, out("v16") _, out("v23") _,
                    out("v31") _, out("x9") _, out("x10") _, out("x15") _, out("x20") _, out("x28") _,
                );
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    mod x86_64 {
        use crate::sys::process;
        use std::arch::asm;

        /// r8 to r10, r12 to r15: those that neither the call nor the compiler has taken.
        pub const GENERAL: usize = 7;
        /// xmm0 to xmm7, two words each.
        pub const VECTOR_WORDS: usize = 16;

        /// Loads the registers, sends the signal to the calling thread, and stores them.
        pub fn general_across_tgkill(mut words: [u64; GENERAL], signal: i32) -> [u64; GENERAL] {
            // SAFETY: touches the words and registers that are declared; the call takes numbers only.
            unsafe {
                asm!(
                    "push {pointer}",
                    "mov r8, [{pointer}]", "mov r9, [{pointer} + 8]", "mov r10, [{pointer} + 16]",
                    "mov r12, [{pointer} + 24]", "mov r13, [{pointer} + 32]", "mov r14, [{pointer} + 40]",
                    "mov r15, [{pointer} + 48]",
                    "syscall",
                    "pop {pointer}",
                    "mov [{pointer}], r8", "mov [{pointer} + 8], r9", "mov [{pointer} + 16], r10",
                    "mov [{pointer} + 24], r12", "mov [{pointer} + 32], r13", "mov [{pointer} + 40], r14",
                    "mov [{pointer} + 48], r15",
                    pointer = in(reg) words.as_mut_ptr(),
                    inout("rax") libc::SYS_tgkill => _,
                    in("rdi") u64::from(process::getpid().cast_unsigned()),
                    in("rsi") u64::from(process::gettid().cast_unsigned()),
                    in("rdx") u64::from(signal.cast_unsigned()),
                    out("rcx") _, out("r11") _, out("r8") _, out("r9") _, out("r10") _, out("r12") _, out("r13") _,
                    out("r14") _, out("r15") _,
                );
            }
            words
        }

        fn vectors_across(
            mut words: [u64; VECTOR_WORDS],
            call: libc::c_long,
            arguments: [u64; 3],
        ) -> [u64; VECTOR_WORDS] {
            // SAFETY: touches the words and registers that are declared; the call takes numbers only.
            unsafe {
                asm!(
                    "movups xmm0, [r8]", "movups xmm1, [r8 + 16]", "movups xmm2, [r8 + 32]", "movups xmm3, [r8 + 48]",
                    "movups xmm4, [r8 + 64]", "movups xmm5, [r8 + 80]", "movups xmm6, [r8 + 96]", "movups xmm7, [r8 + 112]",
                    "syscall",
                    "movups [r8], xmm0", "movups [r8 + 16], xmm1", "movups [r8 + 32], xmm2", "movups [r8 + 48], xmm3",
                    "movups [r8 + 64], xmm4", "movups [r8 + 80], xmm5", "movups [r8 + 96], xmm6", "movups [r8 + 112], xmm7",
                    inout("rax") call => _, in("rdi") arguments[0], in("rsi") arguments[1], in("rdx") arguments[2],
                    in("r8") words.as_mut_ptr(), out("rcx") _, out("r11") _,
                    out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
                    out("xmm6") _, out("xmm7") _,
                );
            }
            words
        }

        /// As `general_across_tgkill`, for xmm0 to xmm7.
        pub fn vectors_across_tgkill(
            words: [u64; VECTOR_WORDS],
            signal: i32,
        ) -> [u64; VECTOR_WORDS] {
            let [pid, thread, signal] = [process::getpid(), process::gettid(), signal]
                .map(i32::cast_unsigned)
                .map(u64::from);
            vectors_across(words, libc::SYS_tgkill, [pid, thread, signal])
        }

        /// xmm0 to xmm7 across a `sched_yield`.
        pub fn vectors_across_yield(words: [u64; VECTOR_WORDS]) -> [u64; VECTOR_WORDS] {
            vectors_across(words, libc::SYS_sched_yield, [0; 3])
        }

        /// Overwrites registers that the tests have put patterns into.
        pub fn clobber() {
            // SAFETY: every register written is declared.
            unsafe {
                asm!(
                    "xorps xmm0, xmm0", "xorps xmm3, xmm3", "xorps xmm7, xmm7", "xor r8, r8", "xor r10, r10", "xor r12, r12",
                    "xor r15, r15",
                    out("xmm0") _, out("xmm3") _, out("xmm7") _, out("r8") _, out("r10") _, out("r12") _, out("r15") _,
                );
            }
        }
    }
}
