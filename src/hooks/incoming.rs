//! A message that came by a hook: once, and as its bot.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;

use super::verbs::hash;
use super::{HookError, Hooks};
use crate::chat::{ChatError, SendMessage, SendToRoom};
use crate::model::{ChatId, ClientId, Extras, MessageId, Speaker, Timestamp, UserId};
use crate::store::{HookId, HookIn};

/// 60 s: an equal body within it is the same message.
const SAME_FOR: Duration = Duration::from_secs(60);
/// So many bodies are known at once; of further ones the minute in which they came alone counts.
const MAX_RECENT: usize = 4_096;

/// What a body says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The text.
    pub content: String,
    /// The sender's own name for it.
    pub client_id: Option<ClientId>,
    /// What is called the one who speaks.
    pub speaker: Option<Speaker>,
    /// A text that is too long is cut, and not refused.
    pub is_cut: bool,
}

/// A message that was written by a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The message.
    pub message: MessageId,
    /// The bot.
    pub bot: UserId,
}

/// The bodies of the last minute, each with the client id that its message has.
#[derive(Default)]
pub(super) struct Recent(FxHashMap<[u8; 16], (Timestamp, ClientId)>);

fn is_recent(now: Timestamp, at: Timestamp) -> bool {
    // Where the clock was set back, for no longer than it would be.
    now < at.plus(SAME_FOR) && at < now.plus(SAME_FOR)
}

impl Recent {
    /// Returns by which client id the message of this body is known. Over a restart the minute in
    /// which it came says it, so that most are still known then.
    fn name(&mut self, now: Timestamp, id: HookId, body: &[u8]) -> Option<ClientId> {
        let digest = Sha256::new()
            .chain_update(id.0.to_le_bytes())
            .chain_update(body)
            .finalize();
        let key: [u8; 16] = digest[..16].try_into().ok()?;
        if let Some((at, name)) = self.0.get(&key)
            && is_recent(now, *at)
        {
            return Some(name.clone());
        }
        let text = BASE64_URL_SAFE_NO_PAD.encode(key);
        let name = ClientId::new(&format!("hook-{text}-{}", now.as_secs() / 60)).ok()?;
        if self.0.len() >= MAX_RECENT {
            self.0.retain(|_, (at, _)| is_recent(now, *at));
        }
        if self.0.len() < MAX_RECENT {
            self.0.insert(key, (now, name.clone()));
        }
        Some(name)
    }
}

impl Hooks {
    /// Returns the incoming hook that this secret opens. One that is no more and a wrong secret
    /// are refused alike.
    pub fn opened(&self, id: HookId, secret: &str) -> Result<HookIn, HookError> {
        let hook = self.shared.store.hook(id);
        let incoming = hook.as_ref().and_then(|hook| hook.incoming());
        let kept = incoming.map_or([0; 32], |incoming| incoming.hash);
        let is_right = bool::from(kept.ct_eq(&hash(secret)));
        let (hook, incoming) = hook
            .as_ref()
            .zip(incoming)
            .filter(|_| is_right)
            .ok_or(HookError::NoSuchHook)?;
        if self.is_unconfirmed(hook) {
            return Err(HookError::Unconfirmed);
        }
        let bot = self.shared.store.user(incoming.bot);
        if !bot.is_some_and(|bot| bot.is_bot && !bot.disabled) {
            return Err(HookError::BotDisabled);
        }
        Ok(incoming.clone())
    }

    /// Writes what a body says as the bot of a hook that was [opened](Self::opened). An equal body
    /// within a minute, where none has a client id, is the same message.
    pub async fn write(
        &self,
        now: Timestamp,
        id: HookId,
        hook: &HookIn,
        body: &[u8],
        said: Said,
    ) -> Result<Written, HookError> {
        let written = self.try_write(now, id, hook, body, said).await;
        self.shared.metrics.written(match &written {
            Ok(_) => "written",
            Err(_) => "refused",
        });
        written
    }

    async fn try_write(
        &self,
        now: Timestamp,
        id: HookId,
        hook: &HookIn,
        body: &[u8],
        said: Said,
    ) -> Result<Written, HookError> {
        if said.content.trim().is_empty() {
            return Err(HookError::NothingSaid);
        }
        let content: Arc<str> = match said.is_cut {
            true => cut(said.content, self.shared.chat.max_message_chars()).into(),
            false => said.content.into(),
        };
        let client_id = match said.client_id {
            Some(client_id) => Some(client_id),
            None => self.recent.lock().name(now, id, body),
        };
        let extras = Extras {
            speaker: said.speaker,
            ..Extras::default()
        }
        .boxed();
        let (reply, replied) = oneshot::channel();
        let answer = move |result| drop(reply.send(result));
        let chat = &self.shared.chat;
        match hook.chat {
            ChatId::Person(receiver_id) => {
                let request = SendMessage {
                    receiver_id,
                    content,
                    client_id,
                    extras,
                };
                chat.send(now, hook.bot, request, None, answer);
            }
            ChatId::Room(room_id) => {
                let request = SendToRoom {
                    room_id,
                    content,
                    client_id,
                    extras,
                };
                chat.send_to_room(now, hook.bot, request, None, answer);
            }
        }
        let notice = replied.await.unwrap_or(Err(ChatError::Unavailable))?;
        Ok(Written {
            message: notice.entry.id.into(),
            bot: hook.bot,
        })
    }
}

/// Cuts a text to so many characters, with an ellipsis where something is left out.
fn cut(text: String, most: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(most) else {
        return text;
    };
    let last = text[..end].char_indices().next_back();
    let mut short = text[..last.map_or(0, |(at, _)| at)].to_owned();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        for (text, most, short) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("ééééé", 3, "éé…"),
            ("👍👍👍", 2, "👍…"),
            ("ab", 1, "…"),
        ] {
            assert_eq!(cut(text.to_owned(), most), short);
        }
    }

    #[test]
    fn an_equal_body_of_one_hook_within_a_minute_is_one_message() {
        let mut recent = Recent::default();
        let at = |secs: u64| Timestamp::from_ms(1_749_124_799_000 + secs * 1_000);
        let first = recent.name(at(0), HookId(1), b"down").unwrap();
        // Over the end of a minute, too.
        assert_eq!(recent.name(at(59), HookId(1), b"down"), Some(first.clone()));
        let others = [
            recent.name(at(60), HookId(1), b"down"),
            recent.name(at(0), HookId(1), b"up"),
            recent.name(at(0), HookId(2), b"down"),
        ];
        for (place, other) in others.iter().enumerate() {
            assert_ne!(other.as_ref(), Some(&first), "{place}");
        }
        // As after a restart within the minute.
        let mut fresh = Recent::default();
        assert_eq!(fresh.name(at(0), HookId(1), b"down"), Some(first));
        for number in 0..2 * MAX_RECENT {
            let body = number.to_string();
            assert!(recent.name(at(1), HookId(1), body.as_bytes()).is_some());
        }
        assert!(recent.0.len() <= MAX_RECENT);
    }
}
