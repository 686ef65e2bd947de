//! `/api/avatars`: the pictures of accounts and rooms that this server keeps.

use hyper::{Request, Response, StatusCode};

use super::files::served;
use super::uploads::append;
use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{Account, RoomRow};
use crate::contract::{Code, reads};
use crate::files::{FileError, MAX_PICTURE_BYTES};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{allow, caller, content_length, count};
use crate::http::router::PathParams;
use crate::limits::Kind;
use crate::model::{FileId, RoomId, UserId};
use crate::web::{Body, RequestBody};

/// What the file is called whose bytes are a picture.
const NAME: &str = "avatar";

reads! {
    /// The picture.
    Which from PathParams {
        required id: FileId,
    }
}

reads! {
    /// The room.
    Named from PathParams {
        required id: RoomId,
    }
}

pub(in crate::http) const SHOW: Operation = Operation::new(
    Access::Anyone,
    "The picture of an account or a room, by the `avatar` that its row has where the server keeps the picture. Another \
     picture has another URL, so this one may be cached for a year.",
)
.path::<Which>()
.refuses(&[
    Code::NotFound,
    Code::RateLimited,
    Code::StorageUnavailable,
])
.answers(&[200, 206])
.bare("*/*");

/// `GET /api/avatars/:id`: the picture of an account or a room.
pub(in crate::http) async fn show(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    allow(app, request, Kind::Requests)?;
    let id = Which::read(params)?.id;
    let now = (app.clock)();
    let picture = app.files.open_picture(now, id).await?;
    Ok(served(picture, NAME, now, request))
}

pub(in crate::http) const PUT_MINE: Operation = Operation::new(
    Access::User,
    "Gives the caller a picture: the body, a JPEG, PNG or WebP of at most 64 KiB. `avatar` becomes its URL, relative to the \
     server's root; the picture before it is gone. Of an app's own users the token says the picture.",
)
.refuses(&[
    Code::FileTooLarge,
    Code::UnsupportedType,
    Code::QuotaExceeded,
    Code::UploadConflict,
])
.forbids(&[Code::Forbidden])
.data::<Account>();

/// `PUT /api/auth/me/avatar`: the caller, with another picture.
pub(in crate::http) async fn put_mine(
    app: &App,
    request: &mut Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    app.accounts.may_have_picture(&caller)?;
    let owner = caller.user.id;
    let picture = taken(app, owner, request).await?;
    let changed = app.accounts.set_picture((app.clock)(), &caller, picture);
    match changed.await {
        Ok(user) => {
            let account = Account::new(&user, caller.is_admin());
            Ok(answer::data(StatusCode::OK, account))
        }
        Err(error) => {
            forget(app, owner, picture).await;
            Err(error.into())
        }
    }
}

pub(in crate::http) const PUT_OF_ROOM: Operation = Operation::new(
    Access::User,
    "Gives a room a picture, for its admins: the body, a JPEG, PNG or WebP of at most 64 KiB. `avatar` becomes its URL, \
     relative to the server's root; the picture before it is gone.",
)
.path::<Named>()
.refuses(&[
    Code::FileTooLarge,
    Code::UnsupportedType,
    Code::QuotaExceeded,
    Code::UploadConflict,
    Code::NotFound,
    Code::Forbidden,
    Code::ReadOnly,
])
.data::<RoomRow<'_>>();

/// `PUT /api/rooms/:id/avatar`: the room, with another picture.
pub(in crate::http) async fn put_of_room(
    app: &App,
    request: &mut Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let room = Named::read(params)?.id;
    count(app, &caller, Kind::Rooms, 1)?;
    let owner = caller.user.id;
    let picture = taken(app, owner, request).await?;
    let changed = app
        .chat
        .set_room_picture((app.clock)(), owner, room, picture);
    match changed.await {
        Ok(room) => Ok(answer::data(StatusCode::OK, RoomRow::from(&*room))),
        Err(error) => {
            forget(app, owner, picture).await;
            Err(error.into())
        }
    }
}

/// Takes a picture as the body of a request.
async fn taken(
    app: &App,
    owner: UserId,
    request: &mut Request<RequestBody>,
) -> Result<FileId, ApiError> {
    let (length, most) = (content_length(request)?, MAX_PICTURE_BYTES);
    if length > most {
        return Err(FileError::TooLarge { length, most }.into());
    }
    if length == 0 {
        return Err(FileError::UnsuitablePicture.into());
    }
    let id = app
        .files
        .begin((app.clock)(), owner, NAME, length, None)
        .await?
        .id;
    let came = append(app, owner, (id, 0), request).await;
    let content = came.map(|file| file.content().copied());
    let error = match content {
        Ok(Some(content)) if content.kind.is_small_picture() => return Ok(id),
        Ok(Some(_)) => FileError::UnsuitablePicture,
        Ok(None) => FileError::Incomplete,
        Err(error) => error,
    };
    forget(app, owner, id).await;
    Err(error.into())
}

/// Forgets a picture that is not to be shown; else it would go after a day.
async fn forget(app: &App, owner: UserId, id: FileId) {
    let _ = app.files.terminate((app.clock)(), owner, id).await;
}
