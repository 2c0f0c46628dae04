//! What was executed, summed up by function, and how it is shown. Pure.

use std::collections::HashMap;

use anyhow::Result;

use super::functions::Functions;
use super::window::{Executed, Window};

/// What the programs executed; their files have no symbols.
pub const PROGRAMS: &str = "(programs)";
/// Code of the kernel that no symbol is for.
const UNNAMED: &str = "(no symbol)";
/// In the place of a caller that no branch names.
const INDIRECT: &str = "(by pointer, or an exception)";

/// Code of the kernel in functions that were not asked for.
pub const ELSEWHERE: &str = "(elsewhere)";

/// A share of the instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Of the function, the line, or all programs together.
    pub name: String,
    /// Instructions executed there, but not in what is called there.
    pub instructions: u64,
    /// How often the function's first instruction was executed. None for what is no function with a symbol.
    pub calls: Option<u64>,
}

/// The row that an instruction belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// [`Row::name`].
    pub name: String,
    /// Whether it is the first one of a function with a symbol; none for what is no such function.
    pub is_entry: Option<bool>,
}

impl Place {
    /// No function.
    pub fn nameless(name: &str) -> Self {
        Self { name: name.to_owned(), is_entry: None }
    }
}

/// The function with a symbol that `executed` is in, or what takes its place.
pub fn function_of(executed: &Executed, functions: &Functions) -> Place {
    match functions.at(executed.address) {
        _ if !executed.is_kernel() => Place::nameless(PROGRAMS),
        Some(function) => Place { name: function.name.clone(), is_entry: Some(function.start == executed.address) },
        None => Place::nameless(UNNAMED),
    }
}

/// The rows of a window, the largest first. They add up to [`Window::total`].
///
/// # Errors
/// Those of `place`.
pub fn rows(window: &Window, place: impl Fn(&Executed) -> Result<Place>) -> Result<Vec<Row>> {
    let mut rows: HashMap<String, Row> = HashMap::new();
    for executed in &window.executed {
        let Place { name, is_entry } = place(executed)?;
        let row = rows.entry(name).or_insert_with_key(|name| Row { name: name.clone(), instructions: 0, calls: None });
        row.instructions += executed.times;
        if let Some(is_entry) = is_entry {
            row.calls = Some(row.calls.unwrap_or(0) + if is_entry { executed.times } else { 0 });
        }
    }
    let mut rows: Vec<Row> = rows.into_values().collect();
    rows.sort_by(|one, other| other.instructions.cmp(&one.instructions).then_with(|| one.name.cmp(&other.name)));
    Ok(rows)
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
    use super::{INDIRECT, PROGRAMS, Row, UNNAMED, callers, function_of, rows};

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

    fn by_function() -> Vec<Row> {
        let functions = functions();
        rows(&window(), |executed| Ok(function_of(executed, &functions))).unwrap()
    }

    #[test]
    fn every_instruction_is_in_one_row() {
        let rows = by_function();
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
