//! Which modules are loaded, and the values of their parameters.
//!
//! Locks: LOADING (sleeping) over `init` and `exit`, one at a time; MODULE_PARAMETERS (sleeping, one a module) over a change of a
//! value; OBJECT (spin) around the list. Whether somebody may still open a device of a module that is being taken out is the
//! character-device table's decision, made under its lock, in `drivers::unregister`.

use super::{ALL, Description, Module, Parameter, Refusal, Value, Values, view};
use crate::fs::procfs::tunables::OS_RELEASE;
use crate::sync::{Mutex, SpinLock, rank};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use postern_core::errno::{Errno, Result};
use postern_core::module_image;
use postern_core::module_parameter::{Change, ParameterError};

/// Held by who loads or unloads.
static LOADING: Mutex<()> = Mutex::new(rank::LOADING, ());
/// In the order of loading.
static LOADED: SpinLock<Vec<Arc<Loaded>>> = SpinLock::new(rank::OBJECT, Vec::new());

/// A module that is loaded, as the table keeps it.
pub struct Loaded {
    /// What it is.
    pub description: &'static Description,
    /// `None` while `init` runs, and once it is out: an open file of /sys may keep this longer.
    module: SpinLock<Option<Arc<dyn Module>>>,
    settings: Mutex<Settings>,
}

struct Settings {
    values: Values,
    /// It is being taken out, unless that turns out to be impossible.
    going: bool,
}

impl Loaded {
    /// The module, while it is loaded.
    ///
    /// # Errors
    /// ENODEV.
    pub fn module(&self) -> Result<Arc<dyn Module>> {
        self.module.lock().clone().ok_or(Errno::ENODEV)
    }

    /// Whether it is being taken out.
    pub fn is_going(&self) -> bool {
        self.settings.lock().going
    }

    /// The value of a parameter.
    pub fn value(&self, parameter: &Parameter) -> Value {
        let current = self.module().ok().and_then(|module| module.parameter(parameter));
        current.unwrap_or_else(|| self.settings.lock().values.get(parameter))
    }

    /// Sets a parameter to what `text` says, and logs why not.
    ///
    /// # Errors
    /// EACCES if it can be set at load only; EINVAL; ENODEV, EBUSY if the module is gone or going; what the module says.
    pub fn store(&self, parameter: &Parameter, text: &[u8]) -> Result<()> {
        if parameter.change == Change::AtLoad {
            return Err(Errno::EACCES);
        }
        let text = core::str::from_utf8(text).map_err(|_| Errno::EINVAL)?;
        let value = parameter.parse(Some(text)).map_err(|error: ParameterError| {
            log::warn!("{}: {error}", self.description.name);
            Errno::EINVAL
        })?;
        let mut settings = self.settings.lock();
        if settings.going {
            return Err(Errno::EBUSY);
        }
        self.module()?.set_parameter(parameter, value)?;
        settings.values.set(parameter, value);
        Ok(())
    }
}

/// What is loaded, in order of loading.
pub fn list() -> Vec<Arc<Loaded>> {
    LOADED.lock().clone()
}

fn find(name: &str) -> Option<Arc<Loaded>> {
    LOADED.lock().iter().find(|loaded| loaded.description.name == name).cloned()
}

/// Why a program was refused a module is in the log and not on the console: insmod repeats it there.
const FOR_PROGRAMS: log::Level = log::Level::Info;

/// What an attempt to load says: to the log, and to the program.
fn refused(name: &str, refusal: Refusal, level: log::Level) -> Errno {
    // As on Linux, the number says all of this one, and modprobe meets it every day.
    if refusal.error != Errno::EEXIST {
        log::log!(level, "{name}: {}", refusal.reason);
    }
    refusal.error
}

/// Loads what an image names, with parameters as a program gives them.
///
/// # Errors
/// ENOEXEC if it is no image of this kernel's; those of [`load`].
pub fn load_image(image: &[u8], parameters: &str) -> Result<()> {
    let image = module_image::parse(image).ok_or(Errno::ENOEXEC)?;
    if image.release != OS_RELEASE {
        let reason = format!("an image for release {}, which this is not ({OS_RELEASE})", image.release);
        return Err(refused(image.name, Refusal::new(Errno::ENOEXEC, reason), FOR_PROGRAMS));
    }
    start(image.name, |values| values.apply(parameters)).map_err(|refusal| refused(image.name, refusal, FOR_PROGRAMS))
}

/// Loads the module called `name`, with its defaults as `change` changes them. Why not is in the log, and on the console.
///
/// # Errors
/// ENOENT if there is no such module; EPERM if the boot line forbids it; EEXIST if it is loaded; EINVAL for a bad parameter; what
/// its `init` says.
pub fn load(name: &str, change: impl FnOnce(&mut Values) -> core::result::Result<(), ParameterError>) -> Result<()> {
    start(name, change).map_err(|refusal| refused(name, refusal, log::Level::Warn))
}

fn start(
    name: &str,
    change: impl FnOnce(&mut Values) -> core::result::Result<(), ParameterError>,
) -> core::result::Result<(), Refusal> {
    let known = ALL.iter().find(|known| known.name == name);
    let description = known.ok_or_else(|| Refusal::new(Errno::ENOENT, "no such module"))?;
    if super::boot::is_forbidden(name) {
        return Err(Refusal::new(Errno::EPERM, "forbidden by module_blacklist="));
    }
    let _loading = LOADING.lock();
    if find(name).is_some() {
        return Err(Refusal::new(Errno::EEXIST, "already loaded"));
    }
    let mut values = Values::defaults(description.parameters);
    change(&mut values)?;
    let loaded = Arc::new(Loaded {
        description,
        module: SpinLock::new(rank::OBJECT, None),
        settings: Mutex::new(rank::MODULE_PARAMETERS, Settings { values: values.clone(), going: false }),
    });
    // First what can be taken back: once `init` has made its devices, somebody may have opened one.
    view::add(&loaded)?;
    let module = match (description.init)(&values) {
        Ok(module) => module,
        Err(refusal) => {
            view::remove(description);
            return Err(refusal);
        }
    };
    *loaded.module.lock() = Some(module.clone());
    LOADED.lock().push(loaded);
    match module.major() {
        Some(major) => log::info!("{name}_driver_init: major {major}"),
        None => log::info!("{name}: loaded"),
    }
    Ok(())
}

/// Takes the module called `name` out.
///
/// # Errors
/// ENOENT if it is not loaded; EBUSY while it is used.
pub fn unload(name: &str) -> Result<()> {
    let loading = LOADING.lock();
    let loaded = find(name).ok_or(Errno::ENOENT)?;
    // From here on no change of a parameter begins, and none goes on.
    loaded.settings.lock().going = true;
    let module = loaded.module()?;
    if let Err(error) = module.exit() {
        loaded.settings.lock().going = false;
        return Err(error);
    }
    view::remove(loaded.description);
    LOADED.lock().retain(|other| !Arc::ptr_eq(other, &loaded));
    let kept = loaded.module.lock().take();
    // What the module owns is given back before somebody else can load it again.
    drop((module, kept, loaded));
    drop(loading);
    log::info!("{name}: unloaded");
    Ok(())
}
