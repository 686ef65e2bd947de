//! Every file in memory: whole rows of those that no message names yet, and of the others as much
//! as opening and deleting them needs.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::gone::GoneFiles;
use super::row::{FileContent, FileStage, StoredFile};
use crate::model::{FileId, MessageId, Timestamp, UserId, day_of};

/// A file that a message names, or that is the picture of an account or a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentFile {
    pub(crate) number: u64,
    /// The message; `None` for a picture.
    pub message: Option<MessageId>,
    /// What is kept of its bytes.
    pub content: FileContent,
}

/// A file of this id is so now, or is gone.
pub(crate) type FileChange = (FileId, u64, Option<Arc<StoredFile>>);

/// Every file.
#[derive(Default)]
pub(crate) struct Files {
    pending: FxHashMap<FileId, Arc<StoredFile>>,
    sent: FxHashMap<FileId, SentFile>,
    /// The bytes of each person's files of their newest day, which is told too, as they were read
    /// at the start.
    of_day: FxHashMap<UserId, (u64, u64, u64)>,
    bytes: u64,
    greatest: u64,
    gone: Arc<GoneFiles>,
}

impl Files {
    /// The file of this id that no message names yet.
    pub(crate) fn pending(&self, id: FileId) -> Option<&Arc<StoredFile>> {
        self.pending.get(&id)
    }

    /// The file of this id that a message or an `avatar` names.
    pub(crate) fn sent(&self, id: FileId) -> Option<&SentFile> {
        self.sent.get(&id)
    }

    /// Every file that no message names yet.
    pub(crate) fn all_pending(&self) -> impl Iterator<Item = &Arc<StoredFile>> {
        self.pending.values()
    }

    /// Returns how many files there are.
    pub(crate) fn count(&self) -> u64 {
        (self.pending.len() + self.sent.len()) as u64
    }

    /// Returns the bytes of all of them that are on the disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns how many bytes a person's files had at the start that began on the day of this time,
    /// each with `each` more.
    pub(crate) fn of_day(&self, owner: UserId, now: Timestamp, each: u64) -> u64 {
        let newest = self.of_day.get(&owner);
        newest.map_or(0, |(day, files, bytes)| {
            let bytes = bytes.saturating_add(files.saturating_mul(each));
            bytes * u64::from(*day == day_of(now))
        })
    }

    /// The greatest number of a row.
    pub(crate) fn greatest(&self) -> u64 {
        self.greatest
    }

    /// Those whose rows are gone.
    pub(crate) fn gone(&self) -> &Arc<GoneFiles> {
        &self.gone
    }

    /// Takes in a row, read at start.
    pub(crate) fn put(&mut self, file: Arc<StoredFile>) {
        self.begun(&file);
        self.change(file.id, Some(file));
    }

    /// Counts a file for its owner's day.
    fn begun(&mut self, file: &StoredFile) {
        let day = day_of(file.created_at);
        let newest = self.of_day.entry(file.owner).or_default();
        if newest.0 < day {
            *newest = (day, 0, 0);
        }
        if newest.0 == day {
            newest.1 += 1;
            newest.2 = newest.2.saturating_add(file.bytes());
        }
    }

    /// Puts what a file is now in the place of what it was.
    fn change(&mut self, id: FileId, file: Option<Arc<StoredFile>>) {
        let before = self.pending.remove(&id).map(|file| file.bytes());
        let sent = self.sent.remove(&id).map(|sent| sent.content.bytes());
        let before = before.or(sent).unwrap_or(0);
        let after = file.as_ref().map_or(0, |file| file.bytes());
        self.bytes = self.bytes.saturating_sub(before).saturating_add(after);
        let Some(file) = file else {
            return;
        };
        self.greatest = self.greatest.max(file.number);
        match &file.stage {
            FileStage::Sent(content, message) => self.keep(&file, *content, Some(*message)),
            FileStage::Shown(content) => self.keep(&file, *content, None),
            FileStage::Uploading(_) | FileStage::Ready(_) => {
                self.pending.insert(id, file);
            }
        }
    }

    /// Keeps a file that is named.
    fn keep(&mut self, file: &StoredFile, content: FileContent, message: Option<MessageId>) {
        let sent = SentFile {
            number: file.number,
            message,
            content,
        };
        self.sent.insert(file.id, sent);
    }

    /// Takes over what a transaction changed.
    pub(crate) fn publish(&mut self, changes: Vec<FileChange>) {
        for (id, _, file) in changes {
            if file.is_none() {
                self.gone.add(id);
            }
            self.change(id, file);
        }
    }

    /// Has those that are gone noted in the place where an earlier state of the same data noted
    /// them.
    pub(crate) fn go_on_with(&mut self, earlier: &Self) {
        self.gone = Arc::clone(&earlier.gone);
    }
}
