//! What a client may leave half said: bounded for one session, for all of them, and in time.

use std::sync::Arc;
use std::time::Duration;

use chatd::budget::{Pool, Portions};
use chatd::hub::{
    ConnectRequest, Connecting, DisconnectReason, Event, Handler, Io, IoConfig, Namespace, Socket,
    SocketHandler,
};
use chatd::transport::Engine;
use tokio::sync::Semaphore;

use crate::harness::fixture::{Fixture, engine_config};
use crate::harness::serve;
use crate::support::{Heard, Remote, Wire, soon};

/// Echoes events with up to two attachments, once the gate lets its socket in.
struct Echoes(Arc<Semaphore>);

impl Handler for Echoes {
    fn connect(&self, socket: &Socket, _: ConnectRequest<'_>) -> Connecting {
        let (gate, socket) = (Arc::clone(&self.0), socket.clone());
        Connecting::Later(Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            Ok(Box::new(Echo(socket)) as Box<dyn SocketHandler>)
        }))
    }

    fn max_attachments(&self) -> usize {
        2
    }
}

struct Echo(Socket);

impl SocketHandler for Echo {
    fn event(&mut self, event: Event<'_>) {
        self.0
            .emit_binary(event.name, event.args, event.attachments);
    }

    fn refused(&mut self, event: Event<'_>) {
        assert!(event.attachments.is_empty());
        self.0.emit("refused", event.args);
    }

    fn revalidate(&mut self) {
        self.0.emit("asked", &("x",));
    }

    fn disconnected(&mut self, _: DisconnectReason) {}
}

struct Server {
    remote: Remote,
    namespace: Namespace,
    pool: Pool,
    gate: Arc<Semaphore>,
}

impl Server {
    /// With so many bytes for what is half received, and so many sockets let in.
    async fn start(bytes: usize, let_in: usize, assembly_timeout: Duration) -> Self {
        let (pool, gate) = (Pool::new(bytes), Arc::new(Semaphore::new(let_in)));
        let config = IoConfig {
            assembly_timeout,
            half_received: Portions::new(pool.clone(), 0),
            ..IoConfig::default()
        };
        let handler = Echoes(Arc::clone(&gate));
        let namespace = Namespace::new("/");
        let io = Io::new(config, vec![(namespace.clone(), Arc::new(handler))]);
        let engine = Engine::new(engine_config(25_000, 20_000), Arc::new(io.clone()));
        let remote = serve(Fixture {
            port: 3000,
            engines: vec![("/socket.io/", engine)],
            hubs: vec![io],
            handshake_delay: Duration::ZERO,
        })
        .await;
        Self {
            remote,
            namespace,
            pool,
            gate,
        }
    }

    /// A session without a socket.
    async fn session(&self) -> Wire {
        let mut wire = self
            .remote
            .wire("/socket.io/?EIO=4&transport=websocket")
            .await;
        assert!(wire.text().await.starts_with("0{"));
        wire
    }

    async fn socket(&self) -> Wire {
        let mut wire = self.session().await;
        wire.say("40").await;
        assert!(wire.text().await.starts_with("40{"));
        wire
    }

    /// Waits until so many bytes are held.
    async fn holds(&self, bytes: usize) {
        soon(async {
            while self.pool.used() != bytes {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

const LONG: Duration = Duration::from_secs(600);
const TWO: &str = r#"452-["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
const THREE: &str = r#"453-["e",{"_placeholder":true,"num":0}]"#;

async fn ends(mut wire: Wire) {
    while wire.text_or_end().await.is_some() {}
}

#[tokio::test]
async fn a_binary_event_for_a_namespace_that_is_not_joined_is_not_waited_for() {
    let server = Server::start(1 << 20, 1, LONG).await;
    for packet in [TWO, THREE, r#"451-/other,["e"]"#, r#"461-0[{}]"#] {
        let mut wire = server.session().await;
        wire.say(packet).await;
        ends(wire).await;
    }
    assert_eq!(server.pool.used(), 0);
}

#[tokio::test]
async fn attachments_are_held_until_all_are_there_and_no_longer() {
    let server = Server::start(1 << 20, 1, LONG).await;
    let mut wire = server.socket().await;
    wire.say(TWO).await;
    wire.say_binary(&[7; 100]).await;
    server.holds(TWO.len() - 1 + 100).await;
    wire.say_binary(&[8]).await;
    assert_eq!(wire.hear().await, Heard::Text(TWO.to_owned()));
    assert_eq!(wire.hear().await, Heard::Binary(vec![7; 100]));
    assert_eq!(wire.hear().await, Heard::Binary(vec![8]));
    server.holds(0).await;
    wire.say(TWO).await;
    wire.say_binary(&[7; 100]).await;
    server.holds(TWO.len() - 1 + 100).await;
    drop(wire);
    server.holds(0).await;
}

#[tokio::test]
async fn more_attachments_than_are_taken_are_refused_at_once_and_dropped_as_they_come() {
    let server = Server::start(1 << 20, 2, LONG).await;
    let mut wire = server.socket().await;
    wire.say(THREE).await;
    wire.hears(r#"42["refused",{"_placeholder":true,"num":0}]"#)
        .await;
    for _ in 0..3 {
        wire.say_binary(&[7; 1_000]).await;
    }
    // An ack that nobody asked for brings nothing either.
    wire.say(r#"461-7[{"_placeholder":true,"num":0}]"#).await;
    wire.say_binary(&[7; 1_000]).await;
    wire.say(r#"42["after",1]"#).await;
    wire.hears(r#"42["after",1]"#).await;
    assert_eq!(server.pool.used(), 0);
    wire.say(THREE).await;
    wire.say(r#"42["in between"]"#).await;
    ends(wire).await;
    // One attachment more than was announced.
    let mut wire = server.socket().await;
    wire.say_binary(&[7]).await;
    ends(wire).await;
}

#[tokio::test]
async fn half_sent_events_of_all_sessions_together_have_a_bound() {
    let server = Server::start(3_000, 9, LONG).await;
    let mut first = server.socket().await;
    first.say(TWO).await;
    first.say_binary(&[7; 2_000]).await;
    let held = TWO.len() - 1 + 2_000;
    server.holds(held).await;
    for _ in 0..8 {
        let mut other = server.socket().await;
        other.say(TWO).await;
        other.say_binary(&[7; 2_000]).await;
        ends(other).await;
        server.holds(held).await;
    }
    first.say_binary(&[8]).await;
    assert_eq!(first.hear().await, Heard::Text(TWO.to_owned()));
}

#[tokio::test]
async fn an_event_whose_attachments_do_not_come_ends_its_session() {
    let server = Server::start(1 << 20, 2, Duration::from_millis(50)).await;
    let mut wire = server.socket().await;
    // One that is complete in time keeps nobody from being timed again.
    wire.say(TWO).await;
    wire.say_binary(&[7]).await;
    wire.say_binary(&[7]).await;
    for _ in 0..3 {
        wire.hear().await;
    }
    wire.say(TWO).await;
    wire.say_binary(&[7]).await;
    ends(wire).await;
    server.holds(0).await;
    let mut idle = server.socket().await;
    idle.say(r#"42["still here"]"#).await;
    idle.hears(r#"42["still here"]"#).await;
}

#[tokio::test]
async fn what_waits_for_a_connect_has_a_bound_for_one_session_and_for_all() {
    let server = Server::start(300_000, 0, LONG).await;
    let event = format!(r#"42["e","{}"]"#, "x".repeat(100_000));
    let waits = async |events: usize| {
        let mut wire = server.session().await;
        wire.say("40").await;
        for _ in 0..events {
            wire.say(&event).await;
        }
        wire
    };
    let mut first = waits(2).await;
    let held = 2 * (event.len() - 1);
    server.holds(held).await;
    // More than one session may have.
    ends(waits(3).await).await;
    server.holds(held).await;
    // More than is left.
    ends(waits(2).await).await;
    server.holds(held).await;
    server.gate.add_permits(1);
    assert!(first.text().await.starts_with("40{"));
    for _ in 0..2 {
        first.hears(&event).await;
    }
    server.holds(0).await;
}

#[tokio::test]
async fn a_session_that_connects_and_disconnects_all_the_time_is_ended() {
    let server = Server::start(1 << 20, 1_000, LONG).await;
    let mut wire = server.session().await;
    let mut connected = 0;
    for _ in 0..200 {
        wire.say("40").await;
        match wire.text_or_end().await {
            Some(text) => assert!(text.starts_with("40{"), "{text}"),
            None => break,
        }
        connected += 1;
        wire.say("41").await;
    }
    // Twenty at once, and those of the seconds that this took.
    assert!((20..200).contains(&connected), "{connected}");
}

#[tokio::test]
async fn a_session_whose_connects_are_all_refused_is_ended_and_told_why_before() {
    let server = Server::start(1 << 20, 0, LONG).await;
    let mut wire = server.session().await;
    for _ in 0..10 {
        wire.say("40/nowhere,").await;
        wire.hears(r#"44/nowhere,{"message":"Invalid namespace"}"#)
            .await;
    }
    ends(wire).await;
}

/// One who blocked and unblocked somebody in turn had each of their thousand sockets asked as often
/// whether it may stay, and nobody else had a turn until all had answered.
#[tokio::test]
async fn a_socket_that_waits_to_be_asked_is_asked_once_however_often_that_is_wanted() {
    let server = Server::start(1 << 20, 1, LONG).await;
    let mut wire = server.socket().await;
    for _ in 0..2 {
        for _ in 0..100 {
            server.namespace.revalidate_all();
        }
        assert_eq!(wire.text().await, r#"42["asked","x"]"#);
        wire.say(r#"42["e"]"#).await;
        assert_eq!(wire.text().await, r#"42["e"]"#, "it was asked once");
    }
}
