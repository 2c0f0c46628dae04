//! Names of Unix sockets: paths, abstract names, automatic ones. Specification: unix(7), bind(2), socket(2), getsockname(2).

use crate::check::{Outcome, expect, expect_eq, expect_errno, needs_root};
use crate::sys::attack::mknod_socket;
use crate::sys::{fd, path, process, socket};
use crate::{check::failed, scratch};
use libc::{EADDRINUSE, ECONNREFUSED, EINVAL, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM};

const TYPES: [i32; 3] = [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET];

crate::tests! {
    socket_sets_close_on_exec_and_nonblock,
    unknown_families_types_and_protocols_are_refused,
    raw_socket_is_one_for_datagrams,
    bind_makes_a_node_less_the_umask,
    bound_path_cannot_be_opened,
    bind_where_something_is_gives_eaddrinuse,
    name_stays_behind_and_is_refused,
    renamed_name_leads_to_the_same_socket,
    link_to_a_name_leads_to_the_same_socket,
    socket_has_one_name_only,
    path_is_told_with_its_nul,
    longest_path_fits,
    bind_without_permission_gives_eacces,
    connect_without_permission_gives_eacces,
    abstract_names_are_bytes,
    abstract_name_is_taken_until_the_socket_is_closed,
    types_have_abstract_names_of_their_own,
    bind_of_the_family_alone_chooses_a_name,
    malformed_addresses_give_einval,
    address_without_room_is_cut_and_its_length_told,
    connect_to_what_is_not_there_says_so,
    connect_to_what_is_no_socket_gives_econnrefused,
    connect_to_another_type_gives_eprototype,
    proc_net_unix_lists_names,
    mknod_makes_a_name_of_nobody,
}

fn socket_sets_close_on_exec_and_nonblock() -> Outcome {
    let fd = socket::open(SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK)?;
    expect_eq(fd::fcntl(fd, libc::F_GETFD, 0)?, libc::FD_CLOEXEC, "descriptor flags")?;
    expect_errno(fd::read(fd, &mut [0; 1]), libc::EAGAIN)
}

fn unknown_families_types_and_protocols_are_refused() -> Outcome {
    expect_errno(socket::open_family(46, SOCK_STREAM, 0), libc::EAFNOSUPPORT)?;
    expect_errno(socket::open_family(-1, SOCK_STREAM, 0), libc::EAFNOSUPPORT)?;
    expect_errno(socket::open(SOCK_STREAM | 1 << 20), EINVAL)?;
    expect_errno(socket::open(11), EINVAL)?;
    expect_errno(socket::open(libc::SOCK_RDM), libc::ESOCKTNOSUPPORT)?;
    expect_errno(socket::open_family(libc::AF_UNIX, SOCK_STREAM, 2), libc::EPROTONOSUPPORT)?;
    fd::close(socket::open_family(libc::AF_UNIX, SOCK_STREAM, libc::AF_UNIX)?)?;
    Ok(())
}

fn raw_socket_is_one_for_datagrams() -> Outcome {
    let fd = socket::open(libc::SOCK_RAW)?;
    expect_eq(socket::option(fd, libc::SO_TYPE)?, [SOCK_DGRAM], "SO_TYPE")
}

fn bind_makes_a_node_less_the_umask() -> Outcome {
    scratch::enter()?;
    path::umask(0o027);
    for (name, kind) in [("stream", SOCK_STREAM), ("datagram", SOCK_DGRAM), ("packets", SOCK_SEQPACKET)] {
        socket::bound(kind, &socket::at_path(name))?;
        expect_eq(path::stat(name)?.st_mode, libc::S_IFSOCK | 0o750, "the mode")?;
    }
    Ok(())
}

fn bound_path_cannot_be_opened() -> Outcome {
    scratch::enter()?;
    socket::bound(SOCK_STREAM, &socket::at_path("name"))?;
    expect_errno(path::open("name", libc::O_RDWR, 0), libc::ENXIO)?;
    fd::close(path::open("name", libc::O_PATH, 0)?)?;
    Ok(())
}

fn bind_where_something_is_gives_eaddrinuse() -> Outcome {
    scratch::enter()?;
    path::create("file")?;
    path::symlink("nowhere", "link")?;
    let fd = socket::open(SOCK_STREAM)?;
    for name in ["file", "link", "."] {
        expect_errno(socket::bind(fd, &socket::at_path(name)), EADDRINUSE)?;
    }
    expect_errno(socket::bind(fd, &socket::at_path("no/name")), libc::ENOENT)?;
    expect_errno(socket::bind(fd, &socket::at_path("file/name")), libc::ENOTDIR)?;
    socket::bind(fd, &socket::at_path("name"))?;
    expect_errno(socket::bind(socket::open(SOCK_DGRAM)?, &socket::at_path("name")), EADDRINUSE)
}

fn name_stays_behind_and_is_refused() -> Outcome {
    scratch::enter()?;
    for kind in TYPES {
        let address = socket::at_path("name");
        fd::close(socket::listener_or_bound(kind, &address)?)?;
        expect_errno(socket::connected(kind, &address), ECONNREFUSED)?;
        expect_errno(socket::bound(kind, &address), EADDRINUSE)?;
        path::unlink("name")?;
    }
    Ok(())
}

fn renamed_name_leads_to_the_same_socket() -> Outcome {
    scratch::enter()?;
    let a = socket::bound(SOCK_DGRAM, &socket::at_path("old"))?;
    path::rename("old", "new", 0)?;
    let b = socket::open(SOCK_DGRAM)?;
    socket::sendto(b, b"found", 0, &socket::at_path("new"))?;
    expect_eq(socket::recv_up_to(a, 9, 0)?, b"found", "the message")?;
    expect_eq(socket::own_address(a)?, socket::at_path("old"), "the name, as it was")
}

fn link_to_a_name_leads_to_the_same_socket() -> Outcome {
    scratch::enter()?;
    let a = socket::bound(SOCK_DGRAM, &socket::at_path("name"))?;
    path::link("name", "hard")?;
    path::symlink("name", "soft")?;
    path::unlink("name")?;
    path::rename("hard", "name", 0)?;
    let b = socket::open(SOCK_DGRAM)?;
    for name in ["name", "soft"] {
        socket::sendto(b, b"found", 0, &socket::at_path(name))?;
        expect_eq(socket::recv_up_to(a, 9, 0)?, b"found", "the message")?;
    }
    Ok(())
}

fn socket_has_one_name_only() -> Outcome {
    scratch::enter()?;
    let first = [socket::at_path("first"), socket::abstract_address("first")];
    for (index, name) in first.iter().enumerate() {
        let fd = socket::bound(SOCK_STREAM, name)?;
        expect_errno(socket::bind(fd, &socket::at_path("second")), EINVAL)?;
        expect(path::lstat("second").is_err(), "no node stays behind")?;
        expect_errno(socket::bind(fd, &socket::abstract_address("second")), EINVAL)?;
        // Another automatic name is none, and no error.
        socket::bind(fd, &socket::nameless())?;
        expect_eq(&socket::own_address(fd)?, &first[index], "the name")?;
    }
    Ok(())
}

fn path_is_told_with_its_nul() -> Outcome {
    scratch::enter()?;
    let address = socket::at_path("name");
    // Whether the NUL is given or not, and whatever follows it.
    for given in [&address[..], &address[..address.len() - 1], &[&address[..], b"more"].concat()] {
        let fd = socket::bound(SOCK_STREAM, given)?;
        expect_eq(socket::own_address(fd)?, address.clone(), "the address")?;
        path::unlink("name")?;
    }
    Ok(())
}

fn longest_path_fits() -> Outcome {
    scratch::enter()?;
    let name = "n".repeat(108);
    let address = socket::at_path(&name);
    expect_errno(socket::bind(socket::open(SOCK_STREAM)?, &address), EINVAL)?;
    let fd = socket::bound(SOCK_STREAM, &address[..110])?;
    expect_eq(path::stat(&name)?.st_mode & libc::S_IFMT, libc::S_IFSOCK, "the type")?;
    expect_eq(socket::own_address(fd)?, address, "the address, a NUL longer than there is room in sun_path")
}

fn bind_without_permission_gives_eacces() -> Outcome {
    needs_root()?;
    scratch::enter()?;
    path::mkdir("closed", 0o755)?;
    process::spawn(|| {
        process::become_user(1000)?;
        let fd = socket::open(SOCK_STREAM)?;
        expect_errno(socket::bind(fd, &socket::at_path("closed/name")), libc::EACCES)?;
        socket::bind(fd, &socket::at_path("name"))?;
        expect_eq(path::stat("name")?.st_uid, 1000, "the owner")
    })?
    .expect_success()
}

fn connect_without_permission_gives_eacces() -> Outcome {
    needs_root()?;
    scratch::enter()?;
    for kind in TYPES {
        let address = socket::at_path("name");
        socket::listener_or_bound(kind, &address)?;
        for (mode, allowed) in [(0o755, false), (0o702, true), (0o555, false)] {
            path::chmod("name", mode)?;
            let child = process::spawn(|| {
                process::become_user(1000)?;
                let result = socket::connected(kind, &address);
                if allowed { result.map(drop).map_err(Into::into) } else { expect_errno(result, libc::EACCES) }
            })?;
            child.expect_success()?;
        }
        path::unlink("name")?;
    }
    Ok(())
}

fn abstract_names_are_bytes() -> Outcome {
    let short = socket::abstract_address("name");
    let long = [&short[..], &[0]].concat();
    let [a, b] = [socket::bound(SOCK_DGRAM, &short)?, socket::bound(SOCK_DGRAM, &long)?];
    let c = socket::open(SOCK_DGRAM)?;
    socket::sendto(c, b"long", 0, &long)?;
    socket::sendto(c, b"short", 0, &short)?;
    expect_eq(socket::recv_up_to(a, 9, 0)?, b"short", "what the one receives")?;
    expect_eq(socket::recv_up_to(b, 9, 0)?, b"long", "what the other receives")?;
    expect_eq(socket::own_address(b)?, long, "the address")
}

fn abstract_name_is_taken_until_the_socket_is_closed() -> Outcome {
    for kind in TYPES {
        let address = socket::abstract_address("name");
        let fd = socket::listener_or_bound(kind, &address)?;
        expect_errno(socket::bound(kind, &address), EADDRINUSE)?;
        fd::close(fd)?;
        expect_errno(socket::connected(kind, &address), ECONNREFUSED)?;
        fd::close(socket::bound(kind, &address)?)?;
    }
    Ok(())
}

fn types_have_abstract_names_of_their_own() -> Outcome {
    let address = socket::abstract_address("name");
    socket::bound(SOCK_DGRAM, &address)?;
    expect_errno(socket::connected(SOCK_STREAM, &address), ECONNREFUSED)?;
    socket::listener(SOCK_STREAM, &address, 1)?;
    socket::connected(SOCK_STREAM, &address)?;
    Ok(())
}

fn bind_of_the_family_alone_chooses_a_name() -> Outcome {
    let mut names = Vec::new();
    for kind in TYPES {
        let fd = socket::bound(kind, &socket::nameless())?;
        let name = socket::own_address(fd)?;
        expect_eq((name.len(), name[2]), (8, 0), "length, and the first byte of the name")?;
        expect(name[3..].iter().all(|byte| b"0123456789abcdef".contains(byte)), "five hexadecimal digits")?;
        names.push(name);
    }
    names.dedup();
    expect_eq(names.len(), 3, "different names")
}

fn malformed_addresses_give_einval() -> Outcome {
    let good = socket::at_path("name");
    for kind in TYPES {
        let fd = socket::open(kind)?;
        let other = [&2_u16.to_ne_bytes()[..], &good[2..]].concat();
        let long = [&good[..], &[b'x'; 120]].concat();
        for bad in [&other[..], &good[..1], &[], &long[..111], &long] {
            expect_errno(socket::bind(fd, bad), EINVAL)?;
            expect_errno(socket::connect(fd, bad), EINVAL)?;
        }
        expect_errno(socket::connect(fd, &socket::nameless()), EINVAL)?;
        expect_errno(socket::bind(fd, &socket::unspecified()), EINVAL)?;
    }
    Ok(())
}

fn address_without_room_is_cut_and_its_length_told() -> Outcome {
    let address = socket::abstract_address("name");
    let fd = socket::bound(SOCK_STREAM, &address)?;
    let (bytes, length) = socket::own_address_within(fd, 4)?;
    expect_eq(length, address.len(), "the length told")?;
    expect_eq(&bytes[..4], &address[..4], "what there is room for")?;
    expect(bytes[4..].iter().all(|byte| *byte == 0xff), "nothing is written behind that")?;
    expect_errno(socket::own_address_within(fd, -1), EINVAL)
}

fn connect_to_what_is_not_there_says_so() -> Outcome {
    scratch::enter()?;
    for kind in TYPES {
        expect_errno(socket::connected(kind, &socket::at_path("nothing")), libc::ENOENT)?;
        expect_errno(socket::connected(kind, &socket::at_path("no/thing")), libc::ENOENT)?;
        expect_errno(socket::connected(kind, &socket::abstract_address("nothing")), ECONNREFUSED)?;
    }
    Ok(())
}

fn connect_to_what_is_no_socket_gives_econnrefused() -> Outcome {
    scratch::enter()?;
    path::create("file")?;
    for kind in TYPES {
        expect_errno(socket::connected(kind, &socket::at_path("file")), ECONNREFUSED)?;
        expect_errno(socket::connected(kind, &socket::at_path(".")), ECONNREFUSED)?;
    }
    Ok(())
}

fn connect_to_another_type_gives_eprototype() -> Outcome {
    scratch::enter()?;
    for kind in TYPES {
        socket::listener_or_bound(kind, &socket::at_path("name"))?;
        for other in TYPES.into_iter().filter(|other| *other != kind) {
            expect_errno(socket::connected(other, &socket::at_path("name")), libc::EPROTOTYPE)?;
        }
        path::unlink("name")?;
    }
    let fd = socket::open(SOCK_DGRAM)?;
    socket::listener(SOCK_STREAM, &socket::at_path("name"), 1)?;
    expect_errno(socket::sendto(fd, b"x", 0, &socket::at_path("name")), libc::EPROTOTYPE)
}

fn proc_net_unix_lists_names() -> Outcome {
    let directory = scratch::enter()?;
    let name = directory.join("listed").to_string_lossy().into_owned();
    socket::listener(SOCK_STREAM, &socket::at_path(&name), 1)?;
    let other = socket::bound(SOCK_DGRAM, &socket::abstract_address("listed"))?;
    let text = std::fs::read_to_string("/proc/net/unix")?;
    let line = |end: &str| {
        let line = text.lines().find(|line| line.ends_with(end));
        line.map(str::to_owned).ok_or_else(|| failed(format!("expected a line for {end}")))
    };
    let of_listener = line(&name)?;
    expect(of_listener.contains(" 00010000 0001 01 "), "flags, type and state of a listener")?;
    let of_other = line(&format!("@conformance-{}-listed", std::process::id()))?;
    expect(of_other.contains(" 00000000 0002 01 "), "flags, type and state of the other")?;
    let inode = path::fstat(other)?.st_ino.to_string();
    expect(of_other.split_whitespace().any(|word| word == inode), "the inode's number")
}

fn mknod_makes_a_name_of_nobody() -> Outcome {
    scratch::enter()?;
    mknod_socket("name", 0o666)?;
    for kind in TYPES {
        expect_errno(socket::connected(kind, &socket::at_path("name")), ECONNREFUSED)?;
    }
    Ok(())
}
