//! Lines of rooms, and of people's own, as entries: what they change is decided anew, and a line
//! that says what could not be is refused.

use std::sync::Arc;

use super::check::{judge_reply, judge_room};
use super::import::files::borrowed;
use super::import::{Import, MAX_MESSAGE_CHARS, Taken};
use super::lines::{Line, RoomReactionLine, Time};
use crate::model::{
    Act, Attachment, ChatId, ChatSettings, ClientId, EntryId, Extras, MAX_RETENTION_DAYS,
    MAX_ROOM_NAME_CHARS, MAX_TOPIC_CHARS, MessageId, Meta, Reaction, Reactors, ReplyTo, Room,
    RoomChange, RoomId, Speaker, Stream, Timestamp, UserId, check_avatar, check_content,
    is_one_line, picture_of, visible_name,
};
use crate::store::error::StoreError;
use crate::store::log::chain::ReadLog;
use crate::store::log::record::{Author, Links, Record};
use crate::store::talk::rooms::own_record;

/// What a line comes to: its place, who must be there, and its entry.
struct Decided<'a> {
    id: EntryId,
    at: Time,
    people: Vec<UserId>,
    record: Result<Record<&'a str>, String>,
}

/// Returns the entry that makes a room.
fn first_record(room: RoomId, author: Author, at: Timestamp, act: Act<&str>) -> Record<&str> {
    Record {
        stream: Stream::Room(room),
        author,
        at,
        previous: None,
        rank: 0,
        links: Links::default(),
        act,
    }
}

impl Import<'_> {
    /// Takes a line of a room, or of a person's own.
    pub(super) fn take_of_room(&mut self, line: &Line<'_>) -> Taken {
        let mut kept = Vec::new();
        if let Line::RoomMessage {
            id,
            sender_id,
            created_at,
            attachments,
            ..
        } = line
        {
            kept = match self.take_files(*id, *sender_id, created_at.at, attachments)? {
                Ok(kept) => kept,
                Err(wrong) => return Ok(Err(wrong)),
            };
        }
        let decided = match line {
            Line::Room { .. } => self.room(line),
            Line::RoomMember { .. } => self.room_member(line),
            Line::RoomMessage { .. } | Line::ErasedRoomMessage { .. } => {
                self.room_message(line, &kept)
            }
            Line::RoomRead { .. } => self.room_read(line)?,
            Line::ChatSettings { .. } => self.chat_settings(line),
            _ => None,
        };
        let Some(decided) = decided else {
            return Ok(Err("is no line of a room".into()));
        };
        let Decided {
            id,
            at,
            people,
            record,
        } = decided;
        let at = self.cut(at);
        if let Err(wrong) = self.next(id, &people, at) {
            return Ok(Err(wrong));
        }
        let record = match record {
            Ok(record) => record,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let wrong = match judge_room(&self.state.rooms, &record) {
            Some(wrong) => Some(wrong),
            None => judge_reply(&self.state.rooms, &self.written(), id, &record)?,
        };
        if let Some(wrong) = wrong {
            return Ok(Err(wrong.into()));
        }
        self.append(id, &record)
    }

    fn room<'a>(&self, line: &'a Line<'_>) -> Option<Decided<'a>> {
        let Line::Room {
            id,
            room_id,
            change,
            by,
            name,
            topic,
            avatar,
            kind,
            history,
            post,
            retention_days,
            at,
        } = line
        else {
            return None;
        };
        let (time, at) = (*at, at.at);
        let head = self.state.rooms.head(*room_id);
        let next = self.state.rooms.greatest() + 1;
        let before = head.map(|head| &head.room);
        let archived_at = before.and_then(|before| before.archived_at);
        let name = checked_description((name, topic), avatar.as_deref(), *retention_days);
        let is_fit = name.as_ref().map(|_| ()).map_err(Clone::clone);
        let room = Arc::new(Room {
            id: *room_id,
            name: name.unwrap_or_default().into(),
            topic: (&**topic).into(),
            avatar: avatar.as_deref().map(Arc::from),
            kind: *kind,
            history: *history,
            post: *post,
            created_at: before.map_or(at, |before| before.created_at),
            archived_at: match change {
                RoomChange::Archived => archived_at.or(Some(at)),
                RoomChange::Created | RoomChange::Updated => archived_at,
            },
            retention_days: *retention_days,
            member_count: head.map_or(0, |head| head.members),
        });
        let act = Act::RoomChanged {
            change: *change,
            room,
        };
        let author = by.map_or(Author::Server, Author::Account);
        let record = match (is_fit, head) {
            (Err(wrong), _) => Err(wrong),
            _ if by.is_none() && *change == RoomChange::Created => {
                Err("a room is made by somebody".to_owned())
            }
            (_, Some(head)) => Ok(head.record(author, at, act)),
            (_, None) if room_id.get() != next => {
                Err(format!("makes room {room_id}, the next one is {next}"))
            }
            (_, None) => Ok(first_record(*room_id, author, at, act)),
        };
        Some(Decided {
            id: *id,
            at: time,
            people: by.iter().copied().collect(),
            record,
        })
    }

    fn room_member<'a>(&self, line: &'a Line<'_>) -> Option<Decided<'a>> {
        let Line::RoomMember {
            id,
            room_id,
            user_id,
            change,
            role,
            by,
            at,
        } = line
        else {
            return None;
        };
        let record = self.state.rooms.head(*room_id).map(|head| {
            let membership = head.membership(*user_id, *change, *role);
            let own = self.state.rooms.own(*user_id);
            head.membership_record(*by, at.at, membership, own)
        });
        Some(Decided {
            id: *id,
            at: *at,
            people: vec![*user_id, *by],
            record: record.ok_or_else(|| no_room(*room_id)),
        })
    }

    fn room_message<'a>(&self, line: &'a Line<'_>, files: &'a [Attachment]) -> Option<Decided<'a>> {
        let (Line::RoomMessage {
            id,
            room_id,
            sender_id,
            created_at,
            ..
        }
        | Line::ErasedRoomMessage {
            id,
            room_id,
            sender_id,
            created_at,
            ..
        }) = line
        else {
            return None;
        };
        let at = created_at.at;
        let head = self.state.rooms.head(*room_id);
        let head = head.ok_or_else(|| no_room(*room_id));
        let act = sent(line, files);
        let record = head.and_then(|head| {
            let (author, act) = (Author::Account(*sender_id), act?);
            if let Act::Sent { extras, .. } = &act {
                let mentions = extras.as_ref().map_or(&[][..], |extras| &extras.mentions);
                let is_member = |user: &UserId| self.state.rooms.member(*room_id, *user).is_some();
                if !mentions.iter().all(is_member) {
                    return Err("mentions one who was no member".to_owned());
                }
            }
            Ok(head.record(author, at, act))
        });
        Some(Decided {
            id: *id,
            at: *created_at,
            people: vec![*sender_id],
            record,
        })
    }

    fn room_read<'a>(&self, line: &'a Line<'_>) -> Result<Option<Decided<'a>>, StoreError> {
        let Line::RoomRead {
            id,
            room_id,
            user_id,
            up_to,
            at,
        } = line
        else {
            return Ok(None);
        };
        let number = self.number_in(*room_id, *up_to)?;
        let rooms = &self.state.rooms;
        let both = rooms.head(*room_id).zip(rooms.member(*room_id, *user_id));
        let read = both.zip(number);
        let read = read.and_then(|((head, member), number)| head.read(member, *up_to, number));
        let record = read.map(|read| {
            let own = rooms.own(*user_id);
            own_record(*user_id, at.at, Act::RoomRead(read), own)
        });
        let wrong = || format!("user {user_id} cannot read room {room_id} up to {up_to}");
        Ok(Some(Decided {
            id: *id,
            at: *at,
            people: vec![*user_id],
            record: record.ok_or_else(wrong),
        }))
    }

    /// Returns the number of a message of a room; `None` for what is no message of it.
    fn number_in(&self, room: RoomId, message: MessageId) -> Result<Option<u64>, StoreError> {
        let found = self.written().read(message.into(), |record| {
            let is_there = record.is_message() && record.stream == Stream::Room(room);
            is_there.then_some(record.links.number)
        });
        match found {
            Err(StoreError::Damaged { .. }) => Ok(None),
            found => found,
        }
    }

    fn chat_settings<'a>(&self, line: &'a Line<'_>) -> Option<Decided<'a>> {
        let Line::ChatSettings {
            id,
            user_id,
            peer_id,
            room_id,
            notify,
            muted_until,
            blocked,
            at,
        } = line
        else {
            return None;
        };
        let chat = match (peer_id, room_id) {
            (Some(peer), None) => Ok(ChatId::Person(*peer)),
            (None, Some(room)) => Ok(ChatId::Room(*room)),
            _ => Err("names a peer or a room".to_owned()),
        };
        let settings = ChatSettings {
            notify: *notify,
            muted_until: muted_until.map(|until| until.at),
        };
        let own = self.state.rooms.own(*user_id);
        let record = chat.map(|chat| {
            let blocks = blocked.filter(|_| peer_id.is_some());
            let act = Act::Settings {
                chat,
                settings,
                blocks,
            };
            own_record(*user_id, at.at, act, own)
        });
        Some(Decided {
            id: *id,
            at: *at,
            people: std::iter::once(*user_id).chain(*peer_id).collect(),
            record,
        })
    }
}

/// Returns the name of a room as it is taken, whose description is held to what the routes of rooms
/// ask. One that a later line takes the place of has no name; nor has a room that was erased.
fn checked_description(
    (name, topic): (&str, &str),
    avatar: Option<&str>,
    retention_days: Option<u32>,
) -> Result<String, String> {
    if !is_one_line(topic) || topic.chars().count() > MAX_TOPIC_CHARS {
        return Err(format!(
            "topic must have at most {MAX_TOPIC_CHARS} characters, in one line"
        ));
    }
    let url = avatar.filter(|avatar| picture_of(avatar).is_none());
    if let Some(Err(wrong)) = url.map(check_avatar) {
        return Err(wrong.to_string());
    }
    if retention_days.is_some_and(|days| !(1..=MAX_RETENTION_DAYS).contains(&days)) {
        return Err(format!("retention_days must be 1 to {MAX_RETENTION_DAYS}"));
    }
    match name {
        "" => Ok(String::new()),
        name => visible_name(name, MAX_ROOM_NAME_CHARS).ok_or_else(|| {
            format!("name must have 1 to {MAX_ROOM_NAME_CHARS} characters that are seen")
        }),
    }
}

fn no_room(room: RoomId) -> String {
    format!("there is no room {room}")
}

/// Returns the act of a line with a message.
fn sent<'a>(line: &'a Line<'_>, files: &'a [Attachment]) -> Result<Act<&'a str>, String> {
    let Line::RoomMessage {
        content,
        client_id,
        reply_to,
        mentions,
        mention_all,
        meta,
        speaker,
        edited_at,
        auto_content,
        reactions,
        ..
    } = line
    else {
        return erased(line);
    };
    check_content(content, MAX_MESSAGE_CHARS).map_err(|error| error.to_string())?;
    let meta = meta.as_deref().map(Meta::borrowed).transpose();
    let reaction = |line: &'a RoomReactionLine<'_>| match line.count {
        0 => Err("a reaction is nobody's".to_owned()),
        count => Ok(Reaction {
            emoji: &*line.emoji,
            by: Reactors::of_room(count),
        }),
    };
    let extras = Extras {
        reply_to: reply_to.map(ReplyTo::new),
        mentions: mentions.iter().copied().collect(),
        mention_all: *mention_all,
        attachments: borrowed(files),
        auto_content: *auto_content && !files.is_empty(),
        meta: meta.map_err(|error| format!("meta {error}"))?,
        speaker: checked_speaker(speaker.as_deref())?,
        edited_at: edited_at.map(|time| time.at),
        first_content: None,
        reactions: reactions.iter().map(reaction).collect::<Result<_, _>>()?,
    };
    Ok(Act::Sent {
        content,
        client_id: named(client_id.as_deref())?,
        extras: extras.boxed(),
    })
}

/// Returns whom a line names as the one who speaks, as a hook may.
pub(super) fn checked_speaker(name: Option<&str>) -> Result<Option<Speaker<&str>>, String> {
    let is_right = |name: &str| Speaker::named(name).is_some_and(|known| known.as_str() == name);
    match name {
        Some(name) if !is_right(name) => Err("as is no name that a hook gives".to_owned()),
        name => Ok(name.map(Speaker::stored)),
    }
}

/// Returns the act of a line of one that was deleted.
fn erased<'a>(line: &'a Line<'_>) -> Result<Act<&'a str>, String> {
    let Line::ErasedRoomMessage {
        client_id,
        mentions,
        mention_all,
        ..
    } = line
    else {
        return Err("is no message".into());
    };
    let extras = Extras {
        mentions: mentions.iter().copied().collect(),
        mention_all: *mention_all,
        ..Extras::default()
    };
    Ok(Act::Erased {
        client_id: named(client_id.as_deref())?,
        extras: extras.boxed(),
    })
}

fn named(client_id: Option<&str>) -> Result<Option<ClientId<&str>>, String> {
    let client_id = client_id.map(ClientId::borrowed).transpose();
    client_id.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use crate::store::maintain::MaintainError;
    use crate::store::maintain::tests::imported;

    const AT: &str = "2025-06-05T12:00:00.000Z";

    /// A room of the first two of three accounts, with a message of the second to which the first
    /// has reacted; and these lines after it.
    fn with(more: &[&str]) -> String {
        let entries = [
            r#"{"type":"room","id":1,"room_id":1,"change":"created","by":1,"name":"Ops","topic":"","kind":"open","history":"all","post":"all","at":AT}"#,
            r#"{"type":"room_member","id":2,"room_id":1,"user_id":1,"change":"joined","role":"owner","by":1,"at":AT}"#,
            r#"{"type":"room_member","id":3,"room_id":1,"user_id":2,"change":"joined","role":"member","by":1,"at":AT}"#,
            r#"{"type":"room_message","id":4,"room_id":1,"sender_id":2,"content":"x","created_at":AT,"reactions":[{"emoji":"👍","count":1}]}"#,
            r#"{"type":"reaction","id":5,"message_id":4,"user_id":1,"emoji":"👍","on":true,"at":AT}"#,
        ];
        let count = entries.len() + more.len();
        let header =
            format!(r#"{{"format":"chatd-export","version":2,"accounts":3,"entries":{count}}}"#);
        let user = |id: u32| {
            format!(
                r#"{{"type":"user","id":{id},"username":"user{id}","is_admin":false,"disabled":false,"token_version":0,"created_at":AT}}"#
            )
        };
        let users = (1..=3).map(user);
        let entries = entries.iter().chain(more).map(|line| (*line).to_owned());
        let lines: Vec<_> = std::iter::once(header)
            .chain(users)
            .chain(entries)
            .collect();
        lines.join("\n").replace("AT", &format!("\"{AT}\""))
    }

    /// Rooms came with names that nobody sees, topics of many lines and pictures of any scheme, and
    /// messages with reactions and mentions that no socket takes.
    #[test]
    fn what_no_route_of_rooms_takes_is_refused_by_its_line() {
        let room = |name: &str, topic: &str, more: &str| {
            format!(
                r#"{{"type":"room","id":6,"room_id":1,"change":"updated","by":1,"name":"{name}","topic":"{topic}","kind":"open","history":"all","post":"all",{more}"at":AT}}"#
            )
        };
        assert!(imported(&with(&[&room("Eve's", "x", "")])).is_ok());
        let emoji = r#"{"type":"reaction","id":6,"message_id":4,"user_id":2,"emoji":"no","on":true,"at":AT}"#;
        let mention = r#"{"type":"room_message","id":6,"room_id":1,"sender_id":1,"content":"y","created_at":AT,"mentions":[3]}"#;
        for (line, says) in [
            (room(" ", "", ""), "name must"),
            (room(r"\u202egnp.exe", "", ""), "name must"),
            (room("Ops", r"a\nb", ""), "topic must"),
            (room("Ops", &"x".repeat(501), ""), "topic must"),
            (
                room("Ops", "", r#""avatar":"javascript:alert(1)","#),
                "avatar must",
            ),
            (
                room("Ops", "", r#""retention_days":0,"#),
                "retention_days must",
            ),
            (emoji.to_owned(), "emoji must"),
            (mention.to_owned(), "no member"),
        ] {
            match imported(&with(&[&line])).err() {
                Some(MaintainError::Line { line: 10, reason }) => {
                    assert!(reason.contains(says), "{line}: {reason}");
                }
                error => panic!("{error:?} of {line}"),
            }
        }
    }

    #[test]
    fn a_change_of_a_rooms_message_that_could_not_be_is_refused_by_its_line() {
        assert!(imported(&with(&[])).is_ok());
        let deletion = r#"{"type":"delete","id":6,"message_id":4,"user_id":2,"at":AT}"#;
        let answer = |to: u32| {
            format!(
                r#"{{"type":"room_message","id":6,"room_id":1,"sender_id":1,"content":"y","created_at":AT,"reply_to":{to}}}"#
            )
        };
        assert!(imported(&with(&[&answer(4)])).is_ok());
        let (beyond, of_none) = (answer(9), answer(3));
        let cases: [(&[&str], &str); 9] = [
            (
                &[r#"{"type":"reaction","id":6,"message_id":4,"user_id":2,"on":true,"at":AT}"#],
                "emoji is missing",
            ),
            (
                &[r#"{"type":"edit","id":6,"message_id":4,"user_id":1,"at":AT}"#],
                "another author",
            ),
            (
                &[r#"{"type":"edit","id":6,"message_id":3,"user_id":2,"at":AT}"#],
                "is none that user 2 can change so",
            ),
            (
                &[
                    r#"{"type":"reaction","id":6,"message_id":4,"user_id":1,"emoji":"👍","on":true,"at":AT}"#,
                ],
                "changes nothing of the reactions",
            ),
            (
                &[
                    r#"{"type":"reaction","id":6,"message_id":4,"user_id":3,"emoji":"👍","on":true,"at":AT}"#,
                ],
                "is of one who was no member",
            ),
            (
                &[deletion, &deletion.replace(":6", ":7")],
                "erases what was erased before",
            ),
            (&[&beyond], "comes later"),
            (&[&of_none], "no message of its room"),
            (
                &[r#"{"type":"delete","id":6,"message_id":5,"user_id":2,"at":AT}"#],
                "there is no message 5",
            ),
        ];
        for (lines, says) in cases {
            let error = imported(&with(lines)).err().expect("it was imported");
            let MaintainError::Line { line, reason } = &error else {
                panic!("{error}");
            };
            assert!(reason.contains(says), "{error}");
            assert_eq!(*line, 9 + lines.len() as u64, "{error}");
        }
        // A message that says of more reactions than there are makes no file that is sound.
        let more = with(&[]).replace("\"count\":1", "\"count\":2");
        assert!(imported(&more).is_err());
    }
}
