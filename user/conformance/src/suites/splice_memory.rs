//! tee and vmsplice. Specification: tee(2), vmsplice(2).

use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::sys::fd::{self, Pipe};
use crate::sys::memory::{self, PAGE, pattern};
use crate::sys::splice::{splice, tee, vmsplice};
use crate::sys::{process, signal};
use libc::{EAGAIN, EBADF, EFAULT, EINVAL, EPIPE, SPLICE_F_GIFT, SPLICE_F_NONBLOCK};

crate::tests! {
    tee_leaves_the_bytes_in_its_input,
    tee_of_a_part_can_be_followed_by_a_splice_of_it,
    tee_and_writes_behind_it_do_not_disturb_each_other,
    tee_of_what_is_no_pipe_gives_einval,
    tee_of_a_pipe_to_itself_gives_einval,
    tee_with_an_unknown_flag_gives_einval_even_for_no_bytes,
    tee_of_the_wrong_ends_gives_ebadf,
    tee_of_an_empty_pipe_waits_or_gives_eagain,
    tee_of_an_empty_pipe_without_writers_returns_zero,
    tee_into_a_full_pipe_gives_eagain,
    tee_without_readers_gives_epipe_and_sigpipe,
    tee_killed_while_it_waits_leaves_the_pipe_usable,
    vmsplice_puts_memory_into_a_pipe,
    vmsplice_shows_what_is_stored_later,
    vmsplice_of_memory_that_is_then_unmapped_keeps_the_bytes,
    vmsplice_of_a_gift_keeps_the_bytes,
    vmsplice_and_a_write_behind_it_do_not_change_the_memory,
    vmsplice_takes_no_more_than_the_pipe_has_room_for,
    vmsplice_of_no_bytes_returns_zero,
    vmsplice_of_what_is_no_pipe_gives_ebadf,
    vmsplice_with_an_unknown_flag_gives_einval,
    vmsplice_of_too_many_parts_gives_einval,
    vmsplice_of_memory_that_is_not_there_gives_efault,
    vmsplice_that_runs_into_a_hole_reports_what_went_in,
    vmsplice_of_read_only_memory_works_and_of_protected_gives_efault,
    vmsplice_of_a_full_pipe_waits_or_gives_eagain,
    vmsplice_without_readers_gives_epipe_and_sigpipe,
    vmsplice_from_a_pipe_fills_memory,
    vmsplice_from_a_pipe_into_bad_memory_loses_no_byte,
    vmsplice_after_fork_does_not_show_what_the_other_process_stores,
}

fn tee_leaves_the_bytes_in_its_input() -> Outcome {
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    let sent = pattern(2 * PAGE + 5);
    fd::write(one.write, &sent)?;
    expect_eq(tee(one.read, other.write, 1 << 20, 0)?, sent.len(), "bytes duplicated")?;
    expect(fd::read_up_to(one.read, sent.len())? == sent, "the input still has them")?;
    expect(fd::read_up_to(other.read, sent.len())? == sent, "the output has them too")
}

fn tee_of_a_part_can_be_followed_by_a_splice_of_it() -> Outcome {
    let (one, other, third) = (Pipe::new()?, Pipe::new()?, Pipe::new()?);
    fd::write(one.write, b"abcdef")?;
    expect_eq(tee(one.read, other.write, 4, 0)?, 4, "bytes duplicated")?;
    expect_eq(splice(one.read, third.write, 4, 0)?, 4, "bytes moved")?;
    expect_eq(fd::read_up_to(other.read, 4)?, b"abcd", "the copy")?;
    expect_eq(fd::read_up_to(third.read, 4)?, b"abcd", "the original")?;
    expect_eq(fd::read_up_to(one.read, 2)?, b"ef", "the rest")
}

fn tee_and_writes_behind_it_do_not_disturb_each_other() -> Outcome {
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    fd::write(one.write, b"abc")?;
    tee(one.read, other.write, 2, 0)?;
    fd::write(one.write, b"def")?;
    fd::write(other.write, b"XYZ")?;
    fd::write(one.write, b"g")?;
    expect_eq(fd::read_up_to(one.read, 7)?, b"abcdefg", "bytes of the input")?;
    expect_eq(fd::read_up_to(other.read, 5)?, b"abXYZ", "bytes of the output")
}

fn tee_of_what_is_no_pipe_gives_einval() -> Outcome {
    let (pipe, file) = (Pipe::new()?, memory::memfd(10)?);
    fd::write(pipe.write, b"x")?;
    expect_errno(tee(file, pipe.write, 1, 0), EINVAL)?;
    expect_errno(tee(pipe.read, file, 1, 0), EINVAL)
}

fn tee_of_a_pipe_to_itself_gives_einval() -> Outcome {
    let pipe = Pipe::new()?;
    fd::write(pipe.write, b"x")?;
    expect_errno(tee(pipe.read, pipe.write, 1, 0), EINVAL)
}

fn tee_with_an_unknown_flag_gives_einval_even_for_no_bytes() -> Outcome {
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    expect_errno(tee(one.read, other.write, 0, 16), EINVAL)?;
    expect_eq(tee(one.read, other.write, 0, 0)?, 0, "bytes duplicated")
}

fn tee_of_the_wrong_ends_gives_ebadf() -> Outcome {
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    expect_errno(tee(one.write, other.write, 1, 0), EBADF)?;
    expect_errno(tee(one.read, other.read, 1, 0), EBADF)
}

fn tee_of_an_empty_pipe_waits_or_gives_eagain() -> Outcome {
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    expect_errno(tee(one.read, other.write, 1, SPLICE_F_NONBLOCK), EAGAIN)?;
    let child = process::spawn(|| expect_eq(tee(one.read, other.write, 9, 0)?, 1, "bytes duplicated"))?;
    child.wait_until_asleep()?;
    fd::write(one.write, b"x")?;
    child.expect_success()
}

fn tee_of_an_empty_pipe_without_writers_returns_zero() -> Outcome {
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    fd::close(one.write)?;
    expect_eq(tee(one.read, other.write, 9, 0)?, 0, "bytes duplicated")
}

fn tee_into_a_full_pipe_gives_eagain() -> Outcome {
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    fd::write(one.write, b"x")?;
    fd::fill(other.write)?;
    expect_errno(tee(one.read, other.write, 1, 0), EAGAIN)
}

fn tee_without_readers_gives_epipe_and_sigpipe() -> Outcome {
    signal::count(libc::SIGPIPE, 0)?;
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    fd::write(one.write, b"x")?;
    fd::close(other.read)?;
    expect_errno(tee(one.read, other.write, 1, 0), EPIPE)?;
    expect_eq(signal::caught(libc::SIGPIPE), 1, "SIGPIPE handlers run")
}

fn tee_killed_while_it_waits_leaves_the_pipe_usable() -> Outcome {
    let (one, other) = (Pipe::new()?, Pipe::new()?);
    let child = process::spawn(|| tee(one.read, other.write, 1, 0).map(drop).map_err(Into::into))?;
    child.wait_until_asleep()?;
    child.kill_and_wait()?;
    fd::write(one.write, b"x")?;
    expect_eq(tee(one.read, other.write, 9, 0)?, 1, "bytes duplicated afterwards")
}

fn vmsplice_puts_memory_into_a_pipe() -> Outcome {
    let (pipe, mapping) = (Pipe::new()?, memory::private(3)?);
    let sent = pattern(2 * PAGE);
    mapping.store_all(100, &sent);
    expect_eq(vmsplice(pipe.write, &mapping, 100, sent.len(), 0)?, sent.len(), "bytes moved")?;
    expect(fd::read_up_to(pipe.read, sent.len())? == sent, "the bytes are those of the memory")
}

fn vmsplice_shows_what_is_stored_later() -> Outcome {
    let (pipe, mapping) = (Pipe::new()?, memory::private(1)?);
    mapping.store_all(0, b"before");
    vmsplice(pipe.write, &mapping, 0, 6, 0)?;
    mapping.store_all(0, b"after!");
    expect_eq(fd::read_up_to(pipe.read, 6)?, b"after!", "bytes that the reader gets")
}

fn vmsplice_of_memory_that_is_then_unmapped_keeps_the_bytes() -> Outcome {
    let (pipe, mapping) = (Pipe::new()?, memory::private(2)?);
    let sent = pattern(2 * PAGE);
    mapping.store_all(0, &sent);
    vmsplice(pipe.write, &mapping, 0, 2 * PAGE, 0)?;
    mapping.unmap(0, 2 * PAGE)?;
    expect(fd::read_up_to(pipe.read, 2 * PAGE)? == sent, "the bytes are still in the pipe")
}

fn vmsplice_of_a_gift_keeps_the_bytes() -> Outcome {
    let (pipe, mapping, file) = (Pipe::new()?, memory::private(2)?, memory::memfd(0)?);
    let sent = pattern(2 * PAGE);
    mapping.store_all(0, &sent);
    expect_eq(vmsplice(pipe.write, &mapping, 0, 2 * PAGE, SPLICE_F_GIFT)?, 2 * PAGE, "bytes moved")?;
    mapping.unmap(0, PAGE)?;
    expect_eq(splice(pipe.read, file, 2 * PAGE, libc::SPLICE_F_MOVE)?, 2 * PAGE, "bytes moved on")?;
    // One page had nobody else, the other is still the program's: neither may change what the file got.
    mapping.store(PAGE, 77);
    let mut content = vec![0; 2 * PAGE];
    fd::pread(file, &mut content, 0)?;
    expect(content == sent, "the file has the bytes")
}

fn vmsplice_and_a_write_behind_it_do_not_change_the_memory() -> Outcome {
    let (pipe, mapping) = (Pipe::new()?, memory::private(1)?);
    mapping.store_all(0, &[5; PAGE]);
    vmsplice(pipe.write, &mapping, 0, 3, 0)?;
    fd::write(pipe.write, b"behind")?;
    expect(mapping.load_all(0, PAGE) == [5; PAGE], "the memory is as it was")?;
    expect_eq(fd::read_up_to(pipe.read, 9)?, b"\x05\x05\x05behind", "bytes in the pipe")
}

fn vmsplice_takes_no_more_than_the_pipe_has_room_for() -> Outcome {
    let (pipe, mapping) = (Pipe::new()?, memory::private(20)?);
    expect_eq(vmsplice(pipe.write, &mapping, 0, 20 * PAGE, 0)?, 16 * PAGE, "bytes moved")
}

fn vmsplice_of_no_bytes_returns_zero() -> Outcome {
    let (pipe, mapping) = (Pipe::new()?, memory::private(1)?);
    expect_eq(vmsplice(pipe.write, &mapping, 0, 0, 0)?, 0, "bytes moved in")?;
    expect_eq(vmsplice(pipe.read, &mapping, 0, 0, 0)?, 0, "bytes moved out")
}

fn vmsplice_of_what_is_no_pipe_gives_ebadf() -> Outcome {
    let mapping = memory::private(1)?;
    expect_errno(vmsplice(memory::memfd(10)?, &mapping, 0, 1, 0), EBADF)?;
    expect_errno(vmsplice(-1, &mapping, 0, 1, 0), EBADF)
}

fn vmsplice_with_an_unknown_flag_gives_einval() -> Outcome {
    let (pipe, mapping) = (Pipe::new()?, memory::private(1)?);
    expect_errno(vmsplice(pipe.write, &mapping, 0, 1, 16), EINVAL)
}

fn vmsplice_of_too_many_parts_gives_einval() -> Outcome {
    let (pipe, mapping) = (Pipe::new()?, memory::private(8)?);
    let arguments = [pipe.write.unsigned_abs() as usize, mapping.address, 1025, 0, 0, 0];
    // SAFETY: the vectors are a mapping of zeroes.
    expect_errno(unsafe { crate::sys::raw("vmsplice", libc::SYS_vmsplice, arguments) }, EINVAL)
}

fn vmsplice_of_memory_that_is_not_there_gives_efault() -> Outcome {
    let (pipe, hole) = (Pipe::new()?, memory::before_hole(1)?);
    expect_errno(vmsplice(pipe.write, &hole, PAGE, 10, 0), EFAULT)?;
    expect_eq(fd::fionread(pipe.read)?, 0, "bytes in the pipe")
}

fn vmsplice_that_runs_into_a_hole_reports_what_went_in() -> Outcome {
    let (pipe, hole) = (Pipe::new()?, memory::before_hole(1)?);
    hole.store_all(PAGE - 4, b"tail");
    expect_eq(vmsplice(pipe.write, &hole, PAGE - 4, 100, 0)?, 4, "bytes moved")?;
    expect_eq(fd::read_up_to(pipe.read, 4)?, b"tail", "bytes in the pipe")
}

fn vmsplice_of_read_only_memory_works_and_of_protected_gives_efault() -> Outcome {
    let (pipe, mapping) = (Pipe::new()?, memory::private(2)?);
    mapping.store_all(0, b"read");
    mapping.store_all(PAGE, b"none");
    mapping.protect(0, PAGE, libc::PROT_READ)?;
    mapping.protect(PAGE, PAGE, libc::PROT_NONE)?;
    expect_eq(vmsplice(pipe.write, &mapping, 0, 4, 0)?, 4, "bytes moved")?;
    expect_errno(vmsplice(pipe.write, &mapping, PAGE, 4, 0), EFAULT)?;
    expect_eq(fd::read_up_to(pipe.read, 4)?, b"read", "bytes in the pipe")
}

fn vmsplice_of_a_full_pipe_waits_or_gives_eagain() -> Outcome {
    let (pipe, mapping) = (Pipe::new()?, memory::private(1)?);
    fd::fill(pipe.write)?;
    expect_errno(vmsplice(pipe.write, &mapping, 0, 1, SPLICE_F_NONBLOCK), EAGAIN)?;
    // O_NONBLOCK, which `fill` has set, does not count here.
    let child = process::spawn(|| expect_eq(vmsplice(pipe.write, &mapping, 0, 1, 0)?, 1, "bytes moved"))?;
    child.wait_until_asleep()?;
    fd::read_up_to(pipe.read, PAGE)?;
    child.expect_success()
}

fn vmsplice_without_readers_gives_epipe_and_sigpipe() -> Outcome {
    signal::count(libc::SIGPIPE, 0)?;
    let (pipe, mapping) = (Pipe::new()?, memory::private(1)?);
    fd::close(pipe.read)?;
    expect_errno(vmsplice(pipe.write, &mapping, 0, 1, 0), EPIPE)?;
    expect_eq(signal::caught(libc::SIGPIPE), 1, "SIGPIPE handlers run")
}

fn vmsplice_from_a_pipe_fills_memory() -> Outcome {
    let (pipe, mapping) = (Pipe::new()?, memory::private(4)?);
    expect_errno(vmsplice(pipe.read, &mapping, 0, 1, SPLICE_F_NONBLOCK), EAGAIN)?;
    let sent = pattern(2 * PAGE + 3);
    fd::write(pipe.write, &sent)?;
    expect_eq(vmsplice(pipe.read, &mapping, 50, 3 * PAGE, 0)?, sent.len(), "bytes moved")?;
    expect(mapping.load_all(50, sent.len()) == sent, "the memory has the bytes")?;
    fd::close(pipe.write)?;
    expect_eq(vmsplice(pipe.read, &mapping, 0, 1, 0)?, 0, "bytes at the end")
}

fn vmsplice_from_a_pipe_into_bad_memory_loses_no_byte() -> Outcome {
    let (pipe, hole) = (Pipe::new()?, memory::before_hole(1)?);
    fd::write(pipe.write, b"kept")?;
    expect_errno(vmsplice(pipe.read, &hole, PAGE, 4, 0), EFAULT)?;
    hole.protect(0, PAGE, libc::PROT_READ)?;
    expect_errno(vmsplice(pipe.read, &hole, 0, 4, 0), EFAULT)?;
    expect_eq(fd::read_up_to(pipe.read, 4)?, b"kept", "bytes in the pipe")
}

fn vmsplice_after_fork_does_not_show_what_the_other_process_stores() -> Outcome {
    let (pipe, go, mapping) = (Pipe::new()?, Pipe::new()?, memory::private(1)?);
    mapping.store_all(0, b"parent");
    let child = process::spawn(|| {
        fd::read_up_to(go.read, 1)?;
        mapping.store_all(0, b"child!");
        Ok(())
    })?;
    vmsplice(pipe.write, &mapping, 0, 6, 0)?;
    fd::write(go.write, b"x")?;
    child.expect_success()?;
    expect_eq(fd::read_up_to(pipe.read, 6)?, b"parent", "bytes in the pipe")?;
    expect_eq(mapping.load_all(0, 6), b"parent", "the parent's memory")
}
