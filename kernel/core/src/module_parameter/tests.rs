//! Parameters of modules: texts that are values, texts that are not, and what is said about those.

use super::*;
use alloc::format;
use alloc::string::ToString;
use proptest::prelude::*;

static SLOTS: Parameter = Parameter::power_of_two("slots", 16, [1, 1024], "slots of the ring");
static SIZE: Parameter = Parameter::number("max_size", 65536, [2, 1 << 22], "bytes");
static MERGE: Parameter = Parameter::flag("merge", true, "whether small writes are merged").live();
static INDEX: Parameter = Parameter::choice("index", &["open", "modulo", "mask"], "how indices are made");
static ALL: &[&Parameter] = &[&SLOTS, &SIZE, &MERGE, &INDEX];

fn loaded(text: &str) -> Result<Values, ParameterError> {
    let mut values = Values::defaults(ALL);
    values.apply(text).map(|()| values)
}

fn refusal(text: &str) -> String {
    loaded(text).unwrap_err().to_string()
}

#[test]
fn nothing_said_means_the_defaults() {
    let values = loaded(" ").unwrap();
    assert_eq!((values.number(&SLOTS), values.number(&SIZE)), (16, 65536));
    assert_eq!((values.flag(&MERGE), values.choice(&INDEX)), (true, 0));
}

#[test]
fn what_is_said_counts_and_the_last_word_most() {
    let values = loaded("slots=32 merge=0 max-size=4K index=mask slots=64").unwrap();
    assert_eq!((values.number(&SLOTS), values.number(&SIZE)), (64, 4096));
    assert_eq!((values.flag(&MERGE), values.choice(&INDEX)), (false, 2));
}

#[test]
fn a_refusal_says_what_is_wrong() {
    assert_eq!(refusal("slots=33"), "parameter slots=33: must be a power of two from 1 to 1024");
    assert_eq!(refusal("slots=2048"), "parameter slots=2048: must be a power of two from 1 to 1024");
    assert_eq!(refusal("slots"), "parameter slots without a value: must be a power of two from 1 to 1024");
    assert_eq!(refusal("max_size=1"), "parameter max_size=1: must be a number from 2 to 4194304");
    assert_eq!(refusal("merge=2"), "parameter merge=2: must be one of y, n, 1, 0, on, off");
    assert_eq!(refusal("index=masked"), "parameter index=masked: must be one of open, modulo, mask");
    assert_eq!(refusal("slot=1"), "unknown parameter slot");
    assert_eq!(refusal("slots=1 =5"), "unknown parameter =5");
}

#[test]
fn numbers_are_written_as_linux_reads_them() {
    for (text, number) in [("0x10", 16), ("020", 16), ("16", 16), ("1k", 1024), ("2M", 2 << 20), ("0X2k", 2048)] {
        assert_eq!(SIZE.parse(Some(text)), Ok(Value::Number(number)), "{text}");
    }
    for text in ["", "+5", "-5", "0x", "08", "5 ", " 5", "5G", "18446744073709551616", "17592186044416M", "0x+5", "K"] {
        assert!(SIZE.parse(Some(text)).is_err(), "{text}");
    }
}

#[test]
fn a_flag_without_a_value_is_set() {
    assert!(loaded("merge=n merge").unwrap().flag(&MERGE));
    for (text, value) in [("y", true), ("Y", true), ("on", true), ("off", false), ("N", false), ("0\n", false)] {
        assert_eq!(MERGE.parse(Some(text)), Ok(Value::Bool(value)), "{text}");
    }
}

#[test]
fn the_boot_line_speaks_to_modules_by_name() {
    let mut values = Values::defaults(ALL);
    let line = CommandLine::new("quiet my-ring.slots=8 other.slots=4 slots=2 my_ring.merge=off -- my_ring.slots=1");
    values.apply_boot("my_ring", &line).unwrap();
    assert_eq!((values.number(&SLOTS), values.flag(&MERGE)), (8, false));
    assert_eq!(
        values.apply_boot("my_ring", &CommandLine::new("my_ring.none=1")),
        Err(ParameterError::Unknown("none".into()))
    );
}

#[test]
fn a_long_or_strange_value_is_shown_shortened() {
    let long = format!("slots={}", "9".repeat(5000));
    assert!(refusal(&long).len() < 120);
    assert_eq!(refusal("slots=1\u{7}"), "parameter slots=1?: must be a power of two from 1 to 1024");
}

#[test]
fn a_value_that_was_set_is_there_and_others_are_as_before() {
    let mut values = loaded("slots=8").unwrap();
    values.set(&MERGE, Value::Bool(false));
    assert_eq!((values.number(&SLOTS), values.flag(&MERGE)), (8, false));
    // Somebody else's parameter has the value of its own default.
    static FOREIGN: Parameter = Parameter::number("foreign", 7, [0, 9], "not of this module");
    assert_eq!(values.number(&FOREIGN), 7);
}

proptest! {
    #[test]
    fn any_text_is_taken_or_refused(text in "[ \"=.,a-z0-9xKé\n-]{0,60}") {
        let _ = loaded(&text);
    }

    #[test]
    fn what_is_shown_can_be_said_again(slots in 0_u32..=10, size in 2_u64..=1 << 22, merge: bool, index in 0_usize..3) {
        let mut values = Values::defaults(ALL);
        for (parameter, value) in [
            (&SLOTS, Value::Number(1 << slots)),
            (&SIZE, Value::Number(size)),
            (&MERGE, Value::Bool(merge)),
            (&INDEX, Value::Choice(index)),
        ] {
            values.set(parameter, value);
        }
        let words: Vec<String> =
            ALL.iter().map(|one| format!("{}={}\n", one.name, one.text(values.get(one)))).collect();
        let again = loaded(&words.join(" ")).unwrap();
        for parameter in ALL {
            prop_assert_eq!(again.get(parameter), values.get(parameter));
        }
    }

    #[test]
    fn exactly_the_numbers_in_bounds_are_taken(number in prop_oneof![0_u64..3000, any::<u64>()]) {
        let taken = SLOTS.parse(Some(&number.to_string()));
        let expected = number.is_power_of_two() && number <= 1024;
        prop_assert_eq!(taken.is_ok(), expected);
        if expected {
            prop_assert_eq!(taken, Ok(Value::Number(number)));
        }
    }
}
