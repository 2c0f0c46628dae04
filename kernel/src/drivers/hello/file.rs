//! `/dev/hello` as an open file: transfers, readiness, ioctls.
//!
//! Owns the file's binding and what it may do. Locks: BINDING, then DRIVER, through `binding` and `instance`. Sleeps in them,
//! in user copies, and in `ioctl` as open(2) would. Specification: pipe(7), ioctl(2), poll(2); seed 001 tables 2 and 4.

use super::binding::{Binding, Bound};
use super::fixed::Fixed;
use super::instance::{FOR_READERS, FOR_WRITERS, Instance};
use super::mapped::{Role, View};
use super::routing;
use super::sharing::Part;
use super::switches::SLOTS_MAX;
use crate::fs::blocking;
use crate::fs::file::{Direction, FileControl, FileOps, Io, MapRequest, Readiness};
use crate::fs::flags::{AccessMode, OpenFlags};
use crate::fs::splice::PageQueue;
use crate::ipc::rendezvous::{Meeting, close_ends, open_ends};
use crate::mm::PageSource;
use crate::mm::user::{self, Sink, Source, UserPtr};
use crate::process::{self, Credentials};
use crate::sync::WaitQueue;
use alloc::sync::Arc;
use linux_raw_sys::ioctl::FIONREAD;
use postern_abi::hello::{
    HELLO_IOC_CHANNEL, HELLO_IOC_DOORBELL, HELLO_IOC_GET_SLOTS, HELLO_IOC_RING, HELLO_IOC_SET_SLOTS, HELLO_IOC_STAT,
    HELLO_IOC_WAIT, HELLO_ROLE_CONSUMER, HELLO_ROLE_PRODUCER,
};
use postern_core::channel::{ChannelKey, ChannelName, NAME_MAX};
use postern_core::errno::{Errno, Result};
use postern_core::page_ring::{Framing, PAGE_SIZE};
use postern_sync::SetOnce;

/// What a descriptor has of `/dev/hello`.
pub struct HelloFile {
    binding: Binding,
    access: AccessMode,
    /// The readiness bits of its ends.
    visible: Readiness,
    /// Its part in a shared ring; it gets one at most.
    part: SetOnce<Part>,
}

impl HelloFile {
    /// Opens the ends that `access` names of the instance of `key`. May wait for the other side.
    ///
    /// # Errors
    /// ENXIO, ERESTARTSYS, ENOMEM.
    pub fn open(key: ChannelKey, access: AccessMode, flags: OpenFlags) -> Result<Self> {
        let mut visible = Readiness::empty();
        visible.set(FOR_READERS, access.contains(AccessMode::READ));
        visible.set(FOR_WRITERS, access.contains(AccessMode::WRITE));
        let binding = Binding::new(open_instance(key, access, meeting(flags))?);
        Ok(Self { binding, access, visible, part: SetOnce::new() })
    }

    /// The ends it has open.
    fn ends(&self) -> AccessMode {
        match self.part.get().map(|part| part.role) {
            Some(Role::Producer) => AccessMode::WRITE,
            Some(Role::Consumer) => AccessMode::READ,
            None => self.access,
        }
    }

    /// HELLO_IOC_RING: the bytes to be mapped.
    fn take_role(&self, role_address: usize) -> Result<usize> {
        let role = match UserPtr::<u32>::new(role_address).read()? {
            HELLO_ROLE_PRODUCER => Role::Producer,
            HELLO_ROLE_CONSUMER => Role::Consumer,
            _ => return Err(Errno::EINVAL),
        };
        if self.access != AccessMode::READ | AccessMode::WRITE {
            return Err(Errno::EBADF);
        }
        let instance = &self.binding.fix().instance;
        // Refused if it has one, or is about to.
        let part = self.part.set_with(|| instance.take_role(role)).ok_or(Errno::EBUSY)??;
        Ok(part.ring.size_bytes())
    }

    fn expect_part(&self) -> Result<(&Instance, &Part)> {
        let part = self.part.get().ok_or(Errno::EINVAL)?;
        Ok((&self.binding.fix().instance, part))
    }

    /// HELLO_IOC_CHANNEL.
    fn bind_to_channel(&self, flags: OpenFlags, name_address: usize) -> Result<()> {
        let name = user::read_c_string(name_address, NAME_MAX).map_err(|error| match error {
            Errno::ENAMETOOLONG => Errno::EINVAL,
            other => other,
        })?;
        let name = ChannelName::parse(&name)?;
        if self.binding.if_fixed().is_some() {
            return Err(Errno::EBUSY);
        }
        let key = ChannelKey { name, ..*self.binding.now().instance.key() };
        let new = open_instance(key, self.access, meeting(flags))?;
        let unused = match self.binding.replace(new.clone()) {
            Ok(old) => Ok(old),
            // Somebody began to use the file meanwhile.
            Err(error) => Err((error, new)),
        };
        match unused {
            Ok(old) => {
                close_ends(&*old.instance, self.access);
                Ok(())
            }
            Err((error, new)) => {
                close_ends(&*new.instance, self.access);
                Err(error)
            }
        }
    }

    // What is done once or seldom, out of line: so that the usual way needs no stack frame.

    #[cold]
    #[inline(never)]
    fn read_loose(&self, sink: &mut Sink<'_>) -> Result<usize> {
        self.binding.transfer(|bound| bound.instance.try_read::<Loose>(sink))
    }

    #[cold]
    #[inline(never)]
    fn write_loose(&self, source: &mut Source<'_>, framing: Framing) -> Result<usize> {
        self.binding.transfer(|bound| bound.instance.try_write::<Loose>(source, framing))
    }

    #[cold]
    #[inline(never)]
    fn fixed_wait_queue(&self, direction: Direction) -> &WaitQueue {
        self.binding.fix().instance.wait_queue(direction)
    }

    /// HELLO_IOC_SET_SLOTS.
    fn set_slots(&self, slots_address: usize) -> Result<()> {
        let slots = UserPtr::<u32>::new(slots_address).read()? as usize;
        if !slots.is_power_of_two() || slots > SLOTS_MAX {
            return Err(Errno::EINVAL);
        }
        self.binding.now().instance.set_size(slots * PAGE_SIZE, &process::current().credentials()).map(drop)
    }
}

/// The path of transfers before the binding is fixed.
struct Loose;

/// Whether an opener with these status flags waits for the other side.
fn meeting(flags: OpenFlags) -> Meeting {
    if flags.contains(OpenFlags::NONBLOCK) { Meeting::NoWait } else { Meeting::Wait }
}

/// The instance of `key` with the ends opened that `access` names.
fn open_instance(key: ChannelKey, access: AccessMode, meeting: Meeting) -> Result<Bound> {
    let instance = routing::find_or_make(key)?;
    let unseen_writers = open_ends(&*instance, access, meeting)?;
    instance.counters().count_open();
    Ok(Bound { instance, unseen_writers })
}

fn ready(bound: &Bound, visible: Readiness) -> Readiness {
    let (ready, writer_opens) = bound.instance.look();
    if bound.unseen_writers == Some(writer_opens) { (ready & visible) - Readiness::HUP } else { ready & visible }
}

impl FileOps for HelloFile {
    /// Once it is fixed, the binding is asked once a call.
    fn read(&self, io: &Io, sink: &mut Sink<'_>) -> Result<usize> {
        match self.binding.if_fixed() {
            Some(bound) => blocking::read(&*bound.instance, io, sink),
            None => blocking::read(self, io, sink),
        }
    }

    fn try_read(&self, io: &Io, sink: &mut Sink<'_>) -> Result<usize> {
        match self.binding.if_fixed() {
            Some(bound) => FileOps::try_read(&*bound.instance, io, sink),
            None => self.read_loose(sink),
        }
    }

    fn try_write(&self, io: &Io, source: &mut Source<'_>) -> Result<usize> {
        let framing = if io.flags.contains(OpenFlags::DIRECT) { Framing::Packet } else { Framing::Stream };
        match self.binding.if_fixed() {
            Some(bound) => bound.instance.try_write::<Fixed>(source, framing),
            None => self.write_loose(source, framing),
        }
    }

    fn page_queue(&self) -> Option<&dyn PageQueue> {
        let bound = self.binding.if_fixed().unwrap_or_else(|| self.binding.fix());
        // A shared ring has no pages to give away or to take: its bytes are copied.
        if bound.instance.is_shared() { None } else { Some(&*bound.instance) }
    }

    fn readiness(&self) -> Readiness {
        match self.binding.if_fixed() {
            Some(bound) => match self.part.get() {
                Some(part) => bound.instance.look_of(part),
                None => ready(bound, self.visible),
            },
            None => ready(&self.binding.now(), self.visible),
        }
    }

    fn wait_queue(&self, direction: Direction) -> Option<&WaitQueue> {
        match self.binding.if_fixed() {
            Some(bound) => Some(bound.instance.wait_queue(direction)),
            None => Some(self.fixed_wait_queue(direction)),
        }
    }

    fn pass_on(&self, direction: Direction, _: &WaitQueue) {
        self.binding.now().instance.pass_on(direction);
    }

    fn hold_back(&self, direction: Direction) {
        self.binding.now().instance.hold_back(direction);
    }

    fn note_edge_waiter(&self) {
        self.binding.now().instance.note_edge_waiter();
    }

    fn ioctl(&self, flags: OpenFlags, command: u32, argument: usize) -> Result<usize> {
        match command {
            FIONREAD => {
                let bytes = i32::try_from(self.binding.now().instance.bytes()).unwrap_or(i32::MAX);
                UserPtr::<i32>::new(argument).write(&bytes)?;
            }
            HELLO_IOC_CHANNEL => self.bind_to_channel(flags, argument)?,
            HELLO_IOC_SET_SLOTS => self.set_slots(argument)?,
            HELLO_IOC_GET_SLOTS => {
                let slots = self.binding.now().instance.slots();
                UserPtr::<u32>::new(argument).write(&u32::try_from(slots).unwrap_or(u32::MAX))?;
            }
            HELLO_IOC_RING => return self.take_role(argument),
            HELLO_IOC_DOORBELL => {
                let (instance, part) = self.expect_part()?;
                instance.doorbell(part)?;
            }
            HELLO_IOC_WAIT => {
                let (instance, part) = self.expect_part()?;
                return instance.wait_for_part(part).map(|ready| ready.bits() as usize);
            }
            HELLO_IOC_STAT => UserPtr::new(argument).write(&self.binding.now().instance.stat())?,
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }

    fn control(&self, control: FileControl, credentials: &Credentials) -> Result<usize> {
        match control {
            FileControl::PipeSize => Ok(self.binding.now().instance.size_bytes()),
            FileControl::SetPipeSize(bytes) => self.binding.now().instance.set_size(bytes, credentials),
            FileControl::Seals | FileControl::AddSeals(_) => Err(Errno::EINVAL),
        }
    }

    /// The pages of the shared ring, for a file with a role; what it may not store to is SIGBUS.
    fn map(self: Arc<Self>, request: &MapRequest) -> Result<Arc<dyn PageSource>> {
        let (_, part) = self.expect_part()?;
        let end = request.offset.checked_add(request.length as u64).ok_or(Errno::EINVAL)?;
        if end > part.ring.size_bytes() as u64 {
            return Err(Errno::EINVAL);
        }
        Ok(Arc::new(View { ring: part.ring.clone(), role: part.role }))
    }

    fn released(&self, _: OpenFlags) {
        let instance = self.binding.now().instance;
        if let Some(part) = self.part.get() {
            part.ring.take_back(part.role);
        }
        close_ends(&*instance, self.ends());
    }
}
