//! Mode `soak`: an hour of everything that people do, on one data file, beside restarts; whether
//! memory stays as it is, and whether nothing is lost.
//!
//! - Some 200 people, half of them of version 2, write to eight others each and into rooms at a
//!   fixed rate; they edit, delete, react, mark as read, lose their connection; by REST they ask
//!   for pages and search, and send files that are downloaded and compared.
//! - By turns SIGTERM and SIGKILL end the server; all come back with their recovery, and say again
//!   under its client id what was not confirmed.
//! - Each confirmed message must be heard once and in order by each whom it is for, its sender
//!   included. In the end `chatd check` reads the file, and an export of it is held against what
//!   was confirmed.
//! - A server on new caches has less in memory than one that has run for a while: so it is compared
//!   with itself in the same part of its lives, by how these began.

mod changes;
mod crowd;
mod door;
mod http;
mod ledger;
mod report;
mod samples;
mod side;
mod stored;
mod words;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::Error;
use crate::modes::talking::ms;
use crate::net::Net;
use crate::server::{Programs, Server, tokens};

use changes::Change;
use crowd::Crowd;
use door::{Door, Stage};
use http::Request;
use report::Report;
use samples::{Begin, Life, Sample, Samples};
use side::{Counts, Every, Shown, Side, Uploaded};
use stored::Stored;

/// A second each, beside the messages.
const EDITS: f64 = 2.0;
const DELETIONS: f64 = 1.0;
const REACTIONS: f64 = 3.0;
/// Each tells a sender of up to 100 messages, one by one.
const READS: f64 = 5.0;
const ROOM_READS: f64 = 2.0;
const PAGES: f64 = 10.0;
const SEARCHES: f64 = 2.0;
/// Connections that are cut.
const CUTS: f64 = 0.5;
/// How long a server may take to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the last of all may take to arrive.
const DRAIN: Duration = Duration::from_secs(60);
/// After so long what is due is looked for again, though nothing has come.
const TURN: Duration = Duration::from_millis(20);
/// How many who speak version 1 are in each room, of which they must hear nothing.
const FIRST_IN_ROOM: usize = 2;

/// What `chatd check` says of the file, and what an export of it has.
type Checked = Result<String, Error>;
type Read = Result<Stored, Error>;

/// What to do, and for how long.
#[derive(clap::Args)]
pub(crate) struct Soak {
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// How often the server is ended and started anew.
    #[arg(long, default_value = "5m", value_parser = duration)]
    restart_every: Duration,
    /// How many people are connected.
    #[arg(long, default_value_t = 200)]
    connections: usize,
    /// Messages a second in all.
    #[arg(long, default_value_t = 2_500.0)]
    rate: f64,
    /// How many rooms there are; each who speaks version 2 is in one.
    #[arg(long, default_value_t = 10)]
    rooms: usize,
    /// Files a second.
    #[arg(long, default_value_t = 0.5)]
    files: f64,
    /// How much memory chatd is told that it may use.
    #[arg(long, default_value = "512MiB")]
    memory: String,
    /// How often the server is looked at.
    #[arg(long, default_value = "10s", value_parser = duration)]
    sample_every: Duration,
    /// Where the samples go.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/load/soak.csv"))]
    csv: PathBuf,
    /// Draw a plot; without a path it is the one that the results show.
    #[arg(long, num_args = 0..=1, default_missing_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.github/soak.svg"))]
    plot: Option<PathBuf>,
}

impl Soak {
    /// A few seconds of it with two restarts.
    pub(crate) fn little(folder: &Path) -> Self {
        Self {
            minutes: 0.15,
            restart_every: Duration::from_secs(3),
            connections: 24,
            rate: 200.0,
            rooms: 2,
            files: 2.0,
            memory: "512MiB".into(),
            sample_every: Duration::from_secs(1),
            csv: folder.join("little.csv"),
            plot: None,
        }
    }
}

/// `40s`, `5m`.
fn duration(text: &str) -> Result<Duration, String> {
    let unit = match text.chars().last() {
        Some('s') => 1.0,
        Some('m') => 60.0,
        _ => return Err("give a time such as 40s or 5m".into()),
    };
    let number: f64 = text[..text.len() - 1]
        .parse()
        .map_err(|_| format!("{text} has no number"))?;
    Duration::try_from_secs_f64(number * unit).map_err(|error| error.to_string())
}

/// Soaks, prints what came of it, and fails where something was lost or came twice; then the data
/// stay where they are.
pub(crate) fn soak(args: &Soak, programs: &Programs) -> Result<(), Error> {
    std::fs::create_dir_all(&programs.dir)?;
    let folder = tempfile::tempdir_in(&programs.dir)?;
    let soaked = soak_on(args, programs, &folder.path().join("data"));
    if soaked.is_err() {
        eprintln!("the data are in {}", folder.keep().display());
    }
    soaked
}

fn soak_on(args: &Soak, programs: &Programs, data: &Path) -> Result<(), Error> {
    let programs = programs.with(&["--memory", &args.memory]);
    let mut run = Run::begin(args, programs, data)?;
    let threads = run.beside()?;
    run.run()?;
    let threads_ended = run.drain(threads);
    let (checked, stored) = run.end()?;
    let report = run.report(checked, stored);
    println!("{report}");
    if let Some(path) = &args.plot {
        report.draw(path)?;
    }
    threads_ended?;
    match report.is_clean() {
        true => Ok(()),
        false => Err("soak: not all was well".into()),
    }
}

/// What is due beside the messages.
struct Paces {
    changes: [(Change, Every); 5],
    cuts: Every,
}

impl Paces {
    fn new() -> Self {
        let changes = [
            (Change::Edit, EDITS),
            (Change::Delete, DELETIONS),
            (Change::React, REACTIONS),
            (Change::ReadPerson, READS),
            (Change::ReadRoom, ROOM_READS),
        ];
        Self {
            changes: changes.map(|(change, rate)| (change, Every::second(rate))),
            cuts: Every::second(CUTS),
        }
    }
}

/// One run.
struct Run<'a> {
    args: &'a Soak,
    programs: Programs,
    server: Option<Server>,
    net: Net,
    crowd: Crowd,
    side: Side,
    uploaded: Receiver<Uploaded>,
    /// For the thread of files.
    shown: Option<Receiver<Shown>>,
    paces: Paces,
    is_sending: bool,
    begun: Instant,
    samples: Samples,
    /// When the last sample was, the server's processor time then, and what was confirmed.
    last: (Instant, Duration, u64),
    lives: Vec<Life>,
    /// Lines of the servers' logs, without their times.
    said: HashSet<String>,
    /// When the newest life's predecessor was ended.
    ended: Instant,
}

impl<'a> Run<'a> {
    /// Starts the server, and lets everybody come.
    fn begin(args: &'a Soak, programs: Programs, data: &Path) -> Result<Self, Error> {
        let server = Server::start_on(&programs, data)?;
        let tokens = tokens(1, args.connections)?;
        let net = Net::new(server.site.address, tokens.clone())?;
        let (shown, to_download) = channel();
        let crowd = Crowd::new(args.connections, args.rate, shown)?;
        let samples = Samples::new(&args.csv, data)?;
        let side = Side {
            door: Arc::new(Door::new(server.site.address)),
            counts: Arc::default(),
            tokens: Arc::new(tokens),
        };
        let now = Instant::now();
        let life = Life {
            begin: Begin::New,
            from: 0.0,
            to: 0.0,
            started_in: server.started_in,
            back_in: None,
            peak: 0,
        };
        // Replaced once there are rooms to hear of.
        let (_, uploaded) = channel();
        let mut run = Self {
            args,
            programs,
            server: Some(server),
            net,
            crowd,
            side,
            uploaded,
            shown: Some(to_download),
            paces: Paces::new(),
            is_sending: false,
            begun: now,
            samples,
            last: (now, Duration::ZERO, 0),
            lives: vec![life],
            said: HashSet::new(),
            ended: now,
        };
        run.crowd.call_back();
        while !run.crowd.all_joined(&run.net) {
            if run.begun.elapsed() > PATIENCE {
                return Err("not everybody could join".into());
            }
            run.step(Instant::now() + TURN)?;
        }
        run.make_rooms()?;
        Ok(run)
    }

    /// Makes the rooms, each by one of its members.
    fn make_rooms(&mut self) -> Result<(), Error> {
        let everybody = 0..self.crowd.count() as u32;
        let (second, first): (Vec<u32>, Vec<u32>) =
            everybody.partition(|who| self.crowd.speaks_second(*who as usize));
        for room in 0..self.args.rooms.min(second.len()) {
            let every = self.args.rooms;
            let own = second.iter().skip(room).step_by(every);
            let others = first.iter().skip(room).step_by(every).take(FIRST_IN_ROOM);
            let members: Vec<u32> = own.chain(others).copied().collect();
            let ids: Vec<u32> = members[1..].iter().map(|who| who + 1).collect();
            let body = json!({"name": format!("soak {room}"), "member_ids": ids}).to_string();
            let answer = self.side.door.ask(&Request {
                method: "POST",
                path: "/api/rooms",
                token: Some(&self.side.tokens[members[0] as usize]),
                headers: "Content-Type: application/json\r\n",
                body: body.as_bytes(),
            });
            let answer = answer.ok_or("a room could not be made")?;
            let made: serde_json::Value = serde_json::from_slice(&answer.body)?;
            let id = made["data"]["id"].as_u64();
            let id = id.ok_or_else(|| format!("no room: {made}"))?;
            self.crowd.add_room(id, &members);
        }
        Ok(())
    }

    /// Starts what goes on beside the messages.
    fn beside(&mut self) -> Result<[JoinHandle<()>; 2], Error> {
        let everybody = 0..self.crowd.count();
        let chats = everybody.clone().map(|who| self.crowd.chats(who)).collect();
        let carriers = everybody.filter(|who| self.crowd.stream_for_files(*who).is_some());
        let carriers: Vec<usize> = carriers.collect();
        let (uploaded, to_send) = channel();
        self.uploaded = to_send;
        let shown = self.shown.take().ok_or("begun twice")?;
        let (reading, carrying, files) = (self.side.clone(), self.side.clone(), self.args.files);
        let chats: Vec<Vec<String>> = chats;
        Ok([
            std::thread::spawn(move || reading.read([PAGES, SEARCHES], &chats)),
            std::thread::spawn(move || carrying.carry(files, &carriers, &uploaded, &shown)),
        ])
    }

    /// Everything for as long as it is to last.
    fn run(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        (self.begun, self.is_sending) = (now, true);
        self.last = (now, self.cpu()?, 0);
        self.crowd.begin(now);
        let end = now + Duration::from_secs_f64(self.args.minutes * 60.0);
        let every = self.args.restart_every;
        let (mut look, mut restart) = (now + self.args.sample_every, now + every);
        loop {
            let now = Instant::now();
            if now >= look.min(end) {
                self.sample()?;
                look += self.args.sample_every;
            }
            if now >= end {
                break;
            }
            // One at the very end would be a life of nothing.
            if now >= restart && end - now > every / 10 {
                self.restart()?;
                restart += every;
            }
            self.step(look.min(end).min(now + TURN))?;
        }
        Ok(())
    }

    /// Has everything done that is due, and hears what comes until then.
    fn step(&mut self, until: Instant) -> Result<(), Error> {
        self.crowd.bring_back(&mut self.net);
        let mut next = until;
        if self.is_sending {
            self.crowd.send_due(&mut self.net);
            next = next.min(self.crowd.due());
            if self.crowd.is_open {
                self.change();
            }
        }
        while let Ok(uploaded) = self.uploaded.try_recv() {
            self.crowd
                .send_file(&mut self.net, uploaded.who, uploaded.file);
        }
        let life = self.lives.last_mut().ok_or("no life")?;
        if life.back_in.is_none() && self.crowd.is_open && self.crowd.all_joined(&self.net) {
            life.back_in = Some(self.ended.elapsed());
        }
        self.net.turn(&mut self.crowd, next)
    }

    fn change(&mut self) {
        let now = Instant::now();
        for (change, every) in &mut self.paces.changes {
            if every.is_due(now) {
                self.crowd.change(&mut self.net, *change);
            }
        }
        let all_are_back = self.lives.last().is_some_and(|life| life.back_in.is_some());
        if self.paces.cuts.is_due(now) && all_are_back {
            self.crowd.cut_one(&mut self.net);
        }
    }

    /// Ends the server, by turns gently and not, and starts it anew.
    fn restart(&mut self) -> Result<(), Error> {
        let begin = match self.lives.len() % 2 {
            1 => Begin::Stopped,
            _ => Begin::Killed,
        };
        self.sample()?;
        self.close_life()?;
        let mut server = self.server.take().ok_or("no server")?;
        self.side.door.shut();
        self.crowd.is_open = false;
        self.ended = Instant::now();
        server.signal(match begin {
            Begin::Killed => Signal::KILL,
            _ => Signal::TERM,
        })?;
        while !server.has_ended()? {
            if self.ended.elapsed() > PATIENCE {
                return Err("the server does not end".into());
            }
            self.step(Instant::now() + Duration::from_millis(5))?;
        }
        self.say_what_it_said(&server);
        // What it said last is still on its way.
        let last = Instant::now() + Duration::from_millis(100);
        while Instant::now() < last {
            self.step(last)?;
        }
        for who in 0..self.crowd.count() {
            self.net.cut(who);
        }
        let server = server.again(&self.programs)?;
        self.net.go_to(server.site.address);
        self.side.door.open(server.site.address);
        self.lives.push(Life {
            begin,
            from: self.begun.elapsed().as_secs_f64(),
            to: 0.0,
            started_in: server.started_in,
            back_in: None,
            peak: 0,
        });
        self.server = Some(server);
        self.last = (
            Instant::now(),
            Duration::ZERO,
            self.crowd.ledger.confirmed(),
        );
        self.crowd.call_back();
        Ok(())
    }

    /// Shows what a server wrote to its log and none before it did.
    fn say_what_it_said(&mut self, server: &Server) {
        for line in server.said().lines() {
            let (_at, said) = line.split_once(' ').unwrap_or_default();
            if self.said.insert(said.to_owned()) {
                eprintln!("life {}: {line}", self.lives.len());
            }
        }
    }

    fn close_life(&mut self) -> Result<(), Error> {
        let site = self.server.as_ref().ok_or("no server")?.site;
        let [peak] = site.memory(["VmHWM:"])?;
        let life = self.lives.last_mut().ok_or("no life")?;
        (life.to, life.peak) = (self.begun.elapsed().as_secs_f64(), peak);
        Ok(())
    }

    fn cpu(&self) -> Result<Duration, Error> {
        self.server.as_ref().ok_or("no server")?.site.cpu()
    }

    fn sample(&mut self) -> Result<(), Error> {
        let site = self.server.as_ref().ok_or("no server")?.site;
        let (now, cpu) = (Instant::now(), site.cpu()?);
        let ([anonymous, mapped], open_files, stored) = self.samples.look(site)?;
        let confirmed = self.crowd.ledger.confirmed();
        let (since, cpu_before, confirmed_before) = self.last;
        let seconds = (now - since).as_secs_f64();
        if seconds < 0.5 {
            return Ok(());
        }
        let waits = &mut self.crowd.waits;
        let (p50_ms, p99_ms) = (ms(waits, 0.5), ms(waits, 0.99));
        waits.reset();
        self.last = (now, cpu, confirmed);
        self.samples.add(Sample {
            seconds: (now - self.begun).as_secs_f64(),
            life: self.lives.len(),
            anonymous,
            mapped,
            cores: cpu.saturating_sub(cpu_before).as_secs_f64() / seconds,
            rate: (confirmed - confirmed_before) as f64 / seconds,
            p50_ms,
            p99_ms,
            open_files,
            stored,
            confirmed,
            client_ids: self.crowd.client_ids(),
        })
    }

    /// Waits until all is answered and heard, and for the threads.
    fn drain(&mut self, threads: [JoinHandle<()>; 2]) -> Result<(), Error> {
        self.is_sending = false;
        self.close_life()?;
        self.side.door.set_stage(Stage::Ending);
        let deadline = Instant::now() + DRAIN;
        while !self.is_quiet() && Instant::now() < deadline {
            self.step(Instant::now() + TURN)?;
        }
        self.side.door.set_stage(Stage::Over);
        for thread in threads {
            thread.join().map_err(|_| "a thread fell")?;
        }
        Ok(())
    }

    fn is_quiet(&self) -> bool {
        let counts = &self.side.counts;
        Counts::get(&counts.uploading) == 0
            && Counts::get(&counts.uploads) == Counts::get(&counts.downloads)
            && self.crowd.unanswered() == 0
            && self.crowd.ledger.is_quiet()
    }

    /// Ends the server for good, and looks at what it has stored.
    fn end(&mut self) -> Result<(Checked, Read), Error> {
        let mut server = self.server.take().ok_or("no server")?;
        server.end()?;
        self.say_what_it_said(&server);
        let (data, crowd) = (server.data(), &self.crowd);
        let checked = stored::check(&self.programs, data);
        let stored = Stored::read(&self.programs, data, &crowd.ledger, &crowd.changes);
        self.server = Some(server);
        Ok((checked, stored))
    }

    fn report(&self, checked: Checked, stored: Read) -> Report<'_> {
        Report {
            seconds: self.args.minutes * 60.0,
            samples: &self.samples.all,
            lives: &self.lives,
            crowd: &self.crowd,
            side: &self.side,
            checked,
            stored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("40s"), Ok(Duration::from_secs(40)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        for text in ["", "5", "m", "-1s", "xs"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
