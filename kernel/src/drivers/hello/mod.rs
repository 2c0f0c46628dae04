//! `/dev/hello`: one device node, and behind it a ring for each control group and for each channel named in it.
//!
//! | file | owns | locks |
//! |---|---|---|
//! | `routing` | the tree of rings: who gets which | ROUTES |
//! | `instance` | one ring, its ends and its waiters | DRIVER, held over user copies |
//! | `sharing` | what becomes of an instance whose ring programs map | OBJECT |
//! | `mapped` | such a ring: its pages, the kernel's sides | MAPPED_RING, held over user copies |
//! | `idle` | how many pages closed rings keep | – |
//! | `binding` | which ring a file works on | BINDING |
//! | `file` | the open file: transfers, poll, ioctls | – |
//! | `switches` | the optimisations that are on | – |
//! | `module` | the module's parameters, loading and unloading | – |
//! | `counters` | what /proc/postern/hello tells | – |
//!
//! Opening sleeps until the other side comes, interruptibly. Specification: seed 001; fifo(7); docs/hello.md.

mod binding;
pub mod counters;
pub mod file;
mod fixed;
mod idle;
pub mod instance;
pub mod mapped;
mod module;
pub mod routing;
mod sharing;
pub mod switches;

use super::{CharDriver, OpenContext};
use crate::fs::file::FileOps;
use alloc::sync::Arc;
use file::HelloFile;
pub use module::MODULE;
use postern_core::channel::ChannelKey;
use postern_core::errno::{Errno, Result};

/// The driver.
struct Hello;

impl CharDriver for Hello {
    fn name(&self) -> &str {
        "hello"
    }

    fn open(&self, minor: u32, context: &OpenContext<'_>) -> Result<Arc<dyn FileOps>> {
        if minor != 0 {
            return Err(Errno::ENXIO);
        }
        Ok(Arc::new(HelloFile::open(ChannelKey::own(context.cgroup), context.access, context.flags)?))
    }
}
