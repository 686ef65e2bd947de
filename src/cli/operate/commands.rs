//! What can be asked of a running server, or done to the data file of a stopped one.

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::values;

/// Commands to a running server, or on the data file of a stopped one.
#[derive(Subcommand)]
pub(in crate::cli) enum Operate {
    /// Create, list and change accounts
    #[command(subcommand)]
    User(UserCommand),
    /// Create bots, and make and take back their keys
    #[command(subcommand)]
    Bot(BotCommand),
    /// List and show rooms and their members
    #[command(subcommand)]
    Room(RoomCommand),
    /// Make, list and take back the keys of apps' backends
    #[command(subcommand)]
    Key(KeyCommand),
    /// List how other systems write here and are told
    #[command(subcommand)]
    Hook(HookCommand),
    /// Erase a message, or an account with all that it said
    Erase(Erase),
    /// Print a token for an account, for tests and scripts
    Token {
        #[command(flatten)]
        whom: Whom,
    },
}

/// The account that a command concerns.
#[derive(Args)]
pub(in crate::cli) struct Whom {
    /// The account's name, or its id
    pub(super) user: String,
    /// What USER is, where it is one account's name and another one's id
    #[arg(long, value_enum)]
    pub(super) by: Option<By>,
}

/// What is to be erased. Beside a stopped server the data file is compacted then, so that no byte
/// of it is left there.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct Erase {
    /// The account of this name, or of this id, and all of its messages
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<String>,
    /// The message of this id
    #[arg(long, value_parser = values::message, value_name = "ID")]
    pub(super) message: Option<u64>,
}

/// How USER names an account.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum By {
    /// Its name
    Name,
    /// Its id
    Id,
}

/// Commands on accounts.
#[derive(Subcommand)]
pub(in crate::cli) enum UserCommand {
    /// Create an account; asks for its password, or reads it as the first line of standard input
    Add {
        /// The username
        #[arg(value_name = "NAME")]
        username: String,
        /// The name that is shown, if it is to be another than the username
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Make it an administrator
        #[arg(long)]
        admin: bool,
    },
    /// List the accounts
    List,
    /// Change the password of an account and revoke its tokens; asks for it, or reads it as the
    /// first line of standard input
    Passwd {
        #[command(flatten)]
        whom: Whom,
    },
    /// Print a link by which the account gets another password, good once and for 24 hours
    ResetLink {
        #[command(flatten)]
        whom: Whom,
    },
    /// Disable an account and disconnect it
    Disable {
        #[command(flatten)]
        whom: Whom,
    },
    /// Enable a disabled account
    Enable {
        #[command(flatten)]
        whom: Whom,
    },
    /// Make an account an administrator
    Promote {
        #[command(flatten)]
        whom: Whom,
    },
}

/// Commands on bots.
#[derive(Subcommand)]
pub(in crate::cli) enum BotCommand {
    /// Create a bot, and print its key, which is shown this once
    Add {
        /// The bot's username
        #[arg(value_name = "NAME")]
        username: String,
        /// The name that is shown, if it is to be another than the username
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// Print a further key of a bot, which is shown this once
    Key {
        #[command(flatten)]
        whom: Whom,
    },
    /// Take back a key of a bot and disconnect it; without KEY, list its keys
    Revoke {
        #[command(flatten)]
        whom: Whom,
        /// The key's number
        #[arg(value_parser = values::bot_key)]
        key: Option<u64>,
    },
}

/// Commands on rooms. What was said there is shown by none.
#[derive(Subcommand)]
pub(in crate::cli) enum RoomCommand {
    /// List all rooms
    List,
    /// Show how a room is described
    Show {
        /// The room's id
        #[arg(value_parser = values::room)]
        room: u64,
    },
    /// List the members of a room
    Members {
        /// The room's id
        #[arg(value_parser = values::room)]
        room: u64,
    },
}

/// Commands on hooks.
#[derive(Subcommand)]
pub(in crate::cli) enum HookCommand {
    /// List the hooks, with how each outgoing one fares
    List,
}

/// Commands on the keys of backends.
#[derive(Subcommand)]
pub(in crate::cli) enum KeyCommand {
    /// Print a new key, which is shown this once
    Add {
        /// What to call it in lists
        name: String,
        /// What it opens
        #[arg(long, value_enum, default_value_t = Scope::Users)]
        scope: Scope,
    },
    /// List the keys
    List,
    /// Take a key back
    Revoke {
        /// The key's number
        #[arg(value_parser = values::backend_key)]
        key: u64,
    },
}

/// What a backend's key opens.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Scope {
    /// The routes that make, change and find people who are no administrators
    Users,
    /// All routes of administrators
    All,
}

impl Scope {
    /// Returns the word that the routes know it by.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::All => "all",
        }
    }
}
