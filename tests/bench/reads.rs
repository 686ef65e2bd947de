//! Mode `read`: how long a page of history and of recents takes, for one reader of a file that
//! nobody writes to.
//!
//! One query after another: the newest page of [`ROWS`] messages of a random conversation, a page
//! of it before a random id, and [`ROWS`] recents of a random person. Conversations of less than a
//! page are passed over, unless there is no other: they would make a page look cheap. Those left
//! are the busier ones. An id is random between the first of the file and the conversation's
//! newest, so that a page may be short; the mean number of rows is part of the result.
//!
//! `straight` is within one call of the store, on one snapshot; `by read` is a call each, with the
//! hop to a thread that may block and the begin of a snapshot. All queries were asked once before,
//! so that the page cache of the kernel is warm, and the store's own as far as it reaches.
//!
//! Not measured: readers beside each other or beside the writer, a cold file, and the making of an
//! answer's JSON.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::files::{conversations, runtime};
use super::ours::{self, Ours, ReadError, Snapshot};
use super::workload::Random;
use super::{Error, allocated, quantile};

/// Rows of a page.
const ROWS: usize = 50;
const SEED: u64 = 1;

/// One question to the store.
#[derive(Clone, Copy)]
enum Query {
    History(u64, u64, Option<u64>),
    Recents(u64),
}

impl Query {
    /// How many rows the answer has.
    fn ask(self, snapshot: &Snapshot<'_>) -> Result<usize, ReadError> {
        match self {
            Self::History(one, other, before) => ours::history(snapshot, one, other, before, ROWS),
            Self::Recents(one) => ours::recents(snapshot, one, ROWS).map(|rows| rows.len()),
        }
    }
}

/// Reads the file and prints how long that takes.
pub(crate) fn read(data: &Path, queries: usize) -> Result<(), Error> {
    // Before the opening, which would make a file where there is none.
    allocated(data)?;
    let (ours, runtime) = (Ours::open(data)?, runtime()?);
    let all = conversations(&ours, &runtime)?;
    let users = ours.users();
    if all.is_empty() || queries == 0 {
        return Err("nothing to read".into());
    }
    let mut random = Random::new(SEED);
    let sample: Vec<_> = (0..queries)
        .map(|_| all[random.below(all.len() as u64) as usize])
        .collect();
    let conversations = ours.read(&runtime, move |snapshot| {
        let mut full = Vec::new();
        for (one, other, last) in &sample {
            if ours::history(snapshot, *one, *other, None, ROWS)? == ROWS {
                full.push((*one, *other, *last));
            }
        }
        println!(
            "{} of {queries} random conversations fill a page",
            full.len()
        );
        Ok(if full.is_empty() {
            sample.clone()
        } else {
            full
        })
    })?;
    let newest: Arc<[Query]> = (0..queries)
        .map(|_| {
            let (one, other, _) = conversations[random.below(conversations.len() as u64) as usize];
            Query::History(one, other, None)
        })
        .collect();
    let before = (0..queries).map(|_| {
        let (one, other, last) = conversations[random.below(conversations.len() as u64) as usize];
        Query::History(one, other, Some(1 + random.below(last)))
    });
    let before = before.collect();
    let recents = (0..queries).map(|_| Query::Recents(1 + random.below(users)));
    let recents = recents.collect();
    println!(
        "{queries} queries each; times in us\n{:<18} {:>9} {:>13} {:>13} {:>12} {:>12}",
        "query", "mean rows", "straight p50", "straight p99", "by read p50", "by read p99"
    );
    for (kind, queries) in [
        ("newest page", newest),
        ("page before an id", before),
        ("recents", recents),
    ] {
        let mut straight = Vec::new();
        let mut rows = 0;
        // The first time is to warm up.
        for _ in 0..2 {
            let queries = Arc::clone(&queries);
            (straight, rows) = ours.read(&runtime, move |snapshot| {
                let mut rows = 0;
                let mut times = Vec::with_capacity(queries.len());
                for query in queries.iter() {
                    let start = Instant::now();
                    rows += query.ask(snapshot)?;
                    times.push(start.elapsed());
                }
                Ok((times, rows))
            })?;
        }
        let mut by_read = Vec::with_capacity(queries.len());
        for query in queries.iter().copied() {
            let start = Instant::now();
            ours.read(&runtime, move |snapshot| query.ask(snapshot))?;
            by_read.push(start.elapsed());
        }
        let us = |times: &mut Vec<Duration>, part| {
            times.sort_unstable();
            quantile(times, part).as_secs_f64() * 1e6
        };
        println!(
            "{kind:<18} {:>9.1} {:>13.1} {:>13.1} {:>12.1} {:>12.1}",
            rows as f64 / queries.len() as f64,
            us(&mut straight, 0.5),
            us(&mut straight, 0.99),
            us(&mut by_read, 0.5),
            us(&mut by_read, 0.99)
        );
    }
    ours.close();
    Ok(())
}
