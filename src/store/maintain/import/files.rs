//! The files of messages that are imported: each is looked at where it lies.

use std::sync::Arc;

use super::Import;
use crate::model::{
    Attachment, EntryId, MAX_ATTACHMENTS, MAX_FILE_NAME_BYTES, Timestamp, UserId, file_name,
};
use crate::store::error::StoreError;
use crate::store::files::row::{FileStage, StoredFile, encode};
use crate::store::maintain::lines::AttachmentLine;

/// What files came to: the inner error says what is wrong with them.
type Kept = Result<Result<Vec<Attachment>, String>, StoreError>;

impl Import<'_> {
    /// Takes in the files of a message.
    pub(in crate::store::maintain) fn take_files(
        &mut self,
        message: EntryId,
        owner: UserId,
        created_at: Timestamp,
        lines: &[AttachmentLine<'_>],
    ) -> Kept {
        if lines.len() > MAX_ATTACHMENTS {
            return Ok(Err(format!(
                "a message has at most {MAX_ATTACHMENTS} files"
            )));
        }
        let mut kept = Vec::with_capacity(lines.len());
        for line in lines {
            match self.take_file(message, owner, created_at, line)? {
                Ok(file) => kept.push(file),
                Err(wrong) => return Ok(Err(wrong)),
            }
        }
        Ok(Ok(kept))
    }

    fn take_file(
        &mut self,
        message: EntryId,
        owner: UserId,
        created_at: Timestamp,
        line: &AttachmentLine<'_>,
    ) -> Result<Result<Attachment, String>, StoreError> {
        let id = line.id;
        if file_name(&line.name) != line.name {
            return Ok(Err(format!(
                "the name of file {id} has folders, what is not seen, or over {MAX_FILE_NAME_BYTES} bytes"
            )));
        }
        if !self.known_files.insert(id) {
            return Ok(Err(format!("an earlier message has file {id}")));
        }
        let mut content = match (self.judging.file)(id) {
            Ok(content) => content,
            Err(wrong) => return Ok(Err(format!("file {id}: {wrong}"))),
        };
        content.dimensions = line.width.zip(line.height);
        let number = self.known_files.len() as u64;
        let file = StoredFile {
            number,
            id,
            owner,
            name: Arc::from(&*line.name),
            created_at,
            stage: FileStage::Sent(content, message.into()),
        };
        self.files.insert(number, &encode(&file)[..])?;
        let attachment = file.attachment();
        Ok(attachment.ok_or_else(|| "is not whole".to_owned()))
    }
}

/// Returns the same files with borrowed names.
pub(in crate::store::maintain) fn borrowed(files: &[Attachment]) -> Vec<Attachment<&str>> {
    let borrowed = files.iter().map(|file| Attachment {
        id: file.id,
        name: &*file.name,
        kind: file.kind,
        size: file.size,
        dimensions: file.dimensions,
        has_preview: file.has_preview,
        opened_by: file.opened_by,
    });
    borrowed.collect()
}
