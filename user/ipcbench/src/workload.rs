//! Loads on a connection, for any mechanism: what the process that measures does, what its peer does,
//! and what both must have received. Sleeps where the link does.

use std::io;

use crate::failure::Failure;
use crate::measure::{Schedule, Subject, measure};
use crate::mechanism::Link;
use crate::payload::{Checksum, pattern, stamp};
use crate::supervise::Report;

/// Who sends what to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One process sends a message to itself and receives it.
    OneProcess,
    /// A message to the other process, and the same message back.
    RoundTrip,
    /// Message after message to the other process, which answers once, after the last of a pass.
    OneWay,
}

/// The measuring process of a [`Shape::OneProcess`] load.
///
/// # Errors
/// The link's.
pub fn one_process<L: Link>((out, back): (L, L), schedule: Schedule, size: usize) -> Result<Report, Failure> {
    let mut exchange = Exchange::new(out, size);
    let mut back = back;
    let mut subject = OneProcess { exchange: &mut exchange, back: &mut back };
    let measurement = measure(schedule, &mut subject)?;
    Ok(Report { measurement: Some(measurement), checksum: Some(exchange.sum.value()), ..Report::default() })
}

/// The measuring process of a [`Shape::RoundTrip`] load.
///
/// # Errors
/// The link's.
pub fn round_trip<L: Link>(link: L, schedule: Schedule, size: usize) -> Result<Report, Failure> {
    let mut exchange = Exchange::new(link, size);
    let measurement = measure(schedule, &mut RoundTrip(&mut exchange))?;
    Ok(Report { measurement: Some(measurement), checksum: Some(exchange.sum.value()), ..Report::default() })
}

/// The peer of [`round_trip`]: sends back what it receives.
///
/// # Errors
/// The link's.
pub fn echo<L: Link>(link: L, schedule: Schedule, size: usize) -> Result<Report, Failure> {
    let mut exchange = Exchange::new(link, size);
    for _ in schedule.warm_up() {
        exchange.receive()?;
        exchange.sum.add_all(&exchange.arrived);
        exchange.link.send(&exchange.arrived)?;
    }
    for _ in schedule.timed() {
        exchange.receive()?;
        exchange.sum.add_stamps(&exchange.arrived);
        exchange.link.send(&exchange.arrived)?;
    }
    Ok(exchange.receipt())
}

/// The measuring process of a [`Shape::OneWay`] load: the sender.
///
/// # Errors
/// The link's.
pub fn source<L: Link>(link: L, schedule: Schedule, size: usize) -> Result<Report, Failure> {
    let mut exchange = Exchange::new(link, size);
    let measurement = measure(schedule, &mut OneWay(&mut exchange))?;
    Ok(Report { measurement: Some(measurement), checksum: None, ..Report::default() })
}

/// The peer of [`source`]: receives each pass and answers it with one byte.
///
/// # Errors
/// The link's.
pub fn sink<L: Link>(link: L, schedule: Schedule, size: usize) -> Result<Report, Failure> {
    let mut exchange = Exchange::new(link, size);
    for _ in schedule.warm_up() {
        exchange.receive()?;
        exchange.sum.add_all(&exchange.arrived);
    }
    exchange.link.send(&[ANSWER])?;
    for pass in [schedule.bulk(), schedule.samples()] {
        for _ in pass {
            exchange.receive()?;
            exchange.sum.add_stamps(&exchange.arrived);
        }
        exchange.link.send(&[ANSWER])?;
    }
    Ok(exchange.receipt())
}

/// What a sink says when a pass has arrived.
const ANSWER: u8 = 0x06;

/// A link with its buffers, and the sum over what came through it.
struct Exchange<L> {
    link: L,
    departing: Vec<u8>,
    arrived: Vec<u8>,
    sum: Checksum,
}

impl<L: Link> Exchange<L> {
    fn new(link: L, size: usize) -> Self {
        // Ones, not zeroes: the buffer's pages are there before anything is timed.
        Self { link, departing: pattern(size), arrived: vec![1; size], sum: Checksum::new() }
    }

    #[inline]
    fn send(&mut self, sequence: u64) -> io::Result<()> {
        stamp(&mut self.departing, sequence);
        self.link.send(&self.departing)
    }

    #[inline]
    fn receive(&mut self) -> io::Result<()> {
        self.link.receive(&mut self.arrived)
    }

    fn receipt(self) -> Report {
        Report { measurement: None, checksum: Some(self.sum.value()), ..Report::default() }
    }
}

struct OneProcess<'a, L> {
    exchange: &'a mut Exchange<L>,
    back: &'a mut L,
}

impl<L: Link> Subject for OneProcess<'_, L> {
    #[inline]
    fn operate(&mut self, sequence: u64) -> io::Result<()> {
        self.exchange.send(sequence)?;
        self.back.receive(&mut self.exchange.arrived)?;
        self.exchange.sum.add_stamps(&self.exchange.arrived);
        Ok(())
    }

    fn check(&mut self, sequence: u64) -> io::Result<()> {
        self.exchange.send(sequence)?;
        self.back.receive(&mut self.exchange.arrived)?;
        self.exchange.sum.add_all(&self.exchange.arrived);
        Ok(())
    }
}

struct RoundTrip<'a, L>(&'a mut Exchange<L>);

impl<L: Link> Subject for RoundTrip<'_, L> {
    #[inline]
    fn operate(&mut self, sequence: u64) -> io::Result<()> {
        self.0.send(sequence)?;
        self.0.receive()?;
        self.0.sum.add_stamps(&self.0.arrived);
        Ok(())
    }

    fn check(&mut self, sequence: u64) -> io::Result<()> {
        self.0.send(sequence)?;
        self.0.receive()?;
        self.0.sum.add_all(&self.0.arrived);
        Ok(())
    }
}

struct OneWay<'a, L>(&'a mut Exchange<L>);

impl<L: Link> Subject for OneWay<'_, L> {
    #[inline]
    fn operate(&mut self, sequence: u64) -> io::Result<()> {
        self.0.send(sequence)
    }

    fn settle(&mut self) -> io::Result<()> {
        let mut answer = [0];
        self.0.link.receive(&mut answer)?;
        if answer == [ANSWER] { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }
}
