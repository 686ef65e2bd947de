//! What went wrong, in one line that says what to do.

use std::error::Error;
use std::fmt::Write;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::store::{OpenError, maintain};

/// An error and its causes, once each.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// Returns why nothing can be listened to.
pub(super) fn bind(address: SocketAddr, error: &std::io::Error) -> String {
    let advice = match error.kind() {
        ErrorKind::AddrInUse => {
            "the port is in use: stop the other program, or give another --port"
        }
        ErrorKind::PermissionDenied => {
            "ports below 1024 need a permission: give a --port from 1024 on, or a unit of systemd that was made for it (chatd --port 443 systemd-unit), or let systemd hold the port (chatd systemd-unit --socket)"
        }
        ErrorKind::AddrNotAvailable => {
            "this machine does not have that address: give another --host"
        }
        _ => return format!("cannot listen on {address}: {error}"),
    };
    format!("cannot listen on {address}: {advice}")
}

/// Returns why a data file was not opened.
pub(super) fn open(data: &Path, error: &OpenError) -> String {
    let refusal = match error {
        OpenError::Io(cause) => Some(cause.kind()),
        // A disk that is full while the file is made, or brought to this format, is no damage.
        OpenError::Damaged(cause) => cause.refusal(),
        _ => None,
    };
    of_data(data, refusal, error)
}

/// Returns why there is no data file to be used.
pub(super) fn no_data(data: &Path, error: &std::io::Error) -> String {
    of_data(data, Some(error.kind()), error)
}

/// Returns what went wrong with a data file: what is to be done about what the operating system
/// refused, or the causes.
fn of_data(data: &Path, refusal: Option<ErrorKind>, error: &dyn Error) -> String {
    let advice = refusal.and_then(|kind| path(data, kind));
    let advice = advice.unwrap_or_else(|| chain(error));
    format!("{}: {advice}", data.display())
}

/// Returns what is to be done about a path that cannot be opened for reading and writing.
pub(super) fn path(data: &Path, kind: ErrorKind) -> Option<String> {
    let folder = folder(data).display();
    Some(match kind {
        ErrorKind::NotFound if self::folder(data).is_dir() => {
            "there is no such data file: run this in its folder, or name it by --data FILE".into()
        }
        ErrorKind::NotFound => {
            format!("there is no folder {folder}: make it, or give another --data")
        }
        ErrorKind::NotADirectory => {
            format!("{folder} is no folder: give another --data")
        }
        ErrorKind::IsADirectory => format!(
            "that is a folder: name a file in it, as by --data {}",
            data.join("chatd.redb").display()
        ),
        ErrorKind::PermissionDenied => {
            let place = if data.exists() {
                data
            } else {
                self::folder(data)
            };
            let owner = std::fs::metadata(place).map_or_else(
                |_| "another user's".to_owned(),
                |place| format!("user {}'s", place.uid()),
            );
            format!(
                "{} is {owner}, and this program runs as user {}: run it as that one, or give another --data",
                place.display(),
                rustix::process::geteuid()
            )
        }
        ErrorKind::ReadOnlyFilesystem => {
            format!("{folder} can only be read: mount it writable, or give another --data")
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            format!("the disk of {folder} is full: make room")
        }
        _ => return None,
    })
}

/// The folder that a file lies in.
pub(super) fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Returns what stopped the work on a data file.
pub(super) fn maintain(data: &Path, error: &maintain::MaintainError) -> String {
    use maintain::MaintainError as Failure;
    match error {
        Failure::Open(error) => open(data, error),
        Failure::Store(cause) => of_data(data, cause.refusal(), error),
        Failure::Incomplete | Failure::UnknownTable(_) => of_data(data, None, error),
        _ => chain(error),
    }
}

/// Returns what stopped the making of a copy of a data file. A disk that is full is the copy's:
/// nothing is written to the other.
pub(super) fn copy(data: &Path, copy: &Path, error: &maintain::MaintainError) -> String {
    let is_full = |kind| matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    match error {
        maintain::MaintainError::Store(cause) if cause.refusal().is_some_and(is_full) => {
            maintain(copy, error)
        }
        error => maintain(data, error),
    }
}

/// Wrong flags, in one line: what clap says, without its usage.
pub(super) fn usage(error: &clap::Error) -> String {
    let text = error.to_string();
    let said = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .filter(|line| !line.is_empty());
    let said: Vec<&str> = said.collect();
    // What is listed below a colon stands behind it.
    let said = without_logins(&said.join("; ").replace(":; ", ": "));
    format!(
        "{}; see chatd --help",
        said.strip_prefix("error: ").unwrap_or(&said)
    )
}

/// A text in which what stands before the @ of a URL is left out: a name, and a password mostly.
pub(super) fn without_logins(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        plain.extend([before, "://"]);
        let end = after.find([' ', '\'']).unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(at) => {
                plain.push('…');
                &after[at..]
            }
            None => after,
        };
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn what_is_missing_is_named_in_one_line() {
        let command = clap::Command::new("chatd").args([
            clap::Arg::new("FILE").required(true),
            clap::Arg::new("TO").required(true),
        ]);
        let error = command.try_get_matches_from(["chatd"]).unwrap_err();
        assert_eq!(
            usage(&error),
            "the following required arguments were not provided: <FILE>; <TO>; see chatd --help"
        );
    }

    /// A unit that was made for another port could not listen at 443, and no word led to the mend.
    #[test]
    fn a_port_below_1024_is_told_where_its_permission_comes_from() {
        let said = bind(
            ([0, 0, 0, 0], 443).into(),
            &ErrorKind::PermissionDenied.into(),
        );
        assert!(said.contains("chatd --port 443 systemd-unit"), "{said}");
    }

    #[test]
    fn the_password_of_a_url_is_in_no_error() {
        for (text, plain) in [
            ("https://ada:geheim@x/y: no", "https://…@x/y: no"),
            (
                "'https://a:b@c' and http://d:e/f@g h",
                "'https://…@c' and http://…@g h",
            ),
            ("https://x/y, ada@x", "https://x/y, ada@x"),
            ("ada@x", "ada@x"),
        ] {
            assert_eq!(without_logins(text), plain);
        }
    }

    #[test]
    fn each_trouble_with_a_path_has_its_mend() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("chatd.redb");
        let nowhere = folder.path().join("no/chatd.redb");
        for (data, kind, words) in [
            (&data, ErrorKind::NotFound, "no such data file"),
            (&nowhere, ErrorKind::NotFound, "make it, or give another"),
            (&data, ErrorKind::IsADirectory, "name a file in it"),
            (&data, ErrorKind::PermissionDenied, "run it as that one"),
            (&data, ErrorKind::ReadOnlyFilesystem, "mount it writable"),
            (&data, ErrorKind::StorageFull, "make room"),
        ] {
            let said = path(data, kind).unwrap();
            assert!(said.contains(words), "{kind}: {said}");
        }
        assert_eq!(path(&data, ErrorKind::Interrupted), None);
        assert_eq!(super::folder(Path::new("chatd.redb")), Path::new("."));
    }

    /// A command sent its user to `chatd check`, or to a backup, which find nothing wrong.
    #[test]
    fn a_disk_that_is_full_is_not_called_damage() {
        let data = Path::new("folder/chatd.redb");
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
            let expected = "folder/chatd.redb: the disk of folder is full: make room";
            let opening = OpenError::Damaged(StoreError::refused(kind));
            assert_eq!(open(data, &opening), expected);
            let opening = maintain::MaintainError::Open(opening);
            assert_eq!(super::maintain(data, &opening), expected);
            let working = maintain::MaintainError::Store(StoreError::refused(kind));
            assert_eq!(super::maintain(data, &working), expected);
            let said = copy(data, Path::new("elsewhere/copy"), &working);
            assert_eq!(
                said,
                "elsewhere/copy: the disk of elsewhere is full: make room"
            );
        }
        let damage = OpenError::Damaged(StoreError::refused(ErrorKind::InvalidData));
        assert!(open(data, &damage).contains("restore a backup"));
    }
}
