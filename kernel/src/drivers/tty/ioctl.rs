//! ioctl(2) on a terminal.
//!
//! Owns nothing. Locks: TTY_LINE, never over a user copy, which may sleep. Specification: ioctl_tty(2), termios(3).
//! Not done: modem lines, the settings of System V (TCGETA).

use super::job_control::{Access, Claim};
use super::{Notice, Terminal};
use crate::mm::user::UserPtr;
use crate::process::{self, CurrentThread};
use linux_raw_sys::general::{self as abi, winsize};
use linux_raw_sys::ioctl as command;
use postern_core::errno::{Errno, Result};
use postern_core::signal_set::Signal;
use postern_core::termios::{Control, DISABLED, TERMIOS_BYTES, Termios};
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

/// From where a call comes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// From an open file of the terminal.
    Terminal,
    /// From the master of a pseudo-terminal, which is nobody's controlling terminal.
    Master,
}

/// Output has always arrived when a write returns, so "drain" waits for nothing.
pub(super) fn ioctl(terminal: &Terminal, side: Side, request: u32, argument: usize) -> Result<usize> {
    match request {
        command::TCGETS => UserPtr::new(argument).write(&terminal.termios().to_bytes())?,
        command::TCGETS2 => UserPtr::new(argument).write(&with_speeds(&terminal.termios()))?,
        command::TCSETS | command::TCSETSW => terminal.change_settings(settings(argument)?, Typed::Kept)?,
        command::TCSETSF => terminal.change_settings(settings(argument)?, Typed::Flushed)?,
        command::TCSETS2 | command::TCSETSW2 => terminal.change_settings(settings2(argument)?, Typed::Kept)?,
        command::TCSETSF2 => terminal.change_settings(settings2(argument)?, Typed::Flushed)?,
        command::TIOCGWINSZ => UserPtr::new(argument).write(&terminal.window())?,
        command::TIOCSWINSZ => terminal.set_window(UserPtr::<[u16; 4]>::new(argument).read()?),
        command::FIONREAD => write_count(argument, terminal.available())?,
        command::TIOCOUTQ => write_count(argument, 0)?,
        command::TCFLSH => terminal.flush(argument)?,
        command::TCSBRK | command::TCSBRKP => terminal.check_access(Access::Change)?,
        command::TCXONC => terminal.flow(argument)?,
        command::TIOCSTI => terminal.type_for_caller(argument)?,
        command::TIOCSETD if UserPtr::<i32>::new(argument).read()? != 0 => return Err(Errno::EINVAL),
        command::TIOCSETD => {}
        command::TIOCGETD => UserPtr::new(argument).write(&0_u32)?,
        command::TIOCEXCL => terminal.lock().is_exclusive = true,
        command::TIOCNXCL => terminal.lock().is_exclusive = false,
        command::TIOCGEXCL => UserPtr::new(argument).write(&u32::from(terminal.is_exclusive()))?,
        command::TIOCVHANGUP => terminal.hang_up_by_caller()?,
        _ => return session_ioctl(terminal, side, request, argument),
    }
    Ok(0)
}

/// Those that concern who it belongs to.
fn session_ioctl(terminal: &Terminal, side: Side, request: u32, argument: usize) -> Result<usize> {
    let caller = process::current_if_any().ok_or(Errno::ENOTTY)?;
    let tell = |field: Tid| {
        let may_ask = side == Side::Master || terminal.is_controlling(caller.process());
        if may_ask { UserPtr::new(argument).write(&field) } else { Err(Errno::ENOTTY) }
    };
    match request {
        command::TIOCGPGRP => tell(terminal.ownership().foreground)?,
        command::TIOCGSID if terminal.ownership().session == 0 => return Err(Errno::ENOTTY),
        command::TIOCGSID => tell(terminal.ownership().session)?,
        command::TIOCSPGRP => {
            // As on Linux, what stops nobody has no terminal either.
            let no_terminal = |error| if error == Errno::EIO { Errno::ENOTTY } else { error };
            terminal.check_access(Access::Change).map_err(no_terminal)?;
            let group = UserPtr::<i32>::new(argument).read()?;
            terminal.set_foreground(caller.process(), Tid::try_from(group).map_err(|_| Errno::EINVAL)?)?;
        }
        command::TIOCSCTTY => {
            let by_force = argument == 1 && caller.credentials().is_privileged();
            terminal.adopt(caller.process(), if by_force { Claim::ByForce } else { Claim::IfFree })?;
        }
        command::TIOCNOTTY if side == Side::Terminal => give_up(terminal, &caller)?,
        _ => return Err(Errno::ENOTTY),
    }
    Ok(0)
}

/// TIOCNOTTY: the leader gives it up for the session, anybody else for itself and its children to come.
fn give_up(terminal: &Terminal, caller: &CurrentThread) -> Result<()> {
    if !terminal.is_controlling(caller.process()) {
        return Err(Errno::ENOTTY);
    }
    if caller.process().session() == caller.process().pid() {
        terminal.disown(caller.process());
    } else {
        caller.process().give_up_terminal();
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

pub(super) fn write_count(address: usize, count: usize) -> Result<()> {
    UserPtr::new(address).write(&i32::try_from(count).unwrap_or(i32::MAX))
}

// Each of these gives its lock back before the answer is copied.
impl Terminal {
    /// Bytes that can be read.
    fn available(&self) -> usize {
        self.lock().discipline.available()
    }

    fn is_exclusive(&self) -> bool {
        self.lock().is_exclusive
    }

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
        let what = u32::try_from(what).map_err(|_| Errno::EINVAL)?;
        if !matches!(what, abi::TCIFLUSH | abi::TCOFLUSH | abi::TCIOFLUSH) {
            return Err(Errno::EINVAL);
        }
        if what != abi::TCOFLUSH {
            self.flush_input();
        }
        if what != abi::TCIFLUSH {
            self.port.notice(Notice::OutputFlushed);
            self.wake_writers();
        }
        Ok(())
    }

    /// TCXONC: holds the output and lets it go on, or has the port's user do that with its own.
    fn flow(&self, what: usize) -> Result<()> {
        self.check_access(Access::Change)?;
        match u32::try_from(what) {
            Ok(abi::TCOOFF) => {
                if self.lock().discipline.suspend_output() {
                    self.port.notice(Notice::Stopped);
                }
            }
            Ok(abi::TCOON) => {
                if self.lock().discipline.resume_output() {
                    self.port.notice(Notice::Started);
                    self.wake_writers();
                }
            }
            Ok(abi::TCIOFF) => self.send_key(Control::Stop),
            Ok(abi::TCION) => self.send_key(Control::Start),
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    fn send_key(&self, key: Control) {
        let key = self.termios().character(key);
        if key != DISABLED {
            self.port.send(&[key]);
        }
    }

    /// TIOCSTI, which Linux 6.12 keeps for the privileged.
    fn type_for_caller(&self, argument: usize) -> Result<()> {
        let privileged = process::current_if_any().is_some_and(|caller| caller.credentials().is_privileged());
        if !privileged {
            return Err(Errno::EIO);
        }
        self.type_in(&[UserPtr::<u8>::new(argument).read()?]);
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
