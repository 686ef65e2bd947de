//! Keys and certificates that are replaced while the server runs.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;

use super::key_sets::{self, KeySet};
use super::tls::{self, AcmeState, Tls};
use super::watch;
use crate::accounts::Accounts;
use crate::config::{KeySource, Reload, TlsSource};

/// Takes over each key set of other systems' tokens whenever its file changes, or its URL is to be
/// read again.
pub(super) async fn watch_keys(sources: Vec<KeySource>, reload: Reload, accounts: Accounts) {
    let (mut files, mut urls) = (Vec::new(), Vec::new());
    for (number, source) in sources.into_iter().enumerate() {
        match source {
            KeySource::File(path) => files.push(watch_set(number, path, &reload, &accounts)),
            KeySource::Url(url, fetcher) => urls.push(KeySet::new(number, url, fetcher)),
        }
    }
    let kept = key_sets::keep(urls, reload.clone(), accounts.clone());
    tokio::join!(join_all(files), kept);
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
