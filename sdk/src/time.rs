//! Sleeping, time limits and intervals.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::sys::{Here, World};

/// Waits for a duration, measured by the host's monotonic clock.
///
/// Other futures continue to run meanwhile. `std::thread::sleep` would block them.
///
/// # Examples
///
/// ```
/// # wayside::test::block_on(async {
/// wayside::time::sleep(std::time::Duration::from_millis(5)).await;
/// # });
/// ```
pub fn sleep(span: Duration) -> Sleep {
    Sleep(Here::sleep(span))
}

/// The future of [`sleep`].
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep(<Here as World>::Sleep);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").finish_non_exhaustive()
    }
}

/// Runs a future with a time limit, which starts at the first poll.
///
/// # Errors
///
/// Fails with [`Elapsed`] if the time limit ends before the future completes. The future is then dropped.
///
/// # Examples
///
/// ```
/// # wayside::test::block_on(async {
/// use std::future::pending;
/// use std::time::Duration;
///
/// let limit = Duration::from_millis(5);
/// assert!(wayside::time::timeout(limit, pending::<()>()).await.is_err());
/// # });
/// ```
pub async fn timeout<F: Future>(span: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut limit = sleep(span);
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(&mut limit).poll(cx).map(|()| Err(Elapsed { span }))
    })
    .await
}

/// The error of a future that took longer than its time limit.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use wayside::{test, time};
///
/// let _paused = test::pause();
/// let late = test::block_on(time::timeout(Duration::from_millis(20), std::future::pending::<()>()));
/// assert_eq!(late.unwrap_err().to_string(), "not done within 20 ms");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed {
    span: Duration,
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not done within {} ms", self.span.as_millis())
    }
}

impl Error for Elapsed {}

/// Creates a clock that ticks immediately, and then after each period.
///
/// Each period starts when [`tick`](Interval::tick) returns. So a late call of `tick` delays all following ticks, and
/// missed ticks are not made up for.
///
/// # Examples
///
/// ```
/// # wayside::test::block_on(async {
/// let mut clock = wayside::time::interval(std::time::Duration::from_millis(1));
/// for _ in 0..3 {
///     clock.tick().await;
/// }
/// # });
/// ```
#[must_use]
pub fn interval(period: Duration) -> Interval {
    Interval { period, next: None }
}

/// The clock that [`interval`] returns.
#[derive(Debug)]
pub struct Interval {
    period: Duration,
    next: Option<Sleep>,
}

impl Interval {
    /// Waits for the next tick.
    pub async fn tick(&mut self) {
        if let Some(next) = &mut self.next {
            next.await;
        }
        self.next = Some(sleep(self.period));
    }
}
