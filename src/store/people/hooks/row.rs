//! A row of the `hooks` table: JSON, so that a later format may add keys.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use super::hook::{AccountEvent, Hook, HookId, HookIn, HookKind, HookOut, HookProgress};
use crate::model::{ChatId, HookEvent, HookSecret, HookUrl, RoomId, Timestamp, UserId};
use crate::store::error::StoreError;
use crate::store::sealed::{seal, unseal};

/// What a row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HookRow {
    /// A hook.
    Hook(Arc<Hook>),
    /// Something that happened to an account.
    Account(AccountEvent),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    In {
        bot: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<u64>,
        name: Arc<str>,
        hash: String,
        created_at_ms: u64,
        confirmed_at_ms: u64,
    },
    Out {
        url: Arc<str>,
        secret: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        events: Vec<HookEvent>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rooms: Vec<u64>,
        #[serde(flatten)]
        progress: HookProgress,
        turn: u64,
        created_at_ms: u64,
        confirmed_at_ms: u64,
    },
    Account {
        event: HookEvent,
        user: u64,
        at_ms: u64,
    },
}

fn base64(bytes: &[u8; 32]) -> String {
    BASE64_STANDARD_NO_PAD.encode(bytes)
}

fn record(row: &HookRow) -> Record {
    let hook = match row {
        HookRow::Hook(hook) => hook,
        HookRow::Account(account) => {
            return Record::Account {
                event: account.event,
                user: account.user.get(),
                at_ms: account.at.as_ms(),
            };
        }
    };
    let created_at_ms = hook.created_at.as_ms();
    let confirmed_at_ms = hook.confirmed_at.as_ms();
    match &hook.kind {
        HookKind::In(HookIn {
            bot,
            chat,
            name,
            hash,
        }) => {
            let (room, user) = match chat {
                ChatId::Room(room) => (Some(room.get()), None),
                ChatId::Person(user) => (None, Some(user.get())),
            };
            Record::In {
                bot: bot.get(),
                room,
                user,
                name: Arc::clone(name),
                hash: base64(hash),
                created_at_ms,
                confirmed_at_ms,
            }
        }
        HookKind::Out(out) => Record::Out {
            url: Arc::clone(&out.url.0),
            secret: base64(&out.secret.0),
            events: out.events.clone(),
            rooms: out.rooms.iter().map(|room| room.get()).collect(),
            progress: out.progress.clone(),
            turn: out.turn,
            created_at_ms,
            confirmed_at_ms,
        },
    }
}

/// The sealed value of a row.
pub(crate) fn encode(number: u64, row: &HookRow) -> Vec<u8> {
    let json = serde_json::to_vec(&record(row));
    seal(
        number,
        &json.expect("a record of strings and numbers is valid JSON"),
    )
}

/// Reads a row back.
pub(crate) fn decode(number: u64, sealed: &[u8]) -> Result<HookRow, StoreError> {
    let body = unseal("hooks", number, sealed)?;
    let record = serde_json::from_slice(body).ok();
    let row = record.and_then(|record| row(number, record));
    row.ok_or(StoreError::Damaged {
        table: "hooks",
        key: number,
    })
}

fn bytes(text: &str) -> Option<[u8; 32]> {
    BASE64_STANDARD_NO_PAD.decode(text).ok()?.try_into().ok()
}

fn row(number: u64, record: Record) -> Option<HookRow> {
    let hook = |created_at_ms, confirmed_at_ms, kind| {
        HookRow::Hook(Arc::new(Hook {
            id: HookId(number),
            created_at: Timestamp::from_ms(created_at_ms),
            confirmed_at: Timestamp::from_ms(confirmed_at_ms),
            kind,
        }))
    };
    Some(match record {
        Record::In {
            bot,
            room,
            user,
            name,
            hash,
            created_at_ms,
            confirmed_at_ms,
        } => {
            let chat = match (room, user) {
                (Some(room), None) => ChatId::Room(RoomId::new(room).ok()?),
                (None, Some(user)) => ChatId::Person(UserId::new(user).ok()?),
                _ => return None,
            };
            let kind = HookKind::In(HookIn {
                bot: UserId::new(bot).ok()?,
                chat,
                name,
                hash: bytes(&hash)?,
            });
            hook(created_at_ms, confirmed_at_ms, kind)
        }
        Record::Out {
            url,
            secret,
            events,
            rooms,
            progress,
            turn,
            created_at_ms,
            confirmed_at_ms,
        } => {
            let rooms: Result<_, _> = rooms.into_iter().map(RoomId::new).collect();
            let kind = HookKind::Out(Box::new(HookOut {
                url: HookUrl(url),
                secret: HookSecret(bytes(&secret)?),
                events,
                rooms: rooms.ok()?,
                progress,
                turn,
            }));
            hook(created_at_ms, confirmed_at_ms, kind)
        }
        Record::Account { event, user, at_ms } => HookRow::Account(AccountEvent {
            number,
            event,
            user: UserId::new(user).ok()?,
            at: Timestamp::from_ms(at_ms),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::people::hooks::hook::{HookAnswer, HookPause};

    fn hook(kind: HookKind) -> HookRow {
        HookRow::Hook(Arc::new(Hook {
            id: HookId(3),
            created_at: Timestamp::from_ms(5),
            confirmed_at: Timestamp::from_ms(6),
            kind,
        }))
    }

    #[test]
    fn a_row_is_read_back_as_written() {
        let user = |number| UserId::new(number).unwrap();
        let incoming = |chat| {
            HookKind::In(HookIn {
                bot: user(7),
                chat,
                name: "alerts".into(),
                hash: [9; 32],
            })
        };
        let outgoing = |progress, events: &[HookEvent], rooms: &[u64]| {
            let rooms = rooms.iter().map(|room| RoomId::new(*room).unwrap());
            HookKind::Out(Box::new(HookOut {
                url: HookUrl("https://example.org/secret".into()),
                secret: HookSecret([8; 32]),
                events: events.to_vec(),
                rooms: rooms.collect(),
                progress,
                turn: 4,
            }))
        };
        let progress = HookProgress {
            entry: 5,
            account: 6,
            gap: true,
            paused: Some(HookPause::Gone),
            failing_since_ms: Some(7),
            set_aside: 8,
            set_aside_from: Some(4),
            last: Some(HookAnswer {
                at_ms: 9,
                status: Some(410),
                error: None,
            }),
        };
        let account = HookRow::Account(AccountEvent {
            number: 3,
            event: HookEvent::UserDeleted,
            user: user(2),
            at: Timestamp::from_ms(5),
        });
        for row in [
            hook(incoming(ChatId::Person(user(2)))),
            hook(incoming(ChatId::Room(RoomId::new(4).unwrap()))),
            hook(outgoing(HookProgress::default(), &[], &[])),
            hook(outgoing(progress, &[HookEvent::Reaction], &[4, 9])),
            account,
        ] {
            let sealed = encode(3, &row);
            assert_eq!(decode(3, &sealed).unwrap(), row);
            assert!(
                decode(4, &sealed).is_err(),
                "the checksum covers the number"
            );
        }
    }

    #[test]
    fn a_row_that_leads_nowhere_or_to_two_chats_is_damaged() {
        for json in [
            "{}",
            r#"{"in":{"bot":7,"name":"a","hash":"","created_at_ms":1,"confirmed_at_ms":1}}"#,
            r#"{"account":{"event":"none","user":1,"at_ms":1}}"#,
        ] {
            assert!(decode(3, &seal(3, json.as_bytes())).is_err(), "{json}");
        }
    }
}
