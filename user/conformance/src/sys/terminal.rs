//! Terminals and pseudo-terminals: their calls, and a pair with both sides open. See `sys` for the rules.

use super::{Sys, checked, fd, path, ready, zeroed};
use crate::check::{Failure, Outcome, expect_eq, failed, skip};
use std::ffi::CStr;
use std::os::fd::RawFd;

/// `TIOCGPTLCK`, which libc does not have everywhere.
const TIOCGPTLCK: u32 = 0x8004_5439;
const TIOCGPTPEER: u32 = 0x5441;
const TIOCGPTN: u32 = 0x8004_5430;
const TIOCSPTLCK: u32 = 0x4004_5431;
/// How long something may take that is on its way.
const PATIENCE_MS: i32 = 5000;
/// How long nothing comes where nothing should.
const SILENCE_MS: i32 = 60;

/// A request of ioctl(2), whose type differs between C libraries.
#[cfg(target_env = "gnu")]
type Request = libc::c_ulong;
#[cfg(not(target_env = "gnu"))]
type Request = libc::c_int;

fn request(number: u32) -> Request {
    #[cfg(target_env = "gnu")]
    return Request::from(number);
    #[cfg(not(target_env = "gnu"))]
    return number.cast_signed();
}

/// `ioctl` with a number as argument.
pub fn ioctl(fd: RawFd, number: u32, argument: i32) -> Sys<i32> {
    // SAFETY: tests pass only requests that take a number or nothing.
    checked("ioctl", unsafe { libc::ioctl(fd, request(number), argument) })
}

/// `ioctl` that reads an int.
pub fn ioctl_get(fd: RawFd, number: u32) -> Sys<i32> {
    let mut value: i32 = -1;
    // SAFETY: tests pass only requests that fill an int.
    checked("ioctl", unsafe { libc::ioctl(fd, request(number), &raw mut value) })?;
    Ok(value)
}

/// `ioctl` that takes a pointer to an int.
pub fn ioctl_set(fd: RawFd, number: u32, value: i32) -> Sys<()> {
    // SAFETY: tests pass only requests that read an int or a byte.
    checked("ioctl", unsafe { libc::ioctl(fd, request(number), &raw const value) }).map(drop)
}

/// The number of a master's terminal (`TIOCGPTN`).
pub fn number(master: RawFd) -> Sys<i32> {
    ioctl_get(master, TIOCGPTN)
}

/// Opens a master that is nobody's controlling terminal.
pub fn open_master() -> Sys<RawFd> {
    path::open("/dev/ptmx", libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC, 0)
}

/// `TIOCSPTLCK`
pub fn set_lock(master: RawFd, locked: i32) -> Sys<()> {
    ioctl_set(master, TIOCSPTLCK, locked)
}

/// `TIOCGPTLCK`
pub fn lock(master: RawFd) -> Sys<i32> {
    ioctl_get(master, TIOCGPTLCK)
}

/// `TIOCGPTPEER`
pub fn open_peer(master: RawFd, flags: i32) -> Sys<RawFd> {
    ioctl(master, TIOCGPTPEER, flags)
}

/// `ptsname_r`
pub fn ptsname(master: RawFd) -> Sys<String> {
    let mut name = [0; 64];
    // SAFETY: room for the name.
    match unsafe { libc::ptsname_r(master, name.as_mut_ptr(), name.len()) } {
        // SAFETY: the call has written a C string.
        0 => Ok(unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned()),
        errno => Err(super::SysError { call: "ptsname_r", errno }),
    }
}

/// `ttyname_r`
pub fn ttyname(terminal: RawFd) -> Sys<String> {
    let mut name = [0; 64];
    // SAFETY: room for the name.
    match unsafe { libc::ttyname_r(terminal, name.as_mut_ptr(), name.len()) } {
        // SAFETY: the call has written a C string.
        0 => Ok(unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned()),
        errno => Err(super::SysError { call: "ttyname_r", errno }),
    }
}

/// `grantpt`, `unlockpt`
pub fn grant_and_unlock(master: RawFd) -> Sys<()> {
    // SAFETY: takes no pointers.
    checked("grantpt", unsafe { libc::grantpt(master) })?;
    // SAFETY: takes no pointers.
    checked("unlockpt", unsafe { libc::unlockpt(master) }).map(drop)
}

/// `tcgetattr`
pub fn settings(terminal: RawFd) -> Sys<libc::termios> {
    let mut settings: libc::termios = zeroed();
    // SAFETY: room for the struct.
    checked("tcgetattr", unsafe { libc::tcgetattr(terminal, &raw mut settings) })?;
    Ok(settings)
}

/// `tcsetattr`
pub fn set(terminal: RawFd, when: i32, settings: &libc::termios) -> Sys<()> {
    // SAFETY: the kernel reads one struct.
    checked("tcsetattr", unsafe { libc::tcsetattr(terminal, when, settings) }).map(drop)
}

/// Changes settings at once.
pub fn change(terminal: RawFd, change: impl FnOnce(&mut libc::termios)) -> Sys<()> {
    let mut new = settings(terminal)?;
    change(&mut new);
    set(terminal, libc::TCSANOW, &new)
}

/// Lets every byte through as it is, as `cfmakeraw`.
pub fn make_raw(terminal: RawFd) -> Sys<()> {
    // SAFETY: changes a struct.
    change(terminal, |settings| unsafe { libc::cfmakeraw(settings) })
}

/// `tcflush`
pub fn flush(terminal: RawFd, what: i32) -> Sys<()> {
    // SAFETY: takes no pointers.
    checked("tcflush", unsafe { libc::tcflush(terminal, what) }).map(drop)
}

/// `tcflow`
pub fn flow(terminal: RawFd, what: i32) -> Sys<()> {
    // SAFETY: takes no pointers.
    checked("tcflow", unsafe { libc::tcflow(terminal, what) }).map(drop)
}

/// Rows and columns.
pub fn window(terminal: RawFd) -> Sys<(u16, u16)> {
    let mut size: libc::winsize = zeroed();
    // SAFETY: room for the struct.
    checked("ioctl(TIOCGWINSZ)", unsafe { libc::ioctl(terminal, libc::TIOCGWINSZ, &raw mut size) })?;
    Ok((size.ws_row, size.ws_col))
}

/// `TIOCSWINSZ`
pub fn set_window(terminal: RawFd, rows: u16, columns: u16) -> Sys<()> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the kernel reads one struct.
    checked("ioctl(TIOCSWINSZ)", unsafe { libc::ioctl(terminal, libc::TIOCSWINSZ, &raw const size) }).map(drop)
}

/// `tcgetpgrp`
pub fn foreground(terminal: RawFd) -> Sys<i32> {
    // SAFETY: takes no pointers.
    checked("tcgetpgrp", unsafe { libc::tcgetpgrp(terminal) })
}

/// `tcsetpgrp`
pub fn set_foreground(terminal: RawFd, group: i32) -> Sys<()> {
    // SAFETY: takes no pointers.
    checked("tcsetpgrp", unsafe { libc::tcsetpgrp(terminal, group) }).map(drop)
}

/// `tcgetsid`
pub fn session(terminal: RawFd) -> Sys<i32> {
    // SAFETY: takes no pointers.
    checked("tcgetsid", unsafe { libc::tcgetsid(terminal) })
}

/// Waits until `fd` reports one of `events`, or something is wrong with it.
pub fn until_ready(fd: RawFd, events: i16) -> Outcome {
    let mut entries = [ready::wanting(fd, events)];
    if ready::poll(&mut entries, PATIENCE_MS)? == 0 { Err(failed("nothing came in time")) } else { Ok(()) }
}

/// Reads once, after there is something to read.
pub fn read_some(fd: RawFd) -> Result<Vec<u8>, Failure> {
    until_ready(fd, libc::POLLIN)?;
    let mut bytes = vec![0; 8192];
    let count = fd::read(fd, &mut bytes)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// Reads until `count` bytes have come.
pub fn read_bytes(fd: RawFd, count: usize) -> Result<Vec<u8>, Failure> {
    let mut all = Vec::new();
    while all.len() < count {
        let mut bytes = vec![0; count - all.len()];
        if ready::poll(&mut [ready::wanting(fd, libc::POLLIN)], PATIENCE_MS)? == 0 {
            return Err(failed(format!("of {count} bytes only these came: {:?}", String::from_utf8_lossy(&all))));
        }
        let count = fd::read(fd, &mut bytes)?;
        all.extend_from_slice(&bytes[..count]);
    }
    Ok(all)
}

/// Expects that exactly `bytes` come, and nothing at once after them.
#[track_caller]
pub fn expect_read(fd: RawFd, bytes: &[u8]) -> Outcome {
    let got = read_bytes(fd, bytes.len())?;
    expect_eq(String::from_utf8_lossy(&got), String::from_utf8_lossy(bytes), "what comes")
}

/// Expects that nothing comes for a while.
#[track_caller]
pub fn expect_silence(fd: RawFd) -> Outcome {
    expect_eq(
        ready::poll(&mut [ready::wanting(fd, libc::POLLIN)], SILENCE_MS)?,
        0,
        "descriptors with something to read",
    )
}

/// Both sides of a pseudo-terminal. Not closed when dropped: the test's process ends soon enough.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// The side of the user, or of a program that plays one.
    pub master: RawFd,
    /// The side of programs.
    pub terminal: RawFd,
}

impl Pair {
    /// A new one with Linux's first settings, nobody's controlling terminal.
    ///
    /// # Errors
    /// A skip where there are none.
    pub fn open() -> Result<Self, Failure> {
        let master = match open_master() {
            // ENODEV: there is the device, but no devpts mounted at /dev/pts.
            Err(error) if [libc::ENOENT, libc::ENODEV].contains(&error.errno) => {
                return skip("needs /dev/ptmx and /dev/pts");
            }
            master => master?,
        };
        set_lock(master, 0)?;
        let terminal = open_peer(master, libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC)?;
        Ok(Self { master, terminal })
    }

    /// One that lets every byte through as it is.
    ///
    /// # Errors
    /// As [`Pair::open`].
    pub fn raw() -> Result<Self, Failure> {
        let pair = Self::open()?;
        make_raw(pair.terminal)?;
        Ok(pair)
    }

    /// One with other settings.
    ///
    /// # Errors
    /// As [`Pair::open`].
    pub fn with(change_settings: impl FnOnce(&mut libc::termios)) -> Result<Self, Failure> {
        let pair = Self::open()?;
        change(pair.terminal, change_settings)?;
        Ok(pair)
    }

    /// One that does not echo.
    ///
    /// # Errors
    /// As [`Pair::open`].
    pub fn silent() -> Result<Self, Failure> {
        Self::with(|settings| settings.c_lflag &= !libc::ECHO)
    }

    /// The path of the terminal.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn path(self) -> Sys<String> {
        Ok(format!("/dev/pts/{}", number(self.master)?))
    }

    /// Types.
    ///
    /// # Errors
    /// If not all of it is taken.
    #[track_caller]
    pub fn type_in(self, keys: impl AsRef<[u8]>) -> Outcome {
        let keys = keys.as_ref();
        expect_eq(fd::write(self.master, keys)?, keys.len(), "keys that are taken")
    }

    /// Expects to see `text`, newlines as they come.
    ///
    /// # Errors
    /// If something else comes.
    #[track_caller]
    pub fn expect_shown(self, text: &str) -> Outcome {
        expect_read(self.master, text.as_bytes())
    }

    /// Expects a read of a program to give this.
    ///
    /// # Errors
    /// If it gives something else.
    #[track_caller]
    pub fn expect_line(self, text: impl AsRef<[u8]>) -> Outcome {
        let got = read_some(self.terminal)?;
        expect_eq(String::from_utf8_lossy(&got), String::from_utf8_lossy(text.as_ref()), "what a read gives")
    }
}
