//! What happens often under load is logged seldom.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// 1 min between two lines of one kind.
const INTERVAL: Duration = Duration::from_secs(60);

/// Counts what happens, and says when it is time for a line.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<(u64, Option<Instant>)>);

impl Seldom {
    /// Counts one more. Returns how many there were since the last line, where it is time for
    /// another.
    pub fn now(&self) -> Option<u64> {
        let mut state = self.0.lock();
        let (count, last) = &mut *state;
        *count += 1;
        if last.is_some_and(|last| last.elapsed() < INTERVAL) {
            return None;
        }
        *last = Some(Instant::now());
        Some(std::mem::take(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_line_a_minute_says_how_many_there_were() {
        let seldom = Seldom::default();
        assert_eq!(
            [seldom.now(), seldom.now(), seldom.now()],
            [Some(1), None, None]
        );
        tokio::time::advance(INTERVAL).await;
        assert_eq!([seldom.now(), seldom.now()], [Some(3), None]);
    }
}
