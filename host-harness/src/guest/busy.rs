//! How long a component works, and not how long it waits.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Adds up the time in which a future is polled.
#[derive(Debug, Default)]
pub(super) struct Busy(Mutex<Times>);

#[derive(Debug, Default)]
struct Times {
    past: Duration,
    since: Option<Instant>,
}

impl Busy {
    pub(super) async fn of<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        std::future::poll_fn(|cx| {
            self.lock().since = Some(Instant::now());
            let polled = future.as_mut().poll(cx);
            let now = self.so_far();
            *self.lock() = Times { past: now, since: None };
            polled
        })
        .await
    }

    /// The time so far, with that of a poll which goes on.
    pub(super) fn so_far(&self) -> Duration {
        let times = self.lock();
        times.past + times.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
