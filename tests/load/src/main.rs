//! A load generator for servers of chatd's contract: stock wire format over WebSocket, every
//! delivery checked, the server's CPU time and memory read from `/proc`. Linux only.
//!
//! One thread does everything, for generator and server share a machine's cores; mode `soak` has
//! two more, which ask little. A mode starts the server that it measures (`--server`), on new data
//! and on loopback, or goes to one that runs already (`--address`, which must accept HS256 tokens
//! by the secret in `server.rs` and make accounts of their subjects). See `tests/load/run`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement is for whoever started it"
)]

mod all;
mod files;
mod growth;
mod modes;
mod net;
mod plot;
mod server;
mod soak;
mod table;
mod talk;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use modes::rooms::{Plan, RoomPace};
use modes::talking::{self, Times, ms};
use modes::{disk, idle, rest, rooms, slow, storm};
use server::{Kind, Programs, Server, Site};
use talk::{Shape, Verdict};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// A load generator for servers of chatd's contract.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    mode: Mode,
    #[command(flatten)]
    programs: Programs,
    #[command(flatten)]
    whom: Whom,
}

/// Whom to measure.
#[derive(clap::Args)]
struct Whom {
    /// The server to start.
    #[arg(long, global = true, value_enum, default_value = "chatd")]
    server: Kind,
    /// A server that runs already, in place of one that is started.
    #[arg(long, global = true)]
    address: Option<SocketAddr>,
    /// Its process, to be looked at.
    #[arg(long, global = true)]
    pid: Option<u32>,
    /// A data file for chatd to start on, in place of new data; it is changed.
    #[arg(long, global = true)]
    data: Option<PathBuf>,
    /// The id of the first user.
    #[arg(long, global = true, default_value_t = 1)]
    first_id: u64,
    /// Seconds that are not counted, at the beginning.
    #[arg(long, global = true, default_value_t = 1.0)]
    warm: f64,
    /// Seconds that are counted.
    #[arg(long, global = true, default_value_t = 5.0)]
    seconds: f64,
}

#[derive(Subcommand)]
enum Mode {
    /// So many users keep so many messages outstanding.
    Closed {
        #[command(flatten)]
        people: People,
        /// Messages outstanding for each sender.
        #[arg(long, default_value_t = 32)]
        outstanding: usize,
    },
    /// Messages are due at fixed times.
    Open {
        #[command(flatten)]
        people: People,
        /// Messages a second in all.
        #[arg(long, default_value_t = 5_000.0)]
        rate: f64,
    },
    /// Some are written to far more often than others, and all mark what they hear as read.
    Skewed {
        #[command(flatten)]
        people: People,
        #[arg(long, default_value_t = 8)]
        outstanding: usize,
    },
    /// Twice of what the server can.
    Overload {
        #[command(flatten)]
        people: People,
    },
    /// Connections that say nothing.
    Idle {
        #[arg(long, default_value_t = 10_000)]
        connections: usize,
    },
    /// Everybody comes back at once.
    Storm {
        #[arg(long, default_value_t = 10_000)]
        clients: usize,
    },
    /// Receivers that stop reading.
    Slow {
        #[arg(long, default_value_t = 100)]
        readers: usize,
        /// Messages a second among the others.
        #[arg(long, default_value_t = 500.0)]
        rate: f64,
    },
    /// One room whose members are all there.
    Rooms {
        #[arg(long, default_value_t = 100)]
        members: usize,
        /// Messages a second into the room.
        #[arg(long, default_value_t = 5.0)]
        rate: f64,
        /// So many messages are kept on their way, whatever the rate.
        #[arg(long)]
        outstanding: Option<usize>,
        /// In the end all members lose the network and come back at once.
        #[arg(long)]
        back: bool,
        /// The processor on which the thread of the members runs.
        #[arg(long)]
        pin: Option<usize>,
    },
    /// Pages of 50 by REST.
    Rest {
        /// With `--data`: how many of the file's users to ask for, in place of writing what is to
        /// be read.
        #[arg(long)]
        users: Option<u64>,
    },
    /// How long the disk takes for 4 KiB.
    Disk,
    /// Everything side by side, and the table of it.
    All(all::All),
    /// The same figures with more and more connections and stored messages, and a plot of them.
    Growth(growth::Growth),
    /// An hour of everything that people do, beside restarts, and how memory was in it.
    Soak(soak::Soak),
    /// A second of each mode with a few people: whether all is delivered, not how fast.
    Smoke,
}

/// Who takes part.
#[derive(clap::Args)]
struct People {
    #[arg(long, default_value_t = 200)]
    users: usize,
    /// So many of them send; all, unless given.
    #[arg(long)]
    senders: Option<usize>,
    /// To how many others each writes.
    #[arg(long, default_value_t = 8)]
    peers: usize,
    /// The length of a message.
    #[arg(long, default_value_t = 100)]
    chars: usize,
    /// Give each message a client id.
    #[arg(long)]
    client_ids: bool,
}

impl People {
    fn shape(&self) -> Shape {
        Shape {
            senders: self.senders.unwrap_or(self.users).min(self.users),
            peers: self.peers,
            chars: self.chars,
            client_ids: self.client_ids,
            ..Shape::new(self.users)
        }
    }
}

fn main() -> Result<(), Error> {
    let Args {
        mode,
        programs,
        whom,
    } = Args::parse();
    files::connections()?;
    let times = Times::new(whom.warm, whom.seconds);
    let first = whom.first_id;
    match mode {
        Mode::Disk => {
            let waits = disk::probe(&programs.dir, times.measure)?;
            println!(
                "4 KiB appended and synced: p50 {:.3}, p99 {:.3} ms",
                ms(&waits, 0.5),
                ms(&waits, 0.99)
            );
            return Ok(());
        }
        Mode::Smoke => return smoke(whom.server, &programs),
        Mode::All(all) => return all::all(&all, &programs),
        Mode::Growth(args) => return growth::growth(&args, &programs),
        Mode::Soak(args) => return soak::soak(&args, &programs),
        _ => {}
    }
    let (mut started, site) = match whom.address {
        Some(address) => (
            None,
            Site {
                address,
                pid: whom.pid,
            },
        ),
        None => {
            let server = match &whom.data {
                Some(data) => Server::start_on(&programs, data)?,
                None => Server::start(whom.server, &programs)?,
            };
            let site = server.site;
            println!(
                "{} answered after {:.1} ms, {:.1} MiB resident",
                server.kind().name(),
                server.started_in.as_secs_f64() * 1e3,
                site.resident()? as f64 / 1024.0
            );
            (Some(server), site)
        }
    };
    match mode {
        Mode::Closed {
            people,
            outstanding,
        } => {
            let talked = talking::closed(site, &people.shape(), first, outstanding, times)?;
            println!("{talked}");
        }
        Mode::Open { people, rate } => {
            println!(
                "{}",
                talking::open(site, &people.shape(), first, rate, times)?
            );
        }
        Mode::Skewed {
            people,
            outstanding,
        } => {
            let shape = Shape {
                skewed: true,
                reads: true,
                ..people.shape()
            };
            let talked = talking::closed(site, &shape, first, outstanding, times)?;
            println!("{talked}");
        }
        Mode::Overload { people } => {
            println!(
                "{}",
                talking::overload(site, &people.shape(), first, times)?
            );
        }
        Mode::Idle { connections } => {
            let mut site = site;
            if let Some(server) = started.take() {
                let server = idle::prepared(server, &programs, first, connections)?;
                site = server.site;
                started = Some(server);
            }
            println!("{}", idle::hold(site, first, connections)?);
        }
        Mode::Storm { clients } => println!("{}", storm::storm(site, first, clients)?),
        Mode::Slow { readers, rate } => {
            println!("{}", slow::slow(site, first, readers, rate, times.measure)?);
        }
        Mode::Rooms {
            members,
            rate,
            outstanding,
            back,
            pin,
        } => {
            let plan = Plan {
                members,
                pace: outstanding.map_or(RoomPace::Rate(rate), RoomPace::Outstanding),
                round: times.measure,
                comes_back: back,
                pin,
            };
            println!("{}", rooms::rooms((whom.server, site), first, &plan)?);
        }
        Mode::Rest { users } => {
            let ids = match users {
                Some(users) => (first..first + users).collect(),
                None => {
                    rest::fill(site, first)?;
                    rest::filled(first)
                }
            };
            let [histories, recents] = rest::questions(site, &ids)?;
            println!("history: {}", rest::run(site, &histories, times)?);
            println!("recents: {}", rest::run(site, &recents, times)?);
        }
        Mode::Disk | Mode::Smoke | Mode::All(_) | Mode::Growth(_) | Mode::Soak(_) => {}
    }
    started.map_or(Ok(()), Server::stop)
}

/// A little of everything; fails where something is lost, doubled, out of order or refused.
fn smoke(kind: Kind, programs: &Programs) -> Result<(), Error> {
    let server = Server::start(kind, programs)?;
    let site = server.site;
    let times = Times::new(0.2, 0.8);
    let clean = |what: &str, verdict: &Verdict| {
        println!("{what}: {verdict}");
        if verdict.is_clean() && verdict.refused.is_empty() && verdict.confirmed > 0 {
            Ok(())
        } else {
            Err(format!("{what}: not all was well"))
        }
    };
    let shape = Shape::new(20);
    clean(
        "closed",
        &talking::closed(site, &shape, 1, 4, times)?.verdict,
    )?;
    let ids = Shape {
        client_ids: true,
        ..shape.clone()
    };
    clean("open", &talking::open(site, &ids, 1, 200.0, times)?.verdict)?;
    let skewed = Shape {
        skewed: true,
        reads: true,
        ..shape.clone()
    };
    let verdict = talking::closed(site, &skewed, 1, 2, times)?.verdict;
    clean("skewed", &verdict)?;
    if verdict.marked_read == 0 || verdict.told_read == 0 {
        return Err("skewed: nothing was marked read".into());
    }
    let stormed = storm::storm(site, 1, 200)?;
    clean("storm", &stormed.verdict)?;
    if stormed.clients != 200 || stormed.refused != 0 {
        return Err(format!("storm: {stormed}").into());
    }
    if kind == Kind::Chatd {
        let plan = Plan {
            members: 50,
            pace: RoomPace::Rate(20.0),
            round: Duration::from_millis(500),
            comes_back: true,
            pin: None,
        };
        let roomed = rooms::rooms((kind, site), 1, &plan)?;
        println!("rooms: {roomed}");
        if !roomed.is_clean() || roomed.confirmed == 0 {
            return Err("rooms: not all was well".into());
        }
    }
    rest::fill(site, 1)?;
    for questions in rest::questions(site, &rest::filled(1))? {
        let rested = rest::run(site, &questions, Times::new(0.1, 0.3))?;
        println!("rest: {rested}");
        if rested.wrong > 0 || rested.requests == 0 {
            return Err("rest: not all was well".into());
        }
    }
    let held = idle::hold(site, 1, 200)?;
    println!("idle: {held}");
    let waits = disk::probe(&programs.dir, Duration::from_millis(100))?;
    println!("disk: {} syncs", waits.len());
    server.stop()?;
    match kind {
        Kind::Chatd => soak::soak(&soak::Soak::little(&programs.dir), programs),
        Kind::Node | Kind::Router => Ok(()),
    }
}
