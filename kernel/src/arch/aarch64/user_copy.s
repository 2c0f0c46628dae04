// Copies between user and kernel memory that survive a fault. Every instruction between
// __user_copy_start and __user_copy_end may fault on the user's address; the fault handler first
// tries to bring the page in and, failing that, resumes at the routine's fix-up (x9 holds its
// address throughout). The routines keep x0 and x1 exact at every access, so a fix-up knows
// what has been done.

.section .text.user_copy, "ax"

// Loads before it stores, and stores in rising order: where it faults, nothing beyond has changed.
.macro move_64 at
    ldp     x3, x4, [x1, #\at]
    ldp     x5, x6, [x1, #\at + 16]
    ldp     x7, x8, [x1, #\at + 32]
    ldp     x10, x11, [x1, #\at + 48]
    stp     x3, x4, [x0, #\at]
    stp     x5, x6, [x0, #\at + 16]
    stp     x7, x8, [x0, #\at + 32]
    stp     x10, x11, [x0, #\at + 48]
.endm

// user_copy(x0 = to, x1 = from, x2 = length) -> x0 = bytes not copied
.global user_copy
user_copy:
    adr     x9, 7f
    sub     x12, x1, x0
    add     x14, x0, x2
    cmp     x2, #16
    b.lo    3f
    subs    x2, x2, #256
    b.lo    2f
1:  move_64 0
    move_64 64
    move_64 128
    move_64 192
    add     x0, x0, #256
    add     x1, x1, #256
    subs    x2, x2, #256
    b.hs    1b
    // The low bits of what is left are right, though 256 too many have been taken from it.
2:  tbz     x2, #7, 20f
    move_64 0
    move_64 64
    add     x0, x0, #128
    add     x1, x1, #128
20: tbz     x2, #6, 21f
    move_64 0
    add     x0, x0, #64
    add     x1, x1, #64
21: tbz     x2, #5, 22f
    ldp     x3, x4, [x1]
    ldp     x5, x6, [x1, #16]
    stp     x3, x4, [x0]
    stp     x5, x6, [x0, #16]
    add     x0, x0, #32
    add     x1, x1, #32
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
    // count is exact, until the second fault. Up to 256 bytes are moved twice.
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
