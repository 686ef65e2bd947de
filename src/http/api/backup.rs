//! `/api/admin/backup`: the data file as of now, while the server runs.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use crate::chat::{Backup, ChatError};
use crate::contract::documents::{Access, Operation};
use crate::contract::{Code, Refusal, reads};
use crate::files::Archive;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{Query, admin, operator};
use crate::web::{Body, RequestBody};

/// 64 KiB: how much of the file is in memory at once.
const CHUNK_BYTES: usize = 64 << 10;
/// 10 s: so often it is looked at how much of a backup was taken.
const WINDOW: Duration = Duration::from_secs(10);
/// 128 KiB: a client that takes less in that time loses its backup, so that another can be made. A
/// line of 100 Kibit/s takes as much.
const LEAST_BYTES: u64 = 128 << 10;
/// 1 MiB: the same while another is asked for.
const LEAST_WHILE_WANTED: u64 = 1 << 20;
/// By which the server's operator names a folder on another disk, for where the data's has no room.
pub const ELSEWHERE: &str = "chatd-elsewhere";
/// When to try again while another backup is made or sent.
const RETRY_AFTER_MS: u64 = 30_000;

reads! {
    /// What is wanted.
    Wanted from Query<'_> {
        /// Whether the files that people sent are wanted too: then it is a tar of both.
        optional files: bool,
    }
}

pub(in crate::http) const SHOW: Operation = Operation::new(
    Access::Admin,
    "A consistent copy of the data file, while the server runs. One at a time. The files that people sent are in it with \
     `files=true`: then it is a tar of `NAME.redb` and the folder `NAME.redb.files`, as `chatd restore NAME.redb` takes \
     them. `Chatd-Files` says how many there are, `Chatd-Files-Missing` how many of them are not on the disk.",
)
.query::<Wanted>()
.bare("application/octet-stream");

/// `GET /api/admin/backup`, for administrators: a consistent copy of the data file. One at a time;
/// a second is told to come back (`rate_limited`). The answer begins once the copy is made, which a
/// large file may take minutes for.
pub(in crate::http) async fn show(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    admin(app, request).await?;
    let files = Wanted::read(&Query::of(request))?.files;
    let elsewhere = elsewhere(request);
    stream(app, request.method(), files.unwrap_or_default(), elsewhere).await
}

/// Returns the folder that the operator names.
fn elsewhere(request: &Request<RequestBody>) -> Option<PathBuf> {
    operator(request).ok()?;
    let folder = request.headers().get(ELSEWHERE)?;
    Some(PathBuf::from(OsStr::from_bytes(folder.as_bytes())))
}

/// Returns why no backup was made.
fn refusal(error: ChatError) -> ApiError {
    match error {
        ChatError::Busy => Refusal::later(
            "another backup is under way, try again when it is done",
            RETRY_AFTER_MS,
        )
        .into(),
        // The words of talk are on messages.
        ChatError::Unavailable => Refusal::new(
            Code::StorageUnavailable,
            "no backup could be made, mostly for want of room on the disk: the server's log says why",
        )
        .into(),
        error => error.into(),
    }
}

/// A backup alone, or with the files.
enum Sent {
    Data(Backup),
    All(Archive),
}

impl Sent {
    fn size(&self) -> u64 {
        match self {
            Self::Data(backup) => backup.size(),
            Self::All(archive) => archive.size(),
        }
    }

    fn is_in_the_way(&self) -> bool {
        match self {
            Self::Data(backup) => backup.is_in_the_way(),
            Self::All(archive) => archive.is_in_the_way(),
        }
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Data(backup) => backup.read_at(offset, out),
            Self::All(archive) => archive.read_at(offset, out),
        }
    }
}

/// Makes a backup, with the files where they are wanted.
async fn made(
    app: &App,
    name: &str,
    with_files: bool,
    elsewhere: Option<PathBuf>,
) -> Result<Sent, ApiError> {
    let lock = match with_files {
        true => app.files.lock().await?,
        false => None,
    };
    let backup = app.chat.backup(elsewhere).await.map_err(refusal)?;
    if !with_files {
        return Ok(Sent::Data(backup));
    }
    let archive = app
        .files
        .archive(backup, lock, name.to_owned(), (app.clock)());
    Ok(Sent::All(archive.await?))
}

/// Does what [`show`] does, for a caller who may.
async fn stream(
    app: &App,
    method: &Method,
    with_files: bool,
    elsewhere: Option<PathBuf>,
) -> Result<Response<Body>, ApiError> {
    let time: String = (app.clock)()
        .to_string()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let mut name = format!("chatd-{time}.redb");
    let mut response = Response::new(Body::default());
    let headers = response.headers_mut();
    headers.insert("chatd-files", HeaderValue::from(app.files.usage().0));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // No copy is made of which only the head is wanted.
    if *method != Method::HEAD {
        let sent = made(app, &name, with_files, elsewhere).await?;
        if let Sent::All(archive) = &sent {
            let [files, missing] = archive.files();
            headers.insert("chatd-files", HeaderValue::from(files + missing));
            headers.insert("chatd-files-missing", HeaderValue::from(missing));
        }
        tracing::info!(bytes = sent.size(), with_files, "sending a backup");
        *response.body_mut() = Body::stream(BackupBody::new(sent));
    }
    if with_files {
        name.push_str(".tar");
    }
    let name = format!("attachment; filename=\"{name}\"");
    if let Ok(name) = HeaderValue::from_str(&name) {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// The state that the body and its watch share.
struct Sending<S> {
    /// `None` once the client was too slow.
    backup: Mutex<Option<Arc<S>>>,
    size: u64,
    sent: AtomicU64,
}

/// Takes a backup from a client that takes too little of it in each window. `is_wanted` says
/// whether another is asked for.
async fn watch<S>(sending: Weak<Sending<S>>, is_wanted: impl Fn(&S) -> bool) {
    let mut before = 0;
    loop {
        tokio::time::sleep(WINDOW).await;
        let Some(sending) = sending.upgrade() else {
            return;
        };
        let Some(backup) = sending.backup.lock().clone() else {
            return;
        };
        let least = match is_wanted(&backup) {
            true => LEAST_WHILE_WANTED,
            false => LEAST_BYTES,
        };
        let sent = sending.sent.load(Ordering::Relaxed);
        if sent == sending.size {
            // The end is on its way, and is read no more.
            sending.backup.lock().take();
            return;
        }
        if sent - before < least {
            tracing::warn!(
                sent,
                "a backup was given up, since its client takes too little of it"
            );
            sending.backup.lock().take();
            return;
        }
        before = sent;
    }
}

/// A backup, read piece by piece on threads that may block.
struct BackupBody {
    sending: Arc<Sending<Sent>>,
    size: u64,
    offset: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl BackupBody {
    fn new(backup: Sent) -> Self {
        let size = backup.size();
        let sending = Arc::new(Sending {
            backup: Mutex::new(Some(Arc::new(backup))),
            size,
            sent: AtomicU64::new(0),
        });
        tokio::spawn(watch(Arc::downgrade(&sending), Sent::is_in_the_way));
        Self {
            sending,
            size,
            offset: 0,
            reading: None,
        }
    }
}

impl hyper::body::Body for BackupBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.offset == self.size {
            return Poll::Ready(None);
        }
        let offset = self.offset;
        if self.reading.is_none() {
            let Some(backup) = self.sending.backup.lock().clone() else {
                return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
            };
            self.reading = Some(tokio::task::spawn_blocking(move || {
                let mut chunk = vec![0; CHUNK_BYTES];
                let count = backup.read_at(offset, &mut chunk)?;
                chunk.truncate(count);
                Ok(chunk.into())
            }));
        }
        let Some(reading) = &mut self.reading else {
            return Poll::Pending;
        };
        let read =
            ready!(Pin::new(reading).poll(context)).unwrap_or_else(|error| Err(error.into()));
        self.reading = None;
        Poll::Ready(Some(read.and_then(|chunk| {
            if chunk.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.offset += chunk.len() as u64;
            self.sending.sent.store(self.offset, Ordering::Relaxed);
            Ok(Frame::data(chunk))
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.offset == self.size
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.size - self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An administrator who wanted a backup was told to try again with the same client_id.
    #[test]
    fn who_gets_no_backup_for_want_of_room_is_not_told_of_messages() {
        let said = format!("{:?}", refusal(ChatError::Unavailable));
        assert!(said.contains("StorageUnavailable") && said.contains("room on the disk"));
        assert!(!said.contains("client_id"), "{said}");
    }

    /// A client that took a few bytes a minute had the only backup for days.
    #[tokio::test(start_paused = true)]
    async fn a_backup_that_trickles_makes_way_and_one_that_is_fetched_stays() {
        // Bytes in a window, whether another is asked for, and after how many windows it is lost.
        for (bytes, is_wanted, lost) in [
            (LEAST_BYTES - 1, false, Some(1)),
            (0, false, Some(1)),
            (LEAST_BYTES, false, None),
            (LEAST_BYTES, true, Some(1)),
            (LEAST_WHILE_WANTED, true, None),
        ] {
            let sending = Arc::new(Sending {
                backup: Mutex::new(Some(Arc::new(is_wanted))),
                size: u64::MAX,
                sent: AtomicU64::new(0),
            });
            let watching = tokio::spawn(watch(Arc::downgrade(&sending), |wanted| *wanted));
            let mut windows = 0;
            // Halfway between two looks.
            tokio::time::sleep(WINDOW / 2).await;
            while windows < 5 && sending.backup.lock().is_some() {
                sending.sent.fetch_add(bytes, Ordering::Relaxed);
                tokio::time::sleep(WINDOW).await;
                windows += 1;
            }
            let is_lost = sending.backup.lock().is_none().then_some(windows);
            assert_eq!(is_lost, lost, "{bytes} {is_wanted}");
            drop(sending);
            // With nobody to watch it ends.
            watching.await.unwrap();
        }
    }
}
