//! From what happens to whom is told of it: as they have set it, where no device of theirs has the
//! chat in view, and in time.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::courier::{Courier, Push};
use super::listener::{Heard, Listening};
use super::payload::{Telling, Told};
use super::schedule::{Due, Place, Said, Schedule};
use crate::chat::Chat;
use crate::metrics::PushMetrics;
use crate::model::{ChatId, Members, MessageId, Pair, Timestamp, UserId};
use crate::store::{PushShow, SaidInRoom, Store};

/// 256 are told before others have a turn.
const TOLD_A_TURN: usize = 256;
/// 400 characters of a text are kept: more than are shown.
const MAX_KEPT_CHARS: usize = 400;
/// 65,536 pushes are remembered by the chat that they told of, so that they can be held back: four
/// times as many as wait at once.
const MAX_REMEMBERED: usize = 1 << 16;

/// What was handed to the courier last of each chat of a person.
#[derive(Default)]
struct Handed(FxHashMap<Place, Weak<Push>>);

impl Handed {
    /// Returns what was handed over last, where it may still go out.
    fn get(&self, place: Place) -> Option<Arc<Push>> {
        self.0.get(&place)?.upgrade()
    }

    fn take(&mut self, place: Place) -> Option<Arc<Push>> {
        self.0.remove(&place)?.upgrade()
    }

    /// Remembers what was handed over. Where there are too many, those that have gone out make
    /// room: nothing is left of them to be held back.
    fn put(&mut self, place: Place, push: &Arc<Push>) {
        if self.0.len() >= MAX_REMEMBERED {
            self.0.retain(|_, push| push.strong_count() > 0);
        }
        if self.0.len() < MAX_REMEMBERED {
            self.0.insert(place, Arc::downgrade(push));
        }
    }

    /// Takes the text out of all that may still go out: it is not known any more what became of the
    /// messages.
    fn forget_texts(&self) {
        for push in self.0.values().filter_map(Weak::upgrade) {
            if let Told::Messages { text, .. } = &mut push.telling.lock().told {
                *text = None;
            }
        }
    }
}

/// Whom to tell, and when.
pub(super) struct Hearing {
    store: Store,
    chat: Chat,
    courier: Courier,
    clock: fn() -> Timestamp,
    metrics: PushMetrics,
    schedule: Mutex<Schedule>,
    handed: Mutex<Handed>,
}

impl Hearing {
    pub(super) fn new(
        store: Store,
        chat: Chat,
        courier: Courier,
        clock: fn() -> Timestamp,
        metrics: PushMetrics,
    ) -> Self {
        Self {
            store,
            chat,
            courier,
            clock,
            metrics,
            schedule: Mutex::default(),
            handed: Mutex::default(),
        }
    }

    /// Listens and tells, for as long as it is polled.
    pub(super) async fn run(&self, mut listening: Listening) {
        loop {
            let next = self.schedule.lock().next();
            let now = (self.clock)();
            // Bounded, lest a clock that is put right keep it asleep.
            let until = next.map_or(Duration::MAX, |at| now.until(at));
            tokio::select! {
                heard = listening.heard.recv() => match heard {
                    Some(heard) => self.hear(heard),
                    None => return std::future::pending().await,
                },
                () = tokio::time::sleep(until.min(Duration::from_secs(60))), if next.is_some() => {}
            }
            for _ in 0..TOLD_A_TURN {
                let Ok(heard) = listening.heard.try_recv() else {
                    break;
                };
                self.hear(heard);
            }
            if listening.lost.swap(false, Ordering::AcqRel) {
                self.schedule.lock().forget_texts();
                self.handed.lock().forget_texts();
            }
            let due = self.schedule.lock().due((self.clock)(), TOLD_A_TURN);
            for due in due {
                self.tell((self.clock)(), due);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Tells of all that waits, due or not.
    pub(super) fn flush(&self) {
        let all = self.schedule.lock().all();
        for due in all {
            self.tell((self.clock)(), due);
        }
    }

    fn hear(&self, heard: Heard) {
        let now = (self.clock)();
        match heard {
            Heard::Said {
                chat,
                said,
                mentions,
                mention_all,
            } => {
                let said = Said {
                    text: short(&said.text),
                    ..said
                };
                for user in self.whom(now, chat, &said, &mentions, mention_all) {
                    self.said(now, Place { chat, user }, said.clone());
                }
            }
            Heard::Edited {
                chat,
                message,
                text,
            } => self.edited(chat, message, &short(&text)),
            Heard::Erased { chat, messages } => {
                let told = self.schedule.lock().erased(chat, &messages);
                for user in told {
                    self.take_back(now, Place { chat, user });
                }
            }
            Heard::Read {
                chat,
                user,
                message,
                alone,
            } => {
                let place = Place { chat, user };
                self.schedule.lock().read(place, message, alone);
                if !alone {
                    self.hold_back(place);
                }
            }
            Heard::Set { user, chat } => {
                if let Some(place) = place_of(user, chat)
                    && !self.store.may_be_told(now, user, chat)
                {
                    self.silence(place);
                }
            }
            Heard::Left { room, user } => {
                let chat = Members::Room(room);
                self.schedule.lock().forget(Place { chat, user });
                self.hold_back(Place { chat, user });
            }
        }
    }

    /// Those who are to be told of a message, as they have set it.
    fn whom(
        &self,
        now: Timestamp,
        chat: Members,
        said: &Said,
        mentions: &[UserId],
        mention_all: bool,
    ) -> Vec<UserId> {
        let mut whom = match chat {
            Members::Pair(pair) => {
                let receiver = pair.other(said.sender).into_iter();
                let is_told = |user: &UserId| self.store.is_told_by(now, *user, said.sender);
                receiver.filter(is_told).collect()
            }
            Members::Room(room) => self.store.told_in_room(
                now,
                SaidInRoom {
                    room,
                    sender: said.sender,
                    mentions,
                    mention_all,
                },
            ),
            Members::Own(_) => Vec::new(),
        };
        whom.retain(|user| !self.store.blocks(*user, said.sender));
        whom
    }

    fn said(&self, now: Timestamp, place: Place, said: Said) {
        if self.is_in_view(now, place) {
            return;
        }
        let is_online = self.chat.presence().seen(place.user).online;
        if !self.schedule.lock().said(now, place, said, is_online) {
            self.metrics.lost();
        }
    }

    fn is_in_view(&self, now: Timestamp, place: Place) -> bool {
        chat_of(place).is_none_or(|chat| self.chat.has_in_view(now, place.user, chat))
    }

    fn edited(&self, chat: Members, message: MessageId, text: &Arc<str>) {
        let told = self.schedule.lock().edited(chat, message, text);
        for user in told {
            let handed = self.handed.lock().get(Place { chat, user });
            let Some(push) = handed else {
                continue;
            };
            if let Told::Messages {
                text: Some(earlier),
                ..
            } = &mut push.telling.lock().told
            {
                *earlier = text.to_string();
            }
        }
    }

    fn silence(&self, place: Place) {
        self.schedule.lock().silence(place);
        self.hold_back(place);
    }

    /// Keeps what was handed to the courier from going out, where that has not happened.
    fn hold_back(&self, place: Place) {
        let handed = self.handed.lock().take(place);
        if let Some(push) = handed {
            push.is_void.store(true, Ordering::Release);
        }
    }

    /// Hands what is due to the courier, unless it is not wanted any more.
    fn tell(&self, now: Timestamp, due: Due) {
        let Some(chat) = chat_of(due.place) else {
            return;
        };
        let user = due.place.user;
        if self.is_in_view(now, due.place) || !self.store.may_be_told(now, user, chat) {
            return;
        }
        let is_blocked = |said: &Said| self.store.blocks(user, said.sender);
        if due.count == 1 && due.newest.as_ref().is_some_and(is_blocked) {
            return;
        }
        let newest = due.newest.filter(|said| !is_blocked(said));
        let shown = |user| Some(self.store.user(user)?.shown_name().to_owned());
        let sender = newest.as_ref().and_then(|said| shown(said.sender));
        let Some(title) = self.title(chat) else {
            return;
        };
        let told = Told::Messages {
            sender,
            text: newest.map(|said| said.text.to_string()),
            count: due.count,
        };
        let push = Push::new(Telling {
            chat: Some(chat),
            title,
            told,
        });
        // What was handed over before may be tried again for long, and would come after this.
        self.hold_back(due.place);
        for subscription in self.store.subscriptions(user) {
            self.courier.send(subscription, &push);
        }
        self.handed.lock().put(due.place, &push);
    }

    /// Tells that what was told is gone, where its text was shown.
    fn take_back(&self, now: Timestamp, place: Place) {
        self.hold_back(place);
        let Some(chat) = chat_of(place) else {
            return;
        };
        let Some(title) = self.title(chat) else {
            return;
        };
        let push = Push::new(Telling {
            chat: Some(chat),
            title,
            told: Told::Withdrawn,
        });
        for subscription in self.store.subscriptions(place.user) {
            if subscription.wish.show == PushShow::Text && subscription.holds(now) {
                self.courier.send(subscription, &push);
            }
        }
        self.handed.lock().put(place, &push);
    }

    /// How a chat is called.
    fn title(&self, chat: ChatId) -> Option<String> {
        match chat {
            ChatId::Person(peer) => Some(self.store.user(peer)?.shown_name().to_owned()),
            ChatId::Room(room) => Some(self.store.room(room)?.name.to_string()),
        }
    }
}

/// The beginning of a text.
fn short(text: &Arc<str>) -> Arc<str> {
    match text.char_indices().nth(MAX_KEPT_CHARS) {
        Some((end, _)) => text[..end].into(),
        None => Arc::clone(text),
    }
}

/// A chat as one of its members names it.
fn chat_of(place: Place) -> Option<ChatId> {
    match place.chat {
        Members::Pair(pair) => pair.other(place.user).map(ChatId::Person),
        Members::Room(room) => Some(ChatId::Room(room)),
        Members::Own(_) => None,
    }
}

fn place_of(user: UserId, chat: ChatId) -> Option<Place> {
    let chat = match chat {
        ChatId::Person(peer) => Members::Pair(Pair::new(user, peer)?),
        ChatId::Room(room) => Members::Room(room),
    };
    Some(Place { chat, user })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All were forgotten at once with the one that was too many, and a message that was deleted
    /// while its push waited to be tried again went out with its text.
    #[test]
    fn a_push_that_waits_can_be_held_back_however_many_went_out_since() {
        let push = || {
            Push::new(Telling {
                chat: None,
                title: String::new(),
                told: Told::Test,
            })
        };
        let place = |user: usize| Place {
            chat: Members::Own(UserId::new(1).unwrap()),
            user: UserId::new(user as u64).unwrap(),
        };
        let mut handed = Handed::default();
        let waiting: Vec<_> = (1..=3).map(|_| push()).collect();
        for (number, push) in waiting.iter().enumerate() {
            handed.put(place(number + 1), push);
        }
        for number in 4..=2 * MAX_REMEMBERED {
            handed.put(place(number), &push());
            assert!(handed.0.len() <= MAX_REMEMBERED);
        }
        for (number, push) in waiting.iter().enumerate() {
            let known = handed.take(place(number + 1));
            assert!(known.is_some_and(|known| Arc::ptr_eq(&known, push)));
        }
        assert!(handed.get(place(4)).is_none());
    }

    /// Of what was handed over the text stayed, and went out with a later try though the message
    /// had been deleted unheard.
    #[test]
    fn a_text_of_which_something_was_not_heard_does_not_go_out() {
        let push = Push::new(Telling {
            chat: None,
            title: "Ada".to_owned(),
            told: Told::Messages {
                sender: Some("Ada".to_owned()),
                text: Some("said".to_owned()),
                count: 1,
            },
        });
        let place = Place {
            chat: Members::Own(UserId::new(1).unwrap()),
            user: UserId::new(1).unwrap(),
        };
        let mut handed = Handed::default();
        handed.put(place, &push);
        handed.forget_texts();
        let told = &push.telling.lock().told;
        let Told::Messages { text, count, .. } = told else {
            panic!("it tells of messages")
        };
        assert_eq!((text, count), (&None, &1));
    }
}
