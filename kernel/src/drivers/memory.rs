//! The devices of major number 1: null, zero, full, random, urandom, kmsg.
//!
//! Own nothing; no locks of their own; never sleep but in user copies. Specification: null(4), full(4), random(4).

use super::kmsg::KernelLog;
use super::{CharDriver, DeviceNode, Major, OpenContext};
use crate::arch::mmu::PAGE_SIZE;
use crate::fs::file::{FileOps, Io, MapRequest, Seeking};
use crate::fs::page_file::zero_page;
use crate::fs::splice::Batch;
use crate::mm::shared::SharedPages;
use crate::mm::user::{Sink, Source};
use crate::mm::{Frame, PageSource};
use crate::random;
use crate::sched;
use crate::sync::{Kernel, Platform};
use alloc::sync::Arc;
use postern_core::errno::{Errno, Result};
use postern_core::page_ring::{Hold, Offer, Piece};

/// Linux's major number of memory devices.
const MAJOR: u32 = 1;
const NULL: u32 = 3;
const ZERO: u32 = 5;
const FULL: u32 = 7;
const RANDOM: u32 = 8;
const URANDOM: u32 = 9;
const KMSG: u32 = 11;

/// Registers them.
///
/// # Errors
/// EBUSY, EEXIST.
pub(super) fn register() -> Result<()> {
    let nodes = [
        DeviceNode::new("null", NULL, 0o666),
        DeviceNode::new("zero", ZERO, 0o666),
        DeviceNode::new("full", FULL, 0o666),
        DeviceNode::new("random", RANDOM, 0o666),
        DeviceNode::new("urandom", URANDOM, 0o666),
        DeviceNode::new("kmsg", KMSG, 0o644),
    ];
    super::register(Arc::new(Memory), Major::Fixed(MAJOR), 0..256, &nodes).map(drop)
}

struct Memory;

impl CharDriver for Memory {
    fn name(&self) -> &str {
        "mem"
    }

    fn open(&self, minor: u32, _: &OpenContext<'_>) -> Result<Arc<dyn FileOps>> {
        match minor {
            NULL => Ok(Arc::new(Null)),
            ZERO => Ok(Arc::new(Zero)),
            FULL => Ok(Arc::new(Full)),
            RANDOM | URANDOM => Ok(Arc::new(Random)),
            KMSG => Ok(Arc::new(KernelLog)),
            _ => Err(Errno::ENXIO),
        }
    }
}

/// Always at its end; takes everything.
struct Null;

impl FileOps for Null {
    fn seeking(&self) -> Seeking {
        Seeking::Ignored
    }

    fn try_read(&self, _: &Io, _: &mut Sink<'_>) -> Result<usize> {
        Ok(0)
    }

    fn try_write(&self, _: &Io, source: &mut Source<'_>) -> Result<usize> {
        Ok(source.remaining())
    }

    fn has_pages(&self) -> bool {
        true
    }

    /// As on Linux, which has nothing to give there.
    fn try_splice_out(&self, _: &Io, _: usize, _: &mut Batch) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    /// Takes the page as well, if it can.
    fn try_splice_in(&self, _: &Io, offer: &mut Offer<'_, Frame>) -> Result<usize> {
        let bytes = offer.range().len();
        drop(offer.take_page());
        Ok(bytes)
    }
}

/// Moves parts to `sink` until it is full or the caller has a signal to handle; others run in between.
fn read_parts(sink: &mut Sink<'_>, mut part: impl FnMut(&mut Sink<'_>) -> Result<usize>) -> Result<usize> {
    let mut moved = 0;
    while sink.remaining() > 0 {
        match part(sink) {
            Ok(bytes) => moved += bytes,
            Err(error) if moved == 0 => return Err(error),
            Err(_) => break,
        }
        sched::preemption_point();
        if Kernel::interrupted() {
            break;
        }
    }
    Ok(moved)
}

fn read_zeroes(sink: &mut Sink<'_>) -> Result<usize> {
    const PART: usize = 16 * PAGE_SIZE;
    read_parts(sink, |sink| sink.clear(PART))
}

/// Zeroes without end; takes everything.
struct Zero;

impl FileOps for Zero {
    fn seeking(&self) -> Seeking {
        Seeking::Ignored
    }

    fn try_read(&self, _: &Io, sink: &mut Sink<'_>) -> Result<usize> {
        read_zeroes(sink)
    }

    fn has_pages(&self) -> bool {
        true
    }

    /// The same page of zeroes, as often as wanted.
    fn try_splice_out(&self, _: &Io, length: usize, batch: &mut Batch) -> Result<usize> {
        let zeroes = zero_page()?;
        let mut bytes = 0;
        while bytes < length && !batch.is_full() {
            let part = PAGE_SIZE.min(length - bytes);
            batch.push(Piece::new(zeroes.clone(), 0..part, Hold::Shared));
            bytes += part;
        }
        Ok(bytes)
    }

    fn try_write(&self, _: &Io, source: &mut Source<'_>) -> Result<usize> {
        Ok(source.remaining())
    }

    /// Memory of its own for each mapping, as if it were anonymous.
    fn map(self: Arc<Self>, request: &MapRequest) -> Result<Arc<dyn PageSource>> {
        let end = usize::try_from(request.offset).ok().and_then(|offset| offset.checked_add(request.length));
        Ok(SharedPages::new(end.ok_or(Errno::EOVERFLOW)?.div_ceil(PAGE_SIZE)))
    }
}

/// Zeroes without end; never room.
struct Full;

impl FileOps for Full {
    fn seeking(&self) -> Seeking {
        Seeking::Ignored
    }

    fn try_read(&self, _: &Io, sink: &mut Sink<'_>) -> Result<usize> {
        read_zeroes(sink)
    }

    fn try_write(&self, _: &Io, _: &mut Source<'_>) -> Result<usize> {
        Err(Errno::ENOSPC)
    }
}

/// Random bytes without end; what is written is taken and not used.
struct Random;

impl FileOps for Random {
    fn seeking(&self) -> Seeking {
        Seeking::Ignored
    }

    fn try_read(&self, _: &Io, sink: &mut Sink<'_>) -> Result<usize> {
        const PART: usize = 256;
        read_parts(sink, |sink| sink.copy_from_slice(&random::bytes::<PART>()))
    }

    fn try_write(&self, _: &Io, source: &mut Source<'_>) -> Result<usize> {
        Ok(source.remaining())
    }
}
