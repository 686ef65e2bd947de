//! Login sessions: how they are written, which there are, and how they begin and end.
//!
//! A token names its session, and holds only as long as that is there. Tokens without one are of
//! before sessions were kept, or were made by a command: of a person whose tokens of that kind were
//! ended a row with the number 0 says up to when.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::refusal::PeopleRefusal;
use super::staging::StagingPeople;
use crate::model::{LoginSession, SessionId, Timestamp, UserId};
use crate::store::error::StoreError;
use crate::store::sealed::{seal_under, unseal_under};

/// 100 sessions of one person: more devices than anybody has. With one more the session that was
/// unused for longest ends.
const MAX_SESSIONS: usize = 100;
/// 1,000 sessions that are over are swept at once.
const SWEPT_AT_ONCE: usize = 1_000;

/// An act on the sessions of a person.
#[derive(Debug, Clone)]
pub enum SessionAct {
    /// A person logs in.
    Open {
        /// Who.
        user: UserId,
        /// The session.
        session: LoginSession,
        /// Only while the account's token version is this one.
        if_token_version: u32,
    },
    /// Sessions end.
    End {
        /// Whose.
        user: UserId,
        /// Which.
        which: Ending,
    },
    /// Tokens of these sessions were shown at these times.
    Used(Box<[(UserId, SessionId, Timestamp)]>),
    /// Sessions whose tokens have ended are swept, and links and reports whose time is over.
    Sweep,
}

/// Which sessions of a person end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// This one.
    One(SessionId),
    /// The tokens without a session.
    Alone,
    /// All but this one.
    Others {
        /// The one that stays, if it is one of these.
        but: Option<SessionId>,
        /// The tokens without a session end too.
        alone: bool,
    },
    /// All.
    All,
}

/// What a row of the table is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SessionRow {
    /// A session.
    Session(LoginSession),
    /// Up to when the tokens without a session are refused.
    Alone(Timestamp),
}

/// The row of this account and number is so now, or is gone.
pub(crate) type SessionChange = ((UserId, u64), Option<SessionRow>);

/// A row as it stands in the `sessions` table: JSON, so that a later version may add keys.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct SessionRecord {
    created_at_ms: u64,
    used_at_ms: u64,
    expires_at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

/// The sealed value of a row.
pub(crate) fn encode((user, number): (UserId, u64), row: &SessionRow) -> Vec<u8> {
    let record = match row {
        SessionRow::Session(session) => SessionRecord {
            created_at_ms: session.created_at.as_ms(),
            used_at_ms: session.used_at.as_ms(),
            expires_at_ms: session.expires_at.as_ms(),
            client: session.client.as_deref().map(str::to_owned),
            address: session.address.as_deref().map(str::to_owned),
        },
        SessionRow::Alone(until) => SessionRecord {
            expires_at_ms: until.as_ms(),
            ..SessionRecord::default()
        },
    };
    let json = serde_json::to_vec(&record).expect("a record of strings and numbers is valid JSON");
    seal_under(&[user.get(), number], &json)
}

/// Reads a row back.
pub(crate) fn decode(key: (u64, u64), sealed: &[u8]) -> Result<SessionChange, StoreError> {
    let decode = || {
        let body = unseal_under(&[key.0, key.1], sealed)?;
        let record: SessionRecord = serde_json::from_slice(body).ok()?;
        let user = UserId::new(key.0).ok()?;
        let expires_at = Timestamp::from_ms(record.expires_at_ms);
        let row = match SessionId::new(key.1) {
            None => SessionRow::Alone(expires_at),
            Some(id) => SessionRow::Session(LoginSession {
                id,
                created_at: Timestamp::from_ms(record.created_at_ms),
                used_at: Timestamp::from_ms(record.used_at_ms),
                expires_at,
                client: record.client.map(Into::into),
                address: record.address.map(Into::into),
            }),
        };
        Some(((user, key.1), Some(row)))
    };
    decode().ok_or(StoreError::Damaged {
        table: "sessions",
        key: key.0,
    })
}

/// The sessions of one person.
#[derive(Default)]
struct OfPerson {
    sessions: Vec<LoginSession>,
    alone: Option<Timestamp>,
}

/// Every session, in memory: some 150 bytes each.
#[derive(Default)]
pub(crate) struct Sessions {
    people: FxHashMap<UserId, OfPerson>,
    count: usize,
}

impl Sessions {
    /// Returns a session.
    pub(crate) fn get(&self, user: UserId, id: SessionId) -> Option<&LoginSession> {
        let mut sessions = self.people.get(&user)?.sessions.iter();
        sessions.find(|session| session.id == id)
    }

    /// The sessions of a person.
    pub(crate) fn of(&self, user: UserId) -> &[LoginSession] {
        self.people.get(&user).map_or(&[], |of| &of.sessions)
    }

    /// Up to when the tokens of a person that have no session are refused.
    pub(crate) fn alone(&self, user: UserId) -> Option<Timestamp> {
        self.people.get(&user)?.alone
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Those whose tokens have ended at this time.
    fn over(&self, now: Timestamp) -> impl Iterator<Item = (UserId, SessionId)> {
        let people = self.people.iter();
        people.flat_map(move |(user, of)| {
            let over = of
                .sessions
                .iter()
                .filter(move |session| session.expires_at <= now);
            over.map(|session| (*user, session.id))
        })
    }

    /// Takes over a row that was read or written.
    pub(crate) fn take(&mut self, ((user, number), row): SessionChange) {
        let of = self.people.entry(user).or_default();
        let place = of
            .sessions
            .iter()
            .position(|session| session.id.get() == number);
        match (row, place) {
            (Some(SessionRow::Session(session)), Some(place)) => of.sessions[place] = session,
            (Some(SessionRow::Session(session)), None) => {
                of.sessions.push(session);
                self.count += 1;
            }
            (Some(SessionRow::Alone(until)), _) => of.alone = Some(until),
            (None, Some(place)) => {
                of.sessions.swap_remove(place);
                self.count -= 1;
            }
            (None, None) => of.alone = of.alone.filter(|_| number != 0),
        }
        if of.sessions.is_empty() && of.alone.is_none() {
            self.people.remove(&user);
        }
    }
}

/// What a transaction makes of the sessions.
pub(crate) type StagedSessions = FxHashMap<(UserId, u64), Option<SessionRow>>;

impl StagingPeople<'_> {
    pub(super) fn session_row(&self, user: UserId, number: u64) -> Option<SessionRow> {
        match self.staged.sessions.get(&(user, number)) {
            Some(staged) => staged.clone(),
            None => match SessionId::new(number) {
                None => self.people.sessions.alone(user).map(SessionRow::Alone),
                Some(id) => {
                    let session = self.people.sessions.get(user, id);
                    session.cloned().map(SessionRow::Session)
                }
            },
        }
    }

    /// The sessions of a person as they are to be.
    fn sessions_of(&self, user: UserId) -> Vec<LoginSession> {
        let kept = self.people.sessions.of(user).iter();
        let mut numbers: Vec<u64> = kept.map(|session| session.id.get()).collect();
        let staged = self.staged.sessions.keys();
        let staged = staged.filter(|(of, number)| *of == user && *number != 0);
        numbers.extend(staged.map(|(_, number)| *number));
        numbers.sort_unstable();
        numbers.dedup();
        let rows = numbers
            .into_iter()
            .filter_map(|number| self.session_row(user, number));
        let sessions = rows.filter_map(|row| match row {
            SessionRow::Session(session) => Some(session),
            SessionRow::Alone(_) => None,
        });
        sessions.collect()
    }

    fn set_session(&mut self, key: (UserId, u64), row: Option<SessionRow>) {
        self.staged.sessions.insert(key, row.clone());
        self.staged.rows.sessions.push((key, row));
    }

    /// Ends one session: every end of one comes through here, and what is a session's own goes with
    /// it in the same transaction.
    fn end_session(&mut self, user: UserId, id: SessionId) {
        self.set_session((user, id.get()), None);
        self.end_subscriptions_where(user, |its| its.wish.session == Some(id.get()));
    }

    /// Carries out an act on sessions. What ends up to `over` is taken away.
    pub(crate) fn session_act(
        &mut self,
        now: Timestamp,
        over: Timestamp,
        act: &SessionAct,
    ) -> Result<Vec<SessionId>, PeopleRefusal> {
        match act {
            SessionAct::Open {
                user,
                session,
                if_token_version,
            } => self.open_session(over, *user, session, *if_token_version),
            SessionAct::End { user, which } => Ok(self.end_sessions(now, *user, *which)),
            SessionAct::Used(uses) => {
                self.use_sessions(uses);
                Ok(Vec::new())
            }
            SessionAct::Sweep => {
                let ended = self.people.sessions.over(over).take(SWEPT_AT_ONCE);
                for (user, id) in ended.collect::<Vec<_>>() {
                    self.end_session(user, id);
                }
                self.sweep_codes(over);
                self.sweep_reports(over);
                Ok(Vec::new())
            }
        }
    }

    /// Begins a session. Returns those that have made room for it; what ends up to `now` does.
    fn open_session(
        &mut self,
        now: Timestamp,
        user: UserId,
        session: &LoginSession,
        if_token_version: u32,
    ) -> Result<Vec<SessionId>, PeopleRefusal> {
        let account = self.user(user).filter(|account| !account.deleted);
        let account = account.ok_or(PeopleRefusal::NoSuchUser)?;
        if account.token_version != if_token_version {
            return Err(PeopleRefusal::Revoked);
        }
        let (over, mut lasting): (Vec<_>, Vec<_>) = self
            .sessions_of(user)
            .into_iter()
            .partition(|session| session.expires_at <= now);
        lasting.sort_unstable_by_key(|session| session.used_at);
        let too_many = (lasting.len() + 1).saturating_sub(MAX_SESSIONS);
        let ended = over.iter().chain(&lasting[..too_many]);
        let ended: Vec<_> = ended.map(|session| session.id).collect();
        for id in &ended {
            self.end_session(user, *id);
        }
        let row = SessionRow::Session(session.clone());
        self.set_session((user, session.id.get()), Some(row));
        Ok(ended)
    }

    /// Ends such sessions of a person. Returns which.
    pub(super) fn end_sessions(
        &mut self,
        now: Timestamp,
        user: UserId,
        which: Ending,
    ) -> Vec<SessionId> {
        let mut ended: Vec<_> = self
            .sessions_of(user)
            .iter()
            .map(|session| session.id)
            .collect();
        ended.retain(|id| match which {
            Ending::One(one) => *id == one,
            Ending::Others { but, .. } => Some(*id) != but,
            Ending::Alone => false,
            Ending::All => true,
        });
        for id in &ended {
            self.end_session(user, *id);
        }
        match which {
            Ending::Alone | Ending::Others { alone: true, .. } => {
                self.set_session((user, 0), Some(SessionRow::Alone(now)));
                self.end_subscriptions_where(user, |its| its.wish.session.is_none());
            }
            // What revokes all tokens has taken these along.
            Ending::All if self.session_row(user, 0).is_some() => self.set_session((user, 0), None),
            Ending::All | Ending::One(_) | Ending::Others { .. } => {}
        }
        ended
    }

    fn use_sessions(&mut self, uses: &[(UserId, SessionId, Timestamp)]) {
        for (user, id, at) in uses {
            if let Some(SessionRow::Session(session)) = self.session_row(*user, id.get())
                && session.used_at < *at
            {
                let used_at = *at;
                let row = SessionRow::Session(LoginSession { used_at, ..session });
                self.set_session((*user, id.get()), Some(row));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: u64) -> LoginSession {
        LoginSession {
            id: SessionId::new(number).unwrap(),
            created_at: Timestamp::from_ms(5),
            used_at: Timestamp::from_ms(6),
            expires_at: Timestamp::from_ms(7),
            client: Some("Firefox on Linux".into()),
            address: None,
        }
    }

    fn user(id: u64) -> UserId {
        UserId::new(id).unwrap()
    }

    #[test]
    fn a_row_is_read_back_as_written() {
        for (number, row) in [
            (9, SessionRow::Session(session(9))),
            (0, SessionRow::Alone(Timestamp::from_ms(8))),
        ] {
            let key = (user(3), number);
            let sealed = encode(key, &row);
            assert_eq!(decode((3, number), &sealed).unwrap(), (key, Some(row)));
            assert!(decode((4, number), &sealed).is_err());
            assert!(decode((3, 10), &sealed).is_err());
        }
    }

    #[test]
    fn what_is_over_is_found_and_what_is_gone_leaves_nothing() {
        let mut sessions = Sessions::default();
        sessions.take(((user(3), 9), Some(SessionRow::Session(session(9)))));
        sessions.take(((user(3), 0), Some(SessionRow::Alone(Timestamp::from_ms(8)))));
        assert_eq!(sessions.over(Timestamp::from_ms(6)).count(), 0);
        assert_eq!(sessions.over(Timestamp::from_ms(7)).count(), 1);
        assert_eq!(sessions.alone(user(3)), Some(Timestamp::from_ms(8)));
        sessions.take(((user(3), 9), None));
        assert_eq!((sessions.count(), sessions.of(user(3)).len()), (0, 0));
        sessions.take(((user(3), 0), None));
        assert!(sessions.people.is_empty());
    }
}
