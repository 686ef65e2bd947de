//! Socket events as verbs of chat, and their acks.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use smallvec::SmallVec;

use super::events::{
    Capable, Continued, Known, NewMessage, OneRead, OwnRead, TypingTo, Watched, WholeRead,
};
use super::places::Places;
use super::wire::{
    CHAT_ERROR, ChatErrorEvent, Failed, Failure, MarkedChatRead, MarkedRead, Nothing, PRESENCE,
    Presence, PresenceList, RefusalData, Succeeded,
};
use super::{Expiry, Outbound, PRESENCE_ROOM, presence_room, user_room};
use crate::accounts::{self, AccountError, Accounts, Grant, Identity};
use crate::chat::{self, CatchUp, Chat, SendMessage, Update};
use crate::hub::{
    Ack, ConnectRequest, Connecting, DisconnectReason, Event, Handler, Refusal, Room, Socket,
    SocketHandler, SocketId,
};
use crate::limits::{Key, Kind, Limits};
use crate::metrics::METRICS;
use crate::model::{ClientId, Code, Cursor, FieldError, Fields, Origin, Place, Timestamp, UserId};
use crate::transport::{CloseReason, Frame};

/// How many people one socket may watch.
const MAX_SUBSCRIPTIONS: usize = 500;

/// 100 ms between `chat_error` and the end of the transport. A polling client that finds both in one answer is
/// disconnected before it looks at the event, and hears of it only after it has come back.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// The changes of which a client that comes back is told at once. With more it is a new socket, whose client reads its
/// chats afresh.
const MAX_CATCH_UP_CHANGES: usize = 2_000;
/// 4 MiB: the same in bytes as they are sent, a quarter of what may wait for one client. So much has room for certain,
/// since that is asked for first: a client that was told of what did not fit would come back for it again and again.
const MAX_CATCH_UP_BYTES: usize = 4 << 20;

/// What tells the time; the server's is [`Timestamp::now`].
pub(super) type Clock = fn() -> Timestamp;

/// Decides who may chat, and hears them.
pub struct Inbound {
    shared: Arc<Shared>,
}

struct Shared {
    accounts: Accounts,
    chat: Chat,
    presence: Arc<chat::Presence>,
    expiry: Arc<Expiry>,
    limits: Arc<Limits>,
    outbound: Arc<Outbound>,
    places: Places,
    clock: Clock,
}

impl Inbound {
    /// Over these verbs; so many places of sockets that were left are remembered.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is of a type of its own, and named once"
    )]
    pub fn new(
        accounts: Accounts,
        chat: Chat,
        presence: Arc<chat::Presence>,
        expiry: Arc<Expiry>,
        limits: Arc<Limits>,
        outbound: Arc<Outbound>,
        most_places: usize,
        clock: Clock,
    ) -> Self {
        let places = Places::new(clock(), chat.recovery_window(), most_places);
        Self {
            shared: Arc::new(Shared {
                accounts,
                chat,
                presence,
                expiry,
                limits,
                outbound,
                places,
                clock,
            }),
        }
    }
}

impl Handler for Inbound {
    fn connect(&self, socket: &Socket, request: ConnectRequest<'_>) -> Connecting {
        let now = (self.shared.clock)();
        let fields = request
            .auth
            .and_then(|auth| Fields::parse(auth.get()).ok())
            .unwrap_or_default();
        // A token that is no string is none of ours.
        let token = match fields.optional::<Cow<'_, str>>("token") {
            Ok(token) => token.filter(|token| !token.is_empty()),
            Err(_) => return Connecting::Done(Err(refusal(&AccountError::InvalidToken))),
        };
        let bearer = request
            .authorization
            .and_then(|value| value.strip_prefix("Bearer "));
        let capable = Capable::read(&fields).ok().and_then(|said| said.cursor);
        if !capable.unwrap_or(request.library.takes_further_arguments()) {
            socket.make_plain();
        }
        let (shared, socket) = (Arc::clone(&self.shared), socket.clone());
        let identity = shared.accounts.identify(now, token.as_deref().or(bearer));
        match identity {
            Ok(Identity::Known(caller)) => {
                match shared.resume(now, caller.user.id, &socket, &fields) {
                    None => {
                        if fields.optional("pid") != Ok(None::<Cow<'_, str>>) {
                            METRICS.came_back(false);
                        }
                        Connecting::Done(Ok(welcome(shared, socket, &caller)))
                    }
                    Some(lost) => Connecting::Later(Box::pin(async move {
                        Ok(welcome_back(shared, socket, &caller, lost).await)
                    })),
                }
            }
            Ok(Identity::New(newcomer)) => Connecting::Later(Box::pin(async move {
                match shared.accounts.admit(now, newcomer).await {
                    Ok(caller) => Ok(welcome(shared, socket, &caller)),
                    Err(error) => Err(refusal(&error)),
                }
            })),
            Err(error) => Connecting::Done(Err(refusal(&error))),
        }
    }
}

/// A socket that is to be continued.
struct Lost {
    place: Place,
    /// The last event that its client had.
    since: Cursor,
}

impl Shared {
    /// What a client that comes back asks to continue, if it may. From then on the socket takes the events of its person,
    /// but holds them.
    fn resume(
        &self,
        now: Timestamp,
        user: UserId,
        socket: &Socket,
        fields: &Fields<'_>,
    ) -> Option<Lost> {
        if socket.is_plain() {
            return None;
        }
        let keys = self.outbound.cursor_keys();
        let continued = Continued::read(fields).ok()?;
        let place = Place::open(&continued.pid?, keys, user)?;
        let first = Cursor::through(place.entry);
        let since = match continued.offset {
            // It had no event yet.
            None => first,
            // It may be from before this socket, which began afresh.
            Some(offset) => Cursor::open(&offset, keys, user)?.max(first),
        };
        if !self.places.take(now, &place, socket) {
            return None;
        }
        socket.hold();
        socket.join(user_room(user));
        Some(Lost { place, since })
    }

    /// The events after a cursor that a client missed, or `None` where there is no room for them.
    fn encode(
        &self,
        socket: &Socket,
        user: UserId,
        since: Cursor,
        missed: &CatchUp,
    ) -> Option<Vec<Frame>> {
        let keys = self.outbound.cursor_keys();
        let mut room = MAX_CATCH_UP_BYTES.min(socket.room());
        let missed = missed.missed.iter();
        let updates = missed.flat_map(|missed| chat::updates(missed, user));
        let mut events = Vec::new();
        for (cursor, update) in updates.filter(|(cursor, _)| *cursor > since) {
            let event = socket.encode(update.name(), &(update, cursor.seal(keys, user)))?;
            room = room.checked_sub(event.cost())?;
            events.push(event);
        }
        Some(events)
    }
}

/// A new socket.
fn welcome(
    shared: Arc<Shared>,
    socket: Socket,
    caller: &accounts::Caller,
) -> Box<dyn SocketHandler> {
    let place = (!socket.is_plain()).then(|| {
        let id = socket.id().as_str().as_bytes().try_into();
        let place = Place {
            // Before it joins its room: what is told after this reaches it, or is missed.
            entry: shared.outbound.told(),
            socket: id.expect("a socket's id has 20 characters"),
        };
        shared.places.open(&place, &socket);
        place
    });
    Box::new(Person {
        shared,
        socket,
        user: caller.user.id,
        grant: caller.grant,
        watched: caller.grant.refused_from,
        told: false,
        place,
        is_present: false,
        missed: None,
    })
}

/// A socket that goes on as the one that was lost, or as a new one where too much was missed.
async fn welcome_back(
    shared: Arc<Shared>,
    socket: Socket,
    caller: &accounts::Caller,
    lost: Lost,
) -> Box<dyn SocketHandler> {
    let now = (shared.clock)();
    let user = caller.user.id;
    let missed = shared
        .chat
        .missed(now, user, lost.since, MAX_CATCH_UP_CHANGES)
        .await;
    let missed = missed.and_then(|missed| {
        let events = match missed.has_more {
            true => None,
            false => shared.encode(&socket, user, lost.since, &missed),
        };
        let events = events.ok_or(chat::ChatError::CursorExpired)?;
        Ok((events, missed.newest))
    });
    let id = std::str::from_utf8(&lost.place.socket).ok();
    let (missed, id) = match (missed, id.and_then(SocketId::parse)) {
        (Ok(missed), Some(id)) => (missed, id),
        (missed, _) => {
            tracing::debug!(%user, error = ?missed.err(), "a socket was not continued");
            shared.places.give_up(now, &lost.place);
            METRICS.came_back(false);
            return welcome(shared, socket, caller);
        }
    };
    METRICS.came_back(true);
    socket.continue_as(id);
    Box::new(Person {
        shared,
        socket,
        user,
        grant: caller.grant,
        watched: caller.grant.refused_from,
        told: false,
        place: Some(lost.place),
        is_present: false,
        missed: Some(Box::new(missed)),
    })
}

fn refusal(error: &AccountError) -> Refusal {
    METRICS.refused(error.code().as_str());
    Refusal {
        message: error.to_string(),
        data: serde_json::to_value(RefusalData { code: error.code() }).ok(),
    }
}

/// One socket of a person.
struct Person {
    shared: Arc<Shared>,
    socket: Socket,
    user: UserId,
    grant: Grant,
    /// When it is to be looked at again.
    watched: Timestamp,
    /// It was told that its token has expired.
    told: bool,
    /// By what it can be continued; `None` where its client takes no cursors.
    place: Option<Place>,
    /// Whether the others were told that it came: a session may end while its CONNECT is decided.
    is_present: bool,
    /// Where it is a continued one: the events that its client missed, and the newest entry of which they tell.
    missed: Option<Box<(Vec<Frame>, u64)>>,
}

impl Person {
    /// Puts the socket out if its token holds no longer. One whose token has expired loses its transport, so that a
    /// stock client comes back with a fresh one; one that was revoked, or whose account is disabled, stays out.
    fn stay_or_go(&mut self) {
        let now = (self.shared.clock)();
        let Err(error) = self.shared.accounts.check(now, &self.grant) else {
            return self.watch(self.grant.refused_from);
        };
        if error == AccountError::TokenExpired && self.told {
            return self.socket.close(CloseReason::ForcedClose);
        }
        let failure = &Failure::from(&error);
        let event = "connect";
        let error_event = ChatErrorEvent {
            event,
            failure,
            client_id: None,
        };
        self.socket.emit(CHAT_ERROR.name, &(error_event,));
        match error {
            AccountError::TokenExpired => {
                self.told = true;
                self.watch(now.plus(LAST_WORDS));
            }
            _ => self.socket.disconnect(),
        }
    }

    fn watch(&mut self, at: Timestamp) {
        self.shared.expiry.forget(self.watched, &self.socket);
        self.watched = at;
        self.shared.expiry.watch(at, &self.socket);
    }
}

impl SocketHandler for Person {
    fn private_id(&self) -> Option<String> {
        let place = self.place.as_ref()?;
        Some(place.seal(self.shared.outbound.cursor_keys(), self.user))
    }

    fn connected(&mut self) {
        self.socket.join(user_room(self.user));
        let told = match self.missed.take() {
            None => 0,
            Some(missed) => {
                let (events, newest) = *missed;
                self.socket.send_encoded(events);
                newest
            }
        };
        self.socket.release(told);
        self.is_present = true;
        let namespace = self.socket.namespace();
        self.shared.presence.connected(self.user, |change| {
            namespace
                .to(presence_room(change.user_id))
                .emit(PRESENCE.name, &(Presence::from(change),));
        });
        // Whatever was revoked while it joined was told to those who had.
        self.stay_or_go();
    }

    fn nudged(&mut self) {
        self.stay_or_go();
    }

    fn event(&mut self, event: Event<'_>) {
        let caller = Caller {
            socket: self.socket.clone(),
            event: Known::named(event.name),
            ack: event.ack,
        };
        let done = match caller.event {
            Some(known) => match payload(event.args) {
                Ok(fields) => {
                    self.allowed_to_act(known, &fields, caller)
                        .map_err(|(failure, caller)| {
                            // Whatever else cannot be read, a message that is named can be found again by its sender.
                            (failure, caller, fields.optional("client_id").ok().flatten())
                        })
                }
                Err(error) => Err((error.into(), caller, None)),
            },
            // Without an ack to answer by, an unknown event is nobody's business.
            None if caller.ack.is_none() => return,
            None => {
                let message = "unknown event".to_owned();
                let failure = Failure {
                    code: Code::InvalidPayload,
                    message,
                    retry_after_ms: None,
                };
                Err((failure, caller, None))
            }
        };
        if let Err((failure, caller, client_id)) = done {
            caller.fail(&failure, client_id.as_ref());
        }
    }

    fn disconnected(&mut self, reason: DisconnectReason) {
        tracing::debug!(user = %self.user, ?reason, "socket disconnected");
        self.shared.expiry.forget(self.watched, &self.socket);
        let now = (self.shared.clock)();
        if let Some(place) = &self.place {
            self.shared.places.leave(now, place, &self.socket, reason);
        }
        if !self.is_present {
            return;
        }
        let namespace = self.socket.namespace();
        self.shared.presence.disconnected(self.user, now, |change| {
            self.shared.chat.seen(now, self.user);
            namespace
                .to(presence_room(change.user_id))
                .emit(PRESENCE.name, &(Presence::from(change),));
        });
    }
}

/// The first argument of an event, which must be an object.
fn payload<'a>(args: &[&'a serde_json::value::RawValue]) -> Result<Fields<'a>, FieldError> {
    Fields::parse(args.first().ok_or(FieldError::NotAnObject)?.get())
}

/// Whom to answer: the ack where one was asked for, else a `chat_error` if it fails.
struct Caller {
    socket: Socket,
    event: Option<Known>,
    ack: Option<Ack>,
}

impl Caller {
    fn succeed<T: Serialize>(self, data: T) {
        if let Some(ack) = self.ack {
            ack.send(&(Succeeded::new(data),));
        }
    }

    fn fail(self, failure: &Failure, client_id: Option<&ClientId>) {
        METRICS.refused(failure.code.as_str());
        match self.ack {
            Some(ack) => ack.send(&(Failed::new(failure),)),
            None => {
                let event = self.event.map_or("", Known::name);
                self.socket.emit(
                    CHAT_ERROR.name,
                    &(ChatErrorEvent {
                        event,
                        failure,
                        client_id,
                    },),
                );
            }
        }
    }

    /// Answers with what a verb came to.
    fn answer<T, D: Serialize>(
        self,
        result: Result<T, chat::ChatError>,
        data: impl FnOnce(&T) -> D,
    ) {
        match result {
            Ok(done) => self.succeed(data(&done)),
            Err(error) => self.fail(&error.into(), None),
        }
    }
}

impl Person {
    /// Acts, unless the person does too much.
    fn allowed_to_act(
        &self,
        event: Known,
        fields: &Fields<'_>,
        caller: Caller,
    ) -> Result<(), (Failure, Caller)> {
        let kind = match event {
            Known::SendMessage => Kind::Messages,
            Known::Typing => Kind::Typing,
            _ => Kind::Requests,
        };
        if self.told {
            return Err(((&AccountError::TokenExpired).into(), caller));
        }
        match self.shared.limits.check(kind, Key::User(self.user)) {
            Ok(()) => self.act(event, fields, caller),
            Err(too_much) => Err((too_much.into(), caller)),
        }
    }

    /// Reads an event's payload and calls its verb. A payload that cannot be read comes back, with whom to tell.
    fn act(
        &self,
        event: Known,
        fields: &Fields<'_>,
        caller: Caller,
    ) -> Result<(), (Failure, Caller)> {
        /// Gives the payload, or hands the caller back with what is wrong with it.
        macro_rules! payload {
            ($type:ident) => {
                match $type::read(fields) {
                    Ok(value) => value,
                    Err(error) => return Err((error.into(), caller)),
                }
            };
        }
        let now = (self.shared.clock)();
        let origin = Some(Origin(self.socket.key()));
        let chat = &self.shared.chat;
        match event {
            // {"receiver_id":2,"content":"Halo!","client_id":"…"?}; ack: the message_sent object
            Known::SendMessage => {
                let new = payload!(NewMessage);
                let client_id = new.client_id.clone();
                let request = SendMessage {
                    receiver_id: new.receiver_id,
                    content: new.content.0.into(),
                    client_id: new.client_id,
                };
                chat.send(
                    now,
                    self.user,
                    request,
                    origin,
                    move |result| match result {
                        Ok(message) => caller.succeed(Update::sent(&message)),
                        Err(error) => caller.fail(&error.into(), client_id.as_ref()),
                    },
                );
            }
            // {"message_id":10}, and for messege_read the caller's own "user_id"; ack: {"message_id":10}
            Known::MarkAsRead | Known::MessegeRead => {
                let (message_id, user_id) = match event {
                    Known::MessegeRead => {
                        let read = payload!(OwnRead);
                        (read.message_id, read.user_id)
                    }
                    _ => (payload!(OneRead).message_id, self.user),
                };
                if user_id != self.user {
                    let message = "user_id must be your own".to_owned();
                    return Err((
                        Failure {
                            code: Code::Forbidden,
                            message,
                            retry_after_ms: None,
                        },
                        caller,
                    ));
                }
                chat.mark_read(now, self.user, message_id, origin, move |result| {
                    caller.answer(result, |read| MarkedRead {
                        message_id: read.message_id,
                    });
                });
            }
            // {"user_id":2,"up_to":57?}; ack: {"user_id":2,"count":3}
            Known::MarkChatAsRead => {
                let WholeRead {
                    user_id: peer,
                    up_to,
                } = payload!(WholeRead);
                chat.mark_chat_read(now, self.user, peer, up_to, origin, move |result| {
                    caller.answer(result, |read| MarkedChatRead {
                        user_id: read.peer_id,
                        count: read.count,
                    });
                });
            }
            // {"receiver_id":2,"is_typing":true}; ack: {}
            Known::Typing => {
                let TypingTo {
                    receiver_id,
                    is_typing,
                } = payload!(TypingTo);
                caller.answer(chat.typing(self.user, receiver_id, is_typing), |()| {
                    Nothing {}
                });
            }
            // {"user_ids":[2,3]}; ack: {"users":[{"user_id":2,"online":true,"last_seen":null}]}
            Known::PresenceSubscribe => {
                let mut users = payload!(Watched).user_ids;
                if users.len() > MAX_SUBSCRIPTIONS {
                    let reason =
                        format!("has {} ids, the limit is {MAX_SUBSCRIPTIONS}", users.len());
                    return Err((
                        FieldError::Invalid {
                            key: "user_ids",
                            reason,
                        }
                        .into(),
                        caller,
                    ));
                }
                // Only of those who exist, and once each, in the order asked.
                let mut seen = SmallVec::<[UserId; 16]>::new();
                users.retain(|user| {
                    let first = !seen.contains(user) && self.shared.accounts.user(*user).is_some();
                    seen.push(*user);
                    first
                });
                self.subscribe(&users, caller);
            }
        }
        Ok(())
    }

    fn subscribe(&self, users: &[UserId], caller: Caller) {
        // At a moment at which nobody comes or goes, so that the ack and the events after it miss nothing.
        self.shared.presence.look(users, |found| {
            self.socket
                .leave(|room| matches!(room, Room::Numbered(PRESENCE_ROOM, _)));
            let users = users.iter().zip(found).map(|(user_id, seen)| {
                self.socket.join(presence_room(*user_id));
                let stored = || self.shared.chat.last_seen(*user_id);
                let last_seen = if seen.online {
                    None
                } else {
                    seen.last_seen.or_else(stored)
                };
                Presence {
                    user_id: *user_id,
                    online: seen.online,
                    last_seen,
                }
            });
            caller.succeed(PresenceList {
                users: users.collect(),
            });
        });
    }
}
