//! The verbs of rooms: making and changing them, who is in them, and reading them.
//!
//! Who may do what is judged by the store, in commit order; here is checked what needs no state.

use std::sync::Arc;

use super::marks::{MarkReply, Merged, Pace, Reader};
use super::{Chat, ChatError, Event, Mark, RoomCreation};
use crate::model::{
    Act, Blocked, ChatId, ChatSettings, ClientId, EntryId, Extras, FileId, MAX_RETENTION_DAYS,
    MAX_ROOM_NAME_CHARS, MAX_TOPIC_CHARS, MessageId, Notice, Notify, Origin, Role, Room, RoomId,
    RoomRead, Timestamp, UserId, check_avatar, is_one_line, picture_url, visible_name,
};
use crate::store::{
    Command, HistoryPage, HistoryQuery, Invite, MemberRow, MyRoom, NewRoom, OpenRooms, Outcome,
    Page, RoomAct, RoomCommand, RoomDone, RoomInvite, RoomMessage, RoomRefusal, RoomUpdate,
    StoreError, Talk,
};

/// 1,000 people: as many as one request adds to a room.
pub const MAX_ADDED: usize = 1_000;
/// Rooms of more members have no list of positions, and no volatile events.
pub const MAX_SEEN_MEMBERS: u64 = 100;
/// As many members as one message may mention by name.
pub const MAX_MENTIONS: usize = 50;

/// A message to be sent to a room.
#[derive(Debug, Clone)]
pub struct SendToRoom {
    /// The room.
    pub room_id: RoomId,
    /// The text, not yet checked.
    pub content: Arc<str>,
    /// The sender's own name for it.
    pub client_id: Option<ClientId>,
    /// What it has beside its text.
    pub extras: Option<Box<Extras>>,
}

/// What a mark in a room came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomMark {
    /// Its entry; `None` where the position was there already.
    pub entry: Option<EntryId>,
    /// The position, and what is unread after it.
    pub read: RoomRead,
}

/// What a mark of a message came to, which may be one of two people or of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnyMark {
    /// Of two people.
    Pair(Mark),
    /// Of a room.
    Room(RoomMark),
}

/// A text of a room that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoomFieldError {
    /// The name.
    #[error(
        "name must have 1 to {MAX_ROOM_NAME_CHARS} characters, without control characters and others that are not seen"
    )]
    Name,
    /// The topic.
    #[error(
        "topic must have at most {MAX_TOPIC_CHARS} characters, in one line, without control characters"
    )]
    Topic,
    /// The picture.
    #[error("avatar must be an https: URL of at most 2048 characters")]
    Avatar,
    /// The members.
    #[error("at most {MAX_ADDED} members are added at once")]
    Members,
    /// The time after which its messages are erased.
    #[error("retention_days must be 1 to {MAX_RETENTION_DAYS}, or null")]
    RetentionDays,
    /// The mentions.
    #[error("mentions must name at most {MAX_MENTIONS} members")]
    Mentions,
}

impl Chat {
    /// Sends a message to a room. The same client id with the same room and content gives the first
    /// message again.
    pub fn send_to_room(
        &self,
        now: Timestamp,
        sender: UserId,
        request: SendToRoom,
        origin: Option<Origin>,
        reply: impl FnOnce(Result<Notice, ChatError>) + Send + 'static,
    ) {
        if let Err(error) = self.check_message(&request.content, request.extras.as_deref()) {
            return reply(Err(error));
        }
        let SendToRoom {
            room_id,
            content,
            client_id,
            mut extras,
        } = request;
        if let Some(extras) = &mut extras {
            extras.mentions.sort_unstable();
            extras.mentions.dedup();
            if extras.mentions.len() > MAX_MENTIONS {
                return reply(Err(RoomFieldError::Mentions.into()));
            }
        }
        let talk = Talk::send_to_room(sender, room_id, content, client_id).with_extras(extras);
        self.submit(
            now,
            talk,
            origin,
            |outcome| match outcome? {
                Outcome::Entry(notice) | Outcome::Repeated(notice) => Ok(notice),
                _ => Err(ChatError::Internal),
            },
            reply,
        );
    }

    /// Moves the reader's position in a room, up to and including `up_to` where given. Of one
    /// reader in one room that is stored once a second at most, and the reply waits for it.
    pub fn mark_room_read(
        &self,
        now: Timestamp,
        reader: UserId,
        room: RoomId,
        up_to: Option<MessageId>,
        origin: Option<Origin>,
        reply: impl FnOnce(Result<RoomMark, ChatError>) + Send + 'static,
    ) {
        let Some(newest) = self.store.newest_beside(reader, room) else {
            return reply(Err(RoomRefusal::NoSuchRoom.into()));
        };
        let reply: MarkReply = Box::new(reply);
        let Some(newest) = newest else {
            // Where nothing was said nothing changes, and nobody need wait for that.
            let mark = Merged {
                up_to: up_to.unwrap_or(MessageId::LAST),
                origin,
                replies: vec![reply],
            };
            return self.store_mark(now, (reader, room), mark);
        };
        // What comes while the mark waits is not read by it.
        let up_to = up_to.map_or(newest, |up_to| up_to.min(newest));
        let paced = self.marks.take(now, (reader, room), (up_to, origin), reply);
        match paced {
            Pace::Now(mark) => self.store_mark(now, (reader, room), mark),
            Pace::Later => {}
            Pace::TooMany(reply) => reply(Err(ChatError::Busy)),
        }
    }

    /// Stores the marks that have waited for long enough, and says when to ask again; `None` where
    /// nobody has marked lately.
    pub fn store_marks(&self, now: Timestamp) -> Option<Timestamp> {
        let (due, next) = self.marks.due(now);
        for (reader, mark) in due {
            self.store_mark(now, reader, mark);
        }
        next
    }

    /// Waits until somebody has marked in a room.
    pub fn marked(&self) -> impl Future<Output = ()> + Send + '_ {
        self.marks.here()
    }

    /// How many marks in rooms wait for their time.
    pub fn waiting_marks(&self) -> usize {
        self.marks.waiting()
    }

    /// Stores all marks that wait: the process ends.
    pub(super) fn store_all_marks(&self, now: Timestamp) {
        for (reader, mark) in self.marks.all() {
            self.store_mark(now, reader, mark);
        }
    }

    fn store_mark(&self, now: Timestamp, (reader, room): Reader, mark: Merged) {
        let talk = Talk::read_room(reader, room, Some(mark.up_to));
        let seen = self.seen_by(reader);
        let result = move |outcome: Result<Outcome, _>| match room_mark(&outcome?) {
            Some(mark) => Ok(seen(mark)),
            None => Err(ChatError::Internal),
        };
        let replies = mark.replies;
        let reply = move |result: Result<RoomMark, ChatError>| {
            for reply in replies {
                reply(result.clone());
            }
        };
        self.submit(now, talk, mark.origin, result, reply);
    }

    /// Marks one message read, for its receiver; of a room's message, moves the reader's position
    /// to it.
    pub fn mark_any_read(
        &self,
        now: Timestamp,
        reader: UserId,
        message: MessageId,
        origin: Option<Origin>,
        reply: impl FnOnce(Result<AnyMark, ChatError>) + Send + 'static,
    ) {
        // A message of lately, whose room is known without the disk.
        let room = self.store.glance(|snapshot| {
            let (message, _) = snapshot.readable_in_room(reader, message)?;
            Ok(message.room_id)
        });
        if let Some(room) = room {
            let reply = of_room(reply);
            return self.mark_room_read(now, reader, room, Some(message), origin, reply);
        }
        let talk = Talk::read_any(reader, message);
        let chat = self.clone();
        // Of an older one the writer says whether it is a room's: then it is paced as others are.
        let reply = move |outcome: Result<Outcome, ChatError>| match outcome {
            Ok(Outcome::InRoom(room)) => {
                let up_to = Some(message);
                let reply = of_room(reply);
                chat.mark_room_read(now, reader, room, up_to, origin, reply);
            }
            Ok(outcome) => reply(Ok(AnyMark::Pair(Mark::of(outcome)))),
            Err(error) => reply(Err(error)),
        };
        self.submit(now, talk, origin, |outcome| outcome, reply);
    }

    /// Makes a room. Its maker is its owner.
    pub async fn create_room(
        &self,
        now: Timestamp,
        by: UserId,
        mut room: NewRoom,
        members: Vec<UserId>,
    ) -> Result<Arc<Room>, ChatError> {
        room.name = check_name(&room.name)?;
        check_topic(&room.topic)?;
        check_picture(room.avatar.as_deref())?;
        if members.len() > MAX_ADDED {
            return Err(RoomFieldError::Members.into());
        }
        let most = self.rules.max_room_members;
        let what = RoomCommand::Create {
            room,
            members,
            most,
        };
        self.act_on_room(now, by, what).await
    }

    /// Describes a room anew, for one of its admins.
    pub async fn update_room(
        &self,
        now: Timestamp,
        by: UserId,
        room: RoomId,
        mut update: RoomUpdate,
    ) -> Result<Arc<Room>, ChatError> {
        update.name = update.name.as_deref().map(check_name).transpose()?;
        if let Some(topic) = &update.topic {
            check_topic(topic)?;
        }
        check_picture(update.avatar.as_ref().and_then(Option::as_deref))?;
        let what = RoomCommand::Update { room, update };
        self.act_on_room(now, by, what).await
    }

    /// Gives a room a picture that one of its admins sent.
    pub async fn set_room_picture(
        &self,
        now: Timestamp,
        by: UserId,
        room: RoomId,
        picture: FileId,
    ) -> Result<Arc<Room>, ChatError> {
        let update = RoomUpdate {
            avatar: Some(Some(picture_url(picture).into())),
            ..RoomUpdate::default()
        };
        let what = RoomCommand::Update { room, update };
        self.act_on_room(now, by, what).await
    }

    /// Makes a room one that is only read, for one of its owners.
    pub async fn archive_room(
        &self,
        now: Timestamp,
        by: UserId,
        room: RoomId,
    ) -> Result<Arc<Room>, ChatError> {
        let what = RoomCommand::Archive { room };
        self.act_on_room(now, by, what).await
    }

    /// Makes a room one that is only read, for an administrator of the server.
    pub async fn archive_any_room(
        &self,
        now: Timestamp,
        room: RoomId,
    ) -> Result<Arc<Room>, ChatError> {
        let what = RoomCommand::Archive { room };
        let done = self.room_done(now, None, what).await?;
        done.room.ok_or(ChatError::Internal)
    }

    /// Sets, for an administrator of the server, after how many days the messages of a room are
    /// erased; `None` for as the server does. From 1 to [`MAX_RETENTION_DAYS`].
    pub async fn retain_room(
        &self,
        now: Timestamp,
        room: RoomId,
        days: Option<u32>,
    ) -> Result<Arc<Room>, ChatError> {
        if days.is_some_and(|days| !(1..=MAX_RETENTION_DAYS).contains(&days)) {
            return Err(RoomFieldError::RetentionDays.into());
        }
        let what = RoomCommand::Retain { room, days };
        let done = self.room_done(now, None, what).await?;
        done.room.ok_or(ChatError::Internal)
    }

    /// Archives a room for one of its owners, or for an administrator of the server (`None`), and
    /// takes all out of it; what was said there is erased.
    pub async fn erase_room(
        &self,
        now: Timestamp,
        by: Option<UserId>,
        room: RoomId,
    ) -> Result<Arc<Room>, ChatError> {
        let what = RoomCommand::Erase { room };
        let done = self.room_done(now, by, what).await?;
        done.room.ok_or(ChatError::Internal)
    }

    /// Adds members, and changes the roles of those that are members already, for one of the room's
    /// admins.
    pub async fn set_room_members(
        &self,
        now: Timestamp,
        by: UserId,
        room: RoomId,
        members: Vec<(UserId, Option<Role>)>,
    ) -> Result<Arc<Room>, ChatError> {
        if members.len() > MAX_ADDED {
            return Err(RoomFieldError::Members.into());
        }
        let most = self.rules.max_room_members;
        let what = RoomCommand::SetMembers {
            room,
            members,
            most,
        };
        self.act_on_room(now, by, what).await
    }

    /// Takes a member out of a room, for one of its admins; oneself, for any member.
    pub async fn remove_room_member(
        &self,
        now: Timestamp,
        by: UserId,
        room: RoomId,
        user: UserId,
    ) -> Result<(), ChatError> {
        let what = RoomCommand::Remove { room, user };
        self.room_done(now, Some(by), what).await.map(drop)
    }

    /// Goes out of a room.
    pub async fn leave_room(
        &self,
        now: Timestamp,
        by: UserId,
        room: RoomId,
    ) -> Result<(), ChatError> {
        let what = RoomCommand::Leave { room };
        self.room_done(now, Some(by), what).await.map(drop)
    }

    /// Joins an open room.
    pub async fn join_room(
        &self,
        now: Timestamp,
        by: UserId,
        room: RoomId,
    ) -> Result<Arc<Room>, ChatError> {
        let most = self.rules.max_room_members;
        let what = RoomCommand::Join { room, most };
        self.act_on_room(now, by, what).await
    }

    /// Makes an invite into a room, for one of its admins.
    pub async fn invite_to_room(
        &self,
        now: Timestamp,
        by: UserId,
        room: RoomId,
        invite: RoomInvite,
    ) -> Result<Arc<Room>, ChatError> {
        let most = self.rules.max_room_members;
        let what = RoomCommand::Invite { room, invite, most };
        self.act_on_room(now, by, what).await
    }

    /// Returns the invites into a room that are kept, the newest first, for one of its admins.
    pub async fn room_invites(
        &self,
        user: UserId,
        room: RoomId,
    ) -> Result<(Arc<Room>, Vec<Invite>), ChatError> {
        let mine = self.my_room(user, room).await?;
        match mine.role < Role::Admin {
            true => Err(RoomRefusal::NotAdmin.into()),
            false => Ok((mine.room, self.store.invites_into(room))),
        }
    }

    /// Takes an invite into a room away, for one of its admins. Fails with
    /// [`ChatError::InvalidInvite`] where none that leads there has this code.
    pub async fn revoke_room_invite(
        &self,
        now: Timestamp,
        by: UserId,
        room: RoomId,
        invite: Arc<str>,
    ) -> Result<(), ChatError> {
        let what = RoomCommand::RevokeInvite { room, invite };
        self.room_done(now, Some(by), what).await.map(drop)
    }

    /// Joins a room by an invite's code.
    pub async fn join_room_by(
        &self,
        now: Timestamp,
        by: UserId,
        invite: Arc<str>,
    ) -> Result<Arc<Room>, ChatError> {
        let most = self.rules.max_room_members;
        let what = RoomCommand::JoinBy { invite, most };
        self.act_on_room(now, by, what).await
    }

    /// Returns the room into which an invite leads at this time, and whether new people may
    /// register by it; the room is absent where it only registers.
    pub fn look_at_invite(
        &self,
        now: Timestamp,
        code: &str,
    ) -> Result<(Option<Arc<Room>>, bool), ChatError> {
        let invite = self.store.invite(code);
        let invite = invite.filter(|invite| invite.is_usable(now));
        let invite = invite.ok_or(ChatError::InvalidInvite)?;
        let room = invite.room.and_then(|(room, _)| self.store.room(room));
        // Into one that is archived nobody can go.
        let room = room.filter(|room| room.archived_at.is_none());
        match (room, invite.registers) {
            (None, false) => Err(ChatError::InvalidInvite),
            (room, registers) => Ok((room, registers)),
        }
    }

    /// Returns a room as it is now, from memory.
    pub fn any_room(&self, room: RoomId) -> Option<Arc<Room>> {
        self.store.room(room)
    }

    /// Sets how a chat makes itself heard to one of its members; what is absent stays. Returns how
    /// it does then, and how many members the chat has.
    pub async fn set_chat(
        &self,
        now: Timestamp,
        by: UserId,
        chat: ChatId,
        notify: Option<Notify>,
        muted_until: Option<Option<Timestamp>>,
    ) -> Result<(ChatSettings, u64), ChatError> {
        if let ChatId::Person(peer) = chat {
            if peer == by {
                return Err(ChatError::OwnChat);
            }
            self.must_see(by, peer)?;
        }
        let what = RoomCommand::Set {
            chat,
            notify,
            muted_until,
        };
        self.room_done(now, Some(by), what).await?;
        self.chat_settings(by, chat).await
    }

    /// Returns how a chat makes itself heard to one of its members, and how many members it has.
    pub async fn chat_settings(
        &self,
        user: UserId,
        chat: ChatId,
    ) -> Result<(ChatSettings, u64), ChatError> {
        let read = self
            .store
            .read(move |snapshot| snapshot.settings(user, chat));
        Ok(read.await?)
    }

    /// Returns a room as one of its members sees it.
    pub async fn my_room(&self, user: UserId, room: RoomId) -> Result<MyRoom, ChatError> {
        let read = self
            .store
            .read(move |snapshot| snapshot.my_room(user, room));
        Ok(read.await?)
    }

    /// Returns a room that a person is in, or may join.
    pub async fn room(&self, user: UserId, room: RoomId) -> Result<Arc<Room>, ChatError> {
        let read = self.store.read(move |snapshot| snapshot.room(user, room));
        Ok(read.await?)
    }

    /// Returns a page of a person's rooms, by their ids: those that are archived, or those that are
    /// not.
    pub async fn my_rooms(
        &self,
        user: UserId,
        archived: bool,
        after: u64,
        limit: usize,
    ) -> Result<Page<MyRoom>, ChatError> {
        let read = self
            .store
            .read(move |snapshot| snapshot.my_rooms(user, archived, after, limit));
        Ok(read.await?)
    }

    /// Returns a page of the open rooms that a person may join, by their ids.
    pub async fn open_rooms(
        &self,
        user: UserId,
        query: String,
        after: u64,
        limit: usize,
    ) -> Result<OpenRooms, ChatError> {
        let read = self
            .store
            .read(move |snapshot| Ok(snapshot.open_rooms(user, &query, after, limit)));
        Ok(read.await?)
    }

    /// Returns a page of all rooms, for administrators of the server.
    pub async fn all_rooms(&self, after: u64, limit: usize) -> Result<Page<Arc<Room>>, ChatError> {
        let read = self
            .store
            .read(move |snapshot| Ok(snapshot.all_rooms(after, limit)));
        Ok(read.await?)
    }

    /// Returns a page of any room's members, by their ids, for the server's operator.
    pub async fn members_of_any_room(
        &self,
        room: RoomId,
        after: u64,
        limit: usize,
    ) -> Result<Page<MemberRow>, ChatError> {
        if self.store.room(room).is_none() {
            return Err(RoomRefusal::NoSuchRoom.into());
        }
        let read = self
            .store
            .read(move |snapshot| Ok(snapshot.members_of(room, "", after, limit).0));
        Ok(read.await?)
    }

    /// Returns a page of a room's members, by their ids, and how many were gone through for it.
    pub async fn room_members(
        &self,
        user: UserId,
        room: RoomId,
        query: String,
        after: u64,
        limit: usize,
    ) -> Result<(Page<MemberRow>, usize), ChatError> {
        let read = self
            .store
            .read(move |snapshot| snapshot.room_members(user, room, &query, after, limit));
        Ok(read.await?)
    }

    /// Returns the positions of all members of a room that has not more than
    /// [`MAX_SEEN_MEMBERS`].
    pub async fn room_reads(
        &self,
        user: UserId,
        room: RoomId,
    ) -> Result<Vec<(UserId, Option<MessageId>)>, ChatError> {
        let limit = usize::try_from(MAX_SEEN_MEMBERS).unwrap_or(usize::MAX);
        let members = self.room_members(user, room, String::new(), 0, limit);
        let (members, _) = members.await?;
        if members.has_more {
            return Err(ChatError::LargeRoom);
        }
        // Of one who has blocked the asker it looks as though they had read nothing.
        let shows = |row: &MemberRow| !self.store.blocks(row.user.id, user);
        let rows = members.rows.into_iter();
        let rows = rows.map(|row| (row.user.id, row.read_up_to.filter(|_| shows(&row))));
        Ok(rows.collect())
    }

    /// Returns a page of a room's messages, ascending by id.
    pub async fn room_history(
        &self,
        user: UserId,
        room: RoomId,
        query: HistoryQuery,
    ) -> Result<HistoryPage<RoomMessage>, ChatError> {
        let read = self
            .store
            .read(move |snapshot| snapshot.room_history(user, room, query));
        Ok(self.files.open_room_page(read.await?))
    }

    /// Returns the messages of a room around a place.
    pub async fn room_history_around(
        &self,
        user: UserId,
        room: RoomId,
        message: MessageId,
        limit: usize,
    ) -> Result<HistoryPage<RoomMessage>, ChatError> {
        let read = self
            .store
            .read(move |snapshot| snapshot.room_history_around(user, room, message, limit));
        Ok(self.files.open_room_page(read.await?))
    }

    /// Returns one message of a room that this person may read.
    pub async fn room_message(
        &self,
        user: UserId,
        message: MessageId,
    ) -> Result<RoomMessage, ChatError> {
        let read = self
            .store
            .read(move |snapshot| snapshot.room_message(user, message));
        let mut row = read.await?;
        self.files.open(row.extras.as_deref_mut());
        Ok(row)
    }

    /// Returns the rooms that a person is in, from memory, each with the entry by which they
    /// joined.
    pub fn rooms_of(&self, user: UserId) -> Vec<(RoomId, EntryId)> {
        self.store.rooms_of(user)
    }

    /// Tells the others of a room that one of them is typing, or has stopped. Not stored; of a
    /// large room nobody is told, nor of one who may not write there; nor are those told whom the
    /// one who types has blocked, as is given. Returns whether they were told.
    pub fn typing_in_room(
        &self,
        user_id: UserId,
        room_id: RoomId,
        is_typing: bool,
        but: &Blocked,
    ) -> Result<bool, ChatError> {
        let members = self.store.members_beside(user_id, room_id);
        let members = members.ok_or(RoomRefusal::NoSuchRoom)?;
        let is_told = members <= MAX_SEEN_MEMBERS && self.store.writes_in(user_id, room_id);
        if is_told {
            self.listener.happened(Event::RoomTyping {
                room_id,
                user_id,
                is_typing,
                but,
            });
        }
        Ok(is_told)
    }

    /// Tells the others of a room that one of them has stopped typing, but for these, who did not
    /// hear that they were. Who is in the room no more is not told of.
    pub fn typed_in_room(&self, user_id: UserId, room_id: RoomId, but: &Blocked) {
        if self.store.members_beside(user_id, room_id).is_some() {
            self.listener.happened(Event::RoomTyping {
                room_id,
                user_id,
                is_typing: false,
                but,
            });
        }
    }

    /// Returns what tells the others of a room how far this reader is by a mark that is new. Not
    /// stored; of a large room nobody is told.
    fn seen_by(&self, reader: UserId) -> impl FnOnce(RoomMark) -> RoomMark + Send + 'static {
        let (store, listener) = (self.store.clone(), Arc::clone(&self.listener));
        move |mark| {
            let RoomMark { entry, read } = mark;
            if entry.is_some() {
                let members = store.members_beside(reader, read.room);
                if members.is_some_and(|members| members <= MAX_SEEN_MEMBERS) {
                    listener.happened(Event::RoomSeen {
                        room_id: read.room,
                        user_id: reader,
                        up_to: read.message,
                        but: &store.all_blocked_by(reader),
                    });
                }
            }
            mark
        }
    }

    /// Returns whether a person may make rooms, who is an administrator of the server or not.
    pub fn may_make_rooms(&self, is_admin: bool) -> bool {
        is_admin || self.rules.room_creation == RoomCreation::Everyone
    }

    async fn act_on_room(
        &self,
        now: Timestamp,
        by: UserId,
        what: RoomCommand,
    ) -> Result<Arc<Room>, ChatError> {
        let done = self.room_done(now, Some(by), what).await?;
        done.room.ok_or(ChatError::Internal)
    }

    /// Has an act on a room stored, and tells of each of its entries.
    pub(super) async fn room_done(
        &self,
        now: Timestamp,
        by: Option<UserId>,
        what: RoomCommand,
    ) -> Result<RoomDone, ChatError> {
        let (reply, replied) = tokio::sync::oneshot::channel();
        let listener = Arc::clone(&self.listener);
        let answer = move |done: Result<RoomDone, StoreError>| {
            let done = match done {
                Ok(mut done) => {
                    say_how_large(&mut done.notices, |_| done.room.clone());
                    Ok(done)
                }
                Err(error) => Err(error.into()),
            };
            if let Ok(RoomDone { notices, .. }) = &done {
                for notice in notices {
                    listener.happened(Event::Happened {
                        notice,
                        origin: None,
                        only: None,
                    });
                }
            }
            // A caller that went away is no reason to fail: what is done is done.
            let _ = reply.send(done);
        };
        let act = RoomAct { by, what };
        self.store.submit(now, Command::room(act), answer);
        replied.await.unwrap_or(Err(ChatError::Unavailable))
    }
}

/// Puts the room beside each entry that says how one makes itself heard: unless it was set, that
/// depends on how large the room is at present.
pub(super) fn say_how_large(notices: &mut [Notice], room: impl Fn(RoomId) -> Option<Arc<Room>>) {
    for notice in notices {
        if let Act::Settings {
            chat: ChatId::Room(id),
            ..
        } = notice.entry.act
        {
            notice.room = room(id);
        }
    }
}

fn room_mark(outcome: &Outcome) -> Option<RoomMark> {
    let (entry, act) = match outcome {
        Outcome::Entry(notice) => (Some(notice.entry.id), &notice.entry.act),
        Outcome::Nothing(act) => (None, act),
        Outcome::Repeated(_) | Outcome::Unchanged(_) | Outcome::InRoom(_) => return None,
    };
    match act {
        Act::RoomRead(read) => Some(RoomMark { entry, read: *read }),
        _ => None,
    }
}

/// Returns what hears of a mark in a room for who marked a message of any chat.
fn of_room(
    reply: impl FnOnce(Result<AnyMark, ChatError>) + Send + 'static,
) -> impl FnOnce(Result<RoomMark, ChatError>) + Send + 'static {
    move |mark| reply(mark.map(AnyMark::Room))
}

/// Returns a room's name as it is kept: it is held to what the names of people are.
fn check_name(name: &str) -> Result<Arc<str>, RoomFieldError> {
    let name = visible_name(name, MAX_ROOM_NAME_CHARS).ok_or(RoomFieldError::Name)?;
    Ok(name.into())
}

fn check_topic(topic: &str) -> Result<(), RoomFieldError> {
    match is_one_line(topic) && topic.chars().count() <= MAX_TOPIC_CHARS {
        true => Ok(()),
        false => Err(RoomFieldError::Topic),
    }
}

fn check_picture(avatar: Option<&str>) -> Result<(), RoomFieldError> {
    match avatar.is_some_and(|avatar| check_avatar(avatar).is_err()) {
        true => Err(RoomFieldError::Avatar),
        false => Ok(()),
    }
}
