//! The control structures of the grammar: the second half of the parser.
//! Specification: POSIX.1-2024, Shell Command Language, sections 2.9.4 and 2.9.5.

use crate::ast::{CaseArm, Command, Compound, List, LoopKind};
use crate::lexer::{Syntax, SyntaxError, Token};
use crate::parser::{Parser, plain_text, unexpected};
use crate::word::is_name;
use std::rc::Rc;

impl Parser<'_> {
    /// A compound command with its redirections.
    pub(crate) fn compound(&mut self) -> Syntax<Command> {
        let compound = self.nested(Self::structure)?;
        let mut redirections = Vec::new();
        while let Some(redirection) = self.redirection()? {
            redirections.push(redirection);
        }
        Ok(Command::Compound(Rc::new(compound), redirections))
    }

    fn structure(&mut self) -> Syntax<Compound> {
        if self.take_operator("(")? {
            let list = self.body()?;
            self.expect_operator(")", "subshell")?;
            return Ok(Compound::Subshell(list));
        }
        let word = self.reserved()?;
        self.take()?;
        match word {
            Some("{") => {
                let list = self.body()?;
                self.expect_reserved("}", "group")?;
                Ok(Compound::Group(list))
            }
            Some("if") => self.conditional(),
            Some("while") => self.repetition(LoopKind::While),
            Some("until") => self.repetition(LoopKind::Until),
            Some("for") => self.iteration(),
            _ => self.selection(),
        }
    }

    fn conditional(&mut self) -> Syntax<Compound> {
        let mut arms = Vec::new();
        loop {
            let condition = self.body()?;
            self.expect_reserved("then", "if")?;
            arms.push((condition, self.body()?));
            if !self.take_reserved("elif")? {
                break;
            }
        }
        let otherwise = if self.take_reserved("else")? { Some(self.body()?) } else { None };
        self.expect_reserved("fi", "if")?;
        Ok(Compound::If(arms, otherwise))
    }

    fn repetition(&mut self, kind: LoopKind) -> Syntax<Compound> {
        let condition = self.body()?;
        Ok(Compound::Loop(kind, condition, self.do_group()?))
    }

    fn do_group(&mut self) -> Syntax<List> {
        self.expect_reserved("do", "loop")?;
        let body = self.body()?;
        self.expect_reserved("done", "loop")?;
        Ok(body)
    }

    fn iteration(&mut self) -> Syntax<Compound> {
        let word = self.any_word("for")?;
        let name = plain_text(&word).filter(|text| is_name(text));
        let name = name.ok_or_else(|| SyntaxError::Unexpected("bad for loop variable".to_owned()))?.to_vec();
        self.skip_newlines()?;
        let words = if self.take_reserved("in")? {
            let mut words = Vec::new();
            while let Token::Word(word) = self.peek()? {
                self.take()?;
                words.push(word);
            }
            Some(words)
        } else {
            None
        };
        self.take_operator(";")?;
        self.skip_newlines()?;
        Ok(Compound::For(name, words, self.do_group()?))
    }

    fn selection(&mut self) -> Syntax<Compound> {
        let subject = self.any_word("case")?;
        self.skip_newlines()?;
        self.expect_reserved("in", "case")?;
        let mut arms = Vec::new();
        loop {
            self.skip_newlines()?;
            if self.take_reserved("esac")? {
                return Ok(Compound::Case(subject, arms));
            }
            let opened = self.take_operator("(")?;
            if opened {
                self.skip_newlines()?;
            }
            let mut patterns = vec![self.any_word("case")?];
            while self.take_operator("|")? {
                patterns.push(self.any_word("case")?);
            }
            self.expect_operator(")", "case")?;
            arms.push(CaseArm { patterns, body: self.list()? });
            if !self.take_operator(";;")? {
                self.skip_newlines()?;
                self.expect_reserved("esac", "case")?;
                return Ok(Compound::Case(subject, arms));
            }
        }
    }

    /// The rest of a function definition, from the opening parenthesis.
    pub(crate) fn function(&mut self, name: Vec<u8>) -> Syntax<Command> {
        self.expect_operator("(", "function")?;
        self.expect_operator(")", "function")?;
        self.skip_newlines()?;
        let is_compound =
            self.at_operator("(")? || matches!(self.reserved()?, Some("{" | "if" | "while" | "until" | "for" | "case"));
        if !is_compound {
            return match self.peek()? {
                Token::End => Err(SyntaxError::Incomplete("function")),
                token => Err(unexpected(&token)),
            };
        }
        Ok(Command::Function(name, Rc::new(self.compound()?)))
    }
}
