// Entry by Linux's arm64 boot protocol (Documentation/arch/arm64/booting.rst):
// MMU and caches off, interrupts masked, x0 = physical address of the device tree.
// Owns the six early page tables. Leaves with the MMU on, in the upper half, on a boot stack.

.section .text.head, "ax"
.global _start
_start:
    b       primary_entry
    nop
    .quad   0                       // text_offset: at the start of a 2 MiB block
    .quad   __image_size
    .quad   0xa                     // little-endian, 4 KiB pages, anywhere in RAM
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0

primary_entry:
    msr     daifset, #0xf
    mov     x19, x0                 // device tree
    bl      drop_to_el1
    adrp    x0, __bss_start
    adrp    x1, __bss_end
1:  stp     xzr, xzr, [x0], #16
    cmp     x0, x1
    b.lo    1b
    bl      make_early_tables
    adrp    x0, early_lower_l0
    adrp    x1, early_upper_l0
    bl      enable_mmu
    ldr     x9, =boot_stack_top
    mov     sp, x9
    mov     x29, xzr
    mov     x30, xzr
    mov     x0, x19
    adrp    x1, __kernel_start
    ldr     x8, =kernel_main
    br      x8

// A CPU started by PSCI CPU_ON: x0 = physical address of its `SecondaryStart`
// {ttbr1, stack_top, cpu index}, which lies in the identity-mapped image.
.global secondary_entry
secondary_entry:
    msr     daifset, #0xf
    mov     x19, x0
    bl      drop_to_el1
    adrp    x0, early_lower_l0
    ldr     x1, [x19]
    bl      enable_mmu
    ldr     x9, [x19, #8]
    mov     sp, x9
    mov     x29, xzr
    mov     x30, xzr
    ldr     x0, [x19, #16]
    ldr     x8, =secondary_main
    br      x8

// Leaves EL2, if that is where the loader started us; a no-op in EL1.
drop_to_el1:
    mrs     x1, CurrentEL
    cmp     x1, #(2 << 2)
    b.ne    1f
    mov     x1, #(1 << 31)          // HCR_EL2.RW: EL1 is AArch64
    msr     hcr_el2, x1
    mov     x1, #3                  // EL1 may use the counters and timers
    msr     cnthctl_el2, x1
    msr     cntvoff_el2, xzr
    mov     x1, #0x33ff
    msr     cptr_el2, x1
    msr     hstr_el2, xzr
    mrs     x1, midr_el1
    msr     vpidr_el2, x1
    mrs     x1, mpidr_el1
    msr     vmpidr_el2, x1
    mrs     x1, id_aa64pfr0_el1     // GICv3 system registers, if there are any
    ubfx    x1, x1, #24, #4
    cbz     x1, 2f
    mrs     x1, S3_4_C12_C9_5       // ICC_SRE_EL2
    mov     x2, #9                  // SRE, Enable
    orr     x1, x1, x2
    msr     S3_4_C12_C9_5, x1
    isb
2:  mov     x1, #0x3c5              // EL1h, all masked
    msr     spsr_el2, x1
    ldr     x1, =0x30d00800         // SCTLR_EL1's reserved-one bits
    msr     sctlr_el1, x1
    msr     elr_el2, x30
    eret
1:  ret

// Identity map of the image's gigabytes; direct map of the first 64 GiB; the image at KERNEL_BASE.
make_early_tables:
    adrp    x2, __kernel_start      // physical
    adrp    x3, early_lower_l0
    adrp    x4, early_lower_l1
    orr     x5, x4, #3
    str     x5, [x3]
    lsr     x6, x2, #30
    lsl     x7, x6, #30
    mov     x8, #0x701              // block, AF, inner shareable, attribute 0
    orr     x7, x7, x8
    str     x7, [x4, x6, lsl #3]
    add     x6, x6, #1
    mov     x8, #0x40000000
    add     x7, x7, x8
    str     x7, [x4, x6, lsl #3]

    adrp    x3, early_upper_l0
    adrp    x4, early_direct_l1
    orr     x5, x4, #3
    str     x5, [x3]
    mov     x6, #0x405              // block, AF, attribute 1 (device): the first gigabyte
    movk    x6, #0x60, lsl #48      // UXN, PXN
    str     x6, [x4]
    mov     x6, #0x701
    movk    x6, #0x60, lsl #48
    mov     x7, #1
1:  add     x8, x6, x7, lsl #30
    str     x8, [x4, x7, lsl #3]
    add     x7, x7, #1
    cmp     x7, #64
    b.lo    1b

    adrp    x4, early_image_l1
    orr     x5, x4, #3
    str     x5, [x3, #(256 * 8)]
    adrp    x5, early_image_l2
    orr     x6, x5, #3
    str     x6, [x4]
    mov     x6, #0x701
    add     x6, x6, x2
    mov     x7, #0
1:  str     x6, [x5, x7, lsl #3]
    add     x6, x6, #0x200000
    add     x7, x7, #1
    cmp     x7, #16
    b.lo    1b
    dsb     sy
    ret

// x0 = TTBR0, x1 = TTBR1. Returns with the MMU and caches on.
enable_mmu:
    msr     ttbr0_el1, x0
    msr     ttbr1_el1, x1
    ldr     x2, =0x4404ff           // MAIR: 0 normal write-back, 1 device nGnRE, 2 normal non-cacheable
    msr     mair_el1, x2
    // 48-bit halves, 4 KiB granules, inner shareable write-back walks, 16-bit ASIDs; the top byte of lower addresses is ignored
    ldr     x2, =0x00000030b5103510
    mrs     x3, id_aa64mmfr0_el1
    and     x3, x3, #0x7
    orr     x2, x2, x3, lsl #32     // physical address size
    msr     tcr_el1, x2
    isb
    tlbi    vmalle1
    ic      iallu
    dsb     nsh
    isb
    // MMU, caches, stack alignment checks; EL0 may use DC ZVA, CTR, WFI/WFE, cache maintenance
    ldr     x2, =(0x30d00800 | 0x0405d01d)
    msr     sctlr_el1, x2
    isb
    ret
.ltorg

.section .bss
.balign 4096
early_lower_l0:  .skip 4096
early_lower_l1:  .skip 4096
early_upper_l0:  .skip 4096
early_direct_l1: .skip 4096
early_image_l1:  .skip 4096
early_image_l2:  .skip 4096
.balign 32768                   // see exception.s: bit 14 of SP tells a stack from its guard
boot_stack:      .skip 32768
boot_stack_top:
