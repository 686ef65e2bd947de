//! Invites: how they are written, which there are, and how their use is staged with the account it
//! makes.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

use super::api_keys::ApiKeyId;
use super::refusal::InviteRefusal;
use super::staging::StagingPeople;
use crate::model::{RoomId, Timestamp, User, UserId};
use crate::store::error::StoreError;
use crate::store::sealed::{seal, unseal};

/// 10,000 invites that have not expired: more than anybody hands out, and 2 MB of memory.
const MAX_INVITES: usize = 10_000;
/// 5,000 of them at most are of admins of rooms, who may be anybody: those of the server can always
/// make some.
const MAX_ROOM_INVITES: usize = 5_000;
/// 50 of one such person. One that is used up makes way for another.
const MAX_ROOM_INVITES_OF_ONE: usize = 50;

/// Who made an invite. It is good only as long as they may still make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// The server's operator; in rows of before 2026-12 perhaps an administrator.
    Operator,
    /// An account, by its own right.
    Account(UserId),
    /// An account that administers by what a token of another system says, which only that system
    /// can take back: as long as the account is there and not shut out.
    Token(UserId),
    /// A backend, by this key.
    Backend(ApiKeyId),
}

impl Maker {
    /// Returns the account that made it, if one did.
    pub fn account(self) -> Option<UserId> {
        match self {
            Self::Account(user) | Self::Token(user) => Some(user),
            Self::Operator | Self::Backend(_) => None,
        }
    }
}

/// A code by which accounts can be made, or a room can be joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// The code, which nobody can guess.
    pub code: Arc<str>,
    /// How many accounts it may make.
    pub max_uses: u32,
    /// How many it has made.
    pub uses: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it makes none.
    pub expires_at: Timestamp,
    /// The room that it leads into, and how many members that may have.
    pub room: Option<(RoomId, u64)>,
    /// Whether it makes accounts; one that does not lets people with an account join its room.
    pub registers: bool,
    /// Who made it.
    pub by: Maker,
}

impl Invite {
    /// Whether it can make one more account.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.uses < self.max_uses && now < self.expires_at
    }

    /// Returns whether accounts can be made by it, as far as its maker may still have some made;
    /// `None` where the maker could not make it at all any more: then it counts as revoked.
    pub(crate) fn registers_by_now<'a>(
        &self,
        user: impl FnOnce(UserId) -> Option<&'a Arc<User>>,
        has_key: impl FnOnce(ApiKeyId) -> bool,
        administers_room: impl FnOnce(RoomId, UserId) -> bool,
    ) -> Option<bool> {
        let by = match self.by {
            Maker::Operator => return Some(self.registers),
            Maker::Backend(key) => return has_key(key).then_some(self.registers),
            Maker::Account(by) | Maker::Token(by) => by,
        };
        let maker = user(by).filter(|user| !user.deleted && !user.disabled)?;
        let administers = maker.is_admin || matches!(self.by, Maker::Token(_));
        let registers = self.registers && administers;
        match self.room {
            Some((room, _)) => administers_room(room, by).then_some(registers),
            None => registers.then_some(true),
        }
    }
}

/// An invite as it stands in the `invites` table: JSON, so that a later format may add keys.
#[derive(Serialize, Deserialize)]
pub(crate) struct InviteRecord {
    code: String,
    max_uses: u32,
    uses: u32,
    created_at_ms: u64,
    expires_at_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    room: Option<(RoomId, u64)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    for_accounts_only: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<UserId>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    by_token: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by_key: Option<u64>,
}

/// The sealed value of an invite.
pub(crate) fn encode(number: u64, invite: &Invite) -> Vec<u8> {
    let record = InviteRecord {
        code: invite.code.to_string(),
        max_uses: invite.max_uses,
        uses: invite.uses,
        created_at_ms: invite.created_at.as_ms(),
        expires_at_ms: invite.expires_at.as_ms(),
        room: invite.room,
        for_accounts_only: !invite.registers,
        by: invite.by.account(),
        by_token: matches!(invite.by, Maker::Token(_)),
        by_key: match invite.by {
            Maker::Backend(ApiKeyId(key)) => Some(key),
            Maker::Operator | Maker::Account(_) | Maker::Token(_) => None,
        },
    };
    seal(
        number,
        &serde_json::to_vec(&record).expect("a record of strings and numbers is valid JSON"),
    )
}

/// Reads an invite back.
pub(crate) fn decode(key: u64, sealed: &[u8]) -> Result<Invite, StoreError> {
    let damaged = StoreError::Damaged {
        table: "invites",
        key,
    };
    let record: InviteRecord =
        serde_json::from_slice(unseal("invites", key, sealed)?).map_err(|_| damaged)?;
    Ok(Invite {
        code: record.code.into(),
        max_uses: record.max_uses,
        uses: record.uses,
        created_at: Timestamp::from_ms(record.created_at_ms),
        expires_at: Timestamp::from_ms(record.expires_at_ms),
        room: record.room,
        registers: !record.for_accounts_only,
        by: match (record.by, record.by_key) {
            (Some(user), _) if record.by_token => Maker::Token(user),
            (Some(user), _) => Maker::Account(user),
            (None, Some(key)) => Maker::Backend(ApiKeyId(key)),
            (None, None) => Maker::Operator,
        },
    })
}

/// Every invite that is kept, in memory.
#[derive(Default)]
pub(crate) struct Invites {
    /// By code, with the number under which the table has it. A keyed hash, since strangers choose
    /// what is looked up.
    by_code: HashMap<Arc<str>, (u64, Invite)>,
    greatest: u64,
}

impl Invites {
    pub(crate) fn get(&self, code: &str) -> Option<&Invite> {
        self.by_code.get(code).map(|(_, invite)| invite)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(u64, Invite)> {
        self.by_code.values()
    }

    /// Adds an invite, or puts its new form in place of the earlier one.
    pub(crate) fn put(&mut self, number: u64, invite: Invite) {
        self.greatest = self.greatest.max(number);
        self.by_code
            .insert(Arc::clone(&invite.code), (number, invite));
    }

    /// Takes over what a transaction changed.
    pub(crate) fn publish(&mut self, changes: Vec<InviteChange>) {
        let mut gone = FxHashSet::default();
        for (number, invite) in changes {
            match invite {
                Some(invite) => {
                    // One that is changed and then revoked comes twice.
                    gone.remove(&number);
                    self.put(number, invite);
                }
                None => drop(gone.insert(number)),
            }
        }
        if !gone.is_empty() {
            self.by_code.retain(|_, (number, _)| !gone.contains(number));
        }
    }
}

/// An invite of this number is so now, or is gone.
pub(crate) type InviteChange = (u64, Option<Invite>);

/// What a transaction makes of the invites.
#[derive(Default)]
pub(crate) struct StagedInvites {
    by_code: HashMap<Arc<str>, (u64, Option<Invite>)>,
    made: u64,
}

impl StagedInvites {
    /// Returns an invite as it is to be, with its number.
    pub(super) fn get<'a>(&'a self, stored: &'a Invites, code: &str) -> Option<(u64, &'a Invite)> {
        match self.by_code.get(code) {
            Some((number, invite)) => invite.as_ref().map(|invite| (*number, invite)),
            None => {
                let (number, invite) = stored.by_code.get(code)?;
                Some((*number, invite))
            }
        }
    }
}

impl StagingPeople<'_> {
    fn invite(&self, code: &str) -> Option<(u64, &Invite)> {
        self.staged.invites.get(&self.people.invites, code)
    }

    fn set_invite(&mut self, number: u64, code: &Arc<str>, invite: Option<Invite>) {
        self.staged
            .invites
            .by_code
            .insert(Arc::clone(code), (number, invite.clone()));
        self.staged.rows.invites.push((number, invite));
    }

    /// Makes an invite, and clears away those that expired up to the second time, and of those of
    /// the same person that are used up what is too much.
    pub(crate) fn create_invite(
        &mut self,
        (now, over): (Timestamp, Timestamp),
        invite: &Invite,
    ) -> Result<Invite, InviteRefusal> {
        let people = self.people;
        let kept = |(_, invite): &&(u64, Invite)| over < invite.expires_at;
        let make_way = self.check_one_more((now, over), invite)?;
        for (number, code) in make_way {
            self.set_invite(number, &code, None);
        }
        for (number, expired) in people.invites.iter().filter(|invite| !kept(invite)) {
            if self.invite(&expired.code).is_some() {
                self.set_invite(*number, &expired.code, None);
            }
        }
        self.staged.invites.made += 1;
        let number = people.invites.greatest + self.staged.invites.made;
        self.set_invite(number, &invite.code, Some(invite.clone()));
        Ok(invite.clone())
    }

    /// Checks that there is place for this invite beside those that have not expired. Returns the
    /// numbers and codes of those that make way for it: the oldest of its maker that are used up.
    fn check_one_more(
        &self,
        (now, over): (Timestamp, Timestamp),
        invite: &Invite,
    ) -> Result<Vec<(u64, Arc<str>)>, InviteRefusal> {
        let staged = &self.staged.invites.by_code;
        let changed = staged.values();
        let changed = changed.filter_map(|(number, invite)| Some((*number, invite.as_ref()?)));
        let others = self.people.invites.iter();
        let others = others.map(|(number, invite)| (*number, invite));
        let others = others.filter(|(_, invite)| !staged.contains_key(&invite.code));
        let is_of_room = !invite.registers;
        let (mut all, mut of_rooms, mut of_one) = (0, 0, 0);
        let mut used_up = Vec::new();
        for (number, other) in changed
            .chain(others)
            .filter(|(_, other)| over < other.expires_at)
        {
            all += 1;
            if !other.registers {
                of_rooms += 1;
                if is_of_room && other.by == invite.by {
                    of_one += 1;
                    if !other.is_usable(now) {
                        used_up.push((number, Arc::clone(&other.code)));
                    }
                }
            }
        }
        used_up.sort_unstable_by_key(|(number, _)| *number);
        used_up.truncate((of_one + 1_usize).saturating_sub(MAX_ROOM_INVITES_OF_ONE));
        let gone = used_up.len();
        if all - gone >= MAX_INVITES
            || is_of_room
                && (of_rooms - gone >= MAX_ROOM_INVITES || of_one - gone >= MAX_ROOM_INVITES_OF_ONE)
        {
            return Err(InviteRefusal::TooManyInvites);
        }
        Ok(used_up)
    }

    /// Takes an invite away.
    pub(crate) fn revoke_invite(&mut self, code: &str) -> Result<(), InviteRefusal> {
        let (number, invite) = self.invite(code).ok_or(InviteRefusal::InvalidInvite)?;
        let code = Arc::clone(&invite.code);
        self.set_invite(number, &code, None);
        Ok(())
    }

    /// Has an invite into a room make no accounts any more.
    pub(crate) fn end_registering(&mut self, code: &str) {
        let invite = self.invite(code).filter(|(_, invite)| invite.registers);
        if let Some((number, invite)) = invite {
            let ended = Invite {
                registers: false,
                ..invite.clone()
            };
            let code = Arc::clone(&ended.code);
            self.set_invite(number, &code, Some(ended));
        }
    }

    /// Checks that an invite can make one more account. Returns the room that it leads into.
    pub(crate) fn check_invite(
        &self,
        now: Timestamp,
        code: &str,
    ) -> Result<Option<(RoomId, u64)>, InviteRefusal> {
        match self.invite(code) {
            Some((_, invite)) if invite.is_usable(now) && invite.registers => Ok(invite.room),
            _ => Err(InviteRefusal::InvalidInvite),
        }
    }

    /// Returns the room into which an invite leads, and whether it can lead one more person there.
    pub(crate) fn room_of_invite(
        &self,
        now: Timestamp,
        code: &str,
    ) -> Result<(RoomId, bool), InviteRefusal> {
        let (_, invite) = self.invite(code).ok_or(InviteRefusal::InvalidInvite)?;
        let (room, _) = invite.room.ok_or(InviteRefusal::InvalidInvite)?;
        Ok((room, invite.is_usable(now)))
    }

    /// Counts one use of an invite that was checked.
    pub(crate) fn use_invite(&mut self, code: &str) {
        if let Some((number, invite)) = self.invite(code) {
            let used = Invite {
                uses: invite.uses.saturating_add(1),
                ..invite.clone()
            };
            let code = Arc::clone(&used.code);
            self.set_invite(number, &code, Some(used));
        }
    }
}
