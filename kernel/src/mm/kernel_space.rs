//! The kernel's own half: the final translation tables (W^X), kernel stacks with guard pages,
//! device mappings, the heap's large blocks.
//!
//! Locks: KERNEL_SPACE around the tables, STACKS around the free stacks. Never sleeps.

use super::frame::{Frame, Purpose};
use super::layout::{CODE_ALIAS, DEVICES, HEAP, STACK_SIZE, STACK_SLOT, STACKS, direct, page_down, page_up};
use super::page_table::{Root, block_entry, find, find_or_add, page_entry};
use crate::arch::boot;
use crate::arch::mmu::{self, EntryFlags, PAGE_SIZE};
use crate::sync::{SpinLock, rank};
use alloc::vec::Vec;
use arrayvec::ArrayVec;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};
use postern_core::errno::{Errno, Result};

const TWO_MIB: usize = 2 << 20;

struct KernelSpace {
    /// Physical address of the level-0 table.
    root: Root,
    /// The next free address for a device.
    next_device: usize,
}

static SPACE: SpinLock<KernelSpace> =
    SpinLock::new(rank::KERNEL_SPACE, KernelSpace { root: Root::none(), next_device: DEVICES });
/// Stacks given back, kept mapped for the next task.
static FREE_STACKS: SpinLock<ArrayVec<usize, 64>> = SpinLock::new(rank::STACKS, ArrayVec::new_const());
static STACK_SLOTS: SpinLock<StackSlots> = SpinLock::new(rank::STACKS, StackSlots { unmapped: Vec::new(), unused: 0 });

/// There is room in the list for so many from the start: a page of it.
const SLOTS_AT_FIRST: usize = PAGE_SIZE / size_of::<usize>();

/// Places for stacks.
struct StackSlots {
    /// Given back and unmapped. It has room for every slot there is: a stack goes when a task has ended, whom nobody could tell
    /// that there is no memory.
    unmapped: Vec<usize>,
    /// The first that was never taken.
    unused: usize,
}

impl StackSlots {
    /// ENOMEM.
    fn take(&mut self) -> Result<usize> {
        if let Some(slot) = self.unmapped.pop() {
            return Ok(slot);
        }
        self.unmapped.try_reserve(SLOTS_AT_FIRST.max(self.unused + 1)).map_err(|_| Errno::ENOMEM)?;
        self.unused += 1;
        Ok(self.unused - 1)
    }
}

fn data_flags() -> EntryFlags {
    EntryFlags::NO_KERNEL_EXECUTE | EntryFlags::NO_USER_EXECUTE
}

fn read_only_flags() -> EntryFlags {
    data_flags() | EntryFlags::READ_ONLY
}

fn code_flags() -> EntryFlags {
    EntryFlags::NO_USER_EXECUTE | EntryFlags::READ_ONLY
}

/// Builds the final tables with frames from `take_page` (physical, contiguous in no way, zeroed)
/// and switches to them: all of `ram` in the direct map, the image at its link address, the first
/// bytes of the heap.
///
/// # Safety
/// The early tables are active; `image` is the image's physical address; called once, on one CPU.
pub unsafe fn init(ram: &[Range<usize>], image: usize, mut take_page: impl FnMut() -> usize) {
    let mut take = || -> Result<usize> { Ok(take_page()) };
    let root = Root::new(take_page_of(&mut take));
    for range in ram {
        map_direct(&root, range, image, &mut take);
    }
    let sections = [
        (boot::kernel_start(), boot::text_end(), code_flags()),
        (boot::text_end(), boot::rodata_end(), read_only_flags()),
        (boot::rodata_end(), boot::kernel_end(), data_flags()),
    ];
    for (start, end, flags) in sections {
        for address in (start..end).step_by(PAGE_SIZE) {
            map_page(&root, address, image + (address - boot::kernel_start()), flags, &mut take);
        }
    }
    for address in (HEAP..HEAP + super::heap::INITIAL).step_by(PAGE_SIZE) {
        let page = take_page_of(&mut take);
        map_page(&root, address, page, data_flags(), &mut take);
    }
    let table = root.physical();
    SPACE.lock().root = root;
    mmu::publish_tables();
    // SAFETY: the tables map the image with the running code and stack where they were, and all RAM.
    unsafe { mmu::set_kernel_table(table) };
}

fn take_page_of(take: &mut dyn FnMut() -> Result<usize>) -> usize {
    take().unwrap_or_else(|_| panic!("no memory for the first tables"))
}

fn map_page(root: &Root, address: usize, physical: usize, flags: EntryFlags, take: &mut dyn FnMut() -> Result<usize>) {
    // SAFETY: `root` is the table being built, by one CPU.
    let Ok(entry) = (unsafe { find_or_add(root, address, 3, take) }) else { panic!("no memory for tables") };
    // Release, here and below: as in `page_table`.
    entry.store(page_entry(physical, flags), Ordering::Release);
}

/// Maps a range of RAM into the direct map: blocks of 2 MiB, but pages around the image, whose code
/// and read-only data must not be writable through the alias either.
fn map_direct(root: &Root, range: &Range<usize>, image: usize, take: &mut dyn FnMut() -> Result<usize>) {
    let read_only = image..image + (boot::rodata_end() - boot::kernel_start());
    let mut physical = page_up(range.start);
    while physical < page_down(range.end) {
        let block = physical..physical + TWO_MIB;
        let overlaps = block.start < read_only.end && read_only.start < block.end;
        if physical.is_multiple_of(TWO_MIB) && block.end <= range.end && !overlaps {
            // SAFETY: `root` is the table being built, by one CPU.
            let Ok(entry) = (unsafe { find_or_add(root, direct(physical), 2, take) }) else {
                panic!("no memory for tables")
            };
            entry.store(block_entry(physical, data_flags()), Ordering::Release);
            physical += TWO_MIB;
        } else {
            let flags = if read_only.contains(&physical) { read_only_flags() } else { data_flags() };
            map_page(root, direct(physical), physical, flags, take);
            physical += PAGE_SIZE;
        }
    }
}

/// Frames that became tables of the kernel's half, which stay for ever.
// Relaxed: a sum.
static TABLES: AtomicUsize = AtomicUsize::new(0);

/// Frames that the kernel keeps whatever is given back: its tables, what the heap has besides its first bytes, stacks for the
/// next tasks. For leak counts.
pub fn kept_frames() -> usize {
    let stacks = FREE_STACKS.lock().len() * (STACK_SIZE / PAGE_SIZE);
    TABLES.load(Ordering::Relaxed) + (super::heap::size_bytes() - super::heap::INITIAL) / PAGE_SIZE + stacks
}

fn take_table() -> Result<usize> {
    let frame = Frame::alloc_zeroed_for(Purpose::Kernel)?;
    TABLES.fetch_add(1, Ordering::Relaxed);
    Ok(frame.into_physical())
}

/// Maps fresh frames at `start..start + bytes`; all or nothing. ENOMEM.
fn map_fresh(start: usize, bytes: usize) -> Result<()> {
    let space = SPACE.lock();
    for address in (start..start + bytes).step_by(PAGE_SIZE) {
        let mapped = Frame::alloc_for(Purpose::Kernel).and_then(|frame| {
            // SAFETY: the kernel's root, under its lock.
            let entry = unsafe { find_or_add(&space.root, address, 3, &mut take_table) }?;
            entry.store(page_entry(frame.into_physical(), data_flags()), Ordering::Release);
            Ok(())
        });
        if let Err(error) = mapped {
            unmap(&space.root, start, address - start);
            return Err(error);
        }
    }
    mmu::publish_tables();
    Ok(())
}

fn unmap(root: &Root, start: usize, bytes: usize) {
    for address in (start..start + bytes).step_by(PAGE_SIZE) {
        // SAFETY: the kernel's root; the caller holds its lock.
        let Some(entry) = (unsafe { find(root, address) }) else { continue };
        // Relaxed: the flush orders it.
        let old = entry.swap(0, Ordering::Relaxed);
        mmu::flush_kernel_page(address);
        // SAFETY: the entry held the reference that `map_fresh` gave it, and nobody can reach it any more.
        drop(unsafe { Frame::from_physical(super::page_table::address_of(old)) });
    }
}

/// Maps fresh frames for a block of the heap; all or nothing. ENOMEM.
pub(super) fn map_block(start: usize, bytes: usize) -> Result<()> {
    map_fresh(start, bytes)
}

/// Unmaps such a block, whose frames go back.
///
/// # Safety
/// [`map_block`] has mapped it, and it is not used any more.
pub(super) unsafe fn unmap_block(start: usize, bytes: usize) {
    let space = SPACE.lock();
    unmap(&space.root, start, bytes);
}

/// Runs `change` with an address at which the page of the image at `page`, which is read-only, can be written meanwhile.
pub(super) fn with_writable_alias(page: usize, change: impl FnOnce(usize)) {
    let space = SPACE.lock();
    // SAFETY: the kernel's root, under its lock.
    let Some(original) = (unsafe { find(&space.root, page) }) else { unreachable!("the image is mapped by pages") };
    // Relaxed: written at boot.
    let physical = super::page_table::address_of(original.load(Ordering::Relaxed));
    map_page(&space.root, CODE_ALIAS, physical, data_flags(), &mut take_table);
    mmu::publish_tables();
    change(CODE_ALIAS);
    // SAFETY: as above.
    if let Some(alias) = unsafe { find(&space.root, CODE_ALIAS) } {
        // Relaxed: the flush orders it.
        alias.store(0, Ordering::Relaxed);
    }
    mmu::flush_kernel_page(CODE_ALIAS);
}

/// Maps device registers; the address of their first byte.
pub fn map_device(registers: &Range<usize>) -> NonNull<u8> {
    let mut space = SPACE.lock();
    let first = page_down(registers.start);
    let base = space.next_device;
    let flags = data_flags() | EntryFlags::DEVICE;
    for physical in (first..page_up(registers.end)).step_by(PAGE_SIZE) {
        let address = space.next_device;
        map_page(&space.root, address, physical, flags, &mut take_table);
        space.next_device += PAGE_SIZE;
    }
    space.next_device += PAGE_SIZE; // a hole: running over the end faults
    mmu::publish_tables();
    let address = base + (registers.start - first);
    NonNull::new(core::ptr::with_exposed_provenance_mut(address)).expect("upper half")
}

/// Maps a device's registers, for its one driver.
pub fn map_registers<T>(registers: &Range<usize>) -> safe_mmio::UniqueMmioPointer<'static, T> {
    assert!(size_of::<T>() <= registers.len(), "a device with too few registers");
    let address = map_device(registers).cast();
    // SAFETY: a new device mapping as long as T, given out once and never unmapped.
    unsafe { safe_mmio::UniqueMmioPointer::new(address) }
}

/// A kernel stack: mapped, with an unmapped guard of equal size below. Given back on drop.
#[derive(Debug)]
pub struct KernelStack {
    slot: usize,
}

impl KernelStack {
    /// A stack. ENOMEM.
    pub fn new() -> Result<Self> {
        if let Some(slot) = FREE_STACKS.lock().pop() {
            return Ok(Self { slot });
        }
        let slot = STACK_SLOTS.lock().take()?;
        let base = STACKS + slot * STACK_SLOT + (STACK_SLOT - STACK_SIZE);
        match map_fresh(base, STACK_SIZE) {
            Ok(()) => Ok(Self { slot }),
            Err(error) => {
                STACK_SLOTS.lock().unmapped.push(slot);
                Err(error)
            }
        }
    }

    /// One past its highest byte, 16-byte aligned.
    pub fn top(&self) -> usize {
        STACKS + (self.slot + 1) * STACK_SLOT
    }
}

impl Drop for KernelStack {
    fn drop(&mut self) {
        if FREE_STACKS.lock().try_push(self.slot).is_ok() {
            return;
        }
        let space = SPACE.lock();
        unmap(&space.root, STACKS + self.slot * STACK_SLOT + (STACK_SLOT - STACK_SIZE), STACK_SIZE);
        drop(space);
        STACK_SLOTS.lock().unmapped.push(self.slot);
    }
}

/// The physical address behind a mapped kernel address. EFAULT.
#[cfg(test)]
pub fn translate(address: usize) -> Result<usize> {
    use super::layout::{DIRECT_MAP, physical};
    if (DIRECT_MAP..DIRECT_MAP + (1 << 47)).contains(&address) {
        return Ok(physical(address));
    }
    let space = SPACE.lock();
    // SAFETY: the kernel's root, under its lock.
    let entry = unsafe { find(&space.root, address) }.ok_or(Errno::EFAULT)?.load(Ordering::Relaxed);
    if super::page_table::is_valid(entry) {
        Ok(super::page_table::address_of(entry) + address % PAGE_SIZE)
    } else {
        Err(Errno::EFAULT)
    }
}

/// Whether the kernel may write at a mapped address of the image.
#[cfg(test)]
pub fn is_writable(address: usize) -> bool {
    let space = SPACE.lock();
    // SAFETY: the kernel's root, under its lock.
    let entry = unsafe { find(&space.root, address) };
    let flags = entry.map(|entry| super::page_table::flags_of(entry.load(Ordering::Relaxed)));
    flags.is_some_and(|flags| !flags.contains(EntryFlags::READ_ONLY))
}
