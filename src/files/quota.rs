//! How many bytes people and all together may still send. Nothing is kept for what is announced:
//! bytes count as they come, those of a person for the day on which they come, whatever becomes of
//! them afterwards.

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::FileError;
use crate::model::{Timestamp, UserId, day_of};
use crate::store::Store;

/// 2 GiB: what one person may send on a day.
const MAX_A_DAY: u64 = 2 << 30;
/// 64 KiB: what a file counts for its owner's day beside its bytes: the preview that it may get,
/// and its row. So nobody makes files without number that have nothing in them.
const EACH_BYTES: u64 = 64 << 10;

/// The account of bytes.
pub(super) struct Quotas {
    /// The bytes that all files may have.
    pub(super) all: u64,
    ledger: Mutex<Ledger>,
}

#[derive(Default)]
struct Ledger {
    day: u64,
    /// The bytes of each person who sent on that day.
    of_day: FxHashMap<UserId, u64>,
    /// Bytes that may come, and are in no row yet.
    claimed: u64,
}

impl Ledger {
    /// Returns what a person sent on the day of this time.
    fn of_day(&mut self, store: &Store, now: Timestamp, owner: UserId) -> &mut u64 {
        let day = day_of(now);
        // A clock that is put back goes on with the day that was.
        if day > self.day {
            self.day = day;
            self.of_day.clear();
        }
        let known = || store.files_of_day(owner, now, EACH_BYTES);
        self.of_day.entry(owner).or_insert_with(known)
    }

    fn has_room(
        &mut self,
        (store, all): (&Store, u64),
        now: Timestamp,
        owner: UserId,
        bytes: u64,
    ) -> Result<(), FileError> {
        let (_, kept) = store.files();
        let of_all = kept.saturating_add(self.claimed).saturating_add(bytes);
        let of_day = self.of_day(store, now, owner).saturating_add(bytes);
        match of_all <= all && of_day <= MAX_A_DAY {
            true => Ok(()),
            false => Err(FileError::Quota),
        }
    }
}

impl Quotas {
    /// An account where all files may have so many bytes.
    pub(super) fn new(all: u64) -> Self {
        Self {
            all,
            ledger: Mutex::default(),
        }
    }

    /// Counts one more file of a person, whose bytes there is room for now.
    pub(super) fn begin(
        &self,
        store: &Store,
        now: Timestamp,
        owner: UserId,
        length: u64,
    ) -> Result<(), FileError> {
        let mut ledger = self.ledger.lock();
        let bytes = length.saturating_add(EACH_BYTES);
        // Of all files only the bytes count.
        ledger.has_room((store, self.all), now, owner, length)?;
        let of_day = *ledger.of_day(store, now, owner);
        if of_day.saturating_add(bytes) > MAX_A_DAY {
            return Err(FileError::Quota);
        }
        *ledger.of_day(store, now, owner) += EACH_BYTES;
        Ok(())
    }

    /// Takes the right to so many bytes, which are about to come.
    pub(super) fn claim(
        &self,
        store: &Store,
        now: Timestamp,
        owner: UserId,
        bytes: u64,
    ) -> Result<Claim<'_>, FileError> {
        let mut ledger = self.ledger.lock();
        ledger.has_room((store, self.all), now, owner, bytes)?;
        *ledger.of_day(store, now, owner) += bytes;
        ledger.claimed += bytes;
        Ok(Claim {
            quotas: self,
            owner,
            day: ledger.day,
            bytes,
            left: bytes,
        })
    }
}

/// The right to bytes until they are in the row of their file; what did not come is given back.
pub(super) struct Claim<'a> {
    quotas: &'a Quotas,
    owner: UserId,
    day: u64,
    bytes: u64,
    /// How many of them have not come.
    pub(super) left: u64,
}

impl Claim<'_> {
    /// Gives it back: what has come of it is in the row.
    pub(super) fn release(&mut self) {
        let mut ledger = self.quotas.ledger.lock();
        ledger.claimed -= std::mem::take(&mut self.bytes);
        let left = std::mem::take(&mut self.left);
        if ledger.day == self.day
            && let Some(of_day) = ledger.of_day.get_mut(&self.owner)
        {
            *of_day = of_day.saturating_sub(left);
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Location, StoreOptions};

    fn person(id: u64) -> UserId {
        UserId::new(id).unwrap()
    }

    fn store() -> Store {
        let (done, _) = tokio::sync::mpsc::channel(1);
        Store::open(&Location::Memory, StoreOptions::default(), done).unwrap()
    }

    /// Who announced 20 files of 100 MiB and sent none of them had no room for a day.
    #[tokio::test]
    async fn what_is_announced_and_does_not_come_takes_nobodys_room() {
        let (store, now) = (store(), Timestamp::from_ms(1_000));
        let quotas = Quotas::new(1 << 30);
        for _ in 0..100 {
            quotas.begin(&store, now, person(1), 100 << 20).unwrap();
        }
        let claim = quotas.claim(&store, now, person(1), 1 << 30).unwrap();
        let full = quotas.claim(&store, now, person(2), 1).err();
        assert_eq!(full, Some(FileError::Quota), "what may come now is kept");
        drop(claim);
        quotas.claim(&store, now, person(2), 1 << 30).unwrap();
        let claim = quotas.claim(&store, now, person(1), 1 << 30);
        assert!(claim.is_ok(), "what did not come is given back");
    }

    #[tokio::test]
    async fn what_came_counts_for_its_day_whatever_becomes_of_it() {
        let (store, now) = (store(), Timestamp::from_ms(1_000));
        let quotas = Quotas::new(u64::MAX);
        quotas.begin(&store, now, person(1), 2 << 30).err().unwrap();
        quotas.begin(&store, now, person(1), 1 << 30).unwrap();
        for _ in 0..2 {
            // No row has it: its file is gone already.
            quotas
                .claim(&store, now, person(1), 800 << 20)
                .unwrap()
                .left = 0;
        }
        let over = quotas.claim(&store, now, person(1), 800 << 20).err();
        assert_eq!(over, Some(FileError::Quota));
        quotas.claim(&store, now, person(2), 800 << 20).unwrap();
        let tomorrow = now.plus(std::time::Duration::from_secs(24 * 60 * 60));
        quotas.claim(&store, tomorrow, person(1), 2 << 30).unwrap();
    }

    #[tokio::test]
    async fn files_without_a_byte_are_counted_too() {
        let (store, now) = (store(), Timestamp::from_ms(1_000));
        let quotas = Quotas::new(0);
        let most = MAX_A_DAY / EACH_BYTES;
        let begun = (0..=most).filter(|_| quotas.begin(&store, now, person(1), 0).is_ok());
        assert_eq!(begun.count() as u64, most);
    }
}
