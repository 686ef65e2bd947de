//! Flags to [`Config`].

use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::failure::chain;
use super::flags::{Flags, Mode};
use super::open_files::{connections_for, sessions_within};
use super::service;
use super::values::KeySetPlace;
use crate::accounts::{ForeignTokens, Passwords};
use crate::budget::{Budget, Memory, memory_of_this_process};
use crate::chat::Rules;
use crate::config::{Acme, Config, ConnectionLimits, KeySource, Reload, TlsFiles, TlsSource};
use crate::engineio::Heartbeat;
use crate::files::FilesConfig;
use crate::hooks::DEFAULT_RETRY;
use crate::hub::IoConfig;
use crate::limits::Rates;
use crate::model::Directory;
use crate::outgoing::{Fetcher, Reach};
use crate::push::PushConfig;
use crate::search::SearchConfig;
use crate::store::Location;
use crate::transport::EngineConfig;
use crate::web::{Origins, PagePolicy, PublicUrl, TrustedProxies};

impl Flags {
    pub(super) fn config(&self, open_files: u64) -> Result<Config, String> {
        Ok(Config {
            data: match self.demo {
                true => Location::Memory,
                false => Location::File(self.data.clone()),
            },
            files: self.files_config(),
            search: self.search_config(),
            commit_interval: self.commit_interval,
            registration: self.registration.into(),
            token_lifetime: self.token_lifetime,
            foreign_tokens: self.foreign_tokens()?,
            jwks: self.key_sources()?,
            passwords: Passwords::new(),
            connections: ConnectionLimits {
                total: connections_for(self.max_connections, open_files),
                ..ConnectionLimits::default()
            },
            engine: self.engine_config(open_files),
            io: IoConfig::default(),
            rules: Rules {
                max_message_chars: self.max_message_chars,
                recovery_window: self.recovery_window,
                max_room_members: self.max_room_members,
                room_creation: self.room_creation.into(),
                edit_window: self.edit_window.0,
                retention: self.retention.0,
                directory: self.directory(),
                first_contact: self.first_contact.into(),
            },
            erase_within: self.erase_within,
            rates: {
                let mut rates = Rates::default();
                for setting in &self.rate_limit {
                    rates.set(*setting);
                }
                rates
            },
            trusted_proxies: TrustedProxies::new(self.trusted_proxy.iter().copied()),
            public_url: self.public_url.clone(),
            local_url: Some(self.local_url(SocketAddr::new(self.host, self.port))),
            hooks_tell: true,
            hook_direct: self.hook_direct,
            hook_retry: DEFAULT_RETRY,
            hook_reach: match self.hook_private {
                true => Reach::Private,
                false => Reach::Public,
            },
            page: PagePolicy {
                frame_ancestors: self.frame_ancestor.clone(),
                avatar_origins: self.avatar_origin.clone(),
            },
            push: PushConfig {
                contact: self.push_contact.clone(),
                ..PushConfig::default()
            },
            tls: self.tls()?,
            metrics: self.metrics_listen,
            reload: Reload::default(),
            watchdog: service::watchdog(),
            demo: self.demo,
            shutdown_grace: self.shutdown_grace,
            budget: Budget::for_memory(self.memory().bytes),
        })
    }

    fn engine_config(&self, open_files: u64) -> EngineConfig {
        EngineConfig {
            heartbeat: Heartbeat {
                interval: self.ping_interval,
                timeout: self.ping_timeout,
            },
            max_payload: self.max_payload,
            max_sessions: match self.max_connections {
                0 => sessions_within(open_files),
                number => number,
            },
            origins: Origins::of(self.allow_origin.iter().cloned()),
            ..EngineConfig::default()
        }
    }

    /// Returns whom people find: where strangers make accounts, not everyone.
    fn directory(&self) -> Directory {
        let has_strangers = matches!(self.registration, Mode::Open) || self.provision_users;
        match (self.directory, has_strangers) {
            (Some(found), _) => found.into(),
            (None, true) => Directory::Exact,
            (None, false) => Directory::Everyone,
        }
    }

    /// Returns where the files are: beside the data file, unless the operator says otherwise.
    pub(super) fn files_folder(&self) -> PathBuf {
        self.files.clone().unwrap_or_else(|| {
            let mut name = self.data.as_os_str().to_owned();
            name.push(".files");
            name.into()
        })
    }

    fn files_config(&self) -> FilesConfig {
        FilesConfig {
            folder: (!self.demo).then(|| self.files_folder()),
            max_file: self.max_file,
            quota: self.files_quota,
        }
    }

    fn search_config(&self) -> SearchConfig {
        match self.demo {
            true => SearchConfig::default(),
            false => SearchConfig::beside(&self.data),
        }
    }

    /// Returns how much memory the server may use.
    pub(super) fn memory(&self) -> Memory {
        match self.memory {
            Some(bytes) => Memory {
                bytes,
                source: "--memory",
            },
            None => memory_of_this_process(),
        }
    }

    /// How a person reaches the server: by its public URL if it has one.
    pub(super) fn base_url(&self, local: SocketAddr) -> String {
        let public = self.public_url.as_ref().map(PublicUrl::to_string);
        public.unwrap_or_else(|| self.local_url(local))
    }

    /// How a person reaches the server without a proxy: by its name, or on this machine.
    pub(super) fn local_url(&self, local: SocketAddr) -> String {
        let port = local.port();
        let scheme = match (&self.tls_cert, self.acme_domain.first()) {
            (_, Some(domain)) if port == 443 => return format!("https://{domain}"),
            (_, Some(domain)) => return format!("https://{domain}:{port}"),
            (Some(_), None) => "https",
            (None, None) => "http",
        };
        if local.ip().is_unspecified() {
            format!("{scheme}://localhost:{port}")
        } else {
            format!("{scheme}://{local}")
        }
    }

    fn tls(&self) -> Result<Option<TlsSource>, String> {
        if let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) {
            return Ok(Some(TlsSource::Files(TlsFiles {
                cert: cert.clone(),
                key: key.clone(),
            })));
        }
        if self.acme_domain.is_empty() {
            return Ok(None);
        }
        let read = |path: &PathBuf| {
            let failed = |error| format!("--acme-root {}: {}", path.display(), chain(&error));
            std::fs::read_to_string(path).map_err(failed)
        };
        let mut cache = self.data.as_os_str().to_owned();
        cache.push(".acme");
        Ok(Some(TlsSource::Acme(Acme {
            domains: self.acme_domain.clone(),
            directory: self.acme_directory.clone(),
            root: self.acme_root.as_ref().map(read).transpose()?,
            cache: cache.into(),
        })))
    }

    fn key_sources(&self) -> Result<Vec<KeySource>, String> {
        let failed = |path: &Path, error: &dyn Error| {
            format!("--jwt-jwks-root {}: {}", path.display(), chain(error))
        };
        let root = self.jwt_jwks_root.as_deref();
        let pem =
            root.map(|path| std::fs::read_to_string(path).map_err(|error| failed(path, &error)));
        let fetcher = Fetcher::trusting(pem.transpose()?.as_deref())
            .map_err(|error| failed(root.unwrap_or(Path::new("")), &error))?;
        let source = |place: &KeySetPlace| match place {
            KeySetPlace::File(path) => KeySource::File(path.clone()),
            KeySetPlace::Url(url) => KeySource::Url(url.clone(), fetcher.clone()),
        };
        Ok(self.jwt_jwks.iter().map(source).collect())
    }

    fn foreign_tokens(&self) -> Result<ForeignTokens, String> {
        let mut tokens = ForeignTokens::new(None, None, self.provision_users);
        for issuer in &self.jwt_issuer {
            tokens.add_issuer(issuer.clone());
        }
        for audience in &self.jwt_audience {
            tokens.add_audience(audience.clone());
        }
        if let Some(claim) = &self.jwt_user_claim {
            tokens.take_user_from(claim.clone());
        }
        for rule in &self.jwt_claim {
            tokens.ask(rule.clone());
        }
        if let Some(rule) = &self.jwt_admin_claim {
            tokens.administer_by(rule.clone());
        }
        for secret in self.jwt_secret.iter().filter(|text| !text.is_empty()) {
            tokens
                .add_secret(secret.as_bytes())
                .map_err(|error| format!("--jwt-secret: {error}"))?;
        }
        let failed = |flag: &str, path: &Path, error: &dyn Error| {
            format!("{flag} {}: {}", path.display(), chain(error))
        };
        for path in &self.jwt_public_key {
            let failed = |error: &dyn Error| failed("--jwt-public-key", path, error);
            let pem = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
            tokens
                .add_public_key(&pem)
                .map_err(|error| failed(&error))?;
        }
        for (number, place) in self.jwt_jwks.iter().enumerate() {
            let KeySetPlace::File(path) = place else {
                tokens.expect_set(number);
                continue;
            };
            let failed = |error: &dyn Error| failed("--jwt-jwks", path, error);
            let json = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
            tokens
                .set_keys(number, &json)
                .map_err(|error| failed(&error))?;
        }
        Ok(tokens)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn the_flags_defaults_are_the_librarys() {
        let flags = Flags::parse_from(["chatd"]).config(1_024).unwrap();
        let library = Config::default();
        assert_eq!(flags.token_lifetime, library.token_lifetime);
        assert_eq!(
            flags.rules.max_message_chars,
            library.rules.max_message_chars
        );
        assert_eq!(flags.rules.recovery_window, library.rules.recovery_window);
        assert_eq!(flags.rules.max_room_members, library.rules.max_room_members);
        assert_eq!(flags.rules.room_creation, library.rules.room_creation);
        assert_eq!(flags.rules.edit_window, library.rules.edit_window);
        assert_eq!(flags.rules.retention, library.rules.retention);
        assert_eq!(flags.erase_within, library.erase_within);
        assert_eq!(flags.commit_interval, library.commit_interval);
        assert_eq!(flags.shutdown_grace, library.shutdown_grace);
        assert_eq!(flags.rates, library.rates);
        assert_eq!(flags.engine.heartbeat, library.engine.heartbeat);
        assert_eq!(flags.engine.max_payload, library.engine.max_payload);
    }
}
