//! Paths, other texts, and what calls with paths fill in.

use super::{Access, CWD, Case, FILE, Fixture, HERE, LINK, NEW, ROOM, ZERO_TIME, call, word};
use crate::sys::Sys;
use Access::{Reads, ReadsText, ReadsWord, Writes};

/// As on every machine; libc does not have it for musl.
const SYS_FCHMODAT2: libc::c_long = 452;
/// Bytes of `struct open_how`.
const HOW: usize = 24;
/// The owner does not change.
const SAME: usize = usize::MAX;

fn mount(fixture: &Fixture, source: usize, target: usize, data: usize) -> Sys<usize> {
    fixture.good.store_all(ROOM, b"tmpfs\0");
    call(libc::SYS_mount, [source, target, fixture.good(ROOM), 0, data])
}

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
    Case::new("renameat_old_path", ReadsText, |f, at| call(libc::SYS_renameat, [CWD, at, CWD, f.good(NEW)])),
    Case::new("renameat_new_path", ReadsText, |f, at| call(libc::SYS_renameat, [CWD, f.good(FILE), CWD, at])),
    Case::new("linkat_old_path", ReadsText, |f, at| call(libc::SYS_linkat, [CWD, at, CWD, f.good(NEW), 0])),
    Case::new("linkat_new_path", ReadsText, |f, at| call(libc::SYS_linkat, [CWD, f.good(FILE), CWD, at, 0])),
    Case::new("symlinkat_target", ReadsText, |f, at| call(libc::SYS_symlinkat, [at, CWD, f.good(NEW)])),
    Case::new("symlinkat_path", ReadsText, |f, at| call(libc::SYS_symlinkat, [f.good(FILE), CWD, at])),
    Case::new("mknodat_path", ReadsText, |_, at| call(libc::SYS_mknodat, [CWD, at, 0o10600, 0])),
    Case::new("openat2_path", ReadsText, |f, at| call(libc::SYS_openat2, [CWD, at, f.good(ZERO_TIME), HOW])),
    Case::new("openat2_how", Reads(HOW), |f, at| call(libc::SYS_openat2, [CWD, f.good(FILE), at, HOW])),
    Case::new("statx_path", ReadsText, |f, at| call(libc::SYS_statx, [CWD, at, 0, 0x7ff, f.good(ROOM)])),
    Case::new("statx_status", Writes(256), |f, at| call(libc::SYS_statx, [CWD, f.good(FILE), 0, 0x7ff, at])),
    Case::new("fstatfs_information", Writes(size_of::<libc::statfs>()), |f, at| {
        call(libc::SYS_fstatfs, [word(f.file), at])
    }),
    Case::new("memfd_create_name", ReadsText, |_, at| call(libc::SYS_memfd_create, [at, 0])),
    Case::new("chroot_path", ReadsText, |_, at| call(libc::SYS_chroot, [at])),
    Case::new("pivot_root_new_root", ReadsText, |f, at| call(libc::SYS_pivot_root, [at, f.good(HERE)])).for_root(),
    Case::new("pivot_root_put_old", ReadsText, |f, at| call(libc::SYS_pivot_root, [f.good(HERE), at])).for_root(),
    Case::new("mount_source", ReadsText, |f, at| mount(f, at, f.good(HERE), 0)).optional().for_root(),
    Case::new("mount_target", ReadsText, |f, at| mount(f, 0, at, 0)).for_root(),
    Case::new("mount_type", ReadsText, |f, at| call(libc::SYS_mount, [0, f.good(HERE), at, 0, 0]))
        .optional()
        .for_root(),
    // Linux takes a page, or what there is of it.
    Case::new("mount_data", ReadsWord, |f, at| mount(f, 0, f.good(HERE), at)).optional().for_root(),
    Case::new("umount2_path", ReadsText, |_, at| call(libc::SYS_umount2, [at, 0])).for_root(),
    Case::new("chdir_path", ReadsText, |_, at| call(libc::SYS_chdir, [at])),
    Case::new("faccessat_path", ReadsText, |_, at| call(libc::SYS_faccessat, [CWD, at, 0])),
    Case::new("fchmodat_path", ReadsText, |_, at| call(libc::SYS_fchmodat, [CWD, at, 0o600])),
    Case::new("faccessat2_path", ReadsText, |_, at| call(libc::SYS_faccessat2, [CWD, at, 0, 0])),
    Case::new("fchmodat2_path", ReadsText, |_, at| call(SYS_FCHMODAT2, [CWD, at, 0o600, 0])),
    Case::new("fchownat_path", ReadsText, |_, at| call(libc::SYS_fchownat, [CWD, at, SAME, SAME, 0])),
    Case::new("truncate_path", ReadsText, |_, at| call(libc::SYS_truncate, [at, 0])),
    Case::new("utimensat_path", ReadsText, |_, at| call(libc::SYS_utimensat, [CWD, at, 0, 0])),
    Case::new("utimensat_times", Reads(32), |f, at| call(libc::SYS_utimensat, [CWD, f.good(FILE), at, 0])).optional(),
];
