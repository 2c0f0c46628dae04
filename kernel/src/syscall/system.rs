//! The system calls on the machine as a whole: arguments to typed calls, results to user memory. No policy.
//! Specification: uname(2), sysinfo(2), getrandom(2), reboot(2), sethostname(2), syslog(2).

use crate::arch::mmu::PAGE_SIZE;
use crate::arch::timer::now_ns;
use crate::fs::procfs::tunables;
use crate::mm::frame;
use crate::mm::user::{self, Sink, UserPtr};
use crate::process::{self, tree};
use crate::{console, power, random, sched};
use alloc::vec::Vec;
use linux_raw_sys::{general as abi, system as system_abi};
use postern_core::clock::NS_PER_SECOND;
use postern_core::errno::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Bytes of a field of `struct new_utsname`, NUL included.
const NAME_SIZE: usize = 65;

/// `struct new_utsname`: system, node, release, version, machine, domain.
pub type SystemNames = [[u8; NAME_SIZE]; 6];

const _: () = assert!(size_of::<SystemNames>() == size_of::<system_abi::new_utsname>());

/// uname(2)
pub fn uname(to: UserPtr<SystemNames>) -> Result<usize> {
    let node = tunables::host_name();
    let domain = tunables::domain_name();
    let names: [&[u8]; 6] = [
        tunables::OS_TYPE.as_bytes(),
        &node,
        tunables::OS_RELEASE.as_bytes(),
        tunables::OS_VERSION.as_bytes(),
        b"aarch64",
        &domain,
    ];
    to.write(&names.map(|name| {
        let mut field = [0; NAME_SIZE];
        let length = name.len().min(NAME_SIZE - 1);
        field[..length].copy_from_slice(&name[..length]);
        field
    }))?;
    Ok(0)
}

/// EPERM for those who are not root.
fn check_privileged() -> Result<()> {
    if process::current().credentials().is_privileged() { Ok(()) } else { Err(Errno::EPERM) }
}

/// A name of at most 64 bytes.
fn read_name(from: UserPtr<u8>, length: i32) -> Result<Vec<u8>> {
    check_privileged()?;
    let length = usize::try_from(length).ok().filter(|length| *length < NAME_SIZE).ok_or(Errno::EINVAL)?;
    let mut name = alloc::vec![0; length];
    user::read_bytes(from.address(), &mut name)?;
    Ok(name)
}

/// sethostname(2)
pub fn sethostname(from: UserPtr<u8>, length: i32) -> Result<usize> {
    tunables::set_host_name(&read_name(from, length)?)?;
    Ok(0)
}

/// setdomainname(2)
pub fn setdomainname(from: UserPtr<u8>, length: i32) -> Result<usize> {
    tunables::set_domain_name(&read_name(from, length)?)?;
    Ok(0)
}

/// `struct sysinfo`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable)]
pub struct SystemInformation {
    uptime_s: u64,
    loads: [u64; 3],
    total: u64,
    free: u64,
    shared: u64,
    buffers: u64,
    swap: [u64; 2],
    processes: u16,
    padding: u16,
    more_padding: u32,
    high: [u64; 2],
    unit: u32,
    end: u32,
}

const _: () = assert!(size_of::<SystemInformation>() == size_of::<system_abi::sysinfo>());

/// sysinfo(2). Load averages are not kept: 0.
pub fn sysinfo(to: UserPtr<SystemInformation>) -> Result<usize> {
    let frames = frame::statistics();
    let bytes = |pages: usize| (pages * PAGE_SIZE) as u64;
    let (threads, _) = tree::counts();
    to.write(&SystemInformation {
        uptime_s: now_ns().div_ceil(NS_PER_SECOND),
        total: bytes(frames.total),
        free: bytes(frames.free),
        processes: u16::try_from(threads).unwrap_or(u16::MAX),
        unit: 1,
        ..SystemInformation::default()
    })?;
    Ok(0)
}

/// getrandom(2): the generator is ready from the start, so no flag makes a difference. After each page others may run, and a
/// signal ends the call; up to 256 bytes are never cut short.
pub fn getrandom(to: UserPtr<u8>, length: usize, flags: u32) -> Result<usize> {
    let contradiction = abi::GRND_RANDOM | abi::GRND_INSECURE;
    if flags & !(abi::GRND_NONBLOCK | contradiction) != 0 || flags & contradiction == contradiction {
        return Err(Errno::EINVAL);
    }
    let mut sink = Sink::user(to.address(), length)?;
    let mut total = 0;
    while sink.remaining() != 0 {
        let mut chunk = [0; 256];
        let part = sink.remaining().min(chunk.len());
        random::fill(&mut chunk[..part]);
        match sink.copy_from_slice(&chunk[..part]) {
            Ok(moved) => total += moved,
            Err(error) if total == 0 => return Err(error),
            Err(_) => break,
        }
        if total % PAGE_SIZE == 0 {
            sched::preemption_point();
            if sched::current().is_interrupted() {
                break;
            }
        }
    }
    Ok(total)
}

/// reboot(2). What RESTART2 says to the firmware is fetched, as on Linux, and nobody asks for it.
pub fn reboot(magic: u32, magic2: u32, command: u32, argument: usize) -> Result<usize> {
    const LONGEST_ARGUMENT: usize = 255;
    check_privileged()?;
    let seconds =
        [abi::LINUX_REBOOT_MAGIC2, abi::LINUX_REBOOT_MAGIC2A, abi::LINUX_REBOOT_MAGIC2B, abi::LINUX_REBOOT_MAGIC2C];
    if magic != abi::LINUX_REBOOT_MAGIC1 || !seconds.contains(&magic2) {
        return Err(Errno::EINVAL);
    }
    match command {
        abi::LINUX_REBOOT_CMD_POWER_OFF | abi::LINUX_REBOOT_CMD_HALT => {
            log::info!("power off");
            power::off()
        }
        abi::LINUX_REBOOT_CMD_RESTART | abi::LINUX_REBOOT_CMD_RESTART2 => {
            if command == abi::LINUX_REBOOT_CMD_RESTART2
                && user::read_c_string(argument, LONGEST_ARGUMENT) == Err(Errno::EFAULT)
            {
                return Err(Errno::EFAULT);
            }
            log::info!("restart");
            power::reset()
        }
        // There is no Ctrl-Alt-Del.
        abi::LINUX_REBOOT_CMD_CAD_ON | abi::LINUX_REBOOT_CMD_CAD_OFF => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

/// The actions of syslog(2).
const SYSLOG_CLOSE: u32 = 0;
const SYSLOG_OPEN: u32 = 1;
const SYSLOG_READ: u32 = 2;
const SYSLOG_READ_ALL: u32 = 3;
const SYSLOG_READ_CLEAR: u32 = 4;
const SYSLOG_CLEAR: u32 = 5;
const SYSLOG_CONSOLE_OFF: u32 = 6;
const SYSLOG_CONSOLE_ON: u32 = 7;
const SYSLOG_CONSOLE_LEVEL: u32 = 8;
const SYSLOG_SIZE_UNREAD: u32 = 9;
const SYSLOG_SIZE_BUFFER: u32 = 10;

/// syslog(2), klogctl(3). The log is not consumed by reading it, nor can it be cleared.
pub fn syslog(action: u32, to: UserPtr<u8>, length: i32) -> Result<usize> {
    if action != SYSLOG_READ_ALL && action != SYSLOG_SIZE_BUFFER {
        check_privileged()?;
    }
    match action {
        SYSLOG_CLOSE | SYSLOG_OPEN | SYSLOG_CLEAR => Ok(0),
        SYSLOG_READ | SYSLOG_READ_ALL | SYSLOG_READ_CLEAR => read_log(to, length),
        SYSLOG_CONSOLE_OFF => {
            console::set_quiet(true);
            Ok(0)
        }
        SYSLOG_CONSOLE_ON => {
            console::set_quiet(false);
            Ok(0)
        }
        SYSLOG_CONSOLE_LEVEL if (1..=8).contains(&length) => {
            // Level 7 is where informational messages (6) are shown.
            console::set_quiet(length < 7);
            Ok(0)
        }
        SYSLOG_SIZE_UNREAD => Ok(console::log_contents().len()),
        SYSLOG_SIZE_BUFFER => Ok(console::RING_SIZE),
        _ => Err(Errno::EINVAL),
    }
}

/// The newest bytes of the log.
fn read_log(to: UserPtr<u8>, length: i32) -> Result<usize> {
    let length = usize::try_from(length).map_err(|_| Errno::EINVAL)?;
    if to.is_null() {
        return Err(Errno::EINVAL);
    }
    let log = console::log_contents();
    let newest = &log[log.len().saturating_sub(length)..];
    user::write_bytes(to.address(), newest)?;
    Ok(newest.len())
}
