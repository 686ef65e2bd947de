//! Takes messages to push services, as many at once as the queue lets go, and again where one does
//! not take them now.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{StatusCode, header::HeaderName};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Contact;
use super::answers::{Verdict, pause};
use super::encrypt::encrypt;
use super::payload::{Telling, Told, payload};
use super::queue::{Job, Queue};
use super::vapid::Vapid;
use crate::metrics::PushMetrics;
use crate::model::{Timestamp, UserId};
use crate::outgoing::{Answer, Holder, Outbound, OutboundError, Target};
use crate::store::{Command, PushShow, Store, Subscription, SubscriptionId};

/// 10 s: a push service that answers later is as good as gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// After 5 refusals in a row a subscription is dropped; and after as many messages that no answer
/// let go out, or that were denied, once these failed for so long.
const MAX_REFUSALS: u8 = 5;
/// 3 days: longer than a push service, or this server's way to it, is ever down; and long enough to
/// mend what has the server denied everywhere, such as its clock.
const MAX_SILENCE: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// 65,536 subscriptions to which nothing went lately are remembered.
const MAX_REMEMBERED: usize = 1 << 16;
/// A day: so long a push service keeps a message for a browser that is not there.
const MESSAGE_TTL: HeaderValue = HeaderValue::from_static("86400");
/// An hour: so long it keeps word that a message is gone.
const SHORT_TTL: HeaderValue = HeaderValue::from_static("3600");

/// What is told on all browsers of a person.
pub(super) struct Push {
    /// What is told: an edit changes it for as long as it has not gone out.
    pub(super) telling: Mutex<Telling>,
    /// Set once it is not to go out any more.
    pub(super) is_void: AtomicBool,
}

impl Push {
    pub(super) fn new(telling: Telling) -> Arc<Self> {
        Arc::new(Self {
            telling: Mutex::new(telling),
            is_void: AtomicBool::new(false),
        })
    }
}

/// What a push service said to one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// It answered with this status.
    Answered(StatusCode),
    /// It gave no answer: why, in a few words.
    Failed(String),
}

/// Takes messages to push services. Cheap to clone.
#[derive(Clone)]
pub(super) struct Courier(Arc<Shared>);

struct Shared {
    store: Store,
    outbound: Outbound,
    vapid: Vapid,
    contact: Option<Contact>,
    clock: fn() -> Timestamp,
    metrics: PushMetrics,
    queue: Mutex<Queue>,
    /// Something may go out, or has come back.
    wake: Notify,
    /// One has come back.
    landed: Notify,
    /// How each fares that took nothing since.
    troubles: Mutex<FxHashMap<SubscriptionId, Trouble>>,
}

/// What became of the messages for a subscription, since one was taken last.
#[derive(Debug, Default)]
struct Trouble {
    /// How many were refused.
    refusals: u8,
    /// How many its push service denied, or did not take in time, and when that was first.
    silences: u8,
    silent_since: Option<Timestamp>,
}

impl Trouble {
    /// Counts a refusal; returns whether there were too many in a row.
    fn refused(&mut self) -> bool {
        self.refusals = self.refusals.saturating_add(1);
        self.refusals >= MAX_REFUSALS
    }

    /// Counts a message that was given up; returns whether it has been so for too long.
    fn gave_up(&mut self, now: Timestamp) -> bool {
        self.silences = self.silences.saturating_add(1);
        let since = *self.silent_since.get_or_insert(now);
        self.silences >= MAX_REFUSALS && since.plus(MAX_SILENCE) <= now
    }
}

impl Courier {
    pub(super) fn new(
        store: Store,
        outbound: Outbound,
        vapid: Vapid,
        contact: Option<Contact>,
        clock: fn() -> Timestamp,
        metrics: PushMetrics,
    ) -> Self {
        Self(Arc::new(Shared {
            store,
            outbound,
            vapid,
            contact,
            clock,
            metrics,
            queue: Mutex::default(),
            wake: Notify::new(),
            landed: Notify::new(),
            troubles: Mutex::default(),
        }))
    }

    pub(super) fn vapid(&self) -> &Vapid {
        &self.0.vapid
    }

    pub(super) fn outbound(&self) -> &Outbound {
        &self.0.outbound
    }

    /// How many messages wait, are on their way, or are to be tried again.
    pub(super) fn waiting(&self) -> usize {
        self.0.queue.lock().len()
    }

    /// Returns whether some are on their way, or may go out now.
    fn is_busy(&self) -> bool {
        self.0.queue.lock().is_busy()
    }

    /// Returns once none is on its way, and none may go out now.
    pub(super) async fn idle(&self) {
        loop {
            // Before it is looked, so that none comes back unheard.
            let landed = self.0.landed.notified();
            if !self.is_busy() {
                return;
            }
            landed.await;
        }
    }

    /// Takes on a message for a browser.
    pub(super) fn send(&self, subscription: Arc<Subscription>, push: &Arc<Push>) {
        let Ok(target) = subscription.wish.endpoint.parse() else {
            return;
        };
        let job = Job {
            subscription,
            target,
            push: Arc::clone(push),
            tries: 0,
            is_cut: false,
        };
        match self.0.queue.lock().push(job) {
            true => self.0.wake.notify_one(),
            false => self.0.metrics.lost(),
        }
    }

    /// Takes messages to push services, for as long as it is polled.
    pub(super) async fn run(&self) {
        loop {
            let (job, next) = {
                let mut queue = self.0.queue.lock();
                let job = queue.take(Instant::now());
                let next = queue.next_try();
                (job, next)
            };
            if let Some(job) = job {
                let courier = self.clone();
                tokio::spawn(async move { courier.deliver(job).await });
                continue;
            }
            match next {
                None => self.0.wake.notified().await,
                Some(at) => tokio::select! {
                    () = self.0.wake.notified() => {}
                    () = tokio::time::sleep_until(at) => {}
                },
            }
        }
    }

    async fn deliver(&self, job: Job) {
        let mut landing = Landing {
            courier: self,
            room: Some(job.room()),
        };
        let again = self.try_job(job).await;
        landing.land(again);
    }

    /// Tries a message; returns it where it is to be tried again, and when.
    async fn try_job(&self, mut job: Job) -> Option<(Instant, Job)> {
        let is_void = job.push.is_void.load(Ordering::Acquire);
        let now = (self.0.clock)();
        if is_void || !job.subscription.holds(now) || !self.is_current(&job.subscription) {
            self.0.metrics.pushed("withdrawn");
            return None;
        }
        job.tries += 1;
        let mut answer = self.post(&job).await;
        if let Ok(said) = &answer
            && Verdict::of(said.status) == Verdict::TooLong
            && !job.is_cut
        {
            job.is_cut = true;
            answer = self.post(&job).await;
        }
        let verdict = verdict_of(&answer);
        let asked = answer.as_ref().ok().and_then(|answer| answer.retry_after);
        self.note(&job.subscription, verdict, &answer).await;
        if verdict != Verdict::NotNow {
            return None;
        }
        match pause(job.tries, asked) {
            Some(pause) => Some((Instant::now() + pause, job)),
            None => {
                self.0.metrics.pushed("failed");
                // One that never answers is as good as one that refuses, but most are down for a
                // while, or this server cannot reach any.
                let now = (self.0.clock)();
                if self.in_trouble(job.subscription.id, |trouble| trouble.gave_up(now)) {
                    self.forget(&job.subscription).await;
                }
                None
            }
        }
    }

    /// Tells one browser that pushes arrive, at once, and returns what its push service says.
    pub(super) async fn test(&self, subscription: &Arc<Subscription>) -> Tried {
        let telling = Telling {
            chat: None,
            title: String::new(),
            told: Told::Test,
        };
        let Ok(target) = subscription.wish.endpoint.parse() else {
            return Tried::Failed("the endpoint is no URL".to_owned());
        };
        let job = Job {
            subscription: Arc::clone(subscription),
            target,
            push: Push::new(telling),
            tries: 1,
            is_cut: false,
        };
        let answer = self.post(&job).await;
        self.note(subscription, verdict_of(&answer), &answer).await;
        match answer {
            Ok(answer) => Tried::Answered(answer.status),
            Err(error) => Tried::Failed(error.to_string()),
        }
    }

    async fn post(&self, job: &Job) -> Result<Answer, OutboundError> {
        let Shared {
            vapid,
            clock,
            contact,
            ..
        } = &*self.0;
        let Subscription { user, wish, .. } = &*job.subscription;
        let telling = &job.push.telling.lock().clone();
        let show = match job.is_cut {
            true => PushShow::Nothing,
            false => wish.show,
        };
        let (json, padded) = payload(telling, wish, show);
        // The keys were looked at when the browser subscribed, and a payload fits.
        let body =
            encrypt((&wish.p256dh, &wish.auth), &json, padded).map_err(|_| OutboundError::Name)?;
        // Who runs the server, else where its people reach it.
        let own = || wish.base.parse().ok();
        let contact = contact.clone().or_else(own);
        let origin = job.target.origin();
        let authorization = vapid.authorization(clock(), origin, contact.as_ref());
        let topic = vapid.topic(user.get(), &telling.tag());
        let mut headers = HeaderMap::new();
        let octets = HeaderValue::from_static("application/octet-stream");
        headers.insert(CONTENT_TYPE, octets);
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"));
        let (ttl, urgency) = match telling.told {
            Told::Messages { .. } => (MESSAGE_TTL, "high"),
            Told::Withdrawn => (SHORT_TTL, "low"),
            Told::Test => (SHORT_TTL, "high"),
        };
        headers.insert(HeaderName::from_static("ttl"), ttl);
        let urgency = HeaderValue::from_static(urgency);
        headers.insert(HeaderName::from_static("urgency"), urgency);
        let texts = [
            (HeaderName::from_static("topic"), topic),
            (AUTHORIZATION, authorization),
        ];
        for (name, text) in texts {
            let mut value = HeaderValue::from_str(&text).map_err(|_| OutboundError::Name)?;
            value.set_sensitive(name == AUTHORIZATION);
            headers.insert(name, value);
        }
        let holder = Holder(user.get());
        let posting = self
            .0
            .outbound
            .post(holder, &job.target, headers, body.into(), PATIENCE);
        posting.await
    }

    /// Returns whether a subscription is there still, in whatever form.
    fn is_current(&self, subscription: &Subscription) -> bool {
        let own = self.0.store.subscriptions(subscription.user);
        own.iter().any(|known| known.number == subscription.number)
    }

    /// Counts what a push service said, and drops a subscription that is of no use any more.
    async fn note(
        &self,
        subscription: &Subscription,
        verdict: Verdict,
        answer: &Result<Answer, OutboundError>,
    ) {
        let id = subscription.id;
        let outcome = match verdict {
            Verdict::Taken => "taken",
            Verdict::Gone => "gone",
            Verdict::TooLong | Verdict::Refused | Verdict::Denied => "refused",
            Verdict::NotNow => "not_now",
        };
        self.0.metrics.pushed(outcome);
        if verdict == Verdict::Taken {
            self.0.troubles.lock().remove(&id);
            return;
        }
        log(subscription, answer);
        let is_over = match verdict {
            Verdict::Gone => true,
            Verdict::Refused | Verdict::TooLong => self.in_trouble(id, Trouble::refused),
            Verdict::Denied => {
                let now = (self.0.clock)();
                self.in_trouble(id, |trouble| trouble.gave_up(now))
            }
            Verdict::Taken | Verdict::NotNow => false,
        };
        if is_over {
            self.forget(subscription).await;
        }
    }

    /// Takes a subscription away to which nothing can be sent any more.
    async fn forget(&self, subscription: &Subscription) {
        let id = subscription.id;
        self.0.troubles.lock().remove(&id);
        let user = Some(subscription.user);
        let forget = Command::unsubscribe(user, id);
        if let Err(error) = self.0.store.apply((self.0.clock)(), forget).await {
            tracing::debug!(%error, "a subscription that is gone was not forgotten");
        }
    }

    /// Notes what became of a message; returns what `count` says of how the subscription fares.
    fn in_trouble(&self, id: SubscriptionId, count: impl FnOnce(&mut Trouble) -> bool) -> bool {
        let mut troubles = self.0.troubles.lock();
        if troubles.len() >= MAX_REMEMBERED {
            troubles.clear();
        }
        count(troubles.entry(id).or_default())
    }
}

/// A message that is on its way: it lands, whatever becomes of its task.
struct Landing<'a> {
    courier: &'a Courier,
    /// What it takes room of until then.
    room: Option<(String, UserId)>,
}

impl Landing<'_> {
    fn land(&mut self, again: Option<(Instant, Job)>) {
        if let Some(room) = self.room.take() {
            self.courier.0.queue.lock().landed(&room, again);
            self.courier.0.wake.notify_one();
            self.courier.0.landed.notify_waiters();
        }
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.land(None);
    }
}

/// What became of a message. An address that is private is as good as a refusal.
fn verdict_of(answer: &Result<Answer, OutboundError>) -> Verdict {
    match answer {
        Ok(answer) => Verdict::of(answer.status),
        Err(OutboundError::Private | OutboundError::Name) => Verdict::Refused,
        Err(_) => Verdict::NotNow,
    }
}

/// Logs what a push service said, without the endpoint: whoever has that can send to it.
fn log(subscription: &Subscription, answer: &Result<Answer, OutboundError>) {
    let service: Option<Target> = subscription.wish.endpoint.parse().ok();
    let service = service.as_ref().map(Target::origin).unwrap_or_default();
    match answer {
        Ok(answer) => {
            let status = answer.status.as_u16();
            let said = String::from_utf8_lossy(&answer.body_start);
            let said: String = said.chars().take(200).collect();
            match Verdict::of(answer.status) {
                Verdict::Denied => tracing::warn!(
                    service,
                    status,
                    ?said,
                    "a push service does not take this server's signature: if it is so of each message, look at the clock and at --push-contact; browsers are forgotten after 3 days"
                ),
                _ => tracing::info!(service, status, ?said, "a push service refused a message"),
            }
        }
        Err(error) => {
            tracing::info!(
                service,
                error = error.line(),
                "a push service was not reached"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_given_up_after_five_refusals_and_for_silence_only_after_days() {
        let mut trouble = Trouble::default();
        let refused: Vec<_> = (0..5).map(|_| trouble.refused()).collect();
        assert_eq!(refused, [false, false, false, false, true]);
        let (mut trouble, now) = (Trouble::default(), Timestamp::from_ms(1_000));
        // A push service is down for an hour in which a lot is said.
        assert!((0..1_000).all(|_| !trouble.gave_up(now)));
        let hours = |hours: u64| now.plus(Duration::from_secs(hours * 60 * 60));
        assert!(!trouble.gave_up(hours(71)));
        assert!(trouble.gave_up(hours(72)));
        // Few messages are no proof.
        let mut trouble = Trouble::default();
        let over: Vec<_> = (0..5).map(|day| trouble.gave_up(hours(day * 48))).collect();
        assert_eq!(over, [false, false, false, false, true]);
    }
}
