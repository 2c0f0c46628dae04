//! Parameter expansion: values of parameters and the modifiers in `${…}`.
//! Specification: POSIX.1-2024, Shell Command Language, sections 2.5 and 2.6.2.

use crate::arithmetic::Names;
use crate::ast::{Extent, Missing, Operation, Parameter};
use crate::expand::Value;
use crate::pattern::Pattern;
use crate::shell::{Run, Shell};
use crate::variables::Variables;
use crate::word::is_name;

impl Names for Variables {
    fn value(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.get(name).map(<[u8]>::to_vec)
    }

    fn assign(&mut self, name: &[u8], value: i64) -> Result<(), String> {
        self.set(name, value.to_string().as_bytes())
    }
}

impl Shell {
    /// Expands one parameter with its modifier.
    pub fn parameter(&mut self, parameter: &Parameter) -> Run<Value> {
        let name = parameter.name.as_slice();
        let value = self.value_of(name);
        match &parameter.operation {
            Operation::Value => match value {
                _ if name == b"@" => Ok(Value::Each),
                value if name == b"*" => Ok(Value::Joined(value.unwrap_or_default())),
                Some(value) => Ok(Value::Text(value)),
                None => self.missing(name),
            },
            Operation::Length if name == b"@" || name == b"*" => {
                Ok(Value::Text(self.positional.len().to_string().into_bytes()))
            }
            Operation::Length => match value {
                Some(value) => {
                    Ok(Value::Text(String::from_utf8_lossy(&value).chars().count().to_string().into_bytes()))
                }
                None => self.missing(name).map(|_| Value::Text(b"0".to_vec())),
            },
            Operation::Default(missing, word) => Ok(match present(value, *missing) {
                Some(_) if name == b"@" => Value::Each,
                Some(value) => Value::Text(value),
                None => Value::Word(word.clone()),
            }),
            Operation::Assign(missing, word) => match present(value, *missing) {
                Some(value) => Ok(Value::Text(value)),
                None => {
                    let value = self.expand_whole(word)?;
                    self.assign_parameter(name, &value)?;
                    Ok(Value::Text(value))
                }
            },
            Operation::Complain(missing, word) => match present(value, *missing) {
                Some(value) => Ok(Value::Text(value)),
                None => {
                    let text = self.expand_whole(word)?;
                    let text = if text.is_empty() { b"parameter not set".to_vec() } else { text };
                    self.fatal(&format!("{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(&text)))
                }
            },
            Operation::Alternative(missing, word) => Ok(match present(value, *missing) {
                Some(_) => Value::Word(word.clone()),
                None => Value::Text(Vec::new()),
            }),
            Operation::TrimPrefix(extent, word) => {
                let pattern = self.expand_pattern(word)?;
                Ok(Value::Text(trim_prefix(&value.unwrap_or_default(), &pattern, *extent)))
            }
            Operation::TrimSuffix(extent, word) => {
                let pattern = self.expand_pattern(word)?;
                Ok(Value::Text(trim_suffix(&value.unwrap_or_default(), &pattern, *extent)))
            }
        }
    }

    fn missing(&mut self, name: &[u8]) -> Run<Value> {
        if self.options.refuse_unset {
            return self.fatal(&format!("{}: parameter not set", String::from_utf8_lossy(name)));
        }
        Ok(Value::Text(Vec::new()))
    }

    fn assign_parameter(&mut self, name: &[u8], value: &[u8]) -> Run {
        if !is_name(name) {
            return self.fatal(&format!("{}: bad variable name", String::from_utf8_lossy(name)));
        }
        self.assign(name, value)
    }

    /// Sets a variable; a read-only one ends the script.
    pub fn assign(&mut self, name: &[u8], value: &[u8]) -> Run {
        match self.variables.set(name, value) {
            Ok(()) => {
                if self.options.export_all {
                    self.variables.export(name);
                }
                Ok(())
            }
            Err(message) => self.fatal(&message),
        }
    }

    /// The current value of a parameter, `None` if unset.
    pub fn value_of(&self, name: &[u8]) -> Option<Vec<u8>> {
        match name {
            b"?" => Some(self.status.to_string().into_bytes()),
            b"$" => Some(self.process_id.to_string().into_bytes()),
            b"!" => Some(self.last_background?.to_string().into_bytes()),
            b"#" => Some(self.positional.len().to_string().into_bytes()),
            b"0" => Some(self.name.clone()),
            b"-" => Some(self.option_letters()),
            b"@" | b"*" if self.positional.is_empty() => None,
            b"@" | b"*" => {
                let separators = self.variables.get(b"IFS").unwrap_or(b" ");
                Some(self.positional.join(separators.get(..1).unwrap_or_default()))
            }
            _ if name[0].is_ascii_digit() => {
                let index: usize = str::from_utf8(name).ok()?.parse().ok()?;
                self.positional.get(index.checked_sub(1)?).cloned()
            }
            _ => self.variables.get(name).map(<[u8]>::to_vec),
        }
    }
}

fn present(value: Option<Vec<u8>>, missing: Missing) -> Option<Vec<u8>> {
    value.filter(|value| missing == Missing::Unset || !value.is_empty())
}

fn trim_prefix(value: &[u8], pattern: &Pattern, extent: Extent) -> Vec<u8> {
    let fits = |length: &usize| pattern.matches(&value[..*length]);
    let length = match extent {
        Extent::Shortest => (0..=value.len()).find(fits),
        Extent::Longest => (0..=value.len()).rev().find(fits),
    };
    value[length.unwrap_or(0)..].to_vec()
}

fn trim_suffix(value: &[u8], pattern: &Pattern, extent: Extent) -> Vec<u8> {
    let fits = |start: &usize| pattern.matches(&value[*start..]);
    let start = match extent {
        Extent::Shortest => (0..=value.len()).rev().find(fits),
        Extent::Longest => (0..=value.len()).find(fits),
    };
    value[..start.unwrap_or(value.len())].to_vec()
}
