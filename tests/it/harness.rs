//! The harness server of the official suites, in this process.

#[path = "../harness/engine_client.rs"]
pub mod engine_client;
#[path = "../harness/fixture.rs"]
pub mod fixture;
#[path = "../harness/protocol.rs"]
pub mod protocol;

use tokio::net::TcpListener;

use crate::support::Remote;

/// The harness of the two official suites, on a port of its own, for as long as the test runs.
pub async fn start() -> Remote {
    serve(protocol::fixture()).await
}

/// The same for a client that answers each ping, and on a busy machine not within the suites' 200
/// ms.
pub async fn patient() -> Remote {
    serve(protocol::fixture_that_waits(20_000)).await
}

/// The server of the official client's own tests: it speaks to a session while that opens.
pub async fn greeting() -> Remote {
    serve(engine_client::fixture()).await
}

pub async fn serve(fixture: fixture::Fixture) -> Remote {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(fixture.port, 3000, "the suites look for it there");
    tokio::spawn(async move { fixture::serve(fixture, &listener).await });
    Remote::at(address)
}
