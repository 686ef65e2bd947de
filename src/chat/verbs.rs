//! The verbs that change something, and who hears of it.

use std::path::PathBuf;
use std::sync::Arc;

use super::files::FileUrls;
use super::marks::Marks;
use super::views::Views;
use super::{Backup, ChatError, Compacted, Event, Listener, Presence, Rules};
use crate::model::{
    Act, ClientId, CursorKeys, EntryId, Extras, MAX_ATTACHMENTS, MessageId, Notice, Origin,
    Timestamp, UserId, check_content,
};
use crate::store::maintain::MaintainError;
use crate::store::{Command, Committed, Outcome, RoomDone, Store, StoreError, Talk};

/// A message to be sent.
#[derive(Debug, Clone)]
pub struct SendMessage {
    /// The receiver.
    pub receiver_id: UserId,
    /// The text, not yet checked.
    pub content: Arc<str>,
    /// The sender's own name for it.
    pub client_id: Option<ClientId>,
    /// What it has beside its text.
    pub extras: Option<Box<Extras>>,
}

/// The verbs. Cheap to clone.
#[derive(Clone)]
pub struct Chat {
    pub(super) store: Store,
    pub(super) listener: Arc<dyn Listener>,
    pub(super) rules: Rules,
    pub(super) cursor_keys: CursorKeys,
    pub(super) presence: Arc<Presence>,
    pub(super) marks: Arc<Marks>,
    pub(super) views: Arc<Views>,
    pub(super) files: FileUrls,
}

impl Chat {
    /// Returns the verbs over this store. `listener` hears what happens.
    pub fn new(
        store: Store,
        listener: Arc<dyn Listener>,
        rules: Rules,
        cursor_keys: CursorKeys,
    ) -> Self {
        Self {
            store,
            listener,
            rules,
            cursor_keys,
            presence: Arc::default(),
            marks: Arc::default(),
            views: Arc::default(),
            files: FileUrls::default(),
        }
    }

    /// The same, whose messages tell by which URLs their files are opened.
    pub fn with_file_urls(self, files: FileUrls) -> Self {
        Self { files, ..self }
    }

    /// Makes a copy of everything as of now, beside which talk goes on. Fails with
    /// [`ChatError::Busy`] while there is another. Where the data's disk has no room for it, it is
    /// made in the folder `elsewhere`, on another disk.
    pub async fn backup(&self, elsewhere: Option<PathBuf>) -> Result<Backup, ChatError> {
        Ok(self.store.backup_or_in(elsewhere).await?)
    }

    /// Puts a compact copy in the place of the data file: no byte of what was erased is in it. One
    /// at a time ([`ChatError::Busy`]). Where the disk has no room for the file once more, and
    /// wherever else it fails, everything stays as it was, and the log says why.
    pub async fn compact(&self) -> Result<Compacted, ChatError> {
        self.store.rewrite().await.map_err(|error| {
            if let MaintainError::Store(StoreError::Busy) = error {
                return ChatError::Busy;
            }
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the data file could not be compacted");
            ChatError::Unavailable
        })
    }

    /// How long after it was sent a message may get another text; `None` for always.
    pub fn edit_window(&self) -> Option<std::time::Duration> {
        self.rules.edit_window
    }

    /// After how long messages are erased; `None` for never.
    pub fn retention(&self) -> Option<std::time::Duration> {
        self.rules.retention
    }

    /// The longest message, in characters.
    pub fn max_message_chars(&self) -> usize {
        self.rules.max_message_chars
    }

    /// Returns whether changes can be written at present.
    pub fn is_writable(&self) -> bool {
        self.store.is_writable()
    }

    /// Sends a message. The same client id with the same receiver and content gives the first
    /// message again.
    pub fn send(
        &self,
        now: Timestamp,
        sender: UserId,
        request: SendMessage,
        origin: Option<Origin>,
        reply: impl FnOnce(Result<Notice, ChatError>) + Send + 'static,
    ) {
        if let Err(error) = self.check_message(&request.content, request.extras.as_deref()) {
            return reply(Err(error));
        }
        let SendMessage {
            receiver_id: receiver,
            content,
            client_id,
            extras,
        } = request;
        let talk = Talk::send(sender, receiver, content, client_id).with_extras(extras);
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

    /// Marks one message read, for its receiver. Marking it again changes nothing and succeeds.
    pub fn mark_read(
        &self,
        now: Timestamp,
        reader: UserId,
        message: MessageId,
        origin: Option<Origin>,
        reply: impl FnOnce(Result<Mark, ChatError>) + Send + 'static,
    ) {
        let talk = Talk::read(reader, message);
        self.submit(now, talk, origin, |outcome| Ok(Mark::of(outcome?)), reply);
    }

    /// Marks all messages of `peer` read, up to and including `up_to` where given.
    pub fn mark_chat_read(
        &self,
        now: Timestamp,
        reader: UserId,
        peer: UserId,
        up_to: Option<MessageId>,
        origin: Option<Origin>,
        reply: impl FnOnce(Result<Mark, ChatError>) + Send + 'static,
    ) {
        if reader == peer {
            return reply(Err(ChatError::OwnChat));
        }
        if !self.may_see(reader, peer) {
            // Nothing was said, whether there is somebody or not.
            let nothing = Mark {
                entry: None,
                count: 0,
            };
            return reply(Ok(nothing));
        }
        let talk = Talk::read_up_to(reader, peer, up_to);
        self.submit(now, talk, origin, |outcome| Ok(Mark::of(outcome?)), reply);
    }

    /// Checks what a message says and names. Beside files it may say nothing.
    pub(super) fn check_message(
        &self,
        content: &str,
        extras: Option<&Extras>,
    ) -> Result<(), ChatError> {
        let files = extras.map_or(0, |extras| extras.attachments.len());
        if files > MAX_ATTACHMENTS {
            return Err(ChatError::TooManyFiles);
        }
        if files > 0 && content.is_empty() {
            return Ok(());
        }
        Ok(check_content(content, self.rules.max_message_chars)?)
    }

    /// Has an act stored, tells of what came of it, and replies with what `result` makes of that.
    pub(super) fn submit<T>(
        &self,
        now: Timestamp,
        talk: Talk,
        origin: Option<Origin>,
        result: impl FnOnce(Result<Outcome, ChatError>) -> Result<T, ChatError> + Send + 'static,
        reply: impl FnOnce(Result<T, ChatError>) + Send + 'static,
    ) {
        let listener = Arc::clone(&self.listener);
        let files = self.files;
        // Only of marks it is asked whether both hear of them.
        let store = (talk.act.is_mark()).then(|| Box::new(self.store.clone()));
        let answer = move |outcome: Result<Outcome, StoreError>| {
            let mut outcome = outcome.map_err(ChatError::from);
            if let Ok(Outcome::Entry(notice) | Outcome::Repeated(notice)) = &mut outcome {
                files.open_notice(notice);
            }
            if let Ok(outcome) = &outcome {
                tell(&*listener, outcome, origin, store.as_deref());
            }
            reply(result(outcome));
        };
        self.store.submit(now, Command::talk(talk), answer);
    }

    /// Tells of a change that was answered as uncertain and turned out to be on disk.
    pub fn announce(&self, committed: &Committed) {
        match committed {
            Committed::Talk(Outcome::Entry(notice)) => {
                let mut notice = notice.clone();
                self.files.open_notice(&mut notice);
                let outcome = Outcome::Entry(notice);
                tell(&*self.listener, &outcome, None, Some(&self.store));
            }
            Committed::Room(done) => self.announce_all(done),
            _ => {}
        }
    }

    /// Tells of the entries that an act on a room came to, or an erasure.
    pub(super) fn announce_all(&self, done: &RoomDone) {
        for notice in &done.notices {
            let event = Event::Happened {
                notice,
                origin: None,
                only: None,
            };
            self.listener.happened(event);
        }
    }

    /// Tells a person that another is typing, or has stopped. Not stored. Returns whether they were
    /// told.
    pub fn typing(
        &self,
        user_id: UserId,
        receiver_id: UserId,
        is_typing: bool,
    ) -> Result<bool, ChatError> {
        if user_id == receiver_id {
            return Err(ChatError::InvalidReceiver);
        }
        self.may_write(user_id, receiver_id)?;
        // Nobody learns by typing whether there is somebody.
        let is_told = self.may_see(user_id, receiver_id);
        if is_told {
            self.listener.happened(Event::Typing {
                user_id,
                receiver_id,
                is_typing,
            });
        }
        Ok(is_told)
    }

    /// Returns whether a person is told that another types to them.
    pub fn hears_typing(&self, user_id: UserId, receiver_id: UserId) -> bool {
        self.may_write(user_id, receiver_id).is_ok() && self.may_see(user_id, receiver_id)
    }

    /// Tells a person that another has stopped typing, who was typing to them, whatever the two are
    /// to each other since.
    pub fn typed(&self, user_id: UserId, receiver_id: UserId) {
        self.listener.happened(Event::Typing {
            user_id,
            receiver_id,
            is_typing: false,
        });
    }
}

/// Tells of what an act came to.
fn tell(listener: &dyn Listener, outcome: &Outcome, origin: Option<Origin>, store: Option<&Store>) {
    match outcome {
        Outcome::Entry(notice) => {
            let is_apart = store.is_some_and(|store| store.is_kept_apart(notice));
            listener.happened(Event::Happened {
                notice,
                origin,
                only: notice.entry.author.filter(|_| is_apart),
            });
        }
        Outcome::Repeated(notice) => listener.happened(Event::Repeated { notice, origin }),
        Outcome::Nothing(_) | Outcome::Unchanged(_) | Outcome::InRoom(_) => {}
    }
}

/// What a read mark came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Its entry; `None` where nothing changed.
    pub entry: Option<EntryId>,
    /// How many messages went from unread to read.
    pub count: u64,
}

impl Mark {
    pub(super) fn of(outcome: Outcome) -> Self {
        let entry = match outcome {
            Outcome::Entry(notice) => notice.entry,
            _ => {
                return Self {
                    entry: None,
                    count: 0,
                };
            }
        };
        Self {
            entry: Some(entry.id),
            count: match entry.act {
                Act::ReadUpTo { marked, .. } => marked.count,
                Act::Read { .. } => 1,
                _ => 0,
            },
        }
    }
}
