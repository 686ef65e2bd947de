//! The payload of an event: its first argument, an object.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::contract::{FieldError, Fields};

/// Reads the first argument of an event, which must be an object.
pub(super) fn payload<'a>(args: &[&'a RawValue]) -> Result<Fields<'a>, FieldError> {
    Fields::parse(args.first().ok_or(FieldError::NotAnObject)?.get())
}

/// Returns the first key of an event's payload, by name, whose value holds an attachment.
pub(super) fn binary_key(args: &[&RawValue]) -> Option<String> {
    /// More than any key of ours has.
    const LONGEST: usize = 64;
    let keys: BTreeMap<String, &RawValue> = serde_json::from_str(args.first()?.get()).ok()?;
    let is_binary = |value: &RawValue| value.get().contains("\"_placeholder\"");
    keys.into_iter()
        .find(|(key, value)| key.len() <= LONGEST && is_binary(value))
        .map(|(key, _)| key)
}
