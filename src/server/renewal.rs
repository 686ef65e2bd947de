//! Keys and certificates that are replaced while the server runs.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;

use super::tls::{self, AcmeState, Tls};
use super::watch;
use crate::accounts::Accounts;
use crate::config::{Reload, TlsSource};

/// Takes over each key set of other systems' tokens whenever its file changes.
pub(super) async fn watch_keys(paths: Vec<PathBuf>, reload: Reload, accounts: Accounts) {
    let sets = paths.into_iter().enumerate();
    join_all(sets.map(|(number, path)| watch_set(number, path, &reload, &accounts))).await;
}

async fn watch_set(number: usize, path: PathBuf, reload: &Reload, accounts: &Accounts) {
    let files = [path.clone()];
    let path = path.display();
    watch::changes(&files, reload, |texts| {
        match accounts.set_keys(number, &texts[0]) {
            Ok(keys) => tracing::info!(keys, "the key set {path} was read"),
            Err(error) => {
                tracing::warn!(%error, "the key set {path} is not usable; the earlier one stays")
            }
        }
    })
    .await;
}

/// Renews the authority's certificate, or takes over the certificate and its key whenever their
/// files change. Open connections stay open.
pub(super) async fn keep_certificates(
    source: Option<TlsSource>,
    authority: Option<AcmeState>,
    reload: Reload,
    tls: Option<Arc<Tls>>,
) {
    if let Some(authority) = authority {
        return tls::renew(authority).await;
    }
    let (Some(TlsSource::Files(files)), Some(tls)) = (source, tls) else {
        return;
    };
    watch::changes(&[files.cert, files.key], &reload, |texts| {
        match tls.replace(&texts[0], &texts[1]) {
            Ok(()) => tracing::info!("the certificate was read"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "the new certificate is not usable; the earlier one stays"
                );
            }
        }
    })
    .await;
}
