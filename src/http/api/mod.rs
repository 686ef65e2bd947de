//! The REST resources, one file each.

pub(super) mod admin;
pub(super) mod admin_rooms;
pub(super) mod app_users;
pub(super) mod auth;
pub(super) mod avatars;
pub(super) mod backup;
pub(super) mod chats;
pub(super) mod compact;
pub(super) mod documents;
pub(super) mod files;
pub(super) mod inbox;
pub(super) mod messages;
pub(super) mod own_export;
pub(super) mod probe;
pub(super) mod programs;
pub(super) mod push;
pub(super) mod room_invites;
pub(super) mod room_pages;
pub(super) mod rooms;
pub(super) mod server;
pub(super) mod sign_in;
pub(super) mod updates;
pub(super) mod uploads;
pub(super) mod users;
