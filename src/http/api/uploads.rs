//! `/api/uploads`: files on their way in, by the tus protocol 1.0.0 (core, creation,
//! creation-with-upload, expiration, termination; <https://tus.io/protocols/resumable-upload>), or
//! by one plain request.

use std::sync::Arc;

use hyper::body::Body as _;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};

use crate::contract::documents::{Access, Operation};
use crate::contract::rows::UploadRow;
use crate::contract::{AttachmentRow, Code, Refusal, reads};
use crate::files::{FileError, MAX_PREVIEW_BYTES, StoredFile, Uploader};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{Query, address, bytes_within, caller, content_length};
use crate::http::router::PathParams;
use crate::model::{FileId, UserId};
use crate::web::{Body, Reception, RequestBody};

const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const VERSION: HeaderName = HeaderName::from_static("tus-version");
const EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");
const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const FILE: HeaderName = HeaderName::from_static("upload-file");
/// The version of the protocol.
const TUS: HeaderValue = HeaderValue::from_static("1.0.0");
const EXTENSIONS: &str = "creation,creation-with-upload,expiration,termination";
/// What pages of other origins may read of an answer.
const EXPOSED: &str = "location,retry-after,tus-extension,tus-max-size,tus-resumable,tus-version,upload-expires,\
                       upload-file,upload-length,upload-metadata,upload-offset";
/// 2 KiB: a name of 255 bytes twice over, its type, and what else clients say.
const MAX_METADATA: usize = 2 << 10;
/// The type of a body that is a part of a file.
const OFFSET_STREAM: &str = "application/offset+octet-stream";

reads! {
    /// The query of an upload in one request.
    Named from Query<'_> {
        /// The file's name: there where the body is the whole file, absent in the tus protocol.
        optional name: String,
    }
}

reads! {
    /// The upload.
    Which from PathParams {
        required id: FileId,
    }
}

/// What a route of uploads came to, with the headers that each answer of the protocol has.
fn told(answered: Result<Response<Body>, ApiError>, app: &App) -> Response<Body> {
    let mut response = answered.unwrap_or_else(|error| error.response());
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(RESUMABLE, TUS);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Without an allowed origin beside it, it says nothing.
    let exposed = HeaderValue::from_static(EXPOSED);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    if status == StatusCode::PRECONDITION_FAILED {
        headers.insert(VERSION, TUS);
    }
    if matches!(
        status,
        StatusCode::NO_CONTENT | StatusCode::PAYLOAD_TOO_LARGE
    ) {
        headers.insert(MAX_SIZE, HeaderValue::from(app.files.max_file()));
    }
    response
}

/// `OPTIONS`: what of the protocol is spoken.
pub(in crate::http) fn options(app: &App, response: &mut Response<Body>) {
    let headers = response.headers_mut();
    headers.insert(RESUMABLE, TUS);
    headers.insert(VERSION, TUS);
    headers.insert(EXTENSION, HeaderValue::from_static(EXTENSIONS));
    headers.insert(MAX_SIZE, HeaderValue::from(app.files.max_file()));
}

/// Returns the header as a text.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Returns the header as a number, which must be there.
fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64, ApiError> {
    // Digits alone: `parse` takes a sign.
    let digits = text(headers, name).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok());
    let missing = || Refusal::invalid(format!("{name} must be a whole number"));
    Ok(number.ok_or_else(missing)?)
}

/// Returns whether the body is of this type, whatever else is said of it: some clients say of every
/// body in which characters it is.
fn is_of_type(headers: &HeaderMap, wanted: &str) -> bool {
    let kind = text(headers, &header::CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case(wanted)
}

/// Refuses a form with a file in it: all of it would be kept as the file, which no program opens.
fn is_no_form(headers: &HeaderMap) -> Result<(), ApiError> {
    if !is_of_type(headers, "multipart/form-data") {
        return Ok(());
    }
    let message = "the body must be the file itself, not a form with it";
    Err(Refusal::new(Code::UnsupportedType, message).into())
}

/// Refuses another version of the protocol.
fn speaks_tus(headers: &HeaderMap) -> Result<(), ApiError> {
    match headers.get(RESUMABLE) {
        Some(version) if version != TUS => Err(ApiError::other_tus()),
        _ => Ok(()),
    }
}

/// Returns a value of `Upload-Metadata`: pairs of a key and a text in base64, with commas between.
fn metadata(headers: &HeaderMap, key: &str) -> Option<String> {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    let pairs = text(headers, &METADATA)?.split(',');
    let mut pairs = pairs.filter_map(|pair| pair.trim().split_once(' '));
    let (_, value) = pairs.find(|(name, _)| *name == key)?;
    String::from_utf8(BASE64_STANDARD.decode(value.trim()).ok()?).ok()
}

/// Says how far an upload is.
fn says(app: &App, file: &StoredFile, status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    say(app, file, &mut response);
    response
}

fn say(app: &App, file: &StoredFile, response: &mut Response<Body>) {
    let headers = response.headers_mut();
    // Of all that was to be sent: a client that hears of another length takes it for another file.
    let (offset, length) = file.progress();
    headers.insert(OFFSET, HeaderValue::from(offset));
    headers.insert(LENGTH, HeaderValue::from(length));
    let expires = app.files.expires_at(file).to_http_date();
    if let Ok(expires) = HeaderValue::from_str(&expires) {
        headers.insert(EXPIRES, expires);
    }
    let metadata = file.metadata.as_deref().map(HeaderValue::from_str);
    if let Some(Ok(metadata)) = metadata {
        headers.insert(METADATA, metadata);
    }
    if let (Some(_), Ok(id)) = (file.content(), HeaderValue::from_str(&file.id.to_string())) {
        headers.insert(FILE, id);
    }
}

pub(in crate::http) const CREATE: Operation = Operation::new(
    Access::User,
    "Begins an upload by the tus protocol 1.0.0, or takes a whole file as the body where `name` is given. Of tus: \
     `Upload-Length` is needed, `Upload-Metadata` has `filename`; 201 with `Location`, relative to this route's URL. What no \
     message names is gone after 24 hours.",
)
.query::<Named>()
.answers(&[201])
.refuses(&[
    Code::FileTooLarge,
    Code::QuotaExceeded,
    Code::UploadConflict,
    Code::NotFound,
    Code::UnsupportedType,
    Code::RateLimited,
])
.data::<AttachmentRow>();

/// `POST /api/uploads`: begins an upload.
pub(in crate::http) async fn create(
    app: &App,
    request: &mut Request<RequestBody>,
) -> Response<Body> {
    told(created(app, request).await, app)
}

async fn created(
    app: &App,
    request: &mut Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?.user.id;
    match Named::read(&Query::of(request))?.name {
        Some(name) => whole(app, caller, &name, request).await,
        None => begun(app, caller, request).await,
    }
}

/// Takes a file as the body of one request.
async fn whole(
    app: &App,
    caller: UserId,
    name: &str,
    request: &mut Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let now = (app.clock)();
    is_no_form(request.headers())?;
    let length = content_length(request)?;
    let id = app.files.begin(now, caller, name, length, None).await?.id;
    if length > 0
        && let Err(error) = append(app, caller, (id, 0), request).await
    {
        // Nobody knows its id, by which to go on with it.
        let _ = app.files.terminate(now, caller, id).await;
        return Err(error.into());
    }
    let file = app.files.unsent(caller, id);
    let file = file.ok_or(FileError::NoSuchUpload)?;
    let mut response = answer::data(StatusCode::CREATED, AttachmentRow::from(&file));
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(FILE, id);
    }
    Ok(response)
}

/// Begins an upload by the tus protocol.
async fn begun(
    app: &App,
    caller: UserId,
    request: &mut Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let now = (app.clock)();
    speaks_tus(request.headers())?;
    let length = number(request.headers(), &LENGTH)?;
    let told = text(request.headers(), &METADATA);
    if told.is_some_and(|told| told.len() > MAX_METADATA) {
        let message = format!("{METADATA} is over {MAX_METADATA} bytes");
        return Err(Refusal::invalid(message).into());
    }
    let name = metadata(request.headers(), "filename").unwrap_or_default();
    // Relative to the request's own path, since a proxy may have another before it.
    let place = match request.uri().path().ends_with('/') {
        true => "",
        false => "uploads/",
    };
    let file = app.files.begin(now, caller, &name, length, told).await?;
    let location = HeaderValue::from_str(&format!("{place}{}", file.id));
    let is_part = is_of_type(request.headers(), OFFSET_STREAM);
    let mut response = match is_part && length > 0 && !request.body().is_end_stream() {
        false => says(app, &file, StatusCode::CREATED),
        // However far that came, the client goes on from what is said.
        true => match append(app, caller, (file.id, 0), request).await {
            Ok(file) => says(app, &file, StatusCode::CREATED),
            Err(_) => {
                let file = app.files.upload(now, caller, file.id).await?;
                says(app, &file, StatusCode::CREATED)
            }
        },
    };
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Goes on with an upload by the body of a request.
pub(super) async fn append(
    app: &App,
    caller: UserId,
    (id, offset): (FileId, u64),
    request: &mut Request<RequestBody>,
) -> Result<Arc<StoredFile>, FileError> {
    let reception = request.extensions().get::<Reception>().cloned();
    let stopping = async move {
        match reception {
            Some(reception) => reception.stopping.cancelled().await,
            None => std::future::pending().await,
        }
    };
    let who = Uploader {
        person: caller,
        address: address(request),
    };
    let (place, body) = ((id, offset), request.body_mut());
    app.files
        .append(app.clock, who, place, body, stopping)
        .await
}

pub(in crate::http) const SHOW: Operation = Operation::new(
    Access::User,
    "How far an upload of the caller's is. By `HEAD`, `Upload-Offset` and `Upload-Length` say it, and `Upload-File` once it \
     is whole.",
)
.path::<Which>()
.refuses(&[Code::NotFound, Code::QuotaExceeded])
.data::<UploadRow>();

/// `HEAD`, `GET /api/uploads/:id`: how far an upload is.
pub(in crate::http) async fn show(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Response<Body> {
    told(shown(app, request, params).await, app)
}

async fn shown(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?.user.id;
    speaks_tus(request.headers())?;
    let id = Which::read(params)?.id;
    let file = app.files.upload((app.clock)(), caller, id).await?;
    let mut response = answer::data(StatusCode::OK, UploadRow::from(&*file));
    say(app, &file, &mut response);
    Ok(response)
}

pub(in crate::http) const PATCH: Operation = Operation::new(
    Access::User,
    "Goes on with an upload at `Upload-Offset`; 204, and `Upload-Offset` says how much is on the disk. The body is \
     `application/offset+octet-stream`. With its last byte the file is whole, and `Upload-File` is its id.",
)
.path::<Which>()
.answers(&[204])
.refuses(&[
    Code::NotFound,
    Code::UploadConflict,
    Code::FileTooLarge,
    Code::QuotaExceeded,
    Code::UnsupportedType,
]);

/// `PATCH /api/uploads/:id`: goes on with an upload.
pub(in crate::http) async fn patch(
    app: &App,
    request: &mut Request<RequestBody>,
    params: &PathParams,
) -> Response<Body> {
    told(patched(app, request, params).await, app)
}

async fn patched(
    app: &App,
    request: &mut Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?.user.id;
    speaks_tus(request.headers())?;
    let id = Which::read(params)?.id;
    if !is_of_type(request.headers(), OFFSET_STREAM) {
        let message = format!("the body must be {OFFSET_STREAM}");
        return Err(Refusal::new(Code::UnsupportedType, message).into());
    }
    let offset = number(request.headers(), &OFFSET)?;
    let file = append(app, caller, (id, offset), request).await?;
    Ok(says(app, &file, StatusCode::NO_CONTENT))
}

pub(in crate::http) const DELETE: Operation = Operation::new(
    Access::User,
    "Forgets an upload, or a file that no message names yet.",
)
.path::<Which>()
.answers(&[204])
.refuses(&[Code::NotFound]);

/// `DELETE /api/uploads/:id`: forgets an upload.
pub(in crate::http) async fn delete(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Response<Body> {
    let ended = async {
        let caller = caller(app, request).await?.user.id;
        speaks_tus(request.headers())?;
        let id = Which::read(params)?.id;
        app.files.terminate((app.clock)(), caller, id).await?;
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    };
    told(ended.await, app)
}

pub(in crate::http) const PUT_PREVIEW: Operation = Operation::new(
    Access::User,
    "Takes a smaller picture of a file that is whole and that no message names yet, which the client made: the body, a \
     JPEG, PNG or WebP of at most 64 KiB and 1,280 pixels on each side.",
)
.path::<Which>()
.refuses(&[
    Code::NotFound,
    Code::UnsupportedType,
    Code::PayloadTooLarge,
    Code::QuotaExceeded,
    Code::UploadConflict,
])
.data::<AttachmentRow>();

/// `PUT /api/uploads/:id/preview`: takes a smaller picture of a file.
pub(in crate::http) async fn put_preview(
    app: &App,
    request: Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, &request).await?.user.id;
    let id = Which::read(params)?.id;
    let bytes = bytes_within(request, MAX_PREVIEW_BYTES).await?;
    // As it is with this preview, though a message may name it by now.
    let file = app
        .files
        .put_preview((app.clock)(), caller, id, bytes)
        .await?;
    let file = app.files.attachment(&file);
    let file = file.ok_or(FileError::NoSuchUpload)?;
    Ok(answer::data(StatusCode::OK, AttachmentRow::from(&file)))
}
