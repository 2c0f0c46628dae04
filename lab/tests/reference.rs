//! No change makes anything dearer unnoticed: every benchmark is counted anew and set beside the committed figures.
//!
//! Instructions are the same on every machine, for the same sources and compiler; that two runs are alike to the byte is checked.
//! Where a row became dearer on purpose, or cheaper for good, `make reference` takes the figures again, for the same commit.

use guest_tests::machine::Built;
use lab::campaign::{Plan, Shard};
use lab::change::changes;
use lab::figure::read;
use lab::machine::{System, root};

/// Below it is what the neighbourhood of a path in memory and in time does to a figure.
const LIMIT_PERCENT: f64 = 2.0;

#[test]
fn no_row_costs_more_than_its_reference() {
    Built::Image.ensure();
    let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let systems = vec![System::Postern];
    let plan = Plan { systems, filter: None, shard: Shard { index: 1, count: 1 }, jobs, words: " --quick" };
    let outcome = plan.count().expect("a campaign");
    assert_eq!(outcome.failures, Vec::<String>::new());
    let reference = read(&root().join("docs/results/reference.jsonl")).expect("the reference");
    let changes = changes(&reference.1, &outcome.figures).expect("figures");
    let worse: Vec<String> =
        changes.iter().filter(|row| row.is_worse(LIMIT_PERCENT)).map(ToString::to_string).collect();
    assert!(
        worse.is_empty(),
        "more than {LIMIT_PERCENT} % dearer than in docs/results/reference.jsonl, of {} ('make reference' takes it anew):\n{}",
        reference.0.commit,
        worse.join("\n")
    );
}
