//! What pushes need to hear of what happens: a look at one number while nobody has subscribed, and
//! else a short word into a bounded queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use super::schedule::Said;
use crate::chat::{Behind, Event, Listener};
use crate::metrics::PushMetrics;
use crate::model::{
    Act, ChatId, Members, MembershipChange, MessageId, MessagePart, Notice, RoomId, UserId,
};
use crate::store::{Store, SubscriptionCount};

/// 4,096 entries may wait to be looked at; of more nobody is told.
const MAX_WAITING: usize = 4_096;

/// What happened, as far as pushes are concerned.
#[derive(Debug)]
pub(super) enum Heard {
    /// A message was sent.
    Said {
        chat: Members,
        said: Said,
        mentions: Box<[UserId]>,
        mention_all: bool,
    },
    /// A message has another text.
    Edited {
        chat: Members,
        message: MessageId,
        text: Arc<str>,
    },
    /// Messages are gone.
    Erased {
        chat: Members,
        messages: Vec<MessageId>,
    },
    /// A person has read a chat up to a message, or that one alone.
    Read {
        chat: Members,
        user: UserId,
        message: MessageId,
        alone: bool,
    },
    /// A person set how a chat makes itself heard.
    Set { user: UserId, chat: ChatId },
    /// A person is in a room no more.
    Left { room: RoomId, user: UserId },
}

/// Hears what happens beside another listener, after that one.
pub struct Ears {
    first: Arc<dyn Listener>,
    store: Store,
    subscriptions: SubscriptionCount,
    heard: mpsc::Sender<Heard>,
    lost: Arc<AtomicBool>,
    metrics: PushMetrics,
}

/// The other end of [`Ears`].
pub struct Listening {
    pub(super) heard: mpsc::Receiver<Heard>,
    /// Set where something was not heard: what waits may be of messages that are gone.
    pub(super) lost: Arc<AtomicBool>,
}

impl Ears {
    /// Hears what happens in this store, after `first` has.
    pub fn beside(
        first: Arc<dyn Listener>,
        store: Store,
        metrics: PushMetrics,
    ) -> (Arc<Self>, Listening) {
        let (heard, receiver) = mpsc::channel(MAX_WAITING);
        let lost = Arc::<AtomicBool>::default();
        let ears = Self {
            first,
            subscriptions: store.subscription_count(),
            store,
            heard,
            lost: Arc::clone(&lost),
            metrics,
        };
        let listening = Listening {
            heard: receiver,
            lost,
        };
        (Arc::new(ears), listening)
    }

    fn hear(&self, notice: &Notice) {
        let Some(heard) = heard_of(notice) else {
            return;
        };
        if let Heard::Said {
            chat: Members::Pair(pair),
            said,
            ..
        } = &heard
            && !pair
                .other(said.sender)
                .is_some_and(|receiver| self.store.is_pushed_to(receiver))
        {
            return;
        }
        if self.heard.try_send(heard).is_err() {
            self.lost.store(true, Ordering::Release);
            self.metrics.lost();
        }
    }
}

impl Listener for Ears {
    fn happened(&self, event: Event<'_>) {
        self.first.happened(event);
        if self.subscriptions.load(Ordering::Acquire) > 0
            && let Event::Happened { notice, .. } = event
        {
            self.hear(notice);
        }
    }

    fn go_on(&self) -> Behind {
        self.first.go_on()
    }
}

/// Returns what pushes are to know of an entry; `None` for most that are no messages.
fn heard_of(notice: &Notice) -> Option<Heard> {
    let chat = notice.members;
    let author = notice.entry.author;
    let read = |message, alone| {
        Some(Heard::Read {
            chat,
            user: author?,
            message,
            alone,
        })
    };
    let erased = || {
        let messages = notice.entry.act.all_changed().collect();
        Some(Heard::Erased { chat, messages })
    };
    match &notice.entry.act {
        Act::Sent {
            content, extras, ..
        } => {
            let mentions = extras.as_ref().map(|extras| extras.mentions.as_slice());
            Some(Heard::Said {
                chat,
                said: Said {
                    id: notice.entry.id.into(),
                    sender: author?,
                    text: Arc::clone(content),
                },
                mentions: mentions.unwrap_or_default().into(),
                mention_all: extras.as_ref().is_some_and(|extras| extras.mention_all),
            })
        }
        Act::MessageChanged { message, change } => match change.part() {
            MessagePart::Text => Some(Heard::Edited {
                chat,
                message: *message,
                text: Arc::clone(&notice.message.as_ref()?.content),
            }),
            MessagePart::Whole => erased(),
            MessagePart::Beside => None,
        },
        Act::ErasedMany(_) => erased(),
        Act::Read { message } => read(*message, true),
        Act::ReadUpTo { message, .. } => read(*message, false),
        Act::RoomRead(read) => Some(Heard::Read {
            chat: Members::Room(read.room),
            user: author?,
            message: read.message,
            alone: false,
        }),
        Act::Settings { chat, .. } => Some(Heard::Set {
            user: author?,
            chat: *chat,
        }),
        Act::MemberChanged(change) => match change.change {
            MembershipChange::Left | MembershipChange::Removed => Some(Heard::Left {
                room: change.room,
                user: change.user,
            }),
            MembershipChange::Joined | MembershipChange::Role => None,
        },
        Act::Erased { .. } | Act::RoomChanged { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Entry, EntryId, MessageChange, Pair, Stream, Timestamp};

    fn user(number: u64) -> UserId {
        UserId::new(number).unwrap()
    }

    fn notice(author: u64, act: Act) -> Notice {
        Notice {
            entry: Entry {
                id: EntryId::new(9).unwrap(),
                stream: Stream::Own(user(1)),
                author: Some(user(author)),
                at: Timestamp::from_ms(1),
                act,
            },
            members: Members::Pair(Pair::new(user(1), user(2)).unwrap()),
            room: None,
            number: 1,
            message: None,
        }
    }

    #[test]
    fn a_message_a_mark_and_a_deletion_are_heard_and_a_reaction_is_not() {
        let message = MessageId::new(5).unwrap();
        let changed = |change| Act::MessageChanged { message, change };
        let sent = Act::Sent {
            content: "hi".into(),
            client_id: None,
            extras: None,
        };
        assert!(matches!(
            heard_of(&notice(1, sent)),
            Some(Heard::Said { said, mention_all: false, .. }) if said.sender == user(1) && &*said.text == "hi"
        ));
        assert!(matches!(
            heard_of(&notice(2, Act::Read { message })),
            Some(Heard::Read { user: reader, alone: true, .. }) if reader == user(2)
        ));
        assert!(matches!(
            heard_of(&notice(1, changed(MessageChange::Deleted { by: None }))),
            Some(Heard::Erased { messages, .. }) if messages == [message]
        ));
        let (emoji, on) = ("👍".into(), true);
        let reacted = changed(MessageChange::Reacted { emoji, on });
        assert!(heard_of(&notice(1, reacted)).is_none());
    }
}
