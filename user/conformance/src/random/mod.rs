//! Random programs of calls between processes, the same on every kernel: what they do, how they are played, and what is asked of
//! this program about them.
//!
//! `conformance --random SEED:FIRST-LAST …` plays the programs of a seed and prints a line for each: `SEED:INDEX:KEPT DIGEST`.
//! `SEED:INDEX:KEPT` is one program of which some steps are left out: a bit of the hexadecimal number for each that is kept.
//! `SEED:INDEX:KEPT:smaller` are the programs that have a part of its steps.
//! With `--told` first, what the program did follows the line. `lab fuzz` compares two kernels by it. A program that is to be kept
//! goes to `suites/random_programs/`, as text.

mod actor;
mod answers;
mod operations;
mod stage;
mod step;

pub use stage::{Care, play};
pub use step::{Step, program};

use crate::check::{Failure, failed};
use crate::scratch;
use std::process::ExitCode;

/// The first argument that makes this program play.
const FLAG: &str = "--random";
/// Then: tell what each does.
const TOLD: &str = "--told";

/// Programs that are asked for in one word.
struct Wanted {
    seed: u64,
    indexes: std::ops::RangeInclusive<u64>,
    kept: u64,
    which: Which,
}

#[derive(Clone, Copy, PartialEq)]
enum Which {
    /// The programs themselves.
    Named,
    /// Those with a part of the steps taken out: halves, quarters, … single steps.
    Smaller,
}

/// Plays what the arguments name; `None` if they ask for something else.
pub fn run_if_asked(arguments: &[String]) -> Option<ExitCode> {
    let words = match arguments {
        [flag, words @ ..] if flag == FLAG => words,
        _ => return None,
    };
    Some(match run(words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed(reason) | Failure::Skipped(reason)) => {
            eprintln!("conformance {FLAG}: {reason}");
            ExitCode::from(3)
        }
    })
}

fn run(words: &[String]) -> Result<(), Failure> {
    let (is_told, words) = match words {
        [first, rest @ ..] if first == TOLD => (true, rest),
        all => (false, all),
    };
    scratch::enter()?;
    let outcome = words.iter().try_for_each(|word| {
        let wanted =
            wanted(word).ok_or_else(|| failed(format!("'{word}' is neither SEED:FIRST-LAST nor SEED:INDEX:KEPT")))?;
        wanted.indexes.clone().for_each(|index| show_all(&wanted, index, is_told));
        Ok(())
    });
    scratch::remove_of(std::process::id().cast_signed());
    outcome
}

fn wanted(word: &str) -> Option<Wanted> {
    let mut parts = word.split(':');
    let (seed, indexes) = (parts.next()?.parse().ok()?, parts.next()?);
    let (first, last) = indexes.split_once('-').unwrap_or((indexes, indexes));
    let indexes = first.parse().ok()?..=last.parse().ok()?;
    let kept = parts.next().map_or(Ok(u64::MAX), |kept| u64::from_str_radix(kept, 16)).ok()?;
    let which = match parts.next() {
        None => Which::Named,
        Some("smaller") => Which::Smaller,
        Some(_) => return None,
    };
    Some(Wanted { seed, indexes, kept, which })
}

fn show_all(wanted: &Wanted, index: u64, is_told: bool) {
    let whole = program(wanted.seed, index);
    let kept = wanted.kept & ((1 << whole.len()) - 1);
    let programs = if wanted.which == Which::Named { vec![kept] } else { smaller(kept) };
    for kept in programs {
        show(wanted.seed, index, kept, &whole, is_told);
    }
}

/// What is left of the steps in `kept` without one of its halves, quarters, … single steps.
pub fn smaller(kept: u64) -> Vec<u64> {
    let steps: Vec<u32> = (0..u64::BITS).filter(|bit| kept >> bit & 1 == 1).collect();
    let lengths =
        std::iter::successors(Some(steps.len() / 2), |length| Some(length / 2)).take_while(|length| *length > 0);
    let without = |part: &[u32]| part.iter().fold(kept, |kept, bit| kept & !(1 << bit));
    lengths.flat_map(|length| steps.chunks(length).map(without)).collect()
}

fn show(seed: u64, index: u64, kept: u64, whole: &[Step], is_told: bool) {
    let steps = whole.iter().enumerate().filter(|(at, _)| kept >> at & 1 == 1);
    let steps: Vec<Step> = steps.map(|(_, step)| step.clone()).collect();
    let name = format!("{seed}:{index}:{kept:x}");
    match play(&steps, Care::Quick) {
        Ok(text) => {
            println!("{name} {:016x}", answers::digest(text.as_bytes()));
            if is_told {
                print!("{text}");
            }
        }
        // The next may do better.
        Err(Failure::Failed(reason) | Failure::Skipped(reason)) => {
            println!("{name} failed");
            reason.lines().for_each(|line| println!("# {line}"));
        }
    }
}
