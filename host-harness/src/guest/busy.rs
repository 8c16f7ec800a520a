//! Measures how long a component computes, without the time in which it waits.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Sums up the time in which a future is polled.
#[derive(Debug, Default)]
pub(super) struct Busy(Mutex<BusyTimes>);

#[derive(Debug, Default)]
struct BusyTimes {
    past: Duration,
    since: Option<Instant>,
}

impl Busy {
    pub(super) async fn of<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        std::future::poll_fn(|cx| {
            self.lock().since = Some(Instant::now());
            let polled = future.as_mut().poll(cx);
            let past = self.lap();
            *self.lock() = BusyTimes { past, since: None };
            polled
        })
        .await
    }

    /// Returns the time spent in polls since the last call of `lap`, including a poll that is still running.
    pub(super) fn lap(&self) -> Duration {
        let mut times = self.lock();
        let now = Instant::now();
        let going = times.since.map_or(Duration::ZERO, |since| now - since);
        let lap = times.past + going;
        *times = BusyTimes { past: Duration::ZERO, since: times.since.map(|_| now) };
        lap
    }

    fn lock(&self) -> MutexGuard<'_, BusyTimes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_lap_has_its_own_time() {
        let busy = Busy::default();
        // Loops within one poll until the clock shows that time has passed.
        busy.of(async { while busy.lap().is_zero() {} }).await;
        busy.lap();
        assert_eq!(busy.lap(), Duration::ZERO);
    }
}
