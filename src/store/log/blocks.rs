//! The log as it lies in its table: blocks of entries that follow one another, each as large as a page of the tree takes.
//!
//! A row for each entry would cost 12 bytes of a page, a search and a growing page for each; a block costs them once for
//! some thirty. The newest block grows until it is full: it is the page that the next transaction would have to write
//! anew anyhow. No other is ever changed.
//!
//! A block's key is the id of its last entry, since the branches of the tree lead to the smallest key that is not smaller
//! than what is looked for; the one that grows has the greatest key, [`NEWEST`], until it is full. Its value is the
//! entries, sealed as [`super::record`] does it and one behind the other; then, of each but the first, where in the block
//! it begins (u16, little-endian), how many there are (the same), and the first one's id (u64). Of these numbers none is
//! sealed: where one is wrong, what is cut out by it is not what the checksum of an entry was made of, since its id is in
//! that.

use std::ops::Bound;

use redb::{
    AccessGuard, Range, ReadOnlyTable, ReadTransaction, ReadableTable, StorageError, Table,
    TableError,
};

use super::chain::ReadLog;
use super::record::Entry;
use crate::model::EntryId;
use crate::store::error::StoreError;
use crate::store::tables::{LOG, OLD_LOG};

/// The key of the block that grows.
const NEWEST: u64 = u64::MAX;
/// 4,080 bytes: what a page of 4 KiB takes of one value, besides its head (4), the key (8), and where the value ends (4).
/// A longer entry has a block, and larger pages, for itself.
const BLOCK_BYTES: usize = 4_096 - 16;
/// How many bytes tell where an entry begins; the first one needs none, and the block as many to say how many there are.
const PLACE: usize = size_of::<u16>();
/// How many bytes an id has.
const ID: usize = size_of::<u64>();

/// What an absent or damaged entry is.
pub(crate) fn damaged(key: u64) -> StoreError {
    StoreError::Damaged { table: "log", key }
}

/// What a [`Walk`] gives, decoded.
pub(crate) fn decode(key: u64, sealed: &[u8]) -> Result<(EntryId, Entry<'_>), StoreError> {
    let id = EntryId::new(key).map_err(|_| damaged(key))?;
    Ok((id, Entry::decode(id, sealed)?))
}

/// A block, cut where its numbers say.
#[derive(Debug, Clone, Copy)]
struct Block<'a> {
    /// The first one's id.
    first: u64,
    entries: &'a [u8],
    /// Where each but the first begins.
    begins: &'a [[u8; PLACE]],
}

impl<'a> Block<'a> {
    /// `None` for what is no block. One that is has a last id below [`NEWEST`].
    fn new(value: &'a [u8]) -> Option<Self> {
        let (rest, first) = value.split_last_chunk::<ID>()?;
        let (rest, count) = rest.split_last_chunk::<PLACE>()?;
        let begins = usize::from(u16::from_le_bytes(*count)).checked_sub(1)?;
        let (entries, begins) = rest.split_at_checked(rest.len().checked_sub(begins * PLACE)?)?;
        let (begins, _) = begins.as_chunks();
        let first = u64::from_le_bytes(*first);
        let last = first.checked_add(begins.len() as u64)?;
        (first > 0 && last < NEWEST).then_some(Self {
            first,
            entries,
            begins,
        })
    }

    fn count(&self) -> usize {
        self.begins.len() + 1
    }

    /// The last one's id.
    fn last(&self) -> u64 {
        self.first + self.begins.len() as u64
    }

    fn begin(&self, place: usize) -> Option<usize> {
        match place.checked_sub(1) {
            None => Some(0),
            Some(at) => Some(usize::from(u16::from_le_bytes(*self.begins.get(at)?))),
        }
    }

    /// The sealed value of an entry.
    fn get(&self, place: usize) -> Option<&'a [u8]> {
        let end = self.begin(place + 1).unwrap_or(self.entries.len());
        self.entries.get(self.begin(place)?..end)
    }
}

/// Gives `read` an entry of a table of blocks, where it is there.
pub(crate) fn read_block<R>(
    table: &impl ReadableTable<u64, &'static [u8]>,
    id: EntryId,
    read: impl FnOnce(Entry<'_>) -> R,
) -> Result<Option<R>, StoreError> {
    let Some((_, value)) = table.lower_bound(Bound::Included(id.get()))?.next()? else {
        return Ok(None);
    };
    let sealed = Block::new(value.value()).and_then(|block| {
        let place = id.get().checked_sub(block.first)?;
        block.get(usize::try_from(place).ok()?)
    });
    match sealed {
        Some(sealed) => Ok(Some(read(Entry::decode(id, sealed)?))),
        None => Ok(None),
    }
}

/// The log in one read transaction.
pub(crate) struct Log {
    blocks: ReadOnlyTable<u64, &'static [u8]>,
    /// A row each, of a file that is not migrated or not wholly: what follows upon the blocks.
    rows: Option<ReadOnlyTable<u64, &'static [u8]>>,
}

impl ReadLog for Log {
    fn read<R>(&self, id: EntryId, read: impl FnOnce(Entry<'_>) -> R) -> Result<R, StoreError> {
        if let Some(rows) = &self.rows
            && let Some(value) = rows.get(id.get())?
        {
            return Ok(read(Entry::decode(id, value.value())?));
        }
        read_block(&self.blocks, id, read)?.ok_or_else(|| damaged(id.get()))
    }
}

impl Log {
    /// That of a file of this format.
    pub(crate) fn open(txn: &ReadTransaction) -> Result<Self, TableError> {
        Ok(Self {
            blocks: txn.open_table(LOG)?,
            rows: None,
        })
    }

    /// That of a file which may have entries in the form of an earlier one still.
    pub(crate) fn open_any(txn: &ReadTransaction) -> Result<Self, TableError> {
        let rows = match txn.open_table(OLD_LOG) {
            Ok(rows) => Some(rows),
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            rows,
            ..Self::open(txn)?
        })
    }

    /// The id of the newest entry, which is sealed under it; 0 where there is none. The key of its block says nothing of
    /// that, and the next entry must not get an id that one has.
    pub(crate) fn last(&self) -> Result<u64, StoreError> {
        if let Some(rows) = &self.rows
            && let Some((key, value)) = rows.last()?
        {
            return Ok(decode(key.value(), value.value())?.0.get());
        }
        let Some((key, value)) = self.blocks.last()? else {
            return Ok(0);
        };
        let newest = Block::new(value.value()).ok_or(damaged(key.value()))?;
        let last = newest.last();
        let sealed = newest.get(newest.count() - 1).ok_or(damaged(last))?;
        Ok(decode(last, sealed)?.0.get())
    }

    /// All entries from this one on.
    pub(crate) fn walk(&self, from: u64) -> Result<Walk, StorageError> {
        let rows = self.rows.as_ref().map(|rows| rows.range(from..));
        Ok(Walk {
            blocks: self.blocks.range(from..)?,
            rows: rows.transpose()?,
            from: Some(from),
            next: 0,
            row: None,
        })
    }
}

/// A row of the log's, and what of it comes next.
struct Row {
    first: u64,
    value: AccessGuard<'static, &'static [u8]>,
    place: usize,
    count: usize,
    is_block: bool,
}

/// Entries in their order.
pub(crate) struct Walk {
    blocks: Range<'static, u64, &'static [u8]>,
    rows: Option<Range<'static, u64, &'static [u8]>>,
    /// Where the walk begins: in the midst of its first block, perhaps.
    from: Option<u64>,
    /// The smallest id that the next entry can have.
    next: u64,
    row: Option<Row>,
}

impl Walk {
    /// The next entry's id and sealed value; an error for what is damaged, behind which the walk goes on. An id is greater
    /// than the one before it.
    pub(crate) fn next(&mut self) -> Option<Result<(u64, &[u8]), StoreError>> {
        while self.row.as_ref().is_none_or(|row| row.place >= row.count) {
            match self.turn()? {
                Ok(row) => self.row = Some(row),
                Err(error) => return Some(Err(error)),
            }
        }
        let row = self.row.as_mut()?;
        let id = row.first + row.place as u64;
        let sealed = match row.is_block {
            true => Block::new(row.value.value()).and_then(|block| block.get(row.place)),
            false => Some(row.value.value()),
        };
        row.place += 1;
        self.next = id + 1;
        Some(sealed.map(|sealed| (id, sealed)).ok_or(damaged(id)))
    }

    /// The next row.
    fn turn(&mut self) -> Option<Result<Row, StoreError>> {
        self.row = None;
        let (row, is_block) = match self.blocks.next() {
            Some(row) => (row, true),
            None => (self.rows.as_mut()?.next()?, false),
        };
        Some(row.map_err(StoreError::from).and_then(|(key, value)| {
            let key = key.value();
            let (first, count) = match is_block {
                true => {
                    let block = Block::new(value.value())
                        .filter(|block| key == block.last() || key == NEWEST);
                    // Of the newest one at least the next entry is gone.
                    let named = if key == NEWEST { self.next.max(1) } else { key };
                    let block = block.ok_or(damaged(named))?;
                    (block.first, block.count())
                }
                false => (EntryId::new(key).map_err(|_| damaged(key))?.get(), 1),
            };
            let place = self.from.take().unwrap_or(first).saturating_sub(first);
            if first + place < self.next {
                return Err(damaged(first));
            }
            Ok(Row {
                first,
                value,
                place: usize::try_from(place).unwrap_or(count),
                count,
                is_block,
            })
        }))
    }
}

/// Appends entries to the log of a write transaction. They are there once it is closed.
pub(crate) struct Appending<'a, 'txn> {
    table: &'a mut Table<'txn, u64, &'static [u8]>,
    /// The id of the first entry of the block in the making.
    first: u64,
    count: usize,
    /// Where each of its entries but the first begins.
    begins: Vec<u8>,
    /// The blocks that are made, and the entries of the one in the making.
    bytes: Vec<u8>,
    /// Of each block that is made the last entry, and where it ends.
    made: Vec<(u64, usize)>,
}

impl<'a, 'txn> Appending<'a, 'txn> {
    /// Behind what the table has. So many `bytes` are expected. Fails where its newest block is none, rather than put another
    /// in its place.
    pub(crate) fn new(
        table: &'a mut Table<'txn, u64, &'static [u8]>,
        bytes: usize,
    ) -> Result<Self, StoreError> {
        let mut this = Self {
            first: 0,
            count: 0,
            begins: Vec::new(),
            bytes: Vec::with_capacity(BLOCK_BYTES + bytes + bytes / 16),
            made: Vec::with_capacity(bytes / BLOCK_BYTES),
            table,
        };
        if let Some((key, value)) = this.table.last()?
            && key.value() == NEWEST
        {
            let newest = Block::new(value.value()).ok_or(damaged(NEWEST))?;
            (this.first, this.count) = (newest.first, newest.count());
            this.begins.extend_from_slice(newest.begins.as_flattened());
            this.bytes.extend_from_slice(newest.entries);
        }
        Ok(this)
    }

    /// Appends one. Its id follows the last one's, or there is a gap.
    pub(crate) fn push(&mut self, id: u64, sealed: &[u8]) {
        if self.count > 0 {
            let filled = self.bytes.len() - self.made.last().map_or(0, |(_, end)| *end);
            let bytes = filled + sealed.len() + (self.count + 1) * PLACE + ID;
            if id == self.first + self.count as u64 && bytes <= BLOCK_BYTES {
                let begin = u16::try_from(filled).expect("a block of several is shorter");
                self.begins.extend_from_slice(&begin.to_le_bytes());
            } else {
                self.end_block();
            }
        }
        if self.count == 0 {
            self.first = id;
        }
        self.bytes.extend_from_slice(sealed);
        self.count += 1;
    }

    fn end_block(&mut self) {
        let count = u16::try_from(self.count).expect("a block has fewer entries than bytes");
        self.bytes.append(&mut self.begins);
        self.bytes.extend_from_slice(&count.to_le_bytes());
        self.bytes.extend_from_slice(&self.first.to_le_bytes());
        let last = self.first + self.count as u64 - 1;
        self.made.push((last, self.bytes.len()));
        self.count = 0;
    }

    /// Puts them into the table.
    pub(crate) fn close(mut self) -> Result<(), StoreError> {
        if self.count > 0 {
            self.end_block();
        }
        let Some((newest, full)) = self.made.split_last() else {
            return Ok(());
        };
        let mut begin = full.last().map_or(0, |(_, end)| *end);
        self.table.insert(NEWEST, &self.bytes[begin..newest.1])?;
        if full.is_empty() {
            return Ok(());
        }
        // A cursor puts neighbours into the tree at once.
        let mut gap = self.table.upper_bound_mut(Bound::Excluded(NEWEST))?;
        begin = 0;
        for (last, end) in full {
            gap.insert_before(*last, &self.bytes[begin..*end])?;
            begin = *end;
        }
        gap.close()?;
        Ok(())
    }
}

/// For tests: has the log hold what `change` makes of its entries, as no chatd would.
#[cfg(test)]
pub(crate) fn tamper(
    txn: &redb::WriteTransaction,
    change: impl FnOnce(&mut std::collections::BTreeMap<u64, Vec<u8>>),
) {
    let mut entries = std::collections::BTreeMap::new();
    {
        let table = txn.open_table(LOG).unwrap();
        for row in table.iter().unwrap() {
            let (_, value) = row.unwrap();
            let block = Block::new(value.value()).unwrap();
            let sealed = (0..block.count()).map(|place| block.get(place).unwrap().to_vec());
            entries.extend((block.first..).zip(sealed));
        }
    }
    change(&mut entries);
    txn.delete_table(LOG).unwrap();
    let mut table = txn.open_table(LOG).unwrap();
    let mut end = Appending::new(&mut table, 0).unwrap();
    for (id, sealed) in entries {
        end.push(id, &sealed);
    }
    end.close().unwrap();
}

/// For tests: every entry as it is written.
#[cfg(test)]
pub(crate) fn entries(db: &redb::Database) -> Vec<(u64, Vec<u8>)> {
    let log = Log::open_any(&redb::ReadableDatabase::begin_read(db).unwrap()).unwrap();
    let mut walk = log.walk(0).unwrap();
    let next = std::iter::from_fn(|| {
        let (id, sealed) = walk.next()?.unwrap();
        Some((id, sealed.to_vec()))
    });
    next.collect()
}

/// For tests: has a file hold its log as formats 1 and 2 did.
#[cfg(test)]
pub(crate) fn tamper_old(db: &redb::Database) {
    let entries = entries(db);
    let txn = db.begin_write().unwrap();
    txn.delete_table(LOG).unwrap();
    txn.open_table(LOG).unwrap();
    let mut old = txn.open_table(OLD_LOG).unwrap();
    for (id, sealed) in &entries {
        old.insert(id, &sealed[..]).unwrap();
    }
    drop(old);
    txn.commit().unwrap();
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use redb::backends::InMemoryBackend;
    use redb::{Database, ReadableDatabase, ReadableTableMetadata};

    use super::*;
    use crate::model::{ConversationId, Timestamp};
    use crate::store::log::record::{Body, MessageBody};

    /// The sealed value of a message of so long a text.
    fn sealed(id: u64, chars: usize) -> Vec<u8> {
        let body = MessageBody {
            previous: None,
            jump: None,
            number: id,
            ordinal: id,
            client_id: None,
            content: &"x".repeat(chars),
        };
        let entry = Entry {
            conversation: ConversationId::new(1).unwrap(),
            at: Timestamp::from_ms(id),
            previous: None,
            side: 0,
            body: Body::Message(body),
        };
        entry.encode(EntryId::new(id).unwrap())
    }

    /// Appends messages of these lengths in one transaction.
    fn append(db: &Database, next: &mut u64, lengths: impl IntoIterator<Item = usize>) {
        let txn = db.begin_write().unwrap();
        {
            let mut table = txn.open_table(LOG).unwrap();
            let mut end = Appending::new(&mut table, 0).unwrap();
            for chars in lengths {
                end.push(*next, &sealed(*next, chars));
                *next += 1;
            }
            end.close().unwrap();
        }
        txn.commit().unwrap();
    }

    fn database() -> Database {
        let medium = InMemoryBackend::new();
        Database::builder().create_with_backend(medium).unwrap()
    }

    fn newest(db: &Database) -> Vec<u8> {
        let table = db.begin_read().unwrap().open_table(LOG).unwrap();
        table.get(NEWEST).unwrap().unwrap().value().to_vec()
    }

    /// The log with each bit of its newest block changed in turn, and which bit that is.
    fn with_each_bit_changed(db: &Database, mut look: impl FnMut(Log, usize)) {
        let whole = newest(db);
        for bit in 0..whole.len() * 8 {
            let mut value = whole.clone();
            value[bit / 8] ^= 1 << (bit % 8);
            let txn = db.begin_write().unwrap();
            let mut table = txn.open_table(LOG).unwrap();
            table.insert(NEWEST, &value[..]).unwrap();
            drop(table);
            txn.commit().unwrap();
            look(Log::open(&db.begin_read().unwrap()).unwrap(), bit);
        }
    }

    fn length(entry: &Entry<'_>) -> usize {
        match &entry.body {
            Body::Message(message) => message.content.len(),
            _ => panic!("a message was written"),
        }
    }

    #[test]
    fn every_entry_is_found_whatever_the_transactions_and_the_lengths_were() {
        let mut random = StdRng::seed_from_u64(3);
        let (db, mut next, mut written) = (database(), 1, Vec::new());
        while next < 4_000 {
            let longest = [1, 150, 150, 5_000, 200_000][random.random_range(0..5)];
            let count = if longest > 5_000 {
                2
            } else {
                random.random_range(0..90)
            };
            let lengths: Vec<_> = (0..count)
                .map(|_| random.random_range(0..longest))
                .collect();
            append(&db, &mut next, lengths.iter().copied());
            written.extend(lengths);
        }
        let log = Log::open(&db.begin_read().unwrap()).unwrap();
        assert_eq!(log.last().unwrap(), next - 1);
        for (number, chars) in (1..).zip(&written) {
            let id = EntryId::new(number).unwrap();
            assert_eq!(log.read(id, |entry| length(&entry)).unwrap(), *chars);
        }
        for absent in [next, next + 40] {
            let error = log.read(EntryId::new(absent).unwrap(), |_| ()).unwrap_err();
            assert!(matches!(error, StoreError::Damaged { table: "log", key } if key == absent));
        }
        for from in [0, 1, 2, 1_234, next - 1, next, next + 9] {
            let mut walk = log.walk(from).unwrap();
            let mut expected = from.max(1);
            while let Some(row) = walk.next() {
                let (id, sealed) = row.unwrap();
                assert_eq!(id, expected);
                let (_, entry) = decode(id, sealed).unwrap();
                assert_eq!(length(&entry), written[id as usize - 1]);
                expected += 1;
            }
            assert_eq!(expected, next.max(from), "from {from}");
        }
    }

    #[test]
    fn blocks_fill_their_pages_however_small_the_transactions_are() {
        for count in [1, 7, 100] {
            let (db, mut next) = (database(), 1);
            while next < 5_000 {
                append(&db, &mut next, std::iter::repeat_n(100, count));
            }
            let table = db.begin_read().unwrap().open_table(LOG).unwrap();
            let stats = table.stats().unwrap();
            let bytes: usize = (1..next).map(|id| sealed(id, 100).len()).sum();
            let pages = stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes();
            assert!(
                (pages as usize) < bytes * 108 / 100,
                "{pages} bytes of pages for {bytes} by transactions of {count}"
            );
        }
    }

    #[test]
    fn the_longest_block_of_several_fits_one_page() {
        let (db, mut next) = (database(), 1);
        let rest = BLOCK_BYTES - 2 * sealed(1, 100).len() - 2 * PLACE - ID;
        // The third one has no room with them.
        append(&db, &mut next, [100, 100 + rest, 3_000]);
        let table = db.begin_read().unwrap().open_table(LOG).unwrap();
        assert_eq!(table.len().unwrap(), 2);
        let stats = table.stats().unwrap();
        let bytes = stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes();
        let pages = stats.leaf_pages() + stats.branch_pages();
        assert_eq!((pages, bytes), (3, 3 * 4_096));
    }

    #[test]
    fn a_bit_that_changed_in_a_block_is_an_error_and_never_a_wrong_entry() {
        let (db, mut next) = (database(), 1);
        let lengths = [20, 0, 35, 7, 90, 20];
        append(&db, &mut next, lengths);
        with_each_bit_changed(&db, |log, bit| {
            let mut damaged = 0;
            for (number, chars) in (1..).zip(lengths) {
                match log.read(EntryId::new(number).unwrap(), |entry| length(&entry)) {
                    Ok(found) => assert_eq!(found, chars, "entry {number}, bit {bit}"),
                    Err(StoreError::Damaged { table: "log", key }) if key == number => damaged += 1,
                    Err(error) => panic!("{error}"),
                }
            }
            assert!(damaged > 0, "bit {bit} is of nothing");
            // A walk over all meets it too.
            let mut walk = log.walk(1).unwrap();
            let (mut expected, mut is_met) = (1, false);
            while let Some(row) = walk.next() {
                let read = row.and_then(|(id, sealed)| Ok(decode(id, sealed)?.0.get()));
                is_met |= !read.is_ok_and(|id| id == expected);
                expected += 1;
            }
            assert!(is_met || expected != next, "bit {bit}");
        });
    }

    /// Where a start took another entry for the last one, the next would get an id that one has.
    #[test]
    fn no_bit_that_changed_in_the_newest_block_gives_another_last_entry() {
        let (db, mut next) = (database(), 1);
        append(&db, &mut next, std::iter::repeat_n(100, 80));
        let table = db.begin_read().unwrap().open_table(LOG).unwrap();
        assert!(table.len().unwrap() > 2, "there are blocks before it");
        drop(table);
        let numbers = (newest(&db).len() - PLACE - ID) * 8;
        with_each_bit_changed(&db, |log, bit| match log.last() {
            Ok(last) => assert!(last == 80 && bit < numbers, "bit {bit}: {last}"),
            Err(StoreError::Damaged { table: "log", .. }) => {}
            Err(error) => panic!("{error}"),
        });
        // What is no block at all is not written over.
        let txn = db.begin_write().unwrap();
        let mut table = txn.open_table(LOG).unwrap();
        table.insert(NEWEST, &[0_u8; 9][..]).unwrap();
        assert!(Appending::new(&mut table, 0).is_err());
    }
}
