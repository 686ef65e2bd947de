//! What the database's bytes lie on: a locked file, or memory, or, in tests, a disk that fails.
//!
//! [`Backend`] stands between redb and the medium. It can hold writes back in memory: so a file is looked at, and even
//! repaired, without a byte of it changing, until [`Backend::release`]; and so reading goes on from a disk that takes no
//! more writes. The file stays locked for as long as the medium lives, over every reopening.

use std::collections::HashMap;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::RwLock;
use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::{Holder, OpenError};
use crate::metrics::METRICS;

/// Bytes that outlive one opening of the database.
pub(super) trait Medium: fmt::Debug + Send + Sync {
    /// How many bytes there are.
    fn len(&self) -> io::Result<u64>;
    /// Reads exactly so many from there.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// Writes these there.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Cuts, or appends zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Returns once all that was written is safe from a power cut.
    fn sync(&self) -> io::Result<()>;
    /// How many bytes more may be stored; `None` where that cannot be told.
    fn free(&self) -> Option<u64>;
    /// Forgets what only a cache holds: after a failed sync the cache may show what the disk does not have.
    fn forget_cache(&self);
}

/// A file, locked against every other process.
#[derive(Debug)]
pub(super) struct LockedFile(File);

impl LockedFile {
    /// Opens or makes the file. One that is made is its owner's alone: it will hold the secret that signs tokens, the
    /// hashes of passwords, and every message.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_with(
            path,
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600),
        )
    }

    /// Opens a file that is there, to read it only: [`Backend::release`] fails on it.
    pub(super) fn open_to_read(path: &Path) -> Result<Self, OpenError> {
        Self::open_with(path, OpenOptions::new().read(true))
    }

    /// Opens a file in this way and locks it. What stood at the path before it was locked may have been replaced since,
    /// by a compaction or a restore: then the new file is opened.
    pub(super) fn open_with(path: &Path, options: &OpenOptions) -> Result<Self, OpenError> {
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
                    return Ok(Self(file));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(OpenError::Io(error)),
            }
        }
    }

    /// The file itself, for those who write it as bytes.
    pub(super) fn file(&self) -> &File {
        &self.0
    }
}

impl Medium for LockedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn free(&self) -> Option<u64> {
        let room = rustix::fs::fstatvfs(&self.0).ok()?;
        Some(room.f_bavail.saturating_mul(room.f_frsize))
    }

    fn forget_cache(&self) {
        // Advice: where the kernel does not take it, the pages that it shows are those it would write again.
        let _ = rustix::fs::fadvise(&self.0, 0, None, rustix::fs::Advice::DontNeed);
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

/// One opening of the database on a medium. Cheap to clone; redb has one, its store another.
#[derive(Debug, Clone)]
pub(super) struct Backend(Arc<Opening>);

#[derive(Debug)]
struct Opening {
    medium: Arc<dyn Medium>,
    /// `None` once writes go through.
    held: RwLock<Option<Held>>,
    /// Whether this opening is given up: what a dying database still does must not reach the medium.
    dead: AtomicBool,
    /// How many bytes were read through it, for whoever wants to know how far a walk over the file is.
    read: AtomicU64,
}

impl Backend {
    /// An opening that holds its writes back.
    pub(super) fn holding(medium: Arc<dyn Medium>) -> io::Result<Self> {
        let len = medium.len()?;
        Ok(Self(Arc::new(Opening {
            medium,
            held: RwLock::new(Some(Held {
                len,
                blocks: HashMap::new(),
            })),
            dead: AtomicBool::new(false),
            read: AtomicU64::new(0),
        })))
    }

    /// Writes what was held back, and holds nothing back from now on. On an error it goes on holding.
    pub(super) fn release(&self) -> io::Result<()> {
        let mut place = self.0.held.write();
        if let Some(held) = &*place {
            let medium = &self.0.medium;
            if medium.len()? != held.len {
                medium.set_len(held.len)?;
            }
            for (number, block) in &held.blocks {
                let at = number * BLOCK as u64;
                let count = held.len.saturating_sub(at).min(BLOCK as u64);
                medium.write(at, &block[..usize::try_from(count).unwrap_or(BLOCK)])?;
            }
            medium.sync()?;
            *place = None;
        }
        Ok(())
    }

    /// Whether writes are held back.
    pub(super) fn is_holding(&self) -> bool {
        self.0.held.read().is_some()
    }

    /// How long the medium is.
    pub(super) fn len_in_bytes(&self) -> u64 {
        self.0.medium.len().unwrap_or(0)
    }

    /// Lets nothing through any more. Returns once what is being written is.
    pub(super) fn give_up(&self) {
        let _nobody_writes = self.0.held.write();
        self.0.dead.store(true, Ordering::SeqCst);
    }

    /// How many bytes were read through it so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.0.read.load(Ordering::Relaxed)
    }

    fn alive(&self) -> io::Result<&Opening> {
        if self.0.dead.load(Ordering::SeqCst) {
            return Err(io::Error::other("the database was given up"));
        }
        Ok(&self.0)
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
            None => opening.medium.read(offset, out),
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
        opening.medium.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let opening = self.alive()?;
        if opening.held.read().is_some() {
            return Ok(());
        }
        METRICS.syncing(|| opening.medium.sync())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        {
            // Held over the write, so that nobody gives it up in the midst of it.
            let held = self.0.held.read();
            let opening = self.alive()?;
            if held.is_none() {
                return opening.medium.write(offset, data);
            }
        }
        let mut held = self.0.held.write();
        let opening = self.alive()?;
        match &mut *held {
            Some(held) => held.write(&*opening.medium, offset, data),
            None => opening.medium.write(offset, data),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
