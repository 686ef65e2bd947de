//! Turns at the processor for TLS handshakes: each has its cost before anything is known of the
//! client.
//!
//! Half of the processors, and one at least, work on handshakes at a time; the addresses take
//! turns, so that a thousand handshakes of one wait for each other and not the one handshake of
//! another for them.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// Turns for all handshakes.
pub(super) struct Turns {
    all: Semaphore,
    /// One turn an address at a time, for those that are at a handshake.
    addresses: Mutex<HashMap<IpAddr, Address>>,
}

#[derive(Debug)]
struct Address {
    guests: usize,
    own: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            all: Semaphore::new((processors / 2).max(1)),
            addresses: Mutex::default(),
        }
    }
}

/// An address that is at a handshake.
struct Guest<'a> {
    turns: &'a Turns,
    address: IpAddr,
    own: Arc<Semaphore>,
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        let mut addresses = self.turns.addresses.lock();
        if let Some(address) = addresses.get_mut(&self.address) {
            address.guests -= 1;
            if address.guests == 0 {
                addresses.remove(&self.address);
            }
        }
    }
}

impl Turns {
    fn guest(&self, address: IpAddr) -> Guest<'_> {
        let mut addresses = self.addresses.lock();
        let known = addresses.entry(address).or_insert_with(|| Address {
            guests: 0,
            own: Arc::new(Semaphore::new(1)),
        });
        known.guests += 1;
        Guest {
            turns: self,
            address,
            own: Arc::clone(&known.own),
        }
    }

    /// Completes a handshake of this address. Each of its steps waits for a turn; its waits for the
    /// network hold up no other.
    pub(super) async fn take<F: Future>(&self, address: IpAddr, handshake: F) -> F::Output {
        let mut handshake = pin!(handshake);
        let guest = self.guest(address);
        loop {
            // Neither is ever closed.
            let own = guest.own.acquire().await;
            let all = self.all.acquire().await;
            let step = poll_fn(|cx| Poll::Ready(handshake.as_mut().poll(cx))).await;
            drop((all, own));
            if let Poll::Ready(done) = step {
                return done;
            }
            // The step has seen to it that this task is woken for the next.
            let mut is_woken = false;
            poll_fn(|_| match std::mem::replace(&mut is_woken, true) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn from(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[tokio::test]
    async fn a_handshake_that_waits_for_its_client_holds_up_nobody() {
        let turns = Turns::default();
        let mut silent: Vec<_> = (0..100)
            .map(|last| Box::pin(turns.take(from(last), std::future::pending::<()>())))
            .collect();
        for handshake in &mut silent {
            assert!(futures_util::poll!(handshake).is_pending());
        }
        assert_eq!(turns.take(from(1), async { 7 }).await, 7);
        assert_eq!(turns.take(from(200), async { 8 }).await, 8);
        drop(silent);
        assert!(turns.addresses.lock().is_empty());
    }

    #[tokio::test]
    async fn one_address_does_not_come_twice_before_another() {
        let turns = Turns {
            all: Semaphore::new(1),
            addresses: Mutex::default(),
        };
        let order = AtomicUsize::new(0);
        let held = turns.all.acquire().await.unwrap();
        let step = || async { order.fetch_add(1, Ordering::Relaxed) };
        let mut crowd: Vec<_> = (0..50)
            .map(|_| Box::pin(turns.take(from(1), step())))
            .collect();
        for handshake in &mut crowd {
            assert!(futures_util::poll!(handshake).is_pending());
        }
        let mut lone = Box::pin(turns.take(from(2), step()));
        assert!(futures_util::poll!(&mut lone).is_pending());
        drop(held);
        let (crowd, lone) = tokio::join!(futures_util::future::join_all(crowd), lone);
        assert_eq!(lone, 1, "only one of the crowd came before it: {crowd:?}");
    }
}
