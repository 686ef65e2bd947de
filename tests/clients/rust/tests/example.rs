//! The example of a whole client, as it stands there.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use chatd_rust_client_tests::{DEADLINE, Server};
use rust_socketio::ClientBuilder;
use serde_json::json;

/// Runs the example for ada, and gives the lines that it prints; `answer` is called with each.
fn run(server: &Server, words: &str, cursor: &str, answer: impl Fn(&str)) -> Vec<String> {
    // `cargo test` has built it beside this test.
    let tests = std::env::current_exe().expect("the path of this test");
    let built = tests
        .parent()
        .and_then(Path::parent)
        .expect("the folder of builds");
    let mut child = Command::new(built.join("examples/chat"))
        .args(["bob", words])
        .envs([
            ("CHATD_URL", &*server.url()),
            ("CHATD_USER", "ada"),
            ("CHATD_PASSWORD", "correct horse battery"),
        ])
        .envs((!cursor.is_empty()).then_some(("CHATD_CURSOR", cursor)))
        .stdout(Stdio::piped())
        .spawn()
        .expect("the example starts");
    let mut lines = Vec::new();
    for line in BufReader::new(child.stdout.take().expect("a piped output")).lines() {
        let line = line.expect("a line of text");
        answer(&line);
        lines.push(line);
    }
    let ended = child.wait().expect("the example's end");
    assert!(ended.success(), "{lines:?}");
    lines
}

#[test]
fn the_example_sends_hears_the_answer_and_later_says_what_it_missed() {
    let server = Server::new();
    let (ada, bob) = (server.person("ada"), server.person("bob"));
    let client = ClientBuilder::new(server.url())
        .auth(bob.auth())
        .connect()
        .expect("a connection");
    let say = |content: &str| {
        let message = json!({"receiver_id": ada.id, "content": content});
        let (stored, is_stored) = std::sync::mpsc::channel();
        let answered = move |_, _: _| {
            // Nobody waits any more.
            let _ = stored.send(());
        };
        let sent = client.emit_with_ack("send_message", message, DEADLINE, answered);
        sent.expect("a connection");
        is_stored.recv_timeout(DEADLINE).expect("an answer");
    };
    let run = |words: &str, cursor: &str| {
        run(&server, words, cursor, |line| {
            if line == format!("you {words}") {
                say("bye");
            }
        })
    };
    let first = run("Halo!", "");
    assert_eq!(first[..2], ["you Halo!", "bob bye"]);
    let cursor = first[2].strip_prefix("cursor ").expect("a cursor");
    say("Are you there?");
    let second = run("Good morning!", cursor);
    let missed = "missed receive_message Are you there?";
    assert!(second.iter().any(|line| line == missed), "{second:?}");
    let is_said = |line: &&String| !line.starts_with("missed ") && !line.starts_with("cursor ");
    let shown: Vec<_> = second.iter().filter(is_said).collect();
    let past = ["you Halo!", "bob bye", "bob Are you there?"];
    assert_eq!(
        shown,
        [&past[..], &["you Good morning!", "bob bye"]].concat()
    );
    let _ = client.disconnect();
}
