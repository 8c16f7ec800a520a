//! The client of a request, as far as the request depends on it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use super::unfinished::Unfinished;
use crate::telemetry::Tracked;

/// What a client did that ended its request early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientFault {
    /// It sent nothing of the request body for this long, while the component waited for it.
    PausedUpload(Duration),
    /// The component still waited for the request body when its [time](crate::Limits::timeout) was over.
    SlowUpload(Duration),
    /// It took nothing of the response for this long.
    StoppedReading(Duration),
}

impl fmt::Display for ClientFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PausedUpload(limit) => write!(f, "the client sent nothing of its request body for {limit:?}"),
            Self::SlowUpload(limit) => write!(f, "the client had not sent its request body after {limit:?}"),
            Self::StoppedReading(limit) => write!(f, "the client took nothing of the response for {limit:?}"),
        }
    }
}

/// The client of one request over a socket. It is dropped when the request is over: answered, read to its end, and with
/// no more work of the component.
#[derive(Debug)]
pub(crate) struct Client {
    number: u64,
    requests: Arc<Unfinished>,
    is_awaited: AtomicBool,
    fault: OnceLock<ClientFault>,
    tracked: OnceLock<Weak<Tracked>>,
}

impl Client {
    pub(super) fn new(number: u64, requests: Arc<Unfinished>) -> Self {
        Self { number, requests, is_awaited: AtomicBool::new(false), fault: OnceLock::new(), tracked: OnceLock::new() }
    }

    /// Sets what tells of the request.
    pub(crate) fn tracked_by(&self, tracked: &Arc<Tracked>) {
        // Middleware and what is behind it share one.
        let _ = self.tracked.set(Arc::downgrade(tracked));
    }

    /// Names the request, where something tells of it.
    pub(super) fn request(&self) -> Option<String> {
        Some(self.tracked.get()?.upgrade()?.name())
    }

    /// Notes whether the component waits for more of the request body.
    pub(crate) fn set_awaited(&self, is_awaited: bool) {
        self.is_awaited.store(is_awaited, Ordering::Relaxed);
    }

    pub(crate) fn is_awaited(&self) -> bool {
        self.is_awaited.load(Ordering::Relaxed)
    }

    /// Notes why the request ended early. The first cause stays.
    pub(crate) fn blame(&self, fault: ClientFault) {
        let _ = self.fault.set(fault);
    }

    pub(crate) fn fault(&self) -> Option<ClientFault> {
        self.fault.get().copied()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.requests.end(self.number);
    }
}
