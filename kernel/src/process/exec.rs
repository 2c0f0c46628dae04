//! Loading a program into the current process. Rules are `postern_core::exec_plan` and `start_stack`.
//!
//! Everything that can fail is done with a new address space, before the old one is given up; after
//! that point only death can follow. Specification: execve(2), execveat(2), elf(5).

use super::credentials::Credentials;
use super::{current, exit, signal, vdso};
use crate::arch::exception::TrapFrame;
use crate::fs::context::Caller;
use crate::fs::dentry::Location;
use crate::fs::file::{MapRequest, Writes};
use crate::fs::files::Files;
use crate::fs::mount::MountFlags;
use crate::fs::open_file::OpenFile;
use crate::fs::walk::Follow;
use crate::mm::address_space::{AddressSpace, PageBacking, Placement};
use crate::mm::layout::{PIE_BASE, USER_HIGH, USER_LOW, USER_STACK_TOP, page_down, page_up};
use crate::mm::{PageIntent, PageSource, heap, user};
use crate::process::limits::Resource;
use crate::sched::{self, Task};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use postern_core::areas::{AreaFlags, Protection};
use postern_core::errno::{Errno, Result};
use postern_core::exec_plan::{ElfHeader, ExecBounds, ExecPlan, Format, HEAD_SIZE, Segment, recognise};
use postern_core::start_stack::{AuxiliaryValues, StartInput, StartStack, StringList, argument_limit};

/// How many scripts may name scripts as their interpreters.
const SCRIPT_DEPTH: usize = 5;
/// Bytes of stack mapped at first, below what the program starts with; it grows by faults.
const STACK_ROOM: usize = 128 * 1024;
/// AT_HWCAP: FP and ASIMD.
const HWCAP: usize = 3;
/// AT_MINSIGSTKSZ: a signal frame with everything in it.
const MINIMUM_SIGNAL_STACK: usize = 4720;

/// A program to be started.
pub struct Request {
    /// Its path, as `/proc/PID/comm` and AT_EXECFN show it.
    pub path: Vec<u8>,
    /// argv.
    pub arguments: StringList,
    /// envp.
    pub environment: StringList,
}

/// A program found, with the arguments its interpreter gets.
struct Found {
    file: Arc<OpenFile>,
    header: ElfHeader,
    arguments: StringList,
}

/// A new address space, ready to run.
struct Loaded {
    space: Arc<AddressSpace>,
    plan: ExecPlan,
    credentials: Credentials,
    stack_pointer: usize,
    arguments: core::ops::Range<usize>,
    environment: core::ops::Range<usize>,
    auxiliary: core::ops::Range<usize>,
}

/// execve(2): on success the frame starts the new program. `place` overrides the path (AT_EMPTY_PATH).
pub fn exec(
    frame: &mut TrapFrame,
    start: Option<Location>,
    place: Option<Location>,
    follow: Follow,
    request: Request,
) -> Result<()> {
    let thread = current();
    let found = thread.with_caller(|caller| {
        let start = start.unwrap_or_else(|| caller.cwd.clone());
        let file = match place {
            Some(place) => caller.open_executable_at(place)?,
            None => caller.open_executable(&start, &request.path, follow)?,
        };
        find_program(caller, file, &request)
    })?;
    let loaded = load(&found, &request)?;
    exit::become_only_thread()?;
    let files = own_files()?;
    commit(frame, &found, &request, loaded, files);
    Ok(())
}

/// Follows `#!` lines to an ELF file. ENOEXEC, ELOOP, those of opening.
fn find_program(caller: &Caller<'_>, mut file: Arc<OpenFile>, request: &Request) -> Result<Found> {
    let mut arguments = request.arguments.clone();
    let mut script = request.path.clone();
    for _ in 0..=SCRIPT_DEPTH {
        let mut head = [0; HEAD_SIZE];
        let length = file.read_at(0, &mut head)?;
        match recognise(&head[..length])? {
            Format::Elf(header) => return Ok(Found { file, header, arguments }),
            Format::Script(line) => {
                let mut words: Vec<&[u8]> = Vec::new();
                words.push(line.interpreter);
                words.extend(line.argument);
                words.push(&script);
                arguments = arguments.with_first_replaced(&words)?;
                let interpreter: Vec<u8> = line.interpreter.into();
                file = caller.open_executable(&caller.cwd, &interpreter, Follow::Always)?;
                script = interpreter;
            }
        }
    }
    Err(Errno::ELOOP)
}

fn load(found: &Found, request: &Request) -> Result<Loaded> {
    let file = &found.file;
    let range = found.header.table_range();
    let length = usize::try_from(range.end - range.start).map_err(|_| Errno::ENOEXEC)?;
    let mut table = heap::vec_with_room(length)?;
    table.resize(length, 0);
    let got = file.read_at(range.start, &mut table)?;
    let size = file.location().inode().size();
    let bounds = ExecBounds { lowest: USER_LOW, limit: USER_HIGH, pie_base: PIE_BASE };
    let plan = found.header.plan(&table[..got], size, &bounds)?;
    let space = AddressSpace::new()?;
    let thread = current();
    let stack_limit = thread.process().limit(Resource::STACK).soft;
    space.set_limits(stack_limit, thread.process().limit(Resource::AS).soft);
    let source = file.map(&MapRequest { offset: 0, length: 1, writes: Writes::None })?;
    for segment in &plan.segments {
        map_segment(&space, &source, segment)?;
    }
    space.set_program_break(plan.brk_start);
    let vdso = vdso::map_into(&space)?;
    let credentials = credentials_of(found);
    let stack_limit = usize::try_from(stack_limit).unwrap_or(usize::MAX);
    let input = StartInput {
        arguments: &found.arguments,
        environment: &request.environment,
        exec_path: &request.path,
        auxiliary: auxiliary_values(&plan, &credentials, vdso),
        random: crate::random::bytes(),
        stack_top: USER_STACK_TOP,
        stack_limit,
    };
    heap::admit(found.arguments.cost() + request.environment.cost())?;
    let stack = StartStack::build(&input)?;
    map_stack(&space, &plan, USER_STACK_TOP - stack.sp, stack_limit)?;
    for (address, bytes) in stack.pieces() {
        write_into(&space, address, bytes)?;
    }
    Ok(Loaded {
        space,
        credentials,
        stack_pointer: stack.sp,
        arguments: stack.argument_range.clone(),
        environment: stack.environment_range.clone(),
        auxiliary: stack.auxiliary_range.clone(),
        plan,
    })
}

fn auxiliary_values(plan: &ExecPlan, credentials: &Credentials, vdso: usize) -> AuxiliaryValues {
    AuxiliaryValues {
        uid: credentials.uid,
        euid: credentials.euid,
        gid: credentials.gid,
        egid: credentials.egid,
        secure: credentials.uid != credentials.euid || credentials.gid != credentials.egid,
        hwcap: HWCAP,
        minimum_signal_stack: MINIMUM_SIGNAL_STACK,
        vdso: Some(vdso),
        ..AuxiliaryValues::of_program(plan)
    }
}

/// Maps the file's pages of a segment, and zeroes behind them.
fn map_segment(space: &Arc<AddressSpace>, source: &Arc<dyn PageSource>, segment: &Segment) -> Result<()> {
    let start = page_down(segment.vaddr);
    let file_pages = segment.file_pages();
    if !file_pages.is_empty() {
        space.map(
            Placement::Replace(file_pages.start),
            file_pages.len(),
            segment.protection,
            AreaFlags::empty(),
            PageBacking::Object(source.clone()),
            segment.file_page_offset(),
        )?;
    }
    let zero_pages = segment.zero_pages();
    if !zero_pages.is_empty() {
        let backing = PageBacking::Anonymous;
        space.map(
            Placement::Replace(zero_pages.start),
            zero_pages.len(),
            segment.protection,
            AreaFlags::empty(),
            backing,
            0,
        )?;
    }
    let tail = segment.zero_tail();
    if !tail.is_empty() && segment.protection.contains(Protection::WRITE) {
        const ZEROES: [u8; 4096] = [0; 4096];
        write_into(space, tail.start, &ZEROES[..tail.len()])?;
    }
    debug_assert!(start <= segment.vaddr);
    Ok(())
}

/// Maps the stack: the `used` bytes that the program starts with, which may exceed a small limit, and some room below.
fn map_stack(space: &Arc<AddressSpace>, plan: &ExecPlan, used: usize, stack_limit: usize) -> Result<()> {
    let size = page_up((used + STACK_ROOM).min(stack_limit).max(used));
    let flags = AreaFlags::GROWS_DOWN | AreaFlags::STACK;
    let place = Placement::Exact(USER_STACK_TOP - size);
    space.map(place, size, plan.stack_protection, flags, PageBacking::Anonymous, 0).map(|_| ())
}

/// Writes into an address space that is not active: through its pages. ENOMEM; EFAULT outside its areas.
fn write_into(space: &AddressSpace, address: usize, bytes: &[u8]) -> Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        let at = address + done;
        let offset = at % crate::arch::mmu::PAGE_SIZE;
        let length = (bytes.len() - done).min(crate::arch::mmu::PAGE_SIZE - offset);
        space.with_page(at, PageIntent::Write, |frame| frame.write(offset, &bytes[done..done + length]))?;
        done += length;
    }
    Ok(())
}

/// The descriptors for the new program: CLONE_FILES does not survive exec, it gets a copy of those that others share. ENOMEM.
fn own_files() -> Result<Arc<Files>> {
    let files = current().files();
    // One reference is the thread's, one is this.
    if Arc::strong_count(&files) > 2 { files.fork_copy() } else { Ok(files) }
}

/// The point of no return: the old program is gone.
fn commit(frame: &mut TrapFrame, found: &Found, request: &Request, loaded: Loaded, files: Arc<Files>) {
    let thread = current();
    let process = thread.process();
    exit::release_user_words();
    drop(Task::change_address_space(Some(loaded.space)));
    thread.finish_vfork();
    process.has_executed.store(true, Ordering::Relaxed);
    process.end_with_sigchld();
    reset_signals();
    files.close_on_exec();
    drop(thread.replace_files(Some(files)));
    let name = request.path.rsplit(|byte| *byte == b'/').next().unwrap_or(&request.path);
    thread.set_name(name);
    let image = super::process::Image {
        executable: Some(found.file.location().clone()),
        arguments: loaded.arguments,
        environment: loaded.environment,
        auxiliary: loaded.auxiliary,
    };
    let old = core::mem::replace(&mut *process.image.lock(), image);
    drop(old);
    thread.set_credentials(loaded.credentials);
    sched::fp::set_current_state(&crate::arch::context::FpState::new());
    crate::arch::cpu::set_user_thread_pointer(0);
    *frame = TrapFrame { sp: loaded.stack_pointer as u64, pc: loaded.plan.entry as u64, ..TrapFrame::default() };
}

fn reset_signals() {
    let thread = current();
    let process = thread.process();
    let actions = process.actions();
    // Shared dispositions (CLONE_SIGHAND) are left to those who shared them.
    let own = actions.fork_copy();
    own.reset_on_exec();
    let old = core::mem::replace(&mut *process.actions.lock(), own);
    drop(old);
    drop(actions);
    signal::posix_timers::delete_all(process);
    process.signals.reset_on_exec();
    thread.signals.reset_on_exec();
}

/// The identity the program runs with: set-user-ID and set-group-ID programs, on mounts that allow them, have their
/// owner's; saved IDs follow effective ones.
fn credentials_of(found: &Found) -> Credentials {
    const SET_UID: u32 = 0o4000;
    const SET_GID: u32 = 0o2010; // with group execution: else the bit means mandatory locking
    let thread = current();
    let mut credentials = (*thread.credentials()).clone();
    let metadata = found.file.location().inode().metadata();
    let mode = metadata.mode();
    let (uid, gid) = (metadata.attributes.uid, metadata.attributes.gid);
    let never = thread.attributes.no_new_privileges.load(Ordering::Relaxed);
    if !never && !found.file.location().mount.flags().contains(MountFlags::NO_SET_ID) {
        if mode & SET_UID != 0 {
            credentials.euid = uid;
        }
        if mode & SET_GID == SET_GID {
            credentials.egid = gid;
        }
    }
    credentials.suid = credentials.euid;
    credentials.fsuid = credentials.euid;
    credentials.sgid = credentials.egid;
    credentials.fsgid = credentials.egid;
    credentials
}

/// Fetches a NULL-terminated array of strings from the current program. EFAULT, E2BIG, ENOMEM.
pub fn read_strings(mut pointer: user::UserPtr<usize>) -> Result<StringList> {
    const STRING_MAX: usize = postern_core::start_stack::ARGUMENT_SIZE_MAX;
    let limit = usize::try_from(current().process().limit(Resource::STACK).soft).unwrap_or(usize::MAX);
    let limit = argument_limit(limit);
    let mut list = StringList::new();
    if pointer.is_null() {
        return Ok(list);
    }
    loop {
        let address = pointer.read()?;
        if address == 0 {
            return Ok(list);
        }
        let string = user::read_c_string(address, STRING_MAX).map_err(|error| match error {
            Errno::ENAMETOOLONG => Errno::E2BIG,
            other => other,
        })?;
        // Twice, since the list moves when it grows.
        heap::admit(2 * (list.bytes().len() + string.len()))?;
        list.push(&string)?;
        if list.cost() > limit {
            return Err(Errno::E2BIG);
        }
        pointer = pointer.element(1);
    }
}
