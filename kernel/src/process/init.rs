//! The first process: its task, and how it comes to its program. Runs once, in process context.
//! Specification: Linux's Documentation/admin-guide/kernel-parameters.rst (`rdinit=`, `--`).

use super::exec::{self, Request};
use super::limits::Limits;
use super::process::{Image, NewProcess, Process};
use super::signal::{SharedActions, ThreadSignals};
use super::thread::{NewThread, Thread, padded_name};
use super::{Credentials, current, tree};
use crate::arch::context::FpState;
use crate::arch::exception::TrapFrame;
use crate::fs::files::Files;
use crate::fs::procfs::tunables::{PID_MAX, THREADS_MAX, THREADS_MIN};
use crate::fs::walk::Follow;
use crate::mm::{AddressSpace, frame};
use crate::sched::{self, Task};
use alloc::string::String;
use alloc::sync::Arc;
use core::ops::Range;
use postern_core::command_line::{CommandLine, InitCommand};
use postern_core::errno::Result;
use postern_core::start_stack::StringList;
use postern_core::task_census::{Claim, threads_max};

/// What boot hands to the first process.
pub struct Boot {
    /// The kernel command line.
    pub command_line: &'static str,
    /// Physical addresses of the initramfs.
    pub initramfs: Option<Range<usize>>,
}

static BOOT: spin::Once<Boot> = spin::Once::new();
/// Pages that a task takes in the kernel: its stack, and what surrounds it.
const PAGES_PER_TASK: u64 = 8;

/// Makes the first process ready; it continues in [`begin`]. ENOMEM, EBUSY.
pub fn start(boot: Boot) -> Result<()> {
    let boot = BOOT.call_once(|| boot);
    let fs = crate::fs::init()?;
    super::snapshot::init(boot.command_line);
    crate::drivers::init()?;
    crate::ipc::init()?;
    set_threads_max()?;
    let pid = tree::allocate_number(&Claim { uid: 0, user_limit: None, threads_max: THREADS_MAX.get() })?;
    let process = Process::new(NewProcess {
        pid,
        exit_signal: 0,
        limits: Limits::initial(THREADS_MAX.get() / 2),
        actions: SharedActions::new(),
        image: Image::default(),
    });
    let thread = Thread::new(NewThread {
        tid: pid,
        process: process.clone(),
        files: Files::new(),
        fs,
        credentials: Arc::new(Credentials::root()),
        name: padded_name(b"init"),
        signals: ThreadSignals::new(),
    });
    let task = Task::new_user(thread, AddressSpace::new()?, &TrapFrame::default(), 0, &FpState::new())?;
    process.threads.lock().tasks.push(task.clone());
    super::cgroup::on_first_process(&process);
    let mut tree = tree::lock();
    tree.add_thread(pid, task.clone());
    tree.add_process(process, 0);
    drop(tree);
    sched::start(task);
    Ok(())
}

/// How many tasks this machine's memory is good for; a user gets half of that.
fn set_threads_max() -> Result<()> {
    let pages = frame::statistics().total as u64;
    THREADS_MAX.set(threads_max(pages, PAGES_PER_TASK).clamp(THREADS_MIN, PID_MAX.get()))
}

/// Whether the current thread is the first process's before it has a program.
pub fn is_beginning() -> bool {
    let thread = current();
    let process = thread.process();
    process.pid() == tree::INIT && !process.has_executed.load(core::sync::atomic::Ordering::Relaxed)
}

/// Unpacks the initramfs, loads modules, opens the console, runs the program; a failure ends the machine with a message.
pub fn begin(frame: &mut TrapFrame) {
    let Some(boot) = BOOT.get() else { return };
    unpack(boot.initramfs.clone());
    crate::drivers::module::at_boot(boot.command_line);
    current().with_caller(crate::drivers::module::publish_images);
    open_console();
    let command = CommandLine::new(boot.command_line).init();
    if let Err(error) = run(frame, &command) {
        log::error!("cannot run {}: {error}; is it in the initramfs? (rdinit= names another)", command.program);
        crate::power::set_exit_status(1);
        crate::power::off();
    }
    let now = crate::arch::timer::now_ns();
    log::info!("init {} at {now} ns, {} KiB in use", command.program, memory_in_use_kib());
}

fn memory_in_use_kib() -> usize {
    let statistics = frame::statistics();
    (statistics.total - statistics.free) * 4
}

fn unpack(initramfs: Option<Range<usize>>) {
    let Some(range) = initramfs else {
        log::warn!("no initramfs");
        return;
    };
    let image = crate::mm::boot::reserved_memory(&range);
    let unpacked = current().with_caller(|caller| crate::fs::initramfs::unpack(caller, image));
    match unpacked {
        Ok(entries) => log::info!("initramfs: {entries} entries, {} KiB", range.len() / 1024),
        // What could be unpacked stays, as on Linux.
        Err(error) => log::error!("{error}"),
    }
    frame::add_memory(range);
}

/// Descriptors 0, 1 and 2, whether the initramfs holds /dev/console or not.
fn open_console() {
    let opened = current().with_caller(crate::drivers::tty::open_console);
    match opened {
        Ok(file) => {
            let files = current().files();
            for _ in 0..3 {
                let inserted = files.insert(file.clone(), postern_core::fd_table::OnExec::Keep, 3);
                if let Err(error) = inserted {
                    log::error!("cannot give init its console: {error}");
                }
            }
        }
        Err(error) => log::error!("cannot open the console: {error}"),
    }
}

fn run(frame: &mut TrapFrame, command: &InitCommand) -> Result<()> {
    let list = |strings: &[String]| -> Result<StringList> {
        let mut list = StringList::new();
        for string in strings {
            list.push(string.as_bytes())?;
        }
        Ok(list)
    };
    let request = Request {
        path: command.program.as_bytes().into(),
        arguments: list(&command.arguments)?,
        environment: list(&command.environment)?,
    };
    exec::exec(frame, None, None, Follow::Always, request)
}
