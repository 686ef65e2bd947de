//! Where it is said why the store refuses: with the owner of what is decided, not in one list of
//! all.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::sources;

/// What fails, which is nobody's decision. All else that the store's error says is a refusal of one
/// of its rooms.
const FAILURES: &[&str] = &["Busy", "Full", "Unavailable", "Damaged", "Database"];

/// Returns whether a path from `crate::store` leads to what a room refuses with. It names no other
/// room, as a test says here, so every room may name it.
pub(super) fn is_refusal(path: &str) -> bool {
    let end = path.find(|c: char| !c.is_ascii_lowercase() && c != '_' && c != ':');
    let mut rooms = path[..end.unwrap_or(path.len())].split("::").skip(1);
    rooms.any(|room| room == "refusal")
}

fn store() -> (PathBuf, Vec<PathBuf>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 40, "the sources were not found");
    (root, files)
}

/// Returns the variants of an enum as rustfmt leaves it, each with what it holds.
fn variants<'a>(text: &'a str, name: &str) -> Vec<(&'a str, &'a str)> {
    let head = format!("enum {name} {{\n");
    let (_, body) = text.split_once(&head).unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
    let lines = lines.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    lines
        .map(|line| {
            let end = line.find(|c: char| !c.is_ascii_alphanumeric());
            line.split_at(end.unwrap_or(line.len()))
        })
        .collect()
}

#[test]
fn the_stores_error_has_no_refusal_of_its_own_and_one_variant_for_each_owner() {
    let (root, files) = store();
    let text = std::fs::read_to_string(root.join("error.rs")).unwrap();
    let mut taken_in = BTreeSet::new();
    for (variant, held) in variants(&text, "StoreError") {
        if FAILURES.contains(&variant) {
            continue;
        }
        let owner = held.strip_prefix("(#[from] ");
        let owner = owner.and_then(|owner| owner.strip_suffix("),"));
        let owner = owner.filter(|owner| *owner == format!("{variant}Refusal"));
        let owner = owner.unwrap_or_else(|| {
            panic!("{variant}: a refusal belongs into the enum of the room that decides it")
        });
        taken_in.insert(owner.to_owned());
    }
    let mut owned = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        let enums = text.lines().filter_map(|line| {
            let name = line.strip_prefix("pub enum ")?.strip_suffix(" {")?;
            name.ends_with("Refusal").then(|| name.to_owned())
        });
        owned.extend(enums);
    }
    assert!(owned.len() > 5, "the refusals were not found: {owned:?}");
    assert_eq!(
        taken_in, owned,
        "which the store's error takes in, and which there are"
    );
}

#[test]
fn what_a_room_of_the_store_refuses_with_names_nothing_else() {
    let (_, mut files) = store();
    files.retain(|file| file.ends_with("refusal.rs"));
    assert!(files.len() > 3, "the refusals were not found");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for path in ["crate::", "super::", "use "] {
            let names = text
                .lines()
                .any(|line| line.contains(path) && !line.contains("//"));
            assert!(!names, "{} names something by {path:?}", file.display());
        }
    }
}

#[test]
fn a_path_to_a_refusal_is_known_from_others() {
    for path in ["talk::refusal::{A, B};", "people::hooks::refusal::A;"] {
        assert!(is_refusal(path), "{path}");
    }
    for path in ["refusal::A;", "talk::rooms::Refusal;", "talk::A; refusal::"] {
        assert!(!is_refusal(path), "{path}");
    }
}
