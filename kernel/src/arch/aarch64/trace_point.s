// Where every trace point comes along that is switched on. Its own stub (trace_point.rs; exception.s) has made room on the stack:
// [sp, #0] x0, [sp, #160] the point's three arguments, [sp, #184] x30. x0 is the kind of event, x30 leads back into the stub.
// To the code around the point nothing happens: every register that the procedure call standard lets Rust destroy is kept, and
// so are the flags. The same number of instructions for all.

.section .text, "ax"
.global trace_point_taken
trace_point_taken:
    stp     x1, x2, [sp, #8]
    stp     x3, x4, [sp, #24]
    stp     x5, x6, [sp, #40]
    stp     x7, x8, [sp, #56]
    stp     x9, x10, [sp, #72]
    stp     x11, x12, [sp, #88]
    stp     x13, x14, [sp, #104]
    stp     x15, x16, [sp, #120]
    stp     x17, x18, [sp, #136]
    mrs     x1, nzcv
    str     x1, [sp, #152]
    str     x30, [sp, #192]
    ldp     x1, x2, [sp, #160]
    ldr     x3, [sp, #176]
    bl      trace_point_entry
    ldr     x30, [sp, #192]
    ldr     x1, [sp, #152]
    msr     nzcv, x1
    ldp     x17, x18, [sp, #136]
    ldp     x15, x16, [sp, #120]
    ldp     x13, x14, [sp, #104]
    ldp     x11, x12, [sp, #88]
    ldp     x9, x10, [sp, #72]
    ldp     x7, x8, [sp, #56]
    ldp     x5, x6, [sp, #40]
    ldp     x3, x4, [sp, #24]
    ldp     x1, x2, [sp, #8]
    ret
