//! Redirections: opening files and moving descriptors, with a way back for commands that run in
//! the shell itself. Specification: POSIX.1-2024, Shell Command Language, section 2.7.

use crate::ast::{Redirection, Target, Word};
use crate::shell::{Run, Shell};
use crate::system;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// A pipe takes this much before a write blocks, on every Unix (PIPE_BUF on Linux).
const PIPE_SAFE_BYTES: usize = 4096;

/// The descriptors as they were before a redirection. Dropping it puts them back.
#[derive(Default)]
pub struct Saved {
    /// (descriptor, private copy of what it was, or `None` if it was closed), oldest first.
    copies: Vec<(i32, Option<i32>)>,
}

impl Saved {
    fn save(&mut self, descriptor: i32) -> io::Result<()> {
        self.copies.push((descriptor, system::save_descriptor(descriptor)?));
        Ok(())
    }

    /// Keeps the redirections for good, as `exec` does.
    pub fn keep(mut self) {
        for (_, copy) in self.copies.drain(..) {
            if let Some(copy) = copy {
                system::close(copy);
            }
        }
    }
}

impl Drop for Saved {
    fn drop(&mut self) {
        for (descriptor, copy) in self.copies.drain(..).rev() {
            match copy {
                Some(copy) => {
                    // The copy is open and the number was valid before, so this cannot fail.
                    let _ = system::duplicate(copy, descriptor);
                    system::close(copy);
                }
                None => system::close(descriptor),
            }
        }
    }
}

impl Shell {
    /// Carries out redirections in order. `Ok(None)` means that one failed and was reported; what
    /// the earlier ones did is undone.
    pub fn redirect(&mut self, redirections: &[Redirection]) -> Run<Option<Saved>> {
        let mut saved = Saved::default();
        for redirection in redirections {
            if let Err((object, error)) = self.redirect_one(redirection, &mut saved)? {
                self.complain(&format!("{}: {}", String::from_utf8_lossy(&object), system::describe(&error)));
                self.status = 2;
                return Ok(None);
            }
        }
        Ok(Some(saved))
    }

    fn redirect_one(&mut self, redirection: &Redirection, saved: &mut Saved) -> Run<Result<(), (Vec<u8>, io::Error)>> {
        let descriptor = redirection.descriptor;
        let (word, options) = match &redirection.target {
            Target::Duplicate(word) => {
                let source = self.expand_whole(word)?;
                let result = duplicate_named(&source, descriptor, saved);
                return Ok(result.map_err(|error| (source, error)));
            }
            Target::HereDocument(body) => {
                let empty = Word::default();
                let text = self.expand_whole(body.get().unwrap_or(&empty))?;
                let result = document(&text).and_then(|file| install(file, descriptor, saved));
                return Ok(result.map_err(|error| (b"here-document".to_vec(), error)));
            }
            Target::Read(word) => (word, OpenOptions::new().read(true).to_owned()),
            Target::Write(word) | Target::WriteBoth(word) if self.options.no_clobber => {
                (word, OpenOptions::new().write(true).create_new(true).to_owned())
            }
            Target::Write(word) | Target::Overwrite(word) | Target::WriteBoth(word) => {
                (word, OpenOptions::new().write(true).create(true).truncate(true).to_owned())
            }
            Target::Append(word) | Target::AppendBoth(word) => {
                (word, OpenOptions::new().append(true).create(true).to_owned())
            }
            Target::ReadWrite(word) => {
                (word, OpenOptions::new().read(true).write(true).create(true).truncate(false).to_owned())
            }
        };
        let path = self.expand_whole(word)?;
        let opened = options.open(OsStr::from_bytes(&path)).or_else(|error| match redirection.target {
            // Only regular files are spared by `set -C`.
            Target::Write(_) | Target::WriteBoth(_) if self.options.no_clobber && is_device(&path) => {
                OpenOptions::new().write(true).open(OsStr::from_bytes(&path))
            }
            _ => Err(error),
        });
        let mut result = opened.and_then(|file| install(file.into(), descriptor, saved));
        if result.is_ok() && matches!(redirection.target, Target::WriteBoth(_) | Target::AppendBoth(_)) {
            result = saved.save(2).and_then(|()| system::duplicate(descriptor, 2));
        }
        Ok(result.map_err(|error| (path, error)))
    }
}

fn is_device(path: &[u8]) -> bool {
    std::fs::metadata(OsStr::from_bytes(path)).is_ok_and(|data| !data.is_file())
}

/// Moves an open file to `descriptor`.
fn install(file: OwnedFd, descriptor: i32, saved: &mut Saved) -> io::Result<()> {
    if file.as_raw_fd() == descriptor {
        // The number was free, so the file landed on it; a copy on itself would stay close-on-exec.
        let copy = system::save_descriptor(descriptor)?;
        saved.copies.push((descriptor, None));
        let Some(copy) = copy else { return Ok(()) };
        let _ = file.into_raw_fd();
        let result = system::duplicate(copy, descriptor);
        system::close(copy);
        return result;
    }
    saved.save(descriptor)?;
    system::duplicate(file.as_raw_fd(), descriptor)
}

/// `n>&source`: a number, or `-` to close.
fn duplicate_named(source: &[u8], descriptor: i32, saved: &mut Saved) -> io::Result<()> {
    if source == b"-" {
        saved.save(descriptor)?;
        system::close(descriptor);
        return Ok(());
    }
    let number = str::from_utf8(source).ok().and_then(|text| text.parse().ok());
    let number: i32 = number.ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))?;
    saved.save(descriptor)?;
    system::duplicate(number, descriptor)
}

/// A file that holds the text of a here-document, at its start: a pipe if that is sure to take it
/// all at once, a memory file otherwise.
fn document(text: &[u8]) -> io::Result<OwnedFd> {
    if text.len() <= PIPE_SAFE_BYTES {
        let (reader, writer) = system::pipe()?;
        let written = system::write_all(writer, text);
        system::close(writer);
        // SAFETY: the pipe was made just now, and nothing else holds its reading end.
        let reader = unsafe { OwnedFd::from_raw_fd(reader) };
        return written.map(|()| reader);
    }
    let file = nix::sys::memfd::memfd_create(c"here-document", nix::sys::memfd::MFdFlags::MFD_CLOEXEC)?;
    let mut file = File::from(file);
    file.write_all(text)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file.into())
}
