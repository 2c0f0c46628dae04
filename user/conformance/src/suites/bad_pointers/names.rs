//! Paths, and what calls with paths fill in.

use super::{Access, CWD, Case, FILE, HERE, LINK, NEW, ROOM, call};
use Access::{Reads, ReadsText, Writes};

pub(super) const CASES: &[Case] = &[
    Case::new("openat_path", ReadsText, |_, at| call(libc::SYS_openat, [CWD, at, 0, 0])),
    Case::new("openat_path_with_create", ReadsText, |_, at| {
        call(libc::SYS_openat, [CWD, at, super::word(libc::O_CREAT | libc::O_RDWR), 0o644])
    }),
    Case::new("newfstatat_path", ReadsText, |f, at| call(libc::SYS_newfstatat, [CWD, at, f.good(ROOM), 0])),
    Case::new("newfstatat_status", Writes(size_of::<libc::stat>()), |f, at| {
        call(libc::SYS_newfstatat, [CWD, f.good(FILE), at, 0])
    }),
    Case::new("readlinkat_path", ReadsText, |f, at| call(libc::SYS_readlinkat, [CWD, at, f.good(ROOM), 100])),
    Case::new("readlinkat_buffer", Writes(6), |f, at| call(libc::SYS_readlinkat, [CWD, f.good(LINK), at, 100])),
    Case::new("statfs_path", ReadsText, |f, at| call(libc::SYS_statfs, [at, f.good(ROOM)])),
    Case::new("statfs_information", Writes(size_of::<libc::statfs>()), |f, at| {
        call(libc::SYS_statfs, [f.good(HERE), at])
    }),
    Case::new("mkdirat_path", ReadsText, |_, at| call(libc::SYS_mkdirat, [CWD, at, 0o755])),
    Case::new("unlinkat_path", ReadsText, |_, at| call(libc::SYS_unlinkat, [CWD, at, 0])),
    Case::new("renameat2_old_path", ReadsText, |f, at| call(libc::SYS_renameat2, [CWD, at, CWD, f.good(NEW), 0])),
    Case::new("renameat2_new_path", ReadsText, |f, at| call(libc::SYS_renameat2, [CWD, f.good(FILE), CWD, at, 0])),
    Case::new("linkat_old_path", ReadsText, |f, at| call(libc::SYS_linkat, [CWD, at, CWD, f.good(NEW), 0])),
    Case::new("linkat_new_path", ReadsText, |f, at| call(libc::SYS_linkat, [CWD, f.good(FILE), CWD, at, 0])),
    Case::new("symlinkat_target", ReadsText, |f, at| call(libc::SYS_symlinkat, [at, CWD, f.good(NEW)])),
    Case::new("symlinkat_path", ReadsText, |f, at| call(libc::SYS_symlinkat, [f.good(FILE), CWD, at])),
    Case::new("chdir_path", ReadsText, |_, at| call(libc::SYS_chdir, [at])),
    Case::new("faccessat_path", ReadsText, |_, at| call(libc::SYS_faccessat, [CWD, at, 0])),
    Case::new("fchmodat_path", ReadsText, |_, at| call(libc::SYS_fchmodat, [CWD, at, 0o600])),
    Case::new("truncate_path", ReadsText, |_, at| call(libc::SYS_truncate, [at, 0])),
    Case::new("utimensat_path", ReadsText, |_, at| call(libc::SYS_utimensat, [CWD, at, 0, 0])),
    Case::new("utimensat_times", Reads(32), |f, at| call(libc::SYS_utimensat, [CWD, f.good(FILE), at, 0])).optional(),
];
