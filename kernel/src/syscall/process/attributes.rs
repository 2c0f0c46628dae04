//! prctl(2) and personality(2): what a thread says of itself, kept in `process::attributes`. No policy.
//!
//! What is not known is EINVAL, as on a Linux built without it.

use crate::mm::user::UserPtr;
use crate::process::attributes::ThreadAttributes;
use crate::process::thread::NAME_SIZE;
use crate::process::{self, unshare};
use core::sync::atomic::Ordering;
use linux_raw_sys::{general as abi, prctl as option};
use postern_core::errno::{Errno, Result};
use postern_core::signal_set::Signal;

/// prctl(2)
pub fn prctl(number: u32, first: usize, second: usize, third: usize, fourth: usize) -> Result<usize> {
    let thread = process::current();
    let attributes = &thread.attributes;
    let process_attributes = &thread.process().attributes;
    let rest = [second, third, fourth];
    match number {
        option::PR_SET_NAME => set_name(first),
        option::PR_GET_NAME => {
            UserPtr::new(first).write(&thread.name())?;
            Ok(0)
        }
        option::PR_SET_PDEATHSIG => {
            let signal = i32::try_from(first).map_err(|_| Errno::EINVAL)?;
            if signal != 0 {
                Signal::from_number(signal)?;
            }
            // Relaxed, here and below: values that stand for themselves.
            attributes.parent_death_signal.store(signal.cast_unsigned(), Ordering::Relaxed);
            Ok(0)
        }
        option::PR_GET_PDEATHSIG => {
            UserPtr::new(first).write(&attributes.parent_death_signal.load(Ordering::Relaxed))?;
            Ok(0)
        }
        option::PR_SET_DUMPABLE => {
            process_attributes.dumpable.store(flag(first)?, Ordering::Relaxed);
            Ok(0)
        }
        option::PR_GET_DUMPABLE => Ok(process_attributes.dumpable.load(Ordering::Relaxed).into()),
        option::PR_SET_CHILD_SUBREAPER => {
            process_attributes.adopts_orphans.store(first != 0, Ordering::Relaxed);
            Ok(0)
        }
        option::PR_GET_CHILD_SUBREAPER => {
            let adopts = process_attributes.adopts_orphans.load(Ordering::Relaxed);
            UserPtr::new(first).write(&u32::from(adopts))?;
            Ok(0)
        }
        option::PR_SET_NO_NEW_PRIVS if first == 1 && rest == [0; 3] => {
            attributes.no_new_privileges.store(true, Ordering::Relaxed);
            Ok(0)
        }
        option::PR_GET_NO_NEW_PRIVS if first == 0 && rest == [0; 3] => {
            Ok(attributes.no_new_privileges.load(Ordering::Relaxed).into())
        }
        option::PR_SET_TIMERSLACK => {
            let slack = if first == 0 { ThreadAttributes::default_timer_slack_ns() } else { first as u64 };
            attributes.timer_slack_ns.store(slack, Ordering::Relaxed);
            Ok(0)
        }
        option::PR_GET_TIMERSLACK => {
            usize::try_from(attributes.timer_slack_ns.load(Ordering::Relaxed)).map_err(|_| Errno::EINVAL)
        }
        option::PR_GET_TID_ADDRESS => {
            UserPtr::new(first).write(&thread.clear_child_tid.load(Ordering::Relaxed))?;
            Ok(0)
        }
        // No filters, no transparent huge pages, no way to keep capabilities: as they always are.
        option::PR_GET_SECCOMP | option::PR_GET_KEEPCAPS | option::PR_GET_THP_DISABLE => Ok(0),
        option::PR_SET_THP_DISABLE => flag(first).map(|_| 0),
        option::PR_CAPBSET_READ => Ok(usize::from(capability(first)?)),
        _ => Err(Errno::EINVAL),
    }
}

/// An argument that is 0 or 1.
fn flag(argument: usize) -> Result<bool> {
    match argument {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Errno::EINVAL),
    }
}

/// Every capability that exists is in the bounding set.
fn capability(number: usize) -> Result<bool> {
    if number <= abi::CAP_LAST_CAP as usize { Ok(true) } else { Err(Errno::EINVAL) }
}

fn set_name(address: usize) -> Result<usize> {
    let mut name = [0; NAME_SIZE];
    let pointer = UserPtr::<u8>::new(address);
    // Byte by byte: the string may end right before a page that is not there.
    for (index, byte) in name.iter_mut().take(NAME_SIZE - 1).enumerate() {
        *byte = pointer.element(index).read()?;
        if *byte == 0 {
            break;
        }
    }
    process::current().set_name(&name);
    Ok(0)
}

/// personality(2): there is one, Linux's, in which addresses are never randomised.
pub fn personality(persona: u32) -> Result<usize> {
    const QUERY: u32 = 0xffff_ffff;
    const ADDR_NO_RANDOMIZE: u32 = 0x0004_0000;
    match persona {
        QUERY | 0 | ADDR_NO_RANDOMIZE => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

/// unshare(2): descriptors and places in the tree can be unshared. There are no namespaces, which is EINVAL as on a Linux that
/// was built without.
pub fn unshare(flags: u32) -> Result<usize> {
    // A single thread shares nothing of these with its own process.
    const OWN: u32 = abi::CLONE_THREAD | abi::CLONE_SIGHAND | abi::CLONE_VM;
    const SHARED: u32 = abi::CLONE_FILES | abi::CLONE_FS | abi::CLONE_SYSVSEM;
    let is_single = process::current().process().thread_count() == 1;
    if flags & !(OWN | SHARED) != 0 || flags & OWN != 0 && !is_single {
        return Err(Errno::EINVAL);
    }
    if flags & abi::CLONE_FILES != 0 {
        unshare::unshare_files()?;
    }
    if flags & abi::CLONE_FS != 0 {
        unshare::unshare_fs();
    }
    Ok(0)
}
