//! Which function an address of the kernel is in: from its ELF file, or from Linux's `/proc/kallsyms`.

use anyhow::{Context, Result, bail, ensure};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};
use rustc_demangle::demangle;

/// One function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Of its first instruction.
    pub start: u64,
    /// Of the first byte after it.
    pub end: u64,
    /// As the source has it; instances of a generic function may share it.
    pub name: String,
}

/// All functions of a kernel, by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Functions(Vec<Function>);

impl Functions {
    /// Those of the ELF file `elf`, which must be what `image` was made of.
    ///
    /// # Errors
    /// If it is no such file, has no symbols, or its code is not the image's.
    pub fn of_elf(elf: &[u8], image: &[u8]) -> Result<Self> {
        let elf = ElfFile64::<Endianness>::parse(elf).context("not a 64-bit ELF file")?;
        let text: Vec<_> = elf.sections().filter(|section| section.kind() == SectionKind::Text).collect();
        let base = text.iter().map(ObjectSection::address).min().context("no code")?;
        for section in &text {
            let at = usize::try_from(section.address() - base)?;
            let data = section.data().context("a section reaches past the file's end")?;
            ensure!(image.get(at..at + data.len()) == Some(data), "the booted image was not made of it");
        }
        let is_code = |symbol: &object::read::elf::ElfSymbol64<'_, '_, Endianness>| {
            // In assembly a function is a label, which has no type; those that begin with $ are the assembler's.
            matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Unknown | SymbolKind::Label)
                && symbol.section_index().is_some_and(|index| text.iter().any(|section| section.index() == index))
        };
        let mut found = Vec::new();
        for symbol in elf.symbols().filter(is_code) {
            let name = symbol.name().context("a symbol's name is damaged")?;
            if !name.is_empty() && !name.starts_with(['$', '.']) {
                found.push((symbol.address(), symbol.size(), format!("{:#}", demangle(name))));
            }
        }
        ensure!(!found.is_empty(), "it has no symbols");
        let end = text.iter().map(|section| section.address() + section.size()).max().unwrap_or(base);
        Ok(Self::of_symbols(found, end))
    }

    /// Those of Linux's `/proc/kallsyms`.
    ///
    /// # Errors
    /// If there is none, or it has no addresses.
    pub fn of_kallsyms(text: &str) -> Result<Self> {
        let mut found = Vec::new();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(address), Some("t" | "T" | "w" | "W"), Some(name)) = (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let Ok(address) = u64::from_str_radix(address, 16) else { continue };
            if !name.starts_with('$') {
                found.push((address, 0, name.to_owned()));
            }
        }
        if found.iter().all(|(address, ..)| *address == 0) {
            bail!("no addresses in /proc/kallsyms");
        }
        Ok(Self::of_symbols(found, u64::MAX))
    }

    /// Of address, size if known (else 0) and name; the last one without a size ends at `end`.
    fn of_symbols(mut found: Vec<(u64, u64, String)>, end: u64) -> Self {
        // Of several names for one place that of a known size stays, then the first one by alphabet.
        found.sort_by(|one, other| (one.0, other.1, &one.2).cmp(&(other.0, one.1, &other.2)));
        found.dedup_by_key(|(start, ..)| *start);
        let starts: Vec<u64> = found.iter().map(|(start, ..)| *start).skip(1).chain([end]).collect();
        let functions = found.into_iter().zip(starts).map(|((start, size, name), next)| Function {
            start,
            end: if size > 0 { start.saturating_add(size) } else { next },
            name,
        });
        Self(functions.collect())
    }

    /// The one that holds `address`.
    pub fn at(&self, address: u64) -> Option<&Function> {
        let next = self.0.partition_point(|function| function.start <= address);
        self.0[..next].last().filter(|function| address < function.end)
    }
}

#[cfg(test)]
mod tests {
    use super::Functions;

    fn name(functions: &Functions, address: u64) -> Option<&str> {
        functions.at(address).map(|function| function.name.as_str())
    }

    #[test]
    fn an_address_is_in_the_function_that_begins_before_it_and_ends_after() {
        let symbols = [(0x100, 0x20, "first"), (0x140, 0, "label"), (0x180, 8, "last"), (0x180, 0, "alias")];
        let functions =
            Functions::of_symbols(symbols.map(|(at, size, name)| (at, size, name.to_owned())).into(), 0x200);
        let names = [0xff, 0x100, 0x11c, 0x120, 0x140, 0x17c, 0x180, 0x188].map(|address| name(&functions, address));
        let expected = [None, Some("first"), Some("first"), None, Some("label"), Some("label"), Some("last"), None];
        assert_eq!(names, expected);
    }

    #[test]
    fn linux_lists_code_data_and_modules() {
        let text = "ffff800008000000 T _text\nffff800008010000 t do_read\nffff800008010100 D data\r\n\
                    ffff800008010200 T do_write\t[pipe]\nffff800008010200 t $x\n";
        let functions = Functions::of_kallsyms(text).unwrap();
        let names =
            [0x0801_0004, 0x0801_01fc, 0x0801_0200].map(|low: u64| name(&functions, 0xffff_8000_0000_0000 | low));
        assert_eq!(names, [Some("do_read"), Some("do_read"), Some("do_write")]);
    }

    #[test]
    fn without_addresses_linux_tells_nothing() {
        assert!(Functions::of_kallsyms("0000000000000000 T _text\n0000000000000000 t do_read\n").is_err());
        assert!(Functions::of_kallsyms("").is_err());
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        assert!(Functions::of_elf(b"nothing", b"").unwrap_err().to_string().contains("ELF"));
    }
}
