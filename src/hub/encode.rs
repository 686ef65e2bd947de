//! Outgoing packets as frames, encoded once.

use bytes::Bytes;
use serde::Serialize;

use crate::json;
use crate::socketio::{Header, Kind};
use crate::transport::Frame;

/// A packet as the frames that carry it: the text first, then its attachments.
pub(super) fn frames(text: Frame, attachments: &[Bytes]) -> impl Iterator<Item = Frame> {
    std::iter::once(text).chain(attachments.iter().map(|bytes| Frame::binary(bytes)))
}

/// An event. `args` must be written as a JSON array (a tuple, a slice); `name` goes in before its
/// elements.
pub(super) fn event<A: Serialize + ?Sized>(
    namespace: &str,
    name: &str,
    args: &A,
    ack_id: Option<u64>,
    attachments: usize,
) -> Result<Frame, serde_json::Error> {
    let mut result = Ok(());
    let frame = Frame::message(|out| {
        Header {
            kind: Kind::Event,
            namespace,
            ack_id,
            attachments,
        }
        .encode(out);
        result = write_event(out, name, args);
    });
    result.map(|()| frame)
}

fn write_event<A: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    name: &str,
    args: &A,
) -> Result<(), serde_json::Error> {
    out.push(b'[');
    json::write(out, name)?;
    let start = out.len();
    json::write(out, args)?;
    // `["name"` and `[a,b]` become `["name",a,b]`: the second bracket turns into a comma.
    match &out[start..] {
        b"[]" => {
            out.truncate(start);
            out.push(b']');
        }
        [b'[', ..] => out[start] = b',',
        _ => {
            return Err(serde::ser::Error::custom(
                "the arguments of an event are no array",
            ));
        }
    }
    Ok(())
}

/// An ack. `args` as for [`event`].
pub(super) fn ack<A: Serialize + ?Sized>(
    namespace: &str,
    id: u64,
    args: &A,
    attachments: usize,
) -> Result<Frame, serde_json::Error> {
    packet(
        Header {
            kind: Kind::Ack,
            namespace,
            ack_id: Some(id),
            attachments,
        },
        Some(args),
    )
}

/// Any other packet, with data or without.
pub(super) fn packet<D: Serialize + ?Sized>(
    header: Header<'_>,
    data: Option<&D>,
) -> Result<Frame, serde_json::Error> {
    let mut result = Ok(());
    let frame = Frame::message(|out| {
        header.encode(out);
        if let Some(data) = data {
            result = json::write(out, data);
        }
    });
    result.map(|()| frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socketio::Placeholder;

    fn text(frame: Result<Frame, serde_json::Error>) -> String {
        frame.unwrap().to_text()
    }

    #[test]
    fn events_and_acks_are_written_as_the_protocol_says() {
        let none: [u8; 0] = [];
        assert_eq!(text(event("/", "hello", &none, None, 0)), r#"42["hello"]"#);
        assert_eq!(
            text(event("/", "a\"b", &(1, "x"), Some(7), 0)),
            r#"427["a\"b",1,"x"]"#
        );
        assert_eq!(
            text(event("/custom", "e", &[[1]], None, 0)),
            r#"42/custom,["e",[1]]"#
        );
        assert_eq!(
            text(event("/", "e", &[Placeholder(0)], None, 1)),
            r#"451-["e",{"_placeholder":true,"num":0}]"#
        );
        assert_eq!(text(ack("/", 12, &(true,), 0)), "4312[true]");
        assert_eq!(text(ack("/a", 0, &none, 0)), "43/a,0[]");
        let header = Header {
            kind: Kind::Disconnect,
            namespace: "/",
            ack_id: None,
            attachments: 0,
        };
        assert_eq!(text(packet::<()>(header, None)), "41");
    }

    #[test]
    fn arguments_that_are_no_array_are_refused() {
        assert!(event("/", "e", &1, None, 0).is_err());
        assert!(event("/", "e", "text", None, 0).is_err());
    }
}
