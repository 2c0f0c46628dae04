//! GICv3: which interrupt is pending, and interrupts from CPU to CPU.
//! One lock (rank GIC) around the distributor; the acknowledge path takes none.

use super::{cpu, probe};
use crate::sync::{SpinLock, rank};
use arm_gic::gicv3::registers::{Gicd, GicrSgi};
use arm_gic::gicv3::{GicCpuInterface, GicV3, Group, SgiTarget, SgiTargetGroup};
use arm_gic::{IntId, InterruptGroup, Trigger, UniqueMmioPointer};
use core::fmt::{self, Display, Formatter};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The software-generated interrupt that makes another CPU look at its run queue.
const RESCHEDULE: IntId = IntId::sgi(0);
/// The one that stops a CPU after a panic elsewhere.
const STOP: IntId = IntId::sgi(1);

static GIC: SpinLock<Option<GicV3<'static>>> = SpinLock::new(rank::GIC, None);

/// An acknowledged interrupt, by purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// This CPU's virtual timer.
    Timer,
    /// Another CPU put a task on this CPU's run queue.
    Reschedule,
    /// Another CPU has panicked.
    Stop,
    /// A device, by its shared peripheral interrupt number (INTID).
    Device(u32),
}

/// What interrupts are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// [`Interrupt::Timer`].
    Timer,
    /// [`Interrupt::Reschedule`].
    Reschedule,
    /// [`Interrupt::Device`].
    Device,
}

const PURPOSES: usize = 3;

/// How often each CPU has taken an interrupt of each purpose. Relaxed: a CPU alone writes its own, and others only show them.
static TAKEN: [[AtomicU64; PURPOSES]; cpu::MAX_CPUS] =
    [const { [const { AtomicU64::new(0) }; PURPOSES] }; cpu::MAX_CPUS];
/// The device interrupt that was enabled last. Relaxed: only shown.
static DEVICE: AtomicU32 = AtomicU32::new(0);

/// How often the CPU with this index has taken an interrupt of each [`Purpose`].
pub fn taken(cpu: usize) -> [u64; PURPOSES] {
    TAKEN[cpu].each_ref().map(|count| count.load(Ordering::Relaxed))
}

/// The number of the device interrupt that is enabled; there is one.
pub fn device_interrupt() -> u32 {
    DEVICE.load(Ordering::Relaxed)
}

fn count(purpose: Purpose) {
    let count = &TAKEN[cpu::index()][purpose as usize];
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// GICD_PIDR2 and GICR_PIDR2, read-only; bits 7 to 4 are the architecture's version.
const PIDR2: usize = 0xffe8;
/// Bytes of a redistributor's registers; of a GICv4's, twice as many.
const REDISTRIBUTOR_BYTES: usize = 0x2_0000;

/// Why there is no GIC where the device tree has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// No GICv3 or v4 distributor answers.
    Distributor,
    /// No redistributor answers for this CPU.
    Redistributor(usize),
    /// The redistributors are none the driver knows.
    Layout,
}

impl Display for StartError {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Self::Distributor => f.write_str("there is no GIC distributor where the device tree has it"),
            Self::Redistributor(cpu) => {
                write!(f, "there is no GIC redistributor for CPU {cpu} where the device tree has it")
            }
            Self::Layout => f.write_str("the GIC redistributors are neither GICv3's nor GICv4's"),
        }
    }
}

/// The architecture's version that the registers at `base` tell, if it is 3 or 4.
fn version_at(base: usize) -> Option<u32> {
    // SAFETY: the register is read-only, and aligned as `base`, which the tree's rules align, is.
    let pidr2 = unsafe { probe::read_identification(base, PIDR2) }?;
    Some(pidr2 >> 4 & 0xf).filter(|version| matches!(version, 3 | 4))
}

fn find_all(distributor: usize, redistributors: usize, bytes: usize, cpu_count: usize) -> Result<(), StartError> {
    version_at(distributor).ok_or(StartError::Distributor)?;
    let version = version_at(redistributors).ok_or(StartError::Redistributor(0))?;
    let stride = if version == 4 { 2 * REDISTRIBUTOR_BYTES } else { REDISTRIBUTOR_BYTES };
    let is_there = |cpu: &usize| (cpu + 1) * stride <= bytes && version_at(redistributors + cpu * stride).is_some();
    match (0..cpu_count).find(|cpu| !is_there(cpu)) {
        Some(cpu) => Err(StartError::Redistributor(cpu)),
        None => Ok(()),
    }
}

/// Initialises distributor and redistributors, given device mappings of their registers (from
/// `kernel_space::map_device`) that nobody else uses. Once, on the boot CPU.
pub fn start(
    distributor: NonNull<u8>,
    redistributors: NonNull<u8>,
    redistributor_bytes: usize,
    cpu_count: usize,
) -> Result<(), StartError> {
    find_all(distributor.addr().get(), redistributors.addr().get(), redistributor_bytes, cpu_count)?;
    // SAFETY: the caller's promise.
    let gicd = unsafe { UniqueMmioPointer::new(distributor.cast::<Gicd>()) };
    // SAFETY: the caller's promise.
    let gic = unsafe { GicV3::new(gicd, redistributors.cast::<GicrSgi>(), cpu_count) };
    let mut gic = gic.map_err(|_| StartError::Layout)?;
    gic.setup(0);
    *GIC.lock() = Some(gic);
    init_cpu(0);
    Ok(())
}

/// Lets interrupts reach CPU `index`, which calls this itself.
pub fn init_cpu(index: usize) {
    if let Some(gic) = GIC.lock().as_mut() {
        if index != 0 {
            gic.init_cpu(index);
        }
        for interrupt in [RESCHEDULE, STOP, IntId::ppi(super::timer::INTERRUPT - 16)] {
            let enabled = gic
                .set_group(interrupt, Some(index), Group::Group1NS)
                .and_then(|()| gic.set_interrupt_priority(interrupt, Some(index), 0x80))
                .and_then(|()| gic.enable_interrupt(interrupt, Some(index), true));
            if let Err(error) = enabled {
                panic!("GICv3: {interrupt:?}: {error:?}");
            }
        }
    }
    GicCpuInterface::set_priority_mask(0xff);
    GicCpuInterface::enable_group1(true);
}

/// Enables a device's level-triggered interrupt, routed to the boot CPU.
pub fn enable_device(intid: u32) {
    DEVICE.store(intid, Ordering::Relaxed);
    let Ok(interrupt) = IntId::try_from(intid) else { return };
    if let Some(gic) = GIC.lock().as_mut() {
        let enabled = gic
            .set_group(interrupt, None, Group::Group1NS)
            .and_then(|()| gic.set_interrupt_priority(interrupt, None, 0x80))
            .and_then(|()| gic.set_trigger(interrupt, None, Trigger::Level))
            .and_then(|()| gic.distributor().set_routing(interrupt, Some(cpu::mpidr_of(0))))
            .and_then(|()| gic.enable_interrupt(interrupt, None, true));
        if let Err(error) = enabled {
            panic!("GICv3: {interrupt:?}: {error:?}");
        }
    }
}

/// Takes the highest pending interrupt; `None` if there is none (any more). End it with [`end`].
pub fn acknowledge() -> Option<(Interrupt, IntId)> {
    let intid = GicCpuInterface::get_and_acknowledge_interrupt(InterruptGroup::Group1)?;
    let (interrupt, purpose) = match intid {
        RESCHEDULE => (Interrupt::Reschedule, Purpose::Reschedule),
        STOP => return Some((Interrupt::Stop, intid)),
        other if u32::from(other) == super::timer::INTERRUPT => (Interrupt::Timer, Purpose::Timer),
        other => (Interrupt::Device(u32::from(other)), Purpose::Device),
    };
    count(purpose);
    Some((interrupt, intid))
}

/// Ends the handling of an acknowledged interrupt.
pub fn end(intid: IntId) {
    GicCpuInterface::end_interrupt(intid, InterruptGroup::Group1);
}

/// Makes CPU `index` look at its run queue.
pub fn send_reschedule(index: usize) {
    let [affinity0, affinity1, affinity2, _, affinity3, ..] = cpu::mpidr_of(index).to_le_bytes();
    let target = SgiTarget::List { affinity3, affinity2, affinity1, target_list: 1 << (affinity0 & 0xf) };
    // SAFETY: a barrier: what was written before is seen by the CPU that takes the interrupt.
    unsafe { core::arch::asm!("dsb ishst", options(nostack)) };
    // It fails only for an id that is not an SGI.
    let _ = GicCpuInterface::send_sgi(RESCHEDULE, target, SgiTargetGroup::CurrentGroup1);
}

/// Stops all other CPUs (after a panic).
pub fn stop_others() {
    let _ = GicCpuInterface::send_sgi(STOP, SgiTarget::All, SgiTargetGroup::CurrentGroup1);
}
