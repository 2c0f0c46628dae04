//! Pseudo-terminals: /dev/ptmx makes a pair, whose terminal appears in /dev/pts.
//!
//! Owns the register of the terminals whose master is open. Lock: PTYS (spin), over looks at the terminals' lines. Sleeps only in
//! allocation. Specification: pty(7), pts(4), ioctl_tty(2); pty.c of Linux.
//!
//! | file | owns |
//! |---|---|
//! | `link` | what lies between the sides: the terminal's port |
//! | `master` | the master's open file |
//! | `numbers` | which numbers are in use |

mod link;
mod master;
mod numbers;

use super::Terminal;
use crate::drivers::{CharDriver, DeviceNode, Major, OpenContext};
use crate::fs::attributes::Owner;
use crate::fs::dentry::Location;
use crate::fs::devpts;
use crate::fs::file::FileOps;
use crate::fs::procfs::text::put;
use crate::fs::procfs::{self, tunables};
use crate::sync::{SpinLock, rank};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::any::Any;
use link::Link;
use master::Master;
use numbers::Number;
use postern_core::errno::{Errno, Result};

/// Both sides, while the master is open.
#[derive(Clone)]
struct Pair {
    terminal: Arc<Terminal>,
    link: Arc<Link>,
}

static PAIRS: SpinLock<BTreeMap<u32, Pair>> = SpinLock::new(rank::PTYS, BTreeMap::new());

/// Registers the devices. Once, at boot.
///
/// # Errors
/// EBUSY, EEXIST the second time.
pub(super) fn register() -> Result<()> {
    numbers::init()?;
    let (major, minor) = (devpts::PTMX.major, devpts::PTMX.minor);
    let node = DeviceNode::new("ptmx", minor, 0o666);
    crate::drivers::register(Arc::new(Ptmx), Major::Fixed(major), minor..minor + 1, &[node])?;
    crate::drivers::register(Arc::new(Slaves), Major::Fixed(devpts::SLAVE_MAJOR), 0..1 << 20, &[])?;
    tunables::add("kernel/pty/max", &numbers::MAX)?;
    procfs::add_text("sys/kernel/pty/nr", |text| {
        put!(text, "{}\n", numbers::in_use());
        Ok(())
    })
}

/// The first terminal of a pair that is wanted.
pub(super) fn find(is_wanted: impl Fn(&Terminal) -> bool) -> Option<Arc<Terminal>> {
    PAIRS.lock().values().find(|pair| is_wanted(&pair.terminal)).map(|pair| pair.terminal.clone())
}

/// The master of this number is closed.
fn forget(number: u32) {
    let pair = PAIRS.lock().remove(&number);
    // Outside the lock: it may be the last reference.
    drop(pair);
}

/// /dev/ptmx
struct Ptmx;

impl CharDriver for Ptmx {
    fn name(&self) -> &str {
        "/dev/ptmx"
    }

    fn open(&self, _: u32, context: &OpenContext<'_>) -> Result<Arc<dyn FileOps>> {
        let link = Link::try_new(Number::lowest()?)?;
        let number = link.number();
        let terminal = Terminal::try_new(link.clone())?;
        let master = Master::try_new(terminal.clone(), link.clone())?;
        PAIRS.lock().insert(number, Pair { terminal, link });
        devpts::add(number, Owner { uid: context.credentials.fsuid, gid: context.credentials.fsgid });
        Ok(Arc::new(master))
    }
}

/// /dev/pts/N
struct Slaves;

impl CharDriver for Slaves {
    fn name(&self) -> &str {
        "pts"
    }

    fn open(&self, minor: u32, context: &OpenContext<'_>) -> Result<Arc<dyn FileOps>> {
        let Pair { terminal, link } = PAIRS.lock().get(&minor).cloned().ok_or(Errno::EIO)?;
        link.check_opening()?;
        let file = terminal.open(context.credentials)?;
        // A master that is closed between the two is seen here, or cuts the file off.
        link.check_opening()?;
        terminal.adopt_by_opening(context);
        Ok(file)
    }
}

/// Where the terminal of a master is in the tree (TIOCGPTPEER).
///
/// # Errors
/// EIO if `ops` is no master, and for a terminal that may not be opened; ENODEV if devpts is not mounted.
pub fn peer(ops: &Arc<dyn FileOps>) -> Result<Location> {
    let any: &dyn Any = &**ops;
    let master = any.downcast_ref::<Master>().ok_or(Errno::EIO)?;
    master.check_opening()?;
    devpts::place(master.number())
}
