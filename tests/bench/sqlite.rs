//! The other side: SQLite as a careful programmer would use it for the same product, in a plain
//! relational layout.
//!
//! WAL with `synchronous=FULL`, so that a committed transaction survives a power cut, as chatd's
//! do; prepared statements; a page cache of 64 MiB, as large as chatd's; automatic checkpoints as
//! they come. A message is a row of `messages` and of `conversations` (history by pair), two
//! upserts of `recents` and one of `unread`; with client ids also an entry of a unique index. Left
//! out in SQLite's favour: a table of users with foreign keys, an index that keeps recents in
//! order, read marks, checksums, and any queue between who asks and who writes.

use std::path::Path;
use std::time::{Duration, Instant};

use chatd::model::Timestamp;
use rusqlite::{Connection, params};

use super::Error;
use super::workload::Traffic;
use super::writes::Tally;

const SCHEMA: &str = "
    PRAGMA page_size = 4096;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -65536;
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY, sender INTEGER NOT NULL, receiver INTEGER NOT NULL,
        created_at INTEGER NOT NULL, content TEXT NOT NULL, client_id BLOB
    );
    CREATE TABLE conversations (
        low INTEGER NOT NULL, high INTEGER NOT NULL, message INTEGER NOT NULL,
        PRIMARY KEY (low, high, message)
    ) WITHOUT ROWID;
    CREATE TABLE recents (
        user INTEGER NOT NULL, peer INTEGER NOT NULL, last INTEGER NOT NULL,
        PRIMARY KEY (user, peer)
    ) WITHOUT ROWID;
    CREATE TABLE unread (
        user INTEGER NOT NULL, peer INTEGER NOT NULL, messages INTEGER NOT NULL,
        PRIMARY KEY (user, peer)
    ) WITHOUT ROWID;
";

const CLIENT_IDS: &str = "CREATE UNIQUE INDEX client_ids ON messages (sender, client_id)";

/// An open database, and the id of its newest message.
pub(crate) struct Sqlite {
    connection: Connection,
    last: i64,
}

impl Sqlite {
    /// Makes the file.
    pub(crate) fn create(path: &Path, client_ids: bool) -> Result<Self, Error> {
        let connection = Connection::open(path)?;
        connection.execute_batch(SCHEMA)?;
        if client_ids {
            connection.execute_batch(CLIENT_IDS)?;
        }
        let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        let sync: i64 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
        if mode != "wal" || sync != 2 {
            return Err(format!("SQLite has journal_mode {mode}, synchronous {sync}").into());
        }
        Ok(Self {
            connection,
            last: 0,
        })
    }

    /// One transaction: the next messages of the traffic.
    fn transaction(&mut self, traffic: &mut Traffic<'_>, messages: usize) -> Result<(), Error> {
        let transaction = self.connection.transaction()?;
        {
            let mut message = transaction.prepare_cached(
                "INSERT INTO messages (id, sender, receiver, created_at, content, client_id) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            let mut conversation = transaction.prepare_cached(
                "INSERT INTO conversations (low, high, message) VALUES (?1, ?2, ?3)",
            )?;
            let mut recent = transaction.prepare_cached(
                "INSERT INTO recents (user, peer, last) VALUES (?1, ?2, ?3) \
                 ON CONFLICT DO UPDATE SET last = excluded.last",
            )?;
            let mut unread = transaction.prepare_cached(
                "INSERT INTO unread (user, peer, messages) VALUES (?1, ?2, 1) \
                 ON CONFLICT DO UPDATE SET messages = messages + 1",
            )?;
            for _ in 0..messages {
                let sent = traffic.message();
                let (sender, receiver) = (sent.sender.cast_signed(), sent.receiver.cast_signed());
                let at = Timestamp::now().as_ms().cast_signed();
                self.last += 1;
                let client_id = sent.client_id.as_ref().map(<[u8; 16]>::as_slice);
                message.execute(params![
                    self.last,
                    sender,
                    receiver,
                    at,
                    &*sent.content,
                    client_id
                ])?;
                let (low, high) = (sender.min(receiver), sender.max(receiver));
                conversation.execute(params![low, high, self.last])?;
                recent.execute(params![sender, receiver, self.last])?;
                recent.execute(params![receiver, sender, self.last])?;
                unread.execute(params![receiver, sender])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Writes transactions of so many messages for that long. Each message waits as long as its
    /// transaction takes.
    pub(crate) fn run(
        &mut self,
        traffic: &mut Traffic<'_>,
        outstanding: usize,
        time: Duration,
    ) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        let start = Instant::now();
        while start.elapsed() < time {
            let begin = Instant::now();
            self.transaction(traffic, outstanding)?;
            let waited = begin.elapsed();
            tally.confirmed.extend((0..outstanding).map(|_| waited));
            tally.commits += 1;
        }
        tally.elapsed = start.elapsed();
        Ok(tally)
    }

    /// Writes so many messages in large transactions.
    pub(crate) fn fill(&mut self, traffic: &mut Traffic<'_>, messages: u64) -> Result<(), Error> {
        let mut left = messages as usize;
        while left > 0 {
            let batch = left.min(5_000);
            self.transaction(traffic, batch)?;
            left -= batch;
        }
        Ok(())
    }

    /// How many messages there are.
    pub(crate) fn messages(&self) -> u64 {
        self.last.cast_unsigned()
    }

    /// Brings the WAL home and ends.
    pub(crate) fn close(self) -> Result<(), Error> {
        self.connection.close().map_err(|(_, error)| error.into())
    }
}
