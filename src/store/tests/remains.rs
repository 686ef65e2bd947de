//! What is left in the data file of messages that retention has erased: how many bytes, and which
//! client ids.

use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTableMetadata};

use super::{Open, id, message, sent, user};
use crate::model::{Act, ClientId, MessageId};
use crate::store::log::blocks;
use crate::store::tables::{CLIENT_IDS, LOG};
use crate::store::talk::refusal::TalkRefusal;
use crate::store::*;

const BEGAN: u64 = 1_700_000_000_000;
const HOUR: u64 = 60 * 60 * 1_000;
const DAY: u64 = 24 * HOUR;
const PEOPLE: u64 = 300;
/// Each is in so many chats that they began, and as many that others did.
const CHATS: u64 = 10;
/// 100 characters.
const TEXT: &str = "Halo! Bagaimana kabarmu hari ini? Kita bertemu besok pagi di kantor, seperti \
                    biasa, jam sembilan, ya?";

/// A store on the file at this path.
fn open(path: &Path) -> Open {
    Open::at(&Location::File(path.to_owned())).unwrap()
}

/// Two messages in each of many chats, one each way, no two of a chat close to each other; all with
/// client ids. Returns how many that are.
fn talk(open: &Open) -> u64 {
    let mut number = 0;
    for is_answer in [false, true] {
        for step in 1..=CHATS {
            let messages = (1..=PEOPLE).map(|from| {
                let to = 1 + (from - 1 + step * 7) % PEOPLE;
                let (from, to) = if is_answer { (to, from) } else { (from, to) };
                number += 1;
                let client_id = format!("018f3b2a-0000-7abc-8def-{number:012x}");
                message(from, to, TEXT, Some(&client_id))
            });
            let messages: Vec<_> = messages.collect();
            for answer in open.apply_all(BEGAN + step * HOUR, messages) {
                sent(answer);
            }
        }
    }
    number
}

/// What a file that is closed has.
#[derive(Debug)]
struct Stored {
    /// The pages of its log, in bytes.
    log: u64,
    /// Its erased messages, in bytes, and how many there are.
    erased: (u64, u64),
    /// The entries that erased them, likewise.
    erasures: (u64, u64),
    /// How many of them have client ids still.
    client_ids: usize,
    /// How many rows of client ids there are.
    rows: u64,
}

fn stored(path: &Path) -> Stored {
    let db = Database::open(path).unwrap();
    let (mut erased, mut erasures, mut client_ids) = ((0, 0), (0, 0), 0);
    for (key, sealed) in blocks::entries(&db) {
        let (_, record) = blocks::decode(key, &sealed).unwrap();
        let of_kind = match record.act {
            Act::Erased { client_id, .. } => {
                client_ids += usize::from(client_id.is_some());
                &mut erased
            }
            Act::ErasedMany(_) => &mut erasures,
            _ => continue,
        };
        *of_kind = (of_kind.0 + sealed.len() as u64, of_kind.1 + 1);
    }
    let txn = db.begin_read().unwrap();
    let log = txn.open_table(LOG).unwrap().stats().unwrap();
    Stored {
        log: 4_096 * (log.leaf_pages() + log.branch_pages()),
        erased,
        erasures,
        client_ids,
        rows: txn.open_table(CLIENT_IDS).unwrap().len().unwrap(),
    }
}

fn assert_sound(path: &Path) {
    let report = maintain::check(path, &mut |_| {}).unwrap();
    assert_eq!(report.findings, []);
}

#[test]
fn of_messages_in_many_chats_that_retention_has_erased_few_bytes_are_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let store = open(&path).with_users(PEOPLE);
    let messages = talk(&store);
    store.close();
    // One pass takes some of the forgotten client ids away, when it is closed.
    let store = Open::sweeping_every(1 << 20, &Location::File(path.clone()));
    store.retain(BEGAN + 30 * DAY, BEGAN + 60 * DAY);
    store.close();
    assert_sound(&path);
    let rows = stored(&path).rows;
    maintain::compact(&path, &mut |_| {}).unwrap();
    assert_sound(&path);
    let after = stored(&path);
    let shown = format!("{messages} messages, {rows} rows: {after:?}");
    // The check has met client ids that messages have no more.
    assert!(rows > 1_000, "{shown}");
    assert_eq!((after.erased.1, after.client_ids), (messages, 0), "{shown}");
    // No two messages of a chat are erased in one step.
    assert_eq!(after.erasures.1, messages, "{shown}");
    assert!(after.erased.0 <= 19 * messages, "{shown}");
    assert!(after.erasures.0 <= 26 * messages, "{shown}");
    // With where each begins, and what their pages have for themselves.
    assert!(after.log <= 51 * messages, "{shown}");
}

fn send(open: &Open, now: u64) -> Result<(MessageId, bool), StoreError> {
    let client_id = ClientId::new("018f3b2a-0000-7abc-8def-0123456789ab").ok();
    let talk = Talk::send(user(1), user(2), "once".into(), client_id);
    let sent = open.apply(now, Change::Talk(talk))?;
    let (message, is_new) = super::sent_as(sent).unwrap();
    Ok((message.id, is_new))
}

/// Returns whether a message that is erased has its client id still.
fn is_named(open: &Open, message: MessageId) -> bool {
    let entries = blocks::entries(&open.store.intake.data.database().unwrap());
    let sealed = entries.iter().find(|(id, _)| *id == message.get());
    let (id, sealed) = sealed.unwrap();
    match blocks::decode(*id, sealed).unwrap().1.act {
        Act::Erased { client_id, .. } => client_id.is_some(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_that_retention_has_erased_is_not_sent_again_while_its_client_id_is_remembered() {
    // When it is erased, and whether its client id stays.
    for (erased_at, stays) in [(2 * HOUR, true), (DAY - 1, true), (DAY, false)] {
        let open = Open::memory().with_users(2);
        assert_eq!(send(&open, BEGAN).unwrap(), (id(1), true));
        open.retain(BEGAN + HOUR, BEGAN + erased_at);
        assert_eq!(is_named(&open, id(1)), stays, "{erased_at}");
        for later in [erased_at, DAY - 1] {
            if (erased_at..DAY).contains(&later) {
                let refused = send(&open, BEGAN + later);
                let is_gone: Result<(MessageId, bool), _> =
                    Err(StoreError::Talk(TalkRefusal::NoSuchMessage));
                assert_eq!(format!("{refused:?}"), format!("{is_gone:?}"));
            }
        }
        // From then on it stands for another one.
        let begins = BEGAN + erased_at.max(DAY);
        assert_eq!(send(&open, begins).unwrap(), (id(3), true));
        assert_eq!(send(&open, begins + 1).unwrap(), (id(3), false));
        open.close();
    }
}
