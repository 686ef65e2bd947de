//! What a check says of the rows of files: each message has those that it names, and no row is of a
//! message that names no such file.

use redb::{ReadTransaction, ReadableTable};
use rustc_hash::FxHashMap;

use super::report::Report;
use crate::model::{Act, Attachment, EntryId, FileId, MessageId};
use crate::store::error::StoreError;
use crate::store::files::row::{self, FileStage};
use crate::store::log::record::Record;
use crate::store::tables::FILES;

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
                    *message == by && file.attachment() == Some(as_told)
                }
                (FileStage::Sent(..), None) => false,
                (_, named) => named.is_none(),
            };
            if !is_right {
                report.add("files", number, "is not as its message names it");
            }
        }
        let mut left: Vec<_> = self.0.into_iter().collect();
        left.sort_unstable_by_key(|(_, (message, _))| *message);
        for (id, (message, _)) in left {
            report.add("log", message, format!("names file {id}, which has no row"));
        }
        Ok(())
    }
}
