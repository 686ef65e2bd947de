//! `/api/admin/backup`: the data file as of now, while the server runs.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
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
use crate::http::request::{Query, admin};
use crate::web::Body;

/// 64 KiB: how much of the file is in memory at once.
const CHUNK_BYTES: usize = 64 << 10;
/// A client that takes nothing for so long loses its backup, so that another can be made.
const PATIENCE: Duration = Duration::from_secs(60);
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
    request: &Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    admin(app, request).await?;
    let files = Wanted::read(&Query::of(request))?.files;
    stream(app, request.method(), files.unwrap_or_default()).await
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

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Data(backup) => backup.read_at(offset, out),
            Self::All(archive) => archive.read_at(offset, out),
        }
    }
}

/// Makes a backup, with the files where they are wanted.
async fn made(app: &App, name: &str, with_files: bool) -> Result<Sent, ApiError> {
    let lock = match with_files {
        true => app.files.lock().await?,
        false => None,
    };
    let backup = app.chat.backup().await.map_err(refusal)?;
    if !with_files {
        return Ok(Sent::Data(backup));
    }
    let archive = app
        .files
        .archive(backup, lock, name.to_owned(), (app.clock)());
    Ok(Sent::All(archive.await?))
}

/// Does what [`show`] does, for a caller who may.
async fn stream(app: &App, method: &Method, with_files: bool) -> Result<Response<Body>, ApiError> {
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
        let sent = made(app, &name, with_files).await?;
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
struct Sending {
    /// `None` once the client was too slow.
    backup: Mutex<Option<Arc<Sent>>>,
    sent: AtomicU64,
}

/// A backup, read piece by piece on threads that may block.
struct BackupBody {
    sending: Arc<Sending>,
    size: u64,
    offset: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl BackupBody {
    fn new(backup: Sent) -> Self {
        let size = backup.size();
        let sending = Arc::new(Sending {
            backup: Mutex::new(Some(Arc::new(backup))),
            sent: AtomicU64::new(0),
        });
        let watched = Arc::downgrade(&sending);
        tokio::spawn(async move {
            let mut before = None;
            loop {
                tokio::time::sleep(PATIENCE).await;
                let Some(sending) = watched.upgrade() else {
                    return;
                };
                let sent = Some(sending.sent.load(Ordering::Relaxed));
                if sent == before {
                    tracing::warn!("a backup was not fetched in time");
                    sending.backup.lock().take();
                    return;
                }
                before = sent;
            }
        });
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
}
