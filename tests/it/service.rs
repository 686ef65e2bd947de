//! chatd under a service manager: sockets that it holds, and what it is told.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixDatagram};
use tokio::process::{Child, Command};

use crate::support::soon;

/// Runs a command with its standard input as the socket: descriptors begin with 3, and a variable
/// names the process that they are for, which only it knows.
const PASS: &str = r#"exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@""#;

/// Starts chatd, with a listening socket passed as systemd passes it.
fn activated(data: &Path, socket: &TcpListener, variables: &[(&str, &str)]) -> Child {
    let socket = OwnedFd::from(socket.try_clone().unwrap());
    Command::new("sh")
        .args(["-c", PASS, "sh", env!("CARGO_BIN_EXE_chatd"), "--data"])
        .arg(data)
        .envs(variables.iter().copied())
        .stdin(Stdio::from(socket))
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn signal(child: &Child, name: &str) {
    let id = child.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-s", name, &id]).status().await;
    assert!(sent.unwrap().success());
}

async fn stop(mut child: Child) {
    signal(&child, "TERM").await;
    assert!(soon(child.wait()).await.unwrap().success());
}

/// Asks for the server's health, over a connection that is open already.
async fn ask(mut stream: TcpStream) -> String {
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn who_connects_while_the_server_restarts_is_answered_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chatd.redb");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();

    let first = activated(&data, &socket, &[]);
    let answer = ask(TcpStream::connect(address).await.unwrap()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stop(first).await;
    // Nobody serves now, and nobody is refused.
    let waiting = TcpStream::connect(address).await.unwrap();
    let second = activated(&data, &socket, &[]);
    let answer = ask(waiting).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stop(second).await;
}

#[tokio::test]
async fn a_service_manager_that_reads_nothing_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chatd.redb");
    let path = folder.path().join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    // Its queue is full already.
    let filler = std::os::unix::net::UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(b"X=1", &path).is_ok() {}
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let path = path.to_str().unwrap();
    // The watchdog is fed, or not, thirty times a second.
    let variables = [("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", "100000")];
    let child = activated(&data, &socket, &variables);
    for _ in 0..20 {
        let answer = ask(TcpStream::connect(address).await.unwrap()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    stop(child).await;
    drop(manager);
}

/// The next message that says this, and what came before it.
async fn hears(manager: &UnixDatagram, wanted: &str) -> Vec<String> {
    let mut heard = Vec::new();
    let mut bytes = [0; 4096];
    loop {
        let length = soon(manager.recv(&mut bytes)).await.unwrap();
        let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
        let found = text.lines().any(|line| line == wanted);
        heard.push(text);
        if found {
            return heard;
        }
    }
}

#[tokio::test]
async fn a_service_manager_hears_of_start_life_reload_and_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let variables = [
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        ("WATCHDOG_USEC", "300000"),
    ];
    let child = activated(&folder.path().join("chatd.redb"), &socket, &variables);
    let started = hears(&manager, "READY=1").await;
    let address = socket.local_addr().unwrap().to_string();
    assert!(started.concat().contains(&address), "{started:?}");
    for _ in 0..3 {
        hears(&manager, "WATCHDOG=1").await;
    }
    signal(&child, "HUP").await;
    let reloading = hears(&manager, "RELOADING=1").await;
    assert!(
        reloading.last().unwrap().contains("MONOTONIC_USEC="),
        "{reloading:?}"
    );
    hears(&manager, "READY=1").await;
    signal(&child, "TERM").await;
    hears(&manager, "STOPPING=1").await;
    let mut child = child;
    assert!(soon(child.wait()).await.unwrap().success());
}

#[tokio::test]
async fn a_socket_of_another_kind_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let socket = std::os::unix::net::UnixListener::bind(folder.path().join("other")).unwrap();
    let refused = Command::new("sh")
        .args(["-c", PASS, "sh", env!("CARGO_BIN_EXE_chatd"), "--data"])
        .arg(folder.path().join("chatd.redb"))
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let refused = soon(refused.wait_with_output()).await.unwrap();
    let error = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{error}");
    assert!(
        error.contains("ListenStream=") && error.lines().count() == 1,
        "{error}"
    );
}
