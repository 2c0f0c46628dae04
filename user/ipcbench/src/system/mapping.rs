//! Memory shared between a process and its children. Unmapped when dropped, in the dropping process only.
//! Holds no lock; what lies inside is the user's to order.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

/// A shared, zero-filled, page-aligned mapping that `fork` passes on.
pub struct SharedMapping {
    base: NonNull<u8>,
    bytes: usize,
}

impl SharedMapping {
    /// Memory without a name: `mmap(MAP_SHARED | MAP_ANONYMOUS)`.
    ///
    /// # Errors
    /// What `mmap` says.
    pub fn anonymous(bytes: usize) -> io::Result<Self> {
        Self::map(bytes, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1)
    }

    /// Memory by `shm_open`, `ftruncate` and `mmap`. The name is taken away at once: processes get at it by
    /// inheriting the mapping, and no death can leave it behind.
    ///
    /// # Errors
    /// What those calls say.
    pub fn posix_shared_memory(bytes: usize) -> io::Result<Self> {
        let object = open_nameless_object()?;
        let length = libc::off_t::try_from(bytes).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        // SAFETY: the descriptor is open and owned here.
        if unsafe { libc::ftruncate(object.as_raw_fd(), length) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Self::map(bytes, libc::MAP_SHARED, object.as_raw_fd())
    }

    /// The first `bytes` of what `file` lets be mapped, shared.
    ///
    /// # Errors
    /// What `mmap` says.
    pub fn of_file(file: &OwnedFd, bytes: usize) -> io::Result<Self> {
        Self::map(bytes, libc::MAP_SHARED, file.as_raw_fd())
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn map(bytes: usize, flags: libc::c_int, fd: RawFd) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: without MAP_FIXED a new mapping touches no memory that is in use.
        let base = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, fd, 0) };
        match NonNull::new(base) {
            Some(base) if base.as_ptr() != libc::MAP_FAILED => Ok(Self { base: base.cast(), bytes }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// The first byte.
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// The `index`th 32-bit word.
    ///
    /// # Panics
    /// When the mapping ends before it.
    pub fn word(&self, index: usize) -> &AtomicU32 {
        assert!(index < self.bytes / size_of::<AtomicU32>(), "word outside the mapping");
        // SAFETY: the word lies inside the mapping, as just asserted.
        let word = unsafe { self.base.cast::<AtomicU32>().add(index) };
        // SAFETY: aligned (the base is a page's), initialised (zero-filled), alive as long as `self`, and only
        // ever reached as an atomic by those who use `word`.
        unsafe { word.as_ref() }
    }
}

impl Drop for SharedMapping {
    fn drop(&mut self) {
        // SAFETY: `base` and `bytes` are a mapping made by `map`, and borrows of it end with `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

/// A shared-memory object whose name is gone already.
fn open_nameless_object() -> io::Result<OwnedFd> {
    static OBJECTS: AtomicU32 = AtomicU32::new(0);
    let serial = OBJECTS.fetch_add(1, Ordering::Relaxed);
    let name = CString::new(format!("/ipcbench-{}-{serial}", std::process::id()))?;
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR;
    // SAFETY: `name` is a C string that outlives the call.
    let fd = unsafe { libc::shm_open(name.as_ptr(), flags, 0o600) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: shm_open just returned the descriptor, and nobody else knows it.
    let object = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: as for shm_open.
    if unsafe { libc::shm_unlink(name.as_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::SharedMapping;

    #[test]
    fn both_kinds_begin_as_zeroes_and_hold_what_is_stored() {
        let kinds = [SharedMapping::anonymous(8192), SharedMapping::posix_shared_memory(8192)];
        for mapping in kinds.into_iter().map(|kind| kind.expect("maps")) {
            assert_eq!(mapping.word(2047).swap(9, Ordering::Relaxed), 0);
            assert_eq!(mapping.word(2047).load(Ordering::Relaxed), 9);
        }
    }

    #[test]
    #[should_panic(expected = "word outside the mapping")]
    fn a_word_beyond_the_end_is_refused() {
        let mapping = SharedMapping::anonymous(4096).expect("maps");
        mapping.word(1024);
    }
}
