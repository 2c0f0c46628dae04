//! Every benchmark there is: the loads, and which mechanism carries which. Pure values.

use crate::benchmark::{Amount, Benchmark, Carry, Load};
use crate::mechanism::Mechanism;
use crate::mechanism::eventfd::EventFd;
use crate::mechanism::fifo::Fifo;
use crate::mechanism::futex::Futex;
use crate::mechanism::hello::Hello;
use crate::mechanism::hello_mmap::HelloMmap;
use crate::mechanism::hello_splice::HelloSplice;
use crate::mechanism::myipc::MyIpc;
use crate::mechanism::pipe::Pipe;
use crate::mechanism::shared_memory;
use crate::mechanism::unix_socket;
use crate::operation::calibration::{CLOCK, LOOP};
use crate::operation::fork::FORK_EXIT_WAIT;
use crate::operation::null_call::NULL_CALL;
use crate::operation::yielding::Yielding;
use crate::workload::Shape;

/// Most bytes a message may have.
pub const SIZE_LIMIT: usize = 16 << 20;

/// Most bytes one process may send to itself before it receives them: all mechanisms hold as much.
const OWN_SIZE_LIMIT: usize = 4096;

/// A load in numbers.
pub const fn load(name: &'static str, shape: Shape, size: usize, amount: Amount) -> Load {
    Load { name, shape, size, amount }
}

const ROUND_TRIPS: Amount = Amount::Operations(10_000, 1_000);
const OWN_MESSAGES: Amount = Amount::Operations(50_000, 2_000);
const CHUNKS: Amount = Amount::Bytes(64 << 20, 1 << 20);
const MESSAGES: Amount = Amount::Operations(100_000, 2_000);

/// For mechanisms that hand over one byte at a time.
const TOKEN_LOADS: &[Load] =
    &[load("write-read", Shape::OneProcess, 1, OWN_MESSAGES), load("latency", Shape::RoundTrip, 1, ROUND_TRIPS)];

/// For mechanisms that carry any number of bytes.
const BYTE_LOADS: &[Load] = &[
    load("write-read", Shape::OneProcess, 1, OWN_MESSAGES),
    load("latency", Shape::RoundTrip, 1, ROUND_TRIPS),
    load("latency", Shape::RoundTrip, 4096, ROUND_TRIPS),
    load("messages", Shape::OneWay, 64, MESSAGES),
    load("messages", Shape::OneWay, 256, MESSAGES),
    load("messages", Shape::OneWay, 1024, MESSAGES),
    load("chunks", Shape::OneWay, 512, CHUNKS),
    load("chunks", Shape::OneWay, 4096, CHUNKS),
    load("chunks", Shape::OneWay, 65536, CHUNKS),
];

/// All benchmarks, in the order they run in. With `size`, byte loads have messages of that size only.
pub fn catalogue(size: Option<usize>) -> Vec<Box<dyn Benchmark>> {
    let byte_loads = size.map_or_else(|| BYTE_LOADS.to_vec(), resized);
    let mut all: Vec<Box<dyn Benchmark>> =
        vec![Box::new(LOOP), Box::new(CLOCK), Box::new(NULL_CALL), Box::new(Yielding), Box::new(FORK_EXIT_WAIT)];
    all.extend(carried(|| Futex, TOKEN_LOADS));
    all.extend(carried(|| EventFd, TOKEN_LOADS));
    all.extend(of_bytes(&byte_loads));
    all
}

/// Every mechanism that carries any number of bytes, under each of `loads`.
pub fn of_bytes(loads: &[Load]) -> Vec<Box<dyn Benchmark>> {
    let mut all = Vec::new();
    all.extend(carried(|| Pipe, loads));
    all.extend(carried(|| Fifo, loads));
    all.extend(carried(|| unix_socket::STREAM, loads));
    all.extend(carried(|| unix_socket::DATAGRAM, loads));
    all.extend(carried(|| unix_socket::SEQPACKET, loads));
    all.extend(carried(|| shared_memory::POSIX, loads));
    all.extend(carried(|| shared_memory::FUTEX, loads));
    all.extend(carried(|| MyIpc, loads));
    all.extend(carried(|| Hello, loads));
    all.extend(carried(|| HelloMmap, loads));
    all.extend(carried(|| HelloSplice, loads));
    all
}

/// `mechanism` under each of `loads`.
pub fn carried<M: Mechanism>(mechanism: fn() -> M, loads: &[Load]) -> Vec<Box<dyn Benchmark>> {
    let mut carried = Vec::<Box<dyn Benchmark>>::with_capacity(loads.len());
    for load in loads {
        carried.push(Box::new(Carry { mechanism: mechanism(), load: *load }));
    }
    carried
}

/// The byte loads, each kind once, with messages of `size`.
fn resized(size: usize) -> Vec<Load> {
    let mut loads: Vec<Load> = BYTE_LOADS.iter().map(|load| Load { size, ..*load }).collect();
    loads.dedup();
    loads.retain(|load| load.shape != Shape::OneProcess || size <= OWN_SIZE_LIMIT);
    loads
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::catalogue;

    fn names(size: Option<usize>) -> Vec<String> {
        catalogue(size).iter().map(|benchmark| benchmark.id().to_string()).collect()
    }

    #[test]
    fn names_are_unique_whatever_the_size() {
        for size in [None, Some(1), Some(4096), Some(65_536)] {
            let names = names(size);
            assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
        }
    }

    #[test]
    fn what_was_asked_for_is_there() {
        let names = names(None);
        let ours = ["myipc", "hello", "hello-mmap", "hello-splice"];
        let sockets = ["unix-stream", "unix-dgram", "unix-seqpacket"];
        for mechanism in ["pipe", "fifo", "shm", "shm-futex"].into_iter().chain(sockets).chain(ours) {
            for load in ["latency/1", "messages/64", "messages/1024", "chunks/512", "chunks/4096", "chunks/65536"] {
                assert!(names.contains(&format!("{mechanism}/{load}")), "{mechanism}/{load}");
            }
        }
        for name in ["syscall/null", "futex/latency/1", "eventfd/latency/1", "process/yield", "calibration/loop"] {
            assert!(names.contains(&name.to_owned()), "{name}");
        }
    }

    #[test]
    fn a_size_applies_to_byte_loads_once_each() {
        let names = names(Some(100));
        let pipes: Vec<_> = names.iter().filter(|name| name.starts_with("pipe/")).collect();
        assert_eq!(pipes, ["pipe/write-read/100", "pipe/latency/100", "pipe/messages/100", "pipe/chunks/100"]);
        assert!(names.contains(&"futex/latency/1".to_owned()));
    }

    #[test]
    fn no_process_sends_itself_more_than_a_pipe_holds() {
        assert!(!names(Some(65_537)).contains(&"pipe/write-read/65537".to_owned()));
    }
}
