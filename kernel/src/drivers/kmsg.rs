//! /dev/kmsg: the kernel's log. Reading gives it as text, from the oldest line kept, with an end; writing adds to it.
//!
//! Owns nothing; the log is `console`'s. Never sleeps but in user copies. Differs from Linux's, which gives records and waits.

use crate::console;
use crate::fs::file::{FileOps, Io, Seeking};
use crate::mm::user::{Sink, Source};
use postern_core::errno::{Errno, Result};

/// One opening of the log.
pub struct KernelLog;

impl FileOps for KernelLog {
    fn seeking(&self) -> Seeking {
        Seeking::Position
    }

    fn try_read(&self, io: &Io, sink: &mut Sink<'_>) -> Result<usize> {
        let offset = usize::try_from(io.offset.ok_or(Errno::ESPIPE)?).unwrap_or(usize::MAX);
        let log = console::log_contents();
        let rest = log.get(offset..).unwrap_or_default();
        if rest.is_empty() || sink.remaining() == 0 { Ok(0) } else { sink.copy_from_slice(rest) }
    }

    fn try_write(&self, _: &Io, source: &mut Source<'_>) -> Result<usize> {
        const LONGEST: usize = 1024;
        let mut line = [0; LONGEST];
        let taken = source.copy_to_slice(&mut line)?;
        console::append(&line[..taken]);
        if !line[..taken].ends_with(b"\n") {
            console::append(b"\n");
        }
        Ok(taken)
    }
}
