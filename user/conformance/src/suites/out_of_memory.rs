//! All memory is used up, in every way that a program has: the call is refused, or the process that asked is killed; the
//! kernel goes on, others can work, and everything comes back. Only on a small machine with Postern's counts: elsewhere these
//! tests are skipped, for they would take all of a large machine's memory. `make run MEM=64M CMD="conformance --suite
//! out_of_memory"`. Specification: the ENOMEM of each call; docs/memory.md, "Running out".

use crate::check::{Failure, Outcome, expect, expect_eq, failed, skip};
use crate::counts::Counts;
use crate::sys::attack::{self, machine_bytes};
use crate::sys::fd::{self, Pipe};
use crate::sys::memory::{self, Mapping, PAGE, Request};
use crate::sys::{Sys, mount, path, process, ready, signal, socket};
use crate::{probe, scratch};

crate::tests! {
    fork_bomb_is_refused,
    threads_are_refused,
    processes_that_touch_too_much_are_killed,
    process_whose_threads_all_touch_too_much_is_reported_once,
    files_are_refused,
    directories_with_long_names_are_refused,
    symlinks_and_fifos_are_refused,
    protecting_every_other_page_is_refused,
    unmapping_every_other_page_is_refused,
    locking_every_other_page_is_refused,
    descriptors_are_refused,
    pipes_filled_to_the_brim_are_refused,
    sockets_full_of_messages_are_refused,
    files_under_way_are_refused,
    eventfds_and_their_watches_are_refused,
    memory_files_are_refused,
    queued_signals_are_refused,
    supplementary_groups_are_refused,
    vectors_of_many_readers_are_refused,
    sets_of_many_pollers_are_refused,
    arguments_of_many_programs_are_refused,
    file_locks_are_refused,
    record_locks_are_refused,
    the_map_of_a_process_with_many_areas_is_refused,
    a_path_too_long_to_tell_is_refused,
    a_deep_tree_is_forgotten_at_once,
    memory_of_kernel_objects_goes_back_to_programs,
}

/// What a refusal may say.
const REFUSALS: [i32; 8] = [
    libc::ENOMEM,
    libc::EAGAIN,
    libc::EMFILE,
    libc::ENFILE,
    libc::ENOSPC,
    libc::ENOLCK,
    libc::ENOBUFS,
    libc::ETOOMANYREFS,
];
/// More of anything than a small machine can hold.
const TOO_MANY: usize = 400_000;
/// Left free by [`fill`], for the attacker's own stack and heap.
const SPARE: usize = 400 << 10;

/// What the kernel's tables may keep of the size they had when they were full.
const SPARE_HEAP: i64 = 128 << 10;

/// Lets a process of its own attack, kills what it leaves, and looks whether the system is as before.
fn survive(attack: impl FnOnce() -> Outcome) -> Outcome {
    survive_and(attack, || Ok(()))
}

/// The same; `clean_up` takes away what the attacker leaves besides processes.
fn survive_and(attack: impl FnOnce() -> Outcome, clean_up: impl FnOnce() -> Outcome) -> Outcome {
    // What is made once for all is made before the count: the file system of memory files, and the pages of this process and
    // of the one that waits for it and for orphans, by an attack that does no more than leave one.
    fd::close(memory::memfd(1)?)?;
    Counts::at_rest()?.expect_again(SPARE_HEAP)?;
    outcome_of(|| Ok(process::spawn_sleeper().map(drop)?))?;
    // Something of every size, kept to the end: what this process allocates meanwhile then takes no page, and gives none back.
    let _ballast: Vec<Vec<u8>> = (1..=64).map(|size| vec![0; size * 16]).collect();
    let before = Counts::at_rest()?;
    let status = outcome_of(attack)?;
    clean_up()?;
    // SIGABRT: the C library or Rust found no memory.
    if status.exited() != Some(0) && !matches!(status.signalled(), Some(libc::SIGKILL | libc::SIGABRT)) {
        return Err(failed(format!("the attacker succeeds or is killed (its wait status is {:#x})", status.0)));
    }
    before.expect_again(SPARE_HEAP)?;
    expect_eq(process::spawn_exit(7)?.wait()?.exited(), Some(7), "a process made afterwards")
}

/// How an attacker ended, who has left nobody.
fn outcome_of(attack: impl FnOnce() -> Outcome) -> Result<process::Status, Failure> {
    let attacker = process::spawn(|| {
        process::setpgid(0, 0)?;
        // Rust reports that it finds no memory, in pieces and without an end if that takes memory: over the tests' own lines.
        fd::dup2(path::open("/dev/null", libc::O_WRONLY, 0)?, libc::STDERR_FILENO)?;
        attack::set_limit(libc::RLIMIT_NOFILE, 500_000)?;
        attack()
    })?;
    let status = attacker.wait()?;
    // ESRCH: nobody is left.
    let _ = process::kill(-attacker.pid, libc::SIGKILL);
    Ok(status)
}

/// Skips the test on a machine that is too large to be filled, or not Postern.
fn needs_small_machine() -> Outcome {
    const SMALL: u64 = 100 << 20;
    if machine_bytes()? > SMALL {
        return skip("needs a machine with less than 100 MiB, which it may fill");
    }
    Counts::at_rest().map(drop)
}

/// Repeats `call` until it is refused; how often it succeeded. It may also be done before that.
fn until_refused(most: usize, mut call: impl FnMut(usize) -> Sys<()>) -> Result<usize, Failure> {
    for count in 0..most {
        match call(count) {
            Ok(()) => {}
            Err(error) if REFUSALS.contains(&error.errno) => return Ok(count),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(most)
}

/// The same where memory must run out before `TOO_MANY`.
fn refused(call: impl FnMut(usize) -> Sys<()>) -> Outcome {
    let count = until_refused(TOO_MANY, call)?;
    if count < TOO_MANY { Ok(()) } else { Err(failed("it was never refused")) }
}

/// Uses up nearly all memory, for as long as this process lives.
fn fill() -> Outcome {
    let file = match memory::memfd(0) {
        Err(error) if error.errno == libc::ENOMEM => return Ok(()),
        file => file?,
    };
    let chunk = [1; 4 * PAGE];
    // A failure writes to errno, whose page must be this process's own before memory is gone.
    let _ = fd::close(-1);
    let mut bytes = 0;
    while let Ok(count @ 1..) = fd::write(file, &chunk) {
        bytes += count;
    }
    expect(bytes > SPARE, "there was memory to fill")?;
    path::ftruncate(file, i64::try_from(bytes - SPARE).unwrap_or(0)).map_err(Failure::from)
}

/// Makes `count` processes, fills memory, then lets each of them do `body` and waits for all.
fn crowd(count: usize, body: impl Fn() -> Outcome) -> Outcome {
    let gate = Pipe::new()?;
    let made = until_refused(count, |_| {
        process::fork_then(|| {
            let opened = fd::close(gate.write).and_then(|()| fd::read(gate.read, &mut [0; 1]));
            i32::from(opened.is_err() || body().is_err())
        })
        .map(drop)
    })?;
    fill()?;
    fd::close(gate.write)?;
    for _ in 0..made {
        process::wait4(-1, 0)?;
    }
    Ok(())
}

fn fork_bomb_is_refused() -> Outcome {
    needs_small_machine()?;
    survive(|| refused(|_| process::spawn_sleeper().map(drop)))
}

fn threads_are_refused() -> Outcome {
    needs_small_machine()?;
    survive(|| {
        fill()?;
        loop {
            let thread = std::thread::Builder::new().stack_size(16 << 10).spawn(process::pause);
            if thread.is_err() {
                return Ok(());
            }
        }
    })
}

/// Touches, page by page, more memory than there is, which was mapped before: when memory is short a mapping would be refused,
/// and who asks for it lives.
fn touch_without_end() -> Outcome {
    const PAGES: usize = 256;
    let count = machine_bytes()? / (PAGES * PAGE) as u64 + 1;
    let mappings = (0..count).map(|_| memory::private(PAGES)).collect::<Sys<Vec<_>>>()?;
    for mapping in mappings {
        (0..PAGES).for_each(|page| mapping.store(page * PAGE, 1));
    }
    Ok(())
}

fn processes_that_touch_too_much_are_killed() -> Outcome {
    needs_small_machine()?;
    survive(|| {
        let eaters: Vec<_> = (0..4).map(|_| process::spawn(touch_without_end)).collect::<Sys<_>>()?;
        for eater in eaters {
            expect_eq(eater.wait()?.signalled(), Some(libc::SIGKILL), "what ended it")?;
        }
        Ok(())
    })
}

fn process_whose_threads_all_touch_too_much_is_reported_once() -> Outcome {
    needs_small_machine()?;
    survive(|| {
        let victim = process::spawn(|| {
            for _ in 1..8 {
                std::thread::spawn(touch_without_end);
            }
            touch_without_end()
        })?;
        let report = format!("killed process {} (", victim.pid);
        expect_eq(victim.wait()?.signalled(), Some(libc::SIGKILL), "what ended it")?;
        let log = std::fs::read_to_string("/dev/kmsg")?;
        expect_eq(log.matches(&report).count(), 1, "lines of the log about it")
    })
}

/// Attacks from a scratch file system of its own, which goes with everything in it.
fn on_a_tmpfs(attack: impl Fn() -> Outcome) -> Outcome {
    let directory = scratch::enter()?.join("m").to_string_lossy().into_owned();
    path::mkdir(&directory, 0o700)?;
    survive_and(
        || {
            mount::mount_tmpfs(&directory)?;
            path::chdir(&directory)?;
            attack()
        },
        || mount::unmount(&directory, libc::MNT_DETACH).map_err(Failure::from),
    )
}

fn files_are_refused() -> Outcome {
    needs_small_machine()?;
    on_a_tmpfs(|| {
        fill()?;
        refused(|count| path::create(&format!("f{count}")).and_then(fd::close))
    })
}

fn directories_with_long_names_are_refused() -> Outcome {
    needs_small_machine()?;
    let name = "x".repeat(240);
    on_a_tmpfs(|| {
        fill()?;
        refused(|count| path::mkdir(&format!("{name}{count}"), 0o700))
    })
}

fn symlinks_and_fifos_are_refused() -> Outcome {
    needs_small_machine()?;
    let target = "x".repeat(4000);
    on_a_tmpfs(|| {
        fill()?;
        refused(|count| match count % 2 {
            0 => path::symlink(&target, &format!("l{count}")),
            _ => attack::mkfifo(&format!("p{count}")),
        })
    })
}

/// Memory of which nothing is there yet, for as many areas as a process may have.
fn reserved() -> Sys<Mapping> {
    memory::map(Request { protection: libc::PROT_NONE, ..Request::private(130_000 * PAGE) })
}

/// Fills memory, then does `change` to every other page.
fn change_every_other_page(change: impl Fn(&Mapping, usize) -> Sys<()>) -> Outcome {
    survive(|| {
        let mapping = reserved()?;
        fill()?;
        until_refused(65_000, |count| change(&mapping, 2 * count * PAGE)).map(drop)
    })
}

fn protecting_every_other_page_is_refused() -> Outcome {
    needs_small_machine()?;
    change_every_other_page(|mapping, at| mapping.protect(at, PAGE, libc::PROT_READ))
}

fn unmapping_every_other_page_is_refused() -> Outcome {
    needs_small_machine()?;
    change_every_other_page(|mapping, at| mapping.unmap(at, PAGE))
}

fn locking_every_other_page_is_refused() -> Outcome {
    needs_small_machine()?;
    change_every_other_page(|mapping, at| attack::advise(mapping, at, PAGE, libc::MADV_DONTFORK))?;
    survive(|| {
        attack::set_limit(libc::RLIMIT_MEMLOCK, libc::RLIM_INFINITY)?;
        let mapping = memory::map(Request { protection: libc::PROT_READ, ..Request::private(130_000 * PAGE) })?;
        fill()?;
        until_refused(65_000, |count| attack::lock(&mapping, 2 * count * PAGE, PAGE)).map(drop)
    })
}

fn descriptors_are_refused() -> Outcome {
    needs_small_machine()?;
    survive(|| {
        fill()?;
        refused(|_| fd::dup(0).map(drop))?;
        // A large table is copied by every child.
        until_refused(100, |_| process::spawn_sleeper().map(drop)).map(drop)
    })
}

fn pipes_filled_to_the_brim_are_refused() -> Outcome {
    needs_small_machine()?;
    survive(|| {
        refused(|_| {
            let pipe = Pipe::with_flags(libc::O_NONBLOCK)?;
            // The pipe is full, or memory is: the next pipe tells.
            while let Ok(1..) = fd::write(pipe.write, &[1; PAGE]) {}
            Ok(())
        })
    })
}

fn sockets_full_of_messages_are_refused() -> Outcome {
    needs_small_machine()?;
    const LARGEST: usize = 200_000;
    for (kind, length) in [(libc::SOCK_DGRAM, LARGEST), (libc::SOCK_STREAM, LARGEST), (libc::SOCK_SEQPACKET, 1)] {
        let message = vec![1; length];
        survive(|| {
            refused(|_| {
                let [here, _] = socket::pair(kind | libc::SOCK_NONBLOCK)?;
                while let Ok(1..) = socket::send(here, &message, 0) {}
                Ok(())
            })
        })?;
    }
    Ok(())
}

fn files_under_way_are_refused() -> Outcome {
    needs_small_machine()?;
    survive(|| {
        let event = fd::eventfd(0, 0)?;
        let files = [event; 250];
        fill()?;
        refused(|_| {
            let [here, there] = socket::pair(libc::SOCK_DGRAM | libc::SOCK_NONBLOCK)?;
            // Each pair travels in the next one, so that they are freed one within the other.
            while let Ok(1..) = socket::send_fds(here, b"x", &files) {}
            fd::close(there)?;
            Ok(())
        })
    })
}

fn eventfds_and_their_watches_are_refused() -> Outcome {
    needs_small_machine()?;
    survive(|| {
        let epoll = ready::epoll_create()?;
        fill()?;
        refused(|_| {
            let event = fd::eventfd(1, 0)?;
            ready::epoll_add(epoll, event, libc::EPOLLIN)
        })
    })
}

fn memory_files_are_refused() -> Outcome {
    needs_small_machine()?;
    survive(|| {
        refused(|_| {
            let file = memory::memfd(1 << 40)?;
            // Far apart, so that each page needs a place of its own in the file's map.
            for place in 0..100 {
                fd::pwrite(file, b"x", place << 32)?;
            }
            Ok(())
        })
    })
}

fn queued_signals_are_refused() -> Outcome {
    needs_small_machine()?;
    survive(|| {
        signal::block(&[libc::SIGRTMIN(), libc::SIGCHLD])?;
        attack::set_limit(libc::RLIMIT_SIGPENDING, libc::RLIM_INFINITY)?;
        let mut receivers = Vec::new();
        for _ in 0..50 {
            receivers.push(process::spawn_sleeper()?);
        }
        fill()?;
        // Signals of kill(2) are not refused: they arrive without their information.
        until_refused(TOO_MANY / 2, |count| receivers[count % receivers.len()].kill(libc::SIGRTMIN())).map(drop)
    })
}

fn supplementary_groups_are_refused() -> Outcome {
    needs_small_machine()?;
    survive(|| {
        until_refused(300, |_| {
            process::fork_then(|| {
                let changed = attack::set_most_groups();
                if changed.is_ok() {
                    process::pause();
                }
                0
            })
            .map(drop)
        })
        .map(drop)?;
        fill()?;
        refused(|_| attack::set_most_groups().and(Err(crate::sys::SysError { call: "done", errno: libc::ENOMEM })))
    })
}

fn vectors_of_many_readers_are_refused() -> Outcome {
    needs_small_machine()?;
    survive(|| {
        let [_here, there] = socket::pair(libc::SOCK_STREAM)?;
        socket::set_timeout(there, libc::SO_RCVTIMEO, 300)?;
        crowd(300, || {
            let mut bytes = [0; 1024];
            let mut buffers: Vec<&mut [u8]> = bytes.chunks_mut(1).collect();
            let _ = fd::readv(there, &mut buffers);
            Ok(())
        })
    })
}

fn sets_of_many_pollers_are_refused() -> Outcome {
    needs_small_machine()?;
    survive(|| {
        let pipe = Pipe::new()?;
        let mut entries = vec![ready::wanting(pipe.read, libc::POLLIN); 3000];
        crowd(200, || {
            // Shared with the parent until the kernel writes to them.
            let mut entries = entries.clone();
            let _ = ready::poll(&mut entries, 300);
            Ok(())
        })?;
        entries.clear();
        Ok(())
    })
}

fn arguments_of_many_programs_are_refused() -> Outcome {
    needs_small_machine()?;
    let program = probe::program()?;
    let long = "x".repeat(120_000);
    let mut arguments = vec!["conformance", probe::FLAG, "exit", "0"];
    arguments.extend([long.as_str(); 15]);
    survive(|| {
        let refused = until_refused(100, |_| {
            process::fork_then(|| {
                // The arguments alone are most of two MiB.
                let _ = process::execve(&program, &arguments, &[]);
                1
            })
            .map(drop)
        })?;
        for _ in 0..refused {
            process::wait4(-1, 0)?;
        }
        fill()?;
        let child = process::spawn(|| {
            let _ = process::execve(&program, &arguments, &[]);
            Ok(())
        })?;
        child.wait().map(drop)
    })
}

fn file_locks_are_refused() -> Outcome {
    needs_small_machine()?;
    on_a_tmpfs(|| {
        let files = (0..3000).map(|count| path::create(&format!("f{count}"))).collect::<Sys<Vec<_>>>()?;
        fill()?;
        until_refused(files.len(), |count| fd::flock(files[count], libc::LOCK_EX)).map(drop)
    })
}

fn record_locks_are_refused() -> Outcome {
    needs_small_machine()?;
    survive(|| {
        let file = memory::memfd(0)?;
        fill()?;
        refused(|count| attack::lock_byte(file, 2 * i64::try_from(count).unwrap_or(0)))
    })
}

fn the_map_of_a_process_with_many_areas_is_refused() -> Outcome {
    needs_small_machine()?;
    survive(|| {
        let mapping = reserved()?;
        until_refused(60_000, |count| mapping.protect(2 * count * PAGE, PAGE, libc::PROT_READ))?;
        let maps = path::open("/proc/self/maps", libc::O_RDONLY, 0)?;
        fill()?;
        let mut buffer = vec![0; PAGE];
        until_refused(10, |_| fd::read(maps, &mut buffer).map(drop)).map(drop)?;
        let child = process::spawn_exit(0);
        child.map_or(Ok(()), process::Child::expect_success)
    })
}

fn a_path_too_long_to_tell_is_refused() -> Outcome {
    needs_small_machine()?;
    let name = "d".repeat(250);
    on_a_tmpfs(|| {
        until_refused(4000, |_| path::mkdir(&name, 0o700).and_then(|()| path::chdir(&name)))?;
        fill()?;
        match path::getcwd(PAGE) {
            Err(error) => expect_eq(error.errno, libc::ERANGE, "errno of getcwd")
                .or_else(|_| expect_eq(error.errno, libc::ENAMETOOLONG, "errno of getcwd")),
            Ok(_) => Err(failed("a path longer than PATH_MAX was told")),
        }
    })
}

fn a_deep_tree_is_forgotten_at_once() -> Outcome {
    needs_small_machine()?;
    on_a_tmpfs(|| until_refused(5000, |_| path::mkdir("d", 0o700).and_then(|()| path::chdir("d"))).map(drop))
}

fn memory_of_kernel_objects_goes_back_to_programs() -> Outcome {
    needs_small_machine()?;
    survive(|| {
        let free = machine_bytes()? / 2;
        let hog = process::spawn(|| refused(|_| fd::eventfd(0, 0).map(drop)))?;
        hog.expect_success()?;
        let pages = usize::try_from(free).unwrap_or(0) / PAGE;
        let mapping = memory::private(pages)?;
        (0..pages).for_each(|page| mapping.store(page * PAGE, 1));
        Ok(())
    })
}
