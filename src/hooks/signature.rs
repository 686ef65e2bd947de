//! Signatures as the Standard Webhooks have them,
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::model::HookSecret;

/// How a secret begins.
const OF_HOOK: &str = "whsec_";

/// Returns a secret as its receiver is given it.
pub(super) fn shown(secret: &HookSecret) -> String {
    format!("{OF_HOOK}{}", BASE64_STANDARD.encode(secret.0))
}

/// Returns the value of `webhook-signature`.
pub(super) fn sign(secret: &HookSecret, id: &str, timestamp: u64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).expect("a key may have any length");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    format!("v1,{signature}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first vector of the libraries of Standard Webhooks, with its secret of 24 bytes.
    #[test]
    fn a_signature_is_that_of_the_vector() {
        let secret = BASE64_STANDARD
            .decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            .unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
        mac.update(br#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#);
        assert_eq!(
            BASE64_STANDARD.encode(mac.finalize().into_bytes()),
            "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        let secret = HookSecret([7; 32]);
        let signature = sign(&secret, "5-1", 1_614_265_330, b"{}");
        assert!(signature.starts_with("v1,"), "{signature}");
        assert_eq!(signature.len(), 3 + 44);
        assert_ne!(signature, sign(&secret, "5-2", 1_614_265_330, b"{}"));
        assert!(shown(&secret).starts_with("whsec_BwcHBwcH"));
    }
}
