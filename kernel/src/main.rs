//! Postern: a laboratory for kernel IPC. Boot order, one call a line; no policy.
//!
//! `docs/boot.md` tells the same story in prose.
#![no_std]
#![no_main]

extern crate alloc;

mod arch;
mod board;
mod console;
mod drivers;
mod fs;
mod ipc;
mod ktest;
mod mm;
mod panic;
mod power;
mod process;
mod random;
mod sched;
mod smp;
mod symbols;
mod sync;
mod syscall;
mod time;
mod trace;
mod trap;

use crate::arch::{cpu, exception, gic, psci, timer};
use crate::board::virt::Machine;
use crate::drivers::pl011::Uart;
use crate::sched::task::Task;
use alloc::sync::Arc;
use core::ops::Range;
use postern_core::command_line::CommandLine;

/// What the boot CPU's idle task needs to go on with, once it has a guarded stack.
static BOOT: spin::Once<BootInfo> = spin::Once::new();

struct BootInfo {
    machine: Machine<'static>,
    image: usize,
}

/// Entered from boot.s on a boot stack, in the upper half, with the early tables.
#[unsafe(no_mangle)]
extern "C" fn kernel_main(device_tree: usize, image: usize) -> ! {
    cpu::init(0);
    exception::init();
    let blob = board::device_tree_at(device_tree);
    let device_tree = device_tree..device_tree + blob.len();
    let image_range = image..image + mm::boot::image_bytes();
    let machine = match board::virt::read_device_tree(blob, &image_range) {
        Ok(machine) => machine,
        Err(error) => panic::cannot_boot(&error),
    };
    timer::init();
    psci::init(machine.psci);
    init_memory(&machine, &device_tree, image);
    init_console(&machine);
    log::info!("Postern {} on {} CPU(s)", env!("CARGO_PKG_VERSION"), machine.cpus.len());
    BOOT.call_once(|| BootInfo { machine, image });
    let idle = new_idle_task();
    sched::switch::become_idle(idle, boot_on_task_stack)
}

fn new_idle_task() -> Arc<Task> {
    match Task::new(None, None, unreachable_entry, 0) {
        Ok(task) => task,
        Err(error) => panic!("no memory for an idle task: {error}"),
    }
}

extern "C" fn unreachable_entry(_argument: usize) -> ! {
    unreachable!("an idle task is entered where its CPU boots")
}

fn init_memory(machine: &Machine, device_tree: &Range<usize>, image: usize) {
    let image_range = image..image + mm::boot::image_bytes();
    let mut reserved = arrayvec::ArrayVec::<_, 3>::new();
    reserved.push(image_range);
    reserved.push(device_tree.clone());
    reserved.extend(machine.initramfs.clone());
    // SAFETY of what follows is argued where memory is touched; this only names ranges.
    if let Err(error) = mm::boot::start(&machine.memory, &reserved, image) {
        panic::cannot_boot(&error);
    }
    mm::address_space::init();
}

fn init_console(machine: &Machine) {
    // Before there is a console: its first line may be one too many.
    console::set_quiet(CommandLine::new(machine.command_line).flag("quiet"));
    match Uart::new(mm::kernel_space::map_registers(&machine.uart.registers)) {
        Some(uart) => console::init(uart),
        None => panic::cannot_boot(&format_args!("there is no PL011 at {:#x}", machine.uart.registers.start)),
    }
}

/// The boot CPU's idle task begins: interrupts, other CPUs, then the first process.
extern "C" fn boot_on_task_stack(_argument: usize) -> ! {
    let Some(BootInfo { machine, image }) = BOOT.get() else { unreachable!("set before") };
    let distributor = mm::kernel_space::map_device(&machine.gic_distributor);
    let redistributors = mm::kernel_space::map_device(&machine.gic_redistributors);
    if let Err(error) = gic::start(distributor, redistributors, machine.gic_redistributors.len(), machine.cpus.len()) {
        panic::cannot_boot(&error);
    }
    smp::init_this_cpu();
    gic::enable_device(machine.uart.interrupt);
    smp::start_others(&machine.cpus, *image);
    random::init(machine.random_seed);
    if let Some(rtc) = &machine.rtc {
        drivers::rtc::init(rtc);
    }
    // The tests' kernel checks itself at each step. With an initramfs it comes up like any other, for programs to try it.
    if cfg!(test) && machine.initramfs.is_none() {
        ktest::start();
    } else {
        start_init(machine);
    }
    sched::idle()
}

fn start_init(machine: &'static Machine<'static>) {
    let boot = process::init::Boot { command_line: machine.command_line, initramfs: machine.initramfs.clone() };
    if let Err(error) = process::init::start(boot).and_then(|()| syscall::init()) {
        panic!("cannot start init: {error}");
    }
}
