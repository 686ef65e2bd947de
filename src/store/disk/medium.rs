//! What the database's bytes lie on: a locked file, or memory, or, in tests, a disk that fails.
//!
//! [`Backend`] stands between redb and the medium. It can hold writes back in memory: so a file is
//! looked at, and even repaired, without a byte of it changing, until [`Backend::release`]; and so
//! reading goes on from a disk that takes no more writes. The file stays locked for as long as the
//! medium lives, over every reopening.
//!
//! redb writes the pages of a commit one by one and in the order of a hash, though most of them are
//! neighbours. They are gathered until the sync, and then written run by run: for 36 pages that is
//! some 45 µs instead of 160 on ext4, and the sync itself is a third shorter.

use std::collections::HashMap;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{RwLock, RwLockUpgradableReadGuard};
use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::error::OpenError;
use super::holder::Holder;
use crate::metrics::StoreMetrics;

/// Bytes that outlive one opening of the database.
pub(crate) trait Medium: fmt::Debug + Send + Sync {
    /// Lets others open it, once nothing is read or written any more.
    fn unlock(&self) {}
    /// How many bytes there are.
    fn len(&self) -> io::Result<u64>;
    /// Reads exactly so many from there.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// Writes these there.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Writes these there, one behind the other.
    fn write_run(&self, mut offset: u64, run: &mut [IoSlice<'_>]) -> io::Result<()> {
        for data in run {
            self.write(offset, data)?;
            offset += data.len() as u64;
        }
        Ok(())
    }
    /// Cuts, or appends zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Returns once all that was written is safe from a power cut.
    fn sync(&self) -> io::Result<()>;
    /// How many bytes more may be stored; `None` where that cannot be told.
    fn free(&self) -> Option<u64>;
    /// Whether no name leads to it any more, so that it is gone once nobody has it open.
    fn is_unlinked(&self) -> bool {
        false
    }
    /// Forgets what only a cache holds: after a failed sync the cache may show what the disk does
    /// not have.
    fn forget_cache(&self);
}

/// A file, locked against every other process.
#[derive(Debug)]
pub(crate) struct LockedFile {
    file: File,
    metrics: OnceLock<StoreMetrics>,
}

impl LockedFile {
    /// Opens or makes the file. One that is made is its owner's alone: it will hold the secret that
    /// signs tokens, the hashes of passwords, and every message.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let file = Self::open_with(
            path,
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600),
        )?;
        // Made just now, or by a start that came no further: what will be confirmed in it must be
        // found by its name.
        if file.len().map_err(OpenError::Io)? == 0 {
            sync_folder(path).map_err(OpenError::Io)?;
        }
        Ok(file)
    }

    /// Opens a file that is there, to read it only: [`Backend::release`] fails on it.
    pub(crate) fn open_to_read(path: &Path) -> Result<Self, OpenError> {
        Self::open_with(path, OpenOptions::new().read(true))
    }

    /// Opens a file in this way and locks it. What stood at the path before it was locked may have
    /// been replaced since, by a compaction or a restore: then the new file is opened.
    pub(crate) fn open_with(path: &Path, options: &OpenOptions) -> Result<Self, OpenError> {
        loop {
            let file = options.open(path).map_err(OpenError::Io)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(OpenError::InUse {
                        holder: Holder::of(path),
                    });
                }
                Err(TryLockError::Error(error)) => return Err(OpenError::Io(error)),
            }
            let locked = file.metadata().map_err(OpenError::Io)?;
            match std::fs::metadata(path) {
                Ok(there) if (there.dev(), there.ino()) == (locked.dev(), locked.ino()) => {
                    return Ok(Self {
                        file,
                        metrics: OnceLock::new(),
                    });
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(OpenError::Io(error)),
            }
        }
    }

    /// Has its syncs counted by these.
    pub(crate) fn counted(self, metrics: StoreMetrics) -> Self {
        self.count_by(metrics);
        self
    }

    /// Has its syncs counted by these from now on, unless they are counted by others.
    pub(crate) fn count_by(&self, metrics: StoreMetrics) {
        let _ = self.metrics.set(metrics);
    }

    /// The file itself, for those who write it as bytes.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

impl Medium for LockedFile {
    fn unlock(&self) {
        if let Err(error) = self.file.unlock() {
            tracing::debug!(%error, "the data file stays locked until the program ends");
        }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }

    fn write_run(&self, mut offset: u64, mut run: &mut [IoSlice<'_>]) -> io::Result<()> {
        while !run.is_empty() {
            // Of more parts than the kernel takes, the first thousand.
            match rustix::io::pwritev(&self.file, run, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    offset += written as u64;
                    IoSlice::advance_slices(&mut run, written);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        match self.metrics.get() {
            Some(metrics) => metrics.syncing(|| self.file.sync_data()),
            None => self.file.sync_data(),
        }
    }

    fn free(&self) -> Option<u64> {
        let room = rustix::fs::fstatvfs(&self.file).ok()?;
        Some(room.f_bavail.saturating_mul(room.f_frsize))
    }

    fn is_unlinked(&self) -> bool {
        self.file.metadata().is_ok_and(|found| found.nlink() == 0)
    }

    fn forget_cache(&self) {
        // Advice: where the kernel does not take it, the pages that it shows are those it would
        // write again.
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed);
    }
}

/// Makes names in the folder of a file durable; of a link, in the folder of what it leads to.
pub(crate) fn sync_folder(of: &Path) -> io::Result<()> {
    let of = std::fs::canonicalize(of)?;
    let folder = of.parent().unwrap_or(Path::new("/"));
    #[cfg(test)]
    tests::SYNCED.with_borrow_mut(|synced| synced.push(folder.to_owned()));
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // A folder that may be used and not read, or a file system that does this by itself or not
        // at all.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        result => result,
    }
}

/// Memory, gone with the process.
impl Medium for InMemoryBackend {
    fn len(&self) -> io::Result<u64> {
        StorageBackend::len(self)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        StorageBackend::read(self, offset, out)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        StorageBackend::write(self, offset, data)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        StorageBackend::set_len(self, len)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn free(&self) -> Option<u64> {
        None
    }

    fn forget_cache(&self) {}
}

/// The unit in which held-back writes are kept: redb's page.
const BLOCK: usize = 4_096;

/// Writes that are held back.
#[derive(Debug)]
struct Held {
    len: u64,
    blocks: HashMap<u64, Box<[u8; BLOCK]>>,
}

impl Held {
    /// The blocks that a range touches: number, place in the block, place in the range.
    fn parts(
        offset: u64,
        count: usize,
    ) -> impl Iterator<Item = (u64, std::ops::Range<usize>, std::ops::Range<usize>)> {
        let mut done = 0;
        std::iter::from_fn(move || {
            if done == count {
                return None;
            }
            let at = offset + done as u64;
            let inside = usize::try_from(at % BLOCK as u64).unwrap_or(0);
            let take = (BLOCK - inside).min(count - done);
            let part = (at / BLOCK as u64, inside..inside + take, done..done + take);
            done += take;
            Some(part)
        })
    }

    fn read(&self, medium: &dyn Medium, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset + out.len() as u64 > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read_or_zero(medium, offset, out)?;
        for (number, inside, outside) in Self::parts(offset, out.len()) {
            if let Some(block) = self.blocks.get(&number) {
                out[outside].copy_from_slice(&block[inside]);
            }
        }
        Ok(())
    }

    fn write(&mut self, medium: &dyn Medium, offset: u64, data: &[u8]) -> io::Result<()> {
        for (number, inside, outside) in Self::parts(offset, data.len()) {
            let block = match self.blocks.entry(number) {
                std::collections::hash_map::Entry::Occupied(block) => block.into_mut(),
                std::collections::hash_map::Entry::Vacant(place) => {
                    let mut block = Box::new([0; BLOCK]);
                    read_or_zero(medium, number * BLOCK as u64, &mut block[..])?;
                    place.insert(block)
                }
            };
            block[inside].copy_from_slice(&data[outside]);
        }
        self.len = self.len.max(offset + data.len() as u64);
        Ok(())
    }

    /// Writes all of it to where it belongs, and syncs.
    fn write_to(&self, medium: &dyn Medium) -> io::Result<()> {
        if medium.len()? != self.len {
            medium.set_len(self.len)?;
        }
        for (number, block) in &self.blocks {
            let at = number * BLOCK as u64;
            let count = self.len.saturating_sub(at).min(BLOCK as u64);
            medium.write(at, &block[..usize::try_from(count).unwrap_or(BLOCK)])?;
        }
        medium.sync()
    }
}

/// Reads what there is; beyond the end there are zeros.
fn read_or_zero(medium: &dyn Medium, offset: u64, out: &mut [u8]) -> io::Result<()> {
    let there = medium.len()?.saturating_sub(offset);
    let count = out.len().min(usize::try_from(there).unwrap_or(usize::MAX));
    let (there, beyond) = out.split_at_mut(count);
    beyond.fill(0);
    if there.is_empty() {
        return Ok(());
    }
    medium.read(offset, there)
}

/// 4 MiB of writes are gathered at most, then written: what a full transaction of usual messages
/// comes to, four times.
const MAX_GATHERED: usize = 4 << 20;
/// A buffer that grew larger is given back.
const MAX_KEPT: usize = 256 << 10;

/// Writes since the last flush.
#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    /// Where each write goes, and where in `bytes` it lies; ascending, and none overlaps another.
    /// They are a thousand at the most, so a new one is soon put between them.
    places: Vec<(u64, Range<usize>)>,
}

impl Gathered {
    /// Those that touch a range of the medium, ascending.
    fn within(&self, offset: u64, count: usize) -> impl Iterator<Item = (u64, &[u8])> {
        let end = offset + count as u64;
        let first = self
            .places
            .partition_point(|(at, place)| *at + place.len() as u64 <= offset);
        let within = self.places[first..].iter();
        within
            .take_while(move |(at, _)| *at < end)
            .map(|(at, place)| (*at, &self.bytes[place.clone()]))
    }

    /// Takes a write. `false` where it must wait for a flush: there is no room, or it overlaps
    /// another and is not in its very place.
    fn take(&mut self, offset: u64, data: &[u8]) -> bool {
        let found = self.places.binary_search_by_key(&offset, |(at, _)| *at);
        if let Ok(found) = found
            && let (_, place) = &self.places[found]
            && place.len() == data.len()
        {
            self.bytes[place.clone()].copy_from_slice(data);
            return true;
        }
        let from = self.bytes.len();
        let is_full = from > 0 && from + data.len() > MAX_GATHERED;
        if is_full || self.within(offset, data.len()).next().is_some() {
            return false;
        }
        self.bytes.extend_from_slice(data);
        let place = (offset, from..self.bytes.len());
        self.places.insert(found.unwrap_or_else(|free| free), place);
        true
    }

    /// Puts what was taken over what was read from there.
    fn overlay(&self, offset: u64, out: &mut [u8]) {
        for (at, data) in self.within(offset, out.len()) {
            let from = at.max(offset);
            let to = (at + data.len() as u64).min(offset + out.len() as u64);
            let part = |begin: u64| (from - begin) as usize..(to - begin) as usize;
            out[part(offset)].copy_from_slice(&data[part(at)]);
        }
    }

    /// Writes it, neighbours together.
    fn write_to(&self, medium: &dyn Medium) -> io::Result<()> {
        let mut run = Vec::with_capacity(self.places.len());
        let (mut begin, mut end) = (0, 0);
        for (at, place) in &self.places {
            if *at != end && !run.is_empty() {
                medium.write_run(begin, &mut run)?;
                run.clear();
            }
            if run.is_empty() {
                begin = *at;
            }
            run.push(IoSlice::new(&self.bytes[place.clone()]));
            end = at + place.len() as u64;
        }
        medium.write_run(begin, &mut run)
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(MAX_KEPT);
        self.places.clear();
    }
}

/// One opening of the database on a medium. Cheap to clone; redb has one, its store another.
#[derive(Debug, Clone)]
pub(crate) struct Backend(Arc<Opening>);

#[derive(Debug)]
struct Opening {
    medium: Arc<dyn Medium>,
    /// `None` once writes go through.
    held: RwLock<Option<Held>>,
    /// Writes that went through and are not on the medium yet. Taken after `held`.
    gathered: RwLock<Gathered>,
    /// Whether this opening is given up: what a dying database still does must not reach the
    /// medium.
    dead: AtomicBool,
    /// How many bytes were read through it, for whoever wants to know how far a walk over the file
    /// is.
    read: AtomicU64,
}

impl Backend {
    /// An opening that holds its writes back.
    pub(crate) fn holding(medium: Arc<dyn Medium>) -> io::Result<Self> {
        let len = medium.len()?;
        Ok(Self(Arc::new(Opening {
            medium,
            held: RwLock::new(Some(Held {
                len,
                blocks: HashMap::new(),
            })),
            gathered: RwLock::default(),
            dead: AtomicBool::new(false),
            read: AtomicU64::new(0),
        })))
    }

    /// Writes what was held back, and holds nothing back from now on. On an error it goes on
    /// holding, and a medium that was empty is so again: what was begun there is no database, and
    /// no later start could tell it from a file that is not ours.
    pub(crate) fn release(&self) -> io::Result<()> {
        let mut place = self.0.held.write();
        if let Some(held) = &*place {
            let medium = &*self.0.medium;
            let was_empty = medium.len()? == 0;
            let written = held.write_to(medium);
            if written.is_err()
                && was_empty
                && let Err(error) = medium.set_len(0)
            {
                tracing::debug!(%error, "what was begun of a new data file could not be cut");
            }
            written?;
            *place = None;
        }
        Ok(())
    }

    /// Whether writes are held back.
    pub(crate) fn is_holding(&self) -> bool {
        self.0.held.read().is_some()
    }

    /// How long the medium is.
    pub(crate) fn len_in_bytes(&self) -> u64 {
        self.0.medium.len().unwrap_or(0)
    }

    /// Lets nothing through any more. Returns once what is being written is.
    pub(crate) fn give_up(&self) {
        let _nobody_writes = self.0.held.write();
        self.0.dead.store(true, Ordering::SeqCst);
    }

    /// Whether the database that was opened on it is gone, with all that reads it.
    pub(crate) fn is_left(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// How many bytes were read through it so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.0.read.load(Ordering::Relaxed)
    }

    fn alive(&self) -> io::Result<&Opening> {
        if self.0.dead.load(Ordering::SeqCst) {
            return Err(io::Error::other("the database was given up"));
        }
        Ok(&self.0)
    }
}

impl Opening {
    /// Takes a write that goes through.
    fn gather(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        while !self.gathered.write().take(offset, data) {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what was gathered. What is read meanwhile comes from there still. On an error it
    /// stays.
    fn flush(&self) -> io::Result<()> {
        let gathered = self.gathered.upgradable_read();
        if gathered.places.is_empty() {
            return Ok(());
        }
        gathered.write_to(&*self.medium)?;
        RwLockUpgradableReadGuard::upgrade(gathered).clear();
        Ok(())
    }

    /// Reads what was written, gathered or not. Whoever writes waits for it only where a gathered
    /// page is read, which redb does where its own cache is full of them: it never reads a page
    /// while it writes it.
    fn read_through(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let is_gathered = |gathered: &Gathered| gathered.within(offset, out.len()).next().is_some();
        if !is_gathered(&self.gathered.read()) {
            return self.medium.read(offset, out);
        }
        // A write cannot leave between the two: it is on the medium before it leaves.
        let gathered = self.gathered.read();
        self.medium.read(offset, out)?;
        gathered.overlay(offset, out);
        Ok(())
    }
}

/// redb's own locks are not used: the medium is locked already, for longer than one opening lasts.
impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        let opening = self.alive()?;
        match &*opening.held.read() {
            Some(held) => Ok(held.len),
            None => opening.medium.len(),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let opening = self.alive()?;
        opening.read.fetch_add(out.len() as u64, Ordering::Relaxed);
        match &*opening.held.read() {
            Some(held) => held.read(&*opening.medium, offset, out),
            None => opening.read_through(offset, out),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut held = self.0.held.write();
        let opening = self.alive()?;
        if let Some(held) = &mut *held {
            held.len = len;
            held.blocks
                .retain(|number, _| number * (BLOCK as u64) < len);
            return Ok(());
        }
        opening.flush()?;
        opening.medium.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        {
            let held = self.0.held.read();
            let opening = self.alive()?;
            if held.is_some() {
                return Ok(());
            }
            opening.flush()?;
        }
        self.0.medium.sync()
    }

    fn close(&self) -> io::Result<()> {
        let held = self.0.held.read();
        match self.alive() {
            Ok(opening) if held.is_none() => opening.flush(),
            _ => Ok(()),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        {
            // Held over the write, so that nobody gives it up in the midst of it.
            let held = self.0.held.read();
            let opening = self.alive()?;
            if held.is_none() {
                return opening.gather(offset, data);
            }
        }
        let mut held = self.0.held.write();
        let opening = self.alive()?;
        match &mut *held {
            Some(held) => held.write(&*opening.medium, offset, data),
            None => opening.gather(offset, data),
        }
    }
}

/// Memory that notes what reaches it.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Noting {
    memory: InMemoryBackend,
    /// Where each run began, and how many parts it had.
    pub(crate) runs: parking_lot::Mutex<Vec<(u64, usize)>>,
    /// How many bytes were written: since the last sync, at the most between two, and in all.
    unsynced: AtomicU64,
    pub(crate) most: AtomicU64,
    pub(crate) all: AtomicU64,
}

#[cfg(test)]
impl Medium for Noting {
    fn len(&self) -> io::Result<u64> {
        Medium::len(&self.memory)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        Medium::read(&self.memory, offset, out)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let bytes = data.len() as u64;
        self.all.fetch_add(bytes, Ordering::Relaxed);
        let unsynced = self.unsynced.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.most.fetch_max(unsynced, Ordering::Relaxed);
        Medium::write(&self.memory, offset, data)
    }

    fn write_run(&self, mut offset: u64, run: &mut [IoSlice<'_>]) -> io::Result<()> {
        self.runs.lock().push((offset, run.len()));
        for data in run {
            self.write(offset, data)?;
            offset += data.len() as u64;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Medium::set_len(&self.memory, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.unsynced.store(0, Ordering::Relaxed);
        Ok(())
    }

    fn free(&self) -> Option<u64> {
        None
    }

    fn forget_cache(&self) {}
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::path::PathBuf;

    use super::*;

    thread_local! {
        /// The folders that this thread has made durable.
        pub(crate) static SYNCED: RefCell<Vec<PathBuf>> = const { RefCell::new(Vec::new()) };
    }

    #[test]
    fn the_name_of_a_new_data_file_is_durable_before_anything_is_confirmed_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let here = std::fs::canonicalize(folder.path()).unwrap();
        let synced = || SYNCED.take();
        let path = here.join("chatd.redb");
        let file = LockedFile::open(&path).unwrap();
        assert_eq!(synced(), vec![here.clone()]);
        // A start that was cut before it wrote anything did perhaps not come so far.
        drop(file);
        drop(LockedFile::open(&path).unwrap());
        assert_eq!(synced(), vec![here.clone()]);
        std::fs::write(&path, "something").unwrap();
        drop(LockedFile::open(&path).unwrap());
        drop(LockedFile::open_to_read(&path).unwrap());
        assert!(synced().is_empty());
        // Where it is reached by a link, the folder in which it lies.
        let elsewhere = here.join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        let link = here.join("link.redb");
        std::os::unix::fs::symlink(elsewhere.join("chatd.redb"), &link).unwrap();
        drop(LockedFile::open(&link).unwrap());
        assert_eq!(synced(), [elsewhere]);
    }

    #[test]
    fn held_writes_are_read_back_and_reach_the_medium_only_when_released() {
        let medium: Arc<dyn Medium> = Arc::new(InMemoryBackend::new());
        medium.set_len(10_000).unwrap();
        medium.write(4_000, &[1; 200]).unwrap();
        let backend = Backend::holding(Arc::clone(&medium)).unwrap();
        backend.write(4_090, &[2; 20]).unwrap();
        StorageBackend::set_len(&backend, 20_000).unwrap();
        backend.write(19_990, &[3; 10]).unwrap();
        let mut out = [9; 200];
        backend.read(4_000, &mut out).unwrap();
        assert_eq!((out[89], out[90], out[109], out[110]), (1, 2, 2, 1));
        backend.read(15_000, &mut out).unwrap();
        assert_eq!(out, [0; 200]);
        assert!(backend.read(19_900, &mut out).is_err(), "beyond the end");
        assert_eq!(medium.len().unwrap(), 10_000);
        backend.release().unwrap();
        assert_eq!(medium.len().unwrap(), 20_000);
        medium.read(4_000, &mut out).unwrap();
        assert_eq!((out[89], out[90], out[109], out[110]), (1, 2, 2, 1));
        backend.give_up();
        assert!(backend.write(0, &[1]).is_err());
    }

    /// A medium of this length, an opening that lets writes through, and the runs that reach the
    /// medium.
    fn open_noting(len: u64) -> (Arc<Noting>, Backend, impl Fn() -> Vec<(u64, usize)>) {
        let medium = Arc::new(Noting::default());
        let backend = Backend::holding(Arc::clone(&medium) as Arc<dyn Medium>).unwrap();
        StorageBackend::set_len(&backend, len).unwrap();
        backend.release().unwrap();
        let noting = Arc::clone(&medium);
        (medium, backend, move || {
            std::mem::take(&mut *noting.runs.lock())
        })
    }

    #[test]
    fn writes_are_gathered_until_the_sync_and_neighbours_are_one_run() {
        let (medium, backend, runs) = open_noting(100_000);
        for (at, byte) in [(8_192, 1), (4_096, 2), (40_960, 3), (12_288, 4), (8_192, 5)] {
            backend.write(at, &[byte; 4_096]).unwrap();
        }
        backend.write(0, &[6; 320]).unwrap();
        let mut out = [9; 4];
        let read = |at, out: &mut [u8]| backend.read(at, out).unwrap();
        read(8_190, &mut out);
        assert_eq!(out, [2, 2, 5, 5], "what is gathered is read");
        read(318, &mut out);
        assert_eq!(out, [6, 6, 0, 0]);
        Medium::read(&*medium, 8_190, &mut out).unwrap();
        assert_eq!((out, runs()), ([0; 4], vec![]), "nothing is written yet");

        backend.sync_data().unwrap();
        assert_eq!(runs(), [(0, 1), (4_096, 3), (40_960, 1)]);
        let mut written = [0; 12_288];
        Medium::read(&*medium, 4_096, &mut written).unwrap();
        assert_eq!((written[0], written[4_096], written[12_287]), (2, 5, 4));
        backend.sync_data().unwrap();
        assert_eq!(runs(), [], "nothing is written twice");

        // What is written may become shorter only once it is there.
        backend.write(90_000, &[7; 8]).unwrap();
        StorageBackend::set_len(&backend, 90_004).unwrap();
        assert_eq!(Medium::len(&*medium).unwrap(), 90_004);
        backend.write(0, &[8; 8]).unwrap();
        backend.close().unwrap();
        assert_eq!(runs(), [(90_000, 1), (0, 1)]);
    }

    #[test]
    fn gathered_writes_are_bounded_and_overlapping_ones_keep_their_order() {
        let (medium, backend, runs) = open_noting(3 * MAX_GATHERED as u64);
        let part = MAX_GATHERED / 2;
        for at in 0..5 {
            backend.write((at * part) as u64, &vec![1; part]).unwrap();
        }
        assert_eq!(runs(), [(0, 2), (2 * part as u64, 2)]);
        // Begins before one, and ends within it; then one within that.
        backend.write(4 * part as u64 - 8, &[2; 16]).unwrap();
        backend.write(4 * part as u64, &[3; 4]).unwrap();
        backend.sync_data().unwrap();
        assert_eq!(runs().len(), 3);
        let mut out = [0; 18];
        Medium::read(&*medium, 4 * part as u64 - 9, &mut out).unwrap();
        assert_eq!(out[..9], [1, 2, 2, 2, 2, 2, 2, 2, 2]);
        assert_eq!(out[9..], [3, 3, 3, 3, 2, 2, 2, 2, 1]);
    }

    #[test]
    fn a_run_of_more_parts_than_the_kernel_takes_at_once_is_written_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = LockedFile::open(&folder.path().join("file")).unwrap();
        let bytes: Vec<u8> = (0..3 * 1_024 * 8).map(|n| (n / 8 % 251) as u8).collect();
        let mut run: Vec<_> = bytes.chunks(8).map(IoSlice::new).collect();
        file.write_run(5, &mut run).unwrap();
        let mut out = vec![0; bytes.len()];
        file.read(5, &mut out).unwrap();
        assert_eq!(out, bytes);
    }
}
