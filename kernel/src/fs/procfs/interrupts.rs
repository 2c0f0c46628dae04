//! /proc/interrupts: how often each CPU was interrupted, by what.
//!
//! Owns nothing; the interrupt controller counts. No locks; never sleeps. Specification: proc_interrupts(5), in the columns of
//! Linux for arm64.

use crate::arch::{cpu, gic, timer};
use crate::fs::procfs::add_text;
use crate::fs::procfs::text::{Text, put};
use postern_core::errno::Result;

/// Enters the file.
///
/// # Errors
/// EEXIST.
pub fn init() -> Result<()> {
    add_text("interrupts", show)
}

/// The sum of all.
pub fn total() -> u64 {
    (0..cpu::count()).flat_map(gic::taken).sum()
}

fn show(text: &mut Text) -> Result<()> {
    put!(text, "{:11}", "");
    (0..cpu::count()).for_each(|cpu| put!(text, "CPU{cpu:<8}"));
    text.push(b"\n");
    let sources = [
        (timer::INTERRUPT, gic::Purpose::Timer, "arch_timer"),
        (gic::device_interrupt(), gic::Purpose::Device, "uart-pl011"),
    ];
    for (number, purpose, name) in sources {
        put!(text, "{number:3}: ");
        show_counts(text, purpose);
        put!(text, "    GICv3 {number:3} Level     {name}\n");
    }
    text.push(b"IPI0: ");
    show_counts(text, gic::Purpose::Reschedule);
    text.push(b"      Rescheduling interrupts\nErr:          0\n");
    Ok(())
}

fn show_counts(text: &mut Text, purpose: gic::Purpose) {
    (0..cpu::count()).for_each(|cpu| put!(text, "{:10} ", gic::taken(cpu)[purpose as usize]));
}
