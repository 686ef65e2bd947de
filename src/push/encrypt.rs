//! Messages to browsers, encrypted as RFC 8291 says: in one record of `aes128gcm` (RFC 8188), under
//! a key that only the browser and the message share. The push service between them reads nothing.

use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::{PublicKey, SecretKey};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};

/// What fits into the one record that a push service takes: 4,096 bytes without the header, the
/// delimiter and the tag (RFC 8291, section 4).
pub(super) const MAX_PLAINTEXT_BYTES: usize = 3_993;
/// 4,096 bytes: what every push service takes (RFC 8030, section 7.2).
const RECORD_BYTES: u32 = 4_096;
/// The delimiter that ends the last record before its padding.
const LAST_RECORD: u8 = 2;

/// Why a message could not be encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncryptError {
    /// The browser's key is no point of P-256.
    #[error("keys.p256dh is no uncompressed point of P-256")]
    Point,
    /// The message is too long.
    #[error("the message has more than {MAX_PLAINTEXT_BYTES} bytes")]
    TooLong,
    /// The cipher failed.
    #[error("the cipher failed")]
    Cipher,
}

impl From<ring::error::Unspecified> for EncryptError {
    fn from(_: ring::error::Unspecified) -> Self {
        Self::Cipher
    }
}

/// Checks that these bytes are a public key.
pub(super) fn check_point(p256dh: &[u8]) -> Result<(), EncryptError> {
    let point = PublicKey::from_sec1_bytes(p256dh);
    point.map(drop).map_err(|_| EncryptError::Point)
}

/// Returns a secret key that nobody else has.
pub(super) fn fresh_key() -> SecretKey {
    loop {
        let bytes: [u8; 32] = rand::random();
        // All but one of 2^32 are one.
        if let Ok(key) = SecretKey::from_slice(&bytes) {
            return key;
        }
    }
}

/// Encrypts a message for a browser with these keys, padded so that it has at least `padded` bytes:
/// its length says less then.
pub(super) fn encrypt(
    (p256dh, auth): (&[u8; 65], &[u8; 16]),
    plaintext: &[u8],
    padded: usize,
) -> Result<Vec<u8>, EncryptError> {
    encrypt_with(
        (p256dh, auth),
        plaintext,
        padded,
        &fresh_key(),
        rand::random(),
    )
}

/// Likewise, with a given key and salt.
fn encrypt_with(
    (p256dh, auth): (&[u8; 65], &[u8; 16]),
    plaintext: &[u8],
    padded: usize,
    own: &SecretKey,
    salt: [u8; 16],
) -> Result<Vec<u8>, EncryptError> {
    if plaintext.len() > MAX_PLAINTEXT_BYTES {
        return Err(EncryptError::TooLong);
    }
    let browser = PublicKey::from_sec1_bytes(p256dh).map_err(|_| EncryptError::Point)?;
    let shared = p256::ecdh::diffie_hellman(own.to_nonzero_scalar(), browser.as_affine());
    let own_public = own.public_key().to_encoded_point(false);
    let own_public = own_public.as_bytes();
    let secret = Salt::new(HKDF_SHA256, auth).extract(shared.raw_secret_bytes());
    let info = [b"WebPush: info\0".as_slice(), p256dh, own_public];
    let ikm: [u8; 32] = expanded(&secret, &info)?;
    let padding = padded
        .min(MAX_PLAINTEXT_BYTES)
        .saturating_sub(plaintext.len());
    seal(&ikm, salt, own_public, plaintext, padding)
}

/// Seals a text in one record of `aes128gcm` (RFC 8188, section 2), with its header before it.
fn seal(
    ikm: &[u8],
    salt: [u8; 16],
    key_id: &[u8],
    plaintext: &[u8],
    padding: usize,
) -> Result<Vec<u8>, EncryptError> {
    let secret = Salt::new(HKDF_SHA256, &salt).extract(ikm);
    let key: [u8; 16] = expanded(&secret, &[b"Content-Encoding: aes128gcm\0"])?;
    let nonce: [u8; 12] = expanded(&secret, &[b"Content-Encoding: nonce\0"])?;
    let mut record = Vec::with_capacity(plaintext.len() + 1 + padding + AES_128_GCM.tag_len());
    record.extend_from_slice(plaintext);
    record.push(LAST_RECORD);
    record.resize(record.len() + padding, 0);
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key)?);
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, Aad::empty(), &mut record)?;
    let id_bytes = u8::try_from(key_id.len()).map_err(|_| EncryptError::Cipher)?;
    let mut out = Vec::with_capacity(salt.len() + 5 + key_id.len() + record.len());
    out.extend_from_slice(&salt);
    out.extend_from_slice(&RECORD_BYTES.to_be_bytes());
    out.push(id_bytes);
    out.extend_from_slice(key_id);
    out.append(&mut record);
    Ok(out)
}

/// So many bytes of a key.
#[derive(Debug, Clone, Copy)]
struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

fn expanded<const N: usize>(secret: &Prk, info: &[&[u8]]) -> Result<[u8; N], EncryptError> {
    let mut out = [0; N];
    secret.expand(info, Bytes(N))?.fill(&mut out)?;
    Ok(out)
}

#[cfg(test)]
pub(super) mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::*;

    pub(in crate::push) fn bytes(text: &str) -> Vec<u8> {
        BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    /// Opens a message as a browser does.
    pub(in crate::push) fn open(own: &SecretKey, auth: &[u8; 16], message: &[u8]) -> Vec<u8> {
        let (salt, sender, record) = (&message[..16], &message[21..86], &message[86..]);
        assert_eq!(message[16..21], [0, 0, 16, 0, 65]);
        let sender_key = PublicKey::from_sec1_bytes(sender).unwrap();
        let shared = p256::ecdh::diffie_hellman(own.to_nonzero_scalar(), sender_key.as_affine());
        let public = own.public_key().to_encoded_point(false);
        let secret = Salt::new(HKDF_SHA256, auth).extract(shared.raw_secret_bytes());
        let info = [b"WebPush: info\0".as_slice(), public.as_bytes(), sender];
        let ikm: [u8; 32] = expanded(&secret, &info).unwrap();
        let secret = Salt::new(HKDF_SHA256, salt).extract(&ikm);
        let key: [u8; 16] = expanded(&secret, &[b"Content-Encoding: aes128gcm\0"]).unwrap();
        let nonce: [u8; 12] = expanded(&secret, &[b"Content-Encoding: nonce\0"]).unwrap();
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
        let mut record = record.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = key.open_in_place(nonce, Aad::empty(), &mut record).unwrap();
        let end = opened.iter().rposition(|byte| *byte != 0).unwrap();
        assert_eq!(opened[end], LAST_RECORD);
        opened[..end].to_vec()
    }

    /// RFC 8188, section 3.1.
    #[test]
    fn a_record_is_sealed_as_in_the_example_of_rfc_8188() {
        let (ikm, salt) = (
            bytes("yqdlZ-tYemfogSmv7Ws5PQ"),
            bytes("I1BsxtFttlv3u_Oo94xnmw"),
        );
        let sealed = seal(&ikm, salt.try_into().unwrap(), b"", b"I am the walrus", 0).unwrap();
        let wanted = "I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-ly8Thjg";
        assert_eq!(sealed, bytes(wanted));
    }

    /// RFC 8291, section 5 and appendix A.
    #[test]
    fn a_message_is_encrypted_as_in_the_example_of_rfc_8291() {
        let browser = bytes(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        );
        let auth = bytes("BTBZMqHH6r4Tts7J_aSIgg").try_into().unwrap();
        let own =
            SecretKey::from_slice(&bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")).unwrap();
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let plaintext = b"When I grow up, I want to be a watermelon";
        let keys = (&browser.try_into().unwrap(), &auth);
        let message = encrypt_with(keys, plaintext, 0, &own, salt).unwrap();
        let wanted = bytes(
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
        );
        assert_eq!(message, wanted);
        let own =
            SecretKey::from_slice(&bytes("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")).unwrap();
        assert_eq!(open(&own, &auth, &message), plaintext);
    }

    #[test]
    fn the_longest_message_fills_what_a_push_service_takes_and_a_longer_one_is_refused() {
        let (own, auth) = (fresh_key(), [7; 16]);
        let public = own.public_key().to_encoded_point(false);
        let public: [u8; 65] = public.as_bytes().try_into().unwrap();
        let longest = vec![b'a'; MAX_PLAINTEXT_BYTES];
        let message = encrypt((&public, &auth), &longest, 9_000).unwrap();
        assert_eq!(message.len(), 4_096);
        assert_eq!(open(&own, &auth, &message), longest);
        let padded = encrypt((&public, &auth), b"hi", 256).unwrap();
        assert_eq!(padded.len(), 86 + 256 + 1 + 16);
        assert_eq!(open(&own, &auth, &padded), b"hi");
        let longer = [&longest[..], b"a"].concat();
        assert_eq!(
            encrypt((&public, &auth), &longer, 0),
            Err(EncryptError::TooLong)
        );
    }

    #[test]
    fn what_is_no_point_is_no_key() {
        let mut point = [4; 65];
        assert_eq!(check_point(&point), Err(EncryptError::Point));
        point = fresh_key()
            .public_key()
            .to_encoded_point(false)
            .as_bytes()
            .try_into()
            .unwrap();
        assert_eq!(check_point(&point), Ok(()));
        point[64] ^= 1;
        assert_eq!(
            check_point(&point),
            Err(EncryptError::Point),
            "beside the curve"
        );
        assert_eq!(
            check_point(&[0]),
            Err(EncryptError::Point),
            "the point at infinity"
        );
    }
}
