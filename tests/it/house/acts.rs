//! The walk by which an act is added, held against the files that name one.

use std::collections::BTreeSet;
use std::path::Path;

use super::measures::tests_of;
use super::{code, sources};

/// So many files name one act. The number only falls.
const MOST: usize = 6;
/// So many beside them get what is its own. Neither does this one grow.
const MOST_BESIDE: usize = 4;

/// Returns the files of a table of the walk, in its order.
fn table<'a>(walk: &'a str, head: &str) -> Vec<&'a str> {
    let (_, rows) = walk.split_once(head).expect("the walk has this table");
    let rows = rows
        .lines()
        .skip(2)
        .take_while(|row| row.starts_with("//! |"));
    rows.map(|row| row.split('`').nth(1).expect("a row names its file"))
        .collect()
}

#[test]
fn the_walk_of_an_act_names_every_file_that_names_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let walk = std::fs::read_to_string(root.join("model/entry.rs")).unwrap();
    let named = table(&walk, "//! | file | what it says of the act |");
    let beside = table(&walk, "//! | file | what it gets |");
    for file in named.iter().chain(&beside) {
        assert!(root.join(file).is_file(), "{file} is not there");
    }
    let mut files = Vec::new();
    sources(&root, &mut files);
    let tests = tests_of(&files);
    let mut naming = BTreeSet::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let mut lines = code(&text).lines().map(str::trim_start);
        let is_test = file.ancestors().any(|path| tests.contains(path));
        if !is_test && lines.any(|line| !line.starts_with("//") && line.contains("Reacted")) {
            naming.insert(file.strip_prefix(&root).unwrap().to_str().unwrap());
        }
    }
    let listed = named.iter().copied().collect::<BTreeSet<_>>();
    assert_eq!(listed, naming);
    assert_eq!(
        naming.len(),
        MOST,
        "fewer are better: then lower the number"
    );
    assert_eq!(beside.len(), MOST_BESIDE, "likewise");
    for file in beside {
        assert!(!naming.contains(file), "{file} names it");
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let says = text.to_lowercase().contains("react");
        assert!(says, "{file} has nothing of it");
    }
}
