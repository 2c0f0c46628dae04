//! The rules one by one. Specification: cgroup-v2.rst, kernel/cgroup/{cgroup,pids}.c of Linux.

use super::{
    CgroupId, Controllers, DEEPEST, Hierarchy, Kind, Notice, Notices, PIDS_MAX, ROOT, parse_integer, parse_limit,
};
use crate::errno::{Errno, Result};
use std::vec;
use std::vec::Vec;

type Groups = Hierarchy<CgroupId>;

fn groups() -> Groups {
    Hierarchy::new(ROOT)
}

fn make(groups: &mut Groups, parent: CgroupId, name: &str) -> CgroupId {
    groups.create(parent, name.as_bytes(), |id| id).unwrap()
}

fn told(notices: Notices<CgroupId>) -> Vec<(CgroupId, Notice)> {
    let mut told = Vec::new();
    notices.settle(|notice| told.push(notice));
    told
}

fn enable(groups: &mut Groups, id: CgroupId) -> Result<()> {
    groups.delegate(id, Controllers::PIDS, Controllers::empty())
}

fn disable(groups: &mut Groups, id: CgroupId) -> Result<()> {
    groups.delegate(id, Controllers::empty(), Controllers::PIDS)
}

/// A process of one thread forks another one.
fn fork(groups: &mut Groups, id: CgroupId) -> core::result::Result<(), Vec<(CgroupId, Notice)>> {
    groups.try_charge(id).map_err(told)?;
    assert!(told(groups.add_member(id)).is_empty());
    Ok(())
}

#[test]
fn ids_go_up_and_never_come_back() {
    let mut groups = groups();
    let first = make(&mut groups, ROOT, "a");
    groups.remove(first).unwrap();
    let second = make(&mut groups, ROOT, "a");
    assert_eq!((first, second), (2, 3));
    assert!(!groups.is_alive(first) && groups.is_alive(second));
    assert_eq!(groups.handle(first), Err(Errno::ENODEV));
}

#[test]
fn groups_lie_at_most_so_deep_whatever_the_limits_say() {
    let mut groups = groups();
    let mut lowest = ROOT;
    for _ in 0..DEEPEST {
        lowest = make(&mut groups, lowest, "d");
    }
    assert_eq!(groups.create(lowest, b"d", |id| id), Err(Errno::EAGAIN));
    groups.set_max_depth(ROOT, Some(DEEPEST + 9)).unwrap();
    assert_eq!(groups.create(lowest, b"d", |id| id), Err(Errno::EAGAIN));
    assert_eq!(groups.shape(ROOT).unwrap().descendants, DEEPEST);
    let _ = told(groups.enter(lowest));
    assert_eq!(groups.pids(ROOT).unwrap().current(), 1);
}

#[test]
fn a_controller_that_comes_again_finds_the_count_alone_even_if_nobody_looked_meanwhile() {
    let mut groups = groups();
    let group = make(&mut groups, ROOT, "a");
    enable(&mut groups, ROOT).unwrap();
    groups.set_pids_limit(group, Some(2)).unwrap();
    let _ = told(groups.enter(group));
    fork(&mut groups, group).unwrap();
    assert!(fork(&mut groups, group).is_err());
    groups.uncharge(group, 1);
    disable(&mut groups, ROOT).unwrap();
    enable(&mut groups, ROOT).unwrap();
    let pids = groups.pids(group).unwrap();
    assert_eq!((pids.current(), pids.peak(), pids.limit(), pids.hits(), pids.own_hits()), (1, 1, None, 0, 0));
    fork(&mut groups, group).unwrap();
    fork(&mut groups, group).unwrap();
    assert_eq!(groups.pids(group).unwrap().peak(), 3);
}

#[test]
fn a_group_with_members_or_groups_below_is_busy_and_so_is_the_root() {
    let mut groups = groups();
    let outer = make(&mut groups, ROOT, "outer");
    let inner = make(&mut groups, outer, "inner");
    assert_eq!(groups.remove(outer), Err(Errno::EBUSY));
    let _ = told(groups.enter(inner));
    assert_eq!(groups.remove(inner), Err(Errno::EBUSY));
    let _ = told(groups.remove_member(inner));
    assert_eq!(groups.remove(inner), Ok(()));
    assert_eq!(groups.remove(inner), Err(Errno::ENODEV));
    assert_eq!(groups.remove(outer), Ok(()));
    assert_eq!(groups.remove(ROOT), Err(Errno::EBUSY));
}

#[test]
fn nothing_is_made_below_a_removed_group_or_with_a_newline_in_its_name() {
    let mut groups = groups();
    let gone = make(&mut groups, ROOT, "gone");
    groups.remove(gone).unwrap();
    assert_eq!(groups.create(gone, b"a", |id| id), Err(Errno::ENOENT));
    assert_eq!(groups.create(ROOT, b"a\nb", |id| id), Err(Errno::EINVAL));
}

#[test]
fn populated_is_told_upwards_as_far_as_it_changes() {
    let mut groups = groups();
    let outer = make(&mut groups, ROOT, "outer");
    let one = make(&mut groups, outer, "one");
    let two = make(&mut groups, outer, "two");
    let events = |ids: &[CgroupId]| ids.iter().map(|&id| (id, Notice::Events)).collect::<Vec<_>>();
    assert_eq!(told(groups.enter(ROOT)), events(&[ROOT]));
    assert_eq!(told(groups.migrate(ROOT, one, 1).unwrap()), events(&[one, outer]));
    assert_eq!(told(groups.migrate(one, two, 1).unwrap()), events(&[two, one]), "outer stays populated");
    assert_eq!(told(groups.remove_member(two)), events(&[two, outer, ROOT]));
}

#[test]
fn a_process_that_has_ended_is_charged_until_it_is_waited_for() {
    let mut groups = groups();
    let outer = make(&mut groups, ROOT, "outer");
    let inner = make(&mut groups, outer, "inner");
    let _ = told(groups.enter(inner));
    let _ = told(groups.remove_member(inner));
    assert_eq!(groups.remove(inner), Ok(()), "a zombie does not keep it");
    assert_eq!(groups.pids(outer).unwrap().current(), 1);
    assert_eq!(groups.path(inner), b"/outer/inner");
    assert_eq!(groups.shape(outer).unwrap().removed_descendants, 1);
    assert_eq!(groups.remove(outer), Ok(()));
    assert_eq!(groups.count(), 3);
    groups.uncharge(inner, 1);
    assert_eq!(groups.count(), 1, "both are forgotten with the last charge");
    assert_eq!(groups.shape(ROOT).unwrap().removed_descendants, 0);
}

#[test]
fn a_limit_binds_the_whole_subtree_and_refusals_are_counted_upwards() {
    let mut groups = groups();
    let outer = make(&mut groups, ROOT, "outer");
    let inner = make(&mut groups, outer, "inner");
    enable(&mut groups, ROOT).unwrap();
    enable(&mut groups, outer).unwrap();
    groups.set_pids_limit(outer, Some(2)).unwrap();
    let _ = told(groups.enter(inner));
    assert_eq!(fork(&mut groups, inner), Ok(()));
    let refused = fork(&mut groups, inner).unwrap_err();
    assert_eq!(refused[..2], [(outer, Notice::PidsEventsLocal), (outer, Notice::PidsEvents)]);
    let (outer_pids, inner_pids) = (groups.pids(outer).unwrap(), groups.pids(inner).unwrap());
    assert_eq!((outer_pids.current(), outer_pids.hits(), outer_pids.own_hits()), (2, 1, 1));
    assert_eq!((inner_pids.current(), inner_pids.hits(), inner_pids.own_hits()), (2, 0, 0));
    groups.uncharge(inner, 1);
    assert_eq!(fork(&mut groups, inner), Ok(()));
    assert_eq!(groups.pids(outer).unwrap().peak(), 2);
}

#[test]
fn moving_ignores_limits_but_forking_after_it_does_not() {
    let mut groups = groups();
    let full = make(&mut groups, ROOT, "full");
    enable(&mut groups, ROOT).unwrap();
    groups.set_pids_limit(full, Some(0)).unwrap();
    let _ = told(groups.enter(ROOT));
    let _ = told(groups.migrate(ROOT, full, 1).unwrap());
    assert_eq!(groups.pids(full).unwrap().current(), 1);
    assert!(fork(&mut groups, full).is_err());
}

#[test]
fn a_limit_is_a_number_below_pids_max_where_the_controller_is() {
    let mut groups = groups();
    let group = make(&mut groups, ROOT, "a");
    assert_eq!(groups.set_pids_limit(group, None), Err(Errno::ENODEV));
    enable(&mut groups, ROOT).unwrap();
    for bad in [-1, PIDS_MAX, i64::MAX, i64::MIN] {
        assert_eq!(groups.set_pids_limit(group, Some(bad)), Err(Errno::EINVAL));
    }
    assert_eq!(groups.set_pids_limit(group, Some(PIDS_MAX - 1)), Ok(()));
    assert_eq!(groups.set_pids_limit(ROOT, Some(1)), Err(Errno::ENODEV));
    disable(&mut groups, ROOT).unwrap();
    enable(&mut groups, ROOT).unwrap();
    assert_eq!(groups.pids(group).unwrap().limit(), None, "it does not survive its controller");
}

#[test]
fn a_controller_goes_down_one_level_at_a_time_and_up_likewise() {
    let mut groups = groups();
    let outer = make(&mut groups, ROOT, "outer");
    let inner = make(&mut groups, outer, "inner");
    assert_eq!(groups.controllers(ROOT), Ok(Controllers::PIDS));
    assert_eq!(enable(&mut groups, outer), Err(Errno::ENOENT));
    enable(&mut groups, ROOT).unwrap();
    enable(&mut groups, outer).unwrap();
    assert_eq!(groups.controllers(inner), Ok(Controllers::PIDS));
    assert_eq!(disable(&mut groups, ROOT), Err(Errno::EBUSY));
    assert_eq!(enable(&mut groups, ROOT), Ok(()), "twice is once");
    disable(&mut groups, outer).unwrap();
    disable(&mut groups, ROOT).unwrap();
    assert_eq!(groups.controllers(inner), Ok(Controllers::empty()));
}

#[test]
fn a_removed_child_that_is_still_charged_keeps_no_controller_busy() {
    let mut groups = groups();
    let child = make(&mut groups, ROOT, "child");
    enable(&mut groups, ROOT).unwrap();
    let _ = told(groups.enter(child));
    let _ = told(groups.remove_member(child));
    enable(&mut groups, child).unwrap();
    assert_eq!(disable(&mut groups, ROOT), Err(Errno::EBUSY));
    groups.remove(child).unwrap();
    assert_eq!(groups.shape(ROOT).unwrap().removed_descendants, 1, "nobody has waited for its process yet");
    assert_eq!(disable(&mut groups, ROOT), Ok(()));
}

#[test]
fn processes_do_not_compete_with_those_below() {
    let mut groups = groups();
    let outer = make(&mut groups, ROOT, "outer");
    let inner = make(&mut groups, outer, "inner");
    enable(&mut groups, ROOT).unwrap();
    let _ = told(groups.enter(outer));
    let _ = told(groups.enter(inner));
    assert_eq!(enable(&mut groups, outer), Err(Errno::EBUSY), "both have some already");
    let _ = told(groups.migrate(outer, ROOT, 1).unwrap());
    assert_eq!(enable(&mut groups, outer), Ok(()));
    assert_eq!(groups.check_target(outer), Err(Errno::EBUSY));
    assert_eq!(groups.kind(outer), Ok(Kind::Domain));
    let _ = told(groups.migrate(inner, ROOT, 1).unwrap());
    // A threaded controller may work inside one group; then there is no place for processes below.
    let _ = told(groups.migrate(ROOT, outer, 1).unwrap());
    assert_eq!((groups.kind(outer), groups.kind(inner)), (Ok(Kind::DomainThreaded), Ok(Kind::DomainInvalid)));
    assert_eq!(groups.check_target(inner), Err(Errno::EOPNOTSUPP));
    assert_eq!(enable(&mut groups, inner), Err(Errno::EOPNOTSUPP));
    assert_eq!(groups.check_target(ROOT), Ok(()), "the root is above such rules");
}

#[test]
fn the_hierarchy_has_limits_of_its_own() {
    let mut groups = groups();
    let outer = make(&mut groups, ROOT, "outer");
    groups.set_max_depth(ROOT, Some(2)).unwrap();
    let inner = make(&mut groups, outer, "inner");
    assert_eq!(groups.create(inner, b"deep", |id| id), Err(Errno::EAGAIN));
    groups.set_max_depth(ROOT, None).unwrap();
    groups.set_max_descendants(outer, Some(2)).unwrap();
    let deep = make(&mut groups, inner, "deep");
    assert_eq!(groups.create(deep, b"more", |id| id), Err(Errno::EAGAIN));
    assert_eq!(groups.create(outer, b"more", |id| id), Err(Errno::EAGAIN));
    groups.remove(deep).unwrap();
    assert!(groups.create(outer, b"more", |id| id).is_ok());
}

#[test]
fn the_common_ancestor_is_the_lowest_one() {
    let mut groups = groups();
    let a = make(&mut groups, ROOT, "a");
    let b = make(&mut groups, ROOT, "b");
    let deep = make(&mut groups, a, "deep");
    let beside = make(&mut groups, a, "beside");
    for (one, other, above) in [(deep, beside, a), (deep, a, a), (deep, b, ROOT), (a, ROOT, ROOT), (b, b, b)] {
        assert_eq!((groups.common_ancestor(one, other), groups.common_ancestor(other, one)), (above, above));
    }
    assert!(groups.is_within(deep, a) && groups.is_within(deep, ROOT) && groups.is_within(deep, deep));
    assert!(!groups.is_within(deep, b) && !groups.is_within(a, deep));
}

#[test]
fn numbers_are_cs() {
    let good: [(&str, i64); 10] = [
        ("0", 0),
        (" 12\n", 12),
        ("+7", 7),
        ("-1", -1),
        ("0x1F", 31),
        ("017", 15),
        ("-0x10", -16),
        ("00", 0),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
    ];
    for (text, value) in good {
        assert_eq!(parse_integer(text.as_bytes()), Ok(value), "{text}");
    }
    for text in ["", " ", "-", "+", "max", "1 2", "12a", "0x", "0xg", "08", "--1", "1\0", "\u{661}"] {
        assert_eq!(parse_integer(text.as_bytes()), Err(Errno::EINVAL), "{text:?}");
    }
    for text in ["9223372036854775808", "-9223372036854775809", "0x10000000000000000", "99999999999999999999"] {
        assert_eq!(parse_integer(text.as_bytes()), Err(Errno::ERANGE), "{text}");
    }
    assert_eq!(parse_integer(b"99999999999999999999x"), Err(Errno::EINVAL));
    assert_eq!((parse_limit(b"max\n"), parse_limit(b"5")), (Ok(None), Ok(Some(5))));
    assert_eq!(vec![parse_limit(b"Max"), parse_limit(b"max 1")], [Err(Errno::EINVAL), Err(Errno::EINVAL)]);
}
