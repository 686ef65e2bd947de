//! One conversation in memory.

use super::readset::ReadSet;
use crate::model::{ClientId, EntryId, Message, MessageId, Pair, UserId};
use crate::store::log::chain::Chain;
use crate::store::log::record::{Body, Entry, MessageBody};
use crate::store::sealed::{Rest, put};

/// One conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conversation {
    pub(crate) pair: Pair,
    /// Its messages.
    pub(crate) chain: Chain,
    /// Its newest entry of any kind.
    pub(crate) last_entry: Option<EntryId>,
    /// How many messages each side has sent.
    pub(crate) sent: [u64; 2],
    /// What each side has read of the other's.
    pub(crate) read: [ReadSet; 2],
}

impl Conversation {
    pub(crate) fn new(pair: Pair) -> Self {
        Self {
            pair,
            chain: Chain::default(),
            last_entry: None,
            sent: [0; 2],
            read: [ReadSet::default(), ReadSet::default()],
        }
    }

    /// The entry of its newest message.
    pub(crate) fn last_message(&self) -> Option<EntryId> {
        self.chain.last().map(EntryId::from)
    }

    /// How many messages of the other this side has not read.
    pub(crate) fn unread(&self, side: usize) -> u64 {
        self.sent[1 - side] - self.read[side].count()
    }

    /// Appends its form in a row: members, newest entry, chain, and for each side what it sent and what it has read.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for member in self.pair.members() {
            put(out, member.get());
        }
        put(out, self.last_entry.map_or(0, EntryId::get));
        self.chain.encode(out);
        for side in [0, 1] {
            put(out, self.sent[side]);
            self.read[side].encode(out);
        }
    }

    /// Reads it back.
    pub(crate) fn decode(rest: &mut Rest<'_>) -> Option<Self> {
        let mut member = || UserId::new(rest.take()?).ok();
        let pair = Pair::new(member()?, member()?)?;
        let last_entry = match rest.take()? {
            0 => None,
            number => Some(EntryId::new(number).ok()?),
        };
        let chain = Chain::decode(rest)?;
        let mut side = || Some((rest.take()?, ReadSet::decode(rest)?));
        let [(sent_0, read_0), (sent_1, read_1)] = [side()?, side()?];
        Some(Self {
            pair,
            chain,
            last_entry,
            sent: [sent_0, sent_1],
            read: [read_0, read_1],
        })
    }

    /// Takes in an entry that the log holds already. One that is not newer than what it knows is in it.
    pub(crate) fn replay(&mut self, id: EntryId, entry: &Entry<'_>) {
        if self.last_entry >= Some(id) {
            return;
        }
        match &entry.body {
            Body::Message(_) => {
                self.chain
                    .push(MessageId::new(id.get()).expect("an entry id is a valid id"));
                self.sent[entry.side] += 1;
            }
            Body::Read { ordinal, .. } => {
                self.read[entry.side].mark(*ordinal);
            }
            Body::ChatRead { through, .. } => {
                self.read[entry.side].mark_through(*through);
            }
        }
        self.last_entry = Some(id);
    }
}

/// The noun from a record and the pair of its conversation.
pub(crate) fn message_of(
    id: MessageId,
    pair: Pair,
    entry: &Entry<'_>,
    body: &MessageBody<'_>,
) -> Message {
    let members = pair.members();
    Message {
        id,
        sender_id: members[entry.side],
        receiver_id: members[1 - entry.side],
        content: body.content.into(),
        created_at: entry.at,
        client_id: body
            .client_id
            .and_then(|client_id| ClientId::new(&client_id.text()).ok()),
    }
}
