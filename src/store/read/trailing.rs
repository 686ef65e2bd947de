//! Following the log from outside: every durable entry in commit order, from a position on.
//!
//! What derives from the log takes its entries in one of two ways. A follower *in the commit* (the
//! state, the end of the log in memory, the client ids, the checkpoint) is part of the writer's
//! work: it is never behind, and every change waits for it. A *trailing* follower (the search,
//! hooks) keeps a position of its own, the last entry that it has taken in, beside what it made of
//! the entries, and reads on from there when it likes. No change waits for it, and it may be behind
//! for as long as its own disk or peer takes.
//!
//! ```text
//! newest = store.newest_entry()                 before the first page, so that none is missed
//! loop {
//!     trail = store.read(move |snapshot| snapshot.entries_after(position, ENTRIES, BYTES))
//!     take in trail.notices; position = trail.through, kept where a restart finds it
//!     if position >= trail.newest { newest.changed().await }
//! }
//! ```
//!
//! An entry is given as the log has it by now: an edited message with its newest text, a message
//! that is gone as [`Act::Erased`]. Whatever changes a message later is an entry too, so a follower
//! that takes all of them in comes to what the log says. A position beyond the newest entry is of
//! another file, or of this one before a backup was put in its place: such a follower begins anew.
//!
//! Changes of rows beside the log (accounts, invites, keys) are no entries: see `changes.rs`.

use redb::ReadableDatabase;

use super::missed::described;
use super::snapshot::{INLINE_ENTRIES, Snapshot, SnapshotLog};
use crate::model::{
    Act, ChangedMessage, EntryId, Members, MessagePart, Notice, RoomHistory, Stream,
};
use crate::store::error::{ReadError, StoreError};
use crate::store::log::blocks::{Log, decode};
use crate::store::log::chain::ReadLog;
use crate::store::log::record::Record;
use crate::store::talk::conversation::{notice_of, remains_of};
use crate::store::talk::rooms::remains_in_room;

/// Some entries of the log, in commit order.
#[derive(Debug)]
pub struct Trail {
    /// The entries as the log has them by now. Of a change of a membership with the room as it was
    /// then, but for its name, topic and picture, which are those that it has by now; of an edit or
    /// a reaction with the message as it is now, `None` where that is gone since; of a deletion
    /// with what is left of the message.
    pub notices: Vec<Notice>,
    /// The position after them: the last entry that was gone through.
    pub through: u64,
    /// The newest entry there was when this was asked.
    pub newest: u64,
    /// How many entries up to `through` are damaged, and so not given.
    pub damaged: u64,
}

/// Sealed entries, copied so that nothing is held while they are read.
struct Gathered {
    bytes: Vec<u8>,
    /// The id of each, and where it ends.
    ends: Vec<(u64, usize)>,
    through: u64,
}

/// Which entries are wanted, and how many bytes of them at most, but for the last one.
#[derive(Clone, Copy)]
struct Wanted {
    first: u64,
    last: u64,
    bytes: usize,
}

impl Snapshot<'_> {
    /// Returns the entries after a position: at most `most`, and of about `most_bytes` bytes, at
    /// least one where there is any. Asked of memory alone, fewer.
    pub fn entries_after(
        &self,
        after: u64,
        most: usize,
        most_bytes: usize,
    ) -> Result<Trail, ReadError> {
        // Before the log is read: what the state knows is in it.
        let newest = self.state().last_entry;
        let most = match self.is_of_memory() {
            true => most.min(INLINE_ENTRIES as usize),
            false => most,
        };
        let wanted = Wanted {
            first: after.saturating_add(1),
            last: newest.min(after.saturating_add(most as u64)),
            bytes: most_bytes,
        };
        let mut trail = Trail {
            notices: Vec::new(),
            through: after,
            newest,
            damaged: 0,
        };
        if wanted.first > wanted.last {
            return Ok(trail);
        }
        let gathered = match self.gathered_from_memory(wanted) {
            Some(gathered) => gathered,
            None => self.gathered_from_disk(wanted)?,
        };
        let (notices, histories) = self.notices_of(&gathered);
        (trail.through, trail.notices) = (gathered.through, notices);
        complete(&self.log(), &mut trail.notices, &histories)?;
        for notice in &mut trail.notices {
            self.name_rooms(None, notice);
        }
        trail.damaged = (trail.through - after).saturating_sub(trail.notices.len() as u64);
        Ok(trail)
    }

    /// Copies what is wanted from the end of the log in memory; `None` where that begins later.
    fn gathered_from_memory(&self, wanted: Wanted) -> Option<Gathered> {
        let tail = self.tail();
        let mut gathered = Gathered::before(wanted);
        for number in wanted.first..=wanted.last {
            let id = EntryId::new(number).ok()?;
            let Some(sealed) = tail.get(id) else { break };
            if !gathered.add(number, sealed, wanted.bytes) {
                break;
            }
        }
        (gathered.through >= wanted.first).then_some(gathered)
    }

    fn gathered_from_disk(&self, wanted: Wanted) -> Result<Gathered, ReadError> {
        let txn = self.database()?.begin_read().map_err(StoreError::from)?;
        let log = Log::open(&txn).map_err(StoreError::from)?;
        let mut walk = log.walk(wanted.first).map_err(StoreError::from)?;
        let mut gathered = Gathered::before(wanted);
        loop {
            match walk.next() {
                Some(Ok((id, sealed))) if id <= wanted.last => {
                    if !gathered.add(id, sealed, wanted.bytes) {
                        return Ok(gathered);
                    }
                }
                // Those before it are gone through, damaged ones among them.
                Some(Ok(_)) | None => {
                    gathered.through = wanted.last;
                    return Ok(gathered);
                }
                Some(Err(StoreError::Damaged { .. })) => {}
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }

    /// Reads what was gathered. Each entry that changes a message of a room comes with what those
    /// read of it who joined later.
    fn notices_of(&self, gathered: &Gathered) -> (Vec<Notice>, Vec<RoomHistory>) {
        let most = gathered.ends.len();
        let (mut notices, mut histories) = (Vec::with_capacity(most), Vec::with_capacity(most));
        for (id, sealed) in gathered.iter() {
            let Ok((id, record)) = decode(id, sealed) else {
                continue;
            };
            let state = self.state();
            let pair = match record.stream {
                Stream::Pair(conversation) => state.conversation(conversation),
                Stream::Room(_) | Stream::Own(_) => None,
            };
            if pair.is_none() && record.stream.pair().is_some() {
                continue;
            }
            let head = match record.stream {
                Stream::Room(room) => state.rooms.head(room),
                Stream::Pair(_) | Stream::Own(_) => None,
            };
            let history = head.map_or(RoomHistory::All, |head| head.room.history);
            let pair = pair.map(|conversation| conversation.pair);
            notices.push(notice_of(id, pair, &record));
            histories.push(history);
        }
        (notices, histories)
    }
}

impl Gathered {
    fn before(wanted: Wanted) -> Self {
        Self {
            bytes: Vec::new(),
            ends: Vec::new(),
            through: wanted.first - 1,
        }
    }

    /// Adds one. Returns whether more may follow.
    fn add(&mut self, id: u64, sealed: &[u8], most_bytes: usize) -> bool {
        self.bytes.extend_from_slice(sealed);
        self.ends.push((id, self.bytes.len()));
        self.through = id;
        self.bytes.len() < most_bytes
    }

    fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let begins = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        let entries = self.ends.iter().zip(begins);
        entries.map(|((id, end), begin)| (*id, &self.bytes[begin..*end]))
    }
}

/// Adds to each notice what stands elsewhere in the log, and takes out those of which that is
/// damaged. Few have anything elsewhere: they stay where they are.
fn complete(
    log: &SnapshotLog<'_>,
    notices: &mut Vec<Notice>,
    histories: &[RoomHistory],
) -> Result<(), ReadError> {
    let mut histories = histories.iter();
    let mut failed = Ok(());
    notices.retain_mut(|notice| {
        let history = histories.next().copied().unwrap_or(RoomHistory::All);
        if failed.is_err() {
            return false;
        }
        let rest = described(log, notice)
            .and_then(|room| Ok((room, changed_message(log, notice, history)?)));
        match rest {
            Ok((room, message)) => {
                (notice.room, notice.message) = (room, message.map(Box::new));
                true
            }
            Err(ReadError::Failed(StoreError::Damaged { .. })) => false,
            Err(error) => {
                failed = Err(error);
                false
            }
        }
    });
    failed
}

/// Returns the message that an entry changes as it is now, or what is left of one that the entry
/// deleted; `None` where the entry changes none, or many, or the message is gone since.
fn changed_message(
    log: &SnapshotLog<'_>,
    notice: &Notice,
    history: RoomHistory,
) -> Result<Option<ChangedMessage>, ReadError> {
    let act = &notice.entry.act;
    let Some(id) = act.changes().filter(|_| act.erased_many().is_empty()) else {
        return Ok(None);
    };
    let is_deletion = act.part() == Some(MessagePart::Whole);
    let remains = |record: &Record<&str>| {
        let is_given = is_deletion || matches!(record.act, Act::Sent { .. });
        is_given.then(|| match notice.members {
            Members::Pair(pair) => Some(remains_of(id, pair, record)),
            Members::Room(room) => Some(remains_in_room(id, room, history, record)),
            Members::Own(_) => None,
        })
    };
    Ok(log.read_message(id, remains)?.flatten())
}
