//! The verbs: a browser subscribes, is told that it works, and is told no more.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::courier::{Courier, Tried};
use super::encrypt::check_point;
use super::hearing::Hearing;
use super::listener::Listening;
use super::vapid::Vapid;
use super::{Contact, PushError};
use crate::chat::Chat;
use crate::metrics::PushMetrics;
use crate::model::{Timestamp, UserId};
use crate::outgoing::{Holder, Outbound, OutboundError, Reach, Target, Trust};
use crate::store::{
    Command, NewSubscription, PushLanguage, PushShow, Store, StoreError, Subscription,
    SubscriptionId, subscription_id,
};

/// 64 requests to push services may be in flight: those that tell people of messages, and those
/// that people ask for to see whether it works.
const PLACES: usize = 64;
/// 3 s: so long it may take to look up where an endpoint is.
const LOOKED: Duration = Duration::from_secs(3);

/// How this server pushes.
#[derive(Clone)]
pub struct PushConfig {
    /// Whom push services may turn to; where the server's people reach it, unless given.
    pub contact: Option<Contact>,
    /// The way to push services.
    pub outbound: Outbound,
}

impl Default for PushConfig {
    fn default() -> Self {
        let trust = Trust::with(None).expect("the authorities of browsers can be used");
        Self {
            contact: None,
            outbound: Outbound::new(trust, Reach::Public, PLACES),
        }
    }
}

/// A browser as it asks to be pushed to, not yet checked.
pub struct Wish {
    /// Where its push service takes messages for it.
    pub endpoint: String,
    /// Its public key, in base64url.
    pub p256dh: String,
    /// Its secret, in base64url.
    pub auth: String,
    /// The language.
    pub lang: PushLanguage,
    /// What is shown.
    pub show: PushShow,
    /// How its page reaches this server.
    pub base: String,
    /// The number of the login session of the token that it showed, where it has one.
    pub session: Option<u64>,
    /// When that token ends, where that ends the session.
    pub until: Option<Timestamp>,
}

/// The verbs. Cheap to clone.
#[derive(Clone)]
pub struct Pushes(Arc<Shared>);

struct Shared {
    store: Store,
    courier: Courier,
    hearing: Hearing,
}

impl Pushes {
    /// Returns the verbs over this store and this chat. `public` is where people reach the server,
    /// if that is known for sure.
    pub fn new(
        store: Store,
        chat: Chat,
        config: PushConfig,
        public: Option<&str>,
        clock: fn() -> Timestamp,
        metrics: PushMetrics,
    ) -> Result<Self, StoreError> {
        let damaged = StoreError::Damaged {
            table: "meta",
            key: 0,
        };
        let vapid = Vapid::new(&store.push_key()?).ok_or(damaged)?;
        let own = || public.and_then(|public| public.parse().ok());
        let contact = config.contact.or_else(own);
        let courier = Courier::new(
            store.clone(),
            config.outbound,
            vapid,
            contact,
            clock,
            metrics.clone(),
        );
        let hearing = Hearing::new(store.clone(), chat, courier.clone(), clock, metrics);
        Ok(Self(Arc::new(Shared {
            store,
            courier,
            hearing,
        })))
    }

    /// Listens and tells; never completes.
    pub async fn run(self, listening: Listening) {
        tokio::join!(self.0.hearing.run(listening), self.0.courier.run());
    }

    /// Tells of all that waits, as far as push services take it now: the process ends.
    pub async fn flush(&self) {
        self.0.hearing.flush();
        tokio::select! {
            () = self.0.courier.idle() => {}
            () = self.0.courier.run() => {}
        }
    }

    /// The public key to which browsers subscribe, in base64url.
    pub fn public_key(&self) -> &str {
        self.0.courier.vapid().public()
    }

    /// How many browsers are pushed to.
    pub fn subscriptions(&self) -> usize {
        let count = self.0.store.subscription_count();
        count.load(std::sync::atomic::Ordering::Acquire)
    }

    /// The browsers of a person that are pushed to, the oldest first.
    pub fn of(&self, user: UserId) -> Vec<Arc<Subscription>> {
        self.0.store.subscriptions(user)
    }

    /// How many messages wait for push services.
    pub fn waiting(&self) -> usize {
        self.0.courier.waiting()
    }

    /// Has a browser pushed to, or changes how. One that was another person's is no more theirs.
    pub async fn subscribe(
        &self,
        now: Timestamp,
        user: UserId,
        id: &str,
        wish: Wish,
    ) -> Result<Arc<Subscription>, PushError> {
        let (found, wish) = self.checked(user, wish).await?;
        if read_id(id)? != found {
            return Err(PushError::Id);
        }
        let subscribe = Command::subscribe(user, wish);
        Ok(self.0.store.apply(now, subscribe).await?)
    }

    /// Has a browser pushed to no more, which may be so already.
    pub async fn unsubscribe(
        &self,
        now: Timestamp,
        user: UserId,
        id: &str,
    ) -> Result<(), PushError> {
        let unsubscribe = Command::unsubscribe(Some(user), read_id(id)?);
        Ok(self.0.store.apply(now, unsubscribe).await?)
    }

    /// Tells a person's browsers that pushes arrive, or one of them, and returns what their push
    /// services say, the oldest first.
    pub async fn test(
        &self,
        user: UserId,
        id: Option<&str>,
    ) -> Result<Vec<(SubscriptionId, Tried)>, PushError> {
        let id = id.map(read_id).transpose()?;
        let mut own = self.0.store.subscriptions(user);
        own.retain(|subscription| id.is_none_or(|id| id == subscription.id));
        if own.is_empty() {
            return Err(PushError::NoSuchSubscription);
        }
        let tries = own.iter().map(|subscription| async move {
            let tried = self.0.courier.test(subscription).await;
            (subscription.id, tried)
        });
        Ok(futures_util::future::join_all(tries).await)
    }

    async fn checked(
        &self,
        user: UserId,
        wish: Wish,
    ) -> Result<(SubscriptionId, NewSubscription), PushError> {
        let target: Target = wish.endpoint.parse().map_err(|_| PushError::Endpoint)?;
        if !target.is_https() {
            return Err(PushError::Endpoint);
        }
        let p256dh: [u8; 65] = read_bytes(&wish.p256dh).ok_or(PushError::Point)?;
        check_point(&p256dh)?;
        let auth = read_bytes(&wish.auth).ok_or(PushError::Auth)?;
        // What cannot be looked up now may be later; what is private is refused each time anew.
        let outbound = self.0.courier.outbound();
        let looked = outbound.look(Holder(user.get()), &target, LOOKED).await;
        if let Err(OutboundError::Private | OutboundError::Name) = looked {
            return Err(PushError::Endpoint);
        }
        let subscription = NewSubscription {
            p256dh,
            auth,
            lang: wish.lang,
            show: wish.show,
            base: wish.base.into(),
            session: wish.session,
            until: wish.until,
            endpoint: wish.endpoint.into(),
        };
        Ok((subscription_id(&subscription.endpoint), subscription))
    }
}

/// Reads so many bytes in base64url, which browsers write without padding and some programs with.
fn read_bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.trim_end_matches('=');
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

fn read_id(text: &str) -> Result<SubscriptionId, PushError> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok();
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or(PushError::Id)
}
