//! Who sees and reaches whom, who is signed in by what, and what is reported: queries from memory.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::model::{
    Blocked, FirstContact, LoginSession, Members, Notice, Pair, SessionId, Timestamp, User, UserId,
    Username,
};
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::people::api_keys::KeyHash;
use crate::store::people::refusal::PeopleRefusal;
use crate::store::people::reports::Report;
use crate::store::state::State;
use crate::store::talk::refusal::ContactRefusal;

/// 10,000 people are looked at, of chats and of rooms: those of some large rooms, in 2 ms.
const MAX_LOOKED_AT: usize = 10_000;
/// Of 256 people the accounts are fetched at once, some 20 us.
const PEERS_AT_ONCE: usize = 256;
/// So many names cost as much as a block of them.
const PEERS_A_BLOCK: usize = 256;

impl Store {
    /// Returns whether a person has blocked another.
    pub fn blocks(&self, user: UserId, peer: UserId) -> bool {
        self.intake.data.state.read().rooms.blocks(user, peer)
    }

    /// Whom a person has blocked, ascending, after this id; and whether there are more.
    pub fn blocked_by(&self, user: UserId, after: u64, limit: usize) -> (Vec<Arc<User>>, bool) {
        let state = self.intake.data.state.read();
        let blocked = state.rooms.blocked_by(user);
        let later = blocked.ids().iter().filter(|peer| peer.get() > after);
        let mut users: Vec<_> = later
            .filter_map(|peer| state.people.directory.get(*peer).cloned())
            .take(limit.saturating_add(1))
            .collect();
        let has_more = users.len() > limit;
        users.truncate(limit);
        (users, has_more)
    }

    /// Everybody whom a person has blocked.
    pub fn all_blocked_by(&self, user: UserId) -> Blocked {
        self.intake.data.state.read().rooms.blocked_by(user)
    }

    /// Returns whether two people share a conversation or a room.
    pub fn share_chat(&self, one: UserId, other: UserId) -> bool {
        share_chat(&self.intake.data.state.read(), one, other)
    }

    /// Returns why a person may not write to another, if that is so. The writer judges each message
    /// again.
    pub fn may_write(
        &self,
        first_contact: FirstContact,
        author: UserId,
        peer: UserId,
    ) -> Result<(), StoreError> {
        let state = self.intake.data.state.read();
        let directory = &state.people.directory;
        if state.rooms.blocks(author, peer) {
            return Err(ContactRefusal::Blocking.into());
        }
        if state.rooms.blocks(peer, author) {
            return Err(ContactRefusal::NotAccepted.into());
        }
        let author_is = |is: fn(&User) -> bool| directory.get(author).is_some_and(|user| is(user));
        let is_open = first_contact == FirstContact::Everyone
            || author_is(|user| user.is_admin || user.is_bot);
        let has_begun =
            Pair::new(author, peer).is_some_and(|pair| state.conversation_id(pair).is_some());
        let is_known = has_begun
            || first_contact == FirstContact::Shared && state.rooms.share_room(author, peer);
        let is_there = directory.get(peer).is_some_and(|user| !user.deleted);
        match (is_open || is_known, is_there) {
            (true, true) => Ok(()),
            (true, false) => Err(PeopleRefusal::NoSuchUser.into()),
            (false, _) => Err(ContactRefusal::NotAccepted.into()),
        }
    }

    /// Returns the people of a person's chats whose username or name contains this text, and what
    /// that cost: in blocks of names, as [`Store::search_users`] says it.
    ///
    /// It looks at no names of others: how long it takes tells nothing of who is hidden.
    pub fn search_peers(&self, user: UserId, text: &str, limit: usize) -> (Vec<Arc<User>>, usize) {
        let key = Username::key_of(text);
        let peers = peers(&self.intake.data.state.read(), user);
        let (mut found, mut looked_at) = (Vec::new(), 0);
        for some in peers.chunks(PEERS_AT_ONCE) {
            if found.len() == limit {
                break;
            }
            let accounts: Vec<_> = {
                let state = self.intake.data.state.read();
                let accounts = some.iter().map(|peer| state.people.directory.get(*peer));
                accounts.flatten().cloned().collect()
            };
            looked_at += accounts.len();
            // Nobody waits for this.
            let called = accounts.into_iter();
            let called = called.filter(|user| !user.disabled && user.is_found_by(&key));
            found.extend(called.take(limit - found.len()));
        }
        (found, looked_at / PEERS_A_BLOCK)
    }

    /// Returns those whose whole username or name this is, at most `limit`.
    pub fn named_exactly(
        &self,
        text: &str,
        except: Option<UserId>,
        limit: usize,
    ) -> (Vec<Arc<User>>, usize) {
        let key = Username::key_of(text.trim());
        let names = self.intake.data.state.read().people.directory.searched();
        let found = names.exact(&key, 2 * (limit + 1));
        let state = self.intake.data.state.read();
        let mut users = Vec::new();
        for id in found.ids {
            let is_new = Some(id) != except && users.iter().all(|user: &Arc<User>| user.id != id);
            if let Some(user) = state.people.directory.get(id).filter(|_| is_new) {
                users.push(Arc::clone(user));
            }
        }
        users.truncate(limit);
        (users, found.blocks)
    }

    /// Returns whether a mark is told to nobody but its author: one of the two has blocked the
    /// other.
    pub fn is_kept_apart(&self, notice: &Notice) -> bool {
        let pair = match notice.members {
            Members::Pair(pair) if notice.entry.act.is_mark() => pair,
            _ => return false,
        };
        self.intake.data.state.read().are_apart(pair)
    }

    /// Returns when a session's token was last shown; `None` where it has ended.
    pub fn session_used_at(&self, user: UserId, id: SessionId) -> Option<Timestamp> {
        let state = self.intake.data.state.read();
        Some(state.people.sessions.get(user, id)?.used_at)
    }

    /// Returns up to when the tokens of a person that have no session are refused.
    pub fn refused_alone(&self, user: UserId) -> Option<Timestamp> {
        self.intake.data.state.read().people.sessions.alone(user)
    }

    /// The sessions of a person.
    pub fn sessions_of(&self, user: UserId) -> Vec<LoginSession> {
        let state = self.intake.data.state.read();
        state.people.sessions.of(user).to_vec()
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.intake.data.state.read().people.sessions.count()
    }

    /// Returns the account whose password the code of this hash resets at this time.
    pub fn holder_of_code(&self, now: Timestamp, hash: &KeyHash) -> Option<Arc<User>> {
        let state = self.intake.data.state.read();
        let user = state.people.codes.holder(now, hash)?;
        let user = state.people.directory.get(user).cloned();
        user.filter(|user| !user.deleted)
    }

    /// How many reports are open.
    pub fn reports(&self) -> usize {
        self.intake.data.state.read().people.reports.count()
    }

    /// Returns the open reports whose number is greater than this one, ascending, and whether there
    /// are more.
    pub async fn reports_after(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<(Vec<Report>, bool), StoreError> {
        self.read(move |snapshot| snapshot.reports_after(after, limit))
            .await
    }
}

/// Returns whether two people share a conversation or a room.
fn share_chat(state: &State, one: UserId, other: UserId) -> bool {
    Pair::new(one, other).is_some_and(|pair| state.conversation_id(pair).is_some())
        || state.rooms.share_room(one, other)
}

/// Returns the people of a person's chats, once each, those to whom they wrote last first.
fn peers(state: &State, user: UserId) -> Vec<UserId> {
    let mut seen = FxHashSet::default();
    seen.insert(user);
    let chats = state.touched(user);
    let of_chats = chats.filter_map(|conversation| conversation.pair.other(user));
    let rooms = state.rooms.person(user).into_iter();
    let rooms = rooms.flat_map(|person| &person.rooms);
    let of_rooms = rooms.flat_map(|room| state.rooms.members_after(*room, 0));
    let people = of_chats.chain(of_rooms.map(|(member, _)| member));
    let people = people.take(MAX_LOOKED_AT);
    people.filter(|peer| seen.insert(*peer)).collect()
}
