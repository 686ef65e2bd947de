//! Files that an operator may change while the server runs: keys and certificates.

use std::fs::Metadata;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::config::Reload;

/// 2 s: a changed file is in use before the operator looks. Asking costs one call of the kernel a
/// file; a notifier of the kernel would miss what mounted folders and replaced links do.
const INTERVAL: Duration = Duration::from_secs(2);

/// The marks by which a change of a file is seen.
type Stamp = Option<(Option<SystemTime>, u64)>;

fn stamp(metadata: std::io::Result<Metadata>) -> Stamp {
    let metadata = metadata.ok()?;
    Some((metadata.modified().ok(), metadata.len()))
}

/// Reads the files at once, and again whenever one of them changes or `reload` asks for it, as
/// text. Never ends. A file that cannot be read changes nothing.
pub(super) async fn changes(
    files: &[PathBuf],
    reload: &Reload,
    mut changed: impl FnMut(&[String]),
) {
    let mut known: Option<Vec<Stamp>> = None;
    let mut reader = reload.reader();
    let mut reading = None;
    loop {
        let paths = files.to_vec();
        let earlier = known.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let now: Vec<Stamp> = paths
                .iter()
                .map(|path| stamp(std::fs::metadata(path)))
                .collect();
            if earlier.as_ref() == Some(&now) {
                return None;
            }
            let texts: Result<Vec<String>, _> = paths.iter().map(std::fs::read_to_string).collect();
            Some((now, texts))
        });
        if let Ok(Some((now, texts))) = looked.await {
            known = Some(now);
            match texts {
                Ok(texts) => changed(&texts),
                Err(error) => {
                    tracing::warn!(%error, ?files, "a file cannot be read; what it said before stays")
                }
            }
        }
        drop(reading.take());
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            asked = reader.asked() => (known, reading) = (None, asked),
        }
    }
}
