//! The verbs of files: uploading, opening, forgetting. The bytes lie in a folder beside the data
//! file, which knows of each file whose it is and which message it hangs on.
//!
//! ```text
//! upload.rs     beginning, writing and ending an upload; session.rs: one writer at a time;
//!               places.rs: who writes at once; quota.rs: how many bytes may still come
//! finish.rs     what is whole gets its type, loses what tells of its maker, and gets its name
//! reading.rs    opening what a URL opens
//! janitor.rs    unlinking what is gone; what no message names, after a day
//! copy.rs       copying the folder for a backup, and holding it against the data file;
//!               archive.rs: the same as one archive
//! folder.rs     where the bytes lie
//! kind.rs, clean.rs, exif.rs, boxes.rs, items.rs, samples.rs, jxl.rs, tiff.rs, mp3.rs,
//! ogg.rs, flac.rs, script.rs, matroska.rs
//!               what bytes say of themselves; window.rs: reading and writing them bit by bit
//! ```
//!
//! The order in which things reach the disk: the row of an upload, then its bytes; the bytes of a
//! whole file under their own name, then its row; a message that is erased and the rows of its
//! files together, then the bytes are unlinked. So a crash leaves at worst bytes too many, which
//! the next start sets aside, and never a message whose file is not whole.

mod archive;
mod boxes;
mod clean;
mod copy;
mod error;
mod exif;
mod finish;
mod flac;
mod folder;
mod items;
mod janitor;
mod jxl;
mod kind;
mod matroska;
mod mp3;
mod ogg;
mod places;
mod quota;
mod reading;
mod samples;
mod script;
mod session;
mod tiff;
mod upload;
mod verbs;
mod window;

pub use archive::Archive;
pub use copy::{Copying, FolderLock, Lacking, Spare, copy_files, describe_file, verify_files};
pub use error::FileError;
pub use places::Uploader;
pub use reading::OpenFile;
pub use upload::{MAX_PICTURE_BYTES, MAX_PREVIEW_BYTES};
pub use verbs::{DEFAULT_MAX_FILE, Files, FilesConfig};

pub use crate::store::{FileContent, FileStage, StoredFile};
