//! Makes what QEMU boots: the raw arm64 `Image` of the kernel, and an initramfs.
//!
//! Owns the command line; the work is in `kernel`, `symbols` and `initramfs`. Both results depend on the
//! arguments and the named files' contents alone, never on time, user or order of directory entries.

mod initramfs;
mod kernel;
mod symbols;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(version, about = "Makes what QEMU boots: the kernel's Image and an initramfs")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lays the kernel's ELF file out as a raw arm64 Image and fills its table of function names
    Kernel {
        /// The linked kernel
        elf: PathBuf,
        /// The Image to write
        out: PathBuf,
    },
    /// Writes a newc cpio archive; parent directories are added, modes are octal
    Initramfs(InitramfsArguments),
}

#[derive(clap::Args)]
struct InitramfsArguments {
    /// The archive to write
    out: PathBuf,
    /// Copies everything below the host folder DIR to the guest's root
    #[arg(long, value_name = "DIR")]
    dir: Vec<PathBuf>,
    /// A file; without MODE 0755 if the host file is executable, else 0644
    #[arg(long, value_name = "GUESTPATH=HOSTPATH[:MODE]")]
    file: Vec<initramfs::FileRule>,
    /// A symbolic link
    #[arg(long, value_name = "GUESTPATH=TARGET")]
    symlink: Vec<initramfs::SymlinkRule>,
    /// A directory; without MODE 0755
    #[arg(long, value_name = "GUESTPATH[:MODE]")]
    mkdir: Vec<initramfs::DirectoryRule>,
    /// A character device; without MODE 0600
    #[arg(long, value_name = "GUESTPATH=c:MAJOR:MINOR[:MODE]")]
    node: Vec<initramfs::NodeRule>,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("image: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Kernel { elf, out } => {
            let bytes = fs::read(&elf).with_context(|| format!("cannot read {}", elf.display()))?;
            let image = kernel::image(&bytes).with_context(|| format!("{} is no usable kernel", elf.display()))?;
            replace(&out, &image)
        }
        Command::Initramfs(arguments) => replace(&arguments.out, &archive(&arguments)?),
    }
}

fn archive(arguments: &InitramfsArguments) -> Result<Vec<u8>> {
    let mut tree = initramfs::Tree::default();
    for dir in &arguments.dir {
        tree.add_host_folder(dir)?;
    }
    for rule in &arguments.mkdir {
        tree.add_directory(rule)?;
    }
    for rule in &arguments.file {
        tree.add_file(rule)?;
    }
    for rule in &arguments.symlink {
        tree.add_symlink(rule)?;
    }
    for rule in &arguments.node {
        tree.add_node(rule)?;
    }
    tree.to_newc()
}

/// Writes `contents` to `path` in one step, so that a QEMU starting meanwhile sees the old file or the new one.
fn replace(path: &Path, contents: &[u8]) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(failed)?;
    }
    let mut name = path.file_name().with_context(failed)?.to_owned();
    name.push(format!(".{}", std::process::id()));
    let temporary = path.with_file_name(name);
    fs::write(&temporary, contents).with_context(failed)?;
    fs::rename(&temporary, path).with_context(failed)
}
