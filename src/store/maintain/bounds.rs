//! Files at the bounds of what the server writes, and as a crash or an earlier version left them: a
//! check calls them sound, and every command takes them.

use redb::{Database, ReadableDatabase, ReadableTable};

use super::tests::{Data, exported, imported};
use super::*;
use crate::model::Timestamp;
use crate::store::disk::error::OpenError;
use crate::store::error::StoreError;
use crate::store::sealed::{put, seal};
use crate::store::tables::{
    CLIENT_ID_KEY, CLIENT_IDS, CONVERSATION_STATES, CURSOR_KEY, META, SWEPT,
};
use crate::store::talk::client_ids::{self, CLIENT_IDS_PER_SENDER};
use crate::store::talk::refusal::TalkRefusal;
use crate::store::tests::{Open, message, sent};
use crate::store::write::sweep::decode_row;
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
    /// One whose first account has sent so many messages with client ids since the last sweep when
    /// it was closed.
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
        let backed_up = backup(&self.path, &copy.path, &mut |_| {}).unwrap();
        assert_eq!(backed_up, counts);
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

/// 4,000 client ids in a finished block and 6,000 in a second one, whose sweep was cut before it
/// noted its end.
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

/// Changes a value of a table.
fn change_value<K: redb::Key + 'static>(
    txn: &redb::WriteTransaction,
    table: redb::TableDefinition<'static, K, &'static [u8]>,
    key: K::SelfType<'_>,
    change: impl FnOnce(&mut Vec<u8>),
) {
    let mut table = txn.open_table(table).unwrap();
    let mut value = table.get(&key).unwrap().unwrap().value().to_vec();
    change(&mut value);
    table.insert(&key, &value[..]).unwrap();
}

/// A way to damage a file.
type Harm = (&'static str, fn(&redb::WriteTransaction));

#[test]
fn a_file_in_which_only_what_is_derived_is_damaged_is_made_whole_by_every_copy() {
    let harms: [Harm; 8] = [
        ("a client id", |txn| {
            let mut table = txn.open_table(CLIENT_IDS).unwrap();
            let block = client_ids::without_first(1, table.get((1, 1)).unwrap().unwrap().value());
            table.insert((1, 1), &block[..]).unwrap();
        }),
        ("all client ids", |txn| {
            txn.open_table(CLIENT_IDS)
                .unwrap()
                .retain(|_, _| false)
                .unwrap();
        }),
        ("a bit of a block", |txn| {
            change_value(txn, CLIENT_IDS, (1, 1), |value| value[9] ^= 1);
        }),
        ("a bit of a row", |txn| {
            change_value(txn, CONVERSATION_STATES, 0, |value| value[9] ^= 1);
        }),
        ("what is read", |txn| {
            change_value(txn, CONVERSATION_STATES, 0, |value| {
                let mut row = Vec::new();
                decode_row(0, value, &mut row).unwrap();
                row[0].read[1].mark(2);
                let mut body = Vec::new();
                put(&mut body, row.len() as u64);
                row.iter().for_each(|one| one.encode(&mut body));
                *value = seal(0, &body);
            });
        }),
        ("the mark", |txn| {
            change_value(txn, META, SWEPT, |value| value[0] ^= 1)
        }),
        ("the key", |txn| {
            change_value(txn, META, CLIENT_ID_KEY, |value| value[0] ^= 1)
        }),
        ("another key", |txn| {
            change_value(txn, META, CLIENT_ID_KEY, |value| *value = seal(0, &[7; 16]));
        }),
    ];
    for (name, harm) in harms {
        let data = Data::with_client_ids(20);
        data.tamper(harm);
        let report = data.check();
        assert!(report.is_derivable(), "{name}: {:?}", report.findings);
        for (command, made) in data.taken_by_every_command() {
            let open = made.open();
            assert_eq!(stored_again(&open, 1..=20), 0, "{name}, {command}");
            open.close();
        }
    }
}

#[test]
fn a_start_makes_damaged_rows_of_conversations_anew() {
    let data = Data::with_client_ids(20);
    data.tamper(|txn| change_value(txn, CONVERSATION_STATES, 0, |value| value[9] ^= 1));
    let open = data.open();
    assert_eq!(stored_again(&open, 1..=20), 0);
    open.close();
    assert_eq!(data.check().findings, []);
}

#[test]
fn a_damaged_block_of_client_ids_keeps_nobody_else_from_writing() {
    let data = Data::with_client_ids(20);
    data.tamper(|txn| change_value(txn, CLIENT_IDS, (1, 1), |value| value[9] ^= 1));
    let open = data.open();
    // A sweep every few messages, of the same sender too.
    for number in 0..100 {
        open.send(1 + number % 3, 1 + (number + 1) % 3, "goes on");
        sent(open.apply(0, message(2, 1, "x", Some(&number.to_string()))));
    }
    // Whether it was sent before cannot be told.
    let again = open.apply(0, message(1, 2, "hello", Some("20")));
    assert!(matches!(again, Err(StoreError::Unavailable)), "{again:?}");
    open.close();
    assert!(data.check().is_derivable());
}

/// What is derived knows more than the log: the log has lost its end, and nothing makes that anew.
#[test]
fn a_log_that_lost_its_end_is_never_taken_for_whole_by_making_anew_what_is_derived() {
    for also in ["nothing", "the mark", "the rows", "the client ids"] {
        let data = Data::with_client_ids(20);
        data.tamper_log(|log| drop(log.pop_last().unwrap()));
        data.tamper(|txn| match also {
            "the mark" => change_value(txn, META, SWEPT, |value| {
                *value = seal(0, &3_u64.to_le_bytes());
            }),
            "the rows" => change_value(txn, CONVERSATION_STATES, 0, |value| value[9] ^= 1),
            "the client ids" => drop(txn.open_table(CLIENT_IDS).unwrap().retain(|_, _| false)),
            _ => {}
        });
        let report = data.check();
        assert!(
            !report.is_sound() && !report.is_derivable(),
            "{also}: {:?}",
            report.findings
        );
        let copy = data.beside("copy.redb");
        let error = backup(&data.path, &copy, &mut |_| {}).unwrap_err();
        assert!(matches!(error, MaintainError::Damaged { .. }), "{error}");
        if also != "the mark" {
            let error = Open::at(&Location::File(data.path.clone())).err();
            assert!(
                matches!(error, Some(OpenError::Damaged(_))),
                "{also}: {error:?}"
            );
        }
    }
}

#[test]
fn client_ids_may_be_missing_once_they_are_a_day_old_or_10_000_came_after_them_and_no_sooner() {
    const DAY: u64 = 24 * 60 * 60 * 1_000;
    for (later, is_missed) in [(DAY - 1, true), (DAY, false)] {
        let data = Data::new();
        let open = data.sweeping_at_the_end().with_users(3);
        open.apply_all(5, messages(1..=3));
        open.apply_all(5 + later, messages(4..=4));
        open.close();
        data.tamper(|txn| {
            let mut table = txn.open_table(CLIENT_IDS).unwrap();
            let block = table.get((1, 1)).unwrap().unwrap().value().to_vec();
            table.remove((1, 1)).unwrap();
            let shorter = client_ids::recounted(1, &block, 4, 4);
            table.insert((1, 4), &shorter[..]).unwrap();
        });
        let found = data.finds();
        assert_eq!(found.is_empty(), !is_missed, "{later} ms later: {found:?}");
    }
    for (later, is_missed) in [(REMEMBERED - 1, true), (REMEMBERED, false)] {
        let data = Data::with_client_ids(1);
        let open = data.sweeping_at_the_end();
        open.apply_all(0, messages(2..=1 + later));
        open.close();
        assert_eq!(data.check().findings, []);
        data.tamper(|txn| drop(txn.open_table(CLIENT_IDS).unwrap().remove((1, 1))));
        let found = data.finds();
        assert_eq!(found.is_empty(), !is_missed, "{later} later: {found:?}");
    }
}

#[test]
fn what_meta_holds_is_found_where_it_is_a_byte_too_long_or_too_short() {
    for (bytes, is_sound) in [(31, false), (32, true), (33, false)] {
        let data = Data::with_client_ids(3);
        data.tamper(|txn| change_value(txn, META, "token_secret", |value| value.resize(bytes, 7)));
        assert_eq!(data.finds().is_empty(), is_sound, "{bytes} bytes");
    }
    for name in [CLIENT_ID_KEY, CURSOR_KEY] {
        for bytes in [15, 17] {
            let data = Data::with_client_ids(3);
            data.tamper(|txn| {
                change_value(txn, META, name, |value| *value = seal(0, &vec![7; bytes]))
            });
            assert!(
                data.finds().contains(&("meta", name.to_owned())),
                "{name}, {bytes} bytes"
            );
        }
    }
    for (swept, is_sound) in [
        (0, true),
        (2, true),
        (3, true),
        (4, false),
        (u64::MAX, false),
    ] {
        let data = Data::with_client_ids(3);
        data.tamper(|txn| {
            change_value(txn, META, SWEPT, |value| {
                *value = seal(0, &swept.to_le_bytes())
            });
        });
        let found = data.finds();
        assert_eq!(found.is_empty(), is_sound, "{swept}: {found:?}");
    }
}

#[test]
fn files_with_rows_that_are_just_full_or_just_begun_are_sound() {
    // 64 conversations share a row.
    for conversations in [1, 63, 64, 65, 128, 129] {
        for window in [16, u64::MAX] {
            let data = Data::new();
            let open = Open::sweeping_every(window, &Location::File(data.path.clone()));
            let open = open.with_users(conversations + 1);
            for peer in 2..=conversations + 1 {
                open.send(1, peer, "hello");
            }
            open.close();
            let report = data.check();
            assert_eq!(report.findings, [], "{conversations} conversations");
            assert_eq!(report.counts.conversations, conversations);
            data.open().close();
        }
    }
}

#[test]
fn marks_that_name_as_many_messages_as_they_may_or_one_fewer_or_more_are_sound() {
    use crate::model::Marked;
    use crate::store::tests::{id, mark, mark_chat};
    let named = Marked::NAMED as u64;
    for count in [1, named - 1, named, named + 1, 3 * named] {
        let data = Data::new();
        let open = data.open().with_users(2);
        for number in 1..=count {
            open.send(1, 2, "hello");
            // Islands between them, and answers.
            if number % 3 == 0 {
                open.send(2, 1, "hello");
            }
        }
        for message in (1..=count).step_by(5) {
            // One of their own is refused.
            let _ = open.apply(0, mark(2, id(message)));
        }
        open.apply(0, mark_chat(2, 1, Some(count / 2 + 1))).unwrap();
        open.apply(0, mark_chat(2, 1, None)).unwrap();
        open.apply(0, mark_chat(1, 2, None)).unwrap();
        open.close();
        assert_eq!(data.check().findings, [], "{count}");
        data.taken_by_every_command();
    }
}

#[test]
fn names_client_ids_and_texts_as_long_or_as_odd_as_they_may_be_are_sound() {
    let data = Data::new();
    let open = data.open().with_users(2);
    let uuid = "018f3b2a-0000-7abc-8def-0123456789ab";
    let client_ids = [
        "x".to_owned(),
        "é".repeat(64),
        "👋".repeat(64),
        uuid.to_owned(),
        uuid.to_uppercase(),
        uuid.replace('-', ""),
        "\"\\ \u{7f}".to_owned(),
    ];
    for (number, client_id) in client_ids.iter().enumerate() {
        let content =
            ["x", &"👋".repeat(4_000), &"\u{1}".repeat(3_999)][number % 3].to_owned() + "x";
        let answer = open.apply(0, message(1, 2, &content, Some(client_id)));
        assert!(sent(answer).1, "{client_id}");
    }
    open.close();
    assert_eq!(data.check().findings, []);
    for (name, made) in data.taken_by_every_command() {
        let open = made.open();
        for client_id in &client_ids {
            let again = open.apply(0, message(1, 2, "another", Some(client_id)));
            assert!(
                matches!(again, Err(StoreError::Talk(TalkRefusal::ClientIdReused))),
                "{name}, {client_id}"
            );
        }
        open.close();
    }
}
