//! What the kernel fills in holds nothing of its own: the bytes between and behind a structure's members, and those behind what
//! was transferred, are zero or what they were. Every buffer is full of one odd byte before.
//!
//! Offsets are those of 64-bit machines, which agree but where it is said. Specification: none says it; the structures are in
//! Linux's include/uapi.

use crate::check::{Failure, Outcome, expect, expect_eq, failed, is_postern, skip};
use crate::scratch;
use crate::sys::bare::{call, word};
use crate::sys::fd::{self, Pipe};
use crate::sys::memory::{self, Mapping, PAGE};
use crate::sys::terminal::Pair;
use crate::sys::{Sys, hello, path, process, ready, signal, socket, terminal};
use postern_abi::hello::{HELLO_IOC_STAT, HelloStat};
use std::mem::offset_of;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

crate::tests! {
    stat_has_clean_padding,
    statx_has_clean_padding_and_spare_members,
    statfs_has_clean_spare_members,
    sysinfo_has_clean_padding,
    names_of_uname_are_clean_behind_their_ends,
    siginfo_of_waitid_is_clean_but_for_its_members,
    siginfo_of_a_signal_that_was_taken_is_clean_but_for_its_members,
    record_of_signalfd_is_clean_but_for_its_members,
    frame_of_a_handler_is_clean_between_its_members,
    alternate_stack_s_settings_have_clean_padding,
    epoll_event_has_clean_padding,
    lock_that_is_in_the_way_has_clean_padding,
    directory_entries_are_clean_behind_their_names,
    control_message_with_a_descriptor_has_clean_padding,
    control_message_with_credentials_has_clean_padding,
    address_of_a_socket_is_written_up_to_its_length,
    address_of_a_sender_is_written_up_to_its_length,
    thread_s_name_is_clean_behind_its_end,
    settings_of_a_terminal_are_written_up_to_their_length,
    texts_of_getcwd_and_readlink_are_written_up_to_their_length,
    short_reads_write_only_what_they_count,
    state_of_a_ring_is_clean_behind_its_name,
}

/// No structure's padding looks like this by chance.
const POISON: u8 = 0xa5;

/// A structure's one member, or the members that leave no room between them.
fn only(members: Range<usize>) -> [Range<usize>; 1] {
    [members]
}

fn poisoned() -> Result<Mapping, Failure> {
    let room = memory::private(1)?;
    room.store_all(0, &[POISON; PAGE]);
    Ok(room)
}

/// What the call leaves in a page of poison, and what it returned.
fn filled(fill: impl FnOnce(usize) -> Sys<usize>) -> Result<(Vec<u8>, usize), Failure> {
    let room = poisoned()?;
    let result = fill(room.address)?;
    Ok((room.load_all(0, PAGE), result))
}

/// Each byte of the range is zero or as it was, unless it belongs to a member.
#[track_caller]
fn expect_clean(bytes: &[u8], range: Range<usize>, members: &[Range<usize>]) -> Outcome {
    let is_member = |at: &usize| members.iter().any(|member| member.contains(at));
    let leaked = range.filter(|at| !is_member(at)).find(|at| bytes[*at] != 0 && bytes[*at] != POISON);
    match leaked {
        None => Ok(()),
        Some(at) => Err(failed(format!("byte {at} is {:#x}, and no member's", bytes[at]))),
    }
}

/// Everything from `end` on is as it was.
#[track_caller]
fn expect_untouched(bytes: &[u8], end: usize) -> Outcome {
    match (end..bytes.len()).find(|at| bytes[*at] != POISON) {
        None => Ok(()),
        Some(at) => Err(failed(format!("byte {at} was written, behind the {end} that there are"))),
    }
}

/// A structure that `fill` makes: clean between its members, and nothing is written behind it.
#[track_caller]
fn expect_structure(fill: impl FnOnce(usize) -> Sys<usize>, size: usize, members: &[Range<usize>]) -> Outcome {
    let (bytes, _) = filled(fill)?;
    expect(bytes[..size].iter().any(|byte| *byte != POISON), "something was written")?;
    expect_clean(&bytes, 0..size, members)?;
    expect_untouched(&bytes, size)
}

fn file() -> Result<i32, Failure> {
    scratch::enter()?;
    let file = path::create("file")?;
    fd::write(file, b"0123456789")?;
    fd::lseek(file, 0, libc::SEEK_SET)?;
    Ok(file)
}

fn stat_has_clean_padding() -> Outcome {
    macro_rules! member {
        ($name:ident) => {
            offset_of!(libc::stat, $name)..offset_of!(libc::stat, $name) + size_of_member(|stat| &stat.$name)
        };
    }
    const fn size_of_member<T>(_: fn(&libc::stat) -> &T) -> usize {
        size_of::<T>()
    }
    let members = [
        member!(st_dev),
        member!(st_ino),
        member!(st_mode),
        member!(st_nlink),
        member!(st_uid),
        member!(st_gid),
        member!(st_rdev),
        member!(st_size),
        member!(st_blksize),
        member!(st_blocks),
        // Three times, each of seconds and nanoseconds.
        member!(st_atime).start..member!(st_ctime_nsec).end,
    ];
    let file = file()?;
    for fd in [file, Pipe::new()?.read, path::open("/proc/self/stat", libc::O_RDONLY, 0)?] {
        expect_structure(|at| call(libc::SYS_fstat, [word(fd), at]), size_of::<libc::stat>(), &members)?;
    }
    Ok(())
}

fn statx_has_clean_padding_and_spare_members() -> Outcome {
    /// Up to the member that Linux 6.16 added last; there are four times, of which each ends in padding.
    const MEMBERS: [Range<usize>; 6] = [0..30, 32..76, 80..92, 96..108, 112..124, 128..192];
    let (file, empty) = (file()?, memory::private(1)?);
    let flags = word(libc::AT_EMPTY_PATH);
    expect_structure(|at| call(libc::SYS_statx, [word(file), empty.address, flags, 0xfff, at]), 256, &MEMBERS)
}

fn statfs_has_clean_spare_members() -> Outcome {
    let file = file()?;
    expect_structure(|at| call(libc::SYS_fstatfs, [word(file), at]), 120, &only(0..88))
}

fn sysinfo_has_clean_padding() -> Outcome {
    expect_structure(|at| call(libc::SYS_sysinfo, [at]), 112, &[0..82, 88..108])
}

fn names_of_uname_are_clean_behind_their_ends() -> Outcome {
    const NAME: usize = 65;
    let (bytes, _) = filled(|at| call(libc::SYS_uname, [at]))?;
    for start in (0..6).map(|name| NAME * name) {
        let name = &bytes[start..start + NAME];
        let end = name.iter().position(|byte| *byte == 0).ok_or_else(|| failed("a name without an end"))?;
        expect_clean(&bytes, start + end..start + NAME, &[])?;
    }
    expect_untouched(&bytes, 6 * NAME)
}

fn siginfo_of_waitid_is_clean_but_for_its_members() -> Outcome {
    let child = process::spawn_exit(3)?;
    let (kind, options) = (word(libc::P_PID.cast_signed()), word(libc::WEXITED));
    let wait = |at| call(libc::SYS_waitid, [kind, word(child.pid), at, options, 0]);
    // Number, error, code; then, aligned, process, user and status.
    expect_structure(wait, 128, &[0..12, 16..28])
}

/// Makes a signal that is blocked, SIGUSR1, pending.
fn make_pending() -> Outcome {
    signal::block(&[libc::SIGUSR1])?;
    Ok(signal::raise(libc::SIGUSR1)?)
}

/// A set of signals with SIGUSR1 alone.
fn set() -> Result<Mapping, Failure> {
    let set = memory::private(1)?;
    set.store_all(0, &(1_u64 << (libc::SIGUSR1 - 1)).to_ne_bytes());
    Ok(set)
}

fn siginfo_of_a_signal_that_was_taken_is_clean_but_for_its_members() -> Outcome {
    make_pending()?;
    let set = set()?;
    expect_structure(|at| call(libc::SYS_rt_sigtimedwait, [set.address, at, 0, 8]), 128, &[0..12, 16..24])
}

fn record_of_signalfd_is_clean_but_for_its_members() -> Outcome {
    make_pending()?;
    let fd = signal::signalfd(-1, &[libc::SIGUSR1], 0)?;
    // Number, error, code, process and user: the others are of other kinds of signals.
    expect_structure(|at| call(libc::SYS_read, [word(fd), at, PAGE]), 128, &only(0..20))
}

fn alternate_stack_s_settings_have_clean_padding() -> Outcome {
    expect_structure(|at| call(libc::SYS_sigaltstack, [0, at]), 24, &[0..12, 16..24])
}

fn epoll_event_has_clean_padding() -> Outcome {
    let (pipe, epoll) = (Pipe::new()?, ready::epoll_create()?);
    fd::write(pipe.write, b"x")?;
    ready::epoll_add(epoll, pipe.read, libc::EPOLLIN)?;
    let wait = |at| call(libc::SYS_epoll_pwait, [word(epoll), at, 8, 0, 0, 8]);
    // Packed on one machine, and aligned on others.
    let size = size_of::<libc::epoll_event>();
    expect_structure(wait, size, &[0..4, size - 8..size])
}

fn lock_that_is_in_the_way_has_clean_padding() -> Outcome {
    let file = file()?;
    let asked = |room: &Mapping| room.store_all(0, &[1, 0, 0, 0]);
    let room = poisoned()?;
    // From the start, without end; and no process, which the locks of a description ask for.
    room.store_all(8, &[0; 20]);
    asked(&room);
    call(libc::SYS_fcntl, [word(file), word(libc::F_SETLK), room.address])?;
    let child = process::spawn(|| {
        asked(&room);
        call(libc::SYS_fcntl, [word(file), word(libc::F_GETLK), room.address])?;
        let bytes = room.load_all(0, PAGE);
        expect_eq(&bytes[..2], &[1, 0][..], "the kind of lock that is in the way")?;
        expect_clean(&bytes, 0..32, &[0..4, 8..28])?;
        expect_untouched(&bytes, 32)
    })?;
    child.expect_success()
}

fn directory_entries_are_clean_behind_their_names() -> Outcome {
    const NAME: usize = 19;
    scratch::enter()?;
    for length in 1..12 {
        fd::close(path::create(&"n".repeat(length))?)?;
    }
    for name in [".", "/proc/self", "/dev/pts"] {
        let directory = path::open(name, libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
        let (bytes, length) = filled(|at| call(libc::SYS_getdents64, [word(directory), at, 2048]))?;
        let mut start = 0;
        while start < length {
            let record = usize::from(u16::from_ne_bytes([bytes[start + 16], bytes[start + 17]]));
            let name = &bytes[start + NAME..start + record];
            let end = name.iter().position(|byte| *byte == 0).ok_or_else(|| failed("a name without an end"))?;
            expect_clean(&bytes, start + NAME + end..start + record, &[])?;
            start += record;
        }
        expect_eq(start, length, "the end of the last entry")?;
        expect_untouched(&bytes, length)?;
    }
    Ok(())
}

/// Receives a message of one byte with room for control messages: their bytes, with poison behind them.
fn receive_control(fd: i32) -> Result<(Vec<u8>, usize), Failure> {
    const VECTOR: usize = 64;
    const BYTE: usize = 128;
    const ROOM: usize = 256;
    let (header, control) = (memory::private(1)?, poisoned()?);
    let at = |offset| header.address + offset;
    for (place, value) in [0, 0, at(VECTOR), 1, control.address, ROOM, 0].into_iter().enumerate() {
        header.store_all(8 * place, &value.to_ne_bytes());
    }
    for (place, value) in [at(BYTE), 1].into_iter().enumerate() {
        header.store_all(VECTOR + 8 * place, &value.to_ne_bytes());
    }
    call(libc::SYS_recvmsg, [word(fd), header.address, 0])?;
    let length = header.load_all(40, 8);
    let length = usize::from_ne_bytes(length.try_into().unwrap_or_default());
    Ok((control.load_all(0, PAGE), length))
}

fn control_message_with_a_descriptor_has_clean_padding() -> Outcome {
    let [one, other] = socket::pair(libc::SOCK_STREAM)?;
    socket::send_fds(one, b"x", &[one])?;
    let (bytes, length) = receive_control(other)?;
    expect_eq(length, 24, "the length of the control messages")?;
    // Length, level, kind, descriptor.
    expect_clean(&bytes, 0..length, &only(0..20))?;
    expect_untouched(&bytes, length)
}

fn control_message_with_credentials_has_clean_padding() -> Outcome {
    let [one, other] = socket::pair(libc::SOCK_DGRAM)?;
    socket::set_option(other, libc::SO_PASSCRED, 1)?;
    socket::send(one, b"x", 0)?;
    let (bytes, length) = receive_control(other)?;
    expect_eq(length, 32, "the length of the control messages")?;
    // Length, level, kind, process, user, group.
    expect_clean(&bytes, 0..length, &only(0..28))?;
    expect_untouched(&bytes, length)
}

/// Where a length of `room` bytes lies.
fn length_of(room: u32) -> Result<Mapping, Failure> {
    let length = memory::private(1)?;
    length.store_all(0, &room.to_ne_bytes());
    Ok(length)
}

fn address_of_a_socket_is_written_up_to_its_length() -> Outcome {
    let name = socket::abstract_address("padding");
    let fd = socket::bound(libc::SOCK_DGRAM, &name)?;
    for room in [110, 4096, 5, 2, 1, 0] {
        let length = length_of(room)?;
        let (bytes, _) = filled(|at| call(libc::SYS_getsockname, [word(fd), at, length.address]))?;
        let written = name.len().min(room as usize);
        expect_eq(&bytes[..written], &name[..written], "the address")?;
        expect_untouched(&bytes, written)?;
    }
    Ok(())
}

fn address_of_a_sender_is_written_up_to_its_length() -> Outcome {
    let (from, to) = (socket::abstract_address("padding-1"), socket::abstract_address("padding-2"));
    let (sender, receiver) = (socket::bound(libc::SOCK_DGRAM, &from)?, socket::bound(libc::SOCK_DGRAM, &to)?);
    for room in [110, 5, 0] {
        socket::sendto(sender, b"x", 0, &to)?;
        let (length, byte) = (length_of(room)?, memory::private(1)?);
        let receive = |at| call(libc::SYS_recvfrom, [word(receiver), byte.address, 1, 0, at, length.address]);
        let (bytes, _) = filled(receive)?;
        let written = from.len().min(room as usize);
        expect_eq(&bytes[..written], &from[..written], "the address")?;
        expect_untouched(&bytes, written)?;
    }
    Ok(())
}

fn thread_s_name_is_clean_behind_its_end() -> Outcome {
    let name = memory::private(1)?;
    for text in ["a", "longer-than-it", "fifteen-letters", ""] {
        name.store_all(0, text.as_bytes());
        name.store_all(text.len(), &[0]);
        call(libc::SYS_prctl, [word(libc::PR_SET_NAME), name.address])?;
        let (bytes, _) = filled(|at| call(libc::SYS_prctl, [word(libc::PR_GET_NAME), at]))?;
        expect_eq(&bytes[..text.len()], text.as_bytes(), "the name")?;
        expect_clean(&bytes, text.len()..16, &[])?;
        expect_untouched(&bytes, 16)?;
    }
    Ok(())
}

fn settings_of_a_terminal_are_written_up_to_their_length() -> Outcome {
    let pair = Pair::open()?;
    // Flags, line discipline and characters fill struct termios; four numbers struct winsize; a number.
    for (request, size) in [(0x5401, 36), (0x5413, 8), (0x541b, 4)] {
        expect_structure(|at| call(libc::SYS_ioctl, [word(pair.terminal), request, at]), size, &only(0..size))?;
    }
    Ok(())
}

fn texts_of_getcwd_and_readlink_are_written_up_to_their_length() -> Outcome {
    scratch::enter()?;
    path::symlink("leads nowhere", "link")?;
    let (bytes, length) = filled(|at| call(libc::SYS_getcwd, [at, PAGE]))?;
    expect_untouched(&bytes, length)?;
    let name = memory::private(1)?;
    name.store_all(0, b"link");
    for room in [PAGE, 5, 1] {
        let read = |at| call(libc::SYS_readlinkat, [word(libc::AT_FDCWD), name.address, at, room]);
        let (bytes, length) = filled(read)?;
        expect_eq(length, room.min(13), "the length of the text")?;
        expect_untouched(&bytes, length)?;
    }
    Ok(())
}

/// A descriptor of each kind with less to read than a page.
fn with_little_to_read() -> Result<Vec<(&'static str, i32)>, Failure> {
    let (pipe, [one, other]) = (Pipe::new()?, socket::pair(libc::SOCK_STREAM)?);
    let [packet, packets] = socket::pair(libc::SOCK_SEQPACKET)?;
    for fd in [pipe.write, one, packet] {
        fd::write(fd, b"12345678")?;
    }
    let pair = Pair::raw()?;
    pair.type_in("12345678")?;
    terminal::until_ready(pair.terminal, libc::POLLIN)?;
    fd::write(pair.terminal, b"12345678")?;
    terminal::until_ready(pair.master, libc::POLLIN)?;
    let mut all = vec![
        ("a file", file()?),
        ("a hole", memory::memfd(100)?),
        ("a pipe", pipe.read),
        ("a stream", other),
        ("packets", packets),
        ("a terminal", pair.terminal),
        ("a master", pair.master),
        ("an eventfd", fd::eventfd(1, 0)?),
        ("/dev/null", path::open("/dev/null", libc::O_RDONLY, 0)?),
        ("/proc/version", path::open("/proc/version", libc::O_RDONLY, 0)?),
        ("/proc/self/stat", path::open("/proc/self/stat", libc::O_RDONLY, 0)?),
    ];
    if is_postern() {
        for name in ["hello", "myipc"] {
            super::modules::reload(name, "")?;
        }
        let ring = hello::pipe(libc::O_NONBLOCK)?;
        let mailbox = path::open("/dev/myipc0", libc::O_RDWR | libc::O_NONBLOCK, 0)?;
        fd::write(ring.write, b"12345678")?;
        fd::write(mailbox, b"12345678")?;
        all.extend([("hello", ring.read), ("myipc", mailbox)]);
    }
    Ok(all)
}

fn short_reads_write_only_what_they_count() -> Outcome {
    for (name, fd) in with_little_to_read()? {
        let (bytes, count) = filled(|at| call(libc::SYS_read, [word(fd), at, PAGE]))?;
        expect(count < PAGE, &format!("{name} has less than a page"))?;
        let behind = bytes[count..].iter().position(|byte| *byte != POISON);
        expect_eq(behind, None, &format!("what was written behind the {count} bytes of {name}"))?;
    }
    Ok(())
}

fn state_of_a_ring_is_clean_behind_its_name() -> Outcome {
    hello::needed()?;
    let ring = hello::open(libc::O_RDWR)?;
    hello::channel(ring, b"padding")?;
    let size = size_of::<HelloStat>();
    let (bytes, _) = filled(|at| call(libc::SYS_ioctl, [word(ring), HELLO_IOC_STAT as usize, at]))?;
    let name = &bytes[offset_of!(HelloStat, name)..size];
    expect_eq(&name[..8], &b"padding\0"[..], "the name")?;
    expect(name[7..].iter().all(|byte| *byte == 0), "zeros behind the name")?;
    expect_untouched(&bytes, size)
}

/// Where the frame of a handler lay on AArch64: siginfo, then `ucontext_t` with the registers, then records.
mod frame {
    pub const SIGINFO: usize = 128;
    /// Of `ucontext_t`: what is behind the flags of the stack, and from the mask to the registers.
    pub const PADDING: [std::ops::Range<usize>; 3] = [28..32, 48..176, 456..464];
    pub const RECORDS: usize = 464;
    pub const ALL_RECORDS: usize = 4096;
}

/// Where the handler found its siginfo, which the frame begins with.
static FRAME: AtomicUsize = AtomicUsize::new(0);

extern "C" fn note_frame(_signal: i32, information: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    FRAME.store(information.expose_provenance(), Ordering::SeqCst);
}

/// A handler's frame, as it lies on a stack that was full of poison when the handler has returned.
fn frame_bytes() -> Result<Vec<u8>, Failure> {
    let stack = memory::private(32)?;
    stack.store_all(0, &vec![POISON; stack.length]);
    let settings = memory::private(1)?;
    for (offset, value) in [(0, stack.address), (16, stack.length)] {
        settings.store_all(offset, &value.to_ne_bytes());
    }
    call(libc::SYS_sigaltstack, [settings.address, 0])?;
    signal::handle(libc::SIGUSR1, note_frame, libc::SA_ONSTACK, &[])?;
    signal::raise(libc::SIGUSR1)?;
    let size = frame::SIGINFO + frame::RECORDS + frame::ALL_RECORDS;
    let start = FRAME.load(Ordering::SeqCst).wrapping_sub(stack.address);
    expect(start < stack.length - size, "the frame lies on the alternate stack")?;
    Ok(stack.load_all(start, size))
}

fn frame_of_a_handler_is_clean_between_its_members() -> Outcome {
    if !cfg!(target_arch = "aarch64") {
        return skip("the frame is AArch64's");
    }
    let bytes = frame_bytes()?;
    expect_clean(&bytes, 0..frame::SIGINFO, &[0..12, 16..24])?;
    let context = &bytes[frame::SIGINFO..];
    for padding in frame::PADDING {
        expect_clean(context, padding, &[])?;
    }
    let mut at = frame::RECORDS;
    loop {
        let number = |at: usize| u32::from_ne_bytes(context[at..at + 4].try_into().unwrap_or_default());
        let (magic, size) = (number(at), number(at + 4) as usize);
        if magic == 0 {
            break;
        }
        expect(size >= 16 && at + size < frame::RECORDS + frame::ALL_RECORDS, "a record has a size")?;
        at += size;
    }
    expect(at > frame::RECORDS, "there is a record")?;
    expect_clean(context, at + 8..frame::RECORDS + frame::ALL_RECORDS, &[])
}
