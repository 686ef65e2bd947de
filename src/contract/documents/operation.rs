//! A route, described beside the function that answers it.

use schemars::JsonSchema;

use super::schemas::{SchemaOf, schema_of};
use crate::contract::Code;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anyone.
    Anyone,
    /// People with a token.
    User,
    /// People with an administrator's token.
    Admin,
    /// The server's operator, by its control socket, and no one over a network.
    Operator,
}

/// The content of a success.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content {
    /// `{"success":true}`, with `data` and `meta` where there are some.
    Enveloped {
        data: Option<SchemaOf>,
        meta: Option<SchemaOf>,
    },
    /// Something of this media type.
    Bare(&'static str),
}

/// One method of one route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    pub(super) access: Access,
    pub(super) about: &'static str,
    pub(super) path: Option<SchemaOf>,
    pub(super) query: Option<SchemaOf>,
    pub(super) body: Option<SchemaOf>,
    pub(super) body_is_optional: bool,
    /// What the body may be as a form.
    pub(super) form: Option<SchemaOf>,
    pub(super) answers: &'static [u16],
    /// Which of the answers is a text in place of the content.
    pub(super) text_at: Option<u16>,
    pub(super) content: Content,
    pub(super) refusals: &'static [Code],
    pub(super) forbids: &'static [Code],
}

impl Operation {
    /// An operation that answers 200 `{"success":true}`. `about` is one sentence, or more.
    pub(crate) const fn new(access: Access, about: &'static str) -> Self {
        Self {
            access,
            about,
            path: None,
            query: None,
            body: None,
            body_is_optional: false,
            form: None,
            answers: &[200],
            text_at: None,
            content: Content::Enveloped {
                data: None,
                meta: None,
            },
            refusals: &[],
            forbids: &[],
        }
    }

    /// Reads these parts of the path.
    pub(crate) const fn path<T: JsonSchema>(mut self) -> Self {
        self.path = Some(schema_of::<T>);
        self
    }

    /// Reads these parameters of the query.
    pub(crate) const fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(schema_of::<T>);
        self
    }

    /// Reads this body.
    pub(crate) const fn body<T: JsonSchema>(mut self) -> Self {
        self.body = Some(schema_of::<T>);
        self
    }

    /// Reads this body, where there is one.
    pub(crate) const fn optional_body<T: JsonSchema>(mut self) -> Self {
        self.body_is_optional = true;
        self.body::<T>()
    }

    /// Reads this in place of the body, where it is a form.
    pub(crate) const fn form<T: JsonSchema>(mut self) -> Self {
        self.form = Some(schema_of::<T>);
        self
    }

    /// Answers with this `data`.
    pub(crate) const fn data<T: JsonSchema>(mut self) -> Self {
        self.content = Content::Enveloped {
            data: Some(schema_of::<T>),
            meta: None,
        };
        self
    }

    /// Answers with this `data`, and this `meta` beside it.
    pub(crate) const fn page<T: JsonSchema, M: JsonSchema>(mut self) -> Self {
        self.content = Content::Enveloped {
            data: Some(schema_of::<T>),
            meta: Some(schema_of::<M>),
        };
        self
    }

    /// Answers with what is not in an envelope.
    pub(crate) const fn bare(mut self, media_type: &'static str) -> Self {
        self.content = Content::Bare(media_type);
        self
    }

    /// A success has one of these statuses.
    pub(crate) const fn answers(mut self, statuses: &'static [u16]) -> Self {
        self.answers = statuses;
        self
    }

    /// The success with this status is a text, and not the content.
    pub(crate) const fn text_at(mut self, status: u16) -> Self {
        self.text_at = Some(status);
        self
    }

    /// May refuse with these codes, besides those that follow from who may ask and from what is
    /// read.
    pub(crate) const fn refuses(mut self, codes: &'static [Code]) -> Self {
        self.refusals = codes;
        self
    }

    /// May refuse with these codes by 403, whatever their own status is.
    pub(crate) const fn forbids(mut self, codes: &'static [Code]) -> Self {
        self.forbids = codes;
        self
    }

    /// Every code that a refusal may have, but for those of [`Operation::forbids`].
    pub(super) fn codes(&self) -> Vec<Code> {
        let mut codes = self.refusals.to_vec();
        match self.access {
            Access::Anyone => {}
            Access::Operator => codes.push(Code::Forbidden),
            Access::User | Access::Admin => codes.extend([
                Code::MissingToken,
                Code::InvalidToken,
                Code::TokenExpired,
                Code::AccountDisabled,
                Code::RateLimited,
            ]),
        }
        if self.access == Access::Admin {
            codes.push(Code::Forbidden);
        }
        if self.access != Access::Anyone || self.body.is_some() {
            codes.extend([Code::StorageUnavailable, Code::Internal]);
        }
        if self.path.is_some() || self.query.is_some() || self.body.is_some() {
            codes.push(Code::InvalidPayload);
        }
        if self.body.is_some() {
            codes.push(Code::PayloadTooLarge);
        }
        codes.sort_by_key(|code| code.as_str());
        codes.dedup();
        codes
    }
}
