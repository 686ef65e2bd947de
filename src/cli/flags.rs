//! The flags of the program, each with its variable and its help text.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Parser, ValueEnum};

use super::command::Command;
use super::log::LogFormat;
use super::values::{EditWindow, KeySetPlace, Retention};
use super::{memory, values};
use crate::accounts::{ClaimRule, Registration};
use crate::chat::RoomCreation;
use crate::limits::Setting;
use crate::model::{Directory, FirstContact};
use crate::push::Contact;
use crate::web::{Allowed, Network, Origin, PublicUrl};

/// A real-time chat server in one executable: stock Socket.IO clients, durable messages, one data
/// file.
///
/// Start it, open the page it names, and chat. Every flag can also be given by the environment
/// variable named beside it.
#[derive(Parser)]
#[command(version, max_term_width = 100, after_long_help = EXAMPLES)]
pub(super) struct Flags {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    /// The address to listen on; 0.0.0.0 or :: for all
    #[arg(long, env = "CHATD_HOST", default_value = "127.0.0.1", value_parser = values::host)]
    pub(super) host: IpAddr,
    /// The port to listen on; 0 picks a free one
    #[arg(long, env = "CHATD_PORT", default_value_t = 8080, value_parser = values::port)]
    pub(super) port: u16,
    /// The data file; a server makes it if it is absent, and so does `user add`
    #[arg(
        long,
        global = true,
        env = "CHATD_DATA",
        default_value = "chatd.redb",
        value_name = "FILE"
    )]
    pub(super) data: PathBuf,
    /// The folder of the files that people send; by default that of the data file, with .files
    /// behind its name
    #[arg(long, global = true, env = "CHATD_FILES", value_name = "FOLDER")]
    pub(super) files: Option<PathBuf>,
    /// The largest file that people may send, such as 100MiB or 2GiB
    #[arg(long, env = "CHATD_MAX_FILE", default_value = "100MiB", value_parser = memory::bytes, value_name = "SIZE")]
    pub(super) max_file: u64,
    /// How much all files may take together, such as 50GiB; by default half of what the disk has
    /// free at the start
    #[arg(long, env = "CHATD_FILES_QUOTA", value_parser = memory::bytes, value_name = "SIZE")]
    pub(super) files_quota: Option<u64>,
    /// Shortest time between two commits under load. Longer saves disk writes, shorter saves
    /// latency; 0s turns it off
    #[arg(long, env = "CHATD_COMMIT_INTERVAL", default_value = "3ms", value_parser = values::commit_interval, value_name = "TIME")]
    pub(super) commit_interval: Duration,
    /// Who may register; the first account is always made with the set-up link
    #[arg(long, env = "CHATD_REGISTRATION", value_enum, ignore_case = true, default_value_t = Mode::Invite)]
    pub(super) registration: Mode,
    /// How long a login lasts
    #[arg(long, env = "CHATD_TOKEN_LIFETIME", default_value = "30d", value_parser = values::duration, value_name = "TIME")]
    pub(super) token_lifetime: Duration,
    /// A secret with which another system signs tokens that are accepted (HS256, HS384, HS512).
    /// Prefer the environment variable: every process on the machine can read command-line flags.
    /// May be repeated
    #[arg(
        long,
        env = "CHATD_JWT_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub(super) jwt_secret: Vec<String>,
    /// A public key in PEM form whose tokens are accepted: RSA (RS256), EC on P-256 (ES256) or
    /// Ed25519 (EdDSA). May be repeated; the variable takes a line for each
    #[arg(long, env = "CHATD_JWT_PUBLIC_KEY", value_name = "FILE")]
    pub(super) jwt_public_key: Vec<PathBuf>,
    /// A JSON Web Key Set whose keys' tokens are accepted, found by their kid: a file, read again
    /// when it changes, or an https: URL, read again every 10 minutes and, at most once in 10 s,
    /// when a token names an unknown kid. May be repeated; the variable takes a line for each
    #[arg(long, env = "CHATD_JWT_JWKS", value_parser = values::key_set, value_name = "FILE|URL")]
    pub(super) jwt_jwks: Vec<KeySetPlace>,
    /// The certificate, in PEM form, of a private authority by which URLs of --jwt-jwks are trusted
    /// too
    #[arg(long, env = "CHATD_JWT_JWKS_ROOT", value_name = "FILE")]
    pub(super) jwt_jwks_root: Option<PathBuf>,
    /// The issuer (iss) that another system's tokens must name. May be repeated: whole numbers are
    /// ids of accounts for the first one alone, and no subject of one issuer is another's
    #[arg(long, env = "CHATD_JWT_ISSUER", value_parser = values::claim, value_name = "TEXT")]
    pub(super) jwt_issuer: Vec<String>,
    /// The audience (aud) that another system's tokens must name; may be repeated, and one of them
    /// must be named then
    #[arg(long, env = "CHATD_JWT_AUDIENCE", value_parser = values::claim, value_name = "TEXT")]
    pub(super) jwt_audience: Vec<String>,
    /// The claim that says whose a token is, such as user_id or app_metadata.uid; unless given,
    /// sub, else user_id, else id
    #[arg(long, env = "CHATD_JWT_USER_CLAIM", value_parser = values::claim, value_name = "NAME")]
    pub(super) jwt_user_claim: Option<String>,
    /// A claim that another system's tokens must have, such as token_use=access, where the issuer
    /// makes tokens for other purposes too; may be repeated. A list must contain the value, and
    /// realm_access.roles=chat looks into nested claims
    #[arg(
        long,
        env = "CHATD_JWT_CLAIM",
        value_delimiter = ',',
        value_name = "NAME=VALUE"
    )]
    pub(super) jwt_claim: Vec<ClaimRule>,
    /// The claim that makes another system's token an administrator's, such as role=admin; without
    /// it none is
    #[arg(long, env = "CHATD_JWT_ADMIN_CLAIM", value_name = "NAME=VALUE")]
    pub(super) jwt_admin_claim: Option<ClaimRule>,
    /// Create the account of an unknown subject from the claims of its token
    #[arg(
        long,
        env = "CHATD_PROVISION_USERS",
        value_parser = FalseyValueParser::new()
    )]
    pub(super) provision_users: bool,
    /// The longest message, in characters
    #[arg(long, env = "CHATD_MAX_MESSAGE_CHARS", default_value_t = 4_000, value_parser = values::message_chars, value_name = "N")]
    pub(super) max_message_chars: usize,
    /// The certificate and its chain, in PEM form: serves HTTPS instead of HTTP. Read again when it
    /// changes, and at SIGHUP
    #[arg(
        long,
        env = "CHATD_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub(super) tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM form
    #[arg(
        long,
        env = "CHATD_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub(super) tls_key: Option<PathBuf>,
    /// A name of this machine, such as chat.example.org: serves HTTPS with a certificate that is
    /// obtained and renewed by ACME (tls-alpn-01: port 443 of that name must lead here); may be
    /// repeated. Using it means agreeing to the authority's terms of service
    #[arg(
        long,
        env = "CHATD_ACME_DOMAIN",
        value_delimiter = ',',
        value_parser = values::domain,
        value_name = "NAME",
        conflicts_with_all = ["tls_cert", "tls_key"]
    )]
    pub(super) acme_domain: Vec<String>,
    /// The authority's ACME directory; Let's Encrypt's by default
    #[arg(long, env = "CHATD_ACME_DIRECTORY", value_parser = values::web_address, value_name = "URL")]
    pub(super) acme_directory: Option<String>,
    /// The certificate, in PEM form, by which the directory's own HTTPS is trusted, for a private
    /// authority
    #[arg(long, env = "CHATD_ACME_ROOT", value_name = "FILE")]
    pub(super) acme_root: Option<PathBuf>,
    /// Time between two pings to a client
    #[arg(long, env = "CHATD_PING_INTERVAL", default_value = "25s", value_parser = values::duration, value_name = "TIME")]
    pub(super) ping_interval: Duration,
    /// How long a client may take to answer a ping before it counts as gone
    #[arg(long, env = "CHATD_PING_TIMEOUT", default_value = "20s", value_parser = values::duration, value_name = "TIME")]
    pub(super) ping_timeout: Duration,
    /// The largest WebSocket message or polling request of a client, in bytes
    #[arg(long, env = "CHATD_MAX_PAYLOAD", default_value_t = 1_000_000, value_parser = values::payload_bytes, value_name = "BYTES")]
    pub(super) max_payload: usize,
    /// The URL by which people reach the server, such as https://chat.example.org, or
    /// https://example.org/chat where a proxy gives it a path: links begin with it, and its pages
    /// may connect. By default what requests and trusted proxies say
    #[arg(long, env = "CHATD_PUBLIC_URL", value_name = "URL")]
    pub(super) public_url: Option<PublicUrl>,
    /// The origin of a web page or an app that may use this server, such as https://app.example.org
    /// or capacitor://localhost; may be repeated. null stands for files and sandboxed frames, and *
    /// allows every page
    #[arg(
        long,
        env = "CHATD_ALLOW_ORIGIN",
        value_delimiter = ',',
        value_name = "ORIGIN"
    )]
    pub(super) allow_origin: Vec<Allowed>,
    /// The origin of a page in whose frames chatd's own page may stand, such as
    /// https://app.example.org; may be repeated. Without it no page can frame it
    #[arg(
        long,
        env = "CHATD_FRAME_ANCESTOR",
        value_delimiter = ',',
        value_parser = values::web_origin,
        value_name = "ORIGIN"
    )]
    pub(super) frame_ancestor: Vec<Origin>,
    /// The origin of pictures of people that chatd's own page shows, such as
    /// https://pictures.example.org; may be repeated. Without it the page shows letters in place of
    /// pictures from elsewhere, so that no other server learns who reads
    #[arg(
        long,
        env = "CHATD_AVATAR_ORIGIN",
        value_delimiter = ',',
        value_parser = values::web_origin,
        value_name = "ORIGIN"
    )]
    pub(super) avatar_origin: Vec<Origin>,
    /// An address or range (10.0.0.0/8) of reverse proxies that are trusted to say who connects and
    /// by what address (X-Forwarded-For, -Host, -Proto, -Port and -Prefix, or Forwarded); may be
    /// repeated
    #[arg(
        long,
        env = "CHATD_TRUSTED_PROXY",
        value_delimiter = ',',
        value_name = "CIDR"
    )]
    pub(super) trusted_proxy: Vec<Network>,
    /// Whom push services may turn to about this server, such as mailto:admin@example.org: some
    /// take no messages without it. By default --public-url, where that begins with https
    #[arg(long, env = "CHATD_PUSH_CONTACT", value_name = "URL")]
    pub(super) push_contact: Option<Contact>,
    /// How much one person or address may do: a rate and a burst, such as messages=20/s:200, or
    /// typing=off; off alone turns all limits off; may be repeated. Kinds are messages, typing,
    /// requests, rooms, members, pushes, reports and exports (per person), passwords (per name and
    /// address), names (per name, from unknown addresses), logins, registrations, connections and
    /// handshakes (per address), and hooks (per incoming hook)
    #[arg(
        long,
        env = "CHATD_RATE_LIMIT",
        value_delimiter = ',',
        value_name = "KIND=RATE"
    )]
    pub(super) rate_limit: Vec<Setting>,
    /// How many clients may be connected; 0 means as many as the limit of open files allows
    #[arg(
        long,
        env = "CHATD_MAX_CONNECTIONS",
        default_value_t = 0,
        value_parser = values::connections,
        value_name = "N"
    )]
    pub(super) max_connections: usize,
    /// How long a client may be away and still catch up on what it missed, across restarts too
    #[arg(long, env = "CHATD_RECOVERY_WINDOW", default_value = "24h", value_parser = values::duration, value_name = "TIME")]
    pub(super) recovery_window: Duration,
    /// How many members a room may have
    #[arg(long, env = "CHATD_MAX_ROOM_MEMBERS", default_value_t = 10_000, value_parser = values::room_members, value_name = "N")]
    pub(super) max_room_members: u64,
    /// Who may make rooms
    #[arg(
        long,
        env = "CHATD_ROOM_CREATION",
        value_enum,
        default_value = "everyone",
        value_name = "WHO"
    )]
    pub(super) room_creation: RoomMakers,
    /// Whom people find, and whose coming and going they see. By default exact with open
    /// registration or --provision-users, else everyone
    #[arg(long, env = "CHATD_DIRECTORY", value_enum, value_name = "WHOM")]
    pub(super) directory: Option<Found>,
    /// To whom people may begin to write
    #[arg(
        long,
        env = "CHATD_FIRST_CONTACT",
        value_enum,
        default_value = "everyone",
        value_name = "WHOM"
    )]
    pub(super) first_contact: Contacted,
    /// How long after it was sent a message may be edited, such as 1h; 0s for never, off for
    /// always. Deleting one's own is always possible
    #[arg(long, env = "CHATD_EDIT_WINDOW", default_value = "24h", value_parser = values::edit_window, value_name = "TIME|off")]
    pub(super) edit_window: EditWindow,
    /// Let outgoing hooks reach private addresses: those of this machine and of private networks,
    /// but not link-local ones, by which clouds give out credentials
    #[arg(long, env = "CHATD_HOOK_PRIVATE")]
    pub(super) hook_private: bool,
    /// Have outgoing hooks tell of messages between two people too, which the page then says to
    /// everybody
    #[arg(long, env = "CHATD_HOOK_DIRECT")]
    pub(super) hook_direct: bool,
    /// When the bytes of what was deleted or edited away are gone from the data file, at the
    /// latest, at least 24h. The file is rewritten for it while the server runs, at most once in
    /// half that time, and needs room for itself once more
    #[arg(long, env = "CHATD_ERASE_WITHIN", default_value = "7d", value_parser = values::erase_within, value_name = "TIME")]
    pub(super) erase_within: Duration,
    /// After how long messages are erased, with their files, such as 365d, at least 1h; off for
    /// never. A room may have a shorter time, which administrators set
    #[arg(long, env = "CHATD_RETENTION", default_value = "off", value_parser = values::retention, value_name = "TIME|off")]
    pub(super) retention: Retention,
    /// How long a stopping server may take to tell its clients
    #[arg(long, env = "CHATD_SHUTDOWN_GRACE", default_value = "10s", value_parser = values::duration, value_name = "TIME")]
    pub(super) shutdown_grace: Duration,
    /// Where Prometheus may scrape metrics (GET /metrics), such as 127.0.0.1:9100; keep it private,
    /// it asks for no token
    #[arg(long, env = "CHATD_METRICS_LISTEN", value_parser = values::listener, value_name = "ADDR:PORT")]
    pub(super) metrics_listen: Option<SocketAddr>,
    /// Try chatd: two ready accounts and a conversation, with nothing on disk. Anyone who can reach
    /// it is signed in, so it only listens on localhost
    #[arg(long, env = "CHATD_DEMO", value_parser = FalseyValueParser::new(), conflicts_with = "data")]
    pub(super) demo: bool,
    /// How much memory to use, such as 128MiB or 2GiB: buffers and caches are sized for it. By
    /// default what the control group (a container's limit, systemd's MemoryMax=) or the machine
    /// has
    #[arg(long, env = "CHATD_MEMORY", value_parser = memory::size, value_name = "SIZE")]
    pub(super) memory: Option<u64>,
    /// What to log: error, warn, info, debug, or filters such as info,chatd::store=debug
    #[arg(long, env = "CHATD_LOG", default_value = DEFAULT_LOG, value_parser = values::log_filter, value_name = "FILTER")]
    pub(super) log: String,
    /// Format of log lines
    #[arg(long, env = "CHATD_LOG_FORMAT", value_enum, ignore_case = true, default_value_t = LogFormat::Text)]
    pub(super) log_format: LogFormat,
}

/// The end of the long help.
const EXAMPLES: &str = "\
Examples:
  chatd                                      on this machine only, data in ./chatd.redb
  chatd --host 0.0.0.0 --port 443 --acme-domain chat.example.org
                                             for the world, with a certificate from Let's Encrypt
  chatd --trusted-proxy 127.0.0.1            behind a reverse proxy on this machine
  chatd user add ada --admin                 make an administrator
  chatd backup /backups/today.redb           copy everything while the server runs
  chatd doctor https://chat.example.org      diagnose the way to it
  chatd systemd-unit                         print a unit for systemd

Exit codes: 0 done, 1 failed, 2 wrong usage. What went wrong is one line on standard error.";

/// The default filter of the log.
pub(super) const DEFAULT_LOG: &str = "info";

/// Who may register.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Mode {
    /// Anyone with an invite
    Invite,
    /// Anyone
    Open,
    /// No one
    Closed,
}

impl From<Mode> for Registration {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Invite => Self::Invite,
            Mode::Open => Self::Open,
            Mode::Closed => Self::Closed,
        }
    }
}

/// Who may make rooms.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum RoomMakers {
    /// Everyone with an account
    Everyone,
    /// The administrators
    Admins,
}

impl From<RoomMakers> for RoomCreation {
    fn from(makers: RoomMakers) -> Self {
        match makers {
            RoomMakers::Everyone => Self::Everyone,
            RoomMakers::Admins => Self::Admins,
        }
    }
}

/// Whom people find.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Found {
    /// Everyone with an account
    Everyone,
    /// Those with whom they share a chat
    Shared,
    /// The same, and one whose whole name they give
    Exact,
    /// Nobody
    None,
}

impl From<Found> for Directory {
    fn from(found: Found) -> Self {
        match found {
            Found::Everyone => Self::Everyone,
            Found::Shared => Self::Shared,
            Found::Exact => Self::Exact,
            Found::None => Self::None,
        }
    }
}

/// To whom people may begin to write.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Contacted {
    /// Everyone with an account
    Everyone,
    /// Those with whom they share a room
    Shared,
    /// Nobody
    None,
}

impl From<Contacted> for FirstContact {
    fn from(contacted: Contacted) -> Self {
        match contacted {
            Contacted::Everyone => Self::Everyone,
            Contacted::Shared => Self::Shared,
            Contacted::None => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_well_formed_and_each_has_its_variable() {
        let command = Flags::command();
        command.clone().debug_assert();
        for flag in command
            .get_arguments()
            .filter(|flag| !matches!(flag.get_id().as_str(), "help" | "version"))
        {
            let variable = flag
                .get_env()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            assert_eq!(
                variable,
                format!("CHATD_{}", flag.get_id().as_str().to_uppercase())
            );
        }
    }
}
