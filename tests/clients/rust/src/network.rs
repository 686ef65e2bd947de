//! A network between a client and the server that can be cut and mended.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Passes connections on to a port of this machine.
pub struct Network {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    is_cut: bool,
    streams: Vec<TcpStream>,
}

impl Network {
    /// A network before this port; it lasts as long as the test's process.
    pub fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = state.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                // Without a server the client finds its connection closed, and tries again.
                let _ = join(near, server, &shared);
            }
        });
        Self { port, state }
    }

    /// The URL that a client goes to.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends every connection; new ones end at once.
    pub fn cut(&self) {
        let mut state = self.state.lock().expect("no thread failed");
        state.is_cut = true;
        for stream in state.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.state.lock().expect("no thread failed").is_cut = false;
    }
}

/// Copies both ways between a client's connection and a new one to the server.
fn join(near: TcpStream, server: u16, state: &Mutex<State>) -> io::Result<()> {
    let far = TcpStream::connect(("127.0.0.1", server))?;
    let mut state = state.lock().expect("no thread failed");
    if state.is_cut {
        return Ok(());
    }
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
