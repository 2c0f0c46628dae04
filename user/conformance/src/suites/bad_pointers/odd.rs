//! Bad addresses that no table can say: those Linux overlooks, those it meets later, and alignment.

use super::{Fixture, ROOM, call, word};
use crate::check::{Outcome, expect_eq, expect_errno, needs_own_machine, needs_root};
use crate::sys::memory::{self, PAGE};
use crate::sys::{Sys, fd, process, signal};

crate::tests! {
    clone_overlooks_where_tids_cannot_be_written,
    robust_list_that_cannot_be_read_does_no_harm,
    robust_list_of_a_wrong_size_gives_einval,
    tid_address_that_cannot_be_written_does_no_harm,
    futex_word_that_is_misaligned_gives_einval,
    rest_of_an_interrupted_sleep_that_cannot_be_written_gives_efault,
    signal_frame_that_cannot_be_written_kills_with_sigsegv,
    structs_may_be_misaligned,
    length_that_wraps_around_the_address_space_gives_efault,
    vector_with_a_bad_second_buffer_moves_only_the_first,
    getcpu_does_not_look_at_its_third_argument,
    log_buffer_that_cannot_be_written_gives_efault,
    restart_with_a_command_that_cannot_be_read_gives_efault,
}

/// Addresses that nobody can use.
fn bad_addresses(fixture: &Fixture) -> [usize; 4] {
    [fixture.hole.address + PAGE, 0xffff_8000_0000_0000, fixture.no_access.address, fixture.read_only.address]
}

fn clone_overlooks_where_tids_cannot_be_written() -> Outcome {
    let fixture = Fixture::new()?;
    let flags = [libc::CLONE_PARENT_SETTID, libc::CLONE_CHILD_SETTID, libc::CLONE_CHILD_CLEARTID];
    for (address, flag) in bad_addresses(&fixture).into_iter().flat_map(|at| flags.map(|flag| (at, flag))) {
        // The child's comes fourth on some machines and fifth on others; without its flag the other is not looked at.
        let arguments = [word(flag | libc::SIGCHLD), 0, address, address, address];
        let pid = match call(libc::SYS_clone, arguments)? {
            0 => process::exit(17),
            pid => i32::try_from(pid).unwrap_or(-1),
        };
        expect_eq(process::Child { pid }.wait()?.exited(), Some(17), "the exit code of the child")?;
    }
    Ok(())
}

fn getcpu_does_not_look_at_its_third_argument() -> Outcome {
    let fixture = Fixture::new()?;
    for address in bad_addresses(&fixture) {
        expect_eq(
            call(libc::SYS_getcpu, [fixture.good(ROOM), fixture.good(ROOM), address])?,
            0,
            "what getcpu returns",
        )?;
    }
    Ok(())
}

fn log_buffer_that_cannot_be_written_gives_efault() -> Outcome {
    const READ_ALL: usize = 3;
    // Others need not let us see theirs, and it may be empty.
    needs_own_machine()?;
    let fixture = Fixture::new()?;
    for address in bad_addresses(&fixture) {
        expect_errno(call(libc::SYS_syslog, [READ_ALL, address, 2048]), libc::EFAULT)?;
    }
    Ok(())
}

fn restart_with_a_command_that_cannot_be_read_gives_efault() -> Outcome {
    const MAGIC: usize = 0xfee1_dead;
    const MAGIC_2: usize = 672_274_793;
    const RESTART_2: usize = 0xa1b2_c3d4;
    // One that overlooks the address restarts.
    needs_own_machine()?;
    needs_root()?;
    let fixture = Fixture::new()?;
    for address in &bad_addresses(&fixture)[..3] {
        expect_errno(call(libc::SYS_reboot, [MAGIC, MAGIC_2, RESTART_2, *address]), libc::EFAULT)?;
    }
    Ok(())
}

fn robust_list_that_cannot_be_read_does_no_harm() -> Outcome {
    let fixture = Fixture::new()?;
    for address in bad_addresses(&fixture) {
        let child = process::spawn(|| {
            expect_eq(call(libc::SYS_set_robust_list, [address, 24])?, 0, "what set_robust_list returns")
        })?;
        // The kernel walks the list when the process ends.
        child.expect_success()?;
    }
    Ok(())
}

fn robust_list_of_a_wrong_size_gives_einval() -> Outcome {
    let fixture = Fixture::new()?;
    expect_errno(call(libc::SYS_set_robust_list, [fixture.good(ROOM), 23]), libc::EINVAL)
}

fn tid_address_that_cannot_be_written_does_no_harm() -> Outcome {
    let fixture = Fixture::new()?;
    for address in bad_addresses(&fixture) {
        process::spawn(|| Ok(call(libc::SYS_set_tid_address, [address]).map(drop)?))?.expect_success()?;
    }
    Ok(())
}

fn futex_word_that_is_misaligned_gives_einval() -> Outcome {
    let fixture = Fixture::new()?;
    for offset in [1, 2, 3] {
        for operation in [libc::FUTEX_WAIT, libc::FUTEX_WAKE, libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG] {
            expect_errno(call(libc::SYS_futex, [fixture.good(ROOM + offset), word(operation), 0, 0]), libc::EINVAL)?;
        }
    }
    Ok(())
}

fn rest_of_an_interrupted_sleep_that_cannot_be_written_gives_efault() -> Outcome {
    const MONOTONIC: usize = word(libc::CLOCK_MONOTONIC);
    let fixture = Fixture::new()?;
    fixture.good.store(ROOM, 100);
    let sleeps: [fn(usize, usize) -> Sys<usize>; 2] = [
        |time, rest| call(libc::SYS_nanosleep, [time, rest]),
        |time, rest| call(libc::SYS_clock_nanosleep, [MONOTONIC, 0, time, rest]),
    ];
    for (address, sleep) in bad_addresses(&fixture).into_iter().flat_map(|at| sleeps.map(|sleep| (at, sleep))) {
        let child = process::spawn(|| {
            signal::count(libc::SIGUSR1, 0)?;
            expect_errno(sleep(fixture.good(ROOM), address), libc::EFAULT)
        })?;
        child.wait_until_asleep()?;
        child.kill(libc::SIGUSR1)?;
        child.expect_success()?;
    }
    Ok(())
}

fn signal_frame_that_cannot_be_written_kills_with_sigsegv() -> Outcome {
    let stack = memory::private(16)?;
    let child = process::spawn(|| {
        signal::default(libc::SIGSEGV)?;
        let mut alternate: libc::stack_t = crate::sys::zeroed();
        alternate.ss_sp = stack.pointer(0, stack.length).cast();
        alternate.ss_size = stack.length;
        // SAFETY: the kernel only notes the range.
        let value = unsafe { libc::sigaltstack(&raw const alternate, std::ptr::null_mut()) };
        crate::sys::checked("sigaltstack", value)?;
        stack.protect(0, stack.length, libc::PROT_READ)?;
        signal::count(libc::SIGUSR1, libc::SA_ONSTACK)?;
        Ok(signal::raise(libc::SIGUSR1)?)
    })?;
    expect_eq(child.wait()?.signalled(), Some(libc::SIGSEGV), "the signal that killed")
}

fn structs_may_be_misaligned() -> Outcome {
    let fixture = Fixture::new()?;
    let odd = fixture.good(ROOM + 1);
    let clock = word(libc::CLOCK_MONOTONIC);
    expect_eq(call(libc::SYS_clock_gettime, [clock, odd])?, 0, "what clock_gettime returns")?;
    expect_eq(call(libc::SYS_pipe2, [odd, 0])?, 0, "what pipe2 returns")?;
    let numbers = fixture.good.load_all(ROOM + 1, 8);
    let number = |bytes: &[u8]| i32::from_ne_bytes(bytes.try_into().unwrap_or_default());
    fd::write(number(&numbers[4..]), b"x")?;
    expect_eq(fd::read_up_to(number(&numbers[..4]), 1)?, b"x", "what comes through the pipe")
}

fn length_that_wraps_around_the_address_space_gives_efault() -> Outcome {
    let fixture = Fixture::new()?;
    let length = usize::MAX >> 1;
    // A length that no buffer can have is refused as a whole before anything moves.
    expect_errno(call(libc::SYS_write, [word(fixture.pipe.write), 0xffff_8000_0000_0000, length]), libc::EFAULT)?;
    expect_errno(call(libc::SYS_read, [word(fixture.pipe.read), 0xffff_8000_0000_0000, length]), libc::EFAULT)?;
    expect_eq(fd::fionread(fixture.pipe.read)?, 8, "bytes in the pipe")
}

fn vector_with_a_bad_second_buffer_moves_only_the_first() -> Outcome {
    let fixture = Fixture::new()?;
    let first = fixture.good(ROOM + 512);
    for (place, value) in [first, 4, fixture.hole.address + PAGE, 4].into_iter().enumerate() {
        fixture.good.store_all(ROOM + 8 * place, &value.to_ne_bytes());
    }
    // What is reported as read has gone from the pipe, and nothing else.
    let reported = match call(libc::SYS_readv, [word(fixture.pipe.read), fixture.good(ROOM), 2]) {
        Ok(count) => count,
        Err(error) => {
            expect_eq(error.errno, libc::EFAULT, "errno")?;
            0
        }
    };
    expect_eq(fd::fionread(fixture.pipe.read)?, 8 - reported, "bytes in the pipe")?;
    let mut received = fixture.good.load_all(ROOM + 512, reported);
    received.extend(fd::read_up_to(fixture.pipe.read, 8 - reported)?);
    expect_eq(received, b"12345678", "the bytes")
}
