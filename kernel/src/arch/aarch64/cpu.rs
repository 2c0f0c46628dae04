//! One CPU: who it is, its block of per-CPU facts (TPIDR_EL1), interrupt masking, waiting.

use super::exception::address;
use aarch64_cpu::registers::{CNTKCTL_EL1, MPIDR_EL1, TPIDR_EL0};
use core::arch::asm;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use tock_registers::interfaces::{Readable, Writeable};

/// The most CPUs the kernel drives (GICv3's reach is far wider; the design's is eight).
pub const MAX_CPUS: usize = 8;

/// What TPIDR_EL1 points to: the facts that every entry into the kernel needs at once.
#[repr(C, align(128))]
pub struct CpuBlock {
    current: AtomicPtr<()>,
    index: usize,
    mpidr: AtomicUsize,
    /// Nesting of trap handlers that may not sleep.
    in_irq: AtomicU32,
}

impl CpuBlock {
    const fn new(index: usize) -> Self {
        Self {
            current: AtomicPtr::new(core::ptr::null_mut()),
            index,
            mpidr: AtomicUsize::new(0),
            in_irq: AtomicU32::new(0),
        }
    }
}

static BLOCKS: [CpuBlock; MAX_CPUS] = [
    CpuBlock::new(0),
    CpuBlock::new(1),
    CpuBlock::new(2),
    CpuBlock::new(3),
    CpuBlock::new(4),
    CpuBlock::new(5),
    CpuBlock::new(6),
    CpuBlock::new(7),
];

// Relaxed throughout: a block is its own CPU's alone, but for `mpidr`, which is written before any other CPU starts (and by that
// CPU once more, the same).

/// Makes the executing CPU number `index`. Called once on each CPU, before anything else.
pub fn init(index: usize) {
    let block = &BLOCKS[index];
    set_mpidr(block, MPIDR_EL1.get());
    let address = (&raw const *block).expose_provenance();
    // No `nomem`: to the compiler, what `block` reads is in memory.
    // SAFETY: the register is the kernel's own; only `block` interprets it.
    unsafe { asm!("msr tpidr_el1, {}", in(reg) address, options(nostack, preserves_flags)) };
}

/// How many CPUs the machine has. Written once, before any other CPU starts: Relaxed.
static COUNT: AtomicUsize = AtomicUsize::new(1);

/// How many CPUs the machine has, whether they have come up yet or not.
pub fn count() -> usize {
    COUNT.load(Ordering::Relaxed)
}

/// Notes the MPIDR of every CPU, by index. Called once, before any other CPU starts.
pub fn set_mpidrs(mpidrs: &[u64]) {
    COUNT.store(mpidrs.len(), Ordering::Relaxed);
    for (block, mpidr) in BLOCKS.iter().zip(mpidrs) {
        set_mpidr(block, *mpidr);
    }
}

fn set_mpidr(block: &CpuBlock, mpidr: u64) {
    const AFFINITY_FIELDS: usize = 0xff_00ff_ffff;
    block.mpidr.store(address(mpidr) & AFFINITY_FIELDS, Ordering::Relaxed);
}

fn block() -> &'static CpuBlock {
    let address: usize;
    // To the compiler it is a load from memory: read anew after whatever may have changed memory, as a switch does, after
    // which the task may find itself on another CPU.
    // SAFETY: reading a register of the kernel's own.
    unsafe { asm!("mrs {}, tpidr_el1", out(reg) address, options(pure, readonly, nostack, preserves_flags)) };
    let block = core::ptr::with_exposed_provenance::<CpuBlock>(address);
    // SAFETY: `init` stored the address of a `'static` block, before any other code ran on this CPU.
    unsafe { &*block }
}

/// Index of the executing CPU, `0..MAX_CPUS`.
pub fn index() -> usize {
    let index = block().index;
    // SAFETY: `BLOCKS` numbers its blocks from 0.
    unsafe { core::hint::assert_unchecked(index < MAX_CPUS) };
    index
}

/// The current task, as `sched` stored it.
pub fn current() -> *mut () {
    block().current.load(Ordering::Relaxed)
}

/// Stores the current task's pointer.
pub fn set_current(task: *mut ()) {
    block().current.store(task, Ordering::Relaxed);
}

/// The affinity fields of CPU `index`'s MPIDR.
pub fn mpidr_of(index: usize) -> u64 {
    BLOCKS[index].mpidr.load(Ordering::Relaxed) as u64
}

/// Marks the CPU as handling an interrupt while `f` runs: nothing below may sleep.
pub fn in_interrupt<R>(f: impl FnOnce() -> R) -> R {
    let block = block();
    block.in_irq.store(block.in_irq.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    let result = f();
    block.in_irq.store(block.in_irq.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
    result
}

/// Whether the executing CPU is handling an interrupt.
pub fn is_in_interrupt() -> bool {
    block().in_irq.load(Ordering::Relaxed) != 0
}

/// Waits for an interrupt, then opens the window in which pending ones are taken.
pub fn wait_for_interrupt() {
    // SAFETY: WFI completes on a pending interrupt even when masked. The caller holds no lock
    // (the idle loop), so handlers may take any.
    unsafe { asm!("dsb sy", "wfi", "msr daifclr, #3", "isb", "msr daifset, #3", options(nostack)) };
}

/// Takes pending interrupts, once. The caller holds no spin lock.
pub fn interrupt_window() {
    // SAFETY: as above.
    unsafe { asm!("msr daifclr, #3", "isb", "msr daifset, #3", options(nostack)) };
}

/// One turn of a spin loop. Not `core::hint::spin_loop()`: that is ISB here, which never lets the
/// other CPU of an instruction-counting emulator go on.
pub fn relax() {
    // SAFETY: a hint.
    unsafe { asm!("yield", options(nomem, nostack, preserves_flags)) };
}

/// Lets this CPU fetch anew what it executes from here on: code that another has changed.
pub fn refetch_code() {
    // SAFETY: a barrier.
    unsafe { asm!("isb", options(nostack, preserves_flags)) };
}

/// Stops this CPU for good.
pub fn halt() -> ! {
    loop {
        // SAFETY: with everything masked, this CPU merely waits.
        unsafe { asm!("msr daifset, #0xf", "wfi", options(nomem, nostack)) };
    }
}

/// The frame pointer of the caller, where a backtrace starts.
#[inline(always)]
pub fn frame_pointer() -> usize {
    let fp: usize;
    // SAFETY: reading a general register.
    unsafe { asm!("mov {}, x29", out(reg) fp, options(nomem, nostack, preserves_flags)) };
    fp
}

/// The user's thread pointer (TPIDR_EL0), which a switch carries along.
pub fn user_thread_pointer() -> usize {
    address(TPIDR_EL0.get())
}

/// Sets the user's thread pointer.
pub fn set_user_thread_pointer(value: usize) {
    // Only user programs interpret it.
    TPIDR_EL0.set(value as u64);
}

/// Lets EL0 read the virtual counter (for the vDSO), and nothing else of the timer.
pub fn allow_user_counter() {
    CNTKCTL_EL1.write(CNTKCTL_EL1::EL0VCTEN::SET);
}
