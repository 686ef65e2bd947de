//! Each person's conversations by recency, in two orders at once: by the newest message, and by the
//! newest entry of any kind.
//!
//! A person has one list of touches, newest last. A touch is appended, never moved, so that a
//! message costs each of the two people one push, however many chats they have; earlier touches of
//! the same conversation are left behind and skipped by whoever reads, until there are as many of
//! them as of those that count. Only then is the list gone through.

use rustc_hash::{FxHashMap, FxHashSet};

use super::conversation::Conversation;
use super::conversations::Conversations;
use crate::model::{ConversationId, EntryId, UserId};

/// So many touches that count for nothing are kept in any case: a list of a few chats is seldom
/// gone through.
const SLACK: usize = 16;

/// A conversation got an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Touch(u64);

impl Touch {
    /// Of this conversation, by a message or by another entry. An id is below 2^53, so there is a
    /// bit for that.
    pub(crate) fn new(conversation: ConversationId, by_message: bool) -> Self {
        Self(conversation.get() << 1 | u64::from(by_message))
    }

    /// Whose conversation's it is.
    pub(crate) fn conversation(self) -> ConversationId {
        ConversationId::new(self.0 >> 1).expect("a touch is made of a conversation's id")
    }

    /// Whether a message did it.
    pub(crate) fn is_message(self) -> bool {
        self.0 & 1 == 1
    }
}

/// One person's touches.
#[derive(Debug, Default)]
struct Touches {
    /// The newest last.
    list: Vec<Touch>,
    /// How many there were when the list was last gone through.
    kept: usize,
}

impl Touches {
    fn push(&mut self, touch: Touch) {
        if let Some(last) = self.list.last_mut()
            && last.conversation() == touch.conversation()
        {
            // Nothing came between: the place at the end is that of both.
            last.0 |= touch.0;
            return;
        }
        if self.list.len() >= self.kept * 2 + SLACK {
            self.prune();
        }
        self.list.push(touch);
    }

    /// Keeps each conversation's newest touch, and its newest one by a message.
    fn prune(&mut self) {
        let mut touched = FxHashSet::default();
        let mut written = FxHashSet::default();
        touched.reserve(self.list.len() / 2);
        written.reserve(self.list.len() / 2);
        let mut kept = self.list.len();
        for at in (0..self.list.len()).rev() {
            let touch = self.list[at];
            let is_newest = touched.insert(touch.conversation());
            if touch.is_message() && written.insert(touch.conversation()) || is_newest {
                kept -= 1;
                self.list[kept] = touch;
            }
        }
        self.list.drain(..kept);
        self.kept = self.list.len();
    }
}

/// Everybody's touches.
#[derive(Debug, Default)]
pub(crate) struct Recency {
    people: FxHashMap<UserId, Touches>,
}

impl Recency {
    /// All touches that count, of conversations numbered from 1.
    ///
    /// They are counted first, so that each list is made in the room it needs; and each list is put
    /// in order by itself, which is soon done with some dozens, and can be done by two threads.
    pub(crate) fn of(conversations: &Conversations) -> Self {
        let mut recency = Self::default();
        // Of each conversation its newest entry, and its newest message: the conversations
        // themselves are too large for the processor's cache, in which they would be looked up from
        // person to person.
        let mut newest = Vec::with_capacity(conversations.len());
        for (id, conversation) in conversations.iter() {
            newest.push([conversation.last_entry, conversation.last_message()]);
            for (_, _, members) in touches_since(id, None, conversation) {
                for member in members {
                    recency.people.entry(member).or_default().kept += 1;
                }
            }
        }
        let at = |touch: &Touch| {
            let index = usize::try_from(touch.conversation().get() - 1).ok()?;
            newest.get(index)?[usize::from(touch.is_message())]
        };
        for touches in recency.people.values_mut() {
            touches.list.reserve_exact(touches.kept);
        }
        for (id, conversation) in conversations.iter() {
            for (_, touch, members) in touches_since(id, None, conversation) {
                for member in members {
                    recency.people.entry(member).or_default().list.push(touch);
                }
            }
        }
        let mut people: Vec<_> = recency.people.values_mut().collect();
        let half = people.len() / 2;
        let (some, others) = people.split_at_mut(half);
        let sort = |people: &mut [&mut Touches]| {
            for touches in people {
                touches.list.sort_by_cached_key(at);
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| sort(others));
            sort(some);
        });
        recency
    }

    /// One of a person's conversations got an entry, newer than every earlier one.
    pub(crate) fn touch(&mut self, person: UserId, touch: Touch) {
        self.people.entry(person).or_default().push(touch);
    }

    /// How many touches a person has, those that count for nothing included.
    pub(crate) fn len(&self, person: UserId) -> usize {
        let touches = self.people.get(&person);
        touches.map_or(0, |touches| touches.list.len())
    }

    /// A person's newest touch.
    pub(crate) fn last(&self, person: UserId) -> Option<Touch> {
        self.people.get(&person)?.list.last().copied()
    }

    /// A person's touches, newest first. Earlier ones of a conversation may follow.
    pub(crate) fn touches(&self, person: UserId) -> impl Iterator<Item = Touch> {
        self.list(person).iter().rev().copied()
    }

    /// The same, newest last.
    pub(crate) fn list(&self, person: UserId) -> &[Touch] {
        let touches = self.people.get(&person);
        touches.map_or(&[][..], |touches| &touches.list)
    }
}

/// The touches by which a conversation came to be what it is, from what it was before: when, what,
/// and whose lists they belong in. At most two, the newest message and the newest entry; one where
/// these are the same.
pub(crate) fn touches_since(
    id: ConversationId,
    before: Option<&Conversation>,
    conversation: &Conversation,
) -> impl Iterator<Item = (EntryId, Touch, [UserId; 2])> + use<> {
    let members = conversation.pair.members();
    let message = conversation.last_message();
    let entry = conversation
        .last_entry
        .filter(|_| conversation.last_entry != message);
    let known = (
        before.and_then(Conversation::last_message),
        before.and_then(|before| before.last_entry),
    );
    let newer = |at: Option<EntryId>, known| at.filter(|_| at > known);
    let by_message = newer(message, known.0).map(|at| (at, Touch::new(id, true), members));
    let by_other = newer(entry, known.1).map(|at| (at, Touch::new(id, false), members));
    by_message.into_iter().chain(by_other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> ConversationId {
        ConversationId::new(number).unwrap()
    }

    /// The conversations of a list in one of its orders, newest first, by the plain rule.
    fn order(touches: &[Touch], messages_only: bool) -> Vec<u64> {
        let mut seen = Vec::new();
        for touch in touches.iter().rev() {
            let number = touch.conversation().get();
            if (touch.is_message() || !messages_only) && !seen.contains(&number) {
                seen.push(number);
            }
        }
        seen
    }

    #[test]
    fn both_orders_outlive_pruning_and_the_list_stays_short() {
        let (mut all, mut touches) = (Vec::new(), Touches::default());
        let mut state = 7_u64;
        for _ in 0..5_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let touch = Touch::new(id((state >> 33) % 20 + 1), state >> 60 < 8);
            all.push(touch);
            touches.push(touch);
            assert_eq!(order(&touches.list, true), order(&all, true));
            assert_eq!(order(&touches.list, false), order(&all, false));
            assert!(touches.list.len() <= 20 * 2 * 2 + SLACK);
        }
    }

    #[test]
    fn two_who_talk_to_each_other_only_take_one_place() {
        let mut touches = Touches::default();
        for by_message in [false, true, false, true] {
            touches.push(Touch::new(id(3), by_message));
        }
        assert_eq!(touches.list, [Touch::new(id(3), true)]);
    }
}
