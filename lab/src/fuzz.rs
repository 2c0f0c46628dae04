//! Random programs on Linux and on Postern: which do not do the same, and what is left of them when every step that does not
//! matter is taken out.
//!
//! The programs are the guest's: `conformance --random` makes them up from a seed, plays them and prints a digest of what each did
//! (`user/conformance/src/random/`). Here they are named, compared and shrunk; nothing of what they do is known. A difference
//! counts if it is there again each time the program is played. One CPU: the program's processes take turns anyway.

use std::collections::BTreeMap;
use std::thread;

use anyhow::{Result, anyhow, ensure};
use indicatif::ProgressBar;

use crate::machine::{Boot, Clock, System};

/// Real time for one boot, in seconds.
const TIMEOUT_S: u32 = 900;
/// Of a guest's command: Linux takes 2,048 bytes for all of its line.
const LONGEST_COMMAND: usize = 1500;
/// How often a program that differs is played again.
const ROUNDS: usize = 5;
/// What the guest prints in the place of a digest if a program could not be played to its end.
const FAILED: &str = "failed";

/// Which programs.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Of the numbers.
    pub seed: u64,
    /// The number of the first.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// How many of them in a boot.
    pub batch: u64,
    /// How many differences to look into; the rest is counted.
    pub most: usize,
}

/// One program, of which some steps may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    /// Of the numbers.
    pub seed: u64,
    /// Among those of the seed.
    pub index: u64,
    /// A bit for each step that is there.
    pub kept: u64,
}

/// A program that does not do the same, as small as it could be made.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The program.
    pub program: Program,
    /// What it does on Linux, a line a step.
    pub linux: String,
    /// On Postern.
    pub postern: String,
}

/// What a campaign came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Programs played on both.
    pub compared: usize,
    /// Programs that Linux itself does not do the same way every time, or not to the end.
    pub unsteady: usize,
    /// Programs that differ, with those that are not in `differences`.
    pub differing: usize,
    /// The first of them, made small.
    pub differences: Vec<Difference>,
}

impl Program {
    /// Whether `other` is this one without some of its steps.
    fn contains(self, other: Self) -> bool {
        (self.seed, self.index) == (other.seed, other.index) && other.kept & !self.kept == 0
    }
}

impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{:x}", self.seed, self.index, self.kept)
    }
}

impl std::str::FromStr for Program {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || anyhow!("'{text}' is not SEED:INDEX:KEPT");
        let mut parts = text.split(':');
        let mut part = || parts.next().ok_or_else(wrong);
        let (seed, index, kept) = (part()?, part()?, part()?);
        let (seed, index, kept) = (seed.parse()?, index.parse()?, u64::from_str_radix(kept, 16)?);
        parts.next().map_or(Ok(Self { seed, index, kept }), |_| Err(wrong()))
    }
}

/// Plays what `words` name, as options of `conformance --random`.
fn play(system: System, words: &str) -> Result<String> {
    let command = format!("conformance --random {words}");
    Boot { system, clock: Clock::WallClock, cpus: Some(1), command, timeout_s: TIMEOUT_S }.run()
}

/// On Linux and on Postern, at the same time.
fn on_both(words: &str) -> Result<[String; 2]> {
    let (postern, linux) = thread::scope(|scope| {
        let linux = scope.spawn(|| play(System::Linux, words));
        (play(System::Postern, words), linux.join())
    });
    Ok([linux.map_err(|_| anyhow!("the thread that boots Linux has failed"))??, postern?])
}

/// The digest of each program that was played, in order.
fn digests(text: &str) -> Vec<(Program, &str)> {
    let digest = |line: &'_ str| {
        let (program, _) = line.split_once(' ')?;
        program.parse().ok()
    };
    text.lines().filter_map(|line| Some((digest(line)?, line.rsplit_once(' ')?.1))).collect()
}

fn names(played: &[(Program, &str)]) -> Vec<Program> {
    played.iter().map(|(program, _)| *program).collect()
}

/// Plays what the words name, and pairs the digests; as many words in a boot as its command takes.
fn replay(words: &[String]) -> Result<Vec<(Program, [String; 2])>> {
    let mut found = Vec::new();
    let mut left = words;
    while !left.is_empty() {
        let mut length = 0;
        let fits = |word: &&String| {
            length += word.len() + 1;
            length <= LONGEST_COMMAND
        };
        let taken = left.iter().take_while(fits).count();
        let [linux, postern] = on_both(&left[..taken].join(" "))?;
        let (linux, postern) = (digests(&linux), digests(&postern));
        ensure!(names(&linux) == names(&postern), "Linux and Postern have not played the same programs");
        let pairs = linux.iter().zip(&postern);
        found.extend(pairs.map(|((program, here), (_, there))| (*program, [(*here).to_owned(), (*there).to_owned()])));
        left = &left[taken..];
    }
    Ok(found)
}

/// Whether a program is known to differ: Linux could play it.
fn differs([linux, postern]: &[String; 2]) -> bool {
    linux != FAILED && linux != postern
}

/// Those of `programs` that differ, and do on each system what they do there, every time.
fn steady(programs: &[Program]) -> Result<Vec<Program>> {
    let mut rounds: BTreeMap<Program, Vec<[String; 2]>> = BTreeMap::new();
    let words: Vec<String> = (0..ROUNDS).flat_map(|_| programs.iter().map(ToString::to_string)).collect();
    for (program, played) in replay(&words)? {
        rounds.entry(program).or_default().push(played);
    }
    let is_steady = |played: &[[String; 2]]| played.iter().all(|round| *round == played[0]) && differs(&played[0]);
    Ok(rounds.into_iter().filter(|(_, played)| is_steady(played)).map(|(program, _)| program).collect())
}

/// The programs with as many steps taken out as can be; all of them together, in few boots.
fn shrunk(programs: Vec<Program>, bar: &ProgressBar) -> Result<Vec<Program>> {
    let mut done = Vec::new();
    let mut left = programs;
    while !left.is_empty() {
        bar.set_message(format!("making {} smaller", left.len()));
        let words: Vec<String> = left.iter().map(|program| format!("{program}:smaller")).collect();
        let played = replay(&words)?;
        let mut next = Vec::new();
        for program in left {
            let mine = played.iter().filter(|(of, played)| program.contains(*of) && differs(played));
            let best = mine.map(|(of, _)| *of).filter(|of| of.kept != 0).min_by_key(|of| of.kept.count_ones());
            best.map_or_else(|| done.push(program), |best| next.push(best));
        }
        left = next;
    }
    Ok(done)
}

impl Plan {
    /// Plays the programs, and looks into what differs.
    ///
    /// # Errors
    /// If a kernel is missing or a boot fails.
    pub fn run(&self) -> Result<Outcome> {
        [System::Linux, System::Postern].iter().try_for_each(|system| system.check())?;
        let bar = ProgressBar::new(self.count);
        let mut outcome = Outcome::default();
        let mut found = Vec::new();
        let end = self.first + self.count;
        let mut first = self.first;
        while first < end {
            let last = end.min(first + self.batch) - 1;
            let played = replay(&[format!("{}:{first}-{last}", self.seed)])?;
            outcome.compared += played.len();
            found.extend(played.iter().filter(|(_, played)| differs(played)).map(|(program, _)| *program));
            bar.set_position(last + 1 - self.first);
            bar.set_message(format!("{} differ", found.len()));
            first = last + 1;
        }
        let looked_at = found.len().min(4 * self.most);
        let steady = steady(&found[..looked_at])?;
        outcome.unsteady = looked_at - steady.len();
        outcome.differing = found.len() - outcome.unsteady;
        for program in shrunk(steady.into_iter().take(self.most).collect(), &bar)? {
            let [linux, postern] = on_both(&format!("--told {program}"))?;
            outcome.differences.push(Difference { program, linux, postern });
        }
        bar.finish_and_clear();
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::{Program, differs, digests};

    fn program(text: &str) -> Program {
        text.parse().unwrap()
    }

    #[test]
    fn digests_are_read_among_other_lines_of_the_console() {
        let text = "booting\n1:0:ff aa\n0 pipe none = 3 4\n# 1:9:f no\n1:1:f failed\n";
        assert_eq!(digests(text), [(program("1:0:ff"), "aa"), (program("1:1:f"), "failed")]);
    }

    #[test]
    fn a_program_that_linux_does_not_play_to_its_end_tells_nothing() {
        let played = |linux: &str, postern: &str| differs(&[linux.to_owned(), postern.to_owned()]);
        assert!(played("aa", "bb") && played("aa", "failed"));
        assert!(!played("aa", "aa") && !played("failed", "aa") && !played("failed", "failed"));
    }

    #[test]
    fn a_smaller_program_is_known_by_its_steps() {
        assert!(program("7:1:1f").contains(program("7:1:b")));
        assert!(!program("7:1:1f").contains(program("7:1:2b")) && !program("7:1:1f").contains(program("7:2:b")));
    }

    #[test]
    fn a_program_is_read_as_it_is_written() {
        assert_eq!(program("7:12:1f").to_string(), "7:12:1f");
        assert!("7:12".parse::<Program>().is_err() && "7:12:1f:2".parse::<Program>().is_err());
    }
}
