//! A data file from lines: the log is written as it was, and what follows from it is made anew.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redb::{Database, Table, WriteTransaction};
use rustc_hash::{FxHashMap, FxHashSet};

mod changes;
pub(super) mod files;
mod people;

use self::people::Others;
use super::derive::derive;
use super::import_rooms::checked_speaker;
use super::lines::{FORMAT, Header, Line, MessageLine, Time, UserLine, VERSION};
use super::{Counts, MaintainError, Partial, Progress, Source, Unit, Watch, check_partial};
use crate::model::{
    Act, ClientId, ConversationId, EntryId, Erasure, Extras, FileId, MAX_SUBJECT_BYTES, MadeBy,
    Marked, MessageId, Meta, Name, Pair, ReplyTo, RoomId, Subject, Timestamp, User, UserId,
    Username, check_avatar, check_content,
};
use crate::store::disk::error::OpenError;
use crate::store::disk::medium::{Backend, LockedFile, Medium};
use crate::store::disk::schema;
use crate::store::error::StoreError;
use crate::store::files::row::{FileContent, StoredFile};
use crate::store::log::blocks::{Appending, damaged, read_block};
use crate::store::log::chain::ReadLog;
use crate::store::log::record::Record;
use crate::store::options::page_cache_of_command;
use crate::store::people::users;
use crate::store::sealed::seal;
use crate::store::state::State;
use crate::store::tables::{CONVERSATIONS, CREDENTIALS, FILES, LOG, REACTIONS, USERS};
use crate::store::talk::conversation::{Conversation, Decision, Refusal};
use crate::store::talk::reactions::ReactionTable;
use crate::store::talk::rooms;

/// 16 MiB: a line of the longest message, every character of it escaped, several times over.
const MAX_LINE_BYTES: usize = 16 << 20;
/// So many entries are appended to the table at once.
const STEP: usize = 8_192;

/// 5 min: so much may the clock of the machine where the lines were made be ahead of ours.
const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);
/// The greatest limit that a server may have for messages, in characters.
pub(super) const MAX_MESSAGE_CHARS: usize = 100_000;

/// What an import judges lines by that is not the store's to know.
#[derive(Clone, Copy)]
pub struct Judging<'a> {
    /// What the clock shows: no line may be of a later time.
    pub now: Timestamp,
    /// Gives the hash of a password as it is to be stored, or says why it is not taken.
    pub password_hash: &'a dyn Fn(&str) -> Result<Cow<'_, str>, String>,
    /// Describes a file that lies beside the lines, `None` where it does not; or says why it cannot
    /// be taken.
    pub file: &'a dyn Fn(FileId) -> Result<Option<FileContent>, String>,
}

/// What an import came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// How much there is now.
    pub counts: Counts,
    /// How many times were finer than milliseconds, and were cut.
    pub cut_times: u64,
    /// How many pictures were paths of a server, as earlier versions took them, and were left out.
    pub left_out_avatars: u64,
    /// Whether there are keys of bots and backends, or hooks: they wait to be confirmed.
    pub pauses: bool,
    /// The files of messages that do not lie beside the lines, and were left out.
    pub left_out_files: Vec<FileId>,
}

/// What was not taken as it is in the lines.
#[derive(Default)]
pub(crate) struct LeftOut {
    pub(super) times: u64,
    pub(super) avatars: u64,
    pub(super) files: Vec<FileId>,
    /// So many lines stand before those of the log, whose ids begin with 1.
    before_log: u64,
    /// Whether there are keys or hooks, which were taken and do not count yet.
    pub(super) pauses: bool,
}

/// Makes a data file of what [`export`](super::export) wrote. Where `data` is there already it must
/// hold no account and no message. A bad line is named by its number, and nothing is made. `lines`
/// is read once, from beginning to end.
pub fn import(
    data: &Path,
    lines: &mut dyn BufRead,
    judging: Judging<'_>,
    watch: Watch<'_>,
) -> Result<Imported, MaintainError> {
    let old = empty_file(data)?;
    let data = &match old {
        Some(_) => std::fs::canonicalize(data).map_err(MaintainError::io("find", data))?,
        None => data.to_owned(),
    };
    let partial = Partial::create(data)?;
    let left_out = write_log(partial.medium(), lines, judging, watch)?;
    derive(partial.medium())?;
    let report = check_partial(&partial, watch)?;
    // What one line says otherwise than those after it shows once all are there.
    if let Some((entry, reason)) = report.first_of_entries() {
        let line = left_out.before_log + entry;
        return Err(MaintainError::Line { line, reason });
    }
    let counts = report.must_be_whole(data)?;
    if old.is_some() {
        partial.replace()?;
    } else {
        partial.keep()?;
    }
    Ok(Imported {
        counts,
        cut_times: left_out.times,
        left_out_avatars: left_out.avatars,
        pauses: left_out.pauses,
        left_out_files: left_out.files,
    })
}

/// What is there already: nothing, or a locked file with no data in it.
fn empty_file(data: &Path) -> Result<Option<Arc<LockedFile>>, MaintainError> {
    let old = match LockedFile::open_to_read(data) {
        Ok(old) => Arc::new(old),
        Err(OpenError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let medium: Arc<dyn Medium> = Arc::clone(&old) as _;
    if let Some(source) = Source::open(medium, false, &mut |_| {})?
        && !source.counts()?.is_empty()
    {
        return Err(MaintainError::HasData(data.to_owned()));
    }
    Ok(Some(old))
}

/// Gives what was left out.
pub(crate) fn write_log(
    medium: Arc<dyn Medium>,
    lines: &mut dyn BufRead,
    judging: Judging<'_>,
    watch: Watch<'_>,
) -> Result<LeftOut, MaintainError> {
    let backend = Backend::holding(medium)?;
    backend.release()?;
    let db = Database::builder()
        .set_cache_size(page_cache_of_command())
        .create_with_backend(backend)?;
    schema::prepare(&db, None)?;
    let txn = db.begin_write()?;
    let (mut left_out, rooms, last) = {
        let mut import = Import::begin(&txn, judging)?;
        import.take_all(lines, watch)?;
        let left_out = LeftOut {
            times: import.cut_times,
            avatars: import.left_out_avatars,
            files: import.left_out_files,
            before_log: import.before_log,
            pauses: false,
        };
        (left_out, import.state.rooms, import.last_entry)
    };
    rooms::rows::write(&txn, rooms.rows().iter(), &rooms, last)?;
    // As after a restore: what was revoked elsewhere meanwhile is not known here.
    schema::renew_from(&txn, judging.now)?;
    left_out.pauses = schema::has_keys(&txn)?;
    txn.commit()?;
    db.close()?;
    Ok(left_out)
}

/// Whether a picture is a path of a server: no URL with a scheme, or with a host of another.
fn is_path(avatar: &str) -> bool {
    let head = avatar.split(['/', '?', '#']).next().unwrap_or_default();
    !avatar.is_empty() && !avatar.starts_with("//") && !head.contains(':')
}

/// What serde says, without its place in a text that is one line.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.find(" at line ") {
        Some(end) => format!("{} (column {})", &text[..end], error.column()),
        None => text,
    }
}

/// A first line without the byte order mark that editors put before it.
fn without_mark(line: &[u8]) -> &[u8] {
    line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line)
}

/// The lines of a file, counted.
struct Lines<'a> {
    lines: &'a mut dyn BufRead,
    line: Vec<u8>,
    number: u64,
}

impl Lines<'_> {
    fn wrong(&self, reason: String) -> MaintainError {
        MaintainError::Line {
            line: self.number,
            reason,
        }
    }

    /// The next line without its end; `None` at the end of the file.
    fn next(&mut self) -> Result<Option<&[u8]>, MaintainError> {
        use std::io::Read;
        self.line.clear();
        let mut limited = (&mut *self.lines).take(MAX_LINE_BYTES as u64);
        let read = limited
            .read_until(b'\n', &mut self.line)
            .map_err(MaintainError::Read)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if read == MAX_LINE_BYTES {
            return Err(self.wrong(format!("is over {MAX_LINE_BYTES} bytes")));
        }
        Ok(Some(&self.line))
    }

    fn header(&mut self) -> Result<Header<'static>, MaintainError> {
        let first = self.next()?.map(without_mark);
        let header = match first.map(serde_json::from_slice::<Header<'_>>) {
            Some(Ok(header)) if header.format == FORMAT => Header {
                format: FORMAT.into(),
                ..header
            },
            _ => {
                self.number = 1;
                return Err(self.wrong("is not the first line of an export of chatd".into()));
            }
        };
        if !(1..=VERSION).contains(&header.version) {
            let found = header.version;
            return Err(self.wrong(format!(
                "is of version {found}, this chatd knows versions 1 to {VERSION}: use a newer chatd"
            )));
        }
        Ok(header)
    }
}

/// What a line came to: the inner error says what is wrong with it.
pub(super) type Taken = Result<Result<(), String>, MaintainError>;

/// A data file in the making.
pub(super) struct Import<'txn> {
    log: Table<'txn, u64, &'static [u8]>,
    conversations: Table<'txn, u64, &'static [u8]>,
    users: Table<'txn, u64, &'static [u8]>,
    credentials: Table<'txn, u64, &'static [u8]>,
    /// Who reacted to messages of rooms.
    reactions: ReactionTable<'txn>,
    files: Table<'txn, u64, &'static [u8]>,
    others: Others<'txn>,
    known_files: FxHashSet<FileId>,
    /// The picture that each room has by its lines so far.
    room_pictures: FxHashMap<RoomId, StoredFile>,
    /// Entries that are not in the table yet; their ids follow one another.
    buffer: Vec<(u64, Vec<u8>)>,
    pub(super) state: State,
    pairs: FxHashMap<Pair, ConversationId>,
    known_users: FxHashSet<UserId>,
    names: HashSet<String>,
    subjects: HashSet<Subject>,
    last_user: u64,
    last_at: Timestamp,
    last_entry: u64,
    judging: Judging<'txn>,
    cut_times: u64,
    left_out_avatars: u64,
    left_out_files: Vec<FileId>,
    before_log: u64,
}

/// The log so far.
pub(super) struct Written<'a, 'txn> {
    table: &'a Table<'txn, u64, &'static [u8]>,
    buffer: &'a [(u64, Vec<u8>)],
}

impl ReadLog for Written<'_, '_> {
    type Error = StoreError;

    fn read<R>(&self, id: EntryId, read: impl FnOnce(Record<&str>) -> R) -> Result<R, StoreError> {
        let first = self.buffer.first().map_or(u64::MAX, |(first, _)| *first);
        if let Some(distance) = id.get().checked_sub(first) {
            let entry = usize::try_from(distance)
                .ok()
                .and_then(|distance| self.buffer.get(distance));
            if let Some((_, value)) = entry {
                return Ok(read(Record::decode(id, value)?));
            }
        }
        read_block(self.table, id, read)?.ok_or_else(|| damaged(id.get()))
    }
}

impl<'txn> Import<'txn> {
    /// Begins to fill the tables of an empty file.
    fn begin(txn: &'txn WriteTransaction, judging: Judging<'txn>) -> Result<Self, MaintainError> {
        Ok(Self {
            log: txn.open_table(LOG)?,
            conversations: txn.open_table(CONVERSATIONS)?,
            users: txn.open_table(USERS)?,
            credentials: txn.open_table(CREDENTIALS)?,
            reactions: txn.open_table(REACTIONS)?,
            files: txn.open_table(FILES)?,
            others: Others::open(txn)?,
            known_files: FxHashSet::default(),
            room_pictures: FxHashMap::default(),
            buffer: Vec::new(),
            state: State::default(),
            pairs: FxHashMap::default(),
            known_users: FxHashSet::default(),
            names: HashSet::new(),
            subjects: HashSet::new(),
            last_user: 0,
            last_at: Timestamp::default(),
            last_entry: 0,
            judging,
            cut_times: 0,
            left_out_avatars: 0,
            left_out_files: Vec::new(),
            before_log: 0,
        })
    }
}

impl Import<'_> {
    /// Takes every line, and holds how many there were against what the first one says.
    fn take_all(&mut self, lines: &mut dyn BufRead, watch: Watch<'_>) -> Result<(), MaintainError> {
        let mut reader = Lines {
            lines,
            line: Vec::new(),
            number: 0,
        };
        let header = reader.header()?;
        while let Some(line) = reader.next()? {
            let taken = match serde_json::from_slice(line) {
                Ok(line) => self.take(line)?,
                Err(error) => Err(reason(&error)),
            };
            taken.map_err(|reason| reader.wrong(reason))?;
            if self.last_entry.is_multiple_of(STEP as u64) {
                watch(Progress {
                    what: "importing",
                    done: self.last_entry,
                    total: header.entries,
                    unit: Unit::Records,
                });
            }
        }
        self.flush()?;
        self.put_room_pictures()?;
        self.before_log = reader.number - self.last_entry;
        let found = (self.known_users.len() as u64, self.last_entry);
        if found != (header.accounts, header.entries) {
            return Err(reader.wrong(format!(
                "the file ends with {} accounts and {} messages and marks; its first line says {} and {}",
                found.0, found.1, header.accounts, header.entries
            )));
        }
        if self.others.count != header.others {
            return Err(reader.wrong(format!(
                "the file has {} keys, hooks and reports; its first line says {}",
                self.others.count, header.others
            )));
        }
        let fits = self.others.fit(self.last_entry, &self.state.rooms);
        fits.map_err(|reason| reader.wrong(reason))
    }

    fn take(&mut self, line: Line<'_>) -> Taken {
        match line {
            Line::User(line) => self.take_user(line),
            Line::ApiKey(line) => self.take_key(&line),
            Line::HookIn(line) => self.take_hook_in(&line),
            Line::HookOut(line) => self.take_hook_out(&line),
            Line::Report(line) => self.take_report(&line),
            Line::Message(line) => self.take_message(line),
            Line::ErasedMessage {
                id,
                sender_id,
                receiver_id,
                created_at,
                client_id,
            } => {
                let created_at = self.cut(created_at);
                self.erased(
                    id,
                    [sender_id, receiver_id],
                    created_at,
                    client_id.as_deref(),
                )
            }
            line @ (Line::Edit { .. } | Line::Delete { .. } | Line::Reaction { .. }) => {
                self.take_change(&line)
            }
            Line::Erasure {
                id,
                room_id,
                sender_id,
                before,
                message_ids,
                at,
            } => {
                let at = self.cut(at);
                let erasure = Erasure {
                    sender: sender_id,
                    before,
                    messages: Vec::new(),
                };
                self.erase_many(id, room_id, erasure, &message_ids, at)
            }
            Line::Read {
                id,
                message_id,
                user_id,
                at,
            } => {
                let at = self.cut(at);
                self.read(id, message_id, user_id, at)
            }
            Line::ChatRead {
                id,
                user_id,
                peer_id,
                up_to,
                at,
            } => {
                let at = self.cut(at);
                self.chat_read(id, [user_id, peer_id], up_to, at)
            }
            mut line @ (Line::Room { .. }
            | Line::RoomMember { .. }
            | Line::RoomMessage { .. }
            | Line::ErasedRoomMessage { .. }
            | Line::RoomRead { .. }
            | Line::ChatSettings { .. }) => {
                self.look_at_picture(&mut line);
                self.take_of_room(&line)
            }
        }
    }

    fn take_user(&mut self, line: UserLine<'_>) -> Taken {
        let UserLine {
            id,
            username,
            avatar,
            is_admin,
            is_bot,
            disabled,
            deleted,
            erasing,
            token_version,
            revoked_at,
            created_at,
            last_seen,
            password_hash,
            of_app,
            name,
            issuer,
            subject,
        } = line;
        let name = match name.as_deref().map(Name::parse).transpose() {
            Ok(name) => name,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let subject = match self.subject(issuer, subject) {
            Ok(subject) => subject,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let username = match deleted {
            true => Username::deleted(id),
            false => match Username::foreign_of(&username, id) {
                Ok(username) => username,
                Err(error) => return Ok(Err(error.to_string())),
            },
        };
        if !deleted && erasing || deleted && (!disabled || is_admin) {
            return Ok(Err(
                "only a deleted account is erased, and it is disabled".into()
            ));
        }
        let avatar = match self.avatar(avatar.as_deref(), id, created_at.at)? {
            Ok(avatar) => avatar,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let user = User {
            id,
            name: name.and_then(|name| name.beside(&username)),
            username,
            avatar: avatar.map(Into::into),
            is_admin,
            is_bot,
            disabled,
            deleted,
            erasing,
            token_version,
            revoked_at: revoked_at.map(|time| self.cut(time)),
            created_at: self.cut(created_at),
            last_seen: last_seen.map(|time| self.cut(time)),
            made_by: match of_app {
                Some(true) => MadeBy::App,
                Some(false) => MadeBy::Here,
                None => users::made_by(password_hash.is_some()),
            },
            profile_at: None,
            named_at: None,
            subject: subject.map(Arc::new),
        };
        self.user(&user, password_hash.as_deref())
    }

    /// Returns the picture of an account as it is taken: a URL, or one that lies beside the lines.
    fn avatar<'a>(
        &mut self,
        avatar: Option<&'a str>,
        user: UserId,
        at: Timestamp,
    ) -> Result<Result<Option<&'a str>, String>, MaintainError> {
        Ok(match avatar.map(|text| (text, check_avatar(text))) {
            Some((text, Err(_))) if self.take_picture(text, user, at)? => Ok(Some(text)),
            Some((text, Err(_))) if is_path(text) => {
                self.left_out_avatars += 1;
                Ok(None)
            }
            Some((_, Err(error))) => Err(error.to_string()),
            Some((text, Ok(()))) => Ok(Some(text)),
            None => Ok(None),
        })
    }

    /// Returns whom an app means by an account; no two accounts are one subject's.
    fn subject(
        &mut self,
        issuer: Option<Cow<'_, str>>,
        subject: Option<Cow<'_, str>>,
    ) -> Result<Option<Subject>, String> {
        let Some(text) = subject else {
            return Ok(None);
        };
        if !(1..=MAX_SUBJECT_BYTES).contains(&text.len()) {
            return Err(format!("a subject has 1 to {MAX_SUBJECT_BYTES} bytes"));
        }
        let subject = Subject {
            issuer: issuer.unwrap_or_default().into(),
            subject: text.into(),
        };
        match self.subjects.insert(subject.clone()) {
            true => Ok(Some(subject)),
            false => Err("an earlier account has the same issuer and subject".into()),
        }
    }

    fn take_message(&mut self, line: MessageLine<'_>) -> Taken {
        let MessageLine {
            id,
            sender_id,
            receiver_id,
            content,
            created_at,
            client_id,
            reply_to,
            meta,
            speaker,
            attachments,
            auto_content,
            edited_at,
            reactions,
        } = line;
        let created_at = self.cut(created_at);
        let people = [sender_id, receiver_id];
        let client_id = client_id.as_deref().map(ClientId::borrowed);
        let client_id = match client_id.transpose() {
            Ok(client_id) => client_id,
            Err(error) => return Ok(Err(error.to_string())),
        };
        if let Err(error) = check_content(&content, MAX_MESSAGE_CHARS) {
            return Ok(Err(error.to_string()));
        }
        let reactions = match changes::reactions(people, &reactions) {
            Ok(reactions) => reactions,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let meta = match meta.as_deref().map(Meta::borrowed).transpose() {
            Ok(meta) => meta,
            Err(error) => return Ok(Err(format!("meta {error}"))),
        };
        let speaker = match checked_speaker(speaker.as_deref()) {
            Ok(speaker) => speaker,
            Err(wrong) => return Ok(Err(wrong)),
        };
        if reply_to.is_some_and(|message| EntryId::from(message) >= id) {
            return Ok(Err("answers a message that comes later".into()));
        }
        let kept = match self.take_files(id, sender_id, created_at, &attachments)? {
            Ok(kept) => kept,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let extras = Extras {
            attachments: files::borrowed(&kept),
            auto_content: auto_content && !kept.is_empty(),
            reply_to: reply_to.map(ReplyTo::new),
            meta,
            speaker,
            edited_at: edited_at.map(|time| self.cut(time)),
            reactions,
            ..Extras::default()
        };
        let act = Act::Sent {
            content: &*content,
            client_id,
            extras: extras.boxed(),
        };
        self.message(id, people, created_at, &act)
    }

    /// Takes what is left of a message that was deleted.
    fn erased(
        &mut self,
        id: EntryId,
        people: [UserId; 2],
        created_at: Timestamp,
        client_id: Option<&str>,
    ) -> Taken {
        match client_id.map(ClientId::borrowed).transpose() {
            Ok(client_id) => {
                let extras = None;
                let act = Act::Erased { client_id, extras };
                self.message(id, people, created_at, &act)
            }
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    /// The time that is kept of one.
    pub(super) fn cut(&mut self, time: Time) -> Timestamp {
        self.cut_times += u64::from(time.is_cut);
        time.at
    }

    /// Whether a time has come: one that has not would be shown for years, and date what comes
    /// after it.
    fn has_come(&self, key: &str, time: Timestamp) -> Result<(), String> {
        let now = self.judging.now;
        if time <= now.plus(CLOCK_SKEW) {
            return Ok(());
        }
        Err(format!(
            "{key}: {time} has not come yet, the clock of this machine shows {now}: put that time right, or the clock"
        ))
    }

    fn user(&mut self, user: &User, password_hash: Option<&str>) -> Taken {
        let key = user.id.get();
        if self.last_entry > 0 {
            return Ok(Err("accounts come before messages".into()));
        }
        if key <= self.last_user {
            return Ok(Err(format!("account {key} comes after {}", self.last_user)));
        }
        for (name, time) in [
            ("created_at", Some(user.created_at)),
            ("revoked_at", user.revoked_at),
            ("last_seen", user.last_seen),
        ] {
            if let Some(Err(wrong)) = time.map(|time| self.has_come(name, time)) {
                return Ok(Err(wrong));
            }
        }
        let hash = match password_hash.map(self.judging.password_hash).transpose() {
            Ok(hash) => hash,
            Err(wrong) => return Ok(Err(wrong)),
        };
        if !self.names.insert(user.username.key()) {
            let name = user.username.as_str();
            return Ok(Err(format!("an earlier account has the name {name:?} too")));
        }
        self.last_user = key;
        self.known_users.insert(user.id);
        if user.is_bot && !user.deleted {
            self.others.bots.insert(user.id);
        }
        self.users.insert(key, &users::encode(user)[..])?;
        if let Some(hash) = hash {
            self.credentials
                .insert(key, &seal(key, hash.as_bytes())[..])?;
        }
        Ok(Ok(()))
    }

    /// What holds for every entry: its id is the next, its time may follow and has come, its people
    /// are there.
    pub(super) fn next(&self, id: EntryId, people: &[UserId], at: Timestamp) -> Result<(), String> {
        let next = self.last_entry + 1;
        if id.get() != next {
            return Err(format!("has id {id}, the next one is {next}"));
        }
        if !at.may_follow(self.last_at) {
            return Err("is earlier than the line before it".into());
        }
        self.has_come("the time", at)?;
        match people.iter().find(|user| !self.known_users.contains(user)) {
            Some(stranger) => Err(format!("there is no account {stranger}")),
            None => Ok(()),
        }
    }

    fn message(
        &mut self,
        id: EntryId,
        [sender, receiver]: [UserId; 2],
        at: Timestamp,
        act: &Act<&str>,
    ) -> Taken {
        if let Err(wrong) = self.next(id, &[sender, receiver], at) {
            return Ok(Err(wrong));
        }
        let Some(pair) = Pair::new(sender, receiver) else {
            return Ok(Err("is to its own sender".into()));
        };
        let conversation = match self.pairs.get(&pair) {
            Some(conversation) => *conversation,
            None => self.create_conversation(pair)?,
        };
        match self.decide(conversation, sender, at, act)? {
            Ok(Decision::Append(record)) => self.append(id, &record),
            Ok(Decision::Nothing(_)) | Err(_) => Ok(Err("cannot be sent".into())),
        }
    }

    fn create_conversation(&mut self, pair: Pair) -> Result<ConversationId, MaintainError> {
        let id = ConversationId::new(self.state.conversation_count() + 1)
            .map_err(|_| StoreError::Full)?;
        self.conversations
            .insert(id.get(), &seal(id.get(), &schema::encode_pair(pair))[..])?;
        self.state.put_conversation(Conversation::new(pair));
        self.pairs.insert(pair, id);
        Ok(id)
    }

    fn read(&mut self, id: EntryId, message: MessageId, reader: UserId, at: Timestamp) -> Taken {
        if let Err(wrong) = self.next(id, &[reader], at) {
            return Ok(Err(wrong));
        }
        let found = self
            .written()
            .read(message.into(), |record| record.stream.pair());
        let conversation = match found {
            Ok(conversation) => conversation,
            Err(StoreError::Damaged { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let act = Act::Read { message };
        let decided = match conversation {
            Some(conversation) => self.decide(conversation, reader, at, &act)?.ok(),
            None => None,
        };
        match decided {
            Some(Decision::Append(record)) => self.append(id, &record),
            Some(Decision::Nothing(_)) => Ok(Err(format!("message {message} is read already"))),
            None => Ok(Err(format!(
                "message {message} is none that user {reader} got"
            ))),
        }
    }

    fn chat_read(
        &mut self,
        id: EntryId,
        [reader, peer]: [UserId; 2],
        up_to: MessageId,
        at: Timestamp,
    ) -> Taken {
        if let Err(wrong) = self.next(id, &[reader, peer], at) {
            return Ok(Err(wrong));
        }
        let pair = Pair::new(reader, peer);
        let Some(conversation) = pair.and_then(|pair| self.pairs.get(&pair).copied()) else {
            return Ok(Err(format!("users {reader} and {peer} have no messages")));
        };
        let act = Act::ReadUpTo {
            message: up_to,
            marked: Marked::default(),
        };
        let is_theirs = |act: &Act<&str>| {
            // A mark that names no message of theirs reaches up to an earlier one.
            matches!(act, Act::ReadUpTo { message, .. } if *message == up_to)
        };
        match self.decide(conversation, reader, at, &act)? {
            Ok(Decision::Append(record)) if is_theirs(&record.act) => self.append(id, &record),
            Ok(Decision::Nothing(act)) if is_theirs(&act) => {
                Ok(Err("marks nothing that was not read already".into()))
            }
            Ok(_) | Err(_) => Ok(Err(format!(
                "message {up_to} is none of users {reader} and {peer}"
            ))),
        }
    }

    /// Decides what the act of a line comes to. The inner error is a refusal.
    fn decide<'a>(
        &self,
        id: ConversationId,
        author: UserId,
        at: Timestamp,
        act: &Act<&'a str>,
    ) -> Result<Result<Decision<&'a str>, Refusal<StoreError>>, StoreError> {
        let Some(conversation) = self.state.conversation(id) else {
            return Ok(Err(Refusal::NoSuchMessage));
        };
        match conversation.decide(&self.written(), id, author, at, act) {
            Err(Refusal::Log(error)) => Err(error),
            decided => Ok(decided),
        }
    }

    pub(super) fn written(&self) -> Written<'_, '_> {
        Written {
            table: &self.log,
            buffer: &self.buffer,
        }
    }

    pub(super) fn append(&mut self, id: EntryId, record: &Record<&str>) -> Taken {
        self.buffer.push((id.get(), record.encode(id)));
        self.state.apply(id, record);
        (self.last_entry, self.last_at) = (id.get(), record.at);
        if self.buffer.len() >= STEP {
            self.flush()?;
        }
        Ok(Ok(()))
    }

    fn flush(&mut self) -> Result<(), MaintainError> {
        let mut end = Appending::new(&mut self.log, 0)?;
        for (id, sealed) in self.buffer.drain(..) {
            end.push(id, &sealed);
        }
        end.close()?;
        Ok(())
    }
}
