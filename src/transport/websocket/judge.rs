//! What a client's messages, and the errors of reading them, come to.

use std::io;
use std::time::Instant;

use tokio_tungstenite::tungstenite;

use super::task::Phase;
use crate::engineio::{CloseReason, Packet, ProbeOutput};
use crate::transport::live::Live;

/// Sent with a close: the message is larger than the limit.
const TOO_BIG: u16 = 1_009;
/// Sent with a close: text that is no UTF-8.
const NOT_UTF8: u16 = 1_007;
/// Sent with a close: more packets or frames than any client needs.
const POLICY: u16 = 1_008;
/// Sent with a close: frames against RFC 6455.
const PROTOCOL_ERROR: u16 = 1_002;
/// Sent with a close: there is no room for such a message at the moment.
pub(super) const TRY_AGAIN_LATER: u16 = 1_013;

/// The outcome of a turn's reading.
pub(super) enum Read {
    /// Nothing more for now.
    Pending,
    /// More, after others had their turn.
    Yield,
    /// The client is gone without a word.
    Gone(CloseReason),
    /// The client closed by a close frame, whose answer is on its way.
    Closed,
    /// This side is to close, with this close code.
    Close(CloseReason, Option<u16>),
}

/// The outcome of one message.
pub(super) enum Step {
    On,
    Answer(Packet<'static>),
    Over(Read),
}

/// Acts on one message of the client, which was read at this moment.
pub(super) fn act(
    live: &Live,
    phase: &mut Phase,
    now: Instant,
    message: &tungstenite::Message,
) -> Step {
    let packet = match message {
        tungstenite::Message::Text(text) => Packet::decode(text),
        tungstenite::Message::Binary(bytes) => Ok(Packet::Binary(bytes.as_ref().into())),
        tungstenite::Message::Close(_) => return Step::Over(Read::Closed),
        _ => return Step::On,
    };
    match (*phase, packet) {
        (Phase::Open, Ok(packet)) => match live.receive(now, packet) {
            Ok(()) => Step::On,
            Err(CloseReason::Flood) => Step::Over(flooded()),
            Err(reason) => Step::Over(Read::Close(reason, None)),
        },
        (Phase::Probing, Ok(packet)) => match live.hear_probe(&packet) {
            ProbeOutput::Answer => Step::Answer(Packet::PongProbe),
            ProbeOutput::Upgraded => {
                *phase = Phase::Open;
                Step::On
            }
            ProbeOutput::Refuse => Step::Over(Read::Close(CloseReason::TransportError, None)),
        },
        (_, Err(error)) => {
            tracing::debug!(%error, "a client sent what is no packet");
            Step::Over(Read::Close(CloseReason::ParseError, None))
        }
        (Phase::Refused | Phase::Closing, _) => Step::On,
    }
}

/// Returns what an error of tungstenite's comes to.
pub(super) fn over(error: &tungstenite::Error) -> Read {
    match error {
        tungstenite::Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock => Read::Pending,
        tungstenite::Error::Io(_) => Read::Gone(CloseReason::TransportError),
        tungstenite::Error::ConnectionClosed
        | tungstenite::Error::AlreadyClosed
        | tungstenite::Error::Protocol(
            tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        ) => Read::Gone(CloseReason::TransportClose),
        tungstenite::Error::Capacity(_) => Read::Close(CloseReason::TransportError, Some(TOO_BIG)),
        tungstenite::Error::Utf8(_) => Read::Close(CloseReason::TransportError, Some(NOT_UTF8)),
        _ => Read::Close(CloseReason::TransportError, Some(PROTOCOL_ERROR)),
    }
}

/// Returns what a client that sends too many packets or frames comes to.
pub(super) fn flooded() -> Read {
    Read::Close(CloseReason::Flood, Some(POLICY))
}
