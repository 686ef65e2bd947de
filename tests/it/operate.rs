//! `chatd user`, `chatd room` and `chatd token`, beside a running server and a stopped one.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::program::{Running, command, command_with, make};
use crate::support::{Remote, soon};

/// What a command that must succeed says.
async fn says(data: &Path, arguments: &[&str], input: &str) -> String {
    let output = command(data, arguments, input).await;
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {error}");
    assert_eq!(error, "", "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The one line of a command that must fail, by exit code 1.
async fn fails(data: &Path, arguments: &[&str], input: &str) -> String {
    let output = command(data, arguments, input).await;
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

async fn login(remote: &Remote, name: &str, password: &str) -> u16 {
    let body = json!({"username": name, "password": password}).to_string();
    let reply = remote.send("POST", "/api/auth/login", None, &body).await;
    reply.status.as_u16()
}

/// Everything once; the same whether a server runs or not.
async fn everything(data: &Path, admin: &str, other: &str) {
    let made = says(
        data,
        &["user", "add", admin, "--admin"],
        "password1\nmore\n",
    )
    .await;
    assert!(
        made.starts_with(&format!("{admin} is made, with id ")),
        "{made}"
    );
    says(data, &["user", "add", other], "password1").await;
    let disabled = says(data, &["user", "disable", other], "").await;
    says(data, &["user", "passwd", other], "password2\r\n").await;
    let list = says(data, &["user", "list"], "").await;
    let row = |name: &str| {
        let row = list
            .lines()
            .find(|line| line.contains(&format!(" {name} ")));
        let words: Vec<_> = row.unwrap().split_whitespace().skip(2).collect();
        words.join(" ")
    };
    let row_of_other = list
        .lines()
        .find(|line| line.contains(&format!(" {other} ")));
    let id = row_of_other.unwrap().split_whitespace().next().unwrap();
    assert_eq!(disabled, format!("{other} (id {id}) is disabled\n"));
    assert_eq!(row(admin), "yes - -");
    assert_eq!(row(other), "- yes -");
    says(data, &["user", "enable", other], "").await;
    says(data, &["user", "promote", other], "").await;

    for (arguments, input, words) in [
        (&["user", "add", admin][..], "password1", "taken"),
        (&["user", "add", "a b"], "password1", "username must be"),
        (&["user", "add", "2"], "password1", "username must be"),
        (&["user", "add", "user-2"], "password1", "must not begin"),
        (&["user", "add", "short"], "x", "password must be"),
        (&["user", "add", "silent"], "", "password must be"),
        (&["user", "disable", "nobody"], "", "no account nobody"),
        (&["user", "enable", "999"], "", "no such user"),
        (&["token", "nobody"], "", "no account nobody"),
    ] {
        let error = fails(data, arguments, input).await;
        assert!(
            error.starts_with("chatd: ") && error.contains(words),
            "{error}"
        );
    }
    let usage = command(data, &["user", "remove", "ada"], "").await;
    assert_eq!(usage.status.code(), Some(2));
    let usage = command(data, &["room", "show", "Ops"], "").await;
    assert_eq!(usage.status.code(), Some(2));
    let usage = String::from_utf8(usage.stderr).unwrap();
    assert!(usage.contains("give the room's id"), "{usage}");
}

#[tokio::test]
async fn commands_work_beside_a_stopped_server_and_a_running_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chatd.redb");
    make(&data).await;
    everything(&data, "ada", "bob").await;
    let server = Running::on(&data, &[], &[]).await;
    assert_eq!(server.setup_code, None);
    assert_eq!(login(&server.remote, "ada", "password1").await, 200);
    assert_eq!(login(&server.remote, "bob", "password2").await, 200);
    everything(&data, "carl", "dora").await;
    assert_eq!(login(&server.remote, "dora", "password2").await, 200);

    let token = says(&data, &["token", "ada"], "").await;
    let token = token.trim();
    let me = server
        .remote
        .send("GET", "/api/auth/me", Some(token), "")
        .await;
    assert_eq!(me.json()["data"]["username"], "ada");
    let by_id = says(&data, &["token", "2"], "").await;
    let me = server
        .remote
        .send("GET", "/api/auth/me", Some(by_id.trim()), "")
        .await;
    assert_eq!(me.json()["data"]["username"], "bob");
    // What only the operator may: an administrator is nobody else by the network.
    let path = "/api/admin/users/2/token";
    let refused = server.remote.send("POST", path, Some(token), "").await;
    assert_eq!(refused.code(), "forbidden");

    // Live sockets obey.
    let mut socket = server
        .remote
        .wire("/socket.io/?EIO=4&transport=websocket")
        .await;
    socket.text().await;
    socket
        .say(&format!("40{}", json!({"token": by_id.trim()})))
        .await;
    socket.text().await;
    says(&data, &["user", "disable", "bob"], "").await;
    assert_eq!(
        socket.expect("chat_error").await["code"],
        "account_disabled"
    );
    socket.hears("41").await;
    let error = fails(&data, &["token", "bob"], "").await;
    assert!(error.contains("disabled"), "{error}");
    server.stop().await;
}

/// In a folder without a data file `key add` made one, and printed a key that opened nothing.
#[tokio::test]
async fn no_command_but_that_of_the_first_account_makes_a_data_file() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chatd.redb");
    let copy = folder.path().join("copy");
    let copy = copy.to_str().unwrap();
    for arguments in [
        &["user", "list"][..],
        &["user", "passwd", "ada"],
        &["user", "disable", "ada"],
        &["user", "enable", "ada"],
        &["user", "promote", "ada"],
        &["bot", "add", "clerk"],
        &["bot", "key", "clerk"],
        &["bot", "revoke", "clerk"],
        &["key", "add", "shop"],
        &["key", "list"],
        &["key", "revoke", "1"],
        &["token", "ada"],
        &["backup", copy],
        &["check"],
        &["compact"],
        &["export", copy],
    ] {
        let error = fails(&data, arguments, "password1").await;
        let says = format!(
            "chatd: {}: there is no such data file: run this in its folder, or name it by --data FILE\n",
            data.display()
        );
        assert_eq!(error, says, "{arguments:?}");
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 0, "{arguments:?} made something");
    }
    // The first account may come before the first start; that its file is new is said.
    let add = ["user", "add", "ada", "--admin"];
    let made = command(&data, &add, "correct horse battery").await;
    let said = String::from_utf8(made.stderr).unwrap();
    assert!(made.status.success(), "{said}");
    let new = format!("{}: a new data file was made\n", data.display());
    assert!(said.ends_with(&new), "{said}");
    // It can be used while no server runs.
    says(&data, &["key", "add", "shop"], "").await;
}

/// The file was left behind, without an account in it.
#[tokio::test]
async fn a_first_account_that_is_refused_leaves_no_data_file() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chatd.redb");
    for (arguments, input, words) in [
        (&["user", "add", "a b"][..], "password1", "username must be"),
        (&["user", "add", "ada", "--name", "\n"], "password1", "name"),
        (
            &["user", "add", "ada", "--admin"],
            "short",
            "password must be",
        ),
        (&["user", "add", "ada"], "", "password must be"),
    ] {
        let error = fails(&data, arguments, input).await;
        assert!(error.contains(words), "{error}");
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert!(left.is_empty(), "{arguments:?}: {left:?}");
    }
    let made = command(&data, &["user", "add", "ada"], "password1").await;
    assert!(made.status.success() && data.exists());
    // With an account in it the file stays, whatever is refused.
    fails(&data, &["user", "add", "ada"], "password1").await;
    assert!(says(&data, &["user", "list"], "").await.contains(" ada "));
}

/// Who broke off while the password was asked for had made an empty data file.
#[tokio::test]
async fn nothing_is_made_before_the_password_of_the_first_account_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_chatd"))
        .args(["user", "add", "ada", "--data"])
        .arg(folder.path().join("chatd.redb"))
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"half a pass").await.unwrap();
    // Once that is read, the rest of the line is waited for.
    while rustix::io::ioctl_fionread(&stdin).unwrap() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let left = || std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left(), 0);
    soon(child.kill()).await.unwrap();
    assert_eq!(left(), 0);
}

/// The link began with `http://localhost`, where nobody listens.
#[tokio::test]
async fn a_reset_link_begins_with_the_address_at_which_the_server_listens() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chatd.redb");
    let reset = ["user", "reset-link", "ada"];
    let server = Running::on(&data, &[], &[]).await;
    says(&data, &["user", "add", "ada"], "password1").await;
    let link = says(&data, &reset, "").await;
    let expected = format!("http://{}/#/reset/", server.remote.address);
    assert!(link.starts_with(&expected), "{link}");
    server.stop().await;
    // Beside a stopped one, at which it will by the same flags.
    for (variables, expected) in [
        (&[][..], "http://127.0.0.1:8080/#/reset/"),
        (
            &[("CHATD_HOST", "0.0.0.0"), ("CHATD_PORT", "8099")],
            "http://localhost:8099/#/reset/",
        ),
        (
            &[("CHATD_PUBLIC_URL", "https://chat.example.org")],
            "https://chat.example.org/#/reset/",
        ),
    ] {
        let made = command_with(&data, &reset, "", variables).await;
        let link = String::from_utf8(made.stdout).unwrap();
        assert!(link.starts_with(expected), "{link}");
    }
    let public = ["--public-url", "https://chat.example.org/x"];
    let server = Running::on(&data, &public, &[]).await;
    let link = says(&data, &reset, "").await;
    let expected = "https://chat.example.org/x/#/reset/";
    assert!(link.starts_with(expected), "{link}");
    server.stop().await;
}

/// The warnings of a start are for who starts it; each command printed them anew.
#[tokio::test]
async fn a_command_warns_of_no_tokens_that_it_does_not_take() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chatd.redb");
    let variables = [("CHATD_JWT_SECRET", "the-secret-of-another-system-of-32")];
    let server = Running::on(&data, &[], &variables).await;
    assert!(server.said.contains("--jwt-audience"), "{}", server.said);
    server.stop().await;
    let made = command_with(&data, &["key", "add", "shop"], "", &variables).await;
    assert!(made.status.success() && !made.stdout.is_empty());
    assert_eq!(String::from_utf8(made.stderr).unwrap(), "");
}

#[tokio::test]
async fn bots_are_made_and_get_keys_and_lose_them_by_commands() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chatd.redb");
    make(&data).await;
    let key = says(&data, &["bot", "add", "clerk", "--name", "The Clerk"], "").await;
    let server = Running::on(&data, &[], &[]).await;
    let more = says(&data, &["bot", "key", "clerk"], "").await;
    assert_ne!(key, more);
    for key in [&key, &more] {
        let path = "/api/auth/me";
        let me = server.remote.send("GET", path, Some(key.trim()), "").await;
        assert_eq!(me.json()["data"]["name"], "The Clerk", "{}", me.body);
    }
    let listed = says(&data, &["bot", "revoke", "clerk"], "").await;
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(listed.contains("\n    1  2"), "{listed}");
    let first = listed.lines().nth(1).unwrap();
    let first = first.split_whitespace().next().unwrap();
    says(&data, &["bot", "revoke", "clerk", first], "").await;
    let path = "/api/auth/me";
    let refused = server.remote.send("GET", path, Some(key.trim()), "").await;
    assert_eq!(refused.code(), "invalid_token");
    says(&data, &["user", "add", "ada"], "password1").await;
    for arguments in [&["bot", "revoke", "ada"][..], &["bot", "key", "ada"]] {
        let error = fails(&data, arguments, "").await;
        assert!(error.contains(") is no bot"), "{error}");
    }
    let error = fails(&data, &["token", "clerk"], "").await;
    assert!(error.contains("a bot has keys"), "{error}");
    let key = says(&data, &["key", "add", "shop"], "").await;
    let path = "/api/admin/users";
    let users = server.remote.send("GET", path, Some(key.trim()), "").await;
    assert_eq!(users.status, 200, "{}", users.body);
    let listed = says(&data, &["key", "list"], "").await;
    let row: Vec<_> = listed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!((row[1], row[3], row[4]), ("users", "-", "shop"));
    assert!(listed.contains("\n    3  users"), "{listed}");
    says(&data, &["key", "revoke", row[0]], "").await;
    let refused = server.remote.send("GET", path, Some(key.trim()), "").await;
    assert_eq!(refused.code(), "invalid_token");
    server.stop().await;
}

#[tokio::test]
async fn the_control_socket_is_the_owners_and_there_while_the_server_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chatd.redb");
    let socket = folder.path().join("chatd.redb.sock");
    let server = Running::on(&data, &[], &[]).await;
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // A second server fails, and leaves the first one's socket alone.
    let second = command(&data, &["--port", "0"], "").await;
    assert_eq!(second.status.code(), Some(1));
    says(&data, &["user", "add", "ada"], "password1").await;
    // A killed one leaves it behind; neither a command nor the next server minds.
    server.kill().await;
    assert!(socket.exists());
    says(&data, &["user", "add", "bob"], "password1").await;
    let server = Running::on(&data, &[], &[]).await;
    says(&data, &["user", "add", "carl"], "password1").await;
    let list = says(&data, &["user", "list"], "").await;
    assert_eq!(list.lines().count(), 4, "{list}");
    let log = server.stop().await;
    assert!(!log.contains("WARN"), "{log}");
    assert!(!socket.exists());
}

#[tokio::test]
async fn rooms_are_listed_beside_a_stopped_server_and_a_running_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chatd.redb");
    let server = Running::on(&data, &[], &[]).await;
    says(&data, &["user", "add", "ada", "--admin"], "password1").await;
    says(
        &data,
        &["user", "add", "bob", "--name", "Bob S"],
        "password1",
    )
    .await;
    let token = says(&data, &["token", "ada"], "").await;
    for (name, kind) in [("Ops", "closed"), ("Tea room", "open")] {
        let topic = "x\u{202e}gnp.exe";
        let body = json!({"name": name, "topic": topic, "kind": kind, "member_ids": [2]});
        let body = body.to_string();
        let path = "/api/rooms";
        let made = server.remote.send("POST", path, Some(token.trim()), &body);
        assert_eq!(made.await.status, 201);
    }
    let path = "/api/rooms/1";
    let gone = server.remote.send("DELETE", path, Some(token.trim()), "");
    assert_eq!(gone.await.status, 200);
    let (path, days) = ("/api/admin/rooms/2", r#"{"retention_days":30}"#);
    let kept = server.remote.send("PATCH", path, Some(token.trim()), days);
    assert_eq!(kept.await.status, 200);
    let beside = rooms_as_listed(&data).await;
    server.stop().await;
    let alone = rooms_as_listed(&data).await;
    assert_eq!(beside, alone);
    let [list, shown, members] = alone;
    // What stands below a heading ends, or begins, where that does.
    assert!(list.contains("\n     2        2  open    -  "), "{list}");
    assert!(
        members.contains("\n     1  ada               owner"),
        "{members}"
    );
    let rows: Vec<Vec<_>> = list
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows.len(), 3, "{list}");
    assert_eq!(
        (&rows[1][..3], rows[1][4]),
        (&["1", "2", "closed"][..], "Ops")
    );
    assert!(
        rows[1][3].starts_with("20"),
        "since when it is archived: {list}"
    );
    assert_eq!(rows[2], ["2", "2", "open", "-", "Tea", "room"]);
    for line in [
        "name          Tea room",
        "kind          open",
        // A terminal would turn what comes after it.
        "topic         x\\u{202e}gnp.exe",
        "archived_at   -",
        "member_count  2",
        // As long as the column is wide.
        "retention_days 30",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{shown}");
    }
    let rows: Vec<Vec<_>> = members
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows.len(), 3, "{members}");
    assert_eq!(rows[1][..3], ["1", "ada", "owner"]);
    assert_eq!(
        (&rows[2][..3], &rows[2][4..]),
        (&["2", "bob", "member"][..], &["Bob", "S"][..])
    );
    for arguments in [["room", "show", "9"], ["room", "members", "9"]] {
        let error = fails(&data, &arguments, "").await;
        assert!(error.contains("no such room"), "{error}");
    }
}

/// What the three commands on rooms say.
async fn rooms_as_listed(data: &Path) -> [String; 3] {
    [
        says(data, &["room", "list"], "").await,
        says(data, &["room", "show", "2"], "").await,
        says(data, &["room", "members", "2"], "").await,
    ]
}

/// Answers each request to the control socket of a data file with this status, in place of a
/// server.
fn stand_in(data: &Path, status: &'static str) -> tokio::task::JoinHandle<()> {
    let socket = data.with_extension("redb.sock");
    let listener = tokio::net::UnixListener::bind(socket).unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let read = stream.read(&mut head).await.unwrap();
            let asked = head[..read].starts_with(b"GET /readyz HTTP/1.1\r\n");
            assert!(asked, "{}", String::from_utf8_lossy(&head[..read]));
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
}

#[tokio::test]
async fn health_says_whether_the_server_can_write() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chatd.redb");
    let nobody = fails(&data, &["health"], "").await;
    assert!(
        nobody.starts_with("chatd: no server answers at "),
        "{nobody}"
    );
    let running = Running::on(&data, &[], &[]).await;
    assert_eq!(says(&data, &["health"], "").await, "ok\n");
    running.stop().await;
    let stopped = fails(&data, &["health"], "").await;
    assert!(
        stopped.starts_with("chatd: no server answers at "),
        "{stopped}"
    );
    let unable = folder.path().join("unable.redb");
    let answering = stand_in(&unable, "503 Service Unavailable");
    let said = fails(&unable, &["health"], "").await;
    assert_eq!(
        said,
        "chatd: the server cannot write at the moment: its log says why\n"
    );
    answering.abort();
}
