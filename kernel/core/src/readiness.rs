//! Readiness: what `poll` may report of a file.
//!
//! A value, nothing more. The bits are Linux's `POLL*` (poll.h), which `epoll` shares; taken from the bindings crate.

use linux_raw_sys::general as poll;

bitflags::bitflags! {
    /// A set of `POLL*` events.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Readiness: u32 {
        /// Data, or an end of file, can be read without waiting.
        const IN = poll::POLLIN;
        /// An exceptional condition.
        const PRI = poll::POLLPRI;
        /// At least a little can be written without waiting.
        const OUT = poll::POLLOUT;
        /// An error; for a pipe's write end: no reader is left. Reported whether asked for or not.
        const ERR = poll::POLLERR;
        /// The other side is gone. Reported whether asked for or not.
        const HUP = poll::POLLHUP;
        /// No such descriptor. Reported whether asked for or not.
        const NVAL = poll::POLLNVAL;
        /// Ordinary data can be read.
        const RDNORM = poll::POLLRDNORM;
        /// Priority data can be read.
        const RDBAND = poll::POLLRDBAND;
        /// Ordinary data can be written.
        const WRNORM = poll::POLLWRNORM;
        /// Priority data can be written.
        const WRBAND = poll::POLLWRBAND;
        /// The other side sends no more.
        const RDHUP = poll::POLLRDHUP;

        /// What every readable file reports.
        const READABLE = poll::POLLIN | poll::POLLRDNORM;
        /// What every writable file reports.
        const WRITABLE = poll::POLLOUT | poll::POLLWRNORM;
        /// What is reported whether asked for or not.
        const ALWAYS = poll::POLLERR | poll::POLLHUP | poll::POLLNVAL;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_are_those_of_the_generic_abi() {
        assert_eq!(Readiness::READABLE.bits(), 0x041);
        assert_eq!(Readiness::WRITABLE.bits(), 0x104);
        assert_eq!(Readiness::ALWAYS.bits(), 0x038);
        assert_eq!(Readiness::RDHUP.bits(), 0x2000);
    }
}
