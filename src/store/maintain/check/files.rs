//! What a check says of the rows of files: each message, account and room has those that it names,
//! and no row is of one that names no such file.

use redb::{ReadTransaction, ReadableTable};
use rustc_hash::{FxHashMap, FxHashSet};

use super::report::Report;
use crate::model::{Act, Attachment, EntryId, FileId, MessageId, picture_of};
use crate::store::error::StoreError;
use crate::store::files::row::{self, FileStage};
use crate::store::log::record::Record;
use crate::store::people::users;
use crate::store::tables::{FILES, ROOMS, USERS};
use crate::store::talk::rooms::rows::decode_room;

/// The files that messages name.
#[derive(Debug, Default)]
pub(super) struct NamedFiles(FxHashMap<FileId, (MessageId, Attachment)>);

impl NamedFiles {
    /// Takes in an entry.
    pub(super) fn take(&mut self, id: EntryId, record: &Record<&str>, report: &mut Report) {
        let Act::Sent {
            extras: Some(extras),
            ..
        } = &record.act
        else {
            return;
        };
        for file in &extras.attachments {
            let named = (id.into(), file.to_shared());
            if self.0.insert(file.id, named).is_some() {
                report.add(
                    "log",
                    id,
                    format!("names file {}, as an earlier message does", file.id),
                );
            }
        }
    }

    /// Holds the rows against them.
    pub(super) fn compare(
        mut self,
        txn: &ReadTransaction,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let mut pictures = pictures(txn, report)?;
        for row in txn.open_table(FILES)?.iter()? {
            let (number, value) = row?;
            let number = number.value();
            let Ok(file) = row::decode(number, value.value()) else {
                report.damaged("files", number);
                continue;
            };
            let named = self.0.remove(&file.id);
            let is_right = match (&file.stage, named) {
                (FileStage::Sent(_, message), Some((by, as_told))) => {
                    // What is to be seen in it says the message alone.
                    let as_told = Attachment {
                        alt: None,
                        ..as_told
                    };
                    *message == by && file.attachment() == Some(as_told)
                }
                (FileStage::Sent(..), None) => false,
                (FileStage::Shown(_), named) => named.is_none() && pictures.remove(&file.id),
                (_, named) => named.is_none(),
            };
            if !is_right {
                report.add("files", number, "is not as what names it says");
            }
        }
        let mut unkept: Vec<_> = pictures.into_iter().collect();
        unkept.sort_unstable();
        for id in unkept {
            report.add("files", id, "is named by an avatar and has no row");
        }
        let mut left: Vec<_> = self.0.into_iter().collect();
        left.sort_unstable_by_key(|(_, (message, _))| *message);
        for (id, (message, _)) in left {
            report.add("log", message, format!("names file {id}, which has no row"));
        }
        Ok(())
    }
}

/// Returns the pictures of this server that accounts and rooms name. A row that is damaged is
/// reported where its table is read.
fn pictures(txn: &ReadTransaction, report: &mut Report) -> Result<FxHashSet<FileId>, StoreError> {
    let mut named = FxHashSet::default();
    let mut take = |table, key, avatar: Option<&str>| {
        if let Some(id) = avatar.and_then(picture_of)
            && !named.insert(id)
        {
            report.add(
                table,
                key,
                format!("names picture {id}, as another row does"),
            );
        }
    };
    for row in txn.open_table(USERS)?.iter()? {
        let (key, value) = row?;
        if let Ok(user) = users::decode(key.value(), value.value(), |_| Ok(false)) {
            take("users", key.value(), user.avatar.as_deref());
        }
    }
    for row in txn.open_table(ROOMS)?.iter()? {
        let (key, value) = row?;
        if let Ok(head) = decode_room(key.value(), value.value()) {
            take("rooms", key.value(), head.room.avatar.as_deref());
        }
    }
    Ok(named)
}
