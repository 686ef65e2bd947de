//! From a route to the function that answers it.

use hyper::{Method, Request, Response, StatusCode};

use super::app::App;
use super::error::{self, ApiError};
use super::router::{Group, PathParams, Route};
use super::{api, assets};
use crate::contract::Version;
use crate::web::{Body, RequestBody};

impl App {
    /// Answers a request by the route of its path, or refuses it.
    pub(super) async fn route(
        &self,
        request: Request<RequestBody>,
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
        // Those that are asked for seldom are on the heap, and make the others no larger.
        match route.group() {
            Group::Chats => self.of_chats(&request, (route, method), &params).await,
            Group::Rooms => Box::pin(self.of_rooms(request, (route, method), &params)).await,
            Group::Files => Box::pin(self.of_files(request, (route, method), &params)).await,
            Group::People => Box::pin(self.of_people(request, (route, method), &params)).await,
            Group::Administration => {
                Box::pin(self.of_administration(request, (route, method), &params)).await
            }
            Group::Server => self.of_server(&request, route),
        }
    }

    /// Answers a request for chats and their messages.
    async fn of_chats(
        &self,
        request: &Request<RequestBody>,
        (route, method): (Route, Method),
        params: &PathParams,
    ) -> Result<Response<Body>, ApiError> {
        match (route, method) {
            (Route::Recents, _) => api::chats::recents(self, request).await,
            (Route::Unread, _) => api::chats::unread(self, request).await,
            (Route::Message, Method::DELETE) => api::messages::delete(self, request, params).await,
            (Route::Reactions, _) => api::messages::reactions(self, request, params).await,
            (Route::Message, _) => api::messages::show(self, request, params).await,
            (Route::Updates, _) => api::updates::updates(self, request, Version::First).await,
            (Route::AllUpdates, _) => api::updates::updates(self, request, Version::Second).await,
            (Route::History, _) => api::chats::history(self, request, params).await,
            (Route::MarkRead, _) => api::chats::mark_read(self, request, params).await,
            (Route::Search, _) => api::search::search(self, request).await,
            _ => Err(ApiError::not_found()),
        }
    }

    /// Answers a request for accounts, of their own and of others.
    async fn of_people(
        &self,
        request: Request<RequestBody>,
        (route, method): (Route, Method),
        params: &PathParams,
    ) -> Result<Response<Body>, ApiError> {
        match (route, method) {
            (Route::Users, _) => api::users::search(self, &request).await,
            (Route::User, _) => api::users::show(self, &request, params).await,
            (Route::Register, _) => api::auth::register(self, request).await,
            (Route::Login, _) => api::auth::login(self, request).await,
            (Route::SignInLink, _) => api::sign_in::make(self, request).await,
            (Route::SignIn, _) => api::sign_in::use_code(self, request).await,
            (Route::Logout, _) => api::auth::logout(self, &request).await,
            (Route::Me, Method::GET) => api::auth::me(self, &request).await,
            (Route::Me, Method::DELETE) => api::auth::delete(self, request).await,
            (Route::Me, _) => api::auth::change(self, request).await,
            (Route::OwnExport, _) => api::own_export::show(self, &request).await,
            (Route::Blocks, _) => api::blocks::list(self, &request).await,
            (Route::Block, Method::PUT) => api::blocks::put(self, &request, params).await,
            (Route::Block, _) => api::blocks::delete(self, &request, params).await,
            (Route::FileReport, _) => api::reports::file(self, request).await,
            (Route::Reset, _) => api::reset::use_code(self, request).await,
            (Route::Sessions, Method::GET) => api::sessions::list(self, &request).await,
            (Route::Sessions, _) => api::sessions::end_others(self, &request).await,
            (Route::Session, _) => api::sessions::end(self, &request, params).await,
            (Route::Push, _) => api::push::show(self, &request).await,
            (Route::PushSubscription, Method::PUT) => {
                api::push::subscribe(self, request, params).await
            }
            (Route::PushSubscription, _) => api::push::unsubscribe(self, &request, params).await,
            (Route::PushTest, _) => api::push::test(self, request).await,
            _ => Err(ApiError::not_found()),
        }
    }

    /// Answers a request of an administrator.
    async fn of_administration(
        &self,
        request: Request<RequestBody>,
        (route, method): (Route, Method),
        params: &PathParams,
    ) -> Result<Response<Body>, ApiError> {
        match (route, method) {
            (Route::Invites, Method::GET) => api::admin::invites(self, &request).await,
            (Route::Invites, _) => api::admin::create_invite(self, request).await,
            (Route::Invite, _) => api::admin::revoke_invite(self, &request, params).await,
            (Route::Accounts, Method::GET) => api::admin::users(self, &request).await,
            (Route::Accounts, Method::PUT) => api::app_users::put(self, request).await,
            (Route::Accounts, _) => api::admin::create_user(self, request).await,
            (Route::Account, Method::PUT) => api::admin::put_user(self, request, params).await,
            (Route::Account, Method::DELETE) => {
                api::admin::delete_user(self, &request, params).await
            }
            (Route::Account, _) => api::admin::change_user(self, request, params).await,
            (Route::Token, _) => api::admin::token(self, &request, params).await,
            (Route::Bots, Method::GET) => api::programs::bots(self, &request).await,
            (Route::Bots, _) => api::programs::create_bot(self, request).await,
            (Route::BotKeys, _) => api::programs::create_bot_key(self, &request, params).await,
            (Route::BotKey, _) => api::programs::revoke_bot_key(self, &request, params).await,
            (Route::Keys, Method::GET) => api::programs::keys(self, &request).await,
            (Route::Keys, _) => api::programs::create_key(self, request).await,
            (Route::Key, Method::PATCH) => api::programs::change_key(self, request, params).await,
            (Route::Key, _) => api::programs::revoke_key(self, &request, params).await,
            (Route::Probe, _) => api::probe::answer(self, &request, params).await,
            (Route::Backup, _) => api::backup::show(self, &request).await,
            (Route::Compact, _) => api::compact::make(self, &request).await,
            (Route::Reports, _) => api::reports::list(self, &request).await,
            (Route::Report, _) => api::reports::close(self, request, params).await,
            (Route::ResetLink, _) => api::reset::make(self, &request, params).await,
            (Route::HooksIn, Method::GET) => api::hooks::all_in(self, &request).await,
            (Route::HooksIn, _) => api::hooks::create_in(self, request).await,
            (Route::HookIn, Method::PATCH) => api::hooks::change_in(self, request, params).await,
            (Route::HookIn, _) => api::hooks::delete(self, &request, params, false).await,
            (Route::HooksOut, Method::GET) => api::hooks::all_out(self, &request).await,
            (Route::HooksOut, _) => api::hooks::create_out(self, request).await,
            (Route::HookOut, Method::PATCH) => api::hooks::change_out(self, request, params).await,
            (Route::HookOut, _) => api::hooks::delete(self, &request, params, true).await,
            (Route::ReplayHook, _) => api::hooks::replay(self, request, params).await,
            (Route::Hook, _) => api::incoming_hooks::write(self, request, params).await,
            (Route::HookByBearer, _) => {
                api::incoming_hooks::write_by_bearer(self, request, params).await
            }
            _ => Err(ApiError::not_found()),
        }
    }

    /// Answers a request for the server itself, its documents and its page.
    fn of_server(
        &self,
        request: &Request<RequestBody>,
        route: Route,
    ) -> Result<Response<Body>, ApiError> {
        match route {
            Route::Server => Ok(api::server::show(self)),
            Route::OpenApi => Ok(api::documents::openapi(self, request)),
            Route::AsyncApi => Ok(api::documents::asyncapi(self, request)),
            Route::Docs => Ok(api::documents::page(self, request)),
            Route::Guide => Ok(api::documents::guide(self, request, "app")),
            Route::ChatGuide => Ok(api::documents::guide(self, request, "chat")),
            Route::Handbook => Ok(api::documents::guide(self, request, "operate")),
            Route::Health => Ok(api::server::health()),
            Route::Ready => api::server::ready(self),
            Route::OfChats => Err(ApiError::not_found()),
            Route::Asset => assets::serve(request, &self.page_policy),
            _ => Err(ApiError::not_found()),
        }
    }

    /// Answers a request for files, or for their uploads.
    async fn of_files(
        &self,
        mut request: Request<RequestBody>,
        (route, method): (Route, Method),
        params: &PathParams,
    ) -> Result<Response<Body>, ApiError> {
        use api::{avatars, files, uploads};
        match (route, method) {
            (Route::Uploads, _) => Ok(uploads::create(self, &mut request).await),
            (Route::Upload, Method::GET) => Ok(uploads::show(self, &request, params).await),
            (Route::Upload, Method::PATCH) => Ok(uploads::patch(self, &mut request, params).await),
            (Route::Upload, _) => Ok(uploads::delete(self, &request, params).await),
            (Route::UploadPreview, _) => uploads::put_preview(self, request, params).await,
            (Route::FileUrls, _) => files::urls(self, request).await,
            (Route::Avatar, _) => avatars::show(self, &request, params).await,
            (Route::MyAvatar, _) => avatars::put_mine(self, &mut request).await,
            (Route::RoomAvatar, _) => avatars::put_of_room(self, &mut request, params).await,
            (Route::File, _) => files::show(self, &request, params, false).await,
            (Route::FilePreview, _) => files::show(self, &request, params, true).await,
            _ => Err(ApiError::not_found()),
        }
    }

    /// Answers a request for rooms, or for the list in which they stand.
    async fn of_rooms(
        &self,
        request: Request<RequestBody>,
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
fn meant(request: &Request<RequestBody>, route: Route) -> Option<Method> {
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
