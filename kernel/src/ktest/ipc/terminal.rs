//! Terminals behind a port of the test's own.

use super::{read, start, until_somebody_waits, write};
use crate::arch::timer::now_ns;
use crate::drivers::tty::{Port, Terminal};
use crate::fs::anonymous::{self, Kind};
use crate::fs::attributes::DeviceNumber;
use crate::fs::file::{Direction, FileOps, Readiness};
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::open_file::OpenFile;
use crate::mm::user::{self};
use crate::process::Credentials;
use crate::sync::{SpinLock, rank};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use linux_raw_sys::ioctl::{TCGETS, TCSETS, TIOCVHANGUP};
use postern_core::errno::Errno;
use postern_core::line_discipline::BUFFER_BYTES;
use postern_core::termios::{Control, LocalFlags, TERMIOS_BYTES, Termios};

/// Keeps what is sent.
struct Screen;

static SHOWN: SpinLock<Vec<u8>> = SpinLock::new(rank::CONSOLE, Vec::new());
static PAUSED: AtomicBool = AtomicBool::new(false);

impl Port for Screen {
    fn device(&self) -> DeviceNumber {
        DeviceNumber::default()
    }

    fn send(&self, bytes: &[u8]) {
        SHOWN.lock().extend_from_slice(bytes);
    }

    fn pause_input(&self) {
        PAUSED.store(true, Ordering::SeqCst);
    }

    fn resume_input(&self) {
        PAUSED.store(false, Ordering::SeqCst);
    }
}

fn shown() -> Vec<u8> {
    core::mem::take(&mut *SHOWN.lock())
}

fn new() -> (Arc<Terminal>, Arc<OpenFile>) {
    PAUSED.store(false, Ordering::SeqCst);
    let terminal = Terminal::try_new(Arc::new(Screen)).unwrap();
    let file = open(terminal.open(&Credentials::root()).unwrap());
    (terminal, file)
}

fn open(ops: Arc<dyn FileOps>) -> Arc<OpenFile> {
    let place = anonymous::place(Kind::Other("[terminal]"), &Credentials::root()).unwrap();
    anonymous::open(ops, place, AccessMode::READ_WRITE, OpenFlags::empty())
}

/// Types; how much of it was taken.
fn type_in(terminal: &Terminal, bytes: &[u8]) -> usize {
    let mut left = bytes.iter();
    terminal.receive(|| left.next().copied());
    bytes.len() - left.len()
}

/// Leaves lines and echo, with these VMIN and VTIME.
fn make_raw(file: &OpenFile, least: u8, tenths: u8) {
    super::with_user_pages(|end| {
        let place = end - 64;
        file.ops().ioctl(OpenFlags::empty(), TCGETS, place).unwrap();
        let mut bytes = [0; TERMIOS_BYTES];
        user::read_bytes(place, &mut bytes).unwrap();
        let mut termios = Termios::from_bytes(&bytes);
        termios.local -= LocalFlags::ICANON | LocalFlags::ECHO;
        termios.characters[Control::Min as usize] = least;
        termios.characters[Control::Time as usize] = tenths;
        user::write_bytes(place, &termios.to_bytes()).unwrap();
        file.ops().ioctl(OpenFlags::empty(), TCSETS, place).unwrap();
    });
}

pub fn lines() {
    let (terminal, file) = new();
    let reader = file.clone();
    let tasks = start(vec![Box::new(move || assert_eq!(read(&reader, 100).unwrap(), b"hello\n"))]);
    until_somebody_waits(&file, Direction::Read);
    type_in(&terminal, b"helxx\x7f\x7flo");
    assert_eq!(file.readiness(), Readiness::WRITABLE);
    type_in(&terminal, b"\rmore\r");
    tasks.join();
    assert_eq!(shown(), b"helxx\x08 \x08\x08 \x08lo\r\nmore\r\n");
    // A short read leaves the rest of the line, and takes nothing of the next.
    type_in(&terminal, b"\x04");
    assert_eq!(read(&file, 3).unwrap(), b"mor");
    assert_eq!(read(&file, 100).unwrap(), b"e\n");
    assert_eq!(read(&file, 100).unwrap(), b"");
    file.set_flags(OpenFlags::NONBLOCK);
    assert_eq!(read(&file, 100), Err(Errno::EAGAIN));
    drop(shown());
}

pub fn least() {
    let (terminal, file) = new();
    make_raw(&file, 3, 0);
    let reader = file.clone();
    let tasks = start(vec![Box::new(move || assert_eq!(read(&reader, 100).unwrap(), b"abc"))]);
    for byte in [b"a", b"b"] {
        until_somebody_waits(&file, Direction::Read);
        type_in(&terminal, byte);
        assert_eq!(tasks.done(), 0);
    }
    type_in(&terminal, b"c");
    tasks.join();
    // Fewer are enough for who wants fewer, or does not wait.
    type_in(&terminal, b"de");
    assert_eq!(read(&file, 1).unwrap(), b"d");
    file.set_flags(OpenFlags::NONBLOCK);
    assert_eq!(read(&file, 100).unwrap(), b"e");
}

pub fn time() {
    const TENTH_NS: u64 = 100_000_000;
    let (terminal, file) = new();
    make_raw(&file, 0, 1);
    let start_ns = now_ns();
    assert_eq!(read(&file, 100).unwrap(), b"");
    assert!(now_ns() >= start_ns + TENTH_NS);
    make_raw(&file, 0, 0);
    assert_eq!(read(&file, 100).unwrap(), b"");
    // Of five bytes two come, and then a pause.
    make_raw(&file, 5, 1);
    let start_ns = now_ns();
    type_in(&terminal, b"ab");
    assert_eq!(read(&file, 100).unwrap(), b"ab");
    assert!(now_ns() >= start_ns + TENTH_NS);
}

pub fn flow_control() {
    let (terminal, file) = new();
    make_raw(&file, 1, 0);
    let typed = vec![b'x'; BUFFER_BYTES + 100];
    let taken = type_in(&terminal, &typed);
    assert!(taken < typed.len() && PAUSED.load(Ordering::SeqCst));
    assert_eq!(read(&file, 2 * BUFFER_BYTES).unwrap().len(), taken);
    assert!(!PAUSED.load(Ordering::SeqCst));
    assert_eq!(type_in(&terminal, &typed[taken..]), typed.len() - taken);
    assert_eq!(read(&file, 2 * BUFFER_BYTES).unwrap().len(), typed.len() - taken);
}

pub fn output() {
    let (terminal, file) = new();
    let line = [vec![b'x'; 299].as_slice(), b"\n"].concat();
    assert_eq!(write(&file, &line), Ok(300));
    assert_eq!(shown(), [&line[..299], b"\r\n"].concat());
    // Held by ^S, the writer waits for ^Q.
    type_in(&terminal, b"\x13");
    assert_eq!(file.readiness(), Readiness::empty());
    let writer = file.clone();
    let tasks = start(vec![Box::new(move || assert_eq!(write(&writer, b"on"), Ok(2)))]);
    until_somebody_waits(&file, Direction::Write);
    assert_eq!(shown(), b"");
    type_in(&terminal, b"\x11");
    tasks.join();
    assert_eq!(shown(), b"on");
}

pub fn hang_up() {
    let (terminal, file) = new();
    let console = open(terminal.open_as_console(&Credentials::root()).unwrap());
    let reader = file.clone();
    let tasks = start(vec![Box::new(move || assert_eq!(read(&reader, 100).unwrap(), b""))]);
    until_somebody_waits(&file, Direction::Read);
    assert_eq!(console.ops().ioctl(OpenFlags::empty(), TIOCVHANGUP, 0), Ok(0));
    tasks.join();
    assert_eq!(write(&file, b"x"), Err(Errno::EIO));
    assert!(file.readiness().contains(Readiness::HUP));
    assert_eq!(write(&console, b"x"), Ok(1));
    assert_eq!(write(&open(terminal.open(&Credentials::root()).unwrap()), b"y"), Ok(1));
    assert_eq!(shown(), b"xy");
}
