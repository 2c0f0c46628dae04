//! The descriptor table against a map from number to file.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

type Table = FdTable<u32>;
const LIMIT: u32 = 1024;

fn table(count: u32) -> Table {
    let mut table = Table::new();
    for file in 0..count {
        table.insert(file, OnExec::Keep, LIMIT).unwrap();
    }
    table
}

#[test]
fn the_lowest_free_descriptor_is_taken() {
    let mut table = table(200);
    for fd in [150, 3, 70] {
        table.remove(fd).unwrap();
    }
    let taken: Vec<RawFd> = (0..4).map(|_| table.insert(9, OnExec::Keep, LIMIT).unwrap()).collect();
    assert_eq!(taken, [3, 70, 150, 200]);
}

#[test]
fn what_is_not_open_is_ebadf() {
    let mut table = table(1);
    for fd in [1, -1, RawFd::MIN, RawFd::MAX] {
        assert_eq!(table.get(fd), Err(Errno::EBADF));
        assert_eq!(table.remove(fd), Err(Errno::EBADF));
        assert_eq!(table.on_exec(fd), Err(Errno::EBADF));
        assert_eq!(table.duplicate(fd, 0, OnExec::Keep, LIMIT), Err(Errno::EBADF));
        assert_eq!(table.duplicate_at(fd, 5, OnExec::Keep, LIMIT), Err(Errno::EBADF));
    }
}

#[test]
fn the_limit_is_emfile() {
    let mut table = table(3);
    assert_eq!(table.insert(0, OnExec::Keep, 3), Err(Errno::EMFILE));
    assert_eq!(table.duplicate(0, 2, OnExec::Keep, 3), Err(Errno::EMFILE));
    assert_eq!(table.duplicate(0, 3, OnExec::Keep, 3), Err(Errno::EINVAL));
    assert_eq!(table.duplicate(0, -1, OnExec::Keep, 3), Err(Errno::EINVAL));
    assert_eq!(table.duplicate_at(0, 3, OnExec::Keep, 3), Err(Errno::EBADF));
    assert_eq!(table.duplicate_at(0, -1, OnExec::Keep, 3), Err(Errno::EBADF));
    assert_eq!(table.get(2), Ok(&2), "a lower limit closes nothing");
}

#[test]
fn a_limit_without_end_is_an_int() {
    let mut table = table(1);
    assert_eq!(table.duplicate(0, RawFd::MAX, OnExec::Keep, u32::MAX), Err(Errno::EINVAL));
}

#[test]
fn a_duplicate_does_not_inherit_the_flag() {
    let mut table = Table::new();
    table.insert(7, OnExec::Close, LIMIT).unwrap();
    assert_eq!(table.duplicate(0, 10, OnExec::Keep, LIMIT), Ok(10));
    assert_eq!((table.on_exec(0), table.on_exec(10)), (Ok(OnExec::Close), Ok(OnExec::Keep)));
}

#[test]
fn dup2_closes_its_target_and_leaves_itself_alone() {
    let mut table = table(3);
    assert_eq!(table.duplicate_at(0, 2, OnExec::Keep, LIMIT), Ok(Some(2)));
    assert_eq!(table.get(2), Ok(&0));
    table.set_on_exec(1, OnExec::Close).unwrap();
    assert_eq!(table.duplicate_at(1, 1, OnExec::Keep, LIMIT), Ok(None));
    assert_eq!(table.on_exec(1), Ok(OnExec::Close));
    assert_eq!(table.duplicate_at(0, 500, OnExec::Close, LIMIT), Ok(None));
    assert_eq!(table.on_exec(500), Ok(OnExec::Close));
}

#[test]
fn a_reserved_descriptor_is_neither_free_nor_open() {
    let mut table = table(1);
    let fd = table.reserve(0, OnExec::Close, LIMIT).unwrap();
    assert_eq!((fd, table.get(fd)), (1, Err(Errno::EBADF)));
    assert_eq!(table.remove(fd), Err(Errno::EBADF));
    assert_eq!(table.duplicate_at(0, fd, OnExec::Keep, LIMIT), Err(Errno::EBUSY));
    assert_eq!(table.insert(5, OnExec::Keep, LIMIT), Ok(2));
    assert_eq!(table.take_next_close_on_exec(), None);
    assert_eq!(table.take_next(1..=1), None);
    assert_eq!(table.try_clone().unwrap().insert(6, OnExec::Keep, LIMIT), Ok(1), "a child has no reservations");
    table.install(fd, 8);
    assert_eq!(table.get(fd), Ok(&8));
    let other = table.reserve(0, OnExec::Keep, LIMIT).unwrap();
    table.release(other);
    assert_eq!(table.insert(9, OnExec::Keep, LIMIT), Ok(other));
}

#[test]
fn a_range_is_closed_in_order() {
    let mut table = table(10);
    table.remove(5).unwrap();
    let mut closed = vec![];
    while let Some((fd, _)) = table.take_next(4..=7) {
        closed.push(fd);
    }
    assert_eq!(closed, [4, 6, 7]);
    table.set_on_exec_within(8..=u32::MAX, OnExec::Close);
    assert_eq!(
        (table.on_exec(3), table.on_exec(8), table.on_exec(9)),
        (Ok(OnExec::Keep), Ok(OnExec::Close), Ok(OnExec::Close))
    );
    while table.take_next(0..=u32::MAX).is_some() {}
    assert_eq!(table.iter().count(), 0);
}

#[test]
fn exec_closes_what_is_flagged() {
    let mut table = table(100);
    for fd in [0, 64, 99] {
        table.set_on_exec(fd, OnExec::Close).unwrap();
    }
    let closed: Vec<_> = core::iter::from_fn(|| table.take_next_close_on_exec()).collect();
    assert_eq!(closed, [(0, 0), (64, 64), (99, 99)]);
    assert_eq!(table.iter().count(), 97);
}

#[derive(Clone, Debug)]
enum Action {
    Insert(OnExec),
    Remove(RawFd),
    Duplicate(RawFd, RawFd, OnExec),
    DuplicateAt(RawFd, RawFd, OnExec),
    Fork,
    Exec,
    CloseRange(u32, u32),
}

fn action() -> impl Strategy<Value = Action> {
    let fd = || prop_oneof![8 => 0..80_i32, 1 => -2..0_i32];
    let flag = || prop_oneof![Just(OnExec::Keep), Just(OnExec::Close)];
    prop_oneof![
        10 => flag().prop_map(Action::Insert),
        4 => fd().prop_map(Action::Remove),
        3 => (fd(), fd(), flag()).prop_map(|(fd, min, flag)| Action::Duplicate(fd, min, flag)),
        3 => (fd(), fd(), flag()).prop_map(|(fd, target, flag)| Action::DuplicateAt(fd, target, flag)),
        1 => Just(Action::Fork),
        1 => Just(Action::Exec),
        1 => (0..80_u32, 0..80_u32).prop_map(|(first, last)| Action::CloseRange(first, last)),
    ]
}

type Model = BTreeMap<RawFd, (u32, OnExec)>;

fn lowest_free(model: &Model, min: RawFd) -> RawFd {
    (min..).find(|fd| !model.contains_key(fd)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_table_is_a_map(actions in prop::collection::vec(action(), 1..150)) {
        const LIMIT: u32 = 72;
        let limit = 72;
        let (mut table, mut model) = (Table::new(), Model::new());
        for (file, action) in (0..).zip(actions) {
            match action {
                Action::Insert(flag) => {
                    let fd = lowest_free(&model, 0);
                    let expected = if fd < limit { model.insert(fd, (file, flag)); Ok(fd) } else { Err(Errno::EMFILE) };
                    prop_assert_eq!(table.insert(file, flag, LIMIT), expected);
                }
                Action::Remove(fd) => {
                    prop_assert_eq!(table.remove(fd).ok(), model.remove(&fd).map(|(file, _)| file));
                }
                Action::Duplicate(fd, min, flag) => {
                    let expected = match model.get(&fd) {
                        None => Err(Errno::EBADF),
                        Some(_) if min < 0 || min >= limit => Err(Errno::EINVAL),
                        Some(_) if lowest_free(&model, min) >= limit => Err(Errno::EMFILE),
                        Some(&(file, _)) => { let copy = lowest_free(&model, min); model.insert(copy, (file, flag)); Ok(copy) }
                    };
                    prop_assert_eq!(table.duplicate(fd, min, flag, LIMIT), expected);
                }
                Action::DuplicateAt(fd, target, flag) => {
                    let expected = match model.get(&fd) {
                        Some(&(file, _)) if (0..limit).contains(&target) => {
                            Ok(if fd == target { None } else { model.insert(target, (file, flag)).map(|(old, _)| old) })
                        }
                        _ => Err(Errno::EBADF),
                    };
                    prop_assert_eq!(table.duplicate_at(fd, target, flag, LIMIT), expected);
                }
                Action::Fork => table = table.try_clone().unwrap(),
                Action::Exec => {
                    let closed = core::iter::from_fn(|| table.take_next_close_on_exec()).count();
                    prop_assert_eq!(closed, model.values().filter(|(_, flag)| *flag == OnExec::Close).count());
                    model.retain(|_, (_, flag)| *flag == OnExec::Keep);
                }
                Action::CloseRange(first, last) => {
                    while table.take_next(first..=last).is_some() {}
                    model.retain(|fd, _| !(first..=last).contains(&fd.unsigned_abs()));
                }
            }
            let open: Vec<_> = table.iter().map(|(fd, &file)| (fd, (file, table.on_exec(fd).unwrap()))).collect();
            prop_assert!(open.into_iter().eq(model.iter().map(|(&fd, &entry)| (fd, entry))));
        }
    }
}
