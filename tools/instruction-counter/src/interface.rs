//! What of QEMU's plugin interface is used here, and all unsafe code for it.
//!
//! Version 1 of the interface is that of QEMU 4.2 to 8.2. Since 9.0 QEMU takes no plugin of a version below 2; and since version 3
//! it copies an instruction's bytes where it pointed to them before. Of the rest nothing that is used here has changed.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::marker::PhantomData;
use std::mem::transmute;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use crate::window::Counter;

/// What QEMU asks when it has loaded the plugin, before anything else: a version of the interface that it knows.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the name that QEMU looks for")]
pub static qemu_plugin_version: AtomicI32 = AtomicI32::new(1);

/// What the dynamic linker calls before QEMU asks.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = choose_version;

extern "C" fn choose_version() {
    /// There since version 2.
    const SINCE_2: &CStr = c"qemu_plugin_num_vcpus";
    // SAFETY: no handle means all that is loaded; the name is a string.
    if !unsafe { dlsym(ptr::null_mut(), SINCE_2.as_ptr()) }.is_null() {
        qemu_plugin_version.store(2, Ordering::Relaxed);
    }
}

/// Since version 3.
static COPIES_INSTRUCTIONS: AtomicBool = AtomicBool::new(false);

/// What QEMU calls this plugin.
pub type Id = u64;

/// The beginning of `qemu_info_t`.
#[repr(C)]
pub struct Info {
    target: *const c_char,
    least_version: c_int,
    version: c_int,
}

impl Info {
    /// Remembers what QEMU's own version of the interface differs in.
    pub fn heed(&self) {
        COPIES_INSTRUCTIONS.store(self.version >= 3, Ordering::Relaxed);
    }
}

/// `struct qemu_plugin_tb`, QEMU's own.
#[repr(C)]
struct RawBlock(c_int);
/// `struct qemu_plugin_insn`, QEMU's own.
#[repr(C)]
struct RawInstruction(c_int);

/// `QEMU_PLUGIN_CB_NO_REGS`: the guest's registers are neither read nor written.
const NO_REGISTERS: c_int = 0;

/// `qemu_plugin_insn_data` as of version 3.
type CopyData = unsafe extern "C" fn(instruction: *const RawInstruction, to: *mut c_void, bytes: usize) -> usize;
/// The same as of version 1.
type PointToData = unsafe extern "C" fn(instruction: *const RawInstruction) -> *const c_void;

unsafe extern "C" {
    // The C library's, which std is linked with.
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: Id, callback: extern "C" fn(Id, *const RawBlock));
    fn qemu_plugin_tb_n_insns(block: *const RawBlock) -> usize;
    fn qemu_plugin_tb_get_insn(block: *const RawBlock, index: usize) -> *const RawInstruction;
    // As of version 1.
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
        if COPIES_INSTRUCTIONS.load(Ordering::Relaxed) {
            let mut word = [0; 4];
            // SAFETY: that is what this QEMU has by that name.
            let copy = unsafe { transmute::<PointToData, CopyData>(qemu_plugin_insn_data) };
            // SAFETY: QEMU's, during its call; there is room for so many bytes.
            unsafe { copy(self.0, word.as_mut_ptr().cast(), word.len()) };
            return u32::from_le_bytes(word);
        }
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
