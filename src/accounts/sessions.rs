//! Login sessions: how one begins, and what a person sees and ends of theirs.
//!
//! A token of this server names its session, which the store keeps: ended, its token is refused at
//! once, on every socket and in every request. Tokens without one are of before sessions were kept,
//! or were made by a command, and are listed as one; so are the tokens of an app.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::token::Proof;
use super::{AccountError, Accounts, Asker, Caller, Login};
use crate::model::{LoginSession, SessionId, Timestamp, User, UserId};
use crate::store::{Command, Ending, PeopleRefusal, SessionAct, StoreError};

/// 1 hour: how exactly it is known when a session was used last.
const USED_WITHIN: Duration = Duration::from_secs(60 * 60);
/// 256 sessions that were used are written at once.
const KEPT_AT_ONCE: usize = 256;
/// 65,536 sessions wait to be written as used, in some 3 MB; of more the time stays older.
const MAX_USES: usize = 1 << 16;
/// 16,384 people are known to have shown a token without a session.
const MAX_ALONE: usize = 1 << 14;

/// By what a person logs in.
#[derive(Debug, Clone, Default)]
pub struct Device {
    /// What its client says that it is, in short words.
    pub client: Option<Arc<str>>,
    /// Where it is.
    pub address: Option<IpAddr>,
}

/// Who logs in, and by what.
#[derive(Debug, Clone)]
pub struct LoggingIn {
    /// For whom a password is hashed.
    pub asker: Asker,
    /// By what.
    pub device: Device,
}

impl From<Asker> for LoggingIn {
    fn from(asker: Asker) -> Self {
        Self {
            asker,
            device: Device {
                address: asker.address,
                client: None,
            },
        }
    }
}

/// What a person has signed in by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedIn {
    /// A login of theirs.
    Session(LoginSession),
    /// Tokens without a session; when one was last shown.
    Alone(Option<Timestamp>),
    /// Tokens of an app.
    ByApp,
}

/// What a person has signed in by, as they name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhichSession {
    /// A login of theirs.
    Session(SessionId),
    /// The tokens without a session.
    Alone,
    /// The tokens of an app.
    ByApp,
    /// What the request comes by.
    Current,
}

/// How the tokens without a session are named.
pub const ALONE: &str = "earlier";
/// How the tokens of an app are named.
pub const BY_APP: &str = "app";

/// How one names what the request comes by.
const CURRENT: &str = "current";

/// A text that names no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an id of a session, as the list of sessions has it")]
pub struct WhichSessionError;

impl FromStr for WhichSession {
    type Err = WhichSessionError;

    fn from_str(text: &str) -> Result<Self, WhichSessionError> {
        match text {
            ALONE => Ok(Self::Alone),
            BY_APP => Ok(Self::ByApp),
            CURRENT => Ok(Self::Current),
            id => id.parse().map(Self::Session).map_err(|_| WhichSessionError),
        }
    }
}

/// Which tokens were shown lately, and is to be written or remembered.
#[derive(Default)]
pub(super) struct Uses {
    sessions: Mutex<FxHashMap<(UserId, SessionId), Timestamp>>,
    alone: Mutex<FxHashMap<UserId, Timestamp>>,
}

impl Uses {
    fn note(&self, user: UserId, session: SessionId, now: Timestamp) {
        let mut sessions = self.sessions.lock();
        if sessions.len() < MAX_USES {
            sessions.insert((user, session), now);
        }
    }

    fn note_alone(&self, user: UserId, now: Timestamp) {
        let mut alone = self.alone.lock();
        if alone.len() >= MAX_ALONE && !alone.contains_key(&user) {
            alone.clear();
        }
        alone.insert(user, now);
    }
}

impl Caller {
    /// The login session by whose token the caller is known: none of a program's key, of an app's
    /// token, and of a token without one.
    pub fn session(&self) -> Option<SessionId> {
        match self.grant.proof {
            Proof::Own { session, .. } => session,
            Proof::Key(_) | Proof::Foreign { .. } => None,
        }
    }
}

impl Accounts {
    /// Begins a session of a person who has proved who they are.
    pub(super) async fn log_in(
        &self,
        now: Timestamp,
        user: Arc<User>,
        device: Device,
    ) -> Result<Login, AccountError> {
        // 0 is none, and a number that is there already would end that session.
        let fresh = || SessionId::new(rand::random());
        let id = std::iter::repeat_with(fresh)
            .flatten()
            .find(|id| self.store.session_used_at(user.id, *id).is_none());
        let id = id.ok_or(AccountError::Internal)?;
        let (token, expires_at) = self.tokens.issue(&user, now, Some(id))?;
        let open = SessionAct::Open {
            user: user.id,
            session: LoginSession {
                id,
                created_at: now,
                used_at: now,
                expires_at,
                client: device.client,
                address: device.address.map(|address| address.to_string().into()),
            },
            if_token_version: user.token_version,
        };
        match self.store.apply(now, Command::session(open)).await {
            Ok(ended) => {
                if !ended.is_empty() {
                    self.listener.sessions_ended(user.id, &ended);
                }
                Ok(Login {
                    token,
                    expires_at,
                    user,
                })
            }
            // A disk that takes nothing keeps nobody out.
            Err(StoreError::Unavailable | StoreError::Full) => self.log_in_alone(now, user),
            Err(StoreError::People(PeopleRefusal::Revoked)) => {
                Err(AccountError::InvalidCredentials)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Gives a person a token without a session.
    pub(super) fn log_in_alone(
        &self,
        now: Timestamp,
        user: Arc<User>,
    ) -> Result<Login, AccountError> {
        // Tokens tell seconds: one of the second in which the earlier ones were ended would be
        // taken for one of them.
        let ended = self.store.refused_alone(user.id);
        let after = ended.map(|at| Timestamp::from_ms((at.as_secs() + 1) * 1_000));
        let issued_at = after.map_or(now, |after| now.max(after));
        let (token, expires_at) = self.tokens.issue(&user, issued_at, None)?;
        Ok(Login {
            token,
            expires_at,
            user,
        })
    }

    /// Returns whether a token of this server holds as far as its session says, and notes that it
    /// was shown.
    pub(super) fn is_in_session(&self, now: Timestamp, user: UserId, proof: &Proof) -> bool {
        let Proof::Own {
            session, issued_at, ..
        } = proof
        else {
            return true;
        };
        let Some(session) = session else {
            let refused = self.store.refused_alone(user);
            let holds = refused.is_none_or(|until| *issued_at > until);
            if holds {
                self.uses.note_alone(user, now);
            }
            return holds;
        };
        let used_at = self.store.session_used_at(user, *session);
        if used_at.is_some_and(|used_at| now >= used_at.plus(USED_WITHIN)) {
            self.uses.note(user, *session, now);
        }
        used_at.is_some()
    }

    /// Returns what the caller has signed in by, the newest first, and which of it they use.
    pub fn sessions(&self, now: Timestamp, caller: &Caller) -> Vec<(SignedIn, bool)> {
        let user = caller.user.id;
        let mut sessions = self.store.sessions_of(user);
        sessions.retain(|session| now < session.expires_at);
        sessions.sort_unstable_by_key(|session| std::cmp::Reverse(session.created_at));
        let current = caller.session();
        let mut listed: Vec<_> = sessions
            .into_iter()
            .map(|session| {
                let is_current = current == Some(session.id);
                (SignedIn::Session(session), is_current)
            })
            .collect();
        let alone = self.uses.alone.lock().get(&user).copied();
        // What was shown before they were all ended is over.
        let refused = self.store.refused_alone(user);
        let alone = alone.filter(|at| refused.is_none_or(|until| *at > until));
        match caller.grant.proof {
            Proof::Own { session: None, .. } => {
                listed.insert(0, (SignedIn::Alone(Some(now)), true));
            }
            Proof::Foreign { .. } => listed.insert(0, (SignedIn::ByApp, true)),
            Proof::Own { .. } | Proof::Key(_) => {}
        }
        if alone.is_some()
            && !listed
                .iter()
                .any(|(by, _)| matches!(by, SignedIn::Alone(_)))
        {
            listed.push((SignedIn::Alone(alone), false));
        }
        listed
    }

    /// Ends something that the caller has signed in by; its sockets hear of it before this returns.
    /// An app's tokens end only all at once, with everything else.
    pub async fn end_session(
        &self,
        now: Timestamp,
        caller: &Caller,
        which: WhichSession,
    ) -> Result<(), AccountError> {
        let ending = match which {
            WhichSession::Current => match caller.session() {
                Some(id) => Ending::One(id),
                // Other devices have such tokens too.
                None => return Ok(()),
            },
            WhichSession::Session(id) => Ending::One(id),
            WhichSession::Alone => Ending::Alone,
            WhichSession::ByApp => return self.logout(now, caller).await,
        };
        let ended = self.end(now, caller.user.id, ending).await?;
        match which {
            WhichSession::Session(_) if ended.is_empty() => Err(AccountError::NoSuchSession),
            _ => Ok(()),
        }
    }

    /// Ends all that the caller has signed in by, but for what they use.
    pub async fn end_other_sessions(
        &self,
        now: Timestamp,
        caller: &Caller,
    ) -> Result<(), AccountError> {
        let is_alone = matches!(caller.grant.proof, Proof::Own { session: None, .. });
        let others = Ending::Others {
            but: caller.session(),
            alone: !is_alone,
        };
        self.end(now, caller.user.id, others).await.map(drop)
    }

    async fn end(
        &self,
        now: Timestamp,
        user: UserId,
        which: Ending,
    ) -> Result<Vec<SessionId>, AccountError> {
        let listener = Arc::clone(&self.listener);
        let (answer, answered) = tokio::sync::oneshot::channel();
        let told = move |result: Result<Vec<SessionId>, StoreError>| {
            if let Ok(ended) = &result {
                listener.sessions_ended(user, ended);
            }
            // A caller that went away is no reason to stop: the change is stored.
            drop(answer.send(result));
        };
        let end = Command::session(SessionAct::End { user, which });
        self.store.submit(now, end, told);
        Ok(answered.await.unwrap_or(Err(StoreError::Unavailable))?)
    }

    /// Has the store learn which sessions were used since the last time, a group after the other.
    pub async fn keep_uses(&self, now: Timestamp) {
        let uses: Vec<_> = std::mem::take(&mut *self.uses.sessions.lock())
            .into_iter()
            .map(|((user, session), at)| (user, session, at))
            .collect();
        for group in uses.chunks(KEPT_AT_ONCE) {
            let used = Command::session(SessionAct::Used(group.into()));
            if let Err(error) = self.store.apply(now, used).await {
                tracing::debug!(%error, "when sessions were used was not kept");
            }
        }
    }

    /// Takes away sessions, links and reports whose time is over.
    pub async fn sweep(&self, now: Timestamp) {
        let sweep = Command::session(SessionAct::Sweep);
        if let Err(error) = self.store.apply(now, sweep).await {
            tracing::debug!(%error, "sessions that are over were not swept");
        }
    }
}
