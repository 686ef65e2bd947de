//! A file in the making: whole under its name, or not there.

use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rand::distr::{Alphanumeric, SampleString};
use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};

use super::MaintainError;
use super::lines::FORMAT;
use crate::metrics::StoreMetrics;
use crate::store::disk::error::OpenError;
use crate::store::disk::medium::{self, LockedFile, Medium};

/// Ends the name of every file in the making.
const ENDING: &[u8] = b".partial";
/// What commands make for a moment is called so, behind the name of the data file.
const ASIDE: [&[u8]; 3] = [b".backup", b".check", b".export"];
/// An hour: what nobody wrote to for so long is not being made, not even by another machine, whose
/// lock may not be seen here.
const SURELY_LEFT: Duration = Duration::from_secs(60 * 60);
/// Letters and digits before that: 71 bits, so that a name cannot be put there before the file is.
const RANDOM_CHARS: usize = 12;
/// What is behind the name that the file is to have: a dot and both of these.
const PARTIAL_CHARS: usize = 1 + RANDOM_CHARS + ENDING.len();
/// So many names are tried. One is enough, unless another process clears it away before it is
/// locked.
const TRIES: usize = 16;
/// How each data file begins, by redb's own description of its format.
pub(super) const DATABASE: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";

/// A file that is written under the name of another with a random part and `.partial` after it:
/// made anew, so that no link and no file of another user is followed or filled; locked, readable
/// to its owner only, and removed unless it is kept. What a killed process left is cleared away by
/// the next one.
#[derive(Debug)]
pub struct Partial {
    path: PathBuf,
    target: PathBuf,
    file: Arc<LockedFile>,
    kept: bool,
}

impl Partial {
    /// Begins a file that is to be called `target`, whether or not that is there.
    pub fn create(target: &Path) -> Result<Self, MaintainError> {
        clear_leftovers(target);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let mut tries = 0;
        loop {
            tries += 1;
            let path = partial_name(target);
            let file = match LockedFile::open_with(&path, &options) {
                Ok(file) => file,
                Err(OpenError::InUse { .. }) if tries < TRIES => continue,
                Err(OpenError::Io(error))
                    if error.kind() == io::ErrorKind::AlreadyExists && tries < TRIES =>
                {
                    continue;
                }
                Err(OpenError::Io(error)) => return Err(MaintainError::io("make", &path)(error)),
                Err(error) => return Err(error.into()),
            };
            let partial = Self {
                path,
                target: target.to_owned(),
                file: Arc::new(file),
                kept: false,
            };
            // Whatever mask the process has.
            partial.doing("write", |file| {
                file.set_permissions(std::fs::Permissions::from_mode(0o600))
            })?;
            return Ok(partial);
        }
    }

    /// [`Partial::create`] of a file that must not be there. Clears away as well what killed
    /// processes left in its folder under other names, since that of each night may be called by
    /// the day.
    pub fn create_new(target: &Path) -> Result<Self, MaintainError> {
        if target.symlink_metadata().is_ok() {
            return Err(MaintainError::Exists(target.to_owned()));
        }
        clear(target, is_partial, |path| is_leftover(path, SURELY_LEFT));
        Self::create(target)
    }

    /// To write it as bytes.
    pub fn file(&self) -> &File {
        self.file.file()
    }

    /// What it is to be called.
    pub fn target(&self) -> &Path {
        &self.target
    }

    pub(super) fn medium(&self) -> Arc<dyn Medium> {
        Arc::clone(&self.file) as Arc<dyn Medium>
    }

    /// Has its syncs counted by these.
    pub(super) fn counted(self, metrics: StoreMetrics) -> Self {
        self.file.count_by(metrics);
        self
    }

    /// Takes the file's name away: it is gone once nobody has it open.
    pub(crate) fn unlinked(mut self) -> Result<File, MaintainError> {
        let file = self.doing("open", File::try_clone)?;
        std::fs::remove_file(&self.path).map_err(MaintainError::io("remove", &self.path))?;
        self.kept = true;
        Ok(file)
    }

    /// Makes it durable under its name, which must be free.
    pub fn keep(self) -> Result<(), MaintainError> {
        self.doing("write", File::sync_all)?;
        match renameat_with(CWD, &self.path, CWD, &self.target, RenameFlags::NOREPLACE) {
            Ok(()) => self.done(),
            Err(rustix::io::Errno::EXIST) => Err(MaintainError::Exists(self.target.clone())),
            // The file system does not know how; a second name for the same file is refused just as
            // well.
            Err(_) => match std::fs::hard_link(&self.path, &self.target) {
                Ok(()) => sync_folder(&self.target),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    Err(MaintainError::Exists(self.target.clone()))
                }
                Err(error) => Err(MaintainError::io("make", &self.target)(error)),
            },
        }
    }

    /// Makes it durable in the place of what has its name, which is there until the moment when
    /// this one is.
    pub fn replace(self) -> Result<(), MaintainError> {
        self.take_after_old()?;
        std::fs::rename(&self.path, &self.target)
            .map_err(MaintainError::io("replace", &self.target))?;
        self.done()
    }

    /// The same for a file that is synced, and at whose name others wait: once it has the name,
    /// that is so, whether or not the name is durable. Returns the name where it is not.
    pub(super) fn take_name(mut self) -> Result<Option<PathBuf>, MaintainError> {
        std::fs::rename(&self.path, &self.target)
            .map_err(MaintainError::io("replace", &self.target))?;
        self.kept = true;
        Ok(match medium::sync_folder(&self.target) {
            Ok(()) => None,
            Err(error) => {
                tracing::error!(%error, "the folder of the data file cannot be synced");
                Some(self.target.clone())
            }
        })
    }

    /// Makes it its owner's, and readable to those to whom what has its name is.
    pub(super) fn take_after_old(&self) -> Result<(), MaintainError> {
        if let Ok(old) = std::fs::metadata(&self.target) {
            self.doing("write", |file| file.set_permissions(old.permissions()))?;
            // The superuser does it for whoever runs the server, who must be able to open it.
            let (user, group) = (old.uid(), old.gid());
            if self.doing("read", File::metadata)?.uid() != user {
                self.doing("write", |file| fchown(file, Some(user), Some(group)))?;
            }
        }
        self.doing("write", File::sync_all)
    }

    fn done(mut self) -> Result<(), MaintainError> {
        self.kept = true;
        sync_folder(&self.target)
    }

    fn doing<R>(
        &self,
        what: &'static str,
        work: impl FnOnce(&File) -> io::Result<R>,
    ) -> Result<R, MaintainError> {
        work(self.file()).map_err(MaintainError::io(what, &self.path))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed is cleared away by the next one.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Returns whether an open file is on the disk of another; so it is where nobody knows.
pub(super) fn is_on_disk_of(file: &File, other: &Path) -> bool {
    let (file, other) = (file.metadata(), std::fs::metadata(other));
    let both = file.ok().zip(other.ok());
    both.is_none_or(|(file, other)| file.dev() == other.dev())
}

/// Makes names in the folder of a file durable.
pub(super) fn sync_folder(of: &Path) -> Result<(), MaintainError> {
    medium::sync_folder(of).map_err(MaintainError::io("sync the folder of", of))
}

/// `NAME.` and random letters and `.partial`.
fn partial_name(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().as_bytes().to_vec();
    name.push(b'.');
    let random = Alphanumeric.sample_string(&mut rand::rng(), RANDOM_CHARS);
    name.extend_from_slice(random.as_bytes());
    name.extend_from_slice(ENDING);
    OsString::from_vec(name).into()
}

/// Whether a name is one that [`partial_name`] gives, or the one that earlier versions gave.
fn is_partial_of(target: &[u8], name: &[u8]) -> bool {
    match name.strip_prefix(target) {
        Some(rest) => rest == ENDING || rest.len() == PARTIAL_CHARS && is_partial(rest),
        None => false,
    }
}

/// Whether a name is one that [`partial_name`] gives, whatever the file was to be called.
fn is_partial(name: &[u8]) -> bool {
    let random = name.strip_suffix(ENDING);
    let random = random.and_then(|name| name.split_last_chunk::<{ RANDOM_CHARS + 1 }>());
    random.is_some_and(|(_, [dot, random @ ..])| {
        *dot == b'.' && random.iter().all(u8::is_ascii_alphanumeric)
    })
}

/// Removes what killed processes left of files that were to be called `target`, or that commands
/// made beside it. A leftover that is in the way of nothing else is only looked for where this is
/// cheap: in the folder, once.
pub(crate) fn clear_leftovers(target: &Path) {
    let Some(own) = target.file_name().map(OsStrExt::as_bytes) else {
        return;
    };
    let is_own = |name: &[u8]| {
        let is_aside = |purpose: &&[u8]| is_partial_of(&[own, purpose].concat(), name);
        is_partial_of(own, name) || ASIDE.iter().any(is_aside)
    };
    clear(target, is_own, |path| is_leftover(path, Duration::ZERO));
}

/// Removes files beside this one, by their names and what they are.
fn clear(beside: &Path, is_named: impl Fn(&[u8]) -> bool, is_left: impl Fn(&Path) -> bool) {
    let Ok(entries) = std::fs::read_dir(folder_of(beside)) else {
        return;
    };
    for entry in entries.flatten() {
        if is_named(entry.file_name().as_bytes()) && is_left(&entry.path()) {
            // What cannot be removed is in nobody's way.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether a file is one that a process of this user left in the making: a regular one of this user
/// alone, under one name, locked by no process, not written to for so long, and empty or begun as a
/// data file or as an export.
fn is_leftover(path: &Path, left_for: Duration) -> bool {
    let is_ours = |found: &Metadata| {
        found.is_file()
            && found.uid() == rustix::process::geteuid().as_raw()
            && found.nlink() == 1
            && found.mode() & 0o7777 == 0o600
            && (left_for.is_zero() || was_left_for(found, left_for))
    };
    if !path.symlink_metadata().is_ok_and(|found| is_ours(&found)) {
        return false;
    }
    let no_follow = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(no_follow)
        .open(path);
    let Ok(file) = opened else {
        return false;
    };
    if file.try_lock().is_err() || !file.metadata().is_ok_and(|found| is_ours(&found)) {
        return false;
    }
    let export = format!("{{\"format\":\"{FORMAT}\"");
    let mut begin = vec![0; export.len().max(DATABASE.len())];
    match file.read_at(&mut begin, 0) {
        // Others make such, too.
        Ok(0) => left_for.is_zero(),
        Ok(_) => begin.starts_with(DATABASE) || begin.starts_with(export.as_bytes()),
        Err(_) => false,
    }
}

/// Whether a file was not written to for so long. One of a time to come was so just now.
fn was_left_for(found: &Metadata, long: Duration) -> bool {
    let written = found.modified().ok();
    let ago = written.and_then(|written| written.elapsed().ok());
    ago.is_some_and(|ago| ago >= long)
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// A link that stood at `NAME.partial` was followed, and what it led to was filled.
    #[test]
    fn a_file_in_the_making_follows_no_link_and_fills_no_file_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("theirs"), "theirs").unwrap();
        symlink(at("theirs"), at("copy.partial")).unwrap();
        symlink(at("nowhere"), at("copy.aaaaaaaaaaaa.partial")).unwrap();
        std::fs::hard_link(at("theirs"), at("copy.bbbbbbbbbbbb.partial")).unwrap();
        let before = names(folder.path());
        let partial = Partial::create(&at("copy")).unwrap();
        let made: Vec<_> = names(folder.path())
            .into_iter()
            .filter(|name| !before.contains(name))
            .collect();
        let [made] = &made[..] else {
            panic!("{made:?}");
        };
        assert!(is_partial_of(b"copy", made.as_bytes()), "{made}");
        let mode = at(made).symlink_metadata().unwrap().mode();
        assert_eq!(mode, 0o100_600, "{mode:o}");
        partial.file().write_at(b"ours", 0).unwrap();
        drop(partial);
        assert_eq!(names(folder.path()), before);
        assert_eq!(std::fs::read(at("theirs")).unwrap(), b"theirs");
        // Another name each time.
        let one = Partial::create(&at("copy")).unwrap();
        let two = Partial::create(&at("copy")).unwrap();
        assert_ne!(one.path, two.path);
        one.keep().unwrap();
        assert!(matches!(two.keep(), Err(MaintainError::Exists(_))));
    }

    #[test]
    fn what_a_killed_process_left_is_cleared_away_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let put = |name: &str, mode: u32, text: &[u8]| {
            std::fs::write(at(name), text).unwrap();
            std::fs::set_permissions(at(name), PermissionsExt::from_mode(mode)).unwrap();
        };
        let database = b"redb\x1a\x0a\xa9\x0d\x0a and more";
        put("copy.abcdefABCDEF.partial", 0o600, database);
        put("copy.partial", 0o600, b"");
        put(
            "copy.012345678901.partial",
            0o600,
            b"{\"format\":\"chatd-export\",\"version\":1",
        );
        let kept = [
            ("copy", 0o600, &database[..]),
            ("copy.abc.partial", 0o600, database),
            ("copy.abcdef-BCDEF.partial", 0o600, database),
            ("copy.abcdefghijkl.partial", 0o600, b"of another program"),
            ("copy.abcdefghijkm.partial", 0o644, database),
            ("other.abcdefABCDEF.partial", 0o600, database),
        ];
        for (name, mode, text) in kept {
            put(name, mode, text);
        }
        let mut left: Vec<_> = kept.iter().map(|(name, ..)| (*name).to_owned()).collect();
        left.sort();
        drop(Partial::create(&at("copy")).unwrap());
        assert_eq!(names(folder.path()), left);
        // One that a living process writes.
        let living = Partial::create(&at("copy")).unwrap();
        drop(Partial::create(&at("copy")).unwrap());
        assert!(living.path.exists());
    }

    /// A backup of each night, called by the day, that was killed once was there for ever.
    #[test]
    fn what_was_left_under_other_names_is_cleared_away_once_that_is_sure() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let put = |name: &str, text: &[u8], hours: u64| {
            let file = File::create(at(name)).unwrap();
            file.write_at(text, 0).unwrap();
            file.set_permissions(PermissionsExt::from_mode(0o600))
                .unwrap();
            let left_for = Duration::from_secs(hours * 60 * 60);
            let written = std::time::SystemTime::now() - left_for;
            file.set_modified(written).unwrap();
            file
        };
        let database = b"redb\x1a\x0a\xa9\x0d\x0a and more";
        put("monday.abcdefABCDEF.partial", database, 24);
        let kept = [
            put("monday", database, 24),
            put("tuesday.abcdefABCDEF.partial", database, 0),
            put("wednesday.abcdefABCDEF.partial", b"of another", 24),
            put("thursday.abcdefABCDEF.partial", b"", 24),
            put("friday.partial", database, 24),
        ];
        let living = put("saturday.abcdefABCDEF.partial", database, 24);
        living.lock().unwrap();
        let all = names(folder.path());
        drop(Partial::create(&at("sunday")).unwrap());
        assert_eq!(names(folder.path()), all, "one that goes beside the data");
        drop(Partial::create_new(&at("sunday")).unwrap());
        let left = names(folder.path());
        assert!(!left.contains(&"monday.abcdefABCDEF.partial".to_owned()));
        assert_eq!(left.len(), kept.len() + 1, "{left:?}");
    }

    /// What a command leaves that asked a server was there until the same one was given again.
    #[test]
    fn what_commands_left_beside_the_data_goes_with_its_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for purpose in ["backup", "check", "export", "others"] {
            let name = at(&format!("chatd.redb.{purpose}.abcdefABCDEF.partial"));
            std::fs::write(&name, b"redb\x1a\x0a\xa9\x0d\x0a and more").unwrap();
            std::fs::set_permissions(&name, PermissionsExt::from_mode(0o600)).unwrap();
        }
        clear_leftovers(&at("chatd.redb"));
        let others = "chatd.redb.others.abcdefABCDEF.partial";
        assert_eq!(names(folder.path()), [others]);
    }
}
