//! How long a function and how wide a comment may be.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{code, sources};

/// What does not fit a screen is read in pieces, and had better be some.
const MAX_LINES: usize = 70;

/// As wide as code.
const MAX_COLUMNS: usize = 100;

/// Functions that are longer, and why they stay whole. Their number only falls: one that is shorter
/// by now fails the test until it is taken out.
const LONG: &[(&str, &str, &str)] = &[
    (
        "store/maintain/import.rs",
        "take",
        "a match over all lines: what each says, and the verb that takes it",
    ),
    (
        "store/write/staging.rs",
        "stage",
        "a match over all changes: the verb of each, and what it answers",
    ),
];

/// Returns the files that are built for tests alone.
pub(super) fn tests_of(files: &[PathBuf]) -> HashSet<PathBuf> {
    let mut tests = HashSet::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        let folder = match file.file_stem().unwrap() == "mod" {
            true => file.parent().unwrap().to_owned(),
            false => file.with_extension(""),
        };
        for (at, mark) in text.match_indices("#[cfg(test)]\n") {
            let line = text[at + mark.len()..].lines().next().unwrap();
            let declared = line
                .strip_suffix(';')
                .and_then(|line| line.split_once("mod "));
            if let Some((_, name)) = declared {
                tests.insert(folder.join(name));
                tests.insert(folder.join(name).with_extension("rs"));
            }
        }
    }
    tests
}

/// Returns the name of the function that a line begins.
fn begun(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let mut words = before.split_whitespace();
    let is_signature = words.all(|word| {
        let is_qualifier = ["const", "async", "unsafe"].contains(&word);
        is_qualifier || word.starts_with("pub") || word.ends_with(')')
    });
    let name = after.split(['(', '<']).next()?;
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (is_signature && !name.is_empty() && is_name(name)).then_some(name)
}

/// Returns the functions of a text as rustfmt leaves it, each with its lines: from that with its
/// name up to the bracket that ends it.
fn functions(text: &str) -> Vec<(&str, usize)> {
    let lines: Vec<_> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = begun(line) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        let is_whole = line.ends_with(['}', ';']);
        let rest = match is_whole {
            true => 0,
            false => lines[at..]
                .iter()
                .skip(1)
                .position(|line| {
                    let line = line.strip_prefix(indent);
                    line.is_some_and(|line| {
                        line == "}" || line.starts_with(')') && line.ends_with(';')
                    })
                })
                .map_or(lines.len() - at - 1, |place| place + 1),
        };
        found.push((name, rest + 1));
    }
    found
}

#[test]
fn no_function_is_longer_than_70_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let tests = tests_of(&files);
    let is_test = |file: &PathBuf| file.ancestors().any(|path| tests.contains(path));
    files.retain(|file| !is_test(file));
    assert!(files.len() > 400, "the sources were not found");
    let (mut needed, mut long) = (vec![false; LONG.len()], Vec::new());
    for file in files {
        let place = file.strip_prefix(&root).unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        for (name, lines) in functions(code(&text)) {
            if lines <= MAX_LINES {
                continue;
            }
            let exception = LONG
                .iter()
                .position(|(file, function, _)| (*file, *function) == (place, name));
            match exception {
                Some(exception) => needed[exception] = true,
                None => long.push(format!("{place}: {name} has {lines} lines")),
            }
        }
    }
    assert!(long.is_empty(), "split these: {long:#?}");
    for (exception, needed) in LONG.iter().zip(needed) {
        assert!(
            needed,
            "nothing needs this exception any more: {exception:?}"
        );
    }
}

#[test]
fn the_lines_of_functions_are_counted() {
    let text = "pub(in crate::a) async fn one(\n    a: u8,\n) -> u8 {\n    a\n}\n\nimpl A {\n    \
                const fn two() {}\n\n    fn three(&self) {\n        if a {\n        }\n    }\n}\n\n\
                trait B {\n    fn four(\n        &self,\n    ) -> u8;\n}\n// fn five() {\n";
    let counted = [("one", 5), ("two", 1), ("three", 4), ("four", 3)];
    assert_eq!(functions(text), counted);
}

/// How the comments of a language begin.
#[derive(Clone, Copy)]
struct Comments {
    line: &'static str,
    /// True where what stands between `/*` and `*/` is one, too.
    blocks: bool,
}

/// Returns how the comments of a file begin: by its ending, and where it has none by its first
/// line. `None` where it has none that are looked at.
fn comments_of(file: &Path) -> Option<Comments> {
    let (line, blocks) = match file.extension().map(|ending| ending.to_str().unwrap()) {
        Some("rs") => ("//", false),
        Some("js" | "mjs" | "css") => ("//", true),
        Some("sh") => ("#", false),
        Some(_) => return None,
        None => {
            let bytes = std::fs::read(file).unwrap();
            let first = bytes.split(|byte| *byte == b'\n').next().unwrap();
            let is_shell = first.starts_with(b"#!") && first.ends_with(b"sh");
            return is_shell.then_some(Comments {
                line: "#",
                blocks: false,
            });
        }
    };
    Some(Comments { line, blocks })
}

/// Returns the numbers of those lines of a text that are a comment and too wide.
fn wide_comments(text: &str, comments: Comments) -> Vec<usize> {
    let (mut wide, mut is_inside) = (Vec::new(), false);
    for (at, line) in text.lines().enumerate() {
        let start = line.trim_start();
        let begins = comments.blocks && start.starts_with("/*");
        let is_comment = is_inside || begins || start.starts_with(comments.line);
        if is_comment && line.chars().count() > MAX_COLUMNS {
            wide.push(at + 1);
        }
        is_inside = (is_inside || begins) && !line.contains("*/");
    }
    wide
}

/// All files of a folder, but for those that packages and compilers put there.
fn written(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            found.push(path);
        } else if !path.ends_with("node_modules") && !path.ends_with("target") {
            written(&path, found);
        }
    }
}

#[test]
fn no_comment_is_wider_than_100_columns() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "static", "tests"] {
        written(&root.join(folder), &mut files);
    }
    let (mut looked_at, mut wide) = (0, Vec::new());
    for file in files {
        let Some(comments) = comments_of(&file) else {
            continue;
        };
        looked_at += 1;
        let text = std::fs::read_to_string(&file).unwrap();
        let place = file.strip_prefix(root).unwrap().display();
        for number in wide_comments(&text, comments) {
            wide.push(format!("{place}:{number}"));
        }
    }
    assert!(looked_at > 700, "the sources were not found");
    assert!(wide.is_empty(), "wrap these: {wide:#?}");
}

#[test]
fn wide_comments_are_found() {
    let long = "x".repeat(MAX_COLUMNS);
    for (file, text, numbers) in [
        (
            "a.rs",
            format!("  // {long}\n// x\nlet {long} = 1; // x"),
            vec![1],
        ),
        (
            "a.js",
            format!("/**\n * {long}\n */\n{long}\n//{long}"),
            vec![2, 5],
        ),
        ("a.mjs", format!("/* {long} */ {long}\n{long}"), vec![1]),
        ("a.css", format!("/* a\n   {long} */\n{long} {{}}"), vec![2]),
        ("a.sh", format!("#!/bin/sh\n{long}\n# {long}"), vec![3]),
    ] {
        let comments = comments_of(Path::new(file)).unwrap();
        assert_eq!(wide_comments(&text, comments), numbers, "{file}");
    }
    assert!(comments_of(Path::new("a.json")).is_none());
}
