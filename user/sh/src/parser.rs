//! From tokens to the syntax tree, by recursive descent with one token of look-ahead.
//! Specification: POSIX.1-2024, Shell Command Language, section 2.10.

use crate::ast::{AndOr, Command, Connector, Item, List, Mode, Part, Pipeline, Redirection, Simple, Target, Word};
use crate::lexer::{Context, Lexer, Syntax, SyntaxError, Token};
use crate::word::{continues_name, is_name};

/// Words that are part of the grammar where a command may start.
const RESERVED: &[&str] =
    &["!", "{", "}", "case", "do", "done", "elif", "else", "esac", "fi", "for", "if", "in", "then", "until", "while"];

/// A parser at some position of a source.
pub struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The look-ahead token.
    ahead: Option<Token>,
    /// End of the last token taken.
    taken_to: usize,
}

impl<'a> Parser<'a> {
    /// A parser that starts at byte `position` of `source`.
    pub fn new(source: &'a [u8], position: usize) -> Self {
        Self::inside(source, position, 0)
    }

    /// The same, inside `depth` levels of nesting.
    pub fn inside(source: &'a [u8], position: usize, depth: usize) -> Self {
        Self { lexer: Lexer::new(source, position, depth), ahead: None, taken_to: position }
    }

    /// Where the next unread byte is.
    pub fn position(&self) -> usize {
        self.taken_to
    }

    /// One command of a source that may go on: [`SyntaxError::Incomplete`] also if its last line is continued.
    ///
    /// # Errors
    /// What is wrong with the command, or that it is not all there.
    pub fn command_so_far(&mut self) -> Syntax<Option<List>> {
        let list = self.complete_command()?;
        if self.lexer.is_continued() { Err(SyntaxError::Incomplete("line continuation")) } else { Ok(list) }
    }

    /// The rest of the source as one list.
    pub fn program(&mut self) -> Syntax<List> {
        let list = self.list()?;
        match self.peek()? {
            Token::End => Ok(list),
            token => Err(unexpected(&token)),
        }
    }

    /// The commands of a `$(…)`, with the closing parenthesis.
    pub fn substitution(&mut self) -> Syntax<List> {
        let list = self.list()?;
        self.expect_operator(")", "command substitution")?;
        Ok(list)
    }

    /// One complete command: everything up to the end of a line. `None` at the end of the source.
    /// An empty line is an empty list.
    pub fn complete_command(&mut self) -> Syntax<Option<List>> {
        if self.peek()? == Token::End {
            return Ok(None);
        }
        let mut list = List::default();
        while !matches!(self.peek()?, Token::Newline | Token::End) {
            self.item(&mut list)?;
        }
        if self.peek()? == Token::Newline {
            self.take()?;
        }
        Ok(Some(list))
    }

    pub(crate) fn peek(&mut self) -> Syntax<Token> {
        if let Some(token) = &self.ahead {
            return Ok(token.clone());
        }
        let token = self.lexer.next_token()?;
        self.ahead = Some(token.clone());
        Ok(token)
    }

    pub(crate) fn take(&mut self) -> Syntax<Token> {
        let token = self.peek()?;
        self.taken_to = self.lexer.position;
        self.ahead = None;
        Ok(token)
    }

    pub(crate) fn at_operator(&mut self, operator: &str) -> Syntax<bool> {
        Ok(matches!(self.peek()?, Token::Operator(found) if found == operator))
    }

    pub(crate) fn take_operator(&mut self, operator: &str) -> Syntax<bool> {
        let found = self.at_operator(operator)?;
        if found {
            self.take()?;
        }
        Ok(found)
    }

    pub(crate) fn expect_operator(&mut self, operator: &str, what: &'static str) -> Syntax<()> {
        if self.take_operator(operator)? {
            return Ok(());
        }
        match self.peek()? {
            Token::End => Err(SyntaxError::Incomplete(what)),
            token => Err(unexpected(&token)),
        }
    }

    /// Whether `name` is a word of the grammar.
    pub fn is_reserved(name: &[u8]) -> bool {
        RESERVED.iter().any(|word| word.as_bytes() == name)
    }

    pub(crate) fn reserved(&mut self) -> Syntax<Option<&'static str>> {
        let Token::Word(word) = self.peek()? else {
            return Ok(None);
        };
        Ok(plain_text(&word).and_then(|text| RESERVED.iter().find(|name| name.as_bytes() == text)).copied())
    }

    pub(crate) fn take_reserved(&mut self, name: &str) -> Syntax<bool> {
        let found = self.reserved()? == Some(name);
        if found {
            self.take()?;
        }
        Ok(found)
    }

    pub(crate) fn expect_reserved(&mut self, name: &str, what: &'static str) -> Syntax<()> {
        if self.take_reserved(name)? {
            return Ok(());
        }
        match self.peek()? {
            Token::End => Err(SyntaxError::Incomplete(what)),
            token => Err(unexpected(&token)),
        }
    }

    pub(crate) fn skip_newlines(&mut self) -> Syntax<()> {
        while self.peek()? == Token::Newline {
            self.take()?;
        }
        Ok(())
    }

    /// Runs `parse` one level deeper.
    pub(crate) fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Syntax<T>) -> Syntax<T> {
        self.lexer.descend()?;
        let result = parse(self);
        self.lexer.ascend();
        result
    }

    /// Items up to a token that cannot start one: a closing word or operator, or the end.
    pub(crate) fn list(&mut self) -> Syntax<List> {
        self.nested(|parser| {
            let mut list = List::default();
            loop {
                parser.skip_newlines()?;
                if parser.at_list_end()? {
                    return Ok(list);
                }
                parser.item(&mut list)?;
            }
        })
    }

    /// A list that must not be empty, as the body of a control structure.
    pub(crate) fn body(&mut self) -> Syntax<List> {
        let list = self.list()?;
        if !list.0.is_empty() {
            return Ok(list);
        }
        match self.peek()? {
            Token::End => Err(SyntaxError::Incomplete("command")),
            token => Err(unexpected(&token)),
        }
    }

    fn at_list_end(&mut self) -> Syntax<bool> {
        if let Some(name) = self.reserved()? {
            return Ok(matches!(name, "}" | "do" | "done" | "elif" | "else" | "esac" | "fi" | "then"));
        }
        Ok(matches!(self.peek()?, Token::End | Token::Operator(")" | ";;")))
    }

    /// One and-or list with the separator behind it.
    fn item(&mut self, list: &mut List) -> Syntax<()> {
        let and_or = self.and_or()?;
        let mode = if self.take_operator("&")? {
            Mode::Background
        } else {
            if !self.take_operator(";")? && !self.at_list_end()? && self.peek()? != Token::Newline {
                let token = self.peek()?;
                return Err(unexpected(&token));
            }
            Mode::Foreground
        };
        list.0.push(Item { and_or, mode });
        Ok(())
    }

    fn and_or(&mut self) -> Syntax<AndOr> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            let connector = if self.take_operator("&&")? {
                Connector::And
            } else if self.take_operator("||")? {
                Connector::Or
            } else {
                return Ok(AndOr { first, rest });
            };
            self.skip_newlines()?;
            rest.push((connector, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Syntax<Pipeline> {
        self.peek()?;
        let start = self.taken_to;
        let mut negated = false;
        while self.take_reserved("!")? {
            negated = !negated;
        }
        let mut commands = vec![self.command()?];
        while self.take_operator("|")? {
            self.skip_newlines()?;
            commands.push(self.command()?);
        }
        let text = self.lexer.source[start..self.taken_to].trim_ascii().to_vec();
        Ok(Pipeline { negated, commands, text })
    }

    fn command(&mut self) -> Syntax<Command> {
        match self.reserved()? {
            Some("!") | None => {}
            Some("{" | "if" | "while" | "until" | "for" | "case") => return self.compound(),
            Some(_) => {
                let token = self.peek()?;
                return Err(unexpected(&token));
            }
        }
        if self.at_operator("(")? {
            return self.compound();
        }
        self.simple()
    }

    fn simple(&mut self) -> Syntax<Command> {
        let mut simple = Simple::default();
        loop {
            if let Some(redirection) = self.redirection()? {
                simple.redirections.push(redirection);
                continue;
            }
            let Token::Word(word) = self.peek()? else {
                break;
            };
            self.take()?;
            if simple.words.is_empty() {
                if let Some(assignment) = assignment(&word) {
                    simple.assignments.push(assignment);
                    continue;
                }
                if let Some(name) = plain_text(&word).filter(|text| is_name(text))
                    && simple.assignments.is_empty()
                    && simple.redirections.is_empty()
                    && self.at_operator("(")?
                {
                    return self.function(name.to_vec());
                }
            }
            simple.words.push(word);
        }
        if simple == Simple::default() {
            return match self.peek()? {
                Token::End => Err(SyntaxError::Incomplete("command")),
                token => Err(unexpected(&token)),
            };
        }
        Ok(Command::Simple(simple))
    }

    /// A redirection, if one comes next.
    pub(crate) fn redirection(&mut self) -> Syntax<Option<Redirection>> {
        let explicit = match self.peek()? {
            Token::Descriptor(number) => {
                self.take()?;
                Some(number)
            }
            _ => None,
        };
        let Token::Operator(operator @ ("<" | ">" | ">>" | ">|" | "<>" | "<&" | ">&" | "<<" | "<<-" | "&>" | "&>>")) =
            self.peek()?
        else {
            return Ok(None);
        };
        self.take()?;
        let word = match self.take()? {
            Token::Word(word) => word,
            Token::End => return Err(SyntaxError::Incomplete("redirection")),
            token => return Err(unexpected(&token)),
        };
        let target = match operator {
            "<" => Target::Read(word),
            ">" => Target::Write(word),
            ">|" => Target::Overwrite(word),
            ">>" => Target::Append(word),
            "<>" => Target::ReadWrite(word),
            "<<" | "<<-" => Target::HereDocument(self.lexer.expect_document(&word, operator == "<<-")),
            "&>" => Target::WriteBoth(word),
            "&>>" => Target::AppendBoth(word),
            _ => Target::Duplicate(word),
        };
        let descriptor = explicit.unwrap_or(i32::from(!operator.starts_with('<')));
        Ok(Some(Redirection { descriptor, target }))
    }

    /// Reads the word behind the current token as a word of any spelling.
    pub(crate) fn any_word(&mut self, what: &'static str) -> Syntax<Word> {
        match self.take()? {
            Token::Word(word) => Ok(word),
            Token::End => Err(SyntaxError::Incomplete(what)),
            token => Err(unexpected(&token)),
        }
    }
}

/// The text of a word without quotes or expansions; only such a word can be reserved or a name.
pub fn plain_text(word: &Word) -> Option<&[u8]> {
    match word.0.as_slice() {
        [Part::Literal(text)] => Some(text),
        _ => None,
    }
}

/// Splits `name=value`, if the word has that shape.
pub fn assignment(word: &Word) -> Option<(Vec<u8>, Word)> {
    let Some((Part::Literal(text), rest)) = word.0.split_first() else {
        return None;
    };
    let length = text.iter().take_while(|byte| continues_name(**byte)).count();
    let name = &text[..length];
    if !is_name(name) || text.get(length) != Some(&b'=') {
        return None;
    }
    let mut parts = Vec::new();
    if text.len() > length + 1 {
        parts.push(Part::Literal(text[length + 1..].to_vec()));
    }
    parts.extend_from_slice(rest);
    Some((name.to_vec(), Word(parts)))
}

/// Parses `text` as the contents of a double-quoted string (for prompts).
pub fn prompt_word(text: &[u8]) -> Syntax<Word> {
    Ok(Word(vec![Part::DoubleQuoted(Lexer::new(text, 0, 0).parts(Context::Document)?)]))
}

pub(crate) fn unexpected(token: &Token) -> SyntaxError {
    let text = match token {
        Token::Operator(operator) => format!("\"{operator}\" unexpected"),
        Token::Newline => "newline unexpected".to_owned(),
        Token::End => "end of file unexpected".to_owned(),
        Token::Descriptor(number) => format!("\"{number}\" unexpected"),
        Token::Word(word) => match plain_text(word) {
            Some(text) => format!("\"{}\" unexpected", String::from_utf8_lossy(text)),
            None => "word unexpected".to_owned(),
        },
    };
    SyntaxError::Unexpected(text)
}
