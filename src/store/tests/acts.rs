//! What conversations decide and apply, held against a plain list of messages: no file, no writer.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{id, user};
use crate::model::{
    Act, ClientId, ConversationId, EntryId, Marked, MessageChange, MessageId, MessagePart,
    Moderator, Pair, Timestamp, UserId,
};
use crate::store::StoreError;
use crate::store::log::chain::ReadLog;
use crate::store::log::record::Record;
use crate::store::sealed::Rest;
use crate::store::talk::conversation::{Conversation, Decision, Refusal};

const USERS: u64 = 4;

/// The sealed entries of a log, from entry 1.
#[derive(Default)]
struct Written(Vec<Vec<u8>>);

impl ReadLog for Written {
    type Error = StoreError;

    fn read<R>(&self, id: EntryId, read: impl FnOnce(Record<&str>) -> R) -> Result<R, StoreError> {
        let place = usize::try_from(id.get() - 1).unwrap();
        let sealed = self.0.get(place).ok_or(StoreError::Damaged {
            table: "log",
            key: id.get(),
        })?;
        Ok(read(Record::decode(id, sealed)?))
    }
}

/// A message of the plain list.
struct Plain {
    id: MessageId,
    conversation: usize,
    author: UserId,
    is_read: bool,
    is_erased: bool,
}

/// Conversations and their log, and beside them the plain list.
struct Talked {
    log: Written,
    conversations: Vec<Conversation>,
    plain: Vec<Plain>,
}

impl Talked {
    fn new() -> Self {
        let pairs = (1..=USERS).flat_map(|one| (one + 1..=USERS).map(move |other| (one, other)));
        let pairs = pairs.map(|(one, other)| Pair::new(user(one), user(other)).unwrap());
        Self {
            log: Written::default(),
            conversations: pairs.map(Conversation::new).collect(),
            plain: Vec::new(),
        }
    }

    /// A message of a conversation, as the plain list has it.
    fn find(&mut self, conversation: usize, message: MessageId) -> Option<&mut Plain> {
        let mut messages = self.plain.iter_mut();
        messages.find(|plain| plain.id == message && plain.conversation == conversation)
    }

    fn decide(
        &self,
        conversation: usize,
        author: UserId,
        act: &Act,
    ) -> Result<Decision<Arc<str>>, Refusal<StoreError>> {
        let at = Timestamp::from_ms(self.log.0.len() as u64);
        let known = &self.conversations[conversation];
        known.decide(&self.log, conversation_id(conversation), author, at, act)
    }

    /// Appends and applies what was decided, once it is sure that a check would call it right.
    fn append(&mut self, conversation: usize, author: UserId, record: &Record<Arc<str>>) {
        let entry = EntryId::new(self.log.0.len() as u64 + 1).unwrap();
        let sealed = record.encode(entry);
        let read = Record::decode(entry, &sealed).unwrap();
        let known = &self.conversations[conversation];
        let again = known.decide(
            &self.log,
            conversation_id(conversation),
            author,
            read.at,
            &read.act,
        );
        assert_eq!(again.unwrap(), Decision::Append(read));
        self.conversations[conversation].apply(entry, record);
        self.log.0.push(sealed);
    }

    fn send(&mut self, conversation: usize, author: UserId, number: usize) {
        let act = Act::Sent {
            content: format!("m{number}").into(),
            client_id: number
                .is_multiple_of(2)
                .then(|| ClientId::new("é").unwrap()),
            extras: None,
        };
        match self.decide(conversation, author, &act).unwrap() {
            Decision::Append(record) => {
                assert_eq!(record.act, act);
                self.append(conversation, author, &record);
            }
            Decision::Nothing(act) => panic!("{act:?}"),
        }
        let plain = Plain {
            id: id(self.log.0.len() as u64),
            conversation,
            author,
            is_read: false,
            is_erased: false,
        };
        self.plain.push(plain);
    }

    fn read(&mut self, conversation: usize, author: UserId, message: MessageId) {
        let is_member = self.conversations[conversation]
            .pair
            .place(author)
            .is_some();
        let found = self.find(conversation, message);
        let found = found.filter(|plain| is_member && !plain.is_erased);
        let expected = found.map(|plain| {
            let (is_own, was_read) = (plain.author == author, plain.is_read);
            plain.is_read |= !is_own;
            (is_own, was_read)
        });
        let decided = self.decide(conversation, author, &Act::Read { message });
        match (decided, expected) {
            (Err(Refusal::NoSuchMessage), None)
            | (Err(Refusal::OwnMessage), Some((true, _)))
            | (Ok(Decision::Nothing(_)), Some((false, true))) => {}
            (Ok(Decision::Append(record)), Some((false, false))) => {
                self.append(conversation, author, &record);
            }
            other => panic!("{other:?}"),
        }
    }

    /// Edits, reacts to or deletes a message; a deletion may be another's than its sender's.
    fn change(&mut self, conversation: usize, author: UserId, act: &Act) {
        let message = act.changes().unwrap();
        let by = act.moderator();
        let is_deletion = act.part() == Some(MessagePart::Whole);
        let is_reaction = act.part() == Some(MessagePart::Beside);
        let pair = self.conversations[conversation].pair;
        let is_member = by.is_some() || pair.place(author).is_some();
        let found = self.find(conversation, message);
        let found = found.filter(|plain| is_member && !plain.is_erased);
        let sender = found.map(|plain| {
            let is_allowed = plain.author == author || is_reaction || by.is_some();
            plain.is_erased |= is_deletion && is_allowed;
            (plain.author, is_allowed)
        });
        let decided = self.decide(conversation, author, act);
        match (decided, sender) {
            (Err(Refusal::NoSuchMessage), None) | (Err(Refusal::NotSender), Some((_, false))) => {}
            (Ok(Decision::Append(record)), Some((sender, true))) => {
                let author = if by.is_some() { sender } else { author };
                self.append(conversation, author, &record);
            }
            other => panic!("{other:?}"),
        }
    }

    fn read_up_to(&mut self, conversation: usize, author: UserId, up_to: MessageId) {
        let theirs = |plain: &&mut Plain| plain.conversation == conversation && plain.id <= up_to;
        let covered: Vec<&mut Plain> = self.plain.iter_mut().filter(theirs).collect();
        let last = covered.last().map(|plain| plain.id);
        let mut marked = Vec::new();
        for plain in covered {
            if plain.author != author && !plain.is_read && !plain.is_erased {
                plain.is_read = true;
                marked.push(plain.id);
            }
        }
        let act = Act::ReadUpTo {
            message: up_to,
            marked: Marked::default(),
        };
        let decided = self.decide(conversation, author, &act).unwrap();
        let Some(message) = last else {
            assert_eq!(decided, Decision::Nothing(act));
            return;
        };
        let newest = &marked[marked.len().saturating_sub(Marked::NAMED)..];
        let right = Act::ReadUpTo {
            message,
            marked: Marked {
                count: marked.len() as u64,
                newest: newest.into(),
            },
        };
        match decided {
            Decision::Append(record) if !marked.is_empty() => {
                assert_eq!(record.act, right);
                self.append(conversation, author, &record);
            }
            Decision::Nothing(act) if marked.is_empty() => assert_eq!(act, right),
            other => panic!("{other:?}"),
        }
    }

    /// What is unread is what the plain list says, a replay comes to the same, and so does a row.
    fn assert_right(&self) {
        let mut replayed = Self::new().conversations;
        for (number, sealed) in (1..).zip(&self.log.0) {
            let entry = EntryId::new(number).unwrap();
            let record = Record::decode(entry, sealed).unwrap();
            let place = usize::try_from(record.stream.pair().unwrap().get() - 1).unwrap();
            replayed[place].apply(entry, &record);
            // An entry that is known already changes nothing.
            let before = replayed[place].clone();
            replayed[place].apply(entry, &record);
            assert_eq!(replayed[place], before);
        }
        assert_eq!(replayed, self.conversations);
        for (number, conversation) in self.conversations.iter().enumerate() {
            let mut row = Vec::new();
            conversation.encode(&mut row);
            let mut decoded = Conversation::decode(&mut Rest(&row)).unwrap();
            // Which messages were erased stands behind all conversations of a row.
            decoded.erased.clone_from(&conversation.erased);
            assert_eq!(decoded, *conversation);
            let there = self
                .plain
                .iter()
                .filter(|plain| plain.conversation == number);
            let is_erased: Vec<_> = there.map(|plain| plain.is_erased).collect();
            for (erased, message) in is_erased.iter().zip(1..) {
                assert_eq!(conversation.is_erased(message), *erased);
            }
            let newest = is_erased.iter().rposition(|erased| !erased);
            let newest = newest.map_or(0, |at| at as u64 + 1);
            assert_eq!(conversation.newest_through(is_erased.len() as u64), newest);
            for (place, member) in conversation.pair.members().into_iter().enumerate() {
                let unread = self.plain.iter().filter(|plain| {
                    let is_unread = !plain.is_read && !plain.is_erased;
                    plain.conversation == number && plain.author != member && is_unread
                });
                assert_eq!(conversation.unread(place), unread.count() as u64);
            }
        }
    }
}

fn conversation_id(place: usize) -> ConversationId {
    ConversationId::new(place as u64 + 1).unwrap()
}

#[test]
fn what_conversations_decide_and_apply_is_what_a_plain_list_of_messages_says() {
    for seed in 0..40 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut talked = Talked::new();
        // Some have few messages, some so many that a mark cannot name them all.
        let (steps, sends) = [(200, 0.4), (600, 0.9)][usize::from(seed % 4 == 0)];
        for number in 0..steps {
            let conversation = random.random_range(0..[6, 1][usize::from(seed % 4 == 0)]);
            let pair = talked.conversations[conversation].pair;
            let member = pair.members()[random.random_range(0..2)];
            let any = id(random.random_range(1..=number as u64 + 1));
            let in_log = any.min(id((talked.log.0.len() as u64).max(1)));
            if talked.log.0.is_empty() || random.random_bool(sends) {
                talked.send(conversation, member, number);
            } else if random.random_bool(0.3) {
                let who = user(random.random_range(1..=USERS));
                let moderator = [None, Some(Moderator::Server), Some(Moderator::Account(who))];
                let change = match random.random_range(0..4) {
                    0 => MessageChange::Edited { content: None },
                    1 => MessageChange::Reacted {
                        emoji: "👍".into(),
                        on: true,
                    },
                    _ => MessageChange::Deleted {
                        by: moderator[random.random_range(0..3)],
                    },
                };
                let act = Act::MessageChanged {
                    message: in_log,
                    change,
                };
                talked.change(conversation, who, &act);
            } else if random.random_bool(0.5) {
                talked.read(conversation, user(random.random_range(1..=USERS)), in_log);
            } else {
                let up_to = [in_log, MessageId::LAST][random.random_range(0..2)];
                talked.read_up_to(conversation, member, up_to);
            }
        }
        talked.assert_right();
    }
}
