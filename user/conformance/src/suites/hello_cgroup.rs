//! `/dev/hello` and control groups: nothing crosses, nothing outlives its group. Specification: seed 001 §3.3, §4.1 and §6.1 as
//! corrected in seed-notes; docs/hello.md.

use crate::check::{Failure, Outcome, expect_eq, expect_errno, failed};
use crate::sys::cgroup::{self, Group};
use crate::sys::{fd, hello, path, process};
use libc::{O_NONBLOCK, O_RDWR};

crate::tests! {
    groups_have_rings_of_their_own,
    channels_of_one_name_in_two_groups_are_two,
    file_keeps_its_ring_when_its_process_moves,
    ring_goes_with_its_group,
    open_ring_outlives_its_group_until_it_is_closed,
    sums_of_the_counters_never_fall_when_a_group_goes,
    channel_of_a_group_that_is_gone_gives_enodev,
    hundred_groups_are_isolated,
    name_beyond_the_1024th_in_use_gives_enospc_and_changes_nothing,
    name_beyond_the_1024th_takes_the_place_of_one_that_nobody_uses,
    rings_are_shown_to_their_group_and_those_above,
}

fn open_in(group: &Group, flags: i32) -> Result<i32, Failure> {
    open_at(&group.path, flags)
}

/// The same for the group whose directory is `path`.
fn open_at(path: &str, flags: i32) -> Result<i32, Failure> {
    cgroup::write(&format!("{path}/cgroup.procs"), "0")?;
    let file = hello::open(flags)?;
    cgroup::leave()?;
    Ok(file)
}

fn groups_have_rings_of_their_own() -> Outcome {
    hello::needed()?;
    let group = Group::new()?;
    let (one, other) = (group.below("one")?, group.below("other")?);
    let (of_one, of_other) = (open_at(&one, O_RDWR)?, open_at(&other, O_RDWR | O_NONBLOCK)?);
    let again = open_at(&one, O_RDWR)?;
    fd::write(of_one, b"private")?;
    expect_errno(fd::read(of_other, &mut [0; 1]), libc::EAGAIN)?;
    expect_eq(fd::read_up_to(again, 7)?, b"private", "the bytes in the same group")?;
    expect_eq(hello::stat(of_one)?.cgroup, path::stat(&one)?.st_ino, "the group in the ring's state")
}

fn channels_of_one_name_in_two_groups_are_two() -> Outcome {
    hello::needed()?;
    let group = Group::new()?;
    let (inside, outside) = (open_in(&group, O_RDWR)?, hello::open(O_RDWR | O_NONBLOCK)?);
    hello::channel(inside, b"same-name")?;
    hello::channel(outside, b"same-name")?;
    fd::write(inside, b"x")?;
    expect_errno(fd::read(outside, &mut [0; 1]), libc::EAGAIN)
}

fn file_keeps_its_ring_when_its_process_moves() -> Outcome {
    hello::needed()?;
    let group = Group::new()?;
    let outside = hello::open(O_RDWR)?;
    fd::write(outside, b"kept")?;
    group.enter()?;
    expect_eq(fd::read_up_to(outside, 4)?, b"kept", "the bytes after the move")?;
    // A file that is not bound yet finds its channels where it was opened.
    let bound_later = hello::open(O_RDWR)?;
    cgroup::leave()?;
    hello::channel(bound_later, b"of-the-group")?;
    expect_eq(hello::stat(bound_later)?.cgroup, path::stat(&group.path)?.st_ino, "the channel's group")?;
    fd::close(bound_later)?;
    Ok(())
}

fn ring_goes_with_its_group() -> Outcome {
    hello::needed()?;
    let before = hello::counter("instances")?;
    let group = Group::new()?;
    let file = open_in(&group, O_RDWR)?;
    hello::channel(file, b"another")?;
    expect_eq(hello::counter("instances")? - before, 2, "rings of the group")?;
    fd::close(file)?;
    expect_eq(hello::counter("instances")? - before, 2, "rings after the last close")?;
    path::rmdir(&group.path)?;
    expect_eq(hello::counter("instances")?, before, "rings after the group is gone")
}

fn open_ring_outlives_its_group_until_it_is_closed() -> Outcome {
    hello::needed()?;
    let group = Group::new()?;
    let file = open_in(&group, O_RDWR)?;
    fd::write(file, b"still")?;
    path::rmdir(&group.path)?;
    expect_eq(fd::read_up_to(file, 5)?, b"still", "the bytes")?;
    fd::write(file, b"here")?;
    expect_eq(fd::read_up_to(file, 4)?, b"here", "the bytes written since")
}

fn sums_of_the_counters_never_fall_when_a_group_goes() -> Outcome {
    hello::needed()?;
    let sums = || Ok::<_, Failure>((hello::counter("opens")?, hello::counter("bytes")?));
    let group = Group::new()?;
    let before = sums()?;
    let file = open_in(&group, O_RDWR)?;
    fd::write(file, b"still")?;
    path::rmdir(&group.path)?;
    expect_eq(sums()?, (before.0 + 1, before.1 + 5), "openings and bytes while the ring is still open")?;
    fd::write(file, b"here")?;
    fd::close(file)?;
    expect_eq(sums()?, (before.0 + 1, before.1 + 9), "openings and bytes after its last close")
}

fn channel_of_a_group_that_is_gone_gives_enodev() -> Outcome {
    hello::needed()?;
    let group = Group::new()?;
    let file = open_in(&group, O_RDWR)?;
    path::rmdir(&group.path)?;
    expect_errno(hello::channel(file, b"late"), libc::ENODEV)?;
    expect_eq(hello::stat(file)?.readers, 1, "readers of the ring it has")
}

fn hundred_groups_are_isolated() -> Outcome {
    hello::needed()?;
    let group = Group::new()?;
    let mut files = Vec::new();
    for number in 0..100_u8 {
        let file = open_at(&group.below(&format!("g{number}"))?, O_RDWR)?;
        fd::write(file, &[number])?;
        files.push(file);
    }
    for (number, file) in files.iter().enumerate() {
        let reader = process::spawn(|| match fd::read_up_to(*file, 1)?[..] {
            [byte] if usize::from(byte) == number => Ok(()),
            _ => Err(failed("a byte of another group")),
        })?;
        reader.expect_success()?;
    }
    Ok(())
}

fn name_beyond_the_1024th_in_use_gives_enospc_and_changes_nothing() -> Outcome {
    hello::needed()?;
    process::set_soft_limit(libc::RLIMIT_NOFILE, 2048)?;
    let group = Group::new()?;
    let bound = |name: &str| -> Result<i32, Failure> {
        let file = open_in(&group, O_RDWR)?;
        hello::channel(file, name.as_bytes())?;
        Ok(file)
    };
    let files = (0..1024).map(|number| bound(&format!("name-{number}"))).collect::<Result<Vec<_>, _>>()?;
    let file = open_in(&group, O_RDWR)?;
    expect_errno(hello::channel(file, b"one-more"), libc::ENOSPC)?;
    let stat = hello::stat(file)?;
    expect_eq((stat.name[0], stat.readers, stat.writers), (0, 1, 1), "the group's own ring, which it still has")?;
    hello::channel(file, b"name-0")?;
    // Another group's names are its own.
    hello::channel(open_at(&group.below("below")?, O_RDWR)?, b"one-more")?;
    fd::close(files[77])?;
    hello::channel(open_in(&group, O_RDWR)?, b"one-more").map_err(Into::into)
}

fn name_beyond_the_1024th_takes_the_place_of_one_that_nobody_uses() -> Outcome {
    hello::needed()?;
    let group = Group::new()?;
    let file = open_in(&group, O_RDWR)?;
    let before = (hello::counter("instances")?, hello::counter("opens")?);
    for number in 0..1100 {
        hello::channel(file, format!("name-{number}").as_bytes())?;
    }
    let after = (hello::counter("instances")?, hello::counter("opens")?);
    expect_eq((after.0 - before.0, after.1 - before.1), (1024, 1100), "rings more, and openings")
}

/// The rings called `name` that /proc shows to the caller: their groups.
fn groups_shown(name: &str) -> Result<Vec<u64>, Failure> {
    let text = std::fs::read_to_string("/proc/postern/hello_instances")?;
    let rows = text.lines().map(|line| line.split(' ').collect::<Vec<_>>()).filter(|row| row[1] == name);
    rows.map(|row| row[0].parse().map_err(|_| failed("a group's id is a number"))).collect()
}

fn rings_are_shown_to_their_group_and_those_above() -> Outcome {
    const NAME: &str = "shown-or-not";
    hello::needed()?;
    let group = Group::new()?;
    let paths = [group.path.clone(), group.below("below")?, group.below("beside")?];
    let mut ids = Vec::new();
    for path in &paths {
        hello::channel(open_at(path, O_RDWR)?, NAME.as_bytes())?;
        ids.push(path::stat(path)?.st_ino);
    }
    let expect_shown_in = |shown: &[usize], place: &str| {
        cgroup::write(&format!("{place}/cgroup.procs"), "0")?;
        let (seen, mut wanted) = (groups_shown(NAME), shown.iter().map(|index| ids[*index]).collect::<Vec<_>>());
        cgroup::leave()?;
        wanted.sort_unstable();
        expect_eq(seen?, wanted, place)
    };
    expect_shown_in(&[0, 1, 2], &paths[0])?;
    expect_shown_in(&[1], &paths[1])?;
    expect_shown_in(&[2], &paths[2])?;
    expect_shown_in(&[0, 1, 2], &cgroup::root()?)
}
