//! Eras: which key seals the cursors of which entries, so that a file that went back in time is
//! noticed.
//!
//! However a file goes back (a copy put in its place, a snapshot of the disk, a folder that was
//! restored), a server is started on it, and the first transaction of that start that appends
//! anything begins an era: a random key, in the same transaction, for cursors from its first entry
//! on. A cursor of an entry that the file lost was sealed with the key of another era, so it does
//! not open, even once the same id is given again; that of an entry which is still there does. A
//! start that appends nothing begins none, nor do commands that only read. Two copies of one file
//! that live on side by side have different eras from where they part.
//!
//! A virtual machine that is set back with its memory has no start. So an era also ends after an
//! hour: of the cursors that were given after the snapshot, those of the same hour are then taken
//! for good, and later ones are not.

use redb::{Database, ReadableDatabase, WriteTransaction};

use super::schema::{KEY_BYTES, sealed_meta};
use crate::model::{CursorKeys, Era, Timestamp};
use crate::store::error::StoreError;
use crate::store::sealed::{seal, unseal};
use crate::store::tables::{CURSOR_KEY, ERAS, META};

/// 4,096 eras are kept, 96 KiB: with one an hour those of 170 days, with a restart each minute
/// those of almost three. Cursors from before them are no longer known.
const MAX_ERAS: usize = 4_096;
/// One hour, as the log's times tell it.
const LONGEST_MS: u64 = 3_600_000;
/// The first entry and the key.
const ROW_BYTES: usize = 8 + KEY_BYTES;

/// Reads the eras of a file, ascending by their first entry.
pub(crate) fn read(db: &Database) -> Result<Vec<Era>, StoreError> {
    let meta = db.begin_read()?.open_table(META)?;
    let base: [u8; KEY_BYTES] = sealed_meta(&meta, CURSOR_KEY)?;
    let written = meta.get(ERAS)?;
    let written = written.as_ref().map(|value| decode(value.value()));
    Ok(match written.transpose()? {
        Some((of, eras)) if of == base => eras,
        // A chatd from before eras has renewed the key since, so that no earlier cursor holds.
        Some(_) | None => vec![Era {
            first: 0,
            key: base,
        }],
    })
}

/// The value of `eras`: the file's `cursor_key`, then of each era the first entry and the key.
fn encode(base: &[u8; KEY_BYTES], eras: &[Era]) -> Vec<u8> {
    let mut body = Vec::with_capacity(KEY_BYTES + eras.len() * ROW_BYTES);
    body.extend_from_slice(base);
    for era in eras {
        body.extend_from_slice(&era.first.to_le_bytes());
        body.extend_from_slice(&era.key);
    }
    seal(0, &body)
}

fn decode(sealed: &[u8]) -> Result<([u8; KEY_BYTES], Vec<Era>), StoreError> {
    let damaged = StoreError::Damaged {
        table: "meta",
        key: 0,
    };
    let body = unseal("meta", 0, sealed)?;
    let (base, rows) = body.split_first_chunk().ok_or(damaged.clone())?;
    let (rows, rest) = rows.as_chunks::<ROW_BYTES>();
    let eras: Vec<_> = rows
        .iter()
        .filter_map(|row| {
            let (first, key) = row.split_first_chunk()?;
            Some(Era {
                first: u64::from_le_bytes(*first),
                key: key.try_into().ok()?,
            })
        })
        .collect();
    let is_ascending = eras.is_sorted_by(|earlier, later| earlier.first < later.first);
    if eras.is_empty() || !rest.is_empty() || !is_ascending {
        return Err(damaged);
    }
    Ok((*base, eras))
}

/// When the writer begins its next era.
#[derive(Default)]
pub(crate) struct Renewal {
    /// The time of the log when the last one began; `None` where the next transaction begins one.
    began: Option<Timestamp>,
}

impl Renewal {
    /// Begins an era with the entries from `first` on, which this transaction appends, where one is
    /// due; says whether it did. The keys are known at once: no cursor of these entries is asked
    /// for before they are on disk.
    pub(crate) fn begin_if_due(
        &self,
        txn: &WriteTransaction,
        keys: &CursorKeys,
        first: u64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // A clock that was far ahead is followed back.
        let is_due = |began: Timestamp| now.as_ms().abs_diff(began.as_ms()) >= LONGEST_MS;
        if !self.began.is_none_or(is_due) {
            return Ok(false);
        }
        let mut meta = txn.open_table(META)?;
        let base: [u8; KEY_BYTES] = sealed_meta(&meta, CURSOR_KEY)?;
        let mut eras = keys.all();
        // One whose transaction failed.
        eras.retain(|era| era.first < first);
        eras.push(Era {
            first,
            key: rand::random(),
        });
        eras.drain(..eras.len().saturating_sub(MAX_ERAS));
        meta.insert(ERAS, &encode(&base, &eras)[..])?;
        keys.set(eras);
        Ok(true)
    }

    /// The transaction in which one began is on disk.
    pub(crate) fn has_begun(&mut self, now: Timestamp) {
        self.began = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::model::{Cursor, UserId};
    use crate::store::disk::schema;
    use crate::store::options::Location;
    use crate::store::tests::{Open, message, new_user};

    const HOUR: u64 = 3_600_000;

    /// A data file in a folder of its own.
    struct Data(tempfile::TempDir);

    impl Data {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> std::path::PathBuf {
            self.0.path().join("chatd.redb")
        }

        fn open(&self) -> Open {
            Open::at(&Location::File(self.path())).unwrap()
        }

        fn tamper(&self, change: impl FnOnce(&WriteTransaction)) {
            let db = Database::open(self.path()).unwrap();
            let txn = db.begin_write().unwrap();
            change(&txn);
            txn.commit().unwrap();
        }
    }

    fn send(open: &Open, now: u64) {
        open.apply(now, message(1, 2, "x", None)).unwrap();
    }

    fn user() -> UserId {
        UserId::new(1).unwrap()
    }

    /// A cursor after the newest entry.
    fn newest(open: &Open) -> String {
        let cursor = Cursor::through(open.store.last_entry());
        let text = cursor.seal(&open.store.cursor_keys());
        text.as_str().to_owned()
    }

    fn is_known(open: &Open, cursor: &str) -> bool {
        Cursor::open(cursor, &open.store.cursor_keys(), user()).is_some()
    }

    fn firsts(open: &Open) -> Vec<u64> {
        let eras = open.store.cursor_keys().all();
        eras.iter().map(|era| era.first).collect()
    }

    #[test]
    fn an_era_begins_with_the_first_entry_of_a_start_and_after_an_hour_and_at_no_other_time() {
        let data = Data::new();
        let open = data.open().with_users(2);
        assert_eq!(firsts(&open), [0], "accounts are no entries");
        let mut given = vec![newest(&open)];
        for (now, expected) in [
            (1_000, &[0, 1][..]),
            (1_000 + HOUR - 1, &[0, 1]),
            (1_000 + HOUR, &[0, 1, 3]),
            (1_000 + 2 * HOUR - 1, &[0, 1, 3]),
            (1_000 + 9 * HOUR, &[0, 1, 3, 5]),
        ] {
            send(&open, now);
            assert_eq!(firsts(&open), expected);
            given.push(newest(&open));
        }
        open.close();
        for _ in 0..3 {
            let open = data.open();
            open.apply(0, new_user(&format!("more{}", rand::random::<u16>())))
                .unwrap();
            assert_eq!(firsts(&open), [0, 1, 3, 5], "a start without entries");
            open.close();
        }
        let open = data.open();
        send(&open, 0);
        assert_eq!(firsts(&open), [0, 1, 3, 5, 6]);
        for cursor in &given {
            assert!(is_known(&open, cursor));
        }
        open.close();
    }

    #[test]
    fn cursors_of_a_chatd_from_before_eras_hold_over_the_upgrade() {
        let data = Data::new();
        data.open().with_users(2).close();
        // What such a chatd has written is sealed with the one key.
        let earlier = data.open();
        let base = earlier.store.cursor_keys().all();
        send(&earlier, 0);
        let keys = CursorKeys::default();
        keys.set(base);
        let text = Cursor::through(1).seal(&keys).as_str().to_owned();
        let beyond = Cursor::through(3).seal(&keys).as_str().to_owned();
        earlier.close();
        data.tamper(|txn| drop(txn.open_table(META).unwrap().remove(ERAS).unwrap()));

        let open = data.open();
        assert!(is_known(&open, &text));
        send(&open, 0);
        assert!(is_known(&open, &text), "and once an era has begun");
        send(&open, 0);
        assert!(!is_known(&open, &beyond), "of an entry that was lost");
        open.close();
    }

    #[test]
    fn eras_end_with_a_key_that_a_chatd_from_before_them_has_renewed() {
        let data = Data::new();
        let open = data.open().with_users(2);
        let first = newest(&open);
        send(&open, 0);
        let second = newest(&open);
        open.close();
        data.tamper(|txn| {
            let mut meta = txn.open_table(META).unwrap();
            meta.insert(CURSOR_KEY, &seal(0, &[7; KEY_BYTES])[..])
                .unwrap();
        });
        let open = data.open();
        assert_eq!(firsts(&open), [0]);
        assert!(!is_known(&open, &first) && !is_known(&open, &second));
        send(&open, 0);
        assert_eq!(firsts(&open), [0, 2]);
        open.close();
    }

    #[test]
    fn so_many_eras_are_kept_and_the_oldest_end_first() {
        let db = Database::builder()
            .create_with_backend(InMemoryBackend::new())
            .unwrap();
        schema::prepare(&db, None).unwrap();
        let keys = CursorKeys::default();
        keys.set(read(&db).unwrap());
        let count = MAX_ERAS as u64 + 3;
        for first in 1..=count {
            let txn = db.begin_write().unwrap();
            let begun = Renewal::default()
                .begin_if_due(&txn, &keys, first, Timestamp::from_ms(0))
                .unwrap();
            assert!(begun);
            txn.commit().unwrap();
        }
        let kept = read(&db).unwrap();
        assert_eq!(kept.len(), MAX_ERAS);
        assert_eq!(kept, keys.all());
        assert_eq!((kept[0].first, kept[MAX_ERAS - 1].first), (4, count));
    }

    #[test]
    fn an_era_whose_transaction_failed_is_begun_again_with_the_next() {
        let db = Database::builder()
            .create_with_backend(InMemoryBackend::new())
            .unwrap();
        schema::prepare(&db, None).unwrap();
        let keys = CursorKeys::default();
        keys.set(read(&db).unwrap());
        let renewal = Renewal::default();
        let begin = || {
            let txn = db.begin_write().unwrap();
            renewal
                .begin_if_due(&txn, &keys, 1, Timestamp::from_ms(0))
                .unwrap();
            txn
        };
        begin().abort().unwrap();
        begin().commit().unwrap();
        assert_eq!(read(&db).unwrap(), keys.all());
        assert_eq!(keys.all().len(), 2);
    }

    #[test]
    fn eras_that_are_not_as_they_were_written_are_refused() {
        let base = [1; KEY_BYTES];
        let eras = [(0, 1), (5, 2)].map(|(first, byte)| Era {
            first,
            key: [byte; KEY_BYTES],
        });
        let whole = encode(&base, &eras);
        assert_eq!(decode(&whole).unwrap(), (base, eras.to_vec()));
        for bit in 0..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&damaged).is_err(), "bit {bit}");
        }
        let [first, second] = eras;
        for wrong in [&[][..], &[second, first], &[first, first]] {
            assert!(decode(&encode(&base, wrong)).is_err());
        }
        assert!(decode(&seal(0, &[0; KEY_BYTES + ROW_BYTES - 1])).is_err());
        assert!(decode(&seal(0, &[0; KEY_BYTES - 1])).is_err());
    }
}
