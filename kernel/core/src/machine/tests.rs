//! Trees as QEMU makes them, with NOPs anywhere, and trees that are wrong in every way.

use super::*;
use core::fmt::Write;
use proptest::prelude::*;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

type Machine<'dt> = super::Machine<'dt, 8>;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROP: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

fn word(number: usize) -> u32 {
    u32::try_from(number).expect("a small tree")
}

/// Flattens a tree, with `nops` NOPs before each token but the first.
#[derive(Default)]
struct Flattener {
    structure: Vec<u8>,
    strings: Vec<u8>,
    nops: usize,
}

impl Flattener {
    fn word(&mut self, word: u32) {
        self.structure.extend(word.to_be_bytes());
    }

    fn token(&mut self, token: u32) {
        let nops = if self.structure.is_empty() { 0 } else { self.nops };
        (0..nops).for_each(|_| self.word(NOP));
        self.word(token);
    }

    fn padded(&mut self, bytes: &[u8]) {
        self.structure.extend(bytes);
        self.structure.resize(self.structure.len().next_multiple_of(4), 0);
    }

    fn begin(&mut self, name: &str) {
        self.token(BEGIN_NODE);
        self.padded(format!("{name}\0").as_bytes());
    }

    fn end(&mut self) {
        self.token(END_NODE);
    }

    fn bytes(&mut self, name: &str, value: &[u8]) {
        let offset = word(self.strings.len());
        self.strings.extend(format!("{name}\0").as_bytes());
        self.token(PROP);
        self.word(word(value.len()));
        self.word(offset);
        self.padded(value);
    }

    fn cells(&mut self, name: &str, cells: &[u32]) {
        let value: Vec<u8> = cells.iter().flat_map(|cell| cell.to_be_bytes()).collect();
        self.bytes(name, &value);
    }

    fn reg(&mut self, regions: &[(u64, u64)]) {
        let value: Vec<u8> =
            regions.iter().flat_map(|(start, bytes)| [start.to_be_bytes(), bytes.to_be_bytes()].concat()).collect();
        self.bytes("reg", &value);
    }

    /// After the root node dtoolkit takes no NOP, and nobody who deletes from a tree leaves one there.
    fn finish(mut self) -> Vec<u8> {
        self.word(END);
        let (structure, strings) = (self.structure.len(), self.strings.len());
        let total = 56 + structure + strings;
        let header = [0xd00d_feed, total, 56, 56 + structure, 40, 17, 16, 0, strings, structure];
        let mut blob: Vec<u8> = header.iter().flat_map(|length| word(*length).to_be_bytes()).collect();
        blob.extend([0; 16]);
        blob.extend(self.structure);
        blob.extend(self.strings);
        blob
    }
}

/// A machine to flatten; the default is QEMU's `virt` with two CPUs.
struct Plan {
    nops: usize,
    cpus: Vec<u32>,
    ram: Vec<(u64, u64)>,
    gic: Vec<(u64, u64)>,
    uart: (u64, u64),
    uart_interrupt: [u32; 3],
    rtc: (u64, u64),
    initramfs: [u32; 2],
    depth: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            nops: 0,
            cpus: vec![0, 1],
            ram: vec![(0x4000_0000, 0x400_0000)],
            gic: vec![(0x800_0000, 0x1_0000), (0x80a_0000, 0xf6_0000)],
            uart: (0x900_0000, 0x1000),
            uart_interrupt: [0, 1, 4],
            rtc: (0x901_0000, 0x1000),
            initramfs: [0x4100_0000, 0x4110_0000],
            depth: 0,
        }
    }
}

impl Plan {
    fn blob(&self) -> Vec<u8> {
        let mut tree = Flattener { nops: self.nops, ..Flattener::default() };
        tree.begin("");
        tree.cells("#address-cells", &[2]);
        tree.cells("#size-cells", &[2]);
        tree.begin("psci");
        tree.bytes("method", b"smc\0");
        tree.end();
        tree.begin("memory@40000000");
        tree.reg(&self.ram);
        tree.bytes("device_type", b"memory\0");
        tree.end();
        self.devices(&mut tree);
        tree.begin("cpus");
        tree.cells("#address-cells", &[1]);
        tree.cells("#size-cells", &[0]);
        for (index, affinity) in self.cpus.iter().enumerate() {
            tree.begin(&format!("cpu@{index}"));
            tree.cells("reg", &[*affinity]);
            tree.end();
        }
        tree.end();
        tree.begin("chosen");
        tree.bytes("bootargs", b"quiet -- -c true\0");
        tree.cells("linux,initrd-start", &self.initramfs[..1]);
        tree.cells("linux,initrd-end", &self.initramfs[1..]);
        tree.bytes("rng-seed", b"seed");
        tree.end();
        (0..self.depth).for_each(|_| tree.begin("deeper"));
        (0..self.depth).for_each(|_| tree.end());
        tree.end();
        tree.finish()
    }

    fn devices(&self, tree: &mut Flattener) {
        tree.begin("pl031@9010000");
        tree.bytes("compatible", b"arm,pl031\0arm,primecell\0");
        tree.reg(&[self.rtc]);
        tree.end();
        tree.begin("pl011@9000000");
        tree.cells("interrupts", &self.uart_interrupt);
        tree.reg(&[self.uart]);
        tree.bytes("compatible", b"arm,pl011\0arm,primecell\0");
        tree.end();
        tree.begin("intc@8000000");
        tree.reg(&self.gic);
        tree.bytes("compatible", b"arm,gic-v3\0");
        tree.begin("its@8080000");
        tree.bytes("compatible", b"arm,gic-v3-its\0");
        tree.end();
        tree.end();
    }

    /// What is wrong with it, in words.
    fn complaint(self) -> String {
        let blob = self.blob();
        let mut words = String::new();
        let error = Machine::from_device_tree(&blob).expect_err("a tree that is wrong");
        write!(words, "{error}").expect("a String takes everything");
        words
    }
}

fn assert_is_default(blob: &[u8]) {
    let machine = Machine::from_device_tree(blob).expect("a good tree");
    assert_eq!((machine.memory.len(), &machine.memory[0]), (1, &(0x4000_0000..0x4400_0000)));
    assert_eq!(machine.cpus.as_slice(), [0, 1]);
    assert_eq!(machine.initramfs, Some(0x4100_0000..0x4110_0000));
    assert_eq!(machine.command_line, "quiet -- -c true");
    assert_eq!(machine.uart, Device { registers: 0x900_0000..0x900_1000, interrupt: 33 });
    assert_eq!(machine.gic_distributor, 0x800_0000..0x801_0000);
    assert_eq!(machine.gic_redistributors, 0x80a_0000..0x900_0000);
    assert_eq!(machine.rtc, Some(0x901_0000..0x901_1000));
    assert_eq!(machine.psci, Conduit::Smc);
    assert_eq!(machine.random_seed, Some(b"seed".as_slice()));
}

#[test]
fn a_tree_is_read_with_and_without_nops() {
    for nops in 0..3 {
        assert_is_default(&Plan { nops, ..Plan::default() }.blob());
    }
}

/// As QEMU deletes a node or a property from a tree that it was given.
#[test]
fn what_is_overwritten_with_nops_is_not_there() {
    let mut blob = Plan::default().blob();
    let name = blob.windows(5).position(|bytes| bytes == b"psci\0").expect("the node");
    // BEGIN_NODE, name, PROP, length, offset, "smc", END_NODE.
    for word in blob[name - 4..name + 8 + 16 + 4].chunks_exact_mut(4) {
        word.copy_from_slice(&NOP.to_be_bytes());
    }
    let machine = Machine::from_device_tree(&blob).expect("a good tree");
    assert_eq!(machine.psci, Conduit::Hvc);
    assert_eq!(machine.cpus.len(), 2);
}

#[test]
fn cpus_that_cannot_be_are_named() {
    assert_eq!(Plan { cpus: vec![], ..Plan::default() }.complaint(), "it lacks a CPU (/cpus/cpu@…)");
    assert_eq!(Plan { cpus: vec![3, 3], ..Plan::default() }.complaint(), "CPU 0x3 is there twice");
    assert_eq!(Plan { cpus: vec![1 << 31], ..Plan::default() }.complaint(), "CPU 0x80000000 is no affinity");
}

#[test]
fn gic_regions_that_cannot_be_are_named() {
    let gic = |regions: &[(u64, u64)]| Plan { gic: regions.to_vec(), ..Plan::default() }.complaint();
    let redistributors = (0x80a_0000, 0xf6_0000);
    assert_eq!(gic(&[(0, 0), (0, 0)]), "GIC distributor at 0x0..0x0 is empty");
    assert_eq!(gic(&[(0x800_0001, 0x1_0000), redistributors]), "GIC distributor at 0x8000001..0x8010001 is misaligned");
    assert_eq!(
        gic(&[(0x800_0000, 0x1_0000), (0x80a_0000, 0x2_0000)]),
        "GIC redistributors at 0x80a0000..0x80c0000 is too small"
    );
    assert_eq!(
        gic(&[(!0xffff, 0x1_0000), redistributors]),
        "GIC distributor at 0xffffffffffff0000..0xffffffffffffffff is out of reach"
    );
    assert_eq!(gic(&[(0x800_0000, 0x1_0000)]), "it lacks the GIC redistributors' reg");
    assert_eq!(
        gic(&[(0x4000_0000, 0x1_0000), redistributors]),
        "GIC distributor at 0x40000000..0x40010000 overlaps RAM"
    );
    assert_eq!(
        gic(&[(0x80a_0000, 0x1_0000), redistributors]),
        "GIC redistributors at 0x80a0000..0x9000000 overlaps another device"
    );
}

#[test]
fn other_devices_that_cannot_be_are_named() {
    let uart = |uart| Plan { uart, ..Plan::default() }.complaint();
    assert_eq!(uart((0x900_0000, 0)), "PL011 at 0x9000000..0x9000000 is empty");
    assert_eq!(uart((0x900_0000, 1 << 48)), "PL011 at 0x9000000..0x1000009000000 is out of reach");
    assert_eq!(uart((0x900_0000, 1 << 20)), "PL011 at 0x9000000..0x9100000 is too large");
    let interrupt = |uart_interrupt| Plan { uart_interrupt, ..Plan::default() }.complaint();
    assert_eq!(interrupt([1, 1, 4]), "it lacks a shared interrupt among the PL011's interrupts");
    assert_eq!(interrupt([0, !0, 4]), "it lacks a shared interrupt among the PL011's interrupts");
    assert_eq!(
        Plan { rtc: (0xfff_0901_0000, 0x1000), ..Plan::default() }.complaint(),
        "PL031 at 0xfff09010000..0xfff09011000 is out of reach"
    );
}

#[test]
fn memory_that_cannot_be_is_named() {
    let ram = |ram: &[(u64, u64)]| Plan { ram: ram.to_vec(), ..Plan::default() }.complaint();
    assert_eq!(ram(&[(0x4000_0000, 0)]), "it lacks RAM (a node with device_type = \"memory\")");
    assert_eq!(ram(&[(0, 0x1000)]), "RAM at 0x0..0x1000 is out of reach");
    assert_eq!(ram(&[(0x4000_0000, 1 << 24), (0x4000_1000, 0x1000)]), "RAM at 0x40001000..0x40002000 is there twice");
    assert_eq!(
        Plan { initramfs: [0x43ff_f000, 0x4400_1000], ..Plan::default() }.complaint(),
        "initramfs at 0x43fff000..0x44001000 is not in RAM"
    );
}

#[test]
fn nodes_nested_too_deep_are_refused() {
    assert!(Machine::from_device_tree(&Plan { depth: DEPTH_MAX, ..Plan::default() }.blob()).is_ok());
    assert_eq!(Plan { depth: DEPTH_MAX + 1, ..Plan::default() }.complaint(), "its nodes are nested too deep");
    assert_eq!(Plan { depth: 100_000, ..Plan::default() }.complaint(), "its nodes are nested too deep");
}

/// What the kernel relies on, whatever the tree.
fn assert_usable(machine: &Machine) {
    assert!(!machine.cpus.is_empty() && !machine.memory.is_empty());
    let mut regions: Vec<_> = machine.memory.iter().collect();
    let devices = [&machine.gic_distributor, &machine.gic_redistributors, &machine.uart.registers];
    regions.extend(devices.into_iter().chain(&machine.rtc));
    regions.sort_by_key(|region| region.start);
    assert!(regions.iter().all(|region| !region.is_empty() && region.end <= 1 << 40));
    assert!(regions.windows(2).all(|pair| pair[0].end <= pair[1].start));
    assert!((32..1020).contains(&machine.uart.interrupt));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn arbitrary_bytes_never_panic(blob: Vec<u8>) {
        prop_assert!(Machine::from_device_tree(&blob).is_err());
    }

    /// Words of a good tree are replaced by tokens, small numbers or anything; the tree may be cut.
    #[test]
    fn mutated_trees_are_refused_or_usable(
        nops in 0_usize..2,
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![0_u32..10, any::<u32>()]), 0..6),
        bytes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        let mut blob = Plan { nops, ..Plan::default() }.blob();
        for (index, word) in changes {
            let at = index.index(blob.len() / 4) * 4;
            blob[at..at + 4].copy_from_slice(&word.to_be_bytes());
        }
        for (index, byte) in bytes {
            let at = index.index(blob.len());
            blob[at] = byte;
        }
        if let Some(cut) = cut {
            blob.truncate(cut.index(blob.len()));
        }
        if let Ok(machine) = Machine::from_device_tree(&blob) {
            assert_usable(&machine);
        }
    }
}
