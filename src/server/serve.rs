//! The third part: requests are answered.

use std::future::Future;
use std::pin::Pin;

use super::build::House;
use super::control::Control;
use super::error::ServerError;
use super::open::Entrance;

impl House {
    /// Serves until `shutdown` completes, or something ends that must not. Then the error says
    /// what.
    pub(super) async fn serve(
        &mut self,
        entrance: &mut Entrance,
        ready: impl FnOnce(Option<&str>),
        shutdown: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), ServerError> {
        let http = self.http.clone();
        let answer_operator = move |request| {
            let http = http.clone();
            async move { http.serve_operator(request).await }
        };
        let (connections, accounts) = (&self.connections, &self.accounts);
        let setup_code = accounts.setup_code();
        let serving = async {
            match entrance {
                Entrance::Operator(stream) => {
                    ready(setup_code);
                    if let Some(stream) = stream.take() {
                        connections.speak_apart(stream, answer_operator).await;
                    }
                }
                Entrance::World(accepting) => {
                    // To a command, which lets nobody in by tokens, they would be noise.
                    for warning in accounts.warnings() {
                        tracing::warn!("{warning}");
                    }
                    let control = Control::beside(&self.data);
                    ready(setup_code);
                    tokio::join!(
                        accepting,
                        connections.serve_control(control, answer_operator)
                    );
                }
            }
        };
        tokio::select! {
            () = serving => Ok(()),
            () = shutdown => Ok(()),
            _ = &mut self.notifier => Err(ServerError::Broken("writer")),
        }
    }
}
