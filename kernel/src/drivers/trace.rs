//! /dev/trace: what the kernel's trace points tell, as records (`postern_abi::trace`). For root alone, and one at a time.
//!
//! Owns nothing; the recording is `trace`'s. Locks and sleeps: its. A write of `1` begins, of `0` ends recording, and so does the
//! last close; a read gives the header and then whole records, and 0 when nothing is there now.

use super::{CharDriver, DeviceNode, Major, OpenContext};
use crate::fs::file::{FileOps, Io};
use crate::fs::flags::OpenFlags;
use crate::mm::user::{Sink, Source};
use crate::trace::Recording;
use alloc::sync::Arc;
use postern_abi::trace::{RECORD_BYTES, START, STOP};
use postern_core::errno::{Errno, Result};

/// Registers it.
///
/// # Errors
/// EBUSY, EEXIST.
pub(super) fn register() -> Result<()> {
    let node = DeviceNode::new("trace", 0, 0o600);
    super::register(Arc::new(Trace), Major::Dynamic, 0..1, &[node]).map(drop)
}

struct Trace;

impl CharDriver for Trace {
    fn name(&self) -> &str {
        "trace"
    }

    /// EPERM unless privileged, whatever the node's permissions have become: a recording tells of all processes. EBUSY.
    fn open(&self, _: u32, context: &OpenContext<'_>) -> Result<Arc<dyn FileOps>> {
        if !context.credentials.is_privileged() {
            return Err(Errno::EPERM);
        }
        Ok(Arc::new(Opened(Recording::take()?)))
    }
}

struct Opened(Recording);

impl FileOps for Opened {
    fn try_read(&self, _: &Io, sink: &mut Sink<'_>) -> Result<usize> {
        if sink.remaining() == 0 {
            return Ok(0);
        }
        self.0.read(sink.remaining(), |record| match sink.copy_from_slice(record)? {
            RECORD_BYTES => Ok(()),
            _ => Err(Errno::EFAULT),
        })
    }

    fn try_write(&self, _: &Io, source: &mut Source<'_>) -> Result<usize> {
        let mut command = [0; 2];
        let taken = source.copy_to_slice(&mut command)?;
        match command[..taken] {
            [START] | [START, b'\n'] => self.0.start()?,
            [STOP] | [STOP, b'\n'] => self.0.stop(),
            _ => return Err(Errno::EINVAL),
        }
        Ok(taken)
    }

    fn released(&self, _: OpenFlags) {
        self.0.stop();
    }
}
