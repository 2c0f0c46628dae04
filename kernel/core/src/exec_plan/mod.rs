//! What execve(2) is to do with a file, from its first bytes alone.
//!
//! Owns the judgement of ELF files and `#!` scripts: a file comes out as a checked plan or as an error that names what is
//! wrong; no input, however hostile, makes this code panic or overflow. Reads no file and maps nothing: the kernel fetches
//! the bytes it is asked for and carries the plan out. No locks, never sleeps. Specification: elf(5), execve(2), the ELF
//! gABI and AArch64 psABI, and fs/binfmt_elf.c and fs/binfmt_script.c where those are silent.

mod fault;
mod program;
mod script;
mod segment;

pub use fault::ExecFault;
pub use program::{ElfHeader, ExecBounds, ExecPlan};
pub use script::{SCRIPT_LINE_MAX, Script};
pub use segment::Segment;

/// How many bytes of a file to read before [`recognise`] is asked (Linux's `BINPRM_BUF_SIZE`); fewer if the file is shorter.
pub const HEAD_SIZE: usize = 256;

/// What kind of program a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format<'head> {
    /// An AArch64 program; its program headers are to be read next.
    Elf(ElfHeader),
    /// Text for an interpreter, which is to be executed in its stead.
    Script(Script<'head>),
}

/// Tells what the file is whose first [`HEAD_SIZE`] bytes (or all, if it has fewer) are `head`.
///
/// # Errors
/// An [`ExecFault`], which as an errno is ENOEXEC.
pub fn recognise(head: &[u8]) -> Result<Format<'_>, ExecFault> {
    if head.starts_with(b"#!") {
        Script::parse(head).map(Format::Script)
    } else {
        ElfHeader::parse(head).map(Format::Elf)
    }
}

#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod tests;
