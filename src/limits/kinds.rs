//! What is limited, and how much is allowed of it unless the operator says otherwise.

use std::time::Duration;

use super::rates::{Rate, Rates};

/// 100 rows that are given, or changes that are gone through, count as one request more, or as one
/// CONNECT more.
pub const ROWS_A_COUNT: usize = 100;
/// 32 KiB that are told do, too.
pub const BYTES_A_COUNT: usize = 32 << 10;

/// Writes the enum, the names and the defaults from one list.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $count:literal / $secs:literal s, $burst:literal;)*) => {
        /// The kinds of things that are limited.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind),*];

            /// The word on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(Kind::$kind => $name,)* }
            }
        }

        impl Default for Rates {
            /// Returns what a person never meets.
            fn default() -> Self {
                Self { rates: [$(Some(Rate { count: $count, per: Duration::from_secs($secs), burst: $burst })),*] }
            }
        }
    };
}

kinds! {
    /// Messages of one person.
    Messages = "messages", 100 / 1 s, 2_000;
    /// Typing of one person.
    Typing = "typing", 20 / 1 s, 200;
    /// REST requests, and events other than those above, of one person; of one address where no
    /// token says who it is.
    Requests = "requests", 100 / 1 s, 2_000;
    /// Rooms that one person makes, changes, joins and leaves, and their invites into them. A room
    /// that is erased leaves half a KiB in memory, for those who come back and are to hear of it.
    Rooms = "rooms", 1 / 1 s, 2_000;
    /// People whom one person adds to rooms, takes out of them, or gives a role.
    Members = "members", 100 / 1 s, 20_000;
    /// Trial pushes that one person has sent to their own browsers, and the browsers that they
    /// subscribe: each has a stranger's server spoken to.
    Pushes = "pushes", 1 / 1 s, 32;
    /// Logins from one address; for a name that has logged in from there before, by that name and
    /// address.
    Logins = "logins", 60 / 60 s, 300;
    /// Wrong passwords for one name from one address.
    Passwords = "passwords", 20 / 60 s, 100;
    /// Wrong passwords for one name from all addresses together, but those from which it has logged
    /// in before.
    Names = "names", 100 / 60 s, 500;
    /// Registrations from one address; those with an invite that holds, by that invite and address.
    Registrations = "registrations", 20 / 60 s, 100;
    /// Reports that one person files.
    Reports = "reports", 20 / 86400 s, 20;
    /// Exports of what is one person's own: each reads all that they ever sent.
    Exports = "exports", 1 / 86400 s, 1;
    /// Sessions opened from one address, and CONNECTs of one person: twice as many at once as it
    /// may have open, for all come back at once.
    Connections = "connections", 50 / 1 s, 2_000;
    /// TLS handshakes with one address: each costs a signature before anything is known of the
    /// client.
    Handshakes = "handshakes", 50 / 1 s, 1_000;
    /// Messages that come by one incoming hook.
    Hooks = "hooks", 20 / 1 s, 600;
}
