//! The URLs of the files that messages name: each telling of a message brings fresh ones.

use std::sync::Arc;

use super::{HistoryPage, RoomMessage};
use crate::model::{Act, Attachment, Extras, FileId, FileSigner, Notice, Timestamp};

/// Puts what opens them beside the files of messages that are told.
#[derive(Clone, Copy)]
pub struct FileUrls {
    signer: FileSigner,
    clock: fn() -> Timestamp,
}

impl Default for FileUrls {
    /// For servers without files: nothing is opened by these.
    fn default() -> Self {
        Self::new(FileSigner::default(), Timestamp::default)
    }
}

impl FileUrls {
    /// Signs by this signer, at the time that `clock` tells.
    pub fn new(signer: FileSigner, clock: fn() -> Timestamp) -> Self {
        Self { signer, clock }
    }

    /// Puts what opens them beside the files of a message.
    pub fn open(&self, extras: Option<&mut Extras>) {
        let Some(extras) = extras.filter(|extras| !extras.attachments.is_empty()) else {
            return;
        };
        let now = (self.clock)();
        for file in &mut extras.attachments {
            file.opened_by = Some(self.signer.sign(now, file.id, &file.name));
        }
    }

    /// Returns until when `key` opens this file; `None` where it does not, or no more.
    pub fn verify(&self, id: FileId, name: &str, key: &str) -> Option<Timestamp> {
        self.signer.verify((self.clock)(), id, name, key)
    }

    /// Puts what opens it beside one file.
    pub fn open_file(&self, file: &mut Attachment<Arc<str>>) {
        file.opened_by = Some(self.signer.sign((self.clock)(), file.id, &file.name));
    }

    /// The same of the message that an entry may be.
    pub(super) fn open_notice(&self, notice: &mut Notice) {
        if let Act::Sent { extras, .. } = &mut notice.entry.act {
            self.open(extras.as_deref_mut());
        }
    }

    /// The same of a page of messages between two people.
    pub(super) fn open_page(&self, mut page: HistoryPage) -> HistoryPage {
        for row in &mut page.rows {
            self.open(row.message.extras.as_deref_mut());
        }
        page
    }

    /// The same of a page of messages of a room.
    pub(super) fn open_room_page(
        &self,
        mut page: HistoryPage<RoomMessage>,
    ) -> HistoryPage<RoomMessage> {
        for row in &mut page.rows {
            self.open(row.extras.as_deref_mut());
        }
        page
    }
}
