//! Files in the making: what one transaction makes of them.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::all::{FileChange, Files};
use super::refusal::FileRefusal;
use super::row::{FileContent, FileStage, Preview, StoredFile, Upload};
use crate::model::{Attachment, FileId, MessageId, Timestamp, UserId, picture_of};
use crate::store::error::StoreError;

/// An act on a file that no message names yet.
#[derive(Debug, Clone)]
pub struct FileAct {
    /// The file.
    pub id: FileId,
    /// What is done with it.
    pub what: FileCommand,
}

/// What is done with a file.
#[derive(Debug, Clone)]
pub enum FileCommand {
    /// Begins an upload.
    Begin(NewFile),
    /// So many of its bytes are on disk.
    Wrote {
        /// How many.
        offset: u64,
    },
    /// All of its bytes are on disk, under its own name.
    Finish(FileContent),
    /// Its preview is on disk, under the name that the one before it does not have.
    Preview(Preview),
    /// Forgets it.
    Drop,
}

/// A file that is to be sent.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// Who sends it.
    pub owner: UserId,
    /// Its name, which is checked already.
    pub name: Arc<str>,
    /// The bytes that it will have.
    pub length: u64,
    /// What its client says of it by `Upload-Metadata`.
    pub metadata: Option<Arc<str>>,
}

/// What a transaction makes of files.
#[derive(Default)]
pub(crate) struct StagedFiles {
    by_id: FxHashMap<FileId, Option<Arc<StoredFile>>>,
    made: u64,
}

/// Judges acts on files. A refusal leaves everything as it was.
pub(crate) struct StagingFiles<'a> {
    pub(crate) files: &'a Files,
    pub(crate) staged: &'a mut StagedFiles,
    pub(crate) rows: &'a mut Vec<FileChange>,
}

impl StagingFiles<'_> {
    fn pending(&self, id: FileId) -> Result<&Arc<StoredFile>, FileRefusal> {
        let file = match self.staged.by_id.get(&id) {
            Some(staged) => staged.as_ref(),
            None => self.files.pending(id),
        };
        let is_named =
            |stage: &FileStage| matches!(stage, FileStage::Sent(..) | FileStage::Shown(_));
        file.filter(|file| !is_named(&file.stage))
            .ok_or(FileRefusal::NoSuchFile)
    }

    /// Has the transaction write what a file is to be.
    fn put(&mut self, id: FileId, number: u64, file: Option<Arc<StoredFile>>) {
        self.staged.by_id.insert(id, file.clone());
        self.rows.push((id, number, file));
    }

    /// Carries out an act; returns the file as it is then, or as it was last.
    pub(crate) fn act(
        &mut self,
        now: Timestamp,
        act: &FileAct,
    ) -> Result<Arc<StoredFile>, StoreError> {
        let id = act.id;
        if let FileCommand::Begin(new) = &act.what {
            return self.begin(now, id, new);
        }
        let file = Arc::clone(self.pending(id)?);
        let mut uploaded = file.uploaded;
        let stage = match (&act.what, &file.stage) {
            (FileCommand::Drop, _) => {
                self.put(id, file.number, None);
                return Ok(file);
            }
            (FileCommand::Wrote { offset }, FileStage::Uploading(upload)) => {
                if *offset == upload.offset {
                    return Ok(file);
                }
                FileStage::Uploading(Upload {
                    offset: (*offset).clamp(upload.offset, upload.length),
                    ..*upload
                })
            }
            (FileCommand::Finish(content), FileStage::Uploading(upload)) => {
                uploaded = Some(upload.length).filter(|length| *length != content.size);
                FileStage::Ready(*content)
            }
            (FileCommand::Preview(preview), FileStage::Ready(content)) => {
                FileStage::Ready(FileContent {
                    preview: Some(*preview),
                    ..*content
                })
            }
            _ => return Err(FileRefusal::NoSuchFile.into()),
        };
        let file = Arc::new(StoredFile {
            uploaded,
            stage,
            ..StoredFile::clone(&file)
        });
        self.put(id, file.number, Some(Arc::clone(&file)));
        Ok(file)
    }

    fn begin(
        &mut self,
        now: Timestamp,
        id: FileId,
        new: &NewFile,
    ) -> Result<Arc<StoredFile>, StoreError> {
        // 128 random bits that are there already are those of a broken generator.
        if self.staged.by_id.contains_key(&id)
            || self.files.pending(id).is_some()
            || self.files.sent(id).is_some()
        {
            return Err(StoreError::Unavailable);
        }
        self.staged.made += 1;
        let number = self.files.greatest() + self.staged.made;
        let file = Arc::new(StoredFile {
            number,
            id,
            owner: new.owner,
            name: Arc::clone(&new.name),
            created_at: now,
            metadata: new.metadata.clone(),
            uploaded: None,
            stage: FileStage::Uploading(Upload {
                length: new.length,
                offset: 0,
            }),
        });
        self.put(id, number, Some(Arc::clone(&file)));
        Ok(file)
    }

    /// Returns the files that a sender names, which must be whole, their own and not sent yet.
    pub(crate) fn named(
        &self,
        sender: UserId,
        named: &[Attachment],
    ) -> Result<Vec<Attachment>, FileRefusal> {
        let mut found = Vec::with_capacity(named.len());
        for (place, Attachment { id, alt, .. }) in named.iter().enumerate() {
            let is_first = named[..place].iter().all(|earlier| earlier.id != *id);
            let file = self.pending(*id)?;
            let attachment = file.attachment();
            let attachment = attachment.filter(|_| is_first && file.owner == sender);
            found.push(Attachment {
                alt: alt.clone(),
                ..attachment.ok_or(FileRefusal::NoSuchFile)?
            });
        }
        Ok(found)
    }

    /// Gives files to the message that names them.
    pub(crate) fn give(&mut self, message: MessageId, attachments: &[Attachment]) {
        for Attachment { id, .. } in attachments {
            let Ok(file) = self.pending(*id) else {
                continue;
            };
            let FileStage::Ready(content) = file.stage else {
                continue;
            };
            let file = Arc::new(StoredFile {
                metadata: None,
                uploaded: None,
                stage: FileStage::Sent(content, message),
                ..StoredFile::clone(file)
            });
            self.put(*id, file.number, Some(file));
        }
    }

    /// Forgets the files of a message that is erased.
    pub(crate) fn free<T>(&mut self, attachments: &[Attachment<T>]) {
        for Attachment { id, .. } in attachments {
            self.forget(*id);
        }
    }

    /// Forgets a file that is named no more.
    fn forget(&mut self, id: FileId) {
        let number = match self.staged.by_id.get(&id) {
            Some(staged) => staged.as_ref().map(|file| file.number),
            None => self.files.sent(id).map(|sent| sent.number),
        };
        if let Some(number) = number {
            self.put(id, number, None);
        }
    }

    /// Forgets what a person has uploaded and no message names.
    pub(crate) fn forget_unsent_of(&mut self, owner: UserId) {
        let staged = &self.staged.by_id;
        let here = staged.values().flatten();
        let others = self.files.all_pending();
        let others = others.filter(|file| !staged.contains_key(&file.id));
        let unsent = here.chain(others).filter(|file| {
            let is_named = matches!(file.stage, FileStage::Sent(..) | FileStage::Shown(_));
            file.owner == owner && !is_named
        });
        let unsent: Vec<_> = unsent.map(|file| (file.id, file.number)).collect();
        for (id, number) in unsent {
            self.put(id, number, None);
        }
    }

    /// Checks that an `avatar` of this person's choice names a picture that is theirs, is whole and
    /// is not named yet; or none of this server's.
    pub(crate) fn may_show(&self, owner: UserId, avatar: Option<&str>) -> Result<(), FileRefusal> {
        let Some(id) = avatar.and_then(picture_of) else {
            return Ok(());
        };
        let file = self.pending(id)?;
        let is_theirs = file.owner == owner && matches!(file.stage, FileStage::Ready(_));
        is_theirs.then_some(()).ok_or(FileRefusal::NoSuchFile)
    }

    /// Puts one `avatar` in the place of another: a picture that it names is kept, one that it
    /// named is forgotten.
    pub(crate) fn show(&mut self, before: Option<&str>, after: Option<&str>) {
        if before == after {
            return;
        }
        if let Some(id) = before.and_then(picture_of) {
            self.forget(id);
        }
        let Some(file) = after
            .and_then(picture_of)
            .map(|id| self.pending(id).cloned())
        else {
            return;
        };
        if let Ok(file) = file
            && let FileStage::Ready(content) = file.stage
        {
            let shown = Arc::new(StoredFile {
                metadata: None,
                uploaded: None,
                stage: FileStage::Shown(content),
                ..StoredFile::clone(&file)
            });
            self.put(file.id, file.number, Some(shown));
        }
    }
}
