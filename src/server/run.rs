//! The life of a server, in its four parts.

use std::future::Future;
use std::pin::pin;

use super::build::House;
use super::control::Door;
use super::error::ServerError;
use super::open;
use crate::config::Config;

/// Serves those who come by `door` until `shutdown` completes, then drains.
///
/// `ready` is called once the data is open, with the set-up code while the server is not set up.
/// Until then requests wait, and after a second every one but `/healthz` is answered with 503.
pub async fn run(
    config: Config,
    door: impl Into<Door>,
    ready: impl FnOnce(Option<&str>),
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServerError> {
    let mut shutdown = pin!(shutdown);
    let opened = open::open(config, door.into(), shutdown.as_mut()).await?;
    // Stopped before anything was changed, and before anyone was served.
    let Some((opened, mut entrance)) = opened else {
        return Ok(());
    };
    let mut house = House::build(opened).await?;
    let ended = house.serve(&mut entrance, ready, shutdown).await;
    house.drain(entrance, ended).await
}
