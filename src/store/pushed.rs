//! Who is pushed to: asked of what is in memory, in short looks between which others have a turn.

use crate::model::{ChatId, ChatSettings, RoomId, Timestamp, UserId};
use crate::store::handle::Store;
use crate::store::talk::rooms::RoomMember;

/// 512 members are looked at before others have a turn at the state.
const MEMBERS_A_LOOK: usize = 512;

/// A message of a room, as far as it matters who is told of it.
#[derive(Debug, Clone, Copy)]
pub struct SaidInRoom<'a> {
    /// The room.
    pub room: RoomId,
    /// Who said it.
    pub sender: UserId,
    /// Whom it mentions by name.
    pub mentions: &'a [UserId],
    /// Whether it mentions all.
    pub mention_all: bool,
}

impl Store {
    /// Returns whether a person has a browser that is pushed to.
    pub fn is_pushed_to(&self, user: UserId) -> bool {
        let state = self.intake.data.state.read();
        state.people.subscriptions.has(user)
    }

    /// Returns whether a person is told of something in a chat at all: they are in it still, are
    /// pushed to, have not silenced it, and have not blocked whom it is with.
    pub fn may_be_told(&self, now: Timestamp, user: UserId, chat: ChatId) -> bool {
        let state = self.intake.data.state.read();
        let settings = match chat {
            ChatId::Person(peer) if state.rooms.blocks(user, peer) => None,
            ChatId::Person(peer) => Some(state.rooms.settings(user, peer)),
            ChatId::Room(room) => state.rooms.member(room, user).map(|member| member.settings),
        };
        let is_wanted = settings.is_some_and(|settings| settings.tells_of(0, true, now));
        is_wanted && state.people.subscriptions.has(user)
    }

    /// Returns whether a person is told of a message of another.
    pub fn is_told_by(&self, now: Timestamp, user: UserId, sender: UserId) -> bool {
        let state = self.intake.data.state.read();
        let settings = state.rooms.settings(user, sender);
        state.people.subscriptions.has(user) && settings.tells_of(2, false, now)
    }

    /// Returns who is told of a message of a room. Nobody is looked at who is neither mentioned nor
    /// has asked for every message, but in small rooms, and where all are mentioned.
    pub fn told_in_room(&self, now: Timestamp, said: SaidInRoom<'_>) -> Vec<UserId> {
        let mut told = Vec::new();
        for some in self.candidates(said).chunks(MEMBERS_A_LOOK) {
            let state = self.intake.data.state.read();
            let Some(head) = state.rooms.head(said.room) else {
                break;
            };
            let is_one = |user: &&UserId| {
                let is_mentioned = said.mention_all || said.mentions.contains(user);
                let wants = |member: &RoomMember| {
                    (member.settings).tells_of(head.members, is_mentioned, now)
                };
                state.people.subscriptions.has(**user)
                    && state.rooms.member(said.room, **user).is_some_and(wants)
            };
            told.extend(some.iter().filter(is_one).copied());
        }
        told
    }

    /// Those who may be told of a message, each once.
    fn candidates(&self, said: SaidInRoom<'_>) -> Vec<UserId> {
        let state = self.intake.data.state.read();
        let (rooms, people) = (&state.rooms, &state.people.subscriptions);
        let Some(head) = rooms.head(said.room) else {
            return Vec::new();
        };
        let mut found: Vec<UserId> = match said.mention_all || head.members <= ChatSettings::LARGE {
            true if people.people().len() as u64 <= head.members => people.people().collect(),
            true => rooms
                .members_after(said.room, 0)
                .map(|(user, _)| user)
                .collect(),
            false => {
                let mentioned = said.mentions.iter().copied();
                rooms.loud(said.room).chain(mentioned).collect()
            }
        };
        drop(state);
        found.sort_unstable();
        found.dedup();
        found.retain(|user| *user != said.sender);
        found
    }
}
