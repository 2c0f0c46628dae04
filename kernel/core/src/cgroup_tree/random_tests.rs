//! The hierarchy against a model that keeps processes in a list and counts them anew at each question.

use super::{CgroupId, Controllers, Hierarchy, Notice, ROOT};
use crate::errno::Errno;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::vec::Vec;

#[derive(Clone, Copy, Debug)]
enum Action {
    Create(usize),
    Remove(usize),
    Fork(usize),
    Thread(usize),
    End(usize),
    Reap(usize),
    Move(usize, usize),
    Limit(usize, Option<i64>),
    Enable(usize),
    Disable(usize),
}

fn action() -> impl Strategy<Value = Action> {
    let which = 0..1000_usize;
    prop_oneof![
        3 => which.clone().prop_map(Action::Create),
        2 => which.clone().prop_map(Action::Remove),
        4 => which.clone().prop_map(Action::Fork),
        2 => which.clone().prop_map(Action::Thread),
        3 => which.clone().prop_map(Action::End),
        3 => which.clone().prop_map(Action::Reap),
        4 => (which.clone(), which.clone()).prop_map(|(process, group)| Action::Move(process, group)),
        1 => (which.clone(), prop::option::of(0..6_i64)).prop_map(|(group, limit)| Action::Limit(group, limit)),
        2 => which.clone().prop_map(Action::Enable),
        1 => which.prop_map(Action::Disable),
    ]
}

struct Process {
    group: CgroupId,
    threads: u32,
    has_ended: bool,
}

struct Group {
    id: CgroupId,
    parent: CgroupId,
    is_alive: bool,
    limit: Option<u32>,
    delegates: bool,
}

struct Model {
    groups: Vec<Group>,
    processes: Vec<Process>,
}

impl Model {
    fn new() -> Self {
        let root = Group { id: ROOT, parent: 0, is_alive: true, limit: None, delegates: false };
        Self {
            groups: Vec::from([root]),
            processes: Vec::from([Process { group: ROOT, threads: 1, has_ended: false }]),
        }
    }

    fn group(&self, id: CgroupId) -> &Group {
        self.groups.iter().find(|group| group.id == id).unwrap()
    }

    fn above(&self, id: CgroupId) -> Vec<CgroupId> {
        let mut above = Vec::from([id]);
        while let Some(&last) = above.last().filter(|&&last| last != ROOT) {
            above.push(self.group(last).parent);
        }
        above
    }

    fn charges(&self, id: CgroupId) -> u32 {
        let within = |process: &&Process| self.above(process.group).contains(&id);
        self.processes.iter().filter(within).map(|process| process.threads).sum()
    }

    fn own_members(&self, id: CgroupId) -> usize {
        self.processes.iter().filter(|process| process.group == id && !process.has_ended).count()
    }

    fn is_populated(&self, id: CgroupId) -> bool {
        self.processes.iter().any(|process| !process.has_ended && self.above(process.group).contains(&id))
    }

    fn populated(&self) -> BTreeSet<CgroupId> {
        self.groups.iter().map(|group| group.id).filter(|&id| self.is_populated(id)).collect()
    }

    fn children(&self, id: CgroupId) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(move |group| group.parent == id && group.is_alive)
    }

    fn is_threaded_root(&self, id: CgroupId) -> bool {
        id != ROOT && self.group(id).delegates && self.own_members(id) > 0
    }

    /// EOPNOTSUPP below a group whose processes compete already; EBUSY where they would.
    fn check(&self, id: CgroupId, would_compete: bool) -> Result<(), Errno> {
        if self.above(id)[1..].iter().any(|&above| self.is_threaded_root(above)) {
            return Err(Errno::EOPNOTSUPP);
        }
        let has_populated_children = self.children(id).any(|child| self.is_populated(child.id));
        if id != ROOT && would_compete && has_populated_children { Err(Errno::EBUSY) } else { Ok(()) }
    }

    fn try_charge(&self, id: CgroupId) -> bool {
        let has_room = |id: &CgroupId| self.group(*id).limit.is_none_or(|limit| self.charges(*id) < limit);
        self.above(id).iter().all(has_room)
    }
}

/// Applies `action` to both; who is told must be who changes.
fn step(model: &mut Model, groups: &mut Hierarchy<CgroupId>, action: Action) -> Result<(), TestCaseError> {
    let populated_before = model.populated();
    let mut told = BTreeSet::new();
    let mut tell = |(id, notice)| {
        if notice == Notice::Events {
            assert!(told.insert(id), "told once");
        }
    };
    let alive: Vec<CgroupId> = model.groups.iter().filter(|group| group.is_alive).map(|group| group.id).collect();
    let pick = |index: usize| alive[index % alive.len()];
    let living: Vec<usize> = (0..model.processes.len()).filter(|&index| !model.processes[index].has_ended).collect();
    match action {
        Action::Create(parent) => {
            let id = groups.create(pick(parent), b"x", |id| id).unwrap();
            prop_assert!(model.groups.iter().all(|group| group.id < id));
            model.groups.push(Group { id, parent: pick(parent), is_alive: true, limit: None, delegates: false });
        }
        Action::Remove(group) => {
            let id = pick(group);
            let is_busy = id == ROOT || model.is_populated(id) || model.children(id).next().is_some();
            prop_assert_eq!(groups.remove(id), if is_busy { Err(Errno::EBUSY) } else { Ok(()) });
            model.groups.iter_mut().filter(|group| group.id == id).for_each(|group| group.is_alive = is_busy);
        }
        Action::Fork(parent) | Action::Thread(parent) if !living.is_empty() => {
            let parent = living[parent % living.len()];
            let group = model.processes[parent].group;
            let charged = groups.try_charge(group);
            prop_assert_eq!(charged.is_ok(), model.try_charge(group));
            if charged.is_ok() {
                if matches!(action, Action::Fork(_)) {
                    groups.add_member(group).settle(&mut tell);
                    model.processes.push(Process { group, threads: 1, has_ended: false });
                } else {
                    model.processes[parent].threads += 1;
                }
            }
        }
        Action::End(process) if living.len() > 1 => {
            let process = living[process % living.len()];
            groups.remove_member(model.processes[process].group).settle(&mut tell);
            model.processes[process].has_ended = true;
        }
        Action::Reap(process) => {
            let ended: Vec<usize> =
                (0..model.processes.len()).filter(|&index| model.processes[index].has_ended).collect();
            if !ended.is_empty() {
                let process = model.processes.remove(ended[process % ended.len()]);
                groups.uncharge(process.group, process.threads);
            }
        }
        Action::Move(process, group) if !living.is_empty() => {
            let (process, to) = (living[process % living.len()], pick(group));
            let Process { group: from, threads, .. } = model.processes[process];
            let expected = model.check(to, model.group(to).delegates);
            let moved = groups.migrate(from, to, threads);
            prop_assert_eq!(moved.as_ref().map(|_| ()).map_err(|error| *error), expected);
            if let Ok(notices) = moved {
                notices.settle(&mut tell);
                model.processes[process].group = to;
            }
        }
        Action::Limit(group, limit) => {
            let id = pick(group);
            let has_files = id != ROOT && model.group(model.group(id).parent).delegates;
            prop_assert_eq!(groups.set_pids_limit(id, limit), if has_files { Ok(()) } else { Err(Errno::ENODEV) });
            if has_files {
                let limit = limit.map(|limit| u32::try_from(limit).unwrap());
                model.groups.iter_mut().filter(|group| group.id == id).for_each(|group| group.limit = limit);
            }
        }
        Action::Enable(group) => {
            let id = pick(group);
            let is_there = id == ROOT || model.group(model.group(id).parent).delegates;
            let expected = if !is_there {
                Err(Errno::ENOENT)
            } else if model.group(id).delegates {
                Ok(())
            } else {
                model.check(id, model.own_members(id) > 0)
            };
            let enabled = groups.delegate(id, Controllers::PIDS, Controllers::empty());
            prop_assert_eq!(enabled, expected);
            if enabled.is_ok() {
                model.groups.iter_mut().filter(|group| group.id == id).for_each(|group| group.delegates = true);
            }
        }
        Action::Disable(group) => {
            let id = pick(group);
            let is_needed = model.group(id).delegates && model.children(id).any(|child| child.delegates);
            let disabled = groups.delegate(id, Controllers::empty(), Controllers::PIDS);
            prop_assert_eq!(disabled, if is_needed { Err(Errno::EBUSY) } else { Ok(()) });
            if disabled.is_ok() && model.group(id).delegates {
                model.groups.iter_mut().filter(|group| group.id == id).for_each(|group| group.delegates = false);
                model.groups.iter_mut().filter(|group| group.parent == id).for_each(|group| group.limit = None);
            }
        }
        _ => {}
    }
    prop_assert_eq!(told, populated_before.symmetric_difference(&model.populated()).copied().collect::<BTreeSet<_>>());
    Ok(())
}

fn compare(model: &Model, groups: &Hierarchy<CgroupId>) -> Result<(), TestCaseError> {
    let mut known = 0;
    for group in &model.groups {
        let charges = model.charges(group.id);
        known += usize::from(group.is_alive || charges > 0);
        prop_assert_eq!(groups.is_alive(group.id), group.is_alive);
        if !group.is_alive {
            continue;
        }
        prop_assert_eq!(groups.is_populated(group.id), Ok(model.is_populated(group.id)));
        let pids = groups.pids(group.id).unwrap();
        prop_assert_eq!((pids.current(), pids.limit()), (charges, group.limit));
        let below = |other: &&Group| other.id != group.id && model.above(other.id).contains(&group.id);
        let descendants = model.groups.iter().filter(below).filter(|other| other.is_alive).count();
        let removed = model.groups.iter().filter(below).filter(|other| !other.is_alive && model.charges(other.id) > 0);
        let shape = groups.shape(group.id).unwrap();
        prop_assert_eq!(
            (shape.descendants as usize, shape.removed_descendants as usize),
            (descendants, removed.count())
        );
    }
    prop_assert_eq!(groups.count(), known);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_hierarchy_counts_as_the_model_does(actions in prop::collection::vec(action(), 1..120)) {
        let (mut model, mut groups) = (Model::new(), Hierarchy::new(ROOT));
        groups.enter(ROOT).settle(|_| ());
        for action in actions {
            step(&mut model, &mut groups, action)?;
            compare(&model, &groups)?;
        }
    }
}
