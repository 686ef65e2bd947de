//! Copying the folder for a backup, and holding it against what the data file says of it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::finish::checksum_of;
use super::folder::{Folder, Part, lock_of, sync_folder};
use crate::model::FileId;
use crate::store::{FileContent, Preview};

/// Keeps whoever has the data from unlinking files: those that a copy of the data names are there
/// for as long as this is.
#[derive(Debug)]
pub struct FolderLock(#[expect(dead_code, reason = "it is held, not used")] File);

impl FolderLock {
    /// Takes it, once nothing is being unlinked. `None` where there is no folder.
    pub fn of(root: &Path) -> io::Result<Option<Self>> {
        if !root.is_dir() {
            return Ok(None);
        }
        let lock = lock_of(root)?;
        lock.lock_shared()?;
        Ok(Some(Self(lock)))
    }
}

/// What is wrong with a file, or what lies there without being named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spare {
    /// It is not there.
    Missing(FileId),
    /// It is there and is another.
    Altered(FileId),
    /// It is there, and the data file does not name it.
    Spare(FileId),
}

/// The parts of a whole file: of each its size and its checksum.
fn parts(content: &FileContent) -> impl Iterator<Item = (Part, u64, u32)> + use<> {
    let whole = (Part::Whole, content.size, content.checksum);
    let preview = |preview: Preview| (Part::Preview, preview.size, preview.checksum);
    std::iter::once(whole).chain(content.preview.map(preview))
}

/// Copies these files into another folder, as far as they are not there already: by hard links
/// where that is asked for and can be, else by the kernel, which shares the blocks where the file
/// system lets it. Returns those that are not in the first folder.
pub fn copy_files(
    from: &Path,
    to: &Path,
    files: &[(FileId, FileContent)],
    by_links: bool,
    watch: &mut dyn FnMut(u64),
) -> io::Result<Vec<FileId>> {
    let (source, target) = (Folder::at(from.to_owned()), Folder::at(to.to_owned()));
    let mut missing = Vec::new();
    let mut bytes = 0;
    for (id, content) in files {
        let mut is_missing = false;
        for (part, size, _) in parts(content) {
            is_missing |= !copy_part(&source, &target, (*id, part), size, by_links)?;
            bytes += size;
            watch(bytes);
        }
        if is_missing {
            missing.push(*id);
        }
    }
    Ok(missing)
}

/// Copies one part. Returns whether it is there by then.
fn copy_part(
    source: &Folder,
    target: &Folder,
    (id, part): (FileId, Part),
    size: u64,
    by_links: bool,
) -> io::Result<bool> {
    let (from, to) = (source.path(id, part), target.path(id, part));
    if fs::metadata(&to).is_ok_and(|there| there.len() == size) {
        return Ok(true);
    }
    let input = match File::open(&from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        input => input?,
    };
    target.make_for(id)?;
    if by_links && fs::hard_link(&from, &to).is_ok() {
        sync_folder(to.parent().unwrap_or(Path::new(".")))?;
        return Ok(true);
    }
    let copy = target.create(id, Part::New)?;
    io::copy(&mut &input, &mut &copy)?;
    copy.sync_all()?;
    target.rename(id, Part::New, part)?;
    Ok(true)
}

/// Reads these files through. `all` of them are those that the data file names, unless uploads may
/// have come since.
pub fn verify_files(
    root: &Path,
    files: &[(FileId, FileContent)],
    known: Option<&[FileId]>,
    watch: &mut dyn FnMut(u64),
) -> io::Result<Vec<Spare>> {
    let folder = Folder::at(root.to_owned());
    let mut wrong = Vec::new();
    let mut bytes = 0;
    for (id, content) in files {
        for (part, size, checksum) in parts(content) {
            match folder.open(*id, part) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    wrong.push(Spare::Missing(*id));
                }
                Err(error) => return Err(error),
                Ok(file) if checksum_of(&file)? != (size, checksum) => {
                    wrong.push(Spare::Altered(*id));
                }
                Ok(_) => {}
            }
            bytes += size;
            watch(bytes);
        }
    }
    if let Some(known) = known {
        let there = folder.list()?.into_iter();
        wrong.extend(there.filter(|id| !known.contains(id)).map(Spare::Spare));
    }
    Ok(wrong)
}

/// Describes a file that lies in a folder, by its bytes alone.
pub fn describe_file(root: &Path, id: FileId) -> io::Result<FileContent> {
    let folder = Folder::at(root.to_owned());
    let mut content = folder.described(id)?;
    content.preview = folder.described_preview(id)?;
    Ok(content)
}
