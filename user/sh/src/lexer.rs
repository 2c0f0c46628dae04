//! From bytes to tokens: operators, words with their quoting, here-documents. Owns the position in
//! the source. Works on demand, because `$(…)` needs the parser in the middle of a word.
//! Specification: POSIX.1-2024, Shell Command Language, sections 2.2 and 2.3.

use crate::ast::{Part, Word};
use std::cell::OnceCell;
use std::rc::Rc;

/// Why a piece of source could not be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyntaxError {
    /// The text ends too early; more lines may complete it.
    Incomplete(&'static str),
    /// Wrong however it goes on.
    Unexpected(String),
}

/// A result that may be a syntax error.
pub type Syntax<T> = Result<T, SyntaxError>;

/// A token of the grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A word; reserved words are told apart by the parser.
    Word(Word),
    /// A control or redirection operator.
    Operator(&'static str),
    /// Digits right before `<` or `>`.
    Descriptor(i32),
    /// End of a line.
    Newline,
    /// End of the source.
    End,
}

/// Longest first, so that the first match is the right one.
const OPERATORS: &[&str] =
    &["&>>", "<<-", "&&", "||", ";;", "<<", ">>", "<&", ">&", "<>", ">|", "&>", "&", "|", ";", "(", ")", "<", ">"];

/// A here-document whose body has yet to come.
struct PendingDocument {
    delimiter: Vec<u8>,
    literal: bool,
    strip_tabs: bool,
    body: Rc<OnceCell<Word>>,
}

/// Where a word part is being read: it decides which characters are special.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// Ordinary word.
    Bare,
    /// Between double quotes.
    DoubleQuotes,
    /// Body of a here-document: `"` is ordinary.
    Document,
    /// The word inside `${x-word}` outside quotes: ends at `}`.
    Braces,
    /// The same inside double quotes.
    QuotedBraces,
    /// The expression in `$((…))`.
    Arithmetic,
}

/// The source and the position in it.
pub struct Lexer<'a> {
    pub(crate) source: &'a [u8],
    pub(crate) position: usize,
    pending: Vec<PendingDocument>,
    depth: usize,
    continued: bool,
}

/// Nesting beyond this is refused, so that hostile input cannot exhaust the stack.
const DEPTH_MAX: usize = 200;

impl<'a> Lexer<'a> {
    /// A lexer at byte `position` of `source`, inside `depth` levels of nesting.
    pub fn new(source: &'a [u8], position: usize, depth: usize) -> Self {
        Self { source, position, pending: Vec::new(), depth, continued: false }
    }

    /// How many levels of nesting are around the position.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Whether the source ends with a line that a backslash continues, outside of quotes and comments.
    pub fn is_continued(&self) -> bool {
        self.continued
    }

    /// Steps over a backslash and the newline behind it.
    pub(crate) fn join_lines(&mut self) {
        self.position += 2;
        self.continued |= self.position == self.source.len();
    }

    /// Goes one level deeper.
    ///
    /// # Errors
    /// When the levels are too many.
    pub fn descend(&mut self) -> Syntax<()> {
        if self.depth == DEPTH_MAX {
            return Err(SyntaxError::Unexpected("nested too deeply".to_owned()));
        }
        self.depth += 1;
        Ok(())
    }

    /// Comes back from [`descend`](Self::descend).
    pub fn ascend(&mut self) {
        self.depth -= 1;
    }

    /// The byte `ahead` of the position.
    pub fn peek_byte(&self, ahead: usize) -> Option<u8> {
        self.source.get(self.position + ahead).copied()
    }

    /// Whether `text` comes next.
    pub fn looking_at(&self, text: &str) -> bool {
        self.source[self.position..].starts_with(text.as_bytes())
    }

    fn skip_blanks(&mut self) {
        loop {
            match self.peek_byte(0) {
                Some(b' ' | b'\t') => self.position += 1,
                Some(b'\\') if self.peek_byte(1) == Some(b'\n') => self.join_lines(),
                Some(b'#') => {
                    while self.peek_byte(0).is_some_and(|byte| byte != b'\n') {
                        self.position += 1;
                    }
                }
                _ => return,
            }
        }
    }

    /// Reads the next token. After a newline the bodies of pending here-documents are read too.
    pub fn next_token(&mut self) -> Syntax<Token> {
        self.skip_blanks();
        let Some(byte) = self.peek_byte(0) else {
            return if self.pending.is_empty() {
                Ok(Token::End)
            } else {
                Err(SyntaxError::Incomplete("here-document"))
            };
        };
        if byte == b'\n' {
            self.position += 1;
            self.read_documents()?;
            return Ok(Token::Newline);
        }
        if let Some(descriptor) = self.descriptor() {
            return Ok(Token::Descriptor(descriptor));
        }
        if let Some(operator) = OPERATORS.iter().find(|operator| self.looking_at(operator)) {
            self.position += operator.len();
            return Ok(Token::Operator(operator));
        }
        self.word(Context::Bare).map(Token::Word)
    }

    fn descriptor(&mut self) -> Option<i32> {
        let rest = &self.source[self.position..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 || !matches!(rest.get(length), Some(b'<' | b'>')) {
            return None;
        }
        let number = str::from_utf8(&rest[..length]).ok()?.parse().ok()?;
        self.position += length;
        Some(number)
    }

    /// Takes note of a here-document; `end` is its delimiter as written.
    pub fn expect_document(&mut self, end: &Word, strip_tabs: bool) -> Rc<OnceCell<Word>> {
        let body = Rc::new(OnceCell::new());
        let (delimiter, literal) = delimiter_text(end);
        self.pending.push(PendingDocument { delimiter, literal, strip_tabs, body: Rc::clone(&body) });
        body
    }

    fn read_documents(&mut self) -> Syntax<()> {
        for document in std::mem::take(&mut self.pending) {
            let text = self.document_text(&document)?;
            let word = if document.literal {
                Word(vec![Part::Quoted(text)])
            } else {
                let mut inner = Lexer::new(&text, 0, self.depth);
                Word(vec![Part::DoubleQuoted(inner.parts(Context::Document)?)])
            };
            // The cell was made for this document and is filled here only.
            let _ = document.body.set(word);
        }
        Ok(())
    }

    fn document_text(&mut self, document: &PendingDocument) -> Syntax<Vec<u8>> {
        let mut text = Vec::new();
        loop {
            let rest = &self.source[self.position..];
            if rest.is_empty() {
                return Err(SyntaxError::Incomplete("here-document"));
            }
            let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let mut line = &rest[..length];
            self.position += (length + 1).min(rest.len());
            if document.strip_tabs {
                line = &line[line.iter().take_while(|byte| **byte == b'\t').count()..];
            }
            if line == document.delimiter {
                return Ok(text);
            }
            text.extend_from_slice(line);
            text.push(b'\n');
        }
    }
}

/// The text of a here-document's delimiter, and whether any of it was quoted.
fn delimiter_text(word: &Word) -> (Vec<u8>, bool) {
    let mut text = Vec::new();
    let mut literal = false;
    for part in &word.0 {
        match part {
            Part::Literal(bytes) => text.extend_from_slice(bytes),
            Part::Quoted(bytes) => {
                literal = true;
                text.extend_from_slice(bytes);
            }
            Part::DoubleQuoted(parts) => {
                literal = true;
                text.extend(delimiter_text(&Word(parts.clone())).0);
            }
            Part::Tilde(user) => {
                text.push(b'~');
                text.extend_from_slice(user);
            }
            Part::Parameter(_) | Part::Command(_) | Part::Arithmetic(_) => literal = true,
        }
    }
    (text, literal)
}
