//! Mode `store`: the same messages written by chatd's store and by SQLite, on one disk, in turns.
//!
//! Both files get the same messages first (`--prefill`). Then, for each number of messages
//! outstanding, chatd and SQLite run one after the other, several rounds. The table has the medians
//! of the rounds. A ratio is the median of the rounds' ratios, for disks drift and the two runs of
//! a round are neighbours in time; the least and the greatest are in brackets.
//!
//! - chatd: a closed loop. A message is submitted when the answer to an earlier one arrives, so
//!   that always so many are outstanding; its writer makes batches of what is queued, which may be
//!   fewer: see the mean batch.
//! - SQLite: one thread and transactions of so many messages: the best group commit there could be,
//!   without the queue and the second thread that a server would need for it.
//! - `device B/msg`: what the disk itself counted, with the journal of the file system and
//!   everybody else's writes: a machine that does nothing else measures this. `dirty B/msg` is
//!   `write_bytes` of `/proc/self/io`: memory that this process dirtied, in the units of the page
//!   cache. Where these are single pages it is 3 to 18 % less than the disk's count; since Linux
//!   6.16 they are up to a hundred kilobytes on ext4, and count whole, though only the pages that
//!   changed go to the disk: for a file that is written in runs it says nothing then.
//! - `CPU us/msg`: user and system time of all threads of this process, the taking of times
//!   included; not what kernel threads do for the disk.
//! - `p50`, `p99`: from submit, or the begin of the transaction, until the answer is called, or the
//!   commit returns.
//! - bytes of file: allocated blocks at the end, both closed, over all messages of the file.
//!   chatd's has the accounts too, and both have few messages a conversation: `fill` of ten million
//!   tells more.
//!
//! Not measured: reads beside the writes, read marks, sockets, and whether the disk keeps what it
//! confirmed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::ours::{self, Ours};
use super::sqlite::Sqlite;
use super::workload::{People, Traffic};
use super::{Error, Usage, allocated, quantile};

/// The project's targets: at so many outstanding, so many times SQLite's messages a second.
const TARGET_RATIOS: [(usize, f64); 4] = [(1, 0.7), (10, 2.5), (100, 8.0), (1_000, 25.0)];
/// At so many outstanding, one such part of SQLite's device bytes.
const TARGET_DEVICE: (usize, f64) = (100, 30.0);
/// So many messages a second of a run are made before it, for either engine: more than any has
/// taken.
const PREPARED: f64 = 700_000.0;
/// Bytes of file for a message of 100 characters, at most.
pub(crate) const TARGET_FILE: f64 = 150.0;

/// What is to be compared.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Messages outstanding; a comparison for each number.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 100, 1_000])]
    outstanding: Vec<usize>,
    /// The files are made in a new folder of this one, and removed at the end.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// How many people there are.
    #[arg(long, default_value_t = 10_000)]
    users: u64,
    /// Messages in both files before anything is measured.
    #[arg(long, default_value_t = 200_000)]
    prefill: u64,
    /// Runs of each engine for each number outstanding.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// How long a run takes.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Give every message a client id, and SQLite a unique index of them.
    #[arg(long)]
    client_ids: bool,
}

/// What one run of writes came to.
#[derive(Default)]
pub(crate) struct Tally {
    /// How long each change waited until it was confirmed.
    pub(crate) confirmed: Vec<Duration>,
    /// Transactions.
    pub(crate) commits: u64,
    /// From the first change to the last confirmation.
    pub(crate) elapsed: Duration,
}

/// The columns that a run fills: their heads, and how many decimals they have.
const COLUMNS: [(&str, usize); 8] = [
    ("msg/s", 0),
    ("device B/msg", 0),
    ("dirty B/msg", 0),
    ("CPU us/msg", 1),
    ("commits/s", 0),
    ("mean batch", 1),
    ("p50 ms", 2),
    ("p99 ms", 2),
];
const RATE: usize = 0;
const DEVICE: usize = 1;
type Row = [f64; COLUMNS.len()];

fn row(mut tally: Tally, before: &Usage, after: &Usage) -> Row {
    let messages = tally.confirmed.len() as f64;
    let seconds = tally.elapsed.as_secs_f64();
    tally.confirmed.sort_unstable();
    let ms = |part| quantile(&tally.confirmed, part).as_secs_f64() * 1e3;
    let device = after.device.zip(before.device);
    [
        messages / seconds,
        device.map_or(f64::NAN, |(after, before)| {
            (after - before) as f64 / messages
        }),
        (after.dirty - before.dirty) as f64 / messages,
        (after.cpu - before.cpu).as_secs_f64() * 1e6 / messages,
        tally.commits as f64 / seconds,
        messages / tally.commits as f64,
        ms(0.5),
        ms(0.99),
    ]
}

/// The middle one, or the mean of the two in the middle.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle - 1], values[middle])
    } else {
        values[middle]
    }
}

/// The ratios of each round, ascending.
fn ratios(over: &[Row], under: &[Row], column: usize) -> Vec<f64> {
    let rounds = over.iter().zip(under);
    let mut ratios: Vec<f64> = rounds
        .map(|(over, under)| over[column] / under[column])
        .collect();
    ratios.sort_unstable_by(f64::total_cmp);
    ratios
}

fn print(outstanding: usize, engine: &str, rows: &[Row]) {
    print!("{outstanding:>11}  {engine:<6}");
    for (at, (head, decimals)) in COLUMNS.iter().enumerate() {
        let value = median(rows.iter().map(|row| row[at]));
        print!("  {value:>width$.decimals$}", width = head.len().max(8));
    }
    println!();
}

/// Runs the comparison and prints it.
pub(crate) fn compare(args: &Args) -> Result<(), Error> {
    if args.rounds == 0 || args.outstanding.contains(&0) {
        return Err("at least one round, and one message outstanding".into());
    }
    let folder = tempfile::Builder::new()
        .prefix("chatd-bench-")
        .tempdir_in(&args.dir)?;
    let dir = folder.path();
    // The magic numbers of tmpfs and of ramfs.
    if matches!(rustix::fs::statfs(dir)?.f_type, 0x0102_1994 | 0x8584_58f6) {
        println!(
            "warning: this folder is in memory, where a sync costs nothing; give --dir of a disk"
        );
    }
    let (our_file, their_file) = (dir.join("chatd.redb"), dir.join("sqlite.db"));
    let people = People::new(args.users);
    let traffic = |seed| Traffic::new(&people, seed, args.client_ids);

    let mut ours = Ours::open(&our_file)?;
    ours.create_users(args.users)?;
    let mut theirs = Sqlite::create(&their_file, args.client_ids)?;
    let mut messages = traffic(0);
    let prefill = (0..args.prefill).map(|_| ours::send(messages.message()));
    let mut our_messages = ours.fill(prefill)?.confirmed.len() as u64;
    theirs.fill(&mut traffic(0), args.prefill)?;

    println!(
        "SQLite {}; {} people, {} messages before, {} rounds of {} s",
        rusqlite::version(),
        args.users,
        args.prefill,
        args.rounds,
        args.seconds
    );
    print!("{:>11}  {:<6}", "outstanding", "engine");
    for (head, _) in COLUMNS {
        print!("  {head:>8}");
    }
    println!();
    let time = Duration::from_secs_f64(args.seconds);
    let mut verdicts = Vec::new();
    for outstanding in args.outstanding.iter().copied() {
        let (mut our_rows, mut their_rows) = (Vec::new(), Vec::new());
        for round in 0..args.rounds {
            let seed = ((outstanding as u64) << 32) | u64::from(round + 1);
            let make = || traffic(seed).prepare((PREPARED * args.seconds) as usize);
            let (mut messages, before) = (make(), Usage::now(dir)?);
            let start = Instant::now();
            let tally = ours.run(outstanding, || {
                (start.elapsed() < time).then(|| ours::send(messages.message()))
            })?;
            our_messages += tally.confirmed.len() as u64;
            our_rows.push(row(tally, &before, &Usage::now(dir)?));

            let (mut messages, before) = (make(), Usage::now(dir)?);
            let tally = theirs.run(&mut messages, outstanding, time)?;
            their_rows.push(row(tally, &before, &Usage::now(dir)?));
        }
        print(outstanding, "chatd", &our_rows);
        print(outstanding, "SQLite", &their_rows);
        let target = TARGET_RATIOS.iter().find(|(at, _)| *at == outstanding);
        verdicts.push((
            format!("messages a second at {outstanding}, times SQLite's"),
            ratios(&our_rows, &their_rows, RATE),
            target.map(|(_, least)| (*least, true)),
        ));
        verdicts.push((
            format!("SQLite's device bytes a message at {outstanding}, times chatd's"),
            ratios(&their_rows, &our_rows, DEVICE),
            (outstanding == TARGET_DEVICE.0).then_some((TARGET_DEVICE.1, true)),
        ));
    }

    let their_messages = theirs.messages();
    ours.close();
    theirs.close()?;
    let each =
        |file, messages: u64| Ok::<_, Error>(vec![allocated(file)? as f64 / messages as f64]);
    verdicts.push((
        "bytes of file a message, chatd".into(),
        each(&our_file, our_messages)?,
        Some((TARGET_FILE, false)),
    ));
    verdicts.push((
        "bytes of file a message, SQLite".into(),
        each(&their_file, their_messages)?,
        None,
    ));
    println!("\nmessages at the end: chatd {our_messages}, SQLite {their_messages}");
    for (what, values, target) in verdicts {
        let value = median(values.iter().copied());
        print!("{what:<57}{value:>8.2}");
        if let [first, .., last] = values[..] {
            print!(" ({first:.2} to {last:.2})");
        }
        if let Some((target, at_least)) = target {
            let met = if at_least {
                value >= target
            } else {
                value <= target
            };
            let (sign, met) = (
                if at_least { ">=" } else { "<=" },
                if met { "met" } else { "missed" },
            );
            print!("  target {sign} {target}: {met}");
        }
        println!();
    }
    Ok(())
}
