//! Servers: how each is started, ended and looked at.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::Signal;
use serde_json::json;

use super::Error;

/// By which all tokens of a run are signed. It guards nothing: the servers listen on loopback and
/// end with the run.
pub(crate) const SECRET: &str = "a secret that the load generator shares with its servers";
/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);
/// How long it may take to stop.
const STOP: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, clap::ValueEnum)]
pub(crate) enum Kind {
    /// The executable of this repository.
    Chatd,
    /// `reference/`: socket.io and better-sqlite3.
    Node,
    /// `src/bin/router.rs`: tokio-tungstenite, without storage.
    Router,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Chatd => "chatd",
            Self::Node => "Node",
            Self::Router => "router",
        }
    }
}

/// Where the servers' programs and data are.
#[derive(Clone, clap::Args)]
pub(crate) struct Programs {
    /// chatd's executable.
    #[arg(long, global = true, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/release/chatd"))]
    pub(crate) chatd: PathBuf,
    /// A flag for chatd more; may be given again.
    #[arg(long = "chatd-arg", global = true, allow_hyphen_values = true)]
    chatd_args: Vec<String>,
    /// The folder of the Node reference.
    #[arg(long, global = true, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/reference"))]
    node: PathBuf,
    /// The bare router; by default the one beside this program.
    #[arg(long, global = true)]
    router: Option<PathBuf>,
    /// Where data files are made, and the disk is probed.
    #[arg(long, global = true, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/load"))]
    pub(crate) dir: PathBuf,
}

impl Programs {
    /// The same, with further flags for chatd.
    pub(crate) fn with(&self, flags: &[&str]) -> Self {
        let mut programs = self.clone();
        let flags = flags.iter().map(|flag| (*flag).to_owned());
        programs.chatd_args.extend(flags);
        programs
    }
}

/// A server that is being measured.
#[derive(Clone, Copy)]
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    /// Where it can be looked at.
    pub(crate) pid: Option<u32>,
}

/// A server that was started here; it ends with this value.
pub(crate) struct Server {
    kind: Kind,
    child: Child,
    pub(crate) site: Site,
    /// From the start of its process until it answered.
    pub(crate) started_in: Duration,
    data: PathBuf,
    _folder: Option<tempfile::TempDir>,
    folder: PathBuf,
}

impl Server {
    /// Starts it on new data.
    pub(crate) fn start(kind: Kind, programs: &Programs) -> Result<Self, Error> {
        std::fs::create_dir_all(&programs.dir)?;
        let folder = tempfile::tempdir_in(&programs.dir)?;
        let data = folder.path().join("data");
        let path = folder.path().to_owned();
        Self::launch(kind, programs, data, path, Some(folder))
    }

    /// Starts chatd on a data file that is there already.
    pub(crate) fn start_on(programs: &Programs, data: &Path) -> Result<Self, Error> {
        let folder = data.parent().ok_or("a data file without a folder")?;
        Self::launch(
            Kind::Chatd,
            programs,
            data.to_owned(),
            folder.to_owned(),
            None,
        )
    }

    /// Ends it and starts it anew on the same data.
    pub(crate) fn restart(mut self, programs: &Programs) -> Result<Self, Error> {
        self.end()?;
        self.again(programs)
    }

    /// Starts it anew on the same data, once it has ended.
    pub(crate) fn again(mut self, programs: &Programs) -> Result<Self, Error> {
        let kept = self._folder.take();
        let (data, folder) = (self.data.clone(), self.folder.clone());
        Self::launch(self.kind, programs, data, folder, kept)
    }

    fn launch(
        kind: Kind,
        programs: &Programs,
        data: PathBuf,
        folder: PathBuf,
        kept: Option<tempfile::TempDir>,
    ) -> Result<Self, Error> {
        // Free now, and asked for at once: nobody else takes it in between but by ill luck, which
        // shows.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = match kind {
            Kind::Chatd => {
                let mut command = Command::new(&programs.chatd);
                command
                    .args(["--rate-limit", "off", "--provision-users", "--log", "warn"])
                    .args(["--port", &port.to_string(), "--data"])
                    .arg(&data)
                    .args(&programs.chatd_args)
                    .env("CHATD_JWT_SECRET", SECRET);
                command
            }
            Kind::Node => {
                let mut command = Command::new("node");
                command.arg(programs.node.join("server.js"));
                command
                    .env("PORT", port.to_string())
                    .env("DATA", &data)
                    .env("JWT_SECRET", SECRET);
                command
            }
            Kind::Router => {
                let beside = std::env::current_exe()?.with_file_name("bare-router");
                let mut command = Command::new(programs.router.as_ref().unwrap_or(&beside));
                command.arg(port.to_string());
                command
            }
        };
        let log = folder.join("log");
        let out = std::fs::File::create(&log)?;
        command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out);
        let began = Instant::now();
        let child = command.spawn();
        let child = child.map_err(|error| format!("{} did not start: {error}", kind.name()))?;
        let site = Site {
            address,
            pid: Some(child.id()),
        };
        let mut server = Self {
            kind,
            child,
            site,
            started_in: Duration::ZERO,
            data,
            folder,
            _folder: kept,
        };
        while !server.answers() {
            let ended = server.child.try_wait()?.is_some();
            if ended || began.elapsed() > START {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(format!("{} did not start: {said}", kind.name()).into());
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        server.started_in = began.elapsed();
        Ok(server)
    }

    /// Whether it takes requests; the router, which knows none, whether it takes connections.
    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.site.address) else {
            return false;
        };
        if self.kind == Kind::Router {
            return true;
        }
        let asked = stream
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        let mut answer = [0; 12];
        asked.is_ok() && stream.read_exact(&mut answer).is_ok() && answer == *b"HTTP/1.1 200"
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// What it has said since its start.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Sends its process a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Error> {
        let pid = rustix::process::Pid::from_child(&self.child);
        Ok(rustix::process::kill_process(pid, signal)?)
    }

    pub(crate) fn has_ended(&mut self) -> Result<bool, Error> {
        Ok(self.child.try_wait()?.is_some())
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Ends it, and waits until it has ended.
    pub(crate) fn stop(mut self) -> Result<(), Error> {
        self.end()
    }

    /// Ends it, and leaves what it wrote until this value goes.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        if self.has_ended()? {
            return Ok(());
        }
        self.signal(Signal::TERM)?;
        let deadline = Instant::now() + STOP;
        while !self.has_ended()? {
            if Instant::now() > deadline {
                self.child.kill()?;
                self.child.wait()?;
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Tokens of the users from this id on, good for a day.
pub(crate) fn tokens(first_id: u64, count: usize) -> Result<Vec<String>, Error> {
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)?
        .as_secs();
    let ids = first_id..first_id + count as u64;
    let tokens = ids.map(|id| {
        let claims = json!({
            "sub": id.to_string(), "username": format!("load-{id}"), "iat": now, "exp": now + 86_400,
        });
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)
    });
    Ok(tokens.collect::<Result<_, _>>()?)
}

impl Site {
    /// User and system time of all its threads; nothing where it cannot be looked at.
    pub(crate) fn cpu(&self) -> Result<Duration, Error> {
        let Some(pid) = self.pid else {
            return Ok(Duration::ZERO);
        };
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let (_, fields) = text.rsplit_once(')').ok_or("no stat")?;
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|field| field.parse().unwrap_or(0))
            .sum();
        Ok(Duration::from_millis(
            ticks * 1_000 / rustix::param::clock_ticks_per_second(),
        ))
    }

    /// Resident memory in KiB.
    pub(crate) fn resident(&self) -> Result<u64, Error> {
        let [resident] = self.memory(["VmRSS:"])?;
        Ok(resident)
    }

    /// Lines of its status by their names, in KiB.
    pub(crate) fn memory<const N: usize>(&self, names: [&str; N]) -> Result<[u64; N], Error> {
        let mut found = [0; N];
        let Some(pid) = self.pid else {
            return Ok(found);
        };
        let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        for (name, found) in names.into_iter().zip(&mut found) {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next());
            *found = kib.ok_or_else(|| format!("no {name}"))?.parse()?;
        }
        Ok(found)
    }

    /// How many files it has open.
    pub(crate) fn open_files(&self) -> Result<usize, Error> {
        let Some(pid) = self.pid else { return Ok(0) };
        Ok(std::fs::read_dir(format!("/proc/{pid}/fd"))?.count())
    }
}
