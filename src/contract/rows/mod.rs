//! The rows of REST's answers, and the `meta` beside them. The routes of `http::api` fill them in.

mod accounts;
mod chats;
mod hooks;
mod inbox;
mod people;
mod programs;
mod push;
mod reports;
mod rooms;
mod search;
mod server;
mod sessions;
mod uploads;

pub(crate) use accounts::{
    Account, AccountRow, ChangedOwnAccount, InviteLook, InviteRow, LeftMessages, LoggedIn,
    OwnAccountLine, OwnMessageLine, PutRow, SignInLink, Token, UsersMeta,
};
pub(crate) use chats::{
    HistoryMessage, HistoryMeta, ReactionsMeta, Reactor, RecentRow, RecentsMeta, UnreadMessage,
    UnreadMeta, UpdateRow, UpdatesMeta,
};
pub(crate) use hooks::{Faring, HookInRow, HookOutRow, MadeHookInRow, MadeHookOutRow};
pub(crate) use inbox::{AnyMessage, ChatRow, InboxMeta, NextMeta, RoomMessageRow, SettingsRow};
pub(crate) use people::Person;
pub(crate) use programs::{BotKeyRow, BotRow, KeyRow, MadeBotRow, MadeKeyRow, Scope};
pub(crate) use push::{PushKeys, PushLang, PushRow, Shows, SubscriptionRow, TriedRow};
pub(crate) use reports::{
    BlockedMeta, BlockedRow, FiledReport, NamedPerson, ReportRow, ReportsMeta,
};
pub(crate) use rooms::{MemberRow, OwnedRoom, RoomReadRow, RoomRow, ShownRoom};
pub(crate) use search::{HitRow, SearchMeta};
pub(crate) use server::{Demo, Server};
pub(crate) use sessions::{ResetLink, SessionRow};
pub(crate) use uploads::UploadRow;
