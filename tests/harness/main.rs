//! A server that is no part of the chat: the protocol modules alone, with the handlers that the
//! official protocol suites and the official clients' own tests expect of a server.
//!
//! ```text
//! cargo run --release --example harness -- --fixture FIXTURE
//!
//! protocol        port 3000, /engine.io/ and /socket.io/
//! socket-client   port 3210, /socket.io/
//! engine-client   port 3000, /engine.io/
//! ```
//!
//! `--port N` picks another port, 0 a free one. The port is printed once it listens; the process
//! serves until it is killed, or until its standard input ends where `--until-eof` is given.

mod engine_client;
mod fixture;
mod protocol;
mod socket_client;

use std::net::Ipv6Addr;
use std::process::ExitCode;

use fixture::Fixture;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let value = |flag: &str| {
        args.iter()
            .position(|arg| arg == flag)
            .and_then(|at| args.get(at + 1))
            .map(String::as_str)
    };
    let fixture: fn() -> Fixture = match value("--fixture") {
        Some("protocol") => protocol::fixture,
        Some("socket-client") => socket_client::fixture,
        Some("engine-client") => engine_client::fixture,
        _ => return usage(),
    };
    let port = match value("--port").map(str::parse) {
        None => None,
        Some(Ok(port)) => Some(port),
        Some(Err(_)) => return usage(),
    };
    let until_eof = args.iter().any(|arg| arg == "--until-eof");
    let runtime = tokio::runtime::Runtime::new().expect("a machine that runs tests starts threads");
    runtime.block_on(run(fixture(), port, until_eof))
}

#[expect(
    clippy::print_stderr,
    reason = "the harness speaks to whoever started it"
)]
fn usage() -> ExitCode {
    eprintln!(
        "harness: give --fixture protocol, socket-client or engine-client, and --port N if you like"
    );
    ExitCode::from(2)
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the harness speaks to whoever started it"
)]
async fn run(fixture: Fixture, port: Option<u16>, until_eof: bool) -> ExitCode {
    // Of both families, since `localhost` is either.
    let listener =
        match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port.unwrap_or(fixture.port))).await {
            Ok(listener) => listener,
            Err(error) => {
                eprintln!("harness: cannot listen: {error}");
                return ExitCode::FAILURE;
            }
        };
    println!(
        "listening on {}",
        listener
            .local_addr()
            .expect("a listener has an address")
            .port()
    );
    let ended = async {
        if until_eof {
            let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = fixture::serve(fixture, &listener) => {}
        () = ended => {}
    }
    ExitCode::SUCCESS
}
