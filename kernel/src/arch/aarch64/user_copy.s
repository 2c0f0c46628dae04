// Copies between user and kernel memory that survive a fault. Every instruction between
// __user_copy_start and __user_copy_end may fault on the user's address; the fault handler first
// tries to bring the page in and, failing that, resumes at the routine's fix-up (x9 holds its
// address throughout). The routines keep x0 and x1 exact at every access, so a fix-up knows
// what has been done.

.section .text.user_copy, "ax"

// user_copy(x0 = to, x1 = from, x2 = length) -> x0 = bytes not copied
.global user_copy
user_copy:
    adr     x9, 7f
    sub     x12, x1, x0
    add     x14, x0, x2
    cmp     x2, #16
    b.lo    3f
    subs    x2, x2, #128
    b.lo    2f
    // The first 16 bytes of a turn come last, so that the pointers move with them.
1:  ldp     x3, x4, [x1, #64]
    ldp     x5, x6, [x1, #80]
    ldp     x7, x8, [x1, #96]
    ldp     x10, x11, [x1, #112]
    stp     x3, x4, [x0, #64]
    stp     x5, x6, [x0, #80]
    stp     x7, x8, [x0, #96]
    stp     x10, x11, [x0, #112]
    ldp     x5, x6, [x1, #16]
    ldp     x7, x8, [x1, #32]
    ldp     x10, x11, [x1, #48]
    ldp     x3, x4, [x1], #128
    stp     x5, x6, [x0, #16]
    stp     x7, x8, [x0, #32]
    stp     x10, x11, [x0, #48]
    stp     x3, x4, [x0], #128
    subs    x2, x2, #128
    b.hs    1b
    // The low bits of what is left are right, though 128 too many have been taken from it.
2:  tbz     x2, #6, 21f
    ldp     x5, x6, [x1, #16]
    ldp     x7, x8, [x1, #32]
    ldp     x10, x11, [x1, #48]
    ldp     x3, x4, [x1], #64
    stp     x5, x6, [x0, #16]
    stp     x7, x8, [x0, #32]
    stp     x10, x11, [x0, #48]
    stp     x3, x4, [x0], #64
21: tbz     x2, #5, 22f
    ldp     x5, x6, [x1, #16]
    ldp     x3, x4, [x1], #32
    stp     x5, x6, [x0, #16]
    stp     x3, x4, [x0], #32
22: tbz     x2, #4, 3f
    ldp     x3, x4, [x1], #16
    stp     x3, x4, [x0], #16
3:  tbz     x2, #3, 4f
    ldr     x3, [x1], #8
    str     x3, [x0], #8
4:  tbz     x2, #2, 5f
    ldr     w3, [x1], #4
    str     w3, [x0], #4
5:  tbz     x2, #1, 6f
    ldrh    w3, [x1], #2
    strh    w3, [x0], #2
6:  tbz     x2, #0, 61f
    ldrb    w3, [x1]
    strb    w3, [x0]
61: mov     x0, xzr
    ret
    // Fix-up. x0 has moved past bytes that are stored: go on from there byte by byte, so that the
    // count is exact, until the second fault.
7:  adr     x9, 8f
    add     x1, x0, x12
71: cmp     x0, x14
    b.eq    8f
    ldrb    w3, [x1], #1
    strb    w3, [x0]
    add     x0, x0, #1
    b       71b
8:  sub     x0, x14, x0
    ret

// user_load_u32(x0 = from, x1 = *mut u32) -> x0 = 0, or 1 after a fault
.global user_load_u32
user_load_u32:
    adr     x9, word_fixup
    ldr     w2, [x0]
    str     w2, [x1]
    mov     x0, xzr
    ret
word_fixup:
    mov     x0, #1
    ret

// user_compare_exchange_u32(x0 = at, w1 = old, w2 = new, x3 = *mut u32 seen) -> x0 = 0, or 1
.global user_compare_exchange_u32
user_compare_exchange_u32:
    adr     x9, word_fixup
1:  ldaxr   w4, [x0]
    cmp     w4, w1
    b.ne    2f
    stlxr   w5, w2, [x0]
    cbnz    w5, 1b
2:  str     w4, [x3]
    clrex
    mov     x0, xzr
    ret
