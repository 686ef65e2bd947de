//! The store in memory and in files: what is committed, in which order, and what follows from it.

mod accounts;
mod acts;
mod apps;
mod around;
mod changing;
mod clock;
mod commands;
mod costs;
mod cuts;
mod faults;
mod fixture;
mod following;
mod formats;
mod leaving;
mod opening;
mod random;
mod reading;
mod remains;
mod retention_cuts;
mod rewrite_cuts;
mod rewriting;
mod room_changes;
mod room_cuts;
mod room_names;
mod rooms;
mod sending;
mod trailing;

pub(crate) use fixture::{
    OPTIONS, Open, chat_read, id, mark, mark_chat, message, new_user, ops, sent, sent_as, user,
};
