//! Who shares a chat with a person, and which of them are shown otherwise than at some time.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::chats::{Order, Pick};
use super::snapshot::Snapshot;
use crate::model::{Act, EntryId, MembershipChange, Pair, RoomId, Timestamp, User, UserId};
use crate::store::error::{ReadError, StoreError};
use crate::store::log::chain::ReadLog;
use crate::store::log::record::{Author, Record};
use crate::store::room_act::MAX_ROOMS;
use crate::store::state::State;
use crate::store::talk::conversation::Conversation;

/// So many accounts may be shown otherwise since a place in the log: with more, whoever asks reads
/// afresh how people are shown.
const MAX_CHANGED: usize = 10_000;
/// So many look-ups are made, or members gone through, some 100 us, before others have a turn at
/// the state.
const LOOKUPS_A_TURN: usize = 1_024;
/// 20,000 people are told how one person is shown now: two of the largest rooms.
const MAX_PEERS: usize = 20_000;
/// Who deletes an account leaves its rooms in one transaction, by three entries each at most.
const LEFT_WITHIN: u64 = 3 * MAX_ROOMS as u64;
/// 16 deleted accounts that left more rooms than are known are looked up in the log, some 20,000
/// entries: with more, whoever asks reads afresh how people are shown.
const MAX_LOOKED_UP: usize = 16;

impl Snapshot<'_> {
    /// Returns the people with whom this person shares a conversation or a room, at most
    /// `MAX_PEERS` and the rest of a turn, those of conversations first.
    pub fn peers(&self, user: UserId) -> Result<FxHashSet<UserId>, ReadError> {
        let mut peers = FxHashSet::default();
        let pick = |_: &State, conversation: &Conversation| match conversation.pair.other(user) {
            Some(peer) => Pick::Take(peer),
            None => Pick::Skip,
        };
        self.go_through(user, Order::Entries, pick, |picked| {
            peers.extend(picked);
            Ok(())
        })?;
        for room in self.rooms_with(user)? {
            let (mut after, mut is_more) = (0, true);
            while is_more && peers.len() < MAX_PEERS {
                let state = self.state();
                let members = state.rooms.members_after(room, after);
                let before = after;
                for (member, _) in members.take(LOOKUPS_A_TURN) {
                    after = member.get();
                    peers.insert(member);
                }
                is_more = after > before;
            }
        }
        peers.remove(&user);
        Ok(peers)
    }

    /// Returns those with whom this person shares a conversation or a room, and who may be shown
    /// otherwise since an entry of the log, as they are shown now. None is left out; some may have
    /// been so already. `None` where `MAX_CHANGED` accounts are, or too many deleted ones are to be
    /// looked up.
    pub fn profiles_since(
        &self,
        user: UserId,
        entry: u64,
    ) -> Result<Option<Vec<Arc<User>>>, ReadError> {
        // Before anything is read: mostly no account has changed at all.
        if self.state().people.directory.newest_profile().is_none() {
            return Ok(Some(Vec::new()));
        }
        // What changed after the entry was dated no earlier than it.
        let since = match EntryId::new(entry) {
            Ok(id) => self.log().read(id, |record| record.at)?,
            Err(_) => Timestamp::default(),
        };
        let changed: Vec<_> = {
            let state = self.state();
            let since = state.people.directory.profiles_since(since);
            since.take(MAX_CHANGED).collect()
        };
        if changed.len() == MAX_CHANGED {
            return Ok(None);
        }
        let rooms = self.rooms_of(user);
        let Some(met) = self.met_in(&rooms, &changed)? else {
            return Ok(None);
        };
        let turn = (LOOKUPS_A_TURN / (1 + rooms.len())).max(1);
        let mut profiles = Vec::new();
        for some in changed.chunks(turn) {
            let state = self.state();
            let shares_chat = |id: &&UserId| {
                let pair = Pair::new(user, **id);
                pair.is_some_and(|pair| state.conversation_id(pair).is_some())
                    || (**id != user) && (rooms.iter()).any(|room| is_shown_in(&state, *room, **id))
                    || met.contains(*id)
            };
            let peers = some.iter().filter(shares_chat);
            profiles.extend(peers.filter_map(|id| state.people.directory.get(*id).cloned()));
        }
        Ok(Some(profiles))
    }

    pub(super) fn rooms_of(&self, user: UserId) -> Vec<RoomId> {
        let state = self.state();
        let person = state.rooms.person(user);
        person.map_or(Vec::new(), |person| person.rooms.clone())
    }

    /// Returns the rooms in which a person is shown: those that they are in; and of one who is
    /// gone, who left all of them by that, the last that they were in.
    fn rooms_with(&self, user: UserId) -> Result<Vec<RoomId>, ReadError> {
        let is_gone = is_gone(&self.state(), user);
        match is_gone {
            true => self.rooms_left(user),
            false => Ok(self.rooms_of(user)),
        }
    }

    /// Returns the last rooms that one who is gone was in, ascending. Those that are not known any
    /// more, since they left so many at once, stand in the log right before those that are.
    fn rooms_left(&self, user: UserId) -> Result<Vec<RoomId>, ReadError> {
        let (mut rooms, known_from) = {
            let state = self.state();
            let Some(person) = state.rooms.person(user) else {
                return Ok(Vec::new());
            };
            let oldest = person.stays.first();
            let oldest = oldest.filter(|_| !person.knows_all_stays());
            let rooms: Vec<_> = person.stays.iter().map(|stay| stay.room).collect();
            (rooms, oldest.map_or(0, |stay| stay.until.get()))
        };
        let log = self.log();
        let before = known_from.saturating_sub(LEFT_WITHIN)..known_from;
        for id in before.flat_map(EntryId::new) {
            match log.read(id, |record| left_by(user, &record)) {
                Ok(left) => rooms.extend(left),
                // The others are no less to be told.
                Err(ReadError::Failed(StoreError::Damaged { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        rooms.sort_unstable();
        rooms.dedup();
        Ok(rooms)
    }

    /// Returns who of these people is gone, left more rooms than are known, and was last in one of
    /// `rooms`, which are ascending. `None` where more than `MAX_LOOKED_UP` are to be looked up.
    fn met_in(
        &self,
        rooms: &[RoomId],
        people: &[UserId],
    ) -> Result<Option<FxHashSet<UserId>>, ReadError> {
        let (mut met, mut looked_up) = (FxHashSet::default(), 0);
        if rooms.is_empty() {
            return Ok(Some(met));
        }
        for some in people.chunks(LOOKUPS_A_TURN) {
            let left_many: Vec<_> = {
                let state = self.state();
                let left_many = some.iter().filter(|user| {
                    let person = state.rooms.person(**user);
                    person.is_some_and(|person| !person.knows_all_stays())
                        && is_gone(&state, **user)
                });
                left_many.copied().collect()
            };
            looked_up += left_many.len();
            if looked_up > MAX_LOOKED_UP {
                return Ok(None);
            }
            for user in left_many {
                let left = self.rooms_left(user)?;
                if left.iter().any(|room| rooms.binary_search(room).is_ok()) {
                    met.insert(user);
                }
            }
        }
        Ok(Some(met))
    }
}

/// Returns the room that a person left by this entry, if they did.
fn left_by(user: UserId, record: &Record<&str>) -> Option<RoomId> {
    match &record.act {
        Act::MemberChanged(change)
            if change.change == MembershipChange::Left
                && change.user == user
                && matches!(record.author, Author::Account(author) if author == user) =>
        {
            Some(change.room)
        }
        _ => None,
    }
}

fn is_gone(state: &State, user: UserId) -> bool {
    let account = state.people.directory.get(user);
    account.is_some_and(|account| account.deleted)
}

/// Returns whether a person is in a room, or is gone and was there before.
fn is_shown_in(state: &State, room: RoomId, user: UserId) -> bool {
    let was_in = || {
        let person = state.rooms.person(user);
        person.is_some_and(|person| person.stays_in(room).next().is_some())
    };
    state.rooms.member(room, user).is_some() || is_gone(state, user) && was_in()
}
