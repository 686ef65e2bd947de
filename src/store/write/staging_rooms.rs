//! Acts in rooms in the making: who may do what is judged here, in commit order.
//!
//! Everything is looked for in what the transaction has changed so far, in what is on its way to
//! the disk, and in what is on disk, one room and one member at a time.

use std::sync::Arc;

use super::staging::{Named, Staging};
use crate::model::{
    Act, ChatId, ChatSettings, Entry, EntryId, Extras, Members, MembershipChange, MessageId,
    Notice, ReplyTo, Role, Room, RoomChange, RoomId, RoomKind, RoomRead, Stream, Timestamp, UserId,
};
use crate::store::change::{Outcome, Talk};
use crate::store::error::{ReadError, StoreError};
use crate::store::log::chain::{ReadLog, newest_older};
use crate::store::log::described::without_texts;
use crate::store::log::record::{Author, Links, Record};
use crate::store::people::invites::{Invite, Maker};
use crate::store::people::refusal::{InviteRefusal, PeopleRefusal};
use crate::store::room_act::{
    MAX_MENTIONED_BY_ALL, MAX_ROOMS, MAX_ROOMS_BY_ONE, MAX_ROOMS_BY_OTHERS, NewRoom, RoomAct,
    RoomCommand, RoomDone, RoomInvite, RoomRefusal, RoomUpdate,
};
use crate::store::rooms::{Overlay, RoomView};
use crate::store::state::{Changes, State};
use crate::store::talk::refusal::TalkRefusal;
use crate::store::talk::rooms::{Person, RoomHead, RoomMember, apply, may_read, own_record};

impl Changes {
    /// Applies an entry of a room, or of a person's own stream.
    pub(super) fn apply_to_rooms<T>(&mut self, state: &State, id: EntryId, record: &Record<T>) {
        let changes = &mut self.rooms;
        let applied = apply(&mut Overlay { state, changes }, id, record);
        debug_assert!(applied.is_some(), "an entry is decided upon a room");
        self.rooms.note_rows(record);
    }
}

/// Who acts, and upon what.
#[derive(Clone, Copy)]
struct Acting {
    by: UserId,
    at: Timestamp,
}

type Refused<T> = Result<T, ReadError>;

impl Staging<'_> {
    pub(super) fn rooms(&self) -> RoomView<'_> {
        RoomView {
            state: self.state,
            changes: Some(&self.changes.rooms),
        }
    }

    /// The room of this id and the membership of one of its members.
    pub(super) fn membership(
        &self,
        room: RoomId,
        user: UserId,
    ) -> Refused<(&RoomHead, &RoomMember)> {
        let rooms = self.rooms();
        let both = rooms.head(room).zip(rooms.member(room, user));
        Ok(both.ok_or(RoomRefusal::NoSuchRoom)?)
    }

    /// Appends an entry of a room or of a person's own stream, and tells of it.
    pub(super) fn append_of_room(&mut self, record: Record<Arc<str>>) -> Refused<Notice> {
        let id = EntryId::new(self.changes.last_entry + 1).map_err(|_| StoreError::Full)?;
        let described = match &record.act {
            Act::MemberChanged(change) => self.rooms().head(change.room).map(|head| {
                let room = Room::clone(&head.room);
                Arc::new(Room {
                    member_count: change.member_count,
                    ..room
                })
            }),
            _ => None,
        };
        self.append(id, &record);
        Ok(Notice::in_room(id, record, described))
    }

    /// Has an act of talk in a room append its entry.
    pub(super) fn talk_in_room(
        &mut self,
        now: Timestamp,
        talk: &Talk,
        room: RoomId,
    ) -> Refused<Outcome> {
        let at = now.following(self.changes.last_at);
        match &talk.act {
            Act::Sent { .. } => {
                let name = match self.named(now, talk)? {
                    Named::Before(earlier) => {
                        return self.repeated(earlier, Members::Room(room), &talk.act);
                    }
                    Named::New(name) => name,
                };
                let notice = self.send_to_room(at, talk.author, room, &talk.act)?;
                self.note_name(name, &notice.entry);
                self.give_files(&notice.entry);
                Ok(Outcome::Entry(notice))
            }
            Act::Read { message } | Act::ReadUpTo { message, .. } => {
                self.read_room(at, talk.author, room, *message)
            }
            _ => Err(TalkRefusal::NoSuchMessage.into()),
        }
    }

    /// Returns the room of a message, where it is one of a room.
    pub(super) fn room_with(&self, message: MessageId) -> Refused<Option<RoomId>> {
        if message.get() > self.changes.last_entry {
            return Err(TalkRefusal::NoSuchMessage.into());
        }
        let stream = self.appended.read(message.into(), |record| record.stream)?;
        Ok(match stream {
            Stream::Room(room) => Some(room),
            Stream::Pair(_) | Stream::Own(_) => None,
        })
    }

    /// Returns the room of a message that a mark names, where it is one that its author may read.
    pub(super) fn room_of(&self, reader: UserId, message: MessageId) -> Refused<Option<RoomId>> {
        if message.get() > self.changes.last_entry {
            return Err(TalkRefusal::NoSuchMessage.into());
        }
        let found = self.appended.read(message.into(), |record| {
            let is_there = matches!(record.act, Act::Sent { .. });
            (record.stream, is_there)
        })?;
        let (Stream::Room(room), is_there) = found else {
            return Ok(None);
        };
        let rooms = self.rooms();
        let both = rooms.head(room).zip(rooms.member(room, reader));
        match both {
            Some((head, member)) if is_there && may_read(head, member, message) => Ok(Some(room)),
            _ => Err(TalkRefusal::NoSuchMessage.into()),
        }
    }

    /// Sends a message to a room.
    fn send_to_room(
        &mut self,
        at: Timestamp,
        sender: UserId,
        room: RoomId,
        act: &Act,
    ) -> Refused<Notice> {
        let attached = self.attached(sender, act)?;
        let act = attached.as_ref().unwrap_or(act);
        let (head, member) = self.membership(room, sender)?;
        head.check_writes(member)?;
        if let Act::Sent {
            extras: Some(extras),
            ..
        } = act
        {
            self.check_extras(head, member, extras)?;
        }
        let record = head.record(Author::Account(sender), at, act.clone());
        let mut notice = self.append_of_room(record)?;
        self.quote(&mut notice.entry.act, notice.members)?;
        Ok(notice)
    }

    fn check_extras(&self, head: &RoomHead, member: &RoomMember, extras: &Extras) -> Refused<()> {
        let rooms = self.rooms();
        let is_member = |user: &UserId| rooms.member(head.id(), *user).is_some();
        if !extras.mentions.iter().all(is_member) {
            return Err(RoomRefusal::NotMembers.into());
        }
        let is_small = head.members <= MAX_MENTIONED_BY_ALL;
        if extras.mention_all && !is_small && member.role < Role::Admin {
            return Err(RoomRefusal::MentionAll.into());
        }
        if let Some(ReplyTo { to: message, .. }) = extras.reply_to {
            let is_there = message.get() <= self.changes.last_entry
                && self.appended.read(message.into(), |record| {
                    let is_there = matches!(record.act, Act::Sent { .. });
                    is_there && record.stream == Stream::Room(head.id())
                })?;
            if !is_there || !may_read(head, member, message) {
                return Err(TalkRefusal::NoSuchMessage.into());
            }
        }
        Ok(())
    }

    /// Moves a member's position in a room.
    fn read_room(
        &mut self,
        at: Timestamp,
        reader: UserId,
        room: RoomId,
        up_to: MessageId,
    ) -> Refused<Outcome> {
        let (head, member) = self.membership(room, reader)?;
        let last = head.newest();
        let covered = match last {
            Some(last) if up_to >= last => Some((last, head.count())),
            _ => newest_older(&self.appended, last, |place| place.id <= up_to)?
                .map(|place| (place.id, place.number)),
        };
        let moved = covered.and_then(|(message, number)| head.read(member, message, number));
        let Some(read) = moved else {
            // It only moves forward.
            let (message, number) = match member.read_up_to {
                Some(message) => (message, member.read.through()),
                None => (up_to, 0),
            };
            return Ok(Outcome::Nothing(Act::RoomRead(RoomRead {
                room,
                message,
                number,
                unread_count: head.unread(member),
                mention_count: head.mentions(member),
            })));
        };
        let own = self.rooms().own(reader);
        let record = own_record(reader, at, Act::RoomRead(read), own);
        Ok(Outcome::Entry(self.append_of_room(record)?))
    }

    /// Carries out an act on a room.
    pub(super) fn room_act(&mut self, now: Timestamp, act: &RoomAct) -> Refused<RoomDone> {
        let at = now.following(self.changes.last_at);
        let by = match (act.by, &act.what) {
            (Some(by), _) => by,
            (None, RoomCommand::Archive { room }) => {
                return self.archive(Author::Server, at, *room, false);
            }
            (None, RoomCommand::Retain { room, days }) => {
                return self.retain_room(at, *room, *days);
            }
            (None, RoomCommand::Erase { room }) => return self.erase_room(None, at, *room),
            (None, _) => return Err(RoomRefusal::NotOwner.into()),
        };
        let acting = Acting { by, at };
        match &act.what {
            RoomCommand::Create {
                room,
                members,
                most,
            } => self.create(acting, room, members, *most),
            RoomCommand::Update { room, update } => self.update(acting, *room, update),
            RoomCommand::Archive { room } => {
                self.must_own(acting, *room)?;
                self.archive(Author::Account(by), at, *room, false)
            }
            RoomCommand::Retain { .. } => Err(RoomRefusal::NotOwner.into()),
            RoomCommand::Erase { room } => {
                self.must_own(acting, *room)?;
                self.erase_room(Some(by), at, *room)
            }
            RoomCommand::SetMembers {
                room,
                members,
                most,
            } => self.set_members(acting, *room, members, *most),
            RoomCommand::Remove { room, user } if *user == by => self.leave(acting, *room),
            RoomCommand::Remove { room, user } => self.remove(acting, *room, *user),
            RoomCommand::Leave { room } => self.leave(acting, *room),
            RoomCommand::Join { room, most } => {
                let head = self.rooms().head(*room).filter(|head| !head.is_gone());
                let head = head.ok_or(RoomRefusal::NoSuchRoom)?;
                let is_in = self.rooms().member(*room, by).is_some();
                if !is_in && head.room.kind == RoomKind::Closed {
                    return Err(RoomRefusal::NoSuchRoom.into());
                }
                self.join(acting, *room, by, *most)
            }
            RoomCommand::Invite { room, invite, most } => {
                self.invite(now, by, (*room, *most), invite)
            }
            RoomCommand::RevokeInvite { room, invite } => {
                self.revoke_room_invite(now, by, *room, invite)
            }
            RoomCommand::JoinBy { invite, most } => self.join_by(now, acting, invite, *most),
            RoomCommand::Set {
                chat,
                notify,
                muted_until,
            } => self.set(acting, *chat, |settings| ChatSettings {
                notify: notify.or(settings.notify),
                muted_until: muted_until.unwrap_or(settings.muted_until),
            }),
            RoomCommand::Block { user, blocked } => self.block(by, at, *user, *blocked),
        }
    }

    pub(super) fn done(&self, room: RoomId, notices: Vec<Notice>) -> RoomDone {
        let head = self.rooms().head(room);
        RoomDone {
            room: head.map(RoomHead::described),
            notices,
        }
    }

    fn create(
        &mut self,
        Acting { by, at }: Acting,
        new: &NewRoom,
        members: &[UserId],
        most: u64,
    ) -> Refused<RoomDone> {
        let mut others: Vec<_> = members.iter().filter(|user| **user != by).collect();
        others.sort_unstable();
        others.dedup();
        if others.len() as u64 + 1 > most {
            return Err(RoomRefusal::Full.into());
        }
        self.check_may_enter(by)?;
        let administered = self.administered(by);
        for user in &others {
            self.check_may_be_put(by, **user, administered.as_deref())?;
        }
        let id = self.rooms().greatest() + 1;
        let id = RoomId::new(id).map_err(|_| StoreError::Full)?;
        let room = Room {
            id,
            name: Arc::clone(&new.name),
            topic: Arc::clone(&new.topic),
            avatar: new.avatar.clone(),
            kind: new.kind,
            history: new.history,
            post: new.post,
            created_at: at,
            archived_at: None,
            retention_days: None,
            member_count: 0,
        };
        let record = Record {
            stream: Stream::Room(id),
            author: Author::Account(by),
            at,
            previous: None,
            rank: 0,
            links: Links::default(),
            act: Act::RoomChanged {
                change: RoomChange::Created,
                room: Arc::new(room),
            },
        };
        let created = self.append_of_room(record)?;
        // The owner is in it before anybody else hears of it.
        let mut notices = vec![created];
        let enter = MembershipChange::Joined;
        notices.push(self.change_member(by, at, (id, by), enter, Role::Owner)?);
        for user in others {
            notices.push(self.change_member(by, at, (id, *user), enter, Role::Member)?);
        }
        Ok(self.done(id, notices))
    }

    /// Appends a change of the room's description.
    fn describe(
        &mut self,
        author: Author,
        at: Timestamp,
        change: RoomChange,
        room: Room,
    ) -> Refused<RoomDone> {
        let id = room.id;
        let head = self.rooms().head(id).ok_or(RoomRefusal::NoSuchRoom)?;
        if room == *head.room {
            return Ok(self.done(id, Vec::new()));
        }
        let room = Arc::new(Room {
            member_count: head.members,
            ..room
        });
        let avatars = [head.room.avatar.clone(), room.avatar.clone()];
        let act = Act::RoomChanged { change, room };
        let record = head.record(author, at, act);
        let former = head.described;
        let sealed = without_texts(former, &self.appended.sealed(former)?)?;
        let notice = self.append_of_room(record)?;
        if let Some(sealed) = sealed {
            self.appended.entries.rewrite(former, sealed);
        }
        let [before, after] = avatars.each_ref().map(Option::as_deref);
        self.people().files().show(before, after);
        Ok(self.done(id, vec![notice]))
    }

    /// Sets after how many days the messages of a room are erased.
    fn retain_room(&mut self, at: Timestamp, id: RoomId, days: Option<u32>) -> Refused<RoomDone> {
        let head = self.rooms().head(id).filter(|head| !head.is_gone());
        let head = head.ok_or(RoomRefusal::NoSuchRoom)?;
        let room = Room {
            retention_days: days,
            ..Room::clone(&head.room)
        };
        self.describe(Author::Server, at, RoomChange::Updated, room)
    }

    fn update(&mut self, acting: Acting, id: RoomId, update: &RoomUpdate) -> Refused<RoomDone> {
        let (head, member) = self.membership(id, acting.by)?;
        if member.role < Role::Admin {
            return Err(RoomRefusal::NotAdmin.into());
        }
        if head.room.archived_at.is_some() {
            return Err(RoomRefusal::Archived.into());
        }
        let before = &head.room;
        let room = Room {
            name: update.name.as_ref().unwrap_or(&before.name).clone(),
            topic: update.topic.as_ref().unwrap_or(&before.topic).clone(),
            avatar: update.avatar.as_ref().unwrap_or(&before.avatar).clone(),
            kind: update.kind.unwrap_or(before.kind),
            history: update.history.unwrap_or(before.history),
            post: update.post.unwrap_or(before.post),
            ..Room::clone(before)
        };
        self.people()
            .files()
            .may_show(acting.by, update.avatar.as_ref().and_then(Option::as_deref))?;
        let author = Author::Account(acting.by);
        self.describe(author, acting.at, RoomChange::Updated, room)
    }

    /// Refuses what is for the room's owners alone.
    fn must_own(&self, acting: Acting, room: RoomId) -> Refused<()> {
        match self.membership(room, acting.by)?.1.role {
            Role::Owner => Ok(()),
            Role::Admin | Role::Member => Err(RoomRefusal::NotOwner.into()),
        }
    }

    /// Makes a room one that is only read; one that is erased has no name, topic and picture any
    /// more.
    pub(super) fn archive(
        &mut self,
        author: Author,
        at: Timestamp,
        id: RoomId,
        erases: bool,
    ) -> Refused<RoomDone> {
        let head = self.rooms().head(id).ok_or(RoomRefusal::NoSuchRoom)?;
        let mut room = Room {
            archived_at: head.room.archived_at.or(Some(at)),
            ..Room::clone(&head.room)
        };
        if erases {
            (room.name, room.topic, room.avatar) = (Arc::default(), Arc::default(), None);
        }
        self.describe(author, at, RoomChange::Archived, room)
    }

    /// Checks that there is such an account, which may be in one room more.
    fn check_may_enter(&self, user: UserId) -> Refused<()> {
        if !self.has_user(user) {
            return Err(PeopleRefusal::NoSuchUser.into());
        }
        let person = self.rooms().person(user);
        match person.is_some_and(|person| person.rooms.len() >= MAX_ROOMS) {
            true => Err(RoomRefusal::TooManyRooms.into()),
            false => Ok(()),
        }
    }

    /// Returns the rooms of which a person is an admin, ascending: whom they put into so many of
    /// these, they put into no further one. `None` for those who may put anybody into any number:
    /// administrators of the server, and the bots that they made.
    fn administered(&self, by: UserId) -> Option<Vec<RoomId>> {
        if self.is_of_administrators(by) {
            return None;
        }
        let rooms = self.rooms();
        let is_admin = |room: &&RoomId| {
            let member = rooms.member(**room, by);
            member.is_some_and(|member| member.role >= Role::Admin)
        };
        let own = rooms.person(by).into_iter();
        let own = own.flat_map(|person| &person.rooms).filter(is_admin);
        Some(own.copied().collect())
    }

    /// Checks that a person may be put into one room more by this admin of these. Nobody puts one
    /// there to whom they may not write.
    fn check_may_be_put(
        &self,
        by: UserId,
        user: UserId,
        administered: Option<&[RoomId]>,
    ) -> Refused<()> {
        self.check_accepted(by, user)?;
        self.check_may_enter(user)?;
        let Some(administered) = administered else {
            return Ok(());
        };
        let person = self.rooms().person(user);
        let theirs = person.map_or(&[][..], |person| &person.rooms);
        if theirs.len() >= MAX_ROOMS_BY_OTHERS {
            return Err(RoomRefusal::TooManyByOthers.into());
        }
        let (mut common, mut rest) = (0, administered.iter().peekable());
        for room in theirs {
            while rest.next_if(|other| *other < room).is_some() {}
            common += usize::from(rest.next_if(|other| *other == room).is_some());
        }
        match common >= MAX_ROOMS_BY_ONE {
            true => Err(RoomRefusal::TooManyByOne.into()),
            false => Ok(()),
        }
    }

    fn set_members(
        &mut self,
        Acting { by, at }: Acting,
        id: RoomId,
        members: &[(UserId, Option<Role>)],
        most: u64,
    ) -> Refused<RoomDone> {
        let (head, own) = self.membership(id, by)?;
        let (rank, mut owners, mut count) = (own.role, head.owners, head.members);
        let is_archived = head.room.archived_at.is_some();
        if rank < Role::Admin {
            return Err(RoomRefusal::NotAdmin.into());
        }
        // Of one who is named twice the last role counts.
        let mut wanted = rustc_hash::FxHashMap::default();
        wanted.extend(members.iter().copied());
        let mut wanted: Vec<_> = wanted.into_iter().collect();
        wanted.sort_unstable();
        let administered = self.administered(by);
        let mut changes = Vec::new();
        for (user, role) in wanted {
            let known = self.rooms().member(id, user).map(|member| member.role);
            let role = role.or(known).unwrap_or_default();
            if known == Some(role) {
                continue;
            }
            if is_archived {
                return Err(RoomRefusal::Archived.into());
            }
            if rank < Role::Owner && (role == Role::Owner || known == Some(Role::Owner)) {
                return Err(RoomRefusal::NotOwner.into());
            }
            let change = match known {
                Some(_) => MembershipChange::Role,
                None => {
                    self.check_may_be_put(by, user, administered.as_deref())?;
                    count += 1;
                    MembershipChange::Joined
                }
            };
            owners += u64::from(role == Role::Owner);
            owners -= u64::from(known == Some(Role::Owner));
            changes.push((user, change, role));
        }
        if owners == 0 {
            return Err(RoomRefusal::LastOwner.into());
        }
        if count > most && count > self.membership(id, by)?.0.members {
            return Err(RoomRefusal::Full.into());
        }
        let mut notices = Vec::with_capacity(changes.len());
        for (user, change, role) in changes {
            notices.push(self.change_member(by, at, (id, user), change, role)?);
        }
        Ok(self.done(id, notices))
    }

    fn join(
        &mut self,
        Acting { at, .. }: Acting,
        id: RoomId,
        user: UserId,
        most: u64,
    ) -> Refused<RoomDone> {
        let head = self.rooms().head(id).ok_or(RoomRefusal::NoSuchRoom)?;
        if self.rooms().member(id, user).is_some() {
            return Ok(self.done(id, Vec::new()));
        }
        if head.room.archived_at.is_some() {
            return Err(RoomRefusal::Archived.into());
        }
        if head.members >= most {
            return Err(RoomRefusal::Full.into());
        }
        self.check_may_enter(user)?;
        let joined = MembershipChange::Joined;
        let notice = self.change_member(user, at, (id, user), joined, Role::Member)?;
        Ok(self.done(id, vec![notice]))
    }

    /// Joins the room into which an invite leads, and uses that.
    fn join_by(
        &mut self,
        now: Timestamp,
        acting: Acting,
        code: &str,
        most: u64,
    ) -> Refused<RoomDone> {
        let (room, is_usable) = self.people().room_of_invite(now, code)?;
        // Joining again succeeds, though the invite was used up by the first time.
        if self.rooms().member(room, acting.by).is_some() {
            return Ok(self.done(room, Vec::new()));
        }
        if !is_usable || self.registers_by_now(code).is_none() {
            return Err(InviteRefusal::InvalidInvite.into());
        }
        let done = self.join(acting, room, acting.by, most)?;
        self.people().use_invite(code);
        Ok(done)
    }

    /// Makes an invite into a room.
    fn invite(
        &mut self,
        now: Timestamp,
        by: UserId,
        (id, most): (RoomId, u64),
        invite: &RoomInvite,
    ) -> Refused<RoomDone> {
        let (head, own) = self.membership(id, by)?;
        if own.role < Role::Admin {
            return Err(RoomRefusal::NotAdmin.into());
        }
        if head.room.archived_at.is_some() {
            return Err(RoomRefusal::Archived.into());
        }
        let invite = Invite {
            code: Arc::clone(&invite.code),
            max_uses: invite.max_uses,
            uses: 0,
            created_at: now,
            expires_at: invite.expires_at,
            room: Some((id, most)),
            registers: invite.registers,
            by: match invite.by_token {
                true => Maker::Token(by),
                false => Maker::Account(by),
            },
        };
        self.revoke_void_invites(|_| true);
        let over = self.over.min(now);
        self.people().create_invite((now, over), &invite)?;
        Ok(self.done(id, Vec::new()))
    }

    /// Takes an invite into a room away, whoever made it.
    fn revoke_room_invite(
        &mut self,
        now: Timestamp,
        by: UserId,
        id: RoomId,
        code: &str,
    ) -> Refused<RoomDone> {
        if self.membership(id, by)?.1.role < Role::Admin {
            return Err(RoomRefusal::NotAdmin.into());
        }
        let (room, _) = self.people().room_of_invite(now, code)?;
        if room != id {
            return Err(InviteRefusal::InvalidInvite.into());
        }
        self.people().revoke_invite(code)?;
        Ok(self.done(id, Vec::new()))
    }

    /// Has an account that was made by an invite join the room into which that leads, where it can
    /// be joined.
    pub(super) fn join_as_new(
        &mut self,
        now: Timestamp,
        user: UserId,
        (room, most): (RoomId, u64),
    ) -> Refused<Vec<Notice>> {
        let at = now.following(self.changes.last_at);
        match self.join(Acting { by: user, at }, room, user, most) {
            Ok(done) => Ok(done.notices),
            // It is full or archived by now: that is no reason not to register.
            Err(ReadError::Failed(StoreError::Room(_))) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn remove(&mut self, Acting { by, at }: Acting, id: RoomId, user: UserId) -> Refused<RoomDone> {
        let (_, own) = self.membership(id, by)?;
        if own.role < Role::Admin {
            return Err(RoomRefusal::NotAdmin.into());
        }
        let Some(member) = self.rooms().member(id, user) else {
            return Ok(self.done(id, Vec::new()));
        };
        if member.role == Role::Owner && own.role < Role::Owner {
            return Err(RoomRefusal::NotOwner.into());
        }
        let (role, removed) = (member.role, MembershipChange::Removed);
        let notice = self.change_member(by, at, (id, user), removed, role)?;
        Ok(self.done(id, vec![notice]))
    }

    fn leave(&mut self, Acting { by, at }: Acting, id: RoomId) -> Refused<RoomDone> {
        let gone = |notices| RoomDone {
            room: None,
            notices,
        };
        let Some(member) = self.rooms().member(id, by) else {
            // Leaving again succeeds; of another room nobody learns that there is one. Who was in
            // more rooms than are known may have been in any.
            let was_in =
                |person: &Person| !person.knows_all_stays() || person.stays_in(id).next().is_some();
            return match self.rooms().person(by).is_some_and(was_in) {
                true => Ok(gone(Vec::new())),
                false => Err(RoomRefusal::NoSuchRoom.into()),
            };
        };
        let role = member.role;
        if role == Role::Owner && self.membership(id, by)?.0.owners == 1 {
            return Err(RoomRefusal::LastOwner.into());
        }
        let notice = self.change_member(by, at, (id, by), MembershipChange::Left, role)?;
        Ok(gone(vec![notice]))
    }

    /// Appends a change of a membership: to the room's stream, or, where the room is large, to that
    /// member's own.
    pub(super) fn change_member(
        &mut self,
        by: UserId,
        at: Timestamp,
        (room, user): (RoomId, UserId),
        change: MembershipChange,
        role: Role,
    ) -> Refused<Notice> {
        let head = self.rooms().head(room).ok_or(RoomRefusal::NoSuchRoom)?;
        let membership = head.membership(user, change, role);
        let record = head.membership_record(by, at, membership, self.rooms().own(user));
        let known = self.rooms().member(room, user);
        let was_admin = known.is_some_and(|member| member.role >= Role::Admin);
        let notice = self.append_of_room(record)?;
        if was_admin {
            self.revoke_void_invites(|invite| {
                let leads_here = invite.room.is_some_and(|(into, _)| into == room);
                leads_here && invite.by.account() == Some(user)
            });
        }
        Ok(notice)
    }

    fn set(
        &mut self,
        Acting { by, at }: Acting,
        chat: ChatId,
        change: impl FnOnce(ChatSettings) -> ChatSettings,
    ) -> Refused<RoomDone> {
        let (before, room) = match chat {
            ChatId::Room(room) => (self.membership(room, by)?.1.settings, Some(room)),
            ChatId::Person(peer) if peer == by => return Err(TalkRefusal::SamePerson.into()),
            ChatId::Person(peer) if !self.has_user(peer) => {
                return Err(PeopleRefusal::NoSuchUser.into());
            }
            ChatId::Person(peer) => (self.rooms().settings(by, peer), None),
        };
        let settings = change(before);
        let mut notices = Vec::new();
        if settings != before {
            let own = self.rooms().own(by);
            let act = Act::Settings {
                chat,
                settings,
                blocks: None,
            };
            let record = own_record(by, at, act, own);
            notices.push(self.append_of_room(record)?);
        }
        let head = room.and_then(|room| self.rooms().head(room));
        Ok(RoomDone {
            room: head.map(RoomHead::described),
            notices,
        })
    }
}

impl Notice {
    /// Tells of an entry of a room, or of a person's own stream.
    pub(crate) fn in_room(id: EntryId, record: Record<Arc<str>>, room: Option<Arc<Room>>) -> Self {
        Self {
            members: match record.stream {
                Stream::Own(user) => Members::Own(user),
                Stream::Room(room) => Members::Room(room),
                Stream::Pair(_) => unreachable!("it is of a room, or of a person's own stream"),
            },
            entry: Entry {
                id,
                stream: record.stream,
                author: match record.author {
                    Author::Account(user) => Some(user),
                    Author::Member(_) | Author::Server => None,
                },
                at: record.at,
                act: record.act,
            },
            room,
            number: record.links.number,
            message: None,
        }
    }
}
