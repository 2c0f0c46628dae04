//! Opening FIFOs.

use super::{read, start, write};
use crate::arch::timer::now_ns;
use crate::fs::anonymous::{self, Kind};
use crate::fs::dentry::Location;
use crate::fs::file::Readiness;
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::open_file::OpenFile;
use crate::fs::special::{Attachment, OpenRequest, Openable};
use crate::ipc::fifo::FifoOpener;
use crate::process::Credentials;
use crate::sched;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use postern_core::errno::{Errno, Result};

fn fifo() -> Location {
    anonymous::place(Kind::Pipe(Attachment::new()), &Credentials::root()).unwrap()
}

fn open(place: &Location, access: AccessMode, flags: OpenFlags) -> Result<Arc<OpenFile>> {
    let credentials = Credentials::root();
    let opened =
        FifoOpener.open(&OpenRequest { location: place, access, flags, credentials: &credentials, cgroup: 0 })?;
    Ok(OpenFile::new(opened, place.clone(), access, flags))
}

pub fn nonblocking_writer() {
    let place = fifo();
    assert_eq!(open(&place, AccessMode::WRITE, OpenFlags::NONBLOCK).err(), Some(Errno::ENXIO));
    let reader = open(&place, AccessMode::READ, OpenFlags::NONBLOCK).unwrap();
    let writer = open(&place, AccessMode::WRITE, OpenFlags::NONBLOCK).unwrap();
    write(&writer, b"x").unwrap();
    assert_eq!(read(&reader, 9).unwrap(), b"x");
    let both = open(&place, AccessMode::READ_WRITE, OpenFlags::empty()).unwrap();
    drop((reader, writer));
    assert_eq!(both.readiness(), Readiness::WRITABLE);
}

pub fn no_early_hang_up() {
    let place = fifo();
    let reader = open(&place, AccessMode::READ, OpenFlags::NONBLOCK).unwrap();
    assert_eq!(reader.readiness(), Readiness::empty());
    assert_eq!(read(&reader, 1).unwrap(), b"");
    drop(open(&place, AccessMode::WRITE, OpenFlags::empty()).unwrap());
    assert_eq!(reader.readiness(), Readiness::HUP);
    // What one user leaves behind, the next does not find.
    let writer = open(&place, AccessMode::WRITE, OpenFlags::empty()).unwrap();
    write(&writer, b"left").unwrap();
    drop((reader, writer));
    let reader = open(&place, AccessMode::READ, OpenFlags::NONBLOCK).unwrap();
    assert_eq!(reader.readiness(), Readiness::empty());
}

pub fn rendezvous() {
    let place = fifo();
    for (mine, theirs) in [(AccessMode::READ, AccessMode::WRITE), (AccessMode::WRITE, AccessMode::READ)] {
        for _ in 0..100 {
            let there = place.clone();
            // Both close at once, whoever comes first: having been there is enough for the other.
            let tasks = start(vec![Box::new(move || drop(open(&there, theirs, OpenFlags::empty()).unwrap()))]);
            drop(open(&place, mine, OpenFlags::empty()).unwrap());
            tasks.join();
        }
        let there = place.clone();
        let tasks = start(vec![Box::new(move || drop(open(&there, theirs, OpenFlags::empty()).unwrap()))]);
        sched::park(Some(now_ns() + 1_000_000));
        assert_eq!(tasks.done(), 0, "nobody was there to meet");
        drop(open(&place, mine, OpenFlags::empty()).unwrap());
        tasks.join();
    }
}
