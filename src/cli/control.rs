//! A running server's control socket, from the side of the subcommands: `NAME.sock` beside the data
//! file, HTTP, without a token, since only the file's owner can open it.

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

use super::failure::chain;
use crate::http::ELSEWHERE;
use crate::server::{SocketPath, control_socket};
use crate::store::maintain::{NICE, Partial, Progress, Unit};

/// So much of a refusal, or another short answer, is read: more than any has.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// 256 KiB: after so many bytes what was received is put on the disk, a millisecond's work. With
/// more of it in the page cache the kernel puts it there all at once, and the server's own syncs
/// wait for that.
const SYNC_BYTES: u64 = 256 << 10;

/// The most time that a server may take to say that it can write.
const HEALTH_PATIENCE: Duration = Duration::from_secs(5);

/// Writes a backup that the server on `data` makes into a file in the making. It is not checked
/// yet. Where the data's disk has no room for it, the server makes it in the folder `elsewhere`.
///
/// From here on this process gives way to others.
pub(super) fn fetch_backup(
    data: &Path,
    partial: &Partial,
    elsewhere: Option<&Path>,
    watch: &mut dyn FnMut(Progress),
) -> Result<(), String> {
    // What the server has to do comes first. Where it is refused, a backup is as quick as the
    // server.
    let _ = rustix::process::nice(NICE);
    runtime()?.block_on(async {
        let path = "/api/admin/backup";
        let elsewhere = elsewhere.and_then(|folder| {
            let folder = HeaderValue::from_bytes(folder.as_os_str().as_bytes());
            folder.ok().map(|folder| (ELSEWHERE, folder))
        });
        let response = ask(data, Method::GET, path, elsewhere).await?;
        let status = response.status();
        let total = response.body().size_hint().exact().unwrap_or(0);
        let mut body = response.into_body();
        if status != StatusCode::OK {
            return Err(refusal(status, body).await);
        }
        let (mut done, mut synced) = (0, 0);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                format!("the server did not send the whole backup, try again: {error}")
            })?;
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            let failed = |error| format!("cannot write {}: {error}", partial.target().display());
            partial.file().write_all(&bytes).map_err(failed)?;
            done += bytes.len() as u64;
            if done - synced >= SYNC_BYTES {
                partial.file().sync_data().map_err(failed)?;
                synced = done;
            }
            watch(Progress {
                what: "receiving",
                done,
                total,
                unit: Unit::Bytes,
            });
        }
        Ok(())
    })
}

/// Has the server on `data` put a compact copy in the place of its file. Returns how many bytes
/// that has then, and had before.
pub(super) fn compact(data: &Path) -> Result<(u64, u64), String> {
    runtime()?.block_on(async {
        let response = ask(data, Method::POST, "/api/admin/compact", None).await?;
        let (status, body) = (response.status(), response.into_body());
        if status != StatusCode::OK {
            return Err(refusal(status, body).await);
        }
        let answer = json(body).await.unwrap_or_default();
        let bytes = |key: &str| answer["data"][key].as_u64();
        let sizes = bytes("after").zip(bytes("before"));
        sizes.ok_or_else(|| "the server gave an answer that cannot be read".to_owned())
    })
}

/// Makes sure that the server on `data` can write, as its `/readyz` says, within
/// [`HEALTH_PATIENCE`].
pub(super) fn ready(data: &Path) -> Result<(), String> {
    runtime()?.block_on(async {
        let answering = tokio::time::timeout(HEALTH_PATIENCE, async {
            let stream = connect(data).await.map_err(|error| {
                let socket = control_socket(data);
                format!("no server answers at {}: {error}", socket.display())
            })?;
            ask_on(stream, Method::GET, "/readyz", None)
                .await
                .map_err(|error| format!("the server does not answer: {}", chain(&error)))
        });
        let Ok(answer) = answering.await else {
            let seconds = HEALTH_PATIENCE.as_secs();
            return Err(format!("the server did not answer within {seconds} s"));
        };
        match answer?.status() {
            StatusCode::OK => Ok(()),
            _ => Err("the server cannot write at the moment: its log says why".to_owned()),
        }
    })
}

fn runtime() -> Result<Runtime, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the machine refuses to start: {error}"))
}

/// Connects to the server on `data`, and makes sure that it may be told a password before anything
/// is said: in a folder that others may write to, any user could listen at the socket's path while
/// no server does.
///
/// Fails with [`io::ErrorKind::Other`] where a stranger listens.
pub(super) async fn connect(data: &Path) -> io::Result<UnixStream> {
    let socket = control_socket(data);
    let stream = UnixStream::connect(SocketPath::of(&socket)?.as_path()).await?;
    let server = stream.peer_cred()?.uid();
    let own = rustix::process::geteuid().as_raw();
    let owner = std::fs::metadata(data).ok().map(|data| data.uid());
    if is_trusted(server, own, owner) {
        return Ok(stream);
    }
    Err(io::Error::other(format!(
        "user {server} listens at {}, who is neither you nor root nor the owner of {}: nothing was told to them; see who it is, and remove the socket if it is not your server's",
        socket.display(),
        data.display()
    )))
}

/// Returns whether a server that runs as this user may be told what is meant for the server on a
/// data file: it has the file anyway, or everything.
fn is_trusted(server: u32, own: u32, owner_of_data: Option<u32>) -> bool {
    server == own || server == 0 || Some(server) == owner_of_data
}

/// Asks the server on `data` for something.
async fn ask(
    data: &Path,
    method: Method,
    path: &str,
    header: Option<(&'static str, HeaderValue)>,
) -> Result<Response<Incoming>, String> {
    let socket = control_socket(data);
    let silent = |error: &dyn std::fmt::Display| {
        format!(
            "{} is in use, by another command or by a server that does not answer at {}: wait for it, or stop it, then try again ({error})",
            data.display(),
            socket.display()
        )
    };
    let stream = connect(data).await.map_err(|error| silent(&error))?;
    ask_on(stream, method, path, header)
        .await
        .map_err(|error| silent(&error))
}

/// Asks for something over an open connection.
async fn ask_on(
    stream: UnixStream,
    method: Method,
    path: &str,
    header: Option<(&'static str, HeaderValue)>,
) -> hyper::Result<Response<Incoming>> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().unwrap_or_default();
    let host = HeaderValue::from_static("localhost");
    request.headers_mut().insert(HOST, host);
    if let Some((name, value)) = header {
        request.headers_mut().insert(name, value);
    }
    sender.send_request(request).await
}

/// The message of a refusal.
async fn refusal(status: StatusCode, body: Incoming) -> String {
    let answer = json(body).await.unwrap_or_default();
    match answer["error"]["message"].as_str() {
        Some(message) => format!("the server refused: {message}"),
        None => format!("the server refused with status {status}: its log says why"),
    }
}

/// A short answer; `None` for one that is no JSON.
async fn json(body: Incoming) -> Option<Value> {
    let body = http_body_util::Limited::new(body, MAX_ANSWER_BYTES);
    let text = body.collect().await.ok()?.to_bytes();
    serde_json::from_slice(&text).ok()
}

/// [`fetch_backup`] into a file beside the data that goes when it is dropped, for what is
/// `purpose`.
pub(super) fn fetch_aside(
    data: &Path,
    purpose: &str,
    watch: &mut dyn FnMut(Progress),
) -> Result<Partial, String> {
    let mut name = data.as_os_str().to_owned();
    name.push(format!(".{purpose}"));
    let partial = Partial::create(Path::new(&name))
        .map_err(|error| super::failure::maintain(data, &error))?;
    fetch_backup(data, &partial, None, watch)?;
    Ok(partial)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_who_listens_at_the_socket_is_told_nothing() {
        for (server, own, owner, trusted) in [
            (1_000, 1_000, Some(1_000), true),
            // The file is not there yet, or is another's.
            (1_000, 1_000, None, true),
            (1_000, 1_000, Some(1_001), true),
            (0, 1_000, Some(0), true),
            // Root asks the server of a user of its own.
            (1_000, 0, Some(1_000), true),
            (1_001, 1_000, Some(1_000), false),
            (1_001, 1_000, None, false),
            (1_001, 0, Some(1_000), false),
            (1_001, 0, None, false),
        ] {
            assert_eq!(
                is_trusted(server, own, owner),
                trusted,
                "{server} {own} {owner:?}"
            );
        }
    }

    #[tokio::test]
    async fn the_own_server_is_reached() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("chatd.redb");
        let refused = connect(&data).await.map(drop).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::NotFound);
        let _listener = tokio::net::UnixListener::bind(control_socket(&data)).unwrap();
        connect(&data).await.unwrap();
    }
}
