//! Simple commands: assignments, functions, built-ins, programs.
//! Specification: POSIX.1-2024, Shell Command Language, section 2.9.1.

use crate::ast::{Command, Simple};
use crate::builtin::{self, Builtin, Kind};
use crate::execute::Place;
use crate::launch::Launch;
use crate::shell::{Flow, Run, Shell};
use crate::system;
use crate::variables::Variable;
use nix::errno::Errno;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Functions that call each other deeper than this are stopped, for the stack's sake.
const CALL_DEPTH_MAX: usize = 500;

impl Shell {
    /// Runs a simple command.
    pub fn run_simple(&mut self, simple: &Simple, place: Place, text: &[u8]) -> Run {
        self.substituted = None;
        let arguments = self.expand_words(&simple.words)?;
        let Some(name) = arguments.first() else {
            return self.run_nameless(simple);
        };
        if let Some(builtin) = builtin::find(name)
            && (builtin.kind == Kind::Special || !self.functions.contains_key(name))
        {
            return self.run_builtin(builtin, simple, &arguments);
        }
        if let Some(body) = self.functions.get(name).cloned() {
            let Some(_redirected) = self.redirect(&simple.redirections)? else {
                return Ok(());
            };
            let saved = self.assign_for_now(simple)?;
            self.trace(&arguments);
            let result = self.call(&body, arguments[1..].to_vec());
            self.put_back(saved);
            return result;
        }
        if place == Place::Child {
            return self.become_program(simple, &arguments);
        }
        let mut launch = Launch::foreground(self);
        if launch.start(self)? {
            let result = self.become_program(simple, &arguments);
            self.leave(result);
        }
        launch.finish(self, text)
    }

    /// Assignments and redirections alone.
    fn run_nameless(&mut self, simple: &Simple) -> Run {
        let Some(_redirected) = self.redirect(&simple.redirections)? else {
            return Ok(());
        };
        for (name, word) in &simple.assignments {
            let value = self.expand_whole(word)?;
            if self.options.trace {
                self.trace(&[[name.as_slice(), b"=", &value].concat()]);
            }
            self.assign(name, &value)?;
        }
        // A command without a name has the status of its last command substitution.
        self.status = self.substituted.unwrap_or(0);
        Ok(())
    }

    fn run_builtin(&mut self, builtin: &Builtin, simple: &Simple, arguments: &[Vec<u8>]) -> Run {
        let Some(redirected) = self.redirect(&simple.redirections)? else {
            return if builtin.kind == Kind::Special && !self.options.interactive { Err(Flow::Abort) } else { Ok(()) };
        };
        let saved = self.assign_for_now(simple)?;
        self.trace(arguments);
        let result = (builtin.run)(self, arguments);
        // POSIX lets the assignments before a special built-in stay.
        if builtin.kind == Kind::Ordinary {
            self.put_back(saved);
        }
        let status = result?;
        self.status = status;
        if arguments[0] == b"exec" && status == 0 {
            redirected.keep();
        }
        Ok(())
    }

    /// Makes the assignments before a command; returns what to put back.
    fn assign_for_now(&mut self, simple: &Simple) -> Run<Vec<(Vec<u8>, Option<Variable>)>> {
        let mut saved = Vec::new();
        for (name, word) in &simple.assignments {
            let value = self.expand_whole(word)?;
            saved.push((name.clone(), self.variables.save(name)));
            self.assign(name, &value)?;
            self.variables.export(name);
        }
        Ok(saved)
    }

    fn put_back(&mut self, saved: Vec<(Vec<u8>, Option<Variable>)>) {
        for (name, variable) in saved.into_iter().rev() {
            self.variables.restore(&name, variable);
        }
    }

    /// Calls a function with its own positional parameters.
    fn call(&mut self, body: &Rc<Command>, arguments: Vec<Vec<u8>>) -> Run {
        if self.call_depth == CALL_DEPTH_MAX {
            return self.fatal("function calls nested too deeply");
        }
        let positional = std::mem::replace(&mut self.positional, arguments);
        let loop_depth = std::mem::take(&mut self.loop_depth);
        self.call_depth += 1;
        self.locals.push(Vec::new());
        let result = self.run_command(body, Place::Shell, b"");
        if let Some(locals) = self.locals.pop() {
            self.put_back(locals);
        }
        self.call_depth -= 1;
        self.loop_depth = loop_depth;
        self.positional = positional;
        match result {
            Err(Flow::Return) => Ok(()),
            result => result,
        }
    }

    fn trace(&self, words: &[Vec<u8>]) {
        if self.options.trace {
            let prefix = self.variables.get(b"PS4").unwrap_or(b"+ ");
            let line = [prefix, &words.join(&b' '), b"\n"].concat();
            // Tracing must not change what the script does, even when standard error is closed.
            let _ = system::write_all(2, &line);
        }
    }

    /// Turns this process into a program. Returns only when that fails.
    fn become_program(&mut self, simple: &Simple, arguments: &[Vec<u8>]) -> Run {
        let Some(redirected) = self.redirect(&simple.redirections)? else {
            return Err(Flow::Exit);
        };
        redirected.keep();
        self.assign_for_now(simple)?;
        self.trace(arguments);
        self.status = self.replace_process(arguments);
        Err(Flow::Exit)
    }

    /// Executes a program in place of the shell; returns the status when it cannot be.
    pub fn replace_process(&mut self, arguments: &[Vec<u8>]) -> i32 {
        let shown = String::from_utf8_lossy(&arguments[0]).into_owned();
        let Some(path) = self.find_program(&arguments[0]) else {
            self.complain(&format!("{shown}: not found"));
            return 127;
        };
        let error = match (CString::new(path.as_os_str().as_bytes()), c_strings(arguments)) {
            (Ok(program), Some(words)) => {
                let Err(error) = nix::unistd::execve(&program, &words, &self.variables.environment());
                error
            }
            _ => Errno::EINVAL,
        };
        if error == Errno::ENOEXEC {
            return self.run_script_here(&path, arguments);
        }
        self.complain(&format!("{shown}: {}", error.desc()));
        if error == Errno::ENOENT { 127 } else { 126 }
    }

    /// A text file without `#!` is a script for this shell.
    fn run_script_here(&mut self, path: &Path, arguments: &[Vec<u8>]) -> i32 {
        match std::fs::read(path) {
            // A NUL byte in the first line means that this is no text but some other machine's program,
            // and so do the first bytes of a broken one.
            Ok(text)
                if !text.starts_with(b"\x7fELF")
                    && text.iter().take_while(|byte| **byte != b'\n').all(|byte| *byte != 0) =>
            {
                self.name.clone_from(&arguments[0]);
                self.positional = arguments[1..].to_vec();
                self.functions.clear();
                let result = self.run_text(&text);
                self.leave(result)
            }
            Ok(_) => {
                self.complain(&format!("{}: {}", path.display(), Errno::ENOEXEC.desc()));
                126
            }
            Err(error) => {
                self.complain(&format!("{}: {}", path.display(), system::describe(&error)));
                126
            }
        }
    }

    /// The file a command name stands for: itself if it has a slash, else the first executable in
    /// PATH; failing that the first file there, so that the error says "permission denied".
    pub fn find_program(&self, name: &[u8]) -> Option<PathBuf> {
        if name.is_empty() {
            return None;
        }
        if name.contains(&b'/') {
            return Some(PathBuf::from(OsStr::from_bytes(name)));
        }
        let path = self.variables.get(b"PATH").unwrap_or(b"/bin:/sbin:/usr/bin:/usr/sbin");
        let candidates = path.split(|byte| *byte == b':').map(|directory| {
            let directory = if directory.is_empty() { OsStr::new(".") } else { OsStr::from_bytes(directory) };
            Path::new(directory).join(OsStr::from_bytes(name))
        });
        let mut second_best = None;
        for candidate in candidates {
            let Ok(data) = std::fs::metadata(&candidate) else {
                continue;
            };
            if data.is_file() && data.permissions().mode() & 0o111 != 0 {
                return Some(candidate);
            }
            if data.is_file() {
                second_best.get_or_insert(candidate);
            }
        }
        second_best
    }
}

fn c_strings(words: &[Vec<u8>]) -> Option<Vec<CString>> {
    words.iter().map(|word| CString::new(word.as_slice()).ok()).collect()
}
