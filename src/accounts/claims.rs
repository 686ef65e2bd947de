//! What a token of another system says: its header and its claims, read as strictly as RFC 7515,
//! 7519 and 8725 ask.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::fault::TokenFault;
use super::purpose;
use crate::model::{MAX_SUBJECT_BYTES, Name, Timestamp, Username, Whom, check_avatar};

/// The types of an access token (RFC 7519, section 5.1; RFC 9068, section 2.1), without
/// `application/`.
const TYPES: [&str; 3] = ["jwt", "at+jwt", "jose"];

/// A claim and the value that it must have: `NAME=VALUE`.
///
/// A name is looked for as it is, and then as a path (`realm_access.roles`). A list fits where the
/// value is among it, and a `scope` where the value is one of its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRule {
    name: String,
    value: String,
}

/// A text that is no `NAME=VALUE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give the name of a claim and its value, such as token_use=access")]
pub struct ClaimRuleError;

impl FromStr for ClaimRule {
    type Err = ClaimRuleError;

    fn from_str(text: &str) -> Result<Self, ClaimRuleError> {
        match text.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => Ok(Self {
                name: name.trim().to_owned(),
                value: value.trim().to_owned(),
            }),
            _ => Err(ClaimRuleError),
        }
    }
}

impl ClaimRule {
    /// The claim's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether a token's claims are so.
    pub(super) fn fits(&self, claims: &Claims) -> bool {
        match claims.find(&self.name) {
            Some(Value::Array(values)) => values.iter().any(|value| self.is_value(value)),
            Some(Value::String(words)) if matches!(self.name.as_str(), "scope" | "scp") => {
                words.split(' ').any(|word| word == self.value) || *words == self.value
            }
            Some(value) => self.is_value(value),
            None => false,
        }
    }

    fn is_value(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => *text == self.value,
            Value::Number(number) => number.to_string() == self.value,
            Value::Bool(is) => is.to_string() == self.value,
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        }
    }
}

/// A JSON object of which no name stands twice: two readers could take different ones.
struct Unique(Map<String, Value>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Unique;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with unique names")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut entries: M) -> Result<Unique, M::Error> {
                let mut map = Map::new();
                while let Some((name, value)) = entries.next_entry::<String, Value>()? {
                    if map.insert(name, value).is_some() {
                        return Err(M::Error::custom("a name stands twice"));
                    }
                }
                Ok(Unique(map))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

/// One part of a token as a JSON object.
fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).ok()?;
    let Unique(map) = serde_json::from_slice(&bytes).ok()?;
    Some(map)
}

/// A token in its parts, nothing of it checked yet.
pub(super) struct Parts<'a> {
    /// What is signed.
    pub(super) message: &'a str,
    pub(super) signature: &'a str,
    header: &'a str,
    claims: &'a str,
}

impl<'a> Parts<'a> {
    pub(super) fn of(token: &'a str) -> Result<Self, TokenFault> {
        let mut parts = token.split('.');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(header), Some(claims), Some(signature), None) => Ok(Self {
                message: &token[..header.len() + 1 + claims.len()],
                signature,
                header,
                claims,
            }),
            _ => Err(TokenFault::Parts),
        }
    }

    pub(super) fn header(&self) -> Result<Header, TokenFault> {
        Header::read(&object(self.header).ok_or(TokenFault::Header)?)
    }

    /// To be read after the signature was checked.
    pub(super) fn claims(&self) -> Result<Claims, TokenFault> {
        object(self.claims).map(Claims).ok_or(TokenFault::Claims)
    }
}

/// Which key is to be tried. Keys that a header brings or links to (`jwk`, `jku`, `x5c`, `x5u`) are
/// nothing to us.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    /// Told only once the signature holds.
    fault: Option<TokenFault>,
}

impl Header {
    fn read(header: &Map<String, Value>) -> Result<Self, TokenFault> {
        let text = |name: &str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(TokenFault::Header),
        };
        let algorithm = text("alg")?.ok_or(TokenFault::Header)?;
        if header.contains_key("crit") || header.get("b64").is_some_and(|b64| *b64 != true) {
            return Err(TokenFault::Extension);
        }
        let kind = |name: &str| Ok(text(name)?.map(media_type));
        if kind("cty")?.is_some_and(|cty| cty == "jwt") {
            return Err(TokenFault::Nested);
        }
        let is_access = kind("typ")?.is_none_or(|typ| TYPES.contains(&typ.as_str()));
        Ok(Self {
            algorithm: algorithm.parse().map_err(|_| TokenFault::Algorithm)?,
            kid: text("kid")?.map(str::to_owned),
            fault: (!is_access).then_some(TokenFault::Type),
        })
    }

    /// What is wrong with it though it can be read.
    pub(super) fn check(self) -> Result<(), TokenFault> {
        self.fault.map_or(Ok(()), Err)
    }
}

/// A media type as RFC 7515, section 4.1.9, writes it: `application/` may be left out.
fn media_type(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    match lower.strip_prefix("application/") {
        Some(short) if !short.contains('/') => short.to_owned(),
        _ => lower,
    }
}

/// The claims of a token whose signature holds.
#[derive(Debug)]
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    /// A claim; one that is null counts as absent.
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A claim by its name, or by a path (`realm_access.roles`) where none has that name.
    fn find(&self, name: &str) -> Option<&Value> {
        let found = match self.0.get(name) {
            None => {
                let mut path = name.split('.');
                let first = path.next().and_then(|name| self.0.get(name));
                path.fold(first, |claim, name| claim?.get(name))
            }
            claim => claim,
        };
        found.filter(|value| !value.is_null())
    }

    /// Returns which of these issuers it is of, each compared byte for byte.
    pub(super) fn issuer_among(&self, issuers: &[Arc<str>]) -> Result<usize, TokenFault> {
        let Some(Value::String(iss)) = self.get("iss") else {
            return Err(TokenFault::Issuer);
        };
        let place = issuers.iter().position(|issuer| **issuer == **iss);
        place.ok_or(TokenFault::Issuer)
    }

    /// Checks that one of these audiences is its own, or among a list of texts.
    pub(super) fn check_audience(&self, audiences: &[String]) -> Result<(), TokenFault> {
        let is_ours = |aud: &Value| audiences.iter().any(|audience| aud == audience);
        let fits = match self.get("aud") {
            Some(aud @ Value::String(_)) => is_ours(aud),
            Some(Value::Array(all)) => all.iter().all(Value::is_string) && all.iter().any(is_ours),
            _ => false,
        };
        if fits {
            Ok(())
        } else {
            Err(TokenFault::Audience)
        }
    }

    /// Refuses what is no access token: see [`purpose`].
    pub(super) fn check_purpose(&self, is_asked: impl Fn(&str) -> bool) -> Result<(), TokenFault> {
        purpose::check(&self.0, is_asked)
    }

    /// A NumericDate: seconds, perhaps with a fraction.
    pub(super) fn time(&self, name: &'static str) -> Result<Option<Timestamp>, TokenFault> {
        let number = match self.get(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number,
            Some(_) => return Err(TokenFault::Time(name)),
        };
        let ms = match number.as_u64() {
            Some(secs) => secs.saturating_mul(1_000),
            // A cast of a float ends at the bounds of what it is cast to.
            None => (number.as_f64().ok_or(TokenFault::Time(name))? * 1_000.0) as u64,
        };
        Ok(Some(Timestamp::from_ms(ms)))
    }

    /// Returns whose it is: what the claim of this name says, else `sub`, else `user_id`, else
    /// `id`; the first that is there counts. A number is written in digits.
    pub(super) fn subject(&self, claim: Option<&str>) -> Result<String, TokenFault> {
        let names = match claim {
            Some(name) => &[name][..],
            None => &["sub", "user_id", "id"],
        };
        let (name, value) = names
            .iter()
            .find_map(|name| Some((*name, self.find(name)?)))
            .ok_or_else(|| TokenFault::NoSubject(names.join(", ").into()))?;
        let text = match value {
            Value::String(text) => Some(text.clone()),
            // Zero is what programs have where no user is meant. One with a fraction may have lost
            // digits.
            Value::Number(number) => number
                .as_u64()
                .filter(|number| *number > 0)
                .map(|number| number.to_string()),
            _ => None,
        };
        text.filter(|text| (1..=MAX_SUBJECT_BYTES).contains(&text.len()))
            .ok_or_else(|| TokenFault::Subject(name.into()))
    }

    /// The name to be shown: that of the claim `name`, else as the account is to be called.
    pub(super) fn shown_name(&self) -> Option<Name> {
        ["name", "username", "preferred_username"]
            .into_iter()
            .filter_map(|name| self.get(name)?.as_str())
            .find_map(|text| Name::parse(text).ok())
    }

    /// What to call the account, if it says something that can be a username.
    pub(super) fn username(&self, whom: &Whom) -> Option<Username> {
        let name = |text| match whom {
            Whom::Id(id) => Username::foreign_of(text, *id),
            Whom::Subject(_) => Username::foreign(text),
        };
        ["username", "preferred_username", "name"]
            .into_iter()
            .filter_map(|name| self.get(name)?.as_str())
            .find_map(|text| name(text).ok())
    }

    /// The picture: `None` where nothing is said of one, `Some(None)` where there is to be none.
    pub(super) fn picture(&self) -> Option<Option<String>> {
        let claims = || {
            ["avatar", "picture"]
                .into_iter()
                .filter_map(|name| self.0.get(name))
        };
        let mut urls = claims().filter_map(Value::as_str);
        let picture = urls.find(|url| check_avatar(url).is_ok());
        let is_none = |claim: &Value| claim.is_null() || claim == "";
        match picture {
            Some(url) => Some(Some(url.to_owned())),
            None if claims().any(is_none) => Some(None),
            None => None,
        }
    }
}
