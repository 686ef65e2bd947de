//! The keys of programs, the hooks and the reports of a data file as lines.
//!
//! Sessions, the codes of links and the browsers that are pushed to are left out: a session lives
//! by the secret that signs tokens, which is not exported, and the others by a session or for a
//! day.

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use redb::{ReadTransaction, ReadableTable};

use super::lines::{ApiKeyLine, HookInLine, HookOutLine, Line, ReportLine, ReportedLine};
use crate::model::ChatId;
use crate::store::error::StoreError;
use crate::store::people::api_keys::{self, ApiKey, KeyHolder};
use crate::store::people::hooks::hook::{Hook, HookKind};
use crate::store::people::hooks::row::{self as hooks, HookRow};
use crate::store::people::reports::{self, Report};
use crate::store::tables::{HOOKS, KEYS, REPORTS};

/// Returns the lines: of some 1,000 keys, hooks and reports each at most.
pub(super) fn lines(txn: &ReadTransaction) -> Result<Vec<Line<'static>>, StoreError> {
    let mut lines = Vec::new();
    for row in txn.open_table(KEYS)?.iter()? {
        let (number, value) = row?;
        let key = api_keys::decode(number.value(), value.value())?;
        lines.push(Line::ApiKey(key_line(&key)));
    }
    for row in txn.open_table(HOOKS)?.iter()? {
        let (number, value) = row?;
        // What happened to accounts and was not told yet is told as a gap.
        if let HookRow::Hook(hook) = hooks::decode(number.value(), value.value())? {
            lines.push(hook_line(&hook));
        }
    }
    for row in txn.open_table(REPORTS)?.iter()? {
        let (number, value) = row?;
        let report = reports::decode(number.value(), value.value())?;
        lines.extend(report.map(|report| Line::Report(report_line(report))));
    }
    Ok(lines)
}

fn key_line(key: &ApiKey) -> ApiKeyLine<'static> {
    let (bot_id, name, scope) = match &key.holder {
        KeyHolder::Bot(bot) => (Some(*bot), None, None),
        KeyHolder::Backend { name, scope } => (None, Some(name.to_string()), Some(*scope)),
    };
    ApiKeyLine {
        key_id: key.id.0,
        bot_id,
        name: name.map(Into::into),
        scope,
        hash: base64(&key.hash),
        created_at: key.created_at.into(),
        confirmed_at: key.confirmed_at.into(),
    }
}

fn hook_line(hook: &Hook) -> Line<'static> {
    let (hook_id, created_at) = (hook.id.0, hook.created_at.into());
    let confirmed_at = hook.confirmed_at.into();
    match &hook.kind {
        HookKind::In(incoming) => {
            let (room_id, user_id) = match incoming.chat {
                ChatId::Room(room) => (Some(room), None),
                ChatId::Person(user) => (None, Some(user)),
            };
            Line::HookIn(HookInLine {
                hook_id,
                bot_id: incoming.bot,
                room_id,
                user_id,
                name: incoming.name.to_string().into(),
                hash: base64(&incoming.hash),
                created_at,
                confirmed_at,
            })
        }
        HookKind::Out(out) => Line::HookOut(HookOutLine {
            hook_id,
            url: out.url.0.to_string().into(),
            secret: base64(&out.secret.0),
            events: out.events.clone(),
            room_ids: out.rooms.clone(),
            told_to: out.progress.entry,
            paused: out.progress.paused,
            set_aside: out.progress.set_aside,
            set_aside_from: out.progress.set_aside_from,
            created_at,
            confirmed_at,
        }),
    }
}

fn report_line(report: Report) -> ReportLine<'static> {
    ReportLine {
        report_id: report.number,
        by_id: report.by,
        user_id: report.about,
        reason: report.reason.to_string().into(),
        message: report.message.map(|message| ReportedLine {
            id: message.id,
            room_id: message.room,
            content: message.content.to_string().into(),
            created_at: message.sent_at.into(),
        }),
        created_at: report.created_at.into(),
        expires_at: report.expires_at.into(),
    }
}

fn base64(bytes: &[u8; 32]) -> std::borrow::Cow<'static, str> {
    BASE64_STANDARD_NO_PAD.encode(bytes).into()
}
