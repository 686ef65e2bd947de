//! Pushes: a person whose page is closed is told by their browser's push service.
//!
//! ```text
//! entry -> Ears (one look: is anybody pushed to?) -> Hearing (whom, as they have set it)
//!       -> Schedule (when: pure, the clock is the caller's)
//!       -> Courier (encrypted, retried), by a Queue that no person and no host fills
//! ```
//!
//! RFC 8030 (what push services do), 8188 and 8291 (how messages are encrypted), 8292 (how this
//! server is known to them); the payload is Declarative Web Push, which a service worker shows
//! where the browser does not by itself. Best effort: what waits is lost with a crash, and a clean
//! stop sends what is due. Nothing of it costs an entry more than a look at one number while nobody
//! has subscribed.

mod answers;
mod contact;
mod courier;
mod encrypt;
mod error;
mod hearing;
mod listener;
mod payload;
mod queue;
mod schedule;
mod vapid;
mod verbs;

pub use contact::{Contact, ContactError};
pub use courier::Tried;
pub use encrypt::EncryptError;
pub use error::PushError;
pub use listener::{Ears, Listening};
pub use verbs::{PushConfig, Pushes, Wish};

pub use crate::store::{PushLanguage, PushShow, Subscription, SubscriptionId, subscription_id};
