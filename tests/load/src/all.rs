//! Mode `all`: everything side by side, in rounds, and the table of it.
//!
//! Each measurement has a server of its own on new data. The servers take turns within a round, so
//! that what else the machine does is everybody's, and the table has the medians of the rounds.
//! What is dear and steady (idle connections, slow readers, the overload) is measured once.

use std::time::Duration;

use crate::modes::talking::{self, Talked, Times, ms};
use crate::modes::{disk, idle, rest, slow, storm};
use crate::server::{Kind, Programs, Server};
use crate::table::{self, Row, Samples};
use crate::talk::{Shape, Verdict};
use crate::{Error, files};

/// What can be measured.
#[derive(Clone, Copy, PartialEq, clap::ValueEnum, Debug)]
pub(crate) enum Part {
    /// 200 users with 32 outstanding.
    Many,
    /// 200 users with 1 outstanding.
    Few,
    /// One user with 1 outstanding, beside the disk.
    Alone,
    /// 5,000 a second.
    Open,
    /// Skewed receivers who read.
    Skewed,
    /// Everybody comes back.
    Storm,
    /// Pages.
    Rest,
    /// Executable, start.
    Start,
    /// Idle connections.
    Idle,
    /// Receivers that do not read.
    Slow,
    /// Twice of what it can.
    Overload,
}

/// How much of it.
#[derive(clap::Args)]
pub(crate) struct All {
    /// Fewer connections, shorter, one round: to see that it works.
    #[arg(long)]
    quick: bool,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only these parts.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
}

struct Run<'a> {
    programs: &'a Programs,
    samples: Samples,
    /// Deliveries that were not as they must be.
    faults: Vec<String>,
    quick: bool,
    times: Times,
}

/// Measures, prints the table, and fails if a delivery of chatd's was wrong.
pub(crate) fn all(args: &All, programs: &Programs) -> Result<(), Error> {
    let rounds = if args.quick { 1 } else { args.rounds };
    let mut run = Run {
        programs,
        samples: Samples::default(),
        faults: Vec::new(),
        quick: args.quick,
        times: if args.quick {
            Times::new(0.5, 1.0)
        } else {
            Times::new(1.0, 3.0)
        },
    };
    let wanted = |part: &Part| args.only.is_empty() || args.only.contains(part);
    let every = [
        Part::Many,
        Part::Few,
        Part::Alone,
        Part::Open,
        Part::Skewed,
        Part::Storm,
        Part::Rest,
        Part::Start,
    ];
    for round in 1..=rounds {
        for part in every.into_iter().filter(wanted) {
            eprintln!("round {round} of {rounds}: {part:?}");
            run.part(part)?;
        }
    }
    for part in [Part::Idle, Part::Slow, Part::Overload]
        .into_iter()
        .filter(wanted)
    {
        eprintln!("once: {part:?}");
        run.part(part)?;
    }
    eprintln!("\nevery round:\n{}", run.samples);
    println!("{}", table::print(&rows(&run.samples)));
    if run.faults.is_empty() {
        println!("Every confirmed message was delivered once and in order.");
        return Ok(());
    }
    Err(run.faults.join("\n").into())
}

impl Run<'_> {
    fn part(&mut self, part: Part) -> Result<(), Error> {
        match part {
            Part::Many => self.closed("many", 32),
            Part::Few => self.closed("few", 1),
            Part::Alone => self.alone(),
            Part::Open => self.open(),
            Part::Skewed => self.skewed(),
            Part::Storm => self.storm(),
            Part::Rest => self.rest(),
            Part::Start => self.start(),
            Part::Idle => self.idle(),
            Part::Slow => self.slow(),
            Part::Overload => self.overload(),
        }
    }

    fn add(&mut self, part: &str, what: &str, kind: Kind, value: f64) {
        self.samples
            .add(format!("{part} {what} {}", kind.name()), value);
    }

    /// Whoever is too slow may leave messages unanswered; nobody may lose, double or disorder them.
    fn check(&mut self, part: &str, kind: Kind, verdict: &Verdict) {
        let clean = if kind == Kind::Chatd {
            verdict.is_clean()
        } else {
            verdict.faults() == 0
        };
        if !clean {
            self.faults
                .push(format!("{part}, {}: {verdict}", kind.name()));
        }
    }

    fn talked(&mut self, part: &str, kind: Kind, talked: &Talked) {
        self.check(part, kind, &talked.verdict);
        self.add(part, "rate", kind, talked.rate());
        self.add(part, "p50", kind, talked.ms(0.5));
        self.add(part, "p99", kind, talked.ms(0.99));
        self.add(part, "cpu", kind, talked.cpu_us());
    }

    fn closed(&mut self, part: &str, outstanding: usize) -> Result<(), Error> {
        for kind in [Kind::Chatd, Kind::Node, Kind::Router] {
            let server = Server::start(kind, self.programs)?;
            let shape = Shape::new(200);
            let talked = talking::closed(server.site, &shape, 1, outstanding, self.times)?;
            self.talked(part, kind, &talked);
            server.stop()?;
        }
        Ok(())
    }

    fn disk(&mut self, part: &str) -> Result<(), Error> {
        let waits = disk::probe(&self.programs.dir, Duration::from_secs(1))?;
        self.samples
            .add(format!("{part} disk p50"), ms(&waits, 0.5));
        self.samples
            .add(format!("{part} disk p99"), ms(&waits, 0.99));
        Ok(())
    }

    fn alone(&mut self) -> Result<(), Error> {
        let shape = Shape {
            senders: 1,
            ..Shape::new(2)
        };
        self.disk("alone")?;
        for kind in [Kind::Chatd, Kind::Node] {
            let server = Server::start(kind, self.programs)?;
            let talked = talking::closed(server.site, &shape, 1, 1, self.times)?;
            self.talked("alone", kind, &talked);
            server.stop()?;
        }
        self.disk("alone")
    }

    fn open(&mut self) -> Result<(), Error> {
        self.disk("open")?;
        for kind in [Kind::Chatd, Kind::Node] {
            let server = Server::start(kind, self.programs)?;
            let talked = talking::open(server.site, &Shape::new(1_000), 1, 5_000.0, self.times)?;
            self.talked("open", kind, &talked);
            server.stop()?;
        }
        self.disk("open")
    }

    fn skewed(&mut self) -> Result<(), Error> {
        let shape = Shape {
            skewed: true,
            reads: true,
            ..Shape::new(1_000)
        };
        for kind in [Kind::Chatd, Kind::Node] {
            let server = Server::start(kind, self.programs)?;
            let talked = talking::closed(server.site, &shape, 1, 2, self.times)?;
            self.talked("skewed", kind, &talked);
            server.stop()?;
        }
        Ok(())
    }

    fn storm(&mut self) -> Result<(), Error> {
        let clients = if self.quick { 1_000 } else { 10_000 };
        for kind in [Kind::Chatd, Kind::Node, Kind::Router] {
            let server = Server::start(kind, self.programs)?;
            let stormed = storm::storm(server.site, 1, clients)?;
            self.check("storm", kind, &stormed.verdict);
            if stormed.refused > 0 || stormed.clients < clients {
                self.faults
                    .push(format!("storm, {}: {stormed}", kind.name()));
            }
            self.add("storm", "rate", kind, stormed.connects_a_second());
            self.add("storm", "p99", kind, ms(&stormed.meanwhile, 0.99));
            server.stop()?;
        }
        Ok(())
    }

    fn rest(&mut self) -> Result<(), Error> {
        for kind in [Kind::Chatd, Kind::Node] {
            let server = Server::start(kind, self.programs)?;
            rest::fill(server.site, 1)?;
            let questions = rest::questions(server.site, &rest::filled(1))?;
            for (part, questions) in ["history", "recents"].into_iter().zip(questions) {
                let rested = rest::run(server.site, &questions, self.times)?;
                if rested.wrong > 0 {
                    self.faults
                        .push(format!("{part}, {}: {rested}", kind.name()));
                }
                self.add(part, "rate", kind, rested.rate());
            }
            server.stop()?;
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), Error> {
        let bytes = std::fs::metadata(&self.programs.chatd)?.len();
        self.add(
            "start",
            "executable",
            Kind::Chatd,
            bytes as f64 / f64::from(1 << 20),
        );
        for kind in [Kind::Chatd, Kind::Node] {
            // The first start makes the file; what is measured is a start like any other.
            let server = Server::start(kind, self.programs)?.restart(self.programs)?;
            self.add("start", "ms", kind, server.started_in.as_secs_f64() * 1e3);
            self.add(
                "start",
                "resident",
                kind,
                server.site.resident()? as f64 * 1_024.0 / 1e6,
            );
            server.stop()?;
        }
        Ok(())
    }

    fn idle(&mut self) -> Result<(), Error> {
        let limit = files::connections()?;
        let some = if self.quick { 1_000 } else { 10_000.min(limit) };
        let mut rounds = vec![
            ("idle", Kind::Chatd, some),
            ("idle", Kind::Node, some),
            ("idle", Kind::Router, some),
        ];
        if !self.quick {
            rounds.push(("idle most", Kind::Chatd, limit));
        }
        self.samples.add("idle connections", some as f64);
        self.samples.add("idle most connections", limit as f64);
        for (part, kind, connections) in rounds {
            let server = Server::start(kind, self.programs)?;
            let server = idle::prepared(server, self.programs, 1, connections)?;
            let held = idle::hold(server.site, 1, connections)?;
            eprintln!("{}: {held}", kind.name());
            self.add(part, "each", kind, held.kib_each());
            server.stop()?;
        }
        Ok(())
    }

    fn slow(&mut self) -> Result<(), Error> {
        // Longer than a server may wait for one that does not read.
        let (pairs, round) = if self.quick { (1, 3) } else { (3, 13) };
        for _ in 0..pairs {
            let server = Server::start(Kind::Chatd, self.programs)?;
            let slowed = slow::slow(server.site, 1, 100, 500.0, Duration::from_secs(round))?;
            eprintln!("{slowed}");
            for (at, what) in ["without", "with"].into_iter().enumerate() {
                self.check("slow", Kind::Chatd, &slowed.verdicts[at]);
                self.samples
                    .add(format!("slow p99 {what}"), ms(&slowed.waits[at], 0.99));
                let [before, _, after] = slowed.resident[at];
                let gained = after.saturating_sub(before) as f64 / 1_024.0;
                self.samples.add(format!("slow gained {what}"), gained);
            }
            server.stop()?;
        }
        Ok(())
    }

    fn overload(&mut self) -> Result<(), Error> {
        let server = Server::start(Kind::Chatd, self.programs)?;
        let over = talking::overload(server.site, &Shape::new(200), 1, self.times)?;
        eprintln!("{over}");
        self.check("overload", Kind::Chatd, &over.after.verdict);
        self.samples.add("overload offered", over.offered);
        self.samples.add("overload accepted", over.during.rate());
        self.samples.add("overload p99", over.during.ms(0.99));
        self.samples.add(
            "overload resident",
            over.during.resident[1] as f64 / 1_024.0,
        );
        self.samples
            .add("overload drained", over.drained_in.as_secs_f64());
        self.samples.add("overload p99 after", over.after.ms(0.99));
        server.stop()
    }
}

/// A ratio as people say it.
fn times(ratio: Option<f64>) -> String {
    ratio.map_or("not measured".into(), |ratio| {
        format!("{} times", table::short(ratio))
    })
}

/// The table of what was measured, with the project's targets.
fn rows(samples: &Samples) -> Vec<Row> {
    let get = |name: &str| samples.get(name);
    let three = |part: &str, what: &str| {
        [Kind::Chatd, Kind::Node, Kind::Router]
            .map(|kind| get(&format!("{part} {what} {}", kind.name())))
    };
    let chatd = |part: &str, what: &str| get(&format!("{part} {what} chatd"));
    let to = |part: &str, what: &str, kind: &str| {
        samples.ratio(
            &format!("{part} {what} chatd"),
            &format!("{part} {what} {kind}"),
        )
    };
    let mut rows = Vec::new();
    let mut row = |what: &str, values: [Option<f64>; 3], target: String, met: Option<bool>| {
        if values[0].is_some() {
            let what = what.to_owned();
            rows.push(Row {
                what,
                values,
                target,
                met,
            });
        }
    };
    let (node, router) = (to("many", "rate", "Node"), to("many", "rate", "router"));
    row(
        "confirmed sends a second, 200 users, 32 outstanding each",
        three("many", "rate"),
        format!(
            "50 times Node ({}), 0.3 of the router ({})",
            times(node),
            times(router)
        ),
        node.zip(router)
            .map(|(node, router)| node >= 50.0 && router >= 0.3),
    );
    let cpu = samples.ratio("many cpu Node", "many cpu chatd");
    row(
        "the server's CPU for 1,000 of these, ms",
        three("many", "cpu"),
        format!(
            "a 30th of Node's (a {}th)",
            cpu.map_or("?".into(), table::short)
        ),
        cpu.map(|cpu| cpu >= 30.0),
    );
    let node = to("few", "rate", "Node");
    row(
        "the same sends a second, 1 outstanding each",
        three("few", "rate"),
        format!("15 times Node ({})", times(node)),
        node.map(|node| node >= 15.0),
    );
    let disk = samples.ratio("alone p50 chatd", "alone disk p50");
    row(
        "one user, 1 outstanding: p50, ms",
        three("alone", "p50"),
        format!(
            "3 times a 4 KiB append and fdatasync, {} ms ({})",
            get("alone disk p50").map_or("?".into(), table::short),
            times(disk)
        ),
        disk.map(|disk| disk <= 3.0),
    );
    row(
        "5,000 sends a second over 1,000 users: p50, ms",
        three("open", "p50"),
        "6".into(),
        chatd("open", "p50").map(|ms| ms <= 6.0),
    );
    let bound = get("open disk p99").map_or(25.0, |ms| (ms * 4.0).max(25.0));
    row(
        "the same: p99, ms",
        three("open", "p99"),
        table::short(bound),
        chatd("open", "p99").map(|ms| ms <= bound),
    );
    row(
        "sends a second, 1,000 users, 2 outstanding, skewed receivers who read",
        three("skewed", "rate"),
        String::new(),
        None,
    );
    let connections = get("idle connections").map_or("?".into(), table::short);
    row(
        &format!("KiB for an idle connection, {connections} of them"),
        three("idle", "each"),
        "3".into(),
        chatd("idle", "each").map(|kib| kib <= 3.0),
    );
    let connections = get("idle most connections").map_or("?".into(), table::short);
    row(
        &format!("the same with {connections}, as many as the files allow"),
        three("idle most", "each"),
        "3".into(),
        chatd("idle most", "each").map(|kib| kib <= 3.0),
    );
    let node = to("storm", "rate", "Node");
    row(
        "10,000 clients come back: connects a second",
        three("storm", "rate"),
        format!("8 times Node ({})", times(node)),
        node.map(|node| node >= 8.0),
    );
    row(
        "meanwhile sends of 10 others, 200 a second: p99, ms",
        three("storm", "p99"),
        "50".into(),
        chatd("storm", "p99").map(|ms| ms < 50.0),
    );
    for (part, what) in [
        (
            "history",
            "history of 50 by REST, keep-alive: requests a second",
        ),
        ("recents", "recents of 50: requests a second"),
    ] {
        let node = to(part, "rate", "Node");
        row(
            what,
            three(part, "rate"),
            format!("10 times Node ({})", times(node)),
            node.map(|node| node >= 10.0),
        );
    }
    let slow = samples.ratio("slow p99 with", "slow p99 without");
    row(
        "500 sends a second beside 100 who stop reading: p99, ms",
        [get("slow p99 with"), None, None],
        format!(
            "within 10 % of {} ms, with them reading ({})",
            get("slow p99 without").map_or("?".into(), table::short),
            times(slow)
        ),
        slow.map(|slow| slow <= 1.1),
    );
    let (gained, usual) = (get("slow gained with"), get("slow gained without"));
    row(
        "MiB that the process has gained once they have gone",
        [gained, None, None],
        format!(
            "no more than with them reading, {}: what is stored, cached",
            usual.map_or("?".into(), table::short)
        ),
        gained
            .zip(usual)
            .map(|(gained, usual)| gained <= usual * 1.1 + 4.0),
    );
    row(
        &format!(
            "overload, {} a second offered, twice the sustainable: accepted a second",
            get("overload offered").map_or("?".into(), table::short)
        ),
        [get("overload accepted"), None, None],
        "the rest refused by a code".into(),
        None,
    );
    row(
        "p99 of what was accepted, ms",
        [get("overload p99"), None, None],
        format!(
            "bounded; {} MiB resident at most, all answered {} s after, p99 then {} ms",
            get("overload resident").map_or("?".into(), table::short),
            get("overload drained").map_or("?".into(), table::short),
            get("overload p99 after").map_or("?".into(), table::short)
        ),
        None,
    );
    for (what, name, bound) in [
        ("release executable, MiB", "executable", 16.0),
        ("resident at start, MB", "resident", 12.0),
        ("from exec to the first accepted request, ms", "ms", 50.0),
    ] {
        let met = chatd("start", name).map(|value| value <= bound);
        row(what, three("start", name), table::short(bound), met);
    }
    rows
}
