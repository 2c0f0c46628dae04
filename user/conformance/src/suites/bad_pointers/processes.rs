//! Arguments of calls about processes, limits and the system.

use super::{Access, Case, Fixture, ROOM, call};
use crate::probe;
use crate::sys::{Sys, SysError, process};
use Access::{Reads, ReadsText, Writes};

/// A call that waits for a child which has just ended.
fn with_ended_child(waits: impl FnOnce(i32) -> Sys<usize>) -> Sys<usize> {
    let child = process::spawn_exit(0)?;
    let result = waits(child.pid);
    // Linux has reaped the child when it finds out about the address; another kernel may leave it.
    match process::wait4(child.pid, 0) {
        Err(SysError { errno: libc::ECHILD, .. }) | Ok(_) => result,
        Err(error) => Err(error),
    }
}

fn wait4(pid: i32, status: usize, usage: usize) -> Sys<usize> {
    call(libc::SYS_wait4, [super::word(pid), status, 0, usage])
}

fn waitid(pid: i32, information: usize, usage: usize) -> Sys<usize> {
    let (kind, options) = (super::word(libc::P_PID.cast_signed()), super::word(libc::WEXITED));
    call(libc::SYS_waitid, [kind, super::word(pid), information, options, usage])
}

/// The path of this very program, and vectors of which 0 stands for one that is empty, in good memory.
fn program(fixture: &Fixture, vectors: [usize; 2]) -> Sys<[usize; 3]> {
    let missing = SysError { call: "finding this program", errno: libc::ENOENT };
    let program = probe::program().map_err(|_| missing)?;
    fixture.good.store_all(ROOM, program.as_bytes());
    fixture.good.store_all(ROOM + program.len(), &[0]);
    // Eight zero bytes in good memory are an empty vector.
    let [arguments, environment] =
        vectors.map(|address| if address == 0 { fixture.good(super::ZERO_TIME) } else { address });
    Ok([fixture.good(ROOM), arguments, environment])
}

fn execve(fixture: &Fixture, arguments: usize, environment: usize) -> Sys<usize> {
    call(libc::SYS_execve, program(fixture, [arguments, environment])?)
}

fn execveat(fixture: &Fixture, arguments: usize, environment: usize) -> Sys<usize> {
    let [path, arguments, environment] = program(fixture, [arguments, environment])?;
    call(libc::SYS_execveat, [super::CWD, path, arguments, environment, 0])
}

/// A vector in good memory whose one string lies at `address`.
fn vector_of(fixture: &Fixture, address: usize) -> usize {
    let offset = super::ZERO_TIME - 64;
    fixture.good.store_all(offset, &address.to_ne_bytes());
    fixture.good(offset)
}

fn prctl(option: i32, argument: usize) -> Sys<usize> {
    call(libc::SYS_prctl, [super::word(option), argument])
}

/// Linux fills in siginfo up to si_status only, and the hole must lie in what it fills in.
const WRITTEN_OF_SIGINFO: usize = 28;

/// The sizes of the kernel's structs: libc's may hold room for later members.
const SYSINFO: usize = 112;
const USAGE: usize = 144;

const NOFILE: usize = 7;

pub(super) const CASES: &[Case] = &[
    Case::new("wait4_status", Writes(4), |_, at| with_ended_child(|pid| wait4(pid, at, 0))).optional(),
    Case::new("wait4_usage", Writes(USAGE), |_, at| with_ended_child(|pid| wait4(pid, 0, at))).optional(),
    Case::new("waitid_information", Writes(WRITTEN_OF_SIGINFO), |_, at| with_ended_child(|pid| waitid(pid, at, 0)))
        .optional(),
    Case::new("waitid_usage", Writes(USAGE), |_, at| with_ended_child(|pid| waitid(pid, 0, at))).optional(),
    Case::new("execve_path", ReadsText, |f, at| {
        call(libc::SYS_execve, [at, f.good(super::ZERO_TIME), f.good(super::ZERO_TIME)])
    }),
    Case::new("execve_arguments", Reads(8), |f, at| execve(f, at, 0)).optional(),
    Case::new("execve_environment", Reads(8), |f, at| execve(f, 0, at)).optional(),
    // A null pointer in the vector is its end.
    Case::new("execve_argument", ReadsText, |f, at| execve(f, vector_of(f, at), 0)).optional(),
    Case::new("execve_variable", ReadsText, |f, at| execve(f, 0, vector_of(f, at))).optional(),
    Case::new("execveat_path", ReadsText, |f, at| {
        call(libc::SYS_execveat, [super::CWD, at, f.good(super::ZERO_TIME), f.good(super::ZERO_TIME), 0])
    }),
    Case::new("execveat_arguments", Reads(8), |f, at| execveat(f, at, 0)).optional(),
    Case::new("execveat_environment", Reads(8), |f, at| execveat(f, 0, at)).optional(),
    Case::new("prctl_argument_set_name", ReadsText, |_, at| prctl(libc::PR_SET_NAME, at)),
    Case::new("prctl_argument_get_name", Writes(16), |_, at| prctl(libc::PR_GET_NAME, at)),
    Case::new("prctl_argument_get_pdeathsig", Writes(4), |_, at| prctl(libc::PR_GET_PDEATHSIG, at)),
    Case::new("prctl_argument_get_child_subreaper", Writes(4), |_, at| prctl(libc::PR_GET_CHILD_SUBREAPER, at)),
    Case::new("sethostname_name", Reads(8), |_, at| call(libc::SYS_sethostname, [at, 8])).for_root(),
    Case::new("setdomainname_name", Reads(8), |_, at| call(libc::SYS_setdomainname, [at, 8])).for_root(),
    Case::new("uname_names", Writes(size_of::<libc::utsname>()), |_, at| call(libc::SYS_uname, [at])),
    Case::new("sysinfo_information", Writes(SYSINFO), |_, at| call(libc::SYS_sysinfo, [at])),
    Case::new("times_buffer", Writes(32), |_, at| call(libc::SYS_times, [at])).optional(),
    Case::new("getrusage_usage", Writes(USAGE), |_, at| call(libc::SYS_getrusage, [0, at])),
    Case::new("prlimit64_new_limit", Reads(16), |_, at| call(libc::SYS_prlimit64, [0, NOFILE, at, 0])).optional(),
    Case::new("prlimit64_old_limit", Writes(16), |_, at| call(libc::SYS_prlimit64, [0, NOFILE, 0, at])).optional(),
    Case::new("getrlimit_limit", Writes(16), |_, at| call(libc::SYS_getrlimit, [NOFILE, at])),
    Case::new("setrlimit_limit", Reads(16), |_, at| call(libc::SYS_setrlimit, [NOFILE, at])),
    Case::new("sched_getaffinity_mask", Writes(8), |_, at| call(libc::SYS_sched_getaffinity, [0, 128, at])),
    Case::new("sched_setaffinity_mask", Reads(8), |_, at| call(libc::SYS_sched_setaffinity, [0, 8, at])),
    Case::new("sched_getparam_param", Writes(4), |_, at| call(libc::SYS_sched_getparam, [0, at])).optional(),
    Case::new("sched_setparam_param", Reads(4), |_, at| call(libc::SYS_sched_setparam, [0, at])).optional(),
    Case::new("sched_setscheduler_param", Reads(4), |_, at| call(libc::SYS_sched_setscheduler, [0, 0, at])).optional(),
    Case::new("sched_rr_get_interval_interval", Writes(16), |_, at| call(libc::SYS_sched_rr_get_interval, [0, at])),
    Case::new("getcpu_cpu", Writes(4), |_, at| call(libc::SYS_getcpu, [at, 0, 0])).optional(),
    Case::new("getcpu_node", Writes(4), |_, at| call(libc::SYS_getcpu, [0, at, 0])).optional(),
];
