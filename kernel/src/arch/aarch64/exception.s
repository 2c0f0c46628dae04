// Exception vectors: save the interrupted state as a `TrapFrame` (exception.rs) on the kernel
// stack of the current task, call up into Rust, restore, return.
//
// SP_EL1 is the top of the task's kernel stack whenever EL0 runs. Every kernel stack is the upper
// 16 KiB of a 32 KiB slot, so an SP whose bit 14 is clear after making room has run into the guard.

.equ FRAME_SIZE, 288
.equ SYSTEM_CALL_NUMBERS, 512        // entries of SYSTEM_CALLS (exception.rs)

.macro save_registers
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    mrs     x22, elr_el1
    mrs     x23, spsr_el1
    stp     x22, x23, [sp, #256]
.endm

.macro restore_registers
    ldp     x22, x23, [sp, #256]
    msr     elr_el1, x22
    msr     spsr_el1, x23
    ldp     x0, x1, [sp, #0]
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x19, [sp, #144]
    ldp     x20, x21, [sp, #160]
    ldp     x22, x23, [sp, #176]
    ldp     x24, x25, [sp, #192]
    ldp     x26, x27, [sp, #208]
    ldp     x28, x29, [sp, #224]
.endm

.macro save_user
    sub     sp, sp, #FRAME_SIZE
    stp     x0, x1, [sp, #0]
    save_registers
    mrs     x21, sp_el0
    stp     x30, x21, [sp, #240]
    str     x0, [sp, #272]          // the first argument, for a restarted call
    mov     x29, xzr                // a backtrace ends here
    mov     x30, xzr
.endm

// For gdb alone: unwind tables that stay in the ELF file. Without them it takes the saved state for a
// frame of the procedure call standard and never finds the end of a backtrace.
.cfi_sections .debug_frame

.macro outermost_frame
    .cfi_startproc simple
    .cfi_def_cfa sp, 0
    .cfi_undefined x30
.endm

// True from the end of `enter_kernel_trap`: what was interrupted is the caller.
.macro interrupting_frame
    .cfi_startproc simple
    .cfi_signal_frame
    .cfi_def_cfa x29, FRAME_SIZE + 16
    .cfi_offset x29, -(FRAME_SIZE + 16)
    .cfi_offset x30, -(FRAME_SIZE + 8)
.endm

// A trace point, as `point!` in trace_point.rs makes them: an instruction that does nothing, until it is a branch to its stub.
.macro trace_point kind, first, second, third
771:
    nop
    .pushsection .text.trace_stubs, "ax"
772:
    sub     sp, sp, #208
    stp     \first, \second, [sp, #160]
    stp     \third, x30, [sp, #176]
    str     x0, [sp]
    mov     x0, #\kind
    bl      trace_point_taken
    ldr     x30, [sp, #184]
    ldr     x0, [sp]
    add     sp, sp, #208
    b       771b + 4
    .popsection
    .pushsection .trace_sites, "a"
    .quad   771b, 772b
    .popsection
.endm

.equ SYSCALL_ENTER, 1                // postern_abi::trace::Kind
.equ SYSCALL_EXIT, 2

.macro vector label
    .balign 0x80
    b       \label
.endm

.section .text.vectors, "ax"
.balign 2048
.global exception_vectors
exception_vectors:
    vector  unexpected              // current EL with SP_EL0: never used
    vector  unexpected
    vector  unexpected
    vector  unexpected
    vector  kernel_sync             // current EL with SP_EL1
    vector  kernel_irq
    vector  unexpected
    vector  unexpected
    vector  user_sync               // lower EL, AArch64
    vector  user_irq
    vector  unexpected
    vector  user_serror
    vector  unexpected              // lower EL, AArch32: programs are 64-bit only
    vector  unexpected
    vector  unexpected
    vector  unexpected

// A system call saves what the procedure call standard lets Rust destroy. The rest (x19 to x29) is
// in its registers all the time, and goes into the frame only for those who need a whole one:
// faults, clone, execve, rt_sigreturn, signals to be delivered.
outermost_frame
user_sync:
    sub     sp, sp, #FRAME_SIZE
    trace_point SYSCALL_ENTER, x8, x0, x1
    stp     x0, x1, [sp, #0]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    str     x18, [sp, #144]
    mrs     x9, elr_el1
    mrs     x10, spsr_el1
    mrs     x11, sp_el0
    mrs     x12, esr_el1
    stp     x30, x11, [sp, #240]
    stp     x9, x10, [sp, #256]
    lsr     x13, x12, #26
    cmp     x13, #0x15              // SVC from AArch64
    b.ne    user_fault
    cmp     w8, #SYSTEM_CALL_NUMBERS
    b.hs    unknown_syscall
    adrp    x9, SYSTEM_CALLS
    add     x9, x9, :lo12:SYSTEM_CALLS
    ldr     x9, [x9, w8, uxtw #3]
    blr     x9                      // its arguments are still where the program put them
    cbnz    w1, incomplete_syscall  // 0: done; else what is left to do
    str     x0, [sp]
return_from_syscall:
    ldp     x9, x10, [sp, #256]
    ldp     x30, x11, [sp, #240]
    msr     elr_el1, x9
    msr     spsr_el1, x10
    msr     sp_el0, x11
    ldp     x0, x1, [sp, #0]
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldr     x18, [sp, #144]
    trace_point SYSCALL_EXIT, x0, xzr, xzr
    add     sp, sp, #FRAME_SIZE
    eret

.macro complete_frame
    str     x19, [sp, #152]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    mov     x29, xzr                // a backtrace ends here
.endm

unknown_syscall:
    mov     w1, #-1                 // Remaining::CALL
    b       finish_syscall
incomplete_syscall:
    tbnz    w1, #31, failed_syscall // Remaining::CALL and ERROR
    str     x0, [sp]
finish_syscall:
    complete_frame
    mov     x0, sp
    bl      finish_syscall_entry
return_to_user:
    ldp     x30, x21, [sp, #240]
    msr     sp_el0, x21
    restore_registers
    add     sp, sp, #FRAME_SIZE
    eret

failed_syscall:
    mov     x2, x1
    mov     x1, x0
    mov     x0, sp
    bl      failed_syscall_entry
    cbz     w0, return_from_syscall
    mov     w1, w0
    b       finish_syscall

user_fault:
    complete_frame
    mov     x30, xzr
    mov     x0, sp
    mov     x1, x12
    mrs     x2, far_el1
    bl      user_fault_entry
    b       return_to_user

user_irq:
    save_user
    mov     x0, sp
    bl      user_irq_entry
    b       return_to_user

user_serror:
    save_user
    mov     x0, sp
    mrs     x1, esr_el1
    mrs     x2, far_el1
    bl      unexpected_entry
    b       return_to_user
    .cfi_endproc

// The first return of a new task to EL0: SP already points to its frame.
.global enter_user
enter_user:
    mov     sp, x0
    b       return_to_user

.macro enter_kernel_trap
    sub     sp, sp, #FRAME_SIZE
    add     sp, sp, x0              // test bit 14 of SP without a free register
    sub     x0, sp, x0
    tbz     x0, #14, stack_overflow
    sub     x0, sp, x0
    sub     sp, sp, x0
    stp     x0, x1, [sp, #0]
    save_registers
    add     x21, sp, #FRAME_SIZE
    stp     x30, x21, [sp, #240]
    // Make this frame a link in the chain of frame records, for backtraces.
    stp     x29, x22, [sp, #-16]!
    mov     x29, sp
    add     x0, sp, #16
.endm

.macro leave_kernel_trap
    add     sp, sp, #16
    ldr     x30, [sp, #240]
    restore_registers
    add     sp, sp, #FRAME_SIZE
    eret
.endm

interrupting_frame
kernel_sync:
    enter_kernel_trap
    mrs     x1, esr_el1
    mrs     x2, far_el1
    bl      kernel_fault_entry
    leave_kernel_trap

kernel_irq:
    enter_kernel_trap
    bl      kernel_irq_entry
    leave_kernel_trap
    .cfi_endproc

outermost_frame
unexpected:
    sub     sp, sp, #FRAME_SIZE
    stp     x0, x1, [sp, #0]
    save_registers
    mov     x0, sp
    mrs     x1, esr_el1
    mrs     x2, far_el1
    bl      unexpected_entry
    b       .

// SP is in a guard page: carry on, briefly, on a stack kept for that.
stack_overflow:
    adrp    x0, overflow_stack_top
    add     x0, x0, :lo12:overflow_stack_top
    mov     x1, sp
    mov     sp, x0
    mov     x0, x1
    mrs     x1, elr_el1
    mrs     x2, far_el1
    mov     x29, xzr
    bl      stack_overflow_entry
    b       .
    .cfi_endproc

.section .bss
.balign 32768
overflow_stack:     .skip 32768
overflow_stack_top:
