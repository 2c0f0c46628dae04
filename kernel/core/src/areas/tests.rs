//! Tests of [`Areas`]: cases from the manual pages and from Linux's rules.

use core::ops::Range;
use std::vec;
use std::vec::Vec;

use super::model::Source;
use super::*;

pub(super) const P: usize = PAGE_SIZE;
pub(super) const RW: Protection = Protection::READ.union(Protection::WRITE);

pub(super) fn layout() -> Layout {
    Layout { lowest: 4 * P, mmap_base: 400 * P, limit: 440 * P }
}

pub(super) fn area(pages: Range<usize>, protection: Protection) -> Area<Source> {
    Area {
        start: pages.start * P,
        end: pages.end * P,
        protection,
        flags: AreaFlags::empty(),
        backing: Source::Anonymous,
        offset: 0,
    }
}

fn stack(pages: Range<usize>) -> Area<Source> {
    Area { flags: AreaFlags::GROWS_DOWN, ..area(pages, RW) }
}

fn areas_of(list: &[Area<Source>]) -> Areas<Source> {
    let mut areas = Areas::new(layout());
    for area in list {
        areas.insert(area.clone()).unwrap();
    }
    areas
}

fn shape(areas: &Areas<Source>) -> Vec<(usize, usize, Protection)> {
    areas.iter().map(|area| (area.start / P, area.end / P, area.protection)).collect()
}

#[test]
fn unmapping_the_middle_leaves_two_areas() {
    let mut areas = areas_of(&[Area { backing: Source::File(1), offset: 0x10000, ..area(10..20, RW) }]);
    let mut removed = Vec::new();
    areas.remove(13 * P..15 * P, |piece| removed.push((piece.range(), piece.offset))).unwrap();
    assert_eq!(removed, [(13 * P..15 * P, 0x13000)]);
    assert_eq!(shape(&areas), [(10, 13, RW), (15, 20, RW)]);
    assert_eq!(areas.find(15 * P).unwrap().offset, 0x15000);
    assert_eq!(areas.find(13 * P), None);
    assert_eq!(areas.total_pages(), 8);
}

#[test]
fn an_insertion_over_a_mapped_page_is_refused() {
    let mut areas = areas_of(&[area(10..20, RW)]);
    assert_eq!(areas.insert(area(19..21, RW)), Err(Errno::EEXIST));
    assert_eq!(areas.insert(area(5..11, RW)), Err(Errno::EEXIST));
    assert_eq!(areas.insert(area(12..12, RW)), Err(Errno::EINVAL));
    assert_eq!(areas.insert(area(439..441, RW)), Err(Errno::EINVAL));
    assert_eq!(areas.insert(Area { start: 4 * P + 1, ..area(4..5, RW) }), Err(Errno::EINVAL));
    assert_eq!(shape(&areas), [(10, 20, RW)]);
}

#[test]
fn protection_applies_up_to_the_first_hole() {
    let mut areas = areas_of(&[area(10..12, RW), area(14..16, RW)]);
    let mut changed = Vec::new();
    let result = areas.protect(11 * P..16 * P, Protection::READ, |piece| {
        assert_eq!(piece.protection, RW);
        changed.push(piece.range());
        Ok(())
    });
    assert_eq!(result, Err(Errno::ENOMEM));
    assert_eq!(changed, vec![11 * P..12 * P]);
    assert_eq!(shape(&areas), [(10, 11, RW), (11, 12, Protection::READ), (14, 16, RW)]);
}

#[test]
fn a_refusing_callback_leaves_its_piece_unchanged() {
    let mut areas = areas_of(&[area(10..12, RW)]);
    let result = areas.protect(11 * P..12 * P, Protection::READ, |_| Err(Errno::EFAULT));
    assert_eq!(result, Err(Errno::EFAULT));
    assert_eq!(shape(&areas), [(10, 12, RW)]);
}

#[test]
fn a_read_only_shared_file_never_becomes_writable() {
    let flags = AreaFlags::SHARED | AreaFlags::NEVER_WRITABLE;
    let mut areas = areas_of(&[Area { flags, ..area(10..12, Protection::READ) }]);
    assert_eq!(areas.protect(10 * P..12 * P, RW, |_| Ok(())), Err(Errno::EACCES));
    assert_eq!(areas.protect(10 * P..12 * P, Protection::empty(), |_| Ok(())), Ok(()));
}

#[test]
fn a_stack_grows_to_its_limit_and_keeps_its_guard_gap() {
    let mut areas = areas_of(&[area(10..20, RW), stack(300..302)]);
    assert_eq!(areas.grow_down(298 * P + 5, 100 * P), Ok(298 * P..300 * P));
    assert_eq!(areas.find(298 * P).unwrap().range(), 298 * P..302 * P);
    assert_eq!(areas.total_pages(), 14);
    assert_eq!(areas.grow_down(290 * P, 11 * P), Err(Errno::ENOMEM), "beyond RLIMIT_STACK");
    assert_eq!(areas.grow_down(275 * P, 400 * P), Err(Errno::ENOMEM), "255 pages from the neighbour");
    assert_eq!(areas.grow_down(276 * P, 400 * P), Ok(276 * P..298 * P));
    assert_eq!(areas.grow_down(15 * P, 400 * P), Err(Errno::EFAULT), "mapped");
    assert_eq!(areas.grow_down(310 * P, 400 * P), Err(Errno::EFAULT), "nothing above");
    assert_eq!(areas.grow_down(8 * P, 400 * P), Err(Errno::EFAULT), "no stack above");
}

#[test]
fn a_stack_may_touch_its_own_inaccessible_guard() {
    let mut areas = areas_of(&[area(10..20, Protection::empty()), stack(30..31)]);
    assert_eq!(areas.grow_down(20 * P, 100 * P), Ok(20 * P..30 * P));
}

#[test]
fn a_gap_leaves_the_guard_of_a_stack_free() {
    let areas = areas_of(&[stack(420..430)]);
    assert_eq!(areas.find_gap(2 * P, 0), Ok(162 * P));
    assert_eq!(areas.find_gap(2 * P, 300 * P), Ok(162 * P), "the hint lies in the guard gap");
    assert_eq!(areas.find_gap(2 * P, 100 * P - 3), Ok(100 * P));
    assert_eq!(areas.find_gap(500 * P, 0), Err(Errno::ENOMEM));
    assert_eq!(areas.find_gap(0, 0), Err(Errno::EINVAL));
    assert_eq!(areas.find_gap(2 * P, usize::MAX), Ok(162 * P));
}

#[test]
fn the_break_grows_shrinks_and_stops_at_a_neighbour() {
    let mut areas = areas_of(&[area(100..110, RW)]);
    areas.set_program_break(50 * P + 7);
    assert_eq!(areas.plan_break(0), BreakChange::Refused);
    assert_eq!(areas.plan_break(50 * P + 6), BreakChange::Refused);
    assert_eq!(areas.plan_break(51 * P), BreakChange::SamePages);
    assert_eq!(areas.plan_break(53 * P + 1), BreakChange::Grow(51 * P..54 * P));
    areas.move_program_break(53 * P + 1);
    assert_eq!(areas.plan_break(51 * P + 1), BreakChange::Shrink(52 * P..54 * P));
    assert_eq!(areas.plan_break(99 * P), BreakChange::Grow(54 * P..99 * P));
    assert_eq!(areas.plan_break(99 * P + 1), BreakChange::Refused, "one page stays free");
    assert_eq!(areas.plan_break(usize::MAX), BreakChange::Refused);
}

#[test]
fn a_forked_child_gets_neither_locks_nor_what_it_must_not_inherit() {
    let areas = areas_of(&[
        area(10..12, RW),
        Area { flags: AreaFlags::LOCKED, ..area(12..14, RW) },
        Area { flags: AreaFlags::DONT_FORK, ..area(14..16, RW) },
    ]);
    let child = areas.fork();
    assert_eq!(shape(&child), [(10, 14, RW)]);
    assert_eq!(child.total_pages(), 4);
    assert_eq!(areas.total_pages(), 6);
}

#[test]
fn a_fork_and_its_parent_change_apart() {
    let mut parent = areas_of(&[area(10..12, RW), area(14..16, RW)]);
    let mut child = parent.fork();
    assert!(parent.is_shared() && child.is_shared());
    child.remove(11 * P..15 * P, |_| ()).unwrap();
    assert!(!parent.is_shared() && !child.is_shared());
    parent.insert(area(20..21, RW)).unwrap();
    assert_eq!(shape(&child), [(10, 11, RW), (15, 16, RW)]);
    assert_eq!(shape(&parent), [(10, 12, RW), (14, 16, RW), (20, 21, RW)]);
    assert_eq!([parent.total_pages(), child.total_pages()], [5, 2]);
}

#[test]
fn there_is_a_most_number_of_areas() {
    let limit = 4 * MAX_AREAS * P;
    let mut areas = Areas::new(Layout { lowest: P, mmap_base: limit, limit });
    for index in 0..MAX_AREAS - 1 {
        areas.insert(area(2 * index + 1..2 * index + 2, RW)).unwrap();
    }
    let last = 3 * MAX_AREAS;
    areas.insert(area(last..last + 3, RW)).unwrap();
    assert_eq!(areas.count(), MAX_AREAS);
    assert_eq!(areas.insert(area(last + 10..last + 11, RW)), Err(Errno::ENOMEM));
    assert_eq!(areas.remove((last + 1) * P..(last + 2) * P, |_| ()), Err(Errno::ENOMEM));
    for piece in [last..last + 1, last + 1..last + 2, last + 2..last + 3] {
        let range = piece.start * P..piece.end * P;
        let result = areas.protect(range, Protection::READ, |_| Ok(()));
        assert_eq!(result, Err(Errno::ENOMEM));
    }
    assert_eq!(areas.remove((last + 1) * P..(last + 3) * P, |_| ()), Ok(()));
    assert_eq!(areas.total_pages(), MAX_AREAS);
}

pub(super) fn request(old: Range<usize>, new_pages: usize, flags: RemapFlags) -> RemapRequest {
    RemapRequest { old_address: old.start * P, old_len: old.len() * P, new_len: new_pages * P, flags, new_address: 0 }
}

#[test]
fn a_remap_grows_in_place_or_moves_or_fails() {
    let areas = areas_of(&[area(10..20, RW), area(25..30, Protection::READ)]);
    let plan = |old, new, flags| areas.plan_remap(&request(old, new, flags));
    let none = RemapFlags::empty();
    assert_eq!(plan(10..20, 10, none), Ok(Remap::Unchanged));
    assert_eq!(plan(10..20, 15, none), Ok(Remap::Grow(20 * P..25 * P)));
    assert_eq!(plan(10..20, 16, none), Err(Errno::ENOMEM));
    assert_eq!(plan(10..19, 12, none), Err(Errno::ENOMEM), "not at the end of the mapping");
    assert_eq!(plan(10..20, 4, none), Ok(Remap::Shrink(14 * P..20 * P)));
    assert_eq!(plan(10..21, 30, none), Err(Errno::EFAULT));
    assert_eq!(plan(22..23, 1, none), Err(Errno::EFAULT));
    assert_eq!(plan(10..20, 0, none), Err(Errno::EINVAL));
    assert_eq!(plan(10..10, 2, RemapFlags::MAY_MOVE), Err(Errno::EINVAL), "private memory cannot be doubled");
    assert_eq!(plan(10..20, 10, RemapFlags::FIXED), Err(Errno::EINVAL));
    assert_eq!(
        plan(10..20, 16, RemapFlags::MAY_MOVE),
        Ok(Remap::Move {
            from: 10 * P..20 * P,
            surplus: 20 * P..20 * P,
            to: 384 * P..400 * P,
            source: MoveSource::Unmap,
        })
    );
}

#[test]
fn a_remap_that_contradicts_itself_is_refused() {
    let areas = areas_of(&[area(10..20, RW)]);
    let fixed = RemapFlags::MAY_MOVE | RemapFlags::FIXED;
    let plan = |old, new, to: usize| {
        let request = RemapRequest { new_address: to, ..request(old, new, fixed) };
        areas.plan_remap(&request)
    };
    assert_eq!(plan(10..20, 10, 19 * P), Err(Errno::EINVAL), "overlap");
    assert_eq!(plan(10..20, 10, 1), Err(Errno::EINVAL), "not aligned");
    assert_eq!(plan(10..20, 10, 435 * P), Err(Errno::EINVAL), "beyond the end");
    assert_eq!(plan(10..20, 10, usize::MAX - P + 1), Err(Errno::EINVAL));
    assert_eq!(plan(10..450, 5, 460 * P), Err(Errno::EINVAL), "target beyond the end");
    assert_eq!(plan(10..450, 5, 4 * P), Err(Errno::EINVAL), "old range beyond the end");
    assert!(plan(10..20, 10, 20 * P).is_ok());
    let too_long = RemapRequest { old_len: usize::MAX, ..request(10..20, 5, fixed) };
    assert_eq!(areas.plan_remap(&too_long), Err(Errno::EINVAL));
}

#[test]
fn growing_up_to_an_equal_neighbour_makes_one_area() {
    let mut areas = areas_of(&[area(10..12, RW), area(14..16, RW)]);
    assert_eq!(areas.extend(12 * P..15 * P), Err(Errno::EEXIST));
    assert_eq!(areas.extend(13 * P..14 * P), Err(Errno::EFAULT));
    assert_eq!(areas.extend(12 * P..14 * P), Ok(()));
    assert_eq!(shape(&areas), [(10, 16, RW)]);
    assert_eq!(areas.total_pages(), 6);
}

/// A backing that keeps its own position, as one of frames that were reserved at once would.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Positioned(usize);

impl Backing for Positioned {
    fn split_at(&self, bytes: usize) -> Self {
        Self(self.0 + bytes)
    }

    fn can_merge(&self, _end_offset: u64, _next: &Self, _next_offset: u64) -> bool {
        false
    }

    fn has_offsets(&self) -> bool {
        true
    }
}

#[test]
fn a_backing_with_a_position_of_its_own_is_told_of_every_cut() {
    let mut areas = Areas::new(layout());
    let whole = Area {
        start: 10 * P,
        end: 20 * P,
        protection: RW,
        flags: AreaFlags::empty(),
        backing: Positioned(100),
        offset: 0,
    };
    areas.insert(whole).unwrap();
    let mut removed = Vec::new();
    areas.remove(12 * P..13 * P, |piece| removed.push(piece.backing)).unwrap();
    assert_eq!(removed, [Positioned(100 + 2 * P)]);
    let kept: Vec<_> = areas.iter().map(|area| area.backing.clone()).collect();
    assert_eq!(kept, [Positioned(100), Positioned(100 + 3 * P)]);
}

#[test]
fn a_file_does_not_grow_to_before_its_beginning() {
    let file = |offset| Area { backing: Source::File(0), offset, ..stack(300..301) };
    assert_eq!(areas_of(&[file(2 * P as u64)]).grow_down(298 * P, 100 * P), Ok(298 * P..300 * P));
    assert_eq!(areas_of(&[file(P as u64)]).grow_down(298 * P, 100 * P), Err(Errno::ENOMEM));
}
