//! No pointer argument of any call is without a test: what `arguments.txt` has is in the tables, or in a test named here.

use super::super::{ALL, arguments};
use crate::check::{Outcome, expect};

crate::tests! {
    every_pointer_argument_of_every_call_is_tried,
}

/// Arguments that are tried by a test of their own.
const ELSEWHERE: [(&str, &str); 13] = [
    ("clone_parent_tid", "bad_pointers.clone_overlooks_where_tids_cannot_be_written"),
    ("clone_child_tid", "bad_pointers.clone_overlooks_where_tids_cannot_be_written"),
    ("set_robust_list_list", "bad_pointers.robust_list_that_cannot_be_read_does_no_harm"),
    ("set_tid_address_word", "bad_pointers.tid_address_that_cannot_be_written_does_no_harm"),
    ("nanosleep_rest", "bad_pointers.rest_of_an_interrupted_sleep_that_cannot_be_written_gives_efault"),
    ("clock_nanosleep_rest", "bad_pointers.rest_of_an_interrupted_sleep_that_cannot_be_written_gives_efault"),
    ("reboot_command", "bad_pointers.restart_with_a_command_that_cannot_be_read_gives_efault"),
    ("syslog_buffer", "bad_pointers.log_buffer_that_cannot_be_written_gives_efault"),
    ("init_module_image", "modules.bad_pointers_give_efault"),
    ("init_module_parameters", "modules.bad_pointers_give_efault"),
    ("finit_module_parameters", "modules.bad_pointers_give_efault"),
    ("delete_module_name", "modules.bad_pointers_give_efault"),
    ("getcpu_cache", "bad_pointers.getcpu_does_not_look_at_its_third_argument"),
];

fn every_pointer_argument_of_every_call_is_tried() -> Outcome {
    let tests: Vec<String> = ALL
        .iter()
        .filter(|suite| ["bad_pointers", "modules"].contains(&suite.name))
        .flat_map(|suite| (suite.tests)().into_iter().map(|test| format!("{}.{}", suite.name, test.name)))
        .collect();
    let mut missing = Vec::new();
    for arguments::Argument { call, name } in arguments::of(arguments::Kind::Pointer)? {
        let argument = format!("{call}_{name}");
        let longer = format!("{argument}_");
        let in_tables = super::cases().any(|case| case.name == argument || case.name.starts_with(&longer));
        let elsewhere = ELSEWHERE.iter().find(|(known, _)| *known == argument);
        if !in_tables && !elsewhere.is_some_and(|(_, test)| tests.iter().any(|name| name == test)) {
            missing.push(argument);
        }
    }
    expect(missing.is_empty(), &format!("every pointer argument is tried, but for {missing:?}"))
}
