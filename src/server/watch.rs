//! Files that an operator may change while the server runs: keys and certificates.

use std::fs::Metadata;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::Reload;

/// 2 s: a changed file is in use before the operator looks. Asking costs one call of the kernel a
/// file; a notifier of the kernel would miss what mounted folders and replaced links do.
const INTERVAL: Duration = Duration::from_secs(2);

/// The marks by which a change of a file is seen: which one it is, how long, and when it, or who
/// may read it, was changed. A copy may keep its source's time, and a new key has the length of the
/// old one.
type Stamp = Option<[i64; 7]>;

fn stamp(metadata: std::io::Result<Metadata>) -> Stamp {
    let of = metadata.ok()?;
    Some([
        of.dev().cast_signed(),
        of.ino().cast_signed(),
        of.size().cast_signed(),
        of.mtime(),
        of.mtime_nsec(),
        of.ctime(),
        of.ctime_nsec(),
    ])
}

/// Reads the files at once, and again whenever one of them changes or `reload` asks for it, as
/// text. Never ends. A file that cannot be read changes nothing, nor does one that says the same: a
/// mounted folder may give a file another number whenever it is asked.
pub(super) async fn changes(
    files: &[PathBuf],
    reload: &Reload,
    mut changed: impl FnMut(&[String]),
) {
    let mut known: Option<Vec<Stamp>> = None;
    // Of keys a hash is kept, and not they themselves.
    let (hasher, mut said) = (RandomState::new(), None);
    let mut reader = reload.reader();
    let mut reading = None;
    loop {
        let paths = files.to_vec();
        let earlier = known.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let now: Vec<Stamp> = paths
                .iter()
                .map(|path| stamp(std::fs::metadata(path)))
                .collect();
            if earlier.as_ref() == Some(&now) {
                return None;
            }
            let texts: Result<Vec<String>, _> = paths.iter().map(std::fs::read_to_string).collect();
            Some((now, texts))
        });
        if let Ok(Some((now, texts))) = looked.await {
            known = Some(now);
            match texts {
                Ok(texts) => {
                    let says = Some(hasher.hash_one(&texts));
                    if std::mem::replace(&mut said, says) != says {
                        changed(&texts);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, ?files, "a file cannot be read; what it said before stays")
                }
            }
        }
        drop(reading.take());
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            asked = reader.asked() => (known, said, reading) = (None, None, asked),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes, Permissions, write};
    use std::os::unix::fs::PermissionsExt;
    use std::time::SystemTime;

    use super::*;

    /// A certificate that its tool had made unreadable for a moment was not read until a hangup,
    /// nor was another of the same time and length in its place.
    #[test]
    fn a_file_is_another_one_by_its_name_and_by_who_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let stamped = || stamp(std::fs::metadata(&path));
        assert_eq!(stamped(), None);
        let make = |path: &std::path::Path, text: &str| {
            write(path, text).unwrap();
            let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH);
            let file = File::options().write(true).open(path).unwrap();
            file.set_times(times).unwrap();
        };
        make(&path, "old");
        let old = stamped();
        assert_eq!(stamped(), old);
        let beside = folder.path().join("new");
        make(&beside, "new");
        std::fs::rename(&beside, &path).unwrap();
        let new = stamped();
        assert!(new != old, "{new:?}");
        let closed = std::fs::metadata(&path).unwrap().permissions();
        // As often as it takes the kernel's clock to tick.
        let is_seen = (0..1_000_000).any(|_| {
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            std::fs::set_permissions(&path, closed.clone()).unwrap();
            stamped() != new
        });
        assert!(is_seen);
    }

    #[tokio::test(start_paused = true)]
    async fn what_says_the_same_is_read_once_and_anew_when_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let (path, beside) = (folder.path().join("keys.json"), folder.path().join("new"));
        // In one step, as tools do it: no reader sees a half.
        let put = |text: &str| {
            write(&beside, text).unwrap();
            std::fs::rename(&beside, &path).unwrap();
        };
        put("one");
        let (reload, files) = (Reload::default(), [path.clone()]);
        let (sender, mut read) = tokio::sync::mpsc::unbounded_channel();
        let watching = changes(&files, &reload, |texts| {
            sender.send(texts[0].clone()).unwrap();
        });
        let using = async {
            assert_eq!(read.recv().await.unwrap(), "one");
            // Another file of the same words, and then one of others.
            put("one");
            tokio::time::sleep(2 * INTERVAL).await;
            assert!(read.try_recv().is_err());
            put("two");
            assert_eq!(read.recv().await.unwrap(), "two");
            reload.again().await;
            assert_eq!(read.recv().await.unwrap(), "two");
        };
        tokio::select! {
            () = watching => {}
            () = using => {}
        }
    }
}
