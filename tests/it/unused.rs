//! What nobody uses costs a send nothing. That is counted in wakes and in tasks, not in time.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use chatd::accounts::Admin;
use chatd::chat::{Chat, Event, Listener, Rules, SendMessage};
use chatd::hooks::{DEFAULT_RETRY, Hooks, HooksConfig, NewOutgoing};
use chatd::metrics::Metrics;
use chatd::model::{HookEvent, Timestamp, UserId, Username};
use chatd::outgoing::{Outbound, Reach, Trust};
use chatd::push::{Ears, PushConfig, Pushes};
use chatd::store::{
    BATCHES, Change, Location, NewSubscription, NewUser, PushLanguage, PushShow, Store,
    StoreOptions,
};

use crate::support::soon;

struct Nobody;

impl Listener for Nobody {
    fn happened(&self, _: Event<'_>) {}
}

/// A task that counts how often it is woken.
struct Counted<F> {
    task: Pin<Box<F>>,
    wakes: Arc<AtomicUsize>,
}

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.wakes.fetch_add(1, Ordering::Relaxed);
        self.task.as_mut().poll(context)
    }
}

/// Spawns a task, and returns how often it was woken so far.
fn counted<F: Future<Output = ()> + Send + 'static>(task: F) -> Arc<AtomicUsize> {
    let wakes = Arc::<AtomicUsize>::default();
    tokio::spawn(Counted {
        task: Box::pin(task),
        wakes: Arc::clone(&wakes),
    });
    wakes
}

fn tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

fn user(id: u64) -> UserId {
    UserId::new(id).unwrap()
}

async fn send(chat: &Chat) {
    let message = SendMessage {
        receiver_id: user(2),
        content: "Halo!".into(),
        client_id: None,
        extras: None,
    };
    let (reply, replied) = tokio::sync::oneshot::channel();
    let answer = move |sent: Result<_, _>| {
        let _ = reply.send(sent.is_ok());
    };
    chat.send(Timestamp::now(), user(1), message, None, answer);
    assert!(replied.await.unwrap());
    // Whatever was woken by it has its turn.
    tokio::task::yield_now().await;
}

#[tokio::test]
async fn hooks_and_pushes_that_nobody_uses_are_woken_by_no_message() {
    let (done, batches) = tokio::sync::mpsc::channel(BATCHES);
    let store = Store::open(&Location::Memory, StoreOptions::default(), done).unwrap();
    let metrics = Metrics::default();
    let nobody = Arc::new(Nobody);
    let (ears, listening) = Ears::beside(nobody, store.clone(), metrics.pushes.clone());
    let chat = Chat::new(store.clone(), ears, Rules::default(), store.cursor_keys());
    tokio::spawn(chat.clone().run(batches, || 0));
    for name in ["ada", "bob"] {
        let new = NewUser {
            username: Username::registered(name).unwrap(),
            name: None,
            avatar: None,
            password_hash: None,
            is_admin: false,
            is_bot: false,
            only_if_first: false,
            invite: None,
        };
        let made = store.apply(Timestamp::now(), Change::CreateUser(new)).await;
        made.unwrap();
    }
    let config = HooksConfig {
        direct: true,
        outbound: Outbound::new(Trust::with(None).unwrap(), Reach::Public, 1),
        retry: DEFAULT_RETRY,
        clock: Timestamp::now,
        metrics: metrics.hooks.clone(),
    };
    let hooks = Hooks::new(store.clone(), chat.clone(), config);
    let (clock, push) = (Timestamp::now as fn() -> Timestamp, PushConfig::default());
    let pushes = Pushes::new(
        store.clone(),
        chat.clone(),
        push,
        None,
        clock,
        metrics.pushes,
    );
    let by_hooks = counted(hooks.run());
    let by_pushes = counted(pushes.unwrap().run(listening));
    send(&chat).await;
    let alone = tasks();
    for _ in 0..200 {
        send(&chat).await;
    }
    let wakes = |of: &Arc<AtomicUsize>| of.load(Ordering::Relaxed);
    // Each once, when it began.
    assert_eq!((wakes(&by_hooks), wakes(&by_pushes)), (1, 1));
    assert_eq!(tasks(), alone);

    // With a hook there is a follower, and with a browser something to hear.
    let wish = NewOutgoing {
        url: "https://8.8.8.8/".to_owned(),
        events: vec![HookEvent::UserDeleted],
        rooms: Vec::new(),
    };
    let made = hooks.create_out(Admin::operator(), Timestamp::now(), wish);
    made.await.unwrap();
    let endpoint = "https://8.8.8.8/browser";
    let subscribed = Change::Subscribe {
        user: user(2),
        wish: NewSubscription {
            endpoint: endpoint.into(),
            // No point of the curve, so that nothing goes out.
            p256dh: [4; 65],
            auth: [7; 16],
            lang: PushLanguage::En,
            show: PushShow::Text,
            base: "".into(),
            session: None,
            until: None,
        },
    };
    store.apply(Timestamp::now(), subscribed).await.unwrap();
    send(&chat).await;
    soon(async {
        while wakes(&by_hooks) == 1 || wakes(&by_pushes) == 1 || tasks() == alone {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // What it has to say still is heard meanwhile.
    let closed = tokio::task::spawn_blocking(move || store.close());
    closed.await.unwrap();
}
