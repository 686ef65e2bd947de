//! Going through a person's chats, however many they are, without holding the state for long.

use rustc_hash::FxHashSet;

use super::snapshot::{INLINE_TOUCHES, Snapshot};
use crate::model::{ConversationId, UserId};
use crate::store::error::ReadError;
use crate::store::state::State;
use crate::store::talk::conversation::Conversation;
use crate::store::talk::recency::Touch;

/// So many touches are gone through, some 50 us, before others have a turn at the state. As many as
/// may be gone through on a thread that others wait for.
const TOUCHES_A_TURN: usize = INLINE_TOUCHES;

impl Snapshot<'_> {
    /// Goes through a person's chats, the newest first. `pick` looks at one while the state is
    /// held; `take` gets what was picked, after some hundreds of chats each time, while nothing is
    /// held. Returns the newest entry that there was at the beginning: of what came after that, all
    /// or nothing may be seen.
    pub(crate) fn go_through<T>(
        &self,
        user: UserId,
        order: Order,
        mut pick: impl FnMut(&State, &Conversation) -> Pick<T>,
        mut take: impl FnMut(Vec<T>) -> Result<(), ReadError>,
    ) -> Result<u64, ReadError> {
        let mut turn = Turn {
            order,
            seen: FxHashSet::default(),
            picked: Vec::new(),
            is_over: false,
        };
        let (mut rest, newest) = {
            let state = self.state();
            self.afford_chats(&state, user)?;
            let touches = state.touch_list(user);
            let (older, latest) = touches.split_at(touches.len().saturating_sub(TOUCHES_A_TURN));
            if older.is_empty() {
                turn.all(&state, user, &mut pick);
            } else {
                turn.some(&state, latest, &mut pick);
            }
            let rest = match turn.is_over {
                true => Vec::new(),
                false => older.to_vec(),
            };
            (rest, state.last_entry)
        };
        take(std::mem::take(&mut turn.picked))?;
        while !rest.is_empty() && !turn.is_over {
            let touches = rest.split_off(rest.len().saturating_sub(TOUCHES_A_TURN));
            turn.some(&self.state(), &touches, &mut pick);
            take(std::mem::take(&mut turn.picked))?;
        }
        Ok(newest)
    }
}

/// By what a person's chats are in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Their newest messages; chats without any are left out.
    Messages,
    /// Their newest entries of any kind.
    Entries,
}

/// What becomes of a chat that is gone through.
pub(crate) enum Pick<T> {
    /// Nothing.
    Skip,
    /// It is taken.
    Take(T),
    /// It is taken, and no older one is wanted.
    Last(T),
    /// No older one is wanted, and this one neither.
    Enough,
}

/// A part of a person's chats, and what was seen in earlier parts.
struct Turn<T> {
    order: Order,
    seen: FxHashSet<ConversationId>,
    picked: Vec<T>,
    is_over: bool,
}

impl<T> Turn<T> {
    /// All of them at once, without a note of which were seen.
    fn all(
        &mut self,
        state: &State,
        user: UserId,
        pick: &mut impl FnMut(&State, &Conversation) -> Pick<T>,
    ) {
        match self.order {
            Order::Messages => state
                .recent(user)
                .all(|conversation| self.put(pick(state, conversation))),
            Order::Entries => state
                .touched(user)
                .all(|conversation| self.put(pick(state, conversation))),
        };
    }

    /// Those of these touches that were not seen before.
    fn some(
        &mut self,
        state: &State,
        touches: &[Touch],
        pick: &mut impl FnMut(&State, &Conversation) -> Pick<T>,
    ) {
        for touch in touches.iter().rev() {
            if self.order == Order::Messages && !touch.is_message() {
                continue;
            }
            if let Some(conversation) = state.conversation(touch.conversation())
                && self.seen.insert(touch.conversation())
                && !self.put(pick(state, conversation))
            {
                return;
            }
        }
    }

    /// Whether it goes on.
    fn put(&mut self, pick: Pick<T>) -> bool {
        match pick {
            Pick::Skip => {}
            Pick::Take(value) => self.picked.push(value),
            Pick::Last(value) => {
                self.picked.push(value);
                self.is_over = true;
            }
            Pick::Enough => self.is_over = true,
        }
        !self.is_over
    }
}
