//! How push services know this server: by a token of its own for each of them (RFC 8292).

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Contact;
use crate::model::Timestamp;

/// 12 h: a token may hold for 24 h at most, by the clock of the push service.
const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);
/// 6 h: after half of that a token is made anew, so that none arrives that is about to end.
const USED_FOR: Duration = Duration::from_secs(6 * 60 * 60);
/// 64 tokens are remembered: there are some five push services.
const MAX_TOKENS: usize = 64;
/// The characters of a topic, the most that there may be (RFC 8030, section 5.4).
const TOPIC_CHARS: usize = 32;

/// The header of every token, in base64url.
const HEADER: &str = r#"{"typ":"JWT","alg":"ES256"}"#;

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
}

/// A push service, and whom it may turn to.
type Audience = (String, Option<Contact>);

/// The key by which push services know this server, and the tokens made with it.
pub(super) struct Vapid {
    signing: SigningKey,
    /// The public key, as a point that is not compressed, in base64url.
    public: String,
    /// The secret by which chats are named to push services.
    topics: [u8; 32],
    tokens: Mutex<FxHashMap<Audience, (String, Timestamp)>>,
}

impl fmt::Debug for Vapid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vapid").finish_non_exhaustive()
    }
}

impl Vapid {
    /// Takes the key of the data file. `None` for one that is none.
    pub(super) fn new(secret: &[u8; 32]) -> Option<Self> {
        let signing = SigningKey::from_slice(secret).ok()?;
        let public = signing.verifying_key().to_encoded_point(false);
        let topics = Sha256::new()
            .chain_update(b"topics of pushes")
            .chain_update(secret);
        Some(Self {
            public: BASE64_URL_SAFE_NO_PAD.encode(public.as_bytes()),
            topics: topics.finalize().into(),
            signing,
            tokens: Mutex::default(),
        })
    }

    /// The public key, to which browsers subscribe.
    pub(super) fn public(&self) -> &str {
        &self.public
    }

    /// Returns the `Authorization` for a push service, named by its origin.
    pub(super) fn authorization(
        &self,
        now: Timestamp,
        origin: &str,
        contact: Option<&Contact>,
    ) -> String {
        let audience = (origin.to_owned(), contact.cloned());
        let mut tokens = self.tokens.lock();
        // One from the future is of a clock that was put right since.
        let is_young = |made: &Timestamp| *made <= now && now < made.plus(USED_FOR);
        if let Some((token, made)) = tokens.get(&audience)
            && is_young(made)
        {
            return format!("vapid t={token}, k={}", self.public);
        }
        let token = self.sign(origin, now.plus(LIFETIME).as_secs(), contact);
        if tokens.len() >= MAX_TOKENS {
            tokens.clear();
        }
        let authorization = format!("vapid t={token}, k={}", self.public);
        tokens.insert(audience, (token, now));
        authorization
    }

    fn sign(&self, aud: &str, exp: u64, contact: Option<&Contact>) -> String {
        let sub = contact.map(Contact::to_string);
        let claims = serde_json::to_vec(&Claims { aud, exp, sub });
        let claims = claims.expect("texts and a number are valid JSON");
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!("{}.{}", encode(HEADER.as_bytes()), encode(&claims));
        let signature: Signature = self.signing.sign(signed.as_bytes());
        format!("{signed}.{}", encode(&signature.to_bytes()))
    }

    /// Returns the name of a chat of a person for push services, which keep the newest message of
    /// each topic: the same each time, and one from which nobody learns which chat it is.
    pub(super) fn topic(&self, user: u64, chat: &str) -> String {
        let hash = Sha256::new()
            .chain_update(self.topics)
            .chain_update(user.to_le_bytes())
            .chain_update(chat.as_bytes());
        let mut topic = BASE64_URL_SAFE_NO_PAD.encode(hash.finalize());
        topic.truncate(TOPIC_CHARS);
        topic
    }
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::VerifyingKey;
    use p256::ecdsa::signature::Verifier;

    use super::*;
    use crate::push::encrypt::tests::bytes;

    const NOW: Timestamp = Timestamp::from_ms(1_749_124_800_000);

    fn verify(token: &str, key: &str) -> bool {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let key = VerifyingKey::from_sec1_bytes(&bytes(key)).unwrap();
        let signature = Signature::from_slice(&bytes(signature)).unwrap();
        key.verify(signed.as_bytes(), &signature).is_ok()
    }

    /// RFC 8292, section 2.4. A signature is another each time, so ours is verified as theirs is.
    #[test]
    fn a_token_is_that_of_the_example_of_rfc_8292_but_for_its_signature() {
        let theirs = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA";
        let key = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs";
        assert!(verify(theirs, key));
        let vapid = Vapid::new(&[7; 32]).unwrap();
        let contact = "mailto:push@example.com".parse().unwrap();
        let ours = vapid.sign("https://push.example.net", 1_453_523_768, Some(&contact));
        let signed = |token: &str| token.rsplit_once('.').unwrap().0.to_owned();
        assert_eq!(signed(&ours), signed(theirs));
        assert!(verify(&ours, vapid.public()));
        assert!(!verify(&ours, key));
    }

    #[test]
    fn a_token_is_used_for_six_hours_and_only_where_it_is_meant_for() {
        let vapid = Vapid::new(&[7; 32]).unwrap();
        let contact: Contact = "mailto:push@example.com".parse().unwrap();
        let at = |now, origin: &str, contact: Option<&Contact>| {
            vapid.authorization(now, origin, contact)
        };
        let first = at(NOW, "https://a.example", Some(&contact));
        let later = NOW.plus(USED_FOR - Duration::from_millis(1));
        assert_eq!(at(later, "https://a.example", Some(&contact)), first);
        assert_ne!(at(NOW, "https://b.example", Some(&contact)), first);
        assert_ne!(at(NOW, "https://a.example", None), first);
        let renewed = at(NOW.plus(USED_FOR), "https://a.example", Some(&contact));
        assert_ne!(renewed, first);
        let back = at(NOW, "https://a.example", Some(&contact));
        assert_ne!(back, renewed, "the clock was set back");
        for number in 0..3 * MAX_TOKENS {
            at(NOW, &format!("https://{number}.example"), None);
            assert!(vapid.tokens.lock().len() <= MAX_TOKENS);
        }
    }

    #[test]
    fn the_claims_name_the_service_and_end_within_a_day() {
        let vapid = Vapid::new(&[7; 32]).unwrap();
        let text = vapid.authorization(NOW, "https://push.example.net", None);
        let token = text.strip_prefix("vapid t=").unwrap();
        let (token, key) = token.split_once(", k=").unwrap();
        assert_eq!(key, vapid.public());
        let claims = token.split('.').nth(1).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&bytes(claims)).unwrap();
        let exp = NOW.as_secs() + 12 * 60 * 60;
        let wanted = serde_json::json!({ "aud": "https://push.example.net", "exp": exp });
        assert_eq!(claims, wanted);
    }

    #[test]
    fn a_topic_is_the_same_each_time_and_another_for_everyone_else() {
        let vapid = Vapid::new(&[7; 32]).unwrap();
        let topic = vapid.topic(1, "user-2");
        assert_eq!((topic.len(), vapid.topic(1, "user-2")), (32, topic.clone()));
        let other = Vapid::new(&[8; 32]).unwrap();
        for another in [
            vapid.topic(2, "user-2"),
            vapid.topic(1, "room-2"),
            other.topic(1, "user-2"),
        ] {
            assert_ne!(another, topic);
        }
        assert!(Vapid::new(&[0; 32]).is_none() && Vapid::new(&[255; 32]).is_none());
    }
}
