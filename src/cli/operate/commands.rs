//! What can be asked of a running server, or done to the data file of a stopped one.

use clap::{Args, Subcommand, ValueEnum};

/// What is asked of a running server, or done to the data file of a stopped one.
#[derive(Subcommand)]
pub(in crate::cli) enum Operate {
    /// Makes, lists and changes accounts
    #[command(subcommand)]
    User(UserCommand),
    /// Prints a token of somebody's, for tests and scripts
    Token {
        #[command(flatten)]
        whom: Whom,
    },
}

/// The account to which something is done.
#[derive(Args)]
pub(in crate::cli) struct Whom {
    /// The account's name, or its id
    pub(super) user: String,
    /// What USER is, where it is one account's name and another one's id
    #[arg(long, value_enum)]
    pub(super) by: Option<By>,
}

/// By what an account is found.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum By {
    /// Its name
    Name,
    /// Its id
    Id,
}

/// What is done with accounts.
#[derive(Subcommand)]
pub(in crate::cli) enum UserCommand {
    /// Makes an account; asks for its password, or reads it as the first line of standard input
    Add {
        /// Its name
        name: String,
        /// It is to be an administrator
        #[arg(long)]
        admin: bool,
    },
    /// Lists the accounts
    List,
    /// Gives an account another password, and ends its tokens; asks for it, or reads it as the first line of standard
    /// input
    Passwd {
        #[command(flatten)]
        whom: Whom,
    },
    /// Shuts an account out, and disconnects it
    Disable {
        #[command(flatten)]
        whom: Whom,
    },
    /// Lets a disabled account in again
    Enable {
        #[command(flatten)]
        whom: Whom,
    },
    /// Makes an account an administrator
    Promote {
        #[command(flatten)]
        whom: Whom,
    },
}
