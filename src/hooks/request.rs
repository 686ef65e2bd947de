//! One event -> one signed request.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::queue::{Place, Taken};
use super::signature::sign;
use super::supervisor::Shared;
use crate::contract::{GoneUser, HookBody, HookData, HookUser, NoData, hook_data, hook_event};
use crate::model::{Cursor, HookEvent, Notice, Timestamp, UserId};
use crate::outgoing::{Answer, Holder, OutboundError, Target};
use crate::store::{AccountEvent, Hook, HookId, HookOut};

/// 10 s for all of a request.
const PATIENCE: Duration = Duration::from_secs(10);

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What came of an event.
pub(super) enum Outcome {
    /// The receiver was asked.
    Asked(Result<Answer, OutboundError>),
    /// There is nothing to tell any more.
    Void,
    /// It could not be read.
    Unread,
}

/// An event that was tried.
pub(super) struct Posted {
    pub(super) taken: Taken,
    pub(super) outcome: Outcome,
}

/// What is to be sent.
struct Message {
    id: String,
    body: Vec<u8>,
    offline: Option<Arc<[UserId]>>,
}

/// Tells one event.
pub(super) async fn post(shared: Arc<Shared>, hook: Arc<Hook>, mut taken: Taken) -> Posted {
    let message = match taken.place {
        Place::Gap(entry) => Ok(Some(gap(&shared, &hook, entry))),
        Place::Account(event) => Ok(account(&shared, &hook, event)),
        Place::Entry { entry, .. } => of_entry(&shared, entry, &taken).await,
    };
    let outcome = match (message, hook.outgoing()) {
        (Ok(Some(message)), Some(out)) => {
            taken.offline.clone_from(&message.offline);
            Outcome::Asked(send(&shared, hook.id, out, message).await)
        }
        (Ok(_), _) => Outcome::Void,
        (Err(Unread), _) => Outcome::Unread,
    };
    Posted { taken, outcome }
}

/// An entry could not be read.
struct Unread;

async fn send(
    shared: &Shared,
    id: HookId,
    out: &HookOut,
    message: Message,
) -> Result<Answer, OutboundError> {
    let target: Target = out.url.0.parse().map_err(|_| OutboundError::Name)?;
    let timestamp = (shared.clock)().as_secs();
    let signature = sign(&out.secret, &message.id, timestamp, &message.body);
    let mut headers = HeaderMap::new();
    let text = |text: &str| HeaderValue::from_str(text).map_err(|_| OutboundError::Name);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ID, text(&message.id)?);
    headers.insert(TIMESTAMP, HeaderValue::from(timestamp));
    headers.insert(SIGNATURE, text(&signature)?);
    let body = Bytes::from(message.body);
    let posting = shared
        .outbound
        .post(Holder(id.0), &target, headers, body, PATIENCE);
    posting.await
}

fn body(
    shared: &Shared,
    kind: &'static str,
    timestamp: Timestamp,
    entry: u64,
    data: HookData<'_>,
    offline: &[UserId],
) -> Vec<u8> {
    let body = HookBody {
        kind,
        timestamp,
        cursor: Cursor::through(entry).seal(&shared.cursor_keys),
        data,
        offline,
    };
    serde_json::to_vec(&body).expect("a body of strings, numbers and lists is valid JSON")
}

fn gap(shared: &Shared, hook: &Hook, entry: u64) -> Message {
    // The same for as long as it is the same gap: each confirmation and each replay are another.
    let turn = hook.outgoing().map_or(0, |out| out.turn);
    let since = hook.confirmed_at;
    let data = HookData::Gap(NoData {});
    Message {
        id: format!("gap-{entry}-{turn}-{}", since.as_ms()),
        body: body(shared, "gap", (shared.clock)(), entry, data, &[]),
        offline: None,
    }
}

fn account(shared: &Shared, hook: &Hook, event: AccountEvent) -> Option<Message> {
    let user = shared.store.user(event.user)?;
    let data = match event.event {
        HookEvent::UserDeleted => HookData::UserDeleted(GoneUser { id: user.id }),
        // That it is gone is told next.
        _ if user.deleted => return None,
        _ => HookData::UserCreated(HookUser::of(&user)),
    };
    let place = hook.outgoing().map_or(0, |out| out.progress.entry);
    let kind = event.event.as_str();
    Some(Message {
        id: format!("user-{}-{}", event.number, event.at.as_ms()),
        body: body(shared, kind, event.at, place, data, &[]),
        offline: None,
    })
}

async fn of_entry(shared: &Shared, entry: u64, taken: &Taken) -> Result<Option<Message>, Unread> {
    let after = entry - 1;
    let read = shared
        .store
        .read(move |snapshot| snapshot.entries_after(after, 1, 1))
        .await;
    let trail = read.map_err(|_| Unread)?;
    // A damaged one cannot be told.
    let Some(mut notice) = trail.notices.into_iter().next() else {
        return Ok(None);
    };
    shared.chat.open_files(&mut notice);
    let Some((event, data)) = hook_event(&notice).zip(hook_data(&notice, taken.part as usize))
    else {
        return Ok(None);
    };
    let offline = match &taken.offline {
        Some(offline) => Arc::clone(offline),
        None => offline(shared, &notice),
    };
    let at = notice.entry.at;
    Ok(Some(Message {
        id: match taken.part {
            0 => format!("{entry}-{}", at.as_ms()),
            part => format!("{entry}-{}-{part}", at.as_ms()),
        },
        body: body(shared, event.as_str(), at, entry, data, &offline),
        offline: Some(offline),
    }))
}

fn offline(shared: &Shared, notice: &Notice) -> Arc<[UserId]> {
    shared.chat.offline((shared.clock)(), notice).into()
}
