//! Lines of keys, hooks and reports. Keys and hooks come back paused, as after a restore: an
//! administrator confirms those that are wanted here still.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use redb::{Table, WriteTransaction};
use rustc_hash::FxHashSet;

use super::{Import, MAX_MESSAGE_CHARS, Taken};
use crate::model::{
    ChatId, HookSecret, HookUrl, MAX_HOOK_NAME_CHARS, MAX_HOOK_ROOMS, RoomId, Timestamp, UserId,
    check_content, is_one_line,
};
use crate::store::error::StoreError;
use crate::store::maintain::lines::{ApiKeyLine, HookInLine, HookOutLine, ReportLine};
use crate::store::people::api_keys::{self, ApiKey, ApiKeyId, KeyHash, KeyHolder};
use crate::store::people::hooks::hook::{Hook, HookId, HookIn, HookKind, HookOut, HookProgress};
use crate::store::people::hooks::row::{self as hooks, HookRow};
use crate::store::people::reports::{self, MAX_OPEN, MAX_REASON_CHARS, Report, ReportedMessage};
use crate::store::tables::{HOOKS, KEYS, REPORTS};
use crate::store::talk::rooms::Rooms;

/// The longest URL of a hook, in bytes: as long as requests are made to.
const MAX_URL_BYTES: usize = 2_048;

/// What is neither an account nor of the log.
pub(super) struct Others<'txn> {
    keys: Table<'txn, u64, &'static [u8]>,
    hooks: Table<'txn, u64, &'static [u8]>,
    reports: Table<'txn, u64, &'static [u8]>,
    /// The accounts that are bots.
    pub(super) bots: FxHashSet<UserId>,
    hashes: FxHashSet<KeyHash>,
    /// The greatest numbers so far: of keys, hooks and reports.
    last: [u64; 3],
    open: usize,
    /// What hooks say of the log, which comes after them.
    entries: Vec<(HookId, u64)>,
    rooms: Vec<(HookId, RoomId)>,
    /// How many lines there were.
    pub(super) count: u64,
}

impl<'txn> Others<'txn> {
    pub(super) fn open(txn: &'txn WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            keys: txn.open_table(KEYS)?,
            hooks: txn.open_table(HOOKS)?,
            reports: txn.open_table(REPORTS)?,
            bots: FxHashSet::default(),
            hashes: FxHashSet::default(),
            last: [0; 3],
            open: 0,
            entries: Vec::new(),
            rooms: Vec::new(),
            count: 0,
        })
    }

    /// Refuses hooks that name a place of the log or a room that is not there.
    pub(super) fn fit(&self, last_entry: u64, rooms: &Rooms) -> Result<(), String> {
        let ahead = self.entries.iter().find(|(_, entry)| *entry > last_entry);
        if let Some((hook, entry)) = ahead {
            return Err(format!(
                "hook {} is at {entry}, the last entry is {last_entry}",
                hook.0
            ));
        }
        let nowhere = self
            .rooms
            .iter()
            .find(|(_, room)| rooms.head(*room).is_none());
        match nowhere {
            Some((hook, room)) => Err(format!(
                "hook {} names room {room}, which is not there",
                hook.0
            )),
            None => Ok(()),
        }
    }

    /// Takes the next number of a kind.
    fn next(&mut self, kind: usize, number: u64) -> Result<(), String> {
        if number <= self.last[kind] || number > i64::MAX.unsigned_abs() {
            return Err(format!("number {number} comes after {}", self.last[kind]));
        }
        self.last[kind] = number;
        self.count += 1;
        Ok(())
    }

    fn bot(&self, bot: UserId) -> Result<UserId, String> {
        match self.bots.contains(&bot) {
            true => Ok(bot),
            false => Err(format!("there is no bot {bot}")),
        }
    }

    fn hash(&mut self, text: &str) -> Result<KeyHash, String> {
        let hash = secret("hash", text)?;
        match self.hashes.insert(hash) {
            true => Ok(hash),
            false => Err("an earlier line has the same hash".to_owned()),
        }
    }
}

impl Import<'_> {
    pub(super) fn take_key(&mut self, line: &ApiKeyLine<'_>) -> Taken {
        let key = match self.key(line) {
            Ok(key) => key,
            Err(wrong) => return Ok(Err(wrong)),
        };
        self.others
            .keys
            .insert(key.id.0, &api_keys::encode(&key)[..])?;
        Ok(Ok(()))
    }

    pub(super) fn take_hook_in(&mut self, line: &HookInLine<'_>) -> Taken {
        match self.hook_in(line) {
            Ok(hook) => self.put_hook(hook),
            Err(wrong) => Ok(Err(wrong)),
        }
    }

    pub(super) fn take_hook_out(&mut self, line: &HookOutLine<'_>) -> Taken {
        match self.hook_out(line) {
            Ok(hook) => self.put_hook(hook),
            Err(wrong) => Ok(Err(wrong)),
        }
    }

    pub(super) fn take_report(&mut self, line: &ReportLine<'_>) -> Taken {
        let report = match self.report(line) {
            Ok(report) => report,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let row = reports::encode(&report);
        self.others.reports.insert(report.number, &row[..])?;
        Ok(Ok(()))
    }

    fn put_hook(&mut self, hook: Hook) -> Taken {
        let number = hook.id.0;
        let row = hooks::encode(number, &HookRow::Hook(Arc::new(hook)));
        self.others.hooks.insert(number, &row[..])?;
        Ok(Ok(()))
    }

    /// What holds for each of these lines: it comes before the log, and its times have come.
    fn before_the_log(&self, times: &[(&str, Timestamp)]) -> Result<(), String> {
        if self.last_entry > 0 {
            return Err("keys, hooks and reports come before messages".to_owned());
        }
        for (key, time) in times {
            self.has_come(key, *time)?;
        }
        Ok(())
    }

    fn known(&self, user: UserId) -> Result<UserId, String> {
        match self.known_users.contains(&user) {
            true => Ok(user),
            false => Err(format!("there is no account {user}")),
        }
    }

    fn key(&mut self, line: &ApiKeyLine<'_>) -> Result<ApiKey, String> {
        let [created_at, confirmed_at] = [self.cut(line.created_at), self.cut(line.confirmed_at)];
        self.before_the_log(&[("created_at", created_at), ("confirmed_at", confirmed_at)])?;
        let holder = match (line.bot_id, &line.name, line.scope) {
            (Some(bot), None, None) => KeyHolder::Bot(self.others.bot(bot)?),
            (None, Some(name), Some(scope)) => KeyHolder::Backend {
                name: checked_name(name)?.into(),
                scope,
            },
            _ => return Err("a key has either bot_id, or name and scope".to_owned()),
        };
        self.others.next(0, line.key_id)?;
        Ok(ApiKey {
            id: ApiKeyId(line.key_id),
            holder,
            hash: self.others.hash(&line.hash)?,
            created_at,
            confirmed_at,
        })
    }

    fn hook_in(&mut self, line: &HookInLine<'_>) -> Result<Hook, String> {
        let [created_at, confirmed_at] = [self.cut(line.created_at), self.cut(line.confirmed_at)];
        self.before_the_log(&[("created_at", created_at), ("confirmed_at", confirmed_at)])?;
        let bot = self.others.bot(line.bot_id)?;
        let chat = match (line.room_id, line.user_id) {
            (Some(room), None) => ChatId::Room(room),
            (None, Some(user)) if user == bot => {
                return Err("a bot does not write to itself".to_owned());
            }
            (None, Some(user)) => ChatId::Person(self.known(user)?),
            _ => return Err("give room_id or user_id".to_owned()),
        };
        let id = HookId(line.hook_id);
        self.others.next(1, id.0)?;
        if let ChatId::Room(room) = chat {
            self.others.rooms.push((id, room));
        }
        let incoming = HookIn {
            bot,
            chat,
            name: checked_name(&line.name)?.into(),
            hash: self.others.hash(&line.hash)?,
        };
        Ok(Hook {
            id,
            created_at,
            confirmed_at,
            kind: HookKind::In(incoming),
        })
    }

    fn hook_out(&mut self, line: &HookOutLine<'_>) -> Result<Hook, String> {
        let [created_at, confirmed_at] = [self.cut(line.created_at), self.cut(line.confirmed_at)];
        self.before_the_log(&[("created_at", created_at), ("confirmed_at", confirmed_at)])?;
        let is_web = ["http://", "https://"]
            .iter()
            .any(|scheme| line.url.starts_with(scheme));
        if !is_web || line.url.len() > MAX_URL_BYTES || !is_one_line(&line.url) {
            return Err(format!(
                "url: give an http: or https: URL of at most {MAX_URL_BYTES} bytes"
            ));
        }
        let rooms = &line.room_ids;
        if rooms.len() > MAX_HOOK_ROOMS || !rooms.is_sorted_by(|one, other| one < other) {
            return Err(format!(
                "room_ids: give at most {MAX_HOOK_ROOMS}, ascending"
            ));
        }
        let id = HookId(line.hook_id);
        self.others.next(1, id.0)?;
        let entries = [Some(line.told_to), line.set_aside_from].into_iter();
        let entries = entries.flatten();
        self.others.entries.extend(entries.map(|entry| (id, entry)));
        let rooms = line.room_ids.iter().map(|room| (id, *room));
        self.others.rooms.extend(rooms);
        let progress = HookProgress {
            entry: line.told_to,
            // What happened to accounts has numbers that are given anew.
            account: id.0,
            paused: line.paused,
            set_aside: line.set_aside,
            set_aside_from: line.set_aside_from,
            ..HookProgress::default()
        };
        let out = HookOut {
            url: HookUrl((*line.url).into()),
            secret: HookSecret(secret("secret", &line.secret)?),
            events: line.events.clone(),
            rooms: line.room_ids.clone(),
            progress,
            turn: 0,
        };
        Ok(Hook {
            id,
            created_at,
            confirmed_at,
            kind: HookKind::Out(Box::new(out)),
        })
    }

    fn report(&mut self, line: &ReportLine<'_>) -> Result<Report, String> {
        let [created_at, expires_at] = [self.cut(line.created_at), self.cut(line.expires_at)];
        self.before_the_log(&[("created_at", created_at)])?;
        if expires_at < created_at || expires_at > created_at.plus(reports::KEPT) {
            return Err("a report is kept for 90 days at most".to_owned());
        }
        let is_read = (1..=MAX_REASON_CHARS).contains(&line.reason.chars().count());
        if !is_read {
            return Err(format!(
                "reason must have 1 to {MAX_REASON_CHARS} characters"
            ));
        }
        let message = match &line.message {
            None => None,
            Some(message) => {
                check_content(&message.content, MAX_MESSAGE_CHARS)
                    .map_err(|error| error.to_string())?;
                let sent_at = self.cut(message.created_at);
                self.has_come("message.created_at", sent_at)?;
                Some(ReportedMessage {
                    id: message.id,
                    room: message.room_id,
                    sent_at,
                    content: (*message.content).into(),
                })
            }
        };
        let (by, about) = (self.known(line.by_id)?, self.known(line.user_id)?);
        self.others.next(2, line.report_id)?;
        self.others.open += 1;
        if self.others.open > MAX_OPEN {
            return Err(format!("there are more than {MAX_OPEN} reports"));
        }
        Ok(Report {
            number: line.report_id,
            by,
            about,
            message,
            reason: (*line.reason).into(),
            created_at,
            expires_at,
        })
    }
}

fn checked_name(name: &str) -> Result<&str, String> {
    let fits = (1..=MAX_HOOK_NAME_CHARS).contains(&name.chars().count());
    match fits && is_one_line(name) {
        true => Ok(name),
        false => Err(format!(
            "name must have 1 to {MAX_HOOK_NAME_CHARS} characters in one line"
        )),
    }
}

fn secret(key: &str, text: &str) -> Result<[u8; 32], String> {
    let bytes = BASE64_STANDARD_NO_PAD.decode(text).ok();
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| format!("{key} is no base64 of 32 bytes"))
}
