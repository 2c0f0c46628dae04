//! What execve refuses, and scripts. Specification: execve(2) "ERRORS" and "Interpreter scripts".

use crate::check::{Outcome, expect, expect_eq, expect_errno, skip};
use crate::probe;
use crate::scratch;
use crate::sys::fd::{self, Pipe};
use crate::sys::{memory, path, process, signal};

crate::tests! {
    missing_file_gives_enoent,
    path_through_a_file_gives_enotdir,
    file_without_execute_permission_gives_eacces_even_for_root,
    directory_gives_eacces,
    text_without_interpreter_gives_enoexec,
    truncated_elf_gives_enoexec,
    elf_of_another_machine_gives_enoexec,
    empty_file_gives_enoexec,
    script_runs_its_interpreter_with_the_path_as_argument,
    script_with_a_missing_interpreter_gives_enoent,
    too_long_argument_gives_e2big,
    failed_exec_leaves_the_process_as_it_was,
    running_program_cannot_be_written,
}

/// A file with `content` and `mode` in the test's directory.
fn file_with(name: &str, content: &[u8], mode: u32) -> Outcome {
    let file = path::open(name, libc::O_CREAT | libc::O_WRONLY | libc::O_EXCL, 0o600)?;
    fd::write(file, content)?;
    fd::close(file)?;
    Ok(path::chmod(name, mode)?)
}

fn missing_file_gives_enoent() -> Outcome {
    scratch::enter()?;
    expect_errno(process::execve("missing", &["missing"], &[]), libc::ENOENT)?;
    expect_errno(process::execve("", &["missing"], &[]), libc::ENOENT)
}

fn path_through_a_file_gives_enotdir() -> Outcome {
    scratch::enter()?;
    file_with("file", b"", 0o755)?;
    expect_errno(process::execve("file/program", &["program"], &[]), libc::ENOTDIR)
}

fn file_without_execute_permission_gives_eacces_even_for_root() -> Outcome {
    scratch::enter()?;
    file_with("file", &std::fs::read(probe::program()?)?, 0o644)?;
    expect_errno(process::execve("./file", &["file"], &[]), libc::EACCES)
}

fn directory_gives_eacces() -> Outcome {
    scratch::enter()?;
    path::mkdir("directory", 0o755)?;
    expect_errno(process::execve("directory", &["directory"], &[]), libc::EACCES)
}

fn text_without_interpreter_gives_enoexec() -> Outcome {
    scratch::enter()?;
    file_with("file", b"echo this is no program\n", 0o755)?;
    expect_errno(process::execve("file", &["file"], &[]), libc::ENOEXEC)
}

fn truncated_elf_gives_enoexec() -> Outcome {
    scratch::enter()?;
    let program = std::fs::read(probe::program()?)?;
    for length in [4, 20, 63] {
        let name = format!("elf-{length}");
        file_with(&name, &program[..length], 0o755)?;
        expect_errno(process::execve(&name, &["file"], &[]), libc::ENOEXEC)?;
    }
    Ok(())
}

fn elf_of_another_machine_gives_enoexec() -> Outcome {
    scratch::enter()?;
    let mut program = std::fs::read(probe::program()?)?;
    program.truncate(8192);
    // e_machine: EM_S390 is neither of ours.
    program[18..20].copy_from_slice(&22_u16.to_le_bytes());
    file_with("file", &program, 0o755)?;
    expect_errno(process::execve("file", &["file"], &[]), libc::ENOEXEC)
}

fn empty_file_gives_enoexec() -> Outcome {
    scratch::enter()?;
    file_with("file", b"", 0o755)?;
    expect_errno(process::execve("file", &["file"], &[]), libc::ENOEXEC)
}

fn script_runs_its_interpreter_with_the_path_as_argument() -> Outcome {
    scratch::enter()?;
    let program = probe::program()?;
    if program.len() > 200 {
        return skip("this program's path is too long for a #! line");
    }
    // The interpreter gets one optional argument: everything after its path.
    file_with("script", format!("#!{program}   one argument  \n").as_bytes(), 0o755)?;
    let output = Pipe::new()?;
    let child = process::spawn(|| {
        fd::dup2(output.write, 2)?;
        fd::close(output.write)?;
        Ok(process::execve("./script", &["ignored", "two"], &[])?)
    })?;
    fd::close(output.write)?;
    let text = fd::read_up_to(output.read, 4096)?;
    expect_eq(child.wait()?.exited(), Some(2), "the exit code for a wrong argument")?;
    let text = String::from_utf8_lossy(&text).into_owned();
    expect(text.contains("'one argument'"), &format!("the interpreter sees one argument; it said: {text}"))
}

fn script_with_a_missing_interpreter_gives_enoent() -> Outcome {
    scratch::enter()?;
    file_with("script", b"#!/nonexistent/interpreter\n", 0o755)?;
    expect_errno(process::execve("./script", &["script"], &[]), libc::ENOENT)
}

fn too_long_argument_gives_e2big() -> Outcome {
    // MAX_ARG_STRLEN is 32 pages.
    let long = "x".repeat(32 * memory::PAGE);
    let program = probe::program()?;
    expect_errno(process::execve(&program, &["program", &long], &[]), libc::E2BIG)
}

fn failed_exec_leaves_the_process_as_it_was() -> Outcome {
    scratch::enter()?;
    file_with("file", b"nothing", 0o755)?;
    let pipe = Pipe::with_flags(libc::O_CLOEXEC)?;
    signal::count(libc::SIGUSR1, 0)?;
    expect_errno(process::execve("file", &["file"], &[]), libc::ENOEXEC)?;
    fd::write(pipe.write, b"x")?;
    signal::raise(libc::SIGUSR1)?;
    expect_eq(signal::caught(libc::SIGUSR1), 1, "handlers run")
}

fn running_program_cannot_be_written() -> Outcome {
    scratch::enter()?;
    file_with("program", &std::fs::read(probe::program()?)?, 0o755)?;
    let child = process::spawn(|| {
        let number = libc::SIGTERM.to_string();
        Ok(process::execve("./program", &["program", probe::FLAG, "await", &number], &[])?)
    })?;
    // The exec has happened when the image sleeps in its wait.
    child.wait_until_asleep()?;
    expect_errno(path::open("program", libc::O_WRONLY, 0), libc::ETXTBSY)?;
    child.kill_and_wait()
}
