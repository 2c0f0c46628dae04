//! The only ways to user memory: typed pointers, strings, and the cursors `Source` and `Sink`, which
//! advance, so that nothing is fetched twice.
//!
//! Every access may fault and so may sleep: no spin lock may be held. A fault that cannot be
//! resolved is EFAULT if nothing was moved, and a short count otherwise.

use super::address_space::AddressSpace;
use super::contiguous::ContiguousMemory;
use super::frame::Frame;
use crate::arch::mmu::PAGE_SIZE;
use crate::arch::user_access::{self, USER_END};
use crate::sync::per_cpu::assert_no_spin_lock;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Range;
use postern_core::errno::{Errno, Result};
use postern_core::page_ring;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// The most bytes one read or write moves (Linux's MAX_RW_COUNT).
pub const MAX_TRANSFER: usize = 0x7fff_f000;
/// The most segments of readv and writev (UIO_MAXIOV).
pub const MAX_SEGMENTS: usize = 1024;
/// Pieces that a vector may have without memory being asked for first.
const FEW_SEGMENTS: usize = 8;

/// EFAULT unless the range lies in the user half.
pub fn check_range(address: usize, length: usize) -> Result<()> {
    match address.checked_add(length) {
        Some(end) if end <= USER_END => Ok(()),
        _ => Err(Errno::EFAULT),
    }
}

/// A pointer that a program passed to a `T` in its memory. It need not be aligned.
#[derive(Debug, PartialEq, Eq)]
pub struct UserPtr<T> {
    address: usize,
    target: PhantomData<T>,
}

// Not derived: a pointer can be copied whether its target can or not.
impl<T> Clone for UserPtr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for UserPtr<T> {}

impl<T> UserPtr<T> {
    /// The pointer, unchecked until it is used.
    pub const fn new(address: usize) -> Self {
        Self { address, target: PhantomData }
    }

    /// Whether it is null: "no such argument" in many calls.
    pub const fn is_null(self) -> bool {
        self.address == 0
    }

    /// The number it is.
    pub const fn address(self) -> usize {
        self.address
    }

    /// The `index`-th `T` from here.
    pub const fn element(self, index: usize) -> Self {
        Self::new(self.address.wrapping_add(index.wrapping_mul(size_of::<T>())))
    }
}

impl<T: FromBytes + IntoBytes> UserPtr<T> {
    /// Fetches the value. EFAULT.
    pub fn read(self) -> Result<T> {
        let mut value = T::new_zeroed();
        read_bytes(self.address, value.as_mut_bytes())?;
        Ok(value)
    }
}

impl<T: IntoBytes + Immutable> UserPtr<T> {
    /// Stores the value. EFAULT; then part of it may have been stored.
    pub fn write(self, value: &T) -> Result<()> {
        write_bytes(self.address, value.as_bytes())
    }

    /// Stores the value unless the pointer is null.
    pub fn write_if_some(self, value: &T) -> Result<()> {
        if self.is_null() { Ok(()) } else { self.write(value) }
    }
}

/// Fetches bytes. EFAULT unless all could be.
pub fn read_bytes(address: usize, to: &mut [u8]) -> Result<()> {
    match copy_in(address, to) {
        0 => Ok(()),
        _ => Err(Errno::EFAULT),
    }
}

/// Stores bytes. EFAULT unless all could be.
pub fn write_bytes(address: usize, from: &[u8]) -> Result<()> {
    match copy_out(address, from) {
        0 => Ok(()),
        _ => Err(Errno::EFAULT),
    }
}

/// Returns bytes not copied.
fn copy_in(address: usize, to: &mut [u8]) -> usize {
    assert_no_spin_lock("a copy from user memory");
    if check_range(address, to.len()).is_err() {
        return to.len();
    }
    // SAFETY: `to` is ours, the range is in the user half.
    unsafe { user_access::copy_from(to.as_mut_ptr(), address, to.len()) }
}

/// Returns bytes not copied.
fn copy_out(address: usize, from: &[u8]) -> usize {
    assert_no_spin_lock("a copy to user memory");
    if check_range(address, from.len()).is_err() {
        return from.len();
    }
    // SAFETY: `from` is ours, the range is in the user half.
    unsafe { user_access::copy_to(address, from.as_ptr(), from.len()) }
}

fn check_word(address: usize) -> Result<()> {
    assert_no_spin_lock("a futex word");
    if !address.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    check_range(address, 4)
}

/// Loads a futex word in one access. EINVAL if misaligned, EFAULT.
pub fn load_u32(address: usize) -> Result<u32> {
    check_word(address)?;
    // SAFETY: aligned and in the user half.
    unsafe { user_access::load_u32(address) }.ok_or(Errno::EFAULT)
}

/// Atomically replaces `old` by `new`; what was seen. EINVAL if misaligned, EFAULT.
pub fn compare_exchange_u32(address: usize, old: u32, new: u32) -> Result<u32> {
    check_word(address)?;
    // SAFETY: aligned and in the user half.
    unsafe { user_access::compare_exchange_u32(address, old, new) }.ok_or(Errno::EFAULT)
}

/// Fetches a NUL-terminated string of at most `max` bytes without the NUL. EFAULT; ENAMETOOLONG if longer; ENOMEM.
pub fn read_c_string(address: usize, max: usize) -> Result<Vec<u8>> {
    let mut string = Vec::new();
    let mut chunk = [0; 128];
    loop {
        let at = address.checked_add(string.len()).ok_or(Errno::EFAULT)?;
        // Never past a page that the string may end in: the next one need not exist.
        let length = chunk.len().min(PAGE_SIZE - at % PAGE_SIZE);
        let got = length - copy_in(at, &mut chunk[..length]);
        if let Some(end) = chunk[..got].iter().position(|byte| *byte == 0) {
            append(&mut string, &chunk[..end])?;
            return if string.len() > max { Err(Errno::ENAMETOOLONG) } else { Ok(string) };
        }
        if got < length {
            return Err(Errno::EFAULT);
        }
        append(&mut string, &chunk[..got])?;
        if string.len() > max {
            return Err(Errno::ENAMETOOLONG);
        }
    }
}

/// Appends bytes of which a program chooses how many: ENOMEM, not the end of the kernel.
fn append(string: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    string.try_reserve(bytes.len()).map_err(|_| Errno::ENOMEM)?;
    string.extend_from_slice(bytes);
    Ok(())
}

/// One piece of memory of a cursor.
#[derive(Clone, Copy, Debug)]
struct Segment {
    address: usize,
    length: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    User,
    Kernel,
}

/// Which way bytes move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// From the segments into the kernel.
    In,
    /// From the kernel to the segments.
    Out,
}

/// Where a cursor stood at some moment.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    current: Segment,
    remaining: usize,
    next: usize,
}

/// Segments of memory with a position: the part that `Source` and `Sink` share.
#[derive(Debug)]
struct Cursor {
    memory: Memory,
    current: Segment,
    remaining: usize,
    rest: Following,
}

/// The pieces that follow; a box, since there are nearly always none. The end of a cursor without any costs a look and no call.
#[derive(Debug)]
struct Following(ManuallyDrop<Option<Box<Rest>>>);

impl Following {
    const NONE: Self = Self(ManuallyDrop::new(None));

    fn new(segments: Vec<Segment>) -> Self {
        Self(ManuallyDrop::new(Some(Box::new(Rest { segments, next: 0 }))))
    }

    #[cold]
    #[inline(never)]
    fn release(&mut self) {
        // SAFETY: only `drop` calls this, after which nobody looks at it.
        unsafe { ManuallyDrop::drop(&mut self.0) }
    }
}

impl Drop for Following {
    #[inline(always)]
    fn drop(&mut self) {
        if self.0.is_some() {
            self.release();
        }
    }
}

/// Pieces of a vector, and which of them comes next.
#[derive(Debug)]
struct Rest {
    segments: Vec<Segment>,
    next: usize,
}

impl Cursor {
    fn user(address: usize, length: usize) -> Result<Self> {
        let length = length.min(MAX_TRANSFER);
        // As check_range; the length is known to be small.
        if address > USER_END - length {
            return Err(Errno::EFAULT);
        }
        Ok(Self::single(Memory::User, address, length))
    }

    fn single(memory: Memory, address: usize, length: usize) -> Self {
        Self { memory, current: Segment { address, length }, remaining: length, rest: Following::NONE }
    }

    /// A part of a frame.
    fn frame(frame: &Frame, range: Range<usize>) -> Self {
        let (address, length) = within(frame, range);
        Self::single(Memory::Kernel, address, length)
    }

    fn user_vector(address: usize, count: usize) -> Result<Self> {
        if count > MAX_SEGMENTS {
            return Err(Errno::EINVAL);
        }
        // A few are fine at any time: a program that says what is wrong does so with writev.
        let mut rest =
            if count > FEW_SEGMENTS { super::heap::vec_with_room(count)? } else { Vec::with_capacity(count) };
        let mut remaining: usize = 0;
        let mut unlimited: usize = 0;
        for index in 0..count {
            let [address, length] = UserPtr::<[usize; 2]>::new(address).element(index).read()?;
            unlimited =
                unlimited.checked_add(length).filter(|sum| isize::try_from(*sum).is_ok()).ok_or(Errno::EINVAL)?;
            let length = length.min(MAX_TRANSFER - remaining);
            check_range(address, length)?;
            remaining += length;
            rest.push(Segment { address, length });
        }
        let rest = Following::new(rest);
        Ok(Self { memory: Memory::User, current: Segment { address: 0, length: 0 }, remaining, rest })
    }

    /// Moves up to `length` bytes between the segments and `kernel`; how many.
    ///
    /// # Safety
    /// `kernel..kernel + length` is memory of the kernel, for [`Way::In`] valid for writes and nobody else's meanwhile, for
    /// [`Way::Out`] valid for reads.
    #[inline(always)]
    unsafe fn advance(&mut self, length: usize, way: Way, kernel: *mut u8) -> usize {
        // Nearly always: one piece of user memory holds it all. `remaining` is never less than that piece.
        if self.memory == Memory::User && length != 0 && length <= self.current.length {
            // SAFETY: the caller's promise.
            let moved = length - unsafe { copy(way, Memory::User, kernel, self.current.address, length) };
            self.current.address += moved;
            self.current.length -= moved;
            self.remaining -= moved;
            return moved;
        }
        // SAFETY: the caller's promise.
        unsafe { self.advance_through_segments(length, way, kernel) }
    }

    fn next_segment(&mut self) -> Option<Segment> {
        let rest = self.rest.0.as_mut()?;
        rest.next += 1;
        rest.segments.get(rest.next - 1).copied()
    }

    /// Of the first, though it be empty; else of the next that is not.
    #[cold]
    fn next_segment_length(&self) -> usize {
        let Some(rest) = self.rest.0.as_ref() else { return 0 };
        let mut left = rest.segments.iter().skip(rest.next).map(|segment| segment.length);
        if rest.next == 0 { left.next() } else { left.find(|length| *length != 0) }.unwrap_or(0)
    }

    /// # Safety
    /// As for [`Cursor::advance`].
    #[cold]
    #[inline(never)]
    unsafe fn advance_through_segments(&mut self, length: usize, way: Way, kernel: *mut u8) -> usize {
        let length = length.min(self.remaining);
        let mut done = 0;
        while done < length {
            if self.current.length == 0 {
                // `remaining` counts what the segments hold, so there is a next one.
                let Some(next) = self.next_segment() else { break };
                self.current = next;
                continue;
            }
            let part = self.current.length.min(length - done);
            // SAFETY: `done + part` is at most `length`; the piece is a user range or a borrowed slice.
            let moved = part - unsafe { copy(way, self.memory, kernel.wrapping_add(done), self.current.address, part) };
            self.current.address += moved;
            self.current.length -= moved;
            self.remaining -= moved;
            done += moved;
            if moved < part {
                break;
            }
        }
        done
    }

    /// What a transfer that moved `moved` bytes of `length` wanted says: EFAULT if it moved none of some.
    fn outcome(&self, moved: usize, wanted: usize) -> Result<usize> {
        // Nothing moved, though there was something to move and a place for it: a fault.
        if moved == 0 && wanted.min(self.remaining) != 0 { Err(Errno::EFAULT) } else { Ok(moved) }
    }
}

/// Bytes on their way into the kernel: what a program writes.
#[derive(Debug)]
pub struct Source<'a> {
    cursor: Cursor,
    memory: PhantomData<&'a [u8]>,
}

impl<'a> Source<'a> {
    /// A program's buffer, cut to [`MAX_TRANSFER`]. EFAULT if it is not in the user half.
    pub fn user(address: usize, length: usize) -> Result<Source<'static>> {
        Ok(Source { cursor: Cursor::user(address, length)?, memory: PhantomData })
    }

    /// A program's array of `struct iovec`. EINVAL, EFAULT, ENOMEM.
    pub fn user_iovecs(address: usize, count: usize) -> Result<Source<'static>> {
        Ok(Source { cursor: Cursor::user_vector(address, count)?, memory: PhantomData })
    }

    /// A kernel buffer.
    pub fn from_slice(slice: &'a [u8]) -> Self {
        let cursor = Cursor::single(Memory::Kernel, slice.as_ptr().expose_provenance(), slice.len());
        Self { cursor, memory: PhantomData }
    }

    /// A part of a frame.
    pub fn from_frame(frame: &'a Frame, range: Range<usize>) -> Self {
        Self { cursor: Cursor::frame(frame, range), memory: PhantomData }
    }

    /// Takes the next bytes of a program's memory with the page they lie in, up to the end of that page; `None` if none are
    /// left. The page stays the program's too. EFAULT, ENOMEM: nothing is taken.
    pub fn share_page(&mut self, space: &AddressSpace) -> Result<Option<(Frame, Range<usize>)>> {
        let cursor = &mut self.cursor;
        if cursor.memory != Memory::User || cursor.remaining == 0 {
            return Ok(None);
        }
        while cursor.current.length == 0 {
            let Some(next) = cursor.next_segment() else { return Ok(None) };
            cursor.current = next;
        }
        let start = cursor.current.address % PAGE_SIZE;
        let length = cursor.current.length.min(PAGE_SIZE - start);
        let frame = space.share_page(cursor.current.address)?;
        cursor.current.address += length;
        cursor.current.length -= length;
        cursor.remaining -= length;
        Ok(Some((frame, start..start + length)))
    }

    /// Bytes not yet taken.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.cursor.remaining
    }

    /// Where it stands, for [`Source::return_to`].
    pub fn position(&self) -> Position {
        let Cursor { current, remaining, ref rest, .. } = self.cursor;
        Position { current, remaining, next: rest.0.as_ref().map_or(0, |rest| rest.next) }
    }

    /// Goes back to where it stood: what was taken since will be taken again.
    pub fn return_to(&mut self, position: Position) {
        (self.cursor.current, self.cursor.remaining) = (position.current, position.remaining);
        if let Some(rest) = &mut *self.cursor.rest.0 {
            rest.next = position.next;
        }
    }

    /// The length of the part that is next, as the program cut its bytes; 0 if the first is empty, or none is left.
    #[inline]
    pub fn next_part(&self) -> usize {
        let length = self.cursor.current.length;
        if length != 0 { length } else { self.cursor.next_segment_length() }
    }

    /// Takes bytes into a range of `frame`, as far as they can be had; how many. EFAULT if none could be.
    #[inline]
    pub fn copy_to_frame(&mut self, frame: &Frame, range: Range<usize>) -> Result<usize> {
        let wanted = range.end.saturating_sub(range.start);
        let moved = self.move_to_frame(frame, range);
        self.cursor.outcome(moved, wanted)
    }

    /// The same, where fewer bytes than wanted say it all.
    #[inline(always)]
    pub fn move_to_frame(&mut self, frame: &Frame, range: Range<usize>) -> usize {
        let (address, length) = within(frame, range);
        // SAFETY: inside the frame, which `frame` keeps.
        unsafe { self.cursor.advance(length, Way::In, core::ptr::with_exposed_provenance_mut(address)) }
    }

    /// Takes bytes into a range of `memory`, as far as they can be had; how many.
    #[inline]
    pub fn move_to_memory(&mut self, memory: &mut ContiguousMemory, range: Range<usize>) -> usize {
        let base = memory.address(&range);
        // SAFETY: inside the memory, which the caller alone has.
        unsafe { self.cursor.advance(range.len(), Way::In, core::ptr::with_exposed_provenance_mut(base)) }
    }

    /// Takes as many bytes as fit into `to`; how many. EFAULT if none could be had.
    pub fn copy_to_slice(&mut self, to: &mut [u8]) -> Result<usize> {
        // SAFETY: the slice is the caller's alone.
        let moved = unsafe { self.cursor.advance(to.len(), Way::In, to.as_mut_ptr()) };
        self.cursor.outcome(moved, to.len())
    }
}

impl page_ring::Source<Frame> for Source<'_> {
    #[inline(always)]
    fn fill(&mut self, page: &mut Frame, range: Range<usize>) -> usize {
        self.move_to_frame(page, range)
    }
}

impl page_ring::Sink<Frame> for Sink<'_> {
    #[inline(always)]
    fn drain(&mut self, page: &Frame, range: Range<usize>) -> usize {
        self.move_from_frame(page, range)
    }
}

/// Where a range of a frame lies, and its length. A frame is raw memory: whoever has a reference may write to it.
#[inline(always)]
fn within(frame: &Frame, range: Range<usize>) -> (usize, usize) {
    assert!(range.start <= range.end && range.end <= PAGE_SIZE, "outside the frame");
    // Not `range.len()`, which compares the two once more.
    (frame.address() + range.start, range.end - range.start)
}

/// # Safety
/// As for [`copy_into_kernel`] or [`copy_out_of_kernel`].
#[inline(always)]
unsafe fn copy(way: Way, memory: Memory, kernel: *mut u8, address: usize, length: usize) -> usize {
    match way {
        // SAFETY: the caller's promise.
        Way::In => unsafe { copy_into_kernel(memory, kernel, address, length) },
        // SAFETY: the caller's promise.
        Way::Out => unsafe { copy_out_of_kernel(memory, address, kernel, length) },
    }
}

/// # Safety
/// `to` is valid for `length` bytes; for kernel memory `from` is too. The two may overlap: a frame may come back to its file.
#[inline(always)]
unsafe fn copy_into_kernel(memory: Memory, to: *mut u8, from: usize, length: usize) -> usize {
    match memory {
        Memory::User => {
            assert_no_spin_lock("a copy from user memory");
            // SAFETY: `to` by the caller; the user range was checked when the cursor was made.
            unsafe { user_access::copy_from(to, from, length) }
        }
        Memory::Kernel => {
            let distance = from.abs_diff(to.addr());
            let from = core::ptr::with_exposed_provenance(from);
            if distance < length {
                // SAFETY: the caller's promise.
                unsafe { core::ptr::copy(from, to, length) };
            } else {
                // SAFETY: the caller's promise, and they do not overlap. This is much the faster one.
                unsafe { core::ptr::copy_nonoverlapping(from, to, length) };
            }
            0
        }
    }
}

/// # Safety
/// `from` is valid for `length` bytes; for kernel memory `to` is too, and does not overlap it.
#[inline(always)]
unsafe fn copy_out_of_kernel(memory: Memory, to: usize, from: *const u8, length: usize) -> usize {
    match memory {
        Memory::User => {
            assert_no_spin_lock("a copy to user memory");
            // SAFETY: `from` by the caller; the user range was checked when the cursor was made.
            unsafe { user_access::copy_to(to, from, length) }
        }
        Memory::Kernel => {
            // SAFETY: the caller's promise.
            unsafe { core::ptr::copy_nonoverlapping(from, core::ptr::with_exposed_provenance_mut(to), length) };
            0
        }
    }
}

/// Room for bytes on their way out of the kernel: what a program reads into.
#[derive(Debug)]
pub struct Sink<'a> {
    cursor: Cursor,
    memory: PhantomData<&'a mut [u8]>,
}

impl<'a> Sink<'a> {
    /// A program's buffer, cut to [`MAX_TRANSFER`]. EFAULT if it is not in the user half.
    pub fn user(address: usize, length: usize) -> Result<Sink<'static>> {
        Ok(Sink { cursor: Cursor::user(address, length)?, memory: PhantomData })
    }

    /// A program's array of `struct iovec`. EINVAL, EFAULT, ENOMEM.
    pub fn user_iovecs(address: usize, count: usize) -> Result<Sink<'static>> {
        Ok(Sink { cursor: Cursor::user_vector(address, count)?, memory: PhantomData })
    }

    /// A kernel buffer.
    pub fn from_slice(slice: &'a mut [u8]) -> Self {
        let cursor = Cursor::single(Memory::Kernel, slice.as_mut_ptr().expose_provenance(), slice.len());
        Self { cursor, memory: PhantomData }
    }

    /// So many bytes from the start of the first of some frames on. ENOMEM.
    pub fn from_frames(frames: &'a [Frame], length: usize) -> Result<Self> {
        assert!(length <= frames.len() * PAGE_SIZE, "outside the frames");
        if let [frame] = frames {
            return Ok(Self { cursor: Cursor::frame(frame, 0..length), memory: PhantomData });
        }
        let mut segments = Vec::new();
        segments.try_reserve_exact(frames.len()).map_err(|_| Errno::ENOMEM)?;
        segments.extend(frames.iter().map(|frame| Segment { address: frame.address(), length: PAGE_SIZE }));
        let rest = Following::new(segments);
        let current = Segment { address: 0, length: 0 };
        Ok(Self { cursor: Cursor { memory: Memory::Kernel, current, remaining: length, rest }, memory: PhantomData })
    }

    /// Room left.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.cursor.remaining
    }

    /// Stores a range of `memory`, as far as there is room that can be written; how many bytes.
    #[inline]
    pub fn move_from_memory(&mut self, memory: &ContiguousMemory, range: Range<usize>) -> usize {
        let base = memory.address(&range);
        // SAFETY: inside the memory, which nobody changes while it is borrowed.
        unsafe { self.cursor.advance(range.len(), Way::Out, core::ptr::with_exposed_provenance_mut(base)) }
    }

    /// Stores a range of `frame`, as far as there is room that can be written; how many bytes. EFAULT if none could be stored.
    #[inline]
    pub fn copy_from_frame(&mut self, frame: &Frame, range: Range<usize>) -> Result<usize> {
        let wanted = range.end.saturating_sub(range.start);
        let moved = self.move_from_frame(frame, range);
        self.cursor.outcome(moved, wanted)
    }

    /// The same, where fewer bytes than wanted say it all.
    #[inline(always)]
    pub fn move_from_frame(&mut self, frame: &Frame, range: Range<usize>) -> usize {
        let (address, length) = within(frame, range);
        // SAFETY: inside the frame, which `frame` keeps.
        unsafe { self.cursor.advance(length, Way::Out, core::ptr::with_exposed_provenance_mut(address)) }
    }

    /// Stores as much of `from` as there is room for; how many. EFAULT if none could be stored.
    pub fn copy_from_slice(&mut self, from: &[u8]) -> Result<usize> {
        // SAFETY: the slice is borrowed, and only read.
        let moved = unsafe { self.cursor.advance(from.len(), Way::Out, from.as_ptr().cast_mut()) };
        self.cursor.outcome(moved, from.len())
    }

    /// Stores up to `length` zeroes; how many. EFAULT if none could be stored.
    pub fn clear(&mut self, length: usize) -> Result<usize> {
        const ZEROES: [u8; 256] = [0; 256];
        let length = length.min(self.remaining());
        let mut done = 0;
        while done < length {
            let part = (length - done).min(ZEROES.len());
            match self.copy_from_slice(&ZEROES[..part]) {
                Ok(moved) if moved == part => done += moved,
                Ok(moved) => return Ok(done + moved),
                Err(error) => return if done == 0 { Err(error) } else { Ok(done) },
            }
        }
        Ok(done)
    }
}
