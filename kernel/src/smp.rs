//! The other CPUs: started by PSCI, each entering with its idle task's stack.

use crate::arch::boot::{SecondaryStart, secondary_entry_address};
use crate::arch::cpu::{self, MAX_CPUS};
use crate::arch::{boot, exception, gic, mmu, psci};
use crate::sched;
use crate::sched::task::Task;
use crate::sync::{SpinLock, rank};
use alloc::sync::Arc;

/// What each starting CPU reads, at an address it can use before its MMU is on: in the image.
static STARTS: [spin::Once<SecondaryStart>; MAX_CPUS] = [const { spin::Once::new() }; MAX_CPUS];
/// The idle task of a CPU that has been started but has not taken it yet.
static IDLE_TASKS: SpinLock<[Option<Arc<Task>>; MAX_CPUS]> = SpinLock::new(rank::STACKS, [const { None }; MAX_CPUS]);

/// What every CPU does for itself once it has a task.
pub fn init_this_cpu() {
    cpu::allow_user_counter();
    sched::fp::init();
    sched::run_queue::set_online();
}

/// Starts all CPUs but this one. One that does not start is reported, and done without.
pub fn start_others(mpidrs: &[u64], image: usize) {
    cpu::set_mpidrs(mpidrs);
    for (index, mpidr) in mpidrs.iter().enumerate().skip(1) {
        let idle = crate::new_idle_task();
        let start = STARTS[index].call_once(|| SecondaryStart {
            ttbr1: mmu::kernel_table(),
            stack_top: idle.stack_top(),
            cpu: index,
        });
        IDLE_TASKS.lock()[index] = Some(idle);
        let physical = |address: usize| (address - boot::kernel_start() + image) as u64;
        let entry = physical(secondary_entry_address());
        if let Err(error) = psci::start_cpu(*mpidr, entry, physical((&raw const *start).addr())) {
            log::error!("CPU {index} does not start: {error:?}");
        }
    }
}

/// Entered from boot.s on the idle task's stack.
#[unsafe(no_mangle)]
extern "C" fn secondary_main(index: usize) -> ! {
    cpu::init(index);
    exception::init();
    let Some(idle) = IDLE_TASKS.lock()[index].take() else { cpu::halt() };
    sched::switch::adopt_idle(idle);
    crate::mm::address_space::leave();
    gic::init_cpu(index);
    init_this_cpu();
    sched::idle()
}
