//! Every mechanism over all sizes of messages: streams of 1 B to 1 MiB, and the round trips and own messages of which a cost model
//! can be fitted. What `lab report` draws. Pure values.

use crate::benchmark::{Amount, Benchmark, Load};
use crate::catalogue::{carried, load, of_bytes};
use crate::mechanism::eventfd::EventFd;
use crate::mechanism::futex::Futex;
use crate::operation::null_call::NULL_CALL;
use crate::workload::Shape;

type Benchmarks = Vec<Box<dyn Benchmark>>;

/// Sizes of streamed messages.
const STREAMED: [usize; 15] =
    [1, 4, 16, 64, 256, 512, 1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10, 256 << 10, 1 << 20];
/// Sizes of what one process sends to itself: what anything holds.
const OWN: [usize; 5] = [1, 64, 256, 1024, 4096];
/// Sizes of round trips.
const TRIPS: [usize; 7] = [1, 64, 256, 1024, 4096, 16_384, 65_536];

/// So many operations that little is left of how they begin and end, and no more bytes than that takes.
const fn amount(size: usize) -> Amount {
    const BYTES: usize = 16 << 20;
    let operations = if size >= BYTES / 16 {
        16
    } else if size <= BYTES / 4_000 {
        4_000
    } else {
        BYTES / size
    };
    Amount::Operations(operations as u64, (operations as u64).div_ceil(20))
}

fn loads(name: &'static str, shape: Shape, sizes: &[usize]) -> Vec<Load> {
    sizes.iter().map(|size| load(name, shape, *size, amount(*size))).collect()
}

/// All of them; first a call that does nothing, which the models need.
pub fn workloads() -> Benchmarks {
    let token = [loads("write-read", Shape::OneProcess, &[1]), loads("latency", Shape::RoundTrip, &[1])].concat();
    let bytes = [
        loads("write-read", Shape::OneProcess, &OWN),
        loads("latency", Shape::RoundTrip, &TRIPS),
        loads("stream", Shape::OneWay, &STREAMED),
    ]
    .concat();
    let mut all: Benchmarks = vec![Box::new(NULL_CALL)];
    all.extend(carried(|| Futex, &token));
    all.extend(carried(|| EventFd, &token));
    all.extend(of_bytes(&bytes));
    all
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{STREAMED, amount, workloads};
    use crate::benchmark::{Amount, Benchmark};
    use crate::catalogue::catalogue;

    fn mechanisms(benchmarks: &[Box<dyn Benchmark>]) -> HashSet<&'static str> {
        benchmarks.iter().map(|benchmark| benchmark.id().mechanism).collect()
    }

    #[test]
    fn every_mechanism_that_carries_is_there_from_a_byte_to_a_mebibyte() {
        let missing: HashSet<_> = mechanisms(&catalogue(None)).difference(&mechanisms(&workloads())).copied().collect();
        assert_eq!(missing, HashSet::from(["calibration", "process"]), "which carry nothing");
        let names: HashSet<String> = workloads().iter().map(|benchmark| benchmark.id().to_string()).collect();
        for name in
            ["pipe/stream/1", "pipe/stream/1048576", "hello-mmap/stream/65536", "futex/latency/1", "syscall/null"]
        {
            assert!(names.contains(name), "{name}");
        }
        assert_eq!(names.len(), workloads().len(), "names are unique");
    }

    #[test]
    fn amounts_are_neither_a_moment_nor_for_ever() {
        for size in STREAMED {
            let Amount::Operations(full, quick) = amount(size) else { panic!("operations") };
            assert!((16..=4_000).contains(&full) && (1..=200).contains(&quick), "{size}: {full}, {quick}");
        }
    }
}
