//! Which regions of memory and registers are plausible.

use super::Error;
use core::ops::Range;

/// Beyond the RAM and devices of any `virt` machine, and within what every CPU can address.
const PHYSICAL_END: usize = 1 << 40;
/// The kernel's early tables map what lies below as devices, as `virt` has it.
const RAM_START: usize = 1 << 30;

/// What the registers of a device of some kind must be like.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    what: &'static str,
    align: usize,
    least: usize,
    most: usize,
}

impl Rule {
    /// Two pages of 64 KiB at most belong to a distributor; GICv3 aligns them so.
    pub(super) const DISTRIBUTOR: Self =
        Self { what: "GIC distributor", align: 0x1_0000, least: 0x1_0000, most: 1 << 20 };
    /// One page, up to its identification registers.
    pub(super) const UART: Self = Self { what: "PL011", align: 0x1000, least: 0x1000, most: 0x1_0000 };
    /// As the PL011, another PrimeCell.
    pub(super) const RTC: Self = Self { what: "PL031", align: 0x1000, least: 0x1000, most: 0x1_0000 };

    /// Two frames of 64 KiB for each CPU; the region may have room for more CPUs than there are.
    pub(super) const fn redistributors(cpus: usize) -> Self {
        Self { what: "GIC redistributors", align: 0x1_0000, least: cpus * 0x2_0000, most: 64 << 20 }
    }

    fn check(&self, region: &Range<usize>) -> Result<(), &'static str> {
        match region.len() {
            0 => Err("is empty"),
            _ if !region.start.is_multiple_of(self.align) => Err("is misaligned"),
            _ if region.end > PHYSICAL_END => Err("is out of reach"),
            bytes if bytes < self.least => Err("is too small"),
            bytes if bytes > self.most => Err("is too large"),
            _ => Ok(()),
        }
    }
}

fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

/// Whether `ram` is some RAM, within reach, no byte of it twice.
pub(super) fn check_ram(ram: &[Range<usize>]) -> Result<(), Error> {
    if ram.is_empty() {
        return Err(Error::Missing("RAM (a node with device_type = \"memory\")"));
    }
    for (index, region) in ram.iter().enumerate() {
        let wrong = |why| Err(Error::Region { what: "RAM", region: region.clone(), why });
        if region.start < RAM_START || region.end > PHYSICAL_END {
            return wrong("is out of reach");
        }
        if ram[..index].iter().any(|other| overlap(region, other)) {
            return wrong("is there twice");
        }
    }
    Ok(())
}

/// Whether `region`, named `what`, lies in one range of RAM.
pub(super) fn check_inside_ram(what: &'static str, region: &Range<usize>, ram: &[Range<usize>]) -> Result<(), Error> {
    if ram.iter().any(|range| range.start <= region.start && region.end <= range.end) {
        Ok(())
    } else {
        Err(Error::Region { what, region: region.clone(), why: "is not in RAM" })
    }
}

/// Whether each device's registers are as its rule says, and nothing else's.
pub(super) fn check_devices(devices: &[(Rule, &Range<usize>)], ram: &[Range<usize>]) -> Result<(), Error> {
    for (index, (rule, registers)) in devices.iter().enumerate() {
        let wrong = |why| Error::Region { what: rule.what, region: (*registers).clone(), why };
        rule.check(registers).map_err(wrong)?;
        if ram.iter().any(|range| overlap(registers, range)) {
            return Err(wrong("overlaps RAM"));
        }
        if devices[..index].iter().any(|(_, other)| overlap(registers, other)) {
            return Err(wrong("overlaps another device"));
        }
    }
    Ok(())
}
