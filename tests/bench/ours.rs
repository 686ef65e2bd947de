//! All that is used of [`chatd::store`]: opening, the closed loop of writes, reads, closing.
//! Another shape of that API is met here and nowhere else.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chatd::model::{ClientId, MessageId, Timestamp, UserId, Username};
use chatd::store::{
    BATCHES, Change, Committed, Done, HistoryQuery, Location, NewUser, Store, StoreError,
    StoreOptions, Talk,
};
pub(crate) use chatd::store::{ReadError, Snapshot};
use tokio::sync::mpsc;

use super::Error;
use super::workload::Outgoing;
use super::writes::Tally;

/// How many changes are outstanding where a file is filled: two full transactions of the writer.
pub(crate) const FILLING: usize = 10_000;

/// An open store, and the batches that it confirms.
pub(crate) struct Ours {
    store: Store,
    batches: mpsc::Receiver<Vec<Done>>,
}

/// What became of the changes of the batch that is being told.
type Told = Arc<Mutex<VecDeque<(Duration, Result<Committed, StoreError>)>>>;

impl Ours {
    /// Opens or makes the file, as a server does.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let (done, batches) = mpsc::channel(BATCHES);
        let location = Location::File(path.to_owned());
        let store = Store::open(&location, StoreOptions::default(), done)?;
        Ok(Self { store, batches })
    }

    /// A closed loop: so many changes are outstanding, and each answer brings the next, until
    /// `next` gives no more and all are answered. This thread receives the batches and calls their
    /// answers, as the server's own task does.
    pub(crate) fn run(
        &mut self,
        outstanding: usize,
        mut next: impl FnMut() -> Option<Change>,
    ) -> Result<Tally, Error> {
        let told = Told::default();
        let submit = |change: Change| {
            let told = Arc::clone(&told);
            let begin = Instant::now();
            let answer = move |result| {
                let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                told.push_back((begin.elapsed(), result));
            };
            self.store.submit(Timestamp::now(), change, answer);
        };
        let mut tally = Tally::default();
        let start = Instant::now();
        let mut waiting = 0;
        while waiting < outstanding
            && let Some(change) = next()
        {
            submit(change);
            waiting += 1;
        }
        while waiting > 0 {
            let batch = self.batches.blocking_recv().ok_or("the writer has ended")?;
            tally.commits += 1;
            for done in batch {
                done.tell(drop);
                let answered = told
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .pop_front();
                let (waited, result) = answered.ok_or("an answer said nothing")?;
                result?;
                tally.confirmed.push(waited);
                match next() {
                    Some(change) => submit(change),
                    None => waiting -= 1,
                }
            }
        }
        tally.elapsed = start.elapsed();
        Ok(tally)
    }

    /// Writes changes as fast as they are taken.
    pub(crate) fn fill(
        &mut self,
        changes: impl IntoIterator<Item = Change>,
    ) -> Result<Tally, Error> {
        let mut changes = changes.into_iter();
        self.run(FILLING, || changes.next())
    }

    /// Makes so many accounts, whose ids are then 1 to the count.
    pub(crate) fn create_users(&mut self, count: u64) -> Result<(), Error> {
        let mut numbers = 1..=count;
        let names = || {
            let username = Username::registered(&format!("user{:05}", numbers.next()?)).ok()?;
            Some(Change::CreateUser(NewUser {
                username,
                name: None,
                avatar: None,
                // As long as a true one, and good for nothing.
                password_hash: Some("$argon2id$v=19$m=19456,t=2,p=1$".repeat(3).into()),
                is_admin: false,
                is_bot: false,
                only_if_first: false,
                invite: None,
            }))
        };
        self.run(FILLING, names)?;
        if self.users() != count {
            return Err("the accounts have other ids than expected".into());
        }
        Ok(())
    }

    /// How many accounts there are.
    pub(crate) fn users(&self) -> u64 {
        let ids = (1..).map_while(|id| UserId::new(id).ok());
        ids.take_while(|id| self.store.user(*id).is_some()).count() as u64
    }

    /// Runs a query by [`Store::read`] and waits for it.
    pub(crate) fn read<R: Send + 'static>(
        &self,
        runtime: &tokio::runtime::Runtime,
        query: impl Fn(&Snapshot<'_>) -> Result<R, ReadError> + Send + 'static,
    ) -> Result<R, Error> {
        Ok(runtime.block_on(self.store.read(query))?)
    }

    /// Ends cleanly: the file needs no repair.
    pub(crate) fn close(self) {
        self.store.close();
    }
}

/// The change that stores a message.
pub(crate) fn send(message: Outgoing) -> Change {
    let client_id = message.client_id.map(|bytes| {
        let hex = format!("{:032x}", u128::from_be_bytes(bytes));
        let parts = [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ];
        ClientId::new(&parts.join("-")).expect("a UUID is a valid client id")
    });
    let (sender, receiver) = (user(message.sender), user(message.receiver));
    Change::Talk(Talk::send(sender, receiver, message.content, client_id))
}

/// The change by which a receiver has read all that a sender sent.
pub(crate) fn read_all(receiver: u64, sender: u64) -> Change {
    Change::Talk(Talk::read_up_to(user(receiver), user(sender), None))
}

/// The page of history that ends before a message, or the newest one; how many rows it has.
pub(crate) fn history(
    snapshot: &Snapshot<'_>,
    one: u64,
    other: u64,
    before: Option<u64>,
    limit: usize,
) -> Result<usize, ReadError> {
    let before = before.map(|id| MessageId::new(id).expect("an id is made from 1 up"));
    let query = HistoryQuery {
        before,
        after: None,
        limit,
    };
    Ok(
        std::hint::black_box(snapshot.history(user(one), user(other), query)?)
            .rows
            .len(),
    )
}

/// Somebody's recents, the newest first: peers and newest messages.
pub(crate) fn recents(
    snapshot: &Snapshot<'_>,
    one: u64,
    limit: usize,
) -> Result<Vec<(u64, u64)>, ReadError> {
    let page = snapshot.recents(user(one), None, limit)?;
    let rows = page.rows.iter();
    Ok(rows
        .map(|row| (row.peer.id.get(), row.last_message.id.get()))
        .collect())
}

fn user(id: u64) -> UserId {
    UserId::new(id).expect("ids of users are made from 1 up")
}
