//! fork and what parent and child share. Specification: fork(2), POSIX fork().

use crate::check::{Outcome, expect, expect_eq};
use crate::scratch;
use crate::sys::fd::{self, Pipe};
use crate::sys::memory::{self, PAGE};
use crate::sys::{path, process, signal, time};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

crate::tests! {
    child_has_a_pid_of_its_own_and_the_parents_as_ppid,
    private_memory_is_isolated_both_ways,
    child_sees_memory_as_it_was_at_the_fork,
    stack_is_isolated_too,
    shared_memory_stays_shared,
    grandchildren_see_the_right_copy,
    open_files_share_their_offset,
    closing_in_the_child_leaves_the_parents_descriptor_open,
    descriptor_flags_are_copied_and_not_shared,
    status_flags_are_shared,
    child_inherits_handlers_and_mask,
    child_has_no_pending_signals,
    child_has_no_alarm,
    child_inherits_working_directory_and_umask,
    changing_directory_in_the_child_leaves_the_parents,
    child_is_in_the_parents_group_and_session,
    orphan_gets_another_parent,
    every_orphan_gets_the_signal_that_it_asked_for,
    every_zombie_of_one_that_ends_is_gone_with_it,
    many_pages_are_copied_right_when_both_sides_write,
    fork_while_the_kernel_reads_into_the_page_keeps_the_isolation,
    vfork_child_runs_before_the_parent_goes_on,
    parent_that_waits_for_its_vfork_child_can_be_killed,
    group_that_is_killed_while_it_forks_leaves_nobody,
}

static COUNTER: AtomicU32 = AtomicU32::new(0);

fn child_has_a_pid_of_its_own_and_the_parents_as_ppid() -> Outcome {
    let parent = process::getpid();
    let pipe = Pipe::new()?;
    let child = process::spawn(|| {
        expect(process::getpid() != parent, "the child's pid differs from the parent's")?;
        expect_eq(process::getppid(), parent, "the child's ppid")?;
        fd::write(pipe.write, &process::getpid().to_ne_bytes())?;
        Ok(())
    })?;
    expect_eq(fd::read_up_to(pipe.read, 4)?, child.pid.to_ne_bytes(), "the child's pid as it sees it")?;
    child.expect_success()
}

fn private_memory_is_isolated_both_ways() -> Outcome {
    let mapping = memory::private(1)?;
    let (to_child, to_parent) = (Pipe::new()?, Pipe::new()?);
    mapping.store(0, 1);
    let child = process::spawn(|| {
        mapping.store(0, 2);
        fd::write(to_parent.write, b"x")?;
        fd::read_up_to(to_child.read, 1)?;
        expect_eq(mapping.load(0), 2, "the child's byte after the parent wrote")
    })?;
    fd::read_up_to(to_parent.read, 1)?;
    expect_eq(mapping.load(0), 1, "the parent's byte after the child wrote")?;
    mapping.store(0, 3);
    fd::write(to_child.write, b"x")?;
    child.expect_success()
}

fn child_sees_memory_as_it_was_at_the_fork() -> Outcome {
    COUNTER.store(41, Ordering::SeqCst);
    let boxed = vec![5_u8; 3 * PAGE];
    let child = process::spawn(|| {
        expect_eq(COUNTER.load(Ordering::SeqCst), 41, "a static variable")?;
        expect(boxed.iter().all(|byte| *byte == 5), "the heap is as it was")
    })?;
    COUNTER.store(42, Ordering::SeqCst);
    child.expect_success()
}

fn stack_is_isolated_too() -> Outcome {
    let local = AtomicU32::new(1);
    let child = process::spawn(|| {
        local.store(2, Ordering::SeqCst);
        Ok(())
    })?;
    child.expect_success()?;
    expect_eq(local.load(Ordering::SeqCst), 1, "the parent's local variable")
}

fn shared_memory_stays_shared() -> Outcome {
    let mapping = memory::shared(1)?;
    let child = process::spawn(|| {
        mapping.word(0).store(77, Ordering::SeqCst);
        Ok(())
    })?;
    child.expect_success()?;
    expect_eq(mapping.word(0).load(Ordering::SeqCst), 77, "the word the child stored")
}

fn grandchildren_see_the_right_copy() -> Outcome {
    let mapping = memory::private(1)?;
    mapping.store(0, 1);
    let child = process::spawn(|| {
        mapping.store(0, 2);
        process::spawn(|| {
            expect_eq(mapping.load(0), 2, "the grandchild's byte")?;
            mapping.store(0, 3);
            Ok(())
        })?
        .expect_success()?;
        expect_eq(mapping.load(0), 2, "the child's byte after the grandchild wrote")
    })?;
    child.expect_success()?;
    expect_eq(mapping.load(0), 1, "the parent's byte")
}

fn open_files_share_their_offset() -> Outcome {
    scratch::enter()?;
    let file = path::create("file")?;
    fd::write(file, b"0123456789")?;
    fd::lseek(file, 2, libc::SEEK_SET)?;
    let child = process::spawn(|| expect_eq(fd::read_up_to(file, 3)?, b"234", "what the child reads"))?;
    child.expect_success()?;
    expect_eq(fd::read_up_to(file, 3)?, b"567", "what the parent reads next")
}

fn closing_in_the_child_leaves_the_parents_descriptor_open() -> Outcome {
    let pipe = Pipe::new()?;
    let child = process::spawn(|| {
        fd::close(pipe.read)?;
        fd::close(pipe.write)?;
        Ok(())
    })?;
    child.expect_success()?;
    expect_eq(fd::write(pipe.write, b"x")?, 1, "bytes written")
}

fn descriptor_flags_are_copied_and_not_shared() -> Outcome {
    let pipe = Pipe::with_flags(libc::O_CLOEXEC)?;
    let child = process::spawn(|| {
        expect_eq(fd::fcntl(pipe.read, libc::F_GETFD, 0)?, libc::FD_CLOEXEC, "the child's flags")?;
        fd::fcntl(pipe.read, libc::F_SETFD, 0)?;
        Ok(())
    })?;
    child.expect_success()?;
    expect_eq(fd::fcntl(pipe.read, libc::F_GETFD, 0)?, libc::FD_CLOEXEC, "the parent's flags")
}

fn status_flags_are_shared() -> Outcome {
    let pipe = Pipe::new()?;
    let child = process::spawn(|| Ok(fd::set_status_flag(pipe.read, libc::O_NONBLOCK)?))?;
    child.expect_success()?;
    let flags = fd::fcntl(pipe.read, libc::F_GETFL, 0)?;
    expect_eq(flags & libc::O_NONBLOCK, libc::O_NONBLOCK, "O_NONBLOCK as the parent sees it")
}

fn child_inherits_handlers_and_mask() -> Outcome {
    signal::count(libc::SIGUSR1, 0)?;
    signal::block(&[libc::SIGUSR2])?;
    let child = process::spawn(|| {
        expect_eq(signal::mask()?, [libc::SIGUSR2], "the child's mask")?;
        signal::raise(libc::SIGUSR1)?;
        expect_eq(signal::caught(libc::SIGUSR1), 1, "handlers run in the child")
    })?;
    child.expect_success()?;
    expect_eq(signal::caught(libc::SIGUSR1), 0, "handlers run in the parent")
}

fn child_has_no_pending_signals() -> Outcome {
    signal::block(&[libc::SIGUSR1])?;
    signal::raise(libc::SIGUSR1)?;
    expect_eq(signal::pending()?, [libc::SIGUSR1], "the parent's pending signals")?;
    process::spawn(|| expect_eq(signal::pending()?, [], "the child's pending signals"))?.expect_success()
}

fn child_has_no_alarm() -> Outcome {
    time::alarm_after(Duration::from_secs(100), Duration::ZERO)?;
    process::spawn(|| expect_eq(time::alarm_left()?, Duration::ZERO, "what the child's alarm has left"))?
        .expect_success()?;
    expect(time::alarm_left()? > Duration::from_secs(50), "the parent's alarm runs on")
}

fn child_inherits_working_directory_and_umask() -> Outcome {
    let directory = scratch::enter()?;
    path::umask(0o27);
    let child = process::spawn(|| {
        expect_eq(path::getcwd(4096)?, directory.to_string_lossy(), "the child's working directory")?;
        expect_eq(path::umask(0), 0o27, "the child's umask")
    })?;
    child.expect_success()?;
    expect_eq(path::umask(0), 0o27, "the parent's umask after the child changed its own")
}

fn changing_directory_in_the_child_leaves_the_parents() -> Outcome {
    let directory = scratch::enter()?;
    process::spawn(|| Ok(path::chdir("/")?))?.expect_success()?;
    expect_eq(path::getcwd(4096)?, directory.to_string_lossy(), "the parent's working directory")
}

fn child_is_in_the_parents_group_and_session() -> Outcome {
    let (group, session) = (process::getpgid(0)?, process::getsid(0)?);
    let child = process::spawn(|| {
        expect_eq(process::getpgid(0)?, group, "the child's group")?;
        expect_eq(process::getsid(0)?, session, "the child's session")
    })?;
    child.expect_success()
}

fn orphan_gets_another_parent() -> Outcome {
    let pipe = Pipe::new()?;
    let gate = Pipe::new()?;
    let child = process::spawn(|| {
        process::spawn(|| {
            // The test opens the gate when it has waited for the process in the middle.
            fd::read(gate.read, &mut [0; 1])?;
            fd::write(pipe.write, &process::getppid().to_ne_bytes())?;
            Ok(())
        })?;
        Ok(())
    })?;
    child.expect_success()?;
    fd::write(gate.write, b"x")?;
    let told = fd::read_up_to(pipe.read, 4)?;
    expect_eq(told.len(), 4, "bytes of the orphan's ppid")?;
    expect(told != child.pid.to_ne_bytes(), "the orphan's ppid is no longer the dead parent")?;
    expect(told != process::getpid().to_ne_bytes(), "the grandparent does not become the parent")
}

/// More than the kernel deals with at once.
const MANY: usize = 100;

fn every_orphan_gets_the_signal_that_it_asked_for() -> Outcome {
    let pipe = Pipe::new()?;
    let child = process::spawn(|| {
        for _ in 0..MANY {
            process::spawn(|| {
                process::set_parent_death_signal(libc::SIGKILL)?;
                fd::write(pipe.write, b"x")?;
                process::pause();
                Ok(())
            })?;
        }
        fd::close(pipe.write)?;
        // All have asked.
        expect_eq(fd::read_up_to(pipe.read, MANY)?.len(), MANY, "grandchildren")
    })?;
    fd::close(pipe.write)?;
    child.expect_success()?;
    expect_eq(fd::read(pipe.read, &mut [0; 1])?, 0, "bytes at the end of the pipe, when the last of them is gone")
}

fn every_zombie_of_one_that_ends_is_gone_with_it() -> Outcome {
    let pipe = Pipe::new()?;
    let child = process::spawn(|| {
        for _ in 0..MANY {
            let zombie = process::spawn_exit(0)?;
            process::wait_for_state(zombie.pid, 'Z')?;
            fd::write(pipe.write, &zombie.pid.to_ne_bytes())?;
        }
        Ok(())
    })?;
    child.expect_success()?;
    let pids = fd::read_up_to(pipe.read, MANY * size_of::<i32>())?;
    expect_eq(pids.len(), MANY * size_of::<i32>(), "bytes of their numbers")?;
    for pid in pids.chunks_exact(size_of::<i32>()) {
        let pid = i32::from_ne_bytes([pid[0], pid[1], pid[2], pid[3]]);
        process::wait_until_gone(pid)?;
    }
    Ok(())
}

fn many_pages_are_copied_right_when_both_sides_write() -> Outcome {
    const PAGES: usize = 64;
    let mapping = memory::private(PAGES)?;
    let fill = |salt: u8| (0..PAGES).zip(0_u8..).for_each(|(page, mark)| mapping.store(page * PAGE + 5, mark ^ salt));
    let intact = |salt: u8| (0..PAGES).zip(0_u8..).all(|(page, mark)| mapping.load(page * PAGE + 5) == mark ^ salt);
    fill(0);
    let mut children = Vec::new();
    for salt in [0x40, 0x80, 0xc0] {
        children.push(process::spawn(|| {
            expect(intact(0), "the child sees the parent's pages")?;
            fill(salt);
            expect(intact(salt), "the child sees its own pages")
        })?);
    }
    children.into_iter().try_for_each(process::Child::expect_success)?;
    expect(intact(0), "the parent's pages are as they were")
}

fn fork_while_the_kernel_reads_into_the_page_keeps_the_isolation() -> Outcome {
    // The kernel's own store into a copy-on-write page must copy it as the process's store would.
    let mapping = memory::private(1)?;
    let (pipe, done) = (Pipe::new()?, Pipe::new()?);
    mapping.store_all(0, b"old");
    let child = process::spawn(|| {
        fd::read(done.read, &mut [0; 1])?;
        expect_eq(mapping.load_all(0, 3), b"old", "the child's bytes")
    })?;
    fd::write(pipe.write, b"new")?;
    fd::read_into(pipe.read, &mapping, 0, 3)?;
    fd::write(done.write, b"x")?;
    expect_eq(mapping.load_all(0, 3), b"new", "the parent's bytes")?;
    child.expect_success()
}

fn vfork_child_runs_before_the_parent_goes_on() -> Outcome {
    // posix_spawn uses CLONE_VM | CLONE_VFORK: its return value tells what the child's exec said.
    let missing = std::process::Command::new("/nonexistent/program").spawn();
    expect(missing.is_err(), "spawning a missing program fails in the parent")?;
    let status =
        std::process::Command::new(crate::probe::program()?).args([crate::probe::FLAG, "exit", "23"]).status()?;
    expect_eq(status.code(), Some(23), "the exit code of the spawned program")
}

fn parent_that_waits_for_its_vfork_child_can_be_killed() -> Outcome {
    let alive = Pipe::new()?;
    let parent = process::spawn(|| {
        let flags = libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: without CLONE_VM this is a fork after which the parent waits.
        let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
        if pid == 0 {
            fd::write(alive.write, b"x")?;
            loop {
                process::pause();
            }
        }
        expect(false, "the parent sleeps as long as the child")
    })?;
    fd::read(alive.read, &mut [0; 1])?;
    parent.kill_and_wait()
}

fn group_that_is_killed_while_it_forks_leaves_nobody() -> Outcome {
    const ROUNDS: u32 = 20;
    for round in 0..ROUNDS {
        let alive = Pipe::new()?;
        let leader = process::spawn(|| {
            process::setpgid(0, 0)?;
            fd::write(alive.write, b"x")?;
            // SAFETY: the new processes use only what fork leaves usable.
            unsafe { libc::fork() };
            loop {
                process::spawn_exit(0)?.wait()?;
            }
        })?;
        fd::close(alive.write)?;
        fd::read(alive.read, &mut [0; 1])?;
        std::thread::sleep(Duration::from_millis(u64::from(round % 7)));
        process::kill(-leader.pid, libc::SIGKILL)?;
        leader.wait()?;
        // Whoever survives holds the other end open, and this read does not end.
        expect_eq(fd::read(alive.read, &mut [0; 1])?, 0, "bytes read once all are gone")?;
        fd::close(alive.read)?;
    }
    Ok(())
}
