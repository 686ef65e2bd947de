//! Former descriptions of a room: once a later entry describes it anew, an earlier one keeps no
//! name, no topic and no picture.
//!
//! Only these are taken out where the entry lies; what this program does not know of it stays.

use serde_json::{Map, Value};

use super::head::{AUTHOR, Head, Kind};
use super::others;
use crate::model::EntryId;
use crate::store::error::StoreError;
use crate::store::sealed::{Rest, seal, unseal};

/// What stands before an entry: its checksum.
const SEAL_BYTES: usize = 4;

/// Returns a sealed entry without the texts of the room that it describes; `None` where it
/// describes none, or has none of them any more.
pub(crate) fn without_texts(id: EntryId, sealed: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let body = unseal("log", id.get(), sealed)?;
    let Some((before, mut room)) = description(body) else {
        return Ok(None);
    };
    if room.get("name").and_then(Value::as_str) == Some("") {
        return Ok(None);
    }
    room.insert("name".to_owned(), Value::from(""));
    for key in ["topic", "avatar"] {
        room.remove(key);
    }
    let json = serde_json::to_vec(&room).expect("an object of JSON is written as such");
    let mut plain = before.to_vec();
    plain.extend(json);
    Ok(Some(seal(id.get(), &plain)))
}

/// Returns whether a sealed entry is neither a message nor a mark, by its first byte alone: only
/// such a one describes a room or changes a message.
pub(crate) fn is_other(sealed: &[u8]) -> bool {
    let mut rest = Rest(sealed.get(SEAL_BYTES..).unwrap_or_default());
    Head::take(&mut rest).is_some_and(|head| head.kind == Kind::Other)
}

/// Returns the room that an entry describes, and all that stands before that; `None` where the
/// entry describes none.
fn description(body: &[u8]) -> Option<(&[u8], Map<String, Value>)> {
    let mut rest = Rest(body);
    let head = Head::take(&mut rest).filter(|head| head.kind == Kind::Other)?;
    // The stream, the time and the previous entry.
    let numbers = if head.has(AUTHOR) { 4 } else { 3 };
    for _ in 0..numbers {
        rest.take()?;
    }
    head.take_fields(&mut rest, |_, _| Some(()))?;
    if !others::describes_room(&mut rest)? {
        return None;
    }
    let room = serde_json::from_slice(rest.0).ok()?;
    Some((&body[..body.len() - rest.0.len()], room))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{
        Act, Room, RoomChange, RoomHistory, RoomId, RoomKind, RoomPost, Stream, Timestamp, UserId,
    };
    use crate::store::log::record::{Author, Links, Record};

    fn entry() -> EntryId {
        EntryId::new(300).unwrap()
    }

    fn record(act: Act<Arc<str>>) -> Record<Arc<str>> {
        Record {
            stream: Stream::Room(RoomId::new(7).unwrap()),
            author: Author::Account(UserId::new(1_000).unwrap()),
            at: Timestamp::from_ms(1_749_124_800_000),
            previous: EntryId::new(299).ok(),
            rank: 0,
            links: Links::default(),
            act,
        }
    }

    fn described(
        change: RoomChange,
        name: &str,
        topic: &str,
        avatar: Option<&str>,
    ) -> Act<Arc<str>> {
        let room = Room {
            id: RoomId::new(7).unwrap(),
            name: name.into(),
            topic: topic.into(),
            avatar: avatar.map(Arc::from),
            kind: RoomKind::Open,
            history: RoomHistory::Joined,
            post: RoomPost::Admins,
            created_at: Timestamp::from_ms(5),
            archived_at: Some(Timestamp::from_ms(6)),
            retention_days: Some(30),
            member_count: 12,
        };
        Act::RoomChanged {
            change,
            room: Arc::new(room),
        }
    }

    #[test]
    fn a_former_description_keeps_all_but_name_topic_and_picture() {
        for change in [
            RoomChange::Created,
            RoomChange::Updated,
            RoomChange::Archived,
        ] {
            for (topic, avatar) in [("", None), ("Layoffs", Some("api/avatars/f1"))] {
                let act = described(change, "Merger", topic, avatar);
                let sealed = record(act).encode(entry());
                let plain = without_texts(entry(), &sealed).unwrap().unwrap();
                let right = record(described(change, "", "", None)).encode(entry());
                let [found, right] =
                    [&plain, &right].map(|sealed| Record::decode(entry(), sealed).unwrap());
                assert_eq!(found, right);
                for text in ["Merger", "Layoffs", "avatars"] {
                    assert!(
                        !plain
                            .windows(text.len())
                            .any(|part| part == text.as_bytes())
                    );
                }
                assert_eq!(without_texts(entry(), &plain).unwrap(), None, "again");
            }
        }
    }

    #[test]
    fn what_this_program_does_not_know_of_a_description_stays() {
        let sealed = record(described(RoomChange::Updated, "Merger", "", None)).encode(entry());
        let body = unseal("log", entry().get(), &sealed).unwrap();
        let (before, mut room) = description(body).unwrap();
        room.insert("of_later".to_owned(), Value::from(7));
        let mut later = before.to_vec();
        later.extend(serde_json::to_vec(&room).unwrap());
        let later = seal(entry().get(), &later);
        let plain = without_texts(entry(), &later).unwrap().unwrap();
        let (_, kept) = description(unseal("log", entry().get(), &plain).unwrap()).unwrap();
        assert_eq!(kept["of_later"], 7);
    }

    #[test]
    fn what_describes_no_room_is_left_alone() {
        let sent = Act::Sent {
            content: "Merger".into(),
            client_id: None,
            extras: None,
        };
        let erased = Act::ErasedMany(Box::default());
        for act in [sent, erased] {
            let sealed = record(act).encode(entry());
            assert_eq!(without_texts(entry(), &sealed).unwrap(), None);
        }
        assert!(without_texts(entry(), b"no checksum").is_err());
    }
}
