//! From a route to the function that answers it.

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};

use super::app::App;
use super::error::{self, ApiError};
use super::router::{PathParams, Route};
use super::{api, assets};
use crate::contract::Version;
use crate::web::Body;

impl App {
    /// Answers a request by the route of its path, or refuses it.
    pub(super) async fn route(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, ApiError> {
        let path = request.uri().path().to_owned();
        let (route, params) = self.router.find(&path).ok_or(ApiError::not_found())?;
        // HEAD is a GET whose body is left out of the answer.
        let method = match (request.method(), meant(&request, route)) {
            (_, Some(meant)) => meant,
            (&Method::HEAD, None) => Method::GET,
            (method, None) => method.clone(),
        };
        let allowed = route.methods();
        if !allowed.contains(&method) {
            if method == Method::OPTIONS {
                let mut response = Response::new(Body::default());
                if matches!(route, Route::Uploads | Route::Upload) {
                    api::uploads::options(self, &mut response);
                }
                return Ok(error::allow(response, StatusCode::NO_CONTENT, allowed));
            }
            return Err(ApiError::method_not_allowed(
                allowed,
                path.starts_with("/api/chats"),
            ));
        }
        match (route, method) {
            (Route::Recents, _) => api::chats::recents(self, &request).await,
            (Route::Unread, _) => api::chats::unread(self, &request).await,
            (
                Route::Inbox
                | Route::PairMe
                | Route::Rooms
                | Route::OpenRooms
                | Route::Room
                | Route::Members
                | Route::Member
                | Route::JoinRoom
                | Route::LeaveRoom
                | Route::JoinByInvite
                | Route::RoomInvites
                | Route::RoomInvite
                | Route::LookAtInvite
                | Route::AllRooms
                | Route::AnyRoom
                | Route::AnyMembers
                | Route::RoomMe
                | Route::RoomHistory
                | Route::ReadRoom
                | Route::RoomReads,
                method,
            ) => self.route_of_rooms(request, (route, method), &params).await,
            (
                Route::Uploads
                | Route::Upload
                | Route::UploadPreview
                | Route::FileUrls
                | Route::File
                | Route::FilePreview
                | Route::Avatar
                | Route::MyAvatar
                | Route::RoomAvatar,
                method,
            ) => self.route_of_files(request, (route, method), &params).await,
            (Route::Message, Method::DELETE) => {
                api::messages::delete(self, &request, &params).await
            }
            (Route::Reactions, _) => api::messages::reactions(self, &request, &params).await,
            (Route::Message, _) => api::messages::show(self, &request, &params).await,
            (Route::Updates, _) => api::updates::updates(self, &request, Version::First).await,
            (Route::AllUpdates, _) => api::updates::updates(self, &request, Version::Second).await,
            (Route::History, _) => api::chats::history(self, &request, &params).await,
            (Route::MarkRead, _) => api::chats::mark_read(self, &request, &params).await,
            (Route::Push, _) => api::push::show(self, &request).await,
            (Route::PushSubscription, Method::PUT) => {
                api::push::subscribe(self, request, &params).await
            }
            (Route::PushSubscription, _) => api::push::unsubscribe(self, &request, &params).await,
            (Route::PushTest, _) => api::push::test(self, request).await,
            (Route::Users, _) => api::users::search(self, &request).await,
            (Route::User, _) => api::users::show(self, &request, &params).await,
            (Route::Register, _) => api::auth::register(self, request).await,
            (Route::Login, _) => api::auth::login(self, request).await,
            (Route::SignInLink, _) => api::sign_in::make(self, request).await,
            (Route::SignIn, _) => api::sign_in::use_code(self, request).await,
            (Route::Logout, _) => api::auth::logout(self, &request).await,
            (Route::Me, Method::GET) => api::auth::me(self, &request).await,
            (Route::Me, Method::DELETE) => api::auth::delete(self, request).await,
            (Route::Me, _) => api::auth::change(self, request).await,
            (Route::OwnExport, _) => api::own_export::show(self, &request).await,
            (Route::Invites, Method::GET) => api::admin::invites(self, &request).await,
            (Route::Invites, _) => api::admin::create_invite(self, request).await,
            (Route::Invite, _) => api::admin::revoke_invite(self, &request, &params).await,
            (Route::Accounts, Method::GET) => api::admin::users(self, &request).await,
            (Route::Accounts, Method::PUT) => api::app_users::put(self, request).await,
            (Route::Accounts, _) => api::admin::create_user(self, request).await,
            (Route::Account, Method::PUT) => api::admin::put_user(self, request, &params).await,
            (Route::Account, Method::DELETE) => {
                api::admin::delete_user(self, &request, &params).await
            }
            (Route::Account, _) => api::admin::change_user(self, request, &params).await,
            (Route::Token, _) => api::admin::token(self, &request, &params).await,
            (Route::Bots, Method::GET) => api::programs::bots(self, &request).await,
            (Route::Bots, _) => api::programs::create_bot(self, request).await,
            (Route::BotKeys, _) => api::programs::create_bot_key(self, &request, &params).await,
            (Route::BotKey, _) => api::programs::revoke_bot_key(self, &request, &params).await,
            (Route::Keys, Method::GET) => api::programs::keys(self, &request).await,
            (Route::Keys, _) => api::programs::create_key(self, request).await,
            (Route::Key, Method::PATCH) => api::programs::change_key(self, request, &params).await,
            (Route::Key, _) => api::programs::revoke_key(self, &request, &params).await,
            (Route::Probe, _) => api::probe::answer(self, &request, &params).await,
            (Route::Backup, _) => api::backup::show(self, &request).await,
            (Route::Compact, _) => api::compact::make(self, &request).await,
            (Route::Server, _) => Ok(api::server::show(self)),
            (Route::OpenApi, _) => Ok(api::documents::openapi(self, &request)),
            (Route::AsyncApi, _) => Ok(api::documents::asyncapi(self, &request)),
            (Route::Docs, _) => Ok(api::documents::page(self, &request)),
            (Route::Guide, _) => Ok(api::documents::guide(self, &request)),
            (Route::Health, _) => Ok(api::server::health()),
            (Route::Ready, _) => api::server::ready(self),
            (Route::OfChats, _) => Err(ApiError::not_found()),
            (Route::Asset, _) => assets::serve(&request, &self.page_policy),
        }
    }

    /// Answers a request for files, or for their uploads.
    async fn route_of_files(
        &self,
        request: Request<Incoming>,
        (route, method): (Route, Method),
        params: &PathParams,
    ) -> Result<Response<Body>, ApiError> {
        use api::{avatars, files, uploads};
        match (route, method) {
            (Route::Uploads, _) => Ok(uploads::create(self, request).await),
            (Route::Upload, Method::GET) => Ok(uploads::show(self, &request, params).await),
            (Route::Upload, Method::PATCH) => Ok(uploads::patch(self, request, params).await),
            (Route::Upload, _) => Ok(uploads::delete(self, &request, params).await),
            (Route::UploadPreview, _) => uploads::put_preview(self, request, params).await,
            (Route::FileUrls, _) => files::urls(self, request).await,
            (Route::Avatar, _) => avatars::show(self, &request, params).await,
            (Route::MyAvatar, _) => avatars::put_mine(self, request).await,
            (Route::RoomAvatar, _) => avatars::put_of_room(self, request, params).await,
            (Route::File, _) => files::show(self, &request, params, false).await,
            (Route::FilePreview, _) => files::show(self, &request, params, true).await,
            _ => Err(ApiError::not_found()),
        }
    }

    /// Answers a request for rooms, or for the list in which they stand.
    async fn route_of_rooms(
        &self,
        request: Request<Incoming>,
        (route, method): (Route, Method),
        params: &PathParams,
    ) -> Result<Response<Body>, ApiError> {
        use api::{admin_rooms, inbox, room_invites, room_pages, rooms};
        match (route, method) {
            (Route::Inbox, _) => inbox::list(self, &request).await,
            (Route::PairMe, _) => rooms::set_pair(self, request, params).await,
            (Route::Rooms, Method::GET) => room_pages::mine(self, &request).await,
            (Route::Rooms, _) => rooms::create(self, request).await,
            (Route::OpenRooms, _) => room_pages::open(self, &request).await,
            (Route::Room, Method::GET) => room_pages::show(self, &request, params).await,
            (Route::Room, Method::PATCH) => rooms::change(self, request, params).await,
            (Route::Room, _) => rooms::archive(self, &request, params).await,
            (Route::Members, Method::GET) => room_pages::members(self, &request, params).await,
            (Route::Members, _) => rooms::put_members(self, request, params).await,
            (Route::Member, Method::PUT) => rooms::put_member(self, request, params).await,
            (Route::Member, _) => rooms::remove_member(self, &request, params).await,
            (Route::JoinRoom, _) => rooms::join(self, &request, params).await,
            (Route::LeaveRoom, _) => rooms::leave(self, &request, params).await,
            (Route::AllRooms, _) => admin_rooms::all(self, &request).await,
            (Route::AnyRoom, Method::GET) => admin_rooms::show(self, &request, params).await,
            (Route::AnyRoom, Method::PATCH) => admin_rooms::retain(self, request, params).await,
            (Route::AnyRoom, _) => admin_rooms::archive(self, &request, params).await,
            (Route::AnyMembers, _) => admin_rooms::members(self, &request, params).await,
            (Route::JoinByInvite, _) => room_invites::join(self, request).await,
            (Route::RoomInvites, Method::GET) => room_invites::list(self, &request, params).await,
            (Route::RoomInvite, _) => room_invites::revoke(self, &request, params).await,
            (Route::RoomInvites, _) => room_invites::make(self, request, params).await,
            (Route::LookAtInvite, _) => room_invites::look(self, request).await,
            (Route::RoomMe, _) => rooms::set(self, request, params).await,
            (Route::RoomHistory, _) => room_pages::history(self, &request, params).await,
            (Route::ReadRoom, _) => room_pages::mark_read(self, request, params).await,
            (Route::RoomReads, _) => room_pages::reads(self, &request, params).await,
            _ => Err(ApiError::not_found()),
        }
    }
}

/// Returns the method that a client of the tus protocol means, where something on its way lets only
/// others through.
fn meant(request: &Request<Incoming>, route: Route) -> Option<Method> {
    if route != Route::Upload || *request.method() != Method::POST {
        return None;
    }
    match request.headers().get("x-http-method-override")?.to_str() {
        Ok("PATCH") => Some(Method::PATCH),
        Ok("DELETE") => Some(Method::DELETE),
        Ok("HEAD") => Some(Method::GET),
        _ => None,
    }
}
