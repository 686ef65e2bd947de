//! One server process and the next ones on the same data.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::{DEADLINE, Person};

/// The chat server on a port and with a data file of its own. It must stop in order when dropped.
pub struct Server {
    folder: tempfile::TempDir,
    process: Process,
}

struct Process {
    child: Child,
    port: u16,
    /// What the process says; taken when it has ended.
    log: Option<JoinHandle<String>>,
}

impl Server {
    /// Starts the executable that `CHATD` names, else the release build of this repository.
    #[expect(clippy::new_without_default, reason = "it starts a process")]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a fresh folder");
        let process = Process::start(&folder, 0);
        Self { folder, process }
    }

    /// The port that the server listens on; the next processes have the same.
    pub fn port(&self) -> u16 {
        self.process.port
    }

    /// The URL that a client goes to.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// Registers an account.
    pub fn person(&self, username: &str) -> Person {
        Person::register(self.url(), username)
    }

    /// Ends the process by `kill -9`, and starts another one on the same data and port.
    pub fn kill_and_start(&mut self) {
        self.process
            .child
            .kill()
            .expect("the process can be killed");
        self.process.child.wait().expect("the process ends");
        self.process.is_sound();
        self.process = Process::start(&self.folder, self.process.port);
    }
}

impl Process {
    fn start(folder: &tempfile::TempDir, port: u16) -> Self {
        let mut command = Command::new(executable());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CHATD_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .args(["--registration", "open", "--directory", "everyone"])
            .args(["--rate-limit", "off", "--port"])
            .arg(port.to_string())
            .arg("--data")
            .arg(folder.path().join("chat.redb"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the executable starts");
        let stderr = child.stderr.take().expect("a piped standard error");
        let (found, port) = mpsc::channel();
        let log = thread::spawn(move || read_log(BufReader::new(stderr), &found));
        match port.recv_timeout(DEADLINE) {
            Ok(port) => Self {
                child,
                port,
                log: Some(log),
            },
            Err(_) => {
                let _ = child.kill();
                panic!(
                    "the server did not start: {}",
                    log.join().unwrap_or_default()
                );
            }
        }
    }

    /// Nothing in the log of a process that has ended says that the server itself went wrong.
    fn is_sound(&mut self) {
        let log = self
            .log
            .take()
            .map(|log| log.join().expect("the log's reader"))
            .unwrap_or_default();
        assert!(
            !log.contains("panicked") && !log.contains(" ERROR "),
            "{log}"
        );
    }
}

/// Reads a server's log to its end, and sends the port on as soon as a line names it.
fn read_log(mut stderr: impl BufRead, found: &mpsc::Sender<u16>) -> String {
    let mut log = String::new();
    loop {
        let start = log.len();
        match stderr.read_line(&mut log) {
            Ok(1..) => {}
            _ => return log,
        }
        if let Some((_, rest)) = log[start..].split_once("http://127.0.0.1:") {
            let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next();
            if let Some(port) = digits.and_then(|digits| digits.parse().ok()) {
                let _ = found.send(port);
                // The rest is kept for a failure, whatever bytes it has.
                let mut rest = Vec::new();
                let _ = stderr.read_to_end(&mut rest);
                log.push_str(&String::from_utf8_lossy(&rest));
                return log;
            }
        }
    }
}

fn executable() -> PathBuf {
    let release = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../target/release/chatd");
    std::env::var_os("CHATD").map_or_else(|| release.into(), PathBuf::from)
}

impl Drop for Server {
    fn drop(&mut self) {
        let child = &mut self.process.child;
        let asked = Command::new("kill").arg(child.id().to_string()).status();
        let stopped = asked.is_ok_and(|status| status.success()) && ends(child);
        if !thread::panicking() {
            assert!(stopped, "the server did not stop in order");
            self.process.is_sound();
        }
    }
}

/// Waits for a child's end: `true` if it ended by itself and with success.
fn ends(child: &mut Child) -> bool {
    let started = Instant::now();
    while started.elapsed() < DEADLINE {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => thread::sleep(Duration::from_millis(10)),
            Err(_) => break,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}
