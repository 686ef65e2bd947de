//! The folder of files, beside what commands do with the data file.

use std::path::{Path, PathBuf};

use super::bar::Bar;
use super::output::say;
use crate::files::{Copying, Lacking, Spare, copy_files, verify_files};
use crate::model::FileId;
use crate::store::maintain::{Progress, Unit};
use crate::store::{FileContent, StoredFile};

/// So many files that are missing are named one by one.
const NAMED: usize = 20;

/// Returns the folder of the files of a data file, a backup or an export: beside it.
pub(super) fn folder_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".files");
    name.into()
}

/// Returns those that are whole: of the others a copy has no need.
pub(super) fn whole(files: &[StoredFile]) -> Vec<(FileId, FileContent)> {
    let whole = files
        .iter()
        .filter_map(|file| Some((file.id, *file.content()?)));
    whole.collect()
}

/// The bytes of these files.
fn bytes(files: &[(FileId, FileContent)]) -> u64 {
    files.iter().map(|(_, content)| content.bytes()).sum()
}

/// Shows how far a copy, or a check, of so many bytes is.
fn shown<'a>(bar: &'a mut Bar, what: &'static str, total: u64) -> impl FnMut(u64) + use<'a> {
    move |done| {
        bar.show(Progress {
            what,
            done,
            total,
            unit: Unit::Bytes,
        });
    }
}

/// Copies files that another folder does not have yet. Returns what is missing or damaged.
pub(super) fn copy(
    from: &Path,
    to: &Path,
    files: &[(FileId, FileContent)],
    copying: Copying,
    bar: &mut Bar,
) -> Result<Lacking, String> {
    let mut show = shown(bar, "copying files", bytes(files));
    copy_files(from, to, files, copying, &mut show).map_err(|error| {
        let (from, to) = (from.display(), to.display());
        format!("the files of {from} cannot be copied to {to}: {error}")
    })
}

/// Said where there are such in a data file that was restored or imported.
pub(super) const PAUSED: &str = "its keys of bots and backends, and its hooks, are paused until an administrator confirms each on the page";

/// Copies what there is, damaged or not.
pub(super) const ALL: Copying = Copying {
    by_links: false,
    with_altered: true,
};

/// Says which files are missing or damaged. Fails where some are.
pub(super) fn complete(lacking: &Lacking, place: &Path) -> Result<(), String> {
    let Lacking { missing, altered } = lacking;
    for (what, ids) in [("missing", missing), ("altered", altered)] {
        for id in ids.iter().take(NAMED) {
            say(&format!("{what}: {id}"));
        }
    }
    let (missing, altered, place) = (missing.len(), altered.len(), place.display());
    match (missing, altered) {
        (0, 0) => Ok(()),
        (_, 0) => Err(format!(
            "{missing} files are not in {place}: their messages are there without them"
        )),
        (0, _) => Err(format!(
            "{altered} files in {place} are not what was sent: they are copied as they are"
        )),
        (..) => Err(format!(
            "{missing} files are not in {place}, and {altered} are not what was sent"
        )),
    }
}

/// Says which files an import has left out.
pub(super) fn left_out(missing: &[FileId], place: &Path) {
    if missing.is_empty() {
        return;
    }
    let (count, place) = (missing.len(), place.display());
    say(&format!(
        "{count} files are not in {place}, or not whole, and were left out; the text of their messages is there:"
    ));
    for id in missing.iter().take(NAMED) {
        say(&format!("missing: {id}"));
    }
    if count > NAMED {
        say(&format!("missing: {} more", count - NAMED));
    }
}

/// Reads files through, and says what is wrong. Returns how many findings there are. `known` are
/// all that the data file knows of, where nothing else can lie there.
pub(super) fn verify(
    folder: &Path,
    files: &[(FileId, FileContent)],
    known: Option<&[FileId]>,
    bar: &mut Bar,
) -> Result<usize, String> {
    let mut show = shown(bar, "reading files", bytes(files));
    let wrong = verify_files(folder, files, known, &mut show);
    let wrong = wrong.map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
    for finding in &wrong {
        say(&match finding {
            Spare::Missing(id) => format!("file {id}: missing"),
            Spare::Altered(id) => format!("file {id}: altered"),
            Spare::Spare(id) => {
                format!("file {id}: named by nothing; the next start sets it aside")
            }
        });
    }
    let is_wrong = |finding: &&Spare| !matches!(finding, Spare::Spare(_));
    Ok(wrong.iter().filter(is_wrong).count())
}
