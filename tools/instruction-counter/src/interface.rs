//! What of QEMU's plugin interface is used here, and all unsafe code for it. Version 1: QEMU 4.2 to 8.2.

use std::ffi::{c_int, c_uint, c_void};
use std::marker::PhantomData;
use std::sync::OnceLock;

use crate::window::Counter;

/// The version of the interface.
pub const INTERFACE: c_int = 1;
/// What QEMU calls this plugin.
pub type Id = u64;
/// `qemu_info_t`, of which nothing is read.
#[repr(C)]
pub struct Info(c_int);
/// `struct qemu_plugin_tb`, QEMU's own.
#[repr(C)]
struct RawBlock(c_int);
/// `struct qemu_plugin_insn`, QEMU's own.
#[repr(C)]
struct RawInstruction(c_int);

/// `QEMU_PLUGIN_CB_NO_REGS`: the guest's registers are neither read nor written.
const NO_REGISTERS: c_int = 0;

unsafe extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: Id, callback: extern "C" fn(Id, *const RawBlock));
    fn qemu_plugin_tb_n_insns(block: *const RawBlock) -> usize;
    fn qemu_plugin_tb_get_insn(block: *const RawBlock, index: usize) -> *const RawInstruction;
    fn qemu_plugin_insn_data(instruction: *const RawInstruction) -> *const c_void;
    fn qemu_plugin_insn_vaddr(instruction: *const RawInstruction) -> u64;
    fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *const RawInstruction,
        callback: extern "C" fn(c_uint, *const Counter),
        registers: c_int,
        counter: *const Counter,
    );
}

/// A block that QEMU is translating.
pub struct Block<'call>(*const RawBlock, PhantomData<&'call RawBlock>);
/// One of its instructions.
pub struct Instruction<'call>(*const RawInstruction, PhantomData<&'call RawInstruction>);

static ON_TRANSLATION: OnceLock<fn(&Block)> = OnceLock::new();

/// Has `callback` called for each block that is translated. The first callback stays.
pub fn on_translation(id: Id, callback: fn(&Block)) {
    ON_TRANSLATION.get_or_init(|| callback);
    // SAFETY: the id is this plugin's, and the function is of the type that QEMU calls.
    unsafe { qemu_plugin_register_vcpu_tb_trans_cb(id, translate) };
}

extern "C" fn translate(_id: Id, block: *const RawBlock) {
    if let Some(callback) = ON_TRANSLATION.get() {
        callback(&Block(block, PhantomData));
    }
}

impl<'call> Block<'call> {
    /// All of them, in order.
    pub fn instructions(&self) -> impl Iterator<Item = Instruction<'call>> {
        let block = self.0;
        // SAFETY: QEMU's, during its call.
        let count = unsafe { qemu_plugin_tb_n_insns(block) };
        (0..count).map(move |index| {
            // SAFETY: the same, and there are so many.
            let instruction = unsafe { qemu_plugin_tb_get_insn(block, index) };
            Instruction(instruction, PhantomData)
        })
    }
}

impl Instruction<'_> {
    /// Where the guest executes it.
    pub fn address(&self) -> u64 {
        // SAFETY: QEMU's, during its call.
        unsafe { qemu_plugin_insn_vaddr(self.0) }
    }

    /// The instruction itself.
    pub fn word(&self) -> u32 {
        // SAFETY: QEMU's, during its call.
        let data = unsafe { qemu_plugin_insn_data(self.0) };
        // SAFETY: an AArch64 instruction's four bytes, little-endian, which need not be aligned here.
        u32::from_le_bytes(unsafe { data.cast::<[u8; 4]>().read_unaligned() })
    }

    /// Has `action` called with `counter` before each execution.
    pub fn on_execution(&self, action: extern "C" fn(c_uint, *const Counter), counter: &'static Counter) {
        // SAFETY: QEMU's, during its call; the counter stays for ever, and the function is of the type that QEMU calls.
        unsafe { qemu_plugin_register_vcpu_insn_exec_cb(self.0, action, NO_REGISTERS, counter) };
    }
}
