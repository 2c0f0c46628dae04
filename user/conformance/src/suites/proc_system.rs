//! What /proc and /sys tell of the system. Specification: proc(5), proc_interrupts(5), proc_sys_kernel(5), random(4), proc_stat(5),
//! proc_swaps(5), tmpfs(5).

use crate::check::{Failure, Outcome, expect, expect_eq, failed};
use crate::sys::{fd, path, time};
use std::fs::read_to_string;
use std::time::Duration;

crate::tests! {
    interrupts_are_counted_for_each_processor,
    the_count_of_interrupts_goes_up,
    a_uuid_is_new_each_time_and_that_of_the_boot_stays,
    kernel_numbers_are_told,
    stat_counts_switches_and_knows_the_time_of_the_boot,
    filesystems_are_listed_with_those_that_are_mounted,
    tables_without_entries_are_empty_or_a_heading,
    version_and_command_line_are_a_line_each,
    cpuinfo_has_a_paragraph_for_each_processor,
    a_directory_on_tmpfs_is_as_long_as_its_names_are_many,
}

/// The lines of /proc/interrupts: the heading, and the rows.
fn interrupts() -> Result<(usize, Vec<String>), Failure> {
    let text = read_to_string("/proc/interrupts")?;
    let mut lines = text.lines().map(str::to_string);
    let head = lines.next().ok_or_else(|| failed("there is no heading"))?;
    Ok((head.split_whitespace().filter(|word| word.starts_with("CPU")).count(), lines.collect()))
}

/// The sum of a row's counts for `cpus`.
fn sum(row: &str, cpus: usize) -> u64 {
    row.split_whitespace().skip(1).take(cpus).filter_map(|word| word.parse::<u64>().ok()).sum()
}

fn interrupts_are_counted_for_each_processor() -> Outcome {
    let (cpus, rows) = interrupts()?;
    let stat = read_to_string("/proc/stat")?;
    let counted = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
    expect_eq(cpus, counted, "processors in the heading")?;
    expect(rows.iter().all(|row| row.contains(':')), "each row begins with a name and a colon")?;
    expect(rows.iter().any(|row| sum(row, cpus) > 0), "there have been some")
}

fn the_count_of_interrupts_goes_up() -> Outcome {
    let total = || -> Result<u64, Failure> {
        let (cpus, rows) = interrupts()?;
        Ok(rows.iter().map(|row| sum(row, cpus)).sum())
    };
    let before = total()?;
    // Sleeping ends by an interrupt of a timer.
    for _ in 0..3 {
        time::nanosleep(time::timespec(Duration::from_millis(2))).0?;
    }
    expect(total()? >= before + 3, "each sleep ended by an interrupt")
}

fn is_uuid(line: &str) -> bool {
    let groups: Vec<usize> = line.trim_end().split('-').map(str::len).collect();
    let is_hexadecimal = line.trim_end().chars().all(|letter| letter == '-' || letter.is_ascii_hexdigit());
    // Version 4: random.
    groups == [8, 4, 4, 4, 12] && is_hexadecimal && line.ends_with('\n') && line.as_bytes()[14] == b'4'
}

fn a_uuid_is_new_each_time_and_that_of_the_boot_stays() -> Outcome {
    let read = |name: &str| read_to_string(format!("/proc/sys/kernel/random/{name}"));
    let (one, two) = (read("uuid")?, read("uuid")?);
    expect(is_uuid(&one) && is_uuid(&two) && one != two, "two random ones differ")?;
    let boot = read("boot_id")?;
    expect(is_uuid(&boot), "the boot has one")?;
    expect_eq(read("boot_id")?, boot, "that of the boot, read again")
}

fn number(file: &str) -> Result<u64, Failure> {
    let text = read_to_string(format!("/proc/sys/kernel/{file}"))?;
    text.trim_end().parse().map_err(|_| failed(format!("{file} holds no number")))
}

fn kernel_numbers_are_told() -> Outcome {
    expect_eq(number("ngroups_max")?, 65_536, "ngroups_max")?;
    expect_eq(number("overflowuid")?, 65_534, "overflowuid")?;
    expect_eq(number("overflowgid")?, 65_534, "overflowgid")?;
    expect(number("cap_last_cap")? >= 40, "cap_last_cap")?;
    expect(number("random/entropy_avail")? <= number("random/poolsize")?, "no more is there than there can be")?;
    expect(number("pid_max")? >= 301, "pid_max")?;
    expect(number("threads-max")? >= 20, "threads-max")
}

fn stat_counts_switches_and_knows_the_time_of_the_boot() -> Outcome {
    let value = |name: &str| -> Result<u64, Failure> {
        let text = read_to_string("/proc/stat")?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let first = line.and_then(|line| line.split(' ').next()?.parse().ok());
        first.ok_or_else(|| failed(format!("/proc/stat has no {name}")))
    };
    let (switches, interrupts) = (value("ctxt")?, value("intr")?);
    for _ in 0..3 {
        time::nanosleep(time::timespec(Duration::from_millis(2))).0?;
    }
    expect(value("ctxt")? > switches, "switches go up")?;
    expect(value("intr")? > interrupts, "interrupts go up")?;
    let booted = time::clock_gettime(libc::CLOCK_REALTIME)? - time::clock_gettime(libc::CLOCK_BOOTTIME)?;
    expect(booted.as_secs().abs_diff(value("btime")?) <= 1, "the boot was as long ago as the clocks say")
}

fn filesystems_are_listed_with_those_that_are_mounted() -> Outcome {
    let known = read_to_string("/proc/filesystems")?;
    let names: Vec<&str> = known.lines().filter_map(|line| line.split('\t').nth(1)).collect();
    for name in ["proc", "sysfs", "tmpfs", "devpts"] {
        expect(names.contains(&name), "a type that everybody has is listed")?;
    }
    Ok(())
}

fn tables_without_entries_are_empty_or_a_heading() -> Outcome {
    let swaps = read_to_string("/proc/swaps")?;
    expect(swaps.starts_with("Filename\t\t\t\tType"), "swaps has its heading")?;
    let partitions = read_to_string("/proc/partitions")?;
    expect(partitions.is_empty() || partitions.starts_with("major minor  #blocks  name"), "partitions may have one")
}

fn version_and_command_line_are_a_line_each() -> Outcome {
    let version = read_to_string("/proc/version")?;
    expect(version.starts_with("Linux version ") && version.ends_with('\n'), "the version is Linux's")?;
    expect_eq(version.lines().count(), 1, "its lines")?;
    expect_eq(read_to_string("/proc/cmdline")?.lines().count(), 1, "the lines of the command line")
}

fn cpuinfo_has_a_paragraph_for_each_processor() -> Outcome {
    let text = read_to_string("/proc/cpuinfo")?;
    let stat = read_to_string("/proc/stat")?;
    let counted = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
    expect_eq(text.lines().filter(|line| line.starts_with("processor")).count(), counted, "processors")
}

fn a_directory_on_tmpfs_is_as_long_as_its_names_are_many() -> Outcome {
    const NAME_BYTES: i64 = 20;
    let directory = format!("/dev/shm/conformance-{}", std::process::id());
    let result = (|| -> Outcome {
        path::mkdir(&directory, 0o700)?;
        expect_eq(path::stat(&directory)?.st_size, 2 * NAME_BYTES, "of an empty one, which has . and ..")?;
        for number in 0..5 {
            fd::close(path::create(&format!("{directory}/{number}"))?)?;
        }
        expect_eq(path::stat(&directory)?.st_size, 7 * NAME_BYTES, "with five files")?;
        path::mkdir(&format!("{directory}/below"), 0o700)?;
        path::rename(&format!("{directory}/0"), &format!("{directory}/below/0"), 0)?;
        path::rename(&format!("{directory}/1"), &format!("{directory}/2"), 0)?;
        path::unlink(&format!("{directory}/3"))?;
        expect_eq(path::stat(&directory)?.st_size, 5 * NAME_BYTES, "after two were moved and one removed")?;
        expect_eq(path::stat(&format!("{directory}/below"))?.st_size, 3 * NAME_BYTES, "of the directory below")
    })();
    std::fs::remove_dir_all(&directory)?;
    result
}
