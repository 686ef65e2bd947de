//! The table of routes. A path under `/api/` answers with and without a slash at its end.

use std::fmt::Display;
use std::str::FromStr;

use hyper::Method;
use matchit::Params;
use smallvec::SmallVec;

use super::api::{
    admin, admin_rooms, app_users, auth, avatars, backup, blocks, chats, compact, documents, files,
    hooks, inbox, incoming_hooks, messages, own_export, probe, programs, push, reports, reset,
    room_invites, room_pages, rooms, search, server, sessions, sign_in, updates, uploads, users,
};
use super::request::misread;
use crate::contract::FieldError;
use crate::contract::documents::Routed;

/// Writes the enums, the patterns, the methods and what the documents say of them from one table.
macro_rules! routes {
    ($($group:ident { $($route:ident = $pattern:literal, [$($method:ident: $operation:path),*];)* })*) => {
        /// What a path stands for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Route {
            $($($route,)*)*
            /// Any other path under `/api/chats`: nothing, and nothing can be sent there.
            OfChats,
            /// Any other path that is not under `/api/`: a file of the page.
            Asset,
        }

        /// What a route is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Group {
            $($group,)*
        }

        const TABLE: &[(Route, &str)] = &[$($((Route::$route, $pattern)),*),*];

        /// The table as the documents tell it.
        pub(super) const ROUTES: &[Routed] = &[$($($(Routed {
            name: stringify!($route),
            path: $pattern,
            method: stringify!($method),
            operation: &$operation,
        }),*),*),*];

        impl Route {
            /// The methods it answers to.
            pub(super) const fn methods(self) -> &'static [Method] {
                match self {
                    $($(Self::$route => &[$(Method::$method),*],)*)*
                    Self::OfChats | Self::Asset => &[Method::GET],
                }
            }

            /// The group in whose part of the table it stands.
            pub(super) const fn group(self) -> Group {
                match self {
                    $($(Self::$route => Group::$group,)*)*
                    Self::OfChats | Self::Asset => Group::Server,
                }
            }
        }
    };
}

/// Answered even while nothing else is.
pub(super) const HEALTH: &str = "/healthz";

routes! {
    Chats {
        Recents  = "/api/chats",                  [GET: chats::RECENTS];
        Unread   = "/api/chats/unread",           [GET: chats::UNREAD];
        Updates  = "/api/chats/updates",          [GET: updates::OF_FIRST];
        AllUpdates = "/api/updates",             [GET: updates::OF_SECOND];
        History  = "/api/chats/history/{user_id}", [GET: chats::HISTORY];
        MarkRead = "/api/chats/{message_id}/read", [PATCH: chats::MARK_READ];
        Message  = "/api/messages/{id}",         [GET: messages::SHOW, DELETE: messages::DELETE];
        Reactions = "/api/messages/{id}/reactions", [GET: messages::REACTIONS];
        Search   = "/api/search",             [GET: search::SEARCH];
    }
    Rooms {
        Inbox    = "/api/inbox",                  [GET: inbox::LIST];
        PairMe   = "/api/chats/{user_id}/me",     [PATCH: rooms::SET_PAIR];
        Rooms    = "/api/rooms",                  [POST: rooms::CREATE, GET: room_pages::MINE];
        OpenRooms = "/api/rooms/open",            [GET: room_pages::OPEN];
        Room     = "/api/rooms/{id}",             [GET: room_pages::SHOW, PATCH: rooms::CHANGE, DELETE: rooms::ARCHIVE];
        Members  = "/api/rooms/{id}/members",     [GET: room_pages::MEMBERS, PUT: rooms::PUT_MEMBERS];
        Member   = "/api/rooms/{id}/members/{user_id}", [PUT: rooms::PUT_MEMBER, DELETE: rooms::REMOVE_MEMBER];
        JoinRoom = "/api/rooms/{id}/join",        [POST: rooms::JOIN];
        LeaveRoom = "/api/rooms/{id}/leave",      [POST: rooms::LEAVE];
        JoinByInvite = "/api/rooms/join",         [POST: room_invites::JOIN];
        RoomInvites = "/api/rooms/{id}/invites",  [POST: room_invites::MAKE, GET: room_invites::LIST];
        RoomInvite = "/api/rooms/{id}/invites/{code}", [DELETE: room_invites::REVOKE];
        LookAtInvite = "/api/invites/look",       [POST: room_invites::LOOK];
        RoomMe   = "/api/rooms/{id}/me",          [PATCH: rooms::SET];
        RoomHistory = "/api/rooms/{id}/history",  [GET: room_pages::HISTORY];
        ReadRoom = "/api/rooms/{id}/read",        [POST: room_pages::MARK_READ];
        RoomReads = "/api/rooms/{id}/reads",      [GET: room_pages::READS];
        AllRooms = "/api/admin/rooms",            [GET: admin_rooms::ALL];
        AnyRoom  = "/api/admin/rooms/{id}",       [GET: admin_rooms::SHOW, PATCH: admin_rooms::RETAIN, DELETE: admin_rooms::ARCHIVE];
        AnyMembers = "/api/admin/rooms/{id}/members", [GET: admin_rooms::MEMBERS];
    }
    Files {
        Uploads  = "/api/uploads",                [POST: uploads::CREATE];
        Upload   = "/api/uploads/{id}",           [GET: uploads::SHOW, PATCH: uploads::PATCH, DELETE: uploads::DELETE];
        UploadPreview = "/api/uploads/{id}/preview", [PUT: uploads::PUT_PREVIEW];
        FileUrls = "/api/files/urls",             [POST: files::URLS];
        File     = "/api/files/{id}/{name}",      [GET: files::SHOW];
        FilePreview = "/api/files/{id}/{name}/preview", [GET: files::PREVIEW];
        Avatar   = "/api/avatars/{id}",           [GET: avatars::SHOW];
        MyAvatar = "/api/auth/me/avatar",         [PUT: avatars::PUT_MINE];
        RoomAvatar = "/api/rooms/{id}/avatar",    [PUT: avatars::PUT_OF_ROOM];
    }
    People {
        Users    = "/api/users",                  [GET: users::SEARCH];
        User     = "/api/users/{id}",             [GET: users::SHOW];
        Register = "/api/auth/register",          [POST: auth::REGISTER];
        Login    = "/api/auth/login",             [POST: auth::LOGIN];
        SignInLink = "/api/auth/sign-in-link",    [POST: sign_in::MAKE];
        SignIn   = "/api/auth/sign-in",           [POST: sign_in::USE];
        Logout   = "/api/auth/logout",            [POST: auth::LOGOUT];
        Me       = "/api/auth/me",                [GET: auth::ME, PATCH: auth::CHANGE, DELETE: auth::DELETE];
        OwnExport = "/api/auth/me/export",      [GET: own_export::SHOW];
        Blocks   = "/api/blocks",             [GET: blocks::LIST];
        Block    = "/api/blocks/{user_id}",   [PUT: blocks::PUT, DELETE: blocks::DELETE];
        FileReport = "/api/reports",            [POST: reports::FILE];
        Reset    = "/api/auth/reset",         [POST: reset::USE];
        Sessions = "/api/auth/sessions",      [GET: sessions::LIST, DELETE: sessions::END_OTHERS];
        Session  = "/api/auth/sessions/{id}", [DELETE: sessions::END];
        Push     = "/api/push",               [GET: push::SHOW];
        PushSubscription = "/api/push/subscriptions/{id}", [PUT: push::SUBSCRIBE, DELETE: push::UNSUBSCRIBE];
        PushTest = "/api/push/test",          [POST: push::TEST];
    }
    Administration {
        Invites  = "/api/admin/invites",          [POST: admin::CREATE_INVITE, GET: admin::INVITES];
        Invite   = "/api/admin/invites/{code}",   [DELETE: admin::REVOKE_INVITE];
        Accounts = "/api/admin/users",            [GET: admin::USERS, POST: admin::CREATE_USER, PUT: app_users::PUT];
        Account  = "/api/admin/users/{id}",       [PUT: admin::PUT_USER, PATCH: admin::CHANGE_USER, DELETE: admin::DELETE_USER];
        Token    = "/api/admin/users/{id}/token", [POST: admin::TOKEN];
        Bots     = "/api/admin/bots",             [POST: programs::CREATE_BOT, GET: programs::BOTS];
        BotKeys  = "/api/admin/bots/{id}/keys",   [POST: programs::CREATE_BOT_KEY];
        BotKey   = "/api/admin/bots/{id}/keys/{key_id}", [DELETE: programs::REVOKE_BOT_KEY];
        Keys     = "/api/admin/keys",             [POST: programs::CREATE_KEY, GET: programs::KEYS];
        Key      = "/api/admin/keys/{id}",        [PATCH: programs::CHANGE_KEY, DELETE: programs::REVOKE_KEY];
        Backup   = "/api/admin/backup",           [GET: backup::SHOW];
        Compact  = "/api/admin/compact",          [POST: compact::MAKE];
        Probe    = "/api/admin/probe/{code}",     [GET: probe::SEEN, PUT: probe::ANNOUNCE];
        Reports  = "/api/admin/reports",      [GET: reports::LIST];
        Report   = "/api/admin/reports/{id}", [PATCH: reports::CLOSE];
        ResetLink = "/api/admin/users/{id}/reset-link", [POST: reset::MAKE];
        HooksIn  = "/api/admin/hooks/in",     [POST: hooks::CREATE_IN, GET: hooks::ALL_IN];
        HookIn   = "/api/admin/hooks/in/{id}", [PATCH: hooks::CHANGE_IN, DELETE: hooks::DELETE_IN];
        HooksOut = "/api/admin/hooks/out",    [POST: hooks::CREATE_OUT, GET: hooks::ALL_OUT];
        HookOut  = "/api/admin/hooks/out/{id}", [PATCH: hooks::CHANGE_OUT, DELETE: hooks::DELETE_OUT];
        ReplayHook = "/api/admin/hooks/out/{id}/replay", [POST: hooks::REPLAY];
        Hook     = "/api/hooks/{id}/{secret}", [POST: incoming_hooks::WRITE];
        HookByBearer = "/api/hooks/{id}",         [POST: incoming_hooks::WRITE_BY_BEARER];
    }
    Server {
        Server   = "/api/server",                 [GET: server::SHOW];
        OpenApi  = "/api/openapi.json",           [GET: documents::OPENAPI];
        AsyncApi = "/api/asyncapi.json",          [GET: documents::ASYNCAPI];
        Docs     = "/docs",                       [GET: documents::PAGE];
        Guide    = "/docs/app",                   [GET: documents::GUIDE];
        ChatGuide = "/docs/chat",                 [GET: documents::CHAT_GUIDE];
        Handbook = "/docs/operate",               [GET: documents::HANDBOOK];
        Health   = "/healthz",                    [GET: server::HEALTH];
        Ready    = "/readyz",                     [GET: server::READY];
    }
}

/// The parts of a path that its pattern names.
pub(super) struct PathParams(SmallVec<[(String, String); 1]>);

impl PathParams {
    fn new(params: &Params<'_, '_>) -> Self {
        Self(
            params
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    /// One of them.
    pub(super) fn required<T: FromStr<Err: Display + 'static>>(
        &self,
        name: &'static str,
    ) -> Result<T, FieldError> {
        let value = self
            .0
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value);
        let value = value.parse::<T>();
        value.map_err(|error| misread(name, &error))
    }
}

/// Finds the route of a path.
pub(super) struct Router(matchit::Router<Route>);

impl Router {
    pub(super) fn new() -> Self {
        let mut router = matchit::Router::new();
        for (route, pattern) in TABLE {
            router
                .insert(*pattern, *route)
                .expect("the patterns of the table do not conflict");
        }
        Self(router)
    }

    /// `None` for a path under `/api/` that nothing answers to.
    pub(super) fn find(&self, path: &str) -> Option<(Route, PathParams)> {
        let api = path.starts_with("/api/") || path == "/api";
        let trimmed = if api {
            path.strip_suffix('/').unwrap_or(path)
        } else {
            path
        };
        if let Ok(found) = self.0.at(trimmed) {
            return Some((*found.value, PathParams::new(&found.params)));
        }
        let none = PathParams(SmallVec::new());
        match trimmed.strip_prefix("/api/chats") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Some((Route::OfChats, none)),
            _ if api => None,
            _ => Some((Route::Asset, none)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_finds_its_route_with_and_without_a_slash() {
        let router = Router::new();
        for (path, route) in [
            ("/api/chats", Some(Route::Recents)),
            ("/api/chats/unread", Some(Route::Unread)),
            ("/api/chats/history/2", Some(Route::History)),
            ("/api/chats/10/read", Some(Route::MarkRead)),
            ("/api/chats/send", Some(Route::OfChats)),
            ("/api/chats/2/messages", Some(Route::OfChats)),
            ("/api/chatsx", None),
            ("/api/users/2", Some(Route::User)),
            ("/api/nothing", None),
            ("/api", None),
        ] {
            for path in [path.to_owned(), format!("{path}/")] {
                assert_eq!(router.find(&path).map(|(route, _)| route), route, "{path}");
            }
        }
        for path in ["/", "/js/main.js", "/apix"] {
            assert_eq!(
                router.find(path).map(|(route, _)| route),
                Some(Route::Asset),
                "{path}"
            );
        }
    }
}
