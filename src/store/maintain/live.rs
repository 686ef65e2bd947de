//! A backup of an open store, beside its writer.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::copy::RESERVE_BYTES;
use super::files::files_of_medium;
use super::{Copying, MaintainError, Partial, STEP_BYTES};
use crate::store::disk::medium::Medium;
use crate::store::error::StoreError;
use crate::store::files::row::StoredFile;
use crate::store::write::intake::Intake;

/// How much more ready to give way than a server is whoever makes, fetches or checks a backup
/// beside it (`nice`).
pub const NICE: i32 = 10;

/// A copy of an open store as of one moment, in a file without a name: it is gone when this is
/// dropped, and its room is given back in the moments after that. While it is there, no other is
/// made.
#[derive(Debug)]
pub struct Backup {
    file: Unnamed,
    medium: Arc<dyn Medium>,
    len: u64,
    wanted_at: Arc<Mutex<Option<Instant>>>,
    _turn: OwnedSemaphorePermit,
}

impl Backup {
    /// Returns how many bytes it has.
    pub fn size(&self) -> u64 {
        self.len
    }

    /// Reads from this offset as much as `out` takes, and returns how much that was: nothing at the
    /// end. Blocks.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        self.file.0.read_at(out, offset)
    }

    /// Returns whether another was asked for in the last minute, which is not made while this is
    /// there.
    pub fn is_in_the_way(&self) -> bool {
        let wanted_at = *self.wanted_at.lock();
        wanted_at.is_some_and(|at| at.elapsed() < WANTED_FOR)
    }

    /// Returns the files that it names. Blocks.
    pub fn files(&self) -> Result<Vec<StoredFile>, MaintainError> {
        files_of_medium(Arc::clone(&self.medium))
    }
}

/// 1 minute: twice as long as who is told that there is another is to wait.
const WANTED_FOR: Duration = Duration::from_secs(60);
/// The name of a copy for a moment, elsewhere.
const ELSEWHERE: &str = "chatd.backup";

/// 4 MiB of a file that is gone are given back to its file system at a time.
const FREED: u64 = 4 << 20;

/// A file without a name. Where it was closed as it is, the file system would free all of it at
/// once, which takes long, and longer where it tells the disk so (`discard`): another thread that
/// syncs meanwhile waits for that. So it is cut bit by bit.
#[derive(Debug)]
struct Unnamed(File);

impl Drop for Unnamed {
    fn drop(&mut self) {
        // Without another handle it is closed as it is.
        let Ok(file) = self.0.try_clone() else {
            return;
        };
        let cut = beside_writer(move || {
            let len = file.metadata().map_or(0, |metadata| metadata.len());
            for left in (0..len.div_ceil(FREED)).rev() {
                let began = Instant::now();
                if file.set_len(left * FREED).is_err() {
                    return;
                }
                std::thread::sleep(began.elapsed());
            }
        });
        // Not waited for. Where no thread can be had, it was closed as it is.
        drop(cut);
    }
}

/// Does work on a thread of its own, which gives way to those of the server: a thread of a pool
/// would do so for ever. It fails where no thread can be had, or the work panics.
pub(super) fn beside_writer<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> (oneshot::Receiver<R>, Option<JoinHandle<()>>) {
    let (done, result) = oneshot::channel();
    let thread = std::thread::Builder::new().name("chatd-backup".into());
    let thread = thread.spawn(move || {
        // Of this thread alone, on Linux. Where it is refused, a backup is as quick as the server.
        let _ = rustix::process::nice(NICE);
        // The caller may have gone.
        let _ = done.send(work());
    });
    (result, thread.ok())
}

/// The thread that makes a copy, and how to have it end.
pub(super) struct Copier {
    pub(super) given_up: Arc<AtomicBool>,
    pub(super) thread: JoinHandle<()>,
}

impl Copier {
    /// Has it end, and waits for that.
    pub(super) fn end(self) {
        self.given_up.store(true, Ordering::Relaxed);
        // One that panicked has told so.
        let _ = self.thread.join();
    }
}

/// Tells a copy, once dropped, that its caller no longer waits.
pub(super) struct GiveUp(pub(super) Arc<AtomicBool>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The copies of an open store, one at a time. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Backups {
    turns: Arc<Semaphore>,
    copier: Arc<Mutex<Option<Copier>>>,
    /// The name of a copy for a moment, beside the data file.
    name: Arc<Path>,
    /// When one was last asked for in vain, since there was another.
    wanted_at: Arc<Mutex<Option<Instant>>>,
}

impl Backups {
    /// Copies get this name for a moment.
    pub(crate) fn named(name: PathBuf) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(1)),
            copier: Arc::default(),
            name: name.into(),
            wanted_at: Arc::default(),
        }
    }

    /// Copies everything, as of a moment before this completes. Fails with [`StoreError::Busy`]
    /// while another copy is made or read, and ends early where its caller goes away.
    ///
    /// Where the data's disk has no room for it, it is made in the folder `elsewhere`, which is to
    /// be on another.
    pub(crate) async fn make(
        &self,
        intake: &Arc<Intake>,
        elsewhere: Option<PathBuf>,
    ) -> Result<Backup, StoreError> {
        let turn = Arc::clone(&self.turns).try_acquire_owned();
        let turn = turn.map_err(|_| {
            *self.wanted_at.lock() = Some(Instant::now());
            StoreError::Busy
        })?;
        let wanted_at = Arc::clone(&self.wanted_at);
        let given_up = Arc::new(AtomicBool::new(false));
        let _give_up = GiveUp(Arc::clone(&given_up));
        let (name, copied) = (Arc::clone(&self.name), Arc::clone(intake));
        let is_given_up = Arc::clone(&given_up);
        let (copying, thread) = beside_writer(move || {
            let beside = copy_unnamed(&copied, &name, RESERVE_BYTES, &is_given_up);
            let (file, medium) = match (beside, elsewhere) {
                (Err(error @ (MaintainError::NoRoom | MaintainError::Io { .. })), Some(folder)) => {
                    tracing::info!(
                        %error,
                        folder = %folder.display(),
                        "a backup cannot be made beside the data file, and is made elsewhere"
                    );
                    copy_unnamed(&copied, &folder.join(ELSEWHERE), 0, &is_given_up)?
                }
                (beside, _) => beside?,
            };
            Ok(Backup {
                file,
                len: medium.len()?,
                medium,
                wanted_at,
                _turn: turn,
            })
        });
        *self.copier.lock() = thread.map(|thread| Copier { given_up, thread });
        match copying.await {
            Ok(Ok(backup)) => Ok(backup),
            Ok(Err(MaintainError::Store(error))) => {
                if matches!(error, StoreError::Database(_)) {
                    intake.suspect();
                }
                Err(error)
            }
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a backup was not made"
                );
                Err(StoreError::Unavailable)
            }
            // redb panics on some damaged pages; or there was no thread.
            Err(_) => Err(StoreError::Unavailable),
        }
    }

    /// Has the copying end, and waits for that: a database that is closed while a copy reads it is
    /// left unclean.
    pub(crate) fn end(&self) {
        let copier = self.copier.lock().take();
        if let Some(copier) = copier {
            copier.end();
        }
    }
}

fn copy_unnamed(
    intake: &Intake,
    name: &Path,
    reserve: u64,
    given_up: &AtomicBool,
) -> Result<(Unnamed, Arc<dyn Medium>), MaintainError> {
    let partial = Partial::create(name)?;
    let medium = partial.medium();
    let file = Unnamed(partial.unlinked()?);
    let copying = Copying {
        database: &|| intake.data.database(),
        beside_writer: true,
        is_backup: true,
        step_bytes: STEP_BYTES,
        reserve,
        given_up,
    };
    copying.run(Arc::clone(&medium), &mut |_| {})?;
    Ok((file, medium))
}
