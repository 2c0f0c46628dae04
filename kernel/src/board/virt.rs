//! QEMU's `virt` machine, as its device tree describes it. Reads, owns nothing: the rules are [`postern_core::machine`]'s.

use crate::arch::cpu::{self, MAX_CPUS};
use core::fmt::{self, Display, Formatter};
use core::ops::Range;
use postern_core::machine;

/// What the kernel needs to know of the machine. Addresses are physical.
pub type Machine<'dt> = machine::Machine<'dt, MAX_CPUS>;

/// Why the kernel cannot run on what the device tree describes.
#[derive(Debug)]
pub enum Error {
    /// The tree is wrong in itself.
    Tree(machine::Error),
    /// The kernel runs where the tree has no RAM.
    ImageOutsideRam(Range<usize>),
    /// The kernel runs on this CPU, which is not the tree's first.
    BootCpu(u64),
}

impl Display for Error {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_str("the device tree is wrong: ")?;
        match self {
            Self::Tree(error) => error.fmt(f),
            Self::ImageOutsideRam(image) => {
                write!(f, "the kernel at {:#x}..{:#x} is not in its RAM", image.start, image.end)
            }
            Self::BootCpu(affinity) => write!(f, "CPU {affinity:#x}, which boots, is not its first"),
        }
    }
}

/// Reads the device tree `blob` for a kernel that lies at `image` and runs on the boot CPU.
pub fn read_device_tree<'dt>(blob: &'dt [u8], image: &Range<usize>) -> Result<Machine<'dt>, Error> {
    let machine = Machine::from_device_tree(blob).map_err(Error::Tree)?;
    if !machine.memory.iter().any(|ram| ram.start <= image.start && image.end <= ram.end) {
        return Err(Error::ImageOutsideRam(image.clone()));
    }
    // GICv3's redistributors come in the order of the tree's CPUs.
    let boot_cpu = cpu::mpidr_of(0);
    if machine.cpus.first() != Some(&boot_cpu) {
        return Err(Error::BootCpu(boot_cpu));
    }
    Ok(machine)
}
