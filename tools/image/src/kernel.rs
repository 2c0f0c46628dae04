//! From the kernel's ELF file to the raw `Image` that QEMU loads by Linux's boot protocol.
//!
//! The kernel is linked at a high virtual address as one contiguous whole whose first bytes are the arm64
//! header; so the Image is simply every loadable segment at its virtual address less the lowest one. Memory
//! that the file does not hold (.bss) is not in the Image: the header's `image_size` reserves it.
//! Specification: Linux's Documentation/arch/arm64/booting.rst, section 4.

use anyhow::{Context, Result, bail, ensure};
use object::elf::SHT_NOBITS;
use object::read::elf::ElfFile64;
use object::{Architecture, Endianness, Object, ObjectSection, ObjectSegment, ObjectSymbol, SymbolKind};

use crate::symbols::{Function, table};

/// Where the table of function names goes.
const SYMBOLS_SECTION: &str = ".symbols";
/// What the offsets of that table are counted from.
const START_SYMBOL: &str = "__kernel_start";
/// Far more than any kernel of ours: a wrong linker script must not fill the disk.
const MAX_IMAGE_BYTES: u64 = 256 << 20;

const MAGIC_OFFSET: usize = 56;
const MAGIC: &[u8] = b"ARM\x64";

type Elf<'data> = ElfFile64<'data, Endianness>;

/// The Image of the kernel in `bytes`, an ELF file, with its `.symbols` section filled.
pub fn image(bytes: &[u8]) -> Result<Vec<u8>> {
    let elf = Elf::parse(bytes).context("not a 64-bit ELF file")?;
    ensure!(elf.is_little_endian(), "not little-endian");
    ensure!(elf.architecture() == Architecture::Aarch64, "not for AArch64");

    let base = lowest_address(&elf)?;
    let mut image = lay_out(&elf, base)?;
    ensure!(
        image.get(MAGIC_OFFSET..MAGIC_OFFSET + MAGIC.len()) == Some(MAGIC),
        "no arm64 boot header in its first 64 bytes"
    );
    fill_symbols(&elf, base, &mut image)?;
    Ok(image)
}

fn lowest_address(elf: &Elf<'_>) -> Result<u64> {
    elf.segments()
        .filter(|segment| segment.size() > 0)
        .map(|segment| segment.address())
        .min()
        .context("no loadable segment")
}

fn lay_out(elf: &Elf<'_>, base: u64) -> Result<Vec<u8>> {
    let mut image = Vec::new();
    for segment in elf.segments() {
        let data = segment.data().context("a segment reaches past the file's end")?;
        if data.is_empty() {
            continue;
        }
        let start = segment.address() - base;
        let end = start.checked_add(u64::try_from(data.len())?).filter(|end| *end <= MAX_IMAGE_BYTES);
        let Some(end) = end else {
            bail!("segment at {:#x} makes the image larger than {MAX_IMAGE_BYTES} bytes", segment.address());
        };
        let (start, end) = (usize::try_from(start)?, usize::try_from(end)?);
        image.resize(image.len().max(end), 0);
        image[start..end].copy_from_slice(data);
    }
    Ok(image)
}

fn fill_symbols(elf: &Elf<'_>, base: u64, image: &mut [u8]) -> Result<()> {
    let section = elf.section_by_name(SYMBOLS_SECTION).with_context(|| format!("no section {SYMBOLS_SECTION}"))?;
    ensure!(
        section.elf_section_header().sh_type.get(elf.endian()) != SHT_NOBITS,
        "{SYMBOLS_SECTION} has no room in the file (it is NOBITS)"
    );
    let start = section.address().checked_sub(base).and_then(|start| usize::try_from(start).ok());
    let room = start
        .and_then(|start| image.get_mut(start..start.checked_add(usize::try_from(section.size()).ok()?)?))
        .with_context(|| format!("{SYMBOLS_SECTION} is outside the loaded segments"))?;

    let table = table(functions(elf)?)?;
    let Some(filled) = room.get_mut(..table.len()) else {
        bail!(
            "{SYMBOLS_SECTION} has room for {} bytes, the function names need {}: enlarge it",
            room.len(),
            table.len()
        );
    };
    filled.copy_from_slice(&table);
    room[table.len()..].fill(0);
    Ok(())
}

/// Every defined function, in no particular order.
fn functions<'data>(elf: &Elf<'data>) -> Result<Vec<Function<'data>>> {
    let start =
        elf.symbol_by_name(START_SYMBOL).with_context(|| format!("no symbol {START_SYMBOL} (stripped?)"))?.address();
    let mut functions = Vec::new();
    for symbol in elf.symbols() {
        if symbol.kind() != SymbolKind::Text || !symbol.is_definition() {
            continue;
        }
        // Below the start lies nothing of the image: code linked to run before it, if any, has no place in a
        // backtrace of the running kernel.
        let Some(offset) = symbol.address().checked_sub(start) else {
            continue;
        };
        functions.push(Function {
            offset: u32::try_from(offset).context("a function lies 4 GiB past the start")?,
            mangled_name: symbol.name().context("a symbol's name is damaged")?,
        });
    }
    Ok(functions)
}

#[cfg(test)]
mod tests;
