//! What a browser is told: a Declarative Web Push, which some show by themselves and all others by
//! the page's service worker, in the language of its reader and with as much as they let it show.

use serde::Serialize;

use super::encrypt::MAX_PLAINTEXT_BYTES;
use crate::model::ChatId;
use crate::store::{NewSubscription, PushLanguage, PushShow};

/// What makes a message a declarative one: the number of the RFC of Web Push.
const WEB_PUSH: u16 = 8_030;
/// 300 characters of a text: more than any phone shows.
const MAX_TEXT_CHARS: usize = 300;
/// 80 characters of a name.
const MAX_NAME_CHARS: usize = 80;
/// 2,800 bytes are left for a text whose characters all are escaped; the rest is what stands around
/// it.
const MAX_BYTES: usize = 2_800;
/// The length is told to push services only in such steps.
const STEP_BYTES: usize = 256;

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// Messages of a chat have come.
    Messages {
        /// Who wrote the newest one; `None` where it is gone again.
        sender: Option<String>,
        /// The newest one; `None` where it is gone again.
        text: Option<String>,
        /// How many there are.
        count: usize,
    },
    /// What was told of a chat is gone.
    Withdrawn,
    /// That pushes arrive.
    Test,
}

/// Of which chat what is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Telling {
    /// The chat; of a test none.
    pub(super) chat: Option<ChatId>,
    /// How the chat is called: by the other person, or by the room.
    pub(super) title: String,
    pub(super) told: Told,
}

impl Telling {
    /// Returns by what notifications of the same chat take each other's place.
    pub(super) fn tag(&self) -> String {
        match self.chat {
            Some(ChatId::Person(user)) => format!("user-{user}"),
            Some(ChatId::Room(room)) => format!("room-{room}"),
            None => "test".to_owned(),
        }
    }

    fn path(&self) -> String {
        match self.chat {
            Some(ChatId::Person(user)) => format!("/#/chat/{user}"),
            Some(ChatId::Room(room)) => format!("/#/room/{room}"),
            None => "/#/".to_owned(),
        }
    }

    fn is_of_room(&self) -> bool {
        matches!(self.chat, Some(ChatId::Room(_)))
    }
}

#[derive(Serialize)]
struct Message<'a> {
    web_push: u16,
    notification: Notification<'a>,
}

#[derive(Serialize)]
struct Notification<'a> {
    title: &'a str,
    body: &'a str,
    lang: PushLanguage,
    dir: &'static str,
    navigate: String,
    tag: String,
    /// Without a sound: it takes something back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    silent: bool,
}

/// Writes what a browser is told, and returns it with the length that it is padded to.
pub(super) fn payload(
    telling: &Telling,
    wish: &NewSubscription,
    show: PushShow,
) -> (Vec<u8>, usize) {
    let title = match (&telling.told, show) {
        (Told::Test, _) | (_, PushShow::Nothing) => "chatd".to_owned(),
        _ => cut(&telling.title, MAX_NAME_CHARS),
    };
    let mut chars = MAX_TEXT_CHARS;
    loop {
        let body = body(telling, wish.lang, show, chars);
        let notification = Notification {
            title: &title,
            body: &body,
            lang: wish.lang,
            dir: "auto",
            navigate: format!("{}{}", wish.base, telling.path()),
            tag: telling.tag(),
            silent: telling.told == Told::Withdrawn,
        };
        let json = serde_json::to_vec(&Message {
            web_push: WEB_PUSH,
            notification,
        });
        let json = json.expect("texts are valid JSON");
        // Escaped, a character may take six bytes: then fewer of them are said.
        if json.len() <= MAX_BYTES || chars == 0 {
            let padded = json.len().next_multiple_of(STEP_BYTES);
            return (json, padded.min(MAX_PLAINTEXT_BYTES));
        }
        chars /= 2;
    }
}

fn body(telling: &Telling, lang: PushLanguage, show: PushShow, chars: usize) -> String {
    let words = Words::of(lang);
    let (sender, text, count) = match &telling.told {
        Told::Test => return words.test.to_owned(),
        Told::Withdrawn => return words.withdrawn.to_owned(),
        Told::Messages {
            sender,
            text,
            count,
        } => (sender, text, *count),
    };
    let news = match count {
        0 | 1 => words.one.to_owned(),
        count => format!("{count} {}", words.many),
    };
    let sender = sender.as_ref().filter(|_| telling.is_of_room());
    let sender = sender.map(|sender| cut(sender, MAX_NAME_CHARS));
    match (show, text, sender) {
        (PushShow::Nothing, ..) | (_, None, None) | (PushShow::Sender, _, None) => news,
        (PushShow::Sender, _, Some(sender)) | (PushShow::Text, None, Some(sender)) => {
            format!("{sender}: {news}")
        }
        (PushShow::Text, Some(text), sender) => {
            let text = cut(text, chars);
            let said = match sender {
                Some(sender) => format!("{sender}: {text}"),
                None => text,
            };
            match count {
                0 | 1 => said,
                _ => format!("{said}\n({news})"),
            }
        }
    }
}

/// The beginning of a text, with a sign where there is more.
fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

struct Words {
    one: &'static str,
    many: &'static str,
    withdrawn: &'static str,
    test: &'static str,
}

impl Words {
    const fn of(lang: PushLanguage) -> Self {
        match lang {
            PushLanguage::En => Self {
                one: "New message",
                many: "new messages",
                withdrawn: "Message deleted",
                test: "This is a test: notifications arrive.",
            },
            PushLanguage::Id => Self {
                one: "Pesan baru",
                many: "pesan baru",
                withdrawn: "Pesan dihapus",
                test: "Ini uji coba: notifikasi sampai.",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::{RoomId, UserId};

    fn wish(lang: PushLanguage) -> NewSubscription {
        NewSubscription {
            endpoint: "https://push.example.net/a".into(),
            p256dh: [4; 65],
            auth: [7; 16],
            lang,
            show: PushShow::Text,
            base: "https://chat.example.org/chat".into(),
            session: None,
            until: None,
        }
    }

    fn telling(chat: Option<ChatId>, told: Told) -> Telling {
        Telling {
            chat,
            title: "Ada".into(),
            told,
        }
    }

    fn with_ada() -> Option<ChatId> {
        Some(ChatId::Person(UserId::new(2).unwrap()))
    }

    fn in_ops() -> Option<ChatId> {
        Some(ChatId::Room(RoomId::new(7).unwrap()))
    }

    fn messages(text: &str, count: usize) -> Told {
        Told::Messages {
            sender: Some("Ada".into()),
            text: (!text.is_empty()).then(|| text.into()),
            count,
        }
    }

    fn shown(telling: &Telling, lang: PushLanguage, show: PushShow) -> Value {
        let (json, padded) = payload(telling, &wish(lang), show);
        assert!(json.len() <= padded && padded <= MAX_PLAINTEXT_BYTES);
        serde_json::from_slice(&json).unwrap()
    }

    #[test]
    fn a_message_is_a_declarative_push_that_leads_to_its_chat() {
        let one = shown(
            &telling(with_ada(), messages("hi <b>", 1)),
            PushLanguage::En,
            PushShow::Text,
        );
        let wanted = json!({
            "web_push": 8030,
            "notification": {
                "title": "Ada", "body": "hi <b>", "lang": "en", "dir": "auto",
                "navigate": "https://chat.example.org/chat/#/chat/2", "tag": "user-2",
            },
        });
        assert_eq!(one, wanted);
    }

    #[test]
    fn as_much_is_shown_as_its_reader_lets_it_show_in_their_language() {
        use PushLanguage::{En, Id};
        use PushShow::{Nothing, Sender, Text};
        for (chat, told, lang, show, title, body) in [
            (with_ada(), messages("hi", 1), En, Text, "Ada", "hi"),
            (
                with_ada(),
                messages("hi", 3),
                Id,
                Text,
                "Ada",
                "hi\n(3 pesan baru)",
            ),
            (
                with_ada(),
                messages("hi", 1),
                En,
                Sender,
                "Ada",
                "New message",
            ),
            (
                with_ada(),
                messages("hi", 2),
                Id,
                Nothing,
                "chatd",
                "2 pesan baru",
            ),
            (
                with_ada(),
                messages("", 2),
                En,
                Text,
                "Ada",
                "2 new messages",
            ),
            (in_ops(), messages("hi", 1), En, Text, "Ada", "Ada: hi"),
            (
                in_ops(),
                messages("hi", 2),
                En,
                Sender,
                "Ada",
                "Ada: 2 new messages",
            ),
            (
                in_ops(),
                messages("hi", 1),
                Id,
                Nothing,
                "chatd",
                "Pesan baru",
            ),
            (in_ops(), Told::Withdrawn, Id, Text, "Ada", "Pesan dihapus"),
            (
                None,
                Told::Test,
                En,
                Nothing,
                "chatd",
                "This is a test: notifications arrive.",
            ),
        ] {
            let shown = shown(&telling(chat, told.clone()), lang, show);
            let notification = &shown["notification"];
            assert_eq!(notification["title"], title, "{told:?} {show:?}");
            assert_eq!(notification["body"], body, "{told:?} {show:?}");
            let is_silent = notification["silent"] == true;
            assert_eq!(is_silent, told == Told::Withdrawn);
        }
    }

    #[test]
    fn a_long_text_is_cut_and_one_that_is_escaped_the_more() {
        for text in [
            "é".repeat(4_000),
            "\u{1}".repeat(4_000),
            "🙂".repeat(4_000),
            "\"".repeat(4_000),
        ] {
            let told = telling(in_ops(), messages(&text, 99));
            let (json, _) = payload(&told, &wish(PushLanguage::Id), PushShow::Text);
            assert!(json.len() <= MAX_BYTES, "{} bytes", json.len());
            let shown: Value = serde_json::from_slice(&json).unwrap();
            let body = shown["notification"]["body"].as_str().unwrap();
            assert!(body.contains('…') && body.chars().count() > 50, "{body}");
        }
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "abc…");
    }
}
