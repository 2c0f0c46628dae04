//! Signal numbers, sets and their order.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::string::ToString;
use std::vec::Vec;

fn signal(number: i32) -> Signal {
    Signal::from_number(number).unwrap()
}

#[test]
fn only_1_to_64_are_signals() {
    for number in [i32::MIN, -1, 0, 65, i32::MAX] {
        assert_eq!(Signal::from_number(number), Err(Errno::EINVAL));
    }
    assert_eq!((signal(1), signal(64)), (Signal::HUP, Signal::RTMAX));
}

/// The handbook's `1 << sig` overflows at 31 and above.
#[test]
fn the_highest_signals_have_their_own_bits() {
    for number in [31, 32, 33, 63, 64] {
        assert_eq!(SignalSet::of(&[signal(number)]).bits(), 1_u64 << (number - 1));
    }
}

#[test]
fn names_are_linux_ones() {
    assert_eq!((Signal::KILL.to_string().as_str(), Signal::KILL.number()), ("SIGKILL", 9));
    assert_eq!((Signal::SYS.number(), Signal::RTMIN.number()), (31, 32));
    assert_eq!(signal(40).to_string(), "signal 40");
}

#[test]
fn default_actions_are_those_of_signal_7() {
    let acting = |action| -> Vec<i32> {
        let signals = SignalSet::ALL.iter().filter(|signal| signal.default_action() == action);
        signals.map(Signal::number).collect()
    };
    assert_eq!(acting(DefaultAction::Core), [3, 4, 5, 6, 7, 8, 11, 24, 25, 31]);
    assert_eq!(acting(DefaultAction::Ignore), [17, 23, 28]);
    assert_eq!(acting(DefaultAction::Stop), [19, 20, 21, 22]);
    assert_eq!(acting(DefaultAction::Continue), [18]);
    assert_eq!(acting(DefaultAction::Terminate).len(), 64 - 18);
}

#[test]
fn kill_and_stop_are_never_blocked() {
    let mask = SignalSet::EMPTY.changed(MaskChange::Set, SignalSet::ALL);
    assert!(!mask.contains(Signal::KILL) && !mask.contains(Signal::STOP) && mask.contains(Signal::TERM));
    assert_eq!(mask.changed(MaskChange::Block, SignalSet::ALL), mask);
    assert_eq!(mask.changed(MaskChange::Unblock, SignalSet::ALL), SignalSet::EMPTY);
}

#[test]
fn faults_come_before_lower_numbers_and_kill_before_all() {
    let mut set = SignalSet::of(&[Signal::HUP, Signal::SEGV, Signal::BUS, signal(50)]);
    let mut order = Vec::new();
    while let Some(next) = set.next() {
        order.push(next);
        set.remove(next);
    }
    assert_eq!(order, [Signal::BUS, Signal::SEGV, Signal::HUP, signal(50)]);
    assert_eq!(SignalSet::ALL.next(), Some(Signal::KILL));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_set_is_a_set(changes in prop::collection::vec((1..=64, any::<bool>()), 0..100)) {
        let (mut set, mut model) = (SignalSet::EMPTY, BTreeSet::new());
        for (number, member) in changes {
            if member {
                set.insert(signal(number));
                model.insert(number);
            } else {
                set.remove(signal(number));
                model.remove(&number);
            }
        }
        prop_assert!(set.iter().map(Signal::number).eq(model.iter().copied()));
        prop_assert_eq!(set.is_empty(), model.is_empty());
        prop_assert!((1..=64).all(|number| set.contains(signal(number)) == model.contains(&number)));
    }
}
