//! What happens to modules at boot: which are loaded, and the images that programs name them by.
//!
//! Owns the boot line's `module_blacklist=`. Images lie where Linux's tools look for modules, /lib/modules/RELEASE/NAME.ko, with
//! a modules.dep for modprobe; they are ordinary files of the root file system, written after the initramfs is unpacked. No locks
//! of its own; sleeps in those of the file system.

use super::{ALL, Start, table};
use crate::fs::context::Caller;
use crate::fs::open::How;
use crate::fs::open_file::At;
use crate::fs::procfs::tunables::OS_RELEASE;
use crate::mm::user::Source;
use alloc::format;
use alloc::string::String;
use linux_raw_sys::general::{O_CREAT, O_TRUNC, O_WRONLY};
use postern_core::command_line::CommandLine;
use postern_core::errno::{Errno, Result};
use postern_core::module_image;
use spin::Once;

static COMMAND_LINE: Once<CommandLine<'static>> = Once::new();

/// Whether the boot line says that a module must not be loaded.
pub(super) fn is_forbidden(name: &str) -> bool {
    let forbids = |line: &CommandLine<'static>| {
        line.parameters()
            .filter(|word| word.key == "module_blacklist")
            .filter_map(|word| word.value)
            .any(|names| names.split(',').any(|forbidden| forbidden == name))
    };
    COMMAND_LINE.get().is_some_and(forbids)
}

/// Loads what is to be loaded at boot. Once; why something is not loaded is in the log.
pub fn at_boot(command_line: &'static str) {
    let line = *COMMAND_LINE.call_once(|| CommandLine::new(command_line));
    for known in ALL.iter().filter(|known| known.start == Start::AtBoot && !is_forbidden(known.name)) {
        // The log has the reason; the others are loaded all the same.
        let _ = table::load(known.name, |values| values.apply_boot(known.name, &line));
    }
}

/// Writes the images. A root file system that takes none is no reason not to boot: the log tells.
pub fn publish_images(caller: &Caller<'_>) {
    if let Err(error) = write_images(caller) {
        log::warn!("cannot write the module images: {error}");
    }
}

fn write_images(caller: &Caller<'_>) -> Result<()> {
    let base = format!("/lib/modules/{OS_RELEASE}");
    for (end, _) in base.match_indices('/').skip(1).chain([(base.len(), "")]) {
        match caller.make_directory(&caller.root, &base.as_bytes()[..end], 0o755) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(error),
        }
    }
    let mut dependencies = String::new();
    for known in ALL {
        let image = module_image::write(known.name, known.description, OS_RELEASE, known.parameters);
        write_file(caller, &format!("{base}/{}.ko", known.name), &image)?;
        dependencies += &format!("{}.ko:\n", known.name);
    }
    write_file(caller, &format!("{base}/modules.dep"), &dependencies)
}

fn write_file(caller: &Caller<'_>, path: &str, text: &str) -> Result<()> {
    let how = How::from_raw(O_WRONLY | O_CREAT | O_TRUNC, 0o644)?;
    let file = caller.open(&caller.root, path.as_bytes(), how)?;
    file.write(&mut Source::from_slice(text.as_bytes()), At::Position).map(drop)
}
