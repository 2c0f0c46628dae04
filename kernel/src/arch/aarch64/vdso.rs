//! The code page that every program may execute, as assembled in vdso.s. Never changes.

use super::boot;
use core::arch::global_asm;

global_asm!(include_str!("vdso.s"), options(raw));

unsafe extern "C" {
    fn vdso_rt_sigreturn();
}

/// The shared object, whole pages.
pub fn image() -> &'static [u8] {
    let length = boot::vdso_end() - boot::vdso_start();
    // SAFETY: the linker script puts the object there, in read-only memory that is never unmapped.
    unsafe { core::slice::from_raw_parts(core::ptr::with_exposed_provenance(boot::vdso_start()), length) }
}

/// Where in [`image`] the code is that signal handlers return to.
pub fn sigreturn_offset() -> usize {
    (vdso_rt_sigreturn as *const ()).addr() - boot::vdso_start()
}
