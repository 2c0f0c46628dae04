//! Parameters of modules: what one may be, and how text becomes a checked value.
//!
//! Owns nothing; no locks, never sleeps. A module states its parameters as constants; the values of one loaded module are a
//! [`Values`]. The syntax of a value is Linux's (kernel/params.c): numbers as kstrtouint has them, `y`, `n`, `1`, `0`, `on` and
//! `off` for yes and no. Stricter than Linux in one thing: a parameter that the module does not have is an error.

#[cfg(test)]
mod tests;

use crate::command_line::{CommandLine, same_key};
use crate::number::parse_unsigned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Which numbers a parameter takes, besides lying within its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// All.
    Any,
    /// Powers of two.
    PowerOfTwo,
}

/// What a parameter may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Yes or no.
    Bool,
    /// A number, both bounds included. Text may end in `K` or `M`: times 2^10, 2^20.
    Number {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
        /// Which of those between.
        step: Step,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// A value of some kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of [`Kind::Bool`].
    Bool(bool),
    /// Of [`Kind::Number`].
    Number(u64),
    /// Of [`Kind::Choice`]: which of the words.
    Choice(usize),
}

/// When a parameter may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// When the module is loaded (sysfs shows it with mode 0444).
    AtLoad,
    /// Also while it is loaded (mode 0644).
    Live,
}

/// One parameter of a module.
#[derive(Debug)]
pub struct Parameter {
    /// Its name. A dash in text stands for an underscore here.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What it is unless somebody says otherwise; of the same kind.
    pub default: Value,
    /// When it may be set.
    pub change: Change,
    /// For people, one line.
    pub description: &'static str,
}

/// Why text is not a set of parameters. `Display` is the sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterError {
    /// The module has no such parameter.
    Unknown(String),
    /// The value is not one that this parameter takes.
    Bad {
        /// The parameter.
        name: &'static str,
        /// What was to become its value; `None` if there was none.
        text: Option<String>,
        /// What it takes.
        kind: Kind,
    },
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "unknown parameter {name}"),
            Self::Bad { name, text: Some(text), kind } => write!(f, "parameter {name}={text}: must be {kind}"),
            Self::Bad { name, text: None, kind } => write!(f, "parameter {name} without a value: must be {kind}"),
        }
    }
}

/// What values there are: `a power of two from 1 to 1024`.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("one of y, n, 1, 0, on, off"),
            Self::Number { min, max, step: Step::Any } => write!(f, "a number from {min} to {max}"),
            Self::Number { min, max, step: Step::PowerOfTwo } => write!(f, "a power of two from {min} to {max}"),
            Self::Choice(words) => {
                f.write_str("one of ")?;
                for (index, word) in words.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{word}")?;
                }
                Ok(())
            }
        }
    }
}

impl Kind {
    /// The name of the type, as modinfo has it.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Number { .. } => "ulong",
            Self::Choice(_) => "charp",
        }
    }

    fn parse(&self, text: &str) -> Option<Value> {
        match *self {
            Self::Bool => match text {
                "y" | "Y" | "1" | "on" => Some(Value::Bool(true)),
                "n" | "N" | "0" | "off" => Some(Value::Bool(false)),
                _ => None,
            },
            Self::Number { min, max, step } => {
                let number = parse_number(text).filter(|number| (min..=max).contains(number))?;
                let fits = step == Step::Any || number.is_power_of_two();
                fits.then_some(Value::Number(number))
            }
            Self::Choice(words) => words.iter().position(|word| *word == text).map(Value::Choice),
        }
    }
}

/// Decimal, `0x` hexadecimal or `0` octal, perhaps in Ki or Mi.
fn parse_number(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'K' | b'k' => (&text[..text.len() - 1], 10),
        b'M' | b'm' => (&text[..text.len() - 1], 20),
        _ => (text, 0),
    };
    let number = parse_unsigned(digits.as_bytes()).ok()?;
    number.checked_mul(1 << shift)
}

impl Parameter {
    /// A parameter that is set when the module is loaded, and a number from `min` to `max`.
    #[must_use]
    pub const fn number(name: &'static str, default: u64, [min, max]: [u64; 2], description: &'static str) -> Self {
        let kind = Kind::Number { min, max, step: Step::Any };
        Self { name, kind, default: Value::Number(default), change: Change::AtLoad, description }
    }

    /// The same, and a power of two.
    #[must_use]
    pub const fn power_of_two(
        name: &'static str,
        default: u64,
        [min, max]: [u64; 2],
        description: &'static str,
    ) -> Self {
        let kind = Kind::Number { min, max, step: Step::PowerOfTwo };
        Self { name, kind, default: Value::Number(default), change: Change::AtLoad, description }
    }

    /// A parameter that is set when the module is loaded, yes or no.
    #[must_use]
    pub const fn flag(name: &'static str, default: bool, description: &'static str) -> Self {
        Self { name, kind: Kind::Bool, default: Value::Bool(default), change: Change::AtLoad, description }
    }

    /// A parameter that is set when the module is loaded, one of `words`, the first if nobody says otherwise.
    #[must_use]
    pub const fn choice(name: &'static str, words: &'static [&'static str], description: &'static str) -> Self {
        Self { name, kind: Kind::Choice(words), default: Value::Choice(0), change: Change::AtLoad, description }
    }

    /// The same parameter, which may also be set while the module is loaded.
    #[must_use]
    pub const fn live(mut self) -> Self {
        self.change = Change::Live;
        self
    }

    /// The value that `text` says; a newline at its end does not count. No text says yes.
    ///
    /// # Errors
    /// [`ParameterError::Bad`].
    pub fn parse(&self, text: Option<&str>) -> Result<Value, ParameterError> {
        let parsed = match text {
            Some(text) => self.kind.parse(text.trim_end_matches('\n')),
            None if self.kind == Kind::Bool => Some(Value::Bool(true)),
            None => None,
        };
        parsed.ok_or_else(|| ParameterError::Bad { name: self.name, text: text.map(shortened), kind: self.kind })
    }

    /// A value of it as sysfs shows it.
    #[must_use]
    pub fn text(&self, value: Value) -> String {
        match (value, self.kind) {
            (Value::Bool(yes), _) => String::from(if yes { "Y" } else { "N" }),
            (Value::Number(number), _) => alloc::format!("{number}"),
            (Value::Choice(index), Kind::Choice(words)) => words.get(index).copied().unwrap_or_default().into(),
            (Value::Choice(index), _) => alloc::format!("{index}"),
        }
    }
}

/// What somebody wrote, short enough for a line of the log.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 40;
    text.trim_end_matches('\n').chars().take(LONGEST).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The values of a module's parameters.
#[derive(Clone, Debug)]
pub struct Values {
    parameters: &'static [&'static Parameter],
    values: Vec<Value>,
    /// Whether somebody has said so, in the order of the parameters.
    given: Vec<bool>,
}

impl Values {
    /// The defaults.
    #[must_use]
    pub fn defaults(parameters: &'static [&'static Parameter]) -> Self {
        let values = parameters.iter().map(|parameter| parameter.default).collect();
        Self { parameters, values, given: alloc::vec![false; parameters.len()] }
    }

    /// Takes what `text` says: words `name=value`, separated by blanks, with double quotes around words that have some. Of two
    /// words for one parameter the last one counts.
    ///
    /// # Errors
    /// The first thing that is wrong with it; then some values may have been taken.
    pub fn apply(&mut self, text: &str) -> Result<(), ParameterError> {
        for word in CommandLine::new(text).parameters() {
            self.set_text(word.key, word.value)?;
        }
        Ok(())
    }

    /// Takes what a kernel command line says of the module called `module`: words `module.name=value`.
    ///
    /// # Errors
    /// As [`Values::apply`].
    pub fn apply_boot(&mut self, module: &str, line: &CommandLine<'_>) -> Result<(), ParameterError> {
        for word in line.parameters() {
            if let Some((owner, name)) = word.key.split_once('.')
                && same_key(owner, module)
            {
                self.set_text(name, word.value)?;
            }
        }
        Ok(())
    }

    fn set_text(&mut self, name: &str, text: Option<&str>) -> Result<(), ParameterError> {
        let index = self.parameters.iter().position(|parameter| same_key(parameter.name, name));
        let index = index.ok_or_else(|| ParameterError::Unknown(shortened(name)))?;
        self.values[index] = self.parameters[index].parse(text)?;
        self.given[index] = true;
        Ok(())
    }

    /// Replaces the value of `parameter`.
    pub fn set(&mut self, parameter: &Parameter, value: Value) {
        if let Some(index) = self.index(parameter) {
            self.values[index] = value;
            self.given[index] = true;
        }
    }

    /// Whether somebody has given `parameter` a value: its default is nobody's wish.
    #[must_use]
    pub fn is_given(&self, parameter: &Parameter) -> bool {
        self.index(parameter).is_some_and(|index| self.given[index])
    }

    fn index(&self, parameter: &Parameter) -> Option<usize> {
        self.parameters.iter().position(|known| known.name == parameter.name)
    }

    /// The value of `parameter`; its default if it is some other module's.
    #[must_use]
    pub fn get(&self, parameter: &Parameter) -> Value {
        self.index(parameter).map_or(parameter.default, |index| self.values[index])
    }

    /// The value of a number.
    #[must_use]
    pub fn number(&self, parameter: &Parameter) -> u64 {
        if let Value::Number(number) = self.get(parameter) { number } else { 0 }
    }

    /// The value of a yes or no.
    #[must_use]
    pub fn flag(&self, parameter: &Parameter) -> bool {
        self.get(parameter) == Value::Bool(true)
    }

    /// Which word a choice is.
    #[must_use]
    pub fn choice(&self, parameter: &Parameter) -> usize {
        if let Value::Choice(index) = self.get(parameter) { index } else { 0 }
    }
}
