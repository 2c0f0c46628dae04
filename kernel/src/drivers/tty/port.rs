//! What is behind a terminal: the console's UART, or the master of a pseudo-terminal.
//!
//! Owns nothing. Never sleeps.

use crate::fs::attributes::DeviceNumber;
use alloc::sync::Arc;
use arrayvec::ArrayVec;

/// Where a terminal's bytes come from and go to. Nothing here sleeps; all of it may be called from interrupt handlers and under
/// spin locks, up to a terminal's line.
pub trait Port: Send + Sync {
    /// The number of the terminal's device.
    fn device(&self) -> DeviceNumber;

    /// Sends bytes: as many as there is room for, and the echo of what was typed.
    fn send(&self, bytes: &[u8]);

    /// How many bytes a program may send now. Output that waits goes on by `Terminal::wake_writers`.
    fn room(&self) -> usize {
        usize::MAX
    }

    /// Stops asking for what is received: there is no room for it.
    fn pause_input(&self);

    /// Takes that back.
    fn resume_input(&self);

    /// Whether the end of a session's leader cuts off everybody who has the terminal open.
    fn hangs_up_with_leader(&self) -> bool {
        true
    }

    /// Somebody has opened the terminal.
    fn opened(&self) {}

    /// An open file of the terminal is gone.
    fn closed(&self) {}

    /// Something has happened that the other side may want to know.
    fn notice(&self, notice: Notice) {
        let _ = notice;
    }
}

/// What the other side of a terminal may want to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// What was typed is forgotten.
    InputFlushed,
    /// Output that still waits is to be dropped.
    OutputFlushed,
    /// Output is held.
    Stopped,
    /// Output goes on.
    Started,
    /// From now on ^S and ^Q, as keys, hold the output.
    FlowControlByKeys,
    /// From now on they do not.
    NoFlowControl,
}

/// Echo on its way, a few bytes at a time, under the line lock.
pub(super) struct Echo<'a> {
    port: &'a Arc<dyn Port>,
    bytes: ArrayVec<u8, 64>,
}

impl<'a> Echo<'a> {
    pub fn new(port: &'a Arc<dyn Port>) -> Self {
        Self { port, bytes: ArrayVec::new() }
    }

    pub fn push(&mut self, byte: u8) {
        if self.bytes.is_full() {
            self.send();
        }
        self.bytes.push(byte);
    }

    fn send(&mut self) {
        self.port.send(&self.bytes);
        self.bytes.clear();
    }
}

impl Drop for Echo<'_> {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.send();
        }
    }
}
