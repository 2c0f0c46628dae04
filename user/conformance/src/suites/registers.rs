//! Register contents across signal handlers and process switches. Specification: signal(7), sigreturn(2), the procedure call
//! standards.

use crate::check::{Outcome, expect_eq};
use crate::sys::{process, registers, signal};
use libc::SIGUSR1;
use std::sync::atomic::{AtomicU32, Ordering};

crate::tests! {
    general_registers_survive_a_handler,
    vector_registers_survive_a_handler,
    vector_registers_survive_a_switch_to_another_process,
}

static RUNS: AtomicU32 = AtomicU32::new(0);

fn general_registers_survive_a_handler() -> Outcome {
    signal::handle(SIGUSR1, clobbering_handler, 0, &[])?;
    let before: [u64; registers::GENERAL] = std::array::from_fn(registers::pattern);
    expect_eq(registers::general_across_tgkill(before, SIGUSR1), before, "the registers")?;
    expect_eq(RUNS.load(Ordering::SeqCst), 1, "handlers run")
}

fn vector_registers_survive_a_handler() -> Outcome {
    signal::handle(SIGUSR1, clobbering_handler, 0, &[])?;
    let before: [u64; registers::VECTOR_WORDS] = std::array::from_fn(registers::pattern);
    expect_eq(registers::vectors_across_tgkill(before, SIGUSR1), before, "the registers")?;
    expect_eq(RUNS.load(Ordering::SeqCst), 1, "handlers run")
}

extern "C" fn clobbering_handler(_signal: i32, _info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
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
            (0..100).try_for_each(|_| expect_eq(registers::vectors_across_yield(before), before, "the registers"))
        })?);
    }
    children.into_iter().try_for_each(process::Child::expect_success)
}
