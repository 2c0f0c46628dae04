// The vDSO: a shared object of one page that the kernel maps into every program, so that a C library
// can ask for the time without entering the kernel. The ELF structures are written out here; addresses in
// them are offsets from `vdso_elf`, which is also where its only segment begins.
//
// What the code reads lies in the page before (`struct vdso_data` of process/vdso.rs):
//   0   nanoseconds a tick of CNTVCT_EL0, 32.32 fixed point
//   8   nanoseconds from the monotonic to the real-time clock
// Each is one aligned word, so that no lock is needed.
//
// Specification: vdso(7), elf(5); symbol versions as on Linux, for which C libraries look.

.equ VDSO_FACTOR, -4096
.equ VDSO_REALTIME_OFFSET, -4096 + 8

.equ SYS_CLOCK_GETTIME, 113
.equ SYS_CLOCK_GETRES, 114
.equ SYS_RT_SIGRETURN, 139

// Clocks answered here, by number: a bit each.
.equ REALTIME_CLOCKS, 1 << 0 | 1 << 5 | 1 << 11
.equ MONOTONIC_CLOCKS, 1 << 1 | 1 << 4 | 1 << 6 | 1 << 7
.equ COARSE_CLOCKS, 1 << 5 | 1 << 6
.equ COARSE_RESOLUTION_NS, 4000000

.section .vdso, "ax"
.balign 4096
vdso_elf:
    .byte   0x7f, 'E', 'L', 'F', 2, 1, 1, 0         // 64 bits, little-endian, System V
    .quad   0
    .hword  3, 183                                  // ET_DYN, EM_AARCH64
    .word   1
    .quad   0                                       // entry
    .quad   vdso_program_headers - vdso_elf
    .quad   0                                       // no sections
    .word   0
    .hword  64, 56, 2, 64, 0, 0

vdso_program_headers:
    .word   1, 5                                    // PT_LOAD, r-x
    .quad   0, 0, 0, vdso_elf_end - vdso_elf, vdso_elf_end - vdso_elf, 4096
    .word   2, 4                                    // PT_DYNAMIC, r--
    .quad   vdso_dynamic - vdso_elf, vdso_dynamic - vdso_elf, vdso_dynamic - vdso_elf
    .quad   vdso_dynamic_end - vdso_dynamic, vdso_dynamic_end - vdso_dynamic, 8

vdso_dynamic:
    .quad   14, vdso_string_soname - vdso_strings   // DT_SONAME
    .quad   4, vdso_hash - vdso_elf                 // DT_HASH
    .quad   5, vdso_strings - vdso_elf              // DT_STRTAB
    .quad   6, vdso_symbols - vdso_elf              // DT_SYMTAB
    .quad   10, vdso_strings_end - vdso_strings     // DT_STRSZ
    .quad   11, 24                                  // DT_SYMENT
    .quad   0x6ffffff0, vdso_versions - vdso_elf    // DT_VERSYM
    .quad   0x6ffffffc, vdso_definitions - vdso_elf // DT_VERDEF
    .quad   0x6ffffffd, 2                           // DT_VERDEFNUM
    .quad   0, 0
vdso_dynamic_end:

// One bucket: every symbol is in its chain.
vdso_hash:
    .word   1, 5
    .word   1
    .word   0, 2, 3, 4, 0

.balign 8
.macro vdso_symbol name, start, end
    .word   \name - vdso_strings
    .byte   0x12, 0                                 // STB_GLOBAL, STT_FUNC
    .hword  1                                       // defined, in no section that exists
    .quad   \start - vdso_elf, \end - \start
.endm
vdso_symbols:
    .quad   0, 0, 0
    vdso_symbol vdso_string_gettime, vdso_clock_gettime, vdso_gettimeofday
    vdso_symbol vdso_string_gettimeofday, vdso_gettimeofday, vdso_clock_getres
    vdso_symbol vdso_string_getres, vdso_clock_getres, vdso_before_sigreturn
    vdso_symbol vdso_string_sigreturn, vdso_rt_sigreturn, vdso_elf_end

vdso_versions:
    .hword  0, 2, 2, 2, 2

// Of the object itself, and of its symbols; the numbers are the System V hashes of the names.
.balign 8
vdso_definitions:
    .hword  1, 1, 1, 1
    .word   0x0deebfa1, 20, 28
    .word   vdso_string_soname - vdso_strings, 0
    .hword  1, 0, 2, 1
    .word   0x075fcb89, 20, 0
    .word   vdso_string_version - vdso_strings, 0

vdso_strings:
    .byte   0
vdso_string_soname:
    .asciz  "linux-vdso.so.1"
vdso_string_version:
    .asciz  "LINUX_2.6.39"
vdso_string_gettime:
    .asciz  "__kernel_clock_gettime"
vdso_string_gettimeofday:
    .asciz  "__kernel_gettimeofday"
vdso_string_getres:
    .asciz  "__kernel_clock_getres"
vdso_string_sigreturn:
    .asciz  "__kernel_rt_sigreturn"
vdso_strings_end:

// x6 = nanoseconds of the monotonic clock: ticks * factor >> 32, as arch/aarch64/timer.rs has it. Uses x5, x7, x9.
.macro vdso_read_clock
    adr     x9, vdso_elf + VDSO_FACTOR
    ldr     x7, [x9]
    isb                                             // not before what came before
    mrs     x5, cntvct_el0
    mul     x6, x5, x7
    umulh   x7, x5, x7
    extr    x6, x7, x6, #32
.endm

// x10 = seconds, x6 = nanoseconds in x6. Uses x7.
.macro vdso_split_seconds
    mov     w7, #0xca00                             // 1,000,000,000
    movk    w7, #0x3b9a, lsl #16
    udiv    x10, x6, x7
    msub    x6, x10, x7, x6
.endm

// int clock_gettime(clockid_t w0, struct timespec *x1)
.balign 16
vdso_clock_gettime:
    cmp     w0, #11
    b.hi    3f
    mov     w2, #1
    lsl     w2, w2, w0
    mov     w3, #(REALTIME_CLOCKS)
    mov     w4, #(MONOTONIC_CLOCKS)
    tst     w2, w3
    b.ne    1f
    tst     w2, w4
    b.eq    3f
    vdso_read_clock
    b       2f
1:  vdso_read_clock
    ldr     x4, [x9, #8]
    add     x6, x6, x4
2:  vdso_split_seconds
    stp     x10, x6, [x1]
    mov     w0, wzr
    ret
3:  mov     x8, #SYS_CLOCK_GETTIME
    svc     #0
    ret

// int gettimeofday(struct timeval *x0, struct timezone *x1)
.balign 16
vdso_gettimeofday:
    cbz     x0, 1f
    vdso_read_clock
    ldr     x4, [x9, #8]
    add     x6, x6, x4
    vdso_split_seconds
    mov     w7, #1000
    udiv    x6, x6, x7
    stp     x10, x6, [x0]
1:  cbz     x1, 2f
    str     xzr, [x1]
2:  mov     w0, wzr
    ret

// int clock_getres(clockid_t w0, struct timespec *x1)
.balign 16
vdso_clock_getres:
    cmp     w0, #11
    b.hi    2f
    mov     w2, #1
    lsl     w2, w2, w0
    mov     w3, #(REALTIME_CLOCKS | MONOTONIC_CLOCKS)
    tst     w2, w3
    b.eq    2f
    mov     w4, #1
    mov     w5, #(COARSE_RESOLUTION_NS & 0xffff)
    movk    w5, #(COARSE_RESOLUTION_NS >> 16), lsl #16
    tst     w2, #(COARSE_CLOCKS)
    csel    w4, w5, w4, ne
    cbz     x1, 1f
    stp     xzr, x4, [x1]
1:  mov     w0, wzr
    ret
2:  mov     x8, #SYS_CLOCK_GETRES
    svc     #0
    ret

// Where signal handlers return to. Unwinders know it by these two instructions. The NOP keeps
// whoever looks for the caller's call, one instruction before, inside the function.
.balign 16
vdso_before_sigreturn:
    nop
.global vdso_rt_sigreturn
vdso_rt_sigreturn:
    mov     x8, #SYS_RT_SIGRETURN
    svc     #0
vdso_elf_end:
.previous
