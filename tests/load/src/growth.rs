//! Mode `growth`: the same figures with more and more connections, and with more and more messages
//! stored, and a plot.
//!
//! - Connections: of those who are connected, [`WRITERS`] at most write, to receivers everywhere
//!   among all.
//! - Stored messages: a data file is made by `chatd import` of lines that are written here:
//!   [`PEOPLE`] people who know [`CONTACTS`] others each, and who write as often as Zipf's law has
//!   it. The smallest file is what mode `rest` writes.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::modes::talking::{self, Times};
use crate::modes::{idle, rest};
use crate::plot::{self, Line, Panel};
use crate::server::{Kind, Programs, Server, Site};
use crate::table::short;
use crate::talk::{Random, Shape};
use crate::{Error, files};

const WRITERS: usize = 200;
/// Each keeps so many outstanding.
const OUTSTANDING: usize = 16;
/// Messages a second of the open loop.
const RATE: f64 = 2_000.0;
const PEOPLE: u64 = 10_000;
const CONTACTS: u64 = 64;
/// How many people's pages are asked for.
const READERS: u64 = 3_000;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Growth {
    /// How many connections, in place of 100, 1,000, 10,000 and as many as the limit of open files
    /// allows.
    #[arg(long, value_delimiter = ',')]
    connections: Option<Vec<usize>>,
    /// How many stored messages, in place of 10 thousand, 1 million and 10 million.
    #[arg(long, value_delimiter = ',')]
    messages: Option<Vec<u64>>,
    /// Where the plot goes.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.github/growth.svg"))]
    plot: PathBuf,
    /// Where the figures are kept, so that a run of one axis leaves the other's as they were.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/load/growth.json"))]
    figures: PathBuf,
}

/// One place on an axis.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Point {
    at: f64,
    /// Confirmed a second, and CPU for each, in a closed loop.
    rate: f64,
    cpu_us: f64,
    /// Waits of an open loop.
    p50_ms: f64,
    p99_ms: f64,
    /// Requests a second; only where messages are counted.
    history: f64,
    recents: f64,
    started_ms: f64,
    /// Resident MiB.
    resident: f64,
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Figures {
    connections: Vec<Point>,
    messages: Vec<Point>,
}

/// Measures both axes and draws them.
pub(crate) fn growth(args: &Growth, programs: &Programs) -> Result<(), Error> {
    let mut figures: Figures = match std::fs::read(&args.figures) {
        Ok(text) => serde_json::from_slice(&text)?,
        Err(_) => Figures::default(),
    };
    let most = files::connections()?;
    let connections = args
        .connections
        .clone()
        .unwrap_or(vec![100, 1_000, 10_000, most]);
    let messages = args
        .messages
        .clone()
        .unwrap_or(vec![10_000, 1_000_000, 10_000_000]);
    for count in connections {
        let point = connected(programs, count.min(most))?;
        keep(&mut figures.connections, point);
    }
    for count in messages {
        let point = stored(programs, count)?;
        keep(&mut figures.messages, point);
    }
    std::fs::write(&args.figures, serde_json::to_vec_pretty(&figures)?)?;
    print("connections", &figures.connections);
    print("stored messages", &figures.messages);
    draw(&figures, &args.plot)
}

fn keep(points: &mut Vec<Point>, point: Point) {
    points.retain(|other| (other.at / point.at - 1.0).abs() > 0.2);
    points.push(point);
    points.sort_by(|one, other| one.at.total_cmp(&other.at));
}

fn print(what: &str, points: &[Point]) {
    println!(
        "| {what} | sends a second | us of CPU each | p50 ms at {RATE:.0}/s | p99 ms | history a second | recents | MiB resident | start ms |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for point in points {
        let values = [
            point.at,
            point.rate,
            point.cpu_us,
            point.p50_ms,
            point.p99_ms,
            point.history,
            point.recents,
            point.resident,
            point.started_ms,
        ];
        let cells = values.map(|value| {
            if value == 0.0 {
                String::new()
            } else {
                short(value)
            }
        });
        println!("| {} |", cells.join(" | "));
    }
    println!();
}

/// The figures that both axes have.
fn figures(site: Site, at: f64, shape: &Shape) -> Result<Point, Error> {
    let times = Times::new(1.0, 3.0);
    let open = talking::open(site, shape, 1, RATE, times)?;
    let closed = talking::closed(site, shape, 1, OUTSTANDING, times)?;
    for talked in [&open, &closed] {
        if !talked.verdict.is_clean() {
            return Err(format!("{at}: {}", talked.verdict).into());
        }
    }
    Ok(Point {
        at,
        rate: closed.rate(),
        cpu_us: closed.cpu_us(),
        p50_ms: open.ms(0.5),
        p99_ms: open.ms(0.99),
        history: 0.0,
        recents: 0.0,
        started_ms: 0.0,
        resident: open.resident[0] as f64 / 1_024.0,
    })
}

fn connected(programs: &Programs, count: usize) -> Result<Point, Error> {
    eprintln!("{count} connections");
    let server = Server::start(Kind::Chatd, programs)?;
    let server = idle::prepared(server, programs, 1, count)?;
    let shape = Shape {
        senders: count.min(WRITERS),
        ..Shape::new(count)
    };
    let point = figures(server.site, count as f64, &shape)?;
    server.stop()?;
    Ok(point)
}

fn stored(programs: &Programs, count: u64) -> Result<Point, Error> {
    eprintln!("{count} stored messages");
    std::fs::create_dir_all(&programs.dir)?;
    let folder = tempfile::tempdir_in(&programs.dir)?;
    let data = folder.path().join("data");
    let small = count < 100_000;
    let ids: Vec<u64> = if small {
        rest::filled(1)
    } else {
        (1..=READERS).collect()
    };
    if small {
        let server = Server::start_on(programs, &data)?;
        while rest::fill(server.site, 1)? < count {}
        server.stop()?;
    } else {
        let began = Instant::now();
        import(programs, &data, count)?;
        eprintln!("imported in {:.1} s", began.elapsed().as_secs_f64());
    }
    let server = Server::start_on(programs, &data)?;
    let [histories, recents] = rest::questions(server.site, &ids)?;
    eprintln!(
        "{} histories and {} recents have full pages",
        histories.len(),
        recents.len()
    );
    let times = Times::new(1.0, 2.0);
    let (histories, recents) = (
        rest::run(server.site, &histories, times)?,
        rest::run(server.site, &recents, times)?,
    );
    let mut point = figures(server.site, count as f64, &Shape::new(WRITERS))?;
    point.history = histories.rate();
    point.recents = recents.rate();
    point.started_ms = server.started_in.as_secs_f64() * 1e3;
    server.stop()?;
    Ok(point)
}

/// Writes lines of export to `chatd import`.
fn import(programs: &Programs, data: &Path, count: u64) -> Result<(), Error> {
    let mut child = Command::new(&programs.chatd)
        .arg("--data")
        .arg(data)
        .args(["import", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let mut out = BufWriter::with_capacity(1 << 20, child.stdin.take().ok_or("no standard input")?);
    let written = lines(&mut out, count);
    drop(out);
    let status = child.wait()?;
    if !status.success() {
        return Err(format!("chatd import failed: {status}").into());
    }
    written
}

fn lines(out: &mut impl Write, count: u64) -> Result<(), Error> {
    let at = "2026-01-01T00:00:00.000Z";
    let text = "x".repeat(90);
    writeln!(
        out,
        r#"{{"format":"chatd-export","version":1,"accounts":{PEOPLE},"entries":{count}}}"#
    )?;
    for id in 1..=PEOPLE {
        writeln!(
            out,
            r#"{{"type":"user","id":{id},"username":"load-{id}","is_admin":false,"disabled":false,"token_version":0,"created_at":"{at}"}}"#
        )?;
    }
    let weights: Vec<f64> = (1..=PEOPLE)
        .scan(0.0, |sum, rank| {
            *sum += 1.0 / rank as f64;
            Some(*sum)
        })
        .collect();
    let mut random = Random(1);
    for id in 1..=count {
        let point = random.unit() * weights[weights.len() - 1];
        let rank = weights.partition_point(|sum| *sum <= point) as u64;
        // The busy are not each other's neighbours: 7,919 has no divisor in common with the number
        // of people.
        let sender = rank * 7_919 % PEOPLE;
        let picked = random.next() % CONTACTS;
        let distance = picked / 2 + 1;
        let receiver = if picked.is_multiple_of(2) {
            sender + distance
        } else {
            sender + PEOPLE - distance
        };
        writeln!(
            out,
            r#"{{"type":"message","id":{id},"sender_id":{},"receiver_id":{},"content":"{id:010}{text}","created_at":"{at}"}}"#,
            sender + 1,
            receiver % PEOPLE + 1
        )?;
    }
    out.flush()?;
    Ok(())
}

/// Four panels: rates and waits along both axes.
fn draw(figures: &Figures, path: &Path) -> Result<(), Error> {
    let line = |name: &str, points: &[Point], value: fn(&Point) -> f64| Line {
        name: name.to_owned(),
        points: points
            .iter()
            .map(|point| (point.at, value(point)))
            .collect(),
    };
    let mut panels = Vec::new();
    for (axis, points) in [
        ("connections", &figures.connections),
        ("stored messages", &figures.messages),
    ] {
        let mut rates = vec![line("confirmed sends a second", points, |point| point.rate)];
        if points.iter().any(|point| point.history > 0.0) {
            rates.push(line("history of 50", points, |point| point.history));
            rates.push(line("recents of 50", points, |point| point.recents));
        }
        panels.push(Panel {
            title: format!("a second, by {axis}"),
            lines: rates,
        });
        panels.push(Panel {
            title: format!("ms at {RATE:.0} sends a second, by {axis}"),
            lines: vec![
                line("p50", points, |point| point.p50_ms),
                line("p99", points, |point| point.p99_ms),
            ],
        });
    }
    panels.retain(|panel| panel.lines.iter().all(|line| !line.points.is_empty()));
    plot::draw(&panels, path)
}
