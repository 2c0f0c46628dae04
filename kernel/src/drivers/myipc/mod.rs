//! `/dev/myipc0` and `/dev/myipc1`: two FIFOs of bytes, one for each direction of a conversation.
//!
//! | file | owns | locks |
//! |---|---|---|
//! | `device` | one device: its buffer, who waits for it | DRIVER, over user copies |
//! | `counters` | what /proc/postern/myipc tells | – |
//!
//! Both buffers are made when the module is loaded and live until it is unloaded, whoever has the devices open: bytes stay when the
//! last file is closed, and there is no end of file. Specification: seed 000 §3.1; seed 002; docs/myipc.md.

mod counters;
mod device;

use super::module::{Description, Module, Parameter, Refusal, Start, Values};
use super::{CharDriver, DeviceNode, Major, OpenContext};
use crate::fs::file::FileOps;
use crate::fs::procfs;
use alloc::format;
use alloc::sync::Arc;
use device::Device;
use postern_core::byte_ring::Arithmetic;
use postern_core::errno::{Errno, Result};

/// How many devices there are.
const DEVICES: u32 = 2;
/// The largest buffer, in bytes.
const LARGEST: u64 = 4 << 20;
/// Where the counters are shown, below /proc.
const REPORT: &str = "postern/myipc";

static SIZE: Parameter = Parameter::number("size", 64 << 10, [2, LARGEST], "bytes of each device's buffer");
static INDEX: Parameter =
    Parameter::choice("index", &["open_slot", "modulo", "mask"], "how indices wrap; mask needs a power of two as size");

/// What the module table is told.
pub static MODULE: Description = Description {
    name: "myipc",
    description: "two FIFOs with a flat ring buffer each, as in the project's report",
    parameters: &[&SIZE, &INDEX],
    start: Start::AtBoot,
    init,
};

/// The driver: its devices, by minor number.
struct Driver([Arc<Device>; DEVICES as usize]);

impl CharDriver for Driver {
    fn name(&self) -> &str {
        "myipc"
    }

    fn open(&self, minor: u32, _: &OpenContext<'_>) -> Result<Arc<dyn FileOps>> {
        let device = usize::try_from(minor).ok().and_then(|minor| self.0.get(minor)).ok_or(Errno::ENXIO)?;
        counters::count(&device.counters().opens, 1);
        Ok(device.clone())
    }
}

/// The module while it is loaded.
struct Registered {
    major: u32,
    devices: [Arc<Device>; DEVICES as usize],
}

fn init(values: &Values) -> core::result::Result<Arc<dyn Module>, Refusal> {
    let size = values.number(&SIZE);
    let arithmetic = match values.choice(&INDEX) {
        0 => Arithmetic::OpenSlot,
        1 => Arithmetic::Modulo,
        _ => Arithmetic::Mask,
    };
    if arithmetic == Arithmetic::Mask && !size.is_power_of_two() {
        let reason = format!("parameter size={size}: must be a power of two with index=mask");
        return Err(Refusal::new(Errno::EINVAL, reason));
    }
    let size = usize::try_from(size).map_err(|_| Errno::EINVAL)?;
    let devices = [Device::new("myipc0", size, arithmetic)?, Device::new("myipc1", size, arithmetic)?];
    procfs::add_source(REPORT, 0o444, Arc::new(counters::Report(devices.clone())))?;
    let nodes = [DeviceNode::new("myipc0", 0, 0o666), DeviceNode::new("myipc1", 1, 0o666)];
    let registered = super::register(Arc::new(Driver(devices.clone())), Major::Dynamic, 0..DEVICES, &nodes);
    let major = registered.inspect_err(|_| remove_report())?;
    Ok(Arc::new(Registered { major, devices }))
}

/// On the way out: that the report should be gone already keeps nobody from going on, and is told in the log.
fn remove_report() {
    if let Err(error) = procfs::remove(REPORT) {
        log::warn!("myipc: /proc/{REPORT} cannot be removed: {error}");
    }
}

impl Module for Registered {
    fn major(&self) -> Option<u32> {
        Some(self.major)
    }

    fn users(&self) -> usize {
        super::openings(self.major, 0)
    }

    fn memory_bytes(&self) -> Result<usize> {
        Ok(self.devices.iter().map(|device| device.memory_bytes()).sum())
    }

    fn exit(&self) -> Result<()> {
        super::unregister(self.major, 0)?;
        // Nobody opens a device any more. The devices go with this module and the last reader of its report.
        remove_report();
        Ok(())
    }
}
