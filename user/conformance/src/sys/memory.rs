//! Mappings under test. See `sys` for the rules.
//!
//! The raw calls are used, for libc's wrappers round addresses and check lengths themselves. A `Mapping` is an address range
//! obtained from mmap. Parts of it may have been unmapped or protected since: touching those raises the signal that the test is
//! about, which is defined behaviour of the machine and not of Rust's memory.

use super::{Sys, checked, counted};
use std::sync::atomic::AtomicU32;

/// The page size that both systems have (4 KiB granule).
pub const PAGE: usize = 4096;

/// Bytes that tell their place, and no page like the next.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..=250).cycle().take(length).collect()
}

/// Read and write.
pub const READ_WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;

/// What to ask of mmap.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// In bytes.
    pub length: usize,
    /// `PROT_*`.
    pub protection: i32,
    /// `MAP_*`, without `MAP_FIXED`.
    pub flags: i32,
    /// -1 for none.
    pub fd: i32,
    /// In bytes.
    pub offset: i64,
}

impl Request {
    /// Private anonymous memory.
    pub fn private(length: usize) -> Self {
        Self { length, protection: READ_WRITE, flags: libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, fd: -1, offset: 0 }
    }

    /// Anonymous memory shared with children.
    pub fn shared(length: usize) -> Self {
        Self { flags: libc::MAP_SHARED | libc::MAP_ANONYMOUS, ..Self::private(length) }
    }

    /// A file, `MAP_SHARED` or `MAP_PRIVATE`.
    pub fn file(fd: i32, length: usize, flags: i32) -> Self {
        Self { length, protection: READ_WRITE, flags, fd, offset: 0 }
    }
}

/// An address range from mmap. It stays mapped for the life of the test's process.
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    /// The first address.
    pub address: usize,
    /// In bytes.
    pub length: usize,
}

/// `mmap` at an address of the kernel's choice.
pub fn map(request: Request) -> Sys<Mapping> {
    assert!(request.flags & libc::MAP_FIXED == 0, "MAP_FIXED goes through Mapping::replace");
    let Request { length, protection, flags, fd, offset } = request;
    // SAFETY: without MAP_FIXED a new mapping cannot touch what is there.
    let start = unsafe { libc::syscall(libc::SYS_mmap, 0_usize, length, protection, flags, fd, offset) };
    Ok(Mapping { address: counted("mmap", start)?, length })
}

/// Private anonymous memory of `pages` pages.
pub fn private(pages: usize) -> Sys<Mapping> {
    map(Request::private(pages * PAGE))
}

/// Shared anonymous memory of `pages` pages.
pub fn shared(pages: usize) -> Sys<Mapping> {
    map(Request::shared(pages * PAGE))
}

/// `pages` pages followed by one that is not mapped, both in the mapping's range: for buffers that straddle.
///
/// The pages lie alone in the middle of a wide gap, so that whatever is mapped next, from either end, does not fill the hole.
pub fn before_hole(pages: usize) -> Sys<Mapping> {
    const GAP: usize = 16 << 20;
    let kept = pages * PAGE;
    let whole = map(Request { protection: libc::PROT_NONE, ..Request::private(2 * GAP + kept) })?;
    whole.protect(GAP, kept, READ_WRITE)?;
    whole.unmap(0, GAP)?;
    whole.unmap(GAP + kept, GAP)?;
    Ok(Mapping { address: whole.address + GAP, length: kept + PAGE })
}

impl Mapping {
    /// The address of `offset`, after checking that `length` bytes from there lie in the range.
    pub fn pointer(&self, offset: usize, length: usize) -> *mut u8 {
        assert!(offset + length <= self.length, "a test reached outside its mapping");
        std::ptr::with_exposed_provenance_mut(self.address + offset)
    }

    /// Loads one byte.
    pub fn load(&self, offset: usize) -> u8 {
        let pointer = self.pointer(offset, 1);
        // SAFETY: in the range; a missing or protected page raises a signal, which the test expects.
        unsafe { pointer.read_volatile() }
    }

    /// Stores one byte.
    pub fn store(&self, offset: usize, value: u8) {
        let pointer = self.pointer(offset, 1);
        // SAFETY: in the range; a missing or protected page raises a signal, which the test expects.
        unsafe { pointer.write_volatile(value) }
    }

    /// Stores bytes one after the other.
    pub fn store_all(&self, offset: usize, bytes: &[u8]) {
        for (index, byte) in bytes.iter().enumerate() {
            self.store(offset + index, *byte);
        }
    }

    /// Loads `length` bytes.
    pub fn load_all(&self, offset: usize, length: usize) -> Vec<u8> {
        (offset..offset + length).map(|place| self.load(place)).collect()
    }

    /// The word at `offset`, for futexes and for counting across processes.
    pub fn word(&self, offset: usize) -> &'static AtomicU32 {
        assert!(offset.is_multiple_of(4), "an atomic word is aligned");
        let pointer = self.pointer(offset, 4).cast::<u32>();
        // SAFETY: aligned, in the range, and mapped until the process ends: the tests unmap no page they keep words in.
        unsafe { AtomicU32::from_ptr(pointer) }
    }

    /// `mprotect` of a part.
    pub fn protect(&self, offset: usize, length: usize, protection: i32) -> Sys<()> {
        let pointer = self.pointer(offset, length);
        // SAFETY: the range holds nothing of Rust's.
        let value = unsafe { libc::syscall(libc::SYS_mprotect, pointer, length, protection) };
        checked("mprotect", value).map(drop)
    }

    /// `munmap` of a part.
    pub fn unmap(&self, offset: usize, length: usize) -> Sys<()> {
        let pointer = self.pointer(offset, length);
        // SAFETY: the range holds nothing of Rust's.
        let value = unsafe { libc::syscall(libc::SYS_munmap, pointer, length) };
        checked("munmap", value).map(drop)
    }

    /// `mmap(MAP_FIXED)` over a part; `extra_flags` may add `MAP_FIXED_NOREPLACE`.
    pub fn replace(&self, offset: usize, request: Request, extra_flags: i32) -> Sys<Mapping> {
        let pointer = self.pointer(offset, request.length);
        let Request { length, protection, flags, fd, offset: file_offset } = request;
        // SAFETY: the range holds nothing of Rust's.
        let start =
            unsafe { libc::syscall(libc::SYS_mmap, pointer, length, protection, flags | extra_flags, fd, file_offset) };
        Ok(Mapping { address: counted("mmap", start)?, length })
    }
}

/// `memfd_create`.
pub fn memfd(length: i64) -> Sys<i32> {
    // SAFETY: the name is a C string.
    let fd = checked("memfd_create", unsafe { libc::memfd_create(c"conformance".as_ptr(), 0) })?;
    super::path::ftruncate(fd, length)?;
    Ok(fd)
}
