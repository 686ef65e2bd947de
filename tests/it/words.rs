//! What the program says of itself, and of what it cannot do.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use chatd::model::Timestamp;
use serde_json::json;

use crate::program::{Running, command};
use crate::support::soon;

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

async fn run(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    command(&folder.path().join("chatd.redb"), arguments, "").await
}

#[tokio::test]
async fn what_cannot_be_done_is_one_line_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("folder")).unwrap();
    std::fs::write(path("file"), "").unwrap();
    let usual = path("chatd.redb");
    let (nowhere, folder_itself, below_file) =
        (path("no/such.redb"), path("folder"), path("file/x.redb"));
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = busy.local_addr().unwrap().port().to_string();
    let serve: &[&str] = &["--port", "0"];
    for (data, arguments, code, words) in [
        (&nowhere, serve, 1, "make it, or give another --data"),
        (&folder_itself, serve, 1, "name a file in it, as by --data"),
        (&below_file, serve, 1, "is no folder: give another --data"),
        (&nowhere, &["check"], 1, "make it, or give another --data"),
        (
            &usual,
            &["check"],
            1,
            "no such data file: run this in its folder",
        ),
        (
            &folder_itself,
            &["user", "add", "ada"],
            1,
            "name a file in it",
        ),
        (
            &usual,
            &["--host", "192.0.2.1", "--port", "0"],
            1,
            "give another --host",
        ),
        (&usual, &["--port", &busy], 1, "give another --port"),
        (
            &usual,
            &["--host", "chat.example.org"],
            2,
            "give an address of this machine",
        ),
        (&usual, &["--port", "99999"], 2, "99999"),
        (
            &usual,
            &["--registration", "maybe"],
            2,
            "[possible values: invite, open, closed]",
        ),
        (&usual, &["--regstration", "open"], 2, "'--registration'"),
        (&usual, &["doctor", "chat.example.org"], 2, "give the URL"),
        (
            &usual,
            &["doctor", "https://x.example/chat?a=b"],
            2,
            "give the URL",
        ),
    ] {
        let output = command(data, arguments, "password1").await;
        let error = text(output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{arguments:?}: {error}");
        assert!(
            error.starts_with("chatd: ") && error.contains(words),
            "{arguments:?}: {error}"
        );
    }
}

#[tokio::test]
async fn few_open_files_are_told_of_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = tokio::process::Command::new("sh")
        .args(["-c", "ulimit -n 300; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_chatd"))
        .args(["--port", "0", "--data"])
        .arg(folder.path().join("chatd.redb"))
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = tokio::io::BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("http://") {
        let read = tokio::io::AsyncBufReadExt::read_line(&mut log, &mut said);
        assert!(soon(read).await.unwrap() > 0, "{said}");
    }
    assert!(
        said.contains("only 300 files may be open, so that at most 39 clients find room"),
        "{said}"
    );
    soon(child.kill()).await.unwrap();
}

#[tokio::test]
async fn a_clock_behind_the_newest_message_is_told_of_and_messages_stay_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chatd.redb");
    let user = |id: u64, name: &str| {
        json!({"type": "user", "id": id, "username": name, "is_admin": false, "disabled": false,
               "token_version": 0, "created_at": "2026-01-01T00:00:00.000Z"})
    };
    // As far ahead as an import takes it, but for a minute in which the server is to start.
    let ahead = Timestamp::now()
        .plus(Duration::from_secs(4 * 60))
        .to_string();
    let lines = [
        json!({"format": "chatd-export", "version": 2, "accounts": 2, "entries": 1}),
        user(1, "ada"),
        user(2, "bob"),
        json!({"type": "message", "id": 1, "sender_id": 1, "receiver_id": 2, "content": "from tomorrow",
               "created_at": ahead}),
    ];
    let lines = lines.map(|line| format!("{line}\n")).concat();
    let made = command(&data, &["import", "-"], &lines).await;
    assert!(made.status.success(), "{}", text(made.stderr));
    let server = Running::on(&data, &[], &[]).await;
    let log = server.stop().await;
    assert!(
        log.contains(&format!("the newest change in the data file is of {ahead}")),
        "{log}"
    );
}

#[tokio::test]
async fn shells_and_man_are_told_of_every_command() {
    let help = text(run(&["-h"]).await.stdout);
    let commands = help.split("Commands:").nth(1).unwrap();
    let commands = commands.split("Options:").next().unwrap();
    let commands: Vec<&str> = commands
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() > 10, "{help}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell]).await;
        assert!(output.status.success(), "{}", text(output.stderr));
        let script = text(output.stdout);
        for word in commands.iter().copied().chain(["--commit-interval"]) {
            let word = word.trim_start_matches("--");
            assert!(script.contains(word), "{word} is not known to {shell}");
        }
    }
    let script = run(&["completions", "bash"]).await.stdout;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("chatd"), script).unwrap();
    let completed = std::process::Command::new("bash")
        .args(["-c", r#"source ./chatd; COMP_WORDS=(chatd sys); COMP_CWORD=1; _chatd chatd sys chatd; echo "${COMPREPLY[@]}""#])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(text(completed.stdout).trim(), "systemd-unit");

    let page = text(run(&["man"]).await.stdout);
    assert!(page.contains(".TH chatd 1"), "{page}");
    let pages = folder.path().to_str().unwrap();
    let written = run(&["man", pages]).await;
    assert!(written.status.success(), "{}", text(written.stderr));
    for command in commands.iter().filter(|command| **command != "help") {
        let page = folder.path().join(format!("chatd-{command}.1"));
        assert!(page.exists(), "{command} has no page");
        assert!(page_is_whole(&page));
    }
}

fn page_is_whole(page: &Path) -> bool {
    let text = std::fs::read_to_string(page).unwrap();
    text.contains(".SH NAME") && text.contains(".SH SYNOPSIS")
}

#[tokio::test]
async fn a_unit_says_what_the_flags_say() {
    let unit = text(
        run(&["--port", "443", "--host", "0.0.0.0", "systemd-unit"])
            .await
            .stdout,
    );
    for line in [
        "Type=notify",
        concat!("ExecStart=", env!("CARGO_BIN_EXE_chatd")),
        "CHATD_HOST=0.0.0.0 CHATD_PORT=443",
        "DynamicUser=yes",
        "ProtectSystem=strict",
        "AmbientCapabilities=CAP_NET_BIND_SERVICE",
        "TimeoutStopSec=30",
    ] {
        assert!(unit.contains(line), "{line} is not in:\n{unit}");
    }
    let unit = text(run(&["systemd-unit"]).await.stdout);
    assert!(!unit.contains("CAP_NET_BIND_SERVICE"), "{unit}");
    let socket = text(
        run(&["--port", "443", "systemd-unit", "--socket"])
            .await
            .stdout,
    );
    assert!(socket.contains("ListenStream=127.0.0.1:443"), "{socket}");
}
