//! The manual says what the program says, and its commands do what it says of them.

use std::path::Path;
use std::process::{Command, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use crate::program::{Running, command, make};
use crate::support::soon;

const README: &str = include_str!("../../README.md");
const HANDBOOK: &str = include_str!("../../src/contract/documents/operate.md");

/// All that people read: where it is, and the text.
const MANUAL: [(&str, &str); 4] = [
    ("README.md", README),
    ("operate.md", HANDBOOK),
    (
        "app.md",
        include_str!("../../src/contract/documents/app.md"),
    ),
    (
        "chat.md",
        include_str!("../../src/contract/documents/chat.md"),
    ),
];

/// More than this nobody reads.
const README_LINES: usize = 450;

#[test]
fn the_readme_is_short_enough_to_be_read() {
    let lines = README.lines().count();
    assert!(lines <= README_LINES, "{lines} lines");
}

#[test]
fn the_picture_of_the_readme_is_there_and_small() {
    assert!(README.contains("](.github/page.png)"));
    let picture = include_bytes!("../../.github/page.png");
    assert!(picture.starts_with(b"\x89PNG") && picture.len() <= 150_000);
}

/// The long help of the program and of all its commands.
fn help(command: &[&str], all: &mut String) {
    let output = Command::new(env!("CARGO_BIN_EXE_chatd"))
        .args(command)
        .arg("--help")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let commands = text
        .split_once("\nCommands:\n")
        .map_or("", |(_, rest)| rest);
    let commands = commands.lines().take_while(|line| !line.is_empty());
    for name in commands.filter_map(|line| line.split_whitespace().next()) {
        if name != "help" {
            help(&[command, &[name]].concat(), all);
        }
    }
    all.push_str(&text);
}

#[test]
fn the_image_asks_after_its_health_by_a_command_of_the_program() {
    let image = include_str!("../../.github/Dockerfile");
    let (_, check) = image.split_once("HEALTHCHECK ").unwrap();
    let (_, words) = check.split_once("CMD ").unwrap();
    let words: Vec<String> = serde_json::from_str(words.lines().next().unwrap()).unwrap();
    assert_eq!(words[0], "/chatd", "it starts with ENTRYPOINT's file");
    let words: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    let mut asked = String::new();
    help(&words, &mut asked);
    assert!(asked.contains("Usage: chatd health"), "{asked}");
}

/// Flags of other programs that the manual calls.
const OF_OTHERS: [&str; 7] = [
    "--data-binary",
    "--example",
    "--fixture",
    "--help",
    "--list",
    "--now",
    "--release",
];

#[test]
fn every_flag_that_the_manual_names_is_one_of_the_program() {
    let mut all = String::new();
    help(&[], &mut all);
    let mut known = 0;
    for (name, text) in MANUAL {
        for (at, _) in text.match_indices("--") {
            let before = text[..at].chars().next_back();
            let flag = text[at..].chars();
            let flag: String = flag
                .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')
                .collect();
            let begins = before.is_none_or(|c| !c.is_alphanumeric() && c != '-' && c != '|');
            if !begins || flag.trim_matches('-').is_empty() || OF_OTHERS.contains(&&*flag) {
                continue;
            }
            let ends = [' ', '\n', ']', '=', ','];
            let is_one = ends.iter().any(|end| all.contains(&format!("{flag}{end}")));
            assert!(is_one, "{name} names {flag}, which no command has");
            known += 1;
        }
    }
    assert!(known > 100, "{known}");
}

#[test]
fn every_code_in_the_tables_of_bounds_is_one() {
    for text in [README, HANDBOOK] {
        let (_, table) = text.split_once("## Limits\n").unwrap();
        let table = table.split("\n## ").next().unwrap();
        let rows = table.lines().filter(|line| line.starts_with("| "));
        let last = rows.filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
        let mut found = 0;
        for field in last {
            for word in field.split('`').skip(1).step_by(2) {
                let is_code = word.contains('_') && !word.contains(['.', ' ', '(']);
                // Of answers and packets.
                if is_code && word != "retry_after_ms" && word != "CONNECT_ERROR" {
                    let all = chatd::contract::Code::ALL;
                    assert!(all.iter().any(|code| code.as_str() == word), "{word}");
                    found += 1;
                }
            }
        }
        assert!(found > 8, "{found}");
    }
}

/// Commands that cannot be run here, and why.
const NOT_HERE: &[(&str, &str)] = &[
    (
        "cargo run --release -- --port 8080",
        "the build is what is tested",
    ),
    ("tests/run", "it is what runs this test"),
    (
        "chatd health",
        "it asks a server that runs; tests/it/operate.rs has one",
    ),
    (
        "chatd --host 0.0.0.0 --port 443 --acme-domain chat.example.org",
        "an authority would have to reach this machine; tests/it/acme.rs has one of its own",
    ),
    (
        "curl http://127.0.0.1:8080/api/hooks/7/SECRET -d '{\"content\":\"disk full\",\"as\":{\"name\":\"db1\"}}'",
        "the secret is shown once; tests/it/incoming_hooks.rs has one of its own",
    ),
    (
        "systemctl daemon-reload",
        "no systemd runs here; tests/run has it check the units",
    ),
    (
        "systemctl enable --now chatd.socket chatd.service",
        "no systemd runs here; tests/it/service.rs stands in for it",
    ),
];

/// The lines of an export, which an importer elsewhere is written by.
#[test]
fn the_handbook_has_every_line_of_an_export() {
    let lines = include_str!("../../src/store/maintain/lines.rs");
    let types = lines.split("`{\"type\":\"").skip(1);
    let types: Vec<_> = types.map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(types.len() > 15, "{types:?}");
    for name in types {
        let row = format!("| `{{\"type\":\"{name}\",");
        assert!(HANDBOOK.contains(&row), "{row}");
    }
}

/// What is another here, and why: ports that are free, places that are ours, and failures that are
/// seen.
fn as_here(command: &str, address: &str) -> String {
    command
        .replace("--port 443", "--port 0")
        .replace("http://127.0.0.1:8080", &format!("http://{address}"))
        .replace("https://chat.example.org", &format!("http://{address}"))
        .replace("/etc/systemd/system/", "")
        .replace("curl ", "curl --fail --silent --show-error ")
}

/// The fenced blocks of a text: language and content.
fn blocks(text: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut fences = text.split("```").skip(1);
    let mut blocks = Vec::new();
    while let Some(block) = fences.next() {
        blocks.push(block.split_once('\n').unwrap());
        // What lies between two blocks.
        fences.next();
    }
    blocks
}

/// Every command of a text, without its comment.
fn commands(text: &'static str) -> Vec<String> {
    let lines = blocks(text).into_iter().flat_map(|(language, text)| {
        let prompt = match language {
            "sh" => "",
            "console" => "$ ",
            _ => return Vec::new(),
        };
        let commands = text.lines().filter_map(|line| line.strip_prefix(prompt));
        commands.collect()
    });
    lines
        .map(|line| line.split(" #").next().unwrap().trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// Whether a command is a server, which goes on until it is stopped.
fn serves(command: &str) -> bool {
    let mut words = command
        .split_whitespace()
        .skip_while(|word| *word != "chatd");
    words.next().is_some() && words.next().is_none_or(|word| word.starts_with("--"))
}

/// A shell in a folder where `chatd` is the program under test.
fn shell(folder: &Path, script: &str) -> tokio::process::Command {
    let mut shell = tokio::process::Command::new("bash");
    let path = std::env::var("PATH").unwrap();
    shell
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", folder.join("bin").display()))
        .env("CHATD_PORT", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    shell
}

/// Starts a server, and stops it once it says that it is there.
async fn serve(folder: &Path, command: &str) {
    let script = command.replacen("chatd", "exec chatd", 1);
    let mut child = shell(folder, &script).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("://") {
        let read = soon(log.read_line(&mut said)).await.unwrap();
        assert!(read > 0, "{command}: {said}");
    }
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").arg(id).status().unwrap().success());
    let ended = soon(child.wait()).await.unwrap();
    soon(log.read_to_string(&mut said)).await.unwrap();
    assert!(ended.success(), "{command}: {said}");
}

async fn run(folder: &Path, command: &str, token: &str) {
    let mut shell = shell(folder, command);
    let mut child = shell.env("TOKEN", token).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // What asks for a password gets one; the others do not read it.
    let _ = stdin.write_all(b"correct horse battery\n").await;
    drop(stdin);
    let output = soon(child.wait_with_output()).await.unwrap();
    assert!(
        output.status.success(),
        "{command}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// What the commands take for given: a folder with keys, a certificate, and a data file with two
/// people.
async fn sandbox() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("bin")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_chatd"), path("bin/chatd")).unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(path("trip.jpg"), "a picture").unwrap();
    std::fs::write(path("key.pem"), made.key_pair.serialize_pem()).unwrap();
    std::fs::write(path("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(path("id.pem"), include_str!("../keys/rsa.public.pem")).unwrap();
    std::fs::write(path("keys.json"), include_str!("../keys/jwks.json")).unwrap();
    std::fs::write(path("secret"), "x".repeat(40)).unwrap();
    let data = path("chatd.redb");
    make(&data).await;
    for name in ["first", "second"] {
        let made = command(&data, &["user", "add", name], "password1").await;
        assert!(made.status.success());
    }
    let token = command(&data, &["token", "first"], "").await;
    let token = String::from_utf8(token.stdout).unwrap().trim().to_owned();
    (folder, token)
}

/// Runs every command of a text, in a folder of its own.
async fn run_all(commands: &[String]) {
    let (folder, token) = sandbox().await;
    let data = folder.path().join("chatd.redb");
    let here = |command: &&String| !NOT_HERE.iter().any(|(listed, _)| listed == command);
    for command in commands.iter().filter(here) {
        if serves(command) {
            serve(folder.path(), &as_here(command, "")).await;
        } else if command.contains("://") {
            let server = Running::on(&data, &["--ping-interval", "300ms"], &[]).await;
            let command = as_here(command, &server.remote.address.to_string());
            run(folder.path(), &command, &token).await;
            server.stop().await;
        } else {
            run(folder.path(), &as_here(command, ""), &token).await;
        }
    }
}

#[tokio::test]
async fn every_command_in_the_readme_works() {
    let commands = commands(README);
    assert!(commands.len() > 15, "{commands:#?}");
    run_all(&commands).await;
}

#[tokio::test]
async fn every_command_in_the_handbook_works() {
    let commands = commands(HANDBOOK);
    assert!(commands.len() > 20, "{commands:#?}");
    run_all(&commands).await;
}

#[test]
fn what_is_not_run_here_is_still_in_the_manual() {
    let commands = [README, HANDBOOK].map(commands).concat();
    for (listed, why) in NOT_HERE {
        let there = commands.iter().any(|command| command == listed);
        assert!(there, "{listed} is in no block any more ({why})");
    }
}

/// The blocks of app.md are run by `tests/clients/guide.test.mjs` and its fellows; chat.md has
/// none.
#[test]
fn every_block_of_the_readme_and_the_handbook_is_run_by_some_test() {
    assert!(blocks(MANUAL[3].1).is_empty());
    for (language, text) in [README, HANDBOOK].map(blocks).concat() {
        let by = match language {
            // Here.
            "sh" | "console" => continue,
            // On a page, with the page's own client; and with the stock client.
            "js" if text.contains("js/net/socket.js") => {
                let by = include_str!("../browser/network.test.mjs");
                assert!(by.contains("block('js', 'js/net/socket.js')"));
                continue;
            }
            "js" => include_str!("../clients/readme.test.mjs"),
            "python" if text.starts_with("# chat.py") => {
                let by = include_str!("../clients/python/test_examples.py");
                assert!(by.contains("```python\\n(# chat\\.py"));
                continue;
            }
            // With the real proxies.
            "nginx" | "Caddyfile" => include_str!("../clients/proxies.test.mjs"),
            // What a program prints.
            "text" => continue,
            other => panic!("nothing runs a block of {other}:\n{text}"),
        };
        assert!(by.contains(&format!("block(\"{language}\"")), "{language}");
    }
}
