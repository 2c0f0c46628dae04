//! Words: quoting and the `$` forms. The half of the lexer that calls back into the parser.
//! Specification: POSIX.1-2024, Shell Command Language, sections 2.2, 2.6 and 2.6.1 to 2.6.4.

use crate::ast::{Extent, Missing, Operation, Parameter, Part, Word};
use crate::lexer::{Context, Lexer, Syntax, SyntaxError};
use crate::parser::Parser;
use std::rc::Rc;

/// Whether `byte` may start a variable name.
pub fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

/// Whether `byte` may go on a variable name.
pub fn continues_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether `text` is a variable name.
pub fn is_name(text: &[u8]) -> bool {
    text.first().is_some_and(|byte| starts_name(*byte)) && text.iter().all(|byte| continues_name(*byte))
}

/// Appends a literal byte, keeping neighbouring literals in one part.
fn push_literal(parts: &mut Vec<Part>, byte: u8) {
    match parts.last_mut() {
        Some(Part::Literal(text)) => text.push(byte),
        _ => parts.push(Part::Literal(vec![byte])),
    }
}

impl Lexer<'_> {
    /// Reads one word in `context`, without the byte that ends it.
    pub fn word(&mut self, context: Context) -> Syntax<Word> {
        Ok(Word(self.parts(context)?))
    }

    /// Reads parts up to the end of the context.
    pub fn parts(&mut self, context: Context) -> Syntax<Vec<Part>> {
        self.descend()?;
        let mut parts = Vec::new();
        if matches!(context, Context::Bare | Context::Braces) {
            self.tilde(&mut parts);
        }
        let mut depth = 0_usize;
        while let Some(byte) = self.peek_byte(0) {
            if depth == 0 && ends(context, byte) {
                break;
            }
            match byte {
                b'(' if context == Context::Arithmetic => depth += 1,
                b')' if context == Context::Arithmetic => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.part(context, byte, &mut parts)?;
        }
        self.ascend();
        Ok(parts)
    }

    fn part(&mut self, context: Context, byte: u8, parts: &mut Vec<Part>) -> Syntax<()> {
        let bare = matches!(context, Context::Bare | Context::Braces);
        match byte {
            b'\\' => self.backslash(context, parts),
            b'\'' if bare => {
                let text = self.until(b'\'')?;
                parts.push(Part::Quoted(text));
            }
            b'"' if bare || context == Context::QuotedBraces => {
                self.position += 1;
                let inner = self.parts(Context::DoubleQuotes)?;
                self.close(b'"', "double quote")?;
                parts.push(Part::DoubleQuoted(inner));
            }
            b'$' => return self.dollar(context, parts),
            b'`' => parts.push(self.backticks(context)?),
            _ => {
                self.position += 1;
                push_literal(parts, byte);
                // In an assignment's value every colon and the equals sign may precede a tilde.
                if context == Context::Bare && (byte == b'=' || byte == b':') && is_assignment_so_far(parts) {
                    self.tilde(parts);
                }
            }
        }
        Ok(())
    }

    fn backslash(&mut self, context: Context, parts: &mut Vec<Part>) {
        let next = self.peek_byte(1);
        let special = match context {
            Context::Bare | Context::Braces => true,
            Context::DoubleQuotes => matches!(next, Some(b'$' | b'`' | b'"' | b'\\')),
            Context::QuotedBraces => matches!(next, Some(b'$' | b'`' | b'"' | b'\\' | b'}')),
            Context::Document | Context::Arithmetic => matches!(next, Some(b'$' | b'`' | b'\\')),
        };
        match next {
            Some(b'\n') => self.join_lines(),
            Some(byte) if special => {
                self.position += 2;
                parts.push(Part::Quoted(vec![byte]));
            }
            _ => {
                self.position += 1;
                parts.push(Part::Quoted(vec![b'\\']));
            }
        }
    }

    /// The text between two `end` bytes; the position is at the first.
    fn until(&mut self, end: u8) -> Syntax<Vec<u8>> {
        let start = self.position + 1;
        let Some(length) = self.source[start..].iter().position(|byte| *byte == end) else {
            return Err(SyntaxError::Incomplete("quoted string"));
        };
        self.position = start + length + 1;
        Ok(self.source[start..start + length].to_vec())
    }

    fn close(&mut self, end: u8, what: &'static str) -> Syntax<()> {
        match self.peek_byte(0) {
            Some(byte) if byte == end => {
                self.position += 1;
                Ok(())
            }
            Some(byte) => {
                Err(SyntaxError::Unexpected(format!("unexpected `{}' before the end of a {what}", byte.escape_ascii())))
            }
            None => Err(SyntaxError::Incomplete(what)),
        }
    }

    fn tilde(&mut self, parts: &mut Vec<Part>) {
        if self.peek_byte(0) != Some(b'~') {
            return;
        }
        let rest = &self.source[self.position + 1..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte)).count();
        let ends_here = rest.get(length).is_none_or(|byte| b"/: \t\n;&|<>()}".contains(byte));
        if ends_here {
            parts.push(Part::Tilde(rest[..length].to_vec()));
            self.position += 1 + length;
        }
    }

    fn dollar(&mut self, context: Context, parts: &mut Vec<Part>) -> Syntax<()> {
        match self.peek_byte(1) {
            Some(b'(') if self.peek_byte(2) == Some(b'(') => parts.push(self.arithmetic_or_command()?),
            Some(b'(') => {
                self.position += 2;
                parts.push(self.command_substitution()?);
            }
            Some(b'{') => {
                self.position += 2;
                parts.push(Part::Parameter(Box::new(self.braced(context)?)));
            }
            Some(byte) if starts_name(byte) => {
                self.position += 1;
                let name = self.name();
                parts.push(simple_parameter(name));
            }
            Some(byte) if byte.is_ascii_digit() || b"@*#?-$!".contains(&byte) => {
                self.position += 2;
                parts.push(simple_parameter(vec![byte]));
            }
            _ => {
                self.position += 1;
                parts.push(Part::Quoted(vec![b'$']));
            }
        }
        Ok(())
    }

    fn name(&mut self) -> Vec<u8> {
        let rest = &self.source[self.position..];
        let length = rest.iter().take_while(|byte| continues_name(**byte)).count();
        self.position += length;
        rest[..length].to_vec()
    }

    /// `$((`: an expression when it closes with `))`, otherwise a command substitution that starts
    /// with a subshell.
    fn arithmetic_or_command(&mut self) -> Syntax<Part> {
        let start = self.position;
        self.position += 3;
        let expression = self.word(Context::Arithmetic)?;
        if self.looking_at("))") {
            self.position += 2;
            return Ok(Part::Arithmetic(expression));
        }
        if self.peek_byte(0).is_none() || (self.peek_byte(0) == Some(b')') && self.peek_byte(1).is_none()) {
            return Err(SyntaxError::Incomplete("arithmetic expansion"));
        }
        self.position = start + 2;
        self.command_substitution()
    }

    /// The commands up to the closing parenthesis; the position is behind the opening one.
    fn command_substitution(&mut self) -> Syntax<Part> {
        let mut parser = Parser::inside(self.source, self.position, self.depth());
        let list = parser.substitution()?;
        self.position = parser.position();
        Ok(Part::Command(Rc::new(list)))
    }

    fn backticks(&mut self, context: Context) -> Syntax<Part> {
        self.position += 1;
        let mut text = Vec::new();
        loop {
            match (self.peek_byte(0), self.peek_byte(1)) {
                (None, _) => return Err(SyntaxError::Incomplete("backquote")),
                (Some(b'`'), _) => break,
                (Some(b'\\'), Some(byte)) => {
                    let quoted = context == Context::DoubleQuotes && byte == b'"';
                    if !(b"$`\\".contains(&byte) || quoted) {
                        text.push(b'\\');
                    }
                    text.push(byte);
                    self.position += 2;
                }
                (Some(byte), _) => {
                    text.push(byte);
                    self.position += 1;
                }
            }
        }
        self.position += 1;
        // Inside the quotes the text is whole, so what is missing there stays missing.
        let list = Parser::inside(&text, 0, self.depth()).program().map_err(|error| match error {
            SyntaxError::Incomplete(what) => SyntaxError::Unexpected(format!("unterminated {what} in backquotes")),
            error @ SyntaxError::Unexpected(_) => error,
        })?;
        Ok(Part::Command(Rc::new(list)))
    }

    /// `${…}`: the position is behind the opening brace.
    fn braced(&mut self, context: Context) -> Syntax<Parameter> {
        let quoted = matches!(context, Context::DoubleQuotes | Context::Document | Context::QuotedBraces);
        if self.peek_byte(0) == Some(b'#')
            && !matches!(self.peek_byte(1), Some(b'}' | b':' | b'-' | b'=' | b'?' | b'+' | b'%'))
        {
            self.position += 1;
            let name = self.parameter_name()?;
            self.close(b'}', "parameter expansion")?;
            return Ok(Parameter { name, operation: Operation::Length });
        }
        let name = self.parameter_name()?;
        let operation = self.operation(quoted)?;
        self.close(b'}', "parameter expansion")?;
        Ok(Parameter { name, operation })
    }

    fn parameter_name(&mut self) -> Syntax<Vec<u8>> {
        match self.peek_byte(0) {
            None => Err(SyntaxError::Incomplete("parameter expansion")),
            Some(byte) if starts_name(byte) => Ok(self.name()),
            Some(byte) if byte.is_ascii_digit() => {
                let rest = &self.source[self.position..];
                let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                self.position += length;
                Ok(rest[..length].to_vec())
            }
            Some(byte) if b"@*#?-$!".contains(&byte) => {
                self.position += 1;
                Ok(vec![byte])
            }
            Some(_) => Err(SyntaxError::Unexpected("bad substitution".to_owned())),
        }
    }

    fn operation(&mut self, quoted: bool) -> Syntax<Operation> {
        let Some(first) = self.peek_byte(0) else {
            return Err(SyntaxError::Incomplete("parameter expansion"));
        };
        if first == b'}' {
            return Ok(Operation::Value);
        }
        self.position += 1;
        if first == b'#' || first == b'%' {
            let extent = if self.peek_byte(0) == Some(first) {
                self.position += 1;
                Extent::Longest
            } else {
                Extent::Shortest
            };
            // Quotes around the expansion do not quote the pattern in it.
            let pattern = self.word(Context::Braces)?;
            return Ok(if first == b'#' {
                Operation::TrimPrefix(extent, pattern)
            } else {
                Operation::TrimSuffix(extent, pattern)
            });
        }
        let (missing, kind) = if first == b':' {
            let kind = self.peek_byte(0).ok_or(SyntaxError::Incomplete("parameter expansion"))?;
            self.position += 1;
            (Missing::UnsetOrEmpty, kind)
        } else {
            (Missing::Unset, first)
        };
        let make = match kind {
            b'-' => Operation::Default,
            b'=' => Operation::Assign,
            b'?' => Operation::Complain,
            b'+' => Operation::Alternative,
            _ => return Err(SyntaxError::Unexpected("bad substitution".to_owned())),
        };
        let word = self.word(if quoted { Context::QuotedBraces } else { Context::Braces })?;
        Ok(make(missing, word))
    }
}

fn simple_parameter(name: Vec<u8>) -> Part {
    Part::Parameter(Box::new(Parameter { name, operation: Operation::Value }))
}

/// Whether `parts` begins with `name=`, so that it is (or may become) an assignment.
fn is_assignment_so_far(parts: &[Part]) -> bool {
    let Some(Part::Literal(text)) = parts.first() else {
        return false;
    };
    text.iter().position(|byte| *byte == b'=').is_some_and(|length| is_name(&text[..length]))
}

fn ends(context: Context, byte: u8) -> bool {
    match context {
        Context::Bare => b" \t\n;&|<>()".contains(&byte),
        Context::DoubleQuotes => byte == b'"',
        Context::Document => false,
        Context::Braces | Context::QuotedBraces => byte == b'}',
        Context::Arithmetic => byte == b')',
    }
}
