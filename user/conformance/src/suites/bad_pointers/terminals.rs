//! Buffers and structs of the calls on terminals and pseudo-terminals.

use super::{Access, Case, call, word};
use crate::sys::terminal::{self, Pair};
use crate::sys::{Sys, fd};
use Access::{Reads, Writes};

/// `struct termios` as the kernel has it.
const TERMIOS_BYTES: usize = 36;

/// Does `body` with both sides of a pseudo-terminal, which are closed after it.
fn with_pair(body: impl FnOnce(Pair) -> Sys<usize>) -> Sys<usize> {
    let master = terminal::open_master()?;
    terminal::set_lock(master, 0)?;
    let pair = Pair { master, terminal: terminal::open_peer(master, libc::O_RDWR | libc::O_NOCTTY)? };
    let result = body(pair);
    fd::close(pair.terminal)?;
    fd::close(pair.master)?;
    result
}

fn at_terminal(request: usize, address: usize) -> Sys<usize> {
    with_pair(|pair| call(libc::SYS_ioctl, [word(pair.terminal), request, address]))
}

fn at_master(request: usize, address: usize) -> Sys<usize> {
    with_pair(|pair| call(libc::SYS_ioctl, [word(pair.master), request, address]))
}

fn read_line(address: usize) -> Sys<usize> {
    with_pair(|pair| {
        fd::write(pair.master, b"1234567\n")?;
        call(libc::SYS_read, [word(pair.terminal), address, 8])
    })
}

fn read_output(address: usize) -> Sys<usize> {
    with_pair(|pair| {
        fd::write(pair.terminal, b"12345678")?;
        call(libc::SYS_read, [word(pair.master), address, 8])
    })
}

fn write_output(address: usize) -> Sys<usize> {
    with_pair(|pair| call(libc::SYS_write, [word(pair.terminal), address, 8]))
}

fn type_in(address: usize) -> Sys<usize> {
    with_pair(|pair| call(libc::SYS_write, [word(pair.master), address, 8]))
}

pub(super) const CASES: &[Case] = &[
    Case::new("terminal_read_buffer", Writes(8), |_, at| read_line(at)).divisible(),
    Case::new("terminal_write_buffer", Reads(8), |_, at| write_output(at)).divisible(),
    Case::new("master_read_buffer", Writes(8), |_, at| read_output(at)).divisible(),
    Case::new("master_write_buffer", Reads(8), |_, at| type_in(at)).divisible(),
    Case::new("ioctl_argument_tcgets_settings", Writes(TERMIOS_BYTES), |_, at| at_terminal(0x5401, at)),
    Case::new("ioctl_argument_tcsets_settings", Reads(TERMIOS_BYTES), |_, at| at_terminal(0x5402, at)),
    Case::new("ioctl_argument_tiocgwinsz_size", Writes(8), |_, at| at_terminal(0x5413, at)),
    Case::new("ioctl_argument_tiocswinsz_size", Reads(8), |_, at| at_master(0x5414, at)),
    Case::new("ioctl_argument_fionread_count_of_a_terminal", Writes(4), |_, at| at_terminal(0x541b, at)),
    Case::new("ioctl_argument_tiocoutq_count", Writes(4), |_, at| at_terminal(0x5411, at)),
    Case::new("ioctl_argument_tiocgpgrp_group", Writes(4), |_, at| at_master(0x540f, at)),
    Case::new("ioctl_argument_tiocpkt_switch", Reads(4), |_, at| at_master(0x5420, at)),
    Case::new("ioctl_argument_tiocgptn_number", Writes(4), |_, at| at_master(0x8004_5430, at)),
    Case::new("ioctl_argument_tiocsptlck_switch", Reads(4), |_, at| at_master(0x4004_5431, at)),
    Case::new("ioctl_argument_tiocgptlck_state", Writes(4), |_, at| at_master(0x8004_5439, at)),
];
