//! A step of a random program: who does what with which arguments, as data and as a line of text.
//!
//! Owns the ways to make one up, to print and to read it. Numbers that differ between machines are never in the text.

use super::operations::{Operation, all};
use std::fmt;

/// How many processes there are at most.
pub const PROCESSES: usize = 3;
/// Descriptors are numbers from here on; those below are the console's.
const FIRST_DESCRIPTOR: i32 = 3;
/// Around each limit that a pipe or a page has.
const SIZES: [i32; 18] = [0, 1, 2, 3, 4, 7, 8, 9, 16, 100, 512, 4095, 4096, 4097, 8192, 65_535, 65_536, 70_000];
/// Those that cannot be done in two goes while somebody else runs.
const CALM_SIZE: i32 = 512;

/// What an argument is.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A descriptor's number.
    Descriptor,
    /// A length in bytes.
    Size,
    /// Less than this.
    Below(i32),
    /// A process of the program.
    Process,
    /// One that is to be made.
    Child,
    /// A name for a number; the argument is the place in the list.
    Named(&'static [(&'static str, i32)]),
}

/// One step. `arguments` are as the text has them: for a name, its place in the list.
#[derive(Clone)]
pub struct Step {
    /// Who does it, below [`PROCESSES`].
    pub process: usize,
    /// What.
    pub operation: &'static Operation,
    /// One for each kind that the operation has.
    pub arguments: Vec<i32>,
}

/// A source of numbers that is the same everywhere: splitmix64.
pub struct Source(u64);

impl Source {
    /// The numbers that belong to `seed` and `index`.
    pub fn new(seed: u64, index: u64) -> Self {
        let mut source = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ index.rotate_left(32));
        source.next();
        source
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `limit`, which is not 0.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap_or(0)
    }

    fn number_below(&mut self, limit: i32) -> i32 {
        i32::try_from(self.below(limit.unsigned_abs() as usize)).unwrap_or(0)
    }
}

/// What is worth naming in a program so far: guessed, for nothing has run.
struct Likely {
    descriptors: i32,
    processes: usize,
}

/// Steps that only make things, at the beginning.
const MAKING_STEPS: usize = 3;

/// The program number `index` of those of `seed`.
pub fn program(seed: u64, index: u64) -> Vec<Step> {
    let mut source = Source::new(seed, index);
    let mut likely = Likely { descriptors: 1, processes: 1 };
    let length = 10 + source.below(27);
    let begins =
        |at: usize| move |operation: &&Operation| at >= MAKING_STEPS || operation.opens > 0 || operation.name == "fork";
    (0..length).map(|at| made_up(&mut source, &mut likely, begins(at))).collect()
}

fn made_up(source: &mut Source, likely: &mut Likely, may_be: impl Fn(&&'static Operation) -> bool) -> Step {
    let total: usize = all().filter(&may_be).map(|operation| operation.weight).sum();
    let mut ticket = source.below(total);
    let drawn = all().filter(may_be).find(|operation| match ticket.checked_sub(operation.weight) {
        Some(rest) => {
            ticket = rest;
            false
        }
        None => true,
    });
    let operation = drawn.expect("the ticket is less than the sum of the weights");
    let process = source.below(likely.processes);
    let arguments = operation.arguments.iter().map(|kind| argument(*kind, source, likely)).collect();
    likely.descriptors = (likely.descriptors + operation.opens).min(12);
    if operation.name == "fork" {
        likely.processes = PROCESSES.min(likely.processes + 1);
    }
    Step { process, operation, arguments }
}

fn argument(kind: Kind, source: &mut Source, likely: &Likely) -> i32 {
    match kind {
        // The lower ones are open more often.
        Kind::Descriptor => {
            let limit = likely.descriptors;
            FIRST_DESCRIPTOR + source.number_below(limit).min(source.number_below(limit))
        }
        Kind::Size => SIZES[source.below(SIZES.len())],
        Kind::Below(limit) => source.number_below(limit),
        Kind::Process => i32::try_from(source.below(PROCESSES)).unwrap_or(0),
        // Mostly the one that is not there yet.
        Kind::Child if source.below(8) == 0 => i32::try_from(source.below(PROCESSES)).unwrap_or(0),
        Kind::Child => i32::try_from(likely.processes.min(PROCESSES - 1)).unwrap_or(0),
        Kind::Named(names) => i32::try_from(source.below(names.len())).unwrap_or(0),
    }
}

impl Step {
    /// The numbers that the operation gets.
    pub fn values(&self) -> Vec<i32> {
        let value = |(kind, argument): (&Kind, &i32)| match kind {
            Kind::Named(names) => names[argument.unsigned_abs() as usize].1,
            _ => *argument,
        };
        self.operation.arguments.iter().zip(&self.arguments).map(value).collect()
    }

    /// The same with lengths that are moved at one go.
    pub fn calm(&self) -> Self {
        let calm = |(kind, argument): (&Kind, &i32)| match kind {
            Kind::Size => (*argument).min(CALM_SIZE),
            _ => *argument,
        };
        let arguments = self.operation.arguments.iter().zip(&self.arguments).map(calm).collect();
        Self { arguments, ..self.clone() }
    }

    /// Reads what `Display` writes.
    ///
    /// # Errors
    /// The word that cannot be understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let mut word = |what: &str| words.next().ok_or_else(|| format!("'{text}' has no {what}"));
        let process = word("process")?;
        let process = process.parse().ok().filter(|process| *process < PROCESSES).ok_or(process)?;
        let name = word("operation")?;
        let operation = all().find(|operation| operation.name == name).ok_or(name)?;
        let mut arguments = Vec::new();
        for kind in operation.arguments {
            let word = word("argument")?;
            let value = match kind {
                Kind::Named(names) => names.iter().position(|(name, _)| *name == word).map(i32::try_from),
                _ => word.parse().ok().map(Ok),
            };
            arguments.push(value.and_then(Result::ok).ok_or_else(|| word.to_owned())?);
        }
        words.next().map_or(Ok(Self { process, operation, arguments }), |word| Err(word.to_owned()))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.process, self.operation.name)?;
        for (kind, argument) in self.operation.arguments.iter().zip(&self.arguments) {
            match kind {
                Kind::Named(names) => write!(f, " {}", names[argument.unsigned_abs() as usize].0)?,
                _ => write!(f, " {argument}")?,
            }
        }
        Ok(())
    }
}
