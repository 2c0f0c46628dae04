//! The alternate signal stack. Specification: sigaltstack(2).

use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::sys::memory::{self, PAGE};
use crate::sys::{signal, zeroed};
use libc::{SA_ONSTACK, SIGUSR1};
use std::sync::atomic::{AtomicUsize, Ordering};

crate::tests! {
    alternate_stack_is_used_with_sa_onstack,
    alternate_stack_that_is_too_small_gives_enomem,
    alternate_stack_cannot_be_changed_from_itself,
}

/// An address on the stack of the handler.
static STACK_SEEN: AtomicUsize = AtomicUsize::new(0);
static CHANGE_ERRNO: AtomicUsize = AtomicUsize::new(0);

extern "C" fn stack_handler(_signal: i32, _info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    let local = 0_u8;
    STACK_SEEN.store((&raw const local).expose_provenance(), Ordering::SeqCst);
    let errno =
        sigaltstack(std::ptr::with_exposed_provenance_mut(PAGE), 64 * PAGE).err().map_or(0, |error| error.errno);
    CHANGE_ERRNO.store(errno.unsigned_abs() as usize, Ordering::SeqCst);
}

fn sigaltstack(start: *mut u8, length: usize) -> crate::sys::Sys<()> {
    let mut stack: libc::stack_t = zeroed();
    stack.ss_sp = start.cast();
    stack.ss_size = length;
    // SAFETY: the kernel only notes the range; tests that use it keep it mapped.
    let value = unsafe { libc::syscall(libc::SYS_sigaltstack, &raw const stack, 0_usize) };
    crate::sys::checked("sigaltstack", value).map(drop)
}

fn alternate_stack_is_used_with_sa_onstack() -> Outcome {
    let stack = memory::private(32)?;
    sigaltstack(stack.pointer(0, stack.length), stack.length)?;
    let on_it = || (stack.address..stack.address + stack.length).contains(&STACK_SEEN.load(Ordering::SeqCst));
    signal::handle(SIGUSR1, stack_handler, 0, &[])?;
    signal::raise(SIGUSR1)?;
    expect(!on_it(), "without SA_ONSTACK the handler runs on the ordinary stack")?;
    signal::handle(SIGUSR1, stack_handler, SA_ONSTACK, &[])?;
    signal::raise(SIGUSR1)?;
    expect(on_it(), "with SA_ONSTACK the handler runs on the alternate stack")
}

fn alternate_stack_that_is_too_small_gives_enomem() -> Outcome {
    let stack = memory::private(1)?;
    expect_errno(sigaltstack(stack.pointer(0, PAGE), 1024), libc::ENOMEM)
}

fn alternate_stack_cannot_be_changed_from_itself() -> Outcome {
    let stack = memory::private(32)?;
    sigaltstack(stack.pointer(0, stack.length), stack.length)?;
    signal::handle(SIGUSR1, stack_handler, SA_ONSTACK, &[])?;
    signal::raise(SIGUSR1)?;
    let errno = i32::try_from(CHANGE_ERRNO.load(Ordering::SeqCst)).unwrap_or(0);
    expect_eq(errno, libc::EPERM, "errno of sigaltstack in the handler")
}
