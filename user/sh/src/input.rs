//! Where commands come from: a string, a file, standard input line by line, or the line editor.

use crate::lexer::SyntaxError;
use crate::parser::{Parser, prompt_word};
use crate::shell::{Flow, Run, Shell};
use crate::system;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{Config, Editor};

/// Texts that run each other deeper than this are stopped, for the stack's sake.
const TEXT_DEPTH_MAX: usize = 200;

/// Which prompt a line is asked for with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prompt {
    /// A new command: PS1.
    First,
    /// The rest of one: PS2.
    Continued,
}

/// What a source of lines gave.
enum Input {
    /// A line, with its newline.
    Line(Vec<u8>),
    /// The end of input.
    End,
    /// ^C: the command typed so far is dropped.
    Interrupted,
}

type LineEditor = Editor<crate::complete::Completion, MemHistory>;

/// Standard input as a source of lines.
enum Lines {
    /// With editing and history.
    Editor(Box<LineEditor>),
    /// A terminal that cannot be edited on: prompts, but plain reading.
    Prompted,
    /// Not a terminal.
    Plain,
}

impl Lines {
    fn open(shell: &Shell) -> Self {
        if !shell.options.interactive {
            return Self::Plain;
        }
        let config = Config::builder().auto_add_history(false).build();
        match LineEditor::with_history(config, MemHistory::new()) {
            Ok(mut editor) if system::is_terminal(0) => {
                editor.set_helper(Some(crate::complete::Completion::default()));
                Self::Editor(Box::new(editor))
            }
            _ => Self::Prompted,
        }
    }

    fn next(&mut self, shell: &mut Shell, prompt: Prompt) -> Input {
        match self {
            Self::Plain => read_plain(),
            Self::Prompted => {
                let text = shell.prompt(prompt);
                // A prompt nobody can see is no error.
                let _ = system::write_all(2, text.as_bytes());
                read_plain()
            }
            Self::Editor(editor) => {
                let text = shell.prompt(prompt);
                if let Some(helper) = editor.helper_mut() {
                    helper.refresh(shell);
                }
                match editor.readline(&text) {
                    Ok(line) => Input::Line(format!("{line}\n").into_bytes()),
                    Err(ReadlineError::Interrupted) => Input::Interrupted,
                    Err(ReadlineError::Eof) => Input::End,
                    Err(_) => {
                        *self = Self::Prompted;
                        read_plain()
                    }
                }
            }
        }
    }

    fn remember(&mut self, command: &[u8]) {
        let text = String::from_utf8_lossy(command);
        if let Self::Editor(editor) = self
            && !text.trim().is_empty()
        {
            // History is a convenience: without memory for it, the line runs all the same.
            let _ = editor.add_history_entry(text.trim_end());
        }
    }
}

/// One line from standard input, byte by byte: what follows belongs to the commands.
fn read_plain() -> Input {
    let mut line = Vec::new();
    let mut byte = [0];
    while let Ok(1) = system::read(0, &mut byte) {
        line.push(byte[0]);
        if byte[0] == b'\n' {
            break;
        }
    }
    if line.is_empty() { Input::End } else { Input::Line(line) }
}

impl Shell {
    /// Runs a text that is all there: one complete command after the other.
    pub fn run_text(&mut self, text: &[u8]) -> Run {
        if self.text_depth == TEXT_DEPTH_MAX {
            return self.fatal("eval or . nested too deeply");
        }
        self.text_depth += 1;
        let result = self.run_commands(text);
        self.text_depth -= 1;
        result
    }

    fn run_commands(&mut self, text: &[u8]) -> Run {
        let mut position = 0;
        loop {
            let mut parser = Parser::new(text, position);
            match parser.complete_command() {
                Ok(None) => return Ok(()),
                Ok(Some(list)) => {
                    position = parser.position();
                    self.run_list(&list)?;
                }
                Err(error) => {
                    let line = text[..parser.position()].iter().filter(|byte| **byte == b'\n').count() + 1;
                    return self.syntax_error(&error, Some(line));
                }
            }
        }
    }

    fn syntax_error(&mut self, error: &SyntaxError, line: Option<usize>) -> Run {
        let text = match error {
            SyntaxError::Incomplete(what) => {
                format!("Syntax error: end of file unexpected ({what} not closed)")
            }
            SyntaxError::Unexpected(text) => format!("Syntax error: {text}"),
        };
        match line {
            Some(line) => self.fatal(&format!("{line}: {text}")),
            None => self.fatal(&text),
        }
    }

    /// Reads commands from standard input until it ends.
    pub fn run_standard_input(&mut self) -> Run {
        let mut lines = Lines::open(self);
        let mut pending = Vec::new();
        // Number of the first pending line.
        let mut first_line = 1;
        loop {
            let prompt = if pending.is_empty() { Prompt::First } else { Prompt::Continued };
            if prompt == Prompt::First && self.options.interactive {
                self.report_finished();
            }
            match lines.next(self, prompt) {
                Input::Line(line) => pending.extend(line),
                Input::Interrupted => {
                    pending.clear();
                    self.status = 130;
                    continue;
                }
                Input::End if pending.is_empty() => return Ok(()),
                Input::End => match Parser::new(&pending, 0).complete_command() {
                    Ok(list) => return self.run_list(&list.unwrap_or_default()),
                    // At a terminal ^D gives up the command, not the session.
                    Err(error) if self.options.interactive => {
                        let _ = self.syntax_error(&error, None);
                        pending.clear();
                        continue;
                    }
                    Err(error) => return self.syntax_error(&error, Some(first_line)),
                },
            }
            let lines_pending = pending.split_inclusive(|byte| *byte == b'\n').count();
            let line = (!self.options.interactive).then_some(first_line + lines_pending - 1);
            self.run_pending(&mut pending, &mut lines, line)?;
            if pending.is_empty() {
                first_line += lines_pending;
            }
        }
    }

    /// Runs the command read so far, if it is complete. `line` is for messages: the number of the last line.
    fn run_pending(&mut self, pending: &mut Vec<u8>, lines: &mut Lines, line: Option<usize>) -> Run {
        let result = match Parser::new(pending, 0).command_so_far() {
            Err(SyntaxError::Incomplete(_)) => return Ok(()),
            Ok(list) => {
                lines.remember(pending);
                pending.clear();
                self.run_list(&list.unwrap_or_default())
            }
            Err(error) => {
                lines.remember(pending);
                pending.clear();
                self.syntax_error(&error, line)
            }
        };
        match result {
            // At a terminal an error costs the line, not the session.
            Err(Flow::Abort) if self.options.interactive => {
                self.tested = 0;
                self.loop_depth = 0;
                self.call_depth = 0;
                self.locals.clear();
                Ok(())
            }
            Err(Flow::Break(_) | Flow::Continue(_) | Flow::Return) => Ok(()),
            result => result,
        }
    }

    fn prompt(&mut self, prompt: Prompt) -> String {
        let (name, preset): (&[u8], &[u8]) = match prompt {
            Prompt::First if nix::unistd::geteuid().is_root() => (b"PS1", b"${PWD}# "),
            Prompt::First => (b"PS1", b"${PWD}$ "),
            Prompt::Continued => (b"PS2", b"> "),
        };
        let text = self.variables.get(name).unwrap_or(preset).to_vec();
        let status = self.status;
        let expanded = prompt_word(&text).ok().and_then(|word| self.expand_whole(&word).ok());
        self.status = status;
        String::from_utf8_lossy(&expanded.unwrap_or(text)).into_owned()
    }
}
