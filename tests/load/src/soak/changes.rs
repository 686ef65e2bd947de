//! What is done to messages later: edits, deletions, reactions, read marks. All of it is
//! idempotent, so that what was not answered is asked for again after a reconnect.

use std::collections::{HashSet, VecDeque};

use crate::wire;

use super::ledger::{Ledger, Mark, To, key};
use super::words::Words;

/// Acks of these have ids from here on, those of messages stay below.
const ACKS: u64 = 1_000_000_000;
/// So many messages are remembered as such that may be changed.
const RECENT: usize = 1_024;
/// So many of them are looked at for one that suits.
const LOOKED_AT: usize = 64;
const CHARS: usize = 100;

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Change {
    Edit,
    Delete,
    React,
    ReadPerson,
    ReadRoom,
}

/// A change that is not answered.
pub(crate) struct Doing {
    pub(crate) ack: u64,
    change: Change,
    stream: usize,
    number: u32,
    id: u64,
}

struct Recent {
    stream: usize,
    number: u32,
    id: u64,
}

/// What may be changed, and what was.
#[derive(Default)]
pub(crate) struct Changes {
    recent: VecDeque<Recent>,
    acks: u64,
    pub(crate) edited: HashSet<u64>,
    pub(crate) deleted: HashSet<u64>,
    pub(crate) reacted: HashSet<u64>,
    pub(crate) marked: u64,
    /// Events that told of changes.
    pub(crate) told: u64,
}

impl Changes {
    /// This message may be changed later.
    pub(crate) fn remember(&mut self, stream: usize, number: u32, id: u64) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Recent { stream, number, id });
    }

    /// A change of a message that everybody has heard, and who makes it; `second` says who speaks
    /// version 2. Each message is changed once at most.
    pub(crate) fn of_recent(
        &mut self,
        change: Change,
        ledger: &Ledger,
        second: impl Fn(u32) -> bool,
    ) -> Option<(u32, Doing)> {
        let by = |recent: &Recent| match change {
            Change::React => ledger.hearers(recent.stream).find(|who| second(*who)),
            _ => Some(ledger.streams[recent.stream].sender).filter(|who| second(*who)),
        };
        let (at, who) = self
            .recent
            .iter()
            .take(LOOKED_AT)
            .enumerate()
            .filter(|(_, recent)| ledger.is_heard(recent.stream, recent.number))
            .find_map(|(at, recent)| Some((at, by(recent)?)))?;
        let Recent { stream, number, id } = self.recent.remove(at)?;
        Some((who, self.doing(change, stream, number, id)))
    }

    /// A read mark of the chat of this stream, if it is of that kind.
    pub(crate) fn mark(
        &mut self,
        change: Change,
        stream: usize,
        ledger: &Ledger,
    ) -> Option<(u32, Doing)> {
        let reader = ledger.hearers(stream).next()?;
        let is_room = matches!(ledger.streams[stream].to, To::Room(_));
        (is_room == (change == Change::ReadRoom))
            .then(|| (reader, self.doing(change, stream, 0, 0)))
    }

    fn doing(&mut self, change: Change, stream: usize, number: u32, id: u64) -> Doing {
        self.acks += 1;
        Doing {
            ack: ACKS + self.acks,
            change,
            stream,
            number,
            id,
        }
    }

    /// The server has confirmed it.
    pub(crate) fn done(&mut self, doing: &Doing) {
        let key = key(doing.stream, doing.number);
        let changed = match doing.change {
            Change::Edit => &mut self.edited,
            Change::Delete => &mut self.deleted,
            Change::React => &mut self.reacted,
            Change::ReadPerson | Change::ReadRoom => {
                self.marked += 1;
                return;
            }
        };
        changed.insert(key);
    }

    /// Counts an event that tells of a change; whether it is one of version 2.
    pub(crate) fn heard(&mut self, packet: &[u8]) -> bool {
        let events: [&[u8]; 3] = [
            b"2[\"message_edited\"",
            b"2[\"message_deleted\"",
            b"2[\"reaction\"",
        ];
        let is_one = events.iter().any(|event| packet.starts_with(event));
        self.told += u64::from(is_one);
        is_one
    }
}

impl Doing {
    /// The packet of it.
    pub(crate) fn write(&self, out: &mut Vec<u8>, ledger: &Ledger, words: &Words) {
        out.clear();
        out.extend_from_slice(b"42");
        wire::push_number(out, self.ack, 1);
        let event: &[u8] = match self.change {
            Change::Edit => b"[\"edit_message\",{\"message_id\":",
            Change::Delete => b"[\"delete_message\",{\"message_id\":",
            Change::React => b"[\"react\",{\"message_id\":",
            Change::ReadPerson => b"[\"mark_chat_as_read\",{\"user_id\":",
            Change::ReadRoom => b"[\"mark_chat_as_read\",{\"room_id\":",
        };
        out.extend_from_slice(event);
        let stream = &ledger.streams[self.stream];
        let whose = match (self.change, stream.to) {
            (Change::ReadPerson, _) => u64::from(stream.sender) + 1,
            (Change::ReadRoom, To::Room(id)) => id,
            _ => self.id,
        };
        wire::push_number(out, whose, 1);
        match self.change {
            Change::Edit => {
                out.extend_from_slice(b",\"content\":\"");
                let mark = Mark {
                    stream: self.stream,
                    number: self.number,
                    edits: 1,
                };
                words.write(out, mark, CHARS);
                out.push(b'"');
            }
            Change::React => {
                out.extend_from_slice(",\"emoji\":\"👍\",\"on\":true".as_bytes());
            }
            _ => {}
        }
        out.extend_from_slice(b"}]");
    }
}
