//! Who writes at once. Where all places are taken, who has most of them makes way for who comes
//! with fewer, and a place that is free goes to who has fewest: nobody, and no address, keeps the
//! others from uploading. What makes way has lost nothing that it was told is there.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::FileError;
use crate::model::UserId;

/// 64 uploads are written at once, each through a buffer of its own; more wait.
const MAX_WRITERS: usize = 64;
/// 8 uploads of one person are written or wait at once; more are refused.
const MAX_OF_PERSON: usize = 8;
/// So many wait; more are refused.
const MAX_WAITING: usize = 1_024;
/// 20 s: so long an upload waits for others to end.
const PATIENCE: Duration = Duration::from_secs(20);
/// Who has so many more than another makes way for it: with one more the other would have as many.
const MORE: usize = 2;

/// Who uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uploader {
    /// The person.
    pub person: UserId,
    /// The address by which they are counted; `None` on this machine, and behind its proxy.
    pub address: Option<IpAddr>,
}

/// The places.
#[derive(Default)]
pub(super) struct Places(Mutex<State>);

#[derive(Default)]
struct State {
    next: u64,
    writing: Vec<Upload>,
    waiting: Vec<Upload>,
}

struct Upload {
    number: u64,
    who: Uploader,
    signal: Arc<Signal>,
    /// Whether it was asked to make way.
    is_leaving: bool,
}

#[derive(Default)]
struct Signal {
    may_write: Notify,
    leaves: Notify,
}

/// One place, or one in the queue for it, until it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    signal: Arc<Signal>,
}

impl State {
    /// How many places this one's person has, and its address, where it has one.
    fn shares(&self, who: Uploader) -> (usize, usize) {
        let staying = || self.writing.iter().filter(|other| !other.is_leaving);
        let of_person = staying().filter(|other| other.who.person == who.person);
        let of_address = staying().filter(|other| other.who.address == who.address);
        let is_counted = usize::from(who.address.is_some());
        (of_person.count(), of_address.count() * is_counted)
    }

    /// Has the newest upload make way of who has most places, if that is more than `who` has, and
    /// waits for.
    fn make_way(&mut self, who: Uploader) {
        let (mut of_person, mut of_address) = self.shares(who);
        let others = self
            .waiting
            .split_last()
            .map_or(&[][..], |(_, others)| others);
        for other in others {
            of_person += usize::from(other.who.person == who.person);
            of_address += usize::from(other.who.address == who.address);
        }
        let heavy = |other: &Upload| {
            let (person, address) = self.shares(other.who);
            let is_other = other.who.address != who.address && who.address.is_some();
            let by_address = is_other && address >= of_address + MORE;
            let is_more = by_address || person >= of_person + MORE;
            (is_more && !other.is_leaving).then_some((person, address, other.number))
        };
        let heaviest = self.writing.iter().filter_map(heavy).max();
        let Some((_, _, number)) = heaviest else {
            return;
        };
        for upload in &mut self.writing {
            if upload.number == number {
                upload.is_leaving = true;
                upload.signal.leaves.notify_one();
            }
        }
    }

    /// Gives free places to those who have fewest, in the order in which they came.
    fn give(&mut self) {
        while self.writing.len() < MAX_WRITERS {
            let share = |(_, upload): &(usize, &Upload)| (self.shares(upload.who), upload.number);
            let least = self.waiting.iter().enumerate().min_by_key(share);
            let Some((at, _)) = least else {
                return;
            };
            let upload = self.waiting.remove(at);
            upload.signal.may_write.notify_one();
            self.writing.push(upload);
        }
    }
}

impl Places {
    /// Returns a place once there is one.
    pub(super) async fn enter(self: &Arc<Self>, who: Uploader) -> Result<Place, FileError> {
        let place = {
            let mut state = self.0.lock();
            let all = state.writing.iter().chain(&state.waiting);
            let of_person = all.filter(|other| other.who.person == who.person).count();
            if of_person >= MAX_OF_PERSON || state.waiting.len() >= MAX_WAITING {
                return Err(FileError::Busy);
            }
            let (number, signal) = (state.next, Arc::<Signal>::default());
            state.next += 1;
            state.waiting.push(Upload {
                number,
                who,
                signal: Arc::clone(&signal),
                is_leaving: false,
            });
            state.give();
            if state.waiting.iter().any(|upload| upload.number == number) {
                state.make_way(who);
            }
            Place {
                places: Arc::clone(self),
                number,
                signal,
            }
        };
        let given = tokio::time::timeout(PATIENCE, place.signal.may_write.notified()).await;
        given.map(|()| place).map_err(|_| FileError::Busy)
    }

    /// Returns whether some wait for a place.
    pub(super) fn are_wanted(&self) -> bool {
        !self.0.lock().waiting.is_empty()
    }
}

impl Place {
    /// Completes once this one is to make way.
    pub(super) async fn is_wanted(&self) {
        self.signal.leaves.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.0.lock();
        let is_other = |upload: &Upload| upload.number != self.number;
        state.writing.retain(is_other);
        state.waiting.retain(is_other);
        state.give();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn who(person: u64, address: Option<u8>) -> Uploader {
        Uploader {
            person: UserId::new(person).unwrap(),
            address: address.map(|last| IpAddr::from([192, 0, 2, last])),
        }
    }

    /// Takes a place that is free.
    fn now(places: &Arc<Places>, who: Uploader) -> Option<Place> {
        places.enter(who).now_or_never()?.ok()
    }

    fn is_asked(place: &Place) -> bool {
        place.is_wanted().now_or_never().is_some()
    }

    #[tokio::test]
    async fn a_person_has_so_many_uploads_at_once() {
        let places = Arc::default();
        let mut mine: Vec<_> = (0..MAX_OF_PERSON)
            .map(|_| now(&places, who(1, None)).unwrap())
            .collect();
        let more = places.enter(who(1, None)).await;
        assert_eq!(more.err(), Some(FileError::Busy));
        assert!(now(&places, who(2, None)).is_some());
        mine.pop();
        assert!(now(&places, who(1, None)).is_some());
    }

    /// Eight people with eight uploads each took all places, and everybody else waited.
    #[tokio::test]
    async fn who_has_most_places_makes_way_for_who_has_none() {
        let places = Arc::default();
        let mut taken: Vec<_> = (0..MAX_WRITERS as u64)
            .map(|number| now(&places, who(1 + number / 8, None)).unwrap())
            .collect();
        let mut late = Box::pin(places.enter(who(99, None)));
        assert!((&mut late).now_or_never().is_none());
        let asked: Vec<_> = (0..taken.len())
            .filter(|at| is_asked(&taken[*at]))
            .collect();
        assert_eq!(asked, [63], "one alone, the newest of one who has most");
        drop(taken.pop());
        assert!(late.now_or_never().unwrap().is_ok());
    }

    #[tokio::test]
    async fn an_address_of_many_accounts_makes_way_for_another() {
        let places = Arc::default();
        let taken: Vec<_> = (0..MAX_WRITERS as u64)
            .map(|number| now(&places, who(1 + number, Some(1))).unwrap())
            .collect();
        let mut neighbour = Box::pin(places.enter(who(98, Some(1))));
        assert!((&mut neighbour).now_or_never().is_none());
        assert_eq!(taken.iter().filter(|place| is_asked(place)).count(), 0);
        let mut other = Box::pin(places.enter(who(99, Some(2))));
        assert!((&mut other).now_or_never().is_none());
        assert!(is_asked(&taken[63]));
        drop(taken);
        assert!(neighbour.now_or_never().unwrap().is_ok());
        assert!(other.now_or_never().unwrap().is_ok());
    }

    /// Whoever waited with many uploads came before who waited with one.
    #[tokio::test]
    async fn a_free_place_goes_to_who_has_fewest() {
        let places: Arc<Places> = Arc::default();
        let mut taken: Vec<_> = (0..MAX_WRITERS as u64)
            .map(|number| now(&places, who(1 + number / 4, None)).unwrap())
            .collect();
        let mut greedy = Box::pin(places.enter(who(1, None)));
        assert!((&mut greedy).now_or_never().is_none());
        // Those who have none make one of four uploads leave each.
        let mut modest = Box::pin(places.enter(who(99, None)));
        assert!((&mut modest).now_or_never().is_none());
        assert!(places.are_wanted());
        drop(taken.pop());
        assert!((&mut greedy).now_or_never().is_none());
        let modest = modest.now_or_never().unwrap();
        assert!(modest.is_ok());
        // Who gives up is not waited for.
        drop(greedy);
        assert!(!places.are_wanted());
    }
}
