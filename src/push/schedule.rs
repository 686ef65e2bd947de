//! When a person is told of a chat: of what comes while they may still read it, or shortly after
//! they were told, together and later. Pure: the clock is the caller's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::model::{Members, MessageId, Timestamp, UserId};

/// 3 s: so long a device that is online has to say that the message was read.
const WAITED: Duration = Duration::from_secs(3);
/// 30 s: a person is told of a chat once in so long a time.
const QUIET: Duration = Duration::from_secs(30);
/// An hour: so long it is known what a person was told of, so that a deletion takes it back.
const SHOWN: Duration = Duration::from_secs(60 * 60);
/// 99 messages that come together are counted; what is more is not said.
const MAX_COUNTED: usize = 99;
/// 65,536 chats of people are known at once, at some 300 bytes and the text each.
const MAX_SLOTS: usize = 1 << 16;

/// A message that somebody is to be told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) id: MessageId,
    pub(super) sender: UserId,
    pub(super) text: Arc<str>,
}

/// A chat of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) chat: Members,
    pub(super) user: UserId,
}

/// What a person is to be told of a chat now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) place: Place,
    /// The newest message; `None` where it is gone, and earlier ones are not.
    pub(super) newest: Option<Said>,
    /// How many messages there are.
    pub(super) count: usize,
}

type Ids = SmallVec<[MessageId; 2]>;
type Timer = (Timestamp, u64);

/// What is known of a chat of a person.
struct Slot {
    /// The messages to tell of, ascending.
    waiting: Ids,
    newest: Option<Said>,
    /// Those that they were told of last, ascending.
    shown: Ids,
    /// The one whose text that was.
    shown_text: Option<MessageId>,
    quiet_until: Timestamp,
    timer: Timer,
}

/// All chats of people who are to be told of something, or were lately.
#[derive(Default)]
pub(super) struct Schedule {
    slots: FxHashMap<Members, FxHashMap<UserId, Slot>>,
    /// When those are due for whom something waits.
    timers: BTreeMap<Timer, Place>,
    /// When the others are forgotten.
    idle: BTreeMap<Timer, Place>,
    made: u64,
}

impl Schedule {
    /// How many chats of people are known.
    pub(super) fn len(&self) -> usize {
        self.timers.len() + self.idle.len()
    }

    /// Notes a message that a person is to be told of. Returns `false` where there is no place for
    /// it.
    pub(super) fn said(
        &mut self,
        now: Timestamp,
        place: Place,
        said: Said,
        is_online: bool,
    ) -> bool {
        let wait = if is_online { WAITED } else { Duration::ZERO };
        let ready = now.plus(wait);
        if self.slot(place).is_none() {
            if self.len() >= MAX_SLOTS && !self.make_room() {
                return false;
            }
            let timer = self.made_timer(ready);
            self.timers.insert(timer, place);
            let slot = Slot {
                waiting: SmallVec::new(),
                newest: None,
                shown: SmallVec::new(),
                shown_text: None,
                quiet_until: now,
                timer,
            };
            let people = self.slots.entry(place.chat).or_default();
            people.insert(place.user, slot);
        }
        let Some(slot) = self.slot(place) else {
            return false;
        };
        let (is_first, quiet_until) = (slot.waiting.is_empty(), slot.quiet_until);
        if slot.waiting.len() >= MAX_COUNTED {
            slot.waiting.remove(0);
        }
        slot.waiting.push(said.id);
        slot.newest = Some(said);
        if is_first {
            // Where the clock was set back, not for longer than it would have been.
            let quiet_until = quiet_until.min(now.plus(QUIET));
            self.move_timer(place, ready.max(quiet_until), true);
        }
        true
    }

    /// A person has read a chat up to a message, or that one alone.
    pub(super) fn read(&mut self, place: Place, message: MessageId, alone: bool) {
        let stays = |id: &MessageId| match alone {
            true => *id != message,
            false => *id > message,
        };
        let Some(slot) = self.slot(place) else {
            return;
        };
        slot.shown.retain(|id| stays(id));
        slot.waiting.retain(|id| stays(id));
        self.settle(place);
    }

    /// A person is to hear no more of a chat.
    pub(super) fn silence(&mut self, place: Place) {
        if let Some(slot) = self.slot(place) {
            slot.waiting.clear();
            self.settle(place);
        }
    }

    /// A message has another text by now. Returns who was told of it by the earlier one.
    pub(super) fn edited(
        &mut self,
        chat: Members,
        message: MessageId,
        text: &Arc<str>,
    ) -> Vec<UserId> {
        let mut told = Vec::new();
        let slots = self.slots.get_mut(&chat).into_iter().flatten();
        for (user, slot) in slots {
            if slot.shown_text == Some(message) {
                told.push(*user);
            }
            if let Some(newest) = &mut slot.newest
                && newest.id == message
            {
                newest.text = Arc::clone(text);
            }
        }
        told
    }

    /// Messages are gone. Returns who was told of one of them by its text.
    pub(super) fn erased(&mut self, chat: Members, messages: &[MessageId]) -> Vec<UserId> {
        let is_gone = |id: &MessageId| messages.contains(id);
        let (mut told, mut changed) = (Vec::new(), Vec::new());
        let slots = self.slots.get_mut(&chat).into_iter().flatten();
        for (user, slot) in slots {
            let before = slot.waiting.len();
            slot.waiting.retain(|id| !is_gone(id));
            if slot.newest.as_ref().is_some_and(|said| is_gone(&said.id)) {
                slot.newest = None;
            }
            if slot.waiting.len() < before {
                changed.push(*user);
            }
            let is_shown = slot.shown_text.filter(|id| slot.shown.contains(id));
            if is_shown.is_some_and(|id| is_gone(&id)) {
                slot.shown_text = None;
                told.push(*user);
            }
        }
        for user in changed {
            self.settle(Place { chat, user });
        }
        told
    }

    /// Forgets every text that waits: it is not known any more what became of the messages.
    pub(super) fn forget_texts(&mut self) {
        for slot in self.slots.values_mut().flat_map(FxHashMap::values_mut) {
            slot.newest = None;
        }
    }

    /// When to ask again what is due.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let first = |timers: &BTreeMap<Timer, Place>| Some(timers.first_key_value()?.0.0);
        first(&self.timers)
            .into_iter()
            .chain(first(&self.idle))
            .min()
    }

    /// Takes out what is due, at most so much.
    pub(super) fn due(&mut self, now: Timestamp, most: usize) -> Vec<Due> {
        while let Some(((at, _), place)) = self.idle.first_key_value()
            && *at <= now
        {
            let place = *place;
            self.forget(place);
        }
        let mut due = Vec::new();
        while due.len() < most
            && let Some(((at, _), place)) = self.timers.first_key_value()
            && *at <= now
        {
            let place = *place;
            self.move_timer(place, now.plus(SHOWN), false);
            let Some(slot) = self.slot(place) else {
                break;
            };
            slot.shown = std::mem::take(&mut slot.waiting);
            let newest = slot.newest.take();
            slot.shown_text = newest.as_ref().map(|said| said.id);
            slot.quiet_until = now.plus(QUIET);
            due.push(Due {
                place,
                newest,
                count: slot.shown.len(),
            });
        }
        due
    }

    /// Takes out all that waits, due or not: the process ends.
    pub(super) fn all(&mut self) -> Vec<Due> {
        let mut all = Vec::new();
        for (chat, people) in std::mem::take(&mut self.slots) {
            let waiting = people.into_iter();
            let waiting = waiting.filter(|(_, slot)| !slot.waiting.is_empty());
            all.extend(waiting.map(|(user, slot)| Due {
                place: Place { chat, user },
                newest: slot.newest,
                count: slot.waiting.len(),
            }));
        }
        self.timers.clear();
        self.idle.clear();
        all
    }

    fn slot(&mut self, place: Place) -> Option<&mut Slot> {
        self.slots.get_mut(&place.chat)?.get_mut(&place.user)
    }

    /// After messages were taken out: where none is left, nothing is due.
    fn settle(&mut self, place: Place) {
        let Some(slot) = self.slot(place) else {
            return;
        };
        match &slot.newest {
            Some(newest) if !slot.waiting.contains(&newest.id) => slot.newest = None,
            _ => {}
        }
        if !slot.waiting.is_empty() {
            return;
        }
        let (quiet_until, is_shown) = (slot.quiet_until, !slot.shown.is_empty());
        match is_shown {
            true => self.move_timer(place, quiet_until.minus(QUIET).plus(SHOWN), false),
            // For as long as they are to be told no more.
            false => self.move_timer(place, quiet_until, false),
        }
    }

    fn made_timer(&mut self, at: Timestamp) -> Timer {
        self.made += 1;
        (at, self.made)
    }

    /// Gives a chat of a person another timer, by whether something waits for them.
    fn move_timer(&mut self, place: Place, at: Timestamp, waits: bool) {
        let timer = self.made_timer(at);
        let Some(slot) = self.slot(place) else {
            return;
        };
        let before = std::mem::replace(&mut slot.timer, timer);
        self.timers.remove(&before);
        self.idle.remove(&before);
        match waits {
            true => self.timers.insert(timer, place),
            false => self.idle.insert(timer, place),
        };
    }

    /// Forgets a chat of a person, and what they were told of it.
    pub(super) fn forget(&mut self, place: Place) {
        if let Some(people) = self.slots.get_mut(&place.chat) {
            if let Some(slot) = people.remove(&place.user) {
                self.timers.remove(&slot.timer);
                self.idle.remove(&slot.timer);
            }
            if people.is_empty() {
                self.slots.remove(&place.chat);
            }
        }
    }

    /// Forgets the chat of a person that would be forgotten next. Returns `false` where for all of
    /// them something waits.
    fn make_room(&mut self) -> bool {
        let next = self.idle.first_key_value().map(|(_, place)| *place);
        let is_one = next.is_some();
        if let Some(place) = next {
            self.forget(place);
        }
        is_one
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Pair, RoomId};

    const NOW: Timestamp = Timestamp::from_ms(1_749_124_800_000);

    fn user(number: u64) -> UserId {
        UserId::new(number).unwrap()
    }

    fn message(number: u64) -> MessageId {
        MessageId::new(number).unwrap()
    }

    fn with_ada() -> Place {
        Place {
            chat: Members::Pair(Pair::new(user(1), user(2)).unwrap()),
            user: user(2),
        }
    }

    fn said(number: u64, text: &str) -> Said {
        Said {
            id: message(number),
            sender: user(1),
            text: text.into(),
        }
    }

    fn after(secs: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(secs))
    }

    fn told(schedule: &mut Schedule, at: Timestamp) -> Vec<(Option<String>, usize)> {
        let due = schedule.due(at, 100).into_iter();
        due.map(|due| (due.newest.map(|said| said.text.to_string()), due.count))
            .collect()
    }

    #[test]
    fn who_is_away_is_told_at_once_and_who_is_there_after_three_seconds() {
        let mut schedule = Schedule::default();
        schedule.said(NOW, with_ada(), said(1, "hi"), false);
        assert_eq!(told(&mut schedule, NOW), [(Some("hi".into()), 1)]);
        let mut schedule = Schedule::default();
        schedule.said(NOW, with_ada(), said(1, "hi"), true);
        assert_eq!(told(&mut schedule, after(2)), []);
        assert_eq!(schedule.next(), Some(after(3)));
        assert_eq!(told(&mut schedule, after(3)), [(Some("hi".into()), 1)]);
    }

    #[test]
    fn a_chat_is_told_of_once_in_thirty_seconds_and_what_came_within_at_their_end() {
        let mut schedule = Schedule::default();
        schedule.said(NOW, with_ada(), said(1, "one"), false);
        assert_eq!(told(&mut schedule, NOW).len(), 1);
        for number in 2..5 {
            schedule.said(
                after(number),
                with_ada(),
                said(number, &number.to_string()),
                false,
            );
        }
        assert_eq!(told(&mut schedule, after(29)), []);
        assert_eq!(told(&mut schedule, after(30)), [(Some("4".into()), 3)]);
        schedule.said(after(70), with_ada(), said(9, "later"), false);
        assert_eq!(told(&mut schedule, after(70)), [(Some("later".into()), 1)]);
    }

    #[test]
    fn a_mark_withdraws_what_has_not_gone_out_and_no_more() {
        let mut schedule = Schedule::default();
        for number in 1..4 {
            schedule.said(NOW, with_ada(), said(number, &number.to_string()), true);
        }
        schedule.read(with_ada(), message(2), false);
        assert_eq!(told(&mut schedule, after(3)), [(Some("3".into()), 1)]);
        schedule.said(after(4), with_ada(), said(4, "4"), true);
        schedule.said(after(4), with_ada(), said(5, "5"), true);
        schedule.read(with_ada(), message(5), true);
        assert_eq!(
            told(&mut schedule, after(33)),
            [(None, 1)],
            "the text that is left is not kept"
        );
        schedule.said(after(40), with_ada(), said(6, "6"), true);
        schedule.read(with_ada(), message(6), false);
        assert_eq!(told(&mut schedule, after(100)), []);
        assert_eq!(schedule.len(), 0, "nothing is known of it any more");
    }

    #[test]
    fn a_mute_withdraws_and_the_thirty_seconds_are_kept() {
        let mut schedule = Schedule::default();
        schedule.said(NOW, with_ada(), said(1, "one"), false);
        assert_eq!(told(&mut schedule, NOW).len(), 1);
        schedule.said(after(1), with_ada(), said(2, "two"), false);
        schedule.silence(with_ada());
        schedule.said(after(2), with_ada(), said(3, "three"), false);
        assert_eq!(told(&mut schedule, after(29)), []);
        assert_eq!(told(&mut schedule, after(30)), [(Some("three".into()), 1)]);
    }

    #[test]
    fn an_edit_goes_out_as_it_is_by_then_and_a_deletion_not_at_all() {
        let mut schedule = Schedule::default();
        let chat = with_ada().chat;
        schedule.said(NOW, with_ada(), said(1, "secret"), true);
        schedule.edited(chat, message(1), &"plain".into());
        assert_eq!(told(&mut schedule, after(3)), [(Some("plain".into()), 1)]);
        assert_eq!(
            schedule.erased(chat, &[message(1)]),
            [user(2)],
            "it is shown"
        );
        assert_eq!(
            schedule.erased(chat, &[message(1)]),
            [],
            "and taken back once"
        );
        schedule.said(after(40), with_ada(), said(2, "secret"), true);
        assert_eq!(schedule.erased(chat, &[message(2)]), []);
        assert_eq!(told(&mut schedule, after(50)), []);
    }

    #[test]
    fn what_was_read_since_is_not_taken_back_nor_after_an_hour() {
        let (mut schedule, chat) = (Schedule::default(), with_ada().chat);
        schedule.said(NOW, with_ada(), said(1, "one"), false);
        assert_eq!(told(&mut schedule, NOW).len(), 1);
        schedule.read(with_ada(), message(1), false);
        assert_eq!(schedule.erased(chat, &[message(1)]), []);
        schedule.said(after(60), with_ada(), said(2, "two"), false);
        assert_eq!(told(&mut schedule, after(60)).len(), 1);
        assert_eq!(told(&mut schedule, after(60 + 3_600)).len(), 0);
        assert_eq!(schedule.erased(chat, &[message(2)]), []);
        assert_eq!(schedule.len(), 0);
    }

    #[test]
    fn those_of_a_room_are_told_each_by_themselves() {
        let mut schedule = Schedule::default();
        let chat = Members::Room(RoomId::new(7).unwrap());
        for number in [2, 3] {
            let place = Place {
                chat,
                user: user(number),
            };
            schedule.said(NOW, place, said(5, "all"), number == 2);
        }
        let due = schedule.due(NOW, 100);
        assert_eq!(
            due.iter().map(|due| due.place.user).collect::<Vec<_>>(),
            [user(3)]
        );
        assert_eq!(schedule.erased(chat, &[message(5)]), [user(3)]);
        assert_eq!(schedule.due(after(10), 100), []);
    }

    #[test]
    fn at_the_end_all_goes_out_that_waits() {
        let mut schedule = Schedule::default();
        schedule.said(NOW, with_ada(), said(1, "one"), false);
        assert_eq!(told(&mut schedule, NOW).len(), 1);
        schedule.said(NOW, with_ada(), said(2, "two"), false);
        let all = schedule.all();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].newest.as_ref().unwrap().id, message(2));
        assert_eq!((schedule.len(), schedule.next()), (0, None));
    }

    #[test]
    fn no_more_is_known_than_there_is_room_for() {
        let mut schedule = Schedule::default();
        let place = |number: usize| Place {
            chat: with_ada().chat,
            user: user(number as u64 + 1),
        };
        for number in 0..MAX_SLOTS {
            assert!(schedule.said(NOW, place(number), said(1, "x"), true));
        }
        assert!(!schedule.said(NOW, place(MAX_SLOTS), said(1, "x"), true));
        assert_eq!(schedule.due(after(3), 1).len(), 1);
        assert!(
            schedule.said(after(4), place(MAX_SLOTS), said(1, "x"), true),
            "in the place of one that was told"
        );
        assert_eq!(schedule.len(), MAX_SLOTS);
    }
}
