//! Signals of real threads, which run these tests in the kernel instead of a program: sending, waiting, frames, restarts, stops.

use crate::arch::context::FpState;
use crate::arch::exception::TrapFrame;
use crate::arch::mmu::PAGE_SIZE;
use crate::arch::timer::now_ns;
use crate::fs::context::FsContext;
use crate::fs::file_system::{Changes, FileSystem, Options};
use crate::fs::files::Files;
use crate::fs::inode::Owner;
use crate::fs::mount::Mount;
use crate::mm::address_space::{AddressSpace, PageBacking, Placement};
use crate::mm::user::UserPtr;
use crate::process::limits::Limits;
use crate::process::process::{Image, NewProcess};
use crate::process::signal::{self, SharedActions, SignalInfo, StackSettings, ThreadSignals, testing};
use crate::process::thread::{NewThread, padded_name};
use crate::process::{Credentials, Process, Thread, current};
use crate::sched::{self, Task, fp};
use crate::sync::{SpinLock, WaitQueue, rank};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use postern_core::areas::{AreaFlags, Protection};
use postern_core::errno::{Errno, Result};
use postern_core::interval_timer::Setting;
use postern_core::signal_action::{ActionFlags, Disposition, SignalAction};
use postern_core::signal_set::{MaskChange, Signal, SignalSet};
use postern_sync::{ANY_EVENT, Mode};

/// The table.
pub const TESTS: &[(&str, fn())] = &[
    ("siginfo_has_linux_layout_and_no_stray_bytes", siginfo_has_linux_layout_and_no_stray_bytes),
    ("a_handler_frame_holds_everything_and_gives_it_back", || in_thread(a_frame_round_trips)),
    ("a_corrupt_frame_is_a_segmentation_fault", || in_thread(a_corrupt_frame_is_a_fault)),
    ("without_a_stack_the_handler_becomes_sigsegv", || in_thread(without_a_stack_it_is_sigsegv)),
    ("interrupted_calls_restart_as_linux_does", || in_thread(interrupted_calls_restart)),
    ("without_a_handler_every_call_restarts", || in_thread(without_a_handler_calls_restart)),
    ("a_blocked_signal_waits_and_can_be_taken", || in_thread(a_blocked_signal_waits)),
    ("ignored_signals_do_not_interrupt", || in_thread(ignored_signals_do_not_interrupt)),
    ("a_signal_goes_to_a_thread_that_takes_it", || in_thread(a_signal_finds_its_thread)),
    ("a_temporary_mask_lasts_until_the_handler_is_called", || in_thread(a_temporary_mask_lasts)),
    ("continuing_and_stopping_signals_take_each_other_back", || in_thread(continue_and_stop_signals)),
    ("the_interval_timer_expires_and_repeats", || in_thread(the_timer_expires)),
    ("a_stopped_process_goes_on_with_sigcont", a_stopped_process_goes_on),
];

/// Where the program's stack lies, and how long it is.
const STACK: usize = 0x20_0000;
const STACK_SIZE: usize = 4 * PAGE_SIZE;
const HANDLER: u64 = 0x40_0000;
const RESTORER: u64 = 0x40_1000;
/// No other test has processes.
const PID: u32 = 4242;

static BODY: SpinLock<Option<fn()>> = SpinLock::new(rank::OBJECT, None);
static DONE: AtomicBool = AtomicBool::new(false);
static DONE_QUEUE: WaitQueue = WaitQueue::new();

/// A process with one thread, whose memory is a stack. Holds on to all parts, so that they are freed here.
struct Program {
    process: Arc<Process>,
    _fs: Arc<FsContext>,
    task: Arc<Task>,
    _space: Arc<AddressSpace>,
}

impl Program {
    fn new() -> Self {
        let process = Process::new(NewProcess {
            pid: PID,
            exit_signal: 0,
            limits: Limits::initial(100),
            actions: SharedActions::new(),
            image: Image::default(),
        });
        let mount = Mount::outside(FileSystem::new(Options {
            type_name: "test",
            magic: 0,
            limit_pages: 0,
            limit_inodes: 1,
            changes: Changes::ByPrograms,
            owner: Owner::ROOT,
            permissions: 0o755,
            computed: None,
        }));
        let fs = FsContext::at(mount.root_location());
        let space = AddressSpace::new().unwrap();
        let protection = Protection::READ | Protection::WRITE;
        let flags = AreaFlags::empty();
        space.map(Placement::Exact(STACK), STACK_SIZE, protection, flags, PageBacking::Anonymous, 0).unwrap();
        let thread = new_thread(&process, &fs, PID);
        let task = Task::new(Some(thread), Some(space.clone()), run_body, 0).unwrap();
        // Always on the same CPU: each keeps the memory for its first timer.
        task.set_affinity(1);
        testing::add_thread(&task);
        Self { process, _fs: fs, task, _space: space }
    }

    fn start(&self, body: fn()) {
        *BODY.lock() = Some(body);
        DONE.store(false, Ordering::SeqCst);
        sched::start(self.task.clone());
    }

    fn join(self) {
        DONE_QUEUE.wait(Mode::Exclusive, || DONE.load(Ordering::SeqCst).then_some(()));
        testing::remove_threads(&self.process);
        // The scheduler's reference goes when the next task runs on that CPU.
        while Arc::strong_count(&self.task) != 1 {
            sched::yield_now();
            sched::preemption_point();
        }
    }
}

fn new_thread(process: &Arc<Process>, fs: &Arc<FsContext>, tid: u32) -> Thread {
    Thread::new(NewThread {
        tid,
        process: process.clone(),
        files: Files::new(),
        fs: fs.clone(),
        credentials: Arc::new(Credentials::root()),
        name: padded_name(b"test"),
        signals: ThreadSignals::new(),
    })
}

fn in_thread(body: fn()) {
    let program = Program::new();
    program.start(body);
    program.join();
}

extern "C" fn run_body(_argument: usize) -> ! {
    let body = BODY.lock().take();
    if let Some(body) = body {
        body();
    }
    drop(Task::change_address_space(None));
    DONE.store(true, Ordering::SeqCst);
    DONE_QUEUE.wake_one(ANY_EVENT);
    sched::exit()
}

fn program_frame() -> TrapFrame {
    let mut frame =
        TrapFrame { sp: (STACK + STACK_SIZE) as u64, pc: 0x1_2340, pstate: 0x6000_0000, ..TrapFrame::default() };
    for (index, register) in frame.x.iter_mut().enumerate() {
        *register = 1000 + index as u64;
    }
    frame
}

fn at<T>(register: u64) -> UserPtr<T> {
    UserPtr::new(usize::try_from(register).unwrap())
}

fn handle(signal: Signal, flags: ActionFlags) {
    let action = SignalAction {
        disposition: Disposition::Handler { entry: HANDLER },
        flags: flags | ActionFlags::RESTORER,
        mask: SignalSet::of(&[Signal::USR2]),
        restorer: RESTORER,
    };
    signal::sigaction(signal, Some(action)).unwrap();
}

fn is_asked() -> bool {
    sched::current().is_interrupted()
}

/// What trap.rs does on the way to user mode.
fn deliver_all(frame: &mut TrapFrame) {
    while is_asked() {
        signal::deliver(frame);
    }
}

fn mask() -> SignalSet {
    signal::sigprocmask(None)
}

fn block(signal: Signal) {
    signal::sigprocmask(Some((MaskChange::Block, SignalSet::of(&[signal]))));
}

fn siginfo_has_linux_layout_and_no_stray_bytes() {
    let child = SignalInfo::child(Signal::CHLD, 1, 7, 8, 9).to_bytes();
    let word = |at: usize| i32::from_le_bytes([child[at], child[at + 1], child[at + 2], child[at + 3]]);
    assert_eq!([word(0), word(4), word(8), word(12)], [17, 0, 1, 0]);
    assert_eq!([word(16), word(20), word(24)], [7, 8, 9]);
    assert!(child[28..].iter().all(|byte| *byte == 0));
    let fault = SignalInfo::fault(Signal::SEGV, 2, 0x1122_3344_5566).to_bytes();
    assert_eq!(fault[16..24], 0x1122_3344_5566_u64.to_le_bytes());
    assert!(fault[24..].iter().all(|byte| *byte == 0));
    let mut raw = [0xab; 128];
    raw[8..12].copy_from_slice(&(-1_i32).to_le_bytes());
    let queued = SignalInfo::from_program(Signal::RTMIN, &raw).to_bytes();
    assert_eq!(queued[0..4], 32_i32.to_le_bytes());
    assert_eq!(queued[8..12], raw[8..12]);
    assert_eq!(queued[16..48], raw[16..48]);
    assert!(queued[48..].iter().all(|byte| *byte == 0));
}

fn some_fp() -> FpState {
    let mut state = FpState::new();
    for (index, register) in state.q.iter_mut().enumerate() {
        *register = (index as u128) << 100 | 77;
    }
    state.fpcr = 0x0040_0000;
    state.fpsr = 0x11;
    state
}

fn a_frame_round_trips() {
    handle(Signal::USR1, ActionFlags::SIGINFO);
    fp::set_current_state(&some_fp());
    let before = program_frame();
    let mut frame = before;
    signal::send_to_current(Signal::USR1);
    deliver_all(&mut frame);
    let base = frame.sp;
    assert_eq!([frame.x[0], frame.x[1], frame.x[2]], [10, base, base + 128]);
    assert_eq!([frame.pc, frame.x[30], frame.pstate], [HANDLER, RESTORER, before.pstate]);
    assert_eq!(base % 16, 0);
    assert_eq!(mask(), SignalSet::of(&[Signal::USR1, Signal::USR2]));
    let word = |offset: u64| at::<u64>(base + offset).read().unwrap();
    // siginfo: SIGUSR1, no error; SI_USER; from this process.
    assert_eq!([word(0), word(8), word(16)], [10, 0, u64::from(PID)]);
    // uc_sigmask, x0, x30, sp, pc and the first record.
    assert_eq!([word(168), word(312), word(552)], [0, 1000, 1030]);
    assert_eq!([word(560), word(568)], [before.sp, before.pc]);
    assert_eq!(word(592), 0x210_4650_8001);
    assert_eq!(at::<[u64; 2]>(frame.x[29]).read(), Ok([1029, 1030]));
    fp::set_current_state(&FpState::new());
    // The handler returns: sp is where it was, other registers are anything.
    frame.x = [5; 31];
    frame.pstate = 0;
    signal::rt_sigreturn(&mut frame);
    assert_eq!(frame.x, before.x);
    assert_eq!([frame.sp, frame.pc, frame.pstate], [before.sp, before.pc, before.pstate]);
    assert!(mask().is_empty() && !is_asked());
    let state = fp::current_state();
    assert_eq!((state.q, state.fpcr, state.fpsr), (some_fp().q, some_fp().fpcr, some_fp().fpsr));
}

fn a_corrupt_frame_is_a_fault() {
    handle(Signal::USR1, ActionFlags::empty());
    handle(Signal::SEGV, ActionFlags::empty());
    let damages: [(u64, u64); 4] = [
        (576, 0x5),        // pstate of EL1
        (576, 0x80),       // interrupts masked
        (592, 0x210_0000), // not an FP record
        (592, 0),          // no FP record
    ];
    for (offset, value) in damages {
        let mut frame = program_frame();
        signal::send_to_current(Signal::USR1);
        deliver_all(&mut frame);
        let base = frame.sp;
        at(base + offset).write(&value).unwrap();
        signal::rt_sigreturn(&mut frame);
        deliver_all(&mut frame);
        assert_eq!([frame.x[0], frame.pc], [11, HANDLER]);
        assert!(frame.sp < base);
        signal::sigprocmask(Some((MaskChange::Set, SignalSet::EMPTY)));
    }
}

fn without_a_stack_it_is_sigsegv() {
    let stack = StackSettings { start: STACK as u64, flags: 0, padding: 0, size: STACK_SIZE as u64 };
    assert_eq!(signal::sigaltstack(Some(&StackSettings { size: 100, ..stack }), 0), Err(Errno::ENOMEM));
    signal::sigaltstack(Some(&stack), 0).unwrap();
    assert_eq!(signal::sigaltstack(Some(&stack), stack.start + 8), Err(Errno::EPERM));
    handle(Signal::USR1, ActionFlags::empty());
    handle(Signal::SEGV, ActionFlags::ONSTACK);
    let mut frame = TrapFrame { sp: 0, ..program_frame() };
    signal::send_to_current(Signal::USR1);
    deliver_all(&mut frame);
    assert_eq!([frame.x[0], frame.pc], [11, HANDLER]);
    let inside = stack.start..stack.start + stack.size;
    assert!(inside.contains(&frame.sp));
    signal::rt_sigreturn(&mut frame);
    assert_eq!([frame.sp, frame.pc], [0, program_frame().pc]);
}

/// A frame whose system call wants `error`.
fn interrupted_frame(error: Errno) -> TrapFrame {
    let mut frame = program_frame();
    frame.original_x0 = 7;
    frame.x[0] = u64::from(error.raw()).wrapping_neg();
    frame.restart = 1;
    frame
}

fn interrupted_calls_restart() {
    let eintr = u64::from(Errno::EINTR.raw()).wrapping_neg();
    let again = (program_frame().pc - 4, 7);
    let fails = (program_frame().pc, eintr);
    let cases = [
        (Errno::ERESTARTSYS, ActionFlags::RESTART, again),
        (Errno::ERESTARTSYS, ActionFlags::empty(), fails),
        (Errno::ERESTARTNOINTR, ActionFlags::empty(), again),
        (Errno::ERESTARTNOHAND, ActionFlags::RESTART, fails),
    ];
    for (error, flags, (pc, x0)) in cases {
        handle(Signal::USR1, flags);
        let mut frame = interrupted_frame(error);
        signal::send_to_current(Signal::USR1);
        deliver_all(&mut frame);
        assert_eq!(frame.pc, HANDLER);
        signal::rt_sigreturn(&mut frame);
        assert_eq!((frame.pc, frame.x[0]), (pc, x0), "{error} with {flags:?}");
    }
}

fn without_a_handler_calls_restart() {
    for error in [Errno::ERESTARTSYS, Errno::ERESTARTNOINTR, Errno::ERESTARTNOHAND] {
        let mut frame = interrupted_frame(error);
        signal::ask_current();
        deliver_all(&mut frame);
        assert_eq!((frame.pc, frame.x[0], frame.restart), (program_frame().pc - 4, 7, 0));
    }
    // Numbers that merely look like it are left alone.
    let mut frame = TrapFrame { restart: 0, ..interrupted_frame(Errno::ERESTARTSYS) };
    signal::ask_current();
    deliver_all(&mut frame);
    assert_eq!(frame.pc, program_frame().pc);
}

fn a_blocked_signal_waits() {
    handle(Signal::USR1, ActionFlags::empty());
    block(Signal::USR1);
    let wanted = SignalSet::of(&[Signal::USR1]);
    assert_eq!(signal::sigtimedwait(wanted, Some(now_ns())), Err(Errno::EAGAIN));
    signal::send_to_process(current().process(), SignalInfo::kernel(Signal::USR1));
    assert!(!is_asked());
    assert_eq!(signal::pending(), wanted);
    assert_eq!(signal::sigtimedwait(wanted, None), Ok(SignalInfo::kernel(Signal::USR1)));
    assert!(signal::pending().is_empty());
    // Another one interrupts the wait.
    handle(Signal::USR2, ActionFlags::empty());
    signal::send_to_current(Signal::USR2);
    assert_eq!(signal::sigtimedwait(wanted, None), Err(Errno::EINTR));
    assert!(is_asked());
}

fn ignored_signals_do_not_interrupt() {
    signal::send_to_current(Signal::WINCH);
    assert!(!is_asked());
    block(Signal::USR1);
    signal::send_to_current(Signal::USR1);
    assert!(signal::pending().contains(Signal::USR1));
    let ignore = SignalAction { disposition: Disposition::Ignore, ..SignalAction::default() };
    signal::sigaction(Signal::USR1, Some(ignore)).unwrap();
    assert!(signal::pending().is_empty());
    assert_eq!(signal::sigaction(Signal::KILL, Some(ignore)), Err(Errno::EINVAL));
}

fn a_signal_finds_its_thread() {
    let (process, fs) = (current().process().clone(), current().fs());
    let other = Task::new(Some(new_thread(&process, &fs, PID + 1)), None, run_body, 0).unwrap();
    testing::add_thread(&other);
    handle(Signal::USR1, ActionFlags::empty());
    signal::send_to_process(&process, SignalInfo::kernel(Signal::USR1));
    assert!(is_asked() && !other.is_interrupted());
    // It blocks the signal before it takes it: the other one must hear of it.
    block(Signal::USR1);
    assert!(!is_asked() && other.is_interrupted());
    testing::remove_threads(&process);
}

fn a_temporary_mask_lasts() {
    handle(Signal::USR1, ActionFlags::empty());
    block(Signal::USR1);
    let own = mask();
    signal::send_to_current(Signal::USR1);
    // A call that ends by itself leaves the signal pending.
    assert_eq!(signal::with_temporary_mask(SignalSet::EMPTY, || Ok(1)), Ok(1));
    assert_eq!((mask(), is_asked()), (own, false));
    assert_eq!(signal::sigsuspend(SignalSet::EMPTY), Err(Errno::ERESTARTNOHAND));
    assert!(is_asked() && mask().is_empty());
    let mut frame = interrupted_frame(Errno::ERESTARTNOHAND);
    deliver_all(&mut frame);
    assert_eq!(frame.pc, HANDLER);
    signal::rt_sigreturn(&mut frame);
    assert_eq!(mask(), own);
    // An interruption that no handler follows.
    let result: Result<()> = signal::with_temporary_mask(SignalSet::EMPTY, || Err(Errno::EINTR));
    assert_eq!(result, Err(Errno::EINTR));
    deliver_all(&mut frame);
    assert_eq!(mask(), own);
}

fn continue_and_stop_signals() {
    let process = current().process().clone();
    block(Signal::TSTP);
    block(Signal::CONT);
    signal::send_to_current(Signal::TSTP);
    signal::send_to_process(&process, SignalInfo::kernel(Signal::CONT));
    assert_eq!(signal::pending(), SignalSet::of(&[Signal::CONT]));
    signal::send_to_process(&process, SignalInfo::kernel(Signal::TSTP));
    assert_eq!(signal::pending(), SignalSet::of(&[Signal::TSTP]));
}

fn the_timer_expires() {
    const PERIOD_NS: u64 = 2_000_000;
    block(Signal::ALRM);
    let wanted = SignalSet::of(&[Signal::ALRM]);
    let start = now_ns();
    let none = signal::setitimer(Setting { interval_ns: PERIOD_NS, value_ns: PERIOD_NS });
    assert_eq!(none, Setting::default());
    for _ in 0..2 {
        assert_eq!(signal::sigtimedwait(wanted, None), Ok(SignalInfo::kernel(Signal::ALRM)));
    }
    assert!(now_ns() - start >= 2 * PERIOD_NS);
    let old = signal::setitimer(Setting::default());
    // It may have expired once more, and waits for that to be taken.
    assert!(old.interval_ns == PERIOD_NS && old.value_ns <= PERIOD_NS);
    assert_eq!(signal::getitimer().value_ns, 0);
}

fn a_stopped_process_goes_on() {
    let program = Program::new();
    program.start(|| {
        signal::send_to_current(Signal::STOP);
        deliver_all(&mut program_frame());
    });
    while !testing::is_stopped(&program.process) {
        sched::yield_now();
        sched::preemption_point();
    }
    assert!(!DONE.load(Ordering::SeqCst));
    signal::send_to_process(&program.process, SignalInfo::kernel(Signal::CONT));
    assert!(!testing::is_stopped(&program.process));
    program.join();
}
