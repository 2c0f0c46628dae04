//! What a kernel needs to know of its machine, read from a flattened device tree and found plausible.
//!
//! The tree may be anything: it never makes this code panic, and what is wrong is named ([`Error`]). dtoolkit checks the
//! tree's form before anything is read; what the tree says is checked here. Owns nothing, takes no lock.
//! Specification: Devicetree Specification v0.4, and Linux's Documentation/devicetree/bindings for each device.

mod error;
mod region;
#[cfg(test)]
mod tests;

pub use error::Error;

use arrayvec::ArrayVec;
use core::ops::Range;
use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::{Node, Property};
use region::Rule;

/// Nodes inside nodes; QEMU's `virt` has four levels.
const DEPTH_MAX: usize = 16;
/// Ranges of RAM that are used; further ones are left alone.
const RAM_RANGES: usize = 8;
/// The bits of an MPIDR that number a CPU.
const AFFINITY_FIELDS: u64 = 0xff_00ff_ffff;
/// The shared interrupts of a GICv3: INTIDs 32 to 1019.
const SHARED_INTERRUPTS: u32 = 988;

/// What the kernel needs to know of a machine of at most `CPUS` CPUs. Addresses are physical.
#[derive(Debug)]
pub struct Machine<'dt, const CPUS: usize> {
    /// RAM, in the order of the tree; no range touches another's bytes, and there is at least one.
    pub memory: ArrayVec<Range<usize>, RAM_RANGES>,
    /// The initial RAM file system, if the loader gave one; in RAM.
    pub initramfs: Option<Range<usize>>,
    /// The kernel command line.
    pub command_line: &'dt str,
    /// The affinity numbers of the CPUs: at least one, each once.
    pub cpus: ArrayVec<u64, CPUS>,
    /// PL011 registers and interrupt.
    pub uart: Device,
    /// GICv3 distributor.
    pub gic_distributor: Range<usize>,
    /// GICv3 redistributors, enough of them for `cpus`.
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

/// How firmware is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Conduit {
    /// HVC: a hypervisor (QEMU's `virt` by default).
    Hvc = 0,
    /// SMC: secure firmware.
    Smc = 1,
}

/// The nodes of interest, wherever they are in the tree.
#[derive(Default)]
struct Found<'dt> {
    memory: ArrayVec<Range<usize>, RAM_RANGES>,
    gic: Option<FdtNode<'dt>>,
    uart: Option<FdtNode<'dt>>,
    rtc: Option<FdtNode<'dt>>,
}

impl<'dt, const CPUS: usize> Machine<'dt, CPUS> {
    /// Reads the device tree `blob`, which is as long as its header says.
    pub fn from_device_tree(blob: &'dt [u8]) -> Result<Self, Error> {
        let tree = Fdt::new(blob).map_err(Error::Malformed)?;
        let mut found = Found::default();
        walk(tree.root(), 0, &mut found)?;
        let gic = found.gic.ok_or(Error::Missing("a node compatible with arm,gic-v3"))?;
        let uart = found.uart.ok_or(Error::Missing("a node compatible with arm,pl011"))?;
        let chosen = tree.find_node("/chosen");
        let chosen = |name: &str| chosen.as_ref().and_then(|node| value_of(node, name));
        let psci = tree.find_node("/psci");
        let cpus = cpus_of(tree)?;
        let mut gic_regions = regions_of(&gic);
        let machine = Self {
            initramfs: initramfs_of(chosen("linux,initrd-start"), chosen("linux,initrd-end")),
            command_line: chosen("bootargs").and_then(text).unwrap_or(""),
            uart: Device {
                registers: regions_of(&uart).next().ok_or(Error::Missing("the PL011's reg"))?,
                interrupt: interrupt_of(&uart)?,
            },
            gic_distributor: gic_regions.next().ok_or(Error::Missing("the GIC distributor's reg"))?,
            gic_redistributors: gic_regions.next().ok_or(Error::Missing("the GIC redistributors' reg"))?,
            rtc: found.rtc.and_then(|rtc| regions_of(&rtc).next()),
            psci: match psci.as_ref().and_then(|psci| value_of(psci, "method")).and_then(text) {
                Some("smc") => Conduit::Smc,
                _ => Conduit::Hvc,
            },
            random_seed: chosen("rng-seed"),
            memory: found.memory,
            cpus,
        };
        machine.check()?;
        Ok(machine)
    }

    /// Whether all regions can be what the tree says.
    fn check(&self) -> Result<(), Error> {
        region::check_ram(&self.memory)?;
        if let Some(initramfs) = &self.initramfs {
            region::check_inside_ram("initramfs", initramfs, &self.memory)?;
        }
        let redistributors = Rule::redistributors(self.cpus.len());
        let mut devices = ArrayVec::<_, 4>::new();
        devices.push((Rule::DISTRIBUTOR, &self.gic_distributor));
        devices.push((redistributors, &self.gic_redistributors));
        devices.push((Rule::UART, &self.uart.registers));
        devices.extend(self.rtc.as_ref().map(|registers| (Rule::RTC, registers)));
        region::check_devices(&devices, &self.memory)
    }
}

/// Notes what is of interest in `node` and below; of devices of a kind, the first.
fn walk<'dt>(node: FdtNode<'dt>, depth: usize, found: &mut Found<'dt>) -> Result<(), Error> {
    if depth > DEPTH_MAX {
        return Err(Error::TooDeep);
    }
    if value_of(&node, "device_type").and_then(text) == Some("memory") {
        let room = found.memory.remaining_capacity();
        // An empty range is a slot without a module, not a mistake.
        found.memory.extend(regions_of(&node).filter(|region| !region.is_empty()).take(room));
    }
    if let Some(compatible) = value_of(&node, "compatible") {
        for name in compatible.split(|byte| *byte == 0) {
            let slot = match name {
                b"arm,gic-v3" => &mut found.gic,
                b"arm,pl011" => &mut found.uart,
                b"arm,pl031" => &mut found.rtc,
                _ => continue,
            };
            slot.get_or_insert(node);
        }
    }
    node.children().try_for_each(|child| walk(child, depth + 1, found))
}

fn value_of<'dt>(node: &FdtNode<'dt>, name: &str) -> Option<&'dt [u8]> {
    node.property(name)?.value_as().ok()
}

fn text(value: &[u8]) -> Option<&str> {
    core::str::from_utf8(value).map(|text| text.trim_end_matches('\0')).ok()
}

/// A number of one or two cells.
fn number(value: &[u8]) -> Option<u64> {
    match value.len() {
        4 => value.try_into().map(u32::from_be_bytes).map(u64::from).ok(),
        8 => value.try_into().map(u64::from_be_bytes).ok(),
        _ => None,
    }
}

/// The ranges of a node's `reg`. One that reaches beyond all addresses ends with them: no device or RAM may.
fn regions_of<'dt>(node: &FdtNode<'dt>) -> impl Iterator<Item = Range<usize>> + use<'dt> {
    node.reg().ok().flatten().into_iter().flatten().map_while(|region| {
        let start = usize::try_from(region.address::<u64>().ok()?).ok()?;
        let bytes = usize::try_from(region.size::<u64>().ok()?).ok()?;
        Some(start..start.saturating_add(bytes))
    })
}

fn initramfs_of(start: Option<&[u8]>, end: Option<&[u8]>) -> Option<Range<usize>> {
    let start = usize::try_from(number(start?)?).ok()?;
    let end = usize::try_from(number(end?)?).ok()?;
    (start < end).then_some(start..end)
}

fn cpus_of<const CPUS: usize>(tree: Fdt) -> Result<ArrayVec<u64, CPUS>, Error> {
    let mut cpus = ArrayVec::new();
    let nodes = tree.find_node("/cpus").ok_or(Error::Missing("/cpus"))?;
    for node in nodes.children().filter(|node| node.name().starts_with("cpu@")).take(CPUS) {
        let affinity = value_of(&node, "reg").and_then(number).ok_or(Error::Missing("a CPU's reg"))?;
        if affinity & !AFFINITY_FIELDS != 0 {
            return Err(Error::Cpu { affinity, why: "is no affinity" });
        }
        if cpus.contains(&affinity) {
            return Err(Error::Cpu { affinity, why: "is there twice" });
        }
        cpus.push(affinity);
    }
    if cpus.is_empty() { Err(Error::Missing("a CPU (/cpus/cpu@…)")) } else { Ok(cpus) }
}

/// The INTID of a device's first interrupt: type (0 shared, 1 private), number, flags. It must be shared.
fn interrupt_of(node: &FdtNode) -> Result<u32, Error> {
    let cells = value_of(node, "interrupts").ok_or(Error::Missing("the PL011's interrupts"))?;
    let word = |index: usize| cells.get(index * 4..index * 4 + 4).and_then(number);
    match (word(0), word(1).and_then(|number| u32::try_from(number).ok())) {
        (Some(0), Some(number)) if number < SHARED_INTERRUPTS => Ok(32 + number),
        _ => Err(Error::Missing("a shared interrupt among the PL011's interrupts")),
    }
}
