//! `/dev/hello` as a module: its parameters, what loading enters and unloading takes back.
//!
//! Owns the major number, and what it has changed of the kernel's own switches until it is taken out. Lock: LOADING is held
//! around both, MODULE_PARAMETERS around a change of a parameter.
//! Specification: seed 001 §3.2; docs/hello.md.

use super::routing::{self, GroupWatcher};
use super::switches::{self, SLOTS_MAX, Switches};
use super::{Hello, counters, idle};
use crate::drivers::module::{Description, Module, Parameter, Refusal, Start, Value, Values};
use crate::drivers::{self, DeviceNode, Major};
use crate::fs::procfs;
use crate::mm::frame;
use crate::process::cgroup::{self, Registration};
use crate::sched::run_queue;
use crate::sync::{SpinLock, rank};
use alloc::sync::Arc;
use postern_core::errno::{Errno, Result};
use postern_core::pipe::DEFAULT_CAPACITY_SLOTS;

static SLOTS: Parameter = Parameter::power_of_two(
    "slots",
    DEFAULT_CAPACITY_SLOTS as u64,
    [1, SLOTS_MAX as u64],
    "pages in a ring that is made from now on",
)
.live();
static RECYCLE: Parameter = Parameter::flag("recycle", true, "drained pages stay in their slots; off: freed").live();
static MERGE: Parameter = Parameter::flag("merge", true, "small writes share a page; off: a page each").live();
static EXCLUSIVE: Parameter = Parameter::flag("exclusive", true, "an event wakes one waiter; off: all").live();
static CHAINED: Parameter =
    Parameter::flag("chained", true, "a woken one wakes the next; off: the event wakes for all").live();
static SNAPSHOT: Parameter = Parameter::flag("snapshot", true, "readiness without the mutex; off: with it").live();
static PAGE_CACHE: Parameter =
    Parameter::flag("page_cache", true, "CPUs keep free pages of their own, the whole kernel's").live();
static HAND_OFF: Parameter =
    Parameter::flag("hand_off", true, "who is woken while nobody waits goes next, in the whole kernel; off: it queues")
        .live();

static IDLE_SHARE: Parameter = Parameter::number(
    "idle_share",
    8,
    [1, 1 << 32],
    "rings that nobody has open keep at most one page in so many of all memory",
)
.live();

/// The parameters that are switches, each with what it switches.
static SWITCHES: [(&Parameter, Switches); 5] = [
    (&RECYCLE, Switches::RECYCLE),
    (&MERGE, Switches::MERGE),
    (&EXCLUSIVE, Switches::EXCLUSIVE),
    (&CHAINED, Switches::CHAINED),
    (&SNAPSHOT, Switches::SNAPSHOT),
];

/// The files of /proc that it enters.
const PROC_FILES: [(&str, procfs::text::Show); 2] =
    [("postern/hello", counters::show), ("postern/hello_instances", counters::show_instances)];

/// What the module table is told.
pub static MODULE: Description = Description {
    name: "hello",
    description: "a pipe by name for each control group",
    parameters: &[&SLOTS, &RECYCLE, &MERGE, &EXCLUSIVE, &CHAINED, &SNAPSHOT, &PAGE_CACHE, &HAND_OFF, &IDLE_SHARE],
    start: Start::AtBoot,
    init,
};

/// A switch of the whole kernel that is a parameter of this module as well, for ablations. It is left alone unless somebody asks,
/// and is put back when the module goes.
struct Kernelwide {
    parameter: &'static Parameter,
    is_on: fn() -> bool,
    set: fn(bool),
}

static KERNELWIDE: [Kernelwide; 2] = [
    Kernelwide { parameter: &PAGE_CACHE, is_on: frame::is_cache_enabled, set: frame::set_cache_enabled },
    Kernelwide { parameter: &HAND_OFF, is_on: run_queue::hands_off, set: run_queue::set_hands_off },
];

fn kernelwide(parameter: &Parameter) -> Option<usize> {
    KERNELWIDE.iter().position(|switch| core::ptr::eq(switch.parameter, parameter))
}

/// The module while it is loaded.
struct Loaded {
    major: u32,
    /// How the kernel's switches stood before this module changed them.
    before: SpinLock<[Option<bool>; KERNELWIDE.len()]>,
    /// Takes the instances of control groups that go out of the tree.
    _watch: Registration,
}

fn init(values: &Values) -> core::result::Result<Arc<dyn Module>, Refusal> {
    let on = SWITCHES.iter().filter(|(parameter, _)| values.flag(parameter)).map(|(_, switch)| *switch);
    routing::put_in_force(on.fold(Switches::empty(), Switches::union));
    switches::set_slots(values.number(&SLOTS));
    idle::set_share(values.number(&IDLE_SHARE));
    counters::begin_anew();
    for (entered, (path, show)) in PROC_FILES.iter().enumerate() {
        procfs::add_text(path, *show).inspect_err(|_| remove_proc_files(entered))?;
    }
    // Before anybody can open it, so that no group goes unheard.
    let watch = cgroup::add_listener(Arc::new(GroupWatcher));
    let registered = drivers::register(Arc::new(Hello), Major::Dynamic, 0..1, &[DeviceNode::new("hello", 0, 0o666)]);
    let major = registered.inspect_err(|_| remove_proc_files(PROC_FILES.len()))?;
    let before = SpinLock::new(rank::OBJECT, [None; KERNELWIDE.len()]);
    let loaded = Loaded { major, before, _watch: watch };
    for (index, switch) in KERNELWIDE.iter().enumerate() {
        if values.is_given(switch.parameter) {
            loaded.switch_kernelwide(index, values.flag(switch.parameter));
        }
    }
    Ok(Arc::new(loaded))
}

/// Takes away the first `count` files of /proc.
fn remove_proc_files(count: usize) {
    for (path, _) in &PROC_FILES[..count] {
        let removed = procfs::remove(path);
        debug_assert!(removed.is_ok(), "entered when the module was loaded: {removed:?}");
    }
}

impl Loaded {
    fn switch_kernelwide(&self, index: usize, on: bool) {
        let switch = &KERNELWIDE[index];
        self.before.lock()[index].get_or_insert_with(switch.is_on);
        (switch.set)(on);
    }
}

impl Module for Loaded {
    fn major(&self) -> Option<u32> {
        Some(self.major)
    }

    fn users(&self) -> usize {
        drivers::openings(self.major, 0)
    }

    fn memory_bytes(&self) -> Result<usize> {
        Ok(routing::all()?.iter().map(|instance| instance.memory_bytes()).sum())
    }

    fn parameter(&self, parameter: &Parameter) -> Option<Value> {
        kernelwide(parameter).map(|index| Value::Bool((KERNELWIDE[index].is_on)()))
    }

    fn set_parameter(&self, parameter: &Parameter, value: Value) -> Result<()> {
        match (value, kernelwide(parameter)) {
            (Value::Number(share), _) if core::ptr::eq(parameter, &IDLE_SHARE) => idle::set_share(share),
            (Value::Number(slots), _) => switches::set_slots(slots),
            (Value::Bool(on), Some(index)) => self.switch_kernelwide(index, on),
            (Value::Bool(on), None) => {
                let known = SWITCHES.iter().find(|(known, _)| core::ptr::eq(*known, parameter));
                let (_, switch) = known.ok_or(Errno::EINVAL)?;
                let mut switches = Switches::now();
                switches.set(*switch, on);
                routing::put_in_force(switches);
            }
            (Value::Choice(_), _) => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    fn exit(&self) -> Result<()> {
        // EBUSY while it is open. From here on nobody comes to an instance any more.
        drivers::unregister(self.major, 0)?;
        remove_proc_files(PROC_FILES.len());
        routing::forget_all();
        for (switch, before) in KERNELWIDE.iter().zip(*self.before.lock()) {
            if let Some(before) = before {
                (switch.set)(before);
            }
        }
        Ok(())
    }
}
