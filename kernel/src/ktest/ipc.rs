//! Pipes, FIFOs, eventfds, poll, epoll and terminals as kernel tasks see them, on as many CPUs as there are.

mod eventfd;
mod fifo;
mod hello;
mod pipe;
mod pipe_waiting;
mod readiness;
mod splice;
mod terminal;

use crate::arch::mmu::PAGE_SIZE;
use crate::fs::file::Direction;
use crate::fs::open_file::{At, OpenFile};
use crate::mm::address_space::{AddressSpace, PageBacking, Placement};
use crate::mm::user::{Sink, Source};
use crate::sched::{self, Activity, Task};
use crate::sync::{SpinLock, WaitQueue, rank};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use postern_core::areas::{AreaFlags, Protection};
use postern_core::errno::Result;
use postern_sync::{ANY_EVENT, Mode};

/// The table.
pub const TESTS: &[(&str, fn())] = &[
    ("a_pipe_gives_back_what_went_in", pipe::bytes_come_back),
    ("a_pipe_reports_its_ends", pipe::ends_are_reported),
    ("a_small_write_is_all_or_nothing", pipe::small_writes_are_atomic),
    ("packets_keep_their_boundaries", pipe::packets_keep_boundaries),
    ("a_pipe_can_be_resized", pipe::sizes),
    ("a_fault_in_a_pipe_write_puts_nothing_in", pipe::write_fault),
    ("a_fault_in_a_pipe_read_takes_nothing_out", pipe::read_fault),
    ("a_pipe_in_use_allocates_no_page", pipe::no_allocation),
    ("a_blocked_reader_is_woken_by_a_write", pipe_waiting::reader_is_woken),
    ("a_blocked_reader_sees_the_end", pipe_waiting::reader_sees_end),
    ("a_blocked_writer_sees_that_nobody_reads", pipe_waiting::writer_sees_no_reader),
    ("a_long_write_is_delivered_whole", pipe_waiting::long_write),
    ("every_writer_at_a_full_pipe_has_its_turn", pipe_waiting::every_writer_has_its_turn),
    ("one_byte_wakes_one_reader", pipe_waiting::one_byte_one_reader),
    ("the_chain_of_wakeups_reaches_every_reader", pipe_waiting::chain),
    ("eight_tasks_lose_no_wakeup_and_no_byte", pipe_waiting::eight_tasks),
    ("a_files_pages_go_into_a_pipe_by_reference", splice::file_to_pipe),
    ("a_page_that_nobody_else_holds_becomes_the_files", splice::pipe_to_file),
    ("a_relay_of_pages_through_two_pipes_allocates_nothing", splice::relay),
    ("holes_go_into_a_pipe_as_one_page_of_zeroes", splice::holes),
    ("a_splice_that_fails_loses_nothing", splice::errors),
    ("a_splice_waits_for_bytes_and_for_room", splice::waiting),
    ("splices_in_both_directions_do_not_wait_for_each_other", splice::both_directions),
    ("a_programs_pages_go_into_a_pipe_by_reference", splice::program_memory),
    ("sendfile_copies_between_files_and_shares_with_pipes", splice::sending),
    ("a_fifo_without_reader_is_enxio_for_a_writer", fifo::nonblocking_writer),
    ("a_fifo_reader_sees_no_hang_up_before_a_writer", fifo::no_early_hang_up),
    ("the_openers_of_a_fifo_wait_for_each_other", fifo::rendezvous),
    ("each_group_has_a_hello_of_its_own_which_goes_with_it", hello::routing_by_group),
    ("a_hello_that_is_open_outlives_its_group", hello::group_goes_while_open),
    ("no_hello_outlives_its_group_whoever_is_quicker", hello::opening_races_with_removal),
    ("group_ids_are_not_cut_to_32_bits", hello::ids_of_64_bits),
    ("every_combination_of_switches_keeps_bytes_and_wakeups", hello::every_combination_of_switches),
    ("each_switch_of_hello_does_something", hello::switches_switch),
    ("one_event_wakes_one_of_1_to_64_in_order_of_arrival", hello::herd),
    ("every_writer_at_a_full_channel_has_its_turn", hello::every_writer_has_its_turn),
    ("a_fault_in_a_merge_leaves_the_ring_as_it_was", hello::fault_in_a_merge),
    ("a_ring_with_data_does_not_look_full", hello::readiness_of_a_ring_with_data),
    ("transfers_go_on_while_the_tree_of_rings_is_locked", hello::transfers_without_the_tree),
    ("a_locked_ring_holds_up_no_other", hello::a_mutex_an_instance),
    ("readiness_and_attempts_in_vain_take_no_lock", hello::snapshot_without_the_mutex),
    ("who_asks_all_rings_holds_up_no_opening", hello::rings_are_asked_without_the_tree),
    ("closed_rings_keep_a_share_of_memory_and_no_more", hello::closed_rings_keep_a_share),
    ("a_closed_channel_keeps_16_pages_and_a_group_s_own_ring_all", hello::closed_channels_keep_few_pages),
    ("channels_that_take_the_place_of_others_leave_nothing", hello::names_replace_unused_ones),
    ("openers_and_closers_at_once_lose_nothing", hello::tasks_that_open_and_close),
    ("a_thousand_loads_of_hello_leave_frames_and_heap_exactly_as_before", hello::loads_leave_nothing),
    ("an_eventfd_adds_and_is_taken", eventfd::counts),
    ("an_eventfd_semaphore_gives_one_at_a_time", eventfd::semaphore),
    ("a_full_eventfd_makes_writers_wait", eventfd::overflow),
    ("eventfds_carry_a_conversation", eventfd::conversation),
    ("poll_times_out_and_not_early", readiness::poll_timeout),
    ("poll_is_woken_by_any_of_its_files", readiness::poll_is_woken),
    ("level_triggered_epoll_tells_until_it_is_read", readiness::level),
    ("edge_triggered_epoll_tells_once_a_write", readiness::edge),
    ("a_one_shot_tells_once_until_modified", readiness::one_shot),
    ("a_closed_file_leaves_its_epoll", readiness::closed_file),
    ("epoll_wait_is_woken_by_a_write", readiness::epoll_is_woken),
    ("nested_epolls_tell_and_refuse_circles", readiness::nesting),
    ("a_chain_of_epolls_has_a_longest_length", readiness::long_chain),
    ("a_terminal_gives_lines_and_echoes", terminal::lines),
    ("a_raw_terminal_waits_for_vmin", terminal::least),
    ("vtime_ends_a_read", terminal::time),
    ("a_terminal_without_room_pauses_its_port", terminal::flow_control),
    ("output_gets_carriage_returns", terminal::output),
    ("a_hung_up_terminal_is_at_its_end", terminal::hang_up),
];

/// What a task of a test does.
pub(super) type Job = Box<dyn FnOnce() + Send>;

static JOBS: SpinLock<Vec<Option<Job>>> = SpinLock::new(rank::OBJECT, Vec::new());
static DONE: AtomicUsize = AtomicUsize::new(0);
static DONE_QUEUE: WaitQueue = WaitQueue::new();

/// Tasks that run jobs; to be joined.
pub(super) struct Tasks(Vec<Arc<Task>>);

/// Starts a task for each job, which may run where this one may. One set at a time.
pub(super) fn start(jobs: Vec<Job>) -> Tasks {
    extern "C" fn run(index: usize) -> ! {
        let job = JOBS.lock()[index].take();
        job.unwrap()();
        DONE.fetch_add(1, Ordering::SeqCst);
        DONE_QUEUE.wake_all(ANY_EVENT);
        sched::exit()
    }
    DONE.store(0, Ordering::SeqCst);
    let tasks: Vec<_> = (0..jobs.len()).map(|index| Task::new(None, None, run, index).unwrap()).collect();
    *JOBS.lock() = jobs.into_iter().map(Some).collect();
    for task in &tasks {
        task.set_affinity(sched::current().affinity());
        sched::start(task.clone());
    }
    Tasks(tasks)
}

impl Tasks {
    /// How many have done their job.
    pub(super) fn done(&self) -> usize {
        DONE.load(Ordering::SeqCst)
    }

    /// Waits until all sleep. To be queued is not enough: who is queued makes an attempt before it sleeps, and may get what is
    /// meant for the first in the queue.
    pub(super) fn until_all_sleep(&self) {
        yield_until(|| self.0.iter().all(|task| task.activity() != Activity::Running));
    }

    /// Sleeps until that many have.
    pub(super) fn wait_until_done(&self, count: usize) {
        DONE_QUEUE.wait(Mode::Exclusive, || (self.done() >= count).then_some(()));
    }

    /// Waits until all have, and are gone.
    pub(super) fn join(mut self) {
        self.wait_until_done(self.0.len());
        while let Some(task) = self.0.pop() {
            // The next task on its CPU gives its stack back.
            yield_until(|| Arc::strong_count(&task) == 1);
        }
        let jobs = core::mem::take(&mut *JOBS.lock());
        drop(jobs);
    }
}

/// Lets others run until `condition` holds.
pub(super) fn yield_until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        sched::yield_now();
        sched::preemption_point();
    }
}

/// Waits until somebody waits for `file` in this direction.
pub(super) fn until_somebody_waits(file: &OpenFile, direction: Direction) {
    yield_until(|| !file.ops().wait_queue(direction).unwrap().is_empty());
}

pub(super) fn write(file: &OpenFile, bytes: &[u8]) -> Result<usize> {
    file.write(&mut Source::from_slice(bytes), At::Position)
}

/// Reads once, into room for `length` bytes.
pub(super) fn read(file: &OpenFile, length: usize) -> Result<Vec<u8>> {
    let mut buffer = vec![0; length];
    let bytes = file.read(&mut Sink::from_slice(&mut buffer), At::Position)?;
    buffer.truncate(bytes);
    Ok(buffer)
}

/// Bytes that tell their place.
pub(super) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251).to_le_bytes()[0]).collect()
}

/// Runs `f` with two pages of user memory that end at the address given, and nothing behind.
pub(super) fn with_user_pages(f: impl FnOnce(usize)) {
    let space = AddressSpace::new().unwrap();
    let start = 0x10_0000;
    let protection = Protection::READ | Protection::WRITE;
    let backing = PageBacking::Anonymous;
    space.map(Placement::Exact(start), 2 * PAGE_SIZE, protection, AreaFlags::empty(), backing, 0).unwrap();
    drop(Task::change_address_space(Some(space)));
    f(start + 2 * PAGE_SIZE);
    drop(Task::change_address_space(None));
}
