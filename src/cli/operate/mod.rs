//! Commands of the server's operator. Whether a server runs or not, they are requests of the same
//! routes: by the control socket of the running one, or within this process on the data file.

mod bots;
mod commands;
mod erase;
mod hooks;
mod keys;
mod operator;
mod rooms;
mod run;
mod users;

pub(super) use commands::Operate;
pub(super) use operator::Operator;
pub(super) use run::run;
