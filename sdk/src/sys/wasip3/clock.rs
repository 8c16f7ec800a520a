//! Time, as the host measures it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::abi::Wait;
use super::bindings::wasi::clocks::monotonic_clock;

/// The time of the monotonic clock.
pub(super) fn now() -> Duration {
    Duration::from_nanos(monotonic_clock::now())
}

/// A span as WASI counts it; one beyond what can be counted is as good as for ever.
pub(super) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Completes after a span of the monotonic clock, counted from its making.
pub(crate) struct Sleep(Wait);

impl Sleep {
    pub(super) fn new(span: Duration) -> Self {
        Self(Wait::new(monotonic_clock::now().saturating_add(nanos(span))))
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}
