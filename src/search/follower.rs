//! What makes the index: follows the log, writes parts to files, and makes those anew that are
//! stale or damaged. One thing at a time, a page of the log each, so that what was just said is
//! never long in coming.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::time::sleep;

use super::catalog::{self, Listed};
use super::index::{Part, forget_changed, take_again};
use super::pages::{Seed, paged};
use super::recent::Recent;
use super::sealing::seal;
use super::segment::{Segment, name_of};
use super::verbs::{Inner, Search};
use crate::model::Timestamp;
use crate::store::{StoreError, Trail};

/// 1 MiB of the log is read at once.
const PAGE_BYTES: usize = 1 << 20;
/// 100 ms: what is said in that time is indexed together.
const GATHERED: Duration = Duration::from_millis(100);
/// 10 s: how often is looked whether a part has been stale for long enough.
const LOOKED_EVERY: Duration = Duration::from_secs(10);
/// 8,000 entries a second are a flood.
const FLOOD: u128 = 8_000;
/// In a flood the machine is left to others for 12 times as long as a step took: every message is
/// stored and told with what the index takes otherwise. Where more comes than can be indexed so,
/// that is made up for once the flood is over.
const REST_IN_FLOOD: u32 = 12;
/// 5 s: how long after a failure of the disk it is tried again.
const TRIED_EVERY: Duration = Duration::from_secs(5);
/// A part is made anew once it has been stale for a quarter of the time that is allowed: what comes
/// meanwhile goes with it.
const STALE_PART: u32 = 4;

/// Why the index does not get on.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Store(#[from] StoreError),
    /// A file cannot be written, or there is no thread for it.
    #[error("a file of the index cannot be written, or there is no thread for it")]
    Disk(#[from] io::Error),
    /// A bug.
    #[error("the indexing panicked")]
    Panic,
}

impl Stopped {
    fn report(&self) {
        let error = self as &dyn std::error::Error;
        match self {
            // The server is about to stop, or the log says more.
            Self::Store(StoreError::Unavailable) => {
                tracing::debug!(error, "the search does not get on");
            }
            _ => tracing::warn!(error, "the search does not get on; it is tried again"),
        }
    }
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Another may follow at once.
    Done,
    /// There is nothing to be done.
    Nothing,
}

/// A part that is being made anew.
struct Again {
    listed: Listed,
    recent: Recent,
    position: u64,
}

/// Returns whether so many entries within so long are a flood.
fn is_flood(came: u64, within: Duration) -> bool {
    u128::from(came) * 1_000 >= FLOOD * within.as_millis().max(1)
}

impl Search {
    /// Keeps the index as the log is; what is stale in its files goes within `erase_within`. Never
    /// ends.
    pub async fn run(self, now: fn() -> Timestamp, erase_within: Duration) {
        let mut newest = self.inner.store.newest_entry();
        let stale_for = erase_within / STALE_PART;
        let mut again = None;
        let mut seen = (Instant::now(), self.inner.store.last_entry());
        loop {
            let began = Instant::now();
            let purge = *self.inner.purge.borrow();
            let step = self.step(&mut again, now(), stale_for, purge).await;
            let ended = (Instant::now(), self.inner.store.last_entry());
            let (then, entry) = std::mem::replace(&mut seen, ended);
            let is_flood = is_flood(ended.1.saturating_sub(entry), ended.0 - then);
            let took = ended.0 - began;
            let (rest, gathered) = match is_flood {
                true => (took * REST_IN_FLOOD, GATHERED.max(took * REST_IN_FLOOD)),
                false => (took, GATHERED),
            };
            match step {
                // The machine is left to others where there is much.
                Ok(Step::Done) if is_flood || self.is_behind() || again.is_some() => {
                    sleep(rest).await;
                }
                Ok(Step::Done) => {}
                Ok(Step::Nothing) => {
                    self.inner.purged.send_replace((purge, false));
                    tokio::select! {
                        changed = newest.changed() => match changed {
                            Ok(()) => sleep(gathered).await,
                            Err(_) => return,
                        },
                        () = self.inner.woken.notified() => {}
                        () = sleep(LOOKED_EVERY.min(stale_for / 4)) => {}
                    }
                }
                Err(stopped) => {
                    self.inner.metrics.failed();
                    stopped.report();
                    let done = self.inner.purged.borrow().0;
                    self.inner.purged.send_replace((done, true));
                    sleep(TRIED_EVERY).await;
                }
            }
        }
    }

    /// Returns whether there is more to be indexed than comes in a moment.
    fn is_behind(&self) -> bool {
        let newest = self.inner.store.last_entry();
        newest.saturating_sub(self.inner.index.read().position) > self.step_size()
    }

    /// How many entries are taken in at once.
    fn step_size(&self) -> u64 {
        self.inner.index.read().sizes.page as u64
    }

    /// Does the next thing that is to be done.
    async fn step(
        &self,
        again: &mut Option<Again>,
        now: Timestamp,
        stale_for: Duration,
        purge: u64,
    ) -> Result<Step, Stopped> {
        let (is_full, is_sealing) = {
            let index = self.inner.index.read();
            (index.is_full(), index.sealing.is_some())
        };
        if is_full || is_sealing {
            self.apart(Inner::seal_recent).await?;
            return Ok(Step::Done);
        }
        let (followed, going) = self.follow(again.take()).await?;
        if let Some(going) = going {
            *again = self.go_on(going).await?;
            return Ok(Step::Done);
        }
        if followed == Step::Done {
            return Ok(followed);
        }
        let is_purging = purge > self.inner.purged.borrow().0;
        *again = self.inner.to_be_made_again(now, stale_for, is_purging);
        Ok(match again {
            Some(_) => Step::Done,
            None => Step::Nothing,
        })
    }

    /// Takes in the next page of the log. What that changes goes from a part that is being made
    /// anew, too.
    async fn follow(&self, mut again: Option<Again>) -> Result<(Step, Option<Again>), Stopped> {
        let (position, page) = {
            let index = self.inner.index.read();
            (index.position, index.sizes.page)
        };
        let trail = self.trail(position, page).await?;
        if trail.damaged > 0 {
            let (count, through) = (trail.damaged, trail.through);
            tracing::error!(count, through, "damaged entries of the log are not indexed");
        }
        let is_last = trail.through >= trail.newest;
        if trail.through > position || is_last && !self.inner.is_complete() {
            let taken = self.apart(move |inner| {
                let _turn = inner.turn.lock();
                if let Some(again) = &mut again {
                    forget_changed(&mut again.recent, &trail);
                }
                {
                    let mut index = inner.index.write();
                    index.take(&trail);
                    let is_whole = index.parts.iter().all(|part| part.segment.is_some());
                    index.is_complete |= is_last && is_whole;
                }
                inner.note();
                Ok(again)
            });
            again = taken.await?;
        }
        let step = match is_last {
            true => Step::Nothing,
            false => Step::Done,
        };
        Ok((step, again))
    }

    async fn trail(&self, position: u64, page: usize) -> Result<Trail, StoreError> {
        let read = self
            .inner
            .store
            .read(move |snapshot| snapshot.entries_after(position, page, PAGE_BYTES));
        read.await
    }

    /// Takes in the next page of a span that is indexed anew, and puts the part in its place at the
    /// end.
    async fn go_on(&self, mut again: Again) -> Result<Option<Again>, Stopped> {
        let page = self.inner.index.read().sizes.page;
        let through = again.listed.through;
        if again.position < through {
            let trail = self.trail(again.position, page).await?;
            // A log that has become shorter is another one.
            if trail.through == again.position {
                return Ok(None);
            }
            let taken = self.apart(move |inner| {
                let _turn = inner.turn.lock();
                take_again(&mut again.recent, &trail, through, &inner.index.read());
                again.position = trail.through;
                Ok(again)
            });
            return Ok(Some(taken.await?));
        }
        self.apart(move |inner| inner.seal_again(&again)).await?;
        Ok(None)
    }

    /// Does something on the thread of the search.
    async fn apart<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Inner) -> Result<T, Stopped> + Send + 'static,
    ) -> Result<T, Stopped> {
        let inner = Arc::clone(&self.inner);
        let done = self.inner.worker.run(move || what(&inner)).await?;
        done.ok_or(Stopped::Panic)?
    }
}

/// Makes the bytes of the file of a number, while others that wait for the turn have theirs in
/// between.
fn sealed(turn: &Mutex<()>, recent: &Recent, stamp: [u8; 16], listed: Listed) -> Option<Vec<u8>> {
    let mut held = turn.lock();
    let bytes = seal(recent, stamp, listed.through, &mut || {
        MutexGuard::bump(&mut held)
    });
    bytes.map(|bytes| paged(&bytes, Seed::of(stamp, listed.number)))
}

impl Inner {
    /// Writes the newest part to a file.
    fn seal_recent(&self) -> Result<(), Stopped> {
        let (recent, through, stamp, number) = {
            let mut index = self.index.write();
            let (recent, through) = match index.sealing.clone() {
                Some(sealing) => sealing,
                None => index.freeze(),
            };
            (recent, through, index.stamp, index.next_number())
        };
        let listed = Listed {
            number,
            from: recent.from,
            through,
            stale_since: None,
        };
        let bytes = sealed(&self.turn, &recent, stamp, listed);
        let part = self.written(bytes, listed)?;
        let mut catalog = self.index.read().catalog(through);
        catalog
            .segments
            .extend(part.as_ref().map(|part| part.listed));
        self.folder.write(catalog::NAME, &catalog.encode())?;
        let mut index = self.index.write();
        index.has_written(number);
        index.parts.extend(part);
        index.sealing = None;
        drop(index);
        self.note_files();
        Ok(())
    }

    /// Returns the part to be made anew first: one that is damaged, or that has been stale for so
    /// long.
    fn to_be_made_again(
        &self,
        now: Timestamp,
        stale_for: Duration,
        is_purging: bool,
    ) -> Option<Again> {
        let index = self.index.read();
        let is_due = |part: &&Part| match part.listed.stale_since {
            _ if part.segment.is_none() => true,
            Some(since) => {
                let age = u128::from(since.as_ms().abs_diff(now.as_ms()));
                is_purging || age >= stale_for.as_millis()
            }
            None => false,
        };
        let listed = index.parts.iter().find(is_due)?.listed;
        Some(Again {
            listed,
            recent: Recent::after(listed.from, 0),
            position: listed.from,
        })
    }

    /// Puts a part that was made anew in the place of the one of its span.
    fn seal_again(&self, again: &Again) -> Result<(), Stopped> {
        let (stamp, number, position) = {
            let index = self.index.read();
            (index.stamp, index.next_number(), index.recent.from)
        };
        let listed = Listed {
            number,
            stale_since: None,
            ..again.listed
        };
        let bytes = sealed(&self.turn, &again.recent, stamp, listed);
        let part = self.written(bytes, listed)?;
        let old = again.listed.number;
        let mut catalog = self.index.read().catalog(position);
        let place = catalog.segments.iter().position(|part| part.number == old);
        let Some(place) = place else {
            return Ok(());
        };
        let new = part.as_ref().map(|part| part.listed);
        catalog.segments.splice(place..=place, new);
        self.folder.write(catalog::NAME, &catalog.encode())?;
        let mut index = self.index.write();
        index.has_written(number);
        index.parts.splice(place..=place, part);
        let names = index.parts.iter().map(|part| name_of(part.listed.number));
        let names: Vec<String> = names.collect();
        drop(index);
        self.readers.forget();
        self.folder
            .keep_only(&|name| name == catalog::NAME || names.iter().any(|kept| kept == name));
        self.metrics.made_again();
        self.note_files();
        Ok(())
    }

    /// Writes a file and opens it; `None` where there is nothing to be written.
    fn written(&self, bytes: Option<Vec<u8>>, listed: Listed) -> Result<Option<Part>, Stopped> {
        let Some(bytes) = bytes else {
            return Ok(None);
        };
        self.folder.write(&name_of(listed.number), &bytes)?;
        let stamp = self.index.read().stamp;
        let segment = Segment::open(&self.folder, listed.number, stamp);
        let segment = segment.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(Some(Part {
            listed,
            segment: Some(Arc::new(segment)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::tests::house::{A_PART, House, NOW, data_in, files_of};

    const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    /// The names of the files that have a text.
    fn files_with(folder: &std::path::Path, text: &str) -> Vec<String> {
        let files = files_of(folder).into_iter();
        let has = |bytes: &[u8]| memchr::memmem::find(bytes, text.as_bytes()).is_some();
        let files = files.filter(|(_, bytes)| has(bytes));
        files.map(|(name, _)| name).collect()
    }

    #[test]
    fn a_flood_is_8_000_entries_a_second() {
        for (came, within, wanted) in [
            (0, 0, false),
            (7_999, 1_000, false),
            (8_000, 1_000, true),
            (399, 50, false),
            (400, 50, true),
            (u64::MAX, 60_000, true),
        ] {
            let within = Duration::from_millis(within);
            assert_eq!(is_flood(came, within), wanted, "{came} in {within:?}");
        }
    }

    /// It stayed in the new file, which was not said to be stale: nothing removed it.
    #[tokio::test]
    async fn what_is_erased_while_a_damaged_part_is_made_anew_is_not_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let house = House::open(folder.path()).with_users(2).await;
        let message = house.send(1, 2, "plain").await;
        for _ in 0..2 * A_PART {
            house.send(1, 2, "filler").await;
        }
        house.caught_up().await;
        assert!(house.search.purge().await);
        house.edit(1, message, "qwvvunmentionable").await;
        for _ in 0..2 * A_PART {
            house.send(1, 2, "filler").await;
        }
        house.caught_up().await;
        let of_edit = loop {
            match &files_with(folder.path(), "wvvunmentionable")[..] {
                [file] => break file.clone(),
                _ => sleep(Duration::from_millis(1)).await,
            }
        };
        house.close().await;
        let index = crate::search::folder_of(&data_in(folder.path()));
        std::fs::remove_file(index.join(of_edit)).unwrap();
        let house = House::resting(folder.path());
        let mut again = None;
        let is_read = |again: &Option<Again>| {
            let again = again.as_ref();
            again.is_some_and(|again| again.recent.has(message))
        };
        while !is_read(&again) {
            let step = house.search.step(&mut again, NOW, WEEK, 0).await;
            assert_eq!(step.unwrap(), Step::Done);
        }
        house.delete(1, message).await;
        let stepped = async {
            while house.search.step(&mut again, NOW, WEEK, 0).await.unwrap() == Step::Done {}
        };
        stepped.await;
        assert!(house.search.readings().parts >= 3);
        assert!(files_with(folder.path(), "wvvunmentionable").is_empty());
        house.close().await;
    }
}
