//! What a token is for, as far as its issuer says so: only tokens that let a person in are
//! accepted.
//!
//! Issuers sign refresh tokens, password resets and e-mail confirmations by the same key as access
//! tokens, and each says in its own way what such a token is for. What operators ask for by name
//! (`--jwt-claim`, `--jwt-audience`) is judged by that alone.

use serde_json::{Map, Value};

use super::fault::TokenFault;

/// Claims by which issuers tell access tokens from others, and nothing else: Cognito, SimpleJWT,
/// Keycloak, Guardian.
const KIND_CLAIMS: [&str; 6] = [
    "token_type",
    "token_use",
    "tokenType",
    "tokenUse",
    "token_kind",
    "typ",
];
/// What they say of an access token.
const ACCESS: [&str; 7] = [
    "access",
    "access_token",
    "bearer",
    "sliding",
    "jwt",
    "at+jwt",
    "urn:ietf:params:oauth:token-type:access_token",
];

/// Claims by which issuers say what a token is for, among much else that they may mean; without
/// case and separators.
const PURPOSE_CLAIMS: [&str; 14] = [
    "type",
    "purpose",
    "tokenpurpose",
    "use",
    "usage",
    "tokenusage",
    "usedfor",
    "action",
    "intent",
    "kind",
    "flow",
    "operation",
    "requesttype",
    "audience",
];
/// Those of them that say nothing else: there a bare `email` or `password` is a purpose too.
const PLAIN_PURPOSE_CLAIMS: [&str; 5] = ["purpose", "tokenpurpose", "usedfor", "action", "intent"];
/// Claims whose words are what a token may be used for: one that may be used for something else too
/// is let in.
const SCOPE_CLAIMS: [&str; 3] = ["scope", "scp", "scopes"];
/// Words of purposes that are not to be let in.
const OTHER_PURPOSES: [&str; 46] = [
    "refresh",
    "reset",
    "resets",
    "resetting",
    "forgot",
    "forgotten",
    "forget",
    "lost",
    "recover",
    "recovery",
    "restore",
    "redefinition",
    "verify",
    "verification",
    "validate",
    "validation",
    "confirm",
    "confirmation",
    "activate",
    "activation",
    "invite",
    "invitation",
    "registration",
    "logout",
    "signout",
    "unsubscribe",
    "otp",
    "totp",
    "mfa",
    "2fa",
    "tfa",
    "twofactor",
    "multifactor",
    "challenge",
    "preauth",
    "pending",
    "magic",
    "magiclink",
    "passwordless",
    "change",
    "delete",
    "deletion",
    "unlock",
    "download",
    "csrf",
    "xsrf",
];
/// Purposes whose words are harmless by themselves.
const OTHER_WHOLE: [&str; 7] = [
    "id",
    "idtoken",
    "emailtoken",
    "temptoken",
    "temporarytoken",
    "authcode",
    "authorizationcode",
];
/// Names of claims that only such tokens have, whatever they hold but `false`: `password_reset`.
const TELLING_NAMES: [&str; 2] = ["reset", "forgot"];
/// Names of claims that tell such a token where they are `true`: `isRefreshToken`. Others hold one.
const TELLING_FLAGS: [&str; 2] = ["refresh", "recovery"];
/// What a purpose is about, and says nothing of it.
const ABOUT: [&str; 12] = [
    "token", "password", "passwd", "pwd", "email", "mail", "account", "user", "phone", "link",
    "jwt", "is",
];

/// Refuses what is no access token as far as issuers say so, but for claims of which `is_asked`
/// knows.
pub(super) fn check(
    claims: &Map<String, Value>,
    is_asked: impl Fn(&str) -> bool,
) -> Result<(), TokenFault> {
    let present = claims.iter().filter(|(_, value)| !value.is_null());
    for (name, value) in present.filter(|(name, _)| !is_asked(name)) {
        if let Some(kind) = KIND_CLAIMS.into_iter().find(|kind| kind == name) {
            let text = value.as_str().unwrap_or_default().to_ascii_lowercase();
            if !ACCESS.contains(&&*text) {
                return Err(TokenFault::Purpose(kind.into()));
            }
        }
        if says_another_purpose(name, value) {
            return Err(TokenFault::Purpose(name.as_str().into()));
        }
        match name.as_str() {
            "events" => return Err(TokenFault::Event),
            "cnf" => return Err(TokenFault::Bound),
            _ => {}
        }
    }
    Ok(())
}

/// Returns whether a claim says that its token is for something else than letting a person in.
fn says_another_purpose(name: &str, value: &Value) -> bool {
    let plain: String = words(name).concat();
    let texts = || -> Vec<&str> {
        match value {
            Value::String(text) => vec![text],
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    };
    if SCOPE_CLAIMS.contains(&&*plain) {
        let texts = texts();
        let mut scopes = texts
            .iter()
            .flat_map(|text| text.split_whitespace())
            .peekable();
        return scopes.peek().is_some() && scopes.all(is_other_purpose);
    }
    if name == "aud" {
        // The name of a service may have any words in it.
        return texts()
            .into_iter()
            .any(|text| !text.contains("://") && is_other_purpose(text));
    }
    if PURPOSE_CLAIMS.contains(&&*plain) {
        let is_plain = PLAIN_PURPOSE_CLAIMS.contains(&&*plain);
        let is_bare =
            |text: &str| is_plain && matches!(&*text.to_ascii_lowercase(), "email" | "password");
        return texts()
            .into_iter()
            .any(|text| is_other_purpose(text) || is_bare(text));
    }
    let name = core(&plain);
    TELLING_NAMES.contains(&name) && *value != Value::Bool(false)
        || TELLING_FLAGS.contains(&name) && *value == Value::Bool(true)
}

/// Returns whether one of the words of a purpose is of another than letting somebody in:
/// `password-reset`, `refreshToken`, `forgotpassword`.
fn is_other_purpose(text: &str) -> bool {
    let words = words(text);
    let whole = words.concat();
    OTHER_WHOLE.contains(&&*whole)
        || OTHER_PURPOSES.contains(&core(&whole))
        || words
            .iter()
            .any(|word| OTHER_PURPOSES.contains(&core(word)))
}

/// The words of a text in camel case or with separators, in lower case.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for character in text.chars() {
        if !character.is_ascii_alphanumeric() || (was_lower && character.is_ascii_uppercase()) {
            words.push(String::new());
        }
        if character.is_ascii_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(character.to_ascii_lowercase());
        }
        was_lower = character.is_ascii_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A word without what it is about at its ends: `reset` of `resetpasswordtoken`.
fn core(mut word: &str) -> &str {
    loop {
        let shorter = ABOUT
            .into_iter()
            .find_map(|about| word.strip_suffix(about).or(word.strip_prefix(about)));
        match shorter {
            Some(shorter) if !shorter.is_empty() => word = shorter,
            _ => return word,
        }
    }
}
