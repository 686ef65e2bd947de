//! The rows of REST's answers, and the `meta` beside them. The routes of `http::api` fill them in.

mod accounts;
mod chats;
mod inbox;
mod people;
mod programs;
mod push;
mod rooms;
mod server;
mod uploads;

pub(crate) use accounts::{
    Account, AccountRow, ChangedOwnAccount, InviteLook, InviteRow, LeftMessages, LoggedIn,
    OwnAccountLine, OwnMessageLine, PutRow, SignInLink, Token, UsersMeta,
};
pub(crate) use chats::{
    HistoryMessage, HistoryMeta, ReactionsMeta, Reactor, RecentRow, RecentsMeta, UnreadMessage,
    UnreadMeta, UpdateRow, UpdatesMeta,
};
pub(crate) use inbox::{AnyMessage, ChatRow, InboxMeta, NextMeta, RoomMessageRow, SettingsRow};
pub(crate) use people::Person;
pub(crate) use programs::{BotKeyRow, BotRow, KeyRow, MadeBotRow, MadeKeyRow, Scope};
pub(crate) use push::{PushKeys, PushLang, PushRow, Shows, SubscriptionRow, TriedRow};
pub(crate) use rooms::{MemberRow, OwnedRoom, RoomReadRow, RoomRow, ShownRoom};
pub(crate) use server::{Demo, Server};
pub(crate) use uploads::UploadRow;
