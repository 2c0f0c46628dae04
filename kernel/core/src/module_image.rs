//! Module images: the small text that stands for a module in a file, and that `finit_module` takes.
//!
//! No code is in it, since all modules are built in: it says which of them is meant. A first line [`MAGIC`], then lines
//! `key=value` with the keys of modinfo(8). Owns nothing; no locks, never sleeps.

use crate::module_parameter::Parameter;
use alloc::format;
use alloc::string::String;

/// The first line.
pub const MAGIC: &str = "Postern module";
/// The longest image that is looked at, in bytes.
pub const LONGEST: usize = 16 * 1024;

/// What an image says that matters for loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModuleImage<'image> {
    /// The module's name.
    pub name: &'image str,
    /// The kernel release it belongs to.
    pub release: &'image str,
}

/// Reads an image; `None` if it is none.
#[must_use]
pub fn parse(image: &[u8]) -> Option<ModuleImage<'_>> {
    let text = core::str::from_utf8(image).ok().filter(|text| text.len() <= LONGEST)?;
    let mut lines = text.lines();
    if lines.next() != Some(MAGIC) {
        return None;
    }
    let (mut name, mut release) = (None, None);
    for line in lines.filter(|line| !line.is_empty()) {
        match line.split_once('=')? {
            ("name", value) => name = Some(value),
            ("vermagic", value) => release = value.split(' ').next(),
            _ => {}
        }
    }
    Some(ModuleImage { name: name.filter(|name| !name.is_empty())?, release: release? })
}

/// Writes the image of a module.
#[must_use]
pub fn write(name: &str, description: &str, release: &str, parameters: &[&Parameter]) -> String {
    let mut text =
        format!("{MAGIC}\nname={name}\ndescription={description}\nvermagic={release} SMP aarch64\nintree=Y\n");
    for parameter in parameters {
        let (name, kind) = (parameter.name, parameter.kind);
        let default = parameter.text(parameter.default);
        text += &format!("parm={name}:{}: {kind}; {default} by default\n", parameter.description);
        text += &format!("parmtype={name}:{}\n", kind.type_name());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    static SLOTS: Parameter = Parameter::number("slots", 16, [1, 64], "slots of the ring");

    #[test]
    fn what_is_written_can_be_read() {
        let image = write("hello", "says hello", "6.12.0-postern", &[&SLOTS]);
        let expected = ModuleImage { name: "hello", release: "6.12.0-postern" };
        assert_eq!(parse(image.as_bytes()), Some(expected));
        assert!(image.contains("parm=slots:slots of the ring: a number from 1 to 64; 16 by default\n"));
    }

    #[test]
    fn anything_else_is_no_image() {
        let bad: [&[u8]; 8] = [
            b"",
            b"\x7fELF",
            b"Postern module",
            b"Postern module\nname=x\n",
            b"Postern module\nvermagic=1\n",
            b"Postern module\nname=\nvermagic=1\n",
            b"Postern module\nname=x\nvermagic=1\nrubbish\n",
            b"Postern module\nname=\xff\nvermagic=1\n",
        ];
        for image in bad {
            assert_eq!(parse(image), None, "{}", String::from_utf8_lossy(image));
        }
        let long = format!("{MAGIC}\nname=x\nvermagic=1\ndescription={}\n", "x".repeat(LONGEST));
        assert_eq!(parse(long.as_bytes()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_looked_at(tail in prop::collection::vec(any::<u8>(), 0..80)) {
            let image = [MAGIC.as_bytes(), b"\nname=x\n", &tail].concat();
            let _ = parse(&image);
        }
    }
}
