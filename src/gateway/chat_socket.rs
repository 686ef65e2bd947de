//! One socket of a person: whether its token still holds, and its events.

use std::sync::Arc;
use std::time::Duration;

use super::door::Door;
use super::groups::user_group;
use super::memory::SharedMemory;
use super::payload::{binary_key, payload};
use super::reply::Reply;
use super::talk::Typed;
use crate::accounts::{AccountError, Caller, Grant};
use crate::contract::{
    CHAT_ERROR, ChatErrorEvent, ClientEvent, Code, Command, Fields, Refusal, Version,
};
use crate::hub::{DisconnectReason, Event, Socket, SocketHandler};
use crate::limits::{Key, Kind};
use crate::model::{ChatId, Origin, PrivateId, Timestamp, UserId};
use crate::transport::{CloseReason, Frame};

/// 100 ms between `chat_error` and the end of the transport. A polling client that finds both in
/// one answer is disconnected before it looks at the event, and hears of it only after it has come
/// back.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// One socket of a person.
pub(super) struct ChatSocket {
    pub(super) door: Arc<Door>,
    pub(super) socket: Socket,
    pub(super) user: UserId,
    grant: Grant,
    /// When its token is to be checked again.
    due: Timestamp,
    /// Its client was told that the token has expired.
    is_expired: bool,
    /// How it can be resumed, and what is remembered then; `None` where its client takes no
    /// cursors.
    recovery: Option<(PrivateId, SharedMemory)>,
    /// Its person was counted as present: a session may end while its CONNECT is decided.
    is_present: bool,
    /// Its person was counted among those who are there in their rooms.
    is_in_rooms: bool,
    /// How many people it watches.
    pub(super) subscriptions: u16,
    /// Where it has told last that its person is typing.
    pub(super) typing_to: Vec<Typed>,
    /// What it is told first, where it resumes another.
    resumed: Option<Box<Resumed>>,
}

/// What a resumed socket is told first.
pub(super) struct Resumed {
    /// What its client missed.
    pub(super) events: Vec<Frame>,
    /// The newest entry of which these tell.
    pub(super) newest: u64,
    /// When the lost socket was left.
    pub(super) left_at: Timestamp,
}

impl ChatSocket {
    pub(super) fn new(
        door: Arc<Door>,
        socket: Socket,
        caller: &Caller,
        recovery: Option<(PrivateId, SharedMemory)>,
        resumed: Option<Box<Resumed>>,
    ) -> Self {
        Self {
            door,
            socket,
            user: caller.user.id,
            grant: caller.grant,
            due: caller.grant.refused_from,
            is_expired: false,
            recovery,
            is_present: false,
            is_in_rooms: false,
            subscriptions: 0,
            typing_to: Vec::new(),
            resumed,
        }
    }

    /// Notes that its person is counted among those who are there in their rooms.
    pub(super) fn has_entered_rooms(&mut self, entered: bool) {
        self.is_in_rooms = entered;
    }

    fn leave_rooms(&mut self) {
        if std::mem::take(&mut self.is_in_rooms) {
            self.door.outbound.present.went(self.user);
        }
    }

    pub(super) fn memory(&self) -> Option<SharedMemory> {
        let (_, memory) = self.recovery.as_ref()?;
        Some(Arc::clone(memory))
    }

    /// The version that its client speaks.
    pub(super) fn version(&self) -> Version {
        Version::at_most(self.socket.version())
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.door.verbs.clock)()
    }

    pub(super) fn origin(&self) -> Option<Origin> {
        Some(Origin(self.socket.key()))
    }

    /// Puts the socket out if its token holds no longer. One whose token has expired loses its
    /// transport, so that a stock client comes back with a fresh one; one that was revoked, or
    /// whose account is disabled, stays out.
    fn stay_or_go(&mut self) {
        let now = self.now();
        let Err(error) = self.door.verbs.accounts.check(now, &self.grant) else {
            return self.check_again(self.grant.refused_from);
        };
        if error == AccountError::TokenExpired && self.is_expired {
            return self.socket.close(CloseReason::ForcedClose);
        }
        let last_words = ChatErrorEvent {
            event: "connect",
            refusal: &Refusal::from(&error),
            client_id: None,
        };
        self.socket.emit(CHAT_ERROR.name, &(last_words,));
        match error {
            AccountError::TokenExpired => {
                self.is_expired = true;
                self.check_again(now.plus(LAST_WORDS));
            }
            _ => self.socket.disconnect(),
        }
    }

    fn check_again(&mut self, at: Timestamp) {
        if at != self.due {
            self.door.expiry.forget(self.due, &self.socket);
            self.due = at;
        }
        self.door.expiry.watch(at, &self.socket);
    }

    /// Refuses what is too much of its kind. What is no event of the contract's counts as a
    /// request.
    fn allow(&self, event: Option<ClientEvent>) -> Result<(), Refusal> {
        let kind = match event {
            Some(event) if event.counts_as_message() => Kind::Messages,
            Some(ClientEvent::Typing) => Kind::Typing,
            _ => Kind::Requests,
        };
        if self.is_expired {
            return Err(AccountError::TokenExpired.into());
        }
        Ok(self.door.verbs.limits.check(kind, Key::User(self.user))?)
    }

    /// Calls the verb of an event. A payload that does not fit comes back, with where to answer.
    fn act(
        &mut self,
        event: ClientEvent,
        fields: &Fields<'_>,
        reply: Reply,
    ) -> Result<(), (Refusal, Reply)> {
        match event.decode(fields, self.version()) {
            Ok(Command::Send(new)) => match self.check_mentions(fields, new.receiver_id) {
                Ok(()) => self.send(new, reply),
                Err(error) => return Err((error.into(), reply)),
            },
            Ok(Command::SendToRoom(new)) => self.send_to_room(new, reply),
            Ok(Command::MarkRead { message_id, reader }) => {
                if reader.is_some_and(|reader| reader != self.user) {
                    let refusal = Refusal::new(Code::Forbidden, "user_id must be your own");
                    return Err((refusal, reply));
                }
                self.mark_read(message_id, reply);
            }
            Ok(Command::MarkChatRead(read)) => self.mark_chat_read(&read, reply),
            Ok(Command::MarkRoomRead(read)) => self.mark_room_read(&read, reply),
            Ok(Command::Change(change)) => self.change(change, reply),
            Ok(Command::Typing(typing)) => self.typing(&typing, reply),
            Ok(Command::TypingInRoom(typing)) => self.typing_in_room(&typing, reply),
            Ok(Command::InView(view)) => {
                self.look_at(ChatId::Person(view.receiver_id), view.on, reply);
            }
            Ok(Command::RoomInView(view)) => {
                self.look_at(ChatId::Room(view.room_id), view.on, reply);
            }
            Ok(Command::Watch(watched)) => return self.watch(watched.user_ids, reply),
            Err(error) => return Err((error.into(), reply)),
        }
        Ok(())
    }
}

impl SocketHandler for ChatSocket {
    fn private_id(&self) -> Option<String> {
        let (id, _) = self.recovery.as_ref()?;
        Some(id.seal(self.door.verbs.chat.cursor_keys(), self.user))
    }

    fn connected(&mut self) {
        self.socket.join(user_group(self.user));
        if !self.is_in_rooms {
            self.is_in_rooms = enter_rooms(&self.door, &self.socket, self.user);
        }
        match self.resumed.take() {
            None => self.socket.release(0),
            Some(resumed) => {
                self.socket.send_encoded(resumed.events);
                self.socket.release(resumed.newest);
                self.watch_again(resumed.left_at);
            }
        }
        self.is_present = true;
        self.door.attendance.came(self.now(), self.user);
        // A token that was revoked while the socket joined was not found among those who had.
        self.stay_or_go();
    }

    fn revalidate(&mut self) {
        self.stay_or_go();
        self.review_watched();
        self.review_typing();
    }

    fn event(&mut self, event: Event<'_>) {
        let known = ClientEvent::named(event.name);
        let reply = Reply::new(&self.door, &self.socket, known, event.ack);
        let done = match (self.allow(known), known) {
            (Err(refusal), _) => Err((refusal, reply)),
            (Ok(()), Some(known)) => match payload(event.args) {
                Ok(fields) => self.act(known, &fields, reply),
                Err(error) => Err((error.into(), reply)),
            },
            (Ok(()), None) => Err((Refusal::invalid("unknown event"), reply)),
        };
        if let Err((refusal, reply)) = done {
            reply.fail_event(&refusal, event.args);
        }
    }

    fn refused(&mut self, event: Event<'_>) {
        let known = ClientEvent::named(event.name);
        let refusal = match self.allow(known) {
            Ok(()) => Refusal::invalid(match binary_key(event.args) {
                Some(key) => format!("{key} must not be binary data"),
                None => "binary data is not taken here".to_owned(),
            }),
            Err(refusal) => refusal,
        };
        Reply::new(&self.door, &self.socket, known, event.ack).fail_event(&refusal, event.args);
    }

    fn disconnected(&mut self, reason: DisconnectReason) {
        tracing::debug!(user = %self.user, ?reason, "socket disconnected");
        self.door.expiry.forget(self.due, &self.socket);
        let now = self.now();
        let watched = self.heard(reason);
        if let Some((id, _)) = &self.recovery {
            let recovery = &self.door.recovery;
            recovery.leave(now, self.user, id, &self.socket, reason, watched);
        }
        self.unwatch();
        self.leave_rooms();
        if self.is_present {
            self.door.attendance.went(now, self.user);
        }
        self.stop_typing();
        let chat = &self.door.verbs.chat;
        chat.look_away(self.user, Origin(self.socket.key()));
    }
}

/// A session may be gone before its CONNECT is decided, and then nothing is heard of its end.
impl Drop for ChatSocket {
    fn drop(&mut self) {
        self.leave_rooms();
    }
}

/// Counts a socket's person among those who are there in their rooms. Returns whether it did: one
/// of version 1 hears of no rooms.
pub(super) fn enter_rooms(door: &Door, socket: &Socket, user: UserId) -> bool {
    let hears = Version::at_most(socket.version()) >= Version::Second;
    if hears {
        let chat = &door.verbs.chat;
        door.outbound.present.came(user, || chat.rooms_of(user));
    }
    hears
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each socket has one, whether it says anything or not.
    #[test]
    fn a_socket_of_a_person_costs_no_size_of_the_allocator_more() {
        assert!(size_of::<ChatSocket>() <= 160);
    }
}
