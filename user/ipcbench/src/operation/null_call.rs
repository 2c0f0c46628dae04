//! The null call: `getppid(2)`, entry and exit and next to nothing between. Never sleeps.

use std::io;

use super::Solo;
use crate::benchmark::Amount;
use crate::measure::Subject;
use crate::system::raw::parent_process_id;

/// The benchmark. By number, not through libc: see `system/raw.rs`.
pub const NULL_CALL: Solo<NullCall> = Solo {
    name: ("syscall", "null"),
    summary: "getppid(2), straight into the kernel",
    amount: Amount::Operations(100_000, 5_000),
    subject: || Ok(NullCall { parent: parent_process_id() }),
};

/// Its subject.
pub struct NullCall {
    parent: isize,
}

impl Subject for NullCall {
    #[inline]
    fn operate(&mut self, _sequence: u64) -> io::Result<()> {
        if parent_process_id() == self.parent { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }
}
