//! The stack that handlers with SA_ONSTACK run on. A value of each thread, under its SIGNALS lock.
//! Specification: sigaltstack(2).

use crate::process::current;
use linux_raw_sys::general as abi;
use postern_core::errno::{Errno, Result};
use postern_core::signal_action::ActionFlags;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `stack_t`
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct StackSettings {
    /// Lowest address.
    pub start: u64,
    /// SS_ flags.
    pub flags: u32,
    /// Always 0.
    pub padding: u32,
    /// Bytes.
    pub size: u64,
}

const _: () = assert!(size_of::<StackSettings>() == size_of::<abi::stack_t>());

/// An alternate stack, or none: then its size is 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct AlternateStack {
    start: u64,
    size: u64,
    /// As the program set them: perhaps with SS_AUTODISARM.
    flags: u32,
}

impl AlternateStack {
    /// None.
    pub const NONE: Self = Self { start: 0, size: 0, flags: abi::SS_DISABLE };

    fn disarms_itself(&self) -> bool {
        self.flags & abi::SS_AUTODISARM != 0
    }

    fn contains(&self, stack_pointer: u64) -> bool {
        // A full stack's pointer is its end.
        !self.disarms_itself() && stack_pointer > self.start && stack_pointer - self.start <= self.size
    }

    fn state(&self, stack_pointer: u64) -> u32 {
        match self.size {
            0 => abi::SS_DISABLE,
            _ if self.contains(stack_pointer) => abi::SS_ONSTACK,
            _ => 0,
        }
    }

    /// Where a handler's frame goes: below this.
    pub fn top_for(&self, action: ActionFlags, stack_pointer: u64) -> u64 {
        if action.contains(ActionFlags::ONSTACK) && self.state(stack_pointer) == 0 {
            self.start.wrapping_add(self.size)
        } else {
            stack_pointer
        }
    }

    /// What a handler's frame keeps, for rt_sigreturn to set again.
    pub fn saved(&self) -> StackSettings {
        StackSettings { start: self.start, flags: self.flags, padding: 0, size: self.size }
    }

    /// A handler begins: with SS_AUTODISARM there is none until it returns.
    pub fn on_handler(&mut self) {
        if self.disarms_itself() {
            *self = Self::NONE;
        }
    }

    /// What the program sees that asks.
    fn seen(&self, stack_pointer: u64) -> StackSettings {
        StackSettings { flags: self.state(stack_pointer) | self.flags & abi::SS_FLAG_BITS, ..self.saved() }
    }

    /// Takes a program's settings. EPERM while in use, EINVAL, ENOMEM if too small.
    pub fn set(&mut self, new: &StackSettings, stack_pointer: u64) -> Result<()> {
        if self.contains(stack_pointer) {
            return Err(Errno::EPERM);
        }
        match new.flags & !abi::SS_FLAG_BITS {
            abi::SS_DISABLE => *self = Self { start: 0, size: 0, flags: new.flags },
            0 | abi::SS_ONSTACK if new.size < u64::from(abi::MINSIGSTKSZ) => return Err(Errno::ENOMEM),
            0 | abi::SS_ONSTACK => *self = Self { start: new.start, size: new.size, flags: new.flags },
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }
}

/// sigaltstack(2) of a thread whose stack pointer is `stack_pointer`: the old settings.
pub fn sigaltstack(new: Option<&StackSettings>, stack_pointer: u64) -> Result<StackSettings> {
    let thread = current();
    let mut own = thread.signals.lock();
    let old = own.alternate_stack.seen(stack_pointer);
    if let Some(new) = new {
        own.alternate_stack.set(new, stack_pointer)?;
    }
    Ok(old)
}
