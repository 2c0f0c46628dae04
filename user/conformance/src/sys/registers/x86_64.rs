//! Registers of x86_64 across a system call. See the parent for the rules.

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

fn vectors_across(mut words: [u64; VECTOR_WORDS], call: libc::c_long, arguments: [u64; 3]) -> [u64; VECTOR_WORDS] {
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
pub fn vectors_across_tgkill(words: [u64; VECTOR_WORDS], signal: i32) -> [u64; VECTOR_WORDS] {
    let [pid, thread, signal] = [process::getpid(), process::gettid(), signal].map(i32::cast_unsigned).map(u64::from);
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
