//! What was executed, summed up by function, and how it is shown. Pure.

use std::collections::HashMap;

use super::functions::Functions;
use super::window::Window;

/// What the programs executed; their files have no symbols.
pub const PROGRAMS: &str = "(programs)";
/// Code of the kernel that no symbol is for.
const UNNAMED: &str = "(no symbol)";
/// In the place of a caller that no branch names.
const INDIRECT: &str = "(by pointer, or an exception)";

/// One function's share, or that of all programs together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Of the function.
    pub name: String,
    /// Instructions executed in it, but not in what it calls.
    pub instructions: u64,
    /// How often its first instruction was executed. None for what is no function.
    pub calls: Option<u64>,
}

/// The rows of a window, the largest first. They add up to [`Window::total`].
pub fn by_function(window: &Window, functions: &Functions) -> Vec<Row> {
    let mut rows: HashMap<&str, Row> = HashMap::new();
    for executed in &window.executed {
        let function = if executed.is_kernel() { functions.at(executed.address) } else { None };
        let name = match function {
            Some(function) => &function.name,
            None if executed.is_kernel() => UNNAMED,
            None => PROGRAMS,
        };
        let row = rows.entry(name).or_insert_with(|| Row {
            name: name.to_owned(),
            instructions: 0,
            calls: function.is_some().then_some(0),
        });
        row.instructions += executed.times;
        if function.is_some_and(|function| function.start == executed.address) {
            row.calls = row.calls.map(|calls| calls + executed.times);
        }
    }
    let mut rows: Vec<Row> = rows.into_values().collect();
    rows.sort_by(|one, other| other.instructions.cmp(&one.instructions).then_with(|| one.name.cmp(&other.name)));
    rows
}

/// Who enters the functions whose names contain `part`, and how often: the largest first.
///
/// By calls and jumps to a fixed place; what comes by a pointer, or by an exception, is one row for each function.
pub fn callers(window: &Window, functions: &Functions, part: &str) -> Vec<(String, String, u64)> {
    let mut entries: HashMap<(&str, &str), u64> = HashMap::new();
    let wanted =
        |address| functions.at(address).filter(|function| function.start == address && function.name.contains(part));
    for executed in window.executed.iter().filter(|executed| executed.is_kernel()) {
        if let Some(function) = wanted(executed.address) {
            *entries.entry((&function.name, INDIRECT)).or_default() += executed.times;
        }
    }
    for executed in &window.executed {
        let Some(function) = executed.target().and_then(wanted) else { continue };
        let caller = functions.at(executed.address).map_or(UNNAMED, |caller| &caller.name);
        *entries.entry((&function.name, caller)).or_default() += executed.times;
        if let Some(others) = entries.get_mut(&(function.name.as_str(), INDIRECT)) {
            *others = others.saturating_sub(executed.times);
        }
    }
    let named = entries.into_iter().filter(|(_, times)| *times > 0);
    let mut found: Vec<_> = named.map(|((name, caller), times)| (name.to_owned(), caller.to_owned(), times)).collect();
    found.sort_by(|one, other| other.2.cmp(&one.2).then_with(|| one.cmp(other)));
    found
}

#[cfg(test)]
mod tests {
    use super::super::functions::Functions;
    use super::super::window::{Executed, Window};
    use super::{INDIRECT, PROGRAMS, UNNAMED, by_function, callers};

    const BASE: u64 = 0xffff_8000_0000_0000;
    const NOP: u32 = 0xd503_201f;
    /// `read` calls `copy` by name; `copy` begins at 0x20 and is entered once more than that, by a pointer.
    const BL_COPY: u32 = 0x9400_0007;

    fn functions() -> Functions {
        let text = format!("{:x} T read\n{:x} t copy\n{:x} t idle\n", BASE, BASE + 0x20, BASE + 0x40);
        Functions::of_kallsyms(&text).unwrap()
    }

    fn window() -> Window {
        let executed =
            [(0x1000, NOP, 9), (0x1004, NOP, 9), (BASE - 8, NOP, 2), (BASE, NOP, 10), (BASE + 4, BL_COPY, 10)];
        let more = [(BASE + 8, NOP, 10), (BASE + 0x20, NOP, 11), (BASE + 0x24, NOP, 33)];
        let executed = executed.into_iter().chain(more);
        Window {
            passes: 1,
            executed: executed.map(|(address, word, times)| Executed { address, word, times }).collect(),
        }
    }

    #[test]
    fn every_instruction_is_in_one_row() {
        let rows = by_function(&window(), &functions());
        let found: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.instructions, row.calls)).collect();
        let expected = [("copy", 44, Some(11)), ("read", 30, Some(10)), (PROGRAMS, 18, None), (UNNAMED, 2, None)];
        assert_eq!(found, expected);
        assert_eq!(rows.iter().map(|row| row.instructions).sum::<u64>(), window().total());
    }

    #[test]
    fn callers_are_those_whose_branches_name_the_function_and_the_rest() {
        let found = callers(&window(), &functions(), "cop");
        let expected = [("copy", "read", 10), ("copy", INDIRECT, 1)];
        assert_eq!(found, expected.map(|(name, caller, times)| (name.to_owned(), caller.to_owned(), times)));
        assert!(callers(&window(), &functions(), "nothing").is_empty());
    }
}
