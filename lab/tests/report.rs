//! The page of the committed survey: whole, and the same every time.

use lab::figure::read;
use lab::machine::root;
use lab::report::render;

fn page() -> String {
    let survey = ["docs/results/survey-linux.jsonl", "docs/results/survey-postern.jsonl"]
        .map(|file| read(&root().join(file)).expect("the committed survey"));
    render(&survey).expect("a page")
}

#[test]
fn the_committed_figures_make_the_same_page_to_the_byte() {
    assert_eq!(page(), page());
}

#[test]
fn nothing_is_missing_in_the_committed_survey() {
    let page = page();
    for lacking in ["not measured", "Not measured", "no histograms", "no figures here"] {
        assert!(!page.contains(lacking), "a section has nothing to draw: {lacking}");
    }
    // What the model's page has as the crossing of the pipe and shared memory is found in the sweep.
    for part in [
        "pipe and shm-futex cross between",
        "hello, exclusive off, Postern",
        "pipe, Linux",
        "page_cache off",
        "8 CPUs",
        "<title>hello, Postern: ",
        "2 of pipe, Postern",
    ] {
        assert!(page.contains(part), "{part}");
    }
}
