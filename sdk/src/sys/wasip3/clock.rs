//! The monotonic clock of the host.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::abi::Wait;
use super::bindings::wasi::clocks::monotonic_clock;
use crate::sys::http::options::nanos;

/// Returns the time of the monotonic clock.
pub(super) fn now() -> Duration {
    Duration::from_nanos(monotonic_clock::now())
}

/// A future that completes after a duration. The duration starts when this value is made.
pub(crate) struct Sleep(Wait);

impl Sleep {
    pub(super) fn new(duration: Duration) -> Self {
        Self(Wait::new(monotonic_clock::now().saturating_add(nanos(duration))))
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}
