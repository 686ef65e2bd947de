//! Has messages erased that are to go: what people said who left with it, and what is older than
//! retention allows. And has what was erased leave the data file in time: the file is rewritten
//! once the oldest of it is half as old as it may get. So a rewrite that fails, or that waits for
//! room on the disk, has as long again to be tried, and no two come closer to each other than that
//! half.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::error::ServerError;
use crate::chat::{Chat, ChatError, Erasing, Event, Leavers, Listener, Older, Rules};
use crate::model::{RoomId, Timestamp, UserId};
use crate::store::maintain::MaintainError;
use crate::store::{BATCHES, Location, Store, StoreOptions};

/// 10 minutes: how often is looked whether it is time, where there is long enough for it.
const LOOKED_EVERY: Duration = Duration::from_secs(10 * 60);
/// 1 hour: how long after one that failed it is tried again, likewise.
const TRIED_EVERY: Duration = Duration::from_secs(60 * 60);

/// Rewrites the file of this store whenever that is due. Never ends.
pub(super) async fn run(store: Store, within: Duration, now: fn() -> Timestamp) {
    let half = within / 2;
    let mut looks = interval(LOOKED_EVERY.min(half / 4));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last: Option<Instant> = None;
    loop {
        looks.tick().await;
        let oldest = store.erased_since();
        // A clock that was far ahead when something was erased is followed back.
        let age = oldest.map(|at| at.as_ms().abs_diff(now().as_ms()));
        let is_old = age.is_some_and(|age| u128::from(age) >= half.as_millis());
        if !is_old || last.is_some_and(|last| last.elapsed() < half) {
            continue;
        }
        if is_rewritten(&store).await {
            last = Some(Instant::now());
        } else {
            sleep(TRIED_EVERY.min(half / 4)).await;
        }
    }
}

/// 1 s: how often is looked whether somebody has left whose messages are to go too.
const LEAVERS_LOOKED_EVERY: Duration = Duration::from_secs(1);

/// Erases what people said who left with all of it, and rooms that are to be erased, or that all
/// left, at once and again after a restart. Never ends.
pub(super) async fn erase_leavers(chat: Chat, now: fn() -> Timestamp) {
    let mut looks = interval(LEAVERS_LOOKED_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut may_have_left_some = chat.may_have_left_some();
    loop {
        looks.tick().await;
        if may_have_left_some {
            match erase_left_behind(&chat, now).await {
                Ok(()) => may_have_left_some = false,
                Err(error) => {
                    tracing::warn!(%error, "what deleted accounts said long ago is not all erased yet");
                    sleep(LEAVERS_LOOKED_EVERY * 10).await;
                }
            }
        }
        for user in chat.leavers_to_erase() {
            if let Err(error) = erase_leaver(&chat, user, now).await {
                tracing::warn!(%error, %user, "what a deleted account said is not all erased yet");
                sleep(LEAVERS_LOOKED_EVERY * 10).await;
            }
        }
        for room in chat.rooms_to_erase() {
            if let Err(error) = erase_room(&chat, room, now).await {
                tracing::warn!(%error, %room, "what was said in an erased room is not all gone yet");
                sleep(LEAVERS_LOOKED_EVERY * 10).await;
            }
        }
    }
}

/// Goes through the log for what those said who left with all of it, and erases what an earlier
/// chatd left of it in rooms. Once for a data file.
async fn erase_left_behind(chat: &Chat, now: fn() -> Timestamp) -> Result<(), ChatError> {
    let (mut leavers, mut next) = (Leavers::new(), Some(0));
    while let Some(after) = next {
        let began = Instant::now();
        let (found, rest) = chat.leavers(after).await?;
        // Who left twice is gone with all that they said before the second time.
        leavers.extend(found);
        next = rest;
        sleep(began.elapsed()).await;
    }
    let leavers = Arc::new(leavers);
    next = Some(0).filter(|_| !leavers.is_empty());
    while let Some(after) = next {
        let began = Instant::now();
        next = chat.erase_left_behind(now(), &leavers, after).await?;
        sleep(began.elapsed()).await;
    }
    chat.nothing_is_left_behind(now()).await
}

/// Erases what one person said.
async fn erase_leaver(chat: &Chat, user: UserId, now: fn() -> Timestamp) -> Result<(), ChatError> {
    for mut erasing in chat.sent_by(user).await? {
        erase_beside(chat, &mut erasing, now).await?;
    }
    chat.sent_is_erased(now(), user).await
}

/// Takes all out of a room, and erases what was said there.
async fn erase_room(chat: &Chat, room: RoomId, now: fn() -> Timestamp) -> Result<(), ChatError> {
    loop {
        let began = Instant::now();
        if chat.erase_room(now(), None, room).await?.member_count == 0 {
            break;
        }
        sleep(began.elapsed()).await;
    }
    erase_beside(chat, &mut chat.said_in(room), now).await
}

/// Erases messages step by step. Leaves the machine to others after each step for as long as that
/// took.
async fn erase_beside(
    chat: &Chat,
    erasing: &mut Erasing,
    now: fn() -> Timestamp,
) -> Result<(), ChatError> {
    loop {
        let began = Instant::now();
        if !chat.erase_step(now(), erasing).await? {
            return Ok(());
        }
        sleep(began.elapsed()).await;
    }
}

/// Has messages erased that are older than retention allows: those of all chats, where the server
/// has one, and those of rooms with a shorter one. At once after a start, and then each tenth of
/// the shortest, at most a day. Never ends.
pub(super) async fn retain(store: Store, chat: Chat, now: fn() -> Timestamp) {
    let mut last: Option<Instant> = None;
    loop {
        let rooms = chat.rooms_to_retain();
        let days = rooms.iter().map(|(_, days)| DAY.saturating_mul(*days));
        let Some(shortest) = days.chain(chat.retention()).min() else {
            sleep(RETENTION_LOOKED_EVERY).await;
            continue;
        };
        let every = (shortest / 10).min(DAY);
        if last.is_none_or(|last| last.elapsed() >= every) {
            last = Some(Instant::now());
            if let Err(error) = retain_once((&store, &chat), &rooms, now).await {
                tracing::warn!(%error, "what is older than retention allows is not all erased yet");
                last = None;
            }
        }
        sleep(RETENTION_LOOKED_EVERY.min(every / 4)).await;
    }
}

/// 10 s: how often is looked whether it is time.
const RETENTION_LOOKED_EVERY: Duration = Duration::from_secs(10);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Erases what is older than retention allows in a stopped server's file, as a server does it.
/// Returns `false` where the machine's clock is so far off that less may have been erased.
pub fn retain_in(data: &Path, retention: Duration) -> Result<bool, ServerError> {
    let (done, batches) = mpsc::channel(BATCHES);
    let location = Location::File(data.to_owned());
    let store = Store::open(&location, StoreOptions::of_command(), done)?;
    let rules = Rules {
        retention: Some(retention),
        ..Rules::default()
    };
    let chat = Chat::new(store.clone(), Arc::new(Nobody), rules, store.cursor_keys());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|_| ServerError::Broken("runtime of asynchronous tasks"))?;
    let telling = runtime.spawn(chat.clone().run(batches, || 0));
    let rooms = chat.rooms_to_retain();
    let done = runtime.block_on(retain_once((&store, &chat), &rooms, Timestamp::now));
    let believes = !store.doubts_clock();
    store.close();
    telling.abort();
    done.map_err(ServerError::Retention)?;
    Ok(believes)
}

/// Where nobody is told of anything.
struct Nobody;

impl Listener for Nobody {
    fn happened(&self, _: Event<'_>) {}
}

/// Goes through all that is too old. Leaves the machine to others after each step for as long as
/// that took.
async fn retain_once(
    (store, chat): (&Store, &Chat),
    rooms: &[(RoomId, u32)],
    now: fn() -> Timestamp,
) -> Result<(), ChatError> {
    let older = |than: Duration| {
        let now = now();
        Older {
            than: store.ending_time(now).minus(than),
            now,
        }
    };
    if let Some(retention) = chat.retention() {
        loop {
            let began = Instant::now();
            if !chat.erase_expired(older(retention)).await? {
                break;
            }
            sleep(began.elapsed()).await;
        }
    }
    for (room, days) in rooms {
        let older = older(DAY.saturating_mul(*days));
        erase_beside(chat, &mut chat.expired_in(*room, older), now).await?;
    }
    Ok(())
}

/// Rewrites the file, and says how that went.
async fn is_rewritten(store: &Store) -> bool {
    match store.rewrite().await {
        Ok(compacted) => {
            tracing::info!(
                before_mb = compacted.before >> 20,
                after_mb = compacted.after >> 20,
                "the data file was rewritten: what was erased is gone from it"
            );
            true
        }
        Err(error @ MaintainError::NoRoom) => {
            tracing::warn!(
                "{error}: what was erased stays in free pages of the data file until the disk has room for the file once more"
            );
            false
        }
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the data file could not be rewritten; what was erased stays in free pages of it"
            );
            false
        }
    }
}
