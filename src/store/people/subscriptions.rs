//! The browsers that are pushed to: where each is reached, and what it is shown.
//!
//! All of them are in memory: what is said in a chat is asked here, once an entry, whether anybody
//! is to be pushed to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::refusal::PeopleRefusal;
use super::staging::StagingPeople;
use crate::model::{Timestamp, User, UserId};
use crate::store::error::StoreError;
use crate::store::sealed::{seal_under, unseal_under};

/// 16 browsers of one person: of a further one the oldest gives way, which most likely is there no
/// more.
const MAX_OF_PERSON: usize = 16;
/// 250,000 of all people, at some 600 bytes of memory each.
const MAX_OF_ALL: usize = 250_000;

/// The SHA-256 of an endpoint.
pub type SubscriptionId = [u8; 32];

/// Returns the id of an endpoint's subscription.
pub fn subscription_id(endpoint: &str) -> SubscriptionId {
    Sha256::digest(endpoint.as_bytes()).into()
}

/// The languages in which a push is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PushLanguage {
    /// English.
    En,
    /// Indonesian.
    Id,
}

/// What a push shows of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PushShow {
    /// Who wrote, and what.
    Text,
    /// Who wrote.
    Sender,
    /// That there is something.
    Nothing,
}

/// A browser as it asks to be pushed to.
#[derive(Clone, PartialEq, Eq)]
pub struct NewSubscription {
    /// Where its push service takes messages for it. A secret: whoever has it can send.
    pub endpoint: Arc<str>,
    /// Its public key, an uncompressed point of P-256.
    pub p256dh: [u8; 65],
    /// Its authentication secret.
    pub auth: [u8; 16],
    /// The language.
    pub lang: PushLanguage,
    /// What is shown.
    pub show: PushShow,
    /// How its page reaches this server, without a slash at its end; empty where that is not known.
    pub base: Arc<str>,
    /// The number of the login session by which it was made, where there is one.
    pub session: Option<u64>,
    /// When the token ends by which it was made; `None` where another system says that anew.
    pub until: Option<Timestamp>,
}

impl std::fmt::Debug for NewSubscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSubscription").finish_non_exhaustive()
    }
}

/// A browser that is pushed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Whose it is.
    pub user: UserId,
    /// Its number among all: it grows.
    pub number: u64,
    /// The endpoint's hash.
    pub id: SubscriptionId,
    /// When it was first made.
    pub created_at: Timestamp,
    /// What its browser asked for last.
    pub wish: NewSubscription,
}

impl Subscription {
    /// Returns whether the session by which it was made lasts still.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.wish.until.is_none_or(|until| now < until)
    }

    fn key(&self) -> SubscriptionKey {
        (self.user, self.number)
    }
}

/// The key of a row.
pub(crate) type SubscriptionKey = (UserId, u64);

/// A subscription as it stands in its table: JSON, so that keys can be added.
#[derive(Serialize, Deserialize)]
struct SubscriptionRecord<'a> {
    endpoint: std::borrow::Cow<'a, str>,
    p256dh: String,
    auth: String,
    lang: PushLanguage,
    show: PushShow,
    base: std::borrow::Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until_ms: Option<u64>,
    created_at_ms: u64,
}

/// The sealed value of a subscription.
pub(crate) fn encode(subscription: &Subscription) -> Vec<u8> {
    let wish = &subscription.wish;
    let record = SubscriptionRecord {
        endpoint: (&*wish.endpoint).into(),
        p256dh: BASE64_URL_SAFE_NO_PAD.encode(wish.p256dh),
        auth: BASE64_URL_SAFE_NO_PAD.encode(wish.auth),
        lang: wish.lang,
        show: wish.show,
        base: (&*wish.base).into(),
        session: wish.session,
        until_ms: wish.until.map(Timestamp::as_ms),
        created_at_ms: subscription.created_at.as_ms(),
    };
    let json = serde_json::to_vec(&record).expect("a record of texts and numbers is valid JSON");
    seal_under(&[subscription.user.get(), subscription.number], &json)
}

/// Reads a subscription back.
pub(crate) fn decode(
    (user, number): (u64, u64),
    sealed: &[u8],
) -> Result<Subscription, StoreError> {
    let read = || {
        let json = unseal_under(&[user, number], sealed)?;
        let record: SubscriptionRecord<'_> = serde_json::from_slice(json).ok()?;
        let bytes = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).ok();
        Some(Subscription {
            user: UserId::new(user).ok()?,
            number,
            id: subscription_id(&record.endpoint),
            created_at: Timestamp::from_ms(record.created_at_ms),
            wish: NewSubscription {
                p256dh: bytes(&record.p256dh)?.try_into().ok()?,
                auth: bytes(&record.auth)?.try_into().ok()?,
                lang: record.lang,
                show: record.show,
                base: record.base.into(),
                session: record.session,
                until: record.until_ms.map(Timestamp::from_ms),
                endpoint: record.endpoint.into(),
            },
        })
    };
    read().ok_or(StoreError::Damaged {
        table: "push_subscriptions",
        key: number,
    })
}

/// How many subscriptions there are, for those who ask before every entry.
pub type SubscriptionCount = Arc<AtomicUsize>;

/// Every subscription, in memory.
#[derive(Default)]
pub(crate) struct Subscriptions {
    by_user: FxHashMap<UserId, Vec<Arc<Subscription>>>,
    by_id: FxHashMap<SubscriptionId, SubscriptionKey>,
    greatest: u64,
    count: SubscriptionCount,
}

impl Subscriptions {
    /// How many there are, as it is from now on.
    pub(crate) fn count(&self) -> SubscriptionCount {
        Arc::clone(&self.count)
    }

    /// Has them counted in the place where an earlier state of the same data counted them.
    pub(crate) fn go_on_with(&mut self, earlier: &Self) {
        let count = self.count.load(Ordering::Acquire);
        self.count = earlier.count();
        self.count.store(count, Ordering::Release);
    }

    /// A person's, the oldest first.
    pub(crate) fn of(&self, user: UserId) -> &[Arc<Subscription>] {
        self.by_user.get(&user).map_or(&[], Vec::as_slice)
    }

    /// The one of this endpoint.
    pub(crate) fn get(&self, id: &SubscriptionId) -> Option<&Arc<Subscription>> {
        let (user, number) = self.by_id.get(id)?;
        let mut own = self.of(*user).iter();
        own.find(|subscription| subscription.number == *number)
    }

    /// Returns whether a person has any.
    pub(crate) fn has(&self, user: UserId) -> bool {
        self.by_user.contains_key(&user)
    }

    /// Those who have any.
    pub(crate) fn people(&self) -> impl ExactSizeIterator<Item = UserId> {
        self.by_user.keys().copied()
    }

    /// Adds one, or puts its new form in place of the earlier one.
    pub(crate) fn put(&mut self, subscription: Arc<Subscription>) {
        self.greatest = self.greatest.max(subscription.number);
        self.by_id.insert(subscription.id, subscription.key());
        let own = self.by_user.entry(subscription.user).or_default();
        match own.binary_search_by_key(&subscription.number, |known| known.number) {
            Ok(place) => own[place] = subscription,
            Err(place) => {
                own.insert(place, subscription);
                self.count.fetch_add(1, Ordering::Release);
            }
        }
    }

    fn remove(&mut self, key: SubscriptionKey) {
        let Some(own) = self.by_user.get_mut(&key.0) else {
            return;
        };
        if let Ok(place) = own.binary_search_by_key(&key.1, |known| known.number) {
            let gone = own.remove(place);
            self.count.fetch_sub(1, Ordering::Release);
            // Under another account it may be there anew.
            if self.by_id.get(&gone.id) == Some(&key) {
                self.by_id.remove(&gone.id);
            }
        }
        if own.is_empty() {
            self.by_user.remove(&key.0);
        }
    }

    /// Takes over what a transaction changed.
    pub(crate) fn publish(&mut self, changes: Vec<SubscriptionChange>) {
        for (key, subscription) in changes {
            match subscription {
                Some(subscription) => self.put(subscription),
                None => self.remove(key),
            }
        }
    }
}

/// A subscription of this key is so now, or is gone.
pub(crate) type SubscriptionChange = (SubscriptionKey, Option<Arc<Subscription>>);

/// What a transaction makes of the subscriptions.
#[derive(Default)]
pub(crate) struct StagedSubscriptions {
    by_key: FxHashMap<SubscriptionKey, Option<Arc<Subscription>>>,
    made: u64,
}

impl StagingPeople<'_> {
    /// Subscribes a browser, or changes what it asked for. One that was another person's is no more
    /// theirs.
    pub(crate) fn subscribe(
        &mut self,
        now: Timestamp,
        user: UserId,
        wish: &NewSubscription,
    ) -> Result<Arc<Subscription>, StoreError> {
        if self.user(user).is_none_or(|user| user.disabled) {
            return Err(PeopleRefusal::NoSuchUser.into());
        }
        if (wish.session).is_some_and(|number| self.session_row(user, number).is_none()) {
            // It has ended meanwhile, and what was made by it with it.
            return Err(PeopleRefusal::Revoked.into());
        }
        let id = subscription_id(&wish.endpoint);
        let known = self.subscription(&id);
        let subscription = match &known {
            Some(known) if known.user == user && known.wish == *wish => {
                return Ok(Arc::clone(known));
            }
            Some(known) if known.user == user => Subscription {
                wish: wish.clone(),
                ..Subscription::clone(known)
            },
            _ => {
                let all = &self.people.subscriptions;
                let made = usize::try_from(self.staged.subscriptions.made).unwrap_or(MAX_OF_ALL);
                if all.count.load(Ordering::Acquire) + made >= MAX_OF_ALL {
                    return Err(StoreError::Full);
                }
                self.staged.subscriptions.made += 1;
                Subscription {
                    user,
                    number: self.people.subscriptions.greatest + self.staged.subscriptions.made,
                    id,
                    created_at: now,
                    wish: wish.clone(),
                }
            }
        };
        if let Some(known) = known.filter(|known| known.user != user) {
            self.set_subscription(known.key(), None);
        }
        let subscription = Arc::new(subscription);
        self.set_subscription(subscription.key(), Some(Arc::clone(&subscription)));
        let own = self.subscriptions_of(user);
        for oldest in own.iter().take(own.len().saturating_sub(MAX_OF_PERSON)) {
            self.set_subscription(oldest.key(), None);
        }
        Ok(subscription)
    }

    /// Ends the subscription of an endpoint, where there is one; of this person alone, where one is
    /// named.
    pub(crate) fn unsubscribe(&mut self, user: Option<UserId>, id: &SubscriptionId) {
        let known = self.subscription(id);
        let own = known.filter(|known| user.is_none_or(|user| user == known.user));
        if let Some(known) = own {
            self.set_subscription(known.key(), None);
        }
    }

    /// Ends a person's subscriptions with the sessions by which they were made.
    pub(super) fn end_subscriptions(&mut self, before: Option<&User>, after: &User) {
        let Some(before) = before else {
            return;
        };
        let ends = before.token_version != after.token_version
            || before.revoked_at != after.revoked_at
            || after.disabled
            || after.deleted;
        if ends {
            self.end_subscriptions_where(after.id, |_| true);
        }
    }

    /// Ends those of a person's subscriptions that are such.
    pub(super) fn end_subscriptions_where(
        &mut self,
        user: UserId,
        is_such: impl Fn(&Subscription) -> bool,
    ) {
        for subscription in self.subscriptions_of(user) {
            if is_such(&subscription) {
                self.set_subscription(subscription.key(), None);
            }
        }
    }

    fn subscription(&self, id: &SubscriptionId) -> Option<Arc<Subscription>> {
        let staged = self.staged.subscriptions.by_key.values().flatten();
        let mut staged = staged.filter(|subscription| subscription.id == *id);
        let stored = || {
            let stored = self.people.subscriptions.get(id)?;
            let is_changed = self.staged.subscriptions.by_key.contains_key(&stored.key());
            (!is_changed).then_some(stored)
        };
        staged.next().or_else(stored).cloned()
    }

    /// A person's, the oldest first.
    fn subscriptions_of(&self, user: UserId) -> Vec<Arc<Subscription>> {
        let staged = &self.staged.subscriptions.by_key;
        let stored = self.people.subscriptions.of(user).iter();
        let stored = stored.filter(|stored| !staged.contains_key(&stored.key()));
        let changed = staged.values().flatten();
        let changed = changed.filter(|subscription| subscription.user == user);
        let mut own: Vec<_> = stored.chain(changed).cloned().collect();
        own.sort_unstable_by_key(|subscription| subscription.number);
        own
    }

    fn set_subscription(&mut self, key: SubscriptionKey, subscription: Option<Arc<Subscription>>) {
        let staged = &mut self.staged.subscriptions.by_key;
        staged.insert(key, subscription.clone());
        self.staged.rows.subscriptions.push((key, subscription));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(user: u64, number: u64, endpoint: &str) -> Subscription {
        Subscription {
            user: UserId::new(user).unwrap(),
            number,
            id: subscription_id(endpoint),
            created_at: Timestamp::from_ms(5),
            wish: NewSubscription {
                endpoint: endpoint.into(),
                p256dh: [4; 65],
                auth: [7; 16],
                lang: PushLanguage::Id,
                show: PushShow::Sender,
                base: "https://chat.example.org".into(),
                session: Some(u64::MAX),
                until: Some(Timestamp::from_ms(9)),
            },
        }
    }

    #[test]
    fn a_subscription_is_read_back_as_written() {
        let wanted = subscription(7, 3, "https://push.example.net/a");
        let sealed = encode(&wanted);
        assert_eq!(decode((7, 3), &sealed).unwrap(), wanted);
        assert!(
            decode((7, 4), &sealed).is_err(),
            "the checksum covers the key"
        );
        assert!(decode((7, 3), &seal_under(&[7, 3], b"{}")).is_err());
    }

    #[test]
    fn an_endpoint_that_moved_to_another_person_is_found_there_alone() {
        let (mut all, endpoint) = (Subscriptions::default(), "https://push.example.net/a");
        let one = Arc::new(subscription(7, 1, endpoint));
        let other = Arc::new(subscription(8, 2, endpoint));
        all.publish(vec![(one.key(), Some(Arc::clone(&one)))]);
        assert_eq!(all.count().load(Ordering::Acquire), 1);
        all.publish(vec![
            (one.key(), None),
            (other.key(), Some(Arc::clone(&other))),
        ]);
        assert_eq!(all.get(&subscription_id(endpoint)), Some(&other));
        assert_eq!(all.people().collect::<Vec<_>>(), [other.user]);
        all.publish(vec![(other.key(), None)]);
        assert_eq!((all.get(&one.id), all.people().len()), (None, 0));
        assert_eq!(all.count().load(Ordering::Acquire), 0);
    }

    #[test]
    fn nothing_of_it_is_shown_that_would_let_another_send() {
        let shown = format!(
            "{:?}",
            subscription(7, 3, "https://push.example.net/secret")
        );
        assert!(!shown.contains("secret"), "{shown}");
    }
}
