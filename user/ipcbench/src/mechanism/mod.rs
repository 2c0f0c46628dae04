//! Ways of moving bytes between two processes, one file each.
//!
//! A new mechanism is a file here with a [`Mechanism`], and one line in `catalogue.rs` that says which
//! loads it carries. Loads know nothing of mechanisms, mechanisms nothing of loads. What has file
//! descriptors at both ends only has to make them: [`descriptor::DescriptorLink`] does the rest.

pub mod descriptor;
pub mod eventfd;
pub mod fifo;
pub mod futex;
pub mod hello;
pub mod hello_mmap;
pub mod hello_splice;
pub mod myipc;
pub mod pipe;
pub mod semaphore;
pub mod shared_memory;
pub mod unix_socket;

use std::io;

use crate::failure::Failure;

/// One process's end of a two-way connection. Both calls sleep as long as the mechanism makes them.
pub trait Link: 'static {
    /// Sends all of `message`.
    ///
    /// # Errors
    /// What the mechanism says; nothing is known then of how much was sent.
    fn send(&mut self, message: &[u8]) -> io::Result<()>;

    /// Fills all of `buffer` with what arrives next: messages are received in the sizes they were sent in.
    ///
    /// # Errors
    /// `UnexpectedEof` when the peer is gone, `InvalidData` for a message of another size.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<()>;
}

/// A way of moving bytes between two processes.
pub trait Mechanism: 'static {
    /// One end.
    type Link: Link;

    /// The first part of its benchmarks' names.
    fn name(&self) -> &'static str;

    /// What it is, for `--list`.
    fn summary(&self) -> &'static str;

    /// Whether this system has it at all.
    ///
    /// # Errors
    /// An absence, or what went wrong in finding out.
    fn availability(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// Whether it carries messages of `message_bytes`.
    ///
    /// # Errors
    /// An absence if it does not, or what went wrong in finding out.
    fn admits(&self, _message_bytes: usize) -> Result<(), Failure> {
        Ok(())
    }

    /// Two ends joined to each other, for messages of `message_bytes`. Called before the fork that gives each
    /// process one of them; dropping an end tells the other, where the mechanism can.
    ///
    /// # Errors
    /// What the system says.
    fn connect(&self, message_bytes: usize) -> io::Result<(Self::Link, Self::Link)>;

    /// After how many messages of `message_bytes` every buffer has been used, and page faults are over.
    fn warm_up_messages(&self, _message_bytes: usize) -> u64 {
        100
    }
}
