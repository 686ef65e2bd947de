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
    let preview = |preview: Preview| {
        let is_second = preview.is_second;
        (Part::Preview { is_second }, preview.size, preview.checksum)
    };
    std::iter::once(whole).chain(content.preview.map(preview))
}

/// How files are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copying {
    /// By hard links, where that can be.
    pub by_links: bool,
    /// Those too whose bytes are not what the data file says.
    pub with_altered: bool,
}

/// What a copy lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lacking {
    /// They are not in the first folder.
    pub missing: Vec<FileId>,
    /// Their bytes are not what the data file says.
    pub altered: Vec<FileId>,
}

/// Copies these files into another folder, as far as they are not there already: by hard links
/// where that is asked for and can be, else by the kernel, which shares the blocks where the file
/// system lets it. Every file is read through.
pub fn copy_files(
    from: &Path,
    to: &Path,
    files: &[(FileId, FileContent)],
    copying: Copying,
    watch: &mut dyn FnMut(u64),
) -> io::Result<Lacking> {
    let (source, target) = (Folder::at(from.to_owned()), Folder::at(to.to_owned()));
    let mut lacking = Lacking::default();
    let mut bytes = 0;
    for (id, content) in files {
        let mut worst = None;
        for (part, size, checksum) in parts(content) {
            let wrong = copy_part(&source, &target, (*id, part), (size, checksum), copying)?;
            worst = worst.max(wrong);
            bytes += size;
            watch(bytes);
        }
        match worst {
            None => {}
            Some(Wrong::Altered) => lacking.altered.push(*id),
            Some(Wrong::Missing) => lacking.missing.push(*id),
        }
    }
    Ok(lacking)
}

/// What is wrong with a part, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wrong {
    Altered,
    Missing,
}

/// Copies one part. Returns what is wrong with it.
fn copy_part(
    source: &Folder,
    target: &Folder,
    (id, part): (FileId, Part),
    expected: (u64, u32),
    copying: Copying,
) -> io::Result<Option<Wrong>> {
    let (from, to) = (source.path(id, part), target.path(id, part));
    if is_sound(target.open(id, part), expected)? == Some(true) {
        return Ok(None);
    }
    let is_sound = match is_sound(source.open(id, part), expected)? {
        None => return Ok(Some(Wrong::Missing)),
        Some(false) if !copying.with_altered => return Ok(Some(Wrong::Altered)),
        Some(is_sound) => is_sound,
    };
    target.make_for(id)?;
    if copying.by_links && fs::hard_link(&from, &to).is_ok() {
        sync_folder(to.parent().unwrap_or(Path::new(".")))?;
    } else {
        let copy = target.create(id, Part::New)?;
        io::copy(&mut source.open(id, part)?, &mut &copy)?;
        copy.sync_all()?;
        target.rename(id, Part::New, part)?;
    }
    Ok((!is_sound).then_some(Wrong::Altered))
}

/// Returns whether a file is of this size and checksum; `None` where there is none.
fn is_sound(file: io::Result<File>, expected: (u64, u32)) -> io::Result<Option<bool>> {
    match file {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => Ok(Some(checksum_of(&file?)? == expected)),
    }
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
            match is_sound(folder.open(*id, part), (size, checksum))? {
                None => wrong.push(Spare::Missing(*id)),
                Some(false) => wrong.push(Spare::Altered(*id)),
                Some(true) => {}
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

/// Describes a file that lies in a folder, by its bytes alone; `None` where it does not lie there.
pub fn describe_file(root: &Path, id: FileId) -> io::Result<Option<FileContent>> {
    let folder = Folder::at(root.to_owned());
    let mut content = match folder.described(id) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        content => content?,
    };
    content.preview = folder.described_preview(id)?;
    Ok(Some(content))
}
