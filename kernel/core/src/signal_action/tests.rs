//! Dispositions, sentence by sentence of signal(7).

use super::*;
use proptest::prelude::*;

const HANDLER: SignalAction = SignalAction {
    disposition: Disposition::Handler { entry: 0x1000 },
    flags: ActionFlags::empty(),
    mask: SignalSet::EMPTY,
    restorer: 0,
};
const IGNORE: SignalAction = SignalAction { disposition: Disposition::Ignore, ..HANDLER };

fn with(signal: Signal, action: SignalAction) -> SignalActions {
    let mut actions = SignalActions::new();
    actions.set(signal, action).unwrap();
    actions
}

fn mask_of(delivery: Delivery) -> SignalSet {
    match delivery {
        Delivery::Handler { mask, .. } => mask,
        other => panic!("{other:?} instead of a handler"),
    }
}

#[test]
fn kill_and_stop_cannot_be_caught_or_ignored() {
    let mut actions = SignalActions::new();
    for signal in [Signal::KILL, Signal::STOP] {
        assert_eq!(actions.set(signal, IGNORE), Err(Errno::EINVAL));
        assert_eq!(actions.set(signal, HANDLER), Err(Errno::EINVAL));
    }
    assert_eq!(actions.deliver(Signal::KILL, SignalSet::EMPTY), Delivery::Terminate);
    assert_eq!(actions.deliver(Signal::STOP, SignalSet::EMPTY), Delivery::Stop);
}

/// The handbook ignores SIGTERM by default.
#[test]
fn sigterm_ends_a_process_by_default() {
    assert_eq!(SignalActions::new().deliver(Signal::TERM, SignalSet::EMPTY), Delivery::Terminate);
}

#[test]
fn setting_returns_the_old_action() {
    let mut actions = with(Signal::INT, HANDLER);
    assert_eq!(actions.set(Signal::INT, IGNORE), Ok(HANDLER));
    assert_eq!(actions.set(Signal::INT, HANDLER), Ok(IGNORE));
}

#[test]
fn a_mask_never_holds_kill() {
    let actions = with(Signal::INT, SignalAction { mask: SignalSet::ALL, ..HANDLER });
    assert!(!actions.get(Signal::INT).mask.contains(Signal::KILL));
}

#[test]
fn what_nobody_would_notice_is_dropped_when_sent() {
    let drops = |actions: &SignalActions, signal| actions.drops(signal, SignalSet::EMPTY, Receiver::Ordinary);
    let actions = SignalActions::new();
    assert!(drops(&actions, Signal::CHLD) && drops(&actions, Signal::CONT) && drops(&actions, Signal::WINCH));
    assert!(!drops(&actions, Signal::TERM) && !drops(&actions, Signal::TSTP));
    assert!(drops(&with(Signal::TERM, IGNORE), Signal::TERM));
    assert!(!drops(&with(Signal::CHLD, HANDLER), Signal::CHLD));
}

#[test]
fn a_blocked_signal_is_not_dropped_though_it_is_ignored() {
    let blocked = SignalSet::of(&[Signal::CHLD]);
    assert!(!SignalActions::new().drops(Signal::CHLD, blocked, Receiver::Ordinary));
}

#[test]
fn init_gets_only_what_it_handles() {
    let drops = |actions: &SignalActions, signal| actions.drops(signal, SignalSet::EMPTY, Receiver::Init);
    assert!(drops(&SignalActions::new(), Signal::KILL) && drops(&SignalActions::new(), Signal::TERM));
    assert!(!drops(&with(Signal::TERM, HANDLER), Signal::TERM));
}

#[test]
fn a_handler_runs_with_its_signal_and_its_mask_blocked() {
    let blocked = SignalSet::of(&[Signal::HUP]);
    let action = SignalAction { mask: SignalSet::of(&[Signal::USR1]), ..HANDLER };
    let delivery = with(Signal::INT, action).deliver(Signal::INT, blocked);
    assert_eq!(mask_of(delivery), SignalSet::of(&[Signal::HUP, Signal::USR1, Signal::INT]));
    let action = SignalAction { flags: ActionFlags::NODEFER, ..action };
    let delivery = with(Signal::INT, action).deliver(Signal::INT, blocked);
    assert_eq!(mask_of(delivery), SignalSet::of(&[Signal::HUP, Signal::USR1]));
}

#[test]
fn a_one_shot_handler_is_called_once() {
    let mut actions = with(Signal::INT, SignalAction { flags: ActionFlags::RESETHAND, ..HANDLER });
    assert!(matches!(actions.deliver(Signal::INT, SignalSet::EMPTY), Delivery::Handler { .. }));
    assert_eq!(actions.deliver(Signal::INT, SignalSet::EMPTY), Delivery::Terminate);
}

#[test]
fn a_fault_cannot_be_blocked_or_ignored() {
    let blocked = SignalSet::of(&[Signal::SEGV, Signal::INT]);
    let mut actions = with(Signal::SEGV, HANDLER);
    assert_eq!(actions.force(Signal::SEGV, blocked), SignalSet::of(&[Signal::INT]));
    assert_eq!(actions.deliver(Signal::SEGV, SignalSet::EMPTY), Delivery::Core);
    let mut actions = with(Signal::SEGV, IGNORE);
    actions.force(Signal::SEGV, SignalSet::EMPTY);
    assert_eq!(actions.deliver(Signal::SEGV, SignalSet::EMPTY), Delivery::Core);
    let mut actions = with(Signal::SEGV, HANDLER);
    actions.force(Signal::SEGV, SignalSet::EMPTY);
    assert!(matches!(actions.deliver(Signal::SEGV, SignalSet::EMPTY), Delivery::Handler { .. }));
}

#[test]
fn exec_keeps_what_is_ignored_and_forgets_handlers() {
    let mut actions = with(Signal::INT, SignalAction { flags: ActionFlags::RESTART, ..HANDLER });
    actions.set(Signal::HUP, SignalAction { flags: ActionFlags::RESTART, ..IGNORE }).unwrap();
    actions.reset_on_exec();
    assert_eq!(actions.get(Signal::INT), SignalAction::default());
    assert_eq!(actions.get(Signal::HUP), IGNORE);
}

#[test]
fn fork_copies() {
    let parent = with(Signal::INT, HANDLER);
    let mut child = parent.clone();
    child.set(Signal::INT, IGNORE).unwrap();
    assert_eq!(parent.get(Signal::INT), HANDLER);
}

#[test]
fn flags_have_the_values_of_arm64() {
    assert_eq!(ActionFlags::RESTART.bits(), 0x1000_0000);
    assert_eq!(ActionFlags::RESTORER.bits(), 0x0400_0000);
    assert_eq!(ActionFlags::from_bits_retain(0x800).bits(), 0x800);
}

proptest! {
    /// Whatever order they are set in, and whatever becomes default again.
    #[test]
    fn the_table_agrees_with_an_array(changes in prop::collection::vec((1..=64_i32, 0..4_u64), 0..200)) {
        let (mut actions, mut model) = (SignalActions::new(), [SignalAction::default(); SIGNALS]);
        for (number, which) in changes {
            let signal = Signal::from_number(number).unwrap();
            let action = match which {
                0 => SignalAction::default(),
                1 => IGNORE,
                _ => SignalAction { disposition: Disposition::Handler { entry: which }, restorer: number as u64, ..HANDLER },
            };
            if let Ok(old) = actions.set(signal, action) {
                prop_assert_eq!(old, core::mem::replace(&mut model[signal.index()], action));
            }
        }
        let copy = actions.clone();
        for signal in SignalSet::ALL.iter() {
            prop_assert_eq!(actions.get(signal), model[signal.index()]);
            prop_assert_eq!(copy.get(signal), model[signal.index()]);
        }
    }
}
