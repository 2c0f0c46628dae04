//! Which source an address of Postern was compiled from, by the debug information of its ELF file: the function that was
//! inlined there, and the line.

use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use addr2line::{Context, Frame};
use anyhow::{Context as _, Result, ensure};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection};
use rustc_demangle::demangle;

use crate::machine::root;

type Slice<'elf> = EndianSlice<'elf, LittleEndian>;

/// The debug information of a kernel.
pub struct Sources<'elf> {
    context: Context<Slice<'elf>>,
    /// What is left out at the beginning of a file's name: the project's own folder.
    folder: String,
}

/// Where an instruction comes from. Assembly has no functions, and sometimes no lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The function, as the source has it.
    pub function: Option<String>,
    /// File and line.
    pub place: Option<(String, u32)>,
}

impl<'elf> Sources<'elf> {
    /// Of the ELF file in `bytes`.
    ///
    /// # Errors
    /// If it is none, or has no debug information.
    pub fn read(bytes: &'elf [u8]) -> Result<Self> {
        let elf = ElfFile64::<Endianness>::parse(bytes).context("not a 64-bit ELF file")?;
        ensure!(elf.section_by_name(".debug_info").is_some(), "the kernel has no debug information");
        let section = |id: SectionId| -> object::Result<Slice<'elf>> {
            let data = elf.section_by_name(id.name()).map_or(Ok(&[][..]), |section| section.data())?;
            Ok(EndianSlice::new(data, LittleEndian))
        };
        let context = Context::from_dwarf(Dwarf::load(section)?).context("damaged debug information")?;
        let folder = root().canonicalize().context("the project's folder")?;
        Ok(Self { context, folder: format!("{}/", folder.display()) })
    }

    /// Where the instruction at `address` comes from: what was inlined there of the compiler's library, or of another
    /// package, is its caller's, if that is this project's.
    ///
    /// # Errors
    /// If the debug information is damaged.
    pub fn at(&self, address: u64) -> Result<Source> {
        let mut frames = self.context.find_frames(address).skip_all_loads()?;
        let mut innermost = None;
        while let Some(frame) = frames.next()? {
            let is_own = frame.location.as_ref().and_then(|place| place.file?.strip_prefix(&self.folder)).is_some();
            let source = self.source(&frame)?;
            if is_own {
                return Ok(source);
            }
            innermost.get_or_insert(source);
        }
        Ok(innermost.unwrap_or_default())
    }

    fn source(&self, frame: &Frame<'_, Slice<'elf>>) -> Result<Source> {
        let name = frame.function.as_ref().map(|function| function.raw_name()).transpose()?;
        let place = frame.location.as_ref().and_then(|place| place.file.zip(place.line));
        Ok(Source {
            function: name.map(|name| format!("{:#}", demangle(&name))),
            place: place.map(|(file, line)| (shortened(file, &self.folder).to_owned(), line)),
        })
    }
}

/// A file's name without what differs between machines: this project's folder, cargo's registry, the compiler's own sources.
fn shortened<'name>(file: &'name str, folder: &str) -> &'name str {
    if let Some(own) = file.strip_prefix(folder) {
        return own;
    }
    let after = |mark: &str, parts: usize| {
        let (_, rest) = file.split_once(mark)?;
        rest.splitn(parts + 1, '/').nth(parts)
    };
    after("/registry/src/", 1).or_else(|| after("/library/", 0)).unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use object::read::elf::ElfFile64;
    use object::{Endianness, Object, ObjectSymbol};

    use super::{Sources, shortened};

    #[test]
    fn names_of_files_are_the_same_on_every_machine() {
        let short = |file| shortened(file, "/home/me/postern/");
        assert_eq!(short("/home/me/postern/kernel/src/trap.rs"), "kernel/src/trap.rs");
        assert_eq!(short("/root/.cargo/registry/src/index-1f/spin-0.12.3/src/once.rs"), "spin-0.12.3/src/once.rs");
        assert_eq!(short("/rustc/5980/library/core/src/option.rs"), "core/src/option.rs");
        assert_eq!(short("<inline asm>"), "<inline asm>");
    }

    /// This test is a program with debug information itself.
    #[test]
    fn inlined_functions_and_their_lines_are_found() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let elf = ElfFile64::<Endianness>::parse(&*program).unwrap();
        let outer =
            elf.symbols().find(|symbol| symbol.name().is_ok_and(|name| name.contains("outer_of_this_test"))).unwrap();
        let sources = Sources::read(&program).unwrap();
        let places = (outer.address()..outer.address() + outer.size()).map(|address| sources.at(address).unwrap());
        let places: Vec<_> = places.map(|place| (place.function.unwrap(), place.place.unwrap())).collect();
        assert!(places.iter().all(|(_, place)| place.0 == "lab/src/profile/sources.rs" && place.1 > 100), "{places:?}");
        assert!(places.iter().any(|(name, _)| name.ends_with("inner_of_this_test")), "{places:?}");
        assert!(places.iter().any(|(name, _)| name.ends_with("outer_of_this_test")), "{places:?}");
        assert!(outer_of_this_test(1) > 1);
    }

    #[inline(never)]
    fn outer_of_this_test(number: u64) -> u64 {
        std::hint::black_box(inner_of_this_test(number))
    }

    #[inline(always)]
    fn inner_of_this_test(number: u64) -> u64 {
        std::hint::black_box(number).wrapping_mul(7)
    }

    #[test]
    fn what_has_no_debug_information_is_refused() {
        assert!(Sources::read(b"nothing").is_err());
    }
}
