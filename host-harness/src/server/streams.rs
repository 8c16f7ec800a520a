//! HTTP/2 streams; each is a task.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::time::{Instant, sleep_until};

use crate::inbound::Client;
use crate::message::client_fault::ClientFault;

tokio::task_local! {
    static STREAM: Arc<Stream>;
}

/// Runs the streams, and resets one whose client reads nothing for too long (its window stays closed).
#[derive(Clone, Copy, Debug)]
pub(super) struct Streams {
    pub(super) limit: Duration,
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        let (limit, state) = (self.limit, Arc::<Stream>::default());
        let watched = Arc::clone(&state);
        tokio::spawn(STREAM.scope(state, async move {
            tokio::select! {
                biased;
                _ = stream => {}
                // Dropping it resets the stream.
                () = watched.stalled(limit) => {}
            }
        }));
    }
}

/// The progress of a stream's response.
#[derive(Debug, Default)]
pub(super) struct Stream {
    client: OnceLock<Arc<Client>>,
    /// The time since which a part of the body waits to be sent.
    unsent_since: Mutex<Option<Instant>>,
}

impl Stream {
    /// The stream of the current task, if there is one.
    pub(super) fn current() -> Option<Arc<Self>> {
        STREAM.try_with(Arc::clone).ok()
    }

    /// Stores the client of this response.
    pub(super) fn begin(&self, client: &Arc<Client>) {
        let _ = self.client.set(Arc::clone(client));
    }

    /// Records that the next part of the body was requested, so there was room for the last one. `has_part` says
    /// whether there is a next part.
    pub(super) fn polled(&self, has_part: bool) {
        *self.lock() = has_part.then(Instant::now);
    }

    /// Completes when the client has read nothing for too long.
    async fn stalled(&self, limit: Duration) {
        loop {
            let (unsent, now) = (*self.lock(), Instant::now());
            match unsent {
                Some(since) if now >= since + limit => break,
                unsent => sleep_until(unsent.unwrap_or(now) + limit).await,
            }
        }
        if let Some(client) = self.client.get() {
            client.blame(ClientFault::StoppedReading(limit));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.unsent_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
