//! `/dev/hello` as a module: loading with parameters, its switches in sysfs, unloading. The module is taken out and put back, so
//! nothing else may use it meanwhile. Specification: seed 001 §3.2, §4, §5.3; docs/hello.md, docs/modules.md.

use super::modules::{load, needs_root_on_postern, unloaded};
use crate::check::{Failure, Outcome, expect, expect_eq, expect_errno};
use crate::sys::cgroup::{self, Group};
use crate::sys::fd::{self, Pipe};
use crate::sys::memory::PAGE;
use crate::sys::module::delete_module;
use crate::sys::process::{self, Child};
use crate::sys::ready::revents;
use crate::sys::{hello, path};
use libc::{EBUSY, EINVAL, ENOENT, O_RDWR, POLLIN, POLLOUT};
use postern_abi::hello::HelloCounters;

crate::tests! {
    module_is_loaded_with_its_defaults_at_boot,
    parameters_are_taken_when_it_is_loaded,
    every_switch_can_be_off_when_it_is_loaded,
    modinfo_tells_each_parameter_and_its_value,
    bad_parameters_leave_it_unloaded,
    open_device_cannot_be_unloaded,
    unloading_takes_node_proc_files_and_rings_with_it,
    slots_written_in_sysfs_count_for_new_rings_alone,
    recycle_off_allocates_a_page_for_each_write_of_one,
    merge_off_gives_each_write_a_slot,
    exclusive_off_wakes_all_of_whom_one_finds_something,
    chained_off_serves_every_reader_by_the_event_itself,
    snapshot_off_tells_the_same_readiness,
    page_cache_and_hand_off_are_the_kernel_s_own_switches,
    switches_of_the_kernel_are_left_alone_and_put_back,
    idle_share_bounds_what_closed_rings_keep,
    memory_of_the_module_is_that_of_its_rings,
    bad_values_in_sysfs_are_einval_and_change_nothing,
    every_counter_counts_what_it_is_named_after,
}

const PARAMETERS: &str = "/sys/module/hello/parameters";
const SWITCHES: [&str; 7] = ["recycle", "merge", "exclusive", "chained", "snapshot", "page_cache", "hand_off"];

fn parameter(name: &str) -> Result<String, Failure> {
    Ok(std::fs::read_to_string(format!("{PARAMETERS}/{name}"))?.trim_end().to_owned())
}

fn set(name: &str, value: &str) -> crate::sys::Sys<()> {
    cgroup::write(&format!("{PARAMETERS}/{name}"), value)
}

/// Runs `body` with one switch off; it is on again afterwards, whatever became of it.
fn without(switch: &str, body: impl FnOnce(&Pipe) -> Outcome) -> Outcome {
    needs_root_on_postern()?;
    expect_eq(parameter(switch)?, "Y", "the switch at first")?;
    let pipe = hello::pipe(0)?;
    set(switch, "N")?;
    let outcome = expect_eq(parameter(switch)?, "N", "the switch").and_then(|()| body(&pipe));
    set(switch, "Y")?;
    outcome
}

/// The module as at boot, after `body` has had it otherwise.
fn reloaded_after(body: impl FnOnce() -> Outcome) -> Outcome {
    needs_root_on_postern()?;
    unloaded("hello")?;
    let outcome = body();
    unloaded("hello")?;
    load("hello", "")?;
    outcome
}

fn counters(pipe: &Pipe) -> Result<HelloCounters, Failure> {
    Ok(hello::stat(pipe.read)?.counters)
}

/// `count` processes that wait to read a byte each, in the order in which they came.
fn waiting_readers(pipe: &Pipe, count: usize) -> Result<Vec<Child>, Failure> {
    let mut readers = Vec::new();
    for _ in 0..count {
        let reader = process::spawn(|| expect_eq(fd::read(pipe.read, &mut [0; 1])?, 1, "bytes read"))?;
        reader.wait_until_asleep()?;
        readers.push(reader);
    }
    Ok(readers)
}

fn module_is_loaded_with_its_defaults_at_boot() -> Outcome {
    needs_root_on_postern()?;
    let modules = std::fs::read_to_string("/proc/modules")?;
    expect(modules.lines().any(|line| line.starts_with("hello ")), "/proc/modules lists it")?;
    expect_eq(parameter("slots")?, "16", "slots")?;
    SWITCHES.into_iter().try_for_each(|switch| expect_eq(parameter(switch)?, "Y", switch))
}

fn parameters_are_taken_when_it_is_loaded() -> Outcome {
    reloaded_after(|| {
        load("hello", "slots=32 merge=0")?;
        expect_eq((parameter("slots")?, parameter("merge")?), ("32".into(), "N".into()), "parameters in sysfs")?;
        let file = hello::open(O_RDWR)?;
        expect_eq(hello::slots(file)?, 32, "slots of a ring")?;
        fd::write(file, b"a")?;
        fd::write(file, b"b")?;
        expect_eq(hello::stat(file)?.used_slots, 2, "slots of two writes")?;
        Ok(fd::close(file)?)
    })
}

fn every_switch_can_be_off_when_it_is_loaded() -> Outcome {
    reloaded_after(|| {
        load("hello", &SWITCHES.map(|switch| format!("{switch}=0")).join(" "))?;
        SWITCHES.into_iter().try_for_each(|switch| expect_eq(parameter(switch)?, "N", switch))?;
        for switch in ["page_cache", "hand_off"] {
            expect_eq(std::fs::read_to_string(format!("/proc/postern/{switch}"))?.trim(), "0", switch)?;
        }
        let pipe = hello::pipe(0)?;
        for _ in 0..2 {
            fd::write(pipe.write, &[1; 100])?;
        }
        expect_eq(hello::stat(pipe.read)?.used_slots, 2, "slots of two small writes")?;
        fd::read_up_to(pipe.read, 200)?;
        // Herd, no chain, no snapshot: one byte wakes all, and whoever asks is told under the lock.
        let readers = waiting_readers(&pipe, 3)?;
        let before = counters(&pipe)?;
        fd::write(pipe.write, b"x")?;
        expect_eq(counters(&pipe)?.wakes - before.wakes, 3, "readers woken by one byte")?;
        fd::write(pipe.write, b"yz")?;
        readers.into_iter().try_for_each(Child::expect_success)?;
        expect_eq(revents(pipe.read, POLLIN)?, 0, "revents of the reader")?;
        let now = counters(&pipe)?;
        expect_eq((now.recycles, now.merges), (0, 0), "recycles and merges")?;
        fd::close(pipe.read)?;
        Ok(fd::close(pipe.write)?)
    })?;
    SWITCHES.into_iter().try_for_each(|switch| expect_eq(parameter(switch)?, "Y", switch))
}

fn modinfo_tells_each_parameter_and_its_value() -> Outcome {
    needs_root_on_postern()?;
    let output = std::process::Command::new("/bin/modinfo").arg("hello").output()?;
    let facts = String::from_utf8_lossy(&output.stdout);
    let has = |start: &str| facts.lines().any(|line| line.starts_with(start));
    expect(has("parm:           slots:") && has("value:          slots=16"), "slots and its value")?;
    for switch in SWITCHES {
        expect(has(&format!("parm:           {switch}:")), &format!("{switch} is explained"))?;
        expect(has(&format!("value:          {switch}=Y")), &format!("the value of {switch}"))?;
    }
    Ok(())
}

fn bad_parameters_leave_it_unloaded() -> Outcome {
    reloaded_after(|| {
        for text in ["slots=3", "slots=0", "slots=2048", "slots=-1", "merge=maybe", "merge=2", "colour=red"] {
            expect_errno(load("hello", text), EINVAL)?;
            expect_errno(path::stat(hello::PATH), ENOENT)?;
        }
        Ok(())
    })
}

fn open_device_cannot_be_unloaded() -> Outcome {
    needs_root_on_postern()?;
    let file = hello::open(O_RDWR)?;
    fd::write(file, b"here")?;
    expect_errno(delete_module("hello", 0), EBUSY)?;
    expect_eq(fd::read_up_to(file, 4)?, b"here", "the bytes")?;
    fd::close(file)?;
    reloaded_after(|| expect_errno(hello::open(O_RDWR), ENOENT))
}

/// §3.2: "walks the rbtree to release every per-cgroup instance still alive". That no page stays is tested in the kernel.
fn unloading_takes_node_proc_files_and_rings_with_it() -> Outcome {
    needs_root_on_postern()?;
    let group = Group::new()?;
    group.enter()?;
    let file = hello::open(O_RDWR)?;
    fd::write(file, &[0; 3 * PAGE])?;
    fd::close(file)?;
    reloaded_after(|| {
        for gone in [hello::PATH, "/proc/postern/hello", "/proc/postern/hello_instances", "/sys/module/hello"] {
            expect_errno(path::stat(gone), ENOENT)?;
        }
        load("hello", "")?;
        expect_eq(hello::counter("instances")?, 0, "rings after it is loaded again")?;
        expect_eq((hello::counter("opens")?, hello::counter("bytes")?), (0, 0), "openings and bytes counted")
    })?;
    cgroup::leave()
}

fn slots_written_in_sysfs_count_for_new_rings_alone() -> Outcome {
    needs_root_on_postern()?;
    let group = Group::new()?;
    let made_in = |name: &str| -> Result<i32, Failure> {
        cgroup::write(&format!("{}/cgroup.procs", group.below(name)?), "0")?;
        let file = hello::open(O_RDWR)?;
        cgroup::leave()?;
        Ok(file)
    };
    let early = made_in("early")?;
    set("slots", "4")?;
    let late = made_in("late");
    set("slots", "16")?;
    expect_eq((hello::slots(early)?, hello::slots(late?)?), (16, 4), "slots of the ring before, and after")
}

fn recycle_off_allocates_a_page_for_each_write_of_one() -> Outcome {
    const WRITES: u64 = 20;
    without("recycle", |pipe| {
        let before = counters(pipe)?;
        for _ in 0..WRITES {
            fd::write(pipe.write, &[1; PAGE])?;
            fd::read_up_to(pipe.read, PAGE)?;
        }
        let after = counters(pipe)?;
        expect_eq(after.allocations - before.allocations, WRITES, "pages allocated")?;
        expect_eq(after.recycles - before.recycles, 0, "pages recycled")
    })
}

fn merge_off_gives_each_write_a_slot() -> Outcome {
    without("merge", |pipe| {
        for piece in [&b"H"[..], b"E", b"LL", b"O"] {
            fd::write(pipe.write, piece)?;
        }
        let stat = hello::stat(pipe.read)?;
        expect_eq((stat.used_slots, stat.counters.merges), (4, 0), "slots in use, and merges")?;
        expect_eq(fd::read_up_to(pipe.read, 5)?, b"HELLO", "the bytes")
    })
}

/// §4.5: a "traditional `wake_up_all` on a queue with N sleepers" finds work for one.
fn exclusive_off_wakes_all_of_whom_one_finds_something() -> Outcome {
    const READERS: usize = 5;
    without("exclusive", |pipe| {
        let readers = waiting_readers(pipe, READERS)?;
        let before = counters(pipe)?;
        fd::write(pipe.write, b"x")?;
        expect_eq(counters(pipe)?.wakes - before.wakes, READERS as u64, "readers woken by one byte")?;
        fd::write(pipe.write, &[b'x'; READERS - 1])?;
        readers.into_iter().try_for_each(Child::expect_success)
    })
}

fn chained_off_serves_every_reader_by_the_event_itself() -> Outcome {
    const READERS: usize = 5;
    without("chained", |pipe| {
        let readers = waiting_readers(pipe, READERS)?;
        let before = counters(pipe)?;
        fd::write(pipe.write, &[b'x'; READERS])?;
        expect_eq(counters(pipe)?.wakes - before.wakes, READERS as u64, "readers woken by the write")?;
        readers.into_iter().try_for_each(Child::expect_success)
    })
}

fn snapshot_off_tells_the_same_readiness() -> Outcome {
    without("snapshot", |pipe| {
        let both = || Ok::<_, Failure>((revents(pipe.read, POLLIN)?, revents(pipe.write, POLLOUT)?));
        expect_eq(both()?, (0, POLLOUT), "reader and writer, empty")?;
        fd::write(pipe.write, &[0; 15 * PAGE])?;
        expect_eq(both()?, (POLLIN, POLLOUT), "reader and writer, with data")?;
        fd::write(pipe.write, &[0; PAGE])?;
        expect_eq(both()?, (POLLIN, 0), "reader and writer, full")?;
        let reader = process::spawn(|| expect_eq(fd::read_up_to(pipe.read, 17 * PAGE)?.len(), 17 * PAGE, "bytes"))?;
        reader.wait_until_asleep()?;
        expect_eq(both()?, (0, POLLOUT), "reader and writer, drained")?;
        fd::write(pipe.write, &[0; PAGE])?;
        reader.expect_success()
    })
}

fn page_cache_and_hand_off_are_the_kernel_s_own_switches() -> Outcome {
    for switch in ["page_cache", "hand_off"] {
        let state = || Ok::<_, Failure>(std::fs::read_to_string(format!("/proc/postern/{switch}"))?.trim().to_owned());
        without(switch, |pipe| {
            expect_eq(state()?, "0", switch)?;
            let readers = waiting_readers(pipe, 3)?;
            fd::write(pipe.write, b"abc")?;
            readers.into_iter().try_for_each(Child::expect_success)
        })?;
        expect_eq(state()?, "1", switch)?;
    }
    Ok(())
}

fn switches_of_the_kernel_are_left_alone_and_put_back() -> Outcome {
    for switch in ["page_cache", "hand_off"] {
        let path = format!("/proc/postern/{switch}");
        let state = || Ok::<_, Failure>(std::fs::read_to_string(&path)?.trim().to_owned());
        reloaded_after(|| {
            std::fs::write(&path, "0")?;
            load("hello", "")?;
            expect_eq(state()?, "0", "the state after loading by default")?;
            expect_eq(parameter(switch)?, "N", "the parameter that nobody gave")?;
            std::fs::write(&path, "1")?;
            expect_eq(parameter(switch)?, "Y", "the parameter, once another has changed the state")?;
            unloaded("hello")?;
            expect_eq(state()?, "1", "the state after unloading")?;
            load("hello", &format!("{switch}=0"))?;
            expect_eq(state()?, "0", "the state after loading with it off")?;
            unloaded("hello")?;
            expect_eq(state()?, "1", "the state after unloading again")
        })?;
    }
    Ok(())
}

fn idle_share_bounds_what_closed_rings_keep() -> Outcome {
    needs_root_on_postern()?;
    let kept_by = |name: &[u8]| -> Result<usize, Failure> {
        let before = hello::module_bytes()?;
        let file = hello::open(O_RDWR)?;
        hello::channel(file, name)?;
        fd::write(file, &[1; 10 * PAGE])?;
        fd::close(file)?;
        Ok((hello::module_bytes()? - before) / PAGE)
    };
    expect_eq(parameter("idle_share")?, "8", "the parameter at first")?;
    expect_eq(kept_by(b"idle-at-first")?, 10, "pages kept at first")?;
    set("idle_share", "4294967296")?;
    let none = kept_by(b"idle-none");
    set("idle_share", "8")?;
    expect_eq(none?, 0, "pages kept of a share of nothing")?;
    expect_eq(kept_by(b"idle-again")?, 10, "pages kept again")
}

fn memory_of_the_module_is_that_of_its_rings() -> Outcome {
    needs_root_on_postern()?;
    let held = hello::module_bytes;
    let before = held()?;
    let file = hello::open(O_RDWR)?;
    hello::channel(file, b"memory-of-the-module")?;
    fd::write(file, &[1; 10 * PAGE])?;
    let more = held()?.saturating_sub(before);
    expect((10 * PAGE..12 * PAGE).contains(&more), &format!("ten pages and a little: {more} bytes"))
}

fn bad_values_in_sysfs_are_einval_and_change_nothing() -> Outcome {
    needs_root_on_postern()?;
    for (name, bad) in
        [("slots", "3"), ("slots", "2048"), ("slots", "many"), ("merge", "maybe"), ("idle_share", "0"), ("recycle", "")]
    {
        let before = parameter(name)?;
        let written = set(name, bad);
        if !bad.is_empty() {
            expect_errno(written, EINVAL)?;
        }
        expect_eq(parameter(name)?, before, name)?;
    }
    Ok(())
}

fn every_counter_counts_what_it_is_named_after() -> Outcome {
    needs_root_on_postern()?;
    let pipe = hello::pipe(0)?;
    let before = counters(&pipe)?;
    let reader = &waiting_readers(&pipe, 1)?[0];
    fd::write(pipe.write, b"x")?;
    reader.expect_success()?;
    let first = counters(&pipe)?;
    expect_eq((first.sleeps - before.sleeps, first.wakes - before.wakes), (1, 1), "sleeps and wakes of one wait")?;
    expect_eq(first.bytes - before.bytes, 1, "bytes")?;
    let began = (first.allocations + first.recycles) - (before.allocations + before.recycles);
    expect_eq(began, 1, "slots begun, with a new page or an old one")?;
    fd::write(pipe.write, b"ab")?;
    fd::write(pipe.write, b"cd")?;
    expect_eq(counters(&pipe)?.merges - first.merges, 1, "merges")?;
    let again = hello::open(O_RDWR)?;
    hello::channel(again, b"another-channel")?;
    expect_eq(hello::stat(again)?.counters.opens, 1, "openings of a new channel")?;
    // Whoever is woken and finds that another was quicker: only a herd shows it.
    expect_eq(counters(&pipe)?.spurious_wakes - before.spurious_wakes, 0, "wake-ups for nothing")?;
    without("exclusive", |herd| {
        let readers = waiting_readers(herd, 3)?;
        fd::write(herd.write, b"x")?;
        let back_asleep = || Ok::<_, Failure>(counters(herd)?.spurious_wakes);
        while back_asleep()? < 2 {
            std::thread::yield_now();
        }
        expect_eq(back_asleep()?, 2, "wake-ups for nothing of a herd of three")?;
        fd::write(herd.write, b"xx")?;
        readers.into_iter().try_for_each(Child::expect_success)
    })
}
