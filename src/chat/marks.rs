//! Marks in rooms, paced: the position of one person in one room becomes one entry a second at
//! most.
//!
//! Who marks again within that second waits, together with all who do so meanwhile, and the
//! furthest of their positions is stored at its end. So readers of a busy room cost the disk no
//! more than it does. The clock is the caller's.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;

use super::{ChatError, RoomMark};
use crate::model::{MessageId, Origin, RoomId, Timestamp, UserId};

/// 1 s: how often a person's position in a room is stored at most.
const PACE: Duration = Duration::from_secs(1);
/// 64 marks of one person in one room wait at once: those of more devices than anybody has.
const MAX_WAITING: usize = 64;
/// 65,536 marks of all people wait at once, in some 10 MB.
const MAX_WAITING_IN_ALL: usize = 1 << 16;

/// A person in a room.
pub(super) type Reader = (UserId, RoomId);
/// Hears what a mark came to.
pub(super) type MarkReply = Box<dyn FnOnce(Result<RoomMark, ChatError>) + Send>;

/// Marks of one person in one room that are stored as one.
pub(super) struct Merged {
    /// The furthest position.
    pub(super) up_to: MessageId,
    /// The socket that asked last.
    pub(super) origin: Option<Origin>,
    pub(super) replies: Vec<MarkReply>,
}

/// What becomes of a mark.
pub(super) enum Pace {
    /// It is stored at once.
    Now(Merged),
    /// It waits.
    Later,
    /// So many wait already.
    TooMany(MarkReply),
}

#[derive(Default)]
struct Inner {
    /// Who has marked within the last second, with what waits.
    lately: FxHashMap<Reader, Option<Merged>>,
    /// When each of them may mark again, in that order.
    due: VecDeque<(Timestamp, Reader)>,
    /// How many marks wait.
    waiting: usize,
}

/// The marks of all people in all rooms.
#[derive(Default)]
pub(super) struct Marks {
    inner: Mutex<Inner>,
    /// Told when somebody has marked.
    here: Notify,
}

impl Marks {
    /// Takes a mark: it is stored at once or waits.
    pub(super) fn take(
        &self,
        now: Timestamp,
        reader: Reader,
        (up_to, origin): (MessageId, Option<Origin>),
        reply: MarkReply,
    ) -> Pace {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let mark = |reply| Merged {
            up_to,
            origin,
            replies: vec![reply],
        };
        let Some(waiting) = inner.lately.get_mut(&reader) else {
            inner.lately.insert(reader, None);
            inner.due.push_back((now.plus(PACE), reader));
            self.here.notify_one();
            return Pace::Now(mark(reply));
        };
        let beside = waiting.as_ref().map_or(0, |merged| merged.replies.len());
        if beside >= MAX_WAITING || inner.waiting >= MAX_WAITING_IN_ALL {
            return Pace::TooMany(reply);
        }
        inner.waiting += 1;
        match waiting {
            None => *waiting = Some(mark(reply)),
            Some(merged) => {
                merged.up_to = merged.up_to.max(up_to);
                merged.origin = origin;
                merged.replies.push(reply);
            }
        }
        Pace::Later
    }

    /// Takes out what has waited for long enough, and says when to ask again; `None` where nobody
    /// has marked lately.
    pub(super) fn due(&self, now: Timestamp) -> (Vec<(Reader, Merged)>, Option<Timestamp>) {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let mut ripe = Vec::new();
        // A clock that was set back makes nobody wait for longer.
        let is_due = |at: Timestamp| at <= now || at > now.plus(PACE);
        while let Some((_, reader)) = inner.due.pop_front_if(|(at, _)| is_due(*at)) {
            match inner.lately.get_mut(&reader).and_then(Option::take) {
                None => drop(inner.lately.remove(&reader)),
                Some(merged) => {
                    inner.waiting -= merged.replies.len();
                    inner.due.push_back((now.plus(PACE), reader));
                    ripe.push((reader, merged));
                }
            }
        }
        (ripe, inner.due.front().map(|(at, _)| *at))
    }

    /// Takes out all that waits.
    pub(super) fn all(&self) -> Vec<(Reader, Merged)> {
        let mut inner = std::mem::take(&mut *self.inner.lock());
        let lately = inner.lately.drain();
        lately
            .filter_map(|(reader, merged)| Some((reader, merged?)))
            .collect()
    }

    /// How many marks wait.
    pub(super) fn waiting(&self) -> usize {
        self.inner.lock().waiting
    }

    /// Waits until somebody has marked.
    pub(super) fn here(&self) -> impl Future<Output = ()> + Send + '_ {
        self.here.notified()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_749_124_800_000);

    fn reader(user: u64) -> Reader {
        (UserId::new(user).unwrap(), RoomId::new(7).unwrap())
    }

    fn take(marks: &Marks, ms: u64, user: u64, up_to: u64) -> Pace {
        let up_to = MessageId::new(up_to).unwrap();
        let now = NOW.plus(Duration::from_millis(ms));
        marks.take(now, reader(user), (up_to, None), Box::new(drop))
    }

    /// What is stored by this time, of whom, and for how many who asked; and when the next is due.
    fn due(marks: &Marks, ms: u64) -> (Vec<(u64, u64, usize)>, Option<u64>) {
        let (ripe, next) = marks.due(NOW.plus(Duration::from_millis(ms)));
        let ripe = ripe
            .iter()
            .map(|((user, _), merged)| (user.get(), merged.up_to.get(), merged.replies.len()));
        let next = next.map(|at| at.as_ms() - NOW.as_ms());
        (ripe.collect(), next)
    }

    #[test]
    fn a_position_is_stored_at_once_and_then_once_a_second_with_the_furthest_of_all() {
        let marks = Marks::default();
        assert!(matches!(take(&marks, 0, 1, 10), Pace::Now(_)));
        for (ms, up_to) in [(100, 30), (200, 20), (999, 25)] {
            assert!(matches!(take(&marks, ms, 1, up_to), Pace::Later));
        }
        // Another person is not kept waiting.
        assert!(matches!(take(&marks, 500, 2, 5), Pace::Now(_)));
        assert_eq!(due(&marks, 999), (vec![], Some(1_000)));
        assert_eq!(due(&marks, 1_000), (vec![(1, 30, 3)], Some(1_500)));
        assert!(matches!(take(&marks, 1_200, 1, 40), Pace::Later));
        assert_eq!(due(&marks, 1_999), (vec![], Some(2_000)));
        assert_eq!(due(&marks, 2_000), (vec![(1, 40, 1)], Some(3_000)));
        assert_eq!(due(&marks, 3_000), (vec![], None));
        assert!(matches!(take(&marks, 3_000, 1, 50), Pace::Now(_)));
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_nobody_waiting() {
        let marks = Marks::default();
        take(&marks, 3_600_000, 1, 10);
        take(&marks, 3_600_000, 1, 11);
        assert_eq!(due(&marks, 0), (vec![(1, 11, 1)], Some(1_000)));
    }

    #[test]
    fn so_many_wait_and_no_more_and_all_are_found_at_the_end() {
        let marks = Marks::default();
        let mut waiting = 0;
        for user in 1..=2_000 {
            take(&marks, 0, user, 1);
            for _ in 0..70 {
                waiting += usize::from(matches!(take(&marks, 1, user, 2), Pace::Later));
            }
        }
        assert_eq!(waiting, MAX_WAITING_IN_ALL);
        let all = marks.all();
        assert!(
            all.iter()
                .all(|(_, merged)| merged.replies.len() == MAX_WAITING)
        );
        assert_eq!(all.len() * MAX_WAITING, waiting);
        assert_eq!(due(&marks, 5_000), (vec![], None));
    }

    #[tokio::test]
    async fn who_waits_for_a_mark_is_woken_by_one() {
        let marks = Arc::new(Marks::default());
        let woken = tokio::spawn({
            let marks = Arc::clone(&marks);
            async move { marks.here().await }
        });
        take(&marks, 0, 1, 1);
        woken.await.unwrap();
    }
}
