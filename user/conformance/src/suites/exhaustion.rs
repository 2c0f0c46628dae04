//! Using things up: the call says so, and everything works again when they are given back. Specification: the ERRORS sections of
//! fork(2), open(2), mmap(2); getrlimit(2).

use crate::check::{Outcome, expect, expect_eq, expect_errno, failed, needs_root, skip};
use crate::counts::Counts;
use crate::scratch;
use crate::sys::fd::{self, Pipe};
use crate::sys::memory::{self, PAGE, Request};
use crate::sys::{path, process};
use libc::{EAGAIN, EMFILE, ENOMEM};
use std::process::Command;
use std::time::{Duration, Instant};

crate::tests! {
    processes_are_bounded_by_their_limit_and_recover,
    fork_bomb_ends_in_eagain_and_can_be_killed,
    busy_bomb_meets_the_default_limit_and_root_is_answered,
    threads_max_is_twice_the_default_process_limit,
    descriptors_are_bounded_by_their_limit_and_recover,
    descriptors_of_ended_processes_are_given_back,
    address_space_is_bounded_by_its_limit_and_recovers,
    a_hundred_processes_one_after_the_other,
    fifty_processes_at_the_same_time,
    a_hundred_threads_one_after_the_other,
    hundreds_of_mappings_in_one_process,
    hundreds_of_pipes_keep_their_bytes_apart,
    hundreds_of_files_in_one_directory,
    memory_touched_and_unmapped_again_and_again,
    directories_fifty_deep,
}

/// A user whose processes nobody else counts.
const SOMEBODY: u32 = 23_456;

fn processes_are_bounded_by_their_limit_and_recover() -> Outcome {
    const LIMIT: usize = 12;
    needs_root()?;
    process::become_user(SOMEBODY)?;
    process::set_soft_limit(libc::RLIMIT_NPROC, LIMIT as u64)?;
    for _ in 0..2 {
        let mut children = Vec::new();
        let refusal = loop {
            match process::spawn_sleeper() {
                Ok(child) => children.push(child),
                Err(error) => break error,
            }
            if children.len() > LIMIT {
                return Err(failed("more processes than the limit allows"));
            }
        };
        expect_eq(refusal.errno, EAGAIN, "errno at the limit")?;
        expect_eq(children.len(), LIMIT - 1, "children beside the process itself")?;
        for child in children {
            child.kill_and_wait()?;
        }
    }
    process::spawn_exit(0)?.expect_success()
}

/// Forks until it is refused, as every child does.
fn explode() -> Outcome {
    loop {
        match process::fork_then(|| i32::from(explode().is_err())) {
            Ok(_) => {}
            Err(error) if error.errno == EAGAIN => break,
            Err(error) => return Err(error.into()),
        }
    }
    process::pause();
    Ok(())
}

fn fork_bomb_ends_in_eagain_and_can_be_killed() -> Outcome {
    const LIMIT: u64 = 24;
    needs_root()?;
    let full = Pipe::new()?;
    let bomb = process::spawn(|| {
        process::setpgid(0, 0)?;
        process::become_user(SOMEBODY + 1)?;
        process::set_soft_limit(libc::RLIMIT_NPROC, LIMIT)?;
        fd::close(full.read)?;
        explode()
    })?;
    fd::close(full.write)?;
    // The bomb sleeps when it has been refused; the others may still be at it.
    bomb.wait_until_asleep()?;
    process::spawn_exit(0)?.expect_success()?;
    process::kill(-bomb.pid, libc::SIGKILL)?;
    expect_eq(bomb.wait()?.signalled(), Some(libc::SIGKILL), "what ended the bomb")?;
    // Every process of the bomb holds the write end: end of file means that all are gone.
    expect_eq(fd::read(full.read, &mut [0; 1])?, 0, "bytes read")
}

/// Never stops trying; says once, by the first byte in `said`, what the first refusal was.
fn explode_and_go_on(said: i32) -> Outcome {
    let mut silent = false;
    loop {
        if let Err(error) = process::fork_then(|| i32::from(explode_and_go_on(said).is_err()))
            && !silent
        {
            silent = true;
            fd::write(said, &[u8::from(error.errno == EAGAIN)])?;
        }
    }
}

fn busy_bomb_meets_the_default_limit_and_root_is_answered() -> Outcome {
    /// What a bomb can reach in the time that a test has.
    const REACHABLE: u64 = 5000;
    const SPARE_HEAP: i64 = 256 << 10;
    needs_root()?;
    Counts::at_rest()?;
    if process::getrlimit(libc::RLIMIT_NPROC)?.rlim_cur > REACHABLE {
        return skip("this machine's limit takes too long to reach");
    }
    // The kernel's tables of so many tasks stay as large as the first bomb has made them.
    outlive_a_busy_bomb()?;
    let before = Counts::at_rest()?;
    outlive_a_busy_bomb()?;
    before.expect_again(SPARE_HEAP)
}

fn outlive_a_busy_bomb() -> Outcome {
    // Whom nobody else waits for is here until this process has: nobody is left behind with init.
    process::set_child_subreaper(true)?;
    let said = Pipe::new()?;
    // It stays in the test's process group: should the test run out of time, it ends with it.
    let bomb = process::spawn(|| {
        process::become_user(SOMEBODY + 2)?;
        fd::close(said.read)?;
        explode_and_go_on(said.write)
    })?;
    fd::close(said.write)?;
    let mut first = [2];
    fd::read(said.read, &mut first)?;
    let asked = Instant::now();
    let answer = Command::new("/bin/sh").args(["-c", "ls / | wc -l"]).output();
    let waited = asked.elapsed();
    process::spawn(|| {
        process::become_user(SOMEBODY + 2)?;
        // Whomever the user may signal, but for the caller.
        Ok(process::kill(-1, libc::SIGKILL)?)
    })?
    .expect_success()?;
    expect_eq(bomb.wait()?.signalled(), Some(libc::SIGKILL), "what ended the bomb")?;
    // Every process of the bomb holds the write end: end of file means that all have ended.
    while fd::read(said.read, &mut [0; 512])? != 0 {}
    fd::close(said.read)?;
    while process::wait4(-1, 0).is_ok() {}
    expect_eq(first[0], 1, "whether the first refusal is EAGAIN")?;
    let answer = answer?;
    expect(answer.status.success() && !answer.stdout.is_empty(), &format!("the shell answers: {answer:?}"))?;
    expect(waited < Duration::from_secs(5), &format!("within five seconds, not {waited:?}"))
}

fn threads_max_is_twice_the_default_process_limit() -> Outcome {
    // Linux sets both so at boot; whoever started this may have changed either since.
    let text = std::fs::read_to_string("/proc/sys/kernel/threads-max")?;
    let threads: u64 = text.trim().parse().map_err(|_| failed(format!("threads-max is {text:?}")))?;
    Counts::at_rest()?;
    expect_eq(process::getrlimit(libc::RLIMIT_NPROC)?.rlim_cur, threads / 2, "the limit of a user")
}

fn descriptors_are_bounded_by_their_limit_and_recover() -> Outcome {
    process::set_soft_limit(libc::RLIMIT_NOFILE, 256)?;
    let mut counts = Vec::new();
    for _ in 0..3 {
        let mut pipes = Vec::new();
        let refusal = loop {
            match Pipe::new() {
                Ok(pipe) => pipes.push(pipe),
                Err(error) => break error,
            }
        };
        expect_eq(refusal.errno, EMFILE, "errno at the limit")?;
        counts.push(pipes.len());
        for pipe in pipes {
            fd::close(pipe.read)?;
            fd::close(pipe.write)?;
        }
    }
    expect(counts[0] > 100, "more than a hundred pipes fit")?;
    expect(counts.iter().all(|count| *count == counts[0]), &format!("every round finds as much room: {counts:?}"))
}

fn descriptors_of_ended_processes_are_given_back() -> Outcome {
    for _ in 0..10 {
        let child = process::spawn(|| {
            for _ in 0..15 {
                fd::fill(Pipe::new()?.write)?;
            }
            Ok(())
        })?;
        child.expect_success()?;
    }
    Ok(())
}

fn address_space_is_bounded_by_its_limit_and_recovers() -> Outcome {
    process::set_soft_limit(libc::RLIMIT_AS, 1 << 30)?;
    expect_errno(memory::map(Request::private(1 << 31)), ENOMEM)?;
    let mut mappings = Vec::new();
    while let Ok(mapping) = memory::map(Request::private(64 << 20)) {
        mappings.push(mapping);
        expect(mappings.len() <= 16, "no more than the limit is given")?;
    }
    expect_errno(memory::map(Request::private(64 << 20)), ENOMEM)?;
    for mapping in &mappings {
        mapping.unmap(0, mapping.length)?;
    }
    memory::map(Request::private(64 << 20))?;
    expect(!mappings.is_empty(), "something was given before the limit")
}

fn a_hundred_processes_one_after_the_other() -> Outcome {
    for number in 0..100 {
        let code = number % 256;
        expect_eq(process::spawn_exit(code)?.wait()?.exited(), Some(code), "the exit code")?;
    }
    Ok(())
}

fn fifty_processes_at_the_same_time() -> Outcome {
    let (gate, done) = (Pipe::new()?, Pipe::new()?);
    let mut children = Vec::new();
    for _ in 0..50 {
        children.push(process::spawn(|| {
            fd::close(gate.write)?;
            fd::read(gate.read, &mut [0; 1])?;
            fd::write(done.write, b"x")?;
            Ok(())
        })?);
    }
    fd::close(gate.write)?;
    expect_eq(fd::read_up_to(done.read, 50)?.len(), 50, "children that went through the gate")?;
    children.into_iter().try_for_each(process::Child::expect_success)
}

fn a_hundred_threads_one_after_the_other() -> Outcome {
    for number in 0..100 {
        let thread = std::thread::spawn(move || number + 1);
        expect_eq(thread.join().unwrap_or(0), number + 1, "what the thread returns")?;
    }
    Ok(())
}

fn hundreds_of_mappings_in_one_process() -> Outcome {
    // Different protections keep neighbours from merging.
    let mappings: Vec<_> = (0..400).map(|_| memory::private(2)).collect::<Result<_, _>>()?;
    for (mapping, mark) in mappings.iter().zip((0..=255).cycle()) {
        mapping.store(0, mark);
        mapping.protect(PAGE, PAGE, libc::PROT_READ)?;
    }
    let mut marked = mappings.iter().zip((0..=255).cycle());
    expect(marked.all(|(mapping, mark)| mapping.load(0) == mark), "each keeps its byte")?;
    mappings.iter().step_by(2).try_for_each(|mapping| mapping.unmap(0, 2 * PAGE))?;
    let mut odd = mappings.iter().zip((0..=255).cycle()).skip(1).step_by(2);
    expect(odd.all(|(mapping, mark)| mapping.load(0) == mark), "those that stay keep their bytes")
}

fn hundreds_of_pipes_keep_their_bytes_apart() -> Outcome {
    let pipes: Vec<Pipe> = (0..200).map(|_| Pipe::new()).collect::<Result<_, _>>()?;
    for (pipe, mark) in pipes.iter().zip(0_u32..) {
        fd::write(pipe.write, &mark.to_ne_bytes())?;
    }
    for (pipe, mark) in pipes.iter().zip(0_u32..).collect::<Vec<_>>().into_iter().rev() {
        expect_eq(fd::read_up_to(pipe.read, 4)?, mark.to_ne_bytes(), "the bytes")?;
    }
    Ok(())
}

fn hundreds_of_files_in_one_directory() -> Outcome {
    scratch::enter()?;
    for number in 0..200 {
        let file = path::create(&format!("file-{number}"))?;
        fd::write(file, number.to_string().as_bytes())?;
        fd::close(file)?;
    }
    for number in (0..200).rev() {
        let name = format!("file-{number}");
        expect_eq(std::fs::read_to_string(&name)?, number.to_string(), "the content")?;
        path::unlink(&name)?;
    }
    path::chdir("..")?;
    Ok(())
}

fn memory_touched_and_unmapped_again_and_again() -> Outcome {
    // 16 times 8 MiB: a kernel that forgets to free pages runs out of a small machine's memory.
    for round in 0..16 {
        let mapping = memory::private(2048)?;
        for page in 0..2048 {
            mapping.store(page * PAGE, round);
        }
        expect_eq(mapping.load(1000 * PAGE), round, "a byte of the round")?;
        mapping.unmap(0, 2048 * PAGE)?;
    }
    Ok(())
}

fn directories_fifty_deep() -> Outcome {
    let start = scratch::enter()?;
    for _ in 0..50 {
        path::mkdir("deeper", 0o755)?;
        path::chdir("deeper")?;
    }
    let here = path::getcwd(4096)?;
    expect_eq(here.len(), start.as_os_str().len() + 50 * "/deeper".len(), "the length of the path")?;
    path::chdir(&"../".repeat(50))?;
    expect_eq(path::getcwd(4096)?, start.to_string_lossy(), "the path fifty levels up")
}
