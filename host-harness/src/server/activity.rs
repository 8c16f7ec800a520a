//! Activity of a connection, and its time limits.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The time in which a connection must end once it accepts no more requests and writes nothing.
const GRACE: Duration = Duration::from_secs(1);

/// The state of a connection, shared by its socket and its requests.
#[derive(Debug)]
pub(super) struct Activity(Mutex<ActivityTimes>);

#[derive(Debug)]
struct ActivityTimes {
    /// The number of requests in progress.
    requests: usize,
    is_http2: bool,
    /// The start of the connection, or the end of its last request.
    idle_since: Instant,
    /// The time of the first byte that arrived after `idle_since`: the start of a request head.
    head_since: Option<Instant>,
    /// The time of the last write. HTTP/2 also writes without a request, for example replies to pings.
    written: Option<Instant>,
    /// The time since which the socket cannot be written, because the client reads nothing.
    blocked_since: Option<Instant>,
    /// Whether the client read nothing for the whole time limit.
    is_stalled: bool,
    /// Whether the client has closed its sending side.
    is_at_end: bool,
    /// Whether the server has left a part of a request unread.
    has_unread: bool,
    /// The number of bytes of requests that the server has read and discarded.
    discarded_bytes: u64,
}

/// What to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Keep the connection, and check it again at this time.
    Wait(Instant),
    /// Ask the connection to end: it had no request for the time limit.
    Idle,
    /// Close the connection: it accepts no more requests, and does not end by itself.
    Stuck,
    /// Close the connection: its client read nothing for the time limit.
    Stalled,
}

impl Activity {
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(ActivityTimes {
            requests: 0,
            is_http2: false,
            idle_since: now,
            head_since: None,
            written: None,
            blocked_since: None,
            is_stalled: false,
            is_at_end: false,
            has_unread: false,
            discarded_bytes: 0,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, ActivityTimes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn request_began(&self, is_http2: bool) {
        let mut times = self.lock();
        times.requests += 1;
        times.is_http2 = is_http2;
        times.head_since = None;
    }

    pub(super) fn request_ended(&self, now: Instant) {
        let mut times = self.lock();
        times.requests -= 1;
        if times.requests == 0 {
            times.idle_since = now;
        }
    }

    /// Records received bytes.
    pub(super) fn received(&self) {
        let mut times = self.lock();
        if times.requests == 0 && times.head_since.is_none() {
            times.head_since = Some(Instant::now());
        }
    }

    /// Records that the client has closed its sending side.
    pub(super) fn ended(&self) {
        self.lock().is_at_end = true;
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.lock().is_at_end
    }

    /// Records a write. `is_taken` is false if the socket takes no data until the client reads.
    pub(super) fn wrote(&self, is_taken: bool) {
        let now = Instant::now();
        let mut times = self.lock();
        if is_taken {
            times.blocked_since = None;
            times.written = Some(now);
        } else {
            times.blocked_since.get_or_insert(now);
        }
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.lock().is_stalled
    }

    /// Records that the server has left a part of a request unread.
    pub(super) fn left_unread(&self) {
        self.lock().has_unread = true;
    }

    pub(super) fn has_unread(&self) -> bool {
        self.lock().has_unread
    }

    /// Counts discarded bytes. Returns the total of this connection.
    pub(super) fn discarded(&self, bytes: usize) -> u64 {
        let mut times = self.lock();
        times.discarded_bytes = times.discarded_bytes.saturating_add(bytes as u64);
        times.discarded_bytes
    }

    /// Decides what to do with the connection. `closing` is the time at which it stopped accepting requests, or `None`
    /// while it accepts them.
    pub(super) fn check(&self, now: Instant, limit: Duration, closing: Option<Instant>) -> Verdict {
        let mut times = self.lock();
        let mut wake = now + if closing.is_some() { GRACE.min(limit) } else { limit };
        if let Some(since) = times.blocked_since {
            if now >= since + limit {
                times.is_stalled = true;
                return Verdict::Stalled;
            }
            wake = wake.min(since + limit);
        }
        if times.requests > 0 {
            return Verdict::Wait(wake);
        }
        // In HTTP/1.1 a write extends the time, because the end of a response may still be buffered. In HTTP/2 it does
        // not: HTTP/2 also writes without a response.
        let written = times.written.filter(|_| !times.is_http2).unwrap_or(times.idle_since);
        let due = match closing {
            None => times.head_since.unwrap_or(times.idle_since).max(written) + limit,
            Some(_) if times.blocked_since.is_some() => return Verdict::Wait(wake),
            Some(closing) => {
                let last = times.written.unwrap_or(closing).max(times.idle_since).max(closing);
                (last + GRACE).min(closing + GRACE + limit)
            }
        };
        match (now >= due, closing) {
            (false, _) => Verdict::Wait(wake.min(due)),
            (true, None) => Verdict::Idle,
            (true, Some(_)) => Verdict::Stuck,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_connection_without_a_request_is_idle_after_the_limit() {
        let start = Instant::now();
        let activity = Activity::new(start);
        assert_eq!(activity.check(start, LIMIT, None), Verdict::Wait(start + LIMIT));
        assert_eq!(activity.check(start + LIMIT, LIMIT, None), Verdict::Idle);
        activity.request_began(false);
        assert_eq!(activity.check(start + LIMIT, LIMIT, None), Verdict::Wait(start + LIMIT * 2));
        activity.request_ended(start + LIMIT);
        assert_eq!(activity.check(start + LIMIT + SECOND, LIMIT, None), Verdict::Wait(start + LIMIT * 2));
        assert_eq!(activity.check(start + LIMIT * 2, LIMIT, None), Verdict::Idle);
    }

    #[test]
    fn a_head_has_the_limit_from_its_first_byte_however_many_follow() {
        let start = Instant::now();
        let activity = Activity::new(start - LIMIT);
        activity.received();
        assert!(matches!(activity.check(start, LIMIT, None), Verdict::Wait(_)));
        let later = Instant::now() + LIMIT;
        activity.received();
        assert_eq!(activity.check(later, LIMIT, None), Verdict::Idle);
    }

    #[test]
    fn a_client_that_takes_nothing_is_stalled_whatever_else_happens() {
        let activity = Activity::new(Instant::now());
        activity.request_began(true);
        activity.wrote(false);
        let later = Instant::now() + LIMIT;
        assert_eq!(activity.check(later, LIMIT, None), Verdict::Stalled);
        assert!(activity.is_stalled());
        activity.wrote(true);
        assert!(matches!(activity.check(later, LIMIT, None), Verdict::Wait(_)));
    }

    #[test]
    fn a_connection_that_closes_has_a_moment_and_as_long_as_the_client_takes_something() {
        let start = Instant::now();
        let activity = Activity::new(start);
        activity.request_began(false);
        assert!(matches!(activity.check(start + LIMIT * 9, LIMIT, Some(start)), Verdict::Wait(_)));
        activity.request_ended(start);
        assert_eq!(activity.check(start + GRACE, LIMIT, Some(start)), Verdict::Stuck);
        activity.wrote(true);
        assert!(matches!(activity.check(start + GRACE, LIMIT, Some(start)), Verdict::Wait(_)));
        activity.wrote(false);
        assert!(matches!(activity.check(start + GRACE * 2, LIMIT, Some(start)), Verdict::Wait(_)));
    }

    #[test]
    fn pings_do_not_keep_a_connection_of_http2() {
        let start = Instant::now();
        let activity = Activity::new(start - LIMIT);
        activity.request_began(true);
        activity.request_ended(start - LIMIT);
        activity.wrote(true);
        assert_eq!(activity.check(start, LIMIT, None), Verdict::Idle);
    }
}
