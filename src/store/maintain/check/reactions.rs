//! Who reacted to messages of rooms, held against how many the messages say it were.

use redb::ReadTransaction;
use rustc_hash::FxHashSet;

use super::report::Report;
use crate::model::{Act, EntryId, MessageId, Reaction, Stream, UserId};
use crate::store::error::StoreError;
use crate::store::log::blocks::Log;
use crate::store::log::chain::ReadLog;
use crate::store::tables::REACTIONS;
use crate::store::talk::reactions::{decode, react, rows_of};

/// Goes through the rows, message by message. Returns which messages have any.
pub(super) fn check_reactions(
    txn: &ReadTransaction,
    log: &Log,
    report: &mut Report,
) -> Result<FxHashSet<MessageId>, StoreError> {
    let table = txn.open_table(REACTIONS)?;
    let (mut next, mut messages) = (0, FxHashSet::default());
    while let Some(row) = table.range((next, 0)..)?.next() {
        let message = row?.0.value().0;
        next = message.saturating_add(1);
        let Ok(id) = MessageId::new(message) else {
            report.damaged("reactions", message);
            continue;
        };
        messages.insert(id);
        let mut found: Vec<Reaction> = Vec::new();
        for row in table.range(rows_of(id, 0))? {
            let (key, value) = row?;
            let key = key.value();
            let Ok(own) = decode(key, value.value()).and_then(|own| {
                UserId::new(key.1).map_err(|_| StoreError::Damaged {
                    table: "reactions",
                    key: key.0,
                })?;
                Ok(own)
            }) else {
                report.damaged("reactions", format!("({}, {})", key.0, key.1));
                continue;
            };
            for emoji in own {
                react(&mut found, None, &emoji, true);
            }
        }
        let says = log.read(EntryId::from(id), |record| {
            match (record.stream, record.act) {
                (Stream::Room(_), Act::Sent { extras, .. }) => {
                    extras.map_or_else(Vec::new, |extras| extras.to_shared().reactions)
                }
                _ => Vec::new(),
            }
        });
        let says = match says {
            Ok(says) => says,
            // Found where it stands.
            Err(StoreError::Damaged { .. }) => continue,
            Err(error) => return Err(error),
        };
        if !is_same(&found, &says) {
            report.add("reactions", message, "are others than the message has");
        }
    }
    Ok(messages)
}

/// Returns whether two lists have the same, in whichever order.
fn is_same(one: &[Reaction], other: &[Reaction]) -> bool {
    one.len() == other.len() && one.iter().all(|reaction| other.contains(reaction))
}

#[cfg(test)]
mod tests {
    use crate::store::tests::ops;
    use redb::Table;

    use super::*;
    use crate::model::RoomId;
    use crate::store::maintain::tests::Data;
    use crate::store::sealed::seal_under;
    use crate::store::talk::reactions::put;
    use crate::store::tests::user;
    use crate::store::*;

    /// A file with a room of three, in which two have reacted to a message and nobody to the next.
    fn reacted() -> (Data, MessageId, MessageId) {
        let data = Data::new();
        let open = data.open().with_users(3);
        let what = RoomCommand::Create {
            room: ops(),
            members: vec![user(2), user(3)],
            most: 10,
        };
        let by = Some(user(1));
        open.apply(0, Change::Room(RoomAct { by, what })).unwrap();
        let send = |content: &str| {
            let room = RoomId::new(1).unwrap();
            let talk = Talk::send_to_room(user(1), room, content.into(), None);
            match open.apply(0, Change::Talk(talk)) {
                Ok(Committed::Talk(Outcome::Entry(notice))) => notice.entry.id.into(),
                other => panic!("{other:?}"),
            }
        };
        let (message, bare) = (send("one"), send("two"));
        for (who, emoji) in [(2, "👍"), (2, "🎉"), (3, "👍")] {
            let talk = Talk::react(user(who), message, emoji.into(), true).in_any_chat();
            open.apply(0, Change::Talk(talk)).unwrap();
        }
        open.close();
        (data, message, bare)
    }

    type Harm = fn(&mut Table<'_, (u64, u64), &'static [u8]>, MessageId, MessageId);

    #[test]
    fn who_reacted_is_held_against_what_the_messages_say() {
        let cases: [(&str, Harm); 6] = [
            ("of a row", |table, message, _| {
                let mut row = seal_under(&[message.get(), 2], b"\x04\xf0\x9f\x91\x8d");
                row[0] ^= 1;
                table.insert((message.get(), 2), &row[..]).unwrap();
            }),
            ("of a message", |table, message, _| {
                table.remove((message.get(), 3)).unwrap();
            }),
            ("of a message", |table, message, _| {
                put(table, message, user(1), &vec!["🎉".into()]).unwrap();
            }),
            ("of a message", |table, message, _| {
                table.retain_in(rows_of(message, 0), |_, _| false).unwrap();
            }),
            ("of the next", |table, _, bare| {
                put(table, bare, user(1), &vec!["🎉".into()]).unwrap();
            }),
            ("of none", |table, _, _| {
                let room = MessageId::new(1).unwrap();
                put(table, room, user(1), &vec!["🎉".into()]).unwrap();
            }),
        ];
        for (number, (place, harm)) in cases.into_iter().enumerate() {
            let (data, message, bare) = reacted();
            assert_eq!(data.finds(), []);
            data.tamper(|txn| harm(&mut txn.open_table(REACTIONS).unwrap(), message, bare));
            let key = match place {
                "of a row" => format!("({message}, 2)"),
                "of a message" => message.to_string(),
                "of the next" => bare.to_string(),
                _ => "1".to_owned(),
            };
            let found = data.finds();
            assert!(found.contains(&("reactions", key)), "{number}: {found:?}");
        }
    }
}
