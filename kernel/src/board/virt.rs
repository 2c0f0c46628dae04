//! QEMU's `virt` machine, as its device tree describes it. Reads, owns nothing.

use crate::arch::cpu::MAX_CPUS;
use crate::arch::psci::Conduit;
use arrayvec::ArrayVec;
use core::ops::Range;
use fdt::Fdt;

/// What the kernel needs to know of the machine. Addresses are physical.
#[derive(Debug)]
pub struct Machine<'dt> {
    /// RAM, in address order as the tree gives it.
    pub memory: ArrayVec<Range<usize>, 8>,
    /// The initial RAM file system, if the loader gave one.
    pub initramfs: Option<Range<usize>>,
    /// The kernel command line.
    pub command_line: &'dt str,
    /// The affinity numbers of the CPUs.
    pub cpus: ArrayVec<u64, MAX_CPUS>,
    /// PL011 registers and interrupt.
    pub uart: Device,
    /// GICv3 distributor.
    pub gic_distributor: Range<usize>,
    /// GICv3 redistributors.
    pub gic_redistributors: Range<usize>,
    /// PL031 real-time clock registers.
    pub rtc: Option<Range<usize>>,
    /// How PSCI is called.
    pub psci: Conduit,
    /// The kernel's random seed from the loader.
    pub random_seed: Option<&'dt [u8]>,
}

/// Registers and interrupt of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Registers.
    pub registers: Range<usize>,
    /// Its interrupt's INTID.
    pub interrupt: u32,
}

/// What is wrong with a device tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It does not parse.
    Malformed,
    /// It lacks a node or property, named here.
    Missing(&'static str),
}

impl<'dt> Machine<'dt> {
    /// Reads the device tree `blob`.
    pub fn from_device_tree(blob: &'dt [u8]) -> Result<Self, Error> {
        let fdt = Fdt::new(blob).map_err(|_| Error::Malformed)?;
        let gic = fdt.find_compatible(&["arm,gic-v3"]).ok_or(Error::Missing("arm,gic-v3"))?;
        let mut gic_regions = gic.reg().ok_or(Error::Missing("GIC reg"))?.filter_map(range_of);
        let uart = fdt.find_compatible(&["arm,pl011"]).ok_or(Error::Missing("arm,pl011"))?;
        let mut uart_regions = uart.reg().ok_or(Error::Missing("PL011 reg"))?.filter_map(range_of);
        Ok(Self {
            memory: memory_of(&fdt),
            initramfs: initramfs_of(&fdt),
            command_line: fdt
                .find_node("/chosen")
                .and_then(|chosen| chosen.property("bootargs")?.as_str())
                .unwrap_or(""),
            cpus: cpus_of(&fdt),
            uart: Device {
                registers: uart_regions.next().ok_or(Error::Missing("PL011 reg"))?,
                interrupt: interrupt_of(&uart).ok_or(Error::Missing("PL011 interrupt"))?,
            },
            gic_distributor: gic_regions.next().ok_or(Error::Missing("GIC distributor"))?,
            gic_redistributors: gic_regions.next().ok_or(Error::Missing("GIC redistributors"))?,
            rtc: fdt.find_compatible(&["arm,pl031"]).and_then(|rtc| rtc.reg()?.find_map(range_of)),
            psci: match fdt.find_node("/psci").and_then(|psci| psci.property("method")?.as_str()) {
                Some("smc") => Conduit::Smc,
                _ => Conduit::Hvc,
            },
            random_seed: fdt.find_node("/chosen").and_then(|chosen| Some(chosen.property("rng-seed")?.value)),
        })
    }
}

fn range_of(region: fdt::standard_nodes::MemoryRegion) -> Option<Range<usize>> {
    let start = region.starting_address.addr();
    Some(start..start.checked_add(region.size?)?)
}

fn memory_of(fdt: &Fdt) -> ArrayVec<Range<usize>, 8> {
    fdt.all_nodes()
        .filter(|node| node.property("device_type").and_then(|kind| kind.as_str()) == Some("memory"))
        .filter_map(|node| node.reg())
        .flatten()
        .filter_map(range_of)
        .take(8)
        .collect()
}

fn initramfs_of(fdt: &Fdt) -> Option<Range<usize>> {
    let chosen = fdt.find_node("/chosen")?;
    let start = chosen.property("linux,initrd-start")?.as_usize()?;
    let end = chosen.property("linux,initrd-end")?.as_usize()?;
    (start < end).then_some(start..end)
}

fn cpus_of(fdt: &Fdt) -> ArrayVec<u64, MAX_CPUS> {
    let Some(cpus) = fdt.find_node("/cpus") else { return ArrayVec::new() };
    cpus.children()
        .filter(|node| node.name.starts_with("cpu@"))
        .filter_map(|node| Some(node.property("reg")?.as_usize()? as u64))
        .take(MAX_CPUS)
        .collect()
}

/// The INTID of a node's first interrupt: type (0 shared, 1 private), number, flags.
fn interrupt_of(node: &fdt::node::FdtNode) -> Option<u32> {
    let cells = node.property("interrupts")?.value;
    let word = |index: usize| Some(u32::from_be_bytes(cells.get(index * 4..index * 4 + 4)?.try_into().ok()?));
    Some(word(1)? + if word(0)? == 0 { 32 } else { 16 })
}
