//! Processes as the C library starts them for programs: spawn with its actions and attributes, `popen`, `system`. Specification:
//! posix_spawn(3), popen(3), system(3).

use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno, failed};
use crate::probe;
use crate::sys::thread::{Thread, done};
use crate::sys::{checked, fd, process, signal, zeroed};
use libc::{POSIX_SPAWN_SETPGROUP, POSIX_SPAWN_SETSIGDEF, POSIX_SPAWN_SETSIGMASK};
use std::ffi::{CString, c_char, c_int};

crate::tests! {
    a_spawned_program_gets_arguments_and_environment,
    a_missing_program_is_an_error_of_spawn_and_no_child,
    spawnp_finds_the_program_in_the_path,
    file_actions_are_done_in_order_before_the_program,
    a_failing_file_action_is_an_error_of_spawn,
    descriptors_close_on_exec_in_a_spawned_program,
    a_spawned_program_gets_group_mask_and_dispositions_as_asked,
    spawn_in_a_process_with_threads_leaves_them_alone,
    popen_reads_what_the_command_prints,
    popen_writes_what_the_command_reads,
    pclose_returns_the_commands_status,
    two_popens_do_not_hold_each_other_open,
    system_returns_the_commands_status,
    system_without_a_command_says_that_there_is_a_shell,
    system_leaves_sigint_and_sigquit_as_they_were,
    system_does_not_take_the_status_of_other_children,
}

unsafe extern "C" {
    fn popen(command: *const c_char, mode: *const c_char) -> *mut libc::FILE;
}

/// What is to be spawned, and how.
struct Spawn {
    actions: libc::posix_spawn_file_actions_t,
    attributes: libc::posix_spawnattr_t,
}

impl Spawn {
    fn new() -> Result<Self, Failure> {
        let mut spawn = Self { actions: zeroed(), attributes: zeroed() };
        // SAFETY: room for the actions.
        done("file_actions_init", unsafe { libc::posix_spawn_file_actions_init(&raw mut spawn.actions) })?;
        // SAFETY: room for the attributes.
        done("spawnattr_init", unsafe { libc::posix_spawnattr_init(&raw mut spawn.attributes) })?;
        Ok(spawn)
    }

    fn duplicate(&mut self, from: c_int, to: c_int) -> Outcome {
        // SAFETY: initialised.
        let value = unsafe { libc::posix_spawn_file_actions_adddup2(&raw mut self.actions, from, to) };
        Ok(done("file_actions_adddup2", value)?)
    }

    fn close(&mut self, fd: c_int) -> Outcome {
        // SAFETY: initialised.
        Ok(done("file_actions_addclose", unsafe {
            libc::posix_spawn_file_actions_addclose(&raw mut self.actions, fd)
        })?)
    }

    fn open(&mut self, fd: c_int, path: &std::ffi::CStr, flags: c_int) -> Outcome {
        // SAFETY: initialised, and a C string.
        let value =
            unsafe { libc::posix_spawn_file_actions_addopen(&raw mut self.actions, fd, path.as_ptr(), flags, 0o600) };
        Ok(done("file_actions_addopen", value)?)
    }

    fn set_flags(&mut self, flags: c_int) -> Outcome {
        let flags = libc::c_short::try_from(flags).map_err(|_| failed("these are no flags"))?;
        // SAFETY: initialised.
        Ok(done("spawnattr_setflags", unsafe { libc::posix_spawnattr_setflags(&raw mut self.attributes, flags) })?)
    }

    /// Spawns this program as a probe, with `words`.
    fn probe(&self, words: &[&str]) -> Result<process::Child, Failure> {
        let program = probe::program()?;
        let words: Vec<&str> = [&program, probe::FLAG].into_iter().chain(words.iter().copied()).collect();
        Ok(self.program(&program, &words)?)
    }

    fn program(&self, program: &str, words: &[&str]) -> crate::sys::Sys<process::Child> {
        let strings: Vec<CString> = words.iter().map(|word| CString::new(*word).unwrap_or_default()).collect();
        let mut arguments: Vec<*mut c_char> = strings.iter().map(|word| word.as_ptr().cast_mut()).collect();
        arguments.push(std::ptr::null_mut());
        let environment =
            [c"GATE=open".as_ptr().cast_mut(), c"PATH=/bin:/usr/bin".as_ptr().cast_mut(), std::ptr::null_mut()];
        let program = CString::new(program).unwrap_or_default();
        let mut pid = 0;
        // SAFETY: initialised structs, C strings, and arrays that end with a null pointer.
        let value = unsafe {
            libc::posix_spawnp(
                &raw mut pid,
                program.as_ptr(),
                &raw const self.actions,
                &raw const self.attributes,
                arguments.as_ptr(),
                environment.as_ptr(),
            )
        };
        done("posix_spawnp", value).map(|()| process::Child { pid })
    }
}

/// What a probe that is spawned with `prepare` prints.
fn printed(words: &[&str], prepare: impl FnOnce(&mut Spawn) -> Outcome) -> Result<String, Failure> {
    let pipe = fd::Pipe::anonymous(libc::O_CLOEXEC)?;
    let mut spawn = Spawn::new()?;
    spawn.duplicate(pipe.write, libc::STDOUT_FILENO)?;
    prepare(&mut spawn)?;
    let child = spawn.probe(words)?;
    fd::close(pipe.write)?;
    let bytes = fd::read_up_to(pipe.read, 65_536)?;
    fd::close(pipe.read)?;
    child.expect_success()?;
    String::from_utf8(bytes).map_err(|_| failed("the probe printed no text"))
}

fn a_spawned_program_gets_arguments_and_environment() -> Outcome {
    let arguments = printed(&["arguments", "two words", ""], |_| Ok(()))?;
    expect(arguments.ends_with("arguments\ntwo words\n\n"), "the arguments arrive as they are")?;
    expect_eq(printed(&["environment"], |_| Ok(()))?.as_str(), "GATE=open\nPATH=/bin:/usr/bin\n", "the environment")
}

fn a_missing_program_is_an_error_of_spawn_and_no_child() -> Outcome {
    let spawn = Spawn::new()?;
    expect_errno(spawn.program("/no/such/program", &["it"]), libc::ENOENT)?;
    expect_errno(spawn.program("/dev/null", &["it"]), libc::EACCES)?;
    expect_errno(process::wait4(-1, 0), libc::ECHILD)
}

fn spawnp_finds_the_program_in_the_path() -> Outcome {
    let child = Spawn::new()?.program("true", &["true"])?;
    child.expect_success()?;
    expect_errno(Spawn::new()?.program("no-such-program", &["it"]), libc::ENOENT)
}

fn file_actions_are_done_in_order_before_the_program() -> Outcome {
    crate::scratch::enter()?;
    std::fs::write("input", "from a file")?;
    let text = printed(&["read", "7"], |spawn| {
        spawn.open(9, c"input", libc::O_RDONLY)?;
        spawn.duplicate(9, 7)?;
        spawn.close(9)
    })?;
    expect_eq(text.as_str(), "from a file\n", "what the program read from descriptor 7")?;
    let open = printed(&["open", "7", "9"], |spawn| {
        spawn.open(9, c"input", libc::O_RDONLY)?;
        spawn.duplicate(9, 7)?;
        spawn.close(9)
    })?;
    expect_eq(open.as_str(), "true\nfalse\n", "which of 7 and 9 is open")
}

fn a_failing_file_action_is_an_error_of_spawn() -> Outcome {
    let mut spawn = Spawn::new()?;
    spawn.open(5, c"/no/such/file", libc::O_RDONLY)?;
    expect_errno(spawn.program("true", &["true"]), libc::ENOENT)?;
    let mut spawn = Spawn::new()?;
    spawn.duplicate(400, 5)?;
    expect_errno(spawn.program("true", &["true"]), libc::EBADF)?;
    expect_errno(process::wait4(-1, 0), libc::ECHILD)
}

fn descriptors_close_on_exec_in_a_spawned_program() -> Outcome {
    let (kept, closed) = (fd::Pipe::anonymous(0)?, fd::Pipe::anonymous(libc::O_CLOEXEC)?);
    let (kept, closed) = (kept.read.to_string(), closed.read.to_string());
    expect_eq(printed(&["open", &kept, &closed], |_| Ok(()))?.as_str(), "true\nfalse\n", "which is open")
}

fn a_spawned_program_gets_group_mask_and_dispositions_as_asked() -> Outcome {
    signal::ignore(libc::SIGUSR1)?;
    signal::ignore(libc::SIGUSR2)?;
    let numbers = [libc::SIGUSR1.to_string(), libc::SIGUSR2.to_string()];
    let told = printed(&["signal", &numbers[0], &numbers[1]], |spawn| {
        let (defaults, mask) = (signal::set_of(&[libc::SIGUSR1]), signal::set_of(&[libc::SIGUSR2]));
        let attributes = &raw mut spawn.attributes;
        // SAFETY: initialised attributes, and one set is read.
        done("setsigdefault", unsafe { libc::posix_spawnattr_setsigdefault(attributes, &raw const defaults) })?;
        // SAFETY: as above.
        done("setsigmask", unsafe { libc::posix_spawnattr_setsigmask(attributes, &raw const mask) })?;
        // SAFETY: initialised attributes.
        done("setpgroup", unsafe { libc::posix_spawnattr_setpgroup(attributes, 0) })?;
        spawn.set_flags(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP)
    })?;
    let (default, ignored) = (libc::SIG_DFL, libc::SIG_IGN);
    let wanted =
        format!("handler {default} blocked false pending false\nhandler {ignored} blocked true pending false\n");
    expect_eq(told.as_str(), wanted.as_str(), "what the program finds")?;
    let mut spawn = Spawn::new()?;
    spawn.set_flags(POSIX_SPAWN_SETPGROUP)?;
    let child = spawn.probe(&["await", "10"])?;
    expect_eq(process::getpgid(child.pid)?, child.pid, "its process group")?;
    child.kill_and_wait()
}

fn spawn_in_a_process_with_threads_leaves_them_alone() -> Outcome {
    let pipe: &fd::Pipe = Box::leak(Box::new(fd::Pipe::anonymous(libc::O_CLOEXEC)?));
    let read = |pipe: &fd::Pipe| fd::read_up_to(pipe.read, 1).map_or(0, |bytes| bytes.len());
    let threads = [Thread::start(read, pipe)?, Thread::start(read, pipe)?];
    for _ in 0..5 {
        Spawn::new()?.program("true", &["true"])?.expect_success()?;
    }
    fd::write(pipe.write, b"xx")?;
    threads.iter().try_for_each(|thread| {
        expect_eq(thread.join()?, crate::sys::thread::End::Returned(1), "the bytes that a thread read")
    })
}

/// A command with a pipe to or from it.
struct Command(*mut libc::FILE);

impl Command {
    fn start(command: &std::ffi::CStr, mode: &std::ffi::CStr) -> Result<Self, Failure> {
        // SAFETY: C strings.
        let stream = unsafe { popen(command.as_ptr(), mode.as_ptr()) };
        if stream.is_null() { Err(crate::sys::last_error("popen").into()) } else { Ok(Self(stream)) }
    }

    fn read(&self) -> Result<String, Failure> {
        let mut bytes = vec![0_u8; 4096];
        // SAFETY: an open stream, and room for the bytes.
        let count = unsafe { libc::fread(bytes.as_mut_ptr().cast(), 1, bytes.len(), self.0) };
        bytes.truncate(count);
        String::from_utf8(bytes).map_err(|_| failed("the command printed no text"))
    }

    fn close(self) -> Result<process::Status, Failure> {
        // SAFETY: an open stream, which is not used any more.
        Ok(process::Status(checked("pclose", unsafe { libc::pclose(self.0) })?))
    }
}

fn popen_reads_what_the_command_prints() -> Outcome {
    let command = Command::start(c"echo one; echo two", c"r")?;
    expect_eq(command.read()?.as_str(), "one\ntwo\n", "what the command prints")?;
    expect_eq(command.close()?.exited(), Some(0), "its status")
}

fn popen_writes_what_the_command_reads() -> Outcome {
    crate::scratch::enter()?;
    let command = Command::start(c"cat >written", c"w")?;
    // SAFETY: a C string and an open stream.
    checked("fputs", unsafe { libc::fputs(c"through a pipe".as_ptr(), command.0) })?;
    expect_eq(command.close()?.exited(), Some(0), "its status")?;
    expect_eq(std::fs::read_to_string("written")?.as_str(), "through a pipe", "what the command wrote")
}

fn pclose_returns_the_commands_status() -> Outcome {
    expect_eq(Command::start(c"exit 7", c"r")?.close()?.exited(), Some(7), "the status")?;
    expect_eq(Command::start(c"kill -9 $$", c"r")?.close()?.signalled(), Some(9), "what ended it")
}

fn two_popens_do_not_hold_each_other_open() -> Outcome {
    crate::scratch::enter()?;
    let (first, second) = (Command::start(c"cat >first", c"w")?, Command::start(c"cat >second", c"w")?);
    // If the second had the first one's pipe open too, the first would never see its end.
    expect_eq(first.close()?.exited(), Some(0), "the first one's status")?;
    expect_eq(second.close()?.exited(), Some(0), "the second one's status")
}

fn system(command: &std::ffi::CStr) -> Result<process::Status, Failure> {
    // SAFETY: a C string.
    Ok(process::Status(checked("system", unsafe { libc::system(command.as_ptr()) })?))
}

fn system_returns_the_commands_status() -> Outcome {
    expect_eq(system(c"exit 3")?.exited(), Some(3), "an exit status")?;
    expect_eq(system(c"kill -15 $$")?.signalled(), Some(15), "the signal that ended the shell")?;
    expect_eq(system(c"/no/such/command 2>/dev/null")?.exited(), Some(127), "that of a command that is missing")
}

fn system_without_a_command_says_that_there_is_a_shell() -> Outcome {
    // SAFETY: null asks whether there is a shell.
    expect(unsafe { libc::system(std::ptr::null()) } != 0, "there is a shell")
}

fn system_leaves_sigint_and_sigquit_as_they_were() -> Outcome {
    signal::count(libc::SIGINT, 0)?;
    // The command sends to its parent, which ignores both meanwhile.
    expect_eq(system(c"kill -INT $PPID; kill -QUIT $PPID")?.exited(), Some(0), "the status")?;
    expect_eq(signal::caught(libc::SIGINT), 0, "signals caught")?;
    expect(signal::disposition(libc::SIGINT)?.0 != libc::SIG_IGN, "the handler of SIGINT is there again")?;
    expect_eq(signal::disposition(libc::SIGQUIT)?.0, libc::SIG_DFL, "what SIGQUIT does")?;
    signal::raise(libc::SIGINT)?;
    expect_eq(signal::caught(libc::SIGINT), 1, "signals caught after it")
}

fn system_does_not_take_the_status_of_other_children() -> Outcome {
    let child = process::spawn_exit(6)?;
    expect_eq(system(c"exit 3")?.exited(), Some(3), "the command's status")?;
    expect_eq(child.wait()?.exited(), Some(6), "the child's status")
}
