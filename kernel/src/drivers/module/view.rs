//! What programs see of modules: /proc/modules and /sys/module.
//!
//! Owns nothing; a file shows the module of its opening, and is ENODEV once that is out. Locks: those of `table`, one at a time.
//! Specification: proc_modules(5), Linux's Documentation/ABI/stable/sysfs-module.

use super::table::{self, Loaded};
use super::{Description, Parameter};
use crate::fs::procfs::text::{Text, TextSource, put};
use crate::fs::{procfs, sysfs};
use alloc::format;
use alloc::sync::Arc;
use postern_core::errno::Result;
use postern_core::module_parameter::Change;

/// Enters /proc/modules. Once, at boot.
///
/// # Errors
/// EEXIST the second time.
pub fn init() -> Result<()> {
    procfs::add_text("modules", |text| {
        for loaded in table::list() {
            // One that has gone since is not shown.
            let Ok(module) = loaded.module() else { continue };
            let state = if loaded.is_going() { "Unloading" } else { "Live" };
            let (name, bytes, users) = (loaded.description.name, module.memory_bytes()?, module.users());
            put!(text, "{name} {bytes} {users} - {state} 0x{:016x}\n", 0);
        }
        Ok(())
    })?;
    sysfs::add_directory("module")
}

fn directory(description: &Description) -> alloc::string::String {
    format!("module/{}", description.name)
}

/// Enters the files of a module, all or none.
pub(super) fn add(loaded: &Arc<Loaded>) -> Result<()> {
    let base = directory(loaded.description);
    sysfs::add_directory(&base)?;
    add_files(loaded, &base).inspect_err(|_| remove(loaded.description))
}

fn add_files(loaded: &Arc<Loaded>, base: &str) -> Result<()> {
    for (name, fact) in [("refcnt", Fact::Users), ("initstate", Fact::State), ("coresize", Fact::Memory)] {
        sysfs::add_source(&format!("{base}/{name}"), 0o444, Arc::new(FactFile { loaded: loaded.clone(), fact }))?;
    }
    for &parameter in loaded.description.parameters {
        let permissions = if parameter.change == Change::Live { 0o644 } else { 0o444 };
        let file = ParameterFile { loaded: loaded.clone(), parameter };
        sysfs::add_source(&format!("{base}/parameters/{}", parameter.name), permissions, Arc::new(file))?;
    }
    Ok(())
}

/// Takes them away.
pub(super) fn remove(description: &Description) {
    let removed = sysfs::remove_tree(&directory(description));
    debug_assert!(removed.is_ok(), "entered when the module was loaded: {removed:?}");
}

#[derive(Clone, Copy)]
enum Fact {
    Users,
    State,
    Memory,
}

struct FactFile {
    loaded: Arc<Loaded>,
    fact: Fact,
}

impl TextSource for FactFile {
    fn show(&self, text: &mut Text) -> Result<()> {
        let module = self.loaded.module()?;
        match self.fact {
            Fact::Users => put!(text, "{}\n", module.users()),
            Fact::State => put!(text, "{}\n", if self.loaded.is_going() { "going" } else { "live" }),
            Fact::Memory => put!(text, "{}\n", module.memory_bytes()?),
        }
        Ok(())
    }
}

struct ParameterFile {
    loaded: Arc<Loaded>,
    parameter: &'static Parameter,
}

impl TextSource for ParameterFile {
    fn show(&self, text: &mut Text) -> Result<()> {
        self.loaded.module()?;
        put!(text, "{}\n", self.parameter.text(self.loaded.value(self.parameter)));
        Ok(())
    }

    fn store(&self, bytes: &[u8]) -> Result<()> {
        self.loaded.store(self.parameter, bytes)
    }
}
