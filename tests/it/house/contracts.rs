//! What a `mod.rs` may hold: it is the contract of its folder, and no drawer.

use std::path::Path;

use super::sources;

/// What may begin a line of a `mod.rs` besides comments, attributes and the inner lines of what it
/// declares: its files, what it shows of them, and small types and figures of all of them. No
/// function, no `impl` and no macro, so there is no exception either.
const HELD: &[&str] = &["mod ", "use ", "const ", "struct ", "enum ", "type "];

/// Returns how the lines at the left of a file begin that a contract has no place for.
fn foreign(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| {
        let begins = |mark: &str| line.starts_with(mark);
        !line.is_empty() && !["//", "#", " ", "}", ")"].into_iter().any(begins)
    });
    let bare = lines.map(|line| match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ").unwrap_or((rest, rest)).1,
        Some(rest) => rest.trim_start(),
        None => line,
    });
    bare.filter(|line| !HELD.iter().any(|held| line.starts_with(held)))
        .collect()
}

#[test]
fn a_folders_mod_rs_holds_no_logic() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files.retain(|file| file.ends_with("mod.rs"));
    assert!(files.len() > 30, "the sources were not found");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let found = foreign(&text);
        assert!(
            found.is_empty(),
            "{} holds what belongs in a file of its own name: {found:#?}",
            file.display()
        );
    }
}

#[test]
fn logic_in_a_contract_is_seen() {
    let held = "//! Docs.\n\n#[cfg(test)]\nmod tests;\npub(in crate::a) use b::{\n    C,\n};\n\n\
                /// An answer.\npub struct Answer {\n    a: u8,\n}\npub(super) const A: u8 = 1;\n";
    assert_eq!(foreign(held), [""; 0]);
    for logic in [
        "fn a() {",
        "pub async fn a() {",
        "pub(crate) fn a(",
        "impl A {",
        "macro_rules! a {",
        "static A: u8 = 1;",
    ] {
        assert_eq!(foreign(&format!("{held}{logic}\n}}\n")).len(), 1, "{logic}");
    }
}
