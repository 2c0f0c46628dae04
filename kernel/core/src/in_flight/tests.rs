//! The register against a plain model of programs, descriptors and queues. Specification: unix(7) SCM_RIGHTS.

use super::{Held, Register};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::vec;
use std::vec::Vec;

/// What programs have: descriptors, sockets with queues, listeners with connections. Numbers are as in the register.
#[derive(Default)]
struct Model {
    descriptors: BTreeMap<u64, usize>,
    /// Messages: where it lies, what is in it, its number in the register.
    messages: Vec<(u64, Vec<u64>, u64)>,
    /// Connections that were not accepted, and by whom not.
    pending: BTreeMap<u64, u64>,
    next: u64,
}

impl Model {
    /// Those that were not closed yet: somebody refers to them.
    fn sockets(&self) -> Vec<u64> {
        self.descriptors.keys().copied().filter(|socket| self.references(*socket) > 0).collect()
    }

    /// Lets go of what lies with those that nobody refers to any more, as their closing does.
    fn close_unreferenced(&mut self, register: &mut Register<u64>) {
        loop {
            let alive = self.sockets();
            let gone: Vec<u64> = self.pending.iter().filter(|(_, by)| !alive.contains(by)).map(|(of, _)| *of).collect();
            for connection in gone {
                self.pending.remove(&connection);
                register.remove_pending(connection);
            }
            let is_there = |holder: &u64| alive.contains(holder) || self.pending.contains_key(holder);
            let Some(index) = self.messages.iter().position(|(holder, ..)| !is_there(holder)) else { return };
            let (_, _, post) = self.messages.remove(index);
            register.withdraw(post);
        }
    }

    /// Those with a descriptor.
    fn open(&self) -> Vec<u64> {
        self.descriptors.iter().filter(|(_, count)| **count > 0).map(|(socket, _)| *socket).collect()
    }

    fn references(&self, socket: u64) -> usize {
        let in_messages = self.messages.iter().flat_map(|(_, sockets, _)| sockets).filter(|held| **held == socket);
        self.descriptors[&socket] + in_messages.count()
    }

    /// What a program can get hold of: closed under "may be received from" and "may be accepted from".
    fn reachable(&self) -> BTreeSet<u64> {
        let mut reachable: BTreeSet<u64> = self.open().into_iter().collect();
        loop {
            let before = reachable.len();
            for (holder, sockets, _) in &self.messages {
                if reachable.contains(holder) {
                    reachable.extend(sockets);
                }
            }
            for (connection, listener) in &self.pending {
                if reachable.contains(listener) {
                    reachable.insert(*connection);
                }
            }
            if reachable.len() == before {
                return reachable;
            }
        }
    }

    fn under_way(&self) -> BTreeSet<u64> {
        self.messages.iter().flat_map(|(_, sockets, _)| sockets).copied().collect()
    }
}

/// What a program does; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Act {
    Open,
    Duplicate(usize),
    Close(usize),
    /// Sends the sockets to the queue of one, which any program may that has it, or a name.
    Send(usize, Vec<usize>),
    Receive(usize),
    Connect(usize),
    /// Sends to a connection that was not accepted.
    SendPending(usize, usize),
    Accept(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => Just(Act::Open),
        1 => any::<usize>().prop_map(Act::Duplicate),
        5 => any::<usize>().prop_map(Act::Close),
        6 => (any::<usize>(), prop::collection::vec(any::<usize>(), 1..4)).prop_map(|(to, what)| Act::Send(to, what)),
        2 => any::<usize>().prop_map(Act::Receive),
        2 => any::<usize>().prop_map(Act::Connect),
        2 => (any::<usize>(), any::<usize>()).prop_map(|(to, what)| Act::SendPending(to, what)),
        1 => any::<usize>().prop_map(Act::Accept),
    ]
}

fn choose(from: &[u64], choice: usize) -> Option<u64> {
    (!from.is_empty()).then(|| from[choice % from.len()])
}

fn send(model: &mut Model, register: &mut Register<u64>, holder: u64, what: Vec<u64>) {
    let held = what.iter().map(|socket| Held { socket: *socket, handle: *socket }).collect();
    let post = register.post(holder, held);
    model.messages.push((holder, what, post));
}

fn perform(model: &mut Model, register: &mut Register<u64>, act: &Act) -> Option<()> {
    let open = model.open();
    match act {
        Act::Open => {
            model.descriptors.insert(model.next, 1);
            model.next += 1;
        }
        Act::Duplicate(choice) => *model.descriptors.get_mut(&choose(&open, *choice)?)? += 1,
        Act::Close(choice) => *model.descriptors.get_mut(&choose(&open, *choice)?)? -= 1,
        Act::Send(to, what) => {
            let holder = choose(&model.sockets(), *to)?;
            let what: Option<Vec<u64>> = what.iter().map(|choice| choose(&open, *choice)).collect();
            send(model, register, holder, what?);
        }
        Act::Receive(choice) => {
            let holder = choose(&open, *choice)?;
            let index = model.messages.iter().position(|(lies_in, ..)| *lies_in == holder)?;
            let (_, sockets, post) = model.messages.remove(index);
            assert_eq!(register.withdraw(post).len(), sockets.len());
            for socket in sockets {
                *model.descriptors.get_mut(&socket)? += 1;
            }
        }
        Act::Connect(choice) => {
            let listener = choose(&open, *choice)?;
            model.pending.insert(model.next, listener);
            register.add_pending(model.next, listener);
            model.next += 1;
        }
        Act::SendPending(to, what) => {
            let pending: Vec<u64> = model.pending.keys().copied().collect();
            let (holder, what) = (choose(&pending, *to)?, choose(&open, *what)?);
            send(model, register, holder, vec![what]);
        }
        Act::Accept(choice) => {
            let listener = choose(&open, *choice)?;
            let connection = *model.pending.iter().find(|(_, by)| **by == listener)?.0;
            model.pending.remove(&connection);
            register.remove_pending(connection);
            model.descriptors.insert(connection, 1);
        }
    }
    Some(())
}

proptest! {
    #[test]
    fn what_is_found_lost_is_what_no_program_can_reach(acts in prop::collection::vec(act(), 1..60)) {
        let (mut model, mut register) = (Model::default(), Register::new());
        for act in &acts {
            let _ = perform(&mut model, &mut register, act);
            model.close_unreferenced(&mut register);
            let lost: Vec<u64> = register.unreachable(|socket| model.references(*socket)).into_iter().copied().collect();
            let expected: Vec<u64> = model.under_way().difference(&model.reachable()).copied().collect();
            prop_assert_eq!(&lost, &expected, "after {:?}", act);
            for socket in model.sockets() {
                let is_lost = register.is_lost(socket, |socket| model.references(*socket));
                prop_assert_eq!(is_lost, expected.contains(&socket), "of {} after {:?}", socket, act);
            }
        }
    }
}

/// A register with these messages: where each lies, what is in it.
fn with(messages: &[(u64, &[u64])]) -> Register<u64> {
    let mut register = Register::new();
    for (holder, sockets) in messages {
        register.post(*holder, sockets.iter().map(|socket| Held { socket: *socket, handle: *socket }).collect());
    }
    register
}

#[test]
fn a_socket_in_its_own_queue_is_lost_once_only_that_refers_to_it() {
    let register = with(&[(1, &[1])]);
    assert_eq!(register.unreachable(|_| 2), Vec::<&u64>::new());
    assert_eq!(register.unreachable(|_| 1), [&1]);
}

#[test]
fn a_cycle_of_several_is_lost_as_a_whole_or_not_at_all() {
    let register = with(&[(1, &[2]), (2, &[3]), (3, &[1])]);
    assert_eq!(register.unreachable(|_| 1), [&1, &2, &3]);
    assert_eq!(register.unreachable(|socket| if *socket == 2 { 2 } else { 1 }), Vec::<&u64>::new());
}

#[test]
fn what_lies_with_an_open_socket_is_not_lost() {
    let register = with(&[(7, &[1]), (1, &[2])]);
    assert_eq!(register.unreachable(|_| 1), Vec::<&u64>::new());
}

#[test]
fn a_connection_that_was_not_accepted_goes_with_its_listener() {
    let mut register = with(&[(5, &[1])]);
    register.add_pending(5, 1);
    assert_eq!(register.unreachable(|_| 1), [&1]);
    assert_eq!(register.unreachable(|_| 2), Vec::<&u64>::new());
    register.remove_pending(5);
    assert_eq!(register.unreachable(|_| 1), Vec::<&u64>::new());
}

#[test]
fn a_socket_that_was_received_is_not_under_way() {
    let mut register = with(&[(1, &[1]), (1, &[1, 2])]);
    assert_eq!(register.withdraw(0).len(), 1);
    assert_eq!(register.withdraw(0).len(), 0);
    assert_eq!(register.unreachable(|socket| if *socket == 1 { 2 } else { 1 }), Vec::<&u64>::new());
}
