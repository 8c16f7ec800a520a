//! A clock that tests can stop and move.

use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

use super::scope;
use crate::sys::timer;

/// Stops the clock that [`time`](crate::time) uses on this thread, until the returned guard is dropped. If a test
/// keeps the guard to its end, the clock is also stopped for the tasks of [`wait_until`](crate::wait_until).
///
/// When all futures wait, the clock jumps to the deadline of the first timer, so a sleep of an hour takes no time.
/// [`advance`] moves the clock manually.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use wayside::{test, time};
///
/// let _paused = test::pause();
/// test::block_on(time::sleep(Duration::from_secs(3600)));
/// ```
pub fn pause() -> Pause {
    scope::note_change();
    Pause { was_paused: timer::set_paused(true), not_send: PhantomData }
}

/// Advances the clock if [`pause`] has stopped it. Does nothing to a running clock.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use wayside::{test, time};
///
/// let _paused = test::pause();
/// let nap = time::sleep(Duration::from_secs(3600));
/// test::advance(Duration::from_secs(3600));
/// test::block_on(nap);
/// ```
pub fn advance(span: Duration) {
    timer::advance(span);
}

/// The guard of [`pause`]. Dropping it lets the clock run again, unless an outer guard keeps it stopped.
#[must_use = "the clock is stopped only as long as this guard lives"]
#[derive(Debug)]
pub struct Pause {
    was_paused: bool,
    // The clock belongs to the thread, so the guard must not move to another thread.
    not_send: PhantomData<Rc<()>>,
}

impl Drop for Pause {
    fn drop(&mut self) {
        scope::guard_dropped();
        if !self.was_paused {
            timer::set_paused(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::task::Poll;

    use super::*;
    use crate::test::block_on;
    use crate::time::{interval, sleep, timeout};

    #[test]
    fn a_paused_clock_jumps_to_what_is_waited_for() {
        let _paused = pause();
        let hour = Duration::from_secs(3600);
        assert!(block_on(timeout(hour, sleep(2 * hour))).is_err());
        assert!(block_on(timeout(2 * hour, sleep(hour))).is_ok());
    }

    #[test]
    fn a_paused_clock_moves_by_hand() {
        let _paused = pause();
        block_on(async {
            let mut nap = sleep(Duration::from_secs(60));
            let is_over =
                |nap: &mut crate::time::Sleep, cx: &mut std::task::Context<'_>| Pin::new(nap).poll(cx).is_ready();
            assert!(!poll_fn(|cx| Poll::Ready(is_over(&mut nap, cx))).await);
            advance(Duration::from_secs(59));
            assert!(!poll_fn(|cx| Poll::Ready(is_over(&mut nap, cx))).await);
            advance(Duration::from_secs(1));
            assert!(poll_fn(|cx| Poll::Ready(is_over(&mut nap, cx))).await);
        });
    }

    #[test]
    fn a_span_beyond_what_can_be_counted_is_as_good_as_for_ever() {
        let _paused = pause();
        advance(Duration::MAX);
        assert!(block_on(timeout(Duration::from_secs(1), sleep(Duration::MAX))).is_err());
    }

    #[test]
    fn an_interval_ticks_at_once_and_then_after_each_period() {
        let _paused = pause();
        block_on(async {
            let mut clock = interval(Duration::from_secs(10));
            clock.tick().await;
            assert!(timeout(Duration::from_secs(9), clock.tick()).await.is_err());
            assert!(timeout(Duration::from_secs(2), clock.tick()).await.is_ok());
        });
    }
}
