// memcpy(x0 = to, x1 = from, x2 = length) -> x0 = to. The two do not overlap.

.section .text.memcpy, "ax"
.global memcpy
.type memcpy, %function
memcpy:
    add     x4, x1, x2
    add     x5, x0, x2
    cmp     x2, #16
    b.lo    3f
    // The last 16 bytes are copied by themselves, whatever remains before them.
    ldp     x14, x15, [x4, #-16]
    mov     x3, x0
    subs    x2, x2, #64
    b.lo    2f
1:  ldp     x6, x7, [x1]
    ldp     x8, x9, [x1, #16]
    ldp     x10, x11, [x1, #32]
    ldp     x12, x13, [x1, #48]
    stp     x6, x7, [x3]
    stp     x8, x9, [x3, #16]
    stp     x10, x11, [x3, #32]
    stp     x12, x13, [x3, #48]
    add     x1, x1, #64
    add     x3, x3, #64
    subs    x2, x2, #64
    b.hs    1b
    // 64 too few: the low six bits are those of what is left.
2:  tbz     x2, #5, 21f
    ldp     x6, x7, [x1]
    ldp     x8, x9, [x1, #16]
    stp     x6, x7, [x3]
    stp     x8, x9, [x3, #16]
    add     x1, x1, #32
    add     x3, x3, #32
21: tbz     x2, #4, 22f
    ldp     x6, x7, [x1]
    stp     x6, x7, [x3]
22: stp     x14, x15, [x5, #-16]
    ret
    // Fewer than 16: two words, halves or quarters, which overlap unless the length is a power of two.
3:  tbz     x2, #3, 4f
    ldr     x6, [x1]
    ldr     x7, [x4, #-8]
    str     x6, [x0]
    str     x7, [x5, #-8]
    ret
4:  tbz     x2, #2, 5f
    ldr     w6, [x1]
    ldr     w7, [x4, #-4]
    str     w6, [x0]
    str     w7, [x5, #-4]
    ret
5:  tbz     x2, #1, 6f
    ldrh    w6, [x1]
    ldrh    w7, [x4, #-2]
    strh    w6, [x0]
    strh    w7, [x5, #-2]
    ret
6:  cbz     x2, 7f
    ldrb    w6, [x1]
    strb    w6, [x0]
7:  ret
.size memcpy, . - memcpy

// memset(x0 = to, w1 = byte, x2 = length) -> x0 = to.

.section .text.memset, "ax"
.global memset
.type memset, %function
memset:
    and     x1, x1, #0xff
    add     x5, x0, x2
    orr     x1, x1, x1, lsl #8
    orr     x1, x1, x1, lsl #16
    orr     x1, x1, x1, lsl #32
    cmp     x2, #16
    b.lo    3f
    // The last 16 bytes are filled by themselves, whatever remains before them.
    stp     x1, x1, [x5, #-16]
    mov     x3, x0
    subs    x2, x2, #64
    b.lo    2f
1:  stp     x1, x1, [x3]
    stp     x1, x1, [x3, #16]
    stp     x1, x1, [x3, #32]
    stp     x1, x1, [x3, #48]
    add     x3, x3, #64
    subs    x2, x2, #64
    b.hs    1b
    // 64 too few: the low six bits are those of what is left.
2:  tbz     x2, #5, 21f
    stp     x1, x1, [x3]
    stp     x1, x1, [x3, #16]
    add     x3, x3, #32
21: tbz     x2, #4, 22f
    stp     x1, x1, [x3]
22: ret
    // Fewer than 16: two words, halves or quarters, which overlap unless the length is a power of two.
3:  tbz     x2, #3, 4f
    str     x1, [x0]
    str     x1, [x5, #-8]
    ret
4:  tbz     x2, #2, 5f
    str     w1, [x0]
    str     w1, [x5, #-4]
    ret
5:  tbz     x2, #1, 6f
    strh    w1, [x0]
    strh    w1, [x5, #-2]
    ret
6:  cbz     x2, 7f
    strb    w1, [x0]
7:  ret
.size memset, . - memset
