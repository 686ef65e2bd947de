//! The index as a whole: parts in files, each of a span of the log, and the newest part in memory.
//!
//! A part is what its span of the log says, read again at any time: it has the messages that were
//! sent in the span, with the texts that they had when it was made, or newer ones; and those of
//! earlier spans that got another text in it. What was edited or erased since leaves a part
//! *stale*: what it finds is held against the text and the state before anybody sees it, and the
//! part is made anew in time. A change that was in the log already when a part was made does not
//! make it stale, so a long log is indexed in one go.

use std::sync::Arc;

use super::allowed::{Allowed, key_of};
use super::catalog::{self, Catalog, Listed};
use super::folder::Folder;
use super::plan::{Found, Plan};
use super::recent::{Recent, Text};
use super::segment::{Segment, name_of};
use crate::model::{Act, EntryId, Extras, MessagePart, Notice, Stream, Timestamp, UserId};
use crate::store::Trail;

/// How large the parts of an index may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Messages of a part.
    pub(super) messages: usize,
    /// About how many bytes of memory the newest part may take.
    pub(super) bytes: usize,
    /// Entries that are taken in at once.
    pub(super) page: usize,
    /// Entries without a message that are passed over before their place is noted.
    pub(super) span: u64,
}

/// A part that is in a file.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) listed: Listed,
    /// `None` for one whose file is damaged or gone.
    pub(super) segment: Option<Arc<Segment>>,
}

impl Part {
    /// Returns whether what an entry changed is in it already.
    fn knows(&self, entry: EntryId) -> bool {
        let segment = self.segment.as_ref();
        segment.is_some_and(|segment| segment.head.as_of >= entry.get())
    }

    /// Returns whether something that was edited or erased is in it.
    pub(super) fn is_stale(&self) -> bool {
        self.listed.stale_since.is_some()
    }

    fn covers(&self, message: u64) -> bool {
        self.listed.from < message && message <= self.listed.through
    }

    /// Returns whether a message may be in it that was sent before its span.
    fn may_have_extra(&self, message: u64) -> bool {
        let extra = self.segment.as_ref().and_then(|segment| segment.head.extra);
        extra.is_some_and(|(low, high)| (low..=high).contains(&message))
    }
}

/// What a search finds in the index.
#[derive(Debug)]
pub(super) struct Candidates {
    /// Messages to be looked at, the newest first.
    pub(super) ids: Vec<u64>,
    /// Messages before this one may be found as well; `None` where there are none.
    pub(super) resume: Option<u64>,
    /// What it cost.
    pub(super) work: usize,
}

/// A part whose file is damaged, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken(pub(super) u64);

/// The parts of the index.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) stamp: [u8; 16],
    pub(super) sizes: Sizes,
    /// In the order of their entries.
    pub(super) parts: Vec<Part>,
    /// What is being written to a file, and up to which entry it reaches.
    pub(super) sealing: Option<(Arc<Recent>, u64)>,
    pub(super) recent: Recent,
    /// The last entry that was taken in.
    pub(super) position: u64,
    /// Everything up to the newest entry was taken in, once at least.
    pub(super) is_complete: bool,
    next_number: u64,
}

impl Index {
    /// Opens what is in a folder; begins anew where that is nothing, or of another data file, or
    /// reaches further than its log, which ends with `newest`.
    pub(super) fn open(folder: &Folder, stamp: [u8; 16], newest: u64, sizes: Sizes) -> Self {
        let read = folder.read(catalog::NAME).ok();
        let catalog = read.and_then(|bytes| Catalog::decode(&bytes).ok());
        let of_this_log =
            catalog.filter(|catalog| catalog.stamp == stamp && catalog.position <= newest);
        let is_known = of_this_log.is_some();
        let catalog = of_this_log.unwrap_or(Catalog {
            stamp,
            position: 0,
            segments: Vec::new(),
        });
        let names = catalog.segments.iter();
        let names: Vec<String> = names.map(|listed| name_of(listed.number)).collect();
        folder.keep_only(&|name| {
            is_known && (name == catalog::NAME || names.iter().any(|kept| kept == name))
        });
        let parts = catalog.segments.into_iter().map(|listed| {
            let segment = Segment::open(folder, listed.number, stamp);
            let of_span = segment.filter(|segment| {
                let head = &segment.head;
                // One that knows more than the log is of a log that was put back since.
                (head.from, head.through) == (listed.from, listed.through) && head.as_of <= newest
            });
            Part {
                listed,
                segment: of_span.map(Arc::new),
            }
        });
        let parts: Vec<_> = parts.collect();
        let next_number = parts.iter().map(|part| part.listed.number).max();
        Self {
            stamp,
            sizes,
            sealing: None,
            recent: Recent::after(catalog.position, 0),
            position: catalog.position,
            is_complete: is_known && parts.iter().all(|part| part.segment.is_some()),
            next_number: next_number.map_or(1, |number| number + 1),
            parts,
        }
    }

    /// The number of the next file.
    pub(super) fn next_number(&self) -> u64 {
        self.next_number
    }

    /// Notes that the file of this number is there.
    pub(super) fn has_written(&mut self, number: u64) {
        self.next_number = self.next_number.max(number + 1);
    }

    /// Returns the catalog of these parts.
    pub(super) fn catalog(&self, position: u64) -> Catalog {
        Catalog {
            stamp: self.stamp,
            position,
            segments: self.parts.iter().map(|part| part.listed).collect(),
        }
    }

    /// Returns whether the newest part is to be written to a file before it gets any larger.
    pub(super) fn is_full(&self) -> bool {
        self.recent.len() + self.sizes.page > self.sizes.messages
            || self.recent.bytes() > self.sizes.bytes
            || self.position - self.recent.from > self.sizes.span
    }

    /// Puts the newest part aside to be written, and begins another.
    pub(super) fn freeze(&mut self) -> (Arc<Recent>, u64) {
        let position = self.position;
        let next = Recent::after(position, 0);
        let frozen = Arc::new(std::mem::replace(&mut self.recent, next));
        self.sealing.insert((frozen, position)).clone()
    }

    /// Takes in the next entries of the log.
    pub(super) fn take(&mut self, trail: &Trail) {
        if trail.through == self.position {
            return;
        }
        if self.recent.as_of == 0 {
            self.recent.as_of = trail.newest;
        }
        for notice in &trail.notices {
            self.take_one(notice);
        }
        self.position = trail.through;
    }

    fn take_one(&mut self, notice: &Notice) {
        match &notice.entry.act {
            Act::Sent { .. } => {
                if let Some(text) = sent(notice) {
                    self.recent.put(text);
                }
            }
            Act::MessageChanged { message, change } => match change.part() {
                MessagePart::Text => self.take_edited(notice, message.get()),
                MessagePart::Whole => self.take_erased(notice),
                MessagePart::Beside => {}
            },
            Act::ErasedMany(_) => self.take_erased(notice),
            _ => {}
        }
    }

    fn take_edited(&mut self, notice: &Notice, id: u64) {
        let (entry, at) = (notice.entry.id, notice.entry.at);
        if self.is_known(id, entry) {
            return;
        }
        self.mark_stale(id, entry, at);
        match edited(notice) {
            Some(text) => self.recent.put(text),
            None => drop(self.recent.forget(id)),
        }
    }

    fn take_erased(&mut self, notice: &Notice) {
        let (entry, at) = (notice.entry.id, notice.entry.at);
        for message in notice.entry.act.all_changed() {
            self.recent.forget(message.get());
            self.mark_stale(message.get(), entry, at);
        }
    }

    /// Returns whether a message is in the index as an entry has left it.
    pub(super) fn is_known(&self, message: u64, entry: EntryId) -> bool {
        if self.recent.has(message) {
            return self.recent.as_of >= entry.get();
        }
        let mut covering = self.parts.iter().filter(|part| part.covers(message));
        covering.any(|part| part.knows(entry))
    }

    /// Notes that the files have something of a message that is not its text any more.
    fn mark_stale(&mut self, message: u64, entry: EntryId, at: Timestamp) {
        // Few parts have extras, and a message is of one span.
        for part in &mut self.parts {
            if (part.covers(message) || part.may_have_extra(message)) && !part.knows(entry) {
                part.listed.stale_since.get_or_insert(at);
            }
        }
    }

    /// Notes that the file of a part cannot be read, unless another has its place by now.
    pub(super) fn note_broken(&mut self, broken: Broken) {
        let mut parts = self.parts.iter_mut();
        if let Some(part) = parts.find(|part| part.listed.number == broken.0) {
            part.segment = None;
            self.is_complete = false;
        }
    }

    /// Returns how many entries are in the index.
    pub(super) fn made(&self) -> u64 {
        let is_broken = |part: &&Part| part.segment.is_none();
        let broken = self.parts.iter().filter(is_broken);
        let missing = broken.map(|part| part.listed.through - part.listed.from);
        self.position.saturating_sub(missing.sum())
    }

    /// Returns the newest messages before one that a plan finds and that may be read.
    pub(super) fn find(
        &self,
        folder: &Folder,
        plan: &Plan,
        allowed: &Allowed,
        before: u64,
        most: usize,
        most_work: usize,
    ) -> Result<Candidates, Broken> {
        let mut found = Found::before(before, most);
        let in_memory = self.sealing.iter().map(|(recent, _)| &**recent);
        let in_memory = in_memory.chain([&self.recent]);
        for recent in in_memory {
            recent.find(plan, allowed, &mut found);
        }
        // One that was found damaged a moment ago is not passed over.
        let segments = self.parts.iter().map(|part| {
            let segment = part.segment.as_ref();
            segment.ok_or(Broken(part.listed.number))
        });
        let mut segments = segments.collect::<Result<Vec<_>, _>>()?;
        segments.sort_unstable_by_key(|segment| std::cmp::Reverse(segment.head.high));
        let mut above = 0;
        for segment in segments {
            let high = segment.head.high;
            if !found.takes(segment.head.low) {
                continue;
            }
            let is_enough = found.is_full_above(high) || found.work > most_work;
            if is_enough && high + 1 < before {
                above = high;
                break;
            }
            let searched = segment.find(folder, plan, allowed, &mut found);
            searched.map_err(|_| Broken(segment.number))?;
        }
        let (resume, work) = (found.resume(above), found.work);
        Ok(Candidates {
            ids: found.newest_first(above),
            resume,
            work,
        })
    }
}

/// Takes the entries of a span in anew, for a part that is to take the place of another.
pub(super) fn take_again(recent: &mut Recent, trail: &Trail, through: u64, index: &Index) {
    if recent.as_of == 0 {
        recent.as_of = trail.newest;
    }
    let within = trail.notices.iter();
    for notice in within.take_while(|notice| notice.entry.id.get() <= through) {
        match &notice.entry.act {
            Act::Sent { .. } => {
                if let Some(text) = sent(notice) {
                    recent.put(text);
                }
            }
            Act::MessageChanged { message, change } if change.part() == MessagePart::Text => {
                let id = message.get();
                let is_elsewhere = id <= recent.from && !index.is_known(id, notice.entry.id);
                if let Some(text) = edited(notice).filter(|_| is_elsewhere) {
                    recent.put(text);
                }
            }
            _ => {}
        }
    }
}

/// Forgets, of a part that is being made anew, what was changed after it was begun. Of what was
/// edited the newest part has the text.
pub(super) fn forget_changed(recent: &mut Recent, trail: &Trail) {
    for notice in &trail.notices {
        let act = &notice.entry.act;
        let is_of_text = matches!(act.part(), Some(MessagePart::Text | MessagePart::Whole));
        if is_of_text && notice.entry.id.get() > recent.as_of {
            for message in act.all_changed() {
                recent.forget(message.get());
            }
        }
    }
}

fn text_of<'a>(
    stream: Stream,
    id: u64,
    sender: UserId,
    content: &'a str,
    extras: Option<&Extras>,
) -> Option<Text<'a>> {
    Some(Text {
        chat: key_of(stream)?,
        id,
        sender: sender.get(),
        has_file: extras.is_some_and(|extras| !extras.attachments.is_empty()),
        content,
    })
}

/// Returns the text of a message that was sent.
fn sent(notice: &Notice) -> Option<Text<'_>> {
    let Act::Sent {
        content, extras, ..
    } = &notice.entry.act
    else {
        return None;
    };
    let (stream, id) = (notice.entry.stream, notice.entry.id.get());
    text_of(stream, id, notice.entry.author?, content, extras.as_deref())
}

/// Returns the newest text of a message that was edited; `None` where it is gone since.
fn edited(notice: &Notice) -> Option<Text<'_>> {
    let message = notice.message.as_ref()?;
    let (stream, id) = (notice.entry.stream, message.id.get());
    let extras = message.extras.as_deref();
    text_of(stream, id, message.sender_id, &message.content, extras)
}
