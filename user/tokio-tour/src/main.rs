//! A tour of tokio that checks itself, to see whether a kernel carries a program that was not written for it: tokio's workers
//! are threads, its reactor is epoll with an eventfd, and it has timers, pipes, socket pairs, signals and child processes.
//!
//! Prints a line for each stop, the same on every run, and ends with 0 if all is as it should be. No arguments.

mod processes;
mod streams;
mod tasks;

use std::error::Error;
use std::process::ExitCode;

/// What a stop returns.
type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Fails with `sentence` unless `condition`.
fn expect(condition: bool, sentence: &str) -> Outcome {
    if condition { Ok(()) } else { Err(sentence.into()) }
}

/// Runs each stop, and says how it went; whether all went well.
macro_rules! run_all {
    ($($stop:path,)+) => {{
        let mut all_well = true;
        $(match $stop().await {
            Ok(()) => println!("ok {}", stringify!($stop)),
            Err(error) => {
                println!("not ok {}: {error}", stringify!($stop));
                all_well = false;
            }
        })+
        all_well
    }};
}

#[tokio::main(flavor = "multi_thread", worker_threads = 4)]
async fn main() -> ExitCode {
    let all_well = run_all! {
        tasks::many_tasks_share_the_workers,
        tasks::a_ring_of_channels_carries_a_token,
        tasks::blocking_work_gets_threads_of_its_own,
        tasks::timers_fire_in_order,
        tasks::what_is_late_is_given_up,
        streams::a_pipe_carries_a_mebibyte,
        streams::socket_pairs_echo,
        streams::datagrams_keep_their_bounds,
        streams::a_closed_end_is_the_end,
        processes::children_get_input_and_give_output,
        processes::many_children_at_once,
        processes::a_child_that_is_killed_says_so,
        processes::signals_arrive,
    };
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
