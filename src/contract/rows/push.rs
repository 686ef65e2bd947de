//! Rows of browsers that are pushed to.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::push::{PushLanguage, PushShow, Subscription, SubscriptionId, Tried};

/// What a browser subscribes to: `{"public_key","subscriptions"}`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Push")]
pub(crate) struct PushRow<'a> {
    /// A point of P-256 in base64url: the `applicationServerKey`. It never changes.
    pub(crate) public_key: &'a str,
    /// The caller's browsers, the oldest first.
    pub(crate) subscriptions: Vec<SubscriptionRow>,
}

/// A browser: `{"id","lang","show","created_at"}`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PushSubscription")]
pub(crate) struct SubscriptionRow {
    /// The SHA-256 of its endpoint in base64url.
    id: String,
    lang: PushLang,
    show: Shows,
    created_at: Timestamp,
}

impl From<&Subscription> for SubscriptionRow {
    fn from(subscription: &Subscription) -> Self {
        Self {
            id: BASE64_URL_SAFE_NO_PAD.encode(subscription.id),
            lang: subscription.wish.lang.into(),
            show: subscription.wish.show.into(),
            created_at: subscription.created_at,
        }
    }
}

/// What came of a trial push: `{"id","status"}`, or `{"id","error"}` where there was no answer.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TriedPush")]
pub(crate) struct TriedRow {
    /// The SHA-256 of the endpoint in base64url.
    id: String,
    /// The status that the push service answered with: 201 where it has the message, 404 or 410
    /// where the subscription is no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Why there was no answer, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl TriedRow {
    pub(crate) fn new(id: &SubscriptionId, tried: Tried) -> Self {
        let (status, error) = match tried {
            Tried::Answered(status) => (Some(status.as_u16()), None),
            Tried::Failed(error) => (None, Some(error)),
        };
        Self {
            id: BASE64_URL_SAFE_NO_PAD.encode(id),
            status,
            error,
        }
    }
}

/// The keys of a browser, as its `PushSubscription` gives them.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "PushKeys")]
pub(crate) struct PushKeys {
    /// A point of P-256, 65 bytes in base64url.
    pub(crate) p256dh: String,
    /// 16 bytes in base64url.
    pub(crate) auth: String,
}

/// The language of a push: English or Indonesian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PushLang {
    En,
    Id,
}

impl From<PushLanguage> for PushLang {
    fn from(lang: PushLanguage) -> Self {
        match lang {
            PushLanguage::En => Self::En,
            PushLanguage::Id => Self::Id,
        }
    }
}

impl From<PushLang> for PushLanguage {
    fn from(lang: PushLang) -> Self {
        match lang {
            PushLang::En => Self::En,
            PushLang::Id => Self::Id,
        }
    }
}

/// What a push shows of a message: its sender and its text, its sender, or that there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "PushShow")]
pub(crate) enum Shows {
    Text,
    Sender,
    Nothing,
}

impl From<PushShow> for Shows {
    fn from(show: PushShow) -> Self {
        match show {
            PushShow::Text => Self::Text,
            PushShow::Sender => Self::Sender,
            PushShow::Nothing => Self::Nothing,
        }
    }
}

impl From<Shows> for PushShow {
    fn from(show: Shows) -> Self {
        match show {
            Shows::Text => Self::Text,
            Shows::Sender => Self::Sender,
            Shows::Nothing => Self::Nothing,
        }
    }
}
