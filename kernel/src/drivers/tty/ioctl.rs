//! ioctl(2) on a terminal.
//!
//! Owns nothing. Locks: TTY_LINE, never over a user copy, which may sleep. Specification: ioctl_tty(2), termios(3).
//! Not done: modem lines, TCXONC of output, exclusive mode, TIOCSTI.

use super::Terminal;
use super::job_control::{Access, Claim};
use crate::mm::user::UserPtr;
use crate::process::{self, CurrentThread};
use linux_raw_sys::general::{self as abi, winsize};
use linux_raw_sys::ioctl as command;
use postern_core::errno::{Errno, Result};
use postern_core::signal_set::Signal;
use postern_core::termios::{TERMIOS_BYTES, Termios};
use postern_core::tid_allocator::Tid;

/// `struct termios2`: the same, and two speeds.
const TERMIOS2_BYTES: usize = TERMIOS_BYTES + 8;
/// What the speed is said to be: nothing here has one.
const SPEED: u32 = 38_400;

/// What becomes of typed bytes when the settings change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Typed {
    Kept,
    Flushed,
}

/// Output has always arrived when a write returns, so "drain" waits for nothing.
pub(super) fn ioctl(terminal: &Terminal, request: u32, argument: usize) -> Result<usize> {
    match request {
        command::TCGETS => UserPtr::new(argument).write(&terminal.termios().to_bytes())?,
        command::TCGETS2 => UserPtr::new(argument).write(&with_speeds(&terminal.termios()))?,
        command::TCSETS | command::TCSETSW => terminal.change_settings(settings(argument)?, Typed::Kept)?,
        command::TCSETSF => terminal.change_settings(settings(argument)?, Typed::Flushed)?,
        command::TCSETS2 | command::TCSETSW2 => terminal.change_settings(settings2(argument)?, Typed::Kept)?,
        command::TCSETSF2 => terminal.change_settings(settings2(argument)?, Typed::Flushed)?,
        command::TIOCGWINSZ => UserPtr::new(argument).write(&terminal.window())?,
        command::TIOCSWINSZ => terminal.set_window(UserPtr::<[u16; 4]>::new(argument).read()?),
        command::FIONREAD => write_count(argument, terminal.lock().discipline.available())?,
        command::TIOCOUTQ => write_count(argument, 0)?,
        command::TCFLSH => terminal.flush(argument)?,
        command::TCSBRK | command::TCSBRKP => terminal.check_access(Access::Change)?,
        command::TIOCGETD => UserPtr::new(argument).write(&0_u32)?,
        command::TIOCVHANGUP => terminal.hang_up_by_caller()?,
        _ => return session_ioctl(terminal, request, argument),
    }
    Ok(0)
}

/// Those that concern who it belongs to.
fn session_ioctl(terminal: &Terminal, request: u32, argument: usize) -> Result<usize> {
    let caller = process::current_if_any().ok_or(Errno::ENOTTY)?;
    let of_caller = |field: Tid| {
        let controlling = terminal.is_controlling(caller.process());
        if controlling { UserPtr::new(argument).write(&field) } else { Err(Errno::ENOTTY) }
    };
    match request {
        command::TIOCGPGRP => of_caller(terminal.ownership().foreground)?,
        command::TIOCGSID => of_caller(terminal.ownership().session)?,
        command::TIOCSPGRP => {
            terminal.check_access(Access::Change)?;
            let group = UserPtr::<i32>::new(argument).read()?;
            terminal.set_foreground(caller.process(), Tid::try_from(group).map_err(|_| Errno::EINVAL)?)?;
        }
        command::TIOCSCTTY => {
            let by_force = argument == 1 && caller.credentials().is_privileged();
            terminal.adopt(caller.process(), if by_force { Claim::ByForce } else { Claim::IfFree })?;
        }
        command::TIOCNOTTY => give_up(terminal, &caller)?,
        _ => return Err(Errno::ENOTTY),
    }
    Ok(0)
}

/// TIOCNOTTY. A terminal belongs to a session as a whole, so only its leader changes anything.
fn give_up(terminal: &Terminal, caller: &CurrentThread) -> Result<()> {
    if !terminal.is_controlling(caller.process()) {
        return Err(Errno::ENOTTY);
    }
    if caller.process().session() == caller.process().pid() {
        terminal.disown();
    }
    Ok(())
}

fn settings(address: usize) -> Result<Termios> {
    Ok(Termios::from_bytes(&UserPtr::new(address).read()?))
}

fn settings2(address: usize) -> Result<Termios> {
    let bytes: [u8; TERMIOS2_BYTES] = UserPtr::new(address).read()?;
    let (termios, _) = bytes.split_first_chunk().ok_or(Errno::EINVAL)?;
    Ok(Termios::from_bytes(termios))
}

fn with_speeds(termios: &Termios) -> [u8; TERMIOS2_BYTES] {
    let mut bytes = [0; TERMIOS2_BYTES];
    bytes[..TERMIOS_BYTES].copy_from_slice(&termios.to_bytes());
    for place in bytes[TERMIOS_BYTES..].chunks_exact_mut(4) {
        place.copy_from_slice(&SPEED.to_ne_bytes());
    }
    bytes
}

fn write_count(address: usize, count: usize) -> Result<()> {
    UserPtr::new(address).write(&i32::try_from(count).unwrap_or(i32::MAX))
}

impl Terminal {
    fn termios(&self) -> Termios {
        *self.lock().discipline.termios()
    }

    fn change_settings(&self, termios: Termios, typed: Typed) -> Result<()> {
        self.check_access(Access::Change)?;
        if typed == Typed::Flushed {
            self.flush_input();
        }
        self.set_termios(termios);
        Ok(())
    }

    fn flush(&self, what: usize) -> Result<()> {
        self.check_access(Access::Change)?;
        match u32::try_from(what) {
            Ok(abi::TCIFLUSH | abi::TCIOFLUSH) => self.flush_input(),
            // No output ever waits.
            Ok(abi::TCOFLUSH) => {}
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    /// Rows, columns and the two sizes in pixels.
    fn window(&self) -> [u16; 4] {
        let winsize { ws_row, ws_col, ws_xpixel, ws_ypixel } = self.lock().window;
        [ws_row, ws_col, ws_xpixel, ws_ypixel]
    }

    fn set_window(&self, [ws_row, ws_col, ws_xpixel, ws_ypixel]: [u16; 4]) {
        if self.window() == [ws_row, ws_col, ws_xpixel, ws_ypixel] {
            return;
        }
        self.lock().window = winsize { ws_row, ws_col, ws_xpixel, ws_ypixel };
        super::job_control::signal_group(self.ownership().foreground, Signal::WINCH);
    }

    fn hang_up_by_caller(&self) -> Result<()> {
        let privileged = process::current_if_any().is_none_or(|caller| caller.credentials().is_privileged());
        if !privileged {
            return Err(Errno::EPERM);
        }
        self.hang_up();
        Ok(())
    }
}
