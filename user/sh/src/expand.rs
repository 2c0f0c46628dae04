//! From words to fields: parameters, substitutions, splitting, pathnames, quote removal.
//! Specification: POSIX.1-2024, Shell Command Language, section 2.6. May fork and wait (`$(…)`).

use crate::ast::{Part, Word};
use crate::pathname;
use crate::pattern::{Field, Pattern, Quoting};
use crate::shell::{Run, Shell};
use crate::system;

/// How the text of a part is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Treatment {
    /// Text of the script itself, outside quotes.
    Script,
    /// Text of a value, or of the word in `${x-word}`, outside quotes: subject to splitting.
    Value,
    /// Inside double quotes.
    Quoted,
}

/// Whether values are split into fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Splitting {
    /// By IFS.
    Fields,
    /// Not at all, as in assignments.
    Whole,
}

/// The fields made so far.
struct Expansion {
    splitting: Splitting,
    separators: Vec<u8>,
    done: Vec<Field>,
    current: Option<Field>,
}

impl Expansion {
    fn new(shell: &Shell, splitting: Splitting) -> Self {
        let separators = shell.variables.get(b"IFS").unwrap_or(b" \t\n").to_vec();
        Self { splitting, separators, done: Vec::new(), current: None }
    }

    fn push(&mut self, bytes: &[u8], quoting: Quoting) {
        self.current.get_or_insert_default().push(bytes, quoting);
    }

    fn end_field(&mut self) {
        self.done.extend(self.current.take());
    }

    /// Appends a value, split at the separators.
    fn push_value(&mut self, value: &[u8]) {
        if self.splitting == Splitting::Whole {
            return self.push(value, Quoting::Unquoted);
        }
        let mut after_blank = false;
        for byte in value {
            if !self.separators.contains(byte) {
                after_blank = false;
                self.push(&[*byte], Quoting::Unquoted);
            } else if b" \t\n".contains(byte) {
                after_blank |= self.current.is_some();
                self.end_field();
            } else if after_blank {
                // Blanks and one other separator make a single boundary.
                after_blank = false;
            } else {
                self.done.push(self.current.take().unwrap_or_default());
            }
        }
    }

    fn finish(mut self) -> Vec<Field> {
        self.end_field();
        self.done
    }
}

impl Shell {
    /// Expands words to fields: the arguments of a command.
    pub fn expand_words(&mut self, words: &[Word]) -> Run<Vec<Vec<u8>>> {
        let mut fields = Vec::new();
        for word in words {
            let mut expansion = Expansion::new(self, Splitting::Fields);
            self.expand_parts(&word.0, Treatment::Script, &mut expansion)?;
            for field in expansion.finish() {
                let names = if self.options.no_glob { Vec::new() } else { pathname::matching_names(&field) };
                if names.is_empty() {
                    fields.push(field.bytes);
                } else {
                    fields.extend(names);
                }
            }
        }
        Ok(fields)
    }

    /// Expands a word that stays one field: the value of an assignment, a file to open.
    pub fn expand_whole(&mut self, word: &Word) -> Run<Vec<u8>> {
        Ok(self.expand_field(word)?.bytes)
    }

    /// Expands a word to a pattern.
    pub fn expand_pattern(&mut self, word: &Word) -> Run<Pattern> {
        Ok(Pattern::new(&self.expand_field(word)?))
    }

    fn expand_field(&mut self, word: &Word) -> Run<Field> {
        let mut expansion = Expansion::new(self, Splitting::Whole);
        self.expand_parts(&word.0, Treatment::Script, &mut expansion)?;
        let mut whole = Field::default();
        for (index, field) in expansion.finish().into_iter().enumerate() {
            if index > 0 {
                whole.push(b" ", Quoting::Quoted);
            }
            whole.bytes.extend(field.bytes);
            whole.quoted.extend(field.quoted);
        }
        Ok(whole)
    }

    fn expand_parts(&mut self, parts: &[Part], treatment: Treatment, expansion: &mut Expansion) -> Run {
        for part in parts {
            self.expand_part(part, treatment, expansion)?;
        }
        Ok(())
    }

    fn expand_part(&mut self, part: &Part, treatment: Treatment, expansion: &mut Expansion) -> Run {
        match part {
            Part::Literal(text) => match treatment {
                Treatment::Script => expansion.push(text, Quoting::Unquoted),
                Treatment::Value => expansion.push_value(text),
                Treatment::Quoted => expansion.push(text, Quoting::Quoted),
            },
            Part::Quoted(text) => expansion.push(text, Quoting::Quoted),
            Part::DoubleQuoted(parts) => {
                if parts.is_empty() {
                    expansion.push(b"", Quoting::Quoted);
                }
                self.expand_parts(parts, Treatment::Quoted, expansion)?;
            }
            Part::Tilde(user) => {
                let home = if user.is_empty() {
                    self.variables.get(b"HOME").map(<[u8]>::to_vec)
                } else {
                    system::home_of(user)
                };
                match home {
                    Some(home) => expansion.push(&home, Quoting::Quoted),
                    None => expansion.push(&[b"~", user.as_slice()].concat(), Quoting::Quoted),
                }
            }
            Part::Command(list) => {
                let output = self.substitute(list)?;
                push_result(expansion, treatment, &output);
            }
            Part::Arithmetic(word) => {
                let expression = self.expand_whole(word)?;
                let value = crate::arithmetic::evaluate(&expression, &mut self.variables);
                match value {
                    Ok(value) => push_result(expansion, treatment, value.to_string().as_bytes()),
                    Err(message) => return self.fatal(&message),
                }
            }
            Part::Parameter(parameter) => match self.parameter(parameter)? {
                Value::Text(text) => push_result(expansion, treatment, &text),
                Value::Joined(text) if treatment == Treatment::Quoted || expansion.splitting == Splitting::Whole => {
                    push_result(expansion, treatment, &text);
                }
                Value::Each | Value::Joined(_) => self.push_each(treatment, expansion),
                Value::Word(word) => {
                    let inner = if treatment == Treatment::Quoted { Treatment::Quoted } else { Treatment::Value };
                    // An empty word inside quotes is an empty field all the same.
                    if inner == Treatment::Quoted {
                        expansion.push(b"", Quoting::Quoted);
                    }
                    self.expand_parts(&word.0, inner, expansion)?;
                }
            },
        }
        Ok(())
    }

    /// `$@` everywhere, and `$*` outside quotes: every argument begins a field of its own.
    fn push_each(&self, treatment: Treatment, expansion: &mut Expansion) {
        for (index, argument) in self.positional.iter().enumerate() {
            if index > 0 {
                expansion.end_field();
            }
            push_result(expansion, treatment, argument);
        }
    }
}

fn push_result(expansion: &mut Expansion, treatment: Treatment, value: &[u8]) {
    if treatment == Treatment::Quoted {
        expansion.push(value, Quoting::Quoted);
    } else {
        expansion.push_value(value);
    }
}

/// What a parameter expansion yields.
pub enum Value {
    /// One text.
    Text(Vec<u8>),
    /// All positional parameters, each a field.
    Each,
    /// The same, but inside quotes the one text given here.
    Joined(Vec<u8>),
    /// The word of the modifier, still to be expanded.
    Word(Word),
}
