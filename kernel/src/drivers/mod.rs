//! Drivers, and the character-device table: which driver serves which device numbers.
//!
//! Owns the table. Lock: CHAR_TABLE (spin) around it; none while a driver opens, which may sleep. A driver knows no processes:
//! who opens it comes in [`OpenContext`]. Its nodes appear in devtmpfs when it is registered.
//! Specification: Linux's fs/char_dev.c and Documentation/admin-guide/devices.txt; mknod(2).

pub mod console;
pub mod hello;
pub mod kmsg;
pub mod mailbox;
pub mod memory;
pub mod module;
pub mod myipc;
pub mod pl011;
pub mod rtc;
mod trace;
pub mod tty;

use crate::fs::attributes::DeviceNumber;
use crate::fs::devfs;
use crate::fs::file::FileOps;
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::inode::Node;
use crate::fs::procfs;
use crate::fs::procfs::text::{Text, put};
use crate::fs::special::{self, OpenRequest, Openable, Opened};
use crate::process::Credentials;
use crate::sync::{SpinLock, rank};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use postern_core::errno::{Errno, Result};
use postern_sync::Uses;

/// Who opens a device, and how.
pub struct OpenContext<'a> {
    /// The control group of the opener; the root group's is 1. It may be removed at any time: `process::cgroup` says how a
    /// driver keeps something for each group.
    pub cgroup: u64,
    /// For reading, for writing.
    pub access: AccessMode,
    /// The other flags of open(2).
    pub flags: OpenFlags,
    /// The opener's credentials. The node's permissions have been checked.
    pub credentials: &'a Credentials,
}

/// A driver of character devices.
pub trait CharDriver: Send + Sync {
    /// Its name in /proc/devices.
    fn name(&self) -> &str;

    /// Opens one of its devices. May sleep.
    ///
    /// # Errors
    /// ENXIO for a minor it does not know; whatever open(2) should say.
    fn open(&self, minor: u32, context: &OpenContext<'_>) -> Result<Arc<dyn FileOps>>;
}

/// Where a driver's major number comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Major {
    /// Any free one, from 254 down.
    Dynamic,
    /// This one, by devices.txt.
    Fixed(u32),
}

/// A device node to appear in devtmpfs.
pub struct DeviceNode {
    /// Its path below /dev.
    pub name: String,
    /// Which device.
    pub minor: u32,
    /// Permissions.
    pub permissions: u32,
}

impl DeviceNode {
    /// A node.
    pub fn new(name: &str, minor: u32, permissions: u32) -> Self {
        Self { name: name.into(), minor, permissions }
    }
}

struct Region {
    major: u32,
    minors: Range<u32>,
    driver: Arc<dyn CharDriver>,
    /// Open file descriptions of its devices.
    openings: Arc<Uses>,
    nodes: Vec<String>,
}

impl Region {
    fn overlaps(&self, major: u32, minors: &Range<u32>) -> bool {
        self.major == major && self.minors.start < minors.end && minors.start < self.minors.end
    }
}

static TABLE: SpinLock<Vec<Region>> = SpinLock::new(rank::CHAR_TABLE, Vec::new());

/// Registers the drivers which need nothing but memory, and the table itself with open(2). Once, at boot, after `fs::init`.
///
/// # Errors
/// EBUSY, EEXIST the second time.
pub fn init() -> Result<()> {
    special::set_char_device_opener(&TableOpener);
    procfs::add_text("devices", show_devices)?;
    memory::register()?;
    trace::register()?;
    tty::register()?;
    module::init()
}

/// A device interrupts: the UART, which is the only one that may.
pub fn on_interrupt(_intid: u32) {
    console::on_interrupt();
}

/// Registers `driver` for `minors` of a major number, and enters `nodes`. The major number.
///
/// # Errors
/// EBUSY if a number is taken, a driver of that name has some of these minors, or no major number is left; EINVAL for
/// numbers out of range; EEXIST if /dev has a node of that name.
pub fn register(driver: Arc<dyn CharDriver>, major: Major, minors: Range<u32>, nodes: &[DeviceNode]) -> Result<u32> {
    let valid = !minors.is_empty() && minors.end - 1 <= DeviceNumber::MAX_MINOR;
    if !valid || nodes.iter().any(|node| !minors.contains(&node.minor)) {
        return Err(Errno::EINVAL);
    }
    let first = minors.start;
    let names = nodes.iter().map(|node| node.name.clone()).collect();
    let region = Region { major: 0, minors, driver, openings: Arc::new(Uses::none()), nodes: names };
    let major = enter(region, major)?;
    for (entered, node) in nodes.iter().enumerate() {
        let added = devfs::add(&node.name, DeviceNumber::new(major, node.minor), node.permissions);
        if let Err(error) = added {
            // The nodes made so far are this driver's; others of these names are not.
            if let Some(region) = take(major, first) {
                log::info!("{}: /dev/{} cannot be made: {error}", region.driver.name(), node.name);
                remove_nodes(&region.nodes[..entered]);
            }
            return Err(error);
        }
    }
    Ok(major)
}

/// Enters a region under a free major number.
fn enter(mut region: Region, major: Major) -> Result<u32> {
    let mut table = TABLE.lock();
    region.major = match major {
        Major::Fixed(major) if major > DeviceNumber::MAX_MAJOR => return Err(Errno::EINVAL),
        Major::Fixed(major) => major,
        Major::Dynamic => {
            let same_name = |known: &Region| known.driver.name() == region.driver.name();
            if table.iter().any(|known| same_name(known) && known.overlaps(known.major, &region.minors)) {
                return Err(Errno::EBUSY);
            }
            free_major(&table)?
        }
    };
    if table.iter().any(|known| known.overlaps(region.major, &region.minors)) {
        return Err(Errno::EBUSY);
    }
    let major = region.major;
    table.push(region);
    Ok(major)
}

/// The ranges Linux gives dynamic numbers from, each from its end down.
fn free_major(table: &[Region]) -> Result<u32> {
    let mut candidates = (234..=254).rev().chain((384..=511).rev());
    candidates.find(|&major| table.iter().all(|known| known.major != major)).ok_or(Errno::EBUSY)
}

fn take(major: u32, first_minor: u32) -> Option<Region> {
    let mut table = TABLE.lock();
    let index = table.iter().position(|known| known.major == major && known.minors.start == first_minor)?;
    Some(table.swap_remove(index))
}

fn remove_nodes(names: &[String]) {
    for name in names {
        // A program may have removed the node already: then it is gone, as it should be.
        let _ = devfs::remove(name);
    }
}

/// Takes back a registration: the one of `major` whose minors start at `first_minor`.
///
/// # Errors
/// ENOENT; EBUSY while one of its devices is open.
pub fn unregister(major: u32, first_minor: u32) -> Result<()> {
    let mut table = TABLE.lock();
    let found = table.iter().position(|known| known.major == major && known.minors.start == first_minor);
    let index = found.ok_or(Errno::ENOENT)?;
    // Openings are counted with the table locked.
    if table[index].openings.count() != 0 {
        return Err(Errno::EBUSY);
    }
    let region = table.swap_remove(index);
    drop(table);
    remove_nodes(&region.nodes);
    Ok(())
}

/// How many open file descriptions, and mappings of such, the registration of `major` that starts at `first_minor` has.
pub fn openings(major: u32, first_minor: u32) -> usize {
    let table = TABLE.lock();
    let found = table.iter().find(|known| known.major == major && known.minors.start == first_minor);
    found.map_or(0, |region| region.openings.count())
}

/// Counts an opening for as long as it lives.
struct Opening(Arc<Uses>);

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The driver of a device, with an opening counted.
fn find(device: DeviceNumber) -> Result<(Arc<dyn CharDriver>, Opening)> {
    let table = TABLE.lock();
    let region = table
        .iter()
        .find(|known| known.major == device.major && known.minors.contains(&device.minor))
        .ok_or(Errno::ENXIO)?;
    region.openings.begin();
    Ok((region.driver.clone(), Opening(region.openings.clone())))
}

/// What open(2) finds behind character devices.
struct TableOpener;

impl Openable for TableOpener {
    fn open(&self, request: &OpenRequest<'_>) -> Result<Opened> {
        let Node::CharDevice(device) = *request.location.inode().node() else {
            return Err(Errno::ENXIO);
        };
        let (driver, opening) = find(device)?;
        let context = OpenContext {
            cgroup: request.cgroup,
            access: request.access,
            flags: request.flags,
            credentials: request.credentials,
        };
        let ops = driver.open(device.minor, &context)?;
        Ok(Opened { ops, hold: Some(Arc::new(opening)) })
    }
}

/// /proc/devices
fn show_devices(text: &mut Text) -> Result<()> {
    let table = TABLE.lock();
    let mut lines: Vec<(u32, Arc<dyn CharDriver>)> =
        table.iter().map(|region| (region.major, region.driver.clone())).collect();
    drop(table);
    lines.sort_by(|one, other| (one.0, one.1.name()).cmp(&(other.0, other.1.name())));
    lines.dedup_by(|one, other| (one.0, one.1.name()) == (other.0, other.1.name()));
    text.push(b"Character devices:\n");
    for (major, driver) in lines {
        put!(text, "{major:3} {}\n", driver.name());
    }
    text.push(b"\nBlock devices:\n");
    Ok(())
}
