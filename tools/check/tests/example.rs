//! The worked example of docs/write-your-own-driver.md is one short file, and the page says the truth about it.

use std::path::Path;

#[test]
fn the_example_has_at_most_120_lines_and_the_page_names_their_number() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("the file is in the tree");
    let lines = read("kernel/src/drivers/mailbox.rs").lines().count();
    assert!(lines <= 120, "{lines} lines");
    let page = read("docs/write-your-own-driver.md");
    assert!(page.contains(&format!("mailbox.rs): {lines} lines")), "the page does not say {lines} lines");
}
