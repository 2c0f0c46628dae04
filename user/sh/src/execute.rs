//! Execution: lists, pipelines and control structures. Forks; waits for what it started.
//! Specification: POSIX.1-2024, Shell Command Language, sections 2.8, 2.9 and 2.12.

use crate::ast::{AndOr, Command, Compound, Connector, List, LoopKind, Mode, Pipeline};
use crate::shell::{Flow, Run, Shell};
use crate::system;
use std::rc::Rc;

/// The process in which a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The shell, which goes on afterwards.
    Shell,
    /// A child made for this one command, which may turn into the program.
    Child,
}

impl Shell {
    /// Runs a list.
    pub fn run_list(&mut self, list: &List) -> Run {
        for item in &list.0 {
            if self.options.no_execution && !self.options.interactive {
                return Ok(());
            }
            self.check_signals()?;
            match item.mode {
                Mode::Foreground => self.run_and_or(&item.and_or)?,
                Mode::Background => self.run_background(&item.and_or)?,
            }
        }
        Ok(())
    }

    fn run_and_or(&mut self, and_or: &AndOr) -> Run {
        let last = and_or.rest.len();
        self.run_pipeline(&and_or.first, last > 0)?;
        for (index, (connector, pipeline)) in and_or.rest.iter().enumerate() {
            if (self.status == 0) == (*connector == Connector::And) {
                self.run_pipeline(pipeline, index + 1 < last)?;
            }
        }
        Ok(())
    }

    /// Runs a pipeline; `tested` says that its failure is a condition and not an error.
    fn run_pipeline(&mut self, pipeline: &Pipeline, tested: bool) -> Run {
        let tested = tested || pipeline.negated;
        self.tested += usize::from(tested);
        let result = match pipeline.commands.as_slice() {
            [command] => self.run_command(command, Place::Shell, &pipeline.text),
            commands => self.run_stages(commands, &pipeline.text),
        };
        self.tested -= usize::from(tested);
        result?;
        if pipeline.negated {
            self.status = i32::from(self.status == 0);
        }
        if self.options.exit_on_error && self.status != 0 && self.tested == 0 && !tested {
            return Err(Flow::Exit);
        }
        Ok(())
    }

    /// Runs one command where the shell is, or in a child if it must.
    pub fn run_command(&mut self, command: &Command, place: Place, text: &[u8]) -> Run {
        match command {
            Command::Simple(simple) => self.run_simple(simple, place, text),
            Command::Function(name, body) => {
                self.functions.insert(name.clone(), Rc::clone(body));
                self.status = 0;
                Ok(())
            }
            Command::Compound(compound, redirections) => {
                if let (Compound::Subshell(_), Place::Shell) = (&**compound, place) {
                    return self.run_stages(std::slice::from_ref(command), text);
                }
                let Some(_saved) = self.redirect(redirections)? else {
                    return Ok(());
                };
                self.run_compound(compound)
            }
        }
    }

    fn run_compound(&mut self, compound: &Compound) -> Run {
        match compound {
            // A subshell comes here in its own process.
            Compound::Group(list) | Compound::Subshell(list) => self.run_list(list),
            Compound::If(arms, otherwise) => {
                for (condition, body) in arms {
                    if self.holds(condition)? {
                        return self.run_list(body);
                    }
                }
                self.status = 0;
                otherwise.as_ref().map_or(Ok(()), |body| self.run_list(body))
            }
            Compound::Loop(kind, condition, body) => self.run_loop(*kind, condition, body),
            Compound::For(name, words, body) => {
                let values = match words {
                    Some(words) => self.expand_words(words)?,
                    None => self.positional.clone(),
                };
                self.status = 0;
                self.in_loop(|shell| {
                    for value in values {
                        shell.assign(name, &value)?;
                        if !shell.run_body(body)? {
                            break;
                        }
                    }
                    Ok(())
                })
            }
            Compound::Case(subject, arms) => {
                let subject = self.expand_whole(subject)?;
                self.status = 0;
                for arm in arms {
                    for pattern in &arm.patterns {
                        if self.expand_pattern(pattern)?.matches(&subject) {
                            return self.run_list(&arm.body);
                        }
                    }
                }
                Ok(())
            }
        }
    }

    /// Runs a list as a condition: its failure does not end the shell under `-e`.
    fn holds(&mut self, condition: &List) -> Run<bool> {
        self.tested += 1;
        let result = self.run_list(condition);
        self.tested -= 1;
        result.map(|()| self.status == 0)
    }

    fn run_loop(&mut self, kind: LoopKind, condition: &List, body: &List) -> Run {
        self.in_loop(|shell| {
            let mut status = 0;
            loop {
                // The condition may `break` or `continue` as well as the body.
                let holds = match shell.holds(condition) {
                    Ok(holds) => holds,
                    Err(flow) => {
                        if shell.absorb(flow)? {
                            continue;
                        }
                        return Ok(());
                    }
                };
                if holds != (kind == LoopKind::While) {
                    shell.status = status;
                    return Ok(());
                }
                if !shell.run_body(body)? {
                    return Ok(());
                }
                status = shell.status;
            }
        })
    }

    fn in_loop(&mut self, run: impl FnOnce(&mut Self) -> Run) -> Run {
        self.loop_depth += 1;
        let result = run(self);
        self.loop_depth -= 1;
        result
    }

    /// Runs the body of a loop once; says whether the loop goes on.
    fn run_body(&mut self, body: &List) -> Run<bool> {
        match self.run_list(body) {
            Ok(()) => {
                self.check_signals()?;
                Ok(true)
            }
            Err(flow) => self.absorb(flow),
        }
    }

    /// Handles a `break` or `continue` meant for this loop; passes on anything else.
    fn absorb(&mut self, flow: Flow) -> Run<bool> {
        match flow {
            Flow::Break(0 | 1) => Ok(false),
            Flow::Continue(0 | 1) => Ok(true),
            Flow::Break(levels) => Err(Flow::Break(levels - 1)),
            Flow::Continue(levels) => Err(Flow::Continue(levels - 1)),
            flow => Err(flow),
        }
    }

    /// Runs commands in children, connected by pipes, and waits for the last.
    pub fn run_stages(&mut self, commands: &[Command], text: &[u8]) -> Run {
        let mut launch = crate::launch::Launch::foreground(self);
        let mut input = None;
        for (index, command) in commands.iter().enumerate() {
            let pipe = if index + 1 < commands.len() { Some(self.make_pipe()?) } else { None };
            let child = launch.start(self)?;
            if child {
                let connected = connect(input, pipe);
                let result = if connected { self.run_command(command, Place::Child, text) } else { Err(Flow::Abort) };
                self.leave(result);
            }
            input.into_iter().for_each(system::close);
            input = pipe.map(|(reader, writer)| {
                system::close(writer);
                reader
            });
        }
        launch.finish(self, text)
    }

    fn make_pipe(&mut self) -> Run<(i32, i32)> {
        system::pipe().or_else(|error| self.fatal(&format!("pipe: {}", system::describe(&error))))
    }

    fn run_background(&mut self, and_or: &AndOr) -> Run {
        let mut text = and_or.first.text.clone();
        for (connector, pipeline) in &and_or.rest {
            text.extend_from_slice(if *connector == Connector::And { b" && " } else { b" || " });
            text.extend_from_slice(&pipeline.text);
        }
        let mut launch = crate::launch::Launch::background(self);
        if launch.start(self)? {
            let result = match (and_or.first.commands.as_slice(), and_or.rest.is_empty() && !and_or.first.negated) {
                ([command], true) => self.run_command(command, Place::Child, &text),
                _ => self.run_and_or(and_or),
            };
            self.leave(result);
        }
        launch.finish(self, &text)
    }

    /// Runs a list in a child and returns what it wrote, without the newlines at the end.
    pub fn substitute(&mut self, list: &List) -> Run<Vec<u8>> {
        let (reader, writer) = self.make_pipe()?;
        let before = self.status;
        let mut launch = crate::launch::Launch::quiet(self);
        if launch.start(self)? {
            let result = if connect(None, Some((reader, writer))) { self.run_list(list) } else { Err(Flow::Abort) };
            self.leave(result);
        }
        system::close(writer);
        let mut output = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = system::read(reader, &mut buffer) {
            output.extend_from_slice(&buffer[..count]);
        }
        system::close(reader);
        launch.finish(self, b"")?;
        self.substituted = Some(self.status);
        self.status = before;
        while output.last() == Some(&b'\n') {
            output.pop();
        }
        // Variables cannot hold NUL bytes.
        output.retain(|byte| *byte != 0);
        Ok(output)
    }
}

/// In the child: the reading end to standard input, the pipe's writing end to standard output.
fn connect(input: Option<i32>, pipe: Option<(i32, i32)>) -> bool {
    let input_done = input.is_none_or(|reader| {
        let result = system::duplicate(reader, 0);
        system::close(reader);
        result.is_ok()
    });
    let output_done = pipe.is_none_or(|(reader, writer)| {
        system::close(reader);
        let result = system::duplicate(writer, 1);
        system::close(writer);
        result.is_ok()
    });
    input_done && output_done
}
