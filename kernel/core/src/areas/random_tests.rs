//! Long random sequences of calls on [`Areas`], against the page-by-page model.

use core::ops::Range;
use std::vec::Vec;

use proptest::prelude::*;

use super::model::{Model, Page, Source, each_page};
use super::tests::{P, RW, area, layout, request};
use super::*;

#[derive(Clone, Debug)]
enum Op {
    Map { pages: Range<usize>, protection: Protection, flags: AreaFlags, source: Source, offset: u64 },
    MapAnywhere { pages: usize, hint: usize, flags: AreaFlags },
    Unmap { pages: Range<usize> },
    Protect { pages: Range<usize>, protection: Protection },
    Lock { pages: Range<usize>, flags: AreaFlags },
    Remap { old: Range<usize>, new: usize, flags: RemapFlags, to: usize },
    GrowDown { address: usize, limit: usize },
    Break { requested: usize },
}

fn pages() -> impl Strategy<Value = Range<usize>> {
    // Mostly crowded ground, sometimes the far end and beyond it.
    let start = prop_oneof![8 => 4..48usize, 1 => 380..445usize];
    (start, 0..12usize).prop_map(|(start, len)| start..start + len)
}

fn protection() -> impl Strategy<Value = Protection> {
    prop_oneof![Just(RW), Just(Protection::READ), Just(Protection::empty())]
}

fn flags() -> impl Strategy<Value = AreaFlags> {
    prop_oneof![
        6 => Just(AreaFlags::empty()),
        2 => Just(AreaFlags::SHARED),
        1 => Just(AreaFlags::SHARED | AreaFlags::NEVER_WRITABLE),
        1 => Just(AreaFlags::GROWS_DOWN),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let source = prop_oneof![2 => Just(Source::Anonymous), 1 => (0..2u8).prop_map(Source::File)];
    let remap_flags = (0..8u32).prop_map(RemapFlags::from_bits_retain);
    prop_oneof![
        4 => (pages(), protection(), flags(), source, 0..4u64).prop_map(|(pages, protection, flags, source, base)| {
            // Offsets that match the address make neighbours of one file mergeable.
            let offset = ((pages.start as u64) + base / 3) * P as u64;
            Op::Map { pages, protection, flags, source, offset }
        }),
        2 => (1..40usize, 0..450usize, flags()).prop_map(|(pages, hint, flags)| Op::MapAnywhere { pages, hint, flags }),
        2 => pages().prop_map(|pages| Op::Unmap { pages }),
        3 => (pages(), protection()).prop_map(|(pages, protection)| Op::Protect { pages, protection }),
        1 => (pages(), prop_oneof![Just(AreaFlags::LOCKED), Just(AreaFlags::empty())])
            .prop_map(|(pages, flags)| Op::Lock { pages, flags }),
        3 => (pages(), 0..16usize, remap_flags, 0..445usize)
            .prop_map(|(old, new, flags, to)| Op::Remap { old, new, flags, to }),
        1 => (0..440 * P, 1..300usize).prop_map(|(address, limit)| Op::GrowDown { address, limit }),
        1 => (0..60 * P).prop_map(|requested| Op::Break { requested }),
    ]
}

fn bytes(pages: &Range<usize>) -> Range<usize> {
    pages.start * P..pages.end * P
}

fn apply(areas: &mut Areas<Source>, model: &mut Model, op: Op) {
    match op {
        Op::Map { pages, protection, flags, source, offset } => {
            let new = Area { flags, backing: source, offset, ..area(pages, protection) };
            assert_eq!(areas.insert(new.clone()), model.insert(&new));
        }
        Op::MapAnywhere { pages, hint, flags } => {
            let found = areas.find_gap(pages * P, hint * P);
            assert_eq!(found, model.find_gap(pages * P, hint * P));
            if let Ok(start) = found {
                let new = Area { flags, ..area(start / P..start / P + pages, RW) };
                assert_eq!(areas.insert(new.clone()), Ok(()));
                model.insert(&new).unwrap();
            }
        }
        Op::Unmap { pages } => {
            let mut removed = Vec::new();
            let result = areas.remove(bytes(&pages), |piece| removed.extend(each_page(piece.range())));
            let expected = model.remove(bytes(&pages));
            assert_eq!(result.map(|()| removed), expected);
        }
        Op::Protect { pages, protection } => {
            let mut changed = Vec::new();
            let result = areas.protect(bytes(&pages), protection, |piece| {
                changed.extend(each_page(piece.range()));
                Ok(())
            });
            let refuses = |page: &Page| {
                page.flags.contains(AreaFlags::NEVER_WRITABLE)
                    && !page.protection.contains(protection & Protection::WRITE)
            };
            let expected = model.change(bytes(&pages), refuses, |page| page.protection = protection);
            assert_eq!((result, changed), expected);
        }
        Op::Lock { pages, flags } => {
            let clear = AreaFlags::LOCKED - flags;
            let result = areas.change_flags(bytes(&pages), flags, clear, |_| Ok(()));
            let expected = model.change(bytes(&pages), |_| false, |page| page.flags = (page.flags - clear) | flags);
            assert_eq!(result, expected.0);
        }
        Op::Remap { old, new, flags, to } => apply_remap(areas, model, &old, new, flags, to),
        Op::GrowDown { address, limit } => {
            if let Ok(gained) = areas.grow_down(address, limit * P) {
                assert!(gained.contains(&address));
                let stack = model.pages[&gained.end].clone();
                assert!(stack.flags.contains(AreaFlags::GROWS_DOWN) && !model.is_joined_to_previous(gained.end));
                let near = gained.start.saturating_sub(STACK_GUARD_GAP)..gained.start;
                let harmless = |page: &Page| page.flags.contains(AreaFlags::GROWS_DOWN) || page.protection.is_empty();
                let neighbour = model.pages.range(near).next_back();
                assert!(neighbour.is_none_or(|(_, page)| harmless(page)));
                for page in each_page(gained) {
                    let offset = areas.find(page).unwrap().offset_of(page);
                    let offset = stack.offset.map(|_| offset);
                    assert!(model.pages.insert(page, Page { offset, ..stack.clone() }).is_none());
                }
            }
        }
        Op::Break { requested } => match areas.plan_break(requested) {
            BreakChange::Refused => {}
            BreakChange::SamePages => areas.move_program_break(requested),
            BreakChange::Grow(range) => {
                let new = area(range.start / P..range.end / P, RW);
                assert_eq!(areas.insert(new.clone()), Ok(()));
                model.insert(&new).unwrap();
                areas.move_program_break(requested);
            }
            BreakChange::Shrink(range) => {
                areas.remove(range.clone(), |_| ()).unwrap();
                model.remove(range).unwrap();
                areas.move_program_break(requested);
            }
        },
    }
}

/// Does what the kernel does for mremap(2), and the same on the model, whose own rules judge the plan.
fn apply_remap(
    areas: &mut Areas<Source>,
    model: &mut Model,
    old: &Range<usize>,
    new: usize,
    flags: RemapFlags,
    to: usize,
) {
    let request = RemapRequest { new_address: to * P, ..request(old.clone(), new, flags) };
    let old = bytes(old);
    let Ok(plan) = areas.plan_remap(&request) else {
        return;
    };
    assert!(model.pages.contains_key(&old.start));
    let kept = old.start..old.end.min(old.start + new * P);
    match plan {
        Remap::Unchanged => assert!(old.len() == new * P && model.is_one_mapping(old)),
        Remap::Shrink(surplus) => {
            assert_eq!(surplus, kept.end..old.end);
            areas.remove(surplus.clone(), |_| ()).unwrap();
            model.remove(surplus).unwrap();
        }
        Remap::Grow(gained) => {
            assert!(gained == (old.end..old.start + new * P) && model.is_one_mapping(old));
            areas.extend(gained.clone()).unwrap();
            model.extend(gained);
        }
        Remap::Move { from, surplus, to: target, source } => {
            assert!(flags.contains(RemapFlags::MAY_MOVE) && target.len() == new * P);
            assert!(from == kept && surplus == (kept.end..old.end) && model.is_one_mapping(from.clone()));
            let page = model.pages[&from.start].clone();
            assert!(!from.is_empty() || page.flags.contains(AreaFlags::SHARED));
            if flags.contains(RemapFlags::FIXED) {
                assert_eq!(target.start, to * P);
            } else {
                assert!(each_page(target.clone()).all(|page| !model.pages.contains_key(&page)));
            }
            for range in [target.clone(), surplus] {
                if !range.is_empty() {
                    areas.remove(range.clone(), |_| ()).unwrap();
                    model.remove(range).unwrap();
                }
            }
            areas.relocate(from.clone(), target.clone(), source).unwrap();
            if source == MoveSource::Unmap && !from.is_empty() {
                model.remove(from).unwrap();
            }
            model.place(&page, target);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn any_sequence_of_calls_agrees_with_the_model(ops in prop::collection::vec(op(), 1..60), probe in 0..440usize) {
        let mut areas = Areas::new(layout());
        areas.set_program_break(40 * P + 100);
        let mut model = Model::new(layout());
        for op in ops {
            let (before, changes) = (Vec::from_iter(areas.iter().cloned()), areas.changes());
            apply(&mut areas, &mut model, op);
            model.check(&areas);
            prop_assert!(areas.changes() != changes || areas.iter().eq(&before));
        }
        let range = probe * P..(probe + 5).min(440) * P;
        prop_assert_eq!(areas.is_free(range.clone()), model.pages.range(range.clone()).next().is_none());
        prop_assert_eq!(areas.is_covered(range.clone()), model.pages.range(range.clone()).count() == range.len() / P);
        prop_assert_eq!(areas.find(probe * P + 9).is_some(), model.pages.contains_key(&(probe * P)));
    }
}
