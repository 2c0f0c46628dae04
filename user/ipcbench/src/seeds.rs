//! The seeds' own workloads, under the numbers of the tables that they fill there. Pure values.
//!
//! Seed 000 counts 10,000 round trips for its own and 1,000 for the other driver, streams 100,000 messages and 64 MiB in chunks of
//! 512 B. Seed 001 takes 1,000 iterations for everything, and its "sustained message rate" is that of a ping-pong of 1 KB; the
//! stream that the words promise is beside it (table 10). Seed 002 asks for a round trip of one byte and for bulk transfers, of
//! the driver, a pipe and shared memory.

use crate::benchmark::{Amount, Benchmark, Load};
use crate::catalogue::{carried, load};
use crate::mechanism::hello::Hello;
use crate::mechanism::hello_mmap::HelloMmap;
use crate::mechanism::myipc::MyIpc;
use crate::mechanism::pipe::Pipe;
use crate::mechanism::shared_memory;
use crate::options::Suite;
use crate::workload::Shape;

type Benchmarks = Vec<Box<dyn Benchmark>>;

const THOUSAND: Amount = Amount::Operations(1_000, 200);
const TEN_THOUSAND: Amount = Amount::Operations(10_000, 500);
const HUNDRED_THOUSAND: Amount = Amount::Operations(100_000, 1_000);
const BULK: Amount = Amount::Bytes(64 << 20, 256 << 10);

const TABLE_1: Load = load("table-1-rtt", Shape::RoundTrip, 1, TEN_THOUSAND);
/// "1,000 iterations for the opponent's driver."
const TABLE_1_OPPONENT: Load = load("table-1-rtt", Shape::RoundTrip, 1, THOUSAND);
/// "For small 64-byte payloads the pipe outperforms"; tables 2 and 3; section 6.2's bulk transfer.
const STREAMS_000: [Load; 4] = [
    load("small", Shape::OneWay, 64, HUNDRED_THOUSAND),
    load("table-2", Shape::OneWay, 256, HUNDRED_THOUSAND),
    load("table-3", Shape::OneWay, 1024, HUNDRED_THOUSAND),
    load("bulk", Shape::OneWay, 512, BULK),
];

const TABLE_8: [Load; 2] =
    [load("table-8-rtt", Shape::RoundTrip, 1, THOUSAND), load("table-8-rate", Shape::RoundTrip, 1024, THOUSAND)];
const TABLE_9: [Load; 2] =
    [load("table-9-rtt", Shape::RoundTrip, 1, THOUSAND), load("table-9-rate", Shape::RoundTrip, 1024, THOUSAND)];
const TABLE_10: [Load; 1] = [load("table-10-stream", Shape::OneWay, 1024, HUNDRED_THOUSAND)];

const SEED_002: [Load; 3] = [
    load("latency", Shape::RoundTrip, 1, TEN_THOUSAND),
    load("bandwidth", Shape::OneWay, 4096, BULK),
    load("bandwidth", Shape::OneWay, 65536, BULK),
];

/// The workloads of `suite`; none for those that are not a seed's.
pub fn workloads(suite: Suite) -> Benchmarks {
    match suite {
        Suite::Seed000 => seed_000(),
        Suite::Seed001 => seed_001(),
        Suite::Seed002 => seed_002(),
        Suite::Herd | Suite::Fair | Suite::Cpus | Suite::Cgroups | Suite::Ablate | Suite::Model | Suite::Sweep => {
            Vec::new()
        }
    }
}

fn seed_000() -> Benchmarks {
    let mut all = carried(|| Pipe, &[TABLE_1]);
    all.extend(carried(|| MyIpc, &[TABLE_1]));
    all.extend(carried(|| shared_memory::POSIX, &[TABLE_1]));
    all.extend(carried(|| shared_memory::FUTEX, &[TABLE_1]));
    all.extend(carried(|| Hello, &[TABLE_1_OPPONENT]));
    all.extend(carried(|| shared_memory::POSIX, &STREAMS_000));
    all.extend(carried(|| shared_memory::FUTEX, &STREAMS_000));
    all.extend(carried(|| Pipe, &STREAMS_000));
    all.extend(carried(|| MyIpc, &STREAMS_000));
    all.extend(carried(|| Hello, &STREAMS_000));
    all
}

fn seed_001() -> Benchmarks {
    let mut all = carried(|| Hello, &TABLE_8);
    all.extend(carried(|| Hello, &TABLE_9));
    all.extend(carried(|| Pipe, &TABLE_9));
    all.extend(carried(|| shared_memory::POSIX, &TABLE_9));
    all.extend(carried(|| shared_memory::FUTEX, &TABLE_9));
    all.extend(carried(|| MyIpc, &TABLE_10));
    all.extend(carried(|| Hello, &TABLE_10));
    all.extend(carried(|| Pipe, &TABLE_10));
    all
}

fn seed_002() -> Benchmarks {
    let mut all = carried(|| MyIpc, &SEED_002);
    all.extend(carried(|| Pipe, &SEED_002));
    all.extend(carried(|| shared_memory::POSIX, &SEED_002));
    all.extend(carried(|| Hello, &SEED_002));
    // Options A and B in one: mapped, and a ring of one producer and one consumer without a lock.
    all.extend(carried(|| HelloMmap, &SEED_002));
    all
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::workloads;
    use crate::options::Suite;

    fn names(suite: Suite) -> Vec<String> {
        workloads(suite).iter().map(|benchmark| benchmark.id().to_string()).collect()
    }

    #[test]
    fn names_are_unique_in_each_suite() {
        for suite in [Suite::Seed000, Suite::Seed001, Suite::Seed002] {
            let names = names(suite);
            assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "{suite:?}");
        }
    }

    #[test]
    fn every_row_of_the_seeds_tables_is_there() {
        for row in ["pipe/table-1-rtt/1", "myipc/table-1-rtt/1", "shm/table-1-rtt/1", "hello/table-1-rtt/1"] {
            assert!(names(Suite::Seed000).contains(&row.to_owned()), "{row}");
        }
        for row in ["shm/table-2/256", "pipe/table-2/256", "shm/table-3/1024", "pipe/table-3/1024", "myipc/bulk/512"] {
            assert!(names(Suite::Seed000).contains(&row.to_owned()), "{row}");
        }
        for row in ["hello/table-8-rtt/1", "hello/table-9-rate/1024", "pipe/table-9-rtt/1", "shm/table-9-rate/1024"] {
            assert!(names(Suite::Seed001).contains(&row.to_owned()), "{row}");
        }
        for row in ["myipc/latency/1", "pipe/bandwidth/65536", "hello-mmap/bandwidth/4096"] {
            assert!(names(Suite::Seed002).contains(&row.to_owned()), "{row}");
        }
    }
}
