//! HTTP/2 streams. Each stream runs as a separate task.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::time::{Instant, sleep_until};

use crate::inbound::Client;
use crate::message::client_fault::ClientFault;

tokio::task_local! {
    static STREAM: Arc<Stream>;
}

/// Runs the HTTP/2 streams of a server. Resets a stream if its client reads nothing for `limit`, so that the
/// flow-control window stays closed.
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
                // The end of this task drops `stream`, which resets the HTTP/2 stream.
                () = watched.stalled(limit) => {}
            }
        }));
    }
}

/// The progress of a stream's response.
#[derive(Debug, Default)]
pub(super) struct Stream {
    client: OnceLock<Arc<Client>>,
    /// The time since which a part of the response body waits to be sent, if one does.
    unsent_since: Mutex<Option<Instant>>,
}

impl Stream {
    /// Returns the HTTP/2 stream that the current task runs, if there is one.
    pub(super) fn current() -> Option<Arc<Self>> {
        STREAM.try_with(Arc::clone).ok()
    }

    /// Stores the client of this response.
    pub(super) fn begin(&self, client: &Arc<Client>) {
        let _ = self.client.set(Arc::clone(client));
    }

    /// Records that hyper has requested the next part of the response body, which means that the client had room for
    /// the last one. `has_part` says whether hyper got an answer: a part, or the end of the body.
    pub(super) fn polled(&self, has_part: bool) {
        *self.lock() = has_part.then(Instant::now);
    }

    /// Completes when the client has read nothing for `limit`.
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
