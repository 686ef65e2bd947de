//! Files at the bounds of what the server writes, and as a crash or an earlier version left them: a check calls them sound,
//! and every command takes them.

use redb::{ReadableDatabase, ReadableTable};

use super::tests::{Data, exported, imported};
use super::*;
use crate::model::Timestamp;
use crate::store::client_ids::{self, CLIENT_IDS_PER_SENDER};
use crate::store::record::seal;
use crate::store::tables::{CLIENT_IDS, META, SWEPT};
use crate::store::tests::{Open, message, sent};
use crate::store::{Change, Location};

/// As many as are remembered of one sender.
const REMEMBERED: u64 = CLIENT_IDS_PER_SENDER as u64;

/// Messages of the first account to the second one, each with a client id: its number.
fn messages(numbers: std::ops::RangeInclusive<u64>) -> impl Iterator<Item = Change> {
    numbers.map(|number| message(1, 2, "hello", Some(&number.to_string())))
}

/// How many of these are stored anew when they are sent again.
fn stored_again(open: &Open, numbers: std::ops::RangeInclusive<u64>) -> usize {
    let answers = open.apply_all(0, messages(numbers)).into_iter();
    answers.map(sent).filter(|(_, fresh)| *fresh).count()
}

impl Data {
    /// One whose first account has sent so many messages with client ids since the last sweep when it was closed.
    fn with_client_ids(count: u64) -> Self {
        let data = Self::new();
        let open = data.sweeping_at_the_end().with_users(3);
        let answers = open.apply_all(0, messages(1..=count));
        assert!(answers.iter().all(Result::is_ok));
        open.close();
        data
    }

    fn sweeping_at_the_end(&self) -> Open {
        Open::sweeping_every(u64::MAX, &Location::File(self.path.clone()))
    }

    /// The key of each block of client ids, and its first message.
    fn client_id_blocks(&self) -> Vec<(u64, u64)> {
        let db = Database::open(&self.path).unwrap();
        let table = db.begin_read().unwrap().open_table(CLIENT_IDS).unwrap();
        let blocks = table.iter().unwrap().map(|row| {
            let (key, value) = row.unwrap();
            let (_, first) = key.value();
            let (_, hints) = client_ids::read_block(first, value.value()).unwrap();
            (first, hints[0].1.get())
        });
        blocks.collect()
    }

    /// Puts its one block of client ids under the key that an earlier version gave it.
    fn misplace_client_ids(&self, key: u64) {
        self.tamper(|txn| {
            let mut table = txn.open_table(CLIENT_IDS).unwrap();
            let (old, block) = {
                let (old, value) = table.first().unwrap().unwrap();
                let old = old.value();
                (old, client_ids::misplaced(old.1, value.value(), key))
            };
            table.remove(old).unwrap();
            table.insert((old.0, key), &block[..]).unwrap();
        });
    }

    /// Has every command work on it and on what each of them makes. Gives what they made, by name.
    fn taken_by_every_command(&self) -> Vec<(&'static str, Data)> {
        let counts = self.check().counts;
        let lines = exported(self);
        let again = imported(&lines).unwrap();
        let copy = Data::new();
        assert_eq!(backup(&self.path, &copy.path, &mut |_| {}).unwrap(), counts);
        let restored = Data::new();
        let now = Timestamp::from_ms(0);
        let restoring = restore(&self.path, &restored.path, now, &mut |_| {}).unwrap();
        assert_eq!(restoring.counts, counts);
        let compacted = Data::new();
        std::fs::copy(&self.path, &compacted.path).unwrap();
        compact(&compacted.path, &mut |_| {}).unwrap();
        let made = [
            ("import", again),
            ("backup", copy),
            ("restore", restored),
            ("compact", compacted),
        ];
        for (name, data) in &made {
            assert_eq!(data.check().findings, [], "{name}");
            assert!(data.log() == self.log(), "{name}");
        }
        made.into()
    }
}

#[test]
fn a_file_with_more_client_ids_of_one_sender_than_are_remembered_is_sound_and_can_be_backed_up() {
    for more in [0, 1, 5] {
        let data = Data::with_client_ids(REMEMBERED + more);
        assert_eq!(data.check().findings, []);
        assert_eq!(data.client_id_blocks(), [(more + 1, more + 1)]);
        for (name, made) in data.taken_by_every_command() {
            let open = made.open();
            assert_eq!(
                stored_again(&open, more + 1..=REMEMBERED + more),
                0,
                "{name}"
            );
            open.close();
        }
    }
}

#[test]
fn a_block_of_client_ids_under_the_key_of_an_earlier_version_is_sound_and_set_right_by_a_sweep() {
    let more = 7;
    let data = Data::with_client_ids(REMEMBERED + more);
    for key in [1, more] {
        data.misplace_client_ids(key);
        assert_eq!(data.client_id_blocks(), [(key, more + 1)]);
        assert_eq!(data.check().findings, []);
        data.taken_by_every_command();
    }
    // By a sweep of its sender, or of another one.
    for sender in [1, 3] {
        let swept = Data::new();
        std::fs::copy(&data.path, &swept.path).unwrap();
        let open = swept.open();
        sent(open.apply(0, message(sender, 2, "new", Some("new"))));
        open.close();
        assert!(swept.client_id_blocks().contains(&(more + 1, more + 1)));
        assert_eq!(swept.check().findings, []);
        let open = swept.open();
        assert_eq!(stored_again(&open, more + 2..=REMEMBERED + more), 0);
        open.close();
    }
}

#[test]
fn a_block_of_client_ids_that_lost_its_first_one_is_found() {
    let data = Data::with_client_ids(3);
    data.misplace_client_ids(1);
    assert_eq!(data.check().findings, []);
    let shorter = Data::new();
    std::fs::copy(&data.path, &shorter.path).unwrap();
    shorter.tamper(|txn| {
        let mut table = txn.open_table(CLIENT_IDS).unwrap();
        let block = client_ids::without_first(1, table.get((1, 1)).unwrap().unwrap().value());
        table.insert((1, 1), &block[..]).unwrap();
    });
    assert_eq!(
        shorter.finds(),
        [
            ("client_ids", "(1, 1)".to_owned()),
            ("client_ids", "1".to_owned())
        ]
    );
}

/// 4,000 client ids in a finished block and 6,000 in a second one, whose sweep was cut before it noted its end.
fn cut_in_a_sweep() -> Data {
    let data = Data::with_client_ids(4_000);
    let open = data.sweeping_at_the_end();
    open.apply_all(0, messages(4_001..=10_000));
    open.close();
    assert_eq!(data.client_id_blocks(), [(1, 1), (4_001, 4_001)]);
    data.tamper(|txn| {
        let mut meta = txn.open_table(META).unwrap();
        let swept = seal(0, &4_000_u64.to_le_bytes());
        meta.insert(SWEPT, &swept[..]).unwrap();
    });
    data
}

#[test]
fn client_ids_are_counted_once_after_a_crash_in_a_sweep_and_a_retry_is_not_stored_again() {
    let data = cut_in_a_sweep();
    assert_eq!(data.check().findings, []);
    for round in 0..2 {
        let open = data.sweeping_at_the_end();
        let from = 10_001 + round * 500;
        assert!(
            open.apply_all(0, messages(from..=from + 499))
                .iter()
                .all(Result::is_ok)
        );
        open.close();
        assert_eq!(data.check().findings, []);
    }
    let open = data.open();
    assert_eq!(stored_again(&open, 1_001..=11_000), 0);
    // The one before them is forgotten.
    assert_eq!(stored_again(&open, 1_000..=1_000), 1);
    open.close();
}

#[test]
fn client_ids_that_an_earlier_version_counted_twice_are_remembered_no_shorter() {
    let data = cut_in_a_sweep();
    // As the next sweep left it: the second block counted twice, and some of it once more.
    data.tamper(|txn| {
        let mut table = txn.open_table(CLIENT_IDS).unwrap();
        let twice = {
            let block = table.get((1, 4_001)).unwrap().unwrap();
            client_ids::recounted(4_001, block.value(), 16_000, 4_001)
        };
        table.insert((1, 4_001), &twice[..]).unwrap();
        let again = client_ids::recounted(4_001, &twice, 21_000, 9_001);
        table.insert((1, 9_001), &again[..]).unwrap();
    });
    assert_eq!(data.check().findings, []);
    let open = data.sweeping_at_the_end();
    open.apply_all(0, messages(10_001..=10_500));
    open.close();
    assert_eq!(data.check().findings, []);
    let open = data.open();
    assert_eq!(stored_again(&open, 501..=10_500), 0);
    open.close();
    data.taken_by_every_command();
    // Once enough came after them they are dropped all the same.
    let open = data.sweeping_at_the_end();
    open.apply_all(0, messages(10_501..=20_500));
    open.close();
    assert_eq!(data.client_id_blocks(), [(10_501, 10_501)]);
    assert_eq!(data.check().findings, []);
}

#[test]
fn a_client_id_that_is_missing_is_found_although_another_one_is_there_twice() {
    let data = cut_in_a_sweep();
    data.tamper(|txn| {
        let mut table = txn.open_table(CLIENT_IDS).unwrap();
        let (shorter, twice) = {
            let (one, other) = (table.get((1, 1)).unwrap(), table.get((1, 4_001)).unwrap());
            let shorter = client_ids::recounted(1, one.unwrap().value(), 4_000, 2);
            (
                shorter,
                client_ids::recounted(4_001, other.unwrap().value(), 10_000, 10_000),
            )
        };
        table.remove((1, 1)).unwrap();
        table.insert((1, 2), &shorter[..]).unwrap();
        table.insert((1, 10_000), &twice[..]).unwrap();
    });
    assert_eq!(data.finds(), [("client_ids", "1".to_owned())]);
}
