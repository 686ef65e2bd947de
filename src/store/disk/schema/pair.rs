//! The row of a conversation of two.

use crate::model::{ConversationId, Pair, UserId};
use crate::store::error::StoreError;
use crate::store::sealed::unseal;

/// The kind byte of a conversation of two.
const PAIR: u8 = 1;

/// Returns the body of the row of a conversation of two.
pub(crate) fn encode_pair(pair: Pair) -> Vec<u8> {
    let mut value = vec![PAIR];
    for member in pair.members() {
        value.extend_from_slice(&member.get().to_le_bytes());
    }
    value
}

/// Reads such a row back, sealed as it is; `None` for a body that no chatd of this format writes.
pub(crate) fn decode_conversation(
    key: u64,
    sealed: &[u8],
) -> Result<Option<(ConversationId, Pair)>, StoreError> {
    let body = unseal("conversations", key, sealed)?;
    let member = |at: usize| {
        let bytes = body.get(at..at + 8)?.try_into().ok()?;
        UserId::new(u64::from_le_bytes(bytes)).ok()
    };
    let decode = || {
        if body.len() != 17 || body[0] != PAIR {
            return None;
        }
        Some((
            ConversationId::new(key).ok()?,
            Pair::new(member(1)?, member(9)?)?,
        ))
    };
    Ok(decode())
}
