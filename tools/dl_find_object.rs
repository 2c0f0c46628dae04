//! `_dl_find_object` for musl: where the unwind tables of a program address are.
//!
//! Owns nothing, takes no lock of its own, does not sleep. Compiled by `tools/setup-from-packages` alone, into
//! the unwinder that it takes from libgcc: that one is built for glibc (2.35 and later) and calls this, which
//! musl lacks. Specification: glibc's manual, "Dynamic Linker Introspection"; ELF's PT_GNU_EH_FRAME.
//!
//! Written on musl's `dl_iterate_phdr`, which reads the program headers that the kernel names in the auxiliary
//! vector; so it holds for static programs and static PIE alike.
#![no_std]

use core::ffi::{c_int, c_void};
use core::ptr;

const PT_LOAD: u32 = 1;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;

/// ELF64 program header.
#[repr(C)]
struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: u64,
    address: usize,
    physical_address: u64,
    file_len: u64,
    memory_len: usize,
    align: u64,
}

/// The part of `struct dl_phdr_info` that is read here.
#[repr(C)]
struct ObjectInfo {
    base: usize,
    name: *const u8,
    headers: *const ProgramHeader,
    header_count: u16,
}

/// `struct dl_find_object` of 64-bit AArch64.
#[repr(C)]
pub struct FoundObject {
    flags: u64,
    map_start: *const c_void,
    map_end: *const c_void,
    link_map: *const c_void,
    eh_frame: *const c_void,
    reserved: [u64; 7],
}

struct Search {
    pc: usize,
    found: *mut FoundObject,
}

unsafe extern "C" {
    fn dl_iterate_phdr(
        callback: unsafe extern "C" fn(*const ObjectInfo, usize, *mut c_void) -> c_int,
        data: *mut c_void,
    ) -> c_int;
}

/// Called once per loaded object: 1 when it holds the address and `found` has been filled, else 0.
unsafe extern "C" fn on_object(info: *const ObjectInfo, _len: usize, data: *mut c_void) -> c_int {
    // SAFETY: `dl_iterate_phdr` passes its own record, and `_dl_find_object`'s `Search` as `data`.
    let (info, search) = unsafe { (&*info, &*data.cast::<Search>()) };
    let (mut start, mut end, mut eh_frame) = (usize::MAX, 0, 0);
    for index in 0..usize::from(info.header_count) {
        // SAFETY: the record's table has `header_count` entries.
        let header = unsafe { &*info.headers.wrapping_add(index) };
        let address = info.base.wrapping_add(header.address);
        match header.kind {
            PT_LOAD => {
                start = start.min(address);
                end = end.max(address.wrapping_add(header.memory_len));
            }
            PT_GNU_EH_FRAME => eh_frame = address,
            _ => {}
        }
    }
    if eh_frame == 0 || search.pc < start || search.pc >= end {
        return 0;
    }
    let found = FoundObject {
        flags: 0,
        map_start: start as *const c_void,
        map_end: end as *const c_void,
        link_map: ptr::null(),
        eh_frame: eh_frame as *const c_void,
        reserved: [0; 7],
    };
    // SAFETY: the unwinder passed a pointer to a record of its own.
    unsafe { search.found.write(found) };
    1
}

/// Fills `found` for the object that holds `pc` and returns 0; returns -1 when there is none.
///
/// # Safety
/// `found` points to a writable `struct dl_find_object`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _dl_find_object(pc: *const c_void, found: *mut FoundObject) -> c_int {
    let mut search = Search { pc: pc as usize, found };
    // SAFETY: `on_object` reads `data` as the `Search` that it is, which outlives the call.
    let hit = unsafe { dl_iterate_phdr(on_object, (&raw mut search).cast()) };
    if hit == 1 { 0 } else { -1 }
}
