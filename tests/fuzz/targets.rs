//! What must hold for any bytes of a peer. Called by the fuzzer, and by a seeded test that needs no
//! nightly compiler.

use std::time::{Duration, Instant};

use chatd::engineio::{Heartbeat, Output, Packet, Session, Upgrade, decode_payload};
use chatd::socketio::{self, Data, Elements, Header, Kind, check_placeholders};
use serde_json::Value;

/// A polling body: no panic, and each packet that is read is written so that it is read alike.
pub fn payload(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for packet in decode_payload(&text).flatten() {
        let mut written = String::new();
        packet.encode(&mut written);
        assert_eq!(Packet::decode(&written).as_ref(), Ok(&packet));
    }
}

/// The text of a message: no panic, and a packet's header is written so that it is read alike.
pub fn packet(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(packet) = socketio::Packet::decode(text) else {
        return;
    };
    let (kind, namespace, ack_id, attachments) = (
        packet.kind,
        packet.namespace,
        packet.ack_id,
        packet.attachments,
    );
    let mut written = Vec::new();
    Header {
        kind,
        namespace,
        ack_id,
        attachments,
    }
    .encode(&mut written);
    // Without a comma, what follows a namespace would be read as part of it.
    written.extend_from_slice(json(&packet.data).as_bytes());
    let written = String::from_utf8(written).expect("it is made of text");
    let again = socketio::Packet::decode(&written).expect("what is written can be read");
    assert_eq!(
        (again.kind, again.namespace, again.ack_id, again.attachments),
        (kind, namespace, ack_id, attachments)
    );
    assert_eq!(json(&again.data), json(&packet.data));
    if let (Kind::Event, Data::Array(elements)) = (packet.kind, packet.data) {
        drop(socketio::Event::parse(elements));
    }
}

/// What a packet carries, without white space between its elements.
fn json(data: &Data<'_>) -> String {
    match data {
        Data::Nothing => String::new(),
        Data::Object(object) => object.get().to_owned(),
        Data::Array(elements) => {
            serde_json::to_string(&elements.0[..]).expect("what was read can be written")
        }
    }
}

/// Placeholders: what the walk without recursion says is what a reader of values says, where that
/// can read at all.
pub fn attachments(bytes: &[u8]) {
    let Some((count, json)) = bytes.split_first() else {
        return;
    };
    let Ok(json) = std::str::from_utf8(json) else {
        return;
    };
    let Ok(elements) = serde_json::from_str::<Elements<'_>>(json) else {
        return;
    };
    let count = usize::from(count % 11);
    let walked = check_placeholders(&elements, count).is_ok();
    if let Ok(value) = serde_json::from_str::<Value>(json) {
        assert_eq!(walked, names_attachments(&value, count), "{json}");
    }
}

fn names_attachments(value: &Value, count: usize) -> bool {
    match value {
        Value::Array(values) => values.iter().all(|value| names_attachments(value, count)),
        Value::Object(members) if members.get("_placeholder") == Some(&Value::Bool(true)) => {
            let num = members.get("num").and_then(Value::as_u64);
            num.is_some_and(|num| num < count as u64)
                && members
                    .values()
                    .all(|value| names_attachments(value, count))
        }
        Value::Object(members) => members
            .values()
            .all(|value| names_attachments(value, count)),
        _ => true,
    }
}

/// A session under any order of packets, silences and upgrades: it says once that it is over, and
/// nothing after that.
pub fn session(bytes: &[u8]) {
    let heartbeat = Heartbeat {
        interval: Duration::from_secs(25),
        timeout: Duration::from_secs(20),
    };
    let start = Instant::now();
    let mut upgrade = if bytes.first().is_some_and(|byte| byte % 2 == 1) {
        Upgrade::WebSocket
    } else {
        Upgrade::Polling
    };
    let mut session = Session::open(start, heartbeat, 10_000);
    let (mut now, mut over) = (start, false);
    for byte in bytes {
        let packet = || match byte >> 4 {
            0 => Packet::Open("{}"),
            1 => Packet::Close,
            2 => Packet::Ping,
            3 => Packet::PingProbe,
            4 => Packet::Pong,
            5 => Packet::PongProbe,
            6 => Packet::Upgrade,
            7 => Packet::Noop,
            _ => Packet::Message("x"),
        };
        let output = match byte & 7 {
            0..=2 => session.handle_packet(now, packet()),
            3 => {
                now += Duration::from_secs(u64::from(byte >> 3));
                session.handle_timeout(now)
            }
            4 => {
                now = now.max(session.deadline());
                session.handle_timeout(now)
            }
            5 => {
                let may = upgrade.begin();
                assert_eq!(may, upgrade.is_probing() && may);
                Output::None
            }
            6 => {
                upgrade.hear(&packet(), session.is_over());
                Output::None
            }
            _ => {
                upgrade.give_up();
                assert!(!upgrade.is_probing());
                Output::None
            }
        };
        if over {
            assert_eq!((output, session.is_over()), (Output::None, true));
        } else if let Output::Closed(_) = output {
            over = true;
        }
        assert_eq!(over, session.is_over());
    }
}
