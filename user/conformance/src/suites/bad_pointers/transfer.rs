//! Buffers and structs of calls that move data or fill in a description.

use super::{Access, Case, Fixture, ROOM, call, word};
use crate::sys::Sys;
use Access::{Reads, Writes};

/// A vector whose one buffer lies at `address`, in good memory.
fn vector(fixture: &Fixture, address: usize, length: usize) -> usize {
    fixture.good.store_all(ROOM, &address.to_ne_bytes());
    fixture.good.store_all(ROOM + 8, &length.to_ne_bytes());
    fixture.good(ROOM)
}

fn pipe2(_: &Fixture, address: usize) -> Sys<usize> {
    call(libc::SYS_pipe2, [address, 0])
}

/// Bytes of `struct flock`.
const LOCK: usize = 32;

fn lock(fixture: &Fixture, operation: i32, address: usize) -> Sys<usize> {
    call(libc::SYS_fcntl, [word(fixture.file), word(operation), address])
}

pub(super) const CASES: &[Case] = &[
    Case::new("read_buffer_from_a_pipe", Writes(8), |f, at| call(libc::SYS_read, [word(f.pipe.read), at, 8]))
        .divisible(),
    Case::new("read_buffer_from_a_file", Writes(8), |f, at| call(libc::SYS_read, [word(f.file), at, 8])).divisible(),
    Case::new("write_buffer_to_a_pipe", Reads(8), |f, at| call(libc::SYS_write, [word(f.pipe.write), at, 8]))
        .divisible(),
    Case::new("write_buffer_to_a_file", Reads(8), |f, at| call(libc::SYS_write, [word(f.file), at, 8])).divisible(),
    Case::new("pread64_buffer", Writes(8), |f, at| call(libc::SYS_pread64, [word(f.file), at, 8, 1])).divisible(),
    Case::new("pwrite64_buffer", Reads(8), |f, at| call(libc::SYS_pwrite64, [word(f.file), at, 8, 1])).divisible(),
    Case::new("readv_vector", Reads(16), |f, at| call(libc::SYS_readv, [word(f.pipe.read), at, 1])),
    Case::new("writev_vector", Reads(16), |f, at| call(libc::SYS_writev, [word(f.pipe.write), at, 1])),
    Case::new("readv_buffer", Writes(8), |f, at| call(libc::SYS_readv, [word(f.pipe.read), vector(f, at, 8), 1]))
        .divisible(),
    Case::new("writev_buffer", Reads(8), |f, at| call(libc::SYS_writev, [word(f.pipe.write), vector(f, at, 8), 1]))
        .divisible(),
    Case::new("preadv_vector", Reads(16), |f, at| call(libc::SYS_preadv, [word(f.file), at, 1, 1])),
    Case::new("preadv_buffer", Writes(8), |f, at| call(libc::SYS_preadv, [word(f.file), vector(f, at, 8), 1, 1]))
        .divisible(),
    Case::new("pwritev_vector", Reads(16), |f, at| call(libc::SYS_pwritev, [word(f.file), at, 1, 1])),
    Case::new("pwritev_buffer", Reads(8), |f, at| call(libc::SYS_pwritev, [word(f.file), vector(f, at, 8), 1, 1]))
        .divisible(),
    Case::new("preadv2_vector", Reads(16), |f, at| call(libc::SYS_preadv2, [word(f.file), at, 1, 1, 0, 0])),
    Case::new("preadv2_buffer", Writes(8), |f, at| {
        call(libc::SYS_preadv2, [word(f.file), vector(f, at, 8), 1, 1, 0, 0])
    })
    .divisible(),
    Case::new("pwritev2_vector", Reads(16), |f, at| call(libc::SYS_pwritev2, [word(f.file), at, 1, 1, 0, 0])),
    Case::new("pwritev2_buffer", Reads(8), |f, at| {
        call(libc::SYS_pwritev2, [word(f.file), vector(f, at, 8), 1, 1, 0, 0])
    })
    .divisible(),
    Case::new("copy_file_range_input_offset", Reads(8), |f, at| {
        call(libc::SYS_copy_file_range, [word(f.file), at, word(f.file), 0, 1, 0])
    })
    .optional(),
    Case::new("copy_file_range_output_offset", Reads(8), |f, at| {
        call(libc::SYS_copy_file_range, [word(f.file), 0, word(f.file), at, 1, 0])
    })
    .optional(),
    // Linux notices that it cannot write the offset back only when the bytes have gone: read-only memory is not tried.
    Case::new("sendfile_offset", Reads(8), |f, at| call(libc::SYS_sendfile, [word(f.pipe.write), word(f.file), at, 4]))
        .optional(),
    Case::new("splice_input_offset", Reads(8), |f, at| {
        call(libc::SYS_splice, [word(f.file), at, word(f.pipe.write), 0, 4, 0])
    })
    .optional(),
    Case::new("splice_output_offset", Reads(8), |f, at| {
        call(libc::SYS_splice, [word(f.pipe.read), 0, word(f.file), at, 4, 0])
    })
    .optional(),
    Case::new("vmsplice_vector", Reads(16), |f, at| call(libc::SYS_vmsplice, [word(f.pipe.write), at, 1, 0])),
    Case::new("vmsplice_buffer_to_a_pipe", Reads(8), |f, at| {
        call(libc::SYS_vmsplice, [word(f.pipe.write), vector(f, at, 8), 1, 0])
    })
    .divisible(),
    Case::new("vmsplice_buffer_from_a_pipe", Writes(8), |f, at| {
        call(libc::SYS_vmsplice, [word(f.pipe.read), vector(f, at, 8), 1, 0])
    })
    .divisible(),
    Case::new("pipe2_descriptors", Writes(8), pipe2),
    Case::new("fstat_status", Writes(size_of::<libc::stat>()), |f, at| call(libc::SYS_fstat, [word(f.file), at])),
    Case::new("getdents64_buffer", Writes(64), |f, at| call(libc::SYS_getdents64, [word(f.directory), at, 4096]))
        .divisible(),
    Case::new("getcwd_buffer", Writes(8), |_, at| call(libc::SYS_getcwd, [at, 4096])),
    Case::new("getrandom_buffer", Writes(64), |_, at| call(libc::SYS_getrandom, [at, 64, 0])).divisible(),
    Case::new("fcntl_argument_getlk", Writes(LOCK), |f, at| lock(f, libc::F_GETLK, at)),
    Case::new("fcntl_argument_setlk", Reads(LOCK), |f, at| lock(f, libc::F_SETLK, at)),
    Case::new("fcntl_argument_ofd_getlk", Writes(LOCK), |f, at| lock(f, libc::F_OFD_GETLK, at)),
    Case::new("fcntl_argument_ofd_setlk", Reads(LOCK), |f, at| lock(f, libc::F_OFD_SETLK, at)),
    Case::new("mincore_vector", Writes(1), |f, at| call(libc::SYS_mincore, [f.good(0), 4096, at])),
    Case::new("ioctl_argument_fionread_count", Writes(4), |f, at| {
        let request = 0x541b;
        call(libc::SYS_ioctl, [word(f.pipe.read), request, at])
    }),
];
