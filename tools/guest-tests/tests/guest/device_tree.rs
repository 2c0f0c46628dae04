//! Boots the kernel with device trees that QEMU did not make for this boot: its own of an earlier one, which it then edits,
//! leaving NOP tokens; and wrong ones, which must be named in a message and end with the status of a boot that failed.
//!
//! It needs the image that `make image` builds, and builds it first.

use guest_tests::machine::{Built, root};
use std::process::{Command, Output, Stdio};

/// What QEMU exits with if the kernel cannot boot.
const CANNOT_BOOT: i32 = 102;
/// The GIC's two regions in QEMU's tree, two cells each for address and size.
const GIC_REG: [u64; 4] = [0x800_0000, 0x1_0000, 0x80a_0000, 0xf6_0000];
const UART_REG: [u64; 2] = [0x900_0000, 0x1000];

fn bytes_of(cells: &[u64]) -> Vec<u8> {
    cells.iter().flat_map(|cell| cell.to_be_bytes()).collect()
}

fn qemu(machine: &str, cpus: &str) -> Command {
    let mut command = Command::new(std::env::var("POSTERN_QEMU").unwrap_or("qemu-system-aarch64".to_owned()));
    command.args(["-M", machine, "-cpu", "cortex-a72", "-m", "128M", "-smp", cpus, "-nic", "none", "-display", "none"]);
    command.stdin(Stdio::null());
    command
}

fn own_tree(cpus: &str) -> Vec<u8> {
    let path = std::env::temp_dir().join(format!("postern-{}-{cpus}.own.dtb", std::process::id()));
    let machine = format!("virt,gic-version=3,dumpdtb={}", path.display());
    assert!(qemu(&machine, cpus).output().expect("QEMU").status.success());
    let tree = std::fs::read(&path).expect("the tree that QEMU dumped");
    std::fs::remove_file(&path).expect("the file is ours");
    tree
}

/// `tree` with the one place that reads `old` made to read `new`.
fn edited(mut tree: Vec<u8>, old: &[u8], new: &[u8]) -> Vec<u8> {
    let places: Vec<usize> = (0..tree.len() - old.len()).filter(|at| tree[*at..].starts_with(old)).collect();
    assert_eq!(places.len(), 1, "QEMU's tree is not as expected");
    tree[places[0]..][..new.len()].copy_from_slice(new);
    tree
}

/// Boots with `tree` and runs `true`; the status, and everything that was printed.
fn boot(name: &str, cpus: &str, tree: &[u8]) -> (i32, String) {
    let path = std::env::temp_dir().join(format!("postern-{}-{name}.dtb", std::process::id()));
    std::fs::write(&path, tree).expect("a file for the tree");
    let out = root().join("target/postern");
    let mut command = Command::new("timeout");
    let qemu = qemu("virt,gic-version=3", cpus);
    command.arg("60").arg(qemu.get_program()).args(qemu.get_args()).stdin(Stdio::null());
    command.args(["-serial", "stdio", "-monitor", "none", "-semihosting-config", "enable=on,target=native"]);
    command.args(["-append", "-- -c \"echo booted\""]).arg("-dtb").arg(&path);
    command.arg("-kernel").arg(out.join("Image")).arg("-initrd").arg(out.join("initramfs.cpio"));
    let Output { status, stdout, stderr } = command.output().expect("QEMU");
    std::fs::remove_file(&path).expect("the file is ours");
    (status.code().unwrap_or(-1), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

fn assert_refused(name: &str, tree: &[u8], message: &str) {
    let (status, output) = boot(name, "2", tree);
    assert!(output.contains(message) && !output.contains("PANIC"), "{name}: no '{message}' in:\n{output}");
    assert_eq!(status, CANNOT_BOOT, "{name}:\n{output}");
}

#[test]
fn trees_boot_or_are_refused_by_name() {
    Built::Image.ensure();
    for cpus in ["1", "4"] {
        let (status, output) = boot("own", cpus, &own_tree(cpus));
        assert!(output.contains(&format!("on {cpus} CPU(s)")) && output.contains("booted"), "{output}");
        assert_eq!(status, 0, "{output}");
    }
    let tree = own_tree("2");
    let gic = |reg: &[u64]| edited(tree.clone(), &bytes_of(&GIC_REG), &bytes_of(reg));
    let uart = |reg: &[u64]| edited(tree.clone(), &bytes_of(&UART_REG), &bytes_of(reg));
    assert_refused("empty_gic", &gic(&[0; 4]), "GIC distributor at 0x0..0x0 is empty");
    // Flash, whose bytes are no GIC; then nothing at all.
    assert_refused("gic_in_flash", &gic(&[0, 0x1_0000, 0x80a_0000, 0xf6_0000]), "there is no GIC distributor");
    assert_refused(
        "gic_nowhere",
        &gic(&[0x800_0000, 0x1_0000, 0xb00_0000, 0x4_0000]),
        "no GIC redistributor for CPU 0",
    );
    assert_refused("empty_uart", &uart(&[0x900_0000, 0]), "PL011 at 0x9000000..0x9000000 is empty");
    assert_refused("uart_nowhere", &uart(&[0xb00_0000, 0x1000]), "there is no PL011 at 0xb000000");
    assert_refused("no_cpus", &edited(tree.clone(), b"cpus\0\0\0\0", b"cpuz"), "it lacks /cpus");
}
