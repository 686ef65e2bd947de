//! Sessions by HTTP requests: a GET drains, a POST feeds.
//!
//! One of each kind at a time: a second one is against the protocol and ends the session. A request
//! whose connection is cut ends it too, since what it carried is lost. Time is kept by one small
//! task a session, until it is upgraded.

mod answer;
mod drain;
mod feed;
mod keeper;
mod requests;

pub(super) use requests::{open, serve};
