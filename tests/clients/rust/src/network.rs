//! A network between a client and the server that can be cut and mended.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use crate::DEADLINE;

/// Passes connections on to a port of this machine.
pub struct Network {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// A connection was refused.
    refused: Condvar,
}

#[derive(Default)]
struct State {
    is_cut: bool,
    /// Whether a connection was refused since the cut.
    has_refused: bool,
    streams: Vec<TcpStream>,
}

impl Network {
    /// A network before this port; it lasts as long as the test's process.
    pub fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let shared: Arc<Shared> = Arc::default();
        let joined = shared.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                // Without a server the client finds its connection closed, and tries again.
                let _ = join(near, server, &joined);
            }
        });
        Self { port, shared }
    }

    /// The URL that a client goes to.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends every connection; new ones end at once.
    pub fn cut(&self) {
        let mut state = self.shared.state.lock().expect("no thread failed");
        state.is_cut = true;
        state.has_refused = false;
        for stream in state.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets connections through again, once the client has found that they do not come through: a
    /// cut of a moment between two polls is bridged by its HTTP library, and its session goes on.
    pub fn mend(&self) {
        let state = self.shared.state.lock().expect("no thread failed");
        let (mut state, waited) = self
            .shared
            .refused
            .wait_timeout_while(state, DEADLINE, |state| !state.has_refused)
            .expect("no thread failed");
        assert!(!waited.timed_out(), "the client did not try to come back");
        state.is_cut = false;
    }
}

/// Copies both ways between a client's connection and a new one to the server.
fn join(near: TcpStream, server: u16, shared: &Shared) -> io::Result<()> {
    let mut state = shared.state.lock().expect("no thread failed");
    if state.is_cut {
        state.has_refused = true;
        shared.refused.notify_all();
        return Ok(());
    }
    let far = TcpStream::connect(("127.0.0.1", server))?;
    state.streams.extend([near.try_clone()?, far.try_clone()?]);
    drop(state);
    for (mut from, mut to) in [(near.try_clone()?, far.try_clone()?), (far, near)] {
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}
