//! The house plan: which module may import which. One table, held against every path in `src/`.

mod acts;
mod contracts;
mod locks;
mod measures;
mod refusals;

use std::path::{Path, PathBuf};

/// Every module, and those of ours that it may name: only such as stand above it. A module that is
/// not listed here fails the test.
const PLAN: &[(&str, &[&str])] = &[
    ("json", &[]),
    ("budget", &[]),
    ("metrics", &[]),
    ("model", &[]),
    ("engineio", &[]),
    // Requests that leave this server.
    ("outgoing", &[]),
    ("web", &["budget", "metrics"]),
    ("socketio", &[]),
    ("store", &["budget", "metrics", "model"]),
    ("accounts", &["model", "store"]),
    ("chat", &["model", "store"]),
    // The bytes of files, beside the data file.
    ("files", &["chat", "model", "store"]),
    // Files of its own beside the data file, too.
    ("search", &["budget", "chat", "metrics", "model", "store"]),
    // What is told to browsers whose page is closed.
    ("push", &["chat", "metrics", "model", "outgoing", "store"]),
    ("transport", &["budget", "engineio", "metrics", "web"]),
    ("hub", &["budget", "json", "socketio", "transport", "web"]),
    ("limits", &["budget", "metrics", "model"]),
    // All that goes over the wire, once: above the truth, below both doors.
    (
        "contract",
        &[
            "accounts", "chat", "files", "limits", "model", "push", "search", "socketio", "store",
        ],
    ),
    // Other systems, which write here and are told.
    (
        "hooks",
        &[
            "accounts", "chat", "contract", "metrics", "model", "outgoing", "store",
        ],
    ),
    ("verbs", &["accounts", "chat", "limits", "metrics", "model"]),
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
            "contract",
            "metrics",
            "verbs",
            "model",
        ],
    ),
    (
        "http",
        &[
            "budget",
            "json",
            "transport",
            "accounts",
            "chat",
            "files",
            "hooks",
            "search",
            "limits",
            "contract",
            "metrics",
            "verbs",
            "model",
            "push",
            "web",
        ],
    ),
    (
        "config",
        &[
            "accounts",
            "budget",
            "chat",
            "files",
            "hooks",
            "hub",
            "limits",
            "outgoing",
            "search",
            "push",
            "store",
            "transport",
            "web",
        ],
    ),
    (
        "server",
        &[
            "accounts",
            "budget",
            "chat",
            "config",
            "contract",
            "engineio",
            "files",
            "gateway",
            "hooks",
            "http",
            "hub",
            "limits",
            "metrics",
            "model",
            "outgoing",
            "search",
            "push",
            "store",
            "transport",
            "verbs",
            "web",
        ],
    ),
    (
        "cli",
        &[
            "accounts",
            "budget",
            "chat",
            "config",
            "engineio",
            "files",
            "hooks",
            "http",
            "hub",
            "limits",
            "model",
            "outgoing",
            "search",
            "push",
            "server",
            "store",
            "transport",
            "web",
        ],
    ),
];

/// The rooms of the store, likewise: its folders, and the files beside them.
const STORE: &[(&str, &[&str])] = &[
    ("room_act", &[]),
    ("error", &["room_act"]),
    ("options", &[]),
    ("tables", &[]),
    ("sealed", &["error"]),
    ("changes", &["error", "sealed", "tables"]),
    ("log", &["error", "sealed", "tables"]),
    ("disk", &["changes", "error", "log", "sealed", "tables"]),
    (
        "talk",
        &["changes", "error", "log", "room_act", "sealed", "tables"],
    ),
    ("files", &["error", "sealed"]),
    ("people", &["changes", "error", "files", "sealed", "tables"]),
    ("change", &["error", "files", "people", "room_act"]),
    // Changes, each with what it comes to.
    (
        "command",
        &["change", "error", "files", "people", "room_act"],
    ),
    ("state", &["log", "people", "talk"]),
    // Rooms as they are once what is on its way is on disk.
    ("rooms", &["sealed", "state", "talk"]),
    ("data", &["disk", "error", "log", "state"]),
    (
        "read",
        &[
            "data", "error", "log", "people", "room_act", "sealed", "state", "tables", "talk",
        ],
    ),
    (
        "write",
        &[
            "change", "data", "disk", "error", "files", "log", "options", "people", "room_act",
            "rooms", "sealed", "state", "tables", "talk",
        ],
    ),
    (
        "maintain",
        &[
            "change", "changes", "disk", "error", "files", "log", "options", "people", "sealed",
            "state", "tables", "talk", "write",
        ],
    ),
    (
        "handle",
        &[
            "change", "command", "disk", "error", "files", "maintain", "options", "people", "read",
            "write",
        ],
    ),
    ("contacts", &["error", "handle", "people", "state"]),
    // Who is pushed to.
    ("pushed", &["handle", "talk"]),
];

/// The rooms of the transport, likewise.
const TRANSPORT: &[(&str, &[&str])] = &[
    ("config", &[]),
    ("frame", &[]),
    ("query", &[]),
    ("receiver", &[]),
    ("refusal", &[]),
    ("session_id", &[]),
    ("refusals", &["refusal"]),
    ("outbox", &["frame"]),
    ("outgoing", &["frame", "outbox"]),
    ("live", &["frame", "outgoing", "receiver", "session_id"]),
    ("connection", &["frame", "live"]),
    ("application", &["connection", "receiver"]),
    ("registry", &["config", "live", "refusal", "session_id"]),
    (
        "shared",
        &[
            "application",
            "config",
            "connection",
            "frame",
            "live",
            "refusal",
            "refusals",
            "registry",
        ],
    ),
    (
        "polling",
        &["frame", "live", "outgoing", "refusal", "shared"],
    ),
    (
        "websocket",
        &["config", "frame", "live", "refusal", "shared"],
    ),
    (
        "engine",
        &[
            "application",
            "config",
            "polling",
            "query",
            "refusal",
            "registry",
            "shared",
            "websocket",
        ],
    ),
];

/// The rooms of the server, likewise.
const SERVER: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("control", &[]),
    ("demo", &[]),
    ("frames", &[]),
    ("places", &[]),
    ("plain", &[]),
    ("sign_ins", &[]),
    ("turns", &[]),
    ("watch", &[]),
    ("watchdog", &[]),
    ("ending", &["places"]),
    ("pace", &["places"]),
    ("heads", &["places"]),
    ("http1", &["ending", "heads", "pace", "places"]),
    (
        "http2",
        &["ending", "frames", "heads", "http1", "pace", "places"],
    ),
    ("tls", &["plain", "turns"]),
    ("key_sets", &[]),
    ("renewal", &["key_sets", "tls", "watch"]),
    (
        "connections",
        &["control", "ending", "http1", "http2", "places", "tls"],
    ),
    ("scrapes", &["connections"]),
    ("error", &["demo", "tls"]),
    ("erasure", &["error"]),
    (
        "open",
        &["connections", "control", "error", "scrapes", "tls"],
    ),
    (
        "build",
        &[
            "clock",
            "connections",
            "demo",
            "erasure",
            "error",
            "open",
            "renewal",
            "scrapes",
            "sign_ins",
            "watchdog",
        ],
    ),
    ("serve", &["build", "control", "error", "open"]),
    ("drain", &["build", "error", "open"]),
    ("run", &["build", "control", "error", "open"]),
];

/// What rooms name against these plans, and why.
const ROOM_EXCEPTIONS: &[(&str, &str, &str)] = &[(
    "live",
    "shared",
    "a session has itself forgotten when it is over, and has others make room for it",
)];

/// What is named against the plan, by which module, and why it still is. Their number only falls:
/// one that is no longer there fails the test until it is taken out.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// The modules that build the house, and so may name all of it.
const BUILDERS: &[&str] = &["main", "lib"];

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

/// Returns what a text has beside its unit tests.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap()
}

/// A module of `src/`, or a room of the store.
fn room<'a>(folder: &Path, file: &'a Path) -> &'a str {
    let inside = file.strip_prefix(folder).unwrap();
    let first = inside.iter().next().unwrap();
    first.to_str().unwrap().trim_end_matches(".rs")
}

fn is_in_layers(plan: &[(&str, &[&str])]) {
    for (place, (module, may)) in plan.iter().enumerate() {
        for named in *may {
            assert!(
                plan[..place].iter().any(|(above, _)| above == named),
                "{module} may name {named}, which does not stand above it"
            );
        }
    }
}

#[test]
fn no_module_imports_against_the_plan() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 40, "the sources were not found");
    is_in_layers(PLAN);
    let mut needed = vec![false; EXCEPTIONS.len()];
    for file in files {
        let module = room(&root, &file);
        if BUILDERS.contains(&module) {
            continue;
        }
        let (_, may) = PLAN
            .iter()
            .find(|(name, _)| *name == module)
            .unwrap_or_else(|| panic!("{module} is in no plan"));
        for name in named(&std::fs::read_to_string(&file).unwrap()) {
            let exception = EXCEPTIONS
                .iter()
                .position(|(by, what, _)| (*by, *what) == (module, name.as_str()));
            if let Some(exception) = exception {
                needed[exception] = true;
                continue;
            }
            assert!(
                name == module || may.contains(&name.as_str()),
                "{} imports {name}",
                file.display()
            );
        }
    }
    for (exception, needed) in EXCEPTIONS.iter().zip(needed) {
        assert!(
            needed,
            "nothing needs this exception any more: {exception:?}"
        );
    }
}

#[test]
fn no_room_of_the_store_imports_against_the_plan() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 40, "the sources were not found");
    is_in_layers(STORE);
    for file in files {
        let is_test = ["tests.rs", "bounds.rs", "damage.rs", "room_damage.rs"]
            .map(|name| root.join("maintain").join(name));
        let module = room(&root, &file);
        if ["mod", "tests"].contains(&module) || is_test.contains(&file) {
            continue;
        }
        let (_, may) = STORE
            .iter()
            .find(|(name, _)| *name == module)
            .unwrap_or_else(|| panic!("{module} is in no plan"));
        let text = std::fs::read_to_string(&file).unwrap();
        let text = code(&text);
        assert!(
            !text.contains("super::super"),
            "{}: name another room by its path from crate::store",
            file.display()
        );
        for (at, path) in text.match_indices("crate::store::") {
            let rest = &text[at + path.len()..];
            if refusals::is_refusal(rest) {
                continue;
            }
            let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_');
            let name = &rest[..end.unwrap_or(rest.len())];
            assert!(
                name == module || may.contains(&name),
                "{} imports {name:?}: name the room, and one that stands above",
                file.display()
            );
        }
    }
}

/// The rooms of a folder that a file in it names.
fn rooms_named(text: &str, prefix: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, _) in text.match_indices(prefix) {
        let rest = &text[at + prefix.len()..];
        let list = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap(),
            None => rest.split([':', ';']).next().unwrap(),
        };
        for path in list.split(',') {
            let name = path.trim().split("::").next().unwrap();
            if !name.is_empty() {
                rooms.push(name.to_owned());
            }
        }
    }
    rooms
}

#[test]
fn no_room_of_the_transport_and_of_the_server_imports_against_its_plan() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut needed = vec![false; ROOM_EXCEPTIONS.len()];
    for (folder, plan) in [("transport", TRANSPORT), ("server", SERVER)] {
        is_in_layers(plan);
        let root = root.join(folder);
        let mut files = Vec::new();
        sources(&root, &mut files);
        assert!(files.len() > 20, "the sources were not found");
        for file in files {
            let module = room(&root, &file);
            if module == "mod" || file.ends_with("tests.rs") {
                continue;
            }
            let (_, may) = plan
                .iter()
                .find(|(name, _)| *name == module)
                .unwrap_or_else(|| panic!("{folder}/{module} is in no plan"));
            let text = std::fs::read_to_string(&file).unwrap();
            let mut rooms = rooms_named(code(&text), &format!("use crate::{folder}::"));
            if file.parent() == Some(&root) {
                rooms.extend(rooms_named(code(&text), "use super::"));
            }
            for name in rooms {
                let exception = ROOM_EXCEPTIONS
                    .iter()
                    .position(|(by, what, _)| (*by, *what) == (module, name.as_str()));
                if let Some(exception) = exception {
                    needed[exception] = true;
                    continue;
                }
                assert!(
                    name == module || may.contains(&name.as_str()),
                    "{} imports {name:?}: name the room, and one that stands above",
                    file.display()
                );
            }
        }
    }
    for (exception, needed) in ROOM_EXCEPTIONS.iter().zip(needed) {
        assert!(
            needed,
            "nothing needs this exception any more: {exception:?}"
        );
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
