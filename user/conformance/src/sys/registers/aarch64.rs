//! Registers of AArch64 across a system call. See the parent for the rules.

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

fn vectors_across(mut words: [u64; VECTOR_WORDS], call: libc::c_long, arguments: [u64; 3]) -> [u64; VECTOR_WORDS] {
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
pub fn vectors_across_tgkill(words: [u64; VECTOR_WORDS], signal: i32) -> [u64; VECTOR_WORDS] {
    let [pid, thread, signal] = [process::getpid(), process::gettid(), signal].map(i32::cast_unsigned).map(u64::from);
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
