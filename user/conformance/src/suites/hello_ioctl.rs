//! `/dev/hello`: channels, sizes, and what is refused. Specification: abi/src/hello.rs, docs/hello.md.

use crate::check::{Outcome, expect, expect_eq, expect_errno};
use crate::sys::fd;
use crate::sys::memory::{self, PAGE};
use crate::sys::{hello, process, ready};
use libc::{O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY};
use postern_abi::hello::{HELLO_IOC_CHANNEL, HELLO_IOC_GET_SLOTS, HELLO_IOC_SET_SLOTS, HELLO_IOC_STAT};

crate::tests! {
    ring_above_pipe_max_size_gives_eperm_to_the_unprivileged,
    channels_of_different_names_are_different_rings,
    channel_of_one_name_is_one_ring,
    channel_may_change_until_data_has_moved,
    channel_after_data_has_moved_gives_ebusy,
    channel_after_somebody_waited_gives_ebusy,
    channel_while_somebody_waits_gives_ebusy_and_he_gets_his_byte,
    channel_of_a_reader_waits_for_a_writer_there,
    channel_of_a_nonblocking_writer_without_reader_gives_enxio_and_changes_nothing,
    channel_goes_by_o_nonblock_as_it_is_now,
    channel_closes_the_ends_of_the_ring_that_is_left,
    names_have_1_to_63_graphic_characters,
    bad_names_give_einval,
    name_may_end_at_the_last_byte_of_a_page,
    slots_are_a_power_of_two_up_to_1024,
    bad_numbers_of_slots_give_einval,
    fewer_slots_than_hold_data_give_ebusy,
    f_setpipe_sz_and_slots_are_one_size,
    f_setpipe_sz_beyond_1024_pages_gives_einval,
    ring_of_1024_slots_holds_4_mebibytes,
    bad_pointers_give_efault_and_change_nothing,
    unknown_ioctls_give_enotty,
    write_of_a_length_beyond_the_address_space_gives_efault,
}

fn channels_of_different_names_are_different_rings() -> Outcome {
    hello::needed()?;
    let (one, other) = (hello::pipe(0)?, hello::pipe(O_NONBLOCK)?);
    fd::write(one.write, b"for one")?;
    expect_errno(fd::read(other.read, &mut [0; 1]), libc::EAGAIN)?;
    expect_eq(fd::read_up_to(one.read, 7)?, b"for one", "the bytes")
}

fn channel_of_one_name_is_one_ring() -> Outcome {
    hello::needed()?;
    let (one, other) = (hello::open(O_RDWR)?, hello::open(O_RDWR)?);
    hello::channel(one, b"same")?;
    hello::channel(other, b"same")?;
    fd::write(one, b"x")?;
    expect_eq(fd::read_up_to(other, 1)?, b"x", "the byte")?;
    expect_eq(&hello::stat(one)?.name[..5], b"same\0", "the name")
}

fn channel_may_change_until_data_has_moved() -> Outcome {
    hello::needed()?;
    let file = hello::open(O_RDWR | O_NONBLOCK)?;
    hello::channel(file, b"first")?;
    // Nothing has moved by these.
    expect_errno(fd::read(file, &mut [0; 1]), libc::EAGAIN)?;
    expect_eq(fd::write(file, b"")?, 0, "bytes written")?;
    ready::revents(file, libc::POLLIN).map(drop)?;
    hello::stat(file)?;
    let second = hello::open(O_RDWR)?;
    hello::channel(second, b"second")?;
    hello::channel(second, b"third")?;
    expect_eq(&hello::stat(second)?.name[..6], b"third\0", "the name")
}

fn channel_after_data_has_moved_gives_ebusy() -> Outcome {
    hello::needed()?;
    for direction in [O_WRONLY, O_RDONLY] {
        let peer = hello::open(O_RDWR)?;
        let file = hello::open(direction)?;
        if direction == O_WRONLY {
            fd::write(file, b"x")?;
        } else {
            fd::write(peer, b"x")?;
            fd::read(file, &mut [0; 1])?;
        }
        expect_errno(hello::channel(file, b"late"), libc::EBUSY)?;
        expect_eq(hello::stat(file)?.name[0], 0, "the name")?;
        fd::close(peer)?;
        fd::close(file)?;
    }
    Ok(())
}

fn channel_after_somebody_waited_gives_ebusy() -> Outcome {
    hello::needed()?;
    let file = hello::open(O_RDWR)?;
    expect_eq(ready::poll(&mut [ready::wanting(file, libc::POLLIN)], 1)?, 0, "what poll returns")?;
    expect_errno(hello::channel(file, b"late"), libc::EBUSY)
}

fn channel_while_somebody_waits_gives_ebusy_and_he_gets_his_byte() -> Outcome {
    hello::needed()?;
    let file = hello::open(O_RDWR)?;
    let reader = process::spawn(|| expect_eq(fd::read(file, &mut [0; 1])?, 1, "bytes read"))?;
    reader.wait_until_asleep()?;
    expect_errno(hello::channel(file, b"late"), libc::EBUSY)?;
    fd::write(file, b"x")?;
    reader.expect_success()
}

fn channel_of_a_reader_waits_for_a_writer_there() -> Outcome {
    hello::needed()?;
    let door = hello::open(O_RDWR)?;
    let reader = process::spawn(|| {
        let reader = hello::open(O_RDONLY)?;
        hello::channel(reader, b"meeting")?;
        expect_eq(fd::read_up_to(reader, 3)?, b"met", "the bytes")
    })?;
    reader.wait_until_asleep()?;
    let writer = hello::open(O_RDWR)?;
    hello::channel(writer, b"meeting")?;
    fd::write(writer, b"met")?;
    reader.expect_success()?;
    Ok(fd::close(door)?)
}

fn channel_of_a_nonblocking_writer_without_reader_gives_enxio_and_changes_nothing() -> Outcome {
    hello::needed()?;
    let reader = hello::open(O_RDONLY | O_NONBLOCK)?;
    let writer = hello::open(O_WRONLY | O_NONBLOCK)?;
    expect_errno(hello::channel(writer, b"nobody"), libc::ENXIO)?;
    fd::write(writer, b"x")?;
    expect_eq(fd::read_up_to(reader, 1)?, b"x", "the byte on the old ring")
}

/// As open(2) with the status flags that the file has when it is bound, not those that it was opened with.
fn channel_goes_by_o_nonblock_as_it_is_now() -> Outcome {
    hello::needed()?;
    let _door = hello::open(O_RDWR)?;
    let writer = hello::open(O_WRONLY)?;
    fd::fcntl(writer, libc::F_SETFL, O_NONBLOCK)?;
    expect_errno(hello::channel(writer, b"nobody-now"), libc::ENXIO)?;
    let reader = hello::open(O_RDONLY | O_NONBLOCK)?;
    fd::fcntl(reader, libc::F_SETFL, 0)?;
    let binding = process::spawn(|| Ok(hello::channel(reader, b"later")?))?;
    binding.wait_until_asleep()?;
    hello::channel(hello::open(O_RDWR)?, b"later")?;
    binding.expect_success()
}

fn channel_closes_the_ends_of_the_ring_that_is_left() -> Outcome {
    hello::needed()?;
    let reader = hello::open(O_RDONLY | O_NONBLOCK)?;
    let leaving = hello::open(O_RDWR)?;
    expect_eq(hello::stat(reader)?.writers, 1, "writers before")?;
    hello::channel(leaving, b"elsewhere")?;
    let stat = hello::stat(reader)?;
    expect_eq((stat.readers, stat.writers), (1, 0), "readers and writers after")?;
    expect_eq(ready::revents(reader, libc::POLLIN)?, libc::POLLHUP, "revents")
}

fn names_have_1_to_63_graphic_characters() -> Outcome {
    hello::needed()?;
    for name in [&b"a"[..], &[b'x'; 63], b"~a.b-c_d:e+f!"] {
        let file = hello::open(O_RDWR)?;
        hello::channel(file, name)?;
        expect_eq(&hello::stat(file)?.name[..name.len()], name, "the name")?;
        fd::close(file)?;
    }
    Ok(())
}

fn bad_names_give_einval() -> Outcome {
    hello::needed()?;
    let file = hello::open(O_RDWR)?;
    for name in [&b""[..], &[b'x'; 64], &[b'x'; 5000], b"a/b", b"/", b"a b", b"a\n", b"\x1b[2J", b"\xc3\xa9"] {
        expect_errno(hello::channel(file, name), libc::EINVAL)?;
    }
    let stat = hello::stat(file)?;
    expect_eq((stat.name[0], stat.readers, stat.writers), (0, 1, 1), "name, readers and writers")
}

fn name_may_end_at_the_last_byte_of_a_page() -> Outcome {
    hello::needed()?;
    let memory = memory::before_hole(1)?;
    memory.store_all(PAGE - 4, b"end\0");
    let file = hello::open(O_RDWR)?;
    hello::ioctl(file, HELLO_IOC_CHANNEL, memory.address + PAGE - 4)?;
    expect_eq(&hello::stat(file)?.name[..4], b"end\0", "the name")?;
    let file = hello::open(O_RDWR)?;
    expect_errno(hello::ioctl(file, HELLO_IOC_CHANNEL, memory.address + PAGE), libc::EFAULT)?;
    memory.store_all(PAGE - 3, b"end");
    expect_errno(hello::ioctl(file, HELLO_IOC_CHANNEL, memory.address + PAGE - 3), libc::EFAULT)
}

fn slots_are_a_power_of_two_up_to_1024() -> Outcome {
    let pipe = needed_pipe()?;
    for power in 0..=10 {
        hello::set_slots(pipe.write, 1 << power)?;
        expect_eq(hello::slots(pipe.read)?, 1 << power, "slots")?;
    }
    Ok(hello::set_slots(pipe.write, 16)?)
}

fn needed_pipe() -> Result<fd::Pipe, crate::check::Failure> {
    hello::needed()?;
    Ok(hello::pipe(0)?)
}

fn bad_numbers_of_slots_give_einval() -> Outcome {
    let pipe = needed_pipe()?;
    for slots in [0, 3, 17, 1023, 2048, 1 << 31, u32::MAX] {
        expect_errno(hello::set_slots(pipe.write, slots), libc::EINVAL)?;
        expect_eq(hello::slots(pipe.read)?, 16, "slots")?;
    }
    Ok(())
}

fn fewer_slots_than_hold_data_give_ebusy() -> Outcome {
    let pipe = needed_pipe()?;
    fd::write(pipe.write, &[1; 5 * PAGE])?;
    expect_errno(hello::set_slots(pipe.write, 4), libc::EBUSY)?;
    hello::set_slots(pipe.write, 8)?;
    expect_eq(fd::read_up_to(pipe.read, 5 * PAGE)?, [1; 5 * PAGE], "the bytes")
}

fn f_setpipe_sz_and_slots_are_one_size() -> Outcome {
    let pipe = needed_pipe()?;
    expect_eq(fd::fcntl(pipe.read, libc::F_SETPIPE_SZ, 5 * 4096)?, 8 * 4096, "what F_SETPIPE_SZ makes of it")?;
    expect_eq(hello::slots(pipe.write)?, 8, "slots")?;
    hello::set_slots(pipe.write, 32)?;
    expect_eq(fd::fcntl(pipe.read, libc::F_GETPIPE_SZ, 0)?, 32 * 4096, "F_GETPIPE_SZ")?;
    Ok(hello::set_slots(pipe.write, 16)?)
}

fn f_setpipe_sz_beyond_1024_pages_gives_einval() -> Outcome {
    let pipe = needed_pipe()?;
    for bytes in [1024 * 4096 + 1, i32::MAX, -1] {
        expect_errno(fd::fcntl(pipe.read, libc::F_SETPIPE_SZ, bytes), libc::EINVAL)?;
    }
    expect_eq(fd::fcntl(pipe.read, libc::F_GETPIPE_SZ, 0)?, 65536, "F_GETPIPE_SZ")
}

fn ring_of_1024_slots_holds_4_mebibytes() -> Outcome {
    const BYTES: usize = 1024 * PAGE;
    let pipe = needed_pipe()?;
    hello::set_slots(pipe.write, 1024)?;
    let sent: Vec<u8> = (0..=250).cycle().take(BYTES).collect();
    expect_eq(fd::write(pipe.write, &sent)?, BYTES, "bytes written")?;
    expect_eq(hello::stat(pipe.read)?.used_slots, 1024, "slots in use")?;
    expect(fd::read_up_to(pipe.read, BYTES)? == sent, "the bytes come back")?;
    // Not to keep so many pages.
    Ok(hello::set_slots(pipe.write, 16)?)
}

fn bad_pointers_give_efault_and_change_nothing() -> Outcome {
    let pipe = needed_pipe()?;
    for address in [8, usize::MAX - 7, 1 << 63, 0xffff_0000_0000_0000] {
        for request in [HELLO_IOC_SET_SLOTS, HELLO_IOC_GET_SLOTS, HELLO_IOC_STAT] {
            expect_errno(hello::ioctl(pipe.read, request, address), libc::EFAULT)?;
        }
        let fresh = hello::open(O_RDWR)?;
        expect_errno(hello::ioctl(fresh, HELLO_IOC_CHANNEL, address), libc::EFAULT)?;
        fd::close(fresh)?;
    }
    let stat = hello::stat(pipe.read)?;
    expect_eq((stat.slots, stat.readers, stat.writers), (16, 1, 1), "slots, readers and writers")
}

fn unknown_ioctls_give_enotty() -> Outcome {
    let pipe = needed_pipe()?;
    // Neighbours of the known numbers, the known numbers with another size or direction, and nonsense.
    let near = [HELLO_IOC_STAT + 100, HELLO_IOC_STAT ^ 1 << 16, HELLO_IOC_SET_SLOTS ^ 3 << 30, 0x5401, 0, u32::MAX];
    for request in near {
        expect_errno(hello::ioctl(pipe.read, request, 0), libc::ENOTTY)?;
    }
    Ok(())
}

fn write_of_a_length_beyond_the_address_space_gives_efault() -> Outcome {
    let pipe = needed_pipe()?;
    // SAFETY: the kernel refuses the range without looking at it.
    let count = unsafe { libc::write(pipe.write, std::ptr::without_provenance(1 << 20), usize::MAX >> 1) };
    expect_eq(count, -1, "what write returns")?;
    expect_eq(hello::stat(pipe.read)?.waiting_bytes, 0, "bytes that wait")
}

fn ring_above_pipe_max_size_gives_eperm_to_the_unprivileged() -> Outcome {
    hello::needed()?;
    let file = hello::open(O_RDWR)?;
    hello::channel(file, b"size-of-the-unprivileged")?;
    process::spawn(|| {
        process::become_user(1000)?;
        hello::set_slots(file, 256)?;
        expect_errno(hello::set_slots(file, 512), libc::EPERM)?;
        expect_errno(fd::fcntl(file, libc::F_SETPIPE_SZ, 512 * 4096), libc::EPERM)?;
        expect_eq(hello::slots(file)?, 256, "slots of the ring")
    })?
    .expect_success()?;
    hello::set_slots(file, 512).map_err(Into::into)
}
