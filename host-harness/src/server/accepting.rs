//! Handles failures to accept connections: warns once, and reports the recovery.

use std::io::{Error, ErrorKind};
use std::time::{Duration, Instant};

/// The wait before the next attempt. In this time, connections end and free their file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// How long accepting must succeed before it counts as recovered. A single success is not a recovery, because the end
/// of one connection frees descriptors for only one other.
const SETTLED: Duration = Duration::from_secs(1);

/// The state of accepting connections: working, or in trouble since a failure.
#[derive(Debug, Default)]
pub(super) struct Accepting {
    trouble: Option<Trouble>,
}

#[derive(Debug)]
struct Trouble {
    since: Instant,
    /// The time of the last failure.
    failed: Instant,
    /// The time of the first success after the last failure.
    works_since: Option<Instant>,
}

/// A failure of the system, such as a lack of file descriptors, and not a failure of a single connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    First,
    Again,
}

impl Accepting {
    /// Returns the wait before the next attempt, or `None` if it need not wait.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        let trouble = self.trouble.as_ref().filter(|trouble| trouble.works_since.is_none())?;
        let pause = (trouble.failed + PAUSE).saturating_duration_since(now);
        (!pause.is_zero()).then_some(pause)
    }

    /// Records a failed attempt. A client that left before it was accepted is not a failure.
    pub(super) fn failed(&mut self, error: &Error, now: Instant) -> Option<Failed> {
        use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
            return None;
        }
        match &mut self.trouble {
            Some(_) => {
                self.failed_again(now);
                Some(Failed::Again)
            }
            none => {
                *none = Some(Trouble { since: now, failed: now, works_since: None });
                Some(Failed::First)
            }
        }
    }

    /// Postpones the next attempt after a failure, because it would fail again, or would use file descriptors that
    /// requests need.
    pub(super) fn failed_again(&mut self, now: Instant) {
        if let Some(trouble) = &mut self.trouble {
            trouble.failed = now;
            trouble.works_since = None;
        }
    }

    pub(super) fn succeeded(&mut self, now: Instant) {
        if let Some(trouble) = &mut self.trouble {
            trouble.works_since.get_or_insert(now);
        }
    }

    /// Completes when accepting has recovered from a failure; otherwise never.
    pub(super) fn settled(&self) -> impl Future<Output = ()> + use<> {
        let settled = self.trouble.as_ref().and_then(|trouble| Some(trouble.works_since? + SETTLED));
        async move {
            match settled {
                Some(settled) => tokio::time::sleep_until(settled.into()).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Returns how long accepting failed, once after each recovery.
    pub(super) fn recovered(&mut self, now: Instant) -> Option<Duration> {
        let trouble =
            self.trouble.take_if(|trouble| trouble.works_since.is_some_and(|since| now >= since + SETTLED))?;
        Some(trouble.works_since?.duration_since(trouble.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the error EMFILE: the process has too many open files.
    fn too_many_files() -> Error {
        Error::from_raw_os_error(24)
    }

    #[test]
    fn trouble_is_told_once_until_it_is_over() {
        let (mut accepting, start) = (Accepting::default(), Instant::now());
        assert_eq!(accepting.failed(&too_many_files(), start), Some(Failed::First));
        assert_eq!(accepting.pause(start), Some(PAUSE));
        assert_eq!(accepting.pause(start + PAUSE), None);
        for step in 1..10 {
            // A descriptor becomes free, and the next attempt fails again.
            accepting.succeeded(start + PAUSE * step);
            assert_eq!(accepting.recovered(start + PAUSE * step), None);
            assert_eq!(accepting.failed(&too_many_files(), start + PAUSE * step), Some(Failed::Again));
        }
        let works = start + PAUSE * 20;
        accepting.succeeded(works);
        accepting.succeeded(works + SETTLED);
        assert_eq!(accepting.recovered(works + SETTLED), Some(PAUSE * 20));
        assert_eq!(accepting.recovered(works + SETTLED * 2), None);
        assert_eq!(accepting.failed(&too_many_files(), works + SETTLED * 3), Some(Failed::First));
    }

    #[test]
    fn a_client_that_leaves_early_is_no_trouble() {
        let mut accepting = Accepting::default();
        for kind in [ErrorKind::ConnectionAborted, ErrorKind::Interrupted] {
            assert_eq!(accepting.failed(&kind.into(), Instant::now()), None);
        }
        assert_eq!(accepting.pause(Instant::now()), None);
    }
}
