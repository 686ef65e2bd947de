//! The files of messages that are imported: each is looked at where it lies.

use std::sync::Arc;

use super::{Import, is_path};
use crate::model::{
    Attachment, EntryId, FileId, MAX_ALT_CHARS, MAX_ATTACHMENTS, MAX_FILE_NAME_BYTES, Role, RoomId,
    Timestamp, UserId, file_name, is_alt, picture_of,
};
use crate::store::error::StoreError;
use crate::store::files::row::{FileStage, StoredFile, encode};
use crate::store::maintain::lines::{AttachmentLine, Line};

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
                Ok(file) => kept.extend(file),
                Err(wrong) => return Ok(Err(wrong)),
            }
        }
        Ok(Ok(kept))
    }

    /// Takes in one; none where it does not lie beside the lines, as in an export to standard
    /// output.
    fn take_file(
        &mut self,
        message: EntryId,
        owner: UserId,
        created_at: Timestamp,
        line: &AttachmentLine<'_>,
    ) -> Result<Result<Option<Attachment>, String>, StoreError> {
        let id = line.id;
        if file_name(&line.name) != line.name {
            return Ok(Err(format!(
                "the name of file {id} has folders, what is not seen, or over {MAX_FILE_NAME_BYTES} bytes"
            )));
        }
        if line.alt.as_ref().is_some_and(|alt| !is_alt(alt)) {
            return Ok(Err(format!(
                "the alt of file {id} is empty or has over {MAX_ALT_CHARS} characters"
            )));
        }
        if !self.known_files.insert(id) {
            return Ok(Err(format!("an earlier message has file {id}")));
        }
        let mut content = match (self.judging.file)(id) {
            Ok(Some(content)) if content.size == line.size => content,
            // Missing, or cut short or otherwise not what it was.
            Ok(_) => {
                self.left_out_files.push(id);
                return Ok(Ok(None));
            }
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
            metadata: None,
            uploaded: None,
            stage: FileStage::Sent(content, message.into()),
        };
        self.files.insert(number, &encode(&file)[..])?;
        let alt = line.alt.as_deref().map(Arc::from);
        let attachment = file.attachment();
        Ok(Ok(attachment.map(|file| Attachment { alt, ..file })))
    }
}

impl Import<'_> {
    /// Returns the row of a picture; `None` where it does not lie beside the file.
    fn picture(&mut self, id: FileId, owner: UserId, created_at: Timestamp) -> Option<StoredFile> {
        let content = (self.judging.file)(id).ok().flatten();
        let content = content.filter(|content| content.kind.is_small_picture())?;
        if !self.known_files.insert(id) {
            return None;
        }
        Some(StoredFile {
            number: self.known_files.len() as u64,
            id,
            owner,
            name: "avatar".into(),
            created_at,
            metadata: None,
            uploaded: None,
            stage: FileStage::Shown(content),
        })
    }

    /// Takes in an account's picture. Returns whether it lies beside the file.
    pub(in crate::store::maintain) fn take_picture(
        &mut self,
        avatar: &str,
        owner: UserId,
        created_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let id = picture_of(avatar);
        let picture = id.and_then(|id| self.picture(id, owner, created_at));
        match picture {
            Some(picture) => self.put_picture(&picture).map(|()| true),
            None => Ok(false),
        }
    }

    fn put_picture(&mut self, picture: &StoredFile) -> Result<(), StoreError> {
        self.files.insert(picture.number, &encode(picture)[..])?;
        Ok(())
    }

    /// Looks at the picture of a room's line: those of which a later line has another are gone, and
    /// what does not lie beside the file is left out.
    pub(in crate::store::maintain) fn look_at_picture(&mut self, line: &mut Line<'_>) {
        let Line::Room {
            room_id,
            by,
            avatar,
            at,
            ..
        } = line
        else {
            return;
        };
        let named = avatar.as_deref().and_then(picture_of);
        let Some(id) = named else {
            self.room_pictures.remove(room_id);
            if avatar.as_deref().is_some_and(is_path) {
                self.left_out_avatars += 1;
                *avatar = None;
            }
            return;
        };
        let kept = self.room_pictures.get(room_id);
        if kept.is_some_and(|kept| kept.id == id) {
            return;
        }
        // The server's own hand describes a room with the picture that it has. The line that says
        // whose it was has none any more, so it counts as an owner's.
        let owner = by.or_else(|| self.an_owner_of(*room_id));
        match owner.and_then(|owner| self.picture(id, owner, at.at)) {
            Some(picture) => {
                self.room_pictures.insert(*room_id, picture);
            }
            None => {
                self.room_pictures.remove(room_id);
                self.left_out_avatars += 1;
                *avatar = None;
            }
        }
    }

    /// Returns an owner of a room, by the lines so far.
    fn an_owner_of(&self, room: RoomId) -> Option<UserId> {
        let mut members = self.state.rooms.members_after(room, 0);
        let owner = members.find(|(_, member)| member.role == Role::Owner);
        owner.map(|(user, _)| user)
    }

    /// Takes in the pictures of rooms, once their last lines are read.
    pub(in crate::store::maintain) fn put_room_pictures(&mut self) -> Result<(), StoreError> {
        for picture in std::mem::take(&mut self.room_pictures).values() {
            self.put_picture(picture)?;
        }
        Ok(())
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
        alt: file.alt.as_deref(),
        opened_by: file.opened_by,
    });
    borrowed.collect()
}
