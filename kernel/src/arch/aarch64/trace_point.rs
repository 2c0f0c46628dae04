//! Trace points: where the kernel can tell that something happens. One that is switched off is one instruction, NOP.
//!
//! Owns the table of all points, which the linker gathers; where a point lies, and the *stub* out of line that hands its event to
//! `trap`. Who switches a point on puts a branch to its stub in the place of the NOP (`mm::code`), which is one of the few changes
//! that other CPUs may meet while they execute there (Arm ARM B2.2.5). Takes no lock, never sleeps.
//!
//! A point's arguments are values that its surroundings have in registers anyway. They are whole words, so that nothing is
//! converted for them; what they mean is said in `postern_abi::trace`.

use super::pmu;
use crate::trap;
use core::arch::{asm, global_asm};
use core::slice;
use core::sync::atomic::AtomicU32;
use postern_abi::trace::Kind;

global_asm!(include_str!("trace_point.s"), options(raw));

/// NOP: a point that is off.
const OFF: u32 = 0xd503_201f;
/// B, without its distance in instructions.
const BRANCH: u32 = 0x1400_0000;
const BRANCH_DISTANCE: usize = 0x03ff_ffff;

/// One point, as its own code has entered it.
#[repr(C)]
#[derive(Debug)]
pub struct Site {
    /// Where its instruction is.
    point: usize,
    stub: usize,
}

/// Whether points hand on their events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Points {
    /// They cost an instruction, and do nothing.
    Off,
    /// They do.
    On,
}

impl Site {
    /// The address of the one instruction.
    pub fn address(&self) -> usize {
        self.point
    }

    /// What stands there now.
    #[cfg(test)]
    pub fn stands(&self) -> u32 {
        // SAFETY: an instruction of the kernel's, which can be read.
        unsafe { core::ptr::with_exposed_provenance::<u32>(self.point).read_volatile() }
    }

    /// What is to stand there.
    pub fn instruction(&self, points: Points) -> u32 {
        match points {
            Points::Off => OFF,
            // Both lie in the kernel's code, which is much shorter than a branch reaches.
            #[expect(clippy::cast_possible_truncation, reason = "26 bits")]
            Points::On => BRANCH | (self.stub.wrapping_sub(self.point) >> 2 & BRANCH_DISTANCE) as u32,
        }
    }
}

unsafe extern "C" {
    static __trace_sites_start: Site;
    static __trace_sites_end: Site;
}

/// All points.
pub fn sites() -> &'static [Site] {
    let start = &raw const __trace_sites_start;
    let bytes = (&raw const __trace_sites_end).addr() - start.addr();
    // SAFETY: the linker script puts the entries that the points below have made one behind the other, and nothing else.
    unsafe { slice::from_raw_parts(start, bytes / size_of::<Site>()) }
}

/// The instruction of a point, through the alias at `address` at which it may be written.
///
/// # Safety
/// A mapped and aligned address, for as long as the reference is used.
pub unsafe fn instruction_at<'a>(address: usize) -> &'a AtomicU32 {
    // SAFETY: the caller's promise.
    unsafe { AtomicU32::from_ptr(core::ptr::with_exposed_provenance_mut(address)) }
}

#[unsafe(no_mangle)]
extern "C" fn trace_point_entry(kind: u64, first: u64, second: u64, third: u64) {
    trap::on_trace_point(kind, [first, second, third]);
}

/// A point. (The same for assembly: `trace_point` in exception.s.)
///
/// To the compiler it touches no memory, so that it costs nothing around it. What is done there when it is on is to the
/// interrupted code what an interrupt's work is: it keeps all registers and goes to memory of its own, through atomics.
macro_rules! point {
    ($kind:expr, $first:tt, $second:tt, $third:tt $(, $name:ident = $value:expr)*) => {
        // SAFETY: as said above. Nothing lies below the stack pointer on this target.
        unsafe {
            asm!(
                "771: nop",
                ".pushsection .text.trace_stubs, \"ax\"",
                "772: sub sp, sp, #208",
                concat!("stp ", $first, ", ", $second, ", [sp, #160]"),
                concat!("stp ", $third, ", x30, [sp, #176]"),
                "str x0, [sp]",
                "mov x0, #{kind}",
                "bl trace_point_taken",
                "ldr x30, [sp, #184]",
                "ldr x0, [sp]",
                "add sp, sp, #208",
                "b 771b + 4",
                ".popsection",
                ".pushsection .trace_sites, \"a\"",
                ".quad 771b, 772b",
                ".popsection",
                kind = const $kind as u16,
                $($name = in(reg) $value,)*
                options(nomem, nostack, preserves_flags)
            )
        }
    };
}

/// A point whose event has one argument.
macro_rules! point_of_one {
    ($($(#[$doc:meta])* $name:ident($first:ident) = $kind:ident;)*) => {$(
        $(#[$doc])*
        #[inline(always)]
        pub fn $name($first: u64) {
            point!(Kind::$kind, "{first}", "xzr", "xzr", first = $first);
        }
    )*};
}

/// A point whose event has two arguments.
macro_rules! point_of_two {
    ($($(#[$doc:meta])* $name:ident($first:ident, $second:ident) = $kind:ident;)*) => {$(
        $(#[$doc])*
        #[inline(always)]
        pub fn $name($first: u64, $second: u64) {
            point!(Kind::$kind, "{first}", "{second}", "xzr", first = $first, second = $second);
        }
    )*};
}

/// A point whose event has three arguments.
macro_rules! point_of_three {
    ($($(#[$doc:meta])* $name:ident($first:ident, $second:ident, $third:ident) = $kind:ident;)*) => {$(
        $(#[$doc])*
        #[inline(always)]
        pub fn $name($first: u64, $second: u64, $third: u64) {
            point!(Kind::$kind, "{first}", "{second}", "{third}", first = $first, second = $second, third = $third);
        }
    )*};
}

point_of_one! {
    /// A system call of the slow way returns `result`.
    call_leaves(result) = SyscallExit;
    /// A reader found nothing in the pipe at `pipe`, without its lock.
    pipe_empty(pipe) = PipeEmpty;
    /// A reader found nothing in the ring of /dev/hello at `ring`, without its lock.
    hello_empty(ring) = HelloEmpty;
    /// A writer found no room in the pipe at `pipe`.
    pipe_full(pipe) = PipeFull;
    /// A writer found no room in the ring of /dev/hello at `ring`.
    hello_full(ring) = HelloFull;
    /// The current task has queued itself in `queue`.
    enqueue(queue) = Enqueue;
    /// `task`, a pointer, is to be woken.
    wake(task) = Wake;
    /// The current task leaves its CPU to `task`, a pointer.
    switch(task) = Switch;
}

point_of_two! {
    /// A program faulted at `address` with this ESR_EL1.
    fault(address, syndrome) = Fault;
    /// `bytes` are about to be copied from a program's memory at `address`.
    copy_in(bytes, address) = CopyIn;
    /// `bytes` are about to be copied to a program's memory at `address`.
    copy_out(bytes, address) = CopyOut;
}

point_of_three! {
    /// `bytes` were taken from the pipe at `pipe`, whose ring's indices are `indices` now.
    pipe_read(pipe, bytes, indices) = PipeRead;
    /// `bytes` were put into a pipe.
    pipe_write(pipe, bytes, indices) = PipeWrite;
    /// `bytes` were taken from a ring of /dev/hello.
    hello_read(ring, bytes, indices) = HelloRead;
    /// `bytes` were put into a ring of /dev/hello.
    hello_write(ring, bytes, indices) = HelloWrite;
}

/// A point whose event has no argument.
macro_rules! point_of_none {
    ($($(#[$doc:meta])* $name:ident = $kind:ident;)*) => {$(
        $(#[$doc])*
        #[inline(always)]
        pub fn $name() {
            point!(Kind::$kind, "xzr", "xzr", "xzr");
        }
    )*};
}

point_of_none! {
    /// An interrupt is pending.
    interrupt = Interrupt;
    /// The current task is about to sleep.
    sleep = Sleep;
    /// The current task has just been switched to.
    run = Run;
}

/// How many instructions lie between two looks at the counter with a point between them: what a point costs is by how much
/// that grows when it is switched on.
pub fn measure() -> u64 {
    let before = pmu::instructions();
    point!(Kind::Calibration, "xzr", "xzr", "xzr");
    pmu::instructions().wrapping_sub(before) & pmu::COUNTER_MASK
}
