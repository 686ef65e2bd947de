//! Who may write to whom: blocks, and first contact.

use super::staging::Staging;
use crate::model::{Act, ChatId, FirstContact, MessagePart, Pair, Timestamp, UserId};
use crate::store::error::{ReadError, StoreError};
use crate::store::people::refusal::PeopleRefusal;
use crate::store::room_act::RoomDone;
use crate::store::talk::refusal::{ContactRefusal, TalkRefusal};
use crate::store::talk::rooms::own_record;

/// 5,000 people: more than anybody blocks one by one.
const MAX_BLOCKED: usize = 5_000;

impl Staging<'_> {
    /// Refuses what a person may not do to another. Who is blocked is told the same as one who may
    /// not begin to write, so that a block does not show.
    pub(super) fn check_accepted(
        &self,
        author: UserId,
        peer: UserId,
    ) -> Result<(), ContactRefusal> {
        let rooms = self.rooms();
        if rooms.blocks(author, peer) {
            return Err(ContactRefusal::Blocking);
        }
        if rooms.blocks(peer, author) {
            return Err(ContactRefusal::NotAccepted);
        }
        let may_begin = match self.first_contact {
            FirstContact::Everyone => true,
            FirstContact::Shared => rooms.share_room(author, peer),
            FirstContact::None => false,
        };
        let have_begun =
            || Pair::new(author, peer).is_some_and(|pair| self.conversation_id(pair).is_some());
        match may_begin || self.is_of_administrators(author) || have_begun() {
            true => Ok(()),
            false => Err(ContactRefusal::NotAccepted),
        }
    }

    /// Refuses what one of two people may not do to the other. Marking and deleting is always
    /// possible.
    pub(super) fn check_talk(
        &self,
        author: UserId,
        pair: Pair,
        act: &Act,
    ) -> Result<(), ContactRefusal> {
        let says = match act {
            Act::Sent { .. } => true,
            act => match act.part() {
                Some(MessagePart::Text | MessagePart::Beside) => true,
                Some(MessagePart::Whole) | None => false,
            },
        };
        match pair.other(author) {
            Some(peer) if says => self.check_accepted(author, peer),
            _ => Ok(()),
        }
    }

    /// Returns what is said of a receiver that is not there: where not everybody may begin to
    /// write, the same as of one to whom the author may not.
    pub(super) fn absent(&self, author: UserId, act: &Act) -> StoreError {
        let is_open = self.first_contact == FirstContact::Everyone;
        match act {
            Act::Sent { .. } if !is_open && !self.is_of_administrators(author) => {
                ContactRefusal::NotAccepted.into()
            }
            _ => PeopleRefusal::NoSuchUser.into(),
        }
    }

    /// Has a person block another, or do so no more.
    pub(super) fn block(
        &mut self,
        by: UserId,
        now: Timestamp,
        peer: UserId,
        blocked: bool,
    ) -> Result<RoomDone, ReadError> {
        if peer == by {
            return Err(TalkRefusal::SamePerson.into());
        }
        if blocked && !self.has_user(peer) {
            return Err(PeopleRefusal::NoSuchUser.into());
        }
        let rooms = self.rooms();
        let mut notices = Vec::new();
        if rooms.blocks(by, peer) != blocked {
            if blocked && rooms.blocked_count(by) >= MAX_BLOCKED {
                return Err(ContactRefusal::TooManyBlocks.into());
            }
            let act = Act::Settings {
                chat: ChatId::Person(peer),
                settings: rooms.settings(by, peer),
                blocks: Some(blocked),
            };
            let record = own_record(by, now, act, rooms.own(by));
            notices.push(self.append_of_room(record)?);
        }
        Ok(RoomDone {
            room: None,
            notices,
        })
    }
}
