//! The module table: drivers that can be loaded with parameters, taken out, and loaded again.
//!
//! All code is built in; loading a module runs its `init`, unloading its `exit`. A module is described by a constant
//! [`Description`] in [`ALL`]; nothing else has to know it. Specification: init_module(2), delete_module(2), Linux's
//! Documentation/admin-guide/kernel-parameters.rst (`module.parameter=`, `module_blacklist=`).
//!
//! | file | owns | locks |
//! |---|---|---|
//! | `table` | which modules are loaded, the values of their parameters | LOADING, MODULE_PARAMETERS; OBJECT |
//! | `view` | /proc/modules, /sys/module | – |
//! | `boot` | what is loaded at boot, the image files below /lib/modules | – |
//!
//! LOADING is the outermost of all locks and held over `init` and `exit`, which may sleep and take any other.

mod boot;
mod table;
mod view;

pub use boot::{at_boot, publish_images};
#[cfg(test)]
pub use table::{list, load};
pub use table::{load_image, unload};
pub use view::init;

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use postern_core::errno::{Errno, Result};
pub use postern_core::module_parameter::{Parameter, ParameterError, Value, Values};

/// Every module there is.
pub static ALL: &[&Description] = &[&super::hello::MODULE, &super::myipc::MODULE, &super::mailbox::MODULE];

/// Whether a module is loaded without being asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// At boot, unless `module_blacklist=` names it.
    AtBoot,
    /// When a program asks.
    OnDemand,
}

/// What the table knows of a module before it is loaded.
pub struct Description {
    /// Its name: letters, digits and underscores.
    pub name: &'static str,
    /// What it is, one line.
    pub description: &'static str,
    /// Its parameters.
    pub parameters: &'static [&'static Parameter],
    /// When it is loaded.
    pub start: Start,
    /// Makes it work: registers its devices. Checked values; may sleep. On failure nothing stays behind.
    pub init: fn(&Values) -> core::result::Result<Arc<dyn Module>, Refusal>,
}

/// A module that is loaded.
pub trait Module: Send + Sync {
    /// The major number of its devices.
    fn major(&self) -> Option<u32> {
        None
    }

    /// How many use it: what keeps it from being taken out. A snapshot, for people.
    fn users(&self) -> usize;

    /// Bytes of memory that it holds now, for people.
    ///
    /// # Errors
    /// ENOMEM.
    fn memory_bytes(&self) -> Result<usize> {
        Ok(0)
    }

    /// Puts a new value of a parameter into effect that may change while the module is loaded. The table keeps the value. One
    /// at a time, and none during `exit`. May sleep.
    ///
    /// # Errors
    /// EBUSY, EINVAL … if it cannot be now; then the old one stays in effect.
    fn set_parameter(&self, parameter: &Parameter, value: Value) -> Result<()> {
        let _ = (parameter, value);
        Err(Errno::EPERM)
    }

    /// The value of a parameter that others can change as well; `None`: it is as it was set.
    fn parameter(&self, parameter: &Parameter) -> Option<Value> {
        let _ = parameter;
        None
    }

    /// Gives back everything: its devices first, so that nobody comes to it any more. The last call. May sleep.
    ///
    /// # Errors
    /// EBUSY while somebody uses it; then it goes on as before.
    fn exit(&self) -> Result<()>;
}

/// Why a module was not loaded: for the program a number, for people a sentence in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The number.
    pub error: Errno,
    /// The sentence.
    pub reason: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(error: Errno, reason: impl Into<String>) -> Self {
        Self { error, reason: reason.into() }
    }
}

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Self {
        Self { error, reason: error.to_string() }
    }
}

impl From<ParameterError> for Refusal {
    fn from(error: ParameterError) -> Self {
        Self { error: Errno::EINVAL, reason: error.to_string() }
    }
}
