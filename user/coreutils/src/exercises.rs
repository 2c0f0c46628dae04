//! The handbook's exercises on IPC (chapter 29): a message through a pipe from parent to child, and
//! a counter in shared memory that two processes increment under a semaphore.

use crate::invocation::{At, Failure, Invocation, Outcome, finish, output};
use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe};
use std::fs::File;
use std::io::{Read, Write};
use std::ptr::NonNull;

/// `pipe-echo [text]`: exercise 1. The parent writes, the child prints what arrived.
pub fn pipe_echo(invocation: &Invocation) -> Outcome {
    let options = invocation.options("")?;
    let text = options.operands.first().map_or(b"hello".as_slice(), |text| text.as_encoded_bytes());
    let (reader, writer) = pipe().at("pipe")?;
    // SAFETY: this program has one thread, so the child may do all that the parent could.
    match unsafe { fork() }.at("fork")? {
        ForkResult::Child => {
            // Else the child itself would keep the pipe open, and never see its end.
            drop(writer);
            let mut received = Vec::new();
            File::from(reader).read_to_end(&mut received).at("pipe")?;
            let mut output = output()?;
            output.write_all(&received)?;
            output.write_all(b"\n")?;
            finish(invocation, output)
        }
        ForkResult::Parent { child } => {
            drop(reader);
            File::from(writer).write_all(text).at("pipe")?;
            wait_for(child)
        }
    }
}

/// The status of a child that must end well.
fn wait_for(child: Pid) -> Outcome {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, 0)) => return Ok(0),
            Ok(WaitStatus::Exited(_, status)) => {
                return Err(Failure::new(format!("the child ended with status {status}")));
            }
            Ok(WaitStatus::Signaled(_, signal, _)) => {
                return Err(Failure::new(format!("the child was ended by {signal}")));
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).at("wait"),
        }
    }
}

/// What the processes share.
#[repr(C)]
struct Shared {
    semaphore: libc::sem_t,
    counter: u64,
}

/// A page of memory that stays shared over `fork`, holding a counter and its semaphore.
struct SharedCounter(NonNull<Shared>);

impl SharedCounter {
    fn new() -> Result<Self, Failure> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
        let address = unsafe { libc::mmap(std::ptr::null_mut(), size_of::<Shared>(), protection, flags, -1, 0) };
        if address == libc::MAP_FAILED {
            return Err(Errno::last()).at("mmap");
        }
        let shared = NonNull::new(address.cast::<Shared>()).ok_or_else(|| Failure::new("mmap: null"))?;
        // SAFETY: the mapping is big enough, page-aligned, zeroed, and lives until `drop`.
        let semaphore = unsafe { &raw mut (*shared.as_ptr()).semaphore };
        // SAFETY: the semaphore is in memory of our own that nobody uses yet.
        let result = unsafe { libc::sem_init(semaphore, 1, 1) };
        Errno::result(result).at("sem_init")?;
        Ok(Self(shared))
    }

    /// Adds one while holding the semaphore.
    fn increment(&self) -> Result<(), Errno> {
        // SAFETY: the mapping lives as long as `self`; only the address is taken.
        let semaphore = unsafe { &raw mut (*self.0.as_ptr()).semaphore };
        loop {
            // SAFETY: `new` initialised the semaphore, and nobody destroys it.
            match Errno::result(unsafe { libc::sem_wait(semaphore) }) {
                Ok(_) => break,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
        // SAFETY: as above; only the address is taken.
        let counter = unsafe { &raw mut (*self.0.as_ptr()).counter };
        // SAFETY: the semaphore is held, so no other process touches the counter.
        let value = unsafe { counter.read_volatile() };
        // SAFETY: as above.
        unsafe { counter.write_volatile(value + 1) };
        // SAFETY: `new` initialised the semaphore, and it is held here.
        Errno::result(unsafe { libc::sem_post(semaphore) }).map(drop)
    }

    /// The value; all other processes must have ended.
    fn value(&self) -> u64 {
        // SAFETY: the mapping lives as long as `self`, and nobody else uses it any more.
        unsafe { (*self.0.as_ptr()).counter }
    }
}

impl Drop for SharedCounter {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this size, and no reference to it is left.
        let result = unsafe { libc::munmap(self.0.as_ptr().cast(), size_of::<Shared>()) };
        debug_assert_eq!(result, 0);
    }
}

/// `shm-counter [count]`: exercise 2. Status 1 if an increment was lost.
pub fn shm_counter(invocation: &Invocation) -> Outcome {
    const PROCESSES: u64 = 2;
    let options = invocation.options("")?;
    let count = match options.operands.first() {
        None => 10_000_u64,
        Some(text) => {
            text.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| Failure::usage("invalid count"))?
        }
    };
    let shared = SharedCounter::new()?;
    let mut children = Vec::new();
    for _ in 0..PROCESSES {
        // SAFETY: this program has one thread, so the child may do all that the parent could.
        match unsafe { fork() }.at("fork")? {
            ForkResult::Child => {
                for _ in 0..count {
                    shared.increment().at("semaphore")?;
                }
                return Ok(0);
            }
            ForkResult::Parent { child } => children.push(child),
        }
    }
    for child in children {
        wait_for(child)?;
    }
    let value = shared.value();
    let mut output = output()?;
    writeln!(output, "{value}")?;
    finish(invocation, output)?;
    Ok(u8::from(value != PROCESSES * count))
}
