//! Runs the processes of one benchmark and never hangs on them.
//!
//! The supervisor takes no part in what is measured. It forks one worker per role and gives each a pipe
//! for its report; then it sleeps in `poll(2)`. A worker's end, however it comes, closes its pipe and wakes
//! the supervisor, who reaps it; the first failure has every other worker killed, so one that waits for a
//! dead peer (in a semaphore, a futex) ends with it. What neither reports nor dies runs into the deadline.
//! Should the supervisor itself be killed, the kernel kills its workers (`PR_SET_PDEATHSIG`).

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::measure::Measurement;
use crate::system::affinity::pin_to;
use crate::system::interruption;
use crate::system::process::{self, Forked, Pid};

/// What a worker found out.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Its figures, when it is the one that measures.
    pub measurement: Option<Measurement>,
    /// The sum over what reached it, when it received anything.
    pub checksum: Option<u64>,
    /// What else it counted, in an order that the benchmark knows.
    pub counts: Vec<u64>,
}

/// What a worker does, once, in a process of its own.
pub type Body = Box<dyn FnOnce() -> Result<Report, Failure>>;

/// One process of a benchmark. Whatever `body` holds is closed everywhere but in that process.
pub struct Role {
    /// What messages call it.
    pub name: &'static str,
    /// The CPU to keep it on, if any.
    pub cpu: Option<usize>,
    /// Its work.
    pub body: Body,
}

/// Runs all `roles` at the same time and returns their reports in the same order.
///
/// # Errors
/// The failures of all workers that failed by themselves, in one sentence; or that `deadline` passed, or a signal came.
/// No worker is left when this returns.
pub fn supervise(roles: Vec<Role>, deadline: Duration) -> Result<Vec<Report>, Failure> {
    let end = Instant::now() + deadline;
    let mut crew = Crew(Vec::with_capacity(roles.len()));
    for role in roles {
        crew.0.push(start(role)?);
    }
    while crew.0.iter().any(|worker| worker.report.is_none()) {
        if !crew.listen(end.saturating_duration_since(Instant::now()))? {
            return Err(Failure::new(format!("not finished after {} s", deadline.as_secs_f64())));
        }
        if interruption::is_pending() {
            return Err(Failure::new("interrupted"));
        }
        if crew.0.iter().any(Worker::failed) {
            return Err(crew.dismiss());
        }
    }
    crew.reports()
}

/// A started role.
struct Worker {
    name: &'static str,
    pid: Pid,
    /// Open until the worker has ended.
    pipe: Option<PipeReader>,
    received: Vec<u8>,
    /// Known once reaped.
    report: Option<Result<Report, Failure>>,
}

impl Worker {
    fn failed(&self) -> bool {
        matches!(self.report, Some(Err(_)))
    }

    /// Takes what the pipe has to give; at its end, reaps the worker.
    fn take_news(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let Some(pipe) = &mut self.pipe else {
            return Ok(());
        };
        match pipe.read(&mut buffer) {
            Ok(0) => {
                self.pipe = None;
                let status = process::reap(self.pid)?;
                self.report = Some(judge(&self.received, status));
            }
            Ok(count) => self.received.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// All workers; those still alive are killed and reaped when it is dropped.
struct Crew(Vec<Worker>);

impl Crew {
    /// Sleeps until a worker reports or ends, and takes the news; `false` when `patience` ran out first.
    fn listen(&mut self, patience: Duration) -> io::Result<bool> {
        let mut watched: Vec<libc::pollfd> = self
            .0
            .iter()
            .map(|worker| worker.pipe.as_ref().map_or(-1, AsRawFd::as_raw_fd))
            .map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 })
            .collect();
        // Rounded up: a wait cut short to 0 ms would spin through the last millisecond.
        let timeout_ms = i32::try_from(patience.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        // SAFETY: the array is live and writable, and its length is given.
        let ready = unsafe { libc::poll(watched.as_mut_ptr(), watched.len() as libc::nfds_t, timeout_ms) };
        if ready < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(true) } else { Err(error) };
        }
        for (worker, watched) in self.0.iter_mut().zip(&watched) {
            if watched.revents != 0 {
                worker.take_news()?;
            }
        }
        Ok(ready > 0)
    }

    /// Ends every worker and tells what went wrong: where one fails because its peer did, both are named.
    fn dismiss(mut self) -> Failure {
        let mut sentences = Vec::new();
        for worker in &mut self.0 {
            let verdict = worker.report.take().or_else(|| end_early(worker));
            if let Some(Err(failure)) = verdict {
                sentences.push(format!("{}: {failure}", worker.name));
            }
        }
        Failure::new(sentences.join("; "))
    }

    /// The reports of workers that all succeeded.
    fn reports(mut self) -> Result<Vec<Report>, Failure> {
        self.0.iter_mut().filter_map(|worker| worker.report.take()).collect()
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for worker in &mut self.0 {
            end_early(worker);
        }
    }
}

/// Kills and reaps `worker` if that is still to be done. Its verdict, unless it died of the killing.
fn end_early(worker: &mut Worker) -> Option<Result<Report, Failure>> {
    let mut pipe = worker.pipe.take()?;
    process::kill_child(worker.pid);
    let status = process::reap(worker.pid).ok()?;
    if std::os::unix::process::ExitStatusExt::signal(&status) == Some(libc::SIGKILL) {
        return None;
    }
    // It had ended by itself already: the rest of its report is in the pipe.
    pipe.read_to_end(&mut worker.received).ok()?;
    Some(judge(&worker.received, status))
}

/// A worker's word and its end, taken together.
fn judge(received: &[u8], status: ExitStatus) -> Result<Report, Failure> {
    match serde_json::from_slice::<Result<Report, String>>(received) {
        Ok(Ok(report)) if status.success() => Ok(report),
        Ok(Err(sentence)) => Err(Failure::new(sentence)),
        _ => Err(Failure::new(format!("ended without a report ({status})"))),
    }
}

/// Forks one worker.
fn start(role: Role) -> Result<Worker, Failure> {
    let (pipe, reports) = io::pipe().map_err(|error| Failure::during("pipe", &error))?;
    let supervisor = std::process::id();
    // SAFETY: the program has one thread. (Under the test harness there are more; libc's fork leaves the
    // allocator usable in the child, and a worker takes no other lock.)
    let forked = unsafe { process::fork() };
    match forked.map_err(|error| Failure::during("fork", &error))? {
        Forked::Child => {
            drop(pipe);
            work(role, reports, supervisor)
        }
        // The role is dropped here: the supervisor, and workers started later, keep none of its files open.
        Forked::Parent(pid) => {
            Ok(Worker { name: role.name, pid, pipe: Some(pipe), received: Vec::new(), report: None })
        }
    }
}

/// A worker's whole life.
fn work(role: Role, reports: PipeWriter, supervisor: u32) -> ! {
    let run = AssertUnwindSafe(|| prepare(role.cpu, supervisor).and_then(|()| (role.body)()));
    let verdict = panic::catch_unwind(run).unwrap_or_else(|_| Err(Failure::new("panicked")));
    let status = i32::from(verdict.is_err());
    let sent = serde_json::to_vec(&verdict.map_err(|failure| failure.to_string()))
        .map_err(io::Error::from)
        .and_then(|report| File::from(OwnedFd::from(reports)).write_all(&report));
    // Without its report the worker has failed, whatever it found.
    process::exit_now(if sent.is_ok() { status } else { 1 })
}

fn prepare(cpu: Option<usize>, supervisor: u32) -> Result<(), Failure> {
    interruption::obey();
    process::die_with_parent(supervisor).map_err(|error| Failure::during("prctl(PR_SET_PDEATHSIG)", &error))?;
    match cpu {
        Some(cpu) => pin_to(cpu).map_err(|error| Failure::during(&format!("pin to CPU {cpu}"), &error)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Body, Report, Role, supervise};
    use crate::failure::Failure;
    use crate::system::mapping::SharedMapping;
    use crate::system::process::{alone, exit_now};
    use crate::system::raw::futex_wait;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn role(name: &'static str, body: impl FnOnce() -> Result<Report, Failure> + 'static) -> Role {
        let body: Body = Box::new(body);
        Role { name, cpu: None, body }
    }

    fn summing(sum: u64) -> impl FnOnce() -> Result<Report, Failure> {
        move || Ok(Report { measurement: None, checksum: Some(sum), ..Report::default() })
    }

    /// Waits for a wake-up nobody will send: what a dead peer leaves behind.
    fn waiting() -> Result<Report, Failure> {
        let mapping = SharedMapping::anonymous(4096)?;
        loop {
            futex_wait(mapping.word(0), 0);
        }
    }

    fn failure_of(roles: Vec<Role>, patience: Duration) -> String {
        let _turn = alone();
        let started = Instant::now();
        let failure = supervise(roles, patience).expect_err("one role fails").to_string();
        assert!(started.elapsed() < PATIENCE, "hung for the other worker");
        failure
    }

    #[test]
    fn reports_come_in_the_order_of_the_roles() {
        let _turn = alone();
        let reports = supervise(vec![role("a", summing(1)), role("b", summing(2))], PATIENCE).expect("both report");
        let sums: Vec<_> = reports.iter().map(|report| report.checksum).collect();
        assert_eq!(sums, [Some(1), Some(2)]);
    }

    #[test]
    fn a_worker_killed_by_a_signal_is_named_and_its_peer_does_not_hang() {
        let failure = failure_of(vec![role("waiter", waiting), role("victim", || std::process::abort())], PATIENCE);
        assert!(failure.starts_with("victim: ended without a report (signal: 6"), "{failure}");
    }

    #[test]
    fn a_worker_that_exits_without_a_word_has_failed() {
        let failure = failure_of(vec![role("mute", || exit_now(0)), role("waiter", waiting)], PATIENCE);
        assert_eq!(failure, "mute: ended without a report (exit status: 0)");
    }

    #[test]
    fn a_worker_that_reports_a_failure_is_quoted() {
        let failure = failure_of(vec![role("waiter", waiting), role("b", || Err(Failure::new("no luck")))], PATIENCE);
        assert_eq!(failure, "b: no luck");
    }

    #[test]
    fn a_deadlock_ends_at_the_deadline() {
        let failure = failure_of(vec![role("a", waiting), role("b", waiting)], Duration::from_millis(50));
        assert_eq!(failure, "not finished after 0.05 s");
    }

    #[test]
    fn a_cpu_that_is_not_there_is_a_failure() {
        let pinned = Role { cpu: Some(1023), ..role("a", summing(1)) };
        assert!(failure_of(vec![pinned], PATIENCE).starts_with("a: pin to CPU 1023: "));
    }
}
