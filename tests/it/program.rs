//! The executable, started as a person or a service manager would.

use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStderr, Command};

use crate::support::{Remote, soon};

/// chatd on a port of its own, once it has said where it is.
pub struct Running {
    pub remote: Remote,
    /// While there is no account.
    pub setup_code: Option<String>,
    /// The log until it said where it is.
    pub said: String,
    child: tokio::process::Child,
    rest: tokio::task::JoinHandle<String>,
    _folder: Option<tempfile::TempDir>,
}

impl Running {
    /// On a data file of its own.
    pub async fn start(flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut running = Self::on(&folder.path().join("chatd.redb"), flags, variables).await;
        running._folder = Some(folder);
        running
    }

    /// On this data file.
    pub async fn on(data: &Path, flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let flags = [&["--port", "0", "--registration", "open"], flags].concat();
        Self::by("http://", data, &flags, variables).await
    }

    /// On this data file, where nobody may register.
    pub async fn closed(data: &Path, flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let flags = [&["--port", "0", "--registration", "closed"], flags].concat();
        Self::by("http://", data, &flags, variables).await
    }

    /// On this data file and the port that the flags name, by TLS.
    pub async fn by_tls(data: &Path, flags: &[&str]) -> Self {
        Self::by("https://", data, flags, &[]).await
    }

    async fn by(scheme: &str, data: &Path, flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_chatd"))
            .arg("--data")
            .arg(data)
            .args(flags)
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = until_ready(scheme, &mut log).await;
        let link = said.split(scheme).nth(1).unwrap();
        let (address, query) = link.split_once('/').unwrap();
        let code = query.split_once("?setup=").map(|(_, code)| {
            let code = code.chars().take_while(char::is_ascii_alphanumeric);
            code.collect()
        });
        let address = address.parse().unwrap();
        let remote = match scheme {
            "http://" => Remote::documented(address).await,
            _ => Remote::at(address),
        };
        let until_ready = said.clone();
        let rest = tokio::spawn(async move {
            log.read_to_string(&mut said).await.unwrap();
            said
        });
        Self {
            remote,
            setup_code: code,
            said: until_ready,
            child,
            rest,
            _folder: None,
        }
    }

    /// Stops it as a service manager does; gives the whole log.
    pub async fn stop(self) -> String {
        let (status, log) = self.end().await;
        assert!(status.success(), "{log}");
        log
    }

    /// The same where it may end otherwise than well; gives also how.
    pub async fn end(mut self) -> (ExitStatus, String) {
        let id = self.child.id().unwrap().to_string();
        let killed = Command::new("kill").arg(&id).status();
        assert!(killed.await.unwrap().success());
        let status = soon(self.child.wait()).await.unwrap();
        (status, soon(self.rest).await.unwrap())
    }

    /// Ends it as a power cut does.
    pub async fn kill(mut self) {
        soon(self.child.kill()).await.unwrap();
    }
}

/// Reads a log until it says where the server is; gives all of it so far.
pub async fn until_ready(scheme: &str, log: &mut BufReader<ChildStderr>) -> String {
    let mut said = String::new();
    while !said.contains(scheme) {
        assert!(soon(log.read_line(&mut said)).await.unwrap() > 0, "{said}");
    }
    said
}

/// Makes a data file, as a first start does.
pub async fn make(data: &Path) {
    Running::on(data, &[], &[]).await.stop().await;
}

/// Runs a command on a data file, with this on standard input.
pub async fn command(data: &Path, arguments: &[&str], input: &str) -> Output {
    command_with(data, arguments, input, &[]).await
}

/// Runs a command on a data file, with this on standard input and these variables.
pub async fn command_with(
    data: &Path,
    arguments: &[&str],
    input: &str,
    variables: &[(&str, &str)],
) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_chatd"))
        .args(arguments)
        .envs(variables.iter().copied())
        .arg("--data")
        .arg(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // One that reads nothing may be gone already.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    soon(child.wait_with_output()).await.unwrap()
}
