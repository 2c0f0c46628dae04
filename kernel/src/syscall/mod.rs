//! System calls: decode, call, encode the result. No policy.
//!
//! The table below is the one place that joins Linux's numbers to functions. A function's own
//! signature says how its argument registers are read ([`Register`]); errors are negated once, in
//! [`fail`]. A number that is not in the table is ENOSYS, and is counted. What a call lacks of its man page, if anything,
//! stands in its line; docs/system-calls.md is made of that (`cargo run -p check -- --renew`).
//! Specification: Linux's include/uapi/asm-generic/unistd.h, syscall(2).

pub mod exec;
pub mod fs;
pub mod futex;
pub mod identity;
pub mod ipc;
pub mod memory;
pub mod module;
pub mod poll;
pub mod process;
pub mod sched;
pub mod signal;
pub mod socket;
pub mod system;
pub mod time;
pub mod timer;

pub mod objects;
mod report;
mod unknown;
mod waits;

pub use report::init;

use crate::arch::exception::{Leaving, Remaining, TrapFrame, address};
use crate::arch::mmu::PAGE_SIZE;
use crate::mm::heap;
use linux_raw_sys::general as abi;
use postern_core::errno::Result;

/// Results from here on are a kernel-internal wish to be restarted, never seen by programs.
const FIRST_RESTART: u64 = 512;

/// Numbers that [`ENTRIES`] has; there is no call beyond.
pub const NUMBERS: usize = 512;

/// A system call as its number finds it, with the argument registers.
pub type Entry = extern "C" fn(u64, u64, u64, u64, u64, u64) -> Leaving;

/// How a system call leaves.
#[inline(always)]
fn leave(result: Result<usize>) -> Leaving {
    match result {
        Ok(value) => {
            Leaving { value: value as u64, remaining: Remaining::work(crate::sched::current().requests().bits()) }
        }
        Err(error) => Leaving { value: u64::from(error.raw()), remaining: Remaining::ERROR },
    }
}

/// A call for [`dispatch_whole`].
extern "C" fn later(_: u64, _: u64, _: u64, _: u64, _: u64, _: u64) -> Leaving {
    Leaving { value: 0, remaining: Remaining::CALL }
}

/// Carries out a system call that needs the whole context, or counts one that does not exist.
pub fn dispatch_whole(frame: &mut TrapFrame) {
    match route_whole(u32::from_register(frame.x[8]), frame) {
        Ok(value) => frame.x[0] = value as u64,
        Err(error) => fail(frame, u64::from(error.raw())),
    }
}

/// The one place where an error becomes a negative number.
pub fn fail(frame: &mut TrapFrame, error: u64) {
    // A restarted call needs its first argument back.
    frame.original_x0 = frame.x[0];
    frame.x[0] = error.wrapping_neg();
    // On the way out, signal delivery decides between EINTR and a restart.
    frame.restart = u64::from(error >= FIRST_RESTART);
    if error >= FIRST_RESTART {
        // Even if the signal that ended the call is another thread's by now.
        crate::process::signal::ask_current();
    }
}

/// A type that an argument register can be read as.
trait Register {
    /// The value; as in Linux, bits beyond a 32-bit argument are ignored.
    fn from_register(word: u64) -> Self;
}

impl Register for u64 {
    fn from_register(word: u64) -> Self {
        word
    }
}

impl Register for i64 {
    fn from_register(word: u64) -> Self {
        word.cast_signed()
    }
}

impl Register for usize {
    fn from_register(word: u64) -> Self {
        address(word)
    }
}

impl Register for u32 {
    fn from_register(word: u64) -> Self {
        (word & 0xffff_ffff) as Self
    }
}

impl Register for i32 {
    fn from_register(word: u64) -> Self {
        u32::from_register(word).cast_signed()
    }
}

impl<T> Register for crate::mm::user::UserPtr<T> {
    fn from_register(word: u64) -> Self {
        Self::new(address(word))
    }
}

/// A function that implements a system call, with its argument types.
trait Call<Arguments> {
    fn carry_out(self, arguments: [u64; 6]) -> Result<usize>;
}

macro_rules! impl_call {
    ($($type:ident $index:literal),*) => {
        impl<F: Fn($($type),*) -> Result<usize>, $($type: Register),*> Call<($($type,)*)> for F {
            #[inline(always)]
            fn carry_out(self, arguments: [u64; 6]) -> Result<usize> {
                let _ = arguments;
                self($($type::from_register(arguments[$index])),*)
            }
        }
    };
}

impl_call!();
impl_call!(A 0);
impl_call!(A 0, B 1);
impl_call!(A 0, B 1, C 2);
impl_call!(A 0, B 1, C 2, D 3);
impl_call!(A 0, B 1, C 2, D 3, E 4);
impl_call!(A 0, B 1, C 2, D 3, E 4, G 5);

/// exit(2), with a type for the table.
fn exit(status: i32) -> Result<usize> {
    process::exit(status)
}

/// exit_group(2), with a type for the table.
fn exit_group(status: i32) -> Result<usize> {
    process::exit_group(status)
}

/// A function of the number's name, for debuggers and profiles.
macro_rules! entry {
    ($number:ident, |$arguments:ident| $result:expr) => {{
        #[expect(non_snake_case, reason = "Linux's name of the number")]
        extern "C" fn $number(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64) -> Leaving {
            let $arguments = [a, b, c, d, e, f];
            leave($result)
        }
        $number
    }};
}

macro_rules! table {
    (plain { $($(#[lacks = $lacks:literal])? $number:ident => $function:path,)* }
     allocating {
         $($(#[lacks = $allocating_lacks:literal])? $allocating_number:ident => $allocating_function:path,)*
     }
     whole_frame { $($(#[lacks = $whole_lacks:literal])? $whole_number:ident => $whole_function:path,)* }) => {
        /// Every number's function. One entry a call, so that each has its arguments where it wants them, and no more.
        pub const ENTRIES: [Entry; NUMBERS] = {
            let mut entries: [Entry; NUMBERS] = [later; NUMBERS];
            $(entries[abi::$number as usize] =
                entry!($number, |arguments| $function.carry_out(arguments));)*
            $(entries[abi::$allocating_number as usize] = entry!($allocating_number, |arguments| match heap::admit(PAGE_SIZE) {
                Ok(()) => $allocating_function.carry_out(arguments),
                Err(error) => Err(error),
            });)*
            entries
        };

        fn route_whole(number: u32, frame: &mut TrapFrame) -> Result<usize> {
            match number {
                $(abi::$whole_number => $whole_function(frame),)*
                _ => unknown::count(number),
            }
        }
    };
}

table! {
    plain {
        // Files and descriptors.
        __NR_read => fs::read,
        __NR_write => fs::write,
        __NR_readv => fs::readv,
        __NR_writev => fs::writev,
        __NR_pread64 => fs::pread64,
        __NR_pwrite64 => fs::pwrite64,
        __NR_preadv => fs::preadv,
        __NR_pwritev => fs::pwritev,
        #[lacks = "RWF_NOWAIT (EOPNOTSUPP)"]
        __NR_preadv2 => fs::preadv2,
        #[lacks = "RWF_NOWAIT, RWF_APPEND, RWF_NOAPPEND (EOPNOTSUPP)"]
        __NR_pwritev2 => fs::pwritev2,
        __NR_lseek => fs::lseek,
        __NR_sendfile => fs::sendfile,
        __NR_splice => fs::splice,
        __NR_tee => fs::tee,
        __NR_vmsplice => fs::vmsplice,
        __NR_copy_file_range => fs::copy_file_range,
        __NR_close => fs::close,
        __NR_close_range => fs::close_range,
        #[lacks = "of terminals, what docs/terminals.md names"]
        __NR_ioctl => fs::ioctl,
        __NR_flock => fs::flock,
        __NR_fstat => fs::fstat,
        __NR_newfstatat => fs::newfstatat,
        __NR_statx => fs::statx,
        __NR_statfs => fs::statfs,
        __NR_fstatfs => fs::fstatfs,
        __NR_unlinkat => fs::unlinkat,
        __NR_readlinkat => fs::readlinkat,
        __NR_getdents64 => fs::getdents64,
        __NR_getcwd => fs::getcwd,
        __NR_chdir => fs::chdir,
        __NR_fchdir => fs::fchdir,
        __NR_chroot => fs::chroot,
        __NR_pivot_root => fs::pivot_root,
        __NR_umask => fs::umask,
        __NR_fchmod => fs::fchmod,
        __NR_fchmodat => fs::fchmodat,
        __NR_fchmodat2 => fs::fchmodat2,
        __NR_fchown => fs::fchown,
        __NR_fchownat => fs::fchownat,
        __NR_utimensat => fs::utimensat,
        __NR_faccessat => fs::faccessat,
        __NR_faccessat2 => fs::faccessat2,
        __NR_truncate => fs::truncate,
        __NR_ftruncate => fs::ftruncate,
        #[lacks = "collapsing and inserting ranges (EOPNOTSUPP)"]
        __NR_fallocate => fs::fallocate,
        __NR_fsync => fs::fsync,
        __NR_fdatasync => fs::fdatasync,
        __NR_sync => fs::sync,
        __NR_syncfs => fs::syncfs,
        __NR_fadvise64 => fs::fadvise64,
        __NR_readahead => fs::readahead,
        __NR_umount2 => fs::umount2,
        // Pipes, events, readiness.
        #[lacks = "priority inheritance (ENOSYS)"]
        __NR_futex => futex::futex,
        __NR_ppoll => poll::ppoll,
        __NR_pselect6 => poll::pselect6,
        __NR_epoll_pwait => poll::epoll_pwait,
        __NR_epoll_pwait2 => poll::epoll_pwait2,
        // Sockets.
        #[lacks = "all families but AF_UNIX (EAFNOSUPPORT)"]
        __NR_socket => socket::socket,
        __NR_bind => socket::bind,
        __NR_listen => socket::listen,
        __NR_accept => socket::accept,
        __NR_connect => socket::connect,
        __NR_accept4 => socket::accept4,
        __NR_shutdown => socket::shutdown,
        __NR_recvfrom => socket::recvfrom,
        __NR_recvmsg => socket::recvmsg,
        __NR_recvmmsg => socket::recvmmsg,
        __NR_getsockname => socket::getsockname,
        __NR_getpeername => socket::getpeername,
        #[lacks = "SO_PEEK_OFF, SO_PASSPIDFD, SO_PEERPIDFD, filters, what concerns networks (ENOPROTOOPT)"]
        __NR_getsockopt => socket::getsockopt,
        #[lacks = "SO_PEEK_OFF, SO_PASSPIDFD, SO_PEERPIDFD, filters, what concerns networks (ENOPROTOOPT)"]
        __NR_setsockopt => socket::setsockopt,
        // Memory.
        __NR_brk => memory::brk,
        __NR_munmap => memory::munmap,
        #[lacks = "advice about speed has no effect"]
        __NR_madvise => memory::madvise,
        __NR_msync => memory::msync,
        __NR_mincore => memory::mincore,
        __NR_mlock => memory::mlock,
        __NR_mlock2 => memory::mlock2,
        __NR_munlock => memory::munlock,
        __NR_mlockall => memory::mlockall,
        __NR_munlockall => memory::munlockall,
        #[lacks = "the private barrier is as slow as the global one; the expedited others, and rseq's (EINVAL)"]
        __NR_membarrier => memory::membarrier,
        // Processes and threads.
        __NR_exit => exit,
        __NR_exit_group => exit_group,
        __NR_wait4 => process::wait4,
        #[lacks = "P_PIDFD (EBADF)"]
        __NR_waitid => process::waitid,
        __NR_getpid => process::getpid,
        __NR_getppid => process::getppid,
        __NR_gettid => process::gettid,
        __NR_set_tid_address => process::set_tid_address,
        __NR_set_robust_list => process::set_robust_list,
        __NR_get_robust_list => process::get_robust_list,
        __NR_getpgid => process::getpgid,
        __NR_setpgid => process::setpgid,
        __NR_getsid => process::getsid,
        __NR_setsid => process::setsid,
        #[lacks = "all time is user time; faults and switches are not counted"]
        __NR_getrusage => process::getrusage,
        #[lacks = "all time is user time"]
        __NR_times => process::times,
        __NR_prlimit64 => process::prlimit64,
        __NR_getrlimit => process::getrlimit,
        __NR_setrlimit => process::setrlimit,
        #[lacks = "seccomp, tracing, capabilities one by one, speculation, tagged addresses (EINVAL)"]
        __NR_prctl => process::prctl,
        __NR_personality => process::personality,
        #[lacks = "namespaces (EINVAL)"]
        __NR_unshare => process::unshare,
        // Identity.
        __NR_getuid => identity::getuid,
        __NR_geteuid => identity::geteuid,
        __NR_getgid => identity::getgid,
        __NR_getegid => identity::getegid,
        __NR_setuid => identity::setuid,
        __NR_setgid => identity::setgid,
        __NR_setreuid => identity::setreuid,
        __NR_setregid => identity::setregid,
        __NR_setresuid => identity::setresuid,
        __NR_setresgid => identity::setresgid,
        __NR_getresuid => identity::getresuid,
        __NR_getresgid => identity::getresgid,
        __NR_setfsuid => identity::setfsuid,
        __NR_setfsgid => identity::setfsgid,
        __NR_getgroups => identity::getgroups,
        __NR_setgroups => identity::setgroups,
        __NR_capget => identity::capget,
        #[lacks = "single capabilities: root has all, others none"]
        __NR_capset => identity::capset,
        // Signals.
        __NR_kill => signal::kill,
        __NR_tkill => signal::tkill,
        __NR_tgkill => signal::tgkill,
        __NR_rt_sigaction => signal::rt_sigaction,
        __NR_rt_sigprocmask => signal::rt_sigprocmask,
        __NR_rt_sigpending => signal::rt_sigpending,
        __NR_rt_sigsuspend => signal::rt_sigsuspend,
        __NR_rt_sigtimedwait => signal::rt_sigtimedwait,
        __NR_getitimer => signal::getitimer,
        // Time.
        __NR_clock_gettime => time::clock_gettime,
        __NR_clock_settime => time::clock_settime,
        __NR_clock_getres => time::clock_getres,
        __NR_clock_nanosleep => time::clock_nanosleep,
        __NR_nanosleep => time::nanosleep,
        __NR_gettimeofday => time::gettimeofday,
        __NR_settimeofday => time::settimeofday,
        __NR_timer_gettime => timer::timer_gettime,
        __NR_timer_getoverrun => timer::timer_getoverrun,
        __NR_timer_delete => timer::timer_delete,
        __NR_timerfd_gettime => timer::timerfd_gettime,
        // Scheduling.
        __NR_sched_yield => sched::sched_yield,
        __NR_sched_getaffinity => sched::sched_getaffinity,
        __NR_sched_setaffinity => sched::sched_setaffinity,
        __NR_sched_getscheduler => sched::sched_getscheduler,
        #[lacks = "the policy is kept and reported, and has no effect"]
        __NR_sched_setscheduler => sched::sched_setscheduler,
        __NR_sched_getparam => sched::sched_getparam,
        #[lacks = "the priority is kept and reported, and has no effect"]
        __NR_sched_setparam => sched::sched_setparam,
        __NR_sched_get_priority_max => sched::sched_get_priority_max,
        __NR_sched_get_priority_min => sched::sched_get_priority_min,
        __NR_sched_rr_get_interval => sched::sched_rr_get_interval,
        __NR_getpriority => sched::getpriority,
        __NR_setpriority => sched::setpriority,
        __NR_getcpu => sched::getcpu,
        // The system.
        __NR_uname => system::uname,
        #[lacks = "load averages (0)"]
        __NR_sysinfo => system::sysinfo,
        __NR_getrandom => system::getrandom,
        #[lacks = "kexec, suspend, Ctrl-Alt-Del"]
        __NR_reboot => system::reboot,
        __NR_sethostname => system::sethostname,
        __NR_setdomainname => system::setdomainname,
        #[lacks = "clearing the log"]
        __NR_syslog => system::syslog,
        #[lacks = "force; a module in use is EBUSY, and EWOULDBLOCK with O_NONBLOCK only"]
        __NR_delete_module => module::delete_module,
    }
    // Calls that leave kernel objects behind: refused while only the kernel's reserve of memory is left.
    allocating {
        #[lacks = "O_TMPFILE (EOPNOTSUPP), O_DIRECT and O_ASYNC have no effect"]
        __NR_openat => fs::openat,
        #[lacks = "O_TMPFILE (EOPNOTSUPP)"]
        __NR_openat2 => fs::openat2,
        __NR_mkdirat => fs::mkdirat,
        __NR_mknodat => fs::mknodat,
        __NR_symlinkat => fs::symlinkat,
        __NR_linkat => fs::linkat,
        __NR_renameat => fs::renameat,
        #[lacks = "RENAME_WHITEOUT (EINVAL)"]
        __NR_renameat2 => fs::renameat2,
        __NR_memfd_create => fs::memfd_create,
        #[lacks = "propagation flags change nothing, for there is one tree"]
        __NR_mount => fs::mount,
        #[lacks = "takes Postern's images only (docs/modules.md)"]
        __NR_init_module => module::init_module,
        #[lacks = "takes Postern's images only (docs/modules.md)"]
        __NR_finit_module => module::finit_module,
        __NR_pipe2 => ipc::pipe2,
        __NR_eventfd2 => ipc::eventfd2,
        __NR_signalfd4 => signal::signalfd4,
        __NR_timer_create => timer::timer_create,
        __NR_timer_settime => timer::timer_settime,
        __NR_timerfd_create => timer::timerfd_create,
        __NR_timerfd_settime => timer::timerfd_settime,
        __NR_epoll_create1 => poll::epoll_create1,
        __NR_epoll_ctl => poll::epoll_ctl,
        #[lacks = "all families but AF_UNIX (EAFNOSUPPORT)"]
        __NR_socketpair => socket::socketpair,
        #[lacks = "huge pages (ENOMEM, or EINVAL with a file)"]
        __NR_mmap => memory::mmap,
        __NR_mprotect => memory::mprotect,
        __NR_mremap => memory::mremap,
        __NR_dup => fs::dup,
        __NR_dup3 => fs::dup3,
        #[lacks = "leases, F_NOTIFY, signals about readiness: F_SETOWN and its kin (EINVAL)"]
        __NR_fcntl => fs::fcntl,
        #[lacks = "ITIMER_VIRTUAL goes by all CPU time, as ITIMER_PROF does"]
        __NR_setitimer => signal::setitimer,
        __NR_rt_sigqueueinfo => signal::rt_sigqueueinfo,
        __NR_rt_tgsigqueueinfo => signal::rt_tgsigqueueinfo,
        #[lacks = "out-of-band bytes (EOPNOTSUPP)"]
        __NR_sendmsg => socket::sendmsg,
        #[lacks = "out-of-band bytes (EOPNOTSUPP)"]
        __NR_sendmmsg => socket::sendmmsg,
        #[lacks = "out-of-band bytes (EOPNOTSUPP)"]
        __NR_sendto => socket::sendto,
    }
    whole_frame {
        #[lacks = "namespaces (EINVAL), tracing, System V semaphore undo"]
        __NR_clone => process::clone,
        #[lacks = "dynamically linked programs (ENOENT)"]
        __NR_execve => exec::execve,
        #[lacks = "dynamically linked programs (ENOENT)"]
        __NR_execveat => exec::execveat,
        __NR_rt_sigreturn => signal::rt_sigreturn,
        __NR_sigaltstack => signal::sigaltstack,
    }
}
