//! A plugin for QEMU: counts, address by address, each instruction that the guest executes between two marked ones.
//!
//!     -plugin libinstruction_counter.so,out=FILE,begin=WORD,end=WORD
//!
//! WORD is an instruction in hexadecimal digits, which the guest executes where counting begins and where it ends; neither is
//! counted. At each end FILE is written anew: a line `windows N` (how often counting began), then a line `ADDRESS WORD COUNT` for
//! each instruction that was executed in any of them, address and word in hexadecimal. One processor only.
//!
//! Locks: one, while QEMU translates code or a window ends; counting takes none. Specification: QEMU's
//! include/qemu/qemu-plugin.h.

mod interface;
mod window;

use std::ffi::{CStr, c_char, c_int};

use interface::{Block, Id, Info};
use window::Counter;

/// QEMU's first call: takes the arguments of the command line. Other than 0 ends QEMU.
///
/// # Safety
/// `machine` is QEMU's description of it, and `arguments` are `count` strings, as QEMU passes them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: Id,
    machine: *const Info,
    count: c_int,
    arguments: *const *const c_char,
) -> c_int {
    // SAFETY: the caller's contract.
    unsafe { &*machine }.heed();
    // SAFETY: the caller's contract: there are so many; even for none QEMU passes an array.
    let arguments = unsafe { std::slice::from_raw_parts(arguments, usize::try_from(count).unwrap_or(0)) };
    let given = arguments.iter().map(|argument| {
        // SAFETY: the caller's contract: a string, which stays for this call.
        unsafe { CStr::from_ptr(*argument) }.to_string_lossy().into_owned()
    });
    match window::configure(given) {
        Ok(()) => {
            interface::on_translation(id, on_translation);
            0
        }
        Err(complaint) => {
            eprintln!("instruction-counter: {complaint}");
            1
        }
    }
}

/// Has every instruction of a block counted, each time that it is executed.
fn on_translation(block: &Block) {
    for instruction in block.instructions() {
        let counter: &'static Counter = window::counter(instruction.address(), instruction.word());
        instruction.on_execution(window::action(counter), counter);
    }
}
