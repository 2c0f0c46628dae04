//! The auxiliary vector: what the kernel tells a program about itself and the machine.
//!
//! No locks, never sleeps. Keys are Linux's, from the bindings.

use linux_raw_sys::auxvec::{
    AT_BASE, AT_CLKTCK, AT_EGID, AT_ENTRY, AT_EUID, AT_EXECFN, AT_FLAGS, AT_GID, AT_HWCAP, AT_HWCAP2, AT_MINSIGSTKSZ,
    AT_NULL, AT_PAGESZ, AT_PHDR, AT_PHENT, AT_PHNUM, AT_PLATFORM, AT_RANDOM, AT_SECURE, AT_SYSINFO_EHDR, AT_UID,
};

use crate::areas::PAGE_SIZE;
use crate::exec_plan::ExecPlan;

/// Ticks a second of times(2) and /proc (Linux's `USER_HZ`).
const CLOCK_TICKS: usize = 100;
/// The most entries there are, the last one included.
pub(super) const AUXV_MAX: usize = 21;

/// What the auxiliary vector says, but for what lies on the stack itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuxiliaryValues {
    /// AT_PHDR: address of the program headers.
    pub phdr_vaddr: usize,
    /// AT_PHENT: bytes of each.
    pub phdr_size: usize,
    /// AT_PHNUM: their number.
    pub phdr_count: usize,
    /// AT_ENTRY: the program's entry point.
    pub entry: usize,
    /// AT_BASE: where the dynamic loader lies; zero if there is none.
    pub loader_base: usize,
    /// AT_UID.
    pub uid: u32,
    /// AT_EUID.
    pub euid: u32,
    /// AT_GID.
    pub gid: u32,
    /// AT_EGID.
    pub egid: u32,
    /// AT_SECURE: whether the program runs with rights its caller lacks (set-user-ID).
    pub secure: bool,
    /// AT_HWCAP: features of the processor.
    pub hwcap: usize,
    /// AT_HWCAP2: more of them.
    pub hwcap2: usize,
    /// AT_MINSIGSTKSZ: the least size of a signal stack, in bytes.
    pub minimum_signal_stack: usize,
    /// AT_SYSINFO_EHDR: where the vDSO lies, if there is one.
    pub vdso: Option<usize>,
}

/// Addresses of what lies on the stack.
pub(super) struct Pointers {
    pub(super) random: usize,
    pub(super) exec_path: usize,
    pub(super) platform: usize,
}

impl AuxiliaryValues {
    /// The values which follow from the program; the others are zero.
    #[must_use]
    pub fn of_program(plan: &ExecPlan) -> Self {
        Self {
            phdr_vaddr: plan.phdr_vaddr,
            phdr_size: plan.phdr_size,
            phdr_count: plan.phdr_count,
            entry: plan.entry,
            ..Self::default()
        }
    }

    /// Every entry, in Linux's order, AT_NULL last.
    pub(super) fn entries(&self, on_stack: &Pointers) -> impl Iterator<Item = (usize, usize)> {
        let vdso = self.vdso.map(|address| (AT_SYSINFO_EHDR, address));
        let rest: [_; AUXV_MAX - 1] = [
            (AT_MINSIGSTKSZ, self.minimum_signal_stack),
            (AT_HWCAP, self.hwcap),
            (AT_PAGESZ, PAGE_SIZE),
            (AT_CLKTCK, CLOCK_TICKS),
            (AT_PHDR, self.phdr_vaddr),
            (AT_PHENT, self.phdr_size),
            (AT_PHNUM, self.phdr_count),
            (AT_BASE, self.loader_base),
            (AT_FLAGS, 0),
            (AT_ENTRY, self.entry),
            (AT_UID, self.uid as usize),
            (AT_EUID, self.euid as usize),
            (AT_GID, self.gid as usize),
            (AT_EGID, self.egid as usize),
            (AT_SECURE, usize::from(self.secure)),
            (AT_RANDOM, on_stack.random),
            (AT_HWCAP2, self.hwcap2),
            (AT_EXECFN, on_stack.exec_path),
            (AT_PLATFORM, on_stack.platform),
            (AT_NULL, 0),
        ];
        let entries = vdso.into_iter().chain(rest);
        entries.map(|(key, value)| (key as usize, value))
    }
}
