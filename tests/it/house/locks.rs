//! The table of the store's locks, held against those that there are.

use std::path::Path;

use super::measures::tests_of;
use super::{code, sources};

/// Returns the name of the field that a line declares, where it is a lock of its own.
fn lock(line: &str) -> Option<&str> {
    let (name, kind) = line.split_once(": ")?;
    let kind = kind.strip_prefix("Arc<").unwrap_or(kind);
    let is_lock = kind.starts_with("Mutex<") || kind.starts_with("RwLock<");
    is_lock.then(|| name.rsplit(' ').next().unwrap_or(name))
}

#[test]
fn every_lock_of_the_store_stands_in_its_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let contract = std::fs::read_to_string(root.join("mod.rs")).unwrap();
    let (_, table) = contract.split_once("//! # Locks").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("//! | `"));
    let listed: Vec<_> = rows
        .flat_map(|row| {
            row.split(" | ")
                .nth(1)
                .unwrap()
                .split('`')
                .skip(1)
                .step_by(2)
        })
        .map(|path| path.rsplit("::").next().unwrap())
        .collect();
    let mut files = Vec::new();
    sources(&root, &mut files);
    let tests = tests_of(&files);
    files.retain(|file| !file.ancestors().any(|path| tests.contains(path)));
    let mut found = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        for name in code(&text).lines().map(str::trim_start).filter_map(lock) {
            assert!(
                listed.contains(&name),
                "{}: the lock {name} stands in no row of the table in store/mod.rs",
                file.display()
            );
            found.push(name.to_owned());
        }
    }
    assert!(found.len() > 14, "the locks were not found: {found:?}");
    for name in listed {
        assert!(found.iter().any(|lock| lock == name), "{name} is no lock");
    }
}
