//! The house plan: which module may import which. One table, held against every path in `src/`.

use std::path::{Path, PathBuf};

/// Every module, and those of ours that it may name. What stands in neither column of nobody is free to all.
const PLAN: &[(&str, &[&str])] = &[
    ("budget", &[]),
    ("metrics", &[]),
    ("model", &[]),
    ("engineio", &[]),
    // What of HTTP is the same for sessions, routes and the page.
    ("web", &[]),
    ("socketio", &[]),
    ("store", &["budget", "metrics", "model"]),
    ("accounts", &["model", "store"]),
    ("describe", &["model"]),
    ("chat", &["model", "describe", "store"]),
    ("transport", &["budget", "engineio", "metrics", "web"]),
    ("hub", &["budget", "socketio", "transport"]),
    ("limits", &["budget", "metrics", "model"]),
    (
        "gateway",
        &[
            "budget",
            "hub",
            "transport",
            "socketio",
            "accounts",
            "chat",
            "limits",
            "describe",
            "metrics",
            "model",
        ],
    ),
    (
        "http",
        &[
            "budget",
            "transport",
            "accounts",
            "chat",
            "limits",
            "describe",
            "metrics",
            "model",
            "web",
        ],
    ),
];

/// The modules that build the house, and so may name all of it.
const BUILDERS: &[&str] = &["config", "server", "cli", "main", "lib"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The modules that a text names by `crate::`.
fn named(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let name: String = rest
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        assert!(
            !name.is_empty(),
            "one `use crate::module::..` line a module, so that imports show the layers"
        );
        names.push(name);
    }
    names
}

#[test]
fn no_module_imports_against_the_plan() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 40, "the sources were not found");
    for file in files {
        let inside = file.strip_prefix(&root).unwrap();
        let module = inside
            .iter()
            .next()
            .unwrap()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs");
        if BUILDERS.contains(&module) {
            continue;
        }
        let (_, may) = PLAN
            .iter()
            .find(|(name, _)| *name == module)
            .unwrap_or_else(|| panic!("{module} is in no plan"));
        for name in named(&std::fs::read_to_string(&file).unwrap()) {
            assert!(
                name == module || may.contains(&name.as_str()),
                "{} imports {name}",
                inside.display()
            );
        }
    }
}

#[test]
fn only_the_store_says_redb_and_only_the_cli_says_clap() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    for file in files {
        let inside = file.strip_prefix(&root).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        for (library, home) in [
            ("redb::", "store"),
            ("clap::", "cli"),
            ("hyper::server", "server"),
        ] {
            assert!(
                !text.contains(library) || inside.starts_with(home),
                "{} says {library}",
                inside.display()
            );
        }
    }
}

#[test]
fn the_pure_modules_know_no_clock_and_no_runtime() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for module in ["engineio", "socketio", "chat"] {
        let mut files = Vec::new();
        sources(&root.join(module), &mut files);
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            if file.ends_with("tests.rs") {
                continue;
            }
            for word in [
                "Instant::now",
                "SystemTime",
                "Timestamp::now",
                "tokio::spawn",
                "tokio::time",
            ] {
                assert!(!code.contains(word), "{} says {word}", file.display());
            }
        }
    }
}
