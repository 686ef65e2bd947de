//! `/api/files`: the bytes of files, by URLs that are the permission.

use std::io;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use tokio::task::JoinHandle;

use crate::chat::ChatError;
use crate::contract::documents::{Access, Operation};
use crate::contract::{AttachmentRow, Code, FieldError, Fields, reads};
use crate::files::OpenFile;
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{Query, allow, body, caller};
use crate::http::router::PathParams;
use crate::limits::Kind;
use crate::model::{Attachment, Extras, FileId, PathSegment, Timestamp, UserId};
use crate::web::{Body, RequestBody, members};

/// 128 KiB: how much of a file is in memory at once.
const CHUNK_BYTES: u64 = 128 << 10;
/// URLs of so many files are given at once.
const MAX_URLS: usize = 100;
/// A file is a document of its own: what it names is not fetched, what it runs is not run, and
/// where it is opened it has no origin.
const SANDBOX: &str =
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox";

/// A file's name as it stands in a path, percent-encoded.
pub(in crate::http) struct FileName(String);

/// A part of a path that is no name.
#[derive(Debug, thiserror::Error)]
#[error("must be a name in UTF-8, percent-encoded")]
pub(in crate::http) struct FileNameError;

impl FromStr for FileName {
    type Err = FileNameError;

    fn from_str(text: &str) -> Result<Self, FileNameError> {
        let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
        while let [byte, after @ ..] = rest {
            (rest, bytes) = match (byte, after) {
                (b'%', [high, low, after @ ..]) => {
                    let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(FileNameError);
                    let byte = digit(*high)? * 16 + digit(*low)?;
                    bytes.push(u8::try_from(byte).map_err(|_| FileNameError)?);
                    (after, bytes)
                }
                (b'%', _) => return Err(FileNameError),
                _ => {
                    bytes.push(*byte);
                    (after, bytes)
                }
            };
        }
        String::from_utf8(bytes)
            .map(Self)
            .map_err(|_| FileNameError)
    }
}

impl JsonSchema for FileName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FileName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

reads! {
    /// The file.
    Which from PathParams {
        required id: FileId,
        /// Its name, as the URL has it.
        required name: FileName,
    }
}

reads! {
    /// The query of a file's URL.
    Opened from Query<'_> {
        /// What opens it, as the URL has it.
        optional k: String,
    }
}

pub(in crate::http) const SHOW: Operation = Operation::new(
    Access::Anyone,
    "The bytes of a file, by the `url` that its message brings: `Range`, `ETag` and `If-None-Match` are understood. Pictures, \
     films and sound are shown in their place, all else is an attachment. What is gone, or never was, is `url_expired`.",
)
.path::<Which>()
.query::<Opened>()
.refuses(&[Code::UrlExpired, Code::RateLimited, Code::StorageUnavailable])
.answers(&[200, 206])
.bare("*/*");

pub(in crate::http) const PREVIEW: Operation = Operation::new(
    Access::Anyone,
    "The smaller picture of a file, by the `preview` that its message brings.",
)
.path::<Which>()
.query::<Opened>()
.refuses(&[
    Code::UrlExpired,
    Code::RateLimited,
    Code::StorageUnavailable,
])
.answers(&[200, 206])
.bare("*/*");

/// `GET /api/files/:id/:name?k=`, `…/preview?k=`: the bytes of a file, or of its smaller picture.
pub(in crate::http) async fn show(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
    is_preview: bool,
) -> Result<Response<Body>, ApiError> {
    allow(app, request, Kind::Requests)?;
    let Which { id, name } = Which::read(params)?;
    let key = Opened::read(&Query::of(request))?.k.unwrap_or_default();
    let opened = app.files.open((id, &name.0), &key, is_preview).await?;
    let now = (app.clock)();
    Ok(served(opened, &name.0, now, request))
}

/// Answers with what was asked of an open file.
pub(super) fn served(
    file: OpenFile,
    name: &str,
    now: Timestamp,
    request: &Request<RequestBody>,
) -> Response<Body> {
    let asked = request.headers();
    let tag = format!("\"{:x}-{:08x}\"", file.size, file.tag);
    let mut response = Response::new(Body::default());
    describe(&file, &tag, name, now, response.headers_mut());
    if !is_wanted(asked, &tag) {
        return refused(response, StatusCode::PRECONDITION_FAILED);
    }
    if is_known(asked, &tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    let size = file.size;
    // A range is one of a GET alone (RFC 9110, section 14.2).
    let range = asked
        .get(header::RANGE)
        .filter(|_| *request.method() == Method::GET);
    let part = match asked.get(header::IF_RANGE) {
        Some(wanted) if wanted != tag.as_str() => Part::All,
        _ => part_of(range, size),
    };
    let (from, end) = match part {
        Part::All => (0, size),
        Part::Some(from, end) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let range = format!("bytes {from}-{}/{size}", end - 1);
            put(response.headers_mut(), header::CONTENT_RANGE, &range);
            (from, end)
        }
        Part::None => {
            let range = format!("bytes */{size}");
            put(response.headers_mut(), header::CONTENT_RANGE, &range);
            return refused(response, StatusCode::RANGE_NOT_SATISFIABLE);
        }
    };
    if *request.method() == Method::HEAD {
        let length = HeaderValue::from(end - from);
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length);
        return response;
    }
    *response.body_mut() = Body::stream(FileBody {
        file: Arc::new(file),
        offset: from,
        end,
        reading: None,
    });
    response
}

/// Refuses what was asked of a file. A cache that kept that for as long as the file would give it
/// to those who ask for all of it, since they ask by the same URL.
fn refused(mut response: Response<Body>, status: StatusCode) -> Response<Body> {
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn put(headers: &mut HeaderMap, name: header::HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

/// Says what a file is, for how long, and what may be done with it.
fn describe(file: &OpenFile, tag: &str, name: &str, now: Timestamp, headers: &mut HeaderMap) {
    let is_shown = file.kind.is_shown_in_place();
    let media_type = HeaderValue::from_static(file.kind.media_type());
    headers.insert(header::CONTENT_TYPE, media_type);
    let place = if is_shown { "inline" } else { "attachment" };
    put(
        headers,
        header::CONTENT_DISPOSITION,
        &disposition(place, name),
    );
    put(headers, header::ETAG, tag);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let left = file.until.as_secs().saturating_sub(now.as_secs());
    let kept = format!("private, max-age={left}, immutable");
    put(headers, header::CACHE_CONTROL, &kept);
    let sandbox = HeaderValue::from_static(SANDBOX);
    headers.insert(header::CONTENT_SECURITY_POLICY, sandbox);
    // The URL is the permission, so pages of an app's own origin show it too.
    let anywhere = HeaderValue::from_static("cross-origin");
    headers.insert("cross-origin-resource-policy", anywhere);
}

/// Names a file in any script (RFC 6266): for old clients with a plain name beside it.
fn disposition(place: &str, name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ';
    let plain: String = name
        .chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect();
    format!(
        "{place}; filename=\"{plain}\"; filename*=UTF-8''{}",
        PathSegment(name)
    )
}

/// Returns whether the client wants these bytes, where it says which alone it wants.
fn is_wanted(asked: &HeaderMap, tag: &str) -> bool {
    let is_this = |wanted: &str| wanted == "*" || wanted == tag;
    !asked.contains_key(header::IF_MATCH) || members(asked, header::IF_MATCH).any(is_this)
}

/// Returns whether the client has these bytes already.
fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let is_this = |known: &str| known == "*" || known.trim_start_matches("W/") == tag;
    members(asked, header::IF_NONE_MATCH).any(is_this)
}

/// What was asked of a file.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    All,
    /// From a byte up to and without another.
    Some(u64, u64),
    /// What it does not have.
    None,
}

/// Returns the one range that was asked for (RFC 9110, section 14). Several at once are answered
/// with all of it, as is what is no range.
fn part_of(range: Option<&HeaderValue>, size: u64) -> Part {
    let text = range.and_then(|range| range.to_str().ok());
    let Some((from, last)) = text
        .and_then(|text| text.split_once('='))
        .filter(|(unit, ranges)| unit.eq_ignore_ascii_case("bytes") && !ranges.contains(','))
        .and_then(|(_, range)| range.trim().split_once('-'))
    else {
        return Part::All;
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(from) || !is_digits(last) {
        return Part::All;
    }
    // A number of more digits is beyond every file.
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    let (from, end) = match (from, last) {
        ("", "") => return Part::All,
        ("", last) => (size.saturating_sub(number(last)), size),
        (from, "") => (number(from), size),
        (from, last) if number(from) > number(last) => return Part::All,
        (from, last) => (number(from), number(last).saturating_add(1).min(size)),
    };
    match from < end {
        true => Part::Some(from, end),
        false => Part::None,
    }
}

/// A part of a file, read piece by piece on threads that may block.
struct FileBody {
    file: Arc<OpenFile>,
    offset: u64,
    end: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl hyper::body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let body = self.get_mut();
        if body.offset == body.end {
            return Poll::Ready(None);
        }
        let (offset, length) = (body.offset, CHUNK_BYTES.min(body.end - body.offset));
        let reading = body.reading.get_or_insert_with(|| {
            let file = Arc::clone(&body.file);
            tokio::task::spawn_blocking(move || {
                let mut chunk = vec![0; usize::try_from(length).map_err(io::Error::other)?];
                let count = file.read_at(offset, &mut chunk)?;
                match count == chunk.len() {
                    true => Ok(chunk.into()),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                }
            })
        });
        let read = ready!(Pin::new(reading).poll(context));
        body.reading = None;
        let chunk = read.unwrap_or_else(|error| Err(error.into()));
        Poll::Ready(Some(chunk.map(|chunk| {
            body.offset += chunk.len() as u64;
            Frame::data(chunk)
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.offset == self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end - self.offset)
    }
}

reads! {
    /// The body of a request for fresh URLs.
    #[schemars(rename = "FileIds")]
    Ids from Fields<'_> {
        /// Files of messages that the caller may read, or of their own; at most 100.
        required ids: Vec<FileId>,
    }
}

pub(in crate::http) const URLS: Operation = Operation::new(
    Access::User,
    "Fresh URLs of files of messages that the caller may read, and of files of theirs that they have not sent. Others are left \
     out.",
)
.body::<Ids>()
.data::<Vec<AttachmentRow>>();

/// `POST /api/files/urls`: fresh URLs.
pub(in crate::http) async fn urls(
    app: &App,
    request: Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, &request).await?.user.id;
    let text = body(request).await?;
    let Ids { ids } = Ids::read(&Fields::parse(&text)?)?;
    if ids.len() > MAX_URLS {
        let reason = format!("must name at most {MAX_URLS} files");
        return Err(FieldError::Invalid { key: "ids", reason }.into());
    }
    let mut rows = Vec::new();
    for id in ids {
        let file = match app.files.unsent(caller, id) {
            Some(file) => Some(file),
            None => readable(app, caller, id).await?,
        };
        rows.extend(file.as_ref().map(AttachmentRow::from));
    }
    Ok(answer::data(StatusCode::OK, rows))
}

/// Returns a file of a message that a person may read.
async fn readable(app: &App, reader: UserId, id: FileId) -> Result<Option<Attachment>, ApiError> {
    let Some(message) = app.files.message_of(id) else {
        return Ok(None);
    };
    let extras = match app.chat.message(reader, message).await {
        Ok(row) => row.message.extras,
        Err(ChatError::NoSuchMessage) => match app.chat.room_message(reader, message).await {
            Ok(message) => message.extras,
            Err(ChatError::NoSuchMessage) => None,
            Err(error) => return Err(error.into()),
        },
        Err(error) => return Err(error.into()),
    };
    let files = extras.map_or_else(Vec::new, |extras: Box<Extras>| extras.attachments);
    Ok(files.into_iter().find(|file| file.id == id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood_and_what_is_none_is_all() {
        for (range, part) in [
            ("bytes=0-0", Part::Some(0, 1)),
            ("Bytes=0-0", Part::Some(0, 1)),
            ("bytes=0-", Part::Some(0, 10)),
            ("bytes=3-6", Part::Some(3, 7)),
            ("bytes=3-99999999999999999999999", Part::Some(3, 10)),
            ("bytes=-3", Part::Some(7, 10)),
            ("bytes=-30", Part::Some(0, 10)),
            ("bytes=-0", Part::None),
            ("bytes=10-", Part::None),
            ("bytes=99999999999999999999999-", Part::None),
            ("bytes=6-3", Part::All),
            ("bytes=0-1,3-4", Part::All),
            ("bytes=-", Part::All),
            ("bytes=a-b", Part::All),
            ("bytes=+1-2", Part::All),
            ("items=0-1", Part::All),
            ("", Part::All),
        ] {
            let range = HeaderValue::from_static(range);
            assert_eq!(part_of(Some(&range), 10), part, "{range:?}");
        }
        assert_eq!(part_of(None, 10), Part::All);
        assert_eq!(
            part_of(Some(&HeaderValue::from_static("bytes=0-")), 0),
            Part::None
        );
    }

    #[test]
    fn a_name_in_any_script_is_told_to_new_clients_and_to_old_ones() {
        for (name, told) in [
            (
                "trip.jpg",
                "inline; filename=\"trip.jpg\"; filename*=UTF-8''trip.jpg",
            ),
            (
                "a \"b\".txt",
                "inline; filename=\"a _b_.txt\"; filename*=UTF-8''a%20%22b%22.txt",
            ),
            (
                "ü.png",
                "inline; filename=\"_.png\"; filename*=UTF-8''%C3%BC.png",
            ),
            (
                "100%.pdf",
                "inline; filename=\"100_.pdf\"; filename*=UTF-8''100%25.pdf",
            ),
        ] {
            assert_eq!(disposition("inline", name), told);
            assert!(HeaderValue::from_str(told).is_ok());
        }
    }

    #[test]
    fn a_name_in_a_path_is_read_as_it_was_written() {
        for name in ["trip.jpg", "a b/ü?.jpg", "100%", "..", "ф"] {
            let text = PathSegment(name).to_string();
            assert_eq!(text.parse::<FileName>().unwrap().0, name);
        }
        for wrong in ["%", "%4", "%zz", "%ff"] {
            assert!(wrong.parse::<FileName>().is_err(), "{wrong}");
        }
    }
}
