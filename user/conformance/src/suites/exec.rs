//! execve. Specification: execve(2), POSIX exec.

use crate::check::{Failure, Outcome, expect, expect_eq, failed, needs_root, skip};
use crate::probe;
use crate::scratch;
use crate::sys::fd::{self, Pipe};
use crate::sys::{memory, path, process, signal};
use std::time::Duration;

crate::tests! {
    arguments_arrive_in_order_even_empty_ones,
    arguments_may_exceed_a_first_stack,
    environment_arrives_and_nothing_else,
    empty_environment_is_allowed,
    process_id_stays_and_the_parent_can_wait,
    close_on_exec_closes_and_others_stay_open,
    caught_signals_go_back_to_default_and_ignored_ones_stay_ignored,
    mask_and_pending_signals_stay,
    alarm_stays,
    working_directory_and_umask_stay,
    auxiliary_vector_tells_page_size_and_user,
    auxiliary_vector_tells_a_set_user_id_program_its_owner,
    auxiliary_vector_points_to_sixteen_random_bytes,
    shared_mappings_are_gone_afterwards,
    open_file_keeps_its_offset,
    other_threads_are_gone_afterwards,
    first_process_has_every_variable_once,
}

/// Executes the probe in a child with `environment` after `prepare`; returns the lines it printed and its pid.
fn probe_after(
    words: &[&str],
    environment: &[&str],
    prepare: impl FnOnce() -> Outcome,
) -> Result<(Vec<String>, i32), Failure> {
    let program = probe::program()?;
    let output = Pipe::new()?;
    let child = process::spawn(|| {
        fd::dup2(output.write, 1)?;
        fd::close(output.write)?;
        prepare()?;
        let words: Vec<&str> = [program.as_str(), probe::FLAG].iter().chain(words).copied().collect();
        process::execve(&program, &words, environment)?;
        Err(failed("execve returned without an error"))
    })?;
    fd::close(output.write)?;
    let text = fd::read_up_to(output.read, 1 << 16)?;
    child.expect_success()?;
    Ok((String::from_utf8_lossy(&text).lines().map(str::to_string).collect(), child.pid))
}

fn probe_of(words: &[&str]) -> Result<Vec<String>, Failure> {
    probe_after(words, &[], || Ok(())).map(|(lines, _)| lines)
}

fn arguments_arrive_in_order_even_empty_ones() -> Outcome {
    let lines = probe_of(&["arguments", "one", "", "two words", "ünïcode"])?;
    expect_eq(&lines[1..], ["--probe", "arguments", "one", "", "two words", "ünïcode"], "the arguments")
}

fn arguments_may_exceed_a_first_stack() -> Outcome {
    // With their pointers 720 kB, less than a quarter of the usual 8 MiB.
    let mut words = vec!["12345678"; 40_000];
    words[0] = "pid";
    expect_eq(probe_of(&words)?.len(), 1, "lines of a probe that ran")
}

fn environment_arrives_and_nothing_else() -> Outcome {
    let (lines, _) = probe_after(&["environment"], &["A=1", "EMPTY=", "B=x=y"], || Ok(()))?;
    expect_eq(lines, ["A=1", "EMPTY=", "B=x=y"], "the environment")
}

fn empty_environment_is_allowed() -> Outcome {
    expect_eq(probe_of(&["environment"])?.len(), 0, "variables")
}

fn process_id_stays_and_the_parent_can_wait() -> Outcome {
    let (lines, pid) = probe_after(&["pid"], &[], || Ok(()))?;
    expect_eq(lines, [pid.to_string()], "the pid that the new image sees")
}

fn close_on_exec_closes_and_others_stay_open() -> Outcome {
    let (kept, closed) = (Pipe::new()?, Pipe::with_flags(libc::O_CLOEXEC)?);
    let duplicate = fd::dup(closed.read)?;
    let numbers = [kept.read, kept.write, closed.read, closed.write, duplicate].map(|number| number.to_string());
    let lines = probe_of(&["open", &numbers[0], &numbers[1], &numbers[2], &numbers[3], &numbers[4]])?;
    expect_eq(lines, ["true", "true", "false", "false", "true"], "which descriptors are open")
}

fn caught_signals_go_back_to_default_and_ignored_ones_stay_ignored() -> Outcome {
    let numbers = [libc::SIGUSR1, libc::SIGUSR2, libc::SIGTERM].map(|number| number.to_string());
    let (lines, _) = probe_after(&["signal", &numbers[0], &numbers[1], &numbers[2]], &[], || {
        signal::count(libc::SIGUSR1, 0)?;
        Ok(signal::ignore(libc::SIGUSR2)?)
    })?;
    let handlers = [libc::SIG_DFL, libc::SIG_IGN, libc::SIG_DFL];
    let expected = handlers.map(|handler| format!("handler {handler} blocked false pending false"));
    expect_eq(lines, expected, "the dispositions")
}

fn mask_and_pending_signals_stay() -> Outcome {
    let number = libc::SIGUSR1.to_string();
    let (lines, _) = probe_after(&["signal", &number], &[], || {
        signal::block(&[libc::SIGUSR1])?;
        Ok(signal::raise(libc::SIGUSR1)?)
    })?;
    expect_eq(lines, ["handler 0 blocked true pending true"], "mask and pending signals")
}

fn alarm_stays() -> Outcome {
    let program = probe::program()?;
    let child = process::spawn(|| {
        crate::sys::time::alarm_after(Duration::from_millis(20), Duration::ZERO)?;
        signal::block(&[libc::SIGALRM])?;
        let number = libc::SIGALRM.to_string();
        process::execve(&program, &[&program, probe::FLAG, "await", &number], &[])?;
        Ok(())
    })?;
    expect_eq(child.wait()?.exited(), Some(0), "the exit code of a probe that waits for SIGALRM")
}

fn working_directory_and_umask_stay() -> Outcome {
    let directory = scratch::enter()?;
    let (lines, _) = probe_after(&["place"], &[], || {
        path::umask(0o31);
        Ok(())
    })?;
    expect_eq(lines, [directory.to_string_lossy().into_owned(), "31".to_string()], "directory and umask")
}

fn auxiliary_vector_tells_page_size_and_user() -> Outcome {
    let kinds = [libc::AT_PAGESZ, libc::AT_UID, libc::AT_EUID, libc::AT_SECURE].map(|kind| kind.to_string());
    let lines = probe_of(&["auxiliary", &kinds[0], &kinds[1], &kinds[2], &kinds[3]])?;
    let user = process::geteuid().to_string();
    expect_eq(lines, [memory::PAGE.to_string(), user.clone(), user, "0".to_string()], "the entries")
}

fn auxiliary_vector_tells_a_set_user_id_program_its_owner() -> Outcome {
    const USER: u32 = 1000;
    if process::geteuid() != 0 {
        return skip("only root can make programs of root");
    }
    scratch::enter()?;
    if path::ignores_set_id(".")? {
        return skip("the scratch directory's mount ignores set-user-ID bits");
    }
    std::fs::copy(probe::program()?, "program")?;
    path::chmod(".", 0o755)?;
    path::chmod("program", 0o4755)?;
    let kinds = [libc::AT_UID, libc::AT_EUID, libc::AT_SECURE].map(|kind| kind.to_string());
    let output = Pipe::new()?;
    let child = process::spawn(|| {
        fd::dup2(output.write, 1)?;
        fd::close(output.write)?;
        process::become_user(USER)?;
        let words = ["program", probe::FLAG, "auxiliary", &kinds[0], &kinds[1], &kinds[2]];
        Ok(process::execve("./program", &words, &[])?)
    })?;
    fd::close(output.write)?;
    let text = fd::read_up_to(output.read, 4096)?;
    child.expect_success()?;
    expect_eq(text, format!("{USER}\n0\n1\n").into_bytes(), "AT_UID, AT_EUID and AT_SECURE")
}

fn auxiliary_vector_points_to_sixteen_random_bytes() -> Outcome {
    let (one, two) = (probe_of(&["random-bytes"])?, probe_of(&["random-bytes"])?);
    expect_eq(one[0].len(), 32, "hexadecimal digits of AT_RANDOM")?;
    expect(one != two, "two processes get different bytes")
}

fn shared_mappings_are_gone_afterwards() -> Outcome {
    let mapping = memory::shared(1)?;
    mapping.store_all(0, &[0x5a; 8]);
    expect_eq(probe_of(&["mapped", &mapping.address.to_string()])?, ["false"], "whether the old bytes are there")
}

fn open_file_keeps_its_offset() -> Outcome {
    scratch::enter()?;
    let file = path::create("file")?;
    fd::write(file, b"0123456789")?;
    fd::lseek(file, 4, libc::SEEK_SET)?;
    let number = file.to_string();
    expect_eq(probe_of(&["read", &number])?, ["456789"], "what the new image reads")
}

fn other_threads_are_gone_afterwards() -> Outcome {
    let pipe = Pipe::new()?;
    let (lines, _) = probe_after(&["thread", &pipe.read.to_string()], &[], || {
        std::thread::spawn(move || {
            let told = fd::write(pipe.write, &process::gettid().to_ne_bytes());
            process::pause();
            told
        });
        // The exec must not come before the other thread is there.
        while fd::fionread(pipe.read)? == 0 {
            std::thread::yield_now();
        }
        Ok(())
    })?;
    expect_eq(lines, ["false"], "whether the old image's other thread can be signalled")
}

fn first_process_has_every_variable_once() -> Outcome {
    needs_root()?;
    let text = match std::fs::read("/proc/1/environ") {
        // In a container or sandbox even root may not look into it.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return skip("process 1 is not ours"),
        read => read?,
    };
    let variables = text.split(|byte| *byte == 0).filter(|variable| !variable.is_empty());
    let mut names: Vec<_> = variables.map(|variable| variable.split(|byte| *byte == b'=').next()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    expect_eq(count, names.len(), "variables beside different names")
}
