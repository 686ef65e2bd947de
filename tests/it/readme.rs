//! The manual says what the program says, and its commands do what it says of them.

use std::path::Path;
use std::process::{Command, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use crate::program::{Running, command, make};
use crate::support::soon;

const README: &str = include_str!("../../README.md");

#[test]
fn the_flags_in_the_readme_are_those_of_the_program() {
    let help = Command::new(env!("CARGO_BIN_EXE_chatd"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    let block = format!("```text\n{}\n```", help.join("\n").trim_end());
    assert!(
        README.contains(&block),
        "the README's flags are not these:\n{block}"
    );
}

#[test]
fn every_code_of_an_error_is_in_the_readme() {
    for code in chatd::contract::Code::ALL {
        assert!(
            README.contains(&format!("`{}`", code.as_str())),
            "{} is not",
            code.as_str()
        );
    }
}

/// Commands that cannot be run here, and why.
const NOT_HERE: &[(&str, &str)] = &[
    (
        "cargo run --release -- --port 8080",
        "the build is what is tested",
    ),
    ("tests/run", "it is what runs this test"),
    ("tests/release", "tests/run runs it"),
    (
        "tests/load/run",
        "it measures for a quarter of an hour; tests/run runs its `smoke`",
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

/// The fenced blocks: language and text.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let mut fences = README.split("```").skip(1);
    let mut blocks = Vec::new();
    while let Some(block) = fences.next() {
        blocks.push(block.split_once('\n').unwrap());
        // What lies between two blocks.
        fences.next();
    }
    blocks
}

/// Every command of the README, without its comment.
fn commands() -> Vec<String> {
    let lines = blocks().into_iter().flat_map(|(language, text)| {
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

#[tokio::test]
async fn every_command_in_the_readme_works() {
    let (folder, token) = sandbox().await;
    let data = folder.path().join("chatd.redb");
    let commands = commands();
    assert!(commands.len() > 25, "{commands:#?}");
    for (listed, why) in NOT_HERE {
        let there = commands.iter().any(|command| command == listed);
        assert!(there, "{listed} is in no block any more ({why})");
    }
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

#[test]
fn every_block_of_the_readme_is_run_by_some_test() {
    for (language, text) in blocks() {
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
            "python" if text.starts_with("# push.py") => {
                let by = include_str!("../clients/python/test_hooks.py");
                assert!(by.contains("```python\\n(# push\\.py"));
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
