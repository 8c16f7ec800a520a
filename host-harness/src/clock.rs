//! A clock that stands still until a test moves it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use wasmtime_wasi::clocks::{HostMonotonicClock, HostWallClock};

/// The time that components see. It stands still until the test moves it; see
/// [`HarnessBuilder::clock`](crate::HarnessBuilder::clock).
///
/// All clones show the same time. The clock sets the time of day, the monotonic clock and the timers of every component
/// that uses it.
///
/// # Examples
///
/// ```no_run
/// use std::time::{Duration, UNIX_EPOCH};
/// use wayside_harness::{Clock, Harness, http};
///
/// # async fn example() -> Result<(), wayside_harness::Error> {
/// let clock = Clock::stopped_at(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
/// let app = Harness::build("examples/background").clock(&clock).await?;
/// let request = http::Request::get("/").body(()).unwrap();
/// // A handler that sleeps for an hour answers at once.
/// let (response, _) = tokio::join!(app.request(request), clock.advance_to_next());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    start: SystemTime,
    state: Mutex<ClockState>,
    /// Wakes the waiting tasks after every change of `state`.
    changed: Notify,
}

#[derive(Default)]
struct ClockState {
    elapsed: Duration,
    /// The values of `elapsed` that timers wait for, each with the number of its timers.
    waiting: BTreeMap<Duration, usize>,
}

/// The first time that the monotonic clock shows. It is not zero, because some programs subtract from the current time
/// and fail if the result is negative.
const MONOTONIC_START: Duration = Duration::from_secs(24 * 60 * 60);

impl Clock {
    /// Makes a clock that shows the given time.
    #[must_use]
    pub fn stopped_at(time: SystemTime) -> Self {
        Self(Arc::new(Inner { start: time, state: Mutex::default(), changed: Notify::new() }))
    }

    /// Returns the time that the clock shows.
    ///
    /// # Panics
    ///
    /// Panics if the time is beyond the range of `SystemTime`.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.0.start + self.elapsed()
    }

    /// Moves the clock forward, and wakes the timers that have expired.
    pub fn advance(&self, span: Duration) {
        let mut state = self.lock();
        state.elapsed = state.elapsed.saturating_add(span);
        drop(state);
        self.0.changed.notify_waiters();
    }

    /// Waits until a component waits for a timer of this clock, moves the clock to the earliest expiry of a timer, and
    /// returns how far it moved.
    pub async fn advance_to_next(&self) -> Duration {
        // While an expired timer is registered, its component has not been polled yet. Wait for it, because the
        // component may then start a timer that expires before the others.
        let next =
            |state: &ClockState| state.waiting.keys().next()?.checked_sub(state.elapsed).filter(|span| !span.is_zero());
        let span = self.when(next).await;
        self.advance(span);
        span
    }

    /// Returns how far the clock has been moved.
    fn elapsed(&self) -> Duration {
        self.lock().elapsed
    }

    fn lock(&self) -> MutexGuard<'_, ClockState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `tell` returns a value for the state, and returns that value.
    async fn when<T>(&self, tell: impl Fn(&ClockState) -> Option<T>) -> T {
        let mut changed = std::pin::pin!(self.0.changed.notified());
        loop {
            changed.as_mut().enable();
            if let Some(told) = tell(&self.lock()) {
                return told;
            }
            changed.as_mut().await;
            changed.set(self.0.changed.notified());
        }
    }

    /// Returns the time of the monotonic clock.
    pub(crate) fn monotonic(&self) -> Duration {
        MONOTONIC_START + self.elapsed()
    }

    /// Waits until the monotonic clock shows the given time.
    pub(crate) async fn reached(&self, monotonic: Duration) {
        let Some(wanted) = monotonic.checked_sub(MONOTONIC_START).filter(|wanted| *wanted > self.elapsed()) else {
            // The time has already come. A component that polls in a loop must still let other tasks run.
            return tokio::task::yield_now().await;
        };
        let _waiting = Registered::new(self, wanted);
        self.when(|state| (state.elapsed >= wanted).then_some(())).await;
    }
}

/// Keeps the expiry of one timer in `ClockState::waiting` until this guard is dropped.
struct Registered<'a> {
    clock: &'a Clock,
    until: Duration,
}

impl<'a> Registered<'a> {
    fn new(clock: &'a Clock, until: Duration) -> Self {
        *clock.lock().waiting.entry(until).or_default() += 1;
        clock.0.changed.notify_waiters();
        Self { clock, until }
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        let mut state = self.clock.lock();
        if let Some(count) = state.waiting.get_mut(&self.until) {
            *count -= 1;
            if *count == 0 {
                state.waiting.remove(&self.until);
            }
        }
        drop(state);
        self.clock.0.changed.notify_waiters();
    }
}

impl From<&Self> for Clock {
    fn from(clock: &Self) -> Self {
        clock.clone()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("start", &self.0.start).field("elapsed", &self.elapsed()).finish()
    }
}

/// The resolution of the time of day and of the monotonic clock.
const RESOLUTION: Duration = Duration::from_nanos(1);

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        RESOLUTION
    }

    fn now(&self) -> Duration {
        // `HostWallClock` cannot express a time before the Unix epoch, so such a time becomes the epoch.
        self.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }
}

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        u64::try_from(self.monotonic().as_nanos()).unwrap_or(u64::MAX)
    }
}
