//! What procfs shows of a program's memory. Lock: ADDRESS_SPACE. Sleeps. Specification: proc_pid_maps(5), proc_pid_statm(5).

use crate::arch::mmu::PAGE_SIZE;
use crate::fs::attributes::DeviceNumber;
use crate::fs::procfs::process_view::MemoryUse;
use crate::fs::procfs::text::{Text, put};
use crate::mm::address_space::PageBacking;
use crate::mm::{AddressSpace, PageIntent, heap};
use alloc::vec::Vec;
use core::ops::Range;
use postern_core::areas::{Area, AreaFlags, Protection};
use postern_core::errno::Result;

/// How much memory of which kind.
pub fn memory_use(space: &AddressSpace) -> MemoryUse {
    let map = space.lock();
    let bytes =
        |wanted: fn(&Area<PageBacking>) -> bool| map.areas.iter().filter(|area| wanted(area)).map(Area::len).sum();
    MemoryUse {
        virtual_bytes: map.areas.total_pages() * PAGE_SIZE,
        resident_bytes: space.resident_pages() * PAGE_SIZE,
        // Which of the resident pages are shared is not counted.
        shared_bytes: 0,
        code_bytes: bytes(|area| area.protection.contains(Protection::EXEC)),
        data_bytes: bytes(|area| {
            area.protection.contains(Protection::WRITE) && !area.flags.contains(AreaFlags::SHARED)
        }),
        stack_bytes: bytes(|area| area.flags.contains(AreaFlags::STACK)),
    }
}

/// The bytes of a range of a program's memory. EFAULT where it has unmapped them, ENOMEM.
pub fn show_memory(space: &AddressSpace, range: Range<usize>, text: &mut Text) -> Result<()> {
    let mut buffer = [0; 256];
    let mut at = range.start;
    while at < range.end {
        let offset = at % PAGE_SIZE;
        let length = buffer.len().min(range.end - at).min(PAGE_SIZE - offset);
        let part = &mut buffer[..length];
        space.with_page(at, PageIntent::Read, |frame| frame.read(offset, part))?;
        text.push(part);
        at += length;
    }
    Ok(())
}

/// The lines of /proc/PID/maps. ENOMEM.
pub fn show_maps(space: &AddressSpace, text: &mut Text) -> Result<()> {
    /// Where the name stands in a line.
    const NAME_COLUMN: usize = 73;
    // Not under the lock: descriptions look at file systems.
    let map = space.lock();
    let mut areas: Vec<Area<PageBacking>> = heap::vec_with_room(map.areas.count())?;
    areas.extend(map.areas.iter().cloned());
    drop(map);
    for area in areas {
        let description = match &area.backing {
            PageBacking::Anonymous => None,
            PageBacking::Object(source) => source.description(),
        };
        let (device, inode, name) = description.unwrap_or_default();
        let device = DeviceNumber::decode(u32::try_from(device).unwrap_or(0));
        let sharing = if area.flags.contains(AreaFlags::SHARED) { 's' } else { 'p' };
        // The offset of anonymous memory means nothing.
        let offset = if matches!(area.backing, PageBacking::Anonymous) { 0 } else { area.offset };
        let line_start = text.bytes().len();
        put!(text, "{:08x}-{:08x} {}{sharing} {offset:08x} ", area.start, area.end, area.protection);
        put!(text, "{:02x}:{:02x} {inode} ", device.major, device.minor);
        let name: &[u8] = if area.flags.contains(AreaFlags::STACK) {
            b"[stack]"
        } else if area.flags.contains(AreaFlags::HEAP) {
            b"[heap]"
        } else {
            &name
        };
        if !name.is_empty() {
            let width = text.bytes().len() - line_start;
            put!(text, "{:1$}", "", NAME_COLUMN.saturating_sub(width));
            text.push(name);
        }
        text.push(b"\n");
    }
    Ok(())
}
