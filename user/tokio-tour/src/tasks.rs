//! Tasks, channels, blocking work and timers: futexes, the eventfd that wakes the reactor, and its timeouts.

use crate::{Outcome, expect};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::{Barrier, Semaphore, mpsc};
use tokio::task::{self, JoinSet};
use tokio::time;

/// A thousand tasks yield to each other.
pub async fn many_tasks_share_the_workers() -> Outcome {
    let sum = Arc::new(AtomicUsize::new(0));
    let places = Arc::new(Semaphore::new(7));
    let mut tasks = JoinSet::new();
    for number in 1..=1000 {
        let (sum, places) = (sum.clone(), places.clone());
        tasks.spawn(async move {
            let place = places.acquire().await;
            task::yield_now().await;
            sum.fetch_add(number, Ordering::Relaxed);
            place.is_ok()
        });
    }
    while let Some(done) = tasks.join_next().await {
        expect(done?, "the semaphore stays open")?;
    }
    expect(sum.load(Ordering::Relaxed) == 500_500, "each task runs once")
}

/// A token goes round through 50 tasks, 20 times.
pub async fn a_ring_of_channels_carries_a_token() -> Outcome {
    const ROUNDS: usize = 20;
    const TASKS: usize = 50;
    let (first, mut previous) = mpsc::channel(1);
    for _ in 0..TASKS {
        let (next, following) = mpsc::channel(1);
        let mut from = std::mem::replace(&mut previous, following);
        tokio::spawn(async move {
            while let Some(token) = from.recv().await {
                if next.send(token + 1).await.is_err() {
                    break;
                }
            }
        });
    }
    let mut token = 0;
    for _ in 0..ROUNDS {
        first.send(token).await?;
        token = previous.recv().await.ok_or("the ring is broken")?;
    }
    expect(token == ROUNDS * TASKS, "every task has counted every round")
}

/// Work that blocks its thread: all of it at once, or none would end.
pub async fn blocking_work_gets_threads_of_its_own() -> Outcome {
    const THREADS: usize = 40;
    let together = Arc::new(std::sync::Barrier::new(THREADS));
    let mut tasks = JoinSet::new();
    for _ in 0..THREADS {
        let together = together.clone();
        tasks.spawn_blocking(move || {
            together.wait();
            thread::sleep(Duration::from_millis(1));
            thread::current().id()
        });
    }
    let mut seen = std::collections::HashSet::new();
    while let Some(done) = tasks.join_next().await {
        seen.insert(done?);
    }
    expect(seen.len() == THREADS, "each has a thread")
}

/// Sleepers wake in the order of their times, and none too early.
pub async fn timers_fire_in_order() -> Outcome {
    let (report, mut order) = mpsc::channel(10);
    let start = Arc::new(Barrier::new(5));
    for place in [4_u64, 1, 3, 0, 2] {
        let (report, start) = (report.clone(), start.clone());
        tokio::spawn(async move {
            start.wait().await;
            let (begin, duration) = (Instant::now(), Duration::from_millis(20 + 150 * place));
            time::sleep(duration).await;
            report.send((place, begin.elapsed() >= duration)).await
        });
    }
    for place in 0..5 {
        expect(order.recv().await == Some((place, true)), "the next to wake, in time")?;
    }
    let mut ticks = time::interval(Duration::from_millis(10));
    let begin = Instant::now();
    for _ in 0..=10 {
        ticks.tick().await;
    }
    expect(begin.elapsed() >= Duration::from_millis(100), "ten periods last as long as ten periods")
}

/// A timeout ends what would never end, and not what does.
pub async fn what_is_late_is_given_up() -> Outcome {
    let late = time::timeout(Duration::from_millis(20), std::future::pending::<()>()).await;
    expect(late.is_err(), "what never ends is given up")?;
    let in_time = time::timeout(Duration::from_secs(100), task::yield_now()).await;
    expect(in_time.is_ok(), "what ends is not")
}
