//! Socket events as verbs of chat, and their acks.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use smallvec::SmallVec;

use super::attendance::Attendance;
use super::places::{Places, Remembered, Subscribed, Taken};
use super::{Expiry, Outbound, PRESENCE_ROOM, presence_room, user_room};
use crate::accounts::{self, AccountError, Accounts, Grant, Identity};
use crate::chat::{self, CatchUp, Chat, SendMessage};
use crate::contract::{
    CHAT_ERROR, Capable, ChatErrorEvent, ClientEvent, Code, Command, ConnectError, Continued,
    Failed, FieldError, Fields, MarkedChatRead, MarkedRead, NewMessage, Nothing, PRESENCE,
    Presence, PresenceList, Refusal, Succeeded, TypingTo, Update, WholeRead, updates_of,
};
use crate::hub::{
    self, Ack, ConnectRequest, Connecting, DisconnectReason, Event, Handler, Room, Socket,
    SocketHandler, SocketId,
};
use crate::limits::{Key, Kind, Limits};
use crate::metrics::METRICS;
use crate::model::{
    ChatRead, ClientId, Cursor, EntryId, MessageId, MessageRead, Origin, Place, Timestamp, UserId,
};
use crate::transport::{CloseReason, Frame};
use crate::verbs::{Clock, Verbs};

/// How many people one socket may watch.
const MAX_SUBSCRIPTIONS: usize = 500;
/// 10 s: when to try again where too many people are watched.
const SUBSCRIPTION_RETRY_MS: u64 = 10_000;

/// 1,000 sockets of one person, as many as sessions of one address: each message to them goes to every one.
const MAX_SOCKETS: usize = 1_000;

/// 16 people may be told at once that somebody is typing; of another one, the first is told that they have stopped.
const MAX_TYPING_TO: usize = 16;

/// 45 s, a ping's interval and its timeout: for so long a connection may be dead before that is noticed.
const UNNOTICED: Duration = Duration::from_secs(45);

/// 100 ms between `chat_error` and the end of the transport. A polling client that finds both in one answer is
/// disconnected before it looks at the event, and hears of it only after it has come back.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// The changes of which a client that comes back is told at once. With more it is a new socket, whose client reads its
/// chats afresh.
const MAX_CATCH_UP_CHANGES: usize = 2_000;
/// 4 MiB: the same in bytes as they are sent, a quarter of what may wait for one client. So much has room for certain,
/// since that is asked for first: a client that was told of what did not fit would come back for it again and again.
const MAX_CATCH_UP_BYTES: usize = 4 << 20;

/// Decides who may chat, and hears them.
pub struct Inbound {
    shared: Arc<Shared>,
}

struct Shared {
    accounts: Accounts,
    chat: Chat,
    limits: Arc<Limits>,
    clock: Clock,
    attendance: Arc<Attendance>,
    expiry: Arc<Expiry>,
    outbound: Arc<Outbound>,
    places: Places,
}

impl Inbound {
    /// Returns the door to these verbs; so many places of sockets that were left are remembered.
    pub fn new(
        verbs: Verbs,
        attendance: Arc<Attendance>,
        expiry: Arc<Expiry>,
        outbound: Arc<Outbound>,
        most_places: usize,
    ) -> Self {
        let Verbs {
            accounts,
            chat,
            limits,
            clock,
        } = verbs;
        let places = Places::new(clock(), chat.recovery_window(), most_places);
        Self {
            shared: Arc::new(Shared {
                accounts,
                chat,
                limits,
                clock,
                attendance,
                expiry,
                outbound,
                places,
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
            Err(_) => return Connecting::Done(Err(refused(AccountError::InvalidToken.into()))),
        };
        let bearer = request
            .authorization
            .and_then(|value| value.strip_prefix("Bearer "));
        let token = token.as_deref().or(bearer);
        let capable = Capable::read(&fields).ok().and_then(|said| said.cursor);
        if !capable.unwrap_or(request.library.takes_further_arguments()) {
            socket.make_plain();
        }
        let continued = Continued::read(&fields).ok();
        let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let (pid, offset) = continued.map_or((None, None), |continued| {
            (owned(continued.pid), owned(continued.offset))
        });
        let wish = Wish {
            shared: Arc::clone(&self.shared),
            socket: socket.clone(),
            now,
            pid,
            offset,
        };
        match self.shared.accounts.recognize(now, token) {
            Some(identity) => wish.of(identity),
            None => {
                let token = token.unwrap_or_default().to_owned();
                Connecting::Later(Box::pin(async move {
                    let identity = wish.shared.accounts.examine(now, token).await;
                    wish.of(identity).decided().await
                }))
            }
        }
    }
}

/// The wish for a socket.
struct Wish {
    shared: Arc<Shared>,
    socket: Socket,
    now: Timestamp,
    /// Which socket it is to continue, if any.
    pid: Option<String>,
    /// The last event that its client had.
    offset: Option<String>,
}

impl Wish {
    /// Decides for who this is, or for why that cannot be said.
    fn of(self, identity: Result<Identity, AccountError>) -> Connecting {
        let (shared, now) = (Arc::clone(&self.shared), self.now);
        match identity {
            Ok(Identity::Known(caller)) => self.of_caller(caller),
            Ok(Identity::New(newcomer)) => Connecting::Later(Box::pin(async move {
                match shared.accounts.admit(now, newcomer).await {
                    Ok(caller) => self.of_caller(caller).decided().await,
                    Err(error) => Err(refused(error.into())),
                }
            })),
            Err(error @ AccountError::Busy) => self.put_off(error.into()),
            Err(error) => Connecting::Done(Err(refused(error.into()))),
        }
    }

    fn of_caller(self, caller: accounts::Caller) -> Connecting {
        let user = caller.user.id;
        let limits = &self.shared.limits;
        if let Err(limited) = limits.check(Kind::Connections, Key::User(user)) {
            return self.put_off(limited.into());
        }
        if self.shared.chat.presence().sockets(user) >= MAX_SOCKETS {
            let message = format!("{MAX_SOCKETS} sockets of yours are open already");
            return Connecting::Done(Err(refused(Refusal::new(Code::RateLimited, message))));
        }
        match self.resume(user) {
            None => {
                if self.pid.is_some() {
                    METRICS.events.came_back(false);
                }
                Connecting::Done(Ok(welcome(self.shared, self.socket, &caller)))
            }
            Some(lost) => Connecting::Later(Box::pin(async move {
                Ok(welcome_back(self.shared, self.socket, &caller, lost).await)
            })),
        }
    }

    /// Closes the session in place of a refusal: after that, a stock client would not come back by itself.
    fn put_off(&self, refusal: Refusal) -> Connecting {
        METRICS.events.refused(refusal.code.as_str());
        self.socket.close(CloseReason::ForcedClose);
        Connecting::Done(Err(hub::Refusal {
            message: refusal.message.into_owned(),
            data: None,
        }))
    }

    /// What a client that comes back asks to continue, if it may. From then on the socket takes the events of its person,
    /// but holds them.
    fn resume(&self, user: UserId) -> Option<Lost> {
        let (shared, socket) = (&self.shared, &self.socket);
        if socket.is_plain() {
            return None;
        }
        let place = shared.chat.open_place(self.pid.as_deref()?, user)?;
        let first = Cursor::through(place.entry);
        let since = match &self.offset {
            // It had no event yet.
            None => first,
            // It may be from before this socket, which began afresh.
            Some(offset) => shared.chat.open_cursor(offset, user)?.max(first),
        };
        let taken = shared.places.take(self.now, &place, socket)?;
        socket.hold();
        socket.join(user_room(user));
        Some(Lost {
            place,
            since,
            taken,
        })
    }
}

/// A socket that is to be continued.
struct Lost {
    place: Place,
    /// The last event that its client had.
    since: Cursor,
    taken: Taken,
}

impl Lost {
    /// The events that a client missed, but for the read marks that it has asked for itself; `None` where there is no room
    /// for them.
    fn encode(
        &self,
        shared: &Shared,
        socket: &Socket,
        user: UserId,
        missed: &CatchUp,
    ) -> Option<Vec<Frame>> {
        let key = shared.outbound.cursor_keys();
        let mut room = MAX_CATCH_UP_BYTES.min(socket.room());
        let is_own = |entry: EntryId| self.taken.memory.lock().has_marked(entry.get());
        let missed = missed.missed.iter();
        let updates = missed
            .filter(|missed| !is_own(missed.entry))
            .flat_map(|missed| updates_of(missed, user));
        let mut events = Vec::new();
        for (cursor, update) in updates.filter(|(cursor, _)| *cursor > self.since) {
            let event = socket.encode(update.name(), &(update, cursor.seal(key, user)))?;
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
        let memory = shared.places.open(&place, &socket);
        (place, memory)
    });
    Box::new(Person::new(shared, socket, caller, place, None))
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
            false => lost.encode(&shared, &socket, user, &missed),
        };
        let events = events.ok_or(chat::ChatError::CursorExpired)?;
        Ok((events, missed.newest))
    });
    let id = std::str::from_utf8(&lost.place.socket).ok();
    let ((events, newest), id) = match (missed, id.and_then(SocketId::parse)) {
        (Ok(missed), Some(id)) => (missed, id),
        (missed, _) => {
            tracing::debug!(%user, error = ?missed.err(), "a socket was not continued");
            shared.places.give_up(now, user, &lost.place);
            METRICS.events.came_back(false);
            return welcome(shared, socket, caller);
        }
    };
    METRICS.events.came_back(true);
    socket.continue_as(id);
    let back = Box::new(Back {
        events,
        newest,
        left_at: lost.taken.left_at,
    });
    let place = Some((lost.place, lost.taken.memory));
    Box::new(Person::new(shared, socket, caller, place, Some(back)))
}

/// Returns a refusal as a CONNECT_ERROR carries it.
fn refused(refusal: Refusal) -> hub::Refusal {
    METRICS.events.refused(refusal.code.as_str());
    let ConnectError { message, data } = refusal.into();
    hub::Refusal {
        message,
        data: serde_json::to_value(data).ok(),
    }
}

/// What a continued socket is told first.
struct Back {
    /// What its client missed.
    events: Vec<Frame>,
    /// The newest entry of which these tell.
    newest: u64,
    /// When the one before it was left.
    left_at: Timestamp,
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
    /// By what it can be continued, and what is remembered then; `None` where its client takes no cursors.
    place: Option<(Place, Remembered)>,
    /// Whether the others were told that it came: a session may end while its CONNECT is decided.
    is_present: bool,
    /// How many people it watches.
    subscriptions: usize,
    /// Whom it has told last that its person is typing.
    typing_to: SmallVec<[UserId; 1]>,
    /// Where it is a continued one.
    back: Option<Box<Back>>,
}

impl Person {
    fn new(
        shared: Arc<Shared>,
        socket: Socket,
        caller: &accounts::Caller,
        place: Option<(Place, Remembered)>,
        back: Option<Box<Back>>,
    ) -> Self {
        Self {
            shared,
            socket,
            user: caller.user.id,
            grant: caller.grant,
            watched: caller.grant.refused_from,
            told: false,
            place,
            is_present: false,
            subscriptions: 0,
            typing_to: SmallVec::new(),
            back,
        }
    }

    fn memory(&self) -> Option<Remembered> {
        let (_, memory) = self.place.as_ref()?;
        Some(Arc::clone(memory))
    }

    /// Watches those whom the socket before this one has watched, and tells what changed meanwhile.
    fn watch_again(&mut self, left_at: Timestamp) {
        let Some(memory) = self.memory() else {
            return;
        };
        let watched = memory.lock().watched.clone();
        let users: Vec<UserId> = watched.iter().map(|watched| watched.user).collect();
        if users.is_empty() || !self.change_subscriptions(users.len()) {
            return;
        }
        let unsure_since = left_at.minus(UNNOTICED);
        self.shared.chat.presence().told(&users, |told| {
            for (watched, told) in watched.iter().zip(told) {
                self.socket.join(presence_room(watched.user));
                let is_news = match watched.heard {
                    Some(heard) => heard != told.seen,
                    None => told.at >= unsure_since,
                };
                if is_news {
                    let presence = Presence::of(watched.user, told.seen);
                    self.socket.emit(PRESENCE.name, &(presence,));
                }
            }
        });
    }

    /// Counts whom this socket watches; `false` where that is too many, of this person or of all.
    fn change_subscriptions(&mut self, count: usize) -> bool {
        let attendance = &self.shared.attendance;
        let is_allowed = attendance.subscriptions(self.user, self.subscriptions, count);
        if is_allowed {
            self.subscriptions = count;
        }
        is_allowed
    }

    /// Whom this socket watches, with what its client has heard of them for certain.
    fn heard(&self, reason: DisconnectReason) -> Vec<Subscribed> {
        let Some(memory) = self.memory() else {
            return Vec::new();
        };
        let mut watched = memory.lock().watched.clone();
        // A client that closes its connection has read it until then; a connection that broke may have been dead before.
        if reason == DisconnectReason::Closed(CloseReason::TransportClose) {
            let users: Vec<UserId> = watched.iter().map(|watched| watched.user).collect();
            self.shared.chat.presence().told(&users, |told| {
                for (watched, told) in watched.iter_mut().zip(told) {
                    watched.heard = Some(told.seen);
                }
            });
        }
        watched
    }

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
        let error_event = ChatErrorEvent {
            event: "connect",
            refusal: &Refusal::from(&error),
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
        let (place, _) = self.place.as_ref()?;
        Some(place.seal(self.shared.outbound.cursor_keys(), self.user))
    }

    fn connected(&mut self) {
        self.socket.join(user_room(self.user));
        match self.back.take() {
            None => self.socket.release(0),
            Some(back) => {
                self.socket.send_encoded(back.events);
                self.socket.release(back.newest);
                self.watch_again(back.left_at);
            }
        }
        self.is_present = true;
        let now = (self.shared.clock)();
        self.shared.attendance.came(now, self.user);
        // Whatever was revoked while it joined was told to those who had.
        self.stay_or_go();
    }

    fn nudged(&mut self) {
        self.stay_or_go();
    }

    fn event(&mut self, event: Event<'_>) {
        let caller = Caller {
            socket: self.socket.clone(),
            event: ClientEvent::named(event.name),
            ack: event.ack,
        };
        let done = match (self.allow(caller.event), caller.event) {
            (Err(refusal), _) => Err((refusal, caller)),
            (Ok(()), Some(known)) => match payload(event.args) {
                Ok(fields) => self.act(known, &fields, caller),
                Err(error) => Err((error.into(), caller)),
            },
            (Ok(()), None) => Err((Refusal::invalid("unknown event"), caller)),
        };
        if let Err((refusal, caller)) = done {
            caller.fail_event(&refusal, event.args);
        }
    }

    fn refused(&mut self, event: Event<'_>) {
        let caller = Caller {
            socket: self.socket.clone(),
            event: ClientEvent::named(event.name),
            ack: event.ack,
        };
        let refusal = match self.allow(caller.event) {
            Ok(()) => Refusal::invalid(match binary_key(event.args) {
                Some(key) => format!("{key} must not be binary data"),
                None => "binary data is not taken here".to_owned(),
            }),
            Err(refusal) => refusal,
        };
        caller.fail_event(&refusal, event.args);
    }

    fn disconnected(&mut self, reason: DisconnectReason) {
        tracing::debug!(user = %self.user, ?reason, "socket disconnected");
        self.shared.expiry.forget(self.watched, &self.socket);
        let now = (self.shared.clock)();
        let watched = self.heard(reason);
        if let Some((place, _)) = &self.place {
            let places = &self.shared.places;
            places.leave(now, self.user, place, &self.socket, reason, watched);
        }
        self.change_subscriptions(0);
        if self.is_present {
            self.shared.attendance.went(now, self.user);
        }
        for receiver in std::mem::take(&mut self.typing_to) {
            // An account that is gone need not hear of it.
            let _ = self.shared.chat.typing(self.user, receiver, false);
        }
    }
}

/// The first key of an event's payload, by name, under which an attachment stands.
fn binary_key(args: &[&serde_json::value::RawValue]) -> Option<String> {
    /// More than any key of ours has.
    const LONGEST: usize = 64;
    type Keys<'a> = BTreeMap<String, &'a serde_json::value::RawValue>;
    let keys: Keys<'_> = serde_json::from_str(args.first()?.get()).ok()?;
    let is_binary = |value: &serde_json::value::RawValue| value.get().contains("\"_placeholder\"");
    keys.into_iter()
        .find(|(key, value)| key.len() <= LONGEST && is_binary(value))
        .map(|(key, _)| key)
}

/// The first argument of an event, which must be an object.
fn payload<'a>(args: &[&'a serde_json::value::RawValue]) -> Result<Fields<'a>, FieldError> {
    Fields::parse(args.first().ok_or(FieldError::NotAnObject)?.get())
}

/// Whom to answer: the ack where one was asked for, else a `chat_error` if it fails.
struct Caller {
    socket: Socket,
    event: Option<ClientEvent>,
    ack: Option<Ack>,
}

impl Caller {
    fn succeed<T: Serialize>(self, data: T) {
        if let Some(ack) = self.ack {
            ack.send(&(Succeeded::new(data),));
        }
    }

    fn fail(self, refusal: &Refusal, client_id: Option<&ClientId>) {
        METRICS.events.refused(refusal.code.as_str());
        match self.ack {
            Some(ack) => ack.send(&(Failed::new(refusal),)),
            None => {
                let event = self.event.map_or("", ClientEvent::name);
                self.socket.emit(
                    CHAT_ERROR.name,
                    &(ChatErrorEvent {
                        event,
                        refusal,
                        client_id,
                    },),
                );
            }
        }
    }

    /// Fails an event with these arguments. Whatever else of them cannot be read, a message that is named can be found
    /// again by its sender. Without an ack to answer by, an unknown event is answered by nothing.
    fn fail_event(self, refusal: &Refusal, args: &[&serde_json::value::RawValue]) {
        if self.event.is_none() && self.ack.is_none() {
            return;
        }
        let fields = payload(args).ok();
        let client_id = fields.and_then(|fields| fields.optional("client_id").ok().flatten());
        self.fail(refusal, client_id.as_ref());
    }

    /// Answers with what a verb came to.
    fn answer<T, D: Serialize>(
        self,
        result: Result<T, chat::ChatError>,
        data: impl FnOnce(&T) -> D,
    ) {
        match result {
            Ok(done) => self.succeed(data(&done)),
            Err(error) => self.fail(&Refusal::from(error), None),
        }
    }
}

impl Person {
    /// Says whether the person may do something, or does too much. What is no event of the chat's counts as any other.
    fn allow(&self, event: Option<ClientEvent>) -> Result<(), Refusal> {
        let kind = match event {
            Some(ClientEvent::SendMessage) => Kind::Messages,
            Some(ClientEvent::Typing) => Kind::Typing,
            _ => Kind::Requests,
        };
        if self.told {
            return Err(AccountError::TokenExpired.into());
        }
        Ok(self.shared.limits.check(kind, Key::User(self.user))?)
    }

    /// Calls the verb of an event. A payload that does not fit comes back, with where to answer.
    fn act(
        &mut self,
        event: ClientEvent,
        fields: &Fields<'_>,
        caller: Caller,
    ) -> Result<(), (Refusal, Caller)> {
        match event.decode(fields) {
            Ok(Command::Send(new)) => self.send(new, caller),
            Ok(Command::MarkRead { message_id, reader }) => {
                if reader.is_some_and(|reader| reader != self.user) {
                    let refusal = Refusal::new(Code::Forbidden, "user_id must be your own");
                    return Err((refusal, caller));
                }
                self.mark_read(message_id, caller);
            }
            Ok(Command::MarkChatRead(read)) => self.mark_chat_read(&read, caller),
            Ok(Command::Typing(typing)) => self.typing(&typing, caller),
            Ok(Command::Watch(watched)) => return self.subscribe(watched.user_ids, caller),
            Err(error) => return Err((error.into(), caller)),
        }
        Ok(())
    }

    fn now(&self) -> Timestamp {
        (self.shared.clock)()
    }

    fn origin(&self) -> Option<Origin> {
        Some(Origin(self.socket.key()))
    }

    fn send(&self, new: NewMessage<'_>, caller: Caller) {
        let client_id = new.client_id.clone();
        let request = SendMessage {
            receiver_id: new.receiver_id,
            content: new.content.0.into(),
            client_id: new.client_id,
        };
        let reply = move |result| match result {
            Ok(message) => caller.succeed(Update::sent(&message)),
            Err(error) => caller.fail(&Refusal::from(error), client_id.as_ref()),
        };
        let chat = &self.shared.chat;
        chat.send(self.now(), self.user, request, self.origin(), reply);
    }

    fn mark_read(&self, message_id: MessageId, caller: Caller) {
        let memory = self.memory();
        let reply = move |result: Result<MessageRead, _>| {
            remember(memory, result.as_ref().ok().and_then(|read| read.entry));
            caller.answer(result, |read| MarkedRead {
                message_id: read.message_id,
            });
        };
        let chat = &self.shared.chat;
        chat.mark_read(self.now(), self.user, message_id, self.origin(), reply);
    }

    fn mark_chat_read(&self, read: &WholeRead, caller: Caller) {
        let memory = self.memory();
        let reply = move |result: Result<ChatRead, _>| {
            remember(memory, result.as_ref().ok().and_then(|read| read.entry));
            caller.answer(result, |read| MarkedChatRead {
                user_id: read.peer_id,
                count: read.count,
            });
        };
        let (now, origin) = (self.now(), self.origin());
        let chat = &self.shared.chat;
        chat.mark_chat_read(now, self.user, read.user_id, read.up_to, origin, reply);
    }

    fn typing(&mut self, typing: &TypingTo, caller: Caller) {
        let (receiver, is_typing) = (typing.receiver_id, typing.is_typing);
        let told = self.shared.chat.typing(self.user, receiver, is_typing);
        if told.is_ok() {
            self.note_typing(receiver, is_typing);
        }
        caller.answer(told, |()| Nothing {});
    }

    /// Notes whom this socket has told that its person is typing, so that it can be told when they are gone.
    fn note_typing(&mut self, receiver: UserId, is_typing: bool) {
        self.typing_to.retain(|to| *to != receiver);
        if !is_typing {
            return;
        }
        if self.typing_to.len() >= MAX_TYPING_TO {
            let first = self.typing_to.remove(0);
            let _ = self.shared.chat.typing(self.user, first, false);
        }
        self.typing_to.push(receiver);
    }

    /// Watches these in place of those before, and says who of them is there.
    fn subscribe(
        &mut self,
        mut users: Vec<UserId>,
        caller: Caller,
    ) -> Result<(), (Refusal, Caller)> {
        if users.len() > MAX_SUBSCRIPTIONS {
            let key = "user_ids";
            let reason = format!("has {} ids, the limit is {MAX_SUBSCRIPTIONS}", users.len());
            return Err((FieldError::Invalid { key, reason }.into(), caller));
        }
        // Only of those who exist, and once each, in the order asked.
        let mut seen = HashSet::with_capacity(users.len());
        let accounts = &self.shared.accounts;
        users.retain(|user| seen.insert(*user) && accounts.user(*user).is_some());
        if !self.change_subscriptions(users.len()) {
            let message = "too many people are watched at once, try again later";
            return Err((Refusal::later(message, SUBSCRIPTION_RETRY_MS), caller));
        }
        if let Some(memory) = self.memory() {
            let watched = users.iter().map(|user| Subscribed {
                user: *user,
                heard: None,
            });
            memory.lock().watched = watched.collect();
        }
        // At a moment at which nobody comes or goes, so that the ack and the events after it miss nothing.
        self.shared.chat.presence().look(&users, |found| {
            self.socket
                .leave(|room| matches!(room, Room::Numbered(PRESENCE_ROOM, _)));
            let users = users.iter().zip(found).map(|(user_id, mut seen)| {
                self.socket.join(presence_room(*user_id));
                let stored = || self.shared.chat.last_seen(*user_id);
                seen.last_seen = seen.last_seen.or_else(stored);
                Presence::of(*user_id, seen)
            });
            caller.succeed(PresenceList {
                users: users.collect(),
            });
        });
        Ok(())
    }
}

/// Notes that a socket has asked for a read mark, before its client is told that it is done.
fn remember(memory: Option<Remembered>, entry: Option<EntryId>) {
    if let (Some(memory), Some(entry)) = (memory, entry) {
        memory.lock().marked(entry);
    }
}
