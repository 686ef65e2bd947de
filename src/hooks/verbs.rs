//! How administrators make, change and take away hooks.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::distr::{Alphanumeric, SampleString};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::HookError;
use super::board::{Board, HookStatus};
use super::incoming::Recent;
use super::signature::shown;
use super::supervisor::{self, Shared};
use crate::accounts::Admin;
use crate::chat::Chat;
use crate::metrics::HookMetrics;
use crate::model::{
    ChatId, Cursor, HookEvent, HookSecret, HookUrl, MAX_HOOK_NAME_CHARS, MAX_HOOK_ROOMS, RoomId,
    Timestamp, UserId, is_one_line,
};
use crate::outgoing::{Holder, Outbound, OutboundError, Target};
use crate::store::{
    Command, Hook, HookChangeTo, HookId, HookIn, HookKind, HookOut, HookProgress, Store,
};

/// Letters and digits of the secret of an incoming hook: 190 bits.
const SECRET_CHARS: usize = 32;
/// 5 s: so long is looked where a URL leads. One that cannot be looked up now may be later.
const LOOK_PATIENCE: Duration = Duration::from_secs(5);
/// All hooks that are not made yet: the numbers of hooks begin at 1.
const UNMADE: Holder = Holder(0);
/// The word for the beginning of the log.
const START: &str = "start";

/// What hooks are allowed.
pub struct HooksConfig {
    /// Tell of messages between two people.
    pub direct: bool,
    /// What posts, and where to.
    pub outbound: Outbound,
    /// So long after it failed for the first time an event is tried again.
    pub retry: Duration,
    /// The time.
    pub clock: fn() -> Timestamp,
    /// Counts what is told and written.
    pub metrics: HookMetrics,
}

/// A wish for an incoming hook, not yet checked.
pub struct NewIncoming {
    /// As whom it writes.
    pub bot: UserId,
    /// To whom, or where: one of the two.
    pub user: Option<UserId>,
    /// See above.
    pub room: Option<RoomId>,
    /// What administrators call it.
    pub name: String,
}

/// A wish for an outgoing hook, not yet checked.
pub struct NewOutgoing {
    /// Where it tells.
    pub url: String,
    /// Of what; of all where nothing is named.
    pub events: Vec<HookEvent>,
    /// Of which rooms alone.
    pub rooms: Vec<RoomId>,
}

/// A hook that was made, with its secret, which is shown this once.
pub struct MadeHook {
    /// The hook.
    pub hook: Arc<Hook>,
    /// Its secret.
    pub secret: String,
}

/// The verbs of hooks. Cheap to clone.
#[derive(Clone)]
pub struct Hooks {
    pub(super) shared: Arc<Shared>,
    pub(super) recent: Arc<Mutex<Recent>>,
}

/// What is kept of a secret.
pub(super) fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

impl Hooks {
    /// Returns the verbs over this store, whose incoming hooks write by this chat.
    pub fn new(store: Store, chat: Chat, config: HooksConfig) -> Self {
        let cursor_keys = store.cursor_keys();
        let shared = Shared {
            store,
            chat,
            outbound: config.outbound,
            cursor_keys,
            direct: config.direct,
            clock: config.clock,
            retry: config.retry,
            metrics: config.metrics,
            board: Board::default(),
            changed: watch::Sender::new(0),
        };
        Self {
            shared: Arc::new(shared),
            recent: Arc::default(),
        }
    }

    /// Has outgoing hooks tell. Never ends.
    pub fn run(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        supervisor::run(Arc::clone(&self.shared))
    }

    /// Has written down how far hooks have come, before the store is closed.
    pub fn close(&self, now: Timestamp) {
        let unsaved = self.shared.board.take_unsaved(None);
        if !unsaved.is_empty() {
            let moved = Command::hooks_moved(unsaved);
            self.shared.store.submit(now, moved, drop);
        }
    }

    /// Returns whether messages between two people are told of.
    pub fn tells_of_direct(&self) -> bool {
        self.shared.direct
    }

    /// Every hook, ascending by number.
    pub fn all(&self, _: Admin) -> Vec<Arc<Hook>> {
        self.shared.store.hooks()
    }

    /// Returns how an outgoing hook fares; `None` for an incoming one.
    pub fn status(&self, hook: &Hook) -> Option<HookStatus> {
        let out = hook.outgoing()?;
        let progress = self.shared.board.progress(hook.id, out);
        let known_from = self.shared.store.tokens_from();
        Some(HookStatus::new(hook, progress, known_from))
    }

    /// Returns how all outgoing hooks fare.
    pub fn statuses(&self) -> Vec<HookStatus> {
        let hooks = self.shared.store.hooks();
        hooks.iter().filter_map(|hook| self.status(hook)).collect()
    }

    /// Returns whether a hook rests, since a restore brought it back.
    pub fn is_unconfirmed(&self, hook: &Hook) -> bool {
        hook.is_unconfirmed(self.shared.store.tokens_from())
    }

    /// Makes an incoming hook.
    pub async fn create_in(
        &self,
        _: Admin,
        now: Timestamp,
        wish: NewIncoming,
    ) -> Result<MadeHook, HookError> {
        let store = &self.shared.store;
        let chat = match (wish.room, wish.user) {
            (Some(room), None) if store.room(room).is_none() => {
                return Err(HookError::NoSuchRoom("room_id"));
            }
            (Some(room), None) => ChatId::Room(room),
            (None, Some(user)) => {
                let is_there = store.user(user).is_some_and(|user| !user.deleted);
                if !is_there || user == wish.bot {
                    return Err(HookError::NoSuchUser);
                }
                ChatId::Person(user)
            }
            _ => return Err(HookError::OneChat),
        };
        let name = wish.name.trim();
        let fits = (1..=MAX_HOOK_NAME_CHARS).contains(&name.chars().count());
        if !fits || !is_one_line(name) {
            return Err(HookError::Name);
        }
        let secret = Alphanumeric.sample_string(&mut rand::rng(), SECRET_CHARS);
        let kind = HookKind::In(HookIn {
            bot: wish.bot,
            chat,
            name: name.into(),
            hash: hash(&secret),
        });
        let hook = self.apply(now, Command::create_hook(kind)).await?;
        Ok(MadeHook { hook, secret })
    }

    /// Makes an outgoing hook, which tells of what comes from now on.
    pub async fn create_out(
        &self,
        _: Admin,
        now: Timestamp,
        wish: NewOutgoing,
    ) -> Result<MadeHook, HookError> {
        let NewOutgoing {
            url,
            mut events,
            mut rooms,
        } = wish;
        let target: Target = url.trim().parse()?;
        if events.contains(&HookEvent::DirectMessage) && !self.shared.direct {
            return Err(HookError::Direct);
        }
        events.sort_unstable();
        events.dedup();
        rooms.sort_unstable();
        rooms.dedup();
        if rooms.len() > MAX_HOOK_ROOMS {
            return Err(HookError::TooManyRooms);
        }
        if rooms
            .iter()
            .any(|room| self.shared.store.room(*room).is_none())
        {
            return Err(HookError::NoSuchRoom("room_ids"));
        }
        let outbound = &self.shared.outbound;
        let looked = outbound.look(UNMADE, &target, LOOK_PATIENCE).await;
        if let Err(OutboundError::Private) = looked {
            return Err(HookError::Private);
        }
        let secret = HookSecret(rand::random());
        let kind = HookKind::Out(Box::new(HookOut {
            url: HookUrl(target.whole().into()),
            secret,
            events,
            rooms,
            progress: HookProgress::default(),
            turn: 0,
        }));
        let hook = self.apply(now, Command::create_hook(kind)).await?;
        let secret = shown(&secret);
        Ok(MadeHook { hook, secret })
    }

    /// Has an outgoing hook rest, or go on; and has one count again that a restore brought back,
    /// whichever way it goes.
    pub async fn pause(
        &self,
        _: Admin,
        now: Timestamp,
        id: HookId,
        paused: bool,
    ) -> Result<Arc<Hook>, HookError> {
        self.change(now, id, HookChangeTo::Paused(paused)).await
    }

    /// Has an outgoing hook tell again what came after a place in the log: a cursor, or `start`.
    pub async fn replay(
        &self,
        _: Admin,
        now: Timestamp,
        id: HookId,
        since: &str,
    ) -> Result<Arc<Hook>, HookError> {
        let entry = match since {
            START => 0,
            since => {
                // Cursors of events are sealed for all; what was sealed for one person is not asked
                // for.
                let anyone = UserId::new(1).expect("1 is an id");
                let cursor = Cursor::open(since, &self.shared.cursor_keys, anyone);
                cursor.ok_or(HookError::Cursor)?.entry
            }
        };
        self.change(now, id, HookChangeTo::ReplayAfter(entry)).await
    }

    /// Takes a hook away, of this direction.
    pub async fn delete(&self, _: Admin, now: Timestamp, id: HookId) -> Result<(), HookError> {
        let deleted = self.shared.store.apply(now, Command::delete_hook(id)).await;
        self.note_change();
        Ok(deleted?)
    }

    /// A hook.
    pub fn get(&self, _: Admin, id: HookId) -> Option<Arc<Hook>> {
        self.shared.store.hook(id)
    }

    async fn change(
        &self,
        now: Timestamp,
        id: HookId,
        to: HookChangeTo,
    ) -> Result<Arc<Hook>, HookError> {
        // What was told until now is not to be told again for want of a note.
        let unsaved = self.shared.board.take_unsaved(Some(id));
        if !unsaved.is_empty() {
            let moved = Command::hooks_moved(unsaved);
            self.shared.store.submit(now, moved, drop);
        }
        let known_from = self.shared.store.tokens_from();
        let change = Command::change_hook(id, to, known_from);
        self.apply(now, change).await
    }

    async fn apply(
        &self,
        now: Timestamp,
        change: Command<Arc<Hook>>,
    ) -> Result<Arc<Hook>, HookError> {
        let done = self.shared.store.apply(now, change).await;
        self.note_change();
        Ok(done?)
    }

    fn note_change(&self) {
        self.shared.changed.send_modify(|changes| *changes += 1);
    }
}
